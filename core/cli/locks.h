/* The two faces of tagout locks: once, and live. */
#ifndef TG_CLI_LOCKS_H
#define TG_CLI_LOCKS_H

#include "cli/cmd.h"
#include "guard/lock.h"

void tg_cli_locks_table(const struct tg_frame *f, const struct tg_locks *locks, int64_t now_ms);
/* Until interrupted. What can't be known meanwhile is said, and it goes on; a new session is opened when the old one is over. */
int tg_cli_locks_watch(struct tg_frame *f, const struct tg_scopes *scopes, struct tg_error *e);

#endif
