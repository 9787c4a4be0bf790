/* Threads in the store: see announce_store.h. announce_fold.c takes notes. */
#include "calendar/announce_internal.h"
#include "calendar/announce_store.h"

#include "base/seal.h"
#include "base/shown.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64 /* threads that are read at once: each may have half a MB, and seldom has one */

static int64_t deadline(const struct tg_announce_place *p)
{
    return tg_store_deadline(p->store, p->wait_ms);
}

/* ---- the place ---- */

int tg_announce_begin(struct tg_store *store, int64_t wait_ms, struct tg_announce_place *out, struct tg_error *e)
{
    static const char *const roots[] = {TG_ANNOUNCE_PATH, TG_ANNOUNCE_NEW, TG_ANNOUNCE_OPEN, TG_ANNOUNCE_TOLD};
    struct tg_read_item items[4] = {{.path = roots[0]}, {.path = roots[1]}, {.path = roots[2]}, {.path = roots[3]}};
    struct tg_announce_place p = {.store = store, .wait_ms = wait_ms};
    const char *lacks = NULL;
    int rc = tg_cluster_live(store, deadline(&p), &p.cluster, e);

    if (!rc)
        rc = tg_store_read_many(store, items, 4, deadline(&p), e);
    if (rc)
        return rc;
    for (size_t i = 4; i-- > 0;)
        lacks = items[i].code ? roots[i] : lacks;
    tg_read_items_release(items, 4);
    if (lacks) {
        tg_fail(e, TG_E_UNKNOWN, "the store has no %s: it was made by an older tagout, or this copy is not whole", lacks);
        tg_error_hint(e, "if tagout doctor finds nothing wrong: tagout init adds what an older store lacks, and changes nothing else");
        return TG_E_UNKNOWN;
    }
    *out = p;
    return 0;
}

static int say_who(const struct tg_announce_place *p, struct tg_error *e)
{
    struct tg_node node = {0};
    char shown[400] = "another";

    if (tg_store_read(p->store, TG_ANNOUNCE_SENDER, deadline(p), &node, NULL) == 0) {
        json_t *o = json_loadb(node.data, node.len, 0, NULL);
        const char *by = json_string_value(json_object_get(o, "by"));
        tg_shown_text(by ? by : "another", shown, 200);
        json_decref(o);
        tg_node_release(&node);
    }
    tg_fail(e, TG_E_HELD, "%s sends announcements already", shown);
    return tg_error_hint(e, "one sender is enough; if it has died, its place is free when its session ends"), TG_E_HELD;
}

int tg_announce_sit(const struct tg_announce_place *p, const char *by, int64_t wall_ms, struct tg_error *e)
{
    char *text = tg_seal(json_pack("{s:i,s:s,s:I}", "format", 1, "by", by, "at", (json_int_t) wall_ms));
    struct tg_error why = TG_ERROR_INIT;

    if (!text)
        return tg_thread_no_memory(e);
    int rc = tg_store_create(p->store, TG_ANNOUNCE_SENDER, text, strlen(text), TG_CREATE_EPHEMERAL, deadline(p), &why);
    free(text);
    if (rc == TG_E_EXISTS)
        return say_who(p, e);
    return rc ? tg_fail(e, rc, "%s", why.message) : 0;
}

/* ---- lists ---- */

void tg_announce_paths_release(struct tg_announce_paths *paths)
{
    free(paths->v);
    *paths = (struct tg_announce_paths) {.v = NULL};
}

static int add_names(struct tg_announce_paths *out, const char *folder, const struct tg_names *names, struct tg_error *e)
{
    void *v = realloc(out->v, (out->n + names->count + 1) * sizeof *out->v);

    if (!v)
        return tg_thread_no_memory(e);
    out->v = v;
    for (size_t i = 0; i < names->count; i++)
        if (snprintf(out->v[out->n], sizeof out->v[0], "%s/%s", folder, names->names[i]) < (int) sizeof out->v[0])
            out->n++; /* what has a longer name is none of ours */
    return 0;
}

