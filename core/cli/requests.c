/* What the commands "request …" share: see requests.h. */
#include "cli/requests.h"

#include "calendar/local.h"
#include "calendar/request_basis.h"
#include "config/site.h"

#include <string.h>

#define WAIT_MS 20000

int tg_request_cli_host(struct tg_frame *f, char *out, size_t size, bool *out_own, struct tg_error *e)
{
    const char *named = tg_opt_text(f, "host");
    struct tg_scope scope = {.kind = TG_SCOPE_HOST}, own;
    struct tg_error why = TG_ERROR_INIT;
    char text[TG_SCOPE_TEXT_SIZE];
    int rc_own = tg_cli_own_host(f->inventory, &own, &why), rc = 0;

    if (named) {
        snprintf(text, sizeof text, "host:%.250s", named);
        if (!(rc = tg_scope_parse(text, &scope, e)))
            rc = tg_scope_resolve(&scope, f->inventory, e);
    } else if (rc_own) {
        rc = tg_fail(e, rc_own, "%s", why.message);
        tg_error_hint(e, "name it there, or say which host is meant: --host NAME");
    }
    if (!rc) {
        snprintf(out, size, "%s", named ? scope.name : own.name);
        *out_own = !rc_own && strcmp(out, own.name) == 0;
    }
    if (!rc_own)
        tg_scope_release(&own);
    if (named)
        tg_scope_release(&scope);
    return rc;
}

struct search {
    const char *id;
    char *out;
    size_t size;
    bool found;
};

static int look_for(const struct tg_requests *r, void *data, struct tg_error *e)
{
    struct search *s = data;

    (void) e;
    bool here = tg_requests_find(r, s->id) != NULL;
    for (size_t i = 0; i < r->n_past; i++)
        here = here || strcmp(r->past[i].id, s->id) == 0;
    if (here)
        snprintf(s->out, s->size, "%s", r->host);
    s->found = here;
    return here;
}

int tg_request_cli_host_of(struct tg_frame *f, struct tg_guard *g, const char *what, char *out, size_t size, struct tg_error *e)
{
    char id[TG_REQ_ID_SIZE], bucket[3];
    struct search s = {.id = id, .out = out, .size = size};
    bool own;

    /* "database" could be an id as well */
    if (tg_opt_text(f, "host") || !tg_request_id_parse(what, id, bucket) || tg_activities_find(&f->config->requests, what))
        return tg_request_cli_host(f, out, size, &own, e);
    int rc = tg_requests_walk(g, bucket, look_for, NULL, &s, e);
    if (rc < 0 || s.found)
        return rc < 0 ? rc : 0;
    tg_fail(e, TG_E_NOENT, "there is no request %s", id);
    return tg_error_hint(e, "tagout request list has them"), TG_E_NOENT;
}

int tg_request_cli_site(struct tg_frame *f, const char *host, struct tg_request_site *out, struct tg_error *e)
{
    return tg_request_site_open(out, f->store, f->inventory, f->config->calendar, host, tg_wall_ms(tg_loop_clock(f->loop)), WAIT_MS, &f->problems, e);
}

int tg_request_cli_basis(const struct tg_frame *f, char out[TG_SHA256_HEX], struct tg_error *e)
{
    struct tg_problems problems = TG_PROBLEMS_INIT;
    struct tg_calendar *calendar = NULL;
    struct tg_basis_file file;

    tg_basis_look(&file, f->config->calendar);
    int rc = f->config->calendar ? tg_calendar_load(f->config->calendar, &problems, &calendar, e) : 0;
    if (!rc && !tg_basis_calendar(&file, calendar, out))
        rc = tg_fail(e, TG_E_DATA, "%s changes right now", f->config->calendar ? f->config->calendar : "the calendar");
    tg_calendar_free(calendar);
    tg_problems_release(&problems);
    return rc;
}

/* ---- showing ---- */

