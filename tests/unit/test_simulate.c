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
    plan->verify[0] = (struct tg_verify) {.kind = TG_VERIFY_HTTP, .url = strdup("http://{host}/"), .within_ms = 30000};
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
    const char *const pairs[] = {"failing", "3%",    "lost",       "5%",          "busy", "10%", "slow",
                                 "2%",      "takes", "60s,p95=5m", "crash-every", "3m",   NULL};
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
    const char *const pairs[] = {"failing", "2%", "bad-after", "20m", "bad", "40%", "unreachable", "1%", "crash-every", "20m", "start", "2026-11-23T09:00:00Z", NULL};
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
