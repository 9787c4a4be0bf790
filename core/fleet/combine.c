/* Combinations of groups, what follows from each, and the hosts of each group. See finish.h and build.h. */
#include "fleet/finish.h"

#include <stdlib.h>
#include <string.h>

static void *array(size_t n, size_t size)
{
    return calloc(n + 1, size); /* empty ones are allocated as well: NULL always means short memory */
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return (x > y) - (x < y);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct tg_attr *) a)->key, ((const struct tg_attr *) b)->key);
}

/* The work of resolving combinations, one after the other. */
struct resolver {
    struct tg_finish *f;
    uint32_t *parent_start, *parents; /* of group g: parents[parent_start[g] … parent_start[g + 1]) */
    uint32_t *seen;                   /* by group: the number + 1 of the last combination that reached it */
    uint32_t *level, *next;           /* groups equally close */
    struct found {
        struct tg_attr attr;
        uint32_t level, group;
    } *found;
    size_t n_found, found_cap;
    uint32_t *groups;
    size_t n_groups;
};

static int init_parents(struct resolver *r, struct tg_error *e)
{
    const struct tg_inventory *inv = r->f->b->inventory;
    size_t n = inv->n_groups, total = r->f->b->n_children;

    r->parent_start = array(n + 1, sizeof *r->parent_start);
    r->parents = array(total, sizeof *r->parents);
    r->seen = array(n, sizeof *r->seen);
    r->level = array(n, sizeof *r->level);
    r->next = array(n, sizeof *r->next);
    r->groups = array(n, sizeof *r->groups);
    if (!r->parent_start || !r->parents || !r->seen || !r->level || !r->next || !r->groups)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t g = 0; g < n; g++)
        for (size_t i = 0; i < inv->groups[g].n_children; i++)
            r->parent_start[inv->groups[g].children[i] + 1]++;
    for (size_t g = 0; g < n; g++)
        r->parent_start[g + 1] += r->parent_start[g];
    for (uint32_t g = 0; g < n; g++) /* seen serves as a counter here */
        for (size_t i = 0; i < inv->groups[g].n_children; i++) {
            uint32_t child = inv->groups[g].children[i];
            r->parents[r->parent_start[child] + r->seen[child]++] = g;
        }
    memset(r->seen, 0, n * sizeof *r->seen);
    return 0;
}

static void release_resolver(struct resolver *r)
{
    free(r->parent_start);
    free(r->parents);
    free(r->seen);
    free(r->level);
    free(r->next);
    free(r->groups);
    free(r->found);
}

static struct found *find_key(const struct resolver *r, const char *key)
{
    for (size_t i = 0; i < r->n_found; i++)
        if (r->found[i].attr.key == key) /* interned */
            return &r->found[i];
    return NULL;
}

static int note_clash(struct resolver *r, const struct found *winner, uint32_t loser, uint32_t host, struct tg_error *e)
{
    struct tg_inventory *inv = r->f->b->inventory;

    if (!inv->clashes)
        inv->clashes = array(TG_CLASHES_MAX, sizeof *inv->clashes);
    if (!inv->clashes)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < inv->n_clashes; i++)
        if (inv->clashes[i].key == winner->attr.key && inv->clashes[i].loser == loser && inv->clashes[i].winner == winner->group)
            return 0;
    if (inv->n_clashes < TG_CLASHES_MAX)
        inv->clashes[inv->n_clashes++] = (struct tg_clash) {winner->attr.key, loser, winner->group, host};
    return 0;
}

static int take_attr(struct resolver *r, const struct tg_attr *attr, uint32_t level, uint32_t group, uint32_t host, struct tg_error *e)
{
    struct found *old = find_key(r, attr->key);

    if (old && old->level == level && old->attr.value != attr->value)
        return note_clash(r, old, group, host, e);
    if (old)
        return 0;
    int rc = tg_build_room(&r->found, r->n_found, &r->found_cap, sizeof *r->found, e);
    if (!rc)
        r->found[r->n_found++] = (struct found) {*attr, level, group};
    return rc;
}

/* Groups equally close, the last of the file first: what is found first wins. */
static void sort_level(const struct resolver *r, size_t n)
{
    const uint32_t *old = r->f->group_old;

    for (size_t i = 1; i < n; i++) {
        uint32_t g = r->level[i];
        size_t j = i;
        for (; j > 0 && old[r->level[j - 1]] < old[g]; j--)
            r->level[j] = r->level[j - 1];
        r->level[j] = g;
    }
}

static int take_level(struct resolver *r, struct tg_combination *c, size_t n, uint32_t level, uint32_t host, struct tg_error *e)
{
    const struct tg_build *b = r->f->b;
    int rc = 0;

    sort_level(r, n);
    for (size_t i = 0; !rc && i < n; i++) {
        const struct tg_group *g = &b->inventory->groups[r->level[i]];
        const struct tg_build_group *facts = &b->groups[r->f->group_old[r->level[i]]];
        for (size_t a = 0; !rc && a < g->n_attrs; a++)
            rc = take_attr(r, &g->attrs[a], level, r->level[i], host, e);
        c->user = c->user ? c->user : facts->user;
        c->port = c->port ? c->port : facts->port;
        r->groups[r->n_groups++] = r->level[i];
    }
    return rc;
}

