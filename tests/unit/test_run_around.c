/* What is done around the change of a host, by the machine: in order, undone in reverse on every way out (P8), and what is left is told of. */
#include "engine/run_snapshot.h"
#include "lib/plan.h"
#include "lib/same_run.h"

#include <criterion/criterion.h>

#define STEPS 3 /* with the lock */

/* One host after another, and what is out there. */
struct world {
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_run_actions todo;
    size_t at;
    int64_t now;
    json_t *journal;
    char done[4000];                  /* "lock check around-look1 around1 …", of all hosts */
    bool ours[8][STEPS], locked[8];
    bool changed[8];
    enum tg_run_event_kind answer[TG_DO_COUNT]; /* in place of the good one, once: of the first host */
    int answer_step;                  /* of around; 0: of any */
    int again;                        /* how often more */
    bool dead;                        /* what step 1 talks to: it gives no answer, to nobody */
};

static void say(struct world *w, struct tg_run_event ev)
{
    struct tg_error e = TG_ERROR_INIT;
    size_t before = w->todo.n;

    ev.at_ms = ++w->now;
    cr_assert_eq(tg_run_step(w->run, &ev, &w->todo, &e), 0, "%s (after %s)", e.message, w->done);
    json_array_append_new(w->journal, tg_run_event_to_json(w->run, &ev, (int64_t) json_array_size(w->journal) + 1));
    for (size_t i = before; i < w->todo.n; i++)
        json_array_append_new(w->journal, tg_run_action_to_json(w->run, &w->todo.items[i], w->now, (int64_t) json_array_size(w->journal) + 1));
}

static void say_of_run(struct world *w, enum tg_run_event_kind kind)
{
    say(w, (struct tg_run_event) {.kind = kind, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .by = "alice@ops1", .epoch = 1, .cause = TG_CAUSE_COMMAND, .text = "wait"});
}

static void setup(struct world *w, size_t hosts, int64_t bake_ms)
{
    struct tg_error e = TG_ERROR_INIT;

    *w = (struct world) {.plan = test_plan((struct test_stage[]) {{hosts, false, bake_ms, {0}}}, 1, 1, 5), .now = 1000, .journal = json_array()};
    test_plan_around(w->plan, STEPS - 1, 1U << 1);
    cr_assert_eq(tg_run_new(w->plan, &w->run, &e), 0, "%s", e.message);
}

static void teardown(struct world *w)
{
    tg_run_free(w->run);
    tg_run_actions_release(&w->todo);
    json_decref(w->journal);
    tg_plan_free(w->plan);
}

static enum tg_run_event_kind good(enum tg_run_action_kind kind)
{
    static const enum tg_run_event_kind answers[TG_DO_COUNT] = {
        [TG_DO_LOCK] = TG_EV_LOCKED,   [TG_DO_CHECK] = TG_EV_GO,         [TG_DO_APPLY] = TG_EV_APPLIED,     [TG_DO_LOOK] = TG_EV_ABSENT,  [TG_DO_RETRY] = TG_EV_RETRY_DUE,
        [TG_DO_VERIFY] = TG_EV_VERIFIED, [TG_DO_UNLOCK] = TG_EV_UNLOCKED, [TG_DO_AROUND_LOOK] = TG_EV_FOUND, [TG_DO_AROUND] = TG_EV_MADE, [TG_DO_UNDO] = TG_EV_UNDONE};

    return answers[kind];
}

