/*
 * A run: one execution of a plan, as a pure state machine. No I/O, no clock, no globals: what happened goes in as events, what is to
 * be done comes out as actions. Whoever drives it (engine/drive.h) writes both to the journal before it does anything, so that a
 * run which lost its driver is the same machine again once the journal's events have been fed to a new one (P7).
 *
 * Three machines in one, each a const table (run_table.c): the run, its stages, the hosts of a stage. An event whose pair with the
 * current state is in no table is refused: it means a garbled journal, or a bug.
 *
 * What holds starts back: limits.running, hosts from their start until they are changed (and lost ones); limits.unverified, these and those that
 * are being verified, so that whatever comes of them no more than that were changed without a verdict, and, in a plan with drains, those around which things are being undone,
 * so that a slow way back into service does not pile them up; the stage's rate, one host an interval;
 * who is late by at most a tenth of it, or of a second, keeps the average, and more than that is not made up for. The plan's hours, of which whoever
 * drives the run tells (TG_EV_OPENED, TG_EV_CLOSED): between what was told last has ended and is told anew, they are closed; the stage's day, counted in days on
 * which hours opened; its spread over what is left of them. They hold back starts only: who has begun is brought to the end at any hour.
 *
 * limits.domains and limits.floor hold back by domain (plan.h): a host is down from its start until it is verified, and stays so when it ends as
 * failed, unknown, lost, unreachable or held; one that was not touched, or ended well, is not, unless it is gone. Of the hosts that wait, the first (in the plan's order)
 * that no limit holds back starts next; who is held back by a domain lets others go first. Hosts that others hold (other runs, people) are down, too: the
 * driver tells how many there are, at the latest behind each lock, and who then finds his domain too full gives the lock back and waits. When nobody is at work and all that wait are held back by
 * hosts that ended badly, those are skipped: they end, untouched, and the run goes on.
 *
 * A host is gone when it had an agent once, and that is not there now (guard/gone.h): it is down, too, without any doing of this run. It is known by host for
 * those of the plan (TG_EV_GONE, TG_EV_BACK), and counts once, whatever else it is; so its own start adds nothing to its domains, and is held back by them only
 * while they have more down than may be. Of hosts that are not in the plan the driver tells a number for each domain (TG_EV_OUTSIDE_GONE).
 *
 * Windows (plan.h) hold back as domains do: one is closed until whoever drives the run tells that it is open (TG_EV_WINDOW_OPENED: what starts until then fits),
 * and its hosts let others go first. They are looked at when a host is to start, behind its lock, and behind each GO of the guard: who finds his closed by then gives
 * back what he has, and waits. In a stage that is spread over windows each host has its own moment between the two ends. A stage that bakes bakes with whom it has
 * when all that wait wait for windows, and once more with the others.
 *
 * around: steps 1 … of plan.around (0 is the lock) are done in order behind the lock and the guard's GO, each after a look whose record is journalled; then the
 * guard is asked once more. Whichever way a host leaves, the ones that are in force by our doing, or may be, are undone in reverse, and the lock goes last. What
 * can't be undone leaves it STUCK: that one is a leftover, and the rest is undone all the same. What is found made by others is theirs: it is never undone.
 * A step that keeps out TG_RUN_AROUND_ROW hosts in a row, and lets none through between them, is not to keep out a whole fleet: while others wait the run goes on
 * hold, somebody looks at what it talks to, and with resume those hosts wait again, each once. Not so in a run that undoes another: nothing stops that.
 * A host that a drain of ours holds is down until that is undone, verified or not. So those that bake may keep others of their stage out of full domains:
 * then the stage bakes with whom it has, and runs and bakes once more with the others.
 *
 * How ends are counted, and what they stop:
 *   failed       the tool or a verification said no. Counts against failure.failed, of the whole and of its stage: whichever is exceeded first
 *                halts the run.
 *   unknown      may have been changed, nothing proves how it went. Counts against failure.failed as well: a change that cuts the
 *                host off looks just like this.
 *   undecided    changed, and the verification came to no verdict. Not a failure yet: the run goes on hold, a person looks, and with resume the
 *                host is verified once more; without a verdict then it is unknown. With failure.decide-by it is tried again by itself until then, and
 *                is unknown behind that, unless failure.give-up-by says that a person may look for so long; a run for which nobody has looked by then halts.
 *                Counts as unverified.
 *   lost         unknown, and it could not even be looked at: as unknown, and its lock stays and limits.running counts it, since
 *                the change may still be going on.
 *   held         somebody else's lock, disable or run is in the way. The host was not changed. Not a failure.
 *   unreachable  nothing was sent. Not a failure: the change can't be to blame. Counts against failure.unreachable, where that is said.
 *   skipped      a domain had no room for it, and was not to get any; or its window was not known to open, and somebody said to go on without it. The host was not
 *                touched. Not a failure.
 * A stage of which no host at all ended well proves nothing, so none follows it: the run halts. A run with any host that did not end
 * well, or that left something behind, ends badly.
 */
