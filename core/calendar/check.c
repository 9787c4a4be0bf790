/* What looks wrong in a calendar: see check.h. */
#include "calendar/check.h"

#include "calendar/agenda_internal.h"
#include "fleet/nodeset.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS (INT64_C(401) * TG_DAY_MS) /* windows wholly in blackouts: a year and some */

struct look {
    struct tg_agenda *a;
    const struct tg_inventory *inv;
    int64_t t_ms;
    struct tg_calendar_warnings *out;
    struct tg_error *e;
    struct tg_spans all, closed, rest;
};

void tg_calendar_warnings_release(struct tg_calendar_warnings *w)
{
    for (size_t i = 0; i < w->n; i++) {
        free(w->list[i].file);
        free(w->list[i].text);
    }
    free(w->list);
    *w = (struct tg_calendar_warnings) TG_CALENDAR_WARNINGS_INIT;
}

static int warn(struct look *l, const char *file, int line, int column, const char *format, ...) __attribute__((format(printf, 5, 6)));
static int warn(struct look *l, const char *file, int line, int column, const char *format, ...)
{
    struct tg_calendar_warnings *w = l->out;
    struct tg_buf text = TG_BUF_INIT;
    va_list args;

    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 16;
        struct tg_calendar_warning *list = realloc(w->list, cap * sizeof *list);
        if (!list)
            return tg_fail(l->e, TG_E_MEMORY, "out of memory");
        w->list = list;
        w->cap = cap;
    }
    va_start(args, format);
    tg_buf_vprintf(&text, format, args);
    va_end(args);
    struct tg_calendar_warning *one = &w->list[w->n];
    *one = (struct tg_calendar_warning) {.file = strdup(file), .line = line, .column = column, .text = tg_buf_take(&text, l->e)};
    w->n++;
    return one->file && one->text ? 0 : tg_fail(l->e, TG_E_MEMORY, "out of memory");
}

static int warn_rule(struct look *l, const struct tg_rule *rule, const char *what)
{
    return warn(l, rule->file, rule->line, rule->column, "%s \"%s\" %s", rule->kind == TG_RULE_WINDOW ? "window" : "blackout", rule->name, what);
}

/* Its occurrences from t on, in all: within a year, or within ten when there are none. */
static int occurrences(struct look *l, const struct tg_rule *rule, int64_t *out_until_ms)
{
    static const int64_t reaches[] = {LOOK_MS, TG_CALENDAR_AHEAD_MS};
    int rc = 0;

    tg_spans_reset(&l->all);
    for (size_t r = 0; !rc && !l->all.n && r < 2; r++) {
        *out_until_ms = l->t_ms + reaches[r];
        for (size_t i = 0; !rc && i < rule->n_when; i++)
            rc = tg_when_spans(&rule->when[i], rule->kind, l->t_ms, *out_until_ms, &l->all, l->e);
    }
    return rc;
}

/* No occurrence is longer than the cut-off, so that nothing ever begins; what touches another one may be. */
static bool all_cut(const struct tg_spans *s, int64_t cut_off_ms)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->list[i].until_ms - s->list[i].from_ms > cut_off_ms)
            return false;
    return cut_off_ms > 0;
}

/* Does some class that the rule is about leave anything of it? */
static int look_in_blackouts(struct look *l, uint32_t index, int64_t until_ms, bool *out_used, bool *out_left)
{
    *out_used = *out_left = false;
    for (uint32_t c = 0; c < l->a->n_classes && !*out_left; c++) {
        const struct tg_agenda_class *class_ = &l->a->classes[c];
        size_t n = class_->n_windows + class_->n_blackouts + class_->n_shadowed, k = 0;
        while (k < n && class_->rules[k] != index)
            k++;
        if (k == n)
            continue;
        *out_used = true;
        if (k >= class_->n_windows || !class_->n_blackouts) {
            *out_left = true;
            continue;
        }
        int rc = tg_agenda_blackouts(l->a, c, l->t_ms, until_ms, &l->closed, l->e);
        if (!rc)
            rc = tg_spans_without(&l->all, &l->closed, &l->rest, l->e);
        if (rc)
            return rc;
        *out_left = l->rest.n > 0;
    }
    return 0;
}

