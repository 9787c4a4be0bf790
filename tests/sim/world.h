/*
 * A simulated fleet behind struct tg_drive_ports, on a virtual loop: each host remembers its steps as the bare script does (started at most
 * once, fenced by epoch), answers after a while, loses connections, is away, busy, broken, as its script and the seed say. It outlives drivers.
 * It judges: every promise that it can see broken is reported with world_violation().
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "engine/drive.h"
#include "engine/holds.h"
#include "engine/windows.h"

#include <stdio.h>

#define STEPS_MAX 64 /* attempts of one host */

struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *r);
/* 0 … n-1 */
uint64_t rng_below(struct rng *r, uint64_t n);
/* true in percent of all cases */
bool rng_chance(struct rng *r, unsigned percent);

enum step_state { STEP_ABSENT, STEP_RUNNING, STEP_ENDED };
struct step_record {
    enum step_state state;
    enum tg_run_event_kind end;
    int64_t ends_ms;
};

struct host_script {
    unsigned lose_percent;      /* connections that break after the step was sent */
    unsigned away_percent;      /* connections that are never made */
    int busy;                   /* attempts that find the tool running */
    enum tg_run_event_kind end; /* APPLIED, FAILED, UNPROVEN, HELD */
    enum tg_run_event_kind lock, guard, verify, dry;
    int unclear;                /* verifications until an inconclusive one is another: unclear_then; 0 never */
    enum tg_run_event_kind unclear_then;
    unsigned unlock_fails_percent;
    unsigned around_loses_percent, around_away_percent, refuse_percent, undo_fails_percent; /* of what is done around a host */
    bool keeps;                 /* the last step is kept when the host did not end well */
    int64_t lasts_ms, verdict_ms; /* verdict_ms: at most, of each verification */
};

/* A step of around of one host, as it is out there. */
#define STEPS_AROUND_MAX 4
enum force { FREE, OURS, THEIRS, KEPT };
struct sim_around {
    enum force force;
    bool tried;                 /* to undo it, since it was done last; or so often in vain that it may be given up */
    int in_vain;
    bool left;                  /* the journal says that it is theirs */
};

struct sim_host {
    struct host_script script;
    struct sim_around around[STEPS_AROUND_MAX];
    struct step_record steps[STEPS_MAX];
    int changed;                /* how often it was */
    bool locked, verified, judged; /* judged: verified or not, there was a verdict */
    int64_t first_ms, last_ms;  /* its first and its last start, by the journal; 0 none */
    bool start_too_late;        /* an intent to start it was committed after the abort */
    int64_t epoch;              /* highest seen */
    enum tg_run_action_kind intent; /* the last one that the journal has */
    int sent;                   /* attempt that was sent, and of which nobody knows that it never arrived; 0 none */
    bool strayed;               /* it was lost once, or its lock would not go: it may come back in another stage's time */
    int64_t verified_ms;        /* its first good verdict; 0 none */
    uint32_t told[4], told_gone[4]; /* of each limit: how many others were said to hold, or to be gone, of its domain, when it was locked last */
    bool refused;               /* its lock, or the guard, once: by what is in the store */
    int bob;                    /* how often somebody else has locked it; negative: he has let it go again */
    bool may_be_free;           /* its lock was asked to go, and no answer came */
    bool bob_then;              /* he had it locked when it was asked whether it may come back */
    bool vouched;               /* somebody has looked, and wants it back unverified */
    bool gone;                  /* its agent is not there */
    uint64_t gone_then;         /* when it was locked last: hosts that were gone, a bit each */
};

struct sim_task;

/* A calendar whose windows open each minute, for so long, laid over hosts h0, h1, … */
#define WORLD_WINDOW_S 20
struct sim_site {
    size_t n_rules, n_hosts;
    struct tg_calendar *calendar;
    struct tg_inventory *inventory;
    struct tg_agenda *agenda;
};
/* NULL: memory. Lives until sim_sites_close(). */
const struct sim_site *sim_site(size_t n_rules, size_t n_hosts, struct tg_error *e);
void sim_sites_close(void);

struct world {
    struct rng rng;
    struct tg_loop *loop;
    const struct tg_plan *plan;
    struct sim_host *hosts;
    struct tg_drive *drive;     /* whom to answer; NULL between drivers */
    int64_t epoch;              /* of that driver */
    const struct tg_run *run;   /* of that driver; NULL between drivers */
    uint32_t *outside;          /* hosts of each domain that others hold */
    uint32_t *outside_gone;     /* hosts of each that are gone, and not in the plan */
    int64_t outside_ms;         /* when that changed last */
    const struct sim_site *site;
    struct tg_windows *windows; /* NULL: the plan has none */
    struct tg_window_says *told; /* of each window, what the driver was told last */
    bool *is_open;              /* of each, by the journal */
    int64_t look_ms;
    struct sim_task *tasks;
    int64_t seated, seated_lines; /* the newest epoch that took the seat, and how long the journal was then */
    bool healed;                /* everything answers, nothing is lost: for the end */
    bool aborted;               /* the abort is in the store */
    bool approved[8];           /* a stage is, in the store */
    bool paused;                /* a pause is, of the run or of the fleet */
    bool dead;                  /* what step 1 of around talks to gives no answer, to nobody, since the run began */
    unsigned looks;             /* how often a person has looked at that, */
    bool mended;                /* and mended it */
    struct tg_holds *holds;     /* of that driver: locks are real ones, in the store; NULL: they are what the scripts say */
    struct tg_holds *bob;       /* somebody else's; NULL likewise */
    const struct world *under;  /* of a run that mends: whoever has its hosts out of service */
    const struct world *over;   /* and the other way round, while there is such a run */
    bool verbose;
    size_t starts_after_abort;
    unsigned violations;
    struct tg_drive_ports ports;
};

