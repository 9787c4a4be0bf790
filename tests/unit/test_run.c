/* The machine of a run: that its tables are complete, and what follows from what. A simulated fleet answers its actions at once. */
#include "engine/run.h"
#include "lib/plan.h"

#include <criterion/criterion.h>

/* ---- the tables ---- */

static bool of_run(enum tg_run_event_kind ev)
{
    return ev < TG_EV_BAKED || ev == TG_EV_HALT || ev == TG_EV_IDLE || ev == TG_EV_COMPLETE || ev == TG_EV_UNSETTLED;
}

static bool of_stage(enum tg_run_event_kind ev)
{
    return ev == TG_EV_BAKED || ev == TG_EV_APPROVED || ev == TG_EV_PACED || ev == TG_EV_OPEN || ev == TG_EV_GATE || ev == TG_EV_ALL_VERIFIED || ev == TG_EV_ALL_ENDED || ev == TG_EV_AGAIN || ev == TG_EV_RESUMED;
}

static bool of_host(enum tg_run_event_kind ev)
{
    return (ev >= TG_EV_LOCKED && ev < TG_EV_EXTERNAL) || ev >= TG_EV_RESUMED;
}

Test(run, every_pair_of_state_and_event_is_listed_exactly_once)
{
    enum tg_pair pair;

    for (int ev = 0; ev < TG_EV_COUNT; ev++) {
        enum tg_run_event_kind kind = (enum tg_run_event_kind) ev;
        for (int s = 0; s < TG_RUN_STATES; s++) {
            tg_run_rule_find((enum tg_run_state) s, kind, &pair);
            cr_expect_eq(pair != TG_PAIR_NONE, of_run(kind), "run: %s × %s", tg_run_state_name((enum tg_run_state) s), tg_run_event_name(kind));
        }
        for (int s = 0; s < TG_STAGE_STATES; s++) {
            tg_stage_rule_find((enum tg_stage_state) s, kind, &pair);
            cr_expect_eq(pair != TG_PAIR_NONE, of_stage(kind), "stage: %s × %s", tg_stage_state_name((enum tg_stage_state) s), tg_run_event_name(kind));
        }
        for (int s = 0; s < TG_HOST_STATES; s++) {
            tg_host_rule_find((enum tg_host_state) s, kind, &pair);
            cr_expect_eq(pair != TG_PAIR_NONE, of_host(kind), "host: %s × %s", tg_host_state_name((enum tg_host_state) s), tg_run_event_name(kind));
        }
    }
}

/* ---- a fleet that answers at once ---- */

#define HOSTS_MAX 64

struct fleet {
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_run_actions todo;
    size_t at;                /* of todo */
    int64_t now;
    json_t *journal;
    /* the script: what a host answers to an action; 0 means the good answer */
    enum tg_run_event_kind answer[HOSTS_MAX][TG_DO_COUNT];
    int answers_left[HOSTS_MAX][TG_DO_COUNT]; /* 0: for ever */
    /* the truth */
    int applied[HOSTS_MAX];
    bool locked[HOSTS_MAX];
    size_t working, worst, worst_unverified;
    size_t abort_after;       /* actions; 0 never */
    int bakes;
    int64_t give_up_ms; /* until when a person may look */
};

static void note(struct fleet *f, json_t *line)
{
    json_array_append_new(f->journal, line);
}

static int64_t next_line(struct fleet *f)
{
    return (int64_t) json_array_size(f->journal) + 1;
}

static int try_event(struct fleet *f, struct tg_run_event ev, struct tg_error *e)
{
    size_t before = f->todo.n;
    ev.at_ms = ++f->now;
    int rc = tg_run_step(f->run, &ev, &f->todo, e);
    if (rc)
        return rc;
    note(f, tg_run_event_to_json(f->run, &ev, next_line(f)));
    for (size_t i = before; i < f->todo.n; i++)
        note(f, tg_run_action_to_json(f->run, &f->todo.items[i], f->now, next_line(f)));
    return 0;
}

static void say(struct fleet *f, struct tg_run_event ev)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(try_event(f, ev, &e), 0, "%s", e.message);
}

static void setup(struct fleet *f, const struct test_stage *stages, size_t n, int64_t running, int64_t failed)
{
    struct tg_error e = TG_ERROR_INIT;

    *f = (struct fleet) {.plan = test_plan(stages, n, running, failed), .now = 1000, .journal = json_array()};
    cr_assert_eq(tg_run_new(f->plan, &f->run, &e), 0, "%s", e.message);
}

static void teardown(struct fleet *f)
{
    tg_run_free(f->run);
    tg_run_actions_release(&f->todo);
    json_decref(f->journal);
    tg_plan_free(f->plan);
}

static enum tg_run_event_kind good(enum tg_run_action_kind kind)
{
    switch ((int) kind) {
    case TG_DO_LOCK:
        return TG_EV_LOCKED;
    case TG_DO_CHECK:
        return TG_EV_GO;
    case TG_DO_APPLY:
    case TG_DO_DRY_RUN:
        return TG_EV_APPLIED;
    case TG_DO_LOOK:
        return TG_EV_ABSENT;
    case TG_DO_RETRY:
        return TG_EV_RETRY_DUE;
    case TG_DO_VERIFY:
        return TG_EV_VERIFIED;
    default:
        return TG_EV_UNLOCKED;
    }
}

