/* Running a program to its end and collecting what it prints: see child.h. */
#define _GNU_SOURCE
#include "base/buf.h"
#include "base/child.h"

#include <tagout/clock.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_AFTER_MS 2000 /* between TERM and KILL: long enough to remove a temporary file */

struct run {
    int fd[3];          /* our ends; -1 closed */
    struct tg_buf text[3]; /* [1], [2] */
    const char *input;
    size_t input_len, max_bytes;
    bool cut;
};

ssize_t tg_pipe_write(int fd, const void *bytes, size_t len)
{
    static const struct timespec now = {0};
    sigset_t pipe_only, before, pending;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    sigprocmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t n = write(fd, bytes, len);
    int error = errno;
    if (n < 0 && error == EPIPE && !sigismember(&pending, SIGPIPE)) /* ours: take it back before it is let through */
        while (sigtimedwait(&pipe_only, NULL, &now) < 0 && errno == EINTR)
            ;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return n;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void take_bytes(struct run *r, int stream)
{
    char bytes[16384];
    ssize_t n = read(r->fd[stream], bytes, sizeof bytes);

    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        close_end(&r->fd[stream]);
    if (n <= 0)
        return;
    size_t room = r->max_bytes - r->text[stream].len, take = (size_t) n < room ? (size_t) n : room;
    tg_buf_add(&r->text[stream], bytes, take);
    r->cut = r->cut || take < (size_t) n;
}

static void give_bytes(struct run *r)
{
    ssize_t n = r->input_len ? tg_pipe_write(r->fd[0], r->input, r->input_len) : 0;

    if (n > 0) {
        r->input += n;
        r->input_len -= (size_t) n;
    }
    if (!r->input_len || (n < 0 && errno != EINTR && errno != EAGAIN))
        close_end(&r->fd[0]);
}

/* Until both outputs are closed, or the deadline. Returns whether it was in time. */
static bool pump(struct run *r, int64_t deadline)
{
    while (r->fd[1] >= 0 || r->fd[2] >= 0) {
        int64_t left = deadline - tg_mono_ms(tg_clock_real());
        struct pollfd p[3] = {{r->fd[0], POLLOUT, 0}, {r->fd[1], POLLIN, 0}, {r->fd[2], POLLIN, 0}};
        if (left <= 0)
            return false;
        if (poll(p, 3, left > 60000 ? 60000 : (int) left) <= 0)
            continue;
        if (p[0].revents)
            give_bytes(r);
        for (int i = 1; i < 3; i++)
            if (p[i].revents)
                take_bytes(r, i);
    }
    return true;
}

/* Reaps the leader, at the latest after the deadline and a TERM and a KILL. Returns whether the deadline was kept. */
static bool reap(pid_t pid, bool in_time, int64_t deadline, int *out_status)
{
    const struct tg_clock *clock = tg_clock_real();
    bool killed = false;

    if (!in_time) {
        kill(-pid, SIGTERM);
        deadline = tg_mono_ms(clock) + KILL_AFTER_MS;
    }
    for (;;) {
        pid_t got = waitpid(pid, out_status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR))
            break;
        if (!killed && tg_mono_ms(clock) >= deadline) {
            if (in_time) {
                in_time = false;
                kill(-pid, SIGTERM);
                deadline = tg_mono_ms(clock) + KILL_AFTER_MS;
            } else {
                kill(-pid, SIGKILL);
                killed = true;
            }
        }
        poll(NULL, 0, 5);
    }
    if (!in_time)
        kill(-pid, SIGKILL); /* what is left of its group; the number is ours until nobody is in it */
    return in_time;
}

static int open_ends(struct run *r, int theirs[3], struct tg_error *e)
{
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            return tg_fail_errno(e, TG_E_SYSTEM, errno, "no pipe for a program");
        r->fd[i] = ends[i == 0];
        theirs[i] = ends[i != 0];
    }
    (void) fcntl(r->fd[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static int collect(struct run *r, pid_t pid, const char *name, int64_t timeout_ms, struct tg_child_result *out, struct tg_error *e)
{
    int64_t deadline = tg_mono_ms(tg_clock_real()) + timeout_ms;
    int status = 0;
    char word[32];

    if (!reap(pid, pump(r, deadline), deadline, &status)) {
        tg_duration_format(timeout_ms, word, sizeof word);
        return tg_fail(e, TG_E_TIMEOUT, "%s did not end within %s, and was stopped", name, word);
    }
    size_t out_len = r->text[1].len, err_len = r->text[2].len;
    char *text = tg_buf_take(&r->text[1], e), *errors = tg_buf_take(&r->text[2], e);
    if (!text || !errors) {
        free(text);
        free(errors);
        return TG_E_MEMORY;
    }
    *out = (struct tg_child_result) {.status = tg_child_status(status), .out = text, .err = errors, .out_len = out_len, .err_len = err_len, .cut = r->cut};
    return 0;
}

int tg_child_run(const struct tg_child_spec *spec, const char *input, size_t input_len, int64_t timeout_ms, size_t max_bytes,
                 struct tg_child_result *out, struct tg_error *e)
{
    struct run r = {.fd = {-1, -1, -1}, .input = input, .input_len = input_len, .max_bytes = max_bytes};
    struct tg_child_spec s = *spec;
    int theirs[3] = {-1, -1, -1};
    pid_t pid = 0;
    int rc = open_ends(&r, theirs, e);

    if (!rc) {
        s.in = theirs[0];
        s.out = theirs[1];
        s.err = theirs[2];
        rc = tg_child_start(&s, &pid, e);
    }
    for (int i = 0; i < 3; i++)
        close_end(&theirs[i]);
    if (!rc) {
        if (!input_len)
            close_end(&r.fd[0]);
        rc = collect(&r, pid, spec->argv[0], timeout_ms, out, e);
    }
    for (int i = 0; i < 3; i++) {
        close_end(&r.fd[i]);
        tg_buf_release(&r.text[i]);
    }
    return rc;
}

void tg_child_result_release(struct tg_child_result *result)
{
    free(result->out);
    free(result->err);
    *result = (struct tg_child_result) {0};
}
