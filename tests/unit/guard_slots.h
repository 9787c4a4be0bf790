/* What FleetLock's slots promise, on any store: a part of guard_suite.h. */
#ifndef TESTS_GUARD_SLOTS_H
#define TESTS_GUARD_SLOTS_H

#include "guard/slots.h"

static int take_slot(const char *group, const char *id, int64_t limit, bool *out_fresh)
{
    struct tg_slot_request r;

    snprintf(r.group, sizeof r.group, "%s", group);
    snprintf(r.id, sizeof r.id, "%s", id);
    return tg_slot_take(&g, &r, limit, out_fresh, NULL, NULL);
}

static bool give_slot(const char *group, const char *id)
{
    struct tg_slot_request r;
    bool had = false;

    snprintf(r.group, sizeof r.group, "%s", group);
    snprintf(r.id, sizeof r.id, "%s", id);
    OK(tg_slot_give(&g, &r, &had, e));
    return had;
}

GTEST(slots_are_given_up_to_the_limit_and_once_a_host)
{
    struct tg_slot_groups groups;
    bool fresh = false;

    cr_assert_eq(take_slot("web", "a", 2, &fresh), 0);
    cr_assert(fresh);
    cr_assert_eq(take_slot("web", "a", 2, &fresh), 0);
    cr_assert(!fresh);
    cr_assert_eq(take_slot("web", "b", 2, NULL), 0);
    cr_assert_eq(take_slot("web", "c", 2, NULL), TG_E_HELD);
    cr_assert_eq(take_slot("db", "c", 1, NULL), 0);
    cr_assert_eq(take_slot("none", "c", 0, NULL), TG_E_HELD);
    cr_assert(give_slot("web", "a"));
    cr_assert(!give_slot("web", "a"));
    cr_assert(!give_slot("never", "a"));
    cr_assert_eq(take_slot("web", "c", 2, NULL), 0);
    OK(tg_slot_list(&g, &groups, e));
    cr_assert_eq(groups.n, 2);
    tg_slot_groups_release(&groups);
}

/* P2: a lost record is no free slot. */
GTEST(slots_that_are_missing_or_broken_are_unknown)
{
    cr_assert_eq(take_slot("web", "a", 1, NULL), 0);
    OK(tg_store_write(g.store, "/fleetlock/web", "{}", 2, TG_ANY_VERSION, tg_guard_deadline(&g), e));
    cr_assert_eq(take_slot("web", "b", 1, NULL), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "bad-record");
    OK(tg_store_delete(g.store, "/fleetlock/web", TG_ANY_VERSION, tg_guard_deadline(&g), e));
    cr_assert_eq(take_slot("web", "b", 1, NULL), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "fewer-locks-than-recorded");
    OK(tg_store_delete(g.store, "/fleetlock", TG_ANY_VERSION, tg_guard_deadline(&g), e));
    cr_assert_eq(take_slot("web", "b", 1, NULL), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "store-older");
}

#endif
