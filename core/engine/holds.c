/* A run's locks and questions to the guard: see holds.h. */
#include "engine/holds.h"

#include "base/buf.h"
#include "base/sha256.h"
#include "guard/check.h"
#include "guard/gone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTOR "config-management"
#define READS_APART 4 /* of the time that one takes: thousands of locks are not read for each host that starts */
#define SEEN_MS 1000 /* locks of others that were read are good for so long: a release behind that would be missed, never a lock */

/* A lock that was placed and is not confirmed yet. */
struct placed {
    struct placed *next;
    size_t host;
    struct tg_lock lock;
};

struct tg_holds {
    struct tg_guard guard;
    char *run, *owner, *reason, *token, *tokens;
    const char **hold;
    size_t n_hold;
    struct placed *placed;
    int64_t top_txid;        /* of the locks that were placed, the last one's */
    struct tg_locks others;  /* locks of others, as they were read at seen_ms, behind our lock of seen_txid and all that were placed before it */
    int64_t seen_ms, seen_txid, took_ms;
};

static char *copy(const char *text, bool *failed)
{
    char *c = text ? strdup(text) : NULL;

    *failed |= text && !c;
    return c;
}

int tg_holds_new(const struct tg_holds_options *o, struct tg_holds **out, struct tg_error *e)
{
    struct tg_holds *h = calloc(1, sizeof *h);
    bool failed = !h;

    if (h) {
        h->guard = (struct tg_guard) {.store = o->store, .inventory = o->inventory, .state_dir = o->state_dir, .timeout_ms = o->wait_ms};
        h->run = copy(o->run, &failed);
        h->owner = copy(o->owner, &failed);
        h->reason = copy(o->reason, &failed);
        h->token = copy(o->token, &failed);
        h->tokens = copy(o->tokens, &failed);
        h->hold = calloc(o->n_hold + 1, sizeof *h->hold);
        failed |= !h->hold;
        for (size_t i = 0; !failed && i < o->n_hold; i++)
            if ((h->hold[h->n_hold] = copy(o->hold[i], &failed)) != NULL)
                h->n_hold++;
    }
    if (failed) {
        tg_holds_free(h);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *out = h;
    return 0;
}

int tg_holds_token(char out[65], struct tg_error *e)
{
    return tg_random_id(out, TG_TOKEN_SIZE - 13, e);
}

static void forget(struct tg_holds *h, size_t host)
{
    for (struct placed **at = &h->placed, *p; (p = *at) != NULL;) {
        if (p->host != host) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        tg_lock_clear(&p->lock);
        free(p);
    }
}

void tg_holds_free(struct tg_holds *h)
{
    if (!h)
        return;
    while (h->placed)
        forget(h, h->placed->host);
    for (size_t i = 0; i < h->n_hold; i++)
        free((char *) h->hold[i]);
    tg_locks_release(&h->others);
    free(h->hold);
    free(h->run);
    free(h->owner);
    free(h->reason);
    free(h->token);
    free(h->tokens);
    free(h);
}

/* inventory: it has to have that host; NULL: whatever has become of it. */
static int scope_in(const struct tg_inventory *inventory, const char *name, struct tg_scopes *out, struct tg_error *e)
{
    char text[TG_SCOPE_TEXT_SIZE];
    const char *texts[] = {text};

    snprintf(text, sizeof text, "host:%.253s", name);
    return tg_scopes_parse(out, texts, 1, inventory, e);
}

static int scope_of(const struct tg_holds *h, const char *name, struct tg_scopes *out, struct tg_error *e)
{
    return scope_in(h->guard.inventory, name, out, e);
}

static void request_id(const struct tg_holds *h, size_t host, const char *name, int begun, char out[TG_REQUEST_ID_SIZE])
{
    char text[512], hex[TG_SHA256_HEX];

    snprintf(text, sizeof text, "%s|%zu|%s|%d", h->run, host, name, begun);
    tg_sha256_hex(text, strlen(text), hex);
    snprintf(out, TG_REQUEST_ID_SIZE, "%.32s", hex);
}

int tg_hold_place(struct tg_holds *h, size_t host, const char *name, int begun, int64_t for_ms, char out_id[TG_HOLD_ID_SIZE], int64_t *out_txid,
                  struct tg_error *e)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    char id[TG_REQUEST_ID_SIZE];
    struct placed *p = calloc(1, sizeof *p);
    int rc = p ? scope_of(h, name, &scopes, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc) {
        request_id(h, host, name, begun, id);
        const struct tg_lock_request request = {.scopes = &scopes, .owner = h->owner, .reason = h->reason, .for_ms = for_ms, .hold = h->hold,
                                                .n_hold = h->n_hold, .token = h->token, .request_id = id};
        rc = tg_lock_place(&h->guard, &request, &p->lock, e);
    }
    tg_scopes_release(&scopes);
    if (rc) {
        free(p);
        return rc;
    }
    forget(h, host);
    p->host = host;
    p->next = h->placed;
    h->placed = p;
    snprintf(out_id, TG_HOLD_ID_SIZE, "%.16s", p->lock.id);
    *out_txid = p->lock.txid;
    h->top_txid = p->lock.txid > h->top_txid ? p->lock.txid : h->top_txid;
    return 0;
}

