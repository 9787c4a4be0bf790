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

static int add_recipient(struct tg_thread_message *m, const char *to, bool behind, struct tg_error *e)
{
    struct tg_recipient *r = &m->recipients[m->n_recipients++];

    r->behind = behind;
    r->to = strdup(to);
    r->text = strdup("");
    return r->to && r->text ? 0 : tg_thread_no_memory(e);
}

/* Consumes items, also on failure. When all of them were missed, it is for those who are behind. */
static int make_message(struct tg_thread *t, struct tg_thread_items *items, const char *const *to, size_t n_to, int64_t now_ms, struct tg_error *e)
{
    struct tg_thread_message *m = calloc(1, sizeof *m);
    bool news = !items->v[0].missed;
    int rc = 0;

    if (!m) {
        tg_thread_items_release(items);
        return tg_thread_no_memory(e);
    }
    m->items = *items;
    m->kind = tg_thread_kind_of(items, false);
    m->sequence = t->sequence;
    m->at_ms = now_ms;
    if (!(m->recipients = calloc(n_to + 1, sizeof *m->recipients)))
        rc = tg_thread_no_memory(e);
    for (size_t i = 0; !rc && i < n_to && m->n_recipients < TG_RECIPIENTS_MAX; i++) {
        bool behind = tg_thread_is_behind(t->message, to[i]);
        if (news || behind)
            rc = add_recipient(m, to[i], behind, e);
    }
    if (rc) {
        tg_thread_message_free(m);
        return rc;
    }
    tg_thread_message_free(t->message);
    t->message = m;
    return 0;
}

/* Is the message that nobody can have got yet still the one to send? news: what is to be told by now. */
static bool still_right(const struct tg_thread_message *m, const struct tg_thread_items *news, const char *const *to, size_t n_to)
{
    for (size_t i = 0; i < m->n_recipients; i++)
        if (!tg_thread_is_among(m->recipients[i].to, to, n_to))
            return false;
    if (news->n && m->n_recipients != (n_to < TG_RECIPIENTS_MAX ? n_to : TG_RECIPIENTS_MAX))
        return false;
    return m->n_recipients && same_items(news, &m->items);
}

int tg_thread_settle(struct tg_thread *t, const char *const *to, size_t n_to, int64_t now_ms, struct tg_error *e)
{
    struct tg_thread_items items = {.v = NULL};
    bool heard = t->message && t->message->heard;
    int rc = heard ? tg_thread_drop_strangers(t->message, to, n_to, now_ms, e) : 0;

    if (!rc)
        rc = tg_thread_difference(t, &items, e);
    bool keep = items.n ? t->message && !heard && still_right(t->message, &items, to, n_to) : !t->message || heard || still_right(t->message, &items, to, n_to);
    if (!rc && !keep)
        rc = tg_thread_add_missed(t->message, to, n_to, now_ms, &items, e);
    if (!rc && !keep && items.n)
        return make_message(t, &items, to, n_to, now_ms, e);
    if (!rc && !keep) { /* it was taken back before anybody knew */
        tg_thread_message_free(t->message);
        t->message = NULL;
    }
    tg_thread_items_release(&items);
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
