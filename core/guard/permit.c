/* Permits: see permit.h and tests/model/handshake.pml. */
#include "guard/permit.h"

#include "guard/hold.h"
#include "guard/nested.h"
#include "guard/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT "/permits"
#define TRIES 8

struct tg_permit {
    struct tg_guard guard;
    struct tg_permit_record record;
    char own_path[TG_NODE_PATH_SIZE]; /* below its first scope */
    int64_t generation, txid;
    int64_t granted_ms;
    uint64_t session;
    int state;            /* 0, TG_E_SESSION, TG_E_NOENT */
    bool asking;          /* a beat is on its way */
    bool released;        /* freed by the answer of that beat */
};

static void folder_of(const struct tg_scope *scope, char *out, size_t size)
{
    if (tg_tree_has_buckets(scope->kind))
        tg_tree_bucket_path(ROOT, scope, out, size);
    else
        tg_tree_index_path(ROOT, scope->kind, out, size);
}

static void path_of(const struct tg_permit *p, size_t scope, char *out, size_t size)
{
    char folder[TG_NODE_PATH_SIZE];

    folder_of(&p->record.scopes.v[scope], folder, sizeof folder);
    snprintf(out, size, "%.900s/%s", folder, p->record.id);
}

/* Whether a scope before this one lies in the same folder (two groups; two hosts of a bucket): there is one node for both. */
static bool has_its_node(const struct tg_permit *p, size_t scope)
{
    char path[TG_NODE_PATH_SIZE], other[TG_NODE_PATH_SIZE];

    path_of(p, scope, path, sizeof path);
    for (size_t i = 0; i < scope; i++) {
        path_of(p, i, other, sizeof other);
        if (strcmp(path, other) == 0)
            return true;
    }
    return false;
}

/* What a command says of itself is cut and cleaned, not refused: it is only shown. */
static void copy_loosely(const char *text, char *out, size_t size)
{
    size_t n = 0;

    for (; *text && n + 1 < size; text++)
        out[n++] = *text >= 0x20 && *text < 0x7f ? *text : '?';
    out[n] = '\0';
}

