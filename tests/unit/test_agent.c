/* What the agent decides, on the store in memory and a virtual clock: what it knows, when it says so, and what it has covered by then. */
#define GUARD_SUITE agent_memory
#include <tagout/loop.h>

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_virtual(1795368000000, out, NULL);
}
static const char *guard_url(void)
{
    return "memory:agent";
}
static void guard_end(void);
#define GUARD_SUITE_HELPERS_ONLY
#include "guard_suite.h"

#include "agent/internal.h"
#include "agent/snapshot.h"
#include "base/whole.h"
#include "config/site.h"
#include "guard/acks.h"
#include "guard/policy.h"
#include "store/memory.h"

#include <sys/stat.h>
#include <unistd.h>

#define NAME "agent"

static struct tg_config config;
static char url_text[] = "memory:agent";

static void guard_end(void)
{
    (void) ask; /* of the suite's helpers, not needed here */
    (void) lock_it;
    tg_memory_forget(NAME);
}

/* --- a duty that says what the test wants --- */

static struct {
    bool blind;
    size_t n;
    int told, ended;
} host;

static int duty_in_flight(void *self, struct tg_agent_runs *out, struct tg_error *e)
{
    (void) self;
    if (host.blind)
        return tg_fail(e, TG_E_UNKNOWN, "/proc can't be read");
    for (size_t i = 0; i < host.n; i++) {
        struct tg_agent_run run = {.actor = "config-management", .what = "puppet agent", .pid = (pid_t) (100 + i)};
        snprintf(run.key, sizeof run.key, "puppet:%zu", i);
        int rc = tg_agent_runs_add(out, &run, e);
        if (rc)
            return rc;
    }
    return 0;
}

static void duty_on_locks(void *self, const struct tg_agent_picture *picture)
{
    (void) self;
    (void) picture;
    host.told++;
}

static void duty_end(void *self)
{
    (void) self;
    host.ended++;
}

static const struct tg_duty duty = {.name = "test", .in_flight = duty_in_flight, .on_locks = duty_on_locks, .end = duty_end};
static const struct tg_duty *const duties[] = {&duty, NULL};

/* --- driving it --- */

static struct tg_agent *agent_of(const char *name)
{
    struct tg_agent_options o = {.loop = loop, .config = &config, .host = name, .duties = duties, .listen_fd = -1, .flags = TG_AGENT_STATELESS};
    struct tg_agent *a = NULL;

    config = (struct tg_config) {.store = url_text, .session_ms = 4000};
    memset(&host, 0, sizeof host);
    OK(tg_agent_new(&o, &a, e));
    return a;
}

/* ms of the virtual clock; each turn is at most 50 ms. */
static void run_for(struct tg_agent *a, int64_t ms)
{
    int64_t until = tg_agent_now(a) + ms;

    while (tg_agent_now(a) < until)
        cr_assert_eq(tg_agent_turn(a, 50), 0);
}

static struct tg_agent *sure_agent(const char *name)
{
    struct tg_agent *a = agent_of(name);

    run_for(a, 1000);
    cr_assert(tg_agent_is_sure(a), "%s", a->picture.cause);
    return a;
}

static struct tg_lock place(const char *text)
{
    struct tg_scopes list = scopes_of(text);
    struct tg_lock_request r = {.scopes = &list, .owner = "alice@ops1", .reason = "move", .for_ms = 3600000};
    struct tg_lock l;

    OK(tg_lock_place(&g, &r, &l, e));
    tg_scopes_release(&list);
    return l;
}

static struct tg_waits waits_of(const struct tg_lock *l)
{
    struct tg_waits w;

    OK(tg_lock_conflicts(&g, l, &w, e));
    return w;
}

static size_t count_locks_of(struct tg_guard *guard)
{
    struct tg_locks locks;

    OK(tg_lock_list(guard, NULL, &locks, e));
    size_t n = locks.n;
    tg_locks_release(&locks);
    return n;
}

