/* Looking into an inventory: see inventory.h. */
#include "fleet/build.h"

#include "base/buf.h"
#include "base/nearest.h"
#include "fleet/customers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void tg_inventory_free(struct tg_inventory *inv)
{
    if (!inv)
        return;
    for (size_t i = 0; i < inv->n_combinations; i++) {
        free(inv->combinations[i].direct);
        free(inv->combinations[i].groups);
        free(inv->combinations[i].attrs);
    }
    free(inv->combinations);
    free(inv->path);
    free(inv->hosts);
    free(inv->host_table);
    free(inv->groups);
    free(inv->host_attrs);
    free(inv->group_hosts);
    free(inv->group_children);
    free(inv->group_attrs);
    free(inv->keys);
    free(inv->clashes);
    tg_customers_free(inv);
    tg_pool_release(&inv->pool);
    free(inv);
}

const char *tg_inventory_path(const struct tg_inventory *inv)
{
    return inv->path;
}

const struct tg_host *tg_inventory_hosts(const struct tg_inventory *inv, size_t *out_n)
{
    *out_n = inv->n_hosts;
    return inv->hosts;
}

const struct tg_host *tg_inventory_host(const struct tg_inventory *inv, const char *name)
{
    char lower[TG_HOST_NAME_SIZE];

    if (!inv->n_hosts || tg_host_name(name, strlen(name), lower, NULL))
        return NULL;
    size_t at = tg_pool_hash(lower, strlen(lower)) & (inv->host_table_cap - 1);
    for (; inv->host_table[at]; at = (at + 1) & (inv->host_table_cap - 1))
        if (strcmp(inv->hosts[inv->host_table[at] - 1].name, lower) == 0)
            return &inv->hosts[inv->host_table[at] - 1];
    return NULL;
}

const struct tg_group *tg_inventory_groups(const struct tg_inventory *inv, size_t *out_n)
{
    *out_n = inv->n_groups;
    return inv->groups;
}

const struct tg_group *tg_inventory_group(const struct tg_inventory *inv, const char *name)
{
    for (size_t low = 0, high = inv->n_groups; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, inv->groups[middle].name);
        if (order == 0)
            return &inv->groups[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const char *next_host(const void *data, size_t i)
{
    const struct tg_inventory *inv = data;

    return i < inv->n_hosts ? inv->hosts[i].name : NULL;
}

static const char *next_group(const void *data, size_t i)
{
    const struct tg_inventory *inv = data;

    return i < inv->n_groups ? inv->groups[i].name : NULL;
}

const char *tg_inventory_nearest_host(const struct tg_inventory *inv, const char *name)
{
    return tg_nearest(name, next_host, inv);
}

const char *tg_inventory_nearest_group(const struct tg_inventory *inv, const char *name)
{
    return tg_nearest(name, next_group, inv);
}

const uint32_t *tg_host_groups(const struct tg_inventory *inv, const struct tg_host *host, size_t *out_n)
{
    const struct tg_combination *c = &inv->combinations[host->combination];

    *out_n = c->n_groups;
    return c->groups;
}

bool tg_host_in_group(const struct tg_inventory *inv, const struct tg_host *host, const struct tg_group *group)
{
    const struct tg_combination *c = &inv->combinations[host->combination];
    uint32_t wanted = (uint32_t) (group - inv->groups);

    for (uint32_t low = 0, high = c->n_groups; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (c->groups[middle] == wanted)
            return true;
        if (wanted < c->groups[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

const char *tg_host_attr(const struct tg_inventory *inv, const struct tg_host *host, const char *key)
{
    const struct tg_combination *c = &inv->combinations[host->combination];

    for (uint32_t i = 0; i < host->n_attrs; i++)
        if (strcmp(host->attrs[i].key, key) == 0)
            return host->attrs[i].value;
    for (uint32_t low = 0, high = c->n_attrs; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(key, c->attrs[middle].key);
        if (order == 0)
            return c->attrs[middle].value;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *const *tg_inventory_attr_keys(const struct tg_inventory *inv, size_t *out_n)
{
    *out_n = inv->n_keys;
    return inv->keys;
}

/* A word of the canonical line: what separates words there is escaped, and so is the escape. */
static void put_word(struct tg_buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr(" %=,", *text))
            tg_buf_printf(out, "%%%02x", (unsigned char) *text);
        else
            tg_buf_putc(out, *text);
    }
}

void tg_host_describe(const struct tg_inventory *inv, const struct tg_host *host, struct tg_buf *out)
{
    size_t n;
    const uint32_t *groups = tg_host_groups(inv, host, &n);

    tg_buf_printf(out, "%s ", host->name);
    put_word(out, host->address ? host->address : "");
    tg_buf_putc(out, ' ');
    put_word(out, host->user ? host->user : "");
    tg_buf_printf(out, " %u ", host->port);
    for (size_t i = 0; i < n; i++)
        tg_buf_printf(out, "%s%s", i ? "," : "", inv->groups[groups[i]].name);
    tg_buf_putc(out, ' ');
    for (size_t k = 0, printed = 0; k < inv->n_keys; k++) {
        const char *value = tg_host_attr(inv, host, inv->keys[k]);
        if (!value)
            continue;
        if (printed++)
            tg_buf_putc(out, ',');
        put_word(out, inv->keys[k]);
        tg_buf_putc(out, '=');
        put_word(out, value);
    }
    tg_buf_putc(out, '\n');
}
