/* YAML → a calendar: see calendar.h. What a rule's times look like: read_when.c. */
#include "calendar/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 64
#define CUT_OFF_MAX_MS (INT64_C(24) * 3600 * 1000)
#define LEAD_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)
#define NEVER_MAX 1 /* of those that were looked for for seconds */

enum root_key { DEFAULT, ZONE, CUT_OFF, LEAD, WINDOWS, BLACKOUTS };
static const struct tg_yaml_key root_keys[] = {
    [DEFAULT] = {.name = "default"}, [ZONE] = {.name = "zone"}, [CUT_OFF] = {.name = "cut-off"}, [LEAD] = {.name = "lead"},
    [WINDOWS] = {.name = "windows"}, [BLACKOUTS] = {.name = "blackouts"}, {.name = NULL},
};
#define N_ROOT_KEYS (sizeof root_keys / sizeof root_keys[0] - 1)

static const struct tg_yaml_key rule_keys[] = {
    [TG_WHEN_FOR] = {.name = "for"}, [TG_WHEN_ZONE] = {.name = "zone"}, [TG_WHEN_CUT_OFF] = {.name = "cut-off"}, [TG_WHEN_LEAD] = {.name = "lead"},
    [TG_WHEN_HOURS] = {.name = "hours"}, [TG_WHEN_DAYS] = {.name = "days"}, [TG_WHEN_FROM] = {.name = "from"}, [TG_WHEN_UNTIL] = {.name = "until"},
    [TG_WHEN_START] = {.name = "start"}, [TG_WHEN_END] = {.name = "end"}, [TG_WHEN_DURATION] = {.name = "duration"}, [TG_WHEN_RULE] = {.name = "rule"},
    [TG_WHEN_EXCEPT] = {.name = "except"}, [TG_WHEN_ALSO] = {.name = "also"}, [TG_WHEN_FIRST] = {.name = "first"}, [TG_WHEN_LAST] = {.name = "last"},
    [TG_WHEN_ICS] = {.name = "ics"}, {.name = NULL},
};

int tg_calendar_copy(char **out, const char *text, struct tg_error *e)
{
    char *copy = strdup(text);

    if (!copy)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    free(*out);
    *out = copy;
    return 0;
}

static bool name_ok(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

    return strlen(name) <= NAME_MAX_BYTES && name[0] != '-' && name[0] != '.' && !name[strspn(name, allowed)];
}

static int take_scope(struct tg_calendar_reader *r, const struct tg_yaml_node *node, struct tg_rule *rule, struct tg_error *e)
{
    static const struct {
        const char *sign;
        enum tg_rule_level level;
    } signs[] = {{"host:", TG_LEVEL_HOST}, {"customer:", TG_LEVEL_CUSTOMER}, {"group:", TG_LEVEL_SET}};
    const char *text = "fleet";

    if (node && !tg_yaml_string(node, "for", r->p, &text))
        return 0;
    rule->level = strcmp(text, "fleet") == 0 ? TG_LEVEL_FLEET : TG_LEVEL_SET;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) /* one word: more is a selector, in which customer: may stand as well */
        if (strncmp(text, signs[i].sign, strlen(signs[i].sign)) == 0 && !strpbrk(text, " ()"))
            rule->level = signs[i].level;
    if (node) {
        rule->scope_line = node->line;
        rule->scope_column = node->column;
    }
    return tg_calendar_copy(&rule->scope, text, e);
}

static int take_rule(struct tg_calendar_reader *r, const struct tg_yaml_pair *pair, enum tg_rule_kind kind, struct tg_rule *rule, struct tg_error *e)
{
    const struct tg_yaml_node *values[TG_WHEN_KEYS];
    const char *word = kind == TG_RULE_WINDOW ? "window" : "blackout";
    char what[NAME_MAX_BYTES + 32];
    int rc;

    rule->line = pair->key->line;
    rule->column = pair->key->column;
    rule->cut_off_ms = r->calendar->cut_off_ms;
    rule->lead_ms = r->calendar->lead_ms;
    if ((rc = tg_calendar_copy(&rule->name, pair->key->text, e)) || (rc = tg_calendar_copy(&rule->file, tg_yaml_name(pair->key->doc), e)))
        return rc;
    snprintf(what, sizeof what, "%s \"%s\"", word, rule->name);
    if (!tg_yaml_is_map(pair->value, what, r->p))
        return 0;
    tg_yaml_fields(pair->value, what, rule_keys, r->p, values);
    for (int i = TG_WHEN_CUT_OFF; kind == TG_RULE_BLACKOUT && i <= TG_WHEN_LEAD; i++)
        if (values[i])
            tg_yaml_problem(r->p, values[i], "a blackout has no %s", rule_keys[i].name);
    tg_yaml_duration(values[TG_WHEN_CUT_OFF], "cut-off", 0, CUT_OFF_MAX_MS, r->p, &rule->cut_off_ms);
    tg_yaml_duration(values[TG_WHEN_LEAD], "lead", 0, LEAD_MAX_MS, r->p, &rule->lead_ms);
    if ((rc = take_scope(r, values[TG_WHEN_FOR], rule, e)))
        return rc;
    return tg_calendar_take_when(r, pair->value, what, values, rule, e);
}

