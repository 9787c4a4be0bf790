/* The dates of a plan, and what it warns of. */
#include "engine/plan_warn.h"
#include "config/problems.h"
#include "engine/run_internal.h"
#include "fleet/inventory.h"
#include "lib/plan.h"

#include <tagout/clock.h>

#include <criterion/criterion.h>
#include <stdarg.h>

#define MONDAY "2026-11-23T10:00:00Z"

static int64_t at(const char *text)
{
    int64_t ms;

    cr_assert_eq(tg_time_parse(text, &ms, NULL), 0);
    return ms;
}

/* The stages' dates as people see them, and those alone. */
static void whens_are(struct tg_plan *plan, const char *now, ...)
{
    struct tg_stage_times *times;
    struct tg_error e = TG_ERROR_INIT;
    char got[80];
    va_list args;

    cr_assert_eq(tg_plan_times(plan, at(now), &times, &e), 0, "%s", e.message);
    va_start(args, now);
    for (size_t i = 0; i < plan->n_stages; i++) {
        tg_plan_times_format(plan, &times[i], at(now), got, sizeof got);
        const char *wanted = va_arg(args, const char *);
        cr_expect_str_eq(got, wanted, "stage %zu: %s, expected %s", i, got, wanted);
    }
    va_end(args);
    free(times);
}

static void warned(struct tg_plan *plan, const char *now, ...)
{
    struct tg_stage_times *times;
    va_list args;
    size_t i = 0;
    const char *wanted;

    cr_assert_eq(tg_plan_times(plan, at(now), &times, NULL), 0);
    json_t *list = tg_plan_warnings(plan, times);
    va_start(args, now);
    for (; (wanted = va_arg(args, const char *)) != NULL; i++) {
        const char *got = json_string_value(json_array_get(list, i));
        cr_assert(got, "missing: %s", wanted);
        cr_expect_str_eq(got, wanted, "%s\n  expected %s", got, wanted);
    }
    va_end(args);
    cr_expect_eq(json_array_size(list), i, "one more: %s", json_string_value(json_array_get(list, i)));
    json_decref(list);
    free(times);
}

Test(plan_when, stages_follow_each_other_at_their_pace)
{
    struct tg_plan *plan = test_plan((struct test_stage[]) {{6, true, 0, {0, 0}}, {1, false, 600000, {0, 0}}, {4, false, 0, {1, 60000}}, {401, false, 0, {1, 1000}}}, 4, 50, 0);

    /* six asked for a minute; one, baked; four, a minute between; 401 of which 50 at once are slower than one a second */
    whens_are(plan, MONDAY, "now–10:01", "Mon 10:01–10:12", "Mon 10:12–10:16", "Mon 10:16–10:25");
    plan->running = 1000;
    whens_are(plan, MONDAY, "now–10:01", "Mon 10:01–10:12", "Mon 10:12–10:16", "Mon 10:16–10:23");
    plan->estimate_ms = 30 * 60000;
    whens_are(plan, MONDAY, "now–10:30", "Mon 10:30–11:10", "Mon 11:10–11:43", "Mon 11:43–12:19");
    plan->running = 1;
    whens_are(plan, MONDAY, "now–13:00", "Mon 13:00–13:40", "Mon 13:40–15:40", "Mon 15:40–2 Dec 00:10");
    tg_plan_free(plan);
}

Test(plan_when, what_is_done_around_a_change_takes_its_time)
{
    struct tg_plan *plan = test_plan(&(struct test_stage) {4, false, 0, {0, 0}}, 1, 4, 0);

    test_plan_around(plan, 1, 1U << 1);
    plan->waits_ms = 120000;
    whens_are(plan, MONDAY, "now–10:03"); /* a minute, and the sessions of a host that is drained */
    plan->learned_ms = 30000; /* from the start to the end of all that is done around it */
    plan->learned_p95_ms = 240000;
    whens_are(plan, MONDAY, "now–10:04"); /* the last of several is a slow one */
    plan->estimate_ms = 90000;
    whens_are(plan, MONDAY, "now–10:01");
    tg_plan_free(plan);
}

