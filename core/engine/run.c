/* The step of a run: one event against the tables, then whatever follows from it. See run.h. */
#include "engine/run_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a step carries about. failed: memory ran short on the way. */
struct step {
    struct tg_run *run;
    struct tg_run_actions *out;
    int64_t now_ms;
    size_t stage; /* of the host that it is about; TG_RUN_NONE */
    size_t doubt; /* a host of which nobody can tell; TG_RUN_NONE */
    bool failed;
};

bool tg_host_state_is_end(enum tg_host_state state)
{
    return state >= TG_HOST_DONE;
}

bool tg_host_state_is_work(enum tg_host_state state)
{
    return (state >= TG_HOST_LOCKING && state < TG_HOST_VERIFYING) || state == TG_HOST_DRY_CHECKING ||
           state == TG_HOST_DRY_RUNNING || state == TG_HOST_LOST;
}

static bool in_flight(enum tg_host_state state)
{
    return state != TG_HOST_WAITING && !tg_host_state_is_end(state);
}

void tg_run_actions_release(struct tg_run_actions *actions)
{
    free(actions->items);
    *actions = (struct tg_run_actions) {0};
}

static void add(struct step *s, enum tg_run_action_kind kind, size_t host, size_t stage, int64_t until_ms)
{
    struct tg_run_actions *a = s->out;

    if (kind == TG_DO_NOTHING)
        return;
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 16;
        struct tg_run_action *items = realloc(a->items, cap * sizeof *items);
        if (!items) {
            s->failed = true;
            return;
        }
        a->items = items;
        a->cap = cap;
    }
    a->items[a->n++] = (struct tg_run_action) {.kind = kind,
                                               .host = host,
                                               .stage = stage,
                                               .attempt = host == TG_RUN_NONE ? 0 : s->run->hosts[host].attempt,
                                               .until_ms = until_ms};
}

static void set_text(struct step *s, char **where, const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        s->failed = true;
    free(*where);
    *where = copy;
}

/* ---- counting ---- */

static size_t stage_done(const struct tg_run_stage *stage)
{
    return stage->counts[TG_HOST_DONE] + stage->stuck_done;
}

size_t tg_run_done(const struct tg_run *run)
{
    size_t n = 0;

    for (size_t i = 0; i < run->plan->n_stages; i++)
        n += stage_done(&run->stages[i]);
    return n;
}

size_t tg_run_leftovers(const struct tg_run *run)
{
    return run->totals[TG_HOST_LOST] + run->totals[TG_HOST_STUCK];
}

enum tg_run_end tg_run_end(const struct tg_run *run)
{
    if (run->state != TG_RUN_ENDED)
        return TG_END_NONE;
    if (run->aborted)
        return TG_END_ABORTED;
    if (run->halted)
        return TG_END_HALTED;
    return run->totals[TG_HOST_DONE] == run->plan->n_hosts ? TG_END_DONE : TG_END_BADLY;
}

/* ---- hosts ---- */

static bool stopping(const struct tg_run *run)
{
    return run->state != TG_RUN_ACTIVE;
}

static void move_host(struct tg_run *run, size_t i, enum tg_host_state to)
{
    struct tg_run_host *h = &run->hosts[i];
    struct tg_run_stage *stage = &run->stages[h->stage];
    bool was_down = tg_run_is_down(h);

    run->totals[h->state]--;
    stage->counts[h->state]--;
    run->in_work -= tg_host_state_is_work(h->state);
    run->in_flight -= in_flight(h->state);
    stage->stuck_done -= h->state == TG_HOST_STUCK && h->end == TG_HOST_DONE;
    tg_policy_count(run, h, -1);
    stage->returning -= h->state == TG_HOST_UNLOCKING && h->end == TG_HOST_WAITING;
    h->state = to;
    run->totals[to]++;
    stage->counts[to]++;
    run->in_work += tg_host_state_is_work(to);
    run->in_flight += in_flight(to);
    stage->stuck_done += to == TG_HOST_STUCK && h->end == TG_HOST_DONE;
    tg_policy_count(run, h, 1);
    stage->returning += to == TG_HOST_UNLOCKING && h->end == TG_HOST_WAITING;
    tg_queue_moved(run, i, was_down);
}

