/* The cluster's record as the guard wants it: see tree.h. */
#include "guard/tree.h"
#include "store/cluster.h"

#include <tagout/log.h>

#include <string.h>

int tg_tree_prove_cluster(struct tg_guard *guard, const struct tg_read_item *cluster, enum tg_seen_note how, int64_t *out_generation,
                          struct tg_error *e)
{
    struct tg_cluster c;
    char cause[TG_CLUSTER_CAUSE_SIZE] = "";
    int rc = tg_cluster_prove(guard->store, guard->state_dir, cluster->code ? NULL : &cluster->node, how, &c, cause, e);

    if (rc && !guard->cause[0])
        memcpy(guard->cause, cause, sizeof cause);
    if (!rc && out_generation)
        *out_generation = c.generation;
    return rc;
}

void tg_tree_note(struct tg_guard *guard, int64_t generation, int64_t txid)
{
    struct tg_cluster c = {.generation = generation};
    struct tg_error why = TG_ERROR_INIT;
    struct tg_seen seen;
    const char *url = tg_store_url(guard->store);

    if (!guard->state_dir || tg_seen_load(guard->state_dir, url, &seen, &why) != 0 || !seen.known)
        return;
    memcpy(c.id, seen.id, sizeof c.id);
    if (tg_seen_note(&seen, url, &c, txid, TG_NOTE_NOW, &why) != 0)
        tg_log(TG_LOG_INFO, "guard", "what this host has seen is not noted: %s", why.message);
}
