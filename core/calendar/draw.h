/*
 * What pictures of days have in common (week_svg.c, show_svg.c): days across, on the clock of one zone; elements; now. Pure. Lengths are tenths of a
 * pixel, y in pixels where it says so.
 */
#ifndef TG_CALENDAR_DRAW_H
#define TG_CALENDAR_DRAW_H

#include "base/buf.h"
#include "calendar/zone.h"

#define TG_DRAW_WIDTH 1120
#define TG_DRAW_MARGIN 24
#define TG_DRAW_LEFT 190   /* where days begin: names before it */
#define TG_DRAW_RIGHT 1036 /* where they end: sums behind it */
#define TG_DRAW_HEAD_Y 92  /* names of days */
#define TG_DRAW_ROW 24     /* a line of a table */
#define TG_DRAW_LETTERS 21 /* of a name before the days */

struct tg_draw {
    struct tg_buf *out;
    struct tg_zone zone;
    int64_t first; /* day since 1970-01-01 */
    size_t n;      /* days */
    int64_t day;   /* width of one */
    int64_t now_s; /* what clocks show, since the first midnight; INT64_MIN: not within the days */
};

/* now_ms 0: not marked. TG_E_DATA, TG_E_CONFIG: the zone. */
int tg_draw_init(struct tg_draw *d, const char *zone, int64_t first, size_t n, int64_t now_ms, struct tg_error *e);

/* What clocks show, in seconds since the first midnight; and where that is, within the days. */
int64_t tg_draw_local_s(const struct tg_draw *d, int64_t ms);
int64_t tg_draw_x(const struct tg_draw *d, int64_t second);

/* class: of the style below, "" for plain text; anchor: start, middle, end. */
void tg_draw_text(struct tg_draw *d, const char *class, const char *anchor, int64_t x, int64_t y, const char *text);
void tg_draw_count(struct tg_draw *d, const char *class, const char *anchor, int64_t x, int64_t y, size_t n);
/* more: further attributes, such as class="f". title: shown when a pointer rests on it; NULL: none. */
void tg_draw_rect(struct tg_draw *d, const char *more, int64_t x, int64_t y, int64_t width, int64_t height, const char *title);
void tg_draw_line(struct tg_draw *d, const char *class, int64_t x1, int64_t y1, int64_t x2, int64_t y2);

/* The picture's begin: its size in pixels, style, heading, and a line below that. Its end is "</svg>". */
void tg_draw_head(struct tg_draw *d, int64_t height, const char *title, const char *heading, const char *line);
/* A name over each day, and a shade below every second one down to bottom (pixels). */
void tg_draw_days(struct tg_draw *d, int64_t bottom);
/* Hours below y (pixels), where days are wide enough. */
void tg_draw_clock(struct tg_draw *d, int64_t y);
/* The line, from one y to another (pixels). */
void tg_draw_now(struct tg_draw *d, int64_t from, int64_t until);

/* How many hosts at once: n edges, sorted here; y and height in pixels. Returns the most. */
struct tg_draw_edge {
    int64_t at; /* tg_draw_local_s() */
    int64_t hosts; /* more than before, or fewer */
};
int64_t tg_draw_load(struct tg_draw *d, struct tg_draw_edge *edges, size_t n, int64_t y, int64_t height);

/* A page around pictures and tables, that needs nothing beside it. The end closes it, with a line at its foot, which is HTML already. */
void tg_draw_page(struct tg_buf *out, const char *title);
void tg_draw_page_end(struct tg_buf *out, const char *foot);
/* Around a picture of the page: where the page is narrow it is moved sideways, and not made too small to be read. */
void tg_draw_picture(struct tg_buf *out);
void tg_draw_picture_end(struct tg_buf *out);
/* Folded names, cut where no person reads on. */
void tg_draw_names(struct tg_buf *out, const char *names);

#endif
