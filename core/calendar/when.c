/* A pattern of times → when it is: see calendar.h. */
#include "calendar/calendar.h"
#include "calendar/local.h"

#include <tagout/zone.h>

/* What is left of a day, and how far clocks are ahead or behind, at most: local time is UTC within this. */
#define SLACK_S (2 * TG_DAY_S)

struct walk {
    const struct tg_when *when;
    enum tg_rule_kind kind;
    int64_t from_ms, until_ms;
    struct tg_spans *out;
    struct tg_error *e;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t wall_ms(const struct tg_zone *zone, int64_t local_s, enum tg_zone_which which)
{
    return tg_local_wall_s(zone, local_s, which) * 1000;
}

static int add(const struct walk *w, int64_t from_ms, int64_t until_ms)
{
    return until_ms > w->from_ms && from_ms < w->until_ms ? tg_spans_add(w->out, from_ms, until_ms, w->e) : 0;
}

static bool excepted(const struct tg_when *when, int64_t local_s)
{
    int64_t date = floor_div(local_s, TG_DAY_S);
    size_t low = 0, high = when->n_except;

    while (low < high) { /* the first of that day, or later */
        size_t middle = low + (high - low) / 2;
        if (when->except[middle].local_s < date * TG_DAY_S)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < when->n_except && when->except[low].local_s < (date + 1) * TG_DAY_S; low++)
        if (when->except[low].day || when->except[low].local_s == local_s)
            return true;
    return false;
}

/* An occurrence that begins when clocks there show this. */
static int occurrence(int64_t local_s, void *data)
{
    const struct walk *w = data;
    const struct tg_when *when = w->when;

    if (excepted(when, local_s))
        return 0;
    int64_t from = wall_ms(&when->zone, local_s, TG_ZONE_ICAL), until = from;
    if (when->clock_s) {
        until = wall_ms(&when->zone, local_s + when->clock_s, TG_ZONE_ICAL);
        int64_t later = wall_ms(&when->zone, local_s + when->clock_s, TG_ZONE_LAST);
        if (w->kind == TG_RULE_BLACKOUT && later > until)
            until = later;
    }
    return add(w, from, until + when->exact_s * 1000);
}

/* The hours that begin on a date: a window from the last time that clocks show its begin to the first that they show its end; a blackout from first to last. */
static int hours_of(const struct walk *w, int64_t date)
{
    const struct tg_hours *h = &w->when->hours;
    bool window = w->kind == TG_RULE_WINDOW;

    if (!(h->days & (1U << tg_weekday(date))) || excepted(w->when, date * TG_DAY_S + h->from_min * 60))
        return 0;
    int64_t last = date + (h->until_min <= h->from_min);
    int64_t from = tg_zone_wall_s(&w->when->zone, date, h->from_min * 60, window ? TG_ZONE_LAST : TG_ZONE_FIRST) * 1000;
    int64_t until = tg_zone_wall_s(&w->when->zone, last, h->until_min * 60, window ? TG_ZONE_FIRST : TG_ZONE_LAST) * 1000;
    return add(w, from, until);
}

int tg_when_spans(const struct tg_when *when, enum tg_rule_kind kind, int64_t from_ms, int64_t until_ms, struct tg_spans *out, struct tg_error *e)
{
    struct walk w = {when, kind, from_ms, until_ms, out, e};
    int64_t from = floor_div(from_ms, 1000) - SLACK_S, until = floor_div(until_ms, 1000) + SLACK_S;
    int rc = 0;

    if (until_ms <= from_ms)
        return 0;
    if (when->by_hours) {
        for (int64_t date = floor_div(from, TG_DAY_S) - 1; !rc && date <= floor_div(until, TG_DAY_S); date++)
            rc = hours_of(&w, date);
        return rc;
    }
    from -= when->clock_s + when->exact_s;
    if (when->recurrence)
        rc = when->zone_backend->recur_expand(when->recurrence, from, until, occurrence, &w, e);
    else if (when->start_local_s >= from && when->start_local_s < until)
        rc = occurrence(when->start_local_s, &w);
    for (size_t i = 0; !rc && i < when->n_also; i++)
        if (when->also[i] >= from && when->also[i] < until)
            rc = occurrence(when->also[i], &w);
    return rc;
}
