/* Requests in the store: see request_store.h. */
#include "calendar/request_store.h"

#include "calendar/announce.h"
#include "calendar/book.h"
#include "calendar/request_held.h"
#include "calendar/request_store_internal.h"

#include <tagout/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 24

void tg_requests_path(const char *host, char *out, size_t size)
{
    struct tg_scope scope = {.kind = TG_SCOPE_HOST};
    char bucket[3], name[256];

    snprintf(scope.name, sizeof scope.name, "%s", host);
    tg_tree_bucket(&scope, bucket);
    tg_tree_name(&scope, name, sizeof name);
    snprintf(out, size, TG_REQUESTS_PATH "/%s/%s", bucket, name);
}

/* --- reading --- */

/* As the record was read: what a change names, so that nothing is written into a tree that is being moved, and which folders of the audit are there. */
struct seen {
    int64_t cluster;
    struct tg_audit_slot slot;
};

int tg_requests_take(struct tg_guard *guard, const char *host, const struct tg_read_item *item, struct tg_requests *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;

    if (item->code)
        return tg_requests_init(out, host, e);
    int rc = tg_requests_decode(item->node.data, item->node.len, out, &why);
    if (rc == TG_E_MEMORY)
        return tg_fail(e, rc, "out of memory");
    if (rc)
        return tg_tree_bad(guard, item->path, &why, e);
    out->version = item->node.stat.version;
    if (strcmp(out->host, host) == 0)
        return 0;
    rc = tg_unknown(guard, e, "bad-record", "%s is the record of %s", item->path + 1, out->host);
    tg_requests_release(out);
    return rc;
}

/* seen NULL: nothing is to be changed. */
static int read_once(struct tg_guard *guard, const char *host, struct tg_requests *out, struct seen *seen, struct tg_error *e)
{
    char path[TG_NODE_PATH_SIZE];
    struct tg_read_item items[6] = {{.path = TG_CLUSTER_PATH}, {.path = TG_REQUESTS_PATH}, {.path = path}, {.path = TG_BOOK_PATH, .want_names = true}};
    size_t n = 4;

    tg_requests_path(host, path, sizeof path);
    if (seen) {
        tg_audit_slot(guard, &seen->slot);
        items[n++].path = seen->slot.day;
        items[n++].path = seen->slot.minute;
    }
    int rc = tg_store_read_many(guard->store, items, n, tg_guard_deadline(guard), e);
    if (rc)
        return rc;
    rc = tg_tree_prove_cluster(guard, &items[0], TG_NOTE_BOUNDED, NULL, e);
    if (!rc && items[1].code)
        rc = tg_tree_missing(guard, TG_REQUESTS_PATH, e);
    if (!rc)
        rc = tg_requests_take(guard, host, &items[2], out, e);
    if (!rc && !items[3].code)
        out->weeks_txid = items[3].names.stat.modified_txid;
    if (seen) {
        seen->cluster = items[0].node.stat.version;
        seen->slot.have_day = items[4].code == 0;
        seen->slot.have_minute = items[5].code == 0;
    }
    tg_read_items_release(items, n);
    return rc;
}

static int read_proven(struct tg_guard *guard, const char *host, struct tg_requests *out, struct seen *seen, struct tg_error *e)
{
    int64_t deadline = tg_guard_deadline(guard);
    struct tg_error why = TG_ERROR_INIT;
    int rc;

    tg_tree_begin(guard);
    do {
        tg_error_clear(&why);
        rc = read_once(guard, host, out, seen, &why);
    } while (rc && tg_tree_look_again(guard, rc, deadline));
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        tg_error_hint(e, "%s", why.hint);
    }
    return rc;
}

int tg_requests_read(struct tg_guard *guard, const char *host, struct tg_requests *out, struct tg_error *e)
{
    return read_proven(guard, host, out, NULL, e);
}

/* --- changing --- */

struct telling {
    struct tg_announce_op ops[TG_REQ_NEWS_MAX];
    size_t n;
    struct tg_mark_ops marks;
    struct tg_held_op held;
    struct tg_batch audit;
};

static const char *event_of(const struct tg_request_news *news)
{
    return news->visit.uid[0] ? news->visit.uid : "visit";
}

