/* A seed's run: what sim.c (the driver and its troubles) and sim_follow.c (what follows from its end) share. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "world.h"

#define WAIT_MS 2000
#define ROUNDS_MAX 400
#define DAYS_MAX 2 /* on the virtual clock: a run takes minutes */
#define COMMITS_MAX 20000
#define HOSTS_MAX 32 /* of a plan */
#define WALL_START INT64_C(1795356000000)

struct sim {
    uint64_t seed;
    struct rng rng;
    char memory[40], url[60];
    struct tg_loop *loop;
    struct tg_plan *plan;
    const struct sim_site *site; /* NULL: no windows */
    struct world world;
    struct tg_store *store, *admin;
    char id[TG_RUN_ID_SIZE];
    unsigned crash_percent, steal_percent, fault_percent;
    unsigned commits, abort_at;  /* the abort comes around this commit; 0 never */
    unsigned pause_percent;
    bool run_paused, fleet_paused;
    unsigned pauses;
    volatile sig_atomic_t stops;
    unsigned rounds, crashes, steals, folds;
    size_t fold_bytes;           /* lines of at most so many are folded; 0: as the journal has it, never here */
    const struct tg_run *run;    /* of the driver */
    bool died, calm;             /* calm: no more troubles, so that it can come to an end */
    bool returning;              /* whoever drives wants all that is withdrawn back */
    bool vouched;
};

/* Ends the program when rc is not 0: a trouble of the simulation itself. */
void must(struct sim *s, int rc, const struct tg_error *e, const char *what);
/* Somebody takes back what was paused. */
void resume_it(struct sim *s, int64_t hold);
/* Until the run has ended and nothing is left over: at first with troubles, then without. */
void drive_to_the_end(struct sim *s);
/* What the journal says, against what is true. */
void judge(struct sim *s);

/* Behind a run: undoes what it has changed, or takes that out of service and brings it back; each judged. */
void roll_back(struct sim *s);
void withdraw(struct sim *s);

#endif
