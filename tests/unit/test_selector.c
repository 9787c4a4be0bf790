/* Selectors: what they mean, and how mistakes are told. */
#include "config/problems.h"
#include "fleet/nodeset.h"
#include "fleet/selector.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char fleet[] = "groups:\n"
                            "  web: {hosts: \"web[001-010].example.com\", attrs: {role: web, tested: true}}\n"
                            "  db: {hosts: \"db[1-3]\", attrs: {role: db}}\n"
                            "  legacy: {hosts: [web001.example.com, db3]}\n"
                            "  empty: {}\n"
                            "  prod: {children: [web, db]}\n"
                            "hosts: {alone: {attrs: {note: \"a b (c)\"}}}\n";

static struct tg_inventory *inventory(void)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_inventory *inv = NULL;

    cr_assert_eq(tg_inventory_parse_yaml("inv", fleet, strlen(fleet), &p, &inv, NULL), 0);
    tg_problems_release(&p);
    return inv;
}

static char *selected(const struct tg_inventory *inv, const char *text)
{
    struct tg_selection s = TG_SELECTION_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_buf b = TG_BUF_INIT;
    const char *names[20];

    cr_assert_eq(tg_select(inv, text, &s, &e), 0, "%s: %s", text, e.message);
    for (size_t i = 0; i < s.n; i++)
        names[i] = s.hosts[i]->name;
    cr_assert_eq(tg_fold(names, s.n, &b, NULL), 0);
    tg_selection_release(&s);
    return tg_buf_take(&b, NULL);
}

Test(selector, means_what_it_says)
{
    static const struct { const char *text, *hosts; } rows[] = {
        {"web[001-003].example.com", "web[001-003].example.com"},
        {"WEB001.example.com", "web001.example.com"},
        {"db1,db3,alone", "alone,db[1,3]"},
        {"@db", "db[1-3]"},
        {"@prod and not @legacy", "db[1-2],web[002-010].example.com"},
        {"not @prod", "alone"},
        {"not not @db", "db[1-3]"},
        {"@empty", ""},
        {"role=db", "db[1-3]"},
        {"role!=web", "alone,db[1-3]"},
        {"role=*", "db[1-3],web[001-010].example.com"},
        {"role=nothing", ""},
        {"note=\"a b (c)\"", "alone"},
        {"note='a b*'", "alone"},
        {"db*", "db[1-3]"},
        {"web00?.example.com", "web[001-009].example.com"},
        {"db*,alone,web01*", "alone,db[1-3],web010.example.com"},
        {"*", "alone,db[1-3],web[001-010].example.com"},
        {"@d*", "db[1-3]"},
        {"@db or @web and @legacy", "db[1-3],web001.example.com"},
        {"(@db or @web) and @legacy", "db3,web001.example.com"},
        {"not (@db or @web)", "alone"},
        {"not @db and @prod", "web[001-010].example.com"},
        {"((((alone))))", "alone"},
        {"alone\n  or\tdb1", "alone,db1"},
        {"shard:0-99", "alone,db[1-3],web[001-010].example.com"},
        {"shard:92 and @web", "web001.example.com"},
        {"shard:0-91,93-99 and web001.example.com", ""},
    };
    struct tg_inventory *inv = inventory();

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *hosts = selected(inv, rows[i].text);
        cr_assert_str_eq(hosts, rows[i].hosts, "%s", rows[i].text);
        free(hosts);
    }
    tg_inventory_free(inv);
}

/* What is remembered gives what is asked anew, whichever comes first; also where the hosts fill whole words. */
Test(selector, with_a_memo_means_the_same)
{
    static const char *const texts[] = {"g=a", "g=b", "g=none", "own=x", "g!=a", "g=*", "g=a and not own=x", "not g=a", "not h1", "own=x or g=b", "*"};

    for (int n = 62; n < 67; n++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        struct tg_inventory *inv = NULL;
        struct tg_select_memo *memo;
        char text[300];
        snprintf(text, sizeof text, "groups:\n  a: {hosts: \"h[1-%d]\", attrs: {g: a}}\n  b: {hosts: \"k[1-30]\", attrs: {g: b}}\nhosts: {h7: {attrs: {own: x}}, h9: {attrs: {own: x, g: b}}}\n", n - 30);
        cr_assert_eq(tg_inventory_parse_yaml("inv", text, strlen(text), &p, &inv, NULL), 0);
        cr_assert_eq(tg_select_memo_new(inv, &memo, NULL), 0);
        for (size_t i = 0; i < 2 * sizeof texts / sizeof texts[0]; i++) {
            struct tg_selection plain, with;
            const char *t = texts[i % (sizeof texts / sizeof texts[0])];
            cr_assert_eq(tg_select(inv, t, &plain, NULL), 0, "%s", t);
            cr_assert_eq(tg_select_with(memo, t, &with, NULL), 0, "%s", t);
            cr_assert(plain.n == with.n && plain.n <= (size_t) n && memcmp(plain.hosts, with.hosts, plain.n * sizeof *plain.hosts) == 0, "%s of %d: %zu, %zu", t, n, plain.n,
                      with.n);
            if (strcmp(t, "not h1") == 0)
                cr_assert_eq(plain.n, (size_t) n - 1);
            tg_selection_release(&plain);
            tg_selection_release(&with);
        }
        tg_select_memo_free(memo);
        tg_inventory_free(inv);
        tg_problems_release(&p);
    }
}