static int take_rules(struct tg_calendar_reader *r, const struct tg_yaml_node *map, enum tg_rule_kind kind, struct tg_error *e)
{
    struct tg_calendar *c = r->calendar;
    int rc = 0;

    const char *what = kind == TG_RULE_WINDOW ? "windows" : "blackouts";

    if (map && tg_yaml_is_null(map)) /* as a file may end that was cut */
        tg_error_hint(tg_yaml_problem(r->p, map, "%s is empty", what), "%s: {} says that there are none", what);
    if (tg_yaml_is_null(map) || !tg_yaml_is_map(map, what, r->p))
        return 0;
    if (c->n_rules + map->n > TG_CALENDAR_RULES_MAX) {
        tg_yaml_problem(r->p, map, "there are more than %d windows and blackouts", TG_CALENDAR_RULES_MAX);
        return 0;
    }
    struct tg_rule *rules = realloc(c->rules, (c->n_rules + map->n + 1) * sizeof *rules);
    if (!rules)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    c->rules = rules;
    for (uint32_t i = 0; !rc && i < map->n && r->never < NEVER_MAX; i++) {
        const struct tg_yaml_node *key = map->pairs[i].key;
        struct tg_rule *rule = &c->rules[c->n_rules++];
        *rule = (struct tg_rule) {.kind = kind};
        if (name_ok(key->text))
            rc = take_rule(r, &map->pairs[i], kind, rule, e);
        else
            tg_error_hint(tg_yaml_problem(r->p, key, "\"%.64s\" can't be the name of a %s", key->text, kind == TG_RULE_WINDOW ? "window" : "blackout"),
                          "at most %d letters, digits, \"_\", \".\" and \"-\", and no \"-\" or \".\" first", NAME_MAX_BYTES);
    }
    return rc;
}

static void take_zone(struct tg_calendar_reader *r, const struct tg_yaml_node *node)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_zone zone;
    const char *text;

    memcpy(r->calendar->zone, "UTC", 4);
    if (!node || !tg_yaml_string(node, "zone", r->p, &text))
        return;
    if (tg_zone_find(text, &zone, &why))
        tg_error_hint(tg_yaml_problem(r->p, node, "zone: %s", why.message), "%s", why.hint);
    else
        memcpy(r->calendar->zone, text, strlen(text) + 1);
}

static int take_root(struct tg_calendar_reader *r, const struct tg_yaml_node *root, struct tg_error *e)
{
    static const char *const defaults[] = {"open", "closed", NULL};
    const struct tg_yaml_node *values[N_ROOT_KEYS];
    struct tg_calendar *c = r->calendar;
    size_t is = 0;

    if (tg_yaml_is_null(root)) {
        tg_error_hint(tg_yaml_problem(r->p, root, "the calendar is empty"), "windows: {} says that there are none");
        return 0; /* a file that was cut to nothing is not a calendar without windows */
    }
    tg_yaml_fields(root, "the calendar", root_keys, r->p, values);
    tg_yaml_choice(values[DEFAULT], "default", defaults, r->p, &is);
    c->default_open = is == 0;
    take_zone(r, values[ZONE]);
    tg_yaml_duration(values[CUT_OFF], "cut-off", 0, CUT_OFF_MAX_MS, r->p, &c->cut_off_ms);
    tg_yaml_duration(values[LEAD], "lead", 0, LEAD_MAX_MS, r->p, &c->lead_ms);
    int rc = take_rules(r, values[WINDOWS], TG_RULE_WINDOW, e);
    return rc ? rc : take_rules(r, values[BLACKOUTS], TG_RULE_BLACKOUT, e);
}

static int read_doc(const char *path, const struct tg_yaml_doc *doc, struct tg_problems *problems, struct tg_calendar **out, struct tg_error *e)
{
    struct tg_calendar *c = calloc(1, sizeof *c);
    struct tg_calendar_reader r = {.calendar = c, .p = problems};

    if (!c)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = tg_calendar_copy(&c->path, path, e);
    if (!rc)
        rc = take_root(&r, tg_yaml_root(doc), e);
    if (!rc)
        rc = tg_problems_error(problems, e);
    if (rc)
        tg_calendar_free(c);
    else
        *out = c;
    return rc;
}

int tg_calendar_parse(const char *file, const char *text, size_t len, struct tg_problems *problems, struct tg_calendar **out, struct tg_error *e)
{
    struct tg_yaml_doc *doc;
    int rc = tg_yaml_parse(file, text, len, problems, &doc, e);

    if (rc)
        return rc;
    rc = read_doc(file, doc, problems, out, e);
    tg_yaml_free(doc);
    return rc;
}

int tg_calendar_load(const char *path, struct tg_problems *problems, struct tg_calendar **out, struct tg_error *e)
{
    struct tg_yaml_doc *doc;
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_yaml_load(path, problems, &doc, &why);

    if (rc) {
        if (why.sys_errno) /* the configuration, or the command line, names a file that is not there */
            rc = why.code = TG_E_CONFIG;
        if (e && !e->code)
            *e = why;
        return rc;
    }
    rc = read_doc(path, doc, problems, out, e);
    tg_yaml_free(doc);
    return rc;
}
