/* The lines of a run's journal, written and read back; and replay. See run.h. */
#include "engine/run_internal.h"
#include "engine/run_snapshot_internal.h"

#include <stdlib.h>
#include <string.h>

static void set_host(json_t *o, const struct tg_run *run, size_t host)
{
    if (host == TG_RUN_NONE)
        return;
    json_object_set_new(o, "h", json_integer((json_int_t) host));
    json_object_set_new(o, "host", json_string(run->plan->hosts[host].name));
}

static void set_stage(json_t *o, const struct tg_run *run, size_t stage)
{
    if (stage == TG_RUN_NONE)
        return;
    json_object_set_new(o, "s", json_integer((json_int_t) stage));
    json_object_set_new(o, "stage", json_string(run->plan->stages[stage].name));
}

static void set_domain(json_t *o, const struct tg_run *run, const struct tg_run_event *ev)
{
    char name[400];

    tg_plan_domain_name(run->plan, ev->domain, name, sizeof name);
    json_object_set_new(o, "d", json_integer((json_int_t) ev->domain));
    json_object_set_new(o, "domain", json_string(name));
    json_object_set_new(o, "count", json_integer(ev->count));
}

static void set_window(json_t *o, const struct tg_run *run, const struct tg_run_event *ev)
{
    json_object_set_new(o, "w", json_integer((json_int_t) ev->domain));
    json_object_set_new(o, "window", json_string(run->plan->windows[ev->domain].name));
    json_object_set_new(o, "until", json_integer((json_int_t) ev->until_ms));
}

static void set_text(json_t *o, const char *key, const char *text)
{
    if (!text)
        return;
    json_t *value = json_string(text);
    /* What hosts say is not always UTF-8. */
    json_object_set_new(o, key, value ? value : json_string(TG_NOT_UTF8));
}

static bool has_outcome(enum tg_run_event_kind kind)
{
    return kind == TG_EV_APPLIED || kind == TG_EV_HELD || kind == TG_EV_FAILED || kind == TG_EV_UNPROVEN;
}

json_t *tg_run_event_to_json(const struct tg_run *run, const struct tg_run_event *ev, int64_t n)
{
    json_t *o = json_pack("{s:I,s:I,s:s}", "n", (json_int_t) n, "at", (json_int_t) ev->at_ms, "ev", tg_run_event_name(ev->kind));

    if (!o)
        return NULL;
    if (tg_run_event_subject(ev->kind) == TG_OF_HOST)
        set_host(o, run, ev->host);
    if (tg_run_event_subject(ev->kind) == TG_OF_STAGE)
        set_stage(o, run, ev->stage);
    if (tg_run_event_subject(ev->kind) == TG_OF_DOMAIN)
        set_domain(o, run, ev);
    if (tg_run_event_subject(ev->kind) == TG_OF_WINDOW)
        set_window(o, run, ev);
    if (has_outcome(ev->kind)) {
        json_object_set_new(o, "outcome", json_string(tg_outcome_name(ev->outcome)));
        json_object_set_new(o, "changed", json_integer(ev->changed));
    }
    if (ev->kind == TG_EV_HOLD)
        json_object_set_new(o, "cause", json_integer((json_int_t) ev->cause));
    if (ev->kind == TG_EV_BEGIN || ev->kind == TG_EV_RESUME || ev->kind == TG_EV_SEATED)
        json_object_set_new(o, "epoch", json_integer((json_int_t) ev->epoch));
    if (ev->kind == TG_EV_OPENED || ev->kind == TG_EV_CLOSED)
        json_object_set_new(o, "until", json_integer((json_int_t) ev->until_ms));
    if (ev->kind == TG_EV_OPENED)
        json_object_set_new(o, "date", json_integer((json_int_t) ev->date));
    if (tg_around_is_event(ev->kind))
        json_object_set_new(o, "step", json_integer(ev->step));
    if (ev->kind == TG_EV_FOUND || (ev->kind == TG_EV_KEEP && ev->ours))
        json_object_set_new(o, "ours", json_boolean(ev->ours));
    if (ev->kind == TG_EV_RETURN)
        json_object_set_new(o, "vouched", json_boolean(ev->vouched));
    set_text(o, "record", ev->record);
    set_text(o, "text", ev->text);
    set_text(o, "lock", ev->lock);
    set_text(o, "by", ev->by);
    return o;
}

