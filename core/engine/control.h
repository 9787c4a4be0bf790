/*
 * What people want of a run: /runs/ID/control. Written by commands from any terminal, read by whoever drives; each write that lets something
 * start checks its version (journal.h), so that what is said here has been heard before the next start (P10). A reader refuses what it does
 * not know: a wish that can't be read is no permission.
 *
 * All of it blocks (it pumps the loop), top level only. TG_E_NOENT: there is no such run.
 */
#ifndef TG_ENGINE_CONTROL_H
#define TG_ENGINE_CONTROL_H

#include <tagout/error.h>
#include <tagout/store.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define TG_CONTROL_BY_SIZE 256
#define TG_CONTROL_REASON_SIZE 513

/* One thing that somebody wants. */
struct tg_wish {
    bool wanted;
    char by[TG_CONTROL_BY_SIZE], reason[TG_CONTROL_REASON_SIZE];
    int64_t at_ms;
};

#define TG_CONTROL_STAGE_SIZE 64
#define TG_CONTROL_APPROVALS_MAX 1000 /* a plan has no more stages */
#define TG_CONTROL_SKIPPED_MAX 500 /* windows; more than these is a calendar that is to be mended */

/* A stage may open. */
struct tg_approved {
    char stage[TG_CONTROL_STAGE_SIZE];
    struct tg_wish said;
};

/* tg_control_release() */
struct tg_run_control {
    struct tg_wish abort;   /* for ever */
    struct tg_wish pause;   /* until somebody says resume */
    struct tg_wish resume;  /* of the hold whose number (tg_run.holds) is resumed_hold, and of none after it */
    int64_t resumed_hold;
    struct tg_approved *approved; /* in the order of saying */
    size_t n_approved;
    struct tg_wish skip;    /* of these windows of its plan: go on without the hosts that wait, as long as they are not known to open */
    uint32_t *skipped;
    size_t n_skipped;
};

void tg_control_release(struct tg_run_control *control);
const struct tg_wish *tg_control_approval(const struct tg_run_control *control, const char *stage);
/* On success *out is the caller's. */
int tg_control_decode(const char *text, size_t len, struct tg_run_control *out, struct tg_error *e);
char *tg_control_encode(const struct tg_run_control *control, struct tg_error *e);

/* Who says it, and when. */
struct tg_said {
    const char *by, *reason;
    int64_t wall_ms, wait_ms;
};
/* Says "abort" to a run, whoever drives it. Idempotent: the first one's name and reason stay. */
int tg_run_abort(struct tg_store *store, const char *id, const struct tg_said *said, struct tg_error *e);
/* Says "pause". Idempotent, likewise. */
int tg_run_pause(struct tg_store *store, const char *id, const struct tg_said *said, struct tg_error *e);
/* Takes a pause back, and says that the run may go on from its hold of that number. */
int tg_run_resume(struct tg_store *store, const char *id, int64_t hold, const struct tg_said *said, struct tg_error *e);
/* Lets a stage open, now or when its turn comes. Idempotent, likewise. The caller knows that there is such a stage. */
int tg_run_approve(struct tg_store *store, const char *id, const char *stage, const struct tg_said *said, struct tg_error *e);
/* Goes on without the hosts of these windows, too, as long as they are not known to open; the last one's name and reason stay. n ≤ TG_CONTROL_SKIPPED_MAX; of more in all the first ones stay. */
int tg_run_skip(struct tg_store *store, const char *id, const uint32_t *windows, size_t n, const struct tg_said *said, struct tg_error *e);
bool tg_control_skips(const struct tg_run_control *control, size_t window);

#endif
