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

void tg_control_release(struct tg_run_control *c)
{
    free(c->approved);
    c->approved = NULL;
    c->n_approved = 0;
    free(c->skipped);
    c->skipped = NULL;
    c->n_skipped = 0;
}

const struct tg_wish *tg_control_approval(const struct tg_run_control *c, const char *stage)
{
    for (size_t i = 0; i < c->n_approved; i++)
        if (strcmp(c->approved[i].stage, stage) == 0)
            return &c->approved[i].said;
    return NULL;
}

static int take_approvals(const json_t *list, struct tg_run_control *out, struct tg_error *e)
{
    size_t n = json_array_size(list);
    int rc = 0;

    if (!list)
        return 0;
    if (!json_is_array(list) || n > TG_CONTROL_APPROVALS_MAX)
        return tg_fail(e, TG_E_DATA, "its control is damaged: it has no proper approvals");
    out->approved = calloc(n + 1, sizeof *out->approved);
    if (!out->approved)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < n; i++) {
        struct tg_approved *a = &out->approved[out->n_approved++];
        const json_t *o = json_array_get(list, i);
        rc = take_wish(o, &a->said, e);
        if (!rc && take_text(o, "stage", a->stage, sizeof a->stage))
            rc = tg_fail(e, TG_E_DATA, "its control is damaged: an approval names no stage");
    }
    return rc;
}

static int take_skipped(const json_t *list, struct tg_run_control *out, struct tg_error *e)
{
    size_t n = json_array_size(list);

    if ((list && !json_is_array(list)) || n > TG_CONTROL_SKIPPED_MAX || !n != !out->skip.wanted)
        return tg_fail(e, TG_E_DATA, "its control is damaged: windows that are to be skipped");
    out->skipped = calloc(n + 1, sizeof *out->skipped);
    if (!out->skipped)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (; out->n_skipped < n; out->n_skipped++) {
        const json_t *one = json_array_get(list, out->n_skipped);
        if (!json_is_integer(one) || json_integer_value(one) < 0 || json_integer_value(one) >= UINT32_MAX)
            return tg_fail(e, TG_E_DATA, "its control is damaged: a window that is to be skipped");
        out->skipped[out->n_skipped] = (uint32_t) json_integer_value(one);
    }
    return 0;
}

static int take_fields(json_t *o, struct tg_run_control *out, struct tg_error *e)
{
    json_t *abort = NULL, *pause = NULL, *resume = NULL, *approved = NULL, *skip = NULL, *windows = NULL;
    json_int_t hold = 0;
    json_error_t je;
    int format, rc;

    if (json_unpack_ex(o, &je, JSON_STRICT, "{s:i,s?o,s?o,s?o,s?I,s?o,s?o,s?o}", "format", &format, "abort", &abort, "pause", &pause, "resume", &resume, "hold", &hold,
                       "approved", &approved, "skip", &skip, "windows", &windows))
        return tg_fail(e, TG_E_DATA, "its control has something that this tagout does not know: %s", je.text);
    out->resumed_hold = hold;
    if ((rc = take_wish(abort, &out->abort, e)) != 0 || (rc = take_wish(pause, &out->pause, e)) != 0)
        return rc;
    if ((rc = take_wish(resume, &out->resume, e)) != 0)
        return rc;
    if ((rc = take_wish(skip, &out->skip, e)) != 0 || (rc = take_skipped(windows, out, e)) != 0)
        return rc;
    return take_approvals(approved, out, e);
}

int tg_control_decode(const char *text, size_t len, struct tg_run_control *out, struct tg_error *e)
{
    struct tg_run_control c = {.resumed_hold = 0};
    const struct tg_node node = {.data = (char *) (uintptr_t) text, .len = len};
    json_t *o = tg_journal_parse("its control", &node, e);
    int rc = o ? take_fields(o, &c, e) : TG_E_DATA;

    json_decref(o);
    if (rc)
        tg_control_release(&c);
    else
        *out = c;
    return rc;
}

static json_t *wish_json(const struct tg_wish *wish)
{
    return json_pack("{s:s,s:s,s:I}", "by", wish->by, "reason", wish->reason, "at", (json_int_t) wish->at_ms);
}

static int put_wish(json_t *o, const char *key, const struct tg_wish *wish)
{
    return wish->wanted ? json_object_set_new(o, key, wish_json(wish)) : 0;
}

static int put_approvals(json_t *o, const struct tg_run_control *c)
{
    json_t *list = json_array();
    int rc = list ? 0 : -1;

    for (size_t i = 0; !rc && i < c->n_approved; i++) {
        json_t *one = wish_json(&c->approved[i].said);
        rc = !one || json_object_set_new(one, "stage", json_string(c->approved[i].stage)) || json_array_append(list, one);
        json_decref(one);
    }
    if (!rc && c->n_approved)
        rc = json_object_set(o, "approved", list);
    json_decref(list);
    return rc;
}

static int put_skipped(json_t *o, const struct tg_run_control *c)
{
    json_t *list = json_array();
    int rc = list ? 0 : -1;

    for (size_t i = 0; !rc && i < c->n_skipped; i++)
        rc = json_array_append_new(list, json_integer(c->skipped[i]));
    if (!rc && c->n_skipped)
        rc = json_object_set(o, "windows", list);
    json_decref(list);
    return rc || put_wish(o, "skip", &c->skip);
}

