/* A run as lines on a pipe, and as JSON: see run_view.h. */
#include "cli/run_view_internal.h"
#include "base/shown.h"
#include "cli/run_brakes.h"
#include "cli/run_windows.h"
#include "engine/leftovers.h"
#include "engine/plan_when.h"
#include "guard/show.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <string.h>

/* What people want to see go by; the rest is for the journal. */
static const struct {
    const char *event, *says;
} words[] = {
    {"locked", "locked"},          {"lock-refused", "could not be locked"}, {"no-go", "held"},
    {"busy", "busy, tried again later"}, {"held", "held on the host"},      {"failed", "failed"},
    {"unproven", "ended, and nothing proves how"}, {"not-sent", "not reached"}, {"lost", "connection lost, its step is looked for"},
    {"absent", "its step had not begun"}, {"verified", "verified"},       {"not-verified", "not verified"},
    {"inconclusive", "could not be verified"}, {"unlocked", "unlocked"},  {"unlock-failed", "could not be unlocked"},
    {"withdrawn", "not begun after all"}, {"baked", "has baked"}, {"approved", "approved"},
    {"made", "made"}, {"left", "is so already, by others"}, {"around-refused", "refused"}, {"around-away", "no connection, tried again later"},
    {"around-lost", "no answer, looked at again later"}, {"undone", "undone"}, {"undo-kept", "kept on purpose"},
    {"keep", "not in force any more"}, {"return", "to be brought back"}, {"gone", "is down"}, {"back", "is back"},
};

static const char *word_of(const char *event)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].event, event) == 0)
            return words[i].says;
    return NULL;
}

static void add_applied(const json_t *line, struct tg_buf *out)
{
    const char *outcome = json_string_value(json_object_get(line, "outcome"));
    json_int_t changed = json_integer_value(json_object_get(line, "changed"));
    const char *text = json_string_value(json_object_get(line, "text"));

    tg_buf_puts(out, outcome && strcmp(outcome, "would-change") == 0 ? "would change" : outcome ? outcome : "applied");
    if (text)
        tg_buf_printf(out, ": %s", text);
    else if (changed > 0)
        tg_buf_printf(out, ": %lld resource%s", (long long) changed, changed == 1 ? "" : "s");
}

static void add_hours(const json_t *line, const char *event, struct tg_buf *out)
{
    const char *text = json_string_value(json_object_get(line, "text"));
    char until[40];

    tg_time_format(json_integer_value(json_object_get(line, "until")), until, sizeof until);
    if (text) {
        tg_buf_printf(out, "the hours are closed: %s\n", text);
        return;
    }
    tg_buf_printf(out, strcmp(event, "opened") == 0 ? "hours are open until %s\n" : "outside the hours: nothing starts until %s\n", until);
}

#define WINDOWS_TOLD 20 /* of so many it is told that they are closed; of more it is what status is for */

static void add_window(const struct tg_run *run, const json_t *line, const char *event, struct tg_buf *out)
{
    const char *name = json_string_value(json_object_get(line, "window")), *text = json_string_value(json_object_get(line, "text"));
    json_int_t until = json_integer_value(json_object_get(line, "until")), at = json_integer_value(json_object_get(line, "at")), w = json_integer_value(json_object_get(line, "w"));
    bool opened = strcmp(event, "window-opened") == 0;
    char when[40] = "";

    if (w < 0 || (size_t) w >= run->plan->n_windows || (!opened && run->plan->n_windows > WINDOWS_TOLD))
        return;
    if (until < TG_WINDOW_UNTOLD)
        tg_plan_time_format(run->plan, until, at, when, sizeof when);
    tg_buf_printf(out, "window %s (%u host%s): ", name ? name : "?", run->plan->windows[w].n_hosts, run->plan->windows[w].n_hosts == 1 ? "" : "s");
    if (opened)
        tg_buf_printf(out, until == INT64_MAX ? "open\n" : "open, hosts may start until %s %s\n", when, tg_plan_zone(run->plan));
    else if (until >= TG_WINDOW_UNTOLD)
        tg_buf_printf(out, "closed: %s\n", text ? text : "it is not known to open");
    else
        tg_buf_printf(out, "closed until %s %s%s%s\n", when, tg_plan_zone(run->plan), text && name && strcmp(text, name) != 0 ? ": " : "",
                      text && name && strcmp(text, name) != 0 ? text : "");
}

