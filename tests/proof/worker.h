/*
 * One process of the proof: a locker, an actor or a checker, which does at random what people and automation do, with the real
 * recipes, and notes what it does. See README.md for the log; run starts and torments them.
 *
 *   proof_worker ROLE SLOT NUMBER FOLDER URL SEED
 *
 * ROLE is locker, actor (works through the keeper), quick (acts itself, within its deadline) or checker; holder and asker are as quick and
 * checker, but go by a host's agent. SLOT names the log and the
 * host whose mark it keeps (FOLDER/logs/SLOT, FOLDER/state/SLOT); NUMBER is its place in the control file. PROOF_TAGOUT and
 * PROOF_ACT are the programs of keeper and command.
 */
#ifndef TESTS_PROOF_WORKER_H
#define TESTS_PROOF_WORKER_H

#include "guard/permit.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_MS 3000
#define EXCHANGE_MS 2500 /* each exchange with the store: so that a worker is soon back from a store that is away */
#define SLOTS 56
#define N_FLAGS 64

/* FOLDER/control, shared with run: bytes that it sets. */
struct control {
    volatile unsigned char stop;  /* come to an end: release what is held, and leave */
    volatile unsigned char quiet; /* 1: lockers begin nothing; 2: nobody does */
    volatile unsigned char resting[N_FLAGS - 3]; /* by number: it has nothing in hand, and begins nothing */
    volatile unsigned char want_long;            /* the next command of an actor is to outlast a session */
    volatile int64_t clock_ms[SLOTS]; /* how far each worker's wall clock is off */
};

struct worker {
    const char *slot, *folder, *url;
    struct control *control;
    long number;
    struct tg_loop *loop;
    struct tg_inventory *inventory;
    struct tg_guard guard; /* store NULL: not open */
    char state_dir[512], log_path[512];
    int log;
    uint64_t dice;
    long serial;        /* of permits and questions */
    int64_t long_us;    /* when its last long command began */
    int uses;           /* of the store since it was opened */
};

/* --- the log: one line, one write; what was written survives kill -9 --- */

/* Microseconds of the house's monotonic clock. */
int64_t now_us(void);
void note(struct worker *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "fleet,host:web1.example.com" */
void scopes_text(const struct tg_scopes *scopes, char *out, size_t size);

/* --- chance: from the seed, so that a worker does the same again as far as the others let it --- */

unsigned roll(struct worker *w, unsigned below);
bool chance(struct worker *w, unsigned percent);
/* One or two scopes. inventory NULL: of a host that does not know its groups, by its short name. Consumed by tg_scopes_release(). */
void choose_scopes(struct worker *w, bool locking, const struct tg_inventory *inventory, struct tg_scopes *out);
const char *choose_actor(struct worker *w);

/* --- the store --- */

/* Opens when it is not, and waits until it is connected; false when told to stop. */
bool be_open(struct worker *w);
void be_closed(struct worker *w);
/* After a failure: what may be over is closed, and what is hurried waits a little. */
void after(struct worker *w, int code);
void rest_ms(struct worker *w, unsigned ms);
/* While control wants quiet of this level: nothing in hand, nothing begun. */
void be_quiet(struct worker *w, unsigned char level);

/* --- what they do, until control says stop --- */

void be_locker(struct worker *w);
void be_actor(struct worker *w, bool quick);
void be_checker(struct worker *w);
/* Through the socket of the agent whose number ends the slot. permits: takes them, and acts; else it only asks. */
void ask_agent(struct worker *w, bool permits);

#endif
