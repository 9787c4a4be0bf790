/* Moving the tree, step by step: see guard/migrate.h. What a crash leaves is test_migrate_crash.c's. */
#define _GNU_SOURCE
#include "migrate_world.h"

#include "engine/journal.h"
#include "guard/migrate_internal.h"

static void setup(void)
{
    world_begin();
}

static void teardown(void)
{
    world_end();
}

#define MTEST(name) Test(migrate, name, .init = setup, .fini = teardown)

static struct tg_mirror_sums sums_of(struct tg_store *s)
{
    struct tg_mirror_walk walk = {.wait_ms = 20000};
    struct tg_mirror_sums sums;

    OK(tg_mirror_sum(s, &walk, &sums, e));
    return sums;
}

/* But for the audit, where each step of the move is told. */
static size_t differences(const struct tg_mirror_sums *x, const struct tg_mirror_sums *y)
{
    struct tg_mirror_report r;

    OK(tg_mirror_compare(x, y, 0, &r, e));
    size_t n = r.differences;
    for (size_t i = 0; i < r.n_found; i++)
        if (strncmp(r.found[i].path, "/audit", 6) == 0)
            n--;
        else
            fprintf(stderr, "%s %s\n", tg_mirror_difference_name(r.found[i].what), r.found[i].path);
    tg_mirror_report_release(&r);
    return n;
}

static int step(int i, struct tg_error *e)
{
    struct tg_migrate m = mover();
    int rc = steps[i].run(&m, e);

    mover_end(&m);
    return rc;
}

static int back(void)
{
    struct tg_migrate m = mover();
    int rc = tg_migrate_back(&m, NULL);

    mover_end(&m);
    return rc;
}

static struct tg_cluster cluster_at(struct tg_guard *g)
{
    struct tg_node node;
    struct tg_cluster c;

    OK(tg_store_read(g->store, TG_CLUSTER_PATH, tg_store_deadline(g->store, 20000), &node, e));
    OK(tg_cluster_decode(node.data, node.len, &c, NULL, e));
    tg_node_release(&node);
    return c;
}

static void cause_is(struct tg_guard *g, const char *scope, const char *cause)
{
    char is[TG_CAUSE_SIZE];

    cr_assert_eq(ask(g, scope, is), TG_ANSWER_UNKNOWN, "%s", scope);
    cr_assert_str_eq(is, cause, "%s", scope);
}

static void put_node(struct tg_guard *g, const char *path, const char *text)
{
    OK(tg_store_create(g->store, path, text, strlen(text), 0, tg_store_deadline(g->store, 20000), e));
}

MTEST(all_of_the_tree_arrives_and_each_moment_has_its_answer) /* P2, P3 */
{
    char *held = lock_it(&a, "service:db"), *gone = lock_it(&a, "host:web1.example.com"), cause[TG_CAUSE_SIZE];
    struct tg_lock l;

    cr_assert_eq(unlock(&a, gone), 0);
    put_node(&a, "/budgets/web", "{\"charges\":[1,2,3]}");
    put_node(&a, "/runs/r1", "{}");
    put_node(&a, "/runs/r1/journal", "");
    put_node(&a, "/runs/r1/journal/00000001", "{\"line\":1}\n");
    cause_is(&b, "service:db", "not-initialised");
    for (int i = 0; i < 3; i++) {
        run_steps(i, i + 1);
        cr_assert_eq(ask(&a, "service:db", NULL), TG_ANSWER_HELD);
        cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO, "the source serves all the while");
        cause_is(&b, "service:db", "migrating");
        cause_is(&b, "service:free", "migrating");
        cr_assert_null(permit_for(&b, "service:free"));
        cr_assert_eq(try_lock(&b, "service:free", &l, NULL), TG_E_UNKNOWN);
    }
    struct tg_mirror_sums before = sums_of(a.store);
    run_steps(3, 4);
    struct tg_mirror_sums after = sums_of(b.store);
    cr_assert_eq(differences(&before, &after), 0);
    cr_assert_not_null(tg_mirror_find(&after, "/runs/r1/journal/00000001"));
    cause_is(&a, "service:db", "retired");
    cause_is(&a, "service:free", "retired");
    cr_assert_eq(ask(&b, "service:db", cause), TG_ANSWER_HELD, "%s", cause);
    cr_assert_eq(ask(&b, "service:free", cause), TG_ANSWER_GO, "%s", cause);
    cr_assert_eq(unlock(&b, held), 0);
    cr_assert_eq(ask(&b, "service:db", NULL), TG_ANSWER_GO);
    tg_mirror_sums_release(&before);
    tg_mirror_sums_release(&after);
    free(held);
    free(gone);
}

