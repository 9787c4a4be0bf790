/* Reading the pattern of a maintenance week: see pattern.h. */
#include "calendar/pattern.h"

#include "calendar/hours.h"
#include "fleet/build.h"
#include "fleet/selector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum key { WEEK, LOCATION, ZONE, LENGTH, BEGINS, SPREAD, FIRST, AT_ONCE, SLOTS };
static const struct tg_yaml_key keys[] = {
    [WEEK] = {.name = "week", .required = true},
    [LOCATION] = {.name = "location"},
    [ZONE] = {.name = "zone"},
    [LENGTH] = {.name = "length"},
    [BEGINS] = {.name = "begins"},
    [SPREAD] = {.name = "spread"},
    [FIRST] = {.name = "first"},
    [AT_ONCE] = {.name = "at-once"},
    [SLOTS] = {.name = "slots", .required = true},
    {.name = NULL},
};
#define N_KEYS (sizeof keys / sizeof keys[0] - 1)

enum slot_key { NAME, DAY, TIME, SLOT_LENGTH, SLOT_ZONE, ORDER, WHO };
static const struct tg_yaml_key slot_keys[] = {
    [NAME] = {.name = "name", .required = true},
    [DAY] = {.name = "day", .required = true},
    [TIME] = {.name = "time", .required = true},
    [SLOT_LENGTH] = {.name = "length"},
    [SLOT_ZONE] = {.name = "zone"},
    [ORDER] = {.name = "order"},
    [WHO] = {.name = "who", .required = true},
    {.name = NULL},
};
#define N_SLOT_KEYS (sizeof slot_keys / sizeof slot_keys[0] - 1)

enum take_key { HOSTS, TAKE, TAKE_FIRST };
static const struct tg_yaml_key take_keys[] = {
    [HOSTS] = {.name = "hosts", .required = true},
    [TAKE] = {.name = "take"},
    [TAKE_FIRST] = {.name = "first"},
    {.name = NULL},
};
#define N_TAKE_KEYS (sizeof take_keys / sizeof take_keys[0] - 1)

struct reader {
    struct tg_pattern *pattern;
    struct tg_problems *p;
    struct tg_error *e;
    const struct tg_yaml_node *first_at; /* of the whole */
    char *first;
    char zone[TG_ZONE_NAME_SIZE];
    int64_t length_ms; /* 0: none */
    int rc;            /* the first failure that is no mistake of the file */
};

static void copy(struct reader *r, const char *text, char **slot)
{
    *slot = strdup(text);
    if (!*slot)
        r->rc = tg_fail(r->e, TG_E_MEMORY, "out of memory");
}

static void *room(struct reader *r, size_t n, size_t size)
{
    void *got = calloc(n ? n : 1, size);

    if (!got)
        r->rc = tg_fail(r->e, TG_E_MEMORY, "out of memory");
    return got;
}

static void read_word(struct reader *r, const struct tg_yaml_node *node, const char *what, char **slot)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    const char *text;

    if (!tg_yaml_string(node, what, r->p, &text))
        return;
    if (text[0] != '-' && strlen(text) < TG_PATTERN_NAME_SIZE && !text[strspn(text, allowed)])
        copy(r, text, slot);
    else
        tg_yaml_problem(r->p, node, "%s must be a word of a-z, 0-9 and \"-\", at most %d, and is \"%.80s\"", what, TG_PATTERN_NAME_SIZE - 1, text);
}

/* The grammar; which hosts it means is asked when there is an inventory. */
static void read_selector(struct reader *r, const struct tg_yaml_node *node, const char *what, char **slot)
{
    struct tg_selector *selector = NULL;
    struct tg_error why = TG_ERROR_INIT;
    const char *text;

    if (!tg_yaml_string(node, what, r->p, &text))
        return;
    if (tg_selector_parse(text, &selector, &why))
        tg_error_hint(tg_yaml_problem_inside(r->p, node, why.column, "%s: %s", what, why.message), "%s", why.hint);
    else
        copy(r, text, slot);
    tg_selector_free(selector);
}

