/*
 * The store in memory, and the handles by which a test makes it misbehave: URL "memory:NAME". All sessions of one process that name
 * the same tree share it; the tree stays until tg_memory_forget(), so that a session can end and another find what it left. It
 * works on real and on virtual loops, and is only ever used when named. Opening makes the tree.
 *
 * A session is modelled as ZooKeeper's: requests travel to the server in their order, are carried out there, and the answers and
 * the events of watches travel back in their order. A session that is cut off for longer than its timeout is expired by the
 * server, and learns of it only when it reaches the server again.
 */
#ifndef TG_STORE_MEMORY_H
#define TG_STORE_MEMORY_H

#include <tagout/store.h>

extern const struct tg_store_backend tg_store_memory;

enum tg_memory_verbs { TG_MEMORY_READ = 1, TG_MEMORY_LIST = 2, TG_MEMORY_MULTI = 4, TG_MEMORY_SYNC = 8 };

enum tg_memory_action {
    TG_MEMORY_FAIL,         /* not carried out, answered with code */
    TG_MEMORY_LOSE_REQUEST, /* not carried out, answered TG_E_LOST */
    TG_MEMORY_LOSE_ANSWER,  /* carried out, answered TG_E_LOST */
    TG_MEMORY_HANG,         /* not carried out, and never answered (before the store is closed) */
    TG_MEMORY_HANG_ANSWER,  /* carried out, and never answered */
    TG_MEMORY_DELAY,        /* arrives at the server delay_ms later; what is behind it waits */
    TG_MEMORY_DELAY_ANSWER, /* the answer takes delay_ms longer; what is behind it waits */
    TG_MEMORY_DISCONNECT,   /* carried out, then the session is cut off before the answer */
    TG_MEMORY_EXPIRE        /* not carried out: the session is expired instead */
};

struct tg_memory_fault {
    const char *path;          /* fnmatch() pattern that some path of the request must match ("/locks*"); NULL any; copied */
    unsigned verbs;            /* enum tg_memory_verbs, or-ed; 0 any */
    struct tg_store *session;  /* NULL any */
    int nth;                   /* the n-th match; 0 means the first */
    int times;                 /* how many matches from there on; 0 means one, -1 all */
    enum tg_memory_action action;
    int code;                  /* TG_MEMORY_FAIL */
    int64_t delay_ms;
};
/* Adds a fault to the tree; the first added that applies is used, one a request. TG_E_MEMORY. */
int tg_memory_fault_add(const char *name, const struct tg_memory_fault *fault, struct tg_error *e);
void tg_memory_faults_clear(const char *name);

/* Cuts a session off: what is under way is answered TG_E_LOST, later requests queue; the server expires it after its timeout. */
void tg_memory_disconnect(struct tg_store *store);
/* Lets it through again: it finds itself connected, or expired. */
void tg_memory_reconnect(struct tg_store *store);
/* The server expires it now; one that is connected hears of it at once. */
void tg_memory_expire(struct tg_store *store);
/* Closes like a process that was killed: its ephemerals stay until its timeout has passed. Frees the store. */
void tg_memory_kill(struct tg_store *store);
/* Expires now whatever tg_memory_kill() left. */
void tg_memory_reap(const char *name);
/* Its reads lag behind by this many transactions, until it syncs or writes. TG_E_MEMORY. */
int tg_memory_lag(struct tg_store *store, size_t transactions, struct tg_error *e);
/* What each request takes to the server, and each answer back. */
void tg_memory_latency(struct tg_store *store, int64_t request_ms, int64_t answer_ms);
/* Requests that this session has sent. */
uint64_t tg_memory_requests(const struct tg_store *store);

/* The whole tree, ephemerals and transaction id included. Free with tg_memory_snapshot_free(). */
struct tg_memory_snapshot;
int tg_memory_snapshot(const char *name, struct tg_memory_snapshot **out, struct tg_error *e);
/* Puts an old tree back under living sessions, who are not told; ephemerals of sessions that are no more are left out. */
int tg_memory_restore(const char *name, const struct tg_memory_snapshot *snapshot, struct tg_error *e);
void tg_memory_snapshot_free(struct tg_memory_snapshot *snapshot);
/* Takes a node and all below it away as an incomplete copy does: no transaction, no watch; only the server's own count of children
 * shows it. TG_E_NOENT. */
int tg_memory_drop(const char *name, const char *path, struct tg_error *e);
int64_t tg_memory_txid(const char *name);
/* Frees the tree; no session may be open on it. */
void tg_memory_forget(const char *name);

#endif
