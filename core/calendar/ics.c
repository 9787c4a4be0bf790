/*
 * What an .ics file means (RFC 5545): each event is a pattern of times. Whatever an event says of when it is must be understood, or the file is
 * refused with the line; what else it says is passed over. See calendar.h, docs/tagout-calendar.5.scd.
 */
#include "calendar/ics.h"

#include "base/module.h"
#include "calendar/local.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEVER_MAX 1    /* of those that were looked for for seconds */
#define WHAT_MAX 200

static struct tg_error *at_line(const struct tg_ics_meaning *m, const struct tg_ics_line *line, const char *message)
{
    return tg_ics_problem(m->ics, line->line, line->source, "%s", message);
}

/* ---- an event */

static bool take_length(struct tg_ics_meaning *m, struct tg_ics_known *k)
{
    const struct tg_ics_line *end = &k->event->has[TG_ICS_DTEND], *duration = &k->event->has[TG_ICS_DURATION];
    struct tg_zone zone;
    const char *name;
    int64_t end_s;
    bool date;

    if (end->value && duration->value)
        return at_line(m, duration, "it has both DTEND and DURATION"), false;
    if (duration->value && !tg_ics_duration(duration->value, &k->when.clock_s, &k->when.exact_s))
        return tg_ics_problem(m->ics, duration->line, duration->source, "\"%.40s\" is no duration", duration->value), false;
    if (!end->value) {
        if (!duration->value)
            k->when.clock_s = k->all_day ? TG_DAY_S : 0;
        return true;
    }
    if (!tg_ics_time(m, end, &end_s, &date, &zone, &name))
        return false;
    if (date != k->all_day)
        return at_line(m, end, "DTEND is a date and DTSTART a time, or the other way round"), false;
    if (k->all_day && end_s == k->when.start_local_s && m->rule->kind == TG_RULE_BLACKOUT)
        k->when.clock_s = TG_DAY_S; /* so programs write a day that take DTEND for the last one */
    else if (k->all_day)
        k->when.clock_s = end_s - k->when.start_local_s;
    else /* RFC 5545, 3.8.5.3: of what recurs, each is exactly so long */
        k->when.exact_s = tg_local_wall_s(&zone, end_s, TG_ZONE_ICAL) - tg_local_wall_s(&k->zone, k->when.start_local_s, TG_ZONE_ICAL);
    if (k->when.clock_s < 0 || k->when.exact_s < 0)
        return at_line(m, end, "it ends before it has begun"), false;
    return true;
}

int tg_ics_except(struct tg_ics_known *k, int64_t local_s, bool day, struct tg_error *e)
{
    size_t n = k->when.n_except;
    struct tg_when_except *list = n & (n - 1) ? k->when.except : realloc(k->when.except, (n ? 2 * n : 1) * sizeof *list); /* it doubles */

    if (!list)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    k->when.except = list;
    list[k->when.n_except++] = (struct tg_when_except) {local_s, day};
    return 0;
}

/*
 * A start that is not. Of whole days programs also write the time at which they begin, in whatever zone: where it is not sure which day that is, a window
 * is on neither, and a blackout on both. So it is with a time that names no zone, where the event has one: programs leave it out that mean the event's.
 */
static int put_except(struct tg_ics_meaning *m, struct tg_ics_known *k, int64_t s, bool date, const struct tg_zone *zone, bool floats)
{
    int rc;

    if (date)
        return tg_ics_except(k, s, !k->all_day, m->e);
    if (!k->all_day && floats && m->rule->kind == TG_RULE_WINDOW && (rc = tg_ics_except(k, s, false, m->e)))
        return rc;
    if (!k->all_day)
        return tg_ics_except(k, tg_ics_translate(zone, s, &k->zone), false, m->e);
    int64_t here = tg_ics_translate(zone, s, &k->zone), written = s - s % TG_DAY_S, day = here - here % TG_DAY_S;
    if (zone->backend || written == day)
        return tg_ics_except(k, written, true, m->e);
    if (m->rule->kind == TG_RULE_BLACKOUT)
        return 0;
    rc = tg_ics_except(k, written, true, m->e);
    return rc ? rc : tg_ics_except(k, day, true, m->e);
}

