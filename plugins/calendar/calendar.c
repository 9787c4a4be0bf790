/* The module "calendar": time zones, from libical and the system's tz database. */
#include <tagout/module.h>

#include <libical/ical.h>
#include <string.h>

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

static int32_t offset_s(const void *zone, int64_t wall_s)
{
    struct icaltimetype utc = icaltime_from_timet_with_zone((time_t) wall_s, 0, icaltimezone_get_utc_timezone());
    int is_daylight = 0;

    return icaltimezone_get_utc_offset_of_utc_time((icaltimezone *) (uintptr_t) zone, &utc, &is_daylight);
}

static const struct tg_zone_backend zones = {.version = TG_ZONE_ABI, .about = "time zones by libical", .find = find, .offset_s = offset_s};

extern TG_MODULE_EXPORT const struct tg_module tagout_module;
const struct tg_module tagout_module = {.abi = TG_MODULE_ABI, .name = "calendar", .release = TG_RELEASE, .zones = &zones};
