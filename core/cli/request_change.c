/* tagout request cancel, postpone: a wish that is none any more, or not now. */
#include "cli/requests.h"

#include "agent/snapshot.h"
#include "base/shown.h"
#include "config/site.h"

#include <string.h>

static const struct tg_opt cancel_opts[] = {
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .value = "", .text = "Why, for those who look at it"},
    {.name = "host", .type = TG_OPT_STRING, .arg = "HOST", .complete = "host", .text = "Of another host than this one"},
    {.name = NULL},
};
static const struct tg_opt postpone_opts[] = {
    {.name = "for", .letter = 'f', .type = TG_OPT_DURATION, .arg = "TIME", .text = "Not before this time has passed"},
    {.name = "until", .letter = 'u', .type = TG_OPT_STRING, .arg = "TIME", .text = "Not before this moment: 2026-12-01T00:00:00Z"},
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .value = "", .text = "Why, for those who look at it"},
    {.name = "host", .type = TG_OPT_STRING, .arg = "HOST", .complete = "host", .text = "Of another host than this one"},
    {.name = NULL},
};

struct changing {
    struct tg_guard *guard;
    const char *what, *by, *why;
    const struct tg_request_when *when;
    int64_t now_ms, until_ms;
    bool postpone, done;
    char id[TG_REQ_ID_SIZE], activity[TG_ACTIVITY_SIZE];
};

/* An answer that was lost is asked again: what is done then is done. */
static int change(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    struct changing *c = data;
    const struct tg_request *q = tg_requests_find(r, c->what);

    if (!q && c->done)
        return TG_REQUESTS_AS_IT_IS;
    if (q) {
        memcpy(c->id, q->id, sizeof c->id);
        memcpy(c->activity, q->activity, sizeof c->activity);
        tg_requests_audit(news, c->postpone ? "req-postpone" : "req-cancel", q, c->why);
    }
    int rc = c->postpone ? tg_requests_postpone(r, c->what, c->by, c->why, c->until_ms, e) : tg_requests_cancel(r, c->what, c->by, c->why, c->now_ms, e);
    if (!rc)
        rc = tg_requests_clock(c->guard, e);
    if (!rc)
        rc = tg_requests_lay(r, c->when, c->now_ms, news, e);
    c->done = !rc;
    return rc;
}

static int say(struct tg_frame *f, const struct tg_requests *r, const struct changing *c, struct tg_error *e)
{
    const struct tg_request *q = tg_requests_find(r, c->id);
    const struct tg_visit *v = q ? tg_request_cli_visit(r, q) : NULL;
    char when[96], why[TG_REQ_WHY_SIZE * 4];

    if (f->json)
        return tg_print_json(q ? tg_request_cli_json(r, q, c->now_ms) : json_pack("{s:s,s:s,s:s,s:s}", "id", c->id, "host", r->host, "activity", c->activity, "state", "cancelled"), e);
    if (!c->postpone)
        printf("Cancelled  %s  %s of %s\n", c->id, c->activity, r->host);
    else if (v)
        printf("Postponed  %s  %s of %s\n  %s\n", c->id, c->activity, r->host, tg_request_cli_when(v, when, sizeof when));
    else
        printf("Postponed  %s  %s of %s\n  no time yet: %s\n", c->id, c->activity, r->host, tg_shown_text(q ? q->why : "", why, sizeof why));
    if (r->now.began_ms)
        printf("  %s is still out of service, under lock %s: its next run-due ends that.\n", r->host, r->now.lock);
    return 0;
}

