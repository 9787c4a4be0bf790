/* What a fencing token proves, on any store: a part of guard_suite.h. */
#ifndef TESTS_GUARD_FENCE_H
#define TESTS_GUARD_FENCE_H

#include "guard/fence.h"

static enum tg_guard_answer prove_fence(const char *scopes, const char *actor, int64_t generation, int64_t txid)
{
    struct tg_fence fence = {.generation = generation, .txid = txid};
    struct tg_scopes list = scopes_of(scopes);
    struct tg_guard_verdict v;

    tg_fence_prove(&g, &list, actor, &fence, &v);
    enum tg_guard_answer a = v.answer;
    snprintf(g.cause, sizeof g.cause, "%s", v.cause);
    tg_verdict_release(&v);
    tg_scopes_release(&list);
    return a;
}

GTEST(a_token_proves_its_grant_and_no_other) /* P4 */
{
    struct tg_permit *p = NULL, *q = NULL;
    int64_t generation, txid, later;

    cr_assert_eq(take_permit(&g, "host:a", "x", &p), 0);
    tg_permit_fence(p, &generation, &txid);
    cr_assert_eq(prove_fence("host:a", "x", generation, txid), TG_ANSWER_GO);
    cr_assert_eq(prove_fence("fleet", "x", generation, txid), TG_ANSWER_GO);
    cr_assert_eq(prove_fence("host:b", "x", generation, txid), TG_ANSWER_UNKNOWN);
    cr_assert_eq(prove_fence("host:a", "y", generation, txid), TG_ANSWER_UNKNOWN);
    cr_assert_eq(prove_fence("host:a", "x", generation, txid + 1), TG_ANSWER_UNKNOWN);
    cr_assert_str_eq(g.cause, "token-gone");
    cr_assert_eq(prove_fence("host:a", "x", generation + 1, txid), TG_ANSWER_UNKNOWN);
    cr_assert_str_eq(g.cause, "token-older");
    tg_permit_release(p);
    cr_assert_eq(prove_fence("host:a", "x", generation, txid), TG_ANSWER_UNKNOWN);
    cr_assert_eq(take_permit(&g, "host:a", "x", &q), 0);
    tg_permit_fence(q, &generation, &later);
    cr_assert_eq(prove_fence("host:a", "x", generation, txid), TG_ANSWER_UNKNOWN); /* the next one's is not the old one's */
    cr_assert_eq(prove_fence("host:a", "x", generation, later), TG_ANSWER_GO);
    tg_permit_release(q);
}

GTEST(a_locks_token_proves_it_until_it_is_released_or_broken)
{
    struct tg_lock l;
    struct tg_release_request r = {.owner = "bob@ops2", .force = true, .reason = "needed"};

    OK(try_lock(&g, "group:web=a,b", "alice@ops1", -1, &l, e));
    cr_assert_eq(prove_fence("host:a", "x", l.generation, l.txid), TG_ANSWER_GO);
    r.id = l.id;
    OK(tg_lock_release(&g, &r, NULL, e));
    cr_assert_eq(prove_fence("host:a", "x", l.generation, l.txid), TG_ANSWER_UNKNOWN);
    tg_lock_clear(&l);
}

GTEST(what_is_no_token_is_refused)
{
    static const char *const bad[] = {"", ":", "1", "1:", ":1", "1:2:3", "1:2 ", "-1:2", "0:5", "5:0", "1:9999999999999999999", "a:b"};
    struct tg_fence f;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(tg_fence_parse(bad[i], &f, NULL), TG_E_USAGE, "%s", bad[i]);
    OK(tg_fence_parse("3:42", &f, e));
    cr_assert(f.generation == 3 && f.txid == 42);
}

#endif
