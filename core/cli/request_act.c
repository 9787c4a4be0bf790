/* Running what a request asks for, under a permit and within a time. */
#include "cli/requests.h"

#include "base/trusted.h"
#include "config/site.h"
#include "guard/keeper.h"
#include "guard/nested.h"
#include "guard/permit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURN_MS 1000

static int take(const struct tg_request_runner *x, const struct tg_due_act *act, struct tg_permit **out, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(x->f, 0);
    struct tg_permit_request r = {.scopes = x->scopes, .actor = act->actor, .owner = x->owner, .host = x->host, .what = act->what, .tokens = act->token};
    struct tg_guard_verdict v;
    struct tg_buf line = TG_BUF_INIT;
    int rc = tg_permit_take(&g, &r, out, &v, NULL);

    if (rc) {
        tg_verdict_line(&v, x->f->config->store, tg_wall_ms(tg_loop_clock(x->f->loop)), &line);
        tg_fail(e, rc == TG_E_HELD ? TG_E_HELD : TG_E_UNKNOWN, "%s", tg_buf_text(&line));
        rc = rc == TG_E_HELD ? TG_E_HELD : TG_E_UNKNOWN;
        tg_buf_release(&line);
    }
    tg_verdict_release(&v);
    return rc;
}

static int start(const struct tg_request_runner *x, const struct tg_due_act *act, struct tg_permit *p, struct tg_keeper **out, struct tg_error *e)
{
    char fence[96], name[TG_OUTER_SIZE], permit[TG_OUTER_SIZE + 16], token[TG_TOKEN_SIZE + 16], request[64], tries[40], program[PATH_MAX];
    int64_t generation, txid;
    int rc = tg_trusted_program(act->argv[0], program, e);

    if (rc)
        return tg_error_prefix(e, "not run"), TG_E_CONFIG;
    tg_permit_fence(p, &generation, &txid);
    snprintf(fence, sizeof fence, "TAGOUT_FENCE=%lld:%lld", (long long) generation, (long long) txid);
    snprintf(permit, sizeof permit, "TAGOUT_PERMIT=%s", tg_permit_name(p, name, sizeof name));
    snprintf(token, sizeof token, "TAGOUT_TOKEN=%s", act->token);
    snprintf(request, sizeof request, "TAGOUT_REQUEST=%s", act->request);
    snprintf(tries, sizeof tries, "TAGOUT_REQUEST_TRY=%lld", (long long) act->tries);
    const char *const add[] = {fence, permit, token, request, tries, NULL};
    char **env = tg_cli_environment(add);
    struct tg_keeper_spec spec = {.argv = act->argv, .env = (const char *const *) env, .session_fd = tg_store_session_fd(x->f->store), .also_fd = x->lock_fd,
                                  .grace_ms = TG_KEEPER_GRACE_MS};
    tg_permit_deadline(p, &spec.term_at_ms, &spec.kill_at_ms);
    rc = env ? tg_keeper_start(x->f->loop, &spec, out, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_cli_environment_free(env);
    return rc == TG_E_NOENT || rc == TG_E_PERM ? TG_E_CONFIG : rc;
}

/* Until it has ended. Not 0: it was stopped, and that is why. */
static int watch(const struct tg_request_runner *x, const struct tg_due_act *act, struct tg_permit *p, struct tg_keeper *k, struct tg_error *e)
{
    const struct tg_clock *clock = tg_loop_clock(x->f->loop);
    int64_t every = tg_permit_beat_ms(p), last = 0, stop_ms, kill_ms, sent = 0, end = tg_mono_ms(clock) + act->timeout_ms;
    char length[32];
    int rc = 0;

    while (tg_keeper_state(k, NULL) == TG_KEEPER_RUNNING) {
        int64_t now = tg_mono_ms(clock);
        if (every != INT64_MAX && now - last >= every) {
            tg_permit_beat(p);
            last = now;
        }
        bool interrupted = tg_loop_turn(x->f->loop, every < TURN_MS ? every : TURN_MS) == TG_E_CANCELLED;
        if (interrupted)
            tg_loop_interrupt_clear(x->f->loop);
        if (!rc && interrupted && tg_cli_signalled())
            rc = tg_fail(e, TG_E_CANCELLED, "stopped by a signal");
        else if (!rc && now >= end)
            rc = tg_fail(e, TG_E_TIMEOUT, "stopped after %s, its time-out", (tg_duration_format(act->timeout_ms, length, sizeof length), length));
        else if (!rc && tg_permit_state(p))
            rc = tg_fail(e, TG_E_SESSION, "stopped, as its permit is gone");
        else if (!rc)
            tg_permit_deadline(p, &stop_ms, &kill_ms);
        if (rc) {
            tg_keeper_stop(k);
        } else if (stop_ms > sent) {
            tg_keeper_beat(k, stop_ms, kill_ms);
            sent = stop_ms;
        }
    }
    return rc;
}

static int run(const struct tg_request_runner *x, const struct tg_due_act *act, struct tg_permit *p, int *out_status, struct tg_error *e)
{
    struct tg_keeper *k = NULL;
    int rc = start(x, act, p, &k, e);

    if (rc)
        return rc;
    rc = watch(x, act, p, k, e);
    enum tg_keeper_end end = tg_keeper_state(k, out_status);
    if (end == TG_KEEPER_LOST && !rc)
        rc = tg_fail(e, TG_E_SESSION, "stopped, as its permit could not be proven alive");
    else if (end == TG_KEEPER_VANISHED && !rc)
        rc = tg_fail(e, TG_E_SESSION, "stopped, as what kept it was killed");
    else if (end == TG_KEEPER_EXITED && rc && rc != TG_E_CANCELLED)
        rc = 0; /* it ended by itself just then */
    tg_keeper_free(k);
    return rc;
}

int tg_request_cli_act(const struct tg_request_runner *x, const struct tg_due_act *act, int *out_status, struct tg_error *e)
{
    struct tg_permit *p = NULL;
    int out = -1, rc = take(x, act, &p, e);

    if (rc)
        return rc;
    (void) fflush(stdout);
    if (x->f->json && (out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)) >= 0) /* one document is all that may come on stdout */
        (void) dup2(STDERR_FILENO, STDOUT_FILENO);
    rc = run(x, act, p, out_status, e);
    if (out >= 0) {
        (void) dup2(out, STDOUT_FILENO);
        close(out);
    }
    tg_permit_release(p);
    return rc;
}
