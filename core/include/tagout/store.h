/*
 * The store: a tree of small records with versions, sessions, watches and transactions. Locks, permits, leases and journals are
 * recipes above this interface and know nothing of what is below it: ZooKeeper (module "zk"), the embedded store on SQLite
 * ("local"), or memory with scripted faults ("memory", for tests). One conformance suite holds all three to this page.
 *
 * Two layers: struct tg_store_backend is what an implementation fills in (asynchronous, on the loop); the tg_store_*() functions
 * are what the rest of the house calls. They check paths and sizes, keep the highest transaction id seen, and offer each verb
 * twice: asynchronous (with a callback, which only records) and blocking (pumps the loop until the answer or the deadline).
 *
 * What every store promises:
 *   - paths are absolute, "/" is the root, names are 1..255 bytes without "/", NUL or control bytes, not "." or ".."
 *   - a write is atomic, and so is a multi; each gets a transaction id (txid) that only grows in one store's life
 *   - one session's requests are carried out in their order, and its reads are never older than its own writes or earlier reads
 *     (this is all that Dekker's handshake of lock and permit needs); a read may otherwise be stale, tg_store_sync() narrows that
 *   - an ephemeral node is gone after its session is, and never before the session's timeout has passed since proven_ms
 *   - TG_E_LOST, TG_E_TIMEOUT and TG_E_SESSION after a write are ambiguous: it may or may not have happened. Name things so that you can look.
 */
#ifndef TAGOUT_STORE_H
#define TAGOUT_STORE_H

#include <tagout/error.h>
#include <tagout/loop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_STORE_ABI 2
#define TG_STORE_PATH_MAX 1023          /* bytes; ZooKeeper has no bound, its log lines and our buffers do */
#define TG_STORE_DATA_MAX (512 * 1024)  /* bytes in one record or one multi; half of ZooKeeper's default jute.maxbuffer */
#define TG_STORE_OPS_MAX 512            /* operations in one multi */

struct tg_store;
struct tg_store_impl; /* the backend's own */

struct tg_stat {
    int64_t version;       /* starts at 0, +1 with each write of this node's data */
    int64_t created_txid;  /* of the transaction that made it: with the cluster's generation, a fencing token */
    int64_t modified_txid; /* of the last that changed its data */
    int64_t modified_ms;   /* wall clock of the store's server at that moment */
    int64_t children;      /* how many children the server counts */
    int64_t children_txid; /* of the last create or delete of a child (ZooKeeper's pzxid) */
    uint64_t owner;        /* session that owns this ephemeral node; 0 when persistent */
};

enum tg_op_kind { TG_OP_CREATE, TG_OP_WRITE, TG_OP_DELETE, TG_OP_CHECK };
enum tg_create_flags {
    TG_CREATE_PERSISTENT = 0,
    TG_CREATE_EPHEMERAL = 1,
    TG_CREATE_PRIVATE = 2 /* holds a secret: read by nobody but who has our credentials. A store that knows no users (local: the file's mode is
                             what protects it; ZooKeeper without auth) has nothing to hold it to */
};
#define TG_ANY_VERSION (-1)

/*
 * One operation of a multi. All that is passed to a verb (paths, operations, data) is borrowed until the call returns, also an
 * asynchronous one: the implementation copies or serialises what it needs later, so that a caller whose deadline passed may go.
 */
struct tg_op {
    enum tg_op_kind kind;
    const char *path;
    const void *data; /* CREATE, WRITE */
    size_t len;
    int64_t version; /* WRITE, DELETE, CHECK: required version, or TG_ANY_VERSION */
    unsigned flags;  /* CREATE: enum tg_create_flags */
};

/* An answer. Lives during the callback only. On code != 0 only code, error and failed_op mean anything. */
struct tg_store_reply {
    int code;                      /* 0 or enum tg_code */
    const struct tg_error *error;  /* never NULL when code != 0 */
    struct tg_stat stat;           /* read, list (of the parent) */
    const char *data;              /* read; NUL-terminated behind len */
    size_t len;
    const char *const *names;      /* list: unsorted names, not paths */
    size_t n_names;
    int failed_op;                 /* multi: index of the operation that refused, -1 when it was none of them */
    int64_t txid;                  /* highest transaction id that this answer proves the store to have reached; 0 unknown */
    int64_t own_txid;              /* multi: of this very transaction; 0: the store does not tell (ZooKeeper: only when it writes to a node) */
};
typedef void (*tg_store_fn)(void *data, const struct tg_store_reply *reply);

