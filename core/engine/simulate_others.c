/* Who is down without a simulated run's doing: hosts that are gone, and hosts that others hold. See simulate.h. */
#include "engine/simulate_internal.h"

#include <stdlib.h>
#include <string.h>

/* Where nothing is counted by domain nobody has to be told: a host finds out when its turn comes. */
static bool counts(const struct tg_simulation *s)
{
    return s->sim->plan->n_limits > 0;
}

static const char *name_of(const struct tg_simulation *s, size_t host)
{
    return s->sim->plan->hosts[host].name;
}

/* A dry run asks the same hosts: they are one. */
static bool is_counted(const struct tg_simulation *s, size_t host)
{
    return !s->sim->plan->stages[s->sim->run->hosts[host].stage].dry_run;
}

static void push(struct tg_simulation *s, enum tg_sim_what what, size_t host, int64_t at_ms)
{
    if (at_ms < INT64_MAX)
        tg_sim_push(s, (struct tg_sim_item) {.at_ms = at_ms, .of = (uint32_t) host, .what = (uint8_t) what});
}

/* ---- gone ---- */

static int tell_gone(struct tg_simulation *s, size_t host, bool gone, struct tg_error *e)
{
    struct tg_sim_host *h = &s->hosts[host];

    if (gone == h->gone)
        return 0;
    h->gone = gone;
    s->gone += gone ? 1 : (size_t) -1;
    if (s->sim->plan->ignore_gone || !counts(s))
        return 0;
    return tg_sim_feed(s, (struct tg_run_event) {.kind = gone ? TG_EV_GONE : TG_EV_BACK, .host = host, .stage = TG_RUN_NONE, .text = gone ? "its agent is gone" : NULL}, e);
}

static int look_gone(struct tg_simulation *s, size_t host, struct tg_error *e)
{
    int64_t until_ms;
    bool gone = tg_sim_is_gone(s->sim->model, name_of(s, host), s->now_ms, &until_ms);

    push(s, TG_SIM_MOVES, host, until_ms);
    int rc = tell_gone(s, host, gone, e);
    return rc ? rc : tg_sim_others_recount(s, host, e);
}

/* ---- held ---- */

static int tell_domain(struct tg_simulation *s, uint32_t d, struct tg_error *e)
{
    return tg_sim_feed(s, (struct tg_run_event) {.kind = TG_EV_OUTSIDE, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = d, .count = s->outside[d]}, e);
}

/* Room is told of at once. That there is less of it is in time behind the next lock, as with real ones. */
static int count_in_domains(struct tg_simulation *s, size_t host, bool more, struct tg_error *e)
{
    const struct tg_plan *plan = s->sim->plan;
    int rc = 0;

    for (size_t l = 0; !rc && l < plan->n_limits; l++) {
        uint32_t d = plan->domain_of[host * plan->n_limits + l];
        if (d == TG_NO_DOMAIN)
            continue;
        s->outside[d] += more ? 1U : (uint32_t) -1;
        if (s->outside[d] < s->sim->run->domains[d].outside)
            rc = tell_domain(s, d, e);
    }
    return rc;
}

int tg_sim_others_locked(struct tg_simulation *s, size_t host, struct tg_error *e)
{
    const struct tg_plan *plan = s->sim->plan;
    int rc = 0;

    for (size_t l = 0; !rc && s->outside && l < plan->n_limits; l++) {
        uint32_t d = plan->domain_of[host * plan->n_limits + l];
        if (d != TG_NO_DOMAIN && s->outside[d] != s->sim->run->domains[d].outside)
            rc = tell_domain(s, d, e);
    }
    return rc;
}

int tg_sim_others_recount(struct tg_simulation *s, size_t host, struct tg_error *e)
{
    struct tg_sim_host *h = &s->hosts[host];
    const struct tg_run_host *r = &s->sim->run->hosts[host];
    bool down = h->held && !tg_run_is_down(s->sim->run, r) && !r->gone;

    if (!counts(s) || down == h->counted || s->away)
        return 0;
    h->counted = down;
    return count_in_domains(s, host, down, e);
}

