/*
 * Compiling a rollout for today's fleet: see plan.h. Hosts are taken in the order of their names; a stage narrows the rollout's targets,
 * it never widens them; a host is in one changing stage only, the first that takes it.
 */
#include "engine/around_module.h"
#include "engine/plan_internal.h"

#include "config/yaml.h"
#include "engine/rollout_internal.h"
#include "fleet/selector.h"
#include "fleet/shard.h"

#include <stdlib.h>
#include <string.h>

struct compiler {
    const struct tg_rollout *r;
    const struct tg_inventory *inventory;
    struct tg_problems *p;
    struct tg_error *e;
    struct tg_plan *plan;
    struct tg_selection targets;
    unsigned char *state; /* by index of host: IS_TARGET, IS_CHANGED */
    size_t changed;       /* hosts in changing stages so far */
    size_t cursor;        /* targets before it are all changed */
    size_t cap;           /* of plan->hosts, and of source */
    uint32_t *source;     /* index in the inventory of each host of the plan */
    const struct tg_stage_spec *last_until;
    int64_t last_goal;
};
enum { IS_TARGET = 1, IS_CHANGED = 2 };

static int no_memory(struct compiler *c)
{
    return tg_fail(c->e, TG_E_MEMORY, "out of memory");
}

/* A mistake at a node; of a rollout that was not read from a file, without a place. */
static struct tg_error *mistake(struct compiler *c, const struct tg_yaml_node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static struct tg_error *mistake(struct compiler *c, const struct tg_yaml_node *at, const char *format, ...)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_place place = {.file = c->r->file};
    va_list args;

    va_start(args, format);
    tg_failv(&why, TG_E_DATA, format, args);
    va_end(args);
    return at ? tg_yaml_problem(c->p, at, "%s", why.message) : tg_problems_add(c->p, &place, "%s", why.message);
}

/* 0 also when the selector has a mistake, which is reported then: *out has no hosts. */
static int select_hosts(struct compiler *c, const char *text, const struct tg_yaml_node *at, bool optional, struct tg_selection *out)
{
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_select(c->inventory, text, out, &why);

    if (rc == TG_E_DATA) {
        if (at)
            tg_rollout_selector_problem(c->p, at, "targets", &why);
        else
            tg_error_hint(mistake(c, NULL, "targets: %s", why.message), "%s", why.hint);
        return 0;
    }
    if (rc) {
        if (c->e && !c->e->code)
            *c->e = why;
        return rc;
    }
    if (out->n == 0 && !optional)
        mistake(c, at, "targets \"%.200s\" match no host", text);
    return 0;
}

static int select_targets(struct compiler *c)
{
    size_t n;
    int rc;

    tg_inventory_hosts(c->inventory, &n);
    c->state = calloc(n ? n : 1, 1);
    if (!c->state)
        return no_memory(c);
    if ((rc = select_hosts(c, c->r->targets, c->r->targets_at, false, &c->targets)) != 0)
        return rc;
    for (size_t i = 0; i < c->targets.n; i++)
        c->state[c->targets.hosts[i]->index] = IS_TARGET;
    c->plan->n_targets = c->targets.n;
    return 0;
}

static bool copy_text(const char *text, char **slot)
{
    *slot = text ? strdup(text) : NULL;
    return !text || *slot;
}

static int add_host(struct compiler *c, const struct tg_host *host)
{
    struct tg_plan *plan = c->plan;

    if (plan->n_hosts == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 64;
        struct tg_plan_host *hosts = realloc(plan->hosts, cap * sizeof *hosts);
        if (!hosts)
            return no_memory(c);
        plan->hosts = hosts;
        uint32_t *source = realloc(c->source, cap * sizeof *source);
        if (!source)
            return no_memory(c);
        c->source = source;
        c->cap = cap;
    }
    c->source[plan->n_hosts] = host->index;
    struct tg_plan_host *h = &plan->hosts[plan->n_hosts++];
    *h = (struct tg_plan_host) {.port = host->port};
    return copy_text(host->name, &h->name) && copy_text(host->address, &h->address) && copy_text(host->user, &h->user) ? 0
                                                                                                                  : no_memory(c);
}

