/* Maintenance weeks: who has which slot, that each host has exactly one, and that the same hosts have the same ones again. */
#include "calendar/week_picture.h"
#include "calendar/week_text.h"
#include "config/problems.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tagout/clock.h>

static char *slurp(const char *file)
{
    const char *source = getenv("TAGOUT_SOURCE");
    char path[600];
    static char text[65536];

    snprintf(path, sizeof path, "%s/tests/data/%s", source ? source : ".", file);
    FILE *in = fopen(path, "r");
    cr_assert(in, "%s", path);
    size_t n = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[n] = '\0';
    return strdup(text);
}

static struct tg_inventory *fleet(const char *text)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_inventory *inventory = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_inventory_parse_yaml("fleet.yaml", text, strlen(text), &p, &inventory, &e), 0, "%s", e.message);
    tg_problems_release(&p);
    return inventory;
}

static int64_t date(const char *text)
{
    int64_t d;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_date_parse(text, &d, &e), 0, "%s", e.message);
    return d;
}

static int try_lay(const char *pattern, const struct tg_inventory *inventory, const char *start, struct tg_problems *p, struct tg_week **out, struct tg_error *e)
{
    struct tg_pattern *read = NULL;
    int rc = tg_pattern_parse("week.yaml", pattern, strlen(pattern), p, &read, e);

    if (!rc)
        rc = tg_week_plan(read, inventory, date(start), p, out, e);
    tg_pattern_free(read);
    return rc;
}

static struct tg_week *lay_at(const char *pattern, const struct tg_inventory *inventory, const char *start)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_week *week = NULL;

    cr_assert_eq(try_lay(pattern, inventory, start, &p, &week, &e), 0, "%d:%d: %s", e.line, e.column, e.message);
    tg_problems_release(&p);
    return week;
}

static struct tg_week *lay(const char *pattern, const struct tg_inventory *inventory)
{
    return lay_at(pattern, inventory, "2026-11-30");
}

/* "6 2 14": the hosts of each slot, by time. */
static void counts_are(const struct tg_week *week, const char *expected)
{
    struct tg_buf got = TG_BUF_INIT;

    for (size_t s = 0; s < week->n_slots; s++)
        tg_buf_printf(&got, "%s%u", s ? " " : "", week->slots[s].n);
    cr_assert_str_eq(tg_buf_text(&got), expected);
    tg_buf_release(&got);
}

static size_t slot_named(const struct tg_week *week, const char *name)
{
    for (size_t s = 0; s < week->n_slots; s++)
        if (strcmp(week->slots[s].name, name) == 0)
            return s;
    cr_assert_fail("no slot %s", name);
    return 0;
}

static void hosts_are(const struct tg_week *week, const char *slot, const char *expected)
{
    struct tg_buf got = TG_BUF_INIT;

    cr_assert_eq(tg_week_fold(week, slot_named(week, slot), &got, NULL), 0);
    cr_assert_str_eq(tg_buf_text(&got), expected, "%s: %s", slot, tg_buf_text(&got));
    tg_buf_release(&got);
}

/* The mistakes are exactly these, each a beginning of "line:column: message; hint". */
static void refused(const char *pattern, const char *inventory, const char *const *lines)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_week *week = NULL;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inv = fleet(inventory);
    size_t i = 0;

    cr_assert_eq(try_lay(pattern, inv, "2026-11-30", &p, &week, &e), TG_E_DATA, "%s", pattern);
    cr_assert_null(week);
    tg_problems_sort(&p);
    for (; lines[i]; i++) {
        char got[1200];
        cr_assert_lt(i, p.n, "missing: %s", lines[i]);
        snprintf(got, sizeof got, "%d:%d: %s; %s", p.list[i].error.line, p.list[i].error.column, p.list[i].error.message, p.list[i].error.hint);
        cr_assert(strncmp(got, lines[i], strlen(lines[i])) == 0, "\n  got    %s\n  wanted %s", got, lines[i]);
    }
    cr_assert_eq(p.n, i, "one more: %s", p.n > i ? p.list[i].error.message : "");
    tg_problems_release(&p);
    tg_inventory_free(inv);
}
#define REFUSED(pattern, inventory, ...) refused(pattern, inventory, (const char *const[]) {__VA_ARGS__, NULL})

/* ---- the fleet of the first seed ---- */

