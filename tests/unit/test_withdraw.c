/*
 * Out of service until something better comes: which hosts, in which order, as far as floors allow (P5); what stays in force on purpose, and is undone when
 * somebody wants it back (P8). That it holds under faults is tests/sim's.
 */
#include "engine/leftovers.h"
#include "engine/plan_internal.h"
#include "engine/run_snapshot.h"
#include "engine/withdraw.h"
#include "lib/plan.h"
#include "lib/same_run.h"

#include <criterion/criterion.h>

#define HOSTS 8

/* The run that halted, the plan that is made of it, and its run: a fleet that answers at once. */
struct desk {
    struct tg_plan *first;
    struct tg_run *halted;
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_run_actions todo;
    size_t at;
    int64_t now;
    json_t *journal;
    bool drained[HOSTS], locked[HOSTS];
    enum tg_run_event_kind answer[HOSTS][TG_DO_COUNT]; /* in place of the good one */
    char done[2000];
    size_t worst;
};

static void end(struct desk *d, size_t host, enum tg_host_state state, enum tg_outcome_kind outcome, int64_t started_ms)
{
    struct tg_run_host *h = &d->halted->hosts[host];

    h->state = state;
    h->end = state == TG_HOST_STUCK ? TG_HOST_DONE : TG_HOST_WAITING;
    h->outcome = outcome;
    h->started_ms = started_ms;
}

/* h0 … h7 in one domain of which max may be down; a silence, then a drain. Six were changed: h1 failed, h4 is not known. */
static void setup(struct desk *d, uint32_t max)
{
    struct tg_error e = TG_ERROR_INIT;

    *d = (struct desk) {.first = test_plan((struct test_stage[]) {{HOSTS, false, 1000, {1, 1000}}}, 1, 2, 1), .now = 1000, .journal = json_array()};
    d->first->then = TG_THEN_WITHDRAW;
    test_plan_limit(d->first, TG_LIMIT_FLOOR, 1, max, 0);
    test_plan_around(d->first, 2, 1U << 2);
    cr_assert_eq(tg_plan_seal(d->first, &e), 0, "%s", e.message);
    cr_assert_eq(tg_run_new(d->first, &d->halted, &e), 0, "%s", e.message);
    end(d, 0, TG_HOST_DONE, TG_OUTCOME_CHANGED, 10);
    end(d, 1, TG_HOST_FAILED, TG_OUTCOME_FAILED, 20);
    end(d, 2, TG_HOST_DONE, TG_OUTCOME_CHANGED, 30);
    end(d, 3, TG_HOST_DONE, TG_OUTCOME_UNCHANGED, 40); /* was so before: it is as good as it was */
    end(d, 4, TG_HOST_UNKNOWN, TG_OUTCOME_UNKNOWN, 50);
    end(d, 5, TG_HOST_HELD, TG_OUTCOME_UNKNOWN, 60);
    end(d, 6, TG_HOST_STUCK, TG_OUTCOME_CHANGED, 70); /* its lock would not go */
    d->halted->hosts[6].stuck = 1;
    end(d, 7, TG_HOST_DONE, TG_OUTCOME_CHANGED, 80);
}

static void plan_it(struct desk *d)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_withdraw_plan(d->first, d->halted, "test-1", NULL, &d->plan, &e), 0, "%s", e.message);
    cr_assert_eq(tg_run_new(d->plan, &d->run, &e), 0, "%s", e.message);
}

static void teardown(struct desk *d)
{
    tg_run_free(d->run);
    tg_plan_free(d->plan);
    tg_run_free(d->halted);
    tg_plan_free(d->first);
    tg_run_actions_release(&d->todo);
    json_decref(d->journal);
}

static int try_event(struct desk *d, struct tg_run_event ev, struct tg_error *e)
{
    size_t before = d->todo.n;

    ev.at_ms = ++d->now;
    int rc = tg_run_step(d->run, &ev, &d->todo, e);
    if (rc)
        return rc;
    json_array_append_new(d->journal, tg_run_event_to_json(d->run, &ev, (int64_t) json_array_size(d->journal) + 1));
    for (size_t i = before; i < d->todo.n; i++)
        json_array_append_new(d->journal, tg_run_action_to_json(d->run, &d->todo.items[i], d->now, (int64_t) json_array_size(d->journal) + 1));
    return 0;
}