static void read_day(struct reader *r, const struct tg_yaml_node *node, const char *what, int *out)
{
    static const char *const full[7] = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};
    const char *text;

    if (!tg_yaml_string(node, what, r->p, &text))
        return;
    for (int i = 0; i < 7; i++)
        if (strcasecmp(text, full[i]) == 0 || (strlen(text) == 3 && strncasecmp(text, full[i], 3) == 0)) {
            *out = i;
            return;
        }
    tg_error_hint(tg_yaml_problem(r->p, node, "%s must be a day of the week, and is \"%.40s\"", what, text), "such as mon; for two days write two slots");
}

static void read_time(struct reader *r, const struct tg_yaml_node *node, int *out)
{
    const char *text;
    int min;

    if (!tg_yaml_string(node, "time", r->p, &text))
        return;
    if (tg_hours_time_parse(text, &min) && min < 1440)
        *out = min;
    else
        tg_error_hint(tg_yaml_problem(r->p, node, "time must be a time of the day, and is \"%.40s\"", text), "such as \"09:00\"");
}

static void read_zone(struct reader *r, const struct tg_yaml_node *node, char out[TG_ZONE_NAME_SIZE])
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_zone zone;
    const char *text;

    if (!tg_yaml_string(node, "zone", r->p, &text))
        return;
    if (tg_zone_find(text, &zone, &why))
        tg_error_hint(tg_yaml_problem(r->p, node, "zone: %s", why.message), "%s", why.hint);
    else
        snprintf(out, TG_ZONE_NAME_SIZE, "%s", text);
}

/* ---- who ---- */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

/* "all", "the rest", "up to 5%", "30%", "1" */
static void read_amount(struct reader *r, const struct tg_yaml_node *node, struct tg_take *t)
{
    static const char *const rest[] = {"the rest", "rest", "remaining", "the remaining", NULL};
    const char *text;

    t->take_at = node;
    if (!tg_yaml_string(node, "take", r->p, &text) || strcmp(text, "all") == 0)
        return;
    if (is_one_of(text, rest)) {
        t->kind = TG_TAKE_REST;
        return;
    }
    bool up_to = strncmp(text, "up to ", 6) == 0;
    t->kind = up_to ? TG_TAKE_UP_TO : TG_TAKE_EXACTLY;
    if (!tg_share_parse(up_to ? text + 6 : text, &t->share))
        tg_error_hint(tg_yaml_problem(r->p, node, "take must be a number or a share of hosts, and is \"%.60s\"", text),
                      "such as 2, 30%%, up to 5%%, the rest, or all");
    else if (t->share.value == 0)
        tg_error_hint(tg_yaml_problem(r->p, node, "take %s takes nobody", text), "leave it out to take all of them");
}

static void read_take(struct reader *r, const struct tg_yaml_node *node, struct tg_take *t)
{
    const struct tg_yaml_node *values[N_TAKE_KEYS] = {NULL};

    *t = (struct tg_take) {.kind = TG_TAKE_ALL, .hosts_at = node, .take_at = node};
    if (node->kind == TG_YAML_SCALAR) {
        read_selector(r, node, "who", &t->hosts);
        return;
    }
    tg_yaml_fields(node, "an entry of who", take_keys, r->p, values);
    read_selector(r, values[HOSTS], "hosts", &t->hosts);
    t->hosts_at = values[HOSTS] ? values[HOSTS] : node;
    if (values[TAKE])
        read_amount(r, values[TAKE], t);
    t->first_at = values[TAKE_FIRST] ? values[TAKE_FIRST] : r->first_at;
    if (values[TAKE_FIRST])
        read_selector(r, values[TAKE_FIRST], "first", &t->first);
    else if (r->first && t->kind != TG_TAKE_ALL && t->kind != TG_TAKE_REST)
        copy(r, r->first, &t->first);
    if (values[TAKE_FIRST] && (t->kind == TG_TAKE_ALL || t->kind == TG_TAKE_REST))
        tg_error_hint(tg_yaml_problem(r->p, values[TAKE_FIRST], "first says whom a quota takes, and all of these are taken"), "say how many: take: 10%%");
}

static void read_who(struct reader *r, const struct tg_yaml_node *node, struct tg_pattern_slot *s)
{
    if (!node)
        return;
    bool is_list = node->kind == TG_YAML_LIST;
    size_t n = is_list ? node->n : 1;
    if (n == 0 || n > TG_PATTERN_TAKES_MAX) {
        if (n)
            tg_yaml_problem(r->p, node, "who has more than %d entries", TG_PATTERN_TAKES_MAX);
        else
            tg_error_hint(tg_yaml_problem(r->p, node, "who names nobody"), "a selector, such as \"@web\"");
        return;
    }
    if (!(s->takes = room(r, n, sizeof *s->takes)))
        return;
    for (size_t i = 0; i < n; i++)
        read_take(r, is_list ? node->items[i] : node, &s->takes[s->n_takes++]);
}

