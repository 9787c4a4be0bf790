/*
 * Which hosts have requests that are held for a person, so that who is paged finds them without reading every host's
 * record.
 *
 *   /requests/3f    sealed: the names of the bucket's hosts that have one, and "more" when they are too many for one
 * record; empty until there is one
 *
 * It is written in the transaction that holds a request, or lets the last one go: never the one without the other. What
 * the list does not say, as it is too long, was damaged, or is a newer tagout's, is looked up in the records of the
 * bucket's hosts, so nobody is forgotten; a damaged one is made anew from these by the next change, a newer one is
 * never written over. Hosts that an older tagout has held are not in it: tagout request list --state held reads all
 * records.
 */
#ifndef TG_CALENDAR_REQUEST_HELD_H
#define TG_CALENDAR_REQUEST_HELD_H

#include "calendar/request_store.h"

#define TG_HELD_HOSTS_MAX 5000 /* of a bucket: as many as it may have names */
#define TG_HELD_BYTES_MAX                                                                                                                                                                    \
    (64 * 1024) /* of names in one list: it is written whole at each change, and shares its transaction with a host's                                                                        \
                   record and announcements */

/*
 * The bucket's record with a host in it, or without: free(). TG_HELD_ANEW: it is to be made from the hosts' records.
 * TG_E_UNKNOWN: a newer tagout has written it, so it stays. TG_E_MEMORY.
 */
#define TG_HELD_ANEW 1
int tg_held_change(const char *text, size_t len, const char *host, bool held, char **out, struct tg_error *e);
/* TG_E_DATA: damaged; TG_E_UNKNOWN: a newer tagout's. take is called with each; what it returns ends it when it is not
 * 0. No text: nobody. *out_more: others are not named. */
int tg_held_parse(const char *text, size_t len, int (*take)(void *data, const char *host, struct tg_error *e), void *data, bool *out_more, struct tg_error *e);

/* For the caller's transaction, in which this record of a host is written. It lives until that was answered; any false:
 * nothing changes. */
struct tg_held_op {
    bool any;
    struct tg_op op;
    char path[TG_NODE_PATH_SIZE];
    char *data;
};
int tg_held_prepare(struct tg_guard *guard, const struct tg_requests *r, struct tg_held_op *out, struct tg_error *e);
void tg_held_op_release(struct tg_held_op *op);

struct tg_held_found {
    size_t hosts;                      /* that there are, */
    size_t bad;                        /* of which it is not known: their records can't be understood */
    size_t lists;                      /* that can't be understood; nobody is missing by that */
    bool newer;                        /* one of these is a newer tagout's */
    struct tg_error bad_why, list_why; /* the first one's reason */
};
/* The hosts' records: take is called with at most max. A few round trips, and one for some hundreds that are taken.
 * Blocks. */
int tg_requests_held(struct tg_guard *guard, size_t max, int (*take)(const struct tg_requests *r, void *data, struct tg_error *e), void *data, struct tg_held_found *out, struct tg_error *e);

#endif
