/* The clock of a run whose machine's clock is set by hours and years. P5: nothing starts outside of its hours, whatever people do to the clock. */
#include "engine/run_clock.h"
#include "engine/run_internal.h"

#include "../lib/plan.h"

#include <criterion/criterion.h>

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)
#define NINE (INT64_C(20000) * DAY + 9 * HOUR) /* of some day, UTC */

/* 09:00 to 17:00 UTC, every day. */
static int office(const struct tg_hours *hours, int64_t wall_ms, struct tg_hours_span *out, struct tg_error *e)
{
    int64_t date = wall_ms / DAY, of_day = wall_ms % DAY;

    (void) hours;
    (void) e;
    *out = (struct tg_hours_span) {.open = of_day >= 9 * HOUR && of_day < 17 * HOUR, .date = date};
    out->until_ms = date * DAY + (of_day < 9 * HOUR ? 9 : of_day < 17 * HOUR ? 17 : 33) * HOUR;
    return 0;
}

struct desk {
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_run_clock clock;
    struct tg_run_actions todo;
    int64_t wall, mono;
    enum tg_run_clock_waits waits;
    size_t told;
};

static void feed(struct desk *d, struct tg_run_event ev)
{
    struct tg_error e = TG_ERROR_INIT;

    ev.at_ms = tg_run_clock_now(&d->clock, d->mono, d->run->last_ms);
    cr_assert_eq(tg_run_step(d->run, &ev, &d->todo, &e), 0, "%s", e.message);
}

/* As a drive does in each of its turns; what begins is at no work at all. */
static void turn(struct desk *d)
{
    struct tg_run_event event;
    bool any;

    tg_run_clock_look(&d->clock, d->wall, d->mono, d->waits);
    cr_assert_eq(tg_run_clock_hours(&d->clock, d->run, office, d->wall, d->mono, &any, &event, NULL), 0);
    d->told += any;
    if (any)
        feed(d, event);
    bool open = d->wall % DAY >= 9 * HOUR && d->wall % DAY < 17 * HOUR;
    if (tg_run_is_open(d->run, tg_run_clock_now(&d->clock, d->mono, d->run->last_ms)))
        cr_assert(open, "it is open at %lld h of the day", (long long) (d->wall % DAY / HOUR));
}

static void pass(struct desk *d, int64_t ms)
{
    for (int64_t at = 0; at < ms; at += 5000) {
        d->wall += 5000;
        d->mono += 5000;
        turn(d);
    }
}

static struct desk begin_at(int64_t wall_ms)
{
    struct test_stage one = {.count = 1};
    struct desk d = {.plan = test_plan(&one, 1, 1, 0), .wall = wall_ms, .mono = 777000};

    d.plan->hours = (struct tg_hours) {.days = 127, .from_min = 540, .until_min = 1020, .zone = "UTC"};
    cr_assert_eq(tg_run_new(d.plan, &d.run, NULL), 0);
    tg_run_clock_init(&d.clock, d.wall, d.mono, 0);
    feed(&d, (struct tg_run_event) {.kind = TG_EV_BEGIN, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 1, .by = "alice@ops1"});
    turn(&d);
    return d;
}

static void finish(struct desk *d)
{
    tg_run_actions_release(&d->todo);
    tg_run_free(d->run);
    tg_plan_free(d->plan);
}

static int64_t now(const struct desk *d)
{
    return tg_run_clock_now(&d->clock, d->mono, d->run->last_ms);
}

Test(run_clock, hours_are_told_when_they_change_and_not_else)
{
    struct desk d = begin_at(NINE - HOUR);

    cr_assert_eq(d.told, 1);
    pass(&d, 2 * HOUR);
    cr_assert_eq(d.told, 2);
    cr_assert(tg_run_is_open(d.run, now(&d)));
    pass(&d, 8 * HOUR);
    cr_assert_eq(d.told, 3);
    cr_assert(!tg_run_is_open(d.run, now(&d)));
    finish(&d);
}

/* Ahead and back, by an hour and by years: closed at once, in the right hours again ten minutes later, without anybody. */
Test(run_clock, a_clock_that_is_set_closes_the_hours_until_it_is_steady)
{
    static const int64_t steps[] = {HOUR, -HOUR, 7 * HOUR, -9 * HOUR, YEAR, -YEAR, 30 * YEAR, -20 * YEAR, 12 * HOUR, 2 * MINUTE, -2 * MINUTE};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct desk d = begin_at(NINE + 2 * HOUR);
        pass(&d, HOUR);
        cr_assert(tg_run_is_open(d.run, now(&d)));
        d.wall += steps[i];
        turn(&d);
        cr_assert(!tg_run_is_open(d.run, now(&d)), "step %zu", i);
        pass(&d, 9 * MINUTE);
        cr_assert(!tg_run_is_open(d.run, now(&d)), "step %zu", i);
        pass(&d, 2 * MINUTE);
        bool open = d.wall % DAY >= 9 * HOUR && d.wall % DAY < 17 * HOUR;
        cr_expect_eq(tg_run_is_open(d.run, now(&d)), open, "step %zu", i);
        if (steps[i] > 0)
            cr_expect_eq(now(&d), d.wall, "step %zu: the run's clock follows", i);
        pass(&d, 2 * DAY);
        open = d.wall % DAY >= 9 * HOUR && d.wall % DAY < 17 * HOUR;
        cr_expect_eq(tg_run_is_open(d.run, now(&d)), open, "step %zu, two days later", i);
        finish(&d);
    }
}

/* A bake, or a retry, is not cut short by a clock that is set forward. */
Test(run_clock, it_follows_when_nothing_is_waited_for)
{
    struct desk d = begin_at(NINE);

    d.waits = TG_RUN_CLOCK_WAITS;
    int64_t before = now(&d);
    d.wall += YEAR;
    pass(&d, HOUR);
    cr_assert_eq(now(&d), before + HOUR);
    d.waits = TG_RUN_CLOCK_IDLE;
    pass(&d, 5000);
    cr_assert_eq(now(&d), d.wall);
    finish(&d);
}

/* Slewed by a little all the time, as a daemon does: hours stay those of the wall. */
Test(run_clock, it_keeps_up_with_a_clock_that_is_slewed)
{
    struct desk d = begin_at(NINE + HOUR);

    for (int i = 0; i < 2000; i++) {
        d.wall += i < 1000 ? 40 : -40;
        pass(&d, 15000);
    }
    finish(&d);
}

/* P7: a machine whose clock is behind takes over. Time goes on from where the run was, and does not stand still until that machine is there. */
Test(run_clock, who_takes_over_with_a_clock_that_is_behind_goes_on)
{
    struct tg_run_clock clock;

    tg_run_clock_init(&clock, NINE - YEAR, 5000, NINE);
    cr_assert_eq(tg_run_clock_now(&clock, 5000, NINE), NINE);
    cr_assert_eq(tg_run_clock_now(&clock, 5000 + HOUR, NINE), NINE + HOUR);
    tg_run_clock_init(&clock, NINE + DAY, 5000, NINE);
    cr_assert_eq(tg_run_clock_now(&clock, 5000, NINE), NINE + DAY);
}
