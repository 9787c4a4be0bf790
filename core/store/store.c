/*
 * The store's generic layer, first half: handles, what may be passed to a backend, asynchronous verbs, watches. See tagout/store.h.
 *
 * Each request and each watch is an object of its own on the heap. So a watch can be ended alone (a backend knows watches by
 * their function and data), a caller may go while its answer is on the way, and every answer is seen here first: it proves a
 * transaction id.
 */
#include "base/log.h"
#include "base/module.h"
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

/* How long the end of a command may wait for a server to take note; a session that can't be ended ends itself in its time. */
#define CLOSE_WAIT_MS 1000
#define SESSION_DEFAULT_MS 10000

struct tg_store {
    const struct tg_store_backend *backend;
    struct tg_store_impl *impl;
    struct tg_loop *loop;
    char *url;
    tg_session_fn on_session;
    void *data;
    struct tg_error error; /* why the session is over */
    struct tg_error trouble; /* why there is no connection */
    int64_t seen_txid;
    struct tg_store_watch *watches;
    struct tg_store_companion *companion;
    uint64_t connections;
};

struct request {
    struct tg_store *store;
    tg_store_fn fn;
    void *data;
    struct tg_store_watch *watch; /* NULL none */
    bool created_too;             /* NOENT arms the watch: a read */
};

static void on_session(void *data, enum tg_session_state state, const struct tg_error *error)
{
    struct tg_store *s = data;

    tg_log(TG_LOG_DEBUG, "store", "%s: session state %d%s%s", s->url, (int) state, error && error->code ? ": " : "",
           error ? error->message : "");
    if (state == TG_SESSION_EXPIRED || state == TG_SESSION_REFUSED) {
        if (error && error->code)
            s->error = *error;
        tg_fail(&s->error, state == TG_SESSION_EXPIRED ? TG_E_SESSION : TG_E_CONFIG, "%s: the session %s", s->url,
                state == TG_SESSION_EXPIRED ? "has expired" : "was refused");
    }
    s->connections++; /* counted when one ends as well: nothing that was known holds then */
    tg_error_clear(&s->trouble);
    if (state == TG_SESSION_CONNECTING && error)
        s->trouble = *error;
    if (s->on_session)
        s->on_session(s->data, state, error);
}

static int split_scheme(const char *url, char *scheme, size_t size, struct tg_error *e)
{
    size_t len = url ? strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;

    if (len == 0 || len >= size || url[len] != ':') {
        tg_fail(e, TG_E_CONFIG, "\"%.80s\" is no store's URL", url ? url : "");
        tg_error_hint(e, "zk://HOST:2181,HOST:2181/tagout, or local:/PATH/store.db");
        return TG_E_CONFIG;
    }
    memcpy(scheme, url, len);
    scheme[len] = '\0';
    return 0;
}

int tg_store_open(const struct tg_store_options *options, struct tg_store **out, struct tg_error *e)
{
    char scheme[40];
    const struct tg_store_backend *backend = NULL;
    int rc = split_scheme(options->url, scheme, sizeof scheme, e);

    if (rc || (rc = tg_store_backend_find(scheme, &backend, e)) != 0)
        return rc;
    struct tg_store *s = calloc(1, sizeof *s);
    if (!s || !(s->url = strdup(options->url))) {
        free(s);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    s->backend = backend;
    s->loop = options->loop;
    s->on_session = options->on_session;
    s->data = options->data;
    struct tg_store_options own = *options;
    own.url = s->url;
    own.session_ms = options->session_ms > 0 ? options->session_ms : SESSION_DEFAULT_MS;
    own.on_session = on_session;
    own.data = s;
    if ((rc = backend->open(&own, &s->impl, e)) != 0) {
        free(s->url);
        free(s);
        return rc;
    }
    *out = s;
    return 0;
}

static void end_store(struct tg_store *s, int64_t max_wait_ms)
{
    if (!s)
        return;
    s->on_session = NULL;
    s->backend->close(s->impl, max_wait_ms); /* answers, and so frees, what is outstanding */
    for (struct tg_store_watch *w = s->watches, *next; w; w = next) {
        next = w->next;
        free(w);
    }
    if (s->companion)
        s->companion->free(s->companion);
    free(s->url);
    free(s);
}

void tg_store_close(struct tg_store *s)
{
    end_store(s, CLOSE_WAIT_MS);
}

void tg_store_leave(struct tg_store *s)
{
    end_store(s, -1);
}

const char *tg_store_url(const struct tg_store *s)
{
    return s->url;
}

struct tg_loop *tg_store_loop(struct tg_store *s)
{
    return s->loop;
}

enum tg_session_state tg_store_state(struct tg_store *s)
{
    return s->backend->state(s->impl);
}

uint64_t tg_store_session_id(struct tg_store *s)
{
    return s->backend->session_id(s->impl);
}

int64_t tg_store_session_ms(struct tg_store *s)
{
    return s->backend->session_ms(s->impl);
}

int64_t tg_store_proven_ms(struct tg_store *s)
{
    return s->backend->proven_ms(s->impl);
}

int tg_store_session_fd(struct tg_store *s)
{
    return s->backend->session_fd ? s->backend->session_fd(s->impl) : -1;
}

int64_t tg_store_seen_txid(const struct tg_store *s)
{
    return s->seen_txid;
}

struct tg_store_impl *tg_store_impl_of(const struct tg_store *s)
{
    return s->impl;
}

struct tg_store_companion **tg_store_companion(struct tg_store *s)
{
    return &s->companion;
}

uint64_t tg_store_connections(const struct tg_store *s)
{
    return s->connections;
}

const char *tg_store_trouble(const struct tg_store *s)
{
    return s->trouble.message;
}

const struct tg_error *tg_store_error(const struct tg_store *s)
{
    return &s->error;
}

static int bad_path(const char *path, const char *why, struct tg_error *e)
{
    return tg_fail(e, TG_E_DATA, "\"%.200s\" is no path of a store: %s", path, why);
}

static const char *check_name(const char *name, size_t len)
{
    if (len == 0)
        return "an empty name";
    if (len > 255)
        return "a name of more than 255 bytes";
    if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
        return "a name \".\" or \"..\"";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char) name[i] < 0x20 || name[i] == 0x7f)
            return "a control byte in a name";
    return NULL;
}

