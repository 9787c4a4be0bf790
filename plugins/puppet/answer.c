/*
 * What came back → an outcome. The exit status is only a hint: Puppet's own summary decides, when it is of this run; and when
 * nothing proves that something was looked at, the outcome is unknown (P12). Pure.
 */
#include "puppet.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies one line's beginning, control bytes made harmless. */
static void copy_line(const char *from, char *out, size_t size)
{
    size_t n = 0;

    for (; from[n] && from[n] != '\n' && n + 1 < size; n++)
        out[n] = (unsigned char) from[n] < ' ' || from[n] == 0x7f ? '?' : from[n];
    out[n] = '\0';
}

static const char *find_either(const struct tg_answer *a, const char *text)
{
    const char *at = strstr(a->err, text);

    return at ? at : strstr(a->out, text);
}

/* The next line that begins with prefix, from text on. */
static const char *line_with(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (strncmp(p, prefix, len) == 0)
            return p;
    return NULL;
}

/* The first "Error: " that is Puppet's about its work, not Facter's about a fact. */
static bool first_error(const struct tg_answer *a, char *out, size_t size)
{
    const char *texts[] = {a->err, a->out};

    for (size_t i = 0; i < 2; i++)
        for (const char *p = line_with(texts[i], "Error: "); p; p = line_with(p + 1, "Error: "))
            if (strncmp(p, "Error: Facter:", 14) != 0) {
                copy_line(p + 7, out, size);
                return true;
            }
    return false;
}

/* The newest summary that this run wrote. */
static bool fresh_summary(const struct tg_answer *a, struct tg_puppet_summary *out)
{
    for (size_t i = 0; i < a->n_files; i++) {
        struct tg_puppet_summary s;
        if (!a->files[i].truncated && tg_puppet_summary_parse(a->files[i].data, a->files[i].len, &s) == 0 &&
            s.last_run_s >= a->started_ms / 1000) {
            *out = s;
            return true;
        }
    }
    return false;
}

/* What stopped the run before it looked at anything: status 1, and a sentence that tells which. */
static bool stopped_before(const struct tg_answer *a, struct tg_outcome *o)
{
    char line[400];
    const char *at;

    if ((at = find_either(a, "TAGOUT-HELD")) != NULL || (at = find_either(a, "TAGOUT-UNKNOWN")) != NULL) {
        copy_line(at, line, sizeof line);
        tg_outcome_say(o, TG_OUTCOME_HELD, "puppet: held back on the host: %s", line);
    } else if ((at = find_either(a, "administratively disabled")) != NULL) {
        copy_line(at, line, sizeof line);
        tg_outcome_say(o, TG_OUTCOME_DISABLED, "puppet: %s", line);
    } else if (find_either(a, "already in progress; skipping") || find_either(a, "Exiting now because the maxwaitforlock")) {
        tg_outcome_say(o, TG_OUTCOME_BUSY, "puppet: another run is in progress on the host");
    } else {
        return false;
    }
    return true;
}

static bool did_not_run(const struct tg_answer *a, const struct tg_driver_params *p, struct tg_outcome *o)
{
    char line[300];

    if (a->status == 127 || a->status == 126) {
        copy_line(a->err, line, sizeof line);
        tg_outcome_say(o, TG_OUTCOME_FAILED, "puppet is not installed on the host (exit %d: %s)", a->status, line);
    } else if (a->status == 124 || a->status > 128) {
        if (a->status == 124 || a->ended_ms - a->started_ms >= p->timeout_ms)
            tg_outcome_say_timeout(o, "puppet", a, p->timeout_ms);
        else
            tg_outcome_say(o, TG_OUTCOME_FAILED, "puppet: killed by signal %d", a->status - 128);
    } else {
        return false;
    }
    return true;
}

