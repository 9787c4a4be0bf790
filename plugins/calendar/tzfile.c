/*
 * Time zones from the system's tz database (RFC 8536, tzfile(5)). libical 3.0 reads these files, too, and makes yearly rules of what they list: of 312
 * zones 67 came out wrong for some time since 1975, America/St_Johns for ever from 2038 on. A window an hour off is outside of its window (P5).
 */
#define _GNU_SOURCE
#include "tzfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "/usr/share/zoneinfo"
#define SIZE_MAX_BYTES 65536 /* the largest has 4 KB */
#define HEADER 44
#define DAY_S 86400
#define AGAIN_MS 200 /* a file with 100,000 events asks for its zone as often */

/* A rule of the footer ("M3.2.0/2"): when clocks are set every year. */
struct yearly {
    char kind;         /* 'M', 'J' (1…365, no leap day), '0' (0…365) */
    int month, week, day;
    int32_t time_s;    /* of that day, by the clocks before */
};

struct tg_tzfile {
    size_t n;
    int64_t *at;       /* ascending: from then on … */
    int32_t *offset;   /* … so many seconds ahead; offset[n] is what holds before the first */
    bool has_rule, has_dst;
    int32_t std_s, dst_s;
    struct yearly begin, end; /* of summer time */
    struct stat st;    /* of its file, */
    int64_t seen_ms;   /* and when it was looked at last, monotonic */
};

void tg_tzfile_free(struct tg_tzfile *z)
{
    if (!z)
        return;
    free(z->at);
    free(z->offset);
    free(z);
}

/* ---- the footer: POSIX's TZ */

static bool skip_name(const char **p)
{
    const char *begin = *p;

    if (**p == '<') {
        *p += strcspn(*p, ">");
        return *(*p)++ == '>';
    }
    while (isalpha((unsigned char) **p))
        (*p)++;
    return *p - begin >= 3;
}

static bool number(const char **p, int max, int *out)
{
    int n = 0;
    const char *begin = *p;

    while (isdigit((unsigned char) **p) && n <= max)
        n = n * 10 + *(*p)++ - '0';
    *out = n;
    return *p > begin && n <= max;
}

/* "-3:30", "02", "167:00:00" */
static bool take_time(const char **p, int32_t *out_s)
{
    int sign = 1, parts[3] = {0, 0, 0};

    if (**p == '-' || **p == '+')
        sign = *(*p)++ == '-' ? -1 : 1;
    for (int i = 0; i < 3; i++) {
        if (!number(p, i ? 59 : 167, &parts[i]))
            return false;
        if (**p != ':')
            break;
        (*p)++;
    }
    *out_s = sign * (parts[0] * 3600 + parts[1] * 60 + parts[2]);
    return true;
}

static bool take_rule(const char **p, struct yearly *out)
{
    bool good;

    *out = (struct yearly) {.kind = '0', .time_s = 2 * 3600};
    if (**p == 'M') {
        out->kind = *(*p)++;
        good = number(p, 12, &out->month) && out->month && *(*p)++ == '.' && number(p, 5, &out->week) && out->week && *(*p)++ == '.' && number(p, 6, &out->day);
    } else {
        if (**p == 'J')
            out->kind = *(*p)++;
        good = number(p, 365, &out->day) && (out->kind != 'J' || out->day);
    }
    if (good && **p == '/') {
        (*p)++;
        good = take_time(p, &out->time_s);
    }
    return good;
}

static bool take_footer(struct tg_tzfile *z, const char *p)
{
    int32_t west;

    if (!*p)
        return true; /* nothing is said: as it was last */
    if (!skip_name(&p) || !take_time(&p, &west))
        return false;
    z->has_rule = true;
    z->std_s = -west;
    if (!*p)
        return true;
    z->has_dst = true;
    z->dst_s = z->std_s + 3600;
    if (!skip_name(&p))
        return false;
    if (*p && *p != ',') {
        if (!take_time(&p, &west))
            return false;
        z->dst_s = -west;
    }
    return *p++ == ',' && take_rule(&p, &z->begin) && *p++ == ',' && take_rule(&p, &z->end) && !*p;
}

