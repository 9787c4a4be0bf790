/*
 * Looking at locks: which nodes a question needs, round by round, and the proof that nothing is missing. Pure: it is given what was
 * read. See tree.h for the shape of the tree.
 */
#include "guard/tree.h"

#include "base/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESTARTS 4      /* a look that is overtaken begins again; when nothing has changed in between, something is missing */
#define OVERTAKEN_MAX 64 /* times that it may be overtaken by real changes: more than lockers will ever keep up */
#define READS_MAX 400000 /* of one look: 100,000 locked hosts */
#define ROOT "/locks"

enum kind { K_CLUSTER, K_ROOT, K_GROUPS, K_HOSTS, K_SERVICES, K_BUCKET, K_BUCKET_NAMES, K_SCOPE, K_RECORD };

struct want {
    enum kind kind;
    char *path;
    bool listed;                /* somebody named it: it must be there */
    enum tg_scope_kind scope_kind;
    int64_t seen_txid;          /* of its last change when it was read; TG_LOOK_ABSENT */
};

struct tg_look {
    struct tg_guard *guard;
    const struct tg_scopes *scopes;
    bool all, walk_hosts, walk_services;
    struct want *wants;
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

static bool same_want(const void *array, size_t at, const void *key)
{
    const struct want *is = (const struct want *) array + at, *wanted = key;

    return is->kind == wanted->kind && strcmp(is->path, wanted->path) == 0;
}

static int want(struct tg_look *l, enum kind kind, const char *path, bool listed, enum tg_scope_kind scope_kind, struct tg_error *e)
{
    const struct want key = {.kind = kind, .path = (char *) (uintptr_t) path};
    const bool once = kind != K_RECORD; /* they differ by nature */
    const uint32_t hash = tg_index_hash(path) + (uint32_t) kind;
    size_t at;

    if (once && tg_index_find(&l->by_path, hash, same_want, l->wants, &key, &at)) {
        l->wants[at].listed = l->wants[at].listed || listed;
        return 0;
    }
    if (l->n_wants == l->cap_wants) {
        size_t cap = l->cap_wants ? 2 * l->cap_wants : 32;
        struct want *wants = l->n_wants < READS_MAX ? realloc(l->wants, cap * sizeof *wants) : NULL;
        if (!wants)
            return tg_fail(e, TG_E_MEMORY, "too many locks to look at");
        l->wants = wants;
        l->cap_wants = cap;
    }
    char *copy = strdup(path);
    if (!copy || (once && tg_index_add(&l->by_path, hash, l->n_wants) != 0)) {
        free(copy);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    l->wants[l->n_wants++] = (struct want) {.kind = kind, .path = copy, .listed = listed, .scope_kind = scope_kind};
    return 0;
}

static int want_scope(struct tg_look *l, const struct tg_scope *scope, bool listed, struct tg_error *e)
{
    char path[TG_NODE_PATH_SIZE];

    tg_tree_scope_path(ROOT, scope, path, sizeof path);
    return want(l, K_SCOPE, path, listed, scope->kind, e);
}

/* A host's or service's own bucket, and its node there; a host also under its short name, or all of its name under any domain. */
static int want_in_bucket(struct tg_look *l, const struct tg_scope *scope, struct tg_error *e)
{
    char path[TG_NODE_PATH_SIZE];
    struct tg_scope alias = {.kind = scope->kind};
    size_t label = strcspn(scope->name, ".");
    int rc;

    tg_tree_bucket_path(ROOT, scope, path, sizeof path);
    rc = want(l, K_BUCKET, path, false, scope->kind, e);
    if (!rc)
        rc = want_scope(l, scope, false, e);
    if (rc || scope->kind != TG_SCOPE_HOST)
        return rc;
    if (!scope->name[label])
        return want(l, K_BUCKET_NAMES, path, false, scope->kind, e);
    memcpy(alias.name, scope->name, label);
    return want_scope(l, &alias, false, e);
}

/* The first round: all that a host or a service needs when there are no locks. */
static int plan(struct tg_look *l, struct tg_error *e)
{
    bool hosts = l->all, services = l->all;
    int rc = want(l, K_CLUSTER, "/cluster", true, TG_SCOPE_FLEET, e);

    if (!rc)
        rc = want(l, K_ROOT, ROOT, true, TG_SCOPE_FLEET, e);
    if (!rc)
        rc = want(l, K_SCOPE, ROOT "/fleet", true, TG_SCOPE_FLEET, e);
    for (size_t i = 0; !rc && i < l->scopes->n; i++) {
        const struct tg_scope *s = &l->scopes->v[i];
        l->walk_hosts = l->walk_hosts || s->kind == TG_SCOPE_FLEET || s->kind == TG_SCOPE_GROUP;
        l->walk_services = l->walk_services || s->kind == TG_SCOPE_FLEET;
        hosts = hosts || s->kind != TG_SCOPE_SERVICE;
        services = services || s->kind == TG_SCOPE_SERVICE || s->kind == TG_SCOPE_FLEET;
        if (tg_tree_has_buckets(s->kind))
            rc = want_in_bucket(l, s, e);
    }
    if (!rc && hosts)
        rc = want(l, K_GROUPS, ROOT "/group", true, TG_SCOPE_GROUP, e);
    if (!rc && hosts)
        rc = want(l, K_HOSTS, ROOT "/host", true, TG_SCOPE_HOST, e);
    if (!rc && services)
        rc = want(l, K_SERVICES, ROOT "/service", true, TG_SCOPE_SERVICE, e);
    return rc;
}

int tg_look_new(struct tg_guard *guard, const struct tg_scopes *scopes, bool all, struct tg_look **out, struct tg_error *e)
{
    static const struct tg_scopes none = TG_SCOPES_INIT;
    struct tg_look *l = calloc(1, sizeof *l);

    if (!l)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *l = (struct tg_look) {.guard = guard, .scopes = scopes ? scopes : &none, .all = all, .walk_hosts = all, .walk_services = all};
    int rc = plan(l, e);
    if (rc)
        tg_look_free(l);
    else
        *out = l;
    return rc;
}

void tg_look_free(struct tg_look *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n_wants; i++)
        free(l->wants[i].path);
    for (size_t i = 0; i < l->n_locks; i++)
        tg_lock_clear(&l->locks[i]);
    tg_counter_clear(&l->hosts);
    tg_counter_clear(&l->services);
    free(l->wants);
    free(l->items);
    free(l->locks);
    free(l->rows);
    tg_index_release(&l->by_path);
    tg_index_release(&l->by_id);
    free(l);
}

size_t tg_look_next(struct tg_look *l, struct tg_read_item **out_items)
{
    size_t n = l->n_wants - l->next;

    n = n < TG_STORE_OPS_MAX ? n : TG_STORE_OPS_MAX; /* a round of reads is bounded as a transaction is */
    free(l->items);
    l->items = n ? calloc(n, sizeof *l->items) : NULL;
    for (size_t i = 0; l->items && i < n; i++)
        l->items[i] = (struct tg_read_item) {.path = l->wants[l->next + i].path, .want_names = l->wants[l->next + i].kind == K_BUCKET_NAMES};
    *out_items = l->items;
    return l->items ? n : 0;
}

/* --- what was read --- */

static int missing(struct tg_look *l, const struct want *w, struct tg_error *e)
{
    tg_unknown(l->guard, e, "missing-node", "%s is not there: this copy is not whole", w->path + 1);
    return TG_E_UNKNOWN;
}

static int overtaken(struct tg_look *l, const struct want *w, struct tg_error *e)
{
    (void) l;
    return tg_fail(e, TG_E_VERSION, "%s was named and is not there", w->path + 1);
}

static int take_absent(struct tg_look *l, const struct want *w, struct tg_error *e)
{
    switch (w->kind) {
    case K_CLUSTER: {
        struct tg_read_item none = {.code = TG_E_NOENT};
        return tg_tree_prove_cluster(l->guard, &none, TG_NOTE_NOW, NULL, e);
    }
    case K_ROOT:
    case K_GROUPS:
    case K_HOSTS:
    case K_SERVICES:
        return missing(l, w, e);
    case K_BUCKET:
    case K_BUCKET_NAMES:
    case K_SCOPE:
    case K_RECORD:
        break;
    }
    if (strcmp(w->path, ROOT "/fleet") == 0)
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
        rc = want_scope(l, &group, true, e);
    }
    return rc;
}

