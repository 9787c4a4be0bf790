/* tagout approve: says yes to what waits for it: a stage of a run, or a plan that is to be run. */
#include "cli/commands.h"
#include "cli/guarding.h"
#include "cli/run_begin.h"
#include "cli/run_windows.h"
#include "cli/steering.h"
#include "config/site.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "What you have looked at: it stands in the journal"},
    {.name = "skip", .type = TG_OPT_FLAG, .text = "Of a run: go on without the hosts that wait for a window which is not known to come"},
    {.name = "for", .type = TG_OPT_DURATION, .arg = "TIME", .value = "24h", .text = "Of a plan: how long the approval stands"},
    {.name = NULL},
};

static int may_approve(const struct tg_frame *f, const char *what, const char *made_by, const struct tg_steering *words, struct tg_error *e)
{
    if (!f->config->run_approval || !tg_same_person(made_by, words->by))
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
    if (run->state == TG_RUN_ENDED)
        tg_fail(e, TG_E_FAILED, "run %s has ended, %s: nothing is left to approve", id, tg_run_end_name(tg_run_end(run)));
    else
        tg_fail(e, TG_E_FAILED, "run %s is %s: it opens no stage any more", id, run->halted ? "halted" : "aborted");
    tg_error_hint(e, "look at it: tagout status %s", id);
    return TG_E_FAILED;
}

static void say_driver(const struct tg_steered *s, const char *id)
{
    if (s->driven)
        tg_cli_say(stdout, "It is driven by %s. Watch: tagout status %s\n", s->seat, id);
    else
        printf("Nobody drives the run. To go on with it: tagout run --resume %s\n", id);
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
    say_driver(&s, id);
    return 0;
}

static int approve_stage(struct tg_frame *f, const struct tg_steering *words, struct tg_error *e)
{
    const char *id = f->argv[0], *name = f->argc > 1 ? f->argv[1] : NULL;
    struct tg_steering_run r;
    char stage[TG_CONTROL_STAGE_SIZE] = "";
    size_t i = 0;
    int rc = tg_steering_load(f, id, &r, e);

    if (rc)
        return rc;
    rc = may_move(r.run, &r.j->control, id, e);
    if (!rc)
        rc = find_stage(r.run, &r.j->control, id, name, &i, e);
    bool was = !rc && i == r.plan->n_stages, waits = !rc && !was && r.run->stages[i].state == TG_STAGE_GATED;
    snprintf(stage, sizeof stage, "%s", rc || was ? name ? name : "" : r.plan->stages[i].name);
    if (!rc && !was)
        rc = may_approve(f, id, r.j->by, words, e);
    if (!rc && !was)
        rc = tg_run_approve(f->store, id, stage, &words->said, e);
    tg_steering_release(&r);
    return rc ? rc : say_stage(f, id, stage, was, waits, e);
}

/* ---- hosts whose window never comes ---- */

static int say_skipped(struct tg_frame *f, const char *id, size_t windows, size_t hosts, struct tg_error *e)
{
    struct tg_steered s;
    int rc = tg_steering_seat(f, id, &s, e);

    if (rc)
        return rc;
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:I,s:I,s:b}", "run", id, "skipped", (json_int_t) hosts, "windows", (json_int_t) windows, "driven", s.driven), e);
    printf("%s goes on without %zu host%s whose window is not known to come. %s stay%s as %s, and the run will not end well because of %s.\n", id, hosts, hosts == 1 ? "" : "s",
           hosts == 1 ? "It" : "They", hosts == 1 ? "s" : "", hosts == 1 ? "it is" : "they are", hosts == 1 ? "it" : "them");
    say_driver(&s, id);
    return 0;
}

/* Those that it stands before now: what becomes so later is to be looked at then. */
static int approve_skip(struct tg_frame *f, const struct tg_steering *words, struct tg_error *e)
{
    const char *id = f->argv[0];
    struct tg_steering_run r;
    uint32_t windows[TG_CONTROL_SKIPPED_MAX];
    size_t n = 0, hosts = 0;
    int rc = f->argc > 1 ? tg_fail(e, TG_E_USAGE, "--skip is of the whole run: leave \"%.64s\" out", f->argv[1]) : tg_steering_load(f, id, &r, e);

    if (rc)
        return rc;
    rc = may_move(r.run, &r.j->control, id, e);
    if (!rc && (n = tg_run_windows_list_never(r.run, windows, TG_CONTROL_SKIPPED_MAX, &hosts)) == 0) {
        rc = tg_fail(e, TG_E_FAILED, "no host of run %s waits for a window that is not known to come", id);
        tg_error_hint(e, "what it waits for: tagout status %s", id);
    }
    if (!rc)
        rc = tg_run_skip(f->store, id, windows, n, &words->said, e);
    tg_steering_release(&r);
    return rc ? rc : say_skipped(f, id, n, hosts, e);
}

