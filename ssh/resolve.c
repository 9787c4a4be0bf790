/* From a name to a connected socket: addresses looked up on libuv's threads, then tried one after the other, never blocking. */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Lives until libuv's thread is done with it, maybe longer than the session. */
struct tg_ssh_lookup {
    uv_getaddrinfo_t request;
    struct tg_ssh_session *session;
    int status; /* 1: not yet answered */
};

static void set_where(struct tg_ssh_session *s, const char *address)
{
    if (strcmp(s->name, address) == 0)
        snprintf(s->where, sizeof s->where, "%.253s (port %d)", s->name, s->port);
    else
        snprintf(s->where, sizeof s->where, "%.253s (%.100s port %d)", s->name, address, s->port);
}

static void add_address(struct tg_ssh_session *s, const struct sockaddr *addr, socklen_t len)
{
    struct tg_ssh_address *a = &s->addresses[s->n_addresses];

    if (s->n_addresses == TG_SSH_ADDRESSES_MAX || len > sizeof a->addr)
        return;
    memcpy(&a->addr, addr, len);
    a->len = len;
    if (addr->sa_family == AF_INET)
        ((struct sockaddr_in *) &a->addr)->sin_port = htons((uint16_t) s->port);
    else if (addr->sa_family == AF_INET6)
        ((struct sockaddr_in6 *) &a->addr)->sin6_port = htons((uint16_t) s->port);
    else
        return;
    s->n_addresses++;
}

static bool add_numeric(struct tg_ssh_session *s)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, s->address, &in4.sin_addr) == 1)
        add_address(s, (const struct sockaddr *) &in4, sizeof in4);
    else if (inet_pton(AF_INET6, s->address, &in6.sin6_addr) == 1)
        add_address(s, (const struct sockaddr *) &in6, sizeof in6);
    return s->n_addresses > 0;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct tg_ssh_lookup *lookup = request->data;
    struct tg_ssh_session *s = lookup->session;

    if (!s) {
        free(lookup);
        uv_freeaddrinfo(found);
        return;
    }
    lookup->status = status;
    for (const struct addrinfo *a = found; a && status == 0; a = a->ai_next)
        add_address(s, a->ai_addr, a->ai_addrlen);
    uv_freeaddrinfo(found);
    tg_ssh_session_drive(s);
}

void tg_ssh_lookup_drop(struct tg_ssh_session *s)
{
    if (!s->lookup)
        return;
    if (s->lookup->status == 1) {
        s->lookup->session = NULL; /* on_resolved() frees it */
        uv_cancel((uv_req_t *) &s->lookup->request);
    } else {
        free(s->lookup);
    }
    s->lookup = NULL;
}

static int start_lookup(struct tg_ssh_session *s)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};

    s->lookup = calloc(1, sizeof *s->lookup);
    if (!s->lookup) {
        tg_fail(&s->job->error, TG_E_MEMORY, "%s: out of memory", s->name);
        return TG_SSH_EV_REFUSED;
    }
    *s->lookup = (struct tg_ssh_lookup) {.session = s, .status = 1};
    s->lookup->request.data = s->lookup;
    int rc = uv_getaddrinfo(s->impl->uv, &s->lookup->request, on_resolved, s->address, NULL, &hints);
    if (rc == 0)
        return TG_SSH_AGAIN;
    s->lookup->status = rc;
    tg_fail(&s->job->error, TG_E_FAILED, "%s: \"%s\" can't be looked up: %s", s->name, s->address, uv_strerror(rc));
    return TG_SSH_EV_REFUSED;
}

int tg_ssh_do_resolve(struct tg_ssh_session *s)
{
    set_where(s, s->address);
    if (s->n_addresses || add_numeric(s))
        return TG_SSH_EV_DONE;
    if (!s->lookup)
        return start_lookup(s);
    if (s->lookup->status == 1)
        return TG_SSH_AGAIN;
    int status = s->lookup->status;
    tg_ssh_lookup_drop(s);
    if (status == UV_EMFILE || status == UV_ENFILE)
        return TG_SSH_EV_NO_SLOT;
    tg_fail(&s->job->error, TG_E_FAILED, "%s: the name \"%s\" can't be looked up: %s", s->name, s->address,
            status ? uv_strerror(status) : "it has no address");
    tg_error_hint(&s->job->error, "give the host an address in the inventory, or mend its name in DNS or /etc/hosts");
    return TG_SSH_EV_REFUSED;
}

