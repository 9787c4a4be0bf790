/* What the verbs of "calendar week" share: calendar_week.c (plan), calendar_week_book.c (apply, list, show, cancel). */
#ifndef TG_CLI_CALENDAR_WEEK_H
#define TG_CLI_CALENDAR_WEEK_H

#include "calendar/book.h"
#include "cli/cmd.h"

/* The files of --svg and --html. Before anything is booked. */
int tg_week_pictures(struct tg_frame *f, const struct tg_week *week, struct tg_error *e);
/* Text or JSON (with what was booked, or NULL) on stdout. */
int tg_week_show(struct tg_frame *f, const struct tg_week *week, const struct tg_booked *booked, struct tg_error *e);
/* With the store opened and proven: frame->store. */
int tg_week_open_store(struct tg_frame *f, struct tg_error *e);
json_t *tg_week_booked_json(const struct tg_booked *booked, int64_t now_ms);

/* Books it and says so, or that it was. */
int tg_week_apply(struct tg_frame *f, const struct tg_week *week, struct tg_error *e);
int tg_week_verb_list(struct tg_frame *f, struct tg_error *e);
int tg_week_verb_show(struct tg_frame *f, struct tg_error *e);
int tg_week_verb_cancel(struct tg_frame *f, struct tg_error *e);

#endif
