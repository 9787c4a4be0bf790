/* Runs within runs, on any store: a part of guard_suite.h. P1 all through: what passes a lock is something that the lock waits for. */
#ifndef TESTS_GUARD_NESTED_H
#define TESTS_GUARD_NESTED_H

#include "guard/nested.h"

/* An outer run, of another session, and a lock that waits for it. */
struct nested {
    struct tg_guard other;
    struct tg_permit *outer;
    char name[TG_OUTER_SIZE];
    struct tg_scopes scopes;
    const char *hold[1];
    struct tg_lock_request wish;
    struct tg_lock lock;
};

/* hold: the one actor that the lock holds; NULL all. */
static void nested_begin(struct nested *n, const char *outer, const char *lock, const char *hold)
{
    *n = (struct nested) {.other = {.store = open_another(), .timeout_ms = 20000}, .scopes = scopes_of(lock), .hold = {hold}};
    n->wish = (struct tg_lock_request) {.scopes = &n->scopes, .owner = "alice@ops1", .reason = "new disk", .for_ms = 3600000, .request_id = "wish",
                                        .hold = n->hold, .n_hold = hold != NULL};
    cr_assert_eq(take_permit(&n->other, outer, "config-management", &n->outer), 0);
    tg_permit_name(n->outer, n->name, sizeof n->name);
    OK(tg_lock_place(&g, &n->wish, &n->lock, e));
}

static void nested_end(struct nested *n)
{
    tg_permit_release(n->outer);
    tg_lock_clear(&n->lock);
    tg_scopes_release(&n->scopes);
    tg_store_close(n->other.store);
}

static enum tg_guard_answer ask_within(const char *name, const char *scopes, const char *actor)
{
    struct tg_scopes list = scopes_of(scopes);
    struct tg_outer outer;
    struct tg_question q = {.scopes = &list, .actor = actor, .outer = tg_outer_parse(name, &outer) ? &outer : NULL};
    struct tg_guard_verdict v;

    tg_check(&g, &q, tg_store_deadline(g.store, 20000), &v);
    cr_assert_eq(v.answer == TG_ANSWER_HELD, v.locks.n > 0);
    enum tg_guard_answer a = v.answer;
    tg_verdict_release(&v);
    tg_scopes_release(&list);
    return a;
}

static int permit_within(struct tg_guard *guard, const char *name, const char *scopes, const char *actor, struct tg_permit **out)
{
    struct tg_scopes list = scopes_of(scopes);
    struct tg_outer outer;
    struct tg_permit_request r = {.scopes = &list, .actor = actor, .owner = "robot@h", .host = "h", .what = "inner",
                                  .outer = tg_outer_parse(name, &outer) ? &outer : NULL};
    struct tg_guard_verdict v;
    int rc = tg_permit_take(guard, &r, out, &v, NULL);

    tg_verdict_release(&v);
    tg_scopes_release(&list);
    return rc;
}

/* One character of the name is another. */
static const char *altered(const char *name, size_t at, char *out)
{
    snprintf(out, TG_OUTER_SIZE, "%s", name);
    out[at] = out[at] == '2' ? '3' : '2';
    return out;
}

GTEST(what_a_run_starts_goes_on_while_a_lock_waits_for_the_run)
{
    struct nested n;

    nested_begin(&n, "host:web1", "host:web1", NULL);
    cr_assert_eq(ask_within(n.name, "host:web1", "package-manager"), TG_ANSWER_GO);
    cr_assert_eq(ask("host:web1", "package-manager"), TG_ANSWER_HELD, "a stranger");
    cr_assert_eq(ask("host:web1", "config-management"), TG_ANSWER_HELD, "a stranger");
    OK(tg_lock_confirm(&g, &n.lock, e)); /* without waiting, as nobody does */
    cr_assert_eq(ask_within(n.name, "host:web1", "package-manager"), TG_ANSWER_HELD, "a lock that is granted always holds");
    nested_end(&n);
}

