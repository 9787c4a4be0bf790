/*
 * Reading a rollout: presets of stages. Each is written out here into the stages that a file could have as well, and that tagout plan --stages
 * prints: nothing behind this knows of presets.
 */
#include "engine/rollout_internal.h"

#include "base/nearest.h"

#include <stdio.h>
#include <string.h>

#define BAKE_MS 600000     /* long enough for a check that runs every five minutes to have seen the change */
#define BATCH_MIN 1000     /* 1 %: what is finer is a rate */
#define WHOLE 100000       /* 100 % */
#define RISK_MAX 32

struct expansion {
    struct tg_rollout_reader *reader;
    const struct tg_yaml_node *at;
};

/* Appends a stage; NULL when memory is short, or there are too many. */
static struct tg_stage_spec *add(struct expansion *x, const char *name)
{
    struct tg_rollout *r = x->reader->r;

    if (x->reader->rc || r->n_stages == TG_PRESET_STAGES_MAX)
        return NULL;
    struct tg_stage_spec *s = &r->stages[r->n_stages++];
    *s = (struct tg_stage_spec) {.count = -1, .line = x->at->line, .column = x->at->column, .at = x->at};
    tg_rollout_copy(x->reader, name, &s->name);
    return s;
}

static struct tg_stage_spec *add_until(struct expansion *x, const char *name, int64_t share, int64_t bake_ms)
{
    struct tg_stage_spec *s = add(x, name);

    if (!s)
        return NULL;
    s->until = (struct tg_share) {TG_SHARE_PERCENT, share};
    s->until_at = x->at;
    s->bake_ms = bake_ms;
    return s;
}

static int64_t bake_of(const struct expansion *x, const struct tg_yaml_node *node, int64_t usual_ms)
{
    tg_yaml_duration(node, "bake", 0, TG_BAKE_MAX_MS, x->reader->p, &usual_ms);
    return usual_ms;
}

/* A percentage: how many hosts a preset will meet is not known yet. */
static int64_t percent_of(const struct expansion *x, const struct tg_yaml_node *node, const char *what, int64_t least, int64_t usual)
{
    struct tg_share share;

    if (!tg_yaml_share(node, what, x->reader->p, &share))
        return usual;
    if (share.kind == TG_SHARE_PERCENT && share.value >= least && share.value <= WHOLE)
        return share.value;
    tg_yaml_problem(x->reader->p, node, "%s must be a percentage%s, and is \"%.40s\"", what, least >= BATCH_MIN ? " of at least 1%" : " above 0", node->text);
    return usual;
}

/* ---- rolling: all of them through one window, or in batches ---- */

enum { ROLLING_BATCH, ROLLING_BAKE, ROLLING_RATE };
static const struct tg_yaml_key rolling_keys[] = {{.name = "batch"}, {.name = "bake"}, {.name = "rate"}, {.name = NULL}};

static void rolling(struct expansion *x, const struct tg_yaml_node *const *values)
{
    int64_t batch = percent_of(x, values[ROLLING_BATCH], "batch", BATCH_MIN, WHOLE), bake = bake_of(x, values[ROLLING_BAKE], 0);
    struct tg_rate rate = {0, 0};
    char name[32];

    tg_yaml_rate(values[ROLLING_RATE], "rate", x->reader->p, &rate);
    for (int64_t done = 0, n = 1; done < WHOLE; n++) {
        done = done + batch < WHOLE ? done + batch : WHOLE;
        snprintf(name, sizeof name, "batch-%d", (int) n);
        struct tg_stage_spec *s = add_until(x, batch == WHOLE ? "all" : name, done, bake);
        if (!s)
            return;
        s->rate = rate;
    }
}

/* ---- one, some, many ---- */

enum { SOME_SOME, SOME_BAKE };
static const struct tg_yaml_key some_keys[] = {{.name = "some"}, {.name = "bake"}, {.name = NULL}};

static void one_some_many(struct expansion *x, const struct tg_yaml_node *const *values)
{
    int64_t some = percent_of(x, values[SOME_SOME], "some", 1, WHOLE / 10), bake = bake_of(x, values[SOME_BAKE], BAKE_MS);
    struct tg_stage_spec *one = add(x, "one");

    if (one) {
        one->count = 1;
        one->bake_ms = bake;
    }
    add_until(x, "some", some, bake);
    add_until(x, "many", WHOLE, 0);
}

/* ---- canary: one host; one a minute up to 1 %; one a second to the end ---- */

enum { CANARY_UNTIL, CANARY_BAKE };
static const struct tg_yaml_key canary_keys[] = {{.name = "until"}, {.name = "bake"}, {.name = NULL}};

