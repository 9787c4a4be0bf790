/* When a host's requests may be carried out, as the site says: calendar, inventory, and the maintenance weeks that are booked in the store. */
#ifndef TG_CALENDAR_REQUEST_SITE_H
#define TG_CALENDAR_REQUEST_SITE_H

#include "calendar/request.h"

#include <tagout/store.h>

struct tg_request_site {
    struct tg_store *store;
    int64_t wait_ms;
    const struct tg_inventory *inventory;
    const struct tg_host *host;
    struct tg_calendar *calendar;      /* NULL: none is configured */
    struct tg_agenda *agenda;
    struct tg_week **weeks;            /* each with this host's slot alone */
    size_t n_weeks;
    char basis[TG_REQ_BASIS_SIZE];     /* what all of this was; "": it changed while it was read */
    char week[TG_BOOK_KEY_SIZE];       /* in whose slot of the host it was opened; "": in none */
    struct tg_request_when when;       /* what it was made for; its self is this struct, which must stay where it is */
};
/*
 * Reads it all, anew: windows that were closed meanwhile are. Blocks; a few reads, whatever the size of the fleet. calendar: a path, or NULL. What
 * can't be read or understood fails, and nothing is open then: mistakes are in problems. TG_E_USAGE: the inventory does not have the host.
 * tg_request_site_close() whatever it returns.
 */
int tg_request_site_open(struct tg_request_site *out, struct tg_store *store, const struct tg_inventory *inventory, const char *calendar, const char *host, int64_t wall_ms,
                         int64_t wait_ms, struct tg_problems *problems, struct tg_error *e);
void tg_request_site_close(struct tg_request_site *site);

#endif
