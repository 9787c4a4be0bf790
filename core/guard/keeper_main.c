/* The keeper's own process: see keeper.h. It has no loop and no libraries: one poll(), a socket, and the ends of its children. */
#define _GNU_SOURCE
#include "guard/keeper.h"

#include "base/child.h"
#include "guard/keeper_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct keep {
    int socket, signals;
    pid_t group;
    int64_t grace_ms;
    int64_t term_at, kill_at;  /* of the last beat; after TERM, kill_at is when KILL follows */
    bool goes_on;              /* whatever becomes of the permit */
    bool holder_gone, termed, killed;
    bool command_ended;        /* the first process of the group */
    int status;
    enum tg_keeper_end end;    /* RUNNING until somebody decided to end it */
};

static int64_t now_ms(void)
{
    return tg_mono_ms(tg_clock_real());
}

static void tell(const struct keep *k, enum tg_wire_kind kind, int value, int64_t a)
{
    struct tg_wire w = {.kind = kind, .value = value, .a = a};

    (void) send(k->socket, &w, sizeof w, MSG_NOSIGNAL);
}

static void refuse(const struct keep *k, const struct tg_error *e)
{
    struct tg_wire w = {.kind = TG_WIRE_REFUSED, .value = e->code};

    snprintf(w.text, sizeof w.text, "%s", e->message);
    snprintf(w.text + strlen(w.text) + 1, sizeof w.text - strlen(w.text) - 1, "%s", e->hint);
    (void) send(k->socket, &w, sizeof w, MSG_NOSIGNAL);
}

/* TERM now, and KILL after the grace, or earlier when the permit's own moment comes first. */
static void begin_end(struct keep *k, enum tg_keeper_end why)
{
    int64_t by_grace = now_ms() + k->grace_ms;

    if (k->termed)
        return;
    k->termed = true;
    k->end = why;
    if (by_grace < k->kill_at)
        k->kill_at = by_grace;
    kill(-k->group, SIGTERM);
    kill(-k->group, SIGCONT); /* what is stopped can't obey */
}

static void do_kill(struct keep *k)
{
    k->killed = true;
    kill(-k->group, SIGKILL);
}

static void reap(struct keep *k);

/* The permit is lost: nothing that descends from the command may act on. Each round may bring children of those that died. */
static void end_strays(struct keep *k)
{
    while (tg_keeper_kill_strays()) {
        struct pollfd fd = {.fd = k->signals, .events = POLLIN};
        struct signalfd_siginfo info;
        (void) poll(&fd, 1, 100);
        while (read(k->signals, &info, sizeof info) == (ssize_t) sizeof info)
            ;
        reap(k);
    }
}

static void reap(struct keep *k)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (WIFSTOPPED(status)) {
            /* Ctrl-Z: whoever waits for us would wait for ever, and the permit with it. A SIGSTOP that somebody sent stays. */
            if (pid == k->group && WSTOPSIG(status) == SIGTSTP)
                kill(-k->group, SIGCONT);
            continue;
        }
        if (pid == k->group) {
            k->command_ended = true;
            k->status = tg_child_status(status);
        }
    }
}

static bool group_is_empty(const struct keep *k)
{
    return k->command_ended && kill(-k->group, 0) != 0 && errno == ESRCH;
}

static void hear(struct keep *k)
{
    struct tg_wire w;
    ssize_t n = recv(k->socket, &w, sizeof w, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != (ssize_t) sizeof w) {
        k->holder_gone = true;
        if (!k->goes_on)
            begin_end(k, TG_KEEPER_LOST);
        return;
    }
    if (w.kind == TG_WIRE_BEAT && !k->termed) {
        k->term_at = w.a;
        k->kill_at = w.b;
    } else if (w.kind == TG_WIRE_SIGNAL) {
        kill(-k->group, w.value);
    } else if (w.kind == TG_WIRE_STOP) {
        begin_end(k, TG_KEEPER_ENDED);
    }
}

