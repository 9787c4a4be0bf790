/* The embedded store's database: opening and checking it, statements, what its errors mean. See local_internal.h. */
#include "base/log.h"
#include "store/local_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define APPLICATION_ID 0x7461676f /* "tago" */

static const char *const statements[SQL_STATEMENTS] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_TXID] = "SELECT txid FROM meta",
    [SQL_NEXT_TXID] = "UPDATE meta SET txid = txid + 1 RETURNING txid",
    [SQL_OWNERS] = "SELECT DISTINCT owner FROM node WHERE owner <> 0",
    [SQL_OWNED] = "SELECT path FROM node WHERE owner = ?1 AND owner <> 0",
    /* The row by its number, and what it says that its path is: the index by which it was found may be damaged. */
    [SQL_READ] = ("SELECT version, created_txid, modified_txid, modified_ms, children, children_txid, owner, data,"
                  " (SELECT count(*) FROM node AS child WHERE child.parent = ?1), path FROM node WHERE rowid = (SELECT rowid FROM node WHERE path = ?1)"),
    [SQL_ABSENT] = "SELECT count(*) FROM node WHERE parent = ?2 AND +path = ?1", /* by the other index, and the rows themselves */
    [SQL_STAT] = "SELECT version, created_txid, modified_txid, modified_ms, children, children_txid, owner FROM node WHERE path = ?1",
    [SQL_NAMES] = "SELECT path FROM node WHERE parent = ?1",
    [SQL_CREATE] = "INSERT INTO node VALUES (?1, ?2, 0, ?3, ?3, ?4, 0, ?3, ?5, ?6)",
    [SQL_WRITE] = "UPDATE node SET version = version + 1, modified_txid = ?2, modified_ms = ?3, data = ?4 WHERE path = ?1",
    [SQL_DELETE] = "DELETE FROM node WHERE path = ?1",
    [SQL_COUNT_CHILD] = "UPDATE node SET children = children + ?2, children_txid = ?3 WHERE path = ?1",
};

/* In one transaction, so that a database is either ours and whole, or empty. */
static const char schema[] =
    "CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), txid INTEGER NOT NULL);"
    "CREATE TABLE node (path TEXT PRIMARY KEY, parent TEXT NOT NULL, version INTEGER NOT NULL, created_txid INTEGER NOT NULL,"
    " modified_txid INTEGER NOT NULL, modified_ms INTEGER NOT NULL, children INTEGER NOT NULL, children_txid INTEGER NOT NULL,"
    " owner INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE INDEX node_parent ON node (parent);"
    "CREATE INDEX node_owner ON node (owner) WHERE owner <> 0;"
    "INSERT INTO meta VALUES (1, 0);"
    "INSERT INTO node VALUES ('/', '', 0, 0, 0, 0, 0, 0, 0, x'');";

static const char *const suffixes[] = {"", "-wal", "-shm"};

/* A refusal, with what it is for who asks a program: see TG_SESSION_REFUSED. */
static int refuse(struct tg_error *e, int what)
{
    if (e)
        e->sys_errno = what;
    return TG_E_UNKNOWN;
}

static int no_room(const struct tg_store_impl *s, int code, const char *doing, struct tg_error *e)
{
    tg_fail(e, code, "%s can't be %s: no space left on its file system%s", s->path, doing, code == TG_E_FULL ? "; nothing was written" : "");
    tg_error_hint(e, "make room there, then try again");
    return code;
}

int tg_local_fail(struct tg_store_impl *s, int rc, const char *doing, struct tg_error *e)
{
    const char *why = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
    int sys = s->db ? sqlite3_system_errno(s->db) : 0;

    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return TG_LOCAL_BUSY;
    case SQLITE_NOMEM:
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    case SQLITE_NOTADB:
        tg_fail(e, TG_E_UNKNOWN, "%s is no database: it is damaged, or not a store's file", s->path);
        tg_error_hint(e, "is this the right path? If so: stop what uses it, and bring back a backup; a new store is made elsewhere: tagout init --store local:/PATH");
        return refuse(e, EUCLEAN);
    case SQLITE_CORRUPT:
        tg_fail(e, TG_E_UNKNOWN, "%s is damaged: %s (%s)", s->path, why, doing);
        tg_error_hint(e, "stop what uses it, and bring back a backup; until then nobody can prove that there is no lock");
        return refuse(e, EUCLEAN);
    case SQLITE_FULL:
        return no_room(s, TG_E_FULL, doing, e);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        tg_fail(e, TG_E_PERM, "%s can't be %s: %s%s%s", s->path, doing, why, sys ? ": " : "", sys ? strerror(sys) : "");
        tg_error_hint(e, "it, and the folder that it is in, must be writable to whoever uses the store");
        return TG_E_PERM;
    case SQLITE_IOERR:
        if (sys == ENOSPC || sys == EDQUOT) /* of the files beside it. Of a commit it is not known whether the next who opens it finds that whole */
            return no_room(s, strcmp(doing, "written") == 0 ? TG_E_LOST : TG_E_FULL, doing, e);
        tg_fail(e, TG_E_LOST, "%s: input/output error (%s): %s%s%s", s->path, doing, why, sys ? ": " : "", sys ? strerror(sys) : "");
        tg_error_hint(e, "look at the kernel's log, and at the space that is left");
        return TG_E_LOST;
    default:
        return tg_fail(e, TG_E_UNKNOWN, "%s: %s (%s, SQLite's error %d)", s->path, why, doing, rc);
    }
}

