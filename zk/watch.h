/*
 * Watches. The library keeps its own table by path, and never lets go of an entry before it fires; a caller that asks, gives up and
 * asks again would fill it. So there is one entry of ours per path and kind in it, and callers come and go at ours. The library
 * is given an entry's number, not its address: an event for a number that is gone is nobody's.
 */
#ifndef TG_ZK_WATCH_H
#define TG_ZK_WATCH_H

#include <tagout/store.h>

enum zk_watch_kind { ZK_WATCH_DATA, ZK_WATCH_EXISTS, ZK_WATCH_CHILDREN };

struct zk_watcher {
    struct zk_watcher *next;
    tg_watch_fn fn;
    void *data;
};

struct zk_wnode {
    struct zk_wnode *next;
    uintptr_t id;
    enum zk_watch_kind kind;
    char *path;      /* the caller's */
    unsigned asking; /* requests under way that name it */
    bool armed;      /* the library has it */
    struct zk_watcher *watchers;
};

struct zk_watches {
    struct zk_wnode *first;
    uintptr_t last_id;
};

/* The entry for a request that is about to ask; NULL when memory is short. Each needs one zk_watch_asked(). */
struct zk_wnode *zk_watch_ask(struct zk_watches *w, enum zk_watch_kind kind, const char *path);
/* The request was answered. armed: the library has it now; fn (may be NULL) wants to hear of it. TG_E_MEMORY. */
int zk_watch_asked(struct zk_watches *w, struct zk_wnode *node, bool armed, tg_watch_fn fn, void *data);
/* The library's event for an entry. */
void zk_watch_fire(struct zk_watches *w, uintptr_t id, enum tg_watch_event event);
/* The session is over: TG_WATCH_LOST to everybody. */
void zk_watch_lose(struct zk_watches *w);
void zk_watch_drop(struct zk_watches *w, tg_watch_fn fn, void *data);
void zk_watch_release(struct zk_watches *w);

#endif