/* Carries out one action on the simulated host, and gives the answer. */
static void carry_out(struct fleet *f, struct tg_run_action a)
{
    struct tg_run_event ev = {.kind = good(a.kind), .host = a.host, .stage = TG_RUN_NONE, .outcome = TG_OUTCOME_CHANGED, .changed = 1};

    if (a.kind == TG_DO_BAKE) {
        cr_expect_eq(a.until_ms, f->run->stages[a.stage].bake_until_ms);
        f->bakes++;
        f->now = a.until_ms;
        say(f, (struct tg_run_event) {.kind = TG_EV_BAKED, .stage = a.stage, .host = TG_RUN_NONE});
        return;
    }
    if (a.kind == TG_DO_GIVE_UP) {
        f->give_up_ms = a.until_ms;
        return;
    }
    if (a.kind == TG_DO_RETRY)
        f->now = f->now > a.until_ms ? f->now : a.until_ms;
    if (a.kind == TG_DO_PACE) {
        f->now = f->now > a.until_ms ? f->now : a.until_ms;
        say(f, (struct tg_run_event) {.kind = TG_EV_PACED, .stage = a.stage, .host = TG_RUN_NONE});
        return;
    }
    enum tg_run_event_kind scripted = f->answer[a.host][a.kind];
    if (scripted) {
        ev.kind = scripted;
        if (f->answers_left[a.host][a.kind] && --f->answers_left[a.host][a.kind] == 0)
            f->answer[a.host][a.kind] = (enum tg_run_event_kind) 0;
    }
    if (a.kind == TG_DO_LOCK)
        f->locked[a.host] = ev.kind == TG_EV_LOCKED;
    if (a.kind == TG_DO_APPLY) {
        cr_expect(f->locked[a.host], "P5: %s is changed without its lock", f->plan->hosts[a.host].name);
        f->applied[a.host] += ev.kind != TG_EV_NOT_SENT && ev.kind != TG_EV_BUSY && ev.kind != TG_EV_HELD;
    }
    if (a.kind == TG_DO_LOOK && ev.kind == TG_EV_ABSENT && f->applied[a.host])
        ev.kind = TG_EV_APPLIED;
    if (a.kind == TG_DO_UNLOCK && ev.kind == TG_EV_UNLOCKED)
        f->locked[a.host] = false;
    ev.lock = ev.kind == TG_EV_LOCKED ? "L00001" : NULL;
    ev.text = ev.kind == good(a.kind) ? NULL : "as scripted";
    say(f, ev);
}

static bool is_start(enum tg_run_action_kind kind)
{
    return kind == TG_DO_LOCK || kind == TG_DO_APPLY || kind == TG_DO_DRY_RUN;
}

/* Until there is nothing more to do. */
static void go_on(struct fleet *f)
{
    size_t done = 0;

    while (f->at < f->todo.n) {
        struct tg_run_action a = f->todo.items[f->at++];
        if (f->run->in_work > f->worst)
            f->worst = f->run->in_work;
        size_t unverified = f->run->in_work + tg_run_without_verdict(f->run);
        if (unverified > f->worst_unverified)
            f->worst_unverified = unverified;
        if (a.kind == TG_DO_END || a.kind == TG_DO_REST || a.kind == TG_DO_ASK)
            continue;
        if (f->run->aborted && is_start(a.kind))
            say(f, (struct tg_run_event) {.kind = TG_EV_WITHDRAWN, .host = a.host, .stage = TG_RUN_NONE});
        else
            carry_out(f, a);
        if (f->abort_after && ++done == f->abort_after)
            say(f, (struct tg_run_event) {.kind = TG_EV_ABORT, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .by = "alice@ops1", .text = "enough"});
    }
}

static void begin(struct fleet *f)
{
    say(f, (struct tg_run_event) {.kind = TG_EV_BEGIN, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .by = "alice@ops1", .epoch = 1});
}

static size_t count_applied(const struct fleet *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->plan->n_hosts; i++)
        n += f->applied[i] > 0;
    return n;
}

static void expect_nothing_locked(const struct fleet *f)
{
    for (size_t i = 0; i < f->plan->n_hosts; i++)
        cr_expect(!f->locked[i], "P8: %s is left locked", f->plan->hosts[i].name);
}

static void say_of_run(struct fleet *f, enum tg_run_event_kind kind)
{
    say(f, (struct tg_run_event) {.kind = kind, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .by = "bob@ops2", .text = "wait", .epoch = 2, .cause = TG_CAUSE_COMMAND});
}

/* ---- what follows from what ---- */

Test(run, changes_every_host_once_stage_after_stage)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{3, true, 0, {0}}, {1, false, 60000, {0}}, {5, false, 0, {0}}}, 3, 2, 0);
    begin(&f);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_DONE);
    cr_expect_eq(f.bakes, 1);
    cr_expect_eq(count_applied(&f), 6);
    for (size_t i = 3; i < 9; i++)
        cr_expect_eq(f.applied[i], 1);
    cr_expect_leq(f.worst, 2, "P5: limits.running"); /* P5 */
    expect_nothing_locked(&f);
    teardown(&f);
}

