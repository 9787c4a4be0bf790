/*
 * Whoever moves the tree is killed at every transaction of every step, before it is carried out and after; at every few of all requests; and
 * answers are lost. After each: are both sides asked what they say of each scope, permits and locks are tried on both, and then the move
 * is gone on with, or taken back. P1, P2, P3: never two live sides, never a GO or a permit for what is locked, never a permit here under
 * a lock there, nothing lost. See guard/migrate.h.
 */
#define _GNU_SOURCE
#include "migrate_world.h"

enum how { NOT_DONE, DONE_UNHEARD, HOWS };
static const char *const how_names[] = {"killed before it", "killed after it"};
static const char *const held[] = {"service:db", "host:web1.example.com", "service:taking"};

static struct tg_permit *in_flight; /* of a client who is killed as well: it goes when his session does */
static struct tg_store *in_flight_store;

static void begin(int done)
{
    struct tg_lock taking;
    struct tg_scopes scope = scopes_of(held[2]);
    struct tg_lock_request r = {.scopes = &scope, .owner = "alice@ops1", .reason = "r", .for_ms = 3600000};

    world_begin();
    free(lock_it(&a, held[0]));
    free(lock_it(&a, held[1]));
    OK(tg_lock_place(&a, &r, &taking, e)); /* its taker will never confirm it */
    tg_lock_clear(&taking);
    tg_scopes_release(&scope);
    run_steps(0, done);
    if (done == 3) { /* somebody acts when complete begins */
        struct tg_guard g = {.store = in_flight_store = open_at(A_URL), .timeout_ms = 20000};
        in_flight = permit_for(&g, "service:busy");
        cr_assert_not_null(in_flight);
    }
}

static void kill_actor(void)
{
    if (!in_flight)
        return;
    tg_memory_kill(in_flight_store);
    tg_permit_abandon(in_flight);
    in_flight = NULL;
}

static bool is_live(struct tg_guard *g)
{
    struct tg_node node;
    struct tg_cluster c;
    struct tg_error why = TG_ERROR_INIT;

    if (tg_store_read(g->store, TG_CLUSTER_PATH, tg_store_deadline(g->store, 20000), &node, &why) != 0)
        return false;
    OK(tg_cluster_decode(node.data, node.len, &c, NULL, e));
    tg_node_release(&node);
    return c.state == TG_CLUSTER_LIVE;
}

/* A permit on one side, and then a lock on the other: at most one of them is given. */
static void try_across(struct tg_guard *actor, struct tg_guard *locker, const char *scope, const char *where)
{
    struct tg_permit *p = permit_for(actor, scope);
    struct tg_lock l;

    if (try_lock(locker, scope, &l, NULL) == 0) {
        cr_assert_null(p, "%s: a permit on one side and a lock on the other", where);
        cr_assert_eq(unlock(locker, l.id), 0, "%s", where);
        tg_lock_clear(&l);
    }
    tg_permit_release(p);
}

static void look_around(const char *where)
{
    struct tg_guard *sides[] = {&a, &b};
    int go = 0;

    cr_assert(!(is_live(&a) && is_live(&b)), "%s: both are live", where);
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < sizeof held / sizeof held[0]; k++) {
            cr_assert_neq(ask(sides[i], held[k], NULL), TG_ANSWER_GO, "%s: GO for %s on side %d", where, held[k], i);
            cr_assert_null(permit_for(sides[i], held[k]), "%s: a permit for %s on side %d", where, held[k], i);
        }
        go += ask(sides[i], "service:free", NULL) == TG_ANSWER_GO;
        try_across(sides[i], sides[1 - i], "service:free", where);
    }
    cr_assert_leq(go, 1, "%s: both say GO", where);
    if (in_flight) /* it acts at the source all the while */
        for (int i = 0; i < 2; i++) {
            struct tg_lock l;
            cr_assert_neq(try_lock(sides[i], "service:busy", &l, NULL), 0, "%s: a lock under a permit on side %d", where, i);
        }
}

/* It is over: one side is live, whole, and says what it should. */
static void final(struct tg_guard *live, struct tg_guard *dead, const char *where)
{
    char cause[TG_CAUSE_SIZE] = "";
    struct tg_locks locks;

    look_around(where);
    for (size_t k = 0; k < sizeof held / sizeof held[0]; k++)
        cr_assert_eq(ask(live, held[k], cause), TG_ANSWER_HELD, "%s: %s: %s", where, held[k], cause);
    cr_assert_eq(ask(live, "service:free", cause), TG_ANSWER_GO, "%s: %s", where, cause);
    cr_assert_eq(ask(dead, "service:free", cause), TG_ANSWER_UNKNOWN, "%s", where);
    OK(tg_lock_list(live, NULL, &locks, e));
    cr_assert_eq(locks.n, sizeof held / sizeof held[0], "%s: %zu locks", where, locks.n);
    tg_locks_release(&locks);
}

