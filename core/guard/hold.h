/*
 * The local hold: a person's emergency stop of one host, on that host's own disk. It needs neither store nor agent, and
 * whatever those say, it holds: the guard reads it first (tg_check(), and through it every permit), so that nobody can
 * forget to.
 *
 * It lies in STATE_DIR/hold.json, written whole and durably by root:
 * {"format":1,"holds":[{"host":…,"owner":…,"reason":…,"ticket":…,"since":ms,
 * "until":ms,"hold":[actors],"token":hash},…]}. Several people may hold a host; it is free when the last hold is gone.
 * A file that can't be read, belongs to somebody else, may be written by others or makes no sense is UNKNOWN, cause
 * "bad-hold": somebody meant to stop something.
 */
#ifndef TG_GUARD_HOLD_H
#define TG_GUARD_HOLD_H

#include "guard/check.h"

#define TG_LOCAL_HOLD_ID "LOCAL"
#define TG_LOCAL_HOLDS_MAX 16        /* people at one host's switch */
#define TG_LOCAL_HOLD_REQUEST "hold-" /* how the request of a lock begins by which an agent reports a hold to the store */
#define TG_LOCAL_HOLD_BAD "bad-hold" /* the cause */

/* STATE_DIR/hold.json. Returns out. */
const char *tg_local_hold_file(const char *state_dir, char *out, size_t size);
/*
 * The holds as locks with the id LOCAL, oldest first; n 0: there is none. called: the host's name that is added to the
 * recorded one, as a machine that was renamed is still held; NULL: its own. inventory (may be NULL) tells its groups.
 * TG_E_UNKNOWN. tg_locks_release().
 */
int tg_local_hold_load(const char *state_dir, const struct tg_inventory *inventory, const char *called,
                       struct tg_locks *out, struct tg_error *e);

/* What parsing alone gives; text need not end in NUL. Pure. TG_E_DATA. */
int tg_local_hold_parse(const char *text, size_t len, struct tg_locks *out, struct tg_error *e);

struct tg_local_hold_request {
    const char *host;                    /* what this host is called */
    const char *owner, *reason, *ticket; /* ticket may be NULL */
    int64_t since_ms, for_ms;
    const char *const *hold; /* actors; none: all */
    size_t n_hold;
    const char *token; /* plain; NULL none */
};
/* TG_E_EXISTS: this owner holds it already. TG_E_USAGE: a text or a number. TG_E_PERM, TG_E_SYSTEM: not written.
 * TG_E_UNKNOWN: what lies there is broken; it is not written over. */
int tg_local_hold_place(const char *state_dir, const struct tg_local_hold_request *request, struct tg_error *e);
/*
 * Takes the owner's away; owner NULL: all of them, and a broken file as well. TG_E_NOENT: there is none. TG_E_PERM:
 * there are only others'. *out (may be NULL) gets those that went.
 */
int tg_local_hold_lift(const char *state_dir, const char *owner, struct tg_locks *out, struct tg_error *e);

/*
 * The guard's part: true when a hold decides the question, with HELD or UNKNOWN in *out, which is written over (the
 * caller has released it); false: none is in the way. A question without scopes is about this host. state_dir NULL:
 * none of its own. The holds in the folders of tg_local_hold_also() count as well.
 */
bool tg_local_hold_decides(const char *state_dir, const struct tg_inventory *inventory,
                           const struct tg_question *question, int64_t wall_ms, struct tg_guard_verdict *out);
/*
 * Whoever has a state folder of his own (TAGOUT_STATE_DIR, --config) is on this host all the same: from here on, holds in this
 * folder count for this process as well. Two folders at most. Copied.
 */
void tg_local_hold_also(const char *state_dir);
/* The i-th of them; NULL behind the last. */
const char *tg_local_hold_elsewhere(size_t i);

#endif
