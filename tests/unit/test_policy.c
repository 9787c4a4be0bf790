/* What an UNKNOWN means to whoever asks: hold unless somebody said otherwise, and whatever was assumed is said (P2, P12). */
#include "base/buf.h"
#include "guard/policy.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct tg_guard_verdict unknown(const char *cause)
{
    struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN};

    tg_fail(&v.error, TG_E_UNKNOWN, "nobody answers");
    snprintf(v.cause, sizeof v.cause, "%s", cause);
    return v;
}

static struct tg_policy policy(const char *text)
{
    struct tg_policy p = {0};
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_policy_parse(text, &p, &e), 0, "%s: %s", text, e.message);
    return p;
}

static char *line_of(const struct tg_guard_verdict *v)
{
    struct tg_buf b = TG_BUF_INIT;

    tg_verdict_line(v, "zk://zk1:2181/tagout", 0, &b);
    return tg_buf_take(&b, NULL);
}

Test(policy, is_one_of_three)
{
    static const char *const bad[] = {"", "hold ", "GO", "last", "last-known=", "last-known=5", "last-known=0s", "last-known=-5m", "last-known=x", "go=5m", NULL};
    struct tg_policy p;
    struct tg_error e;

    cr_assert_eq(policy("hold").on_unknown, TG_UNKNOWN_HOLDS);
    cr_assert_eq(policy("go").on_unknown, TG_UNKNOWN_GOES);
    cr_assert_eq(policy("last-known").on_unknown, TG_UNKNOWN_LAST_KNOWN);
    cr_assert_eq(policy("last-known").max_age_ms, TG_LAST_KNOWN_MS);
    cr_assert_eq(policy("last-known=20m").max_age_ms, 20 * 60000);
    for (size_t i = 0; bad[i]; i++) {
        tg_error_clear(&e);
        cr_assert_eq(tg_policy_parse(bad[i], &p, &e), TG_E_USAGE, "\"%s\" was taken", bad[i]);
    }
}

/* P2 */
Test(policy, hold_leaves_an_unknown_alone)
{
    struct tg_guard_verdict v = unknown("no-answer");
    struct tg_policy p = policy("hold");

    tg_policy_apply(&p, "/nonexistent", "memory:x", NULL, 0, &v);
    cr_assert_eq(v.answer, TG_ANSWER_UNKNOWN);
    cr_assert_eq(v.assumed, TG_UNKNOWN_HOLDS);
}

/* P2, P12: it is let pass, and nobody can take it for a proven GO. */
Test(policy, go_says_that_nothing_was_known)
{
    struct tg_guard_verdict v = unknown("no-answer");
    struct tg_policy p = policy("go");

    tg_policy_apply(&p, "/nonexistent", "memory:x", NULL, 0, &v);
    cr_assert_eq(v.answer, TG_ANSWER_GO);
    char *line = line_of(&v);
    cr_assert_str_eq(line, "TAGOUT-ASSUMED answer=go policy=go store=zk://zk1:2181/tagout cause=no-answer detail=\"nobody answers\"");
    free(line);
}

/* Only an UNKNOWN is a policy's matter: a lock is a lock. */
Test(policy, go_does_not_pass_a_lock)
{
    struct tg_guard_verdict v = {.answer = TG_ANSWER_HELD};
    struct tg_policy p = policy("go");

    tg_policy_apply(&p, NULL, NULL, NULL, 0, &v);
    cr_assert_eq(v.answer, TG_ANSWER_HELD);
    cr_assert_eq(v.assumed, TG_UNKNOWN_HOLDS);
}

/* P2 */
Test(policy, last_known_without_a_snapshot_is_unknown)
{
    struct tg_policy p = policy("last-known=1h");
    struct tg_scopes none = TG_SCOPES_INIT;
    struct tg_question q = {.scopes = &none, .actor = "reboot"};
    static const char *const causes[] = {"no-answer", "own-groups", "configuration", "inventory"};

    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        struct tg_guard_verdict v = unknown(causes[i]);
        tg_policy_apply(&p, "/nonexistent", "memory:x", &q, 1000000, &v);
        cr_assert_eq(v.answer, TG_ANSWER_UNKNOWN, "%s", causes[i]);
        char *line = line_of(&v);
        cr_assert(strncmp(line, "TAGOUT-UNKNOWN ", 15) == 0, "%s", line);
        free(line);
    }
}
