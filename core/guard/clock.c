/* The store's clock, and what ends by it: see lock.h. */
#include "guard/tree.h"

#include <string.h>

#define CLOCK_PATH "/clock"
#define FRESH_MS 60000 /* no longer: a leader whose clock was wrong is replaced, or mended, some time */

int tg_guard_store_ms(struct tg_guard *guard, int64_t *out_ms, struct tg_error *e)
{
    struct tg_op op = {.kind = TG_OP_WRITE, .path = CLOCK_PATH, .data = "", .version = TG_ANY_VERSION};
    struct tg_multi multi = {.ops = &op, .n_ops = 1};
    struct tg_read_item item = {.path = CLOCK_PATH};
    struct tg_exchange x = {.multis = &multi, .n_multis = 1, .items = &item, .n_items = 1};

    int rc = tg_store_exchange(guard->store, &x, tg_guard_deadline(guard), e);
    if (rc)
        return rc;
    if (!multi.code && !item.code) {
        guard->store_ms = *out_ms = item.node.stat.modified_ms;
        guard->store_ms_until = tg_store_deadline(guard->store, FRESH_MS);
    }
    tg_read_items_release(&item, 1);
    if (multi.code == TG_E_NOENT || item.code)
        return tg_tree_lacks(guard, CLOCK_PATH, e);
    return multi.code ? tg_fail(e, multi.code, "the store's clock can't be asked: %s", multi.error.message) : 0;
}

bool tg_guard_has_ended(struct tg_guard *guard, struct tg_lock *l)
{
    int64_t wall = tg_guard_wall(guard), store_ms;
    char cause[TG_CAUSE_SIZE];

    if (l->ended || l->state == TG_LOCK_RELEASED || !l->release_at_expiry || l->until_ms <= l->since_ms || wall < l->until_ms)
        return l->ended;
    memcpy(cause, guard->cause, sizeof cause);
    store_ms = tg_store_deadline(guard->store, 0) < guard->store_ms_until ? guard->store_ms : 0;
    if (store_ms < l->until_ms && tg_guard_store_ms(guard, &store_ms, NULL) != 0)
        store_ms = 0;
    l->ended = store_ms >= l->until_ms;
    memcpy(guard->cause, cause, sizeof cause); /* that it can't be asked is no reason of an UNKNOWN: the lock holds */
    return l->ended;
}
