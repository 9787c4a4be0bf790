/* Groups and customers of a maintenance week: what pictures draw, and what customers are told. */
#include "calendar/week_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- groups ---- */

static int new_row(struct tg_week *week, const char *name, struct tg_week_row *out, struct tg_error *e)
{
    *out = (struct tg_week_row) {.name = strdup(name), .counts = calloc(week->n_slots + 1, sizeof *out->counts)};
    if (out->name && out->counts)
        return 0;
    free(out->name);
    free(out->counts);
    return tg_fail(e, TG_E_MEMORY, "out of memory");
}

struct sized {
    const struct tg_group *group;
    uint32_t n;
};

static int by_size(const void *a, const void *b)
{
    const struct sized *x = a, *y = b;

    return x->n != y->n ? (x->n < y->n ? 1 : -1) : strcmp(x->group->name, y->group->name);
}

static int by_name(const void *a, const void *b)
{
    const struct sized *x = a, *y = b;

    return strcmp(x->group->name, y->group->name);
}

/* Groups that list hosts themselves: those above them would count the same hosts again. The largest, by name. */
static size_t choose(const struct tg_inventory *inventory, const uint32_t *place_of, struct sized **out)
{
    size_t n_groups, n = 0;
    const struct tg_group *groups = tg_inventory_groups(inventory, &n_groups);
    struct sized *list = calloc(n_groups + 1, sizeof *list);

    for (size_t g = 0; list && g < n_groups; g++) {
        uint32_t inside = 0;
        for (size_t i = 0; groups[g].n_direct && i < groups[g].n_hosts; i++)
            inside += place_of[groups[g].hosts[i]] != TG_WEEK_NONE;
        if (inside)
            list[n++] = (struct sized) {&groups[g], inside};
    }
    if (list)
        qsort(list, n, sizeof *list, by_size);
    n = n > TG_WEEK_ROWS_MAX ? TG_WEEK_ROWS_MAX : n;
    if (list)
        qsort(list, n, sizeof *list, by_name);
    *out = list;
    return n;
}

static int fill(struct tg_week *week, const struct sized *list, size_t n, const uint32_t *place_of, bool *seen, struct tg_error *e)
{
    int rc = 0;

    for (size_t r = 0; !rc && r < n; r++) {
        struct tg_week_row *row = &week->rows[week->n_rows];
        if ((rc = new_row(week, list[r].group->name, row, e)) != 0)
            return rc;
        week->n_rows++;
        for (size_t i = 0; i < list[r].group->n_hosts; i++) {
            uint32_t place = place_of[list[r].group->hosts[i]];
            if (place == TG_WEEK_NONE)
                continue;
            row->counts[week->slot_of[place]]++;
            row->total++;
            seen[place] = true;
        }
    }
    struct tg_week_row others;
    if (!rc && (rc = new_row(week, "other hosts", &others, e)) == 0) {
        for (size_t i = 0; i < week->names.n; i++)
            if (!seen[i]) {
                others.counts[week->slot_of[i]]++;
                others.total++;
            }
        week->rows[week->n_rows++] = others;
    }
    return rc;
}

int tg_week_fill_rows(struct tg_week *week, const struct tg_inventory *inventory, const uint32_t *host_of, struct tg_error *e)
{
    struct sized *list = NULL;
    size_t n_hosts, n;
    int rc = TG_E_MEMORY;

    tg_inventory_hosts(inventory, &n_hosts);
    uint32_t *place_of = malloc((n_hosts + 1) * sizeof *place_of);
    bool *seen = calloc(week->names.n + 1, sizeof *seen);
    if (place_of) {
        memset(place_of, 0xff, n_hosts * sizeof *place_of);
        for (size_t i = 0; i < week->names.n; i++)
            place_of[host_of[i]] = (uint32_t) i;
        n = choose(inventory, place_of, &list);
        week->rows = calloc(n + 1, sizeof *week->rows);
        if (list && week->rows && seen)
            rc = fill(week, list, n, place_of, seen, e);
    }
    if (rc)
        tg_fail(e, rc, "out of memory");
    if (!rc && week->rows[week->n_rows - 1].total == 0) {
        free(week->rows[--week->n_rows].name);
        free(week->rows[week->n_rows].counts);
    }
    free(list);
    free(place_of);
    free(seen);
    return rc;
}

/* ---- customers ---- */

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return *x == *y ? 0 : strcmp(*x, *y);
}

int tg_week_fill_customers(struct tg_week *week, const struct tg_inventory *inventory, const uint32_t *host_of, struct tg_error *e)
{
    size_t n_hosts, n = 0;
    const struct tg_host *hosts = tg_inventory_hosts(inventory, &n_hosts);
    const char **values = calloc(week->names.n + 1, sizeof *values);

    week->customer_of = malloc((week->names.n + 1) * sizeof *week->customer_of);
    if (!values || !week->customer_of) {
        free(values);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < week->names.n; i++) {
        const char *value = tg_week_value(inventory, &hosts[host_of[i]], "customer");
        if (value && (n == 0 || values[n - 1] != value))
            values[n++] = value;
    }
    qsort(values, n, sizeof *values, by_text);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(values[i], values[kept - 1]) != 0)
            values[kept++] = values[i];
    week->customers = calloc(kept + 1, sizeof *week->customers);
    for (size_t i = 0; week->customers && i < kept && (week->customers[i] = strdup(values[i])) != NULL; i++)
        week->n_customers++;
    for (size_t i = 0; i < week->names.n; i++) {
        const char *value = tg_week_value(inventory, &hosts[host_of[i]], "customer");
        const char *const *at = value ? bsearch(&value, values, kept, sizeof *values, by_text) : NULL;
        week->customer_of[i] = at ? (uint32_t) (at - values) : TG_WEEK_NONE;
    }
    free(values);
    return week->customers && week->n_customers == kept ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}
