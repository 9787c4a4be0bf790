/* What a plan says of approval and failure, as JSON: see plan.h. */
#include "engine/plan_internal.h"

#include <limits.h>
#include <string.h>

static json_t *share_json(const struct tg_share *share)
{
    char text[32];

    tg_share_format(share, text, sizeof text);
    return json_string(text);
}

/* "": nothing is said. */
static bool share_read(const char *text, struct tg_share *out)
{
    *out = (struct tg_share) {.kind = TG_SHARE_UNSET};
    return !text[0] || tg_share_parse(text, out);
}

json_t *tg_stage_policy_json(const struct tg_stage_policy *p)
{
    return json_pack("{s:b,s:o,s:o,s:I}", "approve", (int) p->approve, "failed", share_json(&p->bears.failed), "unreachable",
                     share_json(&p->bears.unreachable), "of_at_least", (json_int_t) p->bears.of_at_least);
}

int tg_stage_policy_read(const json_t *json, struct tg_stage_policy *out, struct tg_error *e)
{
    struct tg_stage_policy p = {.approve = false};
    const char *failed, *unreachable;
    json_int_t of_at_least;
    int approve;

    if (json_unpack((json_t *) json, "{s:b,s:s,s:s,s:I!}", "approve", &approve, "failed", &failed, "unreachable", &unreachable, "of_at_least", &of_at_least) ||
        !share_read(failed, &p.bears.failed) || !share_read(unreachable, &p.bears.unreachable) || of_at_least < 0)
        return tg_fail(e, TG_E_DATA, "the plan is damaged: the policy of a stage");
    p.approve = approve;
    p.bears.of_at_least = of_at_least;
    *out = p;
    return 0;
}

static const char *const thens[] = {[TG_THEN_HALT] = "halt", [TG_THEN_ROLLBACK] = "rollback", [TG_THEN_WITHDRAW] = "withdraw"};

static int then_of(const char *word)
{
    for (int i = 0; i <= TG_THEN_WITHDRAW; i++)
        if (strcmp(word, thens[i]) == 0)
            return i;
    return -1;
}

json_t *tg_plan_policy_json(const struct tg_plan *plan)
{
    return json_pack("{s:o,s:I,s:I,s:I,s:I,s:s,s:O?,s:s?,s:b,s:s*}", "unreachable", share_json(&plan->unreachable), "retries", (json_int_t) plan->retries, "retry_wait_ms",
                     (json_int_t) plan->retry_wait_ms, "decide_ms", (json_int_t) plan->decide_ms, "give_up_ms", (json_int_t) plan->give_up_ms, "then", thens[plan->then], "rollback", plan->rollback, "undoes",
                     plan->undoes, "withdraws", (int) plan->withdraws, "mends", plan->mends);
}

/* null is none. */
static int take_way_back(const json_t *rollback, const json_t *undoes, struct tg_plan *plan, struct tg_error *e)
{
    const char *id = json_string_value(undoes);

    if (!json_is_null(undoes) && (!id || !id[0]))
        return tg_fail(e, TG_E_DATA, "the plan is damaged: what it undoes");
    plan->rollback = json_is_null(rollback) ? NULL : json_incref((json_t *) rollback);
    if (plan->then == TG_THEN_ROLLBACK && !plan->rollback)
        return tg_fail(e, TG_E_DATA, "the plan is damaged: it has no way back");
    if (plan->withdraws && !id)
        return tg_fail(e, TG_E_DATA, "the plan is damaged: whose hosts it withdraws");
    plan->undoes = id ? strdup(id) : NULL;
    return id && !plan->undoes ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

int tg_plan_policy_read(const json_t *json, struct tg_plan *plan, struct tg_error *e)
{
    const char *unreachable, *then, *mends = NULL;
    json_t *rollback, *undoes;
    json_int_t decide_ms, give_up_ms, retries, retry_wait_ms;
    int withdraws;

    if (json_unpack((json_t *) json, "{s:s,s:I,s:I,s:I,s:I,s:s,s:o,s:o,s:b,s?s!}", "unreachable", &unreachable, "retries", &retries, "retry_wait_ms", &retry_wait_ms, "decide_ms",
                    &decide_ms, "give_up_ms", &give_up_ms, "then", &then, "rollback", &rollback, "undoes", &undoes, "withdraws", &withdraws, "mends", &mends) ||
        !share_read(unreachable, &plan->unreachable) || decide_ms < 0 || give_up_ms < 0 || retries < 0 || retries > INT_MAX || retry_wait_ms < 0 || then_of(then) < 0)
        return tg_fail(e, TG_E_DATA, "the plan is damaged: its policy");
    plan->decide_ms = decide_ms;
    plan->give_up_ms = give_up_ms;
    plan->retries = retries;
    plan->retry_wait_ms = retry_wait_ms;
    plan->then = (enum tg_then) then_of(then);
    plan->withdraws = withdraws;
    if (mends && (!mends[0] || withdraws))
        return tg_fail(e, TG_E_DATA, "the plan is damaged: whose hosts it mends");
    plan->mends = mends ? strdup(mends) : NULL;
    if (mends && !plan->mends)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    return take_way_back(rollback, undoes, plan, e);
}
