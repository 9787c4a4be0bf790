/*
 * The duty of telling the store of a local hold (guard/hold.h): each has a lock of its own there for as long as it
 * lasts, so that `tagout locks` shows it, and who asks from elsewhere is held. The lock is the hold's owner's, with his
 * actors and his token, and is found again by its request id, by whatever agent comes next. The file is the truth: a
 * report that somebody broke is made anew.
 */
#include "agent/duty_host.h"
#include "agent/internal.h"

#include "base/sha256.h"
#include "config/site.h"
#include "guard/hold.h"

#include <tagout/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY_MS 5000 /* between two tries at what failed: each may wait for the store */

struct holder {
    struct tg_agent *agent;
    bool own; /* this is the host's own agent */
    int64_t next_ms;
    char said[200]; /* trouble, as it was said last */
    size_t n;       /* holds there are now */
};

static int begin(struct tg_agent *agent, void **out_self, struct tg_error *e)
{
    struct holder *h = calloc(1, sizeof *h);

    if (!h)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    h->agent = agent;
    h->own = tg_agent_host_root(agent) != NULL;
    *out_self = h;
    return 0;
}

static void say(struct holder *h, int rc, const struct tg_error *e)
{
    const char *now = rc ? e->message : "";

    if (strncmp(h->said, now, sizeof h->said - 1) == 0)
        return;
    if (rc)
        tg_log(TG_LOG_WARN, "agent", "the local hold: %s", now);
    snprintf(h->said, sizeof h->said, "%.199s", now);
}

/* The same for the same hold, whoever computes it. */
static void request_of(const struct tg_lock *hold, char out[TG_REQUEST_ID_SIZE])
{
    char text[TG_SCOPE_NAME_MAX + TG_OWNER_SIZE + 32], hash[TG_SHA256_HEX];

    snprintf(text, sizeof text, "%s|%s|%lld", hold->scopes.v[0].name, hold->owner, (long long) hold->since_ms);
    tg_sha256_hex(text, strlen(text), hash);
    snprintf(out, TG_REQUEST_ID_SIZE, TG_LOCAL_HOLD_REQUEST "%.24s", hash);
}

static const struct tg_lock *reported(const struct tg_agent_picture *p, const char *request)
{
    for (size_t i = 0; i < p->n_locks; i++)
        if (strcmp(p->locks[i].request, request) == 0 && p->locks[i].state != TG_LOCK_RELEASED)
            return &p->locks[i];
    return NULL;
}

static int report(struct holder *h, const struct tg_lock *hold, const char *request, struct tg_error *e)
{
    struct tg_guard g = tg_agent_guard(h->agent);
    const char *actors[TG_HOLD_MAX];
    char reason[TG_REASON_SIZE];
    int64_t left = hold->until_ms - tg_wall_ms(tg_loop_clock(h->agent->loop));
    struct tg_lock lock;

    for (size_t i = 0; i < hold->n_hold; i++)
        actors[i] = hold->hold[i];
    snprintf(reason, sizeof reason, "local hold: %.480s", hold->reason);
    struct tg_lock_request r = {.scopes = &h->agent->own,
                                .owner = hold->owner,
                                .reason = reason,
                                .ticket = hold->ticket,
                                .for_ms = left > 0 ? left : 1,
                                .hold = actors,
                                .n_hold = hold->n_hold,
                                .token_hash = hold->token_hash,
                                .request_id = request};
    int rc = tg_lock_place(&g, &r, &lock, e);
    if (rc)
        return rc;
    tg_log(TG_LOG_INFO, "agent", "the local hold of %s is lock %s in the store", hold->owner, lock.id);
    tg_lock_clear(&lock);
    return 0;
}

