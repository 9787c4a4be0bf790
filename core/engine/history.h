/*
 * How long the hosts of a rollout took in its last runs: what the next plan's estimate rests on where its author says nothing.
 *
 *   /history/NAME   sealed: of the rollout's last runs, how many hosts were changed, and how long each was down for it
 *
 * It is for people and for planning: a record that is missing, damaged or of another driver is no history, and nothing more.
 */
#ifndef TG_ENGINE_HISTORY_H
#define TG_ENGINE_HISTORY_H

#include "engine/journal.h"

#include <tagout/store.h>

#define TG_HISTORY_RUNS 10                            /* kept, of changes and of ways back each */
#define TG_HISTORY_KEPT_MS (INT64_C(400) * 86400000)  /* a yearly rollout still finds its last one */

/* Of one run. */
struct tg_history_run {
    char run[TG_RUN_ID_SIZE];
    bool back;              /* a rollback */
    int64_t at_ms;          /* Unix time when it ended */
    int64_t hosts;          /* that ended well: what went wrong says nothing of how long it takes */
    int64_t mean_ms, p95_ms; /* from a host's start to its verdict, the bake not counted */
};

struct tg_history {
    char driver[64];
    struct tg_history_run runs[2 * TG_HISTORY_RUNS]; /* the last first */
    size_t n_runs;
};

/* What is expected of the next run. hosts 0: there is no history. */
struct tg_history_says {
    int64_t hosts;          /* that it rests on */
    int64_t runs;
    int64_t mean_ms;
    int64_t p95_ms;         /* the worst of these runs */
};

/* What a run that has ended says; hosts 0: nothing. Pure. */
int tg_history_of(const struct tg_run *run, struct tg_history_run *out, struct tg_error *e);
/* In its place: another record of the same run goes, and so does the oldest of too many. */
void tg_history_put(struct tg_history *history, const struct tg_history_run *one);
/* Of the last runs, changes or ways back. */
void tg_history_say(const struct tg_history *history, bool back, struct tg_history_says *out);
char *tg_history_encode(const struct tg_history *history, const char *name);
int tg_history_decode(const char *text, size_t len, const char *name, struct tg_history *out, struct tg_error *e);

/* A run's name without what makes it a run of a rollout: of all runs and rollbacks of it the same. Blocks. */
int tg_history_add(struct tg_store *store, const struct tg_run *run, const char *id, int64_t wait_ms, struct tg_error *e);
/* TG_E_NOENT: there is none of this rollout with this driver. */
int tg_history_read(struct tg_store *store, const char *name, const char *driver, int64_t wait_ms, struct tg_history *out, struct tg_error *e);

#endif
