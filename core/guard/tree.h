/*
 * Where things of the guard lie in the store, and how a parent's record is proven against what the server counts.
 *
 *   /locks                       counter, with names: fleet, group, host, service; made by init, for ever four
 *   /locks/fleet                 counter, with the ids of its locks
 *   /locks/fleet/ID              a lock's record; the same one lies below each of its scopes
 *   /locks/group                 counter, with the names of groups that have locks: who does not know his groups finds them here
 *   /locks/group/NAME[/ID]       as the fleet
 *   /locks/host                  counter, with the names of its buckets; likewise /locks/service
 *   /locks/host/3f               counter without names: up to 5,000 hosts
 *   /locks/host/3f/NAME[/ID]     as the fleet
 *   /lock-index/X/ID             which scopes a lock has: only to find it by its id; X is the id's first character
 *   /permits/{fleet,group}/ID    a permit's record; the same one lies below each of its scopes
 *   /permits/{host,service}/3f/ID
 *   /audit/20261122/1420/…       one node a deed, one folder a minute: no counter to fight for, no folder too large
 *   /agents                      the hosts' agents that are connected (core/agent)
 *   /known[/3f/HOST]             which hosts have had an agent (gone.h)
 *   /acks                        which agents have acknowledged which lock (core/agent)
 *   /approvals/LOCK-ID           a first person's wish to break another's lock, until a second one approves it or it expires (approval.h)
 *   /plans/DIGEST               a plan that somebody looked at, and who has approved it (engine/plan_keep.h); none is none, never a GO
 *   /history/NAME                how long the hosts of a rollout took (engine/history.h), and activities of requests (calendar/request_usual.h); none is none
 *   /fleetlock[/GROUP]           counter with names; which hosts have a slot to reboot (slots.h); empty until one asked
 *   /pauses                      one record: the scopes whose runs are paused (engine/pauses.h); empty until there is one
 *   /calendar[/WEEK]             one record: the maintenance weeks that are booked, each with a folder of what it says of its hosts (calendar/book.h);
 *                                empty until there is one
 *   /announcements/{new,open,told}   what customers are to be told, and were told (calendar/announce.h); empty until there is something
 *   /announcements/sender        ephemeral: who sends it now
 *   /requests[/3f[/HOST]]        one record a host: its wishes to be maintained, and when they are due (calendar/request.h); empty until there is one
 *   /clock                       empty; written to be told the store's time
 *   /budgets[/NAME]              counter with names; a budget with its terms and what was charged to it (budget.h); empty until
 *                                there is one
 *
 * The last ones are no counters by themselves: an absent agent, acknowledgement or approval is one that is waited for, never a GO.
 *
 * A counter says how many children its node has, and is changed in the same transaction as they are. One read gives it together with
 * what the server counts, and with the transactions that changed it and its children last; when the counts differ, or a child came or went behind
 * the counter (one in another's place), this copy of the tree is not whole (P2). A child that is not there is proven absent when its
 * parent's counter is right.
 */
#ifndef TG_GUARD_TREE_H
#define TG_GUARD_TREE_H

#include "guard/check.h"
#include "store/cluster.h"

#define TG_NODE_PATH_SIZE (TG_STORE_PATH_MAX + 1)

/* The name of a scope's node: "/" and a leading "." are written %2F and %2E. size 256. */
void tg_tree_name(const struct tg_scope *scope, char *out, size_t size);
/* And back. TG_E_DATA. */
int tg_tree_unname(enum tg_scope_kind kind, const char *name, struct tg_scope *out, struct tg_error *e);
/* "3f": FNV-1a of the name up to its first dot (so that a host's short and full name meet), folded to 8 bits. */
void tg_tree_bucket(const struct tg_scope *scope, char out[3]);
/* "/locks/host/3f/web1", or below another root. size TG_NODE_PATH_SIZE. */
void tg_tree_scope_path(const char *root, const struct tg_scope *scope, char *out, size_t size);
/* "/locks/host" */
void tg_tree_index_path(const char *root, enum tg_scope_kind kind, char *out, size_t size);
/* "/locks/host/3f"; only for hosts and services. */
void tg_tree_bucket_path(const char *root, const struct tg_scope *scope, char *out, size_t size);
bool tg_tree_has_buckets(enum tg_scope_kind kind);

