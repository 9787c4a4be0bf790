/* A random walk of a run's machine: of what its tables allow now, one event after another. Whatever states and events there are. */
#ifndef TESTS_LIB_WALK_H
#define TESTS_LIB_WALK_H

#include "engine/run.h"

#include <stdio.h>
#include <string.h>

struct walk {
    uint64_t state;
    int64_t now_ms, epoch;
    char text[64], lock[20];
};

static inline uint64_t walk_next(struct walk *w, uint64_t below)
{
    uint64_t z = (w->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

/* Of a step of around it can only be told, right before a change, when there is one. */
static inline bool walk_can(const struct tg_run_host *h, enum tg_run_event_kind kind)
{
    return h->state != TG_HOST_APPLYING || kind < TG_EV_FOUND || kind > TG_EV_KEEP || h->step > 1;
}

static inline bool walk_host_event(struct walk *w, const struct tg_run *run, size_t host, struct tg_run_event *ev)
{
    int can[TG_EV_COUNT], n = 0;
    enum tg_pair pair;

    for (int kind = TG_EV_LOCKED; kind < TG_EV_EXTERNAL; kind++)
        if (tg_host_rule_find(run->hosts[host].state, (enum tg_run_event_kind) kind, &pair) && walk_can(&run->hosts[host], (enum tg_run_event_kind) kind))
            can[n++] = kind;
    if (!n)
        return false;
    ev->kind = (enum tg_run_event_kind) can[walk_next(w, 100) < 60 ? 0 : walk_next(w, (uint64_t) n)]; /* mostly what is meant to come */
    ev->host = host;
    return true;
}

static inline bool walk_stage_event(const struct tg_run *run, struct tg_run_event *ev)
{
    for (size_t i = 0; i < run->plan->n_stages; i++) {
        ev->stage = i;
        if (run->stages[i].state == TG_STAGE_BAKING)
            ev->kind = TG_EV_BAKED;
        else if (run->stages[i].paced_ms)
            ev->kind = TG_EV_PACED;
        else
            continue;
        return true;
    }
    ev->stage = TG_RUN_NONE;
    return false;
}

/* The next event; its texts are the walk's. Never an end: a run that has ended is resumed. */
static inline struct tg_run_event walk_event(struct walk *w, const struct tg_run *run)
{
    struct tg_run_event ev = {.host = TG_RUN_NONE, .stage = TG_RUN_NONE, .changed = (int) walk_next(w, 4) - 1, .outcome = TG_OUTCOME_CHANGED, .by = "bob@ops2"};
    size_t n = run->plan->n_hosts, from = (size_t) walk_next(w, n);

    ev.at_ms = w->now_ms += (int64_t) walk_next(w, 1500);
    snprintf(w->text, sizeof w->text, walk_next(w, 2) ? "it says \"%llu\"" : "no route to host", (unsigned long long) walk_next(w, 1000));
    ev.text = walk_next(w, 3) ? w->text : NULL;
    snprintf(w->lock, sizeof w->lock, "L%05llu", (unsigned long long) walk_next(w, 100000));
    ev.lock = w->lock;
    if (run->state == TG_RUN_NEW) {
        ev.kind = TG_EV_BEGIN;
    } else if (walk_next(w, 100) < 2) {
        ev.kind = walk_next(w, 10) ? TG_EV_PAUSE : TG_EV_ABORT;
    } else if (run->plan->n_domains && walk_next(w, 100) < 4) {
        ev.kind = walk_next(w, 2) ? TG_EV_OUTSIDE : TG_EV_OUTSIDE_GONE;
        ev.domain = (size_t) walk_next(w, run->plan->n_domains);
        ev.count = (uint32_t) walk_next(w, 3);
    } else if (run->plan->n_domains && walk_next(w, 100) < 5) {
        ev.kind = run->hosts[from].gone ? TG_EV_BACK : TG_EV_GONE;
        ev.host = from;
    } else {
        for (size_t i = 0; i < n; i++)
            if (walk_host_event(w, run, (from + i) % n, &ev))
                return ev;
        if (walk_stage_event(run, &ev))
            return ev;
        ev.kind = TG_EV_RESUME;
    }
    ev.epoch = ++w->epoch;
    return ev;
}

#endif
