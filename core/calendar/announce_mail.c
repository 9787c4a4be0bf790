/* A message as a mail: see announce_mail.h. */
#include "calendar/announce_mail.h"

#include "base/mailbox.h"
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

/* As mail servers know it. False: it has no such form. */
static bool spell(const struct tg_announce_sender *s, const char *address, char out[TG_ANNOUNCE_ADDRESS_SIZE])
{
    const char *at = strchr(address, '@');

    if (at && !tg_mailbox_is_ascii(at))
        return s->spell && s->spell(address, out, TG_ANNOUNCE_ADDRESS_SIZE, NULL) == 0;
    return (size_t) snprintf(out, TG_ANNOUNCE_ADDRESS_SIZE, "%s", address) < TG_ANNOUNCE_ADDRESS_SIZE;
}

const char *tg_announce_message_id(const struct tg_thread *t, const struct tg_announce_sender *s, char *out)
{
    static const char *const roles[TG_ROLES] = {[TG_ROLE_CONTACT] = "", [TG_ROLE_NEW] = "n", [TG_ROLE_FORMER] = "f"};
    const struct tg_thread_message *m = t->message;
    const char *at = strchr(s->address, '@'), *which = m->with_missed ? "m" : m->one ? roles[m->one->role] : "";
    char name[TG_THREAD_NAME_SIZE], part[24] = "";

    tg_thread_name(t->source, t->customer, t->lane, name);
    if (m->part > 0)
        snprintf(part, sizeof part, "-%zu", m->part + 1);
    snprintf(out, TG_ANNOUNCE_ID_SIZE, "%lld%s%s.%llx.%s.%.8s@%.36s", (long long) m->sequence, which, part, (unsigned long long) m->at_ms, name, s->realm, at ? at + 1 : "localhost");
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
    char quoted[TG_ANNOUNCE_ADDRESS_SIZE + 2];

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
    tg_buf_printf(out, "<%s>" CRLF, tg_mailbox_quoted(address, quoted, sizeof quoted));
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

/*
 * Whom a mail names, as its To and as the attendees of its entries: all who get the message, so that they know of each other; but not those whom its
 * transport can't carry, and not thousands. Who is new, or none any more, is named alone: the others' mail is another. *n at most TG_ANNOUNCE_TO_MAX
 */
struct named {
    char v[TG_ANNOUNCE_TO_MAX][TG_ANNOUNCE_ADDRESS_SIZE];
    size_t n;
};

static bool is_named(const struct tg_thread_message *m, const struct tg_recipient *r)
{
    if (tg_recipient_is_hook(r))
        return false;
    return m->one && (m->one->role != TG_ROLE_CONTACT || m->n_recipients > TG_ANNOUNCE_TO_MAX) ? r == m->one : r->role != TG_ROLE_FORMER;
}

static void name_them(const struct tg_thread_message *m, const struct tg_announce_sender *s, struct named *out)
{
    char own[TG_ANNOUNCE_ADDRESS_SIZE];
    bool utf8 = m->one && m->one->to && spell(s, m->one->to, own) && !tg_mailbox_is_ascii(own);

    out->n = 0;
    for (size_t i = 0; i < m->n_recipients && out->n < TG_ANNOUNCE_TO_MAX; i++)
        if (is_named(m, &m->recipients[i]) && spell(s, m->recipients[i].to, out->v[out->n]) && (utf8 || tg_mailbox_is_ascii(out->v[out->n])))
            out->n++;
}

static void put_to(const struct named *named, struct tg_buf *out)
{
    char quoted[TG_ANNOUNCE_ADDRESS_SIZE + 2];

    for (size_t i = 0; i < named->n; i++)
        tg_buf_printf(out, "%s%s", i ? "," CRLF " " : "To: ", tg_mailbox_quoted(named->v[i], quoted, sizeof quoted));
    tg_buf_puts(out, named->n ? CRLF : "To: undisclosed-recipients:;" CRLF);
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

struct writing {
    const struct tg_thread *t;
    const struct tg_announce_sender *s;
    struct named named;
    struct tg_buf *out;
};

static void make_ics(const struct writing *w, const struct tg_thread_item *item, struct tg_buf *out)
{
    const struct tg_thread *t = w->t;
    const struct tg_thread_message *m = t->message;
    const struct tg_announce_sender *s = w->s;
    const char *attendees[TG_ANNOUNCE_TO_MAX];
    char uid[TG_ANNOUNCE_UID_SIZE];
    struct tg_buf summary = TG_BUF_INIT, description = TG_BUF_INIT;
    struct tg_ics_invite v = {.cancel = item->kind == TG_ANNOUNCE_CANCELLED, .for_one = m->one && m->one->role == TG_ROLE_FORMER, .uid = uid, .sequence = m->sequence, .from_ms = item->event.from_ms, .until_ms = item->event.until_ms,
                              .now_ms = m->at_ms, .organizer = s->address, .organizer_name = s->name, .attendees = attendees};

    tg_thread_uid(t, s->realm, item->event.key, uid);
    for (size_t i = 0; i < w->named.n; i++)
        attendees[v.n_attendees++] = w->named.v[i];
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

static void put_ics_part(const struct writing *w, const struct tg_thread_item *item, bool attached)
{
    struct tg_buf *out = w->out;
    const char *method = item->kind == TG_ANNOUNCE_CANCELLED ? "CANCEL" : "REQUEST";
    struct tg_buf ics = TG_BUF_INIT;

    make_ics(w, item, &ics);
    tg_buf_printf(out, "Content-Type: text/calendar; charset=utf-8; method=%s%s" CRLF "Content-Transfer-Encoding: base64" CRLF, method, attached ? ";" CRLF " name=\"maintenance.ics\"" : "");
    if (attached)
        tg_buf_puts(out, "Content-Disposition: attachment; filename=\"maintenance.ics\"" CRLF);
    tg_buf_puts(out, CRLF);
    tg_base64(out, tg_buf_text(&ics), ics.len, 76);
    tg_buf_release(&ics);
}

static void put_body(const struct writing *w, const char *text, const char *boundary)
{
    const struct tg_thread_items *items = &w->t->message->items;
    struct tg_buf *out = w->out;
    bool one = items->n == 1;

    tg_buf_printf(out, "Content-Type: multipart/mixed; boundary=\"%s\"" CRLF CRLF "--%s" CRLF, boundary, boundary);
    if (one) { /* programs that show an invitation look for it beside the text, not behind it */
        tg_buf_printf(out, "Content-Type: multipart/alternative; boundary=\"%s-a\"" CRLF CRLF "--%s-a" CRLF, boundary, boundary);
        put_text_part(text, out);
        tg_buf_printf(out, "--%s-a" CRLF, boundary);
        put_ics_part(w, &items->v[0], false);
        tg_buf_printf(out, "--%s-a--" CRLF, boundary);
    } else {
        put_text_part(text, out);
    }
    for (size_t i = 0; i < items->n && i < TG_PART_EVENTS; i++) {
        tg_buf_printf(out, "--%s" CRLF, boundary);
        put_ics_part(w, &items->v[i], true);
    }
    tg_buf_printf(out, "--%s--" CRLF, boundary);
}

int tg_announce_mail(const struct tg_thread *t, const struct tg_announce_sender *s, struct tg_buf *out, struct tg_error *e)
{
    struct tg_buf subject = TG_BUF_INIT, text = TG_BUF_INIT;
    char id[TG_ANNOUNCE_ID_SIZE], hex[TG_SHA256_HEX], boundary[40];
    struct writing w = {.t = t, .s = s, .out = out};
    int rc = tg_template_fill(s->templates->of[t->message->kind], t, &s->view, &subject, &text, e);

    if (!rc) {
        name_them(t->message, s, &w.named);
        tg_announce_message_id(t, s, id);
        tg_sha256_hex(id, strlen(id), hex);
        snprintf(boundary, sizeof boundary, "=_%.24s", hex); /* "=_" can't stand in quoted-printable or base 64 */
        put_mailbox("From", s->name, s->address, out);
        put_to(&w.named, out);
        if (s->reply_to[0])
            put_mailbox("Reply-To", "", s->reply_to, out);
        put_unstructured("Subject", tg_buf_text(&subject), out);
        put_date(t->message->at_ms, out);
        tg_buf_printf(out, "Message-ID: <%s>" CRLF "MIME-Version: 1.0" CRLF "Auto-Submitted: auto-generated" CRLF, id);
        put_body(&w, tg_buf_text(&text), boundary);
        rc = tg_buf_ok(out, e);
    }
    tg_buf_release(&subject);
    tg_buf_release(&text);
    if (!rc && out->len > TG_ANNOUNCE_MAIL_MAX)
        rc = tg_fail(e, TG_E_DATA, "the mail has %zu bytes, and at most %u can be", out->len, TG_ANNOUNCE_MAIL_MAX);
    return rc;
}
