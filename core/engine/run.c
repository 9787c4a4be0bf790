/* The step of a run: one event against the tables, then whatever follows from it. See run.h. */
#include "engine/run_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void tg_step_add(struct tg_step *s, enum tg_run_action_kind kind, size_t host, size_t stage, int64_t until_ms)
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
                                               .step = tg_run_action_has_step(kind) ? s->run->hosts[host].step : 0,
                                               .until_ms = until_ms};
}

void tg_step_set_text(struct tg_step *s, char **where, const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        s->failed = true;
    free(*where);
    *where = copy;
}

/* ---- counting ---- */

size_t tg_stage_done(const struct tg_run_stage *stage)
{
    return stage->counts[TG_HOST_DONE] + stage->stuck_done + stage->counts[TG_HOST_WITHDRAWN] + stage->counts[TG_HOST_RETURNED];
}

size_t tg_run_done(const struct tg_run *run)
{
    size_t n = 0;

    for (size_t i = 0; i < run->plan->n_stages; i++)
        n += tg_stage_done(&run->stages[i]);
    return n;
}

/* ---- hosts ---- */

bool tg_run_is_stopping(const struct tg_run *run)
{
    return run->state != TG_RUN_ACTIVE;
}

/* Ends that are none: behind the unlocking it waits, or is verified once more. */
static bool comes_back(enum tg_host_state end)
{
    return end == TG_HOST_WAITING || end == TG_HOST_UNDECIDED;
}

static bool leaves(enum tg_host_state state)
{
    return state == TG_HOST_UNDOING || state == TG_HOST_UNDO_WAITING || state == TG_HOST_UNLOCKING;
}

static void move_host(struct tg_run *run, size_t i, enum tg_host_state to, bool was_down)
{
    struct tg_run_host *h = &run->hosts[i];
    struct tg_run_stage *stage = &run->stages[h->stage];

    run->totals[h->state]--;
    stage->counts[h->state]--;
    run->in_work -= tg_host_state_is_work(h->state);
    run->in_flight -= in_flight(h->state);
    stage->stuck_done -= h->state == TG_HOST_STUCK && h->end == TG_HOST_DONE;
    tg_policy_count(run, h, -1);
    stage->returning -= leaves(h->state) && comes_back(h->end);
    tg_window_count(run, i, -1);
    h->state = to;
    tg_window_count(run, i, 1);
    run->totals[to]++;
    stage->counts[to]++;
    run->in_work += tg_host_state_is_work(to);
    run->in_flight += in_flight(to);
    stage->stuck_done += to == TG_HOST_STUCK && h->end == TG_HOST_DONE;
    tg_policy_count(run, h, 1);
    stage->returning += leaves(to) && comes_back(h->end);
    tg_queue_moved(run, i, was_down);
}

void tg_run_place(struct tg_run *run, size_t host, enum tg_host_state state)
{
    move_host(run, host, state, false);
}

/* A bake is still ahead of this host: only in the stage that is running, and not for one that was lost and came back later. */
static bool will_bake(const struct tg_run *run, const struct tg_run_host *h)
{
    return run->plan->stages[h->stage].bake_ms > 0 && h->stage == run->stage && run->stages[h->stage].state == TG_STAGE_RUNNING;
}

static void remember(struct tg_step *s, struct tg_run_host *h, const struct tg_run_event *ev)
{
    if ((ev->text && !tg_around_is_event(ev->kind)) || ev->kind == TG_EV_START || ev->kind == TG_EV_START_DRY || ev->kind == TG_EV_LOCKED)
        tg_step_set_text(s, &h->text, ev->text);
    if (ev->kind == TG_EV_LOCKED || (ev->kind == TG_EV_NO_ROOM && h->state == TG_HOST_LOCKING))
        tg_step_set_text(s, &h->lock, ev->lock);
    if (ev->kind == TG_EV_UNLOCKED || ev->kind == TG_EV_LOCK_REFUSED)
        tg_step_set_text(s, &h->lock, NULL);
    if (ev->kind == TG_EV_APPLIED || ev->kind == TG_EV_FAILED || ev->kind == TG_EV_HELD || ev->kind == TG_EV_UNPROVEN) {
        h->outcome = ev->outcome;
        h->changed = ev->changed;
    }
    if (ev->kind == TG_EV_AWAY)
        h->away++;
    if (ev->kind == TG_EV_BUSY)
        h->attempt++; /* its answer is recorded on the host under this attempt: the next try is another step */
    if (ev->kind == TG_EV_RETURN)
        h->looked = ev->vouched;
    if (ev->kind == TG_EV_REOPEN) {
        h->reopened = true;
        tg_step_set_text(s, &h->text, NULL);
    }
    if (ev->kind == TG_EV_START || ev->kind == TG_EV_START_DRY) {
        h->started_ms = s->now_ms;
        h->begun++;
        h->away = 0;
    }
}

