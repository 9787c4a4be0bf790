/* How many hosts of a stage are out of service at most: held to a slow count by all choices there are, and to the machine, kept as slow as it lets itself be (P5). */
#include "config/problems.h"
#include "engine/plan_worst.h"
#include "engine/run.h"
#include "fleet/inventory.h"
#include "lib/plan.h"

#include <criterion/criterion.h>

#define HOSTS 10

static uint64_t seed = 1;

static unsigned below(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned) (seed >> 33) % n;
}

/* ---- all choices there are ---- */

static bool is_allowed(const struct tg_plan *plan, const struct tg_plan_stage *s, unsigned chosen)
{
    uint32_t n[64] = {0};

    for (size_t i = 0; i < s->count; i++)
        for (size_t l = 0; (chosen >> i & 1U) && l < plan->n_limits; l++) {
            uint32_t d = plan->domain_of[(s->first + i) * plan->n_limits + l];
            if (d != TG_NO_DOMAIN && ++n[d] > plan->domains[d].max)
                return false;
        }
    return true;
}

/* Of a stage, by trying all sets of its hosts: the greatest that limits let be down, and of each domain. most: of hosts at once. */
static size_t slow_count(const struct tg_plan *plan, const struct tg_plan_stage *s, size_t most, uint32_t in_domain[64])
{
    size_t best = 0;

    memset(in_domain, 0, 64 * sizeof *in_domain);
    for (unsigned set = 0; set < 1U << s->count; set++) {
        uint32_t n[64] = {0};
        size_t size = (size_t) __builtin_popcount(set);
        if (size > most || !is_allowed(plan, s, set))
            continue;
        best = size > best ? size : best;
        for (size_t i = 0; i < s->count * plan->n_limits; i++)
            if (set >> i / plan->n_limits & 1U && plan->domain_of[s->first * plan->n_limits + i] != TG_NO_DOMAIN)
                n[plan->domain_of[s->first * plan->n_limits + i]]++;
        for (size_t d = 0; d < plan->n_domains; d++)
            in_domain[d] = n[d] > in_domain[d] ? n[d] : in_domain[d];
    }
    return best;
}

static struct tg_plan *random_plan(size_t limits)
{
    struct test_stage stages[3];

    for (size_t i = 0; i < 3; i++)
        stages[i] = (struct test_stage) {.count = 1 + below(HOSTS), .dry_run = i == 0 && below(2), .bake_ms = below(2) ? 1000 : 0, .rate = {below(2), 1000}};
    struct tg_plan *plan = test_plan(stages, 3, 1 + below(6), 5);
    plan->unverified += below(4);
    for (size_t i = 0; i < limits; i++)
        test_plan_limit(plan, below(2) ? TG_LIMIT_DOMAIN : TG_LIMIT_FLOOR, 1 + below(4), 1 + below(3), below(5));
    test_plan_around(plan, 1, below(2) ? 1U << 1 : 0);
    return plan;
}

static size_t numbers(const struct tg_plan *plan, size_t stage)
{
    bool drains = plan->around[1].what == TG_AROUND_DRAIN;

    return plan->stages[stage].dry_run ? 0 : plan->stages[stage].bake_ms && drains ? plan->stages[stage].count : (size_t) plan->unverified;
}

Test(plan_worst, agrees_with_all_choices_there_are)
{
    for (int i = 0; i < 400; i++) {
        struct tg_plan *plan = random_plan((size_t) i % 4);
        struct tg_stage_worst *worst;
        uint32_t in_domain[64];
        cr_assert_eq(tg_plan_worst(plan, &worst, NULL), 0);
        for (size_t s = 0; s < plan->n_stages; s++) {
            size_t slow = slow_count(plan, &plan->stages[s], numbers(plan, s), in_domain);
            cr_assert_geq(worst[s].hosts, slow, "plan %d, stage %zu: %zu, and %zu can be", i, s, worst[s].hosts, slow);
            if (plan->n_limits < 2)
                cr_assert_eq(worst[s].hosts, slow, "plan %d, stage %zu: %zu, and at most %zu can be", i, s, worst[s].hosts, slow);
            for (size_t d = 0; d < plan->n_domains; d++)
                cr_assert(!in_domain[d] || (worst[s].domain != TG_NO_DOMAIN && worst[s].in_domain * plan->domains[d].n_hosts >= in_domain[d] * plan->domains[worst[s].domain].n_hosts),
                          "plan %d, stage %zu: domain %zu has a greater share", i, s, d);
        }
        free(worst);
        tg_plan_free(plan);
    }
}

