/*
 * Who else keeps hosts down: locks that are not the run's own, counted by the domains of its plan (limits.domains, limits.floor). Pure; holds.h
 * reads the locks.
 *
 * A lock on a host counts, whatever it holds: somebody is at work there. One on a group or the fleet counts for all its hosts when it holds config
 * management as well; one that only keeps autoscalers off says nothing about hosts. Locks that the run passes by its tokens do not count, nor do
 * hosts that the run itself has down, or that are gone: those it counts already.
 *
 * Hosts that are gone (guard/gone.h) and not in the plan are counted here as well; of those in the plan the run is told by host.
 */
#ifndef TG_ENGINE_OTHERS_H
#define TG_ENGINE_OTHERS_H

#include "engine/run.h"

struct tg_gone;
struct tg_inventory;
struct tg_lock;
struct tg_others;

/* Plan, inventory and gone are borrowed; gone may be NULL: nobody is. TG_E_MEMORY; TG_E_DATA for a selector that the inventory has no answer to any more. */
int tg_others_new(const struct tg_plan *plan, const struct tg_inventory *inventory, const struct tg_gone *gone, struct tg_others **out, struct tg_error *e);
void tg_others_free(struct tg_others *others);

/* Begins a count; run: whose hosts that are down are left out; NULL: there is none yet, and who is gone is. */
void tg_others_begin(struct tg_others *others, const struct tg_run *run);
/* holds: does it hold config management? */
void tg_others_add(struct tg_others *others, const struct tg_lock *lock, bool holds);
/* So many hosts of each of plan.domains are held. Until the next count. */
const uint32_t *tg_others_counts(const struct tg_others *others);
/* By whom those of a domain are: "L7K2QX of bob@ops2: new disk, and others"; or the run that has them out of service, and what brings them back. The counted ones. */
struct tg_buf;
void tg_others_whose(const struct tg_others *others, uint32_t domain, struct tg_buf *out);

/* The host of the plan that is changed and that a host of the inventory is, or TG_RUN_NOBODY. */
uint32_t tg_others_in_plan(const struct tg_others *others, size_t host);
/* And the domain that it is in of a limit, or TG_NO_DOMAIN. */
uint32_t tg_others_domain(const struct tg_others *others, size_t host, size_t limit);
/* A host that is not in the plan has gone, or come back: as gone says now. Once for each change. */
void tg_others_moved(struct tg_others *others, size_t host);
/* So many hosts of each of plan.domains are gone, and not in the plan. Kept by tg_others_moved(). */
const uint32_t *tg_others_gone(const struct tg_others *others);
/* Which: "db[1-2].example.com", the first of them when there are many. Walks over the inventory. TG_E_MEMORY. */
int tg_others_who(const struct tg_others *others, uint32_t domain, struct tg_buf *out, struct tg_error *e);

#endif
