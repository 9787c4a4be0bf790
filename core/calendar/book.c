/* Maintenance weeks in the store: see book.h. book_folder.c writes and removes a week's folder. */
#include "calendar/announce.h"
#include "calendar/book_folder.h"

#include "fleet/shard.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 20 /* of a change that others overtake: each time one of them got on */

/* ---- the list ---- */

static int lacks(struct tg_store *store, int64_t wait_ms, struct tg_error *e)
{
    int64_t version;
    int rc = tg_cluster_live(store, tg_store_deadline(store, wait_ms), &version, e);

    if (rc)
        return rc;
    tg_fail(e, TG_E_UNKNOWN, "the store has no " TG_BOOK_PATH ": this copy is not whole, and what is booked is not known");
    tg_error_hint(e, "tagout doctor looks at the rest; restore the whole store from its last good copy");
    return TG_E_UNKNOWN;
}

static int unreadable(struct tg_error *e, const char *what, const struct tg_error *why)
{
    tg_fail(e, TG_E_UNKNOWN, "%s can't be understood: %s", what, why->message);
    tg_error_hint(e, "a newer tagout has written it, or it was damaged: nothing acts on it; tagout doctor looks at the rest");
    return TG_E_UNKNOWN;
}

int tg_book_read(struct tg_store *store, int64_t wait_ms, struct tg_book *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_node node;
    int rc = tg_store_read(store, TG_BOOK_PATH, tg_store_deadline(store, wait_ms), &node, &why);

    if (rc == TG_E_NOENT)
        return lacks(store, wait_ms, e);
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        return tg_error_hint(e, "%s", why.hint), rc;
    }
    rc = tg_book_decode(node.data, node.len, out, &why);
    if (!rc) {
        out->version = node.stat.version;
        out->txid = node.stat.modified_txid;
    }
    tg_node_release(&node);
    return !rc ? 0 : rc == TG_E_MEMORY ? tg_fail(e, rc, "out of memory") : unreadable(e, "the list of booked weeks, " TG_BOOK_PATH, &why);
}

/* ---- a whole week ---- */

struct reading {
    struct tg_store *store;
    const struct tg_booked *booked;
    int64_t wait_ms;
    struct tg_book_parser *parser;
};

typedef int parse_fn(struct tg_book_parser *p, const char *text, size_t len, struct tg_error *e);

static int missing(const struct tg_booked *b, const char *path, struct tg_error *e)
{
    tg_fail(e, TG_E_UNKNOWN, "week %s is booked, but %s is not there: this copy is not whole", b->id, path + 1);
    tg_error_hint(e, "nothing acts on it; tagout doctor looks at the rest");
    return TG_E_UNKNOWN;
}

static int parse_items(const struct reading *r, struct tg_read_item *items, size_t n, parse_fn *parse, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++) {
        struct tg_error why = TG_ERROR_INIT;
        if (items[i].code)
            rc = missing(r->booked, items[i].path, e);
        else if ((rc = parse(r->parser, items[i].node.data, items[i].node.len, &why)) != 0)
            rc = rc == TG_E_MEMORY ? tg_fail(e, rc, "out of memory") : unreadable(e, items[i].path + 1, &why);
    }
    return rc;
}

/* All nodes of a kind, some at a time. */
static int read_kind(const struct reading *r, const char *kind, int64_t n, parse_fn *parse, struct tg_error *e)
{
    char (*paths)[TG_BOOK_NODE_PATH] = malloc(TG_BOOK_BATCH * sizeof *paths);
    struct tg_read_item *items = calloc(TG_BOOK_BATCH, sizeof *items);
    int rc = paths && items ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (int64_t at = 0; !rc && at < n; at += TG_BOOK_BATCH) {
        size_t some = n - at < TG_BOOK_BATCH ? (size_t) (n - at) : TG_BOOK_BATCH;
        for (size_t i = 0; i < some; i++) {
            snprintf(paths[i], sizeof paths[i], TG_BOOK_PATH "/%s/%s-%03zx", r->booked->key, kind, (size_t) at + i);
            items[i] = (struct tg_read_item) {.path = paths[i]};
        }
        rc = tg_store_read_many(r->store, items, some, tg_store_deadline(r->store, r->wait_ms), e);
        if (rc)
            break;
        rc = parse_items(r, items, some, parse, e);
        tg_read_items_release(items, some);
    }
    free(paths);
    free(items);
    return rc;
}

