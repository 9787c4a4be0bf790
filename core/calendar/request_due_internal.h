/* What the parts of carrying requests out share. */
#ifndef TG_CALENDAR_REQUEST_DUE_INTERNAL_H
#define TG_CALENDAR_REQUEST_DUE_INTERNAL_H

#include "calendar/request_due.h"
#include "calendar/request_internal.h"

struct tg_due_walk {
    const struct tg_due *d;
    struct tg_due_report *report;
    struct tg_requests r;            /* as it was read or written last */
    bool has_note, stopped;          /* stopped: a command was, so nothing more is begun */
    struct tg_due_note note;
    struct {
        char activity[TG_ACTIVITY_SIZE];
        int64_t ms;
    } took[TG_REQUESTS_MAX];         /* done by the last change, */
    size_t n_took;                   /* and not yet told to others */
    int64_t lock_txid;               /* of the lock that was taken last */
    int64_t mono_ms, wall_ms;        /* when it began */
};

int64_t tg_due_wall(const struct tg_due_walk *w);
/* The same by the clock that nobody sets: how long something took, and when, whatever became of the other one meanwhile. */
int64_t tg_due_steady(const struct tg_due_walk *w);
void tg_due_tell(const struct tg_due_walk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
int tg_due_step(const struct tg_due_walk *w, const char *step, struct tg_error *e);
int tg_due_change(struct tg_due_walk *w, tg_requests_deed deed, void *data, struct tg_error *e);
int tg_due_clocks(struct tg_due_walk *w, struct tg_error *e);
/* New times for what is open; why stands before the time that is told. */
int tg_due_lay(struct tg_due_walk *w, const char *why, struct tg_error *e);
int tg_due_lock(struct tg_due_walk *w, int64_t for_ms, struct tg_error *e);
/* The lock goes, then the note. */
int tg_due_release(struct tg_due_walk *w, struct tg_error *e);
/* A visit that is under way: what was broken off, what is left, the end. blocked: all that is left is held for a person. */
int tg_due_go_on(struct tg_due_walk *w, bool blocked, struct tg_error *e);

#endif
