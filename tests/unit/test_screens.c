/*
 * Whole screens, as people see them, held to files in tests/data/screens: of a plan, and of runs that the machine itself was brought to. What is different is told as a diff;
 * tests/screens writes them anew, and git diff shows what that changed.
 */
#include "base/columns.h"
#include "cli/doctor.h"
#include "cli/run_view.h"
#include "config/problems.h"
#include "engine/plan_text.h"
#include "engine/simulate.h"
#include "engine/withdraw.h"
#include "fleet/inventory.h"
#include "lib/plan.h"

#include <tagout/clock.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW INT64_C(1795442400000) /* Monday, 23 November 2026, 14:00 UTC */
#define ID "openssl-20261123-1"

/* ---- the files ---- */

static const char *source(void)
{
    const char *dir = getenv("TAGOUT_SOURCE");

    cr_assert(dir, "TAGOUT_SOURCE is the folder of the sources");
    return dir;
}

static void path_of(const char *name, char out[1024])
{
    snprintf(out, 1024, "%s/tests/data/screens/%s", source(), name);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    cr_assert(f, "%s", path);
    fputs(text, f);
    cr_assert_eq(fclose(f), 0);
}

/* Is it what the file says? With TAGOUT_SCREENS=write it is what the file will say. */
static void is_screen(const char *name, const char *text)
{
    char path[1024], got[] = "/tmp/tagout-screen.XXXXXX", command[2200];

    path_of(name, path);
    if (getenv("TAGOUT_SCREENS") && strcmp(getenv("TAGOUT_SCREENS"), "write") == 0) {
        write_file(path, text);
        return;
    }
    int fd = mkstemp(got);
    cr_assert_geq(fd, 0);
    close(fd);
    write_file(got, text);
    snprintf(command, sizeof command, "diff -u '%s' '%s' >&2", path, got);
    int status = system(command);
    unlink(got);
    cr_expect_eq(status, 0, "%s is another screen now; when it is meant to be: tests/screens", name);
}

/* No line is wider than the terminal, nor ends with a blank. */
static void fits(const char *name, const char *text, int width)
{
    for (const char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        struct tg_buf line = TG_BUF_INIT;
        tg_buf_add(&line, at, (size_t) (end - at));
        cr_expect_leq(tg_columns(tg_buf_text(&line)), width, "%s: %s", name, tg_buf_text(&line));
        cr_expect(end == at || end[-1] != ' ', "%s: a blank behind %s", name, tg_buf_text(&line));
        tg_buf_release(&line);
    }
}

/* ---- plans ---- */

static struct tg_plan *openssl(void)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_rollout *rollout = NULL;
    struct tg_inventory *inventory = NULL;
    struct tg_plan *plan = NULL;
    char path[1024];

    path_of("openssl.yaml", path);
    cr_assert_eq(tg_rollout_read(path, &p, &rollout, &e), 0, "%s", p.n ? p.list[0].error.message : e.message);
    path_of("fleet.yaml", path);
    cr_assert_eq(tg_inventory_load(path, &p, &inventory, &e), 0, "%s", e.message);
    cr_assert_eq(tg_plan_compile(rollout, inventory, "ssh", &p, &plan, &e), 0, "%s", p.n ? p.list[0].error.message : e.message);
    tg_rollout_free(rollout);
    tg_inventory_free(inventory);
    tg_problems_release(&p);
    return plan;
}

static void is_plan_screen(const char *name, const struct tg_plan *plan, int width)
{
    struct tg_buf out = TG_BUF_INIT;

    cr_assert_eq(tg_plan_text(plan, NOW, width, width, &out, NULL), 0);
    fits(name, tg_buf_text(&out), width);
    is_screen(name, tg_buf_text(&out));
    tg_buf_release(&out);
}

Test(screens, a_plan)
{
    struct tg_plan *plan = openssl();

    is_plan_screen("plan.txt", plan, 80);
    is_plan_screen("plan-40.txt", plan, 40);
    plan->learned_ms = 42000;
    plan->learned_p95_ms = 95000;
    plan->learned_hosts = 412;
    plan->learned_runs = 3;
    is_plan_screen("plan-wide.txt", plan, 120);
    tg_plan_free(plan);
}

