/* Inside of a simulation: the queue (simulate_queue.c), the controller (simulate.c) and the hosts (simulate_hosts.c). */
#ifndef TG_ENGINE_SIMULATE_INTERNAL_H
#define TG_ENGINE_SIMULATE_INTERNAL_H

#include "engine/simulate.h"

enum tg_sim_what {
    TG_SIM_HOST,      /* an event of a host reaches the controller */
    TG_SIM_STAGE,     /* likewise, of a stage */
    TG_SIM_STEP_ENDS, /* on the host, whether or not somebody listens */
    TG_SIM_RETURNS,   /* a controller takes the seat */
    TG_SIM_PERSON,    /* somebody looks at a run that waits for a person */
    TG_SIM_GIVES_UP,  /* or nobody has, for as long as the plan says */
    TG_SIM_MOVES,     /* a host goes, or comes back */
    TG_SIM_FLIPS      /* others' lock on a host comes, or goes */
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
    bool gone;          /* as the controller knows */
    bool held, counted; /* by others: is it; is it counted as down in its domains */
};

struct tg_simulation {
    struct tg_sim *sim;
    const struct tg_sim *first; /* the run that this one follows: its other hosts are gone, and held, as well; NULL */
    struct tg_sim_host *hosts;
    struct tg_run_actions actions;
    struct tg_sim_heap {
        struct tg_sim_item *items;
        size_t n, cap;
    } heaps[2]; /* of what is under way; of hosts that go, and are held: one for each host, and seldom looked at */
    uint64_t numbers;
    int64_t now_ms, moved_ms; /* and when somebody was at work last */
    int64_t window_ms; /* when the next window opens or closes */
    size_t window_stage;
    int64_t dies_ms; /* when the controller dies next; 0 never */
    uint32_t life;   /* how often it has died */
    size_t progress, in_vain;  /* hosts that have come on until the last crash; crashes since then */
    uint32_t *outside; /* by domain: hosts that others hold, and that are not down as it is */
    size_t gone, held; /* hosts */
    bool asks;         /* it waited for a person since the last sample */
    bool away, was_away, asked, out_of_memory; /* asked: a person is on the way */
};

/* The state of things at the end of one interval more. */
void tg_sim_add_sample(struct tg_sim *sim, const struct tg_sim_sample *sample);
/* As tg_simulate(); first: the run that it follows, or NULL. */
int tg_sim_run(const struct tg_plan *plan, const struct tg_sim_model *model, const struct tg_sim *first, struct tg_sim **out, struct tg_error *e);
/* simulate_next.c: what the rollout asks for, when the run was halted. */
int tg_sim_follow(struct tg_sim *sim, struct tg_error *e);
/* simulate_others.c. begin: who is gone, and whom others hold, when the run begins. */
int tg_sim_others_begin(struct tg_simulation *s, struct tg_error *e);
int tg_sim_others_move(struct tg_simulation *s, const struct tg_sim_item *item, struct tg_error *e);
/* P5: before it is heard that a host is locked, what others hold in its domains is. */
int tg_sim_others_locked(struct tg_simulation *s, size_t host, struct tg_error *e);
/* A host may have come down, or be down no more: who is held is counted once. */
int tg_sim_others_recount(struct tg_simulation *s, size_t host, struct tg_error *e);
/* An event reaches the machine, and what it wants is begun. */
int tg_sim_feed(struct tg_simulation *s, struct tg_run_event event, struct tg_error *e);
void tg_sim_push(struct tg_simulation *s, struct tg_sim_item item);
/* INT64_MAX: nothing happens any more. */
int64_t tg_sim_next_ms(const struct tg_simulation *s);
/* What happens next, when anything does. */
struct tg_sim_item tg_sim_pop(struct tg_simulation *s);
/* Begins an action: what comes of it is pushed. False for one that has no model. */
bool tg_sim_begin(struct tg_simulation *s, const struct tg_run_action *action);
void tg_sim_step_ends(struct tg_simulation *s, size_t host);

#endif
