/* A visit that is under way: see request_due.h. */
#include "calendar/request_due_internal.h"

#include <stdio.h>
#include <string.h>

#define SLACK_MS INT64_C(60000)
#define WHY_SIZE 1024 /* a message, and whose: a record takes as much of it as it has room for */

static const struct tg_activity *activity_of(const struct tg_due_walk *w, const char *name)
{
    return tg_activities_find(w->d->activities, name);
}

/* ---- what was broken off ---- */

/* What became of one that is said to run, while nobody runs it: its status, and why; -1: it is to be waited for. */
static int became(const struct tg_due_walk *w, const struct tg_requests *r, const struct tg_request *q, int64_t now_ms, char *why, size_t size)
{
    const struct tg_activity *a = activity_of(w, q->activity);
    bool rebooted = w->d->boot[0] && r->now.boot[0] && strcmp(w->d->boot, r->now.boot) != 0;
    int64_t expected = tg_request_expected_ms(r, q), patience = expected > TG_DUE_REBOOT_MS ? expected : TG_DUE_REBOOT_MS;

    if (a && a->reboots && rebooted) {
        snprintf(why, size, "the host has rebooted");
        return TG_REQ_EXIT_DONE;
    }
    if (a && a->reboots && r->now.rebooting) {
        if (now_ms >= q->began_ms && now_ms - q->began_ms <= patience)
            return -1;
        snprintf(why, size, "it was to reboot the host, which has not happened");
        return TG_REQ_EXIT_UNSAFE;
    }
    snprintf(why, size, "broken off by %s%s", rebooted ? "a reboot" : "the end of what ran it", a && a->repeat ? ", and run again" : "; not known to be safe to repeat");
    return a && a->repeat ? TG_REQ_EXIT_RETRY : TG_REQ_EXIT_UNSAFE;
}

/* Before its outcome is written; a change may be tried several times. */
static void note_took(struct tg_due_walk *w, const struct tg_request *q, int status, int64_t now_ms)
{
    if (status != TG_REQ_EXIT_DONE || now_ms <= q->began_ms || w->n_took == TG_REQUESTS_MAX)
        return;
    memcpy(w->took[w->n_took].activity, q->activity, sizeof q->activity);
    w->took[w->n_took++].ms = now_ms - q->began_ms;
}

static void tell_took(struct tg_due_walk *w)
{
    for (size_t i = 0; w->d->took && i < w->n_took; i++)
        w->d->took(w->d->self, w->took[i].activity, w->took[i].ms);
    w->n_took = 0;
}

static int resolve(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    struct tg_due_walk *w = data;
    int64_t now = tg_due_wall(w);
    bool changed = false;

    (void) e;
    w->n_took = 0;
    for (size_t i = r->n; i-- > 0;) {
        char why[WHY_SIZE];
        if (r->v[i].state != TG_REQ_RUNNING)
            continue;
        int status = became(w, r, &r->v[i], now, why, sizeof why);
        if (status < 0)
            continue;
        note_took(w, &r->v[i], status, now);
        tg_requests_outcome(r, &r->v[i], status, why, now, news);
        changed = true;
    }
    if (!changed)
        return TG_REQUESTS_AS_IT_IS;
    r->now.rebooting = false;
    snprintf(r->now.boot, sizeof r->now.boot, "%s", w->d->boot);
    return 0;
}

/* ---- one after the other ---- */

struct doing {
    struct tg_due_walk *w;
    char id[TG_REQ_ID_SIZE];
    int status;
    const char *why;
    bool rebooting;
};

static int start(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    const struct doing *d = data;
    struct tg_request *q = tg_requests_find(r, d->id);

    (void) news;
    if (!q)
        return tg_fail(e, TG_E_NOENT, "request %s is gone", d->id);
    if (q->state == TG_REQ_RUNNING)
        return TG_REQUESTS_AS_IT_IS; /* the answer was lost */
    tg_requests_start(q, tg_due_steady(d->w));
    r->now.rebooting = false;
    snprintf(r->now.boot, sizeof r->now.boot, "%s", d->w->d->boot); /* a reboot before this is none of its own */
    return 0;
}