Test(week, eight_slots_over_236_machines_each_exactly_once)
{
    char *f = slurp("flying-circus.yaml"), *p = slurp("flying-circus.week.yaml");
    struct tg_inventory *inventory = fleet(f);
    struct tg_week *week = lay(p, inventory);
    struct tg_week_days days;
    size_t n_hosts;

    counts_are(week, "6 2 14 37 46 101 29 1");
    tg_week_days(week, &days);
    cr_assert_eq(days.n, 6);
    static const uint32_t a_day[] = {22, 37, 46, 101, 0, 30};
    for (size_t d = 0; d < 6; d++)
        cr_assert_eq(days.hosts[d], a_day[d], "day %zu: %u", d, days.hosts[d]);
    hosts_are(week, "automation", "build[1-2].whq.example,cm[1-2].whq.example,mon[1-2].whq.example");
    hosts_are(week, "first-router", "router1.whq.example,st04.whq.example");
    hosts_are(week, "representative", "litmus[1-6].whq.example,test[01-08].cust.example");
    hosts_are(week, "tests", "prod[025,036,047].cust.example,st[08,10].whq.example,test[09-40].cust.example");
    hosts_are(week, "production", "prod[001-004,006-007,010-017,019-023,026-027,029-031,033,037,039,041-045,048-050,052-055,057-060].cust.example,st[05-07].whq.example");
    hosts_are(week, "remaining", "prod[005,008-009,018,024,028,032,034-035,038,040,046,051,056,061-143].cust.example,st[01-03,09].whq.example");
    hosts_are(week, "kvm", "kvm[01-29].whq.example");
    hosts_are(week, "second-router", "router2.whq.example");
    /* Counted here once more, by what was folded: each of the inventory's hosts once, none beside. */
    struct tg_hostlist all = TG_HOSTLIST_INIT;
    for (size_t s = 0; s < week->n_slots; s++) {
        struct tg_buf text = TG_BUF_INIT;
        cr_assert_eq(tg_week_fold(week, s, &text, NULL), 0);
        cr_assert_eq(tg_nodeset_expand(text.data, text.len, &all, NULL), 0);
        tg_buf_release(&text);
    }
    cr_assert_eq(all.n, 236);
    cr_assert_eq(tg_hostlist_sort(&all, NULL), 0);
    cr_assert_eq(all.n, 236);
    const struct tg_host *hosts = tg_inventory_hosts(inventory, &n_hosts);
    for (size_t i = 0; i < n_hosts; i++)
        cr_assert_str_eq(tg_hostlist_get(&all, i), hosts[i].name);
    tg_hostlist_release(&all);
    tg_week_free(week);
    tg_inventory_free(inventory);
    free(f);
    free(p);
}

/* ---- mistakes ---- */

#define FLEET "groups:\n  web: {hosts: \"web[1-10]\", attrs: {role: web}}\n  db: {hosts: \"db[1-4]\", attrs: {role: db}}\n"
#define HEAD "week: w\nlength: 4h\nslots:\n"
#define MON(rest) "  - {name: a, day: mon, time: \"09:00\", " rest "}\n"
#define TUE(rest) "  - {name: b, day: tue, time: \"09:00\", " rest "}\n"

Test(week, what_is_wrong_in_the_file_is_told_with_its_place)
{
    REFUSED("week: W!\nlength: 4h\nslots: []\n", FLEET, "1:7: week must be a word", "3:8: no slots");
    REFUSED("wek: w\nslots: [{name: a, day: mon, time: \"09:00\", length: 1h, who: \"*\"}]\n", FLEET, "1:1: unknown key \"wek\"", "1:1: a maintenance week");
    REFUSED(HEAD "  - {name: a, day: mo, time: \"9\", length: 8d, zone: Mars/Olympus, order: x, who: \"@web and\"}\n", FLEET, "4:20: day must be a day of the week",
            "4:30: time must be a time of the day", "4:43: length", "4:53: zone: ", "4:74: order", "4:91: who: ");
    REFUSED("week: w\nslots:\n" MON("who: \"*\""), FLEET, "3:5: how long is slot \"a\"?");
    REFUSED(HEAD MON("who: \"*\"") MON("who: \"@db\""), FLEET, "5:12: a second slot \"a\"");
    REFUSED(HEAD MON("who: []"), FLEET, "4:45: who names nobody");
    REFUSED(HEAD MON("who: {hosts: \"*\", take: some}"), FLEET, "4:64: take must be a number or a share");
    REFUSED(HEAD MON("who: {hosts: \"*\", take: 0}"), FLEET, "4:64: take 0 takes nobody");
    REFUSED(HEAD MON("who: {hosts: \"*\", take: 101%}"), FLEET, "4:64: take must be a number or a share");
    REFUSED(HEAD MON("who: {hosts: \"*\", take: -1}"), FLEET, "4:64: take must be a number or a share");
    REFUSED(HEAD MON("who: {hosts: \"*\", first: \"@db\"}"), FLEET, "4:65: first says whom a quota takes");
    REFUSED("week: w\nlength: 4h\nat-once: 0\nbegins: soon\nspread: [\"a b\"]\nslots:\n" MON("who: \"*\""), FLEET, "3:10: at-once must be more than 0",
            "4:9: begins must be a day", "5:10: \"a b\" can't be an attribute");
}

