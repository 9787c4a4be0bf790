/*
 * Runs within runs. A run that has a permit starts things which ask for themselves: apt's hook, tagout exec in a script, a check in a resource. While a
 * lock waits for the run to end they must go on, or it ends halfway; and the lock must wait for them too.
 *
 * So who starts something under a permit hands down its name (TAGOUT_PERMIT), and who asks with it passes a lock that is still being taken when that
 * permit is there and the lock waits for it. As long as it is there the lock can't be granted. A permit that is taken like this is written
 * with the age of the outer one (tg_permit_record.under_txid), and a lock waits for what is older than itself. The outer one may end
 * first: tests/model/nested.pml shows that the lock still meets the inner one, and what that hangs on:
 *
 *   - the inner permit is written before the outer one is read, so whoever finds the outer one gone can see the inner one;
 *   - it lies within the outer one's scopes, and a lock's look at permits goes from the wide to the narrow (lock_wait.c): when it meets the
 *     outer one no more, it has yet to read where the inner one lies. A permit goes from all its folders at once.
 */
#ifndef TG_GUARD_NESTED_H
#define TG_GUARD_NESTED_H

#include "guard/fence.h"

/* What names a permit: its fencing token, and its id, which is random, and which nobody knows but who took it and who can read the store. */
struct tg_outer {
    struct tg_fence fence;
    char id[TG_REQUEST_ID_SIZE];
};
#define TG_OUTER_SIZE 96

/* "GENERATION:TXID:ID", as TAGOUT_PERMIT has it. Returns out; size TG_OUTER_SIZE. */
const char *tg_outer_format(int64_t generation, int64_t txid, const char *id, char *out, size_t size);
/* false: it is none (NULL is none, too), and gives nothing. */
bool tg_outer_parse(const char *text, struct tg_outer *out);

/*
 * Whether who bears this passes all that holds him: behind a sync, the permit is there, of this generation, no report of something in flight, and
 * covers every scope of the question; and each lock of the verdict, which is HELD, is still being taken and waits for it. Returns the age
 * for a permit within it (a transaction id), and 0: he does not, or it could not be found out. Blocks, until the deadline at most.
 */
int64_t tg_outer_age(struct tg_guard *guard, const struct tg_outer *outer, const struct tg_scopes *scopes, const struct tg_guard_verdict *verdict,
                     int64_t deadline);
/* Makes it GO, and the locks nested ones. */
void tg_verdict_let_pass(struct tg_guard_verdict *verdict);

#endif
