/* How long activities take on other hosts: see request_usual.h. */
#include "calendar/request_usual.h"

#include "base/seal.h"
#include "calendar/request_internal.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/history"
#define FORMAT 1
#define TRIES 4
#define NAME_SIZE 400

void tg_usual_put(struct tg_usual *u, int64_t ms)
{
    if (ms <= 0 || ms > TG_REQ_ESTIMATE_MAX_MS)
        return; /* a clock was stepped */
    u->n += u->n < TG_USUAL_KEPT;
    memmove(&u->ms[1], &u->ms[0], (u->n - 1) * sizeof u->ms[0]);
    u->ms[0] = ms;
}

static int by_length(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int64_t tg_usual_say(const struct tg_usual *u)
{
    int64_t sorted[TG_USUAL_KEPT];

    if (u->n < TG_REQ_SURE)
        return 0;
    memcpy(sorted, u->ms, u->n * sizeof *sorted);
    qsort(sorted, u->n, sizeof *sorted, by_length);
    return sorted[(u->n * 95 + 99) / 100 - 1];
}

/* ---- the record ---- */

char *tg_usual_encode(const struct tg_usual *u, const char *name)
{
    json_t *list = json_array();

    for (size_t i = 0; i < u->n; i++)
        json_array_append_new(list, json_integer((json_int_t) u->ms[i]));
    return tg_seal(json_pack("{s:i,s:s,s:o}", "format", FORMAT, "name", name, "took", list));
}

int tg_usual_decode(const char *text, size_t len, const char *name, struct tg_usual *out, struct tg_error *e)
{
    struct tg_usual u = {.n = 0};
    const char *of, *sum;
    json_t *o = NULL, *list;
    int format, rc = tg_record_load(text, len, &o, e);

    if (!rc && (json_unpack(o, "{s:i,s:s,s:o,s:s!}", "format", &format, "name", &of, "took", &list, "sum", &sum) || strcmp(of, name) != 0 || !json_is_array(list) ||
                json_array_size(list) > TG_USUAL_KEPT))
        rc = tg_fail(e, TG_E_DATA, ROOT "/%s is damaged", name);
    for (size_t i = 0; !rc && i < json_array_size(list); i++) {
        u.ms[u.n] = json_integer_value(json_array_get(list, i));
        if (u.ms[u.n] < 1 || u.ms[u.n] > TG_REQ_ESTIMATE_MAX_MS)
            rc = tg_fail(e, TG_E_DATA, ROOT "/%s is damaged", name);
        u.n++;
    }
    json_decref(o);
    if (!rc)
        *out = u;
    return rc;
}

/* ---- whose ---- */

size_t tg_usual_groups(const struct tg_inventory *inventory, const struct tg_host *host, const char *out[TG_USUAL_GROUPS])
{
    size_t n_all, n_groups, n = 0;
    const struct tg_group *all = tg_inventory_groups(inventory, &n_all), *best[TG_USUAL_GROUPS];
    const uint32_t *groups = tg_host_groups(inventory, host, &n_groups);

    for (size_t i = 0; i < n_groups; i++) {
        const struct tg_group *g = &all[groups[i]];
        size_t at = n;
        while (at > 0 && best[at - 1]->n_hosts > g->n_hosts)
            at--;
        if (at == TG_USUAL_GROUPS || g->n_hosts < 2) /* one host says nothing but of itself */
            continue;
        n += n < TG_USUAL_GROUPS;
        memmove(&best[at + 1], &best[at], (n - 1 - at) * sizeof *best);
        best[at] = g;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = best[i]->name;
    return n;
}

/* ---- the store ---- */

struct records {
    char names[TG_USUAL_GROUPS + 1][NAME_SIZE], paths[TG_USUAL_GROUPS + 1][NAME_SIZE + 16];
    struct tg_read_item items[TG_USUAL_GROUPS + 2]; /* the cluster is the last */
    size_t n;
};

/* Groups with odd names have none. */
static bool is_plain(const char *name)
{
    return strlen(name) < 250 && !strpbrk(name, "/:") && name[0] != '.';
}

static int read_all(struct tg_store *store, const char *activity, const char *const *groups, size_t n, int64_t wait_ms, struct records *r)
{
    *r = (struct records) {.n = 0};
    for (size_t i = 0; i < n && i < TG_USUAL_GROUPS; i++)
        if (is_plain(groups[i]))
            snprintf(r->names[r->n++], NAME_SIZE, "request:%s:%.250s", activity, groups[i]);
    snprintf(r->names[r->n++], NAME_SIZE, "request:%s", activity);
    for (size_t i = 0; i < r->n; i++) {
        snprintf(r->paths[i], sizeof r->paths[i], ROOT "/%s", r->names[i]);
        r->items[i].path = r->paths[i];
    }
    r->items[r->n].path = TG_CLUSTER_PATH;
    return tg_store_read_many(store, r->items, r->n + 1, tg_store_deadline(store, wait_ms), NULL);
}

static int try_add(struct tg_store *store, struct records *r, int64_t ms, int64_t wait_ms)
{
    struct tg_op ops[TG_USUAL_GROUPS + 2];
    size_t n = 0;
    int rc = 0;

    if (r->items[r->n].code)
        return TG_E_NOENT;
    ops[n++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = r->items[r->n].node.stat.version};
    for (size_t i = 0; !rc && i < r->n; i++) {
        const struct tg_read_item *item = &r->items[i];
        struct tg_usual u = {.n = 0};
        if (!item->code)
            (void) tg_usual_decode(item->node.data, item->node.len, r->names[i], &u, NULL); /* what is damaged begins anew */
        tg_usual_put(&u, ms);
        char *text = tg_usual_encode(&u, r->names[i]);
        rc = text ? 0 : TG_E_MEMORY;
        ops[n++] = (struct tg_op) {.kind = item->code ? TG_OP_CREATE : TG_OP_WRITE, .path = r->paths[i], .data = text, .len = text ? strlen(text) : 0,
                                   .version = item->code ? 0 : item->node.stat.version};
    }
    if (!rc)
        rc = tg_store_multi(store, ops, n, tg_store_deadline(store, wait_ms), NULL, NULL);
    for (size_t i = 1; i < n; i++)
        free((char *) (uintptr_t) ops[i].data);
    return rc;
}

void tg_usual_add(struct tg_store *store, const char *activity, const char *const *groups, size_t n, int64_t ms, int64_t wait_ms)
{
    int rc = TG_E_VERSION;

    for (int i = 0; i < TRIES && (rc == TG_E_VERSION || rc == TG_E_EXISTS); i++) {
        struct records r;
        if (read_all(store, activity, groups, n, wait_ms, &r))
            return;
        rc = try_add(store, &r, ms, wait_ms);
        tg_read_items_release(r.items, r.n + 1);
    }
}

int64_t tg_usual_read(struct tg_store *store, const char *activity, const char *const *groups, size_t n, int64_t wait_ms, char of[TG_REQ_USUAL_SIZE])
{
    struct records r;
    int64_t ms = 0;

    of[0] = '\0';
    if (read_all(store, activity, groups, n, wait_ms, &r))
        return 0;
    for (size_t i = 0; !ms && i < r.n; i++) {
        struct tg_usual u;
        if (r.items[i].code || tg_usual_decode(r.items[i].node.data, r.items[i].node.len, r.names[i], &u, NULL))
            continue;
        ms = tg_usual_say(&u);
        const char *group = strrchr(r.names[i], ':') + 1;
        if (ms && i + 1 < r.n)
            snprintf(of, TG_REQ_USUAL_SIZE, "group:%.250s", group);
        else if (ms)
            snprintf(of, TG_REQ_USUAL_SIZE, "fleet");
    }
    tg_read_items_release(r.items, r.n + 1);
    return ms;
}