static void canary(struct expansion *x, const struct tg_yaml_node *const *values)
{
    int64_t until = percent_of(x, values[CANARY_UNTIL], "until", 1, WHOLE / 100), bake = bake_of(x, values[CANARY_BAKE], BAKE_MS);
    struct tg_stage_spec *one = add(x, "canary");

    if (one) {
        one->count = 1;
        one->bake_ms = bake;
    }
    struct tg_stage_spec *slow = add_until(x, "slow", until, bake), *fast = add_until(x, "fast", WHOLE, 0);
    if (slow)
        slow->rate = (struct tg_rate) {1, 60000};
    if (fast)
        fast->rate = (struct tg_rate) {1, 1000};
}

/* ---- risk: who bears most goes first, who says nothing goes last ---- */

enum { RISK_ATTR, RISK_ORDER, RISK_BAKE };
static const struct tg_yaml_key risk_keys[] = {{.name = "attr", .required = true}, {.name = "order", .required = true}, {.name = "bake"}, {.name = NULL}};
#define RISK_LAST "others"

static void add_risk(struct expansion *x, const char *attr, const struct tg_yaml_node *attr_at, const struct tg_yaml_node *at, int64_t bake)
{
    char selector[256];
    const char *value;

    if (!tg_rollout_word(x->reader, at, "a value of order", &value))
        return;
    for (size_t i = 0; i < x->reader->r->n_stages; i++)
        if (x->reader->r->stages[i].name && strcmp(x->reader->r->stages[i].name, value) == 0) {
            tg_yaml_problem(x->reader->p, at, "order has \"%s\" twice", value);
            return;
        }
    if (strcmp(value, RISK_LAST) == 0) {
        tg_error_hint(tg_yaml_problem(x->reader->p, at, "order has \"" RISK_LAST "\", which is the stage of all that it does not name"), "leave it out: they come last");
        return;
    }
    struct tg_stage_spec *s = add(x, value);
    if (!s)
        return;
    snprintf(selector, sizeof selector, "%s=%s", attr, value);
    tg_rollout_copy(x->reader, selector, &s->targets);
    s->targets_at = attr_at; /* no host may have it: that shows only later */
    s->optional = true;
    s->bake_ms = bake;
}

static void risk(struct expansion *x, const struct tg_yaml_node *const *values)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const struct tg_yaml_node *order = values[RISK_ORDER];
    int64_t bake = bake_of(x, values[RISK_BAKE], BAKE_MS);
    const char *attr = NULL;
    size_t n;

    if (tg_yaml_string(values[RISK_ATTR], "attr", x->reader->p, &attr) && (attr[strspn(attr, allowed)] || strlen(attr) > 63))
        tg_yaml_problem(x->reader->p, values[RISK_ATTR], "attr must be an attribute of hosts, and is \"%.80s\"", attr);
    if (!attr || !tg_yaml_strings(order, "order", x->reader->p, &n))
        return;
    if (n == 0 || n > RISK_MAX) {
        tg_error_hint(tg_yaml_problem(x->reader->p, order, "order must have 1 to %d values, and has %zu", RISK_MAX, n), "such as [high, medium, low]");
        return;
    }
    for (size_t i = 0; i < n; i++)
        add_risk(x, attr, values[RISK_ATTR], tg_yaml_item(order, i), bake);
    struct tg_stage_spec *last = add(x, RISK_LAST);
    if (last)
        last->optional = true;
}

/* ---- shards: more of the hundred each day, in hours of work ---- */

enum { SHARDS_DAYS, SHARDS_AT_MOST };
static const struct tg_yaml_key shards_keys[] = {{.name = "days"}, {.name = "at-most"}, {.name = NULL}};
#define SHARDS_DAYS_MAX 60
#define SHARDS_AT_MOST_MS 600000

static void add_day(struct expansion *x, int64_t day, int64_t from, int64_t until, int64_t at_most)
{
    char name[32], selector[64];

    snprintf(name, sizeof name, "day-%d", (int) day);
    struct tg_stage_spec *s = add(x, name);
    if (!s)
        return;
    if (until - from > 1)
        snprintf(selector, sizeof selector, "shard:%d-%d", (int) from, (int) until - 1);
    else
        snprintf(selector, sizeof selector, "shard:%d", (int) from);
    tg_rollout_copy(x->reader, selector, &s->targets);
    s->targets_at = x->at;
    s->optional = true;
    s->day = day;
    s->spread_ms = at_most;
}

