/*
 * What booked maintenance weeks promise, on any store. Included by one test_book_X.c per store, which defines before the include
 *
 *   #define BOOK_SUITE book_X
 *   static int book_loop(struct tg_loop **out);
 *   static const char *book_url(void);     of a fresh, empty store for this test
 *   static void book_end(void);
 *
 * and adds what only that store can do.
 */
#ifndef TESTS_BOOK_SUITE_H
#define TESTS_BOOK_SUITE_H

#include "calendar/announce.h"
#include "calendar/book_folder.h"
#include "config/problems.h"
#include "fleet/inventory.h"

#include <tagout/loop.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite_store.h"

#define MONDAY 20787               /* 2026-11-30 */


static void setup(void)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(book_loop(&loop), 0);
    url = book_url();
    store = open_another();
    static const char *const folders[] = {TG_BOOK_PATH, TG_ANNOUNCE_PATH, TG_ANNOUNCE_NEW};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        cr_assert_eq(tg_store_create(store, folders[i], "", 0, 0, tg_store_deadline(store, WAIT_MS), &e), 0, "%s", e.message);
}

static void teardown(void)
{
    tg_store_close(store);
    tg_loop_free(loop);
    book_end();
}

#define BTEST2(suite, name) Test(suite, name, .init = setup, .fini = teardown)
#define BTEST1(suite, name) BTEST2(suite, name)
#define BTEST(name) BTEST1(BOOK_SUITE, name)

#define FLEET                                                                                                                                                  \
    "groups:\n  web: {hosts: \"web[001-900].example.com\", attrs: {rack: a}}\n  db: {hosts: \"db[01-30]\", attrs: {rack: b}}\n  odd: {hosts: \"spare[1-3]\"}\n"         \
    "customers:\n  acme: {contacts: [a@acme.example], hosts: \"@web and shard:0-49\"}\n  bolt: {contacts: [b@bolt.example], hosts: \"@db\"}\n"
#define PATTERN(name, location)                                                                                                                               \
    "week: " name "\nlocation: \"" location "\"\nlength: 4h\nspread: [customer]\nslots:\n"                                                                       \
    "  - {name: early, day: mon, time: \"09:00\", who: {hosts: \"*\", take: 10%}}\n"                                                                             \
    "  - {name: middle, day: tue, time: \"22:00\", zone: Europe/Berlin, who: {hosts: \"*\", take: 30%}}\n"                                                        \
    "  - {name: late, day: fri, time: \"09:00\", who: {hosts: \"*\", take: the rest}}\n"                                                                         \
    "  - {name: none, day: fri, time: \"19:00\", who: {hosts: \"*\", take: the rest}}\n"

static struct tg_week *lay(const char *pattern, int64_t date)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inventory = NULL;
    struct tg_pattern *read = NULL;
    struct tg_week *week = NULL;

    cr_assert_eq(tg_inventory_parse_yaml("fleet.yaml", FLEET, strlen(FLEET), &p, &inventory, &e), 0, "%s", e.message);
    cr_assert_eq(tg_pattern_parse("week.yaml", pattern, strlen(pattern), &p, &read, &e), 0, "%s", e.message);
    cr_assert_eq(tg_week_plan(read, inventory, date, &p, &week, &e), 0, "%s", e.message);
    tg_pattern_free(read);
    tg_inventory_free(inventory);
    tg_problems_release(&p);
    return week;
}

static int book_as(struct tg_store *s, const struct tg_week *week, const char *by, int64_t now_ms, bool *out_was, struct tg_error *e)
{
    const struct tg_book_words words = {.by = by, .wall_ms = now_ms, .wait_ms = WAIT_MS};
    struct tg_booked booked;

    return tg_book_week(s, week, &words, &booked, out_was, e);
}

static void must_book(const struct tg_week *week, bool was)
{
    struct tg_error e = TG_ERROR_INIT;
    bool is = !was;

    cr_assert_eq(book_as(store, week, "alice@ops1", NOW, &is, &e), 0, "%s", e.message);
    cr_assert_eq(is, was);
}

static int cancel(const char *id, bool *out_was)
{
    const struct tg_book_words words = {.by = "bob@ops2", .reason = "the network moves", .wall_ms = NOW, .wait_ms = WAIT_MS};
    struct tg_booked booked;

    return tg_book_cancel(store, id, &words, &booked, out_was, NULL);
}

static struct tg_book the_book(void)
{
    struct tg_book book;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_book_read(store, WAIT_MS, &book, &e), 0, "%s", e.message);
    return book;
}

