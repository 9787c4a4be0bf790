/* Carrying out what is due: see request_due.h. request_under_way.c has what happens once a visit is. */
#include "calendar/request_due_internal.h"

#include "guard/tokens.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 4                        /* a visit that is laid anew may be due at once, once */
#define LOCK_MORE_MS INT64_C(3600000)   /* the lock is overdue when it lies this much longer than was reckoned */

/* ---- what all steps use ---- */

int64_t tg_due_wall(const struct tg_due_walk *w)
{
    return tg_guard_wall(w->d->guard);
}

int64_t tg_due_steady(const struct tg_due_walk *w)
{
    return w->wall_ms + (tg_mono_ms(tg_loop_clock(tg_store_loop(w->d->guard->store))) - w->mono_ms);
}

void tg_due_tell(const struct tg_due_walk *w, const char *format, ...)
{
    char line[900];
    va_list args;

    va_start(args, format);
    (void) vsnprintf(line, sizeof line, format, args);
    va_end(args);
    w->d->tell(w->d->self, line);
}

int tg_due_step(const struct tg_due_walk *w, const char *step, struct tg_error *e)
{
    return w->d->dies && w->d->dies(w->d->self, step) ? tg_fail(e, TG_E_CANCELLED, "died at %s", step) : 0;
}

/* Takes the record as it is now. */
int tg_due_change(struct tg_due_walk *w, tg_requests_deed deed, void *data, struct tg_error *e)
{
    struct tg_requests now;
    int rc = tg_requests_change(w->d->guard, w->d->host, w->d->owner, deed, data, &now, e);

    if (rc)
        return rc;
    tg_requests_release(&w->r);
    w->r = now;
    return 0;
}

/* ---- is it the time? ---- */

/* This clock has not jumped since this began, and agrees with the store's. */
int tg_due_clocks(struct tg_due_walk *w, struct tg_error *e)
{
    const struct tg_clock *clock = tg_loop_clock(tg_store_loop(w->d->guard->store));
    int64_t jump = (tg_wall_ms(clock) - w->wall_ms) - (tg_mono_ms(clock) - w->mono_ms);

    return llabs(jump) > TG_REQ_CLOCKS_MS ? tg_requests_wrong_clock("has just jumped", jump, e) : tg_requests_clock(w->d->guard, e);
}

/* *out: what may be begun now; need 0 when nothing fits. */
static int fits(struct tg_due_walk *w, const struct tg_request_when *when, enum tg_requests_whom *out, bool *out_fits, struct tg_error *e)
{
    int64_t now = tg_due_wall(w);
    struct tg_fit fit;
    int rc = when->fits(when->self, now, tg_requests_due_ms(&w->r, TG_REQ_WHOM_QUIET_TOO, now), &fit, e);

    *out = TG_REQ_WHOM_QUIET_TOO;
    if (!rc && !fit.now) {
        *out = TG_REQ_WHOM_DUE;
        rc = when->fits(when->self, now, tg_requests_due_ms(&w->r, TG_REQ_WHOM_DUE, now), &fit, e);
    }
    *out_fits = !rc && fit.now;
    return rc;
}

/* ---- laying anew ---- */

struct laying {
    const struct tg_request_when *when;
    const char *boot;
    int64_t now_ms;
};

static int lay(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    const struct laying *l = data;

    (void) tg_requests_tidy(r, l->boot, l->now_ms);
    return tg_requests_lay(r, l->when, l->now_ms, news, e);
}

static void tell_next(struct tg_due_walk *w, const char *why)
{
    for (int k = 0; k < TG_VISITS; k++) {
        char at[40], what[256];
        if (!w->r.visits[k].start_ms)
            continue;
        tg_time_format(w->r.visits[k].start_ms / 1000 * 1000, at, sizeof at);
        tg_requests_what(&w->r, (enum tg_visit_kind) k, what, sizeof what);
        tg_due_tell(w, "%s: %s%s", what, why, at);
    }
    for (size_t i = 0; i < w->r.n; i++)
        if (w->r.v[i].state == TG_REQ_WAITING)
            tg_due_tell(w, "%s (%s): not now, and no time yet: %s", w->r.v[i].activity, w->r.v[i].id, w->r.v[i].why);
}