static int wait_ms(const struct keep *k)
{
    int64_t at = k->killed ? now_ms() + 100 : k->termed ? k->kill_at : k->term_at < k->kill_at ? k->term_at : k->kill_at;

    /* the first process has ended, others of its group have not: they are not all our children, so look now and then */
    if (k->command_ended && at > now_ms() + 100)
        at = now_ms() + 100;
    if (at == INT64_MAX)
        return -1;
    at -= now_ms();
    return at < 0 ? 0 : at > 60000 ? 60000 : (int) at;
}

static void keep_watch(struct keep *k)
{
    struct pollfd fds[2] = {{.fd = k->socket, .events = POLLIN}, {.fd = k->signals, .events = POLLIN}};
    struct signalfd_siginfo info;

    for (;;) {
        reap(k);
        if (group_is_empty(k))
            return;
        fds[0].fd = k->holder_gone ? -1 : k->socket;
        if (poll(fds, 2, wait_ms(k)) < 0 && errno != EINTR)
            return;
        while (read(k->signals, &info, sizeof info) == (ssize_t) sizeof info)
            ;
        if (fds[0].fd >= 0 && fds[0].revents)
            hear(k);
        if (!k->termed && now_ms() >= k->term_at)
            begin_end(k, TG_KEEPER_LOST);
        if (now_ms() >= k->kill_at) {
            if (k->end == TG_KEEPER_RUNNING)
                k->end = TG_KEEPER_LOST;
            k->termed = true;
            do_kill(k);
        }
    }
}

/* Only the end of a child and the socket matter here: what a terminal or a person sends is for the command. */
static int take_signals(void)
{
    sigset_t set;

    sigfillset(&set);
    sigdelset(&set, SIGSEGV);
    sigdelset(&set, SIGBUS);
    sigdelset(&set, SIGABRT);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int start_command(struct keep *k, const char *search, bool tty, char **command, struct tg_error *e)
{
    extern char **environ;
    struct tg_child_spec child = {.argv = (const char *const *) command, .search = search, .env = (const char *const *) environ,
                                  .in = 0, .out = 1, .err = 2, .foreground = tty, .tty = STDIN_FILENO, .death_signal = SIGKILL};

    return tg_child_start(&child, &k->group, e);
}

int tg_keeper_main(int argc, char **argv, char **command)
{
    struct keep k = {.term_at = 0, .kill_at = 0};
    struct tg_error e = TG_ERROR_INIT;

    if (argc != 4 || !command || !command[0])
        return 64;
    k.socket = (int) strtol(argv[0], NULL, 10); /* our own numbers */
    fcntl(k.socket, F_SETFD, FD_CLOEXEC);
    k.grace_ms = strtoll(argv[1], NULL, 10);
    k.goes_on = strcmp(argv[1], TG_KEEPER_NEVER) == 0;
    if (k.goes_on)
        k.grace_ms = TG_KEEPER_GRACE_MS; /* of a stop that was asked for */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "tagout-keeper");
    if ((k.signals = take_signals()) < 0)
        return 70;
    hear(&k); /* the first beat is there */
    if (k.holder_gone)
        return 69;
    int rc = now_ms() >= k.term_at ? tg_fail(&e, TG_E_UNKNOWN, "the permit was too old to begin with")
                                   : start_command(&k, argv[2], strcmp(argv[3], "1") == 0, command, &e);
    if (rc) {
        refuse(&k, &e);
        return tg_exit_status(rc);
    }
    tell(&k, TG_WIRE_STARTED, (int) k.group, 0);
    keep_watch(&k);
    if (k.end == TG_KEEPER_LOST)
        end_strays(&k);
    tell(&k, TG_WIRE_ENDED, k.status, k.end == TG_KEEPER_RUNNING ? TG_KEEPER_EXITED : k.end);
    return 0;
}