static void carry_out(struct world *w, const struct tg_run_action *a)
{
    struct tg_run_event ev = {.kind = good(a->kind), .host = a->host, .stage = TG_RUN_NONE, .step = a->step, .outcome = TG_OUTCOME_CHANGED, .changed = 1};
    size_t len = strlen(w->done);
    bool scripted = w->answer[a->kind] && a->host == 0 && (!w->answer_step || w->answer_step == a->step);

    if (a->kind == TG_DO_END || a->kind == TG_DO_REST)
        return;
    snprintf(w->done + len, sizeof w->done - len, a->step ? "%s%s%d" : "%s%s", len ? " " : "", tg_run_action_name(a->kind), a->step);
    if (a->kind == TG_DO_BAKE) {
        w->now = a->until_ms;
        say(w, (struct tg_run_event) {.kind = TG_EV_BAKED, .host = TG_RUN_NONE, .stage = a->stage});
        return;
    }
    if (a->kind == TG_DO_RETRY)
        w->now = a->until_ms;
    if (scripted)
        ev.kind = w->answer[a->kind];
    if (scripted && w->again-- == 0)
        w->answer[a->kind] = (enum tg_run_event_kind) 0;
    if (w->dead && a->kind == TG_DO_AROUND_LOOK && a->step == 1)
        ev.kind = TG_EV_AROUND_AWAY;
    ev.lock = ev.kind == TG_EV_LOCKED ? "L1" : NULL;
    ev.record = ev.kind == TG_EV_FOUND || ev.kind == TG_EV_MADE ? ev.kind == TG_EV_FOUND ? "was up" : "made it" : NULL;
    ev.text = ev.kind == good(a->kind) ? NULL : "as scripted";
    if (a->kind == TG_DO_LOCK)
        w->locked[a->host] = true;
    if (a->kind == TG_DO_AROUND)
        w->ours[a->host][a->step] |= ev.kind != TG_EV_LEFT && ev.kind != TG_EV_AROUND_AWAY;
    if (a->kind == TG_DO_AROUND_LOOK)
        ev.ours = w->ours[a->host][a->step];
    if (a->kind == TG_DO_UNDO && ev.kind == TG_EV_UNDONE)
        w->ours[a->host][a->step] = false;
    if (a->kind == TG_DO_APPLY)
        w->changed[a->host] = true;
    if (a->kind == TG_DO_LOOK && w->changed[a->host])
        ev.kind = TG_EV_APPLIED;
    if (a->kind == TG_DO_UNLOCK && ev.kind == TG_EV_UNLOCKED)
        w->locked[a->host] = false;
    say(w, ev);
}

static void go_on(struct world *w)
{
    while (w->at < w->todo.n) {
        struct tg_run_action a = w->todo.items[w->at++];
        carry_out(w, &a);
    }
}

/* Until the next action is of this kind; it is not carried out. */
static void go_on_until(struct world *w, enum tg_run_action_kind kind, int step)
{
    while (w->at < w->todo.n && !(w->todo.items[w->at].kind == kind && w->todo.items[w->at].step == step)) {
        struct tg_run_action a = w->todo.items[w->at++];
        carry_out(w, &a);
    }
    cr_assert_lt(w->at, w->todo.n, "after %s", w->done);
}

/* P12: what keeps a well host from being undone stands behind what became of it, as long as it does. */
Test(run_around, the_reason_of_an_undo_that_is_tried_again_is_told)
{
    struct world w;

    setup(&w, 1, 0);
    say_of_run(&w, TG_EV_BEGIN);
    go_on_until(&w, TG_DO_VERIFY, 0);
    tg_run_actions_release(&w.todo);
    say(&w, (struct tg_run_event) {.kind = TG_EV_VERIFIED, .host = 0, .stage = TG_RUN_NONE, .text = "all is well"});
    for (int tries = 0; tries < 2; tries++) {
        say(&w, (struct tg_run_event) {.kind = TG_EV_AROUND_AWAY, .host = 0, .stage = TG_RUN_NONE, .step = 2, .text = "no connection"});
        cr_expect_eq(w.run->hosts[0].state, TG_HOST_UNDO_WAITING);
        cr_expect_str_eq(w.run->hosts[0].text, "all is well; not undone: no connection");
        say(&w, (struct tg_run_event) {.kind = TG_EV_RETRY_DUE, .host = 0, .stage = TG_RUN_NONE});
    }
    say(&w, (struct tg_run_event) {.kind = TG_EV_UNDONE, .host = 0, .stage = TG_RUN_NONE, .step = 2});
    cr_expect_str_eq(w.run->hosts[0].text, "all is well");
    teardown(&w);
}

/* P5: limits.running is 1: who is verified and still drained is out of service, and nobody joins him. */
Test(run_around, nobody_starts_while_the_one_before_is_on_its_way_back)
{
    struct world w;

    setup(&w, 2, 0);
    say_of_run(&w, TG_EV_BEGIN);
    go_on_until(&w, TG_DO_UNDO, 1);
    cr_expect_eq(w.run->hosts[0].state, TG_HOST_UNDOING);
    cr_expect_eq(w.run->hosts[1].state, TG_HOST_WAITING);
    cr_expect(tg_run_brakes(w.run, w.now) & TG_BRAKE_UNVERIFIED);
    go_on(&w);
    cr_expect_eq(w.run->totals[TG_HOST_DONE], 2);
    teardown(&w);
}

