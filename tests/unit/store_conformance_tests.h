/* The tests of the conformance suite: included by store_conformance.h only. */

/* Nodes, versions, transaction ids */

CONF_TEST(a_new_store_has_an_empty_root)
{
    cr_assert_str_eq(conf_names(conf_a, "/"), "");
    cr_assert_eq(conf_stat(conf_a, "/").owner, 0);
}

CONF_TEST(what_was_created_is_read_back_with_its_stat)
{
    OK(conf_create(conf_a, "/a", "hello", e));
    conf_text_is(conf_a, "/a", "hello");
    struct tg_stat st = conf_stat(conf_a, "/a");
    cr_assert_eq(st.version, 0);
    cr_assert_gt(st.created_txid, 0);
    cr_assert_eq(st.created_txid, st.modified_txid);
    cr_assert_eq(st.children, 0);
    cr_assert_eq(st.owner, 0);
    int64_t off = st.modified_ms - tg_wall_ms(tg_clock_real());
    cr_assert(off > -60000 && off < 60000, "the server's wall clock, off by %lld ms", (long long) off);
}

CONF_TEST(a_write_adds_one_to_the_version_and_keeps_the_creation)
{
    OK(conf_create(conf_a, "/a", "0", e));
    struct tg_stat before = conf_stat(conf_a, "/a");
    OK(conf_write(conf_a, "/a", "1", TG_ANY_VERSION, e));
    OK(conf_write(conf_a, "/a", "2", 1, e));
    struct tg_stat after = conf_stat(conf_a, "/a");
    cr_assert_eq(after.version, 2);
    cr_assert_eq(after.created_txid, before.created_txid);
    cr_assert_gt(after.modified_txid, before.modified_txid);
    conf_text_is(conf_a, "/a", "2");
}

CONF_TEST(a_write_of_another_version_is_refused)
{
    OK(conf_create(conf_a, "/a", "0", e));
    REFUSED(conf_write(conf_a, "/a", "1", 3, e), TG_E_VERSION);
    REFUSED(conf_delete(conf_a, "/a", 1, e), TG_E_VERSION);
    conf_text_is(conf_a, "/a", "0");
    OK(conf_delete(conf_a, "/a", 0, e));
    cr_assert_eq(conf_read_code(conf_a, "/a"), TG_E_NOENT);
}

CONF_TEST(the_version_is_looked_at_before_the_children)
{
    OK(conf_create(conf_a, "/a", "", e));
    OK(conf_create(conf_a, "/a/b", "", e));
    REFUSED(conf_delete(conf_a, "/a", 7, e), TG_E_VERSION);
    REFUSED(conf_delete(conf_a, "/a", 0, e), TG_E_NOTEMPTY);
}

CONF_TEST(a_node_created_again_starts_anew_under_a_later_transaction)
{
    OK(conf_create(conf_a, "/a", "0", e));
    OK(conf_write(conf_a, "/a", "1", TG_ANY_VERSION, e));
    int64_t first = conf_stat(conf_a, "/a").created_txid;
    OK(conf_delete(conf_a, "/a", TG_ANY_VERSION, e));
    OK(conf_create(conf_a, "/a", "2", e));
    cr_assert_eq(conf_stat(conf_a, "/a").version, 0);
    cr_assert_gt(conf_stat(conf_a, "/a").created_txid, first, "a fencing token never comes again");
}

CONF_TEST(transaction_ids_grow_and_are_seen)
{
    char path[16];
    int64_t last = 0;

    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, "/n%d", i);
        OK(conf_create(conf_a, path, "", e));
        int64_t txid = conf_stat(conf_a, path).created_txid;
        cr_assert_gt(txid, last);
        cr_assert_geq(tg_store_seen_txid(conf_a), txid);
        last = txid;
    }
}

CONF_TEST(what_is_not_there_is_noent)
{
    struct tg_node n = {0};
    struct tg_names names = {0};

    REFUSED(tg_store_read(conf_a, "/none", conf_until(conf_a), &n, e), TG_E_NOENT);
    REFUSED(tg_store_list(conf_a, "/none", conf_until(conf_a), &names, e), TG_E_NOENT);
    REFUSED(conf_write(conf_a, "/none", "", TG_ANY_VERSION, e), TG_E_NOENT);
    REFUSED(conf_delete(conf_a, "/none", TG_ANY_VERSION, e), TG_E_NOENT);
    cr_assert(!n.data && !names.names, "outputs are written on success only");
}

CONF_TEST(a_create_needs_its_parent_and_no_other_of_its_name)
{
    REFUSED(conf_create(conf_a, "/a/b", "", e), TG_E_NOENT);
    OK(conf_create(conf_a, "/a", "1", e));
    REFUSED(conf_create(conf_a, "/a", "2", e), TG_E_EXISTS);
    conf_text_is(conf_a, "/a", "1");
}

CONF_TEST(a_node_with_children_is_not_deleted)
{
    OK(conf_create(conf_a, "/a", "", e));
    OK(conf_create(conf_a, "/a/b", "", e));
    REFUSED(conf_delete(conf_a, "/a", TG_ANY_VERSION, e), TG_E_NOTEMPTY);
    OK(conf_delete(conf_a, "/a/b", TG_ANY_VERSION, e));
    OK(conf_delete(conf_a, "/a", TG_ANY_VERSION, e));
}

