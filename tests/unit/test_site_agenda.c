/* The site's agenda as it is now: what has changed is read anew, what can't be read leaves none; and the clock that it is asked by. P2, P5. */
#include "calendar_world.h"

#include "calendar/site_agenda.h"
#include "engine/steady.h"

#include <sys/stat.h>
#include <unistd.h>

struct site {
    char folder[64], calendar[96], ics[96];
    struct tg_inventory *inventory;
    struct tg_site_agenda *agenda;
    int64_t mono_ms;
    struct tg_clock clock;
};

static int64_t mono(void *data)
{
    return ((struct site *) data)->mono_ms;
}

static int64_t wall(void *data)
{
    (void) data;
    return ms_of("2026-11-22T12:00:00Z");
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void open_settling(struct site *s, int64_t settle_ms)
{
    struct tg_problems p = TG_PROBLEMS_INIT;

    *s = (struct site) {.clock = {mono, wall, s}};
    snprintf(s->folder, sizeof s->folder, "/tmp/tagout-site-XXXXXX");
    cr_assert_not_null(mkdtemp(s->folder));
    snprintf(s->calendar, sizeof s->calendar, "%s/calendar.yaml", s->folder);
    snprintf(s->ics, sizeof s->ics, "%s/acme.ics", s->folder);
    cr_assert_eq(tg_inventory_parse_yaml("inv.yaml", fleet_text, strlen(fleet_text), &p, &s->inventory, NULL), 0);
    const struct tg_site_agenda_options o = {.calendar = s->calendar, .inventory = s->inventory, .clock = &s->clock, .settle_ms = settle_ms};
    cr_assert_eq(tg_site_agenda_new(&o, &s->agenda, NULL), 0);
}

static void open_site(struct site *s)
{
    open_settling(s, 0);
}

static void close_site(struct site *s)
{
    tg_site_agenda_free(s->agenda);
    tg_inventory_free(s->inventory);
    unlink(s->calendar);
    unlink(s->ics);
    rmdir(s->folder);
}

/* 1 it was read anew, 0 it is as it was, negative: there is none. */
static int look(struct site *s, struct tg_error *e)
{
    bool changed;
    int rc = tg_site_agenda_look(s->agenda, NULL, &changed, e);

    cr_assert_eq(rc == 0, tg_site_agenda(s->agenda) != NULL);
    return rc ? rc : changed;
}

static bool may(struct site *s, const char *when)
{
    struct tg_allowed a;

    cr_assert_eq(tg_agenda_at(tg_site_agenda(s->agenda), 0, ms_of(when), &a, NULL), 0);
    return a.may_start;
}

Test(site_agenda, is_read_anew_when_the_file_has_changed_and_not_otherwise)
{
    struct site s;

    open_site(&s);
    put(s.calendar, "windows: {night: {hours: \"Mon 22:00-24:00\"}}\n");
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(may(&s, "2026-11-23T22:30:00Z"));
    cr_assert_eq(look(&s, NULL), 0);
    put(s.calendar, "windows: {night: {hours: \"Tue 22:00-24:00\"}}\n"); /* as long as before */
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(!may(&s, "2026-11-23T22:30:00Z"));
    s.mono_ms += 599999;
    cr_assert_eq(look(&s, NULL), 0);
    s.mono_ms += 1;
    cr_assert_eq(look(&s, NULL), 1);
    close_site(&s);
}

Test(site_agenda, what_cannot_be_read_leaves_none_until_it_is_mended)
{
    struct site s;
    struct tg_error e = TG_ERROR_INIT;

    open_site(&s);
    cr_assert_lt(look(&s, &e), 0); /* there is no file */
    cr_assert(strstr(e.message, "calendar.yaml"), "%s", e.message);
    put(s.calendar, "windows: {night: {hours: \"Mon 22:00-24:00\"}}\n");
    cr_assert_eq(look(&s, NULL), 1);
    put(s.calendar, "windows: {night: {hours: \"Mon 22:00-24:0\n");
    tg_error_clear(&e);
    cr_assert_eq(look(&s, &e), TG_E_DATA);
    cr_assert(strstr(e.file, "calendar.yaml") && e.line >= 1);
    cr_assert_eq(look(&s, NULL), TG_E_DATA);
    put(s.calendar, "windows: {night: {hours: \"Mon 22:00-24:00 Mars/Olympus\"}}\n");
    cr_assert_eq(look(&s, NULL), TG_E_DATA);
    put(s.calendar, "windows: {night: {for: group:nobody, hours: \"Mon 22:00-24:00\"}}\n");
    cr_assert_eq(look(&s, NULL), TG_E_DATA);
    put(s.calendar, "windows: {night: {hours: \"Mon 22:00-24:00\"}}\n");
    cr_assert_eq(look(&s, NULL), 1);
    unlink(s.calendar);
    cr_assert_lt(look(&s, NULL), 0);
    close_site(&s);
}

Test(site_agenda, a_file_in_which_no_event_counts_yet_is_looked_at_as_well)
{
    static const char none[] = "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n";
    static const char cancelled[] = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nSTATUS:CANCELLED\r\nDTSTART;VALUE=DATE:20261123\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    static const char freeze[] = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20261123\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    struct site s;

    open_site(&s);
    put(s.calendar, "windows: {night: {hours: \"Mon 22:00-24:00\"}}\nblackouts: {freeze: {ics: acme.ics}}\n");
    put(s.ics, none);
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(may(&s, "2026-11-23T22:30:00Z"));
    put(s.ics, freeze);
    cr_assert_eq(look(&s, NULL), 1, "a freeze was added to a file that had no event");
    cr_assert(!may(&s, "2026-11-23T22:30:00Z"));
    put(s.ics, cancelled);
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(may(&s, "2026-11-23T22:30:00Z"));
    put(s.ics, freeze);
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(!may(&s, "2026-11-23T22:30:00Z"));
    put(s.ics, none);
    cr_assert_eq(look(&s, NULL), 1);
    unlink(s.ics);
    cr_assert_lt(look(&s, NULL), 0);
    close_site(&s);
}

Test(site_agenda, files_that_the_calendar_names_are_looked_at_as_well)
{
    static const char event[] = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:2026112%dT220000Z\r\nDTEND:2026112%dT230000Z\r\n"
                                "END:VEVENT\r\nEND:VCALENDAR\r\n";
    struct site s;
    char text[400];

    open_site(&s);
    put(s.calendar, "windows: {agreed: {ics: acme.ics}}\n");
    snprintf(text, sizeof text, event, 3, 3);
    put(s.ics, text);
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(may(&s, "2026-11-23T22:30:00Z"));
    snprintf(text, sizeof text, event, 4, 4);
    put(s.ics, text);
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(!may(&s, "2026-11-23T22:30:00Z") && may(&s, "2026-11-24T22:30:00Z"));
    unlink(s.ics);
    cr_assert_lt(look(&s, NULL), 0);
    close_site(&s);
}

/* ---- files that are being written ---- */

#define OPEN "windows: {day: {hours: \"Mon-Sun 00:00-24:00\"}}\n"
#define FROZEN OPEN "blackouts: {freeze: {first: 2026-11-23, last: 2026-11-24}}\n"

static void put_whole(struct site *s, const char *text)
{
    char path[120];

    snprintf(path, sizeof path, "%s.new", s->calendar);
    put(path, text);
    cr_assert_eq(rename(path, s->calendar), 0);
}

static void expect_unsettled(struct site *s, const char *says)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(look(s, &e), TG_E_HELD);
    cr_assert(strstr(e.message, says), "%s", e.message);
}

