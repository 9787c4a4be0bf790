/* "web[001-010,12].example.com" → names: see nodeset.h. */
#include "fleet/nodeset.h"
#include "fleet/rows.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* More brackets in one name than any scheme of names has; keeps the odometer's depth small. */
#define BRACKETS_MAX 8
/* Numbers up to 10^15 - 1: more than the greatest list, and products of two stay within 64 bits after the cut below. */
#define DIGITS_MAX 15

struct range {
    uint64_t first, last;
    size_t width; /* digits of the first: shorter numbers are padded to it */
};

/* What stands before a bracket, and the bracket; the last part of a name has no ranges. */
struct part {
    const char *text;
    size_t len;
    size_t range, n_ranges;
};

struct pattern {
    const char *text; /* the whole list, for columns */
    struct part parts[BRACKETS_MAX + 1];
    size_t n_parts;
    struct range *ranges;
    size_t n_ranges, cap;
};

static int wrong(const struct pattern *p, const char *at, struct tg_error *e, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int wrong(const struct pattern *p, const char *at, struct tg_error *e, const char *format, ...)
{
    va_list args;
    bool mine = e && !e->code;

    va_start(args, format);
    tg_failv(e, TG_E_DATA, format, args);
    va_end(args);
    if (mine)
        e->column = (int) (at - p->text) + 1;
    return TG_E_DATA;
}

/* Reads a number at *at; its digits in *out_digits. */
static int take_number(const struct pattern *p, const char **at, const char *end, uint64_t *out, size_t *out_digits,
                       struct tg_error *e)
{
    const char *start = *at;
    uint64_t value = 0;

    while (*at < end && **at >= '0' && **at <= '9') {
        if (*at - start >= DIGITS_MAX)
            return wrong(p, start, e, "a number in brackets has at most %d digits", DIGITS_MAX);
        value = value * 10 + (uint64_t) (**at - '0');
        (*at)++;
    }
    if (*at == start && *at < end)
        return wrong(p, start, e, "a number is missing before \"%c\"", **at);
    if (*at == start)
        return wrong(p, start, e, "\"[\" is never closed");
    *out = value;
    *out_digits = (size_t) (*at - start);
    return 0;
}

/* "5", "001-010" */
static int take_range(const struct pattern *p, const char **at, const char *end, struct range *out, struct tg_error *e)
{
    const char *start = *at;
    size_t digits;
    int rc = take_number(p, at, end, &out->first, &out->width, e);

    if (rc)
        return rc;
    out->last = out->first;
    if (*at >= end || **at != '-')
        return 0;
    (*at)++;
    if ((rc = take_number(p, at, end, &out->last, &digits, e)))
        return rc;
    if (out->last < out->first)
        return wrong(p, start, e, "the range %.*s counts down", (int) (*at - start), start);
    size_t natural = tg_digits_of(out->last);
    if (digits != (natural > out->width ? natural : out->width)) {
        wrong(p, start, e, "the two ends of %.*s are padded to different widths", (int) (*at - start), start);
        tg_error_hint(e, "write [1-10] or [01-10]");
        return TG_E_DATA;
    }
    return 0;
}

static int add_range(struct pattern *p, const struct range *range, struct tg_error *e)
{
    if (p->n_ranges == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 8;
        struct range *ranges = realloc(p->ranges, cap * sizeof *ranges);
        if (!ranges)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        p->ranges = ranges;
        p->cap = cap;
    }
    p->ranges[p->n_ranges++] = *range;
    return 0;
}

/* The inside of a bracket, *at behind its "[" and then behind its "]". */
static int take_bracket(struct pattern *p, struct part *part, const char **at, const char *end, struct tg_error *e)
{
    const char *open = *at - 1;

    part->range = p->n_ranges;
    for (;;) {
        struct range range;
        int rc = take_range(p, at, end, &range, e);
        if (!rc)
            rc = add_range(p, &range, e);
        if (rc)
            return rc;
        if (*at >= end)
            return wrong(p, open, e, "\"[\" is never closed");
        char c = *(*at)++;
        if (c == ']')
            break;
        if (c != ',')
            return wrong(p, *at - 1, e, "in brackets stand numbers and ranges, such as [1-3,7]");
    }
    part->n_ranges = p->n_ranges - part->range;
    return 0;
}

/* Reads one name with its brackets, up to a comma outside of them. */
static int take_pattern(struct pattern *p, const char **at, const char *end, struct tg_error *e)
{
    struct part *part = &p->parts[0];

    p->n_ranges = 0;
    p->n_parts = 1;
    *part = (struct part) {.text = *at};
    while (*at < end && **at != ',') {
        char c = *(*at)++;
        if (c == ']')
            return wrong(p, *at - 1, e, "\"]\" without \"[\"");
        if (c != '[')
            continue;
        if (p->n_parts > BRACKETS_MAX)
            return wrong(p, *at - 1, e, "more than %d brackets in a name", BRACKETS_MAX);
        part->len = (size_t) (*at - 1 - part->text);
        int rc = take_bracket(p, part, at, end, e);
        if (rc)
            return rc;
        part = &p->parts[p->n_parts++];
        *part = (struct part) {.text = *at};
    }
    part->len = (size_t) (*at - part->text);
    while (part->len && (part->text[part->len - 1] == ' ' || part->text[part->len - 1] == '\t'))
        part->len--;
    return 0;
}

/* How many names a pattern stands for; TG_HOSTLIST_MAX + 1 for all that is more. */
static uint64_t count_names(const struct pattern *p)
{
    uint64_t product = 1;

    for (size_t i = 0; i + 1 < p->n_parts; i++) {
        uint64_t sum = 0;
        for (size_t r = 0; r < p->parts[i].n_ranges && sum <= TG_HOSTLIST_MAX; r++) {
            const struct range *range = &p->ranges[p->parts[i].range + r];
            sum += range->last - range->first + 1; /* each below 10^15: no overflow before the cut */
        }
        if (sum > TG_HOSTLIST_MAX || product * sum > TG_HOSTLIST_MAX)
            return TG_HOSTLIST_MAX + 1;
        product *= sum;
    }
    return product;
}

struct odometer {
    const struct pattern *pattern;
    struct tg_hostlist *names;
    char name[TG_HOST_NAME_SIZE];
};

static int too_long(const struct odometer *o, struct tg_error *e)
{
    return wrong(o->pattern, o->pattern->parts[0].text, e, "a host's name has at most %d characters", TG_HOST_NAME_MAX);
}

/* Writes value behind the len bytes of the name, padded to width; the new length, 0 when it does not fit. */
static size_t put_number(char *name, size_t len, uint64_t value, size_t width)
{
    size_t n = tg_digits_of(value);

    if (n < width)
        n = width;
    if (len + n > TG_HOST_NAME_MAX)
        return 0;
    for (size_t i = n; i > 0; i--) {
        name[len + i - 1] = (char) ('0' + value % 10);
        value /= 10;
    }
    return len + n;
}

static int emit(struct odometer *o, size_t len, struct tg_error *e)
{
    char name[TG_HOST_NAME_SIZE];
    bool mine = e && !e->code;
    int rc = tg_host_name(o->name, len, name, e);

    if (rc && mine) { /* a mistake in a literal part has its own column; one that only the whole shows, the name's */
        size_t at = (size_t) (o->pattern->parts[0].text - o->pattern->text);
        size_t inside = e->column > 0 && (size_t) e->column <= o->pattern->parts[0].len ? (size_t) e->column : 1;
        e->column = (int) (at + inside);
    }
    return rc ? rc : tg_hostlist_add(o->names, name, len, e);
}

/* All names whose first i parts are in o->name already: len bytes. Depth: the parts, at most BRACKETS_MAX + 1. */
static int turn(struct odometer *o, size_t i, size_t len, struct tg_error *e)
{
    const struct part *part = &o->pattern->parts[i];
    int rc = 0;

    if (len + part->len > TG_HOST_NAME_MAX)
        return too_long(o, e);
    memcpy(o->name + len, part->text, part->len);
    len += part->len;
    if (i + 1 == o->pattern->n_parts)
        return emit(o, len, e);
    for (size_t r = 0; !rc && r < part->n_ranges; r++) {
        const struct range *range = &o->pattern->ranges[part->range + r];
        for (uint64_t v = range->first; !rc && v <= range->last; v++) {
            size_t now = put_number(o->name, len, v, range->width);
            rc = now ? turn(o, i + 1, now, e) : too_long(o, e);
        }
    }
    return rc;
}

static int expand_one(struct pattern *p, const char **at, const char *end, struct tg_hostlist *names, struct tg_error *e)
{
    struct odometer o = {.pattern = p, .names = names};
    const char *start = *at;
    int rc = take_pattern(p, at, end, e);

    if (rc)
        return rc;
    if (p->n_parts == 1 && !p->parts[0].len)
        return wrong(p, start, e, "a host's name is missing");
    if (names->n + count_names(p) > TG_HOSTLIST_MAX) {
        int shown = *at - start > 60 ? 60 : (int) (*at - start);
        return wrong(p, start, e, "\"%.*s\" stands for more than %d names", shown, start, TG_HOSTLIST_MAX);
    }
    return turn(&o, 0, 0, e);
}

int tg_nodeset_expand(const char *text, size_t len, struct tg_hostlist *names, struct tg_error *e)
{
    struct pattern p = {.text = text};
    const char *at = text, *end = text + len;
    int rc;

    for (;;) {
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
        rc = expand_one(&p, &at, end, names, e);
        if (rc || at >= end)
            break;
        at++; /* the comma: something must follow */
    }
    free(p.ranges);
    return rc;
}