/* ---- the machine, as slow as it lets itself be ---- */

struct slow {
    const struct tg_plan *plan;
    struct tg_run *run;
    struct tg_run_actions todo;
    int64_t now;
    size_t most[120]; /* of each stage */
};

static void look(struct slow *m)
{
    size_t down[120] = {0};

    for (size_t i = 0; i < m->plan->n_hosts; i++)
        down[m->run->hosts[i].stage] += tg_run_is_down(m->run, &m->run->hosts[i]);
    for (size_t s = 0; s < m->plan->n_stages; s++)
        m->most[s] = down[s] > m->most[s] ? down[s] : m->most[s];
}

static void tell(struct slow *m, struct tg_run_event ev)
{
    struct tg_error e = TG_ERROR_INIT;

    ev.at_ms = m->now += 10;
    ev.by = "alice@ops1";
    ev.epoch = 1;
    ev.lock = "L7K2QX";
    cr_assert_eq(tg_run_step(m->run, &ev, &m->todo, &e), 0, "%s", e.message);
    look(m);
}

/* The better, the later: what keeps a host out is answered last. */
static int patience(enum tg_run_action_kind kind)
{
    return kind == TG_DO_BAKE ? 4 : kind == TG_DO_UNDO ? 3 : kind == TG_DO_VERIFY ? 2 : kind == TG_DO_UNLOCK ? 1 : 0;
}

static size_t next_action(struct slow *m)
{
    size_t best = 0;

    for (size_t i = 1; i < m->todo.n; i++)
        if (patience(m->todo.items[i].kind) < patience(m->todo.items[best].kind))
            best = i;
    return best;
}

static enum tg_run_event_kind answer_to(enum tg_run_action_kind kind)
{
    static const enum tg_run_event_kind answers[TG_DO_COUNT] = {
        [TG_DO_LOCK] = TG_EV_LOCKED,   [TG_DO_CHECK] = TG_EV_GO,   [TG_DO_APPLY] = TG_EV_APPLIED, [TG_DO_VERIFY] = TG_EV_VERIFIED,   [TG_DO_UNLOCK] = TG_EV_UNLOCKED, [TG_DO_DRY_RUN] = TG_EV_APPLIED,
        [TG_DO_BAKE] = TG_EV_BAKED,    [TG_DO_PACE] = TG_EV_PACED, [TG_DO_ASK] = TG_EV_APPROVED,  [TG_DO_AROUND_LOOK] = TG_EV_FOUND, [TG_DO_AROUND] = TG_EV_MADE,     [TG_DO_UNDO] = TG_EV_UNDONE};

    return answers[kind];
}

static void open_hours(struct slow *m)
{
    for (size_t i = 0; i < m->plan->n_windows; i++)
        tell(m, (struct tg_run_event) {.kind = TG_EV_WINDOW_OPENED, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = i, .until_ms = INT64_MAX});
}

static void next_day(struct slow *m, int64_t date)
{
    if (m->plan->hours.days)
        tell(m, (struct tg_run_event) {.kind = TG_EV_OPENED, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .until_ms = m->now + INT64_C(86000000), .date = date});
}

static void drive(const struct tg_plan *plan, struct slow *m)
{
    struct tg_error e = TG_ERROR_INIT;
    int64_t date = 20000;

    *m = (struct slow) {.plan = plan, .now = INT64_C(1795428000000)};
    cr_assert_eq(tg_run_new(plan, &m->run, &e), 0, "%s", e.message);
    tell(m, (struct tg_run_event) {.kind = TG_EV_BEGIN, .host = TG_RUN_NONE, .stage = TG_RUN_NONE});
    open_hours(m);
    next_day(m, date);
    for (int turns = 0; turns < 100000 && m->run->state != TG_RUN_ENDED; turns++) {
        if (!m->todo.n) {
            m->now += INT64_C(86400000);
            next_day(m, ++date);
            continue;
        }
        size_t i = next_action(m);
        const struct tg_run_action a = m->todo.items[i];
        m->todo.items[i] = m->todo.items[--m->todo.n];
        if (answer_to(a.kind) == TG_EV_BEGIN) /* nothing is asked */
            continue;
        m->now = a.until_ms > m->now && a.until_ms < INT64_MAX ? a.until_ms : m->now;
        tell(m, (struct tg_run_event) {.kind = answer_to(a.kind), .host = a.host, .stage = a.host == TG_RUN_NONE ? a.stage : TG_RUN_NONE, .step = a.step, .ours = true,
                                       .outcome = TG_OUTCOME_CHANGED, .changed = 1});
    }
    cr_assert_eq(m->run->state, TG_RUN_ENDED, "it is %s", tg_run_state_name(m->run->state));
    cr_assert_eq(tg_run_end(m->run), TG_END_DONE);
}

