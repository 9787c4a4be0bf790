/* What the session is, for those above: its state, its checks when it comes up, and the requests that keep it proven. */
#include "zk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request of our own: nobody above waits for it. */
struct own {
    struct tg_store_impl *s;
    int64_t sent_ms;
};

void zk_why(struct tg_store_impl *s, const char *format, ...)
{
    struct tg_error e = TG_ERROR_INIT;
    va_list args;

    va_start(args, format);
    tg_failv(&e, TG_E_LOST, format, args);
    va_end(args);
    if (strcmp(e.message, s->last.message) == 0)
        return;
    s->last = e;
    if (s->on_session && s->state == TG_SESSION_CONNECTING && !s->closing)
        s->on_session(s->data, s->state, &s->last);
}

static void tell(struct tg_store_impl *s, enum tg_session_state state, const struct tg_error *why)
{
    s->state = state;
    if (s->on_session && !s->closing)
        s->on_session(s->data, state, why);
}

static void over(struct tg_store_impl *s, enum tg_session_state state, const struct tg_error *e)
{
    if (s->over.code)
        return;
    s->over = *e;
    s->up = false;
    tell(s, state, &s->over);
    zk_answer_all(s, &s->over);
    zk_watch_lose(&s->watches);
    zk_drive_soon(s); /* the connection goes from there: this may be called from inside the library */
}

void zk_session_over(struct tg_store_impl *s, enum tg_session_state state, int code, const char *why)
{
    struct tg_error e = TG_ERROR_INIT;

    tg_fail(&e, code, "%s: %s", s->url_text, why);
    over(s, state, &e);
}

static struct own *own_request(struct tg_store_impl *s)
{
    struct own *o = malloc(sizeof *o);

    if (o)
        *o = (struct own) {.s = s, .sent_ms = tg_mono_ms(s->clock)};
    return o;
}

/* Sent, or given up: what the library refuses to take, it will not answer. */
static void own_sent(struct own *o, int rc)
{
    if (rc == ZOK)
        o->s->n_sent++;
    else
        free(o);
}

static void on_config(int rc, const char *value, int len, const struct Stat *stat, const void *data)
{
    struct own *o = (struct own *) data;

    (void) value;
    (void) stat;
    /* The list of servers is empty on one that stands alone. No right to see it, or none there (3.4): taken for an ensemble. */
    if (zk_settle(o->s, rc, o->sent_ms, false))
        zk_proof_alone(&o->s->proof, rc == ZOK && len <= 0);
    free(o);
}

static void there_is_none(struct tg_store_impl *s)
{
    struct tg_error e = TG_ERROR_INIT;

    tg_fail(&e, TG_E_UNKNOWN, "%s: there is no %s on this ZooKeeper", s->url_text, s->url.chroot);
    tg_error_hint(&e, "is the address right? If it is to be a new store: tagout init --store %s", s->url_text);
    e.sys_errno = ENOENT;
    over(s, TG_SESSION_REFUSED, &e);
}

static void on_chroot(int rc, const struct Stat *stat, const void *data)
{
    struct own *o = (struct own *) data;
    struct tg_store_impl *s = o->s;
    char why[600];

    (void) stat;
    bool answered = zk_settle(s, rc, o->sent_ms, false);
    free(o);
    if (!answered || s->over.code || s->closing)
        return;
    if (rc == ZOK) {
        s->checked = true;
        return;
    }
    if (rc == ZNONODE && s->make_rc == ZOK) {
        there_is_none(s);
        return;
    }
    if (rc == ZNONODE)
        snprintf(why, sizeof why, "%s can't be made: %s", s->url.chroot, zerror(s->make_rc));
    else
        snprintf(why, sizeof why, "%s can't be looked at: %s", s->url.chroot, zerror(rc));
    bool perm = rc == ZNOAUTH || s->make_rc == ZNOAUTH;
    zk_session_over(s, TG_SESSION_REFUSED, perm ? TG_E_PERM : TG_E_UNKNOWN, why);
}

static void on_created(int rc, const char *value, const void *data)
{
    struct own *o = (struct own *) data;

    (void) value;
    zk_settle(o->s, rc, o->sent_ms, true);
    o->s->make_rc = rc == ZNODEEXISTS ? ZOK : rc;
    free(o);
}

