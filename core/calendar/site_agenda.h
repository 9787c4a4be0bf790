/*
 * The agenda of a site as it is now: its calendar, the .ics files that it names, and the maintenance weeks booked in the store, laid over an inventory; read anew when
 * any of them has changed. What can't be read or understood leaves no agenda at all: whoever asks is to take everything for closed (P2, P5).
 */
#ifndef TG_CALENDAR_SITE_AGENDA_H
#define TG_CALENDAR_SITE_AGENDA_H

#include "calendar/agenda.h"
#include "calendar/book.h"

#include <tagout/store.h>

struct tg_site_agenda;

struct tg_site_agenda_options {
    const char *calendar;               /* file; NULL: none is configured */
    const struct tg_inventory *inventory;
    struct tg_store *store;             /* NULL: booked weeks do not count */
    int64_t wait_ms;                    /* for each of its answers */
    const struct tg_clock *clock;
    int64_t settle_ms;                  /* a file that changes while it is in use counts when it has stayed as it is for so long, and for a minute where it was written in place and lacks
                                         * a window or blackout that it had: it may not be written to its end. 0: at once */
};

/* Reads nothing yet. All is borrowed. TG_E_MEMORY. */
int tg_site_agenda_new(const struct tg_site_agenda_options *options, struct tg_site_agenda **out, struct tg_error *e);
void tg_site_agenda_free(struct tg_site_agenda *site);
/*
 * Looks whether it is still what it was, and reads it anew when not. Blocks; a few calls of the system and one read of the store while nothing has changed.
 * *out_changed: the agenda from before is gone, another is there. A failure leaves none: the first mistake of a file stands in e with its place, all of them in problems
 * (may be NULL). TG_E_DATA, TG_E_HELD (it is not settled: look again soon), and what the store says; when that is TG_E_LOST or TG_E_TIMEOUT the agenda stays, for as long as whoever asks thinks that wise.
 */
int tg_site_agenda_look(struct tg_site_agenda *site, struct tg_problems *problems, bool *out_changed, struct tg_error *e);
/* Have its files changed since they were read? A few calls of the system, and nothing of the store: affordable before each start. False where there is no agenda. */
bool tg_site_agenda_is_outdated(const struct tg_site_agenda *site);
/* NULL: it could not be read when it was looked at last. */
struct tg_agenda *tg_site_agenda(const struct tg_site_agenda *site);
/* The calendar's zone; UTC without one. */
const char *tg_site_agenda_zone(const struct tg_site_agenda *site);
/* The booked weeks that are not over for a day yet, as they were read last, and what the book says of each; also those that were cancelled when something of them had
 * begun, whose slots are no windows any more. The arrays are its own until it is looked at again. */
size_t tg_site_agenda_weeks(const struct tg_site_agenda *site, const struct tg_week *const **out, const struct tg_booked **out_booked);
/* Does anything say when who may be disturbed: a calendar, windows of customers, booked weeks? */
bool tg_site_agenda_says(const struct tg_site_agenda *site);

#endif
