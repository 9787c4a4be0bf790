/* A host's requests, as whoever may write to the store might leave them: read or refused, and never a reason to act that makes no sense. Its seal is set right, or
 * nothing behind it would be reached. The note on the host's disk likewise. */
#include "base/seal.h"
#include "calendar/request_due.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int always(void *self, int64_t t_ms, int64_t need_ms, struct tg_fit *out, struct tg_error *e)
{
    (void) self;
    (void) need_ms;
    (void) e;
    *out = (struct tg_fit) {.start_ms = TG_CALENDAR_NEVER};
    if (t_ms < TG_CALENDAR_LAST_MS - 8 * INT64_C(86400000))
        *out = (struct tg_fit) {.now = true, .start_ms = t_ms, .latest_ms = t_ms + 3600000, .until_ms = TG_CALENDAR_EVER};
    return 0;
}

static int first(void *data, const struct tg_request *q)
{
    (void) data;
    (void) q;
    return 0;
}

/* Whatever it says, going on with it leads to what can be written and read again. */
static void go_on(struct tg_requests *r)
{
    const struct tg_request_when when = {.fits = always, .lead_ms = 86400000, .customer = "acme"};
    const int64_t now = 1795368000000;
    struct tg_request_newses news = {.n = 0};
    struct tg_requests back;

    (void) tg_requests_turn(r, now);
    (void) tg_requests_tidy(r, "boot", now);
    if (tg_requests_lay(r, &when, now, &news, NULL))
        abort();
    if (tg_requests_turn(r, now) == TG_TURN_DUE)
        tg_requests_begin(r, TG_REQ_WHOM_QUIET_TOO, "boot", "L7K2QX", "w-2026-11-30.0123456789ab", now, &news);
    for (int i = 0; i < TG_REQUESTS_MAX; i++) {
        struct tg_request *q = tg_requests_next(r, first, NULL);
        if (!q)
            break;
        tg_requests_start(q, now);
        tg_requests_outcome(r, q, i % 2 ? TG_REQ_EXIT_DONE : TG_REQ_EXIT_POSTPONE, "", now, &news);
    }
    (void) tg_requests_leave(r, now, &news);
    char *text = tg_requests_encode(r);
    if (!text || tg_requests_decode(text, strlen(text), &back, NULL))
        abort();
    tg_requests_release(&back);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *o = json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, NULL);
    char *text = tg_seal(o);
    struct tg_requests r;
    struct tg_due_note note;

    if (text && tg_requests_decode(text, strlen(text), &r, NULL) == 0) {
        go_on(&r);
        tg_requests_release(&r);
    }
    if (text)
        (void) tg_due_note_decode(text, strlen(text), &note, NULL);
    free(text);
    return 0;
}
