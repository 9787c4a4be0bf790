/* The steps of a move but the last: see migrate.h. */
#include "guard/migrate_internal.h"
#include "guard/tree.h"
#include "store/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEAT_LOOK_MS 200
#define CONTENDED 50 /* tries for a seat that changes hands all the time */
#define FEW 64       /* changes that a pass found: the next would find as many */

static bool is_active(const struct tg_migrate_side *s)
{
    return s->has_record && s->record.phase != TG_MIGRATE_DONE && s->record.phase != TG_MIGRATE_BACK && strcmp(s->record.cluster, s->cluster.id) == 0 &&
           s->cluster.generation < s->record.generation;
}

/* "zk://a,b" and "zk://b,a" are one place. */
static bool same_place(const char *a, const char *b)
{
    char x[128], y[128];

    return tg_seen_file("", a, x, sizeof x, NULL) == 0 && tg_seen_file("", b, y, sizeof y, NULL) == 0 && strcmp(x, y) == 0;
}

int tg_migrate_refuse_inside(const char *from, const char *to, struct tg_error *e)
{
    const char *a = strstr(from, "://"), *b = strstr(to, "://");
    size_t len;

    a = a ? strchr(a + 3, '/') : NULL;
    b = b ? strchr(b + 3, '/') : NULL;
    if (!a || !b)
        return 0;
    for (len = strlen(a); len > 1 && a[len - 1] == '/'; len--)
        continue;
    if (strncmp(a, b, len) != 0 || b[len] != '/' || b[len + strspn(b + len, "/")] == '\0')
        return 0;
    tg_fail(e, TG_E_USAGE, "the target's place %s lies inside of the source's, %.*s", b, (int) len, a);
    tg_error_hint(e, "name a place beside it, such as %.*s2: servers may have several names, and in the source's own tree nothing may be made", (int) len, a);
    return TG_E_USAGE;
}

static bool is_ours(const struct tg_migrate *m)
{
    const struct tg_migrate_side *s = &m->s, *t = &m->t;

    return t->has_record && t->has_cluster && strcmp(t->record.id, s->record.id) == 0 && strcmp(t->cluster.id, s->record.cluster) == 0 &&
           t->cluster.generation == s->record.generation;
}

static bool is_live_there(const struct tg_migrate *m)
{
    return m->t.has_cluster && m->t.cluster.state == TG_CLUSTER_LIVE && strcmp(m->t.cluster.id, m->s.cluster.id) == 0 &&
           m->t.cluster.generation == m->s.record.generation;
}

const char *tg_migrate_next(const struct tg_migrate *m)
{
    const struct tg_migrate_side *s = &m->s;

    if (s->has_cluster && s->cluster.state == TG_CLUSTER_RETIRED)
        return s->has_record && s->record.phase != TG_MIGRATE_DONE ? "complete" : "";
    if (!is_active(s))
        return "begin";
    if (s->record.phase == TG_MIGRATE_BACKING)
        return "back";
    if (s->cluster.state == TG_CLUSTER_MIGRATING)
        return "complete";
    if (m->to && !is_ours(m))
        return "begin";
    return s->record.phase == TG_MIGRATE_BEGUN ? "copy" : s->record.phase == TG_MIGRATE_COPIED ? "verify" : "complete";
}

/* --- whose turn is it? --- */

static int not_now(const struct tg_migrate *m, const char *step, struct tg_error *e)
{
    const char *next = tg_migrate_next(m), *to = m->s.has_record ? m->s.record.to : "URL";

    if (m->s.cluster.state == TG_CLUSTER_RETIRED) {
        tg_fail(e, TG_E_USAGE, "%s: the tree was moved from here already, to %s", step, m->s.cluster.moved_to);
        tg_error_hint(e, next[0] ? "what is left: tagout migrate %s --to %s" : "%sto move on from there, make that the source: --from %s", next, to);
    } else if (strcmp(next, "begin") == 0) {
        tg_fail(e, TG_E_USAGE, "%s: no move is under way%s", step, is_active(&m->s) ? " that its target knows of" : "");
        tg_error_hint(e, "tagout migrate begin --to %s", is_active(&m->s) ? to : "URL");
    } else {
        tg_fail(e, TG_E_USAGE, "%s: it is not its turn, the move to %s is %s", step, to, tg_migrate_phase_name(m->s.record.phase));
        tg_error_hint(e, "next: tagout migrate %s --to %s", next, to);
    }
    return TG_E_USAGE;
}

