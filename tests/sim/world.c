/* The simulated fleet: see world.h. */
#include "world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64 */
uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

bool rng_chance(struct rng *r, unsigned percent)
{
    return rng_below(r, 100) < percent;
}

void world_violation(struct world *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("  violation: ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    w->violations++;
}

/* ---- tasks: an action on its way to a host, and its answer on the way back ---- */

struct sim_task {
    struct sim_task *next;
    struct world *world;
    struct tg_timer *timer;
    struct tg_drive *drive;     /* who asked; NULL: gone */
    struct tg_run_action action;
    struct tg_run_event answer;
    int64_t epoch;
    char record[40], lock[TG_HOLD_ID_SIZE];
    bool arrived;
    bool no_answer;
};

static int64_t now_ms(const struct world *w)
{
    return tg_mono_ms(tg_loop_clock(w->loop));
}

static void unlink_task(struct sim_task *t)
{
    struct sim_task **at = &t->world->tasks;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    tg_timer_free(t->timer);
    free(t);
}

static struct step_record *step_of(struct world *w, const struct tg_run_action *a)
{
    return &w->hosts[a->host].steps[a->attempt % STEPS_MAX];
}

size_t world_running(const struct world *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->plan->n_hosts; i++)
        for (size_t k = 0; k < STEPS_MAX; k++)
            n += w->hosts[i].steps[k].state == STEP_RUNNING;
    return n;
}

static void end_due_steps(struct world *w)
{
    for (size_t i = 0; i < w->plan->n_hosts; i++)
        for (size_t k = 0; k < STEPS_MAX; k++) {
            struct step_record *s = &w->hosts[i].steps[k];
            if (s->state == STEP_RUNNING && s->ends_ms <= now_ms(w))
                s->state = STEP_ENDED;
        }
}

static size_t unverified(const struct world *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->plan->n_hosts; i++)
        n += w->hosts[i].changed && !w->hosts[i].judged;
    return n;
}

/* The step begins on the host, unless it has before. */
static void start_step(struct world *w, const struct tg_run_action *a)
{
    struct sim_host *h = &w->hosts[a->host];
    struct step_record *s = step_of(w, a);
    const char *name = w->plan->hosts[a->host].name;

    if (s->state != STEP_ABSENT)
        return;
    *s = (struct step_record) {.state = STEP_RUNNING, .end = h->script.end, .ends_ms = now_ms(w) + h->script.lasts_ms};
    if (h->script.busy > 0) {
        h->script.busy--;
        s->end = TG_EV_BUSY;
    }
    if (s->end == TG_EV_BUSY || s->end == TG_EV_HELD)
        return; /* it touched nothing */
    h->changed++;
    if (h->changed > 1)
        world_violation(w, "P7: %s was changed %d times", name, h->changed);
    if (!h->locked)
        world_violation(w, "P5: %s was changed without its lock", name);
    if (h->script.guard == TG_EV_NO_GO)
        world_violation(w, "P5: %s was changed, and the guard had not said GO", name);
    world_judge_change(w, a->host);
    world_judge_out(w, a->host, "a change");
    if (world_running(w) > (size_t) w->plan->running)
        world_violation(w, "P5: %zu steps run at once, at most %lld may", world_running(w), (long long) w->plan->running);
    if (unverified(w) > (size_t) w->plan->unverified)
        world_violation(w, "P5: %zu hosts are changed and not verified, at most %lld may be", unverified(w), (long long) w->plan->unverified);
    world_judge_domains(w, a->host);
    world_judge_window(w, a->host);
}

static bool is_away(struct world *w, const struct sim_host *h)
{
    return !w->healed && rng_chance(&w->rng, h->script.away_percent);
}

static bool is_lost(struct world *w, const struct sim_host *h)
{
    return !w->healed && rng_chance(&w->rng, h->script.lose_percent);
}

