/* .ics files of other people's software: what they mean, and what is refused with the line. P2: what is not understood opens nothing. */
#include "calendar/build.h"
#include "calendar_world.h"

#define EVENT(lines) "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1@x\r\n" lines "END:VEVENT\r\nEND:VCALENDAR\r\n"

/* Reads it as the windows (or blackouts) of a rule; what is wrong, malloc'd, or NULL. */
static char *read_ics(const char *text, size_t len, enum tg_rule_kind kind, struct tg_rule *rule)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_buf b = TG_BUF_INIT;

    *rule = (struct tg_rule) {.kind = kind};
    int rc = tg_ics_read("x.ics", text, len, "Europe/Berlin", &p, rule, &e);
    if (rc) {
        cr_assert_eq(rc, TG_E_DATA, "%s", e.message);
        tg_problems_text(&p, &b);
    }
    tg_problems_release(&p);
    return rc ? tg_buf_take(&b, NULL) : NULL;
}

/* Its occurrences in 2026 and 2027: "2026-01-05T21:00:00Z-2026-01-05T22:00:00Z …" */
static void means(const char *text, enum tg_rule_kind kind, const char *expected)
{
    struct tg_rule rule;
    char *bad = read_ics(text, strlen(text), kind, &rule), from[40], until[40];
    struct tg_spans spans = TG_SPANS_INIT;
    struct tg_buf b = TG_BUF_INIT;

    cr_assert_null(bad, "%s\n%s", bad, text);
    for (size_t i = 0; i < rule.n_when; i++)
        cr_assert_eq(tg_when_spans(&rule.when[i], kind, ms_of("2026-01-01T00:00:00Z"), ms_of("2028-01-01T00:00:00Z"), &spans, NULL), 0);
    tg_spans_settle(&spans);
    for (size_t i = 0; i < spans.n; i++) {
        tg_time_format(spans.list[i].from_ms, from, sizeof from);
        tg_time_format(spans.list[i].until_ms, until, sizeof until);
        tg_buf_printf(&b, "%s%.16s-%.16s", i ? " " : "", from, until);
    }
    cr_assert_str_eq(tg_buf_text(&b), expected, "%s\nmeans    %s\nexpected %s", text, tg_buf_text(&b), expected);
    tg_buf_release(&b);
    tg_spans_release(&spans);
    tg_rule_release(&rule);
}

static void refused(const char *text, const char *expected)
{
    struct tg_rule rule;
    char *bad = read_ics(text, strlen(text), TG_RULE_BLACKOUT, &rule);

    cr_assert(bad && strstr(bad, expected), "wanted %s, got:\n%s", expected, bad ? bad : "nothing");
    cr_assert_eq(rule.n_when, 0);
    free(bad);
    tg_rule_release(&rule);
}

#define W TG_RULE_WINDOW
#define B TG_RULE_BLACKOUT

Test(ics, times_are_utc_local_or_floating)
{
    means(EVENT("DTSTART:20260105T210000Z\r\nDTEND:20260105T220000Z\r\n"), W, "2026-01-05T21:00-2026-01-05T22:00");
    means(EVENT("DTSTART;TZID=America/New_York:20260105T210000\r\nDURATION:PT1H\r\n"), W, "2026-01-06T02:00-2026-01-06T03:00");
    means(EVENT("DTSTART:20260105T210000\r\nDTEND:20260105T220000\r\n"), W, "2026-01-05T20:00-2026-01-05T21:00"); /* the calendar's zone */
    means(EVENT("DTSTART;VALUE=DATE:20260105\r\n"), B, "2026-01-04T23:00-2026-01-05T23:00");
    means(EVENT("DTSTART;VALUE=DATE:20260328\r\nDTEND;VALUE=DATE:20260330\r\n"), B, "2026-03-27T23:00-2026-03-29T22:00"); /* two days, 47 hours */
    means(EVENT("DTSTART;TZID=Europe/Berlin:20260105T210000\r\nDTEND;TZID=Europe/London:20260105T210000\r\n"), W, "2026-01-05T20:00-2026-01-05T21:00");
}

#define BUSY(lines) "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:PUBLISH\r\nBEGIN:VFREEBUSY\r\nUID:f@x\r\nDTSTART:20260105T000000Z\r\nDTEND:20260201T000000Z\r\n" lines \
    "END:VFREEBUSY\r\nEND:VCALENDAR\r\n"