#define EXPECT_WAITS(lock, permits, here, missing_)                                                                                    \
    do {                                                                                                                         \
        struct tg_waits w_ = waits_of(lock);                                                                                     \
        cr_assert_eq(w_.n, (size_t) (permits), "%zu permits", w_.n);                                                              \
        cr_assert_eq(w_.acks.present, (size_t) (here), "%zu present", w_.acks.present);                                           \
        cr_assert_eq(w_.acks.n_missing, (size_t) (missing_), "%zu missing", w_.acks.n_missing);                                    \
        tg_waits_release(&w_);                                                                                                   \
    } while (0)

/* P1: the lock waits for the agent; from the acknowledgement on, the agent knows the lock. */
GTEST(a_lock_waits_until_the_agent_knows_it)
{
    struct tg_agent *a = sure_agent("web1");
    struct tg_lock l = place("group:web=web[1-3]");

    EXPECT_WAITS(&l, 0, 1, 1);
    run_for(a, 100);
    EXPECT_WAITS(&l, 0, 1, 0);
    cr_assert_eq(a->picture.n_locks, 1u);
    cr_assert(tg_agent_is_sure(a));
    struct tg_waits w = waits_of(&l);
    cr_assert_eq(w.acks.acked, 1u);
    cr_assert_eq(w.acks.n_without, 2u);
    cr_assert_str_eq(w.acks.without[0], "web2");
    cr_assert(w.acks.in_use && w.acks.without_known);
    tg_waits_release(&w);
    cr_assert_gt(host.told, 1);
    tg_agent_free(a);
    cr_assert_eq(host.ended, 1);
    tg_lock_clear(&l);
}

struct busy {
    struct tg_timer *timer;
    struct tg_node fleet;
    size_t n;
};

static void on_written(void *data, const struct tg_store_reply *reply)
{
    cr_assert_eq(reply->code, 0);
    ++*(size_t *) data;
}

/* Somebody takes and releases locks elsewhere in the fleet all the time: the counter that every host goes by changes faster than anybody looks. */
static void be_busy(void *data)
{
    struct busy *b = data;
    const struct tg_op op = {.kind = TG_OP_WRITE, .path = "/locks/fleet", .data = b->fleet.data, .len = b->fleet.len, .version = TG_ANY_VERSION};

    cr_assert_eq(tg_store_multi_async(g.store, &op, 1, on_written, &b->n, NULL), 0);
    tg_timer_start(b->timer, 5);
}

/* P1 comes to an end: what a look has shown is acknowledged, though something has moved since; and nothing is answered from it. */
GTEST(a_lock_is_acknowledged_on_a_store_that_is_never_quiet)
{
    struct tg_agent *a = sure_agent("web1");
    struct busy b = {.n = 0};

    tg_memory_latency(a->store, 5, 5);
    OK(tg_store_read(g.store, "/locks/fleet", tg_store_deadline(g.store, 9000), &b.fleet, e));
    OK(tg_timer_new(loop, be_busy, &b, &b.timer, e));
    tg_timer_start(b.timer, 1);
    run_for(a, 100);
    struct tg_lock l = place("group:web=web[1-3]");
    run_for(a, 2000);
    cr_assert_gt(b.n, 100u);
    cr_assert_not(tg_agent_is_sure(a));
    EXPECT_WAITS(&l, 0, 1, 0);
    tg_timer_free(b.timer);
    tg_node_release(&b.fleet);
    run_for(a, 1000);
    cr_assert(tg_agent_is_sure(a), "%s", a->picture.cause);
    tg_agent_free(a);
    tg_lock_clear(&l);
}

/* P1: who took a permit through its socket was told for how long it is good, and may not hear that the agent ends. */
GTEST(an_agent_that_ends_leaves_its_permits_to_their_time)
{
    struct tg_agent *a = sure_agent("web1");
    struct tg_guard of_agent = tg_agent_guard(a);
    struct tg_scopes list = scopes_of("host:web1");
    struct tg_permit_request r = {.scopes = &list, .actor = "reboot", .owner = "root", .host = "web1", .what = "kured"};
    struct tg_agent_permit *p = calloc(1, sizeof *p);
    struct tg_guard_verdict v;

    OK(tg_permit_take(&of_agent, &r, &p->permit, &v, e));
    tg_verdict_release(&v);
    a->permits = p;
    a->n_permits = 1;
    struct tg_lock l = place("host:web1");
    run_for(a, 100);
    EXPECT_WAITS(&l, 1, 1, 0);
    tg_agent_free(a);
    struct tg_waits w = waits_of(&l);
    cr_assert_eq(w.n, 1u, "it is there as long as its holder goes by it");
    tg_waits_release(&w);
    tg_memory_reap(NAME);
    EXPECT_WAITS(&l, 0, 0, 0);
    tg_scopes_release(&list);
    tg_lock_clear(&l);
}