static int outcome(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    const struct doing *d = data;
    struct tg_request *q = tg_requests_find(r, d->id);

    (void) e;
    if (!q || q->state != TG_REQ_RUNNING || (d->rebooting && r->now.rebooting))
        return TG_REQUESTS_AS_IT_IS;
    d->w->n_took = 0;
    if (d->rebooting) {
        r->now.rebooting = true;
        return 0;
    }
    note_took(d->w, q, d->status, tg_due_steady(d->w));
    tg_requests_outcome(r, q, d->status, d->why, tg_due_steady(d->w), news);
    return 0;
}

static bool is_stop(int rc)
{
    return rc == TG_E_CANCELLED || rc == TG_E_SESSION || rc == TG_E_TIMEOUT;
}

/* What it means to the request: what ended the command counts, not that there was a command. */
static int status_of(const struct tg_activity *a, int rc, int status, const struct tg_error *why, char *out, size_t size)
{
    if (!rc) {
        out[0] = '\0';
        if (status)
            snprintf(out, size, "%s ended with %d", a->run[0], status);
        return status;
    }
    snprintf(out, size, "%s", why->message);
    if (rc == TG_E_HELD || rc == TG_E_UNKNOWN)
        return TG_REQ_EXIT_RETRY; /* no permit: it was not begun */
    if (rc == TG_E_CONFIG || rc == TG_E_NOENT || rc == TG_E_PERM)
        return 1;
    return a->repeat ? TG_REQ_EXIT_RETRY : TG_REQ_EXIT_UNSAFE; /* it was stopped in the middle */
}

static void tell_outcome(struct tg_due_walk *w, const char *id, const char *activity, const struct doing *d)
{
    const char *how = d->rebooting ? "reboots the host" : d->status == TG_REQ_EXIT_DONE ? "done" : d->status == TG_REQ_EXIT_POSTPONE ? "postponed"
                    : d->status == TG_REQ_EXIT_RETRY ? "is tried again" : d->status == TG_REQ_EXIT_UNSAFE ? "is held for a person" : "failed";

    tg_due_tell(w, "%s (%s): %s%s%s", activity, id, how, d->why[0] ? ": " : "", d->why);
    w->report->done += d->status == TG_REQ_EXIT_DONE && !d->rebooting;
    w->report->postponed += d->status == TG_REQ_EXIT_POSTPONE;
    w->report->failed += d->status != TG_REQ_EXIT_DONE && d->status != TG_REQ_EXIT_POSTPONE && d->status != TG_REQ_EXIT_RETRY && d->status != TG_REQ_EXIT_UNSAFE;
    w->report->rebooting = w->report->rebooting || d->rebooting;
}

static int act(struct tg_due_walk *w, const struct tg_activity *a, const struct tg_request *q, int *out_status, struct tg_error *e)
{
    char what[TG_ACTIVITY_SIZE + TG_REQ_ID_SIZE + 16];
    int rc;

    snprintf(what, sizeof what, "request %s: %s", q->id, q->activity);
    const struct tg_due_act act = {.argv = (const char *const *) a->run, .actor = a->actor, .what = what, .token = w->note.token, .request = q->id, .tries = q->tries,
                                   .timeout_ms = a->timeout_ms};
    if ((rc = tg_due_step(w, "before act", e)))
        return rc;
    rc = w->d->act(w->d->self, &act, out_status, e);
    return rc;
}

static int do_one(struct tg_due_walk *w, const struct tg_request *which, struct tg_error *e)
{
    struct doing d = {.w = w, .why = ""};
    char why_text[WHY_SIZE], activity[TG_ACTIVITY_SIZE];
    struct tg_error why = TG_ERROR_INIT;
    int status = 0, rc;

    memcpy(d.id, which->id, sizeof d.id);
    memcpy(activity, which->activity, sizeof activity);
    const struct tg_activity *a = activity_of(w, activity);
    if ((rc = tg_due_change(w, start, &d, e)) || (rc = tg_due_step(w, "started", e)))
        return rc;
    if (a) {
        rc = act(w, a, tg_requests_find(&w->r, d.id), &status, &why);
        if (rc == TG_E_CANCELLED && strncmp(why.message, "died", 4) == 0)
            return tg_fail(e, rc, "%s", why.message);
        d.status = status_of(a, rc, status, &why, why_text, sizeof why_text);
        w->stopped = is_stop(rc);
        d.rebooting = a->reboots && ((!rc && !status) || w->stopped); /* what ends this may be the reboot itself */
    } else {
        d.status = 1;
        snprintf(why_text, sizeof why_text, "the configuration of %.60s has no activity \"%s\"", w->d->host, activity);
    }
    d.why = why_text;
    if ((rc = tg_due_step(w, "acted", e)))
        return rc;
    if ((rc = tg_due_change(w, outcome, &d, e)))
        return tg_error_prefix(e, "%s (%s) ended with %d, which could not be noted", activity, d.id, d.status), rc;
    tell_took(w);
    tell_outcome(w, d.id, activity, &d);
    return tg_due_step(w, "outcome", e);
}