#ifndef TG_ENGINE_RUN_H
#define TG_ENGINE_RUN_H

#include "engine/plan.h"

enum tg_run_state {
    TG_RUN_NEW,
    TG_RUN_ACTIVE,
    TG_RUN_PAUSING,  /* starts nothing, what is in flight ends; then PAUSED */
    TG_RUN_PAUSED,   /* nobody at work; resume goes on */
    TG_RUN_HALTING,  /* too many failures: as PAUSING, then ENDED */
    TG_RUN_ABORTING, /* somebody said stop: as PAUSING, then ENDED, for ever (P10) */
    TG_RUN_SETTLING, /* ended, but hosts were lost or things left behind: looks at those again, starts nothing */
    TG_RUN_ENDED,
    TG_RUN_HOLDING,  /* somebody said pause, or a person must look: as PAUSING, then HELD */
    TG_RUN_HELD,     /* nobody at work; only CONTINUE goes on, whoever drives it and however often it changes hands */
    TG_RUN_STATES
};

enum tg_stage_state {
    TG_STAGE_WAITING,
    TG_STAGE_RUNNING,
    TG_STAGE_BAKING,  /* every host verified, or ended */
    TG_STAGE_PROVING, /* baked: verified once more before the locks go */
    TG_STAGE_DONE,
    TG_STAGE_GATED,   /* before it is opened: waits until somebody approves */
    TG_STAGE_STATES
};

enum tg_host_state {
    TG_HOST_WAITING,
    TG_HOST_LOCKING,
    TG_HOST_CHECKING, /* asks the guard, with the token of our own lock */
    TG_HOST_AROUND_LOOKING, /* looks what there is of the step of around that comes next */
    TG_HOST_AROUND,   /* does it */
    TG_HOST_AROUND_WAITING, /* nothing came of it: waits, then looks again */
    TG_HOST_APPLYING,
    TG_HOST_LOOKING,  /* the outcome of its apply is not known: looks for the step on the host */
    TG_HOST_BUSY,     /* the tool was running already: waits, then tries again */
    TG_HOST_VERIFYING,
    TG_HOST_DECIDING, /* there was no verdict: waits, then is verified again */
    TG_HOST_BAKING,   /* verified, locked, waits for the stage's bake to end */
    TG_HOST_PROVING,
    TG_HOST_UNDOING,  /* what was done around it, the last first; then it is unlocked */
    TG_HOST_UNDO_WAITING, /* nothing came of that: waits, then tries again */
    TG_HOST_UNLOCKING,
    TG_HOST_DRY_CHECKING,
    TG_HOST_DRY_RUNNING,
    TG_HOST_TO_RETURN, /* withdrawn, and somebody wants it back: waits for its turn */
    TG_HOST_RETURNING, /* verified before it is brought back */
    /* ends */
    TG_HOST_DONE,
    TG_HOST_FAILED,
    TG_HOST_HELD,
    TG_HOST_UNREACHABLE,
    TG_HOST_UNKNOWN,
    TG_HOST_UNDECIDED, /* changed, and there is no verdict: the run is on hold until somebody has looked, then it is verified once more */
    TG_HOST_LOST,
    TG_HOST_SKIPPED,
    TG_HOST_WITHDRAWN, /* drained and locked, on purpose, until somebody has it returned */
    TG_HOST_RETURNED,  /* was withdrawn, and is in service again */
    TG_HOST_STUCK,    /* ended as host.end says, but its lock, or what was done around it, could not be undone: a leftover */
    TG_HOST_STATES
};

