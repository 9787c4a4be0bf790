/* What the parts of tagout status share: status.c (one run, all runs), status_watch.c, status_calendar.c. */
#ifndef TG_CLI_STATUS_H
#define TG_CLI_STATUS_H

#include "cli/cmd.h"
#include "engine/journal.h"

#include <jansson.h>

#define TG_STATUS_WAIT_MS 10000

/* Shows a run until it has ended; the frame's status is its. */
int tg_status_watch(struct tg_frame *f, const char *id, struct tg_error *e);
/*
 * Below the runs, which are rows: booked weeks that are now, and requests that are held for a person; printed, or put into list (NULL: printed). What can't be known is
 * told, and the frame's status says so.
 */
void tg_status_calendar(struct tg_frame *f, const struct tg_run_row *rows, size_t n, json_t *list);

#endif