/* enter or leave. */
static int run_hook(struct tg_due_walk *w, char *const *argv, const char *what, int *out_status, char *why, size_t size)
{
    const struct tg_due_act act = {.argv = (const char *const *) argv, .actor = "reboot", .what = what, .token = w->note.token, .request = "", .timeout_ms = TG_ACTIVITY_TIMEOUT_MS};
    struct tg_error e = TG_ERROR_INIT;
    int rc = w->d->act(w->d->self, &act, out_status, &e);

    if (rc) {
        *out_status = TG_REQ_EXIT_RETRY;
        snprintf(why, size, "%.255s: %s", argv[0], e.message);
    } else {
        snprintf(why, size, "%.255s ended with %d", argv[0], *out_status);
    }
    return rc;
}

/* ---- the visit ---- */

static int put_lock(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    const struct tg_due_walk *w = data;

    (void) news;
    (void) e;
    if (!r->now.began_ms || strcmp(r->now.lock, w->note.lock) == 0)
        return TG_REQUESTS_AS_IT_IS;
    snprintf(r->now.lock, sizeof r->now.lock, "%s", w->note.lock);
    return 0;
}

/* Somebody broke it, or the note of its token is gone with its disk. */
static int ensure_lock(struct tg_due_walk *w, struct tg_error *e)
{
    struct tg_lock lock;
    char old[TG_LOCK_ID_SIZE] = "";
    int rc = w->has_note && w->note.lock[0] ? tg_lock_find(w->d->guard, w->note.lock, &lock, NULL) : TG_E_NOENT;

    if (!rc) {
        bool held = lock.state == TG_LOCK_HELD;
        tg_lock_clear(&lock);
        if (held)
            return 0;
    }
    if (rc && rc != TG_E_NOENT)
        return tg_fail(e, rc, "whether the lock %s still holds can't be found out", w->note.lock);
    if (strcmp(w->r.now.lock, w->note.lock) != 0)
        memcpy(old, w->r.now.lock, sizeof old);
    rc = tg_due_lock(w, tg_requests_left_ms(&w->r), e);
    if (!rc)
        rc = tg_due_change(w, put_lock, w, e);
    if (!rc && old[0]) {
        struct tg_release_request r = {.id = old, .owner = w->d->owner, .force = true, .reason = "another has taken its place"};
        (void) tg_lock_release(w->d->guard, &r, NULL, NULL);
    }
    return rc;
}

static int leave(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    (void) e;
    if (!r->now.began_ms)
        return TG_REQUESTS_AS_IT_IS;
    (void) tg_requests_leave(r, tg_due_steady(data), news);
    return 0;
}

/* The host comes back, unless something on it is held; what is left gets another time. */
static int finish(struct tg_due_walk *w, struct tg_error *e)
{
    char why[WHY_SIZE];
    int status = 0, rc;

    if (!tg_requests_has(&w->r, TG_REQ_HELD) && w->d->activities->leave) {
        (void) run_hook(w, w->d->activities->leave, "leave maintenance", &status, why, sizeof why);
        if (status) {
            w->report->waiting = true;
            return tg_fail(e, TG_E_HELD, "%s stays out of service: %s", w->d->host, why);
        }
    }
    if ((rc = tg_due_step(w, "finishing", e)) || (rc = tg_due_change(w, leave, w, e)) || (rc = tg_due_step(w, "left", e)))
        return rc;
    if (!w->r.now.began_ms)
        rc = tg_due_release(w, e);
    if (!rc && tg_requests_turn(&w->r, tg_due_wall(w)) == TG_TURN_LAY)
        rc = tg_due_lay(w, "to be at ", e);
    return rc;
}