/* P5: a fast start does not outrun the verdict. */
Test(run, no_more_are_changed_without_a_verdict_than_may_be)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{12, false, 0, {0}}}, 1, 2, 0);
    f.plan->unverified = 5;
    begin(&f);
    while (f.at < f.todo.n) { /* verdicts come last */
        size_t i = f.at;
        while (i < f.todo.n && f.todo.items[i].kind == TG_DO_VERIFY)
            i++;
        i = i < f.todo.n ? i : f.at;
        struct tg_run_action a = f.todo.items[i];
        memmove(&f.todo.items[f.at + 1], &f.todo.items[f.at], (i - f.at) * sizeof a);
        f.at++;
        cr_expect_leq(f.run->in_work, 2);
        size_t unverified = f.run->in_work + tg_run_without_verdict(f.run);
        cr_expect_leq(unverified, 5);
        f.worst_unverified = unverified > f.worst_unverified ? unverified : f.worst_unverified;
        if (unverified == 5 && f.run->totals[TG_HOST_WAITING])
            cr_expect_eq(tg_run_brakes(f.run, f.now), f.run->in_work == 2 ? TG_BRAKE_UNVERIFIED | TG_BRAKE_RUNNING : TG_BRAKE_UNVERIFIED);
        if (a.kind != TG_DO_END)
            carry_out(&f, a);
    }
    cr_expect_eq(tg_run_end(f.run), TG_END_DONE);
    cr_expect_eq(f.worst_unverified, 5, "the limit is used");
    teardown(&f);
}

/* Hosts of a stage in the order of their starts are at least so far apart, but for a tenth. */
static void starts_are_apart(const struct fleet *f, size_t stage, int64_t ms)
{
    const struct tg_plan_stage *p = &f->plan->stages[stage];

    for (size_t i = p->first + 1; i < p->first + p->count; i++) {
        int64_t apart = f->run->hosts[i].started_ms - f->run->hosts[i - 1].started_ms;
        cr_expect_geq(apart, ms - ms / 10, "host %zu after %lld ms", i, (long long) apart);
    }
}

Test(run, hosts_start_no_faster_than_the_rate_of_their_stage)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{2, true, 0, {1, 1000}}, {6, false, 0, {1, 60000}}, {20, false, 0, {2, 1000}}, {3, false, 0, {0}}}, 4, 4, 0);
    begin(&f);
    int64_t from = f.now;
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_DONE);
    starts_are_apart(&f, 0, 1000);
    starts_are_apart(&f, 1, 60000);
    starts_are_apart(&f, 2, 500);
    cr_expect_leq(f.run->hosts[7].started_ms - f.run->hosts[2].started_ms, 5 * 60000 + 1000, "nor slower, when nothing else is in the way");
    cr_expect_geq(f.now - from, (1000 + 5 * 60000 + 19 * 500) * 9 / 10);
    teardown(&f);
}

Test(run, what_a_pause_made_a_rate_miss_is_not_made_up_for)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{6, false, 0, {1, 60000}}}, 1, 4, 0);
    begin(&f);
    while (f.todo.items[f.at].kind != TG_DO_PACE)
        carry_out(&f, f.todo.items[f.at++]);
    f.at++; /* its timer goes with the driver */
    cr_expect_eq(tg_run_brakes(f.run, f.now), TG_BRAKE_RATE);
    say(&f, (struct tg_run_event) {.kind = TG_EV_PAUSE, .host = TG_RUN_NONE, .stage = TG_RUN_NONE});
    go_on(&f);
    cr_expect_eq(f.run->state, TG_RUN_PAUSED);
    f.now += 3600000;
    say(&f, (struct tg_run_event) {.kind = TG_EV_RESUME, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 2});
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_DONE);
    starts_are_apart(&f, 0, 60000);
    teardown(&f);
}

/* P8, P12 */
Test(run, halts_when_too_many_fail_and_unlocks_what_it_locked)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{8, false, 0, {0}}}, 1, 3, 1);
    f.answer[1][TG_DO_VERIFY] = TG_EV_NOT_VERIFIED;
    f.answer[2][TG_DO_APPLY] = TG_EV_FAILED;
    begin(&f);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_HALTED);
    cr_expect_str_eq(f.run->why, "2 failed, at most 1 may");
    cr_expect_gt(f.run->totals[TG_HOST_WAITING], 0);
    expect_nothing_locked(&f);
    teardown(&f);
}

/* P12: nobody can tell. A person looks, and what nobody can tell then is unknown; no such host is ever done. */
Test(run, a_verification_without_a_verdict_holds_the_run_and_is_tried_once_more)
{
    for (int again = 0; again < 3; again++) {
        struct fleet f;
        setup(&f, (struct test_stage[]) {{2, false, 0, {0}}, {4, false, 0, {0}}}, 2, 1, 0);
        f.answer[0][TG_DO_VERIFY] = TG_EV_INCONCLUSIVE;
        f.answers_left[0][TG_DO_VERIFY] = again == 0 ? 1 : 0;
        begin(&f);
        go_on(&f);
        cr_expect_eq(f.run->state, TG_RUN_HELD);
        cr_expect_eq(f.run->causes, TG_CAUSE_VERDICT);
        cr_expect_str_eq(f.run->hold_why, "h0: no verdict: as scripted");
        cr_expect_eq(f.run->hosts[0].state, TG_HOST_UNDECIDED);
        cr_expect_eq(tg_run_failures(f.run), 0);
        cr_expect_eq(count_applied(&f), 1, "nothing starts");
        expect_nothing_locked(&f);
        if (again == 2)
            f.answer[0][TG_DO_VERIFY] = TG_EV_NOT_VERIFIED;
        say_of_run(&f, TG_EV_RESUME); /* a new driver is no person who has looked */
        cr_expect_eq(f.run->state, TG_RUN_HELD);
        say_of_run(&f, TG_EV_CONTINUE);
        go_on(&f);
        cr_expect_eq(tg_run_end(f.run), again ? TG_END_HALTED : TG_END_DONE);
        cr_expect_eq(f.run->hosts[0].state, again == 0 ? TG_HOST_DONE : again == 1 ? TG_HOST_UNKNOWN : TG_HOST_FAILED);
        teardown(&f);
    }
}

