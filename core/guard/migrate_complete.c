/* The last step of a move: freezing the source, and the target going live. See migrate.h. */
#include "guard/migrate_internal.h"
#include "guard/tree.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 200  /* how often those who are waited for are looked at */
#define ROUNDS 4     /* of copying what the comparison found: those in flight may write until they end */

/* --- who is in flight --- */

static void add_run(char *out, size_t size, const char *id, const struct tg_node *lease)
{
    json_t *o = json_loadb(lease->data, lease->len, 0, NULL);
    const char *by = json_string_value(json_object_get(o, "by")), *host = json_string_value(json_object_get(o, "host"));
    size_t len = strlen(out);

    snprintf(out + len, size - len, "%srun %s, driven by %s, process %lld on %s", len ? "; " : "", id, by ? by : "?",
             (long long) json_integer_value(json_object_get(o, "pid")), host ? host : "?");
    json_decref(o);
}

static int read_leases(struct tg_migrate *m, char *const *names, size_t n, char *out, size_t size, struct tg_error *e)
{
    struct tg_read_item *items = calloc(n, sizeof *items);
    char (*paths)[320] = calloc(n, sizeof *paths);
    int rc = items && paths ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < n; i++) {
        snprintf(paths[i], sizeof *paths, "/runs/%.255s/lease", names[i]);
        items[i].path = paths[i];
    }
    if (!rc)
        rc = tg_store_read_many(m->from, items, n, tg_migrate_deadline(m), e);
    if (!rc) {
        for (size_t i = 0; i < n; i++)
            if (!items[i].code)
                add_run(out, size, names[i], &items[i].node);
        tg_read_items_release(items, n);
    }
    free(items);
    free(paths);
    return rc;
}

/* Runs that somebody drives, for people; "" none. */
static int runs_in_flight(struct tg_migrate *m, char *out, size_t size, struct tg_error *e)
{
    struct tg_error none = TG_ERROR_INIT;
    struct tg_names names;
    int rc = tg_store_list(m->from, "/runs", tg_migrate_deadline(m), &names, &none);

    out[0] = '\0';
    if (rc == TG_E_NOENT)
        return 0;
    if (rc)
        return tg_fail(e, rc, "%s", none.message);
    for (size_t i = 0; !rc && i < names.count; i += TG_STORE_OPS_MAX) {
        size_t n = names.count - i < TG_STORE_OPS_MAX ? names.count - i : TG_STORE_OPS_MAX;
        rc = read_leases(m, names.names + i, n, out, size, e);
    }
    tg_names_release(&names);
    return rc;
}

/* Permits that were given before the freeze (frozen_txid; 0: all there are). Read behind the freeze on its session: see migrate.h. */
static int permits_in_flight(struct tg_migrate *m, int64_t frozen_txid, struct tg_waits *out, struct tg_error *e)
{
    struct tg_guard guard = {.store = m->from, .timeout_ms = m->timeout_ms ? m->timeout_ms : 30000};
    struct tg_lock all = {.id = "MIGRATE"}; /* no lock is that: agents have not acknowledged it, and nobody waits for that */
    struct tg_scope fleet;
    size_t n = 0;
    int rc = tg_scope_parse("fleet", &fleet, e);

    if (!rc)
        rc = tg_scopes_add(&all.scopes, &fleet, e);
    if (!rc)
        rc = tg_lock_conflicts(&guard, &all, out, e);
    tg_scopes_release(&all.scopes);
    if (rc)
        return rc;
    for (size_t i = 0; i < out->n; i++)
        if (frozen_txid && out->v[i].permit.txid > frozen_txid)
            tg_permit_clear(&out->v[i].permit);
        else
            out->v[n++] = out->v[i];
    out->n = n;
    return 0;
}

int tg_migrate_in_flight(struct tg_migrate *m, struct tg_waits *waits, char *runs, size_t size, struct tg_error *e)
{
    int rc = runs_in_flight(m, runs, size, e);

    return rc ? rc : permits_in_flight(m, 0, waits, e);
}

