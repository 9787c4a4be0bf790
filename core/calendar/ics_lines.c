/*
 * The lines of an .ics file (RFC 5545, 3.1): unfolded, with their numbers, into events and time zones. libical's parser does that, too, and keeps
 * neither the numbers nor what it could not read; a window must not come of a line that was passed over.
 */
#include "calendar/ics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 16

static const char *const names[TG_ICS_NAMES] = {
    [TG_ICS_UID] = "UID", [TG_ICS_SEQUENCE] = "SEQUENCE", [TG_ICS_STATUS] = "STATUS", [TG_ICS_BUSY_STATUS] = "X-MICROSOFT-CDO-BUSYSTATUS",
    [TG_ICS_SUMMARY] = "SUMMARY", [TG_ICS_DTSTART] = "DTSTART", [TG_ICS_DTEND] = "DTEND", [TG_ICS_DURATION] = "DURATION", [TG_ICS_RRULE] = "RRULE", [TG_ICS_RECURRENCE_ID] = "RECURRENCE-ID", [TG_ICS_EXRULE] = "EXRULE",
    [TG_ICS_EXDATE] = "EXDATE", [TG_ICS_RDATE] = "RDATE", [TG_ICS_FREEBUSY] = "FREEBUSY",
};

/* A line as it lies in the file, folds included. */
struct raw {
    const char *text, *end; /* end: behind its last byte, without the line break */
    int line;
};

struct split {
    struct tg_ics *ics;
    const char *at;      /* the next line */
    int line;            /* and its number */
    char component[DEPTH_MAX][32];
    int depth;
    int began;           /* line of the outermost BEGIN */
    bool any;            /* a VCALENDAR was there */
    bool cancels;        /* this one has METHOD:CANCEL */
    size_t first;        /* of its events */
    struct tg_ics_event *event; /* within one; its alarms don't count */
    const char *zone_text;
    int zone_line;
    char *zone_name;
};

struct tg_error *tg_ics_problem(const struct tg_ics *ics, int line, const char *source, const char *format, ...)
{
    struct tg_place place = {.file = ics->file, .line = line, .column = 1, .source = source};
    va_list args;

    if (source)
        place.source_len = (size_t) (ics->text + ics->len - source);
    va_start(args, format);
    struct tg_error *e = tg_problems_addv(ics->p, &place, format, args);
    va_end(args);
    return e;
}

static void release_line(struct tg_ics_line *l)
{
    free(l->params);
    free(l->value);
}

void tg_ics_release(struct tg_ics *ics)
{
    for (size_t i = 0; i < ics->n; i++) {
        struct tg_ics_event *v = &ics->events[i];
        for (int k = 0; k < TG_ICS_ONCE; k++)
            release_line(&v->has[k]);
        for (size_t k = 0; k < v->n_except; k++)
            release_line(&v->except[k]);
        for (size_t k = 0; k < v->n_also; k++)
            release_line(&v->also[k]);
        free(v->except);
        free(v->also);
    }
    for (size_t i = 0; i < ics->n_zones; i++)
        free(ics->zones[i].name);
    free(ics->events);
    free(ics->zones);
}

/* Behind the break of the line at text: CRLF or LF, also with more CR before it, or CR alone, as old programs have it. *out_end: before it. */
static const char *past_break(const char *text, const char *end, const char **out_end)
{
    const char *feed = memchr(text, '\n', (size_t) (end - text)), *cr = memchr(text, '\r', (size_t) ((feed ? feed : end) - text)), *p = cr;

    while (p && p < end && *p == '\r')
        p++;
    *out_end = cr ? cr : feed ? feed : end;
    if (cr && p != feed)
        return cr + 1;
    return feed ? feed + 1 : end;
}

/* The next line with all that is folded into it; empty ones are passed over. false: the end. */
static bool next_line(struct split *s, struct raw *out)
{
    const char *end = s->ics->text + s->ics->len;

    for (;;) {
        if (s->at >= end)
            return false;
        out->text = s->at;
        out->line = s->line;
        do {
            s->at = past_break(s->at, end, &out->end);
            s->line++;
        } while (s->at < end && (*s->at == ' ' || *s->at == '\t'));
        while (out->end > out->text && (out->end[-1] == '\r' || out->end[-1] == '\n'))
            out->end--;
        if (out->end > out->text)
            return true;
    }
}

