/* YAML → facts of an inventory: see inventory.h and build.h. */
#include "config/yaml.h"
#include "fleet/build.h"
#include "fleet/customers.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    struct tg_build b;
    struct tg_problems *p;
    struct tg_hostlist names; /* of the last list that was expanded */
};

enum root_key { DEFAULTS, GROUPS, HOSTS, CUSTOMERS };
static const struct tg_yaml_key root_keys[] = {
    [DEFAULTS] = {.name = "defaults"}, [GROUPS] = {.name = "groups"}, [HOSTS] = {.name = "hosts"}, [CUSTOMERS] = {.name = "customers"}, {.name = NULL},
};

enum default_key { DEFAULT_USER, DEFAULT_PORT, DEFAULT_ATTRS };
static const struct tg_yaml_key default_keys[] = {
    [DEFAULT_USER] = {.name = "user"}, [DEFAULT_PORT] = {.name = "port"}, [DEFAULT_ATTRS] = {.name = "attrs"}, {.name = NULL},
};

enum group_key { GROUP_HOSTS, GROUP_CHILDREN, GROUP_ATTRS, GROUP_USER, GROUP_PORT };
static const struct tg_yaml_key group_keys[] = {
    [GROUP_HOSTS] = {.name = "hosts"}, [GROUP_CHILDREN] = {.name = "children"}, [GROUP_ATTRS] = {.name = "attrs"},
    [GROUP_USER] = {.name = "user"},   [GROUP_PORT] = {.name = "port"},         {.name = NULL},
};

enum host_key { HOST_ADDRESS, HOST_USER, HOST_PORT, HOST_ATTRS };
static const struct tg_yaml_key host_keys[] = {
    [HOST_ADDRESS] = {.name = "address"}, [HOST_USER] = {.name = "user"}, [HOST_PORT] = {.name = "port"},
    [HOST_ATTRS] = {.name = "attrs"},     {.name = NULL},
};

static int take_user(struct reader *r, const struct tg_yaml_node *node, const char **out, struct tg_error *e)
{
    const char *user;

    if (!tg_yaml_string(node, "user", r->p, &user))
        return 0;
    if (!tg_user_ok(user)) {
        tg_error_hint(tg_yaml_problem(r->p, node, "user \"%.64s\" can't be a user's name", user),
                      "letters, digits, \"_\", \".\", \"@\", \"+\" and \"-\", not first");
        return 0;
    }
    return tg_build_intern(&r->b, user, out, e);
}

static void take_port(struct reader *r, const struct tg_yaml_node *node, uint16_t *out)
{
    int64_t port;

    if (tg_yaml_int(node, "port", 1, 65535, r->p, &port))
        *out = (uint16_t) port;
}

enum attr_of { OF_HOST, OF_GROUP, OF_DEFAULTS };

static int take_attr(struct reader *r, const struct tg_yaml_pair *pair, enum attr_of of, uint32_t index, struct tg_error *e)
{
    const char *key = pair->key->text, *value;
    char what[TG_WORD_MAX + 16];

    if (!tg_attr_key_ok(key)) {
        tg_error_hint(tg_yaml_problem(r->p, pair->key, "\"%.64s\" can't be an attribute's name", key),
                      "at most %d letters, digits, \"_\", \".\" and \"-\"", TG_WORD_MAX);
        return 0;
    }
    snprintf(what, sizeof what, "attribute %s", key);
    if (!tg_yaml_string(pair->value, what, r->p, &value))
        return 0;
    if (!tg_attr_value_ok(value)) {
        tg_yaml_problem(r->p, pair->value, "attribute %s must be one line of at most %d bytes", key, TG_VALUE_MAX);
        return 0;
    }
    if (of == OF_DEFAULTS)
        return tg_build_default_attr(&r->b, key, value, e);
    return of == OF_GROUP ? tg_build_group_attr(&r->b, index, key, value, e) : tg_build_host_attr(&r->b, index, key, value, e);
}

static int take_attrs(struct reader *r, const struct tg_yaml_node *node, enum attr_of of, uint32_t index, struct tg_error *e)
{
    int rc = 0;

    if (tg_yaml_is_null(node) || !tg_yaml_is_map(node, "attrs", r->p))
        return 0;
    for (uint32_t i = 0; !rc && i < node->n; i++)
        rc = take_attr(r, &node->pairs[i], of, index, e);
    return rc;
}

