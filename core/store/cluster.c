/* Which cluster is this, and may it be believed: see cluster.h. */
#include "store/cluster.h"

#include "base/log.h"
#include "base/seal.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {[TG_CLUSTER_LIVE] = "live", [TG_CLUSTER_MIGRATING] = "migrating", [TG_CLUSTER_RETIRED] = "retired"};

const char *tg_cluster_state_name(enum tg_cluster_state state)
{
    return state_names[state];
}

char *tg_cluster_encode(const struct tg_cluster *c)
{
    char when[40];

    tg_time_format(c->created_ms, when, sizeof when);
    json_t *o = json_pack("{s:i,s:s,s:I,s:s,s:s,s:s}", "format", TG_CLUSTER_FORMAT, "id", c->id, "generation", (json_int_t) c->generation,
                          "state", state_names[c->state], "created", when, "by", c->created_by);
    if (o && c->from_generation)
        json_object_set_new(o, "from", json_pack("{s:I,s:I}", "generation", (json_int_t) c->from_generation, "txid", (json_int_t) c->from_txid));
    if (o && c->moved_to[0])
        json_object_set_new(o, "moved", json_pack("{s:s,s:I}", "to", c->moved_to, "generation", (json_int_t) c->moved_generation));
    return tg_seal(o);
}

static int unknown(char *cause, struct tg_error *e, const char *word, const char *format, ...) __attribute__((format(printf, 4, 5)));
static int unknown(char *cause, struct tg_error *e, const char *word, const char *format, ...)
{
    va_list args;

    if (cause)
        snprintf(cause, TG_CLUSTER_CAUSE_SIZE, "%s", word);
    va_start(args, format);
    tg_failv(e, TG_E_UNKNOWN, format, args);
    va_end(args);
    return TG_E_UNKNOWN;
}

static bool is_id(const char *id)
{
    return id && strlen(id) == TG_CLUSTER_ID_SIZE - 1 && strspn(id, "0123456789abcdef") == TG_CLUSTER_ID_SIZE - 1;
}

static int find_state(const char *name, enum tg_cluster_state *out)
{
    for (size_t i = 0; name && i < sizeof state_names / sizeof state_names[0]; i++)
        if (strcmp(name, state_names[i]) == 0) {
            *out = (enum tg_cluster_state) i;
            return 0;
        }
    return -1;
}

/* Both are for guards that know of them: an older tagout goes by the state alone, which is enough to be safe. */
static int take_move(const json_t *o, struct tg_cluster *c)
{
    const json_t *from = json_object_get(o, "from"), *moved = json_object_get(o, "moved");
    const char *to = json_string_value(json_object_get(moved, "to"));

    c->from_generation = json_integer_value(json_object_get(from, "generation"));
    c->from_txid = json_integer_value(json_object_get(from, "txid"));
    if (from && (c->from_generation < 1 || c->from_generation >= c->generation || c->from_txid < 1))
        return -1;
    c->moved_generation = json_integer_value(json_object_get(moved, "generation"));
    if (moved && (!to || strlen(to) >= sizeof c->moved_to || c->moved_generation < 1))
        return -1;
    snprintf(c->moved_to, sizeof c->moved_to, "%s", to ? to : "");
    return 0;
}

static int take_record(const json_t *o, struct tg_cluster *out, char *cause, struct tg_error *e)
{
    struct tg_cluster c = {0};
    const char *id = json_string_value(json_object_get(o, "id"));
    const char *created = json_string_value(json_object_get(o, "created")), *by = json_string_value(json_object_get(o, "by"));
    const json_t *format = json_object_get(o, "format");

    if (json_is_integer(format) && json_integer_value(format) > TG_CLUSTER_FORMAT) {
        unknown(cause, e, "format-newer", "this store has format %lld, this tagout knows %d", (long long) json_integer_value(format), TG_CLUSTER_FORMAT);
        tg_error_hint(e, "install the version of tagout that the other users of this store have");
        return TG_E_UNKNOWN;
    }
    c.generation = json_integer_value(json_object_get(o, "generation"));
    if (!json_is_integer(format) || json_integer_value(format) < 1 || !is_id(id) || c.generation < 1 ||
        find_state(json_string_value(json_object_get(o, "state")), &c.state) != 0 || take_move(o, &c) != 0)
        return unknown(cause, e, "bad-record", "%s can't be read: it has no sound format, id, generation and state", TG_CLUSTER_PATH);
    snprintf(c.id, sizeof c.id, "%s", id);
    snprintf(c.created_by, sizeof c.created_by, "%s", by ? by : "");
    if (created && tg_time_parse(created, &c.created_ms, NULL) != 0)
        c.created_ms = 0;
    *out = c;
    return 0;
}

