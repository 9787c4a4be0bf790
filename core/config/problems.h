/*
 * Mistakes in files: many at once, each with its place, a piece of the source and a mend, so that one reading finds them all.
 *
 * A reader of a file adds what it finds and goes on; at the end tg_problems_error() turns the whole into one error. Commands use
 * frame->problems: main prints what is in it (excerpts, carets, hints) when the command fails with TG_E_DATA.
 */
#ifndef TG_CONFIG_PROBLEMS_H
#define TG_CONFIG_PROBLEMS_H

#include "base/buf.h"

#include <tagout/error.h>
#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>

/* Kept in full; more are only counted. A hundred is more than anybody mends in one go, and 150 KB of memory. */
#define TG_PROBLEMS_MAX 100

struct tg_problem {
    struct tg_error error;
    char *excerpt;  /* the source line as it is printed (odd bytes escaped, long ones cut), or NULL */
    int caret;      /* columns before the caret in excerpt */
    int width;      /* columns underlined, ≥ 1 */
};

/* Embedded in its owner; everything in it is its own. */
struct tg_problems {
    struct tg_problem *list; /* in the order of adding until something sorts it */
    size_t n, cap;
    size_t more;             /* beyond TG_PROBLEMS_MAX, or of short memory */
};
#define TG_PROBLEMS_INIT {0}

/* Where a mistake is. line and column are 1-based, columns count characters; 0 when they say nothing. */
struct tg_place {
    const char *file;    /* as the user named it; copied. NULL: no file's fault */
    int line, column;
    int width;           /* characters to underline; 0: 1 */
    const char *source;  /* the line's bytes (or the file's from there on; the first line break ends it), borrowed; may be NULL */
    size_t source_len;
};

/*
 * Adds a mistake. Returns its error, so that a hint can follow: tg_error_hint(tg_problems_add(…), "did you mean \"%s\"?", near);
 * NULL (fine for tg_error_hint) when it was only counted. The message names the thing and its value, one line, no full stop.
 */
struct tg_error *tg_problems_add(struct tg_problems *p, const struct tg_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct tg_error *tg_problems_addv(struct tg_problems *p, const struct tg_place *place, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
/* How many there are, the uncounted included. */
size_t tg_problems_count(const struct tg_problems *p);
/* By file in the order of first appearance, then by line and column. */
void tg_problems_sort(struct tg_problems *p);
/* 0 when there are none; else TG_E_DATA, with the first by place in e and how many more there are in its message. */
int tg_problems_error(struct tg_problems *p, struct tg_error *e);
/* For people: each with excerpt and caret, then "2 mistakes; nothing was done." */
void tg_problems_text(struct tg_problems *p, struct tg_buf *out);
/* {"error": {"code", "message", "exit", "mistakes": [{"file", "line", "column", "message", "hint"}…], "more": n}}; NULL: no memory. */
json_t *tg_problems_json(struct tg_problems *p);
void tg_problems_release(struct tg_problems *p);

#endif
