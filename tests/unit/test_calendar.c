/* Windows and blackouts: allowed = windows − blackouts. P5: nothing outside; what is not understood opens nothing. */
#include "calendar_world.h"

#include <time.h>

Test(calendar, a_host_without_windows_is_open_unless_the_calendar_says_otherwise)
{
    struct world w = world_of(fleet_text, NULL);
    says(&w, "web1", "2026-11-22T12:00:00Z", "may start until ever, over by ever");
    fits(&w, "web1", "2026-11-22T12:00:00Z", "200d", "now until ever");
    world_end(&w);
    w = world_of(fleet_text, "default: closed\nwindows:\n  web: {for: group:web, hours: \"Sun 12:00-14:00\"}\n");
    says(&w, "web1", "2026-11-22T12:00:00Z", "may start until 2026-11-22T14:00:00Z, over by 2026-11-22T14:00:00Z");
    says(&w, "db1", "2026-11-22T12:00:00Z", "closed, next ever");
    fits(&w, "db1", "2026-11-22T12:00:00Z", "1m", "never");
    world_end(&w);
}

Test(calendar, a_weekday_is_that_of_the_start)
{
    struct world w = world_of(fleet_text, "windows:\n  night: {hours: \"Fri 22:00-02:00\"}\n"); /* 2026-11-27 is a Friday */

    says(&w, "web1", "2026-11-27T01:00:00Z", "closed, next 2026-11-27T22:00:00Z"); /* Friday's small hours are Thursday's night */
    says(&w, "web1", "2026-11-27T22:00:00Z", "may start until 2026-11-28T02:00:00Z, over by 2026-11-28T02:00:00Z");
    says(&w, "web1", "2026-11-28T01:59:59Z", "may start until 2026-11-28T02:00:00Z, over by 2026-11-28T02:00:00Z");
    says(&w, "web1", "2026-11-28T02:00:00Z", "closed, next 2026-12-04T22:00:00Z");
    world_end(&w);
}

Test(calendar, the_most_specific_level_with_windows_decides_and_all_blackouts_hold)
{
    struct world w = world_of("groups:\n  web: {hosts: \"web[1-3]\"}\n  db: {hosts: \"db[1-2]\"}\n"
                              "customers: {acme: {hosts: \"web2,db2\", windows: [\"Sun 03:00-04:00\"]}}\n",
                              "windows:\n"
                              "  fleet: {hours: \"Sun 00:00-01:00\"}\n"
                              "  web: {for: group:web, hours: \"Sun 01:00-02:00\"}\n"
                              "  also: {for: \"@web and not web3\", hours: \"Sun 02:00-03:00\"}\n"
                              "  one: {for: host:web3, hours: \"Sun 05:00-06:00\"}\n"
                              "blackouts:\n"
                              "  half: {for: group:web, hours: \"Sun 02:30-24:00\"}\n");

    says(&w, "db1", "2026-11-22T00:00:00Z", "may start until 2026-11-22T01:00:00Z, over by 2026-11-22T01:00:00Z");
    says(&w, "web1", "2026-11-22T00:00:00Z", "closed, next 2026-11-22T01:00:00Z");
    says(&w, "web1", "2026-11-22T01:00:00Z", "may start until 2026-11-22T02:30:00Z, over by 2026-11-22T02:30:00Z"); /* group and selector are one level */
    says(&w, "web2", "2026-11-22T01:00:00Z", "closed, next ever");                                                  /* its customer's lie in the blackout */
    says(&w, "db2", "2026-11-22T01:00:00Z", "closed, next 2026-11-22T03:00:00Z");
    says(&w, "web3", "2026-11-22T01:00:00Z", "closed, next ever");
    world_end(&w);
}

Test(calendar, windows_that_touch_or_overlap_are_one)
{
    struct world w = world_of(fleet_text, "windows:\n  sun: {hours: [\"Mon-Fri 09:00-17:00 Europe/Berlin\", \"Mon-Fri 09:00-17:00 America/New_York\"]}\n");

    /* Follow the sun: Berlin 08–16 UTC, New York 14–22 UTC. */
    says(&w, "web1", "2026-11-24T08:00:00Z", "may start until 2026-11-24T22:00:00Z, over by 2026-11-24T22:00:00Z");
    says(&w, "web1", "2026-11-24T22:00:00Z", "closed, next 2026-11-25T08:00:00Z");
    world_end(&w);
    w = world_of(fleet_text, "windows:\n  always: {hours: \"Mon-Sun 00:00-24:00\"}\nblackouts:\n  freeze: {first: 2026-12-20, last: 2027-01-02}\n");
    says(&w, "web1", "2026-11-22T12:00:00Z", "may start until 2026-12-20T00:00:00Z, over by 2026-12-20T00:00:00Z");
    says(&w, "web1", "2027-01-02T23:59:59Z", "closed, next 2027-01-03T00:00:00Z");
    says(&w, "web1", "2027-01-03T00:00:00Z", "may start until ever, over by ever");
    world_end(&w);
}

