/*
 * What is written while the tree is being moved: charges to a budget, slots to reboot, wishes to break a lock, agents and what they have
 * acknowledged. Before the freeze all of it goes to the source and is carried over, once; from the freeze on nothing of it is taken, and
 * who asks is told so. See guard/migrate.h.
 */
#define _GNU_SOURCE
#include "migrate_world.h"

#include "guard/acks.h"
#include "guard/approval.h"
#include "guard/budget.h"
#include "guard/migrate_internal.h"
#include "guard/slots.h"

static void setup(void)
{
    world_begin();
}

static void teardown(void)
{
    world_end();
}

#define MTEST(name) Test(migrate_writes, name, .init = setup, .fini = teardown)

static void make_budget(void)
{
    struct tg_budget terms = {.name = "scale", .per_ms = 3600000};

    cr_assert(tg_share_parse("1000", &terms.at_most));
    OK(tg_scope_parse("fleet", &terms.of, e));
    OK(tg_budget_set(&a, &terms, "alice@ops1", "", e));
    tg_budget_clear(&terms);
}

static int charge(struct tg_guard *g)
{
    struct tg_scopes list = scopes_of("host:web1.example.com");
    struct tg_budget_want want = {.name = "scale", .n = 1};
    struct tg_budget_bill bill = {.scopes = &list, .actor = "autoscaler", .owner = "scaler@ops1", .want = &want, .n_want = 1, .members = -1, .now_ms = NOW};
    int rc = tg_budget_charge(g, &bill, NULL);

    tg_budget_bill_release(&bill);
    tg_scopes_release(&list);
    return rc;
}

static size_t charged(struct tg_guard *g)
{
    struct tg_budgets all;
    size_t n = 0;

    OK(tg_budget_list(g, &all, e));
    for (size_t i = 0; i < all.n; i++)
        for (size_t k = 0; k < all.v[i].n_charges; k++)
            n += (size_t) all.v[i].charges[k].n;
    tg_budgets_release(&all);
    return n;
}

static int take_slot(struct tg_guard *g, size_t host)
{
    struct tg_slot_request r = {.group = "web"};

    snprintf(r.id, sizeof r.id, "host%zu", host);
    return tg_slot_take(g, &r, 1000, NULL, NULL, NULL);
}

static size_t slots_of_web(struct tg_guard *g)
{
    struct tg_slot_groups groups;
    size_t n = 0;

    OK(tg_slot_list(g, &groups, e));
    for (size_t i = 0; i < groups.n; i++)
        n += groups.v[i].n;
    tg_slot_groups_release(&groups);
    return n;
}

static int wish(struct tg_guard *g, const char *lock)
{
    struct tg_approval out;

    return tg_approval_ask(g, lock, "bob@ops2", "it is in the way", 0, &out, NULL, NULL);
}

/* One of each, at the source, counted when it was taken. */
static struct wrote {
    size_t tried, charges, slots, wishes, locks;
    char *locked[64];
    bool frozen;
    size_t behind;  /* tried behind the freeze */
} wrote;

static void write_some(void)
{
    char scope[40];
    struct tg_lock l;

    snprintf(scope, sizeof scope, "service:s%zu", wrote.tried);
    wrote.charges += charge(&a) == 0;
    wrote.slots += take_slot(&a, wrote.tried) == 0;
    if (try_lock(&a, scope, &l, NULL) == 0) {
        cr_assert_lt(wrote.locks, sizeof wrote.locked / sizeof wrote.locked[0]);
        wrote.locked[wrote.locks++] = strdup(l.id);
        tg_lock_clear(&l);
    }
    if (wrote.locks)
        wrote.wishes += wish(&a, wrote.locked[wrote.locks - 1]) == 0;
    wrote.tried++;
}

static void none_is_taken(struct tg_guard *g, const char *where)
{
    struct tg_lock l;

    cr_assert_eq(charge(g), TG_E_UNKNOWN, "%s: a charge", where);
    cr_assert_eq(take_slot(g, 999), TG_E_UNKNOWN, "%s: a slot", where);
    cr_assert_eq(wish(g, wrote.locked[0]), TG_E_UNKNOWN, "%s: a wish", where);
    cr_assert_eq(try_lock(g, "service:no", &l, NULL), TG_E_UNKNOWN, "%s: a lock", where);
    cr_assert_eq(tg_approval_give(g, wrote.locked[0], "carol@ops3", "", &l, NULL), TG_E_UNKNOWN, "%s: an approval", where);
}

