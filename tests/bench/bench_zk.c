/*
 * The floor under what tagout does on ZooKeeper: the client library alone, doing no more than it must. And a stopwatch for whole
 * processes, so that both sides of a ratio are measured by the same hand. See lock-zk beside this.
 *
 *   bench_zk read HOST:PORT PATH             connects, reads once, ends the session
 *   bench_zk store URL PATH                  the same through tagout's store layer
 *   bench_zk pairs HOST:PORT PATH COUNT      connects; COUNT times a create and a delete below PATH; prints the median in µs
 *   bench_zk locks URL COUNT [STATE-DIR]     COUNT times a lock and an unlock of it on one session; prints the median in µs
 *   bench_zk turns HOST:PORT PATH URL COUNT [STATE-DIR]  COUNT times each of these in turn, so that all meet the same noise; prints the medians:
 *                                            a bare create and delete; a bare client that sends what a lock and its release send; a lock and its
 *                                            release on a service, on a host, and on a service as the first of a session
 *   bench_zk pair HOST:PORT PATH             connects, one create and delete below PATH, ends the session
 *   bench_zk many URL COUNT                  takes COUNT locks, each on a host of its own, and leaves them
 *   bench_zk runs COUNT STATUS COMMAND… [-- COMMAND…]    runs the commands COUNT times, in turn; prints the median of each in µs; all must end
 *                                            with the status
 */
#include "guard/recall.h"

#include <tagout/store.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

static int done, failed, last_fd = -1;

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

    return (x > y) - (x < y);
}

