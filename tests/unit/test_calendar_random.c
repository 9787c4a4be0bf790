/*
 * P5: allowed = windows − blackouts, minute by minute, against an implementation that is slow and obvious: a mark for each minute, clocks as the C
 * library shows them, and rules that look at each day by itself. Every seed is a calendar of its own; TAGOUT_SEED=N replays one.
 */
#include "calendar_world.h"

#include <time.h>

#define SEEDS 60
#define DAY 1440
#define INNER (220 * DAY) /* minutes that are compared; */
#define PAD (20 * DAY)    /* and those around, so that what reaches in is there */
#define ALL (INNER + 2 * PAD)
#define RULES 7

static const char *const zones[] = {"UTC",           "Europe/Berlin",    "America/New_York",     "Australia/Lord_Howe", "Africa/Casablanca",
                                    "Asia/Kathmandu", "America/St_Johns", "America/Sao_Paulo",    "Europe/London",       "Pacific/Chatham"};
static const char *const day_names[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};
static const char *const short_names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

static uint64_t state;

static unsigned below(unsigned n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned) (state >> 33) % n;
}

/* ---- clocks: what they show at each minute */

static int64_t base_min;               /* of the first mark, in UTC */
static int64_t shows[ALL];             /* local minutes */

static void look_at_clocks(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
    for (int i = 0, ahead = 0; i < ALL; i++) {
        time_t t = (time_t) ((base_min + i) * 60);
        struct tm tm;
        if ((base_min + i) % 15 == 0) { /* no clock is set at another minute */
            localtime_r(&t, &tm);
            ahead = (int) (tm.tm_gmtoff / 60);
        }
        shows[i] = base_min + i + ahead;
    }
}

enum which { FIRST, LAST, ICAL };

/* The minute at which clocks show this, by looking at all of them around it. Outside of what is marked: far away on that side. */
static int64_t minute_of(int64_t local, enum which which)
{
    int64_t around = local - base_min, from = around - DAY, until = around + DAY, found = -1, before = -1;

    if (from < 0)
        return -1;
    if (until > ALL)
        return ALL;
    for (int64_t i = from; i < until; i++) {
        if (shows[i] == local) {
            found = i;
            if (which != LAST)
                break;
        }
        if (shows[i] < local)
            before = i;
    }
    if (found >= 0)
        return found;
    return which == ICAL ? local - (shows[before] - before) : before + 1;
}

/* ---- rules, day by day */

struct rule {
    bool blackout, hours;
    int level;
    unsigned days;           /* hours, and BYDAY: bits from Monday */
    int from, until;         /* hours */
    int64_t start;           /* local minutes */
    int clock, exact;        /* minutes */
    char freq;               /* 'D', 'W', 'M', 'Y'; 0: once */
    int interval, count, month, month_day, nth, set_pos;
    int64_t until_date;      /* 0: none */
    int cut_off;
    int64_t except;          /* a date; 0: none */
    char text[400];
};

static int weekday(int64_t date)
{
    return (int) ((date + 3) % 7);
}

static void parts(int64_t date, int *y, int *m, int *d)
{
    time_t t = (time_t) (date * 86400);
    struct tm tm;

    gmtime_r(&t, &tm);
    *y = tm.tm_year + 1900;
    *m = tm.tm_mon + 1;
    *d = tm.tm_mday;
}

static int month_length(int y, int m)
{
    struct tm tm = {.tm_year = y - 1900, .tm_mon = m, .tm_mday = 0, .tm_hour = 12};

    timegm(&tm);
    return tm.tm_mday;
}

