/* A run on a virtual clock: see simulate.h. What the hosts do is in simulate_hosts.c. */
#include "engine/run_internal.h"
#include "engine/simulate_internal.h"
#include "engine/windows.h"

#include <stdlib.h>
#include <string.h>

#define FOREVER_MS (INT64_C(10) * 366 * 86400000)
#define CRASHES_MAX 100000   /* a resume asks after each host: more are no simulation but a wait */
#define WAITS_MS (INT64_C(86400) * 1000) /* for room: and twice as long as others' locks come and go */
#define WAITS_MAX_MS (30 * WAITS_MS)
#define IN_VAIN_MAX 100      /* crashes in the middle of a look, with nothing that came of any of them */

/* ---- keeping account ---- */

static void merge_samples(struct tg_sim *sim)
{
    for (size_t i = 0; i < TG_SIM_SAMPLES / 2; i++) {
        sim->samples[i] = sim->samples[2 * i + 1];
        sim->samples[i].away |= sim->samples[2 * i].away;
        sim->samples[i].asks |= sim->samples[2 * i].asks;
    }
    sim->n_samples = TG_SIM_SAMPLES / 2;
    sim->sample_ms *= 2;
}

void tg_sim_add_sample(struct tg_sim *sim, const struct tg_sim_sample *sample)
{
    if (sim->n_samples == TG_SIM_SAMPLES)
        merge_samples(sim);
    sim->samples[sim->n_samples++] = *sample;
}

static void add_sample(struct tg_simulation *s)
{
    struct tg_sim *sim = s->sim;
    const struct tg_run *run = sim->run;

    tg_sim_add_sample(sim, &(struct tg_sim_sample) {.gone = s->gone,
                                                            .held = s->held,
                                                            .out = run->totals[TG_HOST_WITHDRAWN],
                                                            .asks = s->asks,
                                                            .changed = sim->all.changed,
                                                            .hurt = sim->all.hurt,
                                                            .done = tg_run_done(run),
                                                            .failed = tg_run_failures(run),
                                                            .at_work = run->in_flight,
                                                            .stage = (uint32_t) run->stage,
                                                            .away = s->away || s->was_away});
    s->was_away = s->away;
    s->asks = false;
}

static bool is_held(const struct tg_run *run)
{
    return run->state == TG_RUN_HOLDING || run->state == TG_RUN_HELD;
}

static void charge(struct tg_sim *sim, int64_t from_ms, int64_t ms, bool away)
{
    const struct tg_run *run = sim->run;
    const struct tg_run_stage *stage = run->stage < sim->plan->n_stages ? &run->stages[run->stage] : NULL;
    unsigned brakes = tg_run_brakes(run, from_ms);

    if (away)
        sim->held_ms[TG_SIM_AWAY] += ms;
    else if (is_held(run))
        sim->held_ms[TG_SIM_ASKS] += ms;
    else if (run->state != TG_RUN_ACTIVE || !stage)
        sim->held_ms[TG_SIM_STOPPING] += ms;
    else if (stage->state == TG_STAGE_BAKING || stage->state == TG_STAGE_PROVING)
        sim->held_ms[TG_SIM_BAKE] += ms;
    else if (!brakes)
        sim->held_ms[TG_SIM_LAST] += ms;
    for (size_t bit = 0; !away && brakes && bit < TG_SIM_BRAKES; bit++)
        sim->held_ms[bit] += brakes >> bit & 1 ? ms : 0;
}

/* The clock goes on; what has been until now is put down. */
static void move_clock(struct tg_simulation *s, int64_t to_ms)
{
    struct tg_sim *sim = s->sim;

    if (to_ms > s->now_ms)
        charge(sim, s->now_ms, to_ms - s->now_ms, s->away);
    s->asks |= is_held(sim->run);
    while (sim->started_ms + (int64_t) (sim->n_samples + 1) * sim->sample_ms <= to_ms)
        add_sample(s);
    s->now_ms = to_ms > s->now_ms ? to_ms : s->now_ms;
}

