/* What `tagout migrate` shows. */
#ifndef TG_CLI_MIGRATE_VIEW_H
#define TG_CLI_MIGRATE_VIEW_H

#include "cli/cmd.h"
#include "guard/migrate.h"

struct tg_migrate_view {
    struct tg_frame *f;
    bool counting;   /* a line on the terminal is being drawn over */
    json_t *out;     /* with -o json: what the step adds to its document; else NULL */
};
/* A tg_migrate_fn; data is the view. */
void tg_migrate_view_news(void *data, const struct tg_migrate_news *news);
/* Who is in flight, for a dry run of complete. */
void tg_migrate_view_in_flight(struct tg_migrate_view *v, const struct tg_waits *waits, const char *runs);
/* The table of verify. */
void tg_migrate_view_report(struct tg_migrate_view *v, const struct tg_mirror_report *report);
/* Both sides, the phase and what comes next; the whole document with -o json (consumes v->out). */
int tg_migrate_view_status(struct tg_migrate_view *v, const struct tg_migrate *m, const char *step, struct tg_error *e);

#endif