Test(screens, a_simulation)
{
    struct tg_plan *plan = openssl();
    struct tg_sim_model model;
    struct tg_sim *sim = NULL;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_buf out = TG_BUF_INIT;

    tg_sim_model_init(&model);
    cr_assert_eq(tg_sim_model_set(&model, "bad", "30%", &e), 0);
    cr_assert_eq(tg_sim_model_set(&model, "bad-after", "5m", &e), 0);
    cr_assert_eq(tg_sim_model_set(&model, "failing", "1%", &e), 0);
    cr_assert_eq(tg_simulate(plan, &model, &sim, &e), 0, "%s", e.message);
    cr_assert_eq(tg_sim_text(sim, &(struct tg_sim_paint) {.width = 80}, &out, &e), 0);
    is_screen("simulate.txt", tg_buf_text(&out));
    tg_buf_release(&out);
    tg_sim_free(sim);
    tg_plan_free(plan);
}

/* ---- a run that is played ---- */

struct play {
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_run_actions todo;
    int64_t now;
    enum tg_run_event_kind (*answer)(const struct play *p, const struct tg_run_action *a); /* NULL: all goes well; TG_EV_COUNT: not yet */
};

static enum tg_run_event_kind well(enum tg_run_action_kind kind)
{
    static const enum tg_run_event_kind answers[TG_DO_COUNT] = {
        [TG_DO_LOCK] = TG_EV_LOCKED,   [TG_DO_CHECK] = TG_EV_GO,   [TG_DO_APPLY] = TG_EV_APPLIED, [TG_DO_VERIFY] = TG_EV_VERIFIED,   [TG_DO_UNLOCK] = TG_EV_UNLOCKED, [TG_DO_DRY_RUN] = TG_EV_APPLIED,
        [TG_DO_BAKE] = TG_EV_BAKED,    [TG_DO_PACE] = TG_EV_PACED, [TG_DO_ASK] = TG_EV_APPROVED,  [TG_DO_AROUND_LOOK] = TG_EV_FOUND, [TG_DO_AROUND] = TG_EV_MADE,     [TG_DO_UNDO] = TG_EV_UNDONE};

    return answers[kind];
}

static const char *text_of(enum tg_run_event_kind kind)
{
    return kind == TG_EV_FAILED ? "Could not find package openssl 3.0.19" : kind == TG_EV_NOT_VERIFIED ? "503 on http://{host}:8080/healthz within 30s"
           : kind == TG_EV_NOT_SENT ? "no route to host" : NULL;
}

static void tell(struct play *p, struct tg_run_event ev)
{
    struct tg_error e = TG_ERROR_INIT;
    bool failed = ev.kind == TG_EV_FAILED;

    ev.at_ms = p->now;
    ev.by = "alice@ops1";
    ev.epoch = 1;
    ev.lock = "L7K2QX";
    ev.text = ev.text ? ev.text : text_of(ev.kind);
    ev.outcome = failed ? TG_OUTCOME_FAILED : TG_OUTCOME_CHANGED;
    ev.changed = 1;
    cr_assert_eq(tg_run_step(p->run, &ev, &p->todo, &e), 0, "%s", e.message);
}

static void begin(struct play *p, struct tg_plan *plan)
{
    struct tg_error e = TG_ERROR_INIT;

    *p = (struct play) {.plan = plan, .now = NOW};
    cr_assert_eq(tg_run_new(plan, &p->run, &e), 0, "%s", e.message);
    tell(p, (struct tg_run_event) {.kind = TG_EV_BEGIN, .host = TG_RUN_NONE, .stage = TG_RUN_NONE});
}

/* The first action that is answered now; todo.n: none. */
static size_t first_due(const struct play *p, enum tg_run_event_kind *out_kind)
{
    size_t i = 0;

    for (; i < p->todo.n; i++) {
        *out_kind = p->answer ? p->answer(p, &p->todo.items[i]) : well(p->todo.items[i].kind);
        if (*out_kind != TG_EV_COUNT)
            break;
    }
    return i;
}

