/* What the parts of a run's machine share: run.c (the step), run_new.c (its life), run_follow.c (what follows from it), run_queue.c (who starts next), run_hours.c. */
#ifndef TG_ENGINE_RUN_INTERNAL_H
#define TG_ENGINE_RUN_INTERNAL_H

#include "engine/run.h"

/* Puts a host that waits, with all its other fields set, into a state, and counts it there: for a machine that is made from a snapshot. */
void tg_run_place(struct tg_run *run, size_t host, enum tg_host_state state);

/* What a step carries about. failed: memory ran short on the way. */
struct tg_step {
    struct tg_run *run;
    struct tg_run_actions *out;
    int64_t now_ms;
    size_t stage; /* of the host that it is about; TG_RUN_NONE */
    size_t doubt; /* a host of which nobody can tell; TG_RUN_NONE */
    bool shut;    /* a step of around has just kept one more host out */
    bool failed;
};

/* Actions, in order; TG_DO_NOTHING is none. */
void tg_step_add(struct tg_step *s, enum tg_run_action_kind kind, size_t host, size_t stage, int64_t until_ms);
/* A copy of text, or NULL, in place of what is there. */
void tg_step_set_text(struct tg_step *s, char **where, const char *text);
/* Events from inside: the tables have every pair of these. why may be NULL. */
void tg_step_tell_host(struct tg_step *s, size_t host, enum tg_run_event_kind kind, const char *why);
void tg_step_tell_stage(struct tg_step *s, size_t stage, enum tg_run_event_kind kind);
void tg_step_tell_run(struct tg_step *s, enum tg_run_event_kind kind);
void tg_step_halt(struct tg_step *s, const char *why);
/* All that follows from what has just happened (run_follow.c). */
void tg_step_settle(struct tg_step *s);
bool tg_run_is_stopping(const struct tg_run *run);
/* Hosts of a stage that ended well. */
size_t tg_stage_done(const struct tg_run_stage *stage);

/* around (run_around.c): what an event means for the step at hand, */
enum tg_run_event_kind tg_around_kind(const struct tg_run *run, const struct tg_run_host *host, enum tg_run_event_kind kind);
/* and what is remembered of it: ev as it came, as: as the tables had it. The host is still in its old state. */
void tg_around_remember(struct tg_step *s, struct tg_run_host *host, const struct tg_run_event *ev, enum tg_run_event_kind as);
/* Is there something to undo before it is unlocked? The last of it is the host's step then. leaves: it is on its way out from here on. */
bool tg_around_to_undo(struct tg_step *s, struct tg_run_host *host, bool leaves);
bool tg_around_is_event(enum tg_run_event_kind kind);
/* Is it at this step? Right before it is changed it may be told of any. */
bool tg_around_is_at(const struct tg_run_host *host, int step);
/* Somebody has looked at what kept hosts out, and says that the run may go on: they wait again. */
void tg_around_reopen(struct tg_step *s);
/* Is what is around the hosts to be looked at before it keeps out more of them? Then why, for people. */
bool tg_around_shuts(const struct tg_run *run, char *why, size_t size);
/* KEEP */
void tg_around_keep(struct tg_step *s, struct tg_run_host *host, const struct tg_run_event *ev);
/* Whether what a host says of its steps of around can be, with the plan: for a machine that is made from a snapshot. */
bool tg_around_fits(const struct tg_plan *plan, const struct tg_run_host *host);
/* The steps of a plan that take a host out of service. */
uint16_t tg_around_drains(const struct tg_plan *plan);

/* A host as it is now, into the counts of failures and unreachable ones (by 1), or out of them (-1). */
void tg_policy_count(struct tg_run *run, const struct tg_run_host *host, int by);
/* What an inconclusive verification means for a host: TG_EV_UNCLEAR (tried again), TG_EV_DOUBT (a person must look), or what it is. */
enum tg_run_event_kind tg_policy_inconclusive(const struct tg_run *run, const struct tg_run_host *host, int64_t now_ms);
/* Whether a run that is on hold for want of a verdict has waited for a person long enough. */
bool tg_policy_gives_up(const struct tg_run *run, int64_t now_ms);
/* Why it halts then: what it was on hold for is told still. Returns out. size ≥ 480. */
const char *tg_policy_say_gave_up(const struct tg_run *run, char *out, size_t size);
/* When a host that waits is to try again, by what it waits for. */
int64_t tg_policy_retry_ms(const struct tg_run *run, const struct tg_run_host *host, enum tg_run_event_kind why, int64_t now_ms);
/* Are more borne than may be: of the whole, of the current stage, or of the one named (TG_RUN_NONE: none)? Then why, for people. */
bool tg_policy_exceeded(const struct tg_run *run, size_t stage, char *why, size_t size);

