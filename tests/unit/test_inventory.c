/* Inventories: what YAML and Ansible's JSON mean, and what is refused. */
#include "base/buf.h"
#include "config/problems.h"
#include "fleet/check.h"
#include "fleet/inventory.h"
#include "fleet/nodeset.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int parse_fn(const char *file, const char *text, size_t len, struct tg_problems *p, struct tg_inventory **out, struct tg_error *e);

static struct tg_inventory *parsed(parse_fn *parse, const char *text)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inv = NULL;

    cr_assert_eq(parse("inv", text, strlen(text), &p, &inv, &e), 0, "%s", e.message);
    tg_problems_release(&p);
    return inv;
}

/* Everything that was found, as people see it. */
static char *mistakes(parse_fn *parse, const char *text)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inv = NULL;
    struct tg_buf out = TG_BUF_INIT;

    cr_assert_eq(parse("inv.yaml", text, strlen(text), &p, &inv, &e), TG_E_DATA);
    cr_assert_null(inv);
    tg_problems_text(&p, &out);
    tg_problems_release(&p);
    return tg_buf_take(&out, NULL);
}

static void assert_mistake(parse_fn *parse, const char *text, const char *expected)
{
    char *all = mistakes(parse, text);

    cr_assert(strstr(all, expected), "wanted %s, got:\n%s", expected, all);
    free(all);
}

static char *hosts_of(const struct tg_inventory *inv, const char *group)
{
    const struct tg_group *g = tg_inventory_group(inv, group);
    struct tg_buf b = TG_BUF_INIT;
    struct tg_folder *f;
    size_t n;
    const struct tg_host *hosts = tg_inventory_hosts(inv, &n);

    cr_assert(g, "%s", group);
    cr_assert_eq(tg_folder_new(&f, NULL), 0);
    for (size_t i = 0; i < g->n_hosts; i++)
        cr_assert_eq(tg_folder_add(f, hosts[g->hosts[i]].name, NULL), 0);
    cr_assert_eq(tg_folder_print(f, &b, NULL), 0);
    tg_folder_free(f);
    return tg_buf_take(&b, NULL);
}

static void assert_hosts(const struct tg_inventory *inv, const char *group, const char *expected)
{
    char *text = hosts_of(inv, group);

    cr_assert_str_eq(text, expected, "%s", group);
    free(text);
}

static const char sample[] =
    "defaults: {user: tagout, port: 22, attrs: {site: a}}\n"
    "groups:\n"
    "  web:     {hosts: \"web[001-100].example.com\", attrs: {role: web, tested: true}}\n"
    "  storage: {hosts: [\"st[1-10].example.com\"], attrs: {role: storage, site: b}, user: store}\n"
    "  prod:    {children: [web, storage], attrs: {role: any, stage: prod}, port: 2200}\n"
    "hosts:\n"
    "  web001.example.com: {address: 127.0.1.1, attrs: {rack: r1, role: own}}\n"
    "  \"WEB[002-003].example.com\": {port: 2222, user: root}\n"
    "  alone: {address: \"2001:db8::1\"}\n";

Test(inventory, resolves_groups_defaults_and_attributes_by_closeness)
{
    struct tg_inventory *inv = parsed(tg_inventory_parse_yaml, sample);
    size_t n;

    tg_inventory_hosts(inv, &n);
    cr_assert_eq(n, 111);
    assert_hosts(inv, "prod", "st[1-10].example.com,web[001-100].example.com");
    const struct tg_host *h = tg_inventory_host(inv, "Web001.Example.com");
    cr_assert_str_eq(h->address, "127.0.1.1");
    cr_assert_str_eq(h->user, "tagout");
    cr_assert_eq(h->port, 2200);
    cr_assert_str_eq(tg_host_attr(inv, h, "role"), "own");
    cr_assert_str_eq(tg_host_attr(inv, h, "stage"), "prod");
    cr_assert_str_eq(tg_host_attr(inv, h, "site"), "a");
    cr_assert_str_eq(tg_host_attr(inv, h, "tested"), "true");
    h = tg_inventory_host(inv, "web003.example.com");
    cr_assert_eq(h->port, 2222);
    cr_assert_str_eq(h->user, "root");
    cr_assert_str_eq(tg_host_attr(inv, h, "role"), "web");
    cr_assert_null(tg_host_attr(inv, h, "rack"));
    h = tg_inventory_host(inv, "st10.example.com");
    cr_assert_str_eq(tg_host_attr(inv, h, "site"), "b");
    cr_assert_str_eq(h->user, "store");
    cr_assert_null(h->address);
    cr_assert(tg_host_in_group(inv, h, tg_inventory_group(inv, "prod")));
    cr_assert_not(tg_host_in_group(inv, h, tg_inventory_group(inv, "web")));
    h = tg_inventory_host(inv, "alone");
    cr_assert_str_eq(h->address, "2001:db8::1");
    cr_assert_eq(h->port, 22);
    cr_assert_null(tg_inventory_host(inv, "web101.example.com"));
    cr_assert_null(tg_inventory_group(inv, "Web"));
    tg_inventory_free(inv);
}

