/* What follows from an event by itself: who starts, what holds them back, when a stage or the run goes on. See run.h. */
#include "engine/run_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* What holds back the next host of a stage. */
static unsigned brakes_of(const struct tg_run *run, size_t i, int64_t now_ms)
{
    const struct tg_run_stage *stage = &run->stages[i];
    int64_t in_work = (int64_t) run->in_work, unverified = in_work + (int64_t) tg_run_not_back(run);

    return (in_work >= run->plan->running ? TG_BRAKE_RUNNING : 0U) | (unverified >= run->plan->unverified ? TG_BRAKE_UNVERIFIED : 0U) |
           (now_ms * 1000 < stage->next_us ? TG_BRAKE_RATE : 0U) | (tg_run_is_open(run, now_ms) ? 0U : TG_BRAKE_HOURS) |
           (run->day < run->plan->stages[i].day ? TG_BRAKE_DAY : 0U) | (tg_window_is_late(run, i) ? TG_BRAKE_WINDOW : 0U);
}

unsigned tg_run_brakes(const struct tg_run *run, int64_t now_ms)
{
    const struct tg_run_stage *stage = run->stage < run->plan->n_stages ? &run->stages[run->stage] : NULL;

    if (!stage || run->state != TG_RUN_ACTIVE || !stage->counts[TG_HOST_WAITING])
        return 0;
    if (stage->state == TG_STAGE_GATED)
        return TG_BRAKE_APPROVAL;
    unsigned kept = (stage->kept_out ? TG_BRAKE_WINDOW : 0U) | (stage->parked || !stage->kept_out ? TG_BRAKE_DOMAIN : 0U);
    return brakes_of(run, run->stage, now_ms) | (tg_queue_untried(run, run->stage) ? 0U : kept);
}

#define LATE_US 100000 /* timers, and a commit before each start */

/* A driver that is a little late keeps the average; what a pause, or a limit, made it miss is not made up for. */
static void spend_rate(struct tg_step *s, size_t i)
{
    struct tg_run_stage *stage = &s->run->stages[i];
    int64_t interval = tg_rate_interval_us(&s->run->plan->stages[i].rate), now = s->now_ms * 1000, spread = tg_run_spread_us(s->run, i, s->now_ms);

    interval = spread > interval ? spread : interval;
    int64_t late = interval / 10 > LATE_US ? interval / 10 : LATE_US;

    if (interval)
        stage->next_us = (now - stage->next_us <= late ? stage->next_us : now) + interval;
}

/* Whoever waits for his moment of a window is told of it. */
static void pace_windows(struct tg_step *s, size_t i)
{
    struct tg_run *run = s->run;
    struct tg_run_stage *stage = &run->stages[i];
    int64_t next = run->plan->stages[i].over_window ? tg_window_next_ms(run, i) : INT64_MAX;

    if (next == INT64_MAX || (stage->paced_ms && stage->paced_ms <= next))
        return;
    stage->paced_ms = next;
    tg_step_add(s, TG_DO_PACE, TG_RUN_NONE, i, next);
}

static void start_of_stage(struct tg_step *s, size_t i)
{
    struct tg_run *run = s->run;
    const struct tg_plan_stage *p = &run->plan->stages[i];
    struct tg_run_stage *stage = &run->stages[i];

    if (p->over_window)
        tg_queue_wake(run, i);
    while (stage->counts[TG_HOST_WAITING] && !brakes_of(run, i, s->now_ms)) {
        size_t h = tg_queue_take(run, i);
        if (h == TG_RUN_NONE) {
            pace_windows(s, i);
            return;
        }
        tg_step_tell_host(s, h, p->dry_run ? TG_EV_START_DRY : TG_EV_START, NULL);
        spend_rate(s, i);
    }
    if (!stage->counts[TG_HOST_WAITING] || brakes_of(run, i, s->now_ms) != TG_BRAKE_RATE || stage->paced_ms || !tg_queue_any(run, i))
        return;
    stage->paced_ms = (stage->next_us + 999) / 1000;
    tg_step_add(s, TG_DO_PACE, TG_RUN_NONE, i, stage->paced_ms);
}

