/*
 * The guard: may this actor act here? GO only when it is proven that no lock is in the way; HELD, and by which; else UNKNOWN (P2).
 * The decision is a pure function of what was read; reading is one pipelined round trip when there is no lock, whatever the size
 * of the fleet, and a few when there are.
 */
#ifndef TG_GUARD_CHECK_H
#define TG_GUARD_CHECK_H

#include "guard/lock.h"

enum tg_guard_answer { TG_ANSWER_GO, TG_ANSWER_HELD, TG_ANSWER_UNKNOWN };
const char *tg_answer_name(enum tg_guard_answer answer); /* "go", "held", "unknown" */

/* What whoever asks makes of an UNKNOWN: guard/policy.h. */
enum tg_on_unknown { TG_UNKNOWN_HOLDS, TG_UNKNOWN_LAST_KNOWN, TG_UNKNOWN_GOES };
const char *tg_on_unknown_name(enum tg_on_unknown policy); /* "hold", "last-known", "go" */

struct tg_outer;

struct tg_question {
    const struct tg_scopes *scopes; /* resolved; for a host: with its groups where they are known */
    const char *actor;              /* NULL: any kind, so every lock counts */
    const char *tokens;             /* TAGOUT_TOKEN: separated by commas; NULL none */
    const struct tg_outer *outer;   /* TAGOUT_PERMIT: of the run that it is a part of (nested.h); NULL none */
};

struct tg_guard_verdict {
    enum tg_guard_answer answer;
    struct tg_locks locks;          /* those that hold it, the strictest first: held longest, then oldest */
    size_t *scope_of;               /* per lock: which of its scopes is in the way */
    size_t passed;                  /* locks that the bearer of a token passed */
    size_t nested;                  /* locks that wait for the run which this is a part of */
    int64_t generation, txid;       /* of the store at the moment of the answer */
    struct tg_error error;          /* UNKNOWN: why */
    char cause[TG_CAUSE_SIZE];      /* UNKNOWN: in a word */
    enum tg_on_unknown assumed;     /* not TG_UNKNOWN_HOLDS: it was UNKNOWN, and the answer is what this policy made of it */
    int64_t as_of_ms;               /* of TG_UNKNOWN_LAST_KNOWN: when it was proven; wall clock */
};
void tg_verdict_release(struct tg_guard_verdict *verdict);

/* Of an UNKNOWN whose error has no better one. */
const char *tg_unknown_hint(int code); /* what to do about an unknown that has no mend of its own */

/* Asks: the local hold first (hold.h), then the store. Never fails: what can't be found out is the verdict UNKNOWN. deadline: tg_store_deadline(). */
void tg_check(struct tg_guard *guard, const struct tg_question *question, int64_t deadline, struct tg_guard_verdict *out);

/* Fills *out for a failure: the cause that the guard found, else one for the code; tells an empty store from one that never was. */
void tg_verdict_unknown(const struct tg_guard *guard, int code, const struct tg_error *e, struct tg_guard_verdict *out);

struct tg_buf;
/* The one line that survives every tool, without a line feed: "TAGOUT-HELD lock=… …", "TAGOUT-UNKNOWN …", or "TAGOUT-ASSUMED …" for a GO that
 * is only a policy's; "" for GO. What others wrote is escaped: it can forge neither a field nor a line. */
void tg_verdict_line(const struct tg_guard_verdict *verdict, const char *store_url, int64_t wall_ms, struct tg_buf *out);
/* A sentence or two for people: who, why, since when, until when. */
void tg_verdict_explain(const struct tg_guard_verdict *verdict, int64_t wall_ms, struct tg_buf *out);

#endif
