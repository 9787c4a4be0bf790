/* The cluster's record as the guard wants it: see tree.h. */
#include "guard/tree.h"
#include "store/cluster.h"

#include <tagout/log.h>

#include <string.h>

/*
 * Others on this host note what they see between our reading of the store and of the mark. So a store that looks old is read once more,
 * and must then be as new as the mark was at the first look, not as what others have noted since.
 */
static bool was_overtaken(struct tg_guard *guard, const struct tg_read_item *cluster, struct tg_cluster *out)
{
    struct tg_seen seen;
    int64_t doubted = guard->doubted_txid;

    if (tg_seen_load(guard->state_dir, tg_store_url(guard->store), &seen, NULL) != 0)
        return false;
    guard->doubted_txid = seen.txid;
    return doubted && tg_cluster_txid(&cluster->node.stat) >= doubted &&
           tg_cluster_decode(cluster->node.data, cluster->node.len, out, NULL, NULL) == 0;
}

bool tg_tree_look_again(struct tg_guard *guard, int code, int64_t deadline)
{
    if (code != TG_E_UNKNOWN || strcmp(guard->cause, "older-than-seen") != 0 || guard->looked_again)
        return false;
    guard->looked_again = true;
    if (tg_store_sync(guard->store, "/cluster", deadline, NULL) != 0)
        return false; /* nothing else was seen: what was said of it stands */
    guard->cause[0] = '\0';
    return true;
}

void tg_tree_begin(struct tg_guard *guard)
{
    guard->cause[0] = '\0';
    guard->doubted_txid = 0;
    guard->looked_again = false;
}

int tg_tree_prove_cluster(struct tg_guard *guard, const struct tg_read_item *cluster, enum tg_seen_note how, int64_t *out_generation,
                          struct tg_error *e)
{
    struct tg_cluster c;
    struct tg_error why = TG_ERROR_INIT;
    char cause[TG_CLUSTER_CAUSE_SIZE] = "";
    int rc = tg_cluster_prove(guard->store, guard->state_dir, cluster->code ? NULL : &cluster->node, how, &c, cause, &why);
    if (rc == TG_E_UNKNOWN && strcmp(cause, "older-than-seen") == 0 && was_overtaken(guard, cluster, &c))
        rc = 0;
    else if (rc && e && !e->code)
        *e = why;
    if (rc && !guard->cause[0])
        memcpy(guard->cause, cause, sizeof cause);
    if (!rc && out_generation)
        *out_generation = c.generation;
    if (!rc) {
        guard->doubted_txid = 0;
        guard->looked_again = false;
    }
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