static int put_also(struct tg_ics_known *k, int64_t local_s, struct tg_error *e)
{
    size_t n = k->when.n_also;
    int64_t *list = n & (n - 1) ? k->when.also : realloc(k->when.also, (n ? 2 * n : 1) * sizeof *list);

    if (!list)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    k->when.also = list;
    list[k->when.n_also++] = local_s;
    return 0;
}

/* A list of dates: EXDATE, RDATE. */
static bool take_dates(struct tg_ics_meaning *m, struct tg_ics_known *k, const struct tg_ics_line *line, bool also)
{
    size_t n = 0;

    for (const char *p = line->value; *p; p += strspn(p, ",")) {
        size_t len = strcspn(p, ",");
        struct tg_zone zone;
        const char *name;
        int64_t s;
        bool date;
        if (memchr(p, '/', len))
            return at_line(m, line, "dates with a length of their own (PERIOD) are not supported"), false;
        if (!tg_ics_local(p, len, &s, &date))
            return tg_ics_problem(m->ics, line->line, line->source, "\"%.*s\" is no date and no time", (int) (len > 40 ? 40 : len), p), false;
        if (also && date != k->all_day)
            return at_line(m, line, "RDATE is a date and DTSTART a time, or the other way round"), false;
        if (!tg_ics_zone_of(m, line, p, len, &zone, &name))
            return false;
        if (++n > TG_ICS_DATES_MAX)
            return at_line(m, line, "the line has too many dates"), false;
        m->rc = also ? put_also(k, date ? s : tg_ics_translate(&zone, s, &k->zone), m->e) : put_except(m, k, s, date, &zone, tg_ics_floats(line, p, len));
        if (m->rc)
            return false;
        p += len;
    }
    return true;
}

static int found_one(int64_t start_local_s, void *data)
{
    (void) start_local_s;
    *(bool *) data = true;
    return 1;
}

/* The first one counts, whatever the rule says: other programs show it. Where that would open something, the rule decides. */
static bool count_start(struct tg_ics_meaning *m, struct tg_ics_known *k)
{
    bool found = false;
    int64_t s = k->when.start_local_s;

    if (m->rule->kind == TG_RULE_WINDOW)
        return true;
    int rc = k->when.zone_backend->recur_expand(k->when.recurrence, s, s + 1, found_one, &found, m->e);
    if (rc < 0)
        return m->rc = rc, false;
    return found || !(m->rc = put_also(k, s, m->e));
}

static bool take_rule(struct tg_ics_meaning *m, struct tg_ics_known *k)
{
    const struct tg_ics_line *rule = &k->event->has[TG_ICS_RRULE];
    struct tg_error why = TG_ERROR_INIT;

    if (k->event->has[TG_ICS_EXRULE].value)
        return at_line(m, &k->event->has[TG_ICS_EXRULE], "EXRULE is not supported (RFC 5545 took it away)"), false;
    if (!rule->value)
        return true;
    int rc = tg_when_recur(&k->when, rule->value, &why);
    if (rc == TG_E_DATA) {
        tg_error_hint(tg_ics_problem(m->ics, rule->line, rule->source, "RRULE: %s", why.message), "%s", why.hint);
        m->never += strcmp(why.message, "never comes") == 0;
        return false;
    }
    if (rc)
        return m->rc = tg_fail(m->e, rc, "%s", why.message), false;
    return count_start(m, k);
}