/* News comes between two exchanges with a store, so others' sessions may be used here. */
static void write_meanwhile(void *data, const struct tg_migrate_news *news)
{
    (void) data;
    wrote.frozen = (wrote.frozen || news->kind == TG_NEWS_FROZEN) && news->kind != TG_NEWS_THAWED && news->kind != TG_NEWS_LIVE;
    if (wrote.frozen) {
        none_is_taken(&a, "the source behind the freeze");
        none_is_taken(&b, "the target before it is live");
        wrote.behind++;
    } else if (news->kind != TG_NEWS_LIVE && wrote.tried < 30) {
        write_some();
        none_is_taken(&b, "the target while it is copied");
    }
}

static void step_under_fire(int i)
{
    struct tg_migrate m = mover();

    m.tell = write_meanwhile;
    OK(steps[i].run(&m, e));
    mover_end(&m);
}

static void all_is_there_once(struct tg_guard *g)
{
    struct tg_approval wished;

    cr_assert_eq(charged(g), wrote.charges);
    cr_assert_eq(slots_of_web(g), wrote.slots);
    for (size_t i = 0; i < wrote.locks; i++) {
        char scope[40];
        snprintf(scope, sizeof scope, "service:s%zu", i);
        cr_assert_eq(ask(g, scope, NULL), TG_ANSWER_HELD, "%s", scope);
        OK(tg_approval_see(g, wrote.locked[i], "carol@ops3", &wished, e));
        cr_assert_str_eq(wished.by, "bob@ops2");
    }
}

MTEST(what_is_written_between_and_in_the_steps_is_carried_once_and_nothing_is_taken_behind_the_freeze) /* P1, P2, P3 */
{
    struct tg_lock broken;

    wrote = (struct wrote) {.tried = 0};
    make_budget();
    for (int i = 0; i < STEPS; i++) {
        write_some();
        step_under_fire(i);
    }
    cr_assert(wrote.tried > 6 && wrote.charges == wrote.tried && wrote.slots == wrote.tried && wrote.locks == wrote.tried && wrote.wishes == wrote.tried,
              "%zu: %zu %zu %zu %zu", wrote.tried, wrote.charges, wrote.slots, wrote.locks, wrote.wishes);
    cr_assert_gt(wrote.behind, 1);
    all_is_there_once(&b);
    none_is_taken(&a, "the source when it is retired");
    cr_assert_eq(charge(&b), 0);
    cr_assert_eq(charged(&b), wrote.charges + 1);
    cr_assert_eq(take_slot(&b, 0), 0, "its slot is its own there as well");
    cr_assert_eq(slots_of_web(&b), wrote.slots);
    OK(tg_approval_give(&b, wrote.locked[0], "carol@ops3", "agreed", &broken, e));
    cr_assert_eq(ask(&b, "service:s0", NULL), TG_ANSWER_GO);
    tg_lock_clear(&broken);
    for (size_t i = 0; i < wrote.locks; i++)
        free(wrote.locked[i]);
}

MTEST(taken_back_all_that_was_written_is_at_the_source_and_counts) /* P3 */
{
    wrote = (struct wrote) {.tried = 0};
    make_budget();
    for (int i = 0; i < 3; i++)
        step_under_fire(i);
    struct tg_migrate m = mover();
    OK(tg_migrate_back(&m, e));
    mover_end(&m);
    write_some();
    all_is_there_once(&a);
    none_is_taken(&b, "a target that was refused");
    for (size_t i = 0; i < wrote.locks; i++)
        free(wrote.locked[i]);
}

static size_t children_of(struct tg_guard *g, const char *path)
{
    struct tg_names names;

    OK(tg_store_list(g->store, path, tg_store_deadline(g->store, 20000), &names, e));
    size_t n = names.count;
    tg_names_release(&names);
    return n;
}

