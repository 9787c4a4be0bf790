/* Warnings about an inventory: see check.h. */
#include "fleet/check.h"

#include "base/nearest.h"
#include "fleet/finish.h"

#include <stdlib.h>
#include <string.h>

static int compare_pointers(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const char *const *) a, y = (uintptr_t) * (const char *const *) b;

    return (x > y) - (x < y);
}

/* values: room for one pointer a host. Values are interned, so that equal ones have one address. */
static void count_use(const struct tg_inventory *inv, const char **values, struct tg_attr_use *use)
{
    size_t n = 0;

    for (size_t i = 0; i < inv->n_hosts; i++) {
        const char *value = tg_host_attr(inv, &inv->hosts[i], use->key);
        if (value)
            values[n++] = value;
    }
    use->hosts = n;
    qsort(values, n, sizeof *values, compare_pointers);
    for (size_t i = 0; i < n; i++)
        use->values += i == 0 || values[i] != values[i - 1];
}

int tg_inventory_uses(const struct tg_inventory *inv, struct tg_attr_use **out, size_t *out_n, struct tg_error *e)
{
    struct tg_attr_use *uses = calloc(inv->n_keys + 1, sizeof *uses);
    const char **values = calloc(inv->n_hosts + 1, sizeof *values);

    if (!uses || !values) {
        free(uses);
        free(values);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    for (size_t k = 0; k < inv->n_keys; k++) {
        uses[k].key = inv->keys[k];
        count_use(inv, values, &uses[k]);
    }
    free(values);
    *out = uses;
    *out_n = inv->n_keys;
    return 0;
}

struct warnings {
    const struct tg_inventory *inv;
    json_t *list;
    struct tg_buf text;
};

static void end_warning(struct warnings *w)
{
    json_array_append_new(w->list, json_string(tg_buf_text(&w->text)));
    tg_buf_reset(&w->text);
}

static void empty_groups(struct warnings *w)
{
    size_t n = 0;

    for (size_t g = 0; g < w->inv->n_groups; g++)
        if (!w->inv->groups[g].n_hosts)
            tg_buf_printf(&w->text, "%s%s", n++ ? ", " : "no host is in ", w->inv->groups[g].name);
    if (n)
        end_warning(w);
}

static int lonely_hosts(struct warnings *w, struct tg_error *e)
{
    struct tg_folder *folder;
    size_t n = 0;
    int rc = tg_folder_new(&folder, e);

    for (size_t i = 0; !rc && i < w->inv->n_hosts; i++) {
        if (w->inv->combinations[w->inv->hosts[i].combination].n_groups)
            continue;
        rc = tg_folder_add(folder, w->inv->hosts[i].name, e);
        n++;
    }
    if (!rc && n) {
        tg_buf_printf(&w->text, "%zu host%s in no group: ", n, n == 1 ? " is" : "s are");
        rc = tg_folder_print(folder, &w->text, e);
        end_warning(w);
    }
    tg_folder_free(folder);
    return rc;
}

/* Defaults have no group; everything else has a name. */
static const char *group_name(const struct tg_inventory *inv, uint32_t group)
{
    return group < inv->n_groups ? inv->groups[group].name : "defaults";
}

static void clashes(struct warnings *w)
{
    for (size_t i = 0; i < w->inv->n_clashes; i++) {
        const struct tg_clash *c = &w->inv->clashes[i];
        const struct tg_host *host = &w->inv->hosts[c->host];
        tg_buf_printf(&w->text, "groups %s and %s disagree about %s of %s; %s wins, it comes later", group_name(w->inv, c->loser),
                      group_name(w->inv, c->winner), c->key, host->name, group_name(w->inv, c->winner));
        end_warning(w);
    }
}

static void crowds(struct warnings *w)
{
    for (size_t c = 0; c < w->inv->n_customers; c++)
        if (w->inv->customers[c].n_contacts > TG_CUSTOMER_TOLD_MAX) {
            tg_buf_printf(&w->text, "customer %s has %zu contacts, and the first %d are told: a mailing list as one contact reaches all", w->inv->customers[c].name,
                          w->inv->customers[c].n_contacts, TG_CUSTOMER_TOLD_MAX);
            end_warning(w);
        }
}

struct others {
    const struct tg_attr_use *uses;
    size_t n, but;
};

static const char *next_other(const void *data, size_t i)
{
    const struct others *o = data;

    i += i >= o->but;
    return i < o->n ? o->uses[i].key : NULL;
}

static size_t hosts_with(const struct tg_attr_use *uses, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (uses[i].key == key)
            return uses[i].hosts;
    return 0;
}

/* A key that few hosts have and whose neighbour many have: ten times as many is no accident, two times may be. */
static int misspelt_keys(struct warnings *w, struct tg_error *e)
{
    struct tg_attr_use *uses;
    size_t n;
    int rc = tg_inventory_uses(w->inv, &uses, &n, e);

    for (size_t i = 0; !rc && i < n; i++) {
        const struct others others = {uses, n, i};
        const char *near = strlen(uses[i].key) > 2 ? tg_nearest(uses[i].key, next_other, &others) : NULL;
        size_t many = near ? hosts_with(uses, n, near) : 0;
        if (!near || many < 10 * uses[i].hosts)
            continue;
        tg_buf_printf(&w->text, "%zu host%s attribute \"%s\", and %zu have \"%s\": is it misspelt?", uses[i].hosts,
                      uses[i].hosts == 1 ? " has an" : "s have an", uses[i].key, many, near);
        end_warning(w);
    }
    if (!rc)
        free(uses);
    return rc;
}

int tg_inventory_warnings(const struct tg_inventory *inv, json_t **out, struct tg_error *e)
{
    struct warnings w = {.inv = inv, .list = json_array()};
    int rc = w.list ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc) {
        empty_groups(&w);
        clashes(&w);
        crowds(&w);
        rc = lonely_hosts(&w, e);
    }
    if (!rc)
        rc = misspelt_keys(&w, e);
    if (!rc)
        rc = tg_buf_ok(&w.text, e);
    tg_buf_release(&w.text);
    if (rc)
        json_decref(w.list);
    else
        *out = w.list;
    return rc;
}
