/* Inside of the module "calendar". */
#ifndef TG_PLUGIN_CALENDAR_RECUR_H
#define TG_PLUGIN_CALENDAR_RECUR_H

#include <tagout/module.h>

#include <libical/ical.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define TG_RECUR_A_DAY 48 /* of BYHOUR, BYMINUTE and BYSECOND together */

int32_t tg_calendar_offset_s(const void *zone, int64_t wall_s);

int tg_calendar_recur_new(const char *rrule, int64_t start_local_s, const void *zone, void **out, struct tg_error *e);
void tg_calendar_recur_free(void *recur);
int tg_calendar_recur_expand(const void *recur, int64_t from_local_s, int64_t until_local_s, int (*found)(int64_t, void *), void *data,
                             struct tg_error *e);

/* How many a list of libical has. */
size_t tg_calendar_items(const short *list, size_t size);

/* recur_days.c: a daily or weekly rule, taken apart. Times are local. */
struct tg_recur_days {
    bool weekly;
    int interval, count;      /* count 0: it is not counted */
    int64_t start_s;
    int64_t first_date;       /* of the week that holds the start; or the start's. In days since 1970-01-01 */
    unsigned days, months;    /* bit 0 Monday; bit 1 January. months 0: all */
    uint64_t month_days;      /* bits 1 … 31, and 33 … 63 from the last on; 0: all */
    int32_t at_s[TG_RECUR_A_DAY];
    size_t n_at;
};
void tg_recur_days_init(struct tg_recur_days *out, const struct icalrecurrencetype *r, int64_t start_s);
/* Those within [from, end], ascending, until found() does not give 0, which it gives then. */
int tg_recur_days_expand(const struct tg_recur_days *r, int64_t from_s, int64_t end_s, int (*found)(int64_t, void *), void *data);

/* The rules of a VTIMEZONE are ones that libical gets through: yearly, and not impossible. TG_E_DATA. */
int tg_calendar_zone_rules(icalcomponent *vtimezone, struct tg_error *e);

#endif
