/*
 * A run on a virtual clock, with modelled hosts (engine/sim_model.h) and without a store: the machine of engine/run.h
 * as it is, behind a queue of what happens next. Each event is as good as journalled when the machine has taken it, and
 * actions are begun only after that; a controller that dies loses what was on its way to it, or the actions that it had
 * just journalled, and the next one says RESUME. Pure.
 */
#ifndef TG_ENGINE_SIMULATE_H
#define TG_ENGINE_SIMULATE_H

#include "base/buf.h"
#include "engine/run.h"
#include "engine/sim_model.h"

/* What time went by with: why no host was started. The first are the bits of enum tg_run_brake. */
enum tg_sim_hold {
    TG_SIM_BRAKES = 16, /* room for those bits */
    TG_SIM_BAKE = TG_SIM_BRAKES,
    TG_SIM_LAST,     /* nobody waits any more: the last hosts of a stage are at work */
    TG_SIM_STOPPING, /* halted: what was in flight ends */
    TG_SIM_ASKS,     /* a person, until somebody has looked */
    TG_SIM_AWAY,     /* the controller is dead */
    TG_SIM_HOLDS
};

struct tg_sim_stage {
    size_t changed; /* hosts that the change has touched, whatever came of it */
    size_t hurt;    /* of these: the tool failed there, or the change is a bad one, noticed or not */
};

/* The state of things at the end of an interval. */
struct tg_sim_sample {
    size_t changed, hurt, done, failed, at_work;
    size_t gone, held; /* hosts that are gone; that others hold, as far as the run has to know (it has limits) */
    size_t out;        /* withdrawn */
    uint32_t stage;    /* current; plan.n_stages when all are done */
    bool away;         /* some of the time nobody was in the seat */
    bool asks;         /* it waited for a person */
};
#define TG_SIM_SAMPLES 1024 /* at most; the intervals double when there are more */

struct tg_sim {
    const struct tg_plan *plan; /* borrowed, as is the model */
    const struct tg_sim_model *model;
    struct tg_run *run; /* as it is in the end */
    int64_t started_ms, ended_ms;
    int64_t halted_ms; /* since when nothing was started any more; 0: it was not halted */
    size_t halted_stage;
    bool waits;        /* for ever, for room that gone hosts take, or others: it has no end */
    struct tg_sim_stage *stages;
    struct tg_sim_stage all; /* of all stages that change something */
    int64_t held_ms[TG_SIM_HOLDS];
    uint64_t events; /* that the machine has taken */
    unsigned crashes;
    struct tg_sim_sample *samples;
    size_t n_samples;
    int64_t sample_ms; /* length of an interval */
    int64_t shown_ms;  /* when the last of them ends: ended_ms, or that of the withdrawal */
    unsigned asked;    /* how often it waited for a person */
    struct tg_sim_back *back; /* what follows, when the rollout asks for it and the run was halted; else NULL */
};

/* What was simulated behind the run: a rollback, whose change is a good one; or a withdrawal (plan->withdraws), whose samples are the run's as well. */
struct tg_sim_back {
    struct tg_plan *plan;
    struct tg_sim_model model;
    struct tg_sim *sim;
};

/* To its end, or until nothing would happen any more. *out is the caller's. TG_E_DATA: it has none (within ten years), or the model does not fit. Blocks for a
 * second per 100,000 hosts or so. */
int tg_simulate(const struct tg_plan *plan, const struct tg_sim_model *model, struct tg_sim **out, struct tg_error *e);
void tg_sim_free(struct tg_sim *sim);

/* "done", "badly", "halted"; "waits": it would not end. */
const char *tg_sim_end_name(const struct tg_sim *sim);
/* Whether the run would end well, with nobody hurt: a run whose checks notice nothing is done as well. */
bool tg_sim_well(const struct tg_sim *sim);

/* How the hosts ended. One that is asked first (a dry-run) and changed then is in two stages, and is one: of a plan that changes any, those are told. */
struct tg_sim_told {
    size_t hosts, done, unreachable, held;
};
struct tg_sim_told tg_sim_tell(const struct tg_sim *sim);
/* Of a withdrawal: hosts that leave service; that stay in it, for which there is no room; that others hold, or that could not be had. */
struct tg_sim_out {
    size_t hosts, out, no_room, held;
    int64_t took_ms; /* since the halt */
};
struct tg_sim_out tg_sim_tell_out(const struct tg_sim *sim);
/* "limits.running" …; NULL for what is none. */
const char *tg_sim_hold_name(size_t hold);
/* Whether an action has a model: tests. */
bool tg_sim_models(enum tg_run_action_kind kind);

struct tg_sim_paint {
    int width; /* columns */
    bool colour;
};
/* The timeline, the stages and the verdict, for people. */
int tg_sim_text(const struct tg_sim *sim, const struct tg_sim_paint *paint, struct tg_buf *out, struct tg_error *e);
/* Only the plot: hosts over time. */
void tg_sim_plot(const struct tg_sim *sim, const struct tg_sim_paint *paint, struct tg_buf *out);
/* One picture that needs nothing else. */
int tg_sim_svg(const struct tg_sim *sim, struct tg_buf *out, struct tg_error *e);
/* New reference; NULL: no memory. */
json_t *tg_sim_json(const struct tg_sim *sim);

#endif
