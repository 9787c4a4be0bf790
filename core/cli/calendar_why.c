/* tagout calendar why: which windows and blackouts decide about a host. */
#include "cli/calendar.h"

#include "base/shown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_verdict(const struct tg_frame *f, const struct tg_calendar_view *v, const struct tg_allowed *a)
{
    char at[40], until[40], start[40], next[40];
    const char *host = v->hosts.hosts[0]->name;

    tg_calendar_when(v, v->at_ms, at, sizeof at);
    tg_calendar_until(v, a->open_until_ms, v->at_ms, until, sizeof until);
    tg_calendar_until(v, a->start_until_ms, v->at_ms, start, sizeof start);
    if (a->next_start_ms == TG_CALENDAR_NEVER)
        snprintf(next, sizeof next, "not within ten years");
    else
        tg_calendar_when(v, a->next_start_ms, next, sizeof next);
    if (a->may_start && a->open_until_ms == TG_CALENDAR_EVER)
        tg_calendar_say(f, 2, "%s may be disturbed on %s %s, and no end is in sight.", host, at, v->zone_name);
    else if (a->may_start)
        tg_calendar_say(f, 2, "%s may be disturbed on %s %s until %s; nothing begins from %s on.", host, at, v->zone_name, until, start);
    else if (a->open)
        tg_calendar_say(f, 2, "%s: nothing may begin on %s %s any more; what runs must be over by %s. Next: %s.", host, at, v->zone_name, until, next);
    else
        tg_calendar_say(f, 2, "%s must not be disturbed on %s %s. Next: %s.", host, at, v->zone_name, next);
}

static void print_reason(const struct tg_frame *f, const struct tg_calendar_view *v, const struct tg_reason *r)
{
    char place[320], from[40], until[40], what[256] = "", when[120];

    tg_calendar_place(r->rule, r->when, place, sizeof place);
    if (r->when && r->when->what)
        tg_shown_text(r->when->what, what, sizeof what);
    if (!r->when)
        snprintf(when, sizeof when, "does not come within ten years");
    else if (r->holds)
        snprintf(when, sizeof when, "holds, until %s", tg_calendar_until(v, r->span.until_ms, v->at_ms, until, sizeof until));
    else
        snprintf(when, sizeof when, "next %s until %s", tg_calendar_when(v, r->span.from_ms, from, sizeof from),
                 tg_calendar_until(v, r->span.until_ms, r->span.from_ms, until, sizeof until));
    tg_calendar_say(f, 4, "  %s \"%s\" for %s%s%s%s: %s  [%s]", r->rule->kind == TG_RULE_WINDOW ? "window" : "blackout", r->rule->name, r->rule->scope, what[0] ? " (" : "", what,
                    what[0] ? ")" : "", when, place);
}

/* Windows that would have been there, had not a more specific level its own. */
static void print_put_aside(const struct tg_frame *f, const struct tg_calendar_view *v, uint32_t class_)
{
    size_t n, n_windows;
    const struct tg_rule *const *rules = tg_agenda_rules(v->agenda, class_, TG_AGENDA_PUT_ASIDE, &n);
    const struct tg_rule *const *windows = tg_agenda_rules(v->agenda, class_, TG_AGENDA_WINDOWS, &n_windows);

    for (size_t i = 0; i < n; i++) {
        char place[320];
        tg_calendar_place(rules[i], NULL, place, sizeof place);
        tg_calendar_say(f, 4, "  window \"%s\" for %s: does not count, since there are windows for %s  [%s]", rules[i]->name, rules[i]->scope, windows[0]->scope, place);
    }
    if (!n_windows && !v->calendar)
        tg_calendar_say(f, 4, "  no window is about it, and there is no calendar");
    else if (!n_windows)
        tg_calendar_say(f, 4, "  no window is about it, and the calendar has \"default: %s\"", tg_calendar_default_open(v->calendar) ? "open" : "closed");
}