/* P2: what was altered stays so: a copy is no proof of what it was made from. */
MTEST(a_source_that_was_altered_is_not_made_whole_by_the_move)
{
    char *id = lock_it(&a, "service:db"), folder[64], path[128];
    struct tg_scopes list = scopes_of("service:db");
    struct tg_error why = TG_ERROR_INIT;

    run_steps(0, 1);
    tg_tree_scope_path("/locks", &list.v[0], folder, sizeof folder);
    snprintf(path, sizeof path, "%s/%s", folder, id);
    OK(tg_store_delete(a.store, path, TG_ANY_VERSION, tg_store_deadline(a.store, 20000), e));
    OK(tg_store_delete(a.store, folder, TG_ANY_VERSION, tg_store_deadline(a.store, 20000), e));
    memcpy(strrchr(folder, '/'), "/zz9", 5);
    put_node(&a, folder, "");
    step(1, NULL);
    step(2, NULL);
    cr_assert_neq(step(3, &why), 0);
    cr_assert(strstr(why.message, "made or removed since"), "%s", why.message);
    cr_assert_neq(ask(&b, "service:db", NULL), TG_ANSWER_GO);
    cr_assert_neq(ask(&a, "service:db", NULL), TG_ANSWER_GO);
    tg_scopes_release(&list);
    free(id);
}

MTEST(each_folder_of_the_copy_is_proven_by_what_was_written_last) /* more than one transaction holds */
{
    char scope[32];

    for (int i = 0; i < TG_STORE_OPS_MAX / 2; i++) {
        snprintf(scope, sizeof scope, i % 2 ? "service:s%d" : "group:g%d", i);
        free(lock_it(&a, scope));
    }
    run_steps(0, 2);
    struct tg_mirror_sums from = sums_of(a.store), to = sums_of(b.store);
    for (size_t i = 0; i < from.n; i++) {
        const struct tg_mirror_sum *there = tg_mirror_find(&to, from.v[i].path);
        cr_assert(!tg_mirror_is_stamped(&from.v[i]) || !there || tg_mirror_is_stamped(there), "%s", from.v[i].path);
    }
    tg_mirror_sums_release(&from);
    tg_mirror_sums_release(&to);
}

MTEST(tokens_of_the_target_are_greater_than_all_of_the_source)
{
    struct tg_lock before, after;
    int64_t generation, txid;

    for (int i = 0; i < 20; i++) { /* the source is far ahead in transactions */
        char *id = lock_it(&a, "service:x");
        cr_assert_eq(unlock(&a, id), 0);
        free(id);
    }
    OK(try_lock(&a, "service:db", &before, e));
    run_steps(0, 4);
    OK(tg_lock_find(&b, before.id, &after, e));
    cr_assert(after.generation > before.generation);
    struct tg_permit *p = permit_for(&b, "service:free");
    cr_assert_not_null(p);
    tg_permit_fence(p, &generation, &txid);
    cr_assert(generation > before.generation, "(%lld, %lld)", (long long) generation, (long long) txid);
    tg_permit_release(p);
    tg_lock_clear(&before);
    tg_lock_clear(&after);
}

MTEST(what_is_out_of_order_is_refused_with_the_next_command)
{
    static const struct { int done, try; const char *hint; } rows[] = {
        {0, 1, "migrate begin"}, {0, 2, "migrate begin"}, {0, 3, "migrate begin"}, {1, 2, "migrate copy"},
        {1, 3, "migrate copy"},  {2, 3, "migrate verify"},
    };
    int done = 0;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_error why = TG_ERROR_INIT;
        run_steps(done, rows[i].done);
        done = rows[i].done;
        cr_assert_eq(step(rows[i].try, &why), TG_E_USAGE, "%zu %s", i, why.message);
        cr_assert(strstr(why.hint, rows[i].hint), "%zu: %s", i, why.hint);
        cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO);
        cr_assert_neq(ask(&b, "service:free", NULL), TG_ANSWER_GO);
    }
    run_steps(2, 4);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(step(i, NULL), TG_E_USAGE, "it is over");
    cr_assert_eq(back(), TG_E_USAGE, "there is no way back");
    cr_assert_eq(step(3, NULL), 0, "done twice is done");
}