enum tg_run_event_kind {
    /* of the run */
    TG_EV_BEGIN,
    TG_EV_RESUME, /* a driver has taken the seat: whatever was in flight is asked after */
    TG_EV_SEATED, /* the same, of a run that is not to go on now: nothing starts */
    TG_EV_HOLD,   /* pause, by command: for one cause; another may come on top */
    TG_EV_CONTINUE, /* every cause to hold has ended */
    TG_EV_PAUSE,  /* whoever drives wants to leave */
    TG_EV_ABORT,
    TG_EV_OPENED, /* the plan's hours: now open, until until_ms */
    TG_EV_CLOSED, /* now closed, until until_ms */
    TG_EV_GAVE_UP, /* on hold for want of a verdict, and nobody has looked for as long as the plan says */
    /* of a stage */
    TG_EV_BAKED,
    TG_EV_APPROVED, /* somebody approves it; also before it is asked for */
    TG_EV_PACED, /* its next host may start, as far as its rate goes */
    /* of a domain */
    TG_EV_OUTSIDE, /* so many of its hosts are held by others' locks; text: by whom */
    TG_EV_OUTSIDE_GONE, /* so many of its hosts are gone that are not in the plan; text: which */
    /* of a window */
    TG_EV_WINDOW_OPENED, /* who starts before until_ms has the time that he needs */
    TG_EV_WINDOW_CLOSED, /* until until_ms; INT64_MAX: for ever, as far as can be told; TG_WINDOW_UNTOLD. text: what opens then, or why nobody can tell */
    TG_EV_WINDOW_SKIPPED, /* somebody says (by, text) to go on without those of its hosts that wait, as it is not known to open */
    /* of a host */
    TG_EV_LOCKED,
    TG_EV_LOCK_REFUSED, /* nobody may rely on it; what there is of it is unlocked */
    TG_EV_GO,
    TG_EV_NO_GO,        /* the guard said HELD, or UNKNOWN */
    TG_EV_APPLIED,      /* changed, unchanged; for a dry run also would-change */
    TG_EV_BUSY,
    TG_EV_HELD,         /* held or disabled on the host itself */
    TG_EV_FAILED,
    TG_EV_UNPROVEN,     /* it ended, and nothing proves how */
    TG_EV_NOT_SENT,     /* the host was not reached, for certain */
    TG_EV_LOST,         /* the connection ended: the step may be going on */
    TG_EV_ABSENT,       /* looked: the step has never begun */
    TG_EV_RETRY_DUE,
    TG_EV_VERIFIED,
    TG_EV_NOT_VERIFIED,
    TG_EV_INCONCLUSIVE,
    TG_EV_UNLOCKED,
    TG_EV_UNLOCK_FAILED,
    TG_EV_WITHDRAWN,    /* an abort came before the action was begun: it never was */
    TG_EV_RETURN,       /* somebody wants a withdrawn host back */
    /* of a host's step of around */
    TG_EV_FOUND,        /* looked: ours says whether it is in force by our doing */
    TG_EV_MADE,         /* in force, and to be undone */
    TG_EV_LEFT,         /* in force by somebody else: there is nothing to undo */
    TG_EV_AROUND_REFUSED, /* looked, did, undid: the answer was no */
    TG_EV_AROUND_AWAY,  /* nothing was done, for certain */
    TG_EV_AROUND_LOST,  /* nothing proves what was done */
    TG_EV_UNDONE,
    TG_EV_UNDO_KEPT,    /* undone so far as it is not kept on purpose */
    TG_EV_KEEP,         /* of what is in force: its record is another; or it is no more, or nobody can tell: a warning, in text. Nothing follows */
    TG_EV_GONE,         /* its agent is not there any more */
    TG_EV_BACK,         /* it is again */
    TG_EV_EXTERNAL,     /* the number of those above; those below come from inside and are in no journal */
    TG_EV_HALT = TG_EV_EXTERNAL,
    TG_EV_IDLE,         /* run: nothing is in flight any more */
    TG_EV_COMPLETE,     /* run: every stage is done */
    TG_EV_OPEN,         /* stage */
    TG_EV_GATE,         /* stage: it is its turn, and nobody has approved it */
    TG_EV_ALL_VERIFIED, /* stage: no host is before its bake any more */
    TG_EV_ALL_ENDED,    /* stage */
    TG_EV_AGAIN,        /* stage: baked, and hosts wait that those which baked kept out of their domains: it runs, and bakes, once more */
    TG_EV_UNSETTLED,    /* run: ended, and something is to be done on hosts all the same */
    TG_EV_RESUMED,      /* stage, host */
    TG_EV_START,        /* host */
    TG_EV_START_DRY,    /* host */
    TG_EV_UNCLEAR,      /* host: inconclusive, and there is time to try again */
    TG_EV_DOUBT,        /* host: inconclusive, and a person must look */
    TG_EV_RECHECK,      /* host: somebody has */
    TG_EV_SKIP,         /* host: limits leave it no room for good, or its window never comes and somebody has said to go on without it */
    TG_EV_STOP,         /* host: nothing new is to begin */
    TG_EV_BAKE_ENDED,   /* host */
    TG_EV_NO_ROOM,      /* host: LOCKED, and others have taken what room its domain had; LOCKED, GO, and its window has closed */
    TG_EV_AWAY,         /* host: NOT_SENT, and it is to be tried again */
    TG_EV_GO_AROUND,    /* host: GO, and there are steps of around to be done first */
    TG_EV_ALL_MADE,     /* host: MADE, LEFT, and that was the last step */
    TG_EV_ALL_UNDONE,   /* host: UNDONE, or given up, and that was the last */
    TG_EV_ALL_OUT,      /* host: as ALL_MADE, in a run that withdraws hosts */
    TG_EV_BRING,        /* host: its turn to be brought back has come */
    TG_EV_BRING_VOUCHED, /* host: likewise, and somebody vouches for it */
    TG_EV_REOPEN,       /* host: kept out by what is around it, and somebody has looked at that */
    TG_EV_COUNT
};

