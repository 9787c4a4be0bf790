/* The local hold: see hold.h. */
#define _GNU_SOURCE
#include "guard/hold.h"

#include "base/shown.h"
#include "base/whole.h"
#include "guard/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64 * 1024) /* 16 holds, each below 2 KB */
#define FORMAT 1

const char *tg_local_hold_file(const char *state_dir, char *out, size_t size)
{
    snprintf(out, size, "%s/hold.json", state_dir);
    return out;
}

/* --- what is written there --- */

static int bad(struct tg_error *e, const char *what)
{
    return tg_fail(e, TG_E_DATA, "%s", what);
}

static int take_text(const char *what, const char *text, char *out, size_t size, struct tg_error *e)
{
    if (tg_text_copy(what, text, out, size, NULL) != 0)
        return tg_fail(e, TG_E_DATA, "its %s is too long, or has control characters", what);
    return 0;
}

static int take_actors(const json_t *hold, struct tg_lock *l, struct tg_error *e)
{
    size_t i;
    json_t *item;

    if (!json_is_array(hold) || json_array_size(hold) > TG_HOLD_MAX)
        return bad(e, "its list of actors is not understood");
    json_array_foreach(hold, i, item)
    {
        const char *actor = json_string_value(item);
        if (!actor || tg_actor_check(actor, NULL) != 0)
            return bad(e, "an actor in it is not understood");
        memcpy(l->hold[i], actor, strlen(actor) + 1); /* measured by tg_actor_check() */
    }
    l->n_hold = json_array_size(hold);
    return 0;
}

static int add_host(struct tg_lock *l, const char *host, struct tg_error *e)
{
    char text[TG_SCOPE_TEXT_SIZE + 8];
    struct tg_scope scope;

    if (!host || strlen(host) > TG_SCOPE_NAME_MAX)
        return bad(e, "its host has no proper name");
    snprintf(text, sizeof text, "host:%s", host);
    if (tg_scope_parse(text, &scope, NULL) != 0)
        return bad(e, "its host has no proper name");
    return tg_scopes_add(&l->scopes, &scope, e);
}

static int decode_one(json_t *o, struct tg_lock *l, struct tg_error *e)
{
    const char *host, *owner, *reason, *ticket, *token;
    json_int_t since, until;
    json_t *hold;
    int rc;

    *l = (struct tg_lock){.id = TG_LOCAL_HOLD_ID, .state = TG_LOCK_HELD};
    if (json_unpack_ex(o, NULL, JSON_STRICT, "{s:s,s:s,s:s,s:s,s:I,s:I,s:o,s:s}", "host", &host, "owner", &owner,
                       "reason", &reason, "ticket", &ticket, "since", &since, "until", &until, "hold", &hold, "token",
                       &token) != 0)
        return bad(e, "a hold in it is not understood");
    if (since < 0 || until < since ||
        (token[0] && (strlen(token) != TG_SHA256_HEX - 1 || strspn(token, "0123456789abcdef") != TG_SHA256_HEX - 1)))
        return bad(e, "a value in it is out of its range");
    l->since_ms = since;
    l->until_ms = until;
    memcpy(l->token_hash, token, strlen(token) + 1);
    if ((rc = take_text("owner", owner, l->owner, sizeof l->owner, e)) != 0 ||
        (rc = take_text("reason", reason, l->reason, sizeof l->reason, e)) != 0 ||
        (rc = take_text("ticket", ticket, l->ticket, sizeof l->ticket, e)) != 0 || (rc = take_actors(hold, l, e)) != 0)
        return rc;
    return add_host(l, host, e);
}

int tg_local_hold_parse(const char *text, size_t len, struct tg_locks *out, struct tg_error *e)
{
    json_t *o = len ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL, *list = NULL, *item;
    struct tg_locks holds = {.v = calloc(TG_LOCAL_HOLDS_MAX, sizeof *holds.v)};
    int format = 0, rc = 0;
    size_t i;

    if (!holds.v)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    else if (json_unpack_ex(o, NULL, 0, "{s:i}", "format", &format) != 0)
        rc = bad(e, "it is no record of holds");
    else if (format != FORMAT)
        rc = tg_fail(e, TG_E_DATA, "its format is %d, this tagout knows %d", format, FORMAT);
    else if (json_unpack_ex(o, NULL, JSON_STRICT, "{s:i,s:o}", "format", &format, "holds", &list) != 0 ||
             !json_is_array(list) || !json_array_size(list) || json_array_size(list) > TG_LOCAL_HOLDS_MAX)
        rc = bad(e, "it is no record of holds");
    json_array_foreach(list, i, item) if (!rc && (rc = decode_one(item, &holds.v[holds.n++], e)) != 0) break;
    json_decref(o);
    if (rc)
        tg_locks_release(&holds);
    else
        *out = holds;
    return rc;
}