static int permit_new(struct tg_guard *guard, const struct tg_permit_request *r, struct tg_permit **out, struct tg_error *e)
{
    struct tg_permit *p = calloc(1, sizeof *p);
    int rc = p ? tg_actor_check(r->actor, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (rc) {
        free(p);
        return rc;
    }
    p->guard = *guard;
    snprintf(p->record.actor, sizeof p->record.actor, "%s", r->actor);
    copy_loosely(r->host, p->record.host, sizeof p->record.host);
    copy_loosely(r->what, p->record.what, 200);
    p->record.pid = getpid();
    p->record.since_ms = tg_guard_wall(guard);
    p->record.n_passes = tg_tokens_hash(r->tokens, p->record.passes);
    rc = tg_text_copy("owner", r->owner, p->record.owner, sizeof p->record.owner, e);
    if (!rc)
        rc = tg_random_id(p->record.id, 26, e);
    if (!rc)
        rc = tg_scopes_copy(r->scopes, &p->record.scopes, e);
    if (!rc && !p->record.scopes.n)
        rc = tg_fail(e, TG_E_USAGE, "no scope");
    if (rc) {
        tg_permit_clear(&p->record);
        free(p);
        return rc;
    }
    path_of(p, 0, p->own_path, sizeof p->own_path);
    *out = p;
    return 0;
}

/* --- writing it --- */

static int make_folders(struct tg_permit *p, struct tg_error *e)
{
    char path[TG_NODE_PATH_SIZE];

    for (size_t i = 0; i < p->record.scopes.n; i++) {
        if (!tg_tree_has_buckets(p->record.scopes.v[i].kind))
            continue;
        folder_of(&p->record.scopes.v[i], path, sizeof path);
        struct tg_error why = TG_ERROR_INIT;
        int rc = tg_store_create(p->guard.store, path, "", 0, TG_CREATE_PERSISTENT, tg_guard_deadline(&p->guard), &why);
        if (rc == TG_E_NOENT)
            return tg_tree_missing(&p->guard, "/permits", e);
        if (rc && rc != TG_E_EXISTS)
            return tg_fail(e, rc, "%s", why.message);
    }
    return 0;
}

static int write_once(struct tg_permit *p, struct tg_error *e)
{
    struct tg_batch b = TG_BATCH_INIT;
    char path[TG_NODE_PATH_SIZE], *text = tg_permit_encode(&p->record);

    for (size_t i = 0; i < p->record.scopes.n; i++) {
        if (has_its_node(p, i))
            continue;
        path_of(p, i, path, sizeof path);
        tg_batch_create(&b, path, text, TG_CREATE_EPHEMERAL);
    }
    int rc = tg_batch_run(&b, &p->guard, e);
    free(text);
    tg_batch_release(&b);
    return rc;
}

/* Is it there, and is it this session's? What another session has written is never one's own, whatever its name. */
static int prove_own(struct tg_permit *p, struct tg_error *e)
{
    struct tg_node node;
    int rc = tg_store_read(p->guard.store, p->own_path, tg_guard_deadline(&p->guard), &node, e);

    if (rc)
        return rc;
    p->txid = node.stat.created_txid;
    p->granted_ms = node.stat.modified_ms;
    p->session = tg_store_session_id(p->guard.store);
    if (node.stat.owner != p->session)
        rc = tg_unknown(&p->guard, e, "not-own-session", "the permit was written by another session than this");
    tg_node_release(&node);
    return rc;
}

/* The name is unique, so writing it again after an answer was lost can't make a second one: "it exists" then means it is there. */
static int write_it(struct tg_permit *p, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    bool lost = false;
    int rc = TG_E_LOST;
    int64_t deadline = tg_guard_deadline(&p->guard);

    for (int i = 0; i < TRIES && (rc == TG_E_LOST || rc == TG_E_NOENT); i++) {
        if (i && tg_store_deadline(p->guard.store, 0) > deadline)
            break;
        tg_error_clear(&why);
        rc = rc == TG_E_NOENT ? make_folders(p, &why) : 0;
        if (!rc)
            rc = write_once(p, &why);
        lost = lost || rc == TG_E_LOST;
        if (rc == TG_E_EXISTS && lost)
            rc = 0;
    }
    if (!rc)
        return prove_own(p, e);
    if (rc == TG_E_NOENT)
        rc = tg_tree_missing(&p->guard, "/permits", &why);
    tg_fail(e, rc, "%s", why.message);
    tg_error_hint(e, "%s", why.hint);
    return rc;
}

/* Whether it is known to be gone. */
static bool withdraw(struct tg_permit *p)
{
    struct tg_batch b = TG_BATCH_INIT;
    char path[TG_NODE_PATH_SIZE];
    int rc = TG_E_LOST;

    for (size_t i = 0; i < p->record.scopes.n; i++) {
        if (has_its_node(p, i))
            continue;
        path_of(p, i, path, sizeof path);
        tg_batch_delete(&b, path, TG_ANY_VERSION);
    }
    for (int i = 0; i < 3 && rc == TG_E_LOST; i++) /* if it fails for good, the session's end takes it away */
        rc = tg_batch_run(&b, &p->guard, NULL);
    tg_batch_release(&b);
    return rc == 0 || rc == TG_E_NOENT || rc == TG_E_SESSION;
}

/* --- taking it --- */

/* A local hold is answered without the store, which may be away. */
static bool held_locally(struct tg_guard *guard, const struct tg_permit_request *r, struct tg_guard_verdict *verdict)
{
    struct tg_question q = {.scopes = r->scopes, .actor = r->actor, .tokens = r->tokens};

    return tg_local_hold_decides(guard->state_dir, guard->inventory, &q, tg_guard_wall(guard), verdict);
}

/* It was refused, or it is not known whether it was written. Consumed. */
static void drop(struct tg_permit *p, const struct tg_permit_request *r, bool gone)
{
    if (!gone && r->left) {
        *r->left = p;
        return;
    }
    tg_permit_clear(&p->record);
    free(p);
}

/* under_txid: within another run, of that age; 0: on its own. */
static int take(struct tg_guard *guard, const struct tg_permit_request *r, int64_t under_txid, struct tg_permit **out, struct tg_guard_verdict *verdict,
                struct tg_error *e)
{
    struct tg_question q = {.actor = r->actor, .tokens = r->tokens, .outer = under_txid ? r->outer : NULL};
    struct tg_permit *p = NULL;
    struct tg_error why = TG_ERROR_INIT;

    *verdict = (struct tg_guard_verdict) {.answer = TG_ANSWER_UNKNOWN};
    guard->cause[0] = '\0';
    int rc = permit_new(guard, r, &p, &why);
    if (!rc)
        p->record.under_txid = under_txid;
    bool locally = !rc && held_locally(guard, r, verdict), gone = true;
    if (!rc && !locally)
        rc = write_it(p, &why);
    if (locally) {
        rc = verdict->answer == TG_ANSWER_HELD ? TG_E_HELD : TG_E_UNKNOWN;
        why = verdict->error;
    } else if (rc) {
        gone = !p || rc == TG_E_USAGE || tg_store_state(guard->store) == TG_SESSION_EXPIRED; /* else it may be written, or be on its way */
        tg_verdict_unknown(p ? &p->guard : guard, rc, &why, verdict);
        why = verdict->error;
    } else {
        q.scopes = &p->record.scopes;
        tg_check(&p->guard, &q, tg_guard_deadline(guard), verdict); /* after the write, on the same session */
        p->generation = verdict->generation;
        if (verdict->answer == TG_ANSWER_GO) {
            *out = p;
            return 0;
        }
        rc = verdict->answer == TG_ANSWER_HELD ? TG_E_HELD : TG_E_UNKNOWN;
        why = verdict->error;
        gone = withdraw(p);
    }
    if (rc == TG_E_HELD)
        tg_fail(e, rc, "%s holds it", verdict->locks.v[0].id);
    else
        tg_fail(e, rc, "%s", why.message);
    tg_error_hint(e, "%s", why.hint);
    snprintf(guard->cause, sizeof guard->cause, "%s", verdict->cause);
    if (p)
        drop(p, r, gone);
    return rc;
}

/*
 * On its own first: who runs within another run mostly meets no lock, and then nobody need know. Only when all that holds it waits for that run is it
 * written with the other's age: a lock waits for such, so what is refused anyway, again and again, must not look like it.
 */
int tg_permit_take(struct tg_guard *guard, const struct tg_permit_request *r, struct tg_permit **out, struct tg_guard_verdict *verdict, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    int rc = take(guard, r, 0, out, verdict, &why);
    int64_t age = rc == TG_E_HELD && (!r->left || !*r->left) ? tg_outer_age(guard, r->outer, r->scopes, verdict, tg_guard_deadline(guard)) : 0;

    if (age) {
        tg_verdict_release(verdict);
        return take(guard, r, age, out, verdict, e);
    }
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        tg_error_hint(e, "%s", why.hint);
    }
    return rc;
}

