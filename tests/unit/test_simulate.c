/* Simulated runs: the engine's own machine on a virtual clock, with hosts that are made up. */
#include "engine/plan_internal.h"
#include "engine/simulate.h"
#include "fleet/generate.h"
#include "fleet/selector.h"
#include "lib/plan.h"

#include <criterion/criterion.h>
#include <string.h>

static struct tg_plan *plan_of(const struct test_stage *stages, size_t n, int64_t running, int64_t failed)
{
    struct tg_plan *plan = test_plan(stages, n, running, failed);

    plan->verify = calloc(1, sizeof *plan->verify);
    plan->verify[0] = (struct tg_verify) {.kind = TG_VERIFY_HTTP, .url = strdup("http://{host}/"), .options = json_object(), .within_ms = 30000};
    plan->n_verify = 1;
    return plan;
}

static struct tg_sim_model model_of(const char *const *pairs)
{
    struct tg_sim_model m;
    struct tg_error e = TG_ERROR_INIT;

    tg_sim_model_init(&m);
    for (; pairs && *pairs; pairs += 2)
        cr_assert_eq(tg_sim_model_set(&m, pairs[0], pairs[1], &e), 0, "%s", e.message);
    return m;
}

static struct tg_sim *simulate(const struct tg_plan *plan, const struct tg_sim_model *model)
{
    struct tg_sim *sim = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_simulate(plan, model, &sim, &e), 0, "%s", e.message);
    return sim;
}

static char *text_of(const struct tg_sim *sim)
{
    struct tg_buf out = TG_BUF_INIT;

    cr_assert_eq(tg_sim_text(sim, &(struct tg_sim_paint){.width = 80}, &out, NULL), 0);
    return tg_buf_take(&out, NULL);
}

Test(simulate, a_fleet_that_is_well_is_changed_to_the_end)
{
    struct tg_plan *plan = plan_of((struct test_stage[]){{.count = 1, .bake_ms = 60000}, {.count = 99}}, 2, 10, 0);
    struct tg_sim_model m = model_of(NULL);
    struct tg_sim *sim = simulate(plan, &m);

    cr_assert(tg_sim_well(sim));
    cr_assert_eq(tg_run_end(sim->run), TG_END_DONE);
    cr_assert_eq(sim->all.changed, 100);
    cr_assert_eq(sim->all.hurt, 0);
    cr_assert_eq(sim->stages[0].changed, 1);
    cr_assert_eq(sim->samples[sim->n_samples - 1].done, 100);
    /* 99 hosts in ten rows of at least 30 s, behind a bake of one minute. */
    cr_assert_geq(sim->ended_ms - sim->started_ms, 60000 + 30000 * 10);
    cr_assert_gt(sim->held_ms[TG_SIM_BAKE], 60000);
    tg_sim_free(sim);
    tg_plan_free(plan);
}

/* The same seed is the same output; another one is not. */
Test(simulate, is_repeatable)
{
    struct tg_plan *plan = plan_of((struct test_stage[]){{.count = 300}}, 1, 20, 300);
    test_plan_limit(plan, TG_LIMIT_DOMAIN, 3, 30, 0);
    const char *const pairs[] = {"failing", "3%",    "lost",       "5%",          "busy", "10%", "slow",
                                 "2%",      "takes", "60s,p95=5m", "crash-every", "3m", "gone", "2%", "going", "5%", "going-for", "4m", "inconclusive", "2%", "held", "3%", "held-for", "10m", NULL};
    struct tg_sim_model m = model_of(pairs), other = m;
    struct tg_sim *a = simulate(plan, &m), *b = simulate(plan, &m);

    other.seed = 2;
    struct tg_sim *c = simulate(plan, &other);
    json_t *x = tg_sim_json(a), *y = tg_sim_json(b), *z = tg_sim_json(c);
    cr_assert(json_equal(x, y));
    cr_assert_not(json_equal(x, z));
    char *s = text_of(a), *t = text_of(b);
    cr_assert_str_eq(s, t);
    free(s);
    free(t);
    json_decref(x);
    json_decref(y);
    json_decref(z);
    tg_sim_free(a);
    tg_sim_free(b);
    tg_sim_free(c);
    tg_plan_free(plan);
}

