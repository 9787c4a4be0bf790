/*
 * Placing a lock: one transaction over all its scopes. See lock.h.
 *
 * What a transaction does is computed on a small copy of the counters it touches ("slots"), so that several scopes in one bucket
 * change that bucket once.
 */
#include "guard/tree.h"

#include "base/shown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/locks"
#define TRIES 24 /* of a transaction that others overtake: more than lockers will ever queue on one scope */

/* A counter that the transaction may touch. */
struct slot {
    char path[TG_NODE_PATH_SIZE];
    char name[256];       /* what its parent calls it */
    int parent;           /* index of its parent's slot; -1: none is changed */
    bool named;           /* its counter keeps names */
    bool exists, changed;
    int64_t version;
    struct tg_counter counter;
};
struct plan {
    struct slot *slots;
    size_t n;
    int *of_scope;        /* slot of each scope */
    int64_t generation, cluster_version;
    struct tg_audit_slot audit;
};

static int add_slot(struct plan *p, const char *path, int parent, bool named)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->slots[i].path, path) == 0)
            return (int) i;
    struct slot *s = &p->slots[p->n];
    *s = (struct slot) {.parent = parent, .named = named};
    snprintf(s->path, sizeof s->path, "%s", path);
    snprintf(s->name, sizeof s->name, "%s", strrchr(path, '/') + 1);
    return (int) p->n++;
}

/* At most three slots a scope: index, bucket, scope. */
static int plan_new(struct plan *p, const struct tg_scopes *scopes, struct tg_error *e)
{
    *p = (struct plan) {.slots = calloc(3 * scopes->n + 1, sizeof *p->slots), .of_scope = calloc(scopes->n + 1, sizeof *p->of_scope)};
    if (!p->slots || !p->of_scope)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < scopes->n; i++) {
        const struct tg_scope *s = &scopes->v[i];
        char path[TG_NODE_PATH_SIZE];
        int parent = -1;
        if (s->kind != TG_SCOPE_FLEET) {
            tg_tree_index_path(ROOT, s->kind, path, sizeof path);
            parent = add_slot(p, path, -1, true);
        }
        if (tg_tree_has_buckets(s->kind)) {
            tg_tree_bucket_path(ROOT, s, path, sizeof path);
            parent = add_slot(p, path, parent, false);
        }
        tg_tree_scope_path(ROOT, s, path, sizeof path);
        p->of_scope[i] = add_slot(p, path, parent, true);
    }
    return 0;
}

static void plan_free(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        tg_counter_clear(&p->slots[i].counter);
    free(p->slots);
    free(p->of_scope);
    *p = (struct plan) {.n = 0};
}

static int take_slot(struct tg_guard *guard, struct slot *s, const struct tg_read_item *item, struct tg_error *e)
{
    s->exists = item->code == 0;
    s->version = item->node.stat.version;
    if (s->exists) {
        int rc = tg_tree_prove(guard, s->path, &item->node, &s->counter, e);
        if (!rc && s->named && !s->counter.names)
            rc = tg_unknown(guard, e, "bad-record", "%s does not name what it counts", s->path + 1);
        return rc;
    }
    if (s->parent < 0)
        return tg_unknown(guard, e, "missing-node", "%s is not there: this copy is not whole", s->path + 1);
    s->counter = (struct tg_counter) {.names = s->named ? calloc(2, sizeof(char *)) : NULL};
    return s->named && !s->counter.names ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

/* A node that is not there although its parent names it: gone between two reads, or this copy is not whole. */
static int prove_absences(const struct plan *p, struct tg_error *e)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct slot *s = &p->slots[i];
        if (!s->exists && p->slots[s->parent].exists && tg_counter_has(&p->slots[s->parent].counter, s->name))
            return tg_fail(e, TG_E_VERSION, "%s is named and is not there", s->path + 1);
    }
    return 0;
}

