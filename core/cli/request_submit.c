/* tagout request submit: a wish to be maintained. */
#include "cli/requests.h"

#include "agent/snapshot.h"
#include "config/site.h"

#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "activity", .letter = 'a', .type = TG_OPT_STRING, .arg = "ACTIVITY",
     .text = "What is to be done: a name, such as reboot or update. What it means is written in the host's own configuration. Required"},
    {.name = "estimate", .letter = 'e', .type = TG_OPT_DURATION, .arg = "TIME",
     .text = "How long it may take. Otherwise as the host's configuration says. Once three of its kind are done on the host, what they took counts"},
    {.name = "disruptive", .letter = 'd', .type = TG_OPT_FLAG, .text = "Its customer will notice, and is told in time"},
    {.name = "host", .type = TG_OPT_STRING, .arg = "HOST", .complete = "host", .text = "Another host than this one"},
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .value = "", .text = "Why, for those who look at it"},
    {.name = "expires", .type = TG_OPT_DURATION, .arg = "TIME",
     .text = "It is needed no longer when it is not submitted again for this long: for automation that submits at each of its runs"},
    {.name = "after", .type = TG_OPT_DURATION, .arg = "TIME", .text = "Not before this time has passed"},
    {.name = NULL},
};

struct submitting {
    struct tg_guard *guard;
    struct tg_request_wish wish;
    const struct tg_request_when *when;
    const char *own_boot;
    int64_t now_ms;
    enum tg_request_was was;
    char id[TG_REQ_ID_SIZE];
};

static int submit(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    struct submitting *s = data;
    struct tg_request *q;
    size_t gone = tg_requests_tidy(r, s->own_boot, s->now_ms);
    int rc = tg_requests_submit(r, &s->wish, s->now_ms, &s->was, &q, e);

    if (rc)
        return rc;
    memcpy(s->id, q->id, sizeof s->id);
    if (s->was == TG_REQ_SAME && !gone && q->state != TG_REQ_WAITING)
        return TG_REQUESTS_AS_IT_IS;
    if ((rc = tg_requests_clock(s->guard, e)))
        return rc;
    if (s->was == TG_REQ_NEW)
        tg_requests_audit(news, "req-submit", q, s->wish.reason);
    return tg_requests_lay(r, s->when, s->now_ms, news, e);
}

static int say(struct tg_frame *f, const struct tg_requests *r, const struct submitting *s, struct tg_error *e)
{
    static const char *const was[] = {"Requested", "Requested already", "Updated"};
    const struct tg_request *q = tg_requests_find(r, s->id);
    const struct tg_visit *v = q ? tg_request_cli_visit(r, q) : NULL;
    char when[96], length[32];

    if (f->json) {
        json_t *o = q ? tg_request_cli_json(r, q, s->now_ms) : json_object();
        json_object_set_new(o, "was", json_string(s->was == TG_REQ_NEW ? "new" : s->was == TG_REQ_SAME ? "same" : "updated"));
        return tg_print_json(o, e);
    }
    if (!q)
        return tg_fail(e, TG_E_BUG, "request %s is gone", s->id);
    tg_duration_format(tg_request_expected_ms(r, q), length, sizeof length);
    printf("%s  %s  %s of %s, about %s%s\n", was[s->was], q->id, q->activity, r->host, length, q->disruptive ? ", disruptive" : "");
    if (v)
        printf("  %s%s%s%s\n", tg_request_cli_when(v, when, sizeof when), v->told_ms && r->customer[0] ? ", of which " : "", v->told_ms && r->customer[0] ? r->customer : "",
               v->told_ms && r->customer[0] ? " is told" : "");
    else
        printf("  no time yet: %s\n", q->why[0] ? q->why : tg_request_state_name(q->state));
    return 0;
}

