/* The clock of a run that is driven: see run_clock.h. */
#include "engine/run_clock.h"

void tg_run_clock_init(struct tg_run_clock *c, int64_t wall_ms, int64_t mono_ms, int64_t last_ms)
{
    *c = (struct tg_run_clock) {.base_ms = (wall_ms > last_ms ? wall_ms : last_ms) - mono_ms};
    tg_steady_init(&c->steady, wall_ms, mono_ms);
    c->believed = true;
}

int64_t tg_run_clock_now(const struct tg_run_clock *c, int64_t mono_ms, int64_t last_ms)
{
    return c->base_ms + mono_ms > last_ms ? c->base_ms + mono_ms : last_ms;
}

int64_t tg_run_clock_ahead_ms(const struct tg_run_clock *c, int64_t wall_ms, int64_t mono_ms)
{
    return c->base_ms + mono_ms - wall_ms;
}

void tg_run_clock_look(struct tg_run_clock *c, int64_t wall_ms, int64_t mono_ms, enum tg_run_clock_waits waits)
{
    c->believed = tg_steady(&c->steady, wall_ms, mono_ms, c->why, sizeof c->why);
    if (c->believed && waits == TG_RUN_CLOCK_IDLE && tg_run_clock_ahead_ms(c, wall_ms, mono_ms) <= -TG_RUN_CLOCK_BEHIND_MS)
        c->base_ms = wall_ms - mono_ms;
}

static struct tg_run_event closed_by_clock(const struct tg_run_clock *c, int64_t now_ms)
{
    return (struct tg_run_event) {.kind = TG_EV_CLOSED, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .until_ms = now_ms + TG_STEADY_WAIT_MS, .text = c->why};
}

int tg_run_clock_hours(struct tg_run_clock *c, const struct tg_run *run, tg_hours_fn hours, int64_t wall_ms, int64_t mono_ms, bool *out_any, struct tg_run_event *out,
                       struct tg_error *e)
{
    int64_t now = tg_run_clock_now(c, mono_ms, run->last_ms), due = tg_run_hours_due_ms(run), ahead = now - wall_ms, moved = ahead - c->ahead_ms;

    *out_any = due != INT64_MAX && (now >= due || c->told == c->believed || (c->believed && (moved >= TG_RUN_CLOCK_BEHIND_MS || moved <= -TG_RUN_CLOCK_BEHIND_MS)));
    if (!*out_any)
        return 0;
    c->told = !c->believed;
    c->ahead_ms = ahead;
    if (!c->believed) {
        *out = closed_by_clock(c, now);
        return 0;
    }
    int rc = tg_run_hours_event(run, hours, wall_ms, out, e);
    if (!rc)
        out->until_ms += ahead;
    return rc;
}
