/* Whether the clock of this machine can be relied on: see steady.h. */
#include "engine/steady.h"

#include <tagout/clock.h>

#include <stdio.h>

void tg_steady_init(struct tg_steady *s, int64_t wall_ms, int64_t mono_ms)
{
    *s = (struct tg_steady) {.offset_ms = wall_ms - mono_ms, .until_ms = mono_ms};
}

bool tg_steady(struct tg_steady *s, int64_t wall_ms, int64_t mono_ms, char *why, size_t size)
{
    int64_t step = wall_ms - mono_ms - s->offset_ms;
    char text[32];

    s->offset_ms += step;
    if (step >= TG_STEADY_STEP_MS || step <= -TG_STEADY_STEP_MS) {
        s->step_ms = step;
        s->until_ms = mono_ms + TG_STEADY_WAIT_MS;
    }
    if (mono_ms >= s->until_ms)
        return true;
    tg_duration_format((s->step_ms < 0 ? -s->step_ms : s->step_ms) / 1000 * 1000, text, sizeof text);
    snprintf(why, size, "the clock of this machine was set %s by %s: nothing starts until it has been steady for 10m", s->step_ms < 0 ? "back" : "forward", text);
    return false;
}
