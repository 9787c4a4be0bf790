/* How long the hosts of a rollout took: what is kept of runs, and what is expected of the next. */
#include "engine/history.h"
#include "engine/plan_when.h"
#include "lib/plan.h"
#include "store/memory.h"

#include <criterion/criterion.h>
#include <tagout/loop.h>

#define NOW INT64_C(1795428000000)
#define WAIT 1000

static struct tg_run *run_of(struct tg_plan *plan)
{
    struct tg_run *run = NULL;

    cr_assert_eq(tg_run_new(plan, &run, NULL), 0);
    run->last_ms = NOW;
    return run;
}

static void took(struct tg_run *run, size_t host, int64_t ms)
{
    struct tg_run_host *h = &run->hosts[host];

    h->state = TG_HOST_DONE;
    h->outcome = TG_OUTCOME_CHANGED;
    h->started_ms = NOW;
    h->ended_ms = NOW + ms;
}

static struct tg_history_run a_run(const char *id, bool back, int64_t hosts, int64_t mean_ms)
{
    struct tg_history_run r = {.back = back, .at_ms = NOW, .hosts = hosts, .mean_ms = mean_ms, .p95_ms = 2 * mean_ms};

    snprintf(r.run, sizeof r.run, "%s", id);
    return r;
}

Test(history, is_of_hosts_that_were_changed_and_are_well)
{
    static const struct test_stage stages[] = {{.count = 1, .dry_run = true}, {.count = 1, .bake_ms = 60000}, {.count = 2, .bake_ms = 60000}, {.count = 30}};
    struct tg_plan *plan = test_plan(stages, 4, 1, 0);
    struct tg_run *run = run_of(plan);
    struct tg_history_run one;

    cr_assert_eq(tg_history_of(run, &one, NULL), 0);
    cr_assert_eq(one.hosts, 0, "nobody has begun");
    took(run, 0, 5);         /* was only asked */
    took(run, 1, 61000);     /* 1 s, and its bake */
    took(run, 2, 90000);     /* waited for the other one of its stage, too */
    for (size_t i = 4; i < 23; i++)
        took(run, i, 1000);
    took(run, 23, 99000);
    took(run, 24, 5);
    run->hosts[24].state = TG_HOST_FAILED;
    took(run, 25, 5);
    run->hosts[25].outcome = TG_OUTCOME_UNCHANGED;
    took(run, 26, -5);
    cr_assert_eq(tg_history_of(run, &one, NULL), 0);
    cr_expect_eq(one.hosts, 21);
    cr_expect_eq(one.mean_ms, (20 * 1000 + 99000) / 21);
    cr_expect_eq(one.p95_ms, 1000, "the 20th of 21");
    cr_expect(!one.back && one.at_ms == NOW);
    took(run, 27, 99000);
    cr_assert_eq(tg_history_of(run, &one, NULL), 0);
    cr_expect_eq(one.p95_ms, 99000, "the 21st of 22");
    tg_run_free(run);
    tg_plan_free(plan);
}

Test(history, says_what_the_last_runs_took)
{
    struct tg_history h = {.n_runs = 0};
    struct tg_history_says says;
    char id[32];

    tg_history_say(&h, false, &says);
    cr_expect(says.runs == 0 && says.mean_ms == 0);
    for (int i = 0; i < TG_HISTORY_RUNS + 5; i++) {
        snprintf(id, sizeof id, "run-%d", i);
        tg_history_put(&h, &(struct tg_history_run) {0});
        h.runs[0] = a_run(id, false, 1, 500000);
    }
    struct tg_history_run back = a_run("back", true, 3, 7000), last = a_run("last", false, 90, 10000);
    tg_history_put(&h, &back);
    tg_history_put(&h, &last);
    tg_history_put(&h, &last);
    cr_expect_eq(h.n_runs, TG_HISTORY_RUNS + 1, "the same run counts once, and the oldest have gone");
    cr_expect_str_eq(h.runs[0].run, "last");
    tg_history_say(&h, true, &says);
    cr_expect(says.hosts == 3 && says.runs == 1 && says.mean_ms == 7000 && says.p95_ms == 14000);
    tg_history_say(&h, false, &says);
    cr_expect(says.hosts == 99 && says.runs == TG_HISTORY_RUNS);
    cr_expect(says.mean_ms > 54000 && says.mean_ms < 55000, "each host counts, not each run: %lld", (long long) says.mean_ms);
    cr_expect_eq(says.p95_ms, 1000000);
}

Test(history, the_authors_word_goes_before_it)
{
    struct tg_plan plan = {.learned_ms = 7000};

    cr_expect_eq(tg_plan_estimate_ms(&plan), 7000);
    plan.estimate_ms = 3000;
    cr_expect_eq(tg_plan_estimate_ms(&plan), 3000);
    plan.estimate_ms = plan.learned_ms = 0;
    cr_expect_eq(tg_plan_estimate_ms(&plan), TG_ESTIMATE_USUAL_MS);
}

struct place {
    struct tg_loop *loop;
    struct tg_store *store;
    char name[60];
};