/* An apply or a look arrives at its host. Sets the answer; its time is that of the step's end. */
static void arrive_step(struct world *w, struct sim_task *t)
{
    struct sim_host *h = &w->hosts[t->action.host];
    struct step_record *s = step_of(w, &t->action);
    bool look = t->action.kind == TG_DO_LOOK;

    if (is_away(w, h)) {
        t->answer.kind = look ? TG_EV_LOST : TG_EV_NOT_SENT;
        tg_timer_start(t->timer, 50);
        return;
    }
    if (t->epoch < h->epoch) {
        t->no_answer = true; /* fenced: the driver that asked is gone, or about to be told */
        tg_timer_start(t->timer, 0);
        return;
    }
    h->epoch = t->epoch;
    if (!look)
        start_step(w, &t->action);
    t->answer.kind = s->state == STEP_ABSENT ? TG_EV_ABSENT : s->end;
    if (is_lost(w, h))
        t->answer.kind = TG_EV_LOST;
    int64_t wait = s->state == STEP_RUNNING && t->answer.kind != TG_EV_LOST ? s->ends_ms - now_ms(w) : 0;
    tg_timer_start(t->timer, wait + 1 + (int64_t) rng_below(&w->rng, 40));
}

void world_judge_unlocking(struct world *w, size_t host)
{
    end_due_steps(w);
    for (size_t k = 0; k < STEPS_MAX; k++)
        if (w->hosts[host].steps[k].state == STEP_RUNNING)
            world_violation(w, "P8: %s was unlocked while its step runs", w->plan->hosts[host].name);
    world_judge_unlock(w, host);
}

static void arrive_unlock(struct world *w, struct sim_task *t)
{
    struct sim_host *h = &w->hosts[t->action.host];

    if (!w->healed && rng_chance(&w->rng, h->script.unlock_fails_percent)) {
        t->answer.kind = TG_EV_UNLOCK_FAILED;
    } else {
        world_judge_unlocking(w, t->action.host);
        h->locked = false;
        t->answer.kind = TG_EV_UNLOCKED;
    }
    tg_timer_start(t->timer, 1);
}

/* What is in force is no more: a warning. */
static void warn(struct world *w, struct tg_drive *drive)
{
    if (w->plan->n_around > 1 && !w->healed && rng_chance(&w->rng, 2))
        tg_drive_answer(drive, &(struct tg_run_event) {.kind = TG_EV_KEEP, .host = rng_below(&w->rng, w->plan->n_hosts), .stage = TG_RUN_NONE, .step = 1, .text = "a person was here"});
}

static int turn(void *data, struct tg_drive *drive, struct tg_error *e)
{
    struct world *w = data;

    warn(w, drive);
    world_others_turn(w, drive, now_ms(w));
    world_windows_look(w, drive);
    return world_bob_turn(w, e);
}

static void arrive(struct world *w, struct sim_task *t)
{
    struct sim_host *h = &w->hosts[t->action.host];

    end_due_steps(w);
    t->arrived = true;
    h->judged |= t->action.kind == TG_DO_UNLOCK || t->action.kind == TG_DO_UNDO; /* it is said how it ended */
    if (t->action.kind == TG_DO_APPLY && world_around_forgets(w, &t->action, &t->answer)) {
        tg_timer_start(t->timer, 1 + (int64_t) rng_below(&w->rng, 60));
        return;
    }
    if (t->action.kind == TG_DO_APPLY || t->action.kind == TG_DO_LOOK) {
        arrive_step(w, t);
        return;
    }
    if (t->action.kind == TG_DO_UNLOCK) {
        arrive_unlock(w, t);
        return;
    }
    if (tg_run_action_has_step(t->action.kind)) {
        tg_timer_start(t->timer, world_around_arrives(w, &t->action, &t->answer));
        if (t->answer.record) {
            snprintf(t->record, sizeof t->record, "%s", t->answer.record);
            t->answer.record = t->record;
        }
        return;
    }
    if (t->action.kind == TG_DO_LOCK) {
        t->answer.kind = h->script.lock;
        t->answer.lock = "L00001";
        h->locked |= h->script.lock == TG_EV_LOCKED;
    }
    if (t->action.kind == TG_DO_CHECK)
        t->answer.kind = h->script.guard;
    if (t->action.kind == TG_DO_DRY_RUN)
        t->answer.kind = is_away(w, h) ? TG_EV_NOT_SENT : is_lost(w, h) ? TG_EV_LOST : h->script.dry;
    if (t->action.kind == TG_DO_VERIFY) {
        if (h->script.verify == TG_EV_INCONCLUSIVE && h->script.unclear && --h->script.unclear == 0)
            h->script.verify = h->script.unclear_then;
        t->answer.kind = h->script.verify;
        h->verified = h->script.verify == TG_EV_VERIFIED;
    }
    tg_timer_start(t->timer, 1 + (int64_t) rng_below(&w->rng, t->action.kind == TG_DO_VERIFY ? (uint64_t) h->script.verdict_ms : 60));
}

