/* Two persons for breaking a lock: see approval.h. */
#include "guard/approval.h"

#include "base/seal.h"
#include "base/shown.h"
#include "guard/lock_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/approvals"
#define CLEAR_AT_ONCE 16

char *tg_approval_encode(const struct tg_approval *a)
{
    return tg_seal(json_pack("{s:i,s:s,s:s,s:s,s:I,s:I}", "format", TG_RECORD_FORMAT, "lock", a->lock, "by", a->by, "reason", a->reason, "at",
                             (json_int_t) a->at_ms, "until", (json_int_t) a->until_ms));
}

static int take_fields(json_t *o, struct tg_approval *out, struct tg_error *e)
{
    const char *lock, *by, *reason, *sum;
    json_int_t at, until;
    int format;

    if (json_unpack_ex(o, NULL, JSON_STRICT, "{s:i,s:s,s:s,s:s,s:I,s:I,s:s}", "format", &format, "lock", &lock, "by", &by, "reason", &reason, "at", &at,
                       "until", &until, "sum", &sum) != 0 ||
        !tg_lock_id_is_proper(lock))
        return tg_fail(e, TG_E_DATA, "it is no request");
    memcpy(out->lock, lock, strlen(lock) + 1);
    out->at_ms = at;
    out->until_ms = until;
    if (tg_text_copy("owner", by, out->by, sizeof out->by, NULL) != 0 || tg_text_copy("reason", reason, out->reason, sizeof out->reason, NULL) != 0)
        return tg_fail(e, TG_E_DATA, "a text in it is too long, or has control characters");
    return 0;
}

int tg_approval_decode(const char *text, size_t len, struct tg_approval *out, struct tg_error *e)
{
    struct tg_approval a = {.at_ms = 0};
    json_t *o = NULL;
    int rc = tg_record_load(text, len, &o, e);

    if (rc)
        return rc;
    rc = take_fields(o, &a, e);
    json_decref(o);
    if (!rc)
        *out = a;
    return rc;
}

static void path_of(const char *id, char out[64])
{
    snprintf(out, 64, ROOT "/%.20s", id);
}

static void clear_one(struct tg_guard *guard, const char *path, int64_t version, int64_t cluster_version)
{
    struct tg_batch b = TG_BATCH_INIT;

    tg_batch_check(&b, TG_CLUSTER_PATH, cluster_version); /* a tree that is being moved does not change any more */
    tg_batch_delete(&b, path, version);
    (void) tg_batch_run(&b, guard, NULL);
    tg_batch_release(&b);
}

/* Old wishes, a few at a time. A failure is no harm. */
static int clear_expired(struct tg_guard *guard, struct tg_error *e)
{
    struct tg_names names;
    struct tg_error why = TG_ERROR_INIT;
    char path[TG_NODE_PATH_SIZE];
    int64_t cluster_version = 0;
    int rc = tg_cluster_live(guard->store, tg_guard_deadline(guard), &cluster_version, NULL);

    if (rc)
        return 0; /* whoever asks is told so by what follows */
    rc = tg_store_list(guard->store, ROOT, tg_guard_deadline(guard), &names, &why);
    if (rc == TG_E_NOENT)
        return tg_tree_lacks(guard, ROOT, e);
    if (rc)
        return tg_fail(e, rc, "%s", why.message);
    for (size_t i = 0; i < names.count && i < CLEAR_AT_ONCE; i++) {
        struct tg_approval a;
        struct tg_node node;
        snprintf(path, sizeof path, ROOT "/%s", names.names[i]);
        if (tg_store_read(guard->store, path, tg_guard_deadline(guard), &node, NULL) != 0)
            continue;
        if (tg_approval_decode(node.data, node.len, &a, NULL) == 0 && a.until_ms < tg_guard_wall(guard))
            clear_one(guard, path, node.stat.version, cluster_version);
        tg_node_release(&node);
    }
    tg_names_release(&names);
    return 0;
}

/* One try. TG_E_VERSION, TG_E_EXISTS: somebody else asks as well; again. */
static int write_request(struct tg_guard *guard, struct tg_work *w, const struct tg_approval *a, struct tg_error *e)
{
    struct tg_batch b = TG_BATCH_INIT;
    struct tg_node node;
    char path[64], *text = tg_approval_encode(a);

    path_of(a->lock, path);
    int rc = tg_store_read(guard->store, path, tg_guard_deadline(guard), &node, NULL);
    bool there = rc == 0;
    if (rc && rc != TG_E_NOENT) {
        free(text);
        return tg_fail(e, rc, "%s can't be read", path + 1);
    }
    tg_batch_check(&b, TG_CLUSTER_PATH, w->plan.cluster_version);
    tg_batch_check(&b, tg_plan_row(&w->plan, 0)->path, w->row_versions[0]);
    if (there)
        tg_batch_write(&b, path, text, node.stat.version);
    else
        tg_batch_create(&b, path, text, TG_CREATE_PERSISTENT);
    tg_audit_append(&b, &w->plan.audit, a->at_ms, "ask", &w->lock, a->by, a->reason);
    rc = tg_batch_run(&b, guard, e);
    tg_batch_release(&b);
    if (there)
        tg_node_release(&node);
    free(text);
    return rc;
}

