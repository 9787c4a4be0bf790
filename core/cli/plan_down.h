/* Which hosts are down now that count for a plan's limits, and what that keeps from starting. */
#ifndef TG_CLI_PLAN_DOWN_H
#define TG_CLI_PLAN_DOWN_H

#include "base/buf.h"
#include "engine/plan.h"

#include <tagout/store.h>

#include <jansson.h>

struct tg_inventory;

/*
 * "down     2 hosts, whose agents are gone: web[3-4]" and what is full by that; nothing when nobody is, when nothing is known of agents, or when the plan does not
 * care. No part of the plan: by the time of the run it may be otherwise. store may be NULL: nothing is known. TG_E_MEMORY, and what the store says.
 */
int tg_plan_down_text(const struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_store *store, int64_t wait_ms, int width, struct tg_buf *out,
                      struct tg_error *e);
/* {"known": true, "hosts": ["web3"], "full": [{"domain": "rack r2", "down": 1, "at_most": 1}]}: new reference. known: nobody has looked in vain. */
json_t *tg_plan_down_json(const struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_store *store, int64_t wait_ms);

#endif