Test(selector, tells_mistakes_with_column_and_mend)
{
    static const struct { const char *text; int column; const char *message, *hint; } rows[] = {
        {"", 1, "the selector is empty", ""},
        {"@wbe", 1, "no group \"wbe\"", "did you mean \"@web\"?"},
        {"@db and @wbe", 9, "no group \"wbe\"", "@web"},
        {"db9", 1, "db9 is not in the inventory inv", "db1"},
        {"@db or db[2-5]", 8, "2 of 4 hosts are not in the inventory inv: db[4-5]", ""},
        {"x*", 1, "no host of the inventory inv matches \"x*\"", ""},
        {"rol=db", 1, "no host has an attribute \"rol\"; there are: note, role, tested", "\"role\""},
        {"@db @web", 5, "\"and\" or \"or\" is missing before \"@web\"", ""},
        {"@db and", 8, "something is missing at the end", ""},
        {"and @db", 1, "hosts are missing before \"and\"", ""},
        {"@db or or @web", 8, "hosts are missing before \"or\"", ""},
        {"(@db", 1, "\"(\" is never closed", ""},
        {"@db)", 4, "\")\" without \"(\"", ""},
        {"()", 2, "hosts are missing before \")\"", ""},
        {"@", 1, "a group's name is missing", ""},
        {"@a/b", 3, "a group's name has no \"/\"", ""},
        {"role=", 6, "the value of \"role\" is missing", ""},
        {"note=\"a", 6, "the quote is never closed", ""},
        {"shard:", 7, "a shard is a number from 0 to 99", ""},
        {"shard:5-100", 9, "a shard is a number", ""},
        {"shard:9-5", 7, "count down", ""},
        {"shard:1;2", 8, "not \";\"", ""},
        {"@db or web[1-", 14, "never closed", ""},
        {"a,,b", 3, "name is missing", ""},
        {"web[1-2]*", 4, "has no \"[\"", "two terms"},
        {"web[1-99999999999]", 1, "more than 1000000", ""},
    };
    struct tg_inventory *inv = inventory();

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_selection s = TG_SELECTION_INIT;
        struct tg_error e = TG_ERROR_INIT;
        cr_assert_eq(tg_select(inv, rows[i].text, &s, &e), TG_E_DATA, "%s", rows[i].text);
        cr_assert(strstr(e.message, rows[i].message), "%s: %s", rows[i].text, e.message);
        cr_assert(strstr(e.hint, rows[i].hint), "%s: %s", rows[i].text, e.hint);
        cr_assert_eq(e.column, rows[i].column, "%s: column %d: %s", rows[i].text, e.column, e.message);
    }
    tg_inventory_free(inv);
}

Test(selector, depth_and_length_are_bounded)
{
    enum { N = 100000 };
    char *text = calloc(1, 8 * N + 8);
    struct tg_selector *s;
    struct tg_error e = TG_ERROR_INIT;

    memset(text, '(', N);
    cr_assert_eq(tg_selector_parse(text, &s, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "more than 64 parentheses"), "%s", e.message);
    tg_error_clear(&e);
    for (size_t i = 0; i < N; i++)
        memcpy(text + 7 * i, "*  and ", 7);
    cr_assert_eq(tg_selector_parse(text, &s, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "at most 4096 terms"), "%s", e.message);
    tg_error_clear(&e);
    for (size_t i = 0; i < N; i++)
        memcpy(text + 4 * i, "not ", 4);
    strcpy(text + 4 * N, "a");
    cr_assert_eq(tg_selector_parse(text, &s, NULL), 0);
    tg_selector_free(s);
    free(text);
}
