/* Reading a calendar: the times of a window or a blackout, in one of five forms. See calendar.h. */
#include "calendar/local.h"
#include "calendar/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 10000 /* except, also: a daily one for 27 years */

/* Which keys belong to which form; the first key of each is the one that says so. */
static const struct form {
    enum tg_when_key key;
    unsigned with; /* bits of the keys that may stand with it */
} forms[] = {
    {TG_WHEN_HOURS, 1U << TG_WHEN_EXCEPT},
    {TG_WHEN_DAYS, 1U << TG_WHEN_FROM | 1U << TG_WHEN_UNTIL | 1U << TG_WHEN_EXCEPT},
    {TG_WHEN_START, 1U << TG_WHEN_END | 1U << TG_WHEN_DURATION | 1U << TG_WHEN_UNTIL | 1U << TG_WHEN_RULE | 1U << TG_WHEN_EXCEPT | 1U << TG_WHEN_ALSO},
    {TG_WHEN_FIRST, 1U << TG_WHEN_LAST | 1U << TG_WHEN_RULE | 1U << TG_WHEN_EXCEPT},
    {TG_WHEN_ICS, 0},
};
#define N_FORMS (sizeof forms / sizeof forms[0])
static const char *const key_names[] = {"for", "zone", "cut-off", "lead", "hours", "days", "from", "until", "start", "end",
                                        "duration", "rule", "except", "also", "first", "last", "ics"};

static const struct form *form_of(struct tg_calendar_reader *r, const struct tg_yaml_node *map, const char *what, const struct tg_yaml_node *const *values)
{
    const struct form *form = NULL;

    for (size_t i = 0; i < N_FORMS; i++) {
        if (!values[forms[i].key])
            continue;
        if (form) {
            tg_error_hint(tg_yaml_problem(r->p, values[forms[i].key], "%s has both %s and %s", what, key_names[form->key], key_names[forms[i].key]),
                          "make two of it");
            return NULL;
        }
        form = &forms[i];
    }
    if (!form)
        tg_error_hint(tg_yaml_problem(r->p, map, "%s has no times", what),
                      "hours: \"Mon-Fri 09:00-17:00\", days with from and until, start with duration, first with last, or ics: FILE");
    for (int k = TG_WHEN_HOURS; form && k < TG_WHEN_KEYS; k++)
        if (values[k] && k != (int) form->key && !(form->with & 1U << k)) {
            tg_yaml_problem(r->p, values[k], "%s does not go with %s", key_names[k], key_names[form->key]);
            return NULL;
        }
    return form;
}

/* A new pattern with its place and zone. NULL in *out when the zone is a mistake. */
static int begin(struct tg_calendar_reader *r, const struct tg_yaml_node *at, const struct tg_yaml_node *zone, struct tg_rule *rule, struct tg_when **out,
                 struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_when *when;
    const char *name = r->calendar->zone;
    int rc = tg_rule_room(rule, &when, e);

    *out = NULL;
    if (rc || (zone && !tg_yaml_string(zone, "zone", r->p, &name)))
        return rc;
    when->line = at->line;
    when->column = at->column;
    if (tg_when_zone(when, name, &why))
        tg_error_hint(tg_yaml_problem(r->p, zone ? zone : at, "zone: %s", why.message), "%s", why.hint);
    else
        *out = when;
    return 0;
}

static int take_hours(struct tg_calendar_reader *r, const struct tg_yaml_node *node, const struct tg_yaml_node *zone, struct tg_rule *rule, struct tg_error *e)
{
    size_t n;
    int rc = 0;

    if (!tg_yaml_strings(node, "hours", r->p, &n))
        return 0;
    if (!n)
        tg_yaml_problem(r->p, node, "hours names none");
    for (size_t i = 0; !rc && i < n; i++) {
        const struct tg_yaml_node *item = tg_yaml_item(node, i);
        struct tg_error why = TG_ERROR_INIT;
        struct tg_when *when;
        if ((rc = begin(r, item, zone, rule, &when, e)) || !when)
            continue;
        when->by_hours = true;
        if (tg_hours_parse(item->text, when->zone_name, &when->hours, &why) || tg_when_zone(when, when->hours.zone, &why))
            tg_error_hint(tg_yaml_problem_inside(r->p, item, why.column, "hours: %s", why.message), "%s", why.hint);
    }
    return rc;
}

