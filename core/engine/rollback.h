/*
 * The way back: a plan that undoes what a run has changed, made of that run's own plan and of how its hosts ended, and carried out as a run
 * of its own, RUN-rollback, linked to the first by plan.undoes. So all that holds of a run holds of it: locks, limits, journal, takeover,
 * abort (P5, P7, P10); and of each of the two it is told by itself what came of it (P12).
 *
 * It goes over the hosts that the run has changed, or may have: done (unless the tool said that nothing was to be changed), failed,
 * unknown, lost; in the reverse order of their starts; one stage, without canary, bake, rate or approval, within the limits, verified as
 * before. Failures don't stop it: a host that can't be brought back is listed, and the next one is tried.
 */
#ifndef TG_ENGINE_ROLLBACK_H
#define TG_ENGINE_ROLLBACK_H

#include "engine/journal.h"

/* Has the run changed this host, or may it have? */
bool tg_rollback_wants(const struct tg_run *run, size_t host);
/*
 * The plan for what the run (whose plan is plan) has changed. back: hosts, by their index, that are back already, or NULL. Pure. TG_E_NOENT: there
 * are none. TG_E_USAGE: the plan names no way back, or is one itself.
 */
int tg_rollback_plan(const struct tg_plan *plan, const struct tg_run *run, const char *id, const bool *back, struct tg_plan **out, struct tg_error *e);

/* How it is with the rollbacks of a run. */
struct tg_rollback {
    size_t n;                   /* how many there were; 0: none */
    char id[TG_RUN_ID_SIZE];    /* of the last */
    bool open;                  /* which has not ended */
    char next[TG_RUN_ID_SIZE];  /* of one more; "": there may be none */
    size_t hosts, done;         /* changed by the run; brought back, by all of them */
    bool *back;                 /* by host: tg_rollback_release() */
};
/* Reads them. Blocks. TG_E_DATA: one can't be read. */
int tg_rollback_look(struct tg_store *store, const char *id, const struct tg_run *run, int64_t wait_ms, struct tg_rollback *out, struct tg_error *e);
void tg_rollback_release(struct tg_rollback *rollback);

#endif