/* Would it be this day, BYSETPOS aside? */
static bool plain_match(const struct rule *r, int64_t date)
{
    int64_t first = r->start / DAY;
    int y, m, d, y0, m0, d0;

    parts(date, &y, &m, &d);
    parts(first, &y0, &m0, &d0);
    if (r->month && m != r->month)
        return false;
    switch (r->freq) {
    case 'D':
        return (date - first) % r->interval == 0 && (!r->days || r->days >> weekday(date) & 1);
    case 'W':
        return ((date - weekday(date)) / 7 - (first - weekday(first)) / 7) % r->interval == 0 && (r->days ? r->days >> weekday(date) & 1 : weekday(date) == weekday(first));
    case 'M':
        if ((y * 12 + m - y0 * 12 - m0) % r->interval)
            return false;
        if (r->month_day)
            return d == r->month_day || d == month_length(y, m) + 1 + r->month_day;
        if (r->nth)
            return r->days >> weekday(date) & 1 && (r->nth > 0 ? (d - 1) / 7 + 1 == r->nth : (month_length(y, m) - d) / 7 + 1 == -r->nth);
        return r->days ? r->days >> weekday(date) & 1 : d == d0;
    case 'Y':
        return (y - y0) % r->interval == 0 && m == (r->month ? r->month : m0) && d == (r->month_day ? r->month_day : d0);
    default:
        return date == first;
    }
}

static bool matches(const struct rule *r, int64_t date)
{
    int y, m, d, rank = 0, of = 0;

    if (!plain_match(r, date) || !r->set_pos)
        return plain_match(r, date);
    parts(date, &y, &m, &d);
    for (int i = 1; i <= month_length(y, m); i++)
        if (plain_match(r, date - d + i)) {
            of++;
            rank += i <= d;
        }
    return r->set_pos > 0 ? rank == r->set_pos : of - rank + 1 == -r->set_pos;
}

static void put(uint8_t *marks, int64_t from, int64_t until)
{
    for (int64_t i = from < 0 ? 0 : from; i < until && i < ALL; i++)
        marks[i] = 1;
}

static void mark_rule(const struct rule *r, uint8_t *marks)
{
    int64_t first = base_min / DAY - 4, last = (base_min + ALL) / DAY + 4;
    int n = 0;

    memset(marks, 0, ALL);
    for (int64_t date = r->hours ? first : r->start / DAY; date <= last; date++) {
        if (r->hours) {
            if (!(r->days >> weekday(date) & 1) || date == r->except)
                continue;
            put(marks, minute_of(date * DAY + r->from, r->blackout ? FIRST : LAST),
                minute_of((date + (r->until <= r->from)) * DAY + r->until, r->blackout ? LAST : FIRST));
            continue;
        }
        if ((r->until_date && date > r->until_date) || (r->count && n >= r->count))
            break;
        if (!matches(r, date))
            continue;
        n++;
        int64_t local = date * DAY + r->start % DAY, from = minute_of(local, ICAL), until = from;
        if (r->clock) {
            int64_t late = minute_of(local + r->clock, LAST);
            until = minute_of(local + r->clock, ICAL);
            until = r->blackout && late > until ? late : until;
        }
        if (date != r->except && from >= 0)
            put(marks, from, until + r->exact);
        else if (date != r->except && until > 0)
            put(marks, 0, until + r->exact);
    }
}

/* ---- random ones */

static const char *const scopes[] = {"fleet", "group:web", "@web or @db", "customer:acme", "host:web1"};
static const int levels[] = {0, 1, 1, 2, 3};

static void random_hours(struct rule *r)
{
    char days[40] = "";

    r->hours = true;
    r->days = below(127) + 1;
    for (int d = 0; d < 7; d++)
        if (r->days >> d & 1)
            snprintf(days + strlen(days), sizeof days - strlen(days), "%s%s", days[0] ? "," : "", short_names[d]);
    r->from = (int) below(below(3) ? DAY : 5 * 60);
    do
        r->until = 1 + (int) below(DAY);
    while (r->until == r->from);
    snprintf(r->text, sizeof r->text, "hours: \"%s %02d:%02d-%02d:%02d\"", days, r->from / 60, r->from % 60, r->until / 60, r->until % 60);
}

static void random_byday(struct rule *r, char *text, size_t size)
{
    r->days = below(127) + 1;
    size_t n = strlen(text);
    n += (size_t) snprintf(text + n, size - n, ";BYDAY=");
    for (int d = 0, any = 0; d < 7; d++)
        if (r->days >> d & 1) {
            n += (size_t) snprintf(text + n, size - n, any++ ? "," : "");
            if (r->nth)
                n += (size_t) snprintf(text + n, size - n, "%d", r->nth);
            n += (size_t) snprintf(text + n, size - n, "%s", day_names[d]);
        }
}

