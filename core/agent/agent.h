/*
 * The agent: the one process of a host that stays in touch with the store for all others (`tagout agent`). It keeps a proven picture of the
 * locks that overlap its host, answers on a socket (protocol.h, tagout-agent(7)), takes permits for who asks, says that it is there
 * (presence), and acknowledges each lock once what was in flight on its host is covered by permits.
 *
 * What it does to its host is the work of its duties: tables in the list at the end of this page. A duty finds what is in flight, projects
 * locks into tools, keeps the local hold. Duties are called at top level, between turns of the loop, one after the other, and must not wait:
 * whatever is slow goes into a child or a timer, as the socket is answered and the session kept by the same process.
 */
#ifndef TG_AGENT_AGENT_H
#define TG_AGENT_AGENT_H

#include "agent/protocol.h"
#include "guard/check.h"
#include "guard/permit.h"

#include <tagout/loop.h>

struct tg_config;
struct tg_inventory;
struct tg_agent;

/* What is known of the locks on this host. Borrowed; lives until the next call of the duty. */
struct tg_agent_picture {
    bool proven;                  /* false: nothing is known now; cause and why say what is wrong, and locks are those known last */
    const char *cause;            /* in a word, as of a check; "" when proven */
    const struct tg_error *why;   /* NULL when proven */
    int64_t as_of_ms;             /* monotonic, of the loop's clock: the store was so at this moment, or later. INT64_MIN: never yet */
    int64_t generation, txid;
    const struct tg_scope *host;  /* this host with its groups; NULL: not known (it is not in the inventory) */
    const struct tg_lock *locks;  /* those that overlap it and are live: whoever they hold, whatever their tokens */
    size_t n_locks;
};

/* Something that acts on this host now, seen from outside: it has no permit of its own. */
struct tg_agent_run {
    char key[96];                 /* the same for the same run at each look, such as "puppet:1234:5678" (tool, pid, its start time) */
    char actor[TG_ACTOR_SIZE];
    char what[TG_REASON_SIZE];    /* for those who wait: "puppet agent, pid 1234" */
    pid_t pid;                    /* 0: no process can be named */
    int64_t since_ms;             /* wall clock; 0: not known */
    char passes[TG_PASSES_MAX][TG_SHA256_HEX]; /* hashes of the tokens it bears: the locks of these do not wait for it */
    size_t n_passes;
};
struct tg_agent_runs {
    struct tg_agent_run *v;       /* appended to with tg_agent_runs_add() */
    size_t n;
};
int tg_agent_runs_add(struct tg_agent_runs *runs, const struct tg_agent_run *run, struct tg_error *e);

struct tg_duty {
    const char *name;             /* "projections": in logs and in `status` */
    /* At the start. *out_self is its own. NULL: it needs none. Failing ends the agent. */
    int (*begin)(struct tg_agent *agent, void **out_self, struct tg_error *e);
    /* The picture has changed: locks came, went or changed, or it is proven no more or again. NULL: it does not care. */
    void (*on_locks)(void *self, const struct tg_agent_picture *picture);
    /* Once a second or so, and once after begin; now is monotonic. NULL likewise. */
    void (*on_tick)(void *self, const struct tg_agent_picture *picture, int64_t now_ms);
    /*
     * All that is in flight on this host, of every actor that it knows about. Asked when a lock has come (before it is acknowledged) and once
     * a second while a lock lies here. The agent covers each run with a permit until a later look has it no more. Failing means that
     * it can't be told: then no lock is acknowledged, and the reason is said. NULL: it looks for none.
     */
    int (*in_flight)(void *self, struct tg_agent_runs *out, struct tg_error *e);
    /* hold and unhold; *out_body is what the answer says, NULL for nothing. The agent has made sure of who asks. NULL: not its ops. At most one
     * duty has it. */
    int (*ask)(void *self, const struct tg_agent_request *request, json_t **out_body, struct tg_error *e);
    /* What `tagout agent --status` shows of it: a new JSON value, or NULL. The slot may be NULL. */
    json_t *(*status)(void *self);
    /* At the end, also after a failed start of a later one. NULL: nothing to undo. */
    void (*end)(void *self);
};
/* NULL-terminated; begun in this order, ended in reverse. */
extern const struct tg_duty *const tg_agent_duties[];

struct tg_agent_options {
    struct tg_loop *loop;
    const struct tg_config *config;       /* store, state_dir, inventory, agent_socket … */
    const char *host;                     /* what this host is called; NULL: its own name */
    const struct tg_duty *const *duties;  /* NULL: tg_agent_duties */
    int listen_fd;                        /* consumed; -1: no socket is served (tests, benchmarks) */
    unsigned flags;                       /* enum tg_agent_flags */
};
enum tg_agent_flags { TG_AGENT_STATELESS = 1 /* nothing is kept on disk: many agents in one process (tests, benchmarks) */ };
/* Begins; does not wait for the store. TG_E_CONFIG, TG_E_DATA … what can't be mended by waiting. */
int tg_agent_new(const struct tg_agent_options *options, struct tg_agent **out, struct tg_error *e);
/* One turn of the loop and what follows from it; at most max_wait_ms. 0, or TG_E_CANCELLED when the loop was interrupted. */
int tg_agent_turn(struct tg_agent *agent, int64_t max_wait_ms);
/* What follows from a turn alone: for several agents on one loop. */
void tg_agent_step(struct tg_agent *agent);
/* Ends: duties in reverse, permits and presence withdrawn as far as the store answers within a second. NULL is fine. */
void tg_agent_free(struct tg_agent *agent);

/* For duties. */
const struct tg_config *tg_agent_config(const struct tg_agent *agent);
struct tg_loop *tg_agent_loop(struct tg_agent *agent);
const struct tg_agent_picture *tg_agent_picture(struct tg_agent *agent);
/* Asks for a look at what is in flight at the next turn rather than within the second. */
void tg_agent_look_soon(struct tg_agent *agent);

#endif