/* --- reporting what acts already --- */

/* Who wants to know why a lock waited finds it there. Without it the report is as good. */
static void tell_audit(struct tg_guard *guard, const struct tg_permit_record *r, const struct tg_lock *because)
{
    struct tg_batch b = TG_BATCH_INIT;
    struct tg_audit_slot slot;
    struct tg_lock about = {.until_ms = because->until_ms, .scopes = r->scopes};
    char why[TG_REASON_SIZE];

    memcpy(about.id, because->id, sizeof about.id);
    memcpy(about.owner, because->owner, sizeof about.owner);
    memcpy(about.ticket, because->ticket, sizeof about.ticket);
    snprintf(why, sizeof why, "%s: %.300s (pid %ld)", r->actor, r->what, (long) r->pid);
    for (int i = 0, rc = TG_E_NOENT; i < 3 && (rc == TG_E_NOENT || rc == TG_E_EXISTS); i++) { /* the folders of its minute may be there, or not */
        tg_audit_slot(guard, &slot);
        slot.have_day = i > 0;
        slot.have_minute = i > 1;
        tg_audit_append(&b, &slot, tg_guard_wall(guard), "in-flight", &about, r->owner, why);
        rc = tg_batch_run(&b, guard, NULL);
        tg_batch_release(&b);
    }
}

