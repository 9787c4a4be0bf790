/*
 * The transport "local": runs the command on this machine, for demos, tests and a controller that is a member of its own fleet. No
 * shell is involved: argv is run as it is, with a clean environment, as the user that we are. The target's name is only for messages.
 *
 * A job ends when the command has been reaped and its outputs are closed. A deadline or a cancel answers at once; the command's
 * process group then gets TERM, and KILL two seconds later.
 */
#define _GNU_SOURCE
#include "base/child.h"
#include "engine/transport_local.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#define KILL_AFTER_MS 2000
#define REAP_MS 20           /* where the kernel has no pidfd */
#define READS_PER_TURN 16

enum { IN, OUT, ERR, EXIT, FDS };

/* One descriptor on the loop; on the heap, since libuv frees it later. */
struct watch {
    uv_poll_t poll;
    struct tg_job *job; /* NULL: nobody looks any more */
    int fd, which;
};

struct tg_job {
    TAILQ_ENTRY(tg_job) link;
    struct tg_transport_impl *impl;
    char *name, *input;
    size_t input_len, input_at;
    struct watch *watch[FDS];
    struct tg_timer *timer;
    int64_t started_ms, total_due, silence_due, total_ms, silence_ms;
    pid_t pid;            /* 0: reaped */
    int wait_status;
    bool answered, cancelled, killed;
    struct tg_output out[2];
    tg_job_output_fn output;
    tg_job_fn done;
    void *data;
};

struct tg_transport_impl {
    struct tg_loop *loop;
    TAILQ_HEAD(, tg_job) jobs;
    TAILQ_HEAD(, tg_job) ended; /* freed from the loop: their functions may be on the stack */
    struct tg_timer *sweep;
};

static int64_t now_ms(const struct tg_job *job)
{
    return tg_mono_ms(tg_loop_clock(job->impl->loop));
}

static void on_unwatched(uv_handle_t *handle)
{
    free(handle->data);
}

static void unwatch(struct tg_job *job, int which)
{
    struct watch *w = job->watch[which];

    if (!w)
        return;
    job->watch[which] = NULL;
    w->job = NULL;
    uv_close((uv_handle_t *) &w->poll, on_unwatched);
    close(w->fd);
}

static void job_free(struct tg_job *job)
{
    for (int i = 0; i < FDS; i++)
        unwatch(job, i);
    tg_timer_free(job->timer);
    if (job->input)
        explicit_bzero(job->input, job->input_len);
    free(job->input);
    free(job->name);
    tg_output_release(&job->out[0]);
    tg_output_release(&job->out[1]);
    free(job);
}

/* ---- the end ---- */

static void answer(struct tg_job *job, enum tg_job_end end, const struct tg_error *error)
{
    struct tg_job_result result = {.end = end, .sent = 1, .error = error, .elapsed_ms = now_ms(job) - job->started_ms};

    if (end == TG_JOB_EXITED) {
        result.status = tg_child_status(job->wait_status);
        result.signal = WIFSIGNALED(job->wait_status) ? WTERMSIG(job->wait_status) : 0;
    }
    result.out = tg_output_finish(&job->out[0], &result.out_len);
    result.err = tg_output_finish(&job->out[1], &result.err_len);
    job->answered = true;
    job->done(job->data, &result);
}

static void retire(struct tg_job *job)
{
    tg_timer_stop(job->timer);
    TAILQ_REMOVE(&job->impl->jobs, job, link);
    TAILQ_INSERT_TAIL(&job->impl->ended, job, link);
    tg_timer_start(job->impl->sweep, 0);
}

static void check_end(struct tg_job *job)
{
    if (job->pid || (!job->answered && (job->watch[OUT] || job->watch[ERR])))
        return;
    if (!job->answered)
        answer(job, TG_JOB_EXITED, NULL);
    retire(job);
}

static void reap(struct tg_job *job)
{
    pid_t pid;

    while ((pid = waitpid(job->pid, &job->wait_status, WNOHANG)) < 0 && errno == EINTR)
        ;
    if (pid == 0)
        return;
    job->pid = 0;
    unwatch(job, EXIT);
    unwatch(job, IN);
    check_end(job);
}

