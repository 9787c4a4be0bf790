/* Which cluster a store is, and the host's mark of it: see store/cluster.h. Every test here is about P2. */
#define _GNU_SOURCE
#include "store/cluster.h"
#include "store/memory.h"
#include "store/tree.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID_A "0123456789abcdef0123456789abcdef"
#define ID_B "fedcba9876543210fedcba9876543210"
#define URL "memory:cluster"

static char folder[64];

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/tagout-test-XXXXXX");
    cr_assert(mkdtemp(folder));
}

static void teardown(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

static struct tg_cluster cluster_of(const char *id, int64_t generation, enum tg_cluster_state state)
{
    struct tg_cluster c = {.generation = generation, .state = state};

    snprintf(c.id, sizeof c.id, "%s", id);
    return c;
}

Test(cluster, the_decision_is_a_table)
{
    static const struct {
        const char *seen;     /* id, NULL: nothing was seen */
        int64_t seen_generation, seen_txid;
        const char *is;       /* id, NULL: there is no record */
        int64_t generation;
        enum tg_cluster_state state;
        int64_t txid;
        const char *cause;    /* NULL: believed */
    } rows[] = {
        {NULL, 0, 0, ID_A, 1, TG_CLUSTER_LIVE, 1, NULL},
        {NULL, 0, 0, NULL, 0, TG_CLUSTER_LIVE, 0, "not-initialised"},
        {ID_A, 1, 100, NULL, 0, TG_CLUSTER_LIVE, 0, "store-empty"},
        {ID_A, 1, 100, NULL, 0, TG_CLUSTER_LIVE, 200, "store-empty"},
        {ID_A, 1, 100, ID_A, 1, TG_CLUSTER_LIVE, 100, NULL},
        {ID_A, 1, 100, ID_A, 1, TG_CLUSTER_LIVE, 101, NULL},
        {ID_A, 1, 100, ID_A, 1, TG_CLUSTER_LIVE, 99, "older-than-seen"},
        {ID_A, 1, 100, ID_B, 1, TG_CLUSTER_LIVE, 101, "other-cluster"},
        {ID_A, 1, 100, ID_B, 9, TG_CLUSTER_MIGRATING, 1, "other-cluster"},
        {ID_A, 2, 100, ID_A, 1, TG_CLUSTER_LIVE, 999, "generation-older"},
        {ID_A, 2, 100, ID_A, 1, TG_CLUSTER_RETIRED, 999, "generation-older"},
        {ID_A, 1, 100, ID_A, 2, TG_CLUSTER_LIVE, 1, NULL}, /* moved: transaction ids start anew */
        {ID_A, 1, 100, ID_A, 2, TG_CLUSTER_MIGRATING, 1, "migrating"},
        {ID_A, 1, 100, ID_A, 1, TG_CLUSTER_MIGRATING, 1, "migrating"},
        {NULL, 0, 0, ID_A, 1, TG_CLUSTER_MIGRATING, 1, "migrating"},
        {NULL, 0, 0, ID_A, 1, TG_CLUSTER_RETIRED, 1, "retired"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_seen seen = {.known = rows[i].seen != NULL, .generation = rows[i].seen_generation, .txid = rows[i].seen_txid};
        struct tg_cluster c = cluster_of(rows[i].is ? rows[i].is : "", rows[i].generation, rows[i].state);
        struct tg_error e = TG_ERROR_INIT;
        char cause[TG_CLUSTER_CAUSE_SIZE] = "";
        snprintf(seen.id, sizeof seen.id, "%s", rows[i].seen ? rows[i].seen : "");
        int rc = tg_cluster_judge(&seen, rows[i].is ? &c : NULL, rows[i].txid, cause, &e);
        cr_assert_eq(rc, rows[i].cause ? TG_E_UNKNOWN : 0, "row %zu", i);
        cr_assert_str_eq(cause, rows[i].cause ? rows[i].cause : "", "row %zu", i);
        cr_assert_eq(e.hint[0] != '\0', rows[i].cause != NULL, "row %zu says what to do", i);
    }
}

Test(cluster, a_record_is_read_back_and_nothing_is_guessed)
{
    static const struct { const char *text, *cause; } bad[] = {
        {"", "bad-record"}, {"x", "bad-record"}, {"[]", "bad-record"}, {"{}", "bad-record"}, {"null", "bad-record"},
        {"{\"format\":1,\"id\":\"" ID_A "\",\"generation\":1}", "bad-record"},
        {"{\"format\":1,\"id\":\"" ID_A "\",\"generation\":1,\"state\":\"alive\"}", "bad-record"},
        {"{\"format\":1,\"id\":\"" ID_A "\",\"generation\":0,\"state\":\"live\"}", "bad-record"},
        {"{\"format\":1,\"id\":\"" ID_A "\",\"generation\":\"1\",\"state\":\"live\"}", "bad-record"},
        {"{\"format\":1,\"id\":\"short\",\"generation\":1,\"state\":\"live\"}", "bad-record"},
        {"{\"format\":0,\"id\":\"" ID_A "\",\"generation\":1,\"state\":\"live\"}", "bad-record"},
        {"{\"format\":1,\"format\":1,\"id\":\"" ID_A "\",\"generation\":1,\"state\":\"live\"}", "bad-record"},
        {"{\"format\":2,\"whatever\":true}", "format-newer"},
    };
    struct tg_cluster c = cluster_of(ID_A, 7, TG_CLUSTER_MIGRATING), back;

    c.created_ms = 1795368000123;
    snprintf(c.created_by, sizeof c.created_by, "alice@ops1");
    char *text = tg_cluster_encode(&c);
    cr_assert_eq(tg_cluster_decode(text, strlen(text), &back, NULL, NULL), 0);
    cr_assert(strcmp(back.id, ID_A) == 0 && back.generation == 7 && back.state == TG_CLUSTER_MIGRATING && back.created_ms == c.created_ms &&
              strcmp(back.created_by, "alice@ops1") == 0);
    free(text);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char cause[TG_CLUSTER_CAUSE_SIZE] = "";
        cr_assert_eq(tg_cluster_decode(bad[i].text, strlen(bad[i].text), &back, cause, NULL), TG_E_UNKNOWN, "%s", bad[i].text);
        cr_assert_str_eq(cause, bad[i].cause, "%s", bad[i].text);
    }
}

static struct tg_seen load(void)
{
    struct tg_seen s;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_seen_load(folder, URL, &s, &e), 0, "%s", e.message);
    return s;
}