/* ---- slots ---- */

static void read_slot(struct reader *r, const struct tg_yaml_node *node, struct tg_pattern_slot *s)
{
    const struct tg_yaml_node *values[N_SLOT_KEYS];

    *s = (struct tg_pattern_slot) {.order = INT64_MAX, .length_ms = r->length_ms, .at = node};
    snprintf(s->zone, sizeof s->zone, "%s", r->zone);
    tg_yaml_fields(node, "a slot", slot_keys, r->p, values);
    read_word(r, values[NAME], "name of a slot", &s->name);
    read_day(r, values[DAY], "day", &s->weekday);
    read_time(r, values[TIME], &s->from_min);
    tg_yaml_duration(values[SLOT_LENGTH], "length", TG_SLOT_MIN_MS, TG_SLOT_MAX_MS, r->p, &s->length_ms);
    read_zone(r, values[SLOT_ZONE], s->zone);
    tg_yaml_int(values[ORDER], "order", -1000000, 1000000, r->p, &s->order);
    read_who(r, values[WHO], s);
    if (node->kind == TG_YAML_MAP && !values[SLOT_LENGTH] && !r->length_ms)
        tg_error_hint(tg_yaml_problem(r->p, node, "how long is slot \"%s\"?", s->name ? s->name : "?"), "length: 4h, here or for all slots beside \"slots\"");
}

static int by_name(const void *a, const void *b)
{
    const struct tg_pattern_slot *const *x = a, *const *y = b;
    int order = strcmp((*x)->name, (*y)->name);

    return order ? order : ((*x)->at->line > (*y)->at->line) - ((*x)->at->line < (*y)->at->line);
}

static void check_names(struct reader *r)
{
    struct tg_pattern *p = r->pattern;
    const struct tg_pattern_slot **list = room(r, p->n_slots, sizeof *list);
    size_t n = 0;

    for (size_t i = 0; list && i < p->n_slots; i++)
        if (p->slots[i].name)
            list[n++] = &p->slots[i];
    if (list)
        qsort(list, n, sizeof *list, by_name);
    for (size_t i = 1; list && i < n; i++)
        if (strcmp(list[i]->name, list[i - 1]->name) == 0)
            tg_error_hint(tg_yaml_problem(r->p, tg_yaml_get(list[i]->at, "name"), "a second slot \"%s\"", list[i]->name), "the first is in line %d",
                          list[i - 1]->at->line);
    free(list);
}

static void read_slots(struct reader *r, const struct tg_yaml_node *node)
{
    struct tg_pattern *p = r->pattern;

    p->slots_at = node;
    if (!node || !tg_yaml_is_list(node, "slots", r->p))
        return;
    if (node->n == 0 || node->n > TG_PATTERN_SLOTS_MAX) {
        if (node->n)
            tg_yaml_problem(r->p, node, "more than %d slots", TG_PATTERN_SLOTS_MAX);
        else
            tg_error_hint(tg_yaml_problem(r->p, node, "no slots"), "such as - {name: all, day: mon, time: \"09:00\", length: 4h, who: \"*\"}");
        return;
    }
    if (!(p->slots = room(r, node->n, sizeof *p->slots)))
        return;
    for (uint32_t i = 0; i < node->n; i++)
        read_slot(r, node->items[i], &p->slots[p->n_slots++]);
    check_names(r);
}

/* ---- the whole ---- */

static void read_spread(struct reader *r, const struct tg_yaml_node *node)
{
    struct tg_pattern *p = r->pattern;
    size_t n;

    p->spread_at = node;
    if (!tg_yaml_strings(node, "spread", r->p, &n))
        return;
    if (n > TG_PATTERN_SPREAD_MAX) {
        tg_yaml_problem(r->p, node, "spread has more than %d attributes", TG_PATTERN_SPREAD_MAX);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct tg_yaml_node *item = tg_yaml_item(node, i);
        if (tg_attr_key_ok(item->text))
            copy(r, item->text, &p->spread[p->n_spread++]);
        else
            tg_yaml_problem(r->p, item, "\"%.64s\" can't be an attribute", item->text);
    }
}

