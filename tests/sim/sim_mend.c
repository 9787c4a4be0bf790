/* Something better for hosts that are out of service, under the same troubles, while somebody brings some of them back; and the way back of those that are well. See sim.h. */
#include "engine/mend.h"
#include "engine/plan_internal.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* What belongs to one of two runs: the other's is in struct sim. */
struct sim_side {
    struct tg_plan *plan;
    struct world *world;
    struct sim_tokens tokens;
    char id[TG_RUN_ID_SIZE];
    unsigned abort_at, pause_percent;
    bool run_paused, fleet_paused;
    struct sim_wish wish;
    const char *mends;
    bool open;                   /* not over: whoever brought hosts back has died, or left */
};

static void change_sides(struct sim *s, struct sim_side *side)
{
    struct sim_side was = {.plan = s->plan, .world = s->world, .tokens = s->tokens, .abort_at = s->abort_at, .pause_percent = s->pause_percent, .run_paused = s->run_paused,
                           .fleet_paused = s->fleet_paused, .wish = s->wish, .mends = s->mends, .open = side->open};

    memcpy(was.id, s->id, sizeof was.id);
    s->plan = side->plan;
    s->world = side->world;
    s->tokens = side->tokens;
    memcpy(s->id, side->id, sizeof s->id);
    s->abort_at = side->abort_at;
    s->pause_percent = side->pause_percent;
    s->run_paused = side->run_paused;
    s->fleet_paused = side->fleet_paused;
    s->wish = side->wish;
    s->mends = side->mends;
    *side = was;
}

void return_some(struct sim *s)
{
    struct sim_side *side = s->below;
    bool calm = s->world->healed, begins = !side->open && !calm && !s->world->paused && rng_chance(&s->rng, 25);

    if (!side->open && !begins)
        return;
    change_sides(s, side);
    if (begins) {
        s->wish = (struct sim_wish) {.wanted = true, .vouched = rng_chance(&s->rng, 30)};
        for (size_t i = 0; i < s->plan->n_hosts; i++)
            s->wish.who[i] = rng_chance(&s->rng, 40);
    }
    s->world->healed = calm;
    bool over = drive_once(s);
    change_sides(s, side);
    side->open = !over;
}

/* Exactly those of its hosts that are out of service. P5, P12 */
static void judge_mend_plan(struct sim *s, const struct tg_plan *better, const struct tg_plan *next)
{
    for (size_t i = 0; i < s->plan->n_hosts; i++) {
        const char *name = s->plan->hosts[i].name;
        bool known = false, met = false;
        for (size_t st = 0; st < better->n_stages; st++)
            for (size_t k = better->stages[st].first; !better->stages[st].dry_run && k < better->stages[st].first + better->stages[st].count; k++)
                known |= strcmp(better->hosts[k].name, name) == 0;
        for (size_t k = 0; next && k < next->n_hosts; k++)
            met |= strcmp(next->hosts[k].name, name) == 0;
        if (met != (known && s->world->hosts[i].locked))
            world_violation(s->world, "P5: %s is %s service, and the run that mends goes %sover it", name, s->world->hosts[i].locked ? "out of" : "in", met ? "" : "not ");
    }
    if (next && next->n_hosts > s->plan->n_hosts)
        world_violation(s->world, "P5: a run that mends goes over hosts that nobody has withdrawn");
}

/* NULL: nobody is out of service that it could go over. */
static struct tg_plan *plan_of(struct sim *s, const char *first_id)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_plan *other = rng_chance(&s->rng, 40) ? random_plan(s) : NULL, *next = NULL;
    struct tg_withdrawn w;
    struct sim_loaded first;

    if (other)
        must(s, tg_plan_seal(other, &e), &e, "seal what mends");
    load(s, first_id, &first);
    must(s, tg_withdrawn_look(s->admin, first_id, first.run, WAIT_MS, &w, &e), &e, "look who is to be mended");
    int rc = tg_mend_plan(other ? other : first.plan, first.run, &w, first_id, &next, &e);
    if (rc != TG_E_NOENT)
        must(s, rc, &e, "plan what mends");
    judge_mend_plan(s, other ? other : first.plan, next);
    tg_withdrawn_release(&w);
    unload(&first);
    tg_plan_free(other);
    return next;
}