static int prepare(struct tg_guard *guard, const struct tg_requests *r, const char *by, const struct tg_request_newses *newses, struct telling *t, struct tg_error *e)
{
    static const enum tg_announce_kind kinds[] = {[TG_REQ_TELL_SCHEDULED] = TG_ANNOUNCE_SCHEDULED, [TG_REQ_TELL_CHANGED] = TG_ANNOUNCE_CHANGED,
                                                  [TG_REQ_TELL_CANCELLED] = TG_ANNOUNCE_CANCELLED, [TG_REQ_TELL_LATE] = TG_ANNOUNCE_LATE, [TG_REQ_TELL_DONE] = TG_ANNOUNCE_DONE};
    int rc = 0;

    for (size_t i = 0; !rc && i < newses->n; i++) {
        const struct tg_request_news *news = &newses->v[i];
        struct tg_announcement a = {.kind = kinds[news->tell], .source = TG_REQUESTS_SOURCE, .event = event_of(news), .customer = news->customer[0] ? news->customer : r->customer, .hosts = r->host,
                                    .activity = news->what, .from_ms = news->visit.start_ms, .until_ms = news->visit.until_ms, .by = by, .at_ms = tg_guard_wall(guard)};
        rc = tg_announce_prepare(guard->store, &a, guard->timeout_ms ? guard->timeout_ms : 10000, &t->ops[t->n], e);
        t->n += !rc;
    }
    return rc;
}

/* What is damaged there keeps nobody from the visit: it is another's trouble, and customers are told of the visit itself. */
static int prepare_mark(struct tg_guard *guard, const struct tg_requests *r, const char *by, const struct tg_request_newses *newses, struct telling *t, struct tg_error *e)
{
    const struct tg_mark_word word = {r->host, newses->mark};
    struct tg_error why = TG_ERROR_INIT;
    int rc = newses->week[0] ? tg_marks_prepare(guard->store, newses->week, &word, by, guard->timeout_ms ? guard->timeout_ms : 10000, &t->marks, &why) : 0;

    if (rc == TG_E_UNKNOWN || rc == TG_E_DATA) {
        tg_log(TG_LOG_WARN, "requests", "how the slot of %s goes can't be noted: %s", r->host, why.message);
        rc = 0;
    }
    return rc ? tg_fail(e, rc, "%s", why.message) : 0;
}

/* The audit knows locks: a request is written there as one, with its own id, and its activity for a ticket. */
static void put_audit(struct tg_guard *guard, const struct tg_requests *r, const char *by, const struct tg_request_newses *newses, struct seen *seen, struct tg_batch *b)
{
    struct tg_scope scope = {.kind = TG_SCOPE_HOST};

    snprintf(scope.name, sizeof scope.name, "%s", r->host);
    for (size_t i = 0; i < newses->n_deeds; i++) {
        const struct tg_request_deed *d = &newses->deeds[i];
        struct tg_lock entry = {.scopes = {&scope, 1}};
        snprintf(entry.id, sizeof entry.id, "%s", d->id);
        snprintf(entry.owner, sizeof entry.owner, "%s", d->owner);
        snprintf(entry.ticket, sizeof entry.ticket, "%s", d->activity);
        tg_audit_append(b, &seen->slot, tg_guard_wall(guard), d->verb, &entry, by, d->why);
        seen->slot.have_day = seen->slot.have_minute = true;
    }
}

static void telling_release(struct telling *t)
{
    for (size_t i = 0; i < t->n; i++)
        tg_announce_op_release(&t->ops[i]);
    tg_mark_ops_release(&t->marks);
    tg_held_op_release(&t->held);
    tg_batch_release(&t->audit);
}

/* An empty folder does no harm to anybody: it is made ahead of the transaction. */
static int make_bucket(struct tg_guard *guard, const char *path, struct tg_error *e)
{
    char bucket[TG_NODE_PATH_SIZE];
    struct tg_error why = TG_ERROR_INIT;

    snprintf(bucket, sizeof bucket, "%.*s", (int) (strrchr(path, '/') - path), path);
    int rc = tg_store_create(guard->store, bucket, "", 0, TG_CREATE_PERSISTENT, tg_guard_deadline(guard), &why);
    return !rc || rc == TG_E_EXISTS ? 0 : tg_fail(e, rc, "%s", why.message);
}