int tg_announce_list(const struct tg_announce_place *p, const char *root, struct tg_announce_paths *out, struct tg_error *e)
{
    struct tg_names buckets;
    struct tg_announce_paths paths = {.v = NULL}, folders = {.v = NULL};
    int rc = tg_store_list(p->store, root, deadline(p), &buckets, e);

    if (rc)
        return rc;
    rc = add_names(&folders, root, &buckets, e);
    tg_names_release(&buckets);
    struct tg_read_item *items = rc ? NULL : calloc(folders.n + 1, sizeof *items);
    if (!rc && !items)
        rc = tg_thread_no_memory(e);
    for (size_t i = 0; !rc && i < folders.n; i++)
        items[i] = (struct tg_read_item) {.path = folders.v[i], .want_names = true};
    if (!rc && folders.n && (rc = tg_store_read_many(p->store, items, folders.n, deadline(p), e)) == 0) {
        for (size_t i = 0; !rc && i < folders.n; i++)
            rc = items[i].code ? 0 : add_names(&paths, folders.v[i], &items[i].names, e);
        tg_read_items_release(items, folders.n);
    }
    free(items);
    tg_announce_paths_release(&folders);
    if (rc) {
        tg_announce_paths_release(&paths);
        return rc;
    }
    *out = paths;
    return 0;
}

/* ---- one thread ---- */

static int understand(const char *path, const struct tg_node *node, bool open, struct tg_thread **out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_thread *t;
    int rc = tg_thread_decode(node->data, node->len, &t, &why);

    if (rc == TG_E_MEMORY)
        return tg_fail(e, rc, "out of memory");
    if (rc) {
        tg_fail(e, TG_E_UNKNOWN, "%s can't be understood: %s", path + 1, why.message);
        tg_error_hint(e, "a newer tagout has written it, or it was damaged: its customer is told nothing until it is mended; tagout doctor looks at the rest");
        return TG_E_UNKNOWN;
    }
    t->version = node->stat.version;
    t->open = open;
    *out = t;
    return 0;
}

int tg_announce_read(const struct tg_announce_place *p, const char *path, struct tg_thread **out, struct tg_error *e)
{
    struct tg_node node;
    int rc = tg_store_read(p->store, path, deadline(p), &node, e);

    if (rc)
        return rc;
    rc = understand(path, &node, strncmp(path, TG_ANNOUNCE_OPEN "/", sizeof TG_ANNOUNCE_OPEN) == 0, out, e);
    tg_node_release(&node);
    return rc;
}

int tg_announce_find(const struct tg_announce_place *p, const char *source, const char *customer, int lane, struct tg_thread **out, struct tg_error *e)
{
    char open[TG_ANNOUNCE_NODE_SIZE], told[TG_ANNOUNCE_NODE_SIZE];
    struct tg_read_item items[2] = {{.path = open}, {.path = told}};

    tg_thread_path(TG_ANNOUNCE_OPEN, source, customer, lane, open, sizeof open);
    tg_thread_path(TG_ANNOUNCE_TOLD, source, customer, lane, told, sizeof told);
    int rc = tg_store_read_many(p->store, items, 2, deadline(p), e);
    if (rc)
        return rc;
    if (!items[0].code)
        rc = understand(open, &items[0].node, true, out, e);
    else if (!items[1].code)
        rc = understand(told, &items[1].node, false, out, e);
    else
        rc = tg_thread_new(source, customer, lane, out, e);
    tg_read_items_release(items, 2);
    return rc;
}

int tg_announce_lanes(const struct tg_announce_place *p, const char *source, const char *customer, struct tg_thread *out[TG_THREAD_LANES], struct tg_error *e)
{
    char paths[2 * TG_THREAD_LANES][TG_ANNOUNCE_NODE_SIZE];
    struct tg_read_item items[2 * TG_THREAD_LANES] = {{.path = NULL}};

    for (int k = 0; k < TG_THREAD_LANES; k++) {
        out[k] = NULL;
        tg_thread_path(TG_ANNOUNCE_OPEN, source, customer, k, paths[2 * k], sizeof paths[0]);
        tg_thread_path(TG_ANNOUNCE_TOLD, source, customer, k, paths[2 * k + 1], sizeof paths[0]);
        items[2 * k].path = paths[2 * k];
        items[2 * k + 1].path = paths[2 * k + 1];
    }
    int rc = tg_store_read_many(p->store, items, 2 * TG_THREAD_LANES, deadline(p), e);
    if (rc)
        return rc;
    for (int k = 0; !rc && k < TG_THREAD_LANES; k++) {
        int at = items[2 * k].code ? 2 * k + 1 : 2 * k;
        rc = items[at].code ? tg_thread_new(source, customer, k, &out[k], e) : understand(paths[at], &items[at].node, at == 2 * k, &out[k], e);
    }
    tg_read_items_release(items, 2 * TG_THREAD_LANES);
    return rc;
}

