/* What of a plan can't work, or not as it was meant: told before anything is done. Pure. */
#ifndef TG_ENGINE_PLAN_WARN_H
#define TG_ENGINE_PLAN_WARN_H

#include "engine/plan_when.h"

/* Sentences for people, in the order of the stages: a JSON array of strings, the caller's; NULL when memory is short. times: tg_plan_times(). */
json_t *tg_plan_warnings(const struct tg_plan *plan, const struct tg_stage_times *times);

#endif