/* By the time that a rollout says; then it is unknown, which counts as failed. */
Test(run, a_verdict_is_waited_for_until_it_must_be_decided)
{
    for (int comes = 0; comes < 2; comes++) {
        struct fleet f;
        setup(&f, (struct test_stage[]) {{2, false, 1000, {0}}}, 1, 2, 1);
        f.plan->decide_ms = 60000;
        f.answer[0][TG_DO_VERIFY] = TG_EV_INCONCLUSIVE;
        f.answers_left[0][TG_DO_VERIFY] = comes ? 3 : 0;
        begin(&f);
        int64_t from = f.now;
        go_on(&f);
        cr_expect_eq(f.run->holds, 0);
        cr_expect_eq(f.run->hosts[0].state, comes ? TG_HOST_DONE : TG_HOST_UNKNOWN);
        cr_expect_eq(tg_run_end(f.run), comes ? TG_END_DONE : TG_END_BADLY);
        cr_expect_geq(f.now - from, comes ? 45000 : 60000);
        expect_nothing_locked(&f);
        teardown(&f);
    }
}

static void gave_up(struct fleet *f, int64_t late_ms)
{
    f->now = f->give_up_ms + late_ms;
    say(f, (struct tg_run_event) {.kind = TG_EV_GAVE_UP, .host = TG_RUN_NONE, .stage = TG_RUN_NONE});
}

/* P12: what has no verdict is not fine because nobody comes; the run ends as one that was stopped, and nothing more is changed. */
Test(run, a_run_for_which_nobody_looks_halts)
{
    for (int driver = 0; driver < 2; driver++) {
        struct fleet f;
        setup(&f, (struct test_stage[]) {{3, false, 0, {0}}}, 1, 1, 0);
        f.plan->give_up_ms = 3600000;
        f.answer[0][TG_DO_VERIFY] = TG_EV_INCONCLUSIVE;
        begin(&f);
        go_on(&f);
        cr_assert_eq(f.run->state, TG_RUN_HELD);
        cr_expect_eq(f.give_up_ms, f.run->give_up_ms);
        if (driver) { /* a new one waits to the same end */
            f.give_up_ms = 0;
            f.now += 1000;
            say_of_run(&f, TG_EV_RESUME);
            go_on(&f);
            cr_expect_eq(f.give_up_ms, f.run->give_up_ms);
        }
        gave_up(&f, -2); /* each event takes a millisecond here */
        cr_expect_eq(f.run->state, TG_RUN_HELD, "not before its time");
        gave_up(&f, 0);
        cr_expect_eq(tg_run_end(f.run), TG_END_HALTED);
        cr_expect_str_eq(f.run->why, "h0: no verdict: as scripted; nobody has looked for 1h");
        cr_expect_eq(f.run->hosts[0].state, TG_HOST_UNDECIDED);
        cr_expect_eq(count_applied(&f), 1);
        expect_nothing_locked(&f);
        say_of_run(&f, TG_EV_CONTINUE);
        cr_expect_eq(tg_run_end(f.run), TG_END_HALTED, "too late");
        teardown(&f);
    }
}

Test(run, who_has_looked_in_time_is_not_given_up)
{
    for (int paused = 0; paused < 2; paused++) {
        struct fleet f;
        setup(&f, (struct test_stage[]) {{3, false, 0, {0}}}, 1, 1, 0);
        f.plan->decide_ms = 20000; /* tried again by itself first, then a person may look */
        f.plan->give_up_ms = 3600000;
        f.answer[0][TG_DO_VERIFY] = TG_EV_INCONCLUSIVE;
        begin(&f);
        go_on(&f);
        cr_assert_eq(f.run->state, TG_RUN_HELD);
        cr_expect_geq(f.now, f.run->hosts[0].since_ms + 20000);
        f.answer[0][TG_DO_VERIFY] = (enum tg_run_event_kind) 0;
        if (paused)
            say(&f, (struct tg_run_event) {.kind = TG_EV_HOLD, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .cause = TG_CAUSE_COMMAND, .text = "I look", .by = "alice@ops1"});
        else
            say_of_run(&f, TG_EV_CONTINUE);
        gave_up(&f, 1000);
        cr_expect_neq(f.run->state, TG_RUN_ENDED);
        if (paused)
            say_of_run(&f, TG_EV_CONTINUE);
        go_on(&f);
        cr_expect_eq(tg_run_end(f.run), TG_END_DONE);
        teardown(&f);
    }
}

/* A pause while it waits for its verdict: it is undecided, and verified when the run goes on. */
Test(run, who_waits_for_a_verdict_is_unlocked_by_a_pause)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{2, false, 0, {0}}}, 1, 1, 0);
    f.plan->decide_ms = 60000;
    f.answer[0][TG_DO_VERIFY] = TG_EV_INCONCLUSIVE;
    f.answers_left[0][TG_DO_VERIFY] = 1;
    begin(&f);
    while (f.run->hosts[0].state != TG_HOST_DECIDING)
        carry_out(&f, f.todo.items[f.at++]);
    say_of_run(&f, TG_EV_HOLD);
    f.at++; /* its timer */
    go_on(&f);
    cr_expect_eq(f.run->state, TG_RUN_HELD);
    cr_expect_eq(f.run->hosts[0].state, TG_HOST_UNDECIDED);
    expect_nothing_locked(&f);
    say_of_run(&f, TG_EV_CONTINUE);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_DONE);
    teardown(&f);
}

