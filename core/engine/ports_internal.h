/* What the parts of the ports share: ports.c (tasks, locks), ports_step.c (steps on hosts), ports_verify.c (verification), ports_others.c (who else is
 * down). */
#ifndef TG_ENGINE_PORTS_INTERNAL_H
#define TG_ENGINE_PORTS_INTERNAL_H

#include "engine/around_module.h"
#include "engine/bare.h"
#include "engine/hold_terms.h"
#include "engine/ports.h"
#include "engine/steady.h"
#include "engine/windows.h"
#include "guard/gone.h"

#include <tagout/probe.h>

/* An action under way. */
struct tg_task {
    struct tg_task *next;
    struct tg_ports *ports;
    struct tg_drive *drive;
    struct tg_run_action action;
    int64_t give_up_ms;  /* monotonic: LOCK quiesce, LOOK, VERIFY within */
    int64_t due_ms;      /* monotonic: when turn() shall go on with it; INT64_MAX: when what is asked has answered */
    int64_t pause_ms;    /* between tries of LOOK */
    bool over;           /* answered: turn() frees it */
    bool anew;           /* of what is kept: done again, whoever took it back */
    bool out;            /* of a run that mends: the host is out of service still (ports_mended.c) */
    bool proven;         /* APPLY: its drains stand (ports_drains.c); */
    int proving;         /* or which step is asked about */
    char lock[TG_HOLD_ID_SIZE]; /* LOCK: once it is placed */
    bool quiet;          /* LOCK: nobody is at work there any more, the lock is confirmed */
    int64_t lock_txid;
    /* steps */
    enum tg_bare_mode mode;
    enum tg_verb verb;
    char nonce[TG_BARE_NONCE_SIZE];
    struct tg_job *job;
    bool asked;          /* a job or a probe is under way: the task must outlive it */
    /* verify */
    size_t verify;       /* index in plan.verify */
    int64_t since_ms;    /* monotonic: its first check was begun */
    int tries;
    enum tg_verdict said; /* by the last try, */
    char text[512];      /* in these words */
};

/* A step of around: its module, open. */
struct tg_around_port {
    struct tg_around_module module;
    struct tg_around_impl *impl;
};

/* When hosts may be disturbed, as the site's calendar says it now (ports_windows.c). */
struct tg_ports_windows {
    struct tg_windows *windows;      /* NULL: any time will do */
    struct tg_window_says *told;     /* of each, what the run was told last */
    bool anew;                       /* what is told has other reasons, maybe */
    bool bound, shut;                /* an agenda was there once; there is none now */
    int64_t look_ms, seen_ms;        /* monotonic: when it is looked at next; when that went well last */
    int64_t files_ms;                /* monotonic: when its files were looked at last, right before a start */
    enum tg_run_state state;         /* the run's, at the last turn */
    size_t stage;                    /* the run's, when it was told last: another one has other windows */
    int64_t due_ms;                  /* Unix time: the next that opens or closes */
    struct tg_steady steady;
};

/* How the slots of booked weeks go, as far as it has been said (ports_slots.c). */
struct tg_ports_slots {
    uint8_t *told;                   /* of each host, enum tg_mark_state; NULL: there are no windows */
    int64_t look_ms;                 /* monotonic: when it is looked at next */
    bool any;                        /* there is a booked week */
    bool recall;                     /* what a driver before this one has said is not read yet */
    size_t n_said;                   /* transactions that changed something */
};

/* A host of a run that mends. */
struct tg_mended {
    struct tg_ports *ports;
    size_t host;
};

struct tg_ports {
    struct tg_drive_ports table;
    struct tg_ports_options o;
    const struct tg_transport_backend *transport;
    struct tg_transport_impl *transport_impl;
    const struct tg_driver *driver;
    struct tg_driver_params *params;
    const struct tg_probe_backend *probe;
    struct tg_probe_impl *probe_impl;
    struct tg_task *tasks;
    struct tg_others *others; /* NULL without limits by domain */
    uint32_t *told;      /* of each domain, what the run was told of others last */
    int64_t others_ms;   /* monotonic: when they are counted again */
    struct tg_ports_windows windows;
    struct tg_ports_slots slots;
    struct tg_gone *gone; /* NULL when the plan says that nobody cares */
    int64_t gone_ms;     /* monotonic: when it is looked again who is */
    int64_t gone_seen_ms; /* monotonic: when it was looked last; INT64_MIN never */
    bool *told_gone;     /* of each host of the plan, what the run was told last */
    bool *touched;       /* domains whose hosts outside of the plan have gone or come back */
    struct tg_hold_terms terms;
    struct tg_around_port *around; /* by the plan's steps, the lock's is empty; NULL without any */
    uint16_t *warned;    /* by host: steps of which it was told that they are not kept */
    uint16_t *redone;    /* by host: steps that were forgotten, and done again without waiting for what came in between */
    size_t kept;         /* asked about in this sweep */
    size_t keep_next;    /* of the sweep over hosts that have something in force */
    int64_t keep_ms;     /* monotonic: the next begins then */
    struct tg_mended *mended; /* by host, of a run that mends; NULL */
    size_t mended_next, mended_n; /* of the sweep over those, as above */
    int64_t mended_ms;
    struct tg_drive *mended_drive;
    size_t out_next;     /* of options.out: not seen to yet */
    int64_t away_ms;     /* monotonic: since when the store does not answer; 0 it does */
    int64_t again_ms;    /* monotonic: when it is asked again */
    bool soon;           /* a task is due in the next turn */
    bool closing;        /* callbacks say nothing more */
    /* On hosts: one that knows a step of that name would not begin it again. */
    char name[TG_RUN_NAME_SIZE];
};

