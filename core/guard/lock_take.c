/*
 * Placing a lock: one transaction over all its scopes. See lock.h.
 *
 * Two round trips when nobody is in the way: the counters, unless this session remembers them (recall.h); then the transaction, with the
 * folders of permits read right behind it on the same session. A session's requests are carried out in their order, so these reads come after
 * the write as the handshake demands, whether or not its answer was waited for; an empty folder then proves that nobody was in flight.
 */
#include "guard/plan.h"

#include "guard/recall.h"

#include "base/shown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 24 /* of a transaction that others overtake: more than lockers will ever queue on one scope */

static void emit_records(struct tg_batch *b, const struct tg_lock *lock)
{
    char *text = tg_lock_encode(lock), path[TG_ROW_PATH_SIZE], parent[TG_NODE_PATH_SIZE];

    for (size_t i = 0; i < lock->scopes.n; i++) {
        tg_tree_scope_path(TG_LOCKS_ROOT, &lock->scopes.v[i], parent, sizeof parent);
        snprintf(path, sizeof path, "%s/%s", parent, lock->id);
        tg_batch_create(b, path, text, TG_CREATE_PERSISTENT);
    }
    snprintf(path, sizeof path, "/lock-index/%c/%s", lock->id[0], lock->id);
    tg_batch_create(b, path, text, TG_CREATE_PERSISTENT);
    free(text);
}

static void own_path(const struct tg_lock *lock, char *out, size_t size)
{
    char parent[TG_NODE_PATH_SIZE];

    tg_tree_scope_path(TG_LOCKS_ROOT, &lock->scopes.v[0], parent, sizeof parent);
    snprintf(out, size, "%s/%s", parent, lock->id);
}

/* The fencing token, from its row. Another's row of the same id is TG_E_EXISTS. */
static int take_own(struct tg_guard *guard, struct tg_lock *lock, const char *path, const struct tg_node *node, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_lock found;
    int rc = tg_lock_decode(node->data, node->len, &found, &why);

    if (rc)
        return tg_tree_bad(guard, path, &why, e);
    rc = strcmp(found.request, lock->request) == 0 ? 0 : tg_fail(e, TG_E_EXISTS, "the id %s is another lock's", lock->id);
    lock->txid = node->stat.created_txid;
    lock->version = node->stat.version;
    lock->sum = found.sum;
    tg_lock_clear(&found);
    return rc;
}

/* Its record below its first scope: found, TG_E_NOENT, or an error. */
static int look_for_own(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e)
{
    char path[TG_ROW_PATH_SIZE];
    struct tg_node node;

    own_path(lock, path, sizeof path);
    int rc = tg_store_read(guard->store, path, tg_guard_deadline(guard), &node, e);
    if (rc)
        return rc;
    rc = take_own(guard, lock, path, &node, e);
    tg_node_release(&node);
    return rc;
}

/* What stands behind the transaction: whether there ever were agents, and behind that (acks.h tells why in this order) folders of permits. */
struct behind {
    char folders[TG_SCOPES_MAX + 2][64];
    struct tg_read_item items[TG_SCOPES_MAX + 3];
    size_t n, n_agents, n_fixed; /* n_agents of the items, 0 or 1; of the folders, n_fixed must be there */
};

/* An agent is somebody who has to acknowledge; none has anything to do with a service. */
static void plan_behind(const struct tg_scopes *scopes, struct behind *x)
{
    *x = (struct behind) {.n = 0};
    for (size_t i = 0; i < scopes->n && !x->n_agents; i++)
        x->n_agents = scopes->v[i].kind != TG_SCOPE_SERVICE;
    x->items[0].path = "/agents";
    size_t n = tg_permit_folders(scopes, x->folders, &x->n_fixed);
    for (size_t i = 0; i < n; i++)
        x->items[x->n_agents + i] = (struct tg_read_item) {.path = x->folders[i], .want_names = true};
    x->n = n ? x->n_agents + n : 0; /* it can't be quiet: nothing is worth reading now */
}

static bool is_quiet(const struct behind *x)
{
    bool quiet = x->n > 0;

    for (size_t i = 0; i < x->n_agents; i++)
        quiet = quiet && (x->items[i].code || x->items[i].node.stat.children == 0);
    for (size_t i = x->n_agents; i < x->n; i++)
        quiet = quiet && (x->items[i].code ? i - x->n_agents >= x->n_fixed : x->items[i].names.count == 0);
    return quiet;
}

