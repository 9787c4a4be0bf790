/* The embedded store's writes, within an open transaction. See local_internal.h. */
#include "store/local_internal.h"

#include <string.h>

static int count_child(struct tg_store_impl *s, const char *path, int by, int64_t txid, struct tg_error *e)
{
    sqlite3_stmt *q = s->sql[SQL_COUNT_CHILD];

    sqlite3_bind_text(q, 1, path, (int) tg_path_parent_len(path), SQLITE_STATIC);
    sqlite3_bind_int(q, 2, by);
    sqlite3_bind_int64(q, 3, txid);
    return tg_local_run(s, SQL_COUNT_CHILD, "written", e);
}

static int check_parent(struct tg_store_impl *s, const char *path, struct tg_error *e)
{
    char parent[TG_STORE_PATH_MAX + 1];
    size_t len = tg_path_parent_len(path);
    struct tg_stat stat;

    memcpy(parent, path, len);
    parent[len] = '\0';
    int rc = tg_local_stat(s, parent, &stat, e);
    if (rc == TG_E_NOENT)
        return tg_refuse_no_parent(path, e);
    if (!rc && stat.owner)
        return tg_refuse_ephemeral_parent(path, e);
    return rc;
}

static int create(struct tg_store_impl *s, const struct tg_op *op, int64_t txid, int64_t wall_ms, struct tg_error *e)
{
    struct tg_stat stat;
    int rc = check_parent(s, op->path, e);

    if (rc)
        return rc;
    if ((rc = tg_local_stat(s, op->path, &stat, e)) == 0)
        return tg_refuse_exists(op->path, e);
    if (rc != TG_E_NOENT)
        return rc;
    sqlite3_stmt *q = tg_local_bind_path(s, SQL_CREATE, op->path);
    sqlite3_bind_text(q, 2, op->path, (int) tg_path_parent_len(op->path), SQLITE_STATIC);
    sqlite3_bind_int64(q, 3, txid);
    sqlite3_bind_int64(q, 4, wall_ms);
    sqlite3_bind_int64(q, 5, op->flags & TG_CREATE_EPHEMERAL ? (int64_t) s->id : 0);
    sqlite3_bind_blob(q, 6, op->len ? op->data : "", (int) op->len, SQLITE_STATIC);
    rc = tg_local_run(s, SQL_CREATE, "written", e);
    return rc ? rc : count_child(s, op->path, 1, txid, e);
}

int tg_local_delete_path(struct tg_store_impl *s, const char *path, int64_t txid, struct tg_error *e)
{
    tg_local_bind_path(s, SQL_DELETE, path);
    int rc = tg_local_run(s, SQL_DELETE, "written", e);

    return rc ? rc : count_child(s, path, -1, txid, e);
}

static int write_data(struct tg_store_impl *s, const struct tg_op *op, int64_t txid, int64_t wall_ms, struct tg_error *e)
{
    sqlite3_stmt *q = tg_local_bind_path(s, SQL_WRITE, op->path);

    sqlite3_bind_int64(q, 2, txid);
    sqlite3_bind_int64(q, 3, wall_ms);
    sqlite3_bind_blob(q, 4, op->len ? op->data : "", (int) op->len, SQLITE_STATIC);
    return tg_local_run(s, SQL_WRITE, "written", e);
}

int tg_local_op(struct tg_store_impl *s, const struct tg_op *op, int64_t txid, int64_t wall_ms, struct tg_error *e)
{
    struct tg_stat stat;

    if (op->kind == TG_OP_CREATE)
        return create(s, op, txid, wall_ms, e);
    int rc = tg_local_stat(s, op->path, &stat, e);
    if (rc == TG_E_NOENT)
        return tg_refuse_noent(op->path, e);
    if (rc)
        return rc;
    if (op->version != TG_ANY_VERSION && op->version != stat.version)
        return tg_refuse_version(op->path, op->version, stat.version, e);
    if (op->kind == TG_OP_DELETE)
        return stat.children ? tg_refuse_not_empty(op->path, stat.children, e) : tg_local_delete_path(s, op->path, txid, e);
    return op->kind == TG_OP_WRITE ? write_data(s, op, txid, wall_ms, e) : 0;
}