static void expect_nothing_left(const struct world *w)
{
    for (size_t i = 0; i < w->plan->n_hosts; i++) {
        cr_expect_not(w->locked[i], "P8: host %zu is left locked, after %s", i, w->done);
        for (int step = 1; step < STEPS; step++)
            cr_expect_not(w->ours[i][step], "P8: step %d of host %zu is left, after %s", step, i, w->done);
        cr_expect_eq(tg_run_in_force(&w->run->hosts[i]), 0);
        cr_expect_null(w->run->hosts[i].records);
    }
    cr_expect_eq(tg_run_leftovers(w->run), 0);
}

/* P8 */
Test(run_around, is_done_in_order_and_undone_in_reverse)
{
    struct world w;

    setup(&w, 1, 60000);
    say_of_run(&w, TG_EV_BEGIN);
    go_on(&w);
    cr_expect_str_eq(w.done, "lock check around-look1 around1 around-look2 around2 check apply verify bake verify undo2 undo1 unlock");
    cr_expect_eq(tg_run_end(w.run), TG_END_DONE);
    expect_nothing_left(&w);
    teardown(&w);
}

Test(run_around, a_record_is_handed_on_until_it_is_undone)
{
    struct world w;
    char record[TG_AROUND_RECORD_SIZE];

    setup(&w, 1, 0);
    say_of_run(&w, TG_EV_BEGIN);
    go_on_until(&w, TG_DO_AROUND, 1);
    tg_run_record(&w.run->hosts[0], 1, record, sizeof record);
    cr_expect_str_eq(record, "was up", "journalled before the act");
    go_on_until(&w, TG_DO_APPLY, 0);
    tg_run_record(&w.run->hosts[0], 2, record, sizeof record);
    cr_expect_str_eq(record, "made it");
    say(&w, (struct tg_run_event) {.kind = TG_EV_KEEP, .host = 0, .stage = TG_RUN_NONE, .step = 2, .record = "made it again"});
    tg_run_record(&w.run->hosts[0], 1, record, sizeof record);
    cr_expect_str_eq(record, "made it");
    tg_run_record(&w.run->hosts[0], 2, record, sizeof record);
    cr_expect_str_eq(record, "made it again");
    go_on(&w);
    expect_nothing_left(&w);
    teardown(&w);
}

/* P8: every way out of a host */
Test(run_around, is_undone_whichever_way_a_host_leaves)
{
    static const struct {
        enum tg_run_action_kind action;
        enum tg_run_event_kind answer;
        int step, again;
        enum tg_host_state end;
        const char *ends_with;
    } ways[] = {
        {TG_DO_APPLY, TG_EV_FAILED, 0, 0, TG_HOST_FAILED, "apply undo2 undo1 unlock"},
        {TG_DO_APPLY, TG_EV_UNPROVEN, 0, 0, TG_HOST_UNKNOWN, "apply undo2 undo1 unlock"},
        {TG_DO_APPLY, TG_EV_NOT_SENT, 0, 0, TG_HOST_UNREACHABLE, "apply undo2 undo1 unlock"},
        {TG_DO_APPLY, TG_EV_HELD, 0, 0, TG_HOST_HELD, "apply undo2 undo1 unlock"},
        {TG_DO_VERIFY, TG_EV_NOT_VERIFIED, 0, 0, TG_HOST_FAILED, "verify undo2 undo1 unlock"},
        {TG_DO_CHECK, TG_EV_NO_GO, 0, 0, TG_HOST_HELD, "lock check unlock"},
        {TG_DO_AROUND_LOOK, TG_EV_AROUND_REFUSED, 2, 0, TG_HOST_HELD, "around1 around-look2 undo1 unlock"},
        {TG_DO_AROUND, TG_EV_AROUND_REFUSED, 1, 0, TG_HOST_HELD, "around1 undo1 unlock"},
        {TG_DO_AROUND, TG_EV_AROUND_REFUSED, 2, 0, TG_HOST_HELD, "around2 undo2 undo1 unlock"},
        {TG_DO_AROUND_LOOK, TG_EV_AROUND_AWAY, 1, 99, TG_HOST_HELD, "around-look1 retry around-look1 retry around-look1 unlock"},
        {TG_DO_AROUND, TG_EV_AROUND_LOST, 1, 99, TG_HOST_HELD, "around1 retry around-look1 around1 undo1 unlock"},
        {TG_DO_AROUND, TG_EV_AROUND_AWAY, 1, 99, TG_HOST_HELD, "around1 retry around-look1 around1 unlock"}, /* nothing was done, for certain */
        {TG_DO_AROUND, TG_EV_LEFT, 1, 0, TG_HOST_DONE, "verify undo2 unlock"}, /* it is theirs */
        {TG_DO_UNDO, TG_EV_AROUND_LOST, 2, 1, TG_HOST_DONE, "undo2 retry undo2 retry undo2 undo1 unlock"},
    };

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct world w;
        setup(&w, 1, 0);
        w.answer[ways[i].action] = ways[i].answer;
        w.answer_step = ways[i].step;
        w.again = ways[i].again;
        say_of_run(&w, TG_EV_BEGIN);
        go_on(&w);
        size_t len = strlen(w.done), tail = strlen(ways[i].ends_with);
        cr_expect(len >= tail && strcmp(w.done + len - tail, ways[i].ends_with) == 0, "way %zu: %s", i, w.done);
        cr_expect_eq(w.run->hosts[0].state, ways[i].end, "way %zu: %s", i, tg_host_state_name(w.run->hosts[0].state));
        expect_nothing_left(&w);
        teardown(&w);
    }
}