static void add_skipped(const json_t *line, struct tg_buf *out)
{
    const char *name = json_string_value(json_object_get(line, "window")), *text = json_string_value(json_object_get(line, "text"));
    const char *by = json_string_value(json_object_get(line, "by"));

    tg_buf_printf(out, "goes on without the hosts of window %s, which is not known to open, at the word of %s%s%s\n", name ? name : "?", by ? by : "?", text ? ": " : "", text ? text : "");
}

/* Hosts of a domain that are not in the plan. */
static void add_outside_gone(const json_t *line, const char *who, struct tg_buf *out)
{
    const char *domain = json_string_value(json_object_get(line, "domain"));
    json_int_t n = json_integer_value(json_object_get(line, "count"));

    tg_buf_printf(out, n == 1 ? "%s: %lld host is down that is not in the plan" : "%s: %lld hosts are down that are not in the plan", domain ? domain : "?", (long long) n);
    tg_buf_printf(out, "%s%s\n", who ? ": " : "", who ? who : "");
}

static void add_run_line(const struct tg_run *run, const json_t *line, const char *event, struct tg_buf *out)
{
    const char *by = json_string_value(json_object_get(line, "by")), *text = json_string_value(json_object_get(line, "text"));

    if (strcmp(event, "begin") == 0)
        tg_buf_printf(out, "begun by %s: %zu host%s in %zu stage%s\n", by ? by : "?", run->plan->n_hosts, run->plan->n_hosts == 1 ? "" : "s", run->plan->n_stages,
                      run->plan->n_stages == 1 ? "" : "s");
    else if (strcmp(event, "resume") == 0)
        tg_buf_printf(out, "taken up again by %s\n", by ? by : "?");
    else if (strcmp(event, "seated") == 0)
        tg_buf_printf(out, "taken up by %s, and not to go on now\n", by ? by : "?");
    else if (strcmp(event, "hold") == 0)
        tg_buf_printf(out, "paused by %s%s%s: nothing new starts, what is in flight ends\n", by ? by : "?", text && text[0] ? ": " : "", text ? text : "");
    else if (strcmp(event, "continue") == 0)
        tg_buf_printf(out, "goes on, at the word of %s\n", by ? by : "?");
    else if (strcmp(event, "pause") == 0)
        tg_buf_puts(out, "pausing: nothing new starts, what is in flight ends\n");
    else if (strcmp(event, "opened") == 0 || strcmp(event, "closed") == 0)
        add_hours(line, event, out);
    else if (strcmp(event, "window-opened") == 0 || strcmp(event, "window-closed") == 0)
        add_window(run, line, event, out);
    else if (strcmp(event, "window-skipped") == 0)
        add_skipped(line, out);
    else if (strcmp(event, "outside-gone") == 0)
        add_outside_gone(line, text, out);
    else if (strcmp(event, "gave-up") == 0)
        tg_buf_puts(out, "nobody has looked at what has no verdict, and the time for it is over\n");
    else if (strcmp(event, "abort") == 0)
        tg_buf_printf(out, "aborted by %s%s%s\n", by ? by : "?", text && text[0] ? ": " : "", text ? text : "");
}

/* "drain ", before what became of it; where there is a text, that begins with it. */
static void add_step(const struct tg_run *run, const json_t *line, const char *text, struct tg_buf *out)
{
    json_int_t step = json_integer_value(json_object_get(line, "step"));

    if (step > 0 && (size_t) step < run->plan->n_around && !text)
        tg_buf_printf(out, "%s ", tg_around_what_name(run->plan->around[step].what));
}

static void put_line(const struct tg_run *run, const json_t *line, struct tg_buf *out)
{
    const char *event = json_string_value(json_object_get(line, "ev"));
    const char *host = json_string_value(json_object_get(line, "host")), *stage = json_string_value(json_object_get(line, "stage"));
    const char *text = json_string_value(json_object_get(line, "text")), *lock = json_string_value(json_object_get(line, "lock"));

    if (!event)
        return;
    const char *says = word_of(event);
    bool applied = strcmp(event, "applied") == 0;
    if (strcmp(event, "keep") == 0 && json_object_get(line, "record"))
        says = "put in force again";
    else if (strcmp(event, "keep") == 0 && json_is_true(json_object_get(line, "ours")))
        says = "may not be in force any more";
    if (!host && !stage) {
        add_run_line(run, line, event, out);
        return;
    }
    if ((!says && !applied) || (strcmp(event, "keep") == 0 && !text))
        return;
    json_int_t h = json_integer_value(json_object_get(line, "h"));
    if (host && h >= 0 && (size_t) h < run->plan->n_hosts)
        stage = run->plan->stages[run->hosts[h].stage].name;
    tg_buf_printf(out, "%-14s ", stage);
    if (host)
        tg_buf_printf(out, "%-24s ", host);
    add_step(run, line, text, out);
    if (applied)
        add_applied(line, out);
    else
        tg_buf_printf(out, "%s%s%s%s%s", says, lock ? " " : "", lock ? lock : "", text ? ": " : "", text ? text : "");
    tg_buf_putc(out, '\n');
}