static void random_recurrence(struct rule *r, char *text, size_t size)
{
    static const char *const names[] = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"};
    unsigned kind = below(4);
    int y, m, d;

    r->freq = "DWMY"[kind];
    r->interval = 1 + (int) below(kind == 3 ? 2 : 4);
    snprintf(text, size, "FREQ=%s", names[kind]);
    if (r->interval > 1 || below(2))
        snprintf(text + strlen(text), size - strlen(text), ";INTERVAL=%d", r->interval);
    parts(r->start / DAY, &y, &m, &d);
    if (kind == 0 && below(2)) {
        random_byday(r, text, size);
        if (r->interval == 7) /* may never come */
            r->interval = 1;
    } else if (kind == 1 && below(2)) {
        random_byday(r, text, size);
    } else if (kind == 2 && below(4)) {
        switch (below(3)) {
        case 0:
            r->month_day = below(2) ? 1 + (int) below(28) : -1 - (int) below(28);
            snprintf(text + strlen(text), size - strlen(text), ";BYMONTHDAY=%d", r->month_day);
            break;
        case 1:
            r->nth = below(2) ? 1 + (int) below(4) : -1 - (int) below(4);
            random_byday(r, text, size);
            break;
        default:
            random_byday(r, text, size);
            r->set_pos = below(2) ? 1 + (int) below(4) : -1 - (int) below(4);
            snprintf(text + strlen(text), size - strlen(text), ";BYSETPOS=%d", r->set_pos);
        }
    } else if (kind == 3 && below(2)) {
        r->month = 1 + (int) below(12);
        r->month_day = 1 + (int) below(28);
        snprintf(text + strlen(text), size - strlen(text), ";BYMONTH=%d;BYMONTHDAY=%d", r->month, r->month_day);
    }
    if (kind < 2 && below(4) == 0) {
        r->month = 1 + (int) below(12);
        snprintf(text + strlen(text), size - strlen(text), ";BYMONTH=%d", r->month);
    }
    unsigned bound = below(4);
    if (bound == 0) {
        r->count = 1 + (int) below(kind == 0 ? 900 : 90);
        snprintf(text + strlen(text), size - strlen(text), ";COUNT=%d", r->count);
    } else if (bound == 1) {
        r->until_date = base_min / DAY + below(300);
        parts(r->until_date, &y, &m, &d);
        snprintf(text + strlen(text), size - strlen(text), ";UNTIL=%04d%02d%02d", y, m, d);
    }
}

static void random_start(struct rule *r)
{
    char rrule[200] = "", when[32];
    bool recurs = below(4) > 0;
    int64_t back = recurs ? below(900) * DAY : 0;

    r->start = (base_min / DAY) * DAY - back + (recurs ? 0 : (int64_t) below(ALL)) / DAY * DAY + (int64_t) below(below(3) ? DAY : 5 * 60);
    if (recurs)
        random_recurrence(r, rrule, sizeof rrule);
    tg_local_format(r->start * 60, when, sizeof when);
    if (below(2)) {
        r->exact = 1 + (int) below(below(4) ? 600 : 3 * DAY);
        snprintf(r->text, sizeof r->text, "start: \"%s\", duration: %dm", when, r->exact);
    } else {
        int until = 1 + (int) below(DAY), from = (int) (r->start % DAY);
        r->clock = until - from + (until <= from ? DAY : 0);
        snprintf(r->text, sizeof r->text, "start: \"%s\", until: \"%02d:%02d\"", when, until / 60, until % 60);
    }
    if (recurs)
        snprintf(r->text + strlen(r->text), sizeof r->text - strlen(r->text), ", rule: \"%s\"", rrule);
}

