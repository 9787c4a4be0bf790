/* The terms of a run's locks: none is overdue while the run is driven, and that costs few writes. */
#include "engine/hold_terms.h"
#include "lib/plan.h"

#include <criterion/criterion.h>

#define NOW INT64_C(1795356000000)
#define HOSTS 3
#define MINUTE 60000
#define HOUR (60 * MINUTE)

static struct tg_plan *plan;
static struct tg_run *run;
static struct tg_hold_terms terms;

static void setup(void)
{
    plan = test_plan((struct test_stage[]) {{HOSTS, false, 10 * MINUTE, {0}}}, 1, HOSTS, 0);
    cr_assert_eq(tg_run_new(plan, &run, NULL), 0);
    cr_assert_eq(tg_hold_terms_init(&terms, run, 30 * MINUTE, NULL), 0);
    for (size_t i = 0; i < HOSTS; i++) {
        run->hosts[i].lock = strdup("L00001");
        run->hosts[i].started_ms = NOW;
    }
}

static void teardown(void)
{
    tg_hold_terms_release(&terms);
    tg_run_free(run);
    tg_plan_free(plan);
}

/* Two days of looking each half minute; *out_writes of each host. */
static void live(int64_t from_ms, int64_t until_ms[HOSTS], int out_writes[HOSTS])
{
    for (int64_t now = from_ms; now < NOW + 48 * HOUR; now += MINUTE / 2) {
        size_t host;
        int64_t for_ms;
        for (int i = 0; tg_hold_terms_next(&terms, now, &host, &for_ms); i++) {
            cr_assert_lt(i, HOSTS, "a sweep ends");
            tg_hold_terms_taken(&terms, host, now, for_ms);
            until_ms[host] = now + for_ms;
            out_writes[host]++;
        }
        for (host = 0; host < HOSTS; host++)
            cr_assert(!run->hosts[host].lock || until_ms[host] > now, "the lock of host %zu is overdue after %lld minutes", host, (long long) (now - NOW) / MINUTE);
    }
}

Test(hold_terms, keep_locks_from_being_overdue_with_few_writes, .init = setup, .fini = teardown)
{
    int64_t until[HOSTS];
    int writes[HOSTS] = {0};

    for (size_t i = 0; i < HOSTS; i++) {
        int64_t first = tg_hold_terms_first_ms(&terms, i);
        cr_expect_eq(first, HOUR + 40 * MINUTE);
        tg_hold_terms_taken(&terms, i, NOW, first);
        until[i] = NOW + first;
    }
    free(run->hosts[1].lock); /* it was unlocked */
    run->hosts[1].lock = NULL;
    live(NOW, until, writes);
    cr_expect_geq(writes[0], 3);
    cr_expect_leq(writes[0], 8, "%d writes in two days", writes[0]);
    cr_expect_eq(writes[1], 0);
}

/* Whoever takes the run up does not know what the one before has done. */
Test(hold_terms, of_an_earlier_driver_are_looked_after, .init = setup, .fini = teardown)
{
    int64_t until[HOSTS] = {NOW + 100 * MINUTE, NOW + 100 * MINUTE, NOW + 100 * MINUTE};
    int writes[HOSTS] = {0};

    live(NOW + 20 * MINUTE, until, writes);
    cr_expect_geq(writes[2], 3);
    cr_expect_leq(writes[2], 8);
}

Test(hold_terms, of_a_lock_that_is_gone_are_nobodys, .init = setup, .fini = teardown)
{
    size_t host;
    int64_t for_ms;
    int n = 0;

    for (size_t i = 0; i < HOSTS; i++)
        tg_hold_terms_gone(&terms, i);
    for (int64_t now = NOW; now < NOW + 48 * HOUR; now += HOUR)
        n += tg_hold_terms_next(&terms, now, &host, &for_ms);
    cr_expect_eq(n, 0);
}
