/*
 * What came back → an outcome. A line of JSON each, of our callback; the statistics of the one host that was meant decide, the exit
 * status is only a hint, and what check mode skipped is unknown (P12). Everything in it is what a host said. Pure.
 */
#define _GNU_SOURCE
#include "ansible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIFF_MAX 65536

struct tally {
    const char *host;
    struct tg_outcome *o;
    int changed, unforeseen, broken;
    char failure[320], first_unforeseen[200];
    bool have_stats, any_failed; /* any_failed: some host of the run */
    char quoted[300];              /* the host as JSON has it, to step over lines of others: a run from the controller has many */
    int64_t ok, stats_changed, failures, unreachable;
    char *diff;
    size_t len;
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

static int lines_of(const json_t *o, const char *key)
{
    json_int_t n = json_is_integer(json_object_get(o, key)) ? json_integer_value(json_object_get(o, key)) : -1;

    return n < 0 || n > 1000000 ? -1 : (int) n;
}

static void add_text(struct tally *t, const char *text)
{
    size_t n = strlen(text);

    if (!t->diff || t->len + n + 1 > DIFF_MAX)
        return;
    memcpy(t->diff + t->len, text, n + 1);
    t->len += n;
}

static void take_task(struct tally *t, const json_t *o)
{
    const char *state = text_of(o, "state"), *what = text_of(o, "what"), *diff = text_of(o, "diff");

    if (strcmp(state, "changed") == 0) {
        t->changed++;
        add_text(t, what);
        add_text(t, diff[0] ? ":\n" : "\n");
        add_text(t, diff);
        tg_outcome_item(t->o, what, lines_of(o, "added"), lines_of(o, "removed"), -1);
    } else if (strcmp(state, "unforeseen") == 0) {
        if (!t->unforeseen++)
            snprintf(t->first_unforeseen, sizeof t->first_unforeseen, "%s", text_of(o, "task"));
    } else if ((strcmp(state, "failed") == 0 || strcmp(state, "unreachable") == 0) && !json_is_true(json_object_get(o, "ignored"))) {
        snprintf(t->failure, sizeof t->failure, "%.100s: %.*s", text_of(o, "task"), (int) strcspn(text_of(o, "msg"), "\n"), text_of(o, "msg"));
    }
}

static bool has_failed(const json_t *h)
{
    return json_integer_value(json_object_get(h, "failures")) > 0 || json_integer_value(json_object_get(h, "unreachable")) > 0;
}

/* Exactly the host that was meant: another's figures prove nothing, but why the exit status is not 0. */
static void take_stats(struct tally *t, const json_t *o)
{
    const char *name;
    json_t *other;

    json_object_foreach(json_object_get(o, "hosts"), name, other)
        t->any_failed = t->any_failed || has_failed(other);
    const json_t *h = json_object_get(json_object_get(o, "hosts"), t->host);
    const json_t *v[] = {json_object_get(h, "ok"), json_object_get(h, "changed"), json_object_get(h, "failures"), json_object_get(h, "unreachable")};

    if (t->have_stats || !json_is_integer(v[0]) || !json_is_integer(v[1]) || !json_is_integer(v[2]) || !json_is_integer(v[3])) {
        t->broken += t->have_stats;
        return;
    }
    t->have_stats = true;
    t->ok = json_integer_value(v[0]);
    t->stats_changed = json_integer_value(v[1]);
    t->failures = json_integer_value(v[2]);
    t->unreachable = json_integer_value(v[3]);
}

static void take_line(struct tally *t, const char *line, size_t len)
{
    static const char task[] = "{\"tagout\": \"task\"";

    if (len >= sizeof task - 1 && memcmp(line, task, sizeof task - 1) == 0 && !memmem(line, len, t->quoted, strlen(t->quoted)))
        return;
    json_t *o = len && line[0] == '{' ? json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *kind = text_of(o, "tagout");

    if (strcmp(kind, "task") == 0 && strcmp(text_of(o, "host"), t->host) == 0)
        take_task(t, o);
    else if (strcmp(kind, "stats") == 0)
        take_stats(t, o);
    json_decref(o);
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

static void judge_dry_run(const struct tally *t, struct tg_outcome *o)
{
    char more[300] = "";

    if (t->unforeseen)
        snprintf(more, sizeof more, "; %d task%s can't be foretold in check mode (%.150s)", t->unforeseen, plural(t->unforeseen), t->first_unforeseen);
    if (t->stats_changed > 0)
        tg_outcome_say(o, TG_OUTCOME_WOULD_CHANGE, "ansible: would change %lld thing%s%s", (long long) t->stats_changed, plural(t->stats_changed), more);
    else if (t->unforeseen)
        tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "ansible: %s", more + 2);
    else
        tg_outcome_say(o, TG_OUTCOME_UNCHANGED, "ansible: nothing to change (%lld task%s)", (long long) t->ok, plural(t->ok));
}

static int count(int64_t n)
{
    return n < 0 ? -1 : n > 1000000 ? 1000000 : (int) n;
}

static void judge(const struct tally *t, enum tg_verb verb, int status, struct tg_outcome *o)
{
    o->changed = count(t->stats_changed);
    o->failed = count(t->failures);
    if (t->unreachable > 0 || t->failures > 0)
        tg_outcome_say(o, TG_OUTCOME_FAILED, "ansible: %s (exit %d)", t->failure[0] ? t->failure : "a task failed", status);
    else if (t->ok <= 0)
        tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "ansible: no task was run: do the tags exist?");
    else if ((status != 0 && !t->any_failed) || t->broken || t->ok < t->stats_changed || t->stats_changed < 0)
        tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "ansible: exit %d does not fit to what it reported", status);
    else if (verb == TG_VERB_DRY_RUN)
        judge_dry_run(t, o);
    else if (t->stats_changed)
        tg_outcome_say(o, TG_OUTCOME_CHANGED, "ansible: changed %lld thing%s", (long long) t->stats_changed, plural(t->stats_changed));
    else
        tg_outcome_say(o, TG_OUTCOME_UNCHANGED, "ansible: nothing to change (%lld task%s)", (long long) t->ok, plural(t->ok));
}

