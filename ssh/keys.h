/* Our private keys: each file read and decoded once, however many hosts it opens. */
#ifndef TG_SSH_KEYS_H
#define TG_SSH_KEYS_H

#include <tagout/error.h>
#include <libssh/libssh.h>
#include <stddef.h>

struct tg_ssh_keys;

int tg_ssh_keys_new(struct tg_ssh_keys **out, struct tg_error *e);
void tg_ssh_keys_free(struct tg_ssh_keys *keys);
/* The key, borrowed; NULL with the reason in why: "no such file", "needs a passphrase", … */
ssh_key tg_ssh_keys_get(struct tg_ssh_keys *keys, const char *path, const char **why);

#endif
