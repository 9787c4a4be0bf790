/* Changing a lock that lies in the store: confirming, extending, releasing; and listing. See lock.h. */
#include "guard/tree.h"

#include "base/shown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/locks"
#define TRIES 24

static void record_path(const struct tg_lock *lock, size_t scope, char *out, size_t size)
{
    char parent[TG_NODE_PATH_SIZE];

    tg_tree_scope_path(ROOT, &lock->scopes.v[scope], parent, sizeof parent);
    snprintf(out, size, "%s/%s", parent, lock->id);
}

static int no_such_lock(const char *id, struct tg_error *e)
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
    rc = no_such_lock(id, NULL);
    for (size_t i = 0; i < n; i++)
        if (strcmp(locks[i].id, id) == 0 && tg_lock_is_live(&locks[i], tg_guard_wall(guard)))
            rc = tg_unknown(guard, e, "missing-node", "%s is not there, but the lock is: this copy is not whole", index + 1);
    tg_look_free(look);
    return rc == TG_E_NOENT ? no_such_lock(id, e) : rc;
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
        return no_such_lock(typed, e);
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

/* What a change works on: the lock with its records' versions, and its scopes' counters. */
struct work {
    struct tg_guard *guard;
    struct tg_lock lock;
    struct tg_counter *counters;     /* per scope */
    int64_t *versions;               /* of the counters */
    int64_t *record_versions;
    int64_t cluster_version;
    bool rows_differ;                /* read while somebody changed them, or for good */
    struct tg_audit_slot audit;
};

static void work_free(struct work *w)
{
    for (size_t i = 0; w->counters && i < w->lock.scopes.n; i++)
        tg_counter_clear(&w->counters[i]);
    free(w->counters);
    free(w->versions);
    free(w->record_versions);
    tg_lock_clear(&w->lock);
}

/*
 * A part of it is not there. Reaping takes its first record and its entry in the index at once, then the others; so when the entry is
 * still there, read behind that record, a live lock has all its parts.
 */
static int prove_gone(struct work *w, const char *what, struct tg_error *e)
{
    char first[TG_NODE_PATH_SIZE + 32], index[64];
    struct tg_lock l;

    record_path(&w->lock, 0, first, sizeof first);
    snprintf(index, sizeof index, "/lock-index/%c/%s", w->lock.id[0], w->lock.id);
    struct tg_read_item items[2] = {{.path = first}, {.path = index}};
    int rc = tg_store_read_many(w->guard->store, items, 2, tg_guard_deadline(w->guard), e);
    if (rc)
        return rc;
    bool gone = items[1].code == TG_E_NOENT;
    if (!gone && !items[0].code && tg_lock_decode(items[0].node.data, items[0].node.len, &l, NULL) == 0) {
        gone = !tg_lock_is_live(&l, tg_guard_wall(w->guard));
        tg_lock_clear(&l);
    }
    tg_read_items_release(items, 2);
    return gone ? no_such_lock(w->lock.id, e) : tg_unknown(w->guard, e, "missing-node", "%s is not there: this copy is not whole", what + 1);
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

/* The row below one of its scopes. The first is the lock as it is; every other one must be the same text. */
static int take_row(struct work *w, const struct tg_read_item *item, size_t i, struct tg_lock *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_lock row;

    if (tg_lock_decode(item->node.data, item->node.len, &row, &why) != 0)
        return tg_tree_bad(w->guard, item->path, &why, e);
    row.txid = item->node.stat.created_txid;
    row.version = w->record_versions[i] = item->node.stat.version;
    row.generation = w->lock.generation;
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

static int take_records(struct work *w, const struct tg_read_item *items, struct tg_error *e)
{
    struct tg_lock found = {.id = ""};
    size_t n = w->lock.scopes.n;
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++) {
        if (items[2 * i].code || items[2 * i + 1].code)
            rc = prove_gone(w, items[2 * i + (items[2 * i].code ? 0 : 1)].path, e);
        else
            rc = tg_tree_prove(w->guard, items[2 * i].path, &items[2 * i].node, &w->counters[i], e);
        w->versions[i] = items[2 * i].node.stat.version;
        if (!rc && !tg_counter_has(&w->counters[i], w->lock.id))
            rc = tg_unknown(w->guard, e, "bad-record", "%s does not name %s, which lies there", items[2 * i].path + 1, w->lock.id);
        if (!rc)
            rc = take_row(w, &items[2 * i + 1], i, &found, e);
    }
    if (rc) {
        tg_lock_clear(&found);
        return rc;
    }
    found.cluster_version = w->cluster_version;
    tg_lock_clear(&w->lock);
    w->lock = found;
    return 0;
}

static int work_read(struct tg_guard *guard, const char *id, struct work *w, struct tg_error *e)
{
    *w = (struct work) {.guard = guard};
    int rc = find_scopes(guard, id, &w->lock, e);
    if (rc)
        return rc;
    size_t n = w->lock.scopes.n, n_items = 2 * n + 3;
    struct tg_read_item *items = calloc(n_items, sizeof *items);
    char(*paths)[TG_NODE_PATH_SIZE + 32] = calloc(2 * n, sizeof *paths);
    w->counters = calloc(n, sizeof *w->counters);
    w->versions = calloc(n, sizeof *w->versions);
    w->record_versions = calloc(n, sizeof *w->record_versions);
    if (!items || !paths || !w->counters || !w->versions || !w->record_versions)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < n; i++) {
        tg_tree_scope_path(ROOT, &w->lock.scopes.v[i], paths[2 * i], sizeof *paths);
        record_path(&w->lock, i, paths[2 * i + 1], sizeof *paths);
        items[2 * i].path = paths[2 * i];
        items[2 * i + 1].path = paths[2 * i + 1];
    }
    if (!rc) {
        tg_audit_slot(guard, &w->audit);
        items[2 * n].path = "/cluster";
        items[2 * n + 1].path = w->audit.day;
        items[2 * n + 2].path = w->audit.minute;
        rc = tg_store_read_many(guard->store, items, n_items, tg_guard_deadline(guard), e);
    }
    if (!rc) {
        rc = tg_tree_prove_cluster(guard, &items[2 * n], TG_NOTE_BOUNDED, &w->lock.generation, e);
        w->cluster_version = items[2 * n].node.stat.version;
        w->audit.have_day = items[2 * n + 1].code == 0;
        w->audit.have_minute = items[2 * n + 2].code == 0;
        if (!rc)
            rc = take_records(w, items, e);
        tg_read_items_release(items, n_items);
    }
    free(items);
    free(paths);
    return rc;
}

