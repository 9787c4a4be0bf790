/* Facts → an inventory: groups and their families, cycles, hosts in order, what group combinations there are. See build.h. */
#include "fleet/finish.h"

#include "config/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_group_names(const void *a, const void *b)
{
    const struct tg_finish_named *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int compare_host_names(const void *a, const void *b)
{
    const struct tg_finish_named *x = a, *y = b;

    return tg_name_compare(x->name, y->name);
}

static bool in_order(const struct tg_finish_named *list, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (compare_host_names(&list[i - 1], &list[i]) >= 0)
            return false;
    return true;
}

static int memory(const void *p, struct tg_error *e)
{
    return p ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* Empty arrays are allocated as well, so that NULL always means short memory. */
static void *array(size_t n, size_t size)
{
    return calloc(n + 1, size);
}

/* A mistake where a child is written; a program's output has no such places. */
static struct tg_error *mistake(struct tg_finish *f, const struct tg_yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static struct tg_error *mistake(struct tg_finish *f, const struct tg_yaml_node *node, const char *format, ...)
{
    const struct tg_place nowhere = {.file = f->b->file};
    char text[640];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return node ? tg_yaml_problem(f->b->problems, node, "%s", text) : tg_problems_add(f->b->problems, &nowhere, "%s", text);
}

static int order_groups(struct tg_finish *f, struct tg_error *e)
{
    struct tg_build *b = f->b;
    struct tg_inventory *inv = b->inventory;
    struct tg_finish_named *named = array(b->n_groups, sizeof *named);

    inv->groups = array(b->n_groups, sizeof *inv->groups);
    f->group_new = array(b->n_groups, sizeof *f->group_new);
    f->group_old = array(b->n_groups, sizeof *f->group_old);
    if (!named || !inv->groups || !f->group_new || !f->group_old) {
        free(named);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < b->n_groups; i++)
        named[i] = (struct tg_finish_named) {b->groups[i].name, (uint32_t) i};
    qsort(named, b->n_groups, sizeof *named, compare_group_names);
    inv->n_groups = b->n_groups;
    for (size_t i = 0; i < b->n_groups; i++) {
        const struct tg_build_group *g = &b->groups[named[i].index];
        f->group_new[named[i].index] = (uint32_t) i;
        f->group_old[i] = named[i].index;
        inv->groups[i] = (struct tg_group) {.name = g->name, .line = g->line, .column = g->column};
    }
    free(named);
    return 0;
}

/* Checks that children exist, and lays them out by parent: inv->group_children. */
static int link_children(struct tg_finish *f, struct tg_error *e)
{
    struct tg_build *b = f->b;
    struct tg_inventory *inv = b->inventory;
    size_t at = 0;

    inv->group_children = array(b->n_children, sizeof *inv->group_children);
    if (memory(inv->group_children, e))
        return TG_E_MEMORY;
    for (size_t i = 0; i < b->n_children; i++) {
        struct tg_build_child *c = &b->children[i];
        const struct tg_group *child = tg_inventory_group(inv, c->name);
        c->parent = f->group_new[c->parent];
        if (child) {
            c->child = (uint32_t) (child - inv->groups);
            inv->groups[c->parent].n_children++;
            continue;
        }
        const char *near = tg_inventory_nearest_group(inv, c->name);
        struct tg_error *problem = mistake(f, c->node, "group \"%s\" has a child \"%s\", which is no group",
                                           inv->groups[c->parent].name, c->name);
        if (near)
            tg_error_hint(problem, "did you mean \"%s\"?", near);
        c->child = UINT32_MAX;
    }
    for (size_t g = 0; g < inv->n_groups; g++) {
        inv->groups[g].children = inv->group_children + at;
        at += inv->groups[g].n_children;
        inv->groups[g].n_children = 0;
    }
    for (size_t i = 0; i < b->n_children; i++) {
        struct tg_group *g = &inv->groups[b->children[i].parent];
        if (b->children[i].child != UINT32_MAX)
            inv->group_children[(size_t) (g->children - inv->group_children) + g->n_children++] = b->children[i].child;
    }
    return 0;
}

/* The first child of a group that is on a cycle as well (state 0), or NULL. */
static const uint32_t *next_on_cycle(const struct tg_inventory *inv, uint32_t group, const unsigned char *done)
{
    const struct tg_group *g = &inv->groups[group];

    for (size_t i = 0; i < g->n_children; i++)
        if (!done[g->children[i]])
            return &g->children[i];
    return NULL;
}

static const struct tg_yaml_node *place_of_child(const struct tg_build *b, uint32_t parent, uint32_t child)
{
    for (size_t i = 0; i < b->n_children; i++)
        if (b->children[i].parent == parent && b->children[i].child == child)
            return b->children[i].node;
    return NULL;
}

/* Follows children from a group that can't be peeled until one comes again, and names them all. walk: n_groups + 1. */
static void report_cycle(struct tg_finish *f, uint32_t start, unsigned char *done, uint32_t *walk)
{
    const struct tg_inventory *inv = f->b->inventory;
    struct tg_buf text = TG_BUF_INIT;
    size_t n = 0, first = 0;
    bool closed = false;

    for (uint32_t at = start; !closed;) {
        walk[n++] = at;
        at = *next_on_cycle(inv, at, done);
        for (first = 0; first < n && walk[first] != at;)
            first++;
        closed = first < n;
    }
    for (size_t i = first; i < n; i++)
        tg_buf_printf(&text, "%s > ", inv->groups[walk[i]].name);
    tg_buf_puts(&text, inv->groups[walk[first]].name);
    const struct tg_yaml_node *node = place_of_child(f->b, walk[n - 1], walk[first]);
    struct tg_error *problem = mistake(f, node, "groups are their own children: %s", tg_buf_text(&text));
    tg_error_hint(problem, "take \"%s\" out of the children of \"%s\"", inv->groups[walk[first]].name, inv->groups[walk[n - 1]].name);
    tg_buf_release(&text);
    done[walk[n - 1]] = 1; /* opens this cycle; others that share groups with it are found in the next round */
}

/* Peels groups whose children are all done. What never peels is on a cycle, or above one. */
static void peel(struct tg_finish *f, unsigned char *done)
{
    const struct tg_inventory *inv = f->b->inventory;

    for (bool more = true; more;) {
        more = false;
        for (uint32_t g = 0; g < inv->n_groups; g++) {
            if (done[g] || next_on_cycle(inv, g, done))
                continue;
            done[g] = 1;
            more = true;
        }
    }
}

static int find_cycles(struct tg_finish *f, struct tg_error *e)
{
    size_t n = f->b->inventory->n_groups;
    unsigned char *done = array(n, sizeof *done);
    uint32_t *walk = array(n + 1, sizeof *walk);
    int rc = done && walk ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc)
        peel(f, done);
    for (uint32_t g = 0; !rc && g < n; g++) {
        while (!done[g]) {
            report_cycle(f, g, done, walk);
            peel(f, done);
        }
    }
    free(done);
    free(walk);
    return rc;
}

static int order_hosts(struct tg_finish *f, struct tg_error *e)
{
    struct tg_build *b = f->b;
    struct tg_inventory *inv = b->inventory;
    struct tg_finish_named *named = array(b->n_hosts, sizeof *named);

    inv->hosts = array(b->n_hosts, sizeof *inv->hosts);
    f->host_new = array(b->n_hosts, sizeof *f->host_new);
    if (!named || !inv->hosts || !f->host_new) {
        free(named);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < b->n_hosts; i++)
        named[i] = (struct tg_finish_named) {b->hosts[i].name, (uint32_t) i};
    if (!in_order(named, b->n_hosts))
        qsort(named, b->n_hosts, sizeof *named, compare_host_names);
    inv->n_hosts = b->n_hosts;
    for (size_t i = 0; i < b->n_hosts; i++) {
        const struct tg_build_host *h = &b->hosts[named[i].index];
        f->host_new[named[i].index] = (uint32_t) i;
        inv->hosts[i] = (struct tg_host) {.name = h->name, .address = h->address, .user = h->user, .port = h->port, .index = (uint32_t) i};
    }
    free(named);
    inv->host_table = b->host_table; /* the builder's table serves on, with the new numbers */
    inv->host_table_cap = b->host_table_cap;
    b->host_table = NULL;
    for (size_t i = 0; i < inv->host_table_cap; i++)
        if (inv->host_table[i])
            inv->host_table[i] = f->host_new[inv->host_table[i] - 1] + 1;
    return 0;
}

/* The attributes as written, by what they are of: out[start[i] … start[i + 1]). A key that comes again replaces the earlier. */
static int lay_out_attrs(const struct tg_build_attr *list, size_t n, const uint32_t *renumber, size_t n_of, struct tg_attr **out,
                         uint32_t *count, struct tg_error *e)
{
    size_t *start = array(n_of + 1, sizeof *start);

    *out = array(n, sizeof **out);
    if (!start || !*out) {
        free(start);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < n; i++)
        start[renumber[list[i].of] + 1]++;
    for (size_t i = 0; i < n_of; i++)
        start[i + 1] += start[i];
    for (size_t i = 0; i < n; i++) {
        uint32_t of = renumber[list[i].of];
        struct tg_attr *own = *out + start[of];
        uint32_t k = 0;
        while (k < count[of] && own[k].key != list[i].attr.key)
            k++;
        own[k] = list[i].attr;
        count[of] += k == count[of];
    }
    free(start);
    return 0;
}

static int attrs_of_hosts(struct tg_finish *f, struct tg_error *e)
{
    struct tg_build *b = f->b;
    struct tg_inventory *inv = b->inventory;
    uint32_t *count = array(inv->n_hosts, sizeof *count);
    size_t *written = array(inv->n_hosts, sizeof *written), at = 0;
    int rc = count && written ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc)
        rc = lay_out_attrs(b->host_attrs, b->n_host_attrs, f->host_new, inv->n_hosts, &inv->host_attrs, count, e);
    for (size_t i = 0; !rc && i < b->n_host_attrs; i++)
        written[f->host_new[b->host_attrs[i].of]]++;
    for (size_t i = 0; !rc && i < inv->n_hosts; i++) {
        inv->hosts[i].attrs = inv->host_attrs + at;
        inv->hosts[i].n_attrs = count[i];
        at += written[i];
    }
    free(count);
    free(written);
    return rc;
}

static int attrs_of_groups(struct tg_finish *f, struct tg_error *e)
{
    struct tg_build *b = f->b;
    struct tg_inventory *inv = b->inventory;
    uint32_t *count = array(inv->n_groups, sizeof *count);
    size_t *written = array(inv->n_groups, sizeof *written), at = 0;
    int rc = count && written ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc)
        rc = lay_out_attrs(b->group_attrs, b->n_group_attrs, f->group_new, inv->n_groups, &inv->group_attrs, count, e);
    for (size_t i = 0; !rc && i < b->n_group_attrs; i++)
        written[f->group_new[b->group_attrs[i].of]]++;
    for (size_t i = 0; !rc && i < inv->n_groups; i++) {
        inv->groups[i].attrs = inv->group_attrs + at;
        inv->groups[i].n_attrs = count[i];
        at += written[i];
    }
    free(count);
    free(written);
    return rc;
}

