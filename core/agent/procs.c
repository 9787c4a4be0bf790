/* The processes of this host: see procs.h. */
#define _GNU_SOURCE
#include "agent/procs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROCS_MAX 4194304 /* the kernel's own bound of ids */

char *tg_proc_slurp(const char *root, const char *path, size_t max, size_t *out_len)
{
    char full[PATH_MAX];
    size_t len = 0;
    ssize_t n = 1;

    if ((size_t) snprintf(full, sizeof full, "%s%s", root, path) >= sizeof full) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return NULL;
    char *text = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? malloc(max + 1) : NULL;
    while (text && len < max && n > 0) { /* what /proc gives comes in pages */
        n = read(fd, text + len, max - len);
        len += n > 0 ? (size_t) n : 0;
    }
    int error = text ? errno : EINVAL;
    close(fd);
    if (!text || n < 0) {
        free(text);
        errno = error;
        return NULL;
    }
    text[len] = '\0';
    if (out_len)
        *out_len = len;
    char *fit = realloc(text, len + 1);
    return fit ? fit : text;
}

bool tg_proc_parse_stat(const char *text, struct tg_proc *out)
{
    const char *open = strchr(text, '('), *close = strrchr(text, ')'); /* a name may have brackets, and blanks, in it */
    char state = 0;
    long pid = strtol(text, NULL, 10), parent = -1;
    int64_t start = -1;

    if (!open || !close || close < open || pid <= 0 || pid > PROCS_MAX)
        return false;
    /* state ppid, then 17 fields that don't matter, then starttime */
    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers, and each is looked at here */
    if (sscanf(close + 1, " %c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNd64,
               &state, &parent, &start) != 3 ||
        parent < 0 || parent > PROCS_MAX || start < 0 || strchr("ZXx", state))
        return false;
    size_t len = (size_t) (close - open - 1);
    len = len < sizeof out->comm ? len : sizeof out->comm - 1;
    memcpy(out->comm, open + 1, len);
    out->comm[len] = '\0';
    out->pid = (pid_t) pid;
    out->parent = (pid_t) parent;
    out->start_ticks = start;
    return true;
}

static char *slurp_of(const struct tg_procs *procs, pid_t pid, const char *file, size_t max, size_t *out_len)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/%s", (long) pid, file);
    return tg_proc_slurp(procs->root, path, max, out_len);
}

static uid_t owner_of(const struct tg_procs *procs, pid_t pid)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof path, "%.3000s/proc/%ld", procs->root, (long) pid);
    return stat(path, &st) == 0 ? st.st_uid : (uid_t) -1;
}

static bool read_one(const struct tg_procs *procs, pid_t pid, int64_t boot_ms, long hz, struct tg_proc *out)
{
    char *text = slurp_of(procs, pid, "stat", 2048, NULL);

    *out = (struct tg_proc){.uid = (uid_t) -1};
    bool ok = text && tg_proc_parse_stat(text, out) && out->pid == pid;
    free(text);
    if (!ok)
        return false;
    out->args = slurp_of(procs, pid, "cmdline", TG_PROC_ARGS_MAX, &out->args_len);
    if (!out->args || !out->args_len) { /* the kernel's own */
        free(out->args);
        return false;
    }
    out->since_ms = boot_ms + out->start_ticks * 1000 / hz;
    out->uid = owner_of(procs, pid);
    return true;
}

static int64_t boot_time_ms(const char *root)
{
    char *text = tg_proc_slurp(root, "/proc/stat", 1 << 20, NULL), *at = text ? strstr(text, "\nbtime ") : NULL;
    int64_t boot = at ? strtoll(at + 7, NULL, 10) * 1000 : 0;

    free(text);
    return boot;
}

static int by_pid(const void *a, const void *b)
{
    const struct tg_proc *x = a, *y = b;

    return (x->pid > y->pid) - (x->pid < y->pid);
}

static int add(struct tg_procs *procs, size_t *cap, const struct tg_proc *p, struct tg_error *e)
{
    if (procs->n == *cap) {
        size_t more = *cap ? 2 * *cap : 256;
        struct tg_proc *v = realloc(procs->v, more * sizeof *v);
        if (!v) {
            free(p->args);
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        }
        procs->v = v;
        *cap = more;
    }
    procs->v[procs->n++] = *p;
    return 0;
}