int tg_cluster_decode(const char *data, size_t len, struct tg_cluster *out, char *cause, struct tg_error *e)
{
    json_t *o = len ? json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    int rc;

    if (tg_seal_check(data, len) == TG_SEAL_BROKEN) /* those of before had none */
        rc = unknown(cause, e, "bad-record", "%s can't be read: its checksum is wrong", TG_CLUSTER_PATH);
    else if (json_is_object(o))
        rc = take_record(o, out, cause, e);
    else
        rc = unknown(cause, e, "bad-record", "%s can't be read: it is no JSON object", TG_CLUSTER_PATH);
    json_decref(o);
    return rc;
}

static int judge_absent(const struct tg_seen *seen, char *cause, struct tg_error *e)
{
    if (!seen->known) {
        unknown(cause, e, "not-initialised", "this store is empty");
        tg_error_hint(e, "if it is new: tagout init");
        return TG_E_UNKNOWN;
    }
    unknown(cause, e, "store-empty", "this store is empty, but this host has seen cluster %.8s here (generation %" PRId64 ", transaction %" PRId64 ")",
            seen->id, seen->generation, seen->txid);
    tg_error_hint(e, "is it another ensemble, or did it lose its data? If a new one is meant: tagout init --force here, and remove %s on the other hosts", seen->file);
    return TG_E_UNKNOWN;
}

static int older_generation(const struct tg_seen *seen, const struct tg_cluster *c, char *cause, struct tg_error *e)
{
    unknown(cause, e, "generation-older", "this store is of generation %" PRId64 ", but this host has seen generation %" PRId64 ": it is what was left behind by a move",
            c->generation, seen->generation);
    if (c->moved_to[0])
        tg_error_hint(e, "point the configuration at %s, where the tree was moved to", c->moved_to);
    else
        tg_error_hint(e, "point the configuration at the ensemble that the tree was moved to");
    return TG_E_UNKNOWN;
}

/* Of the same cluster, in a higher generation than was seen: what it was copied from must have had all that this host has seen. */
static int judge_line(const struct tg_seen *seen, const struct tg_cluster *c, char *cause, struct tg_error *e)
{
    if (!c->from_generation || seen->generation < c->from_generation || (seen->generation == c->from_generation && seen->txid <= c->from_txid))
        return 0;
    unknown(cause, e, "older-than-seen",
            "this tree was copied from generation %" PRId64 " at transaction %" PRId64 ", but this host has seen generation %" PRId64 " at transaction %" PRId64
            ": the copy is older",
            c->from_generation, c->from_txid, seen->generation, seen->txid);
    tg_error_hint(e, "locks that were taken since are missing from it: tagout migrate status, with the source's address, tells which one is the live one");
    return TG_E_UNKNOWN;
}

static int judge_identity(const struct tg_seen *seen, const struct tg_cluster *c, char *cause, struct tg_error *e)
{
    if (strcmp(seen->id, c->id) != 0) {
        unknown(cause, e, "other-cluster", "this is cluster %.8s, but this host has seen cluster %.8s here", c->id, seen->id);
        tg_error_hint(e, "does the address lead to the right store? If it was replaced on purpose, remove %s", seen->file);
        return TG_E_UNKNOWN;
    }
    bool says_where = c->state == TG_CLUSTER_RETIRED && c->moved_generation > c->generation;
    if (c->generation < seen->generation && !says_where)
        return older_generation(seen, c, cause, e);
    return c->generation > seen->generation ? judge_line(seen, c, cause, e) : 0;
}

static int judge_state(const struct tg_cluster *c, char *cause, struct tg_error *e)
{
    if (c->state == TG_CLUSTER_LIVE)
        return 0;
    if (c->state == TG_CLUSTER_MIGRATING) {
        unknown(cause, e, "migrating", "this store is being moved: its tree may not be whole");
        tg_error_hint(e, "it takes some seconds, or until who moves it goes on: tagout migrate status tells the next step");
    } else {
        unknown(cause, e, "retired", c->moved_generation > c->generation || !c->moved_to[0] ? "this store is retired: its tree was moved elsewhere"
                                                                                         : "this store is retired: a move to it was taken back");
        if (c->moved_to[0])
            tg_error_hint(e, "point the configuration at %s, where the tree is", c->moved_to);
        tg_error_hint(e, "point the configuration at the ensemble that the tree was moved to");
    }
    return TG_E_UNKNOWN;
}

