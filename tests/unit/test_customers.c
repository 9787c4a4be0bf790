/* Customers in the inventory: whose hosts they are, from YAML, from a program, from Ansible's JSON. */
#include "base/buf.h"
#include "config/problems.h"
#include "fleet/inventory.h"
#include "fleet/selector.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int parse_fn(const char *file, const char *text, size_t len, struct tg_problems *p, struct tg_inventory **out, struct tg_error *e);

#define GROUPS "groups:\n  web: {hosts: \"web[1-3].example.com\"}\n  db: {hosts: \"db[1-2].example.com\"}\n"
#define META(customers) "{\"web\": [\"web1\", \"web2\"], \"_meta\": {\"hostvars\": {\"web1\": {}, \"web2\": {}}, \"customers\": " customers "}}"

static struct tg_inventory *parsed(parse_fn *parse, const char *text)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inv = NULL;

    cr_assert_eq(parse("inv.yaml", text, strlen(text), &p, &inv, &e), 0, "%s", e.message);
    tg_problems_release(&p);
    return inv;
}

static void assert_mistake(parse_fn *parse, const char *file, const char *text, const char *expected)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inv = NULL;
    struct tg_buf out = TG_BUF_INIT;

    cr_assert_eq(parse(file, text, strlen(text), &p, &inv, &e), TG_E_DATA, "taken: %s", text);
    cr_assert_null(inv);
    tg_problems_text(&p, &out);
    cr_assert(strstr(tg_buf_text(&out), expected), "wanted %s, got:\n%s", expected, tg_buf_text(&out));
    tg_buf_release(&out);
    tg_problems_release(&p);
}

static const char *whose(const struct tg_inventory *inv, const char *host)
{
    const struct tg_host *h = tg_inventory_host(inv, host);

    cr_assert_not_null(h, "%s", host);
    const struct tg_customer *c = tg_host_customer(inv, h);
    return c ? c->name : "nobody";
}

Test(customers, are_read_with_their_hosts_and_places)
{
    struct tg_inventory *inv = parsed(tg_inventory_parse_yaml, GROUPS "customers:\n"
                                                                      "  zeta: {hosts: \"@db and not db2.example.com\", contacts: ops@zeta.example}\n"
                                                                      "  acme:\n    contacts: [ops@acme.example, b@acme.example]\n    hosts: \"@web\"\n"
                                                                      "    windows: [\"Mon-Thu 22:00-04:00 Europe/Berlin\", \"Sat 09:00-17:00\"]\n    lead: 3d\n");
    size_t n;
    const struct tg_customer *all = tg_inventory_customers(inv, &n), *acme = tg_inventory_customer(inv, "acme");

    cr_assert_eq(n, 2);
    cr_assert_eq(acme, &all[0]);
    cr_assert_eq(acme->n_hosts, 3);
    cr_assert_eq(acme->n_contacts, 2);
    cr_assert_str_eq(acme->contacts[1], "b@acme.example");
    cr_assert_eq(acme->n_windows, 2);
    cr_assert_str_eq(acme->windows[0], "Mon-Thu 22:00-04:00 Europe/Berlin");
    cr_assert(acme->window_places[1].line == 9 && acme->window_places[1].column == 52, "%d:%d", acme->window_places[1].line, acme->window_places[1].column);
    cr_assert_eq(acme->lead_ms, INT64_C(3) * 86400000);
    cr_assert(acme->line == 6 && acme->column == 3);
    cr_assert_eq(all[1].lead_ms, -1);
    cr_assert_str_eq(whose(inv, "web2.example.com"), "acme");
    cr_assert_str_eq(whose(inv, "db1.example.com"), "zeta");
    cr_assert_str_eq(whose(inv, "db2.example.com"), "nobody");
    cr_assert_null(tg_inventory_customer(inv, "acm"));
    tg_inventory_free(inv);
}

Test(customers, are_known_to_selectors)
{
    struct tg_inventory *inv = parsed(tg_inventory_parse_yaml, GROUPS "customers: {acme: {hosts: \"@web\"}, zeta: {hosts: \"@db\"}}\n");
    struct tg_selection s;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_select(inv, "customer:acme and not web2.example.com", &s, &e), 0, "%s", e.message);
    cr_assert_eq(s.n, 2);
    tg_selection_release(&s);
    cr_assert_eq(tg_select(inv, "customer:*", &s, &e), 0);
    cr_assert_eq(s.n, 5);
    tg_selection_release(&s);
    cr_assert_eq(tg_select(inv, "customer:acm", &s, &e), TG_E_DATA);
    cr_assert(strstr(e.hint, "customer:acme"), "%s", e.hint);
    tg_inventory_free(inv);
}