static int64_t mono_ms(const struct tg_holds *h)
{
    return tg_mono_ms(tg_loop_clock(tg_store_loop(h->guard.store)));
}

/* Locks that the run does not pass. */
static int read_others(struct tg_holds *h, struct tg_error *e)
{
    struct tg_locks locks = {0};
    int64_t behind_txid = h->top_txid, begun_ms = mono_ms(h);
    size_t n = 0;
    int rc = tg_lock_list(&h->guard, NULL, &locks, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < locks.n; i++)
        if (tg_lock_token_fits(&locks.v[i], h->tokens))
            tg_lock_clear(&locks.v[i]);
        else
            locks.v[n++] = locks.v[i];
    locks.n = n;
    tg_locks_release(&h->others);
    h->others = locks;
    h->seen_txid = behind_txid;
    h->seen_ms = mono_ms(h);
    h->took_ms = h->seen_ms - begun_ms;
    return 0;
}

/* What was read behind a later lock of ours has all that was there before this one: so hosts that start together are counted for together. */
static bool is_seen(const struct tg_holds *h, int64_t before_txid)
{
    return before_txid && before_txid <= h->seen_txid && mono_ms(h) - h->seen_ms < SEEN_MS;
}

int64_t tg_hold_count_wait_ms(const struct tg_holds *h, int64_t before_txid)
{
    int64_t left = h->seen_ms + READS_APART * h->took_ms - mono_ms(h);

    return is_seen(h, before_txid) || left < 0 ? 0 : left;
}

int tg_hold_count_others(struct tg_holds *h, struct tg_others *others, const struct tg_run *run, int64_t before_txid, struct tg_error *e)
{
    int rc = is_seen(h, before_txid) ? 0 : read_others(h, e);

    if (rc)
        return rc;
    tg_others_begin(others, run);
    for (size_t i = 0; i < h->others.n; i++)
        if (!before_txid || h->others.v[i].txid < before_txid)
            tg_others_add(others, &h->others.v[i], tg_lock_holds_actor(&h->others.v[i], ACTOR));
    return 0;
}

int tg_hold_passes(struct tg_holds *h, const char *name, struct tg_error *e)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_locks locks = {0};
    int rc = scope_of(h, name, &scopes, e);
    bool passes = false;

    if (!rc)
        rc = tg_lock_list(&h->guard, &scopes, &locks, e);
    tg_scopes_release(&scopes);
    if (rc)
        return rc;
    for (size_t i = 0; i < locks.n; i++)
        passes |= tg_lock_token_fits(&locks.v[i], h->tokens) && !tg_lock_token_fits(&locks.v[i], h->token);
    tg_locks_release(&locks);
    return passes;
}

int tg_hold_look_gone(struct tg_holds *h, struct tg_gone *gone, struct tg_error *e)
{
    return tg_gone_look(gone, h->guard.store, tg_guard_deadline(&h->guard), e);
}

static void say_waits(const struct tg_waits *waits, char *text, size_t size)
{
    const struct tg_permit_record *p = &waits->v[0].permit;

    snprintf(text, size, "waits for %s%s%.200s%s", p->actor, p->what[0] ? " (" : "", p->what, p->what[0] ? ")" : "");
    if (waits->n > 1)
        snprintf(text + strlen(text), size - strlen(text), " and %zu more", waits->n - 1);
}

