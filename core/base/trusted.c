/* Whose word is a path: see trusted.h. */
#define _GNU_SOURCE
#include "base/trusted.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int no_such(const char *path, int why, struct tg_error *e)
{
    int code = why == ENOENT || why == ENOTDIR ? TG_E_NOENT : why == EACCES || why == ELOOP ? TG_E_PERM : TG_E_SYSTEM;

    return tg_fail_errno(e, code, why, "%s", path);
}

/* What lies at path is root's or ours. */
static int look(const char *path, struct stat *st, struct tg_error *e)
{
    if (lstat(path, st) != 0)
        return no_such(path, errno, e);
    if (st->st_uid == 0 || st->st_uid == geteuid())
        return 0;
    return tg_fail(e, TG_E_PERM, "%s belongs to user %u, who could put what he likes there", path, (unsigned) st->st_uid);
}

static int look_at_folder(const char *path, bool last, struct tg_error *e)
{
    struct stat st;
    int rc = look(path, &st, e);

    if (rc)
        return rc;
    if (!S_ISDIR(st.st_mode)) /* it was one when the path was resolved */
        return tg_fail(e, TG_E_PERM, "%s changes while it is looked at", path);
    if (!(st.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    if (st.st_mode & S_ISVTX && !(last && st.st_mode & S_IWOTH))
        return 0;
    return tg_fail(e, TG_E_PERM, "%s: others may write to that folder, and could put what they like there", path);
}

/* From the top down: once a folder is known to be safe, nobody else changes which one lies in it under that name. */
int tg_trusted_path(const char *path, char *out, struct stat *out_st, struct tg_error *e)
{
    char way[PATH_MAX];
    struct stat st;

    if (!realpath(path, way))
        return no_such(path, errno, e);
    const char *end = strrchr(way, '/');
    int rc = look_at_folder("/", end == way, e);
    for (char *slash = way; !rc && slash != end;) {
        slash = strchr(slash + 1, '/');
        *slash = '\0';
        rc = look_at_folder(way, slash == end, e);
        *slash = '/';
    }
    if (!rc)
        rc = look(way, &st, e);
    if (!rc && S_ISLNK(st.st_mode))
        rc = tg_fail(e, TG_E_PERM, "%s changes while it is looked at", way);
    if (rc)
        return rc;
    memcpy(out, way, strlen(way) + 1);
    *out_st = st;
    return 0;
}

int tg_trusted_program(const char *path, char *out, struct tg_error *e)
{
    struct stat st;
    int rc = tg_trusted_path(path, out, &st, e);

    if (!rc && (!S_ISREG(st.st_mode) || st.st_mode & (S_IWGRP | S_IWOTH)))
        rc = tg_fail(e, TG_E_PERM, "%s: %s", out, S_ISREG(st.st_mode) ? "others may write to it" : "it is no ordinary file");
    if (rc && e)
        e->code = TG_E_CONFIG;
    return rc ? TG_E_CONFIG : 0;
}
