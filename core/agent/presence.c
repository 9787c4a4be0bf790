/*
 * The agent says that it is there, covers what is in flight on its host with permits, and acknowledges locks: see guard/acks.h for why in
 * this order. All of it is ephemeral, of the agent's one session.
 */
#include "agent/internal.h"

#include "guard/acks.h"
#include "guard/gone.h"
#include "config/site.h"

#include <tagout/log.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KNOWN_AGAIN_MS 60000
#define ACK_LEFT_MS 5000 /* an unlock removes acknowledgements itself; what is left after so long is removed here */

/* --- presence --- */

static char *presence_text(const struct tg_agent *a)
{
    json_t *o = json_pack("{s:i,s:s,s:s,s:I,s:s}", "format", 1, "host", a->own.v[0].name, "instance", a->instance, "pid", (json_int_t) getpid(),
                          "release", TG_RELEASE);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

    json_decref(o);
    return text;
}

static void on_presence(void *data, enum tg_watch_event event, const char *path)
{
    struct tg_agent *a = data;

    (void) event;
    (void) path;
    a->presence_moved = true;
}

static void say_claimed(struct tg_agent *a, const struct tg_node *node)
{
    json_t *o = json_loadb(node->data, node->len, 0, NULL);
    const char *instance = json_string_value(json_object_get(o, "instance"));

    if (!a->claimed || strcmp(a->claimed_by, instance ? instance : "?") != 0)
        tg_log(TG_LOG_WARN, "agent", "another agent says that it is %s (instance %.8s, pid %lld): this one does not answer for it until that is gone",
               a->own.v[0].name, instance ? instance : "?", (long long) json_integer_value(json_object_get(o, "pid")));
    snprintf(a->claimed_by, sizeof a->claimed_by, "%.60s", instance ? instance : "?");
    a->claimed = true;
    json_decref(o);
}

/* What a dead process of ours has left, for as long as the store keeps its session: nobody need wait for that. */
static bool is_predecessor(const struct tg_agent *a, const struct tg_node *node)
{
    json_t *o = json_loadb(node->data, node->len, 0, NULL);
    const char *instance = json_string_value(json_object_get(o, "instance"));
    bool ours = instance && a->predecessor[0] && strcmp(instance, a->predecessor) == 0;

    json_decref(o);
    return ours;
}

static int replace_presence(struct tg_agent *a, const char *path, int64_t version)
{
    char *text = presence_text(a);
    const struct tg_op ops[] = {{.kind = TG_OP_DELETE, .path = path, .version = version},
                                {.kind = TG_OP_CREATE, .path = path, .data = text, .len = text ? strlen(text) : 0, .flags = TG_CREATE_EPHEMERAL}};
    int rc = text ? tg_store_multi(a->store, ops, 2, tg_agent_now(a) + TG_AGENT_ASK_MS, NULL, NULL) : TG_E_MEMORY;

    free(text);
    return rc;
}

/* It is there: ours, if an answer was lost; or another's, or what our last session left for as long as the store keeps it. */
static int look_at_claim(struct tg_agent *a, const char *path, struct tg_error *e)
{
    struct tg_node node;

    a->presence_moved = false;
    int rc = tg_store_read_watch(a->store, path, on_presence, a, tg_agent_now(a) + TG_AGENT_ASK_MS, &node, e);
    if (rc)
        return rc;
    a->present = node.stat.owner == tg_store_session_id(a->store);
    if (!a->present && is_predecessor(a, &node))
        a->present = replace_presence(a, path, node.stat.version) == 0;
    if (!a->present)
        say_claimed(a, &node);
    tg_node_release(&node);
    return 0;
}