static int take_index(struct tg_look *l, const struct want *w, struct tg_counter *c, bool walk, struct tg_error *e)
{
    int rc = 0;

    for (int64_t i = 0; !rc && i < c->count; i++) {
        char path[TG_NODE_PATH_SIZE];
        if (strlen(c->names[i]) != 2 || strspn(c->names[i], "0123456789abcdef") != 2)
            return tg_unknown(l->guard, e, "bad-record", "%s names \"%.60s\", which is no bucket", w->path + 1, c->names[i]);
        snprintf(path, sizeof path, "%s/%s", w->path, c->names[i]);
        rc = walk ? want(l, K_BUCKET, path, true, w->scope_kind, e) : 0;
        if (!rc && walk)
            rc = want(l, K_BUCKET_NAMES, path, true, w->scope_kind, e);
    }
    return rc;
}

static int take_names(struct tg_look *l, const struct want *w, const struct tg_names *names, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < names->count; i++) {
        struct tg_scope scope;
        struct tg_scopes one = {&scope, 1};
        if (tg_tree_unname(w->scope_kind, names->names[i], &scope, NULL) != 0)
            return tg_unknown(l->guard, e, "bad-record", "%s has a \"%.60s\", which is no scope", w->path + 1, names->names[i]);
        if (l->all || tg_scopes_overlap(&one, l->scopes, NULL, NULL) != TG_OVERLAP_NO)
            rc = want_scope(l, &scope, true, e);
    }
    return rc;
}