static void play(struct play *p)
{
    enum tg_run_event_kind kind;

    for (size_t i; (i = first_due(p, &kind)) < p->todo.n;) {
        const struct tg_run_action a = p->todo.items[i];
        memmove(&p->todo.items[i], &p->todo.items[i + 1], (--p->todo.n - i) * sizeof a);
        if (a.kind == TG_DO_END || a.kind == TG_DO_REST || a.kind == TG_DO_RETRY)
            continue;
        bool waits = a.kind == TG_DO_BAKE || a.kind == TG_DO_PACE;
        p->now = waits && a.until_ms > p->now ? a.until_ms : p->now + 40;
        tell(p, (struct tg_run_event) {.kind = kind, .host = a.host, .stage = a.host == TG_RUN_NONE ? a.stage : TG_RUN_NONE, .step = a.step, .ours = kind == TG_EV_FOUND && false});
    }
}

static void end(struct play *p)
{
    tg_run_actions_release(&p->todo);
    tg_run_free(p->run);
}

static void is_run_screen(const char *name, const struct play *p, const char *id, bool driven, int width)
{
    struct tg_run_view v = {.run = p->run, .id = id, .width = width, .wrap = width, .driven = driven, .with_summary = !driven};
    struct tg_buf out = TG_BUF_INIT;

    cr_assert_eq(tg_run_view_block(&v, p->now, &out, NULL), 0);
    if (!driven)
        cr_assert_eq(tg_run_view_summary(&v, &out, NULL), 0);
    fits(name, tg_buf_text(&out), width);
    is_screen(name, tg_buf_text(&out));
    tg_run_view_release(&v);
    tg_buf_release(&out);
}

static bool is_host(const struct play *p, const struct tg_run_action *a, size_t from, size_t to)
{
    size_t rest = p->plan->stages[p->plan->n_stages - 1].first;

    return a->host != TG_RUN_NONE && a->host >= rest + from && a->host < rest + to;
}

/* Of the last stage some have failed, some are not reached, and the others are in the middle of it. */
static enum tg_run_event_kind in_the_middle(const struct play *p, const struct tg_run_action *a)
{
    bool last = p->run->stage + 1 == p->plan->n_stages && a->host != TG_RUN_NONE;

    if (last && a->kind == TG_DO_APPLY && is_host(p, a, 3, 4))
        return TG_EV_FAILED;
    if (last && a->kind == TG_DO_APPLY && is_host(p, a, 110, 112))
        return TG_EV_NOT_SENT;
    if (last && a->kind == TG_DO_APPLY && is_host(p, a, 120, 1000))
        return TG_EV_COUNT;
    if (last && a->kind == TG_DO_VERIFY && is_host(p, a, 100, 1000))
        return TG_EV_COUNT;
    return well(a->kind);
}

Test(screens, a_run_that_goes_on)
{
    struct tg_plan *plan = openssl();
    struct play p;

    begin(&p, plan);
    p.answer = in_the_middle;
    play(&p);
    is_run_screen("status-running.txt", &p, ID, true, 80);
    is_run_screen("status-running-40.txt", &p, ID, true, 40);
    size_t domain = 0;
    while (strcmp(plan->domains[domain].value, "b") != 0)
        domain++;
    tell(&p, (struct tg_run_event) {.kind = TG_EV_OUTSIDE, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = domain, .count = 18, .text = "out of service by bad-20261122-1 (tagout run --mends bad-20261122-1 FILE)"});
    is_run_screen("status-others.txt", &p, ID, true, 80);
    end(&p);
    tg_plan_free(plan);
}

static enum tg_run_event_kind not_yet(const struct play *p, const struct tg_run_action *a)
{
    (void) p;
    return a->kind == TG_DO_APPLY ? TG_EV_COUNT : well(a->kind);
}

/* Its own pace can't be told yet: what the last runs took is what it will take. */
Test(screens, a_run_that_has_just_begun)
{
    struct tg_plan *plan = openssl();
    struct play p;

    plan->learned_ms = 42000;
    plan->learned_p95_ms = 95000;
    begin(&p, plan);
    p.answer = not_yet;
    play(&p);
    is_run_screen("status-begun.txt", &p, ID, true, 80);
    end(&p);
    tg_plan_free(plan);
}

