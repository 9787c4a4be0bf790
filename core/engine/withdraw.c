/* Out of service: see withdraw.h. */
#include "engine/withdraw.h"

#include "engine/linked.h"
#include "engine/plan_internal.h"
#include "engine/rollback.h"
#include "engine/run_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tg_withdraw_is_possible(const struct tg_plan *plan)
{
    return tg_around_drains(plan) != 0;
}

/* ---- which hosts, in which order ---- */

bool tg_withdraw_is_out(const struct tg_run *run, size_t i)
{
    const struct tg_run_host *h = &run->hosts[i];

    return !run->plan->stages[h->stage].dry_run && (h->state == TG_HOST_LOST || (((unsigned) h->made | h->stuck | h->kept) & run->drains));
}

bool tg_withdraw_wants(const struct tg_run *run, size_t i)
{
    return tg_rollback_wants(run, i) && !tg_withdraw_is_out(run, i);
}

/* What is known to be bad leaves first, then what was changed last. */
static int rank(const struct tg_run *run, size_t i)
{
    return !tg_run_host_failed(&run->hosts[i]);
}

/* ---- what its locks say ---- */

#define REASON_HEAD "out of service since "
#define REASON_MIDDLE " halted; back: tagout return "

void tg_withdraw_reason(const char *id, char *out, size_t size)
{
    snprintf(out, size, REASON_HEAD "%.95s" REASON_MIDDLE "%.95s; with something better: tagout run --mends %.95s FILE", id, id, id);
}

bool tg_withdraw_reason_read(const char *reason, char out_id[TG_RUN_ID_SIZE])
{
    const char *id = reason + strlen(REASON_HEAD), *end = strncmp(reason, REASON_HEAD, strlen(REASON_HEAD)) == 0 ? strstr(id, REASON_MIDDLE) : NULL;

    if (!end || end == id || end - id >= TG_RUN_ID_SIZE)
        return false;
    snprintf(out_id, TG_RUN_ID_SIZE, "%.*s", (int) (end - id), id);
    return strspn(out_id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(out_id);
}

/* ---- the plan ---- */

/* The lock, and what takes a host out of service. */
static void keep_drains(struct tg_plan *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_around; i++)
        if (i == 0 || (p->around[i].kind == TG_AROUND_MODULE && p->around[i].what == TG_AROUND_DRAIN))
            p->around[n++] = p->around[i];
        else
            tg_around_release(&p->around[i]);
    p->n_around = n;
}

/* What a host that serves nobody can't show, and what asks whether it has the change that it may have to lose. */
static bool is_no_proof(const struct tg_verify *v)
{
    return v->kind == TG_VERIFY_METRIC || v->kind == TG_VERIFY_REPORT;
}

/* Hosts that are down by the first run, and that this one does not go over, take up room that it must not count on. */
static void count_down(struct tg_plan *p, const struct tg_run *run)
{
    const struct tg_plan *plan = run->plan;

    for (size_t i = 0; plan->n_limits && i < plan->n_hosts; i++)
        for (size_t l = 0; (tg_withdraw_is_out(run, i) || run->hosts[i].state == TG_HOST_UNREACHABLE) && l < plan->n_limits; l++) {
            uint32_t d = plan->domain_of[i * plan->n_limits + l];
            if (d != TG_NO_DOMAIN && p->domains[d].max)
                p->domains[d].max--;
        }
}

static void turn_out(struct tg_plan *p, const struct tg_run *run)
{
    p->withdraws = true;
    json_decref(p->rollback);
    p->rollback = NULL;
    keep_drains(p);
    tg_linked_drop_verify(p, is_no_proof);
    count_down(p, run);
}

