/* The record of a move, writing it on either side, and the seat of who moves: see migrate.h. */
#include "guard/migrate_internal.h"
#include "guard/tree.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES 8

static const char *const phase_names[] = {
    [TG_MIGRATE_NONE] = "none", [TG_MIGRATE_BEGUN] = "begun", [TG_MIGRATE_COPIED] = "copied", [TG_MIGRATE_VERIFIED] = "verified",
    [TG_MIGRATE_COMPLETING] = "completing", [TG_MIGRATE_DONE] = "done", [TG_MIGRATE_BACKING] = "backing", [TG_MIGRATE_BACK] = "back"};

const char *tg_migrate_phase_name(enum tg_migrate_phase phase)
{
    return phase_names[phase];
}

char *tg_migration_encode(const struct tg_migration *r)
{
    json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:s,s:I,s:s,s:I,s:s,s:I,s:I,s:I}", "format", TG_MIGRATION_FORMAT, "id", r->id, "cluster", r->cluster,
                          "from", r->from, "to", r->to, "generation", (json_int_t) r->generation, "phase", phase_names[r->phase], "epoch",
                          (json_int_t) r->epoch, "by", r->by, "began", (json_int_t) r->began_ms, "changed", (json_int_t) r->changed_ms, "copied",
                          (json_int_t) r->copied_txid);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

    json_decref(o);
    return text;
}

static bool take_text(const json_t *o, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));

    snprintf(out, size, "%s", text ? text : "");
    return text && strlen(text) < size;
}

static bool take_number(const json_t *o, const char *key, int64_t least, int64_t *out)
{
    const json_t *n = json_object_get(o, key);

    *out = json_integer_value(n);
    return json_is_integer(n) && *out >= least;
}

static bool take_phase(const json_t *o, enum tg_migrate_phase *out)
{
    const char *name = json_string_value(json_object_get(o, "phase"));

    for (size_t i = TG_MIGRATE_BEGUN; name && i < sizeof phase_names / sizeof phase_names[0]; i++)
        if (strcmp(name, phase_names[i]) == 0) {
            *out = (enum tg_migrate_phase) i;
            return true;
        }
    return false;
}

int tg_migration_decode(const char *text, size_t len, struct tg_migration *out, struct tg_error *e)
{
    json_t *o = len ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    struct tg_migration r = {.epoch = 0};
    int64_t format = 0;
    bool good = take_number(o, "format", 1, &format) && format == TG_MIGRATION_FORMAT && take_text(o, "id", r.id, sizeof r.id) &&
                strlen(r.id) == sizeof r.id - 1 && take_text(o, "cluster", r.cluster, sizeof r.cluster) && take_text(o, "from", r.from, sizeof r.from) &&
                take_text(o, "to", r.to, sizeof r.to) && take_number(o, "generation", 2, &r.generation) && take_phase(o, &r.phase) &&
                take_number(o, "epoch", 1, &r.epoch) && take_text(o, "by", r.by, sizeof r.by) && take_number(o, "began", 0, &r.began_ms) &&
                take_number(o, "changed", 0, &r.changed_ms) && take_number(o, "copied", 0, &r.copied_txid);

    json_decref(o);
    if (good) {
        *out = r;
        return 0;
    }
    if (format > TG_MIGRATION_FORMAT)
        tg_fail(e, TG_E_UNKNOWN, "%s has format %lld, this tagout knows %d", TG_MIGRATION_PATH, (long long) format, TG_MIGRATION_FORMAT);
    else
        tg_fail(e, TG_E_UNKNOWN, "%s can't be read: it is no record of a move", TG_MIGRATION_PATH);
    tg_error_hint(e, "nothing was changed; go on with the tagout that began the move");
    return TG_E_UNKNOWN;
}

/* --- small things --- */

int64_t tg_migrate_deadline(const struct tg_migrate *m)
{
    return tg_store_deadline(m->from, m->timeout_ms ? m->timeout_ms : 30000);
}

int64_t tg_migrate_now(const struct tg_migrate *m)
{
    return tg_store_deadline(m->from, 0);
}

void tg_migrate_tell(const struct tg_migrate *m, struct tg_migrate_news news)
{
    if (m->tell)
        m->tell(m->data, &news);
}

int tg_migrate_pause(const struct tg_migrate *m, int64_t ms, struct tg_error *e)
{
    int64_t until = tg_migrate_now(m) + ms;

    while (tg_migrate_now(m) < until)
        if (tg_loop_turn(tg_store_loop(m->from), until - tg_migrate_now(m)) == TG_E_CANCELLED)
            return tg_fail(e, TG_E_CANCELLED, "interrupted");
    return 0;
}

