/* Reaping: tombstones, and locks that were to end by themselves, go; counts stay right. See lock.h. */
#include "guard/lock_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REAP_AFTER_MS 60000 /* another's: long enough for its releaser to look for a lost answer */
#define LOOK_AT 64          /* rows at a time, of a scope with many locks: who comes next looks at others */

/* Past its time, so that nobody still looks for it. own_id: the caller knows that it is done with that one. */
static bool is_dead(struct tg_guard *guard, struct tg_lock *l, const char *own_id)
{
    if (l->state == TG_LOCK_RELEASED)
        return (own_id && strcmp(l->id, own_id) == 0) || tg_guard_wall(guard) - l->released_ms > REAP_AFTER_MS;
    return tg_guard_wall(guard) - l->until_ms > REAP_AFTER_MS && tg_guard_has_ended(guard, l);
}

/* All of it is read again, and removed in one transaction. */
static bool reap_lock(struct tg_guard *guard, const struct tg_lock *l, const char *own_id)
{
    struct tg_work w;
    int rc = tg_work_read(guard, l->id, &l->scopes, &w, NULL);

    if (!rc && !is_dead(guard, &w.lock, own_id))
        rc = TG_E_VERSION;
    if (!rc)
        rc = w.lock.state == TG_LOCK_RELEASED ? tg_work_remove(&w, NULL, NULL, NULL) : tg_work_remove(&w, "expire", "its time was over", NULL);
    tg_work_release(&w);
    return rc == 0;
}

static int reap_rows(struct tg_guard *guard, const struct tg_read_item *items, size_t n, const char *own_id)
{
    int removed = 0;

    for (size_t i = 0; i < n; i++) {
        struct tg_lock l;
        if (items[i].code || tg_lock_decode(items[i].node.data, items[i].node.len, &l, NULL) != 0)
            continue; /* whoever asks the guard is told */
        if (is_dead(guard, &l, own_id) && reap_lock(guard, &l, own_id))
            removed++;
        tg_lock_clear(&l);
    }
    return removed;
}

/* Some of the rows of a scope, in one round trip; where to begin is left to the clock. */
static int look_at_rows(struct tg_guard *guard, const char *path, const struct tg_counter *c, const char *own_id)
{
    struct tg_read_item items[LOOK_AT] = {{.code = 0}};
    char paths[LOOK_AT][TG_ROW_PATH_SIZE];
    size_t n = (size_t) c->count < LOOK_AT ? (size_t) c->count : LOOK_AT;
    size_t from = n < (size_t) c->count ? (size_t) tg_guard_wall(guard) % (size_t) c->count : 0;

    for (size_t i = 0; i < n; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%.20s", path, c->names[(from + i) % (size_t) c->count]);
        items[i].path = paths[i];
    }
    if (!n || tg_store_read_many(guard->store, items, n, tg_guard_deadline(guard), NULL) != 0)
        return 0;
    int removed = reap_rows(guard, items, n, own_id);
    tg_read_items_release(items, n);
    return removed;
}

/* Best effort: whoever is overtaken leaves it to the next. Returns how many went. */
int tg_lock_reap_scope(struct tg_guard *guard, const struct tg_scope *scope, const char *own_id)
{
    char path[TG_NODE_PATH_SIZE], cause[TG_CAUSE_SIZE];
    struct tg_counter c = {.epoch = 0};
    struct tg_node node;
    int removed = 0;

    memcpy(cause, guard->cause, sizeof cause);
    tg_tree_scope_path(TG_LOCKS_ROOT, scope, path, sizeof path);
    if (tg_store_read(guard->store, path, tg_guard_deadline(guard), &node, NULL) == 0) {
        if (tg_tree_prove(guard, path, &node, &c, NULL) == 0 && c.names)
            removed = look_at_rows(guard, path, &c, own_id);
        tg_node_release(&node);
    }
    tg_counter_clear(&c);
    memcpy(guard->cause, cause, sizeof cause);
    return removed;
}

int tg_lock_reap(struct tg_guard *guard, const struct tg_scopes *scopes)
{
    int n = 0;

    for (size_t i = 0; i < scopes->n; i++)
        n += tg_lock_reap_scope(guard, &scopes->v[i], NULL);
    return n;
}
