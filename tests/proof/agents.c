/*
 * Asking the real agents of the proof: through their sockets, with the client that tagout check has. Checkers of an agent's own host, whose answers
 * come from its picture, and of other things, for which it looks; and holders, who take a permit there and act while it is good.
 */
#define _GNU_SOURCE
#include "worker.h"

#include "agent/client.h"
#include "agent/protocol.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tagout/clock.h>

#define ASK_MS 2000

struct asker {
    struct worker *w;
    int agent; /* of which host: web1 is agent 0's */
    struct tg_agent_client client;
    char answer[TG_AGENT_ANSWER_MAX + 1];
};

static bool is_connected(struct asker *a)
{
    char path[600];
    struct tg_error e = TG_ERROR_INIT;

    if (a->client.fd >= 0 && chance(a->w, 10))
        tg_agent_disconnect(&a->client);
    snprintf(path, sizeof path, "%s/state/agent%d/socket", a->w->folder, a->agent);
    return a->client.fd >= 0 || tg_agent_connect(path, tg_mono_ms(tg_clock_real()) + ASK_MS, &a->client, &e) == 0;
}

/* NULL: nothing was answered, and the connection is over. */
static json_t *exchange(struct asker *a, json_t *request)
{
    struct tg_error e = TG_ERROR_INIT;
    char *text = json_dumps(request, JSON_COMPACT), line[4096];
    int n = snprintf(line, sizeof line, "%s\n", text ? text : "");

    free(text);
    json_decref(request);
    if (tg_agent_ask(&a->client, line, (size_t) n, a->answer, sizeof a->answer, tg_mono_ms(tg_clock_real()) + ASK_MS, &e) == 0)
        return json_loads(a->answer, 0, NULL);
    tg_agent_disconnect(&a->client);
    return NULL;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text && text[0] ? text : "-";
}

/* "until" is reckoned from before the question was sent; dead: when the store may give it away. 0: it is good for ever, but ends with the agent, as
 * with the embedded store, and who acts can't know that in time. */
static int64_t note_until(struct asker *a, const char *name, const json_t *o, int64_t sent_us)
{
    int64_t good = json_integer_value(json_object_get(o, "good-for-ms"));
    int64_t kill = sent_us + good * 1000;

    if (good > 10LL * SESSION_MS)
        return 0;
    note(a->w, "until p=%s kill=%lld dead=%lld", name, (long long) kill, (long long) (kill + SESSION_MS * 1000 / 3));
    return kill;
}

static void act_while_good(struct asker *a, const char *name, const json_t *given, int64_t sent_us)
{
    char permit[64];
    int64_t until = note_until(a, name, given, sent_us);

    snprintf(permit, sizeof permit, "%s", text_of(given, "permit"));
    for (unsigned n = 1 + roll(a->w, 4); n; n--) {
        if (now_us() >= until)
            return;
        note(a->w, "act p=%s", name);
        rest_ms(a->w, roll(a->w, 10));
        int64_t sent = now_us();
        json_t *o = exchange(a, json_pack("{s:i,s:s,s:s}", "v", 1, "op", "alive", "permit", permit));
        if (!json_is_true(json_object_get(o, "ok"))) {
            json_decref(o);
            return;
        }
        until = note_until(a, name, o, sent);
        json_decref(o);
    }
}

static void give_back(struct asker *a, const char *name, const char *permit)
{
    note(a->w, "give p=%s", name);
    if (a->client.fd >= 0)
        json_decref(exchange(a, json_pack("{s:i,s:s,s:s}", "v", 1, "op", "release", "permit", permit)));
}

static void note_answer(struct asker *a, const char *name, const json_t *o)
{
    char ids[400] = "";
    const json_t *lock, *error = json_object_get(o, "error");
    size_t i, n = 0;

    json_array_foreach(json_object_get(o, "locks"), i, lock)
        if (n + 20 < sizeof ids)
            n += (size_t) snprintf(ids + n, sizeof ids - n, "%s%s", n ? "," : "", text_of(lock, "id"));
    const char *answer = json_is_true(json_object_get(o, "ok")) ? text_of(o, "answer") : "unknown";
    note(a->w, "said p=%s v=%s w=%s i=%s wall=%lld c=0 age=%lld e=%.300s", name, answer, o ? text_of(o, "cause") : "no-agent", ids[0] ? ids : "-",
         (long long) tg_wall_ms(tg_clock_real()), (long long) json_integer_value(json_object_get(o, "as-of-ms")), error ? text_of(error, "message") : "");
}

static json_t *question(struct asker *a, const char *name, bool permit, char *text, size_t size)
{
    static const char *const actors[] = {"config-management", "package-manager", "autoscaler"};
    struct tg_scopes scopes;
    const char *actor = actors[roll(a->w, 3)];
    char token[40] = "", scope[TG_SCOPE_TEXT_SIZE];
    json_t *list = json_array();

    snprintf(text, size, "host:web%d.example.com", a->agent + 1);
    if (chance(a->w, permit ? 50 : 15)) {
        choose_scopes(a->w, false, a->w->inventory, &scopes);
        scopes_text(&scopes, text, size);
        for (size_t i = 0; i < scopes.n; i++)
            json_array_append_new(list, json_string(tg_scope_format(&scopes.v[i], scope, sizeof scope)));
        tg_scopes_release(&scopes);
    }
    if (chance(a->w, 10))
        snprintf(token, sizeof token, "token-of-locker%u", roll(a->w, 4));
    note(a->w, "%s p=%s s=%s a=%s t=%s", permit ? "permit?" : "check?", name, text, actor, token[0] ? token : "-");
    json_t *o = json_pack("{s:i,s:s,s:s}", "v", 1, "op", permit ? "permit" : "check", "actor", actor);
    if (json_array_size(list))
        json_object_set(o, "scopes", list);
    json_decref(list);
    if (token[0])
        json_object_set_new(o, "token", json_string(token));
    return o;
}

static void ask(struct asker *a, bool permit)
{
    char name[96], text[256], id[64];

    snprintf(name, sizeof name, "%s.%lld.%ld", a->w->slot, (long long) now_us(), ++a->w->serial);
    json_t *o = question(a, name, permit, text, sizeof text);
    int64_t sent = now_us();
    o = exchange(a, o);
    note_answer(a, name, o);
    snprintf(id, sizeof id, "%s", text_of(o, "permit"));
    if (id[0] != '-') {
        act_while_good(a, name, o, sent);
        give_back(a, name, id);
    }
    json_decref(o);
}

void ask_agent(struct worker *w, bool permits)
{
    static struct asker a;

    a = (struct asker) {.w = w, .agent = w->slot[strlen(w->slot) - 1] - '0', .client = TG_AGENT_CLIENT_INIT};
    while (!w->control->stop) {
        be_quiet(w, 2);
        if (w->control->stop)
            break;
        if (is_connected(&a))
            ask(&a, permits);
        rest_ms(w, 10 + roll(w, 60));
    }
    tg_agent_disconnect(&a.client);
}