void tg_run_place(struct tg_run *run, size_t host, enum tg_host_state state)
{
    move_host(run, host, state);
}

/* A bake is still ahead of this host: only in the stage that is running, and not for one that was lost and came back later. */
static bool will_bake(const struct tg_run *run, const struct tg_run_host *h)
{
    return run->plan->stages[h->stage].bake_ms > 0 && h->stage == run->stage && run->stages[h->stage].state == TG_STAGE_RUNNING;
}

static void remember(struct step *s, struct tg_run_host *h, const struct tg_run_event *ev)
{
    if (ev->text || ev->kind == TG_EV_START || ev->kind == TG_EV_START_DRY || ev->kind == TG_EV_LOCKED)
        set_text(s, &h->text, ev->text);
    if (ev->kind == TG_EV_LOCKED || ev->kind == TG_EV_NO_ROOM)
        set_text(s, &h->lock, ev->lock);
    if (ev->kind == TG_EV_UNLOCKED || ev->kind == TG_EV_LOCK_REFUSED)
        set_text(s, &h->lock, NULL);
    if (ev->kind == TG_EV_APPLIED || ev->kind == TG_EV_FAILED || ev->kind == TG_EV_HELD || ev->kind == TG_EV_UNPROVEN) {
        h->outcome = ev->outcome;
        h->changed = ev->changed;
    }
    if (ev->kind == TG_EV_BUSY)
        h->attempt++; /* its answer is recorded on the host under this attempt: the next try is another step */
    if (ev->kind == TG_EV_START || ev->kind == TG_EV_START_DRY) {
        h->started_ms = s->now_ms;
        h->begun++;
    }
}

/* Since when there is no verdict, and whether a person has looked meanwhile. */
static void remember_verdict(struct step *s, struct tg_run_host *h, enum tg_host_state next)
{
    bool begins = next == TG_HOST_VERIFYING || next == TG_HOST_PROVING;

    if (begins && h->state != next && h->state != TG_HOST_DECIDING)
        h->since_ms = s->now_ms;
    if (begins && h->state == TG_HOST_UNDECIDED)
        h->looked = true;
}

/* 0, or TG_E_DATA for an event that answers nothing. */
static int host_event(struct step *s, size_t i, const struct tg_run_event *ev, struct tg_error *e)
{
    struct tg_run *run = s->run;
    struct tg_run_host *h = &run->hosts[i];
    struct tg_run_event as = *ev;
    enum tg_pair pair;

    if (as.kind == TG_EV_BUSY && h->attempt >= TG_RUN_ATTEMPTS_MAX && h->state != TG_HOST_DRY_RUNNING)
        as.kind = TG_EV_HELD;
    if (as.kind == TG_EV_LOCKED && tg_queue_is_crowded(run, i))
        as.kind = TG_EV_NO_ROOM;
    if (as.kind == TG_EV_INCONCLUSIVE && (h->state == TG_HOST_VERIFYING || h->state == TG_HOST_PROVING))
        as.kind = tg_policy_inconclusive(run, h, s->now_ms);
    if (as.kind == TG_EV_DOUBT)
        s->doubt = i;
    const struct tg_host_rule *rule = tg_host_rule_find(h->state, as.kind, &pair);
    if (!rule) {
        if (pair == TG_PAIR_IGNORED)
            return 0;
        return tg_fail(e, TG_E_DATA, "\"%s\" for %s, which is %s", tg_run_event_name(as.kind), run->plan->hosts[i].name,
                       tg_host_state_name(h->state));
    }
    bool stop = stopping(run) || (as.kind == TG_EV_VERIFIED && h->state == TG_HOST_VERIFYING && !will_bake(run, h));
    enum tg_host_state next = stop ? rule->stopping.next : rule->active.next;
    enum tg_run_action_kind action = stop ? rule->stopping.action : rule->active.action;
    if (next == TG_HOST_UNLOCKING && h->state != TG_HOST_UNLOCKING && h->state != TG_HOST_STUCK)
        h->end = stop ? rule->stopping.end : rule->active.end;
    else if (as.kind == TG_EV_UNLOCKED)
        next = h->end;
    remember(s, h, &as);
    remember_verdict(s, h, next);
    move_host(run, i, next);
    if (tg_host_state_is_end(next))
        h->ended_ms = s->now_ms;
    add(s, action, i, h->stage, action == TG_DO_RETRY ? tg_policy_retry_ms(run, h, s->now_ms) : 0);
    return 0;
}