/*
 * What init creates, in order. Static strings. Returns how many; ops may be NULL. The last TG_TREE_LATER of them came after the first
 * version: a store that lacks one of these was made by an older tagout, and init adds it. A store that lacks another one is not whole.
 */
size_t tg_tree_init_ops(struct tg_op *ops, size_t max);
#define TG_TREE_LATER 13
/* Fails with TG_E_UNKNOWN for a record that a decoder has refused: cause "format-newer" or "bad-record". */
int tg_tree_bad(struct tg_guard *guard, const char *path, const struct tg_error *why, struct tg_error *e);
/*
 * Fails with TG_E_UNKNOWN for a node that every tree has: with the cause that /cluster, which is read for it, tells ("migrating", "retired",
 * "not-initialised" …: a tree that is being copied lacks most of its nodes), else "missing-node". Blocks.
 */
int tg_tree_missing(struct tg_guard *guard, const char *path, struct tg_error *e);
/* Likewise for one of the later folders that is not there; else the cause is "store-older". path: "/approvals". */
int tg_tree_lacks(struct tg_guard *guard, const char *path, struct tg_error *e);
/* A folder that init makes empty, and that its first child makes a counter with names (/budgets, /fleetlock). As tg_tree_prove(), or
 * tg_tree_lacks() when it is not there. On failure *out may hold what tg_counter_clear() takes. */
int tg_tree_prove_named(struct tg_guard *guard, const char *path, const struct tg_read_item *item, struct tg_counter *out, struct tg_error *e);

/*
 * Decodes a counter and compares it with what the server counts. TG_E_UNKNOWN with guard->cause: bad-record, fewer-locks-than-recorded,
 * more-locks-than-recorded, altered. *out is the caller's.
 */
int tg_tree_prove(struct tg_guard *guard, const char *path, const struct tg_node *node, struct tg_counter *out, struct tg_error *e);
/* The cluster's record: which one it is, that it is live, and not older than what this host has seen. how: a look notes at once what it
 * saw; who is about to change a lock does so when it is done. generation may be NULL. */
int tg_tree_prove_cluster(struct tg_guard *guard, const struct tg_read_item *cluster, enum tg_seen_note how, int64_t *out_generation,
                          struct tg_error *e);
/* Notes on this host, at once, that the lock was taken: from here on a copy without it is known for an old one. */
void tg_tree_note(struct tg_guard *guard, int64_t generation, int64_t txid);
/* At the beginning of a recipe: nothing is doubted, no cause known. */
void tg_tree_begin(struct tg_guard *guard);
/* A store that looked older than this host's mark may be a server that lags behind, or the mark was noted meanwhile: true, once in a
 * recipe and behind a sync, when it is worth reading again. */
bool tg_tree_look_again(struct tg_guard *guard, int code, int64_t deadline);
/* A word for what went wrong without the guard having found one: "no-answer", "store-unreachable" … */
const char *tg_unknown_cause(int code);
/* Fails with TG_E_UNKNOWN and the cause. */
int tg_unknown(struct tg_guard *guard, struct tg_error *e, const char *cause, const char *format, ...) __attribute__((format(printf, 4, 5)));
int64_t tg_guard_deadline(struct tg_guard *guard);
int64_t tg_guard_wall(struct tg_guard *guard);

/* Asks the store for its clock, by a write. TG_E_UNKNOWN, TG_E_PERM and others: it could not be asked. */
int tg_guard_store_ms(struct tg_guard *guard, int64_t *out_ms, struct tg_error *e);
/* Whether a lock that was to end by itself has: proven by what the store's clock said in the last minute. It is asked only when the own one
 * says so, and never for a lock whose times make no sense. Sets lock->ended. */
bool tg_guard_has_ended(struct tg_guard *guard, struct tg_lock *lock);

/* A multi under construction: paths and data are its own. Failing to append is remembered until tg_batch_run(). */
struct tg_batch {
    struct tg_op *ops;
    size_t n, cap;
    bool failed;
};
#define TG_BATCH_INIT {0}
void tg_batch_create(struct tg_batch *b, const char *path, const char *data, unsigned flags);
void tg_batch_write(struct tg_batch *b, const char *path, const char *data, int64_t version);
void tg_batch_delete(struct tg_batch *b, const char *path, int64_t version);
void tg_batch_check(struct tg_batch *b, const char *path, int64_t version);
/* Says, in the same transaction, that a lock has changed: what every host compares with what it has seen (tg_cluster_txid()). */
void tg_batch_tick(struct tg_batch *b);
int tg_batch_run(struct tg_batch *b, struct tg_guard *guard, struct tg_error *e);
/* The same, with something to do while the answer is on its way. */
int tg_batch_run_while(struct tg_batch *b, struct tg_guard *guard, void (*meanwhile)(void *data), void *data, struct tg_error *e);
void tg_batch_release(struct tg_batch *b);

