/* Local dates and times: see local.h. */
#include "calendar/local.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define YEAR_FIRST 1900 /* others' calendars have birthdays */
#define YEAR_LAST 2199

static bool leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && leap(year));
}

/* Days from 1970-01-01 to the first of a year. */
static int64_t year_date(int year)
{
    int64_t y = year - 1;

    return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

bool tg_date_of(int year, int month, int day, int64_t *out)
{
    if (year < YEAR_FIRST || year > YEAR_LAST || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return false;
    int64_t date = year_date(year) + day - 1;
    for (int m = 1; m < month; m++)
        date += month_days(year, m);
    *out = date;
    return true;
}

void tg_date_parts(int64_t date, int *out_year, int *out_month, int *out_day)
{
    int year = (int) (1970 + date / 366), month = 1;

    while (date >= year_date(year + 1))
        year++;
    while (date < year_date(year))
        year--;
    int day = (int) (date - year_date(year));
    for (; day >= month_days(year, month); month++)
        day -= month_days(year, month);
    *out_year = year;
    *out_month = month;
    *out_day = day + 1;
}

const char *tg_date_format(int64_t date, char *out, size_t size)
{
    int year, month, day;

    tg_date_parts(date, &year, &month, &day);
    snprintf(out, size, "%04d-%02d-%02d", year, month, day);
    return out;
}

/* So many digits at *p, moved behind them; -1 when they are not there. */
static int digits(const char **p, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++, (*p)++) {
        if (!isdigit((unsigned char) **p))
            return -1;
        value = value * 10 + (**p - '0');
    }
    return value;
}

bool tg_local_parse(const char *text, int64_t *out_local_s, bool *out_has_time)
{
    const char *p = text;
    int year, month, day, hour = 0, minute = 0, second = 0;
    int64_t date;

    if ((year = digits(&p, 4)) < 0 || *p++ != '-' || (month = digits(&p, 2)) < 0 || *p++ != '-' || (day = digits(&p, 2)) < 0)
        return false;
    bool has_time = *p != '\0';
    if (has_time && ((*p != ' ' && *p != 'T') || (p++, (hour = digits(&p, 2)) < 0) || *p++ != ':' || (minute = digits(&p, 2)) < 0))
        return false;
    if (has_time && *p == ':' && (p++, (second = digits(&p, 2)) < 0))
        return false;
    if (*p || hour > 23 || minute > 59 || second > 59 || !tg_date_of(year, month, day, &date))
        return false;
    *out_local_s = date * TG_DAY_S + hour * 3600 + minute * 60 + second;
    *out_has_time = has_time;
    return true;
}

int tg_date_parse(const char *text, int64_t *out, struct tg_error *e)
{
    int64_t local_s;
    bool has_time;

    if (tg_local_parse(text, &local_s, &has_time) && !has_time && local_s >= 0) {
        *out = local_s / TG_DAY_S;
        return 0;
    }
    tg_fail(e, TG_E_DATA, "\"%.40s\" is no date", text);
    return tg_error_hint(e, "such as 2026-11-30"), TG_E_DATA;
}

static int64_t date_of_local(int64_t local_s)
{
    return local_s / TG_DAY_S - (local_s % TG_DAY_S < 0);
}

void tg_local_format(int64_t local_s, char *out, size_t size)
{
    int64_t date = date_of_local(local_s);
    int second = (int) (local_s - date * TG_DAY_S);
    char text[16];

    tg_date_format(date, text, sizeof text);
    int n = snprintf(out, size, "%s %02d:%02d", text, second / 3600, second / 60 % 60);
    if (second % 60 && n > 0 && (size_t) n < size)
        snprintf(out + n, size - (size_t) n, ":%02d", second % 60);
}

int64_t tg_local_of(const struct tg_zone *zone, int64_t wall_s)
{
    return wall_s + tg_zone_offset_s(zone, wall_s);
}

int64_t tg_local_wall_s(const struct tg_zone *zone, int64_t local_s, enum tg_zone_which which)
{
    int64_t date = date_of_local(local_s);

    return tg_zone_wall_s(zone, date, local_s - date * TG_DAY_S, which);
}
