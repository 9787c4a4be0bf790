/* tagout rollback: undoes what a run has changed, as a run of its own. See engine/rollback.h. */
#include "cli/commands.h"
#include "cli/driving.h"
#include "cli/guarding.h"
#include "cli/run_begin.h"
#include "cli/steering.h"
#include "engine/rollback.h"

#include <string.h>

#define WAIT_MS 10000

static const struct tg_opt opts[] = {
    TG_DRIVING_OPTS,
    {.name = NULL},
};

/* What is known of the run that is to be undone. */
struct undoing {
    struct tg_frame *f;
    const char *id;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_rollback rollback;
};

static void release(struct undoing *u)
{
    tg_rollback_release(&u->rollback);
    tg_run_free(u->run);
    tg_plan_free(u->plan);
    tg_journal_free(u->j);
}

/* Each of these leads one step on, and none back. */
static void say_how_to_end(const struct undoing *u, struct tg_error *e)
{
    bool aborted = u->run->aborted || u->j->control.abort.wanted;
    char seat[400];
    int rc = tg_run_seat(u->f->store, u->id, WAIT_MS, seat, sizeof seat, NULL);

    if (rc == 0)
        tg_error_hint(e, aborted ? "it is aborted; %s ends it: tagout status %s --watch" : "%s drives it; stop it first: tagout abort %s", seat, u->id);
    else if (aborted)
        tg_error_hint(e, "it is aborted, and nobody drives it; to end it, and to undo and unlock what it may have left: tagout run --resume %s", u->id);
    else
        tg_error_hint(e, "nobody drives it; to stop it for good: tagout abort %s, then tagout run --resume %s, which ends it", u->id, u->id);
}

/* P10: who said abort meant this as well. */
static int may_begin(const struct undoing *u, enum tg_roll_back why, struct tg_error *e)
{
    if (u->run->state != TG_RUN_ENDED) {
        tg_fail(e, TG_E_FAILED, "run %s has not ended: it is %s", u->id, tg_run_state_name(u->run->state));
        say_how_to_end(u, e);
        return TG_E_FAILED;
    }
    if (why == TG_ROLL_BACK_PLANNED && (u->run->aborted || u->j->control.abort.wanted))
        return tg_fail(e, TG_E_CANCELLED, "run %s is aborted, so nothing is rolled back by itself", u->id);
    return 0;
}

/* The run's own tokens as well: hosts that it has lost are locked by it. */
static int make_tokens(const struct undoing *u, struct tg_run_tokens *out, struct tg_error *e)
{
    struct tg_run_tokens of_run = {0};
    int rc = tg_journal_tokens(u->j, &of_run, e);

    if (!rc)
        rc = tg_run_tokens_make(of_run.all, out, e);
    explicit_bzero(&of_run, sizeof of_run);
    return rc;
}

/* In the run's seat, so that of two who want it one makes it. */
static int create(const struct undoing *u, const struct tg_plan *plan, struct tg_error *e)
{
    struct tg_run_tokens tokens = {0};
    char who[256];
    int64_t now = tg_wall_ms(tg_loop_clock(u->f->loop));

    tg_cli_owner(u->f, who, sizeof who);
    int rc = make_tokens(u, &tokens, e);
    if (!rc && !(rc = tg_journal_seat(u->j, who, now, e))) {
        rc = tg_journal_create_as(u->f->store, plan, u->rollback.next, who, &tokens, now, WAIT_MS, e);
        tg_journal_leave(u->j);
    }
    explicit_bzero(&tokens, sizeof tokens);
    return rc;
}

/* A new one. *out_id is that. */
static int begin(const struct undoing *u, enum tg_roll_back why, char out_id[TG_RUN_ID_SIZE], struct tg_error *e)
{
    struct tg_plan *plan = NULL;
    int rc = tg_rollback_plan(u->plan, u->run, u->id, u->rollback.n ? u->rollback.back : NULL, &plan, e);

    if (!rc && why == TG_ROLL_BACK_ASKED)
        rc = tg_begin_confirm(u->f, plan, e);
    if (!rc)
        rc = create(u, plan, e);
    if (!rc && !u->f->json)
        printf("%s\n", u->rollback.next);
    snprintf(out_id, TG_RUN_ID_SIZE, "%s", u->rollback.next);
    tg_plan_free(plan);
    return rc;
}

static int look(struct undoing *u, enum tg_roll_back why, char out_id[TG_RUN_ID_SIZE], struct tg_error *e)
{
    int rc = tg_frame_prove_store(u->f, e);

    if (!rc)
        rc = tg_journal_load(u->f->store, u->id, WAIT_MS, &u->j, &u->plan, &u->run, e);

    if (!rc)
        rc = may_begin(u, why, e);
    if (!rc)
        rc = tg_rollback_look(u->f->store, u->id, u->run, WAIT_MS, &u->rollback, e);
    if (!rc && u->rollback.open) {
        snprintf(out_id, TG_RUN_ID_SIZE, "%s", u->rollback.id);
        return 0;
    }
    return rc ? rc : begin(u, why, out_id, e);
}

int tg_cli_roll_back(struct tg_frame *f, const char *id, enum tg_roll_back why, struct tg_error *e)
{
    struct undoing u = {.f = f, .id = id};
    char rollback_id[TG_RUN_ID_SIZE];
    int rc = look(&u, why, rollback_id, e);

    release(&u);
    if (!rc)
        rc = tg_cli_drive(f, rollback_id, e);
    if (why == TG_ROLL_BACK_PLANNED && !rc)
        f->status = 1; /* P12: a run that was rolled back has not ended well, however well that went */
    return rc;
}

static int rollback_exec(struct tg_frame *f, struct tg_error *e)
{
    int rc = tg_cli_run_id(f->argv[0], e);

    return rc ? rc : tg_cli_roll_back(f, f->argv[0], TG_ROLL_BACK_ASKED, e);
}

const struct tg_cmd tg_cmd_rollback = {
    .name = "rollback",
    .args = "RUN",
    .brief = "undo what a run has changed",
    .details = "Goes over the hosts that the run has changed, or may have, in the reverse order of their starts, with the parameters that its rollout names under "
               "rollback:, without canary, bake and approval, within its limits, and verifies them. It is a run of its own, RUN-rollback: status, pause, "
               "resume and abort take that. A host that can't be brought back is listed, and the next one is tried; said again, it goes over those.",
    .examples = "  $ tagout rollback openssl-20261122-1\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "run",
    .exec = rollback_exec,
};
