/*
 * The agenda: a calendar laid over an inventory. It answers who may be disturbed when. No I/O, no clock: times go in.
 *
 *   allowed = windows − blackouts
 *
 * Windows of a host are those of the most specific level that has any for it: host, then customer (calendar and inventory), then group or
 * selector, then fleet. Blackouts of all levels hold. A host without windows is open always, or never ("default: closed").
 *
 * Hosts share classes: those that the same rules are about. A fleet of a million has as many as it has different sets of windows, so ask by
 * class wherever many hosts are meant, and look up each host's class (an array: O(1)).
 *
 * For an engine: at every turn that wants to start host h needing D (estimate p95 + time to roll back), ask tg_agenda_fits(class of h, now,
 * D). now == true: start, and be over by until_ms. Else nothing of this class that needs D or more fits before start_ms: keep that time by
 * class, set one timer for the least of them, ask again when it fires (never act on the old answer: clocks jump, P5). Answers come from a
 * cache; one costs some hundred nanoseconds. What runs when open_until_ms comes is suspended, not stopped: nothing new starts.
 *
 * An agenda is used by one thread: its cache grows by asking.
 */
#ifndef TG_CALENDAR_AGENDA_H
#define TG_CALENDAR_AGENDA_H

#include "calendar/calendar.h"
#include "calendar/week.h"
#include "fleet/inventory.h"

struct tg_agenda;

#define TG_CALENDAR_NEVER INT64_MAX /* not within TG_CALENDAR_AHEAD_MS */
#define TG_CALENDAR_EVER INT64_MAX  /* no end within a year */

/*
 * Both must outlive it; calendar may be NULL (none is configured: only customers' windows in the inventory count). Mistakes (a scope that the
 * inventory does not have, a customer's hours that are none) go to problems, then TG_E_DATA: a calendar that is not understood opens nothing.
 */
int tg_agenda_new(const struct tg_calendar *calendar, const struct tg_inventory *inventory, struct tg_problems *problems, struct tg_agenda **out,
                  struct tg_error *e);
/*
 * The same with booked maintenance weeks (calendar/book.h; borrowed for the call): a slot is a window of its hosts, beside the others that they have; and
 * for the rest of its week, from the first slot to the end of the last, nothing else is. Blackouts hold in slots, too.
 */
int tg_agenda_new_booked(const struct tg_calendar *calendar, const struct tg_inventory *inventory, const struct tg_week *const *weeks, size_t n_weeks,
                         struct tg_problems *problems, struct tg_agenda **out, struct tg_error *e);
void tg_agenda_free(struct tg_agenda *agenda);

/* Classes are 0 … n - 1. */
size_t tg_agenda_classes(const struct tg_agenda *agenda);
uint32_t tg_agenda_class(const struct tg_agenda *agenda, uint32_t host_index);
/* One of its hosts' index, and how many it has. */
size_t tg_agenda_class_hosts(const struct tg_agenda *agenda, uint32_t class_, uint32_t *out_one);
/* The rules that are about a class: its windows (of the level that decides), its blackouts, the windows of lesser levels. The array is the agenda's. */
enum tg_agenda_rules { TG_AGENDA_WINDOWS, TG_AGENDA_BLACKOUTS, TG_AGENDA_PUT_ASIDE };
const struct tg_rule *const *tg_agenda_rules(const struct tg_agenda *agenda, uint32_t class_, enum tg_agenda_rules which, size_t *out_n);
/* How long ahead the customer of a host wants to know: the customer's own, else the longest of the host's windows', else the calendar's. */
int64_t tg_agenda_lead_ms(const struct tg_agenda *agenda, const struct tg_host *host);

struct tg_allowed {
    bool open;              /* it may be disturbed at this time */
    bool may_start;         /* and something may begin: it is not within the cut-off */
    int64_t open_until_ms;  /* open: when all must be over; TG_CALENDAR_EVER when that is a year away or more. Else 0 */
    int64_t start_until_ms; /* may_start: the first moment at which nothing may begin any more; TG_CALENDAR_EVER. Else 0 */
    int64_t next_start_ms;  /* !may_start: when something may begin again; TG_CALENDAR_NEVER. Else the time asked about */
};
/* TG_E_DATA, TG_E_CONFIG: it can't be known; do not act. t within 1970 … TG_CALENDAR_LAST_MS. */
int tg_agenda_at(struct tg_agenda *agenda, uint32_t class_, int64_t t_ms, struct tg_allowed *out, struct tg_error *e);
/* The same for every class at once: out has tg_agenda_classes() elements. next_start_ms of the closed is found only if want_next. */
enum tg_agenda_want { TG_AGENDA_NOW, TG_AGENDA_AND_NEXT };
int tg_agenda_all_at(struct tg_agenda *agenda, int64_t t_ms, enum tg_agenda_want want, struct tg_allowed *out, struct tg_error *e);

struct tg_fit {
    bool now;          /* it fits if begun at t */
    int64_t start_ms;  /* the first time ≥ t at which it fits; TG_CALENDAR_NEVER */
    int64_t latest_ms; /* the last moment of that stretch at which it may still begin */
    int64_t until_ms;  /* when it must be over; TG_CALENDAR_EVER */
    int64_t longest_ms, longest_from_ms; /* when it never fits: the most time that there ever is, and from when on first; 0, 0 when nothing may begin at all */
};
/* need_ms: the estimate, with what undoing it takes. Fits: something may begin, and what remains ≥ need. */
int tg_agenda_fits(struct tg_agenda *agenda, uint32_t class_, int64_t t_ms, int64_t need_ms, struct tg_fit *out, struct tg_error *e);

/* When it may be disturbed, and when something may begin, within [from, until): settled, clipped. Either may be NULL. */
int tg_agenda_spans(struct tg_agenda *agenda, uint32_t class_, int64_t from_ms, int64_t until_ms, struct tg_spans *out_open,
                    struct tg_spans *out_start, struct tg_error *e);

/* When its blackouts hold, within [from, until): settled, clipped. */
int tg_agenda_blackouts(struct tg_agenda *agenda, uint32_t class_, int64_t from_ms, int64_t until_ms, struct tg_spans *out, struct tg_error *e);

/* One rule's word at a time. */
struct tg_reason {
    const struct tg_rule *rule;
    const struct tg_when *when;   /* which of its patterns holds now, or comes next; NULL: none within the time that answers look ahead */
    bool holds;                   /* it does now; else span is the next */
    struct tg_span span;          /* of when; 0, 0 when NULL */
};
/* Windows first, then blackouts; each in the order of the files. *out is the caller's (free()). */
int tg_agenda_why(struct tg_agenda *agenda, uint32_t class_, int64_t t_ms, struct tg_reason **out, size_t *out_n, struct tg_error *e);

#endif
