/* What the agent's parts share. */
#ifndef TG_AGENT_INTERNAL_H
#define TG_AGENT_INTERNAL_H

#include "agent/agent.h"
#include "agent/server.h"

#include <tagout/store.h>

#define TG_AGENT_ASK_MS 3000 /* a request that is not answered by then is answered UNKNOWN: its asker has better things to wait for */

/* A request that waits for the top level: at most one a connection. */
struct tg_agent_waiting {
    struct tg_agent_waiting *next;
    struct tg_conn *conn;            /* NULL: it has hung up */
    struct tg_agent_request request;
    int64_t arrived_ms;
};

struct tg_agent {
    struct tg_loop *loop;
    const struct tg_config *config;
    const struct tg_duty *const *duties;
    void **selves;
    size_t n_begun;
    char called[TG_SCOPE_NAME_MAX + 1]; /* what this host is called */
    struct tg_inventory *inventory;     /* NULL: none is configured, or it can't be read: inventory_error */
    struct tg_error inventory_error;    /* code 0: it is as it should be */
    struct tg_scopes own;               /* this host; n 0: not known */
    struct tg_store *store;
    struct tg_server *server;
    struct tg_agent_waiting *first, **last;
    struct tg_agent_picture picture;
    int64_t started_ms, retry_ms;       /* monotonic; retry: not before this is the store opened again */
};

/* Answers with the JSON value, which is consumed. */
void tg_agent_send(struct tg_conn *conn, const struct tg_agent_request *request, json_t *body);
void tg_agent_send_error(struct tg_conn *conn, const struct tg_agent_request *request, const struct tg_error *e);
int64_t tg_agent_now(const struct tg_agent *agent);

/* --- requests (requests.c) --- */
extern const struct tg_server_handlers tg_agent_handlers; /* data: the agent */
void tg_agent_serve_waiting(struct tg_agent *agent);
void tg_agent_drop_waiting(struct tg_agent *agent);

#endif
