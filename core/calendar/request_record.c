/* The record of a host's requests: see request.h. */
#include "calendar/request_internal.h"

#include "base/buf.h"
#include "base/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const states[] = {"waiting", "scheduled", "due", "running", "retry", "held", NULL};
static const char *const ends[] = {"done", "failed", "cancelled", "expired", NULL};

/* --- out --- */

static json_t *visit_json(const struct tg_visit *v)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:s}", "start", (json_int_t) v->start_ms, "latest", (json_int_t) v->latest_ms, "until", (json_int_t) v->until_ms, "told",
                     (json_int_t) v->told_ms, "uid", v->uid);
}

static json_t *open_json(const struct tg_requests *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n; i++) {
        const struct tg_request *q = &r->v[i];
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:s}", "id", q->id, "activity", q->activity, "owner", q->owner,
                                              "reason", q->reason, "disruptive", q->disruptive, "state", states[q->state], "estimate", (json_int_t) q->estimate_ms,
                                              "added", (json_int_t) q->added_ms, "seen", (json_int_t) q->seen_ms, "expires", (json_int_t) q->expires_ms, "after",
                                              (json_int_t) q->after_ms, "began", (json_int_t) q->began_ms, "tries", (json_int_t) q->tries, "boot", q->boot, "why", q->why));
        if (q->usual_ms)
            json_object_set_new(json_array_get(list, i), "usual", json_pack("[I,s]", (json_int_t) q->usual_ms, q->usual_of));
    }
    return list;
}

static json_t *past_json(const struct tg_requests *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_past; i++) {
        const struct tg_request_past *p = &r->past[i];
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I,s:I,s:s,s:s}", "id", p->id, "activity", p->activity, "end", ends[p->end], "at", (json_int_t) p->at_ms,
                                              "took", (json_int_t) p->took_ms, "by", p->by, "why", p->why));
    }
    return list;
}

static json_t *took_json(const struct tg_requests *r)
{
    json_t *o = json_object();

    for (size_t i = 0; i < r->n_took; i++) {
        json_t *list = json_array();
        for (size_t k = 0; k < r->took[i].n; k++)
            json_array_append_new(list, json_integer((json_int_t) r->took[i].ms[k]));
        json_object_set_new(o, r->took[i].activity, list);
    }
    return o;
}

char *tg_requests_encode(const struct tg_requests *r)
{
    json_t *now = json_null();

    if (r->now.began_ms)
        now = json_pack("{s:I,s:s,s:s,s:b,s:s,s:s,s:o}", "began", (json_int_t) r->now.began_ms, "boot", r->now.boot, "lock", r->now.lock, "rebooting", r->now.rebooting,
                        "customer", r->now.customer, "week", r->now.week, "visit", visit_json(&r->now.visit));
    return tg_seal(json_pack("{s:i,s:s,s:s,s:I,s:s,s:o,s:o,s:o,s:o,s:o,s:o}", "format", TG_REQUESTS_FORMAT, "host", r->host, "customer", r->customer, "laid",
                             (json_int_t) r->laid_ms, "basis", r->basis, "open", open_json(r), "quiet", visit_json(&r->visits[TG_VISIT_QUIET]), "disruptive",
                             visit_json(&r->visits[TG_VISIT_DISRUPTIVE]), "now", now, "past", past_json(r), "took", took_json(r)));
}

/* --- and in: what is not understood is refused --- */

static bool is_time(json_int_t ms)
{
    return ms >= 0 && ms <= TG_CALENDAR_LAST_MS;
}

static bool one_of(const char *text, const char *const *names, int *out)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool read_id(const char *text, char out[TG_REQ_ID_SIZE])
{
    char bucket[3];

    return tg_request_id_parse(text, out, bucket) && strcmp(out, text) == 0;
}

static bool read_visit(json_t *o, struct tg_visit *v)
{
    const char *uid;
    json_int_t start, latest, until, told;

    if (json_unpack(o, "{s:I,s:I,s:I,s:I,s:s!}", "start", &start, "latest", &latest, "until", &until, "told", &told, "uid", &uid) ||
        !tg_copy_whole(uid, v->uid, sizeof v->uid) || !is_time(start) || !is_time(latest) || !is_time(until) || !is_time(told) || latest < start ||
        (start && until <= start))
        return false;
    v->start_ms = start;
    v->latest_ms = latest;
    v->until_ms = until;
    v->told_ms = told;
    return true;
}

