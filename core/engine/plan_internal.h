/* What plan.c and plan_compile.c share. */
#ifndef TG_ENGINE_PLAN_INTERNAL_H
#define TG_ENGINE_PLAN_INTERNAL_H

#include "engine/plan.h"

/* Computes plan->digest. TG_E_MEMORY. */
int tg_plan_seal(struct tg_plan *plan, struct tg_error *e);

#endif