GTEST(a_lock_waits_for_a_permit_within_a_run_also_when_the_run_has_ended)
{
    struct nested n;
    struct tg_permit *inner = NULL, *third = NULL, *stranger = NULL;
    char name[TG_OUTER_SIZE], name3[TG_OUTER_SIZE];
    struct tg_lock l;

    nested_begin(&n, "host:web1", "fleet", NULL);
    cr_assert_eq(count_conflicts(&n.lock), 1);
    cr_assert_eq(permit_within(&n.other, n.name, "host:web1", "package-manager", &inner), 0);
    cr_assert_eq(count_conflicts(&n.lock), 2);
    tg_permit_name(inner, name, sizeof name);
    tg_permit_release(n.outer);
    n.outer = NULL;
    cr_assert_eq(ask_within(n.name, "host:web1", "x"), TG_ANSWER_HELD, "a name of a run that has ended");
    cr_assert_eq(permit_within(&n.other, n.name, "host:web1", "x", &stranger), TG_E_HELD);
    cr_assert_eq(count_conflicts(&n.lock), 1, "what is refused leaves nothing");
    cr_assert_eq(permit_within(&n.other, name, "host:web1", "reboot", &third), 0, "within the inner one");
    tg_permit_name(third, name3, sizeof name3);
    tg_permit_release(inner);
    cr_assert_eq(count_conflicts(&n.lock), 1);
    cr_assert_eq(ask_within(name3, "host:web1", "x"), TG_ANSWER_GO);
    cr_assert_eq(tg_lock_take(&g, &n.wish, 0, NULL, NULL, &l, NULL), TG_E_HELD);
    tg_permit_release(third);
    n.wish.request_id = "again";
    tg_lock_clear(&n.lock);
    OK(tg_lock_take(&g, &n.wish, 0, NULL, NULL, &n.lock, e));
    cr_assert_eq(ask_within(name3, "host:web1", "x"), TG_ANSWER_HELD);
    cr_assert_eq(ask_within(n.name, "host:web1", "x"), TG_ANSWER_HELD);
    nested_end(&n);
}

GTEST(a_permit_with_no_lock_in_the_way_is_its_own_and_older_than_what_comes)
{
    struct nested n;
    struct tg_permit *inner = NULL;

    nested_begin(&n, "host:web1", "host:web2", NULL);
    cr_assert_eq(permit_within(&n.other, n.name, "host:web1", "x", &inner), 0);
    struct tg_lock l;
    cr_assert_eq(try_lock(&g, "host:web1", "a@b", 0, &l, NULL), TG_E_HELD);
    tg_permit_release(inner);
    nested_end(&n);
}

GTEST(a_forged_name_gives_nothing)
{
    struct nested n;
    char bad[TG_OUTER_SIZE];
    size_t fence, len;

    nested_begin(&n, "host:web1", "host:web1", NULL);
    len = strlen(n.name);
    fence = strcspn(n.name, ":");
    cr_assert_eq(ask_within(altered(n.name, 0, bad), "host:web1", "x"), TG_ANSWER_HELD, "another generation's: %s", bad);
    cr_assert_eq(ask_within(altered(n.name, fence + 1, bad), "host:web1", "x"), TG_ANSWER_HELD, "another grant's: %s", bad);
    cr_assert_eq(ask_within(altered(n.name, len - 1, bad), "host:web1", "x"), TG_ANSWER_HELD, "another permit's: %s", bad);
    snprintf(bad, sizeof bad, "%lld:%lld:%s", (long long) n.lock.generation, (long long) n.lock.txid, n.lock.id);
    cr_assert_eq(ask_within(bad, "host:web1", "x"), TG_ANSWER_HELD, "a lock's");
    cr_assert_eq(ask_within(n.name, "host:web1", "x"), TG_ANSWER_GO);
    nested_end(&n);
}

GTEST(a_name_gives_nothing_beyond_its_scopes)
{
    static const char *const beyond[] = {"host:web2", "group:web=web1,web2", "group:web", "fleet", "service:s", "host:web1 host:web2", "host:web1 service:s", "host:web1 fleet",
                                         "host:web1 group:web=web1"};
    struct nested n;

    nested_begin(&n, "host:web1", "fleet", NULL);
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++)
        cr_assert_eq(ask_within(n.name, beyond[i], "x"), TG_ANSWER_HELD, "%s", beyond[i]);
    cr_assert_eq(ask_within(n.name, "host:web1=web", "x"), TG_ANSWER_GO);
    nested_end(&n);
}