CONF_TEST(list_and_stat_count_the_children)
{
    OK(conf_create(conf_a, "/a", "", e));
    struct tg_stat none = conf_stat(conf_a, "/a");
    OK(conf_create(conf_a, "/a/z", "", e));
    OK(conf_create(conf_a, "/a/b", "", e));
    OK(conf_create(conf_a, "/a/b/deeper", "", e));
    cr_assert_str_eq(conf_names(conf_a, "/a"), "b,z");
    struct tg_stat two = conf_stat(conf_a, "/a");
    cr_assert_eq(two.children, 2);
    cr_assert_gt(two.children_txid, none.children_txid);
    cr_assert_eq(two.version, 0, "children are no data");
    cr_assert_eq(two.modified_txid, none.modified_txid);
    OK(conf_delete(conf_a, "/a/z", TG_ANY_VERSION, e));
    cr_assert_eq(conf_stat(conf_a, "/a").children, 1);
    cr_assert_gt(conf_stat(conf_a, "/a").children_txid, two.children_txid);
}

CONF_TEST(names_that_begin_alike_are_kept_apart)
{
    OK(conf_create(conf_a, "/a", "", e));
    OK(conf_create(conf_a, "/ab", "", e));
    OK(conf_create(conf_a, "/a%", "", e));
    OK(conf_create(conf_a, "/a/x", "", e));
    OK(conf_create(conf_a, "/ab/y", "", e));
    OK(conf_create(conf_a, "/a%/z_'\"\\", "", e));
    cr_assert_str_eq(conf_names(conf_a, "/"), "a,a%,ab");
    cr_assert_str_eq(conf_names(conf_a, "/a"), "x");
    cr_assert_str_eq(conf_names(conf_a, "/ab"), "y");
    cr_assert_str_eq(conf_names(conf_a, "/a%"), "z_'\"\\");
}

CONF_TEST(names_are_bytes_and_case_matters)
{
    OK(conf_create(conf_a, "/Größe", "1", e));
    OK(conf_create(conf_a, "/größe", "2", e));
    OK(conf_create(conf_a, "/host:web001.example.com", "3", e));
    conf_text_is(conf_a, "/Größe", "1");
    conf_text_is(conf_a, "/größe", "2");
    conf_text_is(conf_a, "/host:web001.example.com", "3");
}

CONF_TEST(deep_and_long_paths_work_to_the_limit)
{
    char path[TG_STORE_PATH_MAX + 2] = "";
    size_t len = 0;

    for (int i = 0; i < 100; i++) {
        len += (size_t) snprintf(path + len, sizeof path - len, "/%d", i);
        OK(conf_create(conf_a, path, "x", e));
    }
    conf_text_is(conf_a, path, "x");
    path[0] = '/';
    memset(path + 1, 'n', 255);
    path[256] = '\0';
    OK(conf_create(conf_a, path, "long", e));
    conf_text_is(conf_a, path, "long");
}

CONF_TEST(bad_paths_are_refused_at_once)
{
    static const char *const bad[] = {"", "a", "//", "/a/", "/a//b", "/.", "/..", "/a/./b", "/a/../b", "/a\nb", "/\x7f", "/a\x01"};
    char longest[TG_STORE_PATH_MAX + 3], name[258 + 1];

    memset(longest, 'a', sizeof longest);
    for (size_t i = 0; i < sizeof longest; i += 200)
        longest[i] = '/';
    longest[sizeof longest - 1] = '\0';
    memset(name, 'a', sizeof name);
    name[0] = '/';
    name[257] = '\0';
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        REFUSED(conf_create(conf_a, bad[i], "", e), TG_E_DATA);
        cr_assert_eq(conf_read_code(conf_a, bad[i]), TG_E_DATA);
    }
    REFUSED(conf_create(conf_a, longest, "", e), TG_E_DATA);
    REFUSED(conf_create(conf_a, name, "", e), TG_E_DATA);
    REFUSED(conf_create(conf_a, "/", "", e), TG_E_DATA);
    REFUSED(conf_delete(conf_a, "/", TG_ANY_VERSION, e), TG_E_DATA);
    cr_assert_str_eq(conf_names(conf_a, "/"), "");
}

/* Data */

CONF_TEST(data_may_be_empty_and_binary)
{
    static const char bytes[] = "\0\xff\x01 zero \0 inside \n";
    struct tg_node n = {0};

    OK(conf_create(conf_a, "/empty", "", e));
    OK(tg_store_create(conf_a, "/null", NULL, 0, 0, conf_until(conf_a), e));
    conf_text_is(conf_a, "/empty", "");
    conf_text_is(conf_a, "/null", "");
    OK(tg_store_create(conf_a, "/binary", bytes, sizeof bytes, 0, conf_until(conf_a), e));
    OK(tg_store_read(conf_a, "/binary", conf_until(conf_a), &n, e));
    cr_assert_eq(n.len, sizeof bytes);
    cr_assert_eq(memcmp(n.data, bytes, sizeof bytes), 0);
    cr_assert_eq(n.data[n.len], '\0');
    tg_node_release(&n);
    OK(conf_write(conf_a, "/binary", "", TG_ANY_VERSION, e));
    conf_text_is(conf_a, "/binary", "");
}