/* Of a fold: its break, with the blank behind it, on which *p is left. */
static bool is_of_fold(const char **p)
{
    const char *at = *p;

    if (*at == '\0' || (*at == '\r' && (at[1] == '\r' || at[1] == '\n')))
        return true;
    *p += *at == '\n' || *at == '\r';
    return *p > at;
}

/* Without folds and with NUL; NULL when memory is short, or it is longer than any line that matters. */
static char *unfold(const struct raw *raw)
{
    char *text = malloc((size_t) (raw->end - raw->text) + 1), *to = text;

    for (const char *p = raw->text; text && p < raw->end; p++) {
        if (!is_of_fold(&p))
            *to++ = *p;
    }
    if (to)
        *to = '\0';
    return text;
}

/* Without blanks at its end, and behind its name: some programs leave them. */
static void trim(char *text)
{
    size_t name = strcspn(text, ":;\""), len = strlen(text);

    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        text[--len] = '\0';
    for (; name && name < len && text[name - 1] == ' '; name--, len--)
        memmove(text + name - 1, text + name, len - name + 1);
}

/* Where the value begins: behind the first colon outside of quotes. NULL: there is none. */
static char *value_of(char *text)
{
    bool quoted = false;

    for (char *p = text; *p; p++) {
        if (*p == '"')
            quoted = !quoted;
        else if (*p == ':' && !quoted)
            return p + 1;
    }
    return NULL;
}

bool tg_ics_param(const struct tg_ics_line *line, const char *name, const char **out, size_t *out_len)
{
    size_t len = strlen(name);
    bool quoted = false;

    for (const char *p = line->params; *p; p++) {
        if (*p == '"')
            quoted = !quoted;
        if (*p != ';' || quoted || strncasecmp(p + 1, name, len) != 0 || p[1 + len] != '=')
            continue;
        *out = p + len + 2;
        if (**out == '"') {
            (*out)++;
            *out_len = strcspn(*out, "\"");
        } else {
            *out_len = strcspn(*out, ";");
        }
        return true;
    }
    return false;
}

int tg_ics_zone(struct tg_ics *ics, const char *name, size_t len, struct tg_ics_zone **out, struct tg_error *e)
{
    *out = NULL;
    for (size_t i = 0; i < ics->n_zones; i++)
        if (strlen(ics->zones[i].name) == len && memcmp(ics->zones[i].name, name, len) == 0)
            return *out = &ics->zones[i], 0;
    if (ics->n_zones >= TG_ICS_ZONES_MAX)
        return 0;
    if (ics->n_zones == ics->cap_zones) {
        size_t cap = ics->cap_zones ? 2 * ics->cap_zones : 8;
        struct tg_ics_zone *zones = realloc(ics->zones, cap * sizeof *zones);
        if (!zones)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        ics->zones = zones;
        ics->cap_zones = cap;
    }
    struct tg_ics_zone *z = &ics->zones[ics->n_zones];
    *z = (struct tg_ics_zone) {.name = strndup(name, len)};
    if (!z->name)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    ics->n_zones++;
    *out = z;
    return 0;
}

static int new_event(struct split *s, const struct raw *raw, struct tg_error *e)
{
    struct tg_ics *ics = s->ics;

    if (ics->n >= TG_ICS_EVENTS_MAX) {
        if (ics->n == TG_ICS_EVENTS_MAX)
            tg_ics_problem(ics, raw->line, raw->text, "there are more than %d events", TG_ICS_EVENTS_MAX);
        return TG_E_DATA;
    }
    if (ics->n == ics->cap) {
        size_t cap = ics->cap ? 2 * ics->cap : 64;
        struct tg_ics_event *events = realloc(ics->events, cap * sizeof *events);
        if (!events)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        ics->events = events;
        ics->cap = cap;
    }
    s->event = &ics->events[ics->n++];
    *s->event = (struct tg_ics_event) {.line = raw->line, .source = raw->text};
    return 0;
}

static bool within(const struct split *s, const char *component)
{
    return s->depth && strcasecmp(s->component[s->depth - 1], component) == 0;
}

