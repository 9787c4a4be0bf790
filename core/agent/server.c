/* Connections of the agent's socket: see server.h. */
#define _GNU_SOURCE
#include "agent/server.h"

#include "agent/protocol.h"

#include <tagout/log.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define READ_SIZE 4096      /* a request is some hundred bytes */
#define SAY_AGAIN_MS 60000  /* one trouble is logged once a minute, with how often it came */

enum trouble { T_FULL, T_USER, T_LONG, T_SLOW, T_HALF, T_ACCEPT, N_TROUBLES };
static const char *const troubles[N_TROUBLES] = {
    [T_FULL] = "too many connections: turned away", [T_USER] = "too many connections of one user: turned away",
    [T_LONG] = "a line that is too long: hung up", [T_SLOW] = "its answers are not read: hung up",
    [T_HALF] = "half a line, and no end: hung up", [T_ACCEPT] = "a connection could not be taken",
};

struct tg_conn {
    uv_pipe_t pipe;
    struct tg_server *server;
    struct tg_conn *next, **at; /* of the server's list */
    uint64_t id;
    uid_t uid;
    pid_t pid;
    char *in;                   /* what was read of the next lines; NULL between them: most connections wait */
    size_t have, cap;
    int64_t begun_ms;           /* of a line that is not whole; 0 none */
    bool busy, closing;
    bool ended;                 /* it sends no more */
    bool taking;                /* take_lines() is on the stack, and goes on by itself */
    int64_t unread_ms;          /* since when an answer waits to be read; 0 none */
};
struct tg_server {
    struct tg_loop *loop;
    struct tg_server_handlers h;
    uv_pipe_t listener;
    struct tg_conn *conns;
    struct tg_timer *sweep;
    size_t n_conns, n_handles;
    uint64_t last_id, refused;
    struct { int64_t said_ms; uint64_t n; } said[N_TROUBLES];
};
struct sending {
    uv_write_t req;
    struct tg_conn *conn;
    char bytes[];
};

static int64_t now_of(const struct tg_server *s)
{
    return tg_mono_ms(tg_loop_clock(s->loop));
}

static void say(struct tg_server *s, enum trouble what, uid_t uid)
{
    int64_t now = now_of(s);

    s->refused++;
    s->said[what].n++;
    if (s->said[what].said_ms && now - s->said[what].said_ms < SAY_AGAIN_MS)
        return;
    tg_log(TG_LOG_WARN, "agent", "socket: %s (user %u; %llu times)", troubles[what], (unsigned) uid, (unsigned long long) s->said[what].n);
    s->said[what].said_ms = now;
    s->said[what].n = 0;
}

/* --- the end of a connection --- */

static void on_closed(uv_handle_t *handle)
{
    struct tg_conn *c = handle->data;

    c->server->n_handles--;
    free(c->in);
    free(c);
}

static void hang_up(struct tg_conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    c->server->n_conns--;
    c->server->h.gone(c->server->h.data, c);
    uv_close((uv_handle_t *) &c->pipe, on_closed);
}

/* --- lines in --- */

static void line_taken(struct tg_conn *c, size_t len)
{
    c->have -= len + 1;
    memmove(c->in, c->in + len + 1, c->have);
    c->begun_ms = c->have ? now_of(c->server) : 0;
    if (c->have)
        return;
    free(c->in);
    c->in = NULL;
    c->cap = 0;
}

