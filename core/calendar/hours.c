/* Hours of work: see hours.h. */
#include "calendar/hours.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define AHEAD_DAYS 10 /* one of seven days has hours; a zone that changes sides skips one */

static const char *const day_names[7] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

/* The hours that begin on a date; false when that day has none. */
static bool hours_of(const struct tg_hours *h, const struct tg_zone *zone, int64_t date, int64_t *out_from_ms, int64_t *out_until_ms)
{
    if (!(h->days & (1U << tg_weekday(date))))
        return false;
    int64_t last = date + (h->until_min <= h->from_min);
    *out_from_ms = tg_zone_wall_s(zone, date, h->from_min * 60, TG_ZONE_LAST) * 1000;
    *out_until_ms = tg_zone_wall_s(zone, last, h->until_min * 60, TG_ZONE_FIRST) * 1000;
    return *out_from_ms < *out_until_ms;
}

int tg_hours_at(const struct tg_hours *h, int64_t wall_ms, struct tg_hours_span *out, struct tg_error *e)
{
    struct tg_zone zone;
    int64_t from, until;
    int rc = tg_zone_find(h->zone, &zone, e);

    if (rc)
        return rc;
    int64_t today = tg_zone_date(&zone, tg_floor_s(wall_ms));
    for (int64_t date = today - 2; date <= today + AHEAD_DAYS; date++) {
        if (!hours_of(h, &zone, date, &from, &until) || wall_ms >= until)
            continue;
        *out = wall_ms >= from ? (struct tg_hours_span) {true, until, date} : (struct tg_hours_span) {false, from, 0};
        return 0;
    }
    char text[128];
    tg_hours_format(h, text, sizeof text);
    return tg_fail(e, TG_E_DATA, "hours %s never come", text);
}

int64_t tg_hours_length_ms(const struct tg_hours *h)
{
    return (h->until_min - h->from_min + (h->until_min <= h->from_min ? 1440 : 0)) * INT64_C(60000);
}

static int day_of(const char *text)
{
    for (int i = 0; i < 7; i++)
        if (strncasecmp(text, day_names[i], 3) == 0)
            return i;
    return -1;
}

bool tg_hours_days_parse(const char *text, size_t len, unsigned *out)
{
    unsigned days = 0;

    for (const char *p = text, *end = text + len;; p++) {
        if (end - p < 3)
            return false;
        int first = day_of(p), last = first;
        p += 3;
        if (end - p >= 4 && *p == '-') {
            last = day_of(p + 1);
            p += 4;
        }
        if (first < 0 || last < 0)
            return false;
        for (int d = first;; d = (d + 1) % 7) {
            days |= 1U << d;
            if (d == last)
                break;
        }
        if (p == end)
            break;
        if (*p != ',')
            return false;
    }
    *out = days;
    return true;
}

void tg_hours_days_format(unsigned days, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (int d = 0; d < 7 && n < size; d++) {
        int last = d;
        if (!(days & (1U << d)))
            continue;
        while (last < 6 && days & (1U << (last + 1)))
            last++;
        n += (size_t) snprintf(out + n, size - n, "%s%s%s%s", n ? "," : "", day_names[d], last > d + 1 ? "-" : last > d ? "," : "", last > d ? day_names[last] : "");
        d = last;
    }
}

bool tg_hours_time_parse(const char *text, int *out_min)
{
    if (strlen(text) != 5 || !isdigit((unsigned char) text[0]) || !isdigit((unsigned char) text[1]) || text[2] != ':' || !isdigit((unsigned char) text[3]) ||
        !isdigit((unsigned char) text[4]))
        return false;
    int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
    if (minute > 59 || hour * 60 + minute > 1440)
        return false;
    *out_min = hour * 60 + minute;
    return true;
}

void tg_hours_format(const struct tg_hours *h, char *out, size_t size)
{
    char days[32];

    tg_hours_days_format(h->days, days, sizeof days);
    snprintf(out, size, "%s %02d:%02d-%02d:%02d %s", days, h->from_min / 60, h->from_min % 60, h->until_min / 60, h->until_min % 60, h->zone);
}

const char *tg_hours_wrong(int from_min, int until_min)
{
    if (from_min == 1440)
        return "hours can't begin at 24:00: that is 00:00 of the next day";
    if (until_min == 0)
        return "hours can't end at 00:00: 24:00 is the end of the day";
    return from_min == until_min ? "hours end when they begin: the whole day is 00:00-24:00" : NULL;
}

/* "09:00" of exactly five characters. */
static bool time_at(const char *p, int *out_min)
{
    char text[6] = "";

    memcpy(text, p, strnlen(p, 5));
    return tg_hours_time_parse(text, out_min);
}

int tg_hours_parse(const char *text, const char *zone, struct tg_hours *out, struct tg_error *e)
{
    struct tg_hours h = {0};
    size_t len = strcspn(text, " ");
    const char *p = text + len + (text[len] == ' ');

    if (!tg_hours_days_parse(text, len, &h.days)) {
        tg_fail_at(e, TG_E_DATA, NULL, 0, 1, "\"%.*s\" are no days of the week", (int) (len > 60 ? 60 : len), text);
        return tg_error_hint(e, "such as Mon-Fri 09:00-17:00 Europe/Berlin"), TG_E_DATA;
    }
    if (strlen(p) < 11 || p[5] != '-' || !time_at(p, &h.from_min) || !time_at(p + 6, &h.until_min) || (p[11] && (p[11] != ' ' || !p[12]))) {
        tg_fail_at(e, TG_E_DATA, NULL, 0, (int) (p - text) + 1, "\"%.60s\" is no from-until", p);
        return tg_error_hint(e, "such as Mon-Fri 09:00-17:00 Europe/Berlin"), TG_E_DATA;
    }
    const char *wrong = tg_hours_wrong(h.from_min, h.until_min), *named = p[11] ? p + 12 : zone;
    if (wrong)
        return tg_fail_at(e, TG_E_DATA, NULL, 0, (int) (p - text) + 1, "%s", wrong);
    if (strlen(named) >= sizeof h.zone)
        return tg_fail_at(e, TG_E_DATA, NULL, 0, (int) (p - text) + 13, "\"%.80s\" is no time zone", named);
    memcpy(h.zone, named, strlen(named) + 1);
    *out = h;
    return 0;
}
