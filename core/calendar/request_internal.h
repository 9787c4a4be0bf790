/* What the parts of requests share. */
#ifndef TG_CALENDAR_REQUEST_INTERNAL_H
#define TG_CALENDAR_REQUEST_INTERNAL_H

#include "calendar/request.h"

#define TG_REQ_SURE 3             /* durations from which on they count for more than what was asked */
#define TG_REQ_REBOOT "reboot"    /* an activity that any reboot does */

/* It waits for its time, and is not under way. */
bool tg_request_is_open(const struct tg_request *q);
/* Moves it to the past; q is then another one, or none. */
void tg_requests_past(struct tg_requests *r, const struct tg_request *q, enum tg_request_end end, const char *by, const char *why, int64_t took_ms,
                      int64_t now_ms);
void tg_requests_learn(struct tg_requests *r, const char *activity, int64_t ms);
/* "reboot, update": of a kind, open, or (kind TG_VISITS) under way. */
void tg_requests_what(const struct tg_requests *r, enum tg_visit_kind kind, char *out, size_t size);
void tg_requests_tell(struct tg_request_newses *news, enum tg_request_tell tell, const struct tg_visit *visit, const char *what);

#endif
