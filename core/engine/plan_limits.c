/* The limits by domain of a plan: compiled for today's inventory, as JSON and back. See plan.h. */
#include "engine/plan_internal.h"

#include "base/index.h"
#include "base/nearest.h"
#include "config/yaml.h"
#include "engine/rollout_internal.h"
#include "fleet/selector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_MAX 3 /* domains of a limit that can't be kept: the others fare alike */

/* A domain of the inventory, while one limit is compiled. */
struct value {
    const char *text;
    uint32_t n_hosts;
    uint32_t at;      /* in plan.domains, or TG_NO_DOMAIN: no host to be changed is in it */
};

struct limiter {
    struct tg_plan *plan;
    const struct tg_inventory *inventory;
    const struct tg_host *hosts; /* of the inventory */
    size_t n_hosts;
    const uint32_t *source;
    struct tg_problems *p;
    struct tg_error *e;
    const struct tg_limit_spec *spec;
    size_t limit;         /* its place in plan.limits */
    uint32_t *of;         /* by index of host: in values, or TG_NO_DOMAIN */
    struct value *values;
    size_t n_values, cap_values, cap_domains, told;
    struct tg_index index;
};

static int no_memory(struct limiter *l)
{
    return tg_fail(l->e, TG_E_MEMORY, "out of memory");
}

static struct tg_error *mistake(struct limiter *l, const char *text)
{
    struct tg_place nowhere = {0};

    return l->spec->at ? tg_yaml_problem(l->p, l->spec->at, "%s", text) : tg_problems_add(l->p, &nowhere, "%s", text);
}

static const char *kind_name(enum tg_limit_kind kind)
{
    return kind == TG_LIMIT_FLOOR ? "floor" : "domains";
}

/* ---- the domains of the inventory ---- */

static bool same_value(const void *array, size_t at, const void *key)
{
    return strcmp(((const struct value *) array)[at].text, key) == 0;
}

static int add_value(struct limiter *l, const char *text, size_t *out)
{
    if (l->n_values == l->cap_values) {
        size_t cap = l->cap_values ? l->cap_values * 2 : 64;
        struct value *values = realloc(l->values, cap * sizeof *values);
        if (!values)
            return no_memory(l);
        l->values = values;
        l->cap_values = cap;
    }
    if (tg_index_add(&l->index, tg_index_hash(text), l->n_values))
        return no_memory(l);
    *out = l->n_values;
    l->values[l->n_values++] = (struct value) {text, 0, TG_NO_DOMAIN};
    return 0;
}

static const char *next_key(const void *data, size_t i)
{
    size_t n;
    const char *const *keys = tg_inventory_attr_keys(data, &n);

    return i < n ? keys[i] : NULL;
}

static void unknown_attribute(struct limiter *l)
{
    size_t n;
    const char *const *keys = tg_inventory_attr_keys(l->inventory, &n), *near = tg_nearest(l->spec->name, next_key, l->inventory);
    char text[512];
    int at = snprintf(text, sizeof text, "%s: \"%.80s\" is no attribute of any host in the inventory; ", kind_name(l->spec->kind), l->spec->name);

    for (size_t i = 0; i < n && at < 300; i++)
        at += snprintf(text + at, sizeof text - (size_t) at, "%s%.60s", i ? ", " : "it has: ", keys[i]);
    if (n == 0)
        snprintf(text + at, sizeof text - (size_t) at, "it has none");
    struct tg_error *e = mistake(l, text);
    if (near)
        tg_error_hint(e, "did you mean \"%s\"?", near);
}

static int by_attribute(struct limiter *l)
{
    const char *last = NULL; /* neighbours often have the same text */
    size_t at = 0;
    int rc = 0;

    for (size_t i = 0; !rc && i < l->n_hosts; i++) {
        const char *value = tg_host_attr(l->inventory, &l->hosts[i], l->spec->name);
        if (!value)
            continue;
        if (value != last && !tg_index_find(&l->index, tg_index_hash(value), same_value, l->values, value, &at))
            rc = add_value(l, value, &at);
        if (rc)
            break;
        last = value;
        l->of[i] = (uint32_t) at;
        l->values[at].n_hosts++;
    }
    if (!rc && l->n_values == 0)
        unknown_attribute(l);
    return rc;
}