MTEST(each_step_may_be_done_again)
{
    for (int i = 0; i < STEPS; i++) {
        run_steps(i, i + 1);
        run_steps(i, i + 1);
    }
    cr_assert_eq(ask(&b, "service:free", NULL), TG_ANSWER_GO);
}

MTEST(of_two_who_move_one_is_told_of_the_other)
{
    struct tg_migrate first = mover(), second = mover();
    struct tg_error why = TG_ERROR_INIT;
    static const char seat[] = "{\"by\":\"bob@ops2\",\"host\":\"ops2\",\"pid\":7,\"step\":\"copy\",\"since\":1795368000000}";

    run_steps(0, 1);
    OK(tg_store_create(first.from, "/migration/seat", seat, strlen(seat), TG_CREATE_EPHEMERAL, tg_store_deadline(first.from, 1000), e));
    cr_assert_eq(copy_step(&second, &why), TG_E_HELD);
    cr_assert(strstr(why.message, "bob@ops2") && strstr(why.message, "process 7 on ops2"), "%s", why.message);
    tg_memory_kill(first.from); /* its session is over some seconds later: the second one waits for that */
    tg_store_close(first.to);
    OK(copy_step(&second, e));
    mover_end(&second);
}

MTEST(another_target_than_the_one_under_way_is_refused)
{
    struct tg_store *third = open_at("memory:migrate-c");
    struct tg_migrate m = mover();
    struct tg_error why = TG_ERROR_INIT;

    run_steps(0, 1);
    tg_store_close(m.to);
    m.to = third;
    cr_assert_eq(tg_migrate_begin(&m, &why), TG_E_HELD);
    cr_assert(strstr(why.message, "bob@ops2 moves this tree to " B_URL), "%s", why.message);
    mover_end(&m);
    tg_memory_forget("migrate-c");
}

MTEST(permits_in_flight_are_waited_for_and_then_the_source_serves_again) /* P1 */
{
    struct tg_permit *p = permit_for(&a, "service:free");
    struct tg_error why = TG_ERROR_INIT;

    cr_assert_not_null(p);
    run_steps(0, 3);
    cr_assert_eq(step(3, &why), TG_E_HELD);
    cr_assert(strstr(why.message, "autoscaler on service:free (h1)"), "%s", why.message);
    cr_assert_eq(ask(&a, "service:other", NULL), TG_ANSWER_GO, "thawed");
    cause_is(&b, "service:free", "migrating");
    char *id = lock_it(&a, "service:late");
    tg_permit_release(p);
    run_steps(3, 4);
    cr_assert_eq(ask(&b, "service:late", NULL), TG_ANSWER_HELD, "a lock that was taken between two tries");
    free(id);
}

/* Puts the source as complete leaves it when it is killed behind the freeze. */
static void freeze(void)
{
    struct tg_cluster c = cluster_at(&a);
    struct tg_migrate m = mover();

    OK(tg_migrate_look(&m, e));
    struct tg_migration r = m.s.record;
    r.phase = TG_MIGRATE_COMPLETING;
    c.state = TG_CLUSTER_MIGRATING;
    c.moved_generation = r.generation;
    snprintf(c.moved_to, sizeof c.moved_to, "%s", B_URL);
    char *cluster = tg_cluster_encode(&c), *record = tg_migration_encode(&r);
    struct tg_op ops[] = {{.kind = TG_OP_WRITE, .path = TG_CLUSTER_PATH, .data = cluster, .len = strlen(cluster), .version = TG_ANY_VERSION},
                          {.kind = TG_OP_WRITE, .path = TG_MIGRATION_PATH, .data = record, .len = strlen(record), .version = TG_ANY_VERSION}};
    OK(tg_store_multi(m.from, ops, 2, tg_store_deadline(m.from, 1000), NULL, e));
    free(cluster);
    free(record);
    mover_end(&m);
}

