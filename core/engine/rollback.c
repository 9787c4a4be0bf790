/* The way back: see rollback.h. */
#include "engine/rollback.h"

#include "engine/compare.h"
#include "engine/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which hosts, in which order ---- */

bool tg_rollback_wants(const struct tg_run *run, size_t i)
{
    const struct tg_run_host *h = &run->hosts[i];
    enum tg_host_state end = h->state == TG_HOST_STUCK ? h->end : h->state;

    if (run->plan->stages[h->stage].dry_run)
        return false;
    if (end == TG_HOST_DONE)
        return h->outcome != TG_OUTCOME_UNCHANGED;
    return end == TG_HOST_FAILED || end == TG_HOST_UNKNOWN || end == TG_HOST_UNDECIDED || end == TG_HOST_LOST;
}

struct chosen {
    size_t host;
    int64_t started_ms;
};

/* The last that was begun first. */
static int by_start(const void *a, const void *b)
{
    const struct chosen *x = a, *y = b;

    if (x->started_ms != y->started_ms)
        return x->started_ms < y->started_ms ? 1 : -1;
    return x->host < y->host ? 1 : -1;
}

static int choose(const struct tg_run *run, const bool *back, struct chosen **out, size_t *out_n, struct tg_error *e)
{
    struct chosen *list = calloc(run->plan->n_hosts + 1, sizeof *list);

    *out_n = 0;
    if (!list)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < run->plan->n_hosts; i++)
        if (tg_rollback_wants(run, i) && !(back && back[i]))
            list[(*out_n)++] = (struct chosen) {i, run->hosts[i].started_ms};
    qsort(list, *out_n, sizeof *list, by_start);
    *out = list;
    return 0;
}

/* ---- the plan ---- */

static int copy_plan(const struct tg_plan *plan, struct tg_plan **out, struct tg_error *e)
{
    json_t *json = tg_plan_to_json(plan, e);
    int rc = json ? tg_plan_from_json(json, out, e) : e && e->code ? e->code : TG_E_MEMORY;

    json_decref(json);
    return rc;
}

static void move_host(struct tg_plan *p, size_t from, struct tg_plan_host *to)
{
    *to = p->hosts[from];
    p->hosts[from] = (struct tg_plan_host) {.port = 0};
}

/* The chosen hosts in their order, with their domains, in place of all. */
static int take_hosts(struct tg_plan *p, const struct chosen *list, size_t n, struct tg_error *e)
{
    struct tg_plan_host *hosts = calloc(n + 1, sizeof *hosts);
    uint32_t *domains = p->domain_of ? calloc(n * p->n_limits + 1, sizeof *domains) : NULL;

    if (!hosts || (p->domain_of && !domains)) {
        free(hosts);
        free(domains);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        move_host(p, list[i].host, &hosts[i]);
        if (domains)
            memcpy(&domains[i * p->n_limits], &p->domain_of[list[i].host * p->n_limits], p->n_limits * sizeof *domains);
    }
    for (size_t i = 0; i < p->n_hosts; i++) {
        free(p->hosts[i].name);
        free(p->hosts[i].address);
        free(p->hosts[i].user);
    }
    free(p->hosts);
    free(p->domain_of);
    p->hosts = hosts;
    p->domain_of = domains;
    p->n_hosts = n;
    return 0;
}

static int one_stage(struct tg_plan *p, struct tg_error *e)
{
    for (size_t i = 0; i < p->n_stages; i++)
        free(p->stages[i].name);
    p->n_stages = 1; /* a run has at least one */
    p->stages[0] = (struct tg_plan_stage) {.name = strdup("rollback"), .count = p->n_hosts};
    return p->stages[0].name ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* What it bears, and does, differently: a failure does not stop it, and it is its own end. */
static int turn_back(struct tg_plan *p, const char *id, struct tg_error *e)
{
    char targets[TG_RUN_ID_SIZE + 32];

    snprintf(targets, sizeof targets, "what %s has changed", id);
    free(p->targets);
    p->targets = strdup(targets);
    p->undoes = strdup(id);
    json_decref(p->change);
    p->change = p->rollback;
    p->rollback = NULL;
    p->then = TG_THEN_HALT;
    p->n_targets = p->n_hosts;
    p->n_left = 0;
    p->failed = (struct tg_share) {TG_SHARE_COUNT, (int64_t) p->n_hosts};
    p->of_at_least = 0;
    p->unreachable = (struct tg_share) {.kind = TG_SHARE_UNSET};
    p->hours = (struct tg_hours) {.days = 0};
    return p->targets && p->undoes ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* A host that goes back can't be compared with those that wait for it: they have the change that is undone. */
static void drop_comparisons(struct tg_plan *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_verify; i++)
        if (tg_compare_is_wanted(&p->verify[i]))
            tg_verify_release(&p->verify[i]);
        else
            p->verify[n++] = p->verify[i];
    p->n_verify = n;
}

/* What a metric has risen or fallen by is told from before the run that is undone, not from what that run has made of it. */
static int keep_before(struct tg_plan *p, const struct tg_run *run, struct tg_error *e)
{
    for (size_t i = 0; i < p->n_verify; i++) {
        struct tg_verify *v = &p->verify[i];
        json_t *own = v->kind == TG_VERIFY_METRIC ? json_copy(v->options) : NULL; /* the first plan has the same */
        if (v->kind != TG_VERIFY_METRIC)
            continue;
        if (json_object_set_new(own, "before_ms", json_integer(run->started_ms))) {
            json_decref(own);
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        }
        json_decref(v->options);
        v->options = own;
    }
    return 0;
}

static int may_turn_back(const struct tg_plan *plan, const char *id, struct tg_error *e)
{
    if (plan->undoes) {
        tg_fail(e, TG_E_USAGE, "%s is a rollback itself, of %s", id, plan->undoes);
        tg_error_hint(e, "to make the change again, run its rollout");
        return TG_E_USAGE;
    }
    if (plan->rollback)
        return 0;
    tg_fail(e, TG_E_USAGE, "the rollout of %s names no way back", id);
    tg_error_hint(e, "a rollout says it with rollback: {%s: {…}}; a run keeps the plan that it was begun with", plan->driver);
    return TG_E_USAGE;
}

int tg_rollback_plan(const struct tg_plan *plan, const struct tg_run *run, const char *id, const bool *back, struct tg_plan **out, struct tg_error *e)
{
    struct chosen *list = NULL;
    struct tg_plan *p = NULL;
    size_t n = 0;
    int rc = may_turn_back(plan, id, e);

    if (!rc)
        rc = choose(run, back, &list, &n, e);
    if (!rc && n == 0)
        rc = tg_fail(e, TG_E_NOENT, "there is nothing to roll back: %s has changed no host%s", id, back ? " that is not back already" : "");
    if (!rc)
        rc = copy_plan(plan, &p, e);
    if (!rc)
        rc = take_hosts(p, list, n, e);
    if (!rc)
        rc = one_stage(p, e);
    if (!rc)
        rc = turn_back(p, id, e);
    if (!rc)
        drop_comparisons(p);
    if (!rc)
        rc = keep_before(p, run, e);
    if (!rc)
        rc = tg_plan_seal(p, e);
    free(list);
    if (rc)
        tg_plan_free(p);
    else
        *out = p;
    return rc;
}

/* ---- those that there are ---- */

struct named {
    const char *name;
    size_t host;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *) a)->name, ((const struct named *) b)->name);
}

