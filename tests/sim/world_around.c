/* What is done around the hosts of the simulated fleet: a load balancer and its like, which outlive drivers as the hosts do. See world.h. */
#include "world.h"

#include <string.h>

static size_t n_steps(const struct world *w)
{
    return w->plan->n_around ? w->plan->n_around : 1;
}

void world_around_script(struct world *w, struct sim_host *h, unsigned trouble)
{
    struct rng *r = &w->rng;

    h->script.around_loses_percent = (unsigned) rng_below(r, trouble + 1);
    h->script.around_away_percent = (unsigned) rng_below(r, trouble + 1);
    h->script.refuse_percent = (unsigned) rng_below(r, trouble / 4 + 1);
    h->script.undo_fails_percent = (unsigned) rng_below(r, trouble / 2 + 1);
    h->script.keeps = rng_chance(r, 20);
    for (size_t k = 1; k < n_steps(w); k++)
        h->around[k].force = rng_chance(r, trouble / 2) ? THEIRS : FREE;
}

static bool is_drain(const struct world *w, size_t step)
{
    return w->plan->around[step].what == TG_AROUND_DRAIN;
}

/* Its drains, in their order, are those of the run below, as far as there are as many. */
void world_around_meet(struct world *w, size_t host)
{
    const struct sim_host *under = world_host_of(w->under, w, host);
    size_t of = 1, n_under = under ? n_steps(w->under) : 1;

    for (size_t k = 1; under && k < n_steps(w); k++) {
        struct sim_around *a = &w->hosts[host].around[k];
        if (!is_drain(w, k) || of >= n_under)
            continue;
        bool theirs = under->around[of++].force != FREE;
        if (theirs && a->force == FREE)
            a->force = THEIRS;
        else if (!theirs && a->force == THEIRS)
            a->force = FREE;
    }
}

bool world_is_drained(const struct world *w, size_t host)
{
    bool any = false;

    for (size_t k = 1; k < n_steps(w); k++)
        any |= is_drain(w, k) && w->hosts[host].around[k].force == OURS;
    return any;
}

/* ---- what arrives there ---- */

static void look(const struct sim_around *a, int step, struct tg_run_event *answer, char *record, size_t size)
{
    snprintf(record, size, "before-%d-%d", step, (int) a->force);
    answer->kind = TG_EV_FOUND;
    answer->ours = a->force == OURS;
    answer->record = record;
}

static void act(struct world *w, const struct sim_host *h, struct sim_around *a, struct tg_run_event *answer)
{
    bool refused = !w->healed && rng_chance(&w->rng, h->script.refuse_percent);

    a->tried = false;
    a->in_vain = 0;
    bool frees = a->force == FREE && (!refused || rng_chance(&w->rng, 50));
    if (frees)
        a->force = OURS;
    if (frees && w->plan->withdraws)
        world_judge_domains(w, (size_t) (h - w->hosts));
    answer->kind = refused ? TG_EV_AROUND_REFUSED : a->force == THEIRS ? TG_EV_LEFT : TG_EV_MADE;
    answer->record = "done";
}

static void undo(struct world *w, const struct tg_run_action *action, struct tg_run_event *answer)
{
    struct sim_host *h = &w->hosts[action->host];
    struct sim_around *a = &h->around[action->step];
    const char *name = w->plan->hosts[action->host].name;

    for (size_t k = (size_t) action->step + 1; k < n_steps(w); k++)
        if (h->around[k].force == OURS && !h->around[k].tried)
            world_violation(w, "P8: step %d of %s is undone before step %zu", action->step, name, k);
    for (size_t k = 0; k < STEPS_MAX; k++)
        if (h->steps[k].state == STEP_RUNNING)
            world_violation(w, "P8: step %d of %s is undone while the host is changed", action->step, name);
    a->tried = true;
    world_judge_back(w, action->host);
    if (!w->healed && rng_chance(&w->rng, h->script.undo_fails_percent)) {
        answer->kind = TG_EV_AROUND_REFUSED;
        return;
    }
    bool keeps = a->force == KEPT || (h->script.keeps && a->force == OURS && (size_t) action->step + 1 == n_steps(w) && w->run && w->run->hosts[action->host].end == TG_HOST_FAILED);
    answer->kind = keeps ? TG_EV_UNDO_KEPT : TG_EV_UNDONE;
    if (a->force == OURS)
        a->force = keeps ? KEPT : FREE;
}

