/*
 * Hosts of a plan that others' locks keep it from changing when it is made: whose locks, and whether a run has the hosts out of service (withdraw.h). For people:
 * by the time of the run it may be otherwise, and the guard is asked for each host then. Pure.
 */
#ifndef TG_ENGINE_HELD_H
#define TG_ENGINE_HELD_H

#include "engine/withdraw.h"
#include "guard/lock.h"

struct tg_inventory;

/* Locks of one owner for one reason. */
struct tg_held_by {
    char lock[TG_LOCK_ID_SIZE];  /* the oldest that holds a host of the plan */
    char owner[TG_OWNER_SIZE], reason[TG_REASON_SIZE];
    char run[TG_RUN_ID_SIZE];    /* that has these hosts out of service; "": nobody has */
    int64_t until_ms;            /* of that lock */
    size_t n_locks;              /* those that were counted with a host */
    size_t n_hosts;              /* of the plan, each counted with the oldest lock on it */
    struct tg_buf names;         /* folded */
};
struct tg_held {
    struct tg_held_by *v;        /* those with most hosts first */
    size_t n, n_hosts;
};

/*
 * Of the locks (oldest first) those that hold config management on a host that the plan changes; actors' tokens (separated by commas, or NULL) pass theirs. TG_E_MEMORY.
 * tg_held_release() in any case.
 */
int tg_held_collect(const struct tg_plan *plan, const struct tg_inventory *inventory, const struct tg_locks *locks, const char *tokens, struct tg_held *out, struct tg_error *e);
void tg_held_release(struct tg_held *held);
/* "2 hosts (web[2-3]) are out of service by bad-20261122-1, …": what follows for a run of that plan, and the command that does better. */
void tg_held_warning(const struct tg_held_by *by, struct tg_buf *out);
/* [{"run": …, "lock": …, "n_locks": 2, "owner": …, "reason": …, "until": …, "n_hosts": 2, "hosts": "web[2-3]"}]: new reference. */
json_t *tg_held_json(const struct tg_held *held);

#endif