Test(calendar, nothing_starts_within_the_cut_off_and_what_runs_goes_on)
{
    struct world w = world_of(fleet_text, "cut-off: 10m\nwindows:\n"
                                          "  a: {hours: \"Sun 10:00-12:00\"}\n"
                                          "  b: {for: group:db, hours: \"Sun 10:00-12:00\", cut-off: 1h}\n"
                                          "blackouts:\n  lunch: {for: host:web2, hours: \"Sun 11:00-11:30\"}\n");

    says(&w, "web1", "2026-11-22T11:49:59Z", "may start until 2026-11-22T11:50:00Z, over by 2026-11-22T12:00:00Z");
    says(&w, "web1", "2026-11-22T11:50:00Z", "open until 2026-11-22T12:00:00Z, next 2026-11-29T10:00:00Z");
    says(&w, "db1", "2026-11-22T11:00:00Z", "open until 2026-11-22T12:00:00Z, next 2026-11-29T10:00:00Z");
    /* A blackout ends what is allowed, too. */
    says(&w, "web2", "2026-11-22T10:50:00Z", "open until 2026-11-22T11:00:00Z, next 2026-11-22T11:30:00Z");
    fits(&w, "web1", "2026-11-22T10:00:00Z", "2h", "now until 2026-11-22T12:00:00Z");
    fits(&w, "web1", "2026-11-22T10:00:01Z", "2h", "at 2026-11-29T10:00:00Z");
    fits(&w, "web1", "2026-11-22T11:55:00Z", "1m", "at 2026-11-29T10:00:00Z");
    fits(&w, "web2", "2026-11-22T10:30:00Z", "31m", "at 2026-11-29T10:00:00Z");
    fits(&w, "web2", "2026-11-22T10:30:00Z", "30m", "now until 2026-11-22T11:00:00Z");
    fits(&w, "web1", "2026-11-22T10:00:00Z", "2h 1m", "never");
    world_end(&w);
}

Test(calendar, of_windows_with_different_cut_offs_the_one_that_lets_start_counts)
{
    struct world w = world_of(fleet_text, "windows:\n  a: {hours: \"Sun 10:00-12:00\", cut-off: 1h}\n  b: {hours: \"Sun 11:30-12:00\"}\n");

    says(&w, "web1", "2026-11-22T11:10:00Z", "open until 2026-11-22T12:00:00Z, next 2026-11-22T11:30:00Z");
    says(&w, "web1", "2026-11-22T11:30:00Z", "may start until 2026-11-22T12:00:00Z, over by 2026-11-22T12:00:00Z");
    world_end(&w);
}

Test(calendar, rules_recur_as_rfc_5545_has_it)
{
    struct world w = world_of(fleet_text, "zone: Europe/Berlin\nwindows:\n"
                                          "  patch: {for: group:web, start: 2026-01-13 22:00, rule: \"FREQ=MONTHLY;BYDAY=2TU\", duration: 4h, except: [2026-12-08]}\n"
                                          "  leap: {for: group:db, start: 2024-02-29 03:00, rule: \"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29\", until: \"05:00\", also: [2026-11-23 04:00]}\n");

    says(&w, "web1", "2026-11-22T12:00:00Z", "closed, next 2027-01-12T21:00:00Z");
    says(&w, "db1", "2026-11-22T12:00:00Z", "closed, next 2026-11-23T03:00:00Z");
    says(&w, "db1", "2026-11-23T03:00:00Z", "may start until 2026-11-23T05:00:00Z, over by 2026-11-23T05:00:00Z");
    says(&w, "db1", "2026-11-23T05:00:00Z", "closed, next 2028-02-29T02:00:00Z");
    says(&w, "db1", "2096-03-01T00:00:00Z", "closed, next 2104-02-29T02:00:00Z"); /* 2100 is no leap year */
    world_end(&w);
}

