/* A lock in the store, read and written: see lock_work.h. */
#include "guard/lock_work.h"

#include "guard/acks.h"
#include "guard/recall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tg_work_no_such_lock(const char *id, struct tg_error *e)
{
    tg_fail(e, TG_E_NOENT, "there is no lock %.20s", id);
    tg_error_hint(e, "tagout locks lists them; tagout log tells who released it");
    return TG_E_NOENT;
}

/* Not in the index. Whether there is none is proven by looking at all locks, as for a check. */
static int prove_none(struct tg_guard *guard, const char *id, const char *index, struct tg_error *e)
{
    struct tg_look *look = NULL;
    size_t n = 0;
    int rc = tg_look_run(guard, NULL, true, tg_guard_deadline(guard), &look, e);

    if (rc)
        return rc;
    struct tg_lock *locks = tg_look_locks(look, &n);
    rc = tg_work_no_such_lock(id, NULL);
    for (size_t i = 0; i < n; i++)
        if (strcmp(locks[i].id, id) == 0 && tg_lock_is_live(&locks[i], tg_guard_wall(guard)))
            rc = tg_unknown(guard, e, "missing-node", "%s is not there, but the lock is: this copy is not whole", index + 1);
    tg_look_free(look);
    return rc == TG_E_NOENT ? tg_work_no_such_lock(id, e) : rc;
}

/* Ids are shown in capitals, and taken as they are typed. */
static bool take_id(const char *id, char out[TG_LOCK_ID_SIZE])
{
    size_t len = strlen(id);

    if (len < TG_LOCK_ID_LEN || len >= TG_LOCK_ID_SIZE)
        return false;
    for (size_t i = 0; i <= len; i++)
        out[i] = (char) (id[i] >= 'a' && id[i] <= 'z' ? id[i] - 'a' + 'A' : id[i]);
    return strspn(out, TG_ID_ALPHABET) == len;
}

/* Its scopes, from the index; the state in there is that of its birth. */
static int find_scopes(struct tg_guard *guard, const char *typed, struct tg_lock *out, struct tg_error *e)
{
    char path[64], id[TG_LOCK_ID_SIZE];
    struct tg_node node;

    if (!take_id(typed, id))
        return tg_work_no_such_lock(typed, e);
    snprintf(path, sizeof path, "/lock-index/%c/%s", id[0], id);
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_store_read(guard->store, path, tg_guard_deadline(guard), &node, &why);
    if (rc == TG_E_NOENT)
        return prove_none(guard, id, path, e);
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        return tg_error_hint(e, "%s", why.hint), rc;
    }
    if (tg_lock_decode(node.data, node.len, out, &why) != 0)
        rc = tg_tree_bad(guard, path, &why, e);
    else if (strcmp(out->id, id) != 0) {
        tg_lock_clear(out);
        rc = tg_unknown(guard, e, "bad-record", "%s is another lock's record", path + 1);
    }
    tg_node_release(&node);
    return rc;
}

void tg_work_release(struct tg_work *w)
{
    tg_plan_release(&w->plan);
    free(w->row_versions);
    w->row_versions = NULL;
    tg_lock_clear(&w->lock);
}

/*
 * A part of it is not there. Its rows and its entry in the index come in one transaction and go in one; so when the first row or the entry
 * is still there, read anew, and it is no tombstone, the lock has all its parts.
 */
static int prove_gone(struct tg_work *w, const char *what, struct tg_error *e)
{
    const char *first = tg_plan_row(&w->plan, 0)->path, *index = tg_plan_entry(&w->plan)->path;
    struct tg_read_item items[2] = {{.path = first}, {.path = index}};
    struct tg_lock l;
    int rc = tg_store_read_many(w->guard->store, items, 2, tg_guard_deadline(w->guard), e);

    if (rc)
        return rc;
    bool gone = items[1].code == TG_E_NOENT;
    if (!items[0].code && tg_lock_decode(items[0].node.data, items[0].node.len, &l, NULL) == 0) {
        gone = l.state == TG_LOCK_RELEASED;
        tg_lock_clear(&l);
    }
    tg_read_items_release(items, 2);
    return gone ? tg_work_no_such_lock(w->lock.id, e) : tg_unknown(w->guard, e, "missing-node", "%s is not there: this copy is not whole", what + 1);
}

/* What never changes of a lock from its birth on, as the entry in the index has it. */
static bool same_birth(const struct tg_lock *entry, const struct tg_lock *row)
{
    struct tg_lock a = *entry, b = *row;

    a.state = b.state = TG_LOCK_TAKING;
    a.until_ms = b.until_ms = 0;
    a.token_hash[0] = b.token_hash[0] = '\0'; /* it may have been given another */
    char *one = tg_lock_encode(&a), *two = tg_lock_encode(&b);
    bool same = one && two && strcmp(one, two) == 0;
    free(one);
    free(two);
    return same;
}

