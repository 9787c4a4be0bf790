/* Asking the guard, and saying what it answered: see check.h. */
#include "guard/hold.h"
#include "guard/nested.h"
#include "guard/tree.h"

#include "base/shown.h"
#include "store/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tg_answer_name(enum tg_guard_answer answer)
{
    static const char *const names[] = {[TG_ANSWER_GO] = "go", [TG_ANSWER_HELD] = "held", [TG_ANSWER_UNKNOWN] = "unknown"};

    return names[answer];
}

const char *tg_on_unknown_name(enum tg_on_unknown policy)
{
    static const char *const names[] = {[TG_UNKNOWN_HOLDS] = "hold", [TG_UNKNOWN_LAST_KNOWN] = "last-known", [TG_UNKNOWN_GOES] = "go"};

    return names[policy];
}

void tg_verdict_release(struct tg_guard_verdict *verdict)
{
    tg_locks_release(&verdict->locks);
    free(verdict->scope_of);
    verdict->scope_of = NULL;
}

/* --- the decision: pure --- */

/* The strictest first: the one that lasts longest, an overdue one before all (nobody knows how long); then the oldest. */
static int stricter(const struct tg_lock *a, const struct tg_lock *b, int64_t wall_ms)
{
    bool over_a = tg_lock_is_overdue(a, wall_ms), over_b = tg_lock_is_overdue(b, wall_ms);

    if (over_a != over_b)
        return over_a ? -1 : 1;
    if (a->until_ms != b->until_ms)
        return a->until_ms > b->until_ms ? -1 : 1;
    if (a->since_ms != b->since_ms)
        return a->since_ms < b->since_ms ? -1 : 1;
    return strcmp(a->id, b->id);
}

int tg_decide(const struct tg_question *q, struct tg_lock *locks, size_t n, int64_t wall_ms, struct tg_guard_verdict *out, struct tg_error *e)
{
    out->locks.v = calloc(n + 1, sizeof *out->locks.v);
    out->scope_of = calloc(n + 1, sizeof *out->scope_of);
    if (!out->locks.v || !out->scope_of)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct tg_lock *l = &locks[i];
        size_t scope = 0;
        if (!tg_lock_is_live(l, wall_ms) || !tg_lock_holds_actor(l, q->actor) ||
            tg_scopes_overlap(&l->scopes, q->scopes, &scope, NULL) == TG_OVERLAP_NO)
            continue;
        if (tg_lock_token_fits(l, q->tokens)) {
            out->passed++;
            continue;
        }
        size_t at = out->locks.n;
        while (at > 0 && stricter(l, &out->locks.v[at - 1], wall_ms) < 0) {
            out->locks.v[at] = out->locks.v[at - 1];
            out->scope_of[at] = out->scope_of[at - 1];
            at--;
        }
        out->locks.v[at] = *l;
        out->scope_of[at] = scope;
        out->locks.n++;
        l->scopes = (struct tg_scopes) TG_SCOPES_INIT;
    }
    out->answer = out->locks.n ? TG_ANSWER_HELD : TG_ANSWER_GO;
    return 0;
}

/* --- asking --- */

/* A word for what went wrong without the guard having found one. */
const char *tg_unknown_cause(int code)
{
    switch (code) {
    case TG_E_TIMEOUT:
        return "no-answer";
    case TG_E_LOST:
    case TG_E_SYSTEM:
    case TG_E_FULL:
        return "store-unreachable";
    case TG_E_SESSION:
        return "session-expired";
    case TG_E_PERM:
        return "not-allowed";
    case TG_E_CONFIG:
        return "configuration";
    case TG_E_CANCELLED:
        return "interrupted";
    default:
        return "unproven";
    }
}

const char *tg_unknown_hint(int code)
{
    if (code == TG_E_FULL)
        return "make room on that file system, then try again; until then let nothing act";
    return "nothing is known of the locks, so let nothing act; tagout doctor looks at the store, step by step";
}

/* The store says that there is none. Did this host ever see one there? */
static void tell_empty(const struct tg_guard *guard, struct tg_guard_verdict *out)
{
    const char *url = tg_store_url(guard->store);
    struct tg_seen seen;

    snprintf(out->cause, sizeof out->cause, "not-initialised");
    if (!guard->state_dir || tg_seen_load(guard->state_dir, url, &seen, NULL) != 0)
        return;
    if (!seen.known)
        return;
    snprintf(out->cause, sizeof out->cause, "store-empty");
    tg_error_clear(&out->error);
    tg_fail(&out->error, TG_E_UNKNOWN, "nothing is there, but this host has seen cluster %.8s there: an empty store has taken its place", seen.id);
    tg_error_hint(&out->error, "is %s the right one? tagout doctor", url);
}

