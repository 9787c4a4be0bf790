/* Looking when slots have begun late, or ended: see announce_slot.h and announce_store.h. */
#include "calendar/announce_slot.h"
#include "calendar/announce_store.h"

#include "base/seal.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1
#define PATH_SIZE 160

/* What the last one who looked has written. What can't be read is no hint: it is looked anew. */
struct hint {
    int64_t version, next_ms;
    bool there;
    int64_t node_version;
};

static struct hint read_hint(const struct tg_booked *b, const struct tg_read_item *item)
{
    struct hint h = {.there = item->code == 0, .node_version = item->node.stat.version, .version = INT64_MIN};
    const char *id, *digest, *sum;
    json_int_t version, next;
    json_t *o = NULL;
    int format;

    if (item->code || tg_record_load(item->node.data, item->node.len, &o, NULL))
        return h;
    if (!json_unpack(o, "{s:i,s:s,s:s,s:I,s:I,s:s!}", "format", &format, "id", &id, "digest", &digest, "marks", &version, "next", &next, "sum", &sum) &&
        strcmp(id, b->id) == 0 && strcmp(digest, b->digest) == 0) {
        h.version = version;
        h.next_ms = next;
    }
    json_decref(o);
    return h;
}

/* Only a hint: that it could not be written costs a look. */
static void write_hint(const struct tg_announce_place *p, const struct tg_booked *b, const char *path, const struct hint *was, int64_t version, int64_t next_ms)
{
    char *text = tg_seal(json_pack("{s:i,s:s,s:s,s:I,s:I}", "format", FORMAT, "id", b->id, "digest", b->digest, "marks", (json_int_t) version, "next",
                                   (json_int_t) (next_ms == INT64_MAX ? 0 : next_ms)));
    struct tg_op ops[2];
    size_t n = 0;

    if (!text)
        return;
    if (p->cluster != TG_ANY_VERSION)
        ops[n++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = p->cluster};
    ops[n++] = (struct tg_op) {.kind = was->there ? TG_OP_WRITE : TG_OP_CREATE, .path = path, .data = text, .len = strlen(text), .version = was->there ? was->node_version : 0};
    (void) tg_store_multi(p->store, ops, n, tg_store_deadline(p->store, p->wait_ms), NULL, NULL);
    free(text);
}

static void sooner(int64_t *next_ms, int64_t ms)
{
    if (ms && ms != INT64_MAX && (!*next_ms || ms < *next_ms))
        *next_ms = ms;
}

static bool may_have_news(const struct tg_booked *b, int64_t wall_ms)
{
    return wall_ms < b->until_ms + TG_MARK_LATER_MS; /* one that was cancelled: when something had begun */
}

static int look_at(const struct tg_announce_place *p, const struct tg_book *book, const struct tg_booked *b, int64_t wall_ms, int64_t settle_ms, int64_t *next_ms, struct tg_error *e)
{
    char paths[2][PATH_SIZE];
    struct tg_read_item items[2] = {{.path = paths[0]}, {.path = paths[1]}};
    int64_t version, next;

    snprintf(paths[0], PATH_SIZE, TG_BOOK_PATH "/%s/marks", b->key);
    snprintf(paths[1], PATH_SIZE, TG_BOOK_PATH "/%s/told", b->key);
    int rc = tg_store_read_many(p->store, items, 2, tg_store_deadline(p->store, p->wait_ms), e);
    if (rc)
        return rc;
    struct hint h = read_hint(b, &items[1]);
    bool never = items[0].code != 0;
    /* A hint that was written by a clock that was ahead holds up nobody: no slot of a week is behind its end. */
    bool same = !never && h.version == items[0].node.stat.version && (h.next_ms ? wall_ms < h.next_ms && h.next_ms <= b->until_ms + TG_SLOT_GONE_MS : wall_ms > b->until_ms);
    tg_read_items_release(items, 2);
    if (never)
        return 0;
    if (same) {
        sooner(next_ms, h.next_ms);
        return 0;
    }
    rc = tg_announce_slots_of(p, book, b, wall_ms, wall_ms + settle_ms, &version, &next, e);
    if (!rc) {
        sooner(next_ms, next);
        write_hint(p, b, paths[1], &h, version, next);
    }
    return rc;
}

int tg_announce_slots(const struct tg_announce_place *p, int64_t wall_ms, int64_t settle_ms, int64_t *out_next_ms, size_t *out_bad, struct tg_error *why, struct tg_error *e)
{
    struct tg_book book;
    int rc = tg_book_read(p->store, p->wait_ms, &book, e);

    *out_next_ms = 0;
    *out_bad = 0;
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < book.n; i++) {
        struct tg_error own = TG_ERROR_INIT;
        if (!may_have_news(&book.weeks[i], wall_ms))
            continue;
        rc = look_at(p, &book, &book.weeks[i], wall_ms, settle_ms, out_next_ms, &own);
        if (rc != TG_E_UNKNOWN && rc != TG_E_DATA) {
            if (rc)
                tg_fail(e, rc, "%s", own.message);
            continue;
        }
        rc = 0;
        if (!(*out_bad)++) {
            tg_fail(why, TG_E_UNKNOWN, "week %s: %s", book.weeks[i].id, own.message);
            tg_error_hint(why, "%s", own.hint);
        }
    }
    tg_book_release(&book);
    return rc;
}