static int elsewhere(const struct tg_migrate *m, struct tg_error *e)
{
    char since[40];

    tg_time_format(m->s.record.began_ms / 1000 * 1000, since, sizeof since);
    tg_fail(e, TG_E_HELD, "%s moves this tree to %s since %s (%s)", m->s.record.by, m->s.record.to, since, tg_migrate_phase_name(m->s.record.phase));
    tg_error_hint(e, "go on with that one, or end it first: tagout migrate back --to %s", m->s.record.to);
    return TG_E_HELD;
}

int tg_migrate_own_target(struct tg_migrate *m, struct tg_error *e)
{
    if (!m->t.has_cluster || !is_ours(m)) {
        tg_fail(e, TG_E_UNKNOWN, "%s is not what begin made of it: %s", tg_store_url(m->to), !m->t.has_cluster ? "it is empty" : "it belongs to something else");
        tg_error_hint(e, "is it the right place? To begin there anew: tagout migrate begin --to %s", m->s.record.to);
        return TG_E_UNKNOWN;
    }
    return 0;
}

static int require(struct tg_migrate *m, const char *step, unsigned phases, bool fresh, struct tg_error *e)
{
    enum tg_migrate_phase phase = is_active(&m->s) ? m->s.record.phase : TG_MIGRATE_NONE;

    if (!m->s.has_cluster)
        return tg_fail(e, TG_E_UNKNOWN, "%s has no tree", tg_store_url(m->from));
    if (phase != TG_MIGRATE_NONE && m->to && !same_place(m->s.record.to, tg_store_url(m->to)))
        return elsewhere(m, e);
    if (!(phases & TG_PHASE(phase)))
        return not_now(m, step, e);
    return fresh ? 0 : tg_migrate_own_target(m, e);
}

static int seat_held(const struct tg_migrate *m, struct tg_error *e)
{
    tg_fail(e, TG_E_HELD, "this tree is being moved by %s", m->s.seat);
    tg_error_hint(e, "if that process is gone, the seat is free once its session with the store has ended: some seconds");
    return TG_E_HELD;
}

static int wait_for_seat(struct tg_migrate *m, int64_t *deadline, struct tg_error *e)
{
    if (!*deadline) {
        *deadline = tg_migrate_now(m) + m->seat_wait_ms;
        tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_SEAT, .text = m->s.seat});
    }
    return tg_migrate_now(m) >= *deadline ? seat_held(m, e) : tg_migrate_pause(m, SEAT_LOOK_MS, e);
}

static int raise_target(struct tg_migrate *m, struct tg_error *e)
{
    if (!m->to || !is_ours(m))
        return 0;
    return tg_migrate_put(m, true, &m->s.record, NULL, e);
}

static struct tg_migration next_record(const struct tg_migrate *m, const struct tg_migration *fresh)
{
    struct tg_migration r = m->s.record;
    int64_t epoch = m->s.has_record ? m->s.record.epoch : 0;

    if (fresh && !is_active(&m->s))
        r = *fresh;
    r.epoch = epoch + 1;
    return r;
}

int tg_migrate_sit(struct tg_migrate *m, const char *step, unsigned phases, const struct tg_migration *fresh, struct tg_error *e)
{
    int64_t deadline = 0;
    int rc = 0;

    for (int i = 0; i < CONTENDED || m->s.seat[0]; i++) {
        struct tg_error why = TG_ERROR_INIT;
        rc = tg_migrate_look(m, e);
        if (!rc)
            rc = require(m, step, phases, fresh || !m->to, e);
        if (!rc && m->s.seat[0]) {
            if ((rc = wait_for_seat(m, &deadline, e)) == 0)
                continue;
        }
        if (rc)
            return rc;
        struct tg_migration r = next_record(m, fresh);
        rc = tg_migrate_take_seat(m, step, &r, &why);
        if (!rc && (rc = raise_target(m, e)) != 0)
            tg_migrate_leave(m);
        else if (rc && rc != TG_E_EXISTS && rc != TG_E_VERSION && rc != TG_E_NOENT && rc != TG_E_LOST && rc != TG_E_TIMEOUT)
            tg_fail(e, rc, "%s", why.message);
        else if (rc)
            continue;
        return rc;
    }
    return tg_fail(e, rc ? rc : TG_E_VERSION, "the seat of this move can't be taken: too much goes on");
}

