/* What a lock's record means at a moment, and the ids and texts in it: see record.h. */
#include "base/shown.h"
#include "guard/record.h"

#include <tagout/clock.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

bool tg_lock_holds_actor(const struct tg_lock *lock, const char *actor)
{
    if (!actor || lock->n_hold == 0)
        return true;
    for (size_t i = 0; i < lock->n_hold; i++)
        if (strcmp(lock->hold[i], actor) == 0)
            return true;
    return false;
}

bool tg_lock_is_live(const struct tg_lock *lock, int64_t wall_ms)
{
    (void) wall_ms;
    return lock->state != TG_LOCK_RELEASED && !lock->ended;
}

bool tg_lock_is_overdue(const struct tg_lock *lock, int64_t wall_ms)
{
    return tg_lock_is_live(lock, wall_ms) && !lock->release_at_expiry && wall_ms >= lock->until_ms;
}

#define ODD_AHEAD_MS (5 * INT64_C(60000))             /* clocks that differ by more are wrong, not late */
#define ODD_LONG_MS (INT64_C(366) * 24 * 3600 * 1000) /* nobody maintains anything for so long */

const char *tg_lock_oddity(const struct tg_lock *l, int64_t wall_ms, char *out, size_t size)
{
    char text[32];

    out[0] = '\0';
    if (l->until_ms <= l->since_ms) {
        snprintf(out, size, "its end lies before its beginning%s", l->release_at_expiry ? ", so it does not end by itself" : "");
    } else if (l->since_ms - wall_ms > ODD_AHEAD_MS) {
        tg_duration_format(l->since_ms - wall_ms, text, sizeof text);
        snprintf(out, size, "it says that it was taken %s from now: a clock is wrong", text);
    } else if (l->until_ms - wall_ms > ODD_LONG_MS) {
        tg_duration_format(l->until_ms - wall_ms, text, sizeof text);
        snprintf(out, size, "its end is %s away", text);
    }
    return out;
}

bool tg_lock_is_due(const struct tg_lock *l, int64_t wall_ms)
{
    int64_t whole = l->until_ms - l->since_ms;

    return tg_lock_is_live(l, wall_ms) && whole > 0 && wall_ms < l->until_ms && wall_ms - l->since_ms >= whole / 5 * 4;
}

bool tg_lock_token_fits(const struct tg_lock *lock, const char *tokens)
{
    bool fits = false;

    if (!tokens || !lock->token_hash[0])
        return false;
    for (const char *p = tokens;; p++) {
        size_t len = strcspn(p, ",");
        char hash[TG_SHA256_HEX];
        unsigned char differs = 0;
        tg_sha256_hex(p, len, hash);
        for (size_t i = 0; i < TG_SHA256_HEX; i++)
            differs |= (unsigned char) (hash[i] ^ lock->token_hash[i]);
        fits = fits || (len && !differs);
        p += len;
        if (!*p)
            return fits;
    }
}

size_t tg_tokens_hash(const char *tokens, char out[TG_PASSES_MAX][TG_SHA256_HEX])
{
    size_t n = 0;

    for (const char *p = tokens; p && n < TG_PASSES_MAX; p = *p ? p + 1 : NULL) {
        size_t len = strcspn(p, ",");
        if (len)
            tg_sha256_hex(p, len, out[n++]);
        p += len;
    }
    return n;
}

int64_t tg_permit_age(const struct tg_permit_record *permit)
{
    return permit->under_txid ? permit->under_txid : permit->txid;
}

bool tg_permit_passes(const struct tg_permit_record *permit, const struct tg_lock *lock)
{
    for (size_t i = 0; lock->token_hash[0] && i < permit->n_passes; i++)
        if (strcmp(permit->passes[i], lock->token_hash) == 0)
            return true;
    return false;
}

/*
 * Whether it was written behind the lock. Its holder then reads the lock, on the session that wrote, and takes it back: it is no leave to act, and who
 * waited for such would wait for ever while automation tries again and again. Not so for a report of what acts already, for a token that the lock may
 * have had then, and for a lock whose time may have been over when it was read: but when end_asked, the caller asks behind this whether it is.
 * One within another run is as old as that: it has passed the lock (nested.h).
 */
static bool has_met(const struct tg_permit_record *p, const struct tg_lock *lock, bool end_asked)
{
    if (!lock->txid || tg_permit_age(p) <= lock->txid || p->in_flight)
        return false;
    return lock->version == 0 ? end_asked || !lock->release_at_expiry : !p->n_passes && !lock->release_at_expiry;
}

bool tg_lock_waits_for(const struct tg_lock *lock, const struct tg_permit_record *p, bool end_asked)
{
    return !has_met(p, lock, end_asked) && tg_lock_holds_actor(lock, p->actor) && !tg_permit_passes(p, lock) &&
           tg_scopes_overlap(&lock->scopes, &p->scopes, NULL, NULL) != TG_OVERLAP_NO;
}

int tg_random_id(char *out, size_t n, struct tg_error *e)
{
    unsigned char bytes[64];

    while (n) {
        size_t take = n < sizeof bytes ? n : sizeof bytes;
        ssize_t got = getrandom(bytes, take, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return tg_fail_errno(e, TG_E_SYSTEM, errno, "no random numbers");
        for (ssize_t i = 0; i < got; i++)
            *out++ = TG_ID_ALPHABET[bytes[i] % 32];
        n -= (size_t) got;
    }
    *out = '\0';
    return 0;
}

int tg_text_copy(const char *what, const char *text, char *out, size_t size, struct tg_error *e)
{
    json_t *checked = json_string(text); /* NULL unless it is UTF-8 */

    json_decref(checked);
    if (!checked)
        return tg_fail(e, TG_E_USAGE, "the %s is not UTF-8", what);
    if (strlen(text) >= size)
        return tg_fail(e, TG_E_USAGE, "the %s is longer than %zu bytes", what, size - 1);
    for (const char *p = text; *p; p++)
        if ((unsigned char) *p < 0x20 || *p == 0x7f)
            return tg_fail(e, TG_E_USAGE, "the %s has control characters in it; it must be one line", what);
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

int tg_lock_texts(const char *owner, const char *reason, const char *ticket, const char *const *hold, size_t n_hold, struct tg_lock *out, struct tg_error *e)
{
    int rc;

    if (n_hold > TG_HOLD_MAX)
        return tg_fail(e, TG_E_USAGE, "at most %d actors", TG_HOLD_MAX);
    if (tg_text_is_blank(reason))
        return tg_fail(e, TG_E_USAGE, "the reason is blank");
    if ((rc = tg_text_copy("owner", owner, out->owner, sizeof out->owner, e)) != 0 || (rc = tg_text_copy("reason", reason, out->reason, sizeof out->reason, e)) != 0 ||
        (rc = tg_text_copy("ticket", ticket ? ticket : "", out->ticket, sizeof out->ticket, e)) != 0)
        return rc;
    for (size_t i = 0; i < n_hold; i++) {
        if ((rc = tg_held_actor_check(hold[i], e)) != 0)
            return rc;
        snprintf(out->hold[out->n_hold++], TG_ACTOR_SIZE, "%s", hold[i]);
    }
    return 0;
}
