/* Runs in the store: reading one back. Making one is journal_make.c, writing to it journal_write.c. See journal.h. */
#include "engine/journal.h"

#include "engine/journal_internal.h"

#include "base/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_TRIES 8 /* a busy driver writes a few times a second, reading takes a few milliseconds */

int64_t tg_journal_deadline(const struct tg_journal *j)
{
    return tg_store_deadline(j->store, j->wait_ms);
}

char *tg_journal_record(const char *rollout, const char *digest, const char *by, int64_t made_ms, int64_t epoch, struct tg_error *e)
{
    json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:I,s:I}", "format", TG_JOURNAL_FORMAT, "rollout", rollout, "digest", digest, "by", by, "made",
                          (json_int_t) made_ms, "epoch", (json_int_t) epoch);
    char *text = tg_seal(o);

    if (!text)
        tg_fail(e, TG_E_MEMORY, "out of memory");
    return text;
}

json_t *tg_journal_parse_to(const char *what, const struct tg_node *node, int newest, struct tg_error *e)
{
    json_error_t je;
    json_t *o = json_loadb(node->data, node->len, JSON_REJECT_DUPLICATES, &je);
    json_int_t format = json_integer_value(json_object_get(o, "format"));

    if (o && format >= TG_JOURNAL_FORMAT && format <= newest)
        return o;
    if (!o)
        tg_fail(e, TG_E_DATA, "%s is no JSON: %s", what, je.text);
    else
        tg_fail(e, TG_E_DATA, "%s has format %lld, this tagout knows %d", what, (long long) format, newest);
    json_decref(o);
    return NULL;
}

json_t *tg_journal_parse(const char *what, const struct tg_node *node, struct tg_error *e)
{
    return tg_journal_parse_to(what, node, TG_JOURNAL_FORMAT, e);
}

json_t *tg_journal_parse_sealed(const char *what, const struct tg_node *node, struct tg_error *e)
{
    if (tg_seal_check(node->data, node->len) == TG_SEAL_WHOLE)
        return tg_journal_parse(what, node, e);
    tg_fail(e, TG_E_DATA, "%s is not whole: its checksum is not that of what is there", what);
    return NULL;
}

int tg_journal_read_node(struct tg_journal *j, const char *below, struct tg_node *out, struct tg_error *e)
{
    char path[TG_RUN_ID_SIZE + 64];

    snprintf(path, sizeof path, "/runs/%s%s", j->id, below);
    return tg_store_read(j->store, path, tg_journal_deadline(j), out, e);
}

static char *copy_text(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return strdup(text ? text : "");
}

static int read_record(struct tg_journal *j, struct tg_error *e)
{
    struct tg_node node;
    int rc = tg_journal_read_node(j, "", &node, e);

    if (rc)
        return rc;
    json_t *o = tg_journal_parse_sealed("its record", &node, e);
    j->record_version = node.stat.version;
    tg_node_release(&node);
    if (!o)
        return TG_E_DATA;
    j->rollout = copy_text(o, "rollout");
    j->digest = copy_text(o, "digest");
    j->by = copy_text(o, "by");
    j->made_ms = json_integer_value(json_object_get(o, "made"));
    j->epoch = json_integer_value(json_object_get(o, "epoch"));
    json_decref(o);
    if (!j->rollout || !j->digest || !j->by)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!j->rollout[0] || !j->digest[0] || !j->by[0] || j->made_ms < 0 || j->epoch < 0 || j->epoch == INT64_MAX)
        return tg_fail(e, TG_E_DATA, "its record makes no sense");
    return 0;
}

static int read_pauses(struct tg_journal *j, tg_watch_fn watch, void *data, struct tg_error *e)
{
    struct tg_pauses pauses;
    int rc = tg_pauses_read(j->store, watch, data, j->wait_ms, &pauses, e);

    if (rc)
        return rc;
    tg_pauses_release(&j->pauses);
    j->pauses = pauses;
    return 0;
}

static int read_control(struct tg_journal *j, tg_watch_fn watch, void *data, struct tg_error *e)
{
    char path[TG_RUN_ID_SIZE + 32];
    struct tg_node node;

    snprintf(path, sizeof path, "/runs/%s/control", j->id);
    int rc = watch ? tg_store_read_watch(j->store, path, watch, data, tg_journal_deadline(j), &node, e)
                   : tg_store_read(j->store, path, tg_journal_deadline(j), &node, e);
    if (rc)
        return rc;
    struct tg_run_control control;
    rc = tg_control_decode(node.data, node.len, &control, e);
    if (!rc) {
        tg_control_release(&j->control);
        j->control = control;
    }
    j->control_version = node.stat.version;
    tg_node_release(&node);
    return rc;
}

int tg_journal_control(struct tg_journal *j, tg_watch_fn watch, void *data, struct tg_error *e)
{
    int rc = read_control(j, watch, data, e);

    return rc ? rc : read_pauses(j, watch, data, e);
}

