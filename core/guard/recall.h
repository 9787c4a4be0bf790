/*
 * What a session remembers of its own transactions: the counters as it has written them, and the locks that it took. Who takes a lock and
 * releases it on one session so reads nothing a second time.
 *
 * It is never a proof by itself. Every transaction names the version of each node that it changes, and that of /cluster; so one that was made
 * up from what is not so any more is refused as a whole, everything is forgotten, and the recipe reads as if it had never known. What is
 * remembered was proven when it was read, on this connection to this server (P2): with the connection it is forgotten, as another server,
 * or the same one after a restart, may have another tree.
 */
#ifndef TG_GUARD_RECALL_H
#define TG_GUARD_RECALL_H

#include "guard/plan.h"

/* Marks what is known of the plan's nodes, and fills it in; the rest is still to be read. Sets plan->recalled when anything was. */
void tg_recall_plan(struct tg_guard *guard, struct tg_plan *plan);
/* The plan's transaction was carried out: its nodes are as it says. Advance it first. */
void tg_recall_learn(struct tg_guard *guard, const struct tg_plan *plan);
/* A lock as this session has just written it; replaces what was known of it. Copied. */
void tg_recall_keep(struct tg_guard *guard, const struct tg_lock *lock);
/* Copies the lock of that id; *out is the caller's. False when it is not known. */
bool tg_recall_find(struct tg_guard *guard, const char *id, struct tg_lock *out);
void tg_recall_drop(struct tg_guard *guard, const char *id);
/* A transaction was refused, or nobody knows what came of it. */
void tg_recall_forget(struct tg_guard *guard);

#endif
