/* What the commands share that steer a run from another terminal: abort, pause, resume, approve. */
#ifndef TG_CLI_STEERING_H
#define TG_CLI_STEERING_H

#include "cli/cmd.h"
#include "engine/journal.h"

#define TG_STEERING_WAIT_MS 10000

/* Who says it, when, and why (--reason, when the command has it). */
struct tg_steering {
    char by[TG_CONTROL_BY_SIZE], reason[TG_CONTROL_REASON_SIZE];
    struct tg_said said; /* points into it: don't copy */
};
/* TG_E_USAGE: the reason is too long, or has control characters. */
int tg_steering_words(struct tg_frame *f, struct tg_steering *out, struct tg_error *e);

/* Could that be a run's id? TG_E_USAGE: nothing is asked for what can't be. */
int tg_cli_run_id(const char *id, struct tg_error *e);

/* "fleet", "group:web" …: no run's id looks so. */
bool tg_steering_is_scope(const char *text);

/* How it is with a run. */
struct tg_steered {
    enum tg_run_state state;
    enum tg_run_end end;
    unsigned causes;
    int64_t holds;
    size_t in_flight;
    char by[TG_CONTROL_BY_SIZE], why[TG_CONTROL_REASON_SIZE + 300]; /* of an abort, else of a hold */
    struct tg_wish abort, pause; /* that are in the store, heard or not */
    bool driven;
    char seat[400]; /* who drives it */
};
/* A run as it stands in the store. tg_steering_release() when it was loaded. */
struct tg_steering_run {
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
};
/* From a store that is proven to be no old copy. TG_E_NOENT, TG_E_USAGE, TG_E_UNKNOWN; then there is nothing to release. */
int tg_steering_load(struct tg_frame *f, const char *id, struct tg_steering_run *out, struct tg_error *e);
void tg_steering_release(struct tg_steering_run *r);

/* Loads the run, from a store that is proven to be no old copy, and looks who is in its seat. TG_E_NOENT, TG_E_USAGE, TG_E_UNKNOWN. */
int tg_steering_look(struct tg_frame *f, const char *id, struct tg_steered *out, struct tg_error *e);
/* The seat again. Not to know is an error, never "nobody" (P12). */
int tg_steering_seat(struct tg_frame *f, const char *id, struct tg_steered *s, struct tg_error *e);

#endif
