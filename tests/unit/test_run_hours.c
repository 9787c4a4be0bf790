/* A run in hours of work, on a virtual clock: what they hold back, and what they don't. P5: no host starts outside its hours. */
#include "engine/run.h"
#include "lib/plan.h"

#include <tagout/clock.h>

#include <criterion/criterion.h>

#define LASTS_MS 90000
#define STARTS_MAX 4096

struct clocked {
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_run_actions todo;
    size_t at;
    int64_t now, paced_ms, baked_ms; /* timers; 0 none */
    size_t paced, baked;
    json_t *journal;
    int64_t applies_ms[STARTS_MAX];  /* when the host's change is done; 0 none */
};

static int64_t at(const char *text)
{
    int64_t ms;

    cr_assert_eq(tg_time_parse(text, &ms, NULL), 0);
    return ms;
}

static void say(struct clocked *c, struct tg_run_event ev)
{
    struct tg_error e = TG_ERROR_INIT;
    size_t before = c->todo.n;

    ev.at_ms = c->now;
    cr_assert_eq(tg_run_step(c->run, &ev, &c->todo, &e), 0, "%s", e.message);
    json_array_append_new(c->journal, tg_run_event_to_json(c->run, &ev, (int64_t) json_array_size(c->journal) + 1));
    for (size_t i = before; i < c->todo.n; i++)
        json_array_append_new(c->journal, tg_run_action_to_json(c->run, &c->todo.items[i], c->now, (int64_t) json_array_size(c->journal) + 1));
}

static void say_host(struct clocked *c, enum tg_run_event_kind kind, size_t host)
{
    say(c, (struct tg_run_event) {.kind = kind, .host = host, .stage = TG_RUN_NONE, .outcome = TG_OUTCOME_CHANGED, .lock = kind == TG_EV_LOCKED ? "L" : NULL});
}

static void say_run(struct clocked *c, enum tg_run_event_kind kind)
{
    say(c, (struct tg_run_event) {.kind = kind, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 1});
}

/* All that takes no time; an apply takes 90 s. */
static void answer(struct clocked *c, struct tg_run_action a)
{
    static const enum tg_run_event_kind answers[TG_DO_COUNT] = {[TG_DO_LOCK] = TG_EV_LOCKED, [TG_DO_CHECK] = TG_EV_GO, [TG_DO_VERIFY] = TG_EV_VERIFIED,
                                                                [TG_DO_UNLOCK] = TG_EV_UNLOCKED, [TG_DO_DRY_RUN] = TG_EV_APPLIED};

    if (a.kind == TG_DO_PACE) {
        c->paced_ms = a.until_ms;
        c->paced = a.stage;
    } else if (a.kind == TG_DO_BAKE) {
        c->baked_ms = a.until_ms;
        c->baked = a.stage;
    } else if (a.kind == TG_DO_APPLY) {
        c->applies_ms[a.host] = c->now + LASTS_MS;
    } else if (a.kind != TG_DO_END && a.kind != TG_DO_REST) {
        say_host(c, answers[a.kind], a.host);
    }
}

static int64_t sooner(int64_t a, int64_t b)
{
    return b && b < a ? b : a;
}

/* Until the run has ended, or this time has come. */
static void drive(struct clocked *c, int64_t until_ms)
{
    struct tg_run_event ev;

    for (;;) {
        if (c->now >= tg_run_hours_due_ms(c->run)) {
            cr_assert_eq(tg_run_hours_event(c->run, tg_hours_at, c->now, &ev, NULL), 0);
            say(c, ev);
        }
        while (c->at < c->todo.n) {
            struct tg_run_action a = c->todo.items[c->at++];
            answer(c, a);
        }
        int64_t next = sooner(sooner(tg_run_hours_due_ms(c->run), c->paced_ms), c->baked_ms);
        for (size_t i = 0; i < c->plan->n_hosts; i++)
            next = sooner(next, c->applies_ms[i]);
        if (next > until_ms || c->run->state == TG_RUN_ENDED || c->run->state == TG_RUN_PAUSED)
            return;
        c->now = next > c->now ? next : c->now;
        for (size_t i = 0; i < c->plan->n_hosts; i++)
            if (c->applies_ms[i] && c->applies_ms[i] <= c->now) {
                c->applies_ms[i] = 0;
                say_host(c, TG_EV_APPLIED, i);
            }
        if (c->paced_ms && c->paced_ms <= c->now) {
            c->paced_ms = 0;
            say(c, (struct tg_run_event) {.kind = TG_EV_PACED, .host = TG_RUN_NONE, .stage = c->paced});
        }
        if (c->baked_ms && c->baked_ms <= c->now) {
            c->baked_ms = 0;
            say(c, (struct tg_run_event) {.kind = TG_EV_BAKED, .host = TG_RUN_NONE, .stage = c->baked});
        }
    }
}

