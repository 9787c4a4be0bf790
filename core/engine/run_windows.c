/* The windows of a run's hosts: what is told of them, and what they hold back. See run.h. */
#include "engine/run_internal.h"

#include "fleet/shard.h"

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
    return d->since_ms + moment_within(run->plan->hosts[host].name, d->until_ms > d->since_ms ? d->until_ms - d->since_ms : 0);
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
