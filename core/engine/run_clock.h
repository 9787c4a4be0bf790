/*
 * The clock of a run that is driven: Unix time when it was begun, and from then on one that is never set, so that bakes and retries are as long as they are to be whatever
 * people do to the clock of the machine. It never goes back, whichever machine drives the run. What depends on the time of day (the plan's hours) asks for what the machine's
 * clock says, and only while that can be relied on.
 *
 * A clock that is set forward: when it has been steady for a while the run's follows, once nothing is waited for that would be cut short. One that is set back: the run's goes on
 * ahead of it, by as much; hours are those of the machine's. Pure.
 */
#ifndef TG_ENGINE_RUN_CLOCK_H
#define TG_ENGINE_RUN_CLOCK_H

#include "engine/run.h"
#include "engine/steady.h"

#define TG_RUN_CLOCK_BEHIND_MS 1000 /* less is no step: it is caught up with when there is more */

struct tg_run_clock {
    int64_t base_ms;      /* of the run's clock to the one that is never set */
    struct tg_steady steady;
    bool believed;        /* the machine's clock is */
    char why[200];        /* if not */
    bool told;            /* that hours are closed for that */
    int64_t ahead_ms;     /* what the run's was ahead of it when hours were told last */
};

/* last_ms: of the run's last event, 0 when there was none. */
void tg_run_clock_init(struct tg_run_clock *clock, int64_t wall_ms, int64_t mono_ms, int64_t last_ms);
int64_t tg_run_clock_now(const struct tg_run_clock *clock, int64_t mono_ms, int64_t last_ms);
/* What the run's clock is ahead of the machine's; negative: behind. */
int64_t tg_run_clock_ahead_ms(const struct tg_run_clock *clock, int64_t wall_ms, int64_t mono_ms);
/* At least every few seconds. waits: something is waited for by this clock. */
enum tg_run_clock_waits { TG_RUN_CLOCK_IDLE, TG_RUN_CLOCK_WAITS };
void tg_run_clock_look(struct tg_run_clock *clock, int64_t wall_ms, int64_t mono_ms, enum tg_run_clock_waits waits);
/*
 * OPENED or CLOSED, when the run is to be told one: hours end or begin, the clock was set, or can be relied on again. The event's text is the clock's, its until_ms in the run's
 * time. What tg_run_hours_event() says.
 */
int tg_run_clock_hours(struct tg_run_clock *clock, const struct tg_run *run, tg_hours_fn hours, int64_t wall_ms, int64_t mono_ms, bool *out_any, struct tg_run_event *out,
                       struct tg_error *e);

#endif