char *tg_control_encode(const struct tg_run_control *c, struct tg_error *e)
{
    json_t *o = json_pack("{s:i}", "format", TG_JOURNAL_FORMAT);
    int rc = !o || put_wish(o, "abort", &c->abort) || put_wish(o, "pause", &c->pause) || put_wish(o, "resume", &c->resume) || put_approvals(o, c) || put_skipped(o, c);

    if (!rc && c->resume.wanted)
        rc = json_object_set_new(o, "hold", json_integer((json_int_t) c->resumed_hold));
    char *text = rc ? NULL : json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(o);
    if (!text)
        tg_fail(e, TG_E_MEMORY, "out of memory");
    return text;
}

/* ---- saying something ---- */

/* Changes what is wanted; false when it is the case already. what: of which hold, stage, windows. */
struct subject {
    int64_t hold;
    const char *stage;
    const uint32_t *windows;
    size_t n;
};
typedef bool (*change_fn)(struct tg_run_control *control, const struct tg_said *said, const struct subject *what);

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

static int try_change(struct tg_store *store, const char *path, change_fn change, const struct subject *what, const struct tg_said *said, struct tg_error *e)
{
    struct tg_run_control *c = malloc(sizeof *c);
    struct tg_node node;
    int rc = c ? tg_store_read(store, path, tg_store_deadline(store, said->wait_ms), &node, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (rc) {
        free(c);
        return rc;
    }
    rc = tg_control_decode(node.data, node.len, c, e);
    bool known = rc == 0;
    if (known && change(c, said, what)) {
        char *text = tg_control_encode(c, e);
        rc = text ? write_control(store, path, text, node.stat.version, said->wait_ms, e) : TG_E_MEMORY;
        free(text);
    }
    tg_node_release(&node);
    if (known)
        tg_control_release(c);
    free(c);
    return rc;
}

static int say(struct tg_store *store, const char *id, change_fn change, const struct subject *what, const struct tg_said *said, struct tg_error *e)
{
    char path[TG_RUN_ID_SIZE + 32];
    int rc;

    if (strlen(id) >= TG_RUN_ID_SIZE || strchr(id, '/') || !id[0])
        return tg_fail(e, TG_E_DATA, "\"%.100s\" is no run's id", id);
    snprintf(path, sizeof path, "/runs/%s/control", id);
    do {
        tg_error_clear(e);
        rc = try_change(store, path, change, what, said, e);
    } while (rc == TG_E_VERSION || rc == TG_E_LOST);
    if (rc == TG_E_NOENT) {
        tg_error_clear(e);
        tg_fail(e, rc, "there is no run %s", id);
        tg_error_hint(e, "tagout status lists them");
    }
    return rc;
}

static bool want_abort(struct tg_run_control *c, const struct tg_said *said, const struct subject *what)
{
    (void) what;
    return fill(&c->abort, said);
}

static bool want_pause(struct tg_run_control *c, const struct tg_said *said, const struct subject *what)
{
    (void) what;
    return fill(&c->pause, said);
}

static bool want_resume(struct tg_run_control *c, const struct tg_said *said, const struct subject *what)
{
    if (!c->pause.wanted && c->resume.wanted && c->resumed_hold == what->hold)
        return false;
    c->pause = c->resume = (struct tg_wish) {.wanted = false};
    c->resumed_hold = what->hold;
    return fill(&c->resume, said);
}

static bool want_approval(struct tg_run_control *c, const struct tg_said *said, const struct subject *what)
{
    if (tg_control_approval(c, what->stage) || c->n_approved == TG_CONTROL_APPROVALS_MAX)
        return false;
    struct tg_approved *more = realloc(c->approved, (c->n_approved + 1) * sizeof *more);
    if (!more)
        return false;
    c->approved = more;
    more[c->n_approved] = (struct tg_approved) {.said = {.wanted = false}};
    snprintf(more[c->n_approved].stage, sizeof more->stage, "%s", what->stage);
    return fill(&more[c->n_approved++].said, said);
}

bool tg_control_skips(const struct tg_run_control *c, size_t window)
{
    size_t i = 0;

    while (i < c->n_skipped && c->skipped[i] != window)
        i++;
    return i < c->n_skipped;
}

static bool want_skip(struct tg_run_control *c, const struct tg_said *said, const struct subject *what)
{
    uint32_t *more = realloc(c->skipped, (c->n_skipped + what->n + 1) * sizeof *more);
    size_t before = c->n_skipped;

    if (!more)
        return false;
    c->skipped = more;
    for (size_t i = 0; i < what->n && c->n_skipped < TG_CONTROL_SKIPPED_MAX; i++)
        if (!tg_control_skips(c, what->windows[i]))
            more[c->n_skipped++] = what->windows[i];
    if (c->n_skipped == before)
        return false;
    c->skip = (struct tg_wish) {.wanted = false};
    return fill(&c->skip, said);
}

int tg_run_skip(struct tg_store *store, const char *id, const uint32_t *windows, size_t n, const struct tg_said *said, struct tg_error *e)
{
    return say(store, id, want_skip, &(struct subject) {.windows = windows, .n = n}, said, e);
}

int tg_run_abort(struct tg_store *store, const char *id, const struct tg_said *said, struct tg_error *e)
{
    return say(store, id, want_abort, NULL, said, e);
}

int tg_run_pause(struct tg_store *store, const char *id, const struct tg_said *said, struct tg_error *e)
{
    return say(store, id, want_pause, NULL, said, e);
}

int tg_run_resume(struct tg_store *store, const char *id, int64_t hold, const struct tg_said *said, struct tg_error *e)
{
    return say(store, id, want_resume, &(struct subject) {.hold = hold}, said, e);
}

int tg_run_approve(struct tg_store *store, const char *id, const char *stage, const struct tg_said *said, struct tg_error *e)
{
    return say(store, id, want_approval, &(struct subject) {.stage = stage}, said, e);
}
