/* What follows from a run's end: its rollback, and what takes its hosts out of service. See sim.h. */
#include "engine/plan_internal.h"
#include "engine/rollback.h"
#include "engine/withdraw.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static size_t stage_of(const struct tg_plan *plan, size_t host)
{
    size_t i = 0;

    while (host >= plan->stages[i].first + plan->stages[i].count)
        i++;
    return i;
}

/* The rollback goes over exactly the hosts that were changed, in truth, the last one first. P8, P12 */
static void judge_way_back(struct sim *s, const struct tg_plan *way_back)
{
    struct world *w = &s->world;
    int64_t before = INT64_MAX;
    size_t changed = 0;

    for (size_t i = 0; i < s->plan->n_hosts; i++)
        changed += w->hosts[i].changed > 0;
    if (way_back->n_hosts < changed)
        world_violation(w, "P12: %zu hosts were changed, the rollback goes over %zu", changed, way_back->n_hosts);
    for (size_t k = 0; k < way_back->n_hosts; k++)
        for (size_t i = 0; i < s->plan->n_hosts; i++) {
            if (s->plan->stages[stage_of(s->plan, i)].dry_run || strcmp(s->plan->hosts[i].name, way_back->hosts[k].name) != 0)
                continue;
            if (!w->hosts[i].first_ms)
                world_violation(w, "P12: the rollback goes over %s, which was never begun", way_back->hosts[k].name);
            if (w->hosts[i].last_ms > before)
                world_violation(w, "the rollback takes %s too late", way_back->hosts[k].name);
            before = w->hosts[i].last_ms;
            changed -= w->hosts[i].changed > 0;
        }
    if (changed)
        world_violation(w, "P12: %zu hosts were changed, and the rollback leaves them out", changed);
}

/* Made again by each driver that finds none: the second time it is there. */
static void begin(struct sim *s, const struct tg_plan *next, const char *word)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_run_tokens tokens = {.own = "B", .all = "B,A"};
    char id[TG_RUN_ID_SIZE];

    snprintf(id, sizeof id, "%.60s-%s", s->id, word);
    must(s, tg_journal_create_as(s->admin, next, id, "alice@ops1", &tokens, tg_wall_ms(tg_loop_clock(s->loop)), WAIT_MS, &e), &e, "make the run that follows");
    if (tg_journal_create_as(s->admin, next, id, "bob@ops2", &tokens, tg_wall_ms(tg_loop_clock(s->loop)), WAIT_MS, NULL) != TG_E_EXISTS)
        world_violation(&s->world, "P6: two runs of one name");
    snprintf(s->id, sizeof s->id, "%s", id);
}

/* What became of it, seen from the first run. */
static void judge_looked(struct sim *s, const char *first_id)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_rollback r;
    size_t done = 0;

    must(s, tg_journal_load(s->admin, first_id, WAIT_MS, &j, &plan, &run, &e), &e, "load the first run");
    must(s, tg_rollback_look(s->admin, first_id, run, WAIT_MS, &r, &e), &e, "look at the rollback");
    for (size_t i = 0; i < s->plan->n_hosts; i++)
        done += s->world.hosts[i].changed == 1 && s->world.hosts[i].verified;
    if (r.open || r.n != 1 || r.done > done || r.hosts < s->plan->n_hosts)
        world_violation(&s->world, "P12: %zu of %zu are said to be back, %zu are", r.done, r.hosts, done);
    tg_rollback_release(&r);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
}

/* The same fleet's driver, another run: of that plan, which becomes the simulation's. */
static void go_over(struct sim *s, struct tg_plan *next)
{
    unsigned violations = s->world.violations;
    bool verbose = s->world.verbose;
    if (s->run_paused || s->fleet_paused)
        resume_it(s, 0);
    if (s->fleet_paused)
        resume_it(s, 0);
    world_release(&s->world);
    tg_plan_free(s->plan);
    s->plan = next;
    if (world_init(&s->world, s->seed + 1000003, s->loop, s->plan))
        exit(2);
    s->world.verbose = verbose;
    s->world.violations = violations;
    s->rounds = s->commits = 0;
    s->calm = false;
    s->abort_at = rng_chance(&s->rng, 30) ? 1 + (unsigned) rng_below(&s->rng, 30) : 0;
}

void roll_back(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j;
    struct tg_plan *plan, *way_back = NULL;
    struct tg_run *run;
    char first_id[TG_RUN_ID_SIZE];

    must(s, tg_journal_load(s->admin, s->id, WAIT_MS, &j, &plan, &run, &e), &e, "load for the rollback");
    int rc = tg_rollback_plan(plan, run, s->id, NULL, &way_back, &e);
    if (rc && rc != TG_E_NOENT)
        must(s, rc, &e, "plan the rollback");
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    for (size_t i = 0; rc && i < s->plan->n_hosts; i++)
        if (s->world.hosts[i].changed)
            world_violation(&s->world, "P12: %s was changed, and there is nothing to roll back", s->plan->hosts[i].name);
    if (rc)
        return;
    judge_way_back(s, way_back);
    snprintf(first_id, sizeof first_id, "%s", s->id);
    begin(s, way_back, "rollback");
    go_over(s, way_back);
    drive_to_the_end(s);
    world_settle(&s->world);
    judge(s);
    judge_looked(s, first_id);
}

