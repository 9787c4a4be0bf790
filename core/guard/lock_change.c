/* Changing a lock that lies in the store: confirming, extending, releasing; and finding one. See lock.h. */
#include "guard/lock_work.h"
#include "guard/recall.h"

#include "base/shown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 24
#define GO_TRIES 4 /* on crowded counters a tombstone is more easily written than a lock removed */

/* A change: 0 to write it, 1 when it is so already, or an error. lost: a write of ours may have happened. */
struct change {
    int (*apply)(struct tg_lock *lock, struct change *c, bool lost, struct tg_error *e);
    const char *verb;  /* of the audit; NULL: none, and no counter moves */
    const char *who, *why;
    const struct tg_scopes *known; /* of the lock, where the caller has it */
    bool force;
    bool reap;         /* it is of no use any more, and goes at once */
    int64_t now_ms, for_ms;
    struct tg_guard *guard;
    const char *token;
    const char *spent;
    int64_t spent_version;
    /* own */
    bool rows_differ;
    bool kept_from;    /* the store lets us release it, but not remove it */
    bool crowded;      /* other locks lie on its scopes */
    char entry[160];   /* of the audit, of the last try */
};

static bool again(int code)
{
    return code == TG_E_VERSION || code == TG_E_EXISTS || code == TG_E_LOST || code == TG_E_TIMEOUT;
}

/* One of our own is released without reading it; but once only, and what was lost is always looked for. */
static int read_or_recall(struct tg_guard *guard, const char *id, struct change *c, bool first, struct tg_work *w, struct tg_error *e)
{
    if (first && c->reap) {
        struct tg_error none = TG_ERROR_INIT;
        if (tg_work_recall(guard, id, w, &none) == 0)
            return 0;
        tg_work_release(w);
    }
    return tg_work_read(guard, id, c->known, w, e);
}

static enum tg_rows rows_of(const struct change *c, int try)
{
    return !c->reap ? TG_ROWS_STAY : c->kept_from || try >= GO_TRIES ? TG_ROWS_AFTER : TG_ROWS_GO;
}

static int change_once(struct tg_guard *guard, const char *id, struct change *c, int try, bool lost, struct tg_lock *out, struct tg_error *e)
{
    struct tg_work w;
    int rc = read_or_recall(guard, id, c, try == 0, &w, e);

    c->rows_differ = w.rows_differ;
    c->now_ms = tg_guard_wall(guard);
    c->guard = guard;
    if (!rc)
        rc = c->apply(&w.lock, c, lost, e);
    w.spent = c->spent;
    w.spent_version = c->spent_version;
    if (rc == 0) {
        rc = tg_work_write(&w, c->verb, c->who, c->why, rows_of(c, try), e);
        if (w.kept_from && !c->kept_from) {
            c->kept_from = true;
            rc = TG_E_VERSION;
        }
        snprintf(c->entry, sizeof c->entry, "%s", w.plan.audit.path);
        for (size_t i = 0; c->reap && i < w.plan.n_scopes; i++)
            c->crowded = c->crowded || w.plan.slots[w.plan.of_scope[i]].counter.count > 0;
    }
    if (rc >= 0 || rc == TG_E_LOST || rc == TG_E_TIMEOUT) { /* what it is, or what it may have become */
        tg_lock_clear(out);
        *out = w.lock;
        w.lock.scopes = (struct tg_scopes) TG_SCOPES_INIT;
    }
    tg_work_release(&w);
    return rc > 0 ? 0 : rc;
}

/* It is not there any more, and a release of ours went unanswered: its entry in the audit tells whether that was it. */
static bool was_ours(struct tg_guard *guard, const struct change *c)
{
    struct tg_node node;

    if (!c->reap || !c->entry[0] || tg_store_read(guard->store, c->entry, tg_guard_deadline(guard), &node, NULL) != 0)
        return false;
    tg_node_release(&node);
    return true;
}

