/* A plan of any shape, of a few hosts. See sim.h. */
#include "engine/plan_internal.h"
#include "engine/withdraw.h"
#include "fleet/shard.h"
#include "lib/plan.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static struct test_stage random_stage(struct rng *r, size_t count, bool dry_run, int64_t bake_ms)
{
    static const struct tg_rate rates[] = {{1, 1000}, {4, 60000}, {20, 1000}};
    struct test_stage s = {.count = count, .dry_run = dry_run, .bake_ms = bake_ms};

    if (rng_chance(r, 30))
        s.rate = rates[rng_below(r, 3)];
    return s;
}

/* Days of a few hundred milliseconds: world_hours() tells when they are. */
static void random_hours(struct rng *r, struct tg_plan *plan)
{
    int64_t day = 1;

    plan->hours = (struct tg_hours) {.days = TG_HOURS_ALL_DAYS, .from_min = (int) rng_below(r, WORLD_DAYS_MAX), .until_min = 1440, .zone = "UTC"};
    for (size_t i = 0; i < plan->n_stages; i++) {
        day += (int64_t) rng_below(r, 3);
        plan->stages[i].day = rng_chance(r, 50) ? day : 0;
        plan->stages[i].spread_ms = rng_chance(r, 30) ? 20 + (int64_t) rng_below(r, 2000) : 0;
    }
}

static struct tg_bounds random_bounds(struct rng *r)
{
    static const struct tg_share shares[] = {{TG_SHARE_COUNT, 0}, {TG_SHARE_COUNT, 1}, {TG_SHARE_PERCENT, 25000}, {TG_SHARE_PERCENT, 50000}};
    struct tg_bounds b = {.of_at_least = (int64_t) rng_below(r, 3)};

    if (rng_chance(r, 20))
        b.failed = shares[rng_below(r, 4)];
    if (rng_chance(r, 20))
        b.unreachable = shares[rng_below(r, 4)];
    return b;
}

static int by_hash(const void *a, const void *b)
{
    uint64_t x = tg_shard_hash(((const struct tg_plan_host *) a)->name), y = tg_shard_hash(((const struct tg_plan_host *) b)->name);

    return (x > y) - (x < y);
}

/* Some stages are spread over windows: their hosts stand as the compiler puts them. */
static void random_spreads(struct rng *r, struct tg_plan *plan)
{
    for (size_t i = 0; i < plan->n_stages; i++) {
        plan->stages[i].over_window = rng_chance(r, 30);
        if (plan->stages[i].over_window)
            qsort(plan->hosts + plan->stages[i].first, plan->stages[i].count, sizeof *plan->hosts, by_hash);
    }
}

/* Windows that open each minute, and hosts that need a part of them. */
static void random_windows(struct sim *s, struct tg_plan *plan)
{
    struct tg_error e = TG_ERROR_INIT;

    plan->estimate_ms = 500 + (int64_t) rng_below(&s->rng, 3000);
    s->site = sim_site(1 + rng_below(&s->rng, 2), plan->n_targets, &e);
    must(s, e.code, &e, "calendar");
    must(s, tg_plan_windows_compile(plan, s->site->inventory, s->site->agenda, "UTC", &e), &e, "windows");
}

struct tg_plan *random_plan(struct sim *s)
{
    struct rng *r = &s->rng;
    struct test_stage stages[4];
    size_t n = 0;

    if (rng_chance(r, 30))
        stages[n++] = random_stage(r, 1 + rng_below(r, 3), true, 0);
    if (rng_chance(r, 60))
        stages[n++] = random_stage(r, 1, false, rng_chance(r, 50) ? 1000 : 0);
    stages[n++] = random_stage(r, 1 + rng_below(r, 6), false, rng_chance(r, 30) ? 2000 : 0);
    if (rng_chance(r, 30))
        stages[n++] = random_stage(r, 1 + rng_below(r, 4), false, 0);
    struct tg_plan *plan = test_plan(stages, n, 1 + (int64_t) rng_below(r, 3), (int64_t) rng_below(r, 4));
    bool windows = rng_chance(r, 18);
    if (windows)
        random_spreads(r, plan);
    plan->unverified += (int64_t) rng_below(r, 4);
    plan->retries = rng_chance(r, 40) ? 1 + (int64_t) rng_below(r, 3) : 0;
    plan->retry_wait_ms = 1000;
    plan->decide_ms = rng_chance(r, 30) ? 1000 + (int64_t) rng_below(r, 60000) : 0;
    plan->give_up_ms = rng_chance(r, 30) ? 1000 + (int64_t) rng_below(r, 60000) : 0;
    plan->rollback = rng_chance(r, 50) ? json_object() : NULL;
    for (size_t i = 0; i < n; i++)
        plan->stages[i].policy = (struct tg_stage_policy) {.approve = rng_chance(r, 20), .bears = random_bounds(r)};
    plan->unreachable = random_bounds(r).unreachable;
    for (uint64_t limits = rng_below(r, 3); limits; limits--)
        test_plan_limit(plan, limits == 1 ? TG_LIMIT_DOMAIN : TG_LIMIT_FLOOR, 1 + (uint32_t) rng_below(r, 4), 1 + (uint32_t) rng_below(r, 2), rng_below(r, 5));
    test_plan_around(plan, rng_below(r, 4), rng_chance(r, 40) ? 14 : (unsigned) rng_below(r, 16));
    if (rng_chance(r, 25))
        random_hours(r, plan);
    if (tg_withdraw_is_possible(plan) && rng_chance(r, 80))
        plan->then = TG_THEN_WITHDRAW;
    if (windows)
        random_windows(s, plan);
    return plan;
}