Test(site_agenda, a_file_that_is_written_while_it_is_in_use_counts_when_it_has_stayed_as_it_is)
{
    struct site s;

    open_settling(&s, 2000);
    put(s.calendar, OPEN);
    cr_assert_eq(look(&s, NULL), 1, "what is there at the begin counts");
    put(s.calendar, FROZEN);
    cr_assert(tg_site_agenda_is_outdated(s.agenda));
    expect_unsettled(&s, "has just been written");
    s.mono_ms += 1999;
    expect_unsettled(&s, "has just been written");
    put(s.calendar, FROZEN "# and on\n");
    expect_unsettled(&s, "has just been written");
    s.mono_ms += 1999;
    expect_unsettled(&s, "has just been written");
    s.mono_ms += 1;
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(!may(&s, "2026-11-23T12:00:00Z"));
    cr_assert_eq(look(&s, NULL), 0);
    close_site(&s);
}

/* P5: cut off at a line it is a calendar like any other, and opens what nobody has opened. */
Test(site_agenda, a_file_that_was_cut_off_in_place_opens_nothing_for_a_while)
{
    struct site s;

    open_settling(&s, 2000);
    put(s.calendar, FROZEN);
    cr_assert_eq(look(&s, NULL), 1);
    put(s.calendar, "windows:\n");
    cr_assert_eq(look(&s, NULL), TG_E_DATA);
    put(s.calendar, OPEN);
    expect_unsettled(&s, "has no blackout \"freeze\" any more, and may not be written to its end");
    s.mono_ms += 59999;
    expect_unsettled(&s, "freeze");
    put(s.calendar, FROZEN); /* to its end */
    expect_unsettled(&s, "has just been written");
    s.mono_ms += 2000;
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(!may(&s, "2026-11-23T12:00:00Z"));
    put(s.calendar, OPEN); /* meant so */
    expect_unsettled(&s, "freeze");
    s.mono_ms += 60000;
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(may(&s, "2026-11-23T12:00:00Z"));
    close_site(&s);
}

Test(site_agenda, a_file_that_was_renamed_is_whole)
{
    struct site s;

    open_settling(&s, 2000);
    put(s.calendar, FROZEN);
    cr_assert_eq(look(&s, NULL), 1);
    put_whole(&s, "windows:\n");
    cr_assert_eq(look(&s, NULL), TG_E_DATA);
    put(s.calendar, OPEN); /* into that one */
    expect_unsettled(&s, "freeze");
    put_whole(&s, OPEN);
    expect_unsettled(&s, "has just been written");
    s.mono_ms += 2000;
    cr_assert_eq(look(&s, NULL), 1);
    cr_assert(may(&s, "2026-11-23T12:00:00Z"));
    close_site(&s);
}

/* A clock that jumps is a safe wait, whichever way; slewing is none. */
Test(site_agenda, a_clock_that_was_set_is_not_relied_on_for_a_while)
{
    struct tg_steady s;
    char why[200] = "";

    tg_steady_init(&s, 1000000000, 5000);
    cr_assert(tg_steady(&s, 1000005000, 10000, why, sizeof why));
    cr_assert(tg_steady(&s, 1000010900, 15000, why, sizeof why)); /* slewed by 0.9 s */
    cr_assert(!tg_steady(&s, 1000010900 + 3605000, 20000, why, sizeof why));
    cr_assert_str_eq(why, "the clock of this machine was set forward by 1h: nothing starts until it has been steady for 10m");
    cr_assert(!tg_steady(&s, 1000010900 + 3605000 + 599000, 619000, why, sizeof why));
    cr_assert(tg_steady(&s, 1000010900 + 3605000 + 600000, 620000, why, sizeof why));
    cr_assert(!tg_steady(&s, 1000010900, 625000, why, sizeof why));
    cr_assert(strstr(why, "was set back by 1h 10m"), "%s", why);
}
