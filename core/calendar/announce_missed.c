/* What recipients have missed, and who is none any more: see announce_thread.h. */
#include "calendar/announce_internal.h"

#include <stdlib.h>
#include <string.h>

#define PAST_MS (INT64_C(7) * 86400000) /* of what ended before, nobody needs to be told any more */

int tg_thread_add_item(struct tg_thread_items *items, enum tg_announce_kind kind, const struct tg_thread_event *event, const char *reason, bool missed, struct tg_error *e)
{
    struct tg_thread_item *v = realloc(items->v, (items->n + 1) * sizeof *v);

    if (!v)
        return tg_thread_no_memory(e);
    items->v = v;
    int rc = tg_thread_copy_event(event, &v[items->n].event, e);
    if (rc)
        return rc;
    v[items->n].kind = kind;
    v[items->n].missed = missed;
    items->n++;
    return tg_thread_set_text(&v[items->n - 1].event.reason, reason, e);
}

enum tg_announce_kind tg_thread_kind_of(const struct tg_thread_items *items, bool missed)
{
    enum tg_announce_kind kind = TG_ANNOUNCE_KINDS;

    for (size_t i = 0; i < items->n; i++)
        if (missed || !items->v[i].missed)
            kind = kind == TG_ANNOUNCE_KINDS || kind == items->v[i].kind ? items->v[i].kind : TG_ANNOUNCE_CHANGED;
    return kind == TG_ANNOUNCE_KINDS ? items->v[0].kind : kind;
}

bool tg_thread_has_missed(const struct tg_thread_items *items)
{
    for (size_t i = 0; i < items->n; i++)
        if (items->v[i].missed)
            return true;
    return false;
}

bool tg_thread_is_among(const char *one, const char *const *to, size_t n_to)
{
    for (size_t i = 0; i < n_to; i++)
        if (strcmp(one, to[i]) == 0)
            return true;
    return false;
}

const struct tg_recipient *tg_thread_recipient(const struct tg_thread_message *m, const char *to)
{
    for (size_t i = 0; m && i < m->n_recipients; i++)
        if (strcmp(m->recipients[i].to, to) == 0)
            return &m->recipients[i];
    return NULL;
}

static bool has_it(const struct tg_recipient *r)
{
    return !r || r->state == TG_RECIPIENT_SENT || r->state == TG_RECIPIENT_DROPPED;
}

/* A message that nobody may have got is made anew, with all that it said: only what it carried along can be missed. */
static bool lacks(const struct tg_thread_message *old, const struct tg_recipient *r, bool missed)
{
    return !has_it(r) && (missed ? r->behind : old->heard);
}

bool tg_thread_is_behind(const struct tg_thread_message *old, const char *to)
{
    const struct tg_recipient *r = tg_thread_recipient(old, to);

    return lacks(old, r, false) || (lacks(old, r, true) && tg_thread_has_missed(&old->items));
}

static bool somebody_lacks(const struct tg_thread_message *old, const char *const *to, size_t n_to, bool missed)
{
    for (size_t i = 0; i < n_to; i++)
        if (lacks(old, tg_thread_recipient(old, to[i]), missed))
            return true;
    return false;
}

static bool is_told(const struct tg_thread_items *items, const char *key)
{
    for (size_t i = 0; i < items->n; i++)
        if (strcmp(items->v[i].event.key, key) == 0)
            return true;
    return false;
}

int tg_thread_add_missed(const struct tg_thread_message *old, const char *const *to, size_t n_to, int64_t now_ms, struct tg_thread_items *items, struct tg_error *e)
{
    const bool lacked[] = {old && somebody_lacks(old, to, n_to, false), old && somebody_lacks(old, to, n_to, true)};
    int rc = 0;

    for (size_t i = 0; !rc && old && i < old->items.n && items->n < TG_THREAD_EVENTS_MAX; i++) {
        const struct tg_thread_item *item = &old->items.v[i];
        if (lacked[item->missed] && item->event.until_ms > now_ms - PAST_MS && !is_told(items, item->event.key))
            rc = tg_thread_add_item(items, item->kind, &item->event, item->event.reason, true, e);
    }
    return rc;
}

int tg_thread_drop_strangers(struct tg_thread *t, const char *const *to, size_t n_to, int64_t now_ms, struct tg_error *e)
{
    struct tg_thread_message *m = t->message;
    int rc = 0;

    for (size_t i = 0; !rc && i < m->n_recipients; i++) {
        struct tg_recipient *r = &m->recipients[i];
        bool is_one = tg_thread_is_among(r->to, to, n_to), former = r->role == TG_ROLE_FORMER;
        if (has_it(r) || (former ? !is_one && tg_thread_receipt(t, r->to) : is_one))
            continue;
        r->state = TG_RECIPIENT_DROPPED;
        r->at_ms = now_ms;
        rc = tg_thread_set_text(&r->text, former ? "he is a contact" : "not (any more) to be told, as inventory and configuration have it", e);
    }
    return rc;
}
