/* What a rollout asks for behind a halt, simulated as well: the way back, or hosts that leave service. See simulate.h. */
#include "engine/rollback.h"
#include "engine/simulate_internal.h"
#include "engine/withdraw.h"

#include <stdlib.h>

static size_t sample_at(const struct tg_sim *sim, int64_t at_ms)
{
    int64_t i = (at_ms - sim->started_ms) / sim->sample_ms;

    return i < (int64_t) sim->n_samples ? (size_t) i : sim->n_samples - 1;
}

/* What leaves service behind the halt is on the run's timeline. */
static void show_out(struct tg_sim *sim)
{
    const struct tg_sim *out = sim->back->sim;

    sim->shown_ms = out->ended_ms;
    for (int64_t at_ms = sim->started_ms + (int64_t) sim->n_samples * sim->sample_ms; at_ms < sim->shown_ms; at_ms += sim->sample_ms) {
        int64_t end_ms = at_ms + sim->sample_ms;
        const struct tg_sim_sample *then = &out->samples[sample_at(out, (end_ms < sim->shown_ms ? end_ms : sim->shown_ms) - out->sample_ms)];
        struct tg_sim_sample more = sim->samples[sim->n_samples - 1];
        more.out = then->out;
        more.at_work = then->at_work;
        more.away = then->away;
        more.asks = then->asks;
        tg_sim_add_sample(sim, &more);
    }
    sim->samples[sim->n_samples - 1].out = out->run->totals[TG_HOST_WITHDRAWN];
}

typedef int follow_fn(const struct tg_plan *plan, const struct tg_run *run, const char *id, const bool *left_out, struct tg_plan **out, struct tg_error *e);

/* What is bad is the change, not the way back from it. Hosts on which the tool fails are those on which it failed; who is gone, or held, is so at the same times. */
static int simulate_next(struct tg_sim *sim, follow_fn *follow, struct tg_error *e)
{
    struct tg_sim_back *back = sim->back = calloc(1, sizeof *back);
    struct tg_error none = TG_ERROR_INIT;

    if (!back)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    back->model = *sim->model;
    back->model.bad = back->model.bad_after_ms = -1;
    back->model.since_ms = sim->started_ms;
    back->model.start_ms = sim->ended_ms;
    int rc = follow(sim->plan, sim->run, "simulated", NULL, &back->plan, &none);
    if (!rc)
        rc = tg_sim_run(back->plan, &back->model, sim, &back->sim, e);
    else if (e && rc != TG_E_NOENT && !e->code)
        *e = none;
    if (!rc)
        return 0;
    tg_plan_free(back->plan);
    free(back);
    sim->back = NULL;
    return rc == TG_E_NOENT ? 0 : rc; /* nothing was changed */
}

int tg_sim_follow(struct tg_sim *sim, struct tg_error *e)
{
    int rc = 0;

    if (tg_run_end(sim->run) != TG_END_HALTED)
        return 0;
    if (sim->plan->then == TG_THEN_ROLLBACK)
        return simulate_next(sim, tg_rollback_plan, e);
    if (sim->plan->then == TG_THEN_WITHDRAW && (rc = simulate_next(sim, tg_withdraw_plan, e)) == 0 && sim->back)
        show_out(sim);
    return rc;
}

struct tg_sim_out tg_sim_tell_out(const struct tg_sim *sim)
{
    const struct tg_sim *out = sim->back->sim;
    const size_t *n = out->run->totals;

    return (struct tg_sim_out) {.hosts = out->plan->n_hosts, .out = n[TG_HOST_WITHDRAWN], .no_room = n[TG_HOST_SKIPPED], .held = n[TG_HOST_HELD],
                                .took_ms = out->ended_ms - sim->halted_ms};
}