static int no_store(const struct tg_store_impl *s, const char *detail, struct tg_error *e)
{
    tg_fail(e, TG_E_UNKNOWN, "there is no store at %s%s", s->path, detail);
    tg_error_hint(e, "if this host is to have its own: tagout init --store local:%s; otherwise mend the path", s->path);
    return refuse(e, ENOENT);
}

/* WAL needs shared memory, and sessions need locks that a kernel gives up for its dead: no network's file system promises both. */
static int check_file_system(const char *folder, struct tg_error *e)
{
    static const long remote[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, 0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */, AFS_SUPER_MAGIC, CODA_SUPER_MAGIC, CEPH_SUPER_MAGIC};
    struct statfs fs;

    if (statfs(folder, &fs) != 0)
        return 0; /* opening says it better */
    for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++)
        if (fs.f_type == remote[i]) {
            tg_fail(e, TG_E_CONFIG, "%s is on a network's file system: the embedded store is for one machine", folder);
            tg_error_hint(e, "several machines share a store through ZooKeeper: zk://HOST:2181/tagout");
            return TG_E_CONFIG;
        }
    return 0;
}

/* Makes the empty file, and the folder that it is in, but for more than one. */
static int make_file(const struct tg_store_impl *s, const char *folder, struct tg_error *e)
{
    if (mkdir(folder, 0770) != 0 && errno != EEXIST)
        return tg_fail_errno(e, errno == EACCES || errno == EPERM ? TG_E_PERM : TG_E_SYSTEM, errno, "%s can't be made", folder);
    int fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0)
        return tg_fail_errno(e, errno == EACCES || errno == EPERM ? TG_E_PERM : TG_E_SYSTEM, errno, "%s can't be made", s->path);
    int rc = fchmod(fd, 0660) == 0 ? 0 : tg_fail_errno(e, TG_E_SYSTEM, errno, "%s: its mode can't be set", s->path);
    close(fd);
    return rc;
}

static int denied(const char *what, int error, struct tg_error *e)
{
    int code = error == EACCES || error == EPERM ? TG_E_PERM : TG_E_UNKNOWN;

    tg_fail_errno(e, code, error, "%s can't be used", what);
    if (error == EROFS)
        tg_error_hint(e, "the store's file system is mounted read-only; even a guard writes there (SQLite's -wal and -shm)");
    else
        tg_error_hint(e, "the database and its folder must be readable and writable to whoever uses the store");
    return code;
}

/* Looks before SQLite does: its own words for these are poor. */
static int look(const struct tg_store_impl *s, struct tg_error *e)
{
    char copy[PATH_MAX];
    struct stat st;

    snprintf(copy, sizeof copy, "%s", s->path);
    const char *folder = dirname(copy);
    int rc = check_file_system(folder, e);
    if (!rc && s->create)
        rc = make_file(s, folder, e);
    if (rc)
        return rc;
    if (stat(s->path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR ? no_store(s, "", e) : denied(s->path, errno, e);
    if (!S_ISREG(st.st_mode)) {
        tg_fail(e, TG_E_CONFIG, "%s is no file", s->path);
        tg_error_hint(e, "local: names the database file, such as local:/var/lib/tagout/store.db");
        return TG_E_CONFIG;
    }
    if (st.st_size == 0 && !s->create)
        return no_store(s, ": the file is empty", e);
    if (faccessat(AT_FDCWD, s->path, R_OK | W_OK, AT_EACCESS) != 0)
        return denied(s->path, errno, e);
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
        return denied(folder, errno, e);
    return 0;
}

static int get_number(struct tg_store_impl *s, const char *sql, int64_t *out, struct tg_error *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        *out = sqlite3_column_int64(q, 0);
        rc = SQLITE_OK;
    }
    int code = rc == SQLITE_OK ? 0 : tg_local_fail(s, rc, "opened", e);
    sqlite3_finalize(q);
    return code;
}

static int run_text(struct tg_store_impl *s, const char *sql, struct tg_error *e)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : tg_local_fail(s, rc, "opened", e);
}

