/*
 * Locks of the simulated fleet that are real: records in the store, by engine/holds.h, so that a run meets those of the run before it, and people's. For runs that go
 * over what another one has left: withdrawals, what mends them, what brings them back. See world.h.
 */
#include "world.h"

#include "engine/mend.h"

#include <string.h>

#define WAIT_MS 2000
#define LASTS_MS (INT64_C(30) * 86400000)

/* ---- whose ---- */

static int open_holds(struct tg_store *store, const char *id, const char *owner, const struct sim_tokens *tokens, struct tg_holds **out, struct tg_error *e)
{
    const struct tg_holds_options o = {.store = store, .wait_ms = WAIT_MS, .run = id, .owner = owner, .reason = "simulated", .token = tokens->own, .tokens = tokens->all};

    return tg_holds_new(&o, out, e);
}

int world_locks_open(struct world *w, struct tg_store *store, const char *id, const struct sim_tokens *tokens, struct tg_error *e)
{
    return open_holds(store, id, "alice@ops1", tokens, &w->holds, e);
}

void world_locks_close(struct world *w)
{
    tg_holds_free(w->holds);
    w->holds = NULL;
}

/* ---- somebody else ---- */

int world_bob_open(struct world *w, struct tg_store *store, struct tg_error *e)
{
    return open_holds(store, w->plan->mends ? "by-hand-2" : "by-hand", "bob@ops2", &(struct sim_tokens) {"bob", "bob"}, &w->bob, e);
}

static bool holds(const struct sim_host *h)
{
    return h && h->bob > 0;
}

bool world_bob_holds(const struct world *w, size_t host)
{
    return holds(&w->hosts[host]) || holds(world_host_of(w->under, w, host)) || holds(world_host_of(w->over, w, host));
}

static int bob_locks(struct world *w, size_t host, struct tg_error *e)
{
    struct sim_host *h = &w->hosts[host];
    char lock[TG_HOLD_ID_SIZE];
    int64_t txid;

    h->bob = 1 - h->bob;
    return tg_hold_place(w->bob, host, w->plan->hosts[host].name, h->bob, LASTS_MS, lock, &txid, e);
}

static int bob_unlocks(struct world *w, size_t host, struct tg_error *e)
{
    struct sim_host *h = &w->hosts[host];
    int rc = tg_hold_release(w->bob, host, w->plan->hosts[host].name, h->bob, NULL, e);

    h->bob = -h->bob;
    return rc;
}

int world_bob_leaves(struct world *w, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && w->bob && i < w->plan->n_hosts; i++)
        if (holds(&w->hosts[i]))
            rc = bob_unlocks(w, i, e);
    return rc;
}

int world_bob_turn(struct world *w, struct tg_error *e)
{
    if (!w->bob)
        return 0;
    if (w->healed)
        return world_bob_leaves(w, e);
    if (!rng_chance(&w->rng, 3))
        return 0;
    size_t host = (size_t) rng_below(&w->rng, w->plan->n_hosts);
    return holds(&w->hosts[host]) ? bob_unlocks(w, host, e) : bob_locks(w, host, e);
}

/* ---- actions ---- */

bool world_locks_does(const struct world *w, enum tg_run_action_kind kind)
{
    return w->holds && (kind == TG_DO_LOCK || kind == TG_DO_CHECK || kind == TG_DO_UNLOCK);
}

static bool ends_drive(int rc)
{
    return rc == TG_E_SESSION || rc == TG_E_LOST || rc == TG_E_TIMEOUT || rc == TG_E_CANCELLED;
}

static int refuse(struct sim_host *h, struct tg_run_event *answer, int rc, struct tg_error *own, struct tg_error *e)
{
    if (ends_drive(rc)) {
        if (e)
            *e = *own;
        return rc;
    }
    h->refused = true;
    answer->kind = TG_EV_LOCK_REFUSED;
    return 0;
}