/* P2: free/busy exports. What they call busy is closed, what they call free opens nothing. */
Test(ics, who_is_busy_is_not_disturbed)
{
    means(BUSY("FREEBUSY:20260105T210000Z/20260105T220000Z,20260106T080000Z/PT30M\r\nFREEBUSY;FBTYPE=BUSY-TENTATIVE:20260107T080000Z/P1D\r\n"), B,
          "2026-01-05T21:00-2026-01-05T22:00 2026-01-06T08:00-2026-01-06T08:30 2026-01-07T08:00-2026-01-08T08:00");
    means(BUSY("FREEBUSY;FBTYPE=FREE:20260105T210000Z/20260105T220000Z\r\nFREEBUSY;FBTYPE=X-OOF:20260106T210000Z/20260106T220000Z\r\n"), B, "2026-01-06T21:00-2026-01-06T22:00");
    means(BUSY(""), B, "");
    refused(BUSY("FREEBUSY:20260105T210000Z\r\n"), "x.ics:8:1: \"20260105T210000Z\" is no period of time");
    refused(BUSY("FREEBUSY:20260105T210000Z/20260105T200000Z\r\n"), "it ends before it has begun");
    refused(BUSY("FREEBUSY:20260105T210000Z/20260105T220000Z,20260105/P1D\r\n"), "is no period of time");
    refused(BUSY("FREEBUSY:20260105T210000Z/20260105T220000\r\n"), "by another clock");
    struct tg_rule rule;
    char *bad = read_ics(BUSY("FREEBUSY;FBTYPE=FREE:20260105T210000Z/PT1H\r\n"), strlen(BUSY("FREEBUSY;FBTYPE=FREE:20260105T210000Z/PT1H\r\n")), W, &rule);
    cr_assert(bad && strstr(bad, "that is no window"), "%s", bad ? bad : "nothing");
    free(bad);
    tg_rule_release(&rule);
}

Test(ics, zones_are_known_by_the_names_that_programs_give_them)
{
    means(EVENT("DTSTART;TZID=W. Europe Standard Time:20260105T210000\r\nDURATION:PT1H\r\n"), W, "2026-01-05T20:00-2026-01-05T21:00");
    means(EVENT("DTSTART;TZID=\"Eastern Standard Time\":20260705T210000\r\nDURATION:PT1H\r\n"), W, "2026-07-06T01:00-2026-07-06T02:00");
    means(EVENT("DTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20260705T210000\r\nDURATION:PT1H\r\n"), W, "2026-07-05T19:00-2026-07-05T20:00");
    means(EVENT("DTSTART;TZID=/freeassociation.sourceforge.net/Europe/Berlin:20260705T210000\r\nDURATION:PT1H\r\n"), W, "2026-07-05T19:00-2026-07-05T20:00");
    refused(EVENT("DTSTART;TZID=Nowhere:20260105T210000\r\nDURATION:PT1H\r\n"), "x.ics:5:1: there is no time zone \"Nowhere\"");
}

Test(ics, a_zone_may_come_with_the_file)
{
    static const char own[] = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;TZID=Customized Time Zone:20260705T210000\nDURATION:PT1H\nEND:VEVENT\n"
                              "BEGIN:VTIMEZONE\nTZID:Customized Time Zone\nBEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0430\nTZOFFSETTO:+0330\n"
                              "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0330\nTZOFFSETTO:+0430\n"
                              "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\nEND:VCALENDAR\n";

    means(own, W, "2026-07-05T16:30-2026-07-05T17:30");
    refused("BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Odd\nBEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0430\nTZOFFSETTO:+0330\n"
            "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\nEND:STANDARD\nEND:VTIMEZONE\n"
            "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Odd:20260705T210000\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR\n", "x.ics:2:1: time zone \"Odd\": the rules");
}

