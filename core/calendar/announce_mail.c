/* A message as a mail: see announce_mail.h. */
#include "calendar/announce_mail.h"

#include "base/base64.h"
#include "base/sha256.h"
#include "base/shown.h"
#include "calendar/export.h"
#include "calendar/local.h"

#include <stdio.h>
#include <string.h>

#define CRLF "\r\n"
#define WORD_BYTES 39 /* in an encoded word of a header: at most 75 characters */
#define QP_COLUMNS 74
#define SUMMARY_HOSTS 60
#define DESCRIPTION_HOSTS 2000

bool tg_announce_address_ok(const char *address)
{
    const char *at = strchr(address, '@');
    size_t len = strlen(address);

    if (!at || at == address || !at[1] || strchr(at + 1, '@') || len > 254 || at - address > 64)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char) address[i] <= ' ' || (unsigned char) address[i] >= 127 || strchr("<>()[],;:\\\"", address[i]))
            return false;
    return address[0] != '-';
}

const char *tg_announce_message_id(const struct tg_thread *t, const struct tg_announce_sender *s, char *out)
{
    char name[TG_THREAD_NAME_SIZE];
    const char *at = strchr(s->address, '@');

    tg_thread_name(t->source, t->customer, name);
    snprintf(out, TG_ANNOUNCE_ID_SIZE, "%lld%s.%llx.%s.%.8s@%.36s", (long long) t->message->sequence, t->message->with_missed ? "m" : "", (unsigned long long) t->message->at_ms,
             name, s->realm, at ? at + 1 : "localhost");
    return out;
}

/* ---- headers ---- */

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text < ' ' || (unsigned char) *text >= 127)
            return false;
    return true;
}

/* RFC 2047, cut between characters. */
static void put_encoded(const char *text, struct tg_buf *out)
{
    bool first = true;

    while (*text) {
        size_t n = 0, len;
        long point;
        while ((len = tg_char_at(text + n, &point)) && n + len <= WORD_BYTES)
            n += len;
        tg_buf_puts(out, first ? "=?UTF-8?B?" : CRLF " =?UTF-8?B?");
        tg_base64(out, text, n, 0);
        tg_buf_puts(out, "?=");
        text += n;
        first = false;
    }
}

/* Words, folded; what is not ASCII, or would be taken for encoded, is encoded. */
static void put_unstructured(const char *name, const char *text, struct tg_buf *out)
{
    size_t column = strlen(name) + 2;

    tg_buf_printf(out, "%s: ", name);
    if (!is_plain(text) || strstr(text, "=?")) {
        put_encoded(text, out);
        tg_buf_puts(out, CRLF);
        return;
    }
    for (const char *p = text; *p;) {
        size_t blanks = strspn(p, " "), n = blanks + strcspn(p + blanks, " ");
        if (n == blanks) /* nothing but blanks is left: a folded line of them is no line */
            break;
        if (p > text && column + n > 76) {
            tg_buf_puts(out, CRLF);
            column = 0;
        }
        tg_buf_add(out, p, n);
        column += n;
        p += n;
    }
    tg_buf_puts(out, CRLF);
}

static void put_mailbox(const char *header, const char *name, const char *address, struct tg_buf *out)
{
    tg_buf_printf(out, "%s: ", header);
    if (name[0] && !is_plain(name)) {
        put_encoded(name, out);
        tg_buf_puts(out, CRLF " ");
    } else if (name[0]) {
        tg_buf_putc(out, '"');
        for (const char *p = name; *p; p++)
            tg_buf_printf(out, strchr("\"\\", *p) ? "\\%c" : "%c", *p);
        tg_buf_puts(out, strlen(name) + strlen(address) < 50 ? "\" " : "\"" CRLF " ");
    }
    tg_buf_printf(out, "<%s>" CRLF, address);
}

