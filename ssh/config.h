/*
 * ssh_config(5), as far as it decides where a connection goes and who we are: read once, asked for each host. (libssh's own reader
 * opens the files again for every session, gives back one IdentityFile of several, and knows no HostKeyAlias.)
 *
 * Honoured: Host, Match (all, host, originalhost, user, localuser), Include, HostName, User, Port, IdentityFile, IdentitiesOnly,
 * IdentityAgent, HostKeyAlias, UserKnownHostsFile, GlobalKnownHostsFile, ProxyJump, ProxyCommand. Other keywords are passed over;
 * StrictHostKeyChecking is always "yes". What can't be decided here (Match exec …) refuses its hosts rather than guess.
 */
#ifndef TG_SSH_CONFIG_H
#define TG_SSH_CONFIG_H

#include <tagout/error.h>
#include <stdbool.h>
#include <stddef.h>

#define TG_SSH_FILES_MAX 8 /* of one keyword, as in OpenSSH's known hosts; more identities would pass sshd's MaxAuthTries of 6 */

enum tg_ssh_keyword {
    TG_SSH_KW_HOSTNAME,
    TG_SSH_KW_USER,
    TG_SSH_KW_PORT,
    TG_SSH_KW_HOST_KEY_ALIAS,
    TG_SSH_KW_PROXY_JUMP,
    TG_SSH_KW_PROXY_COMMAND,
    TG_SSH_KW_IDENTITIES_ONLY,
    TG_SSH_KW_IDENTITY_AGENT,
    TG_SSH_KW_IDENTITY_FILE,
    TG_SSH_KW_USER_KNOWN_HOSTS,
    TG_SSH_KW_GLOBAL_KNOWN_HOSTS,
    TG_SSH_KW_VALUES,               /* those below are no values */
    TG_SSH_KW_HOST = TG_SSH_KW_VALUES,
    TG_SSH_KW_MATCH,
    TG_SSH_KW_INCLUDE,
    TG_SSH_KW_COUNT
};

struct tg_ssh_line {
    enum tg_ssh_keyword keyword;
    char **args;                     /* words, NULL-terminated */
    size_t n_args;
    int number;
    struct tg_ssh_file *included;    /* TG_SSH_KW_INCLUDE: the first of its files */
};

struct tg_ssh_file {
    char *path;
    struct tg_ssh_line *lines;
    size_t n_lines;
    struct tg_ssh_file *next;
};

struct tg_ssh_config {
    struct tg_ssh_file *files; /* the user's, then the system's */
    char home[512], local_user[64];
    unsigned long uid;
};

/* What holds for one host. Strings are its own: tg_ssh_settings_release(). Empty or NULL: nothing said. */
struct tg_ssh_settings {
    char *value[TG_SSH_KW_IDENTITY_FILE]; /* by keyword, the single ones; expanded */
    char *identity[TG_SSH_FILES_MAX];
    size_t n_identity;
    char *known[2][TG_SSH_FILES_MAX];     /* user's, system's */
    size_t n_known[2];
};

/*
 * file: NULL for ~/.ssh/config and /etc/ssh/ssh_config (missing ones are fine), "none" for none, or a path (must exist).
 * TG_E_CONFIG names file and line; a file that others may write is refused.
 */
int tg_ssh_config_load(const char *file, struct tg_ssh_config **out, struct tg_error *e);
void tg_ssh_config_free(struct tg_ssh_config *config);
/* user: what the caller wants, NULL: nothing. TG_E_CONFIG when a condition can't be decided. */
int tg_ssh_config_ask(const struct tg_ssh_config *config, const char *host, const char *user, struct tg_ssh_settings *out,
                      struct tg_error *e);
void tg_ssh_settings_release(struct tg_ssh_settings *settings);

/* config_file.c: one file and what it includes. */
int tg_ssh_file_read(const struct tg_ssh_config *config, const char *path, int depth, bool must_exist, struct tg_ssh_file **out,
                     struct tg_error *e);
void tg_ssh_file_free(struct tg_ssh_file *file);

#endif
