/* Reading and writing the guard's records: see record.h. */
#include "guard/record.h"

#include "base/seal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DECODE_FLAGS (JSON_REJECT_DUPLICATES)
#define TIME_MAX_MS INT64_C(253402300799999) /* 9999-12-31 */

static int bad(struct tg_error *e, const char *what)
{
    return tg_fail(e, TG_E_DATA, "%s", what);
}

int tg_record_load(const char *text, size_t len, json_t **out, struct tg_error *e)
{
    json_error_t why;
    enum tg_sealed seal = tg_seal_check(text, len);
    json_t *o = len && seal != TG_SEAL_BROKEN ? json_loadb(text, len, DECODE_FLAGS, &why) : NULL;
    json_t *format = json_object_get(o, "format");
    int rc = 0;

    if (seal == TG_SEAL_BROKEN)
        rc = bad(e, "its checksum is wrong: it was damaged, or changed by hand");
    else if (!o)
        rc = tg_fail(e, TG_E_DATA, "it is no JSON: %.100s", len ? why.text : "it is empty");
    else if (!json_is_integer(format))
        rc = bad(e, "it has no format number");
    else if (json_integer_value(format) > TG_RECORD_FORMAT)
        rc = tg_fail(e, TG_E_UNKNOWN, "its format is %lld, this tagout knows %d", (long long) json_integer_value(format), TG_RECORD_FORMAT);
    else if (json_integer_value(format) < TG_RECORD_FORMAT)
        rc = tg_fail(e, TG_E_DATA, "its format is %lld, which there never was", (long long) json_integer_value(format));
    else if (seal == TG_SEAL_NONE)
        rc = bad(e, "it has no checksum");
    if (rc)
        json_decref(o);
    else
        *out = o;
    return rc;
}

static bool printable(const char *s)
{
    for (; *s; s++)
        if ((unsigned char) *s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

/* jansson has checked that it is UTF-8, and that no NUL is in it. */
static int take_text(const char *what, const char *s, char *out, size_t size, struct tg_error *e)
{
    if (strlen(s) >= size || !printable(s))
        return tg_fail(e, TG_E_DATA, "its %s is too long, or has control characters", what);
    memcpy(out, s, strlen(s) + 1);
    return 0;
}

/* --- scopes --- */

static json_t *encode_scope(const struct tg_scope *s)
{
    char text[TG_SCOPE_TEXT_SIZE];
    json_t *o = json_pack("{s:s}", "scope", tg_scope_format(s, text, sizeof text));

    if (s->kind == TG_SCOPE_GROUP && s->hosts)
        json_object_set_new(o, "hosts", json_string(s->hosts));
    if (s->kind == TG_SCOPE_HOST && s->groups) {
        json_t *groups = json_array();
        for (size_t i = 0; i < s->n_groups; i++)
            json_array_append_new(groups, json_string(s->groups[i]));
        json_object_set_new(o, "groups", groups);
    }
    return o;
}

static json_t *encode_scopes(const struct tg_scopes *scopes)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < scopes->n; i++)
        json_array_append_new(list, encode_scope(&scopes->v[i]));
    return list;
}

static int decode_groups(const json_t *groups, struct tg_scope *out, struct tg_error *e)
{
    size_t i;
    json_t *item;
    int rc = 0;

    if (json_array_size(groups) > TG_SCOPE_GROUPS_MAX || !(out->groups = calloc(json_array_size(groups) + 1, sizeof *out->groups)))
        return bad(e, "it names too many groups");
    json_array_foreach(groups, i, item) {
        const char *name = json_string_value(item);
        if (!name || strlen(name) > TG_SCOPE_NAME_MAX)
            return bad(e, "a group in it has no proper name");
        if ((rc = tg_scope_add_group(out, name, e)) != 0)
            break;
    }
    return rc;
}