/* --- looking at locks: the reads a question needs, and what they proved --- */

struct tg_look;
/* all: every lock; otherwise those that may overlap the scopes, which are borrowed. */
int tg_look_new(struct tg_guard *guard, const struct tg_scopes *scopes, bool all, struct tg_look **out, struct tg_error *e);
void tg_look_free(struct tg_look *look);
/* What to read next; 0 when there is nothing left and the look is whole. Borrowed. */
size_t tg_look_next(struct tg_look *look, struct tg_read_item **out_items);
/*
 * Takes the answers to what tg_look_next() gave. TG_E_UNKNOWN: it does not add up. TG_E_VERSION: something changed in between, start anew.
 */
int tg_look_take(struct tg_look *look, struct tg_read_item *items, size_t n, struct tg_error *e);
/* All of it over the store, restarting a few times. */
int tg_look_run(struct tg_guard *guard, const struct tg_scopes *scopes, bool all, int64_t deadline, struct tg_look **out, struct tg_error *e);
/* Locks found, tombstones included, each once. The look's own. */
struct tg_lock *tg_look_locks(struct tg_look *look, size_t *out_n);
int64_t tg_look_generation(const struct tg_look *look);
/*
 * For who keeps what he saw: the nodes whose change may change the answer (counters and the cluster's record, never a lock's record), one
 * a call; NULL behind the last. *at starts at 0. *out_seen_txid: of its last change, or TG_LOOK_ABSENT. Who arms a watch on it later and reads
 * the same has missed nothing in between.
 */
#define TG_LOOK_ABSENT (-1)
const char *tg_look_watchable(const struct tg_look *look, size_t *at, int64_t *out_seen_txid);

/* The pure decision: which of the locks hold it. Fills answer, locks (moved out of the array, whose slots are emptied), passed. */
int tg_decide(const struct tg_question *question, struct tg_lock *locks, size_t n, int64_t wall_ms, struct tg_guard_verdict *out, struct tg_error *e);

/* Appends the creation of an audit entry, and of its folders unless have_day, have_minute. */
struct tg_audit_slot {
    char day[32], minute[40];       /* paths */
    bool have_day, have_minute;
    char path[160];                 /* of the entry that was appended last: unique, so that its being there tells what came of a lost answer */
};
void tg_audit_slot(struct tg_guard *guard, struct tg_audit_slot *out);
void tg_audit_append(struct tg_batch *b, struct tg_audit_slot *slot, int64_t at_ms, const char *verb, const struct tg_lock *lock,
                     const char *who, const char *why);

/* --- parts of taking a lock --- */

/* What was seen on the way. */
struct tg_placed {
    bool quiet;    /* behind the write, on the same session, nobody was in flight, and there never was an agent */
    bool asked;    /* by a request id: of two who ask at one moment the second gets the first one's */
    bool crowded;  /* other locks lie on its scopes; some may be dead */
    bool recalled; /* own: of the last try, that it was made from what this session remembers */
};
/* tg_lock_place(), without noting it on this host: the caller does, before it tells anyone. */
int tg_lock_place_only(struct tg_guard *guard, const struct tg_lock_request *request, struct tg_lock *out, struct tg_placed *placed, struct tg_error *e);
/* tg_lock_confirm() and tg_tree_note(), the one while the answer to the other is on its way. */
int tg_lock_confirm_noting(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e);
/*
 * The folders that are empty when nobody is in flight in these scopes; the first *out_fixed must be there. out has room for
 * TG_SCOPES_MAX + 2. 0 when it can't be said without looking at more: in a fleet or a group there may be hosts that do not say so.
 */
size_t tg_permit_folders(const struct tg_scopes *scopes, char (*out)[64], size_t *out_fixed);

/* Removes locks that are dead on one scope, each from all its scopes; own_id (may be NULL) also when it was released only now. Returns how many
 * went; who is overtaken leaves it to the next. */
int tg_lock_reap_scope(struct tg_guard *guard, const struct tg_scope *scope, const char *own_id);

#endif
