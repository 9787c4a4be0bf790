/* The windows of a run's hosts: what is told of them, and what they hold back. See run.h. */
#include "engine/run_internal.h"

#include "fleet/shard.h"

#include <stdio.h>

#define LATE_SHARE 10 /* of a window, its last tenth: for whoever waited for a lock or a limit at his moment */

const struct tg_run_domain *tg_run_window(const struct tg_run *run, size_t window)
{
    return &run->domains[run->plan->n_domains + window];
}

uint32_t tg_window_of(const struct tg_run *run, size_t host)
{
    uint32_t window = run->plan->n_windows ? run->plan->window_of[host] : TG_NO_DOMAIN;

    return window == TG_NO_DOMAIN ? TG_NO_DOMAIN : (uint32_t) run->plan->n_domains + window;
}

bool tg_window_is_closed_for(const struct tg_run *run, size_t host)
{
    uint32_t domain = tg_window_of(run, host);

    return domain != TG_NO_DOMAIN && !run->domains[domain].open;
}

/* Whoever is on his way to a bake, or in it. */
static bool is_of_wave(enum tg_host_state state)
{
    return state >= TG_HOST_LOCKING && state <= TG_HOST_BAKING;
}

void tg_window_count(struct tg_run *run, size_t host, int by)
{
    uint32_t domain = tg_window_of(run, host);

    if (domain != TG_NO_DOMAIN && is_of_wave(run->hosts[host].state))
        run->domains[domain].down += (uint32_t) by;
}

/* All of a stage need as much time: who starts while one of the wave might still start is ready, baked and back when that one's window ends. */
bool tg_window_is_late(const struct tg_run *run, size_t stage)
{
    const struct tg_plan_stage *p = &run->plan->stages[stage];
    bool late = false;

    if (!run->drains || !p->bake_ms || p->dry_run)
        return false;
    for (size_t i = p->first_window; !late && i < p->first_window + p->n_windows; i++)
        late = !tg_run_window(run, i)->open && tg_run_window(run, i)->down;
    return late;
}

/* A share of the time between both ends, in 2^31sts: the same on every machine, for ever. */
static int64_t moment_within(const char *name, int64_t ms)
{
    int64_t share = (int64_t) (tg_shard_hash(name) >> 33), scale = INT64_C(1) << 31;

    return ms / scale * share + ms % scale * share / scale;
}

int64_t tg_window_moment_ms(const struct tg_run *run, size_t host)
{
    uint32_t domain = tg_window_of(run, host);
    const struct tg_run_domain *d = domain == TG_NO_DOMAIN ? NULL : &run->domains[domain];

    if (!d || !d->open || !run->plan->stages[run->hosts[host].stage].over_window || d->until_ms == INT64_MAX)
        return d ? d->since_ms : 0;
    int64_t whole_ms = d->until_ms > d->since_ms ? d->until_ms - d->since_ms : 0;
    return d->since_ms + moment_within(run->plan->hosts[host].name, whole_ms - whole_ms / LATE_SHARE);
}

bool tg_window_keeps(const struct tg_run *run, size_t host)
{
    return tg_window_is_closed_for(run, host) || tg_window_moment_ms(run, host) > run->last_ms;
}

int64_t tg_window_next_ms(const struct tg_run *run, size_t stage)
{
    const struct tg_plan_stage *p = &run->plan->stages[stage];
    int64_t next = INT64_MAX;

    for (size_t i = p->first_window; i < p->first_window + p->n_windows; i++) {
        const struct tg_run_domain *d = tg_run_window(run, i);
        int64_t at = d->open && d->lines[0].first != TG_RUN_NOBODY ? tg_window_moment_ms(run, d->lines[0].first) : INT64_MAX;
        next = at < next ? at : next;
    }
    return next;
}

void tg_window_told(struct tg_step *s, const struct tg_run_event *ev)
{
    struct tg_run *run = s->run;
    uint32_t domain = (uint32_t) (run->plan->n_domains + ev->domain);
    struct tg_run_domain *d = &run->domains[domain];
    bool open = ev->kind == TG_EV_WINDOW_OPENED;

    if (!d->until_ms || open != d->open)
        d->since_ms = s->now_ms;
    d->open = open;
    d->until_ms = ev->until_ms;
    tg_step_set_text(s, &d->why, ev->text);
    run->last_ms = s->now_ms;
    run->stages[run->plan->windows[ev->domain].stage].wake_ms = 0;
    tg_queue_window(run, domain);
}

/* What is open, or has a time at which it opens, is not skipped, whoever says so. Who has not been tried yet is not: whoever drives the run says it again. */
void tg_window_skipped(struct tg_step *s, const struct tg_run_event *ev)
{
    struct tg_run *run = s->run;
    const struct tg_run_domain *d = tg_run_window(run, ev->domain);
    char why[700];
    size_t host;

    if (!tg_run_window_never_comes(run, ev->domain))
        return;
    snprintf(why, sizeof why, "its window is not known to come (%.300s), and %.100s said to go on without it%s%.200s", d->why ? d->why : run->plan->windows[ev->domain].name,
             ev->by ? ev->by : "somebody", ev->text ? ": " : "", ev->text ? ev->text : "");
    (void) tg_queue_any(run, run->plan->windows[ev->domain].stage); /* so that whoever can be tried stands where he waits */
    while ((host = tg_queue_leave_window(run, (uint32_t) (run->plan->n_domains + ev->domain))) != TG_RUN_NONE)
        tg_step_tell_host(s, host, TG_EV_SKIP, why);
}

bool tg_run_window_never_comes(const struct tg_run *run, size_t window)
{
    const struct tg_run_domain *d = tg_run_window(run, window);

    return !d->open && d->until_ms == INT64_MAX;
}

bool tg_run_wants_window(const struct tg_run *run, size_t window)
{
    size_t stage = run->plan->windows[window].stage, ended = 0;

    for (int state = TG_HOST_DONE; state < TG_HOST_STATES; state++)
        ended += run->stages[stage].counts[state];
    return stage <= run->stage && ended < run->plan->stages[stage].count;
}

bool tg_run_closed_window(const struct tg_run *run, size_t *at, size_t *out_window, size_t *out_waiting)
{
    for (; *at < run->plan->n_windows; ++*at)
        if (tg_run_window(run, *at)->lines[0].n) {
            *out_window = *at;
            *out_waiting = tg_run_window(run, (*at)++)->lines[0].n;
            return true;
        }
    return false;
}