static int begin(struct split *s, const struct raw *raw, const char *name, struct tg_error *e)
{
    int rc = 0;

    if (s->depth == DEPTH_MAX) {
        tg_ics_problem(s->ics, raw->line, raw->text, "components lie within each other more than %d deep", DEPTH_MAX);
        return TG_E_DATA;
    }
    bool top = s->depth == 1 && within(s, "VCALENDAR"), calendar = strcasecmp(name, "VCALENDAR") == 0;
    bool event = strcasecmp(name, "VEVENT") == 0, busy = strcasecmp(name, "VFREEBUSY") == 0;
    if ((calendar && s->depth) || ((event || busy) && !top)) {
        tg_ics_problem(s->ics, raw->line, raw->text, "%s stands %s%.40s", calendar ? "VCALENDAR" : event ? "VEVENT" : "VFREEBUSY", s->depth ? "within " : "outside of a VCALENDAR",
                       s->depth ? s->component[s->depth - 1] : "");
        return TG_E_DATA;
    }
    if (!s->depth) {
        s->any |= calendar;
        s->began = raw->line;
        s->cancels = false;
        s->first = s->ics->n;
    }
    if (top && (event || busy))
        rc = new_event(s, raw, e);
    if (!rc && top && busy)
        s->event->busy = true;
    if (top && strcasecmp(name, "VTIMEZONE") == 0) {
        s->zone_text = raw->text;
        s->zone_line = raw->line;
    }
    snprintf(s->component[s->depth++], sizeof s->component[0], "%s", name);
    return rc;
}

static int end_zone(struct split *s, struct tg_error *e)
{
    struct tg_ics_zone *z = NULL;
    int rc = s->zone_name ? tg_ics_zone(s->ics, s->zone_name, strlen(s->zone_name), &z, e) : 0;

    if (z) {
        z->text = s->zone_text;
        z->len = (size_t) (s->at - s->zone_text);
        z->line = s->zone_line;
    }
    free(s->zone_name);
    s->zone_name = NULL;
    s->zone_text = NULL;
    return rc;
}

static int end(struct split *s, const struct raw *raw, const char *name, struct tg_error *e)
{
    if (!s->depth || strncasecmp(s->component[s->depth - 1], name, sizeof s->component[0] - 1) != 0) {
        tg_ics_problem(s->ics, raw->line, raw->text, "END:%.40s ends nothing: %s%.40s", name, s->depth ? "it stands within " : "nothing has begun",
                       s->depth ? s->component[s->depth - 1] : "");
        return TG_E_DATA;
    }
    s->depth--;
    for (size_t i = s->first; !s->depth && s->cancels && i < s->ics->n; i++)
        s->ics->events[i].cancelled = true;
    if (s->depth == 1 && s->zone_text)
        return end_zone(s, e);
    if (s->depth == 1)
        s->event = NULL;
    return 0;
}

/* How it begins, without folds: a name may be folded as well. */
static void head_of(const struct raw *raw, char *out, size_t size)
{
    size_t n = 0;

    for (const char *p = raw->text; p < raw->end && n + 1 < size; p++) {
        if (!is_of_fold(&p))
            out[n++] = *p;
    }
    out[n] = '\0';
    trim(out);
}

/* Which of the lines that matter it is; -1: none. */
static int name_of(const char *text)
{
    size_t len = strcspn(text, ";:");

    for (int i = 0; i < TG_ICS_NAMES; i++)
        if (strncasecmp(text, names[i], len) == 0 && !names[i][len])
            return i;
    return -1;
}

static int keep(struct tg_ics_line **list, size_t *n, const struct tg_ics_line *line, struct tg_error *e)
{
    struct tg_ics_line *more = realloc(*list, (*n + 1) * sizeof *more);

    if (!more)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *list = more;
    more[(*n)++] = *line;
    return 0;
}