/* Answers first: whoever waits does not wait for a command that ignores TERM. */
static void give_up(struct tg_job *job, enum tg_job_end end, const char *how)
{
    struct tg_error e = TG_ERROR_INIT;

    tg_fail(&e, end == TG_JOB_CANCELLED ? TG_E_CANCELLED : TG_E_TIMEOUT, "%s: %s: what came of it is not known", job->name, how);
    if (job->pid)
        kill(-job->pid, SIGTERM);
    for (int i = IN; i <= ERR; i++)
        unwatch(job, i);
    job->total_due = now_ms(job) + KILL_AFTER_MS;
    job->silence_due = 0;
    tg_timer_start(job->timer, job->watch[EXIT] ? KILL_AFTER_MS : REAP_MS);
    answer(job, end, &e);
    check_end(job);
}

static void on_timer(void *data)
{
    struct tg_job *job = data;
    int64_t now = now_ms(job), due;
    char how[80], text[32];

    if (job->cancelled && !job->answered) {
        give_up(job, TG_JOB_CANCELLED, "cancelled while the command ran");
        return;
    }
    if (job->pid && !job->watch[EXIT]) {
        reap(job);
        if (!job->pid)
            return;
    }
    if (job->answered) {
        if (!job->killed && now >= job->total_due && job->pid)
            job->killed = kill(-job->pid, SIGKILL) == 0;
        tg_timer_start(job->timer, job->watch[EXIT] ? KILL_AFTER_MS : REAP_MS);
        return;
    }
    bool late = job->total_due && now >= job->total_due;
    if (late || (job->silence_due && now >= job->silence_due)) {
        tg_duration_format(late ? job->total_ms : job->silence_ms, text, sizeof text);
        snprintf(how, sizeof how, late ? "the command did not end within %s" : "the command printed nothing for %s", text);
        give_up(job, TG_JOB_TIMEOUT, how);
        return;
    }
    due = !job->total_due || (job->silence_due && job->silence_due < job->total_due) ? job->silence_due : job->total_due;
    if (!job->watch[EXIT] && job->pid && (!due || due > now + REAP_MS))
        due = now + REAP_MS;
    if (due)
        tg_timer_start(job->timer, due - now);
}

/* ---- the loop ---- */

static void read_some(struct tg_job *job, int which)
{
    char bytes[16384];

    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t n = read(job->watch[which]->fd, bytes, sizeof bytes);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0 || tg_output_add(&job->out[which - OUT], bytes, (size_t) n)) {
            unwatch(job, which);
            check_end(job);
            return;
        }
        if (job->silence_ms)
            job->silence_due = now_ms(job) + job->silence_ms;
        if (job->output)
            job->output(job->data, which, bytes, (size_t) n);
    }
}

static void write_some(struct tg_job *job)
{
    while (job->input_at < job->input_len) {
        ssize_t n = tg_pipe_write(job->watch[IN]->fd, job->input + job->input_at, job->input_len - job->input_at);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) /* it does not want to read it (EPIPE; SIGPIPE is ignored in this process) */
            break;
        job->input_at += (size_t) n;
    }
    unwatch(job, IN);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;

    (void) status;
    (void) events;
    if (!w->job)
        return;
    if (w->which == IN)
        write_some(w->job);
    else if (w->which == EXIT)
        reap(w->job);
    else
        read_some(w->job, w->which);
}

/* Takes the descriptor over, also when it fails. */
static int watch_fd(struct tg_job *job, int which, int fd)
{
    struct watch *w = calloc(1, sizeof *w);

    if (!w || uv_poll_init(tg_loop_uv(job->impl->loop), &w->poll, fd) < 0) {
        free(w);
        close(fd);
        return TG_E_MEMORY;
    }
    w->poll.data = w;
    w->job = job;
    w->fd = fd;
    w->which = which;
    job->watch[which] = w;
    uv_poll_start(&w->poll, which == IN ? UV_WRITABLE : UV_READABLE, on_ready);
    return 0;
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
    pair[0] = pair[1] = -1;
}

static void on_sweep(void *data)
{
    struct tg_transport_impl *impl = data;
    struct tg_job *job;

    while ((job = TAILQ_FIRST(&impl->ended)) != NULL) {
        TAILQ_REMOVE(&impl->ended, job, link);
        job_free(job);
    }
}

/* ---- starting ---- */

