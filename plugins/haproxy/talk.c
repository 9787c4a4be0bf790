/* One command on a connection of its own, which HAProxy closes after its answer: bounded in time and size. */
#include "haproxy.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct tg_haproxy_talk {
    uv_loop_t *uv;
    int *open;          /* what libuv still holds, of all talks */
    int own;            /* and of this one: it is freed with the last */
    bool over;          /* done was called, or is not wanted any more */
    bool sent;
    tg_haproxy_talk_fn done;
    void *data;
    char host[128], port[8];
    char command[1024];
    struct addrinfo *addresses, *next;
    uv_getaddrinfo_t lookup;
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } s;
    bool has_stream;
    uv_connect_t connect;
    uv_write_t write;
    uv_timer_t timer;
    char *answer;
    size_t len, cap;
};

static void new_connection(struct tg_haproxy_talk *t);

static void let_go(struct tg_haproxy_talk *t)
{
    (*t->open)--;
    if (--t->own > 0)
        return;
    if (t->addresses)
        uv_freeaddrinfo(t->addresses);
    free(t->answer);
    free(t);
}

static void hold(struct tg_haproxy_talk *t)
{
    (*t->open)++;
    t->own++;
}

static void on_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

/* The connection to one address is closed, and its memory free for the next. */
static void on_closed_for_next(uv_handle_t *handle)
{
    struct tg_haproxy_talk *t = handle->data;

    if (!t->over)
        new_connection(t);
    let_go(t);
}

static void close_stream(struct tg_haproxy_talk *t)
{
    if (t->has_stream)
        uv_close((uv_handle_t *) &t->s.stream, on_closed);
    t->has_stream = false;
}

void tg_haproxy_talk_end(struct tg_haproxy_talk *t)
{
    if (t->over)
        return;
    t->over = true;
    uv_cancel((uv_req_t *) &t->lookup); /* one that runs goes on, and holds us */
    close_stream(t);
    uv_close((uv_handle_t *) &t->timer, on_closed);
}

static void finish(struct tg_haproxy_talk *t, enum tg_haproxy_came came, const char *why)
{
    if (t->over)
        return;
    hold(t); /* done may be the last to see it */
    tg_haproxy_talk_end(t);
    t->done(t->data, came, t->answer ? t->answer : "", t->len, why);
    let_go(t);
}

static void fail(struct tg_haproxy_talk *t, const char *what, int error)
{
    char why[160];

    snprintf(why, sizeof why, "%s%s%s", what, error ? ": " : "", error ? uv_strerror(error) : "");
    finish(t, t->sent ? TG_HAPROXY_SILENT : TG_HAPROXY_AWAY, why);
}

static void on_time(uv_timer_t *timer)
{
    struct tg_haproxy_talk *t = timer->data;

    fail(t, t->sent ? "no whole answer in 5 s" : "no connection in 5 s", 0);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct tg_haproxy_talk *t = handle->data;

    (void) wanted;
    *out = uv_buf_init(NULL, 0);
    if (t->cap - t->len < 4096 && t->cap <= TG_HAPROXY_ANSWER_MAX) {
        size_t cap = t->cap ? t->cap * 2 : 8192;
        char *more = realloc(t->answer, cap);
        if (!more)
            return;
        t->answer = more;
        t->cap = cap;
    }
    *out = uv_buf_init(t->answer + t->len, (unsigned) (t->cap - t->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct tg_haproxy_talk *t = stream->data;

    (void) buf;
    if (n > 0)
        t->len += (size_t) n;
    if (t->len > TG_HAPROXY_ANSWER_MAX)
        fail(t, "an endless answer", 0);
    else if (n == UV_EOF && t->len == 0)
        fail(t, "it closed the connection without an answer", 0);
    else if (n == UV_EOF)
        finish(t, TG_HAPROXY_ANSWERED, "");
    else if (n < 0)
        fail(t, "the connection broke", (int) n);
}

static void on_written(uv_write_t *write, int status)
{
    struct tg_haproxy_talk *t = write->data;

    if (status < 0 && status != UV_ECANCELED && !t->over)
        fail(t, "the connection broke", status);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct tg_haproxy_talk *t = connect->data;
    uv_buf_t bytes = uv_buf_init(t->command, (unsigned) strlen(t->command));

    if (t->over || status == UV_ECANCELED)
        return;
    if (status < 0 && t->next) {
        t->has_stream = false;
        uv_close((uv_handle_t *) &t->s.stream, on_closed_for_next);
        return;
    }
    if (status < 0) {
        fail(t, "it can't be connected to", status);
        return;
    }
    t->sent = true;
    status = uv_read_start(&t->s.stream, give_room, on_read);
    if (status == 0)
        status = uv_write(&t->write, &t->s.stream, &bytes, 1, on_written);
    if (status < 0)
        fail(t, "the connection broke", status);
}

static void new_connection(struct tg_haproxy_talk *t)
{
    int rc;

    struct addrinfo *a = t->next;
    t->next = a->ai_next;
    rc = uv_tcp_init(t->uv, &t->s.tcp);
    if (rc == 0) {
        t->s.tcp.data = t;
        t->has_stream = true;
        hold(t);
        rc = uv_tcp_connect(&t->connect, &t->s.tcp, a->ai_addr, on_connect);
    }
    if (rc)
        fail(t, "it can't be connected to", rc);
}

static void on_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct tg_haproxy_talk *t = lookup->data;

    t->addresses = t->next = found;
    if (!t->over && status < 0)
        fail(t, "its address can't be found", status);
    else if (!t->over)
        new_connection(t);
    let_go(t);
}

static int begin_tcp(struct tg_haproxy_talk *t, const char *socket)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(socket, ':');
    bool six = socket[0] == '[';

    snprintf(t->host, sizeof t->host, "%.*s", (int) (colon - socket) - (six ? 2 : 0), socket + (six ? 1 : 0));
    snprintf(t->port, sizeof t->port, "%s", colon + 1);
    int rc = uv_getaddrinfo(t->uv, &t->lookup, on_lookup, t->host, t->port, &hints);
    if (rc == 0)
        hold(t);
    return rc;
}

static int begin_unix(struct tg_haproxy_talk *t, const char *socket)
{
    int rc = uv_pipe_init(t->uv, &t->s.pipe, 0);

    if (rc)
        return rc;
    t->s.pipe.data = t;
    t->has_stream = true;
    hold(t);
    uv_pipe_connect(&t->connect, &t->s.pipe, socket, on_connect);
    return 0;
}

static void never_begun(uv_timer_t *timer)
{
    fail(timer->data, "it can't be asked", 0);
}

struct tg_haproxy_talk *tg_haproxy_talk(struct uv_loop_s *uv, const char *socket, const char *command, int *open, tg_haproxy_talk_fn done, void *data)
{
    struct tg_haproxy_talk *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->uv = uv;
    t->open = open;
    t->done = done;
    t->data = data;
    snprintf(t->command, sizeof t->command, "%s\n", command);
    t->lookup.data = t->connect.data = t->write.data = t->timer.data = t;
    uv_update_time(uv); /* it may be long since the last turn */
    uv_timer_init(uv, &t->timer);
    hold(t);
    int rc = socket[0] == '/' ? begin_unix(t, socket) : begin_tcp(t, socket);
    uv_timer_start(&t->timer, rc ? never_begun : on_time, rc ? 0 : TG_HAPROXY_TURN_MS, 0);
    return t;
}