Test(run_around, the_guard_is_asked_again_behind_the_last_step)
{
    struct world w;

    setup(&w, 1, 0);
    say_of_run(&w, TG_EV_BEGIN);
    go_on_until(&w, TG_DO_AROUND, 2);
    w.answer[TG_DO_CHECK] = TG_EV_NO_GO;
    go_on(&w);
    cr_expect_not(w.changed[0], "P5");
    cr_expect_eq(w.run->hosts[0].state, TG_HOST_HELD);
    expect_nothing_left(&w);
    teardown(&w);
}

/* P5, P7: a load balancer has restarted, and who is about to be changed serves: that drain and what follows it is done again, and the guard asked, before anything is changed. */
Test(run_around, a_drain_that_does_not_stand_right_before_the_change_is_done_again)
{
    static const struct {
        enum tg_run_event_kind found;
        int step;
        enum tg_host_state end;
        const char *ends_with;
    } ways[] = {
        {TG_EV_FOUND, 1, TG_HOST_DONE, "check around1 around-look2 around2 check apply verify undo2 undo1 unlock"},
        {TG_EV_FOUND, 2, TG_HOST_DONE, "check around2 check apply verify undo2 undo1 unlock"},
        {TG_EV_AROUND_AWAY, 1, TG_HOST_DONE, "check retry around-look1 around1 around-look2 around2 check apply verify undo2 undo1 unlock"},
        {TG_EV_AROUND_LOST, 2, TG_HOST_DONE, "check retry around-look2 around2 check apply verify undo2 undo1 unlock"},
        {TG_EV_AROUND_REFUSED, 1, TG_HOST_HELD, "check undo2 undo1 unlock"},
    };

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct world w;
        setup(&w, 1, 0);
        say_of_run(&w, TG_EV_BEGIN);
        go_on_until(&w, TG_DO_APPLY, 0);
        w.at++;
        say(&w, (struct tg_run_event) {.kind = ways[i].found, .host = 0, .stage = TG_RUN_NONE, .step = ways[i].step, .record = "forgotten", .text = "it has restarted"});
        cr_expect_not(w.changed[0]);
        go_on(&w);
        size_t len = strlen(w.done), tail = strlen(ways[i].ends_with);
        cr_expect(len >= tail && strcmp(w.done + len - tail, ways[i].ends_with) == 0, "way %zu: %s", i, w.done);
        cr_expect_eq(w.run->hosts[0].state, ways[i].end, "way %zu: %s", i, tg_host_state_name(w.run->hosts[0].state));
        cr_expect_eq(w.changed[0], ways[i].end == TG_HOST_DONE);
        expect_nothing_left(&w);
        teardown(&w);
    }
}

/* P12: what is not in force any more is known until it is again, or is undone. */
Test(run_around, what_is_not_kept_is_known)
{
    struct world w;

    setup(&w, 1, 0);
    say_of_run(&w, TG_EV_BEGIN);
    go_on_until(&w, TG_DO_VERIFY, 0);
    say(&w, (struct tg_run_event) {.kind = TG_EV_KEEP, .host = 0, .stage = TG_RUN_NONE, .step = 2, .text = "nobody can tell", .ours = true});
    cr_expect_eq(w.run->hosts[0].unkept, 4);
    say(&w, (struct tg_run_event) {.kind = TG_EV_KEEP, .host = 0, .stage = TG_RUN_NONE, .step = 2, .record = "made it"});
    cr_expect_eq(w.run->hosts[0].unkept, 0);
    say(&w, (struct tg_run_event) {.kind = TG_EV_KEEP, .host = 0, .stage = TG_RUN_NONE, .step = 1, .text = "a person was here"});
    go_on(&w);
    cr_expect_eq(w.run->hosts[0].unkept, 0);
    expect_nothing_left(&w);
    teardown(&w);
}

