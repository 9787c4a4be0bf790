/* Notes of what customers are to be told: see announce.h. */
#include "calendar/announce.h"

#include "base/seal.h"
#include "fleet/nodeset.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1
#define ID_LEN 16
#define LAST_MS INT64_C(7258118400000) /* 2200 */

static const char *const kinds[TG_ANNOUNCE_KINDS] = {
    [TG_ANNOUNCE_SCHEDULED] = "scheduled", [TG_ANNOUNCE_CHANGED] = "changed", [TG_ANNOUNCE_CANCELLED] = "cancelled",
    [TG_ANNOUNCE_LATE] = "late",           [TG_ANNOUNCE_DONE] = "done",       [TG_ANNOUNCE_FORMER] = "former",
    [TG_ANNOUNCE_WEEK] = "week",
};

const char *tg_announce_kind_name(enum tg_announce_kind kind)
{
    return kind < TG_ANNOUNCE_KINDS ? kinds[kind] : "?";
}

void tg_announce_bucket(const char *source, const char *customer, char out[3])
{
    uint32_t hash = 2166136261u;

    for (const char *p = source; *p; p++)
        hash = (hash ^ (unsigned char) *p) * 16777619u;
    hash *= 16777619u; /* a zero between the two */
    for (const char *p = customer; *p; p++)
        hash = (hash ^ (unsigned char) *p) * 16777619u;
    hash ^= hash >> 16;
    snprintf(out, 3, "%02x", (unsigned) ((hash ^ hash >> 8) % TG_ANNOUNCE_BUCKETS));
}

/* ---- the record ---- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

char *tg_announce_note_encode(const struct tg_announcement *a)
{
    return tg_seal(json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:s,s:s,s:I}", "format", FORMAT, "kind", tg_announce_kind_name(a->kind), "source", a->source, "event",
                             a->event, "customer", or_empty(a->customer), "hosts", or_empty(a->hosts), "activity", or_empty(a->activity), "from", (json_int_t) a->from_ms,
                             "until", (json_int_t) a->until_ms, "reason", or_empty(a->reason), "by", or_empty(a->by), "at", (json_int_t) a->at_ms));
}

static int check_text(const char *what, const char *text, size_t size, struct tg_error *e)
{
    char copy[TG_REASON_SIZE];

    return tg_text_copy(what, or_empty(text), copy, size, e);
}

static int check_hosts(const char *hosts, struct tg_error *e)
{
    struct tg_hostlist list = {.n = 0};
    struct tg_error why = TG_ERROR_INIT;

    if (strlen(hosts) > TG_ANNOUNCE_HOSTS_MAX)
        return tg_fail(e, TG_E_DATA, "an announcement's hosts take %zu bytes, and at most %d can be", strlen(hosts), TG_ANNOUNCE_HOSTS_MAX);
    int rc = tg_nodeset_expand(hosts, strlen(hosts), &list, &why);
    size_t n = list.n;
    tg_hostlist_release(&list);
    if (rc == TG_E_MEMORY)
        return tg_fail(e, rc, "out of memory");
    return rc || !n ? tg_fail(e, TG_E_USAGE, "an announcement's hosts \"%.60s\" are none: %s", hosts, rc ? why.message : "empty") : 0;
}

static int check_times(const struct tg_announcement *a, struct tg_error *e)
{
    bool timed = a->kind != TG_ANNOUNCE_CANCELLED && a->kind != TG_ANNOUNCE_WEEK;

    if (a->from_ms < 0 || a->until_ms < 0 || a->at_ms < 0 || a->from_ms > LAST_MS || a->until_ms > LAST_MS || a->at_ms > LAST_MS)
        return tg_fail(e, TG_E_USAGE, "an announcement of %s has times that make no sense", a->source);
    if (timed && a->from_ms >= a->until_ms)
        return tg_fail(e, TG_E_USAGE, "an announcement of %s ends before it begins", a->source);
    return 0;
}

static int check(const struct tg_announcement *a, struct tg_error *e)
{
    int rc = check_text("an announcement's source", a->source, TG_ANNOUNCE_NAME_SIZE, e);

    if (!rc)
        rc = check_text("an announcement's event", a->event, TG_ANNOUNCE_NAME_SIZE, e);
    if (!rc)
        rc = check_text("an announcement's customer", a->customer, TG_ANNOUNCE_CUSTOMER_SIZE, e);
    if (!rc)
        rc = check_text("an announcement's activity", a->activity, TG_REASON_SIZE, e);
    if (!rc)
        rc = check_text("an announcement's reason", a->reason, TG_REASON_SIZE, e);
    if (!rc)
        rc = check_text("who announces", a->by, TG_OWNER_SIZE, e);
    if (!rc && (!a->source[0] || !a->event[0]))
        rc = tg_fail(e, TG_E_USAGE, "an announcement has no %s", a->source[0] ? "event" : "source");
    if (!rc)
        rc = check_times(a, e);
    return rc || a->kind == TG_ANNOUNCE_WEEK ? rc : check_hosts(or_empty(a->hosts), e);
}

static bool find_kind(const char *name, enum tg_announce_kind *out)
{
    for (int i = 0; i < TG_ANNOUNCE_KINDS; i++)
        if (i != TG_ANNOUNCE_FORMER && strcmp(kinds[i], name) == 0) {
            *out = (enum tg_announce_kind) i;
            return true;
        }
    return false;
}

int tg_announce_note_decode(const char *text, size_t len, struct tg_announce_note *out, struct tg_error *e)
{
    struct tg_announcement a = {.source = ""};
    struct tg_error why = TG_ERROR_INIT;
    const char *kind, *sum;
    json_int_t from, until, at;
    json_t *o = NULL;
    int format, rc = tg_record_load(text, len, &o, e);

    if (rc)
        return rc;
    if (json_unpack(o, "{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:s,s:s,s:I,s:s!}", "format", &format, "kind", &kind, "source", &a.source, "event", &a.event, "customer",
                    &a.customer, "hosts", &a.hosts, "activity", &a.activity, "from", &from, "until", &until, "reason", &a.reason, "by", &a.by, "at", &at, "sum", &sum) ||
        !find_kind(kind, &a.kind)) {
        json_decref(o);
        return tg_fail(e, TG_E_DATA, "it has something that this tagout does not know");
    }
    a.from_ms = from;
    a.until_ms = until;
    a.at_ms = at;
    rc = check(&a, &why);
    if (rc) {
        json_decref(o);
        return tg_fail(e, rc == TG_E_MEMORY ? rc : TG_E_DATA, "%s", why.message);
    }
    *out = (struct tg_announce_note) {.a = a, .own = o};
    return 0;
}

void tg_announce_note_release(struct tg_announce_note *note)
{
    json_decref(note->own);
    *note = (struct tg_announce_note) {.own = NULL};
}

/* ---- into the store ---- */

