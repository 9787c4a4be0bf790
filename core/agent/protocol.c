/* Requests and answers of the agent's socket: see protocol.h. */
#include "agent/protocol.h"

#include <string.h>

static const char *const op_names[] = {
    [TG_AGENT_CHECK] = "check", [TG_AGENT_STATUS] = "status", [TG_AGENT_HOLD] = "hold",       [TG_AGENT_UNHOLD] = "unhold",
    [TG_AGENT_PERMIT] = "permit", [TG_AGENT_ALIVE] = "alive", [TG_AGENT_RELEASE] = "release",
};
#define N_OPS (sizeof op_names / sizeof op_names[0])

/* Which fields an op takes, and which it can't do without. */
enum field { F_ACTOR, F_SCOPES, F_TOKEN, F_UNDER, F_WHAT, F_OWNER, F_STORE, F_INVENTORY, F_HOST, F_STATE_DIR, F_PERMIT, F_REASON, F_FOR_MS, N_FIELDS };
static const char *const field_names[N_FIELDS] = {
    [F_ACTOR] = "actor", [F_SCOPES] = "scopes", [F_TOKEN] = "token", [F_UNDER] = "under", [F_WHAT] = "what", [F_OWNER] = "owner", [F_STORE] = "store",
    [F_INVENTORY] = "inventory", [F_HOST] = "host", [F_STATE_DIR] = "state-dir", [F_PERMIT] = "permit", [F_REASON] = "reason", [F_FOR_MS] = "for-ms",
};
#define FIELD_BIT(f) (1u << (f))
enum { WHOM = FIELD_BIT(F_STORE) | FIELD_BIT(F_INVENTORY) | FIELD_BIT(F_HOST) | FIELD_BIT(F_STATE_DIR) };
static const struct { unsigned takes, needs; } op_fields[N_OPS] = {
    [TG_AGENT_CHECK] = {WHOM | FIELD_BIT(F_ACTOR) | FIELD_BIT(F_SCOPES) | FIELD_BIT(F_TOKEN) | FIELD_BIT(F_UNDER), FIELD_BIT(F_ACTOR)},
    [TG_AGENT_STATUS] = {WHOM, 0},
    [TG_AGENT_HOLD] = {FIELD_BIT(F_REASON) | FIELD_BIT(F_FOR_MS) | FIELD_BIT(F_OWNER), FIELD_BIT(F_REASON)},
    [TG_AGENT_UNHOLD] = {FIELD_BIT(F_REASON) | FIELD_BIT(F_OWNER), 0},
    [TG_AGENT_PERMIT] = {WHOM | FIELD_BIT(F_ACTOR) | FIELD_BIT(F_SCOPES) | FIELD_BIT(F_TOKEN) | FIELD_BIT(F_UNDER) | FIELD_BIT(F_WHAT) | FIELD_BIT(F_OWNER), FIELD_BIT(F_ACTOR)},
    [TG_AGENT_ALIVE] = {FIELD_BIT(F_PERMIT), FIELD_BIT(F_PERMIT)},
    [TG_AGENT_RELEASE] = {FIELD_BIT(F_PERMIT), FIELD_BIT(F_PERMIT)},
};

const char *tg_agent_op_name(enum tg_agent_op op)
{
    return op_names[op];
}

static int bad(struct tg_error *e, const char *what, const char *value)
{
    tg_fail(e, TG_E_USAGE, "%s%s%.60s%s", what, value ? " \"" : "", value ? value : "", value ? "\"" : "");
    tg_error_hint(e, "one request a line, as in tagout-agent(7)");
    return TG_E_USAGE;
}

static int take_scopes(const json_t *list, struct tg_agent_request *r, struct tg_error *e)
{
    size_t i;
    json_t *item;

    if (!json_is_array(list) || json_array_size(list) > TG_SCOPES_MAX)
        return bad(e, "scopes is no list of at most 64 texts", NULL);
    json_array_foreach(list, i, item) {
        if (!json_is_string(item))
            return bad(e, "scopes is no list of at most 64 texts", NULL);
        r->scopes[r->n_scopes++] = json_string_value(item);
    }
    return 0;
}