CONF_TEST(data_at_the_limit_is_kept_and_beyond_it_refused)
{
    char *big = malloc(TG_STORE_DATA_MAX + 1);
    struct tg_node n = {0};

    for (size_t i = 0; i <= TG_STORE_DATA_MAX; i++)
        big[i] = (char) (i * 31 + i / 251);
    OK(tg_store_create(conf_a, "/big", big, TG_STORE_DATA_MAX, 0, conf_until(conf_a), e));
    OK(tg_store_read(conf_a, "/big", conf_until(conf_a), &n, e));
    cr_assert_eq(n.len, TG_STORE_DATA_MAX);
    cr_assert_eq(memcmp(n.data, big, TG_STORE_DATA_MAX), 0);
    tg_node_release(&n);
    REFUSED(tg_store_write(conf_a, "/big", big, TG_STORE_DATA_MAX + 1, TG_ANY_VERSION, conf_until(conf_a), e), TG_E_DATA);
    struct tg_op ops[2] = {{.kind = TG_OP_CREATE, .path = "/x", .data = big, .len = TG_STORE_DATA_MAX},
                           {.kind = TG_OP_CREATE, .path = "/y", .data = big, .len = 1}};
    REFUSED(tg_store_multi(conf_a, ops, 2, conf_until(conf_a), NULL, e), TG_E_DATA);
    cr_assert_str_eq(conf_names(conf_a, "/"), "big");
    free(big);
}

CONF_TEST(five_thousand_children_are_listed)
{
    static char paths[TG_STORE_OPS_MAX][24];
    static struct tg_op ops[TG_STORE_OPS_MAX];
    struct tg_names n = {0};

    OK(conf_create(conf_a, "/d", "", e));
    for (size_t done = 0; done < 5000;) {
        size_t batch = 5000 - done < TG_STORE_OPS_MAX ? 5000 - done : TG_STORE_OPS_MAX;
        for (size_t i = 0; i < batch; i++) {
            snprintf(paths[i], sizeof paths[i], "/d/web%05zu", done + i);
            ops[i] = (struct tg_op) {.kind = TG_OP_CREATE, .path = paths[i]};
        }
        OK(tg_store_multi(conf_a, ops, batch, conf_until(conf_a), NULL, e));
        done += batch;
    }
    OK(tg_store_list(conf_a, "/d", conf_until(conf_a), &n, e));
    cr_assert_eq(n.count, 5000);
    cr_assert_eq(n.stat.children, 5000);
    for (size_t i = 1; i < n.count; i++)
        cr_assert_lt(strcmp(n.names[i - 1], n.names[i]), 0, "sorted");
    cr_assert_str_eq(n.names[4999], "web04999");
    tg_names_release(&n);
}

/* Transactions */

CONF_TEST(a_multi_happens_whole_under_one_transaction_id)
{
    OK(conf_create(conf_a, "/count", "0", e));
    struct tg_op ops[] = {
        {.kind = TG_OP_CHECK, .path = "/count", .version = 0},
        {.kind = TG_OP_CREATE, .path = "/dir"},
        {.kind = TG_OP_CREATE, .path = "/dir/a", .data = "A", .len = 1},
        {.kind = TG_OP_WRITE, .path = "/count", .data = "1", .len = 1, .version = 0},
        {.kind = TG_OP_CREATE, .path = "/tmp"},
        {.kind = TG_OP_DELETE, .path = "/tmp", .version = TG_ANY_VERSION},
    };
    int failed = 42;
    OK(tg_store_multi(conf_a, ops, sizeof ops / sizeof ops[0], conf_until(conf_a), &failed, e));
    cr_assert_eq(failed, -1);
    cr_assert_str_eq(conf_names(conf_a, "/"), "count,dir");
    conf_text_is(conf_a, "/dir/a", "A");
    cr_assert_eq(conf_stat(conf_a, "/dir/a").created_txid, conf_stat(conf_a, "/count").modified_txid);
    cr_assert_eq(conf_stat(conf_a, "/dir").children_txid, conf_stat(conf_a, "/count").modified_txid);
}

static void conf_refused_multi(const struct tg_op *ops, size_t n_ops, int code, int at)
{
    int failed = 42;

    REFUSED(tg_store_multi(conf_a, ops, n_ops, conf_until(conf_a), &failed, e), code);
    cr_assert_eq(failed, at, "operation %d is said to have failed, not %d", failed, at);
    cr_assert_str_eq(conf_names(conf_a, "/"), "k");
    conf_text_is(conf_a, "/k", "kept");
    cr_assert_eq(conf_stat(conf_a, "/k").version, 0);
    cr_assert_eq(conf_stat(conf_a, "/").children, 1);
}

