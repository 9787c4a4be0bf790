/* Hosts that others hold, by domain: see others.h. */
#include "engine/others.h"

#include "base/index.h"
#include "fleet/selector.h"
#include "fleet/nodeset.h"
#include "guard/gone.h"
#include "guard/record.h"

#include <stdlib.h>
#include <string.h>

#define WHO_MAX 8 /* names of a text */

struct tg_others {
    const struct tg_plan *plan;
    const struct tg_inventory *inventory;
    const struct tg_gone *gone;
    const struct tg_host *hosts;
    size_t n_hosts;
    uint32_t *domain_of;   /* [host of the inventory * n_limits + limit], or TG_NO_DOMAIN */
    uint32_t *in_plan;     /* of each host of the inventory, the host of the plan that is changed; TG_RUN_NOBODY none */
    uint32_t *counted;     /* in which count each host of the inventory was met last */
    uint32_t count;
    uint32_t *counts;      /* of each domain */
    uint32_t *gone_counts; /* likewise */
    uint8_t *is_gone;      /* hosts that those have */
    const struct tg_run *run;
};

struct wanted {
    const char *value;
    size_t limit;
};

static bool same_domain(const void *array, size_t at, const void *key)
{
    const struct tg_plan_domain *d = &((const struct tg_plan_domain *) array)[at];
    const struct wanted *w = key;

    return d->limit == w->limit && strcmp(d->value, w->value) == 0;
}

static int place_by_attribute(struct tg_others *o, size_t limit, const struct tg_index *index)
{
    for (size_t i = 0; i < o->n_hosts; i++) {
        const struct wanted w = {tg_host_attr(o->inventory, &o->hosts[i], o->plan->limits[limit].name), limit};
        size_t at;
        if (w.value && tg_index_find(index, tg_index_hash(w.value), same_domain, o->plan->domains, &w, &at))
            o->domain_of[i * o->plan->n_limits + limit] = (uint32_t) at;
    }
    return 0;
}

static int place_by_selector(struct tg_others *o, size_t limit, size_t domain, struct tg_error *e)
{
    struct tg_selection hosts = TG_SELECTION_INIT;
    int rc = tg_select(o->inventory, o->plan->limits[limit].name, &hosts, e);

    for (size_t i = 0; !rc && i < hosts.n; i++)
        o->domain_of[hosts.hosts[i]->index * o->plan->n_limits + limit] = (uint32_t) domain;
    tg_selection_release(&hosts);
    return rc;
}

static int place(struct tg_others *o, struct tg_error *e)
{
    const struct tg_plan *plan = o->plan;
    struct tg_index index = TG_INDEX_INIT;
    int rc = 0;

    memset(o->domain_of, 0xff, o->n_hosts * plan->n_limits * sizeof *o->domain_of);
    for (size_t i = 0; !rc && i < plan->n_domains; i++)
        if (plan->limits[plan->domains[i].limit].selector)
            rc = place_by_selector(o, plan->domains[i].limit, i, e);
        else if (tg_index_add(&index, tg_index_hash(plan->domains[i].value), i))
            rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t l = 0; !rc && l < plan->n_limits; l++)
        if (!plan->limits[l].selector)
            rc = place_by_attribute(o, l, &index);
    tg_index_release(&index);
    memset(o->in_plan, 0xff, o->n_hosts * sizeof *o->in_plan);
    for (size_t s = 0; s < plan->n_stages; s++)
        for (size_t i = plan->stages[s].first; i < plan->stages[s].first + plan->stages[s].count; i++) {
            const struct tg_host *h = plan->stages[s].dry_run ? NULL : tg_inventory_host(o->inventory, plan->hosts[i].name);
            if (h)
                o->in_plan[h->index] = (uint32_t) i;
        }
    return rc;
}

