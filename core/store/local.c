/* The embedded store: requests in their order, and the backend's slots. See local_internal.h. */
#include "base/log.h"
#include "store/local_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Another process may hold the database for this long before we call it stuck: a commit takes milliseconds, the fsync of a
 * laden disk a second or two. */
#define BUSY_MAX_MS 10000
#define BACKOFF_MAX_MS 16
/* Requests carried out in one turn: others on the loop want theirs, too. */
#define BATCH 128

static int64_t now_of(const struct tg_store_impl *s)
{
    return tg_mono_ms(tg_loop_clock(s->loop));
}

static void free_request(struct lrequest *rq)
{
    free(rq->path);
    free(rq->ops);
    free(rq);
}

static struct lrequest *pop(struct tg_store_impl *s)
{
    struct lrequest *rq = s->first;

    if ((s->first = rq->next) == NULL)
        s->last = &s->first;
    return rq;
}

/* Takes the head off the queue, answers and frees it. */
static void answer(struct tg_store_impl *s, struct tg_store_reply *r)
{
    struct lrequest *rq = pop(s);

    s->backoff_ms = s->busy_since_ms = 0;
    if (!r->code && rq->sent_ms > s->proven_ms)
        s->proven_ms = rq->sent_ms;
    rq->fn(rq->data, r);
    free_request(rq);
}

static void answer_error(struct tg_store_impl *s, const struct tg_error *e, int failed_op)
{
    struct tg_store_reply r = {.code = e->code, .error = e, .failed_op = failed_op};

    answer(s, &r);
}

/* The end of a session that was connected, or never got so far: everybody hears of it. */
static void finish(struct tg_store_impl *s, enum tg_session_state state, const struct tg_error *e)
{
    s->state = state;
    tg_timer_stop(s->pump);
    tg_timer_stop(s->poll);
    tg_local_listen_end(s);
    tg_local_session_end(s, 0);
    tg_local_db_close(s);
    if (s->on_session)
        s->on_session(s->data, state, e);
    while (s->first)
        answer_error(s, e, -1);
    tg_local_watch_lost(s);
}

/* Somebody else has the database: again in a moment, each at another one. */
static void retry(struct tg_store_impl *s)
{
    int64_t now = now_of(s);
    struct tg_error e = TG_ERROR_INIT;

    if (!s->busy_since_ms)
        s->busy_since_ms = now ? now : 1;
    if (now - s->busy_since_ms > BUSY_MAX_MS && s->first) {
        tg_fail(&e, TG_E_TIMEOUT, "%s: another process has held it for %d s", s->path, BUSY_MAX_MS / 1000);
        tg_error_hint(&e, "fuser %s tells which", s->path);
        answer_error(s, &e, -1);
    }
    s->backoff_ms = s->backoff_ms < BACKOFF_MAX_MS ? s->backoff_ms * 2 + 1 : BACKOFF_MAX_MS;
    tg_timer_start(s->pump, 1 + (int64_t) ((unsigned) rand_r(&s->seed) % (unsigned) s->backoff_ms));
}

static int damaged(struct tg_error *e)
{
    tg_error_hint(e, "stop what uses it, and bring back a backup; until then nobody can prove that there is no lock");
    return TG_E_UNKNOWN;
}

/* What a node says of its children must be so: whoever reads it may take it for the proof that one of them is not there (P2). */
static int prove_count(const struct tg_store_impl *s, const char *path, int64_t says, int64_t has, struct tg_error *e)
{
    if (says == has)
        return 0;
    tg_fail(e, TG_E_UNKNOWN, "%s is damaged: %s counts %lld children and has %lld", s->path, path, (long long) says, (long long) has);
    return damaged(e);
}

