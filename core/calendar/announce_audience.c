/* Whom a thread was told to, who is new and who is none any more: see announce_thread.h. */
#include "calendar/announce_internal.h"

#include "base/hmac.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const roles[TG_ROLES] = {[TG_ROLE_CONTACT] = "contact", [TG_ROLE_NEW] = "new", [TG_ROLE_FORMER] = "former"};

const char *tg_recipient_role_name(enum tg_recipient_role role)
{
    return role < TG_ROLES ? roles[role] : "?";
}

/* ---- receipts ---- */

void tg_receipts_release(struct tg_receipts *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->v[i].to);
    free(list->v);
    *list = (struct tg_receipts) {.v = NULL};
}

struct tg_receipt *tg_thread_receipt(const struct tg_thread *t, const char *to)
{
    for (size_t i = 0; i < t->receipts.n; i++)
        if (strcmp(t->receipts.v[i].to, to) == 0)
            return &t->receipts.v[i];
    return NULL;
}

/* Of this thread and this address, so that a receipt proves nothing of another. */
static int make_mac(const struct tg_thread *t, const char *to, char out[TG_RECEIPT_SIZE], struct tg_error *e)
{
    const char *const parts[] = {"receipt", t->source, t->customer, to};
    uint8_t mac[TG_SHA256_BYTES];
    struct tg_buf text = TG_BUF_INIT;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        tg_buf_add(&text, parts[i], strlen(parts[i]) + 1);
    int rc = tg_buf_ok(&text, e);
    if (!rc) {
        tg_hmac_sha256(t->key->bytes, t->key->len, tg_buf_text(&text), text.len, mac);
        for (size_t i = 0; i < (TG_RECEIPT_SIZE - 1) / 2; i++)
            snprintf(out + 2 * i, 3, "%02x", mac[i]);
    }
    tg_buf_release(&text);
    return rc;
}

bool tg_thread_receipt_is_proven(const struct tg_thread *t, const char *to)
{
    const struct tg_receipt *r = tg_thread_receipt(t, to);
    char mac[TG_RECEIPT_SIZE];
    unsigned differs = 0;

    if (!r || !r->mac[0] || !t->key || make_mac(t, to, mac, NULL))
        return false;
    for (size_t i = 0; i < TG_RECEIPT_SIZE; i++)
        differs |= (unsigned char) (mac[i] ^ r->mac[i]);
    return !differs;
}

int tg_thread_receipt_add(struct tg_thread *t, const char *to, bool proven, struct tg_error *e)
{
    struct tg_receipt *r = tg_thread_receipt(t, to);

    if (!r) {
        struct tg_receipt *v = realloc(t->receipts.v, (t->receipts.n + 1) * sizeof *v);
        char *copy = strdup(to);
        t->receipts.v = v ? v : t->receipts.v;
        if (!v || !copy) {
            free(copy);
            return tg_thread_no_memory(e);
        }
        r = &v[t->receipts.n++];
        *r = (struct tg_receipt) {.to = copy};
    }
    return proven && t->key ? make_mac(t, to, r->mac, e) : 0;
}

void tg_thread_receipt_drop(struct tg_thread *t, const char *to)
{
    struct tg_receipt *r = tg_thread_receipt(t, to);

    if (!r)
        return;
    free(r->to);
    *r = t->receipts.v[--t->receipts.n];
}

/* ---- who is to get what ---- */

bool tg_thread_event_is_ahead(const struct tg_thread_event *ev, int64_t now_ms)
{
    return ev->n_hosts > 0 && ev->n_done < ev->n_hosts && ev->until_ms > now_ms;
}

bool tg_thread_is_ahead(const struct tg_thread_events *list, int64_t now_ms)
{
    for (size_t i = 0; i < list->n; i++)
        if (tg_thread_event_is_ahead(&list->v[i], now_ms))
            return true;
    return false;
}

static bool is_hook(const char *to)
{
    return strncmp(to, "webhook:", 8) == 0;
}

static bool has_news(const struct tg_thread_message *m)
{
    return m->items.n > 0 && !m->items.v[0].missed;
}

