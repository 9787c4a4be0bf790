/*
 * Requests in the store. Who reads a host's proves the cluster in the same round trip (P2); who changes them does so by the version that he has read, in
 * one transaction with what its customer is told of it (announce.h), and anew when somebody was faster. All of it blocks.
 */
#ifndef TG_CALENDAR_REQUEST_STORE_H
#define TG_CALENDAR_REQUEST_STORE_H

#include "calendar/request.h"
#include "guard/tree.h"

#define TG_REQUESTS_SOURCE "requests" /* of announcements */

/* "/requests/3f/web1.example.com"; size TG_NODE_PATH_SIZE. */
void tg_requests_path(const char *host, char *out, size_t size);
/* One round trip, whatever the number of requests. No record: an empty one. TG_E_UNKNOWN and others: it is not known. */
int tg_requests_read(struct tg_guard *guard, const char *host, struct tg_requests *out, struct tg_error *e);

/*
 * What a deed makes of them: 0 to be written, with what is to be told in news; TG_REQUESTS_AS_IT_IS; or a failure, which the caller gets. It is called
 * again with what is there then when somebody was faster, or when an answer was lost: what is done already must come out as it is.
 */
#define TG_REQUESTS_AS_IT_IS 1
typedef int (*tg_requests_deed)(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e);
/* by: who is said to have done it. 0: it is so. *out (may be NULL): as it is then; the caller's. TG_E_HELD: others change it all the time. */
int tg_requests_change(struct tg_guard *guard, const char *host, const char *by, tg_requests_deed deed, void *data, struct tg_requests *out, struct tg_error *e);
/* Whoever gives times or acts by them asks first: this host's clock and the store's agree. One write. TG_E_UNKNOWN: they do not, or it can't be asked. */
#define TG_REQ_CLOCKS_MS INT64_C(120000) /* they may differ by this */
int tg_requests_clock(struct tg_guard *guard, struct tg_error *e);
/* "this host's clock HOW by …": TG_E_UNKNOWN. */
int tg_requests_wrong_clock(const char *how, int64_t by_ms, struct tg_error *e);

/*
 * Every host that has any: take is called with each, whose record it may look at; it asks the store nothing; what it returns ends the walk when it is not 0. bucket NULL: all.
 * bad is called with each whose record can't be understood, and why; NULL: the first one ends it.
 */
int tg_requests_walk(struct tg_guard *guard, const char *bucket, int (*take)(const struct tg_requests *r, void *data, struct tg_error *e),
                     void (*bad)(const char *host, const struct tg_error *why, void *data), void *data, struct tg_error *e);

#endif
