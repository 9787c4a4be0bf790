/*
 * known_hosts: each file read once (and again when it changed), indexed by name, so that a run over a whole fleet does not read it
 * for every host. Hashed names and patterns are compared one by one, as they must.
 */
#ifndef TG_SSH_HOSTS_H
#define TG_SSH_HOSTS_H

#include <tagout/error.h>
#include <stdbool.h>
#include <stddef.h>

enum tg_ssh_marker { TG_SSH_MARK_NONE, TG_SSH_MARK_REVOKED, TG_SSH_MARK_AUTHORITY };

/* One line that holds for the host. Borrowed: until the next call with the same set of files. */
struct tg_ssh_known {
    const char *type, *key; /* "ssh-ed25519", base64 */
    enum tg_ssh_marker marker;
    const char *file;
    int line;
};

struct tg_ssh_hosts; /* all files that were asked for */

int tg_ssh_hosts_new(struct tg_ssh_hosts **out, struct tg_error *e);
void tg_ssh_hosts_free(struct tg_ssh_hosts *hosts);
/* The lines of one file for name at port (22: "name", or "[name]:22"; else "[name]:port"), at most max. A missing file has none. */
size_t tg_ssh_hosts_find(struct tg_ssh_hosts *hosts, const char *file, const char *name, int port, struct tg_ssh_known *out, size_t max);

#endif
