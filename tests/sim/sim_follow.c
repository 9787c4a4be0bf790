/* What follows from a run's end: its rollback, and what takes its hosts out of service. See sim.h. */
#include "engine/plan_internal.h"
#include "engine/rollback.h"
#include "engine/withdraw.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* ---- a run in the store ---- */

void load(struct sim *s, const char *id, struct sim_loaded *out)
{
    struct tg_error e = TG_ERROR_INIT;

    must(s, tg_journal_load(s->admin, id, WAIT_MS, &out->j, &out->plan, &out->run, &e), &e, id);
}

void unload(struct sim_loaded *l)
{
    tg_run_free(l->run);
    tg_plan_free(l->plan);
    tg_journal_free(l->j);
}

/* Made again by each driver that finds none: the second time it is there. */
void begin_next(struct sim *s, const struct tg_plan *next, const char *id, const struct sim_tokens *of)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run_tokens tokens = {.own = ""};

    snprintf(tokens.own, sizeof tokens.own, "%s", of->own);
    snprintf(tokens.all, sizeof tokens.all, "%s", of->all);
    must(s, tg_journal_create_as(s->admin, next, id, "alice@ops1", &tokens, tg_wall_ms(tg_loop_clock(s->loop)), WAIT_MS, &e), &e, "make the run that follows");
    if (tg_journal_create_as(s->admin, next, id, "bob@ops2", &tokens, tg_wall_ms(tg_loop_clock(s->loop)), WAIT_MS, NULL) != TG_E_EXISTS)
        world_violation(s->world, "P6: two runs of one name");
}

void resume_all(struct sim *s)
{
    if (s->run_paused || s->fleet_paused)
        resume_it(s, 0);
    if (s->fleet_paused)
        resume_it(s, 0);
}

void open_world(struct sim *s, struct tg_plan *next)
{
    const struct world *before = s->world;

    s->world = calloc(1, sizeof *s->world);
    if (!s->world || world_init(s->world, s->seed + 1000003, s->loop, next))
        exit(2);
    s->world->verbose = before->verbose;
    s->plan = next;
    s->rounds = s->commits = 0;
    s->calm = false;
    s->abort_at = rng_chance(&s->rng, 30) ? 1 + (unsigned) rng_below(&s->rng, 30) : 0;
}

/* ---- what goes over a run's hosts ---- */

static bool is_dry(const struct tg_plan *plan, size_t host)
{
    size_t i = 0;

    while (host >= plan->stages[i].first + plan->stages[i].count)
        i++;
    return plan->stages[i].dry_run;
}

/* The host of the simulation's plan that the k-th of the next one is. */
static size_t host_of(const struct sim *s, const struct tg_plan *next, size_t k)
{
    size_t i = 0;

    while (i < s->plan->n_hosts && (is_dry(s->plan, i) || strcmp(s->plan->hosts[i].name, next->hosts[k].name) != 0))
        i++;
    return i;
}

/* What makes the run that follows of one, and who of it must be met (in truth), and who must not. */
struct follow {
    const char *word;
    struct sim_tokens tokens;    /* "": its locks are what the scripts say */
    int (*plan)(const struct tg_plan *plan, const struct tg_run *run, const char *id, const bool *left_out, struct tg_plan **out, struct tg_error *e);
    bool (*is_out)(const struct tg_run *run, size_t host); /* that one keeps it to itself */
    bool last_first;             /* in the reverse order of their starts */
};

/* It goes over all hosts that were changed, in truth, and over none that was never begun. P8, P12 */
static void judge_choice(struct sim *s, const struct follow *f, const struct tg_plan *next, const struct tg_run *run)
{
    struct world *w = s->world;
    bool met[HOSTS_MAX] = {false};
    int64_t before = INT64_MAX;

    for (size_t k = 0; next && k < next->n_hosts; k++) {
        size_t i = host_of(s, next, k);
        met[i] = true;
        if (i == s->plan->n_hosts || !w->hosts[i].first_ms)
            world_violation(w, "P12: the %s goes over %s, which was never begun", f->word, next->hosts[k].name);
        if (f->last_first && w->hosts[i].last_ms > before)
            world_violation(w, "the %s takes %s too late", f->word, next->hosts[k].name);
        before = w->hosts[i].last_ms;
    }
    for (size_t i = 0; i < s->plan->n_hosts; i++)
        if (w->hosts[i].changed && !is_dry(s->plan, i) && !met[i] && !(f->is_out && f->is_out(run, i)))
            world_violation(w, "P12: %s was changed, and the %s leaves it out", s->plan->hosts[i].name, f->word);
}

/* The same fleet's driver, another run, to its end: the simulation's from then on. False: there is nothing to go over. */
static bool follow(struct sim *s, const struct follow *f, char first_id[TG_RUN_ID_SIZE])
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_plan *next = NULL, *old_plan = s->plan;
    struct world *old_world = s->world;
    struct sim_loaded l;

    load(s, s->id, &l);
    int rc = f->plan(l.plan, l.run, s->id, NULL, &next, &e);
    if (rc && rc != TG_E_NOENT)
        must(s, rc, &e, f->word);
    judge_choice(s, f, next, l.run);
    unload(&l);
    if (rc)
        return false;
    resume_all(s);
    snprintf(first_id, TG_RUN_ID_SIZE, "%s", s->id);
    snprintf(s->id, sizeof s->id, "%.60s-%s", first_id, f->word);
    begin_next(s, next, s->id, f->tokens.own[0] ? &f->tokens : &(struct sim_tokens) {"B", "B,A"});
    open_world(s, next);
    s->tokens = f->tokens;
    s->world->violations = old_world->violations;
    world_release(old_world);
    free(old_world);
    tg_plan_free(old_plan);
    if (s->tokens.own[0])
        must(s, world_bob_open(s->world, s->admin, &e), &e, "somebody else's locks");
    drive_to_the_end(s);
    world_settle(s->world);
    return true;
}