/* P8, P10: stopped at each action of a host, it is undone, and nothing more is begun. */
Test(run_around, is_undone_when_the_run_is_stopped_anywhere)
{
    static const enum tg_run_event_kind stops[] = {TG_EV_ABORT, TG_EV_PAUSE, TG_EV_HOLD};

    for (size_t k = 0; k < 3; k++)
        for (size_t n = 1; n < 14; n++) {
            struct world w;
            setup(&w, 1, 60000);
            say_of_run(&w, TG_EV_BEGIN);
            for (size_t i = 0; i < n && w.at < w.todo.n; i++) {
                struct tg_run_action a = w.todo.items[w.at++];
                carry_out(&w, &a);
            }
            say_of_run(&w, stops[k]);
            go_on(&w);
            expect_nothing_left(&w);
            cr_expect_eq(w.run->in_flight, 0);
            teardown(&w);
        }
}

Test(run_around, what_was_withdrawn_was_not_done)
{
    struct world w;

    setup(&w, 1, 0);
    say_of_run(&w, TG_EV_BEGIN);
    go_on_until(&w, TG_DO_AROUND, 2);
    w.at++;
    say_of_run(&w, TG_EV_ABORT);
    say(&w, (struct tg_run_event) {.kind = TG_EV_WITHDRAWN, .host = 0, .stage = TG_RUN_NONE});
    go_on(&w);
    cr_expect_str_eq(w.done, "lock check around-look1 around1 around-look2 undo1 unlock");
    expect_nothing_left(&w);
    teardown(&w);
}

/* P7, P8: whoever takes over at any line of the journal looks before he repeats, and undoes what the one before him may have done. */
Test(run_around, who_resumes_at_any_line_leaves_nothing_behind)
{
    for (int stop = 0; stop < 2; stop++)
        for (size_t n = 1;; n++) {
            struct world w;
            setup(&w, 2, 60000);
            say_of_run(&w, TG_EV_BEGIN);
            for (size_t i = 0; i < n && w.at < w.todo.n; i++) {
                struct tg_run_action a = w.todo.items[w.at++];
                carry_out(&w, &a);
            }
            bool over = w.at == w.todo.n;
            struct tg_replay replay = {0};
            struct tg_error e = TG_ERROR_INIT;
            struct tg_run *again;
            json_t *line;
            size_t i;
            cr_assert_eq(tg_run_new(w.plan, &again, &e), 0);
            replay.run = again;
            json_array_foreach(w.journal, i, line)
                cr_assert_eq(tg_replay_line(&replay, line, &e), 0, "%s", e.message);
            tg_replay_release(&replay);
            /* the last action that was begun may have been done before its driver died */
            if (!over && w.todo.items[w.at].kind == TG_DO_AROUND && n % 2)
                w.ours[w.todo.items[w.at].host][w.todo.items[w.at].step] = true;
            tg_run_free(w.run);
            w.run = again;
            w.at = w.todo.n;
            if (!over)
                say_of_run(&w, stop ? TG_EV_SEATED : TG_EV_RESUME);
            if (!over && stop)
                say_of_run(&w, TG_EV_ABORT);
            go_on(&w);
            cr_expect_eq(w.run->state, TG_RUN_ENDED, "%zu: %s", n, tg_run_state_name(w.run->state));
            expect_nothing_left(&w);
            teardown(&w);
            if (over)
                break;
        }
}

/* P8, P12 */
Test(run_around, what_can_not_be_undone_is_a_leftover_and_the_rest_is_undone)
{
    struct world w;

    setup(&w, 1, 0);
    w.answer[TG_DO_UNDO] = TG_EV_AROUND_REFUSED;
    w.answer_step = 2;
    say_of_run(&w, TG_EV_BEGIN);
    go_on(&w);
    cr_expect_str_eq(w.done, "lock check around-look1 around1 around-look2 around2 check apply verify undo2 undo1 unlock");
    const struct tg_run_host *h = &w.run->hosts[0];
    cr_expect_eq(h->state, TG_HOST_STUCK);
    cr_expect_eq(h->end, TG_HOST_DONE);
    cr_expect_eq(h->stuck, 1U << 2);
    cr_expect_eq(tg_run_in_force(h), 1U << 2);
    cr_expect_str_eq(h->text, "not undone: as scripted");
    cr_expect_not(w.locked[0]);
    cr_expect_eq(tg_run_leftovers(w.run), 1);
    cr_expect_eq(tg_run_end(w.run), TG_END_BADLY, "P8: it does not end well");
    say_of_run(&w, TG_EV_RESUME);
    go_on(&w);
    cr_expect(strstr(w.done, "undo1 unlock undo2 unlock"), "%s", w.done);
    cr_expect_eq(tg_run_end(w.run), TG_END_DONE);
    cr_expect_null(h->text, "P12: and nothing says otherwise");
    expect_nothing_left(&w);
    teardown(&w);
}

