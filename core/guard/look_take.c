/* Looking at locks: what was read, and whether it adds up. Pure. See look_internal.h, and tree.h for the shape of the tree. */
#include "guard/look_internal.h"

#include <stdlib.h>
#include <string.h>

static int missing(struct tg_look *l, const struct tg_want *w, struct tg_error *e)
{
    tg_unknown(l->guard, e, "missing-node", "%s is not there: this copy is not whole", w->path + 1);
    return TG_E_UNKNOWN;
}

static int overtaken(struct tg_look *l, const struct tg_want *w, struct tg_error *e)
{
    (void) l;
    return tg_fail(e, TG_E_VERSION, "%s was named and is not there", w->path + 1);
}

static int take_absent(struct tg_look *l, const struct tg_want *w, struct tg_error *e)
{
    switch (w->kind) {
    case TG_WANT_CLUSTER: {
        struct tg_read_item none = {.code = TG_E_NOENT};
        return tg_tree_prove_cluster(l->guard, &none, TG_NOTE_NOW, NULL, e);
    }
    case TG_WANT_ROOT:
    case TG_WANT_GROUPS:
    case TG_WANT_HOSTS:
    case TG_WANT_SERVICES:
        return missing(l, w, e);
    case TG_WANT_BUCKET:
    case TG_WANT_BUCKET_NAMES:
    case TG_WANT_SCOPE:
    case TG_WANT_RECORD:
        break;
    }
    if (strcmp(w->path, TG_LOOK_ROOT "/fleet") == 0)
        return missing(l, w, e);
    return w->listed ? overtaken(l, w, e) : 0; /* its parent, read as well, is the proof */
}

static int take_groups(struct tg_look *l, const struct tg_counter *c, struct tg_error *e)
{
    int rc = 0;

    for (int64_t i = 0; !rc && i < c->count; i++) {
        struct tg_scope group;
        if (tg_tree_unname(TG_SCOPE_GROUP, c->names[i], &group, NULL) != 0)
            return tg_unknown(l->guard, e, "bad-record", "locks/group names \"%.60s\", which is no group", c->names[i]);
        rc = tg_look_want_scope(l, &group, true, e);
    }
    return rc;
}

static int take_index(struct tg_look *l, const struct tg_want *w, struct tg_counter *c, bool walk, struct tg_error *e)
{
    int rc = 0;

    for (int64_t i = 0; !rc && i < c->count; i++) {
        char path[TG_NODE_PATH_SIZE];
        if (strlen(c->names[i]) != 2 || strspn(c->names[i], "0123456789abcdef") != 2)
            return tg_unknown(l->guard, e, "bad-record", "%s names \"%.60s\", which is no bucket", w->path + 1, c->names[i]);
        snprintf(path, sizeof path, "%s/%s", w->path, c->names[i]);
        rc = walk ? tg_look_want(l, TG_WANT_BUCKET, path, true, w->scope_kind, e) : 0;
        if (!rc && walk)
            rc = tg_look_want(l, TG_WANT_BUCKET_NAMES, path, true, w->scope_kind, e);
    }
    return rc;
}

static int take_names(struct tg_look *l, const struct tg_want *w, const struct tg_names *names, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < names->count; i++) {
        struct tg_scope scope;
        struct tg_scopes one = {&scope, 1};
        if (tg_tree_unname(w->scope_kind, names->names[i], &scope, NULL) != 0)
            return tg_unknown(l->guard, e, "bad-record", "%s has a \"%.60s\", which is no scope", w->path + 1, names->names[i]);
        if (l->all || tg_scopes_overlap(&one, l->scopes, NULL, NULL) != TG_OVERLAP_NO)
            rc = tg_look_want_scope(l, &scope, true, e);
    }
    return rc;
}

static int take_scope(struct tg_look *l, const struct tg_want *w, const struct tg_counter *c, struct tg_error *e)
{
    int rc = 0;

    if (!c->names)
        return tg_unknown(l->guard, e, "bad-record", "%s names no locks", w->path + 1);
    for (int64_t i = 0; !rc && i < c->count; i++) {
        char path[TG_NODE_PATH_SIZE];
        if (!tg_lock_id_is_proper(c->names[i]))
            return tg_unknown(l->guard, e, "bad-record", "%s names \"%.60s\", which is no lock's id", w->path + 1, c->names[i]);
        snprintf(path, sizeof path, "%s/%s", w->path, c->names[i]);
        rc = tg_look_want(l, TG_WANT_RECORD, path, true, w->scope_kind, e);
    }
    return rc;
}

static bool lies_there(const struct tg_lock *lock, const char *path)
{
    char own[TG_NODE_PATH_SIZE];

    for (size_t i = 0; i < lock->scopes.n; i++) {
        tg_tree_scope_path(TG_LOOK_ROOT, &lock->scopes.v[i], own, sizeof own);
        size_t len = strlen(own);
        if (strncmp(path, own, len) == 0 && path[len] == '/' && strcmp(path + len + 1, lock->id) == 0)
            return true;
    }
    return false;
}

/*
 * The same lock below another of its scopes: one transaction writes all of its rows, so they are one text, unless they were read while
 * somebody changed them. Versions and transaction ids tell nothing here: a move to another ensemble writes each row by itself.
 */
static int compare_rows(struct tg_look *l, const struct tg_want *w, size_t at, const struct tg_lock *row, struct tg_error *e)
{
    const struct tg_lock *met = &l->locks[at];

    l->rows[at]++;
    if (met->sum == row->sum)
        return 0;
    l->doubt = "rows-differ";
    return tg_fail(e, TG_E_VERSION, "%s and the same lock below another of its scopes differ", w->path + 1);
}