/* Draws are whole numbers that follow from the seed and the name alone: these hold on every machine, for ever. */
Test(simulate, draws_are_the_same_everywhere)
{
    struct tg_sim_model m = model_of(NULL);
    const struct tg_sim_takes even = {.from_ms = 30000, .to_ms = 90000}, bell = {.median_ms = 60000, .p95_ms = 180000};
    uint64_t d = tg_sim_draw(&m, "web001.example.com", TG_SIM_TAKES, 1);

    cr_assert_eq(d, UINT64_C(15080317692434848066), "%llu", (unsigned long long) d);
    cr_assert_eq(tg_sim_duration_ms(&even, d), 78141, "%lld", (long long) tg_sim_duration_ms(&even, d));
    cr_assert_eq(tg_sim_duration_ms(&bell, d), 47435, "%lld", (long long) tg_sim_duration_ms(&bell, d));
}

Test(simulate, durations_are_spread_as_they_say)
{
    struct tg_sim_model m = model_of(NULL);
    const struct tg_sim_takes bell = {.median_ms = 60000, .p95_ms = 180000}, even = {.from_ms = 1000, .to_ms = 2000};
    unsigned below = 0, above = 0, n = 20000;

    for (unsigned i = 0; i < n; i++) {
        int64_t ms = tg_sim_duration_ms(&bell, tg_sim_draw(&m, "h", TG_SIM_TAKES, i));
        below += ms < 60000;
        above += ms > 180000;
        ms = tg_sim_duration_ms(&even, tg_sim_draw(&m, "h", TG_SIM_VERIFY, i));
        cr_assert(ms >= 1000 && ms <= 2000);
    }
    cr_assert(below > n * 48 / 100 && below < n * 52 / 100, "%u", below);
    cr_assert(above > n * 4 / 100 && above < n * 6 / 100, "%u", above);
}

/* A host's fate is its own: under another pace the same hosts fail. */
Test(simulate, the_same_hosts_fail_under_every_pace)
{
    struct tg_plan *plan = plan_of((struct test_stage[]){{.count = 400}}, 1, 1, 400);
    const char *const pairs[] = {"failing", "5%", NULL};
    struct tg_sim_model m = model_of(pairs);
    struct tg_sim *slow = simulate(plan, &m);

    plan->running = plan->unverified = 50;
    struct tg_sim *fast = simulate(plan, &m);
    cr_assert_gt(slow->all.hurt, 5);
    cr_assert_lt(fast->ended_ms, slow->ended_ms);
    for (size_t i = 0; i < plan->n_hosts; i++)
        cr_assert_eq(slow->run->hosts[i].state, fast->run->hosts[i].state, "%s", plan->hosts[i].name);
    tg_sim_free(slow);
    tg_sim_free(fast);
    tg_plan_free(plan);
}

/* What a bake is for: a bad change that shows after ten minutes hurts one host behind a bake that is longer, and all
 * behind a shorter one. */
Test(simulate, a_bake_catches_what_shows_later)
{
    const struct {
        int64_t bake_ms;
        size_t hurt;
        bool well;
    } cases[] = {{11 * 60000, 1, false}, {5 * 60000, 201, false}};
    const char *const pairs[] = {"bad-after", "10m", NULL};
    struct tg_sim_model m = model_of(pairs);

    for (size_t i = 0; i < 2; i++) {
        struct tg_plan *plan =
            plan_of((struct test_stage[]){{.count = 1, .bake_ms = cases[i].bake_ms}, {.count = 200}}, 2, 200, 0);
        struct tg_sim *sim = simulate(plan, &m);
        cr_assert_eq(sim->all.hurt, cases[i].hurt, "%zu", sim->all.hurt);
        cr_assert_eq(tg_sim_well(sim), cases[i].well); /* also when the engine noticed nothing */
        cr_assert_eq(sim->halted_ms > 0, i == 0);
        char *text = text_of(sim);
        cr_assert(strstr(text, i ? "201 of them never noticed" : "It would HALT after 1"), "%s", text);
        cr_assert(strstr(text, i ? "It would end BADLY" : "in stage stage0:\n  1 failed, at most 0 may"), "%s", text);
        free(text);
        tg_sim_free(sim);
        tg_plan_free(plan);
    }
}