Test(calendar, a_duration_is_time_that_passes_and_until_is_what_clocks_show)
{
    struct world w = world_of(fleet_text, "zone: Europe/Berlin\nwindows:\n"
                                          "  passes: {for: group:web, start: 2026-01-03 22:00, rule: FREQ=WEEKLY, duration: 6h}\n"
                                          "  shows: {for: group:db, start: 2026-01-03 22:00, rule: FREQ=WEEKLY, until: \"04:00\"}\n");

    /* Saturday 2026-10-24 22:00 CEST = 20:00 UTC; at 03:00 clocks are set back to 02:00. */
    says(&w, "web1", "2026-10-24T20:00:00Z", "may start until 2026-10-25T02:00:00Z, over by 2026-10-25T02:00:00Z");
    says(&w, "db1", "2026-10-24T20:00:00Z", "may start until 2026-10-25T03:00:00Z, over by 2026-10-25T03:00:00Z");
    /* 2026-03-28 22:00 CET = 21:00 UTC; at 02:00 clocks are set to 03:00. */
    says(&w, "web1", "2026-03-28T21:00:00Z", "may start until 2026-03-29T03:00:00Z, over by 2026-03-29T03:00:00Z");
    says(&w, "db1", "2026-03-28T21:00:00Z", "may start until 2026-03-29T02:00:00Z, over by 2026-03-29T02:00:00Z");
    world_end(&w);
}

Test(calendar, what_begins_in_the_hour_that_is_skipped_or_comes_twice)
{
    struct world w = world_of(fleet_text, "zone: Europe/Berlin\nwindows:\n"
                                          "  rule: {for: group:web, start: 2026-01-04 02:30, rule: FREQ=WEEKLY, duration: 30m}\n"
                                          "  hours: {for: host:db1, hours: \"Sun 02:30-03:30\"}\n"
                                          "blackouts:\n  hours: {for: host:db2, hours: \"Sun 02:30-02:45\"}\n");

    /* Skipped on 2026-03-29: 02:30 is as if clocks had not been set, 01:30 UTC, 03:30 there. */
    says(&w, "web1", "2026-03-29T00:00:00Z", "closed, next 2026-03-29T01:30:00Z");
    says(&w, "db1", "2026-03-29T00:00:00Z", "closed, next 2026-03-29T01:00:00Z"); /* hours: open while clocks show a time within */
    /* Twice on 2026-10-25: the rule means the first, as in customers' calendars; hours open late and close early. */
    says(&w, "web1", "2026-10-25T00:00:00Z", "closed, next 2026-10-25T00:30:00Z");
    says(&w, "web1", "2026-10-25T01:00:00Z", "closed, next 2026-11-01T01:30:00Z");
    says(&w, "db1", "2026-10-25T00:00:00Z", "closed, next 2026-10-25T01:30:00Z");
    /* A blackout's hours close early and open late. */
    says(&w, "db2", "2026-10-25T00:30:00Z", "closed, next 2026-10-25T01:45:00Z");
    world_end(&w);
}

Test(calendar, answers_reach_the_end_of_the_century_and_stop_there)
{
    struct world w = world_of(fleet_text, "zone: Europe/Berlin\nwindows:\n  night: {start: 2026-01-05 02:00, rule: FREQ=DAILY, duration: 1h}\n");
    struct tg_allowed a;
    struct tg_error e = TG_ERROR_INIT;

    says(&w, "web1", "1970-01-01T00:00:00Z", "closed, next ever");
    says(&w, "web1", "2038-07-19T03:14:08Z", "closed, next 2038-07-20T00:00:00Z"); /* summer time goes on behind 2037 */
    says(&w, "web1", "2099-12-31T12:00:00Z", "closed, next 2100-01-01T01:00:00Z");
    cr_assert_eq(tg_agenda_at(w.agenda, 0, INT64_C(4102444800) * 86400000, &a, &e), TG_E_DATA);
    cr_assert_eq(tg_agenda_at(w.agenda, 0, -1, &a, NULL), TG_E_DATA);
    world_end(&w);
}

