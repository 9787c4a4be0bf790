/* The verbs: requests wait in one list, in their order, from the call to the answer. */
#include "zk.h"

#include <stdlib.h>
#include <string.h>

static void link_request(struct tg_store_impl *s, struct zk_request *rq)
{
    rq->prev = s->last_request;
    if (rq->prev)
        rq->prev->next = rq;
    else
        s->first = rq;
    s->last_request = rq;
}

/* The server's path of one of the caller's: the root is the chroot itself. */
static size_t join(const struct tg_store_impl *s, const char *path, char *out)
{
    size_t head = strlen(s->url.chroot), len = path[1] ? strlen(path) : 0;

    memcpy(out, s->url.chroot, head);
    memcpy(out + head, path, len);
    out[head + len] = '\0';
    return head;
}

static int start(struct tg_store_impl *s, struct zk_request rq, const char *path, tg_store_fn fn, void *data, struct tg_error *e)
{
    if (s->over.code)
        return tg_fail(e, s->over.code, "%s", s->over.message);
    struct zk_request *own = malloc(sizeof *own);
    char *full = malloc(strlen(s->url.chroot) + strlen(path) + 1);
    if (!own || !full) {
        free(own);
        free(full);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *own = rq;
    own->s = s;
    own->fn = fn;
    own->data = data;
    own->path = full;
    own->chroot_len = join(s, path, full);
    link_request(s, own);
    zk_drive_soon(s);
    return 0;
}

int zk_read(struct tg_store_impl *s, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn, void *data,
            struct tg_error *e)
{
    return start(s, (struct zk_request) {.kind = ZK_READ, .watch = watch, .watch_data = watch_data}, path, fn, data, e);
}

int zk_list(struct tg_store_impl *s, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn, void *data,
            struct tg_error *e)
{
    return start(s, (struct zk_request) {.kind = ZK_LIST, .watch = watch, .watch_data = watch_data}, path, fn, data, e);
}

int zk_sync(struct tg_store_impl *s, const char *path, tg_store_fn fn, void *data, struct tg_error *e)
{
    return start(s, (struct zk_request) {.kind = ZK_SYNC}, path, fn, data, e);
}

const struct ACL_vector *zk_acl(const struct tg_store_impl *s, bool hidden)
{
    /* What we make is ours to change and everybody's to read: who holds a lock is no secret to whoever must respect it, and without
     * TLS nothing on this wire is. */
    static struct ACL own[] = {{0, {(char *) "auth", (char *) ""}}, {0, {(char *) "world", (char *) "anyone"}}};
    static const struct ACL_vector owned = {2, own}, secret = {1, own};

    own[0].perms = ZOO_PERM_ALL; /* variables of the library's */
    own[1].perms = ZOO_PERM_READ;
    return !s->auth_scheme ? &ZOO_OPEN_ACL_UNSAFE : hidden ? &secret : &owned;
}

static int32_t version_of(int64_t version)
{
    return version < 0 ? -1 : (int32_t) version;
}

static void fill_op(struct tg_store_impl *s, const struct tg_op *op, char *path, const char *bytes, struct Stat *written, zoo_op_t *out)
{
    switch (op->kind) {
    case TG_OP_CREATE:
        zoo_create_op_init(out, path, bytes, (int) op->len, zk_acl(s, op->flags & TG_CREATE_PRIVATE),
                           op->flags & TG_CREATE_EPHEMERAL ? ZOO_EPHEMERAL : ZOO_PERSISTENT, NULL, 0);
        break;
    case TG_OP_WRITE:
        zoo_set_op_init(out, path, bytes, (int) op->len, version_of(op->version), written);
        break;
    case TG_OP_DELETE:
        zoo_delete_op_init(out, path, version_of(op->version));
        break;
    case TG_OP_CHECK:
        zoo_check_op_init(out, path, version_of(op->version));
        break;
    }
}

static size_t multi_size(const struct tg_store_impl *s, const struct tg_op *ops, size_t n_ops)
{
    size_t size = n_ops * (sizeof(struct tg_op) + sizeof(zoo_op_t) + sizeof(zoo_op_result_t)) + sizeof(struct Stat);

    for (size_t i = 0; i < n_ops; i++)
        size += strlen(s->url.chroot) + strlen(ops[i].path) + 1 + (ops[i].data ? ops[i].len : 0);
    return size;
}

/* One block for all that must stay until the answer: ours, the library's, the paths and the data. */
static bool copy_ops(struct tg_store_impl *s, struct zk_request *rq, const struct tg_op *ops, size_t n_ops)
{
    char *block = calloc(1, multi_size(s, ops, n_ops));
    bool wrote = false;

    if (!block)
        return false;
    rq->n_ops = n_ops;
    rq->ops = (struct tg_op *) (void *) block;
    rq->zops = (zoo_op_t *) (void *) (rq->ops + n_ops);
    rq->results = (zoo_op_result_t *) (void *) (rq->zops + n_ops);
    rq->written = (struct Stat *) (void *) (rq->results + n_ops);
    char *at = (char *) (rq->written + 1);
    for (size_t i = 0; i < n_ops; i++) {
        char *path = at;
        size_t head = join(s, ops[i].path, path), len = ops[i].data ? ops[i].len : 0;
        at += strlen(path) + 1;
        if (len)
            memcpy(at, ops[i].data, len);
        rq->ops[i] = ops[i];
        rq->ops[i].path = path[head] ? path + head : "/";
        fill_op(s, &ops[i], path, at, wrote ? NULL : rq->written, &rq->zops[i]);
        wrote = wrote || ops[i].kind == TG_OP_WRITE;
        at += len;
    }
    return true;
}

int zk_multi(struct tg_store_impl *s, const struct tg_op *ops, size_t n_ops, tg_store_fn fn, void *data, struct tg_error *e)
{
    struct zk_request rq = {.kind = ZK_MULTI};

    for (size_t i = 0; i < n_ops; i++)
        if (ops[i].version > INT32_MAX)
            return tg_fail(e, TG_E_DATA, "%s: version %lld is beyond ZooKeeper's", ops[i].path, (long long) ops[i].version);
    if (!copy_ops(s, &rq, ops, n_ops))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = start(s, rq, "/", fn, data, e);
    if (rc)
        free(rq.ops);
    return rc;
}

void zk_unwatch(struct tg_store_impl *s, tg_watch_fn watch, void *watch_data)
{
    zk_watch_drop(&s->watches, watch, watch_data);
    for (struct zk_request *rq = s->first; rq; rq = rq->next)
        if (rq->watch == watch && rq->watch_data == watch_data)
            rq->watch = NULL;
}

static void *watch_context(const struct zk_request *rq)
{
    return rq->wnode ? (void *) rq->wnode->id : NULL;
}

static int send_now(struct zk_request *rq)
{
    struct tg_store_impl *s = rq->s;
    watcher_fn watcher = rq->wnode ? zk_on_watch : NULL;

    switch (rq->kind) {
    case ZK_READ:
        if (rq->wnode && rq->wnode->kind == ZK_WATCH_EXISTS)
            return zoo_awexists(s->zh, rq->path, watcher, watch_context(rq), zk_on_exists, rq);
        return zoo_awget(s->zh, rq->path, watcher, watch_context(rq), zk_on_data, rq);
    case ZK_LIST:
        return zoo_awget_children2(s->zh, rq->path, watcher, watch_context(rq), zk_on_names, rq);
    case ZK_SYNC:
        return zoo_async(s->zh, rq->path, zk_on_sync, rq);
    case ZK_MULTI:
        return zoo_amulti(s->zh, (int) rq->n_ops, rq->zops, rq->results, zk_on_multi, rq);
    }
    return ZBADARGUMENTS;
}

void zk_send(struct zk_request *rq)
{
    struct tg_store_impl *s = rq->s;

    rq->sent = true;
    rq->sent_ms = tg_mono_ms(s->clock);
    if (rq->kind == ZK_SYNC || rq->kind == ZK_MULTI)
        s->leader_ms = rq->sent_ms;
    int rc = send_now(rq);
    if (rc == ZOK)
        s->n_sent++;
    else
        zk_answer_code(rq, rc);
}

/* The first entry is for a node that is there; answer.c asks again with the other kind when it is not. */
static bool prepare_watch(struct zk_request *rq)
{
    if (!rq->watch)
        return true;
    const char *path = rq->path[rq->chroot_len] ? rq->path + rq->chroot_len : "/";
    rq->wnode = zk_watch_ask(&rq->s->watches, rq->kind == ZK_LIST ? ZK_WATCH_CHILDREN : ZK_WATCH_DATA, path);
    return rq->wnode != NULL;
}

void zk_send_waiting(struct tg_store_impl *s)
{
    bool corked = false;

    for (struct zk_request *rq = s->first, *next; rq && s->up && zoo_state(s->zh) == ZOO_CONNECTED_STATE; rq = next) {
        next = rq->next;
        if (rq->sent)
            continue;
        if (!corked)
            zk_conn_cork(s, 1);
        corked = true;
        if (prepare_watch(rq)) {
            zk_send(rq);
        } else {
            struct tg_error why = TG_ERROR_INIT;
            tg_fail(&why, TG_E_MEMORY, "out of memory");
            zk_answer_error(rq, &why);
        }
    }
    if (corked)
        zk_conn_cork(s, 0);
}

void zk_answer_all(struct tg_store_impl *s, const struct tg_error *why)
{
    for (struct zk_request *rq = s->first, *next; rq; rq = next) {
        next = rq->next;
        if (!rq->sent)
            zk_answer_error(rq, why);
    }
}