static int count(int64_t n)
{
    return n < 0 ? -1 : n > 1000000 ? 1000000 : (int) n;
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

/* What would change: the lines of stdout that say so, diffs included. */
static char *pick_diff(const char *out)
{
    const char *begin = strstr(out, "Applying configuration"), *end;

    begin = begin ? strchr(begin, '\n') : strstr(out, "Compiled catalog") ? strchr(strstr(out, "Compiled catalog"), '\n') : out;
    if (!begin)
        return NULL;
    while (*begin == '\n')
        begin++;
    end = strstr(begin, "Notice: Applied catalog");
    size_t len = end ? (size_t) (end - begin) : strlen(begin);
    return len ? strndup(begin, len > 65536 ? 65536 : len) : NULL;
}

/* Can this run of Puppet tell manual changes from others? Only the agent can, where it knows what it did last. */
static bool knows_corrective(const struct tg_answer *a, const struct tg_driver_params *p, const struct tg_puppet_summary *s)
{
    return !p->manifest && s->corrective >= 0 && !strstr(a->err, TG_PUPPET_NO_RECORD);
}

static void judge_dry_run(const struct tg_answer *a, const struct tg_puppet_summary *s, struct tg_outcome *o)
{
    o->changed = count(s->out_of_sync);
    if (s->out_of_sync <= 0) {
        o->corrective = 0;
        tg_outcome_say(o, TG_OUTCOME_UNCHANGED, "puppet: nothing to change (%lld resources)", (long long) s->total);
        return;
    }
    o->diff = pick_diff(a->out);
    tg_puppet_items(a->out, o->corrective >= 0, o);
    tg_outcome_say(o, TG_OUTCOME_WOULD_CHANGE, "puppet: would change %lld of %lld resources", (long long) s->out_of_sync, (long long) s->total);
}

static void judge_summary(const struct tg_answer *a, const struct tg_driver_params *p, enum tg_verb verb,
                          const struct tg_puppet_summary *s, struct tg_outcome *o)
{
    char line[400] = "";
    bool failed = s->failed > 0 || s->failures > 0 || s->failed_to_restart > 0 || (a->status != 0 && a->status != 2);

    o->failed = count(s->failed);
    o->corrective = knows_corrective(a, p, s) ? count(s->corrective) : -1;
    snprintf(o->version, sizeof o->version, "%s", s->version);
    if (failed) {
        first_error(a, line, sizeof line);
        o->changed = count(s->changed);
        tg_outcome_say(o, TG_OUTCOME_FAILED, "puppet: %s (exit %d)", line[0] ? line : "failed, and said no more", a->status);
    } else if (s->total <= 0 || s->skipped >= s->total) {
        tg_outcome_say(o, TG_OUTCOME_UNKNOWN, "puppet: exit %d, but no resource was looked at (%lld of %lld skipped): do the tags exist?",
                a->status, (long long) s->skipped, (long long) s->total);
    } else if (verb == TG_VERB_DRY_RUN) {
        judge_dry_run(a, s, o);
    } else if (a->status == 2 || s->changed > 0) {
        o->changed = count(s->changed);
        o->diff = pick_diff(a->out);
        tg_outcome_say(o, TG_OUTCOME_CHANGED, "puppet: changed %lld resource%s", (long long) s->changed, plural(s->changed));
    } else {
        o->changed = 0;
        tg_outcome_say(o, TG_OUTCOME_UNCHANGED, "puppet: nothing to change (%lld resources)", (long long) s->total);
    }
}

int tg_puppet_answer(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_answer *a, struct tg_outcome *out,
                     struct tg_error *e)
{
    struct tg_outcome o = {.changed = -1, .failed = -1, .corrective = -1};
    struct tg_puppet_summary s;
    char line[400];

    (void) e;
    if (verb == TG_VERB_REBOOT_NEEDED) {
        tg_reboot_answer(a, out);
        return 0;
    }
    if ((a->status == 1 && stopped_before(a, &o)) || did_not_run(a, p, &o)) {
        *out = o;
        return 0;
    }
    /* status 1 and a summary: a prerun_command refused, which writes one of zeros, or a run that broke off */
    if (fresh_summary(a, &s))
        judge_summary(a, p, verb, &s, &o);
    else if (a->status != 0 && a->status != 2)
        tg_outcome_say(&o, TG_OUTCOME_FAILED, "puppet: %s (exit %d)", first_error(a, line, sizeof line) ? line : "failed, and said no more", a->status);
    else
        tg_outcome_say(&o, TG_OUTCOME_UNKNOWN, "puppet: exit %d, but it left no report of this run", a->status);
    *out = o;
    return 0;
}
