/* What is asked on the socket, and what is answered: see agent.h and tagout-agent(7). */
#include "agent/internal.h"

#include "base/buf.h"
#include "base/shown.h"
#include "config/site.h"
#include "guard/show.h"

#include <tagout/log.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tg_agent_send(struct tg_conn *conn, const struct tg_agent_request *r, json_t *body)
{
    struct tg_buf b = TG_BUF_INIT;
    json_t *answer = tg_agent_answer(r, body);
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

    tg_shown_json(&b, text ? text : "");
    if (text && tg_buf_ok(&b, NULL) == 0 && b.len < TG_AGENT_ANSWER_MAX) {
        tg_conn_answer(conn, tg_buf_text(&b), b.len);
    } else {
        static const char none[] = "{\"v\":1,\"ok\":false,\"error\":{\"code\":\"unknown\",\"message\":\"the answer is too long\",\"exit\":69}}";
        tg_conn_answer(conn, none, sizeof none - 1);
    }
    tg_buf_release(&b);
    free(text);
    json_decref(answer);
}

void tg_agent_send_error(struct tg_conn *conn, const struct tg_agent_request *r, const struct tg_error *e)
{
    struct tg_buf b = TG_BUF_INIT;
    json_t *answer = tg_agent_refusal(r, e);
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

    tg_shown_json(&b, text ? text : "{\"v\":1,\"ok\":false}");
    tg_conn_answer(conn, tg_buf_text(&b), b.len);
    tg_buf_release(&b);
    free(text);
    json_decref(answer);
}

/* --- whom does the asker take us for? --- */

static int not_me(struct tg_error *e, const char *what, const char *asked, const char *is)
{
    tg_fail(e, TG_E_CONFIG, "the agent's %s is \"%.120s\", not \"%.120s\"", what, is, asked);
    tg_error_hint(e, "ask the store itself");
    return TG_E_CONFIG;
}

/* An agent of another store, of another inventory, or of another host (a container that sees our socket) has another answer. */
static int check_whom(const struct tg_agent *a, const struct tg_agent_request *r, struct tg_error *e)
{
    const char *inventory = a->config->inventory ? a->config->inventory : "";

    if (r->store && strcmp(r->store, a->config->store) != 0)
        return not_me(e, "store", r->store, a->config->store);
    if (r->inventory && strcmp(r->inventory, inventory) != 0)
        return not_me(e, "inventory", r->inventory, inventory);
    if (r->host && strcmp(r->host, a->called) != 0)
        return not_me(e, "host", r->host, a->called);
    return 0;
}

/* --- check --- */

static void set_unknown(struct tg_guard_verdict *v, const char *cause, const struct tg_error *e)
{
    *v = (struct tg_guard_verdict) {.answer = TG_ANSWER_UNKNOWN, .error = *e};
    snprintf(v->cause, sizeof v->cause, "%s", cause);
    tg_error_hint(&v->error, TG_UNKNOWN_HINT);
}

/* The line and the sentence are the agent's, so that `tagout check` prints the same whichever way it went. */
static json_t *check_body(const struct tg_agent *a, const struct tg_guard_verdict *v, const struct tg_scopes *scopes, const char *actor)
{
    static const int codes[] = {[TG_ANSWER_GO] = TG_OK, [TG_ANSWER_HELD] = TG_E_HELD, [TG_ANSWER_UNKNOWN] = TG_E_UNKNOWN};
    int64_t wall = tg_wall_ms(tg_loop_clock(a->loop));
    struct tg_buf line = TG_BUF_INIT, text = TG_BUF_INIT;
    json_t *o = tg_verdict_json(v, scopes, actor, wall);

    tg_verdict_line(v, a->config->store, wall, &line);
    tg_verdict_explain(v, wall, &text);
    if (o) {
        json_object_set_new(o, "line", json_string(tg_buf_text(&line)));
        json_object_set_new(o, "explain", json_string(tg_buf_text(&text)));
        json_object_set_new(o, "exit", json_integer(tg_exit_status(codes[v->answer])));
        json_object_set_new(o, "via", json_string("agent"));
    }
    tg_buf_release(&line);
    tg_buf_release(&text);
    return o;
}

static int resolve(const struct tg_agent *a, const struct tg_agent_request *r, struct tg_scopes *out, struct tg_error *e)
{
    if (a->inventory_error.code) {
        *e = a->inventory_error;
        return TG_E_UNKNOWN;
    }
    if (r->n_scopes)
        return tg_scopes_parse(out, r->scopes, r->n_scopes, a->inventory, e);
    if (!a->own.n)
        return tg_fail(e, TG_E_UNKNOWN, "the agent does not know its host's groups");
    return tg_scopes_copy(&a->own, out, e);
}

