/* What the rows of doctor --enforce have in common: argv and environment, files of their own, running. See enforce.h. */
#define _GNU_SOURCE
#include "cli/enforce.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUT_MAX (64 * 1024)

/* --- argv and environment --- */

static const char *own(struct tg_enforce *x, const char *format, va_list args)
{
    char *text;

    if (x->n_owned == sizeof x->owned / sizeof x->owned[0] || vasprintf(&text, format, args) < 0)
        abort();
    return x->owned[x->n_owned++] = text;
}

static void add_arg(struct tg_enforce *x, const char *text)
{
    if (x->argc + 1 == TG_ENFORCE_ARGS_MAX)
        abort();
    x->argv[x->argc++] = text;
}

void tg_enforce_arg(struct tg_enforce *x, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_arg(x, own(x, format, args));
    va_end(args);
}

void tg_enforce_args(struct tg_enforce *x, const char *const *words)
{
    while (*words)
        add_arg(x, *words++);
}

void tg_enforce_env(struct tg_enforce *x, const char *format, ...)
{
    va_list args;

    if (x->n_env == sizeof x->env / sizeof x->env[0])
        abort();
    va_start(args, format);
    x->env[x->n_env++] = own(x, format, args);
    va_end(args);
}

/* --- files --- */

static bool line_has(const char *line, const char *text, const char *text2)
{
    const char *at = line + strspn(line, " \t");

    return *at != '#' && strncmp(at, "//", 2) != 0 && strstr(line, text) && strstr(line, text2);
}

static bool file_has(const char *path, const char *text, const char *text2)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    bool found = false;

    while (file && !found && getline(&line, &size, file) >= 0)
        found = line_has(line, text, text2);
    free(line);
    if (file)
        fclose(file);
    return found;
}

bool tg_enforce_grep(struct tg_enforce *x, const char *pattern, const char *text, const char *text2)
{
    glob_t g;
    bool found = false;

    if (glob(pattern, GLOB_NOSORT, NULL, &g) != 0)
        return false;
    for (size_t i = 0; i < g.gl_pathc && !found; i++)
        if ((found = file_has(g.gl_pathv[i], text, text2)))
            snprintf(x->where, sizeof x->where, "%s", g.gl_pathv[i]);
    globfree(&g);
    return found;
}

int tg_enforce_dir_make(struct tg_enforce *x, struct tg_error *e)
{
    snprintf(x->dir, sizeof x->dir, "/tmp/tagout-doctor.XXXXXX");
    return mkdtemp(x->dir) ? 0 : tg_fail_errno(e, TG_E_SYSTEM, errno, "%s", x->dir);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void) st;
    (void) kind;
    (void) at;
    (void) remove(path);
    return 0;
}

void tg_enforce_dir_remove(struct tg_enforce *x)
{
    (void) nftw(x->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

int tg_enforce_file(struct tg_enforce *x, const char *name, const char *content, struct tg_error *e)
{
    char path[4096];

    for (const char *slash = name; (slash = strchr(slash, '/')); slash++) {
        snprintf(path, sizeof path, "%s/%.*s", x->dir, (int) (slash - name), name);
        (void) mkdir(path, 0755);
    }
    snprintf(path, sizeof path, "%s/%s", x->dir, name);
    if (!content)
        return mkdir(path, 0755) == 0 ? 0 : tg_fail_errno(e, TG_E_SYSTEM, errno, "%s", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool written = fd >= 0 && write(fd, content, strlen(content)) == (ssize_t) strlen(content);
    int error = errno;
    if (fd >= 0)
        close(fd);
    return written ? 0 : tg_fail_errno(e, TG_E_SYSTEM, error, "%s", path);
}

/* --- running --- */

int tg_enforce_run(struct tg_enforce *x, const char *const *argv, int64_t timeout_ms, struct tg_child_result *out, struct tg_error *e)
{
    char also[128];
    const char *env[sizeof x->env / sizeof x->env[0] + 5] = {"PATH=" TG_ENFORCE_PATH, "HOME=/root", "LANG=C.UTF-8", also};

    snprintf(also, sizeof also, "TAGOUT_ALSO=%s", x->scope ? x->scope : "");
    memcpy(env + 4, x->env, x->n_env * sizeof env[0]);
    struct tg_child_spec spec = {.argv = argv, .env = env, .search = TG_ENFORCE_PATH, .dir = "/"};
    return tg_child_run(&spec, NULL, 0, timeout_ms, OUTPUT_MAX, out, e);
}
