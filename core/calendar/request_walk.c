/* Requests of every host: see request_store.h. While one batch of records is looked at the next one is on its way. */
#include "calendar/book.h"
#include "calendar/request_store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH TG_STORE_OPS_MAX

struct batch {
    char (*paths)[TG_NODE_PATH_SIZE];
    struct tg_read_item *items;
    size_t n;
};

struct walk {
    struct tg_guard *guard;
    int64_t weeks_txid;
    int (*take)(const struct tg_requests *r, void *data, struct tg_error *e);
    void (*bad)(const char *host, const struct tg_error *why, void *data);
    void *data;
    struct batch batches[2], *filling, *looked_at; /* looked_at: it was read, and nobody has looked at it yet */
    int rc;
    struct tg_error why;           /* of looking */
};

static int take_one(const struct walk *w, const struct tg_read_item *item, struct tg_error *e)
{
    const char *name = strrchr(item->path, '/') + 1;
    struct tg_error why = TG_ERROR_INIT;
    struct tg_requests r;
    struct tg_scope host;
    int rc = tg_tree_unname(TG_SCOPE_HOST, name, &host, &why);
    bool named = !rc;

    if (!rc)
        rc = tg_requests_take(w->guard, host.name, item, &r, &why);
    if (rc && rc != TG_E_MEMORY && w->bad)
        return w->bad(named ? host.name : name, &why, w->data), 0;
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        return tg_error_hint(e, "%s", why.hint), rc;
    }
    r.weeks_txid = w->weeks_txid;
    rc = w->take(&r, w->data, e);
    tg_requests_release(&r);
    return rc;
}

/* Of what was read before. */
static void look(void *data)
{
    struct walk *w = data;
    struct batch *b = w->looked_at;

    for (size_t i = 0; !w->rc && i < b->n; i++)
        if (!b->items[i].code) /* else it has gone since */
            w->rc = take_one(w, &b->items[i], &w->why);
    tg_read_items_release(b->items, b->n);
    b->n = 0;
}

/* Reads what was filled, and looks at what was read before. */
static int turn_over(struct walk *w, struct tg_error *e)
{
    struct batch *b = w->filling;
    struct tg_exchange x = {.items = b->items, .n_items = b->n, .meanwhile = look, .data = w};
    int rc = b->n ? tg_store_exchange(w->guard->store, &x, tg_guard_deadline(w->guard), e) : 0;

    if (w->looked_at->n) /* it could not be sent, or there was nothing to send */
        look(w);
    if (rc == TG_E_LOST) { /* reads do no harm twice */
        tg_error_clear(e);
        rc = tg_store_read_many(w->guard->store, b->items, b->n, tg_guard_deadline(w->guard), e);
    }
    if (rc)
        b->n = 0;
    w->filling = w->looked_at;
    w->looked_at = b;
    return rc;
}

static int walk_names(struct walk *w, const char *bucket, const struct tg_names *names, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && !w->rc && i < names->count; i++) {
        struct batch *b = w->filling;
        snprintf(b->paths[b->n], sizeof b->paths[0], "%s/%s", bucket, names->names[i]);
        b->items[b->n] = (struct tg_read_item) {.path = b->paths[b->n]};
        if (++b->n == BATCH)
            rc = turn_over(w, e);
    }
    return rc;
}

/* All folders are listed in one go. */
static int walk_buckets(struct walk *w, char *const *buckets, size_t n, struct tg_error *e)
{
    char (*paths)[TG_NODE_PATH_SIZE] = malloc((n + 1) * sizeof *paths);
    struct tg_read_item *items = calloc(n + 1, sizeof *items);
    int rc = paths && items ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < n; i++) {
        snprintf(paths[i], sizeof paths[i], TG_REQUESTS_PATH "/%s", buckets[i]);
        items[i] = (struct tg_read_item) {.path = paths[i], .want_names = true};
    }
    if (!rc && !(rc = tg_store_read_many(w->guard->store, items, n, tg_guard_deadline(w->guard), e))) {
        for (size_t i = 0; !rc && !w->rc && i < n; i++)
            if (!items[i].code)
                rc = walk_names(w, paths[i], &items[i].names, e);
        if (!rc && !w->rc)
            rc = turn_over(w, e); /* what is left, */
        if (!rc && !w->rc)
            look(w);              /* and that as well */
        tg_read_items_release(items, n);
    }
    free(items);
    free(paths);
    return rc;
}

static int walk(struct walk *w, char *const *buckets, size_t n, struct tg_error *e)
{
    int rc = 0;

    for (int i = 0; i < 2; i++) {
        w->batches[i] = (struct batch) {.paths = calloc(BATCH, sizeof *w->batches[i].paths), .items = calloc(BATCH, sizeof *w->batches[i].items)};
        if (!w->batches[i].paths || !w->batches[i].items)
            rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    w->filling = &w->batches[0];
    w->looked_at = &w->batches[1];
    if (!rc)
        rc = walk_buckets(w, buckets, n, e);
    if (w->looked_at->n)
        tg_read_items_release(w->looked_at->items, w->looked_at->n);
    for (int i = 0; i < 2; i++) {
        free(w->batches[i].paths);
        free(w->batches[i].items);
    }
    if (rc || !w->rc)
        return rc;
    if (e && w->why.code)
        *e = w->why;
    return w->rc;
}

int tg_requests_walk(struct tg_guard *guard, const char *bucket, int (*take)(const struct tg_requests *r, void *data, struct tg_error *e),
                     void (*bad)(const char *host, const struct tg_error *why, void *data), void *data, struct tg_error *e)
{
    struct tg_read_item items[3] = {{.path = TG_CLUSTER_PATH}, {.path = TG_REQUESTS_PATH, .want_names = true}, {.path = TG_BOOK_PATH, .want_names = true}};
    struct walk w = {.guard = guard, .take = take, .bad = bad, .data = data, .why = TG_ERROR_INIT};
    char only[TG_SCOPE_NAME_MAX + 1], *one = only;

    tg_tree_begin(guard);
    int rc = tg_store_read_many(guard->store, items, 3, tg_guard_deadline(guard), e);
    if (rc)
        return rc;
    rc = tg_tree_prove_cluster(guard, &items[0], TG_NOTE_BOUNDED, NULL, e);
    if (!rc && items[1].code)
        rc = tg_tree_missing(guard, TG_REQUESTS_PATH, e);
    w.weeks_txid = items[2].code ? 0 : items[2].names.stat.modified_txid;
    snprintf(only, sizeof only, "%s", bucket ? bucket : "");
    if (!rc)
        rc = walk(&w, bucket ? &one : items[1].names.names, bucket ? 1 : items[1].names.count, e);
    tg_read_items_release(items, 3);
    return rc;
}