enum tg_watch_event {
    TG_WATCH_CHANGED,  /* data changed (read), children came or went (list) */
    TG_WATCH_DELETED,
    TG_WATCH_CREATED,  /* a read that found nothing: the node is there now */
    TG_WATCH_LOST      /* the session is over: it will never fire otherwise */
};
typedef void (*tg_watch_fn)(void *data, enum tg_watch_event event, const char *path);

enum tg_session_state {
    TG_SESSION_CONNECTING, /* also after a break: the session may live on, nothing may be assumed */
    TG_SESSION_CONNECTED,
    TG_SESSION_EXPIRED,    /* final: close and open anew */
    /* Final: authentication, configuration, or there is no store there; the error says which. Of a TG_E_UNKNOWN its sys_errno tells: ENOENT, there is
     * nothing; EUCLEAN, what is there is damaged or no store; EPROTONOSUPPORT, it has a format that is not known; 0, something else. */
    TG_SESSION_REFUSED
};
/* error: why, NULL when there is nothing to say. While CONNECTING it may come again, when the reason is another one. */
typedef void (*tg_session_fn)(void *data, enum tg_session_state state, const struct tg_error *error);

/* How to open. */
enum tg_store_open_flags {
    TG_STORE_EXISTING = 0, /* nothing is ever created by opening: a missing database or chroot is REFUSED, TG_E_UNKNOWN */
    TG_STORE_CREATE = 1    /* makes the place itself (the database file, the chroot) when it is missing; only `init` does */
};

struct tg_store_options {
    struct tg_loop *loop;  /* outlives the store */
    const char *url;       /* "zk://h1:2181,h2:2181/tagout", "local:/var/lib/tagout/store.db", "memory:NAME"; copied */
    int64_t session_ms;    /* wished for; the store clamps it, tg_store_session_ms() tells. Default 10,000 */
    unsigned flags;        /* enum tg_store_open_flags */
    const char *auth;      /* "digest:USER:PASSWORD" read from a root-only file by the caller, or NULL; copied, never logged */
    tg_session_fn on_session; /* may be NULL */
    void *data;
};

/* What an implementation is. All slots are required but where NULL is given a meaning; all are called at top level only. */
struct tg_store_backend {
    uint32_t version;   /* TG_STORE_ABI */
    const char *scheme; /* "zk": what stands before the URL's first colon */
    const char *about;  /* one line for people */
    /* Parses the URL and begins to connect; does not wait. TG_E_CONFIG for a bad URL. Whatever else is wrong (no such database, no
     * right to it, a wrong password) comes later, through on_session and TG_SESSION_REFUSED, so that a guard can say it its way. */
    int (*open)(const struct tg_store_options *options, struct tg_store_impl **out, struct tg_error *e);
    /* Ends the session (its ephemerals go at once when the server can be reached), answers what is outstanding with
     * TG_E_CANCELLED, frees. Waits at most max_wait_ms for the server; -1: it is not told, so the session lasts for its time-out as if this process
     * had died. Watches do not fire. */
    void (*close)(struct tg_store_impl *impl, int64_t max_wait_ms);
    /* Verbs. They return 0 and call fn exactly once, later, from the loop or from close(); or a negative code at once and never
     * call fn. While CONNECTING they are queued, and sent in their order; those that were under way when a connection broke are
     * answered TG_E_LOST. On a session that is over: TG_E_SESSION.
     * Refusals: TG_E_NOENT (no node, no parent to create under), TG_E_EXISTS, TG_E_VERSION, TG_E_NOTEMPTY, TG_E_PERM, and TG_E_DATA
     * for a child of an ephemeral node. Of a delete or write the version is looked at before the children.
     * read, list: watch may be NULL. A watch is armed only when the read answers 0, or NOENT for read ("created" fires then);
     * it fires at most once. */
    int (*read)(struct tg_store_impl *, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn, void *data, struct tg_error *e);
    int (*list)(struct tg_store_impl *, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn, void *data, struct tg_error *e);
    int (*multi)(struct tg_store_impl *, const struct tg_op *ops, size_t n_ops, tg_store_fn fn, void *data, struct tg_error *e);
    /* The next read of this session sees at least what was committed when sync was sent. */
    int (*sync)(struct tg_store_impl *, const char *path, tg_store_fn fn, void *data, struct tg_error *e);
    /* Never fires again, whatever is on its way. Safe for a watch that has fired. The generic layer passes a unique pair per watch. */
    void (*unwatch)(struct tg_store_impl *, tg_watch_fn watch, void *watch_data);
    enum tg_session_state (*state)(struct tg_store_impl *);
    uint64_t (*session_id)(struct tg_store_impl *);  /* 0 before the first connection */
    int64_t (*session_ms)(struct tg_store_impl *);   /* granted time-out; INT64_MAX when the session can't outlive or be outlived (local) */
    /* Monotonic ms at which the newest answered request was *sent*: the session was alive then. P4's deadline counts from here. */
    int64_t (*proven_ms)(struct tg_store_impl *);
    /* A descriptor that keeps the session alive in whoever inherits it (local: the locked session file), -1 while there is none.
     * NULL: this store's sessions can't be handed on. */
    int (*session_fd)(struct tg_store_impl *);
};

