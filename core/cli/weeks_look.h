/* Booked weeks for those who look at night: whether they can be read, and what a run has not said any more of how its hosts ended. For doctor and status. */
#ifndef TG_CLI_WEEKS_LOOK_H
#define TG_CLI_WEEKS_LOOK_H

#include "base/buf.h"
#include "calendar/book_marks.h"
#include "engine/journal.h"

#include <tagout/store.h>
#include <stdint.h>

/* Hosts that a run has begun in a week, and the run has ended: its driver was killed behind the last of its journal. */
struct tg_week_unsaid {
    char run[TG_RUN_ID_SIZE];
    size_t n;
};
/* *out is the caller's (free()). rows: all runs. Reads every mark of the week. */
int tg_week_unsaid(struct tg_store *store, const struct tg_booked *booked, const struct tg_run_row *rows, size_t n_rows, int64_t wait_ms, struct tg_week_unsaid **out, size_t *out_n,
                   struct tg_error *e);
/* Appends a line for each, with the mend. */
void tg_week_unsaid_lines(const char *indent, const struct tg_booked *booked, const struct tg_week_unsaid *v, size_t n, struct tg_buf *out);

struct tg_weeks_look {
    size_t weeks;  /* in force, or so lately that their customers may still hear of them; each host of them was read */
    size_t bad;    /* of these, what can't be understood */
    size_t unsaid; /* runs that have ended, and have not said of all of their hosts how */
};
/* Appends a line for each that can't be understood, and what is unsaid. Whatever else keeps it from being read fails. Top level. */
int tg_weeks_look(struct tg_store *store, int64_t now_ms, int64_t wait_ms, struct tg_buf *out, struct tg_weeks_look *look, struct tg_error *e);

#endif
