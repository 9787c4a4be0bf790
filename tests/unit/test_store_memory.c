/* The store in memory: the conformance suite, and the faults that tests of everything above it script. */
#include "store/memory.h"

#define CONFORMANCE_SUITE store_memory
#define CONFORMANCE_PROCESSES 0

static const char *conf_begin(void)
{
    return "memory:conformance";
}

static void conf_end(void)
{
    tg_memory_forget("conformance");
}

#include "store_conformance.h"

/* What tests of everything above order, on a virtual clock: no time passes. */

static struct tg_store *s1, *s2;
static int states[8];
static size_t n_states;

static void on_state(void *data, enum tg_session_state state, const struct tg_error *error)
{
    (void) data;
    (void) error;
    states[n_states++] = (int) state;
}

static struct tg_store *faulty_open(void)
{
    struct tg_store_options o = {.loop = conf_loop, .url = "memory:faults", .session_ms = 4000, .on_session = on_state};
    struct tg_store *s = NULL;

    OK(tg_store_open(&o, &s, e));
    OK(tg_store_connect(s, conf_until(s), e));
    return s;
}

static void faulty_setup(void)
{
    cr_assert_eq(tg_loop_virtual(1795368000000, &conf_loop, NULL), 0);
    s1 = faulty_open();
    s2 = faulty_open();
    OK(conf_create(s1, "/n", "0", e));
    n_states = 0;
}

static void faulty_teardown(void)
{
    tg_store_close(s1);
    tg_store_close(s2);
    tg_memory_forget("faults");
    tg_loop_free(conf_loop);
}
#define FAULT_TEST(name) Test(store_memory_faults, name, .init = faulty_setup, .fini = faulty_teardown)

static void order(struct tg_memory_fault f)
{
    OK(tg_memory_fault_add("faults", &f, e));
}

FAULT_TEST(the_nth_match_fails_as_often_as_asked)
{
    order((struct tg_memory_fault) {.path = "/n", .verbs = TG_MEMORY_READ, .nth = 2, .times = 2, .action = TG_MEMORY_FAIL, .code = TG_E_PERM});
    cr_assert_eq(conf_read_code(s1, "/n"), 0);
    cr_assert_eq(conf_read_code(s1, "/"), 0);
    cr_assert_eq(conf_read_code(s1, "/n"), TG_E_PERM);
    cr_assert_eq(conf_read_code(s2, "/n"), TG_E_PERM);
    cr_assert_eq(conf_read_code(s1, "/n"), 0);
}

FAULT_TEST(a_lost_answer_was_carried_out_and_a_lost_request_was_not)
{
    order((struct tg_memory_fault) {.verbs = TG_MEMORY_MULTI, .action = TG_MEMORY_LOSE_ANSWER});
    REFUSED(conf_create(s1, "/there", "", e), TG_E_LOST);
    cr_assert_eq(conf_read_code(s1, "/there"), 0);
    order((struct tg_memory_fault) {.verbs = TG_MEMORY_MULTI, .action = TG_MEMORY_LOSE_REQUEST});
    REFUSED(conf_create(s1, "/not", "", e), TG_E_LOST);
    cr_assert_eq(conf_read_code(s1, "/not"), TG_E_NOENT);
}

FAULT_TEST(reads_are_sent_again_when_the_connection_breaks_and_writes_are_not)
{
    order((struct tg_memory_fault) {.verbs = TG_MEMORY_READ, .times = 2, .action = TG_MEMORY_LOSE_ANSWER});
    conf_text_is(s1, "/n", "0");
    order((struct tg_memory_fault) {.verbs = TG_MEMORY_READ, .times = -1, .action = TG_MEMORY_LOSE_ANSWER});
    cr_assert_eq(conf_read_code(s1, "/n"), TG_E_LOST, "not for ever");
    uint64_t before = tg_memory_requests(s1);
    order((struct tg_memory_fault) {.verbs = TG_MEMORY_MULTI, .action = TG_MEMORY_LOSE_REQUEST});
    REFUSED(conf_write(s1, "/n", "1", 0, e), TG_E_LOST);
    cr_assert_eq(tg_memory_requests(s1), before + 1);
}

