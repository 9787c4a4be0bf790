/* The dates of a plan: see plan_when.h. */
#include "engine/plan_when.h"

#include "engine/run_internal.h"
#include "engine/windows.h"

#include <stdio.h>
#include <stdlib.h>

#define SPANS_MAX 20000 /* of hours: more than 25 years of days and nights */

/* A clock that is moved on through the plan's hours, and counts days of work as a run does. */
struct cursor {
    const struct tg_plan *plan;
    int64_t now_ms;
    struct tg_hours_span span;
    int64_t day, date;
    size_t spans;
    struct tg_error *e;
    const struct tg_run *run; /* only its hosts that wait still have to start; NULL: all */
    bool never;               /* some have no window that comes */
};

static int look(struct cursor *c)
{
    if (!c->plan->hours.days) {
        c->span = (struct tg_hours_span) {true, INT64_MAX, 0};
        return 0;
    }
    if (c->spans++ > SPANS_MAX)
        return tg_fail(c->e, TG_E_DATA, "the plan would take longer than 25 years");
    int rc = tg_hours_at(&c->plan->hours, c->now_ms, &c->span, c->e);
    if (!rc && c->span.open && (c->day == 0 || c->span.date > c->date)) {
        c->date = c->span.date;
        c->day++;
    }
    return rc;
}

static int move(struct cursor *c, int64_t to_ms)
{
    int rc = 0;

    while (!rc && c->span.until_ms <= to_ms) {
        c->now_ms = c->span.until_ms;
        rc = look(c);
    }
    c->now_ms = to_ms > c->now_ms ? to_ms : c->now_ms;
    return rc;
}

/* To when a host of the stage may start. */
static int await(struct cursor *c, int64_t day)
{
    int rc = 0;

    while (!rc && c->plan->hours.days && (!c->span.open || c->day < day))
        rc = move(c, c->span.until_ms);
    return rc;
}

int64_t tg_plan_estimate_ms(const struct tg_plan *plan)
{
    return plan->estimate_ms ? plan->estimate_ms : plan->learned_ms ? plan->learned_ms : TG_ESTIMATE_USUAL_MS + plan->waits_ms;
}

/* A dry run waits for nothing around it. */
static int64_t each_ms(const struct tg_plan *plan, const struct tg_plan_stage *s)
{
    return s->dry_run && !plan->estimate_ms && !plan->learned_ms ? TG_ESTIMATE_USUAL_MS : tg_plan_estimate_ms(plan);
}

/* The last of many ends when the slow ones do. */
static int64_t slowest_ms(const struct tg_plan *plan, const struct tg_plan_stage *s)
{
    int64_t each = each_ms(plan, s);

    return !plan->estimate_ms && plan->learned_p95_ms > each && s->count > 1 ? plan->learned_p95_ms : each;
}

/* Who is drained while he bakes keeps others of his domains out until that is over. */
static bool bakes_in_waves(const struct tg_plan *plan, const struct tg_plan_stage *s)
{
    return s->bake_ms > 0 && plan->n_limits && tg_around_drains(plan) != 0;
}

/* From one start to the next, in µs, when nothing but rate and limits is in the way. */
static int64_t gap_us(const struct tg_plan *plan, size_t i)
{
    const struct tg_plan_stage *s = &plan->stages[i];
    int64_t n = (int64_t) s->count, each = each_ms(plan, s) * 1000, gap = tg_rate_interval_us(&s->rate);
    size_t domain;
    int64_t turns = (n + plan->running - 1) / plan->running - 1, rounds = s->dry_run || plan->mends ? 0 : (int64_t) tg_plan_rounds(plan, i, &domain) - 1;
    int64_t by_turns = turns * each, by_rounds = rounds * (each + (bakes_in_waves(plan, s) ? s->bake_ms * 1000 : 0));

    by_turns = by_rounds > by_turns ? by_rounds : by_turns;
    if (n > 1 && by_turns / (n - 1) > gap)
        gap = by_turns / (n - 1);
    return gap;
}

static size_t to_start(const struct cursor *c, size_t i)
{
    return c->run ? c->run->stages[i].counts[TG_HOST_WAITING] : c->plan->stages[i].count;
}

/* From the first host's start to the last one's, over as many days as it takes. */
static int start_anytime(struct cursor *c, size_t i)
{
    const struct tg_plan_stage *s = &c->plan->stages[i];
    int64_t left = (int64_t) to_start(c, i), usual = gap_us(c->plan, i);

    for (;;) {
        int64_t room = c->span.until_ms == INT64_MAX ? INT64_MAX : (c->span.until_ms - c->now_ms) * 1000, gap = usual;
        if (s->spread_ms && room < INT64_MAX) {
            int64_t spread = room / left < s->spread_ms * 1000 ? room / left : s->spread_ms * 1000;
            gap = spread > gap ? spread : gap;
        }
        if (gap == 0 || (left - 1) <= (room - 1) / gap)
            return move(c, c->now_ms + (left - 1) * gap / 1000);
        left -= (room - 1) / gap + 1; /* the last of them before the hours end, not with them */
        int rc = move(c, c->span.until_ms);
        if (!rc)
            rc = await(c, 0);
        if (rc)
            return rc;
    }
}

