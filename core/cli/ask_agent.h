/* A check by way of this host's agent, before any store is looked for. */
#ifndef TG_CLI_ASK_AGENT_H
#define TG_CLI_ASK_AGENT_H

#include "cli/cmd.h"

/*
 * Asks the agent (config key agent-socket) what the command line asks, within a tenth of timeout_ms. true: it has answered GO or HELD, and
 * *out is its answer, as tagout-agent(7) has it (the caller's). false: there is none, it hangs, it is another store's or host's, it does not
 * know: ask the store. Needs frame->config alone.
 */
bool tg_cli_ask_agent(const struct tg_frame *frame, const char *actor, const char *tokens, int64_t timeout_ms, json_t **out);

#endif