/* "ERROR! the playbook … could not be found", or the last line that says something. */
static void last_words(const char *text, char *out, size_t size)
{
    const char *at = strstr(text, "ERROR!"), *last = "it said nothing";

    for (const char *p = text; !at && *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (*p != '\n' && strncmp(p, "[WARNING]", 9) != 0)
            last = p;
    last = at ? at + 6 + strspn(at + 6, " ") : last;
    snprintf(out, size, "%.*s", (int) strcspn(last, "\n"), last);
}

/* Without statistics of the host: what kept it from being looked at. */
static void judge_bare(const struct tg_answer *a, const struct tg_driver_params *p, struct tg_outcome *o)
{
    const char *at = strstr(a->err, "TAGOUT-HELD");
    char words[320];

    at = at ? at : strstr(a->err, "TAGOUT-UNKNOWN");
    last_words(a->err, words, sizeof words);
    if (at)
        tg_outcome_say(o, TG_OUTCOME_HELD, "ansible: held back on the host: %.*s", (int) strcspn(at, "\n"), at);
    else if (a->status == 127 || a->status == 126)
        tg_outcome_say(o, TG_OUTCOME_FAILED, "ansible is not installed on the host (exit %d: %s)", a->status, words);
    else if (a->status == 124)
        tg_outcome_say_timeout(o, "ansible", a, p->timeout_ms);
    else if (a->status != 0)
        tg_outcome_say(o, TG_OUTCOME_FAILED, "ansible: %s (exit %d)", words, a->status);
    else
        tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "ansible: exit 0, but this host was not looked at: does the playbook name it?");
}

static void judge_play(const struct tg_answer *a, const struct tg_driver_params *p, enum tg_verb verb, struct tg_outcome *o)
{
    struct tally t = {.o = o, .host = a->host ? a->host : "", .diff = calloc(1, DIFF_MAX)};

    snprintf(t.quoted, sizeof t.quoted, "\"%.290s\"", t.host);
    for (const char *line = a->out, *end = a->out + a->out_len; line < end;) {
        const char *nl = memchr(line, '\n', (size_t) (end - line));
        take_line(&t, line, (size_t) ((nl ? nl : end) - line));
        line = nl ? nl + 1 : end;
    }
    if (t.have_stats)
        judge(&t, verb, a->status, o);
    else
        judge_bare(a, p, o);
    if (t.len)
        o->diff = strdup(t.diff);
    free(t.diff);
}

static void judge_status(const struct tg_answer *a, const struct tg_driver_params *p, struct tg_outcome *o)
{
    if (a->status == 0)
        tg_outcome_say(o, TG_OUTCOME_UNCHANGED, "ansible: no run is seen");
    else if (a->status == 75)
        tg_outcome_say(o, TG_OUTCOME_BUSY, "ansible: a run is in progress on the host (PID %.*s)", (int) strcspn(a->out, "\n"), a->out);
    else
        judge_bare(a, p, o);
}

/* "ansible-playbook [core 2.14.18]" */
static void judge_facts(const struct tg_answer *a, const struct tg_driver_params *p, struct tg_outcome *o)
{
    const char *at = strstr(a->out, "[core ");

    if (a->status != 0 || !at) {
        judge_bare(a, p, o);
        return;
    }
    snprintf(o->version, sizeof o->version, "%.*s", (int) strcspn(at + 6, "]\n"), at + 6);
    tg_outcome_say(o, TG_OUTCOME_UNCHANGED, "ansible-core %s", o->version);
}

int tg_ansible_answer(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_answer *a, struct tg_outcome *out,
                      struct tg_error *e)
{
    struct tg_outcome o = {.changed = -1, .failed = -1, .corrective = -1};

    (void) e;
    if (verb == TG_VERB_REBOOT_NEEDED)
        tg_reboot_answer(a, &o);
    else if (verb == TG_VERB_STATUS)
        judge_status(a, p, &o);
    else if (verb == TG_VERB_FACTS)
        judge_facts(a, p, &o);
    else
        judge_play(a, p, verb, &o);
    *out = o;
    return 0;
}