static bool take_time(struct tg_calendar_reader *r, const struct tg_yaml_node *node, const char *what, int *out)
{
    const char *text;

    if (!tg_yaml_string(node, what, r->p, &text))
        return false;
    if (tg_hours_time_parse(text, out))
        return true;
    tg_error_hint(tg_yaml_problem(r->p, node, "%s must be a time of the day, and is \"%.40s\"", what, text), "such as \"09:00\"");
    return false;
}

static int take_days(struct tg_calendar_reader *r, const struct tg_yaml_node *map, const char *what, const struct tg_yaml_node *const *values,
                     struct tg_rule *rule, struct tg_error *e)
{
    struct tg_when *when;
    size_t n = 0;
    int rc = begin(r, values[TG_WHEN_DAYS], values[TG_WHEN_ZONE], rule, &when, e);

    if (rc || !when || !tg_yaml_strings(values[TG_WHEN_DAYS], "days", r->p, &n))
        return rc;
    when->by_hours = true;
    memcpy(when->hours.zone, when->zone_name, sizeof when->hours.zone);
    for (size_t i = 0; i < n; i++) {
        const struct tg_yaml_node *item = tg_yaml_item(values[TG_WHEN_DAYS], i);
        unsigned days = 0;
        if (!tg_hours_days_parse(item->text, strlen(item->text), &days))
            tg_error_hint(tg_yaml_problem(r->p, item, "days must be days of the week, and is \"%.60s\"", item->text), "such as Mon-Thu, or [Mon, Wed]");
        when->hours.days |= days;
    }
    if (!n)
        tg_yaml_problem(r->p, values[TG_WHEN_DAYS], "days names no day");
    if (!values[TG_WHEN_FROM] || !values[TG_WHEN_UNTIL])
        tg_yaml_problem(r->p, map, "%s lacks %s, which days needs", what, values[TG_WHEN_FROM] ? "until" : "from");
    bool from = take_time(r, values[TG_WHEN_FROM], "from", &when->hours.from_min), until = take_time(r, values[TG_WHEN_UNTIL], "until", &when->hours.until_min);
    const char *wrong = from && until ? tg_hours_wrong(when->hours.from_min, when->hours.until_min) : NULL;
    if (wrong)
        tg_yaml_problem(r->p, values[TG_WHEN_UNTIL], "%s", wrong);
    return 0;
}

enum want { DATE, DATE_AND_TIME, EITHER };

static bool take_local(struct tg_calendar_reader *r, const struct tg_yaml_node *node, const char *what, enum want want, int64_t *out, bool *out_time)
{
    const char *text;
    bool has_time;

    if (!tg_yaml_string(node, what, r->p, &text))
        return false;
    if (!tg_local_parse(text, out, &has_time) || (want != EITHER && has_time != (want == DATE_AND_TIME))) {
        tg_error_hint(tg_yaml_problem(r->p, node, "%s must be a %s, and is \"%.60s\"", what, want == DATE ? "date" : "date and a time", text),
                      want == DATE ? "such as 2026-12-24; the zone is a key of its own" : "such as 2026-12-24 22:00; the zone is a key of its own");
        return false;
    }
    if (out_time)
        *out_time = has_time;
    return true;
}

