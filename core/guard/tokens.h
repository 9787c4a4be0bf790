/* Tokens of locks on this host: what whoever acts for the lock's owner shows to pass it. Never in a lock's record: only their hash is. */
#ifndef TG_GUARD_TOKENS_H
#define TG_GUARD_TOKENS_H

#include "guard/record.h"

/* A fresh one: 260 random bits. */
int tg_token_make(char out[TG_TOKEN_SIZE], struct tg_error *e);
/* Keeps it in STATE_DIR/tokens/ID, for its owner alone (mode 0600). TG_E_SYSTEM: the lock is as good without. */
int tg_token_keep(const char *state_dir, const char *lock_id, const char *token, struct tg_error *e);
/* What was kept for the lock; "" when there is nothing, or it is none. */
void tg_token_read(const char *state_dir, const char *lock_id, char out[TG_TOKEN_SIZE]);
void tg_token_forget(const char *state_dir, const char *lock_id);

#endif
