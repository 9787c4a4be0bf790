/*
 * Runs in flight: what acts on this host at this moment, by whatever tool, with a hook of ours or without. It is
 * decided from what /proc and the tools' own lock files say; nothing of it is changed, and no tool is asked.
 *
 * A lock file alone is no run: the process that it names must live, and be that tool. One that is another tool's work
 * is not told twice: the apt-get that a tool of the same kind started belongs to that.
 */
#ifndef TG_AGENT_INFLIGHT_H
#define TG_AGENT_INFLIGHT_H

#include "agent/procs.h"
#include "guard/record.h"

#define TG_RUN_WHAT_SIZE 160

struct tg_run_in_flight {
    const char *tool; /* "puppet agent", "apt/dpkg" …: the detector that saw it; static */
    char actor[TG_ACTOR_SIZE];
    pid_t pid;                   /* 0: no process, such as a reboot that is scheduled */
    int64_t start_ticks;         /* with actor and pid its identity: a reused pid is another run */
    int64_t since_ms;            /* wall clock: when it began */
    char what[TG_RUN_WHAT_SIZE]; /* for people: "puppet agent", "apt-get -y upgrade", "reboot scheduled for 03:00 UTC …"
                                  */
    char passes[TG_PASSES_MAX][TG_SHA256_HEX]; /* hashes of the lock tokens in its environment, as far as we may look */
    size_t n_passes;
    bool guarded; /* tagout itself started it: lock -- COMMAND, exec, or a run */
    bool unsure;  /* an exec whose command does not run yet: it waits for its permit, or has just got it */
};
struct tg_runs_in_flight {
    struct tg_run_in_flight *v;
    size_t n;
    char blind[TG_RUN_WHAT_SIZE]; /* what could not be looked at: "" all of it was seen. To be said, once */
};

/*
 * Looks. root: "" for this host's own /, a folder for tests; wall_ms: now. What is permitted already, as the command of
 * an exec of the same actor, is left out; with EVERYTHING it is told, and those execs as well. TG_E_UNKNOWN: it can't
 * be told what runs, so nothing may be acknowledged.
 */
enum tg_inflight_flags { TG_INFLIGHT_UNPERMITTED = 0, TG_INFLIGHT_EVERYTHING = 1 };
int tg_inflight_look(const char *root, int64_t wall_ms, unsigned flags, struct tg_runs_in_flight *out,
                     struct tg_error *e);
void tg_runs_in_flight_release(struct tg_runs_in_flight *runs);
bool tg_run_is_same(const struct tg_run_in_flight *a, const struct tg_run_in_flight *b);
/* Whether this lock has to wait for it: it holds its actor, and it does not bear the lock's token. Scopes are the
 * caller's affair. */
bool tg_run_is_held_by(const struct tg_run_in_flight *run, const struct tg_lock *lock);

#endif
