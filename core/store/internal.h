/* What the two halves of the generic layer share: store.c (handles, asynchronous verbs, watches) and wait.c (blocking verbs). */
#ifndef TG_STORE_INTERNAL_H
#define TG_STORE_INTERNAL_H

#include <tagout/store.h>

enum tg_store_verb { TG_VERB_READ, TG_VERB_LIST, TG_VERB_SYNC };

/* One watch. Every one has its own address, so that the backend's (fn, data) pair names exactly one. */
struct tg_store_watch {
    struct tg_store_watch *prev, *next; /* of the store's list, while linked */
    struct tg_store *store;
    tg_watch_fn fn;
    void *data;
    bool linked;
    bool asked;  /* its read is under way: the answer frees it, or arms it */
};

/* The asynchronous verbs on one path. *out_watch (may be NULL) is the watch that was asked for; it is only valid until the answer. */
int tg_store_start(struct tg_store *store, enum tg_store_verb verb, const char *path, tg_watch_fn watch, void *watch_data,
                   tg_store_fn fn, void *data, struct tg_store_watch **out_watch, struct tg_error *e);
/* Ends one watch. NULL is fine. */
void tg_store_watch_drop(struct tg_store_watch *watch);
/* 0 while the session may still be used, else why not. */
int tg_store_usable(struct tg_store *store, struct tg_error *e);
/* What stands in the way of a connection, as far as is known; "" nothing. */
const char *tg_store_trouble(const struct tg_store *store);

/* The backend's own, for whoever knows which backend it is. */
struct tg_store_impl *tg_store_impl_of(const struct tg_store *store);

/* What a layer above keeps of a session; its free() is called when the store is closed. */
struct tg_store_companion {
    void (*free)(struct tg_store_companion *companion);
};
/* Where the store keeps it: the caller puts it there; NULL at first. */
struct tg_store_companion **tg_store_companion(struct tg_store *store);
/* Grows with each connection: what was read from a server is worth as long as it is the same. */
uint64_t tg_store_connections(const struct tg_store *store);

/* An operation list of the backend's own: everything in one block; free() it. NULL when memory is short. */
struct tg_op *tg_ops_copy(const struct tg_op *ops, size_t n_ops);
/* The length of the parent's path: 1 for a child of the root. */
size_t tg_path_parent_len(const char *path);

#endif
