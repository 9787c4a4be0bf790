/*
 * The worst moment of each stage: how many of its hosts are out of service at once, at most, as long as none ends badly (who does stays down on top, as far as
 * failure: bears it, and counts in domains). Pure.
 *
 * A host is out from its start until it is verified (run.h), or until its drains are undone. What bounds that: limits.unverified, where hosts bake drained nothing but
 * how many there are, and domains and floors. A rate does not: one host may take as long as all the others. Nor do windows: several may be open at once.
 */
#ifndef TG_ENGINE_PLAN_WORST_H
#define TG_ENGINE_PLAN_WORST_H

#include "engine/plan.h"

struct tg_stage_worst {
    size_t hosts;     /* 0: it only asks, or its hosts are out of service before (plan.mends) */
    size_t domain;    /* of plan.domains the one of which the greatest share is out then; TG_NO_DOMAIN: none has any */
    size_t in_domain; /* so many of it */
};
/* One for each stage of the plan: free() it. With one limit by domain it is exact; with several hosts may be fewer. TG_E_MEMORY. */
int tg_plan_worst(const struct tg_plan *plan, struct tg_stage_worst **out, struct tg_error *e);
#endif
