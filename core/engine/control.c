/* What people want of a run: see control.h. */
#include "engine/control.h"

#include "engine/journal_internal.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the record ---- */

static int take_text(const json_t *o, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));

    if (!text || strlen(text) >= size)
        return -1;
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

static int take_wish(const json_t *o, struct tg_wish *out, struct tg_error *e)
{
    *out = (struct tg_wish) {.wanted = o != NULL};
    if (!o)
        return 0;
    out->at_ms = json_integer_value(json_object_get(o, "at"));
    if (take_text(o, "by", out->by, sizeof out->by) || take_text(o, "reason", out->reason, sizeof out->reason))
        return tg_fail(e, TG_E_DATA, "its control is damaged: a wish has no proper name or reason");
    return 0;
}

static int take_fields(json_t *o, struct tg_run_control *out, struct tg_error *e)
{
    json_t *abort = NULL, *pause = NULL, *resume = NULL;
    json_int_t hold = 0;
    json_error_t je;
    int format, rc;

    if (json_unpack_ex(o, &je, JSON_STRICT, "{s:i,s?o,s?o,s?o,s?I}", "format", &format, "abort", &abort, "pause", &pause, "resume", &resume, "hold", &hold))
        return tg_fail(e, TG_E_DATA, "its control has something that this tagout does not know: %s", je.text);
    out->resumed_hold = hold;
    if ((rc = take_wish(abort, &out->abort, e)) != 0 || (rc = take_wish(pause, &out->pause, e)) != 0)
        return rc;
    return take_wish(resume, &out->resume, e);
}

int tg_control_decode(const char *text, size_t len, struct tg_run_control *out, struct tg_error *e)
{
    struct tg_run_control c = {.resumed_hold = 0};
    const struct tg_node node = {.data = (char *) (uintptr_t) text, .len = len};
    json_t *o = tg_journal_parse("its control", &node, e);
    int rc = o ? take_fields(o, &c, e) : TG_E_DATA;

    json_decref(o);
    if (!rc)
        *out = c;
    return rc;
}

static int put_wish(json_t *o, const char *key, const struct tg_wish *wish)
{
    if (!wish->wanted)
        return 0;
    return json_object_set_new(o, key, json_pack("{s:s,s:s,s:I}", "by", wish->by, "reason", wish->reason, "at", (json_int_t) wish->at_ms));
}

char *tg_control_encode(const struct tg_run_control *c, struct tg_error *e)
{
    json_t *o = json_pack("{s:i}", "format", TG_JOURNAL_FORMAT);
    int rc = !o || put_wish(o, "abort", &c->abort) || put_wish(o, "pause", &c->pause) || put_wish(o, "resume", &c->resume);

    if (!rc && c->resume.wanted)
        rc = json_object_set_new(o, "hold", json_integer((json_int_t) c->resumed_hold));
    char *text = rc ? NULL : json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(o);
    if (!text)
        tg_fail(e, TG_E_MEMORY, "out of memory");
    return text;
}

/* ---- saying something ---- */

/* Changes what is wanted; false when it is the case already. */
typedef bool (*change_fn)(struct tg_run_control *control, const struct tg_said *said, int64_t number);

static bool fill(struct tg_wish *wish, const struct tg_said *said)
{
    if (wish->wanted)
        return false;
    wish->wanted = true;
    wish->at_ms = said->wall_ms;
    snprintf(wish->by, sizeof wish->by, "%s", said->by);
    snprintf(wish->reason, sizeof wish->reason, "%s", said->reason ? said->reason : "");
    return true;
}

/* Not into a tree that is being moved: it would be lost (P10). */
static int write_control(struct tg_store *store, const char *path, const char *text, int64_t version, int64_t wait_ms, struct tg_error *e)
{
    int64_t cluster_version;
    int rc = tg_cluster_live(store, tg_store_deadline(store, wait_ms), &cluster_version, e);
    const struct tg_op ops[] = {
        {.kind = TG_OP_WRITE, .path = path, .data = text, .len = strlen(text), .version = version},
        {.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = cluster_version},
    };

    return rc ? rc : tg_store_multi(store, ops, cluster_version == TG_ANY_VERSION ? 1 : 2, tg_store_deadline(store, wait_ms), NULL, e);
}

static int try_change(struct tg_store *store, const char *path, change_fn change, int64_t number, const struct tg_said *said, struct tg_error *e)
{
    struct tg_run_control *c = malloc(sizeof *c);
    struct tg_node node;
    int rc = c ? tg_store_read(store, path, tg_store_deadline(store, said->wait_ms), &node, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (rc) {
        free(c);
        return rc;
    }
    rc = tg_control_decode(node.data, node.len, c, e);
    if (!rc && change(c, said, number)) {
        char *text = tg_control_encode(c, e);
        rc = text ? write_control(store, path, text, node.stat.version, said->wait_ms, e) : TG_E_MEMORY;
        free(text);
    }
    tg_node_release(&node);
    free(c);
    return rc;
}

static int say(struct tg_store *store, const char *id, change_fn change, int64_t number, const struct tg_said *said, struct tg_error *e)
{
    char path[TG_RUN_ID_SIZE + 32];
    int rc;

    if (strlen(id) >= TG_RUN_ID_SIZE || strchr(id, '/') || !id[0])
        return tg_fail(e, TG_E_DATA, "\"%.100s\" is no run's id", id);
    snprintf(path, sizeof path, "/runs/%s/control", id);
    do {
        tg_error_clear(e);
        rc = try_change(store, path, change, number, said, e);
    } while (rc == TG_E_VERSION || rc == TG_E_LOST);
    if (rc == TG_E_NOENT) {
        tg_error_clear(e);
        tg_fail(e, rc, "there is no run %s", id);
        tg_error_hint(e, "tagout status lists them");
    }
    return rc;
}

static bool want_abort(struct tg_run_control *c, const struct tg_said *said, int64_t number)
{
    (void) number;
    return fill(&c->abort, said);
}

static bool want_pause(struct tg_run_control *c, const struct tg_said *said, int64_t number)
{
    (void) number;
    return fill(&c->pause, said);
}

static bool want_resume(struct tg_run_control *c, const struct tg_said *said, int64_t number)
{
    if (!c->pause.wanted && c->resume.wanted && c->resumed_hold == number)
        return false;
    c->pause = c->resume = (struct tg_wish) {.wanted = false};
    c->resumed_hold = number;
    return fill(&c->resume, said);
}

int tg_run_abort(struct tg_store *store, const char *id, const struct tg_said *said, struct tg_error *e)
{
    return say(store, id, want_abort, 0, said, e);
}

int tg_run_pause(struct tg_store *store, const char *id, const struct tg_said *said, struct tg_error *e)
{
    return say(store, id, want_pause, 0, said, e);
}

int tg_run_resume(struct tg_store *store, const char *id, int64_t hold, const struct tg_said *said, struct tg_error *e)
{
    return say(store, id, want_resume, hold, said, e);
}
