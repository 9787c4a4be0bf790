/*
 * The second person: where a site asks for it, another's lock is broken by two. The first says why, which lies in /approvals/LOCK for a
 * while and breaks nothing; somebody else approves it, and that breaks the lock with the first one's reason, in one transaction with the
 * end of the request. Both are in the audit ("ask", "break").
 *
 * Who is who is what each says (USER@HOST, or the configured owner); one shared credential of the store can't tell them apart. The rule keeps
 * honest people from acting alone; it is no wall against one who means harm.
 */
#ifndef TG_GUARD_APPROVAL_H
#define TG_GUARD_APPROVAL_H

#include "guard/lock.h"

#define TG_APPROVAL_USUAL_MS (INT64_C(3600) * 1000) /* long enough to find somebody, too short to be forgotten */

struct tg_approval {
    char lock[TG_LOCK_ID_SIZE];
    char by[TG_OWNER_SIZE], reason[TG_REASON_SIZE];
    int64_t at_ms, until_ms;
    int64_t version; /* of its node; not in the record */
};
char *tg_approval_encode(const struct tg_approval *approval);
int tg_approval_decode(const char *text, size_t len, struct tg_approval *out, struct tg_error *e);

/*
 * Files the wish of who to break the lock; an older one of the same lock is replaced. Requests that have expired are cleared on the way.
 * TG_E_NOENT: no such lock. TG_E_USAGE: a blank reason, or it is one's own lock. *out_lock (may be NULL) is the lock, the caller's.
 */
int tg_approval_ask(struct tg_guard *guard, const char *id, const char *who, const char *reason, int64_t for_ms, struct tg_approval *out,
                    struct tg_lock *out_lock, struct tg_error *e);
/* What somebody else has asked for, and who may approve. TG_E_PERM: one's own wish. TG_E_NOENT: nobody has asked, or the request has expired, or
 * there is no such lock. Changes nothing. */
int tg_approval_see(struct tg_guard *guard, const char *id, const char *who, struct tg_approval *out, struct tg_error *e);
/* Approves it: the lock is broken, for the first one's reason. note: what else the audit is to say, or NULL. *out is what was broken. */
int tg_approval_give(struct tg_guard *guard, const char *id, const char *who, const char *note, struct tg_lock *out, struct tg_error *e);

#endif
