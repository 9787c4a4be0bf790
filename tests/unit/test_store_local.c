/* The embedded store: the conformance suite, and what is its own: files, locks, damage, permissions. */
#define _GNU_SOURCE
#include "store/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CONFORMANCE_SUITE store_local
#define CONFORMANCE_PROCESSES 1

static char folder[64], database[128], url[160];

static const char *conf_begin(void)
{
    snprintf(folder, sizeof folder, "/tmp/tagout-test-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    snprintf(database, sizeof database, "%s/store.db", folder);
    snprintf(url, sizeof url, "local:%s", database);
    return url;
}

static void conf_end(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        abort();
}

#include "store_conformance.h"
#include <sqlite3.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* Its own tests have no session to begin with: they look at how opening goes. */
static void own_setup(void)
{
    conf_url = conf_begin();
    cr_assert_eq(tg_loop_new(&conf_loop, NULL), 0);
}

static void own_teardown(void)
{
    tg_loop_free(conf_loop);
    conf_end();
}
#define OWN_TEST(name) Test(store_local_files, name, .init = own_setup, .fini = own_teardown)

/* Opens an existing store; the code of connecting, with its error. */
static int try_open(struct tg_store **out, struct tg_error *e)
{
    struct tg_store_options o = {.loop = conf_loop, .url = url};
    struct tg_store *s = NULL;
    int rc = tg_store_open(&o, &s, e);

    if (!rc)
        rc = tg_store_connect(s, conf_until(s), e);
    if (rc || !out)
        tg_store_close(s);
    else
        *out = s;
    return rc;
}

static void refused(int code, const char *says)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(try_open(NULL, &e), code, "%s: %s", tg_code_name(e.code), e.message);
    cr_assert(strstr(e.message, says), "\"%s\" lacks \"%s\"", e.message, says);
    cr_assert(strstr(e.message, folder), "\"%s\" does not name the file", e.message);
    cr_assert(e.hint[0], "\"%s\" has no hint", e.message);
}

static void make_store(void)
{
    tg_store_close(conf_open());
}

static void put_file(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);

    cr_assert(fd >= 0 && write(fd, bytes, len) == (ssize_t) len);
    close(fd);
}

