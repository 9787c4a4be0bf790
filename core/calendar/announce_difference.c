/* What a customer would have to be told, and the message that does: see announce_thread.h. */
#include "calendar/announce_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- the difference ---- */

static bool is_done(const struct tg_thread_event *ev)
{
    return ev->n_hosts > 0 && ev->n_done == ev->n_hosts;
}

/* What is to be said of an event; TG_ANNOUNCE_KINDS: nothing. */
static enum tg_announce_kind judge(const struct tg_thread_event *now, const struct tg_thread_event *told)
{
    if (!now->n_hosts)
        return told ? TG_ANNOUNCE_CANCELLED : TG_ANNOUNCE_KINDS;
    if (is_done(now))
        return told && is_done(told) && strcmp(now->hosts, told->hosts) == 0 ? TG_ANNOUNCE_KINDS : TG_ANNOUNCE_DONE;
    if (now->late && !(told && told->late))
        return TG_ANNOUNCE_LATE;
    if (!told)
        return TG_ANNOUNCE_SCHEDULED;
    bool same = now->from_ms == told->from_ms && now->until_ms == told->until_ms && now->n_hosts == told->n_hosts && strcmp(now->hosts, told->hosts) == 0 &&
                strcmp(now->activity, told->activity) == 0 && !is_done(told);
    return same ? TG_ANNOUNCE_KINDS : TG_ANNOUNCE_CHANGED;
}

static int by_time(const void *a, const void *b)
{
    const struct tg_thread_item *x = a, *y = b;

    if (x->event.from_ms != y->event.from_ms)
        return x->event.from_ms < y->event.from_ms ? -1 : 1;
    return strcmp(x->event.key, y->event.key);
}

static int add_item(struct tg_thread_items *items, enum tg_announce_kind kind, const struct tg_thread_event *now, const struct tg_thread_event *told, struct tg_error *e)
{
    struct tg_thread_item *v = realloc(items->v, (items->n + 1) * sizeof *v);

    if (!v)
        return tg_thread_no_memory(e);
    items->v = v;
    int rc = tg_thread_copy_event(kind == TG_ANNOUNCE_CANCELLED ? told : now, &v[items->n].event, e);
    if (rc)
        return rc;
    v[items->n].kind = kind;
    items->n++;
    return tg_thread_set_text(&v[items->n - 1].event.reason, now->reason, e);
}

int tg_thread_difference(const struct tg_thread *t, struct tg_thread_items *out, struct tg_error *e)
{
    struct tg_thread_items items = {.v = NULL};
    int rc = 0;

    for (size_t i = 0; !rc && i < t->now.n; i++) {
        const struct tg_thread_event *told = tg_thread_find(&t->told, t->now.v[i].key);
        enum tg_announce_kind kind = judge(&t->now.v[i], told);
        if (kind != TG_ANNOUNCE_KINDS)
            rc = add_item(&items, kind, &t->now.v[i], told, e);
    }
    if (rc) {
        tg_thread_items_release(&items);
        return rc;
    }
    if (items.n)
        qsort(items.v, items.n, sizeof *items.v, by_time);
    *out = items;
    return 0;
}

/* ---- the message ---- */

static bool same_items(const struct tg_thread_items *a, const struct tg_thread_items *b)
{
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++) {
        const struct tg_thread_event *x = &a->v[i].event, *y = &b->v[i].event;
        same = a->v[i].kind == b->v[i].kind && strcmp(x->key, y->key) == 0 && strcmp(x->activity, y->activity) == 0 && strcmp(x->hosts, y->hosts) == 0 &&
               strcmp(x->reason, y->reason) == 0 && x->from_ms == y->from_ms && x->until_ms == y->until_ms;
    }
    return same;
}

static enum tg_announce_kind kind_of(const struct tg_thread_items *items)
{
    for (size_t i = 1; i < items->n; i++)
        if (items->v[i].kind != items->v[0].kind)
            return TG_ANNOUNCE_CHANGED;
    return items->v[0].kind;
}

/* Consumes items, also on failure. */
static int make_message(struct tg_thread *t, struct tg_thread_items *items, const char *const *to, size_t n_to, int64_t now_ms, struct tg_error *e)
{
    struct tg_thread_message *m = calloc(1, sizeof *m);

    if (!m) {
        tg_thread_items_release(items);
        return tg_thread_no_memory(e);
    }
    m->items = *items;
    m->kind = kind_of(items);
    m->sequence = t->sequence;
    m->at_ms = now_ms;
    m->recipients = calloc(n_to + 1, sizeof *m->recipients);
    for (size_t i = 0; m->recipients && i < n_to && i < TG_RECIPIENTS_MAX; i++) {
        struct tg_recipient *r = &m->recipients[m->n_recipients++];
        r->to = strdup(to[i]);
        r->text = strdup("");
        if (!r->to || !r->text) {
            tg_thread_message_free(m);
            return tg_thread_no_memory(e);
        }
    }
    if (!m->recipients) {
        tg_thread_message_free(m);
        return tg_thread_no_memory(e);
    }
    tg_thread_message_free(t->message);
    t->message = m;
    return 0;
}

int tg_thread_settle(struct tg_thread *t, const char *const *to, size_t n_to, int64_t now_ms, struct tg_error *e)
{
    struct tg_thread_items items = {.v = NULL};
    int rc = tg_thread_difference(t, &items, e);

    if (rc)
        return rc;
    if (!items.n && t->message && !t->message->heard) { /* it was taken back before anybody knew */
        tg_thread_message_free(t->message);
        t->message = NULL;
    }
    bool keep = !items.n || (t->message && !t->message->heard && t->message->n_recipients && same_items(&items, &t->message->items));
    if (keep) {
        tg_thread_items_release(&items);
        return 0;
    }
    return make_message(t, &items, to, n_to, now_ms, e);
}

int tg_thread_heard(struct tg_thread *t, struct tg_error *e)
{
    struct tg_thread_events now, told;

    if (!t->message || t->message->heard)
        return 0;
    int rc = tg_thread_copy_events(&t->now, &now, false, e);
    if (rc)
        return rc;
    if ((rc = tg_thread_copy_events(&t->now, &told, false, e)) != 0) {
        tg_thread_events_release(&now);
        return rc;
    }
    tg_thread_events_release(&t->now);
    tg_thread_events_release(&t->told);
    t->now = now;
    t->told = told;
    t->message->heard = true;
    t->sequence = t->message->sequence + 1;
    return 0;
}