int tg_store_path_check(const char *path, struct tg_error *e)
{
    if (!path || path[0] != '/')
        return bad_path(path ? path : "", "it does not start with \"/\"", e);
    if (strlen(path) > TG_STORE_PATH_MAX)
        return bad_path(path, "longer than 1023 bytes", e);
    if (!path[1])
        return 0;
    for (const char *name = path + 1;; name++) {
        size_t len = strcspn(name, "/");
        const char *why = check_name(name, len);
        if (why)
            return bad_path(path, why, e);
        name += len;
        if (!*name)
            return 0;
    }
}

int tg_store_usable(struct tg_store *s, struct tg_error *e)
{
    enum tg_session_state state = tg_store_state(s);

    if (state != TG_SESSION_EXPIRED && state != TG_SESSION_REFUSED)
        return 0;
    if (!s->error.code)
        return tg_fail(e, TG_E_SESSION, "the session is over");
    if (e && !e->code)
        *e = s->error;
    return s->error.code;
}

static void link_watch(struct tg_store_watch *w)
{
    w->next = w->store->watches;
    if (w->next)
        w->next->prev = w;
    w->store->watches = w;
    w->linked = true;
}

static void unlink_watch(struct tg_store_watch *w)
{
    if (!w->linked)
        return;
    if (w->prev)
        w->prev->next = w->next;
    else
        w->store->watches = w->next;
    if (w->next)
        w->next->prev = w->prev;
    w->prev = w->next = NULL;
    w->linked = false;
}

static void on_watch(void *data, enum tg_watch_event event, const char *path)
{
    struct tg_store_watch *w = data;

    unlink_watch(w);
    w->fn(w->data, event, path);
    if (!w->asked)
        free(w);
}

void tg_store_watch_drop(struct tg_store_watch *w)
{
    if (!w)
        return;
    w->store->backend->unwatch(w->store->impl, on_watch, w);
    unlink_watch(w);
    if (!w->asked)
        free(w);
}

void tg_store_unwatch(struct tg_store *s, tg_watch_fn watch, void *watch_data)
{
    for (struct tg_store_watch *w = s->watches, *next; w; w = next) {
        next = w->next;
        if (w->fn == watch && w->data == watch_data)
            tg_store_watch_drop(w);
    }
}

static void note_txid(struct tg_store *s, const struct tg_store_reply *r)
{
    const int64_t ids[] = {r->txid, r->stat.created_txid, r->stat.modified_txid, r->stat.children_txid};

    for (size_t i = 0; i < (r->code ? 1 : sizeof ids / sizeof ids[0]); i++)
        if (ids[i] > s->seen_txid)
            s->seen_txid = ids[i];
}

static void on_reply(void *data, const struct tg_store_reply *reply)
{
    struct request *rq = data;
    struct tg_store_watch *w = rq->watch;

    note_txid(rq->store, reply);
    if (w) {
        bool armed = reply->code == 0 || (rq->created_too && reply->code == TG_E_NOENT);
        w->asked = false;
        if (!w->linked) /* it was dropped, or has fired already */
            free(w);
        else if (!armed)
            tg_store_watch_drop(w);
    }
    rq->fn(rq->data, reply);
    free(rq);
}

