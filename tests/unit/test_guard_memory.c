/* The guard's promises on the store in memory, and what they are worth when answers are lost, copies partial, reads stale. */
#define GUARD_SUITE guard_memory
#define GUARD_CLUSTER "{\"format\":1,\"id\":\"0123456789abcdef0123456789abcdef\",\"generation\":1,\"state\":\"live\"}"
#include <tagout/loop.h>

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_virtual(1795368000000, out, NULL);
}
static const char *guard_url(void)
{
    return "memory:guard";
}
static void guard_end(void)
{
}
#include "guard_suite.h"

#include "store/memory.h"

#define NAME "guard"

/* Counts are right when every question can be answered. */
static void tree_is_whole(void)
{
    struct tg_locks locks;

    OK(tg_lock_list(&g, NULL, &locks, e));
    tg_locks_release(&locks);
}

/* Every request of taking and releasing a lock meets every fault once: exactly one lock or none, and what was said is true. */
static void with_faults(enum tg_memory_action action, bool must_succeed)
{
    for (int nth = 1; nth <= 14; nth++) {
        struct tg_memory_fault fault = {.nth = nth, .action = action, .code = TG_E_LOST, .session = g.store};
        struct tg_lock l;
        struct tg_error e1 = TG_ERROR_INIT, e2 = TG_ERROR_INIT;
        OK(tg_memory_fault_add(NAME, &fault, e));
        int rc = try_lock(&g, "host:a group:g=a,b service:s", "alice@ops1", -1, &l, &e1);
        size_t n;
        tg_memory_faults_clear(NAME);
        tree_is_whole();
        n = count_locks();
        cr_assert(rc == 0 ? n == 1 : n <= 1, "fault %d: rc %d (%s), %zu locks", nth, rc, e1.message, n);
        cr_assert(!must_succeed || rc == 0 || rc == TG_E_LOST, "fault %d: rc %d (%s)", nth, rc, e1.message);
        if (rc == 0) {
            OK(tg_memory_fault_add(NAME, &fault, e));
            struct tg_release_request r = {.id = l.id, .owner = "alice@ops1"};
            int rc2 = tg_lock_release(&g, &r, NULL, &e2);
            tg_memory_faults_clear(NAME);
            tree_is_whole();
            n = count_locks();
            cr_assert(rc2 == 0 ? n == 0 : n <= 1, "fault %d at release: rc %d (%s), %zu locks", nth, rc2, e2.message, n);
            if (n)
                OK(tg_lock_release(&g, &r, NULL, e));
            tg_lock_clear(&l);
        } else if (n) {
            struct tg_locks locks;
            OK(tg_lock_list(&g, NULL, &locks, e));
            cr_assert_eq(unlock(locks.v[0].id, "alice@ops1"), 0);
            tg_locks_release(&locks);
        }
        cr_assert_eq(ask("fleet", "x"), TG_ANSWER_GO, "fault %d", nth);
    }
}

/* One bill is charged once, or not at all, whatever request or answer is lost. */
static void charge_with_faults(enum tg_memory_action action)
{
    for (int nth = 1; nth <= 5; nth++) {
        struct tg_memory_fault fault = {.nth = nth, .action = action, .code = TG_E_LOST, .session = g.store};
        struct tg_budget_bill bill;
        int64_t before = used("web");
        OK(tg_memory_fault_add(NAME, &fault, e));
        int rc = charge("autoscaler", "service:s", "web=1", -1, &bill, NULL);
        tg_memory_faults_clear(NAME);
        cr_assert(rc == 0 || rc == TG_E_LOST, "fault %d: %d", nth, rc);
        cr_assert_eq(used("web"), before + (rc == 0), "fault %d: %d", nth, rc);
        tg_budget_bill_release(&bill);
    }
}

GTEST(a_lost_answer_charges_a_budget_once)
{
    set_budget("web", "100", "group:web", NULL);
    charge_with_faults(TG_MEMORY_LOSE_ANSWER);
    charge_with_faults(TG_MEMORY_LOSE_REQUEST);
}

GTEST(lost_requests_leave_one_lock_or_none)
{
    with_faults(TG_MEMORY_LOSE_REQUEST, true);
}

GTEST(lost_answers_leave_one_lock_or_none)
{
    with_faults(TG_MEMORY_LOSE_ANSWER, true);
}

