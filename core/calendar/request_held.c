/* Hosts whose requests are held for a person: see request_held.h. */
#include "calendar/request_held.h"

#include "base/seal.h"
#include "calendar/request_store_internal.h"
#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1
#define BATCH 256 /* records of hosts that are read in one go */

static bool is_host(const char *name)
{
    char proper[TG_HOST_NAME_SIZE];

    return name && tg_host_name(name, strlen(name), proper, NULL) == 0 && strcmp(name, proper) == 0;
}

/* ---- the record ---- */

/* What is whole, and not understood, is no damage: somebody who knows more has written it. */
static int load(const char *text, size_t len, json_t **out, json_t **out_list, bool *out_more, struct tg_error *e)
{
    const char *sum;
    json_t *o = NULL, *list;
    int format, more = 0, rc = tg_record_load(text, len, &o, e);

    if (!rc && (json_unpack(o, "{s:i,s:o,s?b,s:s!}", "format", &format, "held", &list, "more", &more, "sum", &sum) || !json_is_array(list) || json_array_size(list) > TG_HELD_HOSTS_MAX))
        rc = tg_fail(e, TG_E_UNKNOWN, "it has something that this tagout does not know");
    for (size_t i = 0; !rc && i < json_array_size(list); i++)
        if (!is_host(json_string_value(json_array_get(list, i))))
            rc = tg_fail(e, TG_E_UNKNOWN, "it names something that this tagout does not take for a host");
    if (rc) {
        json_decref(o);
        return rc;
    }
    *out = o;
    *out_list = list;
    *out_more = more;
    return 0;
}

/* A list that is made. */
struct making {
    json_t *list;
    size_t bytes;
    bool more;
};

static void add(struct making *m, const char *host)
{
    size_t bytes = strlen(host) + 3;

    if (m->bytes + bytes > TG_HELD_BYTES_MAX || json_array_size(m->list) >= TG_HELD_HOSTS_MAX) {
        m->more = true;
        return;
    }
    m->bytes += bytes;
    m->more = json_array_append_new(m->list, json_string(host)) || m->more; /* who could not be added is not forgotten */
}

static int seal(struct making *m, char **out, struct tg_error *e)
{
    json_t *o = json_pack("{s:i,s:o}", "format", FORMAT, "held", m->list);

    if (m->more)
        json_object_set_new(o, "more", json_true());
    *out = tg_seal(o);
    return *out ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

int tg_held_change(const char *text, size_t len, const char *host, bool held, char **out, struct tg_error *e)
{
    struct making m = {.list = NULL};
    json_t *o = NULL, *was = NULL;
    int rc = len ? load(text, len, &o, &was, &m.more, e) : 0;

    if (rc == TG_E_DATA)
        tg_error_clear(e);
    if (rc)
        return rc == TG_E_DATA ? TG_HELD_ANEW : rc;
    m.list = json_array();
    for (size_t i = 0; was && i < json_array_size(was); i++)
        if (strcmp(json_string_value(json_array_get(was, i)), host) != 0)
            add(&m, json_string_value(json_array_get(was, i)));
    if (held)
        add(&m, host);
    json_decref(o);
    if (!held && m.more && m.bytes < TG_HELD_BYTES_MAX / 2) { /* those who are not named may have room by now */
        json_decref(m.list);
        return TG_HELD_ANEW;
    }
    return seal(&m, out, e);
}

int tg_held_parse(const char *text, size_t len, int (*take)(void *data, const char *host, struct tg_error *e), void *data, bool *out_more, struct tg_error *e)
{
    json_t *o = NULL, *list = NULL;
    bool more = false;
    int rc = len ? load(text, len, &o, &list, &more, e) : 0;

    for (size_t i = 0; !rc && i < json_array_size(list); i++)
        rc = take(data, json_string_value(json_array_get(list, i)), e);
    json_decref(o);
    *out_more = more;
    return rc;
}

/* ---- writing ---- */

struct anew {
    struct making m;
    const char *but; /* this host, whose record is being changed */
};

static int add_held(const struct tg_requests *r, void *data, struct tg_error *e)
{
    struct anew *a = data;

    (void) e;
    if (tg_requests_has(r, TG_REQ_HELD) && strcmp(r->host, a->but) != 0)
        add(&a->m, r->host);
    return 0;
}

/* It may be held: who looks finds out that it can't be understood. */
static void add_bad(const char *host, const struct tg_error *why, void *data)
{
    struct anew *a = data;

    (void) why;
    if (is_host(host) && strcmp(host, a->but) != 0)
        add(&a->m, host);
}

/* Whoever is held or let go meanwhile writes the list, and so this one is refused, and made once more. */
static int make_anew(struct tg_guard *guard, const char *bucket, const struct tg_requests *r, char **out, struct tg_error *e)
{
    struct anew a = {.m.list = json_array(), .but = r->host};
    int rc = tg_requests_walk(guard, bucket, add_held, add_bad, &a, e);

    if (rc) {
        json_decref(a.m.list);
        return rc;
    }
    if (tg_requests_has(r, TG_REQ_HELD))
        add(&a.m, r->host);
    return seal(&a.m, out, e);
}

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
    rc = tg_held_change(node.data, node.len, r->host, is, &out->data, &why);
    if (rc == TG_HELD_ANEW)
        rc = make_anew(guard, strrchr(out->path, '/') + 1, r, &out->data, &why);
    out->any = rc == 0;
    if (out->any)
        out->op = (struct tg_op) {.kind = TG_OP_WRITE, .path = out->path, .data = out->data, .len = strlen(out->data), .version = node.stat.version};
    tg_node_release(&node);
    if (rc == TG_E_UNKNOWN && !why.hint[0])
        return tg_tree_bad(guard, out->path, &why, e);
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        tg_error_hint(e, "%s", why.hint);
    }
    return rc;
}

