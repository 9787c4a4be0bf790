/* From the library's answers to ours. */
#include "zk.h"

#include <stdlib.h>
#include <string.h>

/* A node that comes and goes between two requests this often in a row is somebody's loop. */
#define READ_TRIES 8

static const char *user_path(const struct zk_request *rq)
{
    return rq->path[rq->chroot_len] ? rq->path + rq->chroot_len : "/";
}

static void unlink_request(struct zk_request *rq)
{
    struct tg_store_impl *s = rq->s;

    if (rq->prev)
        rq->prev->next = rq->next;
    else
        s->first = rq->next;
    if (rq->next)
        rq->next->prev = rq->prev;
    else
        s->last_request = rq->prev;
}

/* Gives the watch's entry back; armed: the library has it. */
static int end_watch(struct zk_request *rq, bool armed)
{
    struct zk_wnode *node = rq->wnode;

    rq->wnode = NULL;
    return node ? zk_watch_asked(&rq->s->watches, node, armed, rq->watch, rq->watch_data) : 0;
}

void zk_answer(struct zk_request *rq, struct tg_store_reply *reply)
{
    end_watch(rq, false);
    unlink_request(rq);
    rq->fn(rq->data, reply);
    free(rq->ops);
    free(rq->path);
    free(rq);
}

static void refuse(struct zk_request *rq, const struct tg_error *why, int failed_op, int64_t txid)
{
    struct tg_store_reply reply = {.code = why->code, .error = why, .failed_op = failed_op, .txid = txid};

    zk_answer(rq, &reply);
}

void zk_answer_error(struct zk_request *rq, const struct tg_error *why)
{
    refuse(rq, why, -1, 0);
}

/* Codes that no server gives: the library makes them up when there is none. */
static bool is_servers(int rc)
{
    switch (rc) {
    case ZCONNECTIONLOSS:
    case ZOPERATIONTIMEOUT:
    case ZSESSIONEXPIRED:
    case ZSESSIONMOVED:
    case ZAUTHFAILED:
    case ZINVALIDSTATE:
    case ZCLOSING:
    case ZRUNTIMEINCONSISTENCY:
    case ZMARSHALLINGERROR:
    case ZSYSTEMERROR:
        return false;
    default:
        return true;
    }
}

bool zk_settle(struct tg_store_impl *s, int rc, int64_t sent_ms, bool by_leader)
{
    s->n_sent--;
    if (!is_servers(rc))
        return false;
    zk_proof_answered(&s->proof, sent_ms, by_leader);
    return true;
}

/* What a refusal by the server means to the caller. */
static int refusal(int rc, const char *path, enum tg_op_kind kind, int64_t version, struct tg_error *e)
{
    switch (rc) {
    case ZNONODE:
        return kind == TG_OP_CREATE ? tg_refuse_no_parent(path, e) : tg_refuse_noent(path, e);
    case ZNODEEXISTS:
        return tg_refuse_exists(path, e);
    case ZBADVERSION: /* it does not say which one it is */
        return tg_fail(e, TG_E_VERSION, "%s: changed meanwhile (it is not version %lld any more)", path, (long long) version);
    case ZNOTEMPTY:
        return tg_fail(e, TG_E_NOTEMPTY, "%s: it still has children", path);
    case ZNOCHILDRENFOREPHEMERALS:
        return tg_refuse_ephemeral_parent(path, e);
    case ZNOAUTH:
        tg_fail(e, TG_E_PERM, "%s: the server does not allow it", path);
        tg_error_hint(e, "the credentials are not those that the node was made with");
        return TG_E_PERM;
    case ZINVALIDACL:
        return tg_fail(e, TG_E_PERM, "%s: the server does not take our credentials", path);
    case ZUNIMPLEMENTED:
    case ZBADARGUMENTS:
        return tg_fail(e, TG_E_BUG, "%s: the server answers \"%s\"", path, zerror(rc));
    default:
        return tg_fail(e, TG_E_FAILED, "%s: the server answers \"%s\" (%d)", path, zerror(rc), rc);
    }
}