static void serve_check(struct tg_agent *a, struct tg_conn *conn, const struct tg_agent_request *r, int64_t deadline)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_guard_verdict v;
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_actor_check(r->actor, &e);

    if (!rc)
        rc = resolve(a, r, &scopes, &e);
    if (rc == TG_E_USAGE) {
        tg_agent_send_error(conn, r, &e);
        tg_scopes_release(&scopes);
        return;
    }
    if (rc) {
        set_unknown(&v, "own-groups", &e);
    } else if (!a->store || tg_store_state(a->store) != TG_SESSION_CONNECTED) {
        tg_fail(&e, TG_E_UNKNOWN, "the agent is not in touch with the store");
        set_unknown(&v, "store-unreachable", &e);
    } else {
        struct tg_guard g = {.store = a->store, .inventory = a->inventory, .state_dir = a->config->state_dir, .timeout_ms = TG_AGENT_ASK_MS};
        struct tg_question q = {.scopes = &scopes, .actor = r->actor, .tokens = r->token};
        tg_check(&g, &q, deadline, &v);
    }
    tg_agent_send(conn, r, check_body(a, &v, &scopes, r->actor));
    tg_verdict_release(&v);
    tg_scopes_release(&scopes);
}

/* --- status --- */

static void serve_status(const struct tg_agent *a, struct tg_conn *conn, const struct tg_agent_request *r)
{
    json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I}", "host", a->called, "store", a->config->store, "session",
                          a->store && tg_store_state(a->store) == TG_SESSION_CONNECTED ? "connected" : "away", "running-ms",
                          (json_int_t) (tg_agent_now(a) - a->started_ms), "clients", (json_int_t) tg_server_clients(a->server), "refused",
                          (json_int_t) tg_server_refused(a->server));

    tg_agent_send(conn, r, o);
}

/* --- lines --- */

static void serve(struct tg_agent *a, struct tg_agent_waiting *w)
{
    int64_t deadline = w->arrived_ms + TG_AGENT_ASK_MS;
    struct tg_error e = TG_ERROR_INIT;

    if (w->request.op == TG_AGENT_CHECK) {
        serve_check(a, w->conn, &w->request, deadline);
        return;
    }
    tg_fail(&e, TG_E_USAGE, "this agent does not do \"%s\" yet", tg_agent_op_name(w->request.op));
    tg_agent_send_error(w->conn, &w->request, &e);
}

static void on_line(void *data, struct tg_conn *conn, const char *line, size_t len)
{
    struct tg_agent *a = data;
    struct tg_agent_waiting *w = calloc(1, sizeof *w);
    struct tg_error e = TG_ERROR_INIT;
    int rc = w ? tg_agent_request_parse(line, len, &w->request, &e) : tg_fail(&e, TG_E_MEMORY, "out of memory");

    if (!rc)
        rc = check_whom(a, &w->request, &e);
    if (rc)
        tg_agent_send_error(conn, w ? &w->request : &(struct tg_agent_request) {.id = NULL}, &e);
    else if (w->request.op == TG_AGENT_STATUS)
        serve_status(a, conn, &w->request);
    if (!rc && w->request.op != TG_AGENT_STATUS) {
        w->conn = conn;
        w->arrived_ms = tg_agent_now(a);
        *a->last = w;
        a->last = &w->next;
        return;
    }
    if (w)
        tg_agent_request_release(&w->request);
    free(w);
}

static void on_gone(void *data, struct tg_conn *conn)
{
    struct tg_agent *a = data;

    for (struct tg_agent_waiting *w = a->first; w; w = w->next)
        if (w->conn == conn)
            w->conn = NULL;
}

const struct tg_server_handlers tg_agent_handlers = {.line = on_line, .gone = on_gone};

static struct tg_agent_waiting *take_first(struct tg_agent *a)
{
    struct tg_agent_waiting *w = a->first;

    if (w && !(a->first = w->next))
        a->last = &a->first;
    return w;
}

/* Those that are there now: what comes while they are served waits for the next turn. */
void tg_agent_serve_waiting(struct tg_agent *a)
{
    size_t n = 0;

    for (struct tg_agent_waiting *w = a->first; w; w = w->next)
        n++;
    for (; n; n--) {
        struct tg_agent_waiting *w = take_first(a);
        if (w->conn)
            serve(a, w);
        tg_agent_request_release(&w->request);
        free(w);
    }
}

void tg_agent_drop_waiting(struct tg_agent *a)
{
    struct tg_agent_waiting *w;

    while ((w = take_first(a)) != NULL) {
        tg_agent_request_release(&w->request);
        free(w);
    }
}
