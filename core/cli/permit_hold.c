/*
 * The hidden command "_hold PID GRACE": what runs under a permit that a program holds by a pipe. It says that the permit is there, waits until the pipe
 * ends or has something to read, and, when its keeper says that the permit is lost (TERM), ends PID (0: nobody) and all that it has started, but not us.
 *
 * PID gets KILL, so that it begins nothing new, and what it has started TERM, and KILL after GRACE ms. It is not stopped before that: sudo, nsenter and shells stop
 * themselves when their child stops, and nobody would wake them. PID is known by a descriptor, the others by their start: an id alone may be another's by then.
 */
#define _GNU_SOURCE
#include "agent/procs.h"
#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 256

struct held {
    pid_t pid;  /* 0: nobody is stopped */
    int pidfd;  /* -1 */
    int64_t grace_ms;
};

static int pidfd_signal(const struct held *h, int number)
{
    return (int) syscall(SYS_pidfd_send_signal, h->pidfd, number, NULL, 0);
}

static bool is_ancestor(const struct tg_procs *procs, pid_t above, pid_t pid)
{
    for (int depth = 0; depth < DEPTH_MAX && pid > 1; depth++) {
        const struct tg_proc *p = tg_procs_find(procs, pid);
        if (!p)
            return false;
        if (p->parent == above)
            return true;
        pid = p->parent;
    }
    return false;
}

/* What PID has started, without us and those between it and us, who keep the permit until the rest is over. */
static bool is_to_end(const struct tg_procs *procs, const struct held *h, pid_t pid)
{
    return pid != h->pid && pid != getpid() && is_ancestor(procs, h->pid, pid) && !is_ancestor(procs, pid, getpid());
}

struct victim {
    pid_t pid;
    int64_t start;
};

static size_t choose(const struct held *h, struct victim **out)
{
    struct tg_procs procs;
    size_t n = 0;

    *out = NULL;
    if (tg_procs_read("", &procs, NULL) != 0)
        return 0;
    struct victim *v = calloc(procs.n + 1, sizeof *v);
    for (size_t i = 0; v && i < procs.n; i++)
        if (is_to_end(&procs, h, procs.v[i].pid))
            v[n++] = (struct victim) {.pid = procs.v[i].pid, .start = procs.v[i].start_ticks};
    tg_procs_release(&procs);
    *out = v;
    return n;
}

static void signal_all(const struct victim *v, size_t n, int number)
{
    struct tg_procs procs;

    if (!n || tg_procs_read("", &procs, NULL) != 0)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct tg_proc *p = tg_procs_find(&procs, v[i].pid);
        if (p && p->start_ticks == v[i].start)
            (void) kill(v[i].pid, number);
    }
    tg_procs_release(&procs);
}

/* Where its own user looks, and in syslog. It may not be able to say it itself any more. */
static void tell(const struct held *h)
{
    char path[40], line[200];
    int n = snprintf(line, sizeof line, "TAGOUT-LOST detail=\"the permit can't be proven alive: process %ld is ended, with what it has started\"\n", (long) h->pid);

    snprintf(path, sizeof path, "/proc/%ld/fd/2", (long) h->pid);
    int fd = open(path, O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, line, (size_t) n) < 0)
            errno = 0; /* syslog has it */
        close(fd);
    }
    openlog("tagout", LOG_PID, LOG_DAEMON);
    syslog(LOG_ERR, "%.*s", n - 1, line);
}

static void end_it(const struct held *h)
{
    struct timespec grace = {.tv_sec = h->grace_ms / 1000, .tv_nsec = h->grace_ms % 1000 * 1000000};
    struct victim *v;
    size_t n = choose(h, &v); /* while it is there, its children are known by it */

    tell(h);
    (void) pidfd_signal(h, SIGKILL);
    signal_all(v, n, SIGTERM);
    (void) nanosleep(&grace, NULL);
    signal_all(v, n, SIGKILL);
    free(v);
}

static int hold(const struct held *h, int signals)
{
    struct pollfd p[] = {{.fd = signals, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    char bytes[512];

    for (;;) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return tg_exit_status(TG_E_SYSTEM);
        if (p[1].revents && (read(STDIN_FILENO, bytes, sizeof bytes) >= 0 || errno != EINTR))
            return 0; /* before the signal: who has given it back must not be ended for it */
        if (p[0].revents) {
            if (h->pid)
                end_it(h);
            return 128 + SIGTERM;
        }
    }
}

static int run_hold(struct tg_frame *f, struct tg_error *e)
{
    struct held h = {.pid = (pid_t) strtol(f->argv[0], NULL, 10), .grace_ms = strtol(f->argv[1], NULL, 10), .pidfd = -1};
    const char *fence = getenv("TAGOUT_FENCE"), *permit = getenv("TAGOUT_PERMIT");
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for what it holds the permit of */
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0)
        return tg_fail_errno(e, TG_E_SYSTEM, errno, "signalfd");
    if (h.pid && (h.pidfd = (int) syscall(SYS_pidfd_open, h.pid, 0)) < 0)
        return tg_fail_errno(e, TG_E_SYSTEM, errno, "process %ld", (long) h.pid);
    printf("TAGOUT-GO fence=%s permit=%s\n", fence ? fence : "-", permit ? permit : "-");
    if (fflush(stdout) != 0)
        return tg_fail_errno(e, TG_E_SYSTEM, errno, "stdout");
    f->status = hold(&h, signals);
    close(signals);
    if (h.pidfd >= 0)
        close(h.pidfd);
    return 0;
}

const struct tg_cmd tg_cmd_hold_permit = {
    .name = "_hold",
    .args = "PID GRACE",
    .brief = "holds a permit until stdin ends (internal)",
    .min_args = 2,
    .max_args = 2,
    .needs = TG_HIDDEN,
    .exec = run_hold,
};