void tg_run_view_line(const struct tg_run *run, const json_t *line, struct tg_buf *out)
{
    struct tg_buf plain = TG_BUF_INIT;

    put_line(run, line, &plain);
    tg_shown_lines(out, tg_buf_text(&plain));
    tg_buf_release(&plain);
}

/* ---- JSON ---- */

static json_t *host_json(const struct tg_run *run, size_t i)
{
    const struct tg_run_host *h = &run->hosts[i];
    json_t *o = json_pack("{s:s,s:s}", "host", run->plan->hosts[i].name, "state", tg_host_state_name(h->state));

    if (!o)
        return NULL;
    if (h->state == TG_HOST_STUCK || (h->state >= TG_HOST_UNDOING && h->state <= TG_HOST_UNLOCKING))
        json_object_set_new(o, "end", json_string(tg_host_state_name(h->end)));
    if (h->state == TG_HOST_DONE || h->state == TG_HOST_FAILED || h->state == TG_HOST_HELD) {
        json_object_set_new(o, "outcome", json_string(tg_outcome_name(h->outcome)));
        json_object_set_new(o, "changed", json_integer(h->changed));
    }
    if (h->lock)
        json_object_set_new(o, "lock", json_string(h->lock));
    if (h->gone)
        json_object_set_new(o, "gone", json_true());
    if (h->state == TG_HOST_WAITING && run->plan->n_windows && run->plan->window_of[i] != TG_NO_DOMAIN && !tg_run_window(run, run->plan->window_of[i])->open)
        tg_run_window_host_json(run, i, o);
    if (h->text)
        json_object_set_new(o, "text", json_string(h->text));
    return o;
}

static json_t *stage_json(const struct tg_run *run, size_t i)
{
    const struct tg_plan_stage *p = &run->plan->stages[i];
    json_t *hosts = json_array();

    for (size_t h = p->first; hosts && h < p->first + p->count; h++)
        json_array_append_new(hosts, host_json(run, h));
    json_t *o = json_pack("{s:s,s:s,s:b,s:o}", "stage", p->name, "state", tg_stage_state_name(run->stages[i].state), "dry_run", p->dry_run, "hosts", hosts);
    if (o && p->policy.approve)
        json_object_set_new(o, "approved", json_boolean(run->stages[i].approved));
    if (o && run->stages[i].approved_by)
        json_object_set_new(o, "approved_by", json_string(run->stages[i].approved_by));
    return o;
}

static json_t *stage_head_json(const struct tg_run *run, size_t i)
{
    const struct tg_plan_stage *p = &run->plan->stages[i];

    return json_pack("{s:s,s:s,s:b,s:I}", "stage", p->name, "state", tg_stage_state_name(run->stages[i].state), "dry_run", p->dry_run, "hosts",
                     (json_int_t) p->count);
}

