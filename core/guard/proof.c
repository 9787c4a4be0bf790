/* The cluster's record as the guard wants it: see tree.h. */
#include "guard/tree.h"
#include "store/cluster.h"

#include <string.h>

int tg_tree_prove_cluster(struct tg_guard *guard, const struct tg_read_item *cluster, int64_t *out_generation, struct tg_error *e)
{
    struct tg_cluster c;
    char cause[TG_CLUSTER_CAUSE_SIZE] = "";
    int rc = tg_cluster_prove(guard->store, guard->state_dir, cluster->code ? NULL : &cluster->node, TG_NOTE_BOUNDED, &c, cause, e);

    if (rc && !guard->cause[0])
        memcpy(guard->cause, cause, sizeof cause);
    if (!rc && out_generation)
        *out_generation = c.generation;
    return rc;
}
