/*
 * How long a run's locks last, and when each is to be extended, so that none is overdue while the run is driven. Cheap: a lock is extended by as long as
 * it has lasted, so one that lasts a day is written five times, not every minute. Pure.
 */
#ifndef TG_ENGINE_HOLD_TERMS_H
#define TG_ENGINE_HOLD_TERMS_H

#include "engine/run.h"

#define TG_HOLD_OUT_MS (7 * INT64_C(86400000)) /* of a host that is taken out of service: who has forgotten it for a week is told so */
#define TG_HOLD_FOR_MS 3600000 /* beyond a step and the stage's bake: a lock past its term still holds, and shows as overdue */

struct tg_hold_terms {
    const struct tg_run *run; /* borrowed */
    int64_t step_ms;
    int64_t *until_ms;        /* by host, Unix; 0: not known here, INT64_MAX: not to be extended any more */
    size_t next;              /* of the sweep */
    int64_t sweep_ms;         /* Unix: the next begins then */
};

int tg_hold_terms_init(struct tg_hold_terms *terms, const struct tg_run *run, int64_t step_ms, struct tg_error *e);
void tg_hold_terms_release(struct tg_hold_terms *terms);
/* For how long a host's lock is taken. */
int64_t tg_hold_terms_first_ms(const struct tg_hold_terms *terms, size_t host);
/* It was taken, or extended, for so long. */
void tg_hold_terms_taken(struct tg_hold_terms *terms, size_t host, int64_t now_ms, int64_t for_ms);
/* Until when it lasts, as far as is known here, Unix; INT64_MAX: it is not to be extended any more. */
int64_t tg_hold_terms_until_ms(const struct tg_hold_terms *terms, size_t host);
/* It can't be extended: it is not there, or no longer ours. */
void tg_hold_terms_gone(struct tg_hold_terms *terms, size_t host);
/* The next host whose lock is to be extended now, and for how long; false when there is none. A sweep over all hosts twice a minute. */
bool tg_hold_terms_next(struct tg_hold_terms *terms, int64_t now_ms, size_t *out_host, int64_t *out_for_ms);

#endif
