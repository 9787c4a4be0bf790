/*
 * The keeper: a small process that stands between a holder of a permit and the command it runs, so that the command ends when the
 * permit can't be proven alive (P4), whatever became of the holder: killed, stopped, out of touch with the store.
 *
 *   holder (has the store's session) ──socket── keeper ──── command, in a process group of its own
 *
 * The holder sends beats: "the permit is good until …", two moments on CLOCK_BOOTTIME: when the group gets TERM and when KILL.
 * No beat, and they pass. The holder's end of the socket closes when it dies: TERM at once, KILL after the grace or at the KILL moment,
 * whichever is first. The keeper also inherits the descriptor that keeps the session of an embedded store alive: such a session,
 * and the permit with it, outlives its process exactly until the group is dead.
 *
 * What the keeper ends is the whole group, and, as a subreaper, what left the group and lost its parent. When the command ends by
 * itself the keeper waits until its group is empty: work in the background of a group is still work under the permit. What
 * called setsid() has left (a daemon that was started): it is let go then, and killed only when the permit is lost.
 * What it can't do: a process that was started through somebody else (cron, systemd) is nobody's child here.
 *
 * The keeper itself killed: the command gets KILL as its parent dies (PR_SET_PDEATHSIG), and the holder kills the group.
 */
#ifndef TG_GUARD_KEEPER_H
#define TG_GUARD_KEEPER_H

#include <tagout/error.h>
#include <tagout/loop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TG_KEEPER_GRACE_MS 5000 /* between TERM and KILL when nothing presses: what systemd and init scripts give, in small */

struct tg_keeper;

/* Borrowed for the call. */
struct tg_keeper_spec {
    const char *program;     /* what runs as keeper with the arguments "_keep …": NULL for this program itself */
    const char *const *argv; /* the command; argv[0] is looked for in search */
    const char *search;      /* NULL: $PATH of env, else the clean one */
    const char *const *env;  /* of the command, NULL-terminated */
    int session_fd;          /* tg_store_session_fd(); -1 none. Only the keeper inherits it, not the command */
    int also_fd;             /* likewise: a locked file that tells, as long as it is open, that the command may still run; 0 none */
    int64_t term_at_ms, kill_at_ms; /* the first beat; INT64_MAX: the permit can't be lost */
    int64_t grace_ms;
    bool goes_on;            /* the command is not ended when the permit is lost, nor when the holder dies: whoever asked for that takes
                                the risk that something else acts at once. The moments are then ignored */
};

enum tg_keeper_end {
    TG_KEEPER_RUNNING,
    TG_KEEPER_EXITED,  /* the command ended by itself, or by a signal that somebody sent: status */
    TG_KEEPER_LOST,    /* the keeper ended it: the permit could not be proven alive any more */
    TG_KEEPER_ENDED,   /* the keeper ended it because tg_keeper_stop() asked for it */
    TG_KEEPER_VANISHED /* the keeper was killed; the group, and what had left it, is killed before tg_keeper_free() returns */
};

/*
 * Starts keeper and command; returns when the command runs. When stdin is our terminal and we are its foreground group, the command's
 * group becomes that. TG_E_NOENT, TG_E_PERM (there is no such command, or it may not be run), TG_E_SYSTEM.
 */
int tg_keeper_start(struct tg_loop *loop, const struct tg_keeper_spec *spec, struct tg_keeper **out, struct tg_error *e);
/* A newer proof. Moments may only grow; INT64_MAX for never. */
void tg_keeper_beat(struct tg_keeper *keeper, int64_t term_at_ms, int64_t kill_at_ms);
/* Sends a signal to the command's group. */
void tg_keeper_signal(struct tg_keeper *keeper, int signal_number);
/* TERM now, KILL after the grace (or at the KILL moment). */
void tg_keeper_stop(struct tg_keeper *keeper);
/* How it stands; *out_status (may be NULL) is the command's, 0..255 like a shell's, once it is not RUNNING. Set by callbacks of the loop. */
enum tg_keeper_end tg_keeper_state(const struct tg_keeper *keeper, int *out_status);
pid_t tg_keeper_command_pid(const struct tg_keeper *keeper);
pid_t tg_keeper_pid(const struct tg_keeper *keeper);
/* Ends what still runs, at once (KILL), gives the terminal back, reaps the keeper, frees. NULL is fine. */
void tg_keeper_free(struct tg_keeper *keeper);

/* The keeper's side: what the hidden command "_keep" runs. argv: SOCKET GRACE_MS SEARCH TTY(0|1). Returns an exit status. */
int tg_keeper_main(int argc, char **argv, char **command);

#endif
