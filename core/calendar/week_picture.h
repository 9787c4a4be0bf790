/*
 * A maintenance week as a picture: days across, groups down, numbers of hosts, now marked. SVG and HTML that need no script, no font and no
 * file beside them, light, dark, and to be printed. Pure.
 */
#ifndef TG_CALENDAR_WEEK_PICTURE_H
#define TG_CALENDAR_WEEK_PICTURE_H

#include "calendar/week.h"

/* now_ms is marked when it is within the week; 0: not. Appended. TG_E_MEMORY, TG_E_CONFIG (no time zones on this machine). */
int tg_week_svg(const struct tg_week *week, int64_t now_ms, struct tg_buf *out, struct tg_error *e);
/* The picture, all slots with their hosts, and what customers have. */
int tg_week_html(const struct tg_week *week, int64_t now_ms, struct tg_buf *out, struct tg_error *e);

#endif
