/* tagout approve: says yes to what waits for it: a stage of a run. */
#include "cli/commands.h"
#include "cli/steering.h"
#include "config/site.h"

#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "What you have looked at: it stands in the journal"},
    {.name = NULL},
};

/* A person is who he is on every machine: alice@ops1 is no second person for alice@ops2. */
static bool same_person(const char *a, const char *b)
{
    size_t n = strcspn(a, "@");

    return n == strcspn(b, "@") && strncmp(a, b, n) == 0;
}

static int may_approve(const struct tg_frame *f, const char *what, const char *made_by, const struct tg_steering *words, struct tg_error *e)
{
    if (!f->config->run_approval || !same_person(made_by, words->by))
        return 0;
    tg_fail(e, TG_E_PERM, "%s is %s's own, and this site wants a second person to approve it", what, made_by);
    tg_error_hint(e, "somebody else types the same");
    return TG_E_PERM;
}

/* ---- a stage of a run ---- */

static bool wants_approval(const struct tg_run *run, const struct tg_run_control *c, size_t i)
{
    const struct tg_plan_stage *p = &run->plan->stages[i];

    return p->policy.approve && p->count && !run->stages[i].approved && !tg_control_approval(c, p->name);
}

/* The one that is named, or the next that wants it. *out is n_stages when it is approved already. */
static int find_stage(const struct tg_run *run, const struct tg_run_control *c, const char *id, const char *name, size_t *out, struct tg_error *e)
{
    const struct tg_plan *plan = run->plan;
    size_t i = 0;

    while (i < plan->n_stages && (name ? strcmp(plan->stages[i].name, name) != 0 : !wants_approval(run, c, i)))
        i++;
    *out = i;
    if (i == plan->n_stages && name) {
        tg_fail(e, TG_E_USAGE, "run %s has no stage \"%.64s\"", id, name);
        tg_error_hint(e, "tagout status %s shows them", id);
        return TG_E_USAGE;
    }
    if (i == plan->n_stages)
        return tg_fail(e, TG_E_FAILED, "no stage of run %s waits for an approval, or will", id);
    if (!plan->stages[i].policy.approve)
        return tg_fail(e, TG_E_FAILED, "stage %s of run %s needs no approval", name, id);
    if (!wants_approval(run, c, i))
        *out = plan->n_stages;
    return 0;
}

static int may_move(const struct tg_run *run, const struct tg_run_control *c, const char *id, struct tg_error *e)
{
    if (run->state != TG_RUN_ENDED && !c->abort.wanted && !run->halted)
        return 0;
    tg_fail(e, TG_E_FAILED, "run %s %s: it opens no stage any more", id, run->state == TG_RUN_ENDED ? "has ended" : run->halted ? "is halted" : "is aborted");
    tg_error_hint(e, "look at it: tagout status %s", id);
    return TG_E_FAILED;
}

static int say_stage(struct tg_frame *f, const char *id, const char *stage, bool was, bool waits, struct tg_error *e)
{
    struct tg_steered s;
    int rc = tg_steering_seat(f, id, &s, e);

    if (rc)
        return rc;
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:s,s:b,s:b,s:b}", "run", id, "stage", stage, "approved", 1, "was", was, "driven", s.driven), e);
    printf("%s stage %s of %s%s.\n", was ? "Approved already:" : "Approved:", stage, id, waits || was ? "" : "; its turn comes later");
    if (s.driven)
        printf("It is driven by %s. Watch: tagout status %s\n", s.seat, id);
    else
        printf("Nobody drives the run. To go on with it: tagout run --resume %s\n", id);
    return 0;
}

static int approve_stage(struct tg_frame *f, const struct tg_steering *words, struct tg_error *e)
{
    const char *id = f->argv[0], *name = f->argc > 1 ? f->argv[1] : NULL;
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    char stage[TG_CONTROL_STAGE_SIZE] = "";
    size_t i = 0;
    int rc = tg_journal_load(f->store, id, TG_STEERING_WAIT_MS, &j, &plan, &run, e);

    if (rc)
        return rc;
    rc = may_move(run, &j->control, id, e);
    if (!rc)
        rc = find_stage(run, &j->control, id, name, &i, e);
    bool was = !rc && i == plan->n_stages, waits = !rc && !was && run->stages[i].state == TG_STAGE_GATED;
    snprintf(stage, sizeof stage, "%s", rc || was ? name ? name : "" : plan->stages[i].name);
    if (!rc && !was)
        rc = may_approve(f, id, j->by, words, e);
    if (!rc && !was)
        rc = tg_run_approve(f->store, id, stage, &words->said, e);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return rc ? rc : say_stage(f, id, stage, was, waits, e);
}

static int approve_exec(struct tg_frame *f, struct tg_error *e)
{
    struct tg_steering words;
    int rc = tg_steering_words(f, &words, e);

    return rc ? rc : approve_stage(f, &words, e);
}

const struct tg_cmd tg_cmd_approve = {
    .name = "approve",
    .args = "RUN [STAGE]",
    .brief = "let a stage of a run begin that waits for somebody's word",
    .details = "A stage with approve: true waits until it is approved. Without STAGE the next one that wants it; one whose turn comes later can be named "
               "before. With runs: {approval: second-person} in tagout.yaml, whoever began the run can't approve it.",
    .examples = "  $ tagout approve openssl-20261122-1\n  $ tagout approve openssl-20261122-1 rest --reason \"canary looked at, graphs are flat\"\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 2,
    .needs = TG_NEED_STORE,
    .complete = "run",
    .exec = approve_exec,
};