/* P3: no counter moves when a lock ends by itself; what shows locks hears of it all the same. */
GTEST(a_lock_that_has_ended_by_itself_goes_from_the_picture)
{
    struct tg_agent *a = sure_agent("web1");
    struct tg_scopes list = scopes_of("host:web1");
    struct tg_lock_request r = {.scopes = &list, .owner = "alice@ops1", .reason = "move", .for_ms = 3000, .release_at_expiry = true};
    struct tg_lock l;

    OK(tg_lock_place(&g, &r, &l, e));
    run_for(a, 1000);
    cr_assert_eq(a->picture.n_locks, 1u);
    int told = host.told;
    run_for(a, 10000);
    cr_assert_eq(a->picture.n_locks, 0u);
    cr_assert_gt(host.told, told);
    cr_assert(tg_agent_is_sure(a));
    tg_agent_free(a);
    tg_scopes_release(&list);
    tg_lock_clear(&l);
}

/* P1: also the short way of a quiet lock, which is one exchange, sees that an agent is there: it gives up rather than be confirmed without it. */
GTEST(a_quiet_lock_does_not_overlook_the_agent)
{
    struct tg_agent *a = sure_agent("web1");
    struct tg_lock l;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(try_lock(&g, "host:web1", "alice@ops1", 0, &l, &e), TG_E_HELD); /* nobody steps the agent meanwhile */
    cr_assert(strstr(e.message, "1 of 1 agents had not acknowledged it after 2s: web1"), "%s", e.message);
    cr_assert_eq(count_locks_of(&g), 0u);
    tg_error_clear(&e);
    cr_assert_eq(try_lock(&g, "host:web2", "alice@ops1", 0, &l, &e), 0, "%s", e.message); /* another host's agent is nobody's business */
    tg_lock_clear(&l);
    tg_agent_free(a);
}

/* P1: what was in flight before the lock is a permit when the acknowledgement is there, and until it has ended. */
GTEST(what_is_in_flight_is_covered_before_it_acknowledges)
{
    struct tg_agent *a = sure_agent("web1");

    host.n = 2;
    struct tg_lock l = place("host:web1");
    for (int i = 0; i < 40; i++) { /* never is it acknowledged with less than both covered */
        struct tg_waits w = waits_of(&l);
        cr_assert(w.acks.n_missing || w.n == 2, "turn %d: %zu permits", i, w.n);
        tg_waits_release(&w);
        cr_assert_eq(tg_agent_turn(a, 1), 0);
    }
    EXPECT_WAITS(&l, 2, 1, 0);
    host.n = 1;
    run_for(a, 2500);
    EXPECT_WAITS(&l, 1, 1, 0);
    host.n = 0;
    run_for(a, 2500);
    EXPECT_WAITS(&l, 0, 1, 0);
    tg_agent_free(a);
    tg_lock_clear(&l);
}

static void expect_owed(const struct tg_lock *l, struct tg_acks_owed *owed, size_t permits, size_t missing, size_t vanished)
{
    struct tg_waits w = waits_of(l);

    OK(tg_acks_owe(owed, &w, e));
    cr_assert_eq(w.n, permits, "%zu permits", w.n);
    cr_assert_eq(w.acks.n_missing, missing, "%zu missing", w.acks.n_missing);
    cr_assert_eq(w.acks.n_vanished, vanished, "%zu vanished", w.acks.n_vanished);
    tg_waits_release(&w);
}

