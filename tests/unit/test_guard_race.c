/*
 * P1 where it can break: actors and lockers as processes, at full speed on one scope of one embedded store, each looking over the
 * others' shoulders. What tests/model/handshake.pml proves of the protocol, this holds the code to: with the permit written after the look, or without
 * the wait of the lock, it fails within a few rounds.
 */
#define _GNU_SOURCE
#include "guard/permit.h"
#include "guard/tree.h"
#include "store/cluster.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACTORS 2
#define LOCKERS 2
#define ROUNDS 40 /* of each locker */

/* Seen by all. */
static struct shared {
    atomic_int acting[ACTORS], granted[LOCKERS];
    atomic_int acted, locked, both; /* how often */
    atomic_int done;                /* lockers that have */
} *shared;

static char folder[64], url[128];

static int any(atomic_int *flags, int n)
{
    int set = 0;

    for (int i = 0; i < n; i++)
        set += atomic_load(&flags[i]);
    return set;
}

/* What is acted, and what is done under a lock: long enough, against a transaction, to be met by somebody who does not wait. */
static void look_for_both(void)
{
    const struct tg_clock *clock = tg_clock_real();

    for (int64_t end = tg_mono_ms(clock) + 4; tg_mono_ms(clock) < end; usleep(100))
        if (any(shared->acting, ACTORS) && any(shared->granted, LOCKERS))
            atomic_fetch_add(&shared->both, 1);
}

static struct tg_scopes scopes_of(const char *text)
{
    struct tg_scopes list = TG_SCOPES_INIT;

    if (tg_scopes_parse(&list, &text, 1, NULL, NULL) != 0)
        _exit(3);
    return list;
}

static struct tg_guard open_guard(void)
{
    struct tg_loop *loop;
    struct tg_guard g = {.timeout_ms = 60000};
    struct tg_store_options o = {.url = url, .flags = TG_STORE_CREATE};

    if (tg_loop_new(&loop, NULL) != 0)
        _exit(3);
    o.loop = loop;
    if (tg_store_open(&o, &g.store, NULL) != 0 || tg_store_connect(g.store, tg_store_deadline(g.store, 60000), NULL) != 0)
        _exit(3);
    return g;
}

static void close_guard(struct tg_guard *g)
{
    struct tg_loop *loop = tg_store_loop(g->store);

    tg_store_close(g->store);
    tg_loop_free(loop);
}

static void be_actor(int me)
{
    struct tg_guard g = open_guard();
    struct tg_scopes scopes = scopes_of("service:s");
    struct tg_permit_request r = {.scopes = &scopes, .actor = "x", .owner = "a@b", .host = "h", .what = "w"};

    while (atomic_load(&shared->done) < LOCKERS) {
        struct tg_permit *p = NULL;
        struct tg_guard_verdict v;
        int rc = tg_permit_take(&g, &r, &p, &v, NULL);
        tg_verdict_release(&v);
        if (rc == TG_E_HELD)
            continue;
        if (rc)
            _exit(4);
        atomic_store(&shared->acting[me], 1);
        look_for_both();
        atomic_fetch_add(&shared->acted, 1);
        atomic_store(&shared->acting[me], 0);
        tg_permit_release(p);
    }
    tg_scopes_release(&scopes);
    close_guard(&g);
    _exit(0);
}

/* Every other round begins while somebody acts, the others whenever. Bounded: the other locker may be holding them all. */
static void choose_moment(int i)
{
    for (int tries = 0; i % 2 && tries < 500 && !any(shared->acting, ACTORS); tries++)
        usleep(100);
    if (i % 2 == 0)
        usleep((useconds_t) (i * 7919 % 3000));
}

static void be_locker(int me)
{
    struct tg_guard g = open_guard();
    struct tg_scopes scopes = scopes_of(me ? "fleet" : "service:s");
    struct tg_lock_request r = {.scopes = &scopes, .owner = "a@b", .reason = "r", .for_ms = 60000};

    for (int i = 0; i < ROUNDS; i++) {
        choose_moment(i);
        struct tg_lock l;
        struct tg_error e = TG_ERROR_INIT;
        int rc = tg_lock_take(&g, &r, -1, NULL, NULL, &l, &e);
        if (rc) {
            fprintf(stderr, "locker %d: %s\n", me, e.message);
            atomic_store(&shared->done, LOCKERS);
            _exit(5);
        }
        atomic_store(&shared->granted[me], 1);
        look_for_both();
        atomic_fetch_add(&shared->locked, 1);
        atomic_store(&shared->granted[me], 0);
        struct tg_release_request back = {.id = l.id, .owner = "a@b"};
        if (tg_lock_release(&g, &back, NULL, &e) != 0) {
            fprintf(stderr, "locker %d: %s\n", me, e.message);
            atomic_store(&shared->done, LOCKERS);
            _exit(6);
        }
        tg_lock_clear(&l);
    }
    atomic_fetch_add(&shared->done, 1);
    tg_scopes_release(&scopes);
    close_guard(&g);
    _exit(0);
}

static void make_store(void)
{
    struct tg_cluster cluster = {.id = "0123456789abcdef0123456789abcdef", .generation = 1, .state = TG_CLUSTER_LIVE};
    struct tg_guard g;
    char *text = tg_cluster_encode(&cluster);
    struct tg_op ops[64] = {{.path = TG_CLUSTER_PATH, .data = text, .len = strlen(text)}};

    strcpy(folder, "/tmp/tagout-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(url, sizeof url, "local:%s/store.db", folder);
    g = open_guard();
    cr_assert_eq(tg_store_multi(g.store, ops, 1 + tg_tree_init_ops(ops + 1, 63), tg_store_deadline(g.store, 60000), NULL, NULL), 0);
    close_guard(&g);
    free(text);
}

Test(guard_race, never_does_a_permitted_actor_meet_a_granted_lock, .timeout = 280) /* P1 */
{
    pid_t pids[ACTORS + LOCKERS];
    char command[128];

    make_store();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    for (int i = 0; i < ACTORS + LOCKERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody outlives the test, however it ends */
        if (pids[i] == 0 && i < ACTORS)
            be_actor(i);
        if (pids[i] == 0)
            be_locker(i - ACTORS);
    }
    for (int i = 0; i < ACTORS + LOCKERS; i++) {
        int status = -1;
        cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
        cr_assert_eq(status, 0, "process %d: %x", i, status);
    }
    cr_assert_eq(atomic_load(&shared->both), 0, "%d times (acted %d, locked %d)", atomic_load(&shared->both), atomic_load(&shared->acted), atomic_load(&shared->locked));
    cr_assert_gt(atomic_load(&shared->acted), 0);
    cr_assert_eq(atomic_load(&shared->locked), LOCKERS * ROUNDS);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}
