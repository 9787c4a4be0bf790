/* Something better for hosts that are out of service: run --mends, and rollback. See engine/mend.h. */
#ifndef TG_CLI_MENDING_H
#define TG_CLI_MENDING_H

#include "cli/following.h"
#include "engine/linked.h"
#include "engine/mend.h"
#include "engine/out_keep.h"

/* A run whose hosts are out of service, and its withdrawals. tg_mending_release() */
struct tg_mending {
    struct tg_following of;
    struct tg_withdrawn withdrawn;
    char id[TG_RUN_ID_SIZE]; /* the run's; its withdrawals' may have been given */
    char tokens[600];        /* of the withdrawals. Secret */
};
/* TG_E_NOENT: it has no host out of service. */
int tg_mending_look(struct tg_frame *f, const char *id, struct tg_mending *out, struct tg_error *e);
void tg_mending_release(struct tg_mending *mending);
/* In place of *plan, of a rollout: the plan that goes over what the run has out of service (engine/mend.h). *out as above, also on failure. */
int tg_mending_plan(struct tg_frame *f, const char *id, struct tg_plan **plan, struct tg_mending *out, struct tg_error *e);

/* The seats of the withdrawals, while their hosts are being mended: nobody returns one of these meanwhile. tg_mending_leave() */
struct tg_mending_seats {
    struct tg_journal *j[TG_LINKED_MAX];
    struct tg_plan *plans[TG_LINKED_MAX];
    struct tg_run *runs[TG_LINKED_MAX];
    const char **names[TG_LINKED_MAX]; /* of the plan's hosts, sorted */
    size_t n;
    struct tg_out_keeper *keeper;      /* keeps them out of service */
};
/* Of the run that is mended. TG_E_HELD: somebody brings back hosts just now. */
int tg_mending_seat(struct tg_frame *f, const char *id, struct tg_mending_seats *out, struct tg_error *e);
/* Could it be taken? While it could not, no run is made that could not begin. */
int tg_mending_may(struct tg_frame *f, const char *id, struct tg_error *e);
void tg_mending_leave(struct tg_mending_seats *seats);
/*
 * Behind the lock of a host that is to be mended: is the seat of its withdrawal still ours? Who takes that over asks, behind it, whether somebody holds the host, before he brings it back; so
 * one of the two sees the other. TG_E_HELD: it has been taken over, or somebody has begun to bring the host back. For tg_ports_options.still_out, seats as data.
 */
int tg_mending_still_out(void *seats, const char *host, struct tg_error *e);

/*
 * Brings back what the run, which has ended, has verified; of the withdrawals that there were when it was made: who was withdrawn anew behind it may be worse than he was. TG_E_NOENT: none of
 * these is out of service.
 */
int tg_cli_return_mended(struct tg_frame *f, struct tg_journal *j, const struct tg_run *run, struct tg_error *e);
/* How many these are. */
int tg_cli_mended_out(struct tg_frame *f, struct tg_journal *j, const struct tg_run *run, size_t *out_n, struct tg_error *e);

#endif