/* P1: an agent dies after it has told of a run, and its permit with it: the run may still act, so the lock waits until the agent is back. */
GTEST(an_agent_that_goes_away_meanwhile_is_waited_for)
{
    struct tg_agent *a = sure_agent("web1"), *other;
    struct tg_acks_owed owed = {.n = 0};

    host.n = 1;
    struct tg_lock l = place("group:web=web[1-3]");
    expect_owed(&l, &owed, 0, 1, 0);
    run_for(a, 100);
    expect_owed(&l, &owed, 1, 0, 0);
    tg_agent_free(a);
    other = sure_agent("web2"); /* another host's is not the one */
    run_for(other, 6000);       /* and the dead one's session ends */
    expect_owed(&l, &owed, 0, 1, 1);
    tg_agent_free(other);
    a = agent_of("web1");
    host.n = 1;
    run_for(a, 1000);
    expect_owed(&l, &owed, 1, 0, 0);
    host.n = 0;
    run_for(a, 2500);
    expect_owed(&l, &owed, 0, 0, 0);
    tg_agent_free(a);
    expect_owed(&l, &owed, 0, 0, 0); /* it had told that nothing acts any more */
    tg_acks_owed_release(&owed);
    tg_lock_clear(&l);
}

/* P1: it can't be told what is in flight, so nothing is acknowledged. */
GTEST(a_blind_duty_keeps_the_lock_waiting)
{
    struct tg_agent *a = sure_agent("web1");

    host.blind = true;
    struct tg_lock l = place("host:web1");
    run_for(a, 5000);
    EXPECT_WAITS(&l, 0, 1, 1);
    cr_assert(strstr(a->blind, "/proc can't be read"), "%s", a->blind);
    host.blind = false;
    run_for(a, 3000);
    EXPECT_WAITS(&l, 0, 1, 0);
    cr_assert_str_eq(a->blind, "");
    tg_agent_free(a);
    tg_lock_clear(&l);
}

/* P2: out of touch it knows nothing, whatever it knew; back in touch, it knows what came meanwhile. */
GTEST(a_broken_connection_is_no_knowledge)
{
    struct tg_agent *a = sure_agent("web1");

    tg_memory_disconnect(a->store);
    struct tg_lock l = place("fleet");
    run_for(a, 100);
    cr_assert_not(tg_agent_is_sure(a));
    cr_assert_not(a->picture.proven);
    cr_assert_str_eq(a->picture.cause, "store-unreachable");
    EXPECT_WAITS(&l, 0, 1, 1);
    tg_memory_reconnect(a->store);
    run_for(a, 1500);
    cr_assert(tg_agent_is_sure(a), "%s", a->picture.cause);
    cr_assert_eq(a->picture.n_locks, 1u);
    EXPECT_WAITS(&l, 0, 1, 0);
    tg_agent_free(a);
    tg_lock_clear(&l);
}

/* P2, P4: a session that has ended takes knowledge, presence and acknowledgements along; a new one brings them back. */
GTEST(a_new_session_registers_anew)
{
    struct tg_agent *a = sure_agent("web1");
    struct tg_lock l = place("host:web1");

    run_for(a, 100);
    tg_memory_expire(a->store);
    EXPECT_WAITS(&l, 0, 0, 0);
    cr_assert_eq(tg_agent_turn(a, 10), 0);
    cr_assert_not(tg_agent_is_sure(a));
    run_for(a, 8000);
    cr_assert(tg_agent_is_sure(a), "%s", a->picture.cause);
    EXPECT_WAITS(&l, 0, 1, 0);
    tg_agent_free(a);
    tg_lock_clear(&l);
}

/* P2: a server that lags behind shows the agent no lock; then nobody has acknowledged it, and the lock is not confirmed. */
GTEST(a_server_that_lags_behind_does_not_acknowledge)
{
    struct tg_agent *a = sure_agent("web1");

    OK(tg_memory_lag(a->store, 100, e));
    struct tg_lock l = place("host:web1");
    run_for(a, 3000);
    struct tg_waits w = waits_of(&l);
    cr_assert(a->picture.n_locks == 1 || w.acks.n_missing == 1 || w.acks.present == 0);
    tg_waits_release(&w);
    OK(tg_memory_lag(a->store, 0, e));
    struct tg_lock second = place("host:web1"); /* what makes the server catch up */
    run_for(a, 3000);
    EXPECT_WAITS(&l, 0, 1, 0);
    EXPECT_WAITS(&second, 0, 1, 0);
    tg_agent_free(a);
    tg_lock_clear(&l);
    tg_lock_clear(&second);
}