int tg_procs_read(const char *root, struct tg_procs *out, struct tg_error *e)
{
    struct tg_procs procs = {.root = root};
    char path[PATH_MAX];
    struct dirent *d;
    size_t cap = 0;
    long hz = sysconf(_SC_CLK_TCK);
    int rc = 0;

    snprintf(path, sizeof path, "%.4000s/proc", root);
    DIR *dir = opendir(path);
    if (!dir)
        return tg_fail_errno(e, TG_E_UNKNOWN, errno, "%s can't be read, so it is not known what runs", path);
    int64_t boot_ms = boot_time_ms(root);
    while (!rc && (d = readdir(dir)) != NULL) {
        struct tg_proc p;
        char *end;
        long pid = strtol(d->d_name, &end, 10);
        if (isdigit((unsigned char) d->d_name[0]) && !*end && pid > 0 && pid <= PROCS_MAX &&
            read_one(&procs, (pid_t) pid, boot_ms, hz > 0 ? hz : 100, &p))
            rc = add(&procs, &cap, &p, e);
    }
    closedir(dir);
    if (!rc && !procs.n)
        rc = tg_fail(e, TG_E_UNKNOWN, "%s shows no process, so it is not known what runs", path);
    if (rc) {
        tg_procs_release(&procs);
        return rc;
    }
    qsort(procs.v, procs.n, sizeof *procs.v, by_pid);
    *out = procs;
    return 0;
}

void tg_procs_release(struct tg_procs *procs)
{
    for (size_t i = 0; i < procs->n; i++)
        free(procs->v[i].args);
    free(procs->v);
    *procs = (struct tg_procs){.n = 0};
}

const struct tg_proc *tg_procs_find(const struct tg_procs *procs, pid_t pid)
{
    struct tg_proc key = {.pid = pid};

    return procs->n ? bsearch(&key, procs->v, procs->n, sizeof *procs->v, by_pid) : NULL;
}

const char *tg_proc_arg(const struct tg_proc *proc, size_t i)
{
    const char *at = proc->args, *end = proc->args + proc->args_len;

    while (at < end && i--)
        at += strlen(at) + 1;
    return at < end ? at : NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* "python3.11", "ruby2.7", "sh": what runs a script that its next word names. */
static bool is_interpreter(const char *name)
{
    static const char *const names[] = {"python", "ruby", "perl", "bash", "dash", "sh"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = strlen(names[i]);
        if (strncmp(name, names[i], len) == 0 && strspn(name + len, "0123456789.") == strlen(name + len))
            return true;
    }
    return false;
}

const char *tg_proc_program(const struct tg_proc *proc, size_t *out_i)
{
    const char *word = tg_proc_arg(proc, 0);
    size_t i = 0;

    if (out_i)
        *out_i = 0;
    if (!word)
        return "";
    word = base_name(word[0] == '-' ? word + 1 : word); /* a login shell */
    if (!is_interpreter(word))
        return word;
    const char *script = tg_proc_arg(proc, ++i);
    while (script && script[0] == '-' && script[1] && strcmp(script, "-c") != 0)
        script = tg_proc_arg(proc, ++i);
    if (!script || script[0] == '-')
        return word;
    if (out_i)
        *out_i = i;
    return base_name(script);
}

bool tg_proc_is_ours(const struct tg_procs *procs, const struct tg_proc *proc)
{
    char *text = slurp_of(procs, proc->pid, "status", 16384, NULL), *at = text ? strstr(text, "\nNSpid:") : NULL;
    bool ours = true; /* an old kernel does not say: then it counts */

    if (at) {
        at += 7 + strspn(at + 7, " \t");
        at += strspn(at, "0123456789");
        ours = *at != '\t' && *at != ' '; /* a second number is its id in a namespace below */
    }
    free(text);
    return ours;
}

char *tg_proc_variable(const struct tg_procs *procs, const struct tg_proc *proc, const char *name)
{
    size_t len = 0, name_len = strlen(name);
    char *text = slurp_of(procs, proc->pid, "environ", TG_PROC_ENVIRON_MAX, &len), *found = NULL;

    for (char *at = text; text && !found && at < text + len; at += strlen(at) + 1)
        if (strncmp(at, name, name_len) == 0 && at[name_len] == '=')
            found = strdup(at + name_len + 1);
    free(text);
    return found;
}
