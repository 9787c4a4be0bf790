/*
 * What the agent knows of the locks on its host, and how it stays true.
 *
 * The picture is the result of one look (guard/tree.h), as of a check, over this host's own scope. Each counter that the look went by
 * is watched; when one fires the picture is dirty until the next look. A watch is armed by reading its node once more: only when that is as
 * the look saw it has nothing been missed in between.
 *
 * How true is it? A server tells of a change that it watches before it answers anything later. So a picture that is not dirty is what
 * the agent's server knew when the newest answered request was sent (proven_ms), or later. That server may lag behind the others, as
 * it may for a check that goes straight to it. What closes the gap is the acknowledgement: `lock` returns only when each agent that is
 * present in its scope has the lock in its picture; and an agent whose session may have ended, so that nobody waits for it any more, is past its
 * P4 deadline and answers UNKNOWN. So once `lock` has returned, no agent in its scope answers GO against it.
 */
#include "agent/internal.h"

#include "config/site.h"
#include "guard/tree.h"

#include <tagout/log.h>

#include <stdlib.h>
#include <string.h>

#define EXPIRY_LOOK_MS 2000 /* between two looks at what should have ended, but by the store's clock has not */
#define LOOKS_MAX 6       /* of one refresh: then it stays dirty, and the next turn goes on */
#define GROUPS_MAX 256    /* watched one by one; with more locked groups than that, one watch on the cluster's ticks tells of every lock */

struct tg_agent_watch {
    struct tg_agent_watch *next;
    struct tg_agent *agent;
    bool armed, asking, wanted, moved, list;
    int64_t seen_txid;           /* as the look saw it */
    char path[];
};

/* --- watches --- */

static void on_event(void *data, enum tg_watch_event event, const char *path)
{
    struct tg_agent_watch *w = data;

    (void) event;
    (void) path;
    w->armed = false;
    w->agent->dirty = true;
}

static void on_armed(void *data, const struct tg_store_reply *r)
{
    struct tg_agent_watch *w = data;
    int64_t txid = r->code == TG_E_NOENT ? TG_LOOK_ABSENT : r->stat.modified_txid;

    w->asking = false;
    w->agent->n_arming--;
    if (r->code && (r->code != TG_E_NOENT || w->list)) {
        w->agent->dirty = true; /* it is not armed: try again */
        return;
    }
    w->armed = true;
    w->moved = !w->list && txid != w->seen_txid;
}

static struct tg_agent_watch *watch_of(struct tg_agent *a, const char *path, bool list)
{
    size_t len = strlen(path);

    for (struct tg_agent_watch *w = a->watches; w; w = w->next)
        if (w->list == list && strcmp(w->path, path) == 0)
            return w;
    struct tg_agent_watch *w = calloc(1, sizeof *w + len + 1);
    if (!w)
        return NULL;
    w->agent = a;
    w->list = list;
    memcpy(w->path, path, len + 1);
    w->next = a->watches;
    a->watches = w;
    return w;
}

static int arm(struct tg_agent *a, struct tg_agent_watch *w, struct tg_error *e)
{
    w->asking = true;
    a->n_arming++;
    int rc = w->list ? tg_store_list_async(a->store, w->path, on_event, w, on_armed, w, e)
                     : tg_store_read_async(a->store, w->path, on_event, w, on_armed, w, e);
    if (rc) {
        w->asking = false;
        a->n_arming--;
    }
    return rc;
}

/* What the look went by is what is wanted; what is not any more is let go. */
static int want_watches(struct tg_agent *a, const struct tg_look *look, struct tg_error *e)
{
    size_t at = 0, n = 0;
    int64_t seen;
    const char *path;

    for (struct tg_agent_watch *w = a->watches; w; w = w->next)
        w->wanted = w->moved = false;
    while ((path = tg_look_watchable(look, &at, &seen)) != NULL) {
        bool of_group = strncmp(path, "/locks/group/", 13) == 0;
        bool ticks = of_group && ++n > GROUPS_MAX;
        struct tg_agent_watch *w = watch_of(a, ticks ? TG_CLUSTER_PATH : path, ticks);
        if (!w)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        w->wanted = true;
        w->seen_txid = seen;
        if (ticks && !w->armed && !w->asking)
            w->moved = true; /* what happened before it is armed is not told: look again */
    }
    return 0;
}

