/*
 * Time zones and recurrences, as core needs them: what the clocks on the wall say at a time, and when a rule of RFC 5545 recurs. A module offers
 * it, so that only who names a zone other than UTC, or a rule, loads such a library.
 *
 * "Local" seconds are what clocks show: those since they showed 1970-01-01 00:00, without regard to when they were set.
 */
#ifndef TAGOUT_ZONE_H
#define TAGOUT_ZONE_H

#include <tagout/error.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_ZONE_ABI 2 /* 2: recurrences */
#define TG_ZONE_NAME_SIZE 64

struct tg_zone_backend {
    uint32_t version; /* TG_ZONE_ABI */
    const char *about;
    /* A zone by its name in the tz database, such as "Europe/Berlin". *out is the module's, and lives as long. TG_E_DATA: there is no such zone. */
    int (*find)(const char *name, const void **out, struct tg_error *e);
    /* How many seconds local time is ahead of UTC at this Unix time. */
    int32_t (*offset_s)(const void *zone, int64_t wall_s);
    /* The name in the tz database of a zone that Windows calls so ("W. Europe Standard Time"). TG_E_DATA: it calls none so. */
    int (*find_windows)(const char *name, char *out, size_t size, struct tg_error *e);
    /*
     * A zone from a file's own VTIMEZONE (len bytes, BEGIN and END included), for names that the tz database does not know. Likewise the
     * module's for ever, so a caller bounds how many it makes. TG_E_DATA: it is none.
     */
    int (*define)(const char *vtimezone, size_t len, const void **out, struct tg_error *e);
    /*
     * The value of an RRULE, and the start that it is counted from. zone (NULL: UTC) says what an UNTIL in UTC is on its clocks. Refused with
     * TG_E_DATA are also rules more often than daily, those that never come, and what libraries read differently. The caller's: recur_free().
     */
    int (*recur_new)(const char *rrule, int64_t start_local_s, const void *zone, void **out, struct tg_error *e);
    void (*recur_free)(void *recur); /* NULL is fine */
    /* Calls found with every start in [from, until), ascending, until it returns something else than 0, which is returned. TG_E_MEMORY. */
    int (*recur_expand)(const void *recur, int64_t from_local_s, int64_t until_local_s, int (*found)(int64_t start_local_s, void *data), void *data,
                        struct tg_error *e);
};

#ifdef __cplusplus
}
#endif
#endif