/* Writes the records as they now are; with a verb also the counters' epochs and the audit. */
static int work_write(struct work *w, const char *verb, const char *who, const char *why, struct tg_error *e)
{
    struct tg_batch b = TG_BATCH_INIT;
    char *text = tg_lock_encode(&w->lock), path[TG_NODE_PATH_SIZE + 32];

    tg_batch_check(&b, "/cluster", w->cluster_version);
    for (size_t i = 0; i < w->lock.scopes.n; i++) {
        record_path(&w->lock, i, path, sizeof path);
        tg_batch_write(&b, path, text, w->record_versions[i]);
        w->counters[i].epoch++;
        char *counter = verb ? tg_counter_encode(&w->counters[i]) : NULL;
        tg_tree_scope_path(ROOT, &w->lock.scopes.v[i], path, sizeof path);
        if (verb)
            tg_batch_write(&b, path, counter, w->versions[i]);
        free(counter);
    }
    if (verb)
        tg_batch_tick(&b);
    if (verb)
        tg_audit_append(&b, &w->audit, tg_guard_wall(w->guard), verb, &w->lock, who, why);
    int rc = tg_batch_run(&b, w->guard, e);
    free(text);
    tg_batch_release(&b);
    return rc;
}

/* A change: 0 to write it, 1 when it is so already, or an error. lost: a write of ours may have happened. */
struct change {
    int (*apply)(struct tg_lock *lock, const struct change *c, bool lost, struct tg_error *e);
    const char *verb;  /* of the audit; NULL: none, and no counter moves */
    const char *who, *why;
    bool force;
    bool rows_differ;  /* out */
    int64_t now_ms, for_ms;
    const char *token;
};

static bool again(int code)
{
    return code == TG_E_VERSION || code == TG_E_EXISTS || code == TG_E_LOST || code == TG_E_TIMEOUT;
}

static int change_once(struct tg_guard *guard, const char *id, struct change *c, bool lost, struct tg_lock *out, struct tg_error *e)
{
    struct work w;
    int rc = work_read(guard, id, &w, e);

    c->rows_differ = w.rows_differ;
    c->now_ms = tg_guard_wall(guard);
    if (!rc)
        rc = c->apply(&w.lock, c, lost, e);
    if (rc == 0)
        rc = work_write(&w, c->verb, c->who, c->why, e);
    if (rc >= 0) {
        *out = w.lock;
        w.lock.scopes.n = 0; /* the counters' number goes with it: free them first */
        for (size_t i = 0; i < out->scopes.n; i++)
            tg_counter_clear(&w.counters[i]);
        w.lock.scopes = (struct tg_scopes) TG_SCOPES_INIT;
        rc = 0;
    }
    work_free(&w);
    return rc;
}

