/* Runs that follow another one: see following.h. */
#include "cli/following.h"

#include "cli/guarding.h"

#include <stdio.h>
#include <string.h>

int tg_following_load(struct tg_frame *f, const char *id, struct tg_following *out, struct tg_error *e)
{
    int rc = tg_frame_prove_store(f, e);

    *out = (struct tg_following) {.f = f, .id = id};
    return rc ? rc : tg_journal_load(f->store, id, TG_FOLLOWING_WAIT_MS, &out->j, &out->plan, &out->run, e);
}

void tg_following_release(struct tg_following *u)
{
    tg_run_free(u->run);
    tg_plan_free(u->plan);
    tg_journal_free(u->j);
}

void tg_following_say_how_to_end(struct tg_frame *f, const char *id, const struct tg_journal *j, const struct tg_run *run, struct tg_error *e)
{
    bool aborted = run->aborted || j->control.abort.wanted;
    char seat[400];
    int rc = tg_run_seat(f->store, id, TG_FOLLOWING_WAIT_MS, seat, sizeof seat, NULL);

    if (rc == 0)
        tg_error_hint(e, aborted ? "it is aborted; %s ends it: tagout status %s --watch" : "%s drives it; stop it first: tagout abort %s", seat, id);
    else if (aborted)
        tg_error_hint(e, "it is aborted, and nobody drives it; to end it, and to undo and unlock what it may have left: tagout run --resume %s", id);
    else
        tg_error_hint(e, "nobody drives it; to stop it for good: tagout abort %s, then tagout run --resume %s, which ends it", id, id);
}

int tg_following_may_begin(const struct tg_following *u, enum tg_follows why, struct tg_error *e)
{
    if (u->run->state != TG_RUN_ENDED) {
        tg_fail(e, TG_E_FAILED, "run %s has not ended: it is %s", u->id, tg_run_state_name(u->run->state));
        tg_following_say_how_to_end(u->f, u->id, u->j, u->run, e);
        return TG_E_FAILED;
    }
    if (why == TG_FOLLOWS_PLANNED && (u->run->aborted || u->j->control.abort.wanted))
        return tg_fail(e, TG_E_CANCELLED, "run %s is aborted, so nothing follows by itself", u->id);
    return 0;
}

static int make_tokens(const struct tg_following *u, const char *more, struct tg_run_tokens *out, struct tg_error *e)
{
    struct tg_run_tokens of_run = {0};
    char all[2 * sizeof of_run.all];
    int rc = tg_journal_tokens(u->j, &of_run, e);

    /* what a run that mends could pass is no longer out of service, or is passed anew */
    snprintf(all, sizeof all, "%s%s%s", u->plan->mends ? of_run.own : of_run.all, more && more[0] ? "," : "", more ? more : "");
    if (!rc)
        rc = tg_run_tokens_make(all, out, e);
    explicit_bzero(&of_run, sizeof of_run);
    explicit_bzero(all, sizeof all);
    return rc;
}

int tg_following_create(const struct tg_following *u, const struct tg_plan *plan, const char *next, const char *more, struct tg_error *e)
{
    struct tg_run_tokens tokens = {0};
    char who[256];
    int64_t now = tg_wall_ms(tg_loop_clock(u->f->loop));

    tg_cli_owner(u->f, who, sizeof who);
    int rc = make_tokens(u, more, &tokens, e);
    if (!rc && !(rc = tg_journal_seat(u->j, who, now, e))) {
        rc = tg_journal_create_as(u->f->store, plan, next, who, &tokens, now, TG_FOLLOWING_WAIT_MS, e);
        tg_journal_leave(u->j);
    }
    explicit_bzero(&tokens, sizeof tokens);
    return rc;
}
