/* Building calendars: see build.h. */
#include "calendar/build.h"

#include "base/module.h"

#include <stdlib.h>
#include <string.h>

void tg_when_release(struct tg_when *when)
{
    if (when->recurrence)
        when->zone_backend->recur_free(when->recurrence);
    free(when->except);
    free(when->also);
    free(when->what);
    free(when->file);
    *when = (struct tg_when) {0};
}

void tg_rule_release(struct tg_rule *rule)
{
    for (size_t i = 0; i < rule->n_when; i++)
        tg_when_release(&rule->when[i]);
    free(rule->when);
    free(rule->name);
    free(rule->scope);
    free(rule->file);
    *rule = (struct tg_rule) {0};
}

int tg_rule_room(struct tg_rule *rule, struct tg_when **out, struct tg_error *e)
{
    if (rule->n_when == rule->cap_when) {
        size_t more = rule->cap_when ? 2 * rule->cap_when : 4;
        struct tg_when *list = realloc(rule->when, more * sizeof *list);
        if (!list)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        rule->when = list;
        rule->cap_when = more;
    }
    *out = &rule->when[rule->n_when++];
    **out = (struct tg_when) {0};
    return 0;
}

int tg_when_zone(struct tg_when *when, const char *name, struct tg_error *e)
{
    int rc = tg_zone_find(name, &when->zone, e);

    if (!rc)
        memcpy(when->zone_name, name, strlen(name) + 1);
    return rc;
}

int tg_when_recur(struct tg_when *when, const char *rrule, struct tg_error *e)
{
    int rc = tg_zone_backend_find(&when->zone_backend, e);

    return rc ? rc : when->zone_backend->recur_new(rrule, when->start_local_s, when->zone.zone, &when->recurrence, e);
}

static int compare_except(const void *a, const void *b)
{
    const struct tg_when_except *x = a, *y = b;

    return (x->local_s > y->local_s) - (x->local_s < y->local_s);
}

static int compare_s(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

void tg_when_sort(struct tg_when *when)
{
    if (when->n_except)
        qsort(when->except, when->n_except, sizeof *when->except, compare_except);
    if (when->n_also)
        qsort(when->also, when->n_also, sizeof *when->also, compare_s);
}

int tg_when_check_length(const struct tg_when *when, struct tg_error *e)
{
    int64_t length = when->clock_s + when->exact_s, most = when->recurrence ? TG_CALENDAR_LENGTH_MAX_S : 10 * TG_CALENDAR_LENGTH_MAX_S;

    if (when->by_hours)
        return 0;
    if (when->clock_s < 0 || when->exact_s < 0 || length <= 0)
        return tg_fail(e, TG_E_DATA, "it ends before it has begun");
    return length <= most ? 0 : tg_fail(e, TG_E_DATA, "it is longer than %d days", (int) (most / TG_DAY_S));
}

void tg_calendar_free(struct tg_calendar *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_rules; i++)
        tg_rule_release(&c->rules[i]);
    for (size_t i = 0; i < c->n_files; i++)
        free(c->files[i].path);
    free(c->files);
    free(c->rules);
    free(c->path);
    free(c);
}

int tg_calendar_note_file(struct tg_calendar *c, const char *path, struct tg_error *e)
{
    struct tg_calendar_file *files = realloc(c->files, (c->n_files + 1) * sizeof *files), f = {.path = strdup(path)};

    if (files)
        c->files = files;
    if (!files || !f.path) {
        free(f.path);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    f.there = stat(path, &f.st) == 0;
    c->files[c->n_files++] = f;
    return 0;
}

const struct tg_calendar_file *tg_calendar_files(const struct tg_calendar *c, size_t *out_n)
{
    *out_n = c->n_files;
    return c->files;
}

const char *tg_calendar_path(const struct tg_calendar *c)
{
    return c->path;
}

const struct tg_rule *tg_calendar_rules(const struct tg_calendar *c, size_t *out_n)
{
    *out_n = c->n_rules;
    return c->rules;
}

bool tg_calendar_default_open(const struct tg_calendar *c)
{
    return c->default_open;
}

int64_t tg_calendar_cut_off_ms(const struct tg_calendar *c)
{
    return c->cut_off_ms;
}

int64_t tg_calendar_lead_ms(const struct tg_calendar *c)
{
    return c->lead_ms;
}

const char *tg_calendar_zone(const struct tg_calendar *c)
{
    return c->zone;
}
