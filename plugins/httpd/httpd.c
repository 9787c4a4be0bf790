/* The HTTP server of `tagout serve`, on libmicrohttpd, polled by the one loop: see tagout/httpd.h. */
#define _GNU_SOURCE
#include <tagout/httpd.h>
#include <tagout/module.h>

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

struct tg_httpd {
    struct tg_loop *loop;
    struct MHD_Daemon *daemon;
    uv_poll_t *poll;           /* on libmicrohttpd's epoll descriptor; freed by libuv's close callbacks, as is the timer */
    uv_timer_t *timer;
    tg_http_fn fn;
    void *data;
    uint16_t port;
};

struct call {
    struct tg_http_call call;  /* first: what the receiver sees */
    struct tg_httpd *httpd;
    struct MHD_Connection *connection;
    char *method, *path, *body;
    size_t len, cap;
    char peer[INET6_ADDRSTRLEN];
    bool too_much, answered;
    unsigned status;
    struct MHD_Response *response;
};

static void plan_timer(struct tg_httpd *h);

static void run(struct tg_httpd *h)
{
    (void) MHD_run(h->daemon);
    plan_timer(h);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void) status;
    (void) events;
    run(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void plan_timer(struct tg_httpd *h)
{
    MHD_UNSIGNED_LONG_LONG wait;

    uv_timer_stop(h->timer);
    if (MHD_get_timeout(h->daemon, &wait) == MHD_YES)
        uv_timer_start(h->timer, on_timer, wait, 0);
}

static enum MHD_Result send_now(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *) (uintptr_t) text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = r ? MHD_queue_response(connection, status, r) : MHD_NO;

    if (r)
        MHD_destroy_response(r);
    return result;
}

static void call_free(struct call *c)
{
    if (!c)
        return;
    if (c->response)
        MHD_destroy_response(c->response);
    free(c->method);
    free(c->path);
    free(c->body);
    free(c);
}

static void take_peer(struct call *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *at = info ? info->client_addr : NULL;

    c->peer[0] = '\0';
    if (at && at->sa_family == AF_INET)
        (void) inet_ntop(AF_INET, &((const struct sockaddr_in *) (const void *) at)->sin_addr, c->peer, sizeof c->peer);
    else if (at && at->sa_family == AF_INET6)
        (void) inet_ntop(AF_INET6, &((const struct sockaddr_in6 *) (const void *) at)->sin6_addr, c->peer, sizeof c->peer);
}

static struct call *call_new(struct tg_httpd *h, struct MHD_Connection *connection, const char *url, const char *method)
{
    struct call *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    *c = (struct call) {.httpd = h, .connection = connection, .method = strdup(method), .path = strdup(url)};
    if (c->method && c->path)
        return c;
    call_free(c);
    return NULL;
}

static bool add_body(struct call *c, const char *data, size_t len)
{
    if (c->len + len > TG_HTTPD_BODY_MAX) {
        c->too_much = true;
        return true;
    }
    if (c->len + len + 1 > c->cap) {
        size_t cap = 2 * (c->len + len + 1);
        char *body = realloc(c->body, cap);
        if (!body)
            return false;
        c->body = body;
        c->cap = cap;
    }
    memcpy(c->body + c->len, data, len);
    c->len += len;
    c->body[c->len] = '\0';
    return true;
}

/* libmicrohttpd calls it at the head of a request, for each part of its body, at its end, and when a suspended one is resumed. */
static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
    struct tg_httpd *h = data;
    struct call *c = *state;

    (void) version;
    if (!c) {
        *state = call_new(h, connection, url, method);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*upload_len) {
        bool taken = c->too_much || add_body(c, upload, *upload_len);
        *upload_len = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    if (c->answered)
        return c->response ? MHD_queue_response(connection, c->status, c->response) : MHD_NO;
    if (c->too_much) {
        c->answered = true;
        return send_now(connection, MHD_HTTP_CONTENT_TOO_LARGE, "{\"kind\":\"too_long\",\"value\":\"the request is longer than 65536 bytes\"}\n");
    }
    take_peer(c);
    c->call = (struct tg_http_call) {.method = c->method, .path = c->path, .peer = c->peer, .body = c->body ? c->body : "", .len = c->len};
    MHD_suspend_connection(connection);
    h->fn(h->data, &c->call);
    return MHD_YES;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
    (void) data;
    (void) connection;
    (void) why;
    call_free(*state);
    *state = NULL;
}

/* --- the table --- */