void tg_verdict_unknown(const struct tg_guard *guard, int code, const struct tg_error *e, struct tg_guard_verdict *out)
{
    out->answer = TG_ANSWER_UNKNOWN;
    out->error = *e;
    snprintf(out->cause, sizeof out->cause, "%s", guard->cause[0] ? guard->cause : tg_unknown_cause(code));
    if (!guard->cause[0] && code == TG_E_UNKNOWN) {
        bool refused = tg_store_state(guard->store) == TG_SESSION_REFUSED;
        int what = refused ? tg_store_error(guard->store)->sys_errno : 0; /* who passed e on may have made another of it */
        if (what == ENOENT)
            tell_empty(guard, out);
        else if (what == EPROTONOSUPPORT)
            snprintf(out->cause, sizeof out->cause, "format-newer");
        else if (!refused || what == EUCLEAN) /* it is there, and says of itself that it is not whole */
            snprintf(out->cause, sizeof out->cause, "damaged");
    }
    tg_error_hint(&out->error, "%s", tg_unknown_hint(code));
}

void tg_check(struct tg_guard *guard, const struct tg_question *question, int64_t deadline, struct tg_guard_verdict *out)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_look *look = NULL;
    size_t n = 0;

    *out = (struct tg_guard_verdict) {.answer = TG_ANSWER_UNKNOWN};
    if (tg_local_hold_decides(guard->state_dir, guard->inventory, question, tg_guard_wall(guard), out))
        return;
    int rc = tg_look_run(guard, question->scopes, false, deadline, &look, &e);
    if (!rc) {
        struct tg_lock *locks = tg_look_locks(look, &n);
        rc = tg_decide(question, locks, n, tg_guard_wall(guard), out, &e);
        out->generation = tg_look_generation(look);
        out->txid = tg_store_seen_txid(guard->store);
    }
    tg_look_free(look);
    if (!rc && tg_outer_age(guard, question->outer, question->scopes, out, deadline))
        tg_verdict_let_pass(out);
    struct tg_guard_verdict late;
    if (rc)
        tg_verdict_unknown(guard, rc, &e, out);
    else if (out->answer == TG_ANSWER_GO && tg_local_hold_decides(guard->state_dir, guard->inventory, question, tg_guard_wall(guard), &late)) {
        tg_verdict_release(out); /* somebody threw the switch while the store was asked */
        *out = late;
    }
}

/* --- saying it --- */

/* In quotes; quotes, backslashes and what is harmful escaped, so that a value ends where it should. */
static void add_quoted(struct tg_buf *b, const char *text)
{
    char part[2] = "";

    tg_buf_putc(b, '"');
    while (*text) {
        size_t n = strcspn(text, "\"\\");
        char *plain = strndup(text, n);
        tg_shown(b, plain ? plain : "");
        free(plain);
        text += n;
        part[0] = *text;
        if (*text)
            tg_buf_printf(b, "\\%s", part);
        text += *text ? 1 : 0;
    }
    tg_buf_putc(b, '"');
}