/* P2: a tree that is being moved proves nothing. */
GTEST(a_tree_that_is_moved_is_unknown)
{
    struct tg_agent *a = sure_agent("web1");
    struct tg_cluster c = {.id = "0123456789abcdef0123456789abcdef", .generation = 1, .state = TG_CLUSTER_MIGRATING};
    char *text = tg_cluster_encode(&c);

    OK(tg_store_write(g.store, TG_CLUSTER_PATH, text, strlen(text), TG_ANY_VERSION, tg_store_deadline(g.store, 9000), e));
    run_for(a, 1000);
    cr_assert_not(tg_agent_is_sure(a));
    cr_assert_str_eq(a->picture.cause, "migrating");
    c.state = TG_CLUSTER_LIVE;
    free(text);
    text = tg_cluster_encode(&c);
    OK(tg_store_write(g.store, TG_CLUSTER_PATH, text, strlen(text), TG_ANY_VERSION, tg_store_deadline(g.store, 9000), e));
    run_for(a, 3000);
    cr_assert(tg_agent_is_sure(a), "%s", a->picture.cause);
    free(text);
    tg_agent_free(a);
}

/* P2: a lock's record that is lost behind the store's back is found at the next look. */
GTEST(a_copy_that_is_not_whole_is_unknown)
{
    struct tg_agent *a = sure_agent("web1");
    char path[200];
    char *id = NULL;
    struct tg_lock l = place("host:web1"), other;

    run_for(a, 100);
    tg_tree_scope_path("/locks", &l.scopes.v[0], path, sizeof path - 20);
    snprintf(path + strlen(path), 20, "/%s", l.id);
    OK(tg_memory_drop(NAME, path, e));
    other = place("fleet");
    run_for(a, 1000);
    cr_assert_not(tg_agent_is_sure(a));
    cr_assert_str_eq(a->picture.cause, "fewer-locks-than-recorded");
    free(id);
    tg_agent_free(a);
    tg_lock_clear(&l);
    tg_lock_clear(&other);
}

/* Two agents that call themselves the same: the second does not answer for the host, until the first is gone. */
GTEST(a_second_agent_of_one_name_stands_back)
{
    struct tg_agent *a = sure_agent("web1"), *b = agent_of("web1");

    run_for(b, 2000);
    cr_assert(b->claimed && !b->present);
    cr_assert_not(tg_agent_is_sure(b));
    run_for(a, 1100);
    cr_assert(tg_agent_is_sure(a));
    tg_agent_free(a);
    run_for(b, 2000);
    cr_assert(b->present && !b->claimed);
    cr_assert(tg_agent_is_sure(b));
    tg_agent_free(b);
}

/* A lock that is gone leaves nothing of the agents in the store. */
GTEST(an_unlock_leaves_nothing_below_acks)
{
    struct tg_agent *a = sure_agent("web1");
    struct tg_lock l = place("group:web=web[1-9]");
    char root[64];

    run_for(a, 100);
    tg_acks_root(l.id, root, sizeof root);
    struct tg_node node;
    OK(tg_store_read(g.store, root, tg_store_deadline(g.store, 9000), &node, e));
    cr_assert_eq(node.stat.children, 1);
    tg_node_release(&node);
    cr_assert_eq(unlock(l.id, "alice@ops1"), 0);
    cr_assert_eq(tg_store_read(g.store, root, tg_store_deadline(g.store, 9000), &node, NULL), TG_E_NOENT);
    run_for(a, 8000);
    cr_assert_null(a->acks);
    cr_assert_eq(a->picture.n_locks, 0u);
    tg_agent_free(a);
    tg_lock_clear(&l);
}