const struct tg_visit *tg_request_cli_visit(const struct tg_requests *r, const struct tg_request *q)
{
    const struct tg_visit *v = &r->visits[q->disruptive ? TG_VISIT_DISRUPTIVE : TG_VISIT_QUIET];

    if (q->state == TG_REQ_WAITING)
        return NULL;
    return q->state != TG_REQ_SCHEDULED ? &r->now.visit : v->start_ms ? v : NULL;
}

const char *tg_request_cli_state(const struct tg_requests *r, const struct tg_request *q, int64_t now_ms)
{
    const struct tg_visit *v = tg_request_cli_visit(r, q);

    if (q->state == TG_REQ_RUNNING && r->now.rebooting)
        return "rebooting";
    if (q->state != TG_REQ_SCHEDULED || !v || now_ms < v->start_ms)
        return tg_request_state_name(q->state);
    return now_ms > v->latest_ms ? "overdue" : "due";
}

const char *tg_request_cli_when(const struct tg_visit *v, char *out, size_t size)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    char from[40], until[40];
    bool same = v->start_ms / 86400000 == v->until_ms / 86400000;

    tg_time_format(v->start_ms / 1000 * 1000, from, sizeof from);
    tg_time_format(v->until_ms / 1000 * 1000, until, sizeof until);
    snprintf(out, size, "%s %.10s %.5s to %.*s%s%.5s UTC", days[tg_weekday(v->start_ms / 86400000)], from, from + 11, same ? 0 : 10, until, same ? "" : " ", until + 11);
    return out;
}

static json_t *visit_json(const struct tg_visit *v)
{
    if (!v)
        return json_null();
    return json_pack("{s:o,s:o,s:o,s:o}", "start", tg_cli_time_json(v->start_ms), "latest", tg_cli_time_json(v->latest_ms), "until", tg_cli_time_json(v->until_ms), "told",
                     v->told_ms ? tg_cli_time_json(v->told_ms) : json_null());
}

json_t *tg_request_cli_json(const struct tg_requests *r, const struct tg_request *q, int64_t now_ms)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:f,s:f,s:o,s:o,s:o,s:I,s:s,s:s}", "id", q->id, "host", r->host, "customer", r->customer, "activity", q->activity, "state",
                     tg_request_cli_state(r, q, now_ms), "owner", q->owner, "reason", q->reason, "disruptive", q->disruptive, "estimate-seconds",
                     (double) q->estimate_ms / 1000, "expected-seconds", (double) tg_request_expected_ms(r, q) / 1000, "asked", tg_cli_time_json(q->added_ms), "not-before",
                     q->after_ms ? tg_cli_time_json(q->after_ms) : json_null(), "visit", visit_json(tg_request_cli_visit(r, q)), "tries", (json_int_t) q->tries, "why", q->why, "expected-from", tg_request_expected_of(r, q));
}

json_t *tg_requests_cli_json(const struct tg_requests *r, int64_t now_ms)
{
    json_t *open = json_array(), *past = json_array(), *now = json_null();

    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(open, tg_request_cli_json(r, &r->v[i], now_ms));
    for (size_t i = 0; i < r->n_past; i++) {
        const struct tg_request_past *p = &r->past[i];
        json_array_append_new(past, json_pack("{s:s,s:s,s:s,s:o,s:f,s:s,s:s}", "id", p->id, "activity", p->activity, "end", tg_request_end_name(p->end), "at",
                                              tg_cli_time_json(p->at_ms), "took-seconds", (double) p->took_ms / 1000, "by", p->by, "why", p->why));
    }
    if (r->now.began_ms)
        now = json_pack("{s:o,s:s,s:b}", "began", tg_cli_time_json(r->now.began_ms), "lock", r->now.lock, "rebooting", r->now.rebooting);
    return json_pack("{s:s,s:s,s:o,s:o,s:o}", "host", r->host, "customer", r->customer, "under-way", now, "open", open, "past", past);
}