Test(inventory, of_groups_equally_close_the_later_one_wins)
{
    struct tg_inventory *inv = parsed(tg_inventory_parse_yaml, "groups:\n  z: {hosts: h, attrs: {k: first}}\n  a: {hosts: h, attrs: {k: second}}\n"
                                                             "  up: {children: [z, a], attrs: {k: far, l: far}}\n");
    const struct tg_host *h = tg_inventory_host(inv, "h");
    size_t n;
    const uint32_t *groups = tg_host_groups(inv, h, &n);
    size_t n_keys;

    cr_assert_str_eq(tg_host_attr(inv, h, "k"), "second");
    cr_assert_str_eq(tg_host_attr(inv, h, "l"), "far");
    cr_assert_eq(n, 3);
    cr_assert_str_eq(tg_inventory_groups(inv, &n)[groups[0]].name, "a");
    cr_assert_str_eq(tg_inventory_attr_keys(inv, &n_keys)[1], "l");
    cr_assert_eq(n_keys, 2);
    tg_inventory_free(inv);
}

Test(inventory, the_flying_circus_has_41_and_195_hosts)
{
    char path[4096];
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_inventory *inv;
    struct tg_error e = TG_ERROR_INIT;
    size_t n;

    snprintf(path, sizeof path, "%s/tests/data/flying-circus.yaml", getenv("TAGOUT_SOURCE"));
    cr_assert_eq(tg_inventory_load(path, &p, &inv, &e), 0, "%s", e.message);
    cr_assert_eq(tg_inventory_group(inv, "physical")->n_hosts, 41);
    cr_assert_eq(tg_inventory_group(inv, "virtual")->n_hosts, 195);
    cr_assert_eq(tg_inventory_group(inv, "production")->n_hosts, 143);
    tg_inventory_hosts(inv, &n);
    cr_assert_eq(n, 236);
    tg_inventory_free(inv);
    tg_problems_release(&p);
}