/* ---- with windows ---- */

#define LOOKS_MAX 100000 /* of windows that open and close */

/* Of a stage: how many hosts with each window have still to start, and how it is. */
struct open_hosts {
    size_t left;
    struct tg_window_says says; /* asked again from until_ms on */
};

static struct open_hosts *count_windows(const struct tg_plan *plan, size_t i, const struct tg_run *run)
{
    const struct tg_plan_stage *s = &plan->stages[i];
    struct open_hosts *of = calloc(s->n_windows + 1, sizeof *of);

    for (size_t h = s->first; of && h < s->first + s->count; h++)
        if (plan->window_of[h] != TG_NO_DOMAIN && (!run || run->hosts[h].state == TG_HOST_WAITING))
            of[plan->window_of[h] - s->first_window].left++;
    return of;
}

/* Hosts that may start now, and until when that is so at least. */
static size_t look_at_windows(const struct cursor *c, const struct tg_plan_stage *s, struct open_hosts *of, int64_t *out_until_ms)
{
    size_t n = 0;

    *out_until_ms = INT64_MAX;
    for (size_t w = 0; w < s->n_windows; w++) {
        if (!of[w].left)
            continue;
        if (of[w].says.until_ms <= c->now_ms)
            tg_windows_ask(c->plan->calendar, s->first_window + w, c->now_ms, &of[w].says);
        n += of[w].says.open ? of[w].left : 0;
        if (of[w].says.until_ms > c->now_ms && of[w].says.until_ms < *out_until_ms && of[w].says.until_ms != TG_WINDOW_UNTOLD)
            *out_until_ms = of[w].says.until_ms;
    }
    return n;
}

/* So many of those start whose window is open now. */
static void take(const struct tg_plan_stage *s, struct open_hosts *of, size_t n)
{
    for (size_t w = 0; n && w < s->n_windows; w++) {
        size_t some = !of[w].says.open ? 0 : of[w].left < n ? of[w].left : n;
        of[w].left -= some;
        n -= some;
    }
}

/* Some of those that may start now do, as fast as they may. */
static int start_some(struct cursor *c, size_t i, struct open_hosts *of, size_t open, int64_t until_ms, int64_t *last_ms)
{
    bool over = c->plan->stages[i].over_window && until_ms < INT64_MAX;
    int64_t gap = gap_us(c->plan, i);
    size_t fit = gap && until_ms < INT64_MAX ? (size_t) (((until_ms - c->now_ms) * 1000 - 1) / gap + 1) : open;

    fit = fit < open ? fit : open;
    take(&c->plan->stages[i], of, fit);
    *last_ms = over ? until_ms : c->now_ms + (int64_t) (fit - 1) * gap / 1000;
    return move(c, fit == open && !over ? c->now_ms + (int64_t) fit * gap / 1000 : until_ms);
}

/* In windows and hours that are open at once; hosts whose window never comes are left out, and told of by a warning. */
static int start_in_windows(struct cursor *c, size_t i, int64_t *out_first_ms)
{
    struct open_hosts *of = count_windows(c->plan, i, c->run);
    int64_t last_ms = c->now_ms, until_ms;
    bool begun = false;
    int rc = of ? 0 : tg_fail(c->e, TG_E_MEMORY, "out of memory");

    for (size_t looks = 0; !rc && looks < LOOKS_MAX && !(rc = await(c, begun ? 0 : c->plan->stages[i].day)); looks++) {
        size_t open = look_at_windows(c, &c->plan->stages[i], of, &until_ms);
        if (!open && until_ms == INT64_MAX)
            break; /* all have had theirs, or never have */
        until_ms = c->span.until_ms < until_ms ? c->span.until_ms : until_ms;
        if (open && !begun)
            *out_first_ms = c->now_ms;
        begun |= open > 0;
        rc = open ? start_some(c, i, of, open, until_ms, &last_ms) : move(c, until_ms);
    }
    for (size_t w = 0; of && w < c->plan->stages[i].n_windows; w++)
        c->never |= of[w].left > 0;
    free(of);
    c->now_ms = begun ? last_ms : c->now_ms;
    return rc;
}

