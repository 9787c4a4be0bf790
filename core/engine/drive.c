/* The ring around a run's machine: journal first, then act. See drive.h. */
#include "engine/drive.h"
#include "engine/drive_alarms.h"
#include "engine/drive_inbox.h"
#include "engine/run_clock.h"

#include <stdlib.h>
#include <string.h>

#define SESSION_MAX_MS 30000
#define TURN_MS 200 /* a signal is noticed this soon */

struct tg_drive {
    const struct tg_drive_options *o;
    struct tg_loop *loop;
    struct tg_run_clock clock;
    struct tg_inbox inbox;
    struct tg_error failure;     /* from ports */
    bool control_changed, paused;
    bool lease_changed;
    bool folding;                /* there is more of it to do */
    enum tg_run_state heeded;    /* the run's, when what people want was looked at last: what has ended may be held no more */
    struct tg_run_actions todo;  /* journalled from noted on: not yet */
    size_t at, noted;
    int64_t n_lines;             /* of the journal, with those that wait */
    json_t *lines;               /* to be shown once committed */
    struct tg_alarms waits;
};

int64_t tg_drive_now(const struct tg_drive *d)
{
    return tg_run_clock_now(&d->clock, tg_mono_ms(tg_loop_clock(d->loop)), d->o->run->last_ms);
}

/* ---- the inbox ---- */

void tg_drive_answer(struct tg_drive *d, const struct tg_run_event *event)
{
    tg_inbox_put(&d->inbox, event);
}

void tg_drive_fail(struct tg_drive *d, const struct tg_error *error)
{
    if (!d->failure.code)
        d->failure = *error;
}

static void on_control(void *data, enum tg_watch_event event, const char *path)
{
    (void) event;
    (void) path;
    ((struct tg_drive *) data)->control_changed = true;
}

/* ---- the machine ---- */