static void tell_host_why(struct step *s, size_t i, enum tg_run_event_kind kind, const char *why)
{
    struct tg_run_event ev = {.kind = kind, .at_ms = s->now_ms, .host = i, .stage = TG_RUN_NONE, .text = why};
    int rc = host_event(s, i, &ev, NULL);

    assert(!rc); /* the tables have every pair of what we send ourselves */
    (void) rc;
}

static void tell_host(struct step *s, size_t i, enum tg_run_event_kind kind)
{
    tell_host_why(s, i, kind, NULL);
}

/* All of them; most of a large run have ended or wait, and for them it is nothing. */
static void tell_hosts(struct step *s, enum tg_run_event_kind kind)
{
    const struct tg_run *run = s->run;
    bool concerns[TG_HOST_STATES];
    enum tg_pair pair;

    for (int state = 0; state < TG_HOST_STATES; state++) {
        tg_host_rule_find((enum tg_host_state) state, kind, &pair);
        concerns[state] = pair != TG_PAIR_IGNORED;
    }
    for (size_t i = 0; i < run->plan->n_hosts; i++)
        if (concerns[run->hosts[i].state])
            tell_host(s, i, kind);
}

/* ---- stages ---- */

static int stage_event(struct step *s, size_t i, enum tg_run_event_kind kind, struct tg_error *e)
{
    struct tg_run *run = s->run;
    struct tg_run_stage *stage = &run->stages[i];
    const struct tg_plan_stage *p = &run->plan->stages[i];
    enum tg_pair pair;
    const struct tg_stage_rule *rule = tg_stage_rule_find(stage->state, kind, &pair);

    if (kind == TG_EV_PACED)
        stage->paced_ms = 0;
    if (!rule)
        return pair == TG_PAIR_IGNORED
                   ? 0
                   : tg_fail(e, TG_E_DATA, "\"%s\" for stage %s, which is %s", tg_run_event_name(kind), p->name, tg_stage_state_name(stage->state));
    stage->state = rule->next;
    if (kind == TG_EV_OPEN)
        stage->started_ms = s->now_ms;
    if (kind == TG_EV_ALL_VERIFIED)
        stage->bake_until_ms = s->now_ms + p->bake_ms;
    if (stage->state == TG_STAGE_DONE)
        stage->ended_ms = s->now_ms;
    add(s, rule->action, TG_RUN_NONE, i, stage->bake_until_ms);
    if (kind != TG_EV_BAKED)
        return 0;
    stage->baked = true;
    for (size_t h = p->first; h < p->first + p->count; h++)
        if (run->hosts[h].state == TG_HOST_BAKING)
            tell_host(s, h, TG_EV_BAKE_ENDED);
    return 0;
}

static void tell_stage(struct step *s, size_t i, enum tg_run_event_kind kind)
{
    int rc = stage_event(s, i, kind, NULL);

    assert(!rc);
    (void) rc;
}

/* ---- the run ---- */

