/* The windows of a plan's hosts: see windows.h. */
#include "engine/windows.h"

#include "engine/plan_when.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEET_MAX 200 /* windows looked at until those of a set that has been parted meet */

/* Classes of the agenda that hosts of a window are in now. */
struct classes {
    size_t first, n;
};

struct tg_windows {
    const struct tg_plan *plan;
    const struct tg_inventory *inventory;
    struct tg_agenda *agenda;     /* NULL: shut */
    char why[TG_WINDOW_WHY_SIZE]; /* then */
    uint32_t *host_of;            /* by host of the plan: in the inventory, or TG_RUN_NOBODY */
    struct classes *of;           /* by window */
    uint32_t *list;
};

/* ---- making and binding ---- */

int tg_windows_new(const struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_windows **out, struct tg_error *e)
{
    struct tg_windows *w = calloc(1, sizeof *w);

    if (!w)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *w = (struct tg_windows) {.plan = plan, .inventory = inventory, .why = "nobody has looked into the calendar yet"};
    w->host_of = malloc((plan->n_hosts + 1) * sizeof *w->host_of);
    w->of = calloc(plan->n_windows + 1, sizeof *w->of);
    if (!w->host_of || !w->of) {
        tg_windows_free(w);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < plan->n_hosts; i++) {
        const struct tg_host *host = plan->n_windows && plan->window_of[i] != TG_NO_DOMAIN ? tg_inventory_host(inventory, plan->hosts[i].name) : NULL;
        w->host_of[i] = host ? host->index : TG_RUN_NOBODY;
    }
    *out = w;
    return 0;
}

void tg_windows_free(struct tg_windows *w)
{
    if (!w)
        return;
    free(w->host_of);
    free(w->of);
    free(w->list);
    free(w);
}

void tg_windows_shut(struct tg_windows *w, const char *why)
{
    w->agenda = NULL;
    snprintf(w->why, sizeof w->why, "%s", why);
}

struct pair {
    uint32_t window, class_;
};

static int by_window(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->window != y->window)
        return x->window < y->window ? -1 : 1;
    return (x->class_ > y->class_) - (x->class_ < y->class_);
}

/* Each pair of a window and a class, as neighbours are mostly alike: not again when it is the last one. */
static size_t collect(const struct tg_windows *w, const struct tg_agenda *agenda, const struct tg_run *run, struct pair *out)
{
    size_t n = 0;

    for (size_t i = 0; i < w->plan->n_hosts; i++) {
        if (w->host_of[i] == TG_RUN_NOBODY || (run && tg_host_state_is_end(run->hosts[i].state)))
            continue;
        const struct pair p = {w->plan->window_of[i], tg_agenda_class(agenda, w->host_of[i])};
        if (!n || out[n - 1].window != p.window || out[n - 1].class_ != p.class_)
            out[n++] = p;
    }
    qsort(out, n, sizeof *out, by_window);
    return n;
}

