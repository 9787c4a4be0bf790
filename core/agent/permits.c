/*
 * Permits that are taken through the socket: the handshake of guard/permit.h on the agent's session. A permit is its connection's: it is
 * given back when that ends, however it ends; with the session it is dead, and its holder hears so when he asks, or knows it from
 * good-for-ms (P4).
 */
#include "agent/internal.h"

#include "guard/nested.h"

#include <stdlib.h>
#include <string.h>

#define PERMITS_MAX 512       /* each is an ephemeral that is asked for every few seconds */
#define PER_CONNECTION_MAX 16
#define GIVE_BACK_AGAIN_MS 1000

void tg_agent_permits_of_gone(struct tg_agent *a, const struct tg_conn *conn)
{
    for (struct tg_agent_permit *p = a->permits; p; p = p->next)
        p->orphan = p->orphan || p->conn_id == tg_conn_id(conn);
}

static size_t count_of(const struct tg_agent *a, const struct tg_conn *conn)
{
    size_t n = 0;

    for (const struct tg_agent_permit *p = a->permits; p; p = p->next)
        n += p->conn_id == tg_conn_id(conn);
    return n;
}

static struct tg_agent_permit *find(struct tg_agent *a, const struct tg_conn *conn, const char *id)
{
    for (struct tg_agent_permit *p = a->permits; p; p = p->next)
        if (p->conn_id == tg_conn_id(conn) && !p->orphan && strcmp(tg_permit_id(p->permit), id) == 0)
            return p;
    return NULL;
}

static void remove_permit(struct tg_agent *a, struct tg_agent_permit *gone, bool give_back)
{
    for (struct tg_agent_permit **at = &a->permits; *at; at = &(*at)->next)
        if (*at == gone) {
            *at = gone->next;
            break;
        }
    a->n_permits--;
    if (give_back)
        tg_permit_release(gone->permit);
    else
        tg_permit_abandon(gone->permit);
    free(gone);
}

/* From now on, by our clock; what the asker counts from the moment he sent the request ends earlier. A day when it has no end. */
static int64_t good_for(struct tg_agent *a, const struct tg_permit *permit)
{
    int64_t stop, kill, now = tg_agent_now(a);

    tg_permit_deadline(permit, &stop, &kill);
    if (stop == INT64_MAX)
        return 86400000;
    return stop > now ? stop - now : 0;
}

static int may_take(struct tg_agent *a, const struct tg_conn *conn, const struct tg_agent_request *r, struct tg_error *e)
{
    int rc = tg_actor_check(r->actor, e);

    if (rc)
        return rc;
    if (a->n_permits >= PERMITS_MAX || count_of(a, conn) >= PER_CONNECTION_MAX)
        return tg_fail(e, TG_E_HELD, "too many permits: %zu are out, at most %d, and %d of one connection", a->n_permits, PERMITS_MAX, PER_CONNECTION_MAX);
    return 0;
}

static int take(struct tg_agent *a, const struct tg_conn *conn, const struct tg_agent_request *r, const struct tg_scopes *scopes,
                struct tg_guard_verdict *v, struct tg_agent_permit **out)
{
    struct tg_guard g = tg_agent_guard(a);
    struct tg_outer outer;
    struct tg_agent_permit *p = calloc(1, sizeof *p);
    char owner[TG_OWNER_SIZE], what[64];
    uint64_t id = tg_conn_id(conn); /* the connection may be gone when the store has answered */

    if (!p)
        return TG_E_MEMORY;
    snprintf(owner, sizeof owner, "uid %u@%.150s", (unsigned) tg_conn_uid(conn), a->called);
    snprintf(what, sizeof what, "process %ld", (long) tg_conn_pid(conn));
    struct tg_permit_request q = {.scopes = scopes, .actor = r->actor, .owner = r->owner && r->owner[0] ? r->owner : owner, .host = a->called,
                                  .what = r->what ? r->what : what, .tokens = r->token,
                                  .outer = tg_outer_parse(r->under, &outer) ? &outer : NULL};
    q.left = &p->permit;
    int rc = tg_permit_take(&g, &q, &p->permit, v, NULL);
    if (!p->permit) {
        free(p);
        return rc;
    }
    p->orphan = rc != 0;
    p->conn_id = id;
    p->beat_ms = tg_agent_now(a);
    p->next = a->permits;
    a->permits = p;
    a->n_permits++;
    if (!rc)
        *out = p;
    return rc;
}