static int look_at_rule(struct look *l, uint32_t index)
{
    const struct tg_rule *rule = l->a->rules[index].rule;
    int64_t until = 0;
    bool used, left;
    int rc = occurrences(l, rule, &until);

    if (rc)
        return rc;
    if (!l->all.n)
        return warn_rule(l, rule, rule->n_when ? "never comes again" : "has no times: its file has no events");
    tg_spans_settle(&l->all);
    if ((rc = look_in_blackouts(l, index, until, &used, &left)))
        return rc;
    if (!used)
        return warn_rule(l, rule, "is about no host");
    if (!left)
        return warn_rule(l, rule, "lies wholly in blackouts, for a year at least");
    if (rule->kind == TG_RULE_WINDOW && all_cut(&l->all, rule->cut_off_ms))
        return warn_rule(l, rule, "is never longer than its cut-off: nothing begins in it");
    return 0;
}

static int look_at_hosts(struct look *l)
{
    size_t n_hosts, n = 0;
    const struct tg_host *hosts = tg_inventory_hosts(l->inv, &n_hosts);
    struct tg_buf text = TG_BUF_INIT;
    struct tg_folder *folder;
    bool any = false;
    int rc = tg_folder_new(&folder, l->e);

    for (size_t c = 0; c < l->a->n_classes; c++)
        any |= l->a->classes[c].n_windows > 0;
    for (size_t h = 0; !rc && h < n_hosts; h++)
        if (!l->a->classes[l->a->class_of[h]].n_windows) {
            n++;
            rc = tg_folder_add(folder, hosts[h].name, l->e);
        }
    if (!rc)
        rc = tg_folder_print(folder, &text, l->e);
    if (!rc && n && (any || !l->a->default_open))
        rc = warn(l, l->a->calendar ? tg_calendar_path(l->a->calendar) : tg_inventory_path(l->inv), 0, 0, "%zu host%s no window, and %s: %s", n,
                  n == 1 ? " has" : "s have", l->a->default_open ? "may always be disturbed" : "may never be disturbed", tg_buf_text(&text));
    tg_folder_free(folder);
    tg_buf_release(&text);
    return rc;
}

static int look_at_customers(struct look *l)
{
    size_t n;
    const struct tg_customer *customers = tg_inventory_customers(l->inv, &n);
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++) {
        const struct tg_customer *c = &customers[i];
        if (!c->n_contacts)
            rc = warn(l, tg_inventory_path(l->inv), c->line, c->column, "customer \"%s\" has no contacts: nobody is told", c->name);
        if (!rc && !c->n_hosts)
            rc = warn(l, tg_inventory_path(l->inv), c->line, c->column, "customer \"%s\" has no hosts", c->name);
    }
    return rc;
}

int tg_calendar_warn(struct tg_agenda *agenda, const struct tg_inventory *inventory, int64_t t_ms, struct tg_calendar_warnings *out, struct tg_error *e)
{
    struct look l = {.a = agenda, .inv = inventory, .t_ms = t_ms, .out = out, .e = e};
    int rc = t_ms >= 0 && t_ms < TG_CALENDAR_LAST_MS ? 0 : tg_fail(e, TG_E_DATA, "the time asked about is not within 1970 and 2199");

    for (uint32_t i = 0; !rc && i < agenda->n_rules; i++)
        rc = look_at_rule(&l, i);
    if (!rc)
        rc = look_at_hosts(&l);
    if (!rc)
        rc = look_at_customers(&l);
    tg_spans_release(&l.all);
    tg_spans_release(&l.closed);
    tg_spans_release(&l.rest);
    return rc;
}
