/* The agent's listening socket: systemd's, or its own. See server.h. */
#define _GNU_SOURCE
#include "agent/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEMD_FIRST_FD 3 /* sd_listen_fds(3) */
#define BACKLOG 128

static int check_passed(int fd, struct tg_error *e)
{
    int type = 0, listening = 0;
    struct sockaddr_un name = {.sun_family = AF_UNSPEC};
    socklen_t len = sizeof type, name_len = sizeof name, flag_len = sizeof listening;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || getsockname(fd, (struct sockaddr *) &name, &name_len) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &flag_len) != 0 || type != SOCK_STREAM || name.sun_family != AF_UNIX || !listening)
        return tg_fail(e, TG_E_CONFIG, "what was passed as LISTEN_FDS is no listening stream socket of this machine");
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return tg_fail_errno(e, TG_E_SYSTEM, errno, "the socket that was passed");
    return 0;
}

/* 1: there is one, 0: none was passed. */
static int passed(int *out_fd, struct tg_error *e)
{
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
    char own[24];

    snprintf(own, sizeof own, "%ld", (long) getpid());
    bool ours = pid && n && strcmp(pid, own) == 0;
    if (ours && strcmp(n, "1") != 0)
        return tg_fail(e, TG_E_CONFIG, "LISTEN_FDS is \"%.20s\": one socket is wanted", n);
    unsetenv("LISTEN_PID"); /* nothing that we start is meant */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (!ours)
        return 0;
    int rc = check_passed(SYSTEMD_FIRST_FD, e);
    if (rc)
        return rc;
    *out_fd = SYSTEMD_FIRST_FD;
    return 1;
}

/* Whoever holds the lock may remove the file and make it anew; a lock dies with its process, whatever file it leaves. */
static int take_lock(const char *path, int *out_fd, struct tg_error *e)
{
    char file[256];

    snprintf(file, sizeof file, "%.200s.lock", path);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return tg_fail_errno(e, errno == EACCES ? TG_E_PERM : TG_E_SYSTEM, errno, "%s", file);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int why = errno;
        close(fd);
        if (why != EWOULDBLOCK)
            return tg_fail_errno(e, TG_E_SYSTEM, why, "%s", file);
        tg_fail(e, TG_E_EXISTS, "another agent answers on %s already", path);
        return tg_error_hint(e, "one agent a host: tagout agent --status, systemctl status tagout-agent"), TG_E_EXISTS;
    }
    *out_fd = fd;
    return 0;
}

static int make_folder(const char *path, struct tg_error *e)
{
    char folder[256];
    char *slash;

    snprintf(folder, sizeof folder, "%s", path);
    slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return tg_fail_errno(e, errno == EACCES ? TG_E_PERM : TG_E_SYSTEM, errno, "%s", folder);
    return 0;
}

/* Only a socket is removed: a path that was set wrongly must not cost a file. */
static int clear_path(const char *path, struct tg_error *e)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : tg_fail_errno(e, TG_E_SYSTEM, errno, "%s", path);
    if (!S_ISSOCK(st.st_mode))
        return tg_fail(e, TG_E_CONFIG, "%s is there and no socket", path);
    return unlink(path) == 0 || errno == ENOENT ? 0 : tg_fail_errno(e, errno == EACCES ? TG_E_PERM : TG_E_SYSTEM, errno, "%s", path);
}

static int bind_and_listen(int fd, const struct sockaddr_un *name, struct tg_error *e)
{
    mode_t mask = umask(0111); /* everybody may ask; what each may do, his credentials tell */
    int rc = bind(fd, (const struct sockaddr *) name, sizeof *name);

    umask(mask);
    if (rc != 0 || listen(fd, BACKLOG) != 0)
        return tg_fail_errno(e, errno == EACCES ? TG_E_PERM : TG_E_SYSTEM, errno, "%s", name->sun_path);
    return 0;
}

static int make_own(const char *path, int *out_fd, struct tg_error *e)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int rc = clear_path(path, e);

    if (rc)
        return rc;
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return tg_fail_errno(e, TG_E_SYSTEM, errno, "a socket");
    rc = bind_and_listen(fd, &name, e);
    if (rc)
        close(fd);
    else
        *out_fd = fd;
    return rc;
}

int tg_server_listen(const char *path, int *out_fd, int *out_lock_fd, struct tg_error *e)
{
    const struct sockaddr_un *fits = NULL;

    *out_lock_fd = -1;
    int rc = passed(out_fd, e);
    if (rc)
        return rc < 0 ? rc : 0;
    if (path[0] != '/' || strlen(path) >= sizeof fits->sun_path)
        return tg_fail(e, TG_E_CONFIG, "agent-socket must be an absolute path of less than %zu bytes, and is \"%.120s\"", sizeof fits->sun_path, path);
    rc = make_folder(path, e);
    if (!rc)
        rc = take_lock(path, out_lock_fd, e);
    if (!rc)
        rc = make_own(path, out_fd, e);
    if (rc && *out_lock_fd >= 0) {
        close(*out_lock_fd);
        *out_lock_fd = -1;
    }
    return rc;
}