static json_t *encode_one(const struct tg_lock *l)
{
    json_t *hold = json_array();

    for (size_t i = 0; i < l->n_hold; i++)
        json_array_append_new(hold, json_string(l->hold[i]));
    return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:o,s:s}", "host", l->scopes.v[0].name, "owner", l->owner, "reason",
                     l->reason, "ticket", l->ticket, "since", (json_int_t) l->since_ms, "until",
                     (json_int_t) l->until_ms, "hold", hold, "token", l->token_hash);
}

static int write_all(const char *file, const struct tg_locks *holds, struct tg_error *e)
{
    json_t *list = json_array(), *o;

    for (size_t i = 0; i < holds->n; i++)
        json_array_append_new(list, encode_one(&holds->v[i]));
    o = json_pack("{s:i,s:o}", "format", FORMAT, "holds", list);
    char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
    json_decref(o);
    int rc = text ? tg_whole_write(file, text, strlen(text), 0644, TG_WHOLE_DURABLE | TG_WHOLE_FOLDERS, e)
                  : tg_fail(e, TG_E_MEMORY, "out of memory");
    free(text);
    return rc;
}

/* --- reading it --- */

static int broken(const char *file, const char *why, struct tg_error *e)
{
    tg_fail(e, TG_E_UNKNOWN, "%s: %s, so it is not known who holds this host", file, why);
    tg_error_hint(e, "look at it, and ask who is at work here; if nobody holds this host any more: tagout unhold "
                     "--force --reason R");
    return TG_E_UNKNOWN;
}

/* Only root's word counts, or one's own where the folder is one's own. *out NULL: there is no file. */
static int read_trusted(const char *file, char **out, size_t *out_len, struct tg_error *e)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char why[128];

    *out = NULL;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (fd < 0) {
        snprintf(why, sizeof why, "it can't be read (%s)", strerror(errno));
        return broken(file, why, e);
    }
    const char *wrong = NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        wrong = "it is no file";
    else if (st.st_uid != 0 && st.st_uid != geteuid())
        wrong = "it belongs neither to root nor to who asks";
    else if (st.st_mode & (S_IWGRP | S_IWOTH))
        wrong = "others may write it";
    else if (st.st_size > FILE_MAX)
        wrong = "it is too long";
    char *text = wrong ? NULL : malloc(FILE_MAX + 1);
    ssize_t n = text ? read(fd, text, FILE_MAX) : -1;
    close(fd);
    if (n >= 0) {
        *out = text;
        *out_len = (size_t) n;
        return 0;
    }
    free(text);
    return broken(file, wrong ? wrong : "it can't be read", e);
}

/* Its own name beside the recorded one, and its groups as far as they are known. */
static int complete_scopes(struct tg_lock *l, const struct tg_inventory *inventory, const char *called,
                           struct tg_error *e)
{
    char name[TG_SCOPE_NAME_MAX + 1] = "";

    if (called)
        snprintf(name, sizeof name, "%s", called);
    else
        (void) gethostname(name, sizeof name - 1);
    if (name[0] && add_host(l, name, NULL) == TG_E_MEMORY)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; inventory && i < l->scopes.n; i++)
        (void) tg_scope_resolve(&l->scopes.v[i], inventory,
                                NULL); /* a host that it does not name is in doubt about its groups, so held by them */
    return 0;
}

static int load(const char *state_dir, struct tg_locks *out, struct tg_error *e)
{
    char file[600], *text;
    size_t len = 0;
    struct tg_error why = TG_ERROR_INIT;

    *out = (struct tg_locks){.n = 0};
    tg_local_hold_file(state_dir, file, sizeof file);
    int rc = read_trusted(file, &text, &len, e);
    if (rc || !text)
        return rc;
    rc = tg_local_hold_parse(text, len, out, &why);
    free(text);
    return rc ? broken(file, why.message, e) : 0;
}