static int take_scope(struct tg_look *l, const struct want *w, const struct tg_counter *c, struct tg_error *e)
{
    int rc = 0;

    if (!c->names)
        return tg_unknown(l->guard, e, "bad-record", "%s names no locks", w->path + 1);
    for (int64_t i = 0; !rc && i < c->count; i++) {
        char path[TG_NODE_PATH_SIZE];
        if (!tg_lock_id_is_proper(c->names[i]))
            return tg_unknown(l->guard, e, "bad-record", "%s names \"%.60s\", which is no lock's id", w->path + 1, c->names[i]);
        snprintf(path, sizeof path, "%s/%s", w->path, c->names[i]);
        rc = want(l, K_RECORD, path, true, w->scope_kind, e);
    }
    return rc;
}

static bool lies_there(const struct tg_lock *lock, const char *path)
{
    char own[TG_NODE_PATH_SIZE];

    for (size_t i = 0; i < lock->scopes.n; i++) {
        tg_tree_scope_path(ROOT, &lock->scopes.v[i], own, sizeof own);
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
static int compare_rows(struct tg_look *l, const struct want *w, size_t at, const struct tg_lock *row, struct tg_error *e)
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
static int prove_rows(struct tg_look *l, struct tg_error *e)
{
    for (size_t i = 0; l->all && i < l->n_locks; i++)
        if (l->locks[i].state != TG_LOCK_RELEASED && l->rows[i] != l->locks[i].scopes.n) {
            l->doubt = "missing-node";
            return tg_fail(e, TG_E_VERSION, "%s covers %zu scopes and lies below %zu", l->locks[i].id, l->locks[i].scopes.n, l->rows[i]);
        }
    return 0;
}

static int take_record(struct tg_look *l, const struct want *w, const struct tg_node *node, struct tg_error *e)
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

static int take_counter(struct tg_look *l, const struct want *w, const struct tg_node *node, struct tg_error *e)
{
    struct tg_counter c;
    int rc = tg_tree_prove(l->guard, w->path, node, &c, e);

    if (rc)
        return rc;
    l->epochs += (uint64_t) c.epoch;
    if ((w->kind == K_ROOT && c.count != 4) || (w->kind != K_BUCKET && !c.names))
        rc = tg_unknown(l->guard, e, "bad-record", "%s is not what it should be", w->path + 1);
    else if (w->kind == K_GROUPS)
        rc = take_groups(l, &c, e);
    else if (w->kind == K_SCOPE)
        rc = take_scope(l, w, &c, e);
    else if (w->kind == K_HOSTS || w->kind == K_SERVICES) {
        struct tg_counter *keep = w->kind == K_HOSTS ? &l->hosts : &l->services;
        rc = take_index(l, w, &c, w->kind == K_HOSTS ? l->walk_hosts : l->walk_services, e);
        tg_counter_clear(keep);
        *keep = c;
        return rc;
    }
    tg_counter_clear(&c);
    return rc;
}

static int take_one(struct tg_look *l, const struct want *w, const struct tg_read_item *item, struct tg_error *e)
{
    if (item->code == TG_E_NOENT)
        return take_absent(l, w, e);
    if (w->kind == K_CLUSTER)
        return tg_tree_prove_cluster(l->guard, item, TG_NOTE_NOW, &l->generation, e);
    if (w->kind == K_BUCKET_NAMES)
        return take_names(l, w, &item->names, e);
    if (w->kind == K_RECORD)
        return take_record(l, w, &item->node, e);
    return take_counter(l, w, &item->node, e);
}

/* A bucket that was not there is proven absent by its index, which names the buckets there are. */
static int settle_buckets(struct tg_look *l, size_t from, const struct tg_read_item *items, size_t n, struct tg_error *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct want *w = &l->wants[from + i];
        if (w->kind != K_BUCKET || items[i].code != TG_E_NOENT)
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
        struct want w = l->wants[from + i]; /* a copy: the list may move; its path does not */
        rc = take_one(l, &w, &items[i], e);
    }
    return rc ? rc : settle_buckets(l, from, items, n, e);
}

struct tg_lock *tg_look_locks(struct tg_look *l, size_t *out_n)
{
    *out_n = l->n_locks;
    return l->locks;
}

int64_t tg_look_generation(const struct tg_look *l)
{
    return l->generation;
}

const char *tg_look_watchable(const struct tg_look *l, size_t *at, int64_t *out_seen_txid)
{
    while (*at < l->next) {
        const struct want *w = &l->wants[(*at)++];
        if (w->kind != K_CLUSTER && w->kind != K_GROUPS && w->kind != K_BUCKET && w->kind != K_SCOPE)
            continue;
        *out_seen_txid = w->seen_txid;
        return w->path;
    }
    return NULL;
}

static int run_once(struct tg_look *l, int64_t deadline, struct tg_error *e)
{
    struct tg_read_item *items;
    size_t n;
    int rc = 0;

    while (!rc && (n = tg_look_next(l, &items)) > 0) {
        rc = tg_store_read_many(l->guard->store, items, n, deadline, e);
        if (!rc) {
            rc = tg_look_take(l, items, n, e);
            tg_read_items_release(items, n);
        }
    }
    return rc ? rc : prove_rows(l, e);
}

int tg_look_run(struct tg_guard *guard, const struct tg_scopes *scopes, bool all, int64_t deadline, struct tg_look **out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_look *l = NULL;
    uint64_t epochs = UINT64_MAX;
    int rc = TG_E_VERSION, still = 0; /* tries in a row that saw the same */

    tg_tree_begin(guard);
    for (int i = 0; i < OVERTAKEN_MAX && still < RESTARTS && (rc == TG_E_VERSION || tg_tree_look_again(guard, rc, deadline)); i++) {
        tg_look_free(l);
        l = NULL;
        tg_error_clear(&why);
        guard->cause[0] = '\0';
        rc = tg_look_new(guard, scopes, all, &l, &why);
        if (!rc)
            rc = run_once(l, deadline, &why);
        still = l && l->epochs == epochs ? still + 1 : 1;
        epochs = l ? l->epochs : UINT64_MAX;
    }
    if (!rc) {
        for (size_t i = 0; i < l->n_locks; i++)
            (void) tg_guard_has_ended(guard, &l->locks[i]);
        *out = l;
        return 0;
    }
    const char *doubt = l ? l->doubt : NULL;
    tg_look_free(l);
    if (rc == TG_E_VERSION && still < RESTARTS)
        rc = tg_unknown(guard, e, "overtaken", "%s: locks changed during each of %d looks", why.message, OVERTAKEN_MAX);
    else if (rc == TG_E_VERSION) /* again and again the same: it is not on its way, it is missing */
        rc = tg_unknown(guard, e, doubt ? doubt : "fewer-locks-than-recorded", "%s: this copy is not whole", why.message);
    else if (e && !e->code)
        *e = why; /* all of it: a store's refusal tells more than its text */
    tg_error_hint(e, "%s", why.hint);
    return rc;
}
