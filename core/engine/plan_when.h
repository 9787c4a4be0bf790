/*
 * When the stages of a plan would be at work, were it run now: from its rates, limits, bakes and hours, and from how long a host takes. An estimate, for
 * people: nothing that is done depends on it. Pure.
 */
#ifndef TG_ENGINE_PLAN_WHEN_H
#define TG_ENGINE_PLAN_WHEN_H

#include "base/buf.h"
#include "engine/plan.h"

#define TG_ESTIMATE_USUAL_MS 60000 /* a run of the usual tools with not much to do, and a check; without history it is a guess, and is called one */

struct tg_stage_times {
    int64_t start_ms, end_ms; /* of the first host's start, and of the last host's verdict and the bake behind it; both the same of an empty stage */
};

/* One for each stage of the plan: free() it. TG_E_DATA, TG_E_CONFIG: the zone of its hours can't be had, or they never come; TG_E_MEMORY. */
int tg_plan_times(const struct tg_plan *plan, int64_t now_ms, struct tg_stage_times **out, struct tg_error *e);
/* When a run would end that goes on now, of which some has been done: hosts that wait have still to start, in their windows when plan->calendar is there. INT64_MAX: some have none that comes. Errors as above. */
struct tg_run;
int tg_plan_end(const struct tg_plan *plan, const struct tg_run *run, int64_t now_ms, int64_t *out_ms, struct tg_error *e);
/* How long a host takes: as its author says, else as in the last runs (all that is done around it included), else as is usual, and what its steps of around wait at most. */
int64_t tg_plan_estimate_ms(const struct tg_plan *plan);
/* "Mon 14:00–14:12", "Mon 14:00–Tue 09:30", "30 Nov 09:00–16:00", in the zone of the plan's hours or in UTC; "now" for a start within the minute. size ≥ 64. */
void tg_plan_times_format(const struct tg_plan *plan, const struct tg_stage_times *times, int64_t now_ms, char *out, size_t size);
/* One time of these. */
void tg_plan_time_format(const struct tg_plan *plan, int64_t at_ms, int64_t now_ms, char *out, size_t size);
const char *tg_plan_zone(const struct tg_plan *plan);

#endif
