/* Something better for hosts that are out of service: which hosts, how, and what holds them back (P5). */
#include "engine/linked.h"
#include "engine/mend.h"
#include "engine/plan_internal.h"
#include "engine/rollback.h"
#include "lib/plan.h"

#include <criterion/criterion.h>

#define HOSTS 5

/* h0 … h4 in one domain of which two may be down; h1 and h3 are, by withdrawal. */
struct desk {
    struct tg_plan *plan;
    struct tg_run *run;
    unsigned char how[HOSTS];
    struct tg_withdrawn withdrawn;
    struct tg_plan *mend;
};

static void setup(struct desk *d)
{
    struct tg_error e = TG_ERROR_INIT;

    *d = (struct desk) {.how = {TG_WITHDRAWN_NEVER, TG_WITHDRAWN_IS, TG_WITHDRAWN_STAYED, TG_WITHDRAWN_IS, TG_WITHDRAWN_WAS}};
    d->plan = test_plan((struct test_stage[]) {{1, false, 1000, {1, 1000}}, {HOSTS - 1, false, 0, {0, 0}}}, 2, 2, 1);
    d->plan->then = TG_THEN_WITHDRAW;
    test_plan_limit(d->plan, TG_LIMIT_FLOOR, 1, 2, 0);
    test_plan_around(d->plan, 1, 1U << 1);
    cr_assert_eq(tg_plan_seal(d->plan, &e), 0, "%s", e.message);
    cr_assert_eq(tg_run_new(d->plan, &d->run, &e), 0, "%s", e.message);
    d->withdrawn = (struct tg_withdrawn) {.how = d->how, .is = 2};
}

static int mend(struct desk *d, struct tg_error *e)
{
    tg_error_clear(e);
    return tg_mend_plan(d->plan, d->run, &d->withdrawn, "test-1", &d->mend, e);
}

static void teardown(struct desk *d)
{
    tg_plan_free(d->mend);
    tg_run_free(d->run);
    tg_plan_free(d->plan);
}

static void step(struct tg_run *run, struct tg_run_actions *out, struct tg_run_event ev)
{
    struct tg_error e = TG_ERROR_INIT;

    ev.stage = TG_RUN_NONE;
    ev.by = "alice@ops1";
    ev.epoch = 1;
    cr_assert_eq(tg_run_step(run, &ev, out, &e), 0, "%s", e.message);
}

Test(mend, goes_over_those_alone_that_are_out_of_service_in_one_stage)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_plan *again = NULL;

    setup(&d);
    cr_assert_eq(mend(&d, &e), 0, "%s", e.message);
    cr_assert_eq(d.mend->n_hosts, 2);
    cr_expect_str_eq(d.mend->hosts[0].name, "h1");
    cr_expect_str_eq(d.mend->hosts[1].name, "h3");
    cr_expect_str_eq(d.mend->mends, "test-1");
    cr_expect_null(d.mend->undoes);
    cr_expect_eq(d.mend->then, TG_THEN_HALT, "they are out of service already");
    cr_assert_eq(d.mend->n_stages, 1);
    cr_expect(d.mend->stages[0].bake_ms == 0 && d.mend->stages[0].count == 2);
    json_t *json = tg_plan_to_json(d.mend, &e);
    cr_assert_eq(tg_plan_from_json(json, &again, &e), 0, "%s", e.message);
    cr_expect_str_eq(again->mends, "test-1");
    json_decref(json);
    tg_plan_free(again);
    teardown(&d);
}

/* P5: they are down before it and after it; a run over hosts in service waits. */
Test(mend, needs_no_room_where_those_who_are_out_fill_the_floor)
{
    for (int mends = 0; mends < 2; mends++) {
        struct tg_run_actions todo = {0};
        struct desk d;
        struct tg_error e = TG_ERROR_INIT;
        struct tg_run *run = NULL;

        setup(&d);
        cr_assert_eq(mend(&d, &e), 0, "%s", e.message);
        if (!mends) {
            free(d.mend->mends);
            d.mend->mends = NULL;
        }
        cr_assert_eq(tg_run_new(d.mend, &run, &e), 0, "%s", e.message);
        step(run, &todo, (struct tg_run_event) {.kind = TG_EV_BEGIN, .host = TG_RUN_NONE});
        step(run, &todo, (struct tg_run_event) {.kind = TG_EV_OUTSIDE, .host = TG_RUN_NONE, .count = 3});
        step(run, &todo, (struct tg_run_event) {.kind = TG_EV_LOCKED, .host = 0, .lock = "00c0ffee00c0ffee"});
        cr_expect_eq(run->totals[TG_HOST_CHECKING], mends ? 1 : 0);
        tg_run_actions_release(&todo);
        tg_run_free(run);
        teardown(&d);
    }
}

/* P5: a way back from what was mended and returned needs room like any other. */
Test(mend, what_follows_it_needs_room_again)
{
    const struct tg_linked_host both[] = {{.host = 0}, {.host = 1}};
    struct tg_plan *back = NULL;
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;

    setup(&d);
    cr_assert_eq(mend(&d, &e), 0, "%s", e.message);
    cr_assert_eq(tg_linked_plan(d.mend, both, 2, "rollback", &back, &e), 0, "%s", e.message);
    cr_expect_null(back->mends);
    cr_expect_eq(back->n_limits, 1);
    tg_plan_free(back);
    teardown(&d);
}

Test(mend, has_nothing_to_do_where_none_is_out)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;

    setup(&d);
    d.how[1] = d.how[3] = TG_WITHDRAWN_WAS;
    cr_expect_eq(mend(&d, &e), TG_E_NOENT);
    cr_expect_str_eq(e.message, "test: none of its hosts is out of service by test-1");
    teardown(&d);
}

/* P12: what halted is not brought back by itself, and what is aborted leaves all as it is (P10). */
Test(mend, returns_nobody_behind_a_halt_or_an_abort)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run *run = NULL;

    setup(&d);
    cr_assert_eq(mend(&d, &e), 0, "%s", e.message);
    cr_assert_eq(tg_run_new(d.mend, &run, &e), 0, "%s", e.message);
    cr_expect(!tg_mend_returns(run));
    run->state = TG_RUN_ENDED;
    run->stages[0].counts[TG_HOST_DONE] = run->totals[TG_HOST_DONE] = 2;
    cr_expect(tg_mend_returns(run));
    run->halted = true;
    cr_expect(!tg_mend_returns(run));
    run->halted = false;
    run->aborted = true;
    cr_expect(!tg_mend_returns(run));
    tg_run_free(run);
    teardown(&d);
}

/* P5: a return that died has left hosts half way: not drained any more, and locked as before. */
Test(mend, waits_until_a_return_that_was_left_has_ended)
{
    struct tg_error e = TG_ERROR_INIT;
    struct desk d;

    setup(&d);
    d.run->state = TG_RUN_SETTLING;
    cr_expect_eq(tg_mend_may(d.run, "test-1-withdraw", &e), TG_E_HELD);
    cr_expect_not_null(strstr(e.message, "test-1-withdraw"), "%s", e.message);
    cr_expect_not_null(strstr(e.hint, "tagout run --resume test-1-withdraw"), "%s", e.hint);
    d.run->state = TG_RUN_ENDED;
    cr_expect_eq(tg_mend_may(d.run, "test-1-withdraw", NULL), 0);
    teardown(&d);
}