int tg_due_lay(struct tg_due_walk *w, const char *why, struct tg_error *e)
{
    struct tg_request_when when;
    struct laying l = {.when = &when, .boot = w->d->boot, .now_ms = tg_due_wall(w)};
    int rc = tg_due_clocks(w, e); /* one that is wrong would move what it takes for overdue */

    if (!rc)
        rc = w->d->when(w->d->self, &when, e);
    if (!rc)
        rc = tg_due_change(w, lay, &l, e);
    if (rc)
        return rc;
    w->report->moved = true;
    tell_next(w, why);
    return 0;
}

/* ---- the lock ---- */

/* The one that the note names, or that somebody with its request id took before he could note it. */
static int find_lock(struct tg_due_walk *w, char out[TG_LOCK_ID_SIZE], struct tg_error *e)
{
    struct tg_locks locks;
    int rc = tg_lock_list(w->d->guard, w->d->scopes, &locks, e);

    out[0] = '\0';
    for (size_t i = 0; !rc && i < locks.n; i++)
        if (strcmp(locks.v[i].request, w->note.request) == 0 && locks.v[i].state != TG_LOCK_RELEASED)
            memcpy(out, locks.v[i].id, TG_LOCK_ID_SIZE);
    if (!rc)
        tg_locks_release(&locks);
    return rc;
}

int tg_due_release(struct tg_due_walk *w, struct tg_error *e)
{
    char id[TG_LOCK_ID_SIZE];
    int rc = w->has_note ? find_lock(w, id, e) : 0;

    if (rc)
        return rc;
    if (w->has_note && id[0]) {
        struct tg_release_request r = {.id = id, .owner = w->d->owner, .force = true, .reason = "the maintenance is over"};
        struct tg_error why = TG_ERROR_INIT;
        rc = tg_lock_release(w->d->guard, &r, NULL, &why);
        if (rc && rc != TG_E_NOENT)
            return tg_fail(e, rc, "%s", why.message);
    }
    if ((rc = tg_due_step(w, "released", e)))
        return rc;
    tg_due_note_remove(w->d->state_dir);
    w->has_note = false;
    return 0;
}

static int make_note(struct tg_due_walk *w, struct tg_error *e)
{
    int rc = tg_random_id(w->note.request, TG_REQUEST_ID_SIZE - 1, e);

    if (!rc)
        rc = tg_token_make(w->note.token, e);
    snprintf(w->note.host, sizeof w->note.host, "%s", w->d->host);
    w->note.lock[0] = '\0';
    if (!rc)
        rc = tg_due_note_write(w->d->state_dir, &w->note, e);
    w->has_note = !rc;
    return rc;
}

static int take_lock(struct tg_due_walk *w, int64_t for_ms, struct tg_error *e)
{
    const struct tg_activities *a = w->d->activities;
    char reason[TG_REASON_SIZE], what[256];
    struct tg_lock lock;
    size_t n = 0;

    for (size_t i = 0; i < w->r.n && n + TG_ACTIVITY_SIZE + 2 < sizeof what; i++)
        n += (size_t) snprintf(what + n, sizeof what - n, "%s%s", n ? ", " : "", w->r.v[i].activity);
    snprintf(reason, sizeof reason, "maintenance: %s", n ? what : "what was begun");
    struct tg_lock_request r = {.scopes = w->d->scopes, .owner = w->d->owner, .reason = reason, .for_ms = for_ms + LOCK_MORE_MS, .hold = (const char *const *) a->hold,
                                .n_hold = a->n_hold, .token = w->note.token, .request_id = w->note.request};
    int rc = tg_lock_take(w->d->guard, &r, w->d->lock_wait_ms, NULL, NULL, &lock, e);
    if (rc)
        return rc;
    memcpy(w->note.lock, lock.id, sizeof w->note.lock);
    w->lock_txid = lock.txid;
    tg_lock_clear(&lock);
    if ((rc = tg_due_step(w, "locked", e)))
        return rc;
    return tg_due_note_write(w->d->state_dir, &w->note, e);
}

