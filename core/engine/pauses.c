/* Runs paused by scope: see pauses.h. */
#include "engine/pauses.h"

#include "base/seal.h"
#include "guard/record.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the record ---- */

void tg_pauses_release(struct tg_pauses *p)
{
    for (size_t i = 0; i < p->n; i++)
        tg_scope_release(&p->items[i].scope);
    free(p->items);
    *p = (struct tg_pauses) {.n = 0};
}

static int take_pause(const json_t *o, struct tg_pause *out, struct tg_error *e)
{
    const char *scope, *by, *reason, *hosts = NULL;
    json_int_t at;

    if (json_unpack_ex((json_t *) o, NULL, JSON_STRICT, "{s:s,s:s,s:s,s:I,s?s}", "scope", &scope, "by", &by, "reason", &reason, "at", &at, "hosts", &hosts) ||
        tg_scope_parse(scope, &out->scope, NULL))
        return tg_fail(e, TG_E_DATA, "a pause in it is none");
    out->said = (struct tg_wish) {.wanted = true, .at_ms = at};
    if (tg_text_copy("owner", by, out->said.by, sizeof out->said.by, NULL) || tg_text_copy("reason", reason, out->said.reason, sizeof out->said.reason, NULL))
        return tg_fail(e, TG_E_DATA, "a text in it is too long, or has control characters");
    return hosts ? tg_scope_set_hosts(&out->scope, hosts, e) : 0;
}

static int take_list(const json_t *list, struct tg_pauses *out, struct tg_error *e)
{
    size_t n = json_array_size(list);
    int rc = 0;

    if (!json_is_array(list) || n > TG_PAUSES_MAX)
        return tg_fail(e, TG_E_DATA, "it has no proper list");
    out->items = calloc(n + 1, sizeof *out->items);
    if (!out->items)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < n; i++)
        rc = take_pause(json_array_get(list, i), &out->items[out->n++], e);
    return rc;
}

int tg_pauses_decode(const char *text, size_t len, struct tg_pauses *out, struct tg_error *e)
{
    struct tg_pauses p = {.n = 0};
    json_t *o = NULL, *list = NULL;
    const char *sum;
    int format, rc = 0;

    if (len) {
        rc = tg_record_load(text, len, &o, e);
        if (!rc && json_unpack_ex(o, NULL, JSON_STRICT, "{s:i,s:o,s:s}", "format", &format, "pauses", &list, "sum", &sum))
            rc = tg_fail(e, TG_E_DATA, "it has something that this tagout does not know");
        if (!rc)
            rc = take_list(list, &p, e);
        json_decref(o);
    }
    if (rc)
        tg_pauses_release(&p);
    else
        *out = p;
    return rc;
}

static json_t *pause_json(const struct tg_pause *p)
{
    char scope[TG_SCOPE_TEXT_SIZE];
    json_t *o = json_pack("{s:s,s:s,s:s,s:I}", "scope", tg_scope_format(&p->scope, scope, sizeof scope), "by", p->said.by, "reason", p->said.reason, "at",
                          (json_int_t) p->said.at_ms);

    if (o && p->scope.hosts && json_object_set_new(o, "hosts", json_string(p->scope.hosts))) {
        json_decref(o);
        return NULL;
    }
    return o;
}

char *tg_pauses_encode(const struct tg_pauses *p, struct tg_error *e)
{
    json_t *list = json_array();
    int rc = list ? 0 : -1;

    for (size_t i = 0; !rc && i < p->n; i++)
        rc = json_array_append_new(list, pause_json(&p->items[i]));
    char *text = rc ? NULL : tg_seal(json_pack("{s:i,s:O}", "format", TG_RECORD_FORMAT, "pauses", list));
    json_decref(list);
    if (!text)
        tg_fail(e, TG_E_MEMORY, "out of memory");
    return text;
}

/* ---- the store ---- */

/* A tree without it: older, being moved, or not whole. */
static int lacks(struct tg_store *store, int64_t wait_ms, struct tg_error *e)
{
    int64_t version;
    int rc;

    tg_error_clear(e);
    if ((rc = tg_cluster_live(store, tg_store_deadline(store, wait_ms), &version, e)) != 0)
        return rc;
    tg_fail(e, TG_E_UNKNOWN, "the store has no pauses: it was made by an older tagout, or this copy is not whole; so nothing may start");
    tg_error_hint(e, "if tagout doctor finds nothing wrong: tagout init adds what an older store lacks, and changes nothing else");
    return TG_E_UNKNOWN;
}

int tg_pauses_read(struct tg_store *store, tg_watch_fn watch, void *data, int64_t wait_ms, struct tg_pauses *out, struct tg_error *e)
{
    int64_t deadline = tg_store_deadline(store, wait_ms);
    struct tg_node node;
    int rc = watch ? tg_store_read_watch(store, TG_PAUSES_PATH, watch, data, deadline, &node, e) : tg_store_read(store, TG_PAUSES_PATH, deadline, &node, e);

    if (rc)
        return rc == TG_E_NOENT ? lacks(store, wait_ms, e) : rc;
    rc = tg_pauses_decode(node.data, node.len, out, e);
    if (rc) {
        tg_error_prefix(e, "the store's pauses can't be read, so nothing may start");
        tg_error_hint(e, "a newer tagout has written them, or they were damaged: tagout doctor looks at the rest");
    } else {
        out->version = node.stat.version;
    }
    tg_node_release(&node);
    return rc;
}

