/* The tree of a new store: see tree.h. */
#include "store/tree.h"

#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

size_t tg_store_tree_ops(struct tg_op *ops, size_t max)
{
    static const char *const folders[] = {"/runs", "/releases", "/flags", "/requests", "/calendar"};
    size_t n = sizeof folders / sizeof folders[0];

    for (size_t i = 0; ops && i < n && i < max; i++)
        ops[i] = (struct tg_op) {.kind = TG_OP_CREATE, .path = folders[i], .data = "", .len = 0};
    return n;
}

bool tg_store_is_secret(const char *path)
{
    static const char runs[] = "/runs/";

    if (strncmp(path, runs, sizeof runs - 1) != 0)
        return false;
    const char *slash = strchr(path + sizeof runs - 1, '/');
    return slash && strcmp(slash, "/token") == 0;
}

int tg_store_random_id(char *out, struct tg_error *e)
{
    unsigned char bytes[16];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t) sizeof bytes)
        return tg_fail(e, TG_E_SYSTEM, "the kernel has no random numbers");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

/* Was it ours that went through? */
static int look_after_loss(struct tg_store *store, const struct tg_cluster *mine, int64_t deadline, struct tg_error *e)
{
    struct tg_node node = {0};
    struct tg_cluster there;
    int rc = tg_store_read(store, TG_CLUSTER_PATH, deadline, &node, e);

    if (rc)
        return rc;
    rc = tg_cluster_decode(node.data, node.len, &there, NULL, e);
    tg_node_release(&node);
    if (!rc && strcmp(there.id, mine->id) != 0)
        rc = tg_fail(e, TG_E_EXISTS, "somebody else has just made cluster %.8s here", there.id);
    return rc;
}

/* Which rows are missing? A row below a missing one is missing, too. */
static int find_missing(struct tg_store *store, const struct tg_op *rows, size_t n_rows, struct tg_op *out, size_t *out_n, int64_t deadline,
                        struct tg_error *e)
{
    struct tg_read_item items[TG_TREE_ROWS_MAX];

    for (size_t i = 0; i < n_rows; i++)
        items[i] = (struct tg_read_item) {.path = rows[i].path};
    int rc = tg_store_read_many(store, items, n_rows, deadline, e);
    for (size_t i = 0; i < n_rows && !rc; i++)
        if (items[i].code == TG_E_NOENT)
            out[(*out_n)++] = rows[i];
    if (!rc)
        tg_read_items_release(items, n_rows);
    return rc;
}

int tg_store_tree_make(struct tg_store *store, const char *by, const struct tg_op *rows, size_t n_rows, int64_t deadline, struct tg_cluster *out,
                       struct tg_error *e)
{
    struct tg_op ops[TG_TREE_ROWS_MAX + 1];
    struct tg_cluster c = {.generation = 1, .state = TG_CLUSTER_LIVE, .created_ms = tg_wall_ms(tg_loop_clock(tg_store_loop(store)))};
    struct tg_error first = TG_ERROR_INIT;
    size_t n = 1;

    if (n_rows > TG_TREE_ROWS_MAX)
        return tg_fail(e, TG_E_BUG, "more than %d rows in a new tree", TG_TREE_ROWS_MAX);
    snprintf(c.created_by, sizeof c.created_by, "%s", by);
    int rc = tg_store_random_id(c.id, e);
    if (rc || (rc = find_missing(store, rows, n_rows, ops, &n, deadline, e)) != 0)
        return rc;
    char *text = tg_cluster_encode(&c);
    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    ops[0] = (struct tg_op) {.kind = TG_OP_CREATE, .path = TG_CLUSTER_PATH, .data = text, .len = strlen(text)};
    rc = tg_store_multi(store, ops, n, deadline, NULL, &first);
    free(text);
    if (rc == TG_E_LOST && (rc = look_after_loss(store, &c, deadline, e)) == TG_E_NOENT) {
        tg_error_clear(e); /* it did not arrive */
        rc = TG_E_LOST;
    }
    if (rc && rc == first.code && e)
        *e = first;
    if (!rc)
        *out = c;
    return rc;
}

int tg_store_tree_extend(struct tg_store *store, const struct tg_op *rows, size_t n_rows, size_t n_first, int64_t deadline, const char **out_added,
                         size_t *out_n, struct tg_error *e)
{
    struct tg_op ops[TG_TREE_ROWS_MAX + 3];
    int64_t version = 0;
    size_t n = 3;

    *out_n = 0;
    if (n_rows > TG_TREE_ROWS_MAX)
        return tg_fail(e, TG_E_BUG, "more than %d rows in a tree", TG_TREE_ROWS_MAX);
    int rc = tg_cluster_live(store, deadline, &version, e);
    if (!rc)
        rc = find_missing(store, rows, n_rows, ops, &n, deadline, e);
    if (rc || n == 3)
        return rc;
    for (size_t i = 0; i < n_first; i++)
        if (strcmp(rows[i].path, ops[3].path) == 0) {
            tg_fail(e, TG_E_UNKNOWN, "the store has no %s: this copy is not whole, and nothing was added", ops[3].path + 1);
            tg_error_hint(e, "restore the whole store from its last good copy, never parts of it");
            return TG_E_UNKNOWN;
        }
    ops[0] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = version}; /* not while it is being moved */
    ops[1] = (struct tg_op) {.kind = TG_OP_CREATE, .path = TG_CLUSTER_TICK, .data = "", .len = 0};
    ops[2] = (struct tg_op) {.kind = TG_OP_DELETE, .path = TG_CLUSTER_TICK, .version = TG_ANY_VERSION};
    if ((rc = tg_store_multi(store, ops, n, deadline, NULL, e)) != 0)
        return rc;
    for (size_t i = 3; i < n; i++)
        out_added[(*out_n)++] = ops[i].path;
    return 0;
}
