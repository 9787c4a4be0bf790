/* One session on the loop: drives its machine, watches its socket, keeps its deadlines. */
#include "internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*action_fn)(struct tg_ssh_session *s);

static const action_fn actions[TG_SSH_STATES] = {
    [TG_SSH_RESOLVE] = tg_ssh_do_resolve,
    [TG_SSH_CONNECT] = tg_ssh_do_connect,
    [TG_SSH_KEX] = tg_ssh_do_kex,
    [TG_SSH_VERIFY] = tg_ssh_do_verify,
    [TG_SSH_AUTH] = tg_ssh_do_auth,
    [TG_SSH_CHANNEL] = tg_ssh_do_channel,
    [TG_SSH_EXEC] = tg_ssh_do_exec,
    [TG_SSH_RUN] = tg_ssh_do_run,
    [TG_SSH_IDLE] = tg_ssh_do_idle,
};

int64_t tg_ssh_now(const struct tg_ssh_session *s)
{
    return tg_mono_ms(tg_loop_clock(s->impl->loop));
}

void tg_ssh_session_put(struct tg_ssh_session *s, struct tg_ssh_list *list)
{
    struct tg_transport_impl *impl = s->impl;

    if (s->in)
        TAILQ_REMOVE(s->in, s, link);
    impl->n_idle -= s->in == &impl->idle;
    s->in = list;
    if (list)
        TAILQ_INSERT_TAIL(list, s, link);
    impl->n_idle += list == &impl->idle;
}

/* ---- the socket ---- */

static bool costly(const struct tg_ssh_session *s)
{
    return s->state >= TG_SSH_KEX && s->state <= TG_SSH_CHANNEL;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct tg_ssh_watch *watch = poll->data;
    struct tg_ssh_session *s = watch->session;

    (void) events;
    if (!s)
        return;
    if (costly(s) && s->impl->steps++ >= TG_SSH_STEPS_PER_TURN && status == 0)
        return; /* still ready in the next turn */
    if (status < 0)
        watch->events = 0; /* libuv stopped watching: the action finds out why */
    tg_ssh_session_drive(s);
}

static void on_unwatched(uv_handle_t *handle)
{
    free(handle->data);
}

int tg_ssh_session_watch(struct tg_ssh_session *s)
{
    struct tg_ssh_watch *watch = calloc(1, sizeof *watch);

    if (!watch)
        return TG_E_MEMORY;
    if (uv_poll_init(s->impl->uv, &watch->poll, s->fd) < 0) {
        free(watch);
        return TG_E_MEMORY;
    }
    watch->poll.data = watch;
    watch->session = s;
    s->watch = watch;
    return 0;
}

void tg_ssh_session_unwatch(struct tg_ssh_session *s)
{
    if (!s->watch)
        return;
    s->watch->session = NULL;
    uv_close((uv_handle_t *) &s->watch->poll, on_unwatched);
    s->watch = NULL;
}

static void update_watch(struct tg_ssh_session *s)
{
    int want = UV_READABLE;

    if (!s->watch)
        return;
    if (s->state == TG_SSH_CONNECT)
        want = UV_WRITABLE;
    else if (s->ssh && (ssh_get_status(s->ssh) & SSH_WRITE_PENDING))
        want |= UV_WRITABLE;
    if (want != s->watch->events && uv_poll_start(&s->watch->poll, want, on_socket) == 0)
        s->watch->events = want;
}

/* ---- deadlines ---- */

static int64_t sooner(int64_t a, int64_t b)
{
    return !a || (b && b < a) ? b : a;
}

/* The timer is only ever moved forward in time when it fires: a byte costs no timer. */
void tg_ssh_session_set_timer(struct tg_ssh_session *s)
{
    int64_t due = sooner(sooner(s->connect_due, s->try_due), sooner(sooner(s->silence_due, s->total_due), s->idle_due));

    if (!due || (s->timer_due && s->timer_due <= due))
        return;
    s->timer_due = due;
    tg_timer_start(s->timer, due - tg_ssh_now(s));
}

static void late(struct tg_ssh_session *s, enum tg_ssh_event event, int64_t within_ms)
{
    char within[32];
    struct tg_error *e = &s->job->error;

    tg_duration_format(within_ms, within, sizeof within);
    tg_error_clear(e);
    if (event == TG_SSH_EV_LATE_SILENCE) {
        tg_fail(e, TG_E_TIMEOUT, "%s sent nothing for %s: what came of the command is not known", s->where, within);
    } else if (s->job->sent) {
        tg_fail(e, TG_E_TIMEOUT, "%s: %s within %s: what came of it is not known", s->where, tg_ssh_phases[s->state].late, within);
    } else {
        tg_fail(e, TG_E_TIMEOUT, "%s: %s within %s; nothing was sent", s->where, tg_ssh_phases[s->state].late, within);
    }
    tg_ssh_session_feed(s, event);
}

