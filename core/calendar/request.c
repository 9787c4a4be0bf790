/* Requests of a host: what is asked, merged, cancelled. See request.h; request_lay.c gives times, request_turn.c carries out. */
#include "calendar/request_internal.h"

#include "base/shown.h"
#include "guard/tree.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTIVITY_CHARS "abcdefghijklmnopqrstuvwxyz0123456789._-"

const char *tg_request_state_name(enum tg_request_state state)
{
    static const char *const names[] = {"waiting", "scheduled", "due", "running", "retry", "held"};

    return names[state];
}

const char *tg_request_end_name(enum tg_request_end end)
{
    static const char *const names[] = {"done", "failed", "cancelled", "expired"};

    return names[end];
}

int tg_requests_init(struct tg_requests *out, const char *host, struct tg_error *e)
{
    *out = (struct tg_requests) {.version = -1, .v = calloc(TG_REQUESTS_MAX, sizeof *out->v)};
    if (!out->v)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    snprintf(out->host, sizeof out->host, "%s", host);
    return 0;
}

void tg_requests_release(struct tg_requests *r)
{
    free(r->v);
    *r = (struct tg_requests) {.n = 0};
}

int tg_activity_check(const char *name, struct tg_error *e)
{
    size_t len = strlen(name);

    if (len && len < TG_ACTIVITY_SIZE && strspn(name, ACTIVITY_CHARS) == len && isalnum((unsigned char) name[0]))
        return 0;
    tg_fail(e, TG_E_USAGE, "\"%.60s\" is no activity", name);
    tg_error_hint(e, "a word of small letters, digits, \".\", \"_\" and \"-\", at most %d, such as reboot, update or firmware", TG_ACTIVITY_SIZE - 1);
    return TG_E_USAGE;
}

bool tg_request_id_parse(const char *text, char out[TG_REQ_ID_SIZE], char out_bucket[3])
{
    char id[TG_REQ_ID_SIZE];

    if (strlen(text) != TG_REQ_ID_SIZE - 1)
        return false;
    for (size_t i = 0; i < TG_REQ_ID_SIZE; i++)
        id[i] = (char) toupper((unsigned char) text[i]);
    if (!isxdigit((unsigned char) id[0]) || !isxdigit((unsigned char) id[1]) || strspn(id + 2, TG_ID_ALPHABET) != TG_REQ_ID_SIZE - 3)
        return false;
    memcpy(out, id, TG_REQ_ID_SIZE);
    snprintf(out_bucket, 3, "%c%c", tolower((unsigned char) id[0]), tolower((unsigned char) id[1]));
    return true;
}

struct tg_request *tg_requests_find(const struct tg_requests *r, const char *what)
{
    char id[TG_REQ_ID_SIZE], bucket[3];
    bool by_id = tg_request_id_parse(what, id, bucket);

    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->v[i].activity, what) == 0 || (by_id && strcmp(r->v[i].id, id) == 0))
            return &r->v[i];
    return NULL;
}

bool tg_requests_has(const struct tg_requests *r, enum tg_request_state state)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].state == state)
            return true;
    return false;
}

bool tg_request_is_open(const struct tg_request *q)
{
    return q->state == TG_REQ_WAITING || q->state == TG_REQ_SCHEDULED;
}

void tg_requests_audit(struct tg_request_newses *news, const char *verb, const struct tg_request *q, const char *why)
{
    if (news->n_deeds == TG_REQ_DEEDS_MAX)
        return;
    struct tg_request_deed *d = &news->deeds[news->n_deeds++];
    *d = (struct tg_request_deed) {.verb = verb};
    memcpy(d->id, q->id, sizeof d->id);
    memcpy(d->activity, q->activity, sizeof d->activity);
    memcpy(d->owner, q->owner, sizeof d->owner);
    tg_shown_text(why, d->why, sizeof d->why);
}

/* --- how long it takes --- */

static const struct tg_request_took *took_of(const struct tg_requests *r, const char *activity)
{
    for (size_t i = 0; i < r->n_took; i++)
        if (strcmp(r->took[i].activity, activity) == 0)
            return &r->took[i];
    return NULL;
}

