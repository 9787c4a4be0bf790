/*
 * Puppet's agent_disabled.lock. Puppet makes it with O_EXCL and removes it on --enable, whoever it is from; so a
 * person's may come and go at any moment. Ours is put there, changed and taken away only by steps that show afterwards
 * what lay there, and that can be undone.
 */
#define _GNU_SOURCE
#include "agent/project.h"

#include "base/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 65536
#define TRIES 4 /* somebody who enables and disables all the time is let win */

void (*tg_project_puppet_between)(const char *file);

static int cannot(const char *file, int error, struct tg_error *e)
{
    return tg_fail_errno(e, error == EACCES || error == EPERM || error == EROFS ? TG_E_PERM : TG_E_SYSTEM, error,
                         "%s can't be changed", file);
}

/* *out_same: it is ours, and says this already. */
static int look(const char *file, const char *text, enum tg_project_whose *out, bool *out_same, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    char *is = NULL;
    size_t len = 0;
    int rc = tg_whole_read(file, TEXT_MAX, &is, &len, &why);

    *out_same = false;
    *out = TG_PROJECT_NOBODYS;
    if (rc == TG_E_NOENT)
        return 0;
    *out = TG_PROJECT_A_PERSONS; /* also a link, a pipe, a book: it disables, and is not ours */
    if (rc == TG_E_PERM || rc == TG_E_SYSTEM || rc == TG_E_FULL)
        return tg_fail_errno(e, rc, why.sys_errno, "%s can't be read", file);
    if (rc)
        return 0;
    if (tg_project_json_is_ours(is, len)) {
        *out = TG_PROJECT_OURS;
        *out_same = text && strcmp(is, text) == 0;
    }
    free(is);
    return 0;
}

static bool is_ours(const char *file)
{
    enum tg_project_whose whose;
    bool same;

    return look(file, NULL, &whose, &same, NULL) == 0 && whose == TG_PROJECT_OURS;
}

/* The folder keeps what was done to its names. */
static void sync_folder(const char *file)
{
    int fd = tg_whole_open_folder(file, 0);

    if (fd < 0)
        return;
    (void) fsync(fd);
    close(fd);
}

/* Where nothing lies. TG_E_EXISTS: somebody was faster. */
static int make(const char *file, const char *aside, struct tg_error *e)
{
    int rc = link(aside, file) == 0 ? 0 : errno;

    unlink(aside);
    return rc == EEXIST ? TG_E_EXISTS : rc ? cannot(file, rc, e) : 0;
}

/* Changes places with what lies there; what came out must be ours, or it goes back. TG_E_EXISTS: look again. */
static int change(const char *file, const char *aside, struct tg_error *e)
{
    if (renameat2(AT_FDCWD, aside, AT_FDCWD, file, RENAME_EXCHANGE) != 0) {
        int error = errno;
        if (error == EINVAL) /* a file system without this: the moment between look and rename stays */
            return rename(aside, file) == 0 ? 0 : cannot(file, errno, e);
        unlink(aside);
        return error == ENOENT ? TG_E_EXISTS : cannot(file, error, e);
    }
    if (!is_ours(aside) && renameat2(AT_FDCWD, aside, AT_FDCWD, file, RENAME_EXCHANGE) == 0) {
        unlink(aside);
        return TG_E_EXISTS;
    }
    unlink(aside);
    return 0;
}

static int take_away(const char *file, const char *aside, struct tg_error *e)
{
    if (rename(file, aside) != 0)
        return errno == ENOENT ? TG_E_EXISTS : cannot(file, errno, e);
    if (!is_ours(aside) && link(aside, file) != 0 &&
        errno != EEXIST) /* a person's that came at this moment goes back */
        return cannot(file, errno, e);
    unlink(aside);
    return 0;
}

/* What an agent that was killed in the middle has left: a person's goes back, ours is of no use. */
static void recover(const char *file, const char *aside)
{
    struct stat st;

    if (lstat(aside, &st) != 0)
        return;
    if (!is_ours(aside))
        (void) !link(aside, file); /* when there is another one, that is the newer word */
    unlink(aside);
}

static int put_once(const char *file, const char *text, enum tg_project_whose *out, struct tg_error *e)
{
    char aside[PATH_MAX];
    bool same;

    snprintf(aside, sizeof aside, "%.4000s.tagout", file);
    recover(file, aside);
    int rc = look(file, text, out, &same, e);
    if (rc || same || *out == TG_PROJECT_A_PERSONS || (!text && *out == TG_PROJECT_NOBODYS))
        return rc;
    if (text && (rc = tg_whole_write(aside, text, strlen(text), 0644, TG_WHOLE_DURABLE, e)) != 0)
        return rc;
    if (tg_project_puppet_between)
        tg_project_puppet_between(file);
    rc = !text ? take_away(file, aside, e) : *out == TG_PROJECT_OURS ? change(file, aside, e) : make(file, aside, e);
    sync_folder(file);
    *out = text ? TG_PROJECT_OURS : TG_PROJECT_NOBODYS;
    return rc;
}

int tg_project_puppet_put(const char *file, const char *text, enum tg_project_whose *out, struct tg_error *e)
{
    int rc = TG_E_EXISTS;

    for (int i = 0; i < TRIES && rc == TG_E_EXISTS; i++)
        rc = put_once(file, text, out, e);
    if (rc == TG_E_EXISTS)
        *out = TG_PROJECT_A_PERSONS;
    return rc == TG_E_EXISTS ? 0 : rc;
}