static void setup(struct clocked *c, const struct test_stage *stages, size_t n, int64_t running, const char *when)
{
    *c = (struct clocked) {.plan = test_plan(stages, n, running, 0), .now = at(when), .journal = json_array()};
    c->plan->hours = (struct tg_hours) {.days = 15, .from_min = 9 * 60, .until_min = 16 * 60, .zone = "Europe/Berlin"};
}

static void begin(struct clocked *c)
{
    cr_assert_eq(tg_run_new(c->plan, &c->run, NULL), 0);
    say_run(c, TG_EV_BEGIN);
}

/* P7: whoever replays the journal has the same machine. */
static void replays(struct clocked *c)
{
    struct tg_run *run = NULL;
    struct tg_error e = TG_ERROR_INIT;
    const json_t *line;
    size_t i;

    cr_assert_eq(tg_run_new(c->plan, &run, &e), 0);
    struct tg_replay r = {.run = run};
    json_array_foreach(c->journal, i, line)
        cr_assert_eq(tg_replay_line(&r, line, &e), 0, "%s", e.message);
    cr_expect(run->day == c->run->day && run->open == c->run->open && run->hours_until_ms == c->run->hours_until_ms && run->date == c->run->date &&
              run->state == c->run->state && run->stage == c->run->stage);
    tg_replay_release(&r);
    tg_run_free(run);
}

static void teardown(struct clocked *c)
{
    replays(c);
    tg_run_free(c->run);
    tg_run_actions_release(&c->todo);
    json_decref(c->journal);
    tg_plan_free(c->plan);
}

static void started_within_hours(const struct clocked *c)
{
    for (size_t i = 0; i < c->plan->n_hosts; i++) {
        struct tg_hours_span span;
        if (c->run->hosts[i].started_ms == 0)
            continue;
        cr_assert_eq(tg_hours_at(&c->plan->hours, c->run->hosts[i].started_ms, &span, NULL), 0);
        cr_expect(span.open, "P5: host %zu started at %lld", i, (long long) c->run->hosts[i].started_ms);
    }
}

Test(run_hours, hosts_start_only_within_them_and_who_has_begun_is_brought_to_the_end)
{
    struct clocked c;

    setup(&c, (struct test_stage[]) {{20, false, 0, {1, 60000}}}, 1, 4, "2026-11-26T14:50:30Z"); /* a Thursday, ten minutes before Berlin's four o'clock */
    begin(&c);
    drive(&c, at("2026-11-26T14:59:59Z"));
    cr_expect_eq(c.run->totals[TG_HOST_WAITING], 10);
    drive(&c, at("2026-11-27T12:00:00Z"));
    cr_expect_eq(c.run->totals[TG_HOST_WAITING], 10, "nobody starts on a Friday");
    cr_expect_eq(c.run->in_flight, 0, "who had begun was not left in the middle");
    cr_expect_eq(tg_run_brakes(c.run, c.now) & TG_BRAKE_HOURS, TG_BRAKE_HOURS);
    cr_expect_eq(c.run->hours_until_ms, at("2026-11-30T08:00:00Z"));
    drive(&c, INT64_MAX);
    cr_expect_eq(tg_run_end(c.run), TG_END_DONE);
    cr_expect_eq(c.run->hosts[10].started_ms, at("2026-11-30T08:00:00Z"));
    cr_expect_eq(c.run->day, 2);
    started_within_hours(&c);
    teardown(&c);
}