static int take_defaults(struct reader *r, const struct tg_yaml_node *node, struct tg_error *e)
{
    const struct tg_yaml_node *values[sizeof default_keys / sizeof default_keys[0]];

    if (tg_yaml_is_null(node))
        return 0;
    tg_yaml_fields(node, "defaults", default_keys, r->p, values);
    take_port(r, values[DEFAULT_PORT], &r->b.default_port);
    int rc = take_user(r, values[DEFAULT_USER], &r->b.default_user, e);
    return rc ? rc : take_attrs(r, values[DEFAULT_ATTRS], OF_DEFAULTS, 0, e);
}

/* Expands into r->names; a mistake in the text is a problem at node, and leaves the names before it. */
static int expand(struct reader *r, const struct tg_yaml_node *node, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;

    r->names.n = 0;
    r->names.text_len = 0;
    int rc = tg_nodeset_expand(node->text, node->n, &r->names, &why);
    if (rc == TG_E_DATA) {
        bool named = strchr(why.message, '"') != NULL;
        tg_error_hint(tg_yaml_problem(r->p, node, named ? "%s" : "%s in \"%.80s\"", why.message, node->text), "%s", why.hint);
        return 0;
    }
    return rc ? tg_fail(e, rc, "%s", why.message) : 0;
}

static int take_members(struct reader *r, const struct tg_yaml_node *node, uint32_t group, struct tg_error *e)
{
    size_t n;
    int rc = 0;

    if (tg_yaml_is_null(node) || !tg_yaml_strings(node, "hosts of a group", r->p, &n))
        return 0;
    for (size_t i = 0; !rc && i < n; i++) {
        rc = expand(r, tg_yaml_item(node, i), e);
        for (size_t k = 0; !rc && k < r->names.n; k++) {
            uint32_t host;
            rc = tg_build_host(&r->b, tg_hostlist_get(&r->names, k), &host, e);
            if (!rc)
                rc = tg_build_member(&r->b, group, host, e);
        }
    }
    return rc;
}

static int take_children(struct reader *r, const struct tg_yaml_node *node, uint32_t group, struct tg_error *e)
{
    size_t n;
    int rc = 0;

    if (tg_yaml_is_null(node) || !tg_yaml_strings(node, "children of a group", r->p, &n))
        return 0;
    for (size_t i = 0; !rc && i < n; i++) {
        const struct tg_yaml_node *child = tg_yaml_item(node, i);
        rc = tg_build_child(&r->b, group, child->text, child, e);
    }
    return rc;
}

static int take_group(struct reader *r, const struct tg_yaml_pair *pair, struct tg_error *e)
{
    const struct tg_yaml_node *values[sizeof group_keys / sizeof group_keys[0]];
    char what[TG_WORD_MAX + 32];
    uint32_t group;

    if (!tg_group_name_ok(pair->key->text)) {
        tg_error_hint(tg_yaml_problem(r->p, pair->key, "\"%.64s\" can't be a group's name", pair->key->text),
                      "at most %d letters, digits, \"_\", \".\" and \"-\", and no \"-\" or \".\" first", TG_WORD_MAX);
        return 0;
    }
    int rc = tg_build_group(&r->b, pair->key->text, &group, e);
    if (rc)
        return rc;
    r->b.groups[group].line = pair->key->line;
    r->b.groups[group].column = pair->key->column;
    if (tg_yaml_is_null(pair->value))
        return 0;
    snprintf(what, sizeof what, "group \"%s\"", pair->key->text);
    tg_yaml_fields(pair->value, what, group_keys, r->p, values);
    take_port(r, values[GROUP_PORT], &r->b.groups[group].port);
    if ((rc = take_user(r, values[GROUP_USER], &r->b.groups[group].user, e)) ||
        (rc = take_members(r, values[GROUP_HOSTS], group, e)) || (rc = take_children(r, values[GROUP_CHILDREN], group, e)))
        return rc;
    return take_attrs(r, values[GROUP_ATTRS], OF_GROUP, group, e);
}

static int take_address(struct reader *r, const struct tg_yaml_node *node, const char **out, struct tg_error *e)
{
    const char *address;

    if (!tg_yaml_string(node, "address", r->p, &address))
        return 0;
    if (r->names.n > 1) {
        tg_yaml_problem(r->p, node, "%zu hosts can't have one address, \"%.64s\"", r->names.n, address);
        return 0;
    }
    if (!tg_address_ok(address)) {
        tg_error_hint(tg_yaml_problem(r->p, node, "\"%.64s\" is no address", address), "a host name, or an IPv4 or IPv6 address without brackets");
        return 0;
    }
    return tg_build_intern(&r->b, address, out, e);
}

