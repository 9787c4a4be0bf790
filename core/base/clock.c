/* Clocks, durations and times: see tagout/clock.h. */
#define _GNU_SOURCE
#include <tagout/clock.h>

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t = {0};

    clock_gettime(id, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_mono(void *data)
{
    (void) data;
    return read_clock(CLOCK_BOOTTIME);
}

static int64_t real_wall(void *data)
{
    (void) data;
    return read_clock(CLOCK_REALTIME);
}

const struct tg_clock *tg_clock_real(void)
{
    static const struct tg_clock clock = {.mono_ms = real_mono, .wall_ms = real_wall};

    return &clock;
}

int64_t tg_mono_ms(const struct tg_clock *clock)
{
    return clock->mono_ms(clock->data);
}

int64_t tg_wall_ms(const struct tg_clock *clock)
{
    return clock->wall_ms(clock->data);
}

static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"w", 604800000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

#define UNITS (sizeof units / sizeof units[0])
/* A hundred years: longer is a typing mistake, and sums of a few such values stay far from INT64_MAX. */
#define DURATION_MAX_MS (INT64_C(100) * 366 * 86400000)

static int bad_duration(const char *text, struct tg_error *e)
{
    tg_fail(e, TG_E_DATA, "\"%.40s\" is no duration", text);
    tg_error_hint(e, "a number and a unit (ms, s, m, h, d, w), such as 90s, 3h or \"1h 15m\"");
    return TG_E_DATA;
}

int tg_duration_parse(const char *text, int64_t *out_ms, struct tg_error *e)
{
    int64_t sum = 0;
    const char *p = text;
    bool any = false;

    for (;;) {
        while (*p == ' ')
            p++;
        if (!*p)
            break;
        int64_t n = 0;
        if (!isdigit((unsigned char) *p))
            return bad_duration(text, e);
        for (; isdigit((unsigned char) *p); p++) {
            n = n * 10 + (*p - '0');
            if (n > DURATION_MAX_MS)
                return bad_duration(text, e);
        }
        size_t len = 0;
        while (isalpha((unsigned char) p[len]))
            len++;
        size_t u = 0;
        while (u < UNITS && !(strlen(units[u].name) == len && strncmp(p, units[u].name, len) == 0))
            u++;
        if (u == UNITS || n > DURATION_MAX_MS / units[u].ms || (sum += n * units[u].ms) > DURATION_MAX_MS)
            return bad_duration(text, e);
        p += len;
        any = true;
    }
    if (!any)
        return bad_duration(text, e);
    *out_ms = sum;
    return 0;
}

void tg_duration_format(int64_t ms, char *out, size_t size)
{
    const char *sign = ms < 0 ? "-" : "";

    if (ms < 0)
        ms = -ms;
    if (ms < 1000) {
        snprintf(out, size, ms ? "%s%dms" : "%s%ds", sign, (int) ms);
        return;
    }
    size_t u = 1; /* weeks are for input: "9d 2h" reads better */
    while (ms < units[u].ms)
        u++;
    int64_t first = ms / units[u].ms, rest = u + 1 < UNITS - 1 ? ms % units[u].ms / units[u + 1].ms : 0;
    if (rest)
        snprintf(out, size, "%s%lld%s %lld%s", sign, (long long) first, units[u].name, (long long) rest, units[u + 1].name);
    else
        snprintf(out, size, "%s%lld%s", sign, (long long) first, units[u].name);
}

void tg_time_format(int64_t wall_ms, char *out, size_t size)
{
    time_t t = (time_t) (wall_ms / 1000);
    int ms = (int) (wall_ms % 1000);
    struct tm tm;

    if (ms < 0) {
        ms += 1000;
        t--;
    }
    if (!gmtime_r(&t, &tm)) {
        snprintf(out, size, "?");
        return;
    }
    int n = snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                     tm.tm_min, tm.tm_sec);
    if (n > 0 && (size_t) n < size)
        snprintf(out + n, size - (size_t) n, ms ? ".%03dZ" : "Z", ms);
}

/* Exactly n digits at *p, which moves on; -1 when there are other things. */
static int digits(const char **p, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char) (*p)[0]))
            return -1;
        value = value * 10 + (*(*p)++ - '0');
    }
    return value;
}

static bool parse_offset(const char **p, int *out_minutes)
{
    int sign = **p == '-' ? -1 : 1;

    if (**p == 'Z' || **p == 'z') {
        (*p)++;
        *out_minutes = 0;
        return true;
    }
    if (**p != '+' && **p != '-')
        return false;
    (*p)++;
    int h = digits(p, 2);
    if (h < 0 || h > 23 || *(*p)++ != ':')
        return false;
    int m = digits(p, 2);
    if (m < 0 || m > 59)
        return false;
    *out_minutes = sign * (h * 60 + m);
    return true;
}

static bool parse_time(const char *p, int64_t *out)
{
    struct tm tm = {0};
    int ms = 0, offset, day;

    if ((tm.tm_year = digits(&p, 4)) < 0 || *p++ != '-' || (tm.tm_mon = digits(&p, 2)) < 1 || *p++ != '-' ||
        (day = digits(&p, 2)) < 1 || (*p != 'T' && *p != ' ' && *p != 't'))
        return false;
    p++;
    if ((tm.tm_hour = digits(&p, 2)) < 0 || *p++ != ':' || (tm.tm_min = digits(&p, 2)) < 0 || *p++ != ':' ||
        (tm.tm_sec = digits(&p, 2)) < 0)
        return false;
    if (*p == '.') {
        int scale = 100;
        if (!isdigit((unsigned char) *++p))
            return false;
        for (; isdigit((unsigned char) *p); p++, scale /= 10)
            ms += (*p - '0') * scale;
    }
    if (tm.tm_mon > 12 || day > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59 || !parse_offset(&p, &offset) || *p)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    tm.tm_mday = day;
    int month = tm.tm_mon;
    time_t t = timegm(&tm);
    if (tm.tm_mon != month)
        return false; /* 30 February */
    *out = ((int64_t) t - offset * 60) * 1000 + ms;
    return true;
}

int tg_time_parse(const char *text, int64_t *out_wall_ms, struct tg_error *e)
{
    int64_t ms;

    if (!parse_time(text, &ms)) {
        tg_fail(e, TG_E_DATA, "\"%.40s\" is no time", text);
        tg_error_hint(e, "RFC 3339 with a zone, such as 2026-11-22T17:20:00Z");
        return TG_E_DATA;
    }
    *out_wall_ms = ms;
    return 0;
}
