/* Names of hosts: what is allowed, their order, and folding both ways. */
#include "fleet/nodeset.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tg_hostlist expanded(const char *text)
{
    struct tg_hostlist names = TG_HOSTLIST_INIT;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_nodeset_expand(text, strlen(text), &names, &e), 0, "%s: %s", text, e.message);
    return names;
}

static char *folded(const struct tg_hostlist *names)
{
    struct tg_buf b = TG_BUF_INIT;

    cr_assert_eq(tg_fold_list(names, &b, NULL), 0);
    return tg_buf_take(&b, NULL);
}

/* Expands, joins with spaces. */
static void assert_expands(const char *text, const char *expected)
{
    struct tg_hostlist names = expanded(text);
    struct tg_buf b = TG_BUF_INIT;

    for (size_t i = 0; i < names.n; i++)
        tg_buf_printf(&b, "%s%s", i ? " " : "", tg_hostlist_get(&names, i));
    cr_assert_str_eq(tg_buf_text(&b), expected, "%s", text);
    tg_buf_release(&b);
    tg_hostlist_release(&names);
}

static void assert_folds(const char *text, const char *expected)
{
    struct tg_hostlist names = expanded(text);
    char *fold = folded(&names);

    cr_assert_str_eq(fold, expected, "%s", text);
    free(fold);
    tg_hostlist_release(&names);
}

static void assert_refused(const char *text, const char *message, int column)
{
    struct tg_hostlist names = TG_HOSTLIST_INIT;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_nodeset_expand(text, strlen(text), &names, &e), TG_E_DATA, "%s", text);
    cr_assert(strstr(e.message, message), "%s: %s", text, e.message);
    cr_assert_eq(e.column, column, "%s: %s: column %d", text, e.message, e.column);
    tg_hostlist_release(&names);
}

Test(nodeset, expands_lists_ranges_and_several_brackets)
{
    assert_expands("web1", "web1");
    assert_expands("web[001-003,12].example.com", "web001.example.com web002.example.com web003.example.com web12.example.com");
    assert_expands("r[1-2]n[01-02]", "r1n01 r1n02 r2n01 r2n02");
    assert_expands("a, b ,c[1-2]", "a b c1 c2");
    assert_expands("web1[0-2]", "web10 web11 web12");
    assert_expands("[1-2]", "1 2");
    assert_expands("a[0]", "a0");
}

Test(nodeset, keeps_padding_and_grows_out_of_it)
{
    assert_expands("n[9-10]", "n9 n10");
    assert_expands("n[09-10]", "n09 n10");
    assert_expands("n[99-101]", "n99 n100 n101");
    assert_expands("n[098-100]", "n098 n099 n100");
    assert_expands("n[98-100]", "n98 n99 n100");
    assert_expands("n[08-10,8-9]", "n08 n09 n10 n8 n9");
}

Test(nodeset, folds_to_the_shortest_usual_form)
{
    assert_folds("web003,web001,web002,web007", "web[001-003,007]");
    assert_folds("n9,n10,n09", "n[9,09-10]");
    assert_folds("n09,n10", "n[09-10]");
    assert_folds("n9,n10", "n[9-10]");
    assert_folds("n099,n100,n101", "n[099-101]");
    assert_folds("n[1-12],n[01-12]", "n[1-9,01-12]");
    assert_folds("a,a,a", "a");
    assert_folds("b1,a1,a2,c", "a[1-2],b1,c");
    assert_folds("web[1-4].dc2.example.com", "web[1-4].dc2.example.com");
    assert_folds("10.0.0.[1-254]", "10.0.0.[1-254]");
    assert_folds("x1234567890123456,x1234567890123457", "x1234567890123456,x1234567890123457");
}

Test(nodeset, folds_several_numbers_in_one_name)
{
    assert_folds("r[1-4]n[01-16]", "r[1-4]n[01-16]");
    assert_folds("r1n1,r1n2,r2n1,r2n2,r3n1", "r[1-2]n[1-2],r3n1");
    assert_folds("r[1-2]n[1-2],r[5-6]n[1-2]", "r[1-2,5-6]n[1-2]");
    assert_folds("a[1-2]b[1-2]c[1-2]", "a[1-2]b[1-2]c[1-2]");
    assert_folds("a1b2c3d4e5f6g7h8i9,a1b2c3d4e5f6g7h8i10", "a1b2c3d4e5f6g7h8i10,a1b2c3d4e5f6g7h8i9");
}

Test(nodeset, has_one_case)
{
    assert_expands("WEB[1-2].Example.COM", "web1.example.com web2.example.com");
    assert_folds("Web1,wEB1", "web1");
}

Test(nodeset, refuses_more_than_a_million_names_before_it_counts_them)
{
    assert_refused("a[1-99999999999]", "more than 1000000 names", 1);
    assert_refused("ok,a[1-1000]b[1-1001]", "more than 1000000 names", 4);
    assert_refused("a[0-999999]x[0-999999]y[0-999999]z[0-999999]", "more than 1000000 names", 1);
    assert_refused("a[0-999999999999999,0-999999999999999]", "more than 1000000 names", 1);
    assert_refused("a[1-9999999999999999]", "at most 15 digits", 5);
    struct tg_hostlist names = expanded("a[1-1000000]");
    cr_assert_eq(names.n, TG_HOSTLIST_MAX);
    struct tg_error e = TG_ERROR_INIT;
    cr_assert_eq(tg_nodeset_expand("b", 1, &names, &e), TG_E_DATA);
    tg_hostlist_release(&names);
}