/* "It is not there" may be the proof that there is no lock, and one flipped bit in the index of paths is enough to say so (P2). */
static int prove_absent(struct tg_store_impl *s, const char *path, struct tg_error *e)
{
    sqlite3_stmt *q = tg_local_bind_path(s, SQL_ABSENT, path);

    sqlite3_bind_text(q, 2, path, (int) tg_path_parent_len(path), SQLITE_STATIC);
    int rc = sqlite3_step(q), code = rc == SQLITE_ROW ? 0 : tg_local_fail(s, rc, "read", e);
    if (!code && sqlite3_column_int64(q, 0)) {
        tg_fail(e, TG_E_UNKNOWN, "%s is damaged: %s is there, but not to be found by its name", s->path, path);
        code = damaged(e);
    }
    sqlite3_reset(q);
    return code ? code : tg_refuse_noent(path, e);
}

/* Is the row that was found the one that was looked for? */
static int prove_path(const struct tg_store_impl *s, const char *path, const char *row, struct tg_error *e)
{
    if (row && strcmp(row, path) == 0)
        return 0;
    tg_fail(e, TG_E_UNKNOWN, "%s is damaged: looking for %s finds another row", s->path, path);
    return damaged(e);
}

static int reply_data(struct tg_store_impl *s, const struct lrequest *rq, struct tg_error *e)
{
    sqlite3_stmt *q = tg_local_bind_path(s, SQL_READ, rq->path);
    struct tg_store_reply r = {.failed_op = -1};
    int rc = sqlite3_step(q), code = 0;

    if (rc == SQLITE_ROW) {
        tg_local_stat_of(q, &r.stat);
        r.data = (const char *) sqlite3_column_text(q, 7); /* text, because that ends in a NUL */
        r.len = (size_t) sqlite3_column_bytes(q, 7);
        if (!r.data)
            r.data = "";
        code = prove_path(s, rq->path, (const char *) sqlite3_column_text(q, 9), e);
        if (!code)
            code = prove_count(s, rq->path, r.stat.children, sqlite3_column_int64(q, 8), e);
    } else {
        code = rc == SQLITE_DONE ? prove_absent(s, rq->path, e) : tg_local_fail(s, rc, "read", e);
    }
    if (rq->watch && (code == 0 || code == TG_E_NOENT)) {
        int armed = tg_local_watch_arm(s, rq, code ? NULL : &r.stat, e);
        code = armed ? armed : code;
    }
    if (code != TG_LOCAL_BUSY) {
        r.code = code;
        r.error = e;
        r.txid = s->read_txid;
        answer(s, &r);
    }
    sqlite3_reset(q);
    return code == TG_LOCAL_BUSY ? code : 0;
}

/* The children's names, in one block behind their array. */
static int gather(struct tg_store_impl *s, const char *path, size_t count, const char ***out, size_t *out_n, struct tg_error *e)
{
    sqlite3_stmt *q = tg_local_bind_path(s, SQL_NAMES, path);
    size_t skip = strlen(path) + (path[1] ? 1 : 0), n = 0;
    const char **names = calloc(count + 1, sizeof(*names));
    int rc = SQLITE_DONE, code = names ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    while (!code && n < count && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const char *child = (const char *) sqlite3_column_text(q, 0);
        if (!child || !(names[n] = strdup(child + skip)))
            code = tg_fail(e, TG_E_MEMORY, "out of memory");
        else
            n++;
    }
    if (!code && rc != SQLITE_DONE && rc != SQLITE_ROW)
        code = tg_local_fail(s, rc, "read", e);
    if (!code && (n < count || (rc == SQLITE_ROW && sqlite3_step(q) == SQLITE_ROW)))
        code = prove_count(s, path, (int64_t) count, n < count ? (int64_t) n : (int64_t) count + 1, e);
    sqlite3_reset(q);
    *out = names;
    *out_n = n;
    return code;
}