static int decode_scope(json_t *item, struct tg_scope *out, struct tg_error *e)
{
    const char *text = NULL, *hosts = NULL;
    json_t *groups = NULL;
    struct tg_error why = TG_ERROR_INIT;
    int rc = 0;

    if (json_unpack_ex(item, NULL, JSON_STRICT, "{s:s,s?s,s?o}", "scope", &text, "hosts", &hosts, "groups", &groups) != 0)
        return bad(e, "a scope in it is not understood");
    if (tg_scope_parse(text, out, &why) != 0)
        return tg_fail(e, TG_E_DATA, "%s", why.message);
    if ((hosts && (out->kind != TG_SCOPE_GROUP || strlen(hosts) > TG_SCOPE_HOSTS_MAX)) || (groups && (out->kind != TG_SCOPE_HOST || !json_is_array(groups))))
        return bad(e, "a scope in it has what it can't have");
    if (hosts)
        rc = tg_scope_set_hosts(out, hosts, e);
    if (groups)
        rc = decode_groups(groups, out, e);
    if (rc)
        tg_scope_release(out);
    return rc;
}

static int decode_scopes(const json_t *list, struct tg_scopes *out, struct tg_error *e)
{
    size_t i;
    json_t *item;
    int rc = 0;

    *out = (struct tg_scopes) TG_SCOPES_INIT;
    if (!json_is_array(list) || json_array_size(list) < 1 || json_array_size(list) > TG_SCOPES_MAX)
        return bad(e, "it has no proper list of scopes");
    json_array_foreach(list, i, item) {
        struct tg_scope scope;
        rc = decode_scope(item, &scope, e);
        if (!rc)
            rc = tg_scopes_add(out, &scope, e);
        if (rc)
            break;
    }
    if (rc)
        tg_scopes_release(out);
    return rc;
}

/* --- locks --- */

static const char *const states[] = {[TG_LOCK_TAKING] = "taking", [TG_LOCK_HELD] = "held", [TG_LOCK_RELEASED] = "released"};

const char *tg_lock_state_name(enum tg_lock_state state)
{
    return states[state];
}

char *tg_lock_encode(const struct tg_lock *l)
{
    json_t *hold = json_array();

    for (size_t i = 0; i < l->n_hold; i++)
        json_array_append_new(hold, json_string(l->hold[i]));
    json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:b,s:o,s:o,s:s}", "format", TG_RECORD_FORMAT, "id", l->id, "request",
                          l->request, "state", states[l->state], "owner", l->owner, "reason", l->reason, "ticket", l->ticket, "since",
                          (json_int_t) l->since_ms, "until", (json_int_t) l->until_ms, "release_at_expiry", l->release_at_expiry, "hold",
                          hold, "scopes", encode_scopes(&l->scopes), "token", l->token_hash);
    if (l->state == TG_LOCK_RELEASED)
        json_object_set_new(o, "released", json_pack("{s:s,s:s,s:I}", "by", l->released_by, "why", l->released_why, "at", (json_int_t) l->released_ms));
    return tg_seal(o);
}

static int decode_hold(const json_t *hold, struct tg_lock *l, struct tg_error *e)
{
    size_t i;
    json_t *item;

    if (!json_is_array(hold) || json_array_size(hold) > TG_HOLD_MAX)
        return bad(e, "its list of actors is not understood");
    json_array_foreach(hold, i, item) {
        const char *actor = json_string_value(item);
        if (!actor || tg_actor_check(actor, NULL) != 0)
            return bad(e, "an actor in it is not understood");
        memcpy(l->hold[i], actor, strlen(actor) + 1); /* measured by tg_actor_check() */
    }
    l->n_hold = json_array_size(hold);
    return 0;
}