Test(run_around, undoing_is_tried_for_some_time_and_not_for_ever)
{
    struct world w;

    setup(&w, 1, 0);
    w.answer[TG_DO_UNDO] = TG_EV_AROUND_AWAY;
    w.answer_step = 1;
    w.again = 99;
    say_of_run(&w, TG_EV_BEGIN);
    int64_t from = w.now;
    go_on_until(&w, TG_DO_RETRY, 0);
    cr_assert_eq(w.run->hosts[0].state, TG_HOST_UNDO_WAITING);
    cr_expect(strncmp(w.run->hosts[0].text, "not undone: ", 12) == 0, "P12: it is said what it waits for: %s", w.run->hosts[0].text);
    go_on(&w);
    cr_expect_eq(w.run->hosts[0].state, TG_HOST_STUCK);
    cr_expect_eq(w.run->hosts[0].stuck, 1U << 1);
    cr_expect_geq(w.now - from, 60000);
    cr_expect_leq(w.now - from, 600000);
    teardown(&w);
}

Test(run_around, what_is_kept_on_purpose_is_told_of)
{
    struct world w;

    setup(&w, 1, 0);
    w.answer[TG_DO_APPLY] = TG_EV_FAILED;
    w.answer[TG_DO_UNDO] = TG_EV_UNDO_KEPT;
    w.answer_step = 0;
    say_of_run(&w, TG_EV_BEGIN);
    go_on_until(&w, TG_DO_UNDO, 2);
    w.answer_step = 2;
    go_on(&w);
    cr_expect_eq(w.run->hosts[0].state, TG_HOST_FAILED);
    cr_expect_eq(w.run->hosts[0].kept, 1U << 2);
    cr_expect_eq(tg_run_in_force(&w.run->hosts[0]), 1U << 2);
    cr_expect_eq(tg_run_leftovers(w.run), 0);
    teardown(&w);
}

/* P5: a host that takes no work is down, verified or not. */
Test(run_around, a_drained_host_is_down_until_it_is_undone)
{
    struct world w;

    setup(&w, 1, 60000);
    say_of_run(&w, TG_EV_BEGIN);
    go_on_until(&w, TG_DO_BAKE, 0);
    cr_expect_eq(w.run->hosts[0].state, TG_HOST_BAKING);
    cr_expect(tg_run_is_down(w.run, &w.run->hosts[0]));
    go_on_until(&w, TG_DO_UNDO, 1);
    cr_expect(tg_run_is_down(w.run, &w.run->hosts[0]));
    go_on_until(&w, TG_DO_UNLOCK, 0);
    cr_expect_not(tg_run_is_down(w.run, &w.run->hosts[0]));
    teardown(&w);
}

Test(run_around, an_answer_of_another_step_is_refused)
{
    struct world w;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run_event ev = {.kind = TG_EV_FOUND, .at_ms = 5000, .host = 0, .stage = TG_RUN_NONE, .step = 2};

    setup(&w, 1, 0);
    say_of_run(&w, TG_EV_BEGIN);
    go_on_until(&w, TG_DO_AROUND_LOOK, 1);
    cr_expect_eq(tg_run_step(w.run, &ev, &w.todo, &e), TG_E_DATA);
    cr_expect_str_eq(e.message, "\"found\" for step 2 of around of h0, which is at 1");
    tg_error_clear(&e);
    ev.step = 9;
    cr_expect_eq(tg_run_step(w.run, &ev, &w.todo, &e), TG_E_DATA);
    cr_expect_str_eq(e.message, "\"found\" for step 9 of around, of 3");
    teardown(&w);
}

