/* The audit: one node a deed, written in the deed's own transaction. See tree.h for its place, lock.h for reading it. */
#include "guard/tree.h"

#include "base/seal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void tg_audit_slot(struct tg_guard *guard, struct tg_audit_slot *out)
{
    time_t now = (time_t) (tg_guard_wall(guard) / 1000);
    struct tm tm;

    gmtime_r(&now, &tm);
    *out = (struct tg_audit_slot) {.have_day = false};
    strftime(out->day, sizeof out->day, "/audit/%Y%m%d", &tm);
    strftime(out->minute, sizeof out->minute, "/audit/%Y%m%d/%H%M", &tm);
}

void tg_audit_append(struct tg_batch *b, struct tg_audit_slot *slot, int64_t at_ms, const char *verb, const struct tg_lock *lock,
                     const char *who, const char *why)
{
    char dice[9] = "", text[TG_SCOPE_TEXT_SIZE];
    json_t *scopes = json_array();

    for (size_t i = 0; i < lock->scopes.n; i++)
        json_array_append_new(scopes, json_string(tg_scope_format(&lock->scopes.v[i], text, sizeof text)));
    json_t *o = json_pack("{s:i,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:o}", "format", TG_RECORD_FORMAT, "at", (json_int_t) at_ms, "verb", verb,
                          "lock", lock->id, "owner", who, "of", lock->owner, "reason", why, "ticket", lock->ticket, "until",
                          (json_int_t) lock->until_ms, "scopes", scopes);
    char *data = tg_seal(o);

    b->failed = b->failed || tg_random_id(dice, 8, NULL) != 0;
    snprintf(slot->path, sizeof slot->path, "%s/%05d-%s-%s-%s", slot->minute, (int) (at_ms % 60000), lock->id, verb, dice);
    if (!slot->have_day)
        tg_batch_create(b, slot->day, "", TG_CREATE_PERSISTENT);
    if (!slot->have_minute)
        tg_batch_create(b, slot->minute, "", TG_CREATE_PERSISTENT);
    tg_batch_create(b, slot->path, data, TG_CREATE_PERSISTENT);
    free(data);
}

/* --- reading --- */

static int take_field(json_t *o, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));

    if (!text || strlen(text) >= size)
        return TG_E_DATA;
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

static int decode(const char *text, size_t len, struct tg_audit_entry *out)
{
    json_t *o = len ? json_loadb(text, len, 0, NULL) : NULL, *item;
    struct tg_audit_entry a = {.txid = 0};
    size_t i;
    int rc = !o || tg_seal_check(text, len) == TG_SEAL_BROKEN || json_integer_value(json_object_get(o, "format")) != TG_RECORD_FORMAT ? TG_E_DATA : 0;

    a.at_ms = json_integer_value(json_object_get(o, "at"));
    a.until_ms = json_integer_value(json_object_get(o, "until"));
    if (!rc && (take_field(o, "verb", a.verb, sizeof a.verb) || take_field(o, "lock", a.lock, sizeof a.lock) ||
                take_field(o, "owner", a.owner, sizeof a.owner) || take_field(o, "of", a.of, sizeof a.of) ||
                take_field(o, "reason", a.reason, sizeof a.reason) || take_field(o, "ticket", a.ticket, sizeof a.ticket)))
        rc = TG_E_DATA;
    json_array_foreach(json_object_get(o, "scopes"), i, item) {
        struct tg_scope scope;
        if (!rc)
            rc = tg_scope_parse(json_string_value(item) ? json_string_value(item) : "", &scope, NULL);
        if (!rc)
            rc = tg_scopes_add(&a.scopes, &scope, NULL);
    }
    json_decref(o);
    if (rc)
        tg_scopes_release(&a.scopes);
    else
        *out = a;
    return rc;
}

/* One transaction may have written several: a copy of the tree to another store does. */
static int newer_first(const void *a, const void *b)
{
    const struct tg_audit_entry *x = a, *y = b;

    if (x->txid != y->txid)
        return x->txid < y->txid ? 1 : -1;
    return x->at_ms < y->at_ms ? 1 : x->at_ms > y->at_ms ? -1 : strcmp(y->lock, x->lock);
}

struct reading {
    struct tg_guard *guard;
    const struct tg_scopes *scopes;
    int64_t since_ms;
    size_t max;
    struct tg_audit *out;
    bool done;
};

static bool meant(const struct reading *r, const struct tg_audit_entry *a)
{
    return a->at_ms >= r->since_ms && (!r->scopes || !r->scopes->n || tg_scopes_overlap(r->scopes, &a->scopes, NULL, NULL) != TG_OVERLAP_NO);
}