static int may_turn_out(const struct tg_plan *plan, const char *id, struct tg_error *e)
{
    if (plan->undoes) {
        tg_fail(e, TG_E_USAGE, "%s is no rollout's run: it %s %s", id, plan->withdraws ? "withdraws hosts of" : "rolls back", plan->undoes);
        tg_error_hint(e, "name that one: %s", plan->undoes);
        return TG_E_USAGE;
    }
    if (tg_withdraw_is_possible(plan))
        return 0;
    tg_fail(e, TG_E_USAGE, "the rollout of %s does not say how a host is taken out of service", id);
    tg_error_hint(e, "a rollout says it with a drain below around:, such as drain: {haproxy: {…}}; a run keeps the plan that it was begun with");
    return TG_E_USAGE;
}

int tg_withdraw_plan(const struct tg_plan *plan, const struct tg_run *run, const char *id, const bool *left_out, struct tg_plan **out, struct tg_error *e)
{
    struct tg_linked_host *list = NULL;
    struct tg_plan *p = NULL;
    size_t n = 0;
    int rc = may_turn_out(plan, id, e);

    if (!rc)
        rc = tg_linked_choose(run, tg_withdraw_wants, rank, left_out, &list, &n, e);
    if (!rc && n == 0)
        rc = tg_fail(e, TG_E_NOENT, "there is nothing%s to withdraw of what %s has changed", left_out ? " more" : "", id);
    if (!rc)
        rc = tg_linked_plan(plan, list, n, TG_WITHDRAW_WORD, &p, e);
    if (!rc)
        rc = tg_linked_turn(p, id, e);
    if (!rc)
        turn_out(p, run);
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

struct looking {
    struct tg_withdrawn *w;
    const struct tg_linked *linked;
};

/* Of a host that was withdrawn twice, the last time counts. */
static void mark(void *data, const char *id, const struct tg_run *of, size_t i, size_t host)
{
    struct looking *l = data;
    const struct tg_run_host *h = &of->hosts[i];
    bool is = h->state == TG_HOST_WITHDRAWN || h->state == TG_HOST_TO_RETURN || h->state == TG_HOST_RETURNING || (h->state != TG_HOST_RETURNED && h->end == TG_HOST_RETURNED);

    (void) id;
    if (is)
        l->w->how[host] = TG_WITHDRAWN_IS;
    else if (h->state == TG_HOST_RETURNED)
        l->w->how[host] = TG_WITHDRAWN_WAS;
    else if (tg_host_state_is_end(h->state) && l->w->how[host] == TG_WITHDRAWN_NEVER)
        l->w->how[host] = TG_WITHDRAWN_STAYED;
    if (is)
        l->w->holds[l->linked->at] = true;
}

int tg_withdrawn_look(struct tg_store *store, const char *id, const struct tg_run *run, int64_t wait_ms, struct tg_withdrawn *out, struct tg_error *e)
{
    struct tg_withdrawn w = {.how = calloc(run->plan->n_hosts + 1, sizeof *w.how)};
    struct looking looking = {.w = &w};
    struct tg_linked linked = {.store = store, .id = id, .word = TG_WITHDRAW_WORD, .run = run, .wants = tg_rollback_wants, .wait_ms = wait_ms, .each = mark, .data = &looking};

    looking.linked = &linked;
    int rc = w.how ? tg_linked_look(&linked, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    w.n = linked.n;
    w.open = linked.open;
    w.hosts = linked.hosts;
    memcpy(w.id, linked.last, sizeof w.id);
    memcpy(w.next, linked.next, sizeof w.next);
    for (size_t i = 0; !rc && i < run->plan->n_hosts; i++) {
        w.is += w.how[i] == TG_WITHDRAWN_IS;
        w.was += w.how[i] == TG_WITHDRAWN_WAS;
    }
    if (rc)
        tg_withdrawn_release(&w);
    else
        *out = w;
    return rc;
}

void tg_withdrawn_release(struct tg_withdrawn *w)
{
    free(w->how);
    w->how = NULL;
}

void tg_withdrawn_id(const char *id, int i, char out[TG_RUN_ID_SIZE])
{
    snprintf(out, TG_RUN_ID_SIZE, i == 1 ? "%.70s-" TG_WITHDRAW_WORD : "%.70s-" TG_WITHDRAW_WORD "-%d", id, i);
}
