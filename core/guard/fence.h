/*
 * Fencing tokens, "GENERATION:TXID": the store's generation and the transaction in which a permit or a lock was granted. A holder who was frozen
 * and woke up asks once more, right before an act that must not be done twice, whether its grant is still there.
 */
#ifndef TG_GUARD_FENCE_H
#define TG_GUARD_FENCE_H

#include "guard/check.h"

struct tg_fence {
    int64_t generation, txid;
};
/* TG_E_USAGE when it is none. */
int tg_fence_parse(const char *text, struct tg_fence *out, struct tg_error *e);
/*
 * GO when the store, asked behind a sync, has a permit of this actor or a lock, on what overlaps the scopes, that was granted by just this
 * transaction; UNKNOWN otherwise, with cause "token-gone" (it was given back, broken or lost), "token-older" (the store has moved on to another
 * generation) or as of a check. Never HELD: a lock that is being taken waits for the permit. Blocks.
 */
void tg_fence_prove(struct tg_guard *guard, const struct tg_scopes *scopes, const char *actor, const struct tg_fence *fence, struct tg_guard_verdict *out);

#endif