Test(simulate, without_a_check_nothing_is_noticed)
{
    struct tg_plan *plan = test_plan((struct test_stage[]){{.count = 1, .bake_ms = 60000}, {.count = 9}}, 2, 2, 0);
    const char *const pairs[] = {"bad", "100%", NULL};
    struct tg_sim_model m = model_of(pairs);
    struct tg_sim *sim = simulate(plan, &m);
    char *text = text_of(sim);

    cr_assert_eq(tg_run_end(sim->run), TG_END_DONE);
    cr_assert_not(tg_sim_well(sim));
    cr_assert(strstr(text, "10 of them never noticed:\n  nothing verifies"), "%s", text);
    free(text);
    tg_sim_free(sim);
    tg_plan_free(plan);
}

/* P7: a controller that dies again and again, between the journal and the act as well, changes each host once and
 * brings the run to its end. */
Test(simulate, a_crashing_controller_comes_to_the_end)
{
    struct tg_plan *plan =
        plan_of((struct test_stage[]){{.count = 5, .bake_ms = 30000}, {.count = 300, .rate = {1, 1000}}}, 2, 20, 0);
    const char *const pairs[] = {"crash-every", "40s", "crash-for", "5s", "lost", "10%", "busy", "10%", NULL};
    struct tg_sim_model m = model_of(pairs);

    for (m.seed = 1; m.seed < 20; m.seed++) {
        struct tg_sim *sim = simulate(plan, &m);
        cr_assert_gt(sim->crashes, 5);
        cr_assert(tg_sim_well(sim), "seed %llu", (unsigned long long) m.seed);
        cr_assert_eq(sim->all.changed, 305, "%zu", sim->all.changed);
        cr_assert_geq(sim->held_ms[TG_SIM_AWAY], 5000 * (int64_t) sim->crashes);
        cr_assert_eq(tg_run_leftovers(sim->run), 0);
        tg_sim_free(sim);
    }
    tg_plan_free(plan);
}

Test(simulate, hosts_that_are_never_reached_are_no_failures)
{
    struct tg_plan *plan = plan_of((struct test_stage[]){{.count = 200}}, 1, 20, 0);
    const char *const pairs[] = {"unreachable", "10%", NULL};
    struct tg_sim_model m = model_of(pairs);
    struct tg_sim *sim = simulate(plan, &m);
    size_t away = sim->run->totals[TG_HOST_UNREACHABLE];

    cr_assert(away > 8 && away < 35, "%zu", away);
    cr_assert_eq(sim->all.changed + away, 200);
    cr_assert_eq(tg_run_end(sim->run), TG_END_BADLY);
    cr_assert_eq(sim->halted_ms, 0);
    tg_sim_free(sim);
    tg_plan_free(plan);
}

/* P5, P12: what held it back is told, and a limit that binds all the time has most of the time. */
Test(simulate, what_held_it_back_is_told)
{
    const struct {
        struct tg_rate rate;
        size_t hold;
    } cases[] = {{{0, 0}, 0}, {{1, 60000}, 2}};
    struct tg_sim_model m = model_of(NULL);

    for (size_t i = 0; i < 2; i++) {
        struct tg_plan *plan = plan_of((struct test_stage[]){{.count = 100, .rate = cases[i].rate}}, 1, 3, 0);
        plan->unverified = 50;
        struct tg_sim *sim = simulate(plan, &m);
        int64_t sum = 0, took = sim->ended_ms - sim->started_ms;
        for (size_t h = 0; h < TG_SIM_HOLDS; h++)
            sum += sim->held_ms[h];
        cr_assert_gt(sim->held_ms[cases[i].hold] * 10, took * 9);
        cr_assert_geq(sum, took);
        tg_sim_free(sim);
        tg_plan_free(plan);
    }
}

