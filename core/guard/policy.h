/*
 * What an UNKNOWN means to whoever asks: nothing acts (the default), what was known last counts for a while, or it is let pass. Each
 * hook states its own, and tagout-hooks(7) lists them. Whatever was assumed is said in the one line that the guard prints.
 */
#ifndef TG_GUARD_POLICY_H
#define TG_GUARD_POLICY_H

#include "guard/check.h"

#define TG_LAST_KNOWN_MS (15 * 60 * 1000) /* how old "last-known" may be when no age is given: an ensemble's restart, not its loss */

struct tg_policy {
    enum tg_on_unknown on_unknown;
    int64_t max_age_ms; /* of last-known */
};

/* "hold", "last-known", "last-known=20m", "go". TG_E_USAGE. */
int tg_policy_parse(const char *text, struct tg_policy *out, struct tg_error *e);
/*
 * Turns a verdict that is UNKNOWN into what the policy makes of it, and leaves cause and error as they are; any other is left alone.
 * state_dir: where the agent keeps what it knew last; NULL: nothing was. A verdict that can't be made stays UNKNOWN: last-known without a
 * snapshot that is young enough, of the same store (its URL), and covers the question, or when it is not known who asks (question NULL). No policy goes past a local hold
 * (hold.h): with one it is HELD, and with one that can't be read it stays UNKNOWN.
 */
void tg_policy_apply(const struct tg_policy *policy, const char *state_dir, const char *store_url, const struct tg_question *question, int64_t wall_ms,
                     struct tg_guard_verdict *verdict);

/*
 * What this host's agent knew last of the locks that concern it: fills in the answer (GO or HELD, with its locks) and when that was
 * proven. TG_E_NOENT: there is none; TG_E_UNKNOWN: it does not cover the question, or is of another store; TG_E_DATA: it is damaged.
 */
int tg_last_known(const char *state_dir, const char *store_url, const struct tg_question *question, int64_t wall_ms, struct tg_guard_verdict *out,
                  int64_t *out_as_of_ms, struct tg_error *e);

#endif