static int change(struct tg_guard *guard, const char *id, struct change *c, struct tg_lock *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    bool lost = false;
    int rc = TG_E_VERSION;

    tg_tree_begin(guard);
    for (int i = 0; (again(rc) || tg_tree_look_again(guard, rc, tg_guard_deadline(guard))) && i < TRIES; i++) {
        tg_error_clear(&why);
        rc = change_once(guard, id, c, lost, out, &why);
        lost = lost || rc == TG_E_LOST || rc == TG_E_TIMEOUT;
        if (rc == TG_E_TIMEOUT)
            break;
    }
    if (rc == TG_E_VERSION && c->rows_differ) /* again and again: it is not on its way */
        return tg_unknown(guard, e, "rows-differ", "%s", why.message);
    if (rc) {
        tg_fail(e, rc == TG_E_EXISTS ? TG_E_VERSION : rc, "%s", why.message);
        tg_error_hint(e, "%s", why.hint);
    }
    return rc;
}

/* --- the changes --- */

static int apply_confirm(struct tg_lock *l, const struct change *c, bool lost, struct tg_error *e)
{
    (void) c;
    (void) lost;
    if (l->state == TG_LOCK_RELEASED)
        return tg_fail(e, TG_E_PERM, "%s was broken by %s while it waited: %s", l->id, l->released_by, l->released_why);
    if (l->state == TG_LOCK_HELD)
        return 1;
    l->state = TG_LOCK_HELD;
    return 0;
}

int tg_lock_confirm(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e)
{
    struct tg_batch b = TG_BATCH_INIT;
    struct change c = {.apply = apply_confirm};
    struct tg_lock fresh = *lock;
    char path[TG_NODE_PATH_SIZE + 32];

    fresh.state = TG_LOCK_HELD;
    char *text = tg_lock_encode(&fresh);
    tg_batch_check(&b, "/cluster", lock->cluster_version); /* a tree that is being moved does not change any more */
    for (size_t i = 0; i < lock->scopes.n; i++) { /* nobody has touched it since: one write, no reads */
        record_path(lock, i, path, sizeof path);
        tg_batch_write(&b, path, text, lock->version);
    }
    int rc = tg_batch_run(&b, guard, NULL);
    free(text);
    tg_batch_release(&b);
    if (!rc) {
        lock->state = TG_LOCK_HELD;
        lock->version++;
        return 0;
    }
    rc = change(guard, lock->id, &c, &fresh, e);
    if (!rc) {
        tg_lock_clear(lock);
        *lock = fresh;
    }
    return rc;
}

static int not_yours(const struct tg_lock *l, const char *who, struct tg_error *e)
{
    tg_fail(e, TG_E_PERM, "%s is %s's lock (%s), not %s's", l->id, l->owner, l->reason, who);
    tg_error_hint(e, "ask %s; if nobody can: tagout unlock %s --force --reason \"why\"", l->owner, l->id);
    return TG_E_PERM;
}

static int apply_release(struct tg_lock *l, const struct change *c, bool lost, struct tg_error *e)
{
    if (l->state == TG_LOCK_RELEASED && lost)
        return 1;
    if (l->state == TG_LOCK_RELEASED) {
        tg_fail(e, TG_E_NOENT, "%s has been released already, by %s", l->id, l->released_by);
        return TG_E_NOENT;
    }
    if (strcmp(l->owner, c->who) != 0 && !c->force)
        return not_yours(l, c->who, e);
    l->state = TG_LOCK_RELEASED;
    l->released_ms = c->now_ms;
    int rc = tg_text_copy("owner", c->who, l->released_by, sizeof l->released_by, e);
    return rc ? rc : tg_text_copy("reason", c->why, l->released_why, sizeof l->released_why, e);
}

static int release(struct tg_guard *guard, const char *id, struct change *c, struct tg_lock *out, struct tg_error *e)
{
    struct tg_lock l;
    int rc = change(guard, id, c, &l, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < l.scopes.n; i++)
        (void) tg_lock_reap_scope(guard, &l.scopes.v[i], l.id);
    if (out)
        *out = l;
    else
        tg_lock_clear(&l);
    return 0;
}

int tg_lock_release(struct tg_guard *guard, const struct tg_release_request *r, struct tg_lock *out, struct tg_error *e)
{
    struct change c = {.apply = apply_release, .verb = r->force ? "break" : "unlock", .who = r->owner, .why = r->reason ? r->reason : "", .force = r->force};

    if (r->force && (!r->reason || tg_text_is_blank(r->reason)))
        return tg_fail(e, TG_E_USAGE, "breaking a lock needs a reason");
    return release(guard, r->id, &c, out, e);
}