/* What is behind the last day's share belongs to no stage, which the plan tells. */
static void shards(struct expansion *x, const struct tg_yaml_node *const *values)
{
    static const int64_t usual[] = {1, 10, 25, 50, 90, 100};
    const struct tg_yaml_node *days = values[SHARDS_DAYS];
    struct tg_rollout *r = x->reader->r;
    int64_t at_most = SHARDS_AT_MOST_MS, before = 0;
    size_t n = sizeof usual / sizeof usual[0];

    tg_yaml_duration(values[SHARDS_AT_MOST], "at-most", 1000, TG_SPREAD_MAX_MS, x->reader->p, &at_most);
    if (days && !tg_yaml_strings(days, "days", x->reader->p, &n))
        return;
    if (n == 0 || n > SHARDS_DAYS_MAX)
        tg_error_hint(tg_yaml_problem(x->reader->p, days, "days must have 1 to %d shares, and has %zu", SHARDS_DAYS_MAX, n), "such as [1%%, 10%%, 50%%, 100%%]");
    for (size_t i = 0; i < n && n <= SHARDS_DAYS_MAX; i++) {
        const struct tg_yaml_node *at = days ? tg_yaml_item(days, i) : NULL;
        int64_t share = percent_of(x, at, "a share of days", BATCH_MIN, days ? 0 : usual[i] * 1000);
        if (share == 0)
            continue;
        if (share % 1000 || share / 1000 <= before) {
            tg_yaml_problem(x->reader->p, at, "shares of days must be whole percentages that grow, and here is \"%.40s\"", at->text);
            continue;
        }
        add_day(x, (int64_t) i + 1, before, share / 1000, at_most);
        before = share / 1000;
    }
    if (!r->hours.days) {
        r->hours = (struct tg_hours) {.days = 15, .from_min = 9 * 60, .until_min = 16 * 60, .zone = "UTC"}; /* Monday to Thursday: nobody repairs on a weekend */
        r->hours_by_preset = true;
    }
}

/* ---- maintenance-week: each host in its slot, as the booked week and the calendar have it ---- */

enum { WEEK_BAKE };
static const struct tg_yaml_key week_keys[] = {{.name = "bake"}, {.name = NULL}};

/* The week's pattern says how few begin and how many follow; a site that has no windows must not become one great stage. */
static void maintenance_week(struct expansion *x, const struct tg_yaml_node *const *values)
{
    struct tg_rollout *r = x->reader->r;
    struct tg_stage_spec *week = add_until(x, "week", WHOLE, bake_of(x, values[WEEK_BAKE], 0));

    if (r->windows == TG_WINDOWS_IGNORE)
        tg_error_hint(tg_yaml_problem(x->reader->p, x->at, "a maintenance week is made of windows, and windows are ignored"), "windows: honour, or another preset");
    if (week && r->windows != TG_WINDOWS_IGNORE)
        week->over_window = true;
    if (r->windows == TG_WINDOWS_UNSAID) {
        r->windows = TG_WINDOWS_HONOUR;
        r->windows_by_preset = true;
    }
}

/* ---- which ---- */

static const struct preset {
    const char *name;
    const struct tg_yaml_key *keys;
    void (*expand)(struct expansion *x, const struct tg_yaml_node *const *values);
} presets[] = {
    {"rolling", rolling_keys, rolling},
    {"one-some-many", some_keys, one_some_many},
    {"canary", canary_keys, canary},
    {"shards", shards_keys, shards},
    {"risk", risk_keys, risk},
    {"maintenance-week", week_keys, maintenance_week},
};
#define N_PRESETS (sizeof presets / sizeof presets[0])
#define KEYS_MAX 8

static const char *preset_name(const void *data, size_t i)
{
    (void) data;
    return i < N_PRESETS ? presets[i].name : NULL;
}

static const struct preset *find(struct tg_rollout_reader *reader, const struct tg_yaml_node *at)
{
    for (size_t i = 0; i < N_PRESETS; i++)
        if (strcmp(presets[i].name, at->text) == 0)
            return &presets[i];
    const char *near = tg_nearest(at->text, preset_name, NULL);
    struct tg_error *e = tg_yaml_problem(reader->p, at, "there is no preset \"%.60s\" of stages", at->text);
    if (near)
        tg_error_hint(e, "did you mean \"%s\"?", near);
    else
        tg_error_hint(e, "there are rolling, one-some-many, canary, shards, risk and maintenance-week; or a list of stages, such as - {name: canary, count: 1}");
    return NULL;
}

bool tg_rollout_read_preset(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    const struct tg_yaml_node *values[KEYS_MAX] = {NULL}, *params = NULL, *name = node;
    struct expansion x = {.reader = reader, .at = node};

    if (tg_yaml_is_null(node) || (node->kind == TG_YAML_LIST))
        return false;
    if (node->kind == TG_YAML_MAP) {
        const struct tg_yaml_pair *pair = tg_yaml_single(node, "stages", reader->p);
        if (!pair)
            return true;
        name = pair->key;
        params = pair->value;
    }
    const struct preset *preset = find(reader, name);
    if (!preset)
        return true;
    if (tg_yaml_is_null(params)) {
        for (const struct tg_yaml_key *k = preset->keys; k->name; k++)
            if (k->required) {
                tg_yaml_problem(reader->p, name, "the preset \"%s\" has no \"%s\"", preset->name, k->name);
                return true;
            }
    } else {
        tg_yaml_fields(params, preset->name, preset->keys, reader->p, values);
    }
    reader->r->stages = tg_rollout_room(reader, TG_PRESET_STAGES_MAX, sizeof *reader->r->stages);
    if (reader->r->stages)
        preset->expand(&x, values);
    return true;
}