/* A child that is no group becomes an empty one, before groups get their order. */
static int add_missing_groups(struct tg_build *b, struct tg_error *e)
{
    uint32_t group;
    int rc = 0;

    for (size_t i = 0; !rc && b->lenient && i < b->n_children; i++)
        rc = tg_build_group(b, b->children[i].name, &group, e);
    return rc;
}

static int finish(struct tg_finish *f, struct tg_error *e)
{
    int rc = add_missing_groups(f->b, e);

    if (!rc)
        rc = order_groups(f, e);
    if (!rc)
        rc = link_children(f, e);
    if (!rc)
        rc = find_cycles(f, e);
    if (!rc)
        rc = tg_problems_error(f->b->problems, e);
    if (!rc)
        rc = order_hosts(f, e);
    if (!rc)
        rc = attrs_of_hosts(f, e);
    if (!rc)
        rc = attrs_of_groups(f, e);
    if (!rc)
        rc = tg_finish_combinations(f, e);
    return rc ? rc : tg_finish_members(f, e);
}

int tg_build_finish(struct tg_build *b, struct tg_inventory **out, struct tg_error *e)
{
    struct tg_finish f = {.b = b};
    int rc = finish(&f, e);

    free(f.group_new);
    free(f.group_old);
    free(f.host_new);
    if (!rc) {
        *out = b->inventory;
        b->inventory = NULL;
    }
    tg_build_release(b);
    return rc;
}
