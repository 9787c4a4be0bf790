/* What a plan says of approval and failure, as JSON: see plan.h. */
#include "engine/plan_internal.h"

json_t *tg_stage_policy_json(const struct tg_stage_policy *p)
{
    return json_pack("{s:b}", "approve", p->approve);
}

int tg_stage_policy_read(const json_t *json, struct tg_stage_policy *out, struct tg_error *e)
{
    int approve;

    if (json_unpack((json_t *) json, "{s:b!}", "approve", &approve))
        return tg_fail(e, TG_E_DATA, "the plan is damaged: the policy of a stage");
    *out = (struct tg_stage_policy) {.approve = approve};
    return 0;
}