/* May what is left be begun now? Not without a lock, outside a window, or by a clock that is wrong (P5). */
static int may_go_on(struct tg_due_walk *w, bool *out, struct tg_error *e)
{
    struct tg_request_when when;
    struct tg_fit fit;
    int rc = tg_due_clocks(w, e);

    *out = false;
    if (!rc)
        rc = w->d->when(w->d->self, &when, e);
    if (!rc)
        rc = when.fits(when.self, tg_due_wall(w), tg_requests_left_ms(&w->r) + (tg_requests_left_ms(&w->r) ? 0 : SLACK_MS), &fit, e);
    if (!rc)
        *out = fit.now;
    return rc;
}

static int enter(struct tg_due_walk *w, bool *out_go, struct tg_error *e)
{
    char why[WHY_SIZE];
    int status = 0;

    *out_go = true;
    if (!w->d->activities->enter)
        return 0;
    (void) run_hook(w, w->d->activities->enter, "enter maintenance", &status, why, sizeof why);
    *out_go = status == 0;
    if (!status)
        return 0;
    if (status == TG_REQ_EXIT_RETRY)
        return tg_fail(e, TG_E_HELD, "%s can't go out of service yet: %s", w->d->host, why);
    tg_due_tell(w, "%s does not go out of service: %s", w->d->host, why);
    return 0;
}

struct tried {
    const struct tg_due_walk *w;
    char ids[TG_REQUESTS_MAX][TG_REQ_ID_SIZE];
    size_t n;
};

/* Each once; what is to be tried again waits for the next run-due. Reboots come last. */
static int rank(void *data, const struct tg_request *q)
{
    const struct tried *t = data;
    const struct tg_activity *a = activity_of(t->w, q->activity);

    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->ids[i], q->id) == 0)
            return -1;
    return a && a->reboots;
}

static int do_all(struct tg_due_walk *w, struct tg_error *e)
{
    struct tried tried = {.w = w};
    int rc = 0;

    while (!rc && tried.n < TG_REQUESTS_MAX && !w->report->rebooting && !w->stopped) {
        const struct tg_request *q = tg_requests_next(&w->r, rank, &tried);
        bool may = true;
        if (!q)
            break;
        memcpy(tried.ids[tried.n++], q->id, TG_REQ_ID_SIZE);
        if (tried.n > 1)
            rc = may_go_on(w, &may, e);
        if (rc || !may)
            break;
        rc = do_one(w, q, e);
        if (!rc && tg_requests_has(&w->r, TG_REQ_HELD))
            break;
    }
    return rc;
}

static int go(struct tg_due_walk *w, struct tg_error *e)
{
    bool may = false;
    int rc = ensure_lock(w, e);

    if (!rc)
        rc = may_go_on(w, &may, e);
    if (!rc && !may)
        tg_due_tell(w, "what is left on %s does not fit into its window any more", w->d->host);
    if (!rc && may)
        rc = enter(w, &may, e);
    if (!rc && may)
        rc = do_all(w, e);
    return rc;
}

/* Whether a reboot does not come any more is a question of time: a clock that is wrong has nobody held for it. */
static int resolve_broken_off(struct tg_due_walk *w, struct tg_error *e)
{
    int rc = w->r.now.rebooting && strcmp(w->d->boot, w->r.now.boot) == 0 ? tg_due_clocks(w, e) : 0;

    return rc ? rc : tg_due_change(w, resolve, w, e);
}

int tg_due_go_on(struct tg_due_walk *w, bool blocked, struct tg_error *e)
{
    int rc = blocked ? 0 : resolve_broken_off(w, e);

    if (rc || blocked)
        return rc;
    tell_took(w);
    bool left = tg_requests_has(&w->r, TG_REQ_DUE) || tg_requests_has(&w->r, TG_REQ_RETRY);
    if (!tg_requests_has(&w->r, TG_REQ_RUNNING) && left && !tg_requests_has(&w->r, TG_REQ_HELD))
        rc = go(w, e);
    if (rc)
        return rc;
    if (tg_requests_has(&w->r, TG_REQ_RUNNING)) { /* the host is going down, or is about to */
        w->report->rebooting = true;
        return 0;
    }
    /* Tried again at the next one, as long as there is time: the host stays out of service. */
    bool may = false;
    if (tg_requests_has(&w->r, TG_REQ_RETRY) && !tg_requests_has(&w->r, TG_REQ_HELD) && (rc = may_go_on(w, &may, e)) != 0)
        return rc;
    return may ? 0 : finish(w, e);
}
