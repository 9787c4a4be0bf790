/*
 * Recurrences by libical, kept to what it gets right and gets through in bounded time. It would look for an impossible rule until the year
 * 2582, at up to half a second each, cuts numbers to 16 bits, and passes over BYSETPOS and the number in BYDAY=2MO of weekly rules. Daily and weekly
 * ones it gets wrong: see recur_days.c.
 */
#include "recur.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DAY_S 86400
#define TEXT_MAX 1000
#define COUNT_MAX 10000    /* a daily one for 27 years; they are counted from the first every time */
#define INTERVAL_MAX 1000
#define LAST_S INT64_C(7258118399) /* the end of 2199 */

struct recur {
    struct icalrecurrencetype rule;
    int64_t start_s, until_s; /* local; until_s: the last that may be */
    int64_t period_s;         /* of a daily or weekly one, which days has; 0: libical's */
    struct tg_recur_days days;
    bool counted;
};

static struct icaltimetype time_of(int64_t local_s)
{
    struct icaltimetype t = icaltime_from_timet_with_zone((time_t) local_s, 0, icaltimezone_get_utc_timezone());

    t.zone = NULL;
    return t;
}

size_t tg_calendar_items(const short *list, size_t size)
{
    size_t n = 0;

    while (n < size && list[n] != ICAL_RECURRENCE_ARRAY_MAX)
        n++;
    return n;
}

/* The value of a part ("INTERVAL") in the text; NULL when it has none. */
static const char *part(const char *rrule, const char *name, size_t *out_len)
{
    size_t len = strlen(name);

    for (const char *p = rrule; p; p = strchr(p, ';') ? strchr(p, ';') + 1 : NULL) {
        if (strncasecmp(p, name, len) != 0 || p[len] != '=')
            continue;
        *out_len = strcspn(p + len + 1, ";");
        return p + len + 1;
    }
    return NULL;
}

static int check_number(const char *rrule, const char *name, long max, struct tg_error *e)
{
    size_t len = 0, again = 0;
    const char *text = part(rrule, name, &len);

    if (!text)
        return 0;
    if (part(text + len, name, &again))
        return tg_fail(e, TG_E_DATA, "%s stands there twice", name);
    if (!len || len > 9 || strspn(text, "0123456789") < len || strtol(text, NULL, 10) < 1 || strtol(text, NULL, 10) > max)
        return tg_fail(e, TG_E_DATA, "%s must be 1 to %ld, and is \"%.*s\"", name, max, (int) (len > 40 ? 40 : len), text);
    return 0;
}

/* What the text must be before libical sees it. */
static int check_text(const char *rrule, struct tg_error *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=;,+-";
    static const char *const refused[] = {"RSCALE", "SKIP"};
    size_t len;

    if (strlen(rrule) > TEXT_MAX)
        return tg_fail(e, TG_E_DATA, "the rule has more than %d characters", TEXT_MAX);
    if (rrule[strspn(rrule, allowed)])
        return tg_fail(e, TG_E_DATA, "a rule has no \"%.1s\"", rrule + strspn(rrule, allowed));
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (part(rrule, refused[i], &len))
            return tg_fail(e, TG_E_DATA, "%s (another calendar than the Gregorian one) is not supported", refused[i]);
    /* Numbers are cut to 16 bits behind our back. */
    for (const char *p = rrule; *(p += strcspn(p, "0123456789"));) {
        size_t digits = strspn(p, "0123456789");
        if (digits > 5 && strncasecmp(p - (p - rrule < 6 ? 0 : 6), "UNTIL=", 6) != 0 && (p == rrule || toupper((unsigned char) p[-1]) != 'T'))
            return tg_fail(e, TG_E_DATA, "the number %.*s is too large", (int) (digits > 20 ? 20 : digits), p);
        p += digits;
    }
    int rc = check_number(rrule, "INTERVAL", INTERVAL_MAX, e);
    return rc ? rc : check_number(rrule, "COUNT", COUNT_MAX, e);
}

