/*
 * Starting other programs: the one place where it happens. A child gets an absolute path, the environment that the caller names (or
 * a clean one), default signals with an empty mask, a process group of its own, descriptors 0, 1, 2 and those it was promised, and
 * nothing else. There is no shell anywhere.
 */
#ifndef TG_BASE_CHILD_H
#define TG_BASE_CHILD_H

#include <tagout/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a bare name is looked for, unless the caller says otherwise: what root's own PATH is on Debian. */
#define TG_CHILD_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define TG_CHILD_KEEP_MAX 8

/* All of it is borrowed for the call. */
struct tg_child_spec {
    const char *const *argv; /* NULL-terminated; argv[0] a path, or a bare name to be looked for */
    const char *search;      /* folders for a bare name, separated by colons; NULL: TG_CHILD_PATH */
    const char *const *env;  /* "NAME=value", NULL-terminated; NULL: PATH, HOME, LANG and nothing else */
    const char *dir;         /* its working folder; NULL: the caller's */
    int in, out, err;        /* become its 0, 1, 2; -1: /dev/null */
    const int *keep;         /* further descriptors (> 2) that it gets, at their own numbers; at most TG_CHILD_KEEP_MAX */
    size_t n_keep;
    bool same_group;         /* stays in the caller's process group (default: leads one of its own) */
    bool foreground;         /* its group becomes the foreground group of tty before the program runs */
    int tty;                 /* used when foreground is set */
    int death_signal;        /* what it gets when the thread that started it dies; 0: nothing */
};

/*
 * The absolute path of a program: name itself when it has a "/" (made absolute), else the first executable file of that name in
 * search. TG_E_NOENT, or TG_E_PERM when there is one that may not be run. size ≥ 2.
 */
int tg_child_find(const char *name, const char *search, char *out, size_t size, struct tg_error *e);

/*
 * Starts it; returns once the program really runs, so that a missing interpreter or a full process table is an error here and not
 * an exit status. The caller reaps *out_pid, which is also its process group unless same_group. TG_E_NOENT, TG_E_PERM, TG_E_SYSTEM.
 */
int tg_child_start(const struct tg_child_spec *spec, pid_t *out_pid, struct tg_error *e);

/* What waitpid() gave → 0..255, like a shell: 128+n when signal n ended it. */
int tg_child_status(int wait_status);

struct tg_child_result {
    int status;     /* tg_child_status() */
    char *out, *err; /* NUL-terminated; tg_child_result_release() */
    size_t out_len, err_len;
    bool cut;       /* more than max_bytes came on one of them: the rest was thrown away */
};

/*
 * Runs it to its end and collects what it prints; in, out and err of spec are not used: input becomes its stdin. Blocks, at most
 * timeout_ms: then the group gets TERM, 2 s later KILL, and the call fails with TG_E_TIMEOUT. A status that isn't 0 is no failure.
 */
int tg_child_run(const struct tg_child_spec *spec, const char *input, size_t input_len, int64_t timeout_ms, size_t max_bytes,
                 struct tg_child_result *out, struct tg_error *e);
void tg_child_result_release(struct tg_child_result *result);

/* write() to a pipe whose reader may be gone: EPIPE, and no SIGPIPE, whatever the process does with that signal. */
ssize_t tg_pipe_write(int fd, const void *bytes, size_t len);

#endif
