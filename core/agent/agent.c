/* The agent as a whole: its parts, and the turn that drives them. See agent.h. */
#define _GNU_SOURCE
#include "agent/internal.h"

#include "config/problems.h"
#include "config/site.h"
#include "fleet/inventory.h"
#include "store/cluster.h"
#include "store/internal.h"

#include <tagout/log.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS 2000 /* between two tries to open a store that ended or refused us */
#define TICK_MS 1000
#define LOOK_AT_TAKING_MS 5000

int64_t tg_agent_now(const struct tg_agent *a)
{
    return tg_mono_ms(tg_loop_clock(a->loop));
}

const struct tg_config *tg_agent_config(const struct tg_agent *a)
{
    return a->config;
}

struct tg_loop *tg_agent_loop(struct tg_agent *a)
{
    return a->loop;
}

const struct tg_agent_picture *tg_agent_picture(struct tg_agent *a)
{
    return &a->picture;
}

int tg_agent_runs_add(struct tg_agent_runs *runs, const struct tg_agent_run *run, struct tg_error *e)
{
    struct tg_agent_run *v = realloc(runs->v, (runs->n + 1) * sizeof *v);

    if (!v)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    runs->v = v;
    v[runs->n++] = *run;
    return 0;
}

/* --- who we are --- */