/* Until when complete waits. */
static int64_t patience(const struct tg_migrate *m)
{
    return m->wait_ms < 0 ? INT64_MAX : tg_migrate_now(m) + m->wait_ms;
}

static int runs_held(const char *runs, struct tg_error *e)
{
    tg_fail(e, TG_E_HELD, "a run is under way: %s", runs);
    tg_error_hint(e, "wait for its end, or tagout abort it; the tree is as before, and complete can be called again");
    return TG_E_HELD;
}

static int wait_for_runs(struct tg_migrate *m, int64_t deadline, struct tg_error *e)
{
    char runs[1000], told[1000] = "";
    int rc;

    while ((rc = runs_in_flight(m, runs, sizeof runs, e)) == 0) {
        if (strcmp(runs, told) != 0)
            tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_RUNS, .text = runs});
        snprintf(told, sizeof told, "%s", runs);
        if (!runs[0])
            return 0;
        if (tg_migrate_now(m) >= deadline)
            return runs_held(runs, e);
        if ((rc = tg_migrate_pause(m, LOOK_MS, e)) != 0)
            return rc;
    }
    return rc;
}

static int permits_held(const struct tg_waits *waits, struct tg_error *e)
{
    char text[TG_SCOPE_TEXT_SIZE];
    const struct tg_waited *w = &waits->v[0];

    tg_fail(e, TG_E_HELD, "%s on %s (%s) was still acting%s", w->permit.actor, tg_scope_format(&w->scope, text, sizeof text), w->permit.host,
            waits->n > 1 ? ", and others" : "");
    tg_error_hint(e, "try again when it has ended, or wait longer: tagout migrate complete --wait TIME");
    return TG_E_HELD;
}

static int wait_for_permits(struct tg_migrate *m, int64_t deadline, struct tg_error *e)
{
    size_t told = SIZE_MAX;

    for (;;) {
        struct tg_waits waits;
        int rc = permits_in_flight(m, m->s.cluster_txid, &waits, e);
        if (rc)
            return rc;
        if (waits.n != told)
            tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_PERMITS, .waits = &waits});
        told = waits.n;
        if (waits.n && tg_migrate_now(m) >= deadline)
            rc = permits_held(&waits, e);
        tg_waits_release(&waits);
        if (rc || !told)
            return rc;
        if ((rc = tg_migrate_pause(m, LOOK_MS, e)) != 0)
            return rc;
    }
}

/* --- freeze and thaw --- */

/* The source's /cluster in another state, and the phase, in one transaction; then what transaction that was. */
static int turn_source(struct tg_migrate *m, enum tg_cluster_state state, enum tg_migrate_phase phase, struct tg_error *e)
{
    struct tg_migration r = m->s.record;
    struct tg_cluster c = m->s.cluster;
    struct tg_node node;

    r.phase = phase;
    r.changed_ms = tg_wall_ms(tg_loop_clock(tg_store_loop(m->from)));
    c.state = state;
    c.moved_generation = state == TG_CLUSTER_LIVE ? 0 : r.generation;
    snprintf(c.moved_to, sizeof c.moved_to, "%s", state == TG_CLUSTER_LIVE ? "" : r.to);
    int rc = tg_migrate_put(m, false, &r, &c, e);
    if (!rc)
        rc = tg_store_read(m->from, TG_CLUSTER_PATH, tg_migrate_deadline(m), &node, e);
    if (rc)
        return rc;
    m->s.cluster_txid = node.stat.modified_txid;
    if (node.stat.version != m->s.cluster_version)
        rc = tg_fail(e, TG_E_VERSION, "%s: %s was changed by somebody else", tg_store_url(m->from), TG_CLUSTER_PATH);
    tg_node_release(&node);
    return rc;
}

static int freeze(struct tg_migrate *m, struct tg_error *e)
{
    int rc = turn_source(m, TG_CLUSTER_MIGRATING, TG_MIGRATE_COMPLETING, e);

    m->frozen_ms = tg_migrate_now(m);
    if (!rc)
        tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_FROZEN});
    return rc;
}

