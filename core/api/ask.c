/* libtagout: asking the agent, and permits. See tagout/tagout.h; the protocol is in tagout-agent(7). */
#define _GNU_SOURCE
#include "api/verdict.h"

#include "agent/client.h"

#include <tagout/clock.h>

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX 262144 /* tagout-agent(7) */
#define LINE_MAX_BYTES 32768

struct tagout_permit {
    struct tg_agent_client client;
    int64_t timeout_ms;
    int64_t good_until_ms; /* monotonic; 0: lost */
    char id[64], fence[64], name[130];
};

static int64_t now_ms(void)
{
    return tg_mono_ms(tg_clock_real());
}

/* Sends the request (consumed) and reads the answer, an object; NULL and the error. */
static json_t *talk(struct tg_agent_client *c, json_t *request, int64_t deadline_ms, struct tg_error *e)
{
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL, *line = NULL, *answer = malloc(ANSWER_MAX + 1);
    size_t len = text ? strlen(text) : 0;
    json_t *o = NULL;
    int rc = 0;

    json_decref(request);
    if (text && (line = realloc(text, len + 2)) != NULL)
        memcpy(line + len, "\n", 2);
    if (!line || !answer)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory, or a text in the question is not UTF-8");
    else if (len >= LINE_MAX_BYTES)
        rc = tg_fail(e, TG_E_USAGE, "the question is longer than %d bytes", LINE_MAX_BYTES);
    else
        rc = tg_agent_ask(c, line, len + 1, answer, ANSWER_MAX + 1, deadline_ms, e);
    if (!rc)
        o = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
    if (!rc && !json_is_object(o)) {
        json_decref(o);
        o = NULL;
        tg_fail(e, TG_E_DATA, "the agent's answer makes no sense");
    }
    if (!line)
        free(text);
    free(line);
    free(answer);
    return o;
}

static json_t *request_of(const struct tg_api_ask *a, const char *op)
{
    json_t *o = json_pack("{s:i,s:s,s:s}", "v", 1, "op", op, "actor", a->ask.actor);
    json_t *scopes = json_array();

    for (size_t i = 0; i < a->ask.n_scopes; i++)
        if (json_array_append_new(scopes, json_string(a->ask.scopes[i])) != 0) {
            json_decref(o);
            o = NULL;
        }
    if (a->ask.n_scopes)
        json_object_set(o, "scopes", scopes);
    json_decref(scopes);
    if (a->ask.tokens && a->ask.tokens[0])
        json_object_set_new(o, "token", json_string(a->ask.tokens));
    if (a->under)
        json_object_set_new(o, "under", json_string(a->under));
    return o;
}

/* What the agent has refused, as an error. */
static int refusal(const json_t *answer, struct tg_error *e)
{
    const json_t *error = json_object_get(answer, "error");
    const char *code = json_string_value(json_object_get(error, "code")), *message = json_string_value(json_object_get(error, "message"));
    const char *hint = json_string_value(json_object_get(error, "hint"));
    int rc = code && strcmp(code, "usage") == 0 ? TG_E_USAGE : TG_E_UNKNOWN;

    tg_fail(e, rc, "%s", message ? message : "the agent refuses and does not say why");
    tg_error_hint(e, "%s", hint ? hint : "");
    return rc;
}