enum tg_run_action_kind {
    TG_DO_NOTHING,
    TG_DO_LOCK,
    TG_DO_CHECK,
    TG_DO_APPLY,
    TG_DO_LOOK,
    TG_DO_RETRY, /* wait, then RETRY_DUE */
    TG_DO_VERIFY,
    TG_DO_UNLOCK,
    TG_DO_DRY_RUN,
    TG_DO_BAKE,  /* wait until until_ms, then BAKED */
    TG_DO_PACE,  /* likewise, then PACED */
    TG_DO_GIVE_UP, /* likewise, then GAVE_UP */
    TG_DO_ASK,   /* wait until the stage is approved, then APPROVED */
    TG_DO_REST,  /* paused: leave */
    TG_DO_END,
    TG_DO_AROUND_LOOK,
    TG_DO_AROUND,
    TG_DO_UNDO,
    TG_DO_COUNT
};

enum tg_run_end {
    TG_END_NONE,
    TG_END_DONE,
    TG_END_BADLY,
    TG_END_HALTED,
    TG_END_ABORTED,
    TG_RUN_ENDS
};

/* Why a run is on hold; or-ed. */
enum tg_run_cause { TG_CAUSE_COMMAND = 1, TG_CAUSE_SCOPE = 2, TG_CAUSE_VERDICT = 4, TG_CAUSE_AROUND = 8, TG_CAUSES = 15 };
#define TG_CAUSES_TO_LOOK ((unsigned) TG_CAUSE_VERDICT | TG_CAUSE_AROUND) /* the machine's own: somebody must look */

#define TG_RUN_NONE SIZE_MAX      /* "no host", "no stage" */
#define TG_WINDOW_UNTOLD (INT64_MAX - 1) /* a window is closed, and nobody can tell until when: the calendar can't be read */
#define TG_RUN_ATTEMPTS_MAX 20    /* of a host whose tool is busy: with 15 s between them, five minutes, longer than most tools run */
#define TG_RUN_BUSY_MS 15000
#define TG_RUN_AROUND_TRIES 6     /* of a step of around that gives no answer, doubling from 5 s to at most a minute: a restart of a load balancer, not a night */
#define TG_RUN_AROUND_MS 5000
#define TG_RUN_AROUND_MAX_MS 60000
#define TG_RUN_AROUND_STEPS TG_AROUND_MAX
#define TG_RUN_AROUND_ROW 3 /* hosts in a row that one step of around keeps out: one may be wrong itself, and two by chance */

