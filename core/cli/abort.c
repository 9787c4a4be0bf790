/* tagout abort: says stop to a run, wherever it is driven. */
#include "cli/commands.h"
#include "cli/guarding.h"
#include "cli/steering.h"
#include "engine/rollback.h"
#include "engine/withdraw.h"

#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why: it stands in the journal and in the run's summary"},
    {.name = NULL},
};

/* Who says the name of a run means its rollback, or withdrawal, as well, that goes on or is about to. *out_id: of the one that was told, or "". */
static int abort_following(struct tg_frame *f, const struct tg_steering *words, char out_id[TG_RUN_ID_SIZE], struct tg_error *e)
{
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    struct tg_rollback r = {.n = 0};
    struct tg_withdrawn w = {.n = 0};
    int rc = tg_journal_load(f->store, f->argv[0], TG_STEERING_WAIT_MS, &j, &plan, &run, e);

    out_id[0] = '\0';
    if (!rc && plan->rollback)
        rc = tg_rollback_look(f->store, f->argv[0], run, TG_STEERING_WAIT_MS, &r, e);
    if (!rc && r.open && !(rc = tg_run_abort(f->store, r.id, &words->said, e)))
        snprintf(out_id, TG_RUN_ID_SIZE, "%s", r.id);
    if (!rc && !plan->undoes && tg_withdraw_is_possible(plan))
        rc = tg_withdrawn_look(f->store, f->argv[0], run, TG_STEERING_WAIT_MS, &w, e);
    if (!rc && w.open && !(rc = tg_run_abort(f->store, w.id, &words->said, e)))
        snprintf(out_id, TG_RUN_ID_SIZE, "%s", w.id);
    if (!rc && ((plan->then == TG_THEN_ROLLBACK && !r.n) || (plan->then == TG_THEN_WITHDRAW && !w.n)))
        rc = tg_run_abort(f->store, f->argv[0], &words->said, e);
    tg_withdrawn_release(&w);
    tg_rollback_release(&r);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return rc;
}

/* What was wished for is the case, or is too late. */
static int abort_ended(struct tg_frame *f, const struct tg_steered *s, const struct tg_steering *words, struct tg_error *e)
{
    char next_id[TG_RUN_ID_SIZE];
    int rc = abort_following(f, words, next_id, e);

    if (rc)
        return rc;
    if (next_id[0]) {
        if (f->json)
            return tg_print_json(json_pack("{s:s,s:b,s:s}", "run", f->argv[0], "aborted", 1, strstr(next_id, "-" TG_WITHDRAW_WORD) ? TG_WITHDRAW_WORD : "rollback", next_id), e);
        printf("%s has ended, %s. Aborted %s: no host is begun from here on.\n", f->argv[0], tg_run_end_name(s->end), next_id);
        return 0;
    }
    if (s->end != TG_END_ABORTED) {
        tg_fail(e, TG_E_FAILED, "run %s has ended already, %s", f->argv[0], tg_run_end_name(s->end));
        tg_error_hint(e, "look at it: tagout status %s", f->argv[0]);
        return TG_E_FAILED;
    }
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:b,s:b}", "run", f->argv[0], "aborted", 1, "driven", 0), e);
    tg_cli_say(stdout, "%s was aborted by %s, and has ended.\n", f->argv[0], s->by[0] ? s->by : "somebody");
    return 0;
}

static int abort_exec(struct tg_frame *f, struct tg_error *e)
{
    const char *id = f->argv[0];
    struct tg_steered s;
    struct tg_steering words;
    int rc = tg_steering_words(f, &words, e);

    if (!rc)
        rc = tg_steering_look(f, id, &s, e);
    if (rc)
        return rc;
    if (s.state == TG_RUN_ENDED)
        return abort_ended(f, &s, &words, e);
    if ((rc = tg_run_abort(f->store, id, &words.said, e)) != 0 || (rc = tg_steering_seat(f, id, &s, e)) != 0)
        return rc;
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:b,s:b}", "run", id, "aborted", 1, "driven", s.driven), e);
    printf("Aborted %s: no host is begun from here on, for ever.\n", id);
    if (s.driven)
        tg_cli_say(stdout, "What is in flight ends, and is unlocked, by %s. Watch: tagout status %s\n", s.seat, id);
    else
        printf("Nobody drives it%s. To end it, and to undo and unlock what it may have left: tagout run --resume %s\n", s.in_flight ? "; some of its hosts were in flight" : "", id);
    return 0;
}

const struct tg_cmd tg_cmd_abort = {
    .name = "abort",
    .args = "RUN",
    .brief = "stop a run for good",
    .details = "From its return on no host of the run is begun, wherever it is driven, and none ever will be. Hosts in flight end their step, are verified "
               "and unlocked. To stop for now only: tagout pause.",
    .examples = "  $ tagout abort openssl-20261122-1 --reason \"wrong version\"\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE,
    .complete = "run",
    .exec = abort_exec,
};
