/* Inside of reading calendars: what read.c and read_when.c share. */
#ifndef TG_CALENDAR_READ_H
#define TG_CALENDAR_READ_H

#include "calendar/build.h"

struct tg_calendar_reader {
    struct tg_calendar *calendar;
    struct tg_problems *p;
    int never; /* rules that never come */
};

/* The keys of a window or a blackout. */
enum tg_when_key {
    TG_WHEN_FOR, TG_WHEN_ZONE, TG_WHEN_CUT_OFF, TG_WHEN_LEAD, TG_WHEN_HOURS, TG_WHEN_DAYS, TG_WHEN_FROM, TG_WHEN_UNTIL, TG_WHEN_START, TG_WHEN_END,
    TG_WHEN_DURATION, TG_WHEN_RULE, TG_WHEN_EXCEPT, TG_WHEN_ALSO, TG_WHEN_FIRST, TG_WHEN_LAST, TG_WHEN_ICS, TG_WHEN_KEYS
};

/* Everything about times of a rule; what names it in messages ("window \"office\""). */
int tg_calendar_take_when(struct tg_calendar_reader *r, const struct tg_yaml_node *map, const char *what, const struct tg_yaml_node *const *values,
                          struct tg_rule *rule, struct tg_error *e);
int tg_calendar_copy(char **out, const char *text, struct tg_error *e);

#endif