static int address_of(const char *text, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(out, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(out, &v6, sizeof v6);
    else
        return -1;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void close_it(struct tg_httpd *h)
{
    if (!h)
        return;
    if (h->poll) {
        uv_poll_stop(h->poll);
        uv_close((uv_handle_t *) h->poll, on_closed);
    }
    if (h->timer) {
        uv_timer_stop(h->timer);
        uv_close((uv_handle_t *) h->timer, on_closed);
    }
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    free(h);
}

/* Descriptors of libuv's: made in an order such that a failure leaves nothing half watched. */
static int watch(struct tg_httpd *h, struct tg_error *e)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_timer_t *timer = calloc(1, sizeof *timer);
    uv_poll_t *poll = calloc(1, sizeof *poll);

    if (!info || !timer || !poll || uv_timer_init(tg_loop_uv(h->loop), timer) < 0) {
        free(timer);
        free(poll);
        return tg_fail(e, TG_E_SYSTEM, "the server could not be begun");
    }
    timer->data = h;
    h->timer = timer;
    if (uv_poll_init(tg_loop_uv(h->loop), poll, info->epoll_fd) < 0) {
        free(poll);
        return tg_fail(e, TG_E_SYSTEM, "the server could not be begun");
    }
    poll->data = h;
    h->poll = poll;
    uv_poll_start(poll, UV_READABLE, on_poll);
    plan_timer(h);
    return 0;
}

static int open_it(struct tg_loop *loop, const char *address, uint16_t port, tg_http_fn fn, void *data, struct tg_httpd **out, struct tg_error *e)
{
    struct sockaddr_storage at = {.ss_family = AF_UNSPEC};
    struct tg_httpd *h = calloc(1, sizeof *h);

    if (!h)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *h = (struct tg_httpd) {.loop = loop, .fn = fn, .data = data};
    if (address_of(address, port, &at) != 0) {
        free(h);
        tg_fail(e, TG_E_USAGE, "\"%.80s\" is no address to listen on", address);
        return tg_error_hint(e, "numbers, such as 127.0.0.1 or ::1"), TG_E_CONFIG;
    }
    errno = 0;
    h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (at.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0), port, NULL, NULL, on_request, h,
                                 MHD_OPTION_SOCK_ADDR, (struct sockaddr *) &at, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned) TG_HTTPD_CLIENTS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned) TG_HTTPD_PEER_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) TG_HTTPD_IDLE_S, MHD_OPTION_END);
    if (!h->daemon) {
        int error = errno;
        free(h);
        return tg_fail_errno(e, TG_E_SYSTEM, error ? error : EADDRINUSE, "%s port %u can't be listened on", address, port);
    }
    const union MHD_DaemonInfo *bound = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT);
    h->port = bound ? bound->port : port;
    int rc = watch(h, e);
    if (rc) {
        close_it(h);
        return rc;
    }
    *out = h;
    return 0;
}

static uint16_t port_of(const struct tg_httpd *h)
{
    return h->port;
}

static const char *header_of(const struct tg_http_call *call, const char *name)
{
    const struct call *c = (const struct call *) (const void *) call;

    return MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, name);
}

struct gathering {
    const char *name, **out;
    size_t n, max;
};

/* A value with a NUL in it (%00) would be cut there, and be another question: it is handed on as an empty one, which is none. */
static enum MHD_Result gather(void *data, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value, size_t value_size)
{
    struct gathering *g = data;

    (void) kind;
    if (strlen(g->name) != key_size || strcmp(key, g->name) != 0)
        return MHD_YES;
    if (g->n < g->max)
        g->out[g->n] = value && strlen(value) == value_size ? value : "";
    g->n++;
    return MHD_YES;
}

static size_t arguments_of(const struct tg_http_call *call, const char *name, const char **out, size_t max)
{
    const struct call *c = (const struct call *) (const void *) call;
    struct gathering g = {.name = name, .out = out, .max = max};

    (void) MHD_get_connection_values_n(c->connection, MHD_GET_ARGUMENT_KIND, gather, &g);
    return g.n;
}

struct roll_call {
    const char *const *names;
    const char *stranger;
};

static enum MHD_Result look_for_stranger(void *data, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value, size_t value_size)
{
    struct roll_call *r = data;

    (void) kind;
    (void) value;
    (void) value_size;
    for (size_t i = 0; r->names[i]; i++)
        if (strlen(r->names[i]) == key_size && strcmp(r->names[i], key) == 0)
            return MHD_YES;
    r->stranger = key;
    return MHD_NO;
}

static const char *stranger_of(const struct tg_http_call *call, const char *const *names)
{
    const struct call *c = (const struct call *) (const void *) call;
    struct roll_call r = {.names = names};

    (void) MHD_get_connection_values_n(c->connection, MHD_GET_ARGUMENT_KIND, look_for_stranger, &r);
    return r.stranger;
}

static void answer_it(struct tg_http_call *call, unsigned status, const char *type, const char *body, size_t len)
{
    struct call *c = (struct call *) (void *) call;
    struct tg_httpd *h = c->httpd;

    c->response = MHD_create_response_from_buffer(len, (void *) (uintptr_t) body, MHD_RESPMEM_MUST_COPY);
    if (c->response) {
        (void) MHD_add_response_header(c->response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
        (void) MHD_add_response_header(c->response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    c->status = status;
    c->answered = true;
    MHD_resume_connection(c->connection);
    uv_timer_start(h->timer, on_timer, 0, 0); /* a resumed one is gone on with at the next run */
}

static const struct tg_httpd_backend backend = {
    .version = TG_HTTPD_ABI,
    .about = "libmicrohttpd",
    .open = open_it,
    .port = port_of,
    .header = header_of,
    .arguments = arguments_of,
    .stranger = stranger_of,
    .answer = answer_it,
    .close = close_it,
};

TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "httpd",
    .release = TG_RELEASE,
    .httpd = &backend,
};
