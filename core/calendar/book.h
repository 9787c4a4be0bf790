/*
 * Maintenance weeks in the store: booked, looked up, cancelled. What is booked are the slots as they were laid, host by host: no later change of the
 * inventory or the pattern moves anybody.
 *
 *   /calendar                 one record: which weeks are booked, by whom, and which were cancelled; empty until there is one
 *   /calendar/KEY             a week's folder, KEY is ID.DIGEST of all that is in it, and of how often it was cancelled before; its data says whether it is written or removed
 *   /calendar/KEY/week        name, location, warnings, and how many of the nodes below there are
 *   /calendar/KEY/slots-007   slots by time: name, zone, from, until, whom the pattern meant
 *   /calendar/KEY/hosts-01f   hosts of a shard (fleet/shard.h): by slot, and in each by customer, folded
 *   /calendar/KEY/customers-0 customers by name: how many hosts of theirs have which slot. What is told to them is made of it
 *   /calendar/KEY/rows-0      groups, for pictures
 *
 * A week is in force exactly when the record of /calendar names it. That is written last, in one transaction that checks the folder's version: whoever
 * dies before has booked nothing, and who repeats his command goes on where he stopped. Folders that nobody needs are removed later; who removes
 * marks the folder first, and whoever writes there at that time starts anew. /calendar itself is made by init: a store that lacks it is no whole one, so
 * that what can't be read is never "nothing is booked" (P2).
 */
#ifndef TG_CALENDAR_BOOK_H
#define TG_CALENDAR_BOOK_H

#include "calendar/week.h"
#include "guard/record.h"

#include <tagout/store.h>

#define TG_BOOK_PATH "/calendar"
#define TG_BOOK_KEY_SIZE (TG_WEEK_ID_SIZE + 16)
#define TG_BOOK_WEEKS_MAX 200                      /* four years of them; past ones leave after TG_BOOK_KEPT_MS */
#define TG_BOOK_KEPT_MS (INT64_C(60) * 86400000)
#define TG_BOOK_SHARDS_MAX 4096                    /* folders have at most 5,000 names */

struct tg_booked {
    char id[TG_WEEK_ID_SIZE], key[TG_BOOK_KEY_SIZE], digest[TG_SHA256_HEX];
    int64_t date, from_ms, until_ms, hosts;
    int64_t shards;                  /* of its hosts */
    char by[TG_OWNER_SIZE];
    int64_t at_ms;
    bool cancelled;                  /* then it is not in force; kept for those who ask */
    char cancelled_by[TG_OWNER_SIZE], reason[TG_REASON_SIZE];
    int64_t cancelled_ms;
};

struct tg_book {
    struct tg_booked *weeks;         /* by their beginning */
    size_t n;
    int64_t version, txid;           /* of /calendar, and of the transaction that has changed it last */
};
void tg_book_release(struct tg_book *book);
/* The record. NULL: memory. And back: TG_E_DATA what is damaged, TG_E_UNKNOWN what a newer tagout has written. No text is an empty book. */
char *tg_book_encode(const struct tg_book *book);
int tg_book_decode(const char *text, size_t len, struct tg_book *out, struct tg_error *e);

/* All of these block. wait_ms: for each answer of the store. TG_E_UNKNOWN: the store is not whole, is moved, or can't be understood. */
int tg_book_read(struct tg_store *store, int64_t wait_ms, struct tg_book *out, struct tg_error *e);
/* NULL: no such week is booked, or was. */
const struct tg_booked *tg_book_find(const struct tg_book *book, const char *id);
/* That there is none, and which one may be meant: TG_E_NOENT. */
int tg_book_none(const struct tg_book *book, const char *id, struct tg_error *e);

struct tg_book_words {
    const char *by, *reason;         /* reason: of cancelling */
    int64_t wall_ms, wait_ms;
};
/*
 * Books it. *out_was: it was booked already just like this. TG_E_EXISTS: it is booked otherwise, or some of its hosts have a slot in another week at that time. TG_E_USAGE:
 * it has begun. TG_E_HELD: others change the calendar all the time. TG_E_LOST and its kin: not known; the same again completes it.
 */
int tg_book_week(struct tg_store *store, const struct tg_week *week, const struct tg_book_words *words, struct tg_booked *out, bool *out_was, struct tg_error *e);
/* *out_was: it was cancelled already. TG_E_NOENT. */
int tg_book_cancel(struct tg_store *store, const char *id, const struct tg_book_words *words, struct tg_booked *out, bool *out_was, struct tg_error *e);
/* The whole week as it was booked; every host of it is looked at. *out is the caller's. */
int tg_book_load(struct tg_store *store, const struct tg_booked *booked, int64_t wait_ms, struct tg_week **out, struct tg_error *e);

/* What is booked for one host. */
struct tg_booking {
    char week[TG_WEEK_ID_SIZE], slot[TG_PATTERN_NAME_SIZE];
    int64_t from_ms, until_ms;
};
/* Slots in weeks in force that end after wall_ms, by time; *out is the caller's (free()). A few reads, whatever the size of the fleet. */
int tg_book_of_host(struct tg_store *store, const char *host, int64_t wall_ms, int64_t wait_ms, struct tg_booking **out, size_t *out_n, struct tg_error *e);

#endif