/* What an answer proves, whether or not anybody lives to hear it. */
static void tell_world(struct world *w, struct sim_host *h, const struct sim_task *t)
{
    h->judged |= t->action.kind == TG_DO_VERIFY;
    h->strayed |= t->answer.kind == TG_EV_LOST || t->answer.kind == TG_EV_UNLOCK_FAILED || (t->action.kind == TG_DO_UNDO && t->answer.kind != TG_EV_UNDONE);
    if (t->answer.kind == TG_EV_VERIFIED && !h->verified_ms)
        h->verified_ms = tg_wall_ms(tg_loop_clock(w->loop));
    bool forgotten = t->answer.kind == TG_EV_FOUND && t->action.kind == TG_DO_APPLY; /* found before it was sent */
    if ((t->answer.kind == TG_EV_ABSENT || t->answer.kind == TG_EV_NOT_SENT || forgotten) && !t->no_answer)
        h->sent = 0;
}

static void on_timer(void *data)
{
    struct sim_task *t = data;
    struct world *w = t->world;

    if (!t->arrived) {
        arrive(w, t);
        return;
    }
    end_due_steps(w);
    tell_world(w, &w->hosts[t->action.host], t);
    bool refused = t->answer.kind == TG_EV_NO_GO || t->answer.kind == TG_EV_LOCK_REFUSED || t->answer.kind == TG_EV_AROUND_REFUSED;
    t->answer.text = t->answer.kind == TG_EV_FAILED ? "it failed" : refused ? "it was refused" : t->answer.kind == TG_EV_AROUND_LOST || t->answer.kind == TG_EV_AROUND_AWAY ? "no answer" : NULL;
    if (t->action.kind == TG_DO_LOCK && t->drive)
        world_others_locked(w, t->drive, t->action.host);
    if (t->action.kind == TG_DO_LOCK || t->action.kind == TG_DO_CHECK)
        (void) world_windows_refuse(w, t->drive, t->action.host);
    if (t->drive && !t->no_answer)
        tg_drive_answer(t->drive, &t->answer);
    unlink_task(t);
}

static bool is_start(enum tg_run_action_kind kind)
{
    return kind == TG_DO_LOCK || kind == TG_DO_AROUND || kind == TG_DO_APPLY || kind == TG_DO_DRY_RUN;
}

/* Before anything is done. refused: it is not to be begun now. */
static void judge_begin(struct world *w, const struct tg_run_action *action, bool refused)
{
    struct sim_host *h = &w->hosts[action->host];
    const char *name = w->plan->hosts[action->host].name, *what = tg_run_action_name(action->kind);

    if (is_start(action->kind) && h->start_too_late)
        world_violation(w, "P10: %s: %s was begun after the abort, or in a pause", name, what);
    if (h->intent != action->kind)
        world_violation(w, "P7: %s: %s was begun, and its intent is not in the journal", name, what);
    if (action->kind == TG_DO_APPLY && h->sent == action->attempt)
        world_violation(w, "P7: %s: attempt %d is sent once more, and nobody has looked", name, action->attempt);
    if (action->kind == TG_DO_APPLY || action->kind == TG_DO_AROUND)
        world_judge_out(w, action->host, what);
    if (action->kind == TG_DO_APPLY && !refused)
        h->sent = action->attempt;
    if (!refused)
        world_around_begins(w, action);
}

/* Locks that are real are taken, asked after and released here and now. */
static int begin_task(struct world *w, struct sim_task *t, bool refused, struct tg_error *e)
{
    bool locks = world_locks_does(w, t->action.kind);
    int rc = tg_timer_new(w->loop, on_timer, t, &t->timer, e);

    if (!rc && locks)
        rc = world_locks_begin(w, &t->action, &t->answer, t->lock, e);
    if (rc)
        return rc;
    w->hosts[t->action.host].judged |= locks && t->action.kind == TG_DO_UNLOCK; /* it is said how it ended */
    t->arrived = locks || refused;
    if (refused) { /* it was never begun */
        t->answer.kind = TG_EV_WITHDRAWN;
        t->answer.step = t->action.step;
    }
    t->next = w->tasks;
    w->tasks = t;
    tg_timer_start(t->timer, refused ? 0 : 1 + (int64_t) rng_below(&w->rng, 30));
    return 0;
}

