/*
 * What a plan may say: the bounds that rollouts are held to, once more. A plan that was edited and sealed anew has a
 * digest that matches, and must be as impossible to act on wrongly: each host changed once, nothing that time or a sum
 * could overflow, names that are names. See plan_internal.h.
 */
#include "base/index.h"
#include "engine/plan_internal.h"
#include "engine/rollout_internal.h"

#include <string.h>

#define RUN_ID_MAX 200 /* of what a plan undoes or mends; the journal has its own, smaller bound */
#define HOSTS_MAX                                                                                                      \
    10000000 /* ten times the largest inventory: what shares are shares of, times 100,000, is a number still */

static int damaged(struct tg_error *e, const char *what, const char *name)
{
    return tg_fail(e, TG_E_DATA, "the plan is damaged: %s%s%.80s", what, name ? " " : "", name ? name : "");
}

static bool is_word(const char *text, size_t max)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return len > 0 && len <= max && !text[len] && text[0] != '-';
}

static bool is_below(int64_t value, int64_t max)
{
    return value >= 0 && value <= max;
}

static int check_numbers(const struct tg_plan *plan, struct tg_error *e)
{
    if (plan->running > TG_RUNNING_MAX || plan->unverified > TG_RUNNING_MAX)
        return damaged(e, "running or unverified is more than 100000", NULL);
    if (plan->n_targets > HOSTS_MAX || plan->n_left > HOSTS_MAX || plan->n_hosts > HOSTS_MAX ||
        plan->of_at_least > HOSTS_MAX)
        return damaged(e, "more hosts than there can be", NULL);
    if (!is_below(plan->estimate_ms, TG_ESTIMATE_MAX_MS) || !is_below(plan->decide_ms, TG_DECIDE_MAX_MS) ||
        !is_below(plan->give_up_ms, TG_DECIDE_MAX_MS) || !is_below(plan->retry_wait_ms, TG_RETRY_WAIT_MAX_MS) ||
        !is_below(plan->retries, TG_RETRIES_MAX))
        return damaged(e, "a time, or how often it is tried again, is out of its range", NULL);
    for (size_t i = 0; i < plan->n_verify; i++)
        if (!is_below(plan->verify[i].within_ms, TG_VERIFY_MAX_MS) ||
            !is_below(plan->verify[i].after_ms, TG_VERIFY_MAX_MS))
            return damaged(e, "a time of verify is out of its range", NULL);
    return 0;
}

/* Bakes of stages are added up; day counts days one by one. */
static int check_stage(const struct tg_plan *plan, size_t i, struct tg_error *e)
{
    const struct tg_plan_stage *s = &plan->stages[i];

    if (!is_word(s->name, TG_WORD_MAX))
        return damaged(e, "the name of a stage is no word", NULL);
    for (size_t k = 0; k < i; k++)
        if (strcmp(plan->stages[k].name, s->name) == 0)
            return damaged(e, "two stages are called", s->name);
    if (s->bake_ms > TG_BAKE_MAX_MS || s->day > TG_DAY_MAX || s->policy.bears.of_at_least > HOSTS_MAX)
        return damaged(e, "a number is out of its range in stage", s->name);
    return 0;
}

static bool is_same(const void *array, size_t at, const void *key)
{
    return strcmp(((const struct tg_plan_host *) array)[at].name, key) == 0;
}

/* P5: no host is in two changing stages, nor in any stage twice: it would be changed twice, and at once. */
static int add_hosts(const struct tg_plan *plan, const struct tg_plan_stage *s, struct tg_index *seen,
                     struct tg_error *e)
{
    size_t at;

    for (size_t i = s->first; i < s->first + s->count; i++) {
        uint32_t hash = tg_index_hash(plan->hosts[i].name);
        if (tg_index_find(seen, hash, is_same, plan->hosts, plan->hosts[i].name, &at))
            return damaged(e, s->dry_run ? "a stage has twice the host" : "it would change twice the host",
                           plan->hosts[i].name);
        if (tg_index_add(seen, hash, i))
            return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    return 0;
}

static int check_hosts(const struct tg_plan *plan, struct tg_error *e)
{
    struct tg_index changed = TG_INDEX_INIT;
    int rc = 0;

    for (size_t i = 0; !rc && i < plan->n_stages; i++) {
        struct tg_index of_stage = TG_INDEX_INIT;
        rc = add_hosts(plan, &plan->stages[i], plan->stages[i].dry_run ? &of_stage : &changed, e);
        tg_index_release(&of_stage);
    }
    tg_index_release(&changed);
    return rc;
}

int tg_plan_bounds(const struct tg_plan *plan, struct tg_error *e)
{
    int rc = check_numbers(plan, e);

    if (!rc && !is_word(plan->name, TG_WORD_MAX))
        rc = damaged(e, "the rollout's name is no word", NULL);
    if (!rc &&
        ((plan->undoes && !is_word(plan->undoes, RUN_ID_MAX)) || (plan->mends && !is_word(plan->mends, RUN_ID_MAX))))
        rc = damaged(e, "what it undoes or mends is no run", NULL);
    if (!rc && (plan->n_stages < 1 || plan->n_stages > TG_STAGES_MAX))
        rc = damaged(e, "it has no stage, or too many", NULL);
    for (size_t i = 0; !rc && i < plan->n_stages; i++)
        rc = check_stage(plan, i, e);
    return rc ? rc : check_hosts(plan, e);
}