static void show_address(struct tg_ssh_session *s)
{
    const struct tg_ssh_address *a = &s->addresses[s->at_address];
    char text[NI_MAXHOST];

    if (getnameinfo((const struct sockaddr *) &a->addr, a->len, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
        set_where(s, text);
}

/* 0, or an errno. */
static int start_connect(struct tg_ssh_session *s)
{
    const struct tg_ssh_address *a = &s->addresses[s->at_address];
    const int on = 1, idle_s = 60, interval_s = 20, count = 3; /* a peer that vanished is noticed after two minutes */
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return errno;
    if (fd > 0xffff) { /* libssh 0.10 cuts a descriptor that it is given to 16 bits */
        close(fd);
        return EMFILE;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    if (connect(fd, (const struct sockaddr *) &a->addr, a->len) < 0 && errno != EINPROGRESS) {
        int err = errno;
        close(fd);
        return err;
    }
    s->fd = fd;
    if (tg_ssh_session_watch(s)) {
        close(fd);
        s->fd = -1;
        return ENOMEM;
    }
    return 0;
}

static int refused(struct tg_ssh_session *s, int err)
{
    struct tg_error *e = &s->job->error;

    tg_error_clear(e);
    if (err == ECONNREFUSED) {
        tg_fail(e, TG_E_FAILED, "%s refused the connection", s->where);
        tg_error_hint(e, "is sshd running there, and on this port?");
    } else if (err == EHOSTUNREACH || err == ENETUNREACH) {
        tg_fail(e, TG_E_FAILED, "no route to %s", s->where);
    } else if (err == ETIMEDOUT) {
        tg_fail(e, TG_E_FAILED, "%s: no answer to the connection", s->where);
    } else {
        tg_fail(e, TG_E_FAILED, "%s: no connection: %s", s->where, strerror(err));
    }
    e->sys_errno = err;
    return TG_SSH_EV_REFUSED;
}

static void drop_socket(struct tg_ssh_session *s)
{
    tg_ssh_session_unwatch(s);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* Is this socket connected? 0 yes, an errno, or -1: not yet. */
static int connected(struct tg_ssh_session *s)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer, err_len = sizeof(int);
    int err = 0;

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &err_len) < 0)
        return errno;
    if (err)
        return err;
    if (getpeername(s->fd, (struct sockaddr *) &peer, &len) == 0)
        return 0;
    if (errno != ENOTCONN)
        return errno;
    return s->try_due && tg_ssh_now(s) >= s->try_due ? ETIMEDOUT : -1;
}

/* What is left of the time is shared among the addresses that are left, so that one dead address does not eat it all. */
static void share_time(struct tg_ssh_session *s)
{
    size_t left = s->n_addresses - s->at_address;
    int64_t now = tg_ssh_now(s);

    s->try_due = left > 1 && s->connect_due > now ? now + (s->connect_due - now) / (int64_t) left : 0;
    tg_ssh_session_set_timer(s);
}

int tg_ssh_do_connect(struct tg_ssh_session *s)
{
    for (; s->at_address < s->n_addresses; s->at_address++) {
        int err = 0;
        if (s->fd < 0) {
            share_time(s);
            show_address(s);
            err = start_connect(s);
        }
        if (!err)
            err = connected(s);
        if (err < 0)
            return TG_SSH_AGAIN;
        if (err == 0) {
            s->try_due = 0;
            return TG_SSH_EV_DONE;
        }
        drop_socket(s);
        if (err == EMFILE || err == ENFILE || err == ENOBUFS)
            return TG_SSH_EV_NO_SLOT;
        refused(s, err);
    }
    return TG_SSH_EV_REFUSED;
}