/* --- begin --- */

static int not_empty(const struct tg_migrate *m, const char *what, struct tg_error *e)
{
    tg_fail(e, TG_E_EXISTS, "%s can't be the target: %s", tg_store_url(m->to), what);
    tg_error_hint(e, "name an empty place, such as another chroot (zk://…/tagout2) or another file");
    return TG_E_EXISTS;
}

static int fits(const struct tg_migrate *m, struct tg_error *e)
{
    const struct tg_migrate_side *t = &m->t;
    char what[160];

    if (!t->has_cluster && !t->others)
        return 0;
    if (!t->has_cluster) {
        snprintf(what, sizeof what, "it has no /cluster, but %zu other nodes", t->others);
        return not_empty(m, what, e);
    }
    if (strcmp(t->cluster.id, m->s.cluster.id) != 0) {
        snprintf(what, sizeof what, "cluster %.8s is there, this is %.8s", t->cluster.id, m->s.cluster.id);
        return not_empty(m, what, e);
    }
    if (t->cluster.state == TG_CLUSTER_LIVE)
        return not_empty(m, t->cluster.generation == m->s.cluster.generation ? "it is the source itself, or a copy of it that says it is live"
                                                                              : "this cluster is there already, live, in another generation", e);
    return 0; /* left by a move that was taken back, or retired by one that was completed: it is made equal to the source again */
}

/* Nothing is moved whose source does not add up. */
static int prove_source(struct tg_migrate *m, struct tg_error *e)
{
    struct tg_guard guard = {.store = m->from, .state_dir = m->state_dir, .timeout_ms = m->timeout_ms ? m->timeout_ms : 30000};
    struct tg_locks locks = {0};
    struct tg_cluster c;
    int rc = tg_cluster_check(m->from, m->state_dir, tg_migrate_deadline(m), &c, NULL, e);

    if (!rc)
        rc = tg_lock_list(&guard, NULL, &locks, e);
    tg_locks_release(&locks);
    return rc ? tg_error_prefix(e, "%s", tg_store_url(m->from)), rc : 0;
}

static int new_record(const struct tg_migrate *m, struct tg_migration *out, struct tg_error *e)
{
    const struct tg_migrate_side *s = &m->s, *t = &m->t;
    struct tg_migration r = {.phase = TG_MIGRATE_BEGUN, .generation = s->cluster.generation, .began_ms = tg_wall_ms(tg_loop_clock(tg_store_loop(m->from)))};

    if (strlen(tg_store_url(m->from)) >= sizeof r.from || strlen(tg_store_url(m->to)) >= sizeof r.to)
        return tg_fail(e, TG_E_CONFIG, "the URL is too long: at most %d bytes", TG_CLUSTER_URL_SIZE - 1);
    if (t->has_cluster && t->cluster.generation > r.generation)
        r.generation = t->cluster.generation;
    if (s->has_record && s->record.generation > r.generation && strcmp(s->record.cluster, s->cluster.id) == 0)
        r.generation = s->record.generation;
    r.generation++;
    r.changed_ms = r.began_ms;
    snprintf(r.cluster, sizeof r.cluster, "%s", s->cluster.id);
    snprintf(r.from, sizeof r.from, "%s", tg_store_url(m->from));
    snprintf(r.to, sizeof r.to, "%s", tg_store_url(m->to));
    snprintf(r.by, sizeof r.by, "%s", m->by);
    int rc = tg_store_random_id(r.id, e);
    if (!rc)
        *out = r;
    return rc;
}

/* The target's first transaction: from its first node on it says that it is not to be believed. */
static int claim_target(struct tg_migrate *m, struct tg_error *e)
{
    struct tg_cluster c = {.generation = m->s.record.generation, .state = TG_CLUSTER_MIGRATING, .created_ms = m->s.cluster.created_ms};
    int rc = is_ours(m) ? 0 : fits(m, e);

    if (rc || (is_ours(m) && m->t.cluster.state == TG_CLUSTER_MIGRATING))
        return rc;
    memcpy(c.id, m->s.cluster.id, sizeof c.id);
    memcpy(c.created_by, m->s.cluster.created_by, sizeof c.created_by);
    return tg_migrate_put(m, true, &m->s.record, &c, e);
}

