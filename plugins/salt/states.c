/* {STATE: {"result": …, "changes": …}, …} → counts, items and a diff. Everything in it is what a host said; nothing is trusted. */
#include "salt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIFF_MAX 65536

struct tally {
    struct tg_outcome *o;
    int looked_at, would, changed, failed;
    char first_failure[300];
    char *diff;
    size_t len;
};

static void add_text(struct tally *t, const char *text)
{
    size_t n = strlen(text);

    if (!t->diff || t->len + n + 1 > DIFF_MAX)
        return;
    memcpy(t->diff + t->len, text, n + 1);
    t->len += n;
}

/* "file_|-ID_|-/etc/motd_|-managed": the path of a file, else "service.running nginx". */
static bool take_name(const char *key, const char *name, char *out, size_t size)
{
    const char *sep = strstr(key, "_|-"), *last = NULL;

    for (const char *p = sep; p; p = strstr(p + 3, "_|-"))
        last = p;
    if (!sep || last == sep)
        return false;
    if (strncmp(key, "file_|-", 7) == 0 && name[0] == '/')
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%.*s.%.60s %.200s", (int) (sep - key > 60 ? 60 : sep - key), key, last + 3, name);
    return true;
}

/* {"diff": "…"} of files; anything else as it is. */
static void take_changes(struct tally *t, const char *what, const json_t *changes)
{
    const char *diff = json_string_value(json_object_get(changes, "diff"));
    int added = -1, removed = -1;

    add_text(t, what);
    add_text(t, ":\n");
    if (diff && strchr(diff, '\n')) {
        tg_diff_count(diff, &added, &removed);
        add_text(t, diff);
        add_text(t, diff[strlen(diff) - 1] == '\n' ? "" : "\n");
    } else {
        char *text = json_dumps(changes, JSON_COMPACT | JSON_ENCODE_ANY);
        add_text(t, text ? text : "");
        add_text(t, "\n");
        free(text);
    }
    tg_outcome_item(t->o, what, added, removed, -1);
}

/* false: this is no state's result. */
static bool take_state(struct tally *t, const char *key, const json_t *v)
{
    const json_t *result = json_object_get(v, "result"), *changes = json_object_get(v, "changes");
    const char *name = json_string_value(json_object_get(v, "name")), *comment = json_string_value(json_object_get(v, "comment"));
    char what[300];

    if (!(json_is_boolean(result) || json_is_null(result)) || !take_name(key, name ? name : "", what, sizeof what))
        return false;
    bool some = json_is_object(changes) ? json_object_size(changes) > 0 : json_is_array(changes) && json_array_size(changes) > 0;
    t->looked_at++;
    if (json_is_false(result)) {
        if (!t->failed++)
            snprintf(t->first_failure, sizeof t->first_failure, "%.120s: %.*s", what, (int) strcspn(comment ? comment : "", "\n"), comment ? comment : "");
    } else if (json_is_null(result) || some) {
        t->would += json_is_null(result);
        t->changed += some && !json_is_null(result);
        take_changes(t, what, changes);
    }
    return true;
}

static const char *plural(int n)
{
    return n == 1 ? "" : "s";
}

static void judge(struct tally *t, enum tg_verb verb, struct tg_outcome *o)
{
    bool dry = verb == TG_VERB_DRY_RUN;

    o->failed = t->failed;
    o->changed = dry ? t->would + t->changed : t->changed;
    if (t->failed)
        tg_outcome_say(o, TG_OUTCOME_FAILED, "salt: %s%.30s", t->first_failure, t->failed > 1 ? " (and more)" : "");
    else if (!t->looked_at)
        tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "salt: no state was looked at: is one assigned to the host?");
    else if (dry && o->changed)
        tg_outcome_say(o, TG_OUTCOME_WOULD_CHANGE, "salt: would change %d of %d states", o->changed, t->looked_at);
    else if (!dry && t->would)
        tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "salt: %d of %d states were only tested, not applied", t->would, t->looked_at);
    else if (o->changed)
        tg_outcome_say(o, TG_OUTCOME_CHANGED, "salt: changed %d state%s", o->changed, plural(o->changed));
    else
        tg_outcome_say(o, TG_OUTCOME_UNCHANGED, "salt: nothing to change (%d state%s)", t->looked_at, plural(t->looked_at));
}

/* An error, or what kept it from beginning: strings. */
static void judge_strings(const json_t *list, struct tg_outcome *o)
{
    const char *text = json_string_value(json_is_array(list) ? json_array_get(list, 0) : list);

    if (!text)
        tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "salt: the answer is no result of states");
    else if (strstr(text, "TAGOUT-HELD") || strstr(text, "TAGOUT-UNKNOWN"))
        tg_outcome_say(o, TG_OUTCOME_HELD, "salt: held back on the host: %.400s", strstr(text, "TAGOUT-"));
    else if (strstr(text, "blackout mode"))
        tg_outcome_say(o, TG_OUTCOME_HELD, "salt: %.*s", (int) strcspn(text, "\n"), text);
    else if (strstr(text, "is running as PID"))
        tg_outcome_say(o, TG_OUTCOME_BUSY, "salt: another run is in progress on the host: %.300s", text);
    else if (strstr(text, "currently disabled"))
        tg_outcome_say(o, TG_OUTCOME_DISABLED, "salt: %.400s", text);
    else
        tg_outcome_say(o, TG_OUTCOME_FAILED, "salt: %.*s", (int) strcspn(text, "\n"), text);
}

void tg_salt_states(const json_t *value, enum tg_verb verb, struct tg_outcome *o)
{
    struct tally t = {.o = o};
    const char *key, *name = json_string_value(json_object_get(value, "name"));
    json_t *v;

    *o = (struct tg_outcome) {.changed = -1, .failed = -1, .corrective = -1};
    if (!json_is_object(value)) {
        judge_strings(value, o);
        return;
    }
    if (json_is_string(json_object_get(value, "result"))) { /* "False": the highstate is disabled */
        tg_outcome_say(o, TG_OUTCOME_DISABLED, "salt: %.400s", name ? name : "disabled");
        return;
    }
    t.diff = calloc(1, DIFF_MAX);
    json_object_foreach((json_t *) value, key, v)
        if (!take_state(&t, key, v)) {
            tg_outcome_release(o);
            free(t.diff);
            *o = (struct tg_outcome) {.changed = -1, .failed = -1, .corrective = -1};
            tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "salt: \"%.100s\" is no result of a state", key);
            return;
        }
    judge(&t, verb, o);
    if (t.len)
        o->diff = strdup(t.diff);
    free(t.diff);
}
