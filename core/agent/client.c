/* The client of the agent's socket: see client.h. */
#define _GNU_SOURCE
#include "agent/client.h"

#include "base/trusted.h"

#include <tagout/clock.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Waits for the events. TG_E_TIMEOUT. */
static int wait_for(int fd, short events, int64_t deadline_ms, struct tg_error *e)
{
    struct pollfd p = {.fd = fd, .events = events};

    for (;;) {
        int64_t left = deadline_ms - tg_mono_ms(tg_clock_real());
        if (left <= 0)
            return tg_fail(e, TG_E_TIMEOUT, "the agent does not answer");
        int n = poll(&p, 1, left > 60000 ? 60000 : (int) left);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return tg_fail_errno(e, TG_E_SYSTEM, errno, "the agent's socket");
    }
}

/*
 * A socket that root, or we, have made, where nobody else can put another in its place. That is enough: who listens behind it got it from
 * them (with socket activation: an unprivileged agent from systemd). *out_fd is that very socket's file, to connect to, so that it does not
 * matter what its name means in the moment after this.
 */
static int open_file(const char *path, int *out_fd, struct tg_error *e)
{
    char way[PATH_MAX];
    struct stat st;
    int rc;

    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return tg_fail(e, TG_E_PERM, "%s is no socket", path);
    if ((rc = tg_trusted_path(path, way, &st, e)) != 0) {
        if (rc == TG_E_PERM)
            tg_error_hint(e, "the agent's socket is root's, in folders of root's: tagout-agent(7)");
        return rc;
    }
    int fd = open(way, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return tg_fail_errno(e, errno == ENOENT ? TG_E_NOENT : TG_E_SYSTEM, errno, "%s", path);
    if (fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid())) {
        close(fd);
        return tg_fail(e, TG_E_PERM, "%s changes while it is looked at", path);
    }
    *out_fd = fd;
    return 0;
}

/* A socket of this kind connects at once, or its queue is full (EAGAIN): then it is tried again until the deadline. */
static int connect_within(int fd, int file, const char *path, int64_t deadline_ms, struct tg_error *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d", file);
    while (connect(fd, (const struct sockaddr *) &to, sizeof to) != 0) {
        if (errno == ECONNREFUSED || errno == ENOENT)
            return tg_fail_errno(e, TG_E_NOENT, errno, "%s", path);
        if (errno == EACCES || errno == EPERM)
            return tg_fail_errno(e, TG_E_PERM, errno, "%s", path);
        if (errno != EAGAIN && errno != EINTR)
            return tg_fail_errno(e, TG_E_SYSTEM, errno, "%s", path);
        if (tg_mono_ms(tg_clock_real()) >= deadline_ms)
            return tg_fail(e, TG_E_TIMEOUT, "%s: the agent takes no more connections", path);
        (void) poll(NULL, 0, 1);
    }
    return 0;
}

int tg_agent_connect(const char *path, int64_t deadline_ms, struct tg_agent_client *out, struct tg_error *e)
{
    int file, rc;

    if (path[0] != '/' || strlen(path) >= sizeof ((struct sockaddr_un *) NULL)->sun_path)
        return tg_fail(e, TG_E_CONFIG, "the agent's socket must be an absolute path of less than 108 bytes, and is \"%.120s\"", path);
    if ((rc = open_file(path, &file, e)) != 0)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc = fd < 0 ? tg_fail_errno(e, TG_E_SYSTEM, errno, "%s", path) : connect_within(fd, file, path, deadline_ms, e);
    close(file);
    if (!rc)
        out->fd = fd;
    else if (fd >= 0)
        close(fd);
    return rc;
}

/* Sends all of it. MSG_NOSIGNAL: an agent that goes must not take its asker along. */
static int send_all(int fd, const char *bytes, size_t len, int64_t deadline_ms, struct tg_error *e)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            len -= (size_t) n;
        } else if (errno == EAGAIN || errno == EINTR) {
            int rc = wait_for(fd, POLLOUT, deadline_ms, e);
            if (rc)
                return rc;
        } else {
            return tg_fail_errno(e, TG_E_LOST, errno, "the agent hung up");
        }
    }
    return 0;
}

static int receive_line(int fd, char *out, size_t size, int64_t deadline_ms, struct tg_error *e)
{
    size_t have = 0;

    for (;;) {
        if (have + 1 >= size)
            return tg_fail(e, TG_E_DATA, "the agent's answer is longer than %zu bytes", size - 1);
        ssize_t n = recv(fd, out + have, size - 1 - have, 0);
        if (n == 0)
            return tg_fail(e, TG_E_LOST, "the agent hung up");
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return tg_fail_errno(e, TG_E_LOST, errno, "the agent hung up");
        if (n < 0) {
            int rc = wait_for(fd, POLLIN, deadline_ms, e);
            if (rc)
                return rc;
            continue;
        }
        char *end = memchr(out + have, '\n', (size_t) n);
        have += (size_t) n;
        if (!end)
            continue;
        if (end + 1 != out + have)
            return tg_fail(e, TG_E_DATA, "the agent said more than was asked");
        *end = '\0';
        return 0;
    }
}

int tg_agent_ask(struct tg_agent_client *c, const char *line, size_t len, char *out, size_t size, int64_t deadline_ms, struct tg_error *e)
{
    int rc = send_all(c->fd, line, len, deadline_ms, e);

    return rc ? rc : receive_line(c->fd, out, size, deadline_ms, e);
}

void tg_agent_disconnect(struct tg_agent_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}