MTEST(a_permit_behind_the_freeze_is_not_given_and_not_waited_for) /* P1 */
{
    run_steps(0, 3);
    freeze();
    cr_assert_null(permit_for(&a, "service:free"));
    /* one who wrote his permit and was killed before he could look, or is about to: it was never given */
    OK(tg_store_create(a.store, "/permits/fleet/X", "{\"format\":1}", 12, TG_CREATE_EPHEMERAL, tg_store_deadline(a.store, 1000), e));
    struct tg_error why = TG_ERROR_INIT;
    int rc = step(3, &why);
    cr_assert(rc == TG_E_UNKNOWN, "a permit that can't be read is not taken for none: %d %s", rc, why.message);
    OK(tg_store_delete(a.store, "/permits/fleet/X", TG_ANY_VERSION, tg_store_deadline(a.store, 1000), e));
    struct tg_permit_record late = {.id = "LATE", .actor = "reboot", .owner = "x@y", .host = "h", .what = "w", .since_ms = NOW, .pid = 1};
    late.scopes = scopes_of("fleet");
    char *text = tg_permit_encode(&late);
    freeze();
    OK(tg_store_create(a.store, "/permits/fleet/LATE", text, strlen(text), TG_CREATE_EPHEMERAL, tg_store_deadline(a.store, 1000), e));
    free(text);
    tg_permit_clear(&late);
    run_steps(3, 4);
}

MTEST(nothing_changes_in_a_frozen_tree_by_whatever_recipe) /* P2, P10 */
{
    char *held = lock_it(&a, "service:db"), *dead = lock_it(&a, "service:dead");
    struct tg_lock taking, l;
    struct tg_scopes scope = scopes_of("service:new"), dead_scope = scopes_of("service:dead");
    struct tg_lock_request r = {.scopes = &scope, .owner = "alice@ops1", .reason = "r", .for_ms = 1000};
    struct tg_release_request back = {.id = held, .owner = "alice@ops1"};

    put_node(&a, "/runs/r1", "{\"format\":1}");
    put_node(&a, "/runs/r1/control", "{\"format\":1}");
    OK(tg_lock_place(&a, &r, &taking, e));
    run_steps(0, 3);
    freeze();
    struct tg_mirror_sums before = sums_of(a.store);
    cr_assert_eq(tg_lock_confirm(&a, &taking, NULL), TG_E_UNKNOWN);
    cr_assert_eq(try_lock(&a, "service:x", &l, NULL), TG_E_UNKNOWN);
    cr_assert_eq(tg_lock_release(&a, &back, NULL, NULL), TG_E_UNKNOWN);
    cr_assert_eq(tg_lock_extend(&a, held, "alice@ops1", 5000, &l, NULL), TG_E_UNKNOWN);
    cr_assert_eq(tg_lock_reap_scope(&a, &dead_scope.v[0], dead), 0);
    cr_assert_eq(tg_run_abort(a.store, "r1", &(struct tg_said) {"bob@ops2", "why", NOW, 5000}, NULL), TG_E_UNKNOWN);
    cr_assert_null(permit_for(&a, "service:free"));
    struct tg_mirror_sums after = sums_of(a.store);
    cr_assert_eq(differences(&before, &after), 0);
    tg_mirror_sums_release(&before);
    tg_mirror_sums_release(&after);
    run_steps(3, 4); /* it goes on, and the lock that was being taken holds there */
    cr_assert_eq(ask(&b, "service:new", NULL), TG_ANSWER_HELD);
    tg_lock_clear(&taking);
    tg_scopes_release(&scope);
    tg_scopes_release(&dead_scope);
    free(held);
    free(dead);
}

MTEST(a_run_in_its_seat_is_not_moved_away_under_its_driver) /* P6 */
{
    static const char lease[] = "{\"by\":\"carol@ops3\",\"host\":\"ops3\",\"pid\":12}";
    struct tg_error why = TG_ERROR_INIT;

    put_node(&a, "/runs/r1", "{}");
    OK(tg_store_create(a.store, "/runs/r1/lease", lease, strlen(lease), TG_CREATE_EPHEMERAL, tg_store_deadline(a.store, 1000), e));
    run_steps(0, 3);
    cr_assert_eq(step(3, &why), TG_E_HELD);
    cr_assert(strstr(why.message, "run r1, driven by carol@ops3"), "%s", why.message);
    cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO, "never frozen for it");
    OK(tg_store_delete(a.store, "/runs/r1/lease", TG_ANY_VERSION, tg_store_deadline(a.store, 1000), e));
    run_steps(3, 4);
}