/* The writes alone: each is found again, so that the lock is taken in spite of it. */
GTEST(a_lost_answer_to_a_write_is_found_out)
{
    for (int nth = 1; nth <= 2; nth++) {
        struct tg_memory_fault fault = {.nth = nth, .action = TG_MEMORY_LOSE_ANSWER, .verbs = TG_MEMORY_MULTI};
        OK(tg_memory_fault_add(NAME, &fault, e));
        char *id = lock_it("host:a", "alice@ops1");
        tg_memory_faults_clear(NAME);
        cr_assert_eq(count_locks(), 1);
        cr_assert_eq(count_audit("lock"), (size_t) nth);
        OK(tg_memory_fault_add(NAME, &fault, e));
        cr_assert_eq(unlock(id, "alice@ops1"), 0);
        tg_memory_faults_clear(NAME);
        cr_assert_eq(count_locks(), 0);
        cr_assert_eq(count_audit("unlock"), (size_t) nth);
        free(id);
    }
}

GTEST(a_permit_survives_lost_answers_and_is_one)
{
    for (int nth = 1; nth <= 4; nth++) {
        struct tg_memory_fault fault = {.nth = nth, .action = TG_MEMORY_LOSE_ANSWER};
        struct tg_permit *p = NULL;
        OK(tg_memory_fault_add(NAME, &fault, e));
        int rc = take_permit(&g, "host:a service:s", "x", &p);
        tg_memory_faults_clear(NAME);
        if (!rc)
            tg_permit_release(p);
        struct tg_lock l;
        OK(try_lock(&g, "fleet", "a@b", 0, &l, e)); /* nothing is left of it */
        cr_assert_eq(unlock(l.id, "a@b"), 0);
        tg_lock_clear(&l);
    }
}

GTEST(a_store_that_does_not_answer_is_unknown) /* P2 */
{
    struct tg_memory_fault fault = {.times = -1, .action = TG_MEMORY_HANG};
    struct tg_scopes list = scopes_of("host:a");
    struct tg_question q = {.scopes = &list, .actor = "x"};
    struct tg_guard_verdict v;

    OK(tg_memory_fault_add(NAME, &fault, e));
    tg_check(&g, &q, tg_store_deadline(g.store, 3000), &v);
    cr_assert_eq(v.answer, TG_ANSWER_UNKNOWN);
    cr_assert_str_eq(v.cause, "no-answer");
    tg_verdict_release(&v);
    tg_scopes_release(&list);
    tg_memory_faults_clear(NAME);
}

GTEST(an_unknown_within_a_run_stays_one) /* P2; and what can't be proven of the run gives nothing */
{
    struct tg_memory_fault fault = {.times = -1, .action = TG_MEMORY_FAIL, .code = TG_E_UNKNOWN, .session = g.store};
    struct nested n;

    nested_begin(&n, "host:a", "host:a", NULL);
    fault.path = "/locks*";
    OK(tg_memory_fault_add(NAME, &fault, e));
    cr_assert_eq(ask_within(n.name, "host:a", "x"), TG_ANSWER_UNKNOWN);
    tg_memory_faults_clear(NAME);
    fault.path = "/permits*";
    OK(tg_memory_fault_add(NAME, &fault, e));
    cr_assert_eq(ask_within(n.name, "host:a", "x"), TG_ANSWER_HELD);
    tg_memory_faults_clear(NAME);
    cr_assert_eq(ask_within(n.name, "host:a", "x"), TG_ANSWER_GO);
    nested_end(&n);
}

GTEST(a_server_that_lags_behind_shows_no_run_that_has_ended) /* P1: the lock may have been granted meanwhile */
{
    struct tg_guard behind = {.store = open_another(), .timeout_ms = 20000};
    struct nested n;

    nested_begin(&n, "host:a", "host:a", NULL);
    OK(tg_memory_lag(behind.store, 1, e));
    tg_permit_release(n.outer);
    n.outer = NULL;
    struct tg_scopes list = scopes_of("host:a");
    struct tg_outer outer;
    cr_assert(tg_outer_parse(n.name, &outer));
    struct tg_question q = {.scopes = &list, .actor = "x", .outer = &outer};
    struct tg_guard_verdict v;
    tg_check(&behind, &q, tg_store_deadline(behind.store, 20000), &v);
    cr_assert_eq(v.answer, TG_ANSWER_HELD);
    tg_verdict_release(&v);
    tg_scopes_release(&list);
    nested_end(&n);
    tg_store_close(behind.store);
}

