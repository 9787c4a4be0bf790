/* The transport "ssh": jobs in, results out; which session does what, and how many at once. */
#include "internal.h"

#include <tagout/module.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define DESCRIPTORS_KEPT 64 /* for the rest of the process: store, files, children */

/* ---- jobs ---- */

static void job_free(struct tg_job *job)
{
    if (!job)
        return;
    if (job->input)
        explicit_bzero(job->input, job->input_len);
    if (job->line)
        explicit_bzero(job->line, strlen(job->line));
    free(job->input);
    free(job->line);
    tg_output_release(&job->out[0]);
    tg_output_release(&job->out[1]);
    free(job);
}

static int job_new(const struct tg_target *target, const struct tg_command *command, struct tg_job **out, struct tg_error *e)
{
    struct tg_job *job = calloc(1, sizeof *job);

    if (!job)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    job->target = *target;
    job->connect_ms = command->connect_ms;
    job->silence_ms = command->silence_ms;
    job->total_ms = command->total_ms;
    tg_output_init(&job->out[0], command->output_max);
    tg_output_init(&job->out[1], command->output_max);
    int rc = tg_shell_quote(command->argv, &job->line, e);
    if (rc == 0 && command->input && command->input_len) {
        job->input = malloc(command->input_len);
        if (!job->input) {
            job_free(job);
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        }
        memcpy(job->input, command->input, command->input_len);
        job->input_len = command->input_len;
    }
    if (rc) {
        job_free(job);
        return rc;
    }
    *out = job;
    return 0;
}

void tg_ssh_job_end(struct tg_transport_impl *impl, struct tg_job *job, enum tg_job_end end)
{
    struct tg_job_result result = {.end = end, .sent = job->sent};

    if (end == TG_JOB_EXITED) {
        result.status = job->status;
        result.signal = job->signal;
    } else {
        if (end == TG_JOB_CANCELLED) {
            tg_error_clear(&job->error);
            tg_fail(&job->error, TG_E_CANCELLED, "%s: cancelled%s", job->target.name,
                    job->sent ? " after the command was sent: what came of it is not known" : "; nothing was sent");
        }
        result.error = &job->error;
    }
    result.out = tg_output_finish(&job->out[0], &result.out_len);
    result.err = tg_output_finish(&job->out[1], &result.err_len);
    result.elapsed_ms = tg_mono_ms(tg_loop_clock(impl->loop)) - job->started_ms;
    TAILQ_REMOVE(&impl->jobs, job, all);
    job->done(job->data, &result);
    job_free(job);
}

/* A job without a session (its settings refuse it, or its kept session was dead): a new session, or the end, from the loop. */
void tg_ssh_job_retry(struct tg_transport_impl *impl, struct tg_job *job)
{
    struct tg_ssh_session *s;
    struct tg_error e = TG_ERROR_INIT;

    tg_error_clear(&job->error);
    if (tg_ssh_session_new(impl, job, &s, &e) == 0) {
        tg_ssh_session_put(s, &impl->waiting);
        tg_ssh_kick(impl, 0);
        return;
    }
    job->error = e;
    tg_ssh_job_end(impl, job, TG_JOB_UNREACHABLE);
}

/* ---- the loop's turns ---- */

void tg_ssh_kick(struct tg_transport_impl *impl, int64_t delay_ms)
{
    if (!impl->closing)
        tg_timer_start(impl->kick, delay_ms);
}

static void free_dead(struct tg_transport_impl *impl)
{
    struct tg_ssh_session *s;

    while ((s = TAILQ_FIRST(&impl->dead)) != NULL)
        tg_ssh_session_free(s);
}

static void run_ready(struct tg_transport_impl *impl)
{
    struct tg_ssh_session *s;
    struct tg_ssh_list now = TAILQ_HEAD_INITIALIZER(now);

    while ((s = TAILQ_FIRST(&impl->ready)) != NULL) /* what becomes ready meanwhile waits for the next turn */
        tg_ssh_session_put(s, &now);
    while ((s = TAILQ_FIRST(&now)) != NULL) {
        tg_ssh_session_put(s, NULL);
        if (s->job && s->job->cancelled)
            tg_ssh_session_feed(s, TG_SSH_EV_CANCEL);
        else
            tg_ssh_session_drive(s);
    }
}

/* Starts who waits, while there are descriptors; kept sessions make room. */
static void start_waiting(struct tg_transport_impl *impl)
{
    struct tg_ssh_session *s;
    int started = 0;

    while ((s = TAILQ_FIRST(&impl->waiting)) != NULL) {
        if (started++ == TG_SSH_STARTS_PER_TURN) {
            tg_ssh_kick(impl, 0);
            return;
        }
        while (impl->n_open >= impl->open_now_max && !TAILQ_EMPTY(&impl->idle))
            tg_ssh_session_feed(TAILQ_FIRST(&impl->idle), TG_SSH_EV_RETIRE);
        if (impl->n_open >= impl->open_now_max)
            return; /* a session that ends kicks */
        size_t open_before = impl->open_now_max;
        tg_ssh_session_put(s, NULL);
        if (!s->connect_due && s->job->connect_ms) /* waiting for a place is not the host's fault */
            s->connect_due = tg_ssh_now(s) + s->job->connect_ms;
        tg_ssh_session_set_timer(s);
        tg_ssh_session_feed(s, TG_SSH_EV_DONE);
        tg_ssh_session_drive(s);
        if (s->state == TG_SSH_QUEUED && impl->open_now_max <= open_before)
            return; /* no descriptor: in 100 ms again */
    }
}

static void on_kick(void *data)
{
    struct tg_transport_impl *impl = data;

    free_dead(impl);
    run_ready(impl);
    start_waiting(impl);
}

