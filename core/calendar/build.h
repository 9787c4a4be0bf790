/* Inside of the calendar: what its readers (YAML, .ics, the inventory's customers) build. */
#ifndef TG_CALENDAR_BUILD_H
#define TG_CALENDAR_BUILD_H

#include "calendar/calendar.h"
#include "config/yaml.h"

struct tg_calendar {
    char *path;
    bool default_open;
    int64_t cut_off_ms, lead_ms;
    char zone[TG_ZONE_NAME_SIZE];
    struct tg_rule *rules;
    size_t n_rules, cap_rules;
    struct tg_calendar_file *files;
    size_t n_files;
};

/* Looks at a file that is to be read. TG_E_MEMORY. */
int tg_calendar_note_file(struct tg_calendar *calendar, const char *path, struct tg_error *e);

void tg_when_release(struct tg_when *when);
void tg_rule_release(struct tg_rule *rule);
/* Room for one more pattern; *out is empty. TG_E_MEMORY. */
int tg_rule_room(struct tg_rule *rule, struct tg_when **out, struct tg_error *e);
/* Finds the zone and gives the pattern its rule: TG_E_DATA with what is wrong. */
int tg_when_zone(struct tg_when *when, const char *name, struct tg_error *e);
int tg_when_recur(struct tg_when *when, const char *rrule, struct tg_error *e);
/* Orders its except and also. */
void tg_when_sort(struct tg_when *when);
/* TG_E_DATA: it ends before it begins, or is too long. */
int tg_when_check_length(const struct tg_when *when, struct tg_error *e);

/*
 * What of an .ics file is a window or a blackout, added to a rule. zone is that of times without one. Mistakes go to problems, at file and line;
 * then TG_E_DATA.
 */
int tg_ics_read(const char *file, const char *text, size_t len, const char *zone, struct tg_problems *problems, struct tg_rule *rule, struct tg_error *e);
int tg_ics_load(const char *path, const char *zone, struct tg_problems *problems, struct tg_rule *rule, struct tg_error *e);

#endif
