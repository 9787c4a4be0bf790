/* What people do with locks that others took, and with those that end by themselves: part of guard_suite.h, on any store. */
#ifndef TESTS_GUARD_SUITE_PEOPLE_H
#define TESTS_GUARD_SUITE_PEOPLE_H

#include "guard/approval.h"

/* The verbs of the last n entries of the audit, newest last: "lock ask break". */
static const char *audit_verbs(size_t n)
{
    static char text[200];
    struct tg_audit a;
    size_t len = 0;

    OK(tg_audit_read(&g, NULL, 0, n, &a, e));
    text[0] = '\0';
    for (size_t i = 0; i < a.n; i++)
        len += (size_t) snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "", a.v[i].verb);
    tg_audit_release(&a);
    return text;
}

GTEST(another_s_lock_goes_when_a_second_person_approves)
{
    char *id = lock_it("host:a", "alice@ops1");
    struct tg_approval asked;
    struct tg_error why = TG_ERROR_INIT;
    struct tg_lock l;

    cr_assert_eq(tg_approval_give(&g, id, "carol@ops3", NULL, &l, &why), TG_E_NOENT);
    cr_assert(strstr(why.hint, "--force --reason"), "%s", why.hint);
    cr_assert_eq(tg_approval_ask(&g, id, "alice@ops1", "mine", 0, &asked, NULL, NULL), TG_E_USAGE);
    cr_assert_eq(tg_approval_ask(&g, id, "bob@ops2", "  ", 0, &asked, NULL, NULL), TG_E_USAGE);
    cr_assert_eq(tg_approval_ask(&g, "QQQQQQ", "bob@ops2", "why", 0, &asked, NULL, NULL), TG_E_NOENT);
    OK(tg_approval_ask(&g, id, "bob@ops2", "alice is away", 0, &asked, NULL, e));
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_HELD);
    tg_error_clear(&why);
    cr_assert_eq(tg_approval_give(&g, id, "bob@ops2", NULL, &l, &why), TG_E_PERM); /* his own wish */
    cr_assert(strstr(why.hint, "--approve"), "%s", why.hint);
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_HELD);
    OK(tg_approval_ask(&g, id, "bob@ops2", "alice is away, really", 0, &asked, NULL, e)); /* asking anew is no harm */
    OK(tg_approval_give(&g, id, "carol@ops3", NULL, &l, e));
    cr_assert_str_eq(asked.by, "bob@ops2");
    cr_assert_str_eq(l.released_by, "carol@ops3");
    cr_assert_str_eq(l.released_why, "alice is away, really (asked for by bob@ops2)");
    tg_lock_clear(&l);
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO);
    cr_assert_str_eq(audit_verbs(4), "lock ask ask break");
    cr_assert_eq(tg_approval_give(&g, id, "carol@ops3", NULL, &l, NULL), TG_E_NOENT);
    free(id);
}

static void on_moment(void *data)
{
    (void) data;
}

static void a_moment_passes(void) /* on whatever clock the loop has */
{
    struct tg_timer *t;

    OK(tg_timer_new(loop, on_moment, NULL, &t, e));
    tg_timer_start(t, 2);
    (void) tg_loop_turn(loop, 2);
    tg_timer_free(t);
}

GTEST(a_wish_to_break_a_lock_expires)
{
    char *id = lock_it("host:a", "alice@ops1");
    struct tg_approval asked;
    struct tg_names names;
    struct tg_lock l;

    OK(tg_approval_ask(&g, id, "bob@ops2", "alice is away", 1, &asked, NULL, e));
    while (tg_guard_wall(&g) <= asked.until_ms)
        a_moment_passes();
    cr_assert_eq(tg_approval_give(&g, id, "carol@ops3", NULL, &l, NULL), TG_E_NOENT);
    char *other = lock_it("host:b", "alice@ops1");
    OK(tg_approval_ask(&g, other, "bob@ops2", "this too", 0, &asked, NULL, e));
    OK(tg_store_list(g.store, "/approvals", tg_store_deadline(g.store, 20000), &names, e));
    cr_assert_eq(names.count, 1); /* and is cleared by the next */
    cr_assert_str_eq(names.names[0], other);
    tg_names_release(&names);
    free(other);
    free(id);
}

