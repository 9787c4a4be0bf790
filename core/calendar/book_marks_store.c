/* Marks of hosts in their slots, in the store: see book_marks.h. */
#include "calendar/book_folder.h"
#include "calendar/book_marks.h"

#include "fleet/shard.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 20
#define BATCH_SHARDS 64                /* read at once */
#define BATCH_BYTES (200 * 1024)       /* in a transaction */

static void marks_path(const char *key, char *out, size_t size)
{
    snprintf(out, size, TG_BOOK_PATH "/%s/marks", key);
}

static void shard_path(const char *key, uint32_t shard, char *out, size_t size)
{
    snprintf(out, size, TG_BOOK_PATH "/%s/marks-%03x", key, shard);
}

static int cant_read(const char *path, const struct tg_error *why, int rc, struct tg_error *e)
{
    if (rc == TG_E_MEMORY)
        return tg_fail(e, rc, "out of memory");
    tg_fail(e, TG_E_UNKNOWN, "%s can't be understood: %s", path + 1, why->message);
    tg_error_hint(e, "a newer tagout has written it, or it was damaged: how the slots of that week go is not known; its hosts keep their slots");
    return TG_E_UNKNOWN;
}

/* That there is something new: the last operation of every change. */
static struct tg_op counter_op(const char *path, bool there)
{
    return (struct tg_op) {.kind = there ? TG_OP_WRITE : TG_OP_CREATE, .path = path, .data = "", .version = there ? TG_ANY_VERSION : 0};
}

static struct tg_op shard_op(const char *path, const struct tg_read_item *item, const char *data)
{
    return (struct tg_op) {.kind = item->code ? TG_OP_CREATE : TG_OP_WRITE, .path = path, .data = data, .len = strlen(data), .version = item->code ? 0 : item->node.stat.version};
}

/* ---- one host's, in another's transaction ---- */

static const struct tg_booked *by_key(const struct tg_book *book, const char *key)
{
    const struct tg_booked *found = NULL;

    for (size_t i = 0; i < book->n; i++)
        if (strcmp(book->weeks[i].key, key) == 0 && (!found || found->cancelled))
            found = &book->weeks[i];
    return found;
}

static int prepare_in(struct tg_store *store, const struct tg_booked *b, const struct tg_mark_word *word, const char *by, int64_t wait_ms, struct tg_mark_ops *out,
                      struct tg_error *e)
{
    struct tg_read_item items[2] = {{.path = out->paths[0]}, {.path = out->paths[1]}};
    struct tg_error why = TG_ERROR_INIT;

    marks_path(b->key, out->paths[0], sizeof out->paths[0]);
    shard_path(b->key, tg_shard_of(word->host, (uint32_t) b->shards), out->paths[1], sizeof out->paths[1]);
    int rc = tg_store_read_many(store, items, 2, tg_store_deadline(store, wait_ms), e);
    if (rc)
        return rc;
    if (b->cancelled && items[0].code) { /* nothing of it had begun: it has no folder any more */
        tg_read_items_release(items, 2);
        return 0;
    }
    rc = tg_marks_change(b, items[1].node.data, items[1].code ? 0 : items[1].node.len, word, 1, by, &out->data, &why);
    if (rc)
        rc = cant_read(out->paths[1], &why, rc, e);
    if (!rc && out->data) {
        out->ops[out->n++] = shard_op(out->paths[1], &items[1], out->data);
        out->ops[out->n++] = counter_op(out->paths[0], !items[0].code);
    }
    tg_read_items_release(items, 2);
    return rc;
}

int tg_marks_prepare(struct tg_store *store, const char *key, const struct tg_mark_word *word, const char *by, int64_t wait_ms, struct tg_mark_ops *out, struct tg_error *e)
{
    struct tg_book book;
    int rc = tg_book_read(store, wait_ms, &book, e);

    *out = (struct tg_mark_ops) {.n = 0};
    if (rc)
        return rc;
    const struct tg_booked *b = by_key(&book, key);
    rc = b ? prepare_in(store, b, word, by, wait_ms, out, e) : 0;
    tg_book_release(&book);
    return rc;
}

void tg_mark_ops_release(struct tg_mark_ops *ops)
{
    free(ops->data);
    *ops = (struct tg_mark_ops) {.n = 0};
}

/* ---- many ---- */

struct sorted {
    uint32_t shard;
    size_t at;
};

struct writing {
    struct tg_store *store;
    struct tg_booked b;                /* as the book has it now */
    const char *by;
    int64_t wait_ms, cluster;
    struct tg_mark_word *words;        /* by shard */
    struct sorted *order;
    size_t n, changed;
};

static int by_shard(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;

    return x->shard != y->shard ? (x->shard < y->shard ? -1 : 1) : (x->at > y->at) - (x->at < y->at);
}

