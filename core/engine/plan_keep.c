/* Plans in the store: see plan_keep.h. */
#include "engine/plan_keep.h"

#include "base/buf.h"
#include "base/seal.h"
#include "base/sha256.h"
#include "engine/keeping.h"
#include "engine/plan_internal.h"
#include "fleet/nodeset.h"
#include "guard/lock.h"
#include "guard/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROOT "/plans"
#define FORMAT 1
#define HOSTS_MAX (256 * 1024) /* of folded names: the rest of a record is small, and a store takes twice as much */
#define TRIES 5

void tg_kept_plan_release(struct tg_kept_plan *k)
{
    json_decref(k->plan);
    json_decref(k->hosts);
    *k = (struct tg_kept_plan) {.plan = NULL};
}

/* ---- the record ---- */

char *tg_kept_plan_encode(const struct tg_kept_plan *k)
{
    json_t *approvals = json_array();

    for (size_t i = 0; i < k->n_approvals; i++)
        json_array_append_new(approvals, json_pack("{s:s,s:s,s:I,s:I}", "by", k->approvals[i].by, "reason", k->approvals[i].reason, "at",
                                                   (json_int_t) k->approvals[i].at_ms, "until", (json_int_t) k->approvals[i].until_ms));
    return tg_seal(json_pack("{s:i,s:s,s:s,s:I,s:O,s:O,s:I,s:o}", "format", FORMAT, "digest", k->digest, "by", k->by, "at", (json_int_t) k->at_ms, "plan", k->plan,
                             "hosts", k->hosts, "changes", (json_int_t) k->changes, "approvals", approvals));
}

static int damaged(struct tg_error *e, const char *what)
{
    return tg_fail(e, TG_E_DATA, "the plan that is kept is damaged: %s", what);
}

static int read_approval(const json_t *json, struct tg_plan_approval *a, struct tg_error *e)
{
    const char *by, *reason;
    json_int_t at, until;

    if (json_unpack((json_t *) json, "{s:s,s:s,s:I,s:I!}", "by", &by, "reason", &reason, "at", &at, "until", &until) || !tg_copy_whole(by, a->by, sizeof a->by) ||
        !tg_copy_whole(reason, a->reason, sizeof a->reason))
        return damaged(e, "an approval");
    a->at_ms = at;
    a->until_ms = until;
    return 0;
}

/* What others take for granted. */
static bool is_proper(const json_t *plan, const json_t *hosts)
{
    const json_t *stages = json_object_get(plan, "stages");
    bool proper = json_is_array(stages) && (json_is_null(hosts) || json_is_string(hosts));

    for (size_t i = 0; i < json_array_size(stages); i++)
        proper = proper && json_is_string(json_object_get(json_array_get(stages, i), "name"));
    return proper;
}

static int read_record(json_t *o, struct tg_kept_plan *k, struct tg_error *e)
{
    const char *digest, *by, *sum;
    char is[TG_SHA256_HEX];
    json_t *plan, *hosts, *approvals;
    json_int_t at, changes;
    int format, rc = 0;

    if (json_unpack(o, "{s:i,s:s,s:s,s:I,s:o,s:o,s:I,s:o,s:s!}", "format", &format, "digest", &digest, "by", &by, "at", &at, "plan", &plan, "hosts", &hosts, "changes",
                    &changes, "approvals", &approvals, "sum", &sum) ||
        strlen(digest) + 1 != sizeof k->digest || !tg_copy_whole(by, k->by, sizeof k->by) || !json_is_array(approvals) || json_array_size(approvals) > TG_PLAN_APPROVALS_MAX)
        return damaged(e, "something is missing, or is there that we don't know");
    if (tg_sha256_json(plan, is) || strcmp(is, digest) != 0)
        return damaged(e, "it does not have its digest");
    if (!is_proper(plan, hosts))
        return damaged(e, "its stages, or their hosts");
    memcpy(k->digest, digest, sizeof k->digest);
    k->at_ms = at;
    k->changes = changes;
    k->plan = json_incref(plan);
    k->hosts = json_incref(hosts);
    for (size_t i = 0; !rc && i < json_array_size(approvals); i++)
        rc = read_approval(json_array_get(approvals, i), &k->approvals[k->n_approvals++], e);
    return rc;
}

int tg_kept_plan_decode(const char *text, size_t len, struct tg_kept_plan *out, struct tg_error *e)
{
    struct tg_kept_plan k = {.plan = NULL};
    json_t *o = NULL;
    int rc = tg_record_load(text, len, &o, e);

    if (!rc)
        rc = read_record(o, &k, e);
    json_decref(o);
    if (rc)
        tg_kept_plan_release(&k);
    else
        *out = k;
    return rc;
}

/* ---- making one ---- */

