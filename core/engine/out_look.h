/*
 * Is what a run has withdrawn (withdraw.h), or is at work on, still out of service, there where that was brought about? A load balancer that restarts forgets its drains, and
 * a withdrawal that has ended, or a run whose driver died, is driven by nobody. Reads only: each drain of the plan is asked about each host (TG_AROUND_LOOK), a few at a time.
 */
#ifndef TG_ENGINE_OUT_LOOK_H
#define TG_ENGINE_OUT_LOOK_H

#include "engine/journal.h"

enum tg_out_how {
    TG_OUT_STILL,   /* as it was left */
    TG_OUT_CHANGED, /* out by us, but not as it was left: of several load balancers not all have it so, or it is another process that has */
    TG_OUT_NOT,     /* in service */
    TG_OUT_UNTOLD,  /* nobody can tell */
};

struct tg_out_seen {
    size_t host;
    int step;        /* index in plan.around */
    enum tg_out_how how;
    const char *text; /* lives during the call: what was said, with the step's kind before it */
};

struct tg_out_options {
    struct tg_loop *loop;
    const struct tg_run *run;
    const char *id, *name; /* the run's, and that elsewhere (tg_run_name()); NULL: its id */
    const char *owner;
    int64_t wait_ms;       /* for all of it: who has not answered by then is UNTOLD */
    void (*each)(void *data, const struct tg_out_seen *seen); /* called for all but STILL, in no order */
    void *data;
};

/* *out_n: the hosts that were asked about. Top level: it turns the loop. TG_E_CANCELLED when that is interrupted. */
int tg_out_look(const struct tg_out_options *options, size_t *out_n, struct tg_error *e);

#endif