/* All but the stages. */
static json_t *run_json(const struct tg_run_view *v)
{
    const struct tg_run *run = v->run;
    json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:b,s:o,s:o,s:I,s:I,s:I}", "run", v->id, "rollout", run->plan->name, "digest", run->plan->digest, "state",
                          tg_run_state_name(run->state), "driven", v->driven, "started", tg_time_json(run->started_ms), "last", tg_time_json(run->last_ms),
                          "failures", (json_int_t) tg_run_failures(run), "failures_max", (json_int_t) tg_run_failures_max(run), "leftovers",
                          (json_int_t) tg_run_leftovers(run));

    double wanted, is;
    int64_t ends_ms;
    if (o && tg_run_view_shares(run, &wanted, &is))
        json_object_set_new(o, "share", json_pack("{s:f,s:f}", "changed", is, "stage", wanted));
    if (o && run->state == TG_RUN_ACTIVE && v->driven)
        json_object_set_new(o, "waits_for", tg_run_brakes_json(run, run->last_ms));
    if (o && run->state == TG_RUN_ACTIVE && v->driven && (tg_run_brakes(run, run->last_ms) & TG_BRAKE_DOMAIN))
        json_object_set_new(o, "full", tg_run_full_json(run));
    if (o && run->state == TG_RUN_ACTIVE && run->plan->n_windows && run->totals[TG_HOST_WAITING])
        json_object_set_new(o, "windows", tg_run_windows_json(run, TG_WINDOWS_LISTED));
    if (o && run->state == TG_RUN_ACTIVE && tg_run_view_end_ms(v, &ends_ms))
        json_object_set_new(o, "ends", tg_time_json(ends_ms / 1000 * 1000));
    if (o && run->state == TG_RUN_ENDED)
        json_object_set_new(o, "end", json_string(tg_run_end_name(tg_run_end(run))));
    if (o && tg_leftovers_count(run, v->driven ? TG_LEFTOVERS_ENDED : TG_LEFTOVERS_ALL))
        json_object_set_new(o, "left", tg_view_leftovers_json(v));
    json_t *by_others = o ? tg_view_by_others_json(v) : NULL;
    if (json_array_size(by_others))
        json_object_set(o, "left_to_others", by_others);
    json_decref(by_others);
    if (o && run->causes)
        json_object_set_new(o, "hold", json_pack("{s:s*,s:s*,s:b,s:b,s:b,s:b}", "by", run->hold_by, "why", run->hold_why, "command", run->causes & TG_CAUSE_COMMAND ? 1 : 0,
                                                 "scope", run->causes & TG_CAUSE_SCOPE ? 1 : 0, "verdict", run->causes & TG_CAUSE_VERDICT ? 1 : 0, "around", run->causes & TG_CAUSE_AROUND ? 1 : 0));
    if (o && tg_run_is_to_be_looked_at(run) && run->give_up_ms) {
        char when[32];
        tg_time_format(run->give_up_ms, when, sizeof when);
        json_object_set_new(json_object_get(o, "hold"), "halts", json_string(when));
    }
    if (o && run->why)
        json_object_set_new(o, "why", json_string(run->why));
    return o;
}

static json_t *with_stages(const struct tg_run_view *v, json_t *(*stage)(const struct tg_run *run, size_t i))
{
    json_t *o = run_json(v), *stages = json_array();

    for (size_t i = 0; stages && i < v->run->plan->n_stages; i++)
        json_array_append_new(stages, stage(v->run, i));
    if (!o || !stages || json_object_set(o, "stages", stages)) {
        json_decref(o);
        o = NULL;
    }
    json_decref(stages);
    return o;
}

json_t *tg_run_view_json(const struct tg_run_view *v)
{
    return with_stages(v, stage_json);
}

json_t *tg_run_view_head_json(const struct tg_run_view *v)
{
    return with_stages(v, stage_head_json);
}

json_t *tg_run_view_progress_json(struct tg_run_view *v, int64_t now_ms)
{
    const struct tg_run *run = v->run;
    const char *stage = run->stage < run->plan->n_stages ? run->plan->stages[run->stage].name : NULL;
    json_t *counts = json_object();

    for (int s = 0; counts && s < TG_HOST_STATES; s++)
        if (run->totals[s])
            json_object_set_new(counts, tg_host_state_name((enum tg_host_state) s), json_integer((json_int_t) run->totals[s]));
    int64_t left = tg_run_view_left_ms(v, now_ms);
    json_t *o = json_pack("{s:o,s:s,s:s?,s:I,s:I,s:I,s:o,s:o,s:o}", "at", tg_time_json(now_ms), "state", tg_run_state_name(run->state), "stage", stage, "done",
                     (json_int_t) tg_run_done(run), "hosts", (json_int_t) run->plan->n_hosts, "failures", (json_int_t) tg_run_failures(run), "counts", counts, "waits_for", tg_run_brakes_json(run, now_ms), "left_ms", left < 0 ? json_null() : json_integer(left));
    if (o && run->plan->n_windows && run->totals[TG_HOST_WAITING])
        json_object_set_new(o, "windows", tg_run_windows_json(run, 0));
    return o;
}