/* A contact who knows nothing of what the others were told. */
static bool is_new(const struct tg_thread *t, const char *to)
{
    const struct tg_recipient *r = tg_thread_recipient(t->message, to);

    if (is_hook(to))
        return false;
    if (r && r->role == TG_ROLE_FORMER && r->state != TG_RECIPIENT_SENT) /* he is back: may he have heard that it is not his any more, or missed something? */
        return r->unsure > 0 || (t->message->heard && has_news(t->message)) || !tg_thread_receipt(t, to);
    if (tg_thread_receipt(t, to))
        return false;
    return !r || r->role != TG_ROLE_CONTACT || r->state == TG_RECIPIENT_DROPPED; /* people who drop leave a receipt: he was none, and is back */
}

/* Nobody is, while there is nothing that could prove it. */
static bool is_former(const struct tg_thread *t, const struct tg_receipt *receipt, const char *const *to, size_t n_to)
{
    return t->key && receipt->mac[0] && !is_hook(receipt->to) && !tg_thread_is_among(receipt->to, to, n_to);
}

bool tg_thread_audience_differs(const struct tg_thread *t, const char *const *to, size_t n_to, int64_t now_ms)
{
    if (!tg_thread_is_ahead(&t->told, now_ms))
        return false;
    for (size_t i = 0; i < n_to; i++) {
        const struct tg_recipient *r = tg_thread_recipient(t->message, to[i]);
        bool gets_it = r && r->role == TG_ROLE_NEW && r->state != TG_RECIPIENT_DROPPED;
        if (!gets_it && is_new(t, to[i]) && tg_thread_is_ahead(&t->now, now_ms))
            return true;
    }
    for (size_t i = 0; i < t->receipts.n; i++) {
        const struct tg_recipient *r = tg_thread_recipient(t->message, t->receipts.v[i].to);
        if (!(r && r->role == TG_ROLE_FORMER) && is_former(t, &t->receipts.v[i], to, n_to))
            return true;
    }
    return false;
}

struct wanted {
    struct tg_wanted *v;
    size_t n, n_contacts, n_former, left;
};

static void want(struct wanted *w, const char *to, enum tg_recipient_role role, bool behind)
{
    size_t *n = role == TG_ROLE_FORMER ? &w->n_former : &w->n_contacts;
    bool fits = w->n < TG_RECIPIENTS_MAX && (is_hook(to) || *n < TG_CUSTOMER_TOLD_MAX);

    if (fits)
        w->v[w->n++] = (struct tg_wanted) {.to = to, .role = role, .behind = behind};
    *n += fits && !is_hook(to);
    w->left += !fits && role != TG_ROLE_FORMER; /* they are told by the next */
}

bool tg_thread_has_more(const struct tg_thread *t, const char *const *to, size_t n_to, int64_t now_ms)
{
    size_t told = tg_thread_count(t, TG_RECIPIENT_SENT) + tg_thread_count(t, TG_RECIPIENT_DROPPED), left = 0;

    if (!t->message || 2 * told < t->message->n_recipients || !tg_thread_is_ahead(&t->told, now_ms))
        return false;
    for (size_t i = 0; i < t->receipts.n; i++) {
        const struct tg_recipient *r = tg_thread_recipient(t->message, t->receipts.v[i].to);
        left += !(r && r->role == TG_ROLE_FORMER) && is_former(t, &t->receipts.v[i], to, n_to);
    }
    return left > 0;
}

int tg_thread_wanted(const struct tg_thread *t, bool news, const char *const *to, size_t n_to, int64_t now_ms, struct tg_wanted **out, size_t *out_n, size_t *out_left,
                     struct tg_error *e)
{
    bool told = tg_thread_is_ahead(&t->told, now_ms), plans = tg_thread_is_ahead(&t->now, now_ms);
    struct wanted w = {.v = calloc(TG_RECIPIENTS_MAX, sizeof *w.v)};

    if (!w.v)
        return tg_thread_no_memory(e);
    for (size_t i = 0; i < n_to; i++) {
        bool behind = tg_thread_is_behind(t->message, to[i]);
        if (!told || !is_new(t, to[i])) {
            if (news || behind)
                want(&w, to[i], TG_ROLE_CONTACT, behind);
        } else if (plans) {
            want(&w, to[i], TG_ROLE_NEW, false);
        }
    }
    for (size_t i = 0; told && i < t->receipts.n; i++)
        if (is_former(t, &t->receipts.v[i], to, n_to))
            want(&w, t->receipts.v[i].to, TG_ROLE_FORMER, false);
    *out = w.v;
    *out_n = w.n;
    *out_left = w.left;
    return 0;
}