static int days_of_month(int month)
{
    return month == 2 ? 29 : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* "30 February": none of the days is in any of the months. */
static bool no_such_day(const struct icalrecurrencetype *r)
{
    size_t n_days = tg_calendar_items(r->by_month_day, ICAL_BY_MONTHDAY_SIZE), n_months = tg_calendar_items(r->by_month, ICAL_BY_MONTH_SIZE);

    for (size_t m = 0; n_days && m < n_months; m++)
        for (size_t d = 0; d < n_days; d++)
            if (abs(r->by_month_day[d]) <= days_of_month(r->by_month[m]))
                return false;
    return n_days && n_months;
}

/* Nth days of the week, and of a set: libical reads them only where months and years have them. */
static int check_positions(const struct icalrecurrencetype *r, struct tg_error *e)
{
    bool wide = r->freq == ICAL_MONTHLY_RECURRENCE || r->freq == ICAL_YEARLY_RECURRENCE;
    bool in_month = r->freq == ICAL_MONTHLY_RECURRENCE || tg_calendar_items(r->by_month, ICAL_BY_MONTH_SIZE);
    size_t n_days = tg_calendar_items(r->by_day, ICAL_BY_DAY_SIZE), n_pos = tg_calendar_items(r->by_set_pos, ICAL_BY_SETPOS_SIZE), sets = 0;

    for (size_t i = 0; i < n_days; i++) {
        int nth = abs(icalrecurrencetype_day_position(r->by_day[i]));
        sets += nth || !in_month ? 54 : 5;
        if (nth && !wide)
            return tg_fail(e, TG_E_DATA, "a number stands before a day only with FREQ=MONTHLY or YEARLY");
        if (nth > (in_month ? 5 : 53))
            return tg_fail(e, TG_E_DATA, "never comes: no %s has %d of a day of the week", in_month ? "month" : "year", nth);
    }
    for (size_t i = 0; i < n_pos; i++) {
        if (!wide)
            return tg_fail(e, TG_E_DATA, "BYSETPOS is supported only with FREQ=MONTHLY or YEARLY");
        if (in_month && n_days && tg_calendar_items(r->by_month, ICAL_BY_MONTH_SIZE) < 2 && (size_t) abs(r->by_set_pos[i]) > sets)
            return tg_fail(e, TG_E_DATA, "never comes: there are not %d of these days in a month", abs(r->by_set_pos[i]));
    }
    return 0;
}

/* Numbers that are none: libical takes month 13, second 60 and a 0th Monday. */
static int check_numbers(const struct icalrecurrencetype *r, const char *rrule, struct tg_error *e)
{
    size_t len = 0;

    for (size_t i = 0; i < tg_calendar_items(r->by_month, ICAL_BY_MONTH_SIZE); i++)
        if (r->by_month[i] < 1 || r->by_month[i] > 12)
            return tg_fail(e, TG_E_DATA, "there is no month %d", r->by_month[i]);
    for (size_t i = 0; i < tg_calendar_items(r->by_second, ICAL_BY_SECOND_SIZE); i++)
        if (r->by_second[i] > 59)
            return tg_fail(e, TG_E_DATA, "there is no second %d", r->by_second[i]);
    for (const char *p = part(rrule, "BYDAY", &len), *end = p ? p + len : p; p && p < end; p += strcspn(p, ",;") + 1)
        if (!isalpha((unsigned char) *p) && !strtol(p, NULL, 10))
            return tg_fail(e, TG_E_DATA, "there is no 0th day of the week");
    const struct icaltimetype *u = &r->until;
    if (!icaltime_is_null_time(*u) && (u->month < 1 || u->month > 12 || u->day < 1 || u->day > icaltime_days_in_month(u->month, u->year) || u->hour > 23 || u->minute > 59 ||
                                       u->second > 60))
        return tg_fail(e, TG_E_DATA, "UNTIL is no date and no time");
    return 0;
}

/* What belongs to which FREQ, and with what (RFC 5545, 3.3.10): what it leaves open, or libical does not do, is not guessed. */
static int check_parts(struct icalrecurrencetype *r, struct tg_error *e)
{
    size_t hours = tg_calendar_items(r->by_hour, ICAL_BY_HOUR_SIZE), minutes = tg_calendar_items(r->by_minute, ICAL_BY_MINUTE_SIZE),
           seconds = tg_calendar_items(r->by_second, ICAL_BY_SECOND_SIZE), n_days = tg_calendar_items(r->by_day, ICAL_BY_DAY_SIZE);
    bool year_days = tg_calendar_items(r->by_year_day, ICAL_BY_YEARDAY_SIZE),
         month_days = tg_calendar_items(r->by_month_day, ICAL_BY_MONTHDAY_SIZE), months = tg_calendar_items(r->by_month, ICAL_BY_MONTH_SIZE);

    if (tg_calendar_items(r->by_week_no, ICAL_BY_WEEKNO_SIZE))
        return tg_fail(e, TG_E_DATA, "BYWEEKNO is not supported: programs disagree about the weeks at a year's ends");
    if (year_days && r->freq != ICAL_YEARLY_RECURRENCE)
        return tg_fail(e, TG_E_DATA, "BYYEARDAY is supported only with FREQ=YEARLY");
    if (month_days && r->freq == ICAL_WEEKLY_RECURRENCE)
        return tg_fail(e, TG_E_DATA, "BYMONTHDAY does not go with FREQ=WEEKLY");
    if (year_days && (months || month_days))
        return tg_fail(e, TG_E_DATA, "BYYEARDAY is not supported with BYMONTH or BYMONTHDAY");
    if (tg_calendar_items(r->by_set_pos, ICAL_BY_SETPOS_SIZE) && (hours > 1 || minutes > 1 || seconds > 1))
        return tg_fail(e, TG_E_DATA, "BYSETPOS is not supported with several times a day");
    if (r->freq != ICAL_YEARLY_RECURRENCE || !month_days || months)
        return 0;
    for (size_t i = 0; i < n_days; i++)
        if (icalrecurrencetype_day_position(r->by_day[i]))
            return tg_fail(e, TG_E_DATA, "BYMONTHDAY with a number before a day of the week needs BYMONTH");
    for (short m = 1; m <= 12; m++) /* without BYMONTH these are days of all months; libical has them in that of the start alone */
        r->by_month[m - 1] = m;
    r->by_month[12] = ICAL_RECURRENCE_ARRAY_MAX;
    return 0;
}

static int check_rule(const struct icalrecurrencetype *r, struct tg_error *e)
{
    size_t hours = tg_calendar_items(r->by_hour, ICAL_BY_HOUR_SIZE), minutes = tg_calendar_items(r->by_minute, ICAL_BY_MINUTE_SIZE), seconds = tg_calendar_items(r->by_second, ICAL_BY_SECOND_SIZE);

    if (r->freq != ICAL_DAILY_RECURRENCE && r->freq != ICAL_WEEKLY_RECURRENCE && r->freq != ICAL_MONTHLY_RECURRENCE && r->freq != ICAL_YEARLY_RECURRENCE) {
        tg_fail(e, TG_E_DATA, "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY");
        tg_error_hint(e, "several times a day: FREQ=DAILY;BYHOUR=6,12,18");
        return TG_E_DATA;
    }
    if ((hours ? hours : 1) * (minutes ? minutes : 1) * (seconds ? seconds : 1) > TG_RECUR_A_DAY)
        return tg_fail(e, TG_E_DATA, "it comes more than %d times a day", TG_RECUR_A_DAY);
    if (no_such_day(r))
        return tg_fail(e, TG_E_DATA, "never comes: there is no %d of month %d", r->by_month_day[0], r->by_month[0]);
    return check_positions(r, e);
}

static int check_all(struct icalrecurrencetype *r, const char *rrule, struct tg_error *e)
{
    int rc = check_rule(r, e);

    if (!rc)
        rc = check_numbers(r, rrule, e);
    return rc ? rc : check_parts(r, e);
}

static int64_t until_of(const struct icaltimetype *t, const void *zone)
{
    if (icaltime_is_null_time(*t))
        return LAST_S;
    struct icaltimetype copy = *t;
    copy.zone = NULL;
    copy.is_date = 0;
    int64_t s = (int64_t) icaltime_as_timet(copy);
    if (t->is_date)
        return s + DAY_S - 1;
    return icaltime_is_utc(*t) ? s + tg_calendar_offset_s(zone, s) : s;
}

static int first_found(int64_t start_local_s, void *data)
{
    *(int64_t *) data = start_local_s;
    return 1;
}

static int check_first(const struct recur *r, struct tg_error *e)
{
    int64_t first;

    if (r->until_s < r->start_s)
        return tg_fail(e, TG_E_DATA, "UNTIL is before the start");
    /* A day, or a month, that is not it costs as much as one that is. */
    bool days = r->period_s != 0, months = r->rule.freq == ICAL_MONTHLY_RECURRENCE;
    int64_t years = days ? 1 : months ? 5 : 12, steps = days ? r->period_s : (months ? 31 : 366) * INT64_C(86400) * r->rule.interval;
    int64_t within = r->start_s + years * 400 * DAY_S + 2 * steps;
    int rc = tg_calendar_recur_expand(r, r->start_s, within < LAST_S ? within : LAST_S, first_found, &first, e);
    if (rc < 0 || rc > 0)
        return rc < 0 ? rc : 0;
    if (!days)
        return tg_fail(e, TG_E_DATA, "never comes");
    tg_fail(e, TG_E_DATA, "never comes, or so rarely that FREQ must be YEARLY");
    return TG_E_DATA;
}

int tg_calendar_recur_new(const char *rrule, int64_t start_local_s, const void *zone, void **out, struct tg_error *e)
{
    struct recur *r = NULL;
    int rc = check_text(rrule, e);

    if (rc)
        return rc;
    if (!(r = calloc(1, sizeof *r)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    icalerror_clear_errno();
    r->rule = icalrecurrencetype_from_string(rrule);
    rc = r->rule.freq == ICAL_NO_RECURRENCE ? tg_fail(e, TG_E_DATA, "\"%.100s\" is no RRULE", rrule) : check_all(&r->rule, rrule, e);
    if (!rc) {
        r->start_s = start_local_s;
        r->counted = r->rule.count != 0;
        r->until_s = until_of(&r->rule.until, zone);
        r->period_s = r->rule.freq == ICAL_DAILY_RECURRENCE ? DAY_S * r->rule.interval : r->rule.freq == ICAL_WEEKLY_RECURRENCE ? 7 * DAY_S * r->rule.interval : 0;
        if (r->period_s)
            tg_recur_days_init(&r->days, &r->rule, start_local_s);
        rc = check_first(r, e);
    }
    if (rc) {
        free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void tg_calendar_recur_free(void *recur)
{
    free(recur);
}

/* libical skips to the first that may be. */
static icalrecur_iterator *begin(const struct recur *r, int64_t from_s, int64_t until_s)
{
    struct icalrecurrencetype rule = r->rule;

    if (!r->counted) /* it stops looking there */
        rule.until = time_of(until_s < r->until_s ? until_s : r->until_s);
    icalerror_clear_errno();
    icalrecur_iterator *it = icalrecur_iterator_new(rule, time_of(r->start_s));
    if (it && !r->counted && from_s > r->start_s && !icalrecur_iterator_set_start(it, time_of(from_s))) {
        icalrecur_iterator_free(it);
        it = icalrecur_iterator_new(rule, time_of(r->start_s));
    }
    return it;
}

int tg_calendar_recur_expand(const void *recur, int64_t from_local_s, int64_t until_local_s, int (*found)(int64_t, void *), void *data,
                             struct tg_error *e)
{
    const struct recur *r = recur;
    int64_t end = until_local_s - 1 < r->until_s ? until_local_s - 1 : r->until_s;
    int rc = 0;

    if (end < from_local_s || end < r->start_s)
        return 0;
    if (r->period_s)
        return tg_recur_days_expand(&r->days, from_local_s, end, found, data);
    icalrecur_iterator *it = begin(r, from_local_s, end);
    if (!it)
        return icalerrno == ICAL_NEWFAILED_ERROR ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0; /* it has none any more */
    for (;;) {
        struct icaltimetype t = icalrecur_iterator_next(it);
        if (icaltime_is_null_time(t))
            break;
        int64_t s = (int64_t) icaltime_as_timet(t);
        if (s > end)
            break;
        if (s >= from_local_s && (rc = found(s, data)))
            break;
    }
    icalrecur_iterator_free(it);
    return rc;
}

/* ---- of a file's own time zones */

/* Every year, on one day by a rule that there is: what all programs write. */
static int check_zone_rule(icalcomponent *part, struct tg_error *e)
{
    icalproperty *p = icalcomponent_get_first_property(part, ICAL_RRULE_PROPERTY);
    struct icaltimetype start = icalcomponent_get_dtstart(part);

    if (icaltime_is_null_time(start) || !icalcomponent_get_first_property(part, ICAL_TZOFFSETTO_PROPERTY) ||
        !icalcomponent_get_first_property(part, ICAL_TZOFFSETFROM_PROPERTY) || start.year < 1600 || start.year > 2199 || !icaltime_is_valid_time(start))
        return tg_fail(e, TG_E_DATA, "this VTIMEZONE can't be read: a part lacks DTSTART, TZOFFSETFROM or TZOFFSETTO");
    if (!p)
        return 0;
    struct icalrecurrencetype rule = icalproperty_get_rrule(p);
    if (rule.freq != ICAL_YEARLY_RECURRENCE || rule.interval != 1 || rule.rscale || tg_calendar_items(rule.by_set_pos, ICAL_BY_SETPOS_SIZE) ||
        tg_calendar_items(rule.by_week_no, ICAL_BY_WEEKNO_SIZE) || tg_calendar_items(rule.by_year_day, ICAL_BY_YEARDAY_SIZE) || tg_calendar_items(rule.by_hour, ICAL_BY_HOUR_SIZE) > 1 || no_such_day(&rule))
        return tg_fail(e, TG_E_DATA, "the rules of this VTIMEZONE are not supported: clocks are set once a year");
    rule.until = icaltime_null_time();
    rule.count = 0;
    icalrecur_iterator *it = check_rule(&rule, e) ? NULL : icalrecur_iterator_new(rule, start);
    bool comes = it && !icaltime_is_null_time(icalrecur_iterator_next(it));
    if (it)
        icalrecur_iterator_free(it);
    return comes ? 0 : tg_fail(e, TG_E_DATA, "a rule of this VTIMEZONE never comes");
}

int tg_calendar_zone_rules(icalcomponent *vtimezone, struct tg_error *e)
{
    int n = 0, rc = 0;

    for (icalcomponent *c = icalcomponent_get_first_component(vtimezone, ICAL_ANY_COMPONENT); !rc && c;
         c = icalcomponent_get_next_component(vtimezone, ICAL_ANY_COMPONENT), n++)
        rc = check_zone_rule(c, e);
    return rc || n ? rc : tg_fail(e, TG_E_DATA, "this VTIMEZONE has no STANDARD part");
}