/* --- looking --- */

static int take_cluster(struct tg_migrate_side *side, const struct tg_read_item *item, struct tg_error *e)
{
    if (item->code)
        return 0;
    side->has_cluster = true;
    side->cluster_version = item->node.stat.version;
    side->cluster_txid = item->node.stat.version ? item->node.stat.modified_txid : item->node.stat.created_txid;
    return tg_cluster_decode(item->node.data, item->node.len, &side->cluster, NULL, e);
}

static int take_record(struct tg_migrate_side *side, const struct tg_read_item *item, struct tg_error *e)
{
    if (item->code)
        return 0;
    side->has_record = true;
    side->record_version = item->node.stat.version;
    return tg_migration_decode(item->node.data, item->node.len, &side->record, e);
}

static void take_seat(struct tg_migrate_side *side, const struct tg_read_item *item)
{
    char since[40];

    if (item->code)
        return;
    json_t *o = json_loadb(item->node.data, item->node.len, 0, NULL);
    const char *by = json_string_value(json_object_get(o, "by")), *host = json_string_value(json_object_get(o, "host"));
    const char *step = json_string_value(json_object_get(o, "step"));
    tg_time_format(json_integer_value(json_object_get(o, "since")) / 1000 * 1000, since, sizeof since);
    snprintf(side->seat, sizeof side->seat, "%.100s (%.16s, process %lld on %.100s, since %s)", by ? by : "somebody", step ? step : "?",
             (long long) json_integer_value(json_object_get(o, "pid")), host ? host : "?", since);
    json_decref(o);
}

static int count_others(struct tg_migrate *m, struct tg_store *store, struct tg_migrate_side *side, struct tg_error *e)
{
    struct tg_names names;
    int rc = tg_store_list(store, "/", tg_migrate_deadline(m), &names, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < names.count; i++)
        side->others += strcmp(names.names[i], "zookeeper") != 0 && strcmp(names.names[i], TG_MIGRATION_PATH + 1) != 0;
    tg_names_release(&names);
    return 0;
}

/* Says of which store it is; a target that is gone altogether (its chroot, its file) can be begun anew. */
static int not_seen(const struct tg_migrate *m, struct tg_store *store, int rc, struct tg_error *e)
{
    const char *url = tg_store_url(store);

    if (!e)
        return rc;
    if (strncmp(e->message, url, strlen(url)) != 0)
        tg_error_prefix(e, "%s", url);
    if (rc == TG_E_UNKNOWN && store == m->to && m->s.has_record) {
        e->hint[0] = '\0';
        tg_error_hint(e, "has it lost its data? To begin there anew: tagout migrate begin --to %s; to give up: tagout migrate back --leave-target", url);
    }
    return rc;
}

static int look_at(struct tg_migrate *m, struct tg_store *store, struct tg_migrate_side *out, struct tg_error *e)
{
    struct tg_read_item items[3] = {{.path = TG_CLUSTER_PATH}, {.path = TG_MIGRATION_PATH}, {.path = TG_MIGRATE_SEAT}};
    struct tg_migrate_side side = {.others = 0};
    int rc = tg_store_sync(store, TG_CLUSTER_PATH, tg_migrate_deadline(m), e);

    if (!rc)
        rc = tg_store_read_many(store, items, 3, tg_migrate_deadline(m), e);
    if (rc)
        return not_seen(m, store, rc, e);
    rc = take_cluster(&side, &items[0], e);
    if (!rc)
        rc = take_record(&side, &items[1], e);
    if (!rc && !side.has_cluster)
        rc = count_others(m, store, &side, e);
    take_seat(&side, &items[2]);
    tg_read_items_release(items, 3);
    if (rc)
        tg_error_prefix(e, "%s", tg_store_url(store));
    else
        *out = side;
    return rc;
}

int tg_migrate_look(struct tg_migrate *m, struct tg_error *e)
{
    int rc = look_at(m, m->from, &m->s, e);

    m->t = (struct tg_migrate_side) {.others = 0};
    return rc || !m->to ? rc : look_at(m, m->to, &m->t, e);
}

/* --- writing --- */

static bool ambiguous(int code)
{
    return code == TG_E_LOST || code == TG_E_TIMEOUT;
}

