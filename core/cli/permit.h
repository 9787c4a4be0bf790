/* The parts of tagout permit: the command (permit.c), by way of the agent (permit_agent.c), what holds it (permit_hold.c). */
#ifndef TG_CLI_PERMIT_H
#define TG_CLI_PERMIT_H

#include "cli/cmd.h"

/* Room for the words of "_hold". */
struct tg_permit_words {
    char pid[16], grace[16];
    char *argv[5];
};

/* Words with blanks between them; cut when they don't fit. */
void tg_permit_join(char *const *words, char *out, size_t size);

/*
 * Takes the permit from this host's agent and runs command under it until that ends; a keeper (guard/keeper.h) ends it when the agent does not prove the
 * permit in time. *out_answered false, and 0: there is no agent, or it is another store's or host's, or it does not know: ask the store. Otherwise f->status is
 * set, or it failed. Needs frame->config and frame->loop.
 */
int tg_permit_by_agent(struct tg_frame *f, const char *actor, const char *what, char *const *command, bool *out_answered, struct tg_error *e);

#endif