/* How many hosts the stage may take at most. until: is a share of all targets, reached with what earlier stages have changed. */
static int64_t quota(struct compiler *c, const struct tg_stage_spec *s)
{
    int64_t goal;

    if (s->count >= 0)
        return s->count;
    if (s->until.kind == TG_SHARE_UNSET)
        return INT64_MAX;
    goal = tg_share_of(&s->until, (int64_t) c->targets.n);
    if (c->last_until && goal < c->last_goal)
        tg_error_hint(mistake(c, s->until_at, "until falls: %lld of %zu hosts here, %lld in stage \"%s\"", (long long) goal,
                              c->targets.n, (long long) c->last_goal, c->last_until->name),
                      "it counts all hosts changed so far, so that it can only grow");
    c->last_until = s;
    c->last_goal = goal;
    return goal - (int64_t) c->changed;
}

static int take_host(struct compiler *c, const struct tg_host *host, bool dry_run, int64_t *left)
{
    unsigned char *state = &c->state[host->index];

    if (!(*state & IS_TARGET) || (!dry_run && *state & IS_CHANGED))
        return 0;
    if (!dry_run) {
        *state |= IS_CHANGED;
        c->changed++;
    }
    (*left)--;
    c->plan->stages[c->plan->n_stages].count++;
    return add_host(c, host);
}

/* From the rollout's targets: those before the cursor need not be looked at again. */
static int take_targets(struct compiler *c, bool dry_run, int64_t left)
{
    int rc = 0;

    while (c->cursor < c->targets.n && c->state[c->targets.hosts[c->cursor]->index] & IS_CHANGED)
        c->cursor++;
    for (size_t i = dry_run ? 0 : c->cursor; !rc && i < c->targets.n && left > 0; i++)
        rc = take_host(c, c->targets.hosts[i], dry_run, &left);
    return rc;
}

/* From the stage's own. */
static int take_own(struct compiler *c, const struct tg_stage_spec *s, int64_t left)
{
    struct tg_selection own = TG_SELECTION_INIT;
    size_t among = 0;
    int rc = select_hosts(c, s->targets, s->targets_at, s->optional, &own);

    for (size_t i = 0; !rc && i < own.n; i++)
        among += (c->state[own.hosts[i]->index] & IS_TARGET) != 0;
    if (!rc && own.n > 0 && among == 0 && !s->optional)
        tg_error_hint(mistake(c, s->targets_at, "none of the %zu hosts of stage \"%s\" is among the rollout's targets", own.n, s->name),
                      "a stage with \"optional: true\" may be empty");
    for (size_t i = 0; !rc && i < own.n && left > 0; i++)
        rc = take_host(c, own.hosts[i], s->dry_run, &left);
    tg_selection_release(&own);
    return rc;
}

/* Over a window each host has its own moment: they stand in the order of these. */
struct placed {
    uint64_t hash;
    struct tg_plan_host host;
    uint32_t source;
};

static int by_hash(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    return x->hash != y->hash ? x->hash < y->hash ? -1 : 1 : (x->source > y->source) - (x->source < y->source);
}

static int order_by_hash(struct compiler *c, const struct tg_plan_stage *stage)
{
    struct placed *list = calloc(stage->count + 1, sizeof *list);

    if (!list)
        return no_memory(c);
    for (size_t i = 0; i < stage->count; i++) {
        const struct tg_plan_host *host = &c->plan->hosts[stage->first + i];
        list[i] = (struct placed) {tg_shard_hash(host->name), *host, c->source[stage->first + i]};
    }
    qsort(list, stage->count, sizeof *list, by_hash);
    for (size_t i = 0; i < stage->count; i++) {
        c->plan->hosts[stage->first + i] = list[i].host;
        c->source[stage->first + i] = list[i].source;
    }
    free(list);
    return 0;
}