/* The entry as it is now; the scopes by which the rest was read may have been known from elsewhere. */
static int take_entry(struct tg_work *w, struct tg_error *e)
{
    const struct tg_read_item *item = tg_plan_entry(&w->plan);
    struct tg_error why = TG_ERROR_INIT;
    struct tg_lock entry;

    if (item->code)
        return prove_gone(w, item->path, e);
    if (tg_lock_decode(item->node.data, item->node.len, &entry, &why) != 0)
        return tg_tree_bad(w->guard, item->path, &why, e);
    bool same = strcmp(entry.id, w->lock.id) == 0 && entry.scopes.n == w->plan.n_scopes;
    tg_lock_clear(&w->lock);
    w->lock = entry;
    return same ? 0 : tg_unknown(w->guard, e, "rows-differ", "%s is another lock's", item->path + 1);
}

/* The row below one of its scopes. The first is the lock as it is; every other one must be the same text. */
static int take_row(struct tg_work *w, size_t i, struct tg_lock *out, struct tg_error *e)
{
    const struct tg_read_item *item = tg_plan_row(&w->plan, i);
    struct tg_error why = TG_ERROR_INIT;
    struct tg_lock row;

    if (tg_lock_decode(item->node.data, item->node.len, &row, &why) != 0)
        return tg_tree_bad(w->guard, item->path, &why, e);
    row.txid = item->node.stat.created_txid;
    row.version = w->row_versions[i] = item->node.stat.version;
    row.generation = w->plan.generation;
    row.cluster_version = w->plan.cluster_version;
    bool same = i ? row.sum == out->sum : same_birth(&w->lock, &row);
    if (i == 0 && same)
        *out = row;
    else
        tg_lock_clear(&row);
    if (same)
        return 0;
    if (i == 0)
        return tg_unknown(w->guard, e, "rows-differ", "%s is not what the same lock is in the index", item->path + 1);
    w->rows_differ = true;
    return tg_fail(e, TG_E_VERSION, "%s and the same lock below another of its scopes differ", item->path + 1);
}

static int take_rows(struct tg_work *w, struct tg_error *e)
{
    struct tg_lock found = {.id = ""};
    int rc = take_entry(w, e);

    for (size_t i = 0; !rc && i < w->plan.n_scopes; i++) {
        const struct tg_slot *s = &w->plan.slots[w->plan.of_scope[i]];
        if (!s->exists || tg_plan_row(&w->plan, i)->code)
            rc = prove_gone(w, s->exists ? tg_plan_row(&w->plan, i)->path : s->path, e);
        else if (!tg_counter_has(&s->counter, w->lock.id))
            rc = tg_unknown(w->guard, e, "bad-record", "%s does not name %s, which lies there", s->path + 1, w->lock.id);
        else
            rc = take_row(w, i, &found, e);
    }
    if (rc) {
        tg_lock_clear(&found);
        return rc;
    }
    tg_lock_clear(&w->lock);
    w->lock = found;
    (void) tg_guard_has_ended(w->guard, &w->lock);
    return 0;
}

/* The counters of w->lock's scopes, and unless they are known its rows. */
static int read_plan(struct tg_work *w, bool rows_known, struct tg_error *e)
{
    w->row_versions = calloc(w->lock.scopes.n, sizeof *w->row_versions);
    if (!w->row_versions)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = tg_plan_new(&w->plan, &w->lock.scopes, w->lock.id, e);
    w->plan.rows_known = rows_known;
    w->plan.anew = !rows_known; /* rows and counters are compared: all of one moment */
    if (!rc)
        rc = tg_plan_read(w->guard, &w->plan, e);
    return rc;
}

int tg_work_read(struct tg_guard *guard, const char *id, const struct tg_scopes *known, struct tg_work *w, struct tg_error *e)
{
    *w = (struct tg_work) {.guard = guard};
    int rc = known ? tg_scopes_copy(known, &w->lock.scopes, e) : find_scopes(guard, id, &w->lock, e);

    if (rc)
        return rc;
    if (known)
        snprintf(w->lock.id, sizeof w->lock.id, "%s", id);
    rc = read_plan(w, false, e);
    return rc ? rc : take_rows(w, e);
}

int tg_work_recall(struct tg_guard *guard, const char *id, struct tg_work *w, struct tg_error *e)
{
    *w = (struct tg_work) {.guard = guard};
    if (!tg_recall_find(guard, id, &w->lock))
        return TG_E_NOENT;
    int rc = read_plan(w, true, e);
    for (size_t i = 0; !rc && i < w->plan.n_scopes; i++) {
        const struct tg_slot *s = &w->plan.slots[w->plan.of_scope[i]];
        w->row_versions[i] = w->lock.version;
        if (!s->exists || !tg_counter_has(&s->counter, w->lock.id)) /* somebody was here: to be read */
            rc = TG_E_NOENT;
    }
    return rc;
}

/* What all of them have: the tick, and the line in the audit. */
static void emit_deed(struct tg_work *w, struct tg_batch *b, const char *verb, const char *who, const char *why)
{
    if (w->spent)
        tg_batch_delete(b, w->spent, w->spent_version);
    if (!verb)
        return;
    tg_batch_tick(b);
    tg_audit_append(b, &w->plan.audit, tg_guard_wall(w->guard), verb, &w->lock, who, why);
}