static void sql(const char *text)
{
    sqlite3 *db;

    cr_assert_eq(sqlite3_open(database, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK, "%s: %s", text, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* P2: a guard never makes the store that it asks. */
OWN_TEST(opening_makes_nothing)
{
    refused(TG_E_UNKNOWN, "there is no store at");
    cr_assert_eq(access(database, F_OK), -1);
    put_file(database, "", 0);
    refused(TG_E_UNKNOWN, "the file is empty");
}

OWN_TEST(a_url_must_be_an_absolute_path)
{
    static const char *const bad[] = {"local:", "local:store.db", "local:/", "local", "", "LOCAL:/x", ":/x"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_store_options o = {.loop = conf_loop, .url = bad[i]};
        struct tg_store *s = NULL;
        struct tg_error e = TG_ERROR_INIT;
        cr_assert_eq(tg_store_open(&o, &s, &e), TG_E_CONFIG, "%s", bad[i]);
        cr_assert(e.hint[0], "%s", bad[i]);
    }
}

OWN_TEST(what_is_no_store_is_refused_and_left_alone)
{
    char bytes[9000];

    memset(bytes, 'x', sizeof bytes);
    put_file(database, bytes, sizeof bytes);
    refused(TG_E_UNKNOWN, "is no database");
    unlink(database);
    sql("CREATE TABLE other (x)");
    refused(TG_E_UNKNOWN, "no store of tagout");
    unlink(database);
    cr_assert_eq(mkdir(database, 0700), 0);
    refused(TG_E_CONFIG, "is no file");
}

OWN_TEST(a_newer_format_is_refused)
{
    make_store();
    sql("PRAGMA user_version = 2");
    refused(TG_E_UNKNOWN, "has format 2, this tagout knows 1");
}

OWN_TEST(damage_is_an_error_not_an_answer)
{
    char bytes[4096];
    struct tg_store *s = conf_open();
    struct tg_error bad = TG_ERROR_INIT;
    struct tg_node n = {0};

    for (int i = 0; i < 200; i++) {
        char path[32];
        snprintf(path, sizeof path, "/node%d", i);
        OK(tg_store_create(s, path, bytes, 200, 0, conf_until(s), e));
    }
    tg_store_close(s);
    memset(bytes, 0x5a, sizeof bytes);
    int fd = open(database, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 4096; at + 4096 <= size; at += 4096)
        cr_assert_eq(pwrite(fd, bytes, sizeof bytes, at), 4096);
    close(fd);
    int rc = try_open(&s, &bad);
    if (!rc) {
        rc = tg_store_read(s, "/node7", conf_until(s), &n, &bad);
        tg_store_close(s);
    }
    cr_assert_eq(rc, TG_E_UNKNOWN, "%s", bad.message);
    cr_assert(strstr(bad.message, "is damaged"), "%s", bad.message);
}

/* P2: a parent whose child went without it being counted is no proof that there was none. */
OWN_TEST(a_child_that_was_lost_is_damage)
{
    struct tg_error bad = TG_ERROR_INIT;
    struct tg_node n = {0};
    struct tg_store *s = conf_open();

    OK(tg_store_create(s, "/locks", "", 0, 0, conf_until(s), e));
    OK(tg_store_create(s, "/locks/a", "", 0, 0, conf_until(s), e));
    sql("DELETE FROM node WHERE path = '/locks/a'");
    cr_assert_eq(tg_store_read(s, "/locks", conf_until(s), &n, &bad), TG_E_UNKNOWN);
    cr_assert(strstr(bad.message, "/locks counts 1 children and has 0"), "%s", bad.message);
    cr_assert(bad.hint[0]);
    tg_store_close(s);
}

/* Changes one byte of the last place in the file where text lies with a NUL or a number behind it: SQLite's index cell of that path. */
static void damage_index(const char *path, size_t at, int bit)
{
    static char bytes[1 << 20];
    int fd = open(database, O_RDWR | O_CLOEXEC);
    ssize_t n = read(fd, bytes, sizeof bytes);
    size_t len = strlen(path), found = 0;
    sqlite3 *db;
    sqlite3_stmt *q;

    cr_assert_eq(sqlite3_open(database, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_node_1'", -1, &q, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(q), SQLITE_ROW);
    size_t page = (size_t) sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    cr_assert(n >= (ssize_t) (page * 4096));
    for (size_t i = (page - 1) * 4096; i + len < page * 4096; i++)
        if (memcmp(bytes + i, path, len) == 0)
            found = i;
    cr_assert(found, "%s is not in the index", path);
    bytes[found + at] = (char) (bytes[found + at] ^ (1 << bit));
    cr_assert_eq(pwrite(fd, bytes + found + at, 1, (off_t) (found + at)), 1);
    close(fd);
}

/* P2: one flipped bit in the index of paths hides a node, or gives another for it; both are damage, never "it is not there". */
OWN_TEST(a_damaged_index_hides_nothing)
{
    struct tg_error bad = TG_ERROR_INIT;
    struct tg_node n = {0};
    struct tg_store *s = conf_open();

    OK(tg_store_create(s, "/locks", "", 0, 0, conf_until(s), e));
    OK(tg_store_create(s, "/locks/held", "x", 1, 0, conf_until(s), e));
    tg_store_close(s);
    damage_index("/locks/held", 8, 1);
    OK(try_open(&s, e));
    cr_assert_eq(tg_store_read(s, "/locks/held", conf_until(s), &n, &bad), TG_E_UNKNOWN, "%s", bad.message);
    cr_assert(strstr(bad.message, "/locks/held is there, but not to be found"), "%s", bad.message);
    cr_assert(bad.hint[0]);
    REFUSED(tg_store_read(s, "/locks/free", conf_until(s), &n, e), TG_E_NOENT);
    tg_store_close(s);
}

OWN_TEST(a_row_of_another_path_is_damage)
{
    struct tg_error bad = TG_ERROR_INIT;
    struct tg_node n = {0};
    struct tg_store *s = conf_open();

    OK(tg_store_create(s, "/held", "x", 1, 0, conf_until(s), e));
    OK(tg_store_create(s, "/free", "", 0, 0, conf_until(s), e));
    tg_store_close(s);
    damage_index("/held", strlen("/held"), 0); /* the row's number, behind the path: 2 for 3 */
    OK(try_open(&s, e));
    cr_assert_eq(tg_store_read(s, "/held", conf_until(s), &n, &bad), TG_E_UNKNOWN, "%s", bad.message);
    cr_assert(strstr(bad.message, "looking for /held finds another row"), "%s", bad.message);
    tg_store_close(s);
}

/* P2: never silently the old file. */
OWN_TEST(a_database_that_was_replaced_ends_the_session)
{
    struct tg_store *s = conf_open();
    struct conf_seen lost = {0};
    char aside[160];

    conf_watch(s, "/x", &lost);
    snprintf(aside, sizeof aside, "%s.aside", database);
    cr_assert_eq(rename(database, aside), 0);
    REFUSED(conf_create(s, "/y", "", e), TG_E_SESSION);
    cr_assert_eq(tg_store_state(s), TG_SESSION_EXPIRED);
    cr_assert_eq(lost.count, 1);
    cr_assert_eq(lost.event, TG_WATCH_LOST);
    REFUSED(conf_create(s, "/y", "", e), TG_E_SESSION);
    tg_store_close(s);
    refused(TG_E_UNKNOWN, "there is no store at");
}

OWN_TEST(who_only_watches_learns_that_the_database_was_replaced)
{
    struct tg_store *s = conf_open();
    struct conf_seen lost = {0};

    conf_watch(s, "/x", &lost);
    unlink(database);
    conf_await(&lost, 1);
    cr_assert_eq(lost.event, TG_WATCH_LOST);
    tg_store_close(s);
}

OWN_TEST(a_session_whose_file_was_removed_is_over)
{
    struct tg_store *s = conf_open(), *other = conf_open();
    char file[256];

    OK(conf_ephemeral(s, "/e", e));
    snprintf(file, sizeof file, "%s.sessions/%016llx", database, (unsigned long long) tg_store_session_id(s));
    cr_assert_eq(unlink(file), 0);
    cr_assert_eq(conf_read_code(other, "/e"), TG_E_NOENT);
    REFUSED(conf_create(s, "/y", "", e), TG_E_SESSION);
    tg_store_close(s);
    tg_store_close(other);
}

/* P4: a permit lives until the last of the process group that it was taken for is dead. */
OWN_TEST(an_heir_of_the_descriptor_keeps_the_ephemerals)
{
    struct tg_store *s = conf_open(), *other = conf_open();
    int down[2];

    OK(conf_ephemeral(s, "/e", e));
    int fd = tg_store_session_fd(s);
    cr_assert_geq(fd, 0);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(pipe(down), 0);
    pid_t heir = fork();
    if (heir == 0) {
        char byte;
        close(down[1]);
        _exit(read(down[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(down[0]);
    tg_store_close(s);
    cr_assert_eq(conf_read_code(other, "/e"), 0, "the heir lives");
    struct conf_seen gone = {0};
    conf_watch(other, "/e", &gone);
    close(down[1]);
    conf_await(&gone, 1);
    cr_assert_eq(gone.event, TG_WATCH_DELETED);
    conf_wait_for(heir);
    tg_store_close(other);
}

OWN_TEST(sessions_leave_no_files)
{
    char command[256];

    for (int i = 0; i < 3; i++) {
        struct tg_store *s = conf_open();
        OK(conf_ephemeral(s, "/e", e));
        tg_store_close(s);
    }
    snprintf(command, sizeof command, "test \"$(ls %s.sessions)\" = bump", database);
    cr_assert_eq(system(command), 0);
}

static void tick(void *data)
{
    ++*(int *) data;
}

/* A commit of somebody else is waited for without holding the loop up; then the request goes through. */
OWN_TEST(a_busy_database_does_not_stop_the_loop)
{
    struct tg_store *s = conf_open();
    struct conf_seen made = {0};
    struct tg_op op = {.kind = TG_OP_CREATE, .path = "/n"};
    struct tg_timer *timer;
    sqlite3 *db;
    int ticks = 0;

    cr_assert_eq(sqlite3_open(database, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    OK(tg_store_multi_async(s, &op, 1, conf_on_reply, &made, e));
    cr_assert_eq(tg_timer_new(conf_loop, tick, &ticks, &timer, NULL), 0);
    for (int i = 0; i < 20; i++) {
        tg_timer_start(timer, 5);
        for (int before = ticks; ticks == before;)
            tg_loop_turn(conf_loop, 1000);
    }
    cr_assert_eq(made.count, 0);
    cr_assert_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    conf_await(&made, 1);
    cr_assert_eq(made.code, 0);
    tg_timer_free(timer);
    tg_store_close(s);
}

OWN_TEST(files_are_for_the_owner_and_the_group)
{
    struct stat st;
    char sessions[160];

    umask(077);
    struct tg_store *s = conf_open();
    OK(conf_ephemeral(s, "/e", e));
    cr_assert(stat(database, &st) == 0 && (st.st_mode & 07777) == 0660);
    snprintf(sessions, sizeof sessions, "%s.sessions", database);
    cr_assert(stat(sessions, &st) == 0 && (st.st_mode & 07777) == 02770);
    tg_store_close(s);
}

OWN_TEST(who_may_not_is_told_so)
{
    if (getuid() != 0)
        cr_skip_test("needs root to become somebody else");
    make_store();
    chmod(folder, 0755);
    pid_t pid = fork();
    if (pid == 0) {
        struct tg_error e = TG_ERROR_INIT;
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        _exit(try_open(NULL, &e) == TG_E_PERM && strstr(e.message, database) && e.hint[0] ? 0 : 1);
    }
    int status = conf_wait_for(pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned) status);
}

/* A mount namespace of this test's own, with a small file system at the folder. */
static void own_mount(const char *options)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("tmpfs", folder, "tmpfs", 0, options) != 0)
        cr_skip_test("needs the right to mount");
}

OWN_TEST(a_full_disk_is_said_and_nothing_is_half_written)
{
    static char block[100000];
    int rc = 0, made = 0;
    struct tg_error bad = TG_ERROR_INIT;

    own_mount("size=1m");
    struct tg_store *s = conf_open();
    OK(conf_ephemeral(s, "/mine", e));
    for (; made < 100 && !rc; made += rc == 0) {
        char path[32];
        snprintf(path, sizeof path, "/n%d", made);
        rc = tg_store_create(s, path, block, sizeof block, 0, conf_until(s), &bad);
    }
    cr_assert_eq(rc, TG_E_FULL, "%s", bad.message);
    cr_assert(strstr(bad.message, "no space left"), "%s", bad.message);
    cr_assert_eq(conf_stat(s, "/").children, made + 1, "what was refused is not there; the rest is, and can be read");
    cr_assert_eq(tg_store_state(s), TG_SESSION_CONNECTED);
    tg_store_close(s);
    umount2(folder, MNT_DETACH);
}

OWN_TEST(a_read_only_file_system_is_said)
{
    own_mount("size=4m");
    make_store();
    if (mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
        cr_skip_test("needs the right to remount");
    refused(TG_E_UNKNOWN, "Read-only file system");
    umount2(folder, MNT_DETACH);
}

/* A process with the same id elsewhere is no life sign: two holders, each the first process of its own PID namespace. */
OWN_TEST(sessions_do_not_depend_on_process_ids)
{
    struct tg_store *s = conf_open();
    pid_t holders[2];

    for (int i = 0; i < 2; i++) {
        int up[2];
        char byte;
        cr_assert_eq(pipe(up), 0);
        pid_t outer = fork();
        if (outer == 0) {
            if (unshare(CLONE_NEWPID) != 0)
                _exit(77);
            pid_t inner = fork();
            if (inner > 0) {
                int status;
                char text[16];
                int n = snprintf(text, sizeof text, "%d ", (int) inner);
                if (write(up[1], text, (size_t) n) != n)
                    _exit(1);
                close(up[1]);
                waitpid(inner, &status, 0);
                _exit(0);
            }
            cr_assert_eq(tg_loop_new(&conf_loop, NULL), 0);
            struct tg_store *own = conf_open();
            OK(conf_ephemeral(own, i ? "/two" : "/one", e));
            if (getpid() != 1 || write(up[1], "!", 1) != 1)
                _exit(1);
            for (;;)
                tg_loop_turn(conf_loop, 1000);
        }
        close(up[1]);
        char text[32] = "";
        size_t len = 0;
        while (len < sizeof text - 1 && !strchr(text, '!') && read(up[0], &byte, 1) == 1)
            text[len++] = byte;
        close(up[0]);
        if (!len)
            cr_skip_test("needs the right to make PID namespaces");
        char *digits = text + strcspn(text, "0123456789");
        holders[i] = (pid_t) atoi(digits);
        cr_assert(strchr(text, '!') && holders[i] > 1, "%s", text);
    }
    cr_assert_str_eq(conf_names(s, "/"), "one,two");
    struct conf_seen gone = {0};
    conf_watch(s, "/one", &gone);
    kill(holders[0], SIGKILL);
    conf_await(&gone, 1);
    cr_assert_str_eq(conf_names(s, "/"), "two");
    kill(holders[1], SIGKILL);
    conf_await_code(s, "/two", TG_E_NOENT);
    while (wait(NULL) > 0)
        ;
    tg_store_close(s);
}