static int lost_seat(const struct tg_migrate *m, struct tg_error *e)
{
    tg_fail(e, TG_E_VERSION, "somebody else moves this tree now, or changed %s", TG_MIGRATION_PATH);
    tg_error_hint(e, "nothing more is done from here; look with: tagout migrate status --from %s", tg_store_url(m->from));
    return TG_E_VERSION;
}

struct put {
    struct tg_store *store;
    struct tg_migrate_side *side;
    char *text, *cluster_text;
    struct tg_op ops[8]; /* two of the record, a seat, and an entry in the audit with its folders */
    size_t n;
};

static int put_prepare(struct tg_migrate *m, bool target, const struct tg_migration *record, const struct tg_cluster *cluster, struct put *out, struct tg_error *e)
{
    struct put p = {.store = target ? m->to : m->from, .side = target ? &m->t : &m->s, .text = tg_migration_encode(record),
                    .cluster_text = cluster ? tg_cluster_encode(cluster) : NULL};
    const struct tg_migrate_side *s = p.side;

    *out = p;
    if (!p.text || (cluster && !p.cluster_text))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    out->ops[out->n++] = (struct tg_op) {.kind = s->has_record ? TG_OP_WRITE : TG_OP_CREATE, .path = TG_MIGRATION_PATH, .data = p.text,
                                         .len = strlen(p.text), .version = s->record_version};
    if (cluster)
        out->ops[out->n++] = (struct tg_op) {.kind = s->has_cluster ? TG_OP_WRITE : TG_OP_CREATE, .path = TG_CLUSTER_PATH, .data = p.cluster_text,
                                             .len = strlen(p.cluster_text), .version = s->cluster_version};
    else if (s->has_cluster)
        out->ops[out->n++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = s->cluster_version};
    return 0;
}

static void put_done(struct put *p, const struct tg_migration *record, const struct tg_cluster *cluster)
{
    p->side->record_version = p->side->has_record ? p->side->record_version + 1 : 0;
    p->side->has_record = true;
    p->side->record = *record;
    if (!cluster)
        return;
    p->side->cluster_version = p->side->has_cluster ? p->side->cluster_version + 1 : 0;
    p->side->has_cluster = true;
    p->side->cluster = *cluster;
}

/* After an answer that was lost: 1 it is written, 0 it is not, or why that can't be told. */
static int put_settle(struct tg_migrate *m, const struct put *p, struct tg_error *e)
{
    struct tg_node node;
    struct tg_error none = TG_ERROR_INIT;
    int rc = tg_store_sync(p->store, TG_MIGRATION_PATH, tg_migrate_deadline(m), e);

    if (rc)
        return rc;
    rc = tg_store_read(p->store, TG_MIGRATION_PATH, tg_migrate_deadline(m), &node, &none);
    if (rc == TG_E_NOENT && !p->side->has_record)
        return 0;
    if (rc)
        return tg_fail(e, rc, "%s", none.message);
    int64_t before = p->side->has_record ? p->side->record_version : -1;
    bool same = node.stat.version == before, ours = node.stat.version == before + 1 && strcmp(node.data, p->text) == 0;
    tg_node_release(&node);
    return ours ? 1 : same ? 0 : lost_seat(m, e);
}

int tg_migrate_put(struct tg_migrate *m, bool target, const struct tg_migration *record, const struct tg_cluster *cluster, struct tg_error *e)
{
    struct put p;
    int rc = put_prepare(m, target, record, cluster, &p, e), settled = 0;

    for (int i = 0; !rc && !settled && i < TRIES; i++) {
        struct tg_error why = TG_ERROR_INIT;
        rc = tg_store_multi(p.store, p.ops, p.n, tg_migrate_deadline(m), NULL, &why);
        if (!rc)
            settled = 1;
        else if (ambiguous(rc) && i + 1 < TRIES)
            rc = (settled = put_settle(m, &p, e)) < 0 ? settled : 0;
        else if (rc == TG_E_VERSION || rc == TG_E_EXISTS || rc == TG_E_NOENT)
            rc = lost_seat(m, e);
        else
            tg_fail(e, rc, "%s: %s", tg_store_url(p.store), why.message);
    }
    if (!rc)
        put_done(&p, record, cluster);
    free(p.text);
    free(p.cluster_text);
    return rc;
}

int tg_migrate_phase(struct tg_migrate *m, enum tg_migrate_phase phase, struct tg_error *e)
{
    struct tg_migration r = m->s.record;

    r.phase = phase;
    r.changed_ms = tg_wall_ms(tg_loop_clock(tg_store_loop(m->from)));
    return tg_migrate_put(m, false, &r, NULL, e);
}

