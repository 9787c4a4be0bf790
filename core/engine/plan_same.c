/*
 * Two hosts of a plan that are one thing to a module: the same server of a load balancer, the same virtual machine. The first that ends would take away
 * what the other still needs, so there is no such plan. A module's mend names the thing, and nothing else that differs here: the tag is the same for all.
 */
#include "engine/plan_internal.h"

#include "config/problems.h"
#include "engine/around_module.h"
#include "engine/leftovers.h"

#include <tagout/around.h>

#include <stdlib.h>
#include <string.h>

/* What a host is to the module, as a hash, and which host that is. */
struct thing {
    uint64_t hash;
    size_t host;
};

static int by_hash(const void *a, const void *b)
{
    const struct thing *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->host > y->host) - (x->host < y->host);
}

static void name_thing(const struct tg_plan *plan, const struct tg_around_module *m, size_t host, char out[TG_LEFTOVER_MEND_SIZE])
{
    const struct tg_plan_host *h = &plan->hosts[host];
    const struct tg_around_context context = {.host = h->name, .address = h->address ? h->address : h->name, .run_id = "", .who = "", .reason = "", .tag = ""};

    out[0] = '\0';
    m->backend->mend(m->params, &context, out, TG_LEFTOVER_MEND_SIZE);
}

/* FNV-1a; only what is equal in full counts. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u;

    for (; *text; text++)
        hash = (hash ^ (unsigned char) *text) * 1099511628211u;
    return hash;
}

/* Hosts that are changed; dry-run ones are left alone. */
static size_t list_things(const struct tg_plan *plan, const struct tg_around_module *m, struct thing *out)
{
    char name[TG_LEFTOVER_MEND_SIZE];
    size_t n = 0;

    for (size_t s = 0; s < plan->n_stages; s++)
        for (size_t i = 0; i < plan->stages[s].count && !plan->stages[s].dry_run; i++) {
            size_t host = plan->stages[s].first + i;
            name_thing(plan, m, host, name);
            if (name[0])
                out[n++] = (struct thing) {hash_of(name), host};
        }
    qsort(out, n, sizeof *out, by_hash);
    return n;
}

static bool is_same(const struct tg_plan *plan, const struct tg_around_module *m, const struct thing *a, const struct thing *b)
{
    char one[TG_LEFTOVER_MEND_SIZE], other[TG_LEFTOVER_MEND_SIZE];

    if (a->hash != b->hash)
        return false;
    name_thing(plan, m, a->host, one);
    name_thing(plan, m, b->host, other);
    return strcmp(one, other) == 0;
}

static int check_step(const struct tg_plan *plan, const struct tg_around *step, struct tg_problems *p, const char *file, struct tg_error *e)
{
    struct tg_around_module m;
    struct thing *things;
    size_t n, i = 1;
    int rc = tg_around_module_load(step, &m, e);

    if (rc)
        return rc;
    if ((things = malloc((plan->n_hosts + 1) * sizeof *things)) != NULL) {
        n = list_things(plan, &m, things);
        while (i < n && !is_same(plan, &m, &things[i - 1], &things[i]))
            i++;
        if (i < n)
            tg_error_hint(tg_problems_add(p, &(struct tg_place) {.file = file}, "%s and %s are the same to the %s of %s", plan->hosts[things[i - 1].host].name,
                                          plan->hosts[things[i].host].name, tg_around_what_name(step->what), step->module),
                          "who ends first would undo what the other needs: name it by {host}, or give each a rollout of its own");
    } else {
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    free(things);
    tg_around_module_release(&m);
    return rc;
}

int tg_plan_same_compile(const struct tg_plan *plan, const char *file, struct tg_problems *p, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 1; !rc && i < plan->n_around; i++) /* silences lie beside each other */
        if (plan->around[i].what != TG_AROUND_SILENCE)
            rc = check_step(plan, &plan->around[i], p, file, e);
    return rc;
}