/* No answer of the server's: it is ambiguous for a write. */
static void no_answer(struct tg_store_impl *s, int rc, struct tg_error *e)
{
    if (s->closing)
        tg_fail(e, TG_E_CANCELLED, "%s: the store was closed", s->url_text);
    else if (s->over.code)
        *e = s->over;
    else if (rc == ZSESSIONEXPIRED)
        tg_fail(e, TG_E_SESSION, "%s: the session has expired", s->url_text);
    else if (rc == ZAUTHFAILED)
        tg_fail(e, TG_E_PERM, "%s: the server refuses the credentials", s->url_text);
    else
        tg_fail(e, TG_E_LOST, "%s: the connection broke%s%s", s->url_text, s->last.code ? ": " : "", s->last.message);
}

static void fail(struct zk_request *rq, int rc, const char *path, enum tg_op_kind kind, int64_t version, int failed_op)
{
    struct tg_store_impl *s = rq->s;
    struct tg_error why = TG_ERROR_INIT;

    if (!is_servers(rc) || s->over.code || s->closing)
        no_answer(s, rc, &why);
    else
        refusal(rc, path, kind, version, &why);
    refuse(rq, &why, is_servers(rc) ? failed_op : -1, is_servers(rc) ? s->frame_txid : 0);
}

void zk_answer_code(struct zk_request *rq, int rc)
{
    fail(rq, rc, user_path(rq), TG_OP_CHECK, TG_ANY_VERSION, -1);
}

static void fill_stat(const struct Stat *from, struct tg_stat *to)
{
    *to = (struct tg_stat) {
        .version = from->version,
        .created_txid = from->czxid,
        .modified_txid = from->mzxid,
        .modified_ms = from->mtime,
        .children = from->numChildren,
        .children_txid = from->pzxid,
        .owner = (uint64_t) from->ephemeralOwner,
    };
}

/* Good news; but nothing of a session that is over, or of a store that is not there, is one. */
static void give(struct zk_request *rq, struct tg_store_reply *reply)
{
    if (rq->s->over.code || rq->s->closing) {
        zk_answer_code(rq, ZCLOSING);
        return;
    }
    reply->failed_op = -1;
    reply->txid = rq->s->frame_txid;
    zk_answer(rq, reply);
}

static bool arm(struct zk_request *rq)
{
    struct tg_error why = TG_ERROR_INIT;

    if (!end_watch(rq, true))
        return true;
    tg_fail(&why, TG_E_MEMORY, "out of memory");
    zk_answer_error(rq, &why);
    return false;
}

/* Asks once more, with a watch of the other kind. */
static void ask_again(struct zk_request *rq, bool armed, enum zk_watch_kind kind)
{
    struct zk_wnode *node = rq->wnode;

    rq->wnode = NULL;
    zk_watch_asked(&rq->s->watches, node, armed, NULL, NULL);
    if (rq->tries++ >= READ_TRIES || !(rq->wnode = zk_watch_ask(&rq->s->watches, kind, user_path(rq)))) {
        struct tg_error why = TG_ERROR_INIT;
        tg_fail(&why, TG_E_LOST, "%s: it comes and goes too fast to be watched", user_path(rq));
        zk_answer_error(rq, &why);
        return;
    }
    zk_send(rq);
}

