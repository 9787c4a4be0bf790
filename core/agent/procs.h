/*
 * The processes of this host, read once from /proc. Everything that is read may be gone a moment later; what can't be
 * read is left empty. A process is known by its id and its start: an id alone may be another's by now.
 */
#ifndef TG_AGENT_PROCS_H
#define TG_AGENT_PROCS_H

#include <tagout/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TG_PROC_ARGS_MAX 4096 /* bytes of a command line that are looked at: tools name themselves at its beginning */
#define TG_PROC_ENVIRON_MAX (256 * 1024)

struct tg_proc {
    pid_t pid, parent;
    int64_t start_ticks; /* since boot: with pid, its identity */
    int64_t since_ms;    /* the same as wall clock */
    uid_t uid;
    char comm[32]; /* cut to 15 characters by the kernel */
    char *args;    /* NUL-separated, and NUL-terminated */
    size_t args_len;
};
struct tg_procs {
    struct tg_proc *v; /* by pid */
    size_t n;
    const char *root; /* borrowed: "" for this host's own /, a folder for tests */
};

/* Kernel threads and zombies are left out. TG_E_UNKNOWN: it can't be told what runs (no /proc, or no process in it). */
int tg_procs_read(const char *root, struct tg_procs *out, struct tg_error *e);
void tg_procs_release(struct tg_procs *procs);
/* NULL: there is none. */
const struct tg_proc *tg_procs_find(const struct tg_procs *procs, pid_t pid);
/* The i-th word of its command line, NULL behind the last. */
const char *tg_proc_arg(const struct tg_proc *proc, size_t i);
/* The base name of what it runs: of the script when it is an interpreter's; *out_i (may be NULL) is that word's number.
 * "" never NULL. */
const char *tg_proc_program(const struct tg_proc *proc, size_t *out_i);
/* In our own namespace of process ids: what runs in a container is that container's business. */
bool tg_proc_is_ours(const struct tg_procs *procs, const struct tg_proc *proc);
/* A variable of the environment it was started with; a copy to be freed, NULL when it has none or we may not look. */
char *tg_proc_variable(const struct tg_procs *procs, const struct tg_proc *proc, const char *name);

/* "/proc/PID/stat": pid, comm, parent and start_ticks are written. false: it makes no sense, or it is a zombie. Pure.
 */
bool tg_proc_parse_stat(const char *text, struct tg_proc *out);
/* A file of /proc or /run below root, at most max bytes, NUL-terminated; free(). NULL and errno. */
char *tg_proc_slurp(const char *root, const char *path, size_t max, size_t *out_len);

#endif
