/* Inside of the module "calendar". */
#ifndef TG_PLUGIN_CALENDAR_RECUR_H
#define TG_PLUGIN_CALENDAR_RECUR_H

#include <tagout/module.h>

#include <libical/ical.h>
#include <stdlib.h>

int32_t tg_calendar_offset_s(const void *zone, int64_t wall_s);

int tg_calendar_recur_new(const char *rrule, int64_t start_local_s, const void *zone, void **out, struct tg_error *e);
void tg_calendar_recur_free(void *recur);
int tg_calendar_recur_expand(const void *recur, int64_t from_local_s, int64_t until_local_s, int (*found)(int64_t, void *), void *data,
                             struct tg_error *e);

/* The rules of a VTIMEZONE are ones that libical gets through: yearly, and not impossible. TG_E_DATA. */
int tg_calendar_zone_rules(icalcomponent *vtimezone, struct tg_error *e);

#endif
