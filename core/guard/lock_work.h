/* Changing a lock that lies in the store: its rows read and compared, and written back in one transaction. Used by lock_change.c. */
#ifndef TG_GUARD_LOCK_WORK_H
#define TG_GUARD_LOCK_WORK_H

#include "guard/plan.h"

/* What a change works on: the lock with its rows' versions, and its scopes' counters. Zeroed by tg_work_read(). */
struct tg_work {
    struct tg_guard *guard;
    struct tg_lock lock;
    struct tg_plan plan;
    int64_t *row_versions;
    const char *spent; /* a node that goes with the change, of that version; NULL none */
    int64_t spent_version;
    bool rows_differ; /* read while somebody changed them, or for good */
    bool kept_from;   /* own: the store lets us release it, but not remove it */
};

/* Fails with TG_E_NOENT for a lock that is not there. */
int tg_work_no_such_lock(const char *id, struct tg_error *e);
/*
 * Finds it by its id (as people type it) and reads all of it: one round trip for its scopes, unless they are known, and one for the rest.
 * TG_E_NOENT is proven; TG_E_VERSION: it changes, read again; TG_E_UNKNOWN. Release it in every case.
 */
int tg_work_read(struct tg_guard *guard, const char *id, const struct tg_scopes *known, struct tg_work *w, struct tg_error *e);
/* The same of a lock that this session took itself: without reading what it remembers. TG_E_NOENT: it does not. */
int tg_work_recall(struct tg_guard *guard, const char *id, struct tg_work *w, struct tg_error *e);
void tg_work_release(struct tg_work *w);
/* What becomes of the rows of a lock that is written. */
enum tg_rows {
    TG_ROWS_STAY,
    TG_ROWS_GO,   /* removed in the transaction itself */
    TG_ROWS_AFTER /* written, and removed by a second transaction */
};
/*
 * Writes the rows as the lock now is. verb NULL: nothing else moves; else also the epochs of its scopes, the tick, and the audit (whose
 * entry is then at w->plan.audit.path).
 *
 * TG_ROWS_GO is for who may remove: one transaction, and where somebody may release his own and not remove it (w->kept_from is set, TG_E_PERM), or
 * others keep changing the same counters, TG_ROWS_AFTER leaves a tombstone at the least. Its second transaction is sent right behind the first
 * and so without a round trip of its own; it is bound to the first by that entry, which is unique: where the first was refused the second is, too. Its own
 * failure is no harm, a reaper finds the tombstone.
 */
int tg_work_write(struct tg_work *w, const char *verb, const char *who, const char *why, enum tg_rows rows, struct tg_error *e);
/* Removes all of it in one transaction, with an entry in the audit when verb is not NULL. */
int tg_work_remove(struct tg_work *w, const char *verb, const char *why, struct tg_error *e);

#endif
