/* Runs in the store: making one. See journal.h. */
#include "engine/journal_internal.h"

#include "base/seal.h"
#include "store/cluster.h"
#include "store/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_A_DAY 1000

struct parts {
    char *text; /* of the whole plan */
    size_t len, count;
    char head[80];
    char paths[TG_PLAN_PARTS_MAX][TG_RUN_ID_SIZE + 32];
};

static int cut_plan(const struct tg_plan *plan, const char *id, struct parts *out, struct tg_error *e)
{
    json_t *json = tg_plan_to_json(plan, e);

    if (!json)
        return e && e->code ? e->code : TG_E_MEMORY;
    out->text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(json);
    if (!out->text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    out->len = strlen(out->text);
    out->count = (out->len + TG_PLAN_PART_MAX - 1) / TG_PLAN_PART_MAX;
    if (out->count > TG_PLAN_PARTS_MAX)
        return tg_fail(e, TG_E_DATA, "the plan is too large: %zu bytes, at most %d", out->len, TG_PLAN_PART_MAX * TG_PLAN_PARTS_MAX);
    snprintf(out->head, sizeof out->head, "{\"format\":%d,\"parts\":%zu,\"bytes\":%zu}", TG_JOURNAL_FORMAT, out->count, out->len);
    for (size_t i = 0; i < out->count; i++)
        snprintf(out->paths[i], sizeof out->paths[i], "/runs/%s/plan/%04zu", id, i + 1);
    return 0;
}

/* The plan's parts but the first, one transaction each. */
static int write_parts(struct tg_store *store, const struct parts *p, int64_t wait_ms, struct tg_error *e)
{
    for (size_t i = 0; i < p->count; i++) {
        size_t at = i * TG_PLAN_PART_MAX, len = p->len - at < TG_PLAN_PART_MAX ? p->len - at : TG_PLAN_PART_MAX;
        int rc = tg_store_create(store, p->paths[i], p->text + at, len, TG_CREATE_PERSISTENT, tg_store_deadline(store, wait_ms), e);
        if (rc)
            return rc;
    }
    return 0;
}

static struct tg_op create(const char *path, const char *text)
{
    return (struct tg_op) {.kind = TG_OP_CREATE, .path = path, .data = text, .len = strlen(text),
                           .flags = tg_store_is_secret(path) ? TG_CREATE_PRIVATE : TG_CREATE_PERSISTENT};
}

/* All of a run but its plan's parts and its journal. TG_E_EXISTS: the id is taken. */
static int write_run(struct tg_store *store, const struct tg_plan *plan, const char *id, const char *by, const struct parts *p,
                     int64_t wall_ms, int64_t wait_ms, struct tg_error *e)
{
    char run[TG_RUN_ID_SIZE + 32], plan_path[TG_RUN_ID_SIZE + 32];
    char *record = tg_journal_record(plan->name, plan->digest, by, wall_ms, 0, e);

    if (!record)
        return TG_E_MEMORY;
    snprintf(run, sizeof run, "/runs/%s", id);
    snprintf(plan_path, sizeof plan_path, "/runs/%s/plan", id);
    const struct tg_op ops[] = {create(run, record), create(plan_path, p->head)};
    int rc = tg_store_multi(store, ops, 2, tg_store_deadline(store, wait_ms), NULL, e);
    free(record);
    return rc;
}

/* The journal comes last: a run without one was never made whole, and is no run. */
static int write_journal(struct tg_store *store, const char *id, const struct tg_run_tokens *tokens, int64_t wait_ms, struct tg_error *e)
{
    char control[TG_RUN_ID_SIZE + 32], journal[TG_RUN_ID_SIZE + 32], token[TG_RUN_ID_SIZE + 32];
    char *text = tg_seal(json_pack("{s:i,s:s,s:s}", "format", TG_JOURNAL_FORMAT, "own", tokens->own, "all", tokens->all));
    char *head = tg_journal_head_text(&(struct tg_journal_head) {.first = 1, .sum = TG_SUM_START}, e);

    if (!head || !text) {
        free(head);
        free(text);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    snprintf(control, sizeof control, "/runs/%s/control", id);
    snprintf(journal, sizeof journal, "/runs/%s/journal", id);
    snprintf(token, sizeof token, "/runs/%s/token", id);
    int64_t cluster_version;
    int rc = tg_cluster_live(store, tg_store_deadline(store, wait_ms), &cluster_version, e);
    const struct tg_op ops[] = {create(control, "{\"format\":1}"), create(token, text), create(journal, head),
                                {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = cluster_version}};
    if (!rc)
        rc = tg_store_multi(store, ops, cluster_version == TG_ANY_VERSION ? 3 : 4, tg_store_deadline(store, wait_ms), NULL, e);
    free(head);
    free(text);
    return rc;
}

static int make_as(struct tg_store *store, const struct tg_plan *plan, const char *id, const char *by, const struct tg_run_tokens *tokens,
                   int64_t wall_ms, int64_t wait_ms, struct tg_error *e)
{
    struct parts *p = calloc(1, sizeof *p);
    int rc = p ? cut_plan(plan, id, p, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc)
        rc = write_run(store, plan, id, by, p, wall_ms, wait_ms, e);
    if (!rc)
        rc = write_parts(store, p, wait_ms, e);
    if (!rc)
        rc = write_journal(store, id, tokens, wait_ms, e);
    if (p)
        free(p->text);
    free(p);
    return rc;
}

/* The folder of runs, in a store that was initialised before there were any. */
static int make_folder(struct tg_store *store, int64_t wait_ms, struct tg_error *e)
{
    struct tg_node node;
    int rc = tg_store_read(store, "/cluster", tg_store_deadline(store, wait_ms), &node, e);

    if (rc) {
        tg_error_hint(e, "has this store been initialised? tagout init");
        return rc;
    }
    tg_node_release(&node);
    rc = tg_store_create(store, "/runs", "", 0, TG_CREATE_PERSISTENT, tg_store_deadline(store, wait_ms), e);
    if (rc == TG_E_EXISTS)
        tg_error_clear(e);
    return rc == TG_E_EXISTS ? 0 : rc;
}

int tg_journal_create(struct tg_store *store, const struct tg_plan *plan, const char *by, const struct tg_run_tokens *tokens, int64_t wall_ms,
                      int64_t wait_ms, char out_id[TG_RUN_ID_SIZE], struct tg_error *e)
{
    char day[32], id[TG_RUN_ID_SIZE];

    tg_time_format(wall_ms, day, sizeof day);
    for (int n = 1; n <= RUNS_A_DAY; n++) {
        struct tg_error own = TG_ERROR_INIT;
        struct tg_node node;
        snprintf(id, sizeof id, "%.63s-%.4s%.2s%.2s-%d", plan->name, day, day + 5, day + 8, n);
        char path[TG_RUN_ID_SIZE + 32];
        snprintf(path, sizeof path, "/runs/%s", id);
        int rc = tg_store_read(store, path, tg_store_deadline(store, wait_ms), &node, &own);
        if (!rc) {
            tg_node_release(&node);
            continue;
        }
        if (rc == TG_E_NOENT) {
            tg_error_clear(&own);
            rc = make_as(store, plan, id, by, tokens, wall_ms, wait_ms, &own);
        }
        if (rc == TG_E_NOENT) {
            tg_error_clear(&own);
            rc = make_folder(store, wait_ms, &own);
            if (!rc)
                rc = make_as(store, plan, id, by, tokens, wall_ms, wait_ms, &own);
        }
        if (rc == TG_E_EXISTS)
            continue; /* somebody was faster */
        if (rc) {
            if (e && !e->code)
                *e = own;
            return rc;
        }
        snprintf(out_id, TG_RUN_ID_SIZE, "%s", id);
        return 0;
    }
    return tg_fail(e, TG_E_EXISTS, "%d runs of %s today: no more ids", RUNS_A_DAY, plan->name);
}

int tg_journal_create_as(struct tg_store *store, const struct tg_plan *plan, const char *id, const char *by, const struct tg_run_tokens *tokens, int64_t wall_ms,
                         int64_t wait_ms, struct tg_error *e)
{
    return make_as(store, plan, id, by, tokens, wall_ms, wait_ms, e);
}

static int exists(struct tg_store *store, const char *id, const char *below, int64_t wait_ms)
{
    char path[TG_RUN_ID_SIZE + 32];
    struct tg_node node;

    snprintf(path, sizeof path, "/runs/%s%s", id, below);
    int rc = tg_store_read(store, path, tg_store_deadline(store, wait_ms), &node, NULL);
    if (!rc)
        tg_node_release(&node);
    return rc;
}

int tg_journal_load_whole(struct tg_store *store, const char *id, int64_t wait_ms, struct tg_journal **out, struct tg_plan **out_plan, struct tg_run **out_run, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    int rc = TG_E_DATA;

    *out_run = NULL;
    for (int tries = 0; rc == TG_E_DATA && tries < 2; tries++) { /* who was making it may have ended between the two looks */
        tg_error_clear(&own);
        rc = tg_journal_load(store, id, wait_ms, out, out_plan, out_run, &own);
        if (rc == TG_E_DATA && exists(store, id, "", wait_ms) == 0 && exists(store, id, "/journal", wait_ms) == TG_E_NOENT)
            return 0;
    }
    if (rc && e && !e->code)
        *e = own;
    return rc;
}
