/* The module "calendar": time zones of the system's tz database, recurrences by libical. */
#include "recur.h"
#include "tzfile.h"

#include <stdio.h>
#include <string.h>
#include <unicode/ucal.h>

#define ZONES_MAX 4096 /* defined by files; each some KB, for ever */

/* A zone: of the tz database, or by libical what a file defines. For ever. */
struct zone {
    char name[TG_ZONE_NAME_SIZE]; /* "": a file's, or there is a newer one */
    char *text;                   /* VTIMEZONE */
    struct tg_tzfile *system;
    icaltimezone *own;
};
static struct zone **zones_;
static size_t n_zones, n_defined;

static int keep(struct zone *zone, struct tg_error *e)
{
    struct zone **more = realloc(zones_, (n_zones + 1) * sizeof *more);

    if (!more)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    zones_ = more;
    zones_[n_zones++] = zone;
    return 0;
}

static void drop(struct zone *zone)
{
    if (!zone)
        return;
    tg_tzfile_free(zone->system);
    if (zone->own)
        icaltimezone_free(zone->own, 1);
    free(zone->text);
    free(zone);
}

/* As it is now: new zone data is another zone, and who has the one from before keeps that until he asks again. */
static int find(const char *name, const void **out, struct tg_error *e)
{
    struct tg_tzfile *file = NULL;
    struct zone *old = NULL;
    int rc;

    for (size_t i = 0; i < n_zones && !old; i++)
        if (name[0] && strcmp(zones_[i]->name, name) == 0)
            old = zones_[i];
    if (old && !tg_tzfile_has_changed(old->system, name))
        return *out = old, 0;
    if ((rc = tg_tzfile_load(name, &file, e)) != 0)
        return rc;
    struct zone *zone = calloc(1, sizeof *zone);
    if (!zone) {
        tg_tzfile_free(file);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    zone->system = file;
    snprintf(zone->name, sizeof zone->name, "%s", name);
    if ((rc = keep(zone, e)) != 0) {
        drop(zone);
        return rc;
    }
    if (old)
        old->name[0] = '\0';
    *out = zone;
    return 0;
}

/* By Unicode's table, which Debian updates with the zones themselves. */
static int find_windows(const char *name, char *out, size_t size, struct tg_error *e)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar id[TG_ZONE_NAME_SIZE], found[TG_ZONE_NAME_SIZE];
    size_t len = strlen(name);
    int32_t n = 0;

    for (size_t i = 0; i < len && len < TG_ZONE_NAME_SIZE; i++)
        id[i] = (UChar) (unsigned char) name[i];
    if (len && len < TG_ZONE_NAME_SIZE)
        n = ucal_getTimeZoneIDForWindowsID(id, (int32_t) len, NULL, found, TG_ZONE_NAME_SIZE, &status);
    if (n <= 0 || U_FAILURE(status) || (size_t) n >= size)
        return tg_fail(e, TG_E_DATA, "Windows has no time zone \"%.80s\"", name);
    for (int32_t i = 0; i < n; i++)
        out[i] = (char) found[i];
    out[n] = '\0';
    return 0;
}

int32_t tg_calendar_offset_s(const void *zone, int64_t wall_s)
{
    const struct zone *z = zone;
    int is_daylight = 0;

    if (!z)
        return 0;
    if (z->system)
        return tg_tzfile_offset_s(z->system, wall_s);
    struct icaltimetype utc = icaltime_from_timet_with_zone((time_t) wall_s, 0, icaltimezone_get_utc_timezone());
    return icaltimezone_get_utc_offset_of_utc_time(z->own, &utc, &is_daylight);
}

/* A zone's rules must come at once: libical expands them year by year, and would look for one that never comes for ever. */
static int make_zone(const char *text, icaltimezone **out, struct tg_error *e)
{
    icalcomponent *c = icalcomponent_new_from_string(text);
    icaltimezone *zone = NULL;
    int rc = 0;

    if (!c || icalcomponent_isa(c) != ICAL_VTIMEZONE_COMPONENT || icalcomponent_count_errors(c))
        rc = tg_fail(e, TG_E_DATA, "this VTIMEZONE can't be read");
    else
        rc = tg_calendar_zone_rules(c, e);
    if (!rc && !(zone = icaltimezone_new()))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc && !icaltimezone_set_component(zone, c)) {
        icaltimezone_free(zone, 1);
        rc = tg_fail(e, TG_E_DATA, "this VTIMEZONE can't be read: it lacks a TZID");
    }
    if (rc && c)
        icalcomponent_free(c);
    if (!rc)
        *out = zone;
    return rc;
}

static int define(const char *vtimezone, size_t len, const void **out, struct tg_error *e)
{
    for (size_t i = 0; i < n_zones; i++)
        if (zones_[i]->text && strlen(zones_[i]->text) == len && memcmp(zones_[i]->text, vtimezone, len) == 0)
            return *out = zones_[i], 0;
    if (n_defined >= ZONES_MAX)
        return tg_fail(e, TG_E_DATA, "files define more than %d time zones", ZONES_MAX);
    struct zone *zone = calloc(1, sizeof *zone);
    int rc = zone && (zone->text = strndup(vtimezone, len)) ? make_zone(zone->text, &zone->own, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        rc = keep(zone, e);
    if (rc) {
        drop(zone);
        return rc;
    }
    n_defined++;
    *out = zone;
    return 0;
}

static const struct tg_zone_backend zones = {
    .version = TG_ZONE_ABI,
    .about = "time zones of the tz database, recurrences by libical",
    .find = find,
    .offset_s = tg_calendar_offset_s,
    .find_windows = find_windows,
    .define = define,
    .recur_new = tg_calendar_recur_new,
    .recur_free = tg_calendar_recur_free,
    .recur_expand = tg_calendar_recur_expand,
};

extern TG_MODULE_EXPORT const struct tg_module tagout_module;
const struct tg_module tagout_module = {.abi = TG_MODULE_ABI, .name = "calendar", .release = TG_RELEASE, .zones = &zones};
