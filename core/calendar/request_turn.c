/* Carrying requests out, as far as it is decided here: see request.h. request_due.c does it. */
#include "calendar/request_internal.h"

#include "base/shown.h"

#include <stdio.h>
#include <string.h>

static bool is_due(const struct tg_visit *v, int64_t now_ms)
{
    return v->start_ms && v->start_ms <= now_ms && now_ms <= v->latest_ms;
}

/* It has no time, and nobody has looked for one since; or it is long ago that somebody looked, and calendars change. */
static bool wants_time(const struct tg_requests *r, int64_t now_ms)
{
    bool old = now_ms - r->laid_ms > TG_REQ_LAY_MS || now_ms < r->laid_ms - TG_REQ_LATE_MS;

    for (size_t i = 0; i < r->n; i++)
        if (tg_request_is_open(&r->v[i]) && (old || (r->v[i].state == TG_REQ_WAITING && !r->laid_ms)))
            return true;
    return false;
}

enum tg_requests_turn tg_requests_turn(const struct tg_requests *r, int64_t now_ms)
{
    bool under_way = tg_requests_has(r, TG_REQ_DUE) || tg_requests_has(r, TG_REQ_RUNNING) || tg_requests_has(r, TG_REQ_RETRY);
    bool missed = false, due = false;

    if (under_way || r->now.began_ms)
        return !under_way && tg_requests_has(r, TG_REQ_HELD) ? TG_TURN_BLOCKED : TG_TURN_UNDER_WAY;
    for (int k = 0; k < TG_VISITS; k++) {
        due = due || is_due(&r->visits[k], now_ms);
        missed = missed || (r->visits[k].start_ms && now_ms > r->visits[k].latest_ms);
    }
    return due ? TG_TURN_DUE : missed || wants_time(r, now_ms) ? TG_TURN_LAY : TG_TURN_NOTHING;
}

static bool is_meant(const struct tg_requests *r, const struct tg_request *q, enum tg_requests_whom whom, int64_t now_ms)
{
    if (!tg_request_is_open(q))
        return false;
    if (is_due(&r->visits[q->disruptive ? TG_VISIT_DISRUPTIVE : TG_VISIT_QUIET], now_ms))
        return true;
    return whom == TG_REQ_WHOM_QUIET_TOO && !q->disruptive && q->after_ms <= now_ms;
}

int64_t tg_requests_due_ms(const struct tg_requests *r, enum tg_requests_whom whom, int64_t now_ms)
{
    int64_t ms = 0;

    for (size_t i = 0; i < r->n; i++)
        if (is_meant(r, &r->v[i], whom, now_ms))
            ms += tg_request_expected_ms(r, &r->v[i]);
    return ms;
}

/* Something that disturbs begins: in the slot of a booked week it is what the slot is for. */
static void begin_slot(struct tg_requests *r, const char *week, int64_t now_ms, struct tg_request_newses *news)
{
    bool disturbs = false;

    for (size_t i = 0; i < r->n; i++) {
        disturbs = disturbs || (r->v[i].state == TG_REQ_DUE && r->v[i].disruptive);
        if (r->v[i].state == TG_REQ_DUE)
            tg_requests_audit(news, "req-begin", &r->v[i], "");
    }
    if (!disturbs || !week || !week[0])
        return;
    snprintf(r->now.week, sizeof r->now.week, "%s", week);
    snprintf(news->week, sizeof news->week, "%s", week);
    news->mark = (struct tg_mark) {.state = TG_MARK_BEGUN, .began_ms = now_ms};
}

void tg_requests_begin(struct tg_requests *r, enum tg_requests_whom whom, const char *boot, const char *lock, const char *week, int64_t now_ms, struct tg_request_newses *news)
{
    const struct tg_visit *told = &r->visits[is_due(&r->visits[TG_VISIT_DISRUPTIVE], now_ms) ? TG_VISIT_DISRUPTIVE : TG_VISIT_QUIET];
    bool meant[TG_REQUESTS_MAX], quiet_left = false;
    char what[256];

    r->now = (struct tg_visit_now) {.began_ms = now_ms, .visit = *told};
    snprintf(r->now.boot, sizeof r->now.boot, "%s", boot);
    snprintf(r->now.lock, sizeof r->now.lock, "%s", lock);
    snprintf(r->now.customer, sizeof r->now.customer, "%s", r->customer);
    for (size_t i = 0; i < r->n; i++) {
        meant[i] = is_meant(r, &r->v[i], whom, now_ms);
        quiet_left = quiet_left || (!meant[i] && tg_request_is_open(&r->v[i]) && !r->v[i].disruptive);
    }
    for (size_t i = 0; i < r->n; i++)
        if (meant[i])
            r->v[i].state = TG_REQ_DUE;
    for (int k = 0; k < TG_VISITS; k++)
        if (is_due(&r->visits[k], now_ms) || (k == TG_VISIT_QUIET && whom == TG_REQ_WHOM_QUIET_TOO && !quiet_left))
            r->visits[k] = (struct tg_visit) {0};
    begin_slot(r, week, now_ms, news);
    if (!r->now.visit.told_ms || now_ms <= r->now.visit.start_ms + TG_REQ_LATE_MS)
        return;
    r->now.visit.until_ms += now_ms - r->now.visit.start_ms;
    r->now.visit.start_ms = now_ms;
    tg_requests_what(r, TG_VISITS, what, sizeof what);
    tg_requests_tell(news, TG_REQ_TELL_LATE, &r->now.visit, what);
}