static int reply_names(struct tg_store_impl *s, const struct lrequest *rq, struct tg_error *e)
{
    struct tg_store_reply r = {.failed_op = -1, .txid = s->read_txid};
    const char **names = NULL;
    int code = tg_local_stat(s, rq->path, &r.stat, e);

    if (code == TG_E_NOENT)
        tg_refuse_noent(rq->path, e);
    if (!code)
        code = gather(s, rq->path, (size_t) r.stat.children, &names, &r.n_names, e);
    if (!code && rq->watch)
        code = tg_local_watch_arm(s, rq, &r.stat, e);
    size_t n = r.n_names;
    if (code != TG_LOCAL_BUSY) {
        r.code = code;
        r.error = e;
        r.names = names;
        answer(s, &r);
    }
    for (size_t i = 0; i < n; i++)
        free((void *) (uintptr_t) names[i]);
    free(names);
    return code == TG_LOCAL_BUSY ? code : 0;
}

static int reply_sync(struct tg_store_impl *s)
{
    struct tg_store_reply r = {.failed_op = -1, .txid = s->read_txid};

    answer(s, &r); /* every transaction here begins on the newest state */
    return 0;
}

/* Carries the reads at the head of the queue out, in one snapshot, behind the watches' events. */
static int do_reads(struct tg_store_impl *s, int *budget, struct tg_error *e)
{
    int rc = tg_local_begin(s, SQL_BEGIN_READ, e);

    if (rc)
        return rc;
    if (!(rc = tg_local_watch_compare(s, e)))
        rc = tg_local_txid(s, &s->read_txid, e);
    while (!rc && s->first && s->first->verb != LOCAL_MULTI && *budget > 0) {
        const struct lrequest *rq = s->first;
        struct tg_error own = TG_ERROR_INIT;
        rc = rq->verb == LOCAL_READ ? reply_data(s, rq, &own) : rq->verb == LOCAL_LIST ? reply_names(s, rq, &own) : reply_sync(s);
        --*budget;
    }
    if (rc || tg_local_run(s, SQL_COMMIT, "read", NULL))
        tg_local_rollback(s);
    return rc;
}

static int carry_out(struct tg_store_impl *s, const struct lrequest *rq, int64_t *out_txid, int *out_failed_op, struct tg_error *e)
{
    int64_t wall = tg_wall_ms(tg_loop_clock(s->loop));
    int rc = tg_local_next_txid(s, out_txid, e);

    for (size_t i = 0; i < rq->n_ops && !rc; i++) {
        rc = tg_local_op(s, &rq->ops[i], *out_txid, wall, e);
        if (rc == TG_E_NOENT || rc == TG_E_EXISTS || rc == TG_E_VERSION || rc == TG_E_NOTEMPTY || rc == TG_E_DATA)
            *out_failed_op = (int) i;
    }
    return rc ? rc : tg_local_run(s, SQL_COMMIT, "written", e);
}

static bool makes_ephemerals(const struct lrequest *rq)
{
    for (size_t i = 0; i < rq->n_ops; i++)
        if (rq->ops[i].kind == TG_OP_CREATE && rq->ops[i].flags & TG_CREATE_EPHEMERAL)
            return true;
    return false;
}

static int do_write(struct tg_store_impl *s, int *budget, struct tg_error *e)
{
    struct tg_store_reply r = {.failed_op = -1};
    const struct lrequest *rq = s->first;
    int rc = makes_ephemerals(rq) ? tg_local_session_file(s, e) : 0;

    if (rc || (rc = tg_local_begin(s, SQL_BEGIN_WRITE, e)) != 0)
        return rc;
    rc = carry_out(s, rq, &r.txid, &r.failed_op, e);
    if (rc)
        tg_local_rollback(s);
    else
        tg_local_bump(s, r.txid);
    if (rc == TG_LOCAL_BUSY)
        return rc;
    if (!rc && (rc = tg_local_db_same(s, e)) != 0) /* it went into a file that nobody will find */
        return rc;
    if (rc)
        r.txid = 0;
    r.own_txid = r.txid;
    r.code = rc;
    r.error = e;
    answer(s, &r);
    --*budget;
    return 0;
}

static int work(struct tg_store_impl *s, int *budget, struct tg_error *e)
{
    if (s->first && s->first->verb == LOCAL_MULTI)
        return do_write(s, budget, e);
    return do_reads(s, budget, e);
}

