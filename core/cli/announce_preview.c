/* tagout announce preview: the mail as it would be sent. */
#include "cli/announce.h"
#include "cli/announce_sample.h"
#include "config/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)

static int take(struct tg_thread *t, enum tg_announce_kind kind, int64_t from_ms, const char *reason, struct tg_error *e)
{
    const struct tg_announcement a = {.kind = kind, .source = "example", .event = "example", .customer = "example", .hosts = "web[001-003].example.com", .activity = "reboot",
                                      .from_ms = from_ms, .until_ms = from_ms + 2 * HOUR_MS, .reason = reason, .by = "", .at_ms = 0};

    return tg_thread_take(t, &a, 1, e);
}

int tg_announce_sample(enum tg_announce_kind kind, const char *to, int64_t now_ms, struct tg_thread **out, struct tg_error *e)
{
    static const struct tg_receipt_key key = {.bytes = "an example of it", .len = 16};
    static const struct tg_retry retry = {.first_ms = HOUR_MS, .longest_ms = HOUR_MS, .give_up_ms = HOUR_MS};
    int64_t from = (now_ms / HOUR_MS + 24) * HOUR_MS;
    struct tg_thread *t;
    int rc = tg_thread_new("example", "example", 0, &t, e);

    if (rc)
        return rc;
    t->key = &key;
    if (kind != TG_ANNOUNCE_SCHEDULED) { /* what came before */
        rc = take(t, TG_ANNOUNCE_SCHEDULED, from, "", e);
        if (!rc)
            rc = tg_thread_settle(t, &to, 1, now_ms, e);
        if (!rc)
            rc = tg_thread_heard(t, e);
        if (!rc)
            rc = tg_thread_tried(t, 0, 1, &retry, TG_TRY_SENT, "", now_ms, e);
    }
    if (!rc && kind != TG_ANNOUNCE_FORMER)
        rc = take(t, kind, kind == TG_ANNOUNCE_SCHEDULED || kind == TG_ANNOUNCE_CANCELLED ? from : from + HOUR_MS,
                  kind == TG_ANNOUNCE_SCHEDULED || kind == TG_ANNOUNCE_CHANGED ? "" : "an example of a reason", e);
    if (!rc)
        rc = tg_thread_settle(t, &to, kind != TG_ANNOUNCE_FORMER, now_ms, e);
    if (rc) {
        tg_thread_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

static bool kind_of(const char *name, enum tg_announce_kind *out)
{
    for (int k = 0; k < TG_ANNOUNCE_WEEK; k++)
        if (strcmp(tg_announce_kind_name((enum tg_announce_kind) k), name) == 0) {
            *out = (enum tg_announce_kind) k;
            return true;
        }
    return false;
}

/* As it would be made now. */
static int of_thread(struct tg_frame *f, const struct tg_announce_run *run, struct tg_thread **out, struct tg_error *e)
{
    char path[TG_ANNOUNCE_NODE_SIZE], **to = NULL;
    struct tg_thread *t = NULL;
    size_t n = 0;
    bool known;
    int rc = tg_announce_named(&run->place, f->argv[1], true, path, sizeof path, e);

    if (rc == TG_E_NOENT) {
        e->hint[0] = '\0';
        tg_error_hint(e, "tagout announce list --all has them; kinds are scheduled, changed, cancelled, late, done and former");
    }
    if (!rc)
        rc = tg_announce_read(&run->place, path, &t, e);
    if (!rc)
        rc = tg_announce_recipients(run, t->customer, &to, &n, &known, e);
    if (!rc)
        rc = tg_thread_settle(t, (const char *const *) to, n, tg_wall_ms(tg_loop_clock(f->loop)), e);
    tg_announce_recipients_free(to, n);
    if (!rc && !t->message)
        rc = tg_fail(e, TG_E_NOENT, "of %s there is nothing to tell %s now", t->source, t->customer);
    if (rc) {
        tg_thread_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

/* Whose mail is shown: the first who waits for one. */
static const struct tg_recipient *reader_of(const struct tg_thread_message *m)
{
    static const struct tg_recipient nobody = {.to = NULL};
    const struct tg_recipient *first = &nobody;

    for (size_t i = 0; i < m->n_recipients; i++)
        if (!tg_recipient_is_hook(&m->recipients[i]) && (first == &nobody || (first->state != TG_RECIPIENT_WAITING && m->recipients[i].state == TG_RECIPIENT_WAITING)))
            first = &m->recipients[i];
    return first;
}

static int print_json(const struct tg_thread *t, const struct tg_announce_run *run, size_t parts, struct tg_error *e)
{
    struct tg_buf subject = TG_BUF_INIT, text = TG_BUF_INIT;
    int rc = tg_template_fill(run->sender.templates->of[t->message->kind], t, &run->sender.view, &subject, &text, e);

    if (!rc)
        rc = tg_print_json(json_pack("{s:s,s:s,s:I,s:o}", "subject", tg_buf_text(&subject), "text", tg_buf_text(&text), "mails", (json_int_t) parts, "webhook",
                                     tg_announce_json(t, &run->sender)), e);
    tg_buf_release(&subject);
    tg_buf_release(&text);
    return rc;
}

static int print_mail(const struct tg_thread *t, const struct tg_announce_run *run, struct tg_error *e)
{
    struct tg_buf mail = TG_BUF_INIT;
    int rc = tg_announce_mail(t, &run->sender, &mail, e);

    for (const char *p = tg_buf_text(&mail); !rc && *p; p++)
        if (*p != '\r')
            putchar(*p);
    tg_buf_release(&mail);
    return rc;
}

static int print(const struct tg_frame *f, const struct tg_thread *t, const struct tg_announce_run *run, struct tg_error *e)
{
    struct tg_thread_message m, part;
    struct tg_thread one = *t;
    int rc = tg_thread_message_for(t, reader_of(t->message), &m, e);

    if (rc)
        return rc;
    one.message = &part;
    for (size_t i = 0; !rc && i < (f->json ? 1 : m.parts); i++) {
        part = tg_thread_message_part(&m, i);
        if (f->json)
            rc = print_json(&one, run, m.parts, e);
        else
            rc = print_mail(&one, run, e);
    }
    free(m.items.v);
    return rc;
}

int tg_announce_verb_preview(struct tg_frame *f, struct tg_error *e)
{
    struct tg_announce_site site = {.url = NULL};
    struct tg_announce_run run = {.realm = "preview"};
    struct tg_thread *t = NULL;
    enum tg_announce_kind kind = TG_ANNOUNCE_SCHEDULED;
    bool sample = kind_of(f->argv[1], &kind);
    int rc = sample ? tg_announce_site_read(f->config->announce, &f->problems, &site, e) : tg_announce_store(f, &run.place, e);

    run.loop = f->loop;
    run.site = &site;
    if (!rc)
        rc = sample ? tg_announce_open(&run, &f->problems, e) : tg_announce_ready(f, &site, &run, e);
    if (!rc)
        rc = sample ? tg_announce_sample(kind, site.from_address, tg_wall_ms(tg_loop_clock(f->loop)), &t, e) : of_thread(f, &run, &t, e);
    if (!rc)
        rc = print(f, t, &run, e);
    tg_thread_free(t);
    tg_announce_close_run(&run);
    tg_announce_site_release(&site);
    return rc;
}