Test(ics, lines_may_be_folded_have_a_bom_and_any_line_break)
{
    means("\xef\xbb\xbf" EVENT("DTSTART:2026\r\n 0105T21\r\n\t0000Z\r\nDTEND:20260105T220000Z\r\n"), W, "2026-01-05T21:00-2026-01-05T22:00");
    means(EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nRR\r\n ULE:FREQ=WEEKLY;COUNT=2\r\n"), W,
          "2026-01-05T21:00-2026-01-05T22:00 2026-01-12T21:00-2026-01-12T22:00");
    means("BEGIN:VCALENDAR\nBEGIN:VEVENT\n\n\nDTSTART:20260105T210000Z\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR", W, "2026-01-05T21:00-2026-01-05T22:00");
    means("begin:vcalendar\nbegin:vevent\ndtstart;x=\"a:b;c\":20260105T210000Z\nduration:PT1H\nend:vevent\nend:vcalendar\n", W, "2026-01-05T21:00-2026-01-05T22:00");
    means("BEGIN:VCALENDAR\rBEGIN:VEVENT\r\rDTSTART:2026\r 0105T21\r\t0000Z\rDURATION:PT1H\rEND:VEVENT\rEND:VCALENDAR\r", W, "2026-01-05T21:00-2026-01-05T22:00");
    means("BEGIN:VCALENDAR\r\r\nBEGIN:VEVENT\r\r\nDTSTART:2026\r\r\n 0105T210000Z\r\r\nDURATION:PT1H\r\r\nEND:VEVENT\r\r\nEND:VCALENDAR", W, "2026-01-05T21:00-2026-01-05T22:00");
    /* what stands behind a lone CR is a line, and not the rest of one that does not matter */
    means("BEGIN:VCALENDAR\nX-NAME:freezes\rBEGIN:VEVENT\rDTSTART:20260105T210000Z\rDURATION:PT1H\rEND:VEVENT\nEND:VCALENDAR\n", B, "2026-01-05T21:00-2026-01-05T22:00");
}

Test(ics, a_file_in_other_letters_is_named_as_such)
{
    static const char text[] = EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\n");
    char wide[2 * sizeof text + 2];

    for (size_t marked = 0; marked < 2; marked++)
        for (size_t low = 0; low < 2; low++) { /* where the low byte of a letter stands */
            struct tg_rule rule;
            memset(wide, 0, sizeof wide);
            memcpy(wide, low ? "\xfe\xff" : "\xff\xfe", 2);
            for (size_t i = 0; text[i]; i++)
                wide[2 * marked + 2 * i + low] = text[i];
            if (!marked)
                wide[!low] = 0;
            char *bad = read_ics(wide, 2 * (sizeof text - 1 + marked), TG_RULE_BLACKOUT, &rule);
            cr_assert(bad && strstr(bad, "x.ics:1:1: the file is UTF-16, and .ics files are UTF-8"), "%s", bad ? bad : "nothing");
            cr_assert(strstr(bad, "iconv -f UTF-16") != NULL, "%s", bad);
            cr_assert_eq(rule.n_when, 0);
            free(bad);
            tg_rule_release(&rule);
        }
}

Test(ics, what_recurs_does_so_by_its_rule_with_exceptions_and_additions)
{
    means(EVENT("DTSTART;TZID=Europe/Berlin:20260105T220000\r\nDTEND;TZID=Europe/Berlin:20260105T230000\r\nRRULE:FREQ=WEEKLY;COUNT=4\r\n"
                "EXDATE;TZID=Europe/Berlin:20260112T220000\r\nEXDATE:20260119T210000Z\r\nRDATE;TZID=Europe/Berlin:20260201T100000\r\n"), W,
          "2026-01-05T21:00-2026-01-05T22:00 2026-01-26T21:00-2026-01-26T22:00 2026-02-01T09:00-2026-02-01T10:00");
    /* Both sides of the change of clocks; UNTIL in UTC is the last one's own time. */
    means(EVENT("DTSTART;TZID=Europe/Berlin:20260322T220000\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;UNTIL=20260405T200000Z\r\n"), W,
          "2026-03-22T21:00-2026-03-22T22:00 2026-03-29T20:00-2026-03-29T21:00 2026-04-05T20:00-2026-04-05T21:00");
    means(EVENT("DTSTART;TZID=Europe/Berlin:20260322T220000\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;UNTIL=20260405T195959Z\r\n"), W,
          "2026-03-22T21:00-2026-03-22T22:00 2026-03-29T20:00-2026-03-29T21:00");
    means(EVENT("DTSTART;VALUE=DATE:20201224\r\nDTEND;VALUE=DATE:20201227\r\nRRULE:FREQ=YEARLY\r\nTRANSP:TRANSPARENT\r\n"), B,
          "2026-12-23T23:00-2026-12-26T23:00 2027-12-23T23:00-2027-12-26T23:00");
    means(EVENT("DTSTART;VALUE=DATE:19501224\r\nRRULE:FREQ=YEARLY;COUNT=77\r\n"), B, "2026-12-23T23:00-2026-12-24T23:00"); /* a birthday */
}

