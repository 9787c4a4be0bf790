/*
 * The event loop: one per process (per core, if there are several), single-threaded. A thin layer over libuv, so that the same
 * code runs on a virtual clock: tg_loop_virtual() has timers and posted calls, but no descriptors, and time jumps to the next timer.
 *
 * The house rule that makes blocking code safe: a callback only *records* (it appends an event, sets a flag, copies a result).
 * Decisions, and calls that pump the loop until an answer is there (tg_store_read() and its kin), happen at top level, between
 * tg_loop_turn()s, never inside a callback. tg_loop_turn() asserts this.
 */
#ifndef TAGOUT_LOOP_H
#define TAGOUT_LOOP_H

#include <tagout/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;
struct tg_loop;
struct tg_timer;

typedef void (*tg_loop_fn)(void *data);

/* A loop on libuv. Free with tg_loop_free(), after all that uses it is closed. */
int tg_loop_new(struct tg_loop **out, struct tg_error *e);
/* A loop on a virtual clock that starts at mono 0 and the given wall time. */
int tg_loop_virtual(int64_t wall_start_ms, struct tg_loop **out, struct tg_error *e);
/* Runs the close callbacks that are due, then frees. NULL is fine. */
void tg_loop_free(struct tg_loop *loop);
/* The clock of this loop; lives as long as the loop. */
const struct tg_clock *tg_loop_clock(struct tg_loop *loop);
/* libuv's loop, for modules that own descriptors; NULL on a virtual loop. */
struct uv_loop_s *tg_loop_uv(struct tg_loop *loop);

/* Calls fn(data) from the next turn, in the order of posting. Not safe from threads or signal handlers. TG_E_MEMORY. */
int tg_loop_post(struct tg_loop *loop, tg_loop_fn fn, void *data, struct tg_error *e);
/* A one-shot timer that fires delay_ms from now (≥ 0). The timer is owned by the caller until tg_timer_free(), also after it fired. */
int tg_timer_new(struct tg_loop *loop, tg_loop_fn fn, void *data, struct tg_timer **out, struct tg_error *e);
void tg_timer_start(struct tg_timer *timer, int64_t delay_ms);
void tg_timer_stop(struct tg_timer *timer);
void tg_timer_free(struct tg_timer *timer);

/*
 * One turn: runs what is ready; when nothing is, waits for the first thing, at most max_wait_ms (-1: no bound; 0: do not wait).
 * Returns 1 when something ran, 0 when the time passed, TG_E_CANCELLED when tg_loop_interrupt() was called (the flag stays set
 * until tg_loop_interrupt_clear()). Not re-entrant: calling it from a callback is a bug and aborts.
 */
int tg_loop_turn(struct tg_loop *loop, int64_t max_wait_ms);

/*
 * One turn whether the loop was interrupted or not, which stays as it is: for what was told to end and is waited for, e.g. a handle that closes. With
 * tg_loop_turn() such a loop would go round for ever, and close nothing.
 */
void tg_loop_turn_anyway(struct tg_loop *loop, int64_t max_wait_ms);
/* Asks the turn to end; safe from a signal handler. */
void tg_loop_interrupt(struct tg_loop *loop);
void tg_loop_interrupt_clear(struct tg_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
