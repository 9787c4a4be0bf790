/* Whom limits.domains and limits.floor count besides the run's own: the locks of others, by domain (P5). */
#include "config/problems.h"
#include "engine/others.h"
#include "engine/withdraw.h"
#include "fleet/inventory.h"
#include "guard/record.h"
#include "lib/plan.h"

#include <criterion/criterion.h>

/* h0 h2 h4 are in r0, h1 h3 h5 in r1; spare is in r1 and not in the plan, loose is in none. */
static const char fleet[] = "groups:\n  all: {hosts: \"h[0-5],spare,loose\"}\n  even: {hosts: \"h[0,2,4]\"}\nhosts:\n"
                            "  \"h[0,2,4]\": {attrs: {attr0: r0}}\n  \"h[1,3,5],spare\": {attrs: {attr0: r1}}\n";

struct rig {
    struct tg_inventory *inventory;
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_others *others;
};

static void setup(struct rig *r)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_inventory_parse_yaml("fleet.yaml", fleet, strlen(fleet), &p, &r->inventory, &e), 0, "%s", e.message);
    r->plan = test_plan(&(struct test_stage) {.count = 6}, 1, 10, 10);
    test_plan_limit(r->plan, TG_LIMIT_DOMAIN, 2, 2, 0);
    cr_assert_eq(tg_run_new(r->plan, &r->run, &e), 0, "%s", e.message);
    cr_assert_eq(tg_others_new(r->plan, r->inventory, NULL, &r->others, &e), 0, "%s", e.message);
    tg_others_begin(r->others, r->run);
}

static void teardown(struct rig *r)
{
    tg_others_free(r->others);
    tg_run_free(r->run);
    tg_plan_free(r->plan);
    tg_inventory_free(r->inventory);
}

static void add(struct rig *r, const char *scope, bool holds)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_lock lock = {.scopes = TG_SCOPES_INIT};

    cr_assert_eq(tg_scopes_parse(&lock.scopes, &scope, 1, NULL, &e), 0, "%s", e.message);
    tg_others_add(r->others, &lock, holds);
    tg_scopes_release(&lock.scopes);
}

static void counts_are(const struct rig *r, uint32_t r0, uint32_t r1)
{
    const uint32_t *n = tg_others_counts(r->others);

    cr_expect(n[0] == r0 && n[1] == r1, "%u and %u, wanted %u and %u", n[0], n[1], r0, r1);
}

Test(others, a_lock_on_a_host_counts_whatever_it_holds_and_each_host_once)
{
    struct rig r;

    setup(&r);
    add(&r, "host:h1", false);
    counts_are(&r, 0, 1);
    add(&r, "host:h1", true);
    counts_are(&r, 0, 1);
    add(&r, "host:spare", true); /* the run does not touch it, and it is down all the same */
    counts_are(&r, 0, 2);
    add(&r, "host:loose", true);
    add(&r, "host:stranger", true);
    add(&r, "service:db", true);
    counts_are(&r, 0, 2);
    tg_others_begin(r.others, r.run);
    counts_are(&r, 0, 0);
    teardown(&r);
}

static void add_of(struct rig *r, const char *scope, const char *id, const char *owner, const char *reason)
{
    struct tg_lock lock = {.scopes = TG_SCOPES_INIT};

    cr_assert_eq(tg_scopes_parse(&lock.scopes, &scope, 1, NULL, NULL), 0);
    snprintf(lock.id, sizeof lock.id, "%s", id);
    snprintf(lock.owner, sizeof lock.owner, "%s", owner);
    snprintf(lock.reason, sizeof lock.reason, "%s", reason);
    tg_others_add(r->others, &lock, true);
    tg_scopes_release(&lock.scopes);
}

static void whose_is(const struct rig *r, uint32_t domain, const char *wanted)
{
    struct tg_buf whose = TG_BUF_INIT;

    tg_others_whose(r->others, domain, &whose);
    cr_expect_str_eq(tg_buf_text(&whose), wanted);
    tg_buf_release(&whose);
}

/* P12: who waits for others learns for whom, and what would end it. */
Test(others, who_holds_the_hosts_of_a_domain_is_told)
{
    struct rig r;
    char reason[TG_REASON_SIZE];

    setup(&r);
    whose_is(&r, 0, "");
    add_of(&r, "host:h0", "L7K2QX", "bob@ops2", "a new disk");
    add_of(&r, "host:h2", "M03ABD", "bob@ops2", "a new disk");
    whose_is(&r, 0, "L7K2QX of bob@ops2: a new disk");
    whose_is(&r, 1, "");
    add_of(&r, "host:h4", "P9XXYA", "alice@ops1", "run odd-20261122-1: rollout odd");
    whose_is(&r, 0, "L7K2QX of bob@ops2: a new disk, and others");
    tg_withdraw_reason("bad-20261122-1", reason, sizeof reason);
    add_of(&r, "host:h1", "QQ22WE", "alice@ops1", reason);
    whose_is(&r, 1, "out of service by bad-20261122-1 (tagout run --mends bad-20261122-1 FILE)");
    tg_others_begin(r.others, r.run);
    whose_is(&r, 0, "");
    char text[32];
    for (int i = 0; i < 100; i++) { /* more than are told apart */
        snprintf(text, sizeof text, "reason %d", i);
        add_of(&r, i % 2 ? "host:h1" : "host:h0", "L7K2QX", "bob@ops2", text);
    }
    whose_is(&r, 0, "L7K2QX of bob@ops2: reason 0");
    teardown(&r);
}

Test(others, a_lock_on_a_group_or_the_fleet_counts_for_its_hosts_when_it_holds_config_management)
{
    struct rig r;

    setup(&r);
    add(&r, "group:even", false);
    add(&r, "fleet", false);
    counts_are(&r, 0, 0);
    add(&r, "group:even", true);
    counts_are(&r, 3, 0);
    add(&r, "fleet", true);
    counts_are(&r, 3, 4);
    teardown(&r);
}

Test(others, a_host_that_the_run_has_down_itself_is_not_counted_twice)
{
    struct rig r;
    struct tg_run_actions todo = {0};
    struct tg_run_event ev = {.kind = TG_EV_BEGIN, .at_ms = 1, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .by = "alice@ops1"};

    setup(&r);
    cr_assert_eq(tg_run_step(r.run, &ev, &todo, NULL), 0); /* of each rack two have begun */
    cr_assert_eq(r.run->hosts[0].state, TG_HOST_LOCKING);
    cr_assert_eq(r.run->hosts[4].state, TG_HOST_WAITING);
    add(&r, "host:h0", true);
    counts_are(&r, 0, 0);
    add(&r, "host:h4", true);
    counts_are(&r, 1, 0);
    tg_run_actions_release(&todo);
    teardown(&r);
}