int64_t tg_ports_now(const struct tg_ports *p);
/* The one answer of a task; text may be NULL. */
void tg_task_answer(struct tg_task *t, enum tg_run_event_kind kind, const char *text);
void tg_task_answer_event(struct tg_task *t, struct tg_run_event event);
const struct tg_plan_host *tg_task_host(const struct tg_task *t);
/* Sends a request to the task's host. done is called from the loop, once, when 0 was returned. */
int tg_task_send(struct tg_task *t, const char *step, enum tg_bare_mode mode, const struct tg_request *request, tg_job_fn done, struct tg_error *e);
/* Of the drive, rather than of one host? */
bool tg_ports_ends_drive(int rc);

/* ports_others.c: who else is down, by domain (P5). Negative: the drive must end. */
int tg_ports_open_others(struct tg_ports *p, struct tg_error *e);
void tg_ports_free_others(struct tg_ports *p);
int tg_ports_look_at_others(struct tg_ports *p, struct tg_drive *drive, struct tg_error *e);
/* Behind a lock: those of others that were there before it, and who is gone by now. Says first who that is; then that the lock is there may be said. */
int tg_ports_count_before(struct tg_task *t, struct tg_error *e);

/* What the driver asks the task's host for, with the run's token. Release it in any case. */
int tg_task_request(const struct tg_task *t, enum tg_verb verb, struct tg_request *request, struct tg_error *e);
/* "RUN.HOST.WHAT.N", within what the bare script takes as a name. */
void tg_task_step(const struct tg_task *t, const char *what, int n, char *out, size_t size);

/* APPLY, LOOK, DRY_RUN: begin, or go on with. Negative: the drive must end. */
int tg_task_run_step(struct tg_task *t, struct tg_error *e);
/* AROUND_LOOK, AROUND, UNDO, and TG_DO_NOTHING: keep. Begin, or take what was asked for lost. */
int tg_task_run_around(struct tg_task *t, struct tg_error *e);
/* Asks the module of the action's step. 0: done comes later, with the task as its data. */
int tg_task_ask_around(struct tg_task *t, enum tg_around_verb verb, tg_around_fn done, struct tg_error *e);
/* Is the step kept just now? That could bring back what is undone, and says what is asked for anyway. */
bool tg_task_is_kept_now(const struct tg_task *t);
/* Can the record of a module be kept? */
bool tg_around_is_record(const char *record);
/* "drain: …": what a module says of the action's step. size ≥ 500. */
void tg_task_say_around(const struct tg_task *t, const char *text, char *out, size_t size);
/* ports_drains.c, APPLY: right before a host is changed, do its drains stand? Begin, or go on with; what does not stand is the task's answer. */
int tg_task_prove_drains(struct tg_task *t, struct tg_error *e);
/* ports_mended.c: in a run that mends, is it to be asked first whether the task's host is out of service still? */
bool tg_task_wants_out(const struct tg_task *t);
/* 1: it is; 0: an answer is waited for, or given. */
int tg_task_prove_out(struct tg_task *t);
int tg_ports_open_mended(struct tg_ports *p, struct tg_error *e);
/* Begins what is to be kept now and then of what others have drained. */
void tg_ports_keep_mended(struct tg_ports *p, struct tg_drive *drive);
/* Begins what is to be kept now and then. */
int tg_ports_keep(struct tg_ports *p, struct tg_drive *drive, struct tg_error *e);
/* Is something of options.out waited for? */
bool tg_ports_is_keeping_out(const struct tg_ports *p);
int tg_ports_open_around(struct tg_ports *p, struct tg_error *e);
void tg_ports_close_around(struct tg_ports *p);
void tg_ports_free_around(struct tg_ports *p);
int tg_ports_open_windows(struct tg_ports *p, struct tg_error *e);
void tg_ports_close_windows(struct tg_ports *p);
/* Tells the run what opens and closes, when it is time to look. */
int tg_ports_look_at_windows(struct tg_ports *p, struct tg_drive *drive, struct tg_error *e);
/* Before what would disturb a host, and before it is told that it has its lock, and GO: is it in its window, with the time that it needs? If not, the run is told first that it is
 * closed; true: and what came of the task has been answered. */
bool tg_ports_is_refused(struct tg_task *t);
/* ports_slots.c: hosts that begin and end in slots of booked weeks. Nothing of it keeps the run from anything. */
int tg_ports_open_slots(struct tg_ports *p, struct tg_error *e);
void tg_ports_look_at_slots(struct tg_ports *p);
/* The weeks are others than before. */
void tg_ports_slots_anew(struct tg_ports *p);
/* A new task; NULL when memory is short. */
struct tg_task *tg_ports_add(struct tg_ports *p, struct tg_drive *drive, const struct tg_run_action *action, struct tg_error *e);
/* VERIFY: the next try of the current check, or the verdict. */
int tg_task_run_verify(struct tg_task *t, struct tg_error *e);

#endif