static void read_root(struct reader *r, const struct tg_yaml_node *root)
{
    const struct tg_yaml_node *values[N_KEYS];
    struct tg_pattern *p = r->pattern;

    tg_yaml_fields(root, "a maintenance week", keys, r->p, values);
    read_word(r, values[WEEK], "week", &p->name);
    p->location_at = values[LOCATION] ? values[LOCATION] : root;
    if (values[LOCATION])
        read_selector(r, values[LOCATION], "location", &p->location);
    else
        copy(r, "*", &p->location);
    read_zone(r, values[ZONE], r->zone);
    tg_yaml_duration(values[LENGTH], "length", TG_SLOT_MIN_MS, TG_SLOT_MAX_MS, r->p, &r->length_ms);
    read_day(r, values[BEGINS], "begins", &p->begins);
    read_spread(r, values[SPREAD]);
    r->first_at = values[FIRST];
    read_selector(r, values[FIRST], "first", &r->first);
    p->at_once_at = values[AT_ONCE];
    tg_yaml_share(values[AT_ONCE], "at-once", r->p, &p->at_once);
    if (p->at_once.kind != TG_SHARE_UNSET && p->at_once.value == 0)
        tg_yaml_problem(r->p, values[AT_ONCE], "at-once must be more than 0");
    read_slots(r, values[SLOTS]);
}

/* Consumes doc. */
static int read_doc(const char *file, struct tg_yaml_doc *doc, struct tg_problems *problems, struct tg_pattern **out, struct tg_error *e)
{
    struct reader r = {.p = problems, .e = e, .zone = "UTC", .pattern = calloc(1, sizeof *r.pattern)};

    if (!r.pattern) {
        tg_yaml_free(doc);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    r.pattern->doc = doc;
    copy(&r, file, &r.pattern->file);
    if (!r.rc)
        read_root(&r, tg_yaml_root(doc));
    free(r.first);
    if (!r.rc)
        r.rc = tg_problems_error(problems, e);
    if (r.rc)
        tg_pattern_free(r.pattern);
    else
        *out = r.pattern;
    return r.rc;
}

int tg_pattern_read(const char *file, struct tg_problems *problems, struct tg_pattern **out, struct tg_error *e)
{
    struct tg_yaml_doc *doc;
    int rc = tg_yaml_load(file, problems, &doc, e);

    return rc ? rc : read_doc(file, doc, problems, out, e);
}

int tg_pattern_parse(const char *file, const char *text, size_t len, struct tg_problems *problems, struct tg_pattern **out, struct tg_error *e)
{
    struct tg_yaml_doc *doc;
    int rc = tg_yaml_parse(file, text, len, problems, &doc, e);

    return rc ? rc : read_doc(file, doc, problems, out, e);
}

void tg_pattern_free(struct tg_pattern *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_slots; i++) {
        for (size_t t = 0; t < p->slots[i].n_takes; t++) {
            free(p->slots[i].takes[t].hosts);
            free(p->slots[i].takes[t].first);
        }
        free(p->slots[i].takes);
        free(p->slots[i].name);
    }
    for (size_t i = 0; i < p->n_spread; i++)
        free(p->spread[i]);
    free(p->slots);
    free(p->file);
    free(p->name);
    free(p->location);
    tg_yaml_free(p->doc);
    free(p);
}

#define WHOLE INT64_C(100000) /* thousandths of a percent */

int64_t tg_take_of(const struct tg_share *share, int64_t total)
{
    return share->kind == TG_SHARE_PERCENT ? (2 * total * share->value + WHOLE) / (2 * WHOLE) : share->value;
}

void tg_take_describe(const struct tg_take *t, struct tg_buf *out)
{
    char share[32];

    tg_share_format(&t->share, share, sizeof share);
    if (t->kind == TG_TAKE_EXACTLY || t->kind == TG_TAKE_UP_TO)
        tg_buf_printf(out, "%s%s of ", t->kind == TG_TAKE_UP_TO ? "up to " : "", share);
    tg_buf_printf(out, "%s%s", t->kind == TG_TAKE_REST ? "the rest of " : "", t->hosts);
}