/* What this host can't do is said at once, and not when its time has come. */
static int check_known(const struct tg_frame *f, const char *activity, bool own, int64_t *estimate_ms, struct tg_error *e)
{
    const struct tg_activities *all = &f->config->requests;
    const struct tg_activity *a = tg_activities_find(all, activity);

    if (own && a && *estimate_ms < 0)
        *estimate_ms = a->estimate_ms ? a->estimate_ms : -1;
    if (own && !a) {
        tg_fail(e, TG_E_CONFIG, "this host's configuration has no activity \"%s\"", activity);
        return tg_error_hint(e, "write what it does into " TG_CONFIG_FILE ", below requests: activities: (tagout.yaml(5))"), TG_E_CONFIG;
    }
    if (*estimate_ms < 0)
        return tg_fail(e, TG_E_USAGE, "how long may it take? --estimate 15m");
    if (*estimate_ms < TG_REQ_ESTIMATE_MIN_MS)
        *estimate_ms = TG_REQ_ESTIMATE_MIN_MS;
    return *estimate_ms > TG_REQ_ESTIMATE_MAX_MS ? tg_fail(e, TG_E_USAGE, "--estimate is at most 7d") : 0;
}

static int take_wish(struct tg_frame *f, bool own, struct submitting *s, struct tg_error *e)
{
    static char owner[TG_OWNER_SIZE], reason[TG_REASON_SIZE], boot[TG_REQ_BOOT_SIZE];
    const char *activity = tg_opt_text(f, "activity");
    int64_t estimate = tg_opt_ms(f, "estimate"), after = tg_opt_ms(f, "after"), expires = tg_opt_ms(f, "expires");
    int rc;

    if (!activity)
        return tg_fail(e, TG_E_USAGE, "what is to be done? --activity reboot");
    if ((rc = tg_activity_check(activity, e)) || (rc = check_known(f, activity, own, &estimate, e)) ||
        (rc = tg_text_copy("--reason", tg_opt_text(f, "reason"), reason, sizeof reason, e)))
        return rc;
    if (expires >= 0 && expires < 2 * TG_REQ_ESTIMATE_MIN_MS)
        return tg_fail(e, TG_E_USAGE, "--expires is at least 2m: longer than from one run of what submits it to the next");
    if (after > TG_CALENDAR_AHEAD_MS || expires > TG_CALENDAR_AHEAD_MS)
        return tg_fail(e, TG_E_USAGE, "--after and --expires are at most ten years");
    tg_cli_owner(f, owner, sizeof owner);
    tg_boot_id(boot, sizeof boot);
    s->own_boot = own ? boot : "";
    s->wish = (struct tg_request_wish) {.activity = activity, .owner = owner, .reason = reason, .boot = s->own_boot, .disruptive = tg_opt_flag(f, "disruptive"),
                                        .estimate_ms = estimate, .expires_ms = expires > 0 ? expires : 0, .after_ms = after > 0 ? s->now_ms + after : 0};
    return 0;
}

static int run_submit(struct tg_frame *f, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_request_site site = {.host = NULL};
    struct submitting s = {.guard = &g, .now_ms = tg_wall_ms(tg_loop_clock(f->loop)), .when = &site.when};
    struct tg_requests now;
    char host[TG_SCOPE_NAME_MAX + 1];
    bool own;
    int rc = tg_request_cli_host(f, host, sizeof host, &own, e);

    if (!rc)
        rc = take_wish(f, own, &s, e);
    if (!rc)
        rc = tg_request_cli_site(f, host, &site, e);
    if (!rc && (rc = tg_requests_change(&g, host, s.wish.owner, submit, &s, &now, e)) == 0) {
        rc = say(f, &now, &s, e);
        tg_requests_release(&now);
    }
    tg_request_site_close(&site);
    return rc;
}

const struct tg_cmd tg_cmd_request_submit = {
    .name = "request submit",
    .args = "--activity ACTIVITY [--estimate TIME] [--disruptive]",
    .brief = "ask for maintenance of this host",
    .details = "For a host's own automation: may be repeated at each of its runs, and stays one request. It is merged with what else is to be done on the host, given "
               "a time that suits its customer, and carried out by tagout request run-due. What is done is written in the host's own configuration.",
    .examples = "  $ tagout request submit --activity reboot --disruptive --expires 1d --reason \"kernel 6.1.0-38\"\n",
    .opts = opts,
    .max_args = 0,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .exec = run_submit,
};
