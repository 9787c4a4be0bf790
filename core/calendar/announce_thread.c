/* What a customer was told and what is true: see announce_thread.h. announce_difference.c has what is told, announce_record.c the record, announce_retry.c the recipients. */
#include "calendar/announce_internal.h"

#include "base/sha256.h"
#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tg_thread_no_memory(struct tg_error *e)
{
    return tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* ---- names ---- */

void tg_thread_name(const char *source, const char *customer, int lane, char out[TG_THREAD_NAME_SIZE])
{
    const char number[2] = {(char) ('0' + lane), '\0'};
    char a[TG_SHA256_HEX], b[TG_SHA256_HEX];
    struct tg_sha256 h;

    tg_sha256_hex(source, strlen(source), a);
    tg_sha256_init(&h);
    tg_sha256_add(&h, source, strlen(source) + 1);
    tg_sha256_add(&h, customer, strlen(customer) + (lane > 0));
    tg_sha256_add(&h, number, lane > 0);
    tg_sha256_end_hex(&h, b);
    snprintf(out, TG_THREAD_NAME_SIZE, "%.8s-%.12s", a, b);
}

void tg_thread_path(const char *root, const char *source, const char *customer, int lane, char *out, size_t size)
{
    char bucket[3], name[TG_THREAD_NAME_SIZE];

    tg_announce_bucket(source, customer, bucket);
    tg_thread_name(source, customer, lane, name);
    snprintf(out, size, "%s/%s/%s", root, bucket, name);
}

void tg_thread_uid(const struct tg_thread *t, const char *realm, const char *key, char *out)
{
    const char *parts[] = {realm, t->source, t->customer, key};
    char hex[TG_SHA256_HEX];
    struct tg_sha256 h;

    tg_sha256_init(&h);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        tg_sha256_add(&h, parts[i], strlen(parts[i]) + 1);
    tg_sha256_end_hex(&h, hex);
    snprintf(out, TG_ANNOUNCE_UID_SIZE, "%.32s@tagout", hex);
}

/* ---- events ---- */

void tg_thread_event_release(struct tg_thread_event *ev)
{
    free(ev->key);
    free(ev->activity);
    free(ev->reason);
    free(ev->hosts);
    free(ev->done);
    *ev = (struct tg_thread_event) {.key = NULL};
}

void tg_thread_events_release(struct tg_thread_events *list)
{
    for (size_t i = 0; i < list->n; i++)
        tg_thread_event_release(&list->v[i]);
    free(list->v);
    *list = (struct tg_thread_events) {.v = NULL};
}

void tg_thread_items_release(struct tg_thread_items *items)
{
    for (size_t i = 0; i < items->n; i++)
        tg_thread_event_release(&items->v[i].event);
    free(items->v);
    *items = (struct tg_thread_items) {.v = NULL};
}

static char *copy_text(const char *text)
{
    return strdup(text ? text : "");
}

int tg_thread_copy_event(const struct tg_thread_event *from, struct tg_thread_event *out, struct tg_error *e)
{
    struct tg_thread_event ev = *from;

    ev.key = copy_text(from->key);
    ev.activity = copy_text(from->activity);
    ev.reason = copy_text(from->reason);
    ev.hosts = copy_text(from->hosts);
    ev.done = copy_text(from->done);
    if (!ev.key || !ev.activity || !ev.reason || !ev.hosts || !ev.done) {
        tg_thread_event_release(&ev);
        return tg_thread_no_memory(e);
    }
    *out = ev;
    return 0;
}

struct tg_thread_event *tg_thread_find(const struct tg_thread_events *list, const char *key)
{
    size_t from = 0, until = list->n;

    while (from < until) {
        size_t middle = from + (until - from) / 2;
        int order = strcmp(list->v[middle].key, key);
        if (order == 0)
            return &list->v[middle];
        if (order < 0)
            from = middle + 1;
        else
            until = middle;
    }
    return NULL;
}

/* Consumes ev, also on failure. */
int tg_thread_add(struct tg_thread_events *list, struct tg_thread_event *ev, struct tg_error *e)
{
    struct tg_thread_event *v = list->n < TG_THREAD_EVENTS_MAX ? realloc(list->v, (list->n + 1) * sizeof *v) : NULL;
    size_t at = list->n;

    if (!v) {
        int rc = list->n < TG_THREAD_EVENTS_MAX ? tg_thread_no_memory(e) : tg_fail(e, TG_E_DATA, "more than %d maintenance events of one customer and source", TG_THREAD_EVENTS_MAX);
        tg_thread_event_release(ev);
        return rc;
    }
    list->v = v;
    while (at > 0 && strcmp(v[at - 1].key, ev->key) > 0)
        at--;
    memmove(&v[at + 1], &v[at], (list->n - at) * sizeof *v);
    v[at] = *ev;
    list->n++;
    return 0;
}

int tg_thread_copy_events(const struct tg_thread_events *from, struct tg_thread_events *out, bool with_gone, struct tg_error *e)
{
    struct tg_thread_events list = {.v = NULL};
    int rc = 0;

    for (size_t i = 0; !rc && i < from->n; i++) {
        struct tg_thread_event ev;
        if (!with_gone && !from->v[i].n_hosts)
            continue;
        rc = tg_thread_copy_event(&from->v[i], &ev, e);
        if (!rc)
            rc = tg_thread_add(&list, &ev, e);
    }
    if (rc) {
        tg_thread_events_release(&list);
        return rc;
    }
    *out = list;
    return 0;
}

/* ---- threads ---- */

int tg_thread_new(const char *source, const char *customer, int lane, struct tg_thread **out, struct tg_error *e)
{
    struct tg_thread *t = calloc(1, sizeof *t);

    if (t) {
        t->source = strdup(source);
        t->customer = strdup(customer);
        t->lane = lane;
        t->open = true;
        t->version = TG_ANY_VERSION;
    }
    if (!t || !t->source || !t->customer) {
        tg_thread_free(t);
        return tg_thread_no_memory(e);
    }
    *out = t;
    return 0;
}

void tg_thread_message_free(struct tg_thread_message *m)
{
    if (!m)
        return;
    tg_thread_items_release(&m->items);
    for (size_t i = 0; i < m->n_recipients; i++) {
        free(m->recipients[i].to);
        free(m->recipients[i].text);
    }
    free(m->recipients);
    free(m);
}

void tg_thread_free(struct tg_thread *t)
{
    if (!t)
        return;
    tg_thread_events_release(&t->now);
    tg_thread_events_release(&t->told);
    tg_thread_message_free(t->message);
    tg_receipts_release(&t->receipts);
    free(t->source);
    free(t->customer);
    free(t);
}

int64_t tg_thread_until_ms(const struct tg_thread *t)
{
    int64_t last = 0;

    for (size_t i = 0; i < t->now.n; i++)
        last = t->now.v[i].until_ms > last ? t->now.v[i].until_ms : last;
    for (size_t i = 0; i < t->told.n; i++)
        last = t->told.v[i].until_ms > last ? t->told.v[i].until_ms : last;
    return last;
}

bool tg_thread_has(const struct tg_thread *t, const char *key)
{
    return tg_thread_find(&t->now, key) || tg_thread_find(&t->told, key);
}

static size_t bytes_of(const struct tg_thread_event *ev)
{
    return strlen(ev->key) + strlen(ev->activity) + strlen(ev->reason) + strlen(ev->hosts) + strlen(ev->done) + 80; /* names and times */
}

bool tg_thread_has_room(const struct tg_thread *t)
{
    size_t now = 0, told = 0;

    for (size_t i = 0; i < t->now.n; i++)
        now += bytes_of(&t->now.v[i]);
    for (size_t i = 0; i < t->told.n; i++)
        told += bytes_of(&t->told.v[i]);
    return now < TG_THREAD_LANE_BYTES && told < TG_THREAD_LANE_BYTES && t->now.n < TG_THREAD_EVENTS_MAX / 2;
}

static void prune(struct tg_thread_events *list, int64_t before_ms)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].until_ms < before_ms)
            tg_thread_event_release(&list->v[i]);
        else
            list->v[n++] = list->v[i];
    list->n = n;
}

