/*
 * A maintenance week: a pattern laid over an inventory from a date on. Every host of the location has exactly one slot, or there is no week.
 *
 * Who has which slot:
 *   1. hosts that an entry names outright ("@kvm") have its slot; whom two slots name is a mistake
 *   2. quotas ("30%", "up to 5") choose among those that are left; slots choose by their order:, then by their time, then by their name
 *   3. "the rest" takes all that is left of its selector, in the same order
 *   4. whoever of the location has none then is a mistake
 * A share is of all hosts of the location that its selector means, whoever has them; rounded to the nearest, a half up.
 *
 * Whom a quota takes: the hosts of its selector stand in a fixed order, and it takes from the front whoever has no slot yet. In this order
 * the values of the first attribute of spread: are mixed as evenly as can be (any stretch of the order has of each value its share, give or
 * take one), those of the others more evenly than chance would, and what is left open is decided by the hash of the name (fleet/shard.h). Neither the order of
 * the files nor the date counts; a host that comes or goes moves one or two others at each quota's end at most.
 *
 * Pure: no clock, no I/O (but loading a zone).
 */
#ifndef TG_CALENDAR_WEEK_H
#define TG_CALENDAR_WEEK_H

#include "base/sha256.h"
#include "calendar/local.h"
#include "calendar/pattern.h"
#include "fleet/inventory.h"
#include "fleet/nodeset.h"

#define TG_WEEK_ID_SIZE 96
#define TG_WEEK_ROWS_MAX 60   /* groups of a picture: what is more is summed up */
#define TG_WEEK_NONE UINT32_MAX

enum tg_week_odd { TG_WEEK_PLAIN, TG_WEEK_SKIPPED, TG_WEEK_TWICE }; /* clocks never show its beginning, or show it twice: the first counts */

struct tg_week_slot {
    char name[TG_PATTERN_NAME_SIZE];
    char zone[TG_ZONE_NAME_SIZE];
    int64_t from_ms, until_ms;
    int64_t date;              /* it begins on, in its zone: days since 1970-01-01 */
    int from_min;              /* of that date, as written */
    enum tg_week_odd odd;
    char *who;                 /* "20% of @storage, @late-test" */
    uint32_t first, n;         /* its hosts: of order[] */
};

/* A line of a picture: how many of a group's hosts have which slot. */
struct tg_week_row {
    char *name;
    uint32_t total;
    uint32_t *counts;          /* by slot */
};

struct tg_week {
    char id[TG_WEEK_ID_SIZE];  /* "flying-circus-2026-11-30" */
    char *name, *location;
    int64_t date;              /* its first day */
    int64_t from_ms, until_ms; /* of its first slot, of what ends last */
    struct tg_week_slot *slots; /* by time, then by name */
    size_t n_slots;
    struct tg_hostlist names;  /* every host, by name */
    uint32_t *slot_of;         /* of each */
    uint32_t *order;           /* indices of names, slot by slot, by name */
    char **customers;          /* names, ordered */
    size_t n_customers;
    uint32_t *customer_of;     /* of each host; TG_WEEK_NONE */
    struct tg_week_row *rows;  /* groups by name, then what is in none of these ("other hosts") */
    size_t n_rows;
    char **warnings;           /* a sentence each */
    size_t n_warnings;
    char digest[TG_SHA256_HEX]; /* of its slots, their times and their hosts */
};

/*
 * Lays it. Mistakes (hosts with none or two slots, quotas that can't be filled …) are added to problems, with their places in the pattern, and
 * TG_E_DATA is returned; TG_E_USAGE when date is no day on which such a week begins. *out is the caller's: tg_week_free().
 */
int tg_week_plan(const struct tg_pattern *pattern, const struct tg_inventory *inventory, int64_t date, struct tg_problems *problems, struct tg_week **out,
                 struct tg_error *e);
void tg_week_free(struct tg_week *week);

/* Of a week whose slots, names and slot_of are filled in: order, first and n of each slot, from_ms and until_ms, id, digest. TG_E_MEMORY. */
int tg_week_finish(struct tg_week *week, struct tg_error *e);
/* A slot's hosts, folded; appended. */
int tg_week_fold(const struct tg_week *week, size_t slot, struct tg_buf *out, struct tg_error *e);
/* Adds a warning. TG_E_MEMORY. */
int tg_week_warn(struct tg_week *week, struct tg_error *e, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "Mon 30 Nov 17:00", as clocks of the slot's zone show it. size ≥ 32. Returns out. */
const char *tg_week_when(const struct tg_week_slot *slot, char *out, size_t size);

#endif
