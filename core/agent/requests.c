/* What is asked on the socket, and what is answered: see agent.h and tagout-agent(7). */
#include "agent/internal.h"

#include "base/buf.h"
#include "base/shown.h"
#include "config/site.h"
#include "guard/hold.h"
#include "guard/nested.h"
#include "guard/show.h"
#include "guard/tree.h"

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
    if (r->state_dir && strcmp(r->state_dir, a->config->state_dir) != 0)
        return not_me(e, "state-dir", r->state_dir, a->config->state_dir);
    return 0;
}

/* --- check --- */

void tg_agent_set_unknown(struct tg_guard_verdict *v, const char *cause, const struct tg_error *e)
{
    *v = (struct tg_guard_verdict) {.answer = TG_ANSWER_UNKNOWN, .error = *e};
    snprintf(v->cause, sizeof v->cause, "%s", cause);
    tg_error_hint(&v->error, "%s", tg_unknown_hint(v->error.code));
}

/* The line and the sentence are the agent's, so that `tagout check` prints the same whichever way it went. */
json_t *tg_agent_verdict(struct tg_agent *a, const struct tg_guard_verdict *v, const struct tg_scopes *scopes, const char *actor)
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

int tg_agent_scopes(const struct tg_agent *a, const struct tg_agent_request *r, struct tg_scopes *out, struct tg_error *e)
{
    if (a->inventory_error.code) {
        if (e)
            *e = a->inventory_error;
        return TG_E_UNKNOWN;
    }
    if (r->n_scopes)
        return tg_scopes_parse(out, r->scopes, r->n_scopes, a->inventory, e);
    if (!a->own.n)
        return tg_fail(e, TG_E_UNKNOWN, "the agent does not know its host's groups");
    return tg_scopes_copy(&a->own, out, e);
}

/* Whether it asks about this host alone: that is what the picture tells of. */
static bool is_about_own(const struct tg_agent *a, const struct tg_agent_request *r)
{
    return a->own.n && (r->n_scopes == 0 || (r->n_scopes == 1 && strncmp(r->scopes[0], "host:", 5) == 0 && strcmp(r->scopes[0] + 5, a->own.v[0].name) == 0));
}

/* Whether the picture tells all that is asked. Not to a part of a run that a lock may be waiting for: whether that run is still there is in the store. */
static bool can_answer_from_picture(struct tg_agent *a, const struct tg_agent_request *r)
{
    if (!tg_agent_is_sure(a) || !is_about_own(a, r))
        return false;
    for (size_t i = 0; r->under && i < a->n_locks; i++)
        if (a->locks[i].state == TG_LOCK_TAKING)
            return false;
    return true;
}

/* From the picture: no reading, no waiting. The locks are lent to the verdict, and taken back. */
static void answer_from_picture(struct tg_agent *a, struct tg_conn *conn, const struct tg_agent_request *r)
{
    struct tg_question q = {.scopes = &a->own, .actor = r->actor, .tokens = r->token};
    struct tg_lock *lent = a->n_locks ? malloc(a->n_locks * sizeof *lent) : NULL;
    struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN, .generation = a->picture.generation, .txid = a->picture.txid};
    struct tg_error e = TG_ERROR_INIT;
    int64_t wall_ms = tg_wall_ms(tg_loop_clock(a->loop));

    if (tg_local_hold_decides(a->config->state_dir, a->inventory, &q, wall_ms, &v)) { /* one small file, of this host: no waiting either */
        tg_agent_send(conn, r, tg_agent_verdict(a, &v, &a->own, r->actor));
        tg_verdict_release(&v);
        free(lent);
        return;
    }
    if (a->n_locks && !lent) {
        tg_fail(&e, TG_E_MEMORY, "out of memory");
    } else {
        if (lent)
            memcpy(lent, a->locks, a->n_locks * sizeof *lent);
        (void) tg_decide(&q, lent, a->n_locks, wall_ms, &v, &e);
    }
    if (e.code)
        tg_agent_set_unknown(&v, "unproven", &e);
    json_t *o = tg_agent_verdict(a, &v, &a->own, r->actor);
    if (o)
        json_object_set_new(o, "as-of-ms", json_integer((json_int_t) (tg_agent_now(a) - tg_agent_as_of(a))));
    tg_agent_send(conn, r, o);
    free(v.locks.v);
    free(v.scope_of);
    free(lent);
}

/* A look at the store, as strong as one that `tagout check` would take itself. */
static void look_at_store(struct tg_agent *a, const struct tg_agent_request *r, const struct tg_scopes *scopes, int64_t deadline, struct tg_guard_verdict *v)
{
    struct tg_guard g = tg_agent_guard(a);
    struct tg_outer outer;
    struct tg_question q = {.scopes = scopes, .actor = r->actor, .tokens = r->token, .outer = tg_outer_parse(r->under, &outer) ? &outer : NULL};
    struct tg_error e = TG_ERROR_INIT;

    if (tg_local_hold_decides(a->config->state_dir, a->inventory, &q, tg_wall_ms(tg_loop_clock(a->loop)), v))
        return; /* also while the store is away */
    if (a->claimed && is_about_own(a, r)) {
        tg_fail(&e, TG_E_UNKNOWN, "another agent says that it is %s", a->own.v[0].name);
        tg_agent_set_unknown(v, "host-claimed", &e);
    } else if (!a->store || tg_store_state(a->store) != TG_SESSION_CONNECTED) {
        tg_fail(&e, TG_E_UNKNOWN, "the agent is not in touch with the store");
        tg_agent_set_unknown(v, a->picture.cause[0] ? a->picture.cause : "store-unreachable", &e);
    } else if (tg_agent_now(a) >= deadline) {
        tg_fail(&e, TG_E_UNKNOWN, "the agent had too much to do to answer in time");
        tg_agent_set_unknown(v, "no-answer", &e);
    } else {
        tg_check(&g, &q, deadline, v);
    }
}

