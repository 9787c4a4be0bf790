/*
 * The embedded store: one machine, many processes, no server.
 *
 *   PATH                  the database: SQLite in WAL mode, synchronous=FULL, so that an answered write survives a power cut
 *   PATH.sessions/ID      one file per session that has, or had, ephemerals; whoever lives in the session holds a lock (flock) on it
 *   PATH.sessions/bump    written after each commit, so that others' inotify wakes them
 *
 * A session is alive while somebody holds an exclusive lock on its file. The lock belongs to the open file, not to a process id: it
 * dies with the last process that has the descriptor, in whatever namespace, and can be inherited. Others test it with a
 * shared lock, so that two who test at once don't take each other for the owner. Before anything is read or written, the owners of all
 * ephemerals are tested within the same snapshot, and the dead ones' nodes deleted: nobody ever sees a dead session's ephemeral. A
 * file that is gone means a dead session as well, and a session whose file has lost its name knows that it is over.
 *
 * Nothing here waits: a database that is busy is tried again from a timer. Only the commit's fsync holds the loop up.
 */
#ifndef TG_STORE_LOCAL_INTERNAL_H
#define TG_STORE_LOCAL_INTERNAL_H

#include "store/internal.h"
#include "store/local.h"

#include <sqlite3.h>
#include <sys/types.h>

/* Not an error: somebody else has the database for a moment. */
#define TG_LOCAL_BUSY 1

enum tg_local_sql {
    SQL_BEGIN_READ, SQL_BEGIN_WRITE, SQL_COMMIT, SQL_ROLLBACK,
    SQL_TXID, SQL_NEXT_TXID, SQL_OWNERS, SQL_OWNED,
    SQL_READ, SQL_ABSENT, SQL_STAT, SQL_NAMES,
    SQL_CREATE, SQL_WRITE, SQL_DELETE, SQL_COUNT_CHILD,
    SQL_STATEMENTS
};

struct lrequest {
    struct lrequest *next;
    uint32_t verb; /* enum tg_local_verb */
    char *path;
    struct tg_op *ops;
    size_t n_ops;
    tg_watch_fn watch;
    void *watch_data;
    tg_store_fn fn;
    void *data;
    int64_t sent_ms;
};
enum tg_local_verb { LOCAL_READ, LOCAL_LIST, LOCAL_SYNC, LOCAL_MULTI };

struct lwatch {
    struct lwatch *next;
    char *path;
    bool of_children, absent;
    struct tg_stat was;
    enum tg_watch_event event; /* once it has fired */
    tg_watch_fn fn;
    void *data;
};

struct tg_local_file {
    dev_t dev;
    ino_t ino;
};

struct tg_store_impl {
    struct tg_loop *loop;
    tg_session_fn on_session;
    void *data;
    char *path;            /* as named */
    char *real, *folder;   /* without symbolic links, as SQLite names -wal and -shm; and the folder beside it. NULL before it was found */
    bool create;
    enum tg_session_state state;
    struct tg_timer *pump, *poll;
    struct lrequest *first, **last;
    int64_t opened_ms, proven_ms;
    int64_t read_txid; /* of the snapshot that is being read */
    int64_t busy_since_ms, backoff_ms; /* 0: not busy */
    unsigned seed;

    sqlite3 *db;
    sqlite3_stmt *sql[SQL_STATEMENTS];
    struct tg_local_file files[3]; /* the database, -wal, -shm, as opened */

    uint64_t id;
    int session_fd;      /* -1 until it is needed */
    char *session_file;

    struct lwatch *watches, *fired; /* fired: about to be told */
    int64_t watched_txid; /* the watches have been compared with this state */
    int bump_fd, inotify_fd;
    struct uv_poll_s *inotify;
    bool listens;
    int rechecks; /* left, after a session's file was closed */
};

/* local_db.c */
int tg_local_db_open(struct tg_store_impl *s, struct tg_error *e); /* 0, TG_LOCAL_BUSY, or an error */
void tg_local_db_close(struct tg_store_impl *s);
/* 0 while the files under our descriptors are those at the path. */
int tg_local_db_same(const struct tg_store_impl *s, struct tg_error *e);
/* What SQLite's answer means. */
int tg_local_fail(struct tg_store_impl *s, int rc, const char *doing, struct tg_error *e);
/* Steps a statement that gives no row, and resets it. */
int tg_local_run(struct tg_store_impl *s, enum tg_local_sql which, const char *doing, struct tg_error *e);
sqlite3_stmt *tg_local_bind_path(struct tg_store_impl *s, enum tg_local_sql which, const char *path);
int tg_local_txid(struct tg_store_impl *s, int64_t *out, struct tg_error *e);
int tg_local_next_txid(struct tg_store_impl *s, int64_t *out, struct tg_error *e);
/* TG_E_NOENT without a message when there is none. */
int tg_local_stat(struct tg_store_impl *s, const char *path, struct tg_stat *out, struct tg_error *e);
void tg_local_stat_of(sqlite3_stmt *q, struct tg_stat *out);
void tg_local_rollback(struct tg_store_impl *s);

/* local_ops.c */
int tg_local_op(struct tg_store_impl *s, const struct tg_op *op, int64_t txid, int64_t wall_ms, struct tg_error *e);
int tg_local_delete_path(struct tg_store_impl *s, const char *path, int64_t txid, struct tg_error *e);

/* local_session.c */
/* The folder of sessions, which is made when it is missing. */
int tg_local_folder(const struct tg_store_impl *s, struct tg_error *e);
/* Makes and locks this session's file, if that was not done yet. */
int tg_local_session_file(struct tg_store_impl *s, struct tg_error *e);
/* 0 while our own session file has its name. */
int tg_local_session_alive(const struct tg_store_impl *s, struct tg_error *e);
/* Begins a transaction on a state that has no dead sessions' ephemerals. 0, TG_LOCAL_BUSY, or an error; then none is open. */
int tg_local_begin(struct tg_store_impl *s, enum tg_local_sql how, struct tg_error *e);
/* Lets go of our file; deletes our ephemerals unless somebody has inherited it. Tries for at most max_wait_ms. */
void tg_local_session_end(struct tg_store_impl *s, int64_t max_wait_ms);

/* local_watch.c */
int tg_local_watch_arm(struct tg_store_impl *s, const struct lrequest *rq, const struct tg_stat *was, struct tg_error *e);
/* Within a read transaction: fires what has changed since it was armed. */
int tg_local_watch_compare(struct tg_store_impl *s, struct tg_error *e);
void tg_local_watch_end(struct tg_store_impl *s, tg_watch_fn fn, const void *data);
void tg_local_watch_lost(struct tg_store_impl *s);
/* Tells others that something was committed. */
void tg_local_bump(struct tg_store_impl *s, int64_t txid);
/* Keeps looking by itself from now on, for watches or for the session's own sake. */
void tg_local_listen(struct tg_store_impl *s);
void tg_local_listen_end(struct tg_store_impl *s);

#endif