void zk_on_data(int rc, const char *value, int len, const struct Stat *stat, const void *data)
{
    struct zk_request *rq = (struct zk_request *) data;
    struct tg_store_reply reply = {.code = 0};
    size_t size = len > 0 ? (size_t) len : 0;

    zk_settle(rq->s, rc, rq->sent_ms, false);
    if (rc == ZNONODE && rq->wnode && !rq->s->over.code && !rq->s->closing) { /* a read that fails sets no watch */
        ask_again(rq, false, ZK_WATCH_EXISTS);
        return;
    }
    if (rc != ZOK) {
        zk_answer_code(rq, rc);
        return;
    }
    char *copy = malloc(size + 1);
    if (!copy) {
        struct tg_error why = TG_ERROR_INIT;
        tg_fail(&why, TG_E_MEMORY, "out of memory");
        zk_answer_error(rq, &why);
        return;
    }
    if (size)
        memcpy(copy, value, size);
    copy[size] = '\0';
    if (arm(rq)) {
        fill_stat(stat, &reply.stat);
        reply.data = copy;
        reply.len = size;
        give(rq, &reply);
    }
    free(copy);
}

void zk_on_exists(int rc, const struct Stat *stat, const void *data)
{
    struct zk_request *rq = (struct zk_request *) data;

    (void) stat;
    zk_settle(rq->s, rc, rq->sent_ms, false);
    if (rq->s->over.code || rq->s->closing)
        zk_answer_code(rq, rc);
    else if (rc == ZOK)
        ask_again(rq, true, ZK_WATCH_DATA);
    else if (rc != ZNONODE || arm(rq))
        zk_answer_code(rq, rc);
}

void zk_on_names(int rc, const struct String_vector *names, const struct Stat *stat, const void *data)
{
    struct zk_request *rq = (struct zk_request *) data;
    struct tg_store_reply reply = {.code = 0};

    zk_settle(rq->s, rc, rq->sent_ms, false);
    if (rc != ZOK) {
        zk_answer_code(rq, rc);
        return;
    }
    if (!arm(rq))
        return;
    fill_stat(stat, &reply.stat);
    reply.names = (const char *const *) names->data;
    reply.n_names = names->count > 0 ? (size_t) names->count : 0;
    give(rq, &reply);
}

void zk_on_sync(int rc, const char *value, const void *data)
{
    struct zk_request *rq = (struct zk_request *) data;
    struct tg_store_reply reply = {.code = 0};

    (void) value;
    zk_settle(rq->s, rc, rq->sent_ms, true);
    if (rc == ZOK)
        give(rq, &reply);
    else
        zk_answer_code(rq, rc);
}

void zk_on_multi(int rc, const void *data)
{
    struct zk_request *rq = (struct zk_request *) data;
    struct tg_store_reply reply = {.code = 0};
    size_t i = 0;

    zk_settle(rq->s, rc, rq->sent_ms, true);
    if (rc == ZOK) {
        /* The header of an answer has the newest transaction that the server knows of, which may be another's. */
        reply.own_txid = rq->written->mzxid;
        give(rq, &reply);
        return;
    }
    /* The one that refused carries the reason; those before it say 0 (they are rolled back), those behind it -2. */
    while (i < rq->n_ops && (rq->results[i].err == ZOK || rq->results[i].err == ZRUNTIMEINCONSISTENCY))
        i++;
    if (i < rq->n_ops)
        fail(rq, rc, rq->ops[i].path, rq->ops[i].kind, rq->ops[i].version, (int) i);
    else
        zk_answer_code(rq, rc);
}

void zk_on_watch(zhandle_t *zh, int type, int state, const char *path, void *id)
{
    struct tg_store_impl *s = (struct tg_store_impl *) zoo_get_context(zh);

    (void) state;
    (void) path;
    if (!s || s->closing || type == ZOO_SESSION_EVENT) /* goes to every watch and ends none */
        return;
    if (type == ZOO_CREATED_EVENT)
        zk_watch_fire(&s->watches, (uintptr_t) id, TG_WATCH_CREATED);
    else if (type == ZOO_DELETED_EVENT)
        zk_watch_fire(&s->watches, (uintptr_t) id, TG_WATCH_DELETED);
    else if (type == ZOO_CHANGED_EVENT || type == ZOO_CHILD_EVENT)
        zk_watch_fire(&s->watches, (uintptr_t) id, TG_WATCH_CHANGED);
}