/* "web[1-3]: {…}": all of them get what is written. */
static int take_hosts_entry(struct reader *r, const struct tg_yaml_pair *pair, struct tg_error *e)
{
    const struct tg_yaml_node *values[sizeof host_keys / sizeof host_keys[0]] = {0};
    struct tg_build_host facts = {0};
    char what[100];
    int rc = expand(r, pair->key, e);

    if (rc)
        return rc;
    snprintf(what, sizeof what, "host \"%.80s\"", pair->key->text);
    if (!tg_yaml_is_null(pair->value))
        tg_yaml_fields(pair->value, what, host_keys, r->p, values);
    take_port(r, values[HOST_PORT], &facts.port);
    if ((rc = take_user(r, values[HOST_USER], &facts.user, e)) || (rc = take_address(r, values[HOST_ADDRESS], &facts.address, e)))
        return rc;
    for (size_t i = 0; !rc && i < r->names.n; i++) {
        uint32_t host;
        if ((rc = tg_build_host(&r->b, tg_hostlist_get(&r->names, i), &host, e)))
            break;
        struct tg_build_host *h = &r->b.hosts[host];
        h->address = facts.address ? facts.address : h->address;
        h->user = facts.user ? facts.user : h->user;
        h->port = facts.port ? facts.port : h->port;
        size_t before = tg_problems_count(r->p);
        rc = take_attrs(r, values[HOST_ATTRS], OF_HOST, host, e);
        if (tg_problems_count(r->p) > before)
            break; /* the same mistake for each of a million hosts is one mistake */
    }
    return rc;
}

static int take_root(struct reader *r, const struct tg_yaml_node *root, struct tg_error *e)
{
    const struct tg_yaml_node *values[sizeof root_keys / sizeof root_keys[0]];
    int rc;

    tg_yaml_fields(root, "an inventory", root_keys, r->p, values);
    if ((rc = take_defaults(r, values[DEFAULTS], e)))
        return rc;
    const struct tg_yaml_node *groups = values[GROUPS], *hosts = values[HOSTS];
    if (!tg_yaml_is_null(groups) && tg_yaml_is_map(groups, "groups", r->p))
        for (uint32_t i = 0; !rc && i < groups->n; i++)
            rc = take_group(r, &groups->pairs[i], e);
    if (!tg_yaml_is_null(hosts) && tg_yaml_is_map(hosts, "hosts", r->p))
        for (uint32_t i = 0; !rc && i < hosts->n; i++)
            rc = take_hosts_entry(r, &hosts->pairs[i], e);
    return rc;
}

/* Reads a parsed document; it must outlive the call. */
static int read_doc(const char *file, const struct tg_yaml_doc *doc, enum tg_customers_from from, struct tg_problems *problems,
                    struct tg_inventory **out, struct tg_error *e)
{
    struct reader r = {.p = problems};
    struct tg_inventory *inv = NULL;
    int rc = tg_build_init(&r.b, file, problems, e);

    if (rc)
        return rc;
    rc = take_root(&r, tg_yaml_root(doc), e);
    tg_hostlist_release(&r.names);
    if (rc) {
        tg_build_release(&r.b);
        return rc;
    }
    rc = tg_build_finish(&r.b, &inv, e);
    if (!rc)
        rc = tg_customers_yaml(inv, tg_yaml_get(tg_yaml_root(doc), root_keys[CUSTOMERS].name), from, problems, e);
    if (!rc)
        rc = tg_problems_error(problems, e);
    if (rc)
        tg_inventory_free(inv);
    else
        *out = inv;
    return rc;
}

int tg_inventory_parse_yaml(const char *file, const char *text, size_t len, struct tg_problems *problems, struct tg_inventory **out,
                            struct tg_error *e)
{
    struct tg_yaml_doc *doc;
    int rc = tg_yaml_parse(file, text, len, problems, &doc, e);

    if (rc)
        return rc;
    rc = read_doc(file, doc, TG_CUSTOMERS_FROM_MEMORY, problems, out, e);
    tg_yaml_free(doc);
    return rc;
}

int tg_inventory_read_yaml(const char *path, struct tg_problems *problems, struct tg_inventory **out, struct tg_error *e)
{
    struct tg_yaml_doc *doc;
    int rc = tg_yaml_load(path, problems, &doc, e);

    if (rc)
        return rc;
    rc = read_doc(path, doc, TG_CUSTOMERS_FROM_FILE, problems, out, e);
    tg_yaml_free(doc);
    return rc;
}