Test(nodeset, refuses_mistakes_and_says_where)
{
    assert_refused("", "name is missing", 1);
    assert_refused("a,", "name is missing", 3);
    assert_refused("a,,b", "name is missing", 3);
    assert_refused("web[1-3", "never closed", 4);
    assert_refused("web[", "never closed", 5);
    assert_refused("web]", "without \"[\"", 4);
    assert_refused("web[]", "missing before \"]\"", 5);
    assert_refused("web[a-b]", "missing before \"a\"", 5);
    assert_refused("web[1,]", "missing before \"]\"", 7);
    assert_refused("web[1-2-3]", "numbers and ranges", 8);
    assert_refused("web[5-3]", "5-3 counts down", 5);
    assert_refused("web[1-010]", "different widths", 5);
    assert_refused("web[001-10]", "different widths", 5);
    assert_refused("x,web[1-2]!", "no \"!\"", 3);
    assert_refused("x,we b1", "no \" \"", 5);
    assert_refused("a[1][1][1][1][1][1][1][1][1]", "more than 8 brackets", 26);
}

Test(host_name, is_checked_where_it_enters)
{
    char out[TG_HOST_NAME_SIZE], long_name[300];
    static const char *const good[] = {"a", "0", "_x", "web-1.example.com", "A_B"};
    static const char *const bad[] = {"", "-oProxyCommand=x", ".a", "a.", "a..b", "..", "a/b", "a b", "a\n", "a;b", "ü", "a%h", "a:b", "a@b"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_assert_eq(tg_host_name(good[i], strlen(good[i]), out, NULL), 0, "%s", good[i]);
    cr_assert_str_eq(out, "a_b");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_error e = TG_ERROR_INIT;
        cr_assert_eq(tg_host_name(bad[i], strlen(bad[i]), out, &e), TG_E_DATA, "%s", bad[i]);
        cr_assert(e.message[0] && e.column > 0);
    }
    memset(long_name, 'a', sizeof long_name);
    cr_assert_eq(tg_host_name(long_name, 253, out, NULL), 0);
    cr_assert_eq(tg_host_name(long_name, 254, out, NULL), TG_E_DATA);
    long_name[252] = '[';
    cr_assert_eq(snprintf(long_name + 253, 20, "1-10]"), 5);
    assert_refused(long_name, "at most 253", 1);
}

Test(host_name, order_is_by_value_of_numbers)
{
    static const char *const ordered[] = {"10.0.0.9", "10.0.0.10", "a", "a1", "a01", "a2", "a10", "a10b", "a010b", "ab", "b"};
    size_t n = sizeof ordered / sizeof ordered[0];

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            int c = tg_name_compare(ordered[i], ordered[j]);
            cr_assert_eq((c > 0) - (c < 0), (i > j) - (i < j), "%s %s", ordered[i], ordered[j]);
        }
}

Test(hostlist, sorting_drops_doubles)
{
    struct tg_hostlist names = expanded("b2,a10,a9,b2,a10");
    struct tg_buf b = TG_BUF_INIT;

    cr_assert_eq(tg_hostlist_sort(&names, NULL), 0);
    for (size_t i = 0; i < names.n; i++)
        tg_buf_printf(&b, "%s ", tg_hostlist_get(&names, i));
    cr_assert_str_eq(tg_buf_text(&b), "a9 a10 b2 ");
    tg_buf_release(&b);
    tg_hostlist_release(&names);
}

static uint64_t random_state = 42;
static uint32_t below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (random_state >> 33) % n;
}

static void random_name(char *out, size_t size)
{
    static const char *const words[] = {"a", "web", "-", ".x", "n"};
    static const char *const formats[] = {"%u", "%u", "%02u", "%03u"};
    size_t len = (size_t) snprintf(out, size, "%s", below(2) ? "a" : "7");

    for (uint32_t parts = 1 + below(3); parts > 0; parts--) {
        char number[16];
        uint32_t value = below(below(2) ? 4 : 120);
        const char *format = formats[below(4)];
        snprintf(number, sizeof number, format[1] == 'u' ? "%u" : format[2] == '2' ? "%02u" : "%03u", value);
        len += (size_t) snprintf(out + len, size - len, "%s%s", words[below(5)], number);
    }
}

static struct tg_hostlist random_set(void)
{
    struct tg_hostlist names = TG_HOSTLIST_INIT;
    char name[64];

    for (uint32_t n = 1 + below(below(4) ? 30 : 600); n > 0; n--) {
        random_name(name, sizeof name);
        cr_assert_eq(tg_hostlist_add(&names, name, strlen(name), NULL), 0);
    }
    return names;
}

Test(nodeset, folding_and_expanding_gives_the_same_set_and_the_same_text)
{
    for (int round = 0; round < 1500; round++) {
        struct tg_hostlist names = random_set();
        char *fold = folded(&names);
        struct tg_hostlist again = expanded(fold);
        char *refold = folded(&again);
        cr_assert_str_eq(refold, fold);
        cr_assert_eq(tg_hostlist_sort(&names, NULL), 0);
        char *sorted_fold = folded(&names);
        cr_assert_str_eq(sorted_fold, fold); /* neither order nor doubles matter */
        size_t n = again.n;
        cr_assert_eq(tg_hostlist_sort(&again, NULL), 0);
        cr_assert_eq(again.n, n, "folded text has no doubles");
        cr_assert_eq(again.n, names.n);
        for (size_t i = 0; i < n; i++)
            cr_assert_str_eq(tg_hostlist_get(&again, i), tg_hostlist_get(&names, i));
        free(fold);
        free(refold);
        free(sorted_fold);
        tg_hostlist_release(&names);
        tg_hostlist_release(&again);
    }
}