int tg_journal_tokens(struct tg_journal *j, struct tg_run_tokens *out, struct tg_error *e)
{
    struct tg_node node;
    int rc = tg_journal_read_node(j, "/token", &node, e);

    if (rc)
        return rc;
    json_t *o = tg_journal_parse_sealed("its token", &node, e);
    const char *own = json_string_value(json_object_get(o, "own")), *all = json_string_value(json_object_get(o, "all"));
    if (own && all) {
        snprintf(out->own, sizeof out->own, "%s", own);
        snprintf(out->all, sizeof out->all, "%s", all);
    } else if (o) {
        rc = tg_fail(e, TG_E_DATA, "run %s: its token is not whole", j->id);
    }
    explicit_bzero(node.data, node.len);
    tg_node_release(&node);
    json_decref(o);
    return o ? rc : TG_E_DATA;
}

static int read_plan_parts(struct tg_journal *j, struct tg_buf *text, struct tg_error *e)
{
    struct tg_node node;
    char below[32];
    int rc = tg_journal_read_node(j, "/plan", &node, e);

    if (rc)
        return rc;
    json_t *o = tg_journal_parse("its plan", &node, e);
    json_int_t parts = json_integer_value(json_object_get(o, "parts")), bytes = json_integer_value(json_object_get(o, "bytes"));
    tg_node_release(&node);
    json_decref(o);
    if (!o)
        return TG_E_DATA;
    for (int i = 1; i <= parts && i <= TG_PLAN_PARTS_MAX; i++) {
        snprintf(below, sizeof below, "/plan/%04d", i);
        if ((rc = tg_journal_read_node(j, below, &node, e)) != 0)
            return rc == TG_E_NOENT ? TG_E_DATA : rc;
        tg_buf_add(text, node.data, node.len);
        tg_node_release(&node);
    }
    if ((rc = tg_buf_ok(text, e)) == 0 && (json_int_t) text->len != bytes)
        rc = tg_fail(e, TG_E_DATA, "its plan has %zu bytes, it should have %lld", text->len, (long long) bytes);
    return rc;
}

static int read_plan(struct tg_journal *j, struct tg_plan **out, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT;
    json_error_t je;
    int rc = read_plan_parts(j, &text, e);

    if (!rc) {
        json_t *o = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &je);
        rc = o ? tg_plan_from_json(o, out, e) : tg_fail(e, TG_E_DATA, "its plan is no JSON: %s", je.text);
        json_decref(o);
    }
    tg_buf_release(&text);
    if (!rc && strcmp((*out)->digest, j->digest) != 0) {
        rc = tg_fail(e, TG_E_DATA, "its plan has the digest %.12s, its record says %.12s", (*out)->digest, j->digest);
        tg_plan_free(*out);
        *out = NULL;
    }
    return rc;
}

static int load(struct tg_journal *j, struct tg_plan **out_plan, struct tg_run **out_run, struct tg_error *e)
{
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    int rc = read_record(j, e);

    if (rc == TG_E_NOENT) {
        tg_error_clear(e);
        tg_fail(e, rc, "there is no run %s", j->id);
        tg_error_hint(e, "tagout status lists them");
        return rc;
    }
    if (!rc)
        rc = read_plan(j, &plan, e);
    if (!rc)
        rc = tg_journal_read(j, plan, &run, e);
    if (!rc)
        rc = read_control(j, NULL, NULL, e);
    if (!rc) {
        *out_plan = plan;
        *out_run = run;
        return 0;
    }
    tg_run_free(run);
    tg_plan_free(plan);
    tg_error_prefix(e, "run %s", j->id);
    return rc;
}

int tg_journal_load(struct tg_store *store, const char *id, int64_t wait_ms, struct tg_journal **out, struct tg_plan **out_plan,
                    struct tg_run **out_run, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    int rc = 0;

    if (strlen(id) >= TG_RUN_ID_SIZE || strchr(id, '/') || !id[0])
        return tg_fail(e, TG_E_DATA, "\"%.100s\" is no run's id", id);
    for (int tries = 0; tries < LOAD_TRIES; tries++) {
        struct tg_journal *j = calloc(1, sizeof *j);
        if (!j)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        j->store = store;
        j->wait_ms = wait_ms;
        snprintf(j->id, sizeof j->id, "%s", id);
        tg_error_clear(&own);
        if ((rc = load(j, out_plan, out_run, &own)) == 0) {
            *out = j;
            return 0;
        }
        bool again = (rc == TG_E_DATA && tg_journal_moved(j)) || rc == TG_E_VERSION;
        tg_journal_free(j);
        if (!again)
            break;
    }
    if (e && !e->code)
        *e = own;
    return rc;
}

void tg_journal_free(struct tg_journal *j)
{
    if (!j)
        return;
    free(j->rollout);
    free(j->digest);
    free(j->by);
    tg_control_release(&j->control);
    tg_replay_release(&j->replay);
    tg_pauses_release(&j->pauses);
    tg_buf_release(&j->tail);
    tg_buf_release(&j->pending);
    tg_buf_release(&j->history);
    tg_journal_fold_free(j);
    free(j);
}

int tg_run_list(struct tg_store *store, int64_t wait_ms, struct tg_names *out, struct tg_error *e)
{
    return tg_store_list(store, "/runs", tg_store_deadline(store, wait_ms), out, e);
}
