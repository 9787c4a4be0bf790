/* The worst moment of each stage: see plan_worst.h. */
#include "engine/plan_worst.h"

#include "engine/run_internal.h"

#include <stdlib.h>
#include <string.h>

/* How many of a stage may be out by everything but domains. */
static size_t by_numbers(const struct tg_plan *plan, const struct tg_plan_stage *s)
{
    size_t unverified = (size_t) plan->unverified;
    bool all = plan->withdraws || (s->bake_ms > 0 && tg_around_drains(plan)); /* they stay, or bake together */

    return s->dry_run || plan->mends ? 0 : all || s->count < unverified ? s->count : unverified;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* By one limit: its domains as full as they may be, and whoever is in none. members: of each domain of the plan, hosts of the stage. */
static size_t by_limit(const struct tg_plan *plan, const struct tg_plan_stage *s, size_t limit, const uint32_t *members)
{
    size_t out = 0, in_one = 0;

    for (size_t d = 0; d < plan->n_domains; d++) {
        if (plan->domains[d].limit != limit)
            continue;
        out += least(members[d], plan->domains[d].max);
        in_one += members[d];
    }
    return out + s->count - in_one;
}

static void find_domain(const struct tg_plan *plan, const uint32_t *members, struct tg_stage_worst *w)
{
    w->domain = TG_NO_DOMAIN;
    for (size_t d = 0; d < plan->n_domains; d++) {
        size_t n = least(least(members[d], plan->domains[d].max), w->hosts);
        if (n && (w->domain == TG_NO_DOMAIN || (uint64_t) n * plan->domains[w->domain].n_hosts > (uint64_t) w->in_domain * plan->domains[d].n_hosts)) {
            w->domain = d;
            w->in_domain = n;
        }
    }
}

static void count_members(const struct tg_plan *plan, const struct tg_plan_stage *s, uint32_t *members)
{
    memset(members, 0, plan->n_domains * sizeof *members);
    for (size_t i = s->first * plan->n_limits; i < (s->first + s->count) * plan->n_limits; i++)
        if (plan->domain_of[i] != TG_NO_DOMAIN)
            members[plan->domain_of[i]]++;
}

int tg_plan_worst(const struct tg_plan *plan, struct tg_stage_worst **out, struct tg_error *e)
{
    struct tg_stage_worst *worst = calloc(plan->n_stages + 1, sizeof *worst);
    uint32_t *members = calloc(plan->n_domains + 1, sizeof *members);

    if (!worst || !members) {
        free(worst);
        free(members);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < plan->n_stages; i++) {
        const struct tg_plan_stage *s = &plan->stages[i];
        worst[i] = (struct tg_stage_worst) {.hosts = by_numbers(plan, s), .domain = TG_NO_DOMAIN};
        if (!worst[i].hosts || !plan->n_limits)
            continue;
        count_members(plan, s, members);
        for (size_t l = 0; l < plan->n_limits; l++)
            worst[i].hosts = least(worst[i].hosts, by_limit(plan, s, l, members));
        find_domain(plan, members, &worst[i]);
    }
    free(members);
    *out = worst;
    return 0;
}