static void say(struct desk *d, struct tg_run_event ev)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(try_event(d, ev, &e), 0, "%s (after %s)", e.message, d->done);
}

static void say_of_run(struct desk *d, enum tg_run_event_kind kind)
{
    say(d, (struct tg_run_event) {.kind = kind, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .by = "alice@ops1", .epoch = 1, .cause = TG_CAUSE_COMMAND});
}

static void want_back(struct desk *d, size_t host, bool vouched)
{
    say(d, (struct tg_run_event) {.kind = TG_EV_RETURN, .host = host, .stage = TG_RUN_NONE, .by = "alice@ops1", .text = "mended", .vouched = vouched});
}

static enum tg_run_event_kind good(enum tg_run_action_kind kind)
{
    static const enum tg_run_event_kind answers[TG_DO_COUNT] = {
        [TG_DO_LOCK] = TG_EV_LOCKED,     [TG_DO_CHECK] = TG_EV_GO,          [TG_DO_RETRY] = TG_EV_RETRY_DUE, [TG_DO_VERIFY] = TG_EV_VERIFIED,
        [TG_DO_UNLOCK] = TG_EV_UNLOCKED, [TG_DO_AROUND_LOOK] = TG_EV_FOUND, [TG_DO_AROUND] = TG_EV_MADE,     [TG_DO_UNDO] = TG_EV_UNDONE};

    return answers[kind];
}

static void carry_out(struct desk *d, const struct tg_run_action *a)
{
    size_t len = strlen(d->done), down = 0;

    if (a->kind == TG_DO_END || a->kind == TG_DO_REST)
        return;
    cr_assert_neq(a->kind, TG_DO_APPLY, "a host is changed");
    snprintf(d->done + len, sizeof d->done - len, "%s%s:%s", len ? " " : "", tg_run_action_name(a->kind), d->plan->hosts[a->host].name);
    struct tg_run_event ev = {.kind = d->answer[a->host][a->kind] ? d->answer[a->host][a->kind] : good(a->kind), .host = a->host, .stage = TG_RUN_NONE,
                              .step = a->step, .changed = -1};
    ev.lock = ev.kind == TG_EV_LOCKED ? "L1" : NULL;
    ev.record = ev.kind == TG_EV_MADE ? "made it" : NULL;
    ev.text = ev.kind == good(a->kind) ? NULL : "as scripted";
    if (a->kind == TG_DO_AROUND_LOOK)
        ev.ours = d->drained[a->host];
    if (ev.kind == TG_EV_LOCKED)
        d->locked[a->host] = true;
    if (ev.kind == TG_EV_MADE)
        d->drained[a->host] = true;
    if (ev.kind == TG_EV_UNDONE)
        d->drained[a->host] = false;
    if (ev.kind == TG_EV_UNLOCKED)
        d->locked[a->host] = false;
    for (size_t i = 0; i < d->plan->n_hosts; i++)
        down += d->drained[i];
    d->worst = down > d->worst ? down : d->worst;
    if (a->kind == TG_DO_RETRY)
        d->now = a->until_ms;
    say(d, ev);
}

static void go_on(struct desk *d)
{
    while (d->at < d->todo.n) {
        struct tg_run_action a = d->todo.items[d->at++];
        carry_out(d, &a);
    }
}

static void expect_state(const struct desk *d, size_t host, enum tg_host_state state, bool out)
{
    cr_expect_eq(d->run->hosts[host].state, state, "%s is %s, after %s", d->plan->hosts[host].name, tg_host_state_name(d->run->hosts[host].state), d->done);
    cr_expect_eq(d->drained[host], out, "%s", d->plan->hosts[host].name);
    cr_expect_eq(d->locked[host], out, "%s", d->plan->hosts[host].name);
}

/* P7: from its journal, and from its snapshot, the machine comes back as it is. */
static void expect_replays(const struct desk *d)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_buf text = TG_BUF_INIT;
    struct tg_run *again;
    const json_t *line;
    char why[300] = "";
    size_t i;

    cr_assert_eq(tg_run_new(d->plan, &again, &e), 0);
    struct tg_replay replay = {.run = again};
    json_array_foreach(d->journal, i, line)
        cr_assert_eq(tg_replay_line(&replay, line, &e), 0, "%s", e.message);
    cr_expect(same_run(d->run, again, why, sizeof why), "%s", why);
    tg_replay_release(&replay);
    tg_run_free(again);
    cr_assert_eq(tg_run_snapshot(d->run, &text, &e), 0);
    cr_assert_eq(tg_run_restore(d->plan, text.data, text.len, &again, &e), 0, "%s", e.message);
    cr_expect(same_run(d->run, again, why, sizeof why), "%s", why);
    tg_run_free(again);
    tg_buf_release(&text);
}