/* The same generation, so the same line of transactions. */
static int judge_age(const struct tg_seen *seen, const struct tg_cluster *c, int64_t txid, char *cause, struct tg_error *e)
{
    if (c->generation != seen->generation || txid >= seen->txid)
        return 0;
    unknown(cause, e, "older-than-seen", "this store is at transaction %" PRId64 ", but this host has seen %" PRId64 ": it is an old copy", txid, seen->txid);
    tg_error_hint(e, "was a backup brought back? Locks taken since are missing from it. When all are taken anew, remove %s", seen->file);
    return TG_E_UNKNOWN;
}

int tg_cluster_judge(const struct tg_seen *seen, const struct tg_cluster *c, int64_t txid, char *cause, struct tg_error *e)
{
    int rc = c ? 0 : judge_absent(seen, cause, e);

    if (!rc && seen->known)
        rc = judge_identity(seen, c, cause, e);
    if (!rc)
        rc = judge_state(c, cause, e);
    return rc || !seen->known ? rc : judge_age(seen, c, txid, cause, e);
}

int tg_cluster_judge_others(const struct tg_seen *marks, size_t n, bool own_known, const struct tg_cluster *c, int64_t txid, char *cause, struct tg_error *e)
{
    bool familiar = own_known || !n;
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++) {
        if (strcmp(marks[i].id, c->id) != 0)
            continue;
        familiar = true;
        rc = judge_identity(&marks[i], c, cause, e);
        if (!rc)
            rc = judge_age(&marks[i], c, txid, cause, e);
    }
    if (rc || familiar)
        return rc;
    unknown(cause, e, "other-cluster", "this is cluster %.8s, but this host belongs to cluster %.8s", c->id, marks[0].id);
    tg_error_hint(e, "does the address lead to the right store? To follow this one from now on remove %s; to work with both, give each a state-dir of its own",
                  marks[0].file);
    return TG_E_UNKNOWN;
}

int64_t tg_cluster_txid(const struct tg_stat *stat)
{
    int64_t txid = stat->modified_txid > stat->created_txid ? stat->modified_txid : stat->created_txid;

    return stat->children_txid > txid ? stat->children_txid : txid;
}

/* The mark is a second line: that it can't be kept is told, and does not stop anybody. */
static void note(struct tg_store *store, struct tg_seen *seen, const struct tg_cluster *c, int64_t txid, enum tg_seen_note how)
{
    struct tg_error e = TG_ERROR_INIT;

    if (tg_seen_note(seen, tg_store_url(store), c, txid, how, &e) != 0)
        tg_log(TG_LOG_INFO, "store", "what this host has seen is not noted: %s", e.message);
}

/* What was moved away is never believed here again, also when an old copy of it comes up that says it is live. */
static void note_retired(struct tg_store *store, struct tg_seen *seen, const struct tg_cluster *c)
{
    struct tg_cluster moved = *c;

    moved.generation = c->moved_generation;
    if (c->state == TG_CLUSTER_RETIRED && seen->known && strcmp(seen->id, c->id) == 0 && c->moved_generation > c->generation)
        note(store, seen, &moved, 0, TG_NOTE_NOW);
}

static int ask_others(const char *state_dir, const struct tg_seen *seen, const struct tg_cluster *c, int64_t txid, char *cause, struct tg_error *e)
{
    struct tg_seen *marks = NULL;
    size_t n = 0;
    int rc = tg_seen_all(state_dir, &marks, &n, e);

    if (rc && cause)
        snprintf(cause, TG_CLUSTER_CAUSE_SIZE, "bad-mark");
    if (!rc)
        rc = tg_cluster_judge_others(marks, n, seen->known, c, txid, cause, e);
    free(marks);
    return rc;
}

