/* Dates and times as clocks on a wall show them: local seconds of zone.h. Pure. */
#ifndef TG_CALENDAR_LOCAL_H
#define TG_CALENDAR_LOCAL_H

#include "calendar/zone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 1900-01-01 … 2199-12-31, as days since 1970-01-01; false for a date that there is not (30 February). */
bool tg_date_of(int year, int month, int day, int64_t *out);
void tg_date_parts(int64_t date, int *out_year, int *out_month, int *out_day);
/* "2026-11-30" → days since 1970-01-01. TG_E_DATA. And back; returns out. size ≥ 16. */
int tg_date_parse(const char *text, int64_t *out, struct tg_error *e);
const char *tg_date_format(int64_t date, char *out, size_t size);
/* "2026-11-22", "2026-11-22 22:00", "2026-11-22T22:00:30": false and nothing written for anything else, a zone behind it included. */
bool tg_local_parse(const char *text, int64_t *out_local_s, bool *out_has_time);
/* "2026-11-22 22:00", with seconds when there are some. size ≥ 32. */
void tg_local_format(int64_t local_s, char *out, size_t size);
/* What clocks there show at a Unix time. */
int64_t tg_local_of(const struct tg_zone *zone, int64_t wall_s);
/* And the time at which they show it. */
int64_t tg_local_wall_s(const struct tg_zone *zone, int64_t local_s, enum tg_zone_which which);

#endif