static void put_date(int64_t ms, struct tg_buf *out)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t s = ms / 1000, date = s / TG_DAY_S, of_day = s % TG_DAY_S;
    int year, month, day;

    tg_date_parts(date, &year, &month, &day);
    tg_buf_printf(out, "Date: %s, %d %s %04d %02d:%02d:%02d +0000" CRLF, days[tg_weekday(date)], day, months[month - 1], year, (int) (of_day / 3600), (int) (of_day / 60 % 60),
                  (int) (of_day % 60));
}

static void put_to(const struct tg_thread_message *m, struct tg_buf *out)
{
    bool first = true;

    for (size_t i = 0; i < m->n_recipients; i++) {
        if (tg_recipient_is_hook(&m->recipients[i]))
            continue;
        tg_buf_printf(out, "%s%s", first ? "To: " : "," CRLF " ", m->recipients[i].to);
        first = false;
    }
    tg_buf_puts(out, first ? "To: undisclosed-recipients:;" CRLF : CRLF);
}

/* ---- parts ---- */

static void put_quoted_char(const char *p, size_t *column, struct tg_buf *out)
{
    unsigned char c = (unsigned char) *p;
    bool last = !p[1] || p[1] == '\n', plain = (c >= ' ' && c < 127 && c != '=') || c == '\t';

    if ((c == ' ' || c == '\t') && last)
        plain = false;
    if (*column == 0 && (c == '.' || strncmp(p, "From ", 5) == 0)) /* for whoever passes it on and knows no better */
        plain = false;
    if (*column + (plain ? 1 : 3) > QP_COLUMNS) {
        tg_buf_puts(out, "=" CRLF);
        *column = 0;
    }
    if (plain)
        tg_buf_putc(out, (char) c);
    else
        tg_buf_printf(out, "=%02X", c);
    *column += plain ? 1 : 3;
}

static void put_quoted(const char *text, struct tg_buf *out)
{
    size_t column = 0;

    for (const char *p = text; *p; p++) {
        if (*p == '\n') {
            tg_buf_puts(out, CRLF);
            column = 0;
        } else {
            put_quoted_char(p, &column, out);
        }
    }
    if (column)
        tg_buf_puts(out, CRLF);
}

static void put_text_part(const char *text, struct tg_buf *out)
{
    tg_buf_puts(out, "Content-Type: text/plain; charset=utf-8" CRLF "Content-Transfer-Encoding: quoted-printable" CRLF CRLF);
    put_quoted(text, out);
}

static void make_ics(const struct tg_thread *t, const struct tg_announce_sender *s, const struct tg_thread_item *item, struct tg_buf *out)
{
    const struct tg_thread_message *m = t->message;
    const char *attendees[TG_RECIPIENTS_MAX];
    char uid[TG_ANNOUNCE_UID_SIZE];
    struct tg_buf summary = TG_BUF_INIT, description = TG_BUF_INIT;
    struct tg_ics_invite v = {.cancel = item->kind == TG_ANNOUNCE_CANCELLED, .uid = uid, .sequence = m->sequence, .from_ms = item->event.from_ms, .until_ms = item->event.until_ms,
                              .now_ms = m->at_ms, .organizer = s->address, .organizer_name = s->name, .attendees = attendees};

    tg_thread_uid(t, s->realm, item->event.key, uid);
    for (size_t i = 0; i < m->n_recipients; i++)
        if (!tg_recipient_is_hook(&m->recipients[i]))
            attendees[v.n_attendees++] = m->recipients[i].to;
    tg_buf_printf(&summary, "Maintenance%s%s: ", item->event.activity[0] && strcmp(item->event.activity, "maintenance") != 0 ? " " : "",
                  strcmp(item->event.activity, "maintenance") != 0 ? item->event.activity : "");
    tg_announce_hosts(&item->event, SUMMARY_HOSTS, &summary);
    tg_announce_hosts(&item->event, DESCRIPTION_HOSTS, &description);
    if (item->event.reason[0])
        tg_buf_printf(&description, "\n%s", item->event.reason);
    v.summary = tg_buf_text(&summary);
    v.description = tg_buf_text(&description);
    tg_ics_invite(out, &v);
    tg_buf_release(&summary);
    tg_buf_release(&description);
}