static bool leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01 to the first of a year; years are those of our times. */
static int64_t year_day(int64_t year)
{
    int64_t y = year - 1;

    return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

/* When clocks are set in a year, as they show it before. */
static int64_t rule_local_s(const struct yearly *r, int64_t year)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int64_t day = year_day(year);

    if (r->kind == 'J')
        day += r->day - 1 + (leap(year) && r->day > 59);
    else if (r->kind == '0')
        day += r->day;
    else {
        int64_t first = day + before[r->month - 1] + (r->month > 2 && leap(year));
        int length = before[r->month] - before[r->month - 1] + (r->month == 2 && leap(year));
        int64_t weekday = ((first + 4) % 7 + 7) % 7, n = (r->day - weekday + 7) % 7 + 7 * (r->week - 1); /* 1970-01-01 was a Thursday; 0 Sunday */
        while (n >= length)
            n -= 7;
        day = first + n;
    }
    return day * DAY_S + r->time_s;
}

static int32_t by_rule(const struct tg_tzfile *z, int64_t t)
{
    if (!z->has_dst)
        return z->std_s;
    int64_t year = 1970 + (t + z->std_s) / (365 * DAY_S + DAY_S / 4);
    while ((t + z->std_s) / DAY_S >= year_day(year + 1))
        year++;
    while ((t + z->std_s) / DAY_S < year_day(year))
        year--;
    int64_t begin = rule_local_s(&z->begin, year) - z->std_s, end = rule_local_s(&z->end, year) - z->dst_s;
    bool summer = begin < end ? t >= begin && t < end : t >= begin || t < end;
    return summer ? z->dst_s : z->std_s;
}