Test(inventory, reports_all_mistakes_at_once_with_their_places)
{
    char *all = mistakes(tg_inventory_parse_yaml, "defaults: {prot: 22, user: -x}\n"
                                                  "groups:\n"
                                                  "  web: {hosts: \"web[3-1]\", attrs: {a b: 1}}\n"
                                                  "  -bad: {}\n"
                                                  "  prod: {children: [wbe]}\n"
                                                  "  big: {hosts: \"a[1-99999999999]\"}\n"
                                                  "hosts:\n"
                                                  "  x1: {address: \"a b\", port: 70000}\n"
                                                  "  \"y[1-2]\": {address: 10.0.0.1}\n");
    static const char *const expected[] = {"inv.yaml:1:12: ", "did you mean \"port\"?", "inv.yaml:1:28: user \"-x\"", "3-1 counts down",
                                           "\"a b\" can't be an attribute's name", "\"-bad\" can't be a group's name", "inv.yaml:5:21: group \"prod\" has a child \"wbe\"",
                                           "did you mean \"web\"?", "more than 1000000 names", "\"a b\" is no address", "70000", "2 hosts can't have one address", "10 mistakes"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        cr_assert(strstr(all, expected[i]), "%s is not in:\n%s", expected[i], all);
    free(all);
}

Test(inventory, names_every_cycle_and_its_place)
{
    assert_mistake(tg_inventory_parse_yaml, "groups:\n  a: {children: b}\n  b: {children: c}\n  c: {children: [a]}\n  top: {children: a}\n",
                   "inv.yaml:4:18: groups are their own children: a > b > c > a");
    assert_mistake(tg_inventory_parse_yaml, "groups: {a: {children: a}}", "a > a");
    assert_mistake(tg_inventory_parse_yaml, "groups: {a: {children: b}, b: {children: a}, x: {children: y}, y: {children: x}}", "2 mistakes");
}

Test(inventory, empty_is_empty)
{
    struct tg_inventory *inv = parsed(tg_inventory_parse_yaml, "groups: {}");
    size_t n;

    tg_inventory_hosts(inv, &n);
    cr_assert_eq(n, 0);
    cr_assert_null(tg_inventory_host(inv, "a"));
    tg_inventory_free(inv);
}

static const char ansible[] =
    "{\"_meta\": {\"hostvars\": {\"web1\": {\"ansible_host\": \"10.0.0.1\", \"ansible_port\": 2222, \"ansible_password\": \"secret\","
    " \"rack\": \"r1\", \"cores\": 8, \"tested\": true, \"nothing\": null, \"list\": [1]}, \"WEB2\": {\"ansible_port\": \"23\"}}},"
    " \"all\": {\"children\": [\"ungrouped\", \"web\"], \"vars\": {\"ansible_user\": \"admin\", \"site\": \"a\"}},"
    " \"web\": {\"hosts\": [\"web1\", \"web2\"]}, \"old\": [\"web2\", \"db1\"]}";

Test(inventory, reads_what_ansible_programs_print)
{
    struct tg_inventory *inv = parsed(tg_inventory_parse_ansible, ansible);
    const struct tg_host *h = tg_inventory_host(inv, "web1");

    cr_assert_str_eq(h->address, "10.0.0.1");
    cr_assert_eq(h->port, 2222);
    cr_assert_str_eq(h->user, "admin");
    cr_assert_str_eq(tg_host_attr(inv, h, "cores"), "8");
    cr_assert_str_eq(tg_host_attr(inv, h, "tested"), "true");
    cr_assert_str_eq(tg_host_attr(inv, h, "site"), "a");
    cr_assert_null(tg_host_attr(inv, h, "ansible_password"));
    cr_assert_null(tg_host_attr(inv, h, "list"));
    cr_assert_eq(tg_inventory_host(inv, "web2")->port, 23);
    cr_assert_eq(tg_inventory_group(inv, "ungrouped")->n_hosts, 0);
    assert_hosts(inv, "old", "db1,web2");
    tg_inventory_free(inv);
}

Test(inventory, refuses_what_no_ansible_program_prints)
{
    assert_mistake(tg_inventory_parse_ansible, "", "no JSON");
    assert_mistake(tg_inventory_parse_ansible, "[]", "must be a JSON object");
    assert_mistake(tg_inventory_parse_ansible, "{\"web\": [\"a\"]}", "no _meta.hostvars");
    assert_mistake(tg_inventory_parse_ansible, "{\"_meta\": {\"hostvars\": {\"-o\": {}, \"b\": {\"ansible_port\": 0, \"ansible_host\": \"{{ x }}\"}}}, \"g\": 1}", "4 mistakes");
    assert_mistake(tg_inventory_parse_ansible, "{\"_meta\": {\"hostvars\": {}}, \"a\": {\"children\": [\"b\"]}, \"b\": {\"children\": [\"a\"]}}", "a > b > a");
}

static void write_program(char *path, const char *script)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, script, strlen(script)), (ssize_t) strlen(script));
    cr_assert_eq(fchmod(fd, 0755), 0);
    close(fd);
}

static int load_program(const char *script, struct tg_inventory **out, struct tg_error *e)
{
    char path[] = "/tmp/tagout-inventory-XXXXXX";
    struct tg_problems p = TG_PROBLEMS_INIT;

    write_program(path, script);
    int rc = tg_inventory_load(path, &p, out, e);
    unlink(path);
    tg_problems_release(&p);
    return rc;
}