void tg_held_op_release(struct tg_held_op *op)
{
    free(op->data);
    *op = (struct tg_held_op) {.any = false};
}

/* ---- reading ---- */

struct looking {
    struct tg_guard *guard;
    size_t max, taken;
    int (*take)(const struct tg_requests *r, void *data, struct tg_error *e);
    void *data;
    json_t *names; /* of the lists */
    struct tg_held_found *found;
};

static void note_bad(const char *host, const struct tg_error *why, void *data)
{
    struct tg_held_found *found = ((struct looking *) data)->found;

    if (!found->bad++)
        tg_fail(&found->bad_why, TG_E_UNKNOWN, "%s: %s", host, why->message);
}

static int take_held(const struct tg_requests *r, void *data, struct tg_error *e)
{
    struct looking *l = data;

    if (!tg_requests_has(r, TG_REQ_HELD))
        return 0;
    l->found->hosts++;
    return l->taken++ < l->max ? l->take(r, l->data, e) : 0;
}

static int add_name(void *data, const char *host, struct tg_error *e)
{
    return json_array_append_new(data, json_string(host)) ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

/* Of one bucket: the names, or who is held by the hosts' own records. */
static int take_bucket(struct looking *l, const struct tg_read_item *item, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    json_t *names = json_array();
    bool more = false;
    int rc = tg_held_parse(item->node.data, item->node.len, add_name, names, &more, &why);

    if (rc && rc != TG_E_MEMORY) {
        l->found->newer = l->found->newer || rc == TG_E_UNKNOWN;
        if (!l->found->lists++)
            tg_fail(&l->found->list_why, rc, "%s: %s", item->path + 1, why.message);
    }
    if (!rc && !more && json_array_extend(l->names, names))
        rc = TG_E_MEMORY;
    json_decref(names);
    if (rc == TG_E_MEMORY)
        return tg_fail(e, rc, "out of memory");
    return rc || more ? tg_requests_walk(l->guard, strrchr(item->path, '/') + 1, take_held, note_bad, l, e) : 0;
}

/* Those that have just been let go are none. */
static int take_hosts(struct looking *l, const char *const *hosts, const struct tg_read_item *items, size_t n, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++) {
        struct tg_error why = TG_ERROR_INIT;
        struct tg_requests r;
        rc = tg_requests_take(l->guard, hosts[i], &items[i], &r, &why);
        if (rc == TG_E_UNKNOWN) {
            note_bad(hosts[i], &why, l);
            l->found->hosts++;
            rc = 0;
        } else if (rc) {
            tg_fail(e, rc, "%s", why.message);
        } else {
            rc = take_held(&r, l, e);
            tg_requests_release(&r);
        }
    }
    return rc;
}

/* The records of those that are named, as many as are wanted; the rest is counted. */
static int take_names(struct looking *l, struct tg_error *e)
{
    char (*paths)[TG_NODE_PATH_SIZE] = calloc(BATCH, sizeof *paths);
    struct tg_read_item *items = calloc(BATCH, sizeof *items);
    const char *hosts[BATCH];
    size_t at = 0, n, left = json_array_size(l->names);
    int rc = paths && items ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (; !rc && left && l->taken < l->max; at += n, left -= n) {
        n = left < BATCH ? left : BATCH;
        n = l->max - l->taken < n ? l->max - l->taken : n;
        for (size_t i = 0; i < n; i++) {
            hosts[i] = json_string_value(json_array_get(l->names, at + i));
            tg_requests_path(hosts[i], paths[i], sizeof paths[i]);
            items[i] = (struct tg_read_item) {.path = paths[i]};
        }
        rc = tg_store_read_many(l->guard->store, items, n, tg_guard_deadline(l->guard), e);
        if (rc)
            break;
        rc = take_hosts(l, hosts, items, n, e);
        tg_read_items_release(items, n);
    }
    l->found->hosts += left;
    free(items);
    free(paths);
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
    for (size_t i = 0; !rc && i < n; i++)
        if (!items[i].code)
            rc = take_bucket(l, &items[i], e);
    if (read)
        tg_read_items_release(items, n);
    free(items);
    free(paths);
    return rc;
}

int tg_requests_held(struct tg_guard *guard, size_t max, int (*take)(const struct tg_requests *r, void *data, struct tg_error *e), void *data, struct tg_held_found *out, struct tg_error *e)
{
    struct tg_read_item items[2] = {{.path = TG_CLUSTER_PATH}, {.path = TG_REQUESTS_PATH, .want_names = true}};
    struct tg_held_found found = {.bad_why = TG_ERROR_INIT, .list_why = TG_ERROR_INIT};
    struct looking l = {.guard = guard, .max = max, .take = take, .data = data, .names = json_array(), .found = &found};

    tg_tree_begin(guard);
    int rc = tg_store_read_many(guard->store, items, 2, tg_guard_deadline(guard), e);
    if (!rc) {
        rc = tg_tree_prove_cluster(guard, &items[0], TG_NOTE_BOUNDED, NULL, e);
        if (!rc && items[1].code)
            rc = tg_fail(e, items[1].code, "requests is not there");
        if (!rc)
            rc = take_buckets(&l, &items[1].names, e);
        tg_read_items_release(items, 2);
    }
    if (!rc)
        rc = take_names(&l, e);
    json_decref(l.names);
    if (!rc)
        *out = found;
    return rc;
}
