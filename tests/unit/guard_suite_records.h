/* What the guard says of records that are damaged, newer, or differ: part of guard_suite.h, on any store. */
#ifndef TESTS_GUARD_SUITE_RECORDS_H
#define TESTS_GUARD_SUITE_RECORDS_H

/* What is there, with its bytes for the test to spoil. */
static struct tg_node node_at(const char *path)
{
    struct tg_node node;

    OK(tg_store_read(g.store, path, tg_store_deadline(g.store, 20000), &node, e));
    return node;
}

static void put(const char *path, const char *data, size_t len)
{
    OK(tg_store_write(g.store, path, data, len, TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
}

/* UNKNOWN of that cause, and the path in what is said. */
static void expect_unknown(const char *scope, const char *cause, const char *path)
{
    struct tg_guard_verdict v = ask_of(&g, scope, "x");

    cr_assert_eq(v.answer, TG_ANSWER_UNKNOWN, "%s on %s: %s", cause, scope, tg_answer_name(v.answer));
    cr_assert_str_eq(v.cause, cause, "%s, not %s: %s", v.cause, cause, v.error.message);
    cr_assert(strstr(v.error.message, path + 1), "%s lacks %s", v.error.message, path);
    cr_assert(v.error.hint[0]);
    tg_verdict_release(&v);
}

GTEST(a_record_that_is_not_understood_is_unknown) /* P2 */
{
    static const char *const bad[] = {"", "{}", "x", "{\"format\":1,\"id\":\"x\"}", "[1,2", "\x01"};
    char *id = lock_it("fleet", "alice@ops1"), path[64];

    snprintf(path, sizeof path, "/locks/fleet/%s", id);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put(path, bad[i], strlen(bad[i]));
        expect_unknown("host:a", "bad-record", path);
    }
    free(id);
}

GTEST(a_record_of_a_newer_tagout_is_told_as_that) /* P2 */
{
    static const char newer[] = "{\"format\":2,\"whatever\":true}";
    char *id = lock_it("fleet", "alice@ops1"), path[64], entry[64];
    struct tg_error e = TG_ERROR_INIT;
    struct tg_lock l;

    snprintf(path, sizeof path, "/locks/fleet/%s", id);
    snprintf(entry, sizeof entry, "/lock-index/%c/%s", id[0], id);
    put(path, newer, strlen(newer));
    expect_unknown("host:a", "format-newer", path);
    put(entry, newer, strlen(newer));
    cr_assert_eq(tg_lock_find(&g, id, &l, &e), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "format-newer");
    cr_assert(strstr(e.hint, "install"), "%s", e.hint);
    put("/locks/host", newer, strlen(newer));
    expect_unknown("host:a", "format-newer", "/locks/host");
    cr_assert_eq(try_lock(&g, "host:a", "bob@ops2", 0, &l, NULL), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "format-newer");
    free(id);
}

/* Every record, with each of some of its bits flipped: nobody goes, and whoever asks is told which node it is. */
static void flip(const char *path, const char *scope)
{
    struct tg_node node = node_at(path);

    for (size_t at = 0; at < node.len; at += 1 + node.len / 24) {
        node.data[at] ^= (char) (1 << (at % 7));
        put(path, node.data, node.len);
        expect_unknown(scope, "bad-record", path);
        node.data[at] ^= (char) (1 << (at % 7));
    }
    put(path, node.data, node.len);
    tg_node_release(&node);
}

GTEST(a_flipped_bit_in_any_record_is_unknown) /* P2 */
{
    char *id = lock_it("host:a", "alice@ops1"), path[TG_NODE_PATH_SIZE], bucket[TG_NODE_PATH_SIZE], record[TG_NODE_PATH_SIZE + 20];
    struct tg_scopes s = scopes_of("host:a");

    tg_tree_scope_path("/locks", &s.v[0], path, sizeof path);
    tg_tree_bucket_path("/locks", &s.v[0], bucket, sizeof bucket);
    snprintf(record, sizeof record, "%s/%s", path, id);
    flip(record, "host:a");
    flip(path, "host:a");
    flip(bucket, "host:a");
    flip("/locks", "host:a");
    flip("/locks/host", "host:a");
    flip("/locks/group", "host:a");
    flip("/locks/fleet", "host:a");
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_HELD);
    cr_assert_eq(ask("host:b", "x"), TG_ANSWER_GO);
    tg_scopes_release(&s);
    free(id);
}