static void connect_now(struct tg_store_impl *s)
{
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_local_db_open(s, &e);

    if (rc == TG_LOCAL_BUSY && now_of(s) - s->opened_ms > BUSY_MAX_MS)
        rc = tg_fail(&e, TG_E_TIMEOUT, "%s: another process has held it for %d s", s->path, BUSY_MAX_MS / 1000);
    if (rc == TG_LOCAL_BUSY) {
        tg_timer_start(s->pump, 1 + (int64_t) ((unsigned) rand_r(&s->seed) % BACKOFF_MAX_MS));
        return;
    }
    if (rc) {
        finish(s, TG_SESSION_REFUSED, &e);
        return;
    }
    s->state = TG_SESSION_CONNECTED;
    s->proven_ms = now_of(s);
    if (s->on_session)
        s->on_session(s->data, TG_SESSION_CONNECTED, NULL);
    tg_timer_start(s->pump, 0);
}

static void on_pump(void *data)
{
    struct tg_store_impl *s = data;
    int budget = BATCH;
    int rc;

    if (s->state == TG_SESSION_CONNECTING) {
        connect_now(s);
        return;
    }
    do {
        struct tg_error e = TG_ERROR_INIT;
        rc = tg_local_db_same(s, &e);
        if (!rc)
            rc = tg_local_session_alive(s, &e);
        if (!rc && (s->first || s->watches))
            rc = work(s, &budget, &e);
        if (rc == TG_E_SESSION) {
            finish(s, TG_SESSION_EXPIRED, &e);
            return;
        }
        if (rc < 0 && s->first)
            answer_error(s, &e, -1);
        else if (rc < 0)
            tg_log(TG_LOG_WARN, "local", "%s", e.message);
    } while (rc != TG_LOCAL_BUSY && s->first && budget > 0);
    if (rc == TG_LOCAL_BUSY) {
        retry(s);
    } else {
        s->busy_since_ms = s->backoff_ms = 0;
        if (s->first)
            tg_timer_start(s->pump, 0);
    }
    if (s->listens)
        tg_local_listen(s);
}

static void on_poll(void *data)
{
    struct tg_store_impl *s = data;

    if (s->rechecks > 0)
        s->rechecks--;
    on_pump(s);
}

static void free_impl(struct tg_store_impl *s)
{
    tg_timer_free(s->pump);
    tg_timer_free(s->poll);
    free(s->path);
    free(s->real);
    free(s->folder);
    free(s);
}

