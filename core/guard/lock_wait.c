/* Quiesce: who is in flight when a lock is placed, and waiting for them. See lock.h and tests/model/handshake.pml. */
#include "guard/acks.h"
#include "guard/hold.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/permits"
#define WATCHES_MAX 64 /* a few are enough to be woken; the others are read again then */
#define LOCAL_AGAIN_MS 1000
#define LOOK_AGAIN_MS 30000 /* in spite of watches: what they tell is a hint, what is read counts */

void tg_waits_release(struct tg_waits *waits)
{
    for (size_t i = 0; i < waits->n; i++)
        tg_permit_clear(&waits->v[i].permit);
    free(waits->v);
    tg_acks_release(&waits->acks);
    *waits = (struct tg_waits) {.n = 0};
}

/* Folders of permits that may matter. */
struct folders {
    char (*paths)[TG_NODE_PATH_SIZE];
    size_t n, cap;
};

static int add_folder(struct folders *f, const char *path, struct tg_error *e)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->paths[i], path) == 0)
            return 0;
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        char(*paths)[TG_NODE_PATH_SIZE] = realloc(f->paths, cap * sizeof *paths);
        if (!paths)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        f->paths = paths;
        f->cap = cap;
    }
    snprintf(f->paths[f->n++], TG_NODE_PATH_SIZE, "%s", path);
    return 0;
}

size_t tg_permit_folders(const struct tg_scopes *scopes, char (*out)[64], size_t *out_fixed)
{
    size_t n = 1;

    snprintf(out[0], sizeof out[0], ROOT "/fleet");
    for (size_t i = 0; i < scopes->n && n == 1; i++)
        if (scopes->v[i].kind != TG_SCOPE_SERVICE)
            snprintf(out[n++], sizeof out[0], ROOT "/group");
    *out_fixed = n;
    for (size_t i = 0; i < scopes->n; i++) {
        if (!tg_tree_has_buckets(scopes->v[i].kind))
            return 0;
        tg_tree_bucket_path(ROOT, &scopes->v[i], out[n], sizeof out[n]);
        n++;
    }
    return n;
}

/* All buckets of a kind: there are at most 256. */
static int add_buckets(struct tg_guard *guard, struct folders *f, enum tg_scope_kind kind, struct tg_error *e)
{
    char index[64], path[TG_NODE_PATH_SIZE];
    struct tg_names names;

    tg_tree_index_path(ROOT, kind, index, sizeof index);
    int rc = tg_store_list(guard->store, index, tg_guard_deadline(guard), &names, e);
    if (rc == TG_E_NOENT)
        return tg_tree_missing(guard, index, e);
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < names.count; i++) {
        snprintf(path, sizeof path, "%s/%.200s", index, names.names[i]);
        rc = add_folder(f, path, e);
    }
    tg_names_release(&names);
    return rc;
}

/* From the wide to the narrow, and they are read in this order: what runs within another run lies no wider than that (nested.h). */
static int find_folders(struct tg_guard *guard, const struct tg_scopes *scopes, struct folders *f, struct tg_error *e)
{
    int rc = add_folder(f, ROOT "/fleet", e);

    for (size_t i = 0; !rc && i < scopes->n; i++) {
        const struct tg_scope *s = &scopes->v[i];
        char path[TG_NODE_PATH_SIZE];
        if (s->kind != TG_SCOPE_SERVICE)
            rc = add_folder(f, ROOT "/group", e);
        if (!rc && (s->kind == TG_SCOPE_FLEET || s->kind == TG_SCOPE_GROUP)) /* hosts may be in it that do not say so */
            rc = add_buckets(guard, f, TG_SCOPE_HOST, e);
        if (!rc && s->kind == TG_SCOPE_FLEET)
            rc = add_buckets(guard, f, TG_SCOPE_SERVICE, e);
        if (!rc && tg_tree_has_buckets(s->kind)) {
            tg_tree_bucket_path(ROOT, s, path, sizeof path);
            rc = add_folder(f, path, e);
        }
    }
    return rc;
}