/* P5: a stage may bear less than the whole; who is not reached is counted by itself (P12). */
Test(run, a_stage_and_the_unreachable_have_bounds_of_their_own)
{
    static const struct {
        enum tg_run_event_kind answer;
        struct tg_bounds stage;
        struct tg_share unreachable;
        const char *why; /* NULL: it is not halted */
    } rows[] = {
        {TG_EV_FAILED, {.failed = {TG_SHARE_COUNT, 1}}, {.kind = TG_SHARE_UNSET}, "2 failed in stage stage1, at most 1 may"},
        {TG_EV_FAILED, {.failed = {TG_SHARE_COUNT, 2}}, {.kind = TG_SHARE_UNSET}, NULL},
        {TG_EV_FAILED, {.failed = {TG_SHARE_PERCENT, 20000}, .of_at_least = 4}, {.kind = TG_SHARE_UNSET},
         "2 failed in stage stage1, more than 20 % of 6 (2 > 1)"},
        {TG_EV_FAILED, {.failed = {TG_SHARE_PERCENT, 20000}, .of_at_least = 7}, {.kind = TG_SHARE_UNSET}, NULL},
        {TG_EV_NOT_SENT, {.failed = {TG_SHARE_COUNT, 0}}, {.kind = TG_SHARE_UNSET}, NULL},
        {TG_EV_NOT_SENT, {.unreachable = {TG_SHARE_COUNT, 1}}, {.kind = TG_SHARE_UNSET}, "2 unreachable in stage stage1, at most 1 may be"},
        {TG_EV_NOT_SENT, {.failed = {.kind = TG_SHARE_UNSET}}, {TG_SHARE_COUNT, 0}, "1 unreachable, at most 0 may be"},
        {TG_EV_NOT_SENT, {.failed = {.kind = TG_SHARE_UNSET}}, {TG_SHARE_PERCENT, 25000}, NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fleet f;
        setup(&f, (struct test_stage[]) {{2, false, 0, {0}}, {6, false, 0, {0}}}, 2, 1, 5);
        f.plan->stages[1].policy.bears = rows[i].stage;
        f.plan->unreachable = rows[i].unreachable;
        f.answer[3][TG_DO_APPLY] = f.answer[5][TG_DO_APPLY] = rows[i].answer;
        begin(&f);
        go_on(&f);
        cr_expect_eq(tg_run_end(f.run), rows[i].why ? TG_END_HALTED : TG_END_BADLY, "%zu", i);
        cr_expect_str_eq(f.run->why ? f.run->why : "", rows[i].why ? rows[i].why : "");
        expect_nothing_locked(&f);
        teardown(&f);
    }
}

/* P5: "more than 2 % of 412" is 9, not 10: a limit is never rounded up. */
Test(run, a_share_of_failures_is_rounded_down)
{
    struct tg_plan plan = {.failed = {TG_SHARE_PERCENT, 2000}, .n_targets = 412};
    struct tg_run run = {.plan = &plan};

    cr_expect_eq(tg_run_failures_max(&run), 8);
    plan.n_targets = 49;
    cr_expect_eq(tg_run_failures_max(&run), 0);
}

/* P10: an abort before each action in turn. Nothing starts after it, whatever is in flight ends. */
Test(run, an_abort_wins_wherever_it_comes)
{
    for (size_t after = 1; after < 60; after++) {
        struct fleet f;
        setup(&f, (struct test_stage[]) {{2, true, 0, {0}}, {2, false, 1000, {0}}, {4, false, 0, {0}}}, 3, 2, 0);
        f.abort_after = after;
        f.answer[2][TG_DO_APPLY] = TG_EV_BUSY;
        f.answers_left[2][TG_DO_APPLY] = 2;
        begin(&f);
        go_on(&f);
        if (f.run->aborted)
            cr_expect_eq(tg_run_end(f.run), TG_END_ABORTED, "after %zu: %s", after, tg_run_state_name(f.run->state));
        expect_nothing_locked(&f);
        teardown(&f);
    }
}

/* P10 */
Test(run, an_aborted_run_never_moves_again)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{4, false, 0, {0}}}, 1, 1, 0);
    f.abort_after = 3;
    begin(&f);
    go_on(&f);
    size_t changed = count_applied(&f);
    say(&f, (struct tg_run_event) {.kind = TG_EV_RESUME, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 2});
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_ABORTED);
    cr_expect_eq(count_applied(&f), changed);
    teardown(&f);
}

Test(run, a_stage_of_which_nothing_ended_well_proves_nothing)
{
    static const struct {
        enum tg_run_action_kind on;
        enum tg_run_event_kind answer;
    } rows[] = {{TG_DO_APPLY, TG_EV_NOT_SENT}, {TG_DO_CHECK, TG_EV_NO_GO}, {TG_DO_LOCK, TG_EV_LOCK_REFUSED}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fleet f;
        setup(&f, (struct test_stage[]) {{1, false, 0, {0}}, {4, false, 0, {0}}}, 2, 2, 3);
        f.answer[0][rows[i].on] = rows[i].answer;
        begin(&f);
        go_on(&f);
        cr_expect_eq(tg_run_end(f.run), TG_END_HALTED);
        cr_expect_eq(count_applied(&f), 0);
        cr_expect_str_eq(f.run->why, "stage stage0 proves nothing: none of its 1 host ended well");
        expect_nothing_locked(&f);
        teardown(&f);
    }
}