static int ask_once(struct tg_guard *guard, const char *id, struct tg_approval *a, struct tg_lock *out_lock, struct tg_error *e)
{
    struct tg_work w;
    int rc = tg_work_read(guard, id, NULL, &w, e);

    if (!rc && !tg_lock_is_live(&w.lock, a->at_ms))
        rc = tg_work_no_such_lock(id, e);
    if (!rc && strcmp(w.lock.owner, a->by) == 0)
        rc = tg_fail(e, TG_E_USAGE, "%s is your own lock: nobody has to approve that", w.lock.id);
    if (!rc) {
        snprintf(a->lock, sizeof a->lock, "%s", w.lock.id);
        rc = write_request(guard, &w, a, e);
    }
    if (!rc && out_lock) {
        *out_lock = w.lock;
        w.lock.scopes = (struct tg_scopes) TG_SCOPES_INIT;
    }
    tg_work_release(&w);
    return rc;
}

int tg_approval_ask(struct tg_guard *guard, const char *id, const char *who, const char *reason, int64_t for_ms, struct tg_approval *out,
                    struct tg_lock *out_lock, struct tg_error *e)
{
    struct tg_approval a = {.at_ms = tg_guard_wall(guard)};
    struct tg_error why = TG_ERROR_INIT;
    int rc = !reason || tg_text_is_blank(reason) ? tg_fail(e, TG_E_USAGE, "breaking a lock needs a reason") : 0;

    tg_tree_begin(guard);
    a.until_ms = a.at_ms + (for_ms > 0 ? for_ms : TG_APPROVAL_USUAL_MS);
    if (!rc && (rc = tg_text_copy("owner", who, a.by, sizeof a.by, e)) == 0)
        rc = tg_text_copy("reason", reason, a.reason, sizeof a.reason, e);
    if (!rc)
        rc = clear_expired(guard, e);
    if (rc)
        return rc;
    for (int i = 0; i < 8; i++) {
        tg_error_clear(&why);
        rc = ask_once(guard, id, &a, out_lock, &why);
        if (rc != TG_E_VERSION && rc != TG_E_EXISTS)
            break;
    }
    if (!rc)
        *out = a;
    else if (e && !e->code)
        *e = why;
    return rc;
}

static int nobody_asked(const char *id, struct tg_error *e)
{
    tg_fail(e, TG_E_NOENT, "nobody asks to break %.20s, or the request has expired", id);
    tg_error_hint(e, "the first person types: tagout unlock %.20s --force --reason \"why\"", id);
    return TG_E_NOENT;
}

static int read_request(struct tg_guard *guard, const char *id, struct tg_approval *out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_node node;
    char path[64];

    path_of(id, path);
    int rc = tg_store_read(guard->store, path, tg_guard_deadline(guard), &node, &why);
    if (rc == TG_E_NOENT)
        return nobody_asked(id, e);
    if (rc)
        return tg_fail(e, rc, "%s", why.message);
    rc = tg_approval_decode(node.data, node.len, out, &why);
    out->version = node.stat.version;
    tg_node_release(&node);
    if (rc)
        return tg_tree_bad(guard, path, &why, e);
    int64_t now = tg_guard_wall(guard);
    return strcmp(out->lock, id) != 0 || out->until_ms <= now ? nobody_asked(id, e) : 0;
}

/* As much of the text as fits into room bytes, cut between characters. */
static int cut(const char *text, size_t room)
{
    size_t keep = strlen(text) < room ? strlen(text) : room;

    while (keep && ((unsigned char) text[keep] & 0xc0) == 0x80)
        keep--;
    return (int) keep;
}

/* The first one's reason, who he is, and what else there is to say. */
static void say_why(const struct tg_approval *a, const char *note, char *out, size_t size)
{
    size_t fixed = strlen(a->by) + sizeof " (asked for by ); ";
    int note_len = cut(note, (size - fixed) / 2), keep = cut(a->reason, size - fixed - (size_t) note_len);

    snprintf(out, size, "%.*s (asked for by %s)%s%.*s", keep, a->reason, a->by, note_len ? "; " : "", note_len, note);
}

int tg_approval_see(struct tg_guard *guard, const char *id, const char *who, struct tg_approval *out, struct tg_error *e)
{
    struct tg_lock l;
    int rc = tg_lock_find(guard, id, &l, e);

    if (rc)
        return rc;
    rc = read_request(guard, l.id, out, e);
    tg_lock_clear(&l);
    if (rc || strcmp(out->by, who) != 0)
        return rc;
    tg_fail(e, TG_E_PERM, "you (%s) have asked for it yourself: somebody else must approve it", who);
    tg_error_hint(e, "another person types: tagout unlock %s --approve", out->lock);
    return TG_E_PERM;
}

int tg_approval_give(struct tg_guard *guard, const char *id, const char *who, const char *note, struct tg_lock *out, struct tg_error *e)
{
    struct tg_approval a;
    char path[64], why[TG_REASON_SIZE];
    int rc = tg_approval_see(guard, id, who, &a, e);

    if (rc)
        return rc;
    path_of(a.lock, path);
    say_why(&a, note ? note : "", why, sizeof why);
    struct tg_release_request r = {.id = a.lock, .owner = who, .force = true, .reason = why, .spent = path, .spent_version = a.version};
    return tg_lock_release(guard, &r, out, e);
}