/* ---- the controller ---- */

static int feed(struct tg_simulation *s, struct tg_run_event event, struct tg_error *e)
{
    struct tg_run *run = s->sim->run;
    bool halted = run->halted;
    size_t stage = run->stage < run->plan->n_stages ? run->stage : run->plan->n_stages - 1;

    event.at_ms = s->now_ms;
    s->actions.n = 0;
    int rc = tg_run_step(run, &event, &s->actions, e);
    s->sim->events++;
    if (run->halted && !halted) {
        s->sim->halted_ms = s->now_ms;
        s->sim->halted_stage = stage;
    }
    return rc;
}

static int feed_run(struct tg_simulation *s, enum tg_run_event_kind kind, struct tg_error *e)
{
    return feed(
        s,
        (struct tg_run_event){
            .kind = kind, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .by = "simulate", .epoch = (int64_t) s->life + 1},
        e);
}

/* Journalled is all of it; now it is begun. */
static int act(struct tg_simulation *s, struct tg_error *e)
{
    for (size_t i = 0; i < s->actions.n; i++) {
        const struct tg_run_action *a = &s->actions.items[i];
        if (a->kind == TG_DO_REST)
            tg_sim_push(s, (struct tg_sim_item){.at_ms = s->now_ms + s->sim->model->looks_after_ms, .what = TG_SIM_RETURNS});
        else if (a->kind != TG_DO_END && !tg_sim_begin(s, a))
            return tg_fail(e, TG_E_BUG, "a simulated host has no model of \"%s\"", tg_run_action_name(a->kind));
    }
    return s->out_of_memory ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

int tg_sim_feed(struct tg_simulation *s, struct tg_run_event event, struct tg_error *e)
{
    int rc = feed(s, event, e);

    return rc ? rc : act(s, e);
}

/* Half of all crashes come between the journal's write and the acts that it announces. */
static void crash(struct tg_simulation *s)
{
    const struct tg_sim_model *m = s->sim->model;

    size_t progress = s->sim->all.changed + tg_run_done(s->sim->run);

    s->in_vain = progress == s->progress && s->sim->run->totals[TG_HOST_LOOKING] ? s->in_vain + 1 : 0;
    s->progress = progress;
    s->sim->crashes++;
    s->life++; /* what is on its way to the one that died is lost */
    s->away = s->was_away = true;
    s->dies_ms = 0;
    tg_sim_push(s, (struct tg_sim_item){.at_ms = s->now_ms + m->crash_for_ms, .what = TG_SIM_RETURNS});
}

static bool writes_before_it_dies(const struct tg_simulation *s)
{
    return tg_sim_draw(s->sim->model, "", TG_SIM_CRASH, s->sim->crashes) & 1;
}

static int come_back(struct tg_simulation *s, struct tg_error *e)
{
    const struct tg_sim_model *m = s->sim->model;

    s->away = false;
    s->dies_ms = m->crash_every_ms ? s->now_ms - m->crash_for_ms + m->crash_every_ms : 0;
    int rc = feed_run(s, is_held(s->sim->run) ? TG_EV_SEATED : TG_EV_RESUME, e); /* by the machine itself: nobody else is here */
    if (!rc)
        rc = act(s, e);
    for (size_t i = 0; !rc && s->outside && i < s->sim->plan->n_hosts; i++)
        rc = tg_sim_others_recount(s, i, e);
    return rc;
}

/* Somebody has looked at a run that waits for a person, and lets it go on. */
static int go_on(struct tg_simulation *s, struct tg_error *e)
{
    s->asked = false;
    if (s->away || s->sim->run->state != TG_RUN_HELD)
        return 0;
    int rc = feed_run(s, TG_EV_CONTINUE, e);
    return rc ? rc : act(s, e);
}

/* Nobody has looked for as long as the rollout says. */
static int give_up(struct tg_simulation *s, int64_t at_ms, struct tg_error *e)
{
    if (s->away || s->sim->run->give_up_ms != at_ms || !tg_run_is_to_be_looked_at(s->sim->run))
        return 0;
    int rc = feed_run(s, TG_EV_GAVE_UP, e);
    return rc ? rc : act(s, e);
}

/* ---- windows ---- */

/* One of them, when it is another than was told. */
static int tell_window(struct tg_simulation *s, size_t window, struct tg_error *e)
{
    const struct tg_run_domain *told = tg_run_window(s->sim->run, window);
    struct tg_window_says says;

    tg_windows_ask(s->sim->plan->calendar, window, s->now_ms, &says);
    if (says.until_ms > s->now_ms && says.until_ms < s->window_ms)
        s->window_ms = says.until_ms;
    if (told->until_ms == says.until_ms && told->open == says.open)
        return 0;
    int rc = feed(s, tg_window_event(window, &says, NULL), e);
    return rc ? rc : act(s, e);
}

static int tell_windows(struct tg_simulation *s, struct tg_error *e)
{
    int rc = 0;

    s->window_ms = INT64_MAX;
    s->window_stage = s->sim->run->stage;
    for (size_t i = 0; !rc && i < s->sim->plan->n_windows; i++)
        if (tg_run_wants_window(s->sim->run, i))
            rc = tell_window(s, i, e);
    return rc;
}

/* P5: looked at once more behind the lock, and behind GO. */
static int tell_window_of(struct tg_simulation *s, const struct tg_run_event *event, struct tg_error *e)
{
    bool looks = event->kind == TG_EV_LOCKED || event->kind == TG_EV_GO;
    uint32_t window = looks && s->sim->plan->n_windows ? s->sim->plan->window_of[event->host] : TG_NO_DOMAIN;

    return window == TG_NO_DOMAIN ? 0 : tell_window(s, window, e);
}

static int hear(struct tg_simulation *s, const struct tg_sim_item *item, struct tg_error *e)
{
    struct tg_run_event event = {.kind = (enum tg_run_event_kind) item->kind,
                                 .host = TG_RUN_NONE,
                                 .stage = TG_RUN_NONE,
                                 .outcome = (enum tg_outcome_kind) item->outcome,
                                 .changed = item->kind == TG_EV_APPLIED ? 1 : 0};

    if (item->what == TG_SIM_STAGE)
        event.stage = item->of;
    else
        event.host = item->of;
    if (item->kind == TG_EV_BAKED && s->now_ms < s->sim->run->stages[item->of].bake_until_ms)
        return 0; /* that of a bake before this one */
    if (event.host != TG_RUN_NONE)
        event.step = s->sim->run->hosts[event.host].step;
    int rc = tell_window_of(s, &event, e);
    if (!rc && event.kind == TG_EV_LOCKED)
        rc = tg_sim_others_locked(s, event.host, e);
    if (!rc)
        rc = feed(s, event, e);
    if (rc)
        return rc;
    if (s->dies_ms && s->now_ms >= s->dies_ms) {
        crash(s);
        return 0;
    }
    rc = act(s, e);
    return rc || event.host == TG_RUN_NONE || !s->outside ? rc : tg_sim_others_recount(s, event.host, e);
}

/* The plan's hours open, or close. */
static int tell_hours(struct tg_simulation *s, int64_t due_ms, struct tg_error *e)
{
    struct tg_run_event event;

    move_clock(s, due_ms);
    int rc = tg_run_hours_event(s->sim->run, tg_hours_at, s->now_ms, &event, e);
    if (!rc)
        rc = feed(s, event, e);
    return rc ? rc : act(s, e);
}

static int next(struct tg_simulation *s, struct tg_error *e)
{
    int64_t due_ms = s->away ? INT64_MAX : tg_run_hours_due_ms(s->sim->run);

    if (!s->away && s->sim->plan->n_windows && s->window_stage != s->sim->run->stage)
        return tell_windows(s, e);
    if (!s->away && s->sim->plan->n_windows && s->window_ms < due_ms && s->window_ms <= tg_sim_next_ms(s)) {
        move_clock(s, s->window_ms);
        return tell_windows(s, e);
    }
    if (due_ms < INT64_MAX && due_ms <= tg_sim_next_ms(s))
        return tell_hours(s, due_ms, e);
    if (tg_sim_next_ms(s) == INT64_MAX)
        return tg_fail(e, TG_E_BUG, "the simulated run is %s, and waits for nothing",
                       tg_run_state_name(s->sim->run->state));
    if (s->dies_ms && tg_sim_next_ms(s) >= s->dies_ms && !writes_before_it_dies(s)) {
        move_clock(s, s->dies_ms);
        crash(s);
    }
    struct tg_sim_item item = tg_sim_pop(s);
    move_clock(s, item.at_ms);
    if (item.what == TG_SIM_STEP_ENDS) {
        tg_sim_step_ends(s, item.of);
        return 0;
    }
    if (item.what == TG_SIM_PERSON)
        return go_on(s, e);
    if (item.what == TG_SIM_GIVES_UP)
        return give_up(s, item.at_ms, e);
    if (item.what == TG_SIM_MOVES || item.what == TG_SIM_FLIPS)
        return tg_sim_others_move(s, &item, e);
    if (item.life != s->life)
        return 0;
    return item.what == TG_SIM_RETURNS ? come_back(s, e) : hear(s, &item, e);
}

/* Nobody is at work, and all that wait have no room by others: for as long as nothing else can happen, or for weeks. */
static bool waits_for_room(struct tg_simulation *s)
{
    const struct tg_sim_model *m = s->sim->model;
    const struct tg_run *run = s->sim->run;
    int64_t most_ms = WAITS_MS + (m->held > 0 ? 2 * m->held_for_ms * 100000 / m->held : 0);

    unsigned brakes;

    if (run->in_flight || s->away)
        s->moved_ms = s->now_ms;
    bool long_enough = s->now_ms - s->moved_ms > (most_ms < WAITS_MAX_MS ? most_ms : WAITS_MAX_MS), over = tg_sim_next_ms(s) == INT64_MAX;
    if (s->away || run->state != TG_RUN_ACTIVE || run->in_flight || !(long_enough || over))
        return false;
    brakes = tg_run_brakes(run, s->now_ms);
    return (brakes & TG_BRAKE_DOMAIN) && !(brakes & (TG_BRAKE_HOURS | TG_BRAKE_DAY | TG_BRAKE_WINDOW | TG_BRAKE_APPROVAL));
}

/* Nothing has happened since somebody was at work last. */
static void end_waiting(struct tg_simulation *s)
{
    for (size_t bit = 0; bit < TG_SIM_BRAKES; bit++)
        if (TG_BRAKE_DOMAIN >> bit & 1)
            s->sim->held_ms[bit] -= s->now_ms - s->moved_ms;
    s->now_ms = s->moved_ms;
}

static int go(struct tg_simulation *s, struct tg_error *e)
{
    int rc = feed_run(s, TG_EV_BEGIN, e);

    s->window_ms = s->now_ms;
    if (!rc)
        rc = act(s, e);
    if (!rc)
        rc = tg_sim_others_begin(s, e);
    while (!rc && s->sim->run->state != TG_RUN_ENDED) {
        if (s->sim->run->state == TG_RUN_HELD && !s->asked && !s->away) {
            s->asked = true;
            s->sim->asked++;
            tg_sim_push(s, (struct tg_sim_item) {.at_ms = s->now_ms + s->sim->model->looks_after_ms, .what = TG_SIM_PERSON});
        }
        if ((s->sim->waits = waits_for_room(s)))
            break;
        rc = next(s, e);
        if (!rc && (s->sim->crashes > CRASHES_MAX || s->in_vain > IN_VAIN_MAX))
            return tg_fail(e, TG_E_DATA, "the controller dies so often that the run does not end: after %u crashes it is %s, and looks at %zu hosts", s->sim->crashes,
                           tg_run_state_name(s->sim->run->state), s->sim->run->totals[TG_HOST_LOOKING]);
        if (!rc && s->now_ms - s->sim->started_ms > FOREVER_MS)
            return tg_fail(e, TG_E_DATA, "after ten years the simulated run has not ended: it is %s",
                           tg_run_state_name(s->sim->run->state));
    }
    if (rc)
        return rc;
    if (s->sim->waits)
        end_waiting(s);
    s->sim->ended_ms = s->sim->shown_ms = s->now_ms;
    add_sample(s);
    return 0;
}

/* ---- life ---- */

static int prepare(struct tg_simulation *s, const struct tg_plan *plan, const struct tg_sim_model *model,
                   struct tg_error *e)
{
    struct tg_sim *sim = calloc(1, sizeof *sim);
    int rc = tg_sim_model_check(model, e);

    s->sim = sim;
    if (rc || !sim)
        return rc ? rc : tg_fail(e, TG_E_MEMORY, "out of memory");
    sim->plan = plan;
    sim->model = model;
    sim->started_ms = s->now_ms = s->moved_ms = model->start_ms;
    sim->sample_ms = 1000;
    s->dies_ms = model->crash_every_ms ? s->now_ms + model->crash_every_ms : 0;
    sim->stages = calloc(plan->n_stages + 1, sizeof *sim->stages);
    sim->samples = calloc(TG_SIM_SAMPLES, sizeof *sim->samples);
    s->hosts = calloc(plan->n_hosts + 1, sizeof *s->hosts);
    if (!sim->stages || !sim->samples || !s->hosts)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    return tg_run_new(plan, &sim->run, e);
}

int tg_simulate(const struct tg_plan *plan, const struct tg_sim_model *model, struct tg_sim **out, struct tg_error *e)
{
    return tg_sim_run(plan, model, NULL, out, e);
}

int tg_sim_run(const struct tg_plan *plan, const struct tg_sim_model *model, const struct tg_sim *first, struct tg_sim **out, struct tg_error *e)
{
    struct tg_simulation s = {.first = first};
    int rc = prepare(&s, plan, model, e);

    if (!rc)
        rc = go(&s, e);
    tg_run_actions_release(&s.actions);
    free(s.heaps[0].items);
    free(s.heaps[1].items);
    free(s.hosts);
    free(s.outside);
    if (!rc)
        rc = tg_sim_follow(s.sim, e);
    if (rc)
        tg_sim_free(s.sim);
    else
        *out = s.sim;
    return rc;
}

void tg_sim_free(struct tg_sim *sim)
{
    if (!sim)
        return;
    if (sim->back) {
        tg_sim_free(sim->back->sim);
        tg_plan_free(sim->back->plan);
        free(sim->back);
    }
    tg_run_free(sim->run);
    free(sim->stages);
    free(sim->samples);
    free(sim);
}

struct tg_sim_told tg_sim_tell(const struct tg_sim *sim)
{
    const struct tg_plan *plan = sim->plan;
    struct tg_sim_told changing = {0}, all = {0};

    for (size_t i = 0; i < plan->n_stages; i++) {
        struct tg_sim_told *sums[] = {&all, plan->stages[i].dry_run ? NULL : &changing};
        for (size_t j = 0; j < 2 && sums[j]; j++) {
            sums[j]->hosts += plan->stages[i].count;
            sums[j]->done += tg_stage_done(&sim->run->stages[i]);
            sums[j]->unreachable += sim->run->stages[i].counts[TG_HOST_UNREACHABLE];
            sums[j]->held += sim->run->stages[i].counts[TG_HOST_HELD];
        }
    }
    return changing.hosts ? changing : all;
}

const char *tg_sim_end_name(const struct tg_sim *sim)
{
    return sim->waits ? "waits" : tg_run_end_name(tg_run_end(sim->run));
}

bool tg_sim_well(const struct tg_sim *sim)
{
    return tg_run_end(sim->run) == TG_END_DONE && sim->all.hurt == 0;
}
