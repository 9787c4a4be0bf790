/* Paths, proofs and transactions of the guard: see tree.h. */
#include "guard/tree.h"
#include "store/cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
    [TG_SCOPE_FLEET] = "fleet", [TG_SCOPE_GROUP] = "group", [TG_SCOPE_HOST] = "host", [TG_SCOPE_SERVICE] = "service"};

/* Sealed: a test holds them to what the encoder makes. */
#define EMPTY_NAMED "{\"format\":1,\"epoch\":0,\"count\":0,\"names\":[],\"sum\":\"47814c70c81ce315\"}"
#define ROOT_NAMED "{\"format\":1,\"epoch\":0,\"count\":4,\"names\":[\"fleet\",\"group\",\"host\",\"service\"],\"sum\":\"29ae95c876b40a05\"}"
#define INDEX_NODES 32

bool tg_tree_has_buckets(enum tg_scope_kind kind)
{
    return kind == TG_SCOPE_HOST || kind == TG_SCOPE_SERVICE;
}

void tg_tree_name(const struct tg_scope *scope, char *out, size_t size)
{
    size_t n = 0;

    for (const char *p = scope->name; *p && n + 4 <= size; p++)
        if (*p == '/' || (*p == '.' && p == scope->name))
            n += (size_t) snprintf(out + n, size - n, "%%%02X", (unsigned) *p);
        else
            out[n++] = *p;
    out[n] = '\0';
}

int tg_tree_unname(enum tg_scope_kind kind, const char *name, struct tg_scope *out, struct tg_error *e)
{
    char text[TG_SCOPE_TEXT_SIZE];
    int n = snprintf(text, sizeof text, "%s:", kind_names[kind]);
    size_t at = (size_t) n;

    for (const char *p = name; *p; p++) {
        if (at + 1 >= sizeof text)
            return tg_fail(e, TG_E_DATA, "\"%.60s\" is no scope's node", name);
        if (strncmp(p, "%2F", 3) == 0 || strncmp(p, "%2E", 3) == 0) {
            text[at++] = p[2] == 'F' ? '/' : '.';
            p += 2;
        } else {
            text[at++] = *p;
        }
    }
    text[at] = '\0';
    return tg_scope_parse(text, out, NULL) == 0 ? 0 : tg_fail(e, TG_E_DATA, "\"%.60s\" is no scope's node", name);
}

void tg_tree_bucket(const struct tg_scope *scope, char out[3])
{
    uint32_t hash = 2166136261u;

    for (const char *p = scope->name; *p && (*p != '.' || scope->kind != TG_SCOPE_HOST); p++)
        hash = (hash ^ (unsigned char) *p) * 16777619u;
    hash ^= hash >> 16;
    hash ^= hash >> 8;
    snprintf(out, 3, "%02x", (unsigned) (hash & 0xff));
}

void tg_tree_index_path(const char *root, enum tg_scope_kind kind, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", root, kind_names[kind]);
}

void tg_tree_bucket_path(const char *root, const struct tg_scope *scope, char *out, size_t size)
{
    char bucket[3];

    tg_tree_bucket(scope, bucket);
    snprintf(out, size, "%s/%s/%s", root, kind_names[scope->kind], bucket);
}

void tg_tree_scope_path(const char *root, const struct tg_scope *scope, char *out, size_t size)
{
    char name[256], parent[64];

    if (scope->kind == TG_SCOPE_FLEET) {
        tg_tree_index_path(root, scope->kind, out, size);
        return;
    }
    tg_tree_name(scope, name, sizeof name);
    if (tg_tree_has_buckets(scope->kind))
        tg_tree_bucket_path(root, scope, parent, sizeof parent);
    else
        tg_tree_index_path(root, scope->kind, parent, sizeof parent);
    snprintf(out, size, "%s/%s", parent, name);
}

