/* A week's folder: see book_folder.h. Its data is WRITING or REMOVING, and every change in it checks that nobody has changed that. */
#include "calendar/book_folder.h"
#include "calendar/book_marks.h"

#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITING "{\"format\":1,\"state\":\"writing\"}"
#define REMOVING "{\"format\":1,\"state\":\"removing\"}"
#define BATCH_OPS 400
#define BATCH_BYTES (100 * 1024) /* each a transaction of some milliseconds, so that nobody else waits for long */

struct folder {
    struct tg_store *store;
    char path[TG_BOOK_FOLDER_PATH];
    int64_t version, cluster, wait_ms;
};

static int64_t deadline(const struct folder *f)
{
    return tg_store_deadline(f->store, f->wait_ms);
}

/* What every change begins with: *out_n operations. */
static void put_checks(const struct folder *f, struct tg_op *ops, size_t *out_n)
{
    *out_n = 0;
    if (f->cluster != TG_ANY_VERSION)
        ops[(*out_n)++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = f->cluster};
}

/* Changes what the folder says of itself. */
static int mark(struct folder *f, const char *text, struct tg_error *e)
{
    struct tg_op ops[2];
    size_t n;

    put_checks(f, ops, &n);
    ops[n++] = (struct tg_op) {.kind = TG_OP_WRITE, .path = f->path, .data = text, .len = strlen(text), .version = f->version};
    int rc = tg_store_multi(f->store, ops, n, deadline(f), NULL, e);
    if (!rc)
        f->version++;
    return rc;
}

static int begin(struct folder *f, struct tg_error *e)
{
    struct tg_node node;
    struct tg_op ops[2];
    size_t n;
    int rc = tg_store_read(f->store, f->path, deadline(f), &node, NULL);

    if (rc == TG_E_NOENT) {
        put_checks(f, ops, &n);
        ops[n++] = (struct tg_op) {.kind = TG_OP_CREATE, .path = f->path, .data = WRITING, .len = sizeof WRITING - 1};
        f->version = 0;
        return tg_store_multi(f->store, ops, n, deadline(f), NULL, e);
    }
    if (rc)
        return tg_fail(e, rc, "%s can't be read", f->path);
    f->version = node.stat.version;
    bool removing = strcmp(node.data, WRITING) != 0;
    tg_node_release(&node);
    return removing ? mark(f, WRITING, e) : 0;
}

/* ---- writing ---- */

static bool is_there(const struct tg_names *names, const char *name)
{
    size_t from = 0, until = names->count;

    while (from < until) {
        size_t middle = from + (until - from) / 2;
        int order = strcmp(names->names[middle], name);
        if (order == 0)
            return true;
        if (order < 0)
            from = middle + 1;
        else
            until = middle;
    }
    return false;
}

struct batch {
    struct tg_op *ops;
    char (*paths)[TG_BOOK_NODE_PATH];
    size_t n, checks, bytes;
};

static int flush(const struct folder *f, struct batch *b, struct tg_error *e)
{
    int rc = b->n > b->checks ? tg_store_multi(f->store, b->ops, b->n, deadline(f), NULL, e) : 0;

    b->n = b->checks;
    b->bytes = 0;
    return rc;
}

static void start(const struct folder *f, struct batch *b)
{
    put_checks(f, b->ops, &b->n);
    b->ops[b->n++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = f->path, .version = f->version};
    b->checks = b->n;
    b->bytes = 0;
}

static int append(const struct folder *f, struct batch *b, enum tg_op_kind kind, const char *name, const char *text, struct tg_error *e)
{
    size_t len = text ? strlen(text) : 0;
    int rc = b->n == BATCH_OPS || (b->n > b->checks && b->bytes + len > BATCH_BYTES) ? flush(f, b, e) : 0;

    snprintf(b->paths[b->n], sizeof b->paths[0], "%s/%s", f->path, name);
    b->ops[b->n] = (struct tg_op) {.kind = kind, .path = b->paths[b->n], .data = text, .len = len, .version = TG_ANY_VERSION};
    b->n++;
    b->bytes += len + TG_BOOK_NODE_PATH;
    return rc;
}

static int batch_new(const struct folder *f, struct batch *b, struct tg_error *e)
{
    *b = (struct batch) {.ops = calloc(BATCH_OPS, sizeof *b->ops), .paths = calloc(BATCH_OPS, sizeof *b->paths)};
    if (!b->ops || !b->paths) {
        free(b->ops);
        free(b->paths);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    start(f, b);
    return 0;
}

static void batch_free(struct batch *b)
{
    free(b->ops);
    free(b->paths);
}

/* Those that lie there already, from a try that did not end well: as they are to be? What is not is written anew. */
static int compare(const struct folder *f, struct batch *b, const struct tg_book_node *const *there, size_t n, struct tg_error *e)
{
    char (*paths)[TG_BOOK_NODE_PATH] = calloc(n + 1, sizeof *paths);
    struct tg_read_item *items = calloc(n + 1, sizeof *items);
    int rc = paths && items ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < n; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", f->path, there[i]->name);
        items[i] = (struct tg_read_item) {.path = paths[i]};
    }
    if (!rc)
        rc = tg_store_read_many(f->store, items, n, deadline(f), e);
    if (!rc) {
        for (size_t i = 0; !rc && i < n; i++)
            if (items[i].code)
                rc = TG_E_NOENT;
            else if (items[i].node.len != strlen(there[i]->text) || memcmp(items[i].node.data, there[i]->text, items[i].node.len) != 0)
                rc = append(f, b, TG_OP_WRITE, there[i]->name, there[i]->text, e);
        tg_read_items_release(items, n);
    }
    free(paths);
    free(items);
    return rc;
}

