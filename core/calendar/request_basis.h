/*
 * By what a host's times were given: the calendar with its .ics files, what the inventory says of the host and its
 * customer, and the booked weeks. A record keeps it, so that whoever looks at it next sees that something of it has
 * changed since.
 */
#ifndef TG_CALENDAR_REQUEST_BASIS_H
#define TG_CALENDAR_REQUEST_BASIS_H

#include "calendar/request.h"

/* Of the calendar: its file as it was found before it was read. path NULL: none is configured. */
struct tg_basis_file {
    const char *path;
    bool there;
    struct stat st;
};
void tg_basis_look(struct tg_basis_file *out, const char *path);
/* Its bytes and those of the .ics files it names, but for what exports write anew each time. false: they are others by
 * now than what was read. Blocks. */
bool tg_basis_calendar(const struct tg_basis_file *file, const struct tg_calendar *calendar, char out[TG_SHA256_HEX]);
/* calendar: the above. weeks_txid: of the transaction that has changed the list of booked weeks last. TG_E_MEMORY. */
int tg_basis_of(const char *calendar, const struct tg_inventory *inventory, const struct tg_host *host,
                int64_t weeks_txid, char out[TG_REQ_BASIS_SIZE], struct tg_error *e);

#endif