static int decode_state(const char *state, json_t *released, struct tg_lock *l, struct tg_error *e)
{
    const char *by, *why;
    json_int_t at;
    size_t i = 0;

    while (i < sizeof states / sizeof states[0] && strcmp(states[i], state) != 0)
        i++;
    if (i == sizeof states / sizeof states[0])
        return tg_fail(e, TG_E_DATA, "its state \"%.20s\" is not known", state);
    l->state = (enum tg_lock_state) i;
    if ((l->state == TG_LOCK_RELEASED) != (released != NULL))
        return bad(e, "it does not say whether it is released");
    if (!released)
        return 0;
    if (json_unpack_ex(released, NULL, JSON_STRICT, "{s:s,s:s,s:I}", "by", &by, "why", &why, "at", &at) != 0)
        return bad(e, "how it was released is not understood");
    l->released_ms = at;
    int rc = take_text("releaser", by, l->released_by, sizeof l->released_by, e);
    return rc ? rc : take_text("reason", why, l->released_why, sizeof l->released_why, e);
}

bool tg_lock_id_is_proper(const char *id)
{
    size_t len = strlen(id);

    return len >= TG_LOCK_ID_LEN && len < TG_LOCK_ID_SIZE && strspn(id, TG_ID_ALPHABET) == len;
}

bool tg_request_id_is_proper(const char *id)
{
    size_t len = strlen(id);

    return len >= 1 && len < TG_REQUEST_ID_SIZE && strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == len;
}

static bool hash_is_proper(const char *hash)
{
    return !hash[0] || (strlen(hash) == TG_SHA256_HEX - 1 && strspn(hash, "0123456789abcdef") == TG_SHA256_HEX - 1);
}

static int decode_lock(json_t *o, struct tg_lock *l, struct tg_error *e)
{
    const char *id, *request, *state, *owner, *reason, *ticket, *token, *sum;
    json_int_t since, until;
    json_t *hold, *scopes, *released = NULL;
    int format, at_expiry, rc;
    json_error_t why;

    if (json_unpack_ex(o, &why, JSON_STRICT, "{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:b,s:o,s:o,s:s,s?o,s:s}", "format", &format, "id", &id,
                       "request", &request, "state", &state, "owner", &owner, "reason", &reason, "ticket", &ticket, "since", &since,
                       "until", &until, "release_at_expiry", &at_expiry, "hold", &hold, "scopes", &scopes, "token", &token, "released",
                       &released, "sum", &sum) != 0)
        return tg_fail(e, TG_E_DATA, "it is no lock's record: %.100s", why.text);
    if (!tg_lock_id_is_proper(id) || !tg_request_id_is_proper(request) || !hash_is_proper(token) || since < 0 || until < 0 || since > TIME_MAX_MS || until > TIME_MAX_MS)
        return bad(e, "a value in it is out of its range");
    memcpy(l->id, id, strlen(id) + 1);
    memcpy(l->request, request, strlen(request) + 1);
    memcpy(l->token_hash, token, strlen(token) + 1);
    l->since_ms = since;
    l->until_ms = until;
    l->release_at_expiry = at_expiry;
    if ((rc = take_text("owner", owner, l->owner, sizeof l->owner, e)) != 0 ||
        (rc = take_text("reason", reason, l->reason, sizeof l->reason, e)) != 0 ||
        (rc = take_text("ticket", ticket, l->ticket, sizeof l->ticket, e)) != 0 || (rc = decode_hold(hold, l, e)) != 0 ||
        (rc = decode_state(state, released, l, e)) != 0)
        return rc;
    return decode_scopes(scopes, &l->scopes, e);
}

/* What its checksum says, to tell whether two rows of one lock are the same. */
static uint64_t sum_of(const char *text, size_t len)
{
    return len > 18 ? strtoull(text + len - 18, NULL, 16) : 0;
}

int tg_lock_decode(const char *text, size_t len, struct tg_lock *out, struct tg_error *e)
{
    json_t *o = NULL;
    struct tg_lock l = {.txid = 0};
    int rc = tg_record_load(text, len, &o, e);

    if (!rc)
        rc = decode_lock(o, &l, e);
    if (!rc)
        l.sum = sum_of(text, len);
    json_decref(o);
    if (!rc)
        *out = l;
    return rc;
}

