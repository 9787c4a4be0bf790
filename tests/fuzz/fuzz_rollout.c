/*
 * Rollouts: whatever the bytes, no crash; what is read compiles or says why, and a plan survives the way through JSON with its digest.
 * The modules must be beside it (modules/), or no driver is found and nothing past the first half is reached.
 */
#include "config/problems.h"
#include "engine/plan_text.h"
#include "fleet/inventory.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tg_inventory *fleet(void)
{
    static const char text[] = "groups:\n  web: {hosts: \"web[1-6]\"}\n  db: {hosts: \"db[1-2]\", attrs: {role: db}}\n"
                               "hosts: {db1: {address: 127.0.0.1, port: 2222}}\n";
    static struct tg_inventory *inventory;
    struct tg_problems p = TG_PROBLEMS_INIT;

    if (!inventory && tg_inventory_parse_yaml("fleet.yaml", text, strlen(text), &p, &inventory, NULL))
        abort();
    return inventory;
}

static void check_plan(const struct tg_plan *plan)
{
    struct tg_plan *back = NULL;
    struct tg_buf text = TG_BUF_INIT;
    json_t *json = tg_plan_to_json(plan, NULL);
    size_t covered = 0;

    for (size_t i = 0; i < plan->n_stages; i++) {
        if (plan->stages[i].first != covered)
            abort();
        covered += plan->stages[i].count;
    }
    if (covered != plan->n_hosts || tg_plan_from_json(json, &back, NULL) || strcmp(back->digest, plan->digest) != 0)
        abort();
    tg_plan_text(plan, INT64_C(1795356000000), 80, 80, &text, NULL);
    tg_buf_release(&text);
    tg_plan_free(back);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_rollout *rollout = NULL;
    struct tg_plan *plan = NULL;
    struct tg_buf text = TG_BUF_INIT;

    if (!tg_rollout_parse("fuzz.yaml", (const char *) data, size, &p, &rollout, NULL) &&
        !tg_plan_compile(rollout, fleet(), NULL, &p, &plan, NULL))
        check_plan(plan);
    else if (tg_problems_count(&p))
        tg_problems_text(&p, &text);
    tg_buf_release(&text);
    tg_problems_release(&p);
    tg_plan_free(plan);
    tg_rollout_free(rollout);
    return 0;
}
