/* What request_suite.h's hosts see of calendars, inventories and booked weeks that change. */
#ifndef TESTS_REQUEST_SUITE_BASIS_H
#define TESTS_REQUEST_SUITE_BASIS_H

#include "request_suite.h"

static void calendar_there(void)
{
    OK(tg_store_create(g.store, TG_BOOK_PATH, "", 0, 0, tg_store_deadline(g.store, 20000), e));
    rig.basis = "one";
    rig.customer = "acme";
    rig.lead_ms = 3600000;
}

static void week_is_booked(void)
{
    OK(tg_store_write(g.store, TG_BOOK_PATH, "x", 1, TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
}

/* When the visit is, and the record's version. */
static int64_t visit_at(int64_t *out_version)
{
    struct tg_requests r = record();
    int64_t at = r.visits[TG_VISIT_DISRUPTIVE].start_ms;

    *out_version = r.version;
    tg_requests_release(&r);
    return at;
}

RTEST(nothing_is_written_while_nothing_changes)
{
    int64_t before, after;

    calendar_there();
    wish("update");
    int64_t at = visit_at(&before);
    RUN_DUE();
    RUN_DUE();
    cr_assert_eq(visit_at(&after), at);
    cr_assert_eq(after, before);
}

RTEST(a_calendar_that_changed_moves_what_it_forbids_at_the_next_look) /* P5 */
{
    int64_t version;

    calendar_there();
    wish("update");
    int64_t at = visit_at(&version);
    rig.open = false; /* the hour is closed, by what nobody sees yet */
    RUN_DUE();
    cr_assert_eq(visit_at(&version), at);
    rig.basis = "two";
    RUN_DUE();
    cr_assert_gt(visit_at(&version), at);
    cr_assert_eq(told("scheduled"), 1);
    cr_assert_eq(told("changed"), 1);
}

RTEST(a_week_that_is_booked_is_seen_at_the_next_look) /* P5 */
{
    int64_t version;

    calendar_there();
    wish("update");
    int64_t at = visit_at(&version);
    rig.open = false;
    week_is_booked();
    RUN_DUE();
    cr_assert_gt(visit_at(&version), at);
    cr_assert_eq(told("changed"), 1);
}

RTEST(who_was_told_is_not_told_again_of_the_same_time)
{
    int64_t before, after, last;

    calendar_there();
    wish("update");
    int64_t at = visit_at(&before);
    rig.basis = "two";
    week_is_booked();
    RUN_DUE();
    cr_assert_eq(visit_at(&after), at);
    cr_assert_eq(after, before + 1);
    RUN_DUE();
    cr_assert_eq(visit_at(&last), at);
    cr_assert_eq(last, after, "laid anew once, and not each time");
    cr_assert_eq(told("scheduled"), 1);
    cr_assert_eq(told("changed"), 0);
}

RTEST(what_cannot_be_known_to_have_changed_has_not)
{
    int64_t before, after;

    calendar_there();
    wish("update");
    (void) visit_at(&before);
    rig.basis = NULL;
    RUN_DUE();
    (void) visit_at(&after);
    cr_assert_eq(after, before);
}

#endif
