/* Whose hosts they are: see customers.h. JSON of a program is read as the YAML that it also is, so that there is one reader. */
#include "fleet/customers.h"

#include "base/mailbox.h"
#include "base/child.h"
#include "base/nearest.h"
#include "config/yaml.h"
#include "fleet/build.h"
#include "fleet/selector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tagout/clock.h>

struct reader {
    struct tg_inventory *inv;
    struct tg_problems *p;
    bool places; /* lines are those of the file */
};

enum key { CONTACTS, HOSTS, WINDOWS, LEAD };
static const struct tg_yaml_key keys[] = {
    [CONTACTS] = {.name = "contacts"}, [HOSTS] = {.name = "hosts", .required = true}, [WINDOWS] = {.name = "windows"}, [LEAD] = {.name = "lead"}, {.name = NULL},
};
#define N_KEYS (sizeof keys / sizeof keys[0] - 1)

static int compare_customers(const void *a, const void *b)
{
    const struct tg_customer *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* A list of strings into the inventory. */
static int take_strings(struct reader *r, const struct tg_yaml_node *node, const char *what, const char *const **out, size_t *out_n, struct tg_error *e)
{
    size_t n;

    if (tg_yaml_is_null(node) || !tg_yaml_strings(node, what, r->p, &n) || !n)
        return 0;
    const char **list = calloc(n, sizeof *list);
    *out = list;
    *out_n = list ? n : 0;
    for (size_t i = 0; list && i < n; i++)
        if (!(list[i] = tg_pool_intern(&r->inv->pool, tg_yaml_item(node, i)->text, tg_yaml_item(node, i)->n))) {
            *out_n = 0;
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        }
    return list ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static int take_contacts(struct reader *r, const struct tg_yaml_node *node, struct tg_customer *c, struct tg_error *e)
{
    int rc = take_strings(r, node, "contacts", &c->contacts, &c->n_contacts, e);
    const char *address;
    size_t len, name;

    for (size_t i = 0; !rc && i < c->n_contacts; i++)
        if (!tg_mailbox_split(c->contacts[i], &address, &len, &name))
            tg_error_hint(tg_yaml_problem(r->p, tg_yaml_item(node, i), "contact \"%.80s\" is no mail address", c->contacts[i]),
                          "such as ops@acme.example, or \"Operations <ops@acme.example>\"");
    return rc;
}

static int take_windows(struct reader *r, const struct tg_yaml_node *node, struct tg_customer *c, struct tg_error *e)
{
    int rc = take_strings(r, node, "windows", &c->windows, &c->n_windows, e);

    if (rc || !c->n_windows)
        return rc;
    struct tg_customer_place *places = calloc(c->n_windows, sizeof *places);
    c->window_places = places;
    for (size_t i = 0; places && r->places && i < c->n_windows; i++)
        places[i] = (struct tg_customer_place) {tg_yaml_item(node, i)->line, tg_yaml_item(node, i)->column};
    return places ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* A host is one customer's: two would both be told, and could both say no. */
static void claim(struct reader *r, const struct tg_yaml_node *node, struct tg_customer *c, uint32_t *hosts, const struct tg_selection *s)
{
    struct tg_inventory *inv = r->inv;
    uint32_t own = (uint32_t) (c - inv->customers) + 1;

    for (size_t i = 0; i < s->n; i++) {
        uint32_t host = s->hosts[i]->index;
        if (inv->customer_of[host]) {
            tg_error_hint(tg_yaml_problem(r->p, node, "%s is a host of customer \"%s\" already, and can't be one of \"%s\"", s->hosts[i]->name,
                                          inv->customers[inv->customer_of[host] - 1].name, c->name), "leave it out of one of them: … and not …");
            return; /* the same of its thousand neighbours says no more */
        }
        hosts[c->n_hosts++] = host;
        inv->customer_of[host] = own;
    }
}

static int take_hosts(struct reader *r, const struct tg_yaml_node *node, struct tg_customer *c, struct tg_error *e)
{
    struct tg_selection s = TG_SELECTION_INIT;
    struct tg_error why = TG_ERROR_INIT;
    const char *text;

    if (!tg_yaml_string(node, "hosts of a customer", r->p, &text))
        return 0;
    int rc = tg_select(r->inv, text, &s, &why);
    if (rc == TG_E_DATA) {
        tg_error_hint(tg_yaml_problem_inside(r->p, node, why.column, "%s", why.message), "%s", why.hint);
        return 0;
    }
    if (rc)
        return tg_fail(e, rc, "%s", why.message);
    uint32_t *hosts = calloc(s.n + 1, sizeof *hosts);
    c->hosts = hosts;
    if (hosts)
        claim(r, node, c, hosts, &s);
    tg_selection_release(&s);
    return hosts ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static int take_customer(struct reader *r, const struct tg_yaml_pair *pair, struct tg_error *e)
{
    const struct tg_yaml_node *values[N_KEYS];
    struct tg_inventory *inv = r->inv;
    struct tg_customer *c = &inv->customers[inv->n_customers];
    char what[TG_WORD_MAX + 32];

    if (!tg_group_name_ok(pair->key->text)) {
        tg_error_hint(tg_yaml_problem(r->p, pair->key, "\"%.64s\" can't be a customer's name", pair->key->text),
                      "at most %d letters, digits, \"_\", \".\" and \"-\", and no \"-\" or \".\" first", TG_WORD_MAX);
        return 0;
    }
    *c = (struct tg_customer) {.lead_ms = -1};
    inv->n_customers++;
    if (!(c->name = tg_pool_intern(&inv->pool, pair->key->text, pair->key->n)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (r->places) {
        c->line = pair->key->line;
        c->column = pair->key->column;
    }
    snprintf(what, sizeof what, "customer \"%s\"", c->name);
    tg_yaml_fields(pair->value, what, keys, r->p, values);
    tg_yaml_duration(values[LEAD], "lead", 0, TG_CUSTOMER_LEAD_MAX_MS, r->p, &c->lead_ms);
    int rc = take_contacts(r, values[CONTACTS], c, e);
    if (!rc)
        rc = take_windows(r, values[WINDOWS], c, e);
    return rc ? rc : take_hosts(r, values[HOSTS], c, e);
}

/* By name; what hosts know of their customers moves with them. */
static void sort_customers(struct tg_inventory *inv)
{
    qsort(inv->customers, inv->n_customers, sizeof *inv->customers, compare_customers);
    for (size_t i = 0; i < inv->n_customers; i++)
        for (size_t k = 0; k < inv->customers[i].n_hosts; k++)
            inv->customer_of[inv->customers[i].hosts[k]] = (uint32_t) i + 1;
}

static int take_map(struct reader *r, const struct tg_yaml_node *map, struct tg_error *e)
{
    struct tg_inventory *inv = r->inv;
    int rc = 0;

    if (tg_yaml_is_null(map) || !tg_yaml_is_map(map, "customers", r->p))
        return 0;
    if (map->n > TG_CUSTOMERS_MAX) {
        tg_yaml_problem(r->p, map, "there are %u customers, and at most %d can be", map->n, TG_CUSTOMERS_MAX);
        return 0;
    }
    inv->customers = calloc((size_t) map->n + 1, sizeof *inv->customers);
    inv->customer_of = calloc(inv->n_hosts + 1, sizeof *inv->customer_of);
    if (!inv->customers || !inv->customer_of)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (uint32_t i = 0; !rc && i < map->n; i++)
        rc = take_customer(r, &map->pairs[i], e);
    sort_customers(inv);
    return rc;
}

int tg_customers_json(struct tg_inventory *inv, const char *name, const json_t *customers, struct tg_problems *problems, struct tg_error *e)
{
    struct reader r = {.inv = inv, .p = problems};
    struct tg_yaml_doc *doc;
    char *text;

    if (!customers || json_is_null(customers))
        return 0;
    if (!(text = json_dumps(customers, JSON_INDENT(2) | JSON_ENCODE_ANY)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = tg_yaml_parse(name, text, strlen(text), problems, &doc, e);
    free(text);
    if (rc)
        return rc;
    rc = take_map(&r, tg_yaml_root(doc), e);
    tg_yaml_free(doc);
    return rc;
}

/* The program beside the file that names it. */
static int run_customers(struct reader *r, const struct tg_yaml_node *node, struct tg_error *e)
{
    const char *file = tg_yaml_name(node->doc), *slash = strrchr(file, '/');
    struct tg_child_result result = {0};
    struct tg_error own = TG_ERROR_INIT;
    struct tg_buf path = TG_BUF_INIT;
    json_error_t why;

    if (node->text[0] != '/' && slash)
        tg_buf_printf(&path, "%.*s/", (int) (slash - file), file);
    tg_buf_puts(&path, node->text);
    int rc = tg_buf_ok(&path, e);
    if (!rc && tg_inventory_run("customers", tg_buf_text(&path), NULL, &result, &own)) {
        tg_error_hint(tg_yaml_problem(r->p, node, "%s", own.message), "%s", own.hint);
    } else if (!rc) {
        json_t *root = json_loadb(result.out, result.out_len, JSON_REJECT_DUPLICATES, &why);
        if (root)
            rc = tg_customers_json(r->inv, tg_buf_text(&path), root, r->p, e);
        else
            tg_yaml_problem(r->p, node, "customers program %s prints no JSON: line %d: %s", node->text, why.line, why.text);
        json_decref(root);
        tg_child_result_release(&result);
    }
    tg_buf_release(&path);
    return rc;
}

int tg_customers_yaml(struct tg_inventory *inv, const struct tg_yaml_node *node, enum tg_customers_from from, struct tg_problems *problems,
                      struct tg_error *e)
{
    struct reader r = {inv, problems, true};

    if (from == TG_CUSTOMERS_FROM_FILE && node && node->kind == TG_YAML_SCALAR && !tg_yaml_is_null(node))
        return run_customers(&r, node, e);
    return take_map(&r, node, e);
}

void tg_customers_free(struct tg_inventory *inv)
{
    for (size_t i = 0; i < inv->n_customers; i++) {
        free((void *) inv->customers[i].contacts);
        free((void *) inv->customers[i].hosts);
        free((void *) inv->customers[i].windows);
        free((void *) inv->customers[i].window_places);
    }
    free(inv->customers);
    free(inv->customer_of);
}

const struct tg_customer *tg_inventory_customers(const struct tg_inventory *inv, size_t *out_n)
{
    *out_n = inv->n_customers;
    return inv->customers;
}

const struct tg_customer *tg_inventory_customer(const struct tg_inventory *inv, const char *name)
{
    const struct tg_customer key = {.name = name};

    return inv->n_customers ? bsearch(&key, inv->customers, inv->n_customers, sizeof key, compare_customers) : NULL;
}

static const char *next_customer(const void *data, size_t i)
{
    const struct tg_inventory *inv = data;

    return i < inv->n_customers ? inv->customers[i].name : NULL;
}

const char *tg_inventory_nearest_customer(const struct tg_inventory *inv, const char *name)
{
    return tg_nearest(name, next_customer, inv);
}

const struct tg_customer *tg_host_customer(const struct tg_inventory *inv, const struct tg_host *host)
{
    uint32_t customer = inv->customer_of ? inv->customer_of[host->index] : 0;

    return customer ? &inv->customers[customer - 1] : NULL;
}