/* What failed stays the error. */
static void thaw(struct tg_migrate *m, enum tg_migrate_phase phase, struct tg_error *e)
{
    struct tg_error none = TG_ERROR_INIT;

    tg_loop_interrupt_clear(tg_store_loop(m->from));
    if (m->s.cluster.state == TG_CLUSTER_LIVE || m->dies)
        return;
    if (turn_source(m, TG_CLUSTER_LIVE, phase, &none) == 0) {
        tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_THAWED});
        return;
    }
    if (e)
        e->hint[0] = '\0';
    tg_error_hint(e, "the source is still frozen, and guards answer UNKNOWN (%s): tagout migrate complete goes on, tagout migrate back gives up", none.message);
}

/* Freezes when no run is being driven; one that took its seat meanwhile is let go on. */
static int freeze_without_runs(struct tg_migrate *m, int64_t deadline, struct tg_error *e)
{
    char runs[1000] = "";

    for (;;) {
        int rc = m->s.cluster.state == TG_CLUSTER_LIVE ? wait_for_runs(m, deadline, e) : 0;
        if (!rc && m->s.cluster.state == TG_CLUSTER_LIVE)
            rc = freeze(m, e);
        if (!rc)
            rc = runs_in_flight(m, runs, sizeof runs, e);
        if (rc || !runs[0])
            return rc;
        thaw(m, TG_MIGRATE_VERIFIED, NULL);
        if (m->s.cluster.state != TG_CLUSTER_LIVE)
            return runs_held(runs, e);
    }
}

/* --- the switch --- */

/* As little as may be is left for the time in which nobody gets an answer. */
static int prepare(struct tg_migrate *m, struct tg_mirror_sums *there, struct tg_error *e)
{
    int rc = TG_E_LOST;
    struct tg_error why = TG_ERROR_INIT;

    for (int i = 0; i < ROUNDS && rc == TG_E_LOST; i++) {
        tg_error_clear(&why);
        tg_mirror_sums_release(there);
        rc = tg_migrate_sum_target(m, there, &why);
        if (!rc && m->s.cluster.state == TG_CLUSTER_LIVE)
            rc = tg_migrate_approach(m, there, &why);
    }
    if (!rc)
        return 0;
    tg_fail(e, rc, "%s", why.message);
    return tg_error_hint(e, "%s", why.hint), rc;
}

/* The source is frozen: whatever was in flight ends, and the target becomes equal to it, and is proven to be. */
static int settle(struct tg_migrate *m, struct tg_mirror_sums *there, int64_t deadline, struct tg_error *e)
{
    int rc = wait_for_permits(m, deadline, e);
    struct tg_error why = TG_ERROR_INIT;

    if (rc)
        return rc;
    for (int i = 0; i < ROUNDS; i++) {
        tg_error_clear(&why);
        rc = i ? prepare(m, there, &why) : 0; /* something else is there than was known: all of it is read again */
        if (!rc)
            rc = tg_migrate_equal(m, there, &why);
        if (rc != TG_E_DATA && rc != TG_E_LOST)
            break;
    }
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        tg_error_hint(e, "%s", why.hint);
    }
    return rc;
}

/*
 * The last thing before there is no way back: the target takes a write from who has the seat. When nothing differed behind the freeze it was not
 * even asked since, however long permits were waited for.
 */
static int prove_target(struct tg_migrate *m, struct tg_error *e)
{
    return tg_migrate_put(m, true, &m->s.record, NULL, e);
}

static int go_live(struct tg_migrate *m, struct tg_error *e)
{
    struct tg_cluster c = m->t.cluster;
    struct tg_migration r = m->s.record;

    c.state = TG_CLUSTER_LIVE;
    c.from_generation = m->s.cluster.generation;
    c.from_txid = m->s.cluster_txid;
    return tg_migrate_put(m, true, &r, &c, e);
}

