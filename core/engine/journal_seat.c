/* Runs in the store: the driver's seat (P6). See journal.h. */
#include "engine/journal_internal.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void path_of(const char *id, const char *below, char *out, size_t size)
{
    snprintf(out, size, "/runs/%s%s", id, below);
}

static char *lease_text(const char *by, int64_t epoch, int64_t wall_ms, struct tg_error *e)
{
    char host[256] = "";

    gethostname(host, sizeof host - 1);
    json_t *o = json_pack("{s:i,s:s,s:s,s:i,s:I,s:I}", "format", TG_JOURNAL_FORMAT, "by", by, "host", host, "pid", (int) getpid(), "epoch",
                          (json_int_t) epoch, "since", (json_int_t) wall_ms);
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    json_decref(o);
    if (!text)
        tg_fail(e, TG_E_MEMORY, "out of memory");
    return text;
}

static void copy_word(const json_t *o, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));

    snprintf(out, size, "%s", text && text[0] ? text : "?");
}

int tg_run_seat_read(struct tg_store *store, const char *id, tg_watch_fn watch, void *data, int64_t wait_ms, struct tg_run_seat *out,
                     struct tg_error *e)
{
    char path[TG_RUN_ID_SIZE + 32];
    struct tg_node node;
    int64_t deadline = tg_store_deadline(store, wait_ms);

    path_of(id, "/lease", path, sizeof path);
    int rc = watch ? tg_store_read_watch(store, path, watch, data, deadline, &node, e) : tg_store_read(store, path, deadline, &node, e);
    if (rc)
        return rc;
    json_t *o = json_loadb(node.data, node.len, 0, NULL);
    *out = (struct tg_run_seat) {.pid = json_integer_value(json_object_get(o, "pid")), .epoch = json_integer_value(json_object_get(o, "epoch")),
                                 .since_ms = json_integer_value(json_object_get(o, "since")), .version = node.stat.version, .session = node.stat.owner};
    copy_word(o, "by", out->by, sizeof out->by);
    copy_word(o, "host", out->host, sizeof out->host);
    json_decref(o);
    tg_node_release(&node);
    return 0;
}

void tg_run_seat_text(const struct tg_run_seat *seat, char *out, size_t size)
{
    char since[40];

    tg_time_format(seat->since_ms / 1000 * 1000, since, sizeof since);
    snprintf(out, size, "%.150s, process %lld on %.150s, since %s", seat->by, (long long) seat->pid, seat->host, since);
}

int tg_run_seat(struct tg_store *store, const char *id, int64_t wait_ms, char *out, size_t size, struct tg_error *e)
{
    struct tg_run_seat seat;
    int rc = tg_run_seat_read(store, id, NULL, NULL, wait_ms, &seat, e);

    if (!rc)
        tg_run_seat_text(&seat, out, size);
    return rc;
}

static int seat_taken(struct tg_journal *j, struct tg_error *e)
{
    struct tg_run_seat seat;
    char who[400] = "somebody";

    if (!tg_run_seat_read(j->store, j->id, NULL, NULL, j->wait_ms, &seat, NULL))
        tg_run_seat_text(&seat, who, sizeof who);
    tg_fail(e, TG_E_HELD, "run %s is being driven by %s", j->id, who);
    tg_error_hint(e, "follow it: tagout status %s --watch. If that process hangs: tagout run --resume %s --take-over", j->id, j->id);
    return TG_E_HELD;
}

/* Our own lease from an attempt whose answer was lost? */
static bool lease_is_ours(struct tg_journal *j)
{
    struct tg_run_seat seat;

    if (tg_run_seat_read(j->store, j->id, NULL, NULL, j->wait_ms, &seat, NULL))
        return false;
    return seat.session != 0 && seat.session == tg_store_session_id(j->store) && seat.epoch == j->epoch + 1;
}

