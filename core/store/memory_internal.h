/* The memory store's insides, shared by the backend (memory.c) and the handles for tests (memory_control.c). */
#ifndef TG_STORE_MEMORY_INTERNAL_H
#define TG_STORE_MEMORY_INTERNAL_H

#include "store/internal.h"
#include "store/memory.h"
#include "store/memory_tree.h"

struct mfault {
    struct mfault *next;
    struct tg_memory_fault is;
    char *path;
};

/* A session that was killed: its ephemerals wait for the timeout. */
struct mghost {
    struct mghost *next;
    uint64_t id;
    int64_t due_ms;
};

struct memory {
    struct memory *next;
    char *name;
    struct tg_mtree tree;
    int64_t txid;
    uint64_t last_session;
    struct tg_store_impl *sessions;
    struct mfault *faults;
    struct mghost *ghosts;
};

struct mwatch {
    struct mwatch *next;
    char *path;
    bool of_children;
    tg_watch_fn fn;
    void *data;
};

/* A request, on its way to the server or (as its answer, or a watch's event) back. */
struct mitem {
    struct mitem *next;
    uint32_t verb; /* enum tg_memory_verbs; 0: an event */
    char *path;
    struct tg_op *ops;
    size_t n_ops;
    tg_watch_fn watch;
    void *watch_data;
    enum tg_watch_event event;
    tg_store_fn fn;
    void *data;
    int64_t sent_ms, due_ms;
    int64_t extra_ms; /* by which a fault delays the answer */
    bool hangs, faulted;
    /* the answer */
    struct tg_error error;
    struct tg_node node;
    char **names;
    size_t n_names;
    int failed_op;
    int64_t txid;
};

struct mqueue {
    struct mitem *first, **last;
};

struct tg_store_impl {
    struct tg_store_impl *next; /* of the tree's sessions */
    struct memory *memory;
    struct tg_loop *loop;
    tg_session_fn on_session;
    void *data;
    uint64_t id;
    int64_t session_ms, proven_ms;
    enum tg_session_state state;
    bool cut_off, expired; /* expired: by the server, whether we know or not */
    struct tg_timer *pump, *expiry, *reaper;
    struct mqueue out, back;
    struct mitem *hung;
    struct mwatch *watches;
    int64_t request_ms, answer_ms;
    uint64_t requests;
    /* A view that lags behind, and what it has not seen yet. */
    size_t lag;
    struct tg_mtree view;
    int64_t view_txid;
    struct tg_mtxn **behind;
    size_t n_behind, cap_behind;
};

/* The tree of a name, and that which is made when there is none. */
struct memory *tg_memory_find(const char *name);
int tg_memory_get(const char *name, struct memory **out, struct tg_error *e);

void tg_memory_push(struct mqueue *q, struct mitem *item);
struct mitem *tg_memory_pop(struct mqueue *q);
void tg_memory_free_item(struct mitem *item);
/* Starts the timer that moves the queues, for the first thing that is due. */
void tg_memory_start_pump(struct tg_store_impl *s);
void tg_memory_on_pump(void *data);
void tg_memory_drop_watch(struct tg_store_impl *s, tg_watch_fn fn, const void *data);
/* Answers all that is outstanding with code. */
void tg_memory_fail_all(struct tg_store_impl *s, int code, const char *what);
/* Leaves the ephemerals of a session that was killed to its timeout. */
void tg_memory_haunt(struct tg_store_impl *s);
/* Commits: tells every session. Consumes txn. */
void tg_memory_commit(struct memory *m, struct tg_mtxn *txn);
/* Ends a session at the server: its ephemerals go. */
void tg_memory_expire_at_server(struct memory *m, uint64_t id);
/* The session learns that it is over. */
void tg_memory_end(struct tg_store_impl *s);
/* What is under way is lost. */
void tg_memory_break(struct tg_store_impl *s);
void tg_memory_set_state(struct tg_store_impl *s, enum tg_session_state state, const struct tg_error *e);
/* Lets the view see what was committed, but for the last keep transactions. */
void tg_memory_catch_up(struct tg_store_impl *s, size_t keep);
void tg_memory_view_release(struct tg_store_impl *s);
/* The fault for this request, or NULL. */
const struct tg_memory_fault *tg_memory_fault_for(struct tg_store_impl *s, const struct mitem *item);
void tg_memory_reap_due(struct memory *m, int64_t now_ms);

#endif
