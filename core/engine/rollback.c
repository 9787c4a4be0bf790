/* The way back: see rollback.h. */
#include "engine/rollback.h"

#include "engine/compare.h"
#include "engine/linked.h"
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

/* ---- the plan ---- */

/* A host that goes back can't be compared with those that wait for it: they have the change that is undone. */
static void turn_back(struct tg_plan *p)
{
    json_decref(p->change);
    p->change = p->rollback;
    p->rollback = NULL;
    tg_linked_drop_verify(p, tg_compare_is_wanted);
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
        tg_fail(e, TG_E_USAGE, plan->withdraws ? "%s has changed nothing: it withdraws hosts of %s" : "%s is a rollback itself, of %s", id, plan->undoes);
        tg_error_hint(e, plan->withdraws ? "to roll that one back: tagout rollback %s" : "to make the change of %s again, run its rollout", plan->undoes);
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
    struct tg_linked_host *list = NULL;
    struct tg_plan *p = NULL;
    size_t n = 0;
    int rc = may_turn_back(plan, id, e);

    if (!rc)
        rc = tg_linked_choose(run, tg_rollback_wants, NULL, back, &list, &n, e);
    if (!rc && n == 0)
        rc = tg_fail(e, TG_E_NOENT, "there is nothing to roll back: %s has changed no host%s", id, back ? " that is not back already" : "");
    if (!rc)
        rc = tg_linked_plan(plan, list, n, "rollback", &p, e);
    if (!rc)
        rc = tg_linked_turn(p, id, e);
    if (!rc)
        turn_back(p);
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

/* Hosts of the first run that the rollback has brought back. */
static void mark_back(void *data, const char *id, const struct tg_run *of, size_t i, size_t host)
{
    struct tg_rollback *r = data;
    const struct tg_run_host *h = &of->hosts[i];

    (void) id;
    if ((h->state == TG_HOST_STUCK ? h->end : h->state) != TG_HOST_DONE || r->back[host])
        return;
    r->back[host] = true;
    r->done++;
}

int tg_rollback_look(struct tg_store *store, const char *id, const struct tg_run *run, int64_t wait_ms, struct tg_rollback *out, struct tg_error *e)
{
    struct tg_rollback r = {.back = calloc(run->plan->n_hosts + 1, sizeof *r.back)};
    struct tg_linked linked = {.store = store, .id = id, .word = "rollback", .run = run, .wants = tg_rollback_wants, .wait_ms = wait_ms, .each = mark_back, .data = &r};
    int rc = r.back ? tg_linked_look(&linked, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    r.n = linked.n;
    r.open = linked.open;
    r.hosts = linked.hosts;
    memcpy(r.id, linked.last, sizeof r.id);
    memcpy(r.next, linked.next, sizeof r.next);
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
