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

int tg_thread_difference(const struct tg_thread *t, struct tg_thread_items *out, struct tg_error *e)
{
    struct tg_thread_items items = {.v = NULL};
    int rc = 0;

    for (size_t i = 0; !rc && i < t->now.n; i++) {
        const struct tg_thread_event *told = tg_thread_find(&t->told, t->now.v[i].key);
        enum tg_announce_kind kind = judge(&t->now.v[i], told);
        if (kind != TG_ANNOUNCE_KINDS)
            rc = tg_thread_add_item(&items, kind, kind == TG_ANNOUNCE_CANCELLED ? told : &t->now.v[i], t->now.v[i].reason, false, e);
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

/* But for what was missed, which comes last. */
static bool same_items(const struct tg_thread_items *a, const struct tg_thread_items *b)
{
    bool same = a->n <= b->n && (a->n == b->n || b->v[a->n].missed);

    for (size_t i = 0; same && i < a->n; i++) {
        const struct tg_thread_event *x = &a->v[i].event, *y = &b->v[i].event;
        same = a->v[i].kind == b->v[i].kind && strcmp(x->key, y->key) == 0 && strcmp(x->activity, y->activity) == 0 && strcmp(x->hosts, y->hosts) == 0 &&
               strcmp(x->reason, y->reason) == 0 && x->from_ms == y->from_ms && x->until_ms == y->until_ms;
    }
    return same;
}

static int add_recipient(struct tg_thread_message *m, const struct tg_wanted *w, struct tg_error *e)
{
    struct tg_recipient *r = &m->recipients[m->n_recipients++];

    r->behind = w->behind;
    r->role = w->role;
    r->to = strdup(w->to);
    r->text = strdup("");
    return r->to && r->text ? 0 : tg_thread_no_memory(e);
}

struct whom {
    struct tg_wanted *v;
    size_t n, left;
};

static enum tg_announce_kind kind_for(const struct tg_thread_items *items, const struct whom *whom)
{
    if (items->n)
        return tg_thread_kind_of(items, false);
    return whom->n && whom->v[0].role == TG_ROLE_NEW ? TG_ANNOUNCE_SCHEDULED : TG_ANNOUNCE_FORMER;
}

/* Consumes items, also on failure. When all of them were missed, it is for those who are behind; when there are none, for those who are new, or former. */
static int make_message(struct tg_thread *t, struct tg_thread_items *items, const struct whom *whom, int64_t now_ms, struct tg_error *e)
{
    struct tg_thread_message *m = calloc(1, sizeof *m);
    int rc = 0;

    if (!m) {
        tg_thread_items_release(items);
        return tg_thread_no_memory(e);
    }
    m->items = *items;
    m->kind = kind_for(items, whom);
    m->sequence = t->sequence;
    m->at_ms = now_ms;
    m->n_left_out = whom->left;
    if (!(m->recipients = calloc(whom->n + 1, sizeof *m->recipients)))
        rc = tg_thread_no_memory(e);
    for (size_t i = 0; !rc && i < whom->n; i++)
        rc = add_recipient(m, &whom->v[i], e);
    if (rc) {
        tg_thread_message_free(m);
        return rc;
    }
    tg_thread_message_free(t->message);
    t->message = m;
    return 0;
}

static bool same_recipients(const struct tg_thread_message *m, const struct whom *whom)
{
    bool same = m->n_recipients == whom->n && m->n_left_out == whom->left;

    for (size_t i = 0; same && i < whom->n; i++)
        same = strcmp(m->recipients[i].to, whom->v[i].to) == 0 && m->recipients[i].role == whom->v[i].role && m->recipients[i].behind == whom->v[i].behind;
    return same;
}

/* Is the message still the one to send? news: what is to be told by now. whom: who would get it, made anew. */
static bool is_right(const struct tg_thread *t, const struct tg_thread_items *news, const struct whom *whom, const char *const *to, size_t n_to, int64_t now_ms)
{
    const struct tg_thread_message *m = t->message;

    if (!m || m->heard)
        return !news->n && !tg_thread_audience_differs(t, to, n_to, now_ms);
    return (m->n_recipients || news->n) && same_items(news, &m->items) && same_recipients(m, whom);
}

/* Consumes items, also on failure. */
static int remake(struct tg_thread *t, struct tg_thread_items *items, const struct whom *whom, const char *const *to, size_t n_to, int64_t now_ms, struct tg_error *e)
{
    int rc = tg_thread_add_missed(t->message, to, n_to, now_ms, items, e);

    if (!rc && (items->n || whom->n))
        return make_message(t, items, whom, now_ms, e);
    if (!rc) { /* it was taken back before anybody knew */
        tg_thread_message_free(t->message);
        t->message = NULL;
    }
    tg_thread_items_release(items);
    return rc;
}

int tg_thread_settle(struct tg_thread *t, const char *const *to, size_t n_to, int64_t now_ms, struct tg_error *e)
{
    struct tg_thread_items items = {.v = NULL};
    struct whom whom = {.v = NULL};
    int rc = t->message && t->message->heard ? tg_thread_drop_strangers(t, to, n_to, now_ms, e) : 0;

    if (!rc)
        rc = tg_thread_difference(t, &items, e);
    if (!rc)
        rc = tg_thread_wanted(t, items.n > 0, to, n_to, now_ms, &whom.v, &whom.n, &whom.left, e);
    if (!rc && !is_right(t, &items, &whom, to, n_to, now_ms))
        rc = remake(t, &items, &whom, to, n_to, now_ms, e);
    else
        tg_thread_items_release(&items);
    free(whom.v);
    return rc;
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