/* One round trip: the cluster, every counter, the audit's folders. */
static int plan_read(struct tg_guard *guard, struct plan *p, struct tg_error *e)
{
    size_t n = p->n + 4;
    struct tg_read_item *items = calloc(n, sizeof *items);

    if (!items)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_audit_slot(guard, &p->audit);
    items[0].path = "/cluster";
    items[1].path = ROOT;
    items[2].path = p->audit.day;
    items[3].path = p->audit.minute;
    for (size_t i = 0; i < p->n; i++)
        items[4 + i].path = p->slots[i].path;
    int rc = tg_store_read_many(guard->store, items, n, tg_guard_deadline(guard), e);
    if (!rc) {
        struct tg_counter root = {.epoch = 0};
        rc = tg_tree_prove_cluster(guard, &items[0], TG_NOTE_BOUNDED, &p->generation, e);
        if (!rc && items[1].code)
            rc = tg_unknown(guard, e, "missing-node", "locks is not there: this copy is not whole");
        if (!rc && (rc = tg_tree_prove(guard, ROOT, &items[1].node, &root, e)) == 0)
            tg_counter_clear(&root);
        p->cluster_version = items[0].node.stat.version;
        p->audit.have_day = items[2].code == 0;
        p->audit.have_minute = items[3].code == 0;
        for (size_t i = 0; !rc && i < p->n; i++)
            rc = take_slot(guard, &p->slots[i], &items[4 + i], e);
        tg_read_items_release(items, n);
    }
    free(items);
    return rc ? rc : prove_absences(p, e);
}

/* Adds the child to the slot, and the slot to its parent when it is new. */
static int add_child(struct plan *p, int at, const char *name, struct tg_error *e)
{
    struct slot *s = &p->slots[at];
    bool fresh = !s->exists && !s->changed;
    int rc = tg_counter_add(&s->counter, name, e);

    if (rc)
        return tg_error_prefix(e, "%s", s->path + 1);
    s->changed = true;
    return fresh && s->parent >= 0 ? add_child(p, s->parent, s->name, e) : 0;
}

/*
 * Versions begin at 0 again when a scope's node goes with its last lock and comes back with another's. So a node that is written is
 * held to be the one that was read by its parent's version as well, which changes with each child that comes or goes.
 */
static void emit_checks(struct tg_batch *b, const struct plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct slot *s = &p->slots[i];
        const struct slot *parent = s->parent < 0 ? NULL : &p->slots[s->parent];
        if (s->changed && s->exists && parent && !parent->changed)
            tg_batch_check(b, parent->path, parent->version);
    }
}

static void emit_slots(struct tg_batch *b, const struct plan *p)
{
    for (size_t i = 0; i < p->n; i++) { /* parents stand before their children */
        const struct slot *s = &p->slots[i];
        char *text = s->changed ? tg_counter_encode(&s->counter) : NULL;
        if (s->changed && s->exists)
            tg_batch_write(b, s->path, text, s->version);
        else if (s->changed)
            tg_batch_create(b, s->path, text, TG_CREATE_PERSISTENT);
        free(text);
    }
}

static void index_path(const char *id, char *out, size_t size)
{
    snprintf(out, size, "/lock-index/%c/%s", id[0], id);
}

static void emit_records(struct tg_batch *b, const struct tg_lock *lock)
{
    char *text = tg_lock_encode(lock), path[TG_NODE_PATH_SIZE + 32], parent[TG_NODE_PATH_SIZE];

    for (size_t i = 0; i < lock->scopes.n; i++) {
        tg_tree_scope_path(ROOT, &lock->scopes.v[i], parent, sizeof parent);
        snprintf(path, sizeof path, "%s/%s", parent, lock->id);
        tg_batch_create(b, path, text, TG_CREATE_PERSISTENT);
    }
    index_path(lock->id, path, sizeof path);
    tg_batch_create(b, path, text, TG_CREATE_PERSISTENT);
    free(text);
}

static int try_once(struct tg_guard *guard, struct plan *p, struct tg_lock *lock, struct tg_error *e)
{
    struct tg_batch b = TG_BATCH_INIT;
    int rc = 0;

    for (size_t i = 0; !rc && i < lock->scopes.n; i++)
        rc = add_child(p, p->of_scope[i], lock->id, e);
    if (!rc) {
        tg_batch_check(&b, "/cluster", p->cluster_version);
        tg_batch_tick(&b);
        emit_checks(&b, p);
        emit_slots(&b, p);
        emit_records(&b, lock);
        tg_audit_append(&b, &p->audit, lock->since_ms, "lock", lock, lock->owner, lock->reason);
        rc = tg_batch_run(&b, guard, e);
    }
    tg_batch_release(&b);
    return rc;
}