size_t tg_tree_init_ops(struct tg_op *ops, size_t max)
{
    static const char *const nodes[][2] = {
        {"/locks", ROOT_NAMED},
        {"/locks/fleet", EMPTY_NAMED}, {"/locks/group", EMPTY_NAMED}, {"/locks/host", EMPTY_NAMED}, {"/locks/service", EMPTY_NAMED},
        {"/lock-index", ""}, {"/permits", ""}, {"/permits/fleet", ""}, {"/permits/group", ""}, {"/permits/host", ""},
        {"/permits/service", ""}, {"/audit", ""}, {"/budgets", ""},
    };
    static const char *const later[] = {"/agents", "/acks", "/approvals", "/fleetlock", "/clock", "/pauses", "/plans", "/history",
                                        "/announcements", "/announcements/new", "/announcements/open", "/announcements/told", "/known"};
    static char index[INDEX_NODES][16];
    size_t n = sizeof nodes / sizeof nodes[0], n_later = sizeof later / sizeof later[0];

    _Static_assert(sizeof later / sizeof later[0] == TG_TREE_LATER, "said in tree.h");
    for (size_t i = 0; ops && i < n + INDEX_NODES + n_later && i < max; i++) {
        bool fixed = i < n, of_index = !fixed && i < n + INDEX_NODES;
        if (of_index)
            snprintf(index[i - n], sizeof index[0], "/lock-index/%c", TG_ID_ALPHABET[i - n]);
        const char *data = fixed ? nodes[i][1] : "", *path = fixed ? nodes[i][0] : of_index ? index[i - n] : later[i - n - INDEX_NODES];
        ops[i] = (struct tg_op) {.kind = TG_OP_CREATE, .path = path, .data = data, .len = strlen(data)};
    }
    return n + INDEX_NODES + n_later;
}

/* --- proofs --- */

#define RESTORE "restore the whole store from its last good copy, never parts of it, then see tagout locks"

/* What somebody who is woken up by it does next. */
static const char *mend_of(const char *cause)
{
    if (strcmp(cause, "overtaken") == 0)
        return "somebody takes and releases locks without a pause: try again, and see who: tagout log";
    if (strcmp(cause, "not-own-session") == 0)
        return "nothing was started; try again";
    if (strcmp(cause, "format-newer") == 0)
        return "a newer tagout has written it: install the version that the other users of this store have";
    if (strcmp(cause, "bad-record") == 0)
        return "it was damaged, or changed by hand: let nothing act; tagout doctor looks at the rest; " RESTORE;
    return "a part of the store is lost, or half copied: let nothing act; tagout doctor looks at the rest; " RESTORE;
}

int tg_unknown(struct tg_guard *guard, struct tg_error *e, const char *cause, const char *format, ...)
{
    va_list args;

    if (!guard->cause[0])
        snprintf(guard->cause, sizeof guard->cause, "%s", cause);
    va_start(args, format);
    tg_failv(e, TG_E_UNKNOWN, format, args);
    va_end(args);
    tg_error_hint(e, "%s", mend_of(cause));
    return TG_E_UNKNOWN;
}

int tg_tree_bad(struct tg_guard *guard, const char *path, const struct tg_error *why, struct tg_error *e)
{
    return tg_unknown(guard, e, why->code == TG_E_UNKNOWN ? "format-newer" : "bad-record", "%s can't be read: %s", path + 1, why->message);
}

/* Is it no wonder that a node is not there, as /cluster says that the tree is being moved, or is no tree at all? Then that is the answer. */
static int explain(struct tg_guard *guard, struct tg_error *e)
{
    struct tg_read_item cluster = {.path = TG_CLUSTER_PATH};
    struct tg_error why = TG_ERROR_INIT;

    if (tg_store_read_many(guard->store, &cluster, 1, tg_guard_deadline(guard), NULL) != 0)
        return 0;
    int rc = tg_tree_prove_cluster(guard, &cluster, TG_NOTE_BOUNDED, NULL, &why);
    tg_read_items_release(&cluster, 1);
    if (rc != TG_E_UNKNOWN)
        return 0;
    tg_fail(e, rc, "%s", why.message);
    return tg_error_hint(e, "%s", why.hint), rc;
}

int tg_tree_missing(struct tg_guard *guard, const char *path, struct tg_error *e)
{
    int rc = explain(guard, e);

    return rc ? rc : tg_unknown(guard, e, "missing-node", "%s is not there: this copy is not whole", path + 1);
}

int tg_tree_lacks(struct tg_guard *guard, const char *path, struct tg_error *e)
{
    int rc = explain(guard, e);

    if (rc)
        return rc;
    if (!guard->cause[0])
        snprintf(guard->cause, sizeof guard->cause, "store-older");
    tg_fail(e, TG_E_UNKNOWN, "the store has no %s: it was made by an older tagout, or this copy is not whole", path + 1);
    tg_error_hint(e, "if tagout doctor finds nothing wrong: tagout init adds what an older store lacks, and changes nothing else");
    return TG_E_UNKNOWN;
}

