/* The collector of mistakes: see problems.h. */
#define _GNU_SOURCE
#include "config/problems.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* With "  123 | " before it, an excerpt of this many columns fits a terminal of 80. */
#define EXCERPT_COLUMNS 70
/* A caret further right than this moves the excerpt's window, so that half of the window is what led there. */
#define EXCERPT_LEAD 35

/* The character at s; *used its bytes. -1 and 1 byte when it is no UTF-8. */
static int32_t decode(const char *s, size_t len, size_t *used)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *u = (const unsigned char *) s;
    size_t n = u[0] < 0x80 ? 1 : (u[0] & 0xe0U) == 0xc0U ? 2 : (u[0] & 0xf0U) == 0xe0U ? 3 : (u[0] & 0xf8U) == 0xf0U ? 4 : 0;

    *used = 1;
    if (n == 0 || n > len)
        return -1;
    int32_t c = n == 1 ? u[0] : u[0] & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xc0U) != 0x80U)
            return -1;
        c = (int32_t) ((uint32_t) c << 6U | (u[i] & 0x3fU));
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return -1;
    *used = n;
    return c;
}

static bool is_break(int32_t c)
{
    return c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* What can't be seen, or makes a terminal show another order than the file has. */
static bool is_odd(int32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe0fff);
}

/* Appends one character as it is printed; returns its columns. */
static int render(struct tg_buf *b, const char *s, size_t used, int32_t c)
{
    char text[16];

    if (c == '\t') {
        tg_buf_putc(b, ' ');
        return 1;
    }
    if (c >= 0 && !is_odd(c)) {
        int columns = c < 0x80 ? 1 : wcwidth((wchar_t) c); /* -1 in a locale that doesn't know it */
        tg_buf_add(b, s, used);
        return columns < 0 ? 1 : columns;
    }
    int n = c < 0x80 ? snprintf(text, sizeof text, "\\x%02x", (unsigned) (unsigned char) *s)
                     : snprintf(text, sizeof text, "\\u{%x}", (unsigned) c);
    tg_buf_puts(b, text);
    return n;
}

/* The part of the line around the mistake, and where its caret is. */
static void make_excerpt(struct tg_problem *problem, const struct tg_place *place)
{
    struct tg_buf b = TG_BUF_INIT;
    const char *s = place->source, *end = s + place->source_len;
    int first = place->column > EXCERPT_LEAD * 2 ? place->column - EXCERPT_LEAD : 1;
    int columns = 0, width = 0, want = place->width > 0 ? place->width : 1;

    problem->caret = -1;
    if (first > 1) {
        tg_buf_puts(&b, "…");
        columns = 1;
    }
    for (int at = 1; s < end; at++) {
        size_t used;
        int32_t c = decode(s, (size_t) (end - s), &used);
        if (is_break(c))
            break;
        if (at == place->column)
            problem->caret = columns;
        if (columns >= EXCERPT_COLUMNS) {
            tg_buf_puts(&b, "…");
            break;
        }
        int added = at >= first ? render(&b, s, used, c) : 0;
        columns += added;
        if (at >= place->column && at < place->column + want)
            width += added;
        s += used;
    }
    if (problem->caret < 0)
        problem->caret = columns; /* behind the end of the line */
    problem->width = width > 0 ? width : 1;
    problem->excerpt = b.failed ? NULL : tg_buf_take(&b, NULL);
    tg_buf_release(&b);
}

static struct tg_problem *new_problem(struct tg_problems *p)
{
    if (p->n == p->cap && p->n < TG_PROBLEMS_MAX) {
        size_t cap = p->cap ? p->cap * 2 : 4;
        if (cap > TG_PROBLEMS_MAX)
            cap = TG_PROBLEMS_MAX;
        struct tg_problem *list = realloc(p->list, cap * sizeof *list);
        if (list) {
            p->list = list;
            p->cap = cap;
        }
    }
    if (p->n == p->cap) {
        p->more++;
        return NULL;
    }
    struct tg_problem *problem = &p->list[p->n++];
    memset(problem, 0, sizeof *problem);
    return problem;
}

struct tg_error *tg_problems_addv(struct tg_problems *p, const struct tg_place *place, const char *format, va_list args)
{
    struct tg_problem *problem = new_problem(p);

    if (!problem)
        return NULL;
    tg_failv(&problem->error, TG_E_DATA, format, args);
    snprintf(problem->error.file, sizeof problem->error.file, "%s", place->file ? place->file : "");
    problem->error.line = place->line;
    problem->error.column = place->column;
    if (place->source && place->column > 0)
        make_excerpt(problem, place);
    return &problem->error;
}

