/* Booked maintenance weeks in an agenda, held minute by minute to what is meant: in its week a host is open in its slot alone, else as ever. P5. */
#include "calendar/agenda.h"
#include "config/problems.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MONDAY 20787 /* 2026-11-30 */
#define DAY_MS INT64_C(86400000)
#define MINUTE_MS INT64_C(60000)

static const char fleet_text[] = "groups:\n  web: {hosts: \"web[1-6]\"}\n  db: {hosts: \"db[1-2]\"}\n";
static const char pattern_text[] = "week: w\nlocation: \"@web\"\nlength: 4h\nslots:\n  - {name: a, day: mon, time: \"09:00\", who: {hosts: \"@web\", take: 2}}\n"
                                   "  - {name: b, day: wed, time: \"22:30\", zone: Europe/Berlin, who: {hosts: \"@web\", take: the rest}}\n";

struct world {
    struct tg_inventory *inventory;
    struct tg_week *week;
    struct tg_calendar *calendar;
    struct tg_agenda *plain, *booked;
};

static struct world make(const char *calendar)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_pattern *pattern = NULL;
    struct world w = {.inventory = NULL};

    cr_assert_eq(tg_inventory_parse_yaml("fleet", fleet_text, strlen(fleet_text), &p, &w.inventory, &e), 0, "%s", e.message);
    cr_assert_eq(tg_pattern_parse("week", pattern_text, strlen(pattern_text), &p, &pattern, &e), 0, "%s", e.message);
    cr_assert_eq(tg_week_plan(pattern, w.inventory, MONDAY, &p, &w.week, &e), 0, "%s", e.message);
    tg_pattern_free(pattern);
    if (calendar)
        cr_assert_eq(tg_calendar_parse("calendar", calendar, strlen(calendar), &p, &w.calendar, &e), 0, "%s", e.message);
    cr_assert_eq(tg_agenda_new(w.calendar, w.inventory, &p, &w.plain, &e), 0, "%s", e.message);
    cr_assert_eq(tg_agenda_new_booked(w.calendar, w.inventory, (const struct tg_week *const[]) {w.week}, 1, &p, &w.booked, &e), 0, "%s", e.message);
    tg_problems_release(&p);
    return w;
}

static void finish(struct world *w)
{
    tg_agenda_free(w->plain);
    tg_agenda_free(w->booked);
    tg_calendar_free(w->calendar);
    tg_week_free(w->week);
    tg_inventory_free(w->inventory);
}

/* blackout: of the calendar, holds in slots as well; 0, 0 none. */
static void check_host(const struct world *w, const char *name, int64_t blackout_from, int64_t blackout_until)
{
    const struct tg_host *host = tg_inventory_host(w->inventory, name);
    const struct tg_week_slot *slot = NULL;
    size_t minutes = 0;

    for (size_t i = 0; i < w->week->names.n; i++)
        if (strcmp(tg_hostlist_get(&w->week->names, i), name) == 0)
            slot = &w->week->slots[w->week->slot_of[i]];
    for (int64_t t = w->week->from_ms - DAY_MS; t < w->week->until_ms + DAY_MS; t += MINUTE_MS) {
        struct tg_allowed was, is;
        cr_assert_eq(tg_agenda_at(w->plain, tg_agenda_class(w->plain, host->index), t, &was, NULL), 0);
        cr_assert_eq(tg_agenda_at(w->booked, tg_agenda_class(w->booked, host->index), t, &is, NULL), 0);
        bool in_week = slot && t >= w->week->from_ms && t < w->week->until_ms, in_slot = slot && t >= slot->from_ms && t < slot->until_ms;
        bool black = t >= blackout_from && t < blackout_until;
        bool want = in_week ? in_slot && !black : was.open;
        cr_assert_eq(is.open, want, "%s at minute %d of the week: %s", name, (int) ((t - w->week->from_ms) / MINUTE_MS), is.open ? "open" : "closed");
        minutes += in_slot && is.open;
    }
    if (slot && !blackout_from)
        cr_assert_eq(minutes, 240);
}

static void check(const char *calendar, int64_t blackout_from, int64_t blackout_until)
{
    static const char *const hosts[] = {"web1", "web2", "web3", "web4", "web5", "web6", "db1"};
    struct world w = make(calendar);

    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        check_host(&w, hosts[i], blackout_from, blackout_until);
    finish(&w);
}

Test(agenda_weeks, without_a_calendar)
{
    check(NULL, 0, 0);
}

Test(agenda_weeks, beside_windows_of_any_level)
{
    check("windows:\n  office: {hours: \"Mon-Fri 08:00-10:00\"}\n", 0, 0);
    check("default: closed\n", 0, 0);
    check("default: closed\ncut-off: 30m\nwindows:\n  own: {for: host:web3, hours: \"Sat 01:00-03:00\"}\n  some: {for: \"@web\", hours: \"Wed 20:00-24:00\"}\n", 0, 0);
}

Test(agenda_weeks, below_the_sites_blackouts)
{
    int64_t monday = MONDAY * DAY_MS;

    check("blackouts:\n  talk: {start: \"2026-11-30 10:00\", duration: 1h}\n", monday + 10 * 60 * MINUTE_MS, monday + 11 * 60 * MINUTE_MS);
}

/* Who asks why is told the week. */
Test(agenda_weeks, a_reason_names_the_week)
{
    struct world w = make(NULL);
    struct tg_reason *reasons;
    size_t n;

    cr_assert_eq(tg_agenda_why(w.booked, tg_agenda_class(w.booked, tg_inventory_host(w.inventory, "web1")->index), w.week->from_ms, &reasons, &n, NULL), 0);
    cr_assert_eq(n, 2);
    cr_assert(strstr(reasons[0].rule->name, "week w-2026-11-30, slot "), "%s", reasons[0].rule->name);
    cr_assert_eq(reasons[1].rule->kind, TG_RULE_BLACKOUT);
    free(reasons);
    cr_assert_eq(tg_agenda_why(w.booked, tg_agenda_class(w.booked, tg_inventory_host(w.inventory, "db1")->index), w.week->from_ms, &reasons, &n, NULL), 0);
    cr_assert_eq(n, 0);
    free(reasons);
    finish(&w);
}
