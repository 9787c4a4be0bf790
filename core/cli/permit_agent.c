/* A permit of this host's agent, and a command under it: see permit.h, and tagout-agent(7) for what is said. */
#include "cli/permit.h"

#include "agent/client.h"
#include "agent/protocol.h"
#include "cli/ask_agent.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "guard/keeper.h"
#include "guard/nested.h"

#include <tagout/log.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAKE_MS 10000 /* the store has its own deadline behind the agent */
#define LOOK_MS 200   /* how soon it is seen that the agent has hung up */
#define ASK_MS 2000   /* at least so often it is asked */

struct by_agent {
    struct tg_frame *f;
    struct tg_agent_client client;
    char id[128], fence[96];
    int64_t stop_ms, kill_ms, every_ms, asked_ms;
    const char *why; /* it was lost */
    char *answer;    /* TG_AGENT_ANSWER_MAX + 1 */
};

static int64_t now_ms(void)
{
    return tg_mono_ms(tg_clock_real());
}

/* Sends o, which it consumes; the answer when it is a JSON object, and NULL otherwise. */
static json_t *ask(struct by_agent *b, json_t *o, int64_t deadline, struct tg_error *e)
{
    size_t len;
    char *line = tg_agent_line(o, &len);

    if (!line) {
        tg_fail(e, TG_E_MEMORY, "out of memory");
        return NULL;
    }
    int rc = len <= TG_AGENT_LINE_MAX ? tg_agent_ask(&b->client, line, len, b->answer, TG_AGENT_ANSWER_MAX + 1, deadline, e)
                                     : tg_fail(e, TG_E_USAGE, "the request is too long for the agent");
    explicit_bzero(line, len);
    free(line);
    return rc ? NULL : json_loads(b->answer, JSON_REJECT_DUPLICATES, NULL);
}

static json_t *request_of(const struct tg_frame *f, const char *actor, const char *what, const char *owner)
{
    const struct tg_config *c = f->config;
    const char *tokens = getenv("TAGOUT_TOKEN"), *under = getenv("TAGOUT_PERMIT");
    struct tg_outer outer;
    char host[TG_SCOPE_NAME_MAX + 1] = "";
    json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "v", TG_AGENT_VERSION, "op", "permit", "actor", actor, "what", what, "owner", owner, "store", c->store,
                          "inventory", c->inventory ? c->inventory : "", "state-dir", c->state_dir);

    if (o && tokens && tokens[0])
        json_object_set_new(o, "token", json_string(tokens));
    if (o && tg_outer_parse(under, &outer)) /* what is none gives nothing, and is no reason to refuse the request */
        json_object_set_new(o, "under", json_string(under));
    if (o && f->argc == 0 && gethostname(host, sizeof host - 1) == 0)
        json_object_set_new(o, "host", json_string(host));
    json_t *scopes = o && f->argc ? json_array() : NULL;
    for (int i = 0; scopes && i < f->argc; i++)
        json_array_append_new(scopes, json_string(f->argv[i]));
    if (scopes)
        json_object_set_new(o, "scopes", scopes);
    return o;
}

/* For so long it is sure to be ours, counted from when it was asked; the agent's own deadline is two thirds of its session, and a sixth is for stopping. */
static bool take_good_for(struct by_agent *b, const json_t *o, int64_t asked_ms)
{
    const json_t *good = json_object_get(o, "good-for-ms");

    if (!json_is_integer(good) || json_integer_value(good) <= 0 || json_integer_value(good) > 7 * 86400000LL)
        return false;
    int64_t ms = json_integer_value(good);
    b->stop_ms = asked_ms + ms;
    b->kill_ms = b->stop_ms + ms / 4;
    b->every_ms = ms / 3 < ASK_MS ? ms / 3 : ASK_MS;
    b->asked_ms = asked_ms;
    return true;
}

static bool has_text(const json_t *o, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text && text[0] && (size_t) snprintf(out, size, "%s", text) < size;
}

/* true: it is ours, or f->status says why not. */
static bool take_answer(struct by_agent *b, const json_t *o, int64_t asked_ms)
{
    const char *answer = json_string_value(json_object_get(o, "answer")), *line = json_string_value(json_object_get(o, "line"));

    if (!answer || !json_is_true(json_object_get(o, "ok")))
        return false;
    if (strcmp(answer, "held") == 0 && line) {
        fprintf(stderr, "%s\n", line);
        b->f->status = tg_exit_status(TG_E_HELD);
        return true;
    }
    return strcmp(answer, "go") == 0 && has_text(o, "permit", b->id, sizeof b->id) && has_text(o, "fence", b->fence, sizeof b->fence) && take_good_for(b, o, asked_ms);
}