static void setup(struct place *p, const char *name)
{
    struct tg_error e = TG_ERROR_INIT;
    char url[80];

    snprintf(p->name, sizeof p->name, "history-%s", name);
    snprintf(url, sizeof url, "memory:%s", p->name);
    cr_assert_eq(tg_loop_virtual(NOW, &p->loop, &e), 0);
    const struct tg_store_options o = {.loop = p->loop, .url = url, .session_ms = 5000};
    cr_assert_eq(tg_store_open(&o, &p->store, &e), 0, "%s", e.message);
    cr_assert_eq(tg_store_connect(p->store, tg_store_deadline(p->store, WAIT), &e), 0, "%s", e.message);
}

static void teardown(struct place *p)
{
    tg_store_close(p->store);
    tg_memory_forget(p->name);
    tg_loop_free(p->loop);
}

static void put(struct place *p, const char *path, const char *text)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_store_create(p->store, path, text, strlen(text), 0, tg_store_deadline(p->store, WAIT), &e), 0, "%s", e.message);
}

Test(history, is_kept_in_the_store_and_added_to)
{
    static const struct test_stage stage = {.count = 4};
    struct tg_plan *plan = test_plan(&stage, 1, 1, 0);
    struct tg_run *run = run_of(plan);
    struct tg_history h;
    struct tg_error e = TG_ERROR_INIT;
    struct place p;

    setup(&p, "kept");
    cr_expect_eq(tg_history_add(p.store, run, "test-1", WAIT, &e), 0, "nothing to keep: %s", e.message);
    took(run, 0, 4000);
    cr_assert_eq(tg_history_add(p.store, run, "test-1", WAIT, &e), TG_E_UNKNOWN, "no folder, in the store of an older tagout");
    cr_expect(strstr(e.hint, "tagout init"));
    tg_error_clear(&e);
    put(&p, "/history", "");
    cr_assert_eq(tg_history_read(p.store, "test", "simulated", WAIT, &h, &e), TG_E_NOENT);
    tg_error_clear(&e);
    cr_assert_eq(tg_history_add(p.store, run, "test-1", WAIT, &e), 0, "%s", e.message);
    took(run, 1, 8000);
    cr_assert_eq(tg_history_add(p.store, run, "test-2", WAIT, &e), 0, "%s", e.message);
    cr_assert_eq(tg_history_read(p.store, "test", "simulated", WAIT, &h, &e), 0, "%s", e.message);
    cr_expect(h.n_runs == 2 && h.runs[0].mean_ms == 6000 && h.runs[1].mean_ms == 4000);
    cr_expect_str_eq(h.runs[1].run, "test-1");
    cr_expect_eq(tg_history_read(p.store, "test", "salt", WAIT, &h, NULL), TG_E_NOENT, "another tool takes another time");
    tg_run_free(run);
    tg_plan_free(plan);
    teardown(&p);
}

Test(history, a_damaged_one_is_none_and_is_replaced)
{
    static const struct test_stage stage = {.count = 1};
    struct tg_plan *plan = test_plan(&stage, 1, 1, 0);
    struct tg_run *run = run_of(plan);
    struct tg_history h;
    struct tg_error e = TG_ERROR_INIT;
    struct place p;

    setup(&p, "damaged");
    took(run, 0, 4000);
    put(&p, "/history", "");
    put(&p, "/history/test", "{\"format\":1,\"name\":\"test\"");
    cr_expect_eq(tg_history_read(p.store, "test", "simulated", WAIT, &h, NULL), TG_E_NOENT);
    cr_assert_eq(tg_history_add(p.store, run, "test-1", WAIT, &e), 0, "%s", e.message);
    cr_assert_eq(tg_history_read(p.store, "test", "simulated", WAIT, &h, &e), 0, "%s", e.message);
    tg_run_free(run);
    tg_plan_free(plan);
    teardown(&p);
}

Test(history, old_ones_are_forgotten)
{
    static const struct test_stage stage = {.count = 1};
    struct tg_plan *plan = test_plan(&stage, 1, 1, 0);
    struct tg_run *run = run_of(plan);
    struct tg_history old = {.driver = "puppet"}, h;
    struct tg_history_run one = a_run("old-1", false, 1, 1);
    struct place p;

    setup(&p, "old");
    put(&p, "/history", "");
    one.at_ms = NOW - TG_HISTORY_KEPT_MS - 1;
    tg_history_put(&old, &one);
    char *text = tg_history_encode(&old, "old");
    put(&p, "/history/old", text);
    free(text);
    one.at_ms++;
    old.n_runs = 0;
    tg_history_put(&old, &one);
    text = tg_history_encode(&old, "older");
    put(&p, "/history/older", text);
    free(text);
    took(run, 0, 4000);
    cr_assert_eq(tg_history_add(p.store, run, "test-1", WAIT, NULL), 0);
    cr_expect_eq(tg_history_read(p.store, "old", "puppet", WAIT, &h, NULL), TG_E_NOENT);
    cr_expect_eq(tg_history_read(p.store, "older", "puppet", WAIT, &h, NULL), 0);
    tg_run_free(run);
    tg_plan_free(plan);
    teardown(&p);
}
