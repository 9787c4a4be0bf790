/* Inside of the agenda. */
#ifndef TG_CALENDAR_AGENDA_INTERNAL_H
#define TG_CALENDAR_AGENDA_INTERNAL_H

#include "calendar/agenda.h"

#define TG_AGENDA_SLOT_PREFIX "week:" /* of a scope: hosts of a booked slot, "week:ID/SLOT" */

#define TG_DAY_MS (TG_DAY_S * 1000)

/* What is known of a stretch of time: [from, until) of it. */
struct tg_agenda_cache {
    int64_t from_ms, until_ms; /* 0, 0: nothing */
    struct tg_spans open;      /* of a rule: its occurrences, whole; of a class: when it may be disturbed, clipped */
    struct tg_spans start;     /* of a class: when something may begin */
};

struct tg_agenda_rule {
    const struct tg_rule *rule;
    struct tg_agenda_cache cache;
};

struct tg_agenda_class {
    uint32_t *rules;          /* indices: windows that decide, then blackouts, then windows that don't count here */
    const struct tg_rule **pointers; /* the same */
    size_t n_windows, n_blackouts, n_shadowed;
    size_t n_booked;          /* of n_windows, the last: slots of maintenance weeks */
    size_t n_hosts;
    uint32_t one;             /* a host of it */
    struct tg_agenda_cache cache;
};

struct tg_agenda {
    const struct tg_calendar *calendar; /* NULL: none */
    const struct tg_inventory *inventory;
    struct tg_agenda_rule *rules;
    size_t n_rules;
    const struct tg_week *const *weeks; /* booked; while it is made */
    size_t n_weeks;
    struct tg_rule *own;      /* of the inventory's customers, and of weeks */
    size_t n_own;
    struct tg_agenda_class *classes;
    size_t n_classes;
    uint32_t *class_of;       /* by host */
    bool default_open;
    int64_t cut_off_ms, lead_ms;
    struct tg_spans windows, blackouts, part, rest; /* scratch */
};

/* agenda_weeks.c: at most how many rules the weeks make; the rules, behind those of customers; and the hosts of one's scope (free()). */
size_t tg_agenda_week_rules(const struct tg_agenda *a);
int tg_agenda_take_weeks(struct tg_agenda *a, struct tg_error *e);
int tg_agenda_slot_hosts(const struct tg_agenda *a, const char *scope, uint32_t **out, size_t *out_n, struct tg_error *e);

/* Makes the class's cache cover [from, until). */
int tg_agenda_cover(struct tg_agenda *a, struct tg_agenda_class *c, int64_t from_ms, int64_t until_ms, struct tg_error *e);

#endif