/* Whatever is said in between is no answer to a question of ours: the agent speaks when it is spoken to, so that means it has hung up. */
static bool has_hung_up(const struct by_agent *b)
{
    struct pollfd p = {.fd = b->client.fd, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

static void prove(struct by_agent *b, struct tg_keeper *k)
{
    struct tg_error e = TG_ERROR_INIT;
    int64_t asked = now_ms();
    json_t *o = ask(b, json_pack("{s:i,s:s,s:s}", "v", TG_AGENT_VERSION, "op", "alive", "permit", b->id), b->stop_ms, &e);

    if (!o)
        b->why = "the agent has not answered: it has ended, or hangs";
    else if (!json_is_true(json_object_get(o, "ok")) || !take_good_for(b, o, asked))
        b->why = "the agent has lost it";
    else
        tg_keeper_beat(k, b->stop_ms, b->kill_ms);
    json_decref(o);
}

static void watch(struct by_agent *b, struct tg_keeper *k)
{
    int number;

    while (tg_keeper_state(k, NULL) == TG_KEEPER_RUNNING) {
        if (!b->why && has_hung_up(b))
            b->why = "the agent has ended";
        else if (!b->why && now_ms() - b->asked_ms >= b->every_ms)
            prove(b, k);
        if (b->why)
            tg_keeper_stop(k); /* again is nothing */
        if (tg_loop_turn(b->f->loop, LOOK_MS) == TG_E_CANCELLED) {
            tg_loop_interrupt_clear(b->f->loop);
            while ((number = tg_cli_signalled()) != 0)
                tg_keeper_signal(k, number);
        }
    }
}

static void report(struct by_agent *b, struct tg_keeper *k)
{
    int status = 0;
    enum tg_keeper_end end = tg_keeper_state(k, &status);

    if (end == TG_KEEPER_EXITED || (end == TG_KEEPER_ENDED && !b->why)) {
        b->f->status = status;
        return;
    }
    fprintf(stderr, "TAGOUT-LOST store=%s detail=\"what ran under the permit was stopped: %s\"\n", b->f->config->store,
            b->why ? b->why : end == TG_KEEPER_VANISHED ? "its keeper was killed" : "the agent did not prove it in time");
    b->f->status = status ? status : tg_exit_status(TG_E_FAILED);
}

static int run_under(struct by_agent *b, char *const *command, struct tg_error *e)
{
    char fence[112], permit[TG_OUTER_SIZE + 160];
    struct tg_keeper *k = NULL;

    snprintf(fence, sizeof fence, "TAGOUT_FENCE=%s", b->fence);
    snprintf(permit, sizeof permit, "TAGOUT_PERMIT=%s:%s", b->fence, b->id);
    const char *const add[] = {fence, permit, NULL};
    char **env = tg_cli_environment(add);
    struct tg_keeper_spec spec = {.argv = (const char *const *) command, .search = getenv("PATH"), .env = (const char *const *) env, .session_fd = -1,
                                  .term_at_ms = b->stop_ms, .kill_at_ms = b->kill_ms, .grace_ms = TG_KEEPER_GRACE_MS};
    tg_cli_catch_signals(b->f->loop);
    int rc = env ? tg_keeper_start(b->f->loop, &spec, &k, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_cli_environment_free(env);
    if (rc)
        return rc;
    watch(b, k);
    report(b, k);
    tg_keeper_free(k);
    return 0;
}

int tg_permit_by_agent(struct tg_frame *f, const char *actor, const char *what, char *const *command, bool *out_answered, struct tg_error *e)
{
    struct by_agent b = {.f = f, .client = TG_AGENT_CLIENT_INIT, .answer = malloc(TG_AGENT_ANSWER_MAX + 1)};
    struct tg_error why = TG_ERROR_INIT;
    char owner[TG_OWNER_SIZE];
    int64_t asked = now_ms();
    int rc = 0;

    *out_answered = false;
    if (!b.answer)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_cli_owner(f, owner, sizeof owner);
    json_t *o = tg_agent_connect(f->config->agent_socket, asked + TAKE_MS, &b.client, &why) == 0
                    ? ask(&b, request_of(f, actor, what, owner), asked + TAKE_MS, &why) : NULL;
    *out_answered = o && take_answer(&b, o, asked);
    if (!*out_answered)
        tg_log(TG_LOG_INFO, "agent", "no permit of the agent, the store is asked: %.300s", o ? b.answer : why.message);
    json_decref(o);
    if (b.id[0] && *out_answered)
        rc = run_under(&b, command, e);
    tg_agent_disconnect(&b.client); /* which gives it back */
    free(b.answer);
    return rc;
}