/* ---- the plan ---- */

Test(withdraw, takes_what_is_bad_first_then_what_was_changed_last)
{
    static const char *const wanted[] = {"h4", "h1", "h7", "h6", "h2", "h0"};
    struct desk d;

    setup(&d, 3);
    plan_it(&d);
    cr_assert_eq(d.plan->n_hosts, 6);
    for (size_t i = 0; i < 6; i++)
        cr_expect_str_eq(d.plan->hosts[i].name, wanted[i]);
    cr_expect_str_eq(d.plan->undoes, "test-1");
    cr_expect(d.plan->withdraws);
    cr_expect_eq(d.plan->then, TG_THEN_HALT);
    cr_assert_eq(d.plan->n_around, 2, "the lock and the drain, no silence");
    cr_expect_eq(d.plan->around[1].what, TG_AROUND_DRAIN);
    cr_expect_eq(d.plan->stages[0].bake_ms, 0);
    cr_expect_eq(d.plan->domains[0].max, 3);
    teardown(&d);
}

/* P5: the run still has one out of service, and one it never reached is down as well. */
Test(withdraw, leaves_room_for_what_the_run_itself_has_down)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    json_t *json;
    struct tg_plan *again = NULL;

    setup(&d, 3);
    d.halted->hosts[6].stuck = 1U << 2; /* its drain could not be undone */
    end(&d, 0, TG_HOST_LOST, TG_OUTCOME_UNKNOWN, 10);
    end(&d, 5, TG_HOST_UNREACHABLE, TG_OUTCOME_UNKNOWN, 60);
    plan_it(&d);
    cr_expect_eq(d.plan->n_hosts, 4);
    cr_expect_eq(d.plan->domains[0].max, 0, "of 3 that may be down 3 are");
    json = tg_plan_to_json(d.plan, &e);
    cr_assert_eq(tg_plan_from_json(json, &again, &e), 0, "%s", e.message);
    cr_expect(again->withdraws);
    json_decref(json);
    tg_plan_free(again);
    say_of_run(&d, TG_EV_BEGIN);
    go_on(&d);
    cr_expect_eq(d.run->totals[TG_HOST_SKIPPED], 4);
    cr_expect_eq(d.worst, 0);
    teardown(&d);
}

Test(withdraw, asks_neither_metrics_nor_the_tool_whether_a_host_may_serve_again)
{
    struct tg_verify checks[] = {{.kind = TG_VERIFY_METRIC, .url = (char *) "http://p", .query = (char *) "up", .options = json_object()},
                                 {.kind = TG_VERIFY_REPORT},
                                 {.kind = TG_VERIFY_TCP, .url = (char *) "{host}:80"}};
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;

    setup(&d, 3);
    d.first->verify = checks;
    d.first->n_verify = 3;
    cr_assert_eq(tg_plan_seal(d.first, &e), 0);
    plan_it(&d);
    cr_expect(d.plan->n_verify == 1 && d.plan->verify[0].kind == TG_VERIFY_TCP);
    d.first->verify = NULL;
    d.first->n_verify = 0;
    json_decref(checks[0].options);
    teardown(&d);
}

Test(withdraw, needs_a_drain_and_something_that_was_changed)
{
    struct desk d;
    struct tg_plan *p = NULL;
    struct tg_error e = TG_ERROR_INIT;
    bool left_out[HOSTS] = {true, true, true, true, true, true, true, true};

    setup(&d, 3);
    cr_expect_eq(tg_withdraw_plan(d.first, d.halted, "test-1", left_out, &p, &e), TG_E_NOENT);
    cr_expect_str_eq(e.message, "there is nothing more to withdraw of what test-1 has changed");
    tg_error_clear(&e);
    d.first->around[2].what = TG_AROUND_SILENCE;
    cr_expect_eq(tg_withdraw_plan(d.first, d.halted, "test-1", NULL, &p, &e), TG_E_USAGE);
    cr_expect_str_eq(e.message, "the rollout of test-1 does not say how a host is taken out of service");
    tg_error_clear(&e);
    d.first->undoes = strdup("other-1");
    cr_expect_eq(tg_withdraw_plan(d.first, d.halted, "test-1", NULL, &p, &e), TG_E_USAGE);
    cr_expect_str_eq(e.message, "test-1 is no rollout's run: it rolls back other-1");
    teardown(&d);
}

