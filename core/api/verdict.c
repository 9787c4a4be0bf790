/* libtagout: questions and verdicts. See tagout/tagout.h. */
#define _GNU_SOURCE
#include "api/verdict.h"

#include "agent/client.h"

#include <tagout/clock.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCOPES_MAX 64
#define UNDER_MAX 128 /* longer is no permit's name */

struct tagout_verdict {
    int answer;
    char *line, *explain, *json;
};

int tg_api_ask_read(const struct tagout_ask *from, struct tg_api_ask *out, struct tg_error *e)
{
    const struct tagout_ask none = TAGOUT_ASK_INIT;

    *out = (struct tg_api_ask) {.ask = none};
    /* a program built against an older header has a shorter one: the rest keeps its defaults */
    if (!from || from->size < offsetof(struct tagout_ask, socket))
        return tg_fail(e, TG_E_USAGE, "the question has no size: use TAGOUT_ASK_INIT");
    memcpy(&out->ask, from, from->size < sizeof out->ask ? from->size : sizeof out->ask);
    if (!out->ask.actor || !out->ask.actor[0])
        return tg_fail(e, TG_E_USAGE, "who acts? the question has no actor");
    if (out->ask.n_scopes > SCOPES_MAX || (out->ask.n_scopes && !out->ask.scopes))
        return tg_fail(e, TG_E_USAGE, "%zu scopes: there may be at most %d", out->ask.n_scopes, SCOPES_MAX);
    for (size_t i = 0; i < out->ask.n_scopes; i++)
        if (!out->ask.scopes[i] || out->ask.scopes[i][0] == '-')
            return tg_fail(e, TG_E_USAGE, "scope %zu is none", i + 1);
    if (!out->ask.tokens)
        out->ask.tokens = secure_getenv("TAGOUT_TOKEN");
    out->under = secure_getenv("TAGOUT_PERMIT");
    if (out->under && (!out->under[0] || strlen(out->under) > UNDER_MAX))
        out->under = NULL;
    if (!out->ask.socket)
        out->ask.socket = secure_getenv("TAGOUT_AGENT_SOCKET");
    if (!out->ask.socket)
        out->ask.socket = TG_AGENT_SOCKET;
    if (!out->ask.what)
        out->ask.what = program_invocation_short_name;
    int64_t timeout = out->ask.timeout_ms > 0 ? out->ask.timeout_ms : TG_API_TIMEOUT_MS;
    out->deadline_ms = tg_mono_ms(tg_clock_real()) + timeout;
    return 0;
}

static char *copy_of(const char *text)
{
    return strdup(text ? text : "");
}

static struct tagout_verdict *make(int answer, const char *line, const char *explain, json_t *json)
{
    struct tagout_verdict *v = calloc(1, sizeof *v);

    if (v) {
        v->answer = answer;
        v->line = copy_of(line);
        v->explain = copy_of(explain);
        v->json = json ? json_dumps(json, JSON_COMPACT) : strdup("{}");
    }
    json_decref(json);
    if (v && v->line && v->explain && v->json)
        return v;
    tagout_verdict_free(v);
    return NULL;
}

struct tagout_verdict *tg_api_verdict(json_t *answer, const char *line)
{
    static const struct { const char *word; int is; } words[] = {{"go", TAGOUT_GO}, {"held", TAGOUT_HELD}, {"unknown", TAGOUT_UNKNOWN}};
    const char *word = json_string_value(json_object_get(answer, "answer"));
    struct tg_error e = TG_ERROR_INIT;

    for (size_t i = 0; word && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].word, word) == 0)
            return make(words[i].is, line ? line : json_string_value(json_object_get(answer, "line")), json_string_value(json_object_get(answer, "explain")), answer);
    json_decref(answer);
    tg_fail(&e, TG_E_UNKNOWN, "the answer makes no sense");
    return tg_api_verdict_error(&e, "bad-answer");
}

struct tagout_verdict *tg_api_verdict_error(const struct tg_error *e, const char *cause)
{
    char line[2048], text[640];
    size_t n = 0;

    for (const char *p = e->message; *p && n + 2 < sizeof text; p++) /* a line that can be taken apart again */
        text[n++] = *p == '"' || *p == '\\' || (unsigned char) *p < 0x20 ? '\'' : *p;
    text[n] = '\0';
    if (e->code == TG_E_USAGE)
        return make(TAGOUT_USAGE, e->message, e->hint, NULL);
    snprintf(line, sizeof line, "TAGOUT-UNKNOWN cause=%s detail=\"%s\"", cause, text);
    return make(TAGOUT_UNKNOWN, line, e->hint, NULL);
}

int tagout_verdict_answer(const struct tagout_verdict *v)
{
    return v ? v->answer : TAGOUT_UNKNOWN;
}

const char *tagout_verdict_line(const struct tagout_verdict *v)
{
    return v ? v->line : "TAGOUT-UNKNOWN cause=no-memory detail=\"out of memory\"";
}

const char *tagout_verdict_explain(const struct tagout_verdict *v)
{
    return v ? v->explain : "";
}

const char *tagout_verdict_json(const struct tagout_verdict *v)
{
    return v ? v->json : "{}";
}

void tagout_verdict_free(struct tagout_verdict *v)
{
    if (!v)
        return;
    free(v->line);
    free(v->explain);
    free(v->json);
    free(v);
}
