/* What the commands "calendar …" share: the agenda of the site, the hosts that are meant, and how times are shown. */
#ifndef TG_CLI_CALENDAR_H
#define TG_CLI_CALENDAR_H

#include "calendar/agenda.h"
#include "calendar/book.h"
#include "cli/commands.h"
#include "fleet/selector.h"

#define TG_CALENDAR_ROWS_MAX 50 /* on a terminal: more is no picture any more */
#define TG_CALENDAR_CLI_OPTS \
    {.name = "weeks", .type = TG_OPT_FLAG, .text = "Count the maintenance weeks that are booked in the store: a host is open in its slot, and for the rest of that week not at all"}, \
    {.name = "calendar", .type = TG_OPT_FILE, .arg = "FILE", .text = "The calendar. Otherwise the configuration's"}, \
    {.name = "at", .type = TG_OPT_STRING, .arg = "TIME", .text = "Answer as if it were this time: 2026-12-24T22:00:00Z, or 2026-12-24 22:00 in the calendar's zone. Otherwise now"}

/* Hosts of one class among those that are meant. */
struct tg_calendar_part {
    uint32_t class_;
    size_t n;
    char *folded;   /* "web[1-3]" */
};

struct tg_calendar_view {
    struct tg_calendar *calendar;
    struct tg_week **weeks; /* --weeks: those that are booked */
    size_t n_weeks;
    struct tg_agenda *agenda;
    struct tg_selection hosts;
    char *selector;        /* as it was asked; "" for all */
    struct tg_zone zone;   /* times are shown in it */
    const char *zone_name;
    int64_t at_ms;
    struct tg_calendar_part *parts; /* by their first host */
    size_t n_parts;
};

/*
 * Reads the calendar and lays it over frame->inventory; selects the hosts of the arguments from first on (all when there are none; "fleet",
 * "group:NAME", "host:NAME" are understood as well). Mistakes are in frame->problems. tg_calendar_close() whatever it returns.
 */
int tg_calendar_open(struct tg_frame *f, int first, struct tg_calendar_view *out, struct tg_error *e);
void tg_calendar_close(struct tg_calendar_view *view);

/* "Mon 2026-11-23 22:00"; "never" and "no end" for the far ends. size ≥ 40. Returns out. */
const char *tg_calendar_when(const struct tg_calendar_view *view, int64_t ms, char *out, size_t size);
/* "22:00" when it is the same day as another, else the whole. */
const char *tg_calendar_until(const struct tg_calendar_view *view, int64_t ms, int64_t other_ms, char *out, size_t size);
/* RFC 3339; null for the far ends. New. */
json_t *tg_calendar_time_json(int64_t ms);
/* "calendar.yaml:3:3" of a rule, or of the pattern of it that lies in another file. */
void tg_calendar_place(const struct tg_rule *rule, const struct tg_when *when, char *out, size_t size);
/* A line with its newline; on a terminal in as many as its width needs, those behind the first indented. */
void tg_calendar_say(const struct tg_frame *f, int indent, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A terminal on which a table would be cut in its middle. */
bool tg_calendar_is_narrow(const struct tg_frame *f);
/* Folded names, cut with "…" where a terminal ends. */
void tg_calendar_names(const struct tg_frame *f, const char *folded, int used);
/* Draws into the file that --svg or --html names; nothing when it is not given. */
typedef int tg_calendar_draw_fn(const void *what, int64_t now_ms, struct tg_buf *out, struct tg_error *e);
int tg_calendar_picture(const struct tg_frame *f, const char *option, tg_calendar_draw_fn *draw, const void *what, int64_t now_ms, struct tg_error *e);

#endif
