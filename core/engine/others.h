/*
 * Who else keeps hosts down: locks that are not the run's own, counted by the domains of its plan (limits.domains, limits.floor). Pure; holds.h
 * reads the locks.
 *
 * A lock on a host counts, whatever it holds: somebody is at work there. One on a group or the fleet counts for all its hosts when it holds config
 * management as well; one that only keeps autoscalers off says nothing about hosts. Locks that the run passes by its tokens do not count, nor do
 * hosts that the run itself has down: those it counts already.
 */
#ifndef TG_ENGINE_OTHERS_H
#define TG_ENGINE_OTHERS_H

#include "engine/run.h"

struct tg_inventory;
struct tg_lock;
struct tg_others;

/* Plan and inventory are borrowed. TG_E_MEMORY; TG_E_DATA for a selector that the inventory has no answer to any more. */
int tg_others_new(const struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_others **out, struct tg_error *e);
void tg_others_free(struct tg_others *others);

/* Begins a count; run: whose hosts that are down are left out. */
void tg_others_begin(struct tg_others *others, const struct tg_run *run);
/* holds: does it hold config management? */
void tg_others_add(struct tg_others *others, const struct tg_lock *lock, bool holds);
/* So many hosts of each of plan.domains are held. Until the next count. */
const uint32_t *tg_others_counts(const struct tg_others *others);

#endif
