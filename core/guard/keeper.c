/* The holder's side of the keeper: see keeper.h. */
#define _GNU_SOURCE
#include "guard/keeper.h"

#include "base/child.h"
#include "guard/keeper_wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

struct tg_keeper {
    struct tg_loop *loop;
    int fd;
    pid_t pid, command;
    int tty;              /* to be given back; -1 none */
    enum tg_keeper_end end;
    int status;
    uv_poll_t *poll;      /* frees itself when closed */
};

static void say(struct tg_keeper *k, enum tg_wire_kind kind, int value, int64_t a, int64_t b)
{
    struct tg_wire w = {.kind = kind, .value = value, .a = a, .b = b};

    /* A keeper that is gone is noticed by the end of its socket; a full socket means that it has beats enough. */
    (void) send(k->fd, &w, sizeof w, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void vanished(struct tg_keeper *k)
{
    if (k->end != TG_KEEPER_RUNNING)
        return;
    k->end = TG_KEEPER_VANISHED;
    k->status = 128 + SIGKILL;
    if (k->command > 0)
        kill(-k->command, SIGKILL);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct tg_keeper *k = poll->data;
    struct tg_wire w;

    (void) events;
    ssize_t n = status < 0 ? 0 : recv(k->fd, &w, sizeof w, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == (ssize_t) sizeof w && w.kind == TG_WIRE_ENDED) {
        k->status = w.value;
        k->end = (enum tg_keeper_end) w.a;
    } else {
        vanished(k);
    }
    uv_poll_stop(poll);
}

/* Waits for the keeper's first word. */
static int await_start(struct tg_keeper *k, struct tg_error *e)
{
    struct tg_wire w;
    ssize_t n;

    do {
        n = recv(k->fd, &w, sizeof w, 0);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t) sizeof w && w.kind == TG_WIRE_STARTED) {
        k->command = (pid_t) w.value;
        return 0;
    }
    if (n == (ssize_t) sizeof w && w.kind == TG_WIRE_REFUSED) {
        w.text[sizeof w.text - 1] = '\0';
        size_t len = strlen(w.text);
        tg_fail(e, w.value, "%s", w.text);
        if (len + 1 < sizeof w.text && w.text[len + 1])
            tg_error_hint(e, "%s", w.text + len + 1);
        return w.value;
    }
    return tg_fail(e, TG_E_SYSTEM, "the keeper ended before it began");
}

/* Our controlling terminal when we are what it listens to: then the command's group becomes that. */
static int foreground_tty(void)
{
    return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() ? STDIN_FILENO : -1;
}

static const char *path_of(const char *const *env)
{
    for (; env && *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return TG_CHILD_PATH;
}

static int start_process(struct tg_keeper *k, const struct tg_keeper_spec *spec, int fd, struct tg_error *e)
{
    char fd_text[16], grace[24];
    size_t n = 0;
    int keep[3] = {fd, spec->session_fd, spec->also_fd};
    size_t n_keep = spec->session_fd >= 0 ? 2 : 1;

    if (spec->also_fd > 2)
        keep[n_keep++] = spec->also_fd;
    while (spec->argv[n])
        n++;
    const char **argv = calloc(n + 10, sizeof *argv);
    if (!argv)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    snprintf(fd_text, sizeof fd_text, "%d", fd);
    snprintf(grace, sizeof grace, "%lld", (long long) spec->grace_ms);
    if (spec->goes_on)
        snprintf(grace, sizeof grace, TG_KEEPER_NEVER);
    const char *search = spec->search ? spec->search : path_of(spec->env);
    const char *head[] = {spec->program ? spec->program : "/proc/self/exe", "_keep", fd_text, grace,
                          search[0] == '/' ? search : TG_CHILD_PATH, k->tty >= 0 ? "1" : "0", "--"};
    memcpy(argv, head, sizeof head);
    memcpy(argv + sizeof head / sizeof head[0], spec->argv, n * sizeof *argv);
    struct tg_child_spec child = {.argv = argv, .env = spec->env, .in = 0, .out = 1, .err = 2, .keep = keep,
                                  .n_keep = n_keep};
    int rc = tg_child_start(&child, &k->pid, e);
    free(argv);
    return rc;
}

static int watch(struct tg_keeper *k, struct tg_error *e)
{
    uv_loop_t *uv = tg_loop_uv(k->loop);

    if (!uv)
        return tg_fail(e, TG_E_BUG, "a keeper needs a real loop");
    if (!(k->poll = calloc(1, sizeof *k->poll)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = uv_poll_init(uv, k->poll, k->fd);
    if (rc < 0) {
        free(k->poll);
        k->poll = NULL;
        return tg_fail(e, TG_E_SYSTEM, "the keeper can't be watched: %s", uv_strerror(rc));
    }
    k->poll->data = k;
    uv_poll_start(k->poll, UV_READABLE | UV_DISCONNECT, on_readable);
    return 0;
}

int tg_keeper_start(struct tg_loop *loop, const struct tg_keeper_spec *spec, struct tg_keeper **out, struct tg_error *e)
{
    struct tg_keeper *k = calloc(1, sizeof *k);
    int pair[2];

    if (!k)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(k);
        return tg_fail_errno(e, TG_E_SYSTEM, errno, "no socket for the keeper");
    }
    (void) prctl(PR_SET_CHILD_SUBREAPER, 1); /* what the keeper has is left to us, should somebody kill it */
    *k = (struct tg_keeper) {.loop = loop, .fd = pair[0], .tty = foreground_tty()};
    say(k, TG_WIRE_BEAT, 0, spec->goes_on ? INT64_MAX : spec->term_at_ms, spec->goes_on ? INT64_MAX : spec->kill_at_ms); /* there before it begins to listen */
    int rc = start_process(k, spec, pair[1], e);
    close(pair[1]);
    if (!rc)
        rc = await_start(k, e);
    if (!rc)
        rc = watch(k, e);
    if (rc) {
        tg_keeper_free(k);
        return rc;
    }
    *out = k;
    return 0;
}

void tg_keeper_beat(struct tg_keeper *k, int64_t term_at_ms, int64_t kill_at_ms)
{
    say(k, TG_WIRE_BEAT, 0, term_at_ms, kill_at_ms);
}

void tg_keeper_signal(struct tg_keeper *k, int signal_number)
{
    say(k, TG_WIRE_SIGNAL, signal_number, 0, 0);
}

void tg_keeper_stop(struct tg_keeper *k)
{
    say(k, TG_WIRE_STOP, 0, 0, 0);
}

enum tg_keeper_end tg_keeper_state(const struct tg_keeper *k, int *out_status)
{
    if (out_status && k->end != TG_KEEPER_RUNNING)
        *out_status = k->status;
    return k->end;
}

pid_t tg_keeper_command_pid(const struct tg_keeper *k)
{
    return k->command;
}

pid_t tg_keeper_pid(const struct tg_keeper *k)
{
    return k->pid;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

/* The terminal listens to us again. From a group in the background this raises SIGTTOU, which is not for us. */
static void take_terminal_back(const struct tg_keeper *k)
{
    sigset_t ttou, before;

    if (k->tty < 0)
        return;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    sigprocmask(SIG_BLOCK, &ttou, &before);
    (void) tcsetpgrp(k->tty, getpgrp());
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* The keeper was killed, and what it kept is ours now (as a subreaper): nothing of it may act when the permit is given back. */
static void end_what_it_kept(const struct tg_keeper *k)
{
    while ((k->command > 0 && kill(-k->command, SIGKILL) == 0) || tg_keeper_kill_strays()) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        (void) poll(NULL, 0, 10);
    }
}

void tg_keeper_free(struct tg_keeper *k)
{
    int saved = errno;

    if (!k)
        return;
    if (k->end == TG_KEEPER_RUNNING && k->command > 0)
        kill(-k->command, SIGKILL);
    if (k->poll)
        uv_close((uv_handle_t *) k->poll, free_handle);
    close(k->fd); /* a keeper that still runs ends what it keeps */
    while (k->pid > 0 && waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (k->end == TG_KEEPER_VANISHED)
        end_what_it_kept(k);
    take_terminal_back(k);
    free(k);
    errno = saved;
}