int tg_local_hold_load(const char *state_dir, const struct tg_inventory *inventory, const char *called,
                       struct tg_locks *out, struct tg_error *e)
{
    struct tg_locks holds;
    int rc = load(state_dir, &holds, e);

    for (size_t i = 0; !rc && i < holds.n; i++)
        rc = complete_scopes(&holds.v[i], inventory, called, e);
    if (rc)
        tg_locks_release(&holds);
    else
        *out = holds;
    return rc;
}

/* --- changing it --- */

/* One at a time: the folder is locked while the file is read, changed and written. */
static int lock_folder(const char *file, int *out_fd, struct tg_error *e)
{
    int fd = tg_whole_open_folder(file, TG_WHOLE_FOLDERS);

    *out_fd = fd;
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return 0;
    int error = errno;
    return tg_fail_errno(e, error == EACCES || error == EPERM || error == EROFS ? TG_E_PERM : TG_E_SYSTEM, error,
                         "%s can't be written", file);
}

static int fill(const struct tg_local_hold_request *r, struct tg_lock *l, struct tg_error *e)
{
    int rc;

    *l = (struct tg_lock){
        .id = TG_LOCAL_HOLD_ID, .state = TG_LOCK_HELD, .since_ms = r->since_ms, .until_ms = r->since_ms + r->for_ms};
    if (r->for_ms <= 0)
        return tg_fail(e, TG_E_USAGE, "for how long?");
    if ((rc = tg_lock_texts(r->owner, r->reason, r->ticket, r->hold, r->n_hold, l, e)) != 0)
        return rc;
    if (r->token)
        tg_sha256_hex(r->token, strlen(r->token), l->token_hash);
    return add_host(l, r->host, e);
}

static int add(const char *file, const char *state_dir, struct tg_lock *l, struct tg_error *e)
{
    struct tg_locks holds;
    int rc = load(state_dir, &holds, e);

    for (size_t i = 0; !rc && i < holds.n; i++)
        if (strcmp(holds.v[i].owner, l->owner) == 0) {
            rc = tg_fail(e, TG_E_EXISTS, "%s holds this host already: %.200s", l->owner, holds.v[i].reason);
            tg_error_hint(e, "tagout unhold, then hold it anew");
        }
    struct tg_lock *v = !rc && holds.n < TG_LOCAL_HOLDS_MAX ? realloc(holds.v, (holds.n + 1) * sizeof *v) : NULL;
    if (!rc && !v)
        rc = tg_fail(e, TG_E_USAGE, "%d people hold this host already", TG_LOCAL_HOLDS_MAX);
    if (!rc) {
        holds.v = v;
        v[holds.n++] = *l;
        *l = (struct tg_lock){.txid = 0};
        rc = write_all(file, &holds, e);
    }
    tg_locks_release(&holds);
    return rc;
}

int tg_local_hold_place(const char *state_dir, const struct tg_local_hold_request *request, struct tg_error *e)
{
    struct tg_lock l;
    char file[600];
    int fd = -1, rc = fill(request, &l, e);

    tg_local_hold_file(state_dir, file, sizeof file);
    if (!rc)
        rc = lock_folder(file, &fd, e);
    if (!rc)
        rc = add(file, state_dir, &l, e);
    if (fd >= 0)
        close(fd);
    tg_lock_clear(&l);
    return rc;
}

static int keep(struct tg_locks *list, struct tg_lock *l)
{
    struct tg_lock *v = realloc(list->v, (list->n + 1) * sizeof *v);

    if (!v)
        return TG_E_MEMORY;
    list->v = v;
    v[list->n++] = *l;
    *l = (struct tg_lock){.txid = 0};
    return 0;
}

static int remove_file(const char *file, int folder, struct tg_error *e)
{
    struct stat st;

    if (lstat(file, &st) == 0 && S_ISDIR(st.st_mode)) {
        tg_fail(e, TG_E_SYSTEM, "%s is a folder, which tagout never makes", file);
        return tg_error_hint(e, "look what is in it, and take it away yourself: mv, or rmdir"), TG_E_SYSTEM;
    }
    if (unlink(file) != 0)
        return tg_fail_errno(e, errno == EACCES || errno == EPERM || errno == EROFS ? TG_E_PERM : TG_E_SYSTEM, errno,
                             "%s can't be removed", file);
    (void) fsync(folder);
    return 0;
}