/* Of a million hosts in a hundred stages the stages' names would hardly fold; those of all of them do. */
static json_t *folded(const struct tg_plan *plan)
{
    struct tg_buf text = TG_BUF_INIT;
    int rc = tg_plan_fold(plan, 0, plan->n_hosts, &text, NULL);
    json_t *hosts = rc || text.len > HOSTS_MAX ? json_null() : json_string(tg_buf_text(&text));

    tg_buf_release(&text);
    return hosts;
}

static char *encode_new(const struct tg_plan *plan, const char *by, int64_t wall_ms)
{
    struct tg_kept_plan k = {.at_ms = wall_ms, .plan = tg_plan_sealed_json(plan), .hosts = folded(plan)};

    snprintf(k.digest, sizeof k.digest, "%s", plan->digest);
    snprintf(k.by, sizeof k.by, "%s", by);
    for (size_t i = 0; i < plan->n_stages; i++)
        k.changes += plan->stages[i].dry_run ? 0 : (int64_t) plan->stages[i].count;
    char *text = k.plan && k.hosts ? tg_kept_plan_encode(&k) : NULL;
    tg_kept_plan_release(&k);
    return text;
}

static void path_of(const char *digest, char out[96])
{
    snprintf(out, 96, ROOT "/%.64s", digest);
}

static bool is_old(const struct tg_kept_plan *k, int64_t wall_ms)
{
    bool approved = false;

    for (size_t i = 0; i < k->n_approvals; i++)
        approved |= k->approvals[i].until_ms > wall_ms;
    return !approved && wall_ms - k->at_ms > TG_PLAN_KEPT_MS;
}

static bool is_old_record(const void *data, const char *text, size_t len)
{
    struct tg_kept_plan k;

    if (tg_kept_plan_decode(text, len, &k, NULL))
        return false;
    bool old = is_old(&k, *(const int64_t *) data);
    tg_kept_plan_release(&k);
    return old;
}

/* ---- finding one ---- */

static int find(struct tg_store *store, const char *prefix, int64_t wait_ms, char path[96], struct tg_error *e)
{
    struct tg_names names;
    size_t n = strlen(prefix), found = 0;
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_store_list(store, ROOT, tg_store_deadline(store, wait_ms), &names, &why);

    if (rc == TG_E_NOENT)
        return tg_keeping_no_place(ROOT, e);
    if (rc)
        return tg_fail(e, rc, "%s", why.message);
    for (size_t i = 0; i < names.count; i++)
        if (strncasecmp(names.names[i], prefix, n) == 0 && found++ == 0)
            path_of(names.names[i], path);
    tg_names_release(&names);
    if (found == 1)
        return 0;
    if (found > 1)
        return tg_fail(e, TG_E_USAGE, "%zu plans begin with %s: type more of the digest", found, prefix);
    tg_fail(e, TG_E_NOENT, "no plan %.64s is kept in the store", prefix);
    tg_error_hint(e, "tagout plan FILE makes one, and keeps it");
    return TG_E_NOENT;
}

/* out's version is set of what can't be read as well. */
static int read_kept(struct tg_store *store, const char *path, int64_t wait_ms, struct tg_kept_plan *out, struct tg_error *e)
{
    struct tg_node node;
    int rc = tg_store_read(store, path, tg_store_deadline(store, wait_ms), &node, e);

    if (rc)
        return rc;
    rc = tg_kept_plan_decode(node.data, node.len, out, e);
    if (!rc && strcmp(out->digest, path + sizeof ROOT) != 0) {
        tg_kept_plan_release(out);
        rc = damaged(e, "it is another one");
    }
    out->version = node.stat.version;
    tg_node_release(&node);
    if (rc)
        tg_error_prefix(e, "%s", path);
    if (rc == TG_E_DATA)
        tg_error_hint(e, "tagout plan FILE keeps it anew; approvals of it have to be given again");
    return rc;
}

/* It is kept already. What can't be read, and is of no newer tagout, is replaced. */
static int mend_kept(struct tg_store *store, const char *path, const char *text, int64_t wait_ms, struct tg_error *out_damage, struct tg_error *e)
{
    struct tg_kept_plan there;
    struct tg_error why = TG_ERROR_INIT;
    int rc = read_kept(store, path, wait_ms, &there, &why);

    if (!rc)
        tg_kept_plan_release(&there);
    if (rc != TG_E_DATA)
        return rc ? tg_fail(e, rc, "%s", why.message) : 0;
    rc = tg_keeping_change(store, &(struct tg_op) {.kind = TG_OP_WRITE, .path = path, .data = text, .len = strlen(text), .version = there.version}, wait_ms, e);
    if (!rc)
        *out_damage = why;
    return rc;
}