Test(simulate, a_long_run_keeps_few_samples)
{
    struct tg_plan *plan = plan_of((struct test_stage[]){{.count = 3000, .rate = {1, 60000}}}, 1, 3, 0);
    struct tg_sim_model m = model_of(NULL);
    struct tg_sim *sim = simulate(plan, &m);
    int64_t took = sim->ended_ms - sim->started_ms;

    cr_assert_leq(sim->n_samples, TG_SIM_SAMPLES);
    cr_assert_gt(sim->n_samples, TG_SIM_SAMPLES / 2 - 2);
    cr_assert(sim->sample_ms * (int64_t) sim->n_samples >= took &&
              sim->sample_ms * ((int64_t) sim->n_samples - 1) <= took);
    for (size_t i = 1; i < sim->n_samples; i++)
        cr_assert_geq(sim->samples[i].changed, sim->samples[i - 1].changed);
    cr_assert_eq(sim->samples[sim->n_samples - 1].changed, 3000);
    tg_sim_free(sim);
    tg_plan_free(plan);
}

/* A look that takes longer than the controller lives: it is told, and not simulated for ever. */
Test(simulate, a_run_that_never_ends_is_told)
{
    struct tg_plan *plan = plan_of((struct test_stage[]) {{.count = 300}}, 1, 20, 300);
    const char *const pairs[] = {"unreachable", "20%", "crash-every", "2m", NULL};
    struct tg_sim_model m = model_of(pairs);
    struct tg_error e = TG_ERROR_INIT;
    struct tg_sim *sim = NULL;

    cr_assert_eq(tg_simulate(plan, &m, &sim, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "the controller dies so often that the run does not end"), "%s", e.message);
    cr_assert_null(sim);
    tg_plan_free(plan);
}

/* It fits 80 columns, whatever there is to be told. */
Test(simulate, its_text_fits_a_terminal)
{
    struct tg_plan *plan = plan_of((struct test_stage[]) {{.count = 30}, {.count = 20000, .rate = {50, 1000}}}, 2, 100, 1000);
    const char *const pairs[] = {"failing", "2%", "bad-after", "20m", "bad", "40%", "unreachable", "1%", "crash-every", "20m", "start", "2026-11-23T09:00:00Z",
                                 "gone", "2%", "inconclusive", "0.1%", "held", "1%", NULL};
    struct tg_sim_model m = model_of(pairs);
    struct tg_sim *sim = simulate(plan, &m);
    char *text = text_of(sim), *rest = text;

    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        size_t columns = 0;
        for (const char *c = line; *c; c++)
            columns += ((unsigned char) *c & 0xc0) != 0x80;
        cr_expect_leq(columns, 80, "%zu columns: %s", columns, line);
    }
    free(text);
    tg_sim_free(sim);
    tg_plan_free(plan);
}

/* ---- hosts that are down, doubtful, or somebody else's ---- */