struct tg_error *tg_problems_add(struct tg_problems *p, const struct tg_place *place, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct tg_error *e = tg_problems_addv(p, place, format, args);
    va_end(args);
    return e;
}

size_t tg_problems_count(const struct tg_problems *p)
{
    return p->n + p->more;
}

/* The first problem of the same file: files are few, problems at most a hundred. */
static size_t rank_of_file(const struct tg_problems *p, const char *file)
{
    size_t i = 0;

    while (i < p->n && strcmp(p->list[i].error.file, file) != 0)
        i++;
    return i;
}

static bool comes_after(const struct tg_problems *p, const struct tg_error *a, const struct tg_error *b)
{
    if (strcmp(a->file, b->file) != 0)
        return rank_of_file(p, a->file) > rank_of_file(p, b->file);
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

void tg_problems_sort(struct tg_problems *p)
{
    /* By insertion: stable, and what is found in the order of the file is sorted already. */
    for (size_t i = 1; i < p->n; i++)
        for (size_t j = i; j > 0 && comes_after(p, &p->list[j - 1].error, &p->list[j].error); j--) {
            struct tg_problem swap = p->list[j];
            p->list[j] = p->list[j - 1];
            p->list[j - 1] = swap;
        }
}

int tg_problems_error(struct tg_problems *p, struct tg_error *e)
{
    size_t others = tg_problems_count(p) - (p->n ? 1 : 0);

    if (!p->n)
        return p->more ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
    tg_problems_sort(p);
    const struct tg_error *first = &p->list[0].error;
    char more[48] = "";
    if (others)
        snprintf(more, sizeof more, " (and %zu more mistake%s)", others, others == 1 ? "" : "s");
    tg_fail_at(e, TG_E_DATA, first->file, first->line, first->column, "%.560s%s", first->message, more);
    if (first->hint[0])
        tg_error_hint(e, "%s", first->hint);
    return TG_E_DATA;
}

static void print_excerpt(const struct tg_problem *problem, struct tg_buf *out)
{
    char number[16];
    int digits = snprintf(number, sizeof number, "%3d", problem->error.line);
    const char *hint = problem->error.hint;
    /* beside the caret when it fits in a terminal's line or nearly, else on a line of its own */
    bool beside = problem->caret + problem->width + (int) strlen(hint) <= 90;

    tg_buf_printf(out, "%s | %s\n%*s | %*s", number, problem->excerpt, digits, "", problem->caret, "");
    for (int i = 0; i < problem->width; i++)
        tg_buf_putc(out, '^');
    if (hint[0])
        tg_buf_printf(out, beside ? " %s" : "\n      %s", hint);
    tg_buf_putc(out, '\n');
}

void tg_problems_text(struct tg_problems *p, struct tg_buf *out)
{
    char line[1200];
    size_t count = tg_problems_count(p);

    tg_problems_sort(p);
    for (size_t i = 0; i < p->n; i++) {
        tg_error_format(&p->list[i].error, line, sizeof line);
        tg_buf_printf(out, "%s\n", line);
        if (p->list[i].excerpt)
            print_excerpt(&p->list[i], out);
        else if (p->list[i].error.hint[0])
            tg_buf_printf(out, "  %s\n", p->list[i].error.hint);
    }
    if (p->more)
        tg_buf_printf(out, "and %zu more\n", p->more);
    tg_buf_printf(out, "%zu mistake%s; nothing was done.\n", count, count == 1 ? "" : "s");
}

static json_t *problem_json(const struct tg_error *e)
{
    json_t *o = json_object();

    if (e->file[0])
        json_object_set_new(o, "file", json_string(e->file));
    if (e->line)
        json_object_set_new(o, "line", json_integer(e->line));
    if (e->column)
        json_object_set_new(o, "column", json_integer(e->column));
    json_object_set_new(o, "message", json_string(e->message));
    if (e->hint[0])
        json_object_set_new(o, "hint", json_string(e->hint));
    return o;
}

json_t *tg_problems_json(struct tg_problems *p)
{
    struct tg_error e = TG_ERROR_INIT;
    json_t *mistakes = json_array();
    int rc = tg_problems_error(p, &e);

    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(mistakes, problem_json(&p->list[i].error));
    return json_pack("{s:{s:s,s:s,s:i,s:o,s:I}}", "error", "code", tg_code_name(rc), "message", e.message, "exit",
                     tg_exit_status(rc), "mistakes", mistakes, "more", (json_int_t) p->more);
}

void tg_problems_release(struct tg_problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->list[i].excerpt);
    free(p->list);
    *p = (struct tg_problems) TG_PROBLEMS_INIT;
}