static struct request *new_request(struct tg_store *s, tg_store_fn fn, void *data, struct tg_error *e)
{
    struct request *rq = calloc(1, sizeof *rq);

    if (!rq)
        tg_fail(e, TG_E_MEMORY, "out of memory");
    else
        *rq = (struct request) {.store = s, .fn = fn, .data = data};
    return rq;
}

static struct tg_store_watch *new_watch(struct tg_store *s, tg_watch_fn fn, void *data, struct tg_error *e)
{
    struct tg_store_watch *w = calloc(1, sizeof *w);

    if (!w) {
        tg_fail(e, TG_E_MEMORY, "out of memory");
        return NULL;
    }
    *w = (struct tg_store_watch) {.store = s, .fn = fn, .data = data, .asked = true};
    link_watch(w);
    return w;
}

static void free_request(struct request *rq)
{
    if (rq->watch) {
        unlink_watch(rq->watch);
        free(rq->watch);
    }
    free(rq);
}

int tg_store_start(struct tg_store *s, enum tg_store_verb verb, const char *path, tg_watch_fn watch, void *watch_data,
                   tg_store_fn fn, void *data, struct tg_store_watch **out_watch, struct tg_error *e)
{
    const struct tg_store_backend *b = s->backend;
    int rc = tg_store_path_check(path, e);

    if (rc || (rc = tg_store_usable(s, e)) != 0)
        return rc;
    struct request *rq = new_request(s, fn, data, e);
    if (!rq)
        return TG_E_MEMORY;
    rq->created_too = verb == TG_VERB_READ;
    if (watch && !(rq->watch = new_watch(s, watch, watch_data, e))) {
        free_request(rq);
        return TG_E_MEMORY;
    }
    tg_watch_fn hook = watch ? on_watch : NULL;
    if (verb == TG_VERB_READ)
        rc = b->read(s->impl, path, hook, rq->watch, on_reply, rq, e);
    else if (verb == TG_VERB_LIST)
        rc = b->list(s->impl, path, hook, rq->watch, on_reply, rq, e);
    else
        rc = b->sync(s->impl, path, on_reply, rq, e);
    if (rc)
        free_request(rq);
    else if (out_watch)
        *out_watch = rq->watch;
    return rc;
}

int tg_store_read_async(struct tg_store *s, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn,
                        void *data, struct tg_error *e)
{
    return tg_store_start(s, TG_VERB_READ, path, watch, watch_data, fn, data, NULL, e);
}

int tg_store_list_async(struct tg_store *s, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn,
                        void *data, struct tg_error *e)
{
    return tg_store_start(s, TG_VERB_LIST, path, watch, watch_data, fn, data, NULL, e);
}

int tg_store_sync_async(struct tg_store *s, const char *path, tg_store_fn fn, void *data, struct tg_error *e)
{
    return tg_store_start(s, TG_VERB_SYNC, path, NULL, NULL, fn, data, NULL, e);
}

static int check_op(const struct tg_op *op, size_t *total, struct tg_error *e)
{
    int rc = tg_store_path_check(op->path, e);

    if (rc)
        return rc;
    if (!op->path[1] && (op->kind == TG_OP_CREATE || op->kind == TG_OP_DELETE))
        return tg_fail(e, TG_E_DATA, "the root of a store is neither created nor deleted");
    if (op->kind == TG_OP_CREATE || op->kind == TG_OP_WRITE)
        *total = op->len > TG_STORE_DATA_MAX ? SIZE_MAX : *total + op->len;
    if (*total > TG_STORE_DATA_MAX)
        return tg_fail(e, TG_E_DATA, "%s: more than %d bytes in one write", op->path, TG_STORE_DATA_MAX);
    return 0;
}

int tg_store_multi_async(struct tg_store *s, const struct tg_op *ops, size_t n_ops, tg_store_fn fn, void *data,
                         struct tg_error *e)
{
    size_t total = 0;
    int rc = 0;

    if (n_ops == 0 || n_ops > TG_STORE_OPS_MAX)
        return tg_fail(e, TG_E_DATA, "%zu operations in one transaction: 1 to %d are possible", n_ops, TG_STORE_OPS_MAX);
    for (size_t i = 0; i < n_ops && !rc; i++)
        rc = check_op(&ops[i], &total, e);
    if (rc || (rc = tg_store_usable(s, e)) != 0)
        return rc;
    struct request *rq = new_request(s, fn, data, e);
    if (!rq)
        return TG_E_MEMORY;
    if ((rc = s->backend->multi(s->impl, ops, n_ops, on_reply, rq, e)) != 0)
        free_request(rq);
    return rc;
}
