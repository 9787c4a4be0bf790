/*
 * The library on the loop: what it wants is asked (zookeeper_interest), polled for, and handed over (zookeeper_process).
 *
 * It opens and closes its socket inside those two calls. We poll a duplicate, and put /dev/null in the place of a connection
 * that must end (dup2 is atomic; from then on the library reads the end of file): so there is one way down, and the library takes it by
 * itself, with all that it does on it.
 */
#define _GNU_SOURCE
#include "zk.h"

#include <tagout/log.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zookeeper/proto.h>

/* Messages taken in one go before others on the loop get their turn. */
#define BURST 64
/* Between two tries when the library can't even begin one, or no name was found. */
#define RETRY_MS 250
#define RESOLVE_RETRY_MS 1000
/* With several servers, how long one may take to answer before the next is tried. */
#define CONNECT_MIN_MS 500
#define CONNECT_MAX_MS 2000

static _Thread_local struct tg_store_impl *entered;

void zk_enter(struct tg_store_impl *s)
{
    entered = s;
}

/* "…:ZOO_ERROR@function@line: Socket [ADDRESS] zk retcode=-4, errno=111(Connection refused): …" */
void zk_log_line(const char *line)
{
    const char *at = strstr(line, ":ZOO_"), *text = at ? strstr(at, ": ") : NULL;
    char address[128], why[128];

    text = text ? text + 2 : line;
    if (entered && entered->quiet)
        return;
    tg_log(TG_LOG_DEBUG, "zk", "%.*s", (int) strcspn(text, "\n"), text);
    if (entered && !entered->closing && sscanf(text, "Socket %127s zk retcode=%*d, errno=%*d(%127[^)])", address, why) == 2)
        zk_why(entered, "%s: %s", address, why);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

void zk_conn_forget(struct tg_store_impl *s)
{
    struct zk_conn *c = &s->conn;

    if (c->poll) {
        uv_poll_stop(c->poll);
        uv_close((uv_handle_t *) c->poll, on_poll_closed);
        close(c->poll_fd); /* allowed once the handle is stopped */
    }
    *c = (struct zk_conn) {.fd = -1, .poll_fd = -1};
}

void zk_drive_soon(struct tg_store_impl *s)
{
    tg_timer_start(s->timer, 0);
}

/*
 * The library writes each request in two pieces, at once and without delay, and the server wakes for every piece. Held back until all that
 * waits is handed over, a round of ten requests is one segment.
 */
void zk_conn_cork(struct tg_store_impl *s, int on)
{
    if (s->conn.poll_fd >= 0)
        setsockopt(s->conn.poll_fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

/* Hands events to the library. False when it is done with the socket for now. */
static bool hand_over(struct tg_store_impl *s, bool readable, bool writable)
{
    if (s->over.code)
        return false;
    if (writable && zookeeper_process(s->zh, ZOOKEEPER_WRITE) != ZOK)
        return false;
    zk_observe(s);
    if (!readable || zoo_state(s->zh) == ZOO_CONNECTING_STATE)
        return false;
    switch (zk_guard(s)) {
    case ZK_GUARD_BREAK:
        zk_conn_break(s);
        return false;
    case ZK_GUARD_WAIT:
        return false;
    case ZK_GUARD_PASS:
        break;
    }
    int rc = zookeeper_process(s->zh, ZOOKEEPER_READ);
    s->conn.in_frame = rc == ZNOTHING;
    if (rc == ZOK)
        s->conn.answered = true;
    zk_observe(s);
    return rc == ZOK;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct tg_store_impl *s = poll->data;

    zk_enter(s);
    /* An error on the socket (a refused connection) is the library's to find: it asks for it, when it may read or write. */
    bool readable = status < 0 || (events & UV_READABLE), writable = status < 0 || (events & UV_WRITABLE);
    if (status < 0)
        s->conn.interest = 0; /* libuv has stopped the handle */
    if (status < 0 && zoo_state(s->zh) != ZOO_CONNECTING_STATE)
        writable = false;
    for (int i = 0; i < BURST && hand_over(s, readable, writable); i++)
        writable = false;
    zk_drive(s);
}

void zk_conn_break(struct tg_store_impl *s)
{
    zk_enter(s);
    if (s->conn.fd < 0)
        return;
    dup3(s->dead_fd, s->conn.fd, O_CLOEXEC);
    s->quiet = true;
    s->stale = false;
    zookeeper_process(s->zh, zoo_state(s->zh) == ZOO_CONNECTING_STATE ? ZOOKEEPER_WRITE : ZOOKEEPER_READ);
    s->quiet = false;
    zk_conn_forget(s);
    zk_observe(s);
}

/* The socket that the library has now. Polls it in place of the one before. */
static int adopt(struct tg_store_impl *s, int fd, ino_t inode)
{
    struct zk_conn *c = &s->conn;

    zk_conn_forget(s);
    fcntl(fd, F_SETFD, FD_CLOEXEC); /* the library was built without SOCK_CLOEXEC */
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    uv_poll_t *poll = own < 0 ? NULL : calloc(1, sizeof *poll);
    if (!poll || uv_poll_init(tg_loop_uv(s->loop), poll, own) < 0) {
        free(poll);
        if (own >= 0)
            close(own);
        return -1;
    }
    poll->data = s;
    *c = (struct zk_conn) {.fd = fd, .poll_fd = own, .inode = inode, .poll = poll};
    c->since_ms = s->before_ms;
    return 0;
}

static int follow(struct tg_store_impl *s, int fd, int interest)
{
    struct zk_conn *c = &s->conn;
    struct stat st;

    if (fd < 0 || fstat(fd, &st)) {
        zk_conn_forget(s);
        return 0;
    }
    if ((fd != c->fd || st.st_ino != c->inode || !c->poll) && adopt(s, fd, st.st_ino))
        return -1;
    int events = (interest & ZOOKEEPER_READ ? UV_READABLE : 0) | (interest & ZOOKEEPER_WRITE ? UV_WRITABLE : 0);
    if (events != c->interest && uv_poll_start(c->poll, events, on_poll))
        return -1;
    c->interest = events;
    return 0;
}

/* One server of several that does not answer is left for the next sooner than the library would. */
static bool too_slow(struct tg_store_impl *s, int64_t *io_wait_ms)
{
    if (s->up || s->conn.fd < 0 || s->n_addresses < 2)
        return false;
    int64_t limit = s->wish_ms / (int64_t) s->n_addresses / 2;
    limit = limit < CONNECT_MIN_MS ? CONNECT_MIN_MS : limit > CONNECT_MAX_MS ? CONNECT_MAX_MS : limit;
    int64_t left = s->conn.since_ms + limit - tg_mono_ms(s->clock);
    if (left <= 0) {
        zk_why(s, "%s: no answer within %" PRId64 " ms", zoo_get_current_server(s->zh), limit);
        return true;
    }
    if (left < *io_wait_ms)
        *io_wait_ms = left;
    return false;
}

/* Asks the library what it wants, and follows. False: once more, at once. */
static bool ask_library(struct tg_store_impl *s, int64_t *out_wait_ms)
{
    struct timeval tv = {0};
    int fd = -1, interest = 0;

    s->before_ms = tg_mono_ms(s->clock);
    int rc = zookeeper_interest(s->zh, &fd, &interest, &tv);
    *out_wait_ms = RETRY_MS;
    zk_observe(s);
    if (s->over.code)
        return true;
    if (rc != ZOK) {
        zk_conn_forget(s);
        return false;
    }
    *out_wait_ms = (int64_t) tv.tv_sec * 1000 + (tv.tv_usec + 999) / 1000;
    if (follow(s, fd, interest)) {
        zk_why(s, "the connection can't be watched: %s", strerror(errno));
        zk_conn_forget(s);
        *out_wait_ms = RETRY_MS;
        return true;
    }
    if ((s->stale && fd >= 0) || too_slow(s, out_wait_ms)) {
        zk_conn_break(s);
        return false;
    }
    return true;
}

/* The session is over: nothing more is asked of the server. */
static void wind_up(struct tg_store_impl *s)
{
    tg_timer_stop(s->timer);
    if (s->zh && !is_unrecoverable(s->zh))
        zk_conn_break(s);
    else
        zk_conn_forget(s);
}

void zk_drive(void *impl)
{
    struct tg_store_impl *s = impl;
    int64_t wait_ms = 0, prove_ms = INT64_MAX;

    zk_enter(s);
    if (s->over.code) {
        wind_up(s);
        return;
    }
    if (!s->zh && !s->resolve && zk_resolve_start(s, &s->last))
        tg_timer_start(s->timer, RETRY_MS);
    if (!s->zh)
        return;
    zk_send_waiting(s);
    zk_keep_proving(s, &prove_ms);
    for (int i = 0; i < 4 && !ask_library(s, &wait_ms); i++)
        wait_ms = 0;
    if (s->over.code)
        zk_drive_soon(s);
    else
        tg_timer_start(s->timer, wait_ms < prove_ms ? wait_ms : prove_ms);
}

void zk_addresses(struct tg_store_impl *s, const char *list, size_t count)
{
    zk_enter(s);
    if (count == 0) {
        tg_timer_start(s->timer, RESOLVE_RETRY_MS);
        return;
    }
    zoo_set_debug_level(tg_log_level_get() >= TG_LOG_DEBUG ? ZOO_LOG_LEVEL_INFO : ZOO_LOG_LEVEL_ERROR);
    s->zh = zookeeper_init2(list, zk_on_watch, (int) s->wish_ms, NULL, NULL, ZOO_NO_LOG_CLIENTENV, zk_log_line);
    if (!s->zh) {
        zk_session_over(s, TG_SESSION_REFUSED, TG_E_CONFIG, "the client library refuses its servers");
        return;
    }
    zoo_set_context(s->zh, s);
    zoo_set_servers_resolution_delay(s->zh, -1); /* else it looks its addresses up again each time that it is asked */
    s->n_addresses = count;
    if (s->auth_scheme && zoo_add_auth(s->zh, s->auth_scheme, s->auth_cert, (int) strlen(s->auth_cert), NULL, NULL) != ZOK)
        zk_session_over(s, TG_SESSION_REFUSED, TG_E_CONFIG, "the client library refuses the credentials");
    zk_drive_soon(s);
}

/* Sends what the library still holds. 0 when all is sent. */
static int flush(struct tg_store_impl *s, int64_t deadline)
{
    for (;;) {
        struct timeval tv;
        int fd = -1, interest = 0;
        if (zookeeper_interest(s->zh, &fd, &interest, &tv) != ZOK || zoo_state(s->zh) != ZOO_CONNECTED_STATE)
            return -1;
        if (!(interest & ZOOKEEPER_WRITE))
            return 0;
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int64_t left = deadline - tg_mono_ms(s->clock);
        if (left <= 0 || poll(&p, 1, (int) left) <= 0)
            return -1;
        zookeeper_process(s->zh, ZOOKEEPER_WRITE);
    }
}

/*
 * zookeeper_close() waits for up to 4.5 s, so the last word is said here: the request to end the session (a header alone: its length,
 * a number, the operation), and then whatever comes until the server closes the connection, which it does when the session has ended.
 */
void zk_conn_farewell(struct tg_store_impl *s, int64_t max_wait_ms)
{
    const uint32_t request[] = {htonl(8), htonl(1), htonl((uint32_t) ZOO_CLOSE_OP)};
    int64_t deadline = tg_mono_ms(s->clock) + max_wait_ms, left;
    char waste[16384];

    zk_enter(s);
    if (!s->zh || s->conn.fd < 0 || zoo_state(s->zh) != ZOO_CONNECTED_STATE || flush(s, deadline))
        return;
    int fd = s->conn.fd;
    if (send(fd, request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) sizeof request)
        return;
    int want = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &want, sizeof want);
    while ((left = deadline - tg_mono_ms(s->clock)) > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int) left) <= 0 || recv(fd, waste, sizeof waste, MSG_DONTWAIT) <= 0)
            return;
    }
}