static int lift(const char *file, const char *state_dir, const char *owner, int folder, struct tg_locks *gone,
                struct tg_error *e)
{
    struct tg_locks holds = {.n = 0}, rest = {.n = 0};
    struct tg_error why = TG_ERROR_INIT;
    int rc = load(state_dir, &holds, &why);

    if (rc && !owner)
        return remove_file(file, folder, e);
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        return tg_error_hint(e, "%s", why.hint), rc;
    }
    if (!holds.n)
        return tg_fail(e, TG_E_NOENT, "nobody holds this host");
    for (size_t i = 0; !rc && i < holds.n; i++)
        rc = keep(!owner || strcmp(holds.v[i].owner, owner) == 0 ? gone : &rest, &holds.v[i]);
    if (!rc && !gone->n) {
        rc = tg_fail(e, TG_E_PERM, "%s holds this host, not %s: %.200s", rest.v[0].owner, owner, rest.v[0].reason);
        tg_error_hint(e, "ask; or take it away, which is logged: tagout unhold --force --reason R");
    } else if (!rc) {
        rc = rest.n ? write_all(file, &rest, e) : remove_file(file, folder, e);
    }
    tg_locks_release(&holds);
    tg_locks_release(&rest);
    return rc;
}

int tg_local_hold_lift(const char *state_dir, const char *owner, struct tg_locks *out, struct tg_error *e)
{
    struct tg_locks gone = {.n = 0};
    char file[600];
    struct stat st;
    int fd = -1;

    tg_local_hold_file(state_dir, file, sizeof file);
    if (lstat(file, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return tg_fail(e, TG_E_NOENT, "nobody holds this host");
    int rc = lock_folder(file, &fd, e);
    if (!rc)
        rc = lift(file, state_dir, owner, fd, &gone, e);
    if (fd >= 0)
        close(fd);
    if (!rc && out)
        *out = gone;
    else
        tg_locks_release(&gone);
    return rc;
}

/* --- the guard --- */

static char elsewhere[2][512];
static size_t n_elsewhere;

void tg_local_hold_also(const char *state_dir)
{
    for (size_t i = 0; i < n_elsewhere; i++)
        if (strcmp(elsewhere[i], state_dir) == 0)
            return;
    if (n_elsewhere < sizeof elsewhere / sizeof elsewhere[0] && strlen(state_dir) < sizeof elsewhere[0])
        memcpy(elsewhere[n_elsewhere++], state_dir, strlen(state_dir) + 1);
}

const char *tg_local_hold_elsewhere(size_t i)
{
    return i < n_elsewhere ? elsewhere[i] : NULL;
}

static bool decides(const char *state_dir, const struct tg_inventory *inventory, const struct tg_question *q,
                    int64_t wall_ms, struct tg_guard_verdict *out)
{
    struct tg_locks holds;
    struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN, .cause = TG_LOCAL_HOLD_BAD};
    struct tg_question about = *q;
    int rc = tg_local_hold_load(state_dir, inventory, NULL, &holds, &v.error);

    if (!rc && !holds.n) {
        tg_locks_release(&holds);
        return false;
    }
    if (!rc) {
        if (!about.scopes || !about.scopes->n)
            about.scopes = &holds.v[0].scopes;
        struct tg_scopes own = TG_SCOPES_INIT; /* deciding empties the locks that it takes */
        rc = tg_scopes_copy(about.scopes, &own, &v.error);
        about.scopes = &own;
        if (!rc)
            rc = tg_decide(&about, holds.v, holds.n, wall_ms, &v, &v.error);
        tg_scopes_release(&own);
        tg_locks_release(&holds);
    }
    if (!rc && v.answer == TG_ANSWER_GO) {
        tg_verdict_release(&v);
        return false;
    }
    *out = v;
    return true;
}

bool tg_local_hold_decides(const char *state_dir, const struct tg_inventory *inventory,
                           const struct tg_question *question, int64_t wall_ms, struct tg_guard_verdict *out)
{
    bool decided = state_dir && decides(state_dir, inventory, question, wall_ms, out);

    for (size_t i = 0; !decided && i < n_elsewhere; i++)
        decided = (!state_dir || strcmp(state_dir, elsewhere[i]) != 0) &&
                  decides(elsewhere[i], inventory, question, wall_ms, out);
    return decided;
}
