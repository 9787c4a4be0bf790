/* Which hosts are down or held now, when a plan is made, and what that keeps from starting. No part of the plan: by the time of the run it may be otherwise. */
#ifndef TG_CLI_PLAN_DOWN_H
#define TG_CLI_PLAN_DOWN_H

#include "engine/held.h"

struct tg_gone;
struct tg_inventory;

/* tg_plan_down_release() */
struct tg_plan_down {
    const struct tg_plan *plan;
    const struct tg_host *hosts; /* of the inventory */
    size_t n_hosts;
    struct tg_gone *gone;   /* NULL: nothing is known, or it does not matter */
    uint32_t *counts;       /* of each domain of the plan: who is gone or held; NULL without limits */
    struct tg_held held;
};

/*
 * tokens: whose locks the plan's run passes, or NULL. guard->store may be NULL: nothing is known, and nothing is told. On failure, too, *out may be shown and released:
 * it has what could be known. TG_E_MEMORY, and what the store says.
 */
int tg_plan_down_look(const struct tg_plan *plan, struct tg_guard *guard, const char *tokens, struct tg_plan_down *out, struct tg_error *e);
void tg_plan_down_release(struct tg_plan_down *down);
/* "down     2 hosts, whose agents are gone: web[3-4]", and what is full by these and by who is held. Nothing when nobody is. TG_E_MEMORY. */
int tg_plan_down_text(const struct tg_plan_down *down, int width, struct tg_buf *out, struct tg_error *e);
/* {"known": true, "hosts": ["web3"], "full": [{"domain": "rack r2", "down": 1, "at_most": 1}]}: new reference. known: nobody has looked in vain. */
json_t *tg_plan_down_json(const struct tg_plan_down *down);
/* A sentence for each who holds some of the plan's hosts: new reference. */
json_t *tg_plan_down_warnings(const struct tg_plan_down *down);

#endif
