/*
 * How long activities take on other hosts, for one that has not done it often enough itself.
 *
 *   /history/request:reboot        sealed: how long the last ones took, on any host, the last first
 *   /history/request:reboot:web    likewise, of the hosts of a group
 *
 * Of the groups of a host the smallest count, at most TG_USUAL_GROUPS: those that say most of it. All of it is for planning: a record that is missing or damaged is no history, and one that
 * could not be written is a duration less.
 */
#ifndef TG_CALENDAR_REQUEST_USUAL_H
#define TG_CALENDAR_REQUEST_USUAL_H

#include "calendar/request.h"

#include <tagout/store.h>

#define TG_USUAL_GROUPS 4
#define TG_USUAL_KEPT 40  /* durations of a record */

struct tg_usual {
    int64_t ms[TG_USUAL_KEPT];
    size_t n;
};
void tg_usual_put(struct tg_usual *usual, int64_t ms);
/* The 95th percentile; 0: there are too few. */
int64_t tg_usual_say(const struct tg_usual *usual);
char *tg_usual_encode(const struct tg_usual *usual, const char *name);
/* TG_E_DATA, TG_E_UNKNOWN. */
int tg_usual_decode(const char *text, size_t len, const char *name, struct tg_usual *out, struct tg_error *e);

/* Names of a host's groups, the smallest first; the inventory's. How many. */
size_t tg_usual_groups(const struct tg_inventory *inventory, const struct tg_host *host, const char *out[TG_USUAL_GROUPS]);
/* It took so long on a host of these groups. A failure is no harm. Blocks: two round trips. */
void tg_usual_add(struct tg_store *store, const char *activity, const char *const *groups, size_t n, int64_t ms, int64_t wait_ms);
/* Of the first of the groups that has enough, then of the fleet; of: "group:web", "fleet". 0: nobody knows. Blocks: one round trip. */
int64_t tg_usual_read(struct tg_store *store, const char *activity, const char *const *groups, size_t n, int64_t wait_ms, char of[TG_REQ_USUAL_SIZE]);

#endif