/* P5: as many leave service as the domain has room for, beside those that are gone; of the others it is told that they stay. */
Test(simulate, what_was_changed_leaves_service_as_far_as_there_is_room)
{
    const struct {
        const char *gone;
        uint32_t room;
    } cases[] = {{"0%", 12}, {"2%", 12}, {"0%", 200}};

    for (size_t i = 0; i < 3; i++) {
        struct tg_plan *plan = plan_of((struct test_stage[]) {{.count = 200}}, 1, 10, 15);
        test_plan_limit(plan, TG_LIMIT_FLOOR, 1, cases[i].room, 0);
        test_plan_around(plan, 1, 1U << 1);
        plan->then = TG_THEN_WITHDRAW;
        plan->running = plan->unverified = 4;
        const char *const pairs[] = {"bad", "50%", "failing", "20%", "gone", cases[i].gone, NULL};
        struct tg_sim_model m = model_of(pairs);
        struct tg_error e = TG_ERROR_INIT;
        cr_assert_eq(tg_plan_seal(plan, &e), 0, "%s", e.message);
        struct tg_sim *sim = simulate(plan, &m);
        if (cases[i].room == 12) { /* those that failed fill it: it never halts */
            cr_expect(!sim->back);
            tg_sim_free(sim);
            plan->failed.value = 3;
            cr_assert_eq(tg_plan_seal(plan, &e), 0, "%s", e.message);
            sim = simulate(plan, &m);
        }
        cr_assert(sim->halted_ms && sim->back && sim->back->plan->withdraws);
        struct tg_sim_out told = tg_sim_tell_out(sim);
        size_t down = told.out + sim->samples[sim->n_samples - 1].gone;
        cr_expect_eq(told.out + told.no_room + told.held, told.hosts);
        cr_expect_gt(told.out, 0);
        cr_expect_leq(down, cases[i].room, "%zu", down);
        cr_expect(told.hosts <= cases[i].room ? told.no_room == 0 || cases[i].gone[0] != '0' : told.no_room > 0);
        cr_expect_eq(sim->samples[sim->n_samples - 1].out, told.out);
        cr_expect_eq(sim->shown_ms, sim->back->sim->ended_ms);
        char *text = text_of(sim);
        cr_expect(strstr(text, "Out of service: ") && strstr(text, "    out  "), "%s", text);
        cr_expect_eq(strstr(text, "stay in service: domains and floors have no room") || strstr(text, "stays in service: domains"), told.no_room > 0, "%s", text);
        free(text);
        tg_sim_free(sim);
        tg_plan_free(plan);
    }
}

/* P5, P12: who is gone takes room. When it is all of it, nothing is changed, and it is told that the run would wait for ever; limits.down: ignore is the way out. */
Test(simulate, hosts_that_are_gone_take_the_room_of_others)
{
    const char *const pairs[] = {"gone", "10%", NULL};
    struct tg_sim_model m = model_of(pairs);

    for (int ignore = 0; ignore < 2; ignore++) {
        struct tg_plan *plan = plan_of((struct test_stage[]) {{.count = 2, .rate = {1, 1000}}, {.count = 98, .rate = {1, 1000}}}, 2, 10, 0);
        test_plan_limit(plan, TG_LIMIT_DOMAIN, 1, 2, 0);
        plan->ignore_gone = ignore;
        struct tg_sim *sim = simulate(plan, &m);
        size_t gone = sim->samples[sim->n_samples - 1].gone;
        cr_assert(gone > 2 && gone < 25, "%zu", gone);
        cr_expect_eq(sim->waits, !ignore);
        cr_expect_str_eq(tg_sim_end_name(sim), ignore ? "badly" : "waits");
        cr_expect(!tg_sim_well(sim));
        cr_expect(ignore ? sim->all.changed > 0 : sim->all.changed == 0, "%zu", sim->all.changed);
        char *text = text_of(sim);
        cr_expect(ignore || strstr(text, "It would WAIT FOR EVER after "), "%s", text);
        cr_expect_not_null(strstr(text, "   gone  "), "%s", text);
        free(text);
        tg_sim_free(sim);
        tg_plan_free(plan);
    }
}

