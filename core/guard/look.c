/*
 * Looking at locks: which nodes a question needs, round by round, and the proof that nothing is missing. Pure: it is given what was
 * read. See tree.h for the shape of the tree.
 */
#include "guard/look_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESTARTS 4      /* a look that is overtaken begins again; when nothing has changed in between, something is missing */
#define OVERTAKEN_MAX 64 /* times that it may be overtaken by real changes: more than lockers will ever keep up */
#define READS_MAX 400000 /* of one look: 100,000 locked hosts */

static bool same_want(const void *array, size_t at, const void *key)
{
    const struct tg_want *is = (const struct tg_want *) array + at, *wanted = key;

    return is->kind == wanted->kind && strcmp(is->path, wanted->path) == 0;
}

int tg_look_want(struct tg_look *l, enum tg_want_kind kind, const char *path, bool listed, enum tg_scope_kind scope_kind, struct tg_error *e)
{
    const struct tg_want key = {.kind = kind, .path = (char *) (uintptr_t) path};
    const bool once = kind != TG_WANT_RECORD; /* they differ by nature */
    const uint32_t hash = tg_index_hash(path) + (uint32_t) kind;
    size_t at;

    if (once && tg_index_find(&l->by_path, hash, same_want, l->wants, &key, &at)) {
        l->wants[at].listed = l->wants[at].listed || listed;
        return 0;
    }
    if (l->n_wants == l->cap_wants) {
        size_t cap = l->cap_wants ? 2 * l->cap_wants : 32;
        struct tg_want *wants = l->n_wants < READS_MAX ? realloc(l->wants, cap * sizeof *wants) : NULL;
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
    l->wants[l->n_wants++] = (struct tg_want) {.kind = kind, .path = copy, .listed = listed, .scope_kind = scope_kind};
    return 0;
}

int tg_look_want_scope(struct tg_look *l, const struct tg_scope *scope, bool listed, struct tg_error *e)
{
    char path[TG_NODE_PATH_SIZE];

    tg_tree_scope_path(TG_LOOK_ROOT, scope, path, sizeof path);
    return tg_look_want(l, TG_WANT_SCOPE, path, listed, scope->kind, e);
}

/* A host's or service's own bucket, and its node there; a host also under its short name, or all of its name under any domain. */
static int want_in_bucket(struct tg_look *l, const struct tg_scope *scope, struct tg_error *e)
{
    char path[TG_NODE_PATH_SIZE];
    struct tg_scope alias = {.kind = scope->kind};
    size_t label = strcspn(scope->name, ".");
    int rc;

    tg_tree_bucket_path(TG_LOOK_ROOT, scope, path, sizeof path);
    rc = tg_look_want(l, TG_WANT_BUCKET, path, false, scope->kind, e);
    if (!rc)
        rc = tg_look_want_scope(l, scope, false, e);
    if (rc || scope->kind != TG_SCOPE_HOST)
        return rc;
    if (!scope->name[label])
        return tg_look_want(l, TG_WANT_BUCKET_NAMES, path, false, scope->kind, e);
    memcpy(alias.name, scope->name, label);
    return tg_look_want_scope(l, &alias, false, e);
}

/* The first round: all that a host or a service needs when there are no locks. */
static int plan(struct tg_look *l, struct tg_error *e)
{
    bool hosts = l->all, services = l->all;
    int rc = tg_look_want(l, TG_WANT_CLUSTER, "/cluster", true, TG_SCOPE_FLEET, e);

    if (!rc)
        rc = tg_look_want(l, TG_WANT_ROOT, TG_LOOK_ROOT, true, TG_SCOPE_FLEET, e);
    if (!rc)
        rc = tg_look_want(l, TG_WANT_SCOPE, TG_LOOK_ROOT "/fleet", true, TG_SCOPE_FLEET, e);
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
        rc = tg_look_want(l, TG_WANT_GROUPS, TG_LOOK_ROOT "/group", true, TG_SCOPE_GROUP, e);
    if (!rc && hosts)
        rc = tg_look_want(l, TG_WANT_HOSTS, TG_LOOK_ROOT "/host", true, TG_SCOPE_HOST, e);
    if (!rc && services)
        rc = tg_look_want(l, TG_WANT_SERVICES, TG_LOOK_ROOT "/service", true, TG_SCOPE_SERVICE, e);
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
        l->items[i] = (struct tg_read_item) {.path = l->wants[l->next + i].path, .want_names = l->wants[l->next + i].kind == TG_WANT_BUCKET_NAMES};
    *out_items = l->items;
    return l->items ? n : 0;
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
        const struct tg_want *w = &l->wants[(*at)++];
        if (w->kind != TG_WANT_CLUSTER && w->kind != TG_WANT_GROUPS && w->kind != TG_WANT_BUCKET && w->kind != TG_WANT_SCOPE)
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
    return rc ? rc : tg_look_prove(l, e);
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