static int compile_stage(struct compiler *c, const struct tg_stage_spec *s)
{
    struct tg_plan_stage *stage = &c->plan->stages[c->plan->n_stages];
    int64_t left = quota(c, s);
    int rc;

    *stage = (struct tg_plan_stage) {.first = c->plan->n_hosts, .dry_run = s->dry_run, .bake_ms = s->bake_ms, .rate = s->rate, .policy = s->policy,
                                     .day = s->day, .spread_ms = s->spread_ms, .over_window = s->over_window, .optional = s->optional};
    if (s->until.kind != TG_SHARE_UNSET)
        stage->until_of = tg_share_of(&s->until, (int64_t) c->targets.n);
    if (!copy_text(s->name, &stage->name) || !copy_text(s->targets, &stage->only))
        return no_memory(c);
    rc = s->targets ? take_own(c, s, left) : take_targets(c, s->dry_run, left);
    c->plan->n_stages++;
    return rc || !s->over_window ? rc : order_by_hash(c, stage);
}

static int compile_stages(struct compiler *c)
{
    int rc = 0;

    c->plan->stages = calloc(c->r->n_stages ? c->r->n_stages : 1, sizeof *c->plan->stages);
    if (!c->plan->stages)
        return no_memory(c);
    for (size_t i = 0; !rc && i < c->r->n_stages; i++)
        rc = compile_stage(c, &c->r->stages[i]);
    c->plan->n_left = c->targets.n - c->changed;
    return rc;
}

/* What needs no fleet. */
static int copy_rollout(struct compiler *c, const char *transport)
{
    const struct tg_rollout *r = c->r;
    struct tg_plan *plan = c->plan;
    int rc = 0;

    plan->running = r->running;
    plan->unverified = r->unverified;
    plan->ignore_gone = r->ignore_gone;
    plan->failed = r->failed;
    plan->of_at_least = r->of_at_least;
    plan->hours = r->hours;
    plan->estimate_ms = r->estimate_ms;
    plan->windows_mode = r->windows;
    plan->unreachable = r->unreachable;
    plan->then = r->then;
    plan->decide_ms = r->decide_ms;
    plan->give_up_ms = r->give_up_ms;
    plan->retries = r->retries;
    plan->retry_wait_ms = r->retry_wait_ms;
    plan->rollback = json_deep_copy(r->rollback);
    plan->change = json_deep_copy(r->change);
    plan->around = calloc(r->n_around ? r->n_around : 1, sizeof *plan->around);
    plan->verify = calloc(r->n_verify ? r->n_verify : 1, sizeof *plan->verify);
    if (!plan->change || (r->rollback && !plan->rollback) || !plan->around || !plan->verify || !copy_text(r->name, &plan->name) ||
        !copy_text(r->driver, &plan->driver) || !copy_text(r->targets, &plan->targets) ||
        !copy_text(transport ? transport : "ssh", &plan->transport))
        return no_memory(c);
    for (size_t i = 0; !rc && i < r->n_around; i++)
        if (!(rc = tg_around_copy(&r->around[i], &plan->around[i], c->e)))
            plan->n_around++;
    for (size_t i = 0; !rc && i < r->n_verify; i++)
        if (!(rc = tg_verify_copy(&r->verify[i], &plan->verify[i], c->e)))
            plan->n_verify++;
    return rc;
}

static int compile(struct compiler *c, const char *transport)
{
    int rc = copy_rollout(c, transport);

    if (!rc)
        rc = select_targets(c);
    if (!rc)
        rc = compile_stages(c);
    if (!rc)
        rc = tg_plan_limits_compile(c->plan, c->r, c->inventory, c->source, c->p, c->e);
    if (!rc)
        rc = tg_plan_same_compile(c->plan, c->r->file, c->p, c->e);
    if (!rc)
        rc = tg_problems_error(c->p, c->e);
    if (!rc)
        c->plan->waits_ms = tg_around_waits_ms(c->plan->around, c->plan->n_around);
    return rc ? rc : tg_plan_seal(c->plan, c->e);
}

int tg_plan_compile(const struct tg_rollout *rollout, const struct tg_inventory *inventory, const char *transport,
                    struct tg_problems *problems, struct tg_plan **out, struct tg_error *e)
{
    struct compiler c = {.r = rollout, .inventory = inventory, .p = problems, .e = e};
    int rc;

    c.plan = calloc(1, sizeof *c.plan);
    rc = c.plan ? compile(&c, transport) : no_memory(&c);
    tg_selection_release(&c.targets);
    free(c.state);
    free(c.source);
    if (rc) {
        tg_plan_free(c.plan);
        return rc;
    }
    *out = c.plan;
    return 0;
}