/* An agent is of its session: at the target it is present when it has come there, and acknowledges there what it meets. */
MTEST(agents_and_what_they_acknowledged_are_not_carried) /* P12 */
{
    static const char host[] = "host:web1.example.com";
    struct tg_scopes scopes = scopes_of(host);
    char *id = lock_it(&a, host), folder[128], path[600];
    struct tg_lock l;

    OK(tg_lock_find(&a, id, &l, e));
    tg_acks_presence_path(&scopes.v[0], path, sizeof path);
    snprintf(folder, sizeof folder, "%.*s", (int) (strrchr(path, '/') - path), path);
    OK(tg_store_create(a.store, folder, "", 0, 0, tg_store_deadline(a.store, 1000), e));
    OK(tg_store_create(a.store, path, "{\"format\":1}", 12, TG_CREATE_EPHEMERAL, tg_store_deadline(a.store, 1000), e));
    snprintf(folder, sizeof folder, "/acks/%c", id[0]);
    OK(tg_store_create(a.store, folder, "", 0, 0, tg_store_deadline(a.store, 1000), e));
    tg_acks_root(id, folder, sizeof folder);
    OK(tg_store_create(a.store, folder, "", 0, 0, tg_store_deadline(a.store, 1000), e));
    tg_acks_path(&l, &scopes.v[0], path, sizeof path);
    OK(tg_store_create(a.store, path, "", 0, 0, tg_store_deadline(a.store, 1000), e));
    run_steps(0, 4);
    cr_assert_eq(children_of(&b, "/agents"), 0);
    cr_assert_eq(children_of(&b, "/acks"), 0);
    cr_assert_eq(ask(&b, host, NULL), TG_ANSWER_HELD);
    tg_lock_clear(&l);
    tg_scopes_release(&scopes);
    free(id);
}

/* --- what can't be read or written --- */

static enum tg_migrate_news_kind falls_at;

static void target_falls(void *data, const struct tg_migrate_news *news)
{
    const struct tg_migrate *m = data;
    struct tg_memory_fault dead = {.session = m->to, .times = -1, .action = TG_MEMORY_FAIL, .code = TG_E_SYSTEM};

    if (news->kind == falls_at)
        OK(tg_memory_fault_add("migrate-b", &dead, e));
}

/* Nothing differs behind the freeze, so nothing is written there: that it can't be is found out all the same while there is a way back. */
MTEST(a_target_that_is_lost_or_full_behind_the_freeze_is_found_before_the_source_is_retired) /* P2 */
{
    char *id = lock_it(&a, "service:db");

    run_steps(0, 3);
    for (int i = 0; i < 2; i++) {
        struct tg_migrate m = mover();
        struct tg_error why = TG_ERROR_INIT;
        falls_at = i ? TG_NEWS_COMPARED : TG_NEWS_FROZEN;
        m.tell = target_falls;
        m.data = &m;
        cr_assert_eq(tg_migrate_complete(&m, &why), TG_E_SYSTEM, "%s", why.message);
        tg_memory_faults_clear("migrate-b");
        mover_end(&m);
        cr_assert_eq(ask(&a, "service:db", NULL), TG_ANSWER_HELD, "the source serves again");
        cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO);
        cr_assert_eq(ask(&b, "service:free", NULL), TG_ANSWER_UNKNOWN);
    }
    run_steps(3, 4);
    cr_assert_eq(ask(&b, "service:db", NULL), TG_ANSWER_HELD);
    free(id);
}

MTEST(what_may_not_be_read_is_not_taken_for_what_is_not_there) /* P2 */
{
    static const struct { int step; const char *path; unsigned verb; const char *in; } rows[] = {
        {1, "/runs/r1/token", TG_MEMORY_READ, "/runs/r1/token"},
        {1, "/runs/r1", TG_MEMORY_LIST, "/runs/r1"},
        {3, "/runs/r1/token", TG_MEMORY_READ, "/runs/r1/token"},
        {3, "/cluster", TG_MEMORY_READ, "/cluster"},
    };

    OK(tg_store_create(a.store, "/runs/r1", "{}", 2, 0, tg_store_deadline(a.store, 1000), e));
    OK(tg_store_create(a.store, "/runs/r1/token", "{}", 2, TG_CREATE_PRIVATE, tg_store_deadline(a.store, 1000), e));
    run_steps(0, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_memory_fault hidden = {.path = rows[i].path, .verbs = rows[i].verb, .times = -1, .action = TG_MEMORY_FAIL, .code = TG_E_PERM};
        struct tg_migrate m = mover();
        struct tg_error why = TG_ERROR_INIT;
        hidden.session = m.from;
        run_steps(1, i == 2 ? 3 : 1);
        OK(tg_memory_fault_add("migrate-a", &hidden, e));
        cr_assert_eq(steps[rows[i].step].run(&m, &why), TG_E_PERM, "%zu: %s", i, why.message);
        cr_assert(strstr(why.message, rows[i].in), "%zu: %s", i, why.message);
        tg_memory_faults_clear("migrate-a");
        mover_end(&m);
        cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO);
        cr_assert_neq(ask(&b, "service:free", NULL), TG_ANSWER_GO);
    }
    run_steps(3, 4);
}

