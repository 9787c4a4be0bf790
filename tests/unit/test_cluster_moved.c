/* A host whose configuration is switched from one URL to another, early, late or wrongly: see store/cluster.h. Every test here is about P2. */
#define _GNU_SOURCE
#include "store/cluster.h"
#include "store/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_A "0123456789abcdef0123456789abcdef"
#define ID_B "fedcba9876543210fedcba9876543210"

static char folder[64];
static struct tg_loop *loop;
static struct tg_store *at_a, *at_b;

static struct tg_store *open_memory(const char *url)
{
    struct tg_store_options o = {.loop = loop, .url = url};
    struct tg_store *s;

    cr_assert_eq(tg_store_open(&o, &s, NULL), 0);
    return s;
}

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/tagout-test-XXXXXX");
    cr_assert(mkdtemp(folder));
    cr_assert_eq(tg_loop_virtual(0, &loop, NULL), 0);
    at_a = open_memory("memory:moved-a");
    at_b = open_memory("memory:moved-b");
}

static void teardown(void)
{
    char command[128];

    tg_store_close(at_a);
    tg_store_close(at_b);
    tg_memory_forget("moved-a");
    tg_memory_forget("moved-b");
    tg_loop_free(loop);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

static struct tg_cluster cluster_of(const char *id, int64_t generation, enum tg_cluster_state state)
{
    struct tg_cluster c = {.generation = generation, .state = state};

    snprintf(c.id, sizeof c.id, "%s", id);
    return c;
}

/* Puts the record there, however it came to be. Returns the transaction that it tells of. */
static int64_t put(struct tg_store *s, const struct tg_cluster *c)
{
    char *text = tg_cluster_encode(c);
    struct tg_node node;
    int rc = tg_store_write(s, TG_CLUSTER_PATH, text, strlen(text), TG_ANY_VERSION, tg_store_deadline(s, 1000), NULL);

    if (rc == TG_E_NOENT)
        rc = tg_store_create(s, TG_CLUSTER_PATH, text, strlen(text), 0, tg_store_deadline(s, 1000), NULL);
    cr_assert_eq(rc, 0);
    free(text);
    cr_assert_eq(tg_store_read(s, TG_CLUSTER_PATH, tg_store_deadline(s, 1000), &node, NULL), 0);
    int64_t txid = tg_cluster_txid(&node.stat);
    tg_node_release(&node);
    return txid;
}

static void check(struct tg_store *s, const char *cause)
{
    struct tg_cluster c;
    struct tg_error e = TG_ERROR_INIT;
    char word[TG_CLUSTER_CAUSE_SIZE];
    int rc = tg_cluster_check(s, folder, tg_store_deadline(s, 5000), &c, word, &e);

    cr_assert_str_eq(word, cause, "%s", e.message);
    cr_assert_eq(rc, cause[0] ? TG_E_UNKNOWN : 0);
    cr_assert(!cause[0] || e.hint[0], "says what to do: %s", e.message);
}

Test(moved, records_tell_where_from_and_where_to)
{
    struct tg_cluster c = cluster_of(ID_A, 3, TG_CLUSTER_RETIRED), back;
    static const char *const bad[] = {
        "{\"format\":1,\"id\":\"" ID_A "\",\"generation\":2,\"state\":\"live\",\"from\":{\"generation\":2,\"txid\":5}}",
        "{\"format\":1,\"id\":\"" ID_A "\",\"generation\":2,\"state\":\"live\",\"from\":{\"generation\":1}}",
        "{\"format\":1,\"id\":\"" ID_A "\",\"generation\":2,\"state\":\"live\",\"from\":7}",
        "{\"format\":1,\"id\":\"" ID_A "\",\"generation\":2,\"state\":\"retired\",\"moved\":{\"generation\":3}}",
        "{\"format\":1,\"id\":\"" ID_A "\",\"generation\":2,\"state\":\"retired\",\"moved\":{\"to\":\"zk://x\"}}",
    };

    c.from_generation = 2;
    c.from_txid = 77;
    c.moved_generation = 4;
    snprintf(c.moved_to, sizeof c.moved_to, "zk://zk9:2181/tagout");
    char *text = tg_cluster_encode(&c);
    cr_assert_eq(tg_cluster_decode(text, strlen(text), &back, NULL, NULL), 0);
    cr_assert(back.from_generation == 2 && back.from_txid == 77 && back.moved_generation == 4 && strcmp(back.moved_to, c.moved_to) == 0);
    free(text);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(tg_cluster_decode(bad[i], strlen(bad[i]), &back, NULL, NULL), TG_E_UNKNOWN, "%s", bad[i]);
}

Test(moved, a_host_that_knows_a_cluster_takes_no_other_for_it, .init = setup, .fini = teardown)
{
    struct tg_cluster a = cluster_of(ID_A, 1, TG_CLUSTER_LIVE), b = cluster_of(ID_B, 9, TG_CLUSTER_LIVE);

    put(at_a, &a);
    put(at_b, &b);
    check(at_a, "");
    check(at_b, "other-cluster");
    check(at_b, "other-cluster"); /* being refused teaches it nothing */
    check(at_a, "");
}

Test(moved, only_a_whole_and_live_target_is_followed, .init = setup, .fini = teardown)
{
    struct tg_cluster a = cluster_of(ID_A, 1, TG_CLUSTER_LIVE), b = cluster_of(ID_A, 2, TG_CLUSTER_MIGRATING);
    put(at_a, &a);
    int64_t seen = put(at_a, &a);

    check(at_a, "");
    check(at_b, "not-initialised"); /* switched early: it is empty */
    put(at_b, &b);
    check(at_b, "migrating");
    b.state = TG_CLUSTER_LIVE;
    b.from_generation = 1;
    b.from_txid = seen - 1; /* copied before the last thing that this host saw */
    put(at_b, &b);
    check(at_b, "older-than-seen");
    b.from_txid = seen;
    put(at_b, &b);
    check(at_b, "");
}

Test(moved, what_was_left_behind_is_never_believed_again, .init = setup, .fini = teardown)
{
    struct tg_cluster a = cluster_of(ID_A, 1, TG_CLUSTER_LIVE), b = cluster_of(ID_A, 2, TG_CLUSTER_LIVE);

    b.from_generation = 1;
    b.from_txid = put(at_a, &a);
    put(at_b, &b);
    check(at_a, "");
    check(at_b, "");
    check(at_a, "generation-older"); /* the source brought back from a backup, newer than all that was seen there */
    put(at_a, &a);
    check(at_a, "generation-older");
}

Test(moved, a_host_that_met_the_retired_source_remembers_it, .init = setup, .fini = teardown)
{
    struct tg_cluster a = cluster_of(ID_A, 1, TG_CLUSTER_LIVE), gone = cluster_of(ID_A, 1, TG_CLUSTER_RETIRED);

    gone.moved_generation = 2;
    snprintf(gone.moved_to, sizeof gone.moved_to, "memory:moved-b");
    put(at_a, &a);
    check(at_a, "");
    put(at_a, &gone);
    check(at_a, "retired");
    check(at_a, "retired"); /* and still says where to go, not only that it is old */
    put(at_a, &a);
    check(at_a, "generation-older");
}

Test(moved, a_move_that_was_taken_back_leaves_no_mark, .init = setup, .fini = teardown)
{
    struct tg_cluster a = cluster_of(ID_A, 1, TG_CLUSTER_LIVE), b = cluster_of(ID_A, 2, TG_CLUSTER_RETIRED);

    b.moved_generation = 1;
    snprintf(b.moved_to, sizeof b.moved_to, "memory:moved-a");
    put(at_a, &a);
    check(at_a, "");
    put(at_b, &b);
    check(at_b, "retired");
    check(at_a, "");
}

Test(moved, another_spelling_of_the_same_ensemble_is_no_older, .init = setup, .fini = teardown)
{
    struct tg_cluster a = cluster_of(ID_A, 1, TG_CLUSTER_LIVE);

    put(at_b, &a);
    for (int i = 0; i < 5; i++)
        put(at_a, &a);
    check(at_a, "");
    check(at_b, "older-than-seen"); /* same cluster, same generation: one line of transactions, and this one is behind */
}

Test(moved, a_mark_of_another_address_that_cannot_be_read_is_not_nothing, .init = setup, .fini = teardown)
{
    struct tg_cluster a = cluster_of(ID_A, 1, TG_CLUSTER_LIVE);
    struct tg_seen seen;

    put(at_a, &a);
    put(at_b, &a);
    check(at_a, "");
    cr_assert_eq(tg_seen_file(folder, "memory:moved-a", seen.file, sizeof seen.file, NULL), 0);
    FILE *f = fopen(seen.file, "we");
    cr_assert(f && fputs("{\"format\":1,", f) >= 0 && fclose(f) == 0);
    check(at_b, "bad-mark");
}