/* P12: what was being done on a host that went is not known, and counts as a failure; one that is back in time is looked at. */
Test(simulate, hosts_go_in_the_middle_and_come_back)
{
    struct tg_plan *plan = plan_of((struct test_stage[]) {{.count = 300}}, 1, 30, 300);
    const char *const for_good[] = {"going", "30%", "going-within", "5m", NULL}, *const for_a_while[] = {"going", "30%", "going-within", "5m", "going-for", "2m", NULL};
    struct tg_sim_model gone = model_of(for_good), back = model_of(for_a_while);
    struct tg_sim *a = simulate(plan, &gone), *b = simulate(plan, &back);

    cr_expect_gt(a->run->totals[TG_HOST_LOST], 0, "nobody could look");
    cr_expect_gt(a->run->totals[TG_HOST_UNREACHABLE], 0);
    cr_expect_eq(b->run->totals[TG_HOST_LOST], 0);
    cr_expect_gt(b->run->totals[TG_HOST_UNKNOWN], 0, "it was looked at, and nothing proves how it went");
    cr_expect_eq(b->all.hurt, 0);
    cr_expect_eq(b->samples[b->n_samples - 1].gone, 0);
    size_t most = 0;
    for (size_t i = 0; i < b->n_samples; i++)
        most = b->samples[i].gone > most ? b->samples[i].gone : most;
    cr_expect_gt(most, 10);
    tg_sim_free(a);
    tg_sim_free(b);
    tg_plan_free(plan);
}

/* What has no verdict keeps the run on hold until a person has looked; with decide-by it is tried until then; with give-up-by it halts when nobody looks in time. */
Test(simulate, without_a_verdict_somebody_is_asked)
{
    const struct {
        int64_t decide_ms, give_up_ms;
        bool asks, halts, well;
    } cases[] = {{0, 0, true, false, true}, {20 * 60000, 0, false, false, true}, {2 * 60000, 0, false, false, false}, {0, 5 * 60000, true, true, false}};
    const char *const pairs[] = {"inconclusive", "5%", "inconclusive-for", "8m", NULL};
    struct tg_sim_model m = model_of(pairs);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tg_plan *plan = plan_of((struct test_stage[]) {{.count = 60}}, 1, 10, 60);
        plan->decide_ms = cases[i].decide_ms;
        plan->give_up_ms = cases[i].give_up_ms;
        struct tg_sim *sim = simulate(plan, &m);
        cr_expect_eq(sim->asked > 0, cases[i].asks, "case %zu: %u", i, sim->asked);
        cr_expect_eq(sim->halted_ms > 0, cases[i].halts, "case %zu", i);
        cr_expect_eq(tg_sim_well(sim), cases[i].well, "case %zu", i);
        cr_expect(!cases[i].asks || sim->held_ms[TG_SIM_ASKS] >= (cases[i].halts ? cases[i].give_up_ms : 15 * 60000), "case %zu", i);
        cr_expect_eq(sim->run->totals[TG_HOST_UNKNOWN] > 0, i == 2, "case %zu", i);
        char *text = text_of(sim);
        cr_expect_eq(strstr(text, "   asks  ") != NULL, cases[i].asks, "%s", text);
        free(text);
        tg_sim_free(sim);
        tg_plan_free(plan);
    }
}

/* P5: whom others hold is not changed, and counts as down; their locks go, and others come. */
Test(simulate, hosts_that_others_hold_are_left_alone_and_count)
{
    const char *const some[] = {"held", "10%", "held-for", "5m", NULL}, *const all[] = {"held", "100%", NULL};
    struct tg_sim_model m = model_of(some), everything = model_of(all);
    struct tg_plan *plan = plan_of((struct test_stage[]) {{.count = 200}}, 1, 20, 0);
    struct tg_sim *free_of_limits = simulate(plan, &m), *none = simulate(plan, &everything);

    test_plan_limit(plan, TG_LIMIT_DOMAIN, 1, 22, 0);
    struct tg_sim *sim = simulate(plan, &m);
    size_t held = tg_sim_tell(free_of_limits).held, least = SIZE_MAX, most = 0;
    cr_expect(held > 8 && held < 40, "%zu", held);
    cr_expect_eq(free_of_limits->all.changed + held, 200);
    cr_expect_eq(tg_sim_tell(none).held, 200);
    cr_expect_eq(none->all.changed, 0);
    for (size_t i = 0; i < sim->n_samples; i++) {
        least = sim->samples[i].held < least ? sim->samples[i].held : least;
        most = sim->samples[i].held > most ? sim->samples[i].held : most;
    }
    cr_expect(least < most && most > 10 && most < 50, "%zu to %zu", least, most);
    for (size_t i = 1; i < 10; i++)
        cr_expect(sim->samples[i].at_work <= 1 || sim->samples[i].at_work + sim->samples[i].held <= 22 + 1, "%zu at work, %zu held: they take room", sim->samples[i].at_work,
                  sim->samples[i].held);
    cr_expect_gt(sim->held_ms[3], free_of_limits->held_ms[3]);
    cr_expect_gt(sim->ended_ms - sim->started_ms, free_of_limits->ended_ms - free_of_limits->started_ms);
    tg_sim_free(free_of_limits);
    tg_sim_free(none);
    tg_sim_free(sim);
    tg_plan_free(plan);
}

