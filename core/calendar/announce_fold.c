/* Notes into threads: see announce_store.h. */
#include "calendar/announce_internal.h"
#include "calendar/announce_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256 /* notes at a time, and in one transaction */
#define TRIES 10

struct noted {
    struct tg_announce_note note;
    const char *path;
    int64_t txid;
};

struct fold {
    const struct tg_announce_place *p;
    int64_t wall_ms, settle_ms;
    struct tg_announce_folded *out;
};

static int by_thread(const void *a, const void *b)
{
    const struct noted *x = a, *y = b;
    int order = strcmp(x->note.a.source, y->note.a.source);

    order = order ? order : strcmp(x->note.a.customer, y->note.a.customer);
    return order ? order : (x->txid > y->txid) - (x->txid < y->txid);
}

static void bad(const struct fold *f, const char *path, const struct tg_error *why)
{
    if (!f->out->bad++)
        tg_fail(&f->out->why, TG_E_UNKNOWN, "%s can't be taken: %s", path + 1, why->message);
}

/* A clock that is ahead where the note was written must not keep anybody waiting. */
static int64_t due(const struct fold *f, const struct tg_announcement *a)
{
    return (a->at_ms < f->wall_ms ? a->at_ms : f->wall_ms) + f->settle_ms;
}

/* All notes of one thread. TG_E_VERSION: again. */
static int take_some(const struct fold *f, const struct noted *v, size_t n, struct tg_error *e)
{
    const char *done[BATCH];
    struct tg_thread *t;
    int rc = tg_announce_find(f->p, v->note.a.source, v->note.a.customer, &t, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < n; i++) {
        rc = tg_thread_take(t, &v[i].note.a, due(f, &v[i].note.a), e);
        done[i] = v[i].path;
    }
    tg_thread_prune(t, f->wall_ms - TG_ANNOUNCE_PAST_MS);
    if (!rc)
        rc = tg_announce_write(f->p, t, done, n, e);
    tg_thread_free(t);
    return rc;
}

static int take_thread(const struct fold *f, const struct noted *v, size_t n, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    int rc = TG_E_VERSION;

    for (int i = 0; i < TRIES && rc == TG_E_VERSION; i++) {
        tg_error_clear(&why);
        if (v->note.a.kind == TG_ANNOUNCE_WEEK)
            rc = tg_announce_week(f->p, &v->note.a, v->path, f->wall_ms, due(f, &v->note.a), &why);
        else
            rc = take_some(f, v, n, &why);
    }
    if (!rc) {
        f->out->notes += n;
        return 0;
    }
    if (rc != TG_E_DATA && rc != TG_E_UNKNOWN && rc != TG_E_VERSION)
        return tg_fail(e, rc, "%s", why.message);
    for (size_t i = 0; i < n; i++) /* one customer's trouble is not the others' */
        bad(f, v[i].path, &why);
    return 0;
}

static int take_all(const struct fold *f, struct noted *v, size_t n, struct tg_error *e)
{
    int rc = 0;

    if (n)
        qsort(v, n, sizeof *v, by_thread);
    for (size_t i = 0, k; !rc && i < n; i = k) {
        k = i + 1;
        while (k < n && v[i].note.a.kind != TG_ANNOUNCE_WEEK && v[k].note.a.kind != TG_ANNOUNCE_WEEK && strcmp(v[k].note.a.source, v[i].note.a.source) == 0 &&
               strcmp(v[k].note.a.customer, v[i].note.a.customer) == 0)
            k++;
        rc = take_thread(f, &v[i], k - i, e);
    }
    return rc;
}

static int fold_batch(const struct fold *f, char (*paths)[TG_ANNOUNCE_NODE_SIZE], size_t n, struct tg_error *e)
{
    struct tg_read_item items[BATCH] = {{.code = 0}};
    struct noted v[BATCH];
    size_t n_notes = 0;

    for (size_t i = 0; i < n; i++)
        items[i].path = paths[i];
    int rc = tg_store_read_many(f->p->store, items, n, tg_store_deadline(f->p->store, f->p->wait_ms), e);
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < n; i++) {
        struct tg_error why = TG_ERROR_INIT;
        if (items[i].code)
            continue; /* taken by another meanwhile */
        rc = tg_announce_note_decode(items[i].node.data, items[i].node.len, &v[n_notes].note, &why);
        v[n_notes].path = paths[i];
        v[n_notes].txid = items[i].node.stat.created_txid;
        n_notes += !rc;
        if (rc == TG_E_MEMORY)
            break;
        if (rc)
            bad(f, paths[i], &why);
        rc = 0;
    }
    tg_read_items_release(items, n);
    if (!rc)
        rc = take_all(f, v, n_notes, e);
    for (size_t i = 0; i < n_notes; i++)
        tg_announce_note_release(&v[i].note);
    return rc == TG_E_MEMORY ? tg_thread_no_memory(e) : rc;
}

int tg_announce_fold(const struct tg_announce_place *p, int64_t wall_ms, int64_t settle_ms, struct tg_announce_folded *out, struct tg_error *e)
{
    struct tg_announce_folded folded = {.notes = 0};
    const struct fold f = {p, wall_ms, settle_ms, &folded};
    struct tg_announce_paths paths;
    int rc = tg_announce_list(p, TG_ANNOUNCE_NEW, &paths, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < paths.n; i += BATCH)
        rc = fold_batch(&f, paths.v + i, paths.n - i < BATCH ? paths.n - i : BATCH, e);
    tg_announce_paths_release(&paths);
    *out = folded;
    return rc;
}

int tg_announce_waiting(const struct tg_announce_place *p, size_t *out_n, int64_t *out_since_ms, struct tg_error *e)
{
    struct tg_announce_paths paths;
    int64_t since = 0;
    int rc = tg_announce_list(p, TG_ANNOUNCE_NEW, &paths, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < paths.n && i < BATCH; i++) { /* so many tell enough */
        struct tg_node node;
        if (tg_store_read(p->store, paths.v[i], tg_store_deadline(p->store, p->wait_ms), &node, NULL))
            continue;
        since = !since || node.stat.modified_ms < since ? node.stat.modified_ms : since;
        tg_node_release(&node);
    }
    *out_n = paths.n;
    *out_since_ms = since;
    tg_announce_paths_release(&paths);
    return 0;
}
