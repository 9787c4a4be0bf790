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

#include "calendar/announce_send.h"
#include "config/problems.h"
#include "fleet/inventory.h"

#include <tagout/loop.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite_store.h"

#define HOUR INT64_C(3600000)

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
    cr_assert_eq(put_with(&a, "/change", &e), TG_E_UNKNOWN, "%s", e.message);
    cr_assert(strstr(e.hint, "tagout init"), "%s", e.hint);
    struct tg_announce_place p;
    tg_error_clear(&e);
    cr_assert_eq(tg_announce_begin(store, WAIT_MS, &p, &e), TG_E_UNKNOWN);
    cr_assert(strstr(e.hint, "tagout init"), "%s", e.hint);
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

/* ---- threads ---- */

static struct tg_announce_place the_place(struct tg_store *s)
{
    struct tg_announce_place p;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_announce_begin(s, WAIT_MS, &p, &e), 0, "%s", e.message);
    return p;
}

static struct tg_announce_folded fold(struct tg_announce_place *p)
{
    struct tg_announce_folded out;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_announce_fold(p, NOW, 1000, &out, &e), 0, "%s", e.message);
    return out;
}

static struct tg_thread *the_thread(const struct tg_announce_place *p)
{
    struct tg_thread *t;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_announce_find(p, "requests", "acme", 0, &t, &e), 0, "%s", e.message);
    return t;
}

ATEST(notes_are_taken_in_the_order_in_which_they_were_put)
{
    struct tg_announce_place p = the_place(store);
    struct tg_error e = TG_ERROR_INIT;

    for (int i = 0; i < 30; i++) {
        struct tg_announcement a = a_note(i % 3 == 1 ? TG_ANNOUNCE_CANCELLED : TG_ANNOUNCE_SCHEDULED, "r1", "web1");
        char path[32];
        snprintf(path, sizeof path, "/change%d", i);
        a.from_ms += i * HOUR;
        a.until_ms += i * HOUR;
        cr_assert_eq(put_with(&a, path, &e), 0, "%s", e.message);
    }
    cr_assert_eq(fold(&p).notes, 30);
    cr_assert_eq(waiting(), 0);
    struct tg_thread *t = the_thread(&p);
    cr_assert_eq(t->now.n, 1);
    cr_assert_eq(t->now.v[0].n_hosts, 1);
    cr_assert_eq(t->now.v[0].from_ms, NOW + (24 + 29) * HOUR);
    cr_assert_eq(t->due_ms, NOW + 1000);
    tg_thread_free(t);
}

ATEST(a_note_whose_clock_was_ahead_keeps_nobody_waiting)
{
    struct tg_announce_place p = the_place(store);
    struct tg_announcement a = a_note(TG_ANNOUNCE_SCHEDULED, "r1", "web1");

    a.at_ms = NOW + INT64_C(70) * 365 * 24 * HOUR;
    cr_assert_eq(put_with(&a, "/change", NULL), 0);
    fold(&p);
    struct tg_thread *t = the_thread(&p);
    cr_assert_eq(t->due_ms, NOW + 1000);
    tg_thread_free(t);
}

