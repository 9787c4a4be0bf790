/* Writing .ics (RFC 5545): see export.h. */
#include "calendar/export.h"

#include "base/sha256.h"
#include "base/shown.h"
#include "calendar/local.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 75

/* A line, folded between characters. */
static void put_line(struct tg_buf *out, const char *text)
{
    size_t column = 0;
    long point;

    for (size_t len; (len = tg_char_at(text, &point)); text += len) {
        if (column + len > LINE_MAX_BYTES) {
            tg_buf_puts(out, "\r\n ");
            column = 1;
        }
        tg_buf_add(out, text, len);
        column += len;
    }
    tg_buf_puts(out, "\r\n");
}

static void put_text(struct tg_buf *out, const char *name, const char *value)
{
    struct tg_buf line = TG_BUF_INIT;

    tg_buf_printf(&line, "%s:", name);
    for (const char *p = value; *p; p++) {
        if (strchr("\\;,", *p))
            tg_buf_putc(&line, '\\');
        if (*p == '\n')
            tg_buf_puts(&line, "\\n");
        else if ((unsigned char) *p >= ' ' && *p != 127)
            tg_buf_putc(&line, *p);
    }
    put_line(out, tg_buf_text(&line));
    tg_buf_release(&line);
}

static void put_time(struct tg_buf *out, const char *name, int64_t ms)
{
    int64_t s = ms / 1000, date = s / TG_DAY_S, of_day = s % TG_DAY_S;
    int year, month, day;

    tg_date_parts(date, &year, &month, &day);
    tg_buf_printf(out, "%s:%04d%02d%02dT%02d%02d%02dZ\r\n", name, year, month, day, (int) (of_day / 3600), (int) (of_day / 60 % 60), (int) (of_day % 60));
}

void tg_ics_begin(struct tg_buf *out, const struct tg_ics_out *head)
{
    tg_buf_puts(out, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tagout//tagout//EN\r\nCALSCALE:GREGORIAN\r\n");
    put_text(out, "X-WR-CALNAME", head->name);
}

void tg_ics_add(struct tg_buf *out, const struct tg_ics_out *head, const char *key, const char *summary, const char *description, const struct tg_spans *spans)
{
    for (size_t i = 0; i < spans->n; i++) {
        struct tg_buf id = TG_BUF_INIT;
        char hex[TG_SHA256_HEX], uid[64];
        tg_buf_printf(&id, "%s %lld", key, (long long) spans->list[i].from_ms);
        tg_sha256_hex(tg_buf_text(&id), id.len, hex);
        tg_buf_release(&id);
        snprintf(uid, sizeof uid, "%.32s@tagout", hex);
        tg_buf_puts(out, "BEGIN:VEVENT\r\n");
        put_text(out, "UID", uid);
        put_time(out, "DTSTAMP", head->now_ms);
        put_time(out, "DTSTART", spans->list[i].from_ms);
        put_time(out, "DTEND", spans->list[i].until_ms);
        put_text(out, "SUMMARY", summary);
        put_text(out, "DESCRIPTION", description);
        tg_buf_puts(out, "TRANSP:TRANSPARENT\r\nEND:VEVENT\r\n");
    }
}

/* A calendar has at least one component (RFC 5545, 3.6): without an event, the zone of the events that there are none of. */
void tg_ics_end(struct tg_buf *out)
{
    if (!strstr(tg_buf_text(out), "\r\nBEGIN:VEVENT\r\n"))
        tg_buf_puts(out, "BEGIN:VTIMEZONE\r\nTZID:UTC\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0000\r\nTZOFFSETTO:+0000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n");
    tg_buf_puts(out, "END:VCALENDAR\r\n");
}

/* ---- iTIP ---- */

/* "ORGANIZER;CN="…":mailto:…". What a quoted parameter can't hold is left out. */
static void put_person(struct tg_buf *out, const char *what, const char *name, const char *address)
{
    struct tg_buf line = TG_BUF_INIT;

    tg_buf_puts(&line, what);
    if (name[0]) {
        tg_buf_puts(&line, ";CN=\"");
        for (const char *p = name; *p; p++)
            if ((unsigned char) *p >= ' ' && *p != 127 && *p != '"')
                tg_buf_putc(&line, *p);
        tg_buf_putc(&line, '"');
    }
    tg_buf_puts(&line, ":mailto:");
    for (const char *p = address; *p; p++) /* a URI: RFC 6068 */
        tg_buf_printf(&line, (unsigned char) *p >= 128 || strchr("%?#/&`{}|^ ", *p) ? "%%%02X" : "%c", (unsigned char) *p);
    put_line(out, tg_buf_text(&line));
    tg_buf_release(&line);
}

void tg_ics_invite(struct tg_buf *out, const struct tg_ics_invite *v)
{
    tg_buf_puts(out, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tagout//tagout//EN\r\nCALSCALE:GREGORIAN\r\n");
    tg_buf_printf(out, "METHOD:%s\r\nBEGIN:VEVENT\r\n", v->cancel ? "CANCEL" : "REQUEST");
    put_text(out, "UID", v->uid);
    tg_buf_printf(out, "SEQUENCE:%lld\r\n", (long long) v->sequence);
    put_time(out, "DTSTAMP", v->now_ms);
    put_time(out, "DTSTART", v->from_ms);
    put_time(out, "DTEND", v->until_ms);
    put_text(out, "SUMMARY", v->summary);
    put_text(out, "DESCRIPTION", v->description);
    put_person(out, "ORGANIZER", v->organizer_name, v->organizer);
    for (size_t i = 0; i < v->n_attendees; i++)
        put_person(out, "ATTENDEE;ROLE=NON-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=FALSE", "", v->attendees[i]);
    if (!v->cancel || !v->for_one)
        tg_buf_printf(out, "STATUS:%s\r\n", v->cancel ? "CANCELLED" : "CONFIRMED");
    tg_buf_puts(out, "TRANSP:TRANSPARENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
}
