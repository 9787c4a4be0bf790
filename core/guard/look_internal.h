/* What the two halves of a look at locks share: what is to be read (look.c), and what that proves (look_take.c). */
#ifndef TG_GUARD_LOOK_INTERNAL_H
#define TG_GUARD_LOOK_INTERNAL_H

#include "guard/tree.h"

#include "base/index.h"

#define TG_LOOK_ROOT "/locks"

enum tg_want_kind { TG_WANT_CLUSTER, TG_WANT_ROOT, TG_WANT_GROUPS, TG_WANT_HOSTS, TG_WANT_SERVICES, TG_WANT_BUCKET, TG_WANT_BUCKET_NAMES, TG_WANT_SCOPE, TG_WANT_RECORD };

struct tg_want {
    enum tg_want_kind kind;
    char *path;
    bool listed;                /* somebody named it: it must be there */
    enum tg_scope_kind scope_kind;
    int64_t seen_txid;          /* of its last change when it was read; TG_LOOK_ABSENT */
};

struct tg_look {
    struct tg_guard *guard;
    const struct tg_scopes *scopes;
    bool all, walk_hosts, walk_services;
    struct tg_want *wants;
    struct tg_index by_path;    /* of wants, but for records */
    size_t n_wants, cap_wants, next;
    struct tg_read_item *items;
    struct tg_lock *locks;
    size_t *rows;               /* per lock: below how many of its scopes it was met */
    struct tg_index by_id;      /* of locks */
    size_t n_locks, cap_locks;
    uint64_t epochs;            /* of the counters that were read, summed: what tells two tries apart */
    const char *doubt;          /* what it is called when it stays overtaken, however often it is looked at; NULL: a record is gone */
    struct tg_counter hosts, services; /* names of buckets */
    int64_t generation;
};

/* Adds a node to what is to be read, unless it is there. TG_E_MEMORY, also when there are too many. */
int tg_look_want(struct tg_look *look, enum tg_want_kind kind, const char *path, bool listed, enum tg_scope_kind scope_kind, struct tg_error *e);
int tg_look_want_scope(struct tg_look *look, const struct tg_scope *scope, bool listed, struct tg_error *e);
/* All was read: so a lock that is not released must have been met below each of its scopes. TG_E_VERSION */
int tg_look_prove(struct tg_look *look, struct tg_error *e);

#endif