static bool same_lock(const void *array, size_t at, const void *id)
{
    return strcmp(((const struct tg_lock *) array)[at].id, id) == 0;
}

static int keep_lock(struct tg_look *l, const struct tg_lock *lock, struct tg_error *e)
{
    if (l->n_locks == l->cap_locks) {
        size_t cap = l->cap_locks ? 2 * l->cap_locks : 8;
        struct tg_lock *locks = realloc(l->locks, cap * sizeof *locks);
        if (locks)
            l->locks = locks;
        size_t *rows = locks ? realloc(l->rows, cap * sizeof *rows) : NULL;
        if (rows)
            l->rows = rows;
        if (!rows)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        l->cap_locks = cap;
    }
    if (tg_index_add(&l->by_id, tg_index_hash(lock->id), l->n_locks) != 0)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    l->rows[l->n_locks] = 1;
    l->locks[l->n_locks++] = *lock;
    return 0;
}

/* All was read: so a lock that is not released must have been met below each of its scopes. */
int tg_look_prove(struct tg_look *l, struct tg_error *e)
{
    for (size_t i = 0; l->all && i < l->n_locks; i++)
        if (l->locks[i].state != TG_LOCK_RELEASED && l->rows[i] != l->locks[i].scopes.n) {
            l->doubt = "missing-node";
            return tg_fail(e, TG_E_VERSION, "%s covers %zu scopes and lies below %zu", l->locks[i].id, l->locks[i].scopes.n, l->rows[i]);
        }
    return 0;
}

static int take_record(struct tg_look *l, const struct tg_want *w, const struct tg_node *node, struct tg_error *e)
{
    struct tg_lock lock;
    struct tg_error why = TG_ERROR_INIT;

    if (tg_lock_decode(node->data, node->len, &lock, &why) != 0)
        return tg_tree_bad(l->guard, w->path, &why, e);
    lock.txid = node->stat.created_txid;
    lock.version = node->stat.version;
    lock.generation = l->generation;
    if (!lies_there(&lock, w->path)) {
        tg_lock_clear(&lock);
        return tg_unknown(l->guard, e, "bad-record", "%s is another lock's record", w->path + 1);
    }
    size_t at = 0;
    bool met = tg_index_find(&l->by_id, tg_index_hash(lock.id), same_lock, l->locks, lock.id, &at);
    int rc = met ? compare_rows(l, w, at, &lock, e) : keep_lock(l, &lock, e);
    if (rc || met)
        tg_lock_clear(&lock);
    return rc;
}

static int take_counter(struct tg_look *l, const struct tg_want *w, const struct tg_node *node, struct tg_error *e)
{
    struct tg_counter c;
    int rc = tg_tree_prove(l->guard, w->path, node, &c, e);

    if (rc)
        return rc;
    l->epochs += (uint64_t) c.epoch;
    if ((w->kind == TG_WANT_ROOT && c.count != 4) || (w->kind != TG_WANT_BUCKET && !c.names))
        rc = tg_unknown(l->guard, e, "bad-record", "%s is not what it should be", w->path + 1);
    else if (w->kind == TG_WANT_GROUPS)
        rc = take_groups(l, &c, e);
    else if (w->kind == TG_WANT_SCOPE)
        rc = take_scope(l, w, &c, e);
    else if (w->kind == TG_WANT_HOSTS || w->kind == TG_WANT_SERVICES) {
        struct tg_counter *keep = w->kind == TG_WANT_HOSTS ? &l->hosts : &l->services;
        rc = take_index(l, w, &c, w->kind == TG_WANT_HOSTS ? l->walk_hosts : l->walk_services, e);
        tg_counter_clear(keep);
        *keep = c;
        return rc;
    }
    tg_counter_clear(&c);
    return rc;
}

static int take_one(struct tg_look *l, const struct tg_want *w, const struct tg_read_item *item, struct tg_error *e)
{
    if (item->code == TG_E_NOENT)
        return take_absent(l, w, e);
    if (w->kind == TG_WANT_CLUSTER)
        return tg_tree_prove_cluster(l->guard, item, TG_NOTE_NOW, &l->generation, e);
    if (w->kind == TG_WANT_BUCKET_NAMES)
        return take_names(l, w, &item->names, e);
    if (w->kind == TG_WANT_RECORD)
        return take_record(l, w, &item->node, e);
    return take_counter(l, w, &item->node, e);
}

/* A bucket that was not there is proven absent by its index, which names the buckets there are. */
static int settle_buckets(struct tg_look *l, size_t from, const struct tg_read_item *items, size_t n, struct tg_error *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct tg_want *w = &l->wants[from + i];
        if (w->kind != TG_WANT_BUCKET || items[i].code != TG_E_NOENT)
            continue;
        if (tg_counter_has(w->scope_kind == TG_SCOPE_HOST ? &l->hosts : &l->services, strrchr(w->path, '/') + 1))
            return overtaken(l, w, e);
    }
    return 0;
}

int tg_look_take(struct tg_look *l, struct tg_read_item *items, size_t n, struct tg_error *e)
{
    size_t from = l->next;
    int rc = 0;

    l->next += n;
    for (size_t i = 0; !rc && i < n; i++) {
        l->wants[from + i].seen_txid = items[i].code ? TG_LOOK_ABSENT : items[i].node.stat.modified_txid;
        struct tg_want w = l->wants[from + i]; /* a copy: the list may move; its path does not */
        rc = take_one(l, &w, &items[i], e);
    }
    return rc ? rc : settle_buckets(l, from, items, n, e);
}