/* --- the seat --- */

static char *seat_text(const struct tg_migrate *m, const char *step)
{
    char host[256] = "";

    gethostname(host, sizeof host - 1);
    json_t *o = json_pack("{s:i,s:s,s:s,s:i,s:s,s:I}", "format", TG_MIGRATION_FORMAT, "by", m->by, "host", host, "pid", (int) getpid(), "step", step,
                          "since", (json_int_t) tg_wall_ms(tg_loop_clock(tg_store_loop(m->from))));
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    return text;
}

static bool seat_is_ours(struct tg_migrate *m)
{
    struct tg_node node;

    if (tg_store_read(m->from, TG_MIGRATE_SEAT, tg_migrate_deadline(m), &node, NULL) != 0)
        return false;
    bool ours = node.stat.owner && node.stat.owner == tg_store_session_id(m->from);
    tg_node_release(&node);
    return ours;
}

int tg_migrate_audit(struct tg_migrate *m, bool target, const char *step, const struct tg_migration *record, struct tg_batch *b, struct tg_error *e)
{
    struct tg_guard guard = {.store = target ? m->to : m->from, .timeout_ms = m->timeout_ms ? m->timeout_ms : 30000};
    struct tg_lock none = {.n_hold = 0}; /* a move is of no lock; it concerns the fleet */
    struct tg_audit_slot slot;
    char verb[16], why[TG_REASON_SIZE];
    struct tg_scope fleet;

    tg_audit_slot(&guard, &slot);
    struct tg_read_item items[2] = {{.path = slot.day}, {.path = slot.minute}};
    int rc = tg_store_read_many(guard.store, items, 2, tg_migrate_deadline(m), e);
    if (rc)
        return rc;
    slot.have_day = !items[0].code;
    slot.have_minute = !items[1].code;
    tg_read_items_release(items, 2);
    if ((rc = tg_scope_parse("fleet", &fleet, e)) != 0 || (rc = tg_scopes_add(&none.scopes, &fleet, e)) != 0)
        return rc;
    snprintf(verb, sizeof verb, "move-%.10s", step);
    snprintf(why, sizeof why, "%s %.500s", target ? "from" : "to", target ? record->from : record->to);
    snprintf(none.owner, sizeof none.owner, "%s", m->by);
    tg_audit_append(b, &slot, tg_guard_wall(&guard), verb, &none, m->by, why);
    tg_scopes_release(&none.scopes);
    return b->failed ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

/* A retired source changes no more; what is left to do then is told at the target. */
static int audit_seat(struct tg_migrate *m, const char *step, const struct tg_migration *record, struct tg_batch *b, struct tg_error *e)
{
    return m->s.cluster.state == TG_CLUSTER_RETIRED ? 0 : tg_migrate_audit(m, false, step, record, b, e);
}

int tg_migrate_take_seat(struct tg_migrate *m, const char *step, const struct tg_migration *record, struct tg_error *e)
{
    struct put p;
    struct tg_batch audit = TG_BATCH_INIT;
    char *seat = seat_text(m, step);
    struct tg_error why = TG_ERROR_INIT;
    int rc = put_prepare(m, false, record, NULL, &p, e);

    if (!rc && !seat)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        rc = audit_seat(m, step, record, &audit, e);
    if (!rc) {
        for (size_t i = 0; i < audit.n; i++) /* at most three */
            p.ops[p.n++] = audit.ops[i];
        p.ops[p.n++] = (struct tg_op) {.kind = TG_OP_CREATE, .path = TG_MIGRATE_SEAT, .data = seat, .len = strlen(seat), .flags = TG_CREATE_EPHEMERAL};
        rc = tg_store_multi(m->from, p.ops, p.n, tg_migrate_deadline(m), NULL, &why);
        if (ambiguous(rc) && seat_is_ours(m))
            rc = 0;
        if (!rc)
            put_done(&p, record, NULL);
        else
            tg_fail(e, rc, "%s: %s", tg_store_url(m->from), why.message);
    }
    m->seated = !rc;
    tg_batch_release(&audit);
    free(seat);
    free(p.text);
    free(p.cluster_text);
    return rc;
}

void tg_migrate_leave(struct tg_migrate *m)
{
    if (m->seated && !m->dies && seat_is_ours(m))
        (void) tg_store_delete(m->from, TG_MIGRATE_SEAT, TG_ANY_VERSION, tg_migrate_deadline(m), NULL);
    m->seated = false;
}
