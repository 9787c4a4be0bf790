/* Hours of work and time zones, both ways over the changes of the clocks. P5: what is outside is outside, whatever the clocks do. */
#include "calendar/hours.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <tagout/clock.h>

static int64_t at(const char *text)
{
    int64_t ms;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_time_parse(text, &ms, &e), 0, "%s", e.message);
    return ms;
}

static struct tg_hours hours(const char *days, const char *from, const char *until, const char *zone)
{
    struct tg_hours h = {0};

    cr_assert(tg_hours_days_parse(days, strlen(days), &h.days), "%s", days);
    cr_assert(tg_hours_time_parse(from, &h.from_min) && tg_hours_time_parse(until, &h.until_min));
    snprintf(h.zone, sizeof h.zone, "%s", zone);
    return h;
}

/* "open until 2026-…" */
static void is(struct tg_hours h, const char *when, bool open, const char *until)
{
    struct tg_hours_span span;
    struct tg_error e = TG_ERROR_INIT;
    char got[40];

    cr_assert_eq(tg_hours_at(&h, at(when), &span, &e), 0, "%s", e.message);
    tg_time_format(span.until_ms, got, sizeof got);
    cr_assert(span.open == open && span.until_ms == at(until), "%s: %s until %s, expected %s until %s", when, span.open ? "open" : "closed", got,
              open ? "open" : "closed", until);
    cr_assert_gt(span.until_ms, at(when));
}

