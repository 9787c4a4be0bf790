/* What this host does for a request: see activities.h. */
#include "config/activities.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_ 48
#define ACTOR_MAX 32
#define ESTIMATE_MIN_MS 60000
#define ESTIMATE_MAX_MS (INT64_C(7) * 86400000)
#define TIMEOUT_MIN_MS 1000

enum key { HOLD, ENTER, LEAVE, ACTIVITIES };
static const struct tg_yaml_key keys[] = {
    [HOLD] = {.name = "hold"}, [ENTER] = {.name = "enter"}, [LEAVE] = {.name = "leave"}, [ACTIVITIES] = {.name = "activities"}, {.name = NULL}};
enum activity_key { RUN, ACTOR, REBOOTS, REPEAT, ESTIMATE, TIMEOUT };
static const struct tg_yaml_key activity_keys[] = {[RUN] = {.name = "run", .required = true}, [ACTOR] = {.name = "actor"}, [REBOOTS] = {.name = "reboots"},
                                                   [REPEAT] = {.name = "repeat"}, [ESTIMATE] = {.name = "estimate"}, [TIMEOUT] = {.name = "timeout"}, {.name = NULL}};

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

static void free_all(struct tg_activity *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(v[i].name);
        free(v[i].actor);
        free_list(v[i].run);
    }
    free(v);
}

void tg_activities_release(struct tg_activities *a)
{
    free_all(a->v, a->n);
    free_list(a->hold);
    free_list(a->enter);
    free_list(a->leave);
    *a = (struct tg_activities) {.n = 0};
}

const struct tg_activity *tg_activities_find(const struct tg_activities *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->v[i].name, name) == 0)
            return &a->v[i];
    return NULL;
}

/* Strings; replaces *out. */
static int take_list(const struct tg_yaml_node *node, const char *what, struct tg_problems *p, char ***out, size_t *out_n, struct tg_error *e)
{
    size_t n;

    if (!tg_yaml_strings(node, what, p, &n))
        return 0;
    if (n == 0 || n > TG_ACTIVITY_ARGS_MAX) {
        tg_yaml_problem(p, node, "%s has %zu items: 1 to %d can be", what, n, TG_ACTIVITY_ARGS_MAX);
        return 0;
    }
    char **list = calloc(n + 1, sizeof *list);
    bool failed = !list;
    for (size_t i = 0; !failed && i < n; i++)
        failed = !(list[i] = strdup(tg_yaml_item(node, i)->text));
    if (failed) {
        free_list(list);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    free_list(*out);
    *out = list;
    *out_n = n;
    return 0;
}

/* An argv: no shell, no PATH. */
static int take_command(const struct tg_yaml_node *node, const char *what, struct tg_problems *p, char ***out, struct tg_error *e)
{
    size_t n = 0;
    int rc = take_list(node, what, p, out, &n, e);

    if (!rc && n && (*out)[0][0] != '/')
        tg_error_hint(tg_yaml_problem(p, tg_yaml_item(node, 0), "%s begins with \"%.60s\", which is no absolute path", what, (*out)[0]),
                      "write it as a list: [/usr/bin/systemctl, reboot]; no shell looks at it");
    return rc;
}

static bool is_word(const char *text, size_t max, const char *more)
{
    char set[64];
    size_t len = strlen(text);

    snprintf(set, sizeof set, "abcdefghijklmnopqrstuvwxyz0123456789%s", more);
    return len && len <= max && strspn(text, set) == len && !strchr(more, text[0]);
}

static int take_activity(const struct tg_yaml_node *name, const struct tg_yaml_node *value, struct tg_problems *p, struct tg_activity *a, struct tg_error *e)
{
    const struct tg_yaml_node *values[sizeof activity_keys / sizeof activity_keys[0] - 1];
    const char *actor = NULL;
    char what[80];
    int rc;

    snprintf(what, sizeof what, "activity \"%.48s\"", name->text);
    if (!is_word(name->text, NAME_MAX_, "._-"))
        tg_yaml_problem(p, name, "\"%.60s\" is no activity: small letters, digits, \".\", \"_\" and \"-\", at most %d", name->text, NAME_MAX_);
    tg_yaml_fields(value, what, activity_keys, p, values);
    a->timeout_ms = TG_ACTIVITY_TIMEOUT_MS;
    (void) tg_yaml_bool(values[REBOOTS], "reboots", p, &a->reboots);
    (void) tg_yaml_bool(values[REPEAT], "repeat", p, &a->repeat);
    (void) tg_yaml_duration(values[ESTIMATE], "estimate", ESTIMATE_MIN_MS, ESTIMATE_MAX_MS, p, &a->estimate_ms);
    (void) tg_yaml_duration(values[TIMEOUT], "timeout", TIMEOUT_MIN_MS, ESTIMATE_MAX_MS, p, &a->timeout_ms);
    if (tg_yaml_string(values[ACTOR], "actor", p, &actor) && !is_word(actor, ACTOR_MAX, "_-"))
        tg_yaml_problem(p, values[ACTOR], "\"%.60s\" is no actor", actor);
    a->name = strdup(name->text);
    a->actor = strdup(actor ? actor : a->reboots ? "reboot" : "config-management");
    if (!a->name || !a->actor)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    rc = take_command(values[RUN], "run", p, &a->run, e);
    return rc;
}

static int take_activities(const struct tg_yaml_node *map, struct tg_problems *p, struct tg_activities *out, struct tg_error *e)
{
    struct tg_activity *v;
    size_t n = 0;
    int rc = 0;

    if (!tg_yaml_is_map(map, "requests.activities", p))
        return 0;
    if (map->n > TG_ACTIVITIES_MAX) {
        tg_yaml_problem(p, map, "there are %u activities, and at most %d can be", (unsigned) map->n, TG_ACTIVITIES_MAX);
        return 0;
    }
    if (!(v = calloc(map->n + 1, sizeof *v)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (uint32_t i = 0; !rc && i < map->n; i++)
        rc = take_activity(map->pairs[i].key, map->pairs[i].value, p, &v[n++], e);
    if (rc) {
        free_all(v, n);
        return rc;
    }
    free_all(out->v, out->n);
    out->v = v;
    out->n = n;
    return 0;
}

int tg_activities_read(const struct tg_yaml_node *node, struct tg_problems *p, struct tg_activities *out, struct tg_error *e)
{
    const struct tg_yaml_node *values[sizeof keys / sizeof keys[0] - 1];
    int rc;

    tg_yaml_fields(node, "requests", keys, p, values);
    if ((rc = take_list(values[HOLD], "requests.hold", p, &out->hold, &out->n_hold, e)) || (rc = take_command(values[ENTER], "requests.enter", p, &out->enter, e)) ||
        (rc = take_command(values[LEAVE], "requests.leave", p, &out->leave, e)))
        return rc;
    for (size_t i = 0; i < out->n_hold && values[HOLD]; i++)
        if (!is_word(out->hold[i], ACTOR_MAX, "_-") || strcmp(out->hold[i], "all") == 0)
            tg_yaml_problem(p, tg_yaml_item(values[HOLD], i), "\"%.60s\" is no actor that a lock can hold", out->hold[i]);
    return values[ACTIVITIES] ? take_activities(values[ACTIVITIES], p, out, e) : 0;
}