GTEST(a_run_on_a_group_covers_its_hosts)
{
    struct nested n;

    nested_begin(&n, "group:web=web1,web2 service:s", "fleet", NULL);
    cr_assert_eq(ask_within(n.name, "host:web2", "x"), TG_ANSWER_GO);
    cr_assert_eq(ask_within(n.name, "service:s", "x"), TG_ANSWER_GO);
    cr_assert_eq(ask_within(n.name, "host:web1 service:s", "x"), TG_ANSWER_GO);
    cr_assert_eq(ask_within(n.name, "host:web3", "x"), TG_ANSWER_HELD);
    cr_assert_eq(ask_within(n.name, "group:web=web1,web2", "x"), TG_ANSWER_GO);
    cr_assert_eq(ask_within(n.name, "group:front=web1,web2", "x"), TG_ANSWER_HELD, "another group, whatever it has");
    nested_end(&n);
}

GTEST(a_run_on_the_fleet_covers_everything)
{
    struct nested n;

    nested_begin(&n, "fleet", "host:web7 service:t", NULL);
    cr_assert_eq(ask_within(n.name, "host:web7 service:t group:web fleet", "x"), TG_ANSWER_GO);
    nested_end(&n);
}

GTEST(a_lock_that_does_not_wait_for_the_run_holds_what_it_starts)
{
    struct nested n;

    nested_begin(&n, "host:web1", "host:web1", "package-manager"); /* it does not hold config management, so it is granted at once */
    cr_assert_eq(ask_within(n.name, "host:web1", "package-manager"), TG_ANSWER_HELD);
    cr_assert_eq(ask_within(n.name, "host:web1", "x"), TG_ANSWER_GO);
    nested_end(&n);
}

GTEST(of_two_locks_both_must_wait)
{
    struct nested n;
    struct tg_lock second;

    nested_begin(&n, "host:web1", "host:web1", NULL);
    struct tg_scopes list = scopes_of("fleet");
    struct tg_lock_request r = {.scopes = &list, .owner = "bob@ops2", .reason = "r", .for_ms = 1000};
    OK(tg_lock_place(&g, &r, &second, e));
    cr_assert_eq(ask_within(n.name, "host:web1", "x"), TG_ANSWER_GO);
    OK(tg_lock_confirm(&g, &second, e));
    cr_assert_eq(ask_within(n.name, "host:web1", "x"), TG_ANSWER_HELD);
    tg_lock_clear(&second);
    tg_scopes_release(&list);
    nested_end(&n);
}

GTEST(a_run_that_passes_by_token_is_not_waited_for_and_passes_nobody)
{
    struct tg_guard other = {.store = open_another(), .timeout_ms = 20000};
    struct tg_scopes list = scopes_of("host:web1");
    struct tg_permit_request p = {.scopes = &list, .actor = "x", .owner = "a@b", .host = "h", .what = "w", .tokens = "SECRET"};
    struct tg_lock_request r = {.scopes = &list, .owner = "a@b", .reason = "r", .for_ms = 1000, .token = "SECRET"};
    struct tg_permit *outer = NULL;
    struct tg_guard_verdict v;
    struct tg_lock l;
    char name[TG_OUTER_SIZE];

    OK(tg_permit_take(&other, &p, &outer, &v, e));
    tg_verdict_release(&v);
    tg_permit_name(outer, name, sizeof name);
    OK(tg_lock_place(&g, &r, &l, e));
    cr_assert_eq(ask_within(name, "host:web1", "y"), TG_ANSWER_HELD);
    tg_permit_release(outer);
    tg_lock_clear(&l);
    tg_scopes_release(&list);
    tg_store_close(other.store);
}

