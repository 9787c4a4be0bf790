/* What the agent does on its host: see agent.h. One file a duty. */
#include "agent/agent.h"

#include <stddef.h>

const struct tg_duty *const tg_agent_duties[] = {
    NULL,
};
