/* Reading a rollout: hours of work, and what of a stage counts in days of them. See rollout.h. */
#include "engine/rollout_internal.h"

#include <stdio.h>
#include <string.h>

#define AT_MOST_MIN_MS 1000

enum hours_key { DAYS, FROM, UNTIL, ZONE };
static const struct tg_yaml_key hours_keys[] = {
    [DAYS] = {.name = "days", .required = true}, [FROM] = {.name = "from", .required = true}, [UNTIL] = {.name = "until", .required = true},
    [ZONE] = {.name = "zone"},                   {.name = NULL},
};
#define N_HOURS_KEYS (sizeof hours_keys / sizeof hours_keys[0] - 1)

static void read_days(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, unsigned *out)
{
    unsigned days = 0, all = 0;
    size_t n;

    if (!tg_yaml_strings(node, "days", reader->p, &n))
        return;
    for (size_t i = 0; i < n; i++) {
        const struct tg_yaml_node *item = tg_yaml_item(node, i);
        if (tg_hours_days_parse(item->text, strlen(item->text), &days))
            all |= days;
        else
            tg_error_hint(tg_yaml_problem(reader->p, item, "days must be days of the week, and is \"%.60s\"", item->text), "such as Mon-Thu, or [Mon, Wed]");
    }
    if (n == 0)
        tg_yaml_problem(reader->p, node, "days names no day");
    *out = all;
}

static bool read_time(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, int *out)
{
    const char *text;

    if (!tg_yaml_string(node, what, reader->p, &text))
        return false;
    if (tg_hours_time_parse(text, out))
        return true;
    tg_error_hint(tg_yaml_problem(reader->p, node, "%s must be a time of the day, and is \"%.40s\"", what, text), "such as 09:00");
    return false;
}

static void read_zone(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_hours *h)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_zone zone;
    const char *text = "UTC";

    if (node && !tg_yaml_string(node, "zone", reader->p, &text))
        return;
    if (tg_zone_find(text, &zone, &why))
        tg_error_hint(tg_yaml_problem(reader->p, node, "zone: %s", why.message), "%s", why.hint);
    else
        snprintf(h->zone, sizeof h->zone, "%s", text);
}

void tg_rollout_read_hours(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    const struct tg_yaml_node *values[N_HOURS_KEYS];
    struct tg_hours *h = &reader->r->hours;

    if (!node)
        return;
    tg_yaml_fields(node, "hours", hours_keys, reader->p, values);
    read_days(reader, values[DAYS], &h->days);
    bool from = read_time(reader, values[FROM], "from", &h->from_min), until = read_time(reader, values[UNTIL], "until", &h->until_min);
    if (from && h->from_min == 1440)
        tg_yaml_problem(reader->p, values[FROM], "from must be before 24:00");
    else if (until && h->until_min == 0)
        tg_error_hint(tg_yaml_problem(reader->p, values[UNTIL], "until is 00:00"), "24:00 is the end of the day");
    else if (from && until && h->from_min == h->until_min)
        tg_error_hint(tg_yaml_problem(reader->p, values[UNTIL], "until is the same as from"), "the whole day is from 00:00 until 24:00");
    read_zone(reader, values[ZONE], h);
}

/* "day", "window", or {over: day, at-most: 10m}. */
void tg_rollout_read_spread(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_stage_spec *s)
{
    static const struct tg_yaml_key keys[] = {{.name = "over", .required = true}, {.name = "at-most"}, {.name = NULL}};
    static const char *const overs[] = {"day", "window", NULL};
    const struct tg_yaml_node *values[2] = {node, NULL};
    size_t over;

    if (!node)
        return;
    if (node->kind == TG_YAML_MAP)
        tg_yaml_fields(node, "spread", keys, reader->p, values);
    if (tg_yaml_choice(values[0], node->kind == TG_YAML_MAP ? "over" : "spread", overs, reader->p, &over)) {
        s->over_window = over == 1;
        s->spread_ms = over == 1 ? 0 : TG_SPREAD_MAX_MS;
    }
    if (s->over_window && values[1]) {
        tg_error_hint(tg_yaml_problem(reader->p, values[1], "at-most is of days: over a window each host has its own moment"), "leave it out");
        return;
    }
    tg_yaml_duration(values[1], "at-most", AT_MOST_MIN_MS, TG_SPREAD_MAX_MS, reader->p, &s->spread_ms);
}

/* Days count the run's days of work, which only hours define; and they don't fall. */
void tg_rollout_check_days(struct tg_rollout_reader *reader)
{
    const struct tg_rollout *r = reader->r;
    int64_t before = 0;

    for (size_t i = 0; i < r->n_stages; i++) {
        const struct tg_stage_spec *s = &r->stages[i];
        const struct tg_yaml_node *day = tg_yaml_get(s->at, "day"), *spread = tg_yaml_get(s->at, "spread");
        if (s->over_window && r->windows == TG_WINDOWS_IGNORE)
            tg_error_hint(tg_yaml_problem(reader->p, spread, "spread over windows, and windows are ignored"), "windows: honour, or no spread");
        spread = s->over_window ? NULL : spread;
        if (!r->hours.days && (day || spread))
            tg_error_hint(tg_yaml_problem(reader->p, day ? day : spread, "\"%s\" needs hours", day ? "day" : "spread"),
                          "say when there is work, such as hours: {days: Mon-Thu, from: \"09:00\", until: \"16:00\"}");
        if (day && s->day && s->day < before)
            tg_error_hint(tg_yaml_problem(reader->p, day, "day falls: %lld here, %lld before", (long long) s->day, (long long) before),
                          "stages follow each other, so that it can only grow");
        before = s->day > before ? s->day : before;
    }
}

void tg_rollout_read_day(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_stage_spec *s)
{
    tg_yaml_int(node, "day", 1, TG_DAY_MAX, reader->p, &s->day);
}
