/* The cluster's record as the guard wants it: see tree.h. */
#include "guard/tree.h"

#include <jansson.h>
#include <string.h>

/* The store's own check of identity, age and state comes with its header; this is the least that must hold. */
int tg_tree_prove_cluster(struct tg_guard *guard, const struct tg_read_item *cluster, int64_t *out_generation, struct tg_error *e)
{
    if (cluster->code == TG_E_NOENT) {
        tg_unknown(guard, e, "not-initialised", "there is no /cluster: this store is empty, or an empty one has taken its place");
        tg_error_hint(e, "if it is new: tagout init");
        return TG_E_UNKNOWN;
    }
    json_t *o = cluster->node.len ? json_loadb(cluster->node.data, cluster->node.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *state = json_string_value(json_object_get(o, "state"));
    json_t *generation = json_object_get(o, "generation");
    int rc = 0;
    if (!state || !json_is_integer(generation))
        rc = tg_unknown(guard, e, "bad-record", "cluster can't be read");
    else if (strcmp(state, "live") != 0)
        rc = tg_unknown(guard, e, "not-live", "this store is marked %.20s", state);
    else if (out_generation)
        *out_generation = json_integer_value(generation);
    json_decref(o);
    return rc;
}
