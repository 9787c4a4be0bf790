/* The list of booked weeks: see book.h. */
#include "calendar/book_internal.h"

#include "base/buf.h"
#include "base/nearest.h"
#include "base/seal.h"
#include "base/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tg_book_release(struct tg_book *b)
{
    free(b->weeks);
    *b = (struct tg_book) {.weeks = NULL};
}

const struct tg_booked *tg_book_find(const struct tg_book *b, const char *id)
{
    const struct tg_booked *found = NULL;

    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->weeks[i].id, id) == 0 && (!found || found->cancelled))
            found = &b->weeks[i]; /* one that was cancelled may be booked anew */
    return found;
}

static const char *next_id(const void *data, size_t i)
{
    const struct tg_book *b = data;

    return i < b->n ? b->weeks[i].id : NULL;
}

int tg_book_none(const struct tg_book *b, const char *id, struct tg_error *e)
{
    const char *near = tg_nearest(id, next_id, b);

    tg_fail(e, TG_E_NOENT, "no week \"%.90s\" is booked", id);
    tg_error_hint(e, "%s%s%stagout calendar week list has them", near ? "did you mean " : "", near ? near : "", near ? "? " : "");
    return TG_E_NOENT;
}

void tg_book_key(const struct tg_book *b, const struct tg_book_nodes *nodes, const char *id, char out[TG_BOOK_KEY_SIZE])
{
    char digest[TG_SHA256_HEX], text[TG_SHA256_HEX + 24];
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        n += b->weeks[i].cancelled && strcmp(b->weeks[i].id, id) == 0;
    snprintf(text, sizeof text, "%s %zu", nodes->digest, n);
    tg_sha256_hex(text, strlen(text), digest);
    snprintf(out, TG_BOOK_KEY_SIZE, "%s.%.12s", id, n ? digest : nodes->digest);
}

static json_t *booked_json(const struct tg_booked *w)
{
    json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:s,s:I}", "id", w->id, "key", w->key, "digest", w->digest, "date", (json_int_t) w->date, "from",
                          (json_int_t) w->from_ms, "until", (json_int_t) w->until_ms, "hosts", (json_int_t) w->hosts, "shards", (json_int_t) w->shards, "by", w->by, "at",
                          (json_int_t) w->at_ms);

    if (o && w->cancelled &&
        json_object_set_new(o, "cancelled", json_pack("{s:s,s:I,s:s}", "by", w->cancelled_by, "at", (json_int_t) w->cancelled_ms, "reason", w->reason))) {
        json_decref(o);
        return NULL;
    }
    return o;
}

char *tg_book_encode(const struct tg_book *b)
{
    json_t *list = json_array();
    int rc = list ? 0 : -1;

    for (size_t i = 0; !rc && i < b->n; i++)
        rc = json_array_append_new(list, booked_json(&b->weeks[i]));
    char *text = rc ? NULL : tg_seal(json_pack("{s:i,s:O}", "format", TG_BOOK_FORMAT, "weeks", list));
    json_decref(list);
    return text;
}

static bool read_cancelled(json_t *o, struct tg_booked *w)
{
    const char *by, *reason;
    json_int_t at;

    if (!o)
        return true;
    if (json_unpack(o, "{s:s,s:I,s:s!}", "by", &by, "at", &at, "reason", &reason) || !tg_copy_whole(by, w->cancelled_by, sizeof w->cancelled_by) ||
        !tg_copy_whole(reason, w->reason, sizeof w->reason))
        return false;
    w->cancelled = true;
    w->cancelled_ms = at;
    return true;
}

/* A key becomes a part of paths. */
static bool is_name(const char *text)
{
    return text[0] && text[0] != '.' && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.")];
}

static bool read_booked(json_t *o, struct tg_booked *w)
{
    const char *id, *key, *digest, *by;
    json_int_t date, from, until, hosts, shards, at;
    json_t *cancelled = NULL;

    if (json_unpack(o, "{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:s,s:I,s?o!}", "id", &id, "key", &key, "digest", &digest, "date", &date, "from", &from, "until", &until, "hosts",
                    &hosts, "shards", &shards, "by", &by, "at", &at, "cancelled", &cancelled) ||
        !tg_copy_whole(id, w->id, sizeof w->id) || !tg_copy_whole(key, w->key, sizeof w->key) || !tg_copy_whole(by, w->by, sizeof w->by) || !is_name(id) || !is_name(key) ||
        strlen(digest) + 1 != sizeof w->digest || !tg_copy_whole(digest, w->digest, sizeof w->digest))
        return false;
    w->date = date;
    w->from_ms = from;
    w->until_ms = until;
    w->hosts = hosts;
    w->shards = shards;
    w->at_ms = at;
    return from < until && hosts >= 0 && hosts <= TG_HOSTLIST_MAX && shards >= 1 && shards <= TG_BOOK_SHARDS_MAX && read_cancelled(cancelled, w);
}

int tg_book_decode(const char *text, size_t len, struct tg_book *out, struct tg_error *e)
{
    struct tg_book b = {.n = 0};
    json_t *o = NULL, *list;
    const char *sum;
    int format, rc = len ? tg_record_load(text, len, &o, e) : 0;

    if (rc || !len) {
        if (!rc)
            *out = b;
        return rc;
    }
    if (json_unpack(o, "{s:i,s:o,s:s!}", "format", &format, "weeks", &list, "sum", &sum) || !json_is_array(list) || json_array_size(list) > 2 * TG_BOOK_WEEKS_MAX)
        rc = tg_fail(e, TG_E_DATA, "it has something that this tagout does not know");
    if (!rc && !(b.weeks = calloc(json_array_size(list) + 1, sizeof *b.weeks)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < json_array_size(list); i++)
        if (!read_booked(json_array_get(list, i), &b.weeks[b.n++]))
            rc = tg_fail(e, TG_E_DATA, "its week %zu makes no sense", i + 1);
    json_decref(o);
    if (rc)
        tg_book_release(&b);
    else
        *out = b;
    return rc;
}