/* ---- the run ---- */

/* P5, P8, P12 */
Test(withdraw, takes_as_many_out_of_service_as_the_floor_allows_and_says_who_stays)
{
    struct desk d;

    setup(&d, 3);
    plan_it(&d);
    say_of_run(&d, TG_EV_BEGIN);
    go_on(&d);
    cr_expect_eq(d.run->state, TG_RUN_ENDED);
    for (size_t i = 0; i < 6; i++)
        expect_state(&d, i, i < 3 ? TG_HOST_WITHDRAWN : TG_HOST_SKIPPED, i < 3);
    cr_expect_eq(d.worst, 3);
    cr_expect_str_eq(d.run->hosts[3].text, "it stays in service: attr0 r0 has 3 of 1000 down by this, 0 without it, and may have 3");
    cr_expect_eq(tg_run_end(d.run), TG_END_BADLY, "not all of them are out");
    cr_expect_eq(tg_run_leftovers(d.run), 0, "what is kept on purpose is not left over");
    expect_replays(&d);
    teardown(&d);
}

/* P5: whom others hold is down; nobody is waited for. */
Test(withdraw, does_not_wait_for_others)
{
    struct desk d;

    setup(&d, 3);
    plan_it(&d);
    say_of_run(&d, TG_EV_BEGIN);
    say(&d, (struct tg_run_event) {.kind = TG_EV_OUTSIDE, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = 0, .count = 2});
    go_on(&d);
    cr_expect_eq(d.run->state, TG_RUN_ENDED);
    cr_expect_eq(d.run->totals[TG_HOST_WITHDRAWN], 1);
    cr_expect_eq(d.run->totals[TG_HOST_SKIPPED], 5);
    expect_replays(&d);
    teardown(&d);
}

/* P5: one that somebody holds serves all the same, and takes no room. */
Test(withdraw, passes_over_who_is_held_or_can_not_be_drained)
{
    struct desk d;

    setup(&d, 2);
    plan_it(&d);
    d.answer[0][TG_DO_CHECK] = TG_EV_NO_GO;
    d.answer[1][TG_DO_AROUND] = TG_EV_AROUND_REFUSED;
    say_of_run(&d, TG_EV_BEGIN);
    go_on(&d);
    cr_expect_eq(d.run->hosts[0].state, TG_HOST_HELD);
    cr_expect_eq(d.run->hosts[1].state, TG_HOST_HELD);
    cr_expect(!d.locked[0] && !d.locked[1] && !d.drained[1]);
    cr_expect_eq(d.run->totals[TG_HOST_WITHDRAWN], 2);
    cr_expect_eq(d.run->totals[TG_HOST_SKIPPED], 2);
    cr_expect_eq(d.worst, 2);
    expect_replays(&d);
    teardown(&d);
}

/* P10 */
Test(withdraw, an_abort_leaves_out_who_is_out_and_begins_nobody)
{
    struct desk d;

    setup(&d, 6);
    plan_it(&d);
    say_of_run(&d, TG_EV_BEGIN);
    while (d.run->totals[TG_HOST_WITHDRAWN] < 2) {
        struct tg_run_action a = d.todo.items[d.at++];
        carry_out(&d, &a);
    }
    say_of_run(&d, TG_EV_ABORT);
    while (d.at < d.todo.n) {
        struct tg_run_action a = d.todo.items[d.at++];
        bool starts = a.kind == TG_DO_LOCK || a.kind == TG_DO_AROUND;
        if (starts && d.run->aborted)
            say(&d, (struct tg_run_event) {.kind = TG_EV_WITHDRAWN, .host = a.host, .stage = TG_RUN_NONE});
        else
            carry_out(&d, &a);
    }
    cr_expect_eq(tg_run_end(d.run), TG_END_ABORTED);
    cr_expect_geq(d.run->totals[TG_HOST_WITHDRAWN], 2);
    for (size_t i = 0; i < 6; i++)
        cr_expect_eq(d.drained[i], d.run->hosts[i].state == TG_HOST_WITHDRAWN);
    expect_replays(&d);
    teardown(&d);
}

/* ---- the way back ---- */