CONF_TEST(a_multi_that_fails_leaves_nothing_and_names_the_operation)
{
    OK(conf_create(conf_a, "/k", "kept", e));
    const struct tg_op create = {.kind = TG_OP_CREATE, .path = "/n"}, write = {.kind = TG_OP_WRITE, .path = "/k", .version = TG_ANY_VERSION},
                       old = {.kind = TG_OP_WRITE, .path = "/k", .version = 9}, check = {.kind = TG_OP_CHECK, .path = "/k", .version = 9},
                       none = {.kind = TG_OP_CHECK, .path = "/none", .version = TG_ANY_VERSION},
                       again = {.kind = TG_OP_CREATE, .path = "/k"}, gone = {.kind = TG_OP_DELETE, .path = "/none", .version = TG_ANY_VERSION},
                       orphan = {.kind = TG_OP_CREATE, .path = "/none/x"}, child = {.kind = TG_OP_CREATE, .path = "/n/c"},
                       parent = {.kind = TG_OP_DELETE, .path = "/n", .version = TG_ANY_VERSION};
    conf_refused_multi((struct tg_op[]) {create, write, old}, 3, TG_E_VERSION, 2);
    conf_refused_multi((struct tg_op[]) {check, create, write}, 3, TG_E_VERSION, 0);
    conf_refused_multi((struct tg_op[]) {create, none, write}, 3, TG_E_NOENT, 1);
    conf_refused_multi((struct tg_op[]) {create, write, again}, 3, TG_E_EXISTS, 2);
    conf_refused_multi((struct tg_op[]) {create, create}, 2, TG_E_EXISTS, 1);
    conf_refused_multi((struct tg_op[]) {write, gone}, 2, TG_E_NOENT, 1);
    conf_refused_multi((struct tg_op[]) {write, create, orphan}, 3, TG_E_NOENT, 2);
    conf_refused_multi((struct tg_op[]) {create, child, parent, write}, 4, TG_E_NOTEMPTY, 2);
}

CONF_TEST(a_multi_has_a_bound)
{
    static struct tg_op ops[TG_STORE_OPS_MAX + 1];

    for (size_t i = 0; i <= TG_STORE_OPS_MAX; i++)
        ops[i] = (struct tg_op) {.kind = TG_OP_CHECK, .path = "/", .version = TG_ANY_VERSION};
    REFUSED(tg_store_multi(conf_a, ops, TG_STORE_OPS_MAX + 1, conf_until(conf_a), NULL, e), TG_E_DATA);
    REFUSED(tg_store_multi(conf_a, ops, 0, conf_until(conf_a), NULL, e), TG_E_DATA);
    OK(tg_store_multi(conf_a, ops, TG_STORE_OPS_MAX, conf_until(conf_a), NULL, e));
}

CONF_TEST(of_writers_with_one_version_exactly_one_wins)
{
    struct tg_store *b = conf_open();
    struct conf_seen seen[2][20];
    struct tg_op op = {.kind = TG_OP_WRITE, .path = "/n", .data = "x", .len = 1};

    memset(seen, 0, sizeof seen);
    OK(conf_create(conf_a, "/n", "", e));
    conf_sync(b);
    for (int i = 0; i < 20; i++) {
        op.version = i;
        OK(tg_store_multi_async(conf_a, &op, 1, conf_on_reply, &seen[0][i], e));
        OK(tg_store_multi_async(b, &op, 1, conf_on_reply, &seen[1][i], e));
        conf_await(&seen[0][i], 1);
        conf_await(&seen[1][i], 1);
        int won = (seen[0][i].code == 0) + (seen[1][i].code == 0);
        cr_assert_eq(won, 1, "round %d: %d winners", i, won);
        cr_assert_eq(seen[0][i].code + seen[1][i].code, TG_E_VERSION);
    }
    cr_assert_eq(conf_stat(conf_a, "/n").version, 20);
    tg_store_close(b);
}

/* Order */

CONF_TEST(one_sessions_requests_are_carried_out_and_answered_in_their_order)
{
    struct conf_seen seen[60];
    char text[8];

    memset(seen, 0, sizeof seen);
    OK(conf_create(conf_a, "/n", "", e));
    for (int i = 0; i < 60; i++) {
        snprintf(text, sizeof text, "%d", i);
        struct tg_op op = {.kind = TG_OP_WRITE, .path = "/n", .data = text, .len = strlen(text), .version = i / 3};
        if (i % 3 == 0)
            OK(tg_store_multi_async(conf_a, &op, 1, conf_on_reply, &seen[i], e));
        else if (i % 3 == 1)
            OK(tg_store_read_async(conf_a, "/n", NULL, NULL, conf_on_reply, &seen[i], e));
        else
            OK(tg_store_list_async(conf_a, "/", NULL, NULL, conf_on_reply, &seen[i], e));
        cr_assert_eq(seen[i].count, 0, "answers come from the loop, never from within the call");
    }
    conf_await(&seen[59], 1);
    for (int i = 0; i < 60; i++) {
        cr_assert_eq(seen[i].count, 1);
        cr_assert_eq(seen[i].code, 0, "request %d: %d", i, seen[i].code);
        cr_assert_eq(seen[i].order, i + 1);
        cr_assert_eq(seen[i].failed_op, i % 3 ? seen[i].failed_op : -1);
    }
    conf_text_is(conf_a, "/n", "57");
}

CONF_TEST(a_session_reads_its_own_writes)
{
    char text[16];

    OK(conf_create(conf_a, "/n", "", e));
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "%d", i);
        OK(conf_write(conf_a, "/n", text, i, e));
        conf_text_is(conf_a, "/n", text);
    }
}

