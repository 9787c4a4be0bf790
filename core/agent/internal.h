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

/* A permit that somebody took through the socket: his connection's. */
struct tg_agent_permit {
    struct tg_agent_permit *next;
    struct tg_permit *permit;
    uint64_t conn_id;
    bool orphan;                     /* the connection is over: to be given back */
    int64_t beat_ms;                 /* when it was last asked for */
    int64_t again_ms;                /* of an orphan: not before this is giving it back tried again */
};
/* A run in flight that is covered by a permit. */
struct tg_agent_cover {
    struct tg_agent_cover *next;
    struct tg_agent_run run;
    struct tg_permit *permit;
    bool seen;
};
/* A lock that was acknowledged. */
struct tg_agent_ack {
    struct tg_agent_ack *next;
    char id[TG_LOCK_ID_SIZE];
    char folder[96], path[TG_SCOPE_NAME_MAX + 128];
    int64_t gone_ms;                 /* monotonic: since when the lock is gone; 0 while it is there */
};
struct tg_agent_watch;

struct tg_agent {
    struct tg_loop *loop;
    const struct tg_config *config;
    const struct tg_duty *const *duties;
    void **selves;
    size_t n_begun;
    char called[TG_SCOPE_NAME_MAX + 1]; /* what this host is called */
    char instance[27];                  /* of this process: random */
    int64_t started_ms, tick_ms;        /* monotonic; tick: when the last one was */

    /* who we are (agent.c) */
    struct tg_inventory *inventory;     /* NULL: none is configured, or it can't be read: inventory_error */
    struct tg_error inventory_error;    /* code 0: it is as it should be */
    int64_t inventory_size, inventory_mtime_ns, inventory_ino; /* of the file that was read */
    struct tg_scopes own;               /* this host; n 0: not known */

    /* the session (agent.c) */
    struct tg_store *store;
    int64_t retry_ms;                   /* not before this is the store opened again */
    bool first_session;                 /* it was opened once */

    /* the picture (picture.c) */
    struct tg_agent_picture picture;
    struct tg_lock *locks;
    size_t n_locks, n_arming;
    struct tg_agent_watch *watches;
    bool dirty, changed;                /* dirty: something has moved since the look; changed: duties have not heard of it */
    int64_t looked_ms;
    char cause[TG_CAUSE_SIZE];
    struct tg_error why;

    /* presence, acknowledgements, what is in flight (presence.c) */
    bool present, lacks_folders;        /* lacks: the store was made before there were agents */
    bool known, lacks_known;            /* that this host has an agent is written down (guard/gone.h); lacks: likewise */
    int64_t known_again_ms;             /* not before this is that tried again */
    bool claimed, presence_moved;       /* another agent has our name; somebody touched the presence of this name */
    char claimed_by[TG_OWNER_SIZE];
    struct tg_agent_ack *acks;
    struct tg_agent_cover *covers;
    bool look_soon, ticking;            /* ticking: this turn has one */
    char predecessor[27];               /* the instance that ran before us with this state folder, and is dead */
    char blind[160];                    /* why nothing is acknowledged; "" it is */

    /* the socket (requests.c, permits.c) */
    struct tg_server *server;
    struct tg_agent_waiting *first, **last;
    struct tg_conn *serving;            /* whose request the store is asked about now; NULL: it has hung up */
    struct tg_agent_permit *permits;
    size_t n_permits;

    /* the snapshot (snapshot.c) */
    int64_t snapshot_ms;                /* monotonic, of the last one; 0 none */
    bool snapshot_due, snapshot_failed;
    int state_lock;                     /* of the state folder: no other agent has it; -1 none */
};

int64_t tg_agent_now(const struct tg_agent *agent);

/* --- the picture --- */
struct tg_guard tg_agent_guard(struct tg_agent *agent);
/* A lock that was to end by itself should have: look again. Not true more often than every 2 s. */
bool tg_agent_has_expired(const struct tg_agent *agent);
/* Looks and arms its watches until nothing moves in between. */
void tg_agent_refresh(struct tg_agent *agent);
/* Until when, on the monotonic clock, an answer from the picture may be believed: INT64_MIN not at all. */
int64_t tg_agent_believed_until(struct tg_agent *agent);
/* Whether a question about this host may be answered from the picture now, without any reading. */
bool tg_agent_is_sure(struct tg_agent *agent);
int64_t tg_agent_as_of(struct tg_agent *agent);
/* The session is over: what is known is known no more. */
void tg_agent_lost_session(struct tg_agent *agent, const char *cause, const struct tg_error *why);
void tg_agent_forget_watches(struct tg_agent *agent);
void tg_agent_clear_picture(struct tg_agent *agent);

/* --- presence --- */
/* Makes sure that the store says we are there; then this host's locks are acknowledged, as far as what is in flight could be covered. */
void tg_agent_register(struct tg_agent *agent);
/* Writes down that this host has an agent, when that is not done yet. */
void tg_agent_note_known(struct tg_agent *agent);
void tg_agent_acknowledge(struct tg_agent *agent);
/* With the session, all of it is gone. */
void tg_agent_forget_presence(struct tg_agent *agent);
/* Whether runs that were found in flight are covered now: then the session is left to end by itself, for the next agent to take over. */
bool tg_agent_covers_any(const struct tg_agent *agent);

/* --- requests --- */
/* Answers with the JSON value, which is consumed. */
void tg_agent_send(struct tg_conn *conn, const struct tg_agent_request *request, json_t *body);
void tg_agent_send_error(struct tg_conn *conn, const struct tg_agent_request *request, const struct tg_error *e);
extern const struct tg_server_handlers tg_agent_handlers; /* data: the agent */
void tg_agent_serve_waiting(struct tg_agent *agent);
void tg_agent_drop_waiting(struct tg_agent *agent);
/* The scopes that are asked about; TG_E_USAGE, TG_E_UNKNOWN. */
int tg_agent_scopes(const struct tg_agent *agent, const struct tg_agent_request *request, struct tg_scopes *out, struct tg_error *e);
json_t *tg_agent_verdict(struct tg_agent *agent, const struct tg_guard_verdict *verdict, const struct tg_scopes *scopes, const char *actor);
void tg_agent_set_unknown(struct tg_guard_verdict *verdict, const char *cause, const struct tg_error *e);
json_t *tg_agent_status(struct tg_agent *agent);

/* --- permits through the socket --- */
void tg_agent_serve_permit(struct tg_agent *agent, struct tg_conn *conn, const struct tg_agent_request *request);
void tg_agent_serve_alive(struct tg_agent *agent, struct tg_conn *conn, const struct tg_agent_request *request);
void tg_agent_serve_release(struct tg_agent *agent, struct tg_conn *conn, const struct tg_agent_request *request);
void tg_agent_permits_of_gone(struct tg_agent *agent, const struct tg_conn *conn);
/* Beats, and gives back what belongs to nobody. */
void tg_agent_keep_permits(struct tg_agent *agent);
/* All of them went with the session, or (store still open) are given back. */
void tg_agent_drop_permits(struct tg_agent *agent, bool give_back);

/* --- the snapshot --- */
void tg_agent_keep_snapshot(struct tg_agent *agent);
/* Takes the state folder for this process alone, and tells who had it before. TG_E_EXISTS: another agent has it. */
int tg_agent_take_state(struct tg_agent *agent, struct tg_error *e);

#endif
