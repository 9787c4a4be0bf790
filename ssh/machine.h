/*
 * The life of one SSH session as two tables: what each state does, and where each event leads. Pure: no I/O, no libssh, so that a
 * test can hold every pair of state and event against it.
 */
#ifndef TG_SSH_MACHINE_H
#define TG_SSH_MACHINE_H

#include <tagout/transport.h>

enum tg_ssh_state {
    TG_SSH_QUEUED,  /* waits for a descriptor */
    TG_SSH_RESOLVE, /* name → addresses */
    TG_SSH_CONNECT, /* TCP, one address after the other */
    TG_SSH_KEX,     /* banner and key exchange */
    TG_SSH_VERIFY,  /* the host's key against known_hosts */
    TG_SSH_AUTH,    /* our keys, one after the other */
    TG_SSH_CHANNEL, /* authenticated; also where a kept session starts its next job */
    TG_SSH_EXEC,    /* the command is on its way: from here on it may have begun */
    TG_SSH_RUN,     /* input, output, exit status */
    TG_SSH_IDLE,    /* kept for the next job of the same host */
    TG_SSH_CLOSED,
    TG_SSH_STATES
};

enum tg_ssh_event {
    TG_SSH_EV_DONE,         /* the state's work is done */
    TG_SSH_EV_NO_SLOT,      /* no descriptor was free: wait for one */
    TG_SSH_EV_REFUSED,      /* somebody said no: DNS, TCP, sshd */
    TG_SSH_EV_BROKEN,       /* the connection ended, or the other side does not speak the protocol */
    TG_SSH_EV_STALE,        /* the same on a kept session, before anything of this job was sent */
    TG_SSH_EV_LATE_CONNECT, /* the deadlines */
    TG_SSH_EV_LATE_SILENCE,
    TG_SSH_EV_LATE_TOTAL,
    TG_SSH_EV_CANCEL,
    TG_SSH_EV_JOB,          /* a kept session got a job */
    TG_SSH_EV_RETIRE,       /* a kept session is needed no longer */
    TG_SSH_EVENTS
};

enum tg_ssh_kind {
    TG_SSH_UNDEFINED, /* a hole in the table: a test finds it */
    TG_SSH_IGNORE,    /* can't happen, or says nothing here */
    TG_SSH_GO,        /* to next */
    TG_SSH_END,       /* the job ends as said, then to next */
    TG_SSH_RETRY      /* the job goes back to the start on a new session, then to next */
};

struct tg_ssh_cell {
    enum tg_ssh_kind kind;
    enum tg_ssh_state next;
    enum tg_job_end end; /* TG_SSH_END */
};

struct tg_ssh_phase {
    const char *name;
    const char *late; /* after "ADDRESS: ", when a deadline passes here: "did not answer within 10s" */
    int has_job, counts_as_open;
};

extern const struct tg_ssh_phase tg_ssh_phases[TG_SSH_STATES];
struct tg_ssh_cell tg_ssh_cell(enum tg_ssh_state state, enum tg_ssh_event event);
const char *tg_ssh_event_name(enum tg_ssh_event event);

#endif