/* pipes[i]: [0] the child's end, [1] ours. */
static int open_pipes(int pipes[3][2], struct tg_error *e)
{
    int pair[2];

    for (int i = 0; i < 3; i++) {
        if (pipe2(pair, O_CLOEXEC) < 0)
            return tg_fail_errno(e, TG_E_SYSTEM, errno, "no pipe to the command");
        pipes[i][0] = pair[i == IN ? 0 : 1];
        pipes[i][1] = pair[i == IN ? 1 : 0];
        fcntl(pipes[i][1], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

static int start_child(struct tg_job *job, const struct tg_command *command, struct tg_error *e)
{
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, rc = open_pipes(pipes, e);
    struct tg_child_spec spec = {.argv = command->argv, .in = pipes[IN][0], .out = pipes[OUT][0], .err = pipes[ERR][0]};

    if (rc == 0)
        rc = tg_child_start(&spec, &job->pid, e);
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = watch_fd(job, i, pipes[i][1]);
        pipes[i][1] = -1;
    }
    for (int i = 0; i < 3; i++)
        close_pair(pipes[i]);
    if (rc && job->pid) {
        kill(-job->pid, SIGKILL);
        waitpid(job->pid, NULL, 0);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    int pidfd = rc ? -1 : (int) syscall(SYS_pidfd_open, job->pid, 0); /* close-on-exec by nature */
    if (pidfd >= 0)
        watch_fd(job, EXIT, pidfd); /* else the timer looks */
    return rc;
}

static int copy_job(struct tg_job *job, const struct tg_target *target, const struct tg_command *command, struct tg_error *e)
{
    job->name = strdup(target->name);
    if (command->input_len) {
        job->input = malloc(command->input_len);
        if (job->input)
            memcpy(job->input, command->input, command->input_len);
        job->input_len = job->input ? command->input_len : 0;
    }
    if (!job->name || (command->input_len && !job->input))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    job->started_ms = now_ms(job);
    job->total_ms = command->total_ms;
    job->silence_ms = command->silence_ms;
    job->total_due = job->total_ms ? job->started_ms + job->total_ms : 0;
    job->silence_due = job->silence_ms ? job->started_ms + job->silence_ms : 0;
    tg_output_init(&job->out[0], command->output_max);
    tg_output_init(&job->out[1], command->output_max);
    return tg_timer_new(job->impl->loop, on_timer, job, &job->timer, e);
}

static int local_run(struct tg_transport_impl *impl, const struct tg_target *target, const struct tg_command *command,
                     tg_job_output_fn output, tg_job_fn done, void *data, struct tg_job **out, struct tg_error *e)
{
    struct tg_job *job = calloc(1, sizeof *job);

    if (!job)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    job->impl = impl;
    job->output = output;
    job->done = done;
    job->data = data;
    int rc = copy_job(job, target, command, e);
    if (rc == 0)
        rc = start_child(job, command, e);
    if (rc) {
        tg_error_prefix(e, "%s", target->name);
        job_free(job);
        return rc;
    }
    TAILQ_INSERT_TAIL(&impl->jobs, job, link);
    tg_timer_start(job->timer, 0);
    if (out)
        *out = job;
    return 0;
}

static void local_cancel(struct tg_transport_impl *impl, struct tg_job *job)
{
    (void) impl;
    job->cancelled = true;
    tg_timer_start(job->timer, 0);
}

static int local_open(const struct tg_transport_options *options, struct tg_transport_impl **out, struct tg_error *e)
{
    struct tg_transport_impl *impl;

    if (!options->loop || !tg_loop_uv(options->loop))
        return tg_fail(e, TG_E_CONFIG, "the transport \"local\" needs a real event loop");
    if (!(impl = calloc(1, sizeof *impl)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    impl->loop = options->loop;
    TAILQ_INIT(&impl->jobs);
    TAILQ_INIT(&impl->ended);
    int rc = tg_timer_new(impl->loop, on_sweep, impl, &impl->sweep, e);
    if (rc) {
        free(impl);
        return rc;
    }
    *out = impl;
    return 0;
}

/* Nothing is left running behind our back: what does not end by itself is killed. */
static void local_close(struct tg_transport_impl *impl)
{
    struct tg_job *job;

    if (!impl)
        return;
    while ((job = TAILQ_FIRST(&impl->jobs)) != NULL) {
        if (!job->answered)
            give_up(job, TG_JOB_CANCELLED, "cancelled while the command ran");
        if (job->pid) {
            kill(-job->pid, SIGKILL);
            while (waitpid(job->pid, &job->wait_status, 0) < 0 && errno == EINTR)
                ;
            job->pid = 0;
            check_end(job);
        }
    }
    on_sweep(impl);
    tg_timer_free(impl->sweep);
    free(impl);
}

const struct tg_transport_backend tg_transport_local = {
    .version = TG_TRANSPORT_ABI,
    .name = "local",
    .about = "this machine",
    .open = local_open,
    .close = local_close,
    .run = local_run,
    .cancel = local_cancel,
};