static void on_turn(uv_prepare_t *turn)
{
    ((struct tg_transport_impl *) turn->data)->steps = 0;
}

/* ---- the backend ---- */

static size_t descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > TG_SSH_OPEN_MAX)
        return TG_SSH_OPEN_MAX;
    return limit.rlim_cur > 2 * DESCRIPTORS_KEPT ? (size_t) limit.rlim_cur - DESCRIPTORS_KEPT : (size_t) limit.rlim_cur / 2 + 1;
}

static void free_parts(struct tg_transport_impl *impl)
{
    tg_timer_free(impl->kick);
    tg_ssh_config_free(impl->config);
    tg_ssh_hosts_free(impl->hosts);
    tg_ssh_keys_free(impl->keys);
    free(impl->identity_file);
    free(impl->known_hosts_file);
}

static int copy_text(const char *text, char **out, struct tg_error *e)
{
    if (text && !(*out = strdup(text)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    return 0;
}

static int open_parts(struct tg_transport_impl *impl, const struct tg_transport_options *options, struct tg_error *e)
{
    int rc = copy_text(options->identity_file, &impl->identity_file, e);

    if (rc == 0)
        rc = copy_text(options->known_hosts_file, &impl->known_hosts_file, e);
    if (rc == 0)
        rc = tg_ssh_config_load(options->config_file, &impl->config, e);
    if (rc == 0)
        rc = tg_ssh_hosts_new(&impl->hosts, e);
    if (rc == 0)
        rc = tg_ssh_keys_new(&impl->keys, e);
    if (rc == 0)
        rc = tg_timer_new(impl->loop, on_kick, impl, &impl->kick, e);
    return rc;
}

static int ssh_open(const struct tg_transport_options *options, struct tg_transport_impl **out, struct tg_error *e)
{
    struct tg_transport_impl *impl;

    if (!options->loop || !tg_loop_uv(options->loop))
        return tg_fail(e, TG_E_CONFIG, "the transport \"ssh\" needs a real event loop");
    if (!(impl = calloc(1, sizeof *impl)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    impl->loop = options->loop;
    impl->uv = tg_loop_uv(options->loop);
    impl->open_max = impl->open_now_max = descriptors();
    TAILQ_INIT(&impl->jobs);
    TAILQ_INIT(&impl->sessions);
    TAILQ_INIT(&impl->waiting);
    TAILQ_INIT(&impl->ready);
    TAILQ_INIT(&impl->idle);
    TAILQ_INIT(&impl->dead);
    int rc = open_parts(impl, options, e);
    if (rc) {
        free_parts(impl);
        free(impl);
        return rc;
    }
    uv_prepare_init(impl->uv, &impl->turn);
    impl->turn.data = impl;
    uv_prepare_start(&impl->turn, on_turn);
    *out = impl;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void ssh_close(struct tg_transport_impl *impl)
{
    struct tg_ssh_session *s;

    if (!impl)
        return;
    impl->closing = true;
    TAILQ_FOREACH(s, &impl->sessions, all)
        tg_ssh_session_feed(s, s->job ? TG_SSH_EV_CANCEL : TG_SSH_EV_RETIRE);
    while ((s = TAILQ_FIRST(&impl->sessions)) != NULL)
        tg_ssh_session_free(s);
    free_parts(impl);
    uv_close((uv_handle_t *) &impl->turn, on_closed);
}

/* A kept session that leads where a new one would: the same name, and nothing else asked of it. */
static struct tg_ssh_session *find_idle(struct tg_transport_impl *impl, const struct tg_target *t)
{
    struct tg_ssh_session *s;

    TAILQ_FOREACH_REVERSE(s, &impl->idle, tg_ssh_list, link)
        if (strcmp(s->name, t->name) == 0 && (!t->address || strcmp(s->address, t->address) == 0) &&
            (!t->user || strcmp(s->user, t->user) == 0) && (!t->port || s->port == t->port))
            return s;
    return NULL;
}

static int ssh_run(struct tg_transport_impl *impl, const struct tg_target *target, const struct tg_command *command,
                   tg_job_output_fn output, tg_job_fn done, void *data, struct tg_job **out, struct tg_error *e)
{
    struct tg_ssh_session *s;
    struct tg_job *job = NULL;

    if (impl->closing)
        return tg_fail(e, TG_E_CANCELLED, "the transport is being closed");
    int rc = job_new(target, command, &job, e);
    if (rc)
        return rc;
    job->output = output;
    job->done = done;
    job->data = data;
    job->started_ms = tg_mono_ms(tg_loop_clock(impl->loop));
    TAILQ_INSERT_TAIL(&impl->jobs, job, all);
    if ((s = find_idle(impl, target)) != NULL) {
        tg_ssh_session_give(s, job);
    } else if ((rc = tg_ssh_session_new(impl, job, &s, e)) != 0) {
        TAILQ_REMOVE(&impl->jobs, job, all);
        job_free(job);
        return rc;
    } else {
        tg_ssh_session_put(s, &impl->waiting);
        tg_ssh_kick(impl, 0);
    }
    if (out)
        *out = job;
    return 0;
}

static void ssh_cancel(struct tg_transport_impl *impl, struct tg_job *job)
{
    job->cancelled = true;
    if (job->session)
        tg_ssh_session_put(job->session, &impl->ready);
    tg_ssh_kick(impl, 0);
}

static const struct tg_transport_backend backend = {
    .version = TG_TRANSPORT_ABI,
    .name = "ssh",
    .about = "OpenSSH servers, through libssh",
    .open = ssh_open,
    .close = ssh_close,
    .run = ssh_run,
    .cancel = ssh_cancel,
};

extern const struct tg_module tagout_module;
TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "ssh",
    .release = TG_RELEASE,
    .transport = &backend,
};