static void put_ics_part(const struct tg_thread *t, const struct tg_announce_sender *s, const struct tg_thread_item *item, bool attached, struct tg_buf *out)
{
    const char *method = item->kind == TG_ANNOUNCE_CANCELLED ? "CANCEL" : "REQUEST";
    struct tg_buf ics = TG_BUF_INIT;

    make_ics(t, s, item, &ics);
    tg_buf_printf(out, "Content-Type: text/calendar; charset=utf-8; method=%s%s" CRLF "Content-Transfer-Encoding: base64" CRLF, method, attached ? ";" CRLF " name=\"maintenance.ics\"" : "");
    if (attached)
        tg_buf_puts(out, "Content-Disposition: attachment; filename=\"maintenance.ics\"" CRLF);
    tg_buf_puts(out, CRLF);
    tg_base64(out, tg_buf_text(&ics), ics.len, 76);
    tg_buf_release(&ics);
}

static void put_body(const struct tg_thread *t, const struct tg_announce_sender *s, const char *text, const char *boundary, struct tg_buf *out)
{
    const struct tg_thread_items *items = &t->message->items;
    bool one = items->n == 1;

    tg_buf_printf(out, "Content-Type: multipart/mixed; boundary=\"%s\"" CRLF CRLF "--%s" CRLF, boundary, boundary);
    if (one) { /* programs that show an invitation look for it beside the text, not behind it */
        tg_buf_printf(out, "Content-Type: multipart/alternative; boundary=\"%s-a\"" CRLF CRLF "--%s-a" CRLF, boundary, boundary);
        put_text_part(text, out);
        tg_buf_printf(out, "--%s-a" CRLF, boundary);
        put_ics_part(t, s, &items->v[0], false, out);
        tg_buf_printf(out, "--%s-a--" CRLF, boundary);
    } else {
        put_text_part(text, out);
    }
    for (size_t i = 0; i < items->n && i < TG_ANNOUNCE_ICS_MAX; i++) {
        tg_buf_printf(out, "--%s" CRLF, boundary);
        put_ics_part(t, s, &items->v[i], true, out);
    }
    tg_buf_printf(out, "--%s--" CRLF, boundary);
}

int tg_announce_mail(const struct tg_thread *t, const struct tg_announce_sender *s, struct tg_buf *out, struct tg_error *e)
{
    struct tg_buf subject = TG_BUF_INIT, text = TG_BUF_INIT;
    char id[TG_ANNOUNCE_ID_SIZE], hex[TG_SHA256_HEX], boundary[40];
    int rc = tg_template_fill(s->templates->of[t->message->kind], t, &s->view, &subject, &text, e);

    if (!rc) {
        tg_announce_message_id(t, s, id);
        tg_sha256_hex(id, strlen(id), hex);
        snprintf(boundary, sizeof boundary, "=_%.24s", hex); /* "=_" can't stand in quoted-printable or base 64 */
        put_mailbox("From", s->name, s->address, out);
        put_to(t->message, out);
        if (s->reply_to[0])
            put_mailbox("Reply-To", "", s->reply_to, out);
        put_unstructured("Subject", tg_buf_text(&subject), out);
        put_date(t->message->at_ms, out);
        tg_buf_printf(out, "Message-ID: <%s>" CRLF "MIME-Version: 1.0" CRLF "Auto-Submitted: auto-generated" CRLF, id);
        put_body(t, s, tg_buf_text(&text), boundary, out);
        rc = tg_buf_ok(out, e);
    }
    tg_buf_release(&subject);
    tg_buf_release(&text);
    if (!rc && out->len > TG_ANNOUNCE_MAIL_MAX)
        rc = tg_fail(e, TG_E_DATA, "the mail has %zu bytes, and at most %u can be", out->len, TG_ANNOUNCE_MAIL_MAX);
    return rc;
}
