/* Starting other programs: see child.h. Between fork and exec only async-signal-safe calls: libuv may have threads. */
#define _GNU_SOURCE
#include "base/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* How far the child got, told through a pipe that a successful exec closes. */
enum stage { STAGE_FDS, STAGE_DIR, STAGE_GROUP, STAGE_EXEC };
struct failure {
    enum stage stage;
    int error;
};

static const char *const clean_env[] = {"PATH=" TG_CHILD_PATH, "HOME=/", "LANG=C.UTF-8", NULL};

int tg_child_status(int wait_status)
{
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* 0 when it is a file that may be run. */
static int runnable(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode) || access(path, X_OK) != 0)
        return EACCES;
    return 0;
}

static int make_absolute(const char *name, char *out, size_t size, struct tg_error *e)
{
    char here[PATH_MAX] = "";
    int n;

    if (name[0] != '/' && !getcwd(here, sizeof here))
        return tg_fail_errno(e, TG_E_SYSTEM, errno, "the working folder has no name");
    n = snprintf(out, size, "%s%s%s", here, name[0] == '/' ? "" : "/", name);
    if (n < 0 || (size_t) n >= size)
        return tg_fail(e, TG_E_NOENT, "the program's path is too long: %.60s…", name);
    int error = runnable(out);
    if (error)
        return tg_fail_errno(e, error == EACCES ? TG_E_PERM : TG_E_NOENT, error, "the program %s can't be run", name);
    return 0;
}

int tg_child_find(const char *name, const char *search, char *out, size_t size, struct tg_error *e)
{
    bool denied = false;

    if (strchr(name, '/'))
        return make_absolute(name, out, size, e);
    if (!search)
        search = TG_CHILD_PATH;
    for (const char *p = search; *name; p++) {
        size_t len = strcspn(p, ":");
        int n = snprintf(out, size, "%.*s/%s", (int) len, p, name);
        /* a relative folder, the empty one too, would mean whatever folder we happen to be in */
        if (p[0] == '/' && n > 0 && (size_t) n < size) {
            int error = runnable(out);
            if (!error)
                return 0;
            denied = denied || error == EACCES;
        }
        p += len;
        if (!*p)
            break;
    }
    if (denied)
        return tg_fail(e, TG_E_PERM, "the program %s may not be run", name);
    tg_fail(e, TG_E_NOENT, "there is no program \"%s\"", name);
    tg_error_hint(e, "looked in %s", search);
    return TG_E_NOENT;
}

/* --- in the child --- */

static void set_cloexec(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFD);

    if (flags >= 0)
        (void) fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

static int place_fds(const struct tg_child_spec *s)
{
    int from[3] = {s->in, s->out, s->err};

    for (int i = 0; i < 3; i++) {
        from[i] = from[i] < 0 ? open("/dev/null", i ? O_WRONLY : O_RDONLY) : from[i];
        if (from[i] < 0)
            return -1;
        if (from[i] < 3 && from[i] != i) { /* out of the way: another one goes there */
            from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
            if (from[i] < 0)
                return -1;
        }
    }
    for (int i = 0; i < 3; i++) {
        if (from[i] != i && dup2(from[i], i) < 0)
            return -1;
        set_cloexec(i, false);
    }
    if (close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC) != 0) { /* kernels before 5.11 */
        struct rlimit limit;
        int last = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int) limit.rlim_cur : 65536;
        for (int fd = 3; fd < last; fd++)
            set_cloexec(fd, true);
    }
    for (size_t i = 0; i < s->n_keep; i++)
        set_cloexec(s->keep[i], false);
    return 0;
}

static void reset_signals(void)
{
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int n = 1; n < NSIG; n++)
        (void) sigaction(n, &act, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static enum stage become(const struct tg_child_spec *s, const char *path, pid_t parent)
{
    if (s->death_signal) {
        prctl(PR_SET_PDEATHSIG, s->death_signal);
        if (getppid() != parent)
            _exit(255);
    }
    if (!s->same_group && setpgid(0, 0) != 0)
        return STAGE_GROUP;
    /* signals are still blocked here, SIGTTOU too, so that a group in the background may do this */
    if (s->foreground && tcsetpgrp(s->tty, getpgrp()) != 0)
        return STAGE_GROUP;
    if (s->dir && chdir(s->dir) != 0)
        return STAGE_DIR;
    if (place_fds(s) != 0)
        return STAGE_FDS;
    reset_signals();
    execve(path, (char *const *) s->argv, (char *const *) (s->env ? s->env : clean_env));
    return STAGE_EXEC;
}

/* --- in the parent --- */

static int explain(const struct failure *f, const struct tg_child_spec *s, const char *path, struct tg_error *e)
{
    int code = f->stage != STAGE_EXEC ? TG_E_SYSTEM : f->error == ENOENT ? TG_E_NOENT : f->error == EACCES ? TG_E_PERM : TG_E_SYSTEM;

    switch (f->stage) {
    case STAGE_DIR:
        return tg_fail_errno(e, code, f->error, "%s: its folder %s", path, s->dir);
    case STAGE_FDS:
    case STAGE_GROUP:
        return tg_fail_errno(e, code, f->error, "%s: its process could not be prepared", path);
    case STAGE_EXEC:
        break;
    }
    tg_fail_errno(e, code, f->error, "%s can't be run", path);
    if (f->error == ENOENT)
        tg_error_hint(e, "the file is there: does its first line (#!) name an interpreter that is not?");
    if (f->error == ENOEXEC)
        tg_error_hint(e, "is it a script without a first line such as #!/bin/sh?");
    return code;
}

static int wait_for_exec(int fd, pid_t pid, const struct tg_child_spec *s, const char *path, struct tg_error *e)
{
    struct failure f;
    ssize_t n;

    do {
        n = read(fd, &f, sizeof f);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t) sizeof f)
        return 0;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return explain(&f, s, path, e);
}

int tg_child_start(const struct tg_child_spec *s, pid_t *out_pid, struct tg_error *e)
{
    char path[PATH_MAX];
    int report[2];
    sigset_t all, before;
    pid_t parent = getpid();
    int rc = tg_child_find(s->argv[0], s->search, path, sizeof path, e);

    if (rc)
        return rc;
    assert(s->n_keep <= TG_CHILD_KEEP_MAX);
    if (pipe2(report, O_CLOEXEC) != 0)
        return tg_fail_errno(e, TG_E_SYSTEM, errno, "no pipe to start %s", path);
    if (report[1] < 3) { /* the caller runs without stdin or so: keep clear of what place_fds() moves */
        int high = fcntl(report[1], F_DUPFD_CLOEXEC, 3);
        close(report[1]);
        report[1] = high;
    }
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* no handler of ours may run in the child */
    pid_t pid = fork();
    int error = errno;
    if (pid == 0) {
        struct failure f = {.stage = become(s, path, parent), .error = errno};
        ssize_t n = write(report[1], &f, sizeof f);
        _exit(n == (ssize_t) sizeof f ? 127 : 126);
    }
    if (pid > 0 && !s->same_group)
        (void) setpgid(pid, pid); /* both sides do it: whoever comes first */
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    rc = pid < 0 ? tg_fail_errno(e, TG_E_SYSTEM, error, "no process for %s", path) : wait_for_exec(report[0], pid, s, path, e);
    close(report[0]);
    if (!rc)
        *out_pid = pid;
    return rc;
}