/* What stands in the store is this week, in every part of it. */
__attribute__((unused)) static void is_booked(const struct tg_week *week)
{
    struct tg_book book = the_book();
    const struct tg_booked *booked = tg_book_find(&book, week->id);
    struct tg_week *back = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert(booked && !booked->cancelled);
    cr_assert_eq(tg_book_load(store, booked, WAIT_MS, &back, &e), 0, "%s", e.message);
    cr_assert_str_eq(back->digest, week->digest);
    cr_assert_str_eq(back->name, week->name);
    cr_assert_str_eq(back->location, week->location);
    cr_assert_eq(back->n_slots, week->n_slots);
    for (size_t s = 0; s < week->n_slots; s++) {
        cr_assert_str_eq(back->slots[s].who, week->slots[s].who);
        cr_assert_str_eq(back->slots[s].zone, week->slots[s].zone);
        cr_assert_eq(back->slots[s].date, week->slots[s].date);
    }
    cr_assert_eq(back->n_customers, week->n_customers);
    for (size_t i = 0; i < week->names.n; i++)
        cr_assert_eq(back->customer_of[i], week->customer_of[i], "%s", tg_hostlist_get(&week->names, i));
    cr_assert_eq(back->n_rows, week->n_rows);
    for (size_t r = 0; r < week->n_rows; r++) {
        cr_assert_str_eq(back->rows[r].name, week->rows[r].name);
        cr_assert_eq(memcmp(back->rows[r].counts, week->rows[r].counts, week->n_slots * sizeof *week->rows[r].counts), 0);
    }
    cr_assert_eq(back->n_warnings, week->n_warnings);
    tg_week_free(back);
    tg_book_release(&book);
}

static size_t folders(void)
{
    struct tg_names names;

    cr_assert_eq(tg_store_list(store, TG_BOOK_PATH, tg_store_deadline(store, WAIT_MS), &names, NULL), 0);
    size_t n = names.count;
    tg_names_release(&names);
    return n;
}

#ifndef BOOK_SUITE_HELPERS_ONLY

BTEST(a_week_comes_back_as_it_was_laid)
{
    struct tg_week *week = lay(PATTERN("w", "*"), MONDAY);

    must_book(week, false);
    is_booked(week);
    must_book(week, true); /* the same again changes nothing */
    cr_assert_eq(folders(), 1);
    tg_week_free(week);
}

BTEST(a_week_is_not_booked_over_another_one)
{
    struct tg_week *week = lay(PATTERN("w", "*"), MONDAY), *other = lay(PATTERN("w", "@db"), MONDAY), *elsewhere = lay(PATTERN("v", "@db"), MONDAY);
    struct tg_error e = TG_ERROR_INIT;
    bool was;

    must_book(week, false);
    cr_assert_eq(book_as(store, other, "bob@ops2", NOW, &was, &e), TG_E_EXISTS);
    cr_assert(strstr(e.message, "week w-2026-11-30 is booked otherwise: 933 hosts, by alice@ops1 at 2026-11-22T"), "%s", e.message);
    cr_assert(strstr(e.hint, "cancel w-2026-11-30"), "%s", e.hint);
    tg_error_clear(&e);
    cr_assert_eq(book_as(store, elsewhere, "bob@ops2", NOW, &was, &e), TG_E_EXISTS);
    cr_assert(strstr(e.message, "30 of its hosts have a slot in week w-2026-11-30 at that time, booked by alice@ops1: db[01-30]"), "%s", e.message);
    is_booked(week);
    tg_week_free(week);
    tg_week_free(other);
    tg_week_free(elsewhere);
}

BTEST(weeks_of_other_hosts_or_times_stand_beside_each_other)
{
    struct tg_week *web = lay(PATTERN("web", "@web"), MONDAY), *db = lay(PATTERN("db", "@db"), MONDAY), *later = lay(PATTERN("web", "@web"), MONDAY + 7);

    must_book(later, false);
    must_book(web, false);
    must_book(db, false);
    is_booked(web);
    is_booked(db);
    is_booked(later);
    struct tg_book book = the_book();
    cr_assert_eq(book.n, 3);
    cr_assert_str_eq(book.weeks[2].id, "web-2026-12-07"); /* by their beginning */
    tg_book_release(&book);
    tg_week_free(web);
    tg_week_free(db);
    tg_week_free(later);
}

BTEST(a_week_that_has_begun_is_not_booked)
{
    struct tg_week *week = lay(PATTERN("w", "*"), MONDAY);
    struct tg_error e = TG_ERROR_INIT;
    bool was;

    cr_assert_eq(book_as(store, week, "alice@ops1", week->from_ms, &was, &e), TG_E_USAGE);
    cr_assert_eq(folders(), 0);
    cr_assert_eq(book_as(store, week, "alice@ops1", week->from_ms - 1, &was, &e), 0);
    tg_week_free(week);
}