/* The transaction, and the reads behind it. */
static int write_and_read(struct tg_guard *guard, struct tg_batch *b, struct tg_lock *lock, struct tg_placed *placed, struct tg_error *e)
{
    struct behind behind;
    struct tg_multi multi = {.ops = b->ops, .n_ops = b->n};
    struct tg_exchange x = {.multis = &multi, .n_multis = 1, .items = behind.items};

    if (b->failed)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    plan_behind(&lock->scopes, &behind);
    x.n_items = behind.n;
    int rc = tg_store_exchange(guard->store, &x, tg_guard_deadline(guard), NULL);
    placed->quiet = !rc && !multi.code && is_quiet(&behind);
    tg_read_items_release(behind.items, behind.n);
    if (multi.code)
        return tg_fail(e, multi.code, "%s", multi.error.message);
    lock->txid = multi.txid;
    lock->version = 0;
    return lock->txid ? 0 : look_for_own(guard, lock, e); /* the fencing token */
}

static void remember(struct tg_guard *guard, struct tg_plan *p, const struct tg_lock *lock, int rc)
{
    if (rc) {
        tg_recall_forget(guard);
        return;
    }
    tg_plan_advance(p);
    tg_recall_learn(guard, p);
    tg_recall_keep(guard, lock);
}

static int try_once(struct tg_guard *guard, struct tg_plan *p, struct tg_lock *lock, struct tg_placed *placed, struct tg_error *e)
{
    struct tg_batch b = TG_BATCH_INIT;
    int rc = 0;

    placed->crowded = false;
    for (size_t i = 0; !rc && i < lock->scopes.n; i++) {
        rc = tg_plan_add(p, i, lock->id, e);
        placed->crowded = placed->crowded || p->slots[p->of_scope[i]].counter.count > 1;
    }
    if (!rc) {
        tg_batch_check(&b, TG_CLUSTER_PATH, p->cluster_version);
        tg_batch_tick(&b);
        tg_plan_emit(&b, p, true);
        emit_records(&b, lock);
        tg_audit_append(&b, &p->audit, lock->since_ms, "lock", lock, lock->owner, lock->reason);
        rc = write_and_read(guard, &b, lock, placed, e);
        remember(guard, p, lock, rc);
    }
    tg_batch_release(&b);
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

/* A live lock of that request id on what overlaps the scopes. TG_E_NOENT: none. */
static int find_live(struct tg_guard *guard, const struct tg_scopes *scopes, const char *request, struct tg_lock *out, struct tg_error *e)
{
    struct tg_look *look = NULL;
    size_t n = 0;
    int rc = tg_look_run(guard, scopes, false, tg_guard_deadline(guard), &look, e);

    if (rc)
        return rc;
    struct tg_lock *locks = tg_look_locks(look, &n);
    rc = TG_E_NOENT;
    for (size_t i = 0; rc && i < n; i++)
        if (strcmp(locks[i].request, request) == 0 && tg_lock_is_live(&locks[i], 0)) {
            *out = locks[i];
            locks[i].scopes = (struct tg_scopes) TG_SCOPES_INIT;
            rc = 0;
        }
    tg_look_free(look);
    return rc;
}

/* Somebody who asks with the same request id came first. Looked for behind the counters: who comes later still changes one of them. */
static int adopt(struct tg_guard *guard, struct tg_lock *lock, int64_t generation, struct tg_error *e)
{
    struct tg_lock found;
    struct tg_error why = TG_ERROR_INIT;
    int rc = find_live(guard, &lock->scopes, lock->request, &found, &why);

    if (rc)
        return rc == TG_E_NOENT ? rc : tg_fail(e, rc, "%s", why.message);
    if (strcmp(found.owner, lock->owner) != 0 || found.scopes.n != lock->scopes.n) {
        tg_lock_clear(&found);
        return tg_fail(e, TG_E_EXISTS, "the request %s is somebody else's", lock->request);
    }
    tg_lock_clear(lock);
    *lock = found;
    lock->generation = generation;
    return 0;
}

static bool is_crowded(const struct tg_plan *p)
{
    for (size_t i = 0; i < p->n_scopes; i++)
        if (p->slots[p->of_scope[i]].counter.count > 0)
            return true;
    return false;
}

/*
 * One try: reads, writes, and finds out what came of it. lost: an earlier write of this very lock may have happened.
 * TG_E_VERSION and its kin: again.
 */
static int attempt(struct tg_guard *guard, struct tg_lock *lock, struct tg_placed *placed, bool *lost, struct tg_error *e)
{
    struct tg_plan p;
    int rc = tg_plan_new(&p, &lock->scopes, NULL, e);

    if (!rc)
        rc = tg_plan_read(guard, &p, e);
    if (!rc)
        rc = tg_plan_prove_absences(&p, e);
    lock->cluster_version = p.cluster_version;
    lock->generation = p.generation;
    if (!rc && *lost) { /* read after the counters: what arrives late changes one of them, and then our write is refused */
        struct tg_error none = TG_ERROR_INIT;
        rc = look_for_own(guard, lock, &none);
        if (rc != TG_E_NOENT) {
            tg_plan_release(&p);
            return rc ? tg_fail(e, rc, "%s", none.message) : 0;
        }
        rc = 0;
    }
    bool adopted = false;
    if (!rc && placed->asked && is_crowded(&p)) {
        rc = adopt(guard, lock, p.generation, e);
        adopted = rc == 0;
        if (rc == TG_E_NOENT)
            rc = 0;
    }
    if (!rc && !adopted)
        rc = try_once(guard, &p, lock, placed, e);
    placed->recalled = p.recalled;
    if (ambiguous(rc))
        *lost = true;
    else if (rc == TG_E_EXISTS && !*lost)
        rc = tg_random_id(lock->id, TG_LOCK_ID_LEN, NULL) ? TG_E_SYSTEM : TG_E_EXISTS; /* the id, or a folder: both are cured so */
    tg_plan_release(&p);
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

/* A folder that every tree has, and that no look at locks needs, may be what is gone: TG_E_UNKNOWN then. TG_E_NOENT: it is not that. */
static int lacks_folder(struct tg_guard *guard, const char *id, struct tg_error *e)
{
    char index[16];

    snprintf(index, sizeof index, "/lock-index/%c", id[0]);
    const char *const folders[] = {index, "/audit"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        struct tg_read_item item = {.path = folders[i]};
        int rc = tg_store_read_many(guard->store, &item, 1, tg_guard_deadline(guard), e);
        if (rc)
            return rc;
        rc = item.code;
        tg_read_items_release(&item, 1);
        if (rc == TG_E_NOENT)
            return tg_tree_missing(guard, folders[i], e);
    }
    return TG_E_NOENT;
}

static int place(struct tg_guard *guard, struct tg_lock *lock, struct tg_placed *placed, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    bool lost = false;
    int rc = TG_E_VERSION;
    int64_t deadline = tg_guard_deadline(guard);

    for (int i = 0; i < TRIES && (worth_another(rc) || ambiguous(rc) || tg_tree_look_again(guard, rc, deadline)); i++) {
        if (i && tg_store_deadline(guard->store, 0) > deadline)
            break;
        if (i && !placed->recalled) { /* else it was written unseen, and nobody need be in the way */
            back_off(guard, i);
            (void) tg_store_sync(guard->store, "/cluster", deadline, NULL); /* a server that lags behind would show the same again */
        }
        tg_error_clear(&why);
        rc = attempt(guard, lock, placed, &lost, &why);
    }
    if (rc == TG_E_NOENT && !lost && (rc = lacks_folder(guard, lock->id, e)) != TG_E_NOENT)
        return rc;
    if (worth_another(rc)) {
        tg_fail(e, lost ? TG_E_LOST : TG_E_VERSION, "the lock could not be written in %d tries: %s", TRIES, why.message);
        return lost ? TG_E_LOST : TG_E_VERSION;
    }
    if (rc)
        tg_fail(e, rc, "%s", why.message);
    if (rc && lost && !tg_store_session_id(guard->store))
        tg_error_hint(e, "the store was never reached: nothing is locked by this");
    else if (rc && lost)
        tg_error_hint(e, "the lock %s may have been taken: tagout locks tells", lock->id);
    else if (rc)
        tg_error_hint(e, "%s", why.hint);
    return rc;
}

/* --- from a request --- */

/* All but the scopes, the ids and the times. */
static int fill_texts(const struct tg_lock_request *r, struct tg_lock *l, struct tg_error *e)
{
    if (!r->scopes->n || r->for_ms <= 0)
        return tg_fail(e, TG_E_USAGE, !r->scopes->n ? "no scope" : "for how long?");
    return tg_lock_texts(r->owner, r->reason, r->ticket, r->hold, r->n_hold, l, e);
}

int tg_lock_request_check(const struct tg_lock_request *r, struct tg_error *e)
{
    struct tg_lock l = {.txid = 0};

    return fill_texts(r, &l, e);
}

static int take_request(const char *request, struct tg_lock *l, struct tg_error *e)
{
    if (!request)
        return tg_random_id(l->request, 26, e);
    if (!tg_request_id_is_proper(request)) {
        tg_fail(e, TG_E_USAGE, "\"%.40s\" is no request id", request);
        tg_error_hint(e, "1 to %d of A-Z, a-z, 0-9, - . and _", TG_REQUEST_ID_SIZE - 1);
        return TG_E_USAGE;
    }
    snprintf(l->request, sizeof l->request, "%s", request);
    return 0;
}

static int fill(struct tg_guard *guard, const struct tg_lock_request *r, struct tg_lock *l, struct tg_error *e)
{
    *l = (struct tg_lock) {.state = TG_LOCK_TAKING, .since_ms = tg_guard_wall(guard), .release_at_expiry = r->release_at_expiry};
    int rc = fill_texts(r, l, e);
    if (!rc && r->release_at_expiry) /* it ends by the store's clock, so it begins by it */
        rc = tg_guard_store_ms(guard, &l->since_ms, e);
    if (rc)
        return rc;
    l->until_ms = l->since_ms + r->for_ms;
    if (r->token)
        tg_sha256_hex(r->token, strlen(r->token), l->token_hash);
    else if (r->token_hash && strlen(r->token_hash) < sizeof l->token_hash)
        memcpy(l->token_hash, r->token_hash, strlen(r->token_hash) + 1);
    if ((rc = take_request(r->request_id, l, e)) != 0 || (rc = tg_random_id(l->id, TG_LOCK_ID_LEN, e)) != 0)
        return rc;
    return tg_scopes_copy(r->scopes, &l->scopes, e);
}

/* Whether scopes, owner and actors are those that are asked for: a request id stands for one wish. */
static int prove_same_request(const struct tg_lock_request *r, struct tg_lock *found, struct tg_error *e)
{
    bool same = found->scopes.n == r->scopes->n && found->n_hold == r->n_hold && strcmp(found->owner, r->owner) == 0;
    char a[TG_SCOPE_TEXT_SIZE], b[TG_SCOPE_TEXT_SIZE];

    for (size_t i = 0; same && i < r->scopes->n; i++)
        same = strcmp(tg_scope_format(&found->scopes.v[i], a, sizeof a), tg_scope_format(&r->scopes->v[i], b, sizeof b)) == 0;
    for (size_t i = 0; same && i < r->n_hold; i++)
        same = strcmp(found->hold[i], r->hold[i]) == 0;
    if (same)
        return 0;
    tg_fail(e, TG_E_EXISTS, "the request %s is %s's lock %s, of other scopes, actors or another owner", r->request_id, found->owner, found->id);
    tg_error_hint(e, "use another id for another wish; tagout locks shows that one");
    tg_lock_clear(found);
    return TG_E_EXISTS;
}

/* A lock that this very request has taken before. TG_E_NOENT: none. */
static int find_request(struct tg_guard *guard, const struct tg_lock_request *r, struct tg_lock *out, struct tg_error *e)
{
    int rc = find_live(guard, r->scopes, r->request_id, out, e);

    return rc ? rc : prove_same_request(r, out, e);
}

/* Interrupted: the write may be on its way. What is asked on this session is answered after it, so one look settles it. */
static void take_back(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e)
{
    struct tg_error none = TG_ERROR_INIT;

    tg_loop_interrupt_clear(tg_store_loop(guard->store));
    int rc = look_for_own(guard, lock, &none);
    if (!rc)
        rc = tg_lock_undo(guard, lock, "interrupted", &none);
    if (rc && rc != TG_E_NOENT && rc != TG_E_EXISTS && tg_store_session_id(guard->store))
        tg_error_hint(e, "the lock %s may have been taken (%s): tagout locks tells, tagout unlock %s releases it", lock->id, none.message, lock->id);
    else
        tg_error_hint(e, "nothing is left locked by this");
}

int tg_lock_place_only(struct tg_guard *guard, const struct tg_lock_request *request, struct tg_lock *out, struct tg_placed *placed, struct tg_error *e)
{
    struct tg_lock l;
    int rc = TG_E_NOENT;

    *placed = (struct tg_placed) {.asked = request->request_id};
    tg_tree_begin(guard);
    if (request->request_id)
        rc = find_request(guard, request, &l, e);
    if (rc == TG_E_NOENT) {
        rc = fill(guard, request, &l, e);
        if (!rc)
            rc = place(guard, &l, placed, e);
        if (rc == TG_E_CANCELLED)
            take_back(guard, &l, e);
        if (!rc && request->request_id) /* what was adopted came between find_request() and now */
            rc = prove_same_request(request, &l, e);
        if (rc)
            tg_lock_clear(&l);
    }
    if (!rc)
        *out = l;
    return rc;
}

int tg_lock_place(struct tg_guard *guard, const struct tg_lock_request *request, struct tg_lock *out, struct tg_error *e)
{
    struct tg_placed placed;
    int rc = tg_lock_place_only(guard, request, out, &placed, e);

    if (!rc)
        tg_tree_note(guard, out->generation, out->txid);
    return rc;
}
