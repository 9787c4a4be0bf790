/*
 * Time zones, as core needs them: what the clocks on the wall say at a time. A module offers it, so that only who names a zone other than UTC
 * loads such a library.
 */
#ifndef TAGOUT_ZONE_H
#define TAGOUT_ZONE_H

#include <tagout/error.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_ZONE_ABI 1
#define TG_ZONE_NAME_SIZE 64

struct tg_zone_backend {
    uint32_t version; /* TG_ZONE_ABI */
    const char *about;
    /* A zone by its name in the tz database, such as "Europe/Berlin". *out is the module's, and lives as long. TG_E_DATA: there is no such zone. */
    int (*find)(const char *name, const void **out, struct tg_error *e);
    /* How many seconds local time is ahead of UTC at this Unix time. */
    int32_t (*offset_s)(const void *zone, int64_t wall_s);
};

#ifdef __cplusplus
}
#endif
#endif
