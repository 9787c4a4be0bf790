/* What has changed in a plan since another was kept: see plan_keep.h. */
#include "engine/plan_keep.h"

#include "engine/plan_internal.h"
#include "fleet/nodeset.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 300

static void say(json_t *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(json_t *list, const char *format, ...)
{
    char text[2 * TEXT_MAX + 200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(list, json_string(text));
}

/* A value as people write it. */
static void show(const json_t *value, const char *key, char out[TEXT_MAX])
{
    size_t n = strlen(key);
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

    if (!value || json_is_null(value))
        snprintf(out, TEXT_MAX, "none");
    else if (json_is_string(value))
        snprintf(out, TEXT_MAX, "%.250s", json_string_length(value) ? json_string_value(value) : "none");
    else if (n > 3 && strcmp(key + n - 3, "_ms") == 0 && json_is_integer(value))
        tg_duration_format(json_integer_value(value), out, TEXT_MAX);
    else
        snprintf(out, TEXT_MAX, "%.250s%s", text ? text : "?", text && strlen(text) > 250 ? "…" : "");
    free(text);
}

static void compare(json_t *list, const char *where, const char *name, const char *key, const json_t *was, const json_t *is)
{
    char before[TEXT_MAX], after[TEXT_MAX];

    if (json_equal(was, is))
        return;
    show(was, key, before);
    show(is, key, after);
    say(list, "%s%s: %s, was %s", where, name, after, before);
}

/* Limits by domain: as they are written, then what they mean for this fleet, which is long. */
static void compare_limits(json_t *list, const json_t *was, const json_t *is)
{
    static const char name[] = "limits.domains, limits.floor";
    json_t *before = json_deep_copy(was), *after = json_deep_copy(is);
    size_t n = json_array_size(list);

    for (size_t i = 0; i < json_array_size(before); i++)
        json_object_del(json_array_get(before, i), "domains");
    for (size_t i = 0; i < json_array_size(after); i++)
        json_object_del(json_array_get(after, i), "domains");
    compare(list, "", name, "limits", before, after);
    if (json_array_size(list) == n && !json_equal(was, is))
        say(list, "%s: their domains have other hosts", name);
    json_decref(before);
    json_decref(after);
}

/* The members of a plan, by the names that they have in a rollout. */
static void compare_plan(json_t *list, const json_t *was, const json_t *is)
{
    static const char *const keys[][2] = {{"rollout", "rollout"}, {"driver", "driver"}, {"change", "change"}, {"transport", "--transport"}, {"targets", "targets"},
                                          {"hours", "hours"}, {"estimate_ms", "estimate"}, {"running", "limits.running"}, {"unverified", "limits.unverified"}, {"down", "limits.down"},
                                          {"failed", "failure.failed"}, {"of_at_least", "failure.of-at-least"},
                                          {"policy", "failure"}, {"around", "around"}, {"verify", "verify"}, {"format", "format of plans"}};
    /* stages and their hosts are compared by themselves, these follow from them */
    static const char *const apart[] = {"stages", "limits", "n_targets", "n_left"};
    const char *key;
    json_t *value;
    char name[80];

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        compare(list, "", keys[i][1], keys[i][0], json_object_get(was, keys[i][0]), json_object_get(is, keys[i][0]));
    compare_limits(list, json_object_get(was, "limits"), json_object_get(is, "limits"));
    json_object_foreach((json_t *) is, key, value) {
        bool listed = false;
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
            listed |= strcmp(keys[i][0], key) == 0;
        for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
            listed |= strcmp(apart[i], key) == 0;
        snprintf(name, sizeof name, "%.70s", key);
        if (!listed) /* whoever adds a key to plans need not know of this */
            compare(list, "", name, key, json_object_get(was, key), value);
    }
}

static size_t find_stage(const json_t *stages, const char *name)
{
    size_t i = 0;

    while (i < json_array_size(stages) && strcmp(json_string_value(json_object_get(json_array_get(stages, i), "name")), name) != 0)
        i++;
    return i;
}

static void compare_stages(json_t *list, const json_t *was, const json_t *is)
{
    const json_t *value;
    const char *key;
    char where[100];

    for (size_t i = 0; i < json_array_size(is); i++) {
        const json_t *stage = json_array_get(is, i);
        const char *name = json_string_value(json_object_get(stage, "name"));
        size_t at = find_stage(was, name);
        if (at == json_array_size(was)) {
            say(list, "stage %s is new", name);
            continue;
        }
        snprintf(where, sizeof where, "stage %.64s: ", name);
        json_object_foreach((json_t *) stage, key, value)
            if (strcmp(key, "hosts") != 0 && strcmp(key, "name") != 0)
                compare(list, where, key, key, json_object_get(json_array_get(was, at), key), value);
    }
    for (size_t i = 0; i < json_array_size(was); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(was, i), "name"));
        if (find_stage(is, name) == json_array_size(is))
            say(list, "stage %s is gone", name);
    }
}

