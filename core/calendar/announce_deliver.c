/* One mail, or one call of a webhook, to its end: see announce_deliver.h. */
#include "calendar/announce_deliver.h"

#include "base/mailbox.h"
#include "calendar/announce_internal.h"
#include "config/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct waiting {
    struct tg_announce_delivery *out;
    bool ready, over;
};

static void on_ready(void *data)
{
    ((struct waiting *) data)->ready = true;
}

static void on_done(void *data, enum tg_delivered outcome, const char *text)
{
    struct waiting *w = data;

    w->over = true;
    w->out->outcome = outcome;
    snprintf(w->out->text, sizeof w->out->text, "%s", text);
}

/* Turns the loop until *flag, or the job's end. A signal does not end it: what is under way has its own time-out, and its outcome is to be noted. */
static void turn_until(struct tg_announce_run *run, const struct waiting *w, const bool *flag, bool *out_stopped)
{
    while (!*flag && !w->over)
        if (tg_loop_turn(run->loop, 1000) == TG_E_CANCELLED) {
            tg_loop_interrupt_clear(run->loop);
            *out_stopped = true;
            if (!w->ready) /* it has not ended: nobody will get it */
                return;
        }
}

static int end_mail(struct tg_announce_run *run, struct waiting *w, struct tg_delivery_job *job, int (*before)(void *data, struct tg_error *e), void *data, bool *out_stopped,
                    struct tg_error *e)
{
    bool stopped = false;
    int rc = 0;

    turn_until(run, w, &w->ready, &stopped);
    *out_stopped = *out_stopped || stopped;
    if (!w->over && w->ready && !stopped)
        rc = before ? before(data, e) : 0;
    if (!w->over && (rc || stopped))
        run->backend->cancel(job);
    else if (!w->over)
        run->backend->finish(job);
    turn_until(run, w, &w->over, out_stopped);
    while (!w->over) /* it was cancelled: a second or so */
        tg_loop_turn_anyway(run->loop, 1000);
    return rc;
}

static int mail(struct tg_announce_run *run, const struct tg_thread *t, const char *to, int (*before)(void *data, struct tg_error *e), void *data, struct tg_announce_delivery *out,
                bool *out_stopped, struct tg_error *e)
{
    struct waiting w = {.out = out};
    struct tg_buf text = TG_BUF_INIT;
    struct tg_delivery_job *job;
    struct tg_error why = TG_ERROR_INIT;
    char address[TG_ANNOUNCE_ADDRESS_SIZE], quoted[TG_ANNOUNCE_ADDRESS_SIZE + 2];
    int rc;

    if (!run->site->url || !tg_mailbox_ok(to) || run->backend->spell(to, address, sizeof address, &why)) {
        out->outcome = run->site->url ? TG_DELIVERY_REFUSED : TG_DELIVERY_BROKEN;
        snprintf(out->text, sizeof out->text, "%.400s", !run->site->url ? "no mail server is configured: announce.smtp" : why.code ? why.message : "it is no mail address");
        return 0;
    }
    rc = tg_announce_mail(t, &run->sender, &text, e);
    const struct tg_delivery_mail m = {.url = run->site->url, .user = run->user[0] ? run->user : NULL, .password = run->user[0] ? run->password : NULL, .ca_file = run->site->ca,
                                       .plain = run->site->plain, .from = run->sender.address, .to = tg_mailbox_quoted(address, quoted, sizeof quoted), .helo = run->site->helo, .bytes = tg_buf_text(&text), .len = text.len,
                                       .timeout_ms = run->site->timeout_ms};
    if (!rc)
        rc = run->backend->mail(run->impl, &m, on_ready, on_done, &w, &job, e);
    if (!rc)
        rc = end_mail(run, &w, job, before, data, out_stopped, e);
    tg_buf_release(&text);
    return rc;
}

/* ---- webhooks ---- */

/* The key: the line itself, or what Standard Webhooks' "whsec_" is followed by, in base 64. */
static size_t key_of(const char *line, uint8_t *out, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t n = 0;
    int have = 0;

    if (strncmp(line, "whsec_", 6) != 0) {
        n = strlen(line) < size ? strlen(line) : size;
        memcpy(out, line, n);
        return n;
    }
    for (const char *p = line + 6; *p && *p != '='; p++) {
        const char *at = strchr(digits, *p);
        if (!at)
            return 0;
        bits = bits << 6 | (uint32_t) (at - digits);
        have += 6;
        if (have >= 8 && n < size) {
            have -= 8;
            out[n++] = (uint8_t) (bits >> have);
        }
    }
    return n;
}

