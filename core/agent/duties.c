/* What the agent does on its host: see agent.h. One file a duty. */
#include "agent/duty_host.h"

#include <stddef.h>

const struct tg_duty *const tg_agent_duties[] = {
    &tg_duty_projections,
    &tg_duty_in_flight,
    &tg_duty_local_hold,
    NULL,
};