CONF_TEST(a_read_after_sync_sees_what_another_session_committed)
{
    struct tg_store *b = conf_open();

    OK(conf_create(conf_a, "/n", "", e));
    for (int i = 0; i < 20; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        OK(conf_write(conf_a, "/n", text, i, e));
        conf_sync(b);
        conf_text_is(b, "/n", text);
        cr_assert_geq(tg_store_seen_txid(b), conf_stat(conf_a, "/n").modified_txid);
    }
    tg_store_close(b);
}

/* P1: all that the handshake of lock and permit needs: each writes its own, then reads the other's; one of them must see. */
CONF_TEST(of_two_who_write_and_then_read_the_other_one_sees)
{
    struct tg_store *b = conf_open();
    char mine[32], theirs[32];

    for (int i = 0; i < 20; i++) {
        struct conf_seen made_a = {0}, made_b = {0}, read_a = {0}, read_b = {0};
        snprintf(mine, sizeof mine, "/a%d", i);
        snprintf(theirs, sizeof theirs, "/b%d", i);
        struct tg_op op_a = {.kind = TG_OP_CREATE, .path = mine}, op_b = {.kind = TG_OP_CREATE, .path = theirs};
        OK(tg_store_multi_async(conf_a, &op_a, 1, conf_on_reply, &made_a, e));
        OK(tg_store_multi_async(b, &op_b, 1, conf_on_reply, &made_b, e));
        OK(tg_store_read_async(b, mine, NULL, NULL, conf_on_reply, &read_b, e));
        OK(tg_store_read_async(conf_a, theirs, NULL, NULL, conf_on_reply, &read_a, e));
        conf_await(&read_a, 1);
        conf_await(&read_b, 1);
        cr_assert(made_a.code == 0 && made_b.code == 0);
        cr_assert(read_a.code == 0 || read_b.code == 0, "round %d: neither saw the other", i);
    }
    tg_store_close(b);
}

CONF_TEST(read_many_gives_each_its_own)
{
    enum { N = 600 };
    static char paths[N][16];
    static struct tg_read_item items[N];

    OK(conf_create(conf_a, "/d", "D", e));
    OK(conf_create(conf_a, "/d/x", "X", e));
    for (int i = 0; i < N; i++) {
        snprintf(paths[i], sizeof paths[i], "%s", i % 3 == 0 ? "/d/x" : i % 3 == 1 ? "/none" : "/d");
        items[i] = (struct tg_read_item) {.path = paths[i], .want_names = i % 3 == 2};
    }
    OK(tg_store_read_many(conf_a, items, N, conf_until(conf_a), e));
    for (int i = 0; i < N; i++) {
        cr_assert_eq(items[i].code, i % 3 == 1 ? TG_E_NOENT : 0);
        if (i % 3 == 0)
            cr_assert_str_eq(items[i].node.data, "X");
        if (i % 3 == 2)
            cr_assert(items[i].names.count == 1 && strcmp(items[i].names.names[0], "x") == 0 && items[i].names.stat.children == 1);
    }
    tg_read_items_release(items, N);
}

CONF_TEST(a_transaction_tells_its_own_id_and_what_is_read_behind_it_sees_it)
{
    struct tg_store *b = conf_open();

    OK(conf_create(conf_a, "/d", "D", e));
    for (int i = 0; i < 20; i++) {
        struct tg_op ops[] = {{.kind = TG_OP_CREATE, .path = "/d/x", .data = "X", .len = 1}, {.kind = TG_OP_WRITE, .path = "/d", .data = "E", .len = 1, .version = i}};
        struct tg_op late[] = {{.kind = TG_OP_WRITE, .path = "/d", .data = "F", .len = 1, .version = i}};
        struct tg_multi multis[] = {{.ops = ops, .n_ops = 2}, {.ops = late, .n_ops = 1}};
        struct tg_read_item items[] = {{.path = "/d/x"}, {.path = "/d"}};
        struct tg_exchange x = {.multis = multis, .n_multis = 2, .items = items, .n_items = 2};
        OK(conf_create(b, "/other", "", e)); /* others write, too */
        OK(tg_store_exchange(conf_a, &x, conf_until(conf_a), e));
        cr_assert(multis[0].code == 0 && multis[0].txid > 0);
        cr_assert(multis[1].code == TG_E_VERSION && multis[1].txid == 0);
        cr_assert_eq(items[0].node.stat.created_txid, multis[0].txid);
        cr_assert_eq(items[1].node.stat.modified_txid, multis[0].txid);
        tg_read_items_release(items, 2);
        OK(tg_store_delete(conf_a, "/d/x", TG_ANY_VERSION, conf_until(conf_a), e));
        OK(tg_store_delete(b, "/other", TG_ANY_VERSION, conf_until(b), e));
    }
    tg_store_close(b);
}

/* Ephemerals and sessions */