static int write_record(struct tg_guard *guard, const struct tg_requests *r, int64_t cluster, const struct telling *t, struct tg_error *e)
{
    struct tg_op ops[2 + TG_REQ_NEWS_MAX + 3 + TG_REQ_DEEDS_MAX + 2] = {{.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = cluster}};
    char path[TG_NODE_PATH_SIZE], *text = tg_requests_encode(r);
    size_t n = 2;
    int rc = text ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    tg_requests_path(r->host, path, sizeof path);
    if (!rc && r->version < 0)
        rc = make_bucket(guard, path, e);
    if (!rc) {
        ops[1] = (struct tg_op) {.kind = r->version < 0 ? TG_OP_CREATE : TG_OP_WRITE, .path = path, .data = text, .len = strlen(text), .version = r->version};
        for (size_t i = 0; i < t->n; i++)
            if (t->ops[i].any)
                ops[n++] = t->ops[i].op;
        for (size_t i = 0; i < t->marks.n; i++)
            ops[n++] = t->marks.ops[i];
        if (t->held.any)
            ops[n++] = t->held.op;
        for (size_t i = 0; i < t->audit.n && n < sizeof ops / sizeof ops[0]; i++)
            ops[n++] = t->audit.ops[i];
        rc = t->audit.failed ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
    }
    if (!rc) {
        rc = tg_store_multi(guard->store, ops, n, tg_guard_deadline(guard), NULL, e);
    }
    free(text);
    return rc;
}

/* *out_refused: the deed's own word, not the store's. */
static int change_once(struct tg_guard *guard, struct tg_requests *r, struct seen *seen, const char *by, tg_requests_deed deed, void *data, bool *out_refused, struct tg_error *e)
{
    struct tg_request_newses news = {.n = 0};
    struct telling t = {.n = 0, .audit = TG_BATCH_INIT};
    int rc = deed(r, data, &news, e);

    *out_refused = rc < 0;
    if (rc)
        return rc;
    rc = prepare(guard, r, by, &news, &t, e);
    if (!rc)
        rc = prepare_mark(guard, r, by, &news, &t, e);
    if (!rc)
        rc = tg_held_prepare(guard, r, &t.held, e);
    if (!rc) {
        put_audit(guard, r, by, &news, seen, &t.audit);
        rc = write_record(guard, r, seen->cluster, &t, e);
    }
    telling_release(&t);
    r->version += !rc;
    r->was_held = !rc ? tg_requests_has(r, TG_REQ_HELD) : r->was_held;
    return rc;
}

/* Somebody was faster, or it is not known whether it was done: look. */
static bool again(int rc)
{
    return rc == TG_E_VERSION || rc == TG_E_EXISTS || rc == TG_E_NOENT || rc == TG_E_LOST;
}

int tg_requests_change(struct tg_guard *guard, const char *host, const char *by, tg_requests_deed deed, void *data, struct tg_requests *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_requests now = {.n = 0};
    struct seen seen = {.cluster = 0};
    int64_t deadline = tg_guard_deadline(guard);
    bool refused = false;
    int rc = TG_E_VERSION;

    for (int i = 0; i < TRIES && !refused && again(rc) && (!i || tg_store_deadline(guard->store, 0) < deadline); i++) {
        if (i)
            (void) tg_store_sync(guard->store, TG_REQUESTS_PATH, deadline, NULL);
        tg_requests_release(&now);
        tg_error_clear(&why);
        rc = read_proven(guard, host, &now, &seen, &why);
        if (!rc)
            rc = change_once(guard, &now, &seen, by, deed, data, &refused, &why);
    }
    if (rc >= 0 && out)
        *out = now;
    else
        tg_requests_release(&now);
    if (rc >= 0)
        return 0;
    bool busy = !refused && (rc == TG_E_VERSION || rc == TG_E_EXISTS || rc == TG_E_NOENT);
    rc = busy ? TG_E_HELD : rc;
    tg_fail(e, rc, "%s%s", busy ? "others change it all the time: " : "", why.message);
    return tg_error_hint(e, "%s", why.hint), rc;
}

/* --- the time --- */

int tg_requests_wrong_clock(const char *how, int64_t by_ms, struct tg_error *e)
{
    char by[32];

    tg_duration_format(llabs(by_ms), by, sizeof by);
    tg_fail(e, TG_E_UNKNOWN, "this host's clock %s by %s, so it is not known what time it is, and nothing is begun", how, by);
    return tg_error_hint(e, "set it right (timedatectl, chronyc tracking): whether a window is open hangs on it"), TG_E_UNKNOWN;
}

/* What the answer took is nobody's fault. */
int tg_requests_clock(struct tg_guard *guard, struct tg_error *e)
{
    int64_t before = tg_guard_wall(guard), store_ms;
    int rc = tg_guard_store_ms(guard, &store_ms, e);

    if (rc)
        return rc;
    if (before - store_ms > TG_REQ_CLOCKS_MS)
        return tg_requests_wrong_clock("is ahead of the store's", before - store_ms, e);
    int64_t behind = store_ms - tg_guard_wall(guard);
    return behind > TG_REQ_CLOCKS_MS ? tg_requests_wrong_clock("is behind the store's", behind, e) : 0;
}
