/* Hosts that others hold, by domain: see others.h. */
#include "engine/others.h"

#include "base/columns.h"
#include "base/index.h"
#include "engine/withdraw.h"
#include "fleet/nodeset.h"
#include "fleet/selector.h"
#include "guard/gone.h"
#include "guard/record.h"

#include <stdlib.h>
#include <string.h>

#define WHO_MAX 8 /* names of a text */

/* Whoever has locks for one reason. */
#define HOLDERS_MAX 32 /* that are told apart; the rest count as the last of them */
#define REASON_COLUMNS 48
struct holder {
    char id[TG_LOCK_ID_SIZE]; /* of the first of them */
    char owner[TG_OWNER_SIZE], reason[TG_REASON_SIZE];
};

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
    struct holder holders[HOLDERS_MAX]; /* of this count */
    size_t n_holders;
    uint8_t *whose;        /* by domain: of whom it has a host, from 1; 0: nobody */
    uint8_t *several;      /* and of others */
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
    o->whose = calloc(plan->n_domains + 1, 1);
    o->several = calloc(plan->n_domains + 1, 1);
    int rc = o->domain_of && o->in_plan && o->counted && o->counts && o->gone_counts && o->is_gone && o->whose && o->several ? place(o, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
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
    free(o->whose);
    free(o->several);
    free(o);
}

void tg_others_begin(struct tg_others *o, const struct tg_run *run)
{
    o->run = run;
    o->count++;
    o->n_holders = 0;
    memset(o->counts, 0, o->plan->n_domains * sizeof *o->counts);
    memset(o->whose, 0, o->plan->n_domains);
    memset(o->several, 0, o->plan->n_domains);
}

static void count(const struct tg_others *o, size_t host, uint32_t *counts, int by)
{
    for (size_t l = 0; l < o->plan->n_limits; l++) {
        uint32_t d = o->domain_of[host * o->plan->n_limits + l];
        if (d != TG_NO_DOMAIN)
            counts[d] += (uint32_t) by;
    }
}

/* From 1. Locks of one run stand beside each other mostly. */
static uint8_t holder_of(struct tg_others *o, const struct tg_lock *lock)
{
    for (size_t i = o->n_holders; i > 0; i--)
        if (strcmp(o->holders[i - 1].reason, lock->reason) == 0 && strcmp(o->holders[i - 1].owner, lock->owner) == 0)
            return (uint8_t) i;
    if (o->n_holders == HOLDERS_MAX)
        return HOLDERS_MAX;
    struct holder *h = &o->holders[o->n_holders++];
    memcpy(h->id, lock->id, sizeof h->id);
    memcpy(h->owner, lock->owner, sizeof h->owner);
    memcpy(h->reason, lock->reason, sizeof h->reason);
    return (uint8_t) o->n_holders;
}

static void note_holder(const struct tg_others *o, size_t host, uint8_t holder)
{
    for (size_t l = 0; l < o->plan->n_limits; l++) {
        uint32_t d = o->domain_of[host * o->plan->n_limits + l];
        if (d == TG_NO_DOMAIN)
            continue;
        o->several[d] |= o->whose[d] && o->whose[d] != holder;
        o->whose[d] = o->whose[d] ? o->whose[d] : holder;
    }
}

static bool is_down(const struct tg_others *o, size_t host)
{
    if (!o->run)
        return o->gone && tg_gone_is(o->gone, host);
    const struct tg_run_host *of_run = o->in_plan[host] != TG_RUN_NOBODY ? &o->run->hosts[o->in_plan[host]] : NULL;
    return of_run ? of_run->gone || tg_run_is_down(o->run, of_run) : o->is_gone[host];
}

static void add_host(struct tg_others *o, const struct tg_host *host, uint8_t holder)
{
    size_t i = host->index;

    if (o->counted[i] == o->count)
        return;
    o->counted[i] = o->count;
    if (is_down(o, i))
        return;
    count(o, i, o->counts, 1);
    note_holder(o, i, holder);
}

static void add_group(struct tg_others *o, const char *name, uint8_t holder)
{
    const struct tg_group *group = tg_inventory_group(o->inventory, name);

    for (size_t i = 0; group && i < group->n_hosts; i++)
        add_host(o, &o->hosts[group->hosts[i]], holder);
}

void tg_others_add(struct tg_others *o, const struct tg_lock *lock, bool holds)
{
    uint8_t holder = holder_of(o, lock);

    for (size_t i = 0; i < lock->scopes.n; i++) {
        const struct tg_scope *scope = &lock->scopes.v[i];
        const struct tg_host *host = scope->kind == TG_SCOPE_HOST ? tg_inventory_host(o->inventory, scope->name) : NULL;
        if (host)
            add_host(o, host, holder);
        if (scope->kind == TG_SCOPE_GROUP && holds)
            add_group(o, scope->name, holder);
        for (size_t h = 0; scope->kind == TG_SCOPE_FLEET && holds && h < o->n_hosts; h++)
            add_host(o, &o->hosts[h], holder);
    }
}

const uint32_t *tg_others_counts(const struct tg_others *o)
{
    return o->counts;
}

void tg_others_whose(const struct tg_others *o, uint32_t domain, struct tg_buf *out)
{
    const struct holder *h = o->whose[domain] ? &o->holders[o->whose[domain] - 1] : NULL;
    char id[TG_RUN_ID_SIZE];

    if (!h)
        return;
    if (tg_withdraw_reason_read(h->reason, id)) {
        tg_buf_printf(out, "out of service by %s (tagout run --mends %s FILE)", id, id);
    } else {
        tg_buf_printf(out, "%s of %s: ", h->id, h->owner);
        tg_put_cut(out, h->reason, REASON_COLUMNS);
    }
    tg_buf_puts(out, o->several[domain] ? ", and others" : "");
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