static int keep(struct tg_audit *out, struct tg_audit_entry *a, struct tg_error *e)
{
    if (out->n % 64 == 0) {
        struct tg_audit_entry *v = realloc(out->v, (out->n + 64) * sizeof *v);
        if (!v)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        out->v = v;
    }
    out->v[out->n++] = *a;
    return 0;
}

/* The entries of one minute, in the order of their transactions. */
static int take_minute(struct reading *r, struct tg_read_item *items, size_t n, struct tg_error *e)
{
    size_t first = r->out->n;
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++) {
        struct tg_audit_entry a;
        if (items[i].code == TG_E_NOENT)
            continue;
        if (decode(items[i].node.data, items[i].node.len, &a) != 0)
            return tg_fail(e, TG_E_DATA, "%s can't be read", items[i].path + 1);
        a.txid = items[i].node.stat.created_txid;
        if (meant(r, &a))
            rc = keep(r->out, &a, e);
        if (rc || !meant(r, &a))
            tg_scopes_release(&a.scopes);
    }
    if (r->out->n > first)
        qsort(r->out->v + first, r->out->n - first, sizeof *r->out->v, newer_first);
    return rc;
}

static int read_minute(struct reading *r, const char *folder, struct tg_error *e)
{
    struct tg_names names;
    int rc = tg_store_list(r->guard->store, folder, tg_guard_deadline(r->guard), &names, e);

    if (rc)
        return rc;
    struct tg_read_item *items = calloc(names.count + 1, sizeof *items);
    char (*paths)[320] = calloc(names.count + 1, sizeof *paths);
    if (!items || !paths)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < names.count; i++) {
        snprintf(paths[i], sizeof *paths, "%s/%.120s", folder, names.names[i]);
        items[i].path = paths[i];
    }
    for (size_t i = 0; !rc && i < names.count; i += TG_STORE_OPS_MAX) {
        size_t n = names.count - i < TG_STORE_OPS_MAX ? names.count - i : TG_STORE_OPS_MAX;
        rc = tg_store_read_many(r->guard->store, items + i, n, tg_guard_deadline(r->guard), e);
        if (!rc) {
            rc = take_minute(r, items + i, n, e);
            tg_read_items_release(items + i, n);
        }
    }
    free(items);
    free(paths);
    tg_names_release(&names);
    return rc;
}

/* Newest folder first, until there is enough. */
static int read_folder(struct reading *r, const char *folder, bool days, struct tg_error *e)
{
    struct tg_names names;
    int rc = tg_store_list(r->guard->store, folder, tg_guard_deadline(r->guard), &names, e);

    if (rc == TG_E_NOENT)
        return tg_tree_missing(r->guard, folder, e);
    if (rc)
        return rc;
    for (size_t i = names.count; !rc && i > 0; i--) {
        char path[96];
        if (r->out->n > r->max) {
            r->done = true;
            break;
        }
        snprintf(path, sizeof path, "%s/%.40s", folder, names.names[i - 1]);
        rc = days ? read_folder(r, path, false, e) : read_minute(r, path, e);
    }
    tg_names_release(&names);
    return rc;
}

static void turn_round(struct tg_audit *a)
{
    for (size_t i = 0; i < a->n / 2; i++) {
        struct tg_audit_entry swap = a->v[i];
        a->v[i] = a->v[a->n - 1 - i];
        a->v[a->n - 1 - i] = swap;
    }
}

int tg_audit_read(struct tg_guard *guard, const struct tg_scopes *scopes, int64_t since_ms, size_t max, struct tg_audit *out, struct tg_error *e)
{
    struct tg_audit found = {.n = 0};
    struct reading r = {.guard = guard, .scopes = scopes, .since_ms = since_ms, .max = max, .out = &found};

    guard->cause[0] = '\0';
    int rc = read_folder(&r, "/audit", true, e);
    if (rc) {
        tg_audit_release(&found);
        return rc;
    }
    if (found.n)
        qsort(found.v, found.n, sizeof *found.v, newer_first);
    found.more = found.n > max;
    while (found.n > max)
        tg_scopes_release(&found.v[--found.n].scopes);
    turn_round(&found);
    *out = found;
    return 0;
}

void tg_audit_release(struct tg_audit *audit)
{
    for (size_t i = 0; i < audit->n; i++)
        tg_scopes_release(&audit->v[i].scopes);
    free(audit->v);
    *audit = (struct tg_audit) {.n = 0};
}
