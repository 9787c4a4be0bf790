/*
 * The pattern of a maintenance week, as a site writes it: slots, and who has which. Which hosts that is: week.h.
 *
 *   week: flying-circus
 *   location: location=whq           # whom it must cover: each of these hosts has exactly one slot; "*" when there is none
 *   zone: Europe/Berlin              # of slots that name none; UTC
 *   length: 4h                       # likewise
 *   begins: mon                      # the day of the week that --start is
 *   spread: [rack, customer]         # quotas take from all values of these alike
 *   first: tested=false              # of those that a quota may take, these before others
 *   at-once: 50%                     # how many may have their slot at one moment
 *   slots:
 *     - {name: early, day: mon, time: "09:00", who: "@monitoring"}
 *     - name: late
 *       day: thu
 *       time: "17:00"
 *       length: 6h
 *       who:
 *         - {hosts: "@storage", take: 20%}           # of all storage servers of the location, rounded to the nearest
 *         - {hosts: "@untested", take: up to 5}
 *         - {hosts: "@production", take: the rest}   # whom no other slot has
 */
#ifndef TG_CALENDAR_PATTERN_H
#define TG_CALENDAR_PATTERN_H

#include "calendar/zone.h"
#include "config/yaml.h"

/* Four a day over a month's worth of groups are a few hundred; the week's record and each screen grow with them. */
#define TG_PATTERN_SLOTS_MAX 2000
#define TG_PATTERN_TAKES_MAX 200
#define TG_PATTERN_SPREAD_MAX 4
#define TG_SLOT_MIN_MS (INT64_C(60) * 1000)
#define TG_SLOT_MAX_MS (INT64_C(7) * 86400000)
#define TG_PATTERN_NAME_SIZE 64

/* How much of a selector's hosts: those that it names outright, a quota, or what all others leave. */
enum tg_take_kind { TG_TAKE_ALL, TG_TAKE_EXACTLY, TG_TAKE_UP_TO, TG_TAKE_REST };

struct tg_take {
    char *hosts;               /* selector */
    char *first;               /* selector: of these first; NULL none */
    enum tg_take_kind kind;
    struct tg_share share;     /* of EXACTLY, UP_TO */
    const struct tg_yaml_node *hosts_at, *take_at, *first_at; /* where they are written */
};

struct tg_pattern_slot {
    char *name;                /* a word of a-z, 0-9 and "-" */
    int weekday;               /* 0 Monday … 6 Sunday */
    int from_min;              /* of the day, 0 … 1439 */
    int64_t length_ms;         /* of time that passes */
    int64_t order;             /* slots with lower ones choose first; INT64_MAX: none is given, by their time */
    char zone[TG_ZONE_NAME_SIZE];
    struct tg_take *takes;
    size_t n_takes;
    const struct tg_yaml_node *at;
};

struct tg_pattern {
    char *file, *name;
    char *location;            /* selector */
    int begins;                /* 0 Monday */
    char *spread[TG_PATTERN_SPREAD_MAX];
    size_t n_spread;
    struct tg_share at_once;   /* UNSET: nothing is said */
    struct tg_pattern_slot *slots; /* as in the file */
    size_t n_slots;
    struct tg_yaml_doc *doc;   /* what the nodes belong to */
    const struct tg_yaml_node *location_at, *spread_at, *at_once_at, *slots_at;
};

/* Mistakes are added to problems, and TG_E_DATA is returned. *out is the caller's: tg_pattern_free(). Blocks on the file. */
int tg_pattern_read(const char *file, struct tg_problems *problems, struct tg_pattern **out, struct tg_error *e);
/* The same from memory; file is only for messages. */
int tg_pattern_parse(const char *file, const char *text, size_t len, struct tg_problems *problems, struct tg_pattern **out, struct tg_error *e);
void tg_pattern_free(struct tg_pattern *pattern);

/* How many a quota takes of so many: a share is rounded to the nearest, a half up; a count is as it is. */
int64_t tg_take_of(const struct tg_share *share, int64_t total);
/* "30% of @storage", "up to 5 of @untested", "the rest of @production", "@kvm": appended. */
void tg_take_describe(const struct tg_take *take, struct tg_buf *out);

#endif
