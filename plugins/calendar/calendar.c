/* The module "calendar": time zones and recurrences, from libical and the system's tz database. */
#include "recur.h"

#include <string.h>

#define ZONES_MAX 4096 /* defined by files; each some KB, for ever */

/* libical looks it up among those that the system lists, and reads no other file. */
static int find(const char *name, const void **out, struct tg_error *e)
{
    icaltimezone *zone = icaltimezone_get_builtin_timezone(name);

    if (!zone || !icaltimezone_get_component(zone)) {
        tg_fail(e, TG_E_DATA, "there is no time zone \"%.80s\"", name);
        tg_error_hint(e, "a name of the tz database (package tzdata), such as UTC or Europe/Berlin");
        return TG_E_DATA;
    }
    *out = zone;
    return 0;
}

int32_t tg_calendar_offset_s(const void *zone, int64_t wall_s)
{
    struct icaltimetype utc = icaltime_from_timet_with_zone((time_t) wall_s, 0, icaltimezone_get_utc_timezone());
    int is_daylight = 0;

    return zone ? icaltimezone_get_utc_offset_of_utc_time((icaltimezone *) (uintptr_t) zone, &utc, &is_daylight) : 0;
}

/* A zone's rules must come at once: libical expands them year by year, and would look for one that never comes for ever. */
static int define(const char *vtimezone, size_t len, const void **out, struct tg_error *e)
{
    static unsigned defined;
    char *text = strndup(vtimezone, len);
    icalcomponent *c = text ? icalcomponent_new_from_string(text) : NULL;
    icaltimezone *zone = NULL;

    free(text);
    if (!c || icalcomponent_isa(c) != ICAL_VTIMEZONE_COMPONENT || icalcomponent_count_errors(c))
        tg_fail(e, TG_E_DATA, "this VTIMEZONE can't be read");
    else if (tg_calendar_zone_rules(c, e))
        ;
    else if (defined >= ZONES_MAX)
        tg_fail(e, TG_E_DATA, "files define more than %d time zones", ZONES_MAX);
    else if (!(zone = icaltimezone_new()) || !icaltimezone_set_component(zone, c))
        tg_fail(e, TG_E_DATA, "this VTIMEZONE can't be read: it lacks a TZID");
    else {
        defined++;
        *out = zone;
        return 0;
    }
    if (zone)
        icaltimezone_free(zone, 1);
    if (c)
        icalcomponent_free(c);
    return TG_E_DATA;
}

static const struct tg_zone_backend zones = {
    .version = TG_ZONE_ABI,
    .about = "time zones and recurrences by libical",
    .find = find,
    .offset_s = tg_calendar_offset_s,
    .define = define,
    .recur_new = tg_calendar_recur_new,
    .recur_free = tg_calendar_recur_free,
    .recur_expand = tg_calendar_recur_expand,
};

extern TG_MODULE_EXPORT const struct tg_module tagout_module;
const struct tg_module tagout_module = {.abi = TG_MODULE_ABI, .name = "calendar", .release = TG_RELEASE, .zones = &zones};