GTEST(no_part_of_the_tree_can_be_missing_unnoticed) /* P2: what a half-made copy looks like */
{
    static const char *const paths[] = {"/cluster", "/locks", "/locks/fleet", "/locks/group", "/locks/host", "/locks/group/g"};
    struct tg_memory_snapshot *whole;

    free(lock_it("group:g=a,b host:c.example.com", "alice@ops1"));
    OK(tg_memory_snapshot(NAME, &whole, e));
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        OK(tg_memory_drop(NAME, paths[i], e));
        cr_assert_eq(ask("host:a", "x"), TG_ANSWER_UNKNOWN, "%s", paths[i]);
        cr_assert_eq(ask("fleet", "x"), TG_ANSWER_UNKNOWN, "%s", paths[i]);
        struct tg_lock l;
        cr_assert_neq(try_lock(&g, "host:c.example.com group:g=a,b fleet", "a@b", 0, &l, NULL), 0, "%s", paths[i]);
        OK(tg_memory_restore(NAME, whole, e));
        cr_assert_eq(ask("host:c.example.com", "x"), TG_ANSWER_HELD);
    }
    tg_memory_snapshot_free(whole);
}

/* P1: a lock that lands between the permit's write and its look is seen; one that lands later sees the permit. */
static struct tg_store *second;
static int second_rc;

GTEST(permit_and_lock_never_both_succeed) /* tests/model/handshake.pml, one interleaving after another */
{
    struct tg_guard other = {.store = second = open_another(), .timeout_ms = 20000};

    for (int delay = 0; delay < 12; delay++) {
        struct tg_memory_fault fault = {.nth = delay + 1, .action = TG_MEMORY_DELAY, .delay_ms = 100, .session = second};
        struct tg_permit *p = NULL;
        struct tg_lock l;
        OK(tg_memory_fault_add(NAME, &fault, e));
        int permit = take_permit(&other, "host:a", "x", &p);
        second_rc = try_lock(&g, "group:g=a,b", "a@b", 0, &l, NULL);
        cr_assert(permit != 0 || second_rc == TG_E_HELD);
        tg_memory_faults_clear(NAME);
        if (!permit)
            tg_permit_release(p);
        if (!second_rc) {
            cr_assert_eq(unlock(l.id, "a@b"), 0);
            tg_lock_clear(&l);
        }
    }
    tg_store_close(second);
}

/* Between its read and its write the scope's last lock goes and another's comes: the node looks then as it did. P2: no name is lost. */
GTEST(a_scope_that_came_back_is_not_taken_for_the_one_that_was_read)
{
    for (size_t lag = 1; lag < 8; lag++) {
        struct tg_guard late = {.store = open_another(), .timeout_ms = 20000};
        struct tg_scopes list = scopes_of("host:a");
        struct tg_lock_request request = {.scopes = &list, .owner = "bob@ops1", .reason = "the disk", .for_ms = 3600000};
        struct tg_lock bobs, last;
        char *first = lock_it("host:a", "alice@ops1");
        OK(tg_memory_lag(late.store, lag, e));
        cr_assert_eq(unlock(first, "alice@ops1"), 0);
        OK(tg_lock_place(&g, &request, &bobs, e));
        OK(tg_lock_place(&late, &request, &last, e));
        tree_is_whole();
        cr_assert_eq(count_locks(), 2);
        cr_assert_eq(unlock(bobs.id, "bob@ops1"), 0);
        cr_assert_eq(ask("host:a", "x"), TG_ANSWER_HELD);
        cr_assert_eq(unlock(last.id, "bob@ops1"), 0);
        cr_assert_eq(ask("fleet", "x"), TG_ANSWER_GO);
        tg_lock_clear(&bobs);
        tg_lock_clear(&last);
        tg_scopes_release(&list);
        free(first);
        tg_store_close(late.store);
    }
}

static void interrupt(void *data)
{
    tg_loop_interrupt(data);
}

GTEST(a_lock_that_is_interrupted_at_any_moment_leaves_nothing)
{
    struct tg_timer *timer;

    tg_memory_latency(g.store, 10, 10);
    OK(tg_timer_new(loop, interrupt, loop, &timer, e));
    for (int64_t at = 1; at < 200; at += 3) {
        struct tg_lock l;
        tg_timer_start(timer, at);
        int rc = try_lock(&g, "host:a service:s", "alice@ops1", -1, &l, NULL);
        tg_timer_stop(timer);
        tg_loop_interrupt_clear(loop);
        cr_assert(rc == 0 || rc == TG_E_CANCELLED, "%d", rc);
        cr_assert_eq(count_locks(), rc ? 0 : 1, "interrupted after %d ms: %d", (int) at, rc);
        if (!rc) {
            cr_assert_eq(unlock(l.id, "alice@ops1"), 0);
            tg_lock_clear(&l);
        }
    }
    tg_timer_free(timer);
}

