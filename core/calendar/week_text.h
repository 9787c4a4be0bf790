/* A maintenance week for people: a table of its slots, how many hosts a day, and the slots across the week. Pure. */
#ifndef TG_CALENDAR_WEEK_TEXT_H
#define TG_CALENDAR_WEEK_TEXT_H

#include "calendar/week.h"

#include <jansson.h>

struct tg_week_paint {
    int width;       /* columns; the chart has at least 40 and at most 120 */
    bool cut;        /* a terminal: lines end at width, and a long week is summed up */
    bool colour;
    int64_t now_ms;  /* marked, when it is within the week; 0: not */
};

/* Appends. TG_E_MEMORY. */
int tg_week_text(const struct tg_week *week, const struct tg_week_paint *paint, struct tg_buf *out, struct tg_error *e);
/* All of it (week_json.c); NULL: memory. */
json_t *tg_week_json(const struct tg_week *week);

/* Days on which slots begin, from the first to the last of them, in their own zones: what charts have as columns. */
struct tg_week_days {
    int64_t first;
    size_t n;            /* 1 … 8 */
    uint32_t hosts[8], slots[8];
    uint32_t most;       /* of hosts */
    char zone[TG_ZONE_NAME_SIZE]; /* of all slots, or UTC */
    bool one_zone;
};
void tg_week_days(const struct tg_week *week, struct tg_week_days *out);
/* A name (ASCII) in at most so many letters, ≥ 3: "slot-wi…name-07". size ≥ max + 3. Returns out. */
const char *tg_week_short(const char *name, size_t max, char *out, size_t size);
/* "Mon 30 Nov". size ≥ 16. Returns out. */
const char *tg_day_format(int64_t date, char *out, size_t size);
/* Of n days: "Mon 23 Nov to Sun 29 Nov 2026", "Mon 23 Nov 2026", "Mon 28 Dec 2026 to Sun 3 Jan 2027". size ≥ 64. Returns out. */
const char *tg_days_format(int64_t first, size_t n, char *out, size_t size);
/* "09:00-13:00", "22:00-02:00 Tue", as clocks of its zone show it. size ≥ 40. */
const char *tg_week_hours(const struct tg_week_slot *slot, char *out, size_t size);

#endif