int64_t tg_requests_left_ms(const struct tg_requests *r)
{
    int64_t ms = 0;

    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].state == TG_REQ_DUE || r->v[i].state == TG_REQ_RETRY)
            ms += tg_request_expected_ms(r, &r->v[i]);
    return ms;
}

struct tg_request *tg_requests_next(const struct tg_requests *r, int (*rank)(void *data, const struct tg_request *q), void *data)
{
    struct tg_request *best = NULL;
    int least = 0;

    for (size_t i = 0; i < r->n; i++) {
        struct tg_request *q = &r->v[i];
        int is = q->state == TG_REQ_DUE || q->state == TG_REQ_RETRY ? rank(data, q) : -1;
        if (is >= 0 && (!best || is < least)) {
            best = q;
            least = is;
        }
    }
    return best;
}

void tg_requests_start(struct tg_request *q, int64_t now_ms)
{
    if (q->state != TG_REQ_RETRY)
        q->began_ms = now_ms; /* what is tried again has taken all the time since its first try */
    q->state = TG_REQ_RUNNING;
    q->tries++;
    q->why[0] = '\0';
}

static void postpone(struct tg_requests *r, struct tg_request *q, const char *why, int64_t now_ms)
{
    int64_t wait = 2 * tg_request_expected_ms(r, q);

    q->after_ms = now_ms + (wait > TG_REQ_GRACE_MS ? wait : TG_REQ_GRACE_MS);
    q->state = TG_REQ_WAITING;
    q->began_ms = q->tries = 0;
    r->laid_ms = 0;
    tg_shown_text(why, q->why, sizeof q->why);
}

/* A person has to look: nothing else is begun on a host that is in the middle of something. */
static void hold(struct tg_requests *r, struct tg_request *q, const char *why)
{
    q->state = TG_REQ_HELD;
    tg_shown_text(why, q->why, sizeof q->why);
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].state == TG_REQ_DUE) {
            r->v[i].state = TG_REQ_WAITING;
            r->laid_ms = 0;
            snprintf(r->v[i].why, sizeof r->v[i].why, "%s (%s) is held for a person", q->activity, q->id);
        }
}

void tg_requests_outcome(struct tg_requests *r, struct tg_request *q, int status, const char *why, int64_t now_ms, struct tg_request_newses *news)
{
    int64_t took = now_ms > q->began_ms ? now_ms - q->began_ms : 0;
    bool again = status == TG_REQ_EXIT_RETRY && q->tries < TG_REQ_TRIES_MAX;

    if (!again)
        tg_requests_audit(news, status == TG_REQ_EXIT_DONE ? "req-done" : status == TG_REQ_EXIT_POSTPONE ? "req-postpone" : status == TG_REQ_EXIT_UNSAFE ? "req-hold" : "req-fail", q, why);

    if (status == TG_REQ_EXIT_DONE) {
        tg_requests_learn(r, q->activity, took);
        tg_requests_past(r, q, TG_REQ_DONE, "", why, took, now_ms);
    } else if (status == TG_REQ_EXIT_POSTPONE) {
        postpone(r, q, why, now_ms);
    } else if (status == TG_REQ_EXIT_UNSAFE) {
        hold(r, q, why);
    } else if (again) {
        q->state = TG_REQ_RETRY;
        tg_shown_text(why, q->why, sizeof q->why);
    } else {
        tg_requests_past(r, q, TG_REQ_FAILED, "", why, took, now_ms);
    }
}

/* Something of the visit that disturbs is left, or has failed, or nothing of it was done. */
static bool has_failed(const struct tg_requests *r)
{
    bool done = false;

    for (size_t i = 0; i < r->n_past; i++)
        if (r->past[i].at_ms >= r->now.began_ms) {
            if (r->past[i].end == TG_REQ_FAILED)
                return true;
            done = done || r->past[i].end == TG_REQ_DONE;
        }
    return !done || tg_requests_has(r, TG_REQ_DUE) || tg_requests_has(r, TG_REQ_RETRY);
}

static void end_slot(const struct tg_requests *r, bool failed, int64_t now_ms, struct tg_request_newses *news)
{
    int64_t began = r->now.began_ms;

    if (!r->now.week[0])
        return;
    snprintf(news->week, sizeof news->week, "%s", r->now.week);
    news->mark = (struct tg_mark) {.state = failed ? TG_MARK_FAILED : TG_MARK_DONE, .began_ms = began, .ended_ms = now_ms > began ? now_ms : began + 1};
}

bool tg_requests_leave(struct tg_requests *r, int64_t now_ms, struct tg_request_newses *news)
{
    bool failed = has_failed(r);

    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].state == TG_REQ_DUE || r->v[i].state == TG_REQ_RETRY) {
            char why[TG_REQ_WHY_SIZE];
            snprintf(why, sizeof why, "%s", r->v[i].why[0] ? r->v[i].why : "its time was over");
            postpone(r, &r->v[i], why, now_ms);
        }
    if (tg_requests_has(r, TG_REQ_HELD) || tg_requests_has(r, TG_REQ_RUNNING))
        return false;
    end_slot(r, failed, now_ms, news);
    if (r->now.visit.told_ms && r->now.customer[0]) {
        size_t at = news->n;
        r->now.visit.start_ms = r->now.began_ms; /* as it was */
        r->now.visit.until_ms = now_ms > r->now.began_ms ? now_ms : r->now.began_ms + 1;
        tg_requests_tell(news, TG_REQ_TELL_DONE, &r->now.visit, "");
        if (news->n > at) /* who was told of the beginning, whosever the host is by now */
            snprintf(news->v[at].customer, sizeof news->v[at].customer, "%s", r->now.customer);
    }
    r->now = (struct tg_visit_now) {0};
    return true;
}
