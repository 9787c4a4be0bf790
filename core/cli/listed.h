/* Lists of any length, for people and for pipes. */
#ifndef TG_CLI_LISTED_H
#define TG_CLI_LISTED_H

#include "cli/calendar.h"

/*
 * Prints rows as a table. On a terminal nothing of a row is lost: its last cell goes on in the lines below, and where
 * there is no room for that each row is a few lines of its own; and no more than TG_CALENDAR_ROWS_MAX rows are shown,
 * with how many more there are and how to see fewer. In a pipe: all, a line each.
 */
void tg_cli_list(const struct tg_frame *f, const char *const *head, char ***rows, size_t n_rows, size_t n_columns,
                 const char *fewer);

#endif