int tg_permit_report_in_flight(struct tg_guard *guard, const struct tg_permit_sighting *s, struct tg_permit **out, struct tg_error *e)
{
    struct tg_permit_request r = {.scopes = s->scopes, .actor = s->actor, .owner = s->owner, .host = s->host, .what = s->what};
    struct tg_permit *p = NULL;

    guard->cause[0] = '\0';
    int rc = permit_new(guard, &r, &p, e);
    if (rc)
        return rc;
    p->record.in_flight = true;
    p->record.pid = s->pid;
    p->record.since_ms = s->since_ms > 0 ? s->since_ms : p->record.since_ms;
    p->record.n_passes = s->n_passes < TG_PASSES_MAX ? s->n_passes : TG_PASSES_MAX;
    for (size_t i = 0; i < p->record.n_passes; i++)
        memcpy(p->record.passes[i], s->passes[i], sizeof p->record.passes[i]);
    rc = write_it(p, e);
    if (rc) {
        snprintf(guard->cause, sizeof guard->cause, "%s", p->guard.cause);
        tg_permit_abandon(p);
        return rc;
    }
    if (s->because)
        tell_audit(guard, &p->record, s->because);
    *out = p;
    return 0;
}

void tg_permit_fence(const struct tg_permit *p, int64_t *out_generation, int64_t *out_txid)
{
    *out_generation = p->generation;
    *out_txid = p->txid;
}

const char *tg_permit_name(const struct tg_permit *p, char *out, size_t size)
{
    return tg_outer_format(p->generation, p->txid, p->record.id, out, size);
}

const char *tg_permit_id(const struct tg_permit *p)
{
    return p->record.id;
}

int64_t tg_permit_granted_ms(const struct tg_permit *p)
{
    return p->granted_ms;
}

/* --- keeping it (P4) --- */

void tg_permit_deadline(const struct tg_permit *p, int64_t *out_stop_ms, int64_t *out_kill_ms)
{
    int64_t session = tg_store_session_ms(p->guard.store), proven = tg_store_proven_ms(p->guard.store);

    *out_stop_ms = *out_kill_ms = INT64_MAX;
    if (session == INT64_MAX)
        return;
    *out_stop_ms = proven + session * 2 / 3; /* the last sixth is the margin for what can't be stopped at once */
    *out_kill_ms = proven + session * 5 / 6;
}

int64_t tg_permit_beat_ms(const struct tg_permit *p)
{
    int64_t session = tg_store_session_ms(p->guard.store);

    return session == INT64_MAX ? INT64_MAX : session / 6;
}

static void on_beat(void *data, const struct tg_store_reply *reply)
{
    struct tg_permit *p = data;

    p->asking = false;
    if (p->released) {
        free(p);
        return;
    }
    if (reply->code == TG_E_NOENT || (reply->code == 0 && reply->stat.owner != p->session))
        p->state = TG_E_NOENT;
    else if (reply->code == TG_E_SESSION)
        p->state = TG_E_SESSION;
}

void tg_permit_beat(struct tg_permit *p)
{
    if (p->asking || p->state)
        return;
    p->asking = true;
    if (tg_store_read_async(p->guard.store, p->own_path, NULL, NULL, on_beat, p, NULL) != 0)
        p->asking = false; /* nothing is proven, so the deadline stays where it is */
}

int tg_permit_state(const struct tg_permit *p)
{
    enum tg_session_state s = tg_store_state(p->guard.store);

    return s == TG_SESSION_EXPIRED || s == TG_SESSION_REFUSED ? TG_E_SESSION : p->state;
}

void tg_permit_abandon(struct tg_permit *p)
{
    if (!p)
        return;
    tg_permit_clear(&p->record);
    free(p);
}

bool tg_permit_give_back(struct tg_permit *p)
{
    if (!tg_permit_state(p) && withdraw(p))
        p->state = TG_E_NOENT;
    return tg_permit_state(p) != 0;
}

void tg_permit_release(struct tg_permit *p)
{
    if (!p)
        return;
    if (!tg_permit_state(p))
        withdraw(p);
    tg_permit_clear(&p->record);
    p->released = true;
    if (!p->asking)
        free(p);
}