static int take(struct world *w, const struct tg_run_action *a, struct tg_run_event *answer, char lock[TG_HOLD_ID_SIZE], struct tg_error *e)
{
    struct sim_host *h = &w->hosts[a->host];
    const char *name = w->plan->hosts[a->host].name;
    struct tg_error own = TG_ERROR_INIT;
    char text[256];
    int64_t txid;

    answer->kind = h->script.lock;
    if (h->script.lock != TG_EV_LOCKED)
        return 0;
    int rc = tg_hold_place(w->holds, a->host, name, w->run->hosts[a->host].begun, LASTS_MS, lock, &txid, &own);
    if (rc)
        return refuse(h, answer, rc, &own, e);
    h->locked = true;
    h->may_be_free = false;
    answer->lock = lock;
    rc = tg_hold_quiet(w->holds, a->host, text, sizeof text, &own);
    rc = rc < 0 ? rc : tg_mend_is_back(w->plan, w->holds, name, &own);
    return rc ? refuse(h, answer, rc, &own, e) : 0;
}

static int ask(struct world *w, const struct tg_run_action *a, struct tg_run_event *answer, struct tg_error *e)
{
    struct sim_host *h = &w->hosts[a->host];
    const char *name = w->plan->hosts[a->host].name;
    char text[600];
    int code;

    answer->kind = h->script.guard;
    if (h->script.guard != TG_EV_GO || tg_hold_ask(w->holds, name, text, sizeof text, &code) == TG_HOLD_GO) {
        if (answer->kind == TG_EV_GO && world_bob_holds(w, a->host))
            world_violation(w, "P2: the guard says GO for %s, which is locked by somebody else", name);
        return 0;
    }
    if (code && ends_drive(code))
        return tg_fail(e, code, "%s", text);
    if (!world_bob_holds(w, a->host))
        world_violation(w, "the guard says of %s: %s, and nobody else has locked it", name, text);
    h->refused = true;
    answer->kind = TG_EV_NO_GO;
    return 0;
}

static int let_go(struct world *w, const struct tg_run_action *a, struct tg_run_event *answer, struct tg_error *e)
{
    struct sim_host *h = &w->hosts[a->host];
    const struct tg_run_host *r = &w->run->hosts[a->host];
    struct tg_error own = TG_ERROR_INIT;

    answer->kind = TG_EV_UNLOCK_FAILED;
    if (!w->healed && rng_chance(&w->rng, h->script.unlock_fails_percent))
        return 0;
    world_judge_unlocking(w, a->host);
    int rc = tg_hold_release(w->holds, a->host, w->plan->hosts[a->host].name, r->begun, r->lock, &own);
    h->may_be_free = rc != 0;
    if (rc)
        return ends_drive(rc) ? (*e = own, rc) : 0;
    h->locked = false;
    answer->kind = TG_EV_UNLOCKED;
    return 0;
}

int world_locks_begin(struct world *w, const struct tg_run_action *a, struct tg_run_event *answer, char lock[TG_HOLD_ID_SIZE], struct tg_error *e)
{
    return a->kind == TG_DO_LOCK ? take(w, a, answer, lock, e) : a->kind == TG_DO_CHECK ? ask(w, a, answer, e) : let_go(w, a, answer, e);
}

/* ---- two runs, one over the other ---- */

const struct sim_host *world_host_of(const struct world *other, const struct world *w, size_t host)
{
    for (size_t i = 0; other && i < other->plan->n_hosts; i++)
        if (strcmp(other->plan->hosts[i].name, w->plan->hosts[host].name) == 0)
            return &other->hosts[i];
    return NULL;
}

void world_judge_out(struct world *w, size_t host, const char *what)
{
    const struct sim_host *under = world_host_of(w->under, w, host);

    if (w->under && !(under && under->locked))
        world_violation(w, "P5: %s of %s by a run that mends, and it is in service", what, w->plan->hosts[host].name);
}

void world_judge_back(struct world *w, size_t host)
{
    const struct sim_host *over = world_host_of(w->over, w, host);
    const char *name = w->plan->hosts[host].name;

    if (over && over->locked && !over->may_be_free)
        world_violation(w, "P5: %s is brought back, and a run that mends it has it locked", name);
    if (w->run && w->run->hosts[host].end == TG_HOST_RETURNED && w->hosts[host].bob_then)
        world_violation(w, "P5: %s is brought back, and was locked by somebody else when that was asked for", name);
}