static int note(int64_t generation, int64_t txid, enum tg_seen_note how)
{
    struct tg_seen s = load();
    struct tg_cluster c = cluster_of(ID_A, generation, TG_CLUSTER_LIVE);

    return tg_seen_note(&s, URL, &c, txid, how, NULL);
}

Test(seen, the_mark_only_grows_and_is_bounded, .init = setup, .fini = teardown)
{
    cr_assert(!load().known);
    cr_assert_eq(note(1, 50, TG_NOTE_BOUNDED), 0);
    cr_assert(load().known && load().txid == 50);
    cr_assert_eq(note(1, 60, TG_NOTE_BOUNDED), 0);
    cr_assert_eq(load().txid, 50, "written a moment ago");
    cr_assert_eq(note(1, 70, TG_NOTE_NOW), 0);
    cr_assert_eq(load().txid, 70);
    cr_assert_eq(note(1, 60, TG_NOTE_NOW), 0);
    cr_assert_eq(load().txid, 70);
    cr_assert_eq(note(2, 3, TG_NOTE_BOUNDED), 0);
    cr_assert(load().generation == 2 && load().txid == 3);
    cr_assert_eq(note(1, 999, TG_NOTE_NOW), 0);
    cr_assert(load().generation == 2 && load().txid == 3);
}

