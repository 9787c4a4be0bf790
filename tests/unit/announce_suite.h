/*
 * What the queue of announcements promises, on any store. Included by one test_announce_X.c per store, which defines before the include
 *
 *   #define ANNOUNCE_SUITE announce_X
 *   static int announce_loop(struct tg_loop **out);
 *   static const char *announce_url(void);     of a fresh, empty store for this test
 *   static void announce_end(void);
 */
#ifndef TESTS_ANNOUNCE_SUITE_H
#define TESTS_ANNOUNCE_SUITE_H

#include "calendar/announce.h"

#include <tagout/loop.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000
#define NOW INT64_C(1795368000000) /* Sunday, 2026-11-22 */
#define HOUR INT64_C(3600000)

static struct tg_loop *loop;
static const char *url;
static struct tg_store *store;

static struct tg_store *open_another(void)
{
    struct tg_store_options o = {.loop = loop, .url = url, .session_ms = 4000, .flags = TG_STORE_CREATE};
    struct tg_store *s = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_store_open(&o, &s, &e), 0, "%s", e.message);
    cr_assert_eq(tg_store_connect(s, tg_store_deadline(s, WAIT_MS), &e), 0, "%s", e.message);
    return s;
}

static void setup(void)
{
    static const char *const folders[] = {TG_ANNOUNCE_PATH, TG_ANNOUNCE_NEW, TG_ANNOUNCE_OPEN, TG_ANNOUNCE_TOLD};
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(announce_loop(&loop), 0);
    url = announce_url();
    store = open_another();
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(tg_store_create(store, folders[i], "", 0, 0, tg_store_deadline(store, WAIT_MS), &e), 0, "%s", e.message);
}

static void teardown(void)
{
    tg_store_close(store);
    tg_loop_free(loop);
    announce_end();
}

#define ATEST2(suite, name) Test(suite, name, .init = setup, .fini = teardown)
#define ATEST1(suite, name) ATEST2(suite, name)
#define ATEST(name) ATEST1(ANNOUNCE_SUITE, name)

static struct tg_announcement a_note(enum tg_announce_kind kind, const char *event, const char *hosts)
{
    return (struct tg_announcement) {.kind = kind, .source = "requests", .event = event, .customer = "acme", .hosts = hosts, .activity = "reboot", .from_ms = NOW + 24 * HOUR,
                                     .until_ms = NOW + 25 * HOUR, .by = "alice@ops1", .at_ms = NOW};
}

/* With something else that is to be true together with it. */
static int put_with(const struct tg_announcement *a, const char *other_path, struct tg_error *e)
{
    struct tg_announce_op op;
    int rc = tg_announce_prepare(store, a, WAIT_MS, &op, e);

    if (rc)
        return rc;
    struct tg_op ops[2] = {{.kind = TG_OP_CREATE, .path = other_path, .data = "x", .len = 1}, op.op};
    rc = tg_store_multi(store, ops, op.any ? 2 : 1, tg_store_deadline(store, WAIT_MS), NULL, e);
    tg_announce_op_release(&op);
    return rc;
}

static size_t waiting(void)
{
    struct tg_names buckets, names;
    size_t n = 0;

    cr_assert_eq(tg_store_list(store, TG_ANNOUNCE_NEW, tg_store_deadline(store, WAIT_MS), &buckets, NULL), 0);
    for (size_t i = 0; i < buckets.count; i++) {
        char path[TG_ANNOUNCE_NODE_SIZE];
        snprintf(path, sizeof path, TG_ANNOUNCE_NEW "/%s", buckets.names[i]);
        cr_assert_eq(tg_store_list(store, path, tg_store_deadline(store, WAIT_MS), &names, NULL), 0);
        n += names.count;
        tg_names_release(&names);
    }
    tg_names_release(&buckets);
    return n;
}

/* P7: never the one without the other. */
ATEST(a_note_is_put_with_the_change_it_tells_of_or_not_at_all)
{
    struct tg_announcement a = a_note(TG_ANNOUNCE_SCHEDULED, "r1", "web[001-003]");
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(put_with(&a, "/change", &e), 0, "%s", e.message);
    cr_assert_eq(waiting(), 1);
    cr_assert_eq(put_with(&a, "/change", NULL), TG_E_EXISTS);
    cr_assert_eq(waiting(), 1);
    a.customer = "";
    cr_assert_eq(put_with(&a, "/other", &e), 0, "%s", e.message);
    cr_assert_eq(waiting(), 1, "whose customer is nobody, nobody is told");
}

/* P2 */
ATEST(an_older_store_is_refused_with_its_mend)
{
    struct tg_announcement a = a_note(TG_ANNOUNCE_SCHEDULED, "r1", "web1");
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_store_delete(store, TG_ANNOUNCE_NEW, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
    cr_assert_eq(tg_store_create(store, "/cluster", "{}", 2, 0, tg_store_deadline(store, WAIT_MS), NULL), 0);
    cr_assert_eq(put_with(&a, "/change", &e), TG_E_UNKNOWN, "%s", e.message);
}

ATEST(what_makes_no_sense_is_not_put)
{
    static const struct {
        const char *source, *event, *hosts, *activity;
        int64_t from_ms, until_ms;
    } bad[] = {
        {"", "e", "web1", "reboot", NOW, NOW + 1},          {"s", "", "web1", "reboot", NOW, NOW + 1},  {"s", "e", "", "reboot", NOW, NOW + 1},
        {"s", "e", "web[1-", "reboot", NOW, NOW + 1},       {"s", "e", "web1", "a\nBcc: b", NOW, NOW + 1}, {"s", "e", "web1", "reboot", NOW, NOW},
        {"s", "e", "web1", "reboot", -5, NOW},              {"s", "e", "web1", "\xff", NOW, NOW + 1},   {"s\r", "e", "web1", "reboot", NOW, NOW + 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_announcement a = {.kind = TG_ANNOUNCE_SCHEDULED, .source = bad[i].source, .event = bad[i].event, .customer = "acme", .hosts = bad[i].hosts,
                                    .activity = bad[i].activity, .from_ms = bad[i].from_ms, .until_ms = bad[i].until_ms, .at_ms = NOW};
        cr_expect_neq(put_with(&a, "/change", NULL), 0, "case %zu", i);
    }
    cr_assert_eq(waiting(), 0);
}

#endif
