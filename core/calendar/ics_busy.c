/* When somebody is busy, as free/busy exports tell it (RFC 5545, 3.6.4): see ics.h. What they call free says only that nobody has entered anything, and opens nothing. */
#include "calendar/ics.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "20261124T080000Z/20261124T090000Z", "20261124T080000Z/PT1H" */
static bool take_period(struct tg_ics_meaning *m, const struct tg_ics_line *line, const char *text, size_t len, struct tg_when *out)
{
    const char *slash = memchr(text, '/', len), *name;
    struct tg_zone zone;
    int64_t end_s = 0, clock_s = 0;
    bool date = false, end_date = false;
    char end[40] = "";

    if (slash && (size_t) (text + len - slash) <= sizeof end) {
        memcpy(end, slash + 1, (size_t) (text + len - slash - 1));
        end[text + len - slash - 1] = '\0';
    }
    bool until = slash && tg_ics_local(text, (size_t) (slash - text), &out->start_local_s, &date) && tg_ics_local(end, strlen(end), &end_s, &end_date);
    bool length = slash && !until && tg_ics_local(text, (size_t) (slash - text), &out->start_local_s, &date) && tg_ics_duration(end, &clock_s, &out->exact_s);
    if ((!until && !length) || date || end_date)
        return tg_ics_problem(m->ics, line->line, line->source, "\"%.*s\" is no period of time", (int) (len > 60 ? 60 : len), text), false;
    if (!tg_ics_zone_of(m, line, text, (size_t) (slash - text), &zone, &name))
        return false;
    out->exact_s = until ? end_s - out->start_local_s : out->exact_s + clock_s;
    if (out->exact_s < 0 || (until && (end[strlen(end) - 1] == 'Z') != (slash[-1] == 'Z')))
        return tg_ics_problem(m->ics, line->line, line->source, "it ends before it has begun, or by another clock"), false;
    out->zone = zone;
    memcpy(out->zone_name, name, strlen(name) + 1);
    return true;
}

static bool keep(struct tg_ics_meaning *m, const struct tg_ics_line *line, const struct tg_when *period, struct tg_rule *into)
{
    struct tg_when *when;

    if (!into || period->exact_s == 0)
        return true;
    if ((m->rc = tg_rule_room(into, &when, m->e)))
        return false;
    *when = *period;
    when->line = line->line;
    when->column = 1;
    when->what = strdup("busy");
    when->file = strdup(m->ics->file);
    return (when->what && when->file) || (m->rc = tg_fail(m->e, TG_E_MEMORY, "out of memory"), false);
}

/* BUSY, BUSY-UNAVAILABLE, BUSY-TENTATIVE, and words that nobody knows: all but FREE. */
static bool is_free(const struct tg_ics_line *line)
{
    const char *type;
    size_t len;

    return tg_ics_param(line, "FBTYPE", &type, &len) && len == 4 && strncasecmp(type, "FREE", 4) == 0;
}

bool tg_ics_busy(struct tg_ics_meaning *m, const struct tg_ics_event *event, struct tg_rule *into)
{
    if (event->cancelled)
        return true;
    if (m->rule->kind == TG_RULE_WINDOW) {
        tg_error_hint(tg_ics_problem(m->ics, event->line, event->source, "a VFREEBUSY tells when somebody is busy: that is no window"),
                      "put the file among the blackouts, or export the calendar itself");
        return false;
    }
    for (size_t i = 0; i < event->n_also; i++) {
        const struct tg_ics_line *line = &event->also[i];
        for (const char *p = line->value; !is_free(line) && *p; p += strspn(p, ",")) {
            struct tg_when period = {.line = 0};
            size_t len = strcspn(p, ",");
            if (!take_period(m, line, p, len, &period) || !keep(m, line, &period, into))
                return false;
            p += len;
        }
    }
    return true;
}
