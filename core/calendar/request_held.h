/*
 * Which hosts have requests that are held for a person, so that who is paged finds them without reading every host's record.
 *
 *   /requests/3f    sealed: the names of the bucket's hosts that have one; empty until there is one
 *
 * It is written in the transaction that holds a request, or lets the last one go: never the one without the other. Hosts that an older tagout has held are
 * not in it: tagout request list --state held reads all records.
 */
#ifndef TG_CALENDAR_REQUEST_HELD_H
#define TG_CALENDAR_REQUEST_HELD_H

#include "calendar/request_store.h"

#define TG_HELD_HOSTS_MAX 5000 /* of a bucket: as many as it may have names */

/* The bucket's record with a host in it, or without. text: as it was. What is damaged is made anew. free(); NULL: memory. */
char *tg_held_change(const char *text, size_t len, const char *host, bool held);
/* TG_E_DATA, TG_E_UNKNOWN: it can't be understood. take is called with each; what it returns ends it when it is not 0. No text: nobody. */
int tg_held_parse(const char *text, size_t len, int (*take)(void *data, const char *host, struct tg_error *e), void *data, struct tg_error *e);

/* For the caller's transaction, in which this record of a host is written. It lives until that was answered; any false: nothing changes. */
struct tg_held_op {
    bool any;
    struct tg_op op;
    char path[TG_NODE_PATH_SIZE];
    char *data;
};
int tg_held_prepare(struct tg_guard *guard, const struct tg_requests *r, struct tg_held_op *out, struct tg_error *e);
void tg_held_op_release(struct tg_held_op *op);

/*
 * The hosts' records: at most max, of *out_n that there are. Two round trips, and one for each that is taken. *out_bad: buckets and records that can't be understood, with
 * the first one's reason in why. Blocks.
 */
int tg_requests_held(struct tg_guard *guard, size_t max, int (*take)(const struct tg_requests *r, void *data, struct tg_error *e), void *data, size_t *out_n, size_t *out_bad,
                     struct tg_error *why, struct tg_error *e);

#endif