BTEST(a_cancelled_week_is_not_in_force_and_may_be_booked_anew)
{
    struct tg_week *week = lay(PATTERN("w", "*"), MONDAY);
    struct tg_booking *bookings;
    size_t n = 1;
    bool was = true;

    cr_assert_eq(cancel("w-2026-11-30", &was), TG_E_NOENT);
    must_book(week, false);
    cr_assert_eq(cancel("w-2026-11-30", &was), 0);
    cr_assert_not(was);
    cr_assert_eq(folders(), 0);
    cr_assert_eq(cancel("w-2026-11-30", &was), 0);
    cr_assert(was);
    cr_assert_eq(tg_book_of_host(store, "db01", NOW, WAIT_MS, &bookings, &n, NULL), 0);
    cr_assert_eq(n, 0);
    free(bookings);
    struct tg_book book = the_book();
    cr_assert_eq(book.n, 1);
    cr_assert(book.weeks[0].cancelled && strcmp(book.weeks[0].reason, "the network moves") == 0 && strcmp(book.weeks[0].cancelled_by, "bob@ops2") == 0);
    tg_book_release(&book);
    must_book(week, false);
    is_booked(week);
    tg_week_free(week);
}

BTEST(a_host_is_told_its_slots)
{
    struct tg_week *week = lay(PATTERN("w", "*"), MONDAY), *next = lay(PATTERN("w", "*"), MONDAY + 7);
    struct tg_error e = TG_ERROR_INIT;
    struct tg_booking *bookings;
    size_t n;

    must_book(next, false);
    must_book(week, false);
    for (size_t i = 0; i < week->names.n; i += 97) {
        const struct tg_week_slot *slot = &week->slots[week->slot_of[i]];
        cr_assert_eq(tg_book_of_host(store, tg_hostlist_get(&week->names, i), NOW, WAIT_MS, &bookings, &n, &e), 0, "%s", e.message);
        cr_assert_eq(n, 2);
        cr_assert_str_eq(bookings[0].week, week->id);
        cr_assert_str_eq(bookings[0].slot, slot->name);
        cr_assert_eq(bookings[0].from_ms, slot->from_ms);
        cr_assert_eq(bookings[0].until_ms, slot->until_ms);
        cr_assert_str_eq(bookings[1].week, next->id);
        free(bookings);
        cr_assert_eq(tg_book_of_host(store, tg_hostlist_get(&week->names, i), slot->until_ms, WAIT_MS, &bookings, &n, &e), 0);
        cr_assert_eq(n, 1); /* that one is over */
        free(bookings);
    }
    cr_assert_eq(tg_book_of_host(store, "nobody.example.com", NOW, WAIT_MS, &bookings, &n, &e), 0);
    cr_assert_eq(n, 0);
    free(bookings);
    tg_week_free(week);
    tg_week_free(next);
}