/* P5: those that bake are out of service, and keep others of their rack in it: none of them is left out for that, and each bakes. */
Test(run_around, hosts_of_one_rack_bake_one_after_another)
{
    struct world w;

    setup(&w, 3, 60000);
    tg_run_free(w.run);
    test_plan_limit(w.plan, TG_LIMIT_DOMAIN, 2, 1, 0); /* h0 and h2 share one */
    cr_assert_eq(tg_run_new(w.plan, &w.run, NULL), 0);
    say_of_run(&w, TG_EV_BEGIN);
    go_on_until(&w, TG_DO_BAKE, 0);
    cr_expect_eq(w.run->hosts[0].state, TG_HOST_BAKING);
    cr_expect_eq(w.run->hosts[1].state, TG_HOST_BAKING);
    cr_expect_eq(w.run->hosts[2].state, TG_HOST_WAITING);
    int64_t first = w.now;
    go_on(&w);
    cr_expect_eq(tg_run_end(w.run), TG_END_DONE);
    cr_expect(w.changed[0] && w.changed[1] && w.changed[2]);
    cr_expect_geq(w.now - first, 120000, "two bakes");
    cr_expect_geq(w.run->hosts[2].ended_ms - w.run->hosts[2].since_ms, 0);
    expect_nothing_left(&w);
    teardown(&w);
}

/* P2: bits of a snapshot that can't be are refused, not acted on. */
Test(run_around, a_snapshot_with_steps_that_can_not_be_is_refused)
{
    static const struct {
        enum tg_host_state state;
        int step, made;
    } rows[] = {{TG_HOST_UNDOING, 2, 6}, /* this one is good */
                {TG_HOST_UNDOING, 1, 4}, {TG_HOST_UNDOING, 9, 6}, {TG_HOST_AROUND, 3, 0}, {TG_HOST_AROUND, 0, 0}, {TG_HOST_BAKING, 3, 8},
                {TG_HOST_BAKING, 3, 1}, {TG_HOST_BAKING, 65535, 0}, {TG_HOST_BAKING, -1, 0}};
    struct world w;

    setup(&w, 1, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_buf text = TG_BUF_INIT;
        struct tg_run *back = NULL;
        struct tg_error e = TG_ERROR_INIT;
        char row[200];
        cr_assert_eq(tg_run_snapshot(w.run, &text, &e), 0);
        char *last = strrchr(text.data, '\n');
        while (last > text.data && last[-1] != '\n')
            last--;
        text.len = (size_t) (last - text.data); /* without the one host's */
        snprintf(row, sizeof row, "[%d,%d,1,1,0,0,-1,1,0,0,0,%d,%d]\n", (int) rows[i].state, (int) TG_HOST_FAILED, rows[i].step, rows[i].made);
        tg_buf_puts(&text, row);
        cr_expect_eq(tg_run_restore(w.plan, tg_buf_text(&text), text.len, &back, &e), i == 0 ? 0 : TG_E_DATA, "%s: %s", row, e.message);
        tg_run_free(back);
        tg_buf_release(&text);
    }
    teardown(&w);
}

/* ---- what keeps everybody out ---- */

/* P7: from its journal and from its snapshot it comes back as it is. */
static void expect_comes_back(const struct world *w)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_buf text = TG_BUF_INIT;
    struct tg_run *again;
    struct tg_replay replay = {0};
    const json_t *line;
    char why[300] = "";
    size_t i;

    cr_assert_eq(tg_run_new(w->plan, &again, &e), 0);
    replay.run = again;
    json_array_foreach(w->journal, i, line)
        cr_assert_eq(tg_replay_line(&replay, line, &e), 0, "%s", e.message);
    cr_expect(same_run(w->run, again, why, sizeof why), "%s", why);
    tg_replay_release(&replay);
    tg_run_free(again);
    cr_assert_eq(tg_run_snapshot(w->run, &text, &e), 0);
    cr_assert_eq(tg_run_restore(w->plan, text.data, text.len, &again, &e), 0, "%s", e.message);
    cr_expect(same_run(w->run, again, why, sizeof why), "%s", why);
    tg_run_free(again);
    tg_buf_release(&text);
}

static void mend(struct world *w)
{
    w->dead = false;
    say_of_run(w, TG_EV_CONTINUE);
}

/* P5, P12: a balancer that is dead for all does not have a whole fleet passed over. */
Test(run_around, what_keeps_out_three_in_a_row_is_looked_at_before_the_others_are_tried)
{
    struct world w;

    setup(&w, 8, 0);
    test_plan_limit(w.plan, TG_LIMIT_FLOOR, 1, 1, 0); /* whom it kept out serves as before, and takes no room of the next */
    tg_run_free(w.run);
    cr_assert_eq(tg_run_new(w.plan, &w.run, NULL), 0);
    w.dead = true;
    say_of_run(&w, TG_EV_BEGIN);
    go_on(&w);
    cr_expect_eq(w.run->state, TG_RUN_HELD);
    cr_expect_eq(w.run->causes, TG_CAUSE_AROUND);
    cr_expect_eq(w.run->totals[TG_HOST_HELD], 3);
    cr_expect_eq(w.run->totals[TG_HOST_WAITING], 5);
    cr_expect_str_eq(w.run->hold_why, "drain (simulated) has kept out 3 hosts in a row, and more wait: as scripted");
    expect_nothing_left(&w);
    expect_comes_back(&w);
    mend(&w);
    go_on(&w);
    cr_expect_eq(tg_run_end(w.run), TG_END_DONE, "those that it kept out are tried once more");
    expect_nothing_left(&w);
    expect_comes_back(&w);
    teardown(&w);
}