static int create_presence(struct tg_agent *a, const char *path, const char *text, struct tg_error *e)
{
    int64_t deadline = tg_agent_now(a) + TG_AGENT_ASK_MS;
    char folder[TG_NODE_PATH_SIZE];
    int rc = tg_store_create(a->store, path, text, strlen(text), TG_CREATE_EPHEMERAL, deadline, NULL);

    if (rc != TG_E_NOENT)
        return rc == 0 || rc == TG_E_EXISTS ? look_at_claim(a, path, e) : tg_fail(e, rc, "%s can't be written", path + 1);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    rc = tg_store_create(a->store, folder, "", 0, TG_CREATE_PERSISTENT, deadline, NULL);
    if (rc == TG_E_NOENT) {
        if (!a->lacks_folders)
            tg_log(TG_LOG_WARN, "agent", "the store has no agents/: it was made by an older tagout, and nobody waits for this agent; mend it: tagout init");
        a->lacks_folders = true;
        return 0;
    }
    if (rc && rc != TG_E_EXISTS)
        return tg_fail(e, rc, "%s can't be written", folder + 1);
    rc = tg_store_create(a->store, path, text, strlen(text), TG_CREATE_EPHEMERAL, deadline, NULL);
    return rc == 0 || rc == TG_E_EXISTS ? look_at_claim(a, path, e) : tg_fail(e, rc, "%s can't be written", path + 1);
}

/* That this host has an agent outlives it: when it is gone, the host counts as down. */
void tg_agent_note_known(struct tg_agent *a)
{
    struct tg_error e = TG_ERROR_INIT;

    if (!a->present || a->known || tg_agent_now(a) < a->known_again_ms)
        return;
    int rc = tg_known_note(a->store, &a->own.v[0], tg_agent_now(a) + TG_AGENT_ASK_MS, &e);

    if (rc == TG_E_NOENT && !a->lacks_known)
        tg_log(TG_LOG_WARN, "agent", "the store has no known/: it was made by an older tagout, and when this host is down no run will know; mend it: tagout init");
    else if (rc && rc != TG_E_NOENT)
        tg_log(TG_LOG_WARN, "agent", "that this host has an agent could not be written down: %s", e.message);
    a->lacks_known = rc == TG_E_NOENT;
    a->known = rc == 0;
    a->known_again_ms = tg_agent_now(a) + KNOWN_AGAIN_MS;
}

void tg_agent_register(struct tg_agent *a)
{
    char path[TG_NODE_PATH_SIZE];
    struct tg_error e = TG_ERROR_INIT;
    char *text = a->own.n ? presence_text(a) : NULL;

    if (!text)
        return;
    bool was_claimed = a->claimed;
    a->present = a->claimed = a->lacks_folders = false;
    tg_acks_presence_path(&a->own.v[0], path, sizeof path);
    tg_store_unwatch(a->store, on_presence, a);
    a->claimed = was_claimed;
    if (create_presence(a, path, text, &e) != 0 && e.code != TG_E_NOENT)
        tg_log(TG_LOG_WARN, "agent", "presence: %s", e.message);
    if (a->present) {
        if (a->claimed)
            tg_log(TG_LOG_INFO, "agent", "the other agent of %s is gone: this one answers for it", a->own.v[0].name);
        a->claimed = false;
        a->known = false;
        a->known_again_ms = 0;
        tg_agent_note_known(a);
        a->dirty = true; /* the locks are read after our presence is written, not before */
    }
    free(text);
}

void tg_agent_forget_presence(struct tg_agent *a)
{
    a->present = a->presence_moved = false;
    for (struct tg_agent_ack *k = a->acks, *next; k; k = next) {
        next = k->next;
        free(k);
    }
    a->acks = NULL;
    for (struct tg_agent_cover *c = a->covers, *next; c; c = next) {
        next = c->next;
        tg_permit_abandon(c->permit);
        free(c);
    }
    a->covers = NULL;
}

/* --- what is in flight --- */

bool tg_agent_covers_any(const struct tg_agent *a)
{
    return a->covers != NULL;
}

static int ask_duties(struct tg_agent *a, struct tg_agent_runs *runs, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < a->n_begun; i++)
        if (a->duties[i]->in_flight && (rc = a->duties[i]->in_flight(a->selves[i], runs, e)) != 0)
            tg_error_prefix(e, "%s", a->duties[i]->name);
    return rc;
}

static const struct tg_lock *held_by(const struct tg_agent *a, const struct tg_agent_run *run)
{
    for (size_t i = 0; i < a->n_locks; i++)
        if (tg_lock_is_live(&a->locks[i], tg_wall_ms(tg_loop_clock(a->loop))) && tg_lock_holds_actor(&a->locks[i], run->actor))
            return &a->locks[i];
    return NULL;
}