static int read_head(const struct reading *r, struct tg_book_counts *out, struct tg_error *e)
{
    char path[TG_BOOK_NODE_PATH];
    struct tg_node node;
    struct tg_error why = TG_ERROR_INIT;

    snprintf(path, sizeof path, TG_BOOK_PATH "/%s/week", r->booked->key);
    int rc = tg_store_read(r->store, path, tg_store_deadline(r->store, r->wait_ms), &node, &why);
    if (rc == TG_E_NOENT)
        return missing(r->booked, path, e);
    if (rc)
        return tg_fail(e, rc, "%s", why.message);
    rc = tg_book_parse_week(r->parser, node.data, node.len, out, &why);
    tg_node_release(&node);
    return rc && rc != TG_E_MEMORY ? unreadable(e, path + 1, &why) : rc ? tg_fail(e, rc, "out of memory") : 0;
}

int tg_book_load(struct tg_store *store, const struct tg_booked *booked, int64_t wait_ms, struct tg_week **out, struct tg_error *e)
{
    struct reading r = {.store = store, .booked = booked, .wait_ms = wait_ms};
    struct tg_error why = TG_ERROR_INIT;
    struct tg_book_counts counts;
    int rc = tg_book_parser_new(booked, &r.parser, e);

    if (!rc)
        rc = read_head(&r, &counts, e);
    if (!rc)
        rc = read_kind(&r, "slots", counts.slots, tg_book_parse_slots, e);
    if (!rc)
        rc = read_kind(&r, "rows", counts.rows, tg_book_parse_rows, e);
    if (!rc)
        rc = read_kind(&r, "customers", counts.customers, tg_book_parse_customers, e);
    if (!rc)
        rc = read_kind(&r, "hosts", booked->shards, tg_book_parse_hosts, e);
    if (!rc && (rc = tg_book_parse_end(r.parser, out, &why)) != 0)
        rc = rc == TG_E_MEMORY ? tg_fail(e, rc, "out of memory") : unreadable(e, booked->key, &why);
    tg_book_parser_free(r.parser);
    return rc;
}

/* ---- one host ---- */

struct found {
    struct tg_booking *v;
    size_t n;
};