int tg_tree_prove(struct tg_guard *guard, const char *path, const struct tg_node *node, struct tg_counter *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    long long children = (long long) node->stat.children;

    if (tg_counter_decode(node->data, node->len, out, &why) != 0)
        return tg_tree_bad(guard, path, &why, e);
    long long count = out->count;
    if (count == children && node->stat.children_txid <= node->stat.modified_txid)
        return 0;
    tg_counter_clear(out);
    if (count == children)
        return tg_unknown(guard, e, "altered", "%s: something in it was made or removed since it last said what there is: this copy was altered, or copied in parts",
                          path + 1);
    return tg_unknown(guard, e, children < count ? "fewer-locks-than-recorded" : "more-locks-than-recorded",
                      "%s says %lld, the server counts %lld: this copy is not whole", path + 1, count, children);
}

int tg_tree_prove_named(struct tg_guard *guard, const char *path, const struct tg_read_item *item, struct tg_counter *out, struct tg_error *e)
{
    if (item->code)
        return tg_tree_lacks(guard, path, e);
    if (!item->node.len && !item->node.stat.children) {
        *out = (struct tg_counter) {.names = calloc(1, sizeof(char *))};
        return out->names ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    int rc = tg_tree_prove(guard, path, &item->node, out, e);
    return rc || out->names ? rc : tg_unknown(guard, e, "bad-record", "%s names none of its children", path + 1);
}

int64_t tg_guard_deadline(struct tg_guard *guard)
{
    return tg_store_deadline(guard->store, guard->timeout_ms ? guard->timeout_ms : 10000);
}

int64_t tg_guard_wall(struct tg_guard *guard)
{
    return tg_wall_ms(tg_loop_clock(tg_store_loop(guard->store)));
}

/* --- transactions --- */

static void add_op(struct tg_batch *b, enum tg_op_kind kind, const char *path, const char *data, int64_t version, unsigned flags)
{
    if (b->n == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 16;
        struct tg_op *ops = realloc(b->ops, cap * sizeof *ops);
        if (!ops) {
            b->failed = true;
            return;
        }
        b->ops = ops;
        b->cap = cap;
    }
    char *own_path = strdup(path), *own_data = data ? strdup(data) : NULL;
    b->failed = b->failed || !own_path || (data && !own_data);
    b->ops[b->n++] = (struct tg_op) {.kind = kind, .path = own_path, .data = own_data, .len = own_data ? strlen(own_data) : 0, .version = version, .flags = flags};
}

void tg_batch_create(struct tg_batch *b, const char *path, const char *data, unsigned flags)
{
    if (!data)
        b->failed = true; /* an encoder was short of memory */
    add_op(b, TG_OP_CREATE, path, data ? data : "", 0, flags);
}

void tg_batch_write(struct tg_batch *b, const char *path, const char *data, int64_t version)
{
    if (!data)
        b->failed = true;
    add_op(b, TG_OP_WRITE, path, data ? data : "", version, 0);
}

void tg_batch_delete(struct tg_batch *b, const char *path, int64_t version)
{
    add_op(b, TG_OP_DELETE, path, NULL, version, 0);
}

void tg_batch_check(struct tg_batch *b, const char *path, int64_t version)
{
    add_op(b, TG_OP_CHECK, path, NULL, version, 0);
}

void tg_batch_tick(struct tg_batch *b)
{
    tg_batch_create(b, TG_CLUSTER_TICK, "", TG_CREATE_PERSISTENT);
    tg_batch_delete(b, TG_CLUSTER_TICK, TG_ANY_VERSION);
}

int tg_batch_run(struct tg_batch *b, struct tg_guard *guard, struct tg_error *e)
{
    if (b->failed)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    return tg_store_multi(guard->store, b->ops, b->n, tg_guard_deadline(guard), NULL, e);
}

int tg_batch_run_while(struct tg_batch *b, struct tg_guard *guard, void (*meanwhile)(void *data), void *data, struct tg_error *e)
{
    struct tg_multi multi = {.ops = b->ops, .n_ops = b->n};
    struct tg_exchange x = {.multis = &multi, .n_multis = 1, .meanwhile = meanwhile, .data = data};

    if (b->failed)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    (void) tg_store_exchange(guard->store, &x, tg_guard_deadline(guard), NULL);
    if (multi.code && e && !e->code)
        *e = multi.error;
    return multi.code;
}

void tg_batch_release(struct tg_batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        free((void *) (uintptr_t) b->ops[i].path);
        free((void *) (uintptr_t) b->ops[i].data);
    }
    free(b->ops);
    *b = (struct tg_batch) TG_BATCH_INIT;
}