/* P2 is no reason for a false alarm: a lagging server, or others on this host who note what is newer, are no old copy. */
GTEST(a_server_that_lags_behind_this_hosts_mark_is_asked_again)
{
    char dir[] = "/tmp/tagout-test.XXXXXX", command[64];
    struct tg_guard late = {.store = open_another(), .timeout_ms = 20000, .state_dir = mkdtemp(dir)};
    struct tg_lock l;

    free(lock_it("host:z", "alice@ops1"));
    g.state_dir = dir;
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO); /* noted */
    OK(tg_memory_lag(late.store, 50, e));
    free(lock_it("host:b", "alice@ops1"));
    OK(try_lock(&late, "host:a", "bob@ops1", 0, &l, e));
    OK(tg_memory_lag(late.store, 50, e));
    free(lock_it("host:c", "alice@ops1"));
    struct tg_release_request r = {.id = l.id, .owner = "bob@ops1"};
    OK(tg_lock_release(&late, &r, NULL, e));
    tg_lock_clear(&l);
    tg_store_close(late.store);
    g.state_dir = NULL;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

GTEST(a_permit_that_was_not_given_is_not_left_behind) /* P1 must not cost that locks come to an end: an agent's session lives for weeks */
{
    struct tg_guard agent = {.store = open_another(), .timeout_ms = 300};
    struct tg_scopes list = scopes_of("host:web2");
    struct tg_permit *p = NULL, *left = NULL;
    struct tg_permit_request r = {.scopes = &list, .actor = "x", .owner = "o", .host = "h", .what = "w", .left = &left};
    struct tg_memory_fault fault = {.path = "/permits/*", .verbs = TG_MEMORY_MULTI, .session = agent.store, .times = -1};
    static const enum tg_memory_action actions[] = {TG_MEMORY_HANG_ANSWER, TG_MEMORY_LOSE_ANSWER, TG_MEMORY_LOSE_REQUEST};
    struct tg_guard_verdict v;
    struct tg_lock l;

    cr_assert_eq(take_permit(&agent, "host:web2", "x", &p), 0); /* its folders */
    tg_permit_release(p);
    for (size_t i = 0; i < 2 * sizeof actions / sizeof actions[0]; i++) {
        char *id = i % 2 ? lock_it("host:web2", "alice@ops1") : NULL; /* with it, it is written and then refused: giving it back fails */
        p = NULL;
        fault.action = actions[i / 2];
        fault.nth = i % 2 ? 2 : 1;
        OK(tg_memory_fault_add(NAME, &fault, e));
        cr_assert_neq(tg_permit_take(&agent, &r, &p, &v, NULL), 0);
        cr_assert_null(p);
        cr_assert(left, "%zu", i);
        tg_verdict_release(&v);
        tg_memory_faults_clear(NAME);
        cr_assert(tg_permit_give_back(left), "%zu", i);
        tg_permit_release(left);
        left = NULL;
        if (id)
            cr_assert_eq(unlock(id, "alice@ops1"), 0);
        free(id);
        OK(try_lock(&g, "host:web2", "bob@ops1", 0, &l, e));
        cr_assert_eq(unlock(l.id, "bob@ops1"), 0);
        tg_lock_clear(&l);
    }
    tg_scopes_release(&list);
    tg_store_close(agent.store);
}

GTEST(an_old_copy_that_can_not_be_asked_again_is_said_to_be_old) /* P12: not "damaged" */
{
    char dir[] = "/tmp/tagout-test.XXXXXX", command[64];
    struct tg_guard late = {.store = open_another(), .timeout_ms = 20000, .state_dir = mkdtemp(dir)};
    struct tg_memory_fault fault = {.verbs = TG_MEMORY_SYNC, .session = late.store, .times = -1, .action = TG_MEMORY_LOSE_REQUEST};

    free(lock_it("host:z", "alice@ops1"));
    g.state_dir = dir;
    OK(tg_memory_lag(late.store, 50, e));
    free(lock_it("host:b", "alice@ops1"));
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO); /* noted */
    OK(tg_memory_fault_add(NAME, &fault, e));
    struct tg_guard_verdict v = ask_of(&late, "host:a", "x");
    cr_assert_eq(v.answer, TG_ANSWER_UNKNOWN);
    cr_assert_str_eq(v.cause, "older-than-seen", "%s: %s", v.cause, v.error.message);
    tg_verdict_release(&v);
    tg_store_close(late.store);
    g.state_dir = NULL;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

