/* Time zones of the system's tz database, as its files have them. */
#ifndef TG_PLUGIN_CALENDAR_TZFILE_H
#define TG_PLUGIN_CALENDAR_TZFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_tzfile;
/* By name ("Europe/Berlin"); NULL: there is none, or it can't be read. */
struct tg_tzfile *tg_tzfile_load(const char *name);
struct tg_tzfile *tg_tzfile_parse(const void *bytes, size_t len);
void tg_tzfile_free(struct tg_tzfile *zone);
int32_t tg_tzfile_offset_s(const struct tg_tzfile *zone, int64_t wall_s);

#endif