/* The fleet's acknowledgements are spread over folders; a lock on it waits for all agents that there are. */
GTEST(a_lock_on_the_fleet_waits_for_everybody)
{
    struct tg_agent *a = sure_agent("web1"), *b = sure_agent("db7.example.com");
    struct tg_lock l = place("fleet");

    EXPECT_WAITS(&l, 0, 2, 2);
    run_for(a, 100);
    EXPECT_WAITS(&l, 0, 2, 1);
    run_for(b, 100);
    EXPECT_WAITS(&l, 0, 2, 0);
    tg_agent_free(a);
    tg_agent_free(b);
    tg_lock_clear(&l);
}

/* What is watched is bounded, and a reconnect asks for a bounded number of things, however many locks there are. */
GTEST(many_locks_elsewhere_cost_nothing)
{
    struct tg_agent *a = sure_agent("web1");
    char text[64];
    size_t watches = 0;

    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "host:other%d", i);
        struct tg_lock l = place(text);
        tg_lock_clear(&l);
    }
    for (int i = 0; i < 270; i++) {
        snprintf(text, sizeof text, "group:g%d=x%d", i, i);
        struct tg_lock l = place(text);
        tg_lock_clear(&l);
    }
    run_for(a, 3000);
    cr_assert(tg_agent_is_sure(a), "%s", a->picture.cause);
    cr_assert_eq(a->picture.n_locks, 0u);
    for (const char *const *w = (const char *const *) a->watches; w; w = (const char *const *) *w)
        watches++;
    cr_assert_leq(watches, 300u);
    tg_memory_disconnect(a->store);
    run_for(a, 100);
    uint64_t before = tg_memory_requests(a->store);
    tg_memory_reconnect(a->store);
    run_for(a, 1500);
    cr_assert(tg_agent_is_sure(a), "%s", a->picture.cause);
    cr_assert_leq(tg_memory_requests(a->store) - before, 1200u, "%llu", (unsigned long long) (tg_memory_requests(a->store) - before));
    struct tg_lock l = place("group:zz=x,web1"); /* beyond those that are watched one by one */
    run_for(a, 100);
    EXPECT_WAITS(&l, 0, 1, 0);
    tg_agent_free(a);
    tg_lock_clear(&l);
}

/* --- the snapshot --- */

static char folder[64];

static void make_snapshot(struct tg_lock *lock, size_t n)
{
    struct tg_snapshot s = {.host = "web1", .store = "memory:x", .boot = "boot-1", .boot_ms = 1000, .wall_ms = NOW, .generation = 1, .txid = 7, .locks = lock, .n_locks = n};

    snprintf(folder, sizeof folder, "/tmp/tagout-test.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    OK(tg_snapshot_write(folder, &s, e));
}

static void remove_snapshot(void)
{
    char path[128];

    snprintf(path, sizeof path, "%s/agent/snapshot.json", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/agent", folder);
    rmdir(path);
    rmdir(folder);
}

static enum tg_guard_answer assumed_when(const char *cause, const struct tg_question *q)
{
    struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN};
    struct tg_policy p;

    OK(tg_policy_parse("last-known=1h", &p, e));
    snprintf(v.cause, sizeof v.cause, "%s", cause);
    tg_policy_apply(&p, folder, "memory:x", q, NOW + 60000, &v);
    enum tg_guard_answer a = v.answer;
    tg_verdict_release(&v);
    return a;
}

/* P2: a store that is away may be assumed to be as it was; one that is there and was emptied, or is old, may not. */
GTEST(a_go_is_assumed_only_of_a_store_that_is_away)
{
    struct tg_lock l = place("host:web1");
    struct tg_scopes one = scopes_of("host:web1");
    struct tg_question q = {.scopes = &one, .actor = "reboot"};

    make_snapshot(&l, 0);
    cr_assert_eq(assumed_when("store-unreachable", &q), TG_ANSWER_GO);
    cr_assert_eq(assumed_when("store-empty", &q), TG_ANSWER_UNKNOWN);
    cr_assert_eq(assumed_when("older-than-seen", &q), TG_ANSWER_UNKNOWN);
    cr_assert_eq(assumed_when("fewer-locks-than-recorded", &q), TG_ANSWER_UNKNOWN);
    remove_snapshot();
    make_snapshot(&l, 1);
    cr_assert_eq(assumed_when("store-empty", &q), TG_ANSWER_HELD); /* a lock that was known may well be said */
    remove_snapshot();
    tg_scopes_release(&one);
    tg_lock_clear(&l);
}

GTEST(a_snapshot_gives_back_what_was_known)
{
    struct tg_lock l = place("host:web1");
    struct tg_scopes one = scopes_of("host:web1"), two = scopes_of("host:web2");
    struct tg_question q = {.scopes = &one, .actor = "reboot"};
    struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN};
    int64_t as_of = 0;

    make_snapshot(&l, 1);
    OK(tg_last_known(folder, "memory:x", &q, NOW + 60000, &v, &as_of, e));
    cr_assert_eq(v.answer, TG_ANSWER_HELD);
    cr_assert_eq(as_of, NOW);
    tg_verdict_release(&v);
    q.scopes = &two;
    cr_assert_eq(tg_last_known(folder, "memory:x", &q, NOW + 60000, &v, &as_of, NULL), TG_E_UNKNOWN); /* it is of web1 */
    struct tg_scopes in_group = scopes_of("host:web1=web");
    q.scopes = &in_group;
    cr_assert_eq(tg_last_known(folder, "memory:x", &q, NOW + 60000, &v, &as_of, NULL), TG_E_UNKNOWN); /* and of no group */
    q.scopes = &one;
    cr_assert_eq(tg_last_known(folder, "memory:y", &q, NOW + 60000, &v, &as_of, NULL), TG_E_UNKNOWN); /* P2: another store has other locks */
    remove_snapshot();
    tg_scopes_release(&one);
    tg_scopes_release(&two);
    tg_scopes_release(&in_group);
    tg_lock_clear(&l);
}