void tg_thread_prune(struct tg_thread *t, int64_t before_ms)
{
    prune(&t->now, before_ms);
    prune(&t->told, before_ms);
}

/* ---- taking notes ---- */

/* (base ∪ add) or (base − add), folded. */
static int combine(const char *base, const char *other, bool plus, char **out, int64_t *out_n, struct tg_error *e)
{
    struct tg_hostlist a = TG_HOSTLIST_INIT, b = TG_HOSTLIST_INIT, all = TG_HOSTLIST_INIT;
    struct tg_buf text = TG_BUF_INIT;
    size_t i = 0, k = 0;
    int rc = base[0] ? tg_nodeset_expand(base, strlen(base), &a, e) : 0;

    if (!rc && other[0])
        rc = tg_nodeset_expand(other, strlen(other), &b, e);
    if (!rc)
        rc = tg_hostlist_sort(&a, e);
    if (!rc)
        rc = tg_hostlist_sort(&b, e);
    while (!rc && (i < a.n || k < b.n)) {
        int order = i == a.n ? 1 : k == b.n ? -1 : tg_name_compare(tg_hostlist_get(&a, i), tg_hostlist_get(&b, k));
        const char *name = order <= 0 ? tg_hostlist_get(&a, i) : tg_hostlist_get(&b, k);
        if (plus || order < 0)
            rc = tg_hostlist_add(&all, name, strlen(name), e);
        i += order <= 0;
        k += order >= 0;
    }
    if (!rc)
        rc = tg_fold_list(&all, &text, e);
    char *folded = rc ? NULL : tg_buf_take(&text, e);
    if (folded) {
        free(*out);
        *out = folded;
        *out_n = (int64_t) all.n;
    }
    tg_hostlist_release(&a);
    tg_hostlist_release(&b);
    tg_hostlist_release(&all);
    tg_buf_release(&text);
    return rc ? rc : folded ? 0 : TG_E_MEMORY;
}