static int write_nodes(const struct folder *f, const struct tg_book_nodes *nodes, const struct tg_names *names, struct tg_error *e)
{
    const struct tg_book_node *there[TG_BOOK_BATCH];
    struct batch b;
    size_t n = 0;
    int rc = batch_new(f, &b, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < nodes->n; i++) {
        if (is_there(names, nodes->v[i].name))
            there[n++] = &nodes->v[i];
        else
            rc = append(f, &b, TG_OP_CREATE, nodes->v[i].name, nodes->v[i].text, e);
        if (!rc && n && (n == TG_BOOK_BATCH || i + 1 == nodes->n)) {
            rc = compare(f, &b, there, n, e);
            n = 0;
        }
    }
    if (!rc && n)
        rc = compare(f, &b, there, n, e);
    if (!rc)
        rc = flush(f, &b, e);
    batch_free(&b);
    return rc;
}

static int open_folder(struct tg_store *store, const char *key, int64_t wait_ms, struct folder *out, struct tg_error *e)
{
    *out = (struct folder) {.store = store, .wait_ms = wait_ms};
    snprintf(out->path, sizeof out->path, TG_BOOK_PATH "/%s", key);
    return tg_cluster_live(store, deadline(out), &out->cluster, e);
}

int tg_book_folder_write(struct tg_store *store, const char *key, const struct tg_book_nodes *nodes, int64_t wait_ms, int64_t *out_version, struct tg_error *e)
{
    struct folder f;
    struct tg_names names;
    int rc = open_folder(store, key, wait_ms, &f, e);

    if (!rc)
        rc = begin(&f, e);
    if (!rc)
        rc = tg_store_list(store, f.path, deadline(&f), &names, e);
    if (rc)
        return rc;
    rc = write_nodes(&f, nodes, &names, e);
    tg_names_release(&names);
    if (!rc)
        *out_version = f.version;
    return rc;
}

/* ---- removing ---- */

static int remove_nodes(const struct folder *f, const struct tg_names *names, struct tg_error *e)
{
    struct batch b;
    int rc = batch_new(f, &b, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < names->count; i++)
        rc = append(f, &b, TG_OP_DELETE, names->names[i], NULL, e);
    if (!rc)
        rc = flush(f, &b, e);
    batch_free(&b);
    return rc;
}

/* In force it is not, and nobody completes it any more: the list is looked at in the transaction that marks it. */
static int remove_folder(struct folder *f, int64_t book_version, struct tg_error *e)
{
    struct tg_names names;
    struct tg_op ops[3];
    size_t n;

    put_checks(f, ops, &n);
    ops[n++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_BOOK_PATH, .version = book_version};
    ops[n++] = (struct tg_op) {.kind = TG_OP_WRITE, .path = f->path, .data = REMOVING, .len = sizeof REMOVING - 1, .version = f->version};
    int rc = tg_store_multi(f->store, ops, n, deadline(f), NULL, e);
    if (rc)
        return rc;
    f->version++;
    rc = tg_store_list(f->store, f->path, deadline(f), &names, e);
    if (rc)
        return rc;
    rc = remove_nodes(f, &names, e);
    tg_names_release(&names);
    return rc ? rc : tg_store_delete(f->store, f->path, f->version, deadline(f), e);
}

/* How that ends which had begun in it is still to be told. Not to know keeps it as well. */
static bool is_wanted(const struct folder *f, const struct tg_booked *cancelled, int64_t wall_ms)
{
    bool there = true;

    return wall_ms < cancelled->until_ms + TG_MARK_LATER_MS && (tg_marks_are_there(f->store, cancelled, f->wait_ms, &there, NULL) || there);
}

/* Is it in the list as one that is in force, or is cancelled or forgotten? What no list names may be somebody's who writes it right now. */
static bool may_remove(const struct folder *f, const struct tg_book *book, const char *key, const struct tg_stat *stat, int64_t wall_ms)
{
    bool cancelled = false;

    for (size_t i = 0; i < book->n; i++) {
        if (strcmp(book->weeks[i].key, key) != 0)
            continue;
        if (!book->weeks[i].cancelled || is_wanted(f, &book->weeks[i], wall_ms))
            return false;
        cancelled = true;
    }
    return cancelled || wall_ms - stat->modified_ms > TG_BOOK_SWEEP_MS;
}

void tg_book_folders_sweep(struct tg_store *store, int64_t wall_ms, int64_t wait_ms)
{
    struct tg_names names;
    struct tg_book book;
    struct tg_node node;

    if (tg_book_read(store, wait_ms, &book, NULL))
        return;
    if (tg_store_list(store, TG_BOOK_PATH, tg_store_deadline(store, wait_ms), &names, NULL)) {
        tg_book_release(&book);
        return;
    }
    for (size_t i = 0; i < names.count; i++) {
        struct folder f;
        if (strlen(names.names[i]) >= TG_BOOK_KEY_SIZE || open_folder(store, names.names[i], wait_ms, &f, NULL) ||
            tg_store_read(store, f.path, tg_store_deadline(store, wait_ms), &node, NULL))
            continue;
        f.version = node.stat.version;
        bool remove = may_remove(&f, &book, names.names[i], &node.stat, wall_ms);
        tg_node_release(&node);
        if (remove)
            (void) remove_folder(&f, book.version, NULL);
    }
    tg_names_release(&names);
    tg_book_release(&book);
}