int tg_announce_each(const struct tg_announce_place *p, const struct tg_announce_paths *paths, int (*look)(void *data, const char *path, struct tg_thread *t, const struct tg_error *why, struct tg_error *e),
                     void *data, struct tg_error *e)
{
    struct tg_read_item items[BATCH];
    int rc = 0;

    for (size_t from = 0, n; !rc && from < paths->n; from += n) {
        n = paths->n - from < BATCH ? paths->n - from : BATCH;
        for (size_t i = 0; i < n; i++)
            items[i] = (struct tg_read_item) {.path = paths->v[from + i]};
        if ((rc = tg_store_read_many(p->store, items, n, deadline(p), e)) != 0)
            return rc;
        for (size_t i = 0; !rc && i < n; i++) {
            struct tg_error why = TG_ERROR_INIT;
            struct tg_thread *t = NULL;
            if (items[i].code)
                continue; /* it has gone meanwhile */
            int one = understand(items[i].path, &items[i].node, strncmp(items[i].path, TG_ANNOUNCE_OPEN "/", sizeof TG_ANNOUNCE_OPEN) == 0, &t, &why);
            rc = one == TG_E_MEMORY ? tg_thread_no_memory(e) : look(data, items[i].path, t, &why, e);
        }
        tg_read_items_release(items, n);
    }
    return rc;
}

/* The folder that a path lies in; empty, it does no harm. */
static int make_bucket(const struct tg_announce_place *p, const char *path, struct tg_error *e)
{
    char folder[TG_ANNOUNCE_NODE_SIZE];
    struct tg_error why = TG_ERROR_INIT;

    snprintf(folder, sizeof folder, "%.*s", (int) (strrchr(path, '/') - path), path);
    int rc = tg_store_create(p->store, folder, "", 0, TG_CREATE_PERSISTENT, deadline(p), &why);
    return !rc || rc == TG_E_EXISTS ? 0 : tg_fail(e, rc, "%s", why.message);
}

static size_t put_checks(const struct tg_announce_place *p, struct tg_op *ops)
{
    if (p->cluster == TG_ANY_VERSION)
        return 0;
    ops[0] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = p->cluster};
    return 1;
}

/* What puts the thread's text where it is to lie. *n grows. */
static void put_text(const struct tg_thread *t, bool to_open, const char *from, const char *to, const char *text, struct tg_op *ops, size_t *n)
{
    if (t->open == to_open && t->version != TG_ANY_VERSION) {
        ops[(*n)++] = (struct tg_op) {.kind = TG_OP_WRITE, .path = to, .data = text, .len = strlen(text), .version = t->version};
        return;
    }
    ops[(*n)++] = (struct tg_op) {.kind = TG_OP_CREATE, .path = to, .data = text, .len = strlen(text)};
    if (t->version != TG_ANY_VERSION)
        ops[(*n)++] = (struct tg_op) {.kind = TG_OP_DELETE, .path = from, .version = t->version};
}

