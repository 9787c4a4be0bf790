/* Whether hosts started when they were to: rates, hours, days and bakes, and not once too many had failed. See world.h. */
#include "world.h"

#include <stdlib.h>

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

void world_judge_rates(struct world *w)
{
    int64_t *starts = calloc(w->plan->n_hosts + 1, sizeof *starts);

    for (size_t s = 0; s < w->plan->n_stages; s++) {
        const struct tg_plan_stage *p = &w->plan->stages[s];
        int64_t least = tg_rate_interval_us(&p->rate) / 1000;
        size_t n = 0;
        for (size_t i = p->first; i < p->first + p->count; i++)
            if (w->hosts[i].first_ms)
                starts[n++] = w->hosts[i].first_ms;
        qsort(starts, n, sizeof *starts, by_time);
        least -= least / 10 > 100 ? least / 10 : 100; /* as late as a start may be without losing its turn: run.h */
        for (size_t i = 1; i < n; i++)
            if (starts[i] - starts[i - 1] < least)
                world_violation(w, "P5: in %s a host started %lld ms after another, at least %lld are asked for", p->name,
                                (long long) (starts[i] - starts[i - 1]), (long long) least);
    }
    free(starts);
}

/* A day of 300 ms and more, open for a part of it. */
int world_hours(const struct tg_hours *hours, int64_t wall_ms, struct tg_hours_span *out, struct tg_error *e)
{
    int64_t lasts = 300 + hours->from_min * 97, open = 100 + hours->from_min * 41, day = wall_ms / lasts, since = wall_ms % lasts;

    (void) e;
    *out = since < open ? (struct tg_hours_span) {true, day * lasts + open, day} : (struct tg_hours_span) {false, (day + 1) * lasts, 0};
    return 0;
}

void world_judge_hours(struct world *w, int64_t from_ms)
{
    const struct tg_hours *hours = &w->plan->hours;
    struct tg_hours_span first, span;

    for (size_t s = 0; hours->days && s < w->plan->n_stages; s++)
        for (size_t i = w->plan->stages[s].first; i < w->plan->stages[s].first + w->plan->stages[s].count; i++) {
            int64_t at = w->hosts[i].first_ms;
            if (!at)
                continue;
            world_hours(hours, at, &span, NULL);
            world_hours(hours, from_ms, &first, NULL);
            int64_t begun = first.open ? first.date : first.until_ms / (300 + hours->from_min * 97);
            if (!span.open)
                world_violation(w, "P5: %s started outside the hours", w->plan->hosts[i].name);
            else if (span.date - begun + 1 < w->plan->stages[s].day)
                world_violation(w, "P5: %s started on day %lld, its stage is for day %lld", w->plan->hosts[i].name, (long long) (span.date - begun + 1),
                                (long long) w->plan->stages[s].day);
        }
}

/* A host that was lost, or whose lock would not go, comes back when it likes, also in another stage's time. */
void world_judge_bakes(struct world *w)
{
    for (size_t s = 0; s + 1 < w->plan->n_stages; s++) {
        const struct tg_plan_stage *p = &w->plan->stages[s], *next = p + 1;
        int64_t began = INT64_MAX, verified = 0;
        for (size_t i = next->first; i < next->first + next->count; i++)
            began = w->hosts[i].first_ms && w->hosts[i].first_ms < began ? w->hosts[i].first_ms : began;
        for (size_t i = p->first; i < p->first + p->count; i++)
            verified = !w->hosts[i].strayed && w->hosts[i].verified_ms > verified ? w->hosts[i].verified_ms : verified;
        if (verified && !p->dry_run && began - verified < p->bake_ms)
            world_violation(w, "P5: %s began %lld ms after the last host of %s was verified, %lld are to be waited for", next->name,
                            (long long) (began - verified), p->name, (long long) p->bake_ms);
    }
}

/* Counted anew, host by host. first, count: of whom. */
static void judge_bound(struct world *w, const struct tg_run *run, size_t first, size_t count, size_t of, const struct tg_bounds *b, const char *where)
{
    size_t failed = 0, unreachable = 0, ended = 0;

    for (size_t i = first; i < first + count; i++) {
        const struct tg_run_host *h = &run->hosts[i];
        enum tg_host_state end = h->state == TG_HOST_STUCK ? h->end : h->state;
        ended += tg_host_state_is_end(h->state);
        failed += end == TG_HOST_FAILED || end == TG_HOST_UNKNOWN || end == TG_HOST_LOST;
        unreachable += end == TG_HOST_UNREACHABLE;
    }
    bool enough = (int64_t) ended >= b->of_at_least;
    if (b->failed.kind != TG_SHARE_UNSET && (enough || b->failed.kind == TG_SHARE_COUNT) && (int64_t) failed > tg_share_within(&b->failed, (int64_t) of))
        world_violation(w, "P5: a start with %zu failed in %s", failed, where);
    if (b->unreachable.kind != TG_SHARE_UNSET && (enough || b->unreachable.kind == TG_SHARE_COUNT) &&
        (int64_t) unreachable > tg_share_within(&b->unreachable, (int64_t) of))
        world_violation(w, "P5: a start with %zu unreachable in %s", unreachable, where);
}

/* Nothing starts once more have failed, or are not reached, than may. */
void world_judge_bounds(struct world *w, const struct tg_run *run)
{
    const struct tg_plan *plan = w->plan;
    const struct tg_bounds all = {.failed = plan->failed, .of_at_least = plan->of_at_least, .unreachable = plan->unreachable};

    if (run->state != TG_RUN_ACTIVE)
        return;
    judge_bound(w, run, 0, plan->n_hosts, plan->n_targets, &all, "all");
    for (size_t i = 0; i < plan->n_stages; i++)
        judge_bound(w, run, plan->stages[i].first, plan->stages[i].count, plan->stages[i].count, &plan->stages[i].policy.bears, plan->stages[i].name);
}
