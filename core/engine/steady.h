/* Whether the clock of this machine can be relied on: against one that is never set, a step shows. Pure. */
#ifndef TG_ENGINE_STEADY_H
#define TG_ENGINE_STEADY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TG_STEADY_STEP_MS INT64_C(60000) /* more between two looks was no slewing */
#define TG_STEADY_WAIT_MS INT64_C(600000) /* until it is believed: time for whoever keeps the clock to think again */

struct tg_steady {
    int64_t offset_ms;  /* of the clock to the one that is never set, when it was looked at last */
    int64_t until_ms;   /* monotonic: it is relied on from then on */
    int64_t step_ms;    /* the last one */
};

void tg_steady_init(struct tg_steady *steady, int64_t wall_ms, int64_t mono_ms);
/* At least every few seconds. False: it was set a while ago; why says so. size ≥ 160 */
bool tg_steady(struct tg_steady *steady, int64_t wall_ms, int64_t mono_ms, char *why, size_t size);

#endif