static void on_timer(void *data)
{
    struct tg_ssh_session *s = data;
    int64_t now = tg_ssh_now(s);

    s->timer_due = 0;
    if (s->total_due && now >= s->total_due)
        late(s, TG_SSH_EV_LATE_TOTAL, s->job->total_ms);
    else if (s->connect_due && now >= s->connect_due)
        late(s, TG_SSH_EV_LATE_CONNECT, s->job->connect_ms);
    else if (s->silence_due && now >= s->silence_due)
        late(s, TG_SSH_EV_LATE_SILENCE, s->job->silence_ms);
    else if (s->idle_due && now >= s->idle_due)
        tg_ssh_session_feed(s, TG_SSH_EV_RETIRE);
    else if (s->try_due && now >= s->try_due)
        tg_ssh_session_drive(s);
    if (s->state != TG_SSH_CLOSED)
        tg_ssh_session_set_timer(s);
}

/* ---- the machine ---- */

static void drop_libssh(struct tg_ssh_session *s)
{
    if (s->channel)
        ssh_channel_free(s->channel);
    if (s->event) {
        ssh_event_remove_session(s->event, s->ssh);
        ssh_event_free(s->event);
    }
    if (s->ssh) /* closes the socket; ssh_disconnect() would leave one that it was given open, and nobody could tell */
        ssh_free(s->ssh);
    if (s->fd >= 0)
        close(s->fd);
    s->channel = NULL;
    s->event = NULL;
    s->ssh = NULL;
    s->fd = -1;
    s->requested = false;
}

static void leave_open(struct tg_ssh_session *s)
{
    struct tg_transport_impl *impl = s->impl;

    tg_ssh_lookup_drop(s);
    tg_ssh_session_unwatch(s);
    drop_libssh(s);
    impl->n_open--;
    if (impl->open_now_max < impl->open_max)
        impl->open_now_max++;
    tg_ssh_kick(impl, 0);
}

static void enter_queued(struct tg_ssh_session *s)
{
    struct tg_transport_impl *impl = s->impl;

    impl->open_now_max = impl->n_open ? impl->n_open : 1; /* after leave_open(): what we have is what there is */
    if (impl->n_open)
        s->connect_due = 0; /* one of ours will end; when none is there, others hold them all, maybe for ever */
    tg_ssh_session_put(s, NULL);
    s->in = &impl->waiting;
    TAILQ_INSERT_HEAD(&impl->waiting, s, link);
    tg_ssh_kick(impl, 100); /* somebody else's descriptors: ask again soon */
}

static void enter_idle(struct tg_ssh_session *s)
{
    struct tg_transport_impl *impl = s->impl;

    s->reused = true;
    s->connect_due = s->silence_due = s->total_due = 0;
    if (s->channel)
        ssh_channel_free(s->channel);
    s->channel = NULL;
    s->requested = false;
    if (s->broken || impl->closing || !ssh_is_connected(s->ssh)) {
        tg_ssh_session_feed(s, TG_SSH_EV_RETIRE);
        return;
    }
    if (impl->n_idle >= TG_SSH_IDLE_MAX)
        tg_ssh_session_feed(TAILQ_FIRST(&impl->idle), TG_SSH_EV_RETIRE);
    s->idle_due = tg_ssh_now(s) + TG_SSH_IDLE_MS;
    tg_ssh_session_put(s, &impl->idle);
    tg_ssh_session_set_timer(s);
    tg_ssh_kick(impl, 0); /* somebody may wait for the slot */
}

static void enter(struct tg_ssh_session *s, enum tg_ssh_state next)
{
    enum tg_ssh_state old = s->state;

    s->state = next;
    if (tg_ssh_phases[old].counts_as_open && !tg_ssh_phases[next].counts_as_open)
        leave_open(s);
    if (!tg_ssh_phases[old].counts_as_open && tg_ssh_phases[next].counts_as_open)
        s->impl->n_open++;
    if (next == TG_SSH_QUEUED) {
        enter_queued(s);
    } else if (next == TG_SSH_IDLE) {
        enter_idle(s);
    } else if (next == TG_SSH_CLOSED) {
        tg_timer_stop(s->timer);
        tg_ssh_session_put(s, &s->impl->dead); /* its functions may still be on the stack */
        tg_ssh_kick(s->impl, 0);
    }
    if (old == TG_SSH_CHANNEL && next == TG_SSH_EXEC)
        s->connect_due = 0;
}

void tg_ssh_session_feed(struct tg_ssh_session *s, enum tg_ssh_event event)
{
    struct tg_transport_impl *impl = s->impl;
    struct tg_ssh_cell cell = tg_ssh_cell(s->state, event);
    struct tg_job *job = s->job;

    if (cell.kind == TG_SSH_IGNORE || cell.kind == TG_SSH_UNDEFINED)
        return;
    if (cell.kind != TG_SSH_GO) {
        s->job = NULL;
        job->session = NULL;
    }
    enter(s, cell.next);
    if (cell.kind == TG_SSH_END)
        tg_ssh_job_end(impl, job, cell.end);
    else if (cell.kind == TG_SSH_RETRY)
        tg_ssh_job_retry(impl, job);
}