static int open_store(const struct tg_store_options *o, struct tg_store_impl **out, struct tg_error *e)
{
    const char *path = strchr(o->url, ':') + 1;

    if (path[0] != '/' || !path[1] || strlen(path) > PATH_MAX - 64) {
        tg_fail(e, TG_E_CONFIG, "\"%.200s\": local: names the database by an absolute path", o->url);
        tg_error_hint(e, "such as local:/var/lib/tagout/store.db");
        return TG_E_CONFIG;
    }
    struct tg_store_impl *s = calloc(1, sizeof *s);
    if (!s)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *s = (struct tg_store_impl) {.loop = o->loop, .on_session = o->on_session, .data = o->data, .create = o->flags & TG_STORE_CREATE,
                                 .session_fd = -1, .bump_fd = -1, .inotify_fd = -1};
    s->last = &s->first;
    if (!(s->path = strdup(path)) || tg_timer_new(s->loop, on_pump, s, &s->pump, e) || tg_timer_new(s->loop, on_poll, s, &s->poll, e)) {
        free_impl(s);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    if (getrandom(&s->id, sizeof s->id, 0) != (ssize_t) sizeof s->id) {
        free_impl(s);
        return tg_fail(e, TG_E_SYSTEM, "the kernel has no random numbers");
    }
    s->id = (s->id >> 1) | 1; /* positive in SQLite, and never 0 */
    s->seed = (unsigned) s->id;
    s->opened_ms = s->proven_ms = now_of(s);
    tg_timer_start(s->pump, 0);
    *out = s;
    return 0;
}

static void close_store(struct tg_store_impl *s, int64_t max_wait_ms)
{
    struct tg_error e = TG_ERROR_INIT;

    s->on_session = NULL;
    while (s->watches)
        tg_local_watch_end(s, s->watches->fn, s->watches->data);
    tg_fail(&e, TG_E_CANCELLED, "%s: closed", s->path);
    while (s->first)
        answer_error(s, &e, -1);
    tg_local_session_end(s, max_wait_ms);
    tg_local_listen_end(s);
    tg_local_db_close(s);
    free_impl(s);
}

static int submit(struct tg_store_impl *s, struct lrequest rq, const char *path, struct tg_error *e)
{
    struct lrequest *copy = malloc(sizeof *copy);

    rq.path = path ? strdup(path) : NULL;
    if (!copy || (path && !rq.path)) {
        free(copy);
        free(rq.path);
        free(rq.ops);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    rq.sent_ms = now_of(s);
    *copy = rq;
    *s->last = copy;
    s->last = &copy->next;
    if (s->state == TG_SESSION_CONNECTED && !s->busy_since_ms)
        tg_timer_start(s->pump, 0);
    return 0;
}

static int do_read(struct tg_store_impl *s, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn, void *data, struct tg_error *e)
{
    return submit(s, (struct lrequest) {.verb = LOCAL_READ, .watch = watch, .watch_data = watch_data, .fn = fn, .data = data}, path, e);
}

static int do_list(struct tg_store_impl *s, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn, void *data, struct tg_error *e)
{
    return submit(s, (struct lrequest) {.verb = LOCAL_LIST, .watch = watch, .watch_data = watch_data, .fn = fn, .data = data}, path, e);
}

static int do_multi(struct tg_store_impl *s, const struct tg_op *ops, size_t n_ops, tg_store_fn fn, void *data, struct tg_error *e)
{
    struct tg_op *copy = tg_ops_copy(ops, n_ops);

    if (!copy)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    return submit(s, (struct lrequest) {.verb = LOCAL_MULTI, .ops = copy, .n_ops = n_ops, .fn = fn, .data = data}, NULL, e);
}

static int do_sync(struct tg_store_impl *s, const char *path, tg_store_fn fn, void *data, struct tg_error *e)
{
    return submit(s, (struct lrequest) {.verb = LOCAL_SYNC, .fn = fn, .data = data}, path, e);
}

static void unwatch(struct tg_store_impl *s, tg_watch_fn watch, void *watch_data)
{
    tg_local_watch_end(s, watch, watch_data);
    for (struct lrequest *rq = s->first; rq; rq = rq->next)
        if (rq->watch == watch && rq->watch_data == watch_data)
            rq->watch = NULL;
}

static enum tg_session_state get_state(struct tg_store_impl *s)
{
    return s->state;
}

static uint64_t get_session_id(struct tg_store_impl *s)
{
    return s->state == TG_SESSION_CONNECTING ? 0 : s->id;
}

static int64_t get_session_ms(struct tg_store_impl *s)
{
    (void) s;
    return INT64_MAX;
}

/* Who can ask, lives, and so does the session, as long as its file has its name. */
static int64_t get_proven_ms(struct tg_store_impl *s)
{
    bool alive = s->state == TG_SESSION_CONNECTED && tg_local_session_alive(s, NULL) == 0;

    return alive ? now_of(s) : s->proven_ms;
}

static int get_session_fd(struct tg_store_impl *s)
{
    if (s->state != TG_SESSION_CONNECTED || tg_local_session_file(s, NULL) != 0)
        return -1;
    return s->session_fd;
}

const struct tg_store_backend tg_store_local = {
    .version = TG_STORE_ABI,
    .scheme = "local",
    .about = "embedded: one machine, many processes (SQLite)",
    .open = open_store,
    .close = close_store,
    .read = do_read,
    .list = do_list,
    .multi = do_multi,
    .sync = do_sync,
    .unwatch = unwatch,
    .state = get_state,
    .session_id = get_session_id,
    .session_ms = get_session_ms,
    .proven_ms = get_proven_ms,
    .session_fd = get_session_fd,
};
