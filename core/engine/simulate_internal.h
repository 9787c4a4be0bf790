/* Inside of a simulation: the queue (simulate.c) and the hosts (simulate_hosts.c). */
#ifndef TG_ENGINE_SIMULATE_INTERNAL_H
#define TG_ENGINE_SIMULATE_INTERNAL_H

#include "engine/simulate.h"

enum tg_sim_what {
    TG_SIM_HOST,      /* an event of a host reaches the controller */
    TG_SIM_STAGE,     /* likewise, of a stage */
    TG_SIM_STEP_ENDS, /* on the host, whether or not somebody listens */
    TG_SIM_RETURNS,   /* a controller takes the seat */
    TG_SIM_PERSON     /* somebody looks at a run that waits for a person */
};

struct tg_sim_item {
    int64_t at_ms;
    uint64_t number;             /* order of adding */
    uint32_t of;                 /* host or stage */
    uint32_t life;               /* of the controller that waits for it */
    uint8_t what, kind, outcome; /* enum tg_sim_what, tg_run_event_kind, tg_outcome_kind */
};

/* What a host remembers, and what we know of it. A million of them. */
struct tg_sim_host {
    int64_t ends_ms;    /* of its last step */
    int64_t changed_ms; /* 0 never */
    uint16_t attempt;   /* of that step; 0: there was none */
    uint8_t end;        /* enum tg_run_event_kind: how it ends */
    bool hurt;
};

struct tg_simulation {
    struct tg_sim *sim;
    struct tg_sim_host *hosts;
    struct tg_run_actions actions;
    struct tg_sim_item *items; /* a heap */
    size_t n, cap;
    uint64_t numbers;
    int64_t now_ms;
    int64_t window_ms; /* when the next window opens or closes */
    size_t window_stage;
    int64_t dies_ms; /* when the controller dies next; 0 never */
    uint32_t life;   /* how often it has died */
    size_t progress, in_vain;  /* hosts that have come on until the last crash; crashes since then */
    bool away, was_away, asked, out_of_memory; /* asked: a person is on the way */
};

void tg_sim_push(struct tg_simulation *s, struct tg_sim_item item);
/* Begins an action: what comes of it is pushed. False for one that has no model. */
bool tg_sim_begin(struct tg_simulation *s, const struct tg_run_action *action);
void tg_sim_step_ends(struct tg_simulation *s, size_t host);

#endif