/* Who paused it, and why, is what somebody typed: nothing of it reaches a terminal as it is. */
Test(screens, a_run_that_is_paused_with_strange_words)
{
    struct tg_plan *plan = openssl();
    struct play p;

    begin(&p, plan);
    p.answer = not_yet;
    play(&p);
    tell(&p, (struct tg_run_event) {.kind = TG_EV_HOLD, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .cause = TG_CAUSE_COMMAND, .text = "\xe2\x80\xaegnp.exe \x1b[2J %s"});
    is_run_screen("status-strange.txt", &p, ID, true, 80);
    end(&p);
    tg_plan_free(plan);
}

static enum tg_run_event_kind badly(const struct play *p, const struct tg_run_action *a)
{
    bool last = p->run->stage + 1 == p->plan->n_stages;

    if (last && a->kind == TG_DO_VERIFY && is_host(p, a, 40, 49))
        return TG_EV_NOT_VERIFIED;
    return last && a->kind == TG_DO_APPLY && is_host(p, a, 38, 39) ? TG_EV_FAILED : well(a->kind);
}

Test(screens, a_run_that_halted_and_what_it_took_out_of_service)
{
    struct tg_plan *plan = openssl(), *out = NULL;
    struct play p, w;
    struct tg_error e = TG_ERROR_INIT;

    begin(&p, plan);
    p.answer = badly;
    play(&p);
    cr_assert_eq(tg_run_end(p.run), TG_END_HALTED);
    is_run_screen("status-halted.txt", &p, ID, false, 80);
    is_run_screen("status-halted-40.txt", &p, ID, false, 40);
    cr_assert_eq(tg_withdraw_plan(plan, p.run, ID, NULL, &out, &e), 0, "%s", e.message);
    is_plan_screen("plan-withdraw.txt", out, 80);
    begin(&w, out);
    play(&w);
    is_run_screen("status-withdrawn.txt", &w, ID "-withdraw", false, 80);
    end(&w);
    end(&p);
    tg_plan_free(out);
    tg_plan_free(plan);
}

/* ---- small ones ---- */

/* Two hosts, and their windows: one of each. */
static void give_windows(struct tg_plan *plan)
{
    static const char *const names[] = {"night of customer:acme", "weekend of customer:globex"};

    plan->windows = calloc(2, sizeof *plan->windows);
    plan->window_of = calloc(plan->n_hosts, sizeof *plan->window_of);
    plan->n_windows = plan->stages[0].n_windows = 2;
    plan->windows_mode = TG_WINDOWS_HONOUR;
    snprintf(plan->windows_zone, sizeof plan->windows_zone, "Europe/Berlin");
    for (size_t i = 0; i < 2; i++)
        plan->windows[i] = (struct tg_plan_window) {.name = strdup(names[i]), .need_ms = 600000, .n_hosts = (uint32_t) plan->n_hosts / 2};
    for (size_t i = 0; i < plan->n_hosts; i++)
        plan->window_of[i] = (uint32_t) (i % 2);
}

Test(screens, a_run_that_waits_for_windows)
{
    struct tg_plan *plan = test_plan(&(struct test_stage) {.count = 40}, 1, 4, 2);
    struct play p;

    give_windows(plan);
    begin(&p, plan);
    tell(&p, (struct tg_run_event) {.kind = TG_EV_WINDOW_CLOSED, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = 0, .until_ms = NOW + 36000000, .text = "night of customer:acme"});
    tell(&p, (struct tg_run_event) {.kind = TG_EV_WINDOW_CLOSED, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = 1, .until_ms = NOW + 400000000, .text = "weekend of customer:globex"});
    play(&p);
    p.now += 60000;
    is_run_screen("status-window.txt", &p, "test-20261123-1", true, 80);
    is_run_screen("status-window-40.txt", &p, "test-20261123-1", true, 40);
    end(&p);
    tg_plan_free(plan);
}

