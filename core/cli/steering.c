/* Steering a run: see steering.h. */
#include "cli/steering.h"

#include "cli/guarding.h"

#include <string.h>

int tg_steering_words(struct tg_frame *f, struct tg_steering *out, struct tg_error *e)
{
    const char *reason = NULL;
    int rc = 0;

    for (const struct tg_opt *o = f->cmd->opts; o && o->name && !reason; o++)
        if (strcmp(o->name, "reason") == 0)
            reason = tg_opt_text(f, "reason");
    out->reason[0] = '\0';
    if (reason)
        rc = tg_text_copy("--reason", reason, out->reason, sizeof out->reason, e);
    if (rc)
        return rc;
    tg_cli_owner(f, out->by, sizeof out->by);
    out->said = (struct tg_said) {.by = out->by, .reason = out->reason, .wall_ms = tg_wall_ms(tg_loop_clock(f->loop)), .wait_ms = TG_STEERING_WAIT_MS};
    return 0;
}

int tg_cli_run_id(const char *id, struct tg_error *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t len = strlen(id);

    if (len && len < TG_RUN_ID_SIZE && id[0] != '-' && !id[strspn(id, allowed)])
        return 0;
    tg_fail(e, TG_E_USAGE, "\"%.80s%s\" is no run: a run is called like openssl-20261122-1", id, len > 80 ? "…" : "");
    tg_error_hint(e, "tagout status lists them");
    return TG_E_USAGE;
}

bool tg_steering_is_scope(const char *text)
{
    return strcmp(text, "fleet") == 0 || strchr(text, ':');
}

int tg_steering_seat(struct tg_frame *f, const char *id, struct tg_steered *s, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_run_seat(f->store, id, TG_STEERING_WAIT_MS, s->seat, sizeof s->seat, &why);

    s->driven = rc == 0;
    if (rc && rc != TG_E_NOENT && e)
        *e = why;
    return rc == TG_E_NOENT ? 0 : rc;
}

int tg_steering_load(struct tg_frame *f, const char *id, struct tg_steering_run *out, struct tg_error *e)
{
    int rc = tg_cli_run_id(id, e);

    *out = (struct tg_steering_run) {.j = NULL};
    if (!rc)
        rc = tg_frame_prove_store(f, e);
    return rc ? rc : tg_journal_load(f->store, id, TG_STEERING_WAIT_MS, &out->j, &out->plan, &out->run, e);
}

void tg_steering_release(struct tg_steering_run *r)
{
    tg_run_free(r->run);
    tg_plan_free(r->plan);
    tg_journal_free(r->j);
}

int tg_steering_look(struct tg_frame *f, const char *id, struct tg_steered *out, struct tg_error *e)
{
    struct tg_steering_run r;
    int rc = tg_steering_load(f, id, &r, e);

    if (rc)
        return rc;
    const struct tg_run *run = r.run;
    *out = (struct tg_steered) {.state = run->state, .end = tg_run_end(run), .causes = run->causes, .holds = run->holds, .in_flight = run->in_flight,
                                .abort = r.j->control.abort, .pause = r.j->control.pause};
    const char *by = run->aborted ? run->by : run->hold_by, *why = run->aborted ? run->why : run->hold_why;
    snprintf(out->by, sizeof out->by, "%s", by ? by : "");
    snprintf(out->why, sizeof out->why, "%s", why ? why : "");
    tg_steering_release(&r);
    return tg_steering_seat(f, id, out, e);
}