/* Reads many in rounds that are bounded as a transaction is. */
static int read_rounds(struct tg_guard *guard, struct tg_read_item *items, size_t n, struct tg_error *e)
{
    int rc = 0;
    size_t i = 0;

    for (; !rc && i < n; i += TG_STORE_OPS_MAX)
        rc = tg_store_read_many(guard->store, items + i, n - i < TG_STORE_OPS_MAX ? n - i : TG_STORE_OPS_MAX, tg_guard_deadline(guard), e);
    if (rc && i > TG_STORE_OPS_MAX)
        tg_read_items_release(items, i - TG_STORE_OPS_MAX);
    return rc;
}

static int take_listing(struct tg_guard *guard, const char *folder, const struct tg_read_item *item, struct folders *out, struct tg_error *e)
{
    char path[TG_NODE_PATH_SIZE + 260];
    bool always = strcmp(folder, ROOT "/fleet") == 0 || strcmp(folder, ROOT "/group") == 0;
    int rc = 0;

    if (item->code && always)
        return tg_tree_missing(guard, folder, e);
    for (size_t j = 0; !rc && !item->code && j < item->names.count; j++) {
        snprintf(path, sizeof path, "%s/%s", folder, item->names.names[j]);
        rc = add_folder(out, path, e);
    }
    return rc;
}

/* Who has acknowledged, and behind that the paths of all permits in the folders: one round trip, in this order. */
static int list_permits(struct tg_guard *guard, const struct folders *f, struct tg_acks_look *acks, struct folders *out, struct tg_acks *out_acks,
                        struct tg_error *e)
{
    size_t n_acks = tg_acks_look_items(acks, NULL), n = n_acks + f->n;
    struct tg_read_item *items = calloc(n + 1, sizeof *items);
    int rc;

    if (!items)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    (void) tg_acks_look_items(acks, items);
    for (size_t i = 0; i < f->n; i++)
        items[n_acks + i] = (struct tg_read_item) {.path = f->paths[i], .want_names = true};
    if ((rc = read_rounds(guard, items, n, e)) == 0) {
        for (size_t i = 0; !rc && i < f->n; i++)
            rc = take_listing(guard, f->paths[i], &items[n_acks + i], out, e);
        if (!rc)
            rc = tg_acks_look_take(acks, items, out_acks, e);
        tg_read_items_release(items, n);
    }
    free(items);
    return rc;
}

/*
 * Once more behind all that: an agent that reports the first run of its bucket makes the folder, then the permit, then acknowledges, and all that may
 * have been after the buckets were listed; likewise who runs within what was not met any more. Folders stay, so this finds some once in a store's life.
 */