Test(calendar, mistakes_have_their_place)
{
    static const struct {
        const char *calendar, *expected;
    } cases[] = {
        {"", "the calendar is empty"},
        {"windows:\n  a: {for: \"@wbe\", hours: \"Sun 10:00-12:00\"}\n", "cal.yaml:2:12: for: there is no group \"wbe\""},
        {"windows:\n  a: {for: group:wbe, hours: \"Sun 10:00-12:00\"}\n", "cal.yaml:2:12: for: there is no group \"wbe\""},
        {"windows:\n  a: {for: customer:x, hours: \"Sun 10:00-12:00\"}\n", "there is no customer \"x\""},
        {"windows:\n  a: {for: host:web9, hours: \"Sun 10:00-12:00\"}\n", "web9 is not in the inventory"},
        {"windows:\n  a: {hours: \"Son 10:00-12:00\"}\n", "are no days of the week"},
        {"windows:\n  a: {hours: \"Sun 10:00-12:00 Europe/Berlim\"}\n", "no time zone \"Europe/Berlim\""},
        {"windows:\n  a: {hours: \"Sun 10:00-10:00\"}\n", "the whole day is 00:00-24:00"},
        {"windows:\n  a: {hour: \"Sun 10:00-12:00\"}\n", "did you mean \"hours\"?"},
        {"windows:\n  a: {}\n", "window \"a\" has no times"},
        {"windows:\n  a: {hours: \"Sun 10:00-12:00\", first: 2026-01-01}\n", "has both hours and first"},
        {"windows:\n  a: {hours: \"Sun 10:00-12:00\", rule: FREQ=DAILY}\n", "rule does not go with hours"},
        {"windows:\n  a: {start: 2026-02-30 10:00, duration: 1h}\n", "cal.yaml:2:14: start must be a date and a time, and is \"2026-02-30 10:00\""},
        {"windows:\n  a: {start: 2026-02-03 10:00, end: 2026-02-03 09:00}\n", "cal.yaml:2:37: it ends before it has begun"},
        {"windows:\n  a: {start: 2026-02-03 10:00, duration: 0s}\n", "duration must be"},
        {"windows:\n  a: {start: 2026-02-03 10:00}\n", "one of duration, until and end"},
        {"windows:\n  a: {start: 2026-02-03 10:00, duration: 1h, until: \"11:00\"}\n", "one of duration, until and end"},
        {"windows:\n  a: {start: 2026-02-03 10:00, rule: FREQ=DAILY, end: 2026-02-03 11:00}\n", "what comes more than once has no end"},
        {"windows:\n  a: {start: \"2026-02-03T10:00:00Z\", duration: 1h}\n", "the zone is a key of its own"},
        {"windows:\n  a: {first: 2026-02-03, last: 2026-02-02}\n", "it ends before it has begun"},
        {"windows:\n  a: {start: 2026-02-03 10:00, duration: 1h, rule: \"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\"}\n", "there is no 30 of month 2"},
        {"windows:\n  a: {start: 2026-02-03 10:00, duration: 1h, rule: \"FREQ=SECONDLY\"}\n", "FREQ must be DAILY"},
        {"windows:\n  a: {start: 2026-02-03 10:00, duration: 1h, rule: \"FREQ=DAILY;INTERVAL=70000\"}\n", "INTERVAL must be 1 to 1000"},
        {"windows:\n  a: {start: 2026-02-03 10:00, duration: 1h, rule: \"FREQ=WEEKLY;BYDAY=2MO\"}\n", "a number stands before a day only"},
        {"windows:\n  a: {start: 2026-02-03 10:00, duration: 1h, rule: \"FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2\"}\n", "BYSETPOS is supported only"},
        {"windows:\n  a: {start: 2026-02-03 10:00, duration: 1h, rule: \"FREQ=DAILY;UNTIL=20250101T000000Z\"}\n", "UNTIL is before the start"},
        {"windows:\n  a: {start: 2026-02-03 10:00, duration: 1h, rule: \"every day\"}\n", "rule:"},
        {"windows:\n  a: {start: 2026-02-03 10:00, duration: 1h, rule: \"FREQ=DAILY;COUNT=99999\"}\n", "COUNT must be 1 to 10000"},
        {"windows:\n  a: {start: 2026-02-02 10:00, duration: 1h, rule: \"FREQ=DAILY;INTERVAL=7;BYDAY=TU\"}\n", "rule: never comes"},
        {"blackouts:\n  a: {hours: \"Sun 10:00-12:00\", cut-off: 5m}\n", "a blackout has no cut-off"},
        {"zone: Mars/Olympus\nwindows: {}\n", "no time zone \"Mars/Olympus\""},
        {"windows:\n  \"a b\": {hours: \"Sun 10:00-12:00\"}\n", "can't be the name of a window"},
        {"windows:\n  a: {days: Fri, from: \"14:00\"}\n", "lacks until"},
        {"default: maybe\n", "default"},
        {"windows:\n  a: {ics: there.ics}\n", "there.ics"},
        {"windows:\n  a: {hours: \"Sun 10:00-12:00\", except: [2026-02-30]}\n", "except must be a date"},
        {"blackouts:\n  a: {ics: []}\n", "ics names no file"},
        {"windows: {}\nblackouts:\n", "blackouts is empty"}, /* cut off */
        {"windows:\n  a: {hours: \"Sun 10:00-12:00\", for: \"week:w-2026-11-30/early\"}\n", "for: "}, /* what slots are called inside */
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refuses(cases[i].calendar, cases[i].expected);
}

Test(calendar, a_customers_hours_that_are_none_are_a_mistake_of_the_inventory)
{
    char *all = wrong("groups: {web: {hosts: web1}}\ncustomers: {acme: {hosts: \"@web\", windows: [\"Mon 25:00-26:00\"]}}\n", "windows: {}\n");

    cr_assert(strstr(all, "inv.yaml:2:") && strstr(all, "windows of customer \"acme\": \"25:00-26:00\" is no from-until"), "%s", all);
    free(all);
}

Test(calendar, why_names_what_holds_and_what_comes_next)
{
    struct world w = world_of(fleet_text, "windows:\n  web: {for: group:web, hours: [\"Sun 10:00-12:00\", \"Mon 10:00-12:00\"]}\n  all: {hours: \"Sun 00:00-24:00\"}\n"
                                          "blackouts:\n  once: {first: 2026-12-24}\n  past: {first: 2025-12-24}\n");
    struct tg_reason *r;
    size_t n;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_agenda_why(w.agenda, class_of(&w, "web1"), ms_of("2026-11-22T11:00:00Z"), &r, &n, &e), 0);
    cr_assert_eq(n, 3);
    cr_assert(strcmp(r[0].rule->name, "web") == 0 && r[0].holds && r[0].span.until_ms == ms_of("2026-11-22T12:00:00Z"));
    cr_assert(strcmp(r[1].rule->name, "once") == 0 && !r[1].holds && r[1].span.from_ms == ms_of("2026-12-24T00:00:00Z"));
    cr_assert(strcmp(r[2].rule->name, "past") == 0 && !r[2].when);
    free(r);
    tg_agenda_rules(w.agenda, class_of(&w, "web1"), TG_AGENDA_PUT_ASIDE, &n);
    cr_assert_eq(n, 1);
    world_end(&w);
}