Test(inventory, an_executable_file_is_asked)
{
    struct tg_inventory *inv;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(load_program("#!/bin/sh\n[ \"$1\" = --list ] && echo '{\"_meta\": {\"hostvars\": {}}, \"web\": [\"a1\"]}'\n", &inv, &e), 0, "%s", e.message);
    assert_hosts(inv, "web", "a1");
    tg_inventory_free(inv);
    cr_assert_eq(load_program("#!/bin/sh\necho 'no credentials' >&2; exit 3\n", &inv, &e), TG_E_CONFIG);
    cr_assert(strstr(e.message, "status 3: no credentials"), "%s", e.message);
    tg_error_clear(&e);
    struct tg_problems p = TG_PROBLEMS_INIT;
    cr_assert_eq(tg_inventory_load("/nonexistent", &p, &inv, &e), TG_E_CONFIG);
    tg_error_clear(&e);
    cr_assert_eq(tg_inventory_load("/tmp", &p, &inv, &e), TG_E_CONFIG);
    tg_problems_release(&p);
}

/* The digest's input is the same for the same facts, in whatever order and form they are written. */
Test(inventory, describes_the_same_facts_in_the_same_bytes)
{
    struct tg_inventory *a = parsed(tg_inventory_parse_yaml, "groups: {x: {hosts: \"h[1-2]\", attrs: {k: \"1 2\"}}, y: {children: x}}");
    struct tg_inventory *b = parsed(tg_inventory_parse_yaml, "hosts: {h2: {attrs: {k: \"1 2\"}}, h1: {attrs: {k: \"1 2\"}}}\ngroups: {y: {children: [x]}, x: {hosts: [h2, h1]}}");
    struct tg_buf one = TG_BUF_INIT, two = TG_BUF_INIT;
    size_t n;

    const struct tg_host *ha = tg_inventory_hosts(a, &n), *hb = tg_inventory_hosts(b, &n);
    for (size_t i = 0; i < n; i++) {
        tg_host_describe(a, &ha[i], &one);
        tg_host_describe(b, &hb[i], &two);
    }
    cr_assert_str_eq(tg_buf_text(&one), "h1   0 x,y k=1%202\nh2   0 x,y k=1%202\n");
    cr_assert_str_eq(tg_buf_text(&two), tg_buf_text(&one));
    tg_buf_release(&one);
    tg_buf_release(&two);
    tg_inventory_free(a);
    tg_inventory_free(b);
}

Test(inventory, holds_a_hundred_thousand_hosts)
{
    struct tg_inventory *inv = parsed(tg_inventory_parse_yaml, "groups: {a: {hosts: \"web[00001-60000].example.com\", attrs: {r: x}}, b: {hosts: \"db[1-40000]\"}, c: {children: [a, b]}}");
    size_t n;
    const struct tg_host *hosts = tg_inventory_hosts(inv, &n);

    cr_assert_eq(n, 100000);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(tg_inventory_host(inv, hosts[i].name), &hosts[i]);
        cr_assert_eq(hosts[i].index, i);
    }
    cr_assert_eq(tg_inventory_group(inv, "c")->n_hosts, 100000);
    tg_inventory_free(inv);
}

static void assert_warns(const char *text, const char *expected)
{
    struct tg_inventory *inv = parsed(tg_inventory_parse_yaml, text);
    json_t *warnings;

    cr_assert_eq(tg_inventory_warnings(inv, &warnings, NULL), 0);
    char *all = json_dumps(warnings, 0);
    cr_assert(expected ? strstr(all, expected) != NULL : strcmp(all, "[]") == 0, "%s", all);
    free(all);
    json_decref(warnings);
    tg_inventory_free(inv);
}

Test(inventory, check_warns_of_what_is_hardly_meant)
{
    assert_warns("groups: {a: {hosts: h}, b: {}, c: {children: b}}", "no host is in b, c");
    assert_warns("groups: {a: {hosts: h}}\nhosts: {\"x[1-3]\": {}}", "3 hosts are in no group: x[1-3]");
    assert_warns("groups: {a: {hosts: h, attrs: {k: 1}}, b: {hosts: h, attrs: {k: 2}}}", "groups a and b disagree about k of h; b wins");
    assert_warns("groups: {a: {hosts: \"h[1-20]\", attrs: {role: x}}}\nhosts: {h1: {attrs: {rol: y}}}", "\\\"rol\\\", and 20 have \\\"role\\\"");
    assert_warns("groups: {a: {hosts: h, attrs: {k: 1}}, b: {hosts: h, attrs: {k: 1}}, c: {children: a, attrs: {k: 3}}}", NULL);
}
