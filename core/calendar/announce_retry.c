/* How far a message got with each of its recipients: see announce_thread.h. */
#include "calendar/announce_internal.h"

#include "base/shown.h"

#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 500 /* of an answer that is kept */

bool tg_recipient_is_hook(const struct tg_recipient *r)
{
    return strncmp(r->to, "webhook:", 8) == 0;
}

int64_t tg_retry_delay_ms(const struct tg_retry *retry, int64_t tries)
{
    int64_t ms = retry->first_ms;

    for (int64_t i = 1; i < tries && ms < retry->longest_ms; i++)
        ms *= 2;
    return ms < retry->longest_ms ? ms : retry->longest_ms;
}

static int say(struct tg_recipient *r, const char *text, struct tg_error *e)
{
    char shown[TEXT_SIZE];

    return tg_thread_set_text(&r->text, tg_shown_text(text ? text : "", shown, sizeof shown), e);
}

static int give_up(struct tg_recipient *r, const char *why, const char *text, struct tg_error *e)
{
    char line[TEXT_SIZE];

    r->state = TG_RECIPIENT_REFUSED;
    snprintf(line, sizeof line, "%s: %.400s", why, text && text[0] ? text : "no answer");
    return say(r, line, e);
}

int tg_recipient_tried(struct tg_recipient *r, const struct tg_retry *retry, enum tg_try outcome, const char *text, int64_t now_ms, struct tg_error *e)
{
    r->since_ms = r->tries ? r->since_ms : now_ms;
    r->tries++;
    r->at_ms = now_ms;
    r->unsure += outcome == TG_TRY_UNSURE;
    if (outcome == TG_TRY_SENT || outcome == TG_TRY_REFUSED) {
        r->state = outcome == TG_TRY_SENT ? TG_RECIPIENT_SENT : TG_RECIPIENT_REFUSED;
        return say(r, text, e);
    }
    r->state = TG_RECIPIENT_WAITING;
    if (r->unsure >= TG_RECIPIENT_UNSURE_MAX)
        return give_up(r, "it may have arrived several times already, the answer never came", text, e);
    if (now_ms - r->since_ms >= retry->give_up_ms && r->tries >= TG_RECIPIENT_TRIES_MIN)
        return give_up(r, "given up", text, e);
    return say(r, text, e);
}

int tg_thread_tried(struct tg_thread *t, size_t i, size_t parts, const struct tg_retry *retry, enum tg_try outcome, const char *text, int64_t now_ms, struct tg_error *e)
{
    struct tg_recipient *r = &t->message->recipients[i];
    bool former = r->role == TG_ROLE_FORMER, had = outcome == TG_TRY_SENT || outcome == TG_TRY_UNSURE;
    int rc = tg_recipient_tried(r, retry, outcome, text, now_ms, e);

    if (!rc && had && !former && !tg_recipient_is_hook(r))
        rc = tg_thread_receipt_add(t, r->to, true, e);
    if (rc || outcome != TG_TRY_SENT)
        return rc;
    r->parts++;
    if ((size_t) r->parts < parts) { /* the next of it, at once */
        r->state = TG_RECIPIENT_WAITING;
        r->tries = r->unsure = 0;
    } else if (former) {
        tg_thread_receipt_drop(t, r->to);
    }
    return 0;
}

int tg_thread_recover(struct tg_thread *t, const struct tg_retry *retry, int64_t now_ms, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && t->message && i < t->message->n_recipients; i++)
        if (t->message->recipients[i].state == TG_RECIPIENT_TRYING)
            rc = tg_thread_tried(t, i, 1, retry, TG_TRY_UNSURE, "the sender died while it waited for the answer", now_ms, e);
    return rc;
}

int64_t tg_thread_next_ms(const struct tg_thread *t, const struct tg_retry *retry)
{
    int64_t next = 0;

    for (size_t i = 0; t->message && i < t->message->n_recipients; i++) {
        const struct tg_recipient *r = &t->message->recipients[i];
        if (r->state != TG_RECIPIENT_WAITING)
            continue;
        int64_t at = r->tries ? r->at_ms + tg_retry_delay_ms(retry, r->tries) : 1;
        next = !next || at < next ? at : next;
    }
    return next;
}

size_t tg_thread_count(const struct tg_thread *t, enum tg_recipient_state state)
{
    size_t n = 0;

    for (size_t i = 0; t->message && i < t->message->n_recipients; i++)
        n += t->message->recipients[i].state == state;
    return n;
}

bool tg_thread_is_over(const struct tg_thread *t)
{
    return !t->message || tg_thread_count(t, TG_RECIPIENT_SENT) + tg_thread_count(t, TG_RECIPIENT_DROPPED) == t->message->n_recipients;
}

size_t tg_thread_retry(struct tg_thread *t, int64_t now_ms)
{
    size_t n = 0;

    for (size_t i = 0; t->message && i < t->message->n_recipients; i++) {
        struct tg_recipient *r = &t->message->recipients[i];
        if (r->state != TG_RECIPIENT_REFUSED && r->state != TG_RECIPIENT_WAITING)
            continue;
        r->state = TG_RECIPIENT_WAITING;
        r->tries = r->unsure = 0;
        n++;
    }
    t->due_ms = n ? now_ms : t->due_ms;
    return n;
}

int tg_thread_drop(struct tg_thread *t, const char *why, int64_t now_ms, size_t *out_n, struct tg_error *e)
{
    size_t n = 0;
    int rc = tg_thread_heard(t, e);

    for (size_t i = 0; !rc && t->message && i < t->message->n_recipients; i++) {
        struct tg_recipient *r = &t->message->recipients[i];
        if (r->state != TG_RECIPIENT_REFUSED && r->state != TG_RECIPIENT_WAITING)
            continue;
        r->state = TG_RECIPIENT_DROPPED;
        r->at_ms = now_ms;
        rc = say(r, why, e);
        if (!rc && r->role == TG_ROLE_FORMER)
            tg_thread_receipt_drop(t, r->to);
        else if (!rc && !tg_recipient_is_hook(r)) /* he counts as told, from now on */
            rc = tg_thread_receipt_add(t, r->to, false, e);
        n++;
    }
    *out_n = n;
    return rc;
}