static int put_thread(const struct tg_announce_place *p, struct tg_thread *t, bool to_open, const char *const *done, size_t n_done, struct tg_error *e)
{
    char to[TG_ANNOUNCE_NODE_SIZE], from[TG_ANNOUNCE_NODE_SIZE], *text;
    struct tg_op *ops = calloc(n_done + 4, sizeof *ops);
    struct tg_error why = TG_ERROR_INIT;
    bool stays = t->open == to_open && t->version != TG_ANY_VERSION;
    int rc = ops ? tg_thread_encode(t, &text, e) : tg_thread_no_memory(e);

    if (rc) {
        free(ops);
        return rc;
    }
    tg_thread_path(to_open ? TG_ANNOUNCE_OPEN : TG_ANNOUNCE_TOLD, t->source, t->customer, t->lane, to, sizeof to);
    tg_thread_path(to_open ? TG_ANNOUNCE_TOLD : TG_ANNOUNCE_OPEN, t->source, t->customer, t->lane, from, sizeof from);
    rc = stays ? 0 : make_bucket(p, to, e);
    size_t n = put_checks(p, ops);
    put_text(t, to_open, from, to, text, ops, &n);
    for (size_t i = 0; i < n_done; i++)
        ops[n++] = (struct tg_op) {.kind = TG_OP_DELETE, .path = done[i], .version = TG_ANY_VERSION};
    if (!rc)
        rc = tg_store_multi(p->store, ops, n, deadline(p), NULL, &why);
    free(ops);
    free(text);
    if (rc == TG_E_NOENT || rc == TG_E_EXISTS)
        rc = TG_E_VERSION; /* moved, or its notes were taken, by another */
    if (rc)
        return why.code ? tg_fail(e, rc, "%s", why.message) : rc;
    t->version = stays ? t->version + 1 : 0;
    t->open = to_open;
    return 0;
}

int tg_announce_write(const struct tg_announce_place *p, struct tg_thread *t, const char *const *done, size_t n_done, struct tg_error *e)
{
    return put_thread(p, t, true, done, n_done, e);
}

int tg_announce_close(const struct tg_announce_place *p, struct tg_thread *t, int64_t wall_ms, struct tg_error *e)
{
    char path[TG_ANNOUNCE_NODE_SIZE];
    struct tg_op ops[2];
    size_t n = put_checks(p, ops);

    tg_thread_prune(t, wall_ms - TG_ANNOUNCE_PAST_MS);
    t->due_ms = 0;
    if (t->told.n || t->sequence || !t->open) {
        struct tg_error why = TG_ERROR_INIT;
        int rc = put_thread(p, t, false, NULL, 0, &why);
        return rc ? tg_fail(e, rc, "%s", why.message) : 0;
    }
    tg_thread_path(TG_ANNOUNCE_OPEN, t->source, t->customer, t->lane, path, sizeof path);
    ops[n++] = (struct tg_op) {.kind = TG_OP_DELETE, .path = path, .version = t->version};
    return tg_store_multi(p->store, ops, n, deadline(p), NULL, e);
}

static void sweep_one(const struct tg_announce_place *p, const char *path, int64_t wall_ms)
{
    struct tg_thread *t;
    struct tg_op ops[2];
    struct tg_node node;
    size_t n = put_checks(p, ops);

    if (tg_store_read(p->store, path, deadline(p), &node, NULL))
        return;
    if (understand(path, &node, false, &t, NULL) == 0) {
        int64_t until = tg_thread_until_ms(t);
        until = until > node.stat.modified_ms ? until : node.stat.modified_ms;
        if (wall_ms - until > TG_ANNOUNCE_KEPT_MS) {
            ops[n++] = (struct tg_op) {.kind = TG_OP_DELETE, .path = path, .version = t->version};
            (void) tg_store_multi(p->store, ops, n, deadline(p), NULL, NULL);
        }
        tg_thread_free(t);
    }
    tg_node_release(&node);
}

void tg_announce_sweep(const struct tg_announce_place *p, unsigned bucket, int64_t wall_ms)
{
    char folder[TG_ANNOUNCE_NODE_SIZE], path[TG_ANNOUNCE_NODE_SIZE];
    struct tg_names names;

    snprintf(folder, sizeof folder, TG_ANNOUNCE_TOLD "/%02x", bucket % TG_ANNOUNCE_BUCKETS);
    if (tg_store_list(p->store, folder, deadline(p), &names, NULL))
        return;
    for (size_t i = 0; i < names.count; i++)
        if (snprintf(path, sizeof path, "%s/%s", folder, names.names[i]) < (int) sizeof path)
            sweep_one(p, path, wall_ms);
    tg_names_release(&names);
}