static void add_permit(struct tg_agent *a, json_t *o, const struct tg_permit *permit)
{
    int64_t generation, txid;
    char fence[64];

    tg_permit_fence(permit, &generation, &txid);
    snprintf(fence, sizeof fence, "%lld:%lld", (long long) generation, (long long) txid);
    json_object_set_new(o, "permit", json_string(tg_permit_id(permit)));
    json_object_set_new(o, "fence", json_string(fence));
    json_object_set_new(o, "good-for-ms", json_integer((json_int_t) good_for(a, permit)));
}

void tg_agent_serve_permit(struct tg_agent *a, struct tg_conn *conn, const struct tg_agent_request *r)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN};
    struct tg_agent_permit *p = NULL;
    struct tg_error e = TG_ERROR_INIT;
    uint64_t id = tg_conn_id(conn);
    int rc = may_take(a, conn, r, &e);

    if (!rc)
        rc = tg_agent_scopes(a, r, &scopes, &e);
    if (rc && rc != TG_E_UNKNOWN) {
        tg_agent_send_error(conn, r, &e);
        tg_scopes_release(&scopes);
        return;
    }
    a->serving = conn;
    if (rc) {
        tg_agent_set_unknown(&v, "own-groups", &e);
    } else if (!a->store || tg_store_state(a->store) != TG_SESSION_CONNECTED) {
        tg_fail(&e, TG_E_UNKNOWN, "the agent is not in touch with the store");
        tg_agent_set_unknown(&v, "store-unreachable", &e);
    } else {
        (void) take(a, conn, r, &scopes, &v, &p);
    }
    if (!a->serving) { /* it hung up meanwhile: its permit is nobody's */
        for (struct tg_agent_permit *q = a->permits; q; q = q->next)
            q->orphan = q->orphan || q->conn_id == id;
    } else {
        json_t *o = tg_agent_verdict(a, &v, &scopes, r->actor);
        if (o && p)
            add_permit(a, o, p->permit);
        tg_agent_send(a->serving, r, o);
    }
    a->serving = NULL;
    tg_verdict_release(&v);
    tg_scopes_release(&scopes);
}

static int no_permit(const struct tg_agent_request *r, struct tg_error *e)
{
    tg_fail(e, TG_E_NOENT, "this connection has no permit %.30s", r->permit);
    tg_error_hint(e, "it was given back, or ended with the agent's session: stop what runs under it");
    return TG_E_NOENT;
}

void tg_agent_serve_alive(struct tg_agent *a, struct tg_conn *conn, const struct tg_agent_request *r)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_agent_permit *p = find(a, conn, r->permit);
    int rc = p ? tg_permit_state(p->permit) : no_permit(r, &e);

    if (!rc && good_for(a, p->permit) == 0)
        rc = tg_fail(&e, TG_E_SESSION, "the permit can't be proven alive: the store has not answered for too long");
    if (rc) {
        tg_fail(&e, rc, "the permit is gone");
        tg_error_hint(&e, "stop what runs under it, now");
        tg_agent_send_error(conn, r, &e);
        return;
    }
    tg_agent_send(conn, r, json_pack("{s:s,s:I}", "permit", r->permit, "good-for-ms", (json_int_t) good_for(a, p->permit)));
}

/* Answered at once; what it costs with the store is done when nobody waits for it. */
void tg_agent_serve_release(struct tg_agent *a, struct tg_conn *conn, const struct tg_agent_request *r)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_agent_permit *p = find(a, conn, r->permit);

    if (!p) {
        (void) no_permit(r, &e);
        tg_agent_send_error(conn, r, &e);
        return;
    }
    p->orphan = true;
    tg_agent_send(conn, r, json_pack("{s:s}", "released", r->permit));
}

/* Until it is done: what is left in the store keeps locks waiting for as long as our session lives. */
static void give_back(struct tg_agent *a, struct tg_agent_permit *p, int64_t now)
{
    if (!a->store || tg_store_state(a->store) != TG_SESSION_CONNECTED || now < p->again_ms)
        return;
    if (tg_permit_give_back(p->permit))
        remove_permit(a, p, true);
    else
        p->again_ms = tg_agent_now(a) + GIVE_BACK_AGAIN_MS;
}

void tg_agent_keep_permits(struct tg_agent *a)
{
    int64_t now = tg_agent_now(a);

    for (struct tg_agent_permit *p = a->permits, *next; p; p = next) {
        next = p->next;
        int64_t every = tg_permit_beat_ms(p->permit);
        if (p->orphan) {
            give_back(a, p, now);
        } else if (every != INT64_MAX && now - p->beat_ms >= every) {
            p->beat_ms = now;
            tg_permit_beat(p->permit);
        }
    }
}

void tg_agent_drop_permits(struct tg_agent *a, bool give_back)
{
    while (a->permits)
        remove_permit(a, a->permits, give_back);
}