struct tg_run_event {
    enum tg_run_event_kind kind;
    int64_t at_ms;              /* Unix time, never going back within a run: the driver sees to it */
    size_t host;                /* index in plan.hosts, or TG_RUN_NONE */
    size_t stage;               /* BAKED, APPROVED, PACED: index in plan.stages; else TG_RUN_NONE */
    size_t domain;              /* OUTSIDE, OUTSIDE_GONE: index in plan.domains; WINDOW_…: in plan.windows */
    uint32_t count;             /* OUTSIDE, OUTSIDE_GONE */
    enum tg_outcome_kind outcome; /* APPLIED, HELD, FAILED, UNPROVEN */
    int changed;                /* APPLIED: resources; -1 unknown */
    const char *text;           /* one line for people, or NULL; ABORT, HOLD: why */
    const char *lock;           /* LOCKED: its id */
    const char *by;             /* BEGIN, RESUME, SEATED, ABORT, HOLD, CONTINUE, APPROVED, WINDOW_SKIPPED: who */
    int64_t epoch;              /* BEGIN, RESUME, SEATED */
    enum tg_run_cause cause;    /* HOLD */
    int64_t until_ms, date;     /* OPENED, CLOSED: see struct tg_hours_span; WINDOW_…: until_ms */
    int step;                   /* FOUND … NOT_KEPT: index in plan.around */
    bool ours;                  /* FOUND */
    bool vouched;               /* RETURN: by who wants it, who has looked: it is not verified first */
    const char *record;         /* FOUND … UNDO_KEPT: what the module wants to be told next time; NULL: as it was */
};

struct tg_run_action {
    enum tg_run_action_kind kind;
    size_t host, stage;         /* or TG_RUN_NONE */
    int attempt;                /* APPLY, LOOK: part of the step's id */
    int step;                   /* AROUND_LOOK, AROUND, UNDO: index in plan.around */
    int64_t until_ms;           /* RETRY, BAKE, PACE, GIVE_UP */
};

/* Actions of a step, in order. The array is the list's own and reused: set n to 0 between steps, release at the end. */
struct tg_run_actions {
    struct tg_run_action *items;
    size_t n, cap;
};
void tg_run_actions_release(struct tg_run_actions *actions);

struct tg_run_host {
    enum tg_host_state state;
    enum tg_host_state end;     /* UNLOCKING, STUCK: how it ended. WAITING: not begun */
    size_t stage;
    int attempt;                /* of applying, from 1 */
    int begun;                  /* how often it was started: names its lock */
    uint16_t away;                   /* how often it, or what a step of around talks to, was not reached in a row, and is tried again */
    uint16_t left;              /* steps of around that were so already, by others, when it was done last: they stay so */
    enum tg_outcome_kind outcome;
    int changed;
    uint16_t step;              /* of around that is being done, or undone; plan.n_around: all are in force. 0: the plan has none */
    uint16_t made;              /* a bit for each step of around that is in force by our doing, or may be */
    char *lock;                 /* id; NULL when none is known */
    char *text;                 /* why it did not end well, or NULL */
    int64_t started_ms, ended_ms;
    int64_t since_ms;           /* of being verified, until there is a verdict */
    bool looked;                /* it was undecided once, and somebody has looked; TO_RETURN: somebody vouches for it */
    bool gone;                  /* it had an agent once, and has none now */
    bool shut;                  /* HELD, or about to be: by a step of around, and untouched */
    bool reopened;              /* it was, and is tried once more, since somebody has looked at that */
    uint16_t stuck;             /* STUCK, UNDOING, UNLOCKING: steps that could not be undone; 1: the lock */
    uint16_t kept;              /* steps that were kept on purpose */
    uint16_t unkept;            /* steps that are in force, and yet are not, or may not be, as was last told: somebody has taken them back, or nobody can tell */
    char *records;              /* of the steps that are in none but the first state: a line each, from step 1 on; NULL: none */
};

