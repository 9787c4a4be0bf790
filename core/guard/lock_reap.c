/* Reaping: tombstones, and locks that were to end by themselves, go; counts stay right. See lock.h. */
#include "guard/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/locks"
#define REAP_AFTER_MS 60000 /* another's tombstone: long enough for its releaser to look for a lost answer */

struct reap {
    struct tg_guard *guard;
    const struct tg_scope *scope;
    char path[TG_NODE_PATH_SIZE], parent[TG_NODE_PATH_SIZE];
    struct tg_counter counter, parent_counter;
    int64_t version, parent_version, cluster_version;
    struct tg_batch batch;
    int removed;
};

static int reap_read(struct reap *r, struct tg_read_item items[5], struct tg_audit_slot *slot)
{
    tg_tree_scope_path(ROOT, r->scope, r->path, sizeof r->path);
    snprintf(r->parent, sizeof r->parent, "%s", r->path);
    *strrchr(r->parent, '/') = '\0'; /* the fleet's is the root, which never changes */
    tg_audit_slot(r->guard, slot);
    items[0].path = r->path;
    items[1].path = r->parent;
    items[2].path = slot->day;
    items[3].path = slot->minute;
    items[4].path = "/cluster";
    int rc = tg_store_read_many(r->guard->store, items, 5, tg_guard_deadline(r->guard), NULL);
    if (rc)
        return rc;
    slot->have_day = !items[2].code;
    slot->have_minute = !items[3].code;
    r->version = items[0].node.stat.version;
    r->parent_version = items[1].node.stat.version;
    r->cluster_version = items[4].node.stat.version;
    if (items[0].code || items[1].code)
        rc = TG_E_NOENT;
    if (!rc) /* one that is being moved does not change any more */
        rc = tg_tree_prove_cluster(r->guard, &items[4], TG_NOTE_BOUNDED, NULL, NULL);
    if (!rc)
        rc = tg_tree_prove(r->guard, r->path, &items[0].node, &r->counter, NULL);
    if (!rc)
        rc = tg_tree_prove(r->guard, r->parent, &items[1].node, &r->parent_counter, NULL);
    if (!rc && !r->counter.names)
        rc = TG_E_DATA; /* whoever asks the guard is told */
    tg_read_items_release(items, 5);
    return rc;
}

/* Past its time, so that nobody still looks for it. own_id: the caller knows that it is done with that one. */
static bool is_dead(const struct tg_lock *l, int64_t now, const char *own_id)
{
    if (l->state == TG_LOCK_RELEASED)
        return (own_id && strcmp(l->id, own_id) == 0) || now - l->released_ms > REAP_AFTER_MS;
    return l->release_at_expiry && now - l->until_ms > REAP_AFTER_MS;
}

static int reap_one(struct reap *r, const char *id, struct tg_audit_slot *slot, const char *own_id)
{
    char path[TG_NODE_PATH_SIZE + 260], index[300], first[TG_NODE_PATH_SIZE];
    struct tg_lock l;
    struct tg_error why = TG_ERROR_INIT;

    snprintf(path, sizeof path, "%s/%s", r->path, id);
    snprintf(index, sizeof index, "/lock-index/%c/%s", id[0], id);
    struct tg_read_item items[2] = {{.path = path}, {.path = index}};
    int rc = tg_store_read_many(r->guard->store, items, 2, tg_guard_deadline(r->guard), NULL);
    if (rc)
        return rc;
    if (!items[0].code && tg_lock_decode(items[0].node.data, items[0].node.len, &l, &why) == 0) {
        int64_t now = tg_guard_wall(r->guard);
        if (is_dead(&l, now, own_id)) {
            tg_tree_scope_path(ROOT, &l.scopes.v[0], first, sizeof first);
            tg_batch_delete(&r->batch, path, items[0].node.stat.version);
            if (!items[1].code && strcmp(first, r->path) == 0)
                tg_batch_delete(&r->batch, index, TG_ANY_VERSION);
            if (l.state != TG_LOCK_RELEASED && strcmp(first, r->path) == 0) {
                tg_audit_append(&r->batch, slot, now, "expire", &l, l.owner, "its time was over");
                slot->have_day = slot->have_minute = true;
            }
            r->removed++;
        }
        tg_lock_clear(&l);
    }
    tg_read_items_release(items, 2);
    return 0;
}

static int reap_write(struct reap *r, struct tg_counter *left)
{
    bool empty = left->count == 0 && r->scope->kind != TG_SCOPE_FLEET;
    char *text = tg_counter_encode(left);

    if (empty) { /* the node goes as well, from its parent's count too */
        tg_batch_delete(&r->batch, r->path, r->version);
        tg_counter_remove(&r->parent_counter, strrchr(r->path, '/') + 1);
        char *parent = tg_counter_encode(&r->parent_counter);
        tg_batch_write(&r->batch, r->parent, parent, r->parent_version);
        free(parent);
    } else {
        tg_batch_write(&r->batch, r->path, text, r->version);
    }
    free(text);
    tg_batch_check(&r->batch, "/cluster", r->cluster_version);
    return tg_batch_run(&r->batch, r->guard, NULL);
}

/* Best effort: whoever is overtaken leaves it to the next. Returns how many went. */
int tg_lock_reap_scope(struct tg_guard *guard, const struct tg_scope *scope, const char *own_id)
{
    struct reap r = {.guard = guard, .scope = scope};
    struct tg_read_item items[5] = {{.code = 0}};
    struct tg_audit_slot slot;
    struct tg_counter left = {.epoch = 0};
    int rc = reap_read(&r, items, &slot);

    left = (struct tg_counter) {.epoch = r.counter.epoch, .count = r.counter.count, .names = NULL};
    if (!rc && !(left.names = calloc((size_t) r.counter.count + 2, sizeof *left.names)))
        rc = TG_E_MEMORY;
    left.count = 0;
    for (int64_t i = 0; !rc && i < r.counter.count; i++) {
        int before = r.removed;
        rc = reap_one(&r, r.counter.names[i], &slot, own_id);
        if (!rc && r.removed == before)
            left.names[left.count++] = strdup(r.counter.names[i]);
        else
            left.epoch++;
    }
    if (!rc && r.removed)
        rc = reap_write(&r, &left);
    tg_counter_clear(&left);
    tg_counter_clear(&r.counter);
    tg_counter_clear(&r.parent_counter);
    tg_batch_release(&r.batch);
    guard->cause[0] = '\0';
    return rc ? 0 : r.removed;
}

int tg_lock_reap(struct tg_guard *guard, const struct tg_scopes *scopes)
{
    int n = 0;

    for (size_t i = 0; i < scopes->n; i++)
        n += tg_lock_reap_scope(guard, &scopes->v[i], NULL);
    return n;
}
