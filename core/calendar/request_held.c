/* Hosts whose requests are held for a person: see request_held.h. */
#include "calendar/request_held.h"

#include "base/seal.h"
#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1

/* ---- the record ---- */

static int load(const char *text, size_t len, json_t **out, json_t **out_list, struct tg_error *e)
{
    const char *sum;
    json_t *o = NULL, *list;
    char name[TG_HOST_NAME_SIZE];
    int format, rc = tg_record_load(text, len, &o, e);

    if (!rc && (json_unpack(o, "{s:i,s:o,s:s!}", "format", &format, "held", &list, "sum", &sum) || !json_is_array(list) || json_array_size(list) > TG_HELD_HOSTS_MAX))
        rc = tg_fail(e, TG_E_DATA, "it has something that this tagout does not know");
    for (size_t i = 0; !rc && i < json_array_size(list); i++) {
        const char *host = json_string_value(json_array_get(list, i));
        if (!host || tg_host_name(host, strlen(host), name, NULL) || strcmp(name, host) != 0)
            rc = tg_fail(e, TG_E_DATA, "it names something that is no host");
    }
    if (rc) {
        json_decref(o);
        return rc;
    }
    *out = o;
    *out_list = list;
    return 0;
}

char *tg_held_change(const char *text, size_t len, const char *host, bool held)
{
    json_t *o = NULL, *was = NULL, *list = json_array();

    if (len && load(text, len, &o, &was, NULL))
        was = NULL;
    for (size_t i = 0; was && i < json_array_size(was); i++)
        if (strcmp(json_string_value(json_array_get(was, i)), host) != 0)
            json_array_append(list, json_array_get(was, i));
    if (held && json_array_size(list) < TG_HELD_HOSTS_MAX)
        json_array_append_new(list, json_string(host));
    json_decref(o);
    return tg_seal(json_pack("{s:i,s:o}", "format", FORMAT, "held", list));
}

int tg_held_parse(const char *text, size_t len, int (*take)(void *data, const char *host, struct tg_error *e), void *data, struct tg_error *e)
{
    json_t *o = NULL, *list = NULL;
    int rc = len ? load(text, len, &o, &list, e) : 0;

    for (size_t i = 0; !rc && i < json_array_size(list); i++)
        rc = take(data, json_string_value(json_array_get(list, i)), e);
    json_decref(o);
    return rc;
}

/* ---- writing ---- */

int tg_held_prepare(struct tg_guard *guard, const struct tg_requests *r, struct tg_held_op *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_node node;
    bool is = tg_requests_has(r, TG_REQ_HELD);

    *out = (struct tg_held_op) {.any = false};
    if (is == r->was_held)
        return 0;
    tg_requests_path(r->host, out->path, sizeof out->path);
    *strrchr(out->path, '/') = '\0';
    int rc = tg_store_read(guard->store, out->path, tg_guard_deadline(guard), &node, &why);
    if (rc)
        return rc == TG_E_NOENT ? 0 : tg_fail(e, rc, "%s", why.message);
    out->data = tg_held_change(node.data, node.len, r->host, is);
    out->any = out->data != NULL;
    if (out->any)
        out->op = (struct tg_op) {.kind = TG_OP_WRITE, .path = out->path, .data = out->data, .len = strlen(out->data), .version = node.stat.version};
    tg_node_release(&node);
    return out->any ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

void tg_held_op_release(struct tg_held_op *op)
{
    free(op->data);
    *op = (struct tg_held_op) {.any = false};
}

/* ---- reading ---- */

struct looking {
    struct tg_guard *guard;
    size_t max, n, bad;
    int (*take)(const struct tg_requests *r, void *data, struct tg_error *e);
    void *data;
    struct tg_error *why;
};

static void bad(struct looking *l, const char *what, const struct tg_error *why)
{
    if (!l->bad++)
        tg_fail(l->why, TG_E_UNKNOWN, "%s: %s", what, why->message);
}

static int take_host(void *data, const char *host, struct tg_error *e)
{
    struct looking *l = data;
    struct tg_error why = TG_ERROR_INIT;
    struct tg_requests r;

    if (l->n++ >= l->max)
        return 0;
    int rc = tg_requests_read(l->guard, host, &r, &why);
    if (rc == TG_E_UNKNOWN || rc == TG_E_DATA)
        return bad(l, host, &why), 0;
    if (rc)
        return tg_fail(e, rc, "%s", why.message);
    if (tg_requests_has(&r, TG_REQ_HELD))
        rc = l->take(&r, l->data, e);
    else
        l->n--; /* it has just been let go */
    tg_requests_release(&r);
    return rc;
}

static bool is_bucket(const char *name)
{
    return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
}

static int take_buckets(struct looking *l, const struct tg_names *names, struct tg_error *e)
{
    char (*paths)[32] = malloc((names->count + 1) * sizeof *paths);
    struct tg_read_item *items = calloc(names->count + 1, sizeof *items);
    size_t n = 0;
    int rc = paths && items ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < names->count && n < 256; i++)
        if (is_bucket(names->names[i])) {
            snprintf(paths[n], sizeof paths[n], TG_REQUESTS_PATH "/%.8s", names->names[i]);
            items[n].path = paths[n];
            n++;
        }
    bool read = !rc && !(rc = tg_store_read_many(l->guard->store, items, n, tg_guard_deadline(l->guard), e));
    for (size_t i = 0; !rc && i < n; i++) {
        struct tg_error why = TG_ERROR_INIT;
        if (items[i].code)
            continue;
        rc = tg_held_parse(items[i].node.data, items[i].node.len, take_host, l, &why);
        if (rc == TG_E_DATA || (rc == TG_E_UNKNOWN && why.code)) {
            bad(l, paths[i] + 1, &why);
            rc = 0;
        } else if (rc) {
            tg_fail(e, rc, "%s", why.message);
        }
    }
    if (read)
        tg_read_items_release(items, n);
    free(items);
    free(paths);
    return rc;
}

int tg_requests_held(struct tg_guard *guard, size_t max, int (*take)(const struct tg_requests *r, void *data, struct tg_error *e), void *data, size_t *out_n, size_t *out_bad,
                     struct tg_error *why, struct tg_error *e)
{
    struct looking l = {.guard = guard, .max = max, .take = take, .data = data, .why = why};
    struct tg_names names;
    int rc = tg_store_list(guard->store, TG_REQUESTS_PATH, tg_guard_deadline(guard), &names, e);

    if (rc)
        return rc;
    rc = take_buckets(&l, &names, e);
    tg_names_release(&names);
    *out_n = l.n;
    *out_bad = l.bad;
    return rc;
}
