/* Windows of the simulated fleet: a real calendar, whose windows open for some seconds each minute, and a judge who counts by himself. See world.h. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE 60000
#define TRAVELS_MS 100 /* from the word to begin until it is on the host; twice that of one whose driver died */
#define LOOK_MS 300
#define SITES_MAX 64

/* ---- the calendar: rule k is for hosts whose number leaves k; some have none ---- */

static int rule_of(const struct sim_site *site, const char *host)
{
    int number = atoi(host + 1);

    return number % 5 == 4 ? -1 : number % (int) site->n_rules;
}

static int64_t start_of(size_t rule)
{
    return (int64_t) rule * 17000; /* of each minute, in ms */
}

static void put_hosts(const struct sim_site *site, size_t n_hosts, int rule, struct tg_buf *out)
{
    const char *between = "";
    char name[24];

    for (size_t i = 0; i < n_hosts; i++) {
        snprintf(name, sizeof name, "h%zu", i);
        if (rule_of(site, name) != rule)
            continue;
        tg_buf_printf(out, "%s%s", between, name);
        between = " or ";
    }
}

/* A rule comes at most 48 times a day: so many make one that comes each minute. */
static void put_calendar(const struct sim_site *site, struct tg_buf *out)
{
    struct tg_buf hosts = TG_BUF_INIT;

    tg_buf_puts(out, "windows:\n");
    for (size_t k = 0; k < site->n_rules; k++) {
        tg_buf_reset(&hosts);
        put_hosts(site, site->n_hosts, (int) k, &hosts);
        for (int minute = 0; hosts.len && minute < 30; minute++) {
            tg_buf_printf(out, "  w%zu-%d: {for: \"%s\", zone: UTC, start: \"2026-11-22 00:%02d:%02d\", duration: %ds, rule: \"FREQ=DAILY;BYHOUR=0", k, minute, tg_buf_text(&hosts),
                          minute, (int) (start_of(k) / 1000), WORLD_WINDOW_S);
            for (int hour = 1; hour < 24; hour++)
                tg_buf_printf(out, ",%d", hour);
            tg_buf_printf(out, ";BYMINUTE=%d,%d\"}\n", minute, minute + 30);
        }
    }
    tg_buf_release(&hosts);
}

static int open_site(struct sim_site *site, struct tg_error *e)
{
    struct tg_buf fleet = TG_BUF_INIT, calendar = TG_BUF_INIT;
    struct tg_problems p = TG_PROBLEMS_INIT;

    tg_buf_printf(&fleet, "groups: {all-of-them: {hosts: \"h[0-%zu]\"}}\n", site->n_hosts - 1);
    put_calendar(site, &calendar);
    int rc = tg_inventory_parse_yaml("fleet", tg_buf_text(&fleet), fleet.len, &p, &site->inventory, e);
    if (!rc)
        rc = tg_calendar_parse("calendar", tg_buf_text(&calendar), calendar.len, &p, &site->calendar, e);
    if (!rc)
        rc = tg_agenda_new(site->calendar, site->inventory, &p, &site->agenda, e);
    tg_problems_release(&p);
    tg_buf_release(&fleet);
    tg_buf_release(&calendar);
    return rc;
}

/* Kept for the next seed that wants the same: a calendar takes longer than most runs. */
static struct sim_site sites[SITES_MAX];
static size_t n_sites;

const struct sim_site *sim_site(size_t n_rules, size_t n_hosts, struct tg_error *e)
{
    for (size_t i = 0; i < n_sites; i++)
        if (sites[i].n_rules == n_rules && sites[i].n_hosts == n_hosts)
            return &sites[i];
    struct sim_site *site = &sites[n_sites++ % SITES_MAX];
    *site = (struct sim_site) {.n_rules = n_rules, .n_hosts = n_hosts};
    return open_site(site, e) ? NULL : site;
}

void sim_sites_close(void)
{
    for (size_t i = 0; i < n_sites; i++) {
        tg_agenda_free(sites[i].agenda);
        tg_calendar_free(sites[i].calendar);
        tg_inventory_free(sites[i].inventory);
    }
}

