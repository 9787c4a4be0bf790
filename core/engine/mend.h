/*
 * Something better for hosts that are out of service (withdraw.h): a plan that goes over those alone, and leaves them where they are until it has verified them.
 * Made of a rollout's plan, or of a way back; its run bears the tokens of the withdrawals, so that their locks let it pass, and has their seats while it is driven,
 * so that nobody returns a host that it is at work on.
 *
 * Its hosts are down before it and after it, so no domain and no floor holds it back (run_queue.c), and nothing of what a fleet in service is owed: one stage, without canary,
 * bake, rate, approval, hours and windows; limits.running and failure hold. A host that is in service by then, by whatever way, is not begun (ports.c).
 * Whom the run has verified is returned behind its end, unless it halted or was aborted.
 */
#ifndef TG_ENGINE_MEND_H
#define TG_ENGINE_MEND_H

#include "engine/holds.h"
#include "engine/withdraw.h"

/* The hosts of plan that are out of service by run, whose id is id and whose withdrawals are withdrawn. Pure. TG_E_NOENT: there are none. */
int tg_mend_plan(const struct tg_plan *plan, const struct tg_run *run, const struct tg_withdrawn *withdrawn, const char *id, struct tg_plan **out, struct tg_error *e);
/* Does the plan mend hosts, and is this one not out of service any more, as far as holds, which has the run's tokens, can tell? 1, 0, or a code of tg_hold_passes(). Blocks. */
int tg_mend_is_back(const struct tg_plan *plan, struct tg_holds *holds, const char *host, struct tg_error *e);
/* May hosts of this withdrawal (id) be gone over? TG_E_HELD: some are half way back. */
int tg_mend_may(const struct tg_run *withdrawal, const char *id, struct tg_error *e);
/* Has the run, which mends, ended so that what it has verified comes back? */
bool tg_mend_returns(const struct tg_run *run);

#endif
