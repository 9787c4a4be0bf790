/*
 * Hours of work: on which days of the week, from when until when, in which zone ("Mon-Thu 09:00-16:00 Europe/Berlin"). Pure.
 *
 * A day's hours are named by the date they begin on, also when they end on the next one (22:00-04:00). They are open only while clocks there
 * show a time within them: what clocks show twice begins with the last and ends with the first, what they skip is not.
 */
#ifndef TG_CALENDAR_HOURS_H
#define TG_CALENDAR_HOURS_H

#include "calendar/zone.h"

#include <stdbool.h>
#include <stddef.h>

#define TG_HOURS_ALL_DAYS 127u

struct tg_hours {
    unsigned days;      /* bit 0 Monday … bit 6 Sunday; 0: there are none, nothing is held back */
    int from_min;       /* of the day: 0 … 1439 */
    int until_min;      /* 1 … 1440; not more than from_min: of the next day */
    char zone[TG_ZONE_NAME_SIZE];
};

struct tg_hours_span {
    bool open;
    int64_t until_ms;   /* Unix time when that ends; always later than what was asked for */
    int64_t date;       /* open: the date they began on, in days since 1970-01-01 */
};

/* Open or closed at this time, and until when. TG_E_DATA, TG_E_CONFIG: the zone can't be had on this machine. */
int tg_hours_at(const struct tg_hours *hours, int64_t wall_ms, struct tg_hours_span *out, struct tg_error *e);
/* The length of a day's hours by the clock. */
int64_t tg_hours_length_ms(const struct tg_hours *hours);

/* "Mon-Thu", "Mon,Wed-Fri", "Sat-Mon": false and *out untouched for anything else. Case does not matter. */
bool tg_hours_days_parse(const char *text, size_t len, unsigned *out);
/* "Mon-Thu", "Mon,Wed"; "" for none. size ≥ 32. */
void tg_hours_days_format(unsigned days, char *out, size_t size);
/* "09:00", "24:00" → minutes. */
bool tg_hours_time_parse(const char *text, int *out_min);
/*
 * "Mon-Thu 09:00-16:00 Europe/Berlin"; without a zone, the given one. TG_E_DATA: the error's column says where in the text. Whether there is such a
 * zone is not looked at.
 */
int tg_hours_parse(const char *text, const char *zone, struct tg_hours *out, struct tg_error *e);
/* From and until can't be that: why, or NULL. */
const char *tg_hours_wrong(int from_min, int until_min);
/* "Mon-Thu 09:00-16:00 Europe/Berlin". size ≥ 128. */
void tg_hours_format(const struct tg_hours *hours, char *out, size_t size);

#endif