struct tg_run_stage {
    enum tg_stage_state state;
    size_t counts[TG_HOST_STATES];
    size_t failures, unreachable; /* as the run's */
    size_t stuck_done;          /* of counts[STUCK]: those whose end is DONE */
    size_t returning;           /* of counts[UNLOCKING]: those that wait again after it, or are undecided */
    size_t next;                /* those before this one that wait are in queues (run_queue.c) */
    uint32_t ready;             /* queue: may be tried; TG_RUN_NOBODY none */
    size_t parked, kept_out;    /* hosts that wait in queues of domains, of windows */
    int64_t wake_ms;            /* nobody in these has his moment of a window before; 0: not known */
    bool baked, approved;
    char *approved_by;          /* NULL until then */
    int64_t next_us;            /* its next host may start then, as far as its rate goes */
    int64_t paced_ms;           /* until when that is waited for; 0 it is not */
    int64_t bake_until_ms, started_ms, ended_ms;
};

/* A domain of the plan, as it is now; or one of its windows. */
#define TG_RUN_NOBODY UINT32_MAX
struct tg_run_domain {
    uint32_t down;              /* of this run */
    uint32_t gone;              /* of the plan's, and not down by this run */
    uint32_t outside;           /* held by others, as was last told: down as well */
    char *whose;                /* and by whom; NULL: nothing was told */
    uint32_t outside_gone;      /* gone, and not of the plan, as was last told */
    char *who_gone;             /* and which; NULL: nothing was told */
    struct tg_run_line {        /* hosts that found it full when it was their turn: */
        uint32_t first, n;      /* queue */
        bool represented;       /* the first of them is among the ready ones, to be tried in its turn: */
        uint32_t representative;
    } lines[2];                 /* those that would come on top of who is down, or wait for a window; those that are gone, and counted already */
    bool open;                  /* of a window, all of these: what was told last; at first it is closed */
    int64_t since_ms, until_ms; /* 0: nothing was told */
    char *why;                  /* NULL: nothing was said */
};

struct tg_run {
    const struct tg_plan *plan; /* borrowed */
    enum tg_run_state state;
    bool aborted, halted;       /* for ever */
    char *why;                  /* of halt or abort, for people */
    char *by;                   /* of abort */
    unsigned causes;            /* HOLDING, HELD: enum tg_run_cause, or-ed */
    int64_t holds;              /* how often it was held: who says "go on" names the one that he has seen */
    int64_t give_up_ms;         /* HOLDING, HELD for a verdict: it halts then; 0: never */
    size_t in_row;              /* hosts that a step of around kept out, one behind another, without one that it let through */
    uint16_t row_step;          /* which */
    char *hold_why, *hold_by;   /* of the last cause; NULL when it is not held, hold_by also when the machine itself holds */
    int64_t epoch;              /* of the last BEGIN or RESUME */
    int64_t started_ms, last_ms;
    bool open;                  /* the plan's hours, as told last */
    int64_t hours_until_ms;     /* when that ends; 0: nothing was told */
    int64_t date, day;          /* date that they opened on last; how many dates so far: days of work */
    size_t stage;               /* current; plan.n_stages when all are done */
    struct tg_run_stage *stages;
    struct tg_run_host *hosts;
    struct tg_run_domain *domains; /* as plan.domains, and behind them as plan.windows */
    struct tg_run_link *links;  /* of hosts that wait in a queue */
    uint16_t drains;            /* steps of around that take a host out of service */
    size_t bring;               /* nobody before this one is TO_RETURN */
    size_t in_work;             /* counted by limits.running; with totals[VERIFYING], by limits.unverified */
    size_t in_flight;           /* neither waiting nor ended */
    size_t totals[TG_HOST_STATES];
    size_t failures, unreachable; /* hosts that count as such: see above; those that are stuck as they ended */
};

int tg_run_new(const struct tg_plan *plan, struct tg_run **out, struct tg_error *e);
void tg_run_free(struct tg_run *run);
/*
 * One event. Actions are appended to out. TG_E_DATA: the event does not fit the state (the run is unchanged): a journal that says
 * this is garbled. TG_E_MEMORY: the run must not be used any more.
 */
