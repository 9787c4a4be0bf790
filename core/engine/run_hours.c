/* The hours of a run's plan: what is told of them, and what they hold back. See run.h. */
#include "engine/run_internal.h"

bool tg_run_is_open(const struct tg_run *run, int64_t now_ms)
{
    return !run->plan->hours.days || (run->open && now_ms < run->hours_until_ms);
}

void tg_run_take_hours(struct tg_run *run, const struct tg_run_event *ev)
{
    run->open = ev->kind == TG_EV_OPENED;
    run->hours_until_ms = ev->until_ms;
    if (run->open && (run->day == 0 || ev->date > run->date)) {
        run->date = ev->date;
        run->day++;
    }
}

int64_t tg_run_spread_us(const struct tg_run *run, size_t stage, int64_t now_ms)
{
    int64_t most = run->plan->stages[stage].spread_ms * 1000, left = (run->hours_until_ms - now_ms) * 1000;

    if (most == 0 || left <= 0)
        return 0;
    int64_t each = left / (int64_t) (run->stages[stage].counts[TG_HOST_WAITING] + 1); /* the last one has as long as the others */
    return each < most ? each : most;
}

int64_t tg_run_hours_due_ms(const struct tg_run *run)
{
    bool moves = run->state != TG_RUN_NEW && run->state != TG_RUN_ENDED && run->state != TG_RUN_PAUSED;

    return run->plan->hours.days && moves ? run->hours_until_ms : INT64_MAX;
}

int tg_run_hours_event(const struct tg_run *run, tg_hours_fn hours, int64_t now_ms, struct tg_run_event *out, struct tg_error *e)
{
    struct tg_hours_span span;
    int rc = hours(&run->plan->hours, now_ms, &span, e);

    if (rc)
        return rc;
    if (span.until_ms <= now_ms) /* whoever drives would ask for ever */
        return tg_fail(e, TG_E_BUG, "hours that end before they are told");
    *out = (struct tg_run_event) {.kind = span.open ? TG_EV_OPENED : TG_EV_CLOSED, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .until_ms = span.until_ms,
                                  .date = span.open ? span.date : 0};
    return 0;
}