MTEST(taken_back_at_any_step_the_source_is_as_it_was_and_the_target_refused) /* P2 */
{
    char *id = lock_it(&a, "service:db");
    int64_t generation = 0;

    for (int frozen = 0; frozen < 2; frozen++)
        for (int done = frozen ? 3 : 1; done <= 3; done++) {
            run_steps(0, done);
            if (frozen)
                freeze();
            struct tg_mirror_sums before = sums_of(a.store);
            cr_assert_eq(back(), 0);
            cr_assert_eq(back(), 0, "twice is once");
            struct tg_mirror_sums after = sums_of(a.store);
            cr_assert_eq(differences(&before, &after), 0);
            tg_mirror_sums_release(&before);
            tg_mirror_sums_release(&after);
            cr_assert_eq(ask(&a, "service:db", NULL), TG_ANSWER_HELD);
            cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO);
            cause_is(&b, "service:free", "retired");
            cr_assert_null(permit_for(&b, "service:free"));
            cr_assert_gt(cluster_at(&b).generation, generation, "each attempt has a generation of its own");
            generation = cluster_at(&b).generation;
            cr_assert_eq(step(3, NULL), TG_E_USAGE, "complete has nothing to go on");
        }
    run_steps(0, 4); /* and then it is moved after all, to the same place */
    cr_assert_eq(ask(&b, "service:db", NULL), TG_ANSWER_HELD);
    cr_assert_eq(ask(&b, "service:free", NULL), TG_ANSWER_GO);
    free(id);
}

MTEST(and_back_again_to_where_it_came_from)
{
    char *id = lock_it(&a, "service:db");
    struct tg_error why = TG_ERROR_INIT;

    run_steps(0, 4);
    char *later = lock_it(&b, "service:later");
    for (int i = 0; i < STEPS; i++) {
        struct tg_migrate m = mover();
        struct tg_store *swap = m.from;
        m.from = m.to;
        m.to = swap;
        cr_assert_eq(steps[i].run(&m, &why), 0, "%s: %s", steps[i].name, why.message);
        mover_end(&m);
        cr_assert_neq(ask(i == 3 ? &b : &a, "service:free", NULL), TG_ANSWER_GO);
    }
    cr_assert_eq(cluster_at(&a).generation, 3);
    cr_assert_eq(ask(&a, "service:db", NULL), TG_ANSWER_HELD);
    cr_assert_eq(ask(&a, "service:later", NULL), TG_ANSWER_HELD);
    cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO);
    free(id);
    free(later);
}

MTEST(a_target_that_is_not_empty_is_refused_and_left_alone)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_migrate m;

    put_node(&b, "/somebody", "else");
    cr_assert_eq(step(0, &why), TG_E_EXISTS);
    cr_assert(strstr(why.message, "1 other node"), "%s", why.message);
    OK(tg_store_delete(b.store, "/somebody", TG_ANY_VERSION, tg_store_deadline(b.store, 1000), e));
    put_node(&b, "/cluster", "{\"format\":1,\"id\":\"fedcba9876543210fedcba9876543210\",\"generation\":1,\"state\":\"live\"}");
    cr_assert_eq(step(0, NULL), TG_E_EXISTS);
    m = mover();
    tg_store_close(m.to);
    m.to = open_at(A_URL);
    tg_error_clear(&why);
    cr_assert_eq(tg_migrate_begin(&m, &why), TG_E_EXISTS);
    cr_assert(strstr(why.message, "the source itself"), "%s", why.message);
    mover_end(&m);
    cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO);
    cr_assert_eq(cluster_at(&b).generation, 1);
}