/* NULL: nobody knew; an older tagout never asks. */
static bool read_usual(json_t *o, struct tg_request *q)
{
    const char *of;
    json_int_t ms;

    if (!o)
        return true;
    if (json_unpack(o, "[I,s!]", &ms, &of) || ms < 1 || ms > TG_REQ_ESTIMATE_MAX_MS || !of[0] || !tg_copy_whole(of, q->usual_of, sizeof q->usual_of))
        return false;
    q->usual_ms = ms;
    return true;
}

static bool read_open(json_t *o, struct tg_request *q)
{
    json_t *usual = NULL;
    const char *id, *activity, *owner, *reason, *state, *boot, *why;
    json_int_t estimate, added, seen, expires, after, began, tries;
    int disruptive, is;

    if (json_unpack(o, "{s:s,s:s,s:s,s:s,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:s,s?o!}", "id", &id, "activity", &activity, "owner", &owner, "reason", &reason, "disruptive",
                    &disruptive, "state", &state, "estimate", &estimate, "added", &added, "seen", &seen, "expires", &expires, "after", &after, "began", &began, "tries",
                    &tries, "boot", &boot, "why", &why, "usual", &usual) ||
        !read_id(id, q->id) || tg_activity_check(activity, NULL) || !tg_copy_whole(activity, q->activity, sizeof q->activity) || !tg_copy_whole(owner, q->owner, sizeof q->owner) ||
        !tg_copy_whole(reason, q->reason, sizeof q->reason) || !tg_copy_whole(boot, q->boot, sizeof q->boot) || !tg_copy_whole(why, q->why, sizeof q->why) || !one_of(state, states, &is))
        return false;
    if (estimate < TG_REQ_ESTIMATE_MIN_MS || estimate > TG_REQ_ESTIMATE_MAX_MS || !is_time(added) || !is_time(seen) || !is_time(expires) || !is_time(after) ||
        !is_time(began) || !read_usual(usual, q) || tries < 0 || tries > TG_REQ_TRIES_MAX)
        return false;
    q->disruptive = disruptive;
    q->state = (enum tg_request_state) is;
    q->estimate_ms = estimate;
    q->added_ms = added;
    q->seen_ms = seen;
    q->expires_ms = expires;
    q->after_ms = after;
    q->began_ms = began;
    q->tries = tries;
    return true;
}

static bool read_past(json_t *o, struct tg_request_past *p)
{
    const char *id, *activity, *end, *by, *why;
    json_int_t at, took;
    int is;

    if (json_unpack(o, "{s:s,s:s,s:s,s:I,s:I,s:s,s:s!}", "id", &id, "activity", &activity, "end", &end, "at", &at, "took", &took, "by", &by, "why", &why) ||
        !read_id(id, p->id) || tg_activity_check(activity, NULL) || !tg_copy_whole(activity, p->activity, sizeof p->activity) || !one_of(end, ends, &is) ||
        !tg_copy_whole(by, p->by, sizeof p->by) || !tg_copy_whole(why, p->why, sizeof p->why) || !is_time(at) || took < 0)
        return false;
    p->end = (enum tg_request_end) is;
    p->at_ms = at;
    p->took_ms = took;
    return true;
}

static bool read_took(const char *activity, json_t *list, struct tg_request_took *t)
{
    if (tg_activity_check(activity, NULL) || !tg_copy_whole(activity, t->activity, sizeof t->activity) || !json_is_array(list) || json_array_size(list) > TG_REQ_TOOK_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t ms = json_integer_value(json_array_get(list, i));
        if (ms < 1 || ms > TG_REQ_ESTIMATE_MAX_MS)
            return false;
        t->ms[t->n++] = ms;
    }
    return true;
}