static int take_field(enum field f, const json_t *value, struct tg_agent_request *r, struct tg_error *e)
{
    const char **const texts[N_FIELDS] = {
        [F_ACTOR] = &r->actor, [F_TOKEN] = &r->token, [F_UNDER] = &r->under, [F_WHAT] = &r->what, [F_OWNER] = &r->owner, [F_STORE] = &r->store,
        [F_INVENTORY] = &r->inventory, [F_HOST] = &r->host, [F_STATE_DIR] = &r->state_dir, [F_PERMIT] = &r->permit, [F_REASON] = &r->reason,
    };

    if (f == F_SCOPES)
        return take_scopes(value, r, e);
    if (f == F_FOR_MS) {
        if (!json_is_integer(value) || json_integer_value(value) <= 0)
            return bad(e, "for-ms is no whole number of milliseconds", NULL);
        r->for_ms = json_integer_value(value);
        return 0;
    }
    if (!json_is_string(value))
        return bad(e, "this is no text:", field_names[f]);
    *texts[f] = json_string_value(value);
    return 0;
}

static int take_key(const char *key, const json_t *value, struct tg_agent_request *r, unsigned *seen, struct tg_error *e)
{
    if (strcmp(key, "v") == 0 || strcmp(key, "op") == 0)
        return 0;
    if (strcmp(key, "id") == 0) {
        if (!json_is_string(value) && !json_is_integer(value))
            return bad(e, "id is neither a text nor a whole number", NULL);
        r->id = value;
        return 0;
    }
    for (unsigned f = 0; f < N_FIELDS; f++)
        if (strcmp(key, field_names[f]) == 0 && op_fields[r->op].takes & FIELD_BIT(f)) {
            *seen |= FIELD_BIT(f);
            return take_field(f, value, r, e);
        }
    return bad(e, "this op takes no", key);
}

static int take_op(const json_t *root, struct tg_agent_request *r, struct tg_error *e)
{
    const json_t *v = json_object_get(root, "v");
    const char *op = json_string_value(json_object_get(root, "op"));

    if (!json_is_integer(v) || json_integer_value(v) != TG_AGENT_VERSION)
        return bad(e, "\"v\":1 is missing: this agent speaks version 1 alone", NULL);
    for (size_t i = 0; op && i < N_OPS; i++)
        if (strcmp(op, op_names[i]) == 0) {
            r->op = (enum tg_agent_op) i;
            return 0;
        }
    return bad(e, op ? "no such op:" : "\"op\" is missing", op);
}

int tg_agent_request_parse(const char *line, size_t len, struct tg_agent_request *out, struct tg_error *e)
{
    struct tg_agent_request r = {.op = TG_AGENT_STATUS};
    const char *key;
    json_t *value;
    unsigned seen = 0;
    int rc = len <= TG_AGENT_LINE_MAX ? 0 : bad(e, "the line is too long", NULL);

    r.root = rc || !len ? NULL : json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    if (!rc && !json_is_object(r.root))
        rc = bad(e, "this is no JSON object", NULL);
    if (!rc)
        rc = take_op(r.root, &r, e);
    if (!rc)
        json_object_foreach(r.root, key, value) {
            rc = take_key(key, value, &r, &seen, e);
            if (rc)
                break;
        }
    for (unsigned f = 0; !rc && f < N_FIELDS; f++)
        if (op_fields[r.op].needs & FIELD_BIT(f) & ~seen)
            rc = bad(e, "this op needs", field_names[f]);
    *out = r;
    return rc;
}

void tg_agent_request_release(struct tg_agent_request *r)
{
    json_decref(r->root);
    *r = (struct tg_agent_request) {.op = TG_AGENT_STATUS};
}

static json_t *finish(const struct tg_agent_request *r, json_t *answer)
{
    if (answer && r->id && json_object_set_new(answer, "id", json_deep_copy(r->id)) != 0) {
        json_decref(answer);
        return NULL;
    }
    return answer;
}

json_t *tg_agent_refusal(const struct tg_agent_request *r, const struct tg_error *e)
{
    json_t *o = json_pack("{s:i,s:b,s:{s:s,s:s,s:i}}", "v", TG_AGENT_VERSION, "ok", 0, "error", "code", tg_code_name(e->code), "message", e->message,
                          "exit", tg_exit_status(e->code));

    if (o && e->hint[0])
        json_object_set_new(json_object_get(o, "error"), "hint", json_string(e->hint));
    return finish(r, o);
}

json_t *tg_agent_answer(const struct tg_agent_request *r, json_t *body)
{
    json_t *o = json_pack("{s:i,s:b}", "v", TG_AGENT_VERSION, "ok", 1);

    if (o && body && json_object_update_missing(o, body) != 0) {
        json_decref(o);
        o = NULL;
    }
    json_decref(body);
    return finish(r, o);
}