static void withdraw_all(struct desk *d)
{
    setup(d, 6);
    plan_it(d);
    say_of_run(d, TG_EV_BEGIN);
    go_on(d);
    cr_assert_eq(tg_run_end(d->run), TG_END_DONE);
    d->done[0] = '\0';
}

/* P8 */
Test(withdraw, who_is_wanted_back_is_verified_then_undrained_then_unlocked)
{
    struct desk d;

    withdraw_all(&d);
    say_of_run(&d, TG_EV_RESUME);
    want_back(&d, 2, false);
    go_on(&d);
    cr_expect_str_eq(d.done, "verify:h7 check:h7 undo:h7 unlock:h7");
    expect_state(&d, 2, TG_HOST_RETURNED, false);
    expect_state(&d, 3, TG_HOST_WITHDRAWN, true);
    cr_expect_eq(d.run->state, TG_RUN_ENDED);
    cr_expect_eq(tg_run_end(d.run), TG_END_DONE);
    cr_expect_eq(tg_run_in_force(&d.run->hosts[2]), 0);
    expect_replays(&d);
    teardown(&d);
}

/* P2: not to know is no reason to serve. */
Test(withdraw, who_does_not_verify_stays_out_unless_somebody_vouches)
{
    struct desk d;

    withdraw_all(&d);
    d.answer[0][TG_DO_VERIFY] = TG_EV_NOT_VERIFIED;
    d.answer[1][TG_DO_VERIFY] = TG_EV_INCONCLUSIVE;
    say_of_run(&d, TG_EV_RESUME);
    for (size_t i = 0; i < 6; i++)
        want_back(&d, i, false);
    go_on(&d);
    expect_state(&d, 0, TG_HOST_WITHDRAWN, true);
    expect_state(&d, 1, TG_HOST_WITHDRAWN, true);
    cr_expect_str_eq(d.run->hosts[0].text, "as scripted");
    for (size_t i = 2; i < 6; i++)
        expect_state(&d, i, TG_HOST_RETURNED, false);
    say_of_run(&d, TG_EV_RESUME);
    want_back(&d, 0, true);
    go_on(&d);
    expect_state(&d, 0, TG_HOST_RETURNED, false);
    expect_replays(&d);
    teardown(&d);
}

/* P2: somebody may have locked it since it was asked for, such as a run that mends and has lost its seat. Vouched for or not. */
Test(withdraw, who_is_held_by_then_stays_out_and_says_why)
{
    struct desk d;

    withdraw_all(&d);
    d.answer[0][TG_DO_CHECK] = d.answer[1][TG_DO_CHECK] = TG_EV_NO_GO;
    say_of_run(&d, TG_EV_RESUME);
    want_back(&d, 0, false);
    want_back(&d, 1, true);
    go_on(&d);
    for (size_t i = 0; i < 2; i++) {
        expect_state(&d, i, TG_HOST_WITHDRAWN, true);
        cr_expect_str_eq(d.run->hosts[i].text, "as scripted");
    }
    cr_expect_not(strstr(d.done, "undo"), "%s", d.done);
    expect_replays(&d);
    teardown(&d);
}

/* P7: what somebody has vouched for is not asked of the host, whoever drives. */
Test(withdraw, who_is_vouched_for_is_so_for_the_next_driver_as_well)
{
    struct desk d;

    withdraw_all(&d);
    d.answer[0][TG_DO_VERIFY] = TG_EV_NOT_VERIFIED;
    say_of_run(&d, TG_EV_RESUME);
    want_back(&d, 0, true);
    want_back(&d, 1, false);
    d.at = d.todo.n; /* the driver dies */
    d.done[0] = '\0';
    say_of_run(&d, TG_EV_RESUME);
    go_on(&d);
    expect_state(&d, 0, TG_HOST_RETURNED, false);
    expect_state(&d, 1, TG_HOST_RETURNED, false);
    cr_expect_not(strstr(d.done, "verify:h9"), "%s", d.done);
    expect_replays(&d);
    teardown(&d);
}

