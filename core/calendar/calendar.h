/*
 * The calendar: who may be disturbed when, as a site writes it. Read once, then constant. What it means for a fleet: agenda.h.
 *
 *   zone: Europe/Berlin            # of rules that name none; UTC when there is none
 *   default: open                  # of hosts that no window covers: open, or closed
 *   cut-off: 10m                   # nothing starts in the last 10 minutes before the time allowed ends
 *   lead: 24h                      # how long ahead customers are told
 *   windows:
 *     office:  {hours: "Mon-Fri 09:00-17:00"}                      # of the whole fleet: "for" is fleet
 *     web:     {for: group:web, start: "2026-01-05 22:00", rule: "FREQ=WEEKLY;BYDAY=MO,WE", duration: 4h, cut-off: 30m}
 *     awake:   {for: "@db", hours: ["Mon-Fri 09:00-17:00 Europe/Berlin", "Mon-Fri 09:00-17:00 America/New_York"]}
 *     agreed:  {for: customer:acme, ics: acme.ics}
 *   blackouts:
 *     friday:  {hours: "Fri 14:00-24:00"}
 *     freeze:  {first: 2026-12-20, last: 2027-01-02}
 *     holiday: {ics: holidays.ics}
 *
 * How lengths behave when clocks are set: "duration" is time that passes, "until" and "hours" are what clocks show. docs/tagout-calendar.5.scd.
 */
#ifndef TG_CALENDAR_CALENDAR_H
#define TG_CALENDAR_CALENDAR_H

#include "calendar/hours.h"
#include "calendar/spans.h"
#include "config/problems.h"

#include <sys/stat.h>

struct tg_calendar;

/* A thousand customers with a few rules each; what is more was made by a program that went astray. */
#define TG_CALENDAR_RULES_MAX 20000
/* Answers look this far ahead: a window on 29 February is at most eight years away. */
#define TG_CALENDAR_AHEAD_MS (INT64_C(3660) * 24 * 3600 * 1000)
/* The times that rules and questions may be about: 1970 … 2199. */
#define TG_CALENDAR_LAST_MS INT64_C(7258118400000)
/* The longest window that recurs; one that doesn't may have ten years. */
#define TG_CALENDAR_LENGTH_MAX_S (INT64_C(366) * 86400)

enum tg_rule_kind { TG_RULE_WINDOW, TG_RULE_BLACKOUT };
/* Of the levels that have windows for a host, the last one here decides alone; blackouts of all levels hold. */
enum tg_rule_level { TG_LEVEL_FLEET, TG_LEVEL_SET, TG_LEVEL_CUSTOMER, TG_LEVEL_HOST };

/* One pattern of times. The module's and zones' handles live for ever. */
struct tg_when {
    bool by_hours;           /* hours, zone and except say it all */
    struct tg_hours hours;
    char zone_name[TG_ZONE_NAME_SIZE];
    struct tg_zone zone;
    int64_t start_local_s;   /* what clocks there show at its (first) start, in seconds since 1970-01-01 00:00 there */
    int64_t clock_s, exact_s; /* it ends when clocks there show clock_s more, and exact_s after that */
    void *recurrence;        /* NULL: once. Owned */
    const struct tg_zone_backend *zone_backend; /* whose it is */
    struct tg_when_except {
        int64_t local_s;     /* of a start that is not */
        bool day;            /* or of the day, with all that start on it */
    } *except;               /* ascending. Owned */
    int64_t *also;           /* starts that are as well; ascending. Owned */
    size_t n_except, n_also;
    char *what;              /* SUMMARY of an event; NULL. Owned */
    char *file;              /* where it is written, when that is another file than its rule's (.ics); NULL. Owned */
    int line, column;
};

struct tg_rule {
    enum tg_rule_kind kind;
    enum tg_rule_level level;
    bool booked;             /* of a booked maintenance week: its windows are added to those that decide, whatever their level */
    char *name;              /* "office" */
    char *scope;             /* as written: "fleet", "group:web", "customer:acme", "host:db1", "@web and not @legacy" */
    int64_t cut_off_ms;      /* of a window */
    int64_t lead_ms;
    struct tg_when *when;
    size_t n_when, cap_when;
    char *file;
    int line, column;        /* of its name */
    int scope_line, scope_column; /* of "for"; 0: it has none */
};

/* Reads a file and the .ics files that it names (beside it). Blocks. Mistakes as in yaml.h: problems, then TG_E_DATA. *out is the caller's. */
int tg_calendar_load(const char *path, struct tg_problems *problems, struct tg_calendar **out, struct tg_error *e);
/* From memory; file is for messages, and says where .ics files lie. */
int tg_calendar_parse(const char *file, const char *text, size_t len, struct tg_problems *problems, struct tg_calendar **out, struct tg_error *e);
void tg_calendar_free(struct tg_calendar *calendar);

const char *tg_calendar_path(const struct tg_calendar *calendar);
/* A file as it was before it was read: what is written while it is read makes another of it. */
struct tg_calendar_file {
    char *path;
    bool there;
    struct stat st; /* there */
};
/* The .ics files that it names, also those that have no event that counts. */
const struct tg_calendar_file *tg_calendar_files(const struct tg_calendar *calendar, size_t *out_n);
const struct tg_rule *tg_calendar_rules(const struct tg_calendar *calendar, size_t *out_n);
bool tg_calendar_default_open(const struct tg_calendar *calendar);
int64_t tg_calendar_cut_off_ms(const struct tg_calendar *calendar);
int64_t tg_calendar_lead_ms(const struct tg_calendar *calendar);
const char *tg_calendar_zone(const struct tg_calendar *calendar);

/*
 * Adds (unsettled) the occurrences of a pattern that overlap [from, until), whole ones, to out. A window begins and ends so that nothing is
 * open that might not be meant, a blackout so that nothing is closed too short: that differs only where clocks show a time twice.
 */
int tg_when_spans(const struct tg_when *when, enum tg_rule_kind kind, int64_t from_ms, int64_t until_ms, struct tg_spans *out, struct tg_error *e);

#endif
