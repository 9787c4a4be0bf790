/* A check by way of this host's agent, before any store is looked for. */
#ifndef TG_CLI_ASK_AGENT_H
#define TG_CLI_ASK_AGENT_H

#include "cli/cmd.h"

#include <jansson.h>

/*
 * Asks the agent (config key agent-socket) what the command line asks, within a tenth of timeout_ms; tokens and under as in the environment, NULL none. true: it has answered GO or HELD, and
 * *out is its answer, as tagout-agent(7) has it (the caller's). false: there is none, it hangs, it is another store's or host's, it does not
 * know: ask the store. Needs frame->config alone.
 */
bool tg_cli_ask_agent(const struct tg_frame *frame, const char *actor, const char *tokens, const char *under, int64_t timeout_ms, json_t **out);

/* A request as the line that the socket takes, line feed included; consumes o (NULL is fine). The caller's, who clears it: it may have tokens.
 * NULL: memory is short. */
char *tg_agent_line(json_t *o, size_t *out_len);

#endif
