/* When a host's requests may be carried out, from files and the store: held minute by minute to an agenda that knows the booked weeks whole. P2, P5. */
#include "calendar/request_site.h"

#include "calendar/book.h"
#include "guard/tree.h"
#include "store/cluster.h"
#include "store/memory.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MONDAY 20787 /* 2026-11-30 */
#define NOW INT64_C(1795368000000)
#define DAY_MS INT64_C(86400000)
#define MINUTE_MS INT64_C(60000)
#define WAIT_MS 20000

static const char fleet_text[] = "groups:\n  web: {hosts: \"web[1-6]\"}\n  db: {hosts: \"db[1-2]\"}\n"
                                 "customers:\n  acme: {contacts: [a@acme.example], hosts: \"@web\", lead: 3d}\n";
static const char calendar_text[] = "windows:\n  night: {hours: \"Mon-Sun 20:00-04:00\"}\nblackouts:\n  freeze: {hours: \"Wed 00:00-24:00\"}\n";
static const char pattern_text[] = "week: w\nlocation: \"@web\"\nlength: 4h\nslots:\n  - {name: a, day: mon, time: \"09:00\", who: {hosts: \"@web\", take: 2}}\n"
                                   "  - {name: b, day: fri, time: \"22:30\", zone: Europe/Berlin, who: {hosts: \"@web\", take: the rest}}\n";

static struct tg_loop *loop;
static struct tg_store *store;
static struct tg_inventory *inventory;
static struct tg_calendar *calendar;
static struct tg_week *week;
static char file[] = "/tmp/tagout-calendar-XXXXXX";

static void write_calendar(const char *text)
{
    FILE *f = fopen(file, "w");

    cr_assert(f != NULL);
    fputs(text, f);
    fclose(f);
}

static void setup(void)
{
    struct tg_store_options o = {.url = "memory:site", .session_ms = 4000, .flags = TG_STORE_CREATE};
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_pattern *pattern = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_loop_virtual(NOW, &loop, &e), 0);
    o.loop = loop;
    cr_assert_eq(tg_store_open(&o, &store, &e), 0);
    cr_assert_eq(tg_store_connect(store, tg_store_deadline(store, WAIT_MS), &e), 0);
    struct tg_op ops[80] = {{.path = TG_BOOK_PATH, .data = ""}};
    cr_assert_eq(tg_store_multi(store, ops, 1 + tg_tree_init_ops(ops + 1, 79), tg_store_deadline(store, WAIT_MS), NULL, &e), 0, "%s", e.message);
    cr_assert_eq(tg_inventory_parse_yaml("fleet", fleet_text, strlen(fleet_text), &p, &inventory, &e), 0, "%s", e.message);
    cr_assert_eq(tg_calendar_parse("calendar", calendar_text, strlen(calendar_text), &p, &calendar, &e), 0, "%s", e.message);
    cr_assert_eq(tg_pattern_parse("week", pattern_text, strlen(pattern_text), &p, &pattern, &e), 0, "%s", e.message);
    cr_assert_eq(tg_week_plan(pattern, inventory, MONDAY, &p, &week, &e), 0, "%s", e.message);
    tg_pattern_free(pattern);
    tg_problems_release(&p);
    int fd = mkstemp(file);
    cr_assert_geq(fd, 0);
    close(fd);
    write_calendar(calendar_text);
}

static void teardown(void)
{
    unlink(file);
    tg_week_free(week);
    tg_calendar_free(calendar);
    tg_inventory_free(inventory);
    tg_store_close(store);
    tg_loop_free(loop);
    tg_memory_forget("site");
}

static void book(void)
{
    const struct tg_book_words words = {.by = "alice@ops1", .wall_ms = NOW, .wait_ms = WAIT_MS};
    struct tg_booked booked;
    struct tg_error e = TG_ERROR_INIT;
    bool was;

    cr_assert_eq(tg_book_week(store, week, &words, &booked, &was, &e), 0, "%s", e.message);
}

static int open_site(struct tg_request_site *s, const char *host, int64_t at_ms)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_request_site_open(s, store, inventory, file, host, at_ms, WAIT_MS, &p, &e);

    tg_problems_release(&p);
    return rc;
}

#define STEST(name) Test(request_site, name, .init = setup, .fini = teardown)

/* As if asked at the beginning, in the middle (its slot may be over, the week is not), and behind the week. */
static void compare(const char *host, int64_t asked_ms)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_agenda *whole = NULL;
    struct tg_request_site s;
    const struct tg_host *h = tg_inventory_host(inventory, host);

    cr_assert_eq(tg_agenda_new_booked(calendar, inventory, (const struct tg_week *const[]) {week}, 1, &p, &whole, NULL), 0);
    cr_assert_eq(open_site(&s, host, asked_ms), 0);
    for (int64_t t = asked_ms; t < week->until_ms + 2 * DAY_MS; t += 7 * MINUTE_MS) {
        struct tg_fit want, is;
        cr_assert_eq(tg_agenda_fits(whole, tg_agenda_class(whole, h->index), t, 45 * MINUTE_MS, &want, NULL), 0);
        cr_assert_eq(s.when.fits(s.when.self, t, 45 * MINUTE_MS, &is, NULL), 0);
        cr_assert_eq(is.now, want.now, "%s at minute %d of the week", host, (int) ((t - week->from_ms) / MINUTE_MS));
        cr_assert_eq(is.start_ms, want.start_ms);
        cr_assert_eq(is.latest_ms, want.latest_ms);
    }
    tg_request_site_close(&s);
    tg_agenda_free(whole);
    tg_problems_release(&p);
}