/* A window an hour off is outside of its window: zones are those of the C library, before and behind 2038. */
Test(calendar, zones_show_what_the_system_shows)
{
    static const char *const names[] = {"Europe/Berlin",      "Europe/London",  "America/New_York",  "America/St_Johns", "Africa/Cairo",  "Asia/Gaza",       "Asia/Jerusalem",
                                        "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia",     "America/Santiago", "Asia/Tehran",   "Africa/Casablanca", "America/Asuncion",
                                        "Europe/Moscow",      "Asia/Kathmandu", "Antarctica/Troll",  "America/Havana",   "Europe/Dublin", "Asia/Shanghai",   "America/Nuuk"};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_zone zone;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cr_assert_eq(tg_zone_find(names[i], &zone, &e), 0, "%s", e.message);
        setenv("TZ", names[i], 1);
        tzset();
        for (int64_t t = INT64_C(157766400); t < INT64_C(7258118400); t += 86400 * 3 + 3607) {
            time_t wall = (time_t) t;
            struct tm tm;
            localtime_r(&wall, &tm);
            if (tg_zone_offset_s(&zone, t) != tm.tm_gmtoff)
                cr_assert_fail("%s at %lld: %lld s ahead, and the C library says %ld", names[i], (long long) t, (long long) tg_zone_offset_s(&zone, t), tm.tm_gmtoff);
        }
    }
    static const char *const none[] = {"right/Europe/Berlin", "posixrules/x", "zone.tab", "Europe", "Europe/Berlim", "../zoneinfo/UTC", "/etc/passwd", ""};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        cr_assert_eq(tg_zone_find(none[i], &zone, NULL), TG_E_DATA, "%s", none[i]);
}