static int carry_out(struct tg_frame *f, struct changing *c, struct tg_error *e)
{
    static char owner[TG_OWNER_SIZE], reason[TG_REQ_WHY_SIZE];
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_request_site site = {.host = NULL};
    struct tg_requests now;
    char host[TG_SCOPE_NAME_MAX + 1], id[TG_REQ_ID_SIZE], bucket[3];
    bool by_id = tg_request_id_parse(f->argv[0], id, bucket);
    int rc = by_id ? 0 : tg_activity_check(f->argv[0], e);

    tg_cli_owner(f, owner, sizeof owner);
    if (!rc)
        rc = tg_text_copy("--reason", tg_opt_text(f, "reason"), reason, sizeof reason, e);
    if (!rc)
        rc = tg_request_cli_host_of(f, &g, f->argv[0], host, sizeof host, e);
    if (!rc)
        rc = tg_request_cli_site(f, host, &site, e);
    c->guard = &g;
    c->what = f->argv[0];
    c->by = owner;
    c->why = reason;
    c->when = &site.when;
    if (!rc && (rc = tg_requests_change(&g, host, owner, change, c, &now, e)) == 0) {
        rc = say(f, &now, c, e);
        tg_requests_release(&now);
    }
    tg_request_site_close(&site);
    return rc;
}

static int run_cancel(struct tg_frame *f, struct tg_error *e)
{
    struct changing c = {.now_ms = tg_wall_ms(tg_loop_clock(f->loop))};
    struct tg_error why = TG_ERROR_INIT;
    char id[TG_REQ_ID_SIZE], bucket[3];
    int rc = carry_out(f, &c, &why);

    bool by_id = tg_request_id_parse(f->argv[0], id, bucket) && !tg_activities_find(&f->config->requests, f->argv[0]);
    if (rc == TG_E_NOENT && !by_id) { /* automation that says at each run that it is not needed */
        if (f->json)
            return tg_print_json(json_pack("{s:s,s:s}", "activity", f->argv[0], "state", "none"), e);
        printf("Nothing to cancel: %s\n", why.message);
        return 0;
    }
    if (rc)
        *e = why;
    return rc;
}

static int run_postpone(struct tg_frame *f, struct tg_error *e)
{
    struct changing c = {.now_ms = tg_wall_ms(tg_loop_clock(f->loop)), .postpone = true};
    int64_t for_ms = tg_opt_ms(f, "for");
    const char *until = tg_opt_text(f, "until");

    if ((for_ms < 0) == !until)
        return tg_fail(e, TG_E_USAGE, "until when? --for 2d, or --until 2026-12-01T00:00:00Z");
    if (until && tg_time_parse(until, &c.until_ms, e))
        return TG_E_USAGE;
    if (!until)
        c.until_ms = c.now_ms + (for_ms < TG_CALENDAR_AHEAD_MS ? for_ms : TG_CALENDAR_AHEAD_MS);
    if (c.until_ms > c.now_ms + TG_CALENDAR_AHEAD_MS || c.until_ms < c.now_ms)
        return tg_fail(e, TG_E_USAGE, "it can be postponed to a time within ten years, and not to the past");
    return carry_out(f, &c, e);
}

const struct tg_cmd tg_cmd_request_cancel = {
    .name = "request cancel",
    .args = "REQUEST|ACTIVITY [--host HOST] [--reason TEXT]",
    .brief = "withdraw a request for maintenance",
    .details = "By its id, or by the activity's name on this host: then it is fine when there is none, so that automation may say so at each of its runs. What is under way "
               "can't be cancelled; what is held for a person can.",
    .examples = "  $ tagout request cancel reboot --reason \"the old kernel is back\"\n",
    .opts = cancel_opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .exec = run_cancel,
};

const struct tg_cmd tg_cmd_request_postpone = {
    .name = "request postpone",
    .args = "REQUEST|ACTIVITY --for TIME|--until TIME [--host HOST]",
    .brief = "put a request off",
    .details = "It gets the first time from then on that suits; its customer is told. A request that is held for a person is tried again then.",
    .examples = "  $ tagout request postpone 3FK7QXAB --for 2d --reason \"month-end\"\n",
    .opts = postpone_opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .exec = run_postpone,
};