static int note(struct tg_drive *d, json_t *line, struct tg_error *e)
{
    if (!line || json_array_append(d->lines, line)) {
        json_decref(line);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    d->n_lines++;
    return tg_journal_note(d->o->journal, line, e);
}

static int feed(struct tg_drive *d, struct tg_run_event event, struct tg_error *e)
{
    struct tg_run *run = d->o->run;

    event.at_ms = tg_drive_now(d);
    int rc = tg_run_step(run, &event, &d->todo, e);
    if (!rc)
        rc = note(d, tg_run_event_to_json(run, &event, d->n_lines + 1), e);
    for (; !rc && d->noted < d->todo.n; d->noted++)
        rc = note(d, tg_run_action_to_json(run, &d->todo.items[d->noted], event.at_ms, d->n_lines + 1), e);
    return rc;
}

static int feed_of_run(struct tg_drive *d, struct tg_run_event event, struct tg_error *e)
{
    event.host = event.stage = TG_RUN_NONE;
    return feed(d, event, e);
}

static int feed_run(struct tg_drive *d, enum tg_run_event_kind kind, struct tg_error *e)
{
    return feed(d, (struct tg_run_event) {.kind = kind, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .by = d->o->by, .epoch = d->o->journal->epoch}, e);
}

static bool is_start(enum tg_run_action_kind kind)
{
    return kind == TG_DO_LOCK || kind == TG_DO_AROUND || kind == TG_DO_APPLY || kind == TG_DO_DRY_RUN;
}

/* ---- what people want ---- */

/* Why the run is not to go on now: its own pause first, then one of a scope that it is in. NULL: nothing holds it. */
static const struct tg_wish *wanted_hold(const struct tg_drive *d, enum tg_run_cause *out_cause, const struct tg_scope **out_scope)
{
    const struct tg_journal *j = d->o->journal;
    const struct tg_pause *pause = tg_pauses_hold(&j->pauses, d->o->run);

    *out_scope = NULL;
    *out_cause = TG_CAUSE_COMMAND;
    if (j->control.pause.wanted || !pause)
        return j->control.pause.wanted ? &j->control.pause : NULL;
    *out_cause = TG_CAUSE_SCOPE;
    *out_scope = &pause->scope;
    return &pause->said;
}

static int feed_hold(struct tg_drive *d, const struct tg_wish *wish, enum tg_run_cause cause, const struct tg_scope *scope, struct tg_error *e)
{
    char why[TG_CONTROL_REASON_SIZE + TG_SCOPE_TEXT_SIZE + 8], name[TG_SCOPE_TEXT_SIZE];
    const struct tg_run *run = d->o->run;

    snprintf(why, sizeof why, "%s%s%s", scope ? tg_scope_format(scope, name, sizeof name) : "", scope ? ": " : "", wish->reason);
    bool known = (run->causes & cause) && run->hold_by && strcmp(run->hold_by, wish->by) == 0 && strcmp(run->hold_why, why) == 0;
    if (known)
        return 0;
    return feed_of_run(d, (struct tg_run_event) {.kind = TG_EV_HOLD, .by = wish->by, .text = why, .cause = cause}, e);
}

/* Also those of stages whose turn has not come. */
static int feed_approvals(struct tg_drive *d, struct tg_error *e)
{
    const struct tg_run_control *c = &d->o->journal->control;
    const struct tg_plan *plan = d->o->run->plan;
    int rc = 0;

    for (size_t i = 0; !rc && c->n_approved && i < plan->n_stages; i++) {
        const struct tg_wish *yes = plan->stages[i].policy.approve && !d->o->run->stages[i].approved ? tg_control_approval(c, plan->stages[i].name) : NULL;
        if (yes)
            rc = feed(d, (struct tg_run_event) {.kind = TG_EV_APPROVED, .host = TG_RUN_NONE, .stage = i, .by = yes->by, .text = yes->reason[0] ? yes->reason : NULL}, e);
    }
    return rc;
}

static bool on_hold(const struct tg_run *run)
{
    return run->state == TG_RUN_HOLDING || run->state == TG_RUN_HELD;
}

/* P10: abort first. A hold is journalled once; when every cause has ended the run goes on. */
static int heed_wishes(struct tg_drive *d, struct tg_error *e)
{
    const struct tg_run_control *c = &d->o->journal->control;
    const struct tg_run *run = d->o->run;
    const struct tg_scope *scope;
    enum tg_run_cause cause;


    if (c->abort.wanted && !run->aborted)
        return feed_of_run(d, (struct tg_run_event) {.kind = TG_EV_ABORT, .by = c->abort.by, .text = c->abort.reason}, e);
    int rc = run->halted || run->aborted ? 0 : feed_approvals(d, e);
    if (rc)
        return rc;
    const struct tg_wish *hold = wanted_hold(d, &cause, &scope);
    if (hold && (run->state == TG_RUN_ACTIVE || run->state == TG_RUN_PAUSING || on_hold(run)))
        return feed_hold(d, hold, cause, scope, e);
    bool looked = !(run->causes & TG_CAUSES_TO_LOOK) || (c->resume.wanted && c->resumed_hold == run->holds);
    if (!on_hold(run) || !looked || d->paused)
        return 0;
    return feed_of_run(d, (struct tg_run_event) {.kind = TG_EV_CONTINUE, .by = c->resume.wanted ? c->resume.by : d->o->by}, e);
}

/* Somebody said stop, or too many failed: what has not begun is withdrawn (P10). */
static int withdraw(struct tg_drive *d, struct tg_error *e)
{
    size_t n = d->todo.n;
    int rc = 0;

    if (d->o->run->state == TG_RUN_ACTIVE)
        return 0;
    for (size_t i = d->at; !rc && i < n; i++)
        if (is_start(d->todo.items[i].kind)) {
            rc = feed(d, (struct tg_run_event) {.kind = TG_EV_WITHDRAWN, .host = d->todo.items[i].host, .stage = TG_RUN_NONE}, e);
            d->todo.items[i].kind = TG_DO_NOTHING;
        }
    return rc;
}

static int look_at_control(struct tg_drive *d, struct tg_error *e)
{
    int rc = 0;

    if (!d->control_changed && d->heeded == d->o->run->state)
        return 0;
    if (d->control_changed) {
        d->control_changed = false;
        rc = tg_journal_control(d->o->journal, on_control, d, e);
    }
    d->heeded = d->o->run->state;
    return rc ? rc : heed_wishes(d, e);
}

static int look_at_stops(struct tg_drive *d, struct tg_error *e)
{
    int stops = d->o->stops ? *d->o->stops : 0;

    if (stops > 1)
        return tg_fail(e, TG_E_CANCELLED, "left at your word: what runs on hosts goes on there");
    if (stops == 0 || d->paused)
        return 0;
    d->paused = true;
    return feed_run(d, TG_EV_PAUSE, e);
}

/* The plan's hours open, or close. */
static int look_at_hours(struct tg_drive *d, struct tg_error *e)
{
    const struct tg_clock *clock = tg_loop_clock(d->loop);
    struct tg_run_event event;
    bool any;

    tg_run_clock_look(&d->clock, tg_wall_ms(clock), tg_mono_ms(clock), d->waits.n ? TG_RUN_CLOCK_WAITS : TG_RUN_CLOCK_IDLE);
    int rc = tg_run_clock_hours(&d->clock, d->o->run, d->o->hours ? d->o->hours : tg_hours_at, tg_wall_ms(clock), tg_mono_ms(clock), &any, &event, e);
    return rc || !any ? rc : feed(d, event, e);
}

/* ---- waits ---- */

/* What is due is told. */
static int fire_waits(struct tg_drive *d, struct tg_error *e)
{
    struct tg_run_event event;
    int64_t now = tg_drive_now(d);
    int rc = 0;

    while (!rc && tg_alarms_take(&d->waits, d->o->run, now, &event))
        rc = feed(d, event, e);
    return rc;
}

static int64_t next_wait_ms(const struct tg_drive *d)
{
    int64_t most = d->o->tick_ms ? d->o->tick_ms : 1000;
    int64_t now = tg_drive_now(d), due = tg_run_hours_due_ms(d->o->run);

    if (d->folding)
        return 0;
    if (d->o->stops && most > TURN_MS)
        most = TURN_MS;
    if (due - now < most)
        most = due > now ? due - now : 0;
    return tg_alarms_left_ms(&d->waits, now, most);
}

/* ---- committing and acting ---- */

static int crash(const struct tg_drive *d, int committed, struct tg_error *e)
{
    if (!d->o->crash || !d->o->crash(d->o->data, committed))
        return 0;
    return tg_fail(e, TG_E_BUG, "crashed, as the test wished");
}

static bool any_start(const struct tg_drive *d)
{
    for (size_t i = d->at; i < d->todo.n; i++)
        if (is_start(d->todo.items[i].kind))
            return true;
    return false;
}

static void show_lines(struct tg_drive *d)
{
    const json_t *line;
    size_t i;

    json_array_foreach(d->lines, i, line) {
        if (d->o->on_line)
            d->o->on_line(d->o->data, d->o->run, line);
    }
    json_array_clear(d->lines);
}

static int commit(struct tg_drive *d, struct tg_error *e)
{
    enum tg_commit how = TG_COMMIT_CONTROL;
    int rc = 0;

    while (!rc && json_array_size(d->lines)) {
        if ((rc = crash(d, 0, e)) != 0)
            break;
        rc = tg_journal_commit(d->o->journal, any_start(d), &how, e);
        if (!rc && how == TG_COMMITTED) {
            rc = crash(d, 1, e);
            show_lines(d);
            return rc;
        }
        if (!rc)
            rc = heed_wishes(d, e);
        if (!rc)
            rc = withdraw(d, e);
    }
    return rc;
}

/* P4, P6: after a sleep (a suspended laptop, a stopped process) another may have the seat: ask before anything is started. */
static int still_ours(struct tg_drive *d, struct tg_error *e)
{
    struct tg_store *store = d->o->journal->store;
    int64_t age = tg_mono_ms(tg_loop_clock(d->loop)) - tg_store_proven_ms(store);

    int64_t session = tg_store_session_ms(store); /* an embedded store's is for ever: but its seat can be taken over */

    if (age < (session < SESSION_MAX_MS ? session : SESSION_MAX_MS) / 3)
        return 0;
    return tg_journal_prove(d->o->journal, e);
}

static void on_lease(void *data, enum tg_watch_event event, const char *path)
{
    (void) event;
    (void) path;
    ((struct tg_drive *) data)->lease_changed = true;
}

/* Somebody has touched our lease: taken the seat over, when we seemed to hang. */
static int look_at_lease(struct tg_drive *d, struct tg_error *e)
{
    struct tg_journal *j = d->o->journal;
    struct tg_run_seat seat;
    struct tg_error own = TG_ERROR_INIT;

    if (!d->lease_changed)
        return 0;
    d->lease_changed = false;
    int rc = tg_run_seat_read(j->store, j->id, on_lease, d, j->wait_ms, &seat, &own);
    if (!rc && seat.epoch == j->epoch)
        return 0;
    if (rc && rc != TG_E_NOENT)
        return 0; /* the store is away: the next commit waits for it, and finds out */
    tg_error_clear(&own);
    return tg_journal_prove(j, e);
}

static int carry_out(struct tg_drive *d, const struct tg_run_action *a, struct tg_error *e)
{
    int rc = 0;

    switch ((int) a->kind) {
    case TG_DO_NOTHING:
    case TG_DO_ASK: /* control is watched */
    case TG_DO_REST:
    case TG_DO_END:
        return 0;
    case TG_DO_RETRY:
    case TG_DO_BAKE:
    case TG_DO_PACE:
    case TG_DO_GIVE_UP:
        return tg_alarms_add(&d->waits, a, e);
    default:
        if (is_start(a->kind))
            rc = still_ours(d, e);
        return rc ? rc : d->o->ports->begin(d->o->ports->data, d, a, e);
    }
}

/* All that is journalled; ends early when somebody has said something meanwhile, so that it is heard before the next start. */
static int act(struct tg_drive *d, struct tg_error *e)
{
    int rc = 0;

    while (!rc && d->at < d->todo.n && !d->control_changed && !d->failure.code) {
        struct tg_run_action a = d->todo.items[d->at++];
        rc = carry_out(d, &a, e);
    }
    if (d->at == d->todo.n)
        d->at = d->noted = d->todo.n = 0;
    return rc;
}

static int take_in(struct tg_drive *d, struct tg_error *e)
{
    struct tg_heard *a;
    int rc = look_at_stops(d, e);

    if (!rc)
        rc = look_at_lease(d, e);
    if (!rc)
        rc = look_at_control(d, e);
    if (!rc)
        rc = look_at_hours(d, e);
    if (!rc && d->o->ports->turn)
        rc = d->o->ports->turn(d->o->ports->data, d, e);
    while (!rc && (a = tg_inbox_take(&d->inbox)) != NULL) {
        rc = feed(d, a->event, e);
        tg_heard_free(a);
    }
    if (!rc)
        rc = fire_waits(d, e);
    if (!rc)
        rc = withdraw(d, e);
    if (!rc && d->failure.code) {
        if (e && !e->code)
            *e = d->failure;
        rc = d->failure.code;
    }
    return !rc && d->inbox.out_of_memory ? tg_fail(e, TG_E_MEMORY, "out of memory") : rc;
}

static bool over(const struct tg_drive *d)
{
    enum tg_run_state state = d->o->run->state;
    bool leaves = state == TG_RUN_ENDED || state == TG_RUN_PAUSED || (state == TG_RUN_HELD && d->paused);

    bool busy = d->o->ports->busy && d->o->ports->busy(d->o->ports->data);

    return leaves && !busy && d->at == d->todo.n && !d->inbox.first && json_array_size(d->lines) == 0;
}

/* A step of folding the journal: whatever may kill the driver may do so between any two of these. */
static int fold(struct tg_drive *d, struct tg_error *e)
{
    int rc = d->folding ? crash(d, 0, e) : 0;

    if (!rc)
        rc = tg_journal_fold(d->o->journal, &d->folding, e);
    return rc || !d->folding ? rc : crash(d, 1, e);
}

static int go_round(struct tg_drive *d, struct tg_error *e)
{
    int rc = 0;

    for (;;) {
        if ((rc = take_in(d, e)) != 0 || (rc = commit(d, e)) != 0 || (rc = act(d, e)) != 0 || (rc = fold(d, e)) != 0)
            return rc;
        if (d->o->on_tick)
            d->o->on_tick(d->o->data, d->o->run, tg_drive_now(d));
        if (over(d)) {
            tg_journal_fold_end(d->o->journal);
            return 0;
        }
        bool soon = d->o->ports->soon && d->o->ports->soon(d->o->ports->data);
        if (soon || d->inbox.first || d->control_changed || d->at < d->todo.n)
            continue;
        if (tg_loop_turn(d->loop, next_wait_ms(d)) == TG_E_CANCELLED)
            return tg_fail(e, TG_E_CANCELLED, "interrupted");
    }
}

/* Nothing starts in a run that is not to go on: what was said is heard before, not behind. */
static enum tg_run_event_kind first_event(const struct tg_drive *d)
{
    const struct tg_scope *scope;
    enum tg_run_cause cause;

    if (d->o->journal->control.abort.wanted || wanted_hold(d, &cause, &scope))
        return TG_EV_SEATED;
    return d->o->run->state == TG_RUN_NEW && !d->o->journal->lines ? TG_EV_BEGIN : TG_EV_RESUME;
}

static int feed_return(struct tg_drive *d, size_t host, struct tg_error *e)
{
    if (host >= d->o->run->plan->n_hosts || d->o->run->hosts[host].state != TG_HOST_WITHDRAWN)
        return 0;
    return feed(d, (struct tg_run_event) {.kind = TG_EV_RETURN, .host = host, .stage = TG_RUN_NONE, .by = d->o->by, .text = d->o->reason, .vouched = d->o->vouched}, e);
}

static int start(struct tg_drive *d, struct tg_error *e)
{
    int rc = d->o->take_over ? tg_journal_take_over(d->o->journal, d->o->by, tg_wall_ms(tg_loop_clock(d->loop)), e)
                              : tg_journal_seat(d->o->journal, d->o->by, tg_wall_ms(tg_loop_clock(d->loop)), e);

    d->lease_changed = true; /* watches it */
    if (!rc)
        rc = tg_journal_control(d->o->journal, on_control, d, e);
    if (!rc)
        rc = feed_run(d, first_event(d), e);
    if (!rc)
        rc = heed_wishes(d, e);
    for (size_t i = 0; !rc && i < d->o->n_returns; i++)
        rc = feed_return(d, d->o->returns[i], e);
    return rc;
}

int tg_drive(const struct tg_drive_options *o, struct tg_error *e)
{
    struct tg_drive d = {.o = o, .loop = tg_store_loop(o->journal->store), .lines = json_array(), .n_lines = o->journal->lines};

    tg_inbox_init(&d.inbox);
    tg_run_clock_init(&d.clock, tg_wall_ms(tg_loop_clock(d.loop)), tg_mono_ms(tg_loop_clock(d.loop)), o->run->last_ms);
    int rc = d.lines ? start(&d, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        rc = go_round(&d, e);
    if (o->ports->drop)
        o->ports->drop(o->ports->data);
    tg_store_unwatch(o->journal->store, on_control, &d);
    tg_store_unwatch(o->journal->store, on_lease, &d);
    if (rc != TG_E_BUG && rc != TG_E_SESSION && rc != TG_E_VERSION) /* a crash leaves nothing tidy; a seat that is lost is not ours to leave */
        tg_journal_leave(o->journal);
    tg_inbox_release(&d.inbox);
    tg_run_actions_release(&d.todo);
    tg_alarms_release(&d.waits);
    json_decref(d.lines);
    return rc;
}
