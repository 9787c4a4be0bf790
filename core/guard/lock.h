/*
 * Locks: taking, keeping, releasing and listing them. Recipes over the store; every one is blocking (it pumps the loop) and for top
 * level only. See DESIGN §4 and tests/model/handshake.pml: a lock is written first, then the permits are read *on the same session*.
 *
 * Every recipe proves the store first (P2): TG_E_UNKNOWN when something does not add up, with tg_guard.cause saying in a word what.
 */
#ifndef TG_GUARD_LOCK_H
#define TG_GUARD_LOCK_H

#include "guard/record.h"

#include <tagout/store.h>

struct tg_inventory;

#define TG_CAUSE_SIZE 40

/* What every recipe works with; filled in by the caller, who owns all of it. */
struct tg_guard {
    struct tg_store *store;
    const struct tg_inventory *inventory; /* NULL: none is configured */
    const char *state_dir;                /* where this host's highest transaction id is kept; NULL: it is not compared (tests) */
    int64_t timeout_ms;                   /* of each exchange with the store; 0: 10 s */
    int64_t doubted_txid;                 /* own: this host's mark when the store last looked older than it; 0: it did not */
    bool looked_again;                    /* own: what looked old was read once more, behind a sync */
    int64_t store_ms, store_ms_until;     /* own: what the store's clock said last, and until when that is news */
    char cause[TG_CAUSE_SIZE];            /* out: why TG_E_UNKNOWN: "fewer-locks-than-recorded" …; "" otherwise */
};

/*
 * Time. Every lock's since and until are wall-clock times; an overdue lock holds, so for most nothing hangs on whose clock it is. One that
 * was taken with release_at_expiry ends by the clock of the store (ZooKeeper: of its leader), and by no other: its end is reckoned on that
 * clock when it is taken or extended, and who meets it past its end by his own clock asks the store's (by a write to /clock, which
 * the store stamps) before he believes it. An asker whose clock runs ahead so frees nothing; one whose clock lags is held a little longer.
 * Where the store's clock can't be asked (no right to write, a store without /clock) the lock holds.
 */
struct tg_lock_request {
    const struct tg_scopes *scopes;       /* resolved */
    const char *owner, *reason, *ticket;  /* ticket may be NULL */
    int64_t for_ms;                       /* until = now + this; > 0 */
    const char *const *hold;              /* actors; NULL or none: all automation */
    size_t n_hold;
    bool release_at_expiry;
    const char *token;                    /* plain; NULL none. Bearers pass the lock; only its hash is stored */
    const char *token_hash;               /* in place of token, when only the hash is known; NULL or "" none */
    const char *request_id;               /* NULL: a random one. Asking twice with one id gives the same lock: so a resumed run
                                             finds the lock that it took before it died */
};

/* One permit that a lock waits for. */
struct tg_waited {
    struct tg_permit_record permit;
    struct tg_scope scope;   /* of the permit: the one that overlaps */
};
/* How a lock stands with the agents of its hosts (acks.h). */
struct tg_acks {
    size_t present, acked;        /* hosts of the lock with an agent; of those, how many have acknowledged */
    char **missing;               /* who has not, sorted; behind them those whose agent went away while it was waited for */
    size_t n_missing, n_vanished; /* n_vanished of them went away */
    char **who_acked;             /* acked of them, sorted */
    char **without;               /* hosts of the lock without an agent, as far as they are known by name; sorted */
    size_t n_without;
    bool in_use;                  /* there are, or were, agents of this store: that a host has none is worth saying */
    bool without_known;           /* false: the lock means hosts that nobody can name (the fleet, and no inventory) */
};
/* All that a lock waits for: nothing when n and acks.n_missing are 0. */
struct tg_waits {
    struct tg_waited *v;
    size_t n;
    struct tg_acks acks;
};
void tg_waits_release(struct tg_waits *waits);

/* What can be said of it without a store: all texts, actors and numbers. TG_E_USAGE names the wrong one. */
int tg_lock_request_check(const struct tg_lock_request *request, struct tg_error *e);
/*
 * Writes the lock (state TAKING) in one transaction with its scopes' counters and its audit line. From its return no new permit is
 * given in its scopes. An answer that was lost is looked for, so that there is exactly one lock or none; on TG_E_LOST and its kin even
 * that could not be found out, and asking again with the same request_id settles it. TG_E_UNKNOWN, TG_E_VERSION (too much goes on on these scopes).
 */
int tg_lock_place(struct tg_guard *guard, const struct tg_lock_request *request, struct tg_lock *out, struct tg_error *e);
/*
 * Reads what the lock waits for, once: who of the agents has not acknowledged it, and behind that, in the same round trip, the permits that it
 * conflicts with. Must be the session that placed it. acks.h tells why in this order.
 */