Test(week, what_does_not_fit_the_inventory_is_told_with_its_place)
{
    REFUSED(HEAD MON("who: [\"@web\", \"@wbe\"]") TUE("who: \"@db and rol=x\""), FLEET, "4:55: hosts: there is no group \"wbe\"", "5:54: hosts: no host has an attribute \"rol\"");
    REFUSED("week: w\nlocation: \"@prod\"\nlength: 4h\nslots:\n" MON("who: \"*\""), FLEET, "2:12: location: there is no group \"prod\"");
    REFUSED("week: w\nlocation: role=none\nlength: 4h\nslots:\n" MON("who: \"*\""), FLEET, "2:11: location: the inventory fleet.yaml has no host of \"role=none\"");
    REFUSED("week: w\nspread: [role, rak]\nlength: 4h\nslots:\n" MON("who: \"*\""), FLEET, "2:16: spread: no host has an attribute \"rak\"");
    REFUSED("week: w\nspread: [role, building]\nlength: 4h\nslots:\n" MON("who: \"*\""), FLEET,
            "2:16: spread: no host has an attribute \"building\"; leave it out, or give the hosts \"building\" in the inventory");
}

/* The cross-check: a host in none or in two is named, with its slots. */
Test(week, a_host_without_a_slot_is_named)
{
    REFUSED(HEAD MON("who: \"@web\""), FLEET, "4:3: 4 hosts of the location have no slot: db[1-4]");
    REFUSED(HEAD MON("who: \"@web\"") TUE("who: {hosts: \"@db\", take: 3}"), FLEET, "4:3: 1 host of the location has no slot: db");
    REFUSED(HEAD MON("who: \"@db\"") TUE("who: {hosts: \"@web\", take: up to 94%}"), FLEET, "4:3: 1 host of the location has no slot: web");
}

Test(week, a_host_with_two_slots_is_named)
{
    REFUSED(HEAD MON("who: \"@web\"") TUE("who: \"*\""), FLEET,
            "5:45: 10 hosts would have two slots, \"a\" (Mon 30 Nov 09:00) and \"b\" (Tue 1 Dec 09:00): web[1-10]");
    REFUSED(HEAD TUE("who: [\"*\"]") MON("who: web3"), FLEET, "4:46: 1 host would have two slots, \"a\" (Mon 30 Nov 09:00) and \"b\" (Tue 1 Dec 09:00): web3");
}

Test(week, within_one_slot_entries_may_overlap)
{
    struct tg_inventory *inventory = fleet(FLEET);
    struct tg_week *week = lay(HEAD MON("who: [\"@web\", \"web[1-5]\", {hosts: \"web*\", take: the rest}]") TUE("who: {hosts: \"*\", take: the rest}"), inventory);

    counts_are(week, "10 4");
    tg_week_free(week);
    tg_inventory_free(inventory);
}

Test(week, a_quota_that_cant_be_filled_says_who_has_its_hosts)
{
    struct tg_inventory *inventory = fleet(FLEET);
    struct tg_week *week = lay(HEAD MON("who: {hosts: \"@db\", take: up to 10}") TUE("who: {hosts: \"*\", take: the rest}"), inventory);

    REFUSED(HEAD MON("who: {hosts: \"@db\", take: 10}") TUE("who: {hosts: \"*\", take: the rest}"), FLEET,
            "4:66: slot \"a\" wants 10 of \"@db\", which has 4, and 4 were left");
    REFUSED(HEAD MON("who: {hosts: \"@web\", take: 60%}") TUE("who: [{hosts: \"@web\", take: 50%}, {hosts: \"*\", take: the rest}]"), FLEET,
            "5:68: slot \"b\" wants 50% of \"@web\", 5 of 10, and 4 were left: \"a\" has 6");
    counts_are(week, "4 10");
    tg_week_free(week);
    tg_inventory_free(inventory);
}