int tg_run_step(struct tg_run *run, const struct tg_run_event *event, struct tg_run_actions *out, struct tg_error *e);

/* Failures that have counted so far, and how many are borne: one more halts. */
size_t tg_run_failures(const struct tg_run *run);
int64_t tg_run_failures_max(const struct tg_run *run);
/* Changed, and not known to be well or not: with in_work, what limits.unverified counts. */
size_t tg_run_without_verdict(const struct tg_run *run);
/* These, and those that are verified and on their way back into service: what limits.unverified counts besides those at work. */
size_t tg_run_not_back(const struct tg_run *run);
/* Hosts that ended well, STUCK ones included. */
size_t tg_run_done(const struct tg_run *run);
/* On hold since somebody must look, and for nothing else. */
bool tg_run_is_to_be_looked_at(const struct tg_run *run);
/* NONE before the end. */
enum tg_run_end tg_run_end(const struct tg_run *run);
/* May hold something of ours: lost hosts, and those of which something could not be undone. */
size_t tg_run_leftovers(const struct tg_run *run);
bool tg_host_state_is_end(enum tg_host_state state);
/* Counted by limits.running: may disturb the host. A lost host is one of them: its change may still be going on. */
bool tg_host_state_is_work(enum tg_host_state state);

/* What keeps the current stage's next host from starting, as a bit each; 0 nothing, or nobody waits. */
enum tg_run_brake { TG_BRAKE_RUNNING = 1, TG_BRAKE_UNVERIFIED = 2, TG_BRAKE_RATE = 4, TG_BRAKE_DOMAIN = 8 /* each that waits is in a full domain */,
                    TG_BRAKE_APPROVAL = 16, TG_BRAKE_HOURS = 32, TG_BRAKE_DAY = 64,
                    TG_BRAKE_WINDOW = 128 /* likewise, has a closed window, or not yet his moment of it */ };
unsigned tg_run_brakes(const struct tg_run *run, int64_t now_ms);
/* The first domain from *at on that keeps somebody waiting, and how many; false behind the last. Begin with *at = 0. */
bool tg_run_full_domain(const struct tg_run *run, size_t *at, size_t *out_domain, size_t *out_waiting);
/* The first window from *at on that keeps somebody waiting, and how many; false behind the last. */
bool tg_run_closed_window(const struct tg_run *run, size_t *at, size_t *out_window, size_t *out_waiting);
/* Closed, and as far as can be told it never opens. */
bool tg_run_window_never_comes(const struct tg_run *run, size_t window);
/* Whether anybody may start by it: its stage has come, and not all of its hosts have ended. Only then it need be told. */
bool tg_run_wants_window(const struct tg_run *run, size_t window);
/* A window, as it is now. */
const struct tg_run_domain *tg_run_window(const struct tg_run *run, size_t window);
/* Down in a domain, each once: of this run, gone, and others'. */
uint64_t tg_run_domain_down(const struct tg_run_domain *domain);
/* Down by this run's doing, as limits.domains and limits.floor count; who is gone is so without it. */
bool tg_run_is_down(const struct tg_run *run, const struct tg_run_host *host);

/*
 * The plan's hours, for whoever drives a run: from tg_run_hours_due_ms() on, which is INT64_MAX when there is nothing to tell, tg_run_hours_event() makes the event
 * that the run is to be fed. hours: tg_hours_at(), or what a test has in its place. TG_E_DATA, TG_E_CONFIG: the zone can't be had.
 */
typedef int (*tg_hours_fn)(const struct tg_hours *hours, int64_t wall_ms, struct tg_hours_span *out, struct tg_error *e);
int64_t tg_run_hours_due_ms(const struct tg_run *run);
int tg_run_hours_event(const struct tg_run *run, tg_hours_fn hours, int64_t now_ms, struct tg_run_event *out, struct tg_error *e);

