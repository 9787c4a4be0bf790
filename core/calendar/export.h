/* Stretches of time as an .ics file, for calendars of others. */
#ifndef TG_CALENDAR_EXPORT_H
#define TG_CALENDAR_EXPORT_H

#include "base/buf.h"
#include "calendar/spans.h"

/* All text is plain, and escaped here. */
struct tg_ics_out {
    const char *name;        /* X-WR-CALNAME: "tagout: customer:acme" */
    int64_t now_ms;          /* DTSTAMP */
};
/* Begins, adds an event for each stretch (in UTC; its uid made of key and begin, the same every time), ends. Lines are folded at 75 bytes. */
void tg_ics_begin(struct tg_buf *out, const struct tg_ics_out *head);
void tg_ics_add(struct tg_buf *out, const struct tg_ics_out *head, const char *key, const char *summary, const char *description, const struct tg_spans *spans);
void tg_ics_end(struct tg_buf *out);

/*
 * One event for the calendars of those who are to know of it (iTIP, RFC 5546): REQUEST puts it there or moves it, CANCEL takes it out. Who has the same
 * uid with a greater sequence ignores it.
 */
struct tg_ics_invite {
    bool cancel;
    bool for_one;                           /* of a cancel: the event takes place, and its attendees are none any more (RFC 5546, 3.2.5) */
    const char *uid;
    int64_t sequence;
    int64_t from_ms, until_ms, now_ms;
    const char *summary, *description;
    const char *organizer, *organizer_name; /* an address; a name, or "" */
    const char *const *attendees;           /* addresses */
    size_t n_attendees;
};
void tg_ics_invite(struct tg_buf *out, const struct tg_ics_invite *invite);

#endif
