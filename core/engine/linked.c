/* Runs that follow another one: see linked.h. */
#include "engine/linked.h"

#include "engine/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the plan ---- */

static int copy_plan(const struct tg_plan *plan, struct tg_plan **out, struct tg_error *e)
{
    json_t *json = tg_plan_to_json(plan, e);
    int rc = json ? tg_plan_from_json(json, out, e) : e && e->code ? e->code : TG_E_MEMORY;

    json_decref(json);
    return rc;
}

/* What is no part of a plan's JSON, and holds of this one as well. */
static void remember(const struct tg_plan *plan, struct tg_plan *copy)
{
    copy->waits_ms = plan->waits_ms;
    copy->learned_ms = plan->learned_ms;
    copy->learned_hosts = plan->learned_hosts;
    copy->learned_runs = plan->learned_runs;
    copy->learned_p95_ms = plan->learned_p95_ms;
    copy->learned_back_ms = plan->learned_back_ms;
}

static void move_host(struct tg_plan *p, size_t from, struct tg_plan_host *to)
{
    *to = p->hosts[from];
    p->hosts[from] = (struct tg_plan_host) {.port = 0};
}

/* The chosen hosts in their order, with their domains, in place of all. */
static int take_hosts(struct tg_plan *p, const struct tg_linked_host *list, size_t n, struct tg_error *e)
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

static int one_stage(struct tg_plan *p, const char *name, struct tg_error *e)
{
    for (size_t i = 0; i < p->n_stages; i++)
        free(p->stages[i].name);
    p->n_stages = 1; /* a run has at least one */
    p->stages[0] = (struct tg_plan_stage) {.name = strdup(name), .count = p->n_hosts};
    return p->stages[0].name ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* What mends a bad change does not wait for the next window, and says so. */
static int ignore_windows(struct tg_plan *p, struct tg_error *e)
{
    bool any = p->windows_mode != TG_WINDOWS_UNSAID;

    tg_plan_windows_drop(p);
    free(p->windows_why);
    p->windows_mode = any ? TG_WINDOWS_IGNORE : TG_WINDOWS_UNSAID;
    p->windows_why = any ? strdup("what mends a bad change waits for no window") : NULL;
    return !any || p->windows_why ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static int by_rank(const void *a, const void *b)
{
    const struct tg_linked_host *x = a, *y = b;

    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->started_ms != y->started_ms)
        return x->started_ms < y->started_ms ? 1 : -1;
    return x->host < y->host ? 1 : -1;
}

int tg_linked_choose(const struct tg_run *run, bool (*wants)(const struct tg_run *run, size_t host), int (*rank)(const struct tg_run *run, size_t host), const bool *left_out,
                     struct tg_linked_host **out, size_t *out_n, struct tg_error *e)
{
    struct tg_linked_host *list = calloc(run->plan->n_hosts + 1, sizeof *list);

    *out_n = 0;
    if (!list)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < run->plan->n_hosts; i++)
        if (wants(run, i) && !(left_out && left_out[i]))
            list[(*out_n)++] = (struct tg_linked_host) {i, rank ? rank(run, i) : 0, run->hosts[i].started_ms};
    qsort(list, *out_n, sizeof *list, by_rank);
    *out = list;
    return 0;
}

