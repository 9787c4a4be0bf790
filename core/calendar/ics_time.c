/* The times of an .ics file's lines, and the zones that they are told in: see ics.h. */
#include "calendar/ics.h"

#include "base/module.h"
#include "calendar/local.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- zones */

static bool try_zone(struct tg_ics_zone *z, const char *name)
{
    struct tg_error ignored = TG_ERROR_INIT;

    if (tg_zone_find(name, &z->zone, &ignored))
        return false;
    memcpy(z->known_as, name, strlen(name) + 1);
    return true;
}

#define SAMPLES_FROM_S INT64_C(946684800) /* 2000 */
#define SAMPLES_UNTIL_S INT64_C(2145916800) /* 2038 */
#define SAMPLES_STEP_S (30 * TG_DAY_S)

/*
 * Names are made up as well, and may be those of other zones. What the file says of its clocks may be old, or without summer time; where they never show the time that
 * the zone of that name has, it is another one. false: it is, and that was said.
 */
static bool is_that_zone(struct tg_ics_meaning *m, const struct tg_ics_zone *z, const struct tg_zone_backend *backend)
{
    struct tg_error ignored = TG_ERROR_INIT;
    struct tg_zone own = {.backend = backend};

    if (!z->text || backend->define(z->text, z->len, &own.zone, &ignored))
        return true; /* nothing that could be compared */
    for (int64_t s = SAMPLES_FROM_S; s < SAMPLES_UNTIL_S; s += SAMPLES_STEP_S)
        if (tg_zone_offset_s(&own, s) == tg_zone_offset_s(&z->zone, s))
            return true;
    tg_error_hint(tg_ics_problem(m->ics, z->line, z->text, "the clocks of time zone \"%.60s\" never show the time of %s in the tz database", z->name, z->known_as),
                  "which of the two is meant can't be told: give it a name of its own, or take this VTIMEZONE out");
    return false;
}

/* As it is, behind what programs put before it ("/mozilla.org/20050126_1/Europe/Berlin"), as Windows calls it, as the file itself defines it. */
static void look_for_zone(struct tg_ics_meaning *m, struct tg_ics_zone *z)
{
    const struct tg_zone_backend *backend;
    struct tg_error why = TG_ERROR_INIT;

    z->looked_for = true;
    for (const char *name = z->name; name && !z->found; name = strchr(name, '/') ? strchr(name, '/') + 1 : NULL)
        z->found = try_zone(z, name);
    if (z->found && !z->text)
        return;
    if (tg_zone_backend_find(&backend, &why)) {
        m->rc = tg_fail(m->e, TG_E_CONFIG, "%s", why.message);
        return;
    }
    if (!z->found && backend->find_windows(z->name, z->known_as, sizeof z->known_as, &why) == 0)
        z->found = try_zone(z, z->known_as);
    tg_error_clear(&why);
    if (z->found && !is_that_zone(m, z, backend)) {
        z->found = false;
    } else if (!z->found && z->text) {
        z->found = backend->define(z->text, z->len, &z->zone.zone, &why) == 0;
        z->zone.backend = backend;
        if (!z->found)
            tg_ics_problem(m->ics, z->line, z->text, "time zone \"%.60s\": %s", z->name, why.message);
    }
}

bool tg_ics_floats(const struct tg_ics_line *line, const char *value, size_t len)
{
    const char *name;
    size_t n;

    return !(len && value[len - 1] == 'Z') && !tg_ics_param(line, "TZID", &name, &n);
}

bool tg_ics_zone_of(struct tg_ics_meaning *m, const struct tg_ics_line *line, const char *value, size_t len, struct tg_zone *out, const char **out_name)
{
    struct tg_ics_zone *z;
    const char *name;
    size_t n;

    *out_name = m->zone;
    if (len && value[len - 1] == 'Z') {
        *out = (struct tg_zone) {NULL, NULL};
        *out_name = "UTC";
        return true;
    }
    if (!tg_ics_param(line, "TZID", &name, &n))
        return !tg_zone_find(m->zone, out, NULL);
    if ((m->rc = tg_ics_zone(m->ics, name, n, &z, m->e)))
        return false;
    if (z && !z->looked_for)
        look_for_zone(m, z);
    if (!z || !z->found) {
        tg_error_hint(tg_ics_problem(m->ics, line->line, line->source, "there is no time zone \"%.*s\"", (int) (n > 60 ? 60 : n), name),
                      "neither in the tz database, nor one of Windows, nor does the file define it in a VTIMEZONE");
        return false;
    }
    *out = z->zone;
    *out_name = z->known_as;
    return true;
}

/* ---- values */

static int digits(const char *p, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char) p[i]))
            return -1;
        value = value * 10 + p[i] - '0';
    }
    return value;
}

bool tg_ics_local(const char *p, size_t len, int64_t *out_s, bool *out_date)
{
    int64_t date;

    if (len < 8 || !tg_date_of(digits(p, 4), digits(p + 4, 2), digits(p + 6, 2), &date))
        return false;
    *out_date = len == 8;
    if (len == 8)
        return *out_s = date * TG_DAY_S, true;
    if (p[8] != 'T' || (len != 15 && (len != 16 || p[15] != 'Z')))
        return false;
    int hour = digits(p + 9, 2), minute = digits(p + 11, 2), second = digits(p + 13, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    *out_s = date * TG_DAY_S + hour * 3600 + minute * 60 + (second == 60 ? 59 : second); /* RFC 5545, 3.3.12: a leap second */
    return true;
}

bool tg_ics_time(struct tg_ics_meaning *m, const struct tg_ics_line *line, int64_t *out_s, bool *out_date, struct tg_zone *zone, const char **zone_name)
{
    size_t len = strlen(line->value);

    if (!tg_ics_local(line->value, len, out_s, out_date)) {
        tg_error_hint(tg_ics_problem(m->ics, line->line, line->source, "\"%.40s\" is no date and no time", line->value), "from 1900 to 2199");
        return false;
    }
    return tg_ics_zone_of(m, line, line->value, len, zone, zone_name);
}

int64_t tg_ics_translate(const struct tg_zone *from, int64_t local_s, const struct tg_zone *to)
{
    if (from->zone == to->zone)
        return local_s;
    return tg_local_of(to, tg_local_wall_s(from, local_s, TG_ZONE_ICAL));
}

bool tg_ics_duration(const char *p, int64_t *out_clock_s, int64_t *out_exact_s)
{
    static const struct {
        char unit;
        bool time;
        int64_t s;
    } units[] = {{'W', false, 7 * TG_DAY_S}, {'D', false, TG_DAY_S}, {'H', true, 3600}, {'M', true, 60}, {'S', true, 1}};
    bool time = false, any = false;

    *out_clock_s = *out_exact_s = 0;
    p += *p == '+';
    if (*p++ != 'P')
        return false;
    while (*p) {
        size_t n = strspn(p, "0123456789"), u = 0;
        if (*p == 'T' && !time) {
            time = true;
            p++;
            continue;
        }
        while (u < 5 && (units[u].unit != p[n] || units[u].time != time))
            u++;
        if (!n || n > 8 || u == 5)
            return false;
        *(time ? out_exact_s : out_clock_s) += strtol(p, NULL, 10) * units[u].s;
        any = true;
        p += n + 1;
    }
    return any;
}