/* The clocks were told to be closed until a time; that this time has come is not enough, somebody must say that they are open. */
Test(run_hours, what_was_told_ends_closed)
{
    struct clocked c;

    setup(&c, (struct test_stage[]) {{3, false, 0, {0}}}, 1, 1, "2026-11-26T09:00:00Z");
    begin(&c);
    cr_expect_eq(tg_run_brakes(c.run, c.now), TG_BRAKE_HOURS, "nothing was told yet");
    drive(&c, c.now);
    cr_expect_eq(c.run->totals[TG_HOST_WAITING], 2);
    c.now = at("2026-11-26T15:00:00Z"); /* the driver slept */
    say_host(&c, TG_EV_APPLIED, 0);
    while (c.at < c.todo.n)
        answer(&c, c.todo.items[c.at++]);
    cr_expect_eq(c.run->totals[TG_HOST_WAITING], 2, "P5: open until three is not open at three");
    c.applies_ms[0] = 0;
    drive(&c, INT64_MAX);
    cr_expect_eq(tg_run_end(c.run), TG_END_DONE);
    started_within_hours(&c);
    teardown(&c);
}

Test(run_hours, a_stage_waits_for_its_day_of_work)
{
    struct clocked c;

    setup(&c, (struct test_stage[]) {{2, false, 0, {0}}, {2, false, 0, {0}}, {2, false, 0, {0}}, {2, false, 0, {0}}}, 4, 2, "2026-11-25T17:00:00Z"); /* Wednesday evening */
    c.plan->stages[0].day = 1;
    c.plan->stages[1].day = 2;
    c.plan->stages[2].day = 2;
    c.plan->stages[3].day = 4;
    begin(&c);
    drive(&c, at("2026-11-26T20:00:00Z"));
    cr_expect_eq(c.run->day, 1);
    cr_expect_eq(c.run->stage, 1);
    drive(&c, at("2026-11-30T09:00:00Z"));
    cr_expect(tg_run_brakes(c.run, c.now) & TG_BRAKE_DAY);
    drive(&c, INT64_MAX);
    cr_expect_eq(c.run->hosts[0].started_ms, at("2026-11-26T08:00:00Z")); /* Thursday */
    cr_expect_eq(c.run->hosts[2].started_ms, at("2026-11-30T08:00:00Z")); /* Monday */
    cr_expect_eq(c.run->hosts[4].started_ms, at("2026-11-30T08:01:30Z"));
    cr_expect_eq(c.run->hosts[6].started_ms, at("2026-12-02T08:00:00Z")); /* Wednesday */
    teardown(&c);
}

Test(run_hours, days_on_which_nobody_drove_are_no_days_of_work)
{
    struct clocked c;

    setup(&c, (struct test_stage[]) {{1, false, 0, {0}}, {1, false, 0, {0}}}, 2, 1, "2026-11-23T08:00:00Z");
    c.plan->stages[1].day = 3;
    begin(&c);
    drive(&c, at("2026-11-23T12:00:00Z"));
    c.now = at("2026-11-25T12:00:00Z"); /* Monday's driver died; another one comes on Wednesday, which is the second day */
    say_run(&c, TG_EV_RESUME);
    drive(&c, INT64_MAX);
    cr_expect_eq(c.run->hosts[1].started_ms, at("2026-11-26T08:00:00Z"));
    teardown(&c);
}

Test(run_hours, starts_are_spread_over_what_is_left_of_the_day)
{
    struct clocked c;

    setup(&c, (struct test_stage[]) {{14, false, 0, {0}}}, 1, 14, "2026-11-23T09:00:00Z"); /* six hours are left */
    c.plan->stages[0].spread_ms = TG_SPREAD_MAX_MS;
    begin(&c);
    drive(&c, INT64_MAX);
    cr_expect_eq(tg_run_end(c.run), TG_END_DONE);
    for (size_t i = 1; i < 14; i++) {
        int64_t apart = c.run->hosts[i].started_ms - c.run->hosts[i - 1].started_ms;
        cr_expect(apart >= 6 * 3600000 / 14 - 2 && apart <= 6 * 3600000 / 14 + 2, "%zu after %lld", i, (long long) apart);
    }
    teardown(&c);
}