static void serve_check(struct tg_agent *a, struct tg_conn *conn, const struct tg_agent_request *r, int64_t deadline)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_guard_verdict v;
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_actor_check(r->actor, &e);

    if (!rc)
        rc = tg_agent_scopes(a, r, &scopes, &e);
    if (rc == TG_E_USAGE) {
        tg_agent_send_error(conn, r, &e);
        tg_scopes_release(&scopes);
        return;
    }
    a->serving = conn;
    if (rc)
        tg_agent_set_unknown(&v, "own-groups", &e);
    else
        look_at_store(a, r, &scopes, deadline, &v);
    if (a->serving) {
        json_t *o = tg_agent_verdict(a, &v, &scopes, r->actor);
        if (o && v.answer != TG_ANSWER_UNKNOWN)
            json_object_set_new(o, "as-of-ms", json_integer(0));
        tg_agent_send(a->serving, r, o);
    }
    a->serving = NULL;
    tg_verdict_release(&v);
    tg_scopes_release(&scopes);
}

/* --- hold, unhold --- */

static void serve_hold(struct tg_agent *a, struct tg_conn *conn, const struct tg_agent_request *r)
{
    struct tg_error e = TG_ERROR_INIT;
    json_t *body = NULL;
    int rc = TG_E_USAGE;

    if (!tg_conn_is_trusted(conn)) {
        tg_fail(&e, TG_E_PERM, "%s is for root and for the agent's own user, not for user %u", tg_agent_op_name(r->op), (unsigned) tg_conn_uid(conn));
        tg_agent_send_error(conn, r, &e);
        return;
    }
    tg_fail(&e, TG_E_USAGE, "this agent keeps no local hold");
    for (size_t i = 0; i < a->n_begun; i++)
        if (a->duties[i]->ask) {
            tg_error_clear(&e);
            a->serving = conn;
            rc = a->duties[i]->ask(a->selves[i], r, &body, &e);
            conn = a->serving;
            a->serving = NULL;
            break;
        }
    if (conn && rc)
        tg_agent_send_error(conn, r, &e);
    else if (conn)
        tg_agent_send(conn, r, body);
    else
        json_decref(body);
}

/* --- lines --- */

static void serve(struct tg_agent *a, struct tg_agent_waiting *w)
{
    const struct tg_agent_request *r = &w->request;

    switch (r->op) {
    case TG_AGENT_CHECK:
        if (can_answer_from_picture(a, r))
            answer_from_picture(a, w->conn, r);
        else
            serve_check(a, w->conn, r, w->arrived_ms + TG_AGENT_ASK_MS);
        break;
    case TG_AGENT_STATUS:
        tg_agent_send(w->conn, r, tg_agent_status(a));
        break;
    case TG_AGENT_HOLD:
    case TG_AGENT_UNHOLD:
        serve_hold(a, w->conn, r);
        break;
    case TG_AGENT_PERMIT:
        tg_agent_serve_permit(a, w->conn, r);
        break;
    case TG_AGENT_ALIVE:
        tg_agent_serve_alive(a, w->conn, r);
        break;
    case TG_AGENT_RELEASE:
        tg_agent_serve_release(a, w->conn, r);
        break;
    }
}

/*
 * What needs no store is answered at once, from within the loop, so that a store that is slow or away holds up nobody who does not need it:
 * all of that only looks at what the agent knows. The rest waits for the top level.
 */
static bool serve_at_once(struct tg_agent *a, struct tg_conn *conn, const struct tg_agent_request *r)
{
    if (r->op == TG_AGENT_ALIVE)
        tg_agent_serve_alive(a, conn, r);
    else if (r->op == TG_AGENT_RELEASE)
        tg_agent_serve_release(a, conn, r);
    else if (r->op == TG_AGENT_CHECK && can_answer_from_picture(a, r) && tg_actor_check(r->actor, NULL) == 0)
        answer_from_picture(a, conn, r);
    else
        return false;
    return true;
}

static void on_line(void *data, struct tg_conn *conn, const char *line, size_t len)
{
    struct tg_agent *a = data;
    struct tg_agent_request r;
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_agent_request_parse(line, len, &r, &e);
    struct tg_agent_waiting *w = NULL;

    if (!rc)
        rc = check_whom(a, &r, &e);
    if (!rc && !serve_at_once(a, conn, &r) && !(w = malloc(sizeof *w)))
        rc = tg_fail(&e, TG_E_MEMORY, "out of memory");
    if (rc)
        tg_agent_send_error(conn, &r, &e);
    if (!w) {
        tg_agent_request_release(&r);
        return;
    }
    *w = (struct tg_agent_waiting) {.conn = conn, .request = r, .arrived_ms = tg_agent_now(a)};
    *a->last = w;
    a->last = &w->next;
}

static void on_gone(void *data, struct tg_conn *conn)
{
    struct tg_agent *a = data;

    for (struct tg_agent_waiting *w = a->first; w; w = w->next)
        if (w->conn == conn)
            w->conn = NULL;
    if (a->serving == conn)
        a->serving = NULL;
    tg_agent_permits_of_gone(a, conn);
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
