/* What a plan says of approval and failure, as JSON: see plan.h. */
#include "engine/plan_internal.h"

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

json_t *tg_plan_policy_json(const struct tg_plan *plan)
{
    return json_pack("{s:o}", "unreachable", share_json(&plan->unreachable));
}

int tg_plan_policy_read(const json_t *json, struct tg_plan *plan, struct tg_error *e)
{
    const char *unreachable;

    if (json_unpack((json_t *) json, "{s:s!}", "unreachable", &unreachable) || !share_read(unreachable, &plan->unreachable))
        return tg_fail(e, TG_E_DATA, "the plan is damaged: its policy");
    return 0;
}
