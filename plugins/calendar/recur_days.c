/*
 * Daily and weekly recurrences, day by day. libical 3.0 counts the weeks of INTERVAL from a day before the start when the start is no day of BYDAY
 * (every second one came a week off), and has no day of BYMONTHDAY=-1 in daily ones.
 */
#include "recur.h"

#define DAY_S 86400

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* 0 Monday … 6 Sunday; 1970-01-01 was a Thursday. */
static int weekday(int64_t date)
{
    return (int) (((date + 3) % 7 + 7) % 7);
}

static int weekday_of(short day)
{
    return ((int) icalrecurrencetype_day_day_of_week(day) + 5) % 7;
}

static int compare_s(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Those of a list, or the one of the start. */
static size_t list_or(const short *list, size_t size, int of_start, int *out)
{
    size_t n = tg_calendar_items(list, size);

    for (size_t i = 0; i < n && i < TG_RECUR_A_DAY; i++)
        out[i] = list[i];
    if (!n)
        out[n++] = of_start;
    return n < TG_RECUR_A_DAY ? n : TG_RECUR_A_DAY;
}

static void take_times(const struct icalrecurrencetype *r, int of_day, struct tg_recur_days *out)
{
    int hours[TG_RECUR_A_DAY], minutes[TG_RECUR_A_DAY], seconds[TG_RECUR_A_DAY];
    size_t n_hours = list_or(r->by_hour, ICAL_BY_HOUR_SIZE, of_day / 3600, hours), n_minutes = list_or(r->by_minute, ICAL_BY_MINUTE_SIZE, of_day / 60 % 60, minutes),
           n_seconds = list_or(r->by_second, ICAL_BY_SECOND_SIZE, of_day % 60, seconds);

    for (size_t h = 0; h < n_hours; h++)
        for (size_t m = 0; m < n_minutes; m++)
            for (size_t s = 0; s < n_seconds && out->n_at < TG_RECUR_A_DAY; s++)
                out->at_s[out->n_at++] = hours[h] * 3600 + minutes[m] * 60 + seconds[s];
    qsort(out->at_s, out->n_at, sizeof out->at_s[0], compare_s);
}

void tg_recur_days_init(struct tg_recur_days *out, const struct icalrecurrencetype *r, int64_t start_s)
{
    int64_t date = floor_div(start_s, DAY_S);

    *out = (struct tg_recur_days) {.interval = r->interval, .count = r->count, .start_s = start_s, .weekly = r->freq == ICAL_WEEKLY_RECURRENCE};
    for (size_t i = 0; i < tg_calendar_items(r->by_day, ICAL_BY_DAY_SIZE); i++)
        out->days |= 1U << weekday_of(r->by_day[i]);
    for (size_t i = 0; i < tg_calendar_items(r->by_month, ICAL_BY_MONTH_SIZE); i++)
        out->months |= 1U << r->by_month[i];
    for (size_t i = 0; i < tg_calendar_items(r->by_month_day, ICAL_BY_MONTHDAY_SIZE); i++) {
        int day = r->by_month_day[i];
        out->month_days |= UINT64_C(1) << (day > 0 ? day : 32 - day);
    }
    if (!out->days)
        out->days = out->weekly ? 1U << weekday(date) : 127;
    /* Weeks are counted from the one that holds the start. */
    int into_week = (weekday(date) - weekday_of((short) r->week_start) + 7) % 7;
    out->first_date = out->weekly ? date - into_week : date;
    take_times(r, (int) (start_s - date * DAY_S), out);
}

/* The parts of a date, as in the Gregorian calendar of all years; by days from 0000-03-01. */
static void parts_of(int64_t date, int *out_month, int *out_day, int *out_days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days = date + 719468, of_era = days - floor_div(days, 146097) * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365, of_year = of_era - (365 * year + year / 4 - year / 100), shifted = (5 * of_year + 2) / 153;
    int month = (int) (shifted < 10 ? shifted + 3 : shifted - 9);

    year += month <= 2; /* of its 400 years */
    *out_month = month;
    *out_day = (int) (of_year - (153 * shifted + 2) / 5 + 1);
    *out_days = lengths[month - 1] + (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

static bool has_date(const struct tg_recur_days *r, int64_t date)
{
    int month, day, days;

    if (!(r->days & 1U << weekday(date)))
        return false;
    if (!r->months && !r->month_days)
        return true;
    parts_of(date, &month, &day, &days);
    return (!r->months || r->months & 1U << month) && (!r->month_days || r->month_days & (UINT64_C(1) << day | UINT64_C(1) << (33 + days - day)));
}

int tg_recur_days_expand(const struct tg_recur_days *r, int64_t from_s, int64_t end_s, int (*found)(int64_t, void *), void *data)
{
    int64_t step = (int64_t) r->interval * (r->weekly ? 7 : 1), date = r->first_date;
    int left = r->count, rc = 0;

    if (!left && from_s / DAY_S - 1 > date) /* what is counted is, from the first on */
        date += (from_s / DAY_S - 1 - date) / step * step;
    for (; date * DAY_S <= end_s; date += step)
        for (int64_t d = date; d < date + (r->weekly ? 7 : 1); d++)
            for (size_t i = 0; has_date(r, d) && i < r->n_at; i++) {
                int64_t s = d * DAY_S + r->at_s[i];
                if (s < r->start_s)
                    continue;
                if (s > end_s)
                    return 0;
                if (s >= from_s && (rc = found(s, data)))
                    return rc;
                if (left && --left == 0)
                    return 0;
            }
    return 0;
}