int tg_cluster_prove(struct tg_store *store, const char *state_dir, const struct tg_node *node, enum tg_seen_note how, struct tg_cluster *out,
                     char *cause, struct tg_error *e)
{
    struct tg_seen seen = {0};
    struct tg_cluster c;
    int rc = state_dir ? tg_seen_load(state_dir, tg_store_url(store), &seen, e) : 0;

    if (rc) {
        if (cause)
            snprintf(cause, TG_CLUSTER_CAUSE_SIZE, "bad-mark");
        return rc;
    }
    if (node && (rc = tg_cluster_decode(node->data, node->len, &c, cause, e)) != 0)
        return rc;
    if ((rc = tg_cluster_judge(&seen, node ? &c : NULL, node ? tg_cluster_txid(&node->stat) : 0, cause, e)) != 0) {
        if (state_dir && node)
            note_retired(store, &seen, &c);
        return rc;
    }
    if (state_dir && (!seen.known || seen.generation < c.generation) &&
        (rc = ask_others(state_dir, &seen, &c, tg_cluster_txid(&node->stat), cause, e)) != 0)
        return rc;
    if (state_dir)
        note(store, &seen, &c, tg_cluster_txid(&node->stat), how);
    *out = c;
    return 0;
}

static int read_and_prove(struct tg_store *store, const char *state_dir, int64_t deadline, enum tg_seen_note how, struct tg_cluster *out, char *cause, struct tg_error *e)
{
    struct tg_error missing = TG_ERROR_INIT;
    struct tg_node node = {0};
    int rc = tg_store_read(store, TG_CLUSTER_PATH, deadline, &node, &missing);

    if (rc && rc != TG_E_NOENT) {
        if (e && !e->code)
            *e = missing;
        if (cause)
            snprintf(cause, TG_CLUSTER_CAUSE_SIZE, "store-unreachable");
        return rc;
    }
    rc = tg_cluster_prove(store, state_dir, rc ? NULL : &node, how, out, cause, e);
    tg_node_release(&node);
    return rc;
}

int tg_cluster_check(struct tg_store *store, const char *state_dir, int64_t deadline, struct tg_cluster *out, char *cause, struct tg_error *e)
{
    struct tg_error first = TG_ERROR_INIT;
    char word[TG_CLUSTER_CAUSE_SIZE] = "";
    int rc = read_and_prove(store, state_dir, deadline, TG_NOTE_BOUNDED, out, word, &first);

    if (rc == TG_E_UNKNOWN && strcmp(word, "older-than-seen") == 0) {
        tg_error_clear(&first);
        rc = tg_store_sync(store, TG_CLUSTER_PATH, deadline, &first);
        if (!rc)
            rc = read_and_prove(store, state_dir, deadline, TG_NOTE_BOUNDED, out, word, &first);
    }
    if (rc && e && !e->code)
        *e = first;
    if (cause)
        snprintf(cause, TG_CLUSTER_CAUSE_SIZE, "%s", rc ? word : "");
    return rc;
}

int tg_cluster_live(struct tg_store *store, int64_t deadline, int64_t *out_version, struct tg_error *e)
{
    struct tg_error missing = TG_ERROR_INIT;
    struct tg_node node = {0};
    struct tg_cluster c;
    int rc = tg_store_read(store, TG_CLUSTER_PATH, deadline, &node, &missing);

    if (rc == TG_E_NOENT) {
        *out_version = TG_ANY_VERSION;
        return 0;
    }
    if (rc) {
        tg_fail(e, rc, "%s", missing.message);
        return tg_error_hint(e, "%s", missing.hint), rc;
    }
    rc = tg_cluster_decode(node.data, node.len, &c, NULL, e);
    if (!rc)
        rc = judge_state(&c, NULL, e);
    *out_version = node.stat.version;
    tg_node_release(&node);
    return rc;
}

int tg_cluster_tick(struct tg_store *store, const char *state_dir, int64_t deadline, struct tg_error *e)
{
    struct tg_cluster cluster;
    int64_t version;
    int rc = tg_cluster_live(store, deadline, &version, e);
    const struct tg_op ops[] = {{.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = version},
                                {.kind = TG_OP_CREATE, .path = TG_CLUSTER_TICK, .data = ""},
                                {.kind = TG_OP_DELETE, .path = TG_CLUSTER_TICK, .version = TG_ANY_VERSION}};

    if (rc || version == TG_ANY_VERSION)
        return rc;
    rc = tg_store_multi(store, ops, sizeof ops / sizeof ops[0], deadline, NULL, e);
    return rc ? rc : read_and_prove(store, state_dir, deadline, TG_NOTE_NOW, &cluster, NULL, e);
}