json_t *tg_run_action_to_json(const struct tg_run *run, const struct tg_run_action *action, int64_t at_ms, int64_t n)
{
    json_t *o = json_pack("{s:I,s:I,s:s}", "n", (json_int_t) n, "at", (json_int_t) at_ms, "do", tg_run_action_name(action->kind));

    if (!o)
        return NULL;
    set_host(o, run, action->host);
    set_stage(o, run, action->stage);
    if (action->kind == TG_DO_APPLY || action->kind == TG_DO_LOOK)
        json_object_set_new(o, "attempt", json_integer(action->attempt));
    if (action->step)
        json_object_set_new(o, "step", json_integer(action->step));
    if (action->until_ms)
        json_object_set_new(o, "until", json_integer((json_int_t) action->until_ms));
    if (action->kind == TG_DO_END)
        json_object_set_new(o, "end", json_string(tg_run_end_name(tg_run_end(run))));
    if (action->kind == TG_DO_END)
        set_text(o, "text", run->why);
    return o;
}

/* ---- reading ---- */

static int find_name(const char *word, const char *(*name)(int), int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, name(i)) == 0)
            return i;
    return -1;
}

static const char *event_name(int i)
{
    return tg_run_event_name((enum tg_run_event_kind) i);
}

static const char *action_name(int i)
{
    return tg_run_action_name((enum tg_run_action_kind) i);
}

/* An index with the name that belongs to it; TG_RUN_NONE when the key is missing. */
static int read_host(const struct tg_run *run, const json_t *o, size_t *out, struct tg_error *e)
{
    const json_t *h = json_object_get(o, "h");
    const char *name = json_string_value(json_object_get(o, "host"));

    *out = TG_RUN_NONE;
    if (!h)
        return 0;
    json_int_t i = json_integer_value(h);
    if (!json_is_integer(h) || i < 0 || (size_t) i >= run->plan->n_hosts)
        return tg_fail(e, TG_E_DATA, "host %lld of %zu", (long long) i, run->plan->n_hosts);
    if (!name || strcmp(name, run->plan->hosts[i].name) != 0)
        return tg_fail(e, TG_E_DATA, "host %lld is %s in the plan, \"%s\" in the journal", (long long) i, run->plan->hosts[i].name, name ? name : "");
    *out = (size_t) i;
    return 0;
}

static int read_stage(const struct tg_run *run, const json_t *o, size_t *out, struct tg_error *e)
{
    const json_t *s = json_object_get(o, "s");
    const char *name = json_string_value(json_object_get(o, "stage"));

    *out = TG_RUN_NONE;
    if (!s)
        return 0;
    json_int_t i = json_integer_value(s);
    if (!json_is_integer(s) || i < 0 || (size_t) i >= run->plan->n_stages)
        return tg_fail(e, TG_E_DATA, "stage %lld of %zu", (long long) i, run->plan->n_stages);
    if (!name || strcmp(name, run->plan->stages[i].name) != 0)
        return tg_fail(e, TG_E_DATA, "stage %lld is %s in the plan, \"%s\" in the journal", (long long) i, run->plan->stages[i].name, name ? name : "");
    *out = (size_t) i;
    return 0;
}

static int read_domain(const struct tg_run *run, const json_t *o, struct tg_run_event *out, struct tg_error *e)
{
    const json_t *d = json_object_get(o, "d"), *count = json_object_get(o, "count");
    const char *says = json_string_value(json_object_get(o, "domain"));
    json_int_t i = json_integer_value(d), n = json_integer_value(count);
    char name[400];

    if (!json_is_integer(d) || i < 0 || (size_t) i >= run->plan->n_domains || !json_is_integer(count) || n < 0 || n > UINT32_MAX)
        return tg_fail(e, TG_E_DATA, "domain %lld of %zu, count %lld", (long long) i, run->plan->n_domains, (long long) n);
    tg_plan_domain_name(run->plan, (size_t) i, name, sizeof name);
    if (!says || strcmp(says, name) != 0)
        return tg_fail(e, TG_E_DATA, "domain %lld is %s in the plan, \"%s\" in the journal", (long long) i, name, says ? says : "");
    out->domain = (size_t) i;
    out->count = (uint32_t) n;
    return 0;
}

