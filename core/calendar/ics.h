/* Inside of reading .ics: the lines of a file (ics_lines.c), the times that they tell (ics_time.c), what the events mean (ics.c, ics_busy.c), and which of them count (ics_settle.c). */
#ifndef TG_CALENDAR_ICS_H
#define TG_CALENDAR_ICS_H

#include "calendar/build.h"

/* A team's calendar of ten years has about 2 MB. */
#define TG_ICS_SIZE_MAX (16u << 20)
#define TG_ICS_EVENTS_MAX 100000
#define TG_ICS_ZONES_MAX 1000  /* different names of time zones in a file */
#define TG_ICS_VALUE_MAX 65536 /* of a line that matters; an attachment's may have megabytes */
#define TG_ICS_DATES_MAX 20000 /* of an event: EXDATE, RDATE */

/* A line that matters, unfolded. */
struct tg_ics_line {
    char *params;        /* ";TZID=Europe/Berlin;VALUE=DATE", or "" */
    char *value;
    int line;            /* the first one's number */
    const char *source;  /* in the file's text */
};

enum tg_ics_name {
    TG_ICS_UID, TG_ICS_SEQUENCE, TG_ICS_STATUS, TG_ICS_BUSY_STATUS, TG_ICS_SUMMARY, TG_ICS_DTSTART, TG_ICS_DTEND, TG_ICS_DURATION, TG_ICS_RRULE,
    TG_ICS_RECURRENCE_ID, TG_ICS_EXRULE, TG_ICS_ONCE, /* of these an event has one each; */
    TG_ICS_EXDATE = TG_ICS_ONCE, TG_ICS_RDATE, TG_ICS_FREEBUSY, /* of these any number */
    TG_ICS_NAMES
};

struct tg_ics_event {
    struct tg_ics_line has[TG_ICS_ONCE]; /* value NULL: it has none */
    struct tg_ics_line *except, *also;   /* EXDATE; RDATE, or FREEBUSY of a VFREEBUSY */
    size_t n_except, n_also;
    int line;
    const char *source;
    bool cancelled;      /* its VCALENDAR has METHOD:CANCEL */
    bool busy;           /* it is a VFREEBUSY: of it only the lines FREEBUSY count */
};

struct tg_ics_zone {
    char *name;          /* TZID */
    const char *text;    /* its VTIMEZONE in the file; NULL: none */
    size_t len;
    int line;
    bool looked_for, found;
    struct tg_zone zone;
    char known_as[TG_ZONE_NAME_SIZE]; /* in the tz database; "" when it is the file's own */
};

struct tg_ics {
    const char *file, *text;
    size_t len;
    struct tg_problems *p;
    struct tg_ics_event *events;
    size_t n, cap;
    struct tg_ics_zone *zones;
    size_t n_zones, cap_zones;
};

/* An event, understood. */
struct tg_ics_known {
    const struct tg_ics_event *event;
    const char *uid;   /* "": none */
    long sequence;
    bool all_day, override, out; /* out: not a window, nor a blackout */
    bool recurrence_floats;      /* override: its RECURRENCE-ID names no zone */
    int64_t recurrence_s;        /* override: which one, local to its zone */
    int64_t recurrence_wall_s;
    bool recurrence_day;
    struct tg_zone zone, recurrence_zone;
    struct tg_when when;
};

/* Takes the file apart. Mistakes go to ics->p; 0 or TG_E_MEMORY. */
int tg_ics_split(struct tg_ics *ics, struct tg_error *e);
void tg_ics_release(struct tg_ics *ics);
struct tg_error *tg_ics_problem(const struct tg_ics *ics, int line, const char *source, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The zone of a name, new when there is none yet; *out NULL: there are too many. */
int tg_ics_zone(struct tg_ics *ics, const char *name, size_t len, struct tg_ics_zone **out, struct tg_error *e);
/* The value of a parameter (quotes taken off), in lower or upper case as written. false: it has none. */
bool tg_ics_param(const struct tg_ics_line *line, const char *name, const char **out, size_t *out_len);
/* A start of an event that is not (day: with all that begin on that day). TG_E_MEMORY. */
int tg_ics_except(struct tg_ics_known *k, int64_t local_s, bool day, struct tg_error *e);

/* What is carried about while events are understood. */
struct tg_ics_meaning {
    struct tg_ics *ics;
    struct tg_rule *rule;
    const char *zone;  /* of times that name none */
    struct tg_error *e;
    int rc;            /* TG_E_MEMORY, TG_E_CONFIG */
    int never;
};

/*
 * ics_busy.c: when somebody is busy, by a VFREEBUSY, which is a blackout. into: where these go; NULL: it is only looked whether it can be understood. false: a mistake, which was
 * said, or m->rc.
 */
bool tg_ics_busy(struct tg_ics_meaning *m, const struct tg_ics_event *event, struct tg_rule *into);
/* What clocks of one zone show when those of another show this. */
int64_t tg_ics_translate(const struct tg_zone *from, int64_t local_s, const struct tg_zone *to);
/* "20261122", "20261122T220000", "20261122T220000Z" */
bool tg_ics_local(const char *text, size_t len, int64_t *out_s, bool *out_date);
/* The zone of a line: UTC when its value ends in Z. false: it has none that is known, and that was said. */
bool tg_ics_zone_of(struct tg_ics_meaning *m, const struct tg_ics_line *line, const char *value, size_t len, struct tg_zone *out, const char **out_name);
/* A time of this line without a zone, neither UTC nor TZID. */
bool tg_ics_floats(const struct tg_ics_line *line, const char *value, size_t len);
/* A line's one value; with its zone. false: it is none, and that was said. */
bool tg_ics_time(struct tg_ics_meaning *m, const struct tg_ics_line *line, int64_t *out_s, bool *out_date, struct tg_zone *zone, const char **zone_name);
/* "P1W", "P1DT2H30M", "PT90S": nominal days, and exact seconds. */
bool tg_ics_duration(const char *text, int64_t *out_clock_s, int64_t *out_exact_s);

/*
 * ics_settle.c: of several versions of an event only the latest stays; what stands for one of a series takes that away. What can't be told opens nothing:
 * windows of the same version that are not the same are a mistake, and blackouts all hold. 0, TG_E_MEMORY.
 */
int tg_ics_settle(struct tg_ics *ics, enum tg_rule_kind kind, struct tg_ics_known *list, size_t n, struct tg_error *e);

#endif