Test(seen, a_writer_who_knows_less_does_not_win, .init = setup, .fini = teardown)
{
    struct tg_cluster c = cluster_of(ID_A, 1, TG_CLUSTER_LIVE), other = cluster_of(ID_B, 1, TG_CLUSTER_LIVE);
    struct tg_seen old = load();

    cr_assert_eq(note(1, 100, TG_NOTE_NOW), 0);
    cr_assert_eq(tg_seen_note(&old, URL, &c, 50, TG_NOTE_NOW, NULL), 0);
    cr_assert_eq(load().txid, 100);
    old.known = false;
    cr_assert_eq(tg_seen_note(&old, URL, &other, 500, TG_NOTE_NOW, NULL), TG_E_UNKNOWN, "another cluster is not noted over it");
    cr_assert_str_eq(load().id, ID_A);
}

static void put(const char *text)
{
    struct tg_seen s;
    char path[600];

    cr_assert_eq(tg_seen_file(folder, URL, s.file, sizeof s.file, NULL), 0);
    snprintf(path, sizeof path, "%s/seen", folder);
    mkdir(path, 0755);
    int fd = open(s.file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text));
    close(fd);
}

Test(seen, a_mark_that_makes_no_sense_is_not_nothing_seen, .init = setup, .fini = teardown)
{
    static const char *const bad[] = {"", "{", "{}", "[]", "\"\"", "{\"format\":1,\"cluster\":\"x\",\"generation\":1,\"txid\":1}",
                                      "{\"format\":2,\"cluster\":\"" ID_A "\",\"generation\":1,\"txid\":1}", "{\"format\":0,\"cluster\":\"" ID_A "\",\"generation\":1,\"txid\":1}",
                                      "{\"format\":1,\"cluster\":\"" ID_A "\",\"generation\":1,\"txid\":-1}", "{\"format\":1,\"cluster\":\"" ID_A "\",\"generation\":-1,\"txid\":1}",
                                      "{\"format\":1,\"cluster\":\"" ID_A "\",\"generation\":1,\"txid\":1.5}",
                                      "{\"format\":1,\"cluster\":\"" ID_A "\",\"generation\":1,\"tx"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_seen s;
        struct tg_error e = TG_ERROR_INIT;
        put(bad[i]);
        cr_assert_eq(tg_seen_load(folder, URL, &s, &e), TG_E_UNKNOWN, "%s", bad[i]);
        cr_assert(strstr(e.message, folder) && strstr(e.hint, "remove"), "%s / %s", e.message, e.hint);
    }
}

Test(seen, a_folder_that_cannot_be_written_is_no_obstacle, .init = setup, .fini = teardown)
{
    if (getuid() != 0)
        cr_skip_test("needs root to become somebody else");
    chmod(folder, 0755);
    cr_assert_eq(note(1, 5, TG_NOTE_NOW), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        struct tg_seen s;
        struct tg_cluster c = cluster_of(ID_A, 1, TG_CLUSTER_LIVE);
        if (tg_seen_load(folder, URL, &s, NULL) != 0 || s.txid != 5)
            _exit(3);
        _exit(tg_seen_note(&s, URL, &c, 9, TG_NOTE_NOW, NULL) == TG_E_PERM ? 0 : 4);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned) status);
}

static struct tg_store *open_memory(struct tg_loop *loop)
{
    struct tg_store_options o = {.loop = loop, .url = URL};
    struct tg_store *s;

    cr_assert_eq(tg_store_open(&o, &s, NULL), 0);
    return s;
}

static void check(struct tg_store *s, const char *cause)
{
    struct tg_cluster c;
    struct tg_error e = TG_ERROR_INIT;
    char word[TG_CLUSTER_CAUSE_SIZE];
    int rc = tg_cluster_check(s, folder, tg_store_deadline(s, 5000), &c, word, &e);

    cr_assert_str_eq(word, cause, "%s", e.message);
    cr_assert_eq(rc, cause[0] ? TG_E_UNKNOWN : 0);
}

