/* Time zones: see zone.h. */
#include "calendar/zone.h"

#include "base/module.h"

#include <stdbool.h>
#include <string.h>

int tg_zone_find(const char *name, struct tg_zone *out, struct tg_error *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
    struct tg_zone zone = {NULL, NULL};

    if (strcmp(name, "UTC") == 0) {
        *out = zone;
        return 0;
    }
    if (!name[0] || strlen(name) >= TG_ZONE_NAME_SIZE || name[strspn(name, allowed)]) {
        tg_fail(e, TG_E_DATA, "\"%.80s\" is no time zone", name);
        tg_error_hint(e, "a name of the tz database, such as UTC or Europe/Berlin");
        return TG_E_DATA;
    }
    int rc = tg_zone_backend_find(&zone.backend, e);
    if (!rc)
        rc = zone.backend->find(name, &zone.zone, e);
    if (!rc)
        *out = zone;
    return rc;
}

int64_t tg_zone_offset_s(const struct tg_zone *zone, int64_t wall_s)
{
    return zone->backend ? zone->backend->offset_s(zone->zone, wall_s) : 0;
}

int64_t tg_zone_date(const struct tg_zone *zone, int64_t wall_s)
{
    int64_t local = wall_s + tg_zone_offset_s(zone, wall_s), date = local / TG_DAY_S;

    return date - (local % TG_DAY_S < 0);
}

int tg_weekday(int64_t date)
{
    return (int) (((date + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

/* Clocks are set somewhere in (from, to], from one offset to another: when? */
static int64_t change_between(const struct tg_zone *zone, int64_t from, int64_t to)
{
    int64_t before = tg_zone_offset_s(zone, from);

    while (to - from > 1) {
        int64_t middle = from + (to - from) / 2;
        if (tg_zone_offset_s(zone, middle) == before)
            from = middle;
        else
            to = middle;
    }
    return to;
}

/* Clocks are set at most once in two days: what holds a day before and a day after are all the offsets there are. */
int64_t tg_zone_wall_s(const struct tg_zone *zone, int64_t date, int64_t second, enum tg_zone_which which)
{
    int64_t local = date * TG_DAY_S + second;
    int64_t one = local - tg_zone_offset_s(zone, local - TG_DAY_S), other = local - tg_zone_offset_s(zone, local + TG_DAY_S);
    int64_t first = one < other ? one : other, last = one < other ? other : one;
    bool first_is = first + tg_zone_offset_s(zone, first) == local, last_is = last + tg_zone_offset_s(zone, last) == local;

    if (first_is && last_is)
        return which == TG_ZONE_LAST ? last : first;
    if (first_is || last_is)
        return first_is ? first : last;
    if (which == TG_ZONE_ICAL)
        return one; /* by what holds before */
    return change_between(zone, first - 1, last);
}