int tg_linked_turn(struct tg_plan *p, const char *id, struct tg_error *e)
{
    char targets[TG_RUN_ID_SIZE + 32];

    snprintf(targets, sizeof targets, "what %s has changed", id);
    free(p->targets);
    p->targets = strdup(targets);
    p->undoes = strdup(id);
    p->then = TG_THEN_HALT;
    p->n_targets = p->n_hosts;
    p->n_left = 0;
    p->failed = (struct tg_share) {TG_SHARE_COUNT, (int64_t) p->n_hosts};
    p->of_at_least = 0;
    p->unreachable = (struct tg_share) {.kind = TG_SHARE_UNSET};
    p->hours = (struct tg_hours) {.days = 0};
    return p->targets && p->undoes ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

int tg_linked_plan(const struct tg_plan *plan, const struct tg_linked_host *list, size_t n, const char *stage, struct tg_plan **out, struct tg_error *e)
{
    struct tg_plan *p = NULL;
    int rc = copy_plan(plan, &p, e);

    if (!rc) {
        free(p->mends); /* that run's matter */
        p->mends = NULL;
        rc = take_hosts(p, list, n, e);
    }
    if (!rc)
        rc = one_stage(p, stage, e);
    if (!rc)
        remember(plan, p);
    if (!rc)
        rc = ignore_windows(p, e);
    if (rc)
        tg_plan_free(p);
    else
        *out = p;
    return rc;
}

void tg_linked_drop_verify(struct tg_plan *p, bool (*drop)(const struct tg_verify *verify))
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_verify; i++)
        if (drop(&p->verify[i]))
            tg_verify_release(&p->verify[i]);
        else
            p->verify[n++] = p->verify[i];
    p->n_verify = n;
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

static void tell_hosts(const struct tg_linked *l, const char *id, const struct tg_run *of, const struct named *names)
{
    for (size_t i = 0; i < of->plan->n_hosts; i++) {
        const struct named key = {of->plan->hosts[i].name, 0}, *found = bsearch(&key, names, l->hosts, sizeof *names, by_name);
        if (found)
            l->each(l->data, id, of, i, found->host);
    }
}

/* 0: looked at; TG_E_NOENT: there is none of this id. One that was never made whole is passed over. */
static int look_at(struct tg_linked *l, const char *id, const struct named *names, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    int rc = tg_journal_load_whole(l->store, id, l->wait_ms, &j, &plan, &run, &own);

    if (rc == TG_E_NOENT || (!rc && !run))
        return rc;
    if (rc) {
        if (e && !e->code)
            *e = own;
        return rc;
    }
    if (!plan->undoes || strcmp(plan->undoes, l->id) != 0)
        rc = tg_fail(e, TG_E_DATA, "run %s is no %s of %s", id, l->word, l->id);
    if (!rc) {
        l->n++;
        snprintf(l->last, sizeof l->last, "%s", id);
        l->open = run->state != TG_RUN_ENDED;
        tell_hosts(l, id, run, names);
    }
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return rc;
}

int tg_linked_look(struct tg_linked *l, struct tg_error *e)
{
    size_t all = l->run->plan->n_hosts;
    struct named *names = calloc(all + 1, sizeof *names);
    int rc = names ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    l->n = l->hosts = 0;
    l->open = false;
    l->last[0] = l->next[0] = '\0';
    for (size_t i = 0; !rc && i < all; i++)
        if (l->wants(l->run, i))
            names[l->hosts++] = (struct named) {l->run->plan->hosts[i].name, i};
    if (!rc)
        qsort(names, l->hosts, sizeof *names, by_name);
    if (!rc && strlen(l->id) + strlen(l->word) + 8 > TG_RUN_ID_SIZE)
        rc = tg_fail(e, TG_E_DATA, "run %s has too long an id for a %s", l->id, l->word);
    for (l->at = 1; !rc && l->at <= TG_LINKED_MAX; l->at++) {
        snprintf(l->next, sizeof l->next, l->at == 1 ? "%s-%s" : "%s-%s-%d", l->id, l->word, l->at);
        rc = look_at(l, l->next, names, e);
    }
    if (!rc)
        l->next[0] = '\0';
    free(names);
    return rc == TG_E_NOENT ? 0 : rc;
}

void tg_linked_first(const char *id, const char *word, char out[TG_RUN_ID_SIZE])
{
    char tail[32];
    size_t len = strlen(id);

    snprintf(out, TG_RUN_ID_SIZE, "%s", id);
    for (int i = 1; i <= TG_LINKED_MAX; i++) {
        snprintf(tail, sizeof tail, i == 1 ? "-%s" : "-%s-%d", word, i);
        if (len > strlen(tail) && len < TG_RUN_ID_SIZE && strcmp(id + len - strlen(tail), tail) == 0)
            out[len - strlen(tail)] = '\0';
    }
}