/* A lock on the host that is ours; those who act there have ended. What it can't have leaves no note. */
int tg_due_lock(struct tg_due_walk *w, int64_t for_ms, struct tg_error *e)
{
    int rc = make_note(w, e);

    if (!rc)
        rc = tg_due_step(w, "noted", e);
    if (!rc)
        rc = take_lock(w, for_ms, e);
    if (rc == TG_E_HELD) { /* it was withdrawn: nothing is left */
        tg_due_note_remove(w->d->state_dir);
        w->has_note = false;
        tg_error_prefix(e, "not begun, what acts on %s has not ended", w->d->host);
    }
    return rc;
}

/* ---- beginning ---- */

struct beginning {
    const struct tg_due_walk *w;
    enum tg_requests_whom whom;
    const char *week;
    int64_t now_ms;
};

static int begin(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    const struct beginning *b = data;

    (void) e;
    if (r->now.began_ms && strcmp(r->now.lock, b->w->note.lock) == 0)
        return TG_REQUESTS_AS_IT_IS; /* the answer was lost */
    if (tg_requests_turn(r, b->now_ms) != TG_TURN_DUE)
        return TG_REQUESTS_AS_IT_IS; /* cancelled or postponed meanwhile */
    tg_requests_begin(r, b->whom, b->w->d->boot, b->w->note.lock, b->week, b->now_ms, news);
    return 0;
}

/* Would a permit be given? Asked before anybody is kept off the host for nothing. */
static int ask(struct tg_due_walk *w, struct tg_error *e)
{
    struct tg_question q = {.scopes = w->d->scopes, .actor = "reboot"};
    struct tg_guard_verdict v;
    struct tg_buf line = TG_BUF_INIT;
    int rc = 0;

    tg_check(w->d->guard, &q, tg_guard_deadline(w->d->guard), &v);
    if (v.answer != TG_ANSWER_GO) {
        rc = v.answer == TG_ANSWER_HELD ? TG_E_HELD : TG_E_UNKNOWN;
        tg_verdict_line(&v, tg_store_url(w->d->guard->store), tg_due_wall(w), &line);
        tg_fail(e, rc, "not begun: %s", tg_buf_text(&line));
        tg_error_hint(e, "%s", v.answer == TG_ANSWER_HELD ? "it is tried again until it is too late, then it gets another time" : v.error.hint);
        tg_buf_release(&line);
    }
    tg_verdict_release(&v);
    return rc;
}

static int ask_room(struct tg_due_walk *w, const char *own, int64_t before_txid, struct tg_error *e)
{
    return w->d->room ? w->d->room(w->d->self, own, before_txid, e) : 0;
}

/* Locked for nothing: it goes again. */
static int give_up(struct tg_due_walk *w, const char *why, struct tg_error *e)
{
    int rc = tg_due_release(w, e);

    return rc ? rc : tg_due_lay(w, why, e);
}

static int begin_locked(struct tg_due_walk *w, struct tg_error *e)
{
    struct tg_request_when when;
    struct beginning b = {.w = w};
    bool fit = false;
    int rc = tg_due_step(w, "noted lock", e);

    if (!rc)
        rc = ask_room(w, w->note.request, w->lock_txid, e);
    if (!rc)
        rc = w->d->when(w->d->self, &when, e);
    if (!rc)
        rc = tg_due_clocks(w, e);
    if (!rc)
        rc = fits(w, &when, &b.whom, &fit, e);
    if (rc == TG_E_CANCELLED)
        return rc;
    if (rc) {
        (void) tg_due_release(w, NULL);
        return rc;
    }
    if (!fit)
        return give_up(w, "it no longer fits, and is to be at ", e);
    b.now_ms = tg_due_wall(w);
    b.week = when.week;
    if ((rc = tg_due_change(w, begin, &b, e)) != 0)
        return rc;
    if (!w->r.now.began_ms)
        return give_up(w, "it was changed meanwhile, and is to be at ", e);
    if (strcmp(w->r.now.lock, w->note.lock) != 0) {
        rc = tg_due_release(w, e);
        return rc ? rc : tg_fail(e, TG_E_HELD, "something else has begun the maintenance of %s, under lock %s", w->d->host, w->r.now.lock);
    }
    return tg_due_step(w, "begun", e);
}