static void random_rule(struct rule *r, int i, struct tg_buf *windows, struct tg_buf *blackouts)
{
    unsigned scope = below(5);
    char date[16];

    *r = (struct rule) {.blackout = below(3) == 0, .level = levels[scope]};
    if (below(2))
        random_hours(r);
    else
        random_start(r);
    if (below(3) == 0) {
        r->except = (base_min + PAD) / DAY + below(INNER / DAY);
        snprintf(r->text + strlen(r->text), sizeof r->text - strlen(r->text), ", except: [%s]", tg_date_format(r->except, date, sizeof date));
    }
    if (!r->blackout) {
        r->cut_off = below(2) ? 0 : (int) below(240);
        snprintf(r->text + strlen(r->text), sizeof r->text - strlen(r->text), ", cut-off: %dm", r->cut_off);
    }
    tg_buf_printf(r->blackout ? blackouts : windows, "  r%d: {for: \"%s\", %s}\n", i, scopes[scope], r->text);
}

/* ---- the comparison */

static struct rule rules[RULES];
static uint8_t marks[RULES][ALL], open_[ALL], start_[ALL];
static int left_[ALL];

static void expect(const bool *covers, int n, bool default_open, int default_cut)
{
    int level = -1;

    for (int k = 0; k < n; k++)
        if (covers[k] && !rules[k].blackout && rules[k].level > level)
            level = rules[k].level;
    for (int i = 0; i < ALL; i++) {
        open_[i] = level < 0 && default_open;
        for (int k = 0; k < n; k++)
            if (covers[k] && !rules[k].blackout && rules[k].level == level && marks[k][i])
                open_[i] = 1;
        for (int k = 0; k < n; k++)
            if (covers[k] && rules[k].blackout && marks[k][i])
                open_[i] = 0;
    }
    for (int i = ALL - 1, left = 1 << 28; i >= 0; i--) {
        left = open_[i] ? left + 1 : 0;
        left_[i] = left;
    }
    for (int i = 0; i < ALL; i++) {
        start_[i] = level < 0 && open_[i] && left_[i] > default_cut;
        for (int k = 0; k < n; k++)
            if (covers[k] && !rules[k].blackout && rules[k].level == level && marks[k][i] && open_[i] && left_[i] > rules[k].cut_off)
                start_[i] = 1;
    }
}

static void compare_spans(const struct tg_spans *got, const uint8_t *wanted, const char *what, unsigned seed, const char *calendar)
{
    for (int i = PAD; i < PAD + INNER; i++) {
        bool is = tg_spans_hold(got, (base_min + i) * 60000);
        char at[40];
        if (is == wanted[i])
            continue;
        tg_time_format((base_min + i) * 60000, at, sizeof at);
        cr_assert_eq(is, wanted[i], "TAGOUT_SEED=%u: %s at %s is %d, expected %d\n%s", seed, what, at, is, wanted[i], calendar);
    }
}

static void compare_answers(struct world *w, uint32_t class_, unsigned seed, const char *calendar)
{
    for (int k = 0; k < 40; k++) {
        int i = PAD + (int) below(INNER), next = i, fit, need = (int) below(below(2) ? 120 : 900);
        int64_t t = (base_min + i) * 60000;
        struct tg_allowed a;
        struct tg_fit f;
        char at[40];

        tg_time_format(t, at, sizeof at);
        cr_assert_eq(tg_agenda_at(w->agenda, class_, t, &a, NULL), 0);
        cr_assert(a.open == open_[i] && a.may_start == start_[i], "TAGOUT_SEED=%u: at %s open %d start %d, expected %d %d\n%s", seed, at, a.open, a.may_start, open_[i], start_[i], calendar);
        if (a.open && i + left_[i] < ALL - PAD / 2)
            cr_assert_eq(a.open_until_ms, t + left_[i] * INT64_C(60000), "TAGOUT_SEED=%u: at %s\n%s", seed, at, calendar);
        while (next < ALL - PAD / 2 && !start_[next])
            next++;
        if (next < ALL - PAD / 2)
            cr_assert_eq(a.next_start_ms, (base_min + next) * 60000, "TAGOUT_SEED=%u: next of %s\n%s", seed, at, calendar);
        for (fit = i; fit < ALL - PAD / 2 && !(start_[fit] && left_[fit] >= need);)
            fit++;
        cr_assert_eq(tg_agenda_fits(w->agenda, class_, t, need * INT64_C(60000), &f, NULL), 0);
        if (fit < ALL - PAD / 2)
            cr_assert(f.start_ms == (base_min + fit) * 60000 && f.now == (fit == i), "TAGOUT_SEED=%u: %d min at %s\n%s", seed, need, at, calendar);
        else
            cr_assert_geq(f.start_ms, (base_min + fit) * 60000, "TAGOUT_SEED=%u: %d min at %s\n%s", seed, need, at, calendar);
    }
}