/* Which of its master's it stands for. */
static bool take_override(struct tg_ics_meaning *m, struct tg_ics_known *k)
{
    const struct tg_ics_line *line = &k->event->has[TG_ICS_RECURRENCE_ID];
    const char *name, *range;
    size_t len;

    if (!line->value)
        return true;
    if (tg_ics_param(line, "RANGE", &range, &len))
        return at_line(m, line, "RANGE (this one and all behind it) is not supported"), false;
    k->override = true;
    k->recurrence_floats = tg_ics_floats(line, line->value, strlen(line->value));
    if (!tg_ics_time(m, line, &k->recurrence_s, &k->recurrence_day, &k->recurrence_zone, &name))
        return false;
    k->recurrence_wall_s = tg_local_wall_s(&k->recurrence_zone, k->recurrence_s, TG_ZONE_ICAL);
    return true;
}

/* Some text for people: unescaped, one line. */
static char *what_of(const struct tg_ics_line *summary)
{
    char *text = summary->value ? strndup(summary->value, WHAT_MAX) : NULL, *to = text;

    for (const char *p = text; p && *p; p++) {
        if (*p == '\\' && p[1])
            p++;
        *to++ = *p;
    }
    if (to)
        *to = '\0';
    return text;
}

/* Nothing of it is looked at but what it takes away. false: a window may not be what it says, and that was said. */
static bool take_status(struct tg_ics_meaning *m, const struct tg_ics_event *event, struct tg_ics_known *k)
{
    const struct tg_ics_line *line = &event->has[TG_ICS_STATUS];
    const char *status = line->value ? line->value : "CONFIRMED", *busy = event->has[TG_ICS_BUSY_STATUS].value;
    bool window = m->rule->kind == TG_RULE_WINDOW, unsure = strcasecmp(status, "TENTATIVE") == 0 || (busy && strcasecmp(busy, "TENTATIVE") == 0);

    k->out = event->cancelled || strcasecmp(status, "CANCELLED") == 0 || (window && unsure);
    if (k->out || !window || strcasecmp(status, "CONFIRMED") == 0)
        return true;
    tg_error_hint(tg_ics_problem(m->ics, line->line, line->source, "there is no STATUS \"%.40s\"", status), "CONFIRMED, TENTATIVE or CANCELLED");
    return false;
}

static bool take_start(struct tg_ics_meaning *m, struct tg_ics_known *k)
{
    const struct tg_ics_line *start = &k->event->has[TG_ICS_DTSTART];
    const char *name;

    if (!start->value)
        return tg_ics_problem(m->ics, k->event->line, k->event->source, "the event has no DTSTART"), false;
    if (!tg_ics_time(m, start, &k->when.start_local_s, &k->all_day, &k->zone, &name))
        return false;
    k->when.zone = k->zone;
    memcpy(k->when.zone_name, name, strlen(name) + 1);
    return true;
}

/* false: a mistake, which was said, or m->rc. */
static bool take_event(struct tg_ics_meaning *m, const struct tg_ics_event *event, struct tg_ics_known *k)
{
    const char *sequence = event->has[TG_ICS_SEQUENCE].value;
    struct tg_error why = TG_ERROR_INIT;

    *k = (struct tg_ics_known) {.event = event, .uid = event->has[TG_ICS_UID].value ? event->has[TG_ICS_UID].value : ""};
    k->sequence = sequence ? strtol(sequence, NULL, 10) : 0;
    if (!take_status(m, event, k) || !take_override(m, k))
        return false;
    if (k->out)
        return true;
    if (!take_start(m, k) || !take_length(m, k))
        return false;
    if (!k->when.clock_s && !k->when.exact_s)
        return k->out = true; /* it takes no time: a reminder */
    if (!take_rule(m, k))
        return false;
    for (size_t i = 0; i < event->n_except; i++)
        if (!take_dates(m, k, &event->except[i], false))
            return false;
    for (size_t i = 0; i < event->n_also; i++)
        if (!take_dates(m, k, &event->also[i], true))
            return false;
    if (tg_when_check_length(&k->when, &why))
        return tg_ics_problem(m->ics, event->line, event->source, "the event of line %d: %s", event->line, why.message), false;
    k->when.line = event->line;
    k->when.column = 1;
    k->when.what = what_of(&event->has[TG_ICS_SUMMARY]);
    k->when.file = strdup(m->ics->file);
    return k->when.file || (m->rc = tg_fail(m->e, TG_E_MEMORY, "out of memory"), false);
}

