/* See keeping.h. */
#include "engine/keeping.h"

#include "store/cluster.h"

#include <stdio.h>
#include <string.h>

#define FORGET_AT_ONCE 8

int tg_keeping_change(struct tg_store *store, const struct tg_op *op, int64_t wait_ms, struct tg_error *e)
{
    int64_t cluster = 0;
    int rc = tg_cluster_live(store, tg_store_deadline(store, wait_ms), &cluster, e);
    const struct tg_op ops[] = {{.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = cluster}, *op};
    bool bare = cluster == TG_ANY_VERSION;

    return rc ? rc : tg_store_multi(store, ops + bare, 2 - (size_t) bare, tg_store_deadline(store, wait_ms), NULL, e);
}

void tg_keeping_forget(struct tg_store *store, const char *root, const char *near, bool (*old)(const void *data, const char *text, size_t len), const void *data,
                       int64_t wait_ms)
{
    struct tg_names names;
    char path[TG_STORE_PATH_MAX + 1];
    size_t from = 0;

    if (tg_store_list(store, root, tg_store_deadline(store, wait_ms), &names, NULL))
        return;
    while (from < names.count && strcmp(names.names[from], near) < 0)
        from++;
    for (size_t i = 0; i < names.count && i < FORGET_AT_ONCE; i++) {
        struct tg_node node;
        snprintf(path, sizeof path, "%s/%s", root, names.names[(from + i) % names.count]);
        if (tg_store_read(store, path, tg_store_deadline(store, wait_ms), &node, NULL))
            continue;
        if (old(data, node.data, node.len))
            (void) tg_keeping_change(store, &(struct tg_op) {.kind = TG_OP_DELETE, .path = path, .version = node.stat.version}, wait_ms, NULL);
        tg_node_release(&node);
    }
    tg_names_release(&names);
}

int tg_keeping_no_place(const char *root, struct tg_error *e)
{
    tg_fail(e, TG_E_UNKNOWN, "the store has no %s", root);
    tg_error_hint(e, "an older tagout made it: tagout init adds what is missing");
    return TG_E_UNKNOWN;
}
