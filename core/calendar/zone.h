/* Time zones: UTC by itself, the others from the module "calendar". Pure but for loading it. */
#ifndef TG_CALENDAR_ZONE_H
#define TG_CALENDAR_ZONE_H

#include <tagout/zone.h>

#define TG_DAY_S INT64_C(86400)

struct tg_zone {
    const struct tg_zone_backend *backend; /* NULL: UTC */
    const void *zone;
};

/* Whole seconds of milliseconds, also before 1970. */
static inline int64_t tg_floor_s(int64_t ms)
{
    return ms / 1000 - (ms % 1000 < 0);
}

/* TG_E_DATA: no such zone, with a hint. TG_E_CONFIG: the module is missing. */
int tg_zone_find(const char *name, struct tg_zone *out, struct tg_error *e);
/* How far local time is ahead of UTC. */
int64_t tg_zone_offset_s(const struct tg_zone *zone, int64_t wall_s);
/* The date there, in days since 1970-01-01. */
int64_t tg_zone_date(const struct tg_zone *zone, int64_t wall_s);
/* 0 Monday … 6 Sunday */
int tg_weekday(int64_t date);

/*
 * When clocks there show a date and a second of the day. Where they show it twice (the end of summer time) the last time, or the first;
 * where they skip it, the moment at which they do. TG_ZONE_ICAL, as RFC 5545 has it: the first time; what is skipped is as if clocks had
 * not been set (02:30 is the moment at which they show 03:30).
 */
enum tg_zone_which { TG_ZONE_FIRST, TG_ZONE_LAST, TG_ZONE_ICAL };
int64_t tg_zone_wall_s(const struct tg_zone *zone, int64_t date, int64_t second, enum tg_zone_which which);

#endif
