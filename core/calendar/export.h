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

#endif
