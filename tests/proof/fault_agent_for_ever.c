/*
 * The mistake "agent for ever": an agent that goes by what it knew last, whether or not it can still be in touch with the store. Loaded in front of
 * the real one.
 */
#include "agent/internal.h"

bool tg_agent_is_sure(struct tg_agent *a)
{
    return tg_agent_as_of(a) != INT64_MIN;
}