GTEST(a_store_without_approvals_says_so) /* P2 */
{
    char *id = lock_it("host:a", "alice@ops1");
    struct tg_approval asked;
    struct tg_error why = TG_ERROR_INIT;

    OK(tg_store_delete(g.store, "/approvals", TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
    cr_assert_eq(tg_approval_ask(&g, id, "bob@ops2", "why", 0, &asked, NULL, &why), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "store-older");
    cr_assert(strstr(why.hint, "tagout init"), "%s", why.hint);
    free(id);
}

GTEST(a_damaged_wish_approves_nothing) /* P2 */
{
    char *id = lock_it("host:a", "alice@ops1"), path[64];
    struct tg_approval asked;
    struct tg_lock l;

    OK(tg_approval_ask(&g, id, "bob@ops2", "why", 0, &asked, NULL, e));
    snprintf(path, sizeof path, "/approvals/%s", id);
    struct tg_node node = node_at(path);
    node.data[12] ^= 4;
    put(path, node.data, node.len);
    cr_assert_eq(tg_approval_give(&g, id, "carol@ops3", NULL, &l, NULL), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "bad-record");
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_HELD);
    tg_node_release(&node);
    free(id);
}

GTEST(asking_again_with_one_request_gives_the_same_lock)
{
    struct tg_scopes list = scopes_of("host:a"), others = scopes_of("host:a host:b"), elsewhere = scopes_of("host:c");
    struct tg_lock_request r = {.scopes = &list, .owner = "puppet@web1", .reason = "r", .for_ms = 60000, .request_id = "puppet-web1-kernel"};
    struct tg_lock first, second, third;
    struct tg_error why = TG_ERROR_INIT;

    OK(tg_lock_take(&g, &r, -1, NULL, NULL, &first, e));
    OK(tg_lock_take(&g, &r, -1, NULL, NULL, &second, e));
    cr_assert_str_eq(first.id, second.id);
    cr_assert_eq(second.state, TG_LOCK_HELD);
    cr_assert_eq(first.txid, second.txid);
    r.scopes = &others;
    cr_assert_eq(tg_lock_take(&g, &r, -1, NULL, NULL, &third, &why), TG_E_EXISTS);
    cr_assert(strstr(why.message, first.id), "%s", why.message);
    r.scopes = &elsewhere; /* as many scopes, and none in common: it must not be given the lock of host:a as if it were on host:c */
    OK(tg_lock_take(&g, &r, -1, NULL, NULL, &third, e));
    cr_assert_str_neq(third.id, first.id);
    cr_assert_eq(ask("host:c", "x"), TG_ANSWER_HELD);
    cr_assert_eq(unlock(third.id, "puppet@web1"), 0);
    tg_lock_clear(&third);
    r.scopes = &list;
    r.owner = "mallory@web1";
    cr_assert_eq(tg_lock_take(&g, &r, -1, NULL, NULL, &third, NULL), TG_E_EXISTS);
    r.owner = "puppet@web1";
    r.request_id = "with spaces";
    cr_assert_eq(tg_lock_take(&g, &r, -1, NULL, NULL, &third, NULL), TG_E_USAGE);
    r.request_id = "puppet-web1-kernel";
    cr_assert_eq(unlock(first.id, "puppet@web1"), 0);
    OK(tg_lock_take(&g, &r, -1, NULL, NULL, &third, e)); /* a wish that was fulfilled can be wished again */
    cr_assert_gt(third.txid, first.txid);
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_HELD);
    cr_assert_eq(unlock(third.id, "puppet@web1"), 0);
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO);
    tg_lock_clear(&first);
    tg_lock_clear(&second);
    tg_lock_clear(&third);
    tg_scopes_release(&list);
    tg_scopes_release(&others);
    tg_scopes_release(&elsewhere);
}

/* Puts other times into a lock that lies there, as a clock that was wrong would have. */
static void set_times(const char *scope, const char *id, int64_t since_ms, int64_t until_ms)
{
    struct tg_scopes s = scopes_of(scope);
    char path[TG_NODE_PATH_SIZE + 20], entry[64];
    struct tg_lock l;

    tg_tree_scope_path("/locks", &s.v[0], path, sizeof path - 20);
    snprintf(path + strlen(path), 20, "/%s", id);
    snprintf(entry, sizeof entry, "/lock-index/%c/%s", id[0], id);
    struct tg_node node = node_at(path);
    OK(tg_lock_decode(node.data, node.len, &l, e));
    l.since_ms = since_ms;
    l.until_ms = until_ms;
    char *text = tg_lock_encode(&l);
    put(path, text, strlen(text));
    put(entry, text, strlen(text));
    free(text);
    tg_lock_clear(&l);
    tg_node_release(&node);
    tg_scopes_release(&s);
}

static char *lock_to_end(const char *scope, int64_t for_ms)
{
    struct tg_scopes list = scopes_of(scope);
    struct tg_lock_request r = {.scopes = &list, .owner = "alice@ops1", .reason = "r", .for_ms = for_ms, .release_at_expiry = true};
    struct tg_lock l;

    OK(tg_lock_take(&g, &r, -1, NULL, NULL, &l, e));
    char *id = strdup(l.id);
    tg_lock_clear(&l);
    tg_scopes_release(&list);
    return id;
}