int tg_others_new(const struct tg_plan *plan, const struct tg_inventory *inventory, const struct tg_gone *gone, struct tg_others **out, struct tg_error *e)
{
    struct tg_others *o = calloc(1, sizeof *o);

    if (!o)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *o = (struct tg_others) {.plan = plan, .inventory = inventory, .gone = gone};
    o->hosts = tg_inventory_hosts(inventory, &o->n_hosts);
    o->domain_of = malloc((o->n_hosts * plan->n_limits + 1) * sizeof *o->domain_of);
    o->in_plan = malloc((o->n_hosts + 1) * sizeof *o->in_plan);
    o->counted = calloc(o->n_hosts + 1, sizeof *o->counted);
    o->counts = calloc(plan->n_domains + 1, sizeof *o->counts);
    o->gone_counts = calloc(plan->n_domains + 1, sizeof *o->gone_counts);
    o->is_gone = calloc(o->n_hosts + 1, 1);
    int rc = o->domain_of && o->in_plan && o->counted && o->counts && o->gone_counts && o->is_gone ? place(o, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    if (rc)
        tg_others_free(o);
    else
        *out = o;
    return rc;
}

void tg_others_free(struct tg_others *o)
{
    if (!o)
        return;
    free(o->domain_of);
    free(o->in_plan);
    free(o->counted);
    free(o->counts);
    free(o->gone_counts);
    free(o->is_gone);
    free(o);
}

void tg_others_begin(struct tg_others *o, const struct tg_run *run)
{
    o->run = run;
    o->count++;
    memset(o->counts, 0, o->plan->n_domains * sizeof *o->counts);
}

static void count(const struct tg_others *o, size_t host, uint32_t *counts, int by)
{
    for (size_t l = 0; l < o->plan->n_limits; l++) {
        uint32_t d = o->domain_of[host * o->plan->n_limits + l];
        if (d != TG_NO_DOMAIN)
            counts[d] += (uint32_t) by;
    }
}

static void add_host(struct tg_others *o, const struct tg_host *host)
{
    size_t i = host->index;

    if (o->counted[i] == o->count)
        return;
    o->counted[i] = o->count;
    const struct tg_run_host *of_run = o->in_plan[i] != TG_RUN_NOBODY ? &o->run->hosts[o->in_plan[i]] : NULL;
    if (of_run ? of_run->gone || tg_run_is_down(o->run, of_run) : o->is_gone[i])
        return;
    count(o, i, o->counts, 1);
}

static void add_group(struct tg_others *o, const char *name)
{
    const struct tg_group *group = tg_inventory_group(o->inventory, name);

    for (size_t i = 0; group && i < group->n_hosts; i++)
        add_host(o, &o->hosts[group->hosts[i]]);
}

void tg_others_add(struct tg_others *o, const struct tg_lock *lock, bool holds)
{
    for (size_t i = 0; i < lock->scopes.n; i++) {
        const struct tg_scope *scope = &lock->scopes.v[i];
        const struct tg_host *host = scope->kind == TG_SCOPE_HOST ? tg_inventory_host(o->inventory, scope->name) : NULL;
        if (host)
            add_host(o, host);
        if (scope->kind == TG_SCOPE_GROUP && holds)
            add_group(o, scope->name);
        for (size_t h = 0; scope->kind == TG_SCOPE_FLEET && holds && h < o->n_hosts; h++)
            add_host(o, &o->hosts[h]);
    }
}

const uint32_t *tg_others_counts(const struct tg_others *o)
{
    return o->counts;
}

uint32_t tg_others_in_plan(const struct tg_others *o, size_t host)
{
    return o->in_plan[host];
}

uint32_t tg_others_domain(const struct tg_others *o, size_t host, size_t limit)
{
    return o->domain_of[host * o->plan->n_limits + limit];
}

void tg_others_moved(struct tg_others *o, size_t host)
{
    bool is = tg_gone_is(o->gone, host);

    if (o->in_plan[host] != TG_RUN_NOBODY || is == o->is_gone[host])
        return;
    o->is_gone[host] = is;
    count(o, host, o->gone_counts, is ? 1 : -1);
}

const uint32_t *tg_others_gone(const struct tg_others *o)
{
    return o->gone_counts;
}

int tg_others_who(const struct tg_others *o, uint32_t domain, struct tg_buf *out, struct tg_error *e)
{
    size_t limit = o->plan->domains[domain].limit, n = 0;
    const char *names[WHO_MAX];

    for (const uint8_t *at = o->is_gone; n < WHO_MAX && (at = memchr(at, true, o->n_hosts - (size_t) (at - o->is_gone))) != NULL; at++)
        if (o->domain_of[(size_t) (at - o->is_gone) * o->plan->n_limits + limit] == domain)
            names[n++] = o->hosts[at - o->is_gone].name;
    int rc = tg_fold(names, n, out, e);
    if (n < o->gone_counts[domain])
        tg_buf_puts(out, " …");
    return rc;
}
