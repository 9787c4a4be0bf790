/*
 * A booked week with how it goes, its hosts by the customers of now: what announce_week.c tells. One in force, or one that was cancelled when something of it had
 * begun: of that the rest is off, and how it ends is told all the same.
 */
#ifndef TG_CALENDAR_ANNOUNCE_WEEK_PART_H
#define TG_CALENDAR_ANNOUNCE_WEEK_PART_H

#include "calendar/announce_store.h"
#include "calendar/book_marks.h"

struct tg_week_named {
    const char *name;
    size_t customer;
};

struct tg_week_part {
    const struct tg_booked *booked;    /* borrowed */
    const struct tg_inventory *inventory;
    struct tg_week *week;
    struct tg_marks marks;
    struct tg_slot_count *counts;      /* of each slot */
    const char **customers;            /* names */
    size_t n_customers;
    struct tg_week_named *by_name;     /* those who have hosts in it */
    size_t n_named;
    uint32_t *hosts, *first;           /* hosts by customer: of c, from first[c] to first[c + 1] */
};
/* Blocks. TG_E_UNKNOWN: something of it can't be understood. */
int tg_week_part_load(const struct tg_announce_place *p, const struct tg_booked *booked, struct tg_week_part *out, struct tg_error *e);
void tg_week_part_release(struct tg_week_part *part);
bool tg_week_part_has(const struct tg_week_part *part, size_t customer);
/* n_customers: he has none of its hosts. */
size_t tg_week_part_find(const struct tg_week_part *part, const char *customer);
/*
 * Of whom he is to hear in a slot; out has room for all. Of a week that was cancelled only those that had begun by then, or all of a slot that was over then and in
 * which some had. *out_all: how many of his the slot has.
 */
size_t tg_week_part_hosts(const struct tg_week_part *part, size_t customer, size_t slot, uint32_t *out, size_t *out_all);

#endif
