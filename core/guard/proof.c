/* The cluster's record as the guard wants it: see tree.h. */
#include "guard/tree.h"
#include "store/cluster.h"

#include <stdio.h>
#include <string.h>

_Static_assert(TG_CAUSE_SIZE >= TG_CLUSTER_CAUSE_SIZE, "a cause of the store's fits into the guard's");

int tg_tree_prove_cluster(struct tg_guard *guard, const struct tg_read_item *cluster, int64_t *out_generation, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    struct tg_cluster c;
    char cause[TG_CLUSTER_CAUSE_SIZE] = "";
    int rc = tg_cluster_prove(guard->store, guard->state_dir, cluster->code == TG_E_NOENT ? NULL : &cluster->node, TG_NOTE_BOUNDED, &c, cause, &own);

    if (!rc) {
        if (out_generation)
            *out_generation = c.generation;
        return 0;
    }
    if (!guard->synced && strcmp(cause, "older-than-seen") == 0) { /* it may be a server that lags behind: look again, behind a sync */
        guard->synced = true;
        rc = tg_store_sync(guard->store, TG_CLUSTER_PATH, tg_guard_deadline(guard), e);
        return rc ? rc : tg_fail(e, TG_E_VERSION, "the store's server was behind");
    }
    if (!guard->cause[0])
        snprintf(guard->cause, sizeof guard->cause, "%s", cause);
    if (e && !e->code)
        *e = own;
    return rc;
}