/* Records of an older tagout have neither customer nor week: the customer is the host's. */
static bool read_now(json_t *o, const char *customer, struct tg_visit_now *now)
{
    const char *boot, *lock, *week = "";
    json_int_t began;
    json_t *visit;
    int rebooting;

    if (json_is_null(o))
        return true;
    if (json_unpack(o, "{s:I,s:s,s:s,s:b,s?s,s?s,s:o!}", "began", &began, "boot", &boot, "lock", &lock, "rebooting", &rebooting, "customer", &customer, "week", &week, "visit",
                    &visit) ||
        began < 1 || !is_time(began) || !tg_copy_whole(boot, now->boot, sizeof now->boot) || !tg_copy_whole(lock, now->lock, sizeof now->lock) || (lock[0] && !tg_lock_id_is_proper(lock)) ||
        !tg_copy_whole(customer, now->customer, sizeof now->customer) || !tg_copy_whole(week, now->week, sizeof now->week))
        return false;
    now->began_ms = began;
    now->rebooting = rebooting;
    return read_visit(visit, &now->visit);
}

static bool read_lists(json_t *open, json_t *past, json_t *took, struct tg_requests *r)
{
    const char *activity;
    json_t *item;

    if (!json_is_array(open) || json_array_size(open) > TG_REQUESTS_MAX || !json_is_array(past) || json_array_size(past) > TG_REQ_PAST_MAX || !json_is_object(took) ||
        json_object_size(took) > TG_REQUESTS_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(open); i++) {
        struct tg_request *q = &r->v[r->n];
        if (!read_open(json_array_get(open, i), q) || tg_requests_find(r, q->activity) || tg_requests_find(r, q->id))
            return false;
        r->n++;
    }
    for (size_t i = 0; i < json_array_size(past); i++)
        if (!read_past(json_array_get(past, i), &r->past[r->n_past++]))
            return false;
    json_object_foreach(took, activity, item)
        if (!read_took(activity, item, &r->took[r->n_took++]))
            return false;
    return true;
}

static int read_record(json_t *o, struct tg_requests *r, struct tg_error *e)
{
    const char *host, *customer, *sum, *basis = ""; /* an older tagout's has none */
    json_t *open, *quiet, *disruptive, *now, *past, *took;
    json_int_t laid;
    int format;

    if (json_unpack(o, "{s:i,s:s,s:s,s:I,s?s,s:o,s:o,s:o,s:o,s:o,s:o,s:s!}", "format", &format, "host", &host, "customer", &customer, "laid", &laid, "basis", &basis, "open", &open, "quiet",
                    &quiet, "disruptive", &disruptive, "now", &now, "past", &past, "took", &took, "sum", &sum) ||
        !tg_copy_whole(host, r->host, sizeof r->host) || !tg_copy_whole(customer, r->customer, sizeof r->customer) || !tg_copy_whole(basis, r->basis, sizeof r->basis) || !is_time(laid))
        return tg_fail(e, TG_E_DATA, "it has something that this tagout does not know");
    r->laid_ms = laid;
    if (!read_visit(quiet, &r->visits[TG_VISIT_QUIET]) || !read_visit(disruptive, &r->visits[TG_VISIT_DISRUPTIVE]) || !read_now(now, r->customer, &r->now) ||
        !read_lists(open, past, took, r))
        return tg_fail(e, TG_E_DATA, "something in it makes no sense");
    for (size_t i = 0; !r->now.began_ms && i < r->n; i++)
        if (!tg_request_is_open(&r->v[i]))
            return tg_fail(e, TG_E_DATA, "its request %s is %s, and nothing is under way", r->v[i].id, states[r->v[i].state]);
    return 0;
}

int tg_requests_decode(const char *text, size_t len, struct tg_requests *out, struct tg_error *e)
{
    struct tg_requests r;
    json_t *o = NULL;
    int rc = tg_requests_init(&r, "", e);

    if (!rc)
        rc = tg_record_load(text, len, &o, e);
    if (!rc)
        rc = read_record(o, &r, e);
    json_decref(o);
    if (rc)
        tg_requests_release(&r);
    r.was_held = !rc && tg_requests_has(&r, TG_REQ_HELD);
    if (!rc)
        *out = r;
    return rc;
}