/* A late answer finds nothing that its caller has left on the stack; the sanitizer looks. */
FAULT_TEST(an_answer_after_the_deadline_harms_nobody)
{
    struct conf_seen fired = {0};
    struct tg_node n = {0};

    order((struct tg_memory_fault) {.verbs = TG_MEMORY_READ, .action = TG_MEMORY_DELAY_ANSWER, .delay_ms = 1000});
    REFUSED(tg_store_read_watch(s1, "/n", conf_on_watch, &fired, tg_store_deadline(s1, 500), &n, e), TG_E_TIMEOUT);
    order((struct tg_memory_fault) {.verbs = TG_MEMORY_MULTI, .action = TG_MEMORY_DELAY, .delay_ms = 1000});
    REFUSED(tg_store_write(s1, "/n", "late", 4, 0, tg_store_deadline(s1, 500), e), TG_E_TIMEOUT);
    tg_loop_turn(conf_loop, 5000);
    conf_text_is(s1, "/n", "late");
    cr_assert_eq(fired.count, 0, "a call that failed has left no watch");
    order((struct tg_memory_fault) {.verbs = TG_MEMORY_READ, .action = TG_MEMORY_HANG});
    REFUSED(tg_store_read(s1, "/n", tg_store_deadline(s1, 500), &n, e), TG_E_TIMEOUT);
}

FAULT_TEST(what_waits_behind_a_delay_keeps_its_order)
{
    struct conf_seen first = {0}, second = {0};

    order((struct tg_memory_fault) {.verbs = TG_MEMORY_READ, .action = TG_MEMORY_DELAY, .delay_ms = 50});
    OK(tg_store_read_async(s1, "/n", NULL, NULL, conf_on_reply, &first, e));
    OK(tg_store_sync_async(s1, "/", conf_on_reply, &second, e));
    conf_await(&second, 1);
    cr_assert_eq(first.count, 1);
    cr_assert_lt(first.order, second.order);
}

/* P4: cut off, the session lives on until its timeout, and hears of its end when it is back. */
FAULT_TEST(a_session_that_is_cut_off_expires_after_its_timeout_and_learns_it_late)
{
    struct conf_seen lost = {0}, gone = {0};

    OK(conf_ephemeral(s1, "/e", e));
    conf_watch(s1, "/n", &lost);
    conf_watch(s2, "/e", &gone);
    int64_t proven = tg_store_proven_ms(s1), now = tg_mono_ms(tg_loop_clock(conf_loop));
    tg_memory_disconnect(s1);
    cr_assert_eq(tg_store_state(s1), TG_SESSION_CONNECTING);
    conf_await(&gone, 1);
    cr_assert_geq(tg_mono_ms(tg_loop_clock(conf_loop)), proven + 4000, "never before the timeout has passed since it was proven");
    cr_assert_leq(tg_mono_ms(tg_loop_clock(conf_loop)), now + 4000 + 1);
    cr_assert_eq(tg_store_state(s1), TG_SESSION_CONNECTING);
    cr_assert_eq(lost.count, 0);
    tg_memory_reconnect(s1);
    conf_await(&lost, 1);
    cr_assert_eq(lost.event, TG_WATCH_LOST);
    REFUSED(conf_create(s1, "/x", "", e), TG_E_SESSION);
    cr_assert(n_states == 2 && states[1] == TG_SESSION_EXPIRED);
}

FAULT_TEST(a_short_break_loses_what_was_under_way_and_nothing_else)
{
    struct conf_seen under_way = {0}, queued = {0}, fired = {0};
    struct tg_op op = {.kind = TG_OP_CREATE, .path = "/queued"};

    OK(conf_ephemeral(s1, "/e", e));
    conf_watch(s1, "/n", &fired);
    OK(tg_store_read_async(s1, "/n", NULL, NULL, conf_on_reply, &under_way, e));
    tg_memory_disconnect(s1);
    cr_assert(under_way.count == 1 && under_way.code == TG_E_LOST);
    OK(tg_store_multi_async(s1, &op, 1, conf_on_reply, &queued, e));
    OK(conf_write(s2, "/n", "1", 0, e));
    tg_loop_turn(conf_loop, 1000);
    cr_assert(queued.count == 0 && fired.count == 0);
    tg_memory_reconnect(s1);
    conf_await(&queued, 1);
    cr_assert_eq(queued.code, 0);
    conf_await(&fired, 1);
    cr_assert_lt(fired.order, queued.order, "the events of the break come before new answers");
    cr_assert_eq(conf_read_code(s2, "/e"), 0);
}