static int sort_words(struct writing *w, const struct tg_mark_word *words, struct tg_error *e)
{
    w->words = malloc((w->n + 1) * sizeof *w->words);
    w->order = malloc((w->n + 1) * sizeof *w->order);
    if (!w->words || !w->order)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < w->n; i++)
        w->order[i] = (struct sorted) {tg_shard_of(words[i].host, (uint32_t) w->b.shards), i};
    if (w->n)
        qsort(w->order, w->n, sizeof *w->order, by_shard);
    for (size_t i = 0; i < w->n; i++)
        w->words[i] = words[w->order[i].at];
    return 0;
}

static size_t shard_end(const struct writing *w, size_t at)
{
    size_t end = at + 1;

    while (end < w->n && w->order[end].shard == w->order[at].shard)
        end++;
    return end;
}

/* Shards that are read together: the first is the counter. */
struct batch {
    char paths[BATCH_SHARDS + 1][TG_BOOK_NODE_PATH];
    struct tg_read_item items[BATCH_SHARDS + 1];
    size_t from[BATCH_SHARDS + 2];     /* of words; of the i-th shard from from[i] on */
    char *data[BATCH_SHARDS + 1];
    struct tg_op ops[BATCH_SHARDS + 3];
    size_t n;
};

static void gather(const struct writing *w, size_t at, struct batch *b)
{
    *b = (struct batch) {.n = 0};
    marks_path(w->b.key, b->paths[0], sizeof b->paths[0]);
    b->items[0].path = b->paths[0];
    for (; at < w->n && b->n < BATCH_SHARDS; at = shard_end(w, at)) {
        b->from[++b->n] = at;
        shard_path(w->b.key, w->order[at].shard, b->paths[b->n], sizeof b->paths[0]);
        b->items[b->n].path = b->paths[b->n];
    }
    b->from[b->n + 1] = at;
}

/* The transaction of as many as go into it; *out_next is the first shard that does not. */
static int put_some(struct writing *w, struct batch *b, size_t first, size_t *out_next, struct tg_error *e)
{
    size_t n = 0, bytes = 0, i = first;
    int rc = 0;

    if (w->cluster != TG_ANY_VERSION)
        b->ops[n++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = w->cluster};
    for (; !rc && i <= b->n && bytes < BATCH_BYTES; i++) {
        struct tg_error why = TG_ERROR_INIT;
        const struct tg_read_item *item = &b->items[i];
        rc = tg_marks_change(&w->b, item->node.data, item->code ? 0 : item->node.len, w->words + b->from[i], b->from[i + 1] - b->from[i], w->by, &b->data[i], &why);
        if (rc)
            rc = cant_read(b->paths[i], &why, rc, e);
        else if (b->data[i]) {
            b->ops[n++] = shard_op(b->paths[i], item, b->data[i]);
            bytes += strlen(b->data[i]);
        }
    }
    *out_next = i;
    if (rc || !bytes)
        return rc;
    b->ops[n++] = counter_op(b->paths[0], !b->items[0].code);
    rc = tg_store_multi(w->store, b->ops, n, tg_store_deadline(w->store, w->wait_ms), NULL, e);
    b->items[0].code = rc ? b->items[0].code : 0;
    w->changed += !rc;
    return rc;
}

/* Words from *at on. TG_E_VERSION: others were faster. */
static int write_batch(struct writing *w, size_t *at, struct tg_error *e)
{
    struct batch *b = malloc(sizeof *b);

    if (!b)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    gather(w, *at, b);
    int rc = tg_store_read_many(w->store, b->items, b->n + 1, tg_store_deadline(w->store, w->wait_ms), e);
    for (size_t i = 1; !rc && i <= b->n;) {
        rc = put_some(w, b, i, &i, e);
        if (!rc)
            *at = b->from[i];
    }
    for (size_t i = 0; i <= b->n; i++)
        free(b->data[i]);
    tg_read_items_release(b->items, b->n + 1);
    free(b);
    return rc;
}

/* As it is now; of one that was cancelled only what had begun is noted, as long as its folder is there. */
static int look_up(struct writing *w, struct tg_error *e)
{
    struct tg_book book;
    bool has_marks = true;
    int rc = tg_book_read(w->store, w->wait_ms, &book, e);

    if (rc)
        return rc;
    const struct tg_booked *found = by_key(&book, w->b.key);
    if (found && found->cancelled)
        rc = tg_marks_are_there(w->store, found, w->wait_ms, &has_marks, e);
    if (!rc && (!found || !has_marks))
        rc = tg_fail(e, TG_E_NOENT, "week %s is not booked any more", w->b.id);
    if (!rc)
        w->b = *found;
    tg_book_release(&book);
    return rc;
}

static int write_all(struct writing *w, struct tg_error *e)
{
    int rc = tg_cluster_live(w->store, tg_store_deadline(w->store, w->wait_ms), &w->cluster, e);
    int tries = 0;

    if (!rc)
        rc = look_up(w, e);
    for (size_t at = 0; !rc && at < w->n;) {
        struct tg_error why = TG_ERROR_INIT;
        rc = write_batch(w, &at, &why);
        bool overtaken = rc == TG_E_VERSION || rc == TG_E_EXISTS || rc == TG_E_NOENT;
        if (overtaken && ++tries < TRIES)
            rc = look_up(w, e); /* a folder that is removed has no room for anything */
        else if (rc)
            rc = overtaken ? tg_fail(e, TG_E_HELD, "others change it all the time") : (tg_fail(e, rc, "%s", why.message), tg_error_hint(e, "%s", why.hint), rc);
    }
    return rc;
}

