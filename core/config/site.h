/*
 * A site's configuration: /etc/tagout/tagout.yaml, then --config FILE, then the environment, then options; later wins, key by key.
 *
 *   store: zk://zk1:2181,zk2:2181/tagout
 *   store-auth: store.auth                # one line, USER:PASSWORD, for nobody else's eyes
 *   inventory: inventory.yaml             # relative to this file
 *   calendar: calendar.yaml
 *   state-dir: /var/lib/tagout
 *   session: 10s
 *   agent-socket: /run/tagout/agent.sock
 *   project: {puppet: true, facts: true, run: true, motd: true}   # what the agent writes for others to see
 *   owner: ops                            # instead of USER@HOST
 *   before-unlock:                        # what automation is asked before a lock goes: engine/gate.h
 *     - {targets: "@web", puppet: {environment: production}}
 *   runs: {approval: second-person}
 *   break-lock: {approval: second-person, expires: 1h}
 *   requests: {activities: {reboot: {run: [/usr/bin/systemctl, reboot], reboots: true}}}   # config/activities.h
 *   announce: {from: ops@example.com, smtp: {url: "smtp://mail.example.com:587"}}   # how customers are told: calendar/announce_site.h
 *   ssh: {identity: /etc/tagout/id_ed25519, known-hosts: /etc/tagout/known_hosts, config: none}
 */
#ifndef TG_CONFIG_SITE_H
#define TG_CONFIG_SITE_H

#include "config/activities.h"
#include "config/problems.h"

#include <tagout/error.h>
#include <stdbool.h>
#include <stdint.h>

struct tg_yaml_doc;
struct tg_yaml_node;

#define TG_CONFIG_FILE "/etc/tagout/tagout.yaml"
#define TG_CONFIG_STATE_DIR "/var/lib/tagout"

/* What the agent projects locks into; each can be switched off. */
enum tg_project_switch { TG_PROJECT_PUPPET, TG_PROJECT_FACTS, TG_PROJECT_RUN, TG_PROJECT_MOTD, TG_PROJECT_SWITCHES };
const char *tg_project_switch_name(enum tg_project_switch which); /* "puppet" … */

/* All strings are its own. */
struct tg_config {
    char *store;           /* URL; never NULL */
    char *store_from;      /* who says so: "/etc/tagout/tagout.yaml:3:8", "TAGOUT_STORE", "--store", "default"; never NULL */
    char *store_auth;      /* file with USER:PASSWORD for the store; NULL: none */
    char *inventory;       /* file or program; NULL: none is configured */
    char *inventory_from;  /* likewise; NULL with it */
    char *calendar;        /* file; NULL: none is configured */
    char *calendar_from;   /* likewise; NULL with it */
    char *state_dir;       /* absolute; never NULL */
    char *host_state_dir;  /* the same for everybody on this host, whatever the environment and --config say: TG_CONFIG_FILE's; NULL: the default */
    char *agent_socket;    /* absolute; never NULL */
    char *owner;           /* who takes locks, when not USER@HOST; NULL */
    bool project_off[TG_PROJECT_SWITCHES];
    char *ssh_identity;    /* NULL: as ~/.ssh/config says, the agent, ~/.ssh/id_* */
    char *ssh_known_hosts; /* NULL: as ~/.ssh/config says */
    char *ssh_config;      /* NULL: ~/.ssh/config; "none": no such file is read */
    const struct tg_yaml_node *before_unlock; /* a list, read by who needs it (its drivers are modules); NULL: none */
    const struct tg_yaml_node *announce;      /* a mapping, read by who announces: calendar/announce_site.h; NULL: none */
    struct tg_yaml_doc *docs[2];              /* what these lie in */
    bool run_approval;     /* who began a run, or made a plan, does not approve it himself */
    bool break_approval;   /* another's lock is broken by two persons: guard/approval.h */
    int64_t break_expires_ms; /* how long the first one's wish stands; 0: the usual */
    struct tg_activities requests; /* what this host does for requests */
    int64_t session_ms;    /* wished for; 10 s by default, 2 s … 5 min */
};

/* What the command line says; each may be NULL. */
struct tg_config_args {
    const char *site_file; /* NULL: TG_CONFIG_FILE. It is fine when this one does not exist */
    const char *file;      /* --config: must exist */
    const char *store;     /* --store */
    const char *inventory; /* --inventory */
};

/*
 * Reads it all. TAGOUT_STORE, TAGOUT_STATE_DIR and TAGOUT_AGENT_SOCKET are looked at (not in a set-uid process). Mistakes of both files go to problems, then
 * TG_E_DATA; TG_E_CONFIG when a value from the environment or the command line can't be. *out is the caller's: tg_config_free().
 */
int tg_config_load(const struct tg_config_args *args, struct tg_problems *problems, struct tg_config **out, struct tg_error *e);
void tg_config_free(struct tg_config *config);
/* Where this machine's state is when no configuration could be read: TAGOUT_STATE_DIR, or the default. Static, or the environment's. */
const char *tg_config_usual_state_dir(void);
/*
 * Reads store_auth into *out as struct tg_store_options wants it, "digest:USER:PASSWORD"; NULL when there is none. The caller clears
 * and frees it: tg_config_forget_auth(). TG_E_CONFIG when the file is not there, others may read or write it, or it is not such a line.
 */
int tg_config_read_auth(const struct tg_config *config, char **out, struct tg_error *e);
void tg_config_forget_auth(char *auth); /* NULL is fine */
/* The i-th key that a file may have ("store", "ssh.identity", …), NULL behind the last: the man page is tested against it. */
const char *tg_config_key(size_t i);

#endif