/* Words for journal and screen; the parsers give TG_E_DATA. */
const char *tg_run_state_name(enum tg_run_state state);
const char *tg_stage_state_name(enum tg_stage_state state);
const char *tg_host_state_name(enum tg_host_state state);
const char *tg_run_event_name(enum tg_run_event_kind kind);
/* What an event from outside is about. */
enum tg_run_subject { TG_OF_RUN, TG_OF_STAGE, TG_OF_DOMAIN, TG_OF_WINDOW, TG_OF_HOST };
enum tg_run_subject tg_run_event_subject(enum tg_run_event_kind kind);
/* Is it about a step of around? */
bool tg_run_action_has_step(enum tg_run_action_kind kind);
const char *tg_run_action_name(enum tg_run_action_kind kind);
const char *tg_run_end_name(enum tg_run_end end);

/* The record of a step of around, copied; "" when there is none. */
void tg_run_record(const struct tg_run_host *host, int step, char *out, size_t size);
/* Did it not end well, by what is known of it? */
bool tg_run_host_failed(const struct tg_run_host *host);
/* Steps of around (bits; 1: the lock) that are in force on a host by the run's doing, or may be, or are kept there: what somebody mends by hand when nobody
 * drives the run any more. */
unsigned tg_run_in_force(const struct tg_run_host *host);

/* One line of the journal: an event, or the intent to act. New reference; n is its number in the journal. */
json_t *tg_run_event_to_json(const struct tg_run *run, const struct tg_run_event *event, int64_t n);
json_t *tg_run_action_to_json(const struct tg_run *run, const struct tg_run_action *action, int64_t at_ms, int64_t n);
/*
 * Reads a line back into whichever it is: *out_is_event says. Strings in out_event are borrowed from json. Checked against the plan
 * (a host's name must be that of its number). TG_E_DATA with the reason.
 */
int tg_run_line_from_json(const struct tg_run *run, const json_t *json, int64_t n, bool *out_is_event, struct tg_run_event *out_event,
                          struct tg_run_action *out_action, struct tg_error *e);

/*
 * Replay: feeds one line after another to a new run. Intents are compared with what the machine itself wants to do, so that a
 * journal which was cut, edited or written by another logic is refused, not acted on. Intents that the journal does not have (the
 * driver died between two writes) are fine: RESUME asks after whatever was in flight.
 */
struct tg_replay {
    struct tg_run *run; /* borrowed */
    struct tg_run_actions wanted;
    size_t compared;    /* of wanted */
    int64_t lines;
};
int tg_replay_line(struct tg_replay *replay, const json_t *line, struct tg_error *e);
void tg_replay_release(struct tg_replay *replay);

/* The tables, for the test that they are complete. */
enum tg_pair { TG_PAIR_NONE, TG_PAIR_RULE, TG_PAIR_IGNORED, TG_PAIR_IMPOSSIBLE };
struct tg_host_rule {
    enum tg_host_state state;
    enum tg_run_event_kind event;
    struct {
        enum tg_host_state next, end; /* end: for next == UNLOCKING */
        enum tg_run_action_kind action;
    } active, stopping;
};
struct tg_run_rule {
    enum tg_run_state state;
    enum tg_run_event_kind event;
    enum tg_run_state next;
    unsigned what; /* enum tg_run_what, or-ed */
};
struct tg_stage_rule {
    enum tg_stage_state state;
    enum tg_run_event_kind event;
    enum tg_stage_state next;
    enum tg_run_action_kind action;
};
enum tg_run_what {
    TG_RUN_SAY_STOP = 1,    /* hosts are told that nothing new is to begin */
    TG_RUN_SAY_RESUMED = 2, /* hosts and stages are asked after */
    TG_RUN_SAY_REST = 4,
    TG_RUN_SAY_END = 8,
    TG_RUN_MARK_HALTED = 16,
    TG_RUN_MARK_ABORTED = 32,
    TG_RUN_SAY_GO_ON = 64   /* stages are asked after; hosts are at what they were at */
};
/* The rule of a pair, or NULL; *out_pair says how the tables list it. */
const struct tg_run_rule *tg_run_rule_find(enum tg_run_state state, enum tg_run_event_kind event, enum tg_pair *out_pair);
const struct tg_stage_rule *tg_stage_rule_find(enum tg_stage_state state, enum tg_run_event_kind event, enum tg_pair *out_pair);
const struct tg_host_rule *tg_host_rule_find(enum tg_host_state state, enum tg_run_event_kind event, enum tg_pair *out_pair);

#endif