static int64_t median(int64_t *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

static void on_event(zhandle_t *zh, int type, int state, const char *path, void *data)
{
    (void) zh, (void) type, (void) state, (void) path, (void) data;
}

static void on_data(int rc, const char *value, int len, const struct Stat *stat, const void *data)
{
    (void) value, (void) len, (void) stat, (void) data;
    failed |= rc != ZOK && rc != ZNONODE;
    done = 1;
}

static void on_created(int rc, const char *value, const void *data)
{
    (void) value, (void) data;
    failed |= rc != ZOK;
    done = 1;
}

static void on_deleted(int rc, const void *data)
{
    (void) data;
    failed |= rc != ZOK;
    done = 1;
}

/* Turns the library until done, or connected when done is meant to stay 0. */
static void turn(zhandle_t *zh, int connecting)
{
    while (connecting ? zoo_state(zh) != ZOO_CONNECTED_STATE : !done) {
        struct timeval tv;
        int fd = -1, interest = 0;
        zookeeper_interest(zh, &fd, &interest, &tv);
        last_fd = fd;
        struct pollfd p = {.fd = fd, .events = (short) ((interest & ZOOKEEPER_READ ? POLLIN : 0) | (interest & ZOOKEEPER_WRITE ? POLLOUT : 0))};
        poll(&p, 1, (int) (tv.tv_sec * 1000 + tv.tv_usec / 1000));
        zookeeper_process(zh, (p.revents & POLLIN ? ZOOKEEPER_READ : 0) | (p.revents & (POLLOUT | POLLERR) ? ZOOKEEPER_WRITE : 0));
    }
    done = 0;
}

static zhandle_t *connect_to(const char *server)
{
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t *zh = zookeeper_init2(server, on_event, 10000, NULL, NULL, ZOO_NO_LOG_CLIENTENV, NULL);

    if (!zh) {
        perror(server);
        exit(1);
    }
    turn(zh, 1);
    return zh;
}

static int read_once(const char *server, const char *path)
{
    zhandle_t *zh = connect_to(server);

    zoo_aget(zh, path, 0, on_data, NULL);
    turn(zh, 0);
    zookeeper_close(zh);
    return failed;
}

static int store_once(const char *url, const char *path)
{
    struct tg_loop *loop = NULL;
    struct tg_store *store = NULL;
    struct tg_node node = {0};
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_loop_new(&loop, &e);

    if (rc == 0)
        rc = tg_store_open(&(struct tg_store_options) {.loop = loop, .url = url}, &store, &e);
    if (rc == 0)
        rc = tg_store_read(store, path, tg_store_deadline(store, 10000), &node, &e);
    if (rc && rc != TG_E_NOENT)
        fprintf(stderr, "%s\n", e.message);
    tg_node_release(&node);
    tg_store_close(store);
    tg_loop_free(loop);
    return rc && rc != TG_E_NOENT;
}

/* One create and delete, which is what is compared with. */
static void pair_once(zhandle_t *zh, const char *path, size_t i)
{
    char child[512], record[300];

    memset(record, 'r', sizeof record); /* about what a lock's record has */
    snprintf(child, sizeof child, "%s/%zu", path, i);
    zoo_acreate(zh, child, record, sizeof record, &ZOO_OPEN_ACL_UNSAFE, 0, on_created, NULL);
    turn(zh, 0);
    zoo_adelete(zh, child, -1, on_deleted, NULL);
    turn(zh, 0);
}

static void make_parent(zhandle_t *zh, const char *path)
{
    zoo_acreate(zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, on_created, NULL);
    turn(zh, 0);
    failed = 0; /* it may be there */
}

static int pairs(const char *server, const char *path, size_t count)
{
    zhandle_t *zh = connect_to(server);
    int64_t *v = calloc(count, sizeof *v);

    make_parent(zh, path);
    for (size_t i = 0; i < count + 20 && v; i++) {
        int64_t begun = now_us();
        pair_once(zh, path, i);
        if (i >= 20) /* the server warms up */
            v[i - 20] = now_us() - begun;
    }
    if (v)
        printf("%lld\n", (long long) median(v, count));
    free(v);
    zookeeper_close(zh);
    return failed;
}

static int pair(const char *server, const char *path)
{
    zhandle_t *zh = connect_to(server);

    make_parent(zh, path);
    pair_once(zh, path, (size_t) getpid());
    zookeeper_close(zh);
    return failed;
}

/* Takes a lock on a service and releases it. */
static int lock_once(struct tg_guard *guard, const struct tg_scopes *scopes, struct tg_error *e)
{
    struct tg_lock_request take = {.scopes = scopes, .owner = "alice@ops1", .reason = "measured", .for_ms = 60000};
    struct tg_lock lock = {.id = ""}, gone = {.id = ""};
    int rc = tg_lock_take(guard, &take, 0, NULL, NULL, &lock, e);

    if (rc)
        return rc;
    struct tg_release_request release = {.id = lock.id, .owner = "alice@ops1", .known = &lock.scopes};
    rc = tg_lock_release(guard, &release, &gone, e);
    tg_lock_clear(&lock);
    if (rc == 0)
        tg_lock_clear(&gone);
    return rc;
}

static int locks(const char *url, size_t count, const char *state_dir)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_loop *loop = NULL;
    struct tg_store *store = NULL;
    struct tg_scope scope = {.kind = TG_SCOPE_FLEET};
    struct tg_scopes scopes = {.v = &scope, .n = 1};
    int64_t *v = calloc(count, sizeof *v);
    int rc = tg_loop_new(&loop, &e);

    if (rc == 0)
        rc = tg_store_open(&(struct tg_store_options) {.loop = loop, .url = url}, &store, &e);
    if (rc == 0)
        rc = tg_scope_parse("service:autoscaler", &scope, &e);
    struct tg_guard guard = {.store = store, .state_dir = state_dir};
    for (size_t i = 0; rc == 0 && v && i < count + 20; i++) {
        int64_t begun = now_us();
        rc = lock_once(&guard, &scopes, &e);
        if (i >= 20)
            v[i - 20] = now_us() - begun;
    }
    if (rc == 0 && v)
        printf("%lld\n", (long long) median(v, count));
    else
        fprintf(stderr, "%s\n", e.message);
    free(v);
    tg_scope_release(&scope);
    tg_store_close(store);
    tg_loop_free(loop);
    return rc != 0;
}

/* --- what a lock on a service and its release send, by the bare client --- */

struct bare {
    char path[64], record[300];
    zoo_op_t ops[16];
    zoo_op_result_t results[16];
    char paths[16][160];
    int n, owed;
    size_t round;
};

static void on_names(int rc, const struct String_vector *names, const struct Stat *stat, const void *data)
{
    struct bare *b = (struct bare *) (uintptr_t) data;

    (void) names, (void) stat;
    failed |= rc != ZOK;
    done = --b->owed == 0;
}

static void on_multi(int rc, const void *data)
{
    struct bare *b = (struct bare *) (uintptr_t) data;

    failed |= rc != ZOK;
    done = --b->owed == 0;
}