/* Hosts of the first run that the rollback has brought back. */
static void mark_back(const struct named *names, size_t n, const struct tg_run *of, struct tg_rollback *r)
{
    for (size_t i = 0; i < of->plan->n_hosts; i++) {
        const struct tg_run_host *h = &of->hosts[i];
        if ((h->state == TG_HOST_STUCK ? h->end : h->state) != TG_HOST_DONE)
            continue;
        const struct named key = {of->plan->hosts[i].name, 0}, *found = bsearch(&key, names, n, sizeof *names, by_name);
        if (found && !r->back[found->host]) {
            r->back[found->host] = true;
            r->done++;
        }
    }
}

/* 0: looked at; TG_E_NOENT: there is none of this number. One that was never made whole is passed over. */
static int look_at(struct tg_store *store, const char *id, const char *rollback_id, const struct named *names, size_t n, int64_t wait_ms,
                   struct tg_rollback *r, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    struct tg_node node;
    char path[TG_RUN_ID_SIZE + 32];
    int rc = tg_journal_load(store, rollback_id, wait_ms, &j, &plan, &run, &own);

    if (rc == TG_E_DATA) {
        snprintf(path, sizeof path, "/runs/%s/journal", rollback_id);
        if (tg_store_read(store, path, tg_store_deadline(store, wait_ms), &node, NULL) == TG_E_NOENT)
            return 0;
        tg_node_release(&node);
    }
    if (rc == TG_E_NOENT)
        return rc;
    if (rc) {
        if (e && !e->code)
            *e = own;
        return rc;
    }
    if (!plan->undoes || strcmp(plan->undoes, id) != 0)
        rc = tg_fail(e, TG_E_DATA, "run %s is no rollback of %s", rollback_id, id);
    if (!rc) {
        r->n++;
        snprintf(r->id, sizeof r->id, "%s", rollback_id);
        r->open = run->state != TG_RUN_ENDED;
        mark_back(names, n, run, r);
    }
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return rc;
}

static int look_at_all(struct tg_store *store, const char *id, const struct named *names, size_t n, int64_t wait_ms, struct tg_rollback *r, struct tg_error *e)
{
    int rc = 0;

    for (int i = 1; !rc; i++) {
        if (i > TG_ROLLBACKS_MAX)
            return r->open ? 0 : tg_fail(e, TG_E_FAILED, "run %s was rolled back %d times: no more", id, TG_ROLLBACKS_MAX);
        if (strlen(id) + 16 > TG_RUN_ID_SIZE)
            return tg_fail(e, TG_E_DATA, "run %s has too long an id for a rollback", id);
        snprintf(r->next, sizeof r->next, i == 1 ? "%s-rollback" : "%s-rollback-%d", id, i);
        rc = look_at(store, id, r->next, names, n, wait_ms, r, e);
    }
    return rc == TG_E_NOENT ? 0 : rc;
}

int tg_rollback_look(struct tg_store *store, const char *id, const struct tg_run *run, int64_t wait_ms, struct tg_rollback *out, struct tg_error *e)
{
    size_t n = 0, all = run->plan->n_hosts;
    struct named *names = calloc(all + 1, sizeof *names);
    struct tg_rollback r = {.back = calloc(all + 1, sizeof *r.back)};
    int rc = names && r.back ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < all; i++)
        if (tg_rollback_wants(run, i))
            names[n++] = (struct named) {run->plan->hosts[i].name, i};
    r.hosts = n;
    if (!rc) {
        qsort(names, n, sizeof *names, by_name);
        rc = look_at_all(store, id, names, n, wait_ms, &r, e);
    }
    free(names);
    if (rc)
        tg_rollback_release(&r);
    else
        *out = r;
    return rc;
}

void tg_rollback_release(struct tg_rollback *r)
{
    free(r->back);
    r->back = NULL;
}
