/* What a drive waits for by the clock: a heap, since a million hosts may have thousands of these, and each round asks for the first. */
#ifndef TG_ENGINE_DRIVE_ALARMS_H
#define TG_ENGINE_DRIVE_ALARMS_H

#include "engine/run.h"

struct tg_alarms {
    struct tg_run_action *items; /* RETRY, BAKE and PACE; the next one first */
    size_t n, cap;
};

/* A copy of the action. TG_E_MEMORY. */
int tg_alarms_add(struct tg_alarms *alarms, const struct tg_run_action *action, struct tg_error *e);
/* Takes the next one whose time has come; of what nobody waits for any more (a stop came) nothing is told. False: there is none. */
bool tg_alarms_take(struct tg_alarms *alarms, const struct tg_run *run, int64_t now_ms, struct tg_run_event *out);
/* How long until the next one, at most that much; 0 one is due. */
int64_t tg_alarms_left_ms(const struct tg_alarms *alarms, int64_t now_ms, int64_t most_ms);
void tg_alarms_release(struct tg_alarms *alarms);

#endif