static int write_back(struct tg_store *store, const struct tg_pauses *p, int64_t wait_ms, struct tg_error *e)
{
    int64_t cluster_version;
    char *text = tg_pauses_encode(p, e);
    int rc = text ? tg_cluster_live(store, tg_store_deadline(store, wait_ms), &cluster_version, e) : TG_E_MEMORY;

    if (!rc && strlen(text) > TG_PAUSES_BYTES_MAX) {
        rc = tg_fail(e, TG_E_DATA, "the names of all hosts that are paused take %zu bytes, at most %d are kept", strlen(text), TG_PAUSES_BYTES_MAX);
        tg_error_hint(e, "pause the fleet instead");
    }
    if (!rc) {
        const struct tg_op ops[] = {
            {.kind = TG_OP_WRITE, .path = TG_PAUSES_PATH, .data = text, .len = strlen(text), .version = p->version},
            {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = cluster_version},
        };
        rc = tg_store_multi(store, ops, cluster_version == TG_ANY_VERSION ? 1 : 2, tg_store_deadline(store, wait_ms), NULL, e);
    }
    free(text);
    return rc;
}

static struct tg_pause *find(struct tg_pauses *p, const struct tg_scope *scope)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].scope.kind == scope->kind && strcmp(p->items[i].scope.name, scope->name) == 0)
            return &p->items[i];
    return NULL;
}

static bool again(int rc)
{
    return rc == TG_E_VERSION || rc == TG_E_LOST;
}

/* One try. The scope is lent to the list for the while of the write. */
static int try_add(struct tg_store *store, struct tg_scope *scope, const struct tg_said *said, bool *out_was, struct tg_error *e)
{
    struct tg_pauses p = {.n = 0};
    int rc = tg_pauses_read(store, NULL, NULL, said->wait_ms, &p, e);

    *out_was = !rc && find(&p, scope) != NULL;
    if (!rc && !*out_was && p.n == TG_PAUSES_MAX) {
        rc = tg_fail(e, TG_E_DATA, "%d scopes are paused, more can't be", TG_PAUSES_MAX);
        tg_error_hint(e, "pause the fleet instead");
    }
    struct tg_pause *items = rc || *out_was ? NULL : realloc(p.items, (p.n + 1) * sizeof *items);
    if (items) {
        p.items = items;
        items[p.n] = (struct tg_pause) {.scope = *scope, .said = {.wanted = true, .at_ms = said->wall_ms}};
        snprintf(items[p.n].said.by, sizeof items[p.n].said.by, "%s", said->by);
        snprintf(items[p.n++].said.reason, sizeof items[0].said.reason, "%s", said->reason);
        rc = write_back(store, &p, said->wait_ms, e);
        p.n--;
    } else if (!rc && !*out_was) {
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    tg_pauses_release(&p);
    return rc;
}

int tg_pauses_add(struct tg_store *store, struct tg_scope *scope, const struct tg_said *said, bool *out_was, struct tg_error *e)
{
    int rc;

    do {
        tg_error_clear(e);
        rc = try_add(store, scope, said, out_was, e);
    } while (again(rc));
    if (!rc)
        tg_scope_release(scope);
    return rc;
}

int tg_pauses_remove(struct tg_store *store, const struct tg_scope *scope, int64_t wait_ms, bool *out_was, struct tg_wish *out, struct tg_error *e)
{
    int rc;

    *out_was = false;
    do {
        struct tg_pauses p = {.n = 0};
        tg_error_clear(e);
        rc = tg_pauses_read(store, NULL, NULL, wait_ms, &p, e);
        struct tg_pause *found = rc ? NULL : find(&p, scope);
        if (found) {
            *out_was = true;
            if (out)
                *out = found->said;
            tg_scope_release(&found->scope);
            *found = p.items[--p.n];
            rc = write_back(store, &p, wait_ms, e);
        }
        tg_pauses_release(&p);
    } while (again(rc));
    return rc;
}

/* ---- what they hold ---- */

static bool overlaps(const struct tg_scope *scope, const char *host)
{
    struct tg_scope of_host = {.kind = TG_SCOPE_HOST};

    snprintf(of_host.name, sizeof of_host.name, "%s", host);
    return tg_scope_overlap(scope, &of_host) != TG_OVERLAP_NO;
}

static bool holds(const struct tg_scope *scope, const struct tg_run *run)
{
    if (scope->kind == TG_SCOPE_FLEET || (scope->kind == TG_SCOPE_GROUP && !scope->hosts))
        return true;
    for (size_t i = 0; i < run->plan->n_hosts; i++)
        if (!tg_host_state_is_end(run->hosts[i].state) && overlaps(scope, run->plan->hosts[i].name))
            return true;
    return false;
}

const struct tg_pause *tg_pauses_hold(const struct tg_pauses *p, const struct tg_run *run)
{
    for (size_t i = 0; i < p->n; i++)
        if (holds(&p->items[i].scope, run))
            return &p->items[i];
    return NULL;
}