MTEST(a_target_that_lost_its_data_is_begun_anew_and_one_that_lost_some_is_mended) /* P2 */
{
    struct tg_memory_snapshot *empty, *begun;
    char *id = lock_it(&a, "service:db");

    OK(tg_memory_snapshot("migrate-b", &empty, e));
    run_steps(0, 1);
    OK(tg_memory_snapshot("migrate-b", &begun, e));
    run_steps(1, 3);
    OK(tg_memory_restore("migrate-b", empty, e));
    cr_assert_eq(step(3, NULL), TG_E_UNKNOWN);
    cr_assert_eq(ask(&a, "service:db", NULL), TG_ANSWER_HELD);
    cr_assert_neq(ask(&b, "service:free", NULL), TG_ANSWER_GO);
    cr_assert_eq(step(1, NULL), TG_E_UNKNOWN);
    run_steps(0, 3);
    OK(tg_memory_restore("migrate-b", begun, e)); /* an old copy of it */
    struct tg_error why = TG_ERROR_INIT;
    run_steps(3, 4); /* what is missing is copied behind the freeze, and compared */
    cr_assert_eq(ask(&b, "service:db", NULL), TG_ANSWER_HELD, "%s", why.message);
    tg_memory_snapshot_free(empty);
    tg_memory_snapshot_free(begun);
    free(id);
}

MTEST(verify_finds_what_differs_and_tells_what_only_changed_since)
{
    struct tg_migrate m;
    struct tg_mirror_report r;
    struct tg_error why = TG_ERROR_INIT;
    char *id = lock_it(&a, "service:db");

    run_steps(0, 2);
    char *late = lock_it(&a, "service:late");
    m = mover();
    OK(tg_migrate_verify(&m, &r, e));
    cr_assert(r.differences == 0 && r.since > 0, "%zu %zu", r.differences, r.since);
    tg_mirror_report_release(&r);
    mover_end(&m);
    put_node(&b, "/runs/stray", "x");
    OK(tg_store_write(b.store, "/locks/group", "x", 1, TG_ANY_VERSION, tg_store_deadline(b.store, 1000), e));
    m = mover();
    cr_assert_eq(tg_migrate_verify(&m, &r, &why), TG_E_DATA);
    cr_assert_eq(r.differences, 2);
    cr_assert(strcmp(r.found[0].path, "/locks/group") == 0 && r.found[0].what == TG_MIRROR_DIFFERS, "%s", r.found[0].path);
    cr_assert(strcmp(r.found[1].path, "/runs/stray") == 0 && r.found[1].what == TG_MIRROR_EXTRA, "%s", r.found[1].path);
    tg_mirror_report_release(&r);
    mover_end(&m);
    cr_assert_eq(step(3, NULL), TG_E_USAGE, "not verified any more");
    run_steps(1, 4);
    cr_assert_eq(ask(&b, "service:late", NULL), TG_ANSWER_HELD);
    free(id);
    free(late);
}

MTEST(a_source_that_does_not_add_up_is_not_moved) /* P2 */
{
    char *id = lock_it(&a, "service:db");
    char path[64];

    snprintf(path, sizeof path, "/lock-index/%c/%s", id[0], id);
    run_steps(0, 3);
    OK(tg_memory_drop("migrate-a", path, e));
    struct tg_error why = TG_ERROR_INIT;
    int rc = step(3, &why);
    cr_assert(rc == TG_E_DATA && strstr(why.message, "is named and is not there"), "%d %s", rc, why.message);
    cr_assert_neq(ask(&b, "service:db", NULL), TG_ANSWER_GO);
    cr_assert_eq(ask(&a, "service:db", NULL), TG_ANSWER_HELD);
    free(id);
}

MTEST(a_host_that_follows_goes_from_one_to_the_other) /* P2 */
{
    char command[128], cause[TG_CAUSE_SIZE];

    strcpy(state_dir, "/tmp/tagout-test-XXXXXX");
    cr_assert_not_null(mkdtemp(state_dir));
    a.state_dir = b.state_dir = state_dir;
    struct tg_memory_snapshot *source;
    cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO);
    OK(tg_memory_snapshot("migrate-a", &source, e));
    run_steps(0, 4);
    cr_assert_eq(ask(&b, "service:free", cause), TG_ANSWER_GO, "%s", cause);
    OK(tg_memory_restore("migrate-a", source, e)); /* the old ensemble comes back from a backup, live */
    cause_is(&a, "service:free", "generation-older");
    tg_memory_snapshot_free(source);
    snprintf(command, sizeof command, "rm -rf %s", state_dir);
    cr_assert_eq(system(command), 0);
}