/* ---- hosts ---- */

/* Those of a that are not in b; both are sorted. */
static void say_missing(json_t *list, const struct tg_hostlist *a, const struct tg_hostlist *b, const char *what)
{
    struct tg_hostlist only = TG_HOSTLIST_INIT;
    struct tg_buf text = TG_BUF_INIT;
    size_t k = 0;

    for (size_t i = 0; i < a->n; i++) {
        const char *name = tg_hostlist_get(a, i);
        while (k < b->n && tg_name_compare(tg_hostlist_get(b, k), name) < 0)
            k++;
        if (k == b->n || strcmp(tg_hostlist_get(b, k), name) != 0)
            (void) tg_hostlist_add(&only, name, strlen(name), NULL);
    }
    if (only.n && !tg_fold_list(&only, &text, NULL))
        say(list, "%zu host%s %s: %.250s%s", only.n, only.n == 1 ? " is" : "s are", what, tg_buf_text(&text), text.len > 250 ? "…" : "");
    tg_buf_release(&text);
    tg_hostlist_release(&only);
}

/* The hosts of all stages, in one set. */
static int collect(const json_t *folded, const struct tg_plan *plan, struct tg_hostlist *was, struct tg_hostlist *is)
{
    int rc = json_string_length(folded) ? tg_nodeset_expand(json_string_value(folded), json_string_length(folded), was, NULL) : 0;

    for (size_t i = 0; !rc && i < plan->n_hosts; i++)
        rc = tg_hostlist_add(is, plan->hosts[i].name, strlen(plan->hosts[i].name), NULL);
    if (!rc)
        rc = tg_hostlist_sort(was, NULL);
    return rc ? rc : tg_hostlist_sort(is, NULL);
}

/* Stages that both have, and whose hosts, their order or how they are reached differ. */
static void say_stages_hosts(json_t *list, const json_t *was, const json_t *is)
{
    for (size_t i = 0; i < json_array_size(is); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(is, i), "name"));
        size_t at = find_stage(was, name);
        if (at < json_array_size(was) && !json_equal(json_object_get(json_array_get(was, at), "hosts"), json_object_get(json_array_get(is, i), "hosts")))
            say(list, "stage %s: its hosts are others, or their address, user or port is", name);
    }
}

static void compare_hosts(json_t *list, const struct tg_kept_plan *kept, const struct tg_plan *plan, const json_t *is)
{
    struct tg_hostlist before = TG_HOSTLIST_INIT, after = TG_HOSTLIST_INIT;
    size_t n = json_array_size(list);

    if (json_is_string(kept->hosts) && !collect(kept->hosts, plan, &before, &after)) {
        say_missing(list, &after, &before, "new");
        say_missing(list, &before, &after, "gone");
    }
    tg_hostlist_release(&before);
    tg_hostlist_release(&after);
    if (json_array_size(list) == n)
        say_stages_hosts(list, json_object_get(kept->plan, "stages"), json_object_get(is, "stages"));
}

json_t *tg_plan_changes(const struct tg_kept_plan *kept, const struct tg_plan *plan)
{
    json_t *list = json_array(), *is = tg_plan_sealed_json(plan);

    if (!is) {
        json_decref(list);
        return NULL;
    }
    compare_hosts(list, kept, plan, is);
    compare_plan(list, kept->plan, is);
    compare_stages(list, json_object_get(kept->plan, "stages"), json_object_get(is, "stages"));
    json_decref(is);
    return list;
}
