/* tagout rollback: undoes what a run has changed, as a run of its own. See engine/rollback.h. */
#include "cli/commands.h"
#include "cli/driving.h"
#include "cli/following.h"
#include "cli/mending.h"
#include "cli/run_begin.h"
#include "cli/steering.h"
#include "engine/rollback.h"

#include <stdio.h>

static const struct tg_opt opts[] = {
    TG_DRIVING_OPTS,
    {.name = NULL},
};

/*
 * Those that are out of service first, and alone: they need no room, and whom it has verified comes back behind it and makes room for the others. m->tokens is "" when there are none.
 */
static int take_withdrawn(const struct tg_following *u, struct tg_plan **plan, struct tg_mending *m, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    struct tg_plan *p = NULL;
    const char *by = u->plan->mends ? u->plan->mends : u->id;
    int rc = tg_withdraw_is_possible(u->plan) || u->plan->mends ? tg_mending_look(u->f, by, m, &own) : TG_E_NOENT;

    if (!rc && !(rc = tg_mend_plan(*plan, m->of.run, &m->withdrawn, by, &p, &own))) {
        size_t rest = (*plan)->n_hosts - p->n_hosts;
        if (rest && !u->f->json)
            printf("%zu host%s out of service: these first. For the %zu that stayed in service: tagout rollback %s, once more, behind that\n", p->n_hosts, p->n_hosts == 1 ? " is" : "s are",
                   rest, u->id);
        tg_plan_free(*plan);
        *plan = p;
        return 0;
    }
    tg_mending_release(m);
    if (rc != TG_E_NOENT && e && !e->code)
        *e = own;
    return rc == TG_E_NOENT ? 0 : rc;
}

/* Who was rolled back where he was, out of service, and has not come back from there: somebody was interrupted. */
static int look_out(const struct tg_following *u, const struct tg_rollback *rollback, size_t *out, struct tg_error *e)
{
    struct tg_withdrawn w = {.n = 0};
    int rc = tg_withdraw_is_possible(u->plan) ? tg_withdrawn_look(u->f->store, u->id, u->run, TG_FOLLOWING_WAIT_MS, &w, e) : 0;

    for (size_t i = 0; !rc && w.how && i < u->plan->n_hosts; i++)
        *out += w.how[i] == TG_WITHDRAWN_IS && rollback->back[i];
    tg_withdrawn_release(&w);
    return rc;
}

/* P12: none is left to be rolled back; that may not be all. */
static void say_who_is_out(const struct tg_following *u, const struct tg_rollback *rollback, struct tg_error *e)
{
    size_t out = 0;

    if (!rollback->n || look_out(u, rollback, &out, NULL) || !out)
        return;
    tg_error_hint(e, "%zu of these %s out of service still: tagout return %s", out, out == 1 ? "is" : "are", u->id);
}

/* A new one. *out_id is that. */
static int begin(const struct tg_following *u, const struct tg_rollback *rollback, enum tg_follows why, char out_id[TG_RUN_ID_SIZE], struct tg_error *e)
{
    struct tg_mending mending = {.withdrawn = {.n = 0}};
    struct tg_plan *plan = NULL;
    int rc = tg_rollback_plan(u->plan, u->run, u->id, rollback->n ? rollback->back : NULL, &plan, e);

    if (!rc && !rollback->next[0]) {
        rc = tg_fail(e, TG_E_FAILED, "run %s was rolled back %zu times: no more", u->id, rollback->n);
        tg_error_hint(e, "look what keeps them: tagout status %s", rollback->id);
    }
    if (rc == TG_E_NOENT)
        say_who_is_out(u, rollback, e);
    if (!rc)
        rc = take_withdrawn(u, &plan, &mending, e);
    if (!rc && why == TG_FOLLOWS_ASKED)
        rc = tg_begin_confirm(u->f, plan, e);
    if (!rc)
        rc = tg_following_create(u, plan, rollback->next, mending.tokens, e);
    tg_mending_release(&mending);
    if (!rc && !u->f->json)
        printf("%s\n", rollback->next);
    snprintf(out_id, TG_RUN_ID_SIZE, "%s", rollback->next);
    tg_plan_free(plan);
    return rc;
}