/* c: create, d: delete, w: write, k: check; of the node of that name, numbered when it ends in "-". */
static void add(struct bare *b, char kind, const char *name)
{
    char *path = b->paths[b->n];
    zoo_op_t *op = &b->ops[b->n++];
    size_t len = strlen(name);

    if (len && name[len - 1] == '-')
        snprintf(path, sizeof b->paths[0], "%s/%s%zu", b->path, name, b->round);
    else
        snprintf(path, sizeof b->paths[0], "%s%s%s", b->path, len ? "/" : "", name);
    if (kind == 'c')
        zoo_create_op_init(op, path, b->record, sizeof b->record, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    else if (kind == 'w')
        zoo_set_op_init(op, path, b->record, sizeof b->record, -1, NULL);
    else if (kind == 'd')
        zoo_delete_op_init(op, path, -1);
    else
        zoo_check_op_init(op, path, -1);
}

static void begin(struct bare *b)
{
    b->n = 0;
    add(b, 'k', "");
}

/* What is sent together is one segment, as it is of the store layer. */
static void cork(int on)
{
    setsockopt(last_fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

static void flight(zhandle_t *zh, struct bare *b, int lists)
{
    cork(1);
    b->owed = 1 + lists;
    zoo_amulti(zh, b->n, b->ops, b->results, on_multi, b);
    for (int i = 0; i < lists; i++)
        zoo_aget_children2(zh, b->path, 0, on_names, b);
    cork(0);
    turn(zh, 0);
}

static void floor_once(zhandle_t *zh, struct bare *b)
{
    b->round++;
    begin(b); /* taken: counters, row, index, audit, tick; and behind it two folders of permits */
    add(b, 'c', "tick"), add(b, 'd', "tick"), add(b, 'k', "index"), add(b, 'w', "bucket"), add(b, 'c', "scope-"), add(b, 'c', "row-"), add(b, 'c', "entry-"), add(b, 'c', "took-");
    flight(zh, b, 2);
    begin(b); /* held */
    add(b, 'w', "row-");
    flight(zh, b, 0);
    begin(b); /* released */
    add(b, 'd', "row-"), add(b, 'd', "entry-"), add(b, 'w', "bucket"), add(b, 'd', "scope-"), add(b, 'c', "tick"), add(b, 'd', "tick"), add(b, 'c', "gone-");
    flight(zh, b, 0);
}

static void floor_begin(zhandle_t *zh, const char *path, struct bare *b)
{
    memset(b->record, 'r', sizeof b->record);
    snprintf(b->path, sizeof b->path, "%s/floor%d", path, (int) getpid());
    make_parent(zh, b->path);
    static const char *const nodes[] = {"index", "bucket"};
    for (size_t i = 0; i < 2; i++) {
        char node[128];
        snprintf(node, sizeof node, "%s/%s", b->path, nodes[i]);
        make_parent(zh, node);
    }
}

/* --- in turn --- */

enum { PAIR, FLOOR, SERVICE, HOST, FIRST, KINDS };

struct turns {
    zhandle_t *zh;
    const char *path;
    struct bare bare;
    struct tg_guard guard;
    struct tg_scope service, host;
};

static int once(struct turns *t, int kind, size_t i, struct tg_error *e)
{
    struct tg_scopes scopes = {.v = kind == HOST ? &t->host : &t->service, .n = 1};

    if (kind == PAIR)
        pair_once(t->zh, t->path, i);
    else if (kind == FLOOR)
        floor_once(t->zh, &t->bare);
    else
        return lock_once(&t->guard, &scopes, e);
    return failed ? tg_fail(e, TG_E_FAILED, "the bare client was refused") : 0;
}

static int take_turns(struct turns *t, size_t count, struct tg_error *e)
{
    int64_t *v[KINDS];
    int rc = 0;

    for (int k = 0; k < KINDS; k++)
        if (!(v[k] = calloc(count, sizeof **v)))
            return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < count + 20; i++)
        for (int k = 0; !rc && k < KINDS; k++) {
            if (k == FIRST)
                tg_recall_forget(&t->guard);
            int64_t begun = now_us();
            rc = once(t, k, i, e);
            if (i >= 20)
                v[k][i - 20] = now_us() - begun;
        }
    for (int k = 0; k < KINDS; k++) {
        if (!rc)
            printf("%lld%c", (long long) median(v[k], count), k == KINDS - 1 ? '\n' : ' ');
        free(v[k]);
    }
    return rc;
}

static int turns(const char *server, const char *path, const char *url, size_t count, const char *state_dir)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_loop *loop = NULL;
    static struct turns t;
    int rc = tg_loop_new(&loop, &e);

    t.zh = connect_to(server);
    t.path = path;
    t.guard.state_dir = state_dir;
    make_parent(t.zh, path);
    floor_begin(t.zh, path, &t.bare);
    if (rc == 0)
        rc = tg_store_open(&(struct tg_store_options) {.loop = loop, .url = url, .session_ms = 60000}, &t.guard.store, &e);
    if (rc == 0)
        rc = tg_scope_parse("service:autoscaler", &t.service, &e);
    if (rc == 0)
        rc = tg_scope_parse("host:web001.example.com", &t.host, &e);
    if (rc == 0)
        rc = take_turns(&t, count, &e);
    if (rc)
        fprintf(stderr, "%s\n", e.message);
    tg_scope_release(&t.service);
    tg_scope_release(&t.host);
    tg_store_close(t.guard.store);
    zookeeper_close(t.zh);
    tg_loop_free(loop);
    return rc != 0;
}

/* Locks that stay, each on a host of its own. */
static int many(const char *url, size_t count)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_loop *loop = NULL;
    struct tg_store *store = NULL;
    int rc = tg_loop_new(&loop, &e);

    if (rc == 0)
        rc = tg_store_open(&(struct tg_store_options) {.loop = loop, .url = url}, &store, &e);
    struct tg_guard guard = {.store = store};
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct tg_scope scope;
        struct tg_scopes scopes = {.v = &scope, .n = 1};
        struct tg_lock_request take = {.scopes = &scopes, .owner = "alice@ops1", .reason = "measured", .for_ms = 3600000};
        struct tg_lock lock;
        char name[64];
        snprintf(name, sizeof name, "host:node%05zu.example.com", i);
        rc = tg_scope_parse(name, &scope, &e);
        if (rc == 0)
            rc = tg_lock_place(&guard, &take, &lock, &e);
        if (rc == 0)
            tg_lock_clear(&lock);
        tg_scope_release(&scope);
    }
    if (rc)
        fprintf(stderr, "%s\n", e.message);
    tg_store_close(store);
    tg_loop_free(loop);
    return rc != 0;
}