int64_t world_around_arrives(struct world *w, const struct tg_run_action *action, struct tg_run_event *answer)
{
    static char record[40]; /* of the answer that is given next: copied by who takes it */
    struct sim_host *h = &w->hosts[action->host];
    struct sim_around *a = &h->around[action->step];

    world_around_meet(w, action->host);
    answer->step = action->step;
    bool dead = w->dead && !w->mended && action->step == 1;
    if (!w->healed && (dead || rng_chance(&w->rng, h->script.around_away_percent))) {
        answer->kind = TG_EV_AROUND_AWAY;
        a->tried |= action->kind == TG_DO_UNDO && ++a->in_vain >= TG_RUN_AROUND_TRIES;
        return 20;
    }
    if (action->kind == TG_DO_AROUND_LOOK)
        look(a, action->step, answer, record, sizeof record);
    else if (action->kind == TG_DO_AROUND)
        act(w, h, a, answer);
    else
        undo(w, action, answer);
    if (!w->healed && rng_chance(&w->rng, h->script.around_loses_percent)) {
        answer->kind = TG_EV_AROUND_LOST;
        answer->record = NULL;
    }
    return 1 + (int64_t) rng_below(&w->rng, action->kind == TG_DO_AROUND ? 300 : 40);
}

/* A load balancer has restarted, and has forgotten its drains: whoever is about to change the host is told (ports_drains.c), and changes nothing. */
bool world_around_forgets(struct world *w, const struct tg_run_action *action, struct tg_run_event *answer)
{
    static char record[] = "forgotten";
    bool forgets = !w->healed && !w->under && n_steps(w) > 1 && rng_chance(&w->rng, 10);

    for (size_t k = 1; k < n_steps(w); k++) {
        struct sim_around *a = &w->hosts[action->host].around[k];
        if (!is_drain(w, k))
            continue;
        if (forgets && (a->force == OURS || a->force == THEIRS))
            a->force = FREE;
        if (a->force != FREE)
            continue;
        *answer = (struct tg_run_event) {.kind = TG_EV_FOUND, .host = action->host, .stage = TG_RUN_NONE, .step = (int) k, .changed = -1, .record = record};
        return true;
    }
    return false;
}

/* ---- what must hold ---- */

void world_around_line(struct world *w, const json_t *line, size_t host)
{
    const char *ev = json_string_value(json_object_get(line, "ev")), *act = json_string_value(json_object_get(line, "do"));
    json_int_t step = json_integer_value(json_object_get(line, "step"));

    if (step < 1 || step >= STEPS_AROUND_MAX)
        return;
    if (ev && strcmp(ev, "left") == 0)
        w->hosts[host].around[step].left = true;
    if (act && strcmp(act, "around") == 0)
        w->hosts[host].around[step].left = false;
}

void world_around_begins(struct world *w, const struct tg_run_action *a)
{
    if (a->kind == TG_DO_UNDO && w->hosts[a->host].around[a->step].left)
        world_violation(w, "P8: step %d of %s is undone, and it is not ours", a->step, w->plan->hosts[a->host].name);
    if (a->kind == TG_DO_AROUND && !w->hosts[a->host].locked)
        world_violation(w, "P5: step %d of around of %s without its lock", a->step, w->plan->hosts[a->host].name);
}

void world_judge_change(struct world *w, size_t host)
{
    for (size_t k = 1; k < n_steps(w); k++)
        if (w->hosts[host].around[k].force == FREE)
            world_violation(w, "P8: %s was changed without step %zu of around", w->plan->hosts[host].name, k);
}

void world_judge_unlock(struct world *w, size_t host)
{
    for (size_t k = 1; k < n_steps(w); k++)
        if (w->hosts[host].around[k].force == OURS && !w->hosts[host].around[k].tried)
            world_violation(w, "P8: %s was unlocked before step %zu of around was undone", w->plan->hosts[host].name, k);
}

void world_judge_around(struct world *w, const struct tg_run *run)
{
    for (size_t i = 0; i < w->plan->n_hosts; i++)
        for (size_t k = 1; k < n_steps(w); k++) {
            const struct sim_around *a = &w->hosts[i].around[k];
            bool listed = tg_run_in_force(&run->hosts[i]) >> k & 1U;
            const char *name = w->plan->hosts[i].name, *says = tg_host_state_name(run->hosts[i].state);
            if (a->force == OURS && run->hosts[i].state != TG_HOST_WITHDRAWN)
                world_violation(w, "P8: step %zu of around of %s is left in force, and it is %s", k, name, says);
            if (a->force == KEPT && !listed)
                world_violation(w, "P8: step %zu of around of %s is kept, and nobody says so", k, name);
        }
}

void world_judge_dead(struct world *w, const struct tg_run *run)
{
    size_t held = 0, most = (w->looks + 1) * (TG_RUN_AROUND_ROW + (size_t) w->plan->running);

    for (size_t i = 0; i < w->plan->n_hosts; i++) {
        const struct host_script *script = &w->hosts[i].script;
        held += run->hosts[i].state == TG_HOST_HELD && !w->hosts[i].refused && script->lock == TG_EV_LOCKED && script->guard == TG_EV_GO && script->end != TG_EV_HELD;
    }
    if (w->dead && !w->mended && !w->healed && !w->plan->undoes && held > most)
        world_violation(w, "P5: what is dead has kept out %zu hosts, and nobody was asked (%u looks)", held, w->looks);
}