/* What a drain waits that does not say for how long: its module knows. */
Test(plan_when, a_drain_waits_as_long_as_its_module_says)
{
    static const struct {
        const char *wait;
        int64_t waits_ms;
    } cases[] = {{"", 300000}, {", wait: 20s", 20000}};
    static const char hosts[] = "groups: {web: {hosts: web1}}\n";

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        struct tg_inventory *inventory = NULL;
        struct tg_rollout *rollout = NULL;
        struct tg_plan *plan = NULL;
        char text[400];
        snprintf(text, sizeof text,
                 "rollout: r\nchange: {puppet: {}}\ntargets: '*'\nstages: [{name: all}]\naround: [drain: {haproxy: "
                 "{socket: /x, backend: web%s}}]\n",
                 cases[i].wait);
        cr_assert_eq(tg_inventory_parse_yaml("fleet.yaml", hosts, strlen(hosts), &p, &inventory, NULL), 0);
        cr_assert_eq(tg_rollout_parse("r.yaml", text, strlen(text), &p, &rollout, NULL), 0, "%s",
                     p.n ? p.list[0].error.message : "");
        cr_assert_eq(tg_plan_compile(rollout, inventory, NULL, &p, &plan, NULL), 0);
        cr_expect_eq(plan->waits_ms, cases[i].waits_ms, "%lld", (long long) plan->waits_ms);
        cr_expect_eq(tg_plan_estimate_ms(plan), TG_ESTIMATE_USUAL_MS + cases[i].waits_ms);
        tg_plan_free(plan);
        tg_rollout_free(rollout);
        tg_inventory_free(inventory);
    }
}

/* A run's end: of what has been done nothing counts any more. */
Test(plan_when, of_a_run_what_is_left_counts)
{
    struct tg_plan *plan = test_plan((struct test_stage[]){{.count = 1, .bake_ms = 600000}, {.count = 4}}, 2, 1, 0);
    struct tg_run *run = NULL;
    int64_t now = at(MONDAY), end;

    plan->estimate_ms = 90000;
    cr_assert_eq(tg_run_new(plan, &run, NULL), 0);
    cr_assert_eq(tg_plan_end(plan, run, now, &end, NULL), 0);
    cr_expect_eq(end - now, 90000 + 600000 + 4 * 90000, "%lld", (long long) (end - now));
    run->stages[0].state = TG_STAGE_BAKING;
    run->stages[0].bake_until_ms = now + 1000;
    cr_assert_eq(tg_plan_end(plan, run, now, &end, NULL), 0);
    cr_expect_eq(end - now, 1000 + 4 * 90000, "%lld", (long long) (end - now));
    run->stages[0].state = TG_STAGE_DONE;
    run->stages[1].counts[TG_HOST_WAITING] = 2; /* of the others two are through */
    run->stages[1].counts[TG_HOST_DONE] = 2;
    cr_assert_eq(tg_plan_end(plan, run, now, &end, NULL), 0);
    cr_expect_eq(end - now, 2 * 90000, "%lld", (long long) (end - now));
    run->stages[1].counts[TG_HOST_WAITING] = 0; /* and the last is in the middle of it */
    cr_assert_eq(tg_plan_end(plan, run, now, &end, NULL), 0);
    cr_expect_eq(end - now, 90000, "%lld", (long long) (end - now));
    tg_run_free(run);
    tg_plan_free(plan);
}

Test(plan_when, who_bakes_drained_keeps_others_of_his_domain_waiting)
{
    struct tg_plan *plan = test_plan(&(struct test_stage) {4, false, 600000, {0, 0}}, 1, 4, 0);

    whens_are(plan, MONDAY, "now–10:11");
    test_plan_limit(plan, TG_LIMIT_DOMAIN, 1, 1, 0);
    whens_are(plan, MONDAY, "now–10:14");
    test_plan_around(plan, 1, 1U << 1);
    whens_are(plan, MONDAY, "now–10:44");
    tg_plan_free(plan);
}

Test(plan_when, hours_days_and_spreads)
{
    struct tg_plan *plan = test_plan((struct test_stage[]) {{1, false, 0, {0, 0}}, {20, false, 0, {0, 0}}, {0, false, 0, {0, 0}}, {500, false, 0, {0, 0}}}, 4, 1, 0);

    plan->hours = (struct tg_hours) {.days = 15, .from_min = 540, .until_min = 960, .zone = "Europe/Berlin"};
    plan->stages[0].day = 1;
    plan->stages[1].day = 2;
    plan->stages[1].spread_ms = TG_SPREAD_MAX_MS;
    plan->stages[3].day = 3;
    /* eleven o'clock in Berlin; 500 minutes of work in days of 420 */
    whens_are(plan, MONDAY, "now–11:01", "Tue 09:00–15:40", "Tue 15:40–15:40", "Wed 09:00–Thu 10:20");
    plan->stages[1].spread_ms = 600000;
    whens_are(plan, "2026-11-27T10:00:00Z", "Mon 09:00–09:01", "Tue 09:00–12:11", "Tue 12:11–12:11", "Wed 09:00–Thu 10:20");
    tg_plan_free(plan);
}

