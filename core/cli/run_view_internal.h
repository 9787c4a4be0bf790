/* What the parts of a run's picture share: run_view.c (head, stages, sums), run_summary.c (troubles, the end). */
#ifndef TG_CLI_RUN_VIEW_INTERNAL_H
#define TG_CLI_RUN_VIEW_INTERNAL_H

#include "base/columns.h"
#include "cli/run_view.h"

/* Appends a line that fits the width, without blanks at its end. */
void tg_view_line(struct tg_buf *out, const struct tg_buf *line, int width);
/* What is left behind of steps of around, and of locks where they have no lines of their own, with the commands that mend it. */
enum tg_view_locks { TG_VIEW_NO_LOCKS, TG_VIEW_WITH_LOCKS };
void tg_view_leftovers(const struct tg_run_view *v, enum tg_view_locks locks, struct tg_buf *out);
/* The same with the locks, as JSON: new reference. */
json_t *tg_view_leftovers_json(const struct tg_run_view *v);
/* Of a run that has ended: what was done around its hosts by others already, and stays so (P12). */
void tg_view_by_others(const struct tg_run_view *v, struct tg_buf *out);
json_t *tg_view_by_others_json(const struct tg_run_view *v);
/* It is to go on, and nobody drives it. */
bool tg_view_is_left(const struct tg_run_view *v);
/* What went wrong where, a line a group, each fitting the width. */
int tg_view_troubles(struct tg_run_view *v, int64_t now_ms, struct tg_buf *out, struct tg_error *e);

#endif