/* Since when there is no verdict, and whether a person has looked meanwhile. */
static void remember_verdict(struct tg_step *s, struct tg_run_host *h, enum tg_host_state next)
{
    bool begins = next == TG_HOST_VERIFYING || next == TG_HOST_PROVING;

    if (begins && h->state != next && h->state != TG_HOST_DECIDING)
        h->since_ms = s->now_ms;
    if (begins && h->state == TG_HOST_UNDECIDED)
        h->looked = true;
}

/* 0, or TG_E_DATA for an event that answers nothing. */
static int host_event(struct tg_step *s, size_t i, const struct tg_run_event *ev, struct tg_error *e)
{
    struct tg_run *run = s->run;
    struct tg_run_host *h = &run->hosts[i];
    struct tg_run_event as = *ev;
    enum tg_pair pair;

    if (as.kind == TG_EV_BUSY && h->attempt >= TG_RUN_ATTEMPTS_MAX && h->state != TG_HOST_DRY_RUNNING)
        as.kind = TG_EV_HELD;
    if (as.kind == TG_EV_NOT_SENT && h->state == TG_HOST_APPLYING && h->away < run->plan->retries)
        as.kind = TG_EV_AWAY;
    if (as.kind == TG_EV_LOCKED && tg_queue_is_crowded(run, i))
        as.kind = TG_EV_NO_ROOM;
    if (as.kind == TG_EV_GO && h->state == TG_HOST_CHECKING && tg_window_is_closed_for(run, i))
        as.kind = TG_EV_NO_ROOM;
    if (as.kind == TG_EV_INCONCLUSIVE && (h->state == TG_HOST_VERIFYING || h->state == TG_HOST_PROVING))
        as.kind = tg_policy_inconclusive(run, h, s->now_ms);
    if (as.kind == TG_EV_DOUBT)
        s->doubt = i;
    as.kind = tg_around_kind(run, h, as.kind);
    if (as.kind == TG_EV_KEEP)
        tg_around_keep(s, h, ev);
    if (as.kind == TG_EV_GONE || as.kind == TG_EV_BACK)
        tg_queue_gone(run, i, as.kind == TG_EV_GONE);
    const struct tg_host_rule *rule = tg_host_rule_find(h->state, as.kind, &pair);
    if (!rule) {
        if (pair == TG_PAIR_IGNORED)
            return 0;
        return tg_fail(e, TG_E_DATA, "\"%s\" for %s, which is %s", tg_run_event_name(as.kind), run->plan->hosts[i].name,
                       tg_host_state_name(h->state));
    }
    bool stop = tg_run_is_stopping(run) || (as.kind == TG_EV_VERIFIED && h->state == TG_HOST_VERIFYING && !will_bake(run, h));
    enum tg_host_state next = stop ? rule->stopping.next : rule->active.next;
    enum tg_run_action_kind action = stop ? rule->stopping.action : rule->active.action;
    bool out = next == TG_HOST_UNLOCKING && !leaves(h->state) && h->state != TG_HOST_STUCK, was_down = tg_run_is_down(run, h);
    if (out)
        h->end = stop ? rule->stopping.end : rule->active.end;
    remember(s, h, &as);
    remember_verdict(s, h, next);
    tg_around_remember(s, h, ev, as.kind);
    if (as.kind == TG_EV_UNLOCKED)
        next = h->stuck ? TG_HOST_STUCK : h->end;
    if ((next == TG_HOST_UNLOCKING || next == TG_HOST_UNDOING) && tg_around_to_undo(s, h, out)) {
        next = TG_HOST_UNDOING;
        action = TG_DO_UNDO;
    }
    move_host(run, i, next, was_down);
    if (next == TG_HOST_TO_RETURN && i < run->bring)
        run->bring = i;
    if (tg_host_state_is_end(next))
        h->ended_ms = s->now_ms;
    tg_step_add(s, action, i, h->stage, action == TG_DO_RETRY ? tg_policy_retry_ms(run, h, as.kind, s->now_ms) : 0);
    return 0;
}

void tg_step_tell_host(struct tg_step *s, size_t i, enum tg_run_event_kind kind, const char *why)
{
    struct tg_run_event ev = {.kind = kind, .at_ms = s->now_ms, .host = i, .stage = TG_RUN_NONE, .text = why};
    int rc = host_event(s, i, &ev, NULL);

    assert(!rc); /* the tables have every pair of what we send ourselves */
    (void) rc;
}