/* The parents of the level's groups that were not reached yet become the level. */
static size_t next_level(struct resolver *r, size_t n, uint32_t stamp)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++)
        for (uint32_t p = r->parent_start[r->level[i]]; p < r->parent_start[r->level[i] + 1]; p++)
            if (r->seen[r->parents[p]] != stamp) {
                r->seen[r->parents[p]] = stamp;
                r->next[m++] = r->parents[p];
            }
    uint32_t *swap = r->level;
    r->level = r->next;
    r->next = swap;
    return m;
}

static int store_result(struct resolver *r, struct tg_combination *c, struct tg_error *e)
{
    c->groups = array(r->n_groups, sizeof *c->groups);
    c->attrs = array(r->n_found, sizeof *c->attrs);
    if (!c->groups || !c->attrs)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    memcpy(c->groups, r->groups, r->n_groups * sizeof *c->groups);
    c->n_groups = (uint32_t) r->n_groups;
    qsort(c->groups, c->n_groups, sizeof *c->groups, compare_numbers);
    for (size_t i = 0; i < r->n_found; i++)
        c->attrs[i] = r->found[i].attr;
    c->n_attrs = (uint32_t) r->n_found;
    qsort(c->attrs, c->n_attrs, sizeof *c->attrs, compare_keys);
    return 0;
}

/* host: the first one that has this combination, for messages. */
static int resolve(struct resolver *r, struct tg_combination *c, uint32_t host, struct tg_error *e)
{
    const struct tg_build *b = r->f->b;
    uint32_t stamp = (uint32_t) (c - b->inventory->combinations) + 1, level = 0;
    size_t n = c->n_direct;
    int rc = 0;

    r->n_found = 0;
    r->n_groups = 0;
    for (size_t i = 0; i < n; i++) {
        r->level[i] = c->direct[i];
        r->seen[c->direct[i]] = stamp;
    }
    for (; !rc && n; level++) {
        rc = take_level(r, c, n, level, host, e);
        n = next_level(r, n, stamp);
    }
    for (size_t i = 0; !rc && i < b->n_defaults; i++)
        rc = take_attr(r, &b->defaults[i].attr, level, UINT32_MAX, host, e);
    c->user = c->user ? c->user : b->default_user;
    c->port = c->port ? c->port : b->default_port;
    return rc ? rc : store_result(r, c, e);
}

/* The groups that list each host: direct[start[h] … start[h + 1]), ascending; doubles are dropped into count[h]. */
struct memberships {
    uint32_t *start, *count, *direct;
    uint32_t *table; /* combinations by hash: index + 1 */
    size_t table_cap, combinations_cap;
};

static int lay_out_members(const struct tg_finish *f, struct memberships *m, struct tg_error *e)
{
    const struct tg_build *b = f->b;

    m->start = array(b->n_hosts + 1, sizeof *m->start);
    m->count = array(b->n_hosts, sizeof *m->count);
    m->direct = array(b->n_members, sizeof *m->direct);
    if (!m->start || !m->count || !m->direct)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < b->n_members; i++)
        m->start[f->host_new[b->members[i].host] + 1]++;
    for (size_t h = 0; h < b->n_hosts; h++)
        m->start[h + 1] += m->start[h];
    for (size_t i = 0; i < b->n_members; i++) {
        uint32_t h = f->host_new[b->members[i].host];
        m->direct[m->start[h] + m->count[h]++] = f->group_new[b->members[i].group];
    }
    for (size_t h = 0; h < b->n_hosts; h++) {
        uint32_t *list = m->direct + m->start[h], kept = 0;
        qsort(list, m->count[h], sizeof *list, compare_numbers);
        for (uint32_t i = 0; i < m->count[h]; i++)
            if (!kept || list[kept - 1] != list[i])
                list[kept++] = list[i];
        m->count[h] = kept;
    }
    return 0;
}

static size_t hash_list(const uint32_t *list, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ list[i]) * 0x100000001b3u;
    return (size_t) (h ^ h >> 32);
}

static int grow_table(const struct tg_inventory *inv, struct memberships *m, struct tg_error *e)
{
    size_t cap = m->table_cap ? m->table_cap * 2 : 64;
    uint32_t *table = array(cap, sizeof *table);

    if (!table)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < inv->n_combinations; i++) {
        size_t at = hash_list(inv->combinations[i].direct, inv->combinations[i].n_direct) & (cap - 1);
        while (table[at])
            at = (at + 1) & (cap - 1);
        table[at] = (uint32_t) i + 1;
    }
    free(m->table);
    m->table = table;
    m->table_cap = cap;
    return 0;
}