static enum tg_run_event_kind second_fails(const struct play *p, const struct tg_run_action *a)
{
    (void) p;
    return a->kind == TG_DO_APPLY && a->host == 1 ? TG_EV_FAILED : a->kind == TG_DO_APPLY && a->host == 2 ? TG_EV_COUNT : well(a->kind);
}

Test(screens, a_run_as_json)
{
    struct tg_plan *plan = test_plan((struct test_stage[]) {{.count = 1}, {.count = 4}}, 2, 1, 2);
    struct play p;

    begin(&p, plan);
    p.answer = second_fails;
    play(&p);
    const struct tg_run_view v = {.run = p.run, .id = "test-20261123-1", .driven = true};
    json_t *json = tg_run_view_json(&v);
    char *text = json_dumps(json, JSON_INDENT(2));
    struct tg_buf out = TG_BUF_INIT;
    tg_buf_printf(&out, "%s\n", text);
    is_screen("status.json", tg_buf_text(&out));
    tg_buf_release(&out);
    free(text);
    json_decref(json);
    end(&p);
    tg_plan_free(plan);
}

/* ---- doctor ---- */

/* One of each verdict: with a long text, with a mend, with lines to be copied, and with words of somebody who hides others. */
static void examine(struct tg_doctor_finding found[5])
{
    static const struct tg_doctor_finding are[] = {
        {"configuration", TG_DOCTOR_OK, "store zk://zk1:2181,zk2:2181/tagout (/etc/tagout/tagout.yaml:1:8), state in /var/lib/tagout", "", TG_BUF_INIT},
        {"store", TG_DOCTOR_OK, "reached in 12 ms; a session lives 10000 ms without contact", "", TG_BUF_INIT},
        {"cluster", TG_DOCTOR_UNKNOWN, "this store is empty, but this host has seen cluster 14f9b25e here (generation 1, transaction 7215) (store-empty)",
         "is it another ensemble, or did it lose its data? Where that is meant: remove /var/lib/tagout/seen/14f9b25e", TG_BUF_INIT},
        {"locks", TG_DOCTOR_WARN, "1 lock is overdue: K7Q2MX on host:db7 by bob@ops2 (\"\xe2\x80\xaenew disk\x1b[2J\")", "tagout unlock K7Q2MX", TG_BUF_INIT},
        {"runs", TG_DOCTOR_FAIL, "1 run that nobody drives holds hosts", "", TG_BUF_INIT},
    };

    memcpy(found, are, sizeof are);
    tg_buf_puts(&found[4].more, "openssl-20261123-1 (running)\n  web[2-3].example.com: drained, locked. Take it back: tagout run --resume openssl-20261123-1\n");
}

Test(screens, doctor)
{
    static const struct {
        const char *name;
        int width;
    } screens[] = {{"doctor.txt", 80}, {"doctor-40.txt", 40}, {"doctor-pipe.txt", 0}};
    struct tg_doctor_finding found[5];

    examine(found);
    for (size_t i = 0; i < sizeof screens / sizeof screens[0]; i++) {
        struct tg_buf out = TG_BUF_INIT;
        tg_doctor_text(found, 5, screens[i].width, false, &out);
        is_screen(screens[i].name, tg_buf_text(&out));
        tg_buf_release(&out);
    }
    tg_buf_release(&found[4].more);
}

/* ---- many ---- */

static enum tg_run_event_kind many_fail(const struct play *p, const struct tg_run_action *a)
{
    (void) p;
    return a->kind != TG_DO_APPLY || a->host % 97 ? well(a->kind) : a->host % 2 ? TG_EV_FAILED : TG_EV_NOT_SENT;
}

Test(screens, a_run_over_a_hundred_thousand_hosts)
{
    struct tg_plan *plan = test_plan(&(struct test_stage) {.count = 100000}, 1, 1, 100000);
    struct play p;

    plan->running = plan->unverified = 100;
    begin(&p, plan);
    p.answer = many_fail;
    play(&p);
    is_run_screen("status-100000.txt", &p, "test-20261123-1", false, 80);
    is_run_screen("status-100000-live-40.txt", &p, "test-20261123-1", true, 40);
    is_run_screen("status-100000-40.txt", &p, "test-20261123-1", false, 40);
    end(&p);
    tg_plan_free(plan);
}
