/* Time zones of the system's tz database, as its files have them. */
#ifndef TG_PLUGIN_CALENDAR_TZFILE_H
#define TG_PLUGIN_CALENDAR_TZFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tagout/error.h>

struct tg_tzfile;
/* By name ("Europe/Berlin"). TG_E_DATA: there is none, or it is damaged. */
int tg_tzfile_load(const char *name, struct tg_tzfile **out, struct tg_error *e);
/* Is the file another than the one that was read? A call of the system, a few times a second at most. */
bool tg_tzfile_has_changed(struct tg_tzfile *zone, const char *name);
struct tg_tzfile *tg_tzfile_parse(const void *bytes, size_t len);
void tg_tzfile_free(struct tg_tzfile *zone);
int32_t tg_tzfile_offset_s(const struct tg_tzfile *zone, int64_t wall_s);

#endif