static json_t *reason_json(const struct tg_reason *r)
{
    char place[320];

    tg_calendar_place(r->rule, r->when, place, sizeof place);
    return json_pack("{s:s,s:s,s:s,s:s*,s:s,s:b,s:o,s:o}", "kind", r->rule->kind == TG_RULE_WINDOW ? "window" : "blackout", "name", r->rule->name, "for",
                     r->rule->scope, "what", r->when ? r->when->what : NULL, "place", place, "holds", r->holds, "from",
                     tg_calendar_time_json(r->when ? r->span.from_ms : INT64_MAX), "until", tg_calendar_time_json(r->when ? r->span.until_ms : INT64_MAX));
}

static int print_json(const struct tg_calendar_view *v, uint32_t class_, const struct tg_allowed *a, const struct tg_reason *list, size_t n, struct tg_error *e)
{
    json_t *reasons = json_array(), *aside = json_array();
    size_t n_aside;
    const struct tg_rule *const *rules = tg_agenda_rules(v->agenda, class_, TG_AGENDA_PUT_ASIDE, &n_aside);

    for (size_t i = 0; i < n; i++)
        json_array_append_new(reasons, reason_json(&list[i]));
    for (size_t i = 0; i < n_aside; i++)
        json_array_append_new(aside, json_string(rules[i]->name));
    return tg_print_json(json_pack("{s:s,s:o,s:b,s:b,s:o,s:o,s:o,s:o,s:o}", "host", v->hosts.hosts[0]->name, "at", tg_calendar_time_json(v->at_ms), "open", a->open,
                                   "may-start", a->may_start, "over-by", tg_calendar_time_json(a->open ? a->open_until_ms : INT64_MAX), "start-until",
                                   tg_calendar_time_json(a->may_start ? a->start_until_ms : INT64_MAX), "next", tg_calendar_time_json(a->next_start_ms), "reasons",
                                   reasons, "put-aside", aside), e);
}

static int explain(struct tg_frame *f, struct tg_calendar_view *v, struct tg_error *e)
{
    struct tg_reason *list = NULL;
    struct tg_allowed a;
    size_t n = 0;

    if (v->hosts.n != 1) {
        tg_fail(e, TG_E_USAGE, "\"%s\" means %zu hosts, and the reasons are those of one", v->selector, v->hosts.n);
        return tg_error_hint(e, "tagout calendar next %s shows all of them", v->selector), TG_E_USAGE;
    }
    uint32_t class_ = v->parts[0].class_;
    int rc = tg_agenda_at(v->agenda, class_, v->at_ms, &a, e);
    if (!rc)
        rc = tg_agenda_why(v->agenda, class_, v->at_ms, &list, &n, e);
    if (!rc && f->json)
        rc = print_json(v, class_, &a, list, n, e);
    else if (!rc) {
        print_verdict(f, v, &a);
        for (size_t i = 0; i < n; i++)
            print_reason(f, v, &list[i]);
        print_put_aside(f, v, class_);
    }
    free(list);
    return rc;
}

static int run_why(struct tg_frame *f, struct tg_error *e)
{
    struct tg_calendar_view v;
    int rc = tg_calendar_open(f, 0, &v, e);

    if (!rc)
        rc = explain(f, &v, e);
    tg_calendar_close(&v);
    return rc;
}

static const struct tg_opt opts[] = {TG_CALENDAR_CLI_OPTS, {.name = NULL}};

const struct tg_cmd tg_cmd_calendar_why = {
    .name = "calendar why",
    .args = "HOST",
    .brief = "tell which windows and blackouts decide about a host",
    .details = "Whether the host may be disturbed, and every window and blackout that has a say: what it is for, whether it holds or when it comes next, and "
               "where it is written. Windows of a more general level, which do not count because of more specific ones, are named as well.",
    .examples = "  $ tagout calendar why web217.example.com\n  $ tagout calendar why db1.example.com --at '2026-12-24 22:00'\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_INVENTORY,
    .complete = "host",
    .exec = run_why,
};
