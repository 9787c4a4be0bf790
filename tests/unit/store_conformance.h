/*
 * The conformance suite of stores: holds an implementation to every sentence of tagout/store.h. It is included by one test_store_X.c
 * per implementation, which defines before the include
 *
 *   #define CONFORMANCE_SUITE store_X       the Criterion suite
 *   #define CONFORMANCE_PROCESSES 1         or 0: can several processes share it?
 *   static const char *conf_begin(void);    the URL of a fresh, empty store for this test (each test is a process of its own)
 *   static void conf_end(void);             the last thing of a test that went well
 *
 * and is otherwise an ordinary test program. A server may be made once, outside, and be named in the environment.
 */
#ifndef TESTS_STORE_CONFORMANCE_H
#define TESTS_STORE_CONFORMANCE_H

#include <tagout/loop.h>
#include <tagout/store.h>

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONF_WAIT_MS 30000 /* a bound, not an expectation: servers on a loaded machine */
#define CONF_SESSION_MS 4000

static struct tg_loop *conf_loop;
static const char *conf_url;
static struct tg_store *conf_a; /* the session that every test starts with */

static struct tg_store *conf_open(void)
{
    struct tg_store_options o = {.loop = conf_loop, .url = conf_url, .session_ms = CONF_SESSION_MS, .flags = TG_STORE_CREATE};
    struct tg_store *s = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_store_open(&o, &s, &e), 0, "%s", e.message);
    cr_assert_eq(tg_store_connect(s, tg_store_deadline(s, CONF_WAIT_MS), &e), 0, "%s", e.message);
    cr_assert_eq(tg_store_state(s), TG_SESSION_CONNECTED);
    return s;
}

static void conf_setup(void)
{
    conf_url = conf_begin();
    cr_assert_eq(tg_loop_new(&conf_loop, NULL), 0);
    conf_a = conf_open();
}

static void conf_teardown(void)
{
    tg_store_close(conf_a);
    tg_loop_free(conf_loop);
    conf_end();
}

#define CONF_TEST2(suite, name) Test(suite, name, .init = conf_setup, .fini = conf_teardown)
#define CONF_TEST1(suite, name) CONF_TEST2(suite, name)
#define CONF_TEST(name) CONF_TEST1(CONFORMANCE_SUITE, name)

static int64_t conf_until(struct tg_store *s)
{
    return tg_store_deadline(s, CONF_WAIT_MS);
}