CONF_TEST(an_ephemeral_names_its_session_and_is_gone_when_that_closes)
{
    struct tg_store *b = conf_open();

    cr_assert_neq(tg_store_session_id(b), 0);
    cr_assert_neq(tg_store_session_id(b), tg_store_session_id(conf_a));
    OK(conf_create(conf_a, "/d", "", e));
    OK(conf_ephemeral(b, "/d/e", e));
    OK(conf_create(b, "/d/p", "stays", e));
    conf_sync(conf_a);
    cr_assert_eq(conf_stat(conf_a, "/d/e").owner, tg_store_session_id(b));
    cr_assert_eq(conf_stat(conf_a, "/d/p").owner, 0);
    cr_assert_eq(conf_stat(conf_a, "/d").children, 2);
    tg_store_close(b);
    conf_await_code(conf_a, "/d/e", TG_E_NOENT);
    cr_assert_str_eq(conf_names(conf_a, "/d"), "p");
}

CONF_TEST(an_ephemeral_has_no_children)
{
    OK(conf_ephemeral(conf_a, "/e", e));
    REFUSED(conf_create(conf_a, "/e/x", "", e), TG_E_DATA);
    REFUSED(conf_ephemeral(conf_a, "/e/x", e), TG_E_DATA);
    struct tg_op ops[] = {{.kind = TG_OP_CREATE, .path = "/n"}, {.kind = TG_OP_CREATE, .path = "/e/x"}};
    int failed = 42;
    REFUSED(tg_store_multi(conf_a, ops, 2, conf_until(conf_a), &failed, e), TG_E_DATA);
    cr_assert_eq(failed, 1);
    cr_assert_str_eq(conf_names(conf_a, "/"), "e");
}

CONF_TEST(another_session_may_write_and_delete_an_ephemeral)
{
    struct tg_store *b = conf_open();

    OK(conf_ephemeral(b, "/e", e));
    conf_sync(conf_a);
    OK(conf_write(conf_a, "/e", "x", 0, e));
    cr_assert_eq(conf_stat(conf_a, "/e").owner, tg_store_session_id(b));
    OK(conf_delete(conf_a, "/e", 1, e));
    OK(conf_create(conf_a, "/e", "mine", e));
    tg_store_close(b);
    conf_sync(conf_a);
    conf_text_is(conf_a, "/e", "mine");
}

CONF_TEST(a_session_knows_its_timeout_and_when_it_was_last_proven)
{
    cr_assert_gt(tg_store_session_ms(conf_a), 0);
    int64_t before = tg_mono_ms(tg_loop_clock(conf_loop));
    OK(conf_create(conf_a, "/n", "", e));
    int64_t proven = tg_store_proven_ms(conf_a);
    cr_assert_geq(proven, before, "an answered request proves the session at the time it was sent");
    cr_assert_leq(proven, tg_mono_ms(tg_loop_clock(conf_loop)));
}

CONF_TEST(closing_answers_what_is_outstanding)
{
    struct tg_store *b = conf_open();
    struct conf_seen seen[5], fired = {0};
    struct tg_op op = {.kind = TG_OP_CREATE, .path = "/n"};

    memset(seen, 0, sizeof seen);
    conf_watch(b, "/watched", &fired);
    OK(tg_store_multi_async(b, &op, 1, conf_on_reply, &seen[0], e));
    OK(tg_store_read_async(b, "/n", NULL, NULL, conf_on_reply, &seen[1], e));
    OK(tg_store_list_async(b, "/", NULL, NULL, conf_on_reply, &seen[2], e));
    OK(tg_store_sync_async(b, "/", conf_on_reply, &seen[3], e));
    OK(tg_store_read_async(b, "/n", conf_on_watch, &fired, conf_on_reply, &seen[4], e));
    tg_store_close(b);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(seen[i].count, 1, "request %d has %d answers", i, seen[i].count);
        cr_assert_eq(seen[i].code, TG_E_CANCELLED);
    }
    OK(conf_create(conf_a, "/watched", "", e));
    cr_assert_eq(fired.count, 0, "closing fires no watch, and none fires after it");
}

CONF_TEST(a_deadline_that_has_passed_is_a_timeout)
{
    struct tg_node n = {0};

    REFUSED(tg_store_read(conf_a, "/", tg_store_deadline(conf_a, -1), &n, e), TG_E_TIMEOUT);
    OK(conf_create(conf_a, "/after", "", e));
}

CONF_TEST(an_interrupt_cancels_the_wait_and_nothing_else)
{
    struct tg_node n = {0};

    tg_loop_interrupt(conf_loop);
    REFUSED(tg_store_read(conf_a, "/", conf_until(conf_a), &n, e), TG_E_CANCELLED);
    tg_loop_interrupt_clear(conf_loop);
    OK(conf_create(conf_a, "/after", "", e));
}

/* Watches */

CONF_TEST(a_watch_tells_of_a_change_once)
{
    struct tg_store *b = conf_open();
    struct conf_seen seen = {0};

    OK(conf_create(conf_a, "/n", "", e));
    conf_watch(conf_a, "/n", &seen);
    OK(conf_write(b, "/n", "1", TG_ANY_VERSION, e));
    conf_await(&seen, 1);
    cr_assert_eq(seen.event, TG_WATCH_CHANGED);
    cr_assert_str_eq(seen.path, "/n");
    conf_text_is(conf_a, "/n", "1");
    OK(conf_write(b, "/n", "2", TG_ANY_VERSION, e));
    conf_sync(conf_a);
    conf_text_is(conf_a, "/n", "2");
    cr_assert_eq(seen.count, 1, "a watch fires once");
    tg_store_close(b);
}

