/* Something better for hosts that are out of service: run --mends, and rollback. See engine/mend.h. */
#ifndef TG_CLI_MENDING_H
#define TG_CLI_MENDING_H

#include "cli/following.h"
#include "engine/linked.h"
#include "engine/mend.h"

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

/* The seats of the withdrawals, while their hosts are being mended: nobody returns one of these meanwhile. tg_mending_leave() */
struct tg_mending_seats {
    struct tg_journal *j[TG_LINKED_MAX];
    struct tg_plan *plans[TG_LINKED_MAX];
    struct tg_run *runs[TG_LINKED_MAX];
    size_t n;
};
/* Of the run that is mended. TG_E_HELD: somebody brings back hosts just now. */
int tg_mending_seat(struct tg_frame *f, const char *id, struct tg_mending_seats *out, struct tg_error *e);
void tg_mending_leave(struct tg_mending_seats *seats);

/* Brings back what the run, which has ended, has verified. TG_E_NOENT: none of these is out of service. */
int tg_cli_return_mended(struct tg_frame *f, const char *id, const struct tg_run *run, struct tg_error *e);

#endif