GTEST(a_run_behind_the_lock_passes_nobody_though_the_lock_waits_for_it) /* it passed by a token that the lock has no more */
{
    struct tg_guard other = {.store = open_another(), .timeout_ms = 20000};
    struct tg_scopes list = scopes_of("host:web1");
    struct tg_permit_request p = {.scopes = &list, .actor = "x", .owner = "a@b", .host = "h", .what = "w", .tokens = "SECRET"};
    struct tg_lock_request r = {.scopes = &list, .owner = "a@b", .reason = "r", .for_ms = 1000, .token = "SECRET"};
    struct tg_release_request mine = {.owner = "a@b"};
    struct tg_permit *outer = NULL, *inner = NULL;
    struct tg_guard_verdict v;
    struct tg_lock l;
    char name[TG_OUTER_SIZE];

    OK(tg_lock_place(&g, &r, &l, e));
    OK(tg_permit_take(&other, &p, &outer, &v, e));
    tg_verdict_release(&v);
    tg_permit_name(outer, name, sizeof name);
    mine.id = l.id;
    tg_lock_clear(&l);
    OK(tg_lock_set_token(&g, &mine, "ANOTHER", &l, e));
    cr_assert_eq(l.state, TG_LOCK_TAKING);
    cr_assert_eq(ask_within(name, "host:web1", "y"), TG_ANSWER_HELD);
    cr_assert_eq(permit_within(&other, name, "host:web1", "y", &inner), TG_E_HELD);
    tg_permit_release(outer);
    tg_lock_clear(&l);
    tg_scopes_release(&list);
    tg_store_close(other.store);
}

GTEST(what_was_only_seen_to_act_has_no_name_to_hand_down)
{
    struct tg_guard other = {.store = open_another(), .timeout_ms = 20000};
    struct tg_scopes list = scopes_of("host:web1");
    struct tg_permit_sighting s = {.scopes = &list, .actor = "x", .owner = "agent", .host = "web1", .what = "puppet", .pid = 7};
    struct tg_lock_request r = {.scopes = &list, .owner = "a@b", .reason = "r", .for_ms = 1000};
    struct tg_permit *seen = NULL;
    struct tg_lock l;
    char name[TG_OUTER_SIZE], good[TG_OUTER_SIZE];

    OK(tg_permit_report_in_flight(&other, &s, &seen, e));
    OK(tg_lock_place(&g, &r, &l, e));
    tg_permit_name(seen, name, sizeof name);
    snprintf(good, sizeof good, "%lld%s", (long long) l.generation, strchr(name, ':')); /* a report is not told the generation */
    cr_assert_eq(ask_within(good, "host:web1", "x"), TG_ANSWER_HELD);
    tg_permit_release(seen);
    tg_lock_clear(&l);
    tg_scopes_release(&list);
    tg_store_close(other.store);
}

GTEST(who_is_refused_within_a_run_that_has_ended_holds_up_no_lock) /* as a daemon would that a run has left behind */
{
    struct nested n;
    struct tg_permit *p = NULL;
    struct tg_lock l;

    nested_begin(&n, "host:web1", "host:web1", NULL);
    tg_permit_release(n.outer);
    n.outer = NULL;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(permit_within(&n.other, n.name, "host:web1", "x", &p), TG_E_HELD);
    tg_lock_clear(&n.lock);
    OK(tg_lock_take(&g, &n.wish, 0, NULL, NULL, &l, e));
    tg_lock_clear(&l);
    n.lock = (struct tg_lock) {.txid = 0};
    nested_end(&n);
}

GTEST(what_is_no_name_is_none)
{
    static const char *const bad[] = {"", ":", "::", "1:2", "1:2:", ":2:ABC", "1::ABC", "0:2:ABC", "1:2:A/B", "1:2:..:/x", "1:2:3:4", "1:99999999999999999999:ABC",
                                      "1:2:ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQ", "1:2:AB C", "x:2:ABC"};
    struct tg_outer o;
    char text[TG_OUTER_SIZE];

    cr_assert_not(tg_outer_parse(NULL, &o));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(tg_outer_parse(bad[i], &o), "%s", bad[i]);
    cr_assert(tg_outer_parse(tg_outer_format(3, 42, "ABC", text, sizeof text), &o));
    cr_assert(o.fence.generation == 3 && o.fence.txid == 42 && strcmp(o.id, "ABC") == 0);
}

#endif