/* An older tagout made the source: what it lacks it lacks at the target, where init adds it. */
MTEST(a_tree_of_an_older_tagout_is_moved_as_it_is) /* P2 */
{
    static const char *const later[] = {"/approvals", "/fleetlock", "/agents", "/acks"};
    struct tg_op rows[TG_TREE_ROWS_MAX];
    const char *added[TG_TREE_ROWS_MAX];
    size_t n = tg_tree_init_ops(rows, TG_TREE_ROWS_MAX), n_added = 0;

    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        OK(tg_store_delete(a.store, later[i], TG_ANY_VERSION, tg_store_deadline(a.store, 1000), e));
    char *id = lock_it(&a, "service:db");
    run_steps(0, 4);
    cr_assert_eq(ask(&b, "service:db", NULL), TG_ANSWER_HELD);
    cr_assert_eq(ask(&b, "service:free", NULL), TG_ANSWER_GO);
    cr_assert_eq(take_slot(&b, 1), TG_E_UNKNOWN);
    OK(tg_store_tree_extend(b.store, rows, n, n - TG_TREE_LATER, tg_store_deadline(b.store, 1000), added, &n_added, e));
    cr_assert_eq(n_added, sizeof later / sizeof later[0]);
    cr_assert_eq(take_slot(&b, 1), 0);
    free(id);
}

/* What a newer tagout left at the target is not overwritten, nor what can't be read. */
MTEST(a_target_whose_records_are_not_understood_is_left_alone) /* P2 */
{
    static const struct { const char *path, *text; } rows[] = {
        {"/cluster", "{\"format\":9,\"id\":\"" ID "\",\"generation\":1,\"state\":\"retired\"}"}, {"/cluster", "garbage"},
        {"/migration", "{\"format\":9}"}, {"/migration", "\xff\xfe"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_migrate m = mover();
        struct tg_error why = TG_ERROR_INIT;
        OK(tg_store_create(b.store, rows[i].path, rows[i].text, strlen(rows[i].text), 0, tg_store_deadline(b.store, 1000), e));
        cr_assert_eq(tg_migrate_begin(&m, &why), TG_E_UNKNOWN, "%zu: %s", i, why.message);
        cr_assert(strstr(why.message, B_URL), "%zu: %s", i, why.message);
        mover_end(&m);
        cr_assert_eq(children_of(&b, "/"), 1, "%zu", i);
        OK(tg_store_delete(b.store, rows[i].path, 0, tg_store_deadline(b.store, 1000), e));
        cr_assert_eq(ask(&a, "service:free", NULL), TG_ANSWER_GO);
    }
}

Test(migrate_places, a_place_inside_of_the_source_is_no_target)
{
    static const struct { const char *from, *to; bool inside; } rows[] = {
        {"zk://a/t", "zk://a/t/new", true},      {"zk://a/t", "zk://b,c/t/locks/x", true}, {"zk://a/t/", "zk://a/t/x", true},
        {"zk://a/t", "zk://a/t2", false},        {"zk://a/t", "zk://b/t", false},          {"zk://a/t", "zk://a/t/", false},
        {"zk://a/t/x", "zk://a/t", false},       {"local:/a", "local:/a/b", false},        {"local:/a", "zk://a/a/b", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_error why = TG_ERROR_INIT;
        cr_assert_eq(tg_migrate_refuse_inside(rows[i].from, rows[i].to, &why), rows[i].inside ? TG_E_USAGE : 0, "%s %s", rows[i].from, rows[i].to);
    }
}

Test(migrate_places, what_holds_a_secret_is_known_by_its_place)
{
    cr_assert(tg_store_is_secret("/runs/20261122-1/token"));
    cr_assert(!tg_store_is_secret("/runs/20261122-1/journal"));
    cr_assert(!tg_store_is_secret("/runs/token"));
    cr_assert(!tg_store_is_secret("/runs/a/b/token"));
    cr_assert(!tg_store_is_secret("/locks/token"));
}
