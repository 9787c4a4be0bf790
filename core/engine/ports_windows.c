/*
 * When hosts may be disturbed, on the real fleet: the site's agenda is looked at now and then, and what has changed is told to the run. Behind a host's lock, behind the guard's GO
 * and right before it is disturbed its own windows are looked at once more (P5).
 *
 * The machine's clock decides, and it may be set. Against one that goes on by itself that shows: nothing starts until it has been steady for a while.
 */
#include "engine/ports_internal.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 5000           /* what people open counts this soon; what they close, before the next start */
#define SETTLE_LOOK_MS 500     /* while somebody is writing it */
#define AWAY_MS 30000          /* a store that changes its leader is away for some seconds */

int tg_ports_open_windows(struct tg_ports *p, struct tg_error *e)
{
    struct tg_ports_windows *w = &p->windows;

    if (!p->o.plan->n_windows)
        return 0;
    if (!p->o.calendar || !p->o.inventory)
        return tg_fail(e, TG_E_CONFIG, "the run waits for windows, and there is no inventory to find them by");
    w->told = calloc(p->o.plan->n_windows + 1, sizeof *w->told);
    if (!w->told)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < p->o.plan->n_windows; i++) {
        const struct tg_run_domain *d = tg_run_window(p->o.run, i);
        w->told[i] = (struct tg_window_says) {d->open, d->until_ms};
    }
    tg_steady_init(&w->steady, tg_wall_ms(tg_loop_clock(p->o.loop)), tg_ports_now(p));
    return tg_windows_new(p->o.plan, p->o.inventory, &w->windows, e);
}

void tg_ports_close_windows(struct tg_ports *p)
{
    tg_windows_free(p->windows.windows);
    free(p->windows.told);
}

static bool is_steady(struct tg_ports *p, char *why, size_t size)
{
    return tg_steady(&p->windows.steady, tg_wall_ms(tg_loop_clock(p->o.loop)), tg_ports_now(p), why, size);
}

static void tell(struct tg_ports *p, struct tg_drive *drive, size_t window, int64_t wall_ms)
{
    struct tg_ports_windows *w = &p->windows;
    struct tg_window_says says;
    char why[TG_WINDOW_WHY_SIZE];

    tg_windows_ask(w->windows, window, wall_ms, &says);
    if (says.until_ms > wall_ms && says.until_ms < w->due_ms)
        w->due_ms = says.until_ms;
    bool same = says.open == w->told[window].open && says.until_ms == w->told[window].until_ms;
    if (same && !w->anew)
        return;
    tg_windows_why(w->windows, window, wall_ms, &says, why, sizeof why);
    const char *was = tg_run_window(p->o.run, window)->why;
    if (same && was && strcmp(was, why) == 0)
        return;
    w->told[window] = says;
    struct tg_run_event event = tg_window_event(window, &says, why);
    tg_drive_answer(drive, &event);
}

static void tell_all(struct tg_ports *p, struct tg_drive *drive)
{
    int64_t wall_ms = tg_wall_ms(tg_loop_clock(p->o.loop));

    p->windows.due_ms = INT64_MAX;
    p->windows.stage = p->o.run->stage;
    for (size_t i = 0; i < p->o.plan->n_windows; i++)
        if (tg_run_wants_window(p->o.run, i))
            tell(p, drive, i, wall_ms);
    p->windows.anew = false;
}

/* Somebody has said to go on without those whose windows are not known to open. While nobody can tell that, it is not done. */
static void skip_never(struct tg_ports *p, struct tg_drive *drive)
{
    const struct tg_run_control *c = &p->o.journal->control;
    size_t at = 0, window, waiting;

    while (c->skip.wanted && p->windows.bound && !p->windows.shut && tg_run_closed_window(p->o.run, &at, &window, &waiting)) {
        const struct tg_run_event event = {.kind = TG_EV_WINDOW_SKIPPED, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = window, .until_ms = INT64_MAX,
                                           .by = c->skip.by, .text = c->skip.reason[0] ? c->skip.reason : NULL};
        if (tg_control_skips(c, window) && tg_run_window_never_comes(p->o.run, window))
            tg_drive_answer(drive, &event);
    }
}

static void shut(struct tg_ports *p, const char *why)
{
    p->windows.shut = p->windows.anew = true;
    tg_windows_shut(p->windows.windows, why);
}