static int change(struct tg_guard *guard, const char *id, struct change *c, struct tg_lock *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_lock l = {.id = ""};
    bool lost = false;
    int rc = TG_E_VERSION;

    tg_tree_begin(guard);
    for (int i = 0; (again(rc) || tg_tree_look_again(guard, rc, tg_guard_deadline(guard))) && i < TRIES; i++) {
        tg_error_clear(&why);
        rc = change_once(guard, id, c, i, lost, &l, &why);
        if (rc == TG_E_NOENT && lost && was_ours(guard, c))
            rc = 0;
        lost = lost || rc == TG_E_LOST || rc == TG_E_TIMEOUT;
        if (rc == TG_E_TIMEOUT)
            break;
    }
    if (!rc) {
        *out = l;
        return 0;
    }
    tg_lock_clear(&l);
    if (rc == TG_E_VERSION && c->rows_differ) /* again and again: it is not on its way */
        return tg_unknown(guard, e, "rows-differ", "%s", why.message);
    tg_fail(e, rc == TG_E_EXISTS ? TG_E_VERSION : rc, "%s", why.message);
    tg_error_hint(e, "%s", why.hint);
    return rc;
}

/* --- the changes --- */

static int apply_confirm(struct tg_lock *l, struct change *c, bool lost, struct tg_error *e)
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

/* Nobody has touched it since it was placed: one write, no reads. */
static int confirm_at_once(struct tg_guard *guard, struct tg_lock *lock, void (*meanwhile)(void *data), void *data)
{
    struct tg_batch b = TG_BATCH_INIT;
    struct tg_lock fresh = *lock;
    char parent[TG_NODE_PATH_SIZE], path[TG_ROW_PATH_SIZE];

    fresh.state = TG_LOCK_HELD;
    char *text = tg_lock_encode(&fresh);
    tg_batch_check(&b, TG_CLUSTER_PATH, lock->cluster_version); /* a tree that is being moved does not change any more */
    for (size_t i = 0; i < lock->scopes.n; i++) {
        tg_tree_scope_path(TG_LOCKS_ROOT, &lock->scopes.v[i], parent, sizeof parent);
        snprintf(path, sizeof path, "%s/%s", parent, lock->id);
        tg_batch_write(&b, path, text, lock->version);
    }
    int rc = tg_batch_run_while(&b, guard, meanwhile, data, NULL);
    free(text);
    tg_batch_release(&b);
    if (rc) {
        tg_recall_forget(guard);
        return rc;
    }
    lock->state = TG_LOCK_HELD;
    lock->version++;
    tg_recall_keep(guard, lock);
    return 0;
}

static int confirm(struct tg_guard *guard, struct tg_lock *lock, void (*meanwhile)(void *data), void *data, struct tg_error *e)
{
    struct change c = {.apply = apply_confirm, .known = &lock->scopes};
    struct tg_lock fresh;

    if (lock->state == TG_LOCK_TAKING && confirm_at_once(guard, lock, meanwhile, data) == 0)
        return 0;
    int rc = change(guard, lock->id, &c, &fresh, e);
    if (!rc) {
        tg_lock_clear(lock);
        *lock = fresh;
    }
    return rc;
}

int tg_lock_confirm(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e)
{
    return confirm(guard, lock, NULL, NULL, e);
}

struct noting {
    struct tg_guard *guard;
    const struct tg_lock *lock;
    bool done;
};

static void note(void *data)
{
    struct noting *n = data;

    tg_tree_note(n->guard, n->lock->generation, n->lock->txid);
    n->done = true;
}

int tg_lock_confirm_noting(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e)
{
    struct noting n = {.guard = guard, .lock = lock};
    int rc = confirm(guard, lock, note, &n, e);

    if (!n.done) /* nothing could be sent */
        note(&n);
    return rc;
}

static int not_yours(const struct tg_lock *l, const char *who, struct tg_error *e)
{
    tg_fail(e, TG_E_PERM, "%s is %s's lock (%s), not %s's", l->id, l->owner, l->reason, who);
    tg_error_hint(e, "ask %s; if nobody can: tagout unlock %s --force --reason \"why\"", l->owner, l->id);
    return TG_E_PERM;
}