static void release(struct slow *m)
{
    tg_run_actions_release(&m->todo);
    tg_run_free(m->run);
}

Test(plan_worst, no_run_has_more_down_and_a_slow_one_has_as_many)
{
    for (int i = 0; i < 300; i++) {
        struct tg_plan *plan = random_plan((size_t) i % 4);
        struct tg_stage_worst *worst;
        struct slow m;
        cr_assert_eq(tg_plan_worst(plan, &worst, NULL), 0);
        drive(plan, &m);
        for (size_t s = 0; s < plan->n_stages; s++) {
            cr_assert_leq(m.most[s], worst[s].hosts, "plan %d, stage %zu: %zu were down, at most %zu may be", i, s, m.most[s], worst[s].hosts);
            bool waves = plan->stages[s].bake_ms && plan->around[1].what == TG_AROUND_DRAIN;
            if (plan->n_limits < 2 && !(waves && plan->n_limits))
                cr_assert_eq(m.most[s], worst[s].hosts, "plan %d, stage %zu: %zu were down, %zu are told", i, s, m.most[s], worst[s].hosts);
        }
        release(&m);
        free(worst);
        tg_plan_free(plan);
    }
}

/* ---- presets ---- */

static const char fleet[] = "groups:\n  all: {hosts: \"h[000-299]\", attrs: {role: web}}\nhosts:\n  \"h[000-099]\": {attrs: {az: a}}\n  \"h[100-299]\": {attrs: {az: b}}\n";

static struct tg_plan *preset_plan(const char *stages, const char *around)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_rollout *rollout = NULL;
    struct tg_inventory *inventory = NULL;
    struct tg_plan *plan = NULL;
    char text[1000];

    snprintf(text, sizeof text, "rollout: x\nchange: {puppet: {environment: production}}\ntargets: '*'\nstages: %s\nlimits: {running: 7, unverified: 12, domains: {az: 5%%}}\nfailure: {failed: 3}\n%s", stages, around);
    cr_assert_eq(tg_rollout_parse("x.yaml", text, strlen(text), &p, &rollout, &e), 0, "%s: %s", stages, p.n ? p.list[0].error.message : e.message);
    cr_assert_eq(tg_inventory_parse_yaml("fleet.yaml", fleet, strlen(fleet), &p, &inventory, &e), 0, "%s", e.message);
    cr_assert_eq(tg_plan_compile(rollout, inventory, "local", &p, &plan, &e), 0, "%s: %s", stages, p.n ? p.list[0].error.message : e.message);
    tg_rollout_free(rollout);
    tg_inventory_free(inventory);
    tg_problems_release(&p);
    return plan;
}

Test(plan_worst, is_true_of_every_preset)
{
    static const char *const presets[] = {"rolling", "one-some-many", "canary", "{canary: {bake: 1m}}", "shards", "maintenance-week", "{risk: {attr: az, order: [a, b]}}", "[{name: a, until: 50%, rate: 2/s, bake: 1m}, {name: b, approve: true}]"};
    static const char *const around[] = {"", "around: [lock, {drain: {haproxy: {socket: /run/lb.sock, backend: web, server: '{host}'}}}]\n"};

    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        for (size_t k = 0; k < sizeof around / sizeof around[0]; k++) {
            struct tg_plan *plan = preset_plan(presets[i], around[k]);
            struct tg_stage_worst *worst;
            struct slow m;
            cr_assert_eq(tg_plan_worst(plan, &worst, NULL), 0);
            drive(plan, &m);
            for (size_t s = 0; s < plan->n_stages; s++)
                cr_assert_eq(m.most[s], worst[s].hosts, "%s, stage %s: %zu were down, %zu are told", presets[i], plan->stages[s].name, m.most[s], worst[s].hosts);
            release(&m);
            free(worst);
            tg_plan_free(plan);
        }
}

Test(plan_worst, hosts_that_are_out_before_come_on_top_of_nobody)
{
    struct tg_plan *plan = test_plan(&(struct test_stage) {.count = 5}, 1, 3, 0);
    struct tg_stage_worst *worst;

    plan->mends = strdup("bad-1");
    cr_assert_eq(tg_plan_worst(plan, &worst, NULL), 0);
    cr_expect_eq(worst[0].hosts, 0);
    free(worst);
    tg_plan_free(plan);
}