/* P12: unreachable is never failed, but never fine either. */
Test(run, an_unreachable_host_is_no_failure_and_no_success)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{4, false, 0, {0}}}, 1, 1, 0);
    f.answer[1][TG_DO_APPLY] = TG_EV_NOT_SENT;
    begin(&f);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_BADLY);
    cr_expect_eq(f.run->hosts[1].state, TG_HOST_UNREACHABLE);
    cr_expect_eq(count_applied(&f), 3);
    expect_nothing_locked(&f);
    teardown(&f);
}

/* P7, P8: a host whose outcome is not known keeps its lock, is listed, and can be looked at later. */
Test(run, a_lost_host_keeps_its_lock_until_it_can_be_looked_at)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{3, false, 0, {0}}}, 1, 1, 0);
    f.answer[0][TG_DO_APPLY] = TG_EV_LOST;
    f.answer[0][TG_DO_LOOK] = TG_EV_LOST;
    begin(&f);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_HALTED);
    cr_expect(f.locked[0]);
    cr_expect_eq(tg_run_leftovers(f.run), 1);
    f.answer[0][TG_DO_LOOK] = (enum tg_run_event_kind) 0; /* the host is back: the step had ended well */
    say(&f, (struct tg_run_event) {.kind = TG_EV_RESUME, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 2});
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_HALTED);
    cr_expect_eq(f.run->hosts[0].state, TG_HOST_DONE);
    cr_expect_eq(f.applied[0], 1);
    cr_expect_eq(tg_run_leftovers(f.run), 0);
    cr_expect_eq(count_applied(&f), 1);
    expect_nothing_locked(&f);
    teardown(&f);
}

/* P5: what may still be going on counts as running. */
Test(run, lost_hosts_take_up_the_limit_of_running_ones)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{5, false, 0, {0}}}, 1, 2, 4);
    for (size_t i = 0; i < 5; i++)
        f.answer[i][TG_DO_APPLY] = f.answer[i][TG_DO_LOOK] = TG_EV_LOST;
    begin(&f);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_HALTED);
    cr_expect_eq(count_applied(&f), 2);
    teardown(&f);
}

Test(run, waits_for_a_tool_that_is_busy_but_not_for_ever)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{2, false, 0, {0}}}, 1, 1, 0);
    f.answer[0][TG_DO_APPLY] = TG_EV_BUSY;
    f.answers_left[0][TG_DO_APPLY] = 3;
    f.answer[1][TG_DO_APPLY] = TG_EV_BUSY;
    begin(&f);
    go_on(&f);
    cr_expect_eq(f.run->hosts[0].state, TG_HOST_DONE);
    cr_expect_eq(f.run->hosts[0].attempt, 4);
    cr_expect_eq(f.run->hosts[1].state, TG_HOST_HELD);
    cr_expect_eq(f.run->hosts[1].attempt, TG_RUN_ATTEMPTS_MAX);
    cr_expect_eq(tg_run_end(f.run), TG_END_BADLY);
    expect_nothing_locked(&f);
    teardown(&f);
}

/* P8 */
Test(run, a_lock_that_would_not_go_is_a_leftover_and_no_good_end)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{2, false, 0, {0}}}, 1, 1, 0);
    f.answer[0][TG_DO_UNLOCK] = TG_EV_UNLOCK_FAILED;
    begin(&f);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_BADLY);
    cr_expect_eq(tg_run_done(f.run), 2);
    cr_expect_eq(tg_run_leftovers(f.run), 1);
    cr_expect_str_eq(f.run->hosts[0].lock, "L00001");
    f.answer[0][TG_DO_UNLOCK] = (enum tg_run_event_kind) 0;
    say(&f, (struct tg_run_event) {.kind = TG_EV_RESUME, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 2});
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_DONE);
    expect_nothing_locked(&f);
    teardown(&f);
}

Test(run, a_bake_is_not_skipped_by_a_pause)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{2, false, 5000, {0}}, {1, false, 0, {0}}}, 2, 2, 0);
    begin(&f);
    while (f.at < f.todo.n && f.run->stages[0].state != TG_STAGE_BAKING)
        carry_out(&f, f.todo.items[f.at++]);
    say(&f, (struct tg_run_event) {.kind = TG_EV_PAUSE, .host = TG_RUN_NONE, .stage = TG_RUN_NONE});
    f.at = f.todo.n - 2; /* the timer of the bake is dropped by who drives; the two hosts are to be unlocked */
    go_on(&f);
    cr_expect_eq(f.run->state, TG_RUN_PAUSED);
    expect_nothing_locked(&f);
    say(&f, (struct tg_run_event) {.kind = TG_EV_RESUME, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 2});
    cr_expect_eq(f.todo.items[f.todo.n - 1].kind, TG_DO_BAKE);
    cr_expect_eq(count_applied(&f), 2);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_DONE);
    teardown(&f);
}

