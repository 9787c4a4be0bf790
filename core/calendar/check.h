/* What is no mistake in a calendar, and is hardly meant: for `tagout calendar check`. */
#ifndef TG_CALENDAR_CHECK_H
#define TG_CALENDAR_CHECK_H

#include "calendar/agenda.h"

struct tg_calendar_warning {
    char *file;          /* where; line 0: nowhere in particular */
    int line, column;
    char *text;          /* one sentence without a full stop */
};
struct tg_calendar_warnings {
    struct tg_calendar_warning *list;
    size_t n, cap;
};
#define TG_CALENDAR_WARNINGS_INIT {0}
void tg_calendar_warnings_release(struct tg_calendar_warnings *w);
/*
 * Windows and blackouts that never come (again), that no host has, that lie wholly in blackouts or are shorter than their cut-off; hosts without a
 * window; customers without contacts or hosts. Looked at from t on.
 */
int tg_calendar_warn(struct tg_agenda *agenda, const struct tg_inventory *inventory, int64_t t_ms, struct tg_calendar_warnings *out, struct tg_error *e);

#endif
