/* The module: opening and closing, and the tables that core sees. */
#include "zk.h"

#include <tagout/module.h>

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "digest:USER:PASSWORD": the scheme, and what is sent with it. */
static int parse_auth(struct tg_store_impl *s, const char *auth, struct tg_error *e)
{
    const char *colon = auth ? strchr(auth, ':') : NULL;

    if (!auth)
        return 0;
    if (!colon || colon == auth || !strchr(colon + 1, ':')) {
        tg_fail(e, TG_E_CONFIG, "the store's credentials are not of the form digest:USER:PASSWORD");
        return TG_E_CONFIG;
    }
    s->auth_scheme = strndup(auth, (size_t) (colon - auth));
    s->auth_cert = strdup(colon + 1);
    return s->auth_scheme && s->auth_cert ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static void forget(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void free_impl(struct tg_store_impl *s)
{
    tg_timer_free(s->timer);
    if (s->dead_fd >= 0)
        close(s->dead_fd);
    zk_watch_release(&s->watches);
    free(s->url_text);
    free(s->auth_scheme);
    forget(s->auth_cert);
    free(s);
}

static int prepare(struct tg_store_impl *s, const struct tg_store_options *o, struct tg_error *e)
{
    int rc;

    if (!tg_loop_uv(o->loop))
        return tg_fail(e, TG_E_CONFIG, "%s: a ZooKeeper can't be reached on a virtual clock", o->url);
    if ((rc = zk_url_parse(o->url, &s->url, e)) != 0 || (rc = parse_auth(s, o->auth, e)) != 0)
        return rc;
    if (!(s->url_text = strdup(o->url)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if ((rc = tg_timer_new(o->loop, zk_drive, s, &s->timer, e)) != 0)
        return rc;
    s->dead_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return s->dead_fd >= 0 ? 0 : TG_E_SYSTEM;
}

static int zk_open(const struct tg_store_options *o, struct tg_store_impl **out, struct tg_error *e)
{
    struct tg_store_impl *s = calloc(1, sizeof *s);

    if (!s)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    s->loop = o->loop;
    s->clock = tg_loop_clock(o->loop);
    s->dead_fd = -1;
    s->conn = (struct zk_conn) {.fd = -1, .poll_fd = -1};
    s->wish_ms = o->session_ms < 1 ? 1 : o->session_ms > INT_MAX / 2 ? INT_MAX / 2 : o->session_ms;
    s->flags = o->flags;
    s->on_session = o->on_session;
    s->data = o->data;
    int rc = prepare(s, o, e);
    if (rc) {
        tg_fail(e, rc, "%s: the store can't be opened", o->url);
        free_impl(s);
        return rc;
    }
    zk_drive_soon(s);
    *out = s;
    return 0;
}

static void zk_close(struct tg_store_impl *s, int64_t max_wait_ms)
{
    struct tg_error why = TG_ERROR_INIT;

    if (!s)
        return;
    zk_enter(s);
    if (!s->over.code && max_wait_ms >= 0)
        zk_conn_farewell(s, max_wait_ms);
    s->closing = true;
    if (s->zh && !is_unrecoverable(s->zh))
        zk_conn_break(s); /* so that zookeeper_close() has nobody to wait for */
    zk_conn_forget(s);
    if (s->zh)
        zookeeper_close(s->zh);
    zk_resolve_cancel(s);
    tg_fail(&why, TG_E_CANCELLED, "%s: the store was closed", s->url_text);
    zk_answer_all(s, &why);
    free_impl(s);
    zk_enter(NULL);
}

static enum tg_session_state get_state(struct tg_store_impl *s)
{
    return s->state;
}

static uint64_t get_session_id(struct tg_store_impl *s)
{
    return s->session_id;
}

static int64_t get_session_ms(struct tg_store_impl *s)
{
    return s->session_ms ? s->session_ms : s->wish_ms;
}

static int64_t get_proven_ms(struct tg_store_impl *s)
{
    s->asked_ms = tg_mono_ms(s->clock);
    if (!s->asking && !s->over.code) {
        s->asking = true;
        zk_drive_soon(s);
    }
    return s->proof.proven_ms;
}

static const struct tg_store_backend backend = {
    .version = TG_STORE_ABI,
    .scheme = "zk",
    .about = "ZooKeeper: for fleets, and for locks that outlive any one machine",
    .open = zk_open,
    .close = zk_close,
    .read = zk_read,
    .list = zk_list,
    .multi = zk_multi,
    .sync = zk_sync,
    .unwatch = zk_unwatch,
    .state = get_state,
    .session_id = get_session_id,
    .session_ms = get_session_ms,
    .proven_ms = get_proven_ms,
};

TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "zk",
    .release = TG_RELEASE,
    .store = &backend,
};