/* P5: who is unlocked to wait again is before its bake: the stage does not bake without it. */
Test(run, a_bake_waits_for_those_that_a_pause_sent_back)
{
    struct fleet f;
    struct tg_run_event ev = {.host = TG_RUN_NONE, .stage = TG_RUN_NONE, .by = "alice@ops1", .epoch = 1};
    static const struct {
        enum tg_run_event_kind kind;
        size_t host;
    } told[] = {{TG_EV_BEGIN, TG_RUN_NONE}, {TG_EV_LOCKED, 0}, {TG_EV_GO, 0}, {TG_EV_APPLIED, 0}, {TG_EV_LOCKED, 1}, {TG_EV_PAUSE, TG_RUN_NONE},
                {TG_EV_GO, 1}, {TG_EV_VERIFIED, 0}, {TG_EV_RESUME, TG_RUN_NONE}, {TG_EV_UNLOCKED, 0}};

    setup(&f, (struct test_stage[]) {{.count = 2, .bake_ms = 1000}, {.count = 1}}, 2, 2, 0);
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        ev.kind = told[i].kind;
        ev.host = told[i].host;
        ev.outcome = TG_OUTCOME_CHANGED;
        say(&f, ev);
    }
    cr_expect_eq(f.run->hosts[1].state, TG_HOST_UNLOCKING);
    cr_expect_eq(f.run->hosts[1].end, TG_HOST_WAITING);
    cr_expect_eq(f.run->stages[0].state, TG_STAGE_RUNNING, "%s", tg_stage_state_name(f.run->stages[0].state));
    teardown(&f);
}

/* A pause by command waits for its end, whoever drives; who takes the seat in between starts nothing (P10). */
Test(run, a_hold_outlives_its_driver_and_ends_at_a_word)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{2, false, 1000, {0}}, {4, false, 0, {1, 60000}}}, 2, 2, 0);
    begin(&f);
    while (f.run->stage == 0)
        carry_out(&f, f.todo.items[f.at++]);
    say_of_run(&f, TG_EV_HOLD);
    cr_expect_eq(f.run->state, TG_RUN_HOLDING);
    cr_expect_str_eq(f.run->hold_by, "bob@ops2");
    for (; f.at < f.todo.n; f.at++)
        if (is_start(f.todo.items[f.at].kind))
            say(&f, (struct tg_run_event) {.kind = TG_EV_WITHDRAWN, .host = f.todo.items[f.at].host, .stage = TG_RUN_NONE});
        else if (f.todo.items[f.at].kind != TG_DO_PACE)
            carry_out(&f, f.todo.items[f.at]);
    cr_expect_eq(f.run->state, TG_RUN_HELD);
    size_t changed = count_applied(&f), had = f.todo.n;
    say_of_run(&f, TG_EV_RESUME);
    say_of_run(&f, TG_EV_SEATED);
    cr_expect_eq(f.run->state, TG_RUN_HELD);
    cr_expect_eq(f.todo.n, had, "nothing is to be done");
    say_of_run(&f, TG_EV_CONTINUE);
    cr_expect_eq(f.run->state, TG_RUN_ACTIVE);
    cr_expect_null(f.run->hold_by);
    cr_expect_eq(f.run->causes, 0);
    cr_expect_eq(f.run->holds, 1);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_DONE);
    cr_expect_gt(count_applied(&f), changed);
    expect_nothing_locked(&f);
    teardown(&f);
}

/* P10 */
Test(run, an_abort_wins_over_a_hold)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{3, false, 0, {0}}}, 1, 1, 0);
    say_of_run(&f, TG_EV_SEATED);
    say_of_run(&f, TG_EV_HOLD);
    cr_expect_eq(f.run->state, TG_RUN_HELD);
    say_of_run(&f, TG_EV_ABORT);
    say_of_run(&f, TG_EV_CONTINUE);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_ABORTED);
    cr_expect_eq(count_applied(&f), 0);
    teardown(&f);
}

static void approve(struct fleet *f, size_t stage)
{
    say(f, (struct tg_run_event) {.kind = TG_EV_APPROVED, .host = TG_RUN_NONE, .stage = stage, .by = "bob@ops2"});
}

/* P5: nothing of a stage before somebody's word for it; that may come early, twice, and to a run that is paused. */
Test(run, a_stage_waits_for_its_approval)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{1, true, 0, {0}}, {2, false, 1000, {0}}, {3, false, 0, {0}}, {2, false, 0, {0}}}, 4, 2, 0);
    for (size_t i = 1; i < 4; i++)
        f.plan->stages[i].policy.approve = true;
    begin(&f);
    go_on(&f);
    cr_expect_eq(f.run->stages[1].state, TG_STAGE_GATED);
    cr_expect_eq(f.todo.items[f.todo.n - 1].kind, TG_DO_ASK);
    cr_expect_eq(tg_run_brakes(f.run, f.now), TG_BRAKE_APPROVAL);
    approve(&f, 3);
    cr_expect_eq(count_applied(&f), 0);
    approve(&f, 1);
    go_on(&f);
    cr_expect_eq(count_applied(&f), 2);
    cr_expect_eq(f.run->stages[2].state, TG_STAGE_GATED);
    say_of_run(&f, TG_EV_HOLD);
    approve(&f, 2);
    approve(&f, 2);
    go_on(&f);
    cr_expect_eq(count_applied(&f), 2);
    say_of_run(&f, TG_EV_CONTINUE);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_DONE);
    cr_expect_eq(count_applied(&f), 7);
    cr_expect_str_eq(f.run->stages[2].approved_by, "bob@ops2");
    teardown(&f);
}