/* Hands out whole lines while none is under way. */
static void take_lines(struct tg_conn *c)
{
    char *end;

    c->taking = true;
    while (!c->closing && !c->busy && c->have && (end = memchr(c->in, '\n', c->have)) != NULL) {
        size_t len = (size_t) (end - c->in);
        *end = '\0';
        c->busy = true;
        c->server->h.line(c->server->h.data, c, c->in, len);
        if (!c->closing)
            line_taken(c, len);
    }
    c->taking = false;
    if (c->closing)
        return;
    if (!c->busy && c->have > TG_AGENT_LINE_MAX) {
        say(c->server, T_LONG, c->uid);
        hang_up(c);
    } else if (!c->busy && c->ended) {
        hang_up(c);
    }
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct tg_conn *c = handle->data;
    size_t want = c->have + READ_SIZE;

    (void) suggested;
    if (want > c->cap) {
        char *in = realloc(c->in, want);
        if (in) {
            c->in = in;
            c->cap = want;
        }
    }
    *out = uv_buf_init(c->in ? c->in + c->have : NULL, (unsigned) (c->cap - c->have)); /* 0: UV_ENOBUFS, and it is hung up */
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct tg_conn *c = stream->data;

    (void) buf;
    if (n == 0)
        return;
    if (n == UV_EOF && c->busy) { /* it half-closed: its answer is owed still */
        c->ended = true;
        uv_read_stop(stream);
        return;
    }
    if (n < 0) {
        hang_up(c);
        return;
    }
    c->begun_ms = c->begun_ms ? c->begun_ms : now_of(c->server);
    c->have += (size_t) n;
    take_lines(c);
    if (!c->closing && c->busy && c->have > TG_AGENT_LINE_MAX)
        uv_read_stop(stream); /* enough for the next one; the rest waits where it is, until the answer */
}

static void resume_reading(struct tg_conn *c)
{
    if (!c->closing && !c->ended) /* a no-op while it reads */
        (void) uv_read_start((uv_stream_t *) &c->pipe, give_buffer, on_read);
}

/* --- lines out --- */

static void answered(struct tg_conn *c)
{
    c->busy = false;
    c->unread_ms = 0;
    if (c->taking)
        return;
    take_lines(c);
    resume_reading(c);
}

static void on_sent(uv_write_t *req, int status)
{
    struct sending *s = req->data;
    struct tg_conn *c = s->conn;

    free(s);
    if (c->closing)
        return;
    if (status < 0) {
        hang_up(c);
        return;
    }
    answered(c);
}

/* What the socket does not take at once waits here, once a connection: it stays busy until that is gone. */
static void send_later(struct tg_conn *c, const char *text, size_t len)
{
    struct sending *s = malloc(sizeof *s + len);

    if (!s) {
        hang_up(c);
        return;
    }
    s->conn = c;
    s->req.data = s;
    memcpy(s->bytes, text, len);
    uv_buf_t b = uv_buf_init(s->bytes, (unsigned) len);
    if (uv_write(&s->req, (uv_stream_t *) &c->pipe, &b, 1, on_sent) != 0) {
        free(s);
        hang_up(c);
        return;
    }
    c->unread_ms = now_of(c->server);
}

void tg_conn_answer(struct tg_conn *c, const char *text, size_t len)
{
    uv_buf_t parts[2] = {uv_buf_init((char *) (uintptr_t) text, (unsigned) len), uv_buf_init("\n", 1)};

    if (c->closing || !c->busy)
        return;
    int n = uv_try_write((uv_stream_t *) &c->pipe, parts, 2);
    if (n < 0 && n != UV_EAGAIN) {
        hang_up(c);
        return;
    }
    size_t sent = n < 0 ? 0 : (size_t) n;
    if (sent == len + 1) {
        answered(c);
        return;
    }
    char *whole = malloc(len + 1);
    if (!whole) {
        hang_up(c);
        return;
    }
    memcpy(whole, text, len);
    whole[len] = '\n';
    send_later(c, whole + sent, len + 1 - sent);
    free(whole);
}

/* --- new connections --- */

static size_t of_user(const struct tg_server *s, uid_t uid)
{
    size_t n = 0;

    for (const struct tg_conn *c = s->conns; c; c = c->next)
        n += c->uid == uid;
    return n;
}