/* Who died before the list was written has booked nothing; the same again goes on with what lies there. */
BTEST(what_somebody_left_half_written_is_completed_or_swept)
{
    struct tg_week *week = lay(PATTERN("w", "*"), MONDAY), *other = lay(PATTERN("x", "@db"), MONDAY);
    struct tg_book_nodes nodes;
    struct tg_error e = TG_ERROR_INIT;
    char key[TG_BOOK_KEY_SIZE], path[400];
    int64_t version;
    bool was;

    cr_assert_eq(tg_book_nodes_make(week, &nodes, &e), 0);
    snprintf(key, sizeof key, "%s.%.12s", week->id, nodes.digest);
    cr_assert_eq(tg_book_folder_write(store, key, &nodes, WAIT_MS, &version, &e), 0, "%s", e.message);
    snprintf(path, sizeof path, TG_BOOK_PATH "/%s/week", key);
    cr_assert_eq(tg_store_delete(store, path, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
    snprintf(path, sizeof path, TG_BOOK_PATH "/%s/hosts-000", key);
    cr_assert_eq(tg_store_write(store, path, "{}", 2, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
    struct tg_book book = the_book();
    cr_assert_eq(book.n, 0);
    tg_book_release(&book);
    must_book(week, false);
    is_booked(week);
    cr_assert_eq(cancel(week->id, &was), 0);
    cr_assert_eq(tg_book_folder_write(store, "y-2026-11-30.000000000000", &nodes, WAIT_MS, &version, &e), 0, "%s", e.message);
    cr_assert_eq(book_as(store, other, "alice@ops1", NOW, &was, &e), 0);
    cr_assert_eq(folders(), 2); /* somebody may be writing it right now */
    tg_book_folders_sweep(store, NOW + 3650 * INT64_C(86400000), WAIT_MS);
    cr_assert_eq(folders(), 1);
    is_booked(other);
    tg_book_nodes_release(&nodes);
    tg_week_free(week);
    tg_week_free(other);
}

/* Whoever removes a folder and whoever completes it don't make half a week of it. */
BTEST(who_writes_starts_anew_when_the_folder_was_swept_meanwhile)
{
    struct tg_week *week = lay(PATTERN("w", "*"), MONDAY);
    struct tg_book_nodes nodes;
    struct tg_error e = TG_ERROR_INIT;
    char key[TG_BOOK_KEY_SIZE];
    int64_t before, behind;

    cr_assert_eq(tg_book_nodes_make(week, &nodes, &e), 0);
    snprintf(key, sizeof key, "%s.%.12s", week->id, nodes.digest);
    cr_assert_eq(tg_book_folder_write(store, key, &nodes, WAIT_MS, &before, &e), 0);
    char path[400];
    snprintf(path, sizeof path, TG_BOOK_PATH "/%s", key);
    cr_assert_eq(tg_store_write(store, path, "{\"format\":1,\"state\":\"removing\"}", 31, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
    cr_assert_eq(tg_book_folder_write(store, key, &nodes, WAIT_MS, &behind, &e), 0);
    cr_assert_neq(before, behind); /* a list that was to be written with the first one is refused */
    must_book(week, false);
    is_booked(week);
    tg_book_nodes_release(&nodes);
    tg_week_free(week);
}

/* P2: what can't be read is not "nothing is booked". */
BTEST(what_is_damaged_or_missing_is_unknown)
{
    static const char *const bad[] = {"{", "{}", "null", "{\"format\":2,\"weeks\":[],\"sum\":\"0000000000000000\"}", "{\"format\":1,\"weeks\":[]}"};
    struct tg_week *week = lay(PATTERN("w", "*"), MONDAY);
    struct tg_booking *bookings;
    struct tg_names names;
    struct tg_node node;
    struct tg_book book;
    char folder[300], path[600];
    size_t n;

    must_book(week, false);
    book = the_book();
    snprintf(folder, sizeof folder, TG_BOOK_PATH "/%s", book.weeks[0].key);
    cr_assert_eq(tg_store_list(store, folder, tg_store_deadline(store, WAIT_MS), &names, NULL), 0);
    cr_assert_gt(names.count, 5);
    for (size_t i = 0; i < names.count; i++) {
        struct tg_week *back = NULL;
        snprintf(path, sizeof path, "%s/%s", folder, names.names[i]);
        cr_assert_eq(tg_store_read(store, path, tg_store_deadline(store, WAIT_MS), &node, NULL), 0);
        node.data[node.len / 2] ^= 1;
        cr_assert_eq(tg_store_write(store, path, node.data, node.len, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
        cr_assert_eq(tg_book_load(store, &book.weeks[0], WAIT_MS, &back, NULL), TG_E_UNKNOWN, "%s", path);
        cr_assert_eq(tg_store_delete(store, path, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
        cr_assert_eq(tg_book_load(store, &book.weeks[0], WAIT_MS, &back, NULL), TG_E_UNKNOWN, "%s", path);
        node.data[node.len / 2] ^= 1;
        cr_assert_eq(tg_store_create(store, path, node.data, node.len, 0, tg_store_deadline(store, WAIT_MS), NULL), 0);
        tg_node_release(&node);
    }
    is_booked(week);
    tg_names_release(&names);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_book none;
        cr_assert_eq(tg_store_write(store, TG_BOOK_PATH, bad[i], strlen(bad[i]), TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
        cr_assert_eq(tg_book_read(store, WAIT_MS, &none, NULL), TG_E_UNKNOWN, "%s", bad[i]);
        cr_assert_eq(tg_book_of_host(store, "db01", NOW, WAIT_MS, &bookings, &n, NULL), TG_E_UNKNOWN);
    }
    tg_book_release(&book);
    tg_week_free(week);
}

BTEST(a_store_without_the_calendar_is_not_whole)
{
    struct tg_book book;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_store_delete(store, TG_BOOK_PATH, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
    cr_assert_eq(tg_book_read(store, WAIT_MS, &book, &e), TG_E_UNKNOWN);
    cr_assert(strstr(e.message, "what is booked is not known"), "%s", e.message);
}

#include "book_suite_marks.h"
#include "book_suite_cancelled.h"

#endif
#endif