/* P2 */
ATEST(what_can_not_be_understood_stays_and_holds_up_nobody_else)
{
    static const char *const bad[] = {"", "{}", "\xff\xfe", "{\"format\":2,\"sum\":\"0000000000000000\"}", "[[[[[[[["};
    struct tg_announce_place p = the_place(store);
    struct tg_announcement a = a_note(TG_ANNOUNCE_SCHEDULED, "r1", "web1");
    char path[64], bucket[3];

    cr_assert_eq(put_with(&a, "/change", NULL), 0);
    tg_announce_bucket("requests", "acme", bucket);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(path, sizeof path, TG_ANNOUNCE_NEW "/%s/bad%zu", bucket, i);
        cr_assert_eq(tg_store_create(store, path, bad[i], strlen(bad[i]), 0, tg_store_deadline(store, WAIT_MS), NULL), 0);
    }
    struct tg_announce_folded out = fold(&p);
    cr_assert_eq(out.notes, 1);
    cr_assert_eq(out.bad, 5);
    cr_assert_neq(out.why.code, 0);
    cr_assert_eq(waiting(), 5);
    tg_thread_path(TG_ANNOUNCE_OPEN, "requests", "acme", 0, path, sizeof path);
    cr_assert_eq(tg_store_write(store, path, "{}", 2, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
    a.event = "r2";
    cr_assert_eq(put_with(&a, "/other", NULL), 0);
    out = fold(&p);
    cr_assert_eq(out.notes, 0, "it is not begun anew behind what was damaged");
    cr_assert_eq(out.bad, 6);
    cr_assert_eq(waiting(), 6);
}

/* P6, P7: who has lost his place, or was overtaken, notes nothing more, and therefore sends nothing more. */
ATEST(one_sends_and_nobody_writes_behind_another)
{
    struct tg_announce_place p = the_place(store), q;
    struct tg_announcement a = a_note(TG_ANNOUNCE_SCHEDULED, "r1", "web1");
    struct tg_store *other = open_another();
    struct tg_error e = TG_ERROR_INIT;

    q = the_place(other);
    cr_assert_eq(tg_announce_sit(&p, "alice@ops1", NOW, &e), 0, "%s", e.message);
    cr_assert_eq(tg_announce_sit(&q, "bob@ops2", NOW, &e), TG_E_HELD);
    cr_assert(strstr(e.message, "alice@ops1"), "%s", e.message);
    cr_assert_eq(put_with(&a, "/change", NULL), 0);
    fold(&p);
    struct tg_thread *mine = the_thread(&p), *theirs = the_thread(&q);
    cr_assert_eq(tg_announce_write(&q, theirs, NULL, 0, NULL), 0);
    cr_assert_eq(tg_announce_write(&p, mine, NULL, 0, NULL), TG_E_VERSION);
    cr_assert_eq(tg_announce_close(&p, mine, NOW, NULL), TG_E_VERSION);
    cr_assert_eq(tg_store_delete(store, TG_ANNOUNCE_SENDER, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
    tg_error_clear(&e);
    cr_assert_eq(tg_announce_sit(&q, "bob@ops2", NOW, &e), 0, "%s", e.message);
    tg_thread_free(mine);
    tg_thread_free(theirs);
    tg_store_close(other);
    tg_error_clear(&e);
    cr_assert_eq(tg_announce_sit(&p, "alice@ops1", NOW, &e), 0, "a place is free when its session ended: %s", e.message);
}

ATEST(what_was_told_is_known_when_the_next_change_comes)
{
    static const char *const to[] = {"ops@acme.example"};
    struct tg_announce_place p = the_place(store);
    struct tg_announcement a = a_note(TG_ANNOUNCE_SCHEDULED, "r1", "web1");
    struct tg_announce_paths paths;

    cr_assert_eq(put_with(&a, "/change", NULL), 0);
    fold(&p);
    struct tg_thread *t = the_thread(&p);
    cr_assert_eq(tg_thread_settle(t, to, 1, NOW, NULL), 0);
    cr_assert_eq(tg_thread_heard(t, NULL), 0);
    t->message->recipients[0].state = TG_RECIPIENT_SENT;
    cr_assert_eq(tg_announce_close(&p, t, NOW, NULL), 0);
    tg_thread_free(t);
    cr_assert_eq(tg_announce_list(&p, TG_ANNOUNCE_OPEN, &paths, NULL), 0);
    cr_assert_eq(paths.n, 0);
    tg_announce_paths_release(&paths);
    a.kind = TG_ANNOUNCE_CANCELLED;
    cr_assert_eq(put_with(&a, "/other", NULL), 0);
    fold(&p);
    t = the_thread(&p);
    cr_assert(t->open);
    cr_assert_eq(tg_thread_settle(t, to, 1, NOW, NULL), 0);
    cr_assert_eq(t->message->kind, TG_ANNOUNCE_CANCELLED);
    cr_assert_eq(t->message->sequence, 1);
    tg_thread_free(t);
}

/* P7, P12: by a clock that is years ahead all is over, and would be forgotten unsaid. */
ATEST(a_clock_that_is_far_from_the_stores_tells_nothing_and_forgets_nothing)
{
    struct tg_announce_site site = {.settle_ms = 1000, .retry = {1000, 1000, 1000}};
    struct tg_announce_run run = {.loop = loop, .store = store, .site = &site, .place = the_place(store)};
    struct tg_announcement a = a_note(TG_ANNOUNCE_SCHEDULED, "r1", "web1");
    struct tg_announce_stats stats;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_store_create(store, TG_BOOK_PATH, "", 0, 0, tg_store_deadline(store, WAIT_MS), NULL), 0);
    cr_assert_eq(put_with(&a, "/change", NULL), 0);
    cr_assert_eq(tg_announce_sit(&run.place, "alice@ops1", NOW, NULL), 0);
    cr_assert_eq(tg_announce_take_clock(&run, &e), 0, "%s", e.message);
    int64_t right = run.sat_store_ms;
    for (int i = 0; i < 2; i++) {
        run.sat_store_ms = right + (i ? 1 : -1) * (INT64_C(40) * 24 + 1) * HOUR;
        tg_error_clear(&e);
        cr_assert_eq(tg_announce_pass(&run, &stats, &e), TG_E_UNKNOWN);
        cr_assert(strstr(e.message, i ? "40 days behind" : "40 days ahead"), "%s", e.message);
        cr_assert_eq(waiting(), 1);
    }
    run.sat_store_ms = right;
    tg_error_clear(&e);
    cr_assert_eq(tg_announce_pass(&run, &stats, &e), 0, "%s", e.message);
    cr_assert_eq(waiting(), 0);
}

/* ---- weeks ---- */

#define FLEET "groups:\n  web: {hosts: \"web[1-40]\"}\n  db: {hosts: \"db[1-10]\"}\ncustomers:\n  acme: {contacts: [a@acme.example], hosts: \"@web\"}\n  bolt: {hosts: \"@db\"}\n"

static struct tg_week *lay(const char *who, const char *location)
{
    struct tg_problems problems = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inventory = NULL;
    struct tg_pattern *read = NULL;
    struct tg_week *week = NULL;
    char text[400];

    snprintf(text, sizeof text, "week: w\nlocation: \"%s\"\nlength: 4h\nslots:\n  - {name: early, day: mon, time: \"09:00\", who: {hosts: \"%s\", take: the rest}}\n", location, who);
    cr_assert_eq(tg_inventory_parse_yaml("fleet.yaml", FLEET, strlen(FLEET), &problems, &inventory, &e), 0, "%s", e.message);
    cr_assert_eq(tg_pattern_parse("week.yaml", text, strlen(text), &problems, &read, &e), 0, "%s", e.message);
    cr_assert_eq(tg_week_plan(read, inventory, 20787, &problems, &week, &e), 0, "%s", e.message);
    tg_pattern_free(read);
    tg_inventory_free(inventory);
    tg_problems_release(&problems);
    return week;
}

static void book(const struct tg_week *week)
{
    const struct tg_book_words words = {.by = "alice@ops1", .wall_ms = NOW, .wait_ms = WAIT_MS};
    struct tg_booked booked;
    struct tg_error e = TG_ERROR_INIT;
    bool was;

    cr_assert_eq(tg_book_week(store, week, &words, &booked, &was, &e), 0, "%s", e.message);
}

static void cancel(void)
{
    const struct tg_book_words words = {.by = "bob@ops2", .reason = "the network moves", .wall_ms = NOW, .wait_ms = WAIT_MS};
    struct tg_booked booked;
    bool was;

    cr_assert_eq(tg_book_cancel(store, "w-2026-11-30", &words, &booked, &was, NULL), 0);
}

/* What a customer would be told: "scheduled early web[1-40]". */
static void expect_told(struct tg_announce_place *p, const char *customer, const char *text)
{
    static const char *const to[] = {"webhook:x"};
    struct tg_thread *t;
    struct tg_error e = TG_ERROR_INIT;
    char is[200] = "";

    cr_assert_eq(tg_announce_find(p, "week:w-2026-11-30", customer, 0, &t, &e), 0, "%s", e.message);
    cr_assert_eq(tg_thread_settle(t, to, 1, NOW, NULL), 0);
    if (t->message && !t->message->heard)
        snprintf(is, sizeof is, "%s %s %s %s", tg_announce_kind_name(t->message->items.v[0].kind), t->message->items.v[0].event.key, t->message->items.v[0].event.hosts,
                 t->message->items.v[0].event.reason);
    cr_expect_str_eq(is, text, "%s: %s", customer, is);
    cr_assert_eq(tg_thread_heard(t, NULL), 0);
    cr_assert_eq(tg_announce_close(p, t, NOW, NULL), 0);
    tg_thread_free(t);
}

ATEST(customers_of_a_week_are_told_what_is_booked_and_what_is_not_any_more)
{
    struct tg_announce_place p;
    struct tg_week *all = lay("*", "*"), *web = lay("*", "@web");

    cr_assert_eq(tg_store_create(store, TG_BOOK_PATH, "", 0, 0, tg_store_deadline(store, WAIT_MS), NULL), 0);
    p = the_place(store);
    book(all);
    cr_assert_eq(waiting(), 1, "one note, however many customers");
    cr_assert_eq(fold(&p).notes, 1);
    cr_assert_eq(waiting(), 0);
    expect_told(&p, "acme", "scheduled early web[1-40] ");
    expect_told(&p, "bolt", "scheduled early db[1-10] ");
    cancel();
    book(all);
    fold(&p);
    expect_told(&p, "acme", "");
    cancel();
    book(web);
    fold(&p);
    expect_told(&p, "acme", "");
    expect_told(&p, "bolt", "cancelled early db[1-10] ");
    cancel();
    fold(&p);
    expect_told(&p, "acme", "cancelled early web[1-40] the network moves");
    expect_told(&p, "bolt", "");
    tg_week_free(all);
    tg_week_free(web);
}

#endif