static int combination_of(struct resolver *r, struct memberships *m, uint32_t host, struct tg_error *e)
{
    struct tg_inventory *inv = r->f->b->inventory;
    const uint32_t *list = m->direct + m->start[host];
    uint32_t n = m->count[host];
    int rc = inv->n_combinations * 2 >= m->table_cap ? grow_table(inv, m, e) : 0;

    if (rc)
        return rc;
    size_t at = hash_list(list, n) & (m->table_cap - 1);
    for (; m->table[at]; at = (at + 1) & (m->table_cap - 1)) {
        const struct tg_combination *c = &inv->combinations[m->table[at] - 1];
        if (c->n_direct != n || (n && memcmp(c->direct, list, n * sizeof *list) != 0))
            continue;
        inv->hosts[host].combination = m->table[at] - 1;
        return 0;
    }
    if ((rc = tg_build_room(&inv->combinations, inv->n_combinations, &m->combinations_cap, sizeof *inv->combinations, e)))
        return rc;
    struct tg_combination *c = &inv->combinations[inv->n_combinations];
    *c = (struct tg_combination) {.direct = array(n, sizeof *list), .n_direct = n};
    inv->hosts[host].combination = (uint32_t) inv->n_combinations++;
    m->table[at] = (uint32_t) inv->n_combinations;
    if (!c->direct)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (n)
        memcpy(c->direct, list, n * sizeof *list);
    return resolve(r, c, host, e);
}

int tg_finish_combinations(struct tg_finish *f, struct tg_error *e)
{
    struct tg_inventory *inv = f->b->inventory;
    struct resolver r = {.f = f};
    struct memberships m = {0};
    int rc = init_parents(&r, e);

    if (!rc)
        rc = lay_out_members(f, &m, e);
    for (uint32_t h = 0; !rc && h < inv->n_hosts; h++) {
        rc = combination_of(&r, &m, h, e);
        if (rc)
            break;
        const struct tg_combination *c = &inv->combinations[inv->hosts[h].combination];
        for (uint32_t i = 0; i < c->n_direct; i++)
            inv->groups[c->direct[i]].n_direct++;
        inv->hosts[h].user = inv->hosts[h].user ? inv->hosts[h].user : c->user;
        inv->hosts[h].port = inv->hosts[h].port ? inv->hosts[h].port : c->port;
    }
    release_resolver(&r);
    free(m.start);
    free(m.count);
    free(m.direct);
    free(m.table);
    return rc;
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Adds the keys of a list to those known, once each. Few keys: a linear look is fine, and they are interned. */
static int add_keys(struct tg_inventory *inv, size_t *cap, const struct tg_attr *attrs, size_t n, struct tg_error *e)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < inv->n_keys && inv->keys[k] != attrs[i].key)
            k++;
        if (k < inv->n_keys)
            continue;
        int rc = tg_build_room(&inv->keys, inv->n_keys, cap, sizeof *inv->keys, e);
        if (rc)
            return rc;
        inv->keys[inv->n_keys++] = attrs[i].key;
    }
    return 0;
}

static int collect_keys(struct tg_inventory *inv, struct tg_error *e)
{
    size_t cap = 0;
    int rc = 0;

    for (size_t i = 0; !rc && i < inv->n_combinations; i++)
        rc = add_keys(inv, &cap, inv->combinations[i].attrs, inv->combinations[i].n_attrs, e);
    for (size_t i = 0; !rc && i < inv->n_hosts; i++)
        rc = add_keys(inv, &cap, inv->hosts[i].attrs, inv->hosts[i].n_attrs, e);
    if (!rc && inv->n_keys)
        qsort(inv->keys, inv->n_keys, sizeof *inv->keys, compare_words);
    return rc;
}

int tg_finish_members(struct tg_finish *f, struct tg_error *e)
{
    struct tg_inventory *inv = f->b->inventory;
    size_t total = 0;

    for (size_t h = 0; h < inv->n_hosts; h++) {
        const struct tg_combination *c = &inv->combinations[inv->hosts[h].combination];
        for (uint32_t i = 0; i < c->n_groups; i++)
            inv->groups[c->groups[i]].n_hosts++;
        total += c->n_groups;
    }
    inv->group_hosts = array(total, sizeof *inv->group_hosts);
    if (!inv->group_hosts)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    total = 0;
    for (size_t g = 0; g < inv->n_groups; g++) {
        inv->groups[g].hosts = inv->group_hosts + total;
        total += inv->groups[g].n_hosts;
        inv->groups[g].n_hosts = 0;
    }
    for (uint32_t h = 0; h < inv->n_hosts; h++) {
        const struct tg_combination *c = &inv->combinations[inv->hosts[h].combination];
        for (uint32_t i = 0; i < c->n_groups; i++) {
            struct tg_group *g = &inv->groups[c->groups[i]];
            inv->group_hosts[(size_t) (g->hosts - inv->group_hosts) + g->n_hosts++] = h;
        }
    }
    return collect_keys(inv, e);
}