/* A line of an event. text is consumed when it is kept. */
static int take(struct split *s, const struct raw *raw, char **text, char *value, int name, struct tg_error *e)
{
    struct tg_ics_event *v = s->event;
    struct tg_ics_line line = {.line = raw->line, .source = raw->text, .value = strdup(value)};
    int rc = 0;

    if (!line.value)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    value[-1] = '\0';
    memmove(*text, *text + strlen(names[name]), strlen(*text + strlen(names[name])) + 1);
    line.params = *text;
    *text = NULL;
    if (name >= TG_ICS_ONCE) {
        if (v->n_except + v->n_also < TG_ICS_DATES_MAX) {
            rc = name == TG_ICS_EXDATE ? keep(&v->except, &v->n_except, &line, e) : keep(&v->also, &v->n_also, &line, e);
            if (!rc)
                return 0;
        } else {
            tg_ics_problem(s->ics, raw->line, raw->text, "the event has more than %d dates", TG_ICS_DATES_MAX);
            rc = TG_E_DATA;
        }
    } else if (v->has[name].value && name != TG_ICS_SUMMARY) {
        tg_ics_problem(s->ics, raw->line, raw->text, "the event of line %d has %s twice", v->line, names[name]);
    } else if (!v->has[name].value) {
        v->has[name] = line;
        return 0;
    }
    release_line(&line);
    return rc;
}

static int take_line(struct split *s, const struct raw *raw, struct tg_error *e)
{
    char head[32];
    head_of(raw, head, sizeof head);
    int name = s->event && within(s, s->event->busy ? "VFREEBUSY" : "VEVENT") ? name_of(head) : -1, rc = 0;
    if (name >= 0 && s->event->busy != (name == TG_ICS_FREEBUSY))
        name = -1;
    size_t len = (size_t) (raw->end - raw->text);
    bool matters = name >= 0 || strncasecmp(head, "END:", 4) == 0 || strncasecmp(head, "BEGIN:", 6) == 0 || strncasecmp(head, "METHOD:", 7) == 0 ||
                   (s->zone_text && strncasecmp(head, "TZID", 4) == 0);
    if (!matters)
        return 0;
    if (len > TG_ICS_VALUE_MAX) {
        tg_ics_problem(s->ics, raw->line, raw->text, "the line is longer than %d bytes", TG_ICS_VALUE_MAX);
        return TG_E_DATA;
    }
    char *text = unfold(raw), *value;
    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    trim(text);
    value = value_of(text);
    if (!value)
        tg_ics_problem(s->ics, raw->line, raw->text, "\"%.60s\" has no value: a colon is missing", text);
    else if (name >= 0)
        rc = take(s, raw, &text, value, name, e);
    else if (strncasecmp(text, "BEGIN:", 6) == 0)
        rc = begin(s, raw, text + 6, e);
    else if (strncasecmp(text, "END:", 4) == 0)
        rc = end(s, raw, text + 4, e);
    else if (strncasecmp(text, "METHOD:", 7) == 0)
        s->cancels |= within(s, "VCALENDAR") && strcasecmp(text + 7, "CANCEL") == 0;
    else if (!s->zone_name && !(s->zone_name = strdup(value)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    free(text);
    return rc;
}

/* With its mark of the order of bytes, or by the first letter, which is ASCII. */
static bool is_utf16(const char *text, size_t len)
{
    return len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0 || (!text[0] && text[1]) || (text[0] && !text[1]));
}

int tg_ics_split(struct tg_ics *ics, struct tg_error *e)
{
    struct split s = {.ics = ics, .at = ics->text, .line = 1};
    struct raw raw;
    int rc = 0;

    if (is_utf16(ics->text, ics->len)) {
        tg_error_hint(tg_ics_problem(ics, 1, NULL, "the file is UTF-16, and .ics files are UTF-8"), "iconv -f UTF-16 -t UTF-8 %.100s, into a new file", ics->file);
        return 0;
    }
    if (ics->len >= 3 && memcmp(ics->text, "\xef\xbb\xbf", 3) == 0)
        s.at += 3;
    while (!rc && next_line(&s, &raw))
        rc = take_line(&s, &raw, e);
    free(s.zone_name);
    if (rc == TG_E_DATA)
        return 0; /* it stands among the problems; what comes behind can't be trusted */
    if (!rc && (s.depth || !s.any))
        tg_ics_problem(ics, s.depth ? s.began : 1, ics->text, s.depth ? "the file ends within %.32s: was it cut off?" : "this is no .ics file: it has no VCALENDAR%.0s",
                       s.depth ? s.component[s.depth - 1] : "");
    return rc;
}
