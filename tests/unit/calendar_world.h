/* A calendar and an inventory from text, and questions in words: for the tests of the calendar. */
#ifndef CALENDAR_WORLD_H
#define CALENDAR_WORLD_H

#include "base/buf.h"
#include "calendar/agenda.h"
#include "calendar/local.h"
#include "config/problems.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tagout/clock.h>

struct world {
    struct tg_calendar *calendar;
    struct tg_inventory *inventory;
    struct tg_agenda *agenda;
};

static inline int64_t ms_of(const char *text)
{
    int64_t ms = 0;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_time_parse(text, &ms, &e), 0, "%s", e.message);
    return ms;
}

static const char fleet_text[] = "groups:\n  web: {hosts: \"web[1-3]\"}\n  db: {hosts: \"db[1-2]\"}\n";

static inline struct world world_of(const char *inventory, const char *calendar)
{
    struct world w = {0};
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_buf text = TG_BUF_INIT;
    int rc = tg_inventory_parse_yaml("inv.yaml", inventory, strlen(inventory), &p, &w.inventory, &e);

    if (!rc && calendar)
        rc = tg_calendar_parse("cal.yaml", calendar, strlen(calendar), &p, &w.calendar, &e);
    if (!rc)
        rc = tg_agenda_new(w.calendar, w.inventory, &p, &w.agenda, &e);
    tg_problems_text(&p, &text);
    cr_assert_eq(rc, 0, "%s\n%s", e.message, tg_buf_text(&text));
    tg_buf_release(&text);
    tg_problems_release(&p);
    return w;
}

static inline void world_end(struct world *w)
{
    tg_agenda_free(w->agenda);
    tg_calendar_free(w->calendar);
    tg_inventory_free(w->inventory);
}

static inline uint32_t class_of(const struct world *w, const char *host)
{
    const struct tg_host *h = tg_inventory_host(w->inventory, host);

    cr_assert_not_null(h, "%s", host);
    return tg_agenda_class(w->agenda, h->index);
}

static inline void put_time(char *out, size_t size, int64_t ms)
{
    if (ms == INT64_MAX)
        snprintf(out, size, "ever");
    else
        tg_time_format(ms, out, size);
}

/* "may start until X, over by Y" / "open until Y, next Z" / "closed, next Z" */
static inline void says(struct world *w, const char *host, const char *when, const char *expected)
{
    struct tg_allowed a;
    struct tg_error e = TG_ERROR_INIT;
    char got[200], start[40], open[40], next[40];

    cr_assert_eq(tg_agenda_at(w->agenda, class_of(w, host), ms_of(when), &a, &e), 0, "%s", e.message);
    put_time(start, sizeof start, a.start_until_ms);
    put_time(open, sizeof open, a.open_until_ms);
    put_time(next, sizeof next, a.next_start_ms);
    if (a.may_start)
        snprintf(got, sizeof got, "may start until %s, over by %s", start, open);
    else if (a.open)
        snprintf(got, sizeof got, "open until %s, next %s", open, next);
    else
        snprintf(got, sizeof got, "closed, next %s", next);
    cr_assert_str_eq(got, expected, "%s at %s:\n  %s\nexpected\n  %s", host, when, got, expected);
}

/* "now until X" / "at X" / "never" */
static inline void fits(struct world *w, const char *host, const char *when, const char *need, const char *expected)
{
    struct tg_fit fit;
    struct tg_error e = TG_ERROR_INIT;
    char got[120], start[40], until[40];
    int64_t need_ms;

    cr_assert_eq(tg_duration_parse(need, &need_ms, &e), 0);
    cr_assert_eq(tg_agenda_fits(w->agenda, class_of(w, host), ms_of(when), need_ms, &fit, &e), 0, "%s", e.message);
    put_time(start, sizeof start, fit.start_ms);
    put_time(until, sizeof until, fit.until_ms);
    snprintf(got, sizeof got, fit.start_ms == TG_CALENDAR_NEVER ? "never" : fit.now ? "now until %s" : "at %s", fit.now ? until : start);
    cr_assert_str_eq(got, expected, "%s at %s needs %s: %s, expected %s", host, when, need, got, expected);
}

/* What is found to be wrong, as people see it; malloc'd. */
static inline char *wrong(const char *inventory, const char *calendar)
{
    struct world w = {0};
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_buf text = TG_BUF_INIT;

    cr_assert_eq(tg_inventory_parse_yaml("inv.yaml", inventory, strlen(inventory), &p, &w.inventory, &e), 0, "%s", e.message);
    int rc = tg_calendar_parse("cal.yaml", calendar, strlen(calendar), &p, &w.calendar, &e);
    if (!rc)
        rc = tg_agenda_new(w.calendar, w.inventory, &p, &w.agenda, &e);
    cr_assert_eq(rc, TG_E_DATA, "taken:\n%s", calendar);
    tg_problems_text(&p, &text);
    tg_problems_release(&p);
    tg_calendar_free(w.calendar);
    tg_inventory_free(w.inventory);
    return tg_buf_take(&text, NULL);
}

static inline void refuses(const char *calendar, const char *expected)
{
    char *all = wrong(fleet_text, calendar);

    cr_assert(strstr(all, expected), "wanted %s, got:\n%s", expected, all);
    free(all);
}

#endif
