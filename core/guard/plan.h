/*
 * What a transaction on a lock changes: the counters of its scopes and of what lies above them ("slots"), read in one round trip and proven,
 * and changed on a small copy, so that several scopes in one bucket change that bucket once. With a lock's id the plan also reads its row
 * below each scope, and its entry in the index.
 */
#ifndef TG_GUARD_PLAN_H
#define TG_GUARD_PLAN_H

#include "guard/tree.h"

#define TG_LOCKS_ROOT "/locks"
#define TG_ROW_PATH_SIZE (TG_NODE_PATH_SIZE + 32)

/* A counter that the transaction may touch. */
struct tg_slot {
    char path[TG_NODE_PATH_SIZE];
    char name[256];       /* what its parent calls it */
    int parent;           /* index of its parent's slot; -1: none is changed */
    bool named;           /* its counter keeps names */
    bool kept;            /* stays when it is empty */
    bool known;           /* remembered (recall.h), and not read */
    bool exists, changed, gone;
    int64_t version;
    struct tg_counter counter;
};
struct tg_plan {
    struct tg_slot *slots;
    size_t n, n_scopes;
    int *of_scope;        /* slot of each scope */
    char (*rows)[TG_ROW_PATH_SIZE]; /* with an id: the lock's row below each scope, and behind them its entry in the index, and /acks/X/ID */
    struct tg_read_item *items;     /* what was read; use tg_plan_row() and tg_plan_entry() */
    size_t n_items;
    int64_t generation, cluster_version;
    struct tg_audit_slot audit;
    bool known, knows_minute; /* remembered: what stands above the slots; the audit's folders */
    bool recalled;            /* something is: a refusal tells only that it is not so any more */
    bool rows_known;          /* set by who knows its rows, before reading */
    bool anew;                /* set before reading: all of it, whatever is remembered */
};

/* id NULL: no rows are read. The scopes are borrowed for the call. Release with tg_plan_release(), also after a failure. */
int tg_plan_new(struct tg_plan *p, const struct tg_scopes *scopes, const char *id, struct tg_error *e);
void tg_plan_release(struct tg_plan *p);
/* One round trip: the cluster, every counter, the audit's folders, the rows. All of it is proven, but for what is not there. What this
 * session remembers (recall.h) is not read; when that is all of it, there is no round trip. */
int tg_plan_read(struct tg_guard *guard, struct tg_plan *p, struct tg_error *e);
const struct tg_read_item *tg_plan_row(const struct tg_plan *p, size_t scope);
const struct tg_read_item *tg_plan_entry(const struct tg_plan *p);
/* Whether agents have acknowledged it, so that something is left below /acks when it goes. */
bool tg_plan_has_acks(const struct tg_plan *p);
const char *tg_plan_acks_path(const struct tg_plan *p);
/* A node that is not there although its parent names it: gone between two reads, or this copy is not whole. TG_E_VERSION. */
int tg_plan_prove_absences(const struct tg_plan *p, struct tg_error *e);

/* The child joins the scope's counter; the scope its parent's, when it is new. */
int tg_plan_add(struct tg_plan *p, size_t scope, const char *name, struct tg_error *e);
/* The child leaves it; an empty scope goes with its last child. */
void tg_plan_remove(struct tg_plan *p, size_t scope, const char *name);
/* Something below it changes: its epoch grows. */
void tg_plan_touch(struct tg_plan *p, size_t scope);
/*
 * Appends what was changed. checks: versions begin at 0 again when a scope's node goes with its last lock and comes back with another's; so
 * a node that is written is held to be the one that was read by its parent's version as well, which changes with each child that comes or
 * goes. Who writes a row of that scope in the same transaction needs none: the row's id never comes back.
 */
void tg_plan_emit(struct tg_batch *b, const struct tg_plan *p, bool checks);
/* Takes what was emitted for done: for a second transaction that follows on the same session, or to be remembered. */
void tg_plan_advance(struct tg_plan *p);

#endif