GTEST(absurd_times_hold_and_are_told) /* P3 */
{
    const int64_t now = tg_guard_wall(&g), y2099 = INT64_C(4073040000000);
    const struct { int64_t since, until; const char *odd; } rows[] = {
        {y2099, y2099 + 1000, "a clock is wrong"}, {now, y2099, "away"}, {now, now - 5000, "before its beginning"}, {0, 0, "before its beginning"},
    };
    char *ends = lock_to_end("host:a", 3600000), *stays = lock_it("host:b", "alice@ops1"), odd[160];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_times("host:a", ends, rows[i].since, rows[i].until);
        set_times("host:b", stays, rows[i].since, rows[i].until);
        struct tg_guard_verdict v = ask_of(&g, "host:a", "x");
        cr_assert_eq(v.answer, TG_ANSWER_HELD, "row %zu", i);
        cr_assert(strstr(tg_lock_oddity(&v.locks.v[0], now, odd, sizeof odd), rows[i].odd), "row %zu: %s", i, odd);
        tg_verdict_release(&v);
        cr_assert_eq(ask("host:b", "x"), TG_ANSWER_HELD, "row %zu", i);
    }
    cr_assert_eq(unlock(ends, "alice@ops1"), 0);
    cr_assert_eq(unlock(stays, "alice@ops1"), 0);
    free(ends);
    free(stays);
}

/* The asker's clock is far ahead of the store's: on the record, the end lies between the two. */
GTEST(a_lock_that_ends_by_itself_ends_by_the_store_s_clock) /* P3 */
{
    char *id = lock_to_end("host:a", 3600000);
    int64_t now = tg_guard_wall(&g), store_ms = 0;

    OK(tg_guard_store_ms(&g, &store_ms, e));
    cr_assert_lt(store_ms - now < 0 ? now - store_ms : store_ms - now, 5000);
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_HELD);
    set_times("host:a", id, now - 10000, now - 5000);
    OK(tg_store_delete(g.store, "/clock", TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e)); /* it can't be asked: it holds */
    g.store_ms_until = 0;
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_HELD);
    cr_assert_str_eq(g.cause, "");
    OK(tg_store_create(g.store, "/clock", "", 0, 0, tg_store_deadline(g.store, 20000), e));
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO);
    struct tg_locks all;
    OK(tg_lock_list(&g, NULL, &all, e));
    cr_assert_eq(all.n, 0);
    tg_locks_release(&all);
    cr_assert_eq(unlock(id, "alice@ops1"), 0); /* what has ended may still be cleared away */
    free(id);
}

GTEST(what_ended_by_itself_is_reaped_from_all_its_scopes_and_recorded)
{
    char *id = lock_to_end("host:a", 3600000), path[TG_NODE_PATH_SIZE + 20];
    struct tg_scopes s = scopes_of("host:a");
    int64_t now = tg_guard_wall(&g);
    struct tg_node node;

    set_times("host:a", id, now - 200000, now - 100000);
    cr_assert_eq(tg_lock_reap(&g, &s), 1);
    cr_assert_str_eq(audit_verbs(2), "lock expire");
    tg_tree_scope_path("/locks", &s.v[0], path, sizeof path);
    cr_assert_eq(tg_store_read(g.store, path, tg_store_deadline(g.store, 20000), &node, NULL), TG_E_NOENT); /* its node went with it */
    snprintf(path, sizeof path, "/lock-index/%c/%s", id[0], id);
    cr_assert_eq(tg_store_read(g.store, path, tg_store_deadline(g.store, 20000), &node, NULL), TG_E_NOENT);
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO);
    tg_scopes_release(&s);
    free(id);
}

GTEST(extending_another_s_lock_hints_at_one_s_own)
{
    char *id = lock_it("host:a", "alice@ops1");
    struct tg_error why = TG_ERROR_INIT;
    struct tg_lock l;

    cr_assert_eq(tg_lock_extend(&g, id, "bob@ops2", 1000, &l, &why), TG_E_PERM);
    cr_assert(!strstr(why.hint, "--force") && strstr(why.hint, "tagout lock host:a"), "%s", why.hint);
    free(id);
}

GTEST(a_lock_and_its_release_leave_nothing_but_the_audit)
{
    struct tg_names names;

    for (int i = 0; i < 3; i++) {
        char *id = lock_it("host:a group:g=a,b service:s fleet", "alice@ops1"), index[32];
        snprintf(index, sizeof index, "/lock-index/%c", id[0]);
        cr_assert_eq(unlock(id, "alice@ops1"), 0);
        OK(tg_store_list(g.store, index, tg_store_deadline(g.store, 20000), &names, e));
        cr_assert_eq(names.count, 0);
        tg_names_release(&names);
        free(id);
    }
    OK(tg_store_list(g.store, "/locks/fleet", tg_store_deadline(g.store, 20000), &names, e));
    cr_assert_eq(names.count, 0);
    tg_names_release(&names);
    OK(tg_store_list(g.store, "/locks/group", tg_store_deadline(g.store, 20000), &names, e));
    cr_assert_eq(names.count, 0);
    tg_names_release(&names);
    cr_assert_str_eq(audit_verbs(6), "lock unlock lock unlock lock unlock");
}

#endif