/* A verdict from the agent, 0; or the error why there is none. *out_json is a new reference when wanted. */
static int ask_agent(struct tg_agent_client *c, const struct tg_api_ask *a, json_t *request, struct tagout_verdict **out, json_t **out_json, struct tg_error *e)
{
    json_t *o = talk(c, request, a->deadline_ms, e);
    int rc = 0;

    if (!o)
        return e->code;
    if (!json_is_true(json_object_get(o, "ok"))) {
        rc = refusal(o, e);
        json_decref(o);
        return rc;
    }
    if (out_json)
        *out_json = json_incref(o);
    *out = tg_api_verdict(o, NULL);
    if (!*out && out_json)
        json_decref(*out_json);
    return *out ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static int give(struct tagout_verdict *v, struct tagout_verdict **out)
{
    int answer = tagout_verdict_answer(v);

    if (out)
        *out = v;
    else
        tagout_verdict_free(v);
    return answer;
}

int tagout_check(const struct tagout_ask *ask, struct tagout_verdict **out_verdict)
{
    struct tg_agent_client c = TG_AGENT_CLIENT_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_api_ask a;
    struct tagout_verdict *v = NULL;

    if (tg_api_ask_read(ask, &a, &e) != 0)
        return give(tg_api_verdict_error(&e, "usage"), out_verdict);
    int64_t whole = a.deadline_ms, half = now_ms() + (whole - now_ms()) / 2; /* a hung agent leaves time for the store */
    a.deadline_ms = half;
    int rc = tg_agent_connect(a.ask.socket, half, &c, &e);
    if (!rc)
        rc = ask_agent(&c, &a, request_of(&a, "check"), &v, NULL, &e);
    tg_agent_disconnect(&c);
    a.deadline_ms = whole;
    if (rc == TG_E_USAGE)
        v = tg_api_verdict_error(&e, "usage");
    else if (rc && rc != TG_E_MEMORY)
        v = tg_api_ask_program(&a);
    return give(v, out_verdict);
}

/* --- permits --- */

static void owner_of(char *out, size_t size)
{
    struct passwd pw, *found = NULL;
    char text[1024], host[65] = "";

    (void) gethostname(host, sizeof host - 1);
    if (getpwuid_r(geteuid(), &pw, text, sizeof text, &found) == 0 && found)
        snprintf(out, size, "%.100s@%s", found->pw_name, host);
    else
        snprintf(out, size, "uid%u@%s", (unsigned) geteuid(), host);
}

/* good-for-ms counts from the moment the request was sent. */
static int take_good(struct tagout_permit *p, const json_t *answer, int64_t sent_ms)
{
    const json_t *good = json_object_get(answer, "good-for-ms");
    int64_t ms = json_integer_value(good);

    if (!json_is_integer(good) || ms <= 0)
        return TG_E_DATA;
    p->good_until_ms = ms > INT64_MAX / 4 ? INT64_MAX : sent_ms + ms;
    return 0;
}

static int take_permit(struct tagout_permit *p, const json_t *answer, int64_t sent_ms, struct tg_error *e)
{
    const char *id = json_string_value(json_object_get(answer, "permit")), *fence = json_string_value(json_object_get(answer, "fence"));

    if (!id || !fence || strlen(id) >= sizeof p->id || strlen(fence) >= sizeof p->fence || take_good(p, answer, sent_ms) != 0)
        return tg_fail(e, TG_E_DATA, "the agent says go and gives no permit");
    memcpy(p->id, id, strlen(id) + 1);
    memcpy(p->fence, fence, strlen(fence) + 1);
    snprintf(p->name, sizeof p->name, "%s:%s", fence, id);
    return 0;
}

static int permit_from(struct tagout_permit *p, const struct tg_api_ask *a, struct tagout_verdict **out, struct tg_error *e)
{
    char owner[192];
    json_t *request = request_of(a, "permit"), *answer = NULL;
    int64_t sent = now_ms();
    int rc = tg_agent_connect(a->ask.socket, a->deadline_ms, &p->client, e);

    owner_of(owner, sizeof owner);
    json_object_set_new(request, "what", json_string(a->ask.what));
    json_object_set_new(request, "owner", json_string(a->ask.owner ? a->ask.owner : owner));
    if (rc) {
        json_decref(request);
        if (rc == TG_E_NOENT)
            tg_error_hint(e, "permits need the host's agent: systemctl start tagout-agent; or run the work under tagout exec");
        return rc;
    }
    rc = ask_agent(&p->client, a, request, out, &answer, e);
    if (!rc && tagout_verdict_answer(*out) == TAGOUT_GO) {
        rc = take_permit(p, answer, sent, e);
        if (rc) {
            tagout_verdict_free(*out);
            *out = NULL;
        }
    }
    json_decref(answer);
    return rc;
}

int tagout_permit_take(const struct tagout_ask *ask, struct tagout_permit **out_permit, struct tagout_verdict **out_verdict)
{
    struct tagout_permit *p = calloc(1, sizeof *p);
    struct tagout_verdict *v = NULL;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_api_ask a;

    *out_permit = NULL;
    if (!p)
        return give(NULL, out_verdict);
    p->client = (struct tg_agent_client) TG_AGENT_CLIENT_INIT;
    int rc = tg_api_ask_read(ask, &a, &e);
    p->timeout_ms = rc ? 0 : a.deadline_ms - now_ms();
    if (!rc)
        rc = permit_from(p, &a, &v, &e);
    if (rc)
        v = tg_api_verdict_error(&e, rc == TG_E_NOENT ? "no-agent" : rc == TG_E_TIMEOUT ? "no-answer" : "agent");
    if (!rc && tagout_verdict_answer(v) == TAGOUT_GO && p->good_until_ms > now_ms()) {
        *out_permit = p;
        return give(v, out_verdict);
    }
    if (tagout_verdict_answer(v) == TAGOUT_GO) { /* it came too late to be of use */
        tagout_verdict_free(v);
        tg_fail(&e, TG_E_UNKNOWN, "the permit came when it was over already");
        v = tg_api_verdict_error(&e, "no-answer");
    }
    tagout_permit_release(p);
    return give(v, out_verdict);
}

int tagout_permit_alive(struct tagout_permit *p)
{
    struct tg_error e = TG_ERROR_INIT;
    int64_t sent = now_ms();

    if (!p || !tagout_permit_good_for_ms(p))
        return TAGOUT_UNKNOWN;
    json_t *o = talk(&p->client, json_pack("{s:i,s:s,s:s}", "v", 1, "op", "alive", "permit", p->id), sent + p->timeout_ms, &e);
    int rc = json_is_true(json_object_get(o, "ok")) ? take_good(p, o, sent) : TG_E_UNKNOWN;
    json_decref(o);
    if (rc || p->good_until_ms <= now_ms())
        p->good_until_ms = 0; /* and it stays so: after a failure the connection is of no use */
    return p->good_until_ms ? TAGOUT_GO : TAGOUT_UNKNOWN;
}

int64_t tagout_permit_good_for_ms(const struct tagout_permit *p)
{
    int64_t left = p ? p->good_until_ms - now_ms() : 0;

    return p && p->good_until_ms == INT64_MAX ? INT64_MAX : left > 0 ? left : 0;
}

const char *tagout_permit_name(const struct tagout_permit *p)
{
    return p ? p->name : "";
}

const char *tagout_permit_fence(const struct tagout_permit *p)
{
    return p ? p->fence : "";
}

void tagout_permit_release(struct tagout_permit *p)
{
    struct tg_error e = TG_ERROR_INIT;

    if (!p)
        return;
    if (p->id[0] && p->good_until_ms) /* the end of the connection would do as well, a little later */
        json_decref(talk(&p->client, json_pack("{s:i,s:s,s:s}", "v", 1, "op", "release", "permit", p->id), now_ms() + p->timeout_ms, &e));
    tg_agent_disconnect(&p->client);
    free(p);
}
