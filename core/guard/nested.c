/* Runs within runs: see nested.h. */
#include "guard/nested.h"

#include "guard/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROOT "/permits"

const char *tg_outer_format(int64_t generation, int64_t txid, const char *id, char *out, size_t size)
{
    snprintf(out, size, "%lld:%lld:%s", (long long) generation, (long long) txid, id);
    return out;
}

bool tg_outer_parse(const char *text, struct tg_outer *out)
{
    const char *id = text ? strrchr(text, ':') : NULL;
    char fence[TG_OUTER_SIZE];

    if (!id || (size_t) (id - text) >= sizeof fence || !tg_request_id_is_proper(id + 1))
        return false;
    memcpy(fence, text, (size_t) (id - text));
    fence[id - text] = '\0';
    memcpy(out->id, id + 1, strlen(id + 1) + 1);
    return tg_fence_parse(fence, &out->fence, NULL) == 0;
}

/* --- is the one within the other? Only where that is certain --- */

static bool lies_within(const struct tg_scope *inner, const struct tg_scope *outer)
{
    if (tg_scope_overlap(outer, inner) != TG_OVERLAP_YES)
        return false;
    if (outer->kind == TG_SCOPE_GROUP && inner->kind == TG_SCOPE_GROUP) /* they may share a host and differ */
        return strcasecmp(outer->name, inner->name) == 0;
    return outer->kind <= inner->kind; /* fleet, group, host: the wide one first. A service overlaps itself and the fleet alone */
}

static bool covers(const struct tg_scopes *outer, const struct tg_scopes *inner)
{
    for (size_t i = 0; i < inner->n; i++) {
        bool within = false;
        for (size_t j = 0; j < outer->n && !within; j++)
            within = lies_within(&inner->v[i], &outer->v[j]);
        if (!within)
            return false;
    }
    return inner->n > 0;
}

/* --- the permit --- */

struct places {
    char paths[3][TG_NODE_PATH_SIZE];
    struct tg_read_item items[3];
    size_t n;
};

static void add_place(struct places *p, const char *folder, const char *id)
{
    snprintf(p->paths[p->n], sizeof p->paths[0], "%.200s/%s", folder, id);
    p->items[p->n] = (struct tg_read_item) {.path = p->paths[p->n]};
    p->n++;
}

/* Where one that covers the scopes may lie: it is at least as wide as each of them, so looking for what covers one is enough. */
static void find_places(const struct tg_scope *scope, const char *id, struct places *p)
{
    char folder[TG_NODE_PATH_SIZE];

    add_place(p, ROOT "/fleet", id);
    if (scope->kind == TG_SCOPE_GROUP || scope->kind == TG_SCOPE_HOST)
        add_place(p, ROOT "/group", id);
    if (tg_tree_has_buckets(scope->kind)) {
        tg_tree_bucket_path(ROOT, scope, folder, sizeof folder);
        add_place(p, folder, id);
    }
}

/* The very permit, or not: a node of that name which another transaction has made is another's. */
static bool take_permit(const struct tg_outer *outer, const struct tg_read_item *item, struct tg_permit_record *out)
{
    if (item->code || item->node.stat.created_txid != outer->fence.txid || !item->node.stat.owner)
        return false;
    if (tg_permit_decode(item->node.data, item->node.len, out, NULL) != 0)
        return false;
    if (strcmp(out->id, outer->id) == 0 && !out->in_flight) {
        out->txid = item->node.stat.created_txid;
        out->session = item->node.stat.owner;
        return true;
    }
    tg_permit_clear(out);
    return false;
}

static bool find_permit(struct tg_guard *guard, const struct tg_outer *outer, const struct tg_scope *scope, int64_t deadline, struct tg_permit_record *out)
{
    struct places p = {.n = 0};
    bool found = false;

    find_places(scope, outer->id, &p);
    if (tg_store_sync(guard->store, ROOT, deadline, NULL) == 0 && /* a server that lags behind shows what is gone */
        tg_store_read_many(guard->store, p.items, p.n, deadline, NULL) == 0) {
        for (size_t i = 0; i < p.n && !found; i++)
            found = take_permit(outer, &p.items[i], out);
        tg_read_items_release(p.items, p.n);
    }
    return found;
}

/* --- and the locks --- */

static bool all_are_taken(const struct tg_guard_verdict *v)
{
    for (size_t i = 0; i < v->locks.n; i++)
        if (v->locks.v[i].state != TG_LOCK_TAKING)
            return false;
    return v->locks.n > 0;
}

static bool all_wait_for(const struct tg_guard_verdict *v, const struct tg_permit_record *permit)
{
    for (size_t i = 0; i < v->locks.n; i++)
        if (tg_permit_age(permit) >= v->locks.v[i].txid || !tg_lock_waits_for(&v->locks.v[i], permit, false))
            return false;
    return true;
}

int64_t tg_outer_age(struct tg_guard *guard, const struct tg_outer *outer, const struct tg_scopes *scopes, const struct tg_guard_verdict *v, int64_t deadline)
{
    struct tg_permit_record p;
    int64_t age = 0;

    if (!outer || v->answer != TG_ANSWER_HELD || outer->fence.generation != v->generation || !all_are_taken(v) || !scopes->n)
        return 0;
    if (!find_permit(guard, outer, &scopes->v[0], deadline, &p))
        return 0;
    if (covers(&p.scopes, scopes) && all_wait_for(v, &p))
        age = tg_permit_age(&p);
    tg_permit_clear(&p);
    return age;
}

void tg_verdict_let_pass(struct tg_guard_verdict *v)
{
    v->nested = v->locks.n;
    tg_locks_release(&v->locks);
    v->answer = TG_ANSWER_GO;
}
