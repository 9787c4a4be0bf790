/* Asking this host's agent: see ask_agent.h. */
#include "cli/ask_agent.h"

#include "agent/client.h"
#include "agent/protocol.h"
#include "config/site.h"
#include "guard/hold.h"

#include <tagout/log.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *request_of(const struct tg_frame *f, const char *actor, const char *tokens, const char *under)
{
    const struct tg_config *c = f->config;
    char host[TG_SCOPE_NAME_MAX + 1] = "";
    json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:s}", "v", TG_AGENT_VERSION, "op", "check", "actor", actor, "store", c->store, "inventory",
                          c->inventory ? c->inventory : "");

    if (o && tokens)
        json_object_set_new(o, "token", json_string(tokens));
    if (o && under)
        json_object_set_new(o, "under", json_string(under));
    if (o && f->argc == 0 && gethostname(host, sizeof host - 1) == 0)
        json_object_set_new(o, "host", json_string(host)); /* "this host" is ours, not the agent's, should they differ */
    json_t *scopes = o && f->argc ? json_array() : NULL;
    for (int i = 0; scopes && i < f->argc; i++)
        json_array_append_new(scopes, json_string(f->argv[i]));
    if (scopes)
        json_object_set_new(o, "scopes", scopes);
    return o;
}

/* Only GO and HELD: whoever does not know lets the store be asked, which may. */
static bool is_answer(const json_t *o)
{
    const char *answer = json_string_value(json_object_get(o, "answer"));

    return answer && json_is_true(json_object_get(o, "ok")) && json_is_string(json_object_get(o, "line")) && json_is_string(json_object_get(o, "explain")) &&
           (strcmp(answer, "go") == 0 || strcmp(answer, "held") == 0);
}

static bool ask(const char *path, const char *line, size_t len, int64_t deadline, json_t **out)
{
    static char answer[TG_AGENT_ANSWER_MAX + 1];
    struct tg_agent_client c = TG_AGENT_CLIENT_INIT;
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_agent_connect(path, deadline, &c, &e);

    if (!rc)
        rc = tg_agent_ask(&c, line, len, answer, sizeof answer, deadline, &e);
    tg_agent_disconnect(&c);
    if (rc) {
        tg_log(rc == TG_E_NOENT ? TG_LOG_DEBUG : TG_LOG_INFO, "agent", "%s; the store is asked", e.message);
        return false;
    }
    json_t *o = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
    if (is_answer(o)) {
        *out = o;
        return true;
    }
    tg_log(TG_LOG_DEBUG, "agent", "it does not know; the store is asked: %.300s", answer);
    json_decref(o);
    return false;
}

char *tg_agent_line(json_t *o, size_t *out_len)
{
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    size_t len = text ? strlen(text) : 0;
    char *line = text ? malloc(len + 1) : NULL;

    json_decref(o);
    if (line) {
        memcpy(line, text, len);
        line[len] = '\n';
        *out_len = len + 1;
    }
    if (text)
        explicit_bzero(text, len);
    free(text);
    return line;
}

bool tg_cli_ask_agent(const struct tg_frame *f, const char *actor, const char *tokens, const char *under, int64_t timeout_ms, json_t **out)
{
    const char *also = getenv("TAGOUT_ALSO");
    char hold[PATH_MAX];
    int64_t deadline = tg_mono_ms(tg_clock_real()) + (timeout_ms + 9) / 10;

    if (also && also[0])
        return false; /* scopes that are added to "this host": the agent would need to be told which that is */
    if (access(f->config->agent_socket, F_OK) != 0)
        return false;
    tg_local_hold_file(f->config->state_dir, hold, sizeof hold);
    if (access(hold, F_OK) == 0 || errno != ENOENT)
        return false; /* the agent looks into its own state folder, which need not be ours */
    size_t len;
    char *line = tg_agent_line(request_of(f, actor, tokens, under), &len);
    if (!line)
        return false;
    bool answered = len <= TG_AGENT_LINE_MAX && ask(f->config->agent_socket, line, len, deadline, out);
    explicit_bzero(line, len); /* it has the tokens */
    free(line);
    return answered;
}