Test(week, an_empty_slot_is_a_warning)
{
    struct tg_inventory *inventory = fleet(FLEET);
    struct tg_week *week = lay(HEAD MON("who: \"*\"") TUE("who: {hosts: \"@db\", take: the rest}"), inventory);

    counts_are(week, "14 0");
    cr_assert_eq(week->n_warnings, 1);
    cr_assert_str_eq(week->warnings[0], "slot \"b\" is empty: there is nobody for the rest of @db");
    tg_week_free(week);
    tg_inventory_free(inventory);
}

Test(week, hosts_beyond_the_location_are_not_meant)
{
    struct tg_inventory *inventory = fleet(FLEET);
    struct tg_week *week = lay("week: w\nlocation: \"@web\"\nlength: 4h\nslots:\n" MON("who: [\"@db\", {hosts: \"*\", take: 30%}]") TUE("who: {hosts: \"*\", take: the rest}"), inventory);

    counts_are(week, "3 7"); /* of the ten, not of all */
    tg_week_free(week);
    tg_inventory_free(inventory);
}

Test(week, too_many_at_once_are_refused_or_warned_of)
{
    static const char overlap[] = HEAD MON("who: \"@web\"") "  - {name: c, day: mon, time: \"12:59\", who: \"@db\"}\n", apart[] = HEAD MON("who: \"@web\"") TUE("who: \"@db\"");
    struct tg_inventory *inventory = fleet(FLEET);
    struct tg_week *week = lay(overlap, inventory);

    cr_assert_eq(week->n_warnings, 1);
    cr_assert_str_eq(week->warnings[0], "from Mon 30 Nov 12:59 on 2 slots overlap, with 14 of 14 hosts at once; at-once: in the pattern bounds that");
    tg_week_free(week);
    week = lay_at("week: w\nlength: 2h\nslots:\n  - {name: a, day: sun, time: \"02:30\", zone: Europe/Berlin, who: \"@web\"}\n"
                  "  - {name: b, day: sun, time: \"00:00\", who: \"@db\"}\n", inventory, "2027-03-22");
    cr_assert_eq(week->n_warnings, 2);
    cr_assert_str_eq(week->warnings[1], "from Sun 28 Mar 03:00 Europe/Berlin on 2 slots overlap, with 14 of 14 hosts at once; at-once: in the pattern bounds that");
    tg_week_free(week);
    week = lay(apart, inventory);
    cr_assert_eq(week->n_warnings, 0);
    tg_week_free(week);
    REFUSED("at-once: 13\nweek: w\nlength: 4h\nslots:\n" MON("who: \"@web\"") "  - {name: c, day: mon, time: \"12:59\", who: \"@db\"}\n", FLEET,
            "1:10: 14 hosts have their slot at once from Mon 30 Nov 12:59 on (2 slots), and at-once is 13, 13 of 14");
    week = lay("at-once: 13\nweek: w\nlength: 4h\nslots:\n" MON("who: \"@web\"") "  - {name: c, day: mon, time: \"13:00\", who: \"@db\"}\n", inventory);
    cr_assert_eq(week->n_warnings, 0); /* the one ends as the other begins */
    tg_week_free(week);
    tg_inventory_free(inventory);
}

/* ---- quotas ---- */

Test(week, a_share_is_rounded_to_the_nearest_and_a_half_up)
{
    static const struct {
        const char *share;
        int64_t total, expected;
    } rows[] = {{"30%", 143, 43}, {"5%", 60, 3}, {"20%", 10, 2}, {"25%", 10, 3}, {"24.999%", 10, 2}, {"0.5%", 99, 0}, {"0.5%", 100, 1},
                {"100%", 1000000, 1000000}, {"50%", 1, 1}, {"49.999%", 1, 0}, {"7", 3, 7}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_share share;
        cr_assert(tg_share_parse(rows[i].share, &share));
        cr_assert_eq(tg_take_of(&share, rows[i].total), rows[i].expected, "%s of %d", rows[i].share, (int) rows[i].total);
    }
}

Test(week, quotas_leave_what_is_named_outright_wherever_it_stands)
{
    struct tg_inventory *inventory = fleet(FLEET);
    struct tg_week *week = lay(HEAD MON("who: {hosts: \"@web\", take: 9}") TUE("who: web4") "  - {name: c, day: wed, time: \"09:00\", who: {hosts: \"*\", take: the rest}}\n", inventory);

    hosts_are(week, "a", "web[1-3,5-10]");
    hosts_are(week, "b", "web4");
    hosts_are(week, "c", "db[1-4]");
    tg_week_free(week);
    tg_inventory_free(inventory);
}