/* All of them; most of a large run have ended or wait, and for them it is nothing. */
static void tell_hosts(struct tg_step *s, enum tg_run_event_kind kind)
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
            tg_step_tell_host(s, i, kind, NULL);
}

/* ---- stages ---- */

static int stage_event(struct tg_step *s, size_t i, enum tg_run_event_kind kind, struct tg_error *e)
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
    if (kind == TG_EV_AGAIN)
        stage->baked = false;
    if (stage->state == TG_STAGE_DONE)
        stage->ended_ms = s->now_ms;
    tg_step_add(s, rule->action, TG_RUN_NONE, i, stage->bake_until_ms);
    if (kind != TG_EV_BAKED)
        return 0;
    stage->baked = true;
    for (size_t h = p->first; h < p->first + p->count; h++)
        if (run->hosts[h].state == TG_HOST_BAKING)
            tg_step_tell_host(s, h, TG_EV_BAKE_ENDED, NULL);
    return 0;
}

void tg_step_tell_stage(struct tg_step *s, size_t i, enum tg_run_event_kind kind)
{
    int rc = stage_event(s, i, kind, NULL);

    assert(!rc);
    (void) rc;
}

/* ---- the run ---- */

static int run_event(struct tg_step *s, enum tg_run_event_kind kind, struct tg_error *e)
{
    struct tg_run *run = s->run;
    enum tg_pair pair;
    const struct tg_run_rule *rule = tg_run_rule_find(run->state, kind, &pair);

    if (!rule)
        return pair == TG_PAIR_IGNORED
                   ? 0
                   : tg_fail(e, TG_E_DATA, "\"%s\" for a run that is %s", tg_run_event_name(kind), tg_run_state_name(run->state));
    if (kind == TG_EV_GAVE_UP && !tg_policy_gives_up(run, s->now_ms))
        return 0; /* somebody was faster */
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
    if (rule->what & TG_RUN_SAY_GO_ON && run->causes & TG_CAUSE_AROUND)
        tg_around_reopen(s);
    if ((rule->what & (TG_RUN_SAY_RESUMED | TG_RUN_SAY_GO_ON)) && !tg_run_is_stopping(run))
        for (size_t i = 0; i < run->plan->n_stages; i++)
            tg_step_tell_stage(s, i, TG_EV_RESUMED);
    if (rule->what & (TG_RUN_SAY_REST | TG_RUN_SAY_END))
        tg_step_add(s, rule->what & TG_RUN_SAY_REST ? TG_DO_REST : TG_DO_END, TG_RUN_NONE, TG_RUN_NONE, 0);
    if ((rule->what & TG_RUN_SAY_RESUMED) && run->give_up_ms)
        tg_step_add(s, TG_DO_GIVE_UP, TG_RUN_NONE, TG_RUN_NONE, run->give_up_ms);
    return 0;
}

void tg_step_tell_run(struct tg_step *s, enum tg_run_event_kind kind)
{
    int rc = run_event(s, kind, NULL);

    assert(!rc);
    (void) rc;
}

void tg_step_halt(struct tg_step *s, const char *why)
{
    tg_step_set_text(s, &s->run->why, why);
    tg_step_tell_run(s, TG_EV_HALT);
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
    if (tg_around_is_event(ev->kind) && (ev->step < 1 || (size_t) ev->step >= run->plan->n_around))
        return tg_fail(e, TG_E_DATA, "\"%s\" for step %d of around, of %zu", tg_run_event_name(ev->kind), ev->step, run->plan->n_around);
    if (tg_around_is_event(ev->kind) && ev->kind != TG_EV_KEEP && !tg_around_is_at(&run->hosts[ev->host], ev->step))
        return tg_fail(e, TG_E_DATA, "\"%s\" for step %d of around of %s, which is at %d", tg_run_event_name(ev->kind), ev->step, run->plan->hosts[ev->host].name,
                       run->hosts[ev->host].step);
    if (of == TG_OF_STAGE && ev->stage >= run->plan->n_stages)
        return tg_fail(e, TG_E_DATA, "\"%s\" for stage %zu of %zu", tg_run_event_name(ev->kind), ev->stage, run->plan->n_stages);
    if (of == TG_OF_DOMAIN && ev->domain >= run->plan->n_domains)
        return tg_fail(e, TG_E_DATA, "\"%s\" for domain %zu of %zu", tg_run_event_name(ev->kind), ev->domain, run->plan->n_domains);
    if (of == TG_OF_WINDOW && ev->domain >= run->plan->n_windows)
        return tg_fail(e, TG_E_DATA, "\"%s\" for window %zu of %zu", tg_run_event_name(ev->kind), ev->domain, run->plan->n_windows);
    if (run->state == TG_RUN_NEW && of != TG_OF_RUN)
        return tg_fail(e, TG_E_DATA, "\"%s\" for a run that has not begun", tg_run_event_name(ev->kind));
    return 0;
}

