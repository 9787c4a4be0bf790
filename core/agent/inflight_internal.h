/* What the files of inflight*.c share. */
#ifndef TG_AGENT_INFLIGHT_INTERNAL_H
#define TG_AGENT_INFLIGHT_INTERNAL_H

#include "agent/inflight.h"

#define TG_CM "config-management"
#define TG_PM "package-manager"
#define TG_REBOOT "reboot"

struct tg_look_around {
    struct tg_procs procs;
    int64_t wall_ms;
    unsigned flags;
    char *locks; /* /proc/locks; NULL: it could not be read */
    struct tg_runs_in_flight *out;
    int rc; /* TG_E_MEMORY */
};

/* Adds a run; what NULL: its command line. proc NULL: no process. */
void tg_inflight_add(struct tg_look_around *l, const char *tool, const char *actor, const struct tg_proc *proc,
                     int64_t since_ms, const char *what);
/* Something could not be looked at. ENOENT and its kin are no trouble: then the tool is not there. */
void tg_inflight_blind(struct tg_look_around *l, const char *path, int error);

/* A detector by files: each looks for its tool's marks. */
void tg_inflight_puppet(struct tg_look_around *l);
void tg_inflight_salt(struct tg_look_around *l);
void tg_inflight_packages(struct tg_look_around *l);
void tg_inflight_pid_files(struct tg_look_around *l);
void tg_inflight_chef(struct tg_look_around *l);
void tg_inflight_scheduled(struct tg_look_around *l);
void tg_inflight_ansible_pipelined(struct tg_look_around *l);

/* --- parsers of what others wrote; pure, and fuzzed --- */

/* A file that holds a process id as text. 0: it holds none. */
pid_t tg_inflight_parse_pid(const char *text);
/*
 * A job of Salt's minion: a map in MessagePack. false: it is none, or has no pid. fun and jid are "" when it does not
 * say.
 */
struct tg_salt_job {
    int64_t pid;
    char fun[64], jid[32];
};
bool tg_salt_job_parse(const unsigned char *bytes, size_t len, struct tg_salt_job *out);
/* /run/systemd/shutdown/scheduled. false: nothing is scheduled by it. */
struct tg_shutdown {
    int64_t at_ms;
    char mode[16];
};
bool tg_shutdown_parse(const char *text, struct tg_shutdown *out);
/*
 * The holder of a lock for writing on an inode, from /proc/locks. 0: none. major 0 and minor 0: on whatever device
 * (file systems in layers tell another number here than stat does).
 */
pid_t tg_locks_holder(const char *text, unsigned major, unsigned minor, uint64_t inode);

#endif
