/* Two stores in memory, a tree in one of them, and who asks them: for tests of guard/migrate.h. */
#ifndef TESTS_MIGRATE_WORLD_H
#define TESTS_MIGRATE_WORLD_H

#include "guard/migrate.h"
#include "guard/permit.h"
#include "guard/tree.h"
#include "store/memory.h"
#include "store/tree.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1795368000000
#define A_URL "memory:migrate-a"
#define B_URL "memory:migrate-b"
#define ID "0123456789abcdef0123456789abcdef"

static struct tg_loop *loop;
static struct tg_guard a, b; /* an ordinary client's, of either side */
static char state_dir[64];   /* of the host whose marks are kept; "" none */

#define OK(call)                                                                                                                 \
    do {                                                                                                                         \
        struct tg_error ok_e = TG_ERROR_INIT, *e = &ok_e;                                                                        \
        int ok_rc = (call);                                                                                                      \
        cr_assert_eq(ok_rc, 0, "%s: %d %s", #call, ok_rc, e->message);                                                           \
    } while (0)

static struct tg_store *open_at(const char *url)
{
    struct tg_store_options o = {.loop = loop, .url = url, .session_ms = 4000, .flags = TG_STORE_CREATE};
    struct tg_store *s = NULL;

    OK(tg_store_open(&o, &s, e));
    OK(tg_store_connect(s, tg_store_deadline(s, 20000), e));
    return s;
}

static void init_tree(struct tg_store *s)
{
    struct tg_cluster cluster = {.id = ID, .generation = 1, .state = TG_CLUSTER_LIVE};
    char *text = tg_cluster_encode(&cluster);
    struct tg_op ops[TG_TREE_ROWS_MAX] = {{.path = TG_CLUSTER_PATH, .data = text, .len = strlen(text)}};
    size_t n = 1 + tg_store_tree_ops(ops + 1, TG_TREE_ROWS_MAX - 1);

    n += tg_tree_init_ops(ops + n, TG_TREE_ROWS_MAX - n);
    OK(tg_store_multi(s, ops, n, tg_store_deadline(s, 20000), NULL, e));
    free(text);
}

static void world_begin(void)
{
    OK(tg_loop_virtual(NOW, &loop, e));
    a = (struct tg_guard) {.store = open_at(A_URL), .timeout_ms = 20000};
    b = (struct tg_guard) {.store = open_at(B_URL), .timeout_ms = 20000};
    init_tree(a.store);
}

static void world_end(void)
{
    tg_store_close(a.store);
    tg_store_close(b.store);
    tg_memory_faults_clear("migrate-a");
    tg_memory_faults_clear("migrate-b");
    tg_memory_forget("migrate-a");
    tg_memory_forget("migrate-b");
    tg_loop_free(loop);
}

static struct tg_scopes scopes_of(const char *text)
{
    struct tg_scopes list = TG_SCOPES_INIT;

    OK(tg_scopes_parse(&list, &text, 1, NULL, e));
    return list;
}

static int try_lock(struct tg_guard *g, const char *scope, struct tg_lock *out, struct tg_error *e)
{
    struct tg_scopes list = scopes_of(scope);
    struct tg_lock_request r = {.scopes = &list, .owner = "alice@ops1", .reason = "move the ensemble", .ticket = "OPS-1", .for_ms = 3600000};
    int rc = tg_lock_take(g, &r, 0, NULL, NULL, out, e);

    tg_scopes_release(&list);
    return rc;
}

__attribute__((unused)) static char *lock_it(struct tg_guard *g, const char *scope)
{
    struct tg_lock l;

    OK(try_lock(g, scope, &l, e));
    char *id = strdup(l.id);
    tg_lock_clear(&l);
    return id;
}

__attribute__((unused)) static int unlock(struct tg_guard *g, const char *id)
{
    struct tg_release_request r = {.id = id, .owner = "alice@ops1"};

    return tg_lock_release(g, &r, NULL, NULL);
}

__attribute__((unused)) static enum tg_guard_answer ask(struct tg_guard *g, const char *scope, char *out_cause)
{
    struct tg_scopes list = scopes_of(scope);
    struct tg_question q = {.scopes = &list, .actor = "autoscaler"};
    struct tg_guard_verdict v;

    tg_check(g, &q, tg_store_deadline(g->store, 20000), &v);
    enum tg_guard_answer answer = v.answer;
    if (out_cause)
        snprintf(out_cause, TG_CAUSE_SIZE, "%s", v.cause);
    tg_verdict_release(&v);
    tg_scopes_release(&list);
    return answer;
}

__attribute__((unused)) static struct tg_permit *permit_for(struct tg_guard *g, const char *scope)
{
    struct tg_scopes list = scopes_of(scope);
    struct tg_permit_request r = {.scopes = &list, .actor = "autoscaler", .owner = "x@y", .host = "h1", .what = "scale-in.sh"};
    struct tg_guard_verdict v;
    struct tg_permit *p = NULL;

    (void) tg_permit_take(g, &r, &p, &v, NULL);
    tg_verdict_release(&v);
    tg_scopes_release(&list);
    return p;
}

/* Somebody who moves: two sessions of his own. */
static struct tg_migrate mover(void)
{
    return (struct tg_migrate) {.from = open_at(A_URL), .to = open_at(B_URL), .by = "bob@ops2", .wait_ms = 2000, .seat_wait_ms = 10000,
                                .state_dir = state_dir[0] ? state_dir : NULL};
}

static void mover_end(struct tg_migrate *m)
{
    tg_store_close(m->from);
    tg_store_close(m->to);
}

/* As a process that is killed: its sessions live on until they time out. */
__attribute__((unused)) static void mover_kill(struct tg_migrate *m)
{
    tg_memory_kill(m->from);
    tg_memory_kill(m->to);
}

static int copy_step(struct tg_migrate *m, struct tg_error *e)
{
    struct tg_mirror_copied c;

    return tg_migrate_copy(m, &c, e);
}

static int verify_step(struct tg_migrate *m, struct tg_error *e)
{
    struct tg_mirror_report r = {.n_found = 0};
    int rc = tg_migrate_verify(m, &r, e);

    tg_mirror_report_release(&r);
    return rc;
}

static const struct {
    const char *name;
    int (*run)(struct tg_migrate *m, struct tg_error *e);
} steps[] = {{"begin", tg_migrate_begin}, {"copy", copy_step}, {"verify", verify_step}, {"complete", tg_migrate_complete}};
#define STEPS 4

/* Steps from..to-1, each by a mover of its own. */
static void run_steps(int from, int to)
{
    for (int i = from; i < to; i++) {
        struct tg_migrate m = mover();
        struct tg_error why = TG_ERROR_INIT;
        int rc = steps[i].run(&m, &why);
        cr_assert_eq(rc, 0, "%s: %d %s", steps[i].name, rc, why.message);
        mover_end(&m);
    }
}

#endif