/* ---- all of them */

/* Into the rule; the list keeps what is out. */
static int hand_over(struct tg_ics_meaning *m, struct tg_ics_known *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct tg_when *when;
        if (list[i].out)
            continue;
        int rc = tg_rule_room(m->rule, &when, m->e);
        if (rc)
            return rc;
        *when = list[i].when;
        list[i].when = (struct tg_when) {0};
        tg_when_sort(when);
    }
    return 0;
}

static int take_all(struct tg_ics_meaning *m, struct tg_error *e)
{
    size_t before = tg_problems_count(m->ics->p), n = 0;
    struct tg_ics_known *list = calloc(m->ics->n + 1, sizeof *list);

    if (!list)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < m->ics->n && !m->rc && m->never < NEVER_MAX; i++)
        if (m->ics->events[i].busy)
            tg_ics_busy(m, &m->ics->events[i], NULL);
        else
            take_event(m, &m->ics->events[i], &list[n++]);
    if (!m->rc && tg_problems_count(m->ics->p) == before)
        m->rc = tg_ics_settle(m->ics, m->rule->kind, list, n, m->e);
    if (!m->rc && tg_problems_count(m->ics->p) == before)
        m->rc = hand_over(m, list, n);
    for (size_t i = 0; !m->rc && tg_problems_count(m->ics->p) == before && i < m->ics->n; i++)
        if (m->ics->events[i].busy)
            tg_ics_busy(m, &m->ics->events[i], m->rule);
    for (size_t i = 0; i < n; i++)
        tg_when_release(&list[i].when);
    free(list);
    return m->rc;
}

int tg_ics_read(const char *file, const char *text, size_t len, const char *zone, struct tg_problems *problems, struct tg_rule *rule, struct tg_error *e)
{
    struct tg_ics ics = {.file = file, .text = text, .len = len, .p = problems};
    struct tg_ics_meaning m = {.ics = &ics, .rule = rule, .zone = zone, .e = e};
    size_t before = tg_problems_count(problems);
    int rc = tg_ics_split(&ics, e);

    if (!rc && tg_problems_count(problems) == before)
        rc = take_all(&m, e);
    tg_ics_release(&ics);
    if (!rc && tg_problems_count(problems) > before)
        rc = tg_fail(e, TG_E_DATA, "%s can't be used", file);
    return rc;
}

static int load(int fd, const char *path, char **out, size_t *out_len, struct tg_error *e)
{
    struct stat st;
    size_t len = 0;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return tg_fail(e, TG_E_CONFIG, "%s is no file", path);
    if (st.st_size > TG_ICS_SIZE_MAX)
        return tg_fail(e, TG_E_CONFIG, "%s has more than %u MB", path, TG_ICS_SIZE_MAX >> 20);
    char *text = malloc((size_t) st.st_size + 1);
    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    while (len < (size_t) st.st_size) {
        ssize_t n = read(fd, text + len, (size_t) st.st_size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int why = n ? errno : EIO;
            free(text);
            return tg_fail_errno(e, TG_E_CONFIG, why, "%s", path);
        }
        len += (size_t) n;
    }
    text[len] = '\0';
    *out = text;
    *out_len = len;
    return 0;
}

int tg_ics_load(const char *path, const char *zone, struct tg_problems *problems, struct tg_rule *rule, struct tg_error *e)
{
    char *text = NULL;
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return tg_fail_errno(e, TG_E_CONFIG, errno, "%s", path);
    int rc = load(fd, path, &text, &len, e);
    close(fd);
    if (!rc)
        rc = tg_ics_read(path, text, len, zone, problems, rule, e);
    free(text);
    return rc;
}