static int list_fresh(struct tg_guard *guard, const struct tg_scopes *scopes, struct folders *f, struct folders *out, struct tg_error *e)
{
    size_t known = f->n;
    struct tg_read_item *items = NULL;
    int rc = find_folders(guard, scopes, f, e);

    if (rc || f->n == known)
        return rc;
    if (!(items = calloc(f->n - known, sizeof *items)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = known; i < f->n; i++)
        items[i - known] = (struct tg_read_item) {.path = f->paths[i], .want_names = true};
    if ((rc = read_rounds(guard, items, f->n - known, e)) == 0) {
        for (size_t i = known; !rc && i < f->n; i++)
            rc = take_listing(guard, f->paths[i], &items[i - known], out, e);
        tg_read_items_release(items, f->n - known);
    }
    free(items);
    return rc;
}

static int take_permit(struct tg_guard *guard, const struct tg_lock *lock, bool end_asked, const char *path, const struct tg_node *node, struct tg_waits *out,
                       struct tg_error *e)
{
    struct tg_permit_record p;
    struct tg_error why = TG_ERROR_INIT;
    size_t scope = 0;

    if (tg_permit_decode(node->data, node->len, &p, &why) != 0)
        return tg_tree_bad(guard, path, &why, e);
    p.session = node->stat.owner;
    p.txid = node->stat.created_txid;
    bool conflict = tg_lock_waits_for(lock, &p, end_asked);
    if (conflict)
        (void) tg_scopes_overlap(&lock->scopes, &p.scopes, NULL, &scope);
    for (size_t i = 0; conflict && i < out->n; i++) /* the same below another of its scopes */
        conflict = strcmp(out->v[i].permit.id, p.id) != 0;
    struct tg_waited *v = conflict ? realloc(out->v, (out->n + 1) * sizeof *v) : NULL;
    if (!v) {
        tg_permit_clear(&p);
        return conflict ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
    }
    out->v = v;
    v[out->n] = (struct tg_waited) {.permit = p, .scope = {.kind = p.scopes.v[scope].kind}};
    memcpy(v[out->n].scope.name, p.scopes.v[scope].name, sizeof v->scope.name);
    out->n++;
    return 0;
}

static int conflicts(struct tg_guard *guard, const struct tg_lock *lock, bool end_asked, struct tg_waits *out, struct tg_error *e)
{
    struct folders folders = {.n = 0}, permits = {.n = 0};
    struct tg_waits found = {.n = 0};
    struct tg_read_item *items = NULL;
    struct tg_acks_look *acks = NULL;
    int rc = find_folders(guard, &lock->scopes, &folders, e);

    if (!rc)
        rc = tg_acks_look_new(guard, lock, &acks, e);
    if (!rc)
        rc = list_permits(guard, &folders, acks, &permits, &found.acks, e);
    tg_acks_look_free(acks);
    if (!rc)
        rc = list_fresh(guard, &lock->scopes, &folders, &permits, e);
    if (!rc && !(items = calloc(permits.n + 1, sizeof *items)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < permits.n; i++)
        items[i].path = permits.paths[i];
    if (!rc && (rc = read_rounds(guard, items, permits.n, e)) == 0) {
        for (size_t i = 0; !rc && i < permits.n; i++)
            if (!items[i].code) /* one that has gone meanwhile has ended */
                rc = take_permit(guard, lock, end_asked, permits.paths[i], &items[i].node, &found, e);
        tg_read_items_release(items, permits.n);
    }
    free(items);
    free(folders.paths);
    free(permits.paths);
    if (rc)
        tg_waits_release(&found);
    else
        *out = found;
    return rc;
}

int tg_lock_conflicts(struct tg_guard *guard, const struct tg_lock *lock, struct tg_waits *out, struct tg_error *e)
{
    return conflicts(guard, lock, false, out, e);
}

/* --- waiting --- */

static void on_gone(void *data, enum tg_watch_event event, const char *path)
{
    (void) event;
    (void) path;
    *(bool *) data = true;
}

/* Turns the loop until the flag is set, or the deadline. TG_E_CANCELLED when interrupted. */
static int wait_for_flag(struct tg_guard *guard, const bool *flag, int64_t deadline, struct tg_error *e)
{
    struct tg_loop *loop = tg_store_loop(guard->store);

    while (!*flag && tg_store_deadline(guard->store, 0) < deadline) {
        if (tg_loop_turn(loop, deadline - tg_store_deadline(guard->store, 0)) == TG_E_CANCELLED)
            return tg_fail(e, TG_E_CANCELLED, "interrupted");
        if (tg_store_state(guard->store) == TG_SESSION_EXPIRED)
            return tg_fail(e, TG_E_SESSION, "the session has expired");
    }
    return 0;
}

/* Arms a watch; *out_gone is set now when the node is not there, or later when it changes. */
static int watch_node(struct tg_guard *guard, const char *path, bool *out_gone, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_node node;
    int rc = tg_store_read_watch(guard->store, path, on_gone, out_gone, tg_guard_deadline(guard), &node, &why);

    if (rc == TG_E_NOENT)
        *out_gone = true;
    else if (rc)
        return tg_fail(e, rc, "%s", why.message);
    else
        tg_node_release(&node);
    return 0;
}

static int64_t at_most(int64_t deadline, int64_t other)
{
    return deadline < other ? deadline : other;
}

/*
 * How long until the next look while agents have not acknowledged: it grows with each look. A watch would fire for each of a thousand of them,
 * and each time the whole folder would be read; so the locker's cost is a matter of time, and not of how many they are.
 */
static int64_t pace_ms(unsigned round)
{
    static const int64_t steps[] = {5, 10, 20, 40, 60, 100, 150, 250};

    return round < sizeof steps / sizeof steps[0] ? steps[round] : 500;
}

/* Until one of them changes, it is worth asking again, or the deadline. */
static int wait_for_change(struct tg_guard *guard, const struct tg_waits *waits, unsigned round, int64_t deadline, struct tg_error *e)
{
    bool gone = false;
    int rc = 0;
    int64_t again = tg_store_deadline(guard->store, waits->acks.n_missing ? pace_ms(round) : LOOK_AGAIN_MS);

    for (size_t i = 0; !rc && !gone && i < waits->n && i < WATCHES_MAX; i++) {
        char folder[TG_NODE_PATH_SIZE], path[TG_NODE_PATH_SIZE + 64];
        const struct tg_scope *s = &waits->v[i].scope;
        if (tg_tree_has_buckets(s->kind))
            tg_tree_bucket_path(ROOT, s, folder, sizeof folder);
        else
            tg_tree_index_path(ROOT, s->kind, folder, sizeof folder);
        snprintf(path, sizeof path, "%s/%s", folder, waits->v[i].permit.id);
        rc = watch_node(guard, path, &gone, e);
    }
    if (!rc)
        rc = wait_for_flag(guard, &gone, at_most(deadline, again), e);
    tg_store_unwatch(guard->store, on_gone, &gone);
    return rc;
}

int tg_lock_await_change(struct tg_guard *guard, const struct tg_lock *lock, int64_t deadline, struct tg_error *e)
{
    char folder[TG_NODE_PATH_SIZE], path[TG_NODE_PATH_SIZE + 64];
    bool changed = false;

    if (strcmp(lock->id, TG_LOCAL_HOLD_ID) == 0) /* a file of this host: it is looked at again, nothing of the store tells of it */
        return wait_for_flag(guard, &changed, at_most(deadline, tg_store_deadline(guard->store, LOCAL_AGAIN_MS)), e);
    tg_tree_scope_path("/locks", &lock->scopes.v[0], folder, sizeof folder);
    snprintf(path, sizeof path, "%s/%s", folder, lock->id);
    int rc = watch_node(guard, path, &changed, e);
    if (!rc)
        rc = wait_for_flag(guard, &changed, at_most(deadline, tg_store_deadline(guard->store, LOOK_AGAIN_MS)), e);
    tg_store_unwatch(guard->store, on_gone, &changed);
    return rc;
}

static void withdraw(struct tg_guard *guard, struct tg_lock *lock, const char *why, struct tg_error *e)
{
    struct tg_error none = TG_ERROR_INIT;
    struct tg_loop *loop = tg_store_loop(guard->store);

    tg_loop_interrupt_clear(loop); /* taking it back must not be interrupted by what made us take it back */
    int rc = tg_lock_undo(guard, lock, why, &none);
    if (rc && rc != TG_E_NOENT)
        tg_error_hint(e, "and it could not be taken back (%s): tagout unlock %s", none.message, lock->id);
    else
        tg_error_hint(e, "nothing is left locked by this%s", strcmp(why, "interrupted") ? "; try later, or wait longer" : "");
}

static void say_missing(const struct tg_acks *acks, const char *waited, struct tg_error *e)
{
    struct tg_buf hosts = TG_BUF_INIT;

    (void) tg_fold((const char *const *) acks->missing, acks->n_missing, &hosts, NULL);
    tg_fail(e, TG_E_HELD, "%zu of %zu agents had not acknowledged it after %s: %.300s", acks->n_missing, acks->present, waited, tg_buf_text(&hosts));
    if (acks->n_vanished)
        tg_error_hint(e, "nothing is left locked by this; the agent of %s went away meanwhile, and what it had seen may still act: look there, then lock again",
                      acks->missing[acks->n_missing - 1]);
    else
        tg_error_hint(e, "nothing is left locked by this; look there: tagout agent --status");
    tg_buf_release(&hosts);
}

static int give_up(struct tg_guard *guard, struct tg_lock *lock, const struct tg_waits *waits, int64_t wait_ms, struct tg_error *e)
{
    char text[TG_SCOPE_TEXT_SIZE], waited[32];
    const struct tg_waited *w = waits->n ? &waits->v[0] : NULL;

    tg_duration_format(wait_ms, waited, sizeof waited);
    if (w)
        tg_fail(e, TG_E_HELD, "%s on %s (%s) was still acting after %s%s", w->permit.actor, tg_scope_format(&w->scope, text, sizeof text), w->permit.host,
                waited, waits->n > 1 ? ", and others" : "");
    else
        say_missing(&waits->acks, waited, e);
    withdraw(guard, lock, "gave up waiting", e);
    return TG_E_HELD;
}

/* It was to end by itself, and did so while it waited: new permits are given already, so it never held all. */
static int ended_meanwhile(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e)
{
    tg_fail(e, TG_E_HELD, "its time was over before all that was in flight had ended");
    withdraw(guard, lock, "over before it was granted", e);
    return TG_E_HELD;
}

/* When one that ends by itself does, on the loop's clock, or whether it has: the store is asked, by whose clock new permits are given. */
static int ask_end(struct tg_guard *guard, struct tg_lock *lock, int64_t *out_end, struct tg_error *e)
{
    int64_t store_ms;

    if (!lock->release_at_expiry)
        return 0;
    int rc = tg_guard_store_ms(guard, &store_ms, e);
    if (rc)
        return rc;
    lock->ended = store_ms >= lock->until_ms;
    *out_end = tg_store_deadline(guard->store, lock->until_ms - store_ms);
    return 0;
}

static int quiesce(struct tg_guard *guard, struct tg_lock *lock, int64_t wait_ms, tg_wait_fn tell, void *data, struct tg_error *e)
{
    int64_t now = tg_store_deadline(guard->store, 0), deadline = wait_ms < 0 ? INT64_MAX : now + wait_ms, grace = now + TG_ACK_GRACE_MS;
    int64_t end = INT64_MAX;
    struct tg_acks_owed owed = {.n = 0};

    for (unsigned round = 0;; round++) {
        struct tg_waits waits = {.n = 0};
        int rc = conflicts(guard, lock, true, &waits, e);
        if (!rc)
            rc = tg_acks_owe(&owed, &waits, e);
        if (!rc)
            rc = ask_end(guard, lock, &end, e); /* behind the permits: what it says was still so when they were read */
        if (!rc && tell)
            tell(data, lock, &waits);
        bool clear = !waits.n && !waits.acks.n_missing;
        int64_t until = waits.n || deadline > grace ? deadline : grace;
        if (rc)
            clear = false;
        else if (lock->ended)
            rc = ended_meanwhile(guard, lock, e);
        else if (!clear && tg_store_deadline(guard->store, 0) >= until)
            rc = give_up(guard, lock, &waits, until == grace ? TG_ACK_GRACE_MS : wait_ms, e);
        else if (!clear)
            rc = wait_for_change(guard, &waits, round, at_most(until, end), e);
        tg_waits_release(&waits);
        if (rc || clear) {
            tg_acks_owed_release(&owed);
            return rc;
        }
    }
}

/* From the transaction to the state HELD. The lock is noted on this host before anybody is told of it. */
static int settle(struct tg_guard *guard, struct tg_lock *lock, const struct tg_placed *placed, int64_t wait_ms, tg_wait_fn tell, void *data,
                  struct tg_error *e)
{
    const struct tg_waits none = {.n = 0};

    if (placed->quiet && !lock->release_at_expiry) { /* which may have ended already */
        if (tell)
            tell(data, lock, &none);
        return tg_lock_confirm_noting(guard, lock, e);
    }
    tg_tree_note(guard, lock->generation, lock->txid);
    int rc = quiesce(guard, lock, wait_ms, tell, data, e);
    return rc ? rc : tg_lock_confirm(guard, lock, e);
}

int tg_lock_take(struct tg_guard *guard, const struct tg_lock_request *request, int64_t wait_ms, tg_wait_fn tell, void *data,
                 struct tg_lock *out, struct tg_error *e)
{
    struct tg_lock lock;
    struct tg_placed placed;
    int rc = tg_lock_place_only(guard, request, &lock, &placed, e);

    if (rc)
        return rc;
    rc = settle(guard, &lock, &placed, wait_ms, tell, data, e);
    if (!rc) {
        if (placed.crowded)
            (void) tg_lock_reap(guard, &lock.scopes);
        *out = lock;
        return 0;
    }
    if (rc == TG_E_CANCELLED)
        withdraw(guard, &lock, "interrupted", e);
    else if (rc != TG_E_HELD && e) {
        e->hint[0] = '\0';
        tg_error_hint(e, "the lock %s is on, but it is not proven that all that was in flight has ended; it stays: tagout unlock %s", lock.id, lock.id);
    }
    tg_lock_clear(&lock);
    return rc;
}
