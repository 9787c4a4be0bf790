/* What reading one host's requests and walking over all of them share. */
#ifndef TG_CALENDAR_REQUEST_STORE_INTERNAL_H
#define TG_CALENDAR_REQUEST_STORE_INTERNAL_H

#include "calendar/request_store.h"

/* The record of a host as it was read, or an empty one. TG_E_UNKNOWN: it can't be understood, or is another host's. */
int tg_requests_take(struct tg_guard *guard, const char *host, const struct tg_read_item *item, struct tg_requests *out, struct tg_error *e);

#endif
