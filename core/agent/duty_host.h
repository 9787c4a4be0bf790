/* What the duties of duty_*.c share: whether this agent is its host's own, and where that one's files are. */
#ifndef TG_AGENT_DUTY_HOST_H
#define TG_AGENT_DUTY_HOST_H

#include "agent/agent.h"

/*
 * The root below which runs are looked for and locks are projected: "" as a rule, TAGOUT_ROOT for tests. NULL: this
 * agent lets go of the host it runs on, as it answers for another one (--host), or is a second one that somebody
 * started beside the host's own (TAGOUT_AGENT_SOCKET).
 */
const char *tg_agent_host_root(struct tg_agent *agent);

extern const struct tg_duty
    tg_duty_projections; /* before in_flight: what holds tools off is there before anybody looks what still runs */
extern const struct tg_duty tg_duty_in_flight;
extern const struct tg_duty tg_duty_local_hold;

#endif