/* How long it took, or -1. */
static int64_t run_once(int wanted, char **command)
{
    int64_t begun = now_us();
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        dup2(null, 2);
        execvp(command[0], command);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == wanted)
        return now_us() - begun;
    fprintf(stderr, "%s ended with %d, not %d\n", command[0], WIFEXITED(status) ? WEXITSTATUS(status) : -1, wanted);
    return -1;
}

#define COMMANDS_MAX 4
static int runs(size_t count, int wanted, char **argv)
{
    char **commands[COMMANDS_MAX] = {argv};
    int64_t *v[COMMANDS_MAX], took = 0;
    size_t n = 1;

    for (char **at = argv; *at; at++)
        if (strcmp(*at, "--") == 0 && n < COMMANDS_MAX) {
            *at = NULL;
            commands[n++] = ++at;
        }
    for (size_t k = 0; k < n; k++)
        v[k] = calloc(count, sizeof **v);
    for (size_t i = 0; i < count + 3 && took >= 0; i++)
        for (size_t k = 0; k < n && took >= 0; k++) {
            took = v[k] ? run_once(wanted, commands[k]) : -1;
            if (i >= 3 && took >= 0)
                v[k][i - 3] = took;
        }
    for (size_t k = 0; k < n; k++) {
        if (took >= 0)
            printf("%lld%c", (long long) median(v[k], count), k + 1 < n ? ' ' : '\n');
        free(v[k]);
    }
    return took < 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "read") == 0)
        return read_once(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "store") == 0)
        return store_once(argv[2], argv[3]);
    if (argc == 5 && strcmp(argv[1], "pairs") == 0 && atoi(argv[4]) > 0)
        return pairs(argv[2], argv[3], (size_t) atoi(argv[4]));
    if ((argc == 4 || argc == 5) && strcmp(argv[1], "locks") == 0 && atoi(argv[3]) > 0)
        return locks(argv[2], (size_t) atoi(argv[3]), argv[4]);
    if ((argc == 6 || argc == 7) && strcmp(argv[1], "turns") == 0 && atoi(argv[5]) > 0)
        return turns(argv[2], argv[3], argv[4], (size_t) atoi(argv[5]), argv[6]);
    if (argc == 4 && strcmp(argv[1], "pair") == 0)
        return pair(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "many") == 0 && atoi(argv[3]) > 0)
        return many(argv[2], (size_t) atoi(argv[3]));
    if (argc >= 5 && strcmp(argv[1], "runs") == 0 && atoi(argv[2]) > 0)
        return runs((size_t) atoi(argv[2]), atoi(argv[3]), argv + 4);
    fputs("usage: see the head of bench_zk.c\n", stderr);
    return 64;
}