/* ---- what each gets ---- */

static bool is_news(const struct tg_thread_message *m, const char *key, enum tg_announce_kind kind)
{
    for (size_t i = 0; i < m->items.n && !m->items.v[i].missed; i++)
        if (m->items.v[i].kind == kind && strcmp(m->items.v[i].event.key, key) == 0)
            return true;
    return false;
}

static void put(struct tg_thread_items *items, const struct tg_thread_event *ev, enum tg_announce_kind kind)
{
    items->v[items->n++] = (struct tg_thread_item) {.kind = kind, .event = *ev};
}

/* What he was told, as far as it is ahead: all but what the message itself has brought up. */
static void put_former(const struct tg_thread *t, struct tg_thread_items *items)
{
    const struct tg_thread_message *m = t->message;

    for (size_t i = 0; i < t->told.n; i++)
        if (tg_thread_event_is_ahead(&t->told.v[i], m->at_ms) && !(m->heard && is_news(m, t->told.v[i].key, TG_ANNOUNCE_SCHEDULED)))
            put(items, &t->told.v[i], TG_ANNOUNCE_CANCELLED);
    for (size_t i = 0; m->heard && i < m->items.n && !m->items.v[i].missed; i++)
        if (m->items.v[i].kind == TG_ANNOUNCE_CANCELLED)
            put(items, &m->items.v[i].event, TG_ANNOUNCE_CANCELLED);
}

static void put_new(const struct tg_thread *t, struct tg_thread_items *items)
{
    const struct tg_thread_events *plans = t->message->heard ? &t->told : &t->now;

    for (size_t i = 0; i < plans->n; i++)
        if (tg_thread_event_is_ahead(&plans->v[i], t->message->at_ms))
            put(items, &plans->v[i], TG_ANNOUNCE_SCHEDULED);
}

static void put_news(const struct tg_thread_message *m, bool behind, struct tg_thread_items *items)
{
    for (size_t i = 0; i < m->items.n; i++)
        if (behind || !m->items.v[i].missed)
            items->v[items->n++] = m->items.v[i];
}

static int by_time(const void *a, const void *b)
{
    const struct tg_thread_item *x = a, *y = b;

    if (x->event.from_ms != y->event.from_ms)
        return x->event.from_ms < y->event.from_ms ? -1 : 1;
    return strcmp(x->event.key, y->event.key);
}

int tg_thread_message_for(const struct tg_thread *t, const struct tg_recipient *r, struct tg_thread_message *out, struct tg_error *e)
{
    const struct tg_thread_message *m = t->message;
    struct tg_thread_message one = *m;

    if (!(one.items.v = calloc(m->items.n + t->now.n + t->told.n + 1, sizeof *one.items.v)))
        return tg_thread_no_memory(e);
    one.items.n = 0;
    one.one = r;
    one.with_missed = r->role == TG_ROLE_CONTACT && r->behind && tg_thread_has_missed(&m->items);
    if (r->role == TG_ROLE_FORMER)
        put_former(t, &one.items);
    else if (r->role == TG_ROLE_NEW)
        put_new(t, &one.items);
    else
        put_news(m, r->behind, &one.items);
    if (one.items.n)
        qsort(one.items.v, one.items.n, sizeof *one.items.v, by_time);
    one.kind = r->role == TG_ROLE_FORMER ? TG_ANNOUNCE_FORMER : one.items.n ? tg_thread_kind_of(&one.items, true) : m->kind;
    one.parts = one.items.n ? (one.items.n + TG_PART_EVENTS - 1) / TG_PART_EVENTS : 1;
    *out = one;
    return 0;
}

struct tg_thread_message tg_thread_message_part(const struct tg_thread_message *m, size_t part)
{
    struct tg_thread_message one = *m;
    size_t from = part * TG_PART_EVENTS;

    from = from < m->items.n ? from : 0;
    one.part = part;
    one.items.v += from;
    one.items.n = m->items.n - from < TG_PART_EVENTS ? m->items.n - from : TG_PART_EVENTS;
    return one;
}