GTEST(stale_reads_do_not_fool_the_handshake) /* P1 */
{
    struct tg_guard other = {.store = open_another(), .timeout_ms = 20000};
    struct tg_permit *p = NULL;

    free(lock_it("host:a", "alice@ops1"));
    OK(tg_memory_lag(other.store, 50, e)); /* a server that has seen nothing of that yet */
    cr_assert_eq(take_permit(&other, "host:a", "x", &p), TG_E_HELD);
    tg_store_close(other.store);
}

GTEST(a_check_is_one_round_trip_when_nothing_is_locked)
{
    tg_memory_latency(g.store, 10, 10);
    int64_t before = tg_mono_ms(tg_loop_clock(loop));
    cr_assert_eq(ask("host:web1.example.com=web", "x"), TG_ANSWER_GO);
    cr_assert_eq(tg_mono_ms(tg_loop_clock(loop)) - before, 20);
    free(lock_it("host:web1.example.com", "alice@ops1"));
    before = tg_mono_ms(tg_loop_clock(loop));
    cr_assert_eq(ask("host:web1.example.com=web", "x"), TG_ANSWER_HELD);
    cr_assert_eq(tg_mono_ms(tg_loop_clock(loop)) - before, 40); /* one more for the record */
}

GTEST(a_permit_whose_session_expired_is_gone) /* P4 */
{
    struct tg_guard other = {.store = open_another(), .timeout_ms = 20000};
    struct tg_permit *p = NULL;
    int64_t stop, kill;

    cr_assert_eq(take_permit(&other, "host:a", "x", &p), 0);
    tg_permit_deadline(p, &stop, &kill);
    cr_assert_eq(stop - tg_store_proven_ms(other.store), tg_store_session_ms(other.store) * 2 / 3);
    cr_assert_lt(kill, tg_store_proven_ms(other.store) + tg_store_session_ms(other.store));
    tg_permit_beat(p);
    while (tg_loop_turn(loop, 50) == 1)
        ;
    cr_assert_eq(tg_permit_state(p), 0);
    tg_memory_expire(other.store);
    while (tg_loop_turn(loop, 50) == 1)
        ;
    cr_assert_eq(tg_permit_state(p), TG_E_SESSION);
    tg_permit_release(p);
    tg_store_close(other.store);
}

GTEST(a_permit_that_somebody_deleted_is_gone) /* P4 */
{
    struct tg_permit *p = NULL;
    char path[160], bucket[3];
    struct tg_scopes list = scopes_of("host:a");

    cr_assert_eq(take_permit(&g, "host:a", "x", &p), 0);
    tg_tree_bucket(&list.v[0], bucket);
    snprintf(path, sizeof path, "/permits/host/%s/%s", bucket, tg_permit_id(p));
    OK(tg_store_delete(g.store, path, TG_ANY_VERSION, tg_store_deadline(g.store, 1000), e));
    tg_permit_beat(p);
    while (tg_loop_turn(loop, 50) == 1)
        ;
    cr_assert_eq(tg_permit_state(p), TG_E_NOENT);
    tg_permit_release(p);
    tg_scopes_release(&list);
}

static void nothing(void *data)
{
    (void) data;
}

static void pass_time(int64_t ms)
{
    struct tg_timer *t;

    OK(tg_timer_new(loop, nothing, NULL, &t, e));
    tg_timer_start(t, ms);
    while (tg_loop_turn(loop, ms) == 1)
        ;
    tg_timer_free(t);
}

