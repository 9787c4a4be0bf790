/* Which of an .ics file's events count: see ics.h. */
#include "calendar/ics.h"
#include "calendar/local.h"

#include <stdlib.h>
#include <string.h>

/* By uid; masters before what overrides them, of the same the latest version last. */
static int compare_known(const void *a, const void *b)
{
    const struct tg_ics_known *x = a, *y = b;
    int order = strcmp(x->uid, y->uid);

    if (!order && x->override != y->override)
        order = x->override ? 1 : -1;
    if (!order && x->override && x->recurrence_wall_s != y->recurrence_wall_s)
        order = x->recurrence_wall_s < y->recurrence_wall_s ? -1 : 1;
    if (!order && x->sequence != y->sequence)
        order = x->sequence < y->sequence ? -1 : 1;
    return order ? order : (x->event->line > y->event->line) - (x->event->line < y->event->line);
}

static bool same_event(const struct tg_ics_known *a, const struct tg_ics_known *b)
{
    return strcmp(a->uid, b->uid) == 0 && a->override == b->override && (!a->override || a->recurrence_wall_s == b->recurrence_wall_s);
}

static bool same_lines(const struct tg_ics_line *a, size_t n, const struct tg_ics_line *b, size_t m)
{
    if (n != m)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!a[i].value != !b[i].value || (a[i].value && (strcmp(a[i].value, b[i].value) != 0 || strcmp(a[i].params, b[i].params) != 0)))
            return false;
    return true;
}

/* They say the same of when they are. */
static bool same_times(const struct tg_ics_event *a, const struct tg_ics_event *b)
{
    for (int i = TG_ICS_DTSTART; i <= TG_ICS_RRULE; i++)
        if (!same_lines(&a->has[i], 1, &b->has[i], 1))
            return false;
    return same_lines(a->except, a->n_except, b->except, b->n_except) && same_lines(a->also, a->n_also, b->also, b->n_also);
}

/* Two of the same version: a window is on neither's times unless both have them; a blackout on both. */
static void settle_version(struct tg_ics *ics, enum tg_rule_kind kind, struct tg_ics_known *k, struct tg_ics_known *next)
{
    if (kind == TG_RULE_BLACKOUT && !k->out && !same_times(k->event, next->event))
        return;
    if (kind == TG_RULE_WINDOW && !k->out && !next->out && !same_times(k->event, next->event))
        tg_error_hint(tg_ics_problem(ics, next->event->line, next->event->source, "the event has the UID and the SEQUENCE of the one of line %d, and is at another time",
                                     k->event->line),
                      "which of them counts is not known: take one of them out");
    if (kind == TG_RULE_WINDOW && k->out)
        next->out = true;
    k->out = true;
}

/* What stands for one of a series. */
static int settle_override(enum tg_rule_kind kind, struct tg_ics_known *master, struct tg_ics_known *k, struct tg_error *e)
{
    if (master->out) {
        k->out |= kind == TG_RULE_WINDOW; /* the whole series was cancelled */
        return 0;
    }
    if (k->recurrence_day)
        return tg_ics_except(master, k->recurrence_s, !master->all_day, e);
    if (!master->all_day && k->recurrence_floats && kind == TG_RULE_WINDOW) { /* in the event's zone, or in that of times without one */
        int rc = tg_ics_except(master, k->recurrence_s, false, e);
        if (rc)
            return rc;
    }
    if (!master->all_day)
        return tg_ics_except(master, tg_ics_translate(&k->recurrence_zone, k->recurrence_s, &master->zone), false, e);
    return tg_ics_except(master, k->recurrence_s - k->recurrence_s % TG_DAY_S, true, e);
}

int tg_ics_settle(struct tg_ics *ics, enum tg_rule_kind kind, struct tg_ics_known *list, size_t n, struct tg_error *e)
{
    struct tg_ics_known *master = NULL;
    int rc = 0;

    if (n)
        qsort(list, n, sizeof *list, compare_known);
    for (size_t i = 0; !rc && i < n; i++) {
        struct tg_ics_known *k = &list[i], *next = i + 1 < n ? &list[i + 1] : NULL;
        if (!k->uid[0])
            continue;
        if (next && same_event(k, next)) {
            if (k->sequence == next->sequence)
                settle_version(ics, kind, k, next);
            else
                k->out = true;
            continue;
        }
        if (!k->override)
            master = k;
        else if (master && strcmp(master->uid, k->uid) == 0)
            rc = settle_override(kind, master, k, e);
    }
    return rc;
}
