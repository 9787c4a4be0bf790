/* Ansible's dynamic inventory JSON → facts of an inventory: see inventory.h and build.h. */
#include "fleet/build.h"
#include "fleet/customers.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct reader {
    struct tg_build b;
    struct tg_problems *p;
};

/* A mistake; the JSON came from a program, so there is no line to point at. */
static struct tg_error *mistake(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static struct tg_error *mistake(struct reader *r, const char *format, ...)
{
    const struct tg_place place = {.file = r->b.file};
    va_list args;

    va_start(args, format);
    struct tg_error *e = tg_problems_addv(r->p, &place, format, args);
    va_end(args);
    return e;
}

/* A scalar as text; NULL for null, lists and objects (an encrypted value is one). small: for numbers. */
static const char *scalar(const json_t *value, char *small, size_t size)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (json_is_integer(value))
        snprintf(small, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(small, size, "%.15g", json_real_value(value));
    else
        return NULL;
    return small;
}

/* What a host or a group is reached by. Each NULL when it does not apply. */
struct reach {
    const char **address, **user;
    uint16_t *port;
};

static int take_port(struct reader *r, const char *whose, const char *text, uint16_t *out)
{
    unsigned port = 0;

    if (strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text))
        for (const char *c = text; *c; c++)
            port = port * 10 + (unsigned) (*c - '0');
    if (port < 1 || port > 65535)
        mistake(r, "ansible_port of %s is \"%.40s\", not 1 to 65535", whose, text);
    else
        *out = (uint16_t) port;
    return 0;
}

/* Variables that begin with "ansible_" say how Ansible connects, passwords included: but for these three they are not for us. */
static int take_ansible_var(struct reader *r, const char *whose, const char *key, const char *value, struct reach *reach, struct tg_error *e)
{
    if (strcmp(key, "ansible_port") == 0)
        return take_port(r, whose, value, reach->port);
    if (strcmp(key, "ansible_user") == 0) {
        if (tg_user_ok(value))
            return tg_build_intern(&r->b, value, reach->user, e);
        mistake(r, "ansible_user of %s can't be a user's name: \"%.64s\"", whose, value);
    } else if (strcmp(key, "ansible_host") == 0 && reach->address) {
        if (tg_address_ok(value))
            return tg_build_intern(&r->b, value, reach->address, e);
        mistake(r, "ansible_host of %s is no address: \"%.64s\"", whose, value);
    }
    return 0;
}

static int take_vars(struct reader *r, const char *whose, const json_t *vars, bool of_host, uint32_t index, struct reach *reach,
                     struct tg_error *e)
{
    const char *key;
    json_t *item;
    int rc = 0;

    json_object_foreach((json_t *) vars, key, item)
    {
        char small[40];
        const char *value = scalar(item, small, sizeof small);
        if (!value)
            continue;
        if (strncmp(key, "ansible_", 8) == 0)
            rc = take_ansible_var(r, whose, key, value, reach, e);
        else if (!tg_attr_key_ok(key) || !tg_attr_value_ok(value))
            continue;
        else if (of_host)
            rc = tg_build_host_attr(&r->b, index, key, value, e);
        else
            rc = tg_build_group_attr(&r->b, index, key, value, e);
        if (rc)
            return rc;
    }
    return 0;
}

/* The host of a name; *out_ok says whether the name can be one. */
static int take_host(struct reader *r, const char *where, const char *name, bool *out_ok, uint32_t *out, struct tg_error *e)
{
    char lower[TG_HOST_NAME_SIZE];
    struct tg_error why = TG_ERROR_INIT;

    *out_ok = tg_host_name(name, strlen(name), lower, &why) == 0;
    if (*out_ok)
        return tg_build_host(&r->b, lower, out, e);
    tg_error_hint(mistake(r, "%s: %s", where, why.message), "%s", why.hint);
    return 0;
}

static int take_members(struct reader *r, const char *group_name, uint32_t group, const json_t *hosts, struct tg_error *e)
{
    size_t i;
    json_t *item;
    char where[TG_WORD_MAX + 16];

    snprintf(where, sizeof where, "group %s", group_name);
    json_array_foreach((json_t *) hosts, i, item)
    {
        bool ok = false;
        uint32_t host = 0;
        int rc = 0;
        if (json_is_string(item))
            rc = take_host(r, where, json_string_value(item), &ok, &host, e);
        else
            mistake(r, "%s: hosts must be names", where);
        if (!rc && ok)
            rc = tg_build_member(&r->b, group, host, e);
        if (rc)
            return rc;
    }
    return 0;
}