Test(seen, an_old_copy_and_an_empty_store_are_recognised, .init = setup, .fini = teardown)
{
    struct tg_loop *loop;
    struct tg_op rows[TG_TREE_ROWS_MAX];
    struct tg_memory_snapshot *empty, *young;
    struct tg_cluster c;
    size_t n = tg_store_tree_ops(rows, TG_TREE_ROWS_MAX);

    cr_assert_eq(tg_loop_virtual(0, &loop, NULL), 0);
    struct tg_store *s = open_memory(loop);
    cr_assert_eq(tg_store_connect(s, tg_store_deadline(s, 1000), NULL), 0);
    check(s, "not-initialised");
    cr_assert_eq(tg_memory_snapshot("cluster", &empty, NULL), 0);
    cr_assert_eq(tg_store_tree_make(s, "alice@ops1", rows, n, tg_store_deadline(s, 1000), &c, NULL), 0);
    cr_assert_eq(tg_memory_snapshot("cluster", &young, NULL), 0);
    struct tg_op tick[] = {{.kind = TG_OP_CREATE, .path = TG_CLUSTER_TICK, .data = ""}, /* what every change of a lock has in its transaction */
                           {.kind = TG_OP_DELETE, .path = TG_CLUSTER_TICK, .version = TG_ANY_VERSION}};
    cr_assert_eq(tg_store_multi(s, tick, 2, tg_store_deadline(s, 1000), NULL, NULL), 0);
    check(s, "");
    tg_store_close(s);
    cr_assert_eq(tg_memory_restore("cluster", young, NULL), 0);
    check(s = open_memory(loop), "older-than-seen");
    for (int i = 0; i < 5; i++) /* what goes on in the old copy makes it no newer */
        cr_assert_eq(tg_store_write(s, "/runs", "x", 1, TG_ANY_VERSION, tg_store_deadline(s, 1000), NULL), 0);
    check(s, "older-than-seen");
    tg_store_close(s);
    cr_assert_eq(tg_memory_restore("cluster", empty, NULL), 0);
    check(s = open_memory(loop), "store-empty");
    cr_assert_eq(tg_store_tree_make(s, "bob@ops1", rows, n, tg_store_deadline(s, 1000), &c, NULL), 0);
    check(s, "other-cluster");
    tg_store_close(s);
    tg_memory_snapshot_free(empty);
    tg_memory_snapshot_free(young);
    tg_memory_forget("cluster");
    tg_loop_free(loop);
}

Test(tree, an_answer_that_is_lost_is_looked_for, .init = setup, .fini = teardown)
{
    struct tg_memory_fault lost = {.verbs = TG_MEMORY_MULTI, .action = TG_MEMORY_LOSE_ANSWER}, never = {.verbs = TG_MEMORY_MULTI, .action = TG_MEMORY_LOSE_REQUEST};
    struct tg_op rows[TG_TREE_ROWS_MAX];
    struct tg_loop *loop;
    struct tg_cluster c;
    size_t n = tg_store_tree_ops(rows, TG_TREE_ROWS_MAX);

    cr_assert_eq(tg_loop_virtual(0, &loop, NULL), 0);
    struct tg_store *s = open_memory(loop);
    cr_assert_eq(tg_memory_fault_add("cluster", &never, NULL), 0);
    cr_assert_eq(tg_store_tree_make(s, "a@b", rows, n, tg_store_deadline(s, 1000), &c, NULL), TG_E_LOST);
    cr_assert_eq(tg_memory_fault_add("cluster", &lost, NULL), 0);
    cr_assert_eq(tg_store_tree_make(s, "a@b", rows, n, tg_store_deadline(s, 1000), &c, NULL), 0);
    cr_assert_eq(tg_store_tree_make(s, "a@b", rows, n, tg_store_deadline(s, 1000), &c, NULL), TG_E_EXISTS);
    tg_store_close(s);
    tg_memory_forget("cluster");
    tg_loop_free(loop);
}

Test(seen, one_ensemble_has_one_mark_however_its_servers_are_ordered)
{
    char a[256], b[256], c[256];

    cr_assert_eq(tg_seen_file("/s", "zk://h1:2181,h2:2181/t", a, sizeof a, NULL), 0);
    cr_assert_eq(tg_seen_file("/s", "zk://h2:2181,h1:2181/t", b, sizeof b, NULL), 0);
    cr_assert_eq(tg_seen_file("/s", "zk://h2:2181,h1:2181/u", c, sizeof c, NULL), 0);
    cr_assert_str_eq(a, b);
    cr_assert_str_neq(a, c);
}