static int by_selector(struct limiter *l)
{
    struct tg_selection hosts = TG_SELECTION_INIT;
    struct tg_error why = TG_ERROR_INIT;
    size_t at = 0;
    int rc = tg_select(l->inventory, l->spec->name, &hosts, &why);

    if (rc == TG_E_DATA) {
        if (l->spec->at)
            tg_rollout_selector_problem(l->p, l->spec->at, kind_name(l->spec->kind), &why);
        else
            mistake(l, why.message);
        return 0;
    }
    if (!rc)
        rc = add_value(l, "", &at);
    else if (l->e && !l->e->code)
        *l->e = why;
    for (size_t i = 0; !rc && i < hosts.n; i++)
        l->of[hosts.hosts[i]->index] = (uint32_t) at;
    if (!rc && hosts.n == 0) {
        char text[300];
        snprintf(text, sizeof text, "%s: \"%.200s\" means no host of the inventory, so that it limits nothing", kind_name(l->spec->kind), l->spec->name);
        mistake(l, text);
    }
    if (!rc)
        l->values[at].n_hosts = (uint32_t) hosts.n;
    tg_selection_release(&hosts);
    return rc;
}

/* ---- those of the plan ---- */

static int64_t may_be_down(const struct tg_limit_spec *spec, uint32_t n_hosts)
{
    return spec->kind == TG_LIMIT_FLOOR ? n_hosts - tg_share_of(&spec->share, n_hosts) : tg_share_within(&spec->share, n_hosts);
}

static void never(struct limiter *l, const struct value *v)
{
    char share[32], where[160], text[400];
    bool floor = l->spec->kind == TG_LIMIT_FLOOR;

    if (l->told++ >= TOLD_MAX)
        return;
    tg_share_format(&l->spec->share, share, sizeof share);
    if (l->spec->selector)
        snprintf(where, sizeof where, "%.100s", l->spec->name);
    else
        snprintf(where, sizeof where, "%.60s %.80s", l->spec->name, v->text);
    if (floor)
        snprintf(text, sizeof text, "floor: %s of %s must stay up, and it has %u host%s: none of them could ever be changed", share, where, v->n_hosts,
                 v->n_hosts == 1 ? "" : "s");
    else
        snprintf(text, sizeof text, "domains: %s of %s is less than one host of its %u: none of them could ever be changed", share, where, v->n_hosts);
    tg_error_hint(mistake(l, text), floor ? "a lower floor, or targets without these" : "a larger share, or a number of hosts");
}

static int add_domain(struct limiter *l, struct value *v)
{
    struct tg_plan *plan = l->plan;
    int64_t max = may_be_down(l->spec, v->n_hosts);

    if (plan->n_domains == l->cap_domains) {
        size_t cap = l->cap_domains ? l->cap_domains * 2 : 64;
        struct tg_plan_domain *domains = realloc(plan->domains, cap * sizeof *domains);
        if (!domains)
            return no_memory(l);
        plan->domains = domains;
        l->cap_domains = cap;
    }
    if (max < 1)
        never(l, v);
    v->at = (uint32_t) plan->n_domains;
    struct tg_plan_domain *d = &plan->domains[plan->n_domains++];
    *d = (struct tg_plan_domain) {.limit = (uint32_t) l->limit, .n_hosts = v->n_hosts, .max = max < 1 ? 1 : (uint32_t) max};
    d->value = strdup(v->text);
    return d->value ? 0 : no_memory(l);
}

static int place_host(struct limiter *l, size_t host, bool dry_run)
{
    uint32_t *slot = &l->plan->domain_of[host * l->plan->n_limits + l->limit], of = l->of[l->source[host]];
    int rc = 0;

    *slot = TG_NO_DOMAIN;
    if (dry_run)
        return 0;
    if (of == TG_NO_DOMAIN) {
        l->plan->limits[l->limit].n_without += !l->spec->selector;
        return 0;
    }
    if (l->values[of].at == TG_NO_DOMAIN)
        rc = add_domain(l, &l->values[of]);
    *slot = l->values[of].at;
    return rc;
}

static int place_hosts(struct limiter *l)
{
    const struct tg_plan *plan = l->plan;
    int rc = 0;

    for (size_t s = 0; s < plan->n_stages; s++)
        for (size_t i = plan->stages[s].first; !rc && i < plan->stages[s].first + plan->stages[s].count; i++)
            rc = place_host(l, i, plan->stages[s].dry_run);
    return rc;
}

static int compile_limit(struct limiter *l)
{
    struct tg_plan_limit *limit = &l->plan->limits[l->limit];

    *limit = (struct tg_plan_limit) {.kind = l->spec->kind, .selector = l->spec->selector, .share = l->spec->share, .name = strdup(l->spec->name)};
    if (!limit->name)
        return no_memory(l);
    l->n_values = l->told = 0;
    tg_index_release(&l->index);
    l->index = (struct tg_index) TG_INDEX_INIT;
    memset(l->of, 0xff, l->n_hosts * sizeof *l->of);
    int rc = l->spec->selector ? by_selector(l) : by_attribute(l);
    return rc ? rc : place_hosts(l);
}

