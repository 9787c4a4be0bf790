/*
 * Permits: an actor's right to act on scopes now. Ephemeral: written first, then the locks are read on the same session; a lock that
 * is found takes the permit back. A permit is never adopted: only what this session itself has written is its own.
 */
#ifndef TG_GUARD_PERMIT_H
#define TG_GUARD_PERMIT_H

#include "guard/check.h"

struct tg_permit_request {
    const struct tg_scopes *scopes; /* resolved */
    const char *actor;
    const char *owner;
    const char *host;   /* where it runs, for those who wait for it */
    const char *what;   /* what it runs, likewise */
    const char *tokens; /* of locks that its bearer passes; NULL none */
    const struct tg_outer *outer; /* of the run that this is a part of (nested.h); NULL none */
    /*
     * For who keeps its session: where a permit is left that was not given, and of which it is not known that the store has it no more. Give it
     * back until that is done, or locks wait for it as long as the session lives. NULL: nothing is left; it goes with the session.
     */
    struct tg_permit **left;
};

struct tg_permit;
/*
 * Takes one. 0: *out is held (free with tg_permit_release()), act now. TG_E_HELD: verdict tells by which locks, and nothing is left.
 * TG_E_UNKNOWN and others: not given; verdict tells. The verdict is always filled in; tg_verdict_release().
 */
int tg_permit_take(struct tg_guard *guard, const struct tg_permit_request *request, struct tg_permit **out, struct tg_guard_verdict *verdict,
                   struct tg_error *e);
/*
 * Reports that something acts already, found on its host without having asked: a permit that is written although locks may lie there, so
 * that a lock which is being taken waits for it, as for any other. It is a statement of fact and no leave to act: the record says
 * in_flight, the locks are not asked, and the audit has a line "in-flight" for because, the lock that made somebody look (NULL none).
 * what, since_ms and pid are the run's; passes the hashes of tokens that it bears. TG_E_UNKNOWN and others: not written.
 */
struct tg_permit_sighting {
    const struct tg_scopes *scopes; /* resolved */
    const char *actor, *owner, *host, *what;
    pid_t pid;
    int64_t since_ms;
    const char (*passes)[TG_SHA256_HEX];
    size_t n_passes;
    const struct tg_lock *because;
};
int tg_permit_report_in_flight(struct tg_guard *guard, const struct tg_permit_sighting *sighting, struct tg_permit **out, struct tg_error *e);
/* The fencing token: generation and transaction id of the grant. */
void tg_permit_fence(const struct tg_permit *permit, int64_t *out_generation, int64_t *out_txid);
const char *tg_permit_id(const struct tg_permit *permit);
/* What names it to those who run within it, as TAGOUT_PERMIT has it. Returns out; size TG_OUTER_SIZE. */
const char *tg_permit_name(const struct tg_permit *permit, char *out, size_t size);
/* Wall clock of the store at which it was made: what budgets count by, whatever this host's clock says. */
int64_t tg_permit_granted_ms(const struct tg_permit *permit);
/*
 * Monotonic times (of the loop's clock) for its holder (P4): past stop_ms it must stop what it started, past kill_ms nothing of it
 * may run; both lie before the store can give the permit away. INT64_MAX when the session can't be outlived.
 */
void tg_permit_deadline(const struct tg_permit *permit, int64_t *out_stop_ms, int64_t *out_kill_ms);
/* How often tg_permit_beat() wants to be called; INT64_MAX: never. */
int64_t tg_permit_beat_ms(const struct tg_permit *permit);
/* Asks the store, without waiting, whether the permit is still there; the answer moves the deadline. */
void tg_permit_beat(struct tg_permit *permit);
/* What the last answers said: 0, or TG_E_SESSION (expired), TG_E_NOENT (taken away). Then it is gone: stop at once. */
int tg_permit_state(const struct tg_permit *permit);
/* Gives it back. False: the store may still have it, try again; true: it is gone, and only to be freed. */
bool tg_permit_give_back(struct tg_permit *permit);
/* Gives it back, as far as one try does it, and frees. NULL is fine. */
void tg_permit_release(struct tg_permit *permit);
/* Frees it without giving it back, after its store was closed: it went with the session. */
void tg_permit_abandon(struct tg_permit *permit);

#endif