static int begin_visit(struct tg_due_walk *w, struct tg_error *e)
{
    struct tg_request_when when;
    enum tg_requests_whom whom;
    bool fit = false;
    int rc = w->d->when(w->d->self, &when, e);

    if (!rc)
        rc = tg_due_clocks(w, e);
    if (!rc)
        rc = fits(w, &when, &whom, &fit, e);
    if (rc)
        return rc;
    if (!fit)
        return tg_due_lay(w, "its window has closed, and it is to be at ", e);
    if ((rc = ask(w, e)) != 0 || (rc = ask_room(w, "", 0, e)) != 0)
        return rc;
    rc = tg_due_lock(w, tg_requests_due_ms(&w->r, whom, tg_due_wall(w)), e);
    return rc ? rc : begin_locked(w, e);
}

/* ---- the whole ---- */

/* The calendar, the inventory or the booked weeks are others than when times were given: some may be forbidden by now, or have become possible. */
static bool is_outdated(const struct tg_due_walk *w)
{
    char now[TG_REQ_BASIS_SIZE];
    bool open = false;

    for (size_t i = 0; i < w->r.n; i++)
        open = open || tg_request_is_open(&w->r.v[i]);
    return open && w->d->basis && w->r.weeks_txid && !w->d->basis(w->d->self, w->r.weeks_txid, now, NULL) && strcmp(now, w->r.basis) != 0;
}

static int turns(struct tg_due_walk *w, struct tg_error *e)
{
    int rc = 0;

    for (int i = 0; !rc && i < ROUNDS; i++) {
        enum tg_requests_turn turn = tg_requests_turn(&w->r, tg_due_wall(w));
        if (w->has_note && !w->r.now.began_ms) /* broken off before anything was begun, or after all was done */
            rc = tg_due_release(w, e);
        if (rc)
            return rc;
        if (turn == TG_TURN_NOTHING)
            return !i && is_outdated(w) ? tg_due_lay(w, "calendar, inventory or booked weeks have changed: to be at ", e) : 0;
        if (turn == TG_TURN_UNDER_WAY || turn == TG_TURN_BLOCKED)
            return tg_due_go_on(w, turn == TG_TURN_BLOCKED, e);
        rc = turn == TG_TURN_DUE ? begin_visit(w, e) : tg_due_lay(w, "to be at ", e);
    }
    return rc;
}

static void sum_up(struct tg_due_walk *w)
{
    for (int k = 0; k < TG_VISITS; k++) {
        int64_t at = w->r.visits[k].start_ms;
        if (at && (!w->report->next_ms || at < w->report->next_ms))
            w->report->next_ms = at;
    }
    for (size_t i = 0; i < w->r.n; i++) {
        w->report->held += w->r.v[i].state == TG_REQ_HELD;
        w->report->retry += w->r.v[i].state == TG_REQ_RETRY;
    }
}

int tg_requests_run_due(const struct tg_due *d, struct tg_due_report *out, struct tg_error *e)
{
    const struct tg_clock *clock = tg_loop_clock(tg_store_loop(d->guard->store));
    struct tg_due_walk w = {.d = d, .report = out, .mono_ms = tg_mono_ms(clock), .wall_ms = tg_wall_ms(clock)};
    int rc = tg_due_note_read(d->state_dir, &w.note, e);

    *out = (struct tg_due_report) {.done = 0};
    w.has_note = rc == 0;
    if (rc && rc != TG_E_NOENT)
        return rc;
    if (w.has_note && strcmp(w.note.host, d->host) != 0) {
        tg_fail(e, TG_E_UNKNOWN, "%s/requests.json is of %s, and this is %s: what was begun here is not known", d->state_dir, w.note.host, d->host);
        return tg_error_hint(e, "was this host renamed, or its disk copied? look at both; then remove the file"), TG_E_UNKNOWN;
    }
    if ((rc = tg_requests_read(d->guard, d->host, &w.r, e)))
        return rc;
    rc = turns(&w, e);
    sum_up(&w);
    tg_requests_release(&w.r);
    return rc;
}