int tg_migrate_begin(struct tg_migrate *m, struct tg_error *e)
{
    const unsigned phases = TG_PHASE(TG_MIGRATE_NONE) | TG_PHASE(TG_MIGRATE_BEGUN) | TG_PHASE(TG_MIGRATE_COPIED) | TG_PHASE(TG_MIGRATE_VERIFIED);
    struct tg_migration fresh = {.epoch = 0};
    int rc = tg_migrate_refuse_inside(tg_store_url(m->from), tg_store_url(m->to), e);

    if (!rc)
        rc = tg_migrate_look(m, e);
    if (!rc)
        rc = require(m, "begin", phases, true, e);
    if (!rc && is_active(&m->s) && is_ours(m) && m->t.cluster.state == TG_CLUSTER_MIGRATING)
        return 0; /* it has begun already */
    if (!rc && m->s.cluster.state != TG_CLUSTER_LIVE)
        rc = not_now(m, "begin", e);
    if (!rc)
        rc = prove_source(m, e);
    if (!rc && !is_ours(m))
        rc = fits(m, e);
    if (!rc)
        rc = new_record(m, &fresh, e);
    if (!rc)
        rc = tg_migrate_sit(m, "begin", phases, &fresh, e);
    if (rc)
        return rc;
    rc = claim_target(m, e);
    if (!rc && m->s.record.phase != TG_MIGRATE_BEGUN)
        rc = tg_migrate_phase(m, TG_MIGRATE_BEGUN, e); /* the target was lost: all is to be copied again */
    tg_migrate_leave(m);
    return rc;
}

/* --- copy --- */

static void tell_read(void *data, size_t nodes)
{
    const struct tg_migrate *m = data;

    tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_READ, .n = nodes});
}

/* Is the source's record as we have written it? Then it is not the seat that we lost. */
static bool still_seated(struct tg_migrate *m)
{
    const struct tg_op op = {.kind = TG_OP_CHECK, .path = TG_MIGRATION_PATH, .version = m->s.record_version};

    return tg_store_multi(m->from, &op, 1, tg_migrate_deadline(m), NULL, NULL) == 0;
}

void tg_migrate_fence(const struct tg_migrate *m, struct tg_op out[2])
{
    out[0] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_MIGRATION_PATH, .version = m->t.record_version};
    out[1] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = m->t.cluster_version};
}

static int one_pass(struct tg_migrate *m, struct tg_mirror_copied *out, struct tg_error *e)
{
    struct tg_op fence[2];
    struct tg_mirror_walk walk = {.wait_ms = m->timeout_ms ? m->timeout_ms : 30000, .tell = tell_read, .tell_data = m};
    struct tg_error why = TG_ERROR_INIT;
    int rc = TG_E_LOST;

    tg_migrate_fence(m, fence);
    for (int i = 0; i < 5 && (rc == TG_E_LOST || (rc == TG_E_VERSION && still_seated(m))); i++) {
        tg_error_clear(&why);
        rc = tg_mirror_copy(m->from, m->to, &walk, fence, 2, out, &why);
    }
    if (rc)
        tg_fail(e, rc, "copying to %s: %s", tg_store_url(m->to), why.message);
    if (rc == TG_E_VERSION)
        tg_error_hint(e, "somebody else moves this tree, or writes there: tagout migrate status");
    else if (rc)
        tg_error_hint(e, "the source serves as before; what is there stays, so when the cause is mended: tagout migrate copy --to %s", m->s.record.to);
    return rc;
}

int tg_migrate_copy_passes(struct tg_migrate *m, int passes, struct tg_mirror_copied *out, struct tg_error *e)
{
    struct tg_mirror_copied all = {.nodes = 0};
    size_t changed = SIZE_MAX;
    int rc = 0;

    for (int i = 0; !rc && i < passes && changed > FEW; i++) {
        struct tg_mirror_copied c = {.nodes = 0};
        rc = tg_store_sync(m->from, TG_CLUSTER_PATH, tg_migrate_deadline(m), e);
        int64_t txid = tg_store_seen_txid(m->from);
        if (!rc)
            rc = one_pass(m, &c, e);
        if (rc)
            break;
        tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_COPIED, .copied = &c});
        changed = c.created + c.written + c.deleted;
        all = (struct tg_mirror_copied) {.nodes = c.nodes, .created = all.created + c.created, .written = all.written + c.written,
                                         .deleted = all.deleted + c.deleted, .bytes = all.bytes + c.bytes};
        m->s.record.copied_txid = txid;
    }
    if (!rc && out)
        *out = all;
    return rc;
}