/* Is it ours, and of a format that we know? *out_empty: it is nobody's yet. */
static int check_format(struct tg_store_impl *s, bool *out_empty, struct tg_error *e)
{
    int64_t application = 0, format = 0, tables = 0;
    int rc = get_number(s, "PRAGMA application_id", &application, e);

    if (!rc)
        rc = get_number(s, "PRAGMA user_version", &format, e);
    if (!rc)
        rc = get_number(s, "SELECT count(*) FROM sqlite_master", &tables, e);
    if (rc)
        return rc;
    *out_empty = application == 0 && tables == 0;
    if (*out_empty)
        return 0;
    if (application != APPLICATION_ID) {
        tg_fail(e, TG_E_UNKNOWN, "%s is a database, but no store of tagout", s->path);
        tg_error_hint(e, "is this the right path? If so: bring back a backup; a new store is made elsewhere: tagout init --store local:/PATH");
        return refuse(e, EUCLEAN);
    }
    if (format != TG_LOCAL_FORMAT) {
        tg_fail(e, TG_E_UNKNOWN, "%s has format %" PRId64 ", this tagout knows %d", s->path, format, TG_LOCAL_FORMAT);
        tg_error_hint(e, "install the version of tagout that the other users of this store have");
        return refuse(e, EPROTONOSUPPORT);
    }
    return 0;
}

/* Costs nothing when it is in that mode already. */
static int use_wal(struct tg_store_impl *s, struct tg_error *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &q, NULL);
    bool wal = false;

    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const char *mode = (const char *) sqlite3_column_text(q, 0);
        wal = mode && strcmp(mode, "wal") == 0;
        rc = SQLITE_OK;
    }
    int code = rc == SQLITE_OK ? 0 : tg_local_fail(s, rc, "opened", e);
    sqlite3_finalize(q);
    if (!code && !wal)
        code = tg_fail(e, TG_E_CONFIG, "%s: its file system does not let SQLite use write-ahead logging", s->path);
    return code;
}

static int make_schema(struct tg_store_impl *s, struct tg_error *e)
{
    char marks[128];
    bool empty = false;
    int rc = run_text(s, "BEGIN IMMEDIATE", e);

    if (rc)
        return rc;
    rc = check_format(s, &empty, e); /* once more: somebody may have been faster */
    snprintf(marks, sizeof marks, "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID, TG_LOCAL_FORMAT);
    if (!rc && empty && !(rc = run_text(s, schema, e)))
        rc = run_text(s, marks, e);
    if (!rc)
        rc = run_text(s, "COMMIT", e);
    if (rc)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static int prepare(struct tg_store_impl *s, struct tg_error *e)
{
    for (int i = 0; i < SQL_STATEMENTS; i++) {
        int rc = s->sql[i] ? SQLITE_OK : sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->sql[i], NULL);
        if (rc != SQLITE_OK)
            return tg_local_fail(s, rc, "opened", e);
    }
    return 0;
}

static int identify(const struct tg_store_impl *s, struct tg_local_file out[3])
{
    char path[PATH_MAX];
    struct stat st;

    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", i ? s->real : s->path, suffixes[i]);
        if (stat(path, &st) != 0)
            return -1;
        out[i] = (struct tg_local_file) {.dev = st.st_dev, .ino = st.st_ino};
    }
    return 0;
}

int tg_local_db_same(const struct tg_store_impl *s, struct tg_error *e)
{
    struct tg_local_file now[3];
    bool there = identify(s, now) == 0;

    for (int i = 0; i < 3 && there; i++)
        if (now[i].dev != s->files[i].dev || now[i].ino != s->files[i].ino)
            there = false;
    if (there)
        return 0;
    tg_fail(e, TG_E_SESSION, "%s was replaced or deleted under this process", s->path);
    tg_error_hint(e, "what was read from the old one is worth nothing; start again");
    return TG_E_SESSION;
}

static int set_up(struct tg_store_impl *s, struct tg_error *e)
{
    bool empty = false;
    int64_t txid;
    int rc;

    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, 0);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if ((rc = run_text(s, "PRAGMA synchronous = FULL", e)) != 0 || (rc = check_format(s, &empty, e)) != 0)
        return rc;
    if (empty && !s->create)
        return no_store(s, ": the database is empty", e);
    if ((rc = use_wal(s, e)) != 0 || (empty && (rc = make_schema(s, e)) != 0))
        return rc;
    if ((rc = prepare(s, e)) != 0 || (rc = tg_local_txid(s, &txid, e)) != 0)
        return rc;
    if (identify(s, s->files) != 0)
        return tg_fail(e, TG_E_SESSION, "%s was replaced while it was being opened", s->path);
    return 0;
}