static int start_all(struct cursor *c, size_t i, int64_t *first_ms)
{
    return c->plan->n_windows && c->plan->calendar && !c->plan->stages[i].dry_run ? start_in_windows(c, i, first_ms) : start_anytime(c, i);
}

static int time_stage(struct cursor *c, size_t i, struct tg_stage_times *times)
{
    const struct tg_plan_stage *s = &c->plan->stages[i];

    times->start_ms = times->end_ms = c->now_ms;
    if (s->count == 0 || (c->run && c->run->stages[i].state == TG_STAGE_DONE))
        return 0;
    if (c->run && c->run->stages[i].state == TG_STAGE_BAKING)
        return move(c, c->run->stages[i].bake_until_ms);
    bool all_begun = to_start(c, i) == 0;
    int rc = all_begun ? 0 : await(c, s->day);
    times->start_ms = c->now_ms;
    if (!rc && !all_begun)
        rc = start_all(c, i, &times->start_ms);
    if (!rc)
        rc = move(c, c->now_ms + slowest_ms(c->plan, s) + s->bake_ms);
    times->end_ms = c->now_ms;
    return rc;
}

int tg_plan_times(const struct tg_plan *plan, int64_t now_ms, struct tg_stage_times **out, struct tg_error *e)
{
    struct cursor c = {.plan = plan, .now_ms = now_ms, .e = e};
    struct tg_stage_times *times = calloc(plan->n_stages + 1, sizeof *times);
    int rc = times ? look(&c) : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < plan->n_stages; i++)
        rc = time_stage(&c, i, &times[i]);
    if (rc)
        free(times);
    else
        *out = times;
    return rc;
}

int tg_plan_end(const struct tg_plan *plan, const struct tg_run *run, int64_t now_ms, int64_t *out_ms, struct tg_error *e)
{
    struct cursor c = {.plan = plan, .now_ms = now_ms, .e = e, .run = run, .day = run->day, .date = run->date};
    struct tg_stage_times times;
    int rc = look(&c);

    for (size_t i = run->stage; !rc && i < plan->n_stages; i++)
        rc = time_stage(&c, i, &times);
    if (!rc)
        *out_ms = c.never ? INT64_MAX : c.now_ms;
    return rc;
}

/* ---- for people ---- */

const char *tg_plan_zone(const struct tg_plan *plan)
{
    return plan->hours.days ? plan->hours.zone : plan->windows_zone[0] ? plan->windows_zone : "UTC";
}

struct local {
    int64_t date;
    int minute;
};

static struct local local_of(const struct tg_plan *plan, int64_t ms)
{
    struct tg_zone zone = {NULL, NULL};
    int64_t s = tg_floor_s(ms);

    (void) tg_zone_find(tg_plan_zone(plan), &zone, NULL); /* UTC else; whoever has times has had the zone */
    struct local l = {.date = tg_zone_date(&zone, s)};
    l.minute = (int) ((s + tg_zone_offset_s(&zone, s) - l.date * TG_DAY_S) / 60);
    return l;
}

/* "Mon", "30 Nov", "30 Nov 2027" */
static void put_date(int64_t date, int64_t today, char out[24])
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    /* Hinnant's days-to-civil: years begin in March */
    int64_t z = date + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int day = (int) (doy - (153 * mp + 2) / 5 + 1), month = (int) (mp < 10 ? mp + 3 : mp - 9), year = (int) (yoe + era * 400 + (month <= 2));

    if (date - today < 7)
        snprintf(out, 24, "%s", days[tg_weekday(date)]);
    else if (date - today < 300)
        snprintf(out, 24, "%d %s", day, months[month - 1]);
    else
        snprintf(out, 24, "%d %s %d", day, months[month - 1], year);
}

void tg_plan_time_format(const struct tg_plan *plan, int64_t at_ms, int64_t now_ms, char *out, size_t size)
{
    struct local at = local_of(plan, at_ms), now = local_of(plan, now_ms);
    char date[24];

    put_date(at.date, now.date, date);
    snprintf(out, size, "%s %02d:%02d", date, at.minute / 60, at.minute % 60);
}

void tg_plan_times_format(const struct tg_plan *plan, const struct tg_stage_times *times, int64_t now_ms, char *out, size_t size)
{
    struct local start = local_of(plan, times->start_ms), end = local_of(plan, times->end_ms);
    char from[40], until[40];

    tg_plan_time_format(plan, times->start_ms, now_ms, from, sizeof from);
    if (times->start_ms - now_ms < 60000)
        snprintf(from, sizeof from, "now");
    if (start.date == end.date)
        snprintf(until, sizeof until, "%02d:%02d", end.minute / 60, end.minute % 60);
    else
        tg_plan_time_format(plan, times->end_ms, now_ms, until, sizeof until);
    snprintf(out, size, "%s–%s", from, until);
}