MTEST(a_record_of_a_move_is_read_back_and_nothing_is_guessed)
{
    static const char *const bad[] = {"", "{}", "[]", "{\"format\":2}", "{\"format\":1,\"id\":\"x\"}"};
    struct tg_migration r = {.id = ID, .cluster = ID, .from = A_URL, .to = B_URL, .generation = 2, .phase = TG_MIGRATE_COPIED, .epoch = 3, .by = "bob@ops2",
                             .began_ms = NOW, .changed_ms = NOW, .copied_txid = 9}, got;
    char *text = tg_migration_encode(&r);

    OK(tg_migration_decode(text, strlen(text), &got, e));
    cr_assert(got.phase == r.phase && got.epoch == 3 && got.copied_txid == 9 && strcmp(got.to, B_URL) == 0);
    for (size_t i = 1; text[i]; i++) { /* cut anywhere */
        struct tg_error why = TG_ERROR_INIT;
        cr_assert_eq(tg_migration_decode(text, i, &got, &why), TG_E_UNKNOWN, "%zu", i);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(tg_migration_decode(bad[i], strlen(bad[i]), &got, NULL), TG_E_UNKNOWN, "%s", bad[i]);
    free(text);
    run_steps(0, 1);
    OK(tg_store_write(a.store, "/migration", "{\"format\":9}", 12, TG_ANY_VERSION, tg_store_deadline(a.store, 1000), e));
    cr_assert_eq(step(1, NULL), TG_E_UNKNOWN);
    cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO, "guards do not look at it");
}

MTEST(who_was_stopped_and_wakes_writes_nothing_on_either_side) /* P1, P2 */
{
    for (int taken_back = 1; taken_back >= 0; taken_back--) {
        struct tg_migrate sleeper = mover();
        const unsigned any = ~0u;
        run_steps(0, 3);
        OK(tg_migrate_sit(&sleeper, "complete", any, NULL, e));
        tg_memory_expire(sleeper.from); /* he sleeps for longer than his session with the source; the one with the target lives on */
        if (taken_back)
            cr_assert_eq(back(), 0);
        else
            run_steps(3, 4);
        struct tg_cluster there = cluster_at(&b), c = sleeper.t.cluster;
        struct tg_migrate wakes = sleeper;
        wakes.from = open_at(A_URL);
        c.state = TG_CLUSTER_LIVE;
        cr_assert_eq(tg_migrate_put(&wakes, true, &wakes.s.record, &c, NULL), TG_E_VERSION);
        cr_assert_eq(tg_migrate_put(&wakes, false, &wakes.s.record, &wakes.s.cluster, NULL), TG_E_VERSION);
        put_node(taken_back ? &a : &b, "/runs/new", "x");
        struct tg_error why = TG_ERROR_INIT;
        cr_assert_eq(tg_migrate_copy_passes(&wakes, 1, NULL, &why), TG_E_VERSION, "%s", why.message);
        cr_assert_eq(cluster_at(&b).state, there.state);
        tg_store_close(wakes.from);
        mover_end(&sleeper);
        OK(tg_store_delete((taken_back ? &a : &b)->store, "/runs/new", TG_ANY_VERSION, tg_store_deadline(a.store, 1000), e));
    }
}

/* What a guard reads of either side while complete goes on. */
struct onlooker {
    bool frozen;          /* complete has said so */
    int asked, live[2];   /* found live since, before it was said to be live at the target */
};
static struct onlooker onlooker;

static void on_cluster(void *data, const struct tg_store_reply *reply)
{
    struct tg_cluster c;

    cr_assert_eq(reply->code, 0);
    OK(tg_cluster_decode(reply->data, reply->len, &c, NULL, e));
    onlooker.asked++;
    onlooker.live[data == &b] += c.state == TG_CLUSTER_LIVE;
}

static void look_on(void *data, const struct tg_migrate_news *news)
{
    (void) data;
    onlooker.frozen = (onlooker.frozen || news->kind == TG_NEWS_FROZEN) && news->kind != TG_NEWS_RETIRED && news->kind != TG_NEWS_LIVE;
    if (!onlooker.frozen)
        return;
    OK(tg_store_read_async(a.store, TG_CLUSTER_PATH, NULL, NULL, on_cluster, &a, e));
    OK(tg_store_read_async(b.store, TG_CLUSTER_PATH, NULL, NULL, on_cluster, &b, e));
}

