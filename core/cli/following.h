/* What the commands share that go over what a run has changed, in a run of their own: rollback, withdraw, return. */
#ifndef TG_CLI_FOLLOWING_H
#define TG_CLI_FOLLOWING_H

#include "cli/cmd.h"
#include "engine/journal.h"

#define TG_FOLLOWING_WAIT_MS 10000

/* The run that is followed. tg_following_release() */
struct tg_following {
    struct tg_frame *f;
    const char *id;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
};
/* From a store that is proven to be no old copy. */
int tg_following_load(struct tg_frame *f, const char *id, struct tg_following *out, struct tg_error *e);
void tg_following_release(struct tg_following *following);
/* P10: it must have ended; and who said abort meant what follows by itself (planned, by its rollout) as well. */
enum tg_follows { TG_FOLLOWS_ASKED, TG_FOLLOWS_PLANNED };
int tg_following_may_begin(const struct tg_following *following, enum tg_follows why, struct tg_error *e);
/* How a run is brought to its end, as a hint: each step leads one on, and none back. */
void tg_following_say_how_to_end(struct tg_frame *f, const char *id, const struct tg_journal *j, const struct tg_run *run, struct tg_error *e);
/*
 * Makes a run of the plan, with the id that is next, in the followed run's seat, so that of two who want it one makes it. It bears the tokens of that run as
 * well: hosts that it has lost are locked by it. more: further ones, separated by commas, or NULL.
 */
int tg_following_create(const struct tg_following *following, const struct tg_plan *plan, const char *next, const char *more, struct tg_error *e);

#endif