Test(week, slots_choose_by_their_order_else_by_their_time_whatever_the_files_order)
{
    static const char a[] = MON("who: {hosts: \"*\", take: up to 10}"), b[] = TUE("who: {hosts: \"*\", take: up to 10}"),
                      c[] = "  - {name: c, day: wed, time: \"09:00\", order: 1, who: {hosts: \"*\", take: up to 1}}\n";
    struct tg_inventory *inventory = fleet(FLEET);
    char text[1000];

    snprintf(text, sizeof text, HEAD "%s%s%s", a, b, c);
    struct tg_week *one = lay(text, inventory);
    counts_are(one, "10 3 1");
    snprintf(text, sizeof text, HEAD "%s%s%s", c, b, a);
    struct tg_week *other = lay(text, inventory);
    cr_assert_str_eq(one->digest, other->digest);
    tg_week_free(one);
    tg_week_free(other);
    tg_inventory_free(inventory);
}

Test(week, those_that_go_first_do)
{
    struct tg_inventory *inventory = fleet(FLEET);
    struct tg_week *week = lay("week: w\nlength: 4h\nfirst: web[7-9]\nslots:\n" MON("who: {hosts: \"*\", take: 2}") TUE("who: {hosts: \"*\", take: 1}")
                                   "  - {name: c, day: wed, time: \"09:00\", who: [{hosts: \"@db\", take: 1, first: db2}, {hosts: \"*\", take: the rest}]}\n",
                               inventory);

    counts_are(week, "2 1 11");
    for (size_t i = 0; i < 3; i++)
        cr_assert_lt(week->slot_of[10 + i], 2, "%s", tg_hostlist_get(&week->names, 10 + i)); /* db1-4, web1-6: ten before web7 */
    tg_week_free(week);
    tg_inventory_free(inventory);
}

/* ---- when ---- */

static void begins(const struct tg_week *week, size_t slot, const char *from, const char *until)
{
    char f[40], u[40];

    tg_time_format(week->slots[slot].from_ms, f, sizeof f);
    tg_time_format(week->slots[slot].until_ms, u, sizeof u);
    cr_assert(strcmp(f, from) == 0 && strcmp(u, until) == 0, "%s to %s", f, u);
}

Test(week, a_slot_at_a_time_that_clocks_skip_or_show_twice)
{
    static const char pattern[] = "week: w\nzone: Europe/Berlin\nat-once: 100%\nslots:\n  - {name: a, day: sun, time: \"02:30\", length: 2h, who: \"@web\"}\n"
                                  "  - {name: b, day: sat, time: \"22:00\", length: 6h, who: \"@db\"}\n";
    struct tg_inventory *inventory = fleet(FLEET);
    struct tg_week *week = lay_at(pattern, inventory, "2027-03-22");

    begins(week, 1, "2027-03-28T01:00:00Z", "2027-03-28T03:00:00Z"); /* 03:00 there */
    begins(week, 0, "2027-03-27T21:00:00Z", "2027-03-28T03:00:00Z"); /* six hours that pass */
    cr_assert_eq(week->n_warnings, 1);
    cr_assert_str_eq(week->warnings[0], "slot \"a\": clocks in Europe/Berlin never show Sun 28 Mar 02:30 that day; it begins when they jump, to 03:00");
    tg_week_free(week);
    week = lay_at(pattern, inventory, "2026-10-19");
    begins(week, 1, "2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z");
    cr_assert_str_eq(week->warnings[0], "slot \"a\": clocks in Europe/Berlin show Sun 25 Oct 02:30 twice that day; it begins the first time");
    tg_week_free(week);
    week = lay_at(pattern, inventory, "2026-11-30");
    begins(week, 1, "2026-12-06T01:30:00Z", "2026-12-06T03:30:00Z");
    cr_assert_eq(week->n_warnings, 0);
    tg_week_free(week);
    tg_inventory_free(inventory);
}