/* Does it hold its hosts out of service while they bake, or wait for windows with some of them? Then whoever waits meanwhile has a bake of his own behind this one. */
static bool bakes_in_waves(const struct tg_run *run, size_t i)
{
    return ((run->drains && run->plan->n_limits) || run->plan->n_windows) && run->plan->stages[i].bake_ms > 0 && !run->plan->stages[i].dry_run;
}

/* Earlier stages first: a lost host that turned out to be untouched waits there. */
static void start_hosts(struct tg_step *s)
{
    for (size_t i = 0; i <= s->run->stage && i < s->run->plan->n_stages; i++) {
        enum tg_stage_state state = s->run->stages[i].state;
        if (state != TG_STAGE_GATED && !(state == TG_STAGE_BAKING && bakes_in_waves(s->run, i)))
            start_of_stage(s, i);
    }
}

/* The first host that is down in each domain, or TG_RUN_NONE. NULL: memory is short. */
static size_t *first_down(const struct tg_run *run)
{
    const struct tg_plan *plan = run->plan;
    size_t *first = calloc(plan->n_domains + 1, sizeof *first);

    for (size_t i = 0; first && i < plan->n_domains; i++)
        first[i] = TG_RUN_NONE;
    for (size_t i = plan->n_hosts; first && i-- > 0;)
        for (size_t l = 0; tg_run_is_down(run, &run->hosts[i]) && l < plan->n_limits; l++)
            if (plan->domain_of[i * plan->n_limits + l] != TG_NO_DOMAIN)
                first[plan->domain_of[i * plan->n_limits + l]] = i;
    return first;
}

/* Why a host has no room. Of the hosts' states alone: a machine that comes from a snapshot says the same. */
static void say_full(const struct tg_run *run, const size_t *first, size_t host, char *out, size_t size)
{
    uint32_t domain = tg_queue_full_for_good(run, host);
    char name[160];

    snprintf(out, size, "its domain has no room");
    if (domain == TG_NO_DOMAIN)
        return;
    tg_plan_domain_name(run->plan, domain, name, sizeof name);
    if (run->plan->withdraws)
        snprintf(out, size, "it stays in service: %s has %u of %u down by this, %u without it, and may have %u", name, run->domains[domain].down,
                 run->plan->domains[domain].n_hosts, (unsigned) tg_run_domain_down(&run->domains[domain]) - run->domains[domain].down, run->plan->domains[domain].max);
    if (run->plan->withdraws || first[domain] == TG_RUN_NONE)
        return;
    snprintf(out, size, "%s has %u down (%.100s%s), and no more may be", name, run->domains[domain].down, run->plan->hosts[first[domain]].name,
             run->domains[domain].down > 1 ? " …" : "");
}

static bool skip_stage(struct tg_step *s, size_t i, const size_t *first)
{
    const struct tg_plan_stage *p = &s->run->plan->stages[i];
    bool any = false;
    char why[400];

    for (size_t h = p->first; h < p->first + p->count; h++) {
        if (s->run->hosts[h].state != TG_HOST_WAITING || tg_window_keeps(s->run, h) || tg_queue_full_for_good(s->run, h) == TG_NO_DOMAIN)
            continue;
        any = true;
        say_full(s->run, first, h, why, sizeof why);
        tg_step_tell_host(s, h, TG_EV_SKIP, why);
    }
    return any;
}

