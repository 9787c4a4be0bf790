/* Room for a host among those that share its fate: see room.h. */
#include "engine/room.h"

#include "config/problems.h"
#include "engine/others.h"
#include "engine/plan_internal.h"
#include "guard/gone.h"
#include "guard/lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTOR "config-management"

/* A plan of one host, so that its limits are compiled and counted as a run's are. */
struct room {
    struct tg_guard *guard;
    const struct tg_inventory *inventory;
    const struct tg_host *host;
    struct tg_limit_spec *specs;
    struct tg_plan plan;
    struct tg_plan_host hosts[1];
    struct tg_plan_stage stages[1];
    struct tg_gone *gone;
    struct tg_others *others;
    uint32_t *before;   /* of each domain, while one lock is added */
    char (*by)[160];    /* of each domain: the first lock in it */
};

static int no_memory(struct tg_error *e)
{
    return tg_fail(e, TG_E_MEMORY, "out of memory");
}

static int compile(struct room *r, const struct tg_activities *a, struct tg_error *e)
{
    struct tg_problems problems = TG_PROBLEMS_INIT;
    struct tg_rollout rollout = {.n_limits = a->n_limits};
    const uint32_t source = (uint32_t) r->host->index;

    if (!(r->specs = calloc(a->n_limits + 1, sizeof *r->specs)))
        return no_memory(e);
    for (size_t i = 0; i < a->n_limits; i++)
        r->specs[i] = (struct tg_limit_spec) {.kind = a->limits[i].floor ? TG_LIMIT_FLOOR : TG_LIMIT_DOMAIN, .name = a->limits[i].name, .selector = a->limits[i].selector,
                                              .share = a->limits[i].share};
    rollout.limits = r->specs;
    r->hosts[0] = (struct tg_plan_host) {.name = (char *) (uintptr_t) r->host->name};
    r->stages[0] = (struct tg_plan_stage) {.count = 1};
    r->plan = (struct tg_plan) {.hosts = r->hosts, .n_hosts = 1, .stages = r->stages, .n_stages = 1};
    int rc = tg_plan_limits_compile(&r->plan, &rollout, r->inventory, &source, &problems, e);
    if (!rc && tg_problems_count(&problems)) {
        struct tg_error why = TG_ERROR_INIT;
        (void) tg_problems_error(&problems, &why);
        rc = tg_fail(e, TG_E_CONFIG, "requests.limits: %s", why.message);
        tg_error_hint(e, "%s", why.hint);
    }
    r->stages[0].dry_run = true; /* counts like any other host: what is asked is whether one more may be down */
    tg_problems_release(&problems);
    return rc;
}

static int look_gone(struct room *r, bool ignore, struct tg_error *e)
{
    size_t host;
    int rc = ignore ? 0 : tg_gone_new(r->inventory, &r->gone, e);

    if (!rc && r->gone)
        rc = tg_gone_look(r->gone, r->guard->store, tg_guard_deadline(r->guard), e);
    if (!rc)
        rc = tg_others_new(&r->plan, r->inventory, r->gone, &r->others, e);
    while (!rc && r->gone && tg_gone_moved(r->gone, &host))
        if (host != r->host->index) /* its own agent is not needed for it */
            tg_others_moved(r->others, host);
    return rc;
}

static bool is_own(const struct room *r, const struct tg_lock *lock, const char *own)
{
    if (own[0] && strcmp(lock->request, own) == 0)
        return true;
    return lock->scopes.n == 1 && lock->scopes.v[0].kind == TG_SCOPE_HOST && tg_inventory_host(r->inventory, lock->scopes.v[0].name) == r->host;
}

static void add_lock(struct room *r, const struct tg_lock *lock)
{
    size_t n = r->plan.n_domains * sizeof *r->before;

    memcpy(r->before, tg_others_counts(r->others), n);
    tg_others_add(r->others, lock, tg_lock_holds_actor(lock, ACTOR));
    for (size_t d = 0; d < r->plan.n_domains; d++)
        if (!r->by[d][0] && tg_others_counts(r->others)[d] > r->before[d])
            snprintf(r->by[d], sizeof r->by[d], "lock %s of %.120s", lock->id, lock->owner);
}

static int count(struct room *r, const char *own, int64_t before_txid, struct tg_error *e)
{
    struct tg_locks locks = {0};
    int rc;

    r->before = calloc(r->plan.n_domains + 1, sizeof *r->before);
    r->by = calloc(r->plan.n_domains + 1, sizeof *r->by);
    if (!r->before || !r->by)
        return no_memory(e);
    if ((rc = tg_lock_list(r->guard, NULL, &locks, e)))
        return rc;
    tg_others_begin(r->others, NULL);
    for (size_t i = 0; i < locks.n; i++)
        if (!is_own(r, &locks.v[i], own) && (!before_txid || locks.v[i].txid < before_txid))
            add_lock(r, &locks.v[i]);
    tg_locks_release(&locks);
    return 0;
}

static int judge(const struct room *r, struct tg_error *e)
{
    for (size_t l = 0; l < r->plan.n_limits; l++) {
        uint32_t d = r->plan.domain_of[l];
        char name[160];
        if (d == TG_NO_DOMAIN)
            continue;
        uint32_t held = tg_others_counts(r->others)[d], gone = tg_others_gone(r->others)[d];
        if (held + gone < r->plan.domains[d].max)
            continue;
        struct tg_buf who = TG_BUF_INIT;
        if (gone)
            (void) tg_others_who(r->others, d, &who, NULL);
        tg_plan_domain_name(&r->plan, d, name, sizeof name);
        tg_fail(e, TG_E_HELD, "not begun: of the %u hosts of %s %u may be down at once, and %u are: %s%s%s%.200s", r->plan.domains[d].n_hosts, name, r->plan.domains[d].max,
                held + gone, r->by[d], held && gone ? "; " : "", gone ? "gone: " : "", tg_buf_text(&who));
        tg_error_hint(e, "it is tried again until it is too late, then it gets another time");
        tg_buf_release(&who);
        return TG_E_HELD;
    }
    return 0;
}

int tg_room_ask(struct tg_guard *guard, const struct tg_inventory *inventory, const struct tg_activities *a, const char *host, const char *own, int64_t before_txid,
                struct tg_error *e)
{
    struct room r = {.guard = guard, .inventory = inventory};

    if (!a->n_limits)
        return 0;
    if (!inventory || !(r.host = tg_inventory_host(inventory, host)))
        return tg_fail(e, TG_E_CONFIG, "requests.limits: %s is not in the inventory, so it is not known who shares its fate", host);
    int rc = compile(&r, a, e);
    if (!rc)
        rc = look_gone(&r, a->ignore_gone, e);
    if (!rc)
        rc = count(&r, own, before_txid, e);
    if (!rc)
        rc = judge(&r, e);
    tg_others_free(r.others);
    tg_gone_free(r.gone);
    tg_plan_limits_release(&r.plan);
    free(r.specs);
    free(r.before);
    free(r.by);
    return rc;
}
