/* The site's calendar for the commands that plan, run and simulate. */
#ifndef TG_CLI_WINDOWS_H
#define TG_CLI_WINDOWS_H

#include "calendar/site_agenda.h"
#include "cli/cmd.h"
#include "engine/journal.h"
#include "engine/windows.h"

struct tg_cli_windows {
    struct tg_site_agenda *site;  /* NULL: the plan needs none */
    struct tg_windows *windows;   /* of the plan, for its dates; NULL: it has none */
    const struct tg_plan *of;     /* follow: the plan that windows are of */
    struct tg_error unread;       /* plan, simulate: what of it could not be read, and is not counted; code 0: all was */
};

/*
 * Lays the site's calendar, with the weeks booked in the store, over a plan that was just compiled, and makes plan->calendar, whose dates then honour it. store: NULL, or one that
 * is not to be waited for: booked weeks are not counted then, and unread says why, when the site says anything of windows. Must outlive the plan's dates;
 * tg_cli_windows_release() in any case. Mistakes of files are in frame->problems: TG_E_DATA. TG_E_CONFIG: the rollout honours windows, and nothing says what they are.
 */
int tg_cli_windows_lay(struct tg_frame *f, struct tg_store *store, struct tg_plan *plan, struct tg_cli_windows *out, struct tg_error *e);
/*
 * The same for a run that goes on, for when it ends, and whose windows its hosts wait for: sets plan->calendar. Whatever is in the way of that (no inventory here, a calendar that
 * can't be read) leaves it without. Call it again now and then: the calendar changes. Release it before the store is closed.
 */
void tg_cli_windows_follow(struct tg_frame *f, struct tg_plan *plan, const struct tg_run *run, struct tg_cli_windows *out);
void tg_cli_windows_release(struct tg_cli_windows *windows);
/*
 * Of a run that has ended: how its hosts ended in the slots of booked weeks, when its driver was killed before it could say so. True when that was said now, and shown;
 * what is in the way of it is a warning.
 */
bool tg_cli_slots_ended(struct tg_frame *f, const struct tg_journal *journal, const struct tg_plan *plan, const struct tg_run *run);
/* How long hosts of this rollout took in its last runs, into the plan; without history it stays as it is. Blocks. */
void tg_cli_learn(struct tg_store *store, struct tg_plan *plan, int64_t wait_ms);

#endif