static int look_held(struct tg_simulation *s, size_t host, struct tg_error *e)
{
    struct tg_sim_host *h = &s->hosts[host];
    int64_t until_ms;
    bool held = tg_sim_is_held(s->sim->model, name_of(s, host), s->now_ms, &until_ms);

    s->held += held ? !h->held : h->held ? (size_t) -1 : 0;
    h->held = held;
    push(s, TG_SIM_FLIPS, host, until_ms);
    return tg_sim_others_recount(s, host, e);
}

/* ---- of a run that follows another one: the other's hosts that it does not go over ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void count_one(struct tg_simulation *s, size_t host, uint32_t *gone)
{
    const struct tg_plan *plan = s->first->plan;
    const char *name = plan->hosts[host].name;
    int64_t until_ms;
    bool is_gone = !plan->ignore_gone && tg_sim_is_gone(s->sim->model, name, s->now_ms, &until_ms);
    bool is_held = !is_gone && tg_sim_is_held(s->sim->model, name, s->now_ms, &until_ms);

    for (size_t l = 0; (is_gone || is_held) && l < plan->n_limits; l++) {
        uint32_t d = plan->domain_of[host * plan->n_limits + l];
        if (d == TG_NO_DOMAIN)
            continue;
        gone[d] += is_gone;
        s->outside[d] += is_held;
    }
}

static void count_rest(struct tg_simulation *s, const char **names, uint32_t *gone)
{
    const struct tg_plan *all = s->first->plan;
    size_t n = s->sim->plan->n_hosts;

    for (size_t i = 0; i < n; i++)
        names[i] = name_of(s, i);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < all->n_hosts; i++)
        if (!all->stages[s->first->run->hosts[i].stage].dry_run && !bsearch(&(const char *) {all->hosts[i].name}, names, n, sizeof *names, by_name))
            count_one(s, i, gone);
}

/* As they are when it begins. */
static int tell_rest(struct tg_simulation *s, struct tg_error *e)
{
    const char **names = calloc(s->sim->plan->n_hosts + 1, sizeof *names);
    uint32_t *gone = calloc(s->sim->plan->n_domains + 1, sizeof *gone);
    int rc = names && gone ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc)
        count_rest(s, names, gone);
    for (uint32_t d = 0; !rc && d < s->sim->plan->n_domains; d++) {
        struct tg_run_event event = {.kind = TG_EV_OUTSIDE_GONE, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = d, .count = gone[d]};
        rc = gone[d] ? tg_sim_feed(s, event, e) : 0;
        event.kind = TG_EV_OUTSIDE;
        event.count = s->outside[d];
        if (!rc && event.count)
            rc = tg_sim_feed(s, event, e);
    }
    free(names);
    free(gone);
    return rc;
}

/* ---- from outside ---- */

int tg_sim_others_begin(struct tg_simulation *s, struct tg_error *e)
{
    const struct tg_sim_model *m = s->sim->model;
    int rc = 0;

    if (m->held <= 0 && m->gone <= 0 && m->going <= 0)
        return 0;
    if (!(s->outside = calloc(s->sim->plan->n_domains + 1, sizeof *s->outside)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (s->first && counts(s))
        rc = tell_rest(s, e);
    for (size_t i = 0; !rc && (m->gone > 0 || m->going > 0) && i < s->sim->plan->n_hosts; i++)
        if (is_counted(s, i))
            rc = look_gone(s, i, e);
    for (size_t i = 0; !rc && m->held > 0 && counts(s) && i < s->sim->plan->n_hosts; i++)
        if (is_counted(s, i))
            rc = look_held(s, i, e);
    return rc;
}

/* While nobody is in the seat nobody sees it. */
#define LOOKS_AGAIN_MS 1000

int tg_sim_others_move(struct tg_simulation *s, const struct tg_sim_item *item, struct tg_error *e)
{
    if (s->away) {
        push(s, (enum tg_sim_what) item->what, item->of, s->now_ms + LOOKS_AGAIN_MS);
        return 0;
    }
    return item->what == TG_SIM_FLIPS ? look_held(s, item->of, e) : look_gone(s, item->of, e);
}