/* Makes the chroot and all above it; what is there already stays as it is. */
static void make_chroot(struct tg_store_impl *s)
{
    char path[sizeof s->url.chroot];

    for (size_t i = 1; i <= strlen(s->url.chroot); i++) {
        if (s->url.chroot[i] != '/' && s->url.chroot[i] != '\0')
            continue;
        snprintf(path, sizeof path, "%.*s", (int) i, s->url.chroot);
        struct own *o = own_request(s);
        if (o)
            own_sent(o, zoo_acreate(s->zh, path, "", 0, zk_acl(s, false), ZOO_PERSISTENT, on_created, o));
    }
}

static void check_chroot(struct tg_store_impl *s)
{
    if (s->flags & TG_STORE_CREATE)
        make_chroot(s);
    struct own *o = own_request(s);
    if (o)
        own_sent(o, zoo_awexists(s->zh, s->url.chroot, NULL, NULL, on_chroot, o));
}

/*
 * These go ahead of whatever waits, in the same round trip: a guard shall not wait for one more. Should the place turn out to be
 * missing, what was asked behind them is answered with that.
 */
static void came_up(struct tg_store_impl *s)
{
    s->up = true;
    s->last = (struct tg_error) TG_ERROR_INIT;
    s->session_id = (uint64_t) zoo_client_id(s->zh)->client_id;
    s->session_ms = zoo_recv_timeout(s->zh);
    zk_proof_handshake(&s->proof, s->conn.since_ms, s->session_ms);
    struct own *o = own_request(s);
    if (o)
        own_sent(o, zoo_awget(s->zh, ZOO_CONFIG_NODE, NULL, NULL, on_config, o));
    if (!s->checked)
        check_chroot(s);
    tell(s, TG_SESSION_CONNECTED, NULL);
    zk_drive_soon(s);
}

static void went_down(struct tg_store_impl *s)
{
    s->up = false;
    tell(s, TG_SESSION_CONNECTING, s->last.code ? &s->last : NULL);
    zk_drive_soon(s);
}

void zk_observe(struct tg_store_impl *s)
{
    int state = zoo_state(s->zh);

    if (s->over.code || s->closing)
        return;
    if (state == ZOO_EXPIRED_SESSION_STATE) {
        zk_session_over(s, TG_SESSION_EXPIRED, TG_E_SESSION, "the session has expired");
    } else if (state == ZOO_AUTH_FAILED_STATE) {
        zk_session_over(s, TG_SESSION_REFUSED, TG_E_PERM, "the server refuses the credentials");
    } else if (state == ZOO_CONNECTED_STATE && !s->up) {
        came_up(s);
    } else if (state != ZOO_CONNECTED_STATE && s->up) {
        /* A failed send closes the socket in the library without a word to those who wait for answers; their requests would be
         * sent once more on the next connection, from the middle. The next connection is broken for that, which answers them. */
        s->stale = s->n_sent > 0;
        went_down(s);
    }
}

static void on_proof(int rc, const char *value, const void *data)
{
    struct own *o = (struct own *) data;

    (void) value;
    zk_settle(o->s, rc, o->sent_ms, true);
    free(o);
}

/*
 * P4's deadline counts from what is proven, so it must move while nobody asks anything: a sync, every eighth of the time-out. Only
 * while somebody looks; the sessions of those who only watch are kept by the library's own pings, which the leader does not see.
 */
void zk_keep_proving(struct tg_store_impl *s, int64_t *io_wait_ms)
{
    int64_t now = tg_mono_ms(s->clock), every = s->session_ms / 8;

    if (s->asking && now - s->asked_ms > 2 * s->session_ms)
        s->asking = false;
    if (!s->up || !s->asking)
        return;
    if (now - s->leader_ms >= every) {
        struct own *o = own_request(s);
        if (o)
            own_sent(o, zoo_async(s->zh, s->url.chroot, on_proof, o));
        s->leader_ms = now;
    }
    if (s->leader_ms + every - now < *io_wait_ms)
        *io_wait_ms = s->leader_ms + every - now;
}
