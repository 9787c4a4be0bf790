/*
 * What a run holds: its locks, one on each host in work, and what the guard says of a host. Between the engine and guard/, in plain types. All
 * of it blocks (it pumps the loop), top level only.
 *
 * A lock's request id is made of the run, the host and how often the host was begun: a driver that resumes a run finds the lock that one before
 * it took, whether or not that one lived to write it down (P7, P8).
 */
#ifndef TG_ENGINE_HOLDS_H
#define TG_ENGINE_HOLDS_H

#include "engine/others.h"

#include <tagout/store.h>

struct tg_holds;
struct tg_inventory;

struct tg_holds_options {
    struct tg_store *store;
    const struct tg_inventory *inventory; /* may be NULL */
    const char *state_dir;                /* may be NULL */
    int64_t wait_ms;                      /* of each exchange with the store */
    const char *run, *owner, *reason;
    const char *token;                    /* the run's own: who bears it passes its locks */
    const char *tokens;                   /* that one, and those which the operator gave, separated by commas */
    char *const *hold;                    /* actors; none: all */
    size_t n_hold;
};

#define TG_HOLD_ID_SIZE 17

/* Strings are copied, the rest is borrowed. */
int tg_holds_new(const struct tg_holds_options *options, struct tg_holds **out, struct tg_error *e);
/* A token for tg_holds_options.token: random, 52 characters. */
int tg_holds_token(char out[65], struct tg_error *e);
/* Releases no locks. */
void tg_holds_free(struct tg_holds *holds);

/*
 * Places the lock on a host, or finds it: from then on nobody that it holds starts there. begun: how often the host was begun. 0 with the
 * lock's id; then tg_hold_quiet() until it is. Codes that end a drive: SESSION, LOST, TIMEOUT, CANCELLED; others are this host's: nothing was placed.
 */
int tg_hold_place(struct tg_holds *holds, size_t host, const char *name, int begun, int64_t for_ms, char out_id[TG_HOLD_ID_SIZE], int64_t *out_txid,
                  struct tg_error *e);
/*
 * Counts what others hold; before_txid: only locks that were placed before that one of ours (0: all). Called behind the placing of a lock it misses
 * none of those: of two runs that lock at one moment, one sees the other's lock, and it is the later one.
 */
int tg_hold_count_others(struct tg_holds *holds, struct tg_others *others, const struct tg_run *run, int64_t before_txid, struct tg_error *e);
/* How long to wait before that, so that hosts which start close together are counted for by one look at all locks; 0: not at all. */
int64_t tg_hold_count_wait_ms(const struct tg_holds *holds, int64_t before_txid);
/* Looks who is gone (guard/gone.h). */
int tg_hold_look_gone(struct tg_holds *holds, struct tg_gone *gone, struct tg_error *e);
/* 1 when nobody whom the lock holds is at work any more (it is confirmed then), 0 with whom it waits for in text. */
int tg_hold_quiet(struct tg_holds *holds, size_t host, char *text, size_t size, struct tg_error *e);
/* Releases the host's lock, whoever placed it; one that is not there is released. */
int tg_hold_release(struct tg_holds *holds, size_t host, const char *name, int begun, const char *id, struct tg_error *e);

/* The lock of a host that was placed lasts for_ms from now on. TG_E_NOENT, TG_E_PERM: it is not there, or not ours. */
int tg_hold_extend(struct tg_holds *holds, const char *id, int64_t for_ms, struct tg_error *e);

/* 1 when a lock of somebody else's on the host is passed by the tokens that were given, 0 when there is none. */
int tg_hold_passes(struct tg_holds *holds, const char *name, struct tg_error *e);

enum tg_hold_answer { TG_HOLD_GO, TG_HOLD_HELD, TG_HOLD_UNKNOWN };
/* May config management act on this host now, bearing the tokens? text says why not; *out_code: of an UNKNOWN, what kept it from being known. */
enum tg_hold_answer tg_hold_ask(struct tg_holds *holds, const char *name, char *text, size_t size, int *out_code);

#endif