GTEST(overdue_locks_hold_unless_they_were_to_end) /* P3 */
{
    struct tg_scopes list = scopes_of("host:a");
    struct tg_lock_request r = {.scopes = &list, .owner = "a@b", .reason = "r", .for_ms = 1000};
    struct tg_lock l;
    struct tg_buf b = TG_BUF_INIT;

    OK(tg_lock_take(&g, &r, -1, NULL, NULL, &l, e));
    tg_lock_clear(&l);
    pass_time(5000);
    struct tg_guard_verdict v = ask_of(&g, "host:a", "x");
    cr_assert_eq(v.answer, TG_ANSWER_HELD);
    tg_verdict_line(&v, "memory:guard", tg_wall_ms(tg_loop_clock(loop)), &b);
    cr_assert(strstr(tg_buf_text(&b), " overdue=yes "), "%s", tg_buf_text(&b));
    tg_buf_release(&b);
    tg_verdict_release(&v);
    cr_assert_eq(ask("host:b", "x"), TG_ANSWER_GO);
    tg_scopes_release(&list);
    list = scopes_of("host:b");
    r.release_at_expiry = true;
    OK(tg_lock_take(&g, &r, -1, NULL, NULL, &l, e));
    cr_assert_eq(ask("host:b", "x"), TG_ANSWER_HELD);
    pass_time(1000);
    cr_assert_eq(ask("host:b", "x"), TG_ANSWER_GO);
    pass_time(61000);
    cr_assert_eq(tg_lock_reap(&g, &list), 1);
    cr_assert_eq(count_audit("expire"), 1);
    tg_lock_clear(&l);
    tg_scopes_release(&list);
}

/* --- what a session remembers --- */

static uint64_t requests_of(const char *scopes)
{
    uint64_t before = tg_memory_requests(g.store);
    char *id = lock_it(scopes, "alice@ops1");

    cr_assert_eq(unlock(id, "alice@ops1"), 0);
    free(id);
    return tg_memory_requests(g.store) - before;
}

/*
 * Of a lock on a service: the transaction, two folders of permits behind it, and that it is held; then one to release it. Of one on a host also the
 * agents and the groups' permits, and its acknowledgements when it goes. tests/bench/lock-zk tells what each costs.
 */
GTEST(a_session_reads_nothing_that_it_wrote_itself)
{
    uint64_t service = requests_of("service:s"), host = requests_of("host:a");

    cr_assert_eq(requests_of("service:s"), 5);
    cr_assert_eq(requests_of("host:a"), 8);
    cr_assert(service > 5 && host > 8);
}

GTEST(what_was_remembered_ends_with_the_connection) /* P2 */
{
    (void) requests_of("service:s");
    tg_memory_disconnect(g.store);
    tg_memory_reconnect(g.store);
    OK(tg_store_connect(g.store, tg_store_deadline(g.store, 20000), e));
    cr_assert_gt(requests_of("service:s"), 5);
    cr_assert_eq(requests_of("service:s"), 5);
}

GTEST(an_old_copy_under_a_living_session_takes_no_lock_from_memory) /* P2 */
{
    struct tg_memory_snapshot *old;
    char dir[] = "/tmp/tagout-test.XXXXXX", command[64];
    struct tg_lock l;

    g.state_dir = mkdtemp(dir);
    cr_assert_not_null(g.state_dir);
    char *first = lock_it("host:a", "alice@ops1");
    OK(tg_memory_snapshot(NAME, &old, e));
    cr_assert_eq(unlock(first, "alice@ops1"), 0);
    char *second_id = lock_it("host:a", "alice@ops1");
    OK(tg_memory_restore(NAME, old, e));
    cr_assert_eq(unlock(second_id, "alice@ops1"), TG_E_UNKNOWN);
    cr_assert_eq(try_lock(&g, "host:a", "alice@ops1", 0, &l, NULL), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "older-than-seen");
    tg_memory_snapshot_free(old);
    g.state_dir = NULL;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
    free(first);
    free(second_id);
}

/* Who may write his row and not remove it leaves a tombstone, which a reaper removes. */
GTEST(who_may_not_remove_releases_all_the_same)
{
    char *id = lock_it("host:a", "alice@ops1");
    struct tg_memory_fault fault = {.path = "/lock-index/*", .verbs = TG_MEMORY_MULTI, .times = -1, .action = TG_MEMORY_FAIL, .code = TG_E_PERM, .session = g.store};

    OK(tg_memory_fault_add(NAME, &fault, e));
    cr_assert_eq(unlock(id, "alice@ops1"), 0);
    tg_memory_faults_clear(NAME);
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO);
    cr_assert_eq(count_locks(), 0);
    cr_assert_eq(count_audit("unlock"), 1);
    cr_assert_eq(unlock(id, "alice@ops1"), TG_E_NOENT);
    free(id);
}