int tg_migrate_copy(struct tg_migrate *m, struct tg_mirror_copied *out, struct tg_error *e)
{
    int rc = tg_migrate_sit(m, "copy", TG_PHASE(TG_MIGRATE_BEGUN) | TG_PHASE(TG_MIGRATE_COPIED) | TG_PHASE(TG_MIGRATE_VERIFIED), NULL, e);

    if (rc)
        return rc;
    rc = tg_migrate_copy_passes(m, 4, out, e);
    if (!rc)
        rc = tg_migrate_phase(m, TG_MIGRATE_COPIED, e);
    tg_migrate_leave(m);
    return rc;
}

/* --- verify, back --- */

int tg_migrate_verify(struct tg_migrate *m, struct tg_mirror_report *out, struct tg_error *e)
{
    int rc = tg_migrate_sit(m, "verify", TG_PHASE(TG_MIGRATE_COPIED) | TG_PHASE(TG_MIGRATE_VERIFIED), NULL, e);

    if (rc)
        return rc;
    rc = tg_migrate_compare(m, out, e);
    if (!rc && (rc = tg_migrate_phase(m, TG_MIGRATE_VERIFIED, e)) != 0)
        tg_mirror_report_release(out);
    else if (rc == TG_E_DATA)
        (void) tg_migrate_phase(m, TG_MIGRATE_BEGUN, NULL);
    tg_migrate_leave(m);
    return rc;
}

/* The target first: from then on it can't go live, whoever wakes. */
static int refuse_target(struct tg_migrate *m, struct tg_error *e)
{
    struct tg_cluster c = m->t.cluster;

    if (!m->to || !is_ours(m) || c.state == TG_CLUSTER_RETIRED)
        return 0;
    c.state = TG_CLUSTER_RETIRED;
    c.moved_generation = m->s.cluster.generation;
    snprintf(c.moved_to, sizeof c.moved_to, "%s", m->s.record.from);
    return tg_migrate_put(m, true, &m->s.record, &c, e);
}

static int thaw_and_end(struct tg_migrate *m, struct tg_error *e)
{
    struct tg_migration r = m->s.record;
    struct tg_cluster c = m->s.cluster;

    r.phase = TG_MIGRATE_BACK;
    r.changed_ms = tg_wall_ms(tg_loop_clock(tg_store_loop(m->from)));
    c.state = TG_CLUSTER_LIVE;
    c.moved_generation = 0;
    c.moved_to[0] = '\0';
    return tg_migrate_put(m, false, &r, m->s.cluster.state == TG_CLUSTER_LIVE ? NULL : &c, e);
}

int tg_migrate_back(struct tg_migrate *m, struct tg_error *e)
{
    const unsigned phases = TG_PHASE(TG_MIGRATE_BEGUN) | TG_PHASE(TG_MIGRATE_COPIED) | TG_PHASE(TG_MIGRATE_VERIFIED) | TG_PHASE(TG_MIGRATE_COMPLETING) |
                            TG_PHASE(TG_MIGRATE_BACKING);
    static const struct tg_migration none = {.epoch = 0};
    int rc = tg_migrate_look(m, e);

    if (!rc && m->s.has_record && m->s.record.phase == TG_MIGRATE_BACK && m->s.cluster.state == TG_CLUSTER_LIVE)
        return 0; /* it has been taken back already */
    if (!rc)
        rc = tg_migrate_sit(m, "back", phases, &none, e); /* whatever the target is by now */
    if (rc)
        return rc;
    if (m->s.cluster.state == TG_CLUSTER_RETIRED || is_live_there(m))
        rc = not_now(m, "back", e);
    if (!rc && m->s.record.phase != TG_MIGRATE_BACKING)
        rc = tg_migrate_phase(m, TG_MIGRATE_BACKING, e);
    if (!rc)
        rc = refuse_target(m, e);
    if (!rc)
        rc = thaw_and_end(m, e);
    tg_migrate_leave(m);
    return rc;
}