MTEST(from_the_freeze_to_the_end_nobody_finds_a_live_side) /* P2 */
{
    struct tg_migrate m = mover();

    run_steps(0, 3);
    onlooker = (struct onlooker) {.asked = 0};
    m.tell = look_on;
    OK(tg_migrate_complete(&m, e));
    mover_end(&m);
    cr_assert_geq(onlooker.asked, 6);
    cr_assert(onlooker.live[0] == 0 && onlooker.live[1] == 0, "%d times the source, %d times the target", onlooker.live[0], onlooker.live[1]);
}

/* A target that is claimed but empty, or half copied: whoever asks is told that it is being moved, never that the tree is broken. */
static void all_are_told_of_the_move(const char *when)
{
    struct tg_lock l;
    struct tg_audit audit;
    struct tg_scopes list = scopes_of("host:web1.example.com");
    struct tg_permit_request r = {.scopes = &list, .actor = "autoscaler", .owner = "x@y", .host = "h1", .what = "scale-in.sh"};
    struct tg_guard_verdict v;
    struct tg_permit *p = NULL;

    cause_is(&b, "host:web1.example.com", "migrating");
    cr_assert_neq(tg_permit_take(&b, &r, &p, &v, NULL), 0, "%s", when);
    cr_assert_str_eq(v.cause, "migrating", "%s: a permit", when);
    tg_verdict_release(&v);
    cr_assert_eq(try_lock(&b, "host:web1.example.com", &l, NULL), TG_E_UNKNOWN, "%s", when);
    cr_assert_str_eq(b.cause, "migrating", "%s: a lock", when);
    cr_assert_eq(unlock(&b, "ABCDEF"), TG_E_UNKNOWN, "%s", when);
    cr_assert_str_eq(b.cause, "migrating", "%s: an unlock", when);
    if (tg_audit_read(&b, NULL, 0, 10, &audit, NULL) == 0)
        tg_audit_release(&audit);
    else
        cr_assert_str_eq(b.cause, "migrating", "%s: the log", when);
    tg_scopes_release(&list);
}

MTEST(a_target_that_is_claimed_or_half_copied_says_that_it_is_being_moved) /* P2 */
{
    run_steps(0, 1);
    all_are_told_of_the_move("claimed");
    put_node(&b, "/locks", "");
    all_are_told_of_the_move("half copied");
    put_node(&b, "/permits", "");
    all_are_told_of_the_move("half copied, with permits");
}

MTEST(the_audit_tells_who_moved_what)
{
    static const char *const verbs[] = {"move-begin", "move-copy", "move-verify", "move-complete", "move-live"};
    struct tg_audit audit;
    const struct tg_migrate clock = {.from = a.store};
    size_t n = 0;

    for (int i = 0; i < STEPS; i++) {
        run_steps(i, i + 1);
        OK(tg_migrate_pause(&clock, 10, e));
    }
    OK(tg_audit_read(&b, NULL, 0, 100, &audit, e));
    for (size_t i = 0; i < audit.n; i++)
        if (strncmp(audit.v[i].verb, "move-", 5) == 0) {
            cr_assert_lt(n, 5);
            cr_assert_str_eq(audit.v[i].verb, verbs[n]);
            cr_assert_str_eq(audit.v[i].owner, "bob@ops2");
            cr_assert(strstr(audit.v[i].reason, n == 4 ? A_URL : B_URL), "%s", audit.v[i].reason);
            n++;
        }
    cr_assert_eq(n, 5);
    tg_audit_release(&audit);
}

MTEST(a_frozen_tree_is_not_extended) /* P2 */
{
    const struct tg_op rows[] = {{.kind = TG_OP_CREATE, .path = "/locks", .data = ""}, {.kind = TG_OP_CREATE, .path = "/newer", .data = ""}};
    const char *added[2];
    size_t n = 0;

    run_steps(0, 3);
    freeze();
    cr_assert_eq(tg_store_tree_extend(a.store, rows, 2, 1, tg_store_deadline(a.store, 20000), added, &n, NULL), TG_E_UNKNOWN);
    cr_assert_eq(n, 0);
    run_steps(3, 4);
    OK(tg_store_tree_extend(b.store, rows, 2, 1, tg_store_deadline(b.store, 20000), added, &n, e));
    cr_assert_eq(n, 1);
}