GTEST(a_flipped_bit_in_the_cluster_s_record_is_unknown) /* P2 */
{
    struct tg_node node = node_at(TG_CLUSTER_PATH);

    for (size_t at = 0; at + 26 < node.len; at++) { /* those of the seal itself leave what it seals as it was */
        node.data[at] ^= 2;
        put(TG_CLUSTER_PATH, node.data, node.len);
        cr_assert_eq(ask("host:a", "x"), TG_ANSWER_UNKNOWN, "byte %zu", at);
        node.data[at] ^= 2;
    }
    put(TG_CLUSTER_PATH, node.data, node.len);
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO);
    tg_node_release(&node);
}

GTEST(a_permit_that_can_t_be_read_is_waited_for_no_more_than_told) /* P1, P2 */
{
    struct tg_permit *p = NULL;
    struct tg_scopes s = scopes_of("host:a");
    char bucket[TG_NODE_PATH_SIZE], path[TG_NODE_PATH_SIZE + 40];
    struct tg_error e = TG_ERROR_INIT;
    struct tg_lock l;

    cr_assert_eq(take_permit(&g, "host:a", "autoscaler", &p), 0);
    tg_tree_bucket_path("/permits", &s.v[0], bucket, sizeof bucket);
    snprintf(path, sizeof path, "%s/%s", bucket, tg_permit_id(p));
    struct tg_node node = node_at(path);
    node.data[node.len / 2] ^= 1;
    put(path, node.data, node.len);
    cr_assert_eq(try_lock(&g, "host:a", "bob@ops2", 0, &l, &e), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "bad-record");
    cr_assert(strstr(e.message, path + 1), "%s", e.message);
    cr_assert(strstr(e.hint, "it stays"), "%s", e.hint);
    tg_node_release(&node);
    tg_scopes_release(&s);
    tg_permit_release(p);
}

GTEST(rows_of_one_lock_that_differ_are_unknown) /* P2 */
{
    char *id = lock_it("host:a host:b", "alice@ops1"), a[TG_NODE_PATH_SIZE + 20], b[TG_NODE_PATH_SIZE + 20], entry[64];
    struct tg_scopes s = scopes_of("host:a host:b");
    struct tg_error e = TG_ERROR_INIT;
    struct tg_lock l;

    tg_tree_scope_path("/locks", &s.v[0], a, sizeof a - 20);
    tg_tree_scope_path("/locks", &s.v[1], b, sizeof b - 20);
    snprintf(a + strlen(a), 20, "/%s", id);
    snprintf(b + strlen(b), 20, "/%s", id);
    snprintf(entry, sizeof entry, "/lock-index/%c/%s", id[0], id);
    struct tg_node node = node_at(b);
    cr_assert_eq(tg_lock_decode(node.data, node.len, &l, NULL), 0);
    l.state = TG_LOCK_RELEASED; /* sound, and not what the other row says */
    char *other = tg_lock_encode(&l);
    put(b, other, strlen(other));
    free(other);
    expect_unknown("host:a host:b", "rows-differ", b);
    struct tg_locks all;
    cr_assert_eq(tg_lock_list(&g, NULL, &all, NULL), TG_E_UNKNOWN);
    struct tg_release_request r = {.id = id, .owner = "alice@ops1"};
    cr_assert_eq(tg_lock_release(&g, &r, NULL, NULL), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "rows-differ");
    put(b, node.data, node.len);
    put(a, node.data, node.len);
    cr_assert_eq(ask("host:a host:b", "x"), TG_ANSWER_HELD);
    l.state = TG_LOCK_TAKING;
    snprintf(l.owner, sizeof l.owner, "mallory@ops9");
    other = tg_lock_encode(&l);
    put(entry, other, strlen(other));
    free(other);
    cr_assert_neq(tg_lock_release(&g, &r, NULL, &e), 0);
    cr_assert_str_eq(g.cause, "rows-differ", "%s", e.message);
    tg_node_release(&node);
    tg_lock_clear(&l);
    tg_scopes_release(&s);
    free(id);
}

