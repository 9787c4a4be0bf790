/* What many selectors over one inventory share: which hosts have which value of an attribute. See selector.h. */
#include "base/index.h"
#include "fleet/selector_impl.h"

#include <stdlib.h>
#include <string.h>

struct memo_key {
    const char *key;       /* the inventory's */
    const char **values;   /* likewise, each once */
    size_t n_values;
    struct tg_index index; /* of values */
    uint32_t *first;       /* of hosts, by value; n_values + 1 */
    uint32_t *hosts;       /* by value, then by index */
};

struct tg_select_memo {
    const struct tg_inventory *inventory;
    struct memo_key *keys;
    size_t n;
};

int tg_select_memo_new(const struct tg_inventory *inventory, struct tg_select_memo **out, struct tg_error *e)
{
    struct tg_select_memo *m = calloc(1, sizeof *m);

    if (!m)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    m->inventory = inventory;
    *out = m;
    return 0;
}

static void key_release(struct memo_key *k)
{
    free(k->values);
    free(k->first);
    free(k->hosts);
    tg_index_release(&k->index);
}

void tg_select_memo_free(struct tg_select_memo *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        key_release(&m->keys[i]);
    free(m->keys);
    free(m);
}

static bool is_same(const void *array, size_t at, const void *key)
{
    return strcmp(((const char *const *) array)[at], key) == 0;
}

/* Which value it is, new ones at the end. */
static int number_of(struct memo_key *k, const char *value, size_t *cap, uint32_t *out)
{
    uint32_t hash = tg_index_hash(value);
    size_t at;

    if (!tg_index_find(&k->index, hash, is_same, k->values, value, &at)) {
        if (k->n_values == *cap) {
            size_t more = *cap ? 2 * *cap : 64;
            const char **values = realloc(k->values, more * sizeof *values);
            if (!values)
                return TG_E_MEMORY;
            k->values = values;
            *cap = more;
        }
        at = k->n_values;
        if (tg_index_add(&k->index, hash, at))
            return TG_E_MEMORY;
        k->values[k->n_values++] = value;
    }
    *out = (uint32_t) at;
    return 0;
}

/* number: of each host's value, UINT32_MAX for none. Neighbours mostly have the same one. */
static int number_hosts(const struct tg_inventory *inventory, struct memo_key *k, uint32_t *number)
{
    size_t n, cap = 0;
    const struct tg_host *hosts = tg_inventory_hosts(inventory, &n);
    const char *last = NULL;
    uint32_t of_last = UINT32_MAX;
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++) {
        const char *value = tg_host_attr(inventory, &hosts[i], k->key);
        if (value != last)
            rc = value ? number_of(k, value, &cap, &of_last) : (of_last = UINT32_MAX, 0);
        last = value;
        number[i] = of_last;
    }
    return rc;
}

/* Counting: hosts stay in their order. */
static int sort_hosts(struct memo_key *k, const uint32_t *number, size_t n)
{
    k->first = calloc(k->n_values + 2, sizeof *k->first);
    k->hosts = malloc((n + 1) * sizeof *k->hosts);
    if (!k->first || !k->hosts)
        return TG_E_MEMORY;
    for (size_t i = 0; i < n; i++)
        if (number[i] != UINT32_MAX)
            k->first[number[i] + 2]++;
    for (size_t v = 2; v < k->n_values + 2; v++)
        k->first[v] += k->first[v - 1];
    for (size_t i = 0; i < n; i++)
        if (number[i] != UINT32_MAX)
            k->hosts[k->first[number[i] + 1]++] = (uint32_t) i;
    return 0;
}

static int add_key(struct tg_select_memo *m, const char *key)
{
    struct memo_key k = {.key = key};
    size_t n;
    int rc = TG_E_MEMORY;

    tg_inventory_hosts(m->inventory, &n);
    uint32_t *number = malloc((n + 1) * sizeof *number);
    struct memo_key *keys = realloc(m->keys, (m->n + 1) * sizeof *keys);
    if (keys)
        m->keys = keys;
    if (number && keys && (rc = number_hosts(m->inventory, &k, number)) == 0)
        rc = sort_hosts(&k, number, n);
    free(number);
    if (rc)
        key_release(&k);
    else
        m->keys[m->n++] = k;
    return rc;
}

int tg_select_memo_find(struct tg_select_memo *m, const char *key, const char *value, const uint32_t **out, size_t *out_n)
{
    size_t i = 0, at;

    while (i < m->n && strcmp(m->keys[i].key, key) != 0)
        i++;
    if (i == m->n) {
        int rc = add_key(m, key);
        if (rc)
            return rc;
    }
    const struct memo_key *k = &m->keys[i];
    *out_n = 0;
    if (tg_index_find(&k->index, tg_index_hash(value), is_same, k->values, value, &at)) {
        *out = k->hosts + k->first[at];
        *out_n = k->first[at + 1] - k->first[at];
    }
    return 0;
}

const struct tg_inventory *tg_select_memo_inventory(const struct tg_select_memo *m)
{
    return m->inventory;
}