int tg_plan_keep(struct tg_store *store, const struct tg_plan *plan, const char *by, int64_t wall_ms, int64_t wait_ms, struct tg_error *out_damage, struct tg_error *e)
{
    char *text = encode_new(plan, by, wall_ms), path[96];
    struct tg_error why = TG_ERROR_INIT;

    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    path_of(plan->digest, path);
    tg_keeping_forget(store, ROOT, plan->digest, is_old_record, &wall_ms, wait_ms);
    int rc = tg_keeping_change(store, &(struct tg_op) {.kind = TG_OP_CREATE, .path = path, .data = text, .len = strlen(text)}, wait_ms, &why);
    if (rc == TG_E_EXISTS)
        rc = mend_kept(store, path, text, wait_ms, out_damage, e);
    else if (rc == TG_E_NOENT)
        rc = tg_keeping_no_place(ROOT, e);
    else if (rc) {
        tg_fail(e, rc, "%s", why.message);
        tg_error_hint(e, "%s", why.hint);
    }
    free(text);
    return rc;
}

int tg_plan_kept(struct tg_store *store, const char *prefix, int64_t wait_ms, struct tg_kept_plan *out, struct tg_error *e)
{
    char path[96];

    if (strlen(prefix) < TG_PLAN_PREFIX_MIN)
        return tg_fail(e, TG_E_USAGE, "\"%s\" is too short: at least %d characters of the digest", prefix, TG_PLAN_PREFIX_MIN);
    int rc = find(store, prefix, wait_ms, path, e);
    return rc ? rc : read_kept(store, path, wait_ms, out, e);
}

/* ---- approving ---- */

static int write_kept(struct tg_store *store, const struct tg_kept_plan *k, int64_t wait_ms, struct tg_error *e)
{
    char *text = tg_kept_plan_encode(k), path[96];

    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    path_of(k->digest, path);
    int rc = tg_keeping_change(store, &(struct tg_op) {.kind = TG_OP_WRITE, .path = path, .data = text, .len = strlen(text), .version = k->version}, wait_ms, e);
    free(text);
    return rc;
}

static int put_approval(struct tg_kept_plan *k, const struct tg_plan_approval *a, struct tg_error *e)
{
    size_t i = 0;

    while (i < k->n_approvals && strcmp(k->approvals[i].by, a->by) != 0 && k->approvals[i].until_ms > a->at_ms)
        i++;
    if (i == TG_PLAN_APPROVALS_MAX)
        return tg_fail(e, TG_E_HELD, "%d people have approved plan %.12s: more have no room", TG_PLAN_APPROVALS_MAX, k->digest);
    k->approvals[i] = *a;
    k->n_approvals += i == k->n_approvals;
    return 0;
}

int tg_plan_approve(struct tg_store *store, struct tg_kept_plan *kept, const struct tg_plan_approval *a, int64_t wait_ms, struct tg_error *e)
{
    for (int i = 0; i < TRIES; i++) {
        char path[96];
        struct tg_kept_plan again;
        int rc = put_approval(kept, a, e);
        if (!rc)
            rc = write_kept(store, kept, wait_ms, NULL);
        if (rc != TG_E_VERSION)
            return rc ? tg_fail(e, rc, "plan %.12s could not be approved", kept->digest) : 0;
        path_of(kept->digest, path);
        if ((rc = read_kept(store, path, wait_ms, &again, e)) != 0)
            return rc;
        tg_kept_plan_release(kept);
        *kept = again;
    }
    return tg_fail(e, TG_E_HELD, "others change plan %.12s all the time", kept->digest);
}

/* TG_E_VERSION: it has changed meanwhile. */
static int use_once(struct tg_store *store, struct tg_kept_plan *k, bool (*may)(const void *data, const char *by), const void *data, int64_t wall_ms, int64_t wait_ms,
                    struct tg_plan_approval *out, struct tg_error *e)
{
    size_t i = 0;

    while (i < k->n_approvals && (k->approvals[i].until_ms <= wall_ms || !may(data, k->approvals[i].by)))
        i++;
    if (i == k->n_approvals)
        return tg_fail(e, TG_E_NOENT, "nobody has approved plan %.12s", k->digest);
    struct tg_plan_approval used = k->approvals[i];
    memmove(&k->approvals[i], &k->approvals[i + 1], (k->n_approvals - i - 1) * sizeof used);
    k->n_approvals--;
    int rc = write_kept(store, k, wait_ms, e);
    if (!rc)
        *out = used;
    return rc;
}

int tg_plan_use_approval(struct tg_store *store, const char *digest, bool (*may)(const void *data, const char *by), const void *data, int64_t wall_ms,
                         int64_t wait_ms, struct tg_plan_approval *out, struct tg_error *e)
{
    char path[96];
    int rc = TG_E_VERSION;

    path_of(digest, path);
    for (int i = 0; i < TRIES && rc == TG_E_VERSION; i++) {
        struct tg_kept_plan k;
        if (i)
            tg_error_clear(e);
        if ((rc = read_kept(store, path, wait_ms, &k, e)) != 0)
            return rc;
        rc = use_once(store, &k, may, data, wall_ms, wait_ms, out, e);
        tg_kept_plan_release(&k);
    }
    return rc;
}
