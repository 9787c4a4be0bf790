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

/* Hosts that are wanted back. */
struct sim_wish {
    bool wanted;
    bool who[HOSTS_MAX];         /* by their number */
    bool vouched;
};

struct sim {
    uint64_t seed;
    struct rng rng;
    char memory[40], url[60];
    struct tg_loop *loop;
    struct tg_plan *plan;
    const struct sim_site *site; /* NULL: no windows */
    struct world *world;
    struct sim_tokens tokens;    /* of the run, when its locks are real */
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
    struct sim_wish wish;
    const char *mends;           /* the withdrawal whose seat the driver has meanwhile, or NULL */
    struct sim_side *below;      /* and all that belongs to it */
    unsigned mended;             /* how many runs have, so far */
};

/* Ends the program when rc is not 0: a trouble of the simulation itself. */
void must(struct sim *s, int rc, const struct tg_error *e, const char *what);
/* Somebody takes back what was paused. */
void resume_it(struct sim *s, int64_t hold);
/* One driver, from taking the seat to its end. True: the run has ended and left nothing; false: there is more to do. */
bool drive_once(struct sim *s);
/* Until the run has ended and nothing is left over: at first with troubles, then without. */
void drive_to_the_end(struct sim *s);
/* What the journal says, against what is true. */
void judge(struct sim *s);

/* Behind a run: undoes what it has changed, or takes that out of service and brings it back; each judged. */
void roll_back(struct sim *s);
void withdraw(struct sim *s);

/* sim_follow.c: a run as it is in the store. */
struct sim_loaded {
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
};
void load(struct sim *s, const char *id, struct sim_loaded *out);
void unload(struct sim_loaded *l);
/* A run of that id, and the tokens, of a plan; whichever world was there stays as it is. */
void begin_next(struct sim *s, const struct tg_plan *next, const char *id, const struct sim_tokens *tokens);
/* The same fleet, for a run of that plan. */
void open_world(struct sim *s, struct tg_plan *next);
/* Nobody holds anything any more. */
void resume_all(struct sim *s);
/* Those that are out of service by the run are, and are told of; the others are not. P2, P8, P12 */
void judge_withdrawn(struct sim *s);

/* sim_plan.c */
struct tg_plan *random_plan(struct sim *s);

/* sim_mend.c: something better for hosts that first_id has out of service, in the midst of which some may be brought back; and behind it those that are well are. */
void mend(struct sim *s, const char *first_id);
/* Somebody brings some of those back that are to be mended, or goes on with that. */
void return_some(struct sim *s);

#endif