/* Its record below its first scope: found (with its fencing token), TG_E_NOENT, or an error. Another's of the same id is TG_E_EXISTS. */
static int look_for_own(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e)
{
    char parent[TG_NODE_PATH_SIZE], path[TG_NODE_PATH_SIZE + 32];
    struct tg_node node;
    struct tg_lock found;

    tg_tree_scope_path(ROOT, &lock->scopes.v[0], parent, sizeof parent);
    snprintf(path, sizeof path, "%s/%s", parent, lock->id);
    int rc = tg_store_read(guard->store, path, tg_guard_deadline(guard), &node, e);
    if (rc)
        return rc;
    struct tg_error why = TG_ERROR_INIT;
    rc = tg_lock_decode(node.data, node.len, &found, &why);
    if (rc)
        rc = tg_tree_bad(guard, path, &why, e);
    else {
        rc = strcmp(found.request, lock->request) == 0 ? 0 : tg_fail(e, TG_E_EXISTS, "the id %s is another lock's", lock->id);
        lock->txid = node.stat.created_txid;
        lock->version = node.stat.version;
        tg_lock_clear(&found);
    }
    tg_node_release(&node);
    return rc;
}

static bool ambiguous(int code)
{
    return code == TG_E_LOST || code == TG_E_TIMEOUT;
}

static bool worth_another(int code)
{
    return code == TG_E_VERSION || code == TG_E_EXISTS || code == TG_E_NOENT;
}

/*
 * One try: reads, writes, and finds out what came of it. lost: an earlier write of this very lock may have happened.
 * TG_E_VERSION and its kin: again.
 */
static int attempt(struct tg_guard *guard, struct tg_lock *lock, bool *lost, struct tg_error *e)
{
    struct plan p;
    int rc = plan_new(&p, &lock->scopes, e);

    if (!rc)
        rc = plan_read(guard, &p, e);
    lock->cluster_version = p.cluster_version;
    if (!rc && *lost) { /* read after the counters: what arrives late changes one of them, and then our write is refused */
        struct tg_error none = TG_ERROR_INIT;
        rc = look_for_own(guard, lock, &none);
        if (rc != TG_E_NOENT) {
            lock->generation = p.generation;
            plan_free(&p);
            return rc ? tg_fail(e, rc, "%s", none.message) : 0;
        }
        rc = 0;
    }
    if (!rc)
        rc = try_once(guard, &p, lock, e);
    if (!rc)
        rc = look_for_own(guard, lock, e);
    else if (ambiguous(rc))
        *lost = true;
    else if (rc == TG_E_EXISTS && !*lost)
        rc = tg_random_id(lock->id, TG_LOCK_ID_LEN, NULL) ? TG_E_SYSTEM : TG_E_EXISTS; /* the id, or a folder: both are cured so */
    lock->generation = p.generation;
    plan_free(&p);
    return rc;
}

/* Others work on the same scopes: let them. The virtual loop's clock does this as well. */
static void back_off(struct tg_guard *guard, int round)
{
    char dice[2] = "";
    struct tg_loop *loop = tg_store_loop(guard->store);
    int64_t until = tg_store_deadline(guard->store, 1);

    (void) tg_random_id(dice, 1, NULL);
    until += round < 2 ? 0 : (int64_t) (dice[0] % 16) * (round < 10 ? round : 10) / 4;
    while (tg_store_deadline(guard->store, 0) < until)
        if (tg_loop_turn(loop, until - tg_store_deadline(guard->store, 0)) < 0)
            return;
}

static int place(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    bool lost = false;
    int rc = TG_E_VERSION;
    int64_t deadline = tg_guard_deadline(guard);

    for (int i = 0; i < TRIES && (worth_another(rc) || ambiguous(rc) || tg_tree_look_again(guard, rc, deadline)); i++) {
        if (i && tg_store_deadline(guard->store, 0) > deadline)
            break;
        if (i) {
            back_off(guard, i);
            (void) tg_store_sync(guard->store, "/cluster", deadline, NULL); /* a server that lags behind would show the same again */
        }
        tg_error_clear(&why);
        rc = attempt(guard, lock, &lost, &why);
    }
    if (worth_another(rc)) {
        tg_fail(e, lost ? TG_E_LOST : TG_E_VERSION, "the lock could not be written in %d tries: %s", TRIES, why.message);
        return lost ? TG_E_LOST : TG_E_VERSION;
    }
    if (rc)
        tg_fail(e, rc, "%s", why.message);
    if (rc && lost)
        tg_error_hint(e, "the lock %s may have been taken: tagout locks tells", lock->id);
    else if (rc)
        tg_error_hint(e, "%s", why.hint);
    return rc;
}

/* --- from a request --- */