static void faults(struct tg_migrate *m, bool target, enum how how, int k, unsigned verbs)
{
    struct tg_store *session = target ? m->to : m->from;
    const char *name = target ? "migrate-b" : "migrate-a";
    struct tg_memory_fault unheard = {.session = session, .verbs = verbs, .nth = k, .action = TG_MEMORY_LOSE_ANSWER};
    /* all that it would still send: of whatever kind, from there on */
    struct tg_memory_fault dead = {.session = session, .verbs = verbs, .nth = k, .times = -1, .action = TG_MEMORY_FAIL, .code = TG_E_SESSION};

    if (how == DONE_UNHEARD)
        OK(tg_memory_fault_add(name, &unheard, e));
    OK(tg_memory_fault_add(name, &dead, e));
}

static void go_on(int step, bool forward, const char *where)
{
    struct tg_cluster c = {.generation = 0};
    struct tg_node node;
    struct tg_error why = TG_ERROR_INIT;

    OK(tg_store_read(a.store, TG_CLUSTER_PATH, tg_store_deadline(a.store, 20000), &node, e));
    OK(tg_cluster_decode(node.data, node.len, &c, NULL, e));
    tg_node_release(&node);
    struct tg_migrate m = mover();
    m.wait_ms = 20000; /* for the killed actor's session */
    int rc = !forward ? tg_migrate_back(&m, &why) : steps[step].run(&m, &why);
    bool nothing_begun = !forward && rc == TG_E_USAGE && step == 0;
    mover_end(&m);
    if (!forward && c.state == TG_CLUSTER_RETIRED) {
        cr_assert_eq(rc, TG_E_USAGE, "%s: no way back", where);
        run_steps(3, 4);
        final(&b, &a, where);
        return;
    }
    cr_assert(rc == 0 || nothing_begun, "%s: %s: %d %s", where, forward ? steps[step].name : "back", rc, why.message);
    look_around(where);
    if (forward)
        run_steps(step + 1, STEPS);
    final(forward ? &b : &a, forward ? &a : &b, where);
}

/* Kills it at the k-th request of the kind on one side. false: it came to its end before that. */
static bool crash(int step, bool target, enum how how, int k, unsigned verbs, bool forward)
{
    char where[160];
    struct tg_error why = TG_ERROR_INIT;

    snprintf(where, sizeof where, "%s, %s, %s %d at the %s, then %s", steps[step].name, how_names[how], verbs ? "transaction" : "request", k,
             target ? "target" : "source", forward ? "on" : "back");
    begin(step);
    struct tg_migrate m = mover();
    m.dies = true;
    m.wait_ms = step == 3 ? 20000 : 2000;
    if (step == 3)
        kill_actor();
    if (!verbs) /* gone at once: who waits for his session's end asks the same again and again, and each time is a point like the one before */
        tg_memory_reap("migrate-a");
    faults(&m, target, how, k, verbs);
    int rc = steps[step].run(&m, &why);
    mover_kill(&m);
    tg_memory_faults_clear("migrate-a");
    tg_memory_faults_clear("migrate-b");
    look_around(where);
    if (rc)
        go_on(step, forward, where);
    kill_actor();
    world_end();
    return rc != 0;
}

/* Each combination starts elsewhere, so that together they meet eight times as many requests as one does. */
static void crash_everywhere(int step, unsigned verbs, int stride)
{
    int points = 0, first = 8;

    for (int target = 0; target < 2; target++)
        for (int how = 0; how < HOWS; how++)
            for (int forward = 0; forward < 2; forward++, first += stride)
                for (int k = first / 8; crash(step, target, (enum how) how, k, verbs, forward); k += stride)
                    points++;
    cr_log_info("%s: killed at %d points", steps[step].name, points);
    cr_assert_gt(points, verbs ? 3 : 20, "%d points", points);
}

Test(migrate_crash, begin_at_every_transaction) { crash_everywhere(0, TG_MEMORY_MULTI, 1); }
Test(migrate_crash, copy_at_every_transaction) { crash_everywhere(1, TG_MEMORY_MULTI, 1); }
Test(migrate_crash, verify_at_every_transaction) { crash_everywhere(2, TG_MEMORY_MULTI, 1); }
Test(migrate_crash, complete_at_every_transaction) { crash_everywhere(3, TG_MEMORY_MULTI, 1); }
Test(migrate_crash, begin_at_many_requests) { crash_everywhere(0, 0, 5); }
Test(migrate_crash, copy_at_many_requests) { crash_everywhere(1, 0, 17); }
Test(migrate_crash, verify_at_many_requests) { crash_everywhere(2, 0, 17); }
Test(migrate_crash, complete_at_many_requests) { crash_everywhere(3, 0, 17); }