/* The target's record goes, so that it can be moved on from there; the audit there tells when it went live. */
static int leave_target(struct tg_migrate *m, struct tg_error *e)
{
    int rc = TG_E_EXISTS;

    for (int i = 0; i < 3 && rc == TG_E_EXISTS; i++) { /* the audit's folder, made by somebody meanwhile */
        struct tg_error none = TG_ERROR_INIT;
        struct tg_batch b = TG_BATCH_INIT;
        tg_batch_delete(&b, TG_MIGRATION_PATH, m->t.record_version);
        rc = tg_migrate_audit(m, true, "live", &m->s.record, &b, &none);
        if (!rc)
            rc = tg_store_multi(m->to, b.ops, b.n, tg_migrate_deadline(m), NULL, &none);
        tg_batch_release(&b);
        if (rc && rc != TG_E_NOENT && rc != TG_E_EXISTS)
            return tg_fail(e, rc, "%s", none.message);
    }
    return rc == TG_E_EXISTS ? tg_fail(e, rc, "%s: its audit can't be written", tg_store_url(m->to)) : 0;
}

/* Both sides know that it is over. */
static int tidy(struct tg_migrate *m, struct tg_error *e)
{
    int rc = m->t.has_record ? leave_target(m, e) : 0;

    return rc ? rc : tg_migrate_phase(m, TG_MIGRATE_DONE, e);
}

/* Its record says where it was copied from only since it is live; it may have been moved on. */
static bool went_live(const struct tg_migrate *m)
{
    return m->t.has_cluster && m->t.cluster.generation == m->s.record.generation && strcmp(m->t.cluster.id, m->s.record.cluster) == 0 &&
           m->t.cluster.from_generation == m->s.cluster.generation;
}

/* Only forward from here. */
static int finish(struct tg_migrate *m, struct tg_error *e)
{
    int rc = 0;

    if (!went_live(m)) {
        if ((rc = tg_migrate_own_target(m, e)) == 0)
            rc = go_live(m, e);
        if (rc) {
            if (e)
                e->hint[0] = '\0';
            return tg_error_hint(e, "the source is retired and the target not live yet: guards answer UNKNOWN until tagout migrate complete --to %s is through", m->s.record.to), rc;
        }
        m->unknown_ms = m->frozen_ms ? tg_migrate_now(m) - m->frozen_ms : 0;
        tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_LIVE, .n = (size_t) m->unknown_ms});
    }
    return tidy(m, e);
}

static int complete(struct tg_migrate *m, struct tg_error *e)
{
    struct tg_mirror_sums there = {.n = 0};
    int rc = 0;

    if (m->s.cluster.state == TG_CLUSTER_RETIRED)
        return finish(m, e);
    rc = prepare(m, &there, e);
    int64_t deadline = patience(m);
    if (!rc)
        rc = freeze_without_runs(m, deadline, e);
    if (!rc)
        rc = settle(m, &there, deadline, e);
    tg_mirror_sums_release(&there);
    if (!rc)
        rc = prove_target(m, e);
    if (!rc)
        rc = turn_source(m, TG_CLUSTER_RETIRED, TG_MIGRATE_COMPLETING, e);
    if (rc) {
        if (m->s.cluster.state != TG_CLUSTER_RETIRED)
            thaw(m, rc == TG_E_DATA ? TG_MIGRATE_COPIED : TG_MIGRATE_VERIFIED, e);
        return rc;
    }
    tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_RETIRED});
    return finish(m, e);
}

int tg_migrate_complete(struct tg_migrate *m, struct tg_error *e)
{
    static const struct tg_migration whatever = {.epoch = 0};
    int rc = tg_migrate_look(m, e);

    m->frozen_ms = m->unknown_ms = 0;
    if (!rc && m->s.cluster.state == TG_CLUSTER_RETIRED && m->s.has_record && m->s.record.phase == TG_MIGRATE_DONE)
        return 0; /* it is done already */
    bool retired = !rc && m->s.cluster.state == TG_CLUSTER_RETIRED;
    if (!rc)
        rc = tg_migrate_sit(m, "complete", TG_PHASE(TG_MIGRATE_VERIFIED) | TG_PHASE(TG_MIGRATE_COMPLETING), retired ? &whatever : NULL, e);
    if (rc)
        return rc;
    rc = complete(m, e);
    tg_migrate_leave(m);
    return rc;
}