Test(hours, days_and_times_are_read_and_written_back)
{
    static const char *const good[][2] = {{"Mon-Thu", "Mon-Thu"}, {"mon,WED-fri", "Mon,Wed-Fri"}, {"Sat-Mon", "Mon,Sat,Sun"}, {"Sun", "Sun"}, {"Mon-Sun", "Mon-Sun"},
                                          {"Tue,Wed", "Tue,Wed"}, {"Fri-Thu", "Mon-Sun"}};
    static const char *const bad[] = {"", "Mo", "Mon-", "Mon-Th", "Monday", "Mon Tue", "Mon,", ",Mon", "Mon--Tue", "1-5", "Mon-Thu "};
    static const char *const no_times[] = {"", "9:00", "24:01", "09:60", "0900", "09:00:00", "-1:00", "ab:cd", "25:00"};
    char text[32];
    unsigned days;
    int min;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert(tg_hours_days_parse(good[i][0], strlen(good[i][0]), &days), "%s", good[i][0]);
        tg_hours_days_format(days, text, sizeof text);
        cr_assert_str_eq(text, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(!tg_hours_days_parse(bad[i], strlen(bad[i]), &days), "%s", bad[i]);
    for (size_t i = 0; i < sizeof no_times / sizeof no_times[0]; i++)
        cr_assert(!tg_hours_time_parse(no_times[i], &min), "%s", no_times[i]);
    cr_assert(tg_hours_time_parse("24:00", &min) && min == 1440);
}

Test(hours, weekdays_and_their_ends)
{
    struct tg_hours h = hours("Mon-Thu", "09:00", "16:00", "UTC"), day = hours("Mon-Sun", "00:00", "24:00", "UTC"), night = hours("Fri", "22:00", "04:00", "UTC");
    struct tg_hours_span span;

    /* 2026-11-26 is a Thursday */
    is(h, "2026-11-26T08:59:59.999Z", false, "2026-11-26T09:00:00Z");
    is(h, "2026-11-26T09:00:00Z", true, "2026-11-26T16:00:00Z");
    is(h, "2026-11-26T15:59:59.999Z", true, "2026-11-26T16:00:00Z");
    is(h, "2026-11-26T16:00:00Z", false, "2026-11-30T09:00:00Z"); /* no Friday */
    is(h, "1969-12-31T12:00:00Z", true, "1969-12-31T16:00:00Z"); /* a Wednesday */
    /* whole days follow each other, each with its own date */
    is(day, "2026-11-26T00:00:00Z", true, "2026-11-27T00:00:00Z");
    cr_assert_eq(tg_hours_at(&day, at("2026-11-27T00:00:00Z"), &span, NULL), 0);
    cr_assert(span.open && span.date == at("2026-11-27T00:00:00Z") / 86400000);
    /* a night belongs to the day it begins on */
    is(night, "2026-11-27T21:59:00Z", false, "2026-11-27T22:00:00Z");
    is(night, "2026-11-28T03:59:00Z", true, "2026-11-28T04:00:00Z");
    cr_assert_eq(tg_hours_at(&night, at("2026-11-28T03:59:00Z"), &span, NULL), 0);
    cr_assert_eq(span.date, at("2026-11-27T00:00:00Z") / 86400000);
    is(night, "2026-11-28T04:00:00Z", false, "2026-12-04T22:00:00Z");
    cr_assert_eq(tg_hours_length_ms(&night), 6 * 3600000);
    cr_assert_eq(tg_hours_length_ms(&h), 7 * 3600000);
}

/* Berlin's clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25. */
Test(hours, clocks_that_are_set_forward)
{
    is(hours("Mon-Sun", "09:00", "16:00", "Europe/Berlin"), "2026-03-28T12:00:00Z", true, "2026-03-28T15:00:00Z");
    is(hours("Mon-Sun", "09:00", "16:00", "Europe/Berlin"), "2026-03-28T16:00:00Z", false, "2026-03-29T07:00:00Z");
    is(hours("Mon-Sun", "09:00", "16:00", "Europe/Berlin"), "2026-03-29T12:00:00Z", true, "2026-03-29T14:00:00Z");
    /* what begins, or ends, at an hour that is skipped does so when the clocks are set */
    is(hours("Sun", "02:30", "05:00", "Europe/Berlin"), "2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z");
    is(hours("Sun", "02:30", "05:00", "Europe/Berlin"), "2026-03-29T01:00:00Z", true, "2026-03-29T03:00:00Z");
    is(hours("Sun", "01:00", "02:30", "Europe/Berlin"), "2026-03-29T00:30:00Z", true, "2026-03-29T01:00:00Z");
    /* and what lies within it whole does not come on that day */
    is(hours("Sun", "02:15", "02:45", "Europe/Berlin"), "2026-03-29T00:30:00Z", false, "2026-04-05T00:15:00Z");
}

Test(hours, clocks_that_are_set_back)
{
    is(hours("Mon-Sun", "09:00", "16:00", "Europe/Berlin"), "2026-10-24T12:00:00Z", true, "2026-10-24T14:00:00Z");
    is(hours("Mon-Sun", "09:00", "16:00", "Europe/Berlin"), "2026-10-24T20:00:00Z", false, "2026-10-25T08:00:00Z");
    /* what is shown twice begins the second time and ends the first: never open while clocks show something else */
    is(hours("Sun", "02:30", "05:00", "Europe/Berlin"), "2026-10-25T00:30:00Z", false, "2026-10-25T01:30:00Z");
    is(hours("Sun", "01:00", "02:30", "Europe/Berlin"), "2026-10-24T23:30:00Z", true, "2026-10-25T00:30:00Z");
    is(hours("Sat", "22:00", "06:00", "Europe/Berlin"), "2026-10-24T22:00:00Z", true, "2026-10-25T05:00:00Z");
}

Test(hours, zones_far_away)
{
    is(hours("Mon-Fri", "09:00", "17:00", "America/New_York"), "2026-11-23T13:59:00Z", false, "2026-11-23T14:00:00Z");
    is(hours("Mon-Fri", "09:00", "17:00", "Asia/Kolkata"), "2026-11-23T03:30:00Z", true, "2026-11-23T11:30:00Z");
    is(hours("Mon", "09:00", "17:00", "Pacific/Kiritimati"), "2026-11-22T18:59:00Z", false, "2026-11-22T19:00:00Z"); /* 14 hours ahead: Monday there */
    is(hours("Mon-Sun", "09:00", "17:00", "Australia/Lord_Howe"), "2026-04-04T12:00:00Z", false, "2026-04-04T22:30:00Z"); /* back by half an hour that night */
    is(hours("Mon-Fri", "09:00", "17:00", "Europe/Berlin"), "2049-07-05T06:00:00Z", false, "2049-07-05T07:00:00Z");
}

Test(hours, a_zone_that_is_none_is_told)
{
    static const char *const bad[] = {"", "Europe/Berln", "../../etc/passwd", "Europe/", "CEST?", "/etc/localtime", "a b"};
    struct tg_hours h = hours("Mon", "09:00", "17:00", "UTC");
    struct tg_hours_span span;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_error e = TG_ERROR_INIT;
        snprintf(h.zone, sizeof h.zone, "%s", bad[i]);
        cr_assert_eq(tg_hours_at(&h, 0, &span, &e), TG_E_DATA, "%s", bad[i]);
        cr_assert(strstr(e.hint, "tz database"));
    }
}

/* Every minute of two years: open exactly while the clocks there show a time within the hours, at the ends that were foretold. */
Test(hours, agree_with_the_clocks_on_the_wall)
{
    static const char *const zones[] = {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "UTC"};

    for (size_t z = 0; z < sizeof zones / sizeof zones[0]; z++) {
        struct tg_hours h = hours("Sat-Tue", "01:45", "03:10", zones[z]);
        struct tg_zone zone;
        struct tg_hours_span span = {.until_ms = 0};
        cr_assert_eq(tg_zone_find(zones[z], &zone, NULL), 0);
        for (int64_t ms = at("2026-01-01T00:00:00Z"); ms < at("2027-12-31T00:00:00Z"); ms += 300000) {
            int64_t local = ms / 1000 + tg_zone_offset_s(&zone, ms / 1000), minute = local % 86400 / 60;
            bool in = minute >= 105 && minute < 190 && (h.days & (1U << tg_weekday(local / 86400)));
            if (ms >= span.until_ms)
                cr_assert_eq(tg_hours_at(&h, ms, &span, NULL), 0);
            cr_assert(!span.open || in, "%s: open at %lld", zones[z], (long long) ms); /* the other way round it may be closed: what is shown twice */
        }
    }
}