static int take_children(struct reader *r, const char *group_name, uint32_t group, const json_t *children, struct tg_error *e)
{
    size_t i;
    json_t *item;

    json_array_foreach((json_t *) children, i, item)
    {
        const char *name = json_string_value(item);
        int rc = 0;
        if (!name || !tg_group_name_ok(name))
            mistake(r, "group %s: a child \"%.64s\" can't be a group's name", group_name, name ? name : "?");
        else
            rc = tg_build_child(&r->b, group, name, NULL, e);
        if (rc)
            return rc;
    }
    return 0;
}

/* A list of hosts, or an object with hosts, children and vars. */
static int take_group(struct reader *r, const char *name, const json_t *value, struct tg_error *e)
{
    uint32_t group;

    if (!tg_group_name_ok(name)) {
        mistake(r, "\"%.64s\" can't be a group's name", name);
        return 0;
    }
    int rc = tg_build_group(&r->b, name, &group, e);
    if (rc || json_is_array(value))
        return rc ? rc : take_members(r, name, group, value, e);
    if (!json_is_object(value)) {
        mistake(r, "group %s must be a list of hosts, or an object", name);
        return 0;
    }
    struct reach reach = {.user = &r->b.groups[group].user, .port = &r->b.groups[group].port};
    char whose[TG_WORD_MAX + 16];
    snprintf(whose, sizeof whose, "group %s", name);
    if ((rc = take_members(r, name, group, json_object_get(value, "hosts"), e)) ||
        (rc = take_children(r, name, group, json_object_get(value, "children"), e)))
        return rc;
    return take_vars(r, whose, json_object_get(value, "vars"), false, group, &reach, e);
}

static int take_hostvars(struct reader *r, const json_t *hostvars, struct tg_error *e)
{
    const char *name;
    json_t *vars;

    json_object_foreach((json_t *) hostvars, name, vars)
    {
        bool ok;
        uint32_t host = 0;
        int rc = take_host(r, "_meta.hostvars", name, &ok, &host, e);
        if (!rc && ok) {
            struct tg_build_host *h = &r->b.hosts[host];
            struct reach reach = {&h->address, &h->user, &h->port};
            rc = take_vars(r, h->name, vars, true, host, &reach, e);
        }
        if (rc)
            return rc;
    }
    return 0;
}

static int take_root(struct reader *r, const json_t *root, struct tg_error *e)
{
    const char *key;
    json_t *value;
    const json_t *meta = json_object_get(root, "_meta");

    if (!json_is_object(root)) {
        mistake(r, "the inventory must be a JSON object of groups");
        return 0;
    }
    if (!json_is_object(json_object_get(meta, "hostvars")))
        tg_error_hint(mistake(r, "there is no _meta.hostvars"), "programs that want to be asked with --host NAME are not supported");
    json_object_foreach((json_t *) root, key, value)
    {
        int rc = strcmp(key, "_meta") == 0 ? 0 : take_group(r, key, value, e);
        if (rc)
            return rc;
    }
    return take_hostvars(r, json_object_get(meta, "hostvars"), e);
}

int tg_inventory_parse_ansible(const char *file, const char *text, size_t len, struct tg_problems *problems,
                               struct tg_inventory **out, struct tg_error *e)
{
    struct reader r = {.p = problems};
    json_error_t why;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    struct tg_inventory *inv = NULL;
    int rc = tg_build_init(&r.b, file, problems, e);

    if (rc) {
        json_decref(root);
        return rc;
    }
    r.b.lenient = true;
    if (!root) {
        const struct tg_place place = {.file = file, .line = why.line > 0 ? why.line : 1, .column = why.column > 0 ? why.column : 1};
        tg_problems_add(problems, &place, "no JSON: %s", why.text);
    } else {
        rc = take_root(&r, root, e);
    }
    if (rc)
        tg_build_release(&r.b);
    else
        rc = tg_build_finish(&r.b, &inv, e);
    if (!rc)
        rc = tg_customers_json(inv, file, json_object_get(json_object_get(root, "_meta"), "customers"), problems, e);
    if (!rc)
        rc = tg_problems_error(problems, e);
    json_decref(root);
    if (rc)
        tg_inventory_free(inv);
    else
        *out = inv;
    return rc;
}