static bool is_trusted(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

static bool has_room(struct tg_server *s, const struct tg_conn *c)
{
    if (s->n_conns >= TG_SERVER_CLIENTS_MAX)
        return say(s, T_FULL, c->uid), false;
    if (!is_trusted(c->uid) && of_user(s, c->uid) >= TG_SERVER_PER_USER_MAX)
        return say(s, T_USER, c->uid), false;
    return true;
}

static int credentials(struct tg_conn *c)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *) &c->pipe, &fd) != 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return TG_E_SYSTEM;
    c->uid = peer.uid;
    c->pid = peer.pid;
    return 0;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct tg_server *s = listener->data;
    struct tg_conn *c = status < 0 ? NULL : calloc(1, sizeof *c);

    if (!c) {
        say(s, T_ACCEPT, 0);
        return;
    }
    c->server = s;
    c->id = ++s->last_id;
    uv_pipe_init(tg_loop_uv(s->loop), &c->pipe, 0);
    c->pipe.data = c;
    s->n_handles++;
    if (uv_accept(listener, (uv_stream_t *) &c->pipe) != 0 || credentials(c) != 0 || !has_room(s, c)) {
        c->closing = true;
        uv_close((uv_handle_t *) &c->pipe, on_closed);
        return;
    }
    c->next = s->conns;
    if (c->next)
        c->next->at = &c->next;
    c->at = &s->conns;
    s->conns = c;
    s->n_conns++;
    uv_read_start((uv_stream_t *) &c->pipe, give_buffer, on_read);
}

/* Half a line, or an answer that nobody reads, for too long. */
static void on_sweep(void *data)
{
    struct tg_server *s = data;
    int64_t old = now_of(s) - TG_SERVER_LINE_MS;

    for (struct tg_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        bool half = !c->busy && c->begun_ms && c->begun_ms < old, slow = c->unread_ms && c->unread_ms < old;
        if (!half && !slow)
            continue;
        say(s, half ? T_HALF : T_SLOW, c->uid);
        hang_up(c);
    }
    tg_timer_start(s->sweep, TG_SERVER_LINE_MS / 5);
}

/* --- the whole --- */

static void on_listener_closed(uv_handle_t *handle)
{
    struct tg_server *s = handle->data;

    s->n_handles--;
}

int tg_server_new(struct tg_loop *loop, int fd, const struct tg_server_handlers *h, struct tg_server **out, struct tg_error *e)
{
    struct tg_server *s = calloc(1, sizeof *s);
    int rc = 0;

    if (!s || tg_timer_new(loop, on_sweep, s, &s->sweep, e) != 0) {
        free(s);
        close(fd);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    s->loop = loop;
    s->h = *h;
    uv_pipe_init(tg_loop_uv(loop), &s->listener, 0);
    s->listener.data = s;
    s->n_handles = 1;
    if ((rc = uv_pipe_open(&s->listener, fd)) != 0)
        close(fd);
    if (rc || (rc = uv_listen((uv_stream_t *) &s->listener, 128, on_connection)) != 0) {
        tg_fail(e, TG_E_SYSTEM, "the agent's socket: %s", uv_strerror(rc));
        tg_server_free(s);
        return TG_E_SYSTEM;
    }
    tg_timer_start(s->sweep, TG_SERVER_LINE_MS / 5);
    *out = s;
    return 0;
}

void tg_server_free(struct tg_server *s)
{
    if (!s)
        return;
    while (s->conns)
        hang_up(s->conns);
    uv_close((uv_handle_t *) &s->listener, on_listener_closed);
    while (s->n_handles) /* until the handles are closed, nothing of theirs may be freed */
        uv_run(tg_loop_uv(s->loop), UV_RUN_NOWAIT);
    tg_timer_free(s->sweep);
    free(s);
}

size_t tg_server_clients(const struct tg_server *s)
{
    return s->n_conns;
}

uint64_t tg_server_refused(const struct tg_server *s)
{
    return s->refused;
}

uid_t tg_conn_uid(const struct tg_conn *c)
{
    return c->uid;
}

pid_t tg_conn_pid(const struct tg_conn *c)
{
    return c->pid;
}

uint64_t tg_conn_id(const struct tg_conn *c)
{
    return c->id;
}

bool tg_conn_is_trusted(const struct tg_conn *c)
{
    return is_trusted(c->uid);
}