/* One request or answer is lost, and nothing else: the step goes on by itself, or can be called again. */
static bool lose(int step, bool target, enum tg_memory_action action, int k)
{
    char where[160];
    struct tg_error why = TG_ERROR_INIT;

    snprintf(where, sizeof where, "%s, %s of transaction %d at the %s lost", steps[step].name, action == TG_MEMORY_LOSE_ANSWER ? "answer" : "request", k,
             target ? "target" : "source");
    begin(step);
    kill_actor();
    struct tg_migrate m = mover();
    m.wait_ms = 20000;
    struct tg_memory_fault lost = {.session = target ? m.to : m.from, .verbs = TG_MEMORY_MULTI, .nth = k, .action = action};
    OK(tg_memory_fault_add(target ? "migrate-b" : "migrate-a", &lost, e));
    uint64_t before = tg_memory_requests(target ? m.to : m.from);
    int rc = steps[step].run(&m, &why);
    bool met = tg_memory_requests(target ? m.to : m.from) - before >= (uint64_t) k;
    mover_end(&m);
    tg_memory_faults_clear("migrate-a");
    tg_memory_faults_clear("migrate-b");
    look_around(where);
    if (rc)
        run_steps(step, step + 1);
    run_steps(step + 1, STEPS);
    final(&b, &a, where);
    world_end();
    return met;
}

Test(migrate_crash, a_lost_answer_or_request_is_looked_for)
{
    for (int step = 0; step < STEPS; step++)
        for (int target = 0; target < 2; target++)
            for (int k = 1; k <= 8; k++)
                (void) (lose(step, target, TG_MEMORY_LOSE_ANSWER, k) && lose(step, target, TG_MEMORY_LOSE_REQUEST, k));
}

/* The actor is alive when the mover is killed, at each transaction of complete: P1 across the two. */
Test(migrate_crash, a_permit_at_the_source_keeps_locks_of_its_scope_from_both_sides)
{
    for (int k = 1; k < 20; k++) {
        char where[80];
        snprintf(where, sizeof where, "with a permit in flight, transaction %d", k);
        begin(3);
        struct tg_migrate m = mover();
        m.dies = true;
        m.wait_ms = 3000;
        faults(&m, false, NOT_DONE, k, TG_MEMORY_MULTI);
        cr_assert_neq(tg_migrate_complete(&m, NULL), 0, "%s: complete is through although somebody acts", where);
        mover_kill(&m);
        tg_memory_faults_clear("migrate-a");
        look_around(where);
        kill_actor();
        struct tg_migrate again = mover();
        again.wait_ms = 20000;
        OK(tg_migrate_complete(&again, e));
        mover_end(&again);
        final(&b, &a, where);
        world_end();
    }
}

/* As complete leaves it when it is killed behind the freeze. */
static void freeze(void)
{
    struct tg_migrate m = mover();

    m.dies = true;
    m.wait_ms = 20000;
    faults(&m, false, NOT_DONE, 3, TG_MEMORY_MULTI); /* seat, freeze, and then it would retire the source */
    cr_assert_neq(tg_migrate_complete(&m, NULL), 0);
    mover_kill(&m);
    tg_memory_faults_clear("migrate-a");
    cr_assert(!is_live(&a) && !is_live(&b));
}

static bool crash_back(int done, bool frozen, bool target, enum how how, int k)
{
    char where[120], cause[TG_CAUSE_SIZE];

    snprintf(where, sizeof where, "back after %d steps%s, %s, transaction %d at the %s", done, frozen ? " and the freeze" : "", how_names[how], k,
             target ? "target" : "source");
    begin(done);
    kill_actor();
    if (frozen)
        freeze();
    struct tg_migrate m = mover();
    m.dies = true;
    faults(&m, target, how, k, TG_MEMORY_MULTI);
    int rc = tg_migrate_back(&m, NULL);
    mover_kill(&m);
    tg_memory_faults_clear("migrate-a");
    tg_memory_faults_clear("migrate-b");
    look_around(where);
    struct tg_migrate again = mover();
    OK(tg_migrate_back(&again, e));
    mover_end(&again);
    final(&a, &b, where);
    cr_assert(ask(&b, "service:free", cause) == TG_ANSWER_UNKNOWN && strcmp(cause, "retired") == 0, "%s: the target is %s", where, cause);
    world_end();
    return rc != 0;
}

Test(migrate_crash, back_at_every_transaction)
{
    for (int done = 1; done <= 4; done++)
        for (int target = 0; target < 2; target++)
            for (int how = 0; how < HOWS; how++)
                for (int k = 1; crash_back(done < 4 ? done : 3, done == 4, target, (enum how) how, k); k++)
                    continue;
}