static void forget_hold(struct tg_step *s)
{
    s->run->causes = 0;
    s->run->give_up_ms = 0;
    tg_step_set_text(s, &s->run->hold_why, NULL);
    tg_step_set_text(s, &s->run->hold_by, NULL);
}

static void remember_run(struct tg_step *s, const struct tg_run_event *ev, bool was_aborted, bool was_halted)
{
    struct tg_run *run = s->run;
    char why[480];

    if (ev->kind == TG_EV_BEGIN || ev->kind == TG_EV_RESUME || ev->kind == TG_EV_SEATED)
        run->epoch = ev->epoch;
    if (ev->kind == TG_EV_OPENED || ev->kind == TG_EV_CLOSED)
        tg_run_take_hours(run, ev);
    if (ev->kind == TG_EV_GAVE_UP && !was_halted && run->halted)
        tg_step_set_text(s, &run->why, tg_policy_say_gave_up(run, why, sizeof why));
    if (!run->started_ms)
        run->started_ms = s->now_ms;
    if (run->aborted && !was_aborted) {
        tg_step_set_text(s, &run->why, ev->text ? ev->text : "");
        tg_step_set_text(s, &run->by, ev->by);
    }
    if (ev->kind == TG_EV_HOLD && (run->state == TG_RUN_HOLDING || run->state == TG_RUN_HELD)) {
        run->causes |= ev->cause;
        run->holds++;
        tg_step_set_text(s, &run->hold_why, ev->text ? ev->text : "");
        tg_step_set_text(s, &run->hold_by, ev->by);
    }
}

static void domain_event(struct tg_step *s, const struct tg_run_event *ev)
{
    if (ev->kind == TG_EV_OUTSIDE) {
        tg_queue_outside(s->run, ev->domain, ev->count);
        tg_step_set_text(s, &s->run->domains[ev->domain].whose, ev->count ? ev->text : NULL);
        return;
    }
    tg_queue_outside_gone(s->run, ev->domain, ev->count);
    tg_step_set_text(s, &s->run->domains[ev->domain].who_gone, ev->count ? ev->text : NULL);
}

int tg_run_step(struct tg_run *run, const struct tg_run_event *ev, struct tg_run_actions *out, struct tg_error *e)
{
    struct tg_step s = {.run = run, .out = out, .now_ms = ev->at_ms, .stage = TG_RUN_NONE, .doubt = TG_RUN_NONE};
    bool was_aborted = run->aborted, was_halted = run->halted;
    enum tg_run_subject of = tg_run_event_subject(ev->kind);
    int rc = check(run, ev, e);

    if (!rc && of == TG_OF_HOST)
        s.stage = run->hosts[ev->host].stage;
    if (!rc && of == TG_OF_HOST)
        rc = host_event(&s, ev->host, ev, e);
    else if (!rc && of == TG_OF_STAGE)
        rc = stage_event(&s, ev->stage, ev->kind, e);
    else if (!rc && of == TG_OF_DOMAIN)
        domain_event(&s, ev);
    else if (!rc && ev->kind == TG_EV_WINDOW_SKIPPED)
        tg_window_skipped(&s, ev);
    else if (!rc && of == TG_OF_WINDOW)
        tg_window_told(&s, ev);
    else if (!rc)
        rc = run_event(&s, ev->kind, e);
    if (rc)
        return rc;
    run->last_ms = ev->at_ms;
    if (ev->kind < TG_EV_BAKED)
        remember_run(&s, ev, was_aborted, was_halted);
    if (ev->kind == TG_EV_APPROVED && !run->stages[ev->stage].approved) {
        run->stages[ev->stage].approved = true;
        tg_step_set_text(&s, &run->stages[ev->stage].approved_by, ev->by);
    }
    if (ev->kind == TG_EV_UNLOCKED && run->hosts[ev->host].state == TG_HOST_UNDECIDED && !tg_run_is_stopping(run))
        tg_step_tell_host(&s, ev->host, TG_EV_RECHECK, NULL); /* somebody said "go on" before it was unlocked */
    if (ev->kind == TG_EV_RETURN)
        tg_step_tell_run(&s, TG_EV_UNSETTLED);
    tg_step_settle(&s);
    if (run->causes && run->state != TG_RUN_HOLDING && run->state != TG_RUN_HELD)
        forget_hold(&s);
    return s.failed ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}