int tg_windows_bind(struct tg_windows *w, struct tg_agenda *agenda, const struct tg_run *run, struct tg_error *e)
{
    struct pair *pairs = malloc((w->plan->n_hosts + 1) * sizeof *pairs);
    uint32_t *list = NULL;
    size_t n = pairs ? collect(w, agenda, run, pairs) : 0, k = 0;

    if (!pairs || !(list = malloc((n + 1) * sizeof *list))) {
        free(pairs);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    memset(w->of, 0, w->plan->n_windows * sizeof *w->of);
    for (size_t i = 0; i < n; i++) {
        struct classes *c = &w->of[pairs[i].window];
        if (i && pairs[i - 1].window == pairs[i].window && pairs[i - 1].class_ == pairs[i].class_)
            continue;
        c->first = c->n++ ? c->first : k;
        list[k++] = pairs[i].class_;
    }
    free(pairs);
    free(w->list);
    w->list = list;
    w->agenda = agenda;
    return 0;
}

/* ---- asking ---- */

static const struct tg_window_says closed = {false, INT64_MAX}, untold = {false, TG_WINDOW_UNTOLD};

/* From a time on, the first at which it fits for all of some classes. 0, or what the calendar says. */
static int meet(struct tg_windows *w, const uint32_t *classes, size_t n, int64_t need_ms, int64_t wall_ms, struct tg_window_says *out, struct tg_error *e)
{
    int64_t at = wall_ms, latest = INT64_MAX;
    struct tg_fit fit;
    int rc = 0;

    for (size_t met = 0, i = 0, tries = 0; met < n; i = (i + 1) % n) {
        if (tries++ > MEET_MAX * n)
            return *out = closed, 0;
        if ((rc = tg_agenda_fits(w->agenda, classes[i], at, need_ms, &fit, e)) != 0)
            return rc;
        if (fit.start_ms == TG_CALENDAR_NEVER)
            return *out = closed, 0;
        latest = met && fit.now && latest < fit.latest_ms ? latest : fit.latest_ms;
        met = fit.now ? met + 1 : 1;
        at = fit.start_ms;
    }
    *out = at == wall_ms ? (struct tg_window_says) {true, latest} : (struct tg_window_says) {false, at};
    return 0;
}

void tg_windows_ask(struct tg_windows *w, size_t window, int64_t wall_ms, struct tg_window_says *out)
{
    const struct classes *c = &w->of[window];

    *out = w->agenda ? closed : untold;
    if (w->agenda && c->n && meet(w, w->list + c->first, c->n, w->plan->windows[window].need_ms, wall_ms, out, NULL))
        *out = untold;
}

bool tg_windows_fits(struct tg_windows *w, size_t host, int64_t wall_ms, char *why, size_t size)
{
    struct tg_error e = TG_ERROR_INIT;
    uint32_t window = w->plan->n_windows ? w->plan->window_of[host] : TG_NO_DOMAIN, class_;
    struct tg_window_says says = closed;

    if (window == TG_NO_DOMAIN)
        return true;
    if (!w->agenda || w->host_of[host] == TG_RUN_NOBODY) {
        snprintf(why, size, "%.280s", w->agenda ? "the inventory does not have it any more: nobody can tell when it may be disturbed" : w->why);
        return false;
    }
    class_ = tg_agenda_class(w->agenda, w->host_of[host]);
    if (!meet(w, &class_, 1, w->plan->windows[window].need_ms, wall_ms, &says, &e) && says.open)
        return true;
    snprintf(why, size, "%.280s", e.code ? e.message : "its window has closed, or what is left of it is too short");
    return false;
}

struct tg_run_event tg_window_event(size_t window, const struct tg_window_says *says, const char *why)
{
    return (struct tg_run_event) {.kind = says->open ? TG_EV_WINDOW_OPENED : TG_EV_WINDOW_CLOSED, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = window,
                                  .until_ms = says->until_ms, .text = why && why[0] ? why : NULL};
}

const struct tg_rule *const *tg_windows_rules(const struct tg_windows *w, size_t window, size_t *out_n)
{
    *out_n = 0;
    return w->agenda && w->of[window].n ? tg_agenda_rules(w->agenda, w->list[w->of[window].first], TG_AGENDA_WINDOWS, out_n) : NULL;
}

/* ---- for people ---- */

static void name_rule(const struct tg_rule *rule, char *out, size_t size)
{
    if (rule->booked || strcmp(rule->scope, "fleet") == 0)
        snprintf(out, size, "%.120s", rule->name);
    else
        snprintf(out, size, "%.80s of %.80s", rule->name, rule->scope);
}

/* The window that is open at a time, in one class. */
static bool name_open(struct tg_windows *w, uint32_t class_, int64_t at_ms, char *out, size_t size)
{
    struct tg_reason *reasons = NULL;
    size_t n = 0;
    bool found = false;

    if (tg_agenda_why(w->agenda, class_, at_ms, &reasons, &n, NULL))
        return false;
    for (size_t i = 0; i < n && !found; i++)
        if (reasons[i].rule->kind == TG_RULE_WINDOW && reasons[i].holds) {
            name_rule(reasons[i].rule, out, size);
            found = true;
        }
    free(reasons);
    return found;
}

static void say_never(const struct tg_windows *w, size_t window, char *out, size_t size)
{
    char need[32];
    size_t windows = 0, blackouts = 0;

    tg_duration_format(w->plan->windows[window].need_ms, need, sizeof need);
    if (w->of[window].n == 1) {
        tg_agenda_rules(w->agenda, w->list[w->of[window].first], TG_AGENDA_WINDOWS, &windows);
        tg_agenda_rules(w->agenda, w->list[w->of[window].first], TG_AGENDA_BLACKOUTS, &blackouts);
    }
    if (w->of[window].n == 1 && !windows && !blackouts)
        snprintf(out, size, "they have no window: neither the calendar nor a booked week has one for them, and what has none is closed");
    else if (w->of[window].n == 0)
        snprintf(out, size, "no host of it is in the inventory any more, or all have ended");
    else if (w->of[window].n > 1)
        snprintf(out, size, "the calendar has changed since the plan was made, and hosts that had the same windows have %zu different ones, which never meet for %s: a new run tells them apart",
                 w->of[window].n, need);
    else
        snprintf(out, size, "no window of %.150s is still to come that is %s long, as a host needs: a longer window, or a shorter estimate", w->plan->windows[window].name, need);
}

void tg_windows_why(struct tg_windows *w, size_t window, int64_t wall_ms, const struct tg_window_says *says, char *out, size_t size)
{
    const struct classes *c = &w->of[window];
    char name[180];

    out[0] = '\0';
    if (!w->agenda)
        snprintf(out, size, "%s", w->why);
    else if (!says->open && says->until_ms == INT64_MAX)
        say_never(w, window, out, size);
    else if (c->n && name_open(w, w->list[c->first], says->open ? wall_ms : says->until_ms, name, sizeof name))
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%.180s", w->plan->windows[window].name);
}