/*
 * Opens by URL; loads the module of the scheme when it is not built in. The store is freed with tg_store_close(), also after its
 * session expired. Does not wait for the connection: the verbs do, up to their deadline.
 */
int tg_store_open(const struct tg_store_options *options, struct tg_store **out, struct tg_error *e);
void tg_store_close(struct tg_store *store);
/* The same, but the server is not told: what is ephemeral stays until the session's time-out (of the embedded store: ends at once). */
void tg_store_leave(struct tg_store *store);
const char *tg_store_url(const struct tg_store *store);
struct tg_loop *tg_store_loop(struct tg_store *store);
enum tg_session_state tg_store_state(struct tg_store *store);
uint64_t tg_store_session_id(struct tg_store *store);
int64_t tg_store_session_ms(struct tg_store *store);
int64_t tg_store_proven_ms(struct tg_store *store);
/*
 * A close-on-exec descriptor such that the session, and with it its ephemerals, lives until the last process that holds it is gone,
 * this one or one that inherited a duplicate; -1 when the store has no such thing. Belongs to the store; closing the store closes
 * its own copy only, and leaves the ephemerals to the heirs.
 */
int tg_store_session_fd(struct tg_store *store);
/* Why the session ended or was refused; code 0 while it lives. Lives as long as the store. */
const struct tg_error *tg_store_error(const struct tg_store *store);
/* Highest transaction id that any answer to this handle has shown. */
int64_t tg_store_seen_txid(const struct tg_store *store);

/* 0, or TG_E_DATA when it is no path of a store. */
int tg_store_path_check(const char *path, struct tg_error *e);
/* Asynchronous. Same contract as the backend's slots; a bad path, too much data or too many operations is TG_E_DATA at once. */
int tg_store_read_async(struct tg_store *, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn, void *data, struct tg_error *e);
int tg_store_list_async(struct tg_store *, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn, void *data, struct tg_error *e);
int tg_store_multi_async(struct tg_store *, const struct tg_op *ops, size_t n_ops, tg_store_fn fn, void *data, struct tg_error *e);
int tg_store_sync_async(struct tg_store *, const char *path, tg_store_fn fn, void *data, struct tg_error *e);
/* Ends every watch that was set with this pair. */
void tg_store_unwatch(struct tg_store *, tg_watch_fn watch, void *watch_data);

/* A copy of what was read; release with tg_node_release(). */
struct tg_node {
    char *data; /* NUL-terminated behind len */
    size_t len;
    struct tg_stat stat;
};
struct tg_names {
    char **names; /* sorted by bytes */
    size_t count;
    struct tg_stat stat; /* of the parent */
};
void tg_node_release(struct tg_node *node);
void tg_names_release(struct tg_names *names);

