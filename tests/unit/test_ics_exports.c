/* Exports in the shapes of Outlook, Google and iCloud: what each says, in UTC. P2: as windows they open nothing else. */
#include "calendar/build.h"
#include "calendar_world.h"

/* As a window, and as a blackout: from 2026 on. */
static void means(const char *name, enum tg_rule_kind kind, const char *expected)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_rule rule = {.kind = kind};
    struct tg_spans spans = TG_SPANS_INIT;
    struct tg_buf b = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;
    char path[1000], from[40], until[40];

    snprintf(path, sizeof path, "%s/tests/data/ics/%s", getenv("TAGOUT_SOURCE"), name);
    int rc = tg_ics_load(path, "Asia/Tokyo", &p, &rule, &e); /* of times without a zone: there are none */
    cr_assert_eq(rc, 0, "%s", e.message);
    for (size_t i = 0; i < rule.n_when; i++)
        cr_assert_eq(tg_when_spans(&rule.when[i], kind, ms_of("2026-01-01T00:00:00Z"), ms_of("2028-01-01T00:00:00Z"), &spans, NULL), 0);
    tg_spans_settle(&spans);
    for (size_t i = 0; i < spans.n; i++) {
        tg_time_format(spans.list[i].from_ms, from, sizeof from);
        tg_time_format(spans.list[i].until_ms, until, sizeof until);
        tg_buf_printf(&b, "%s%.16s-%.16s", i ? " " : "", from, until);
    }
    cr_expect_str_eq(tg_buf_text(&b), expected, "%s\nmeans    %s\nexpected %s", name, tg_buf_text(&b), expected);
    tg_buf_release(&b);
    tg_spans_release(&spans);
    tg_rule_release(&rule);
    tg_problems_release(&p);
}

/* A zone by its name in Windows, one that only the file defines, an exception in quotes, days as midnights. */
Test(ics_exports, outlook)
{
    static const char all[] = "2026-06-01T20:00-2026-06-01T21:00 2026-06-15T20:00-2026-06-15T21:00 2026-07-03T00:00-2026-07-03T00:30 2026-12-23T23:00-2026-12-24T23:00";

    means("outlook.ics", TG_RULE_WINDOW, all);
    means("outlook.ics", TG_RULE_BLACKOUT, all);
}

/* UNTIL in UTC, one of a series that was moved over a change of clocks, what was called off. */
Test(ics_exports, google)
{
    static const char all[] = "2026-03-02T02:00-2026-03-02T03:00 2026-03-05T02:00-2026-03-05T03:00 2026-03-12T05:00-2026-03-12T06:00";

    means("google.ics", TG_RULE_WINDOW, all);
    means("google.ics", TG_RULE_BLACKOUT, all);
}

/* A zone that is called GMT-0400 and is none of the tz database. */
Test(ics_exports, icloud)
{
    static const char all[] = "2026-03-30T00:30-2026-03-30T01:30 2026-06-03T22:00-2026-06-03T23:00";

    means("icloud.ics", TG_RULE_WINDOW, all);
    means("icloud.ics", TG_RULE_BLACKOUT, all);
}