/* The counter of a scope that has lost its names is whole by number, and tells nothing. */
GTEST(a_counter_without_its_names_is_unknown) /* P2 */
{
    char *id = lock_it("host:a", "alice@ops1"), path[TG_NODE_PATH_SIZE];
    struct tg_scopes s = scopes_of("host:a");
    struct tg_counter c = {.epoch = 7, .count = 1};
    struct tg_lock l;

    tg_tree_scope_path("/locks", &s.v[0], path, sizeof path);
    char *text = tg_counter_encode(&c);
    put(path, text, strlen(text));
    expect_unknown("host:a", "bad-record", path);
    cr_assert_eq(try_lock(&g, "host:a", "bob@ops2", 0, &l, NULL), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "bad-record");
    put("/locks/host", text, strlen(text));
    cr_assert_eq(try_lock(&g, "host:a", "bob@ops2", 0, &l, NULL), TG_E_UNKNOWN);
    (void) tg_lock_reap_scope(&g, &s.v[0], NULL); /* nor does the reaper trip over it */
    tg_scopes_release(&s);
    free(text);
    free(id);
}

/* Sound records with names that are none. */
GTEST(odd_names_in_a_counter_are_unknown) /* P2 */
{
    static const char *const rows[][2] = {
        {"/locks/fleet", "../host"}, {"/locks/fleet", "\xc3\xa9t\xc3\xa9"}, {"/locks/fleet", "\x7f\x1b[2J"}, {"/locks/group", "a b\n"},
        {"/locks/group", "\xef\xbf\xbd"}, {"/locks/host", "zz"}, {"/locks/host", "\x01"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *name = strdup(rows[i][1]), *names[] = {name, NULL};
        struct tg_counter c = {.epoch = 1, .count = 1, .names = names};
        struct tg_node node = node_at(rows[i][0]);
        char *text = tg_counter_encode(&c), child[TG_NODE_PATH_SIZE];
        snprintf(child, sizeof child, "%s/QQQQQQ", rows[i][0]); /* so that the number fits */
        put(rows[i][0], text, strlen(text));
        OK(tg_store_create(g.store, child, "", 0, 0, tg_store_deadline(g.store, 20000), e));
        enum tg_guard_answer answer = ask("host:a", "x");
        cr_assert_eq(answer, TG_ANSWER_UNKNOWN, "row %zu: %s", i, tg_answer_name(answer));
        OK(tg_store_delete(g.store, child, TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
        put(rows[i][0], node.data, node.len);
        cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO);
        tg_node_release(&node);
        free(text);
        free(name);
    }
}

GTEST(a_store_without_the_index_of_locks_is_not_whole) /* P2 */
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_lock l;
    char path[16];

    for (const char *c = TG_ID_ALPHABET; *c; c++) {
        snprintf(path, sizeof path, "/lock-index/%c", *c);
        OK(tg_store_delete(g.store, path, TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
    }
    cr_assert_eq(try_lock(&g, "host:a", "alice@ops1", -1, &l, &why), TG_E_UNKNOWN, "%s", why.message);
    cr_assert_str_eq(g.cause, "missing-node");
    cr_assert(strstr(why.message, "lock-index/"), "%s", why.message);
    cr_assert_eq(ask("host:a", "x"), TG_ANSWER_GO, "nothing was locked");
}

#endif