int tg_marks_write(struct tg_store *store, const struct tg_booked *booked, const struct tg_mark_word *words, size_t n, const char *by, int64_t wait_ms, size_t *out_changed,
                   struct tg_error *e)
{
    struct writing w = {.store = store, .b = *booked, .by = by, .wait_ms = wait_ms, .n = n};
    int rc = sort_words(&w, words, e);

    if (!rc)
        rc = write_all(&w, e);
    if (out_changed)
        *out_changed = w.changed;
    free(w.words);
    free(w.order);
    return rc;
}

/* ---- reading ---- */

struct reading {
    const struct tg_week *week;
    const char *by;        /* only what this one said last; NULL: all */
    struct tg_marks *out;
};

static int take_into(void *data, const char *host, const struct tg_mark *mark, const char *by, struct tg_error *e)
{
    const struct reading *r = data;
    size_t from = 0, until = r->week->names.n;

    if (r->by && strcmp(r->by, by) != 0)
        return 0;
    while (from < until) {
        size_t middle = from + (until - from) / 2;
        int order = tg_name_compare(tg_hostlist_get(&r->week->names, middle), host);
        if (order == 0) {
            r->out->v[middle] = *mark;
            return 0;
        }
        from = order < 0 ? middle + 1 : from;
        until = order < 0 ? until : middle;
    }
    return tg_fail(e, TG_E_DATA, "%.80s has no slot in it", host);
}

int tg_marks_are_there(struct tg_store *store, const struct tg_booked *b, int64_t wait_ms, bool *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    char path[TG_BOOK_NODE_PATH];
    struct tg_node node;

    marks_path(b->key, path, sizeof path);
    int rc = tg_store_read(store, path, tg_store_deadline(store, wait_ms), &node, &why);
    if (!rc)
        tg_node_release(&node);
    else if (rc != TG_E_NOENT)
        return tg_fail(e, rc, "%s", why.message);
    *out = !rc;
    return 0;
}

static int read_shards(struct tg_store *store, const struct tg_booked *b, int64_t wait_ms, tg_mark_take_fn *take, void *data, struct tg_error *e)
{
    char (*paths)[TG_BOOK_NODE_PATH] = malloc(TG_BOOK_BATCH * sizeof *paths);
    struct tg_read_item *items = calloc(TG_BOOK_BATCH, sizeof *items);
    int rc = paths && items ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (int64_t at = 0; !rc && at < b->shards; at += TG_BOOK_BATCH) {
        size_t some = b->shards - at < TG_BOOK_BATCH ? (size_t) (b->shards - at) : TG_BOOK_BATCH;
        for (size_t i = 0; i < some; i++) {
            shard_path(b->key, (uint32_t) at + (uint32_t) i, paths[i], sizeof paths[i]);
            items[i] = (struct tg_read_item) {.path = paths[i]};
        }
        if ((rc = tg_store_read_many(store, items, some, tg_store_deadline(store, wait_ms), e)) != 0)
            break;
        for (size_t i = 0; !rc && i < some; i++) {
            struct tg_error why = TG_ERROR_INIT;
            rc = items[i].code ? 0 : tg_marks_parse(b, items[i].node.data, items[i].node.len, take, data, &why);
            if (rc)
                rc = cant_read(paths[i], &why, rc, e);
        }
        tg_read_items_release(items, some);
    }
    free(paths);
    free(items);
    return rc;
}

int tg_marks_each(struct tg_store *store, const struct tg_booked *b, int64_t wait_ms, tg_mark_take_fn *take, void *data, int64_t *out_version, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    char path[TG_BOOK_NODE_PATH];
    struct tg_node node;

    *out_version = -1;
    marks_path(b->key, path, sizeof path);
    int rc = tg_store_read(store, path, tg_store_deadline(store, wait_ms), &node, &why);
    if (rc)
        return rc == TG_E_NOENT ? 0 : tg_fail(e, rc, "%s", why.message);
    *out_version = node.stat.version;
    tg_node_release(&node);
    return read_shards(store, b, wait_ms, take, data, e);
}

int tg_marks_read(struct tg_store *store, const struct tg_booked *b, const struct tg_week *week, const char *by, int64_t wait_ms, struct tg_marks *out, struct tg_error *e)
{
    struct tg_marks marks = {.v = calloc(week->names.n + 1, sizeof *marks.v), .n = week->names.n, .version = -1};
    struct reading r = {week, by, &marks};

    if (!marks.v)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = tg_marks_each(store, b, wait_ms, take_into, &r, &marks.version, e);
    if (rc)
        tg_marks_release(&marks);
    else
        *out = marks;
    return rc;
}

void tg_marks_release(struct tg_marks *marks)
{
    free(marks->v);
    *marks = (struct tg_marks) {.version = -1};
}