static int sign(const struct tg_webhook *hook, const char *id, int64_t wall_s, const char *body, char *out, size_t size, struct tg_error *e)
{
    char secret[TG_SECRET_SIZE], what[80];
    uint8_t key[TG_SECRET_SIZE];

    snprintf(what, sizeof what, "secret-file of webhook %s,", hook->name);
    int rc = tg_secret_read(what, "with the key", hook->secret_file, secret, e);
    if (rc)
        return rc;
    size_t n = key_of(secret, key, sizeof key);
    if (n >= 16)
        tg_announce_sign(key, n, id, wall_s, body, out, size);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(key, sizeof key);
    if (n >= 16)
        return 0;
    tg_fail(e, TG_E_CONFIG, "%s %s has too short a key: at least 16 bytes", what, hook->secret_file);
    return tg_error_hint(e, "openssl rand -base64 32 > %s", hook->secret_file), TG_E_CONFIG;
}

static int post(struct tg_announce_run *run, const struct tg_webhook *hook, const struct tg_thread *t, const char *body, struct tg_announce_delivery *out, bool *out_stopped,
                struct tg_error *e)
{
    char id[TG_ANNOUNCE_ID_SIZE], h_id[TG_ANNOUNCE_ID_SIZE + 16], h_time[64], h_sign[96], signature[72] = "";
    const char *const headers[] = {"Content-Type: application/json", h_id, h_time, h_sign, NULL};
    int64_t now_s = tg_wall_ms(tg_loop_clock(run->loop)) / 1000;
    struct waiting w = {.out = out};
    struct tg_delivery_job *job;
    struct tg_error why = TG_ERROR_INIT;

    tg_announce_message_id(t, &run->sender, id);
    if (sign(hook, id, now_s, body, signature, sizeof signature, &why)) {
        out->outcome = TG_DELIVERY_BROKEN;
        snprintf(out->text, sizeof out->text, "%.500s", why.message);
        return 0;
    }
    snprintf(h_id, sizeof h_id, "webhook-id: %s", id);
    snprintf(h_time, sizeof h_time, "webhook-timestamp: %lld", (long long) now_s);
    snprintf(h_sign, sizeof h_sign, "webhook-signature: %s", signature);
    const struct tg_delivery_post p = {.url = hook->url, .ca_file = hook->ca, .headers = headers, .bytes = body, .len = strlen(body), .timeout_ms = run->site->timeout_ms};
    int rc = run->backend->post(run->impl, &p, on_done, &w, &job, e);
    if (rc)
        return rc;
    turn_until(run, &w, &w.over, out_stopped);
    if (!w.over)
        run->backend->cancel(job);
    while (!w.over)
        tg_loop_turn_anyway(run->loop, 1000);
    return 0;
}

static int call(struct tg_announce_run *run, const struct tg_thread *t, const char *name, struct tg_announce_delivery *out, bool *out_stopped, struct tg_error *e)
{
    const struct tg_webhook *hook = tg_announce_webhook(run->site, name);
    json_t *o;

    if (!hook) {
        out->outcome = TG_DELIVERY_REFUSED;
        snprintf(out->text, sizeof out->text, "no such webhook is configured any more");
        return 0;
    }
    char *body = (o = tg_announce_json(t, &run->sender)) ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    int rc = body ? post(run, hook, t, body, out, out_stopped, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    free(body);
    return rc;
}

/* Who is no contact any more is written to only when we know that we did before (P9: whom the store names is nobody's word). */
static bool is_to_be_told(const struct tg_thread *t, const struct tg_recipient *r, const struct tg_thread_message *m, struct tg_announce_delivery *out)
{
    if (r->role == TG_ROLE_FORMER && !tg_thread_receipt_is_proven(t, r->to)) {
        out->outcome = TG_DELIVERY_REFUSED;
        snprintf(out->text, sizeof out->text, "he is no contact any more, and nothing here proves that he was told: announce.key-file is another, or the record was changed");
        return false;
    }
    if (m->items.n || r->role == TG_ROLE_CONTACT)
        return true;
    out->outcome = TG_DELIVERED;
    snprintf(out->text, sizeof out->text, "nothing of it is ahead any more");
    return false;
}

int tg_announce_deliver(struct tg_announce_run *run, const struct tg_thread *t, const char *to, int (*before)(void *data, struct tg_error *e), void *data,
                        struct tg_announce_delivery *out, bool *out_stopped, struct tg_error *e)
{
    static const struct tg_recipient nobody = {.to = NULL}; /* of a try: the message names him not */
    const struct tg_recipient *named = tg_thread_recipient(t->message, to), *r = named ? named : &nobody;
    struct tg_thread_message message, part;
    struct tg_thread one = *t; /* what of it is for this one */
    int rc = tg_thread_message_for(t, r, &message, e);

    if (rc)
        return rc;
    out->parts = message.parts;
    part = tg_thread_message_part(&message, (size_t) r->parts);
    if (!is_to_be_told(t, r, &message, out)) {
        /* out says why */
    } else if (strncmp(to, "webhook:", 8) != 0) {
        one.message = &part;
        rc = mail(run, &one, to, before, data, out, out_stopped, e);
    } else {
        out->parts = 1;
        one.message = &message;
        rc = before ? before(data, e) : 0;
        if (!rc)
            rc = call(run, &one, to + 8, out, out_stopped, e);
    }
    free(message.items.v);
    return rc;
}