/* A host of an earlier stage that was lost and turns out untouched may go; the stage that waits may not. P10: an abort ends the waiting. */
Test(run, what_waits_for_an_approval_can_be_aborted_and_taken_over)
{
    struct fleet f;

    setup(&f, (struct test_stage[]) {{1, false, 0, {0}}, {3, false, 0, {0}}}, 2, 2, 0);
    f.plan->stages[1].policy.approve = true;
    begin(&f);
    go_on(&f);
    say_of_run(&f, TG_EV_RESUME);
    cr_expect_eq(f.todo.items[f.todo.n - 1].kind, TG_DO_ASK);
    go_on(&f);
    say_of_run(&f, TG_EV_ABORT);
    approve(&f, 1);
    go_on(&f);
    cr_expect_eq(tg_run_end(f.run), TG_END_ABORTED);
    cr_expect_eq(count_applied(&f), 1);
    teardown(&f);
}

/* ---- crash and replay ---- */

/* A second machine from the first n lines; NULL when they are refused. */
static struct tg_run *replay(struct fleet *f, size_t n, struct tg_error *e)
{
    struct tg_run *run = NULL;
    int rc = tg_run_new(f->plan, &run, e);
    struct tg_replay r = {.run = run};

    for (size_t i = 0; !rc && i < n; i++)
        rc = tg_replay_line(&r, json_array_get(f->journal, i), e);
    tg_replay_release(&r);
    if (!rc)
        return run;
    tg_run_free(run);
    return NULL;
}

static bool same(const struct tg_run *a, const struct tg_run *b)
{
    for (size_t i = 0; i < a->plan->n_hosts; i++)
        if (a->hosts[i].state != b->hosts[i].state || a->hosts[i].attempt != b->hosts[i].attempt || a->hosts[i].end != b->hosts[i].end)
            return false;
    return a->state == b->state && a->stage == b->stage && a->in_flight == b->in_flight && a->in_work == b->in_work &&
           memcmp(a->totals, b->totals, sizeof a->totals) == 0;
}

/* P7: the driver dies after each line that it wrote; the next one knows nothing but the journal. */
Test(run, resumes_from_every_line_of_its_journal)
{
    for (size_t cut = 1;; cut++) {
        struct fleet f;
        struct tg_error e = TG_ERROR_INIT;
        setup(&f, (struct test_stage[]) {{1, true, 0, {0}}, {1, false, 1000, {0}}, {3, false, 0, {0}}}, 3, 2, 0);
        begin(&f);
        while (f.at < f.todo.n && json_array_size(f.journal) < cut && f.todo.items[f.at].kind != TG_DO_END)
            carry_out(&f, f.todo.items[f.at++]);
        bool over = json_array_size(f.journal) < cut;
        while (json_array_size(f.journal) > cut)
            json_array_remove(f.journal, json_array_size(f.journal) - 1);
        struct tg_run *run = replay(&f, json_array_size(f.journal), &e);
        cr_assert(run, "cut %zu: %s", cut, e.message);
        if (over)
            cr_expect(same(run, f.run));
        tg_run_free(f.run);
        f.run = run;
        f.todo.n = f.at = 0;
        say(&f, (struct tg_run_event) {.kind = TG_EV_RESUME, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 2});
        go_on(&f);
        cr_expect_eq(tg_run_end(f.run), TG_END_DONE, "cut %zu", cut);
        for (size_t i = 1; i < 5; i++)
            cr_expect_eq(f.applied[i], 1, "cut %zu: %s was changed %d times", cut, f.plan->hosts[i].name, f.applied[i]);
        expect_nothing_locked(&f);
        teardown(&f);
        if (over)
            break;
    }
}

/* P7: a journal that was cut in the middle, edited or repeated is refused with the line. */
Test(run, a_garbled_journal_is_refused)
{
    struct fleet f;
    struct tg_error e = TG_ERROR_INIT;

    setup(&f, (struct test_stage[]) {{1, false, 0, {0}}, {2, false, 0, {0}}}, 2, 1, 0);
    begin(&f);
    go_on(&f);
    size_t lines = json_array_size(f.journal);
    for (size_t i = 0; i + 1 < lines; i++) {
        json_t *whole = f.journal;
        f.journal = json_deep_copy(whole);
        json_array_remove(f.journal, i);
        tg_error_clear(&e);
        cr_expect_null(replay(&f, lines - 1, &e), "line %zu was taken out", i + 1);
        cr_expect_eq(e.code, TG_E_DATA);
        for (size_t k = i; k < lines - 1; k++) /* renumbered, as somebody who edits would */
            json_object_set_new(json_array_get(f.journal, k), "n", json_integer((json_int_t) k + 1));
        tg_error_clear(&e);
        cr_expect_null(replay(&f, lines - 1, &e), "line %zu was taken out, the rest renumbered", i + 1);
        json_decref(f.journal);
        f.journal = whole;
    }
    json_object_set_new(json_array_get(f.journal, 3), "host", json_string("other"));
    tg_error_clear(&e);
    cr_expect_null(replay(&f, lines, &e));
    cr_expect_str_eq(e.message, "journal line 4: host 0 is h0 in the plan, \"other\" in the journal");
    teardown(&f);
}

Test(run, an_event_that_answers_nothing_is_refused)
{
    struct fleet f;
    struct tg_error e = TG_ERROR_INIT;

    setup(&f, (struct test_stage[]) {{2, false, 0, {0}}}, 1, 1, 0);
    begin(&f);
    cr_expect_eq(try_event(&f, (struct tg_run_event) {.kind = TG_EV_APPLIED, .host = 1, .stage = TG_RUN_NONE}, &e), TG_E_DATA);
    cr_expect_str_eq(e.message, "\"applied\" for h1, which is waiting");
    teardown(&f);
}
