/* Shared by the picture and the page of "calendar show". */
#ifndef TG_CALENDAR_SHOW_INTERNAL_H
#define TG_CALENDAR_SHOW_INTERNAL_H

#include "calendar/show_picture.h"
#include "calendar/zone.h"

/* "Mon 30 Nov 22:00 to Tue 1 Dec 02:00". size ≥ 64. Returns out. */
const char *tg_show_stretch(const struct tg_zone *zone, const struct tg_span *span, char *out, size_t size);

#endif