static void one_seed(unsigned seed)
{
    static const char inventory[] = "groups:\n  web: {hosts: web1}\n  db: {hosts: db1}\ncustomers: {acme: {hosts: \"*\"}}\n";
    struct tg_buf windows = TG_BUF_INIT, blackouts = TG_BUF_INIT, text = TG_BUF_INIT;
    struct tg_spans open = TG_SPANS_INIT, start = TG_SPANS_INIT;

    state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    const char *zone = zones[below(sizeof zones / sizeof zones[0])];
    base_min = (int64_t) (5 * 365 + below(110 * 365)) * DAY; /* 1975 … 2085 */
    int n = 1 + (int) below(RULES), default_cut = (int) below(3) * 30;
    bool default_open = below(2);
    look_at_clocks(zone);
    for (int k = 0; k < n; k++) {
        random_rule(&rules[k], k, &windows, &blackouts);
        mark_rule(&rules[k], marks[k]);
    }
    tg_buf_printf(&text, "zone: %s\ndefault: %s\ncut-off: %dm\n%s%s%s%s", zone, default_open ? "open" : "closed", default_cut, windows.len ? "windows:\n" : "windows: {}\n", tg_buf_text(&windows),
                  blackouts.len ? "blackouts:\n" : "", tg_buf_text(&blackouts));

    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_calendar *calendar = NULL;
    int rc = tg_calendar_parse("cal.yaml", tg_buf_text(&text), text.len, &p, &calendar, &e);
    bool never = rc && (strstr(e.message, "never comes") || strstr(e.message, "UNTIL is before"));
    cr_assert(!rc || never, "TAGOUT_SEED=%u: %s\n%s", seed, e.message, tg_buf_text(&text));
    tg_problems_release(&p);
    tg_calendar_free(calendar);
    if (!rc) {
        struct world w = world_of(inventory, tg_buf_text(&text));
        for (int host = 0; host < 2; host++) {
            uint32_t class_ = class_of(&w, host ? "db1" : "web1");
            bool covers[RULES];
            for (int k = 0; k < n; k++) { /* db1 is not in group:web, nor host:web1 */
                char scope[40];
                snprintf(scope, sizeof scope, "  r%d: {for: \"", k);
                const char *of = strstr(tg_buf_text(&text), scope) + strlen(scope);
                covers[k] = !host || (strncmp(of, "group:web", 9) != 0 && strncmp(of, "host:web1", 9) != 0);
            }
            expect(covers, n, default_open, default_cut);
            cr_assert_eq(tg_agenda_spans(w.agenda, class_, (base_min + PAD) * 60000, (base_min + PAD + INNER) * 60000, &open, &start, &e), 0, "%s", e.message);
            compare_spans(&open, open_, "open", seed, tg_buf_text(&text));
            compare_spans(&start, start_, "start", seed, tg_buf_text(&text));
            compare_answers(&w, class_, seed, tg_buf_text(&text));
        }
        world_end(&w);
    }
    tg_spans_release(&open);
    tg_spans_release(&start);
    tg_buf_release(&windows);
    tg_buf_release(&blackouts);
    tg_buf_release(&text);
}

Test(calendar_random, allowed_is_windows_without_blackouts_every_minute)
{
    const char *one = getenv("TAGOUT_SEED");

    if (one) {
        one_seed((unsigned) strtoul(one, NULL, 10));
        return;
    }
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        one_seed(seed);
}
