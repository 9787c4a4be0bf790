/* The way back: which hosts it goes over, in which order, with what (P5, P12). That it holds under faults is tests/sim's. */
#include "engine/plan_internal.h"
#include "engine/rollback.h"
#include "lib/plan.h"

#include <criterion/criterion.h>

struct desk {
    struct tg_plan *plan;
    struct tg_run *run;
};

/* h0 … in a dry stage of two, a canary and a rest of seven; each in a rack of its own turn. */
static void setup(struct desk *d)
{
    struct tg_error e = TG_ERROR_INIT;

    d->plan = test_plan((struct test_stage[]) {{2, true, 0, {0}}, {1, false, 600000, {0}}, {7, false, 0, {1, 1000}}}, 3, 4, 1);
    d->plan->rollback = json_pack("{s:s}", "environment", "previous");
    d->plan->then = TG_THEN_ROLLBACK;
    d->plan->stages[2].policy.approve = true;
    d->plan->stages[2].policy.bears.failed = (struct tg_share) {TG_SHARE_COUNT, 0};
    d->plan->unreachable = (struct tg_share) {TG_SHARE_COUNT, 2};
    test_plan_limit(d->plan, TG_LIMIT_DOMAIN, 3, 1, 0);
    cr_assert_eq(tg_plan_seal(d->plan, &e), 0, "%s", e.message);
    cr_assert_eq(tg_run_new(d->plan, &d->run, &e), 0, "%s", e.message);
}

static void teardown(struct desk *d)
{
    tg_run_free(d->run);
    tg_plan_free(d->plan);
}

static void end(struct desk *d, size_t host, enum tg_host_state state, enum tg_outcome_kind outcome, int64_t started_ms)
{
    d->run->hosts[host].state = state;
    d->run->hosts[host].end = state == TG_HOST_STUCK ? TG_HOST_FAILED : TG_HOST_WAITING;
    d->run->hosts[host].outcome = outcome;
    d->run->hosts[host].started_ms = started_ms;
}

static void fill(struct desk *d)
{
    end(d, 0, TG_HOST_DONE, TG_OUTCOME_WOULD_CHANGE, 1); /* was only asked */
    end(d, 2, TG_HOST_DONE, TG_OUTCOME_CHANGED, 10);
    end(d, 3, TG_HOST_DONE, TG_OUTCOME_UNCHANGED, 20); /* was as wished before: to bring it "back" would change it */
    end(d, 4, TG_HOST_FAILED, TG_OUTCOME_FAILED, 50);
    end(d, 5, TG_HOST_UNREACHABLE, TG_OUTCOME_UNKNOWN, 30);
    end(d, 6, TG_HOST_UNKNOWN, TG_OUTCOME_UNKNOWN, 40);
    end(d, 7, TG_HOST_LOST, TG_OUTCOME_UNKNOWN, 40);
    end(d, 8, TG_HOST_STUCK, TG_OUTCOME_CHANGED, 60);
}

Test(rollback, goes_over_what_was_changed_the_last_first)
{
    static const char *const wanted[] = {"h6", "h2", "h5", "h4", "h0"}; /* hosts[2] is h0 */
    static const size_t of[] = {8, 4, 7, 6, 2};
    struct desk d;
    struct tg_plan *p = NULL;
    struct tg_error e = TG_ERROR_INIT;

    setup(&d);
    fill(&d);
    cr_assert_eq(tg_rollback_plan(d.plan, d.run, "test-1", NULL, &p, &e), 0, "%s", e.message);
    cr_assert_eq(p->n_hosts, 5);
    for (size_t i = 0; i < 5; i++) {
        cr_expect_str_eq(p->hosts[i].name, wanted[i]);
        cr_expect_eq(p->domain_of[i], d.plan->domain_of[of[i]], "P5: the domain of %s", wanted[i]);
    }
    tg_plan_free(p);
    teardown(&d);
}

Test(rollback, has_one_stage_without_canary_bake_rate_and_approval)
{
    struct desk d;
    struct tg_plan *p = NULL, *again = NULL;
    struct tg_error e = TG_ERROR_INIT;

    setup(&d);
    fill(&d);
    cr_assert_eq(tg_rollback_plan(d.plan, d.run, "test-1", NULL, &p, &e), 0, "%s", e.message);
    cr_expect_eq(p->n_stages, 1);
    cr_expect(p->stages[0].bake_ms == 0 && !p->stages[0].rate.count && !p->stages[0].policy.approve && p->stages[0].count == 5);
    cr_expect_eq(p->running, 4);
    cr_expect_str_eq(json_string_value(json_object_get(p->change, "environment")), "previous");
    cr_expect_str_eq(p->undoes, "test-1");
    cr_expect(!p->rollback && p->then == TG_THEN_HALT, "a rollback has no way back");
    cr_expect_eq(tg_share_within(&p->failed, (int64_t) p->n_targets), 5, "failures don't stop it");
    cr_expect_eq(p->unreachable.kind, TG_SHARE_UNSET);
    json_t *json = tg_plan_to_json(p, &e);
    cr_assert_eq(tg_plan_from_json(json, &again, &e), 0, "%s", e.message);
    cr_expect_str_eq(again->digest, p->digest);
    cr_expect_str_eq(again->undoes, "test-1");
    json_decref(json);
    tg_plan_free(again);
    tg_plan_free(p);
    teardown(&d);
}