/* ---- the driver's side: as ports_windows.c does it ---- */

int world_windows_open(struct world *w, const struct sim_site *site, struct tg_error *e)
{
    if (!w->plan->n_windows)
        return 0;
    w->site = site;
    w->told = calloc(w->plan->n_windows + 1, sizeof *w->told);
    w->is_open = calloc(w->plan->n_windows + 1, sizeof *w->is_open);
    int rc = w->told && w->is_open ? tg_windows_new(w->plan, site->inventory, &w->windows, e) : TG_E_MEMORY;
    return rc ? rc : tg_windows_bind(w->windows, site->agenda, NULL, e);
}

void world_windows_close(struct world *w)
{
    tg_windows_free(w->windows);
    free(w->told);
    free(w->is_open);
}

/* A driver begins where the journal is. */
void world_windows_begin(struct world *w, const struct tg_run *run)
{
    for (size_t i = 0; i < w->plan->n_windows; i++) {
        const struct tg_run_domain *d = tg_run_window(run, i);
        w->told[i] = (struct tg_window_says) {d->open, d->until_ms};
        w->is_open[i] = d->open;
    }
    w->look_ms = 0;
}

static int64_t wall_ms(const struct world *w)
{
    return tg_wall_ms(tg_loop_clock(w->loop));
}

static void tell(struct world *w, struct tg_drive *drive, size_t window)
{
    struct tg_window_says says;

    tg_windows_ask(w->windows, window, wall_ms(w), &says);
    if (says.open == w->told[window].open && says.until_ms == w->told[window].until_ms)
        return;
    w->told[window] = says;
    struct tg_run_event event = tg_window_event(window, &says, "as the calendar says");
    tg_drive_answer(drive, &event);
}

void world_windows_look(struct world *w, struct tg_drive *drive)
{
    if (!w->windows || wall_ms(w) < w->look_ms)
        return;
    w->look_ms = wall_ms(w) + LOOK_MS;
    for (size_t i = 0; i < w->plan->n_windows; i++)
        if (tg_run_wants_window(w->run, i))
            tell(w, drive, i);
}

bool world_windows_refuse(struct world *w, struct tg_drive *drive, size_t host)
{
    char why[TG_WINDOW_WHY_SIZE];

    if (!w->windows || w->plan->window_of[host] == TG_NO_DOMAIN || tg_windows_fits(w->windows, host, wall_ms(w), why, sizeof why))
        return false;
    if (drive)
        tell(w, drive, w->plan->window_of[host]);
    return true;
}

/* ---- the judge ---- */

void world_windows_line(struct world *w, const json_t *line)
{
    const char *ev = json_string_value(json_object_get(line, "ev")), *act = json_string_value(json_object_get(line, "do"));
    const json_t *host = json_object_get(line, "h"), *window = json_object_get(line, "w");

    if (!w->windows)
        return;
    if (ev && window)
        w->is_open[json_integer_value(window)] = strcmp(ev, "window-opened") == 0;
    if (!act || !host || strcmp(act, "apply") != 0)
        return;
    uint32_t of = w->plan->window_of[json_integer_value(host)];
    if (of != TG_NO_DOMAIN && !w->is_open[of])
        world_violation(w, "P5: the intent to apply %s was journalled, and its window was told to be closed", json_string_value(json_object_get(line, "host")));
}

void world_judge_window(struct world *w, size_t host)
{
    uint32_t window = w->windows ? w->plan->window_of[host] : TG_NO_DOMAIN;
    int rule = window == TG_NO_DOMAIN ? -1 : rule_of(w->site, w->plan->hosts[host].name);

    if (rule < 0)
        return;
    int64_t since = (wall_ms(w) + MINUTE - start_of((size_t) rule)) % MINUTE, left = (int64_t) WORLD_WINDOW_S * 1000 - since;
    if (left + TRAVELS_MS < w->plan->windows[window].need_ms)
        world_violation(w, "P5: %s was changed %lld ms before the end of its window, it needs %lld", w->plan->hosts[host].name, (long long) left,
                        (long long) w->plan->windows[window].need_ms);
}