static int run_event(struct step *s, enum tg_run_event_kind kind, struct tg_error *e)
{
    struct tg_run *run = s->run;
    enum tg_pair pair;
    const struct tg_run_rule *rule = tg_run_rule_find(run->state, kind, &pair);

    if (!rule)
        return pair == TG_PAIR_IGNORED
                   ? 0
                   : tg_fail(e, TG_E_DATA, "\"%s\" for a run that is %s", tg_run_event_name(kind), tg_run_state_name(run->state));
    run->state = rule->next;
    run->halted |= (rule->what & TG_RUN_MARK_HALTED) != 0;
    run->aborted |= (rule->what & TG_RUN_MARK_ABORTED) != 0;
    if (rule->what & (TG_RUN_SAY_RESUMED | TG_RUN_SAY_GO_ON))
        for (size_t i = 0; i < run->plan->n_stages; i++)
            run->stages[i].paced_ms = 0; /* whoever waited for it is gone */
    if (rule->what & (TG_RUN_SAY_STOP | TG_RUN_SAY_RESUMED))
        tell_hosts(s, rule->what & TG_RUN_SAY_STOP ? TG_EV_STOP : TG_EV_RESUMED);
    if (rule->what & TG_RUN_SAY_GO_ON)
        tell_hosts(s, TG_EV_RECHECK);
    if ((rule->what & (TG_RUN_SAY_RESUMED | TG_RUN_SAY_GO_ON)) && !stopping(run))
        for (size_t i = 0; i < run->plan->n_stages; i++)
            tell_stage(s, i, TG_EV_RESUMED);
    if (rule->what & (TG_RUN_SAY_REST | TG_RUN_SAY_END))
        add(s, rule->what & TG_RUN_SAY_REST ? TG_DO_REST : TG_DO_END, TG_RUN_NONE, TG_RUN_NONE, 0);
    return 0;
}

static void tell_run(struct step *s, enum tg_run_event_kind kind)
{
    int rc = run_event(s, kind, NULL);

    assert(!rc);
    (void) rc;
}

static void halt(struct step *s, const char *why)
{
    set_text(s, &s->run->why, why);
    tell_run(s, TG_EV_HALT);
}

/* ---- what follows by itself ---- */

/* What holds back the next host of a stage. */
static unsigned brakes_of(const struct tg_run *run, size_t i, int64_t now_ms)
{
    const struct tg_run_stage *stage = &run->stages[i];
    int64_t in_work = (int64_t) run->in_work, unverified = in_work + (int64_t) tg_run_without_verdict(run);

    return (in_work >= run->plan->running ? TG_BRAKE_RUNNING : 0U) | (unverified >= run->plan->unverified ? TG_BRAKE_UNVERIFIED : 0U) |
           (now_ms * 1000 < stage->next_us ? TG_BRAKE_RATE : 0U) | (tg_run_is_open(run, now_ms) ? 0U : TG_BRAKE_HOURS) |
           (run->day < run->plan->stages[i].day ? TG_BRAKE_DAY : 0U);
}

unsigned tg_run_brakes(const struct tg_run *run, int64_t now_ms)
{
    const struct tg_run_stage *stage = run->stage < run->plan->n_stages ? &run->stages[run->stage] : NULL;

    if (!stage || run->state != TG_RUN_ACTIVE || !stage->counts[TG_HOST_WAITING])
        return 0;
    if (stage->state == TG_STAGE_GATED)
        return TG_BRAKE_APPROVAL;
    return brakes_of(run, run->stage, now_ms) | (tg_queue_untried(run, run->stage) ? 0U : TG_BRAKE_DOMAIN);
}

#define LATE_US 100000 /* timers, and a commit before each start */

/* A driver that is a little late keeps the average; what a pause, or a limit, made it miss is not made up for. */
static void spend_rate(struct step *s, size_t i)
{
    struct tg_run_stage *stage = &s->run->stages[i];
    int64_t interval = tg_rate_interval_us(&s->run->plan->stages[i].rate), now = s->now_ms * 1000, spread = tg_run_spread_us(s->run, i, s->now_ms);

    interval = spread > interval ? spread : interval;
    int64_t late = interval / 10 > LATE_US ? interval / 10 : LATE_US;

    if (interval)
        stage->next_us = (now - stage->next_us <= late ? stage->next_us : now) + interval;
}

