/* Plans that somebody has edited and sealed anew: the digest matches, and they are refused all the same. P5 */
#include "config/yaml.h"
#include "engine/plan_internal.h"
#include "fleet/inventory.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct tg_plan *plan_of(void)
{
    static const char hosts[] = "groups: {web: {hosts: \"web[1-6]\", attrs: {rack: a}}}\n";
    static const char text[] =
        "rollout: r\nchange: {puppet: {environment: production}}\ntargets: '*'\nhours: {days: Mon-Fri, from: '09:00', "
        "until: '16:00'}\n"
        "stages: [{name: look, dry-run: true}, {name: first, count: 2, bake: 1m, rate: 1/s, day: 1}, {name: rest}]\n"
        "limits: {running: 2, domains: {rack: 3}}\nrollback: {puppet: {environment: old}}\n"
        "failure: {failed: 50%, decide-by: 1h, give-up-by: 1h, retries: {unreachable: 2}}\nverify: [{tcp: "
        "'{host}:22'}]\nestimate: 10s\n";
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_inventory *inventory = NULL;
    struct tg_rollout *rollout = NULL;
    struct tg_plan *plan = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_inventory_parse_yaml("fleet.yaml", hosts, strlen(hosts), &p, &inventory, &e), 0, "%s", e.message);
    cr_assert_eq(tg_rollout_parse("r.yaml", text, strlen(text), &p, &rollout, &e), 0, "%s",
                 p.n ? p.list[0].error.message : e.message);
    cr_assert_eq(tg_plan_compile(rollout, inventory, NULL, &p, &plan, &e), 0, "%s",
                 p.n ? p.list[0].error.message : e.message);
    tg_rollout_free(rollout);
    tg_inventory_free(inventory);
    return plan;
}

static void put(char **slot, const char *text)
{
    free(*slot);
    *slot = strdup(text);
}

/* As a file would be, whose digest somebody has computed anew. */
static void is_refused(struct tg_plan *plan, const char *why)
{
    struct tg_plan *back = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_plan_seal(plan, &e), 0);
    json_t *json = tg_plan_to_json(plan, &e);
    cr_assert(json);
    cr_expect_eq(tg_plan_from_json(json, &back, &e), TG_E_DATA, "taken: %s", why);
    cr_expect(strstr(e.message, "the plan is damaged: ") == e.message && strstr(e.message, why), "%s: %s", why,
              e.message);
    json_decref(json);
    tg_plan_free(back);
    tg_plan_free(plan);
}

Test(plan_bounds, what_was_compiled_is_taken)
{
    struct tg_plan *plan = plan_of(), *back = NULL;
    struct tg_error e = TG_ERROR_INIT;
    json_t *json = tg_plan_to_json(plan, &e);

    cr_assert_eq(tg_plan_from_json(json, &back, &e), 0, "%s", e.message);
    json_decref(json);
    tg_plan_free(back);
    tg_plan_free(plan);
}

/* In two changing stages, in one twice, in a dry-run twice. The dry-run has the hosts 0 to 5, first 6 and 7, rest the
 * others. */
Test(plan_bounds, no_host_is_changed_twice)
{
    struct tg_plan *plan = plan_of();
    put(&plan->hosts[8].name, plan->hosts[6].name);
    is_refused(plan, "it would change twice the host web1");
    plan = plan_of();
    put(&plan->hosts[7].name, plan->hosts[6].name);
    is_refused(plan, "it would change twice the host web1");
    plan = plan_of();
    put(&plan->hosts[1].name, plan->hosts[0].name);
    is_refused(plan, "a stage has twice the host web1");
}

Test(plan_bounds, no_time_and_no_number_can_overflow)
{
    static const int64_t far[] = {INT64_MAX, INT64_MAX / 2, INT64_C(1) << 40};

    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        struct tg_plan *plan = plan_of();
        plan->stages[1].bake_ms = far[i];
        is_refused(plan, "out of its range in stage first");
        plan = plan_of();
        plan->stages[1].day = far[i];
        is_refused(plan, "out of its range in stage first");
        plan = plan_of();
        plan->decide_ms = far[i];
        is_refused(plan, "a time");
        plan = plan_of();
        plan->give_up_ms = far[i];
        is_refused(plan, "a time");
        plan = plan_of();
        plan->retry_wait_ms = far[i];
        is_refused(plan, "a time");
        plan = plan_of();
        plan->estimate_ms = far[i];
        is_refused(plan, "a time");
        plan = plan_of();
        plan->verify[0].within_ms = far[i];
        is_refused(plan, "a time of verify");
        plan = plan_of();
        plan->running = plan->unverified = far[i];
        is_refused(plan, "running");
        plan = plan_of();
        plan->n_targets = (size_t) far[i];
        is_refused(plan, "more hosts than there can be");
        plan = plan_of();
        plan->of_at_least = far[i];
        is_refused(plan, "more hosts than there can be");
    }
}

Test(plan_bounds, names_are_words)
{
    static const char *const bad[] = {
        "",        "-x",   "a/b", "..",
        "\033[2J", "Rest", "x y", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_plan *plan = plan_of();
        put(&plan->name, bad[i]);
        is_refused(plan, "the rollout's name is no word");
        plan = plan_of();
        put(&plan->stages[2].name, bad[i]);
        is_refused(plan, "the name of a stage is no word");
        if (!bad[i][0] || strlen(bad[i]) > 63)
            continue;
        plan = plan_of();
        put(&plan->undoes, bad[i]);
        is_refused(plan, "what it undoes or mends is no run");
    }
    struct tg_plan *plan = plan_of();
    put(&plan->stages[2].name, "first");
    is_refused(plan, "two stages are called first");
}
