/* One delivery, to its end: between announce_send.c and the module. */
#ifndef TG_CALENDAR_ANNOUNCE_DELIVER_H
#define TG_CALENDAR_ANNOUNCE_DELIVER_H

#include "calendar/announce_send.h"

struct tg_announce_delivery {
    enum tg_delivered outcome;
    size_t parts;          /* mails that it takes; this was the next of them */
    char text[512];
};
/*
 * Sends to one recipient. before: called when from then on it may arrive (NULL: nothing to be noted); when it fails, nobody gets it, and its code is
 * returned. Otherwise 0, and the outcome. *out_stopped is set when a signal came.
 */
int tg_announce_deliver(struct tg_announce_run *run, const struct tg_thread *thread, const char *to, int (*before)(void *data, struct tg_error *e), void *data,
                        struct tg_announce_delivery *out, bool *out_stopped, struct tg_error *e);

#endif