static int lacks(struct tg_store *store, int64_t wait_ms, struct tg_error *e)
{
    int64_t version;
    int rc = tg_cluster_live(store, tg_store_deadline(store, wait_ms), &version, e);

    if (rc)
        return rc;
    tg_fail(e, TG_E_UNKNOWN, "the store has no " TG_ANNOUNCE_NEW ": it was made by an older tagout, or this copy is not whole, and nobody can be told of a change");
    tg_error_hint(e, "if tagout doctor finds nothing wrong: tagout init adds what an older store lacks, and changes nothing else");
    return TG_E_UNKNOWN;
}

/* An empty folder does no harm to anybody, so it is made ahead of the transaction. */
static int make_bucket(struct tg_store *store, const char *path, int64_t wait_ms, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_node node;
    int rc = tg_store_read(store, path, tg_store_deadline(store, wait_ms), &node, &why);

    if (!rc) {
        tg_node_release(&node);
        return 0;
    }
    if (rc == TG_E_NOENT) {
        tg_error_clear(&why);
        rc = tg_store_create(store, path, "", 0, TG_CREATE_PERSISTENT, tg_store_deadline(store, wait_ms), &why);
    }
    if (!rc || rc == TG_E_EXISTS)
        return 0;
    if (rc == TG_E_NOENT)
        return lacks(store, wait_ms, e);
    tg_fail(e, rc, "%s", why.message);
    return tg_error_hint(e, "%s", why.hint), rc;
}

int tg_announce_prepare(struct tg_store *store, const struct tg_announcement *a, int64_t wait_ms, struct tg_announce_op *out, struct tg_error *e)
{
    char bucket[3], id[ID_LEN + 1];

    *out = (struct tg_announce_op) {.any = false};
    if (a->kind != TG_ANNOUNCE_WEEK && !or_empty(a->customer)[0])
        return 0;
    int rc = check(a, e);
    if (!rc)
        rc = tg_random_id(id, ID_LEN, e);
    if (rc)
        return rc;
    tg_announce_bucket(a->source, or_empty(a->customer), bucket);
    snprintf(out->path, sizeof out->path, TG_ANNOUNCE_NEW "/%s", bucket);
    if ((rc = make_bucket(store, out->path, wait_ms, e)) != 0)
        return rc;
    if (!(out->data = tg_announce_note_encode(a)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    snprintf(out->path, sizeof out->path, TG_ANNOUNCE_NEW "/%s/%s", bucket, id);
    out->any = true;
    out->op = (struct tg_op) {.kind = TG_OP_CREATE, .path = out->path, .data = out->data, .len = strlen(out->data)};
    return 0;
}

void tg_announce_op_release(struct tg_announce_op *op)
{
    free(op->data);
    *op = (struct tg_announce_op) {.any = false};
}
