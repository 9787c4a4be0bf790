/* What a session remembers of its own locks (guard/recall.h) must not be believed once others were there: part of guard_suite.h, on any store. */
#ifndef TESTS_GUARD_SUITE_RECALL_H
#define TESTS_GUARD_SUITE_RECALL_H

static char *lock_by(struct tg_guard *guard, const char *scopes, const char *owner)
{
    struct tg_lock l;

    OK(try_lock(guard, scopes, owner, -1, &l, e));
    cr_assert_eq(l.state, TG_LOCK_HELD);
    char *id = strdup(l.id);
    tg_lock_clear(&l);
    return id;
}

static int unlock_by(struct tg_guard *guard, const char *id, const char *owner)
{
    struct tg_release_request r = {.id = id, .owner = owner, .force = true, .reason = "in the way"};

    return tg_lock_release(guard, &r, NULL, NULL);
}

/* Another session on the same store. */
static struct tg_guard another(void)
{
    return (struct tg_guard) {.store = open_another(), .timeout_ms = 20000};
}

GTEST(a_grant_has_the_transaction_that_made_its_row)
{
    static const char *const scopes[] = {"fleet", "group:web=a,b", "host:a", "service:s", "host:a host:b group:web=a,b service:s"};

    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++) {
        char path[TG_NODE_PATH_SIZE], parent[TG_NODE_PATH_SIZE];
        struct tg_node node;
        struct tg_lock l;
        OK(try_lock(&g, scopes[i], "alice@ops1", -1, &l, e));
        tg_tree_scope_path("/locks", &l.scopes.v[0], parent, sizeof parent);
        snprintf(path, sizeof path, "%.900s/%s", parent, l.id);
        OK(tg_store_read(g.store, path, tg_store_deadline(g.store, 20000), &node, e));
        cr_assert_eq(l.txid, node.stat.created_txid, "%s", scopes[i]);
        cr_assert_eq(l.version, node.stat.version, "%s", scopes[i]);
        tg_node_release(&node);
        tg_lock_clear(&l);
    }
}

GTEST(locks_of_one_session_come_and_go_in_any_order) /* P3 */
{
    static const char *const scopes[] = {"fleet", "group:web=a,b", "host:a", "host:b", "service:s", "host:a", "group:web=a,b", "host:a service:s", "host:c group:db=d"};
    enum { N = sizeof scopes / sizeof scopes[0] };
    char *ids[N];

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++) {
            ids[i] = lock_it(scopes[i], "alice@ops1");
            cr_assert_eq(count_locks(), i + 1);
        }
        for (size_t i = 0; i < N; i++) {
            size_t at = (i * 5 + (size_t) round) % N;
            cr_assert_eq(unlock(ids[at], "alice@ops1"), 0, "round %d: %s", round, scopes[at]);
            cr_assert_eq(count_locks(), N - i - 1);
            free(ids[at]);
        }
    }
    cr_assert_eq(count_audit("unlock"), 3 * N);
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO);
}

GTEST(who_releases_what_was_joined_by_another_leaves_that_one) /* P3 */
{
    static const char *const scopes[] = {"host:a", "fleet", "group:web=a,b", "service:s"};
    struct tg_guard other = another();

    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++) {
        char *mine = lock_it(scopes[i], "alice@ops1"), *theirs = lock_by(&other, scopes[i], "bob@ops1");
        cr_assert_eq(unlock(mine, "alice@ops1"), 0, "%s", scopes[i]);
        cr_assert_eq(count_locks(), 1);
        cr_assert_eq(unlock_by(&other, theirs, "bob@ops1"), 0);
        cr_assert_eq(count_locks(), 0);
        free(mine);
        free(theirs);
    }
    tg_store_close(other.store);
}

/* The scope's node went with our lock, and came back with another's: of the same version, and not the same. */
GTEST(a_scope_that_went_and_came_back_is_not_what_was_remembered) /* P1, P2 */
{
    static const char *const scopes[] = {"host:a", "group:web=a,b", "service:s"};
    struct tg_guard other = another();

    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++) {
        char *mine = lock_it(scopes[i], "alice@ops1");
        cr_assert_eq(unlock_by(&other, mine, "bob@ops1"), 0);
        char *theirs = lock_by(&other, scopes[i], "bob@ops1"), *next = lock_it(scopes[i], "alice@ops1");
        cr_assert_eq(count_locks(), 2, "%s", scopes[i]);
        cr_assert_eq(unlock(mine, "alice@ops1"), TG_E_NOENT);
        cr_assert_eq(unlock_by(&other, theirs, "bob@ops1"), 0);
        cr_assert_eq(count_locks(), 1);
        cr_assert_eq(unlock(next, "alice@ops1"), 0);
        cr_assert_eq(count_locks(), 0);
        free(mine);
        free(theirs);
        free(next);
    }
    tg_store_close(other.store);
}

GTEST(a_lock_that_was_extended_by_another_session_is_released_as_it_is)
{
    struct tg_guard other = another();
    char *id = lock_it("host:a", "alice@ops1");
    struct tg_lock l;

    OK(tg_lock_extend(&other, id, "alice@ops1", 7200000, &l, e));
    tg_lock_clear(&l);
    cr_assert_eq(unlock(id, "alice@ops1"), 0);
    cr_assert_eq(count_locks(), 0);
    cr_assert_eq(unlock(id, "alice@ops1"), TG_E_NOENT);
    free(id);
    tg_store_close(other.store);
}

GTEST(a_tree_that_is_moved_meanwhile_is_not_changed_from_memory) /* P2 */
{
    struct tg_cluster cluster = {.id = "0123456789abcdef0123456789abcdef", .generation = 1, .state = TG_CLUSTER_MIGRATING};
    char *id = lock_it("host:a", "alice@ops1"), *text = tg_cluster_encode(&cluster);
    struct tg_lock l;

    OK(tg_store_write(g.store, TG_CLUSTER_PATH, text, strlen(text), TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
    cr_assert_eq(unlock(id, "alice@ops1"), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "migrating");
    cr_assert_eq(try_lock(&g, "host:a", "alice@ops1", 0, &l, NULL), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "migrating");
    free(text);
    free(id);
}

GTEST(acknowledgements_go_with_a_lock_that_is_released_from_memory) /* P8 */
{
    char *id = lock_it("host:a", "alice@ops1"), root[64], path[80], top[16];
    struct tg_names names;

    tg_acks_root(id, root, sizeof root);
    snprintf(top, sizeof top, "/acks/%c", id[0]);
    snprintf(path, sizeof path, "%s/a", root);
    OK(tg_store_create(g.store, top, "", 0, 0, tg_store_deadline(g.store, 20000), e));
    OK(tg_store_create(g.store, root, "", 0, 0, tg_store_deadline(g.store, 20000), e));
    OK(tg_store_create(g.store, path, "", 0, 0, tg_store_deadline(g.store, 20000), e));
    cr_assert_eq(unlock(id, "alice@ops1"), 0);
    OK(tg_store_list(g.store, top, tg_store_deadline(g.store, 20000), &names, e));
    cr_assert_eq(names.count, 0);
    tg_names_release(&names);
    free(id);
}

#endif
