/* Watches: see watch.h. */
#include "watch.h"

#include <stdlib.h>
#include <string.h>

struct zk_wnode *zk_watch_ask(struct zk_watches *w, enum zk_watch_kind kind, const char *path)
{
    struct zk_wnode *n = w->first;

    while (n && (n->kind != kind || strcmp(n->path, path) != 0))
        n = n->next;
    if (!n) {
        n = calloc(1, sizeof *n);
        if (!n || !(n->path = strdup(path))) {
            free(n);
            return NULL;
        }
        n->kind = kind;
        n->id = ++w->last_id;
        n->next = w->first;
        w->first = n;
    }
    n->asking++;
    return n;
}

static void free_node(struct zk_wnode *n)
{
    for (struct zk_watcher *a = n->watchers, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    free(n->path);
    free(n);
}

/* An entry that nobody asks for, and that the library does not have, goes. */
static void tidy(struct zk_watches *w, struct zk_wnode *n)
{
    if (n->asking || n->armed)
        return;
    for (struct zk_wnode **at = &w->first; *at; at = &(*at)->next)
        if (*at == n) {
            *at = n->next;
            free_node(n);
            return;
        }
}

int zk_watch_asked(struct zk_watches *w, struct zk_wnode *n, bool armed, tg_watch_fn fn, void *data)
{
    int rc = 0;

    n->asking--;
    if (armed) {
        n->armed = true;
        struct zk_watcher *a = fn ? malloc(sizeof *a) : NULL;
        if (a) {
            *a = (struct zk_watcher) {.next = n->watchers, .fn = fn, .data = data};
            n->watchers = a;
        } else if (fn) {
            rc = TG_E_MEMORY;
        }
    }
    tidy(w, n);
    return rc;
}

static void tell(struct zk_wnode *n, enum tg_watch_event event)
{
    struct zk_watcher *a;

    while ((a = n->watchers) != NULL) {
        struct zk_watcher own = *a;
        n->watchers = a->next;
        free(a);
        own.fn(own.data, event, n->path);
    }
}

void zk_watch_fire(struct zk_watches *w, uintptr_t id, enum tg_watch_event event)
{
    struct zk_wnode *n = w->first;

    while (n && n->id != id)
        n = n->next;
    if (!n)
        return;
    n->armed = false;
    n->asking++; /* it stays while its watchers are told */
    tell(n, event);
    n->asking--;
    tidy(w, n);
}

void zk_watch_lose(struct zk_watches *w)
{
    for (struct zk_wnode *n = w->first; n; n = n->next) {
        n->armed = false;
        tell(n, TG_WATCH_LOST);
    }
}

void zk_watch_drop(struct zk_watches *w, tg_watch_fn fn, void *data)
{
    for (struct zk_wnode *n = w->first; n; n = n->next)
        for (struct zk_watcher **at = &n->watchers; *at;) {
            struct zk_watcher *a = *at;
            if (a->fn == fn && a->data == data) {
                *at = a->next;
                free(a);
            } else {
                at = &a->next;
            }
        }
}

void zk_watch_release(struct zk_watches *w)
{
    for (struct zk_wnode *n = w->first, *next; n; n = next) {
        next = n->next;
        free_node(n);
    }
    *w = (struct zk_watches) {0};
}