static void start_of_stage(struct step *s, size_t i)
{
    struct tg_run *run = s->run;
    const struct tg_plan_stage *p = &run->plan->stages[i];
    struct tg_run_stage *stage = &run->stages[i];

    while (stage->counts[TG_HOST_WAITING] && !brakes_of(run, i, s->now_ms)) {
        size_t h = tg_queue_take(run, i);
        if (h == TG_RUN_NONE)
            return;
        tell_host(s, h, p->dry_run ? TG_EV_START_DRY : TG_EV_START);
        spend_rate(s, i);
    }
    if (!stage->counts[TG_HOST_WAITING] || brakes_of(run, i, s->now_ms) != TG_BRAKE_RATE || stage->paced_ms || !tg_queue_any(run, i))
        return;
    stage->paced_ms = (stage->next_us + 999) / 1000;
    add(s, TG_DO_PACE, TG_RUN_NONE, i, stage->paced_ms);
}

/* Earlier stages first: a lost host that turned out to be untouched waits there. */
static void start_hosts(struct step *s)
{
    for (size_t i = 0; i <= s->run->stage && i < s->run->plan->n_stages; i++)
        if (s->run->stages[i].state != TG_STAGE_GATED)
            start_of_stage(s, i);
}

/* The first host that is down in each domain, or TG_RUN_NONE. NULL: memory is short. */
static size_t *first_down(const struct tg_run *run)
{
    const struct tg_plan *plan = run->plan;
    size_t *first = calloc(plan->n_domains + 1, sizeof *first);

    for (size_t i = 0; first && i < plan->n_domains; i++)
        first[i] = TG_RUN_NONE;
    for (size_t i = plan->n_hosts; first && i-- > 0;)
        for (size_t l = 0; tg_run_is_down(&run->hosts[i]) && l < plan->n_limits; l++)
            if (plan->domain_of[i * plan->n_limits + l] != TG_NO_DOMAIN)
                first[plan->domain_of[i * plan->n_limits + l]] = i;
    return first;
}

/* Why a host has no room. Of the hosts' states alone: a machine that comes from a snapshot says the same. */
static void say_full(const struct tg_run *run, const size_t *first, size_t host, char *out, size_t size)
{
    uint32_t domain = tg_queue_full_of_own(run, host);
    char name[160];

    snprintf(out, size, "its domain has no room");
    if (domain == TG_NO_DOMAIN || first[domain] == TG_RUN_NONE)
        return;
    tg_plan_domain_name(run->plan, domain, name, sizeof name);
    snprintf(out, size, "%s has %u down (%.100s%s), and no more may be", name, run->domains[domain].down, run->plan->hosts[first[domain]].name,
             run->domains[domain].down > 1 ? " …" : "");
}

static bool skip_stage(struct step *s, size_t i, const size_t *first)
{
    const struct tg_plan_stage *p = &s->run->plan->stages[i];
    bool any = false;
    char why[400];

    for (size_t h = p->first; h < p->first + p->count; h++) {
        if (s->run->hosts[h].state != TG_HOST_WAITING || tg_queue_full_of_own(s->run, h) == TG_NO_DOMAIN)
            continue;
        any = true;
        say_full(s->run, first, h, why, sizeof why);
        tell_host_why(s, h, TG_EV_SKIP, why);
    }
    return any;
}

/* Nobody is at work (who bakes waits for these): those that wait for hosts of this run that ended badly are skipped, since nothing in it will change that.
 * Whom others hold back waits for them. */