static int read_window(const struct tg_run *run, const json_t *o, struct tg_run_event *out, struct tg_error *e)
{
    const json_t *w = json_object_get(o, "w"), *until = json_object_get(o, "until");
    const char *says = json_string_value(json_object_get(o, "window"));
    json_int_t i = json_integer_value(w);

    if (!json_is_integer(w) || i < 0 || (size_t) i >= run->plan->n_windows || !json_is_integer(until) || json_integer_value(until) <= 0)
        return tg_fail(e, TG_E_DATA, "window %lld of %zu, until %lld", (long long) i, run->plan->n_windows, (long long) json_integer_value(until));
    if (!says || strcmp(says, run->plan->windows[i].name) != 0)
        return tg_fail(e, TG_E_DATA, "window %lld is %s in the plan, \"%s\" in the journal", (long long) i, run->plan->windows[i].name, says ? says : "");
    out->domain = (size_t) i;
    return 0;
}

static int read_event(const struct tg_run *run, const json_t *o, const char *word, struct tg_run_event *out, struct tg_error *e)
{
    int kind = find_name(word, event_name, TG_EV_EXTERNAL);
    const char *outcome = json_string_value(json_object_get(o, "outcome"));

    if (kind < 0)
        return tg_fail(e, TG_E_DATA, "event \"%.40s\" is not known", word);
    *out = (struct tg_run_event) {.kind = (enum tg_run_event_kind) kind,
                                  .at_ms = json_integer_value(json_object_get(o, "at")),
                                  .changed = (int) json_integer_value(json_object_get(o, "changed")),
                                  .epoch = json_integer_value(json_object_get(o, "epoch")),
                                  .cause = (enum tg_run_cause) json_integer_value(json_object_get(o, "cause")),
                                  .until_ms = json_integer_value(json_object_get(o, "until")),
                                  .date = json_integer_value(json_object_get(o, "date")),
                                  .text = json_string_value(json_object_get(o, "text")),
                                  .lock = json_string_value(json_object_get(o, "lock")),
                                  .step = (int) json_integer_value(json_object_get(o, "step")),
                                  .ours = json_is_true(json_object_get(o, "ours")),
                                  .vouched = json_is_true(json_object_get(o, "vouched")),
                                  .record = json_string_value(json_object_get(o, "record")),
                                  .by = json_string_value(json_object_get(o, "by"))};
    if (out->record && strlen(out->record) >= TG_AROUND_RECORD_SIZE)
        return tg_fail(e, TG_E_DATA, "\"%s\" with a record of %zu bytes", word, strlen(out->record));
    if (out->kind == TG_EV_HOLD && ((int) out->cause <= 0 || (int) out->cause > TG_CAUSES))
        return tg_fail(e, TG_E_DATA, "\"%s\" without a cause", word);
    if (has_outcome(out->kind) && !outcome)
        return tg_fail(e, TG_E_DATA, "\"%s\" without an outcome", word);
    int rc = outcome ? tg_outcome_parse(outcome, &out->outcome) : 0;
    if (rc)
        return rc;
    rc = read_host(run, o, &out->host, e);
    if (!rc && tg_run_event_subject(out->kind) == TG_OF_DOMAIN)
        rc = read_domain(run, o, out, e);
    if (!rc && tg_run_event_subject(out->kind) == TG_OF_WINDOW)
        rc = read_window(run, o, out, e);
    return rc ? rc : read_stage(run, o, &out->stage, e);
}