static int begin(void *data, struct tg_drive *drive, const struct tg_run_action *action, struct tg_error *e)
{
    struct world *w = data;
    struct sim_task *t = calloc(1, sizeof *t);
    bool refused = (action->kind == TG_DO_APPLY || action->kind == TG_DO_AROUND) && world_windows_refuse(w, drive, action->host);

    if (!t)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    judge_begin(w, action, refused);
    *t = (struct sim_task) {.world = w, .drive = drive, .action = *action, .epoch = w->epoch,
                            .answer = {.host = action->host, .stage = TG_RUN_NONE, .outcome = TG_OUTCOME_CHANGED, .changed = 1}};
    int rc = begin_task(w, t, refused, e);
    if (rc) {
        tg_timer_free(t->timer);
        free(t);
    }
    return rc;
}

/* The driver is gone: what it sent before is on its way all the same. What it did itself (locks, probes) is not. */
static void drop(void *data)
{
    struct world *w = data;

    for (struct sim_task *t = w->tasks, *next; t; t = next) {
        next = t->next;
        t->drive = NULL;
        bool sent = t->action.kind == TG_DO_APPLY || t->action.kind == TG_DO_LOOK;
        if (!t->arrived && tg_run_action_has_step(t->action.kind) && rng_chance(&w->rng, 50))
            arrive(w, t); /* its last words were heard */
        if (!sent && !t->arrived)
            unlink_task(t);
    }
}

static enum tg_run_action_kind kind_of(const char *name)
{
    int kind = 0;

    while (kind + 1 < TG_DO_COUNT && strcmp(tg_run_action_name((enum tg_run_action_kind) kind), name) != 0)
        kind++;
    return (enum tg_run_action_kind) kind;
}

void world_line(struct world *w, const struct tg_run *run, const json_t *line)
{
    const char *act = json_string_value(json_object_get(line, "do"));
    const json_t *host = json_object_get(line, "h");

    if (w->verbose) {
        char *text = json_dumps(line, JSON_COMPACT);
        printf("  %s\n", text);
        free(text);
    }
    if (w->epoch < w->seated && json_integer_value(json_object_get(line, "n")) > w->seated_lines)
        world_violation(w, "P6: epoch %lld wrote to the journal, after epoch %lld had taken the seat", (long long) w->epoch, (long long) w->seated);
    const char *ev = json_string_value(json_object_get(line, "ev"));
    if (ev && host && strcmp(ev, "inconclusive") == 0) {
        const struct tg_run_host *h = &run->hosts[json_integer_value(host)];
        if (h->state == TG_HOST_UNLOCKING && h->end == TG_HOST_UNDECIDED && run->state == TG_RUN_ACTIVE)
            world_violation(w, "P12: %s has no verdict, and the run goes on", json_string_value(json_object_get(line, "host")));
    }
    world_windows_line(w, line);
    if (host)
        world_around_line(w, line, (size_t) json_integer_value(host));
    if (!act || !host)
        return;
    w->hosts[json_integer_value(host)].intent = kind_of(act);
    int64_t at = json_integer_value(json_object_get(line, "at"));
    struct sim_host *of = &w->hosts[json_integer_value(host)];
    if (!of->first_ms)
        of->first_ms = at;
    of->last_ms = run->hosts[json_integer_value(host)].started_ms;
    bool start = strcmp(act, "lock") == 0 || strcmp(act, "around") == 0 || strcmp(act, "apply") == 0 || strcmp(act, "dry-run") == 0;
    if (!start)
        return;
    size_t stage = run->hosts[json_integer_value(host)].stage;
    if (w->plan->stages[stage].policy.approve && !w->approved[stage])
        world_violation(w, "P5: %s of %s was journalled before anybody had approved it", act, w->plan->stages[stage].name);
    world_judge_bounds(w, run);
    if (run->state == TG_RUN_ACTIVE && run->totals[TG_HOST_UNDECIDED])
        world_violation(w, "P12: %s %s, and %zu hosts are undecided", act, json_string_value(json_object_get(line, "host")), run->totals[TG_HOST_UNDECIDED]);
    w->hosts[json_integer_value(host)].start_too_late = w->aborted || w->paused;
    if (w->paused && run->state == TG_RUN_ACTIVE)
        world_violation(w, "P10: the intent to %s %s was committed in a pause", act, json_string_value(json_object_get(line, "host")));
    if (w->aborted && run->state == TG_RUN_ACTIVE) /* in another state it is withdrawn in the same commit; begin() sees to that */
        world_violation(w, "P10: the intent to %s %s was committed after the abort", act, json_string_value(json_object_get(line, "host")));
}