static bool inventory_has_changed(struct tg_agent *a)
{
    struct stat st;

    if (!a->config->inventory || stat(a->config->inventory, &st) != 0)
        return false; /* gone for a moment: what was read counts, until there is another */
    int64_t ns = (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    bool changed = a->inventory_size != (int64_t) st.st_size || a->inventory_mtime_ns != ns || a->inventory_ino != (int64_t) st.st_ino;
    a->inventory_size = (int64_t) st.st_size;
    a->inventory_mtime_ns = ns;
    a->inventory_ino = (int64_t) st.st_ino;
    return changed;
}

/* An inventory that can't be read leaves the agent without knowledge of its groups: it answers UNKNOWN until that is mended. */
static void load_inventory(struct tg_agent *a)
{
    struct tg_problems problems = {0};
    struct tg_inventory *inventory = NULL;
    struct tg_scopes own = TG_SCOPES_INIT;
    struct tg_scope host;
    struct tg_error e = TG_ERROR_INIT;
    int rc = a->config->inventory ? tg_inventory_load(a->config->inventory, &problems, &inventory, &e) : 0;

    tg_problems_release(&problems);
    if (!rc)
        rc = tg_scope_own_host(inventory, a->called, &host, &e);
    if (!rc)
        rc = tg_scopes_add(&own, &host, &e);
    if (rc)
        tg_log(TG_LOG_WARN, "agent", "this host's groups are not known: %s", e.message);
    if (a->present && (rc || strcmp(own.v[0].name, a->own.v[0].name) != 0)) { /* somebody else, or nobody: not under the old name */
        tg_store_close(a->store);
        a->store = NULL;
    }
    tg_inventory_free(a->inventory);
    tg_scopes_release(&a->own);
    a->inventory = inventory;
    a->own = own;
    a->inventory_error = e;
    a->picture.host = own.n ? &a->own.v[0] : NULL;
    a->dirty = a->changed = true;
}

/* --- the session --- */

static void on_session(void *data, enum tg_session_state state, const struct tg_error *error)
{
    struct tg_agent *a = data;

    (void) error;
    if (state == TG_SESSION_CONNECTED) /* what was missed in between is told by its watches, but not before this: look again */
        a->dirty = true;
}

static int open_store(struct tg_agent *a, struct tg_error *e)
{
    char *auth = NULL;
    struct tg_store_options o = {.loop = a->loop, .url = a->config->store, .session_ms = a->config->session_ms, .on_session = on_session, .data = a};
    int rc = tg_config_read_auth(a->config, &auth, e);

    if (rc)
        return rc;
    o.auth = auth;
    rc = tg_store_open(&o, &a->store, e);
    tg_config_forget_auth(auth);
    return rc;
}

/* What was of the session is gone with it. */
static void end_session(struct tg_agent *a)
{
    struct tg_error why = TG_ERROR_INIT;

    if (a->store && tg_store_error(a->store)->code)
        why = *tg_store_error(a->store);
    tg_store_close(a->store);
    a->store = NULL;
    tg_agent_forget_watches(a);
    tg_agent_forget_presence(a);
    tg_agent_drop_permits(a, false);
    tg_fail(&why, TG_E_SESSION, "the agent's session has ended");
    tg_agent_lost_session(a, why.code == TG_E_SESSION ? "session-expired" : "store-unreachable", &why);
}

/* Not all agents of a fleet at once: a random part of the wait. */
static int64_t retry_after(void)
{
    char dice[3] = "";

    (void) tg_random_id(dice, 2, NULL);
    return RETRY_MS + (dice[0] * 32 + dice[1]) % RETRY_MS;
}

static void keep_session(struct tg_agent *a)
{
    struct tg_error e = TG_ERROR_INIT;
    enum tg_session_state state = a->store ? tg_store_state(a->store) : TG_SESSION_EXPIRED;

    if (state == TG_SESSION_CONNECTED || state == TG_SESSION_CONNECTING)
        return;
    if (a->store || a->watches || a->present) {
        end_session(a);
        a->retry_ms = a->first_session ? tg_agent_now(a) + retry_after() : tg_agent_now(a);
    }
    if (tg_agent_now(a) < a->retry_ms)
        return;
    a->first_session = true;
    a->retry_ms = tg_agent_now(a) + retry_after();
    if (open_store(a, &e) != 0)
        tg_log(TG_LOG_WARN, "agent", "the store can't be opened: %s", e.message);
}

/* The store is away, though the session may live on: past the deadline nothing is known any more. */
static void doubt(struct tg_agent *a)
{
    struct tg_error why = TG_ERROR_INIT;

    if (!a->picture.proven || !a->store || tg_store_state(a->store) == TG_SESSION_CONNECTED)
        return;
    tg_fail(&why, TG_E_UNKNOWN, "the connection to the store is broken%s%s", tg_store_trouble(a->store)[0] ? ": " : "", tg_store_trouble(a->store));
    tg_agent_lost_session(a, "store-unreachable", &why);
}

/*
 * Confirming a lock writes its record alone, which nothing of ours watches: it decides nothing, but people see its state. Not at once: while a
 * lock waits for a thousand agents, none of them should make it wait longer.
 */
static bool one_is_being_taken(const struct tg_agent *a)
{
    if (tg_agent_now(a) - a->looked_ms < LOOK_AT_TAKING_MS)
        return false;
    for (size_t i = 0; i < a->n_locks; i++)
        if (a->locks[i].state == TG_LOCK_TAKING)
            return true;
    return false;
}

static void on_beat(void *data, const struct tg_store_reply *reply)
{
    (void) data;
    (void) reply;
}

/* A store that keeps its session proven by itself (ZooKeeper's module does) is left alone; another one is asked for something now and then. */
static void keep_proven(struct tg_agent *a)
{
    int64_t session = tg_store_session_ms(a->store);

    if (a->ticking && session != INT64_MAX && tg_agent_now(a) - tg_store_proven_ms(a->store) > session * 2 / 5)
        (void) tg_store_sync_async(a->store, TG_CLUSTER_PATH, on_beat, NULL, NULL);
}

static void keep_picture(struct tg_agent *a)
{
    a->dirty = a->dirty || (a->ticking && one_is_being_taken(a));
    if (!a->store || tg_store_state(a->store) != TG_SESSION_CONNECTED)
        return;
    keep_proven(a);
    if ((!a->present && !a->claimed && !a->lacks_folders) || a->presence_moved || (a->ticking && !a->present))
        tg_agent_register(a);
    if (a->ticking)
        tg_agent_note_known(a);
    if (a->dirty && (a->picture.proven || a->ticking || !a->looked_ms || tg_agent_now(a) - a->looked_ms >= TICK_MS / 4))
        tg_agent_refresh(a);
}

/* --- duties --- */

static void tell_duties(struct tg_agent *a)
{
    (void) tg_agent_as_of(a);
    for (size_t i = 0; a->changed && i < a->n_begun; i++)
        if (a->duties[i]->on_locks)
            a->duties[i]->on_locks(a->selves[i], &a->picture);
    for (size_t i = 0; a->ticking && i < a->n_begun; i++)
        if (a->duties[i]->on_tick)
            a->duties[i]->on_tick(a->selves[i], &a->picture, tg_agent_now(a));
    a->snapshot_due = a->snapshot_due || a->changed;
    a->changed = false;
}

static int begin_duties(struct tg_agent *a, struct tg_error *e)
{
    size_t n = 0;
    int rc = 0;

    while (a->duties[n])
        n++;
    if (!(a->selves = calloc(n + 1, sizeof *a->selves)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (; !rc && a->n_begun < n; a->n_begun++) {
        const struct tg_duty *d = a->duties[a->n_begun];
        rc = d->begin ? d->begin(a, &a->selves[a->n_begun], e) : 0;
        if (rc) {
            tg_error_prefix(e, "%s", d->name);
            break;
        }
    }
    return rc;
}

void tg_agent_look_soon(struct tg_agent *a)
{
    a->look_soon = true;
}

/* --- the whole --- */

void tg_agent_step(struct tg_agent *a)
{
    int64_t now = tg_agent_now(a);

    a->ticking = now - a->tick_ms >= TICK_MS;
    if (a->ticking) {
        a->tick_ms = now;
        if (inventory_has_changed(a))
            load_inventory(a);
        if (tg_agent_has_expired(a))
            a->dirty = true;
    }
    keep_session(a);
    doubt(a);
    keep_picture(a);
    tg_agent_acknowledge(a);
    tg_agent_keep_permits(a);
    tell_duties(a);
    tg_agent_keep_snapshot(a);
    tg_agent_serve_waiting(a);
}

static bool has_work(const struct tg_agent *a)
{
    return a->first || a->changed || (a->dirty && a->picture.proven) || a->look_soon || a->presence_moved;
}

int tg_agent_turn(struct tg_agent *a, int64_t max_wait_ms)
{
    int64_t to_tick = a->tick_ms + TICK_MS - tg_agent_now(a), wait = to_tick < 0 ? 0 : to_tick;
    int rc = tg_loop_turn(a->loop, has_work(a) ? 0 : max_wait_ms >= 0 && max_wait_ms < wait ? max_wait_ms : wait);

    if (rc < 0)
        return rc;
    tg_agent_step(a);
    return 0;
}

static int serve_socket(struct tg_agent *a, int fd, struct tg_error *e)
{
    struct tg_server_handlers h = tg_agent_handlers;

    h.data = a;
    return fd < 0 ? 0 : tg_server_new(a->loop, fd, &h, &a->server, e);
}

static int begin(struct tg_agent *a, const struct tg_agent_options *o, struct tg_error *e)
{
    int rc = serve_socket(a, o->listen_fd, e);

    if (rc || (rc = tg_random_id(a->instance, sizeof a->instance - 1, e)) != 0)
        return rc;
    if (o->host)
        snprintf(a->called, sizeof a->called, "%s", o->host);
    else if (gethostname(a->called, sizeof a->called - 1) != 0)
        a->called[0] = '\0';
    if (!a->called[0])
        return tg_fail(e, TG_E_CONFIG, "this host has no name");
    if (!(o->flags & TG_AGENT_STATELESS) && (rc = tg_agent_take_state(a, e)) != 0)
        return rc;
    (void) inventory_has_changed(a);
    load_inventory(a);
    rc = open_store(a, e);
    a->first_session = true;
    return rc ? rc : begin_duties(a, e);
}

int tg_agent_new(const struct tg_agent_options *o, struct tg_agent **out, struct tg_error *e)
{
    struct tg_agent *a = calloc(1, sizeof *a);

    if (!a) {
        if (o->listen_fd >= 0)
            close(o->listen_fd);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *a = (struct tg_agent) {.loop = o->loop, .config = o->config, .duties = o->duties ? o->duties : tg_agent_duties, .state_lock = -1, .dirty = true};
    a->last = &a->first;
    a->started_ms = tg_agent_now(a);
    a->tick_ms = a->started_ms - TICK_MS;
    a->picture = (struct tg_agent_picture) {.cause = "agent-starting", .why = &a->why, .as_of_ms = INT64_MIN};
    tg_fail(&a->why, TG_E_UNKNOWN, "the agent has not seen the store yet");
    int rc = begin(a, o, e);
    if (rc)
        tg_agent_free(a);
    else
        *out = a;
    return rc;
}

/*
 * Runs in flight that are covered end when they end, not when we do; and who has a permit of ours may act for as long as he was told that it is good.
 * Then the session is left to the store, which keeps it for its time, so that the agent that comes next can cover what it finds before its
 * permits go. The process is about to end; its descriptors end the connection.
 */
static void leave(struct tg_agent *a)
{
    bool orphaned = (tg_agent_covers_any(a) || a->n_permits) && a->store && tg_store_session_ms(a->store) != INT64_MAX;

    if (!orphaned) {
        tg_agent_drop_permits(a, a->store && tg_store_state(a->store) == TG_SESSION_CONNECTED);
        tg_store_close(a->store);
    } else {
        tg_log(TG_LOG_INFO, "agent", "what is in flight stays known for %lld ms", (long long) tg_store_session_ms(a->store));
        tg_agent_drop_permits(a, false);
        tg_store_leave(a->store);
    }
    a->store = NULL;
}

void tg_agent_free(struct tg_agent *a)
{
    if (!a)
        return;
    while (a->n_begun > 0) {
        a->n_begun--;
        if (a->duties[a->n_begun]->end)
            a->duties[a->n_begun]->end(a->selves[a->n_begun]);
    }
    free(a->selves);
    tg_server_free(a->server);
    tg_agent_drop_waiting(a);
    leave(a);
    tg_agent_forget_watches(a);
    tg_agent_forget_presence(a);
    tg_agent_clear_picture(a);
    tg_scopes_release(&a->own);
    tg_inventory_free(a->inventory);
    if (a->state_lock >= 0)
        close(a->state_lock);
    free(a);
}