FAULT_TEST(an_expiry_in_the_middle_answers_everything)
{
    struct conf_seen seen[3];
    struct tg_op op = {.kind = TG_OP_CREATE, .path = "/x"};

    memset(seen, 0, sizeof seen);
    order((struct tg_memory_fault) {.verbs = TG_MEMORY_MULTI, .action = TG_MEMORY_EXPIRE});
    for (int i = 0; i < 3; i++)
        OK(tg_store_multi_async(s1, &op, 1, conf_on_reply, &seen[i], e));
    conf_await(&seen[2], 1);
    for (int i = 0; i < 3; i++)
        cr_assert(seen[i].count == 1 && seen[i].code == TG_E_SESSION);
    cr_assert_eq(conf_read_code(s2, "/x"), TG_E_NOENT);
    cr_assert_eq(tg_store_error(s1)->code, TG_E_SESSION);
}

FAULT_TEST(a_killed_processes_ephemerals_last_for_its_timeout)
{
    struct conf_seen gone = {0};

    OK(conf_ephemeral(s1, "/e", e));
    conf_watch(s2, "/e", &gone);
    int64_t now = tg_mono_ms(tg_loop_clock(conf_loop));
    tg_memory_kill(s1);
    cr_assert_eq(conf_read_code(s2, "/e"), 0);
    conf_await(&gone, 1);
    cr_assert_geq(tg_mono_ms(tg_loop_clock(conf_loop)), now + 4000);
    s1 = faulty_open();
}

FAULT_TEST(a_lagging_session_reads_the_past_until_it_syncs_or_writes)
{
    struct conf_seen fired = {0};

    OK(tg_memory_lag(s1, 2, e));
    conf_watch(s1, "/n", &fired);
    OK(conf_write(s2, "/n", "1", 0, e));
    OK(conf_write(s2, "/n", "2", 1, e));
    conf_text_is(s1, "/n", "0");
    cr_assert_eq(fired.count, 0, "a watch does not run ahead of its reads");
    OK(conf_write(s2, "/n", "3", 2, e));
    conf_text_is(s1, "/n", "1");
    cr_assert_eq(fired.count, 1);
    conf_sync(s1);
    conf_text_is(s1, "/n", "3");
    OK(conf_write(s2, "/n", "4", 3, e));
    conf_text_is(s1, "/n", "3");
    OK(conf_create(s1, "/mine", "", e));
    conf_text_is(s1, "/n", "4");
}

/* P2: what an old copy looks like. */
FAULT_TEST(an_old_tree_comes_back_with_its_old_transaction_id)
{
    struct tg_memory_snapshot *old;
    int64_t then = tg_memory_txid("faults");

    OK(tg_memory_snapshot("faults", &old, e));
    OK(conf_create(s1, "/later", "", e));
    OK(tg_memory_restore("faults", old, e));
    cr_assert_eq(conf_read_code(s1, "/later"), TG_E_NOENT);
    cr_assert_eq(tg_memory_txid("faults"), then);
    cr_assert_gt(tg_store_seen_txid(s1), then, "who was there knows better");
    tg_memory_snapshot_free(old);
}

FAULT_TEST(a_dropped_node_shows_in_the_servers_count_only)
{
    OK(conf_create(s1, "/d", "says 2", e));
    OK(conf_create(s1, "/d/a", "", e));
    OK(conf_create(s1, "/d/b", "", e));
    struct tg_stat before = conf_stat(s1, "/d");
    OK(tg_memory_drop("faults", "/d/a", e));
    struct tg_stat after = conf_stat(s1, "/d");
    cr_assert_eq(after.children, 1);
    cr_assert_eq(after.children_txid, before.children_txid);
    cr_assert_str_eq(conf_names(s1, "/d"), "b");
}
