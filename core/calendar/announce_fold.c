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
    const char *path; /* NULL: it was taken */
    int64_t txid;
    int lane;
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

/* A customer's threads of a source: all lanes, those that are not there yet too. */
struct lanes {
    struct tg_thread *of[TG_THREAD_LANES];
};

static void free_lanes(struct lanes *l)
{
    for (int k = 0; k < TG_THREAD_LANES; k++)
        tg_thread_free(l->of[k]);
}

/* Where an event belongs: where it is known, else where there is room; -1: nowhere. */
static int lane_of(const struct lanes *l, const char *key)
{
    for (int k = 0; k < TG_THREAD_LANES; k++)
        if (tg_thread_has(l->of[k], key))
            return k;
    for (int k = 0; k < TG_THREAD_LANES; k++)
        if (tg_thread_has_room(l->of[k]))
            return k;
    return -1;
}

/* A lane is written with what it took, which is done then. */
static int write_lane(const struct fold *f, struct tg_thread *t, int lane, struct noted *v, size_t n, struct tg_error *e)
{
    const char *done[BATCH];
    size_t n_done = 0;

    for (size_t i = 0; i < n; i++)
        if (v[i].path && v[i].lane == lane)
            done[n_done++] = v[i].path;
    int rc = n_done ? tg_announce_write(f->p, t, done, n_done, e) : 0;
    for (size_t i = 0; !rc && i < n; i++)
        v[i].path = v[i].lane == lane ? NULL : v[i].path;
    return rc;
}

/* All notes of one customer and source. Each lane is one transaction with its notes. What finds no place stays. TG_E_VERSION: again, with those that are left. */
static int take_some(const struct fold *f, struct noted *v, size_t n, struct tg_error *e)
{
    struct lanes l = {{NULL}};
    int rc = tg_announce_lanes(f->p, v->note.a.source, v->note.a.customer, l.of, e);

    for (int k = 0; !rc && k < TG_THREAD_LANES; k++)
        tg_thread_prune(l.of[k], f->wall_ms - TG_ANNOUNCE_PAST_MS);
    for (size_t i = 0; !rc && i < n; i++) {
        if (!v[i].path)
            continue;
        v[i].lane = lane_of(&l, v[i].note.a.event);
        if (v[i].lane >= 0)
            rc = tg_thread_take(l.of[v[i].lane], &v[i].note.a, due(f, &v[i].note.a), e);
    }
    for (int k = 0; !rc && k < TG_THREAD_LANES; k++)
        rc = write_lane(f, l.of[k], k, v, n, e);
    free_lanes(&l);
    return rc;
}

static int take_thread(const struct fold *f, struct noted *v, size_t n, struct tg_error *e)
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
    if (!rc && v->note.a.kind == TG_ANNOUNCE_WEEK)
        v->path = NULL;
    for (size_t i = 0; i < n; i++)
        f->out->notes += !v[i].path;
    if (!rc)
        tg_fail(&why, TG_E_DATA, "%s has more maintenance of %s to be told of than can be kept at a time", v->note.a.customer, v->note.a.source);
    if (rc && rc != TG_E_DATA && rc != TG_E_UNKNOWN && rc != TG_E_VERSION)
        return tg_fail(e, rc, "%s", why.message);
    for (size_t i = 0; i < n; i++) /* one customer's trouble is not the others' */
        if (v[i].path)
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
    struct tg_read_item items[BATCH] = {{.code = 0}};
    struct tg_announce_paths paths;
    int64_t since = 0;
    int rc = tg_announce_list(p, TG_ANNOUNCE_NEW, &paths, e);

    if (rc)
        return rc;
    size_t n = paths.n < BATCH ? paths.n : BATCH; /* so many tell enough */
    for (size_t i = 0; i < n; i++)
        items[i].path = paths.v[i];
    rc = n ? tg_store_read_many(p->store, items, n, tg_store_deadline(p->store, p->wait_ms), e) : 0;
    for (size_t i = 0; !rc && i < n; i++)
        if (!items[i].code && (!since || items[i].node.stat.modified_ms < since))
            since = items[i].node.stat.modified_ms;
    if (!rc) {
        tg_read_items_release(items, n);
        *out_n = paths.n;
        *out_since_ms = since;
    }
    tg_announce_paths_release(&paths);
    return rc;
}
