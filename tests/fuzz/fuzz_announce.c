/*
 * What the store keeps of announcements, as whoever may write there might leave it: read or refused, whatever is in it; and what is read gives a mail in which
 * no line is longer than it may be, and no header is anybody else's. Seals are set right, or nothing behind them would be reached.
 */
#include "base/seal.h"
#include "calendar/announce_mail.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_mail(const char *mail)
{
    const char *body = strstr(mail, "\r\n\r\n");

    if (!body)
        abort();
    for (const char *p = mail; *p;) {
        size_t len = strcspn(p, "\r\n");
        if (len > 998 || (p[len] && strncmp(p + len, "\r\n", 2) != 0))
            abort();
        if (p < body && (strncasecmp(p, "Bcc", 3) == 0 || strncasecmp(p, "Cc", 2) == 0))
            abort();
        p += p[len] ? len + 2 : len;
    }
}

static void mail_of(const struct tg_thread *t)
{
    static struct tg_templates templates;
    const struct tg_announce_sender s = {.address = "ops@example.com", .name = "", .reply_to = "", .realm = "0", .view = {.zone_name = "UTC"}, .templates = &templates};
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_buf out = TG_BUF_INIT;

    if (!templates.of[0] && tg_templates_load(NULL, &p, &templates, NULL))
        abort();
    if (tg_announce_mail(t, &s, &out, NULL) == 0)
        check_mail(tg_buf_text(&out));
    json_decref(tg_announce_json(t, &s));
    tg_buf_release(&out);
}

static void try_thread(const char *text)
{
    static const struct tg_retry retry = {60000, 3600000, 432000000};
    static const char *const to[] = {"a@b.example", "webhook:x"};
    struct tg_thread *t, *again;
    char *back;

    if (tg_thread_decode(text, strlen(text), &t, NULL))
        return;
    if (t->message)
        mail_of(t);
    if (tg_thread_recover(t, &retry, 1795368000000, NULL) || tg_thread_settle(t, to, 2, 1795368000000, NULL))
        abort();
    if (t->message)
        mail_of(t);
    if (tg_thread_heard(t, NULL))
        abort();
    if (tg_thread_encode(t, &back, NULL) == 0) {
        if (tg_thread_decode(back, strlen(back), &again, NULL))
            abort(); /* what we write we read */
        tg_thread_free(again);
        free(back);
    }
    tg_thread_free(t);
}

static void try_note(const char *text)
{
    struct tg_announce_note note;
    struct tg_thread *t;

    if (tg_announce_note_decode(text, strlen(text), &note, NULL))
        return;
    if (note.a.kind != TG_ANNOUNCE_WEEK && note.a.customer[0]) {
        if (tg_thread_new(note.a.source, note.a.customer, 0, &t, NULL) || tg_thread_take(t, &note.a, 1, NULL))
            abort();
        tg_thread_free(t);
    }
    tg_announce_note_release(&note);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = tg_seal(json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, NULL));

    if (text) {
        try_note(text);
        try_thread(text);
    }
    free(text);
    return 0;
}