int tg_plan_limits_compile(struct tg_plan *plan, const struct tg_rollout *rollout, const struct tg_inventory *inventory, const uint32_t *source,
                           struct tg_problems *problems, struct tg_error *e)
{
    struct limiter l = {.plan = plan, .inventory = inventory, .source = source, .p = problems, .e = e, .index = TG_INDEX_INIT};
    int rc = 0;

    if (rollout->n_limits == 0)
        return 0;
    l.hosts = tg_inventory_hosts(inventory, &l.n_hosts);
    l.of = malloc((l.n_hosts ? l.n_hosts : 1) * sizeof *l.of);
    plan->limits = calloc(rollout->n_limits, sizeof *plan->limits);
    plan->domain_of = malloc((plan->n_hosts ? plan->n_hosts : 1) * rollout->n_limits * sizeof *plan->domain_of);
    if (!l.of || !plan->limits || !plan->domain_of)
        rc = no_memory(&l);
    else
        plan->n_limits = rollout->n_limits;
    for (l.limit = 0; !rc && l.limit < rollout->n_limits; l.limit++) {
        l.spec = &rollout->limits[l.limit];
        rc = compile_limit(&l);
    }
    tg_index_release(&l.index);
    free(l.values);
    free(l.of);
    return rc;
}

void tg_plan_limits_release(struct tg_plan *plan)
{
    for (size_t i = 0; i < plan->n_limits; i++)
        free(plan->limits[i].name);
    for (size_t i = 0; i < plan->n_domains; i++)
        free(plan->domains[i].value);
    free(plan->limits);
    free(plan->domains);
    free(plan->domain_of);
}

size_t tg_plan_rounds(const struct tg_plan *plan, size_t stage, size_t *out_domain)
{
    const struct tg_plan_stage *s = &plan->stages[stage];
    uint32_t *members = plan->n_domains ? calloc(plan->n_domains, sizeof *members) : NULL;
    size_t most = s->count > 0;

    *out_domain = TG_NO_DOMAIN;
    for (size_t i = s->first * plan->n_limits; members && i < (s->first + s->count) * plan->n_limits; i++)
        if (plan->domain_of[i] != TG_NO_DOMAIN)
            members[plan->domain_of[i]]++;
    for (size_t d = 0; members && d < plan->n_domains; d++) {
        size_t rounds = plan->domains[d].max ? (members[d] + plan->domains[d].max - 1) / plan->domains[d].max : members[d];
        if (rounds > most || (rounds == most && *out_domain == TG_NO_DOMAIN && members[d])) {
            most = rounds;
            *out_domain = d;
        }
    }
    free(members);
    return most;
}

void tg_plan_domain_name(const struct tg_plan *plan, size_t domain, char *out, size_t size)
{
    const struct tg_plan_domain *d = &plan->domains[domain];
    const struct tg_plan_limit *limit = &plan->limits[d->limit];

    int n = snprintf(out, size, "%s%s%s", limit->name, limit->selector ? "" : " ", d->value);
    if (n < 0 || (size_t) n < size)
        return;
    for (size = strlen(out); size && ((unsigned char) out[size - 1] & 0xc0U) == 0x80U; size--) /* no half of a character */
        ;
    if (size && (unsigned char) out[size - 1] >= 0xc0U)
        out[size - 1] = '\0';
}

/* ---- JSON ---- */

static json_t *limit_json(const struct tg_plan *plan, size_t limit)
{
    const struct tg_plan_limit *l = &plan->limits[limit];
    json_t *domains = json_array();
    char share[32];

    tg_share_format(&l->share, share, sizeof share);
    for (size_t i = 0; i < plan->n_domains; i++)
        if (plan->domains[i].limit == limit)
            json_array_append_new(domains, json_pack("[s,I,I]", plan->domains[i].value, (json_int_t) plan->domains[i].n_hosts,
                                                     (json_int_t) plan->domains[i].max));
    return json_pack("{s:s,s:s,s:b,s:s,s:I,s:o}", "kind", kind_name(l->kind), "name", l->name, "selector", l->selector, "share", share, "without",
                     (json_int_t) l->n_without, "domains", domains);
}

json_t *tg_plan_limits_json(const struct tg_plan *plan)
{
    json_t *limits = json_array();

    for (size_t i = 0; i < plan->n_limits; i++)
        json_array_append_new(limits, limit_json(plan, i));
    return limits;
}