Test(run_hours, a_spread_waits_no_longer_than_its_cap_and_no_less_than_the_rate)
{
    struct clocked c;

    setup(&c, (struct test_stage[]) {{5, false, 0, {0}}, {5, false, 0, {1, 7200000}}}, 2, 5, "2026-11-23T09:00:00Z");
    c.plan->stages[0].spread_ms = 600000;
    c.plan->stages[1].spread_ms = 600000;
    begin(&c);
    drive(&c, INT64_MAX);
    cr_expect_eq(c.run->hosts[4].started_ms - c.run->hosts[0].started_ms, 4 * 600000);
    cr_expect_eq(c.run->hosts[6].started_ms - c.run->hosts[5].started_ms, 7200000);
    started_within_hours(&c);
    teardown(&c);
}

Test(run_hours, what_does_not_get_through_in_a_day_goes_on_the_next)
{
    struct clocked c;

    setup(&c, (struct test_stage[]) {{600, false, 0, {0}}}, 1, 1, "2026-11-24T10:00:00Z"); /* 15 hours of work in days of seven */
    c.plan->stages[0].spread_ms = TG_SPREAD_MAX_MS;
    begin(&c);
    drive(&c, INT64_MAX);
    cr_expect_eq(tg_run_end(c.run), TG_END_DONE);
    cr_expect_eq(c.run->day, 3);
    started_within_hours(&c);
    teardown(&c);
}

/* A bake goes on at night; its verification, too. */
Test(run_hours, a_bake_does_not_wait_for_them)
{
    struct clocked c;

    setup(&c, (struct test_stage[]) {{1, false, 7200000, {0}}, {1, false, 0, {0}}}, 2, 1, "2026-11-23T14:30:00Z");
    begin(&c);
    drive(&c, at("2026-11-23T20:00:00Z"));
    cr_expect_eq(c.run->hosts[0].state, TG_HOST_DONE);
    cr_expect_eq(c.run->hosts[1].state, TG_HOST_WAITING);
    drive(&c, INT64_MAX);
    cr_expect_eq(c.run->hosts[1].started_ms, at("2026-11-24T08:00:00Z"));
    teardown(&c);
}

/* P10, also in the night */
Test(run_hours, an_abort_does_not_wait_for_them)
{
    struct clocked c;

    setup(&c, (struct test_stage[]) {{2, false, 0, {0}}}, 1, 1, "2026-11-27T12:00:00Z");
    begin(&c);
    drive(&c, c.now);
    say_run(&c, TG_EV_ABORT);
    cr_expect_eq(tg_run_end(c.run), TG_END_ABORTED);
    cr_expect_eq(tg_run_hours_due_ms(c.run), INT64_MAX, "nothing is to be told any more");
    teardown(&c);
}

/* Told twice, it is the same day. */
Test(run_hours, a_day_of_work_counts_once)
{
    struct clocked c;

    setup(&c, (struct test_stage[]) {{1, false, 0, {0}}}, 1, 1, "2026-11-27T12:00:00Z");
    begin(&c);
    for (int64_t date = 7; date < 10; date++)
        for (int i = 0; i < 3; i++) {
            c.now++;
            say(&c, (struct tg_run_event) {.kind = i == 1 ? TG_EV_CLOSED : TG_EV_OPENED, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .until_ms = c.now, .date = i == 1 ? 0 : date});
        }
    cr_expect_eq(c.run->day, 3);
    teardown(&c);
}

Test(run_hours, they_are_refused_for_a_plan_that_has_none)
{
    struct clocked c;
    struct tg_error e = TG_ERROR_INIT;

    setup(&c, (struct test_stage[]) {{1, false, 0, {0}}}, 1, 1, "2026-11-27T12:00:00Z");
    c.plan->hours.days = 0;
    begin(&c);
    const struct tg_run_event ev = {.kind = TG_EV_OPENED, .at_ms = c.now, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .until_ms = c.now + 1};
    cr_expect_eq(tg_run_step(c.run, &ev, &c.todo, &e), TG_E_DATA);
    cr_expect_str_eq(e.message, "\"opened\", and the plan has no hours");
    cr_expect_eq(tg_run_hours_due_ms(c.run), INT64_MAX);
    teardown(&c);
}
