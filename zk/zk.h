/*
 * The store on ZooKeeper, inside.
 *
 * Requests wait in our own queue until the session is up, then go to the client library, which answers from zookeeper_process().
 * Everything runs on the loop; the library is only ever entered from conn.c's drive, from the poll handle's callback and from close,
 * so that answers never come from inside a verb.
 */
#ifndef TG_ZK_H
#define TG_ZK_H

#include "proof.h"
#include "url.h"
#include "watch.h"

#include <tagout/store.h>
#include <sys/types.h>
#include <uv.h>
#include <zookeeper/zookeeper.h>

/* A server's answer beyond this is none of ours: 40,000 names are 2 MB, and folders stay below 5,000. */
#define ZK_FRAME_MAX (64 * 1024 * 1024)

enum zk_kind { ZK_READ, ZK_LIST, ZK_SYNC, ZK_MULTI };

struct zk_request {
    struct zk_request *prev, *next; /* of all that are not answered, in their order */
    struct tg_store_impl *s;
    enum zk_kind kind;
    bool sent;
    int tries;
    int64_t sent_ms;
    char *path;                     /* the server's: chroot and all */
    size_t chroot_len;              /* path + this is the caller's, "" the root */
    tg_store_fn fn;
    void *data;
    tg_watch_fn watch;              /* NULL none, or it was ended meanwhile */
    void *watch_data;
    struct zk_wnode *wnode;         /* what the library was told to watch, while under way */
    struct tg_op *ops;              /* multi: one block with the four below */
    size_t n_ops;
    zoo_op_t *zops;
    zoo_op_result_t *results;
    struct Stat *written;           /* of the node that its first write wrote, if there is one */
};

/* One connection of the library's. It is polled through a duplicate of our own: the library closes its descriptor without asking,
 * and the number may be another socket's by the time we see it. */
struct zk_conn {
    int fd;             /* the library's, -1 none */
    int poll_fd;        /* ours */
    ino_t inode;        /* tells a new socket on the same number */
    uv_poll_t *poll;    /* freed by libuv's close callback */
    int interest;       /* what it polls for now */
    bool answered;      /* the handshake is done */
    bool in_frame;      /* the library has read a part of a message */
    bool low_water;     /* we wait for a whole header */
    int64_t since_ms;   /* it was opened */
};

struct tg_store_impl {
    struct tg_loop *loop;
    const struct tg_clock *clock;
    struct zk_url url;
    char *url_text;             /* for messages */
    char *auth_scheme, *auth_cert;
    unsigned flags;
    tg_session_fn on_session;
    void *data;
    int64_t wish_ms;

    zhandle_t *zh;              /* NULL until the names are looked up */
    struct zk_resolve *resolve; /* while they are */
    size_t n_addresses;
    struct zk_conn conn;
    int dead_fd;                /* /dev/null: put in the place of a connection that must end */
    struct tg_timer *timer;     /* drives */

    enum tg_session_state state;
    bool up;                    /* the library is connected */
    bool checked;               /* the chroot is there */
    bool stale;                 /* the library holds requests of a connection that it closed by itself */
    bool quiet;                 /* what the library has to say now is no news */
    int make_rc;                /* of making the chroot */
    int64_t before_ms;          /* read before the library was last asked: no handshake can be older */
    bool closing;
    uint64_t session_id;
    int64_t session_ms;
    struct tg_error last;       /* why there is no connection */
    struct tg_error over;       /* why the session is over */

    struct zk_proof proof;
    int64_t asked_ms;           /* when somebody last looked at the proof */
    bool asking;
    int64_t leader_ms;          /* when a write or a sync was last sent */
    int64_t frame_txid;         /* of the answer that is being processed */
    int n_sent;                 /* requests whose answers the library owes us */

    struct zk_request *first, *last_request;
    struct zk_watches watches;
};

/* session.c: what the session is, for those above. */
void zk_observe(struct tg_store_impl *s);
void zk_session_over(struct tg_store_impl *s, enum tg_session_state state, int code, const char *why);
/* Remembers why there is no connection, and tells. */
void zk_why(struct tg_store_impl *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void zk_keep_proving(struct tg_store_impl *s, int64_t *io_wait_ms);

/* resolve.c: looks the names up off the loop, then calls zk_addresses(). */
int zk_resolve_start(struct tg_store_impl *s, struct tg_error *e);
void zk_resolve_cancel(struct tg_store_impl *s);

/* conn.c */
void zk_addresses(struct tg_store_impl *s, const char *list, size_t count);
void zk_drive_soon(struct tg_store_impl *s);
void zk_drive(void *impl);
void zk_conn_end(struct tg_store_impl *s);
/* 1: what is sent is held back; 0: it goes. Never left at 1. */
void zk_conn_cork(struct tg_store_impl *s, int on);
/* Makes the library see its connection end, at once, without a byte more read or written. */
void zk_conn_break(struct tg_store_impl *s);
void zk_conn_farewell(struct tg_store_impl *s, int64_t max_wait_ms);
void zk_conn_forget(struct tg_store_impl *s);
/* The library's log goes to ours; it knows no context but the store that entered it last. */
void zk_enter(struct tg_store_impl *s);
void zk_log_line(const char *line);

/* guard.c: what the server sent is looked at before the library reads it. */
enum zk_guard { ZK_GUARD_PASS, ZK_GUARD_WAIT, ZK_GUARD_BREAK };
enum zk_guard zk_guard(struct tg_store_impl *s);

/* request.c: the verbs. */
int zk_read(struct tg_store_impl *, const char *path, tg_watch_fn, void *, tg_store_fn, void *, struct tg_error *);
int zk_list(struct tg_store_impl *, const char *path, tg_watch_fn, void *, tg_store_fn, void *, struct tg_error *);
int zk_multi(struct tg_store_impl *, const struct tg_op *ops, size_t n_ops, tg_store_fn, void *, struct tg_error *);
int zk_sync(struct tg_store_impl *, const char *path, tg_store_fn, void *, struct tg_error *);
void zk_unwatch(struct tg_store_impl *, tg_watch_fn, void *);
/* Sends what waits. */
void zk_send_waiting(struct tg_store_impl *s);
/* Answers all that waits, and what the library will not answer any more, with this. */
void zk_answer_all(struct tg_store_impl *s, const struct tg_error *why);
/* Sends one request to the library; what fails at once is answered at once. */
void zk_send(struct zk_request *rq);
/* Who may do what with the nodes that this session makes. */
const struct ACL_vector *zk_acl(const struct tg_store_impl *s, bool hidden);

/* answer.c: from the library's answers to ours. */
void zk_answer(struct zk_request *rq, struct tg_store_reply *reply);
void zk_answer_error(struct zk_request *rq, const struct tg_error *why);
void zk_answer_code(struct zk_request *rq, int rc);
/* Notes that an answer came; false when it is none of the server's. */
bool zk_settle(struct tg_store_impl *s, int rc, int64_t sent_ms, bool by_leader);
void zk_on_data(int rc, const char *value, int len, const struct Stat *stat, const void *data);
void zk_on_exists(int rc, const struct Stat *stat, const void *data);
void zk_on_names(int rc, const struct String_vector *names, const struct Stat *stat, const void *data);
void zk_on_sync(int rc, const char *value, const void *data);
void zk_on_multi(int rc, const void *data);
void zk_on_watch(zhandle_t *zh, int type, int state, const char *path, void *id);

#endif