/* ---- scripts ---- */

static enum tg_run_event_kind mostly(struct rng *r, unsigned percent, enum tg_run_event_kind good, enum tg_run_event_kind bad)
{
    return rng_chance(r, percent) ? good : bad;
}

static void write_script(struct rng *r, struct host_script *s, unsigned trouble)
{
    static const enum tg_run_event_kind bad_ends[] = {TG_EV_FAILED, TG_EV_UNPROVEN, TG_EV_HELD};

    *s = (struct host_script) {.lose_percent = (unsigned) rng_below(r, trouble + 1),
                               .away_percent = (unsigned) rng_below(r, trouble + 1),
                               .busy = rng_chance(r, trouble) ? 1 + (int) rng_below(r, 3) : 0,
                               .end = mostly(r, 100 - trouble / 2, TG_EV_APPLIED, bad_ends[rng_below(r, 3)]),
                               .lock = mostly(r, 100 - trouble / 4, TG_EV_LOCKED, TG_EV_LOCK_REFUSED),
                               .guard = mostly(r, 100 - trouble / 4, TG_EV_GO, TG_EV_NO_GO),
                               .verify = mostly(r, 100 - trouble / 2, TG_EV_VERIFIED, mostly(r, 50, TG_EV_NOT_VERIFIED, TG_EV_INCONCLUSIVE)),
                               .unclear = (int) rng_below(r, 5),
                               .unclear_then = mostly(r, 70, TG_EV_VERIFIED, TG_EV_NOT_VERIFIED),
                               .dry = mostly(r, 100 - trouble / 4, TG_EV_APPLIED, TG_EV_FAILED),
                               .unlock_fails_percent = (unsigned) rng_below(r, trouble / 4 + 1),
                               .lasts_ms = 10 + (int64_t) rng_below(r, 400),
                               .verdict_ms = 60 << rng_below(r, 6)};
}

int world_init(struct world *w, uint64_t seed, struct tg_loop *loop, const struct tg_plan *plan)
{
    *w = (struct world) {.rng = {seed}, .loop = loop, .plan = plan, .hosts = calloc(plan->n_hosts + 1, sizeof *w->hosts)};
    w->ports = (struct tg_drive_ports) {.data = w, .begin = begin, .turn = turn, .drop = drop};
    if (!w->hosts || world_others_init(w))
        return TG_E_MEMORY;
    unsigned trouble = (unsigned) (rng_below(&w->rng, 4) * 12); /* some fleets are well */
    for (size_t i = 0; i < plan->n_hosts; i++)
        write_script(&w->rng, &w->hosts[i].script, trouble);
    for (size_t i = 0; i < plan->n_hosts && plan->n_around > 1; i++)
        world_around_script(w, &w->hosts[i], trouble);
    w->dead = plan->n_around > 1 && rng_chance(&w->rng, 10);
    return 0;
}

void world_settle(struct world *w)
{
    while (w->tasks)
        tg_loop_turn(w->loop, 1000);
    int64_t end = now_ms(w) + 1000;
    while (now_ms(w) < end)
        tg_loop_turn(w->loop, end - now_ms(w));
    end_due_steps(w);
}

void world_release(struct world *w)
{
    while (w->tasks)
        unlink_task(w->tasks);
    world_windows_close(w);
    world_locks_close(w);
    tg_holds_free(w->bob);
    free(w->hosts);
    free(w->outside);
    free(w->outside_gone);
}