/* P12: compared with what the run has made of it, a rollback that mends nothing would pass. */
Test(rollback, compares_metrics_with_what_was_before_the_run)
{
    struct tg_verify check = {.kind = TG_VERIFY_METRIC, .url = (char *) "http://p", .query = (char *) "up", .options = json_pack("{s:i}", "rise", 1000)};
    struct desk d;
    struct tg_plan *p = NULL;
    struct tg_error e = TG_ERROR_INIT;

    setup(&d);
    fill(&d);
    d.run->started_ms = 5;
    d.plan->verify = &check;
    d.plan->n_verify = 1;
    cr_assert_eq(tg_plan_seal(d.plan, &e), 0);
    cr_assert_eq(tg_rollback_plan(d.plan, d.run, "test-1", NULL, &p, &e), 0, "%s", e.message);
    cr_expect_eq(json_integer_value(json_object_get(p->verify[0].options, "before_ms")), 5);
    cr_expect(!json_object_get(check.options, "before_ms"));
    d.plan->verify = NULL;
    d.plan->n_verify = 0;
    json_decref(check.options);
    tg_plan_free(p);
    teardown(&d);
}

/* P12: those that wait have the change that is undone: who is as they are is not well. */
Test(rollback, compares_with_nobody_who_waits)
{
    struct tg_verify checks[] = {{.kind = TG_VERIFY_METRIC, .url = (char *) "http://p", .query = (char *) "up{h=\"{host}\"} / avg(up{h=~\"{unchanged}\"})",
                                  .options = json_pack("{s:f}", "below", 2.0)},
                                 {.kind = TG_VERIFY_TCP, .url = (char *) "{host}:80"}};
    struct desk d;
    struct tg_plan *p = NULL;
    struct tg_error e = TG_ERROR_INIT;

    setup(&d);
    fill(&d);
    d.plan->verify = checks;
    d.plan->n_verify = 2;
    cr_assert_eq(tg_plan_seal(d.plan, &e), 0);
    cr_assert_eq(tg_rollback_plan(d.plan, d.run, "test-1", NULL, &p, &e), 0, "%s", e.message);
    cr_expect(p->n_verify == 1 && p->verify[0].kind == TG_VERIFY_TCP);
    d.plan->verify = NULL;
    d.plan->n_verify = 0;
    json_decref(checks[0].options);
    tg_plan_free(p);
    teardown(&d);
}

Test(rollback, leaves_out_what_is_back_and_says_when_nothing_is_left)
{
    struct desk d;
    struct tg_plan *p = NULL;
    struct tg_error e = TG_ERROR_INIT;
    bool back[10] = {false};

    setup(&d);
    cr_expect_eq(tg_rollback_plan(d.plan, d.run, "test-1", NULL, &p, &e), TG_E_NOENT);
    fill(&d);
    back[8] = back[4] = back[7] = true;
    tg_error_clear(&e);
    cr_assert_eq(tg_rollback_plan(d.plan, d.run, "test-1", back, &p, &e), 0, "%s", e.message);
    cr_assert_eq(p->n_hosts, 2);
    cr_expect_str_eq(p->hosts[0].name, "h4");
    tg_plan_free(p);
    back[6] = back[2] = true;
    cr_expect_eq(tg_rollback_plan(d.plan, d.run, "test-1", back, &p, &e), TG_E_NOENT);
    cr_expect(strstr(e.message, "that is not back already"), "%s", e.message);
    teardown(&d);
}

Test(rollback, needs_a_way_back_and_is_none_of_a_rollback)
{
    struct desk d;
    struct tg_plan *p = NULL;
    struct tg_error e = TG_ERROR_INIT;

    setup(&d);
    fill(&d);
    d.plan->undoes = strdup("other-1");
    cr_expect_eq(tg_rollback_plan(d.plan, d.run, "test-1", NULL, &p, &e), TG_E_USAGE);
    cr_expect_str_eq(e.message, "test-1 is a rollback itself, of other-1");
    d.plan->withdraws = true;
    tg_error_clear(&e);
    cr_expect_eq(tg_rollback_plan(d.plan, d.run, "test-1", NULL, &p, &e), TG_E_USAGE);
    cr_expect_str_eq(e.message, "test-1 has changed nothing: it withdraws hosts of other-1");
    cr_expect_str_eq(e.hint, "to roll that one back: tagout rollback other-1");
    d.plan->withdraws = false;
    free(d.plan->undoes);
    d.plan->undoes = NULL;
    json_decref(d.plan->rollback);
    d.plan->rollback = NULL;
    tg_error_clear(&e);
    cr_expect_eq(tg_rollback_plan(d.plan, d.run, "test-1", NULL, &p, &e), TG_E_USAGE);
    cr_expect_str_eq(e.message, "the rollout of test-1 names no way back");
    teardown(&d);
}

/* P5: a plan by hand that wants to roll back, and says not to what. */
Test(rollback, of_a_plan_that_was_edited_is_refused)
{
    struct desk d;
    struct tg_plan *p = NULL;
    struct tg_error e = TG_ERROR_INIT;

    setup(&d);
    json_t *json = tg_plan_to_json(d.plan, &e);
    json_object_set_new(json_object_get(json, "policy"), "rollback", json_null());
    cr_expect_eq(tg_plan_from_json(json, &p, &e), TG_E_DATA);
    cr_expect_str_eq(e.message, "the plan is damaged: it has no way back");
    json_object_set_new(json_object_get(json, "policy"), "rollback", json_pack("{s:s}", "environment", "evil"));
    tg_error_clear(&e);
    cr_expect_eq(tg_plan_from_json(json, &p, &e), TG_E_DATA);
    cr_expect(strstr(e.message, "digest"), "%s", e.message);
    json_decref(json);
    teardown(&d);
}
