/*
 * What customers are told of a slot once it is there: that it begins late, and how it ended. Pure; announce_week.c puts it into their threads, and
 * announce_slots.c looks when it is time to.
 *
 *   late   TG_SLOT_LATE_MS, or a quarter of the slot when that is longer, after its begin nothing at all has begun in it, and a run was to work on hosts of the customer.
 *          Of the whole slot, not of each host: a run has a rate and limits, and may spread its hosts over the slot, so that most of them begin late in it and on time
 *   done   all hosts of the customer in the slot are through; or the slot is over, and none of them is being worked on; or it is over for TG_SLOT_GONE_MS. Which failed,
 *          were not begun, or are not known to be done is told with it
 *   off    (cancelled) the slot is over, and none of them was begun
 *
 * Of customers whose hosts have no mark in it (book_marks.h) nothing is known, and nothing is told.
 */
#ifndef TG_CALENDAR_ANNOUNCE_SLOT_H
#define TG_CALENDAR_ANNOUNCE_SLOT_H

#include "calendar/announce_thread.h"
#include "calendar/book_marks.h"

#define TG_SLOT_LATE_MS INT64_C(1800000)
#define TG_SLOT_OVER_MS INT64_C(300000)    /* what has just ended is known by then */
#define TG_SLOT_GONE_MS INT64_C(21600000)  /* who has not ended by then is not waited for */

int64_t tg_slot_late_at_ms(const struct tg_week_slot *slot);

/*
 * The event (activity, hosts, n_hosts, times as they were planned; its own texts) as it stands. hosts: indices of the week's names; all of one customer in one slot;
 * of_slot: of all customers. TG_E_MEMORY.
 */
int tg_slot_judge(const struct tg_week *week, const struct tg_marks *marks, size_t slot, const struct tg_slot_count *of_slot, const uint32_t *hosts, size_t n, int64_t wall_ms,
                  struct tg_thread_event *event, struct tg_error *e);
/* When something of the week may have to be told though nobody marks anything; INT64_MAX: never. */
int64_t tg_slots_next_ms(const struct tg_week *week, int64_t wall_ms);

#endif
