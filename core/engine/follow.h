/*
 * Following a run that another process drives, or none: its machine, kept as it is in the store. Three nodes are watched whatever its size: the
 * journal's head, the lease, the control; records are read when these say that there is something new.
 *
 * It blocks (it pumps the loop), top level only. It only reads.
 */
#ifndef TG_ENGINE_FOLLOW_H
#define TG_ENGINE_FOLLOW_H

#include "engine/journal.h"

/* How often at most the journal is read on: a busy driver commits hundreds of times a second. */
#define TG_FOLLOW_LEAST_MS 100

struct tg_follow_options {
    struct tg_store *store;     /* borrowed */
    const char *id;             /* copied */
    int64_t wait_ms;            /* greatest wait for one answer of the store */
    tg_journal_line_fn on_line; /* what was written since; may be NULL */
    void *data;
};

struct tg_follow {
    struct tg_follow_options o;
    struct tg_journal *journal; /* owned, as plan and run: replaced when they are loaded again, so look them up after each turn */
    struct tg_plan *plan;
    struct tg_run *run;
    bool driven;                /* somebody is in the seat */
    struct tg_run_seat seat;    /* who, when driven */
    unsigned loads;             /* how often it was read whole: lines between two of these were not told */
    /* private */
    char id[TG_RUN_ID_SIZE];
    bool head_changed, lease_changed, control_changed;
    int64_t read_ms;            /* monotonic: when it was read last */
};

/* Loads the run and sets the watches. The errors of tg_journal_load(). */
int tg_follow_new(const struct tg_follow_options *options, struct tg_follow **out, struct tg_error *e);
/*
 * Waits until something is new, at most max_ms, and takes it in. *out_news: whether anything was. TG_E_LOST, TG_E_TIMEOUT: the store does not answer;
 * what is known may be old, a later turn takes it in. TG_E_SESSION: likewise, but it takes a new store and a new follow. TG_E_CANCELLED: interrupted.
 * TG_E_DATA: the journal does not add up any more.
 */
int tg_follow_turn(struct tg_follow *follow, int64_t max_ms, bool *out_news, struct tg_error *e);
void tg_follow_free(struct tg_follow *follow);

#endif