/* Nothing that it conflicts with acts any more: then it is as good as any lock. */
static int confirm(struct holder *h, const struct tg_lock *lock, struct tg_error *e)
{
    struct tg_guard g = tg_agent_guard(h->agent);
    struct tg_lock copy = *lock;
    struct tg_waits waits;

    copy.scopes = (struct tg_scopes) TG_SCOPES_INIT;
    int rc = tg_scopes_copy(&lock->scopes, &copy.scopes, e);
    if (!rc)
        rc = tg_lock_conflicts(&g, &copy, &waits, e);
    if (!rc) {
        if (!waits.n)
            rc = tg_lock_confirm(&g, &copy, e);
        tg_waits_release(&waits);
    }
    tg_lock_clear(&copy);
    return rc == TG_E_VERSION || rc == TG_E_NOENT ? 0 : rc; /* it has changed: the next picture tells */
}

static int release(struct holder *h, const char *id, const char *owner, struct tg_error *e)
{
    struct tg_guard g = tg_agent_guard(h->agent);
    struct tg_release_request r = {.id = id, .owner = owner, .reason = "the local hold is gone"};
    struct tg_lock gone;
    int rc = tg_lock_release(&g, &r, &gone, e);

    if (rc == TG_E_NOENT)
        return 0;
    if (rc)
        return rc;
    tg_log(TG_LOG_INFO, "agent", "the local hold of %s is gone, and its lock %s", owner, id);
    tg_lock_clear(&gone);
    return 0;
}

/* A report of this host's that no hold stands behind any more. */
static bool is_stray(const struct holder *h, const struct tg_lock *l, const struct tg_locks *holds)
{
    char request[TG_REQUEST_ID_SIZE];

    if (strncmp(l->request, TG_LOCAL_HOLD_REQUEST, sizeof TG_LOCAL_HOLD_REQUEST - 1) != 0 ||
        l->state == TG_LOCK_RELEASED || l->scopes.n != 1 || l->scopes.v[0].kind != TG_SCOPE_HOST ||
        strcmp(l->scopes.v[0].name, h->agent->own.v[0].name) != 0)
        return false;
    for (size_t i = 0; i < holds->n; i++) {
        request_of(&holds->v[i], request);
        if (strcmp(l->request, request) == 0)
            return false;
    }
    return true;
}

/* One step a tick is enough: after each the picture is another one. */
static int step(struct holder *h, const struct tg_agent_picture *p, const struct tg_locks *holds, struct tg_error *e)
{
    char request[TG_REQUEST_ID_SIZE];

    for (size_t i = 0; i < holds->n; i++) {
        request_of(&holds->v[i], request);
        const struct tg_lock *lock = reported(p, request);
        if (!lock)
            return report(h, &holds->v[i], request, e);
        if (lock->state == TG_LOCK_TAKING)
            return confirm(h, lock, e);
    }
    for (size_t i = 0; i < p->n_locks; i++)
        if (is_stray(h, &p->locks[i], holds)) {
            char id[TG_LOCK_ID_SIZE], owner[TG_OWNER_SIZE];
            memcpy(id, p->locks[i].id, sizeof id);
            memcpy(owner, p->locks[i].owner, sizeof owner);
            return release(h, id, owner, e);
        }
    return 0;
}

static void on_tick(void *self, const struct tg_agent_picture *p, int64_t now_ms)
{
    struct holder *h = self;
    struct tg_locks holds = {.n = 0};
    struct tg_error e = TG_ERROR_INIT;

    if (!h->own || now_ms < h->next_ms)
        return;
    int rc = tg_local_hold_load(h->agent->config->state_dir, h->agent->inventory, h->agent->called, &holds, &e);
    h->n = rc ? 0 : holds.n;
    if (!rc && p->proven && h->agent->present && h->agent->own.n &&
        tg_store_state(h->agent->store) == TG_SESSION_CONNECTED)
        rc = step(h, p, &holds, &e);
    say(h, rc, &e);
    h->next_ms = rc ? now_ms + TRY_MS : 0;
    tg_locks_release(&holds);
}

static json_t *status(void *self)
{
    const struct holder *h = self;
    json_t *o = json_pack("{s:I}", "holds", (json_int_t) h->n);

    if (o && h->said[0])
        json_object_set_new(o, "trouble", json_string(h->said));
    return o;
}

static void end(void *self)
{
    free(self);
}

const struct tg_duty tg_duty_local_hold = {
    .name = "local-hold", .begin = begin, .on_tick = on_tick, .status = status, .end = end};