static int apply_release(struct tg_lock *l, struct change *c, bool lost, struct tg_error *e)
{
    if (l->state == TG_LOCK_RELEASED && lost)
        return 1;
    if (l->state == TG_LOCK_RELEASED) {
        tg_fail(e, TG_E_NOENT, "%s has been released already, by %s", l->id, l->released_by);
        return TG_E_NOENT;
    }
    if (strcmp(l->owner, c->who) != 0 && !c->force)
        return not_yours(l, c->who, e);
    if (strcmp(l->owner, c->who) != 0)
        c->verb = "break";
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
    if (c->crowded) /* some may be dead */
        (void) tg_lock_reap(guard, &l.scopes);
    if (out)
        *out = l;
    else
        tg_lock_clear(&l);
    return 0;
}

int tg_lock_release(struct tg_guard *guard, const struct tg_release_request *r, struct tg_lock *out, struct tg_error *e)
{
    struct change c = {.apply = apply_release, .verb = "unlock", .who = r->owner, .why = r->reason ? r->reason : "", .force = r->force, .known = r->known, .reap = true,
                       .spent = r->spent, .spent_version = r->spent_version};

    if (r->force && (!r->reason || tg_text_is_blank(r->reason)))
        return tg_fail(e, TG_E_USAGE, "breaking a lock needs a reason");
    return release(guard, r->id, &c, out, e);
}

int tg_lock_undo(struct tg_guard *guard, const struct tg_lock *lock, const char *why, struct tg_error *e)
{
    struct change c = {.apply = apply_release, .verb = "withdraw", .who = lock->owner, .why = why, .known = &lock->scopes, .reap = true};

    return release(guard, lock->id, &c, NULL, e);
}

static int not_yours_to_extend(const struct tg_lock *l, const char *who, struct tg_error *e)
{
    char scope[TG_SCOPE_TEXT_SIZE];

    tg_fail(e, TG_E_PERM, "%s is %s's lock (%s), not %s's", l->id, l->owner, l->reason, who);
    tg_error_hint(e, "ask %s; or lay a lock of your own beside it: tagout lock %s --reason \"why\" --for 2h", l->owner,
                  tg_scope_format(&l->scopes.v[0], scope, sizeof scope));
    return TG_E_PERM;
}

static int apply_extend(struct tg_lock *l, struct change *c, bool lost, struct tg_error *e)
{
    (void) lost;
    if (!tg_lock_is_live(l, c->now_ms))
        return tg_work_no_such_lock(l->id, e);
    if (strcmp(l->owner, c->who) != 0)
        return not_yours_to_extend(l, c->who, e);
    int rc = l->release_at_expiry ? tg_guard_store_ms(c->guard, &c->now_ms, e) : 0;
    if (!rc)
        l->until_ms = c->now_ms + c->for_ms;
    return rc;
}

int tg_lock_extend(struct tg_guard *guard, const char *id, const char *owner, int64_t for_ms, struct tg_lock *out, struct tg_error *e)
{
    struct change c = {.apply = apply_extend, .verb = "extend", .who = owner, .why = "", .for_ms = for_ms};

    return for_ms > 0 ? change(guard, id, &c, out, e) : tg_fail(e, TG_E_USAGE, "for how long?");
}

static int apply_token(struct tg_lock *l, struct change *c, bool lost, struct tg_error *e)
{
    (void) lost;
    if (l->state == TG_LOCK_RELEASED)
        return tg_work_no_such_lock(l->id, e);
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
    struct tg_work w;
    int rc;

    tg_tree_begin(guard);
    for (int i = 0; (rc = tg_work_read(guard, id, NULL, &w, &why)) == TG_E_VERSION && i < TRIES; i++) { /* read while it was changed */
        tg_work_release(&w);
        tg_error_clear(&why);
    }
    if (rc == TG_E_VERSION && w.rows_differ)
        rc = tg_unknown(guard, e, "rows-differ", "%s", why.message);
    else if (rc && e && !e->code)
        *e = why;
    if (!rc && !tg_lock_is_live(&w.lock, 0))
        rc = tg_work_no_such_lock(id, e);
    if (!rc) {
        *out = w.lock;
        w.lock.scopes = (struct tg_scopes) TG_SCOPES_INIT;
    }
    tg_work_release(&w);
    return rc;
}
