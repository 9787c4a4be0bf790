/* When requests are carried out: see request.h. */
#include "calendar/request_internal.h"

#include "fleet/shard.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define ROUND_MS (15 * MINUTE_MS) /* what is told lasts a whole number of these: a little more does not move it */

void tg_requests_what(const struct tg_requests *r, enum tg_visit_kind kind, char *out, size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < r->n; i++) {
        const struct tg_request *q = &r->v[i];
        bool open = tg_request_is_open(q);
        if (kind == TG_VISITS ? open || q->state == TG_REQ_HELD : !open || q->disruptive != (kind == TG_VISIT_DISRUPTIVE))
            continue;
        int n = snprintf(out + at, size - at, "%s%s", at ? ", " : "", q->activity);
        if (n < 0 || (size_t) n >= size - at)
            break;
        at += (size_t) n;
    }
}

void tg_requests_tell(struct tg_request_newses *news, enum tg_request_tell tell, const struct tg_visit *visit, const char *what)
{
    if (news->n == TG_REQ_NEWS_MAX)
        return;
    struct tg_request_news *one = &news->v[news->n++];
    *one = (struct tg_request_news) {.tell = tell, .visit = *visit};
    snprintf(one->what, sizeof one->what, "%s", what);
}

int64_t tg_requests_need_ms(const struct tg_requests *r, enum tg_visit_kind kind)
{
    int64_t ms = 0;

    for (size_t i = 0; i < r->n; i++)
        if (tg_request_is_open(&r->v[i]) && r->v[i].disruptive == (kind == TG_VISIT_DISRUPTIVE))
            ms += tg_request_expected_ms(r, &r->v[i]);
    return ms;
}

static int64_t after_of(const struct tg_requests *r, enum tg_visit_kind kind)
{
    int64_t ms = 0;

    for (size_t i = 0; i < r->n; i++)
        if (tg_request_is_open(&r->v[i]) && r->v[i].disruptive == (kind == TG_VISIT_DISRUPTIVE) && r->v[i].after_ms > ms)
            ms = r->v[i].after_ms;
    return ms;
}

static void mark(struct tg_requests *r, enum tg_visit_kind kind, enum tg_request_state state, const char *why)
{
    for (size_t i = 0; i < r->n; i++) {
        struct tg_request *q = &r->v[i];
        if (!tg_request_is_open(q) || q->disruptive != (kind == TG_VISIT_DISRUPTIVE))
            continue;
        q->state = state;
        if (why)
            snprintf(q->why, sizeof q->why, "%s", why);
    }
}

/* Whether the visit may stay where it is: nothing in it has become longer than was told, later, or forbidden. */
static int stays(struct tg_requests *r, enum tg_visit_kind kind, const struct tg_request_when *when, int64_t need_ms, int64_t now_ms, bool *out, struct tg_error *e)
{
    struct tg_visit *v = &r->visits[kind];
    int64_t at = v->start_ms > now_ms ? v->start_ms : now_ms;
    struct tg_fit fit;

    *out = false;
    if (!v->start_ms || now_ms > v->latest_ms || v->start_ms < after_of(r, kind) || need_ms > v->until_ms - v->start_ms)
        return 0;
    int rc = when->fits(when->self, at, need_ms, &fit, e);
    *out = !rc && fit.now;
    if (*out && fit.latest_ms < v->latest_ms)
        v->latest_ms = fit.latest_ms; /* it has become longer, or its window shorter */
    return rc;
}

/* Hosts are spread over the stretch that is open, each always as far into it. */
static int64_t spread(const char *host, int64_t first_ms, int64_t last_ms)
{
    int64_t most = first_ms + TG_REQ_SPREAD_MS, span = (last_ms < most ? last_ms : most) - first_ms;

    return first_ms + (int64_t) (tg_shard_hash(host) % (uint64_t) (span / MINUTE_MS + 1)) * MINUTE_MS;
}

static int64_t rounded(int64_t need_ms)
{
    return (need_ms + ROUND_MS - 1) / ROUND_MS * ROUND_MS;
}

/* All of what is told is to lie in the window; where that can't be, what is needed. */
static int find(const struct tg_request_when *when, int64_t from_ms, int64_t need_ms, struct tg_fit *out, struct tg_error *e)
{
    int rc = when->fits(when->self, from_ms, rounded(need_ms), out, e);

    return rc || out->start_ms != TG_CALENDAR_NEVER ? rc : when->fits(when->self, from_ms, need_ms, out, e);
}

