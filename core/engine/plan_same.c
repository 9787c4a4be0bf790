/*
 * Two hosts of a plan that are one thing to a module: the same server of a load balancer, the same virtual machine. The first that ends would take away
 * what the other still needs, so there is no such plan; the module names the thing (tagout/around.h).
 */
#include "engine/plan_internal.h"

#include "base/index.h"
#include "config/problems.h"
#include "engine/around_module.h"

#include <tagout/around.h>

#include <string.h>

struct looking {
    const struct tg_plan *plan;
    const struct tg_around_module *module;
};

static int name_thing(const struct looking *l, size_t host, char out[TG_AROUND_THING_SIZE], struct tg_error *e)
{
    const struct tg_plan_host *h = &l->plan->hosts[host];
    const struct tg_around_context context = {.host = h->name, .address = h->address ? h->address : h->name, .run_id = "", .who = "", .reason = "", .tag = ""};

    return l->module->backend->thing(l->module->params, &context, out, TG_AROUND_THING_SIZE, e);
}

/* Names are made anew rather than kept: a million of them, and they are asked for only where hashes are equal. */
static bool same_thing(const void *array, size_t at, const void *key)
{
    char name[TG_AROUND_THING_SIZE];

    return name_thing(array, at, name, NULL) == 0 && strcmp(name, key) == 0;
}

static void tell_same(const struct looking *l, const struct tg_around *step, size_t a, size_t b, struct tg_problems *p, const char *file)
{
    tg_error_hint(tg_problems_add(p, &(struct tg_place) {.file = file}, "%s and %s are the same to the %s of %s", l->plan->hosts[a].name, l->plan->hosts[b].name,
                                  tg_around_what_name(step->what), step->module),
                  "who ends first would undo what the other needs: name it by {host}, or give each a rollout of its own");
}

/* 1: there is a mistake, and it is told. */
static int check_host(const struct looking *l, const struct tg_around *step, size_t host, struct tg_index *index, struct tg_problems *p, const char *file,
                      struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    char name[TG_AROUND_THING_SIZE];
    size_t other;

    if (name_thing(l, host, name, &why)) {
        tg_problems_add(p, &(struct tg_place) {.file = file}, "%s can't have the %s of %s: %s", l->plan->hosts[host].name, tg_around_what_name(step->what), step->module,
                        why.message);
        return 1;
    }
    const uint32_t hash = tg_index_hash(name);
    if (tg_index_find(index, hash, same_thing, l, name, &other)) {
        tell_same(l, step, other, host, p, file);
        return 1;
    }
    return tg_index_add(index, hash, host) ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

/* Hosts that are changed; dry-run ones are left alone. */
static int check_step(const struct tg_plan *plan, const struct tg_around *step, struct tg_problems *p, const char *file, struct tg_error *e)
{
    struct tg_index index = TG_INDEX_INIT;
    struct tg_around_module m;
    const struct looking l = {plan, &m};
    int rc = tg_around_module_load(step, &m, e);

    if (rc)
        return rc;
    for (size_t s = 0; m.backend->thing && !rc && s < plan->n_stages; s++)
        for (size_t i = 0; !rc && i < plan->stages[s].count && !plan->stages[s].dry_run; i++)
            rc = check_host(&l, step, plan->stages[s].first + i, &index, p, file, e);
    tg_index_release(&index);
    tg_around_module_release(&m);
    return rc < 0 ? rc : 0;
}

int tg_plan_same_compile(const struct tg_plan *plan, const char *file, struct tg_problems *p, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 1; !rc && i < plan->n_around; i++)
        rc = check_step(plan, &plan->around[i], p, file, e);
    return rc;
}
