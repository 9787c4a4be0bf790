/* What failures a run bears, and how it ends: see run.h. */
#include "engine/run_internal.h"

#include <tagout/clock.h>

#include <stdio.h>

static enum tg_host_state end_of(const struct tg_run_host *h)
{
    return h->state == TG_HOST_STUCK ? h->end : h->state;
}

void tg_policy_count(struct tg_run *run, const struct tg_run_host *h, int by)
{
    struct tg_run_stage *stage = &run->stages[h->stage];
    enum tg_host_state end = end_of(h);

    if (end == TG_HOST_FAILED || end == TG_HOST_UNKNOWN || end == TG_HOST_LOST) {
        run->failures += (size_t) by;
        stage->failures += (size_t) by;
    }
    if (end == TG_HOST_UNREACHABLE) {
        run->unreachable += (size_t) by;
        stage->unreachable += (size_t) by;
    }
}

size_t tg_run_failures(const struct tg_run *run)
{
    return run->failures;
}

int64_t tg_run_failures_max(const struct tg_run *run)
{
    int64_t max = tg_share_within(&run->plan->failed, (int64_t) run->plan->n_targets);

    return max < 0 ? 0 : max;
}

static size_t finished(const size_t counts[TG_HOST_STATES])
{
    size_t n = 0;

    for (int state = TG_HOST_DONE; state < TG_HOST_STATES; state++)
        n += counts[state];
    return n;
}

/* Of whom: " in stage canary", or "". */
static bool is_too_many(const struct tg_share *share, size_t n, size_t of, int64_t sample, size_t n_finished, const char *what, const char *where,
                        char *why, size_t size)
{
    int64_t max = tg_share_within(share, (int64_t) of);

    if (share->kind == TG_SHARE_UNSET || (int64_t) n <= max || (share->kind == TG_SHARE_PERCENT && (int64_t) n_finished < sample))
        return false;
    if (share->kind == TG_SHARE_PERCENT)
        snprintf(why, size, "%zu %s%s, more than %.4g %% of %zu (%zu > %lld)", n, what, where, (double) share->value / 1000, of, n, (long long) max);
    else
        snprintf(why, size, "%zu %s%s, at most %lld may%s", n, what, where, (long long) max, what[0] == 'u' ? " be" : "");
    return true;
}

static bool stage_exceeded(const struct tg_run *run, size_t i, char *why, size_t size)
{
    const struct tg_plan_stage *p = &run->plan->stages[i];
    const struct tg_run_stage *stage = &run->stages[i];
    const struct tg_bounds *b = &p->policy.bears;
    size_t n = finished(stage->counts);
    char where[96];

    snprintf(where, sizeof where, " in stage %.64s", p->name);
    return is_too_many(&b->failed, stage->failures, p->count, b->of_at_least, n, "failed", where, why, size) ||
           is_too_many(&b->unreachable, stage->unreachable, p->count, b->of_at_least, n, "unreachable", where, why, size);
}

bool tg_policy_exceeded(const struct tg_run *run, size_t stage, char *why, size_t size)
{
    const struct tg_plan *plan = run->plan;
    size_t n = finished(run->totals);

    if (is_too_many(&plan->failed, run->failures, plan->n_targets, plan->of_at_least, n, "failed", "", why, size) ||
        is_too_many(&plan->unreachable, run->unreachable, plan->n_targets, plan->of_at_least, n, "unreachable", "", why, size))
        return true;
    if (stage != TG_RUN_NONE && stage != run->stage && stage_exceeded(run, stage, why, size))
        return true;
    return run->stage < plan->n_stages && stage_exceeded(run, run->stage, why, size);
}

enum tg_run_event_kind tg_policy_inconclusive(const struct tg_run *run, const struct tg_run_host *h, int64_t now_ms)
{
    if (run->plan->decide_ms && now_ms - h->since_ms < run->plan->decide_ms)
        return TG_EV_UNCLEAR;
    if (run->plan->decide_ms && !run->plan->give_up_ms)
        return TG_EV_INCONCLUSIVE;
    /* Nothing stops a rollback, and nobody is asked twice. */
    return run->plan->undoes || h->looked ? TG_EV_INCONCLUSIVE : TG_EV_DOUBT;
}

bool tg_run_is_to_be_looked_at(const struct tg_run *run)
{
    return run->causes && !(run->causes & ~TG_CAUSES_TO_LOOK);
}

bool tg_policy_gives_up(const struct tg_run *run, int64_t now_ms)
{
    return tg_run_is_to_be_looked_at(run) && run->give_up_ms && now_ms >= run->give_up_ms;
}

const char *tg_policy_say_gave_up(const struct tg_run *run, char *out, size_t size)
{
    char waited[32];

    tg_duration_format(run->plan->give_up_ms, waited, sizeof waited);
    snprintf(out, size, "%.400s; nobody has looked for %s", run->hold_why ? run->hold_why : "no verdict", waited);
    return out;
}

int64_t tg_policy_retry_ms(const struct tg_run *run, const struct tg_run_host *h, enum tg_run_event_kind why, int64_t now_ms)
{
    int64_t wait_ms = run->plan->retry_wait_ms;

    if (h->state == TG_HOST_AROUND_WAITING || h->state == TG_HOST_UNDO_WAITING) {
        wait_ms = TG_RUN_AROUND_MS << (h->away > 1 ? h->away - 1 : 0); /* of at most TG_RUN_AROUND_TRIES */
        return now_ms + (wait_ms < TG_RUN_AROUND_MAX_MS ? wait_ms : TG_RUN_AROUND_MAX_MS);
    }

    for (int i = 1; why == TG_EV_AWAY && i < h->away && wait_ms < TG_RETRY_WAIT_MAX_MS; i++)
        wait_ms *= 2;
    if (why == TG_EV_AWAY)
        return now_ms + (wait_ms < TG_RETRY_WAIT_MAX_MS ? wait_ms : TG_RETRY_WAIT_MAX_MS);
    int64_t decide_ms = h->since_ms + run->plan->decide_ms, at_ms = now_ms + TG_RUN_BUSY_MS;

    return h->state == TG_HOST_DECIDING && decide_ms < at_ms ? decide_ms > now_ms ? decide_ms : now_ms : at_ms;
}

size_t tg_run_without_verdict(const struct tg_run *run)
{
    return run->totals[TG_HOST_VERIFYING] + run->totals[TG_HOST_DECIDING] + run->totals[TG_HOST_UNDECIDED];
}

size_t tg_run_not_back(const struct tg_run *run)
{
    size_t undone = run->drains ? run->totals[TG_HOST_UNDOING] + run->totals[TG_HOST_UNDO_WAITING] : 0;

    return tg_run_without_verdict(run) + undone;
}

size_t tg_run_leftovers(const struct tg_run *run)
{
    return run->totals[TG_HOST_LOST] + run->totals[TG_HOST_STUCK];
}

enum tg_run_end tg_run_end(const struct tg_run *run)
{
    if (run->state != TG_RUN_ENDED)
        return TG_END_NONE;
    if (run->aborted)
        return TG_END_ABORTED;
    if (run->halted)
        return TG_END_HALTED;
    size_t well = run->plan->withdraws ? run->totals[TG_HOST_WITHDRAWN] + run->totals[TG_HOST_RETURNED] : run->totals[TG_HOST_DONE];
    return well == run->plan->n_hosts ? TG_END_DONE : TG_END_BADLY;
}