int tg_lock_conflicts(struct tg_guard *guard, const struct tg_lock *lock, struct tg_waits *out, struct tg_error *e);
/* Says that nothing is in flight any more: state HELD. */
int tg_lock_confirm(struct tg_guard *guard, struct tg_lock *lock, struct tg_error *e);

#define TG_ACK_GRACE_MS 2000 /* agents have at least this long to acknowledge, however short the wait: it takes them a moment */
/* Called with whom it still waits for, each time that changes, and last with none. Only tells; must not call the store. */
typedef void (*tg_wait_fn)(void *data, const struct tg_lock *lock, const struct tg_waits *waits);
/*
 * The three in one: when it returns 0, P1 holds. Waits at most wait_ms (-1: no bound) for those in flight and for agents, then withdraws the lock and
 * fails with TG_E_HELD; withdraws it as well when the loop is interrupted (TG_E_CANCELLED). If the store is lost meanwhile the lock
 * stays, and the error says so.
 */
int tg_lock_take(struct tg_guard *guard, const struct tg_lock_request *request, int64_t wait_ms, tg_wait_fn tell, void *data,
                 struct tg_lock *out, struct tg_error *e);

/* Waits until the lock's record changes or goes, at most until the deadline: for those whom it holds. 0 also when the time passed.
 * TG_E_CANCELLED, TG_E_SESSION. */
int tg_lock_await_change(struct tg_guard *guard, const struct tg_lock *lock, int64_t deadline, struct tg_error *e);

/* The lock of that id; TG_E_NOENT when there is none. *out is the caller's. */
int tg_lock_find(struct tg_guard *guard, const char *id, struct tg_lock *out, struct tg_error *e);

struct tg_release_request {
    const char *id;
    const char *owner;   /* who asks */
    bool force;          /* another's lock: needs a reason, and is recorded as broken */
    const char *reason;  /* NULL none */
    const char *spent;   /* a node that goes in the same transaction, of that version: an approval (approval.h); NULL none */
    int64_t spent_version;
    const struct tg_scopes *known; /* of the lock, where the caller has it; NULL: they are looked for, which is one round trip more */
};
/* On all its scopes at once. TG_E_PERM when it is another's and force is not set, TG_E_NOENT when there is none (or no more). */
int tg_lock_release(struct tg_guard *guard, const struct tg_release_request *request, struct tg_lock *out, struct tg_error *e);
/* Takes back a lock of one's own that is of no use: as releasing it, but the audit says "withdraw". */
int tg_lock_undo(struct tg_guard *guard, const struct tg_lock *lock, const char *why, struct tg_error *e);
/*
 * A new token, in place of the one that the lock may have: for who may release it and wants to do something below it first. The audit
 * says so ("token"). *out is the caller's. TG_E_PERM, TG_E_NOENT as for releasing.
 */
int tg_lock_set_token(struct tg_guard *guard, const struct tg_release_request *request, const char *token, struct tg_lock *out, struct tg_error *e);
/* until = now + for_ms. Only the owner may. */
int tg_lock_extend(struct tg_guard *guard, const char *id, const char *owner, int64_t for_ms, struct tg_lock *out, struct tg_error *e);

struct tg_locks {
    struct tg_lock *v; /* live ones, oldest first */
    size_t n;
};
/* Locks that overlap the scopes (NULL or none: all there are). */
int tg_lock_list(struct tg_guard *guard, const struct tg_scopes *scopes, struct tg_locks *out, struct tg_error *e);
void tg_locks_release(struct tg_locks *locks);
/* Removes from the scopes what was released, or ended by itself, a minute ago; counts stay right. Returns how many; failing is no harm. */
int tg_lock_reap(struct tg_guard *guard, const struct tg_scopes *scopes);

/* --- the audit --- */

struct tg_audit_entry {
    int64_t at_ms;                /* wall clock of who wrote it */
    int64_t txid;                 /* the order in which it happened */
    char verb[16];                /* "lock", "unlock", "break", "extend", "withdraw"; "move-begin" … "move-live" of a move */
    char lock[TG_LOCK_ID_SIZE];   /* "" for a move */
    char owner[TG_OWNER_SIZE];    /* who did it */
    char of[TG_OWNER_SIZE];       /* whose lock it is */
    char reason[TG_REASON_SIZE];
    char ticket[TG_TICKET_SIZE];
    int64_t until_ms;
    struct tg_scopes scopes;
};
struct tg_audit {
    struct tg_audit_entry *v; /* oldest first */
    size_t n;
    bool more;                /* there are older ones */
};
/* The newest max entries about the scopes (NULL or none: all), not older than since_ms (0: any). */
int tg_audit_read(struct tg_guard *guard, const struct tg_scopes *scopes, int64_t since_ms, size_t max, struct tg_audit *out, struct tg_error *e);
void tg_audit_release(struct tg_audit *audit);

#endif
