/*
 * Driving a run: the ring around the machine (engine/run.h). It takes the seat, feeds what happens into the machine, writes events and
 * intents to the journal, and only then has the actions carried out. It knows neither transports nor locks: those are behind struct
 * tg_drive_ports, which tests fill in with a simulated fleet and ports.h with the real one.
 *
 * Everything happens at top level, between turns of the loop; what callbacks have to say they put into the inbox with tg_drive_answer().
 */
#ifndef TG_ENGINE_DRIVE_H
#define TG_ENGINE_DRIVE_H

#include "engine/journal.h"

#include <signal.h>

struct tg_drive;

/* Who carries out actions. */
struct tg_drive_ports {
    void *data;
    /*
     * Begins an action (any but RETRY, BAKE, PACE, REST and END). Top level: it may block on the store. What comes of it is told with
     * tg_drive_answer(), once, at once or later. A negative code ends the drive: the store is lost, or we are not to go on.
     */
    int (*begin)(void *data, struct tg_drive *drive, const struct tg_run_action *action, struct tg_error *e);
    /* Called at top level once a round: for what callbacks have only recorded. May be NULL. */
    int (*turn)(void *data, struct tg_drive *drive, struct tg_error *e);
    /* Is something under way that no action has asked for, and that is to be waited for? May be NULL. */
    bool (*busy)(void *data);
    /* Is turn() to be called again at once? May be NULL. */
    bool (*soon)(void *data);
    /* Drops what is under way: nothing is answered afterwards. What runs on hosts goes on there. */
    void (*drop)(void *data);
};

struct tg_drive_options {
    struct tg_journal *journal;  /* loaded; the drive takes the seat, and leaves it */
    struct tg_run *run;          /* that of the journal */
    const char *by;
    bool take_over;              /* the seat, from whoever has it: tg_journal_take_over() */
    const struct tg_drive_ports *ports;
    /* Hosts, by their number, that are to be brought back, of a run that has withdrawn them and has ended. */
    const size_t *returns;
    size_t n_returns;
    bool vouched;                /* without verifying them first */
    const char *reason;          /* or NULL */
    /* What has been committed, in order: events and intents. May be NULL. */
    void (*on_line)(void *data, const struct tg_run *run, const json_t *line);
    /* Now and then, at least each tick_ms while nothing happens (for a display). May be NULL. */
    void (*on_tick)(void *data, const struct tg_run *run, int64_t now_ms);
    int64_t tick_ms;             /* 0: 1 s */
    void *data;
    /* How often the operator has asked to stop (a signal handler counts). Once: PAUSE. Twice: leave at once. May be NULL. */
    const volatile sig_atomic_t *stops;
    /* The plan's hours; NULL: tg_hours_at(). For tests with days of seconds. */
    tg_hours_fn hours;
    /* For tests: called around each commit; non-zero makes the driver die on the spot, as a crash would. May be NULL. */
    int (*crash)(void *data, int committed);
};

/*
 * Drives until the run has ended or is paused (0), or it can't be: TG_E_HELD the seat is taken, TG_E_VERSION it was taken from us,
 * TG_E_CANCELLED the operator left, TG_E_SESSION, TG_E_LOST, TG_E_TIMEOUT the store is gone; after all of these the run can be resumed.
 */
int tg_drive(const struct tg_drive_options *options, struct tg_error *e);

/* From ports: what came of an action. Strings are copied. Only records. */
void tg_drive_answer(struct tg_drive *drive, const struct tg_run_event *event);
/* From ports: the drive must end (a host has seen a newer controller). Only records. */
void tg_drive_fail(struct tg_drive *drive, const struct tg_error *error);
/* The run's clock. Answers need no time: the drive gives them theirs. */
int64_t tg_drive_now(const struct tg_drive *drive);

#endif
