/* tagout withdraw: takes what a run has changed out of service, as a run of its own. See engine/withdraw.h. */
#include "cli/commands.h"
#include "cli/driving.h"
#include "cli/kept_out.h"
#include "cli/run_begin.h"
#include "cli/steering.h"
#include "engine/rollback.h"
#include "engine/withdraw.h"

#include <stdio.h>
#include <stdlib.h>

static const struct tg_opt opts[] = {
    {.name = "keep", .type = TG_OPT_FLAG, .text = "Goes over those alone that are withdrawn, and takes whoever is in service in spite of it out again"},
    TG_DRIVING_OPTS,
    {.name = NULL},
};

/* Said by a rollout it is done once with each host; said by a person, with each that is in service. */
static bool is_over(enum tg_withdrawn_how how, enum tg_follows why)
{
    return why == TG_FOLLOWS_PLANNED ? how != TG_WITHDRAWN_NEVER : how == TG_WITHDRAWN_IS;
}

/* Those, and those that a rollback has brought back to what they were. */
static int leave_out(const struct tg_following *u, const struct tg_withdrawn *w, enum tg_follows why, bool **out, struct tg_error *e)
{
    struct tg_rollback rollback = {.n = 0};
    bool *left_out = calloc(u->plan->n_hosts + 1, sizeof *left_out);
    int rc = left_out ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc && u->plan->rollback)
        rc = tg_rollback_look(u->f->store, u->id, u->run, TG_FOLLOWING_WAIT_MS, &rollback, e);
    for (size_t i = 0; !rc && i < u->plan->n_hosts; i++)
        left_out[i] = is_over((enum tg_withdrawn_how) w->how[i], why) || (rollback.n && rollback.back[i]);
    tg_rollback_release(&rollback);
    if (rc)
        free(left_out);
    else
        *out = left_out;
    return rc;
}

/* A new one. *out_id is that. */
static int begin(const struct tg_following *u, const struct tg_withdrawn *w, enum tg_follows why, char out_id[TG_RUN_ID_SIZE], struct tg_error *e)
{
    struct tg_plan *plan = NULL;
    bool *left_out = NULL;
    int rc = w->next[0] ? leave_out(u, w, why, &left_out, e) : tg_fail(e, TG_E_FAILED, "hosts of run %s were withdrawn %zu times: no more", u->id, w->n);

    if (!rc)
        rc = tg_withdraw_plan(u->plan, u->run, u->id, left_out, &plan, e);
    if (!rc && why == TG_FOLLOWS_ASKED)
        rc = tg_begin_confirm(u->f, plan, e);
    if (!rc)
        rc = tg_following_create(u, plan, w->next, NULL, e);
    if (!rc && !u->f->json)
        printf("%s\n", w->next);
    if (!rc)
        snprintf(out_id, TG_RUN_ID_SIZE, "%s", w->next);
    free(left_out);
    tg_plan_free(plan);
    return rc;
}

/* Said again: whoever is in service in spite of it leaves once more. */
static int keep_out(const struct tg_following *u, const struct tg_withdrawn *w, size_t *out_left, struct tg_error *e)
{
    int rc = tg_cli_out_keep(u->f, u->id, TG_CLI_OUT_ANEW, out_left, e);

    if (!rc && !u->f->json)
        printf("%zu of the %zu host%s withdrawn before: out of service\n", w->is - *out_left, w->is, w->is == 1 ? "" : "s");
    return rc;
}

/* out_id: "" when there is nothing more to withdraw. */
static int look(const struct tg_following *u, enum tg_follows why, char out_id[TG_RUN_ID_SIZE], size_t *out_left, struct tg_error *e)
{
    bool keeps = why == TG_FOLLOWS_ASKED && tg_opt_flag(u->f, "keep");
    struct tg_withdrawn w = {.n = 0};
    int rc = tg_following_may_begin(u, why, e);

    if (!rc)
        rc = tg_withdrawn_look(u->f->store, u->id, u->run, TG_FOLLOWING_WAIT_MS, &w, e);
    if (!rc && why == TG_FOLLOWS_ASKED && w.is)
        rc = keep_out(u, &w, out_left, e);
    if (!rc && keeps && !w.is)
        rc = tg_fail(e, TG_E_NOENT, "no host is out of service by %s", u->id);
    if (!rc && !keeps && w.open)
        snprintf(out_id, TG_RUN_ID_SIZE, "%s", w.id);
    else if (!rc && !keeps)
        rc = begin(u, &w, why, out_id, e);
    if (rc == TG_E_NOENT && why == TG_FOLLOWS_ASKED && w.is) { /* all of them are out */
        tg_error_clear(e);
        rc = 0;
    }
    tg_withdrawn_release(&w);
    return rc;
}

int tg_cli_withdraw(struct tg_frame *f, const char *id, enum tg_follows why, struct tg_error *e)
{
    struct tg_following u;
    char next[TG_RUN_ID_SIZE] = "";
    size_t left = 0;
    int rc = tg_following_load(f, id, &u, e);

    if (!rc)
        rc = look(&u, why, next, &left, e);
    tg_following_release(&u);
    if (!rc && next[0])
        rc = tg_cli_drive(f, next, e);
    if (left || (why == TG_FOLLOWS_PLANNED && !rc))
        f->status = 1; /* P12: a run whose hosts were withdrawn has not ended well, however well that went */
    return rc;
}

static int withdraw_exec(struct tg_frame *f, struct tg_error *e)
{
    int rc = tg_cli_run_id(f->argv[0], e);

    return rc ? rc : tg_cli_withdraw(f, f->argv[0], TG_FOLLOWS_ASKED, e);
}

const struct tg_cmd tg_cmd_withdraw = {
    .name = "withdraw",
    .args = "RUN",
    .brief = "take what a run has changed out of service",
    .details = "Goes over the hosts that the run has changed, or may have, those that failed first: locks each and drains it, as the rollout says under around:, and "
               "leaves it so, as many as the run's limits allow. Nothing on a host is changed. They count as down until they are brought back: tagout return. It is a "
               "run of its own, RUN-withdraw: status, pause, resume and abort take that. Said again, it goes over those that are in service still.",
    .examples = "  $ tagout withdraw openssl-20261122-1\n  $ tagout return openssl-20261122-1\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "run",
    .exec = withdraw_exec,
};