void tg_ssh_session_drive(struct tg_ssh_session *s)
{
    bool again = false;

    while (actions[s->state]) {
        int event = actions[s->state](s);
        if (event != TG_SSH_AGAIN) {
            tg_ssh_session_feed(s, (enum tg_ssh_event) event);
            again = false;
            continue;
        }
        /* What libssh has queued can mostly be sent at once: cheaper than a turn through the loop. */
        if (again || !s->ssh || !(ssh_get_status(s->ssh) & SSH_WRITE_PENDING))
            break;
        again = true;
    }
    update_watch(s);
}

/* A job for a session that is new (QUEUED) or kept (IDLE). */
void tg_ssh_session_give(struct tg_ssh_session *s, struct tg_job *job)
{
    int64_t now = tg_ssh_now(s);

    s->job = job;
    job->session = s;
    s->closed_remote = s->eof_remote = false;
    s->idle_due = s->silence_due = 0;
    s->total_due = job->total_ms ? job->started_ms + job->total_ms : 0;
    if (s->state == TG_SSH_IDLE) {
        s->connect_due = job->connect_ms ? now + job->connect_ms : 0;
        tg_ssh_session_put(s, &s->impl->ready);
        tg_ssh_session_feed(s, TG_SSH_EV_JOB);
        tg_ssh_kick(s->impl, 0);
    }
    tg_ssh_session_set_timer(s);
}

/* ---- coming and going ---- */

static int set_names(struct tg_ssh_session *s, const struct tg_target *target, struct tg_error *e)
{
    char *const *value = s->settings.value;
    const char *address = target->address ? target->address : value[TG_SSH_KW_HOSTNAME];
    const char *user = target->user ? target->user : value[TG_SSH_KW_USER];
    const char *port = value[TG_SSH_KW_PORT];
    char *end = NULL;

    s->name = strdup(target->name);
    s->address = strdup(address ? address : target->name);
    s->user = strdup(user ? user : s->impl->config->local_user);
    if (!s->name || !s->address || !s->user)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    snprintf(s->where, sizeof s->where, "%s", s->name);
    long number = target->port ? target->port : port ? strtol(port, &end, 10) : 22;
    if (number < 1 || number > 65535 || (end && *end))
        return tg_fail(e, TG_E_CONFIG, "%s: \"%s\" is no port", s->name, port ? port : "?");
    s->port = (int) number;
    return 0;
}

static bool is_set(const char *value)
{
    return value && strcmp(value, "none") != 0;
}

/* Never past a jump host: what it protects may be reachable by accident, and its keys are others. */
static int check_proxy(const struct tg_ssh_session *s, struct tg_error *e)
{
    const char *jump = s->settings.value[TG_SSH_KW_PROXY_JUMP], *command = s->settings.value[TG_SSH_KW_PROXY_COMMAND];

    if (!is_set(jump) && !is_set(command))
        return 0;
    tg_fail(e, TG_E_CONFIG, "%s is to be reached through %s %s, which tagout can't do yet; it was not tried directly", s->name,
            is_set(jump) ? "ProxyJump" : "ProxyCommand", is_set(jump) ? jump : command);
    tg_error_hint(e, "run tagout where the host is reached directly, or say \"ProxyJump none\" for it in the ssh configuration");
    return TG_E_CONFIG;
}

int tg_ssh_session_new(struct tg_transport_impl *impl, struct tg_job *job, struct tg_ssh_session **out, struct tg_error *e)
{
    struct tg_ssh_session *s = calloc(1, sizeof *s);
    int rc;

    if (!s)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    s->impl = impl;
    s->fd = -1;
    TAILQ_INSERT_TAIL(&impl->sessions, s, all);
    rc = tg_timer_new(impl->loop, on_timer, s, &s->timer, e);
    if (rc == 0)
        rc = tg_ssh_config_ask(impl->config, job->target.name, job->target.user, &s->settings, e);
    if (rc == 0)
        rc = set_names(s, &job->target, e);
    if (rc == 0)
        rc = check_proxy(s, e);
    if (rc) {
        tg_ssh_session_free(s);
        return rc;
    }
    tg_ssh_prepare(s);
    tg_ssh_session_give(s, job);
    *out = s;
    return 0;
}

void tg_ssh_session_free(struct tg_ssh_session *s)
{
    tg_ssh_session_put(s, NULL);
    TAILQ_REMOVE(&s->impl->sessions, s, all);
    tg_timer_free(s->timer);
    tg_ssh_settings_release(&s->settings);
    free(s->name);
    free(s->address);
    free(s->user);
    free(s);
}