static void emit_change(struct tg_work *w, struct tg_batch *b, const char *verb, const char *who, const char *why)
{
    char *text = tg_lock_encode(&w->lock);

    tg_batch_check(b, TG_CLUSTER_PATH, w->plan.cluster_version);
    for (size_t i = 0; i < w->lock.scopes.n; i++) {
        tg_batch_write(b, tg_plan_row(&w->plan, i)->path, text, w->row_versions[i]);
        if (verb)
            tg_plan_touch(&w->plan, i);
    }
    free(text);
    tg_plan_emit(b, &w->plan, false);
    emit_deed(w, b, verb, who, why);
}

/* behind: 1 in a transaction that follows the one of emit_change(), which has grown every version by one. */
static void emit_removal(struct tg_work *w, struct tg_batch *b, int64_t behind)
{
    tg_batch_check(b, TG_CLUSTER_PATH, w->plan.cluster_version);
    for (size_t i = 0; i < w->lock.scopes.n; i++) {
        tg_batch_delete(b, tg_plan_row(&w->plan, i)->path, w->row_versions[i] + behind);
        tg_plan_remove(&w->plan, i, w->lock.id);
    }
    /* Nobody writes to it after its birth: of one that this session made it is the first. */
    tg_batch_delete(b, tg_plan_entry(&w->plan)->path, w->plan.rows_known ? 0 : tg_plan_entry(&w->plan)->node.stat.version);
    tg_plan_emit(b, &w->plan, false);
}

static bool has_hosts(const struct tg_scopes *scopes)
{
    for (size_t i = 0; i < scopes->n; i++)
        if (scopes->v[i].kind != TG_SCOPE_SERVICE)
            return true;
    return false;
}

/* Sends one or two transactions; behind them the folder of its acknowledgements, unless it is known whether there is one. */
static int send(struct tg_work *w, struct tg_multi *multis, size_t n, bool *out_acks, struct tg_error *e)
{
    struct tg_read_item acks = {.path = tg_plan_acks_path(&w->plan)};
    struct tg_exchange x = {.multis = multis, .n_multis = n, .items = &acks, .n_items = *out_acks && w->plan.rows_known && has_hosts(&w->lock.scopes)};
    int rc = tg_store_exchange(w->guard->store, &x, tg_guard_deadline(w->guard), NULL);

    *out_acks = *out_acks && (w->plan.rows_known ? !rc && x.n_items && !acks.code : tg_plan_has_acks(&w->plan));
    tg_read_items_release(&acks, 1);
    if (multis[0].code && e && !e->code)
        *e = multis[0].error;
    return multis[0].code;
}

/* What the session knows from here on. */
static void learn(struct tg_work *w, int rc, bool all_done)
{
    if (rc || !all_done) {
        tg_recall_forget(w->guard);
        return;
    }
    tg_recall_drop(w->guard, w->lock.id);
    tg_plan_advance(&w->plan);
    tg_recall_learn(w->guard, &w->plan);
}

int tg_work_write(struct tg_work *w, const char *verb, const char *who, const char *why, enum tg_rows rows, struct tg_error *e)
{
    struct tg_batch change = TG_BATCH_INIT, removal = TG_BATCH_INIT;
    struct tg_multi multis[2];
    bool acks = rows != TG_ROWS_STAY;

    if (rows == TG_ROWS_GO) {
        emit_removal(w, &change, 0);
        emit_deed(w, &change, verb, who, why);
    } else {
        emit_change(w, &change, verb, who, why);
    }
    if (rows == TG_ROWS_AFTER) {
        tg_plan_advance(&w->plan);
        tg_batch_check(&removal, w->plan.audit.path, TG_ANY_VERSION);
        emit_removal(w, &removal, 1);
    }
    multis[0] = (struct tg_multi) {.ops = change.ops, .n_ops = change.n};
    multis[1] = (struct tg_multi) {.ops = removal.ops, .n_ops = removal.n};
    int rc = change.failed || removal.failed ? tg_fail(e, TG_E_MEMORY, "out of memory")
                                             : send(w, multis, rows == TG_ROWS_AFTER ? 2 : 1, &acks, e);
    learn(w, rc, rows != TG_ROWS_AFTER || !multis[1].code);
    w->kept_from = rows == TG_ROWS_GO && rc == TG_E_PERM;
    tg_batch_release(&change);
    tg_batch_release(&removal);
    if (!rc && acks)
        tg_acks_clear(w->guard, w->lock.id);
    return rc == TG_E_NOENT ? TG_E_VERSION : rc; /* a row went since it was read: look again */
}

int tg_work_remove(struct tg_work *w, const char *verb, const char *why, struct tg_error *e)
{
    struct tg_batch b = TG_BATCH_INIT;

    emit_removal(w, &b, 0);
    emit_deed(w, &b, verb, w->lock.owner, why);
    int rc = tg_batch_run(&b, w->guard, e);
    tg_batch_release(&b);
    learn(w, rc, true);
    if (!rc && tg_plan_has_acks(&w->plan))
        tg_acks_clear(w->guard, w->lock.id);
    return rc;
}