static void drop_unwanted(struct tg_agent *a)
{
    for (struct tg_agent_watch **at = &a->watches; *at;) {
        struct tg_agent_watch *w = *at;
        if (w->wanted || w->asking) {
            at = &w->next;
            continue;
        }
        tg_store_unwatch(a->store, on_event, w);
        *at = w->next;
        free(w);
    }
}

/* 1: something moved between the look and the watch, so look again. */
static int arm_watches(struct tg_agent *a, const struct tg_look *look, int64_t deadline, struct tg_error *e)
{
    int rc = want_watches(a, look, e);
    bool moved = false;

    for (struct tg_agent_watch *w = a->watches; !rc && w; w = w->next) {
        bool ticks = w->moved;
        if (w->wanted && !w->armed && !w->asking)
            rc = arm(a, w, e);
        moved = moved || ticks;
    }
    while (!rc && a->n_arming) {
        if (tg_agent_now(a) > deadline)
            return tg_fail(e, TG_E_TIMEOUT, "the store does not answer");
        if (tg_loop_turn(a->loop, deadline - tg_agent_now(a) + 1) < 0)
            return tg_fail(e, TG_E_CANCELLED, "interrupted");
    }
    if (rc)
        return rc;
    for (const struct tg_agent_watch *w = a->watches; w; w = w->next)
        moved = moved || (w->wanted && w->moved);
    drop_unwanted(a);
    return moved || a->dirty ? 1 : 0;
}

void tg_agent_forget_watches(struct tg_agent *a)
{
    for (struct tg_agent_watch *w = a->watches, *next; w; w = next) {
        next = w->next;
        free(w);
    }
    a->watches = NULL;
    a->n_arming = 0;
}

/* --- the picture --- */

static void clear_locks(struct tg_agent *a)
{
    for (size_t i = 0; i < a->n_locks; i++)
        tg_lock_clear(&a->locks[i]);
    free(a->locks);
    a->locks = NULL;
    a->n_locks = 0;
    a->picture.locks = NULL;
    a->picture.n_locks = 0;
}

/* No counter moves when a lock ends by itself: it is looked again when its time is over by this clock, until it is by the store's. */
bool tg_agent_has_expired(const struct tg_agent *a)
{
    int64_t wall = tg_wall_ms(tg_loop_clock(a->loop));

    for (size_t i = 0; i < a->n_locks; i++)
        if (a->locks[i].release_at_expiry && wall >= a->locks[i].until_ms)
            return tg_agent_now(a) - a->looked_ms >= EXPIRY_LOOK_MS;
    return false;
}

/* Those that overlap this host move out of the look, but for what has ended by itself. */
static int keep_locks(struct tg_agent *a, struct tg_look *look, struct tg_error *e)
{
    size_t n = 0, kept = 0;
    struct tg_lock *found = tg_look_locks(look, &n);
    struct tg_lock *locks = calloc(n + 1, sizeof *locks);

    if (!locks)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++)
        if (found[i].state != TG_LOCK_RELEASED && !found[i].ended && tg_scopes_overlap(&found[i].scopes, &a->own, NULL, NULL) != TG_OVERLAP_NO) {
            locks[kept++] = found[i];
            found[i].scopes = (struct tg_scopes) TG_SCOPES_INIT;
        }
    clear_locks(a);
    struct tg_lock *fit = realloc(locks, (kept + 1) * sizeof *locks);
    a->locks = fit ? fit : locks;
    a->n_locks = kept;
    a->picture.locks = a->locks;
    a->picture.n_locks = kept;
    a->picture.generation = tg_look_generation(look);
    a->picture.txid = tg_store_seen_txid(a->store);
    return 0;
}

