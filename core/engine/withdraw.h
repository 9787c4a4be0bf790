/*
 * Out of service: a plan that takes the hosts that a run has changed out of service until something better comes, and leaves them there. Made of that run's
 * own plan, and carried out as a run of its own, RUN-withdraw, linked to the first by plan.undoes; so all that holds of a run holds of it: locks, limits,
 * journal, takeover, abort (P5, P7, P10). It changes nothing on a host: it locks it, and does those steps of around that are drains.
 *
 * It goes over the hosts that the run has changed, or may have (as a rollback does), those that are known to be bad first; as many as the run's limits
 * leave room for. What the run itself still has out of service counts as down, and is left to it. Who has no room, or whom others hold, stays in service and
 * is told of, with the reason; nobody is waited for. A host that is withdrawn counts as down, by its lock, for every other run.
 *
 * The way back is an event of that run (TG_EV_RETURN, tagout return): the host is verified as the rollout says, then its drains are undone and its lock goes.
 */
#ifndef TG_ENGINE_WITHDRAW_H
#define TG_ENGINE_WITHDRAW_H

#include "engine/journal.h"
#include "engine/linked.h"

#define TG_WITHDRAW_WORD "withdraw" /* RUN-withdraw, RUN-withdraw-2, … */

/* Does a plan say how a host is taken out of service? */
bool tg_withdraw_is_possible(const struct tg_plan *plan);
/* Does the run itself still have this host out of service, or may it have? */
bool tg_withdraw_is_out(const struct tg_run *run, size_t host);
/* Is it a host that a withdrawal goes over? */
bool tg_withdraw_wants(const struct tg_run *run, size_t host);
/*
 * The plan for those of the run, whose plan is plan. left_out: hosts, by their index, that are no matter (withdrawn already), or NULL. Pure. TG_E_NOENT: there
 * are none. TG_E_USAGE: the plan has no drain, or is none of a rollout's.
 */
int tg_withdraw_plan(const struct tg_plan *plan, const struct tg_run *run, const char *id, const bool *left_out, struct tg_plan **out, struct tg_error *e);

/* How it is with the withdrawals of a run. tg_withdrawn_release() */
enum tg_withdrawn_how { TG_WITHDRAWN_NEVER, TG_WITHDRAWN_IS, TG_WITHDRAWN_WAS, TG_WITHDRAWN_STAYED /* one of them went over it, and left it in service */ };
struct tg_withdrawn {
    size_t n;                   /* how many there were */
    char id[TG_RUN_ID_SIZE];    /* of the last */
    bool open;                  /* which has not ended */
    char next[TG_RUN_ID_SIZE];  /* of one more; "" there may be none */
    size_t hosts, is, was;      /* that the run has changed; that are out of service by these; that were, and were returned */
    unsigned char *how;         /* by host: enum tg_withdrawn_how */
    bool holds[TG_LINKED_MAX + 1]; /* that of the i-th id (tg_withdrawn_id()) has hosts out of service */
};
/* Reads them. Blocks. TG_E_DATA: one can't be read. */
int tg_withdrawn_look(struct tg_store *store, const char *id, const struct tg_run *run, int64_t wait_ms, struct tg_withdrawn *out, struct tg_error *e);
void tg_withdrawn_release(struct tg_withdrawn *withdrawn);
/* What its locks say to whoever meets one at night: since when, and both ways back. id: the run's whose hosts these are. */
void tg_withdraw_reason(const char *id, char *out, size_t size);
/* Does a lock say that? Then whose hosts these are. For people only: whoever takes a lock may write that. */
bool tg_withdraw_reason_read(const char *reason, char out_id[TG_RUN_ID_SIZE]);
/* The id of the i-th, from 1. */
void tg_withdrawn_id(const char *id, int i, char out[TG_RUN_ID_SIZE]);

#endif