Test(run_around, who_is_kept_out_again_is_passed_over_and_the_next_ones_are_tried)
{
    struct world w;

    setup(&w, 8, 0);
    w.dead = true;
    say_of_run(&w, TG_EV_BEGIN);
    go_on(&w);
    say_of_run(&w, TG_EV_CONTINUE); /* it is dead still */
    go_on(&w);
    cr_expect_eq(w.run->state, TG_RUN_HELD);
    cr_expect_eq(w.run->totals[TG_HOST_HELD], 6);
    mend(&w);
    go_on(&w);
    cr_expect_eq(tg_run_end(w.run), TG_END_BADLY);
    cr_expect_eq(w.run->totals[TG_HOST_HELD], 3, "each is tried twice");
    cr_expect_eq(w.run->totals[TG_HOST_DONE], 5);
    expect_comes_back(&w);
    teardown(&w);
}

Test(run_around, one_that_is_let_through_ends_the_row)
{
    struct world w;

    setup(&w, 8, 0);
    say_of_run(&w, TG_EV_BEGIN);
    for (size_t i = 0; i < 8; i++) {
        w.dead = i % 3 != 2;
        while (w.at < w.todo.n && !tg_host_state_is_end(w.run->hosts[i].state)) {
            struct tg_run_action a = w.todo.items[w.at++];
            carry_out(&w, &a);
        }
    }
    cr_expect_eq(w.run->state, TG_RUN_ENDED);
    cr_expect_eq(w.run->totals[TG_HOST_HELD], 6);
    teardown(&w);
}

/* Nobody is spared by waiting, or what is bad stays where it is. */
Test(run_around, the_last_ones_and_a_way_back_are_not_held_up)
{
    struct world w;

    setup(&w, 3, 0);
    w.dead = true;
    say_of_run(&w, TG_EV_BEGIN);
    go_on(&w);
    cr_expect_eq(w.run->state, TG_RUN_ENDED);
    teardown(&w);
    setup(&w, 8, 0);
    w.plan->undoes = strdup("other-1");
    w.dead = true;
    say_of_run(&w, TG_EV_BEGIN);
    go_on(&w);
    cr_expect_eq(w.run->state, TG_RUN_ENDED);
    cr_expect_eq(w.run->totals[TG_HOST_HELD], 8);
    teardown(&w);
}

/* The third is being unlocked yet when somebody says "go on". */
Test(run_around, who_is_on_the_way_out_waits_again_as_well)
{
    struct world w;

    setup(&w, 8, 0);
    w.dead = true;
    say_of_run(&w, TG_EV_BEGIN);
    while (!w.run->causes) {
        struct tg_run_action a = w.todo.items[w.at++];
        carry_out(&w, &a);
    }
    cr_assert_eq(w.run->hosts[2].state, TG_HOST_UNLOCKING);
    mend(&w);
    expect_comes_back(&w);
    go_on(&w);
    cr_expect_eq(tg_run_end(w.run), TG_END_DONE);
    expect_nothing_left(&w);
    teardown(&w);
}

Test(run_around, nobody_looks_and_the_run_halts_when_its_plan_says_so)
{
    struct world w;

    setup(&w, 8, 0);
    w.plan->give_up_ms = 3600000;
    w.dead = true;
    say_of_run(&w, TG_EV_BEGIN);
    while (w.at < w.todo.n) {
        struct tg_run_action a = w.todo.items[w.at++];
        if (a.kind != TG_DO_GIVE_UP)
            carry_out(&w, &a);
    }
    cr_assert_eq(w.run->state, TG_RUN_HELD);
    w.now = w.run->give_up_ms;
    say_of_run(&w, TG_EV_GAVE_UP);
    cr_expect_eq(tg_run_end(w.run), TG_END_HALTED);
    cr_expect_str_eq(w.run->why, "drain (simulated) has kept out 3 hosts in a row, and more wait: as scripted; nobody has looked for 1h");
    expect_comes_back(&w);
    teardown(&w);
}
