/* Who else is down: hosts that others hold, and hosts whose agents are gone. See world.h. */
#include "world.h"

#include <stdlib.h>

#define MOVES_MS 700

int world_others_init(struct world *w)
{
    w->outside = calloc(w->plan->n_domains + 1, sizeof *w->outside);
    w->outside_gone = calloc(w->plan->n_domains + 1, sizeof *w->outside_gone);
    return w->outside && w->outside_gone ? 0 : TG_E_MEMORY;
}

static void tell_domain(struct world *w, struct tg_drive *drive, uint32_t domain)
{
    const struct tg_run_domain *d = domain != TG_NO_DOMAIN && w->run ? &w->run->domains[domain] : NULL;
    struct tg_run_event ev = {.domain = domain, .host = TG_RUN_NONE, .stage = TG_RUN_NONE};

    if (d && d->outside != w->outside[domain]) {
        ev.kind = TG_EV_OUTSIDE;
        ev.count = w->outside[domain];
        tg_drive_answer(drive, &ev);
    }
    if (d && d->outside_gone != w->outside_gone[domain]) {
        ev.kind = TG_EV_OUTSIDE_GONE;
        ev.count = w->outside_gone[domain];
        ev.text = ev.count ? "db1.example.com" : NULL;
        tg_drive_answer(drive, &ev);
    }
}

static void tell_hosts(struct world *w, struct tg_drive *drive)
{
    for (size_t i = 0; w->run && w->plan->n_domains && i < w->plan->n_hosts; i++)
        if (w->run->hosts[i].gone != w->hosts[i].gone)
            tg_drive_answer(drive, &(struct tg_run_event) {.kind = w->hosts[i].gone ? TG_EV_GONE : TG_EV_BACK, .host = i, .stage = TG_RUN_NONE,
                                                           .text = w->hosts[i].gone ? "its agent is gone" : NULL});
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Who is back, or let go, and goes or is held again does so behind all that is under way by then. */
static void forget_back(struct world *w)
{
    uint64_t gone = 0;

    for (size_t i = 0; i < w->plan->n_hosts && i < 64; i++)
        gone |= w->hosts[i].gone ? UINT64_C(1) << i : 0;
    for (size_t i = 0; i < w->plan->n_hosts; i++) {
        struct sim_host *h = &w->hosts[i];
        h->gone_then &= gone;
        for (size_t l = 0; l < w->plan->n_limits; l++) {
            uint32_t domain = w->plan->domain_of[i * w->plan->n_limits + l];
            h->told[l] = domain == TG_NO_DOMAIN ? 0 : least(h->told[l], w->outside[domain]);
            h->told_gone[l] = domain == TG_NO_DOMAIN ? 0 : least(h->told_gone[l], w->outside_gone[domain]);
        }
    }
}

/* Some come and go, mostly one at a time, sometimes all of a rack. */
static void move(struct world *w)
{
    uint32_t domain = (uint32_t) rng_below(&w->rng, w->plan->n_domains);
    size_t host = (size_t) rng_below(&w->rng, w->plan->n_hosts), l = (size_t) rng_below(&w->rng, w->plan->n_limits);

    w->outside[domain] = rng_chance(&w->rng, 30) ? 1 + (uint32_t) rng_below(&w->rng, 2) : 0;
    w->outside_gone[domain] = rng_chance(&w->rng, 15) ? 1 : 0;
    w->hosts[host].gone = rng_chance(&w->rng, 30);
    bool rack = rng_chance(&w->rng, 5), off = rng_chance(&w->rng, 30);
    for (size_t i = 0; rack && i < w->plan->n_hosts; i++)
        if (w->plan->domain_of[i * w->plan->n_limits + l] == domain)
            w->hosts[i].gone = off;
}

void world_others_turn(struct world *w, struct tg_drive *drive, int64_t now_ms)
{
    if (w->plan->n_domains == 0 || now_ms < w->outside_ms + MOVES_MS)
        return;
    w->outside_ms = now_ms;
    move(w);
    for (size_t i = 0; w->healed && i < w->plan->n_hosts; i++)
        w->hosts[i].gone = false;
    for (uint32_t d = 0; d < w->plan->n_domains; d++) {
        w->outside[d] = w->healed ? 0 : w->outside[d];
        w->outside_gone[d] = w->healed ? 0 : w->outside_gone[d];
        tell_domain(w, drive, d);
    }
    forget_back(w);
    tell_hosts(w, drive);
}

void world_others_locked(struct world *w, struct tg_drive *drive, size_t host)
{
    struct sim_host *h = &w->hosts[host];

    h->gone_then = 0;
    for (size_t i = 0; i < w->plan->n_hosts && i < 64; i++)
        h->gone_then |= w->hosts[i].gone ? UINT64_C(1) << i : 0;
    tell_hosts(w, drive);
    for (size_t l = 0; l < w->plan->n_limits; l++) {
        uint32_t domain = w->plan->domain_of[host * w->plan->n_limits + l];
        if (domain == TG_NO_DOMAIN)
            continue;
        h->told[l] = w->outside[domain];
        h->told_gone[l] = w->outside_gone[domain];
        tell_domain(w, drive, domain);
    }
}

/*
 * Whoever was changed, and is not known to be well, is down; so is who is drained, and who is gone: each once. Others may come, and hosts go, at any time: what
 * counts is who was down before.
 */
void world_judge_domains(struct world *w, size_t host)
{
    const struct tg_plan *plan = w->plan;
    const struct sim_host *h = &w->hosts[host];

    for (size_t l = 0; l < plan->n_limits && !plan->mends; l++) { /* whose hosts are down before: world_judge_out() */
        uint32_t domain = plan->domain_of[host * plan->n_limits + l];
        size_t down = 0;
        if (domain == TG_NO_DOMAIN)
            continue;
        for (size_t i = 0; i < plan->n_hosts; i++)
            down += plan->domain_of[i * plan->n_limits + l] == domain &&
                    ((w->hosts[i].changed && !(w->hosts[i].judged && w->hosts[i].verified)) || world_is_drained(w, i) ||
                     (w->hosts[i].gone && (h->gone_then >> i & 1)));
        const struct tg_run_domain *told = w->run ? &w->run->domains[domain] : NULL;
        down += least(h->told[l], told ? told->outside : h->told[l]); /* who drives now may have heard of less */
        down += least(h->told_gone[l], told ? told->outside_gone : h->told_gone[l]);
        if (down > plan->domains[domain].max)
            world_violation(w, "P5: %zu hosts of domain %u are down, at most %u may be", down, domain, plan->domains[domain].max);
    }
}