/* Nobody is kept out by a full domain: they are down as it is. Who of them is well; whether these come back. P5, P10 */
static bool judge_mended(struct sim *s, struct sim_wish *out_well)
{
    struct sim_loaded l;
    const struct world *below = s->world->under;

    load(s, s->id, &l);
    bool returns = tg_mend_returns(l.run);
    if (returns && (l.run->aborted || l.run->halted || s->world->aborted))
        returns = s->world->aborted && !l.run->aborted ? false : (world_violation(s->world, "P10: a run that was stopped would bring hosts back"), false);
    for (size_t i = 0; i < s->plan->n_hosts; i++) {
        if (l.run->hosts[i].state == TG_HOST_SKIPPED)
            world_violation(s->world, "P5: %s is out of service, and is skipped for want of room", s->plan->hosts[i].name);
        for (size_t k = 0; k < below->plan->n_hosts; k++)
            if (l.run->hosts[i].state == TG_HOST_DONE && strcmp(below->plan->hosts[k].name, s->plan->hosts[i].name) == 0)
                out_well->who[k] = true;
    }
    unload(&l);
    return returns;
}

/* Whom it has verified, or the withdrawal's own checks do: P2. The others stay where they are. */
static void bring_back_mended(struct sim *s, const struct sim_wish *well)
{
    bool back[HOSTS_MAX];

    for (size_t i = 0; i < s->plan->n_hosts; i++)
        back[i] = !s->world->hosts[i].locked;
    s->wish = *well;
    s->rounds = s->commits = 0;
    s->calm = false;
    s->world->healed = false;
    drive_to_the_end(s);
    world_settle(s->world);
    judge_withdrawn(s);
    for (size_t i = 0; i < s->plan->n_hosts; i++) {
        const struct sim_host *mended = world_host_of(s->world->over, s->world, i);
        if (!back[i] && !s->world->hosts[i].locked && !(well->who[i] && mended && mended->changed == 1 && mended->verified))
            world_violation(s->world, "P2: %s is back, and nothing has mended it", s->plan->hosts[i].name);
    }
    s->wish = (struct sim_wish) {.wanted = false};
}

/* The run that mends, with the withdrawal below it. */
static void begin(struct sim *s, struct tg_plan *next, const char *first_id, struct sim_side *below)
{
    struct tg_error e = TG_ERROR_INIT;
    struct sim_tokens tokens = {"C", "C,B,A"};
    char id[TG_RUN_ID_SIZE];
    struct world *under = s->world;

    resume_all(s);
    snprintf(id, sizeof id, "%.60s-mend", first_id);
    if (s->mended++) {
        tokens = (struct sim_tokens) {"D", "D,B,A"};
        snprintf(id, sizeof id, "%.60s-mend-2", first_id);
    }
    begin_next(s, next, id, &tokens);
    *below = (struct sim_side) {.plan = s->plan, .world = s->world, .tokens = s->tokens};
    memcpy(below->id, s->id, sizeof below->id);
    memcpy(s->id, id, sizeof s->id);
    open_world(s, next);
    s->world->under = under;
    under->over = s->world;
    s->tokens = tokens;
    s->mends = below->id;
    s->below = below;
    must(s, world_bob_open(s->world, s->admin, &e), &e, "somebody else's locks");
}

void mend(struct sim *s, const char *first_id)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_plan *next = plan_of(s, first_id);
    struct sim_wish well = {.wanted = true, .vouched = rng_chance(&s->rng, 50)};
    struct sim_side side;

    if (!next)
        return;
    begin(s, next, first_id, &side);
    drive_to_the_end(s);
    while (side.open && s->rounds++ < ROUNDS_MAX)
        return_some(s);
    world_settle(s->world);
    judge(s);
    bool returns = judge_mended(s, &well);
    resume_all(s);
    must(s, world_bob_leaves(s->world, &e), &e, "somebody else's locks go");
    s->mends = NULL;
    change_sides(s, &side);
    world_settle(s->world);
    judge_withdrawn(s);
    if (returns)
        bring_back_mended(s, &well);
    s->world->over = NULL;
    s->world->violations += side.world->violations;
    world_release(side.world);
    free(side.world);
    tg_plan_free(side.plan);
}