static void place(struct tg_requests *r, enum tg_visit_kind kind, const struct tg_fit *fit, int64_t need_ms)
{
    struct tg_visit *v = &r->visits[kind];

    v->start_ms = spread(r->host, fit->start_ms, fit->latest_ms);
    v->latest_ms = fit->latest_ms < v->start_ms + TG_REQ_GRACE_MS ? fit->latest_ms : v->start_ms + TG_REQ_GRACE_MS;
    v->until_ms = v->start_ms + rounded(need_ms);
}

static void drop(struct tg_requests *r, enum tg_visit_kind kind, struct tg_request_newses *news)
{
    struct tg_visit *v = &r->visits[kind];
    char what[256];

    tg_requests_what(r, kind, what, sizeof what);
    if (v->told_ms)
        tg_requests_tell(news, TG_REQ_TELL_CANCELLED, v, what);
    *v = (struct tg_visit) {0};
}

static void tell_of(struct tg_requests *r, enum tg_visit_kind kind, int64_t now_ms, struct tg_request_newses *news)
{
    struct tg_visit *v = &r->visits[kind];
    char what[256];

    if (kind != TG_VISIT_DISRUPTIVE)
        return; /* nobody notices */
    tg_requests_what(r, kind, what, sizeof what);
    bool again = v->told_ms != 0;
    v->told_ms = now_ms;
    for (size_t i = 0; !again && i < r->n; i++)
        if (tg_request_is_open(&r->v[i]) && r->v[i].disruptive)
            snprintf(v->uid, sizeof v->uid, "%s-%lld", r->v[i].id, (long long) (now_ms / 1000));
    tg_requests_tell(news, again ? TG_REQ_TELL_CHANGED : TG_REQ_TELL_SCHEDULED, v, what);
}

static int lay_kind(struct tg_requests *r, enum tg_visit_kind kind, const struct tg_request_when *when, int64_t now_ms, struct tg_request_newses *news,
                    struct tg_error *e)
{
    int64_t need = tg_requests_need_ms(r, kind), after = after_of(r, kind), from = now_ms;
    struct tg_visit *v = &r->visits[kind];
    struct tg_fit fit;
    bool stay = false;
    int rc = need ? stays(r, kind, when, need, now_ms, &stay, e) : 0;

    if (rc)
        return rc;
    if (stay) {
        mark(r, kind, TG_REQ_SCHEDULED, NULL);
        return 0;
    }
    if (!need) {
        if (v->start_ms)
            drop(r, kind, news);
        return 0;
    }
    if (kind == TG_VISIT_DISRUPTIVE && when->customer[0])
        from += when->lead_ms;
    if ((rc = find(when, after > from ? after : from, need, &fit, e)))
        return rc;
    if (fit.start_ms == TG_CALENDAR_NEVER) {
        char length[32], why[TG_REQ_WHY_SIZE];
        tg_duration_format(need, length, sizeof length);
        snprintf(why, sizeof why, "nothing that takes %s fits into any window to come", length);
        if (v->start_ms)
            drop(r, kind, news);
        mark(r, kind, TG_REQ_WAITING, why);
        return 0;
    }
    place(r, kind, &fit, need);
    mark(r, kind, TG_REQ_SCHEDULED, NULL);
    tell_of(r, kind, now_ms, news);
    return 0;
}

/* The host is another customer's now: who was told is told that it is not to be, and who was not is to know of it in good time. */
static void change_customer(struct tg_requests *r, const char *customer, struct tg_request_newses *news)
{
    size_t before = news->n;

    if (strcmp(r->customer, customer) == 0)
        return;
    if (r->visits[TG_VISIT_DISRUPTIVE].start_ms)
        drop(r, TG_VISIT_DISRUPTIVE, news);
    for (size_t i = before; i < news->n; i++)
        snprintf(news->v[i].customer, sizeof news->v[i].customer, "%s", r->customer);
    if (!r->customer[0])
        news->n = before; /* nobody knew */
    snprintf(r->customer, sizeof r->customer, "%s", customer);
}

/* Asked when a time is looked for, and not again: what others take meanwhile is no reason to move a visit that its customer knows. */
static void ask_others(struct tg_requests *r, const struct tg_request_when *when)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].state == TG_REQ_WAITING)
            r->v[i].usual_ms = when->usual(when->self, r->v[i].activity, r->v[i].usual_of);
}

int tg_requests_lay(struct tg_requests *r, const struct tg_request_when *when, int64_t now_ms, struct tg_request_newses *news, struct tg_error *e)
{
    change_customer(r, when->customer, news);
    r->laid_ms = now_ms;
    snprintf(r->basis, sizeof r->basis, "%s", when->basis ? when->basis : "");
    if (when->usual)
        ask_others(r, when);
    int rc = lay_kind(r, TG_VISIT_QUIET, when, now_ms, news, e);
    return rc ? rc : lay_kind(r, TG_VISIT_DISRUPTIVE, when, now_ms, news, e);
}