/* The calendar, when it has changed. 0 also when it can't be read: then nothing is open. */
static int look_anew(struct tg_ports *p, struct tg_error *e)
{
    struct tg_ports_windows *w = &p->windows;
    struct tg_error own = TG_ERROR_INIT;
    char why[TG_WINDOW_WHY_SIZE] = "";
    bool changed = false;
    int64_t now = tg_ports_now(p);
    int rc = tg_site_agenda_look(p->o.calendar, NULL, &changed, &own);

    w->look_ms = tg_ports_now(p) + (rc == TG_E_HELD ? SETTLE_LOOK_MS : LOOK_MS);
    if (!rc)
        w->seen_ms = now;
    bool away = rc == TG_E_LOST || rc == TG_E_TIMEOUT;
    if (away && w->bound && !w->shut && now - w->seen_ms < AWAY_MS && !tg_site_agenda_is_outdated(p->o.calendar))
        return 0;
    if (rc && own.file[0])
        snprintf(why, sizeof why, "%.80s:%d: %.190s", own.file, own.line, own.message);
    else if (rc)
        snprintf(why, sizeof why, "%.280s", own.message);
    if (rc || !is_steady(p, why, sizeof why)) {
        shut(p, why);
        return 0;
    }
    if (!changed && !w->shut && w->bound)
        return 0;
    w->anew = w->bound = true;
    w->shut = false;
    if (changed)
        tg_ports_slots_anew(p);
    return tg_windows_bind(w->windows, tg_site_agenda(p->o.calendar), p->o.run, e);
}

/* Right before a start; hosts that start in the same millisecond share a look. */
static void look_at_files(struct tg_ports *p, struct tg_drive *drive)
{
    struct tg_ports_windows *w = &p->windows;
    int64_t now = tg_ports_now(p);

    if (w->shut || now == w->files_ms)
        return;
    w->files_ms = now;
    if (!tg_site_agenda_is_outdated(p->o.calendar))
        return;
    if (look_anew(p, NULL))
        shut(p, "out of memory");
    tell_all(p, drive);
}

int tg_ports_look_at_windows(struct tg_ports *p, struct tg_drive *drive, struct tg_error *e)
{
    struct tg_ports_windows *w = &p->windows;
    int64_t now = tg_ports_now(p);
    char why[TG_WINDOW_WHY_SIZE];
    int rc = 0;

    if (p->o.run->state == TG_RUN_ACTIVE && w->state != TG_RUN_ACTIVE) /* somebody has said to go on */
        w->look_ms = now;
    w->state = p->o.run->state;
    if (!w->windows || (now < w->look_ms && w->stage == p->o.run->stage && tg_wall_ms(tg_loop_clock(p->o.loop)) < w->due_ms))
        return 0;
    if (now >= w->look_ms) {
        rc = look_anew(p, e);
    } else if (!is_steady(p, why, sizeof why)) { /* it is its being set that has made something due */
        shut(p, why);
    }
    if (!rc)
        tell_all(p, drive);
    if (!rc)
        skip_never(p, drive);
    return rc;
}

/* In its window, with the time that it needs? If not, the run is told first that it is closed. */
static bool may_start(struct tg_task *t, char *why, size_t size)
{
    struct tg_ports *p = t->ports;
    struct tg_ports_windows *w = &p->windows;
    int64_t wall_ms = tg_wall_ms(tg_loop_clock(p->o.loop));
    uint32_t window = w->windows ? p->o.plan->window_of[t->action.host] : TG_NO_DOMAIN;
    char step[TG_WINDOW_WHY_SIZE];

    if (window == TG_NO_DOMAIN)
        return true;
    look_at_files(p, t->drive);
    if (!is_steady(p, step, sizeof step)) {
        shut(p, step);
        tell_all(p, t->drive);
    }
    if (tg_windows_fits(w->windows, t->action.host, wall_ms, why, size))
        return true;
    tell(p, t->drive, window, wall_ms);
    return false;
}

bool tg_ports_is_refused(struct tg_task *t)
{
    static const struct {
        enum tg_run_action_kind action;
        enum tg_run_event_kind closed; /* what a host that is to wait for its window is told; LOCKED, GO: the machine sees itself that it is closed */
        enum tg_run_event_kind none;   /* and one that has none */
    } rows[] = {{TG_DO_LOCK, TG_EV_LOCKED, TG_EV_LOCK_REFUSED}, {TG_DO_CHECK, TG_EV_GO, TG_EV_NO_GO}, {TG_DO_AROUND, TG_EV_WITHDRAWN, TG_EV_AROUND_REFUSED},
                {TG_DO_APPLY, TG_EV_WITHDRAWN, TG_EV_HELD}};
    const struct tg_ports *p = t->ports;
    char why[TG_WINDOW_WHY_SIZE];
    size_t i = 0;

    while (i < sizeof rows / sizeof rows[0] && rows[i].action != t->action.kind)
        i++;
    if (i == sizeof rows / sizeof rows[0] || may_start(t, why, sizeof why))
        return false;
    bool closed = !p->windows.told[p->o.plan->window_of[t->action.host]].open;
    if (closed && rows[i].closed != TG_EV_WITHDRAWN)
        return false;
    const struct tg_run_event event = {.kind = closed ? rows[i].closed : rows[i].none, .outcome = TG_OUTCOME_HELD, .changed = -1, .step = t->action.step, .text = why};
    tg_task_answer_event(t, event);
    return true;
}

struct tg_windows *tg_ports_windows(const struct tg_ports *p)
{
    return p->windows.windows;
}