int world_init(struct world *w, uint64_t seed, struct tg_loop *loop, const struct tg_plan *plan);
void world_release(struct world *w);
/* Everything that was still on its way to hosts arrives; steps end. */
void world_settle(struct world *w);
void world_violation(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* From on_line of the drive. */
void world_line(struct world *w, const struct tg_run *run, const json_t *line);
/* world_others.c: who else is down. Comes and goes; the driver hears of it now and then, and before it hears that a host is locked. */
int world_others_init(struct world *w);
void world_others_turn(struct world *w, struct tg_drive *drive, int64_t now_ms);
void world_others_locked(struct world *w, struct tg_drive *drive, size_t host);
/* world_paces.c. Whether hosts of a stage started no faster than they were to: P5. */
void world_judge_rates(struct world *w);
/* Hours of days that last less than a second, for tg_drive_options.hours: from_min says which, the rest of the hours is for show. */
#define WORLD_DAYS_MAX 20
int world_hours(const struct tg_hours *hours, int64_t wall_ms, struct tg_hours_span *out, struct tg_error *e);
/* Whether hosts started only within the plan's hours, and not before their stage's day of those since from_ms: P5. */
void world_judge_hours(struct world *w, int64_t from_ms);
/* Whether each bake was waited for: P5. */
void world_judge_bakes(struct world *w);
/* Whether no more have failed, or are not reached, than may, now that one starts: P5. */
void world_judge_bounds(struct world *w, const struct tg_run *run);
size_t world_running(const struct world *w);
/* world_windows.c: the windows of a plan. begin: a driver takes over the run as it is. refuse: a host is not to be disturbed now, and the driver is told so. */
int world_windows_open(struct world *w, const struct sim_site *site, struct tg_error *e);
void world_windows_close(struct world *w);
void world_windows_begin(struct world *w, const struct tg_run *run);
void world_windows_look(struct world *w, struct tg_drive *drive);
bool world_windows_refuse(struct world *w, struct tg_drive *drive, size_t host);
void world_windows_line(struct world *w, const json_t *line);
/* Whether a host that is changed now is in its window, with the time that it needs: P5. */
void world_judge_window(struct world *w, size_t host);
/* Whether what was done around a host is undone in the end: P8. */
void world_judge_around(struct world *w, const struct tg_run *run);
/* world_locks.c: locks that are real. open: of a driver that begins, of the run and with the tokens given; bob: of somebody who locks hosts now and then. */
struct sim_tokens {
    char own[8], all[40];
};
int world_locks_open(struct world *w, struct tg_store *store, const char *id, const struct sim_tokens *tokens, struct tg_error *e);
void world_locks_close(struct world *w);
int world_bob_open(struct world *w, struct tg_store *store, struct tg_error *e);
/* He lets all of them go. */
int world_bob_leaves(struct world *w, struct tg_error *e);
int world_bob_turn(struct world *w, struct tg_error *e);
bool world_bob_holds(const struct world *w, size_t host);
/* Is it such an action? Then it is carried out, at top level. Codes end the drive. lock: its id. */
bool world_locks_does(const struct world *w, enum tg_run_action_kind kind);
int world_locks_begin(struct world *w, const struct tg_run_action *action, struct tg_run_event *answer, char lock[TG_HOLD_ID_SIZE], struct tg_error *e);
/* Which host of another world it is; NULL: none, or there is no such world. */
const struct sim_host *world_host_of(const struct world *other, const struct world *w, size_t host);
/* Of a run that mends: whether the host is in service. P5 */
void world_judge_out(struct world *w, size_t host, const char *what);
/* Of a host that is brought back: whether somebody else has it. P5 */
void world_judge_back(struct world *w, size_t host);
/* Before a lock goes: nothing runs, and all is undone. P8 */
void world_judge_unlocking(struct world *w, size_t host);
/* world_around.c: what is done around hosts. Each sets the answer, and says how long it takes. */
bool world_around_forgets(struct world *w, const struct tg_run_action *action, struct tg_run_event *answer);
int64_t world_around_arrives(struct world *w, const struct tg_run_action *action, struct tg_run_event *answer);
void world_around_line(struct world *w, const json_t *line, size_t host);
void world_around_begins(struct world *w, const struct tg_run_action *action);
/* Whether no more are down in the domains of a host than may be, now that it is: P5. */
void world_judge_domains(struct world *w, size_t host);
/* Whether what is dead has kept out no more hosts than it takes to see that. */
void world_judge_dead(struct world *w, const struct tg_run *run);
/* Before a change, and before the lock goes. */
void world_judge_change(struct world *w, size_t host);
void world_judge_unlock(struct world *w, size_t host);
/* What the run below has drained of a host is others' for the one that mends it. */
void world_around_meet(struct world *w, size_t host);
bool world_is_drained(const struct world *w, size_t host);
void world_around_script(struct world *w, struct sim_host *h, unsigned trouble);

#endif
