/* Who keeps a plan's hosts from being changed when it is made, and what that is told as (P12). */
#include "config/problems.h"
#include "engine/held.h"
#include "fleet/inventory.h"
#include "lib/plan.h"

#include <criterion/criterion.h>

static const char fleet[] = "groups:\n  all: {hosts: \"h[0-5],spare\"}\n  even: {hosts: \"h[0,2,4]\"}\n";

struct rig {
    struct tg_inventory *inventory;
    struct tg_plan *plan; /* h0 is asked, h0 … h3 are changed */
    struct tg_lock locks[8];
    size_t n;
    struct tg_held held;
};

static void setup(struct rig *r)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;

    *r = (struct rig) {.n = 0};
    cr_assert_eq(tg_inventory_parse_yaml("fleet.yaml", fleet, strlen(fleet), &p, &r->inventory, &e), 0, "%s", e.message);
    r->plan = test_plan((struct test_stage[]) {{.count = 1, .dry_run = true}, {.count = 4}}, 2, 10, 10);
}

static struct tg_lock *lock(struct rig *r, const char *scope, const char *id, const char *owner, const char *reason)
{
    struct tg_lock *l = &r->locks[r->n++];

    *l = (struct tg_lock) {.scopes = TG_SCOPES_INIT};
    cr_assert_eq(tg_scopes_parse(&l->scopes, &scope, 1, NULL, NULL), 0);
    snprintf(l->id, sizeof l->id, "%s", id);
    snprintf(l->owner, sizeof l->owner, "%s", owner);
    snprintf(l->reason, sizeof l->reason, "%s", reason);
    return l;
}

static void collect(struct rig *r)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_locks locks = {r->locks, r->n};

    tg_held_release(&r->held);
    cr_assert_eq(tg_held_collect(r->plan, r->inventory, &locks, NULL, &r->held, &e), 0, "%s", e.message);
}

static void teardown(struct rig *r)
{
    tg_held_release(&r->held);
    for (size_t i = 0; i < r->n; i++)
        tg_scopes_release(&r->locks[i].scopes);
    tg_plan_free(r->plan);
    tg_inventory_free(r->inventory);
}

static void says(const struct rig *r, size_t i, const char *wanted)
{
    struct tg_buf text = TG_BUF_INIT;

    cr_assert_lt(i, r->held.n);
    tg_held_warning(&r->held.v[i], &text);
    cr_expect_str_eq(tg_buf_text(&text), wanted);
    tg_buf_release(&text);
}

Test(held, hosts_that_a_run_has_out_of_service_name_it_and_what_mends_them)
{
    struct rig r;
    char reason[TG_REASON_SIZE];

    setup(&r);
    tg_withdraw_reason("bad-20261122-1", reason, sizeof reason);
    lock(&r, "host:h1", "AAAAAA", "alice@ops1", reason);
    lock(&r, "host:h2", "BBBBBB", "alice@ops1", reason);
    lock(&r, "host:spare", "CCCCCC", "alice@ops1", reason);
    collect(&r);
    cr_assert_eq(r.held.n, 1);
    says(&r, 0, "2 hosts (h[1-2]) are out of service by bad-20261122-1: a run of this plan passes them over, and they count as down. Something better for them: tagout plan --mends bad-20261122-1 FILE");
    json_t *json = tg_held_json(&r.held);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(json, 0), "run")), "bad-20261122-1");
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(json, 0), "hosts")), "h[1-2]");
    json_decref(json);
    teardown(&r);
}

Test(held, each_host_counts_once_with_the_oldest_lock_and_most_hosts_come_first)
{
    struct rig r;

    setup(&r);
    lock(&r, "host:h2", "AAAAAA", "bob@ops2", "a new disk");
    lock(&r, "group:even", "BBBBBB", "carol@ops1", "move");
    lock(&r, "fleet", "CCCCCC", "dave@ops1", "stop");
    lock(&r, "service:db", "DDDDDD", "dave@ops1", "stop the db");
    collect(&r);
    cr_assert_eq(r.held.n, 3);
    cr_expect_eq(r.held.n_hosts, 4);
    says(&r, 0, "2 hosts (h[1,3]) are held by CCCCCC of dave@ops1 (stop): a run of this plan passes them over while that holds. See: tagout locks");
    says(&r, 1, "1 host (h2) is held by AAAAAA of bob@ops2 (a new disk): a run of this plan passes it over while that holds. See: tagout locks host:h2");
    teardown(&r);
}

Test(held, who_locked_many_hosts_one_by_one_is_told_with_how_many_locks)
{
    struct rig r;

    setup(&r);
    lock(&r, "host:spare", "AAAAAA", "bob@ops2", "move");
    lock(&r, "host:h1", "BBBBBB", "bob@ops2", "move");
    lock(&r, "host:h3", "CCCCCC", "bob@ops2", "another move");
    lock(&r, "host:h2", "DDDDDD", "bob@ops2", "move");
    collect(&r);
    cr_assert_eq(r.held.n, 2);
    says(&r, 0, "2 hosts (h[1-2]) are held by BBBBBB and 1 lock more of bob@ops2 (move): a run of this plan passes them over while they hold. See: tagout locks");
    says(&r, 1, "1 host (h3) is held by CCCCCC of bob@ops2 (another move): a run of this plan passes it over while that holds. See: tagout locks host:h3");
    json_t *json = tg_held_json(&r.held);
    cr_expect_eq(json_integer_value(json_object_get(json_array_get(json, 0), "n_locks")), 2);
    json_decref(json);
    teardown(&r);
}

Test(held, what_holds_other_actors_or_asked_hosts_alone_keeps_nobody_out)
{
    struct rig r;

    setup(&r);
    struct tg_lock *l = lock(&r, "fleet", "AAAAAA", "bob@ops2", "no scaling");
    snprintf(l->hold[l->n_hold++], sizeof l->hold[0], "autoscaler");
    lock(&r, "host:h5", "BBBBBB", "bob@ops2", "not in the plan");
    collect(&r);
    cr_expect_eq(r.held.n, 0);
    teardown(&r);
}

/* Whoever takes a lock may write anything: what looks like a run of ours is only ever a name. */
Test(held, a_reason_that_only_looks_like_it_names_no_run)
{
    static const char *const reasons[] = {"out of service since ", "out of service since x", "out of service since x; y halted; back: tagout return x", "out of service since  halted; back: tagout return ",
                                          "out of service since $(reboot) halted; back: tagout return x", "Out of service since x halted; back: tagout return x"};
    char id[TG_RUN_ID_SIZE], reason[TG_REASON_SIZE], longest[TG_RUN_ID_SIZE];

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        cr_expect(!tg_withdraw_reason_read(reasons[i], id), "%s", reasons[i]);
    memset(longest, 'r', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    tg_withdraw_reason(longest, reason, sizeof reason);
    cr_expect(tg_withdraw_reason_read(reason, id) && strcmp(id, longest) == 0);
    cr_expect_lt(strlen(reason) + 1, sizeof reason, "whole");
}
