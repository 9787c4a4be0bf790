/* What the verbs of "calendar week" share: calendar_week.c (plan), calendar_week_book.c (apply, list, show, cancel), calendar_week_go.c (how
 * it goes: begin, done, failed), calendar_week_before.c (of a week of the same name, that was cancelled). */
#ifndef TG_CLI_CALENDAR_WEEK_H
#define TG_CLI_CALENDAR_WEEK_H

#include "calendar/book_marks.h"
#include "cli/calendar.h"
#include "cli/cmd.h"

/* The files of --svg and --html. Before anything is booked. */
int tg_week_pictures(struct tg_frame *f, const struct tg_week *week, struct tg_error *e);
/* Text or JSON (with what was booked, and how it goes, or NULL) on stdout. */
int tg_week_show(struct tg_frame *f, const struct tg_week *week, const struct tg_booked *booked, const struct tg_marks *marks, struct tg_error *e);
/*
 * The week that is booked as id. cancelled: or one that was cancelled, as long as it is known how it went; one that is booked anew is meant by its name, the one before
 * it by its key, which status and doctor tell where it is needed. TG_E_NOENT.
 */
int tg_week_find(struct tg_frame *f, const char *id, bool cancelled, struct tg_booked *out, struct tg_error *e);
/* Of one that was cancelled: is there still how it went? */
bool tg_week_has_marks(struct tg_frame *f, const struct tg_booked *booked);
/* Of what (hosts, a slot; NULL all), who had begun in another week of this name, which was cancelled, and is begun still: a sentence with the command, "" for nobody. */
int tg_week_begun_before(struct tg_frame *f, const struct tg_booked *booked, const char *what, const char *verb, struct tg_buf *out, struct tg_error *e);
/* "to come", "now", "late", "begun", "done", "failed", "over", "missed", "no word"; "off" when the week was cancelled before. booked may be NULL. */
const char *tg_week_slot_state(const struct tg_booked *booked, const struct tg_slot_count *count, const struct tg_week_slot *slot, int64_t now_ms);
/* A table of the slots; and all of it. */
void tg_week_progress(const struct tg_frame *f, const struct tg_booked *booked, const struct tg_week *week, const struct tg_marks *marks);
json_t *tg_week_progress_json(const struct tg_booked *booked, const struct tg_week *week, const struct tg_marks *marks, int64_t now_ms);
/* With the store opened and proven: frame->store. */
int tg_week_open_store(struct tg_frame *f, struct tg_error *e);
json_t *tg_week_booked_json(const struct tg_booked *booked, int64_t now_ms);

/* Books it and says so, or that it was. */
int tg_week_apply(struct tg_frame *f, const struct tg_week *week, struct tg_error *e);
int tg_week_verb_list(struct tg_frame *f, struct tg_error *e);
int tg_week_verb_show(struct tg_frame *f, struct tg_error *e);
int tg_week_verb_begin(struct tg_frame *f, struct tg_error *e);
int tg_week_verb_done(struct tg_frame *f, struct tg_error *e);
int tg_week_verb_failed(struct tg_frame *f, struct tg_error *e);
int tg_week_verb_cancel(struct tg_frame *f, struct tg_error *e);

#endif
