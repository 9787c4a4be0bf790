/*
 * The windows of a plan's hosts, asked of the site's calendar as it is now. Pure: the agenda is laid over the inventory by others (cli/site_windows.h), times go in.
 *
 * A plan puts hosts with the same windows together (plan.windows). A calendar that changes afterwards may part them: then theirs is open only while it is for each of
 * those that have not ended, and a host that the inventory does not have any more has none at all.
 */
#ifndef TG_ENGINE_WINDOWS_H
#define TG_ENGINE_WINDOWS_H

#include "calendar/agenda.h"
#include "engine/run.h"

struct tg_windows;

#define TG_WINDOW_WHY_SIZE 300

/* Fills in plan->windows, window_of and windows_mode, and seals the plan again: for a plan that says honour, or nothing. zone: the calendar's. TG_E_MEMORY. */
int tg_plan_windows_compile(struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_agenda *agenda, const char *zone, struct tg_error *e);
/* What a host of a stage needs: as long as nearly all took (or its author says), and as much again as it takes to bring it back, where there is a way; its bake as well
 * when it is out of service meanwhile. */
int64_t tg_plan_need_ms(const struct tg_plan *plan, size_t stage);

/* Nothing is open until an agenda is bound. Plan and inventory are borrowed. TG_E_MEMORY. */
int tg_windows_new(const struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_windows **out, struct tg_error *e);
void tg_windows_free(struct tg_windows *windows);
/* The agenda (borrowed) that counts from now on, of the same inventory. run: hosts of it that have ended part nobody; NULL: all count. TG_E_MEMORY. */
int tg_windows_bind(struct tg_windows *windows, struct tg_agenda *agenda, const struct tg_run *run, struct tg_error *e);
/* Nothing is open, and why: nobody can tell what the calendar says. */
void tg_windows_shut(struct tg_windows *windows, const char *why);

struct tg_window_says {
    bool open;
    int64_t until_ms;   /* open: what begins until then fits; else when something does. INT64_MAX: no end, or as far as can be told never; TG_WINDOW_UNTOLD */
};
/* What can't be known is closed. */
void tg_windows_ask(struct tg_windows *windows, size_t window, int64_t wall_ms, struct tg_window_says *out);
/* One host of the plan by itself, as it is now: true, or why not. */
bool tg_windows_fits(struct tg_windows *windows, size_t host, int64_t wall_ms, char *why, size_t size);
/* What is open then, or opens; or why nothing does, and the mend. For says as they were told. size ≥ TG_WINDOW_WHY_SIZE */
void tg_windows_why(struct tg_windows *windows, size_t window, int64_t wall_ms, const struct tg_window_says *says, char *out, size_t size);
/* The windows of its hosts (of one of them, where the calendar parts them), by the agenda: borrowed until another is bound. NULL: none, or nobody can tell. */
const struct tg_rule *const *tg_windows_rules(const struct tg_windows *windows, size_t window, size_t *out_n);
/* The event that tells it. text is borrowed from why. */
struct tg_run_event tg_window_event(size_t window, const struct tg_window_says *says, const char *why);

#endif