/* Those that bake keep others of their stage out of full domains, or must be back before their windows end: it bakes with whom it has. */
static bool bake_some(struct tg_step *s)
{
    struct tg_run *run = s->run;
    const struct tg_plan_stage *p = &run->plan->stages[run->stage];
    const struct tg_run_stage *stage = &run->stages[run->stage];

    bool late = tg_window_is_late(run, run->stage);
    if (!bakes_in_waves(run, run->stage) || stage->state != TG_STAGE_RUNNING || !stage->counts[TG_HOST_BAKING] || (!late && tg_queue_any(run, run->stage)))
        return false;
    bool some = late || stage->kept_out > 0;
    for (size_t h = p->first; !some && run->drains && h < p->first + p->count; h++)
        some = run->hosts[h].state == TG_HOST_WAITING && tg_queue_full_for_good(run, h) != TG_NO_DOMAIN;
    if (some)
        tg_step_tell_stage(s, run->stage, TG_EV_ALL_VERIFIED);
    return some;
}

/* Nobody is at work (who bakes waits for these): those that wait for hosts of this run that ended badly are skipped, since nothing in it will change that.
 * Whom others hold back waits for them. */
static bool skip_blocked(struct tg_step *s)
{
    struct tg_run *run = s->run;
    size_t *first = NULL;
    bool any = false;

    for (size_t i = 0; i <= run->stage && i < run->plan->n_stages; i++) {
        bool goes_on = run->stages[i].state == TG_STAGE_RUNNING || run->stages[i].state == TG_STAGE_DONE; /* done: one came back there, untouched */
        if (!goes_on || !run->stages[i].counts[TG_HOST_WAITING] || tg_queue_any(run, i) || !run->stages[i].parked)
            continue;
        if (!first && !tg_queue_any_full_for_good(run))
            return any;
        if (!first && !(first = first_down(run))) {
            s->failed = true;
            return false;
        }
        any |= skip_stage(s, i, first);
    }
    if (any)
        tg_queue_forget(run);
    free(first);
    return any;
}

static size_t before_bake(const struct tg_run_stage *stage)
{
    size_t n = stage->counts[TG_HOST_WAITING] + stage->returning;

    for (int state = TG_HOST_LOCKING; state <= TG_HOST_DECIDING; state++)
        n += stage->counts[state];
    return n;
}

static bool all_ended(const struct tg_run_stage *stage, size_t count)
{
    size_t n = 0;

    for (int state = TG_HOST_DONE; state < TG_HOST_STATES; state++)
        n += stage->counts[state];
    return n == count;
}

/* Moves the current stage on. Returns whether another look is worth it. */
static bool advance_stage(struct tg_step *s)
{
    struct tg_run *run = s->run;
    const struct tg_plan_stage *p = &run->plan->stages[run->stage];
    struct tg_run_stage *stage = &run->stages[run->stage];
    char why[256];

    if (stage->state == TG_STAGE_GATED)
        return false;
    if (stage->state == TG_STAGE_WAITING) {
        bool gate = p->policy.approve && p->count > 0 && !stage->approved;
        tg_step_tell_stage(s, run->stage, gate ? TG_EV_GATE : TG_EV_OPEN);
        return !gate;
    }
    bool good = tg_stage_done(stage) + stage->counts[TG_HOST_BAKING] > 0;
    if (stage->state == TG_STAGE_RUNNING && p->bake_ms > 0 && !p->dry_run && good) {
        if (before_bake(stage) == 0)
            tg_step_tell_stage(s, run->stage, TG_EV_ALL_VERIFIED);
        return false;
    }
    if (stage->state == TG_STAGE_PROVING && stage->counts[TG_HOST_WAITING] && bakes_in_waves(run, run->stage)) {
        tg_step_tell_stage(s, run->stage, TG_EV_AGAIN);
        return true;
    }
    if (stage->state == TG_STAGE_BAKING || !all_ended(stage, p->count))
        return false;
    tg_step_tell_stage(s, run->stage, TG_EV_ALL_ENDED);
    run->stage++;
    if (p->count > 0 && tg_stage_done(stage) == 0 && run->stage < run->plan->n_stages) {
        snprintf(why, sizeof why, "stage %s proves nothing: none of its %zu host%s ended well", p->name, p->count, p->count == 1 ? "" : "s");
        tg_step_halt(s, why);
        return false;
    }
    return true;
}