/* P12: what others had drained is theirs to undo, also behind the way back: that is known of the host, whoever drives. */
Test(withdraw, who_was_drained_by_others_is_known_behind_the_way_back)
{
    struct desk d;

    setup(&d, 6);
    plan_it(&d);
    d.answer[2][TG_DO_AROUND] = TG_EV_LEFT;
    say_of_run(&d, TG_EV_BEGIN);
    go_on(&d);
    cr_assert_eq(d.run->hosts[2].state, TG_HOST_WITHDRAWN);
    say_of_run(&d, TG_EV_RESUME);
    want_back(&d, 2, false);
    want_back(&d, 3, false);
    go_on(&d);
    expect_state(&d, 2, TG_HOST_RETURNED, false);
    cr_expect_eq(d.run->hosts[2].left, 1U << 1);
    cr_expect_eq(d.run->hosts[3].left, 0);
    expect_replays(&d);
    teardown(&d);
}

/* P5: limits.running holds for the way back as well. P7: whoever resumes goes on with those that were asked for. */
Test(withdraw, hosts_come_back_a_few_at_once_whoever_drives)
{
    struct desk d;

    withdraw_all(&d);
    say_of_run(&d, TG_EV_RESUME);
    for (size_t i = 0; i < 6; i++)
        want_back(&d, 5 - i, false);
    cr_expect_eq(d.run->totals[TG_HOST_RETURNING], 2);
    cr_expect_eq(d.run->totals[TG_HOST_TO_RETURN], 4);
    expect_replays(&d);
    d.at = d.todo.n; /* the driver dies */
    say_of_run(&d, TG_EV_RESUME);
    go_on(&d);
    cr_expect_eq(d.run->totals[TG_HOST_RETURNED], 6);
    expect_replays(&d);
    teardown(&d);
}

Test(withdraw, who_leaves_in_the_middle_leaves_the_rest_withdrawn)
{
    struct desk d;

    withdraw_all(&d);
    say_of_run(&d, TG_EV_RESUME);
    for (size_t i = 0; i < 6; i++)
        want_back(&d, i, false);
    say_of_run(&d, TG_EV_PAUSE);
    go_on(&d);
    cr_expect_eq(d.run->totals[TG_HOST_RETURNED], 2);
    cr_expect_eq(d.run->totals[TG_HOST_WITHDRAWN], 4);
    cr_expect_eq(d.run->state, TG_RUN_ENDED);
    expect_replays(&d);
    teardown(&d);
}

/* P8, P12: a load balancer that says no leaves a leftover, and is tried again. */
Test(withdraw, a_drain_that_can_not_be_undone_is_left_over_and_tried_again)
{
    struct desk d;

    withdraw_all(&d);
    d.answer[3][TG_DO_UNDO] = TG_EV_AROUND_REFUSED;
    say_of_run(&d, TG_EV_RESUME);
    want_back(&d, 3, false);
    go_on(&d);
    cr_expect_eq(d.run->hosts[3].state, TG_HOST_STUCK);
    cr_expect_eq(d.run->hosts[3].end, TG_HOST_RETURNED);
    cr_expect_eq(tg_run_leftovers(d.run), 1);
    cr_expect(tg_run_is_down(d.run, &d.run->hosts[3]));
    d.answer[3][TG_DO_UNDO] = (enum tg_run_event_kind) 0;
    say_of_run(&d, TG_EV_RESUME);
    go_on(&d);
    expect_state(&d, 3, TG_HOST_RETURNED, false);
    expect_replays(&d);
    teardown(&d);
}

/* P2: a journal that brings back who was never out is garbled. */
Test(withdraw, nobody_comes_back_who_was_not_withdrawn)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;

    setup(&d, 3);
    plan_it(&d);
    say_of_run(&d, TG_EV_BEGIN);
    cr_expect_eq(try_event(&d, (struct tg_run_event) {.kind = TG_EV_RETURN, .host = 5, .stage = TG_RUN_NONE}, &e), TG_E_DATA);
    teardown(&d);
}

static bool count_left(void *data, const struct tg_leftover *left)
{
    *(size_t *) data += left->withdrawn && strstr(left->mend, "tagout return test-1-withdraw h") == left->mend;
    return true;
}

Test(withdraw, each_that_is_out_is_told_of_with_the_command_that_brings_it_back)
{
    struct desk d;
    size_t n = 0;

    withdraw_all(&d);
    tg_leftovers(d.run, "test-1-withdraw", NULL, TG_LEFTOVERS_ALL, count_left, &n);
    cr_expect_eq(n, 12, "the drain and the lock of each of six, not %zu", n);
    cr_expect_eq(tg_leftovers_count(d.run, TG_LEFTOVERS_ENDED), 12);
    teardown(&d);
}