Test(customers, of_an_inventory_without_any_are_none)
{
    struct tg_inventory *inv = parsed(tg_inventory_parse_yaml, GROUPS "customers:\n");
    size_t n;

    tg_inventory_customers(inv, &n);
    cr_assert_eq(n, 0);
    cr_assert_str_eq(whose(inv, "web1.example.com"), "nobody");
    cr_assert_null(tg_inventory_customer(inv, "acme"));
    tg_inventory_free(inv);
}

Test(customers, mistakes_have_their_place)
{
    static const struct {
        const char *customers, *expected;
    } cases[] = {
        {"{a: {hosts: \"@web\"}, b: {hosts: \"web2.example.com\"}}", "web2.example.com is a host of customer \"a\" already, and can't be one of \"b\""},
        {"{a: {hosts: \"@wbe\"}}", "no group \"wbe\""},
        {"{a: {contacts: [x@y.z]}}", "\"hosts\""},
        {"{a: {hosts: \"@web\", contacts: [nobody]}}", "contact \"nobody\" is no mail address"},
        {"{a: {hosts: \"@web\", contacts: [\"a@b.c\\nBcc: x@y.z\"]}}", "is no mail address"},
        {"{a: {hosts: \"@web\", contacts: [\"@b\"]}}", "is no mail address"},
        {"{a: {hosts: \"@web\", lead: 3}}", "lead"},
        {"{a: {hosts: \"@web\", lead: 999d}}", "lead must be"},
        {"{a: {hosts: \"@web\", window: x}}", "did you mean \"windows\"?"},
        {"{\"a b\": {hosts: \"@web\"}}", "can't be a customer's name"},
        {"{a: }", "customer \"a\""},
        {"[a]", "customers"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, GROUPS "customers: %s\n", cases[i].customers);
        assert_mistake(tg_inventory_parse_yaml, "inv.yaml", text, cases[i].expected);
    }
}

Test(customers, come_from_ansibles_json_as_well)
{
    struct tg_inventory *inv = parsed(tg_inventory_parse_ansible, META("{\"acme\":{\"hosts\":\"@web\",\"contacts\":[\"ops@acme.example\"],\"windows\":[\"Sat 09:00-17:00\"],\"lead\":\"2d\"}}"));
    const struct tg_customer *c = tg_inventory_customer(inv, "acme");

    cr_assert(c && c->n_hosts == 2 && c->n_windows == 1 && c->lead_ms == INT64_C(2) * 86400000 && c->line == 0);
    tg_inventory_free(inv);
    assert_mistake(tg_inventory_parse_ansible, "cmdb", META("{\"acme\": {\"hosts\": 7}}"), "7");
    assert_mistake(tg_inventory_parse_ansible, "cmdb", META("[1]"), "customers");
    assert_mistake(tg_inventory_parse_ansible, "cmdb", META("{\"acme\": {\"hosts\": [\"@web\"]}}"), "hosts of a customer");
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");

    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
    cr_assert_eq(chmod(path, mode), 0);
}

Test(customers, come_from_a_program_beside_the_inventory)
{
    char dir[] = "/tmp/tagout-customers.XXXXXX", path[64], program[64];
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inv = NULL;

    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/inv.yaml", dir);
    snprintf(program, sizeof program, "%s/cmdb", dir);
    write_file(path, GROUPS "customers: ./cmdb\n", 0600);
    write_file(program, "#!/bin/sh\necho '{\"acme\": {\"hosts\": \"@web\"}}'\n", 0700);
    cr_assert_eq(tg_inventory_load(path, &p, &inv, &e), 0, "%s", e.message);
    cr_assert_str_eq(whose(inv, "web1.example.com"), "acme");
    tg_inventory_free(inv);

    /* A CMDB that can't be asked is no CMDB without customers. P2 */
    write_file(program, "#!/bin/sh\necho no database >&2; exit 3\n", 0700);
    cr_assert_eq(tg_inventory_load(path, &p, &inv, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "ended with status 3: no database"), "%s", e.message);
    tg_error_clear(&e);
    tg_problems_release(&p);
    write_file(program, "#!/bin/sh\necho '{'\n", 0700);
    cr_assert_eq(tg_inventory_load(path, &p, &inv, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "prints no JSON"), "%s", e.message);
    tg_problems_release(&p);
    unlink(path);
    unlink(program);
    rmdir(dir);
}