static bool skip_blocked(struct step *s)
{
    struct tg_run *run = s->run;
    size_t *first = NULL;
    bool any = false;

    for (size_t i = 0; i <= run->stage && i < run->plan->n_stages; i++) {
        if (run->stages[i].state != TG_STAGE_RUNNING || !run->stages[i].counts[TG_HOST_WAITING] || tg_queue_any(run, i))
            continue;
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
static bool advance_stage(struct step *s)
{
    struct tg_run *run = s->run;
    const struct tg_plan_stage *p = &run->plan->stages[run->stage];
    struct tg_run_stage *stage = &run->stages[run->stage];
    char why[256];

    if (stage->state == TG_STAGE_GATED)
        return false;
    if (stage->state == TG_STAGE_WAITING) {
        bool gate = p->policy.approve && p->count > 0 && !stage->approved;
        tell_stage(s, run->stage, gate ? TG_EV_GATE : TG_EV_OPEN);
        return !gate;
    }
    bool good = stage_done(stage) + stage->counts[TG_HOST_BAKING] > 0;
    if (stage->state == TG_STAGE_RUNNING && p->bake_ms > 0 && !p->dry_run && good) {
        if (before_bake(stage) == 0)
            tell_stage(s, run->stage, TG_EV_ALL_VERIFIED);
        return false;
    }
    if (stage->state == TG_STAGE_BAKING || !all_ended(stage, p->count))
        return false;
    tell_stage(s, run->stage, TG_EV_ALL_ENDED);
    run->stage++;
    if (p->count > 0 && stage_done(stage) == 0 && run->stage < run->plan->n_stages) {
        snprintf(why, sizeof why, "stage %s proves nothing: none of its %zu host%s ended well", p->name, p->count, p->count == 1 ? "" : "s");
        halt(s, why);
        return false;
    }
    return true;
}

/* Nobody can tell how it went: a person looks before anything more starts. */
static void hold_for_verdict(struct step *s)
{
    struct tg_run *run = s->run;
    const struct tg_run_host *h = &run->hosts[s->doubt];
    char why[400];

    tell_run(s, TG_EV_HOLD);
    if (run->state != TG_RUN_HOLDING)
        return;
    snprintf(why, sizeof why, "%.120s: no verdict%s%.250s", run->plan->hosts[s->doubt].name, h->text ? ": " : "", h->text ? h->text : "");
    run->causes |= TG_CAUSE_VERDICT;
    run->holds++;
    set_text(s, &run->hold_why, why);
    set_text(s, &run->hold_by, NULL);
}

static void settle(struct step *s)
{
    struct tg_run *run = s->run;
    char why[256];

    bool may_halt = run->state == TG_RUN_ACTIVE || run->state == TG_RUN_PAUSING || run->state == TG_RUN_HOLDING;
    if (may_halt && tg_policy_exceeded(run, s->stage, why, sizeof why))
        halt(s, why);
    if (s->doubt != TG_RUN_NONE)
        hold_for_verdict(s);
    do {
        while (run->state == TG_RUN_ACTIVE && run->stage < run->plan->n_stages && advance_stage(s))
            ;
        if (run->state == TG_RUN_ACTIVE)
            start_hosts(s);
    } while (run->state == TG_RUN_ACTIVE && run->in_flight == run->totals[TG_HOST_BAKING] && run->plan->n_limits && skip_blocked(s));
    if (run->state == TG_RUN_ACTIVE && run->totals[TG_HOST_WAITING] && (int64_t) run->totals[TG_HOST_LOST] >= run->plan->running) /* unverified is no less */
        halt(s, "hosts that were lost take up all of limits.running");
    if (run->state == TG_RUN_ACTIVE && run->stage == run->plan->n_stages && run->in_flight == 0)
        tell_run(s, TG_EV_COMPLETE);
    if (stopping(run) && run->in_flight == 0)
        tell_run(s, TG_EV_IDLE);
}

static int check(const struct tg_run *run, const struct tg_run_event *ev, struct tg_error *e)
{
    enum tg_run_subject of = tg_run_event_subject(ev->kind);

    if ((ev->kind == TG_EV_OPENED || ev->kind == TG_EV_CLOSED) && !run->plan->hours.days)
        return tg_fail(e, TG_E_DATA, "\"%s\", and the plan has no hours", tg_run_event_name(ev->kind));
    if (ev->kind >= TG_EV_EXTERNAL)
        return tg_fail(e, TG_E_DATA, "event %d is none that can come from outside", (int) ev->kind);
    if (of == TG_OF_HOST && ev->host >= run->plan->n_hosts)
        return tg_fail(e, TG_E_DATA, "\"%s\" for host %zu of %zu", tg_run_event_name(ev->kind), ev->host, run->plan->n_hosts);
    if (of == TG_OF_STAGE && ev->stage >= run->plan->n_stages)
        return tg_fail(e, TG_E_DATA, "\"%s\" for stage %zu of %zu", tg_run_event_name(ev->kind), ev->stage, run->plan->n_stages);
    if (of == TG_OF_DOMAIN && ev->domain >= run->plan->n_domains)
        return tg_fail(e, TG_E_DATA, "\"%s\" for domain %zu of %zu", tg_run_event_name(ev->kind), ev->domain, run->plan->n_domains);
    if (run->state == TG_RUN_NEW && of != TG_OF_RUN)
        return tg_fail(e, TG_E_DATA, "\"%s\" for a run that has not begun", tg_run_event_name(ev->kind));
    return 0;
}

static void forget_hold(struct step *s)
{
    s->run->causes = 0;
    set_text(s, &s->run->hold_why, NULL);
    set_text(s, &s->run->hold_by, NULL);
}

static void remember_run(struct step *s, const struct tg_run_event *ev, bool was_aborted)
{
    struct tg_run *run = s->run;

    if (ev->kind == TG_EV_BEGIN || ev->kind == TG_EV_RESUME || ev->kind == TG_EV_SEATED)
        run->epoch = ev->epoch;
    if (ev->kind == TG_EV_OPENED || ev->kind == TG_EV_CLOSED)
        tg_run_take_hours(run, ev);
    if (!run->started_ms)
        run->started_ms = s->now_ms;
    if (run->aborted && !was_aborted) {
        set_text(s, &run->why, ev->text ? ev->text : "");
        set_text(s, &run->by, ev->by);
    }
    if (ev->kind == TG_EV_HOLD && (run->state == TG_RUN_HOLDING || run->state == TG_RUN_HELD)) {
        run->causes |= ev->cause;
        run->holds++;
        set_text(s, &run->hold_why, ev->text ? ev->text : "");
        set_text(s, &run->hold_by, ev->by);
    }
}

int tg_run_step(struct tg_run *run, const struct tg_run_event *ev, struct tg_run_actions *out, struct tg_error *e)
{
    struct step s = {.run = run, .out = out, .now_ms = ev->at_ms, .stage = TG_RUN_NONE, .doubt = TG_RUN_NONE};
    bool was_aborted = run->aborted;
    enum tg_run_subject of = tg_run_event_subject(ev->kind);
    int rc = check(run, ev, e);

    if (!rc && of == TG_OF_HOST)
        s.stage = run->hosts[ev->host].stage;
    if (!rc && of == TG_OF_HOST)
        rc = host_event(&s, ev->host, ev, e);
    else if (!rc && of == TG_OF_STAGE)
        rc = stage_event(&s, ev->stage, ev->kind, e);
    else if (!rc && of == TG_OF_DOMAIN)
        tg_queue_outside(run, ev->domain, ev->count);
    else if (!rc)
        rc = run_event(&s, ev->kind, e);
    if (rc)
        return rc;
    run->last_ms = ev->at_ms;
    if (ev->kind < TG_EV_BAKED)
        remember_run(&s, ev, was_aborted);
    if (ev->kind == TG_EV_APPROVED && !run->stages[ev->stage].approved) {
        run->stages[ev->stage].approved = true;
        set_text(&s, &run->stages[ev->stage].approved_by, ev->by);
    }
    if (ev->kind == TG_EV_UNLOCKED && run->hosts[ev->host].state == TG_HOST_UNDECIDED && !stopping(run))
        tell_host(&s, ev->host, TG_EV_RECHECK); /* somebody said "go on" before it was unlocked */
    settle(&s);
    if (run->causes && run->state != TG_RUN_HOLDING && run->state != TG_RUN_HELD)
        forget_hold(&s);
    return s.failed ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

/* ---- life ---- */

int tg_run_new(const struct tg_plan *plan, struct tg_run **out, struct tg_error *e)
{
    struct tg_run *run = calloc(1, sizeof *run);

    if (!run)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    run->plan = plan;
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