static int resolve(struct tg_store_impl *s, struct tg_error *e)
{
    free(s->real);
    free(s->folder);
    s->folder = NULL;
    if (!(s->real = realpath(s->path, NULL)))
        return denied(s->path, errno, e);
    size_t size = strlen(s->real) + sizeof ".sessions";
    if (!(s->folder = malloc(size)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    snprintf(s->folder, size, "%s.sessions", s->real);
    return 0;
}

int tg_local_db_open(struct tg_store_impl *s, struct tg_error *e)
{
    struct stat before, after;
    int rc = look(s, e);

    if (rc || (rc = resolve(s, e)) != 0)
        return rc;
    if (stat(s->path, &before) != 0)
        return no_store(s, "", e);
    int sq = sqlite3_open_v2(s->real, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
    rc = sq == SQLITE_OK ? set_up(s, e) : tg_local_fail(s, sq, "opened", e);
    if (!rc && (stat(s->path, &after) != 0 || before.st_ino != after.st_ino || before.st_dev != after.st_dev))
        rc = tg_fail(e, TG_E_SESSION, "%s was replaced while it was being opened", s->path);
    if (rc)
        tg_local_db_close(s);
    return rc;
}

void tg_local_db_close(struct tg_store_impl *s)
{
    for (int i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_finalize(s->sql[i]);
        s->sql[i] = NULL;
    }
    if (sqlite3_close(s->db) != SQLITE_OK)
        tg_log(TG_LOG_WARN, "local", "%s: did not close", s->path);
    s->db = NULL;
}

int tg_local_run(struct tg_store_impl *s, enum tg_local_sql which, const char *doing, struct tg_error *e)
{
    int rc = sqlite3_step(s->sql[which]);
    int code = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : tg_local_fail(s, rc, doing, e);

    sqlite3_reset(s->sql[which]);
    return code;
}

sqlite3_stmt *tg_local_bind_path(struct tg_store_impl *s, enum tg_local_sql which, const char *path)
{
    sqlite3_bind_text(s->sql[which], 1, path, -1, SQLITE_STATIC);
    return s->sql[which];
}

static int one_number(struct tg_store_impl *s, enum tg_local_sql which, int64_t *out, const char *doing, struct tg_error *e)
{
    sqlite3_stmt *q = s->sql[which];
    int rc = sqlite3_step(q);

    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(q, 0);
        sqlite3_reset(q);
        return 0;
    }
    int code;
    if (rc == SQLITE_DONE) {
        tg_fail(e, TG_E_UNKNOWN, "%s is damaged: its transaction id is missing", s->path);
        code = refuse(e, EUCLEAN);
    } else {
        code = tg_local_fail(s, rc, doing, e);
    }
    sqlite3_reset(q);
    return code;
}

int tg_local_txid(struct tg_store_impl *s, int64_t *out, struct tg_error *e)
{
    return one_number(s, SQL_TXID, out, "read", e);
}

int tg_local_next_txid(struct tg_store_impl *s, int64_t *out, struct tg_error *e)
{
    return one_number(s, SQL_NEXT_TXID, out, "written", e);
}

void tg_local_stat_of(sqlite3_stmt *q, struct tg_stat *out)
{
    *out = (struct tg_stat) {
        .version = sqlite3_column_int64(q, 0),
        .created_txid = sqlite3_column_int64(q, 1),
        .modified_txid = sqlite3_column_int64(q, 2),
        .modified_ms = sqlite3_column_int64(q, 3),
        .children = sqlite3_column_int64(q, 4),
        .children_txid = sqlite3_column_int64(q, 5),
        .owner = (uint64_t) sqlite3_column_int64(q, 6),
    };
}

int tg_local_stat(struct tg_store_impl *s, const char *path, struct tg_stat *out, struct tg_error *e)
{
    sqlite3_stmt *q = tg_local_bind_path(s, SQL_STAT, path);
    int rc = sqlite3_step(q), code = TG_E_NOENT;

    if (rc == SQLITE_ROW) {
        tg_local_stat_of(q, out);
        code = 0;
    } else if (rc != SQLITE_DONE) {
        code = tg_local_fail(s, rc, "read", e);
    }
    sqlite3_reset(q);
    return code;
}

void tg_local_rollback(struct tg_store_impl *s)
{
    if (!sqlite3_get_autocommit(s->db))
        tg_local_run(s, SQL_ROLLBACK, "rolled back", NULL);
}