/* A bare word, or in quotes when it has anything that could end it. */
static void add_word(struct tg_buf *b, const char *text)
{
    if (text[0] && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+@:/~,%#") == strlen(text))
        tg_buf_puts(b, text);
    else
        add_quoted(b, text);
}

static void add_as_of(const struct tg_guard_verdict *v, struct tg_buf *out)
{
    char as_of[32];

    if (v->assumed == TG_UNKNOWN_LAST_KNOWN)
        tg_buf_printf(out, " as-of=%s", (tg_time_format(v->as_of_ms - v->as_of_ms % 1000, as_of, sizeof as_of), as_of));
}

static void held_line(const struct tg_guard_verdict *v, int64_t wall_ms, struct tg_buf *out)
{
    const struct tg_lock *l = &v->locks.v[0];
    char scope[TG_SCOPE_TEXT_SIZE], until[32];

    tg_time_format(l->until_ms - l->until_ms % 1000, until, sizeof until);
    tg_buf_printf(out, "TAGOUT-HELD lock=%s scope=%s owner=", l->id, tg_scope_format(&l->scopes.v[v->scope_of[0]], scope, sizeof scope));
    add_word(out, l->owner);
    if (l->ticket[0]) {
        tg_buf_puts(out, " ticket=");
        add_word(out, l->ticket);
    }
    tg_buf_printf(out, " until=%s%s reason=", until, tg_lock_is_overdue(l, wall_ms) ? " overdue=yes" : "");
    add_quoted(out, l->reason);
    if (v->assumed)
        tg_buf_puts(out, " policy=last-known");
    add_as_of(v, out);
    if (v->locks.n > 1)
        tg_buf_printf(out, " and %zu more", v->locks.n - 1);
}

void tg_verdict_line(const struct tg_guard_verdict *v, const char *store_url, int64_t wall_ms, struct tg_buf *out)
{
    if (v->answer == TG_ANSWER_HELD)
        held_line(v, wall_ms, out);
    if (v->answer == TG_ANSWER_HELD || (v->answer == TG_ANSWER_GO && !v->assumed))
        return;
    if (v->answer == TG_ANSWER_GO)
        tg_buf_printf(out, "TAGOUT-ASSUMED answer=go policy=%s", tg_on_unknown_name(v->assumed));
    else
        tg_buf_puts(out, "TAGOUT-UNKNOWN");
    add_as_of(v, out);
    tg_buf_puts(out, " store=");
    add_word(out, store_url);
    tg_buf_printf(out, " cause=%s detail=", v->cause);
    add_quoted(out, v->error.message);
    if (v->error.hint[0]) {
        tg_buf_puts(out, " mend=");
        add_quoted(out, v->error.hint);
    }
}

static void explain_lock(const struct tg_lock *l, int64_t wall_ms, struct tg_buf *out)
{
    char scopes[TG_SCOPE_TEXT_SIZE + 16], since[32], until[32], left[32], odd[160];

    tg_time_format(l->since_ms - l->since_ms % 1000, since, sizeof since);
    tg_time_format(l->until_ms - l->until_ms % 1000, until, sizeof until);
    tg_duration_format(l->until_ms > wall_ms ? l->until_ms - wall_ms : wall_ms - l->until_ms, left, sizeof left);
    tg_buf_puts(out, "Locked by ");
    tg_shown(out, l->owner);
    tg_buf_printf(out, " (%s, %s) since %s ", l->id, tg_scopes_format(&l->scopes, scopes, sizeof scopes), since);
    if (wall_ms >= l->until_ms && l->release_at_expiry)
        tg_buf_printf(out, "until %s by the store's clock, which was not shown to have come: it still holds", until);
    else if (wall_ms >= l->until_ms)
        tg_buf_printf(out, "until %s, which was %s ago: overdue, and it still holds", until, left);
    else
        tg_buf_printf(out, "until %s (another %s)", until, left);
    tg_buf_puts(out, ": ");
    tg_shown(out, l->reason);
    tg_buf_puts(out, l->ticket[0] ? " (" : "");
    tg_shown(out, l->ticket);
    tg_buf_puts(out, l->ticket[0] ? ")" : "");
    if (tg_lock_oddity(l, wall_ms, odd, sizeof odd)[0])
        tg_buf_printf(out, ". Odd: %s", odd);
    tg_buf_puts(out, "\n");
}

/* On whose word an answer rests that is not proven. */
static void explain_assumed(const struct tg_guard_verdict *v, struct tg_buf *out)
{
    char as_of[32];

    tg_time_format(v->as_of_ms - v->as_of_ms % 1000, as_of, sizeof as_of);
    if (v->assumed == TG_UNKNOWN_LAST_KNOWN)
        tg_buf_printf(out, "Nothing is known now, so what was known at %s counts (--on-unknown last-known): ", as_of);
    else
        tg_buf_puts(out, "Go, though nothing is known of the locks, because --on-unknown go says so: ");
    tg_shown(out, v->error.message);
    tg_buf_puts(out, ".\n");
}

void tg_verdict_explain(const struct tg_guard_verdict *v, int64_t wall_ms, struct tg_buf *out)
{
    if (v->assumed)
        explain_assumed(v, out);
    else if (v->answer == TG_ANSWER_GO && v->passed)
        tg_buf_printf(out, "Go: %zu lock%s here %s, and you bear the token.\n", v->passed, v->passed == 1 ? "" : "s", v->passed == 1 ? "holds" : "hold");
    else if (v->answer == TG_ANSWER_GO && v->nested)
        tg_buf_printf(out, "Go: %zu lock%s for the run that this is a part of.\n", v->nested, v->nested == 1 ? " waits" : "s wait");
    else if (v->answer == TG_ANSWER_GO)
        tg_buf_puts(out, "Go: no lock is in the way.\n");
    for (size_t i = 0; i < v->locks.n; i++)
        explain_lock(&v->locks.v[i], wall_ms, out);
    if (v->answer != TG_ANSWER_UNKNOWN)
        return;
    tg_buf_puts(out, "It can't be proven that there is no lock, so don't act: ");
    tg_shown(out, v->error.message);
    tg_buf_puts(out, v->error.hint[0] ? ".\n" : ".");
    tg_shown(out, v->error.hint);
    tg_buf_putc(out, '\n');
}