/*
 * Blocking. Pump the loop; top level only. deadline is absolute, on the loop's monotonic clock (tg_store_deadline() makes one);
 * past it TG_E_TIMEOUT, ambiguous for writes, and an interrupted loop gives TG_E_CANCELLED. They wait for the connection first.
 * Reads, lists and syncs whose connection breaks are sent again within the deadline; writes never are. A call that failed has left
 * no watch behind (but NOENT of a read: "created" is armed).
 */
int64_t tg_store_deadline(struct tg_store *store, int64_t from_now_ms);
int tg_store_connect(struct tg_store *, int64_t deadline, struct tg_error *e);
int tg_store_read(struct tg_store *, const char *path, int64_t deadline, struct tg_node *out, struct tg_error *e);
int tg_store_read_watch(struct tg_store *, const char *path, tg_watch_fn watch, void *watch_data, int64_t deadline, struct tg_node *out, struct tg_error *e);
int tg_store_list(struct tg_store *, const char *path, int64_t deadline, struct tg_names *out, struct tg_error *e);
int tg_store_list_watch(struct tg_store *, const char *path, tg_watch_fn watch, void *watch_data, int64_t deadline, struct tg_names *out, struct tg_error *e);
int tg_store_create(struct tg_store *, const char *path, const void *value, size_t len, unsigned flags, int64_t deadline, struct tg_error *e);
int tg_store_write(struct tg_store *, const char *path, const void *value, size_t len, int64_t version, int64_t deadline, struct tg_error *e);
int tg_store_delete(struct tg_store *, const char *path, int64_t version, int64_t deadline, struct tg_error *e);
/* *out_failed_op (may be NULL) is also written on failure: the index that refused, or -1. */
int tg_store_multi(struct tg_store *, const struct tg_op *ops, size_t n_ops, int64_t deadline, int *out_failed_op, struct tg_error *e);
int tg_store_sync(struct tg_store *, const char *path, int64_t deadline, struct tg_error *e);

/*
 * Many reads in one round trip (they are pipelined on the session, in their order). Each item's path is borrowed; the result is
 * written into its node and code (0 or TG_E_NOENT). Any other failure fails the whole and releases what was read.
 */
struct tg_read_item {
    const char *path;
    bool want_names;       /* list the children instead of reading the data */
    int code;
    struct tg_node node;
    struct tg_names names;
};
int tg_store_read_many(struct tg_store *, struct tg_read_item *items, size_t count, int64_t deadline, struct tg_error *e);
void tg_read_items_release(struct tg_read_item *items, size_t count);

/*
 * Transactions and reads in one round trip: all is sent at once on the session, and carried out in the order in which it stands here, so
 * that the reads see what the transactions did. Nothing is sent again.
 */
struct tg_multi {
    const struct tg_op *ops;
    size_t n_ops;
    int code;              /* out: 0, the refusal, or what broke (TG_E_LOST and its kin: ambiguous) */
    struct tg_error error; /* out: when code is not 0 */
    int64_t txid;          /* out, when code is 0: its transaction's id, of the nodes that it made and wrote; 0: the store does not tell */
};
struct tg_exchange {
    struct tg_multi *multis;
    size_t n_multis;
    struct tg_read_item *items;    /* as for tg_store_read_many(), at most TG_STORE_OPS_MAX */
    size_t n_items;
    void (*meanwhile)(void *data); /* called when all is on its way, before the answers are waited for: for what takes its time here; NULL */
    void *data;
};
/* 0: everything was answered; each multi's code tells what became of it. Otherwise the first trouble of the connection; each multi's code
 * is set nevertheless, and nothing is left in the items. */
int tg_store_exchange(struct tg_store *, struct tg_exchange *x, int64_t deadline, struct tg_error *e);

/* For implementations: the refusals that all of them word alike. Each returns its code. */
int tg_refuse_noent(const char *path, struct tg_error *e);
int tg_refuse_no_parent(const char *path, struct tg_error *e);
int tg_refuse_exists(const char *path, struct tg_error *e);
int tg_refuse_version(const char *path, int64_t wanted, int64_t is, struct tg_error *e);
int tg_refuse_not_empty(const char *path, int64_t children, struct tg_error *e);
int tg_refuse_ephemeral_parent(const char *path, struct tg_error *e);

#ifdef __cplusplus
}
#endif
#endif
