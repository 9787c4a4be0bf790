/* Something better for hosts that are out of service: see mend.h. */
#include "engine/mend.h"

#include "engine/linked.h"
#include "engine/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Sorted. NULL: memory. */
static const char **names_out(const struct tg_run *run, const struct tg_withdrawn *w, size_t *out_n)
{
    const char **names = calloc(run->plan->n_hosts + 1, sizeof *names);

    *out_n = 0;
    for (size_t i = 0; names && i < run->plan->n_hosts; i++)
        if (w->how[i] == TG_WITHDRAWN_IS)
            names[(*out_n)++] = run->plan->hosts[i].name;
    if (names)
        qsort(names, *out_n, sizeof *names, by_name);
    return names;
}

static int choose(const struct tg_plan *plan, const struct tg_run *run, const struct tg_withdrawn *w, struct tg_linked_host **out, size_t *out_n, struct tg_error *e)
{
    struct tg_linked_host *list = calloc(plan->n_hosts + 1, sizeof *list);
    size_t n_names;
    const char **names = list ? names_out(run, w, &n_names) : NULL;

    *out_n = 0;
    for (size_t s = 0; names && s < plan->n_stages; s++)
        for (size_t i = plan->stages[s].first; !plan->stages[s].dry_run && i < plan->stages[s].first + plan->stages[s].count; i++)
            if (bsearch(&(const char *) {plan->hosts[i].name}, names, n_names, sizeof *names, by_name))
                list[(*out_n)++] = (struct tg_linked_host) {i, 0, 0};
    if (!names) {
        free(list);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    free(names);
    *out = list;
    return 0;
}

/* Nobody asks a host that serves nobody for anything. */
static bool is_no_proof(const struct tg_verify *v)
{
    return v->kind == TG_VERIFY_METRIC;
}

static int turn(struct tg_plan *p, const char *id, struct tg_error *e)
{
    char targets[TG_RUN_ID_SIZE + 40];

    snprintf(targets, sizeof targets, "what %s has out of service", id);
    free(p->targets);
    p->targets = strdup(targets);
    p->mends = strdup(id);
    p->n_targets = p->n_hosts;
    p->n_left = 0;
    p->hours = (struct tg_hours) {.days = 0};
    if (p->then == TG_THEN_WITHDRAW)
        p->then = TG_THEN_HALT; /* they are */
    tg_linked_drop_verify(p, is_no_proof);
    return p->targets && p->mends ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

int tg_mend_plan(const struct tg_plan *plan, const struct tg_run *run, const struct tg_withdrawn *w, const char *id, struct tg_plan **out, struct tg_error *e)
{
    struct tg_linked_host *list = NULL;
    struct tg_plan *p = NULL;
    size_t n = 0;
    int rc = choose(plan, run, w, &list, &n, e);

    if (!rc && n == 0) {
        rc = tg_fail(e, TG_E_NOENT, "%s: none of its hosts is out of service by %s", plan->name, id);
        tg_error_hint(e, "look which are: tagout status %s", id);
    }
    if (!rc)
        rc = tg_linked_plan(plan, list, n, "mend", &p, e);
    if (!rc)
        rc = turn(p, id, e);
    if (!rc)
        rc = tg_plan_seal(p, e);
    free(list);
    if (rc)
        tg_plan_free(p);
    else
        *out = p;
    return rc;
}

/* P5: if somebody has brought it back meanwhile, its domains were not asked for room. */
int tg_mend_is_back(const struct tg_plan *plan, struct tg_holds *holds, const char *host, struct tg_error *e)
{
    int passes = plan->mends ? tg_hold_passes(holds, host, e) : 1;

    return passes < 0 ? passes : passes == 0;
}

int tg_mend_may(const struct tg_run *withdrawal, const char *id, struct tg_error *e)
{
    if (withdrawal->state == TG_RUN_ENDED)
        return 0;
    tg_fail(e, TG_E_HELD, "hosts are being withdrawn or brought back by %s: it is %s", id, tg_run_state_name(withdrawal->state));
    tg_error_hint(e, "let that come to its end first; when nobody drives it: tagout run --resume %s", id);
    return TG_E_HELD;
}

bool tg_mend_returns(const struct tg_run *run)
{
    enum tg_run_end end = tg_run_end(run);

    return run->plan->mends && run->state == TG_RUN_ENDED && (end == TG_END_DONE || end == TG_END_BADLY);
}