/* Whose moments are drawn, not stored: they follow each other, and are as long as said. */
Test(simulate, locks_of_others_come_and_go)
{
    const char *const pairs[] = {"held", "10%", "held-for", "5m", NULL};
    struct tg_sim_model m = model_of(pairs);
    int64_t at_ms = m.start_ms, until_ms;
    bool is = tg_sim_is_held(&m, "h1", at_ms, &until_ms);

    for (int i = 0; i < 20; i++) {
        int64_t from_ms = at_ms = until_ms;
        bool next = tg_sim_is_held(&m, "h1", at_ms, &until_ms);
        cr_assert_neq(next, is);
        cr_assert_eq(until_ms - from_ms, next ? 5 * 60000 : 45 * 60000);
        is = next;
    }
}

/* A new action of the engine needs a model, or simulations of runs that use it end in an error. */
Test(simulate, every_action_has_a_model)
{
    for (int kind = 0; kind < TG_DO_COUNT; kind++)
        cr_assert(tg_sim_models((enum tg_run_action_kind) kind), "%s",
                  tg_run_action_name((enum tg_run_action_kind) kind));
}

Test(simulate, wrong_parameters_are_refused)
{
    static const char *const wrong[][2] = {{"takes", "90s-30s"},
                                           {"takes", ""},
                                           {"takes", "60"},
                                           {"takes", "60s,p95=30s"},
                                           {"takes", "1ms,p95=2h"},
                                           {"takes", "2y"},
                                           {"takes", "-5s"},
                                           {"takes", "0s,p95=3s"},
                                           {"failing", "2"},
                                           {"failing", "101%"},
                                           {"failing", "-1%"},
                                           {"seed", "-1"},
                                           {"seed", "18446744073709551616"},
                                           {"seed", ""},
                                           {"slow-by", "0"},
                                           {"slow-by", "1001"},
                                           {"bad-after", "soon"},
                                           {"start", "tomorrow"},
                                           {"start", "1969-01-01T00:00:00Z"},
                                           {"crash-every", "9999w"}};
    struct tg_sim_model m = model_of(NULL), before = m;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct tg_error e = TG_ERROR_INIT;
        cr_assert_eq(tg_sim_model_set(&m, wrong[i][0], wrong[i][1], &e), TG_E_DATA, "%s %s", wrong[i][0], wrong[i][1]);
        cr_assert(strstr(e.message, wrong[i][0]) && e.hint[0]);
        cr_assert_eq(memcmp(&m, &before, sizeof m), 0);
    }
    cr_assert_eq(tg_sim_model_set(&m, "seed", "18446744073709551615", NULL), 0);
    cr_assert_eq(tg_sim_model_set(&m, "crash-every", "20s", NULL), 0); /* no longer than it is away for */
    cr_assert_eq(tg_sim_model_check(&m, NULL), TG_E_DATA);
    m = model_of((const char *const[]) {"held", "1%", "held-for", "30s", NULL});
    cr_assert_eq(tg_sim_model_check(&m, NULL), TG_E_DATA);
    m = model_of((const char *const[]) {"looks-after", "0s", NULL});
    cr_assert_eq(tg_sim_model_check(&m, NULL), TG_E_DATA);
}