/* instead: the lease that is to go in the same transaction, or NULL. */
static int try_seat(struct tg_journal *j, const char *record, const char *lease, const struct tg_run_seat *instead, struct tg_error *e)
{
    char run[TG_RUN_ID_SIZE + 32], head[TG_RUN_ID_SIZE + 32], lease_path[TG_RUN_ID_SIZE + 32];
    int64_t cluster_version;
    struct tg_op ops[5];
    size_t n = 0;
    int failed = -1, rc = tg_cluster_live(j->store, tg_journal_deadline(j), &cluster_version, e);

    if (rc)
        return rc;
    path_of(j->id, "", run, sizeof run);
    path_of(j->id, "/journal", head, sizeof head);
    path_of(j->id, "/lease", lease_path, sizeof lease_path);
    if (instead)
        ops[n++] = (struct tg_op) {.kind = TG_OP_DELETE, .path = lease_path, .version = instead->version};
    ops[n++] = (struct tg_op) {.kind = TG_OP_CREATE, .path = lease_path, .data = lease, .len = strlen(lease), .flags = TG_CREATE_EPHEMERAL};
    ops[n++] = (struct tg_op) {.kind = TG_OP_WRITE, .path = run, .data = record, .len = strlen(record), .version = j->record_version};
    ops[n++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = head, .version = j->head_version};
    if (cluster_version != TG_ANY_VERSION)
        ops[n++] = (struct tg_op) {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = cluster_version};
    return tg_store_multi(j->store, ops, n, tg_journal_deadline(j), &failed, e);
}

static int sit_down(struct tg_journal *j, const char *by, int64_t wall_ms, const struct tg_run_seat *instead, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    char *record = tg_journal_record(j->rollout, j->digest, j->by, j->made_ms, j->epoch + 1, e);
    char *lease = record ? lease_text(by, j->epoch + 1, wall_ms, e) : NULL;
    int rc = lease ? try_seat(j, record, lease, instead, &own) : TG_E_MEMORY;

    free(record);
    free(lease);
    if ((rc == TG_E_LOST || rc == TG_E_TIMEOUT || rc == TG_E_EXISTS || (instead && rc == TG_E_VERSION)) && lease_is_ours(j))
        rc = 0;
    if (!rc) {
        j->seated = true;
        j->epoch++;
        j->record_version++;
        return 0;
    }
    if (rc == TG_E_EXISTS)
        return seat_taken(j, e);
    if (e && !e->code)
        *e = own;
    return rc;
}

int tg_journal_seat(struct tg_journal *j, const char *by, int64_t wall_ms, struct tg_error *e)
{
    return sit_down(j, by, wall_ms, NULL, e);
}

int tg_journal_take_over(struct tg_journal *j, const char *by, int64_t wall_ms, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    struct tg_run_seat seat;
    int rc = tg_run_seat_read(j->store, j->id, NULL, NULL, j->wait_ms, &seat, &own);

    if (rc && rc != TG_E_NOENT) {
        if (e && !e->code)
            *e = own;
        return rc;
    }
    return sit_down(j, by, wall_ms, rc ? NULL : &seat, e);
}

void tg_journal_leave(struct tg_journal *j)
{
    char path[TG_RUN_ID_SIZE + 32], run[TG_RUN_ID_SIZE + 32];

    if (!j->seated)
        return;
    j->seated = false;
    tg_buf_reset(&j->pending);
    path_of(j->id, "/lease", path, sizeof path);
    path_of(j->id, "", run, sizeof run);
    /* Only while it is ours: whoever has it by now has written the record. */
    const struct tg_op ops[] = {{.kind = TG_OP_DELETE, .path = path, .version = TG_ANY_VERSION}, {.kind = TG_OP_CHECK, .path = run, .version = j->record_version}};
    tg_store_multi(j->store, ops, 2, tg_store_deadline(j->store, j->wait_ms < 2000 ? j->wait_ms : 2000), NULL, NULL);
}

int tg_journal_prove(struct tg_journal *j, struct tg_error *e)
{
    char path[TG_RUN_ID_SIZE + 32];

    path_of(j->id, "", path, sizeof path);
    const struct tg_op op = {.kind = TG_OP_CHECK, .path = path, .version = j->record_version};
    struct tg_error own = TG_ERROR_INIT;
    int rc = tg_store_multi(j->store, &op, 1, tg_journal_deadline(j), NULL, &own);
    if (rc == TG_E_VERSION)
        return tg_journal_seat_lost(j, e);
    if (rc && e && !e->code)
        *e = own;
    return rc;
}