CONF_TEST(a_watch_tells_of_ones_own_change)
{
    struct conf_seen seen = {0};

    OK(conf_create(conf_a, "/n", "", e));
    conf_watch(conf_a, "/n", &seen);
    OK(conf_write(conf_a, "/n", "1", TG_ANY_VERSION, e));
    conf_await(&seen, 1);
    cr_assert_eq(seen.event, TG_WATCH_CHANGED);
}

CONF_TEST(a_watch_tells_of_a_deletion)
{
    struct tg_store *b = conf_open();
    struct conf_seen data = {0}, names = {0};

    OK(conf_create(conf_a, "/n", "", e));
    conf_watch(conf_a, "/n", &data);
    conf_watch_names(conf_a, "/n", &names);
    OK(conf_delete(b, "/n", TG_ANY_VERSION, e));
    conf_await(&data, 1);
    conf_await(&names, 1);
    cr_assert_eq(data.event, TG_WATCH_DELETED);
    cr_assert_eq(names.event, TG_WATCH_DELETED);
    tg_store_close(b);
}

CONF_TEST(a_watch_on_nothing_tells_of_the_creation)
{
    struct tg_store *b = conf_open();
    struct conf_seen seen = {0};

    conf_watch(conf_a, "/n", &seen);
    OK(conf_create(b, "/n", "", e));
    conf_await(&seen, 1);
    cr_assert_eq(seen.event, TG_WATCH_CREATED);
    tg_store_close(b);
}

CONF_TEST(a_watch_on_names_tells_of_children_only)
{
    struct tg_store *b = conf_open();
    struct conf_seen seen = {0};

    OK(conf_create(conf_a, "/d", "", e));
    OK(conf_create(conf_a, "/d/x", "", e));
    conf_watch_names(conf_a, "/d", &seen);
    OK(conf_write(b, "/d", "data", TG_ANY_VERSION, e));
    OK(conf_write(b, "/d/x", "data", TG_ANY_VERSION, e));
    conf_sync(conf_a);
    conf_text_is(conf_a, "/d", "data");
    cr_assert_eq(seen.count, 0);
    OK(conf_create(b, "/d/y", "", e));
    conf_await(&seen, 1);
    cr_assert_eq(seen.event, TG_WATCH_CHANGED);
    struct conf_seen again = {0};
    conf_watch_names(conf_a, "/d", &again);
    OK(conf_delete(b, "/d/x", TG_ANY_VERSION, e));
    conf_await(&again, 1);
    tg_store_close(b);
}

CONF_TEST(a_watch_on_data_is_silent_about_children)
{
    struct conf_seen seen = {0};

    OK(conf_create(conf_a, "/d", "", e));
    conf_watch(conf_a, "/d", &seen);
    OK(conf_create(conf_a, "/d/x", "", e));
    conf_sync(conf_a);
    OK(conf_delete(conf_a, "/d/x", TG_ANY_VERSION, e));
    conf_sync(conf_a);
    cr_assert_eq(seen.count, 0);
    OK(conf_write(conf_a, "/d", "1", TG_ANY_VERSION, e));
    conf_await(&seen, 1);
}

CONF_TEST(a_list_of_nothing_arms_no_watch)
{
    struct conf_seen seen = {0};
    struct tg_names n = {0};

    REFUSED(tg_store_list_watch(conf_a, "/d", conf_on_watch, &seen, conf_until(conf_a), &n, e), TG_E_NOENT);
    OK(conf_create(conf_a, "/d", "", e));
    OK(conf_create(conf_a, "/d/x", "", e));
    conf_sync(conf_a);
    cr_assert_eq(seen.count, 0);
}

CONF_TEST(an_ended_watch_never_fires_and_the_others_do)
{
    struct conf_seen ended = {0}, other = {0};

    OK(conf_create(conf_a, "/n", "", e));
    conf_watch(conf_a, "/n", &ended);
    conf_watch(conf_a, "/n", &other);
    tg_store_unwatch(conf_a, conf_on_watch, &ended);
    OK(conf_write(conf_a, "/n", "1", TG_ANY_VERSION, e));
    conf_await(&other, 1);
    conf_sync(conf_a);
    cr_assert_eq(ended.count, 0);
    tg_store_unwatch(conf_a, conf_on_watch, &other); /* has fired: nothing happens */
    tg_store_unwatch(conf_a, conf_on_watch, &ended); /* again: nothing happens */
}

CONF_TEST(a_watch_ended_before_its_read_was_answered_never_fires)
{
    struct conf_seen fired = {0}, reply = {0};

    OK(conf_create(conf_a, "/n", "", e));
    OK(tg_store_read_async(conf_a, "/n", conf_on_watch, &fired, conf_on_reply, &reply, e));
    tg_store_unwatch(conf_a, conf_on_watch, &fired);
    conf_await(&reply, 1);
    cr_assert_eq(reply.code, 0);
    OK(conf_write(conf_a, "/n", "1", TG_ANY_VERSION, e));
    conf_sync(conf_a);
    cr_assert_eq(fired.count, 0);
}