/* ---- a plan ---- */

/* No run's id is one. */
static bool is_digest(const char *text)
{
    size_t n = strlen(text);

    return n >= TG_PLAN_PREFIX_MIN && n < TG_PLAN_DIGEST_SIZE && !text[strspn(text, "0123456789abcdefABCDEF")];
}

static int say_plan(struct tg_frame *f, const struct tg_kept_plan *k, const struct tg_plan_approval *a, struct tg_error *e)
{
    const char *name = json_string_value(json_object_get(k->plan, "rollout"));
    char made[40], until[40];

    tg_time_format(k->at_ms, made, sizeof made);
    tg_time_format(a->until_ms, until, sizeof until);
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:s?,s:s,s:s,s:s,s:s,s:I}", "plan", k->digest, "rollout", name, "made-by", k->by, "made", made, "approved-by", a->by, "until",
                                       until, "hosts", (json_int_t) k->changes),
                             e);
    tg_cli_say(stdout, "Approved: plan %.12s of %s, made by %s at %s", k->digest, name ? name : "?", k->by, made);
    if (k->changes)
        printf(", which changes %lld host%s", (long long) k->changes, k->changes == 1 ? "" : "s");
    printf(".\nIt stands until %s, for one run: tagout run FILE --plan %.12s\n", until, k->digest);
    return 0;
}

static int approve_plan(struct tg_frame *f, const struct tg_steering *words, struct tg_error *e)
{
    struct tg_plan_approval a = {.at_ms = tg_wall_ms(tg_loop_clock(f->loop))};
    struct tg_kept_plan kept;
    int rc = f->argc > 1 ? tg_fail(e, TG_E_USAGE, "a plan is approved whole: leave \"%.64s\" out", f->argv[1]) : 0;

    if (!rc && tg_opt_ms(f, "for") <= 0)
        rc = tg_fail(e, TG_E_USAGE, "--for %s: an approval that stands for no time is none", tg_opt_text(f, "for"));
    if (!rc)
        rc = tg_frame_prove_store(f, e);
    if (!rc)
        rc = tg_plan_kept(f->store, f->argv[0], TG_STEERING_WAIT_MS, &kept, e);
    if (rc)
        return rc;
    snprintf(a.by, sizeof a.by, "%s", words->by);
    snprintf(a.reason, sizeof a.reason, "%.500s", words->reason);
    a.until_ms = a.at_ms + tg_opt_ms(f, "for");
    char what[40];
    snprintf(what, sizeof what, "plan %.12s", kept.digest);
    rc = may_approve(f, what, kept.by, words, e);
    if (!rc)
        rc = tg_plan_approve(f->store, &kept, &a, TG_STEERING_WAIT_MS, e);
    if (!rc)
        rc = say_plan(f, &kept, &a, e);
    tg_kept_plan_release(&kept);
    return rc;
}

static int approve_exec(struct tg_frame *f, struct tg_error *e)
{
    struct tg_steering words;
    int rc = tg_steering_words(f, &words, e);

    if (!rc && tg_opt_flag(f, "skip"))
        return approve_skip(f, &words, e);
    return rc ? rc : is_digest(f->argv[0]) ? approve_plan(f, &words, e) : approve_stage(f, &words, e);
}

const struct tg_cmd tg_cmd_approve = {
    .name = "approve",
    .args = "RUN [STAGE] | RUN --skip | DIGEST",
    .brief = "say yes to a stage of a run that waits for it, or to a plan",
    .details = "A stage with approve: true waits until it is approved. Without STAGE the next one that wants it; one whose turn comes later can be named "
               "before. With the DIGEST of a plan, as tagout plan shows it, one run of that plan may begin without anybody at a terminal. With runs: {approval: "
               "second-person} in tagout.yaml, whoever began the run, or made the plan, can't approve it.",
    .examples = "  $ tagout approve openssl-20261122-1\n  $ tagout approve openssl-20261122-1 rest --reason \"canary looked at, graphs are flat\"\n  $ tagout approve openssl-20261122-1 --skip --reason \"db7 has no window before January\"\n  $ tagout approve 5f0c11d2a39b\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 2,
    .needs = TG_NEED_STORE,
    .complete = "run",
    .exec = approve_exec,
};
