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

enum key { HOLD, ENTER, LEAVE, ACTIVITIES, LIMITS };
static const struct tg_yaml_key keys[] = {
    [HOLD] = {.name = "hold"}, [ENTER] = {.name = "enter"}, [LEAVE] = {.name = "leave"}, [ACTIVITIES] = {.name = "activities"},
    [LIMITS] = {.name = "limits"}, {.name = NULL}};
enum limit_key { DOMAINS, FLOOR, DOWN };
static const struct tg_yaml_key limit_keys[] = {[DOMAINS] = {.name = "domains"}, [FLOOR] = {.name = "floor"}, [DOWN] = {.name = "down"}, {.name = NULL}};
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

static void free_limits(struct tg_request_limit *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(v[i].name);
    free(v);
}

void tg_activities_release(struct tg_activities *a)
{
    free_limits(a->limits, a->n_limits);
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

    if (!rc && n && node->kind == TG_YAML_SCALAR && strpbrk((*out)[0], " \t"))
        tg_error_hint(tg_yaml_problem(p, node, "%s is \"%.60s\", and would be taken for one name of a program", what, (*out)[0]),
                      "write it as a list: [/usr/bin/systemctl, reboot]; no shell looks at it");
    else if (!rc && n && (*out)[0][0] != '/')
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

static bool is_attribute(const char *key)
{
    return !key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")];
}

/* As a rollout has them. What the inventory does not have is told when it is asked. */
static int take_limit(const struct tg_yaml_node *map, const char *what, bool floor, struct tg_problems *p, struct tg_activities *out, struct tg_error *e)
{
    if (!map || !tg_yaml_is_map(map, what, p))
        return 0;
    for (uint32_t i = 0; i < map->n; i++) {
        const struct tg_yaml_node *key = map->pairs[i].key, *value = map->pairs[i].value;
        if (out->n_limits == TG_REQUEST_LIMITS_MAX) {
            tg_yaml_problem(p, key, "more than %d limits", TG_REQUEST_LIMITS_MAX);
            return 0;
        }
        struct tg_request_limit *l = &out->limits[out->n_limits];
        *l = (struct tg_request_limit) {.floor = floor, .selector = !is_attribute(key->text)};
        if (!key->text[0])
            tg_yaml_problem(p, key, "a key of %s is empty", what);
        if (tg_yaml_is_null(value))
            tg_error_hint(tg_yaml_problem(p, key, "%s of %.80s is empty", what, key->text), "a number of hosts such as 1, or a share such as 10%%");
        else if (tg_yaml_share(value, what, p, &l->share) && l->share.value == 0)
            tg_yaml_problem(p, value, "%s must be more than 0", what);
        if (!(l->name = strdup(key->text)))
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        out->n_limits++;
    }
    return 0;
}

static int take_limits(const struct tg_yaml_node *node, struct tg_problems *p, struct tg_activities *out, struct tg_error *e)
{
    static const char *const downs[] = {"count", "ignore", NULL};
    const struct tg_yaml_node *values[sizeof limit_keys / sizeof limit_keys[0] - 1];
    size_t down = 0;

    if (!node)
        return 0;
    free_limits(out->limits, out->n_limits);
    out->n_limits = 0;
    if (!(out->limits = calloc(TG_REQUEST_LIMITS_MAX, sizeof *out->limits)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_yaml_fields(node, "requests.limits", limit_keys, p, values);
    out->ignore_gone = tg_yaml_choice(values[DOWN], "requests.limits.down", downs, p, &down) && down == 1;
    int rc = take_limit(values[DOMAINS], "requests.limits.domains", false, p, out, e);
    return rc ? rc : take_limit(values[FLOOR], "requests.limits.floor", true, p, out, e);
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
        if (strcmp(out->hold[i], "all") == 0)
            tg_error_hint(tg_yaml_problem(p, tg_yaml_item(values[HOLD], i), "\"all\" is no actor that a lock can hold"), "leave hold out: then it holds all automation");
        else if (!is_word(out->hold[i], ACTOR_MAX, "_-"))
            tg_yaml_problem(p, tg_yaml_item(values[HOLD], i), "\"%.60s\" is no actor that a lock can hold", out->hold[i]);
    if ((rc = take_limits(values[LIMITS], p, out, e)))
        return rc;
    return values[ACTIVITIES] ? take_activities(values[ACTIVITIES], p, out, e) : 0;
}