void tg_lock_clear(struct tg_lock *lock)
{
    tg_scopes_release(&lock->scopes);
}

/* --- permits --- */

char *tg_permit_encode(const struct tg_permit_record *p)
{
    json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:o}", "format", TG_RECORD_FORMAT, "id", p->id, "actor", p->actor, "owner",
                          p->owner, "host", p->host, "what", p->what, "pid", (json_int_t) p->pid, "since", (json_int_t) p->since_ms,
                          "scopes", encode_scopes(&p->scopes));
    json_t *passes = p->n_passes ? json_array() : NULL;

    for (size_t i = 0; i < p->n_passes; i++)
        json_array_append_new(passes, json_string(p->passes[i]));
    if (passes)
        json_object_set_new(o, "passes", passes);
    if (p->in_flight)
        json_object_set_new(o, "in_flight", json_true());
    if (p->under_txid)
        json_object_set_new(o, "under", json_integer((json_int_t) p->under_txid));
    return tg_seal(o);
}

static int decode_passes(const json_t *passes, struct tg_permit_record *p, struct tg_error *e)
{
    size_t i;
    json_t *item;

    if (!json_is_array(passes) || json_array_size(passes) > TG_PASSES_MAX)
        return bad(e, "the tokens that it passes by are not understood");
    json_array_foreach(passes, i, item) {
        const char *hash = json_string_value(item);
        if (!hash || !hash[0] || !hash_is_proper(hash))
            return bad(e, "a token that it passes by is not understood");
        memcpy(p->passes[i], hash, strlen(hash) + 1);
    }
    p->n_passes = json_array_size(passes);
    return 0;
}

static int decode_permit(json_t *o, struct tg_permit_record *p, struct tg_error *e)
{
    const char *id, *actor, *owner, *host, *what, *sum;
    json_int_t pid, since, under = 0;
    json_t *scopes, *passes = NULL;
    int format, rc, in_flight = 0;

    if (json_unpack_ex(o, NULL, JSON_STRICT, "{s:i,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:o,s?o,s?b,s?I,s:s}", "format", &format, "id", &id, "actor", &actor,
                       "owner", &owner, "host", &host, "what", &what, "pid", &pid, "since", &since, "scopes", &scopes, "passes", &passes,
                       "in_flight", &in_flight, "under", &under, "sum", &sum) != 0)
        return bad(e, "it is no permit's record");
    if (!tg_request_id_is_proper(id) || tg_actor_check(actor, NULL) != 0 || pid < 0 || pid > INT32_MAX || since < 0 || since > TIME_MAX_MS || under < 0)
        return bad(e, "a value in it is out of its range");
    memcpy(p->id, id, strlen(id) + 1);
    memcpy(p->actor, actor, strlen(actor) + 1);
    p->pid = (pid_t) pid;
    p->since_ms = since;
    p->in_flight = in_flight;
    p->under_txid = under;
    if (passes && (rc = decode_passes(passes, p, e)) != 0)
        return rc;
    if ((rc = take_text("owner", owner, p->owner, sizeof p->owner, e)) != 0 || (rc = take_text("host", host, p->host, sizeof p->host, e)) != 0 ||
        (rc = take_text("command", what, p->what, sizeof p->what, e)) != 0)
        return rc;
    return decode_scopes(scopes, &p->scopes, e);
}

int tg_permit_decode(const char *text, size_t len, struct tg_permit_record *out, struct tg_error *e)
{
    json_t *o = NULL;
    struct tg_permit_record p = {.txid = 0};
    int rc = tg_record_load(text, len, &o, e);

    if (!rc)
        rc = decode_permit(o, &p, e);
    json_decref(o);
    if (!rc)
        *out = p;
    return rc;
}

void tg_permit_clear(struct tg_permit_record *permit)
{
    tg_scopes_release(&permit->scopes);
}
