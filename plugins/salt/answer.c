/* What came back → an outcome. The exit status is only a hint: Salt's JSON decides (P12). Pure. */
#include "salt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *find_either(const struct tg_answer *a, const char *text)
{
    const char *at = strstr(a->err, text);

    return at ? at : strstr(a->out, text);
}

/* The first line that says something: warnings of Python's about Salt's own code are not it. */
static void first_words(const char *text, char *out, size_t size)
{
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        snprintf(out, size, "%.*s", (int) strcspn(p, "\n"), p);
        if (out[0] && out[0] != ' ' && out[0] != '[' && !strstr(out, "Warning:"))
            return;
    }
    snprintf(out, size, "it said nothing");
}

/* No JSON: what became of the command itself. */
static void judge_bare(const struct tg_answer *a, const struct tg_driver_params *p, struct tg_outcome *o)
{
    const char *at;
    char words[320];

    first_words(a->err_len ? a->err : a->out, words, sizeof words);
    if ((at = find_either(a, "TAGOUT-HELD")) != NULL || (at = find_either(a, "TAGOUT-UNKNOWN")) != NULL)
        tg_outcome_say(o, TG_OUTCOME_HELD, "salt: held back on the host: %.*s", (int) strcspn(at, "\n"), at);
    else if (find_either(a, "blackout mode"))
        tg_outcome_say(o, TG_OUTCOME_HELD, "salt: the minion is in blackout mode");
    else if (a->status == 127 || a->status == 126)
        tg_outcome_say(o, TG_OUTCOME_FAILED, "salt is not installed on the host (exit %d: %s)", a->status, words);
    else if (a->status == 124 || (a->status > 128 && a->ended_ms - a->started_ms >= p->timeout_ms))
        tg_outcome_say_timeout(o, "salt", a, p->timeout_ms);
    else if (a->status > 128 && a->status < 160)
        tg_outcome_say(o, TG_OUTCOME_FAILED, "salt: killed by signal %d", a->status - 128);
    else if (a->status != 0)
        tg_outcome_say(o, TG_OUTCOME_FAILED, "salt: %s (exit %d)", words, a->status);
    else
        tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "salt: exit 0, but no answer in JSON: %s", words);
}

/*
 * The document that begins at *at, which may have lines of other things before it: {MINION: VALUE}, and only that. *at moves behind it.
 * NULL when there is none; the root is the caller's.
 */
static json_t *next_document(const char **at, const char *end, json_t **out_value)
{
    json_error_t error;

    for (const char *p = *at; p && p < end; p = memchr(p, '\n', (size_t) (end - p)), p = p ? p + 1 : NULL) {
        if (*p != '{')
            continue;
        json_t *root = json_loadb(p, (size_t) (end - p), JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
        void *only = json_object_size(root) == 1 ? json_object_iter(root) : NULL;
        if (only) {
            *out_value = json_object_iter_value(only);
            *at = p + error.position;
            return root;
        }
        json_decref(root);
    }
    return NULL;
}

static void judge_status(const struct tg_answer *a, const struct tg_driver_params *p, struct tg_outcome *o)
{
    const char *at = a->out, *end = a->out + a->out_len;
    json_t *jobs = NULL, *off = NULL, *job;
    json_t *first = next_document(&at, end, &jobs), *second = first ? next_document(&at, end, &off) : NULL;
    size_t i;

    if (!json_is_array(jobs) || !json_is_array(off)) {
        judge_bare(a, p, o);
    } else if (json_array_size(jobs)) {
        const char *fun = json_string_value(json_object_get(json_array_get(jobs, 0), "fun"));
        tg_outcome_say(o, TG_OUTCOME_BUSY, "salt: %.80s is running on the host", fun ? fun : "a job");
    } else {
        tg_outcome_say(o, TG_OUTCOME_UNCHANGED, "salt: idle");
        json_array_foreach(off, i, job)
            if (json_string_value(job) && strcmp(json_string_value(job), "highstate") == 0)
                tg_outcome_say(o, TG_OUTCOME_DISABLED, "salt: the highstate is disabled");
    }
    json_decref(first);
    json_decref(second);
}

static void judge_facts(const struct tg_answer *a, const struct tg_driver_params *p, struct tg_outcome *o)
{
    const char *at = a->out;
    json_t *value = NULL, *root = next_document(&at, a->out + a->out_len, &value);
    const char *os = json_string_value(json_object_get(value, "osfinger")), *version = json_string_value(json_object_get(value, "saltversion"));

    if (version) {
        snprintf(o->version, sizeof o->version, "%.100s", version);
        tg_outcome_say(o, TG_OUTCOME_UNCHANGED, "salt %.100s on %.100s", version, os ? os : "an unknown system");
    } else {
        judge_bare(a, p, o);
    }
    json_decref(root);
}

static void judge_switch(const struct tg_answer *a, enum tg_verb verb, const struct tg_driver_params *p, struct tg_outcome *o)
{
    char words[320];

    first_words(a->err, words, sizeof words);
    if (a->status == 0)
        tg_outcome_say(o, TG_OUTCOME_CHANGED, "salt: the highstate is %sd", tg_verb_name(verb));
    else if (a->status == TG_SALT_ALREADY)
        tg_outcome_say(o, TG_OUTCOME_UNCHANGED, "salt: the highstate was %sd already", tg_verb_name(verb));
    else if (a->status == TG_SALT_ANOTHERS)
        tg_outcome_say(o, TG_OUTCOME_DISABLED, "salt: %s", words);
    else
        judge_bare(a, p, o);
}

static void judge_states(const struct tg_answer *a, enum tg_verb verb, const struct tg_driver_params *p, struct tg_outcome *o)
{
    const char *at = a->out;
    json_t *value = NULL, *root = next_document(&at, a->out + a->out_len, &value);

    if (!root) {
        judge_bare(a, p, o);
        return;
    }
    tg_salt_states(value, verb, o);
    /* Salt says that something is wrong, and its JSON does not: not fine. */
    if (a->status != 0 && (o->kind == TG_OUTCOME_UNCHANGED || o->kind == TG_OUTCOME_CHANGED || o->kind == TG_OUTCOME_WOULD_CHANGE))
        tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "salt: exit %d, though no state says that it failed", a->status);
    json_decref(root);
}

int tg_salt_answer(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_answer *a, struct tg_outcome *out, struct tg_error *e)
{
    struct tg_outcome o = {.changed = -1, .failed = -1, .corrective = -1};

    (void) e;
    if (verb == TG_VERB_STATUS)
        judge_status(a, p, &o);
    else if (verb == TG_VERB_FACTS)
        judge_facts(a, p, &o);
    else if (verb == TG_VERB_DISABLE || verb == TG_VERB_ENABLE)
        judge_switch(a, verb, p, &o);
    else if (verb == TG_VERB_REBOOT_NEEDED)
        tg_reboot_answer(a, &o);
    else
        judge_states(a, verb, p, &o);
    *out = o;
    return 0;
}