static int by_time(const void *a, const void *b)
{
    const struct tg_booking *x = a, *y = b;

    return (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

/* The slot's times, from the node that has them. */
static int add_found(struct reading *r, uint32_t slot, int64_t wall_ms, struct found *out, struct tg_error *e)
{
    struct tg_book_counts counts;
    int rc = tg_book_parser_new(r->booked, &r->parser, e);

    if (!rc)
        rc = read_head(r, &counts, e);
    if (!rc)
        rc = read_kind(r, "slots", counts.slots, tg_book_parse_slots, e);
    const struct tg_week *w = rc ? NULL : tg_book_parser_week(r->parser);
    if (w && slot >= w->n_slots) {
        rc = missing(r->booked, "/slots", e);
    } else if (w && w->slots[slot].until_ms > wall_ms) {
        struct tg_booking *v = realloc(out->v, (out->n + 1) * sizeof *v);
        if (v) {
            out->v = v;
            v[out->n] = (struct tg_booking) {.from_ms = w->slots[slot].from_ms, .until_ms = w->slots[slot].until_ms};
            snprintf(v[out->n].week, sizeof v->week, "%s", r->booked->id);
            snprintf(v[out->n++].slot, sizeof v->slot, "%s", w->slots[slot].name);
        } else {
            rc = tg_fail(e, TG_E_MEMORY, "out of memory");
        }
    }
    tg_book_parser_free(r->parser);
    return rc;
}

static int look_in(struct reading *r, const char *host, int64_t wall_ms, struct found *out, struct tg_error *e)
{
    char path[TG_BOOK_NODE_PATH];
    struct tg_node node;
    struct tg_error why = TG_ERROR_INIT;
    uint32_t slot;

    snprintf(path, sizeof path, TG_BOOK_PATH "/%s/hosts-%03x", r->booked->key, tg_shard_of(host, (uint32_t) r->booked->shards));
    int rc = tg_store_read(r->store, path, tg_store_deadline(r->store, r->wait_ms), &node, &why);
    if (rc == TG_E_NOENT)
        return missing(r->booked, path, e);
    if (rc)
        return tg_fail(e, rc, "%s", why.message);
    rc = tg_book_parse_host(r->booked, node.data, node.len, host, &slot, &why);
    tg_node_release(&node);
    if (rc)
        return rc == TG_E_MEMORY ? tg_fail(e, rc, "out of memory") : unreadable(e, path + 1, &why);
    return slot == TG_WEEK_NONE ? 0 : add_found(r, slot, wall_ms, out, e);
}

int tg_book_of_host(struct tg_store *store, const char *host, int64_t wall_ms, int64_t wait_ms, struct tg_booking **out, size_t *out_n, struct tg_error *e)
{
    struct found found = {.v = NULL};
    struct tg_book book;
    int rc = tg_book_read(store, wait_ms, &book, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < book.n; i++) {
        struct reading r = {.store = store, .booked = &book.weeks[i], .wait_ms = wait_ms};
        if (!book.weeks[i].cancelled && book.weeks[i].until_ms > wall_ms)
            rc = look_in(&r, host, wall_ms, &found, e);
    }
    tg_book_release(&book);
    if (rc) {
        free(found.v);
        return rc;
    }
    if (found.n)
        qsort(found.v, found.n, sizeof *found.v, by_time);
    *out = found.v;
    *out_n = found.n;
    return 0;
}

/* ---- may it be booked? ---- */

static int say_booked(const struct tg_booked *b, struct tg_error *e)
{
    char at[40];

    tg_time_format(b->at_ms / 1000 * 1000, at, sizeof at);
    tg_fail(e, TG_E_EXISTS, "week %s is booked otherwise: %lld hosts, by %s at %s (digest %.12s)", b->id, (long long) b->hosts, b->by, at, b->digest);
    tg_error_hint(e, "look at it: tagout calendar week show %s; to book this in its place, cancel that: tagout calendar week cancel %s --reason TEXT", b->id, b->id);
    return TG_E_EXISTS;
}

/* Hosts of both, by a merge of two lists that are by name. */
static int common_hosts(const struct tg_week *a, const struct tg_week *b, struct tg_buf *out, size_t *out_n, struct tg_error *e)
{
    struct tg_folder *folder;
    size_t i = 0, k = 0, n = 0;
    int rc = tg_folder_new(&folder, e);

    while (!rc && i < a->names.n && k < b->names.n) {
        int order = tg_name_compare(tg_hostlist_get(&a->names, i), tg_hostlist_get(&b->names, k));
        if (order == 0) {
            rc = tg_folder_add(folder, tg_hostlist_get(&a->names, i), e);
            n++;
        }
        i += order <= 0;
        k += order >= 0;
    }
    if (!rc)
        rc = tg_folder_print(folder, out, e);
    tg_folder_free(folder);
    *out_n = n;
    return rc;
}

static int check_other(struct tg_store *store, const struct tg_week *week, const struct tg_booked *other, int64_t wait_ms, struct tg_error *e)
{
    struct tg_week *theirs = NULL;
    struct tg_buf names = TG_BUF_INIT;
    char from[40], until[40];
    size_t n = 0;
    int rc = tg_book_load(store, other, wait_ms, &theirs, e);

    if (!rc)
        rc = common_hosts(week, theirs, &names, &n, e);
    if (!rc && n) {
        rc = TG_E_EXISTS;
        tg_fail(e, rc, "%zu of its hosts have a slot in week %s at that time, booked by %s: %.200s", n, other->id, other->by, tg_buf_text(&names));
        tg_time_format(other->from_ms / 1000 * 1000, from, sizeof from);
        tg_time_format(other->until_ms / 1000 * 1000, until, sizeof until);
        tg_error_hint(e, "that week lasts from %s to %s, with no other slot for its hosts; cancel it, or begin later: tagout calendar week show %s", from, until, other->id);
    }
    tg_buf_release(&names);
    tg_week_free(theirs);
    return rc;
}

/* *out_was: it is there just like this. */
static int may_book(struct tg_store *store, const struct tg_week *week, const struct tg_book *book, const struct tg_book_words *words, bool *out_was,
                    struct tg_booked *out, struct tg_error *e)
{
    const struct tg_booked *same = tg_book_find(book, week->id);
    int rc = 0;

    *out_was = same && !same->cancelled && strcmp(same->digest, week->digest) == 0;
    if (*out_was) {
        *out = *same;
        return 0;
    }
    if (same && !same->cancelled)
        return say_booked(same, e);
    if (week->from_ms <= words->wall_ms) {
        tg_fail(e, TG_E_USAGE, "the first slot of week %s, \"%s\", has begun: its hosts could not be told", week->id, week->slots[0].name);
        return tg_error_hint(e, "begin with a later week"), TG_E_USAGE;
    }
    for (size_t i = 0; !rc && i < book->n; i++)
        if (!book->weeks[i].cancelled && book->weeks[i].from_ms < week->until_ms && week->from_ms < book->weeks[i].until_ms)
            rc = check_other(store, week, &book->weeks[i], words->wait_ms, e);
    return rc;
}

/* ---- changing the list ---- */

static int by_beginning(const void *a, const void *b)
{
    const struct tg_booked *x = a, *y = b;

    return x->from_ms != y->from_ms ? (x->from_ms < y->from_ms ? -1 : 1) : x->at_ms != y->at_ms ? (x->at_ms < y->at_ms ? -1 : 1) : strcmp(x->key, y->key);
}

/* What nobody asks for any more goes. */
static void forget(struct tg_book *book, int64_t wall_ms)
{
    size_t n = 0;

    for (size_t i = 0; i < book->n; i++) {
        const struct tg_booked *w = &book->weeks[i];
        if (wall_ms - (w->cancelled ? w->cancelled_ms : w->until_ms) <= TG_BOOK_KEPT_MS)
            book->weeks[n++] = *w;
    }
    book->n = n;
}

/* That the week's customers are to be told what is true of it. */
static int prepare_note(struct tg_store *store, const char *id, const struct tg_book_words *words, struct tg_announce_op *out, struct tg_error *e)
{
    char source[TG_ANNOUNCE_NAME_SIZE];
    const struct tg_announcement a = {.kind = TG_ANNOUNCE_WEEK, .source = source, .event = id, .by = words->by, .reason = words->reason, .at_ms = words->wall_ms};

    snprintf(source, sizeof source, "week:%s", id);
    return tg_announce_prepare(store, &a, words->wait_ms, out, e);
}

/* One transaction: the tree is live and, when key is given, its folder as it was; with it goes the note for the customers of week id. */
static int write_list(struct tg_store *store, struct tg_book *book, const char *id, const char *key, int64_t folder_version, const struct tg_book_words *words, struct tg_error *e)
{
    char path[TG_BOOK_NODE_PATH];
    struct tg_announce_op note;
    struct tg_op ops[4];
    int64_t cluster;
    size_t n = 0;
    int rc = tg_cluster_live(store, tg_store_deadline(store, words->wait_ms), &cluster, e);

    if (!rc)
        rc = prepare_note(store, id, words, &note, e);
    if (rc)
        return rc;
    if (book->n)
        qsort(book->weeks, book->n, sizeof *book->weeks, by_beginning);
    char *text = tg_book_encode(book);
    if (!text) {
        tg_announce_op_release(&note);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    if (cluster != TG_ANY_VERSION)
        ops[n++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = cluster};
    if (key) {
        snprintf(path, sizeof path, TG_BOOK_PATH "/%s", key);
        ops[n++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = path, .version = folder_version};
    }
    ops[n++] = (struct tg_op) {.kind = TG_OP_WRITE, .path = TG_BOOK_PATH, .data = text, .len = strlen(text), .version = book->version};
    ops[n++] = note.op;
    rc = tg_store_multi(store, ops, n, tg_store_deadline(store, words->wait_ms), NULL, e);
    tg_announce_op_release(&note);
    free(text);
    return rc;
}

static int put_into_list(struct tg_store *store, struct tg_book *book, const struct tg_booked *booked, int64_t folder_version, const struct tg_book_words *words,
                         struct tg_error *e)
{
    forget(book, words->wall_ms);
    if (book->n >= TG_BOOK_WEEKS_MAX) {
        tg_fail(e, TG_E_DATA, "%zu weeks are booked, more can't be", book->n);
        return tg_error_hint(e, "cancel some: tagout calendar week list"), TG_E_DATA;
    }
    struct tg_booked *weeks = realloc(book->weeks, (book->n + 1) * sizeof *weeks);
    if (!weeks)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    book->weeks = weeks;
    weeks[book->n++] = *booked;
    return write_list(store, book, booked->id, booked->key, folder_version, words, e);
}

static bool is_overtaken(int rc)
{
    return rc == TG_E_VERSION || rc == TG_E_NOENT || rc == TG_E_EXISTS;
}

/* One try: look, write the folder, put it into the list. TG_E_VERSION: others were faster. */
static int try_book(struct tg_store *store, const struct tg_week *week, const struct tg_book_nodes *nodes, const struct tg_book_words *words, struct tg_booked *out,
                    bool *out_was, struct tg_error *e)
{
    struct tg_booked booked = {.date = week->date, .from_ms = week->from_ms, .until_ms = week->until_ms, .hosts = (int64_t) week->names.n, .shards = nodes->shards,
                               .at_ms = words->wall_ms};
    struct tg_book book;
    struct tg_error why = TG_ERROR_INIT;
    int64_t version;
    int rc = tg_book_read(store, words->wait_ms, &book, e);

    if (rc)
        return rc;
    rc = may_book(store, week, &book, words, out_was, out, e);
    if (rc || *out_was) {
        tg_book_release(&book);
        return rc;
    }
    snprintf(booked.id, sizeof booked.id, "%s", week->id);
    snprintf(booked.digest, sizeof booked.digest, "%s", week->digest);
    tg_book_key(&book, nodes, booked.id, booked.key);
    snprintf(booked.by, sizeof booked.by, "%s", words->by);
    rc = tg_book_folder_write(store, booked.key, nodes, words->wait_ms, &version, &why);
    if (!rc)
        rc = put_into_list(store, &book, &booked, version, words, &why);
    tg_book_release(&book);
    if (is_overtaken(rc))
        return TG_E_VERSION;
    if (!rc)
        *out = booked;
    else if (e && !e->code)
        *e = why;
    return rc;
}

int tg_book_week(struct tg_store *store, const struct tg_week *week, const struct tg_book_words *words, struct tg_booked *out, bool *out_was, struct tg_error *e)
{
    struct tg_book_nodes nodes;
    int rc = tg_book_nodes_make(week, &nodes, e);

    if (rc)
        return rc;
    rc = TG_E_VERSION;
    for (int i = 0; i < TRIES && rc == TG_E_VERSION; i++)
        rc = try_book(store, week, &nodes, words, out, out_was, e);
    tg_book_nodes_release(&nodes);
    if (rc == TG_E_VERSION)
        return tg_fail(e, TG_E_HELD, "others change the calendar all the time");
    if (!rc)
        tg_book_folders_sweep(store, words->wall_ms, words->wait_ms);
    return rc;
}

static int try_cancel(struct tg_store *store, const char *id, const struct tg_book_words *words, struct tg_booked *out, bool *out_was, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_book book;
    int rc = tg_book_read(store, words->wait_ms, &book, e);

    if (rc)
        return rc;
    const struct tg_booked *found = tg_book_find(&book, id);
    if (!found)
        rc = tg_book_none(&book, id, e);
    else if ((*out_was = found->cancelled) == true)
        *out = *found;
    else {
        struct tg_booked *w = &book.weeks[found - book.weeks];
        w->cancelled = true;
        w->cancelled_ms = words->wall_ms;
        snprintf(w->cancelled_by, sizeof w->cancelled_by, "%s", words->by);
        snprintf(w->reason, sizeof w->reason, "%s", words->reason);
        *out = *w;
        rc = write_list(store, &book, id, NULL, 0, words, &why);
        if (rc && rc != TG_E_VERSION && e && !e->code)
            *e = why;
    }
    tg_book_release(&book);
    return rc;
}

int tg_book_cancel(struct tg_store *store, const char *id, const struct tg_book_words *words, struct tg_booked *out, bool *out_was, struct tg_error *e)
{
    int rc = TG_E_VERSION;

    for (int i = 0; i < TRIES && rc == TG_E_VERSION; i++)
        rc = try_cancel(store, id, words, out, out_was, e);
    if (rc == TG_E_VERSION)
        return tg_fail(e, TG_E_HELD, "others change the calendar all the time");
    if (!rc)
        tg_book_folders_sweep(store, words->wall_ms, words->wait_ms);
    return rc;
}