/* P5: libical had these a week off, had none of them, or had more. The expected ones are python-dateutil's. */
Test(ics, rules_are_as_other_programs_have_them)
{
#define R(start, rule) EVENT("DTSTART:" start "T100000Z\r\nDURATION:PT1H\r\nRRULE:" rule "\r\n")
    means(R("20260105", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;COUNT=3"), W, "2026-01-11T10:00-2026-01-11T11:00 2026-01-25T10:00-2026-01-25T11:00 2026-02-08T10:00-2026-02-08T11:00");
    means(R("20260105", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;UNTIL=20260201"), W, "2026-01-11T10:00-2026-01-11T11:00 2026-01-25T10:00-2026-01-25T11:00");
    means(R("20260105", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU;COUNT=3"), W,
          "2026-01-05T10:00-2026-01-05T11:00 2026-01-18T10:00-2026-01-18T11:00 2026-01-19T10:00-2026-01-19T11:00");
    means(R("20241217", "FREQ=WEEKLY;INTERVAL=5;BYDAY=SU;UNTIL=20260301"), W, "2026-01-11T10:00-2026-01-11T11:00 2026-02-15T10:00-2026-02-15T11:00");
    means(R("20260105", "FREQ=DAILY;BYMONTHDAY=-1;COUNT=3"), B, "2026-01-05T10:00-2026-01-05T11:00 2026-01-31T10:00-2026-01-31T11:00 2026-02-28T10:00-2026-02-28T11:00 "
                                                               "2026-03-31T10:00-2026-03-31T11:00");
    means(R("20260124", "FREQ=YEARLY;BYMONTHDAY=24;COUNT=3"), B, "2026-01-24T10:00-2026-01-24T11:00 2026-02-24T10:00-2026-02-24T11:00 2026-03-24T10:00-2026-03-24T11:00");
    means(R("20260105", "FREQ=DAILY;BYHOUR=18,6;BYMINUTE=0;COUNT=3"), W, "2026-01-05T18:00-2026-01-05T19:00 2026-01-06T06:00-2026-01-06T07:00 2026-01-06T18:00-2026-01-06T19:00");
    refused(R("20260105", "FREQ=MONTHLY;BYHOUR=9,16;BYSETPOS=-1"), "BYSETPOS is not supported with several times a day");
    refused(R("20260105", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO"), "BYWEEKNO is not supported");
    refused(R("20260105", "FREQ=WEEKLY;BYMONTHDAY=3"), "BYMONTHDAY does not go with FREQ=WEEKLY");
    refused(R("20260105", "FREQ=YEARLY;BYMONTH=12,13;BYMONTHDAY=3"), "there is no month 13");
    refused(R("20260105", "FREQ=DAILY;BYSECOND=60"), "there is no second 60");
    refused(R("20260105", "FREQ=MONTHLY;BYDAY=1TU,0TH"), "there is no 0th day of the week");
    refused(R("20260105", "FREQ=WEEKLY;UNTIL=20261232"), "UNTIL is no date and no time");
    refused(R("20260105", "FREQ=WEEKLY;INTERVAL=1;INTERVAL=2"), "INTERVAL stands there twice");
#undef R
}

Test(ics, one_of_a_series_may_be_moved_or_cancelled)
{
#define SERIES "BEGIN:VEVENT\nUID:a\nSEQUENCE:1\nDTSTART;TZID=Europe/Berlin:20260105T220000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3\nEND:VEVENT\n"
    means("BEGIN:VCALENDAR\n" SERIES "BEGIN:VEVENT\nUID:a\nRECURRENCE-ID;TZID=Europe/Berlin:20260112T220000\nDTSTART;TZID=Europe/Berlin:20260113T100000\nDURATION:PT2H\nEND:VEVENT\nEND:VCALENDAR\n",
          W, "2026-01-05T21:00-2026-01-05T22:00 2026-01-13T09:00-2026-01-13T11:00 2026-01-19T21:00-2026-01-19T22:00");
    means("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nSTATUS:CANCELLED\nRECURRENCE-ID:20260112T210000Z\nDTSTART:20260112T210000Z\nEND:VEVENT\n" SERIES "END:VCALENDAR\n", W,
          "2026-01-05T21:00-2026-01-05T22:00 2026-01-19T21:00-2026-01-19T22:00");
    /* The latest version counts, wherever it stands. */
    means("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nSEQUENCE:2\nDTSTART:20260301T100000Z\nDURATION:PT1H\nEND:VEVENT\n" SERIES "END:VCALENDAR\n", W,
          "2026-03-01T10:00-2026-03-01T11:00");
    means("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nSEQUENCE:2\nSTATUS:CANCELLED\nDTSTART:20260301T100000Z\nEND:VEVENT\n" SERIES "END:VCALENDAR\n", W, "");
    means("BEGIN:VCALENDAR\nMETHOD:CANCEL\n" SERIES "END:VCALENDAR\n", B, "");
}

/* P2: in each of these a blackout was passed over, or a window was open. */
Test(ics, what_other_programs_write_oddly_is_understood_or_closes)
{
#define CALENDAR(lines) "BEGIN:VCALENDAR\n" lines "END:VCALENDAR\n"
#define AT(start, more) "BEGIN:VEVENT\nUID:a\nDTSTART:2026" start "T100000Z\nDURATION:PT1H\n" more "END:VEVENT\n"
    /* METHOD:CANCEL is about its own VCALENDAR */
    means(CALENDAR(AT("0105", "")) CALENDAR("METHOD:CANCEL\nBEGIN:VEVENT\nUID:b\nDTSTART:20260106T100000Z\nEND:VEVENT\n"), B, "2026-01-05T10:00-2026-01-05T11:00");
    /* blanks */
    means("BEGIN:VCALENDAR \nBEGIN:VEVENT \nDTSTART;VALUE=DATE:20260105 \nRRULE :FREQ=DAILY;COUNT=2 \nEND:VEVENT \nEND:VCALENDAR\t\n", B, "2026-01-04T23:00-2026-01-06T23:00");
    means(CALENDAR(AT("0105", "STATUS:CANCELLED \n")), W, "");
    means(CALENDAR(AT("0105", "STATUS:WHATEVER\n")), B, "2026-01-05T10:00-2026-01-05T11:00");
    /* one day, its end the day itself */
    means(EVENT("DTSTART;VALUE=DATE:20260105\r\nDTEND;VALUE=DATE:20260105\r\n"), B, "2026-01-04T23:00-2026-01-05T23:00");
    means(EVENT("DTSTART;VALUE=DATE:20260105\r\nDTEND;VALUE=DATE:20260105\r\n"), W, "");
    /* which of two of one version counts is not known */
    means(CALENDAR(AT("0105", "") AT("0107", "")), B, "2026-01-05T10:00-2026-01-05T11:00 2026-01-07T10:00-2026-01-07T11:00");
    means(CALENDAR(AT("0105", "") AT("0105", "")), W, "2026-01-05T10:00-2026-01-05T11:00");
    means(CALENDAR(AT("0105", "STATUS:CANCELLED\n") AT("0105", "")), W, "");
    /* which of a series, in another zone than the one that stands for it */
    means("BEGIN:VCALENDAR\n" SERIES "BEGIN:VEVENT\nUID:a\nRECURRENCE-ID:20260112T210000Z\nDTSTART;TZID=Europe/Berlin:20260113T100000\nDURATION:PT2H\nEND:VEVENT\nEND:VCALENDAR\n", W,
          "2026-01-05T21:00-2026-01-05T22:00 2026-01-13T09:00-2026-01-13T11:00 2026-01-19T21:00-2026-01-19T22:00");
    /* a series that is off, and one of it that was moved before */
    means("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nSEQUENCE:2\nSTATUS:CANCELLED\nEND:VEVENT\nBEGIN:VEVENT\nUID:a\nRECURRENCE-ID:20260112T210000Z\n"
          "DTSTART:20260113T100000Z\nDURATION:PT2H\nEND:VEVENT\nEND:VCALENDAR\n", W, "");
    /* whole days, and times at which they are not: in the zone of the file, in another, in UTC */
#define DAYS(more) EVENT("DTSTART;VALUE=DATE:20260105\r\nRRULE:FREQ=DAILY;COUNT=3\r\n" more)
    means(DAYS("EXDATE;TZID=Asia/Kathmandu:20260106T000000\r\n"), W, "2026-01-04T23:00-2026-01-05T23:00 2026-01-06T23:00-2026-01-07T23:00");
    means(DAYS("EXDATE;TZID=Asia/Kathmandu:20260106T000000\r\n"), B, "2026-01-04T23:00-2026-01-05T23:00 2026-01-06T23:00-2026-01-07T23:00");
    means(DAYS("EXDATE:20260105T230000Z\r\n"), W, "2026-01-06T23:00-2026-01-07T23:00");
    means(DAYS("EXDATE:20260105T230000Z\r\n"), B, "2026-01-04T23:00-2026-01-07T23:00");
    means(DAYS("EXDATE:20260106T000000Z\r\n"), B, "2026-01-04T23:00-2026-01-05T23:00 2026-01-06T23:00-2026-01-07T23:00");
}

/* P2, P5: programs leave out the zone of a time that is not; a window that was called off would be open. */
Test(ics, an_exception_without_a_zone_is_in_none_that_it_may_mean)
{
#define NIGHTS(more) CALENDAR("BEGIN:VEVENT\nUID:a\nDTSTART;TZID=America/New_York:20260105T220000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2\n" more)
#define FIRST "2026-01-06T03:00-2026-01-06T04:00"
#define SECOND "2026-01-07T03:00-2026-01-07T04:00"
    means(NIGHTS("EXDATE:20260105T220000\nEND:VEVENT\n"), W, SECOND); /* in its own zone */
    means(NIGHTS("EXDATE:20260106T040000\nEND:VEVENT\n"), W, SECOND); /* in the calendar's */
    means(NIGHTS("EXDATE:20260105T220000\nEND:VEVENT\n"), B, FIRST " " SECOND);
    means(NIGHTS("END:VEVENT\nBEGIN:VEVENT\nUID:a\nRECURRENCE-ID:20260105T220000\nDTSTART:20260201T100000Z\nDURATION:PT1H\nEND:VEVENT\n"), W,
          SECOND " 2026-02-01T10:00-2026-02-01T11:00");
    means(NIGHTS("END:VEVENT\nBEGIN:VEVENT\nUID:a\nRECURRENCE-ID:20260105T220000\nSTATUS:CANCELLED\nEND:VEVENT\n"), B, FIRST " " SECOND);
}

/* P5: of a name that is one of the tz database's, and clocks that are not. */
Test(ics, a_zone_of_the_file_is_not_taken_for_another_of_its_name)
{
#define ZONE(name, from, to) "BEGIN:VTIMEZONE\nTZID:" name "\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:" from "\nTZOFFSETTO:" to "\nEND:STANDARD\nEND:VTIMEZONE\n"
#define IN(name) "BEGIN:VEVENT\nUID:a\nDTSTART;TZID=" name ":20260705T210000\nDURATION:PT1H\nEND:VEVENT\n"
    refused(CALENDAR(ZONE("Europe/Berlin", "-0500", "-0500") IN("Europe/Berlin")), "x.ics:2:1: the clocks of time zone \"Europe/Berlin\" never show the time of Europe/Berlin");
    refused(CALENDAR(IN("Our Office/Singapore") ZONE("Our Office/Singapore", "+0100", "+0100")), "never show the time of Singapore");
    refused(CALENDAR(ZONE("Eastern Standard Time", "+1000", "+1000") IN("Eastern Standard Time")), "never show the time of America/New_York");
    /* without summer time, and by rules of long ago: the tz database has it right */
    means(CALENDAR(ZONE("Europe/Berlin", "+0200", "+0100") IN("Europe/Berlin")), W, "2026-07-05T19:00-2026-07-05T20:00");
    means(CALENDAR(ZONE("Europe/Istanbul", "+0300", "+0200") IN("Europe/Istanbul")), W, "2026-07-05T18:00-2026-07-05T19:00");
    means(CALENDAR("BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nEND:VTIMEZONE\n" IN("Europe/Berlin")), W, "2026-07-05T19:00-2026-07-05T20:00");
    means(CALENDAR(ZONE("UTC", "+0000", "+0000") IN("UTC")), W, "2026-07-05T21:00-2026-07-05T22:00");
}

Test(ics, windows_that_can_not_be_told_are_refused)
{
    static const char *const cases[][2] = {
        {CALENDAR(AT("0105", "") AT("0107", "")), "x.ics:7:1: the event has the UID and the SEQUENCE of the one of line 2, and is at another time"},
        {CALENDAR(AT("0105", "STATUS:CANCELED\n")), "x.ics:6:1: there is no STATUS \"CANCELED\""},
        {CALENDAR(CALENDAR(AT("0105", ""))), "x.ics:2:1: VCALENDAR stands within VCALENDAR"},
        {AT("0105", "") CALENDAR(""), "x.ics:1:1: VEVENT stands outside of a VCALENDAR"},
        {CALENDAR("BEGIN:VEVENT\nDTSTART:20260105T100000Z\n" AT("0105", "")), "x.ics:4:1: VEVENT stands within VEVENT"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tg_rule rule;
        char *bad = read_ics(cases[i][0], strlen(cases[i][0]), W, &rule);
        cr_assert(bad && strstr(bad, cases[i][1]), "wanted %s, got:\n%s", cases[i][1], bad ? bad : "nothing");
        free(bad);
        tg_rule_release(&rule);
    }
}

Test(ics, what_is_not_sure_opens_nothing_and_closes)
{
    means(EVENT("STATUS:TENTATIVE\r\nDTSTART:20260105T210000Z\r\nDURATION:PT1H\r\n"), W, "");
    means(EVENT("STATUS:TENTATIVE\r\nDTSTART:20260105T210000Z\r\nDURATION:PT1H\r\n"), B, "2026-01-05T21:00-2026-01-05T22:00");
    /* Outlook's and Exchange's own word for it, which may stand alone. What it says of busy and free matters as little as TRANSP. */
    for (int k = 0; k < 2; k++) {
        const enum tg_rule_kind kind = k ? W : B;
        means(EVENT("X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE\r\nDTSTART:20260105T210000Z\r\nDURATION:PT1H\r\n"), kind, k ? "" : "2026-01-05T21:00-2026-01-05T22:00");
        means(EVENT("STATUS:CONFIRMED\r\nX-MICROSOFT-CDO-BUSYSTATUS:tentative\r\nDTSTART:20260105T210000Z\r\nDURATION:PT1H\r\n"), kind,
              k ? "" : "2026-01-05T21:00-2026-01-05T22:00");
        means(EVENT("TRANSP:TRANSPARENT\r\nX-MICROSOFT-CDO-BUSYSTATUS:FREE\r\nDTSTART:20260105T210000Z\r\nDURATION:PT1H\r\n"), kind, "2026-01-05T21:00-2026-01-05T22:00");
        means(EVENT("X-MICROSOFT-CDO-BUSYSTATUS:OOF\r\nDTSTART:20260105T210000Z\r\nDURATION:PT1H\r\n"), kind, "2026-01-05T21:00-2026-01-05T22:00");
    }
    /* A first that its own rule does not have: other programs show it. */
    means(EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=1\r\n"), W, "2026-01-06T21:00-2026-01-06T22:00");
    means(EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=1\r\n"), B,
          "2026-01-05T21:00-2026-01-05T22:00 2026-01-06T21:00-2026-01-06T22:00");
    means(EVENT("DTSTART:20260105T210000Z\r\n"), B, "");                        /* a reminder takes no time */
    means("BEGIN:VCALENDAR\nEND:VCALENDAR\n", B, "");                           /* nothing is planned */
    means("BEGIN:VCALENDAR\nBEGIN:VTODO\nDTSTART:rubbish\nEND:VTODO\nEND:VCALENDAR\n", B, "");
    means(EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nBEGIN:VALARM\r\nDURATION:PT5M\r\nTRIGGER:rubbish\r\nEND:VALARM\r\nATTENDEE;CN=\"x:y\r\n"), W,
          "2026-01-05T21:00-2026-01-05T22:00");
}

Test(ics, mistakes_are_refused_with_their_line)
{
    static const char *const cases[][2] = {
        {"", "this is no .ics file"},
        {"<html>404</html>", "this is no .ics file"},
        {"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260105T210000Z\n", "the file ends within VEVENT: was it cut off?"},
        {"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", "x.ics:3:1: END:VCALENDAR ends nothing: it stands within VEVENT"},
        {"END:VEVENT\n", "ends nothing"},
        {EVENT(""), "x.ics:3:1: the event has no DTSTART"},
        {EVENT("DTSTART:20260230T210000Z\r\nDURATION:PT1H\r\n"), "x.ics:5:1: \"20260230T210000Z\" is no date"},
        {EVENT("DTSTART:20260105T250000Z\r\nDURATION:PT1H\r\n"), "is no date and no time"},
        {EVENT("DTSTART:2026-01-05\r\nDURATION:PT1H\r\n"), "is no date and no time"},
        {EVENT("DTSTART:99990105T210000Z\r\nDURATION:PT1H\r\n"), "is no date and no time"},
        {EVENT("DTSTART:20260105T210000Z\r\nDTEND:20260105T200000Z\r\n"), "x.ics:6:1: it ends before it has begun"},
        {EVENT("DTSTART:20260105T210000Z\r\nDTEND;VALUE=DATE:20260106\r\n"), "DTEND is a date and DTSTART a time"},
        {EVENT("DTSTART:20260105T210000Z\r\nDTEND:20260105T220000Z\r\nDURATION:PT1H\r\n"), "both DTEND and DURATION"},
        {EVENT("DTSTART:20260105T210000Z\r\nDURATION:-PT1H\r\n"), "is no duration"},
        {EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT99999999999H\r\n"), "is no duration"},
        {EVENT("DTSTART:20260105T210000Z\r\nDURATION:P20000D\r\n"), "it is longer than"},
        {EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=SECONDLY\r\n"), "x.ics:7:1: RRULE: FREQ must be DAILY"},
        {EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\r\n"), "never comes"},
        {EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY\r\nRRULE:FREQ=WEEKLY\r\n"), "x.ics:8:1: the event of line 3 has RRULE twice"},
        {EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nEXRULE:FREQ=WEEKLY\r\n"), "EXRULE is not supported"},
        {EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nRDATE;VALUE=PERIOD:20260201T000000Z/PT1H\r\n"), "PERIOD"},
        {EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260105T210000Z\r\n"), "RANGE"},
        {EVENT("DTSTART:20260105T210000Z\r\nDURATION:PT1H\r\nEXDATE:rubbish\r\n"), "x.ics:7:1: \"rubbish\" is no date"},
        {EVENT("DTSTART 20260105T210000Z\r\n"), "has no DTSTART"},
        {EVENT("DTSTART;TZID=Europe/Berlin\r\n"), "a colon is missing"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(cases[i][0], cases[i][1]);
}

Test(ics, a_large_file_is_read_and_one_bad_event_in_its_middle_is_named)
{
    struct tg_buf b = TG_BUF_INIT;
    struct tg_rule rule;

    tg_buf_puts(&b, "BEGIN:VCALENDAR\r\n");
    for (int i = 0; i < 20000; i++)
        tg_buf_printf(&b, "BEGIN:VEVENT\r\nUID:%d\r\nDTSTART:2026%02d%02dT%02d0000Z\r\nDURATION:PT30M\r\nDESCRIPTION:%0400d\r\nEND:VEVENT\r\n", i, i % 12 + 1,
                      i == 10000 ? 31 : i % 28 + 1, i % 24, i);
    tg_buf_puts(&b, "END:VCALENDAR\r\n");
    cr_assert_gt(b.len, 9u << 20);
    char *bad = read_ics(b.data, b.len, B, &rule);
    cr_assert_null(bad, "%s", bad); /* 31 May is a day */
    cr_assert_eq(rule.n_when, 20000);
    tg_rule_release(&rule);
    char *at = strstr(b.data, "DTSTART:20260531T");
    cr_assert_not_null(at);
    memcpy(at, "DTSTART:20260631T", 17);
    bad = read_ics(b.data, b.len, B, &rule);
    cr_assert(bad && strstr(bad, "x.ics:60004:1: \"20260631T"), "%s", bad);
    cr_assert_eq(rule.n_when, 0);
    free(bad);
    tg_rule_release(&rule);
    tg_buf_release(&b);
}