static void set_unproven(struct tg_agent *a, const char *cause, const struct tg_error *why)
{
    bool news = a->picture.proven || strcmp(a->picture.cause, cause) != 0;

    snprintf(a->cause, sizeof a->cause, "%s", cause);
    a->why = *why;
    a->picture.proven = false;
    a->picture.cause = a->cause;
    a->picture.why = &a->why;
    a->changed = a->changed || news;
    if (news)
        tg_log(TG_LOG_WARN, "agent", "nothing is known of the locks now (%s): %s", cause, why->message);
}

static void set_proven(struct tg_agent *a)
{
    if (!a->picture.proven)
        tg_log(TG_LOG_INFO, "agent", "the locks on %s are known: %zu", a->own.v[0].name, a->n_locks);
    a->picture.proven = true;
    a->picture.cause = "";
    a->picture.why = NULL;
    a->changed = true;
}

struct tg_guard tg_agent_guard(struct tg_agent *a)
{
    return (struct tg_guard) {.store = a->store, .inventory = a->inventory, .state_dir = a->config->state_dir, .timeout_ms = TG_AGENT_ASK_MS};
}

/*
 * One look and its watches. 1: look again, as something has moved since. What was seen is kept nevertheless, and acknowledged: while it is dirty nothing
 * is answered from it, and on a busy store there may be no quiet look for a long time.
 */
static int look_once(struct tg_agent *a, struct tg_guard *g, int64_t deadline, struct tg_error *e)
{
    struct tg_look *look = NULL;

    a->dirty = false;
    a->looked_ms = tg_agent_now(a);
    int rc = tg_look_run(g, &a->own, false, deadline, &look, e);
    int moved = rc ? 0 : arm_watches(a, look, deadline, e);
    if (moved < 0)
        rc = moved;
    if (!rc)
        rc = keep_locks(a, look, e);
    tg_look_free(look);
    return rc ? rc : moved;
}

void tg_agent_refresh(struct tg_agent *a)
{
    struct tg_guard g = tg_agent_guard(a);
    struct tg_error e = TG_ERROR_INIT;
    int64_t deadline = tg_agent_now(a) + TG_AGENT_ASK_MS;
    int rc = 1;

    if (!a->own.n) {
        set_unproven(a, a->inventory ? "own-groups" : "inventory", &a->inventory_error);
        return;
    }
    for (int i = 0; i < LOOKS_MAX && rc == 1; i++)
        rc = look_once(a, &g, deadline, &e);
    a->dirty = a->dirty || rc != 0;
    if (rc == 0)
        set_proven(a);
    else if (rc == 1)
        a->changed = a->changed || a->picture.proven;
    else
        set_unproven(a, g.cause[0] ? g.cause : tg_unknown_cause(rc), &e);
}

/* --- how far it may be believed --- */

int64_t tg_agent_believed_until(struct tg_agent *a)
{
    int64_t session = a->store ? tg_store_session_ms(a->store) : 0;

    if (!a->store || tg_store_state(a->store) != TG_SESSION_CONNECTED)
        return INT64_MIN;
    if (session == INT64_MAX)
        return INT64_MAX;
    return tg_store_proven_ms(a->store) + session * 2 / 3; /* the deadline of permits (P4) */
}

bool tg_agent_is_sure(struct tg_agent *a)
{
    return a->picture.proven && !a->dirty && a->present && tg_agent_now(a) < tg_agent_believed_until(a);
}

int64_t tg_agent_as_of(struct tg_agent *a)
{
    int64_t now = tg_agent_now(a), proven = a->store ? tg_store_proven_ms(a->store) : 0;

    if (!a->picture.proven)
        return a->picture.as_of_ms;
    if (!a->dirty)
        a->picture.as_of_ms = proven > now || a->looked_ms > proven ? a->looked_ms : proven;
    return a->picture.as_of_ms;
}

void tg_agent_clear_picture(struct tg_agent *a)
{
    clear_locks(a);
}

void tg_agent_lost_session(struct tg_agent *a, const char *cause, const struct tg_error *why)
{
    set_unproven(a, cause, why);
    a->dirty = true;
}
