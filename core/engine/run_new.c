/* The life of a run's machine: made for a plan, and given back. See run.h. */
#include "engine/run_internal.h"

#include <stdlib.h>

int tg_run_new(const struct tg_plan *plan, struct tg_run **out, struct tg_error *e)
{
    struct tg_run *run = calloc(1, sizeof *run);

    if (!run)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    run->plan = plan;
    run->drains = tg_around_drains(plan);
    run->stages = calloc(plan->n_stages + 1, sizeof *run->stages);
    run->hosts = calloc(plan->n_hosts + 1, sizeof *run->hosts);
    if (!run->stages || !run->hosts) {
        tg_run_free(run);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    size_t covered = 0;
    for (size_t i = 0; i < plan->n_stages; i++) {
        const struct tg_plan_stage *p = &plan->stages[i];
        for (size_t h = p->first; h < p->first + p->count && h < plan->n_hosts; h++, covered++)
            run->hosts[h] = (struct tg_run_host) {.stage = i, .attempt = 1, .changed = -1};
        run->stages[i].counts[TG_HOST_WAITING] = p->count;
    }
    run->totals[TG_HOST_WAITING] = plan->n_hosts;
    int rc = covered == plan->n_hosts ? tg_queue_new(run, e)
                                      : tg_fail(e, TG_E_DATA, "the plan has %zu hosts, its stages have %zu", plan->n_hosts, covered);
    if (rc)
        tg_run_free(run);
    else
        *out = run;
    return rc;
}

void tg_run_free(struct tg_run *run)
{
    if (!run)
        return;
    for (size_t i = 0; run->hosts && i < run->plan->n_hosts; i++) {
        free(run->hosts[i].lock);
        free(run->hosts[i].text);
        free(run->hosts[i].records);
    }
    for (size_t i = 0; run->stages && i < run->plan->n_stages; i++)
        free(run->stages[i].approved_by);
    tg_queue_free(run);
    free(run->hosts);
    free(run->stages);
    free(run->why);
    free(run->by);
    free(run->hold_why);
    free(run->hold_by);
    free(run);
}