#define OK(call)                                                                                                                 \
    do {                                                                                                                         \
        struct tg_error conf_e = TG_ERROR_INIT;                                                                                  \
        struct tg_error *e = &conf_e;                                                                                            \
        int conf_rc = (call);                                                                                                    \
        cr_assert_eq(conf_rc, 0, "%s: %d %s", #call, conf_rc, e->message);                                                        \
    } while (0)
#define REFUSED(call, wanted)                                                                                                    \
    do {                                                                                                                         \
        struct tg_error conf_e = TG_ERROR_INIT;                                                                                  \
        struct tg_error *e = &conf_e;                                                                                            \
        int conf_rc = (call);                                                                                                    \
        cr_assert_eq(conf_rc, wanted, "%s: %d (%s) instead of %s", #call, conf_rc, e->message, #wanted);                         \
        cr_assert_eq(e->code, wanted);                                                                                           \
        cr_assert(e->message[0], "%s: no message", #call);                                                                        \
    } while (0)

static int conf_create(struct tg_store *s, const char *path, const char *text, struct tg_error *e)
{
    return tg_store_create(s, path, text, strlen(text), TG_CREATE_PERSISTENT, conf_until(s), e);
}

static int conf_ephemeral(struct tg_store *s, const char *path, struct tg_error *e)
{
    return tg_store_create(s, path, "", 0, TG_CREATE_EPHEMERAL, conf_until(s), e);
}

static int conf_write(struct tg_store *s, const char *path, const char *text, int64_t version, struct tg_error *e)
{
    return tg_store_write(s, path, text, strlen(text), version, conf_until(s), e);
}

static int conf_delete(struct tg_store *s, const char *path, int64_t version, struct tg_error *e)
{
    return tg_store_delete(s, path, version, conf_until(s), e);
}

static struct tg_stat conf_stat(struct tg_store *s, const char *path)
{
    struct tg_node n = {0};
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_store_read(s, path, conf_until(s), &n, &e), 0, "%s", e.message);
    struct tg_stat stat = n.stat;
    tg_node_release(&n);
    return stat;
}

static void conf_text_is(struct tg_store *s, const char *path, const char *text)
{
    struct tg_node n = {0};
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_store_read(s, path, conf_until(s), &n, &e), 0, "%s", e.message);
    cr_assert_eq(n.len, strlen(text), "%s: %zu bytes", path, n.len);
    cr_assert_str_eq(n.data, text);
    tg_node_release(&n);
}

static int conf_read_code(struct tg_store *s, const char *path)
{
    struct tg_node n = {0};
    int rc = tg_store_read(s, path, conf_until(s), &n, NULL);

    tg_node_release(&n);
    return rc;
}

/* Children's names, joined with commas. */
static const char *conf_names(struct tg_store *s, const char *path)
{
    static char out[4096];
    struct tg_names n = {0};
    struct tg_error e = TG_ERROR_INIT;
    size_t len = 0;

    cr_assert_eq(tg_store_list(s, path, conf_until(s), &n, &e), 0, "%s", e.message);
    cr_assert_eq(n.stat.children, (int64_t) n.count, "one read gives both the names and the server's count");
    out[0] = '\0';
    for (size_t i = 0; i < n.count; i++)
        len += (size_t) snprintf(out + len, sizeof out - len, "%s%s", i ? "," : "", n.names[i]);
    tg_names_release(&n);
    return out;
}

/* Sees to it that s sees what any other session has done so far. */
static void conf_sync(struct tg_store *s)
{
    OK(tg_store_sync(s, "/", conf_until(s), e));
}

/* Waits until reading the path gives this code. */
static void conf_await_code(struct tg_store *s, const char *path, int code)
{
    int64_t until = conf_until(s);

    while (conf_read_code(s, path) != code)
        cr_assert(tg_mono_ms(tg_loop_clock(conf_loop)) < until && tg_loop_turn(conf_loop, 10) >= 0, "%s never became %s", path, tg_code_name(code));
}

/* What a watch or an answer has recorded. */
struct conf_seen {
    int count;
    enum tg_watch_event event;
    char path[64];
    int order, code, failed_op;
    int64_t txid;
};
static int conf_order;

static void conf_on_watch(void *data, enum tg_watch_event event, const char *path)
{
    struct conf_seen *seen = data;

    seen->count++;
    seen->event = event;
    seen->order = ++conf_order;
    snprintf(seen->path, sizeof seen->path, "%s", path);
}

static void conf_on_reply(void *data, const struct tg_store_reply *r)
{
    struct conf_seen *seen = data;

    seen->count++;
    seen->code = r->code;
    seen->order = ++conf_order;
    seen->failed_op = r->failed_op;
    seen->txid = r->txid;
}

static void conf_await(const struct conf_seen *seen, int count)
{
    int64_t until = tg_mono_ms(tg_loop_clock(conf_loop)) + CONF_WAIT_MS;

    while (seen->count < count)
        cr_assert(tg_mono_ms(tg_loop_clock(conf_loop)) < until && tg_loop_turn(conf_loop, 100) >= 0, "no event within the bound");
}

static void conf_watch(struct tg_store *s, const char *path, struct conf_seen *seen)
{
    struct tg_node n = {0};
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_store_read_watch(s, path, conf_on_watch, seen, conf_until(s), &n, &e);

    cr_assert(rc == 0 || rc == TG_E_NOENT, "%s", e.message);
    tg_node_release(&n);
}

static void conf_watch_names(struct tg_store *s, const char *path, struct conf_seen *seen)
{
    struct tg_names n = {0};

    OK(tg_store_list_watch(s, path, conf_on_watch, seen, conf_until(s), &n, e));
    tg_names_release(&n);
}

#include "store_conformance_tests.h"

#endif