/*
 * Who starts next: of the hosts of a stage that wait, the first in the plan's order whose domains all have room. What is kept here to find it
 * soon (queues of hosts that wait, by the domain that was full when they were tried) follows from the hosts' states, and is in no journal: any
 * history that leads to the same states gives the same answer. Costs O(log hosts) a start; a domain that gets room lets one host be tried
 * after another, never all.
 */
struct tg_run_link {
    uint32_t child, sibling;    /* in a pairing heap, the least host on top */
    uint32_t before;            /* whose child or sibling it is there */
    uint32_t sponsor;           /* the line that this one represents (2 * domain, or 1 more), or TG_NO_DOMAIN */
    uint32_t parked;            /* the line that it stands in, or TG_NO_DOMAIN */
};

int tg_queue_new(struct tg_run *run, struct tg_error *e);
void tg_queue_free(struct tg_run *run);
/* A host has changed its state: domains are counted, and who waits is queued. was_down: tg_run_is_down() before. */
void tg_queue_moved(struct tg_run *run, size_t host, bool was_down);
/* GONE, BACK: whoever stands in a line for it, or could now start, is tried anew. */
void tg_queue_gone(struct tg_run *run, size_t host, bool gone);
/* So many hosts of a domain are gone that are not of the plan. */
void tg_queue_outside_gone(struct tg_run *run, size_t domain, uint32_t count);
/* A host of a machine that is made from a snapshot, before it is placed: it was gone. */
void tg_queue_place_gone(struct tg_run *run, size_t host);
/* Others hold so many hosts of a domain. */
void tg_queue_outside(struct tg_run *run, size_t domain, uint32_t count);
/* Is a domain of a host that is down (by its start) fuller than it may be? */
bool tg_queue_is_crowded(const struct tg_run *run, size_t host);
/* A domain of a host that hosts of this run alone keep full, or TG_NO_DOMAIN. A run that withdraws hosts waits for nobody: there others count as well. */
uint32_t tg_queue_full_for_good(const struct tg_run *run, size_t host);
/* Whether that can be true of anybody, for a look at the domains alone. */
bool tg_queue_any_full_for_good(const struct tg_run *run);
/* Takes the next one of a stage; TG_RUN_NONE when nobody waits, or every one that does is held back by a domain. It must be started. */
size_t tg_queue_take(struct tg_run *run, size_t stage);
/* As take, and leaves it there. */
bool tg_queue_any(struct tg_run *run, size_t stage);
/* Drops from the queues who does not wait any more, without having been taken. */
void tg_queue_forget(struct tg_run *run);
/* Of hosts that wait in a stage, is any not yet known to be held back? */
bool tg_queue_untried(const struct tg_run *run, size_t stage);

/* Windows (run_windows.c): what is told, as TG_EV_WINDOW_… */
void tg_window_told(struct tg_step *s, const struct tg_run_event *ev);
void tg_window_skipped(struct tg_step *s, const struct tg_run_event *ev);
/* Its window, if any, as its number in run.domains; TG_NO_DOMAIN. */
uint32_t tg_window_of(const struct tg_run *run, size_t host);
/* Does its window keep it from starting: it is closed, or its moment has not come? */
bool tg_window_keeps(const struct tg_run *run, size_t host);
bool tg_window_is_closed_for(const struct tg_run *run, size_t host);
/* A host as it is now, into the count of its window's hosts that are out of service (by 1), or out of it (-1). */
void tg_window_count(struct tg_run *run, size_t host, int by);
/* Would another start keep hosts that bake out of service beyond their own windows? Theirs have closed, and their bake begins behind the last one's verdict. */
bool tg_window_is_late(const struct tg_run *run, size_t stage);
/* Its moment in the window that is open. */
int64_t tg_window_moment_ms(const struct tg_run *run, size_t host);
/* Of those of a stage that wait in windows that are open, the next one's moment; INT64_MAX. */
int64_t tg_window_next_ms(const struct tg_run *run, size_t stage);
/* Those whose moment has come are to be tried (run_queue.c). */
void tg_queue_wake(struct tg_run *run, size_t stage);
void tg_queue_window(struct tg_run *run, uint32_t domain);
/* Takes one that waits for a window (a number of run.domains) out of its line, for good; TG_RUN_NONE: nobody does. */
size_t tg_queue_leave_window(struct tg_run *run, uint32_t domain);

/* Whether hosts may start, as far as the plan's hours go. */
bool tg_run_is_open(const struct tg_run *run, int64_t now_ms);
/* OPENED, CLOSED */
void tg_run_take_hours(struct tg_run *run, const struct tg_run_event *ev);
/* From the host of the stage that starts now to its next, so that all that wait are spread over what is left of the hours; 0 without a spread. */
int64_t tg_run_spread_us(const struct tg_run *run, size_t stage, int64_t now_ms);

#endif