/* ---- the way back ---- */

/* What became of it, seen from the first run. */
static void judge_looked(struct sim *s, const char *first_id)
{
    struct tg_error e = TG_ERROR_INIT;
    struct sim_loaded l;
    struct tg_rollback r;
    size_t done = 0;

    load(s, first_id, &l);
    must(s, tg_rollback_look(s->admin, first_id, l.run, WAIT_MS, &r, &e), &e, "look at the rollback");
    for (size_t i = 0; i < s->plan->n_hosts; i++)
        done += s->world->hosts[i].changed == 1 && s->world->hosts[i].verified;
    if (r.open || r.n != 1 || r.done > done || r.hosts < s->plan->n_hosts)
        world_violation(s->world, "P12: %zu of %zu are said to be back, %zu are", r.done, r.hosts, done);
    tg_rollback_release(&r);
    unload(&l);
}

void roll_back(struct sim *s)
{
    static const struct follow rollback = {.word = "rollback", .plan = tg_rollback_plan, .last_first = true};
    char first_id[TG_RUN_ID_SIZE];

    if (!follow(s, &rollback, first_id))
        return;
    judge(s);
    judge_looked(s, first_id);
}

/* ---- out of service, and back ---- */

static void judge_withdrawn_host(struct sim *s, const struct tg_run *run, size_t i)
{
    struct world *w = s->world;
    const struct sim_host *h = &w->hosts[i];
    const struct tg_run_host *r = &run->hosts[i];
    const char *name = s->plan->hosts[i].name, *says = tg_host_state_name(r->state);
    bool out = r->state == TG_HOST_WITHDRAWN;

    if (h->changed)
        world_violation(w, "P12: %s was changed when it was to leave service", name);
    if (out != h->locked)
        world_violation(w, "P8: %s is %s, and %slocked", name, says, h->locked ? "" : "not ");
    for (size_t k = 1; k < s->plan->n_around; k++)
        if (out ? h->around[k].force == FREE : h->around[k].force == OURS)
            world_violation(w, "P8: %s is %s, and its drain is %sin force", name, says, out ? "not " : "");
    if (!tg_host_state_is_end(r->state) && !(r->state == TG_HOST_WAITING && (run->aborted || h->strayed))) /* strayed: its lock would not go in time */
        world_violation(w, "P12: %s is %s in the end", name, says);
    if ((r->state == TG_HOST_SKIPPED || r->state == TG_HOST_HELD) && !r->text)
        world_violation(w, "P12: %s stays in service, and nobody says why", name);
    if (r->state == TG_HOST_RETURNED && !h->verified && !h->vouched)
        world_violation(w, "P2: %s is back, and was not verified", name);
}

/* No lock is in the store but of those that are out. P8 */
static void judge_locks(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    struct world looking = {.plan = s->plan};

    must(s, world_locks_open(&looking, s->admin, "looks", &(struct sim_tokens) {"looks", "B,C,D"}, &e), &e, "look at the locks");
    for (size_t i = 0; i < s->plan->n_hosts; i++) {
        int is = tg_hold_passes(looking.holds, s->plan->hosts[i].name, &e);
        must(s, is < 0 ? is : 0, &e, "look for a lock");
        if ((is > 0) != s->world->hosts[i].locked)
            world_violation(s->world, "P8: the store has %s lock of %s in the end", is ? "a" : "no", s->plan->hosts[i].name);
    }
    world_locks_close(&looking);
}

void judge_withdrawn(struct sim *s)
{
    struct sim_loaded l;

    load(s, s->id, &l);
    for (size_t i = 0; i < s->plan->n_hosts; i++)
        judge_withdrawn_host(s, l.run, i);
    unload(&l);
    judge_locks(s);
}

/* What became of it, seen from the first run. P12 */
static void judge_seen(struct sim *s, const char *first_id)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_withdrawn seen;
    struct sim_loaded l;
    size_t out = 0;

    load(s, first_id, &l);
    must(s, tg_withdrawn_look(s->admin, first_id, l.run, WAIT_MS, &seen, &e), &e, "look who is out");
    for (size_t i = 0; i < s->plan->n_hosts; i++)
        out += s->world->hosts[i].locked;
    if (seen.open || seen.n != 1 || seen.is != out || seen.holds[1] != (out > 0))
        world_violation(s->world, "P12: %zu are said to be out of service, %zu are", seen.is, out);
    tg_withdrawn_release(&seen);
    unload(&l);
}

static void bring_back(struct sim *s)
{
    s->wish = (struct sim_wish) {.wanted = true, .vouched = rng_chance(&s->rng, 30)};
    for (size_t i = 0; i < s->plan->n_hosts; i++)
        s->wish.who[i] = true;
    s->rounds = s->commits = 0;
    s->calm = false;
    s->world->healed = false;
    drive_to_the_end(s);
    world_settle(s->world);
    judge_withdrawn(s);
}

void withdraw(struct sim *s)
{
    static const struct follow out = {.word = TG_WITHDRAW_WORD, .tokens = {"B", "B,A"}, .plan = tg_withdraw_plan, .is_out = tg_withdraw_is_out};
    char first_id[TG_RUN_ID_SIZE];

    if (!follow(s, &out, first_id))
        return;
    judge_withdrawn(s);
    judge_seen(s, first_id);
    for (int i = 0; i < 2 && rng_chance(&s->rng, 85); i++) {
        mend(s, first_id);
        judge_seen(s, first_id);
    }
    bring_back(s);
    judge_seen(s, first_id);
}