Test(plan_when, hours_in_which_it_never_ends_are_told)
{
    struct tg_plan *plan = test_plan((struct test_stage[]) {{100000, false, 0, {1, 86400000}}}, 1, 1, 0);
    struct tg_stage_times *times;
    struct tg_error e = TG_ERROR_INIT;

    plan->hours = (struct tg_hours) {.days = 1, .from_min = 540, .until_min = 541, .zone = "UTC"};
    cr_expect_eq(tg_plan_times(plan, at(MONDAY), &times, &e), TG_E_DATA);
    cr_expect(strstr(e.message, "25 years"), "%s", e.message);
    tg_plan_free(plan);
}

Test(plan_when, dates_far_away_have_their_month_and_year)
{
    struct tg_plan *plan = test_plan((struct test_stage[]) {{1, false, 0, {0, 0}}}, 1, 1, 0);
    static const char *const dates[][2] = {{"2026-11-29T23:59:00Z", "Sun 23:59"}, {"2026-11-30T00:00:00Z", "30 Nov 00:00"}, {"2027-03-01T12:00:00Z", "1 Mar 12:00"},
                                           {"2028-02-29T12:00:00Z", "29 Feb 2028 12:00"}, {"2027-12-31T12:00:00Z", "31 Dec 2027 12:00"}, {"2028-01-01T00:00:00Z", "1 Jan 2028 00:00"}};
    char got[64];

    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        tg_plan_time_format(plan, at(dates[i][0]), at(MONDAY), got, sizeof got);
        cr_expect_str_eq(got, dates[i][1]);
    }
    tg_plan_free(plan);
}

Test(plan_when, what_can_not_work_is_warned_of)
{
    struct tg_plan *plan = test_plan((struct test_stage[]) {{0, false, 0, {0, 0}}, {0, false, 0, {0, 0}}, {0, false, 0, {0, 0}}, {2640, false, 0, {1, 60000}}}, 4, 50, 0);

    plan->stages[1].until_of = 30;
    plan->stages[2].optional = true;
    plan->n_left = 1;
    warned(plan, MONDAY, "1 of the targets is in no stage and will not be changed.", "stage stage0 is empty: the stages before it take all of its hosts.",
           "stage stage1 adds nothing: until: means 30 hosts, and that many have been changed by then.",
           "stage stage3 takes 1d 19h to start its 2640 hosts, by its rate of 1/min alone.", NULL);
    plan->stages[2].only = strdup("shard:0");
    plan->n_left = 0;
    plan->stages[0].optional = plan->stages[1].optional = true;
    plan->stages[3].rate = (struct tg_rate) {2, 1000};
    warned(plan, MONDAY, "stage stage2 is empty: no target is in shard:0.",
           "stage stage3 does not reach its rate of 2/s: at 1m a host 120 are in work at once, limits.running is 50.", NULL);
    free(plan->stages[2].only);
    plan->stages[2].only = NULL;
    plan->running = 200;
    plan->unverified = 200;
    plan->verify = calloc(1, sizeof *plan->verify);
    plan->verify[0].within_ms = 60000;
    plan->n_verify = 1;
    warned(plan, MONDAY,
           "stage stage3 may fall behind its rate of 2/s: while checks take up to 1m, 240 hosts are without a verdict, limits.unverified is 200.", NULL);
    plan->unverified = 240;
    warned(plan, MONDAY, NULL);
    tg_plan_free(plan);
}

Test(plan_when, bakes_and_hosts_longer_than_the_hours_are_warned_of)
{
    struct tg_plan *plan = test_plan((struct test_stage[]) {{1, false, 8 * 3600000, {0, 0}}, {1, false, 8 * 3600000, {0, 0}}}, 2, 1, 0);

    plan->hours = (struct tg_hours) {.days = 15, .from_min = 540, .until_min = 960, .zone = "UTC"};
    warned(plan, MONDAY, "stage stage0 bakes for 8h, and a day's hours are 7h: what follows starts on another day.", NULL); /* the last one's is nobody's trouble */
    plan->stages[0].bake_ms = 0;
    plan->estimate_ms = 8 * 3600000;
    warned(plan, MONDAY, "a host of stage stage0 takes longer than a day's hours: it ends outside them.",
           "a host of stage stage1 takes longer than a day's hours: it ends outside them.", NULL);
    plan->hours.days = 0;
    tg_plan_free(plan);
    plan = test_plan((struct test_stage[]) {{3000, false, 0, {0, 0}}}, 1, 1, 0);
    warned(plan, MONDAY, "stage stage0 takes about 2d 2h, with 1 hosts at once.", NULL);
    tg_plan_free(plan);
}