int tg_lock_undo(struct tg_guard *guard, const struct tg_lock *lock, const char *why, struct tg_error *e)
{
    struct change c = {.apply = apply_release, .verb = "withdraw", .who = lock->owner, .why = why};

    return release(guard, lock->id, &c, NULL, e);
}

static int apply_extend(struct tg_lock *l, const struct change *c, bool lost, struct tg_error *e)
{
    (void) lost;
    if (l->state == TG_LOCK_RELEASED)
        return no_such_lock(l->id, e);
    if (strcmp(l->owner, c->who) != 0 && !c->force)
        return not_yours(l, c->who, e);
    l->until_ms = c->now_ms + c->for_ms;
    return 0;
}

int tg_lock_extend(struct tg_guard *guard, const char *id, const char *owner, int64_t for_ms, struct tg_lock *out, struct tg_error *e)
{
    struct change c = {.apply = apply_extend, .verb = "extend", .who = owner, .why = "", .for_ms = for_ms};

    return for_ms > 0 ? change(guard, id, &c, out, e) : tg_fail(e, TG_E_USAGE, "for how long?");
}

static int apply_token(struct tg_lock *l, const struct change *c, bool lost, struct tg_error *e)
{
    (void) lost;
    if (l->state == TG_LOCK_RELEASED)
        return no_such_lock(l->id, e);
    if (strcmp(l->owner, c->who) != 0 && !c->force)
        return not_yours(l, c->who, e);
    tg_sha256_hex(c->token, strlen(c->token), l->token_hash);
    return 0;
}

int tg_lock_set_token(struct tg_guard *guard, const struct tg_release_request *r, const char *token, struct tg_lock *out, struct tg_error *e)
{
    struct change c = {.apply = apply_token, .verb = "token", .who = r->owner, .why = r->reason ? r->reason : "", .force = r->force, .token = token};

    return change(guard, r->id, &c, out, e);
}

int tg_lock_find(struct tg_guard *guard, const char *id, struct tg_lock *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct work w;
    int rc;

    tg_tree_begin(guard);
    for (int i = 0; (rc = work_read(guard, id, &w, &why)) == TG_E_VERSION && i < TRIES; i++) { /* read while it was changed */
        work_free(&w);
        tg_error_clear(&why);
    }
    if (rc == TG_E_VERSION && w.rows_differ)
        rc = tg_unknown(guard, e, "rows-differ", "%s", why.message);
    else if (rc && e && !e->code)
        *e = why;
    if (!rc && w.lock.state == TG_LOCK_RELEASED)
        rc = no_such_lock(id, e);
    if (!rc) {
        for (size_t i = 0; i < w.lock.scopes.n; i++)
            tg_counter_clear(&w.counters[i]);
        *out = w.lock;
        w.lock.scopes = (struct tg_scopes) TG_SCOPES_INIT;
    }
    work_free(&w);
    return rc;
}

/* --- listing --- */

static int older_first(const void *a, const void *b)
{
    const struct tg_lock *x = a, *y = b;

    return x->since_ms != y->since_ms ? (x->since_ms < y->since_ms ? -1 : 1) : strcmp(x->id, y->id);
}

int tg_lock_list(struct tg_guard *guard, const struct tg_scopes *scopes, struct tg_locks *out, struct tg_error *e)
{
    struct tg_look *look = NULL;
    bool all = !scopes || !scopes->n;
    size_t n = 0;
    int rc = tg_look_run(guard, scopes, all, tg_guard_deadline(guard), &look, e);

    if (rc)
        return rc;
    struct tg_lock *locks = tg_look_locks(look, &n);
    struct tg_locks found = {.v = calloc(n + 1, sizeof *found.v)};
    int64_t now = tg_guard_wall(guard);
    for (size_t i = 0; found.v && i < n; i++)
        if (tg_lock_is_live(&locks[i], now) && (all || tg_scopes_overlap(scopes, &locks[i].scopes, NULL, NULL) != TG_OVERLAP_NO)) {
            found.v[found.n++] = locks[i];
            locks[i].scopes = (struct tg_scopes) TG_SCOPES_INIT;
        }
    tg_look_free(look);
    if (!found.v)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    qsort(found.v, found.n, sizeof *found.v, older_first);
    *out = found;
    return 0;
}

void tg_locks_release(struct tg_locks *locks)
{
    for (size_t i = 0; i < locks->n; i++)
        tg_lock_clear(&locks->v[i]);
    free(locks->v);
    *locks = (struct tg_locks) {.n = 0};
}