Test(week, a_week_begins_on_its_day)
{
    struct tg_inventory *inventory = fleet(FLEET);
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_week *week = NULL;

    cr_assert_eq(try_lay(HEAD MON("who: \"*\""), inventory, "2026-12-02", &p, &week, &e), TG_E_USAGE);
    cr_assert_str_eq(e.message, "2026-12-02 is a Wednesday, and the week w begins on a Monday");
    cr_assert_str_eq(e.hint, "--start 2026-11-30, or --start 2026-12-07");
    week = lay_at("begins: sat\n" HEAD MON("who: \"@web\"") "  - {name: c, day: sunday, time: \"00:00\", who: \"@db\"}\n", inventory, "2026-11-28");
    begins(week, 0, "2026-11-29T00:00:00Z", "2026-11-29T04:00:00Z");
    begins(week, 1, "2026-11-30T09:00:00Z", "2026-11-30T13:00:00Z");
    tg_week_free(week);
    tg_inventory_free(inventory);
    tg_problems_release(&p);
}

Test(week, dates_are_dates)
{
    static const char *const bad[] = {"", "2026-11-31", "2027-02-29", "2026-13-01", "2026-00-01", "26-11-30", "2026-1-01", "2026-11-3x", "2026-11-30 ", "1969-12-31", "2200-01-01",
                                      "+026-11-30", "2026--1-30"};
    int64_t d;
    char text[16];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(tg_date_parse(bad[i], &d, NULL), TG_E_DATA, "%s", bad[i]);
    cr_assert_eq(date("1970-01-01"), 0);
    cr_assert_eq(date("2028-02-29") - date("2028-02-28"), 1);
    for (int64_t i = 0; i <= date("2199-12-31"); i++) {
        int64_t back;
        cr_assert_eq(tg_date_parse(tg_date_format(i, text, sizeof text), &back, NULL), 0);
        cr_assert_eq(back, i);
    }
}

/* ---- for people ---- */

/* No line is wider than the terminal, and without colour there are no escapes. */
static void fits(const struct tg_week *week, int width)
{
    const struct tg_week_paint paint = {.width = width, .cut = true};
    struct tg_buf text = TG_BUF_INIT;

    cr_assert_eq(tg_week_text(week, &paint, &text, NULL), 0);
    cr_assert_null(strchr(text.data, '\033'));
    for (const char *line = text.data; *line; line += strcspn(line, "\n") + 1) {
        int columns = 0;
        if (strncmp(line, "Warning: ", 9) == 0) /* a sentence; the terminal breaks it */
            continue;
        for (const char *c = line; *c != '\n'; c++)
            columns += ((unsigned char) *c & 0xc0) != 0x80;
        cr_assert_leq(columns, width, "%d columns: %.*s", columns, (int) strcspn(line, "\n"), line);
    }
    tg_buf_release(&text);
}

Test(week, its_table_and_charts_fit_any_terminal)
{
    char *f = slurp("flying-circus.yaml"), *p = slurp("flying-circus.week.yaml");
    struct tg_inventory *inventory = fleet(f);
    struct tg_week *week = lay(p, inventory);

    for (int width = 40; width < 200; width++)
        fits(week, width);
    tg_week_free(week);
    tg_inventory_free(inventory);
    free(f);
    free(p);
}

static void holds(const char *text, const char *part)
{
    cr_assert(strstr(text, part), "no %s in\n%s", part, text);
}

Test(week, its_picture_and_page_are_whole_whatever_names_hold)
{
    static const char odd[] = "defaults: {attrs: {customer: 'R&D <b> \"x\"'}}\ngroups:\n  web: {hosts: \"web[1-10]\"}\n";
    struct tg_inventory *inventory = fleet(odd);
    struct tg_week *week = lay("week: w\nlength: 4h\nspread: [customer]\nslots:\n" MON("who: 'customer=\"R*\"'"), inventory);
    struct tg_buf page = TG_BUF_INIT, plain = TG_BUF_INIT;

    cr_assert_eq(tg_week_html(week, week->from_ms + 3600000, &page, NULL), 0);
    holds(page.data, "R&amp;D &lt;b&gt; &quot;x&quot;");
    holds(page.data, "customer=&quot;R*&quot;");
    holds(page.data, ">now</text>");
    holds(page.data, "</svg>");
    holds(page.data, "</body></html>");
    cr_assert_null(strstr(page.data, "<b> "));
    cr_assert_null(strstr(page.data, "http-equiv"));
    cr_assert_null(strstr(page.data, "<script"));
    cr_assert_eq(tg_week_svg(week, week->from_ms - 10 * 86400000, &plain, NULL), 0);
    cr_assert_null(strstr(plain.data, ">now</text>"));
    tg_buf_release(&page);
    tg_buf_release(&plain);
    tg_week_free(week);
    tg_inventory_free(inventory);
}