static int by_length(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int64_t tg_request_expected_ms(const struct tg_requests *r, const struct tg_request *q)
{
    const struct tg_request_took *t = took_of(r, q->activity);
    int64_t sorted[TG_REQ_TOOK_MAX], learned = 0;

    if (t && t->n) {
        memcpy(sorted, t->ms, t->n * sizeof *sorted);
        qsort(sorted, t->n, sizeof *sorted, by_length);
        learned = sorted[(t->n * 95 + 99) / 100 - 1];
    }
    bool of_group = q->usual_ms && strncmp(q->usual_of, "group:", 6) == 0;
    int64_t base = of_group || q->usual_ms > q->estimate_ms ? q->usual_ms : q->estimate_ms;
    int64_t ms = t && t->n >= TG_REQ_SURE ? learned : learned > base ? learned : base;
    return ms < TG_REQ_ESTIMATE_MIN_MS ? TG_REQ_ESTIMATE_MIN_MS : ms > TG_REQ_ESTIMATE_MAX_MS ? TG_REQ_ESTIMATE_MAX_MS : ms;
}

const char *tg_request_expected_of(const struct tg_requests *r, const struct tg_request *q)
{
    const struct tg_request_took *t = took_of(r, q->activity);
    int64_t ms = tg_request_expected_ms(r, q);

    if (t && t->n >= TG_REQ_SURE)
        return "this host";
    if (q->usual_ms && ms == q->usual_ms)
        return q->usual_of;
    return t && ms != q->estimate_ms ? "this host" : "asked";
}

void tg_requests_learn(struct tg_requests *r, const char *activity, int64_t ms)
{
    struct tg_request_took *t = NULL;

    if (ms <= 0 || ms > TG_REQ_ESTIMATE_MAX_MS)
        return; /* a clock was stepped */
    for (size_t i = 0; i < r->n_took; i++)
        if (strcmp(r->took[i].activity, activity) == 0)
            t = &r->took[i];
    if (!t) {
        if (r->n_took == TG_REQUESTS_MAX) /* the one that was learned of first goes */
            memmove(&r->took[0], &r->took[1], --r->n_took * sizeof r->took[0]);
        t = &r->took[r->n_took++];
        *t = (struct tg_request_took) {.n = 0};
        snprintf(t->activity, sizeof t->activity, "%s", activity);
    }
    t->n += t->n < TG_REQ_TOOK_MAX;
    memmove(&t->ms[1], &t->ms[0], (t->n - 1) * sizeof t->ms[0]);
    t->ms[0] = ms;
}

/* --- asking --- */

static int new_id(const struct tg_requests *r, char out[TG_REQ_ID_SIZE], struct tg_error *e)
{
    struct tg_scope scope = {.kind = TG_SCOPE_HOST};
    char bucket[3], random[TG_REQ_ID_SIZE - 2];

    snprintf(scope.name, sizeof scope.name, "%s", r->host);
    tg_tree_bucket(&scope, bucket);
    int rc = tg_random_id(random, TG_REQ_ID_SIZE - 3, e);
    if (!rc)
        snprintf(out, TG_REQ_ID_SIZE, "%c%c%s", toupper((unsigned char) bucket[0]), toupper((unsigned char) bucket[1]), random);
    return rc;
}

static int add(struct tg_requests *r, const struct tg_request_wish *w, int64_t now_ms, struct tg_request **out, struct tg_error *e)
{
    struct tg_request q = {.state = TG_REQ_WAITING, .disruptive = w->disruptive, .estimate_ms = w->estimate_ms, .added_ms = now_ms, .seen_ms = now_ms,
                           .expires_ms = w->expires_ms, .after_ms = w->after_ms};
    int rc;

    if (r->n == TG_REQUESTS_MAX)
        return tg_fail(e, TG_E_USAGE, "%s has %zu open requests, and can't have more", r->host, r->n);
    if ((rc = new_id(r, q.id, e)))
        return rc;
    snprintf(q.activity, sizeof q.activity, "%s", w->activity);
    snprintf(q.owner, sizeof q.owner, "%s", w->owner);
    snprintf(q.reason, sizeof q.reason, "%s", w->reason);
    snprintf(q.boot, sizeof q.boot, "%s", w->boot);
    for (size_t i = 0; i < r->n_past; i++) /* what has just failed is not asked for again at every run of its automation */
        if (strcmp(r->past[i].activity, q.activity) == 0) {
            int64_t again = r->past[i].at_ms + TG_REQ_AGAIN_MS;
            if (r->past[i].end == TG_REQ_FAILED && again > q.after_ms)
                q.after_ms = again;
            break;
        }
    r->v[r->n] = q;
    *out = &r->v[r->n++];
    return 0;
}

/* Another's wish adds to it: it takes no less, and disturbs no less. */
static bool update(struct tg_request *q, const struct tg_request_wish *w)
{
    bool own = strcmp(q->owner, w->owner) == 0;
    bool disruptive = own ? w->disruptive : q->disruptive || w->disruptive;
    int64_t estimate = own || w->estimate_ms > q->estimate_ms ? w->estimate_ms : q->estimate_ms;
    int64_t expires = own ? w->expires_ms : !q->expires_ms || !w->expires_ms ? 0 : q->expires_ms > w->expires_ms ? q->expires_ms : w->expires_ms;
    bool changed = q->disruptive != disruptive || q->estimate_ms != estimate || q->expires_ms != expires || (own && strcmp(q->reason, w->reason) != 0) ||
                   w->after_ms > q->after_ms;

    q->disruptive = disruptive;
    q->estimate_ms = estimate;
    q->expires_ms = expires;
    if (w->after_ms > q->after_ms)
        q->after_ms = w->after_ms;
    if (own)
        snprintf(q->reason, sizeof q->reason, "%s", w->reason);
    return changed;
}

int tg_requests_submit(struct tg_requests *r, const struct tg_request_wish *w, int64_t now_ms, enum tg_request_was *out_was, struct tg_request **out, struct tg_error *e)
{
    struct tg_request *q = tg_requests_find(r, w->activity);

    if (!q) {
        *out_was = TG_REQ_NEW;
        return add(r, w, now_ms, out, e);
    }
    bool changed = tg_request_is_open(q) && update(q, w); /* what is under way is not talked into */
    /* Said again: worth a write only when its end would come near, or a fleet that asks at every run would write all the time. */
    bool news = q->expires_ms && (now_ms - q->seen_ms > q->expires_ms / 4 || now_ms < q->seen_ms);
    if (changed || news)
        q->seen_ms = now_ms;
    *out_was = changed || news ? TG_REQ_UPDATED : TG_REQ_SAME;
    *out = q;
    return 0;
}

/* --- and no more --- */

void tg_requests_past(struct tg_requests *r, const struct tg_request *q, enum tg_request_end end, const char *by, const char *why, int64_t took_ms, int64_t now_ms)
{
    struct tg_request_past p = {.end = end, .at_ms = now_ms, .took_ms = took_ms};
    size_t at = (size_t) (q - r->v);

    memcpy(p.id, q->id, sizeof p.id);
    memcpy(p.activity, q->activity, sizeof p.activity);
    snprintf(p.by, sizeof p.by, "%s", by);
    tg_shown_text(why, p.why, sizeof p.why); /* cut at a whole character: what is no UTF-8 can't be written */
    r->n_past += r->n_past < TG_REQ_PAST_MAX;
    memmove(&r->past[1], &r->past[0], (r->n_past - 1) * sizeof r->past[0]);
    r->past[0] = p;
    memmove(&r->v[at], &r->v[at + 1], (--r->n - at) * sizeof *r->v);
}

static int find_free(struct tg_requests *r, const char *what, struct tg_request **out, struct tg_error *e)
{
    *out = tg_requests_find(r, what);
    if (!*out)
        return tg_fail(e, TG_E_NOENT, "%s has no open request \"%.60s\"", r->host, what);
    if (tg_request_is_open(*out) || (*out)->state == TG_REQ_HELD)
        return 0;
    tg_fail(e, TG_E_HELD, "request %s (%s) of %s is under way", (*out)->id, (*out)->activity, r->host);
    return tg_error_hint(e, "tagout request show %s says how it stands", r->host), TG_E_HELD;
}

int tg_requests_cancel(struct tg_requests *r, const char *what, const char *by, const char *why, int64_t now_ms, struct tg_error *e)
{
    struct tg_request *q;
    int rc = find_free(r, what, &q, e);

    if (!rc)
        tg_requests_past(r, q, TG_REQ_CANCELLED, by, why, 0, now_ms);
    return rc;
}

int tg_requests_postpone(struct tg_requests *r, const char *what, const char *by, const char *why, int64_t until_ms, struct tg_error *e)
{
    char text[TG_OWNER_SIZE + TG_REASON_SIZE + 32];
    struct tg_request *q;
    int rc = find_free(r, what, &q, e);

    if (rc)
        return rc;
    q->after_ms = until_ms;
    q->state = TG_REQ_WAITING;
    q->began_ms = q->tries = 0;
    r->laid_ms = 0;
    snprintf(text, sizeof text, "postponed by %s%s%s", by, why[0] ? ": " : "", why);
    tg_shown_text(text, q->why, sizeof q->why);
    return 0;
}

size_t tg_requests_tidy(struct tg_requests *r, const char *boot, int64_t now_ms)
{
    size_t n = 0;

    for (size_t i = r->n; i-- > 0;) {
        struct tg_request *q = &r->v[i];
        if (!tg_request_is_open(q))
            continue;
        if (strcmp(q->activity, TG_REQ_REBOOT) == 0 && boot[0] && q->boot[0] && strcmp(boot, q->boot) != 0) {
            tg_requests_past(r, q, TG_REQ_DONE, "", "the host has rebooted since", 0, now_ms);
            n++;
        } else if (q->expires_ms && now_ms - q->seen_ms > q->expires_ms) {
            tg_requests_past(r, q, TG_REQ_EXPIRED, "", "nobody has asked for it again", 0, now_ms);
            n++;
        }
    }
    return n;
}