STEST(a_booked_week_counts_for_its_hosts_alone_and_to_its_end) /* P5 */
{
    static const char *const hosts[] = {"web1", "web2", "web3", "web4", "web5", "web6", "db1"};

    book();
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        compare(hosts[i], NOW);
        compare(hosts[i], week->from_ms + 2 * DAY_MS);
        compare(hosts[i], week->until_ms + MINUTE_MS);
    }
}

STEST(a_week_that_cannot_be_read_is_no_week_without_slots) /* P2 */
{
    struct tg_request_site s;

    book();
    cr_assert_eq(tg_store_write(store, TG_BOOK_PATH, "x", 1, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
    cr_assert_eq(open_site(&s, "web1", NOW), TG_E_UNKNOWN);
    tg_request_site_close(&s);
    cr_assert_eq(tg_memory_drop("site", TG_BOOK_PATH, NULL), 0);
    cr_assert_eq(open_site(&s, "web1", NOW), TG_E_UNKNOWN);
    tg_request_site_close(&s);
}

STEST(a_calendar_is_read_anew_and_a_broken_one_opens_nothing) /* P2 */
{
    struct tg_request_site s;
    struct tg_fit fit;

    cr_assert_eq(open_site(&s, "db1", NOW), 0);
    cr_assert_eq(s.when.fits(s.when.self, NOW + 4 * 3600000, 45 * MINUTE_MS, &fit, NULL), 0);
    cr_assert(fit.now);
    tg_request_site_close(&s);
    write_calendar("default: closed\n");
    cr_assert_eq(open_site(&s, "db1", NOW), 0);
    cr_assert_eq(s.when.fits(s.when.self, NOW + 4 * 3600000, 45 * MINUTE_MS, &fit, NULL), 0);
    cr_assert(!fit.now);
    tg_request_site_close(&s);
    write_calendar("windows: [");
    cr_assert_eq(open_site(&s, "db1", NOW), TG_E_DATA);
    tg_request_site_close(&s);
}

/* What times of web1 are given by. */
static const char *basis_now(void)
{
    static char out[16][TG_REQ_BASIS_SIZE];
    static int at;
    struct tg_request_site s;

    at = (at + 1) % 16;
    cr_assert_eq(open_site(&s, "web1", NOW), 0);
    memcpy(out[at], s.basis, sizeof out[at]);
    tg_request_site_close(&s);
    cr_assert_neq(out[at][0], '\0');
    return out[at];
}

static void write_ics(const char *path, const char *stamp, const char *summary)
{
    FILE *f = fopen(path, "w");

    cr_assert(f != NULL);
    fprintf(f, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:%s\r\nSUMMARY:%s\r\nDTSTART:20261224T000000Z\r\nDTEND:20261227T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            stamp, summary);
    fclose(f);
}

STEST(what_times_are_given_by_changes_with_all_that_they_are_given_by)
{
    char ics[sizeof file + 8], text[200];
    const char *before = basis_now();
    struct tg_problems p = TG_PROBLEMS_INIT;

    cr_assert_str_eq(basis_now(), before);
    write_calendar("default: closed\n");
    cr_assert_str_neq(basis_now(), before);
    write_calendar(calendar_text);
    cr_assert_str_eq(basis_now(), before, "what is as it was is another one");
    book();
    cr_assert_str_neq(basis_now(), before);
    before = basis_now();
    tg_inventory_free(inventory);
    const char *const other = "groups:\n  web: {hosts: \"web[1-6]\"}\n  db: {hosts: \"db[1-2]\"}\ncustomers:\n  acme: {contacts: [a@acme.example], hosts: \"@web\", lead: 3d, windows: [\"Mon 22:00-23:00\"]}\n";
    cr_assert_eq(tg_inventory_parse_yaml("fleet", other, strlen(other), &p, &inventory, NULL), 0);
    tg_problems_release(&p);
    cr_assert_str_neq(basis_now(), before);

    snprintf(ics, sizeof ics, "%s.ics", file);
    write_ics(ics, "20261101T000000Z", "freeze");
    snprintf(text, sizeof text, "blackouts:\n  freeze: {ics: \"%s\"}\n", ics);
    write_calendar(text);
    before = basis_now();
    write_ics(ics, "20261102T000000Z", "freeze");
    cr_assert_str_eq(basis_now(), before, "an export that says the same at another time is another one");
    write_ics(ics, "20261102T000000Z", "thaw");
    cr_assert_str_neq(basis_now(), before);
    unlink(ics);
}

STEST(customers_and_their_lead_time_are_known)
{
    struct tg_request_site s;

    cr_assert_eq(open_site(&s, "web1", NOW), 0);
    cr_assert_str_eq(s.when.customer, "acme");
    cr_assert_eq(s.when.lead_ms, 3 * DAY_MS);
    tg_request_site_close(&s);
    cr_assert_eq(open_site(&s, "db1", NOW), 0);
    cr_assert_str_eq(s.when.customer, "");
    tg_request_site_close(&s);
    cr_assert_eq(open_site(&s, "nobody", NOW), TG_E_USAGE);
    tg_request_site_close(&s);
}
