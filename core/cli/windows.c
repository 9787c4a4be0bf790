/* The site's calendar for the commands that plan, run and simulate: see windows.h. */
#include "cli/windows.h"

#include "config/site.h"
#include "engine/around_module.h"
#include "engine/history.h"
#include "engine/ports.h"

#include <tagout/clock.h>

#include <stdio.h>

#define WAIT_MS 10000

void tg_cli_learn(struct tg_store *store, struct tg_plan *plan, int64_t wait_ms)
{
    struct tg_history_says says, back;
    struct tg_history history;

    plan->waits_ms = tg_around_waits_ms(plan->around, plan->n_around);
    if (!store || tg_history_read(store, plan->name, plan->driver, wait_ms, &history, NULL))
        return;
    tg_history_say(&history, false, &says);
    tg_history_say(&history, true, &back);
    if (plan->undoes) /* what it does is a way back itself */
        says = back;
    plan->learned_ms = says.mean_ms;
    plan->learned_hosts = says.hosts;
    plan->learned_runs = says.runs;
    plan->learned_p95_ms = says.p95_ms;
    plan->learned_back_ms = back.p95_ms;
}

void tg_cli_windows_release(struct tg_cli_windows *w)
{
    tg_windows_free(w->windows);
    tg_site_agenda_free(w->site);
    *w = (struct tg_cli_windows) {.site = NULL};
}

static int open_site(struct tg_frame *f, struct tg_store *store, struct tg_cli_windows *out, struct tg_error *e)
{
    const struct tg_site_agenda_options o = {.calendar = f->config->calendar, .inventory = f->inventory, .store = store, .wait_ms = WAIT_MS, .clock = tg_loop_clock(f->loop)};
    bool changed;
    int rc = tg_site_agenda_new(&o, &out->site, e);

    return rc ? rc : tg_site_agenda_look(out->site, &f->problems, &changed, e);
}

/* Booked weeks can't be read, and need not be: the rest counts. */
static int open_without_weeks(struct tg_frame *f, struct tg_cli_windows *out, const struct tg_error *why, struct tg_error *e)
{
    tg_site_agenda_free(out->site);
    out->site = NULL;
    int rc = open_site(f, NULL, out, e);

    if (!rc && tg_site_agenda_says(out->site))
        out->unread = *why;
    return rc;
}

static int no_calendar(struct tg_error *e)
{
    tg_fail(e, TG_E_CONFIG, "windows: honour, and nothing says when hosts may be disturbed");
    tg_error_hint(e, "write \"calendar: FILE\" into " TG_CONFIG_FILE ", or leave windows: out");
    return TG_E_CONFIG;
}

int tg_cli_windows_lay(struct tg_frame *f, struct tg_store *store, struct tg_plan *plan, struct tg_cli_windows *out, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;

    *out = (struct tg_cli_windows) {.site = NULL};
    if (plan->windows_mode == TG_WINDOWS_IGNORE)
        return 0;
    int rc = open_site(f, store, out, &own);
    if (rc && store && store != f->store && rc != TG_E_DATA && rc != TG_E_MEMORY && rc != TG_E_CONFIG)
        rc = open_without_weeks(f, out, &own, e);
    else if (rc && e && !e->code)
        *e = own;
    if (rc)
        return rc;
    if (!tg_site_agenda_says(out->site))
        return plan->windows_mode == TG_WINDOWS_HONOUR ? no_calendar(e) : 0;
    rc = tg_plan_windows_compile(plan, f->inventory, tg_site_agenda(out->site), tg_site_agenda_zone(out->site), e);
    if (!rc)
        rc = tg_windows_new(plan, f->inventory, &out->windows, e);
    if (!rc)
        rc = tg_windows_bind(out->windows, tg_site_agenda(out->site), NULL, e);
    plan->calendar = rc ? NULL : out->windows;
    return rc;
}

/* The windows of a plan that was loaded anew, by an agenda that may be there already. */
static bool bind(struct tg_frame *f, struct tg_plan *plan, const struct tg_run *run, struct tg_cli_windows *out, bool changed)
{
    if (out->of == plan && !changed)
        return out->windows != NULL;
    if (out->of != plan) {
        tg_windows_free(out->windows);
        out->windows = NULL;
        out->of = plan;
        if (tg_windows_new(plan, f->inventory, &out->windows, NULL))
            return false;
    }
    return !tg_windows_bind(out->windows, tg_site_agenda(out->site), run, NULL);
}

void tg_cli_windows_follow(struct tg_frame *f, struct tg_plan *plan, const struct tg_run *run, struct tg_cli_windows *out)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    bool wanted = plan->n_windows && run->state == TG_RUN_ACTIVE && run->totals[TG_HOST_WAITING] && f->config->inventory, changed = false;

    plan->calendar = NULL;
    if (wanted && (f->inventory || !tg_inventory_load(f->config->inventory, &p, &f->inventory, NULL))) {
        const struct tg_site_agenda_options o = {.calendar = f->config->calendar, .inventory = f->inventory, .store = f->store, .wait_ms = WAIT_MS, .clock = tg_loop_clock(f->loop)};
        bool there = out->site || !tg_site_agenda_new(&o, &out->site, NULL);
        if (there && !tg_site_agenda_look(out->site, &p, &changed, NULL) && bind(f, plan, run, out, changed))
            plan->calendar = out->windows;
        else if (there)
            out->of = NULL;
    }
    tg_problems_release(&p);
}

bool tg_cli_slots_ended(struct tg_frame *f, const struct tg_journal *journal, const struct tg_plan *plan, const struct tg_run *run)
{
    const struct tg_site_agenda_options co = {.calendar = f->config->calendar, .inventory = f->inventory, .store = f->store, .wait_ms = WAIT_MS, .clock = tg_loop_clock(f->loop)};
    struct tg_ports_options o = {.loop = f->loop, .plan = plan, .run = run, .journal = journal};
    struct tg_error why = TG_ERROR_INIT;
    size_t said = 0;

    if (!plan->n_windows || !f->inventory)
        return false;
    int rc = tg_site_agenda_new(&co, &o.calendar, &why);
    if (!rc)
        rc = tg_ports_tell_ended(&o, &said, &why);
    tg_site_agenda_free(o.calendar);
    if (rc)
        fprintf(stderr, "tagout: how the hosts of %s ended in their slots can't be noted: %s\n", journal->id, why.message);
    else if (said && !f->json)
        printf("%s has ended; how its hosts ended in the slots of booked weeks is noted now.\n", journal->id);
    return said > 0;
}