static int take_except(struct tg_calendar_reader *r, const struct tg_yaml_node *node, bool dates_only, struct tg_when *when, struct tg_error *e)
{
    size_t n;

    if (!node || !tg_yaml_strings(node, "except", r->p, &n) || !n)
        return 0;
    if (n > LIST_MAX)
        return tg_yaml_problem(r->p, node, "except has more than %d dates", LIST_MAX), 0;
    if (!(when->except = calloc(n, sizeof *when->except)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct tg_when_except *x = &when->except[when->n_except];
        bool has_time;
        if (!take_local(r, tg_yaml_item(node, i), "except", dates_only ? DATE : EITHER, &x->local_s, &has_time))
            continue;
        x->day = !has_time;
        when->n_except++;
    }
    tg_when_sort(when);
    return 0;
}

static int take_also(struct tg_calendar_reader *r, const struct tg_yaml_node *node, struct tg_when *when, struct tg_error *e)
{
    size_t n;

    if (!node || !tg_yaml_strings(node, "also", r->p, &n) || !n)
        return 0;
    if (n > LIST_MAX)
        return tg_yaml_problem(r->p, node, "also has more than %d dates", LIST_MAX), 0;
    if (!(when->also = calloc(n, sizeof *when->also)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++)
        when->n_also += take_local(r, tg_yaml_item(node, i), "also", DATE_AND_TIME, &when->also[when->n_also], NULL);
    tg_when_sort(when);
    return 0;
}

/* The rule, once start and length are known. */
static int take_recurrence(struct tg_calendar_reader *r, const struct tg_yaml_node *node, const struct tg_yaml_node *at, struct tg_when *when, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    const char *text;
    int rc = 0;

    if (node && tg_yaml_string(node, "rule", r->p, &text) && (rc = tg_when_recur(when, text, &why))) {
        r->never += strcmp(why.message, "never comes") == 0;
        if (rc == TG_E_DATA)
            tg_error_hint(tg_yaml_problem(r->p, node, "rule: %s", why.message), "%s", why.hint);
        return rc == TG_E_DATA ? 0 : tg_fail(e, rc, "%s", why.message);
    }
    if (tg_when_check_length(when, &why))
        tg_yaml_problem(r->p, at, "%s", why.message);
    return 0;
}

/* end, duration or until: exactly one says how long it is. */
static const struct tg_yaml_node *take_length(struct tg_calendar_reader *r, const struct tg_yaml_node *map, const char *what,
                                              const struct tg_yaml_node *const *values, struct tg_when *when)
{
    const struct tg_yaml_node *end = values[TG_WHEN_END], *duration = values[TG_WHEN_DURATION], *until = values[TG_WHEN_UNTIL];
    int64_t s = 0;
    int minutes;

    if (!end + !duration + !until != 2) {
        tg_error_hint(tg_yaml_problem(r->p, map, "%s must have one of duration, until and end", what),
                      "duration: 6h is time that passes; until: \"04:00\" is what clocks show, whatever happens to them in between");
        return NULL;
    }
    if (duration && tg_yaml_duration(duration, "duration", 1000, 0, r->p, &s)) {
        when->exact_s = s / 1000;
        return duration;
    }
    if (until && take_time(r, until, "until", &minutes)) {
        int64_t from = when->start_local_s % TG_DAY_S;
        when->clock_s = minutes * 60 - from + (minutes * 60 <= from ? TG_DAY_S : 0);
        return until;
    }
    if (end && (values[TG_WHEN_RULE] || values[TG_WHEN_ALSO])) {
        tg_error_hint(tg_yaml_problem(r->p, end, "what comes more than once has no end"), "say how long each is: duration or until");
        return NULL;
    }
    if (end && take_local(r, end, "end", DATE_AND_TIME, &s, NULL)) {
        when->clock_s = s - when->start_local_s;
        return end;
    }
    return NULL;
}

static int take_start(struct tg_calendar_reader *r, const struct tg_yaml_node *map, const char *what, const struct tg_yaml_node *const *values,
                      struct tg_rule *rule, struct tg_error *e)
{
    struct tg_when *when;
    int rc = begin(r, values[TG_WHEN_START], values[TG_WHEN_ZONE], rule, &when, e);

    if (rc || !when || !take_local(r, values[TG_WHEN_START], "start", DATE_AND_TIME, &when->start_local_s, NULL))
        return rc;
    const struct tg_yaml_node *length = take_length(r, map, what, values, when);
    if (!length || (rc = take_except(r, values[TG_WHEN_EXCEPT], false, when, e)) || (rc = take_also(r, values[TG_WHEN_ALSO], when, e)))
        return rc;
    return take_recurrence(r, values[TG_WHEN_RULE], length, when, e);
}

/* Whole days, the last one included. */
static int take_first(struct tg_calendar_reader *r, const struct tg_yaml_node *const *values, struct tg_rule *rule, struct tg_error *e)
{
    const struct tg_yaml_node *last_node = values[TG_WHEN_LAST];
    struct tg_when *when;
    int rc = begin(r, values[TG_WHEN_FIRST], values[TG_WHEN_ZONE], rule, &when, e);

    if (rc || !when || !take_local(r, values[TG_WHEN_FIRST], "first", DATE, &when->start_local_s, NULL))
        return rc;
    int64_t last = when->start_local_s;
    if (last_node && !take_local(r, last_node, "last", DATE, &last, NULL))
        return 0;
    when->clock_s = last + TG_DAY_S - when->start_local_s;
    if ((rc = take_except(r, values[TG_WHEN_EXCEPT], true, when, e)))
        return rc;
    return take_recurrence(r, values[TG_WHEN_RULE], last_node ? last_node : values[TG_WHEN_FIRST], when, e);
}

/* A file beside the calendar's; its own mistakes are at its own lines. */
static int take_ics(struct tg_calendar_reader *r, const struct tg_yaml_node *node, const struct tg_yaml_node *zone, struct tg_rule *rule, struct tg_error *e)
{
    const char *file = tg_yaml_name(node->doc), *slash = strrchr(file, '/'), *name = r->calendar->zone;
    struct tg_when when = {0};
    size_t n;
    int rc = 0;

    if (!tg_yaml_strings(node, "ics", r->p, &n) || (zone && !tg_yaml_string(zone, "zone", r->p, &name)))
        return 0;
    if (!n)
        tg_yaml_problem(r->p, node, "ics names no file");
    if (tg_when_zone(&when, name, &(struct tg_error) TG_ERROR_INIT))
        return tg_yaml_problem(r->p, zone ? zone : node, "there is no time zone \"%.60s\"", name), 0;
    for (size_t i = 0; !rc && i < n; i++) {
        const struct tg_yaml_node *item = tg_yaml_item(node, i);
        struct tg_error why = TG_ERROR_INIT;
        struct tg_buf path = TG_BUF_INIT;
        if (item->text[0] != '/' && slash)
            tg_buf_printf(&path, "%.*s/", (int) (slash - file), file);
        tg_buf_puts(&path, item->text);
        rc = tg_buf_ok(&path, e);
        if (!rc)
            rc = tg_calendar_note_file(r->calendar, tg_buf_text(&path), e);
        int bad = rc ? 0 : tg_ics_load(tg_buf_text(&path), name, r->p, rule, &why);
        if (bad == TG_E_CONFIG)
            tg_error_hint(tg_yaml_problem(r->p, item, "%s", why.message), "%s", why.hint);
        else if (bad && bad != TG_E_DATA)
            rc = tg_fail(e, bad, "%s", why.message);
        tg_buf_release(&path);
    }
    return rc;
}

int tg_calendar_take_when(struct tg_calendar_reader *r, const struct tg_yaml_node *map, const char *what, const struct tg_yaml_node *const *values,
                          struct tg_rule *rule, struct tg_error *e)
{
    const struct form *form = form_of(r, map, what, values);
    int rc = 0;

    if (!form)
        return 0;
    if (form->key == TG_WHEN_HOURS)
        rc = take_hours(r, values[TG_WHEN_HOURS], values[TG_WHEN_ZONE], rule, e);
    else if (form->key == TG_WHEN_DAYS)
        rc = take_days(r, map, what, values, rule, e);
    else if (form->key == TG_WHEN_START)
        return take_start(r, map, what, values, rule, e);
    else if (form->key == TG_WHEN_FIRST)
        return take_first(r, values, rule, e);
    else
        return take_ics(r, values[TG_WHEN_ICS], values[TG_WHEN_ZONE], rule, e);
    for (size_t i = 0; !rc && i < rule->n_when; i++)
        rc = take_except(r, values[TG_WHEN_EXCEPT], true, &rule->when[i], e);
    return rc;
}