/* The run waits until a person has looked, and says "go on". */
static void hold_for_person(struct tg_step *s, enum tg_run_cause cause, const char *why)
{
    struct tg_run *run = s->run;

    tg_step_tell_run(s, TG_EV_HOLD);
    if (run->state != TG_RUN_HOLDING)
        return;
    if (run->plan->give_up_ms && !run->give_up_ms) {
        run->give_up_ms = s->now_ms + run->plan->give_up_ms;
        tg_step_add(s, TG_DO_GIVE_UP, TG_RUN_NONE, TG_RUN_NONE, run->give_up_ms);
    }
    run->causes |= cause;
    run->holds++;
    tg_step_set_text(s, &run->hold_why, why);
    tg_step_set_text(s, &run->hold_by, NULL);
}

/* Nobody can tell how it went. */
static void hold_for_verdict(struct tg_step *s)
{
    const struct tg_run_host *h = &s->run->hosts[s->doubt];
    char why[400];

    snprintf(why, sizeof why, "%.120s: no verdict%s%.250s", s->run->plan->hosts[s->doubt].name, h->text ? ": " : "", h->text ? h->text : "");
    hold_for_person(s, TG_CAUSE_VERDICT, why);
}

/* Something that all hosts need keeps them out, one after another. */
static void hold_for_around(struct tg_step *s)
{
    char why[400];

    if (s->run->causes & TG_CAUSE_AROUND || !tg_around_shuts(s->run, why, sizeof why))
        return;
    s->run->in_row = 0; /* who says "go on" has it tried with as many again */
    hold_for_person(s, TG_CAUSE_AROUND, why);
}

/* So many at once as limits.running says. What the tables say of each is the same in any order, so none is kept of who was asked for first. */
static void bring_hosts(struct tg_step *s)
{
    struct tg_run *run = s->run;

    while (run->totals[TG_HOST_TO_RETURN] && (int64_t) (run->in_flight - run->totals[TG_HOST_TO_RETURN]) < run->plan->running) {
        while (run->hosts[run->bring].state != TG_HOST_TO_RETURN)
            run->bring++;
        tg_step_tell_host(s, run->bring, run->hosts[run->bring].looked ? TG_EV_BRING_VOUCHED : TG_EV_BRING, NULL);
    }
}

void tg_step_settle(struct tg_step *s)
{
    struct tg_run *run = s->run;
    char why[256];

    bool may_halt = run->state == TG_RUN_ACTIVE || run->state == TG_RUN_PAUSING || run->state == TG_RUN_HOLDING;
    if (may_halt && tg_policy_exceeded(run, s->stage, why, sizeof why))
        tg_step_halt(s, why);
    if (s->doubt != TG_RUN_NONE)
        hold_for_verdict(s);
    if (s->shut)
        hold_for_around(s);
    do {
        while (run->state == TG_RUN_ACTIVE && run->stage < run->plan->n_stages && advance_stage(s))
            ;
        if (run->state == TG_RUN_ACTIVE)
            start_hosts(s);
    } while (run->state == TG_RUN_ACTIVE && run->in_flight == run->totals[TG_HOST_BAKING] && (run->plan->n_limits || run->plan->n_windows) &&
             ((run->stage < run->plan->n_stages && bake_some(s)) || skip_blocked(s)));
    if (run->state == TG_RUN_ACTIVE && run->totals[TG_HOST_WAITING] && (int64_t) run->totals[TG_HOST_LOST] >= run->plan->running) /* unverified is no less */
        tg_step_halt(s, "hosts that were lost take up all of limits.running");
    if (run->state == TG_RUN_ACTIVE && run->stage == run->plan->n_stages && run->in_flight == 0 && !run->totals[TG_HOST_WAITING])
        tg_step_tell_run(s, TG_EV_COMPLETE);
    bring_hosts(s);
    if (tg_run_is_stopping(run) && run->in_flight == 0)
        tg_step_tell_run(s, TG_EV_IDLE);
}