/* P2: cut anywhere, or with any bit changed, it is refused. */
GTEST(a_damaged_snapshot_is_refused)
{
    struct tg_lock l = place("host:web1");
    struct tg_snapshot s;
    char file[128], *text = NULL;
    size_t len = 0;

    make_snapshot(&l, 1);
    snprintf(file, sizeof file, "%s/agent/snapshot.json", folder);
    OK(tg_whole_read(file, 1 << 20, &text, &len, e));
    for (size_t i = 0; i < len; i += 7) {
        OK(tg_whole_write(file, text, i, 0644, 0, e));
        cr_assert_neq(tg_snapshot_read(folder, &s, NULL), 0, "cut at %zu", i);
        text[i] ^= 4;
        OK(tg_whole_write(file, text, len, 0644, 0, e));
        cr_assert_neq(tg_snapshot_read(folder, &s, NULL), 0, "bit at %zu", i);
        text[i] ^= 4;
    }
    OK(tg_whole_write(file, text, len, 0644, 0, e));
    OK(tg_snapshot_read(folder, &s, e));
    cr_assert_eq(s.n_locks, 1u);
    tg_snapshot_release(&s);
    free(text);
    remove_snapshot();
    tg_lock_clear(&l);
}

GTEST(an_age_is_the_older_of_two_clocks)
{
    struct tg_snapshot s = {.boot = "boot-1", .boot_ms = 1000, .wall_ms = NOW};
    int64_t age = 0;

    OK(tg_snapshot_age(&s, "boot-1", 61000, NOW + 60000, &age, e));
    cr_assert_eq(age, 60000);
    OK(tg_snapshot_age(&s, "boot-1", 61000, NOW - 3600000, &age, e)); /* the wall clock was set back */
    cr_assert_eq(age, 60000);
    OK(tg_snapshot_age(&s, "boot-1", 61000, NOW + 3600000, &age, e)); /* or forth */
    cr_assert_eq(age, 3600000);
    OK(tg_snapshot_age(&s, "boot-2", 5, NOW + 90000, &age, e));
    cr_assert_eq(age, 90000);
    cr_assert_eq(tg_snapshot_age(&s, "boot-2", 5, NOW - 1, &age, NULL), TG_E_UNKNOWN);
    cr_assert_eq(tg_snapshot_age(&s, "", 5, NOW - 1, &age, NULL), TG_E_UNKNOWN);
}