json_t *tg_plan_domains_json(const struct tg_plan *plan, const struct tg_plan_stage *stage)
{
    json_t *of_limits = json_array();

    for (size_t l = 0; l < plan->n_limits && !stage->dry_run; l++) {
        json_t *of_hosts = json_array();
        for (size_t i = stage->first; i < stage->first + stage->count; i++) {
            uint32_t d = plan->domain_of[i * plan->n_limits + l];
            json_array_append_new(of_hosts, json_integer(d == TG_NO_DOMAIN ? -1 : (json_int_t) d));
        }
        json_array_append_new(of_limits, of_hosts);
    }
    return of_limits;
}

static int broken(struct tg_error *e, const char *what)
{
    return tg_fail(e, TG_E_DATA, "the plan is damaged: %s", what);
}

static int read_domain(struct tg_plan *plan, size_t limit, const json_t *json, struct tg_error *e)
{
    const char *value;
    json_int_t n_hosts, max;

    if (json_unpack((json_t *) json, "[s,I,I!]", &value, &n_hosts, &max) || n_hosts < 1 || n_hosts >= TG_NO_DOMAIN || max < 0 || max > n_hosts)
        return broken(e, "a domain");
    struct tg_plan_domain *d = &plan->domains[plan->n_domains];
    *d = (struct tg_plan_domain) {.limit = (uint32_t) limit, .n_hosts = (uint32_t) n_hosts, .max = (uint32_t) max, .value = strdup(value)};
    if (!d->value)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    plan->n_domains++;
    return 0;
}

static int read_limit(struct tg_plan *plan, const json_t *json, struct tg_error *e)
{
    struct tg_plan_limit *l = &plan->limits[plan->n_limits];
    const char *kind, *name, *share;
    json_int_t without;
    json_t *domains;
    int selector, rc = 0;

    *l = (struct tg_plan_limit) {0};
    if (json_unpack((json_t *) json, "{s:s,s:s,s:b,s:s,s:I,s:o!}", "kind", &kind, "name", &name, "selector", &selector, "share", &share, "without", &without,
                    "domains", &domains) ||
        !tg_share_parse(share, &l->share) || without < 0 || !json_is_array(domains))
        return broken(e, "a limit");
    l->kind = strcmp(kind, kind_name(TG_LIMIT_FLOOR)) == 0 ? TG_LIMIT_FLOOR : TG_LIMIT_DOMAIN;
    if (strcmp(kind, kind_name(l->kind)) != 0)
        return broken(e, "a limit's kind");
    l->selector = selector;
    l->n_without = (size_t) without;
    if (!(l->name = strdup(name)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    plan->n_limits++;
    struct tg_plan_domain *more = realloc(plan->domains, (plan->n_domains + json_array_size(domains) + 1) * sizeof *more);
    if (!more)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    plan->domains = more;
    for (size_t i = 0; !rc && i < json_array_size(domains); i++)
        rc = read_domain(plan, plan->n_limits - 1, json_array_get(domains, i), e);
    return rc;
}

int tg_plan_limits_read(struct tg_plan *plan, const json_t *limits, struct tg_error *e)
{
    int rc = 0;

    if (!json_is_array(limits))
        return broken(e, "its limits");
    plan->limits = calloc(json_array_size(limits) + 1, sizeof *plan->limits);
    if (!plan->limits)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < json_array_size(limits); i++)
        rc = read_limit(plan, json_array_get(limits, i), e);
    return rc;
}

int tg_plan_domains_read(struct tg_plan *plan, const struct tg_plan_stage *stage, const json_t *domains, struct tg_error *e)
{
    if (json_array_size(domains) != (stage->dry_run ? 0 : plan->n_limits))
        return broken(e, "the domains of a stage");
    for (size_t l = 0; l < plan->n_limits; l++) {
        const json_t *of_hosts = json_array_get(domains, l);
        if (!stage->dry_run && json_array_size(of_hosts) != stage->count)
            return broken(e, "the domains of a stage's hosts");
        for (size_t i = 0; i < stage->count; i++) {
            json_int_t d = stage->dry_run ? -1 : json_integer_value(json_array_get(of_hosts, i));
            if (d < -1 || d >= (json_int_t) plan->n_domains || (d >= 0 && plan->domains[d].limit != l))
                return broken(e, "a host's domain");
            plan->domain_of[(stage->first + i) * plan->n_limits + l] = d < 0 ? TG_NO_DOMAIN : (uint32_t) d;
        }
    }
    return 0;
}