static int cover(struct tg_agent *a, const struct tg_agent_run *run, struct tg_error *e)
{
    struct tg_guard g = tg_agent_guard(a);
    char owner[TG_OWNER_SIZE];
    struct tg_agent_cover *c = calloc(1, sizeof *c);

    snprintf(owner, sizeof owner, "agent@%.150s", a->own.v[0].name);
    struct tg_permit_sighting s = {.scopes = &a->own, .actor = run->actor, .owner = owner, .host = a->own.v[0].name, .what = run->what, .pid = run->pid,
                                   .since_ms = run->since_ms, .passes = run->passes, .n_passes = run->n_passes, .because = held_by(a, run)};
    int rc = c ? tg_permit_report_in_flight(&g, &s, &c->permit, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    if (rc) {
        free(c);
        return rc;
    }
    c->run = *run;
    c->seen = true;
    c->next = a->covers;
    a->covers = c;
    tg_log(TG_LOG_INFO, "agent", "in flight: %s (%s, pid %ld)", run->what, run->actor, (long) run->pid);
    return 0;
}

static bool is_covered(struct tg_agent *a, const struct tg_agent_run *run)
{
    for (struct tg_agent_cover *c = a->covers; c; c = c->next)
        if (strcmp(c->run.key, run->key) == 0 && tg_permit_state(c->permit) == 0) {
            c->seen = true;
            return true;
        }
    return false;
}

static void uncover_ended(struct tg_agent *a)
{
    for (struct tg_agent_cover **at = &a->covers; *at;) {
        struct tg_agent_cover *c = *at;
        if (c->seen) {
            at = &c->next;
            continue;
        }
        tg_log(TG_LOG_INFO, "agent", "has ended: %s", c->run.what);
        *at = c->next;
        tg_permit_release(c->permit);
        free(c);
    }
}

/* Every run in flight has a permit when this returns 0. */
static int cover_all(struct tg_agent *a, struct tg_error *e)
{
    struct tg_agent_runs runs = {.n = 0};
    int rc = ask_duties(a, &runs, e);

    for (struct tg_agent_cover *c = a->covers; c; c = c->next)
        c->seen = rc != 0; /* what could not be looked for has not ended */
    for (size_t i = 0; !rc && i < runs.n; i++)
        if (!is_covered(a, &runs.v[i]))
            rc = cover(a, &runs.v[i], e);
    for (struct tg_agent_cover *c = a->covers; rc && c; c = c->next)
        c->seen = true;
    uncover_ended(a);
    free(runs.v);
    return rc;
}

/* --- acknowledgements --- */

static int create_ack(struct tg_agent *a, const struct tg_agent_ack *k, struct tg_error *e)
{
    int64_t deadline = tg_agent_now(a) + TG_AGENT_ASK_MS;
    char path[sizeof k->path];
    int rc = tg_store_create(a->store, k->path, a->instance, strlen(a->instance), TG_CREATE_EPHEMERAL, deadline, e);

    if (rc == TG_E_NOENT) { /* its folders: the first agent makes them, "/acks/L", "/acks/L/L7K2QX" … */
        for (const char *slash = strchr(k->path + 6, '/'); slash; slash = strchr(slash + 1, '/')) {
            snprintf(path, sizeof path, "%.*s", (int) (slash - k->path), k->path);
            rc = tg_store_create(a->store, path, "", 0, TG_CREATE_PERSISTENT, deadline, NULL);
            if (rc && rc != TG_E_EXISTS)
                return tg_fail(e, rc, "%s can't be written", path + 1);
        }
        tg_error_clear(e);
        rc = tg_store_create(a->store, k->path, a->instance, strlen(a->instance), TG_CREATE_EPHEMERAL, deadline, e);
    }
    if (rc != TG_E_EXISTS)
        return rc;
    tg_error_clear(e);
    struct tg_node node; /* an earlier session's is not ours: it goes with that, so it is replaced */
    rc = tg_store_read(a->store, k->path, deadline, &node, e);
    if (rc)
        return rc;
    bool own = node.stat.owner == tg_store_session_id(a->store);
    tg_node_release(&node);
    if (own)
        return 0;
    const struct tg_op ops[] = {{.kind = TG_OP_DELETE, .path = k->path, .version = TG_ANY_VERSION},
                                {.kind = TG_OP_CREATE, .path = k->path, .data = a->instance, .len = strlen(a->instance), .flags = TG_CREATE_EPHEMERAL}};
    return tg_store_multi(a->store, ops, 2, deadline, NULL, e);
}

static struct tg_agent_ack *ack_of(struct tg_agent *a, const char *id)
{
    for (struct tg_agent_ack *k = a->acks; k; k = k->next)
        if (strcmp(k->id, id) == 0)
            return k;
    return NULL;
}

static int ack_lock(struct tg_agent *a, const struct tg_lock *lock, struct tg_error *e)
{
    struct tg_agent_ack *k = calloc(1, sizeof *k);
    char path[TG_NODE_PATH_SIZE];

    if (!k)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    snprintf(k->id, sizeof k->id, "%s", lock->id);
    tg_acks_folder(lock, &a->own.v[0], path, sizeof path);
    snprintf(k->folder, sizeof k->folder, "%.90s", path);
    tg_acks_path(lock, &a->own.v[0], path, sizeof path);
    snprintf(k->path, sizeof k->path, "%.370s", path);
    int rc = create_ack(a, k, e);
    if (rc) {
        free(k);
        return rc;
    }
    k->next = a->acks;
    a->acks = k;
    return 0;
}

static bool is_there(const struct tg_agent *a, const char *id)
{
    for (size_t i = 0; i < a->n_locks; i++)
        if (strcmp(a->locks[i].id, id) == 0)
            return true;
    return false;
}

/* Whoever released the lock has removed the folder, as a rule. Then one read tells, and nothing is written. */
static void remove_left(struct tg_agent *a, const struct tg_agent_ack *k)
{
    int64_t deadline = tg_agent_now(a) + TG_AGENT_ASK_MS;
    struct tg_node node;

    if (tg_store_read(a->store, k->path, deadline, &node, NULL) == 0) {
        bool own = node.stat.owner == tg_store_session_id(a->store);
        tg_node_release(&node);
        if (own)
            (void) tg_store_delete(a->store, k->path, TG_ANY_VERSION, deadline, NULL);
    }
    if (tg_store_read(a->store, k->folder, deadline, &node, NULL) != 0)
        return;
    bool empty = node.stat.children == 0;
    tg_node_release(&node);
    if (empty)
        (void) tg_store_delete(a->store, k->folder, TG_ANY_VERSION, deadline, NULL);
}

static void forget_gone(struct tg_agent *a)
{
    for (struct tg_agent_ack **at = &a->acks; *at;) {
        struct tg_agent_ack *k = *at;
        if (is_there(a, k->id))
            k->gone_ms = 0;
        else if (!k->gone_ms)
            k->gone_ms = tg_agent_now(a);
        if (!k->gone_ms || tg_agent_now(a) - k->gone_ms < ACK_LEFT_MS) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        remove_left(a, k);
        free(k);
    }
}

static bool has_news(struct tg_agent *a)
{
    for (size_t i = 0; i < a->n_locks; i++)
        if (!ack_of(a, a->locks[i].id) && tg_acks_meant(&a->locks[i], &a->own.v[0]))
            return true;
    return false;
}

static void say_blind(struct tg_agent *a, const struct tg_error *e)
{
    const char *why = e->code ? e->message : "";

    if (strncmp(a->blind, why, sizeof a->blind - 1) == 0)
        return;
    if (why[0])
        tg_log(TG_LOG_WARN, "agent", "no lock is acknowledged: %s", why);
    snprintf(a->blind, sizeof a->blind, "%.150s", why);
}

void tg_agent_acknowledge(struct tg_agent *a)
{
    struct tg_error e = TG_ERROR_INIT;
    bool news = a->present && a->picture.proven && has_news(a), tick = a->look_soon || a->ticking;
    int rc = 0;

    if (!a->store || tg_store_state(a->store) != TG_SESSION_CONNECTED || !a->own.n)
        return;
    if (news || ((a->n_locks || a->covers) && tick))
        rc = cover_all(a, &e);
    a->look_soon = false;
    for (size_t i = 0; !rc && news && i < a->n_locks; i++)
        if (!ack_of(a, a->locks[i].id) && tg_acks_meant(&a->locks[i], &a->own.v[0]))
            rc = ack_lock(a, &a->locks[i], &e);
    say_blind(a, &e);
    if (a->picture.proven && a->acks)
        forget_gone(a);
}
