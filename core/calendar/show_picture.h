/*
 * When hosts may be disturbed, as a picture: days across, groups down, numbers of hosts, now marked. SVG and HTML that need no script, no font and no
 * file beside them, light, dark, and to be printed. Pure.
 */
#ifndef TG_CALENDAR_SHOW_PICTURE_H
#define TG_CALENDAR_SHOW_PICTURE_H

#include "base/buf.h"
#include "calendar/spans.h"

/* Hosts that the same windows and blackouts are about. Borrowed. */
struct tg_show_row {
    const char *name;   /* of the group that they are, or their names, folded */
    const char *folded;
    size_t hosts;
    struct tg_spans open, blackouts; /* within the days */
};

struct tg_show {
    const char *who;    /* the selector; "" for all */
    const char *zone;   /* times are those of its clocks */
    int64_t first;      /* day since 1970-01-01 */
    size_t days;        /* 1 … 62 */
    const struct tg_show_row *rows;
    size_t n;
};

/* now_ms is marked when it is within the days; 0: not. Appended. TG_E_MEMORY, TG_E_DATA, TG_E_CONFIG (the zone). */
int tg_show_svg(const struct tg_show *show, int64_t now_ms, struct tg_buf *out, struct tg_error *e);
/* The picture, and each line with its hosts and times. */
int tg_show_html(const struct tg_show *show, int64_t now_ms, struct tg_buf *out, struct tg_error *e);

#endif
