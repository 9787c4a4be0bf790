/* Steps on hosts: apply, look, dry-run. See ports.h. */
#include "engine/ports_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_PAUSE_MS 1000
#define LOOK_PAUSE_MAX_MS 30000

/* The message of an error and what to do about it, in one line. */
static void say_error(const struct tg_error *error, const char *otherwise, char *out, size_t size)
{
    if (!error || !error->code)
        snprintf(out, size, "%s", otherwise);
    else
        snprintf(out, size, "%.300s%s%.200s", error->message, error->hint[0] ? "; " : "", error->hint);
}

/* The connection gave nothing: a look tries again for a while, what was sent is lost, what was not sent is that. */
static void no_answer(struct tg_task *t, bool sent, const char *text)
{
    int64_t now = tg_ports_now(t->ports);

    if (t->action.kind != TG_DO_LOOK) {
        tg_task_answer(t, sent ? TG_EV_LOST : TG_EV_NOT_SENT, text);
    } else if (now >= t->give_up_ms) {
        tg_task_answer(t, TG_EV_LOST, text);
    } else {
        t->pause_ms = t->pause_ms ? t->pause_ms * 2 : LOOK_PAUSE_MS;
        if (t->pause_ms > LOOK_PAUSE_MAX_MS)
            t->pause_ms = LOOK_PAUSE_MAX_MS;
        t->mode = TG_BARE_LOOK;
        t->due_ms = now + t->pause_ms;
    }
}

static enum tg_run_event_kind event_of(const struct tg_task *t, enum tg_outcome_kind kind)
{
    switch (kind) {
    case TG_OUTCOME_UNCHANGED:
    case TG_OUTCOME_CHANGED:
        return TG_EV_APPLIED;
    case TG_OUTCOME_WOULD_CHANGE:
        return t->verb == TG_VERB_DRY_RUN ? TG_EV_APPLIED : TG_EV_UNPROVEN;
    case TG_OUTCOME_BUSY:
        return TG_EV_BUSY;
    case TG_OUTCOME_DISABLED:
    case TG_OUTCOME_HELD:
        return TG_EV_HELD;
    case TG_OUTCOME_FAILED:
        return TG_EV_FAILED;
    case TG_OUTCOME_UNKNOWN:
    default:
        return TG_EV_UNPROVEN;
    }
}

/* It ended on the host: the driver says what that means. */
static void read_outcome(struct tg_task *t, struct tg_answer *answer)
{
    struct tg_ports *p = t->ports;
    struct tg_outcome outcome = {.changed = -1};
    struct tg_error e = TG_ERROR_INIT;

    answer->host = tg_task_host(t)->name;
    if (p->driver->answer(p->params, t->verb, answer, &outcome, &e)) {
        tg_task_answer(t, TG_EV_UNPROVEN, e.message);
        return;
    }
    const struct tg_run_event event = {.kind = event_of(t, outcome.kind), .outcome = outcome.kind, .changed = outcome.changed,
                                       .text = outcome.text[0] ? outcome.text : NULL};
    tg_task_answer_event(t, event);
    tg_outcome_release(&outcome);
}

static void fenced(struct tg_task *t, const char *text)
{
    struct tg_error e = TG_ERROR_INIT;

    tg_fail(&e, TG_E_VERSION, "%s: %s", tg_task_host(t)->name, text);
    t->over = true;
    if (!t->ports->closing)
        tg_drive_fail(t->drive, &e);
}

static void read_report(struct tg_task *t, const struct tg_job_result *r)
{
    struct tg_answer answer = {0};
    char text[512] = "";
    char *out = malloc(r->out_len + 1);

    if (!out) {
        no_answer(t, true, "out of memory");
        return;
    }
    if (r->out_len)
        memcpy(out, r->out, r->out_len);
    out[r->out_len] = '\0';
    enum tg_bare_state state = tg_bare_answer(out, r->out_len, r->err, t->nonce, &answer, text, sizeof text);
    switch (state) {
    case TG_BARE_EXITED:
        read_outcome(t, &answer);
        break;
    case TG_BARE_RUNNING: /* begun already: the same step sent again only waits for it */
        t->mode = TG_BARE_START;
        t->due_ms = 0;
        break;
    case TG_BARE_ABSENT:
        tg_task_answer(t, TG_EV_ABSENT, NULL);
        break;
    case TG_BARE_INTERRUPTED:
        tg_task_answer(t, TG_EV_UNPROVEN, text);
        break;
    case TG_BARE_FENCED:
        fenced(t, text);
        break;
    case TG_BARE_DENIED:
        no_answer(t, false, text);
        break;
    case TG_BARE_BROKEN:
    default:
        no_answer(t, true, text);
    }
    free(out);
}

static void on_done(void *data, const struct tg_job_result *r)
{
    struct tg_task *t = data;
    char text[512];

    t->job = NULL;
    t->asked = false;
    if (t->ports->closing)
        return;
    if (r->end == TG_JOB_EXITED) {
        read_report(t, r);
        return;
    }
    bool nothing_sent = r->end == TG_JOB_UNREACHABLE || r->end == TG_JOB_HOST_KEY || r->end == TG_JOB_DENIED || !r->sent;
    say_error(r->error, "the connection ended", text, sizeof text);
    no_answer(t, !nothing_sent, text);
}

int tg_task_request(const struct tg_task *t, enum tg_verb verb, struct tg_request *request, struct tg_error *e)
{
    struct tg_ports *p = t->ports;
    const struct tg_request_context context = {.host = tg_task_host(t)->name,
                                               .lock_id = p->o.run->hosts[t->action.host].lock,
                                               .reason = p->o.plan->name,
                                               .who = p->o.owner,
                                               .run_id = p->o.journal->id};
    int rc = p->driver->request(p->params, verb, &context, request, e);

    if (!rc && p->o.tokens && p->o.tokens[0])
        rc = tg_request_env(request, "TAGOUT_TOKEN=%s", p->o.tokens);
    return rc;
}

int tg_task_run_step(struct tg_task *t, struct tg_error *e)
{
    struct tg_request request = {0};
    struct tg_error own = TG_ERROR_INIT;
    char step[256];

    if (!t->tries++) {
        t->verb = t->action.kind == TG_DO_DRY_RUN ? TG_VERB_DRY_RUN : TG_VERB_APPLY;
        t->mode = t->action.kind == TG_DO_LOOK ? TG_BARE_LOOK : TG_BARE_START;
        t->give_up_ms = tg_ports_now(t->ports) + t->ports->o.look_ms;
    }
    (void) e;
    tg_task_step(t, tg_verb_name(t->verb), t->action.attempt, step, sizeof step);
    int rc = tg_task_request(t, t->verb, &request, &own);
    if (!rc)
        rc = tg_task_send(t, step, t->mode, &request, on_done, &own);
    tg_request_release(&request);
    if (rc) { /* it could not even be asked */
        char text[512];
        say_error(&own, "", text, sizeof text);
        no_answer(t, false, text);
    }
    return 0;
}