int32_t tg_tzfile_offset_s(const struct tg_tzfile *z, int64_t wall_s)
{
    size_t low = 0, high = z->n;

    while (low < high) { /* the first change behind it */
        size_t middle = low + (high - low) / 2;
        if (z->at[middle] <= wall_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == z->n && z->has_rule)
        return by_rule(z, wall_s);
    return low ? z->offset[low - 1] : z->offset[z->n];
}

/* ---- the file */

static int64_t big_endian(const unsigned char *p, int n)
{
    uint64_t value = n == 4 && p[0] & 0x80 ? UINT64_C(0xffffffff) : 0;

    for (int i = 0; i < n; i++)
        value = value << 8 | p[i];
    return (int64_t) value;
}

/* The six counts of a header: how many of each there are. */
struct counts {
    size_t utc, standard, leaps, times, types, chars;
};

static bool take_header(const unsigned char *p, size_t len, struct counts *c)
{
    if (len < HEADER || memcmp(p, "TZif", 4) != 0)
        return false;
    size_t *const out[] = {&c->utc, &c->standard, &c->leaps, &c->times, &c->types, &c->chars};
    for (size_t i = 0; i < 6; i++) {
        int64_t n = big_endian(p + 20 + 4 * i, 4);
        if (n < 0 || n > SIZE_MAX_BYTES)
            return false;
        *out[i] = (size_t) n;
    }
    return c->types > 0 && c->types <= 256 && !c->leaps; /* "right/…" counts seconds that our clocks don't */
}

static size_t block_size(const struct counts *c, size_t time_size)
{
    return c->times * (time_size + 1) + c->types * 6 + c->chars + c->leaps * (time_size + 4) + c->standard + c->utc;
}

static bool take_block(struct tg_tzfile *z, const unsigned char *p, const struct counts *c)
{
    const unsigned char *kinds = p + 8 * c->times, *types = kinds + c->times;

    z->at = calloc(c->times + 1, sizeof *z->at);
    z->offset = calloc(c->times + 1, sizeof *z->offset);
    if (!z->at || !z->offset)
        return false;
    z->n = c->times;
    for (size_t i = 0; i < c->times; i++) {
        z->at[i] = big_endian(p + 8 * i, 8);
        if (kinds[i] >= c->types || (i && z->at[i] <= z->at[i - 1]))
            return false;
        z->offset[i] = (int32_t) big_endian(types + 6 * kinds[i], 4);
    }
    z->offset[z->n] = (int32_t) big_endian(types, 4);
    return true;
}

/* Version 2 and later: a block of 32-bit times, which is passed over, one of 64-bit times, a line with the rule for ever. */
struct tg_tzfile *tg_tzfile_parse(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    struct counts c;
    char footer[128];

    if (!take_header(p, len, &c) || p[4] < '2')
        return NULL;
    size_t skip = HEADER + block_size(&c, 4);
    if (skip > len || !take_header(p + skip, len - skip, &c))
        return NULL;
    p += skip + HEADER;
    len -= skip + HEADER;
    size_t size = block_size(&c, 8);
    if (size + 2 > len || p[size] != '\n')
        return NULL;
    const unsigned char *line = p + size + 1, *end = memchr(line, '\n', len - size - 1);
    if (!end || (size_t) (end - line) >= sizeof footer)
        return NULL;
    memcpy(footer, line, (size_t) (end - line));
    footer[end - line] = '\0';
    struct tg_tzfile *z = calloc(1, sizeof *z);
    if (z && take_block(z, p, &c) && take_footer(z, footer))
        return z;
    tg_tzfile_free(z);
    return NULL;
}

/* ---- in its folder ---- */

static int64_t mono_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool path_of(const char *name, char *out, size_t size)
{
    return name[0] != '/' && !strstr(name, "..") && snprintf(out, size, FOLDER "/%s", name) < (int) size;
}

static int none(const char *name, struct tg_error *e)
{
    struct stat st;

    if (stat(FOLDER, &st) != 0) {
        tg_fail(e, TG_E_DATA, "there is no time zone \"%.80s\": " FOLDER " is not there", name);
        tg_error_hint(e, "install the package tzdata");
        return TG_E_DATA;
    }
    tg_fail(e, TG_E_DATA, "there is no time zone \"%.80s\"", name);
    tg_error_hint(e, "a name of the tz database (package tzdata), such as UTC or Europe/Berlin");
    return TG_E_DATA;
}

static struct tg_tzfile *read_from(int fd, const struct stat *st)
{
    unsigned char *bytes = S_ISREG(st->st_mode) && st->st_size <= SIZE_MAX_BYTES ? malloc((size_t) st->st_size + 1) : NULL;
    struct tg_tzfile *z = bytes && read(fd, bytes, (size_t) st->st_size) == st->st_size ? tg_tzfile_parse(bytes, (size_t) st->st_size) : NULL;

    free(bytes);
    if (z) {
        z->st = *st;
        z->seen_ms = mono_ms();
    }
    return z;
}

int tg_tzfile_load(const char *name, struct tg_tzfile **out, struct tg_error *e)
{
    char path[256];
    struct stat st;
    int fd = path_of(name, path, sizeof path) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;

    if (fd < 0 || fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
        if (fd >= 0)
            close(fd);
        return none(name, e);
    }
    *out = read_from(fd, &st);
    close(fd);
    if (*out)
        return 0;
    tg_fail(e, TG_E_DATA, "there is no time zone \"%.80s\": %.120s can't be read as one", name, path);
    tg_error_hint(e, "a name of the tz database, such as UTC or Europe/Berlin; if that is one, install the package tzdata again");
    return TG_E_DATA;
}

bool tg_tzfile_has_changed(struct tg_tzfile *z, const char *name)
{
    char path[256];
    struct stat st;
    int64_t now = mono_ms();

    if (now - z->seen_ms < AGAIN_MS)
        return false;
    if (!path_of(name, path, sizeof path) || stat(path, &st) != 0 || st.st_dev != z->st.st_dev || st.st_ino != z->st.st_ino || st.st_size != z->st.st_size ||
        st.st_mtim.tv_sec != z->st.st_mtim.tv_sec || st.st_mtim.tv_nsec != z->st.st_mtim.tv_nsec)
        return true;
    z->seen_ms = now;
    return false;
}
