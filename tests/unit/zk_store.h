/* What tests of the store on ZooKeeper share. Each test is a process of its own. */
#ifndef TESTS_ZK_STORE_H
#define TESTS_ZK_STORE_H

#include "zk_server.h"

#include <tagout/loop.h>
#include <tagout/store.h>

#include <signal.h>
#include <sys/stat.h>

#define ZK_WAIT_MS 90000 /* a bound, not an expectation: of servers on a machine that is busy */

/* A loop and a store on it: the tests use two loops to stop one of them. */
struct zk_side {
    struct tg_loop *loop;
    struct tg_store *store;
    enum tg_session_state state;
    struct tg_error error;
    int states; /* how often we heard */
};

static char zk_dir[128]; /* of this test: folder, and the server's when it is zk_dir/zk */
static char zk_zk[160];

__attribute__((unused)) static void zk_setup(void)
{
    snprintf(zk_dir, sizeof zk_dir, "/tmp/tagout-test-XXXXXX");
    cr_assert_not_null(mkdtemp(zk_dir));
    snprintf(zk_zk, sizeof zk_zk, "%s/zk", zk_dir);
}

__attribute__((unused)) static void zk_teardown(void)
{
    char command[300];

    if (access(zk_zk, F_OK) == 0)
        zk_server("kill", zk_zk);
    snprintf(command, sizeof command, "rm -rf '%s'", zk_dir);
    cr_assert_eq(system(command), 0);
}

static void zk_on_state(void *data, enum tg_session_state state, const struct tg_error *error)
{
    struct zk_side *side = data;

    side->state = state;
    side->states++;
    side->error = error ? *error : (struct tg_error) TG_ERROR_INIT;
}

/* Opens without waiting. url NULL: zk_zk's server, /t. */
static void zk_open_at(struct zk_side *side, const char *url, int64_t session_ms, unsigned flags, const char *auth)
{
    char own[200];
    struct tg_error e = TG_ERROR_INIT;

    *side = (struct zk_side) {.loop = NULL};
    if (!url)
        snprintf(own, sizeof own, "zk://127.0.0.1:%s/t", zk_server_port(zk_zk));
    cr_assert_eq(tg_loop_new(&side->loop, &e), 0);
    struct tg_store_options o = {.loop = side->loop, .url = url ? url : own, .session_ms = session_ms, .flags = flags, .auth = auth,
                                 .on_session = zk_on_state, .data = side};
    cr_assert_eq(tg_store_open(&o, &side->store, &e), 0, "%s", e.message);
}

static int64_t zk_until(struct zk_side *side)
{
    return tg_store_deadline(side->store, ZK_WAIT_MS);
}

#define ZK_OK(call)                                                                                                              \
    do {                                                                                                                         \
        struct tg_error zk_e = TG_ERROR_INIT;                                                                                    \
        struct tg_error *e = &zk_e;                                                                                              \
        int zk_rc = (call);                                                                                                      \
        cr_assert_eq(zk_rc, 0, "%s: %d %s", #call, zk_rc, e->message);                                                           \
    } while (0)

__attribute__((unused)) static void zk_open_side(struct zk_side *side, int64_t session_ms)
{
    zk_open_at(side, NULL, session_ms, TG_STORE_CREATE, NULL);
    ZK_OK(tg_store_connect(side->store, zk_until(side), e));
}

__attribute__((unused)) static void zk_close_side(struct zk_side *side)
{
    tg_store_close(side->store);
    tg_loop_free(side->loop);
}

static int64_t zk_now(void)
{
    return tg_mono_ms(tg_clock_real());
}

/* Turns the loop until the condition holds. */
#define ZK_AWAIT(side, condition)                                                                                                \
    do {                                                                                                                         \
        int64_t zk_end = zk_now() + ZK_WAIT_MS;                                                                                  \
        while (!(condition))                                                                                                     \
            cr_assert(zk_now() < zk_end && tg_loop_turn((side)->loop, 20) >= 0, "never: %s", #condition);                        \
    } while (0)

__attribute__((unused)) static int zk_create(struct zk_side *side, const char *path, unsigned flags, struct tg_error *e)
{
    return tg_store_create(side->store, path, "x", 1, flags, zk_until(side), e);
}

__attribute__((unused)) static int zk_read_code(struct zk_side *side, const char *path, struct tg_stat *out)
{
    struct tg_node n = {0};
    int rc = tg_store_read(side->store, path, zk_until(side), &n, NULL);

    if (rc == 0 && out)
        *out = n.stat;
    tg_node_release(&n);
    return rc;
}

struct zk_seen {
    int count, code;
    enum tg_watch_event event;
};

__attribute__((unused)) static void zk_on_reply(void *data, const struct tg_store_reply *reply)
{
    struct zk_seen *seen = data;

    seen->count++;
    seen->code = reply->code;
}

__attribute__((unused)) static void zk_on_event(void *data, enum tg_watch_event event, const char *path)
{
    struct zk_seen *seen = data;

    (void) path;
    seen->count++;
    seen->event = event;
}

#endif