CONF_TEST(watches_tell_of_an_ephemerals_end)
{
    struct tg_store *b = conf_open();
    struct conf_seen gone = {0}, names = {0};

    OK(conf_create(conf_a, "/d", "", e));
    OK(conf_ephemeral(b, "/d/e", e));
    conf_sync(conf_a);
    conf_watch(conf_a, "/d/e", &gone);
    conf_watch_names(conf_a, "/d", &names);
    tg_store_close(b);
    conf_await(&gone, 1);
    conf_await(&names, 1);
    cr_assert_eq(gone.event, TG_WATCH_DELETED);
    cr_assert_eq(names.event, TG_WATCH_CHANGED);
}

/* No event is lost between the read that arms a watch and the change: a counter watched and re-read ends at its last value. */
CONF_TEST(who_watches_and_reads_again_ends_at_the_last_value)
{
    struct tg_store *b = conf_open();
    char text[16];

    OK(conf_create(conf_a, "/n", "", e));
    for (int round = 0; round < 30; round++) {
        struct conf_seen seen = {0};
        conf_watch(conf_a, "/n", &seen);
        snprintf(text, sizeof text, "%d", round);
        OK(conf_write(b, "/n", text, round, e));
        conf_await(&seen, 1);
        conf_text_is(conf_a, "/n", text);
    }
    tg_store_close(b);
}

#if CONFORMANCE_PROCESSES
/* Waits for a child; our own session goes on living meanwhile. */
static int conf_wait_for(pid_t pid)
{
    int64_t until = tg_mono_ms(tg_loop_clock(conf_loop)) + CONF_WAIT_MS;
    int status = -1;

    while (waitpid(pid, &status, WNOHANG) != pid)
        cr_assert(tg_mono_ms(tg_loop_clock(conf_loop)) < until && tg_loop_turn(conf_loop, 20) >= 0, "the child did not end");
    return status;
}

/* Starts a process that opens a session, makes the ephemeral, and waits to be killed. */
static pid_t conf_holder(const char *path)
{
    int up[2];
    char byte;

    cr_assert_eq(pipe(up), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        cr_assert_eq(tg_loop_new(&conf_loop, NULL), 0);
        struct tg_store *s = conf_open();
        OK(conf_ephemeral(s, path, e));
        if (write(up[1], "!", 1) != 1)
            _exit(1);
        for (;;)
            tg_loop_turn(conf_loop, 1000);
    }
    close(up[1]);
    cr_assert_eq(read(up[0], &byte, 1), 1, "the holder did not get as far");
    close(up[0]);
    return pid;
}

/* P4, P8: nothing of a killed process is left behind. */
CONF_TEST(the_ephemerals_of_a_killed_process_go)
{
    struct conf_seen gone = {0};

    OK(conf_create(conf_a, "/d", "", e));
    pid_t pid = conf_holder("/d/e");
    conf_sync(conf_a);
    cr_assert_str_eq(conf_names(conf_a, "/d"), "e");
    cr_assert_neq(conf_stat(conf_a, "/d/e").owner, tg_store_session_id(conf_a));
    conf_watch(conf_a, "/d/e", &gone);
    kill(pid, SIGKILL);
    conf_wait_for(pid);
    conf_await(&gone, 1);
    cr_assert_eq(gone.event, TG_WATCH_DELETED);
    cr_assert_str_eq(conf_names(conf_a, "/d"), "");
}

CONF_TEST(the_ephemerals_of_a_stopped_process_stay_for_its_session)
{
    OK(conf_create(conf_a, "/d", "", e));
    pid_t pid = conf_holder("/d/e");
    kill(pid, SIGSTOP);
    conf_sync(conf_a);
    cr_assert_str_eq(conf_names(conf_a, "/d"), "e");
    kill(pid, SIGKILL);
    conf_wait_for(pid);
    conf_await_code(conf_a, "/d/e", TG_E_NOENT);
}

/* Processes that count with compare-and-set: nothing is lost, nothing counted twice. */
CONF_TEST(writers_in_several_processes_lose_nothing)
{
    enum { WRITERS = 4, EACH = 25 };
    pid_t pids[WRITERS];

    OK(conf_create(conf_a, "/n", "0", e));
    for (int w = 0; w < WRITERS; w++) {
        if ((pids[w] = fork()) != 0)
            continue;
        cr_assert_eq(tg_loop_new(&conf_loop, NULL), 0);
        struct tg_store *s = conf_open();
        for (int done = 0; done < EACH;) {
            struct tg_node n = {0};
            char text[16];
            OK(tg_store_read(s, "/n", conf_until(s), &n, e));
            snprintf(text, sizeof text, "%d", atoi(n.data) + 1);
            int rc = conf_write(s, "/n", text, n.stat.version, NULL);
            tg_node_release(&n);
            if (rc && rc != TG_E_VERSION)
                _exit(3);
            done += rc == 0;
        }
        tg_store_close(s);
        _exit(0);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status = conf_wait_for(pids[w]);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "writer %d: %x", w, (unsigned) status);
    }
    conf_sync(conf_a);
    conf_text_is(conf_a, "/n", "100");
    cr_assert_eq(conf_stat(conf_a, "/n").version, WRITERS * EACH);
}
#endif