int tg_thread_set_text(char **slot, const char *text, struct tg_error *e)
{
    char *copy = copy_text(text);

    if (!copy)
        return tg_thread_no_memory(e);
    free(*slot);
    *slot = copy;
    return 0;
}

static int find_or_add(struct tg_thread *t, const char *key, struct tg_thread_event **out, struct tg_error *e)
{
    struct tg_thread_event fresh = {.key = (char *) (uintptr_t) key}, ev;
    int rc = 0;

    if (!tg_thread_find(&t->now, key)) {
        rc = tg_thread_copy_event(&fresh, &ev, e);
        if (!rc)
            rc = tg_thread_add(&t->now, &ev, e);
    }
    if (!rc)
        *out = tg_thread_find(&t->now, key);
    return rc;
}

static int plan_event(struct tg_thread_event *ev, const struct tg_announcement *a, struct tg_error *e)
{
    int rc = combine(ev->hosts, a->hosts, true, &ev->hosts, &ev->n_hosts, e);

    if (!rc)
        rc = combine(ev->done, a->hosts, false, &ev->done, &ev->n_done, e);
    if (!rc)
        rc = tg_thread_set_text(&ev->activity, a->activity, e);
    ev->from_ms = a->from_ms;
    ev->until_ms = a->until_ms;
    ev->late = a->kind == TG_ANNOUNCE_LATE;
    return rc;
}

static int end_event(struct tg_thread_event *ev, const struct tg_announcement *a, struct tg_error *e)
{
    bool first = !ev->n_done;
    int rc = combine(ev->hosts, a->hosts, true, &ev->hosts, &ev->n_hosts, e);

    if (!rc)
        rc = combine(ev->done, a->hosts, true, &ev->done, &ev->n_done, e);
    if (!rc && !ev->activity[0])
        rc = tg_thread_set_text(&ev->activity, a->activity, e);
    if (!rc && ev->n_done == ev->n_hosts) { /* the last one says when it was over */
        ev->from_ms = first || a->from_ms < ev->from_ms || !ev->from_ms ? a->from_ms : ev->from_ms;
        ev->until_ms = a->until_ms;
        ev->from_ms = ev->from_ms < ev->until_ms ? ev->from_ms : a->from_ms;
    }
    return rc;
}

static int cancel_event(struct tg_thread_event *ev, const struct tg_announcement *a, struct tg_error *e)
{
    int rc = combine(ev->hosts, a->hosts, false, &ev->hosts, &ev->n_hosts, e);

    return rc ? rc : combine(ev->done, a->hosts, false, &ev->done, &ev->n_done, e);
}

static void look_at(struct tg_thread *t, int64_t due_ms)
{
    if (!t->due_ms || due_ms < t->due_ms)
        t->due_ms = due_ms;
}

int tg_thread_take(struct tg_thread *t, const struct tg_announcement *a, int64_t due_ms, struct tg_error *e)
{
    struct tg_thread_event *ev;
    int rc = find_or_add(t, a->event, &ev, e);

    if (rc)
        return rc;
    if (a->kind == TG_ANNOUNCE_CANCELLED)
        rc = cancel_event(ev, a, e);
    else if (a->kind == TG_ANNOUNCE_DONE)
        rc = end_event(ev, a, e);
    else
        rc = plan_event(ev, a, e);
    if (!rc)
        rc = tg_thread_set_text(&ev->reason, a->reason, e);
    look_at(t, due_ms);
    return rc;
}

/* What was done, or was to be in a time that has passed, is not undone by a plan that is no more. */
static bool stays(const struct tg_thread_event *told, int64_t wall_ms)
{
    return told->n_hosts > 0 && (told->n_done == told->n_hosts || told->until_ms <= wall_ms);
}

int tg_thread_replace(struct tg_thread *t, const struct tg_thread_events *events, const char *reason, int64_t wall_ms,
                      int64_t due_ms, struct tg_error *e)
{
    struct tg_thread_events now = {.v = NULL};
    int rc = tg_thread_copy_events(events, &now, true, e);

    for (size_t i = 0; !rc && i < t->told.n; i++) { /* what was told and is no more, with the reason */
        struct tg_thread_event gone = {.key = t->told.v[i].key, .reason = (char *) (uintptr_t) reason}, ev;
        if (tg_thread_find(&now, gone.key))
            continue;
        if (stays(&t->told.v[i], wall_ms)) {
            rc = tg_thread_copy_event(&t->told.v[i], &ev, e);
            rc = rc ? rc : tg_thread_add(&now, &ev, e);
            continue;
        }
        gone.from_ms = t->told.v[i].from_ms;
        gone.until_ms = t->told.v[i].until_ms;
        rc = tg_thread_copy_event(&gone, &ev, e);
        if (!rc)
            rc = tg_thread_add(&now, &ev, e);
    }
    if (rc) {
        tg_thread_events_release(&now);
        return rc;
    }
    tg_thread_events_release(&t->now);
    t->now = now;
    look_at(t, due_ms);
    return 0;
}