/* ---- out of service, and back ---- */

/* It goes over exactly those that were changed, in truth, and are not out of service as it is. P12 */
static void judge_out(struct sim *s, const struct tg_plan *out, const struct tg_run *run)
{
    struct world *w = &s->world;

    for (size_t i = 0; i < s->plan->n_hosts; i++) {
        bool met = false, dry = s->plan->stages[stage_of(s->plan, i)].dry_run;
        for (size_t k = 0; out && k < out->n_hosts; k++)
            met |= strcmp(s->plan->hosts[i].name, out->hosts[k].name) == 0;
        if (w->hosts[i].changed && !dry && !met && !tg_withdraw_is_out(run, i))
            world_violation(w, "P12: %s was changed, and is not to leave service", s->plan->hosts[i].name);
        if (met && !dry && !w->hosts[i].first_ms)
            world_violation(w, "P12: %s is to leave service, and was never begun", s->plan->hosts[i].name);
    }
}

/* Who is said to be out is; who is not said to be is not; and who stays is told why. P8, P12 */
static void judge_withdrawn(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
    struct world *w = &s->world;

    must(s, tg_journal_load(s->admin, s->id, WAIT_MS, &j, &plan, &run, &e), &e, "load what was withdrawn");
    for (size_t i = 0; i < plan->n_hosts; i++) {
        const struct sim_host *h = &w->hosts[i];
        const struct tg_run_host *r = &run->hosts[i];
        const char *name = plan->hosts[i].name, *says = tg_host_state_name(r->state);
        bool out = r->state == TG_HOST_WITHDRAWN;
        if (h->changed)
            world_violation(w, "P12: %s was changed when it was to leave service", name);
        if (out != h->locked)
            world_violation(w, "P8: %s is %s, and %slocked", name, says, h->locked ? "" : "not ");
        for (size_t k = 1; k < plan->n_around; k++)
            if (out ? h->around[k].force == FREE : h->around[k].force == OURS)
                world_violation(w, "P8: %s is %s, and its drain is %sin force", name, says, out ? "not " : "");
        if (!tg_host_state_is_end(r->state) && !(r->state == TG_HOST_WAITING && (run->aborted || h->strayed))) /* strayed: its lock would not go in time */
            world_violation(w, "P12: %s is %s in the end", name, says);
        if ((r->state == TG_HOST_SKIPPED || r->state == TG_HOST_HELD) && !r->text)
            world_violation(w, "P12: %s stays in service, and nobody says why", name);
        if (r->state == TG_HOST_RETURNED && !h->verified && !s->vouched)
            world_violation(w, "P2: %s is back, and was not verified", name);
    }
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
}

/* What became of it, seen from the first run. P12 */
static void judge_seen(struct sim *s, const char *first_id)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_withdrawn seen;
    size_t out = 0;

    must(s, tg_journal_load(s->admin, first_id, WAIT_MS, &j, &plan, &run, &e), &e, "load the first run");
    must(s, tg_withdrawn_look(s->admin, first_id, run, WAIT_MS, &seen, &e), &e, "look who is out");
    for (size_t i = 0; i < s->plan->n_hosts; i++)
        out += s->world.hosts[i].locked;
    if (seen.open || seen.n != 1 || seen.is != out || seen.holds[1] != (out > 0))
        world_violation(&s->world, "P12: %zu are said to be out of service, %zu are", seen.is, out);
    tg_withdrawn_release(&seen);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
}

static void bring_back(struct sim *s)
{
    s->returning = true;
    s->vouched = rng_chance(&s->rng, 30);
    s->rounds = s->commits = 0;
    s->calm = false;
    s->world.healed = false;
    drive_to_the_end(s);
    world_settle(&s->world);
    judge_withdrawn(s);
}

void withdraw(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j;
    struct tg_plan *plan, *out = NULL;
    struct tg_run *run;
    char first_id[TG_RUN_ID_SIZE];

    must(s, tg_journal_load(s->admin, s->id, WAIT_MS, &j, &plan, &run, &e), &e, "load for the withdrawal");
    int rc = tg_withdraw_plan(plan, run, s->id, NULL, &out, &e);
    if (rc && rc != TG_E_NOENT)
        must(s, rc, &e, "plan the withdrawal");
    judge_out(s, out, run);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    if (rc)
        return;
    snprintf(first_id, sizeof first_id, "%s", s->id);
    begin(s, out, TG_WITHDRAW_WORD);
    go_over(s, out);
    drive_to_the_end(s);
    world_settle(&s->world);
    judge_withdrawn(s);
    judge_seen(s, first_id);
    bring_back(s);
    judge_seen(s, first_id);
}
