/* A plan by hand, for tests of the run: hosts h0, h1, … in stages of the sizes given. */
#ifndef TESTS_LIB_PLAN_H
#define TESTS_LIB_PLAN_H

#include "engine/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_stage {
    size_t count;
    bool dry_run;
    int64_t bake_ms;
    struct tg_rate rate;
};

static inline struct tg_plan *test_plan(const struct test_stage *stages, size_t n_stages, int64_t running, int64_t failed)
{
    struct tg_plan *plan = calloc(1, sizeof *plan);
    size_t changing = 0;
    char name[40];

    memset(plan->digest, 'a', sizeof plan->digest - 1);
    plan->name = strdup("test");
    plan->driver = strdup("simulated");
    plan->change = json_object();
    plan->transport = strdup("simulated");
    plan->targets = strdup("*");
    plan->running = plan->unverified = running;
    plan->failed = (struct tg_share) {TG_SHARE_COUNT, failed};
    plan->stages = calloc(n_stages, sizeof *plan->stages);
    plan->n_stages = n_stages;
    for (size_t i = 0; i < n_stages; i++)
        plan->n_hosts += stages[i].count;
    plan->hosts = calloc(plan->n_hosts, sizeof *plan->hosts);
    size_t h = 0;
    for (size_t i = 0; i < n_stages; i++) {
        snprintf(name, sizeof name, "stage%zu", i);
        plan->stages[i] = (struct tg_plan_stage) {.name = strdup(name), .first = h, .count = stages[i].count, .dry_run = stages[i].dry_run,
                                                 .bake_ms = stages[i].bake_ms, .rate = stages[i].rate};
        size_t dry = 0; /* a dry stage asks hosts that a later one changes */
        for (size_t k = 0; k < stages[i].count; k++, h++) {
            snprintf(name, sizeof name, "h%zu", stages[i].dry_run ? dry++ : changing++);
            plan->hosts[h].name = strdup(name);
        }
    }
    plan->n_targets = changing;
    return plan;
}

/* One limit more, of n domains in each of which max hosts may be down: hosts to be changed are in one after another; each every-th is in none (0: none of them). */
static inline void test_plan_limit(struct tg_plan *plan, enum tg_limit_kind kind, uint32_t n, uint32_t max, size_t every)
{
    size_t old = plan->n_limits, width = old + 1, changing = 0;
    uint32_t *of = calloc(plan->n_hosts * width + 1, sizeof *of);
    char name[40];

    plan->limits = realloc(plan->limits, width * sizeof *plan->limits);
    snprintf(name, sizeof name, "attr%zu", old);
    plan->limits[old] = (struct tg_plan_limit) {.kind = kind, .name = strdup(name), .share = {TG_SHARE_COUNT, max}};
    plan->n_limits = width;
    plan->domains = realloc(plan->domains, (plan->n_domains + n) * sizeof *plan->domains);
    for (size_t s = 0; s < plan->n_stages; s++)
        for (size_t i = plan->stages[s].first; i < plan->stages[s].first + plan->stages[s].count; i++) {
            if (old)
                memcpy(&of[i * width], &plan->domain_of[i * old], old * sizeof *of);
            bool none = plan->stages[s].dry_run || (every && changing % every == every - 1);
            of[i * width + old] = none ? TG_NO_DOMAIN : (uint32_t) plan->n_domains + (uint32_t) (changing % n);
            changing += !plan->stages[s].dry_run;
        }
    for (uint32_t d = 0; d < n; d++) {
        snprintf(name, sizeof name, "r%u", d);
        plan->domains[plan->n_domains++] = (struct tg_plan_domain) {(uint32_t) old, 1000, max, strdup(name)};
    }
    free(plan->domain_of);
    plan->domain_of = of;
}

/* n steps of around behind the lock; bits of drains: those that take the host out of service. */
static inline void test_plan_around(struct tg_plan *plan, size_t n, unsigned drains)
{
    plan->around = calloc(n + 1, sizeof *plan->around);
    plan->n_around = n + 1;
    for (size_t i = 1; i <= n; i++)
        plan->around[i] = (struct tg_around) {.kind = TG_AROUND_MODULE, .what = drains >> i & 1U ? TG_AROUND_DRAIN : TG_AROUND_SILENCE, .module = strdup("simulated"),
                                              .params = json_object()};
}

#endif
