/* Running a command in the foreground: see under.h. */
#include "cli/under.h"

#include "base/child.h"
#include "cli/guarding.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

int tg_run_findable(char *const *command, struct tg_error *e)
{
    char path[PATH_MAX];
    struct tg_error why = TG_ERROR_INIT;

    if (!command[0])
        return tg_fail(e, TG_E_USAGE, "no command behind \"--\"");
    if (tg_child_find(command[0], getenv("PATH"), path, sizeof path, &why) == 0)
        return 0;
    tg_fail(e, TG_E_USAGE, "%s", why.message);
    return tg_error_hint(e, "nothing was taken; %s", why.hint[0] ? why.hint : "mend the command"), TG_E_USAGE;
}

/* Ctrl-Z: the shell gets its terminal back, and "fg" continues both. */
static void stop_with(pid_t pid, int tty)
{
    if (tty >= 0)
        (void) tcsetpgrp(tty, getpgrp());
    raise(SIGSTOP);
    if (tty >= 0 && tcgetpgrp(tty) == getpgrp())
        (void) tcsetpgrp(tty, pid);
    kill(-pid, SIGCONT);
}

static int wait_for(pid_t pid, int tty, const sigset_t *set)
{
    for (;;) {
        int status, number = sigwaitinfo(set, NULL);
        if (number < 0)
            continue;
        if (number != SIGCHLD) {
            kill(-pid, number);
            continue;
        }
        while (waitpid(pid, &status, WNOHANG | WUNTRACED) == pid) {
            if (!WIFSTOPPED(status))
                return tg_child_status(status);
            if (WSTOPSIG(status) == SIGTSTP)
                stop_with(pid, tty);
        }
    }
}

int tg_run_under(char *const *command, const char *const *add, int *out_status, struct tg_error *e)
{
    int tty = isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() ? STDIN_FILENO : -1;
    char **env = tg_cli_environment(add);
    struct tg_child_spec spec = {.argv = (const char *const *) command, .search = getenv("PATH"), .env = (const char *const *) env,
                                 .in = 0, .out = 1, .err = 2, .foreground = tty >= 0, .tty = tty};
    sigset_t set, before;
    pid_t pid;

    if (!env)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof passed_on / sizeof passed_on[0]; i++)
        sigaddset(&set, passed_on[i]);
    sigset_t blocked = set;
    sigaddset(&blocked, SIGTTOU); /* so that a group in the background may take the terminal back */
    sigprocmask(SIG_BLOCK, &blocked, &before);
    int early = tg_cli_signalled(); /* came before it could be passed on: it still is */
    int rc = tg_child_start(&spec, &pid, e);
    if (!rc) {
        if (early)
            kill(-pid, early);
        *out_status = wait_for(pid, tty, &set);
        if (tty >= 0)
            (void) tcsetpgrp(tty, getpgrp());
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    tg_cli_environment_free(env);
    return rc;
}