/* What a site calls its stages and why it halted can't break the picture. */
Test(simulate, a_picture_is_well_formed)
{
    struct tg_plan *plan = plan_of((struct test_stage[]){{.count = 3}, {.count = 4}}, 2, 2, 0);
    const char *const pairs[] = {"failing", "60%", "crash-every", "1m", NULL};
    struct tg_sim_model m = model_of(pairs);
    struct tg_buf svg = TG_BUF_INIT;

    free(plan->stages[0].name);
    plan->stages[0].name = strdup("<&\">");
    struct tg_sim *sim = simulate(plan, &m);
    cr_assert_eq(tg_sim_svg(sim, &svg, NULL), 0);
    cr_assert_null(strstr(svg.data, "<&"));
    cr_assert(strstr(svg.data, "&lt;&amp;&quot;&gt;") || !strstr(svg.data, "&lt;"));
    cr_assert_str_eq(svg.data + svg.len - 7, "</svg>\n");
    tg_buf_release(&svg);
    tg_sim_free(sim);
    tg_plan_free(plan);
}

/* ---- the fleet that is made up ---- */

static size_t selected(const struct tg_inventory *fleet, const char *selector)
{
    struct tg_selection found = TG_SELECTION_INIT;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_select(fleet, selector, &found, &e), 0, "%s: %s", selector, e.message);
    size_t n = found.n;
    tg_selection_release(&found);
    return n;
}

Test(generate, hosts_have_racks_zones_and_roles)
{
    struct tg_inventory *fleet;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_inventory_generate(1000, NULL, 0, &fleet, &e), 0, "%s", e.message);
    cr_assert_eq(selected(fleet, "*"), 1000);
    cr_assert_eq(selected(fleet, "@web"), 600);
    cr_assert_eq(selected(fleet, "role=db"), 50);
    cr_assert_eq(selected(fleet, "rack=rack-0007"), 40);
    cr_assert_eq(selected(fleet, "az=a or az=b or az=c"), 1000);
    cr_assert_eq(selected(fleet, "@zone-a and not az=a"), 0);
    tg_inventory_free(fleet);
}

Test(generate, what_selectors_name_is_there)
{
    const struct tg_fleet_wish wishes[] = {{.selector = "@frontend and not (@legacy or tier=gold)", .percent = 100},
                                           {.selector = "@staging", .percent = 10},
                                           {.selector = "db9.example.com,x[1-3]", .percent = 100},
                                           {.selector = "@front*", .percent = 100},
                                           {.selector = "(((", .percent = 100},
                                           {.key = "cluster"},
                                           {.key = "rack"},
                                           {.percent = 100}};
    struct tg_inventory *fleet;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_inventory_generate(2000, wishes, 8, &fleet, &e), 0, "%s", e.message);
    cr_assert_eq(selected(fleet, "*"), 2000);
    cr_assert_eq(selected(fleet, "@frontend"), 2000);
    size_t legacy = selected(fleet, "@legacy"), gold = selected(fleet, "tier=gold"),
           staging = selected(fleet, "@staging");
    cr_assert(legacy > 60 && legacy < 140, "%zu", legacy);
    cr_assert(gold > 60 && gold < 140, "%zu", gold);
    cr_assert(staging > 150 && staging < 250, "%zu", staging);
    cr_assert_eq(selected(fleet, "x[1-3],db9.example.com"), 4);
    cr_assert_eq(selected(fleet, "cluster=cluster-7"), 10);
    cr_assert_eq(selected(fleet, "rack=rack-0050"), 40);
    tg_inventory_free(fleet);
}

Test(generate, no_fleet_and_too_large_ones_are_refused)
{
    struct tg_inventory *fleet;

    cr_assert_eq(tg_inventory_generate(0, NULL, 0, &fleet, NULL), TG_E_USAGE);
    cr_assert_eq(tg_inventory_generate(1000001, NULL, 0, &fleet, NULL), TG_E_USAGE);
    cr_assert_eq(tg_inventory_generate(1, NULL, 0, &fleet, NULL), 0);
    tg_inventory_free(fleet);
}