static int read_action(const struct tg_run *run, const json_t *o, const char *word, struct tg_run_action *out, struct tg_error *e)
{
    int kind = find_name(word, action_name, TG_DO_COUNT);

    if (kind <= TG_DO_NOTHING)
        return tg_fail(e, TG_E_DATA, "action \"%.40s\" is not known", word);
    *out = (struct tg_run_action) {.kind = (enum tg_run_action_kind) kind,
                                   .attempt = (int) json_integer_value(json_object_get(o, "attempt")),
                                   .step = (int) json_integer_value(json_object_get(o, "step")),
                                   .until_ms = json_integer_value(json_object_get(o, "until"))};
    int rc = read_host(run, o, &out->host, e);
    return rc ? rc : read_stage(run, o, &out->stage, e);
}

int tg_run_line_from_json(const struct tg_run *run, const json_t *o, int64_t n, bool *out_is_event, struct tg_run_event *out_event,
                          struct tg_run_action *out_action, struct tg_error *e)
{
    const char *ev = json_string_value(json_object_get(o, "ev"));
    const char *act = json_string_value(json_object_get(o, "do"));
    const json_t *number = json_object_get(o, "n"), *at = json_object_get(o, "at");

    if (!json_is_integer(number) || json_integer_value(number) != n)
        return tg_fail(e, TG_E_DATA, "line %lld stands where line %lld should", (long long) json_integer_value(number), (long long) n);
    if (!json_is_integer(at) || json_integer_value(at) < 0)
        return tg_fail(e, TG_E_DATA, "it has no time");
    if (!ev == !act)
        return tg_fail(e, TG_E_DATA, "it is neither an event nor an action");
    *out_is_event = ev != NULL;
    return ev ? read_event(run, o, ev, out_event, e) : read_action(run, o, act, out_action, e);
}

/* ---- replay ---- */

static int compare(struct tg_replay *r, const struct tg_run_action *has, struct tg_error *e)
{
    if (r->compared == r->wanted.n)
        return tg_fail(e, TG_E_DATA, "it says \"%s\", and nothing before it leads to that", tg_run_action_name(has->kind));
    const struct tg_run_action *wants = &r->wanted.items[r->compared++];
    if (has->kind != wants->kind || has->host != wants->host || has->stage != wants->stage || has->step != wants->step)
        return tg_fail(e, TG_E_DATA, "it says \"%s\" of %s where \"%s\" of %s follows from what is before it", tg_run_action_name(has->kind),
                       has->host == TG_RUN_NONE ? "the run" : r->run->plan->hosts[has->host].name, tg_run_action_name(wants->kind),
                       wants->host == TG_RUN_NONE ? "the run" : r->run->plan->hosts[wants->host].name);
    return 0;
}

int tg_replay_line(struct tg_replay *r, const json_t *line, struct tg_error *e)
{
    struct tg_run_event ev = {0};
    struct tg_run_action action = {0};
    bool is_event = false;
    int rc = tg_run_line_from_json(r->run, line, r->lines + 1, &is_event, &ev, &action, e);

    if (!rc && is_event && ev.at_ms < r->run->last_ms)
        rc = tg_fail(e, TG_E_DATA, "time goes back by %lld ms", (long long) (r->run->last_ms - ev.at_ms));
    /* Only a driver that died between two writes leaves intents out. */
    if (!rc && is_event && ev.kind != TG_EV_RESUME && ev.kind != TG_EV_SEATED && r->compared != r->wanted.n)
        rc = tg_fail(e, TG_E_DATA, "the intent to \"%s\" that must stand here is missing", tg_run_action_name(r->wanted.items[r->compared].kind));
    if (!rc && is_event) {
        r->wanted.n = r->compared = 0;
        rc = tg_run_step(r->run, &ev, &r->wanted, e);
    } else if (!rc) {
        rc = compare(r, &action, e);
    }
    if (rc) {
        tg_error_prefix(e, "journal line %lld", (long long) r->lines + 1);
        return rc;
    }
    r->lines++;
    return 0;
}

void tg_replay_release(struct tg_replay *r)
{
    tg_run_actions_release(&r->wanted);
}