int tg_hold_quiet(struct tg_holds *h, size_t host, char *text, size_t size, struct tg_error *e)
{
    struct tg_waits waits = {0};
    struct placed *p = h->placed;

    while (p && p->host != host)
        p = p->next;
    if (!p)
        return tg_fail(e, TG_E_BUG, "host %zu has no lock to wait for", host);
    int rc = tg_lock_conflicts(&h->guard, &p->lock, &waits, e);
    if (rc)
        return rc;
    if (waits.n) {
        say_waits(&waits, text, size);
    } else if (waits.acks.n_missing) {
        snprintf(text, size, "waits for the agent of %s to acknowledge its lock", waits.acks.missing[0]);
    } else {
        rc = tg_lock_confirm(&h->guard, &p->lock, e);
        if (!rc) {
            rc = 1;
            forget(h, host);
        }
    }
    tg_waits_release(&waits);
    return rc;
}

/* The id of the lock that an earlier driver placed; "" when there is none. */
static int find_lock(struct tg_holds *h, size_t host, const char *name, int begun, char out_id[TG_HOLD_ID_SIZE], struct tg_error *e)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_locks locks = {0};
    char id[TG_REQUEST_ID_SIZE];
    int rc = scope_in(NULL, name, &scopes, e); /* who left the inventory meanwhile may be locked all the same */

    out_id[0] = '\0';
    if (!rc)
        rc = tg_lock_list(&h->guard, &scopes, &locks, e);
    tg_scopes_release(&scopes);
    if (rc)
        return rc;
    request_id(h, host, name, begun, id);
    for (size_t i = 0; i < locks.n; i++)
        if (strcmp(locks.v[i].request, id) == 0)
            snprintf(out_id, TG_HOLD_ID_SIZE, "%.16s", locks.v[i].id);
    tg_locks_release(&locks);
    return 0;
}

int tg_hold_release(struct tg_holds *h, size_t host, const char *name, int begun, const char *id, struct tg_error *e)
{
    char found[TG_HOLD_ID_SIZE] = "";
    struct tg_error own = TG_ERROR_INIT;
    struct tg_lock gone = {0};
    int rc = id ? 0 : find_lock(h, host, name, begun, found, e);

    forget(h, host);
    if (rc || (!id && !found[0]))
        return rc;
    const struct tg_release_request request = {.id = id ? id : found, .owner = h->owner};
    rc = tg_lock_release(&h->guard, &request, &gone, &own);
    if (!rc)
        tg_lock_clear(&gone);
    if (rc == TG_E_NOENT)
        return 0;
    if (rc && e && !e->code)
        *e = own;
    return rc;
}

int tg_hold_extend(struct tg_holds *h, const char *id, int64_t for_ms, struct tg_error *e)
{
    struct tg_lock lock = {0};
    int rc = tg_lock_extend(&h->guard, id, h->owner, for_ms, &lock, e);

    if (!rc)
        tg_lock_clear(&lock);
    return rc;
}

enum tg_hold_answer tg_hold_ask(struct tg_holds *h, const char *name, char *text, size_t size, int *out_code)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_guard_verdict verdict = {0};
    struct tg_buf line = TG_BUF_INIT;
    enum tg_hold_answer answer = TG_HOLD_UNKNOWN;

    *out_code = 0;
    if (scope_of(h, name, &scopes, &e)) {
        snprintf(text, size, "%s", e.message);
    } else {
        const struct tg_question question = {.scopes = &scopes, .actor = ACTOR, .tokens = h->tokens};
        tg_check(&h->guard, &question, tg_store_deadline(h->guard.store, h->guard.timeout_ms), &verdict);
        answer = verdict.answer == TG_ANSWER_GO ? TG_HOLD_GO : verdict.answer == TG_ANSWER_HELD ? TG_HOLD_HELD : TG_HOLD_UNKNOWN;
        *out_code = answer == TG_HOLD_UNKNOWN ? verdict.error.code : 0;
        tg_verdict_line(&verdict, tg_store_url(h->guard.store), tg_wall_ms(tg_loop_clock(tg_store_loop(h->guard.store))), &line);
        snprintf(text, size, "%s", tg_buf_text(&line));
        tg_verdict_release(&verdict);
    }
    tg_buf_release(&line);
    tg_scopes_release(&scopes);
    return answer;
}