static int look(const struct tg_following *u, enum tg_follows why, char out_id[TG_RUN_ID_SIZE], struct tg_error *e)
{
    struct tg_rollback rollback = {.n = 0};
    int rc = tg_following_may_begin(u, why, e);

    if (!rc)
        rc = tg_rollback_look(u->f->store, u->id, u->run, TG_FOLLOWING_WAIT_MS, &rollback, e);
    if (!rc && rollback.open)
        snprintf(out_id, TG_RUN_ID_SIZE, "%s", rollback.id);
    else if (!rc)
        rc = begin(u, &rollback, why, out_id, e);
    tg_rollback_release(&rollback);
    return rc;
}

/* P12: it went well over those that it took, which may not have been all of them: such as were out of service. */
static int tell_rest(struct tg_frame *f, const char *id, struct tg_error *e)
{
    struct tg_rollback rollback = {.n = 0};
    struct tg_following u;
    size_t out = 0;
    int rc = tg_following_load(f, id, &u, e);

    if (!rc)
        rc = tg_rollback_look(f->store, id, u.run, TG_FOLLOWING_WAIT_MS, &rollback, e);
    if (!rc && rollback.done < rollback.hosts) {
        f->status = 1;
        if (!f->json)
            printf("%zu of %zu hosts are back. The others: tagout rollback %s, once more\n", rollback.done, rollback.hosts, id);
    }
    if (!rc)
        rc = look_out(&u, &rollback, &out, e);
    if (out) {
        f->status = 1;
        if (!f->json)
            printf("%zu of these %s out of service still. Bring back: tagout return %s\n", out, out == 1 ? "is" : "are", id);
    }
    tg_rollback_release(&rollback);
    tg_following_release(&u);
    return rc;
}

/* An earlier one went over hosts that are out of service, and nobody lived to bring them back: that comes first, and makes room for the others. "": there is none. */
static int look_for_verified(const struct tg_following *u, char out_id[TG_RUN_ID_SIZE], struct tg_error *e)
{
    struct tg_rollback rollback = {.n = 0};
    struct tg_following last;
    size_t n = 0;
    int rc = tg_rollback_look(u->f->store, u->id, u->run, TG_FOLLOWING_WAIT_MS, &rollback, e);

    out_id[0] = '\0';
    if (rc || !rollback.n || rollback.open) {
        tg_rollback_release(&rollback);
        return rc;
    }
    rc = tg_following_load(u->f, rollback.id, &last, e);
    if (!rc && tg_mend_returns(last.run) && !last.j->control.abort.wanted)
        rc = tg_cli_mended_out(u->f, last.j, last.run, &n, e);
    if (!rc && n)
        snprintf(out_id, TG_RUN_ID_SIZE, "%s", rollback.id);
    tg_following_release(&last);
    tg_rollback_release(&rollback);
    return rc;
}

int tg_cli_roll_back(struct tg_frame *f, const char *id, enum tg_follows why, struct tg_error *e)
{
    struct tg_following u;
    char rollback_id[TG_RUN_ID_SIZE];
    int rc = tg_following_load(f, id, &u, e);

    if (!rc)
        rc = look_for_verified(&u, rollback_id, e);
    if (!rc && rollback_id[0])
        rc = tg_cli_drive(f, rollback_id, e);
    if (!rc)
        rc = look(&u, why, rollback_id, e);
    tg_following_release(&u);
    if (!rc)
        rc = tg_cli_drive(f, rollback_id, e);
    if (!rc && !f->status && why == TG_FOLLOWS_ASKED)
        rc = tell_rest(f, id, e);
    if (why == TG_FOLLOWS_PLANNED && !rc)
        f->status = 1; /* P12: a run that was rolled back has not ended well, however well that went */
    return rc;
}

static int rollback_exec(struct tg_frame *f, struct tg_error *e)
{
    int rc = tg_cli_run_id(f->argv[0], e);

    return rc ? rc : tg_cli_roll_back(f, f->argv[0], TG_FOLLOWS_ASKED, e);
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
