/* Driving a run from a command: run, and rollback. */
#ifndef TG_CLI_DRIVING_H
#define TG_CLI_DRIVING_H

#include "cli/cmd.h"
#include "cli/following.h"

struct tg_plan;

/* Rows of the option table of a command that drives. */
#define TG_DRIVING_OPTS                                                                                                                    \
    {.name = "yes", .letter = 'y', .type = TG_OPT_FLAG, .text = "Does not ask for the number of hosts; where there is no terminal this or an approval is needed"}, \
        {.name = "step-timeout", .type = TG_OPT_DURATION, .arg = "TIME", .value = "30m", .text = "How long the tool may take on one host"}, \
        {.name = "connect-timeout", .type = TG_OPT_DURATION, .arg = "TIME", .value = "15s", .text = "How long reaching a host may take"},   \
        {.name = "look-for",                                                                                                               \
         .type = TG_OPT_DURATION,                                                                                                          \
         .arg = "TIME",                                                                                                                    \
         .value = "5m",                                                                                                                    \
         .text = "How long a host whose connection broke is looked for, before its outcome is called unknown"},                            \
        {.name = "quiesce",                                                                                                                \
         .type = TG_OPT_DURATION,                                                                                                          \
         .arg = "TIME",                                                                                                                    \
         .value = "10m",                                                                                                                   \
         .text = "How long a host's lock waits for automation that is at work there"},                                                     \
        {.name = "wait",                                                                                                                   \
         .type = TG_OPT_DURATION,                                                                                                          \
         .arg = "TIME",                                                                                                                    \
         .text = "How long a run that another process drives is waited for. Otherwise until that one's session with the store would have ended, had it died"}, \
        {.name = "take-over",                                                                                                              \
         .type = TG_OPT_FLAG,                                                                                                              \
         .text = "Takes the seat of a run from the process that drives it, which hangs: that one can write nothing more, and hosts no longer obey it"}

/* Takes the seat of a run and drives it to its end, or until it is paused; shows it. f->status is what became of it. What it is told to do when too many
 * fail, a rollback, follows. */
int tg_cli_drive(struct tg_frame *f, const char *id, struct tg_error *e);
/* Waits until nobody drives the run, as --wait says; at once with --take-over. TG_E_HELD: somebody does, and lives. */
int tg_cli_await_seat(struct tg_frame *f, const char *id, struct tg_error *e);

/* Rolls back what a run has changed; an earlier rollback that has not ended goes on. asked: a person wants it, and confirms. f->status is what became of it. */
int tg_cli_roll_back(struct tg_frame *f, const char *id, enum tg_follows why, struct tg_error *e);
/* Takes what a run has changed out of service, likewise. */
int tg_cli_withdraw(struct tg_frame *f, const char *id, enum tg_follows why, struct tg_error *e);

/* What is to be brought back of what a run has withdrawn. */
struct tg_cli_returns {
    const size_t *hosts;  /* of its plan */
    size_t n;
    bool vouched;         /* without verifying them first */
    const char *reason;   /* or NULL */
    /* Those that are to be kept out of service, or taken out anew: see struct tg_ports_options. */
    const size_t *out;
    size_t n_out;
    bool out_anew;
};
struct tg_run_tokens;
/* The run's tokens; with those of who brings hosts back (TAGOUT_TOKEN), so that he passes his own locks. Secret. */
void tg_cli_return_tokens(const struct tg_run_tokens *tokens, bool given, char *out, size_t size);
/* As tg_cli_drive(), of a run that has withdrawn hosts and has ended. f->status is 0 when all of them are back. */
int tg_cli_drive_returns(struct tg_frame *f, const char *id, const struct tg_cli_returns *returns, struct tg_error *e);

#endif