/* All but the scopes, the ids and the times. */
static int fill_texts(const struct tg_lock_request *r, struct tg_lock *l, struct tg_error *e)
{
    int rc = 0;

    if (!r->scopes->n || r->for_ms <= 0 || r->n_hold > TG_HOLD_MAX)
        return tg_fail(e, TG_E_USAGE, !r->scopes->n ? "no scope" : r->for_ms <= 0 ? "for how long?" : "at most %d actors", TG_HOLD_MAX);
    if (tg_text_is_blank(r->reason))
        return tg_fail(e, TG_E_USAGE, "the reason is blank");
    if ((rc = tg_text_copy("owner", r->owner, l->owner, sizeof l->owner, e)) != 0 ||
        (rc = tg_text_copy("reason", r->reason, l->reason, sizeof l->reason, e)) != 0 ||
        (rc = tg_text_copy("ticket", r->ticket ? r->ticket : "", l->ticket, sizeof l->ticket, e)) != 0)
        return rc;
    for (size_t i = 0; i < r->n_hold; i++) {
        if ((rc = tg_actor_check(r->hold[i], e)) != 0)
            return rc;
        snprintf(l->hold[l->n_hold++], TG_ACTOR_SIZE, "%s", r->hold[i]);
    }
    return 0;
}

int tg_lock_request_check(const struct tg_lock_request *r, struct tg_error *e)
{
    struct tg_lock l = {.txid = 0};

    return fill_texts(r, &l, e);
}

static int fill(struct tg_guard *guard, const struct tg_lock_request *r, struct tg_lock *l, struct tg_error *e)
{
    *l = (struct tg_lock) {.state = TG_LOCK_TAKING, .since_ms = tg_guard_wall(guard), .release_at_expiry = r->release_at_expiry};
    int rc = fill_texts(r, l, e);
    if (rc)
        return rc;
    l->until_ms = l->since_ms + r->for_ms;
    if (r->token)
        tg_sha256_hex(r->token, strlen(r->token), l->token_hash);
    if ((rc = tg_random_id(l->id, TG_LOCK_ID_LEN, e)) != 0)
        return rc;
    if (r->request_id)
        rc = tg_text_copy("request id", r->request_id, l->request, sizeof l->request, e);
    else
        rc = tg_random_id(l->request, 26, e);
    return rc ? rc : tg_scopes_copy(r->scopes, &l->scopes, e);
}

/* A lock that this very request has taken before. TG_E_NOENT: none. */
static int find_request(struct tg_guard *guard, const struct tg_lock_request *r, struct tg_lock *out, struct tg_error *e)
{
    struct tg_look *look = NULL;
    size_t n = 0;
    int rc = tg_look_run(guard, r->scopes, false, tg_guard_deadline(guard), &look, e);

    if (rc)
        return rc;
    struct tg_lock *locks = tg_look_locks(look, &n);
    rc = TG_E_NOENT;
    for (size_t i = 0; i < n; i++)
        if (strcmp(locks[i].request, r->request_id) == 0 && locks[i].state != TG_LOCK_RELEASED) {
            *out = locks[i];
            locks[i].scopes = (struct tg_scopes) TG_SCOPES_INIT;
            rc = 0;
            break;
        }
    tg_look_free(look);
    return rc;
}

/* Interrupted: the write may be on its way. What is asked on this session is answered after it, so one look settles it. */
static void take_back(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e)
{
    struct tg_error none = TG_ERROR_INIT;

    tg_loop_interrupt_clear(tg_store_loop(guard->store));
    int rc = look_for_own(guard, lock, &none);
    if (!rc)
        rc = tg_lock_undo(guard, lock, "interrupted", &none);
    if (rc && rc != TG_E_NOENT && rc != TG_E_EXISTS)
        tg_error_hint(e, "the lock %s may have been taken (%s): tagout locks tells, tagout unlock %s releases it", lock->id, none.message, lock->id);
    else
        tg_error_hint(e, "nothing is left locked by this");
}

int tg_lock_place(struct tg_guard *guard, const struct tg_lock_request *request, struct tg_lock *out, struct tg_error *e)
{
    struct tg_lock l;
    int rc = TG_E_NOENT;

    tg_tree_begin(guard);
    if (request->request_id)
        rc = find_request(guard, request, &l, e);
    if (rc == TG_E_NOENT) {
        rc = fill(guard, request, &l, e);
        if (!rc)
            rc = place(guard, &l, e);
        if (!rc)
            tg_tree_note(guard, l.generation, l.txid);
        else if (rc == TG_E_CANCELLED)
            take_back(guard, &l, e);
        if (rc)
            tg_lock_clear(&l);
    }
    if (!rc)
        *out = l;
    return rc;
}
