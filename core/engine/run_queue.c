/* Who starts next, and what domains hold back: see run_internal.h. */
#include "engine/run_internal.h"

#include <stdlib.h>

bool tg_run_is_down(const struct tg_run *run, const struct tg_run_host *h)
{
    bool ends = (h->state >= TG_HOST_UNDOING && h->state <= TG_HOST_UNLOCKING) || h->state == TG_HOST_STUCK;
    enum tg_host_state state = ends ? h->end : h->state;

    if (((unsigned) h->made | h->stuck | h->kept) & run->drains)
        return true;
    if (state == TG_HOST_HELD)
        return !run->plan->withdraws && !h->shut; /* these stay in service; who holds one counts */
    return (state >= TG_HOST_LOCKING && state <= TG_HOST_DECIDING) || state == TG_HOST_FAILED || state == TG_HOST_UNREACHABLE || state == TG_HOST_UNKNOWN ||
           state == TG_HOST_UNDECIDED || state == TG_HOST_LOST || state == TG_HOST_TO_RETURN || state == TG_HOST_RETURNING || state == TG_HOST_WITHDRAWN;
}

/* ---- queues: pairing heaps of hosts, linked by their numbers ---- */

static uint32_t meld(struct tg_run_link *links, uint32_t a, uint32_t b)
{
    if (a == TG_RUN_NOBODY || b == TG_RUN_NOBODY)
        return a == TG_RUN_NOBODY ? b : a;
    if (b < a) {
        uint32_t other = a;
        a = b;
        b = other;
    }
    links[b].sibling = links[a].child;
    if (links[a].child != TG_RUN_NOBODY)
        links[links[a].child].before = b;
    links[a].child = b;
    links[b].before = a;
    return a;
}

static void push(struct tg_run *run, uint32_t *queue, uint32_t host)
{
    run->links[host].child = run->links[host].sibling = run->links[host].before = TG_RUN_NOBODY;
    *queue = meld(run->links, *queue, host);
}

/* The children of one that leaves, as one heap: in pairs from the left, then all of them from the right; that is what keeps it cheap. */
static uint32_t orphans(struct tg_run_link *links, uint32_t top)
{
    uint32_t at = links[top].child, pairs = TG_RUN_NOBODY, rest = TG_RUN_NOBODY;

    while (at != TG_RUN_NOBODY) {
        uint32_t a = at, b = links[a].sibling;
        at = b == TG_RUN_NOBODY ? b : links[b].sibling;
        links[a].sibling = TG_RUN_NOBODY;
        if (b != TG_RUN_NOBODY)
            links[b].sibling = TG_RUN_NOBODY;
        a = meld(links, a, b);
        links[a].sibling = pairs;
        pairs = a;
    }
    while (pairs != TG_RUN_NOBODY) {
        uint32_t next = links[pairs].sibling;
        links[pairs].sibling = TG_RUN_NOBODY;
        rest = meld(links, rest, pairs);
        pairs = next;
    }
    if (rest != TG_RUN_NOBODY)
        links[rest].before = TG_RUN_NOBODY;
    return rest;
}

static uint32_t pop(struct tg_run *run, uint32_t *queue)
{
    uint32_t top = *queue;

    *queue = orphans(run->links, top);
    return top;
}

/* Out of the midst of it. */
static void cut(struct tg_run *run, uint32_t *queue, uint32_t host)
{
    struct tg_run_link *links = run->links, *l = &links[host];

    if (*queue == host) {
        pop(run, queue);
        return;
    }
    if (links[l->before].child == host)
        links[l->before].child = l->sibling;
    else
        links[l->before].sibling = l->sibling;
    if (l->sibling != TG_RUN_NOBODY)
        links[l->sibling].before = l->before;
    *queue = meld(links, *queue, orphans(links, host));
}

/* ---- domains ---- */

static const uint32_t *domains_of(const struct tg_run *run, size_t host)
{
    return run->plan->domain_of + host * run->plan->n_limits;
}

uint64_t tg_run_domain_down(const struct tg_run_domain *d)
{
    return (uint64_t) d->down + d->gone + d->outside + d->outside_gone;
}

/* more: who would come on top of those that are down. Hosts that are out of service before a run come on top of nobody. */
static bool has_too_many(const struct tg_run *run, uint32_t domain, bool with_others, uint32_t more)
{
    const struct tg_run_domain *d = &run->domains[domain];

    return !run->plan->mends && (with_others ? tg_run_domain_down(d) : d->down) + more > run->plan->domains[domain].max;
}

/* What the start of one that is not at work adds to its domains: who is gone is counted already. */
static uint32_t adds(const struct tg_run *run, size_t host)
{
    return run->hosts[host].gone ? 0 : 1;
}

/* Lines: 2 * domain for those that would add to it, the next one for those that are gone. Who waits for a window stands in the first. */
static struct tg_run_line *line_of(const struct tg_run *run, uint32_t line)
{
    return &run->domains[line / 2].lines[line % 2];
}

/* Of a window: it is closed, or the moment of the first that waits there has not come. */
static bool is_full(const struct tg_run *run, uint32_t line)
{
    const struct tg_run_domain *d = &run->domains[line / 2];

    if (line / 2 >= run->plan->n_domains)
        return !d->open || (d->lines[0].first != TG_RUN_NOBODY && tg_window_keeps(run, d->lines[0].first));
    return has_too_many(run, line / 2, true, line % 2 ? 0 : 1);
}

/* The first of a host's domains that has too many, or TG_NO_DOMAIN. */
static uint32_t crowded_domain(const struct tg_run *run, size_t host, bool with_others, uint32_t more)
{
    for (size_t l = 0; l < run->plan->n_limits; l++) {
        uint32_t d = domains_of(run, host)[l];
        if (d != TG_NO_DOMAIN && has_too_many(run, d, with_others, more))
            return d;
    }
    return TG_NO_DOMAIN;
}

static uint32_t full_domain(const struct tg_run *run, size_t host)
{
    return tg_window_keeps(run, host) ? tg_window_of(run, host) : crowded_domain(run, host, true, adds(run, host));
}

uint32_t tg_queue_full_for_good(const struct tg_run *run, size_t host)
{
    return crowded_domain(run, host, run->plan->withdraws, run->plan->withdraws ? adds(run, host) : 1);
}

bool tg_queue_any_full_for_good(const struct tg_run *run)
{
    uint32_t d = 0;

    while (!run->plan->withdraws && d < run->plan->n_domains && !has_too_many(run, d, false, 1))
        d++;
    return d < run->plan->n_domains;
}

bool tg_queue_is_crowded(const struct tg_run *run, size_t host)
{
    return tg_window_is_closed_for(run, host) || crowded_domain(run, host, true, 0) != TG_NO_DOMAIN;
}

/* A host more, or one less, stands in a line. */
static void count_parked(struct tg_run *run, uint32_t line, uint32_t host, int by)
{
    struct tg_run_stage *stage = &run->stages[run->hosts[host].stage];

    line_of(run, line)->n += (uint32_t) by;
    if (line / 2 < run->plan->n_domains)
        stage->parked += (size_t) by;
    else
        stage->kept_out += (size_t) by;
}

/* There is room, and somebody waits for it: the first of them is to be tried, in its turn. */
static void represent(struct tg_run *run, uint32_t line)
{
    struct tg_run_line *w = line_of(run, line);

    if (w->first == TG_RUN_NOBODY || is_full(run, line) || (w->represented && w->representative < w->first))
        return; /* one that came back, and stands before the one that is to be tried, is to be tried as well */
    uint32_t host = pop(run, &w->first);
    count_parked(run, line, host, -1);
    w->represented = true;
    w->representative = host;
    run->links[host].parked = TG_NO_DOMAIN;
    run->links[host].sponsor = line;
    push(run, &run->stages[run->hosts[host].stage].ready, host);
}

static void represent_both(struct tg_run *run, uint32_t domain)
{
    represent(run, 2 * domain);
    represent(run, 2 * domain + 1);
}

void tg_queue_outside(struct tg_run *run, size_t domain, uint32_t n)
{
    run->domains[domain].outside = n;
    represent_both(run, (uint32_t) domain);
}

void tg_queue_outside_gone(struct tg_run *run, size_t domain, uint32_t n)
{
    run->domains[domain].outside_gone = n;
    represent_both(run, (uint32_t) domain);
}

void tg_queue_window(struct tg_run *run, uint32_t domain)
{
    represent(run, 2 * domain);
}

size_t tg_queue_leave_window(struct tg_run *run, uint32_t domain)
{
    struct tg_run_line *w = line_of(run, 2 * domain);

    if (w->first == TG_RUN_NOBODY)
        return TG_RUN_NONE;
    uint32_t host = pop(run, &w->first);
    count_parked(run, 2 * domain, host, -1);
    run->links[host].parked = TG_NO_DOMAIN;
    return host;
}

void tg_queue_wake(struct tg_run *run, size_t stage)
{
    const struct tg_plan_stage *p = &run->plan->stages[stage];

    if (run->last_ms < run->stages[stage].wake_ms)
        return;
    for (size_t i = 0; i < p->n_windows; i++)
        represent(run, 2 * (uint32_t) (run->plan->n_domains + p->first_window + i));
    run->stages[stage].wake_ms = tg_window_next_ms(run, stage);
}

/* What a host is to its domains. */
enum counts { UP, GONE, DOWN };

static enum counts counts_as(bool down, bool gone)
{
    return down ? DOWN : gone ? GONE : UP;
}

static void count(struct tg_run *run, size_t host, enum counts was, enum counts is)
{
    for (size_t l = 0; was != is && l < run->plan->n_limits; l++) {
        uint32_t domain = domains_of(run, host)[l];
        if (domain == TG_NO_DOMAIN)
            continue;
        struct tg_run_domain *d = &run->domains[domain];
        d->down += is == DOWN;
        d->gone += is == GONE;
        d->down -= was == DOWN;
        d->gone -= was == GONE;
        if (is == UP)
            represent_both(run, domain);
    }
}

/* ---- who waits ---- */

void tg_queue_moved(struct tg_run *run, size_t host, bool was_down)
{
    const struct tg_run_host *h = &run->hosts[host];
    struct tg_run_stage *stage = &run->stages[h->stage];

    count(run, host, counts_as(was_down, h->gone), counts_as(tg_run_is_down(run, h), h->gone));
    if (h->state != TG_HOST_WAITING || host - run->plan->stages[h->stage].first >= stage->next)
        return;
    run->links[host].sponsor = TG_NO_DOMAIN;
    push(run, &stage->ready, (uint32_t) host);
}

void tg_queue_place_gone(struct tg_run *run, size_t host)
{
    count(run, host, UP, counts_as(false, run->hosts[host].gone));
}

/* It waits for what held it back as it was: now it is tried anew. */
static void leave_line(struct tg_run *run, size_t host)
{
    struct tg_run_link *link = &run->links[host];

    if (link->parked == TG_NO_DOMAIN)
        return;
    cut(run, &line_of(run, link->parked)->first, (uint32_t) host);
    count_parked(run, link->parked, (uint32_t) host, -1);
    link->parked = link->sponsor = TG_NO_DOMAIN;
    push(run, &run->stages[run->hosts[host].stage].ready, (uint32_t) host);
}

void tg_queue_gone(struct tg_run *run, size_t host, bool gone)
{
    struct tg_run_host *h = &run->hosts[host];
    bool down = tg_run_is_down(run, h), was = h->gone;

    if (was == gone)
        return;
    h->gone = gone;
    leave_line(run, host);
    count(run, host, counts_as(down, was), counts_as(down, gone));
}

/* The first that is to be tried: in the queue, or not yet come by. */
static size_t first(const struct tg_run *run, size_t stage)
{
    const struct tg_plan_stage *p = &run->plan->stages[stage];
    const struct tg_run_stage *s = &run->stages[stage];

    if (s->ready != TG_RUN_NOBODY)
        return s->ready; /* before all that were not come by */
    return s->next < p->count ? p->first + s->next : TG_RUN_NONE;
}

static void skip_those_at_work(struct tg_run *run, size_t stage)
{
    const struct tg_plan_stage *p = &run->plan->stages[stage];
    struct tg_run_stage *s = &run->stages[stage];

    while (s->next < p->count && run->hosts[p->first + s->next].state != TG_HOST_WAITING)
        s->next++;
}

/* Out of the ready ones; returns the line that it stood for. */
static uint32_t remove_first(struct tg_run *run, size_t stage, size_t host)
{
    struct tg_run_stage *s = &run->stages[stage];

    if (s->ready == TG_RUN_NOBODY) {
        s->next++;
        return TG_NO_DOMAIN;
    }
    pop(run, &s->ready);
    uint32_t sponsor = run->links[host].sponsor;
    run->links[host].sponsor = TG_NO_DOMAIN;
    if (sponsor != TG_NO_DOMAIN && line_of(run, sponsor)->representative == host)
        line_of(run, sponsor)->represented = false;
    return sponsor;
}

static void park(struct tg_run *run, size_t stage, size_t host, uint32_t domain)
{
    bool window = domain >= run->plan->n_domains;
    uint32_t sponsor = remove_first(run, stage, host), line = 2 * domain + (!window && run->hosts[host].gone ? 1 : 0);

    push(run, &line_of(run, line)->first, (uint32_t) host);
    count_parked(run, line, (uint32_t) host, 1);
    run->links[host].parked = line;
    if (window)
        run->stages[stage].wake_ms = 0;
    if (sponsor != TG_NO_DOMAIN)
        represent(run, sponsor);
}

/* Tries one after another until one is free to start, which then is the first. */
static size_t settle_first(struct tg_run *run, size_t stage)
{
    for (;;) {
        skip_those_at_work(run, stage);
        size_t host = first(run, stage);
        uint32_t full = host == TG_RUN_NONE ? TG_NO_DOMAIN : full_domain(run, host);
        if (full == TG_NO_DOMAIN)
            return host;
        park(run, stage, host, full);
    }
}

bool tg_queue_any(struct tg_run *run, size_t stage)
{
    return settle_first(run, stage) != TG_RUN_NONE;
}

size_t tg_queue_take(struct tg_run *run, size_t stage)
{
    size_t host = settle_first(run, stage);

    if (host == TG_RUN_NONE)
        return host;
    uint32_t sponsor = remove_first(run, stage, host);
    if (sponsor != TG_NO_DOMAIN)
        represent(run, sponsor);
    return host;
}

void tg_queue_forget(struct tg_run *run)
{
    for (uint32_t line = 0; line < 2 * (run->plan->n_domains + run->plan->n_windows); line++) {
        struct tg_run_line *w = line_of(run, line);
        uint32_t kept = TG_RUN_NOBODY;
        while (w->first != TG_RUN_NOBODY) {
            uint32_t host = pop(run, &w->first);
            if (run->hosts[host].state == TG_HOST_WAITING) {
                push(run, &kept, host);
                continue;
            }
            count_parked(run, line, host, -1);
            run->links[host].parked = TG_NO_DOMAIN;
        }
        w->first = kept;
    }
}

bool tg_queue_untried(const struct tg_run *run, size_t stage)
{
    return first(run, stage) != TG_RUN_NONE;
}

bool tg_run_full_domain(const struct tg_run *run, size_t *at, size_t *out_domain, size_t *out_waiting)
{
    for (; *at < run->plan->n_domains; ++*at) {
        const struct tg_run_line *w = run->domains[*at].lines;
        bool full = (w[0].n && is_full(run, 2 * (uint32_t) *at)) || (w[1].n && is_full(run, 2 * (uint32_t) *at + 1));
        if (!full)
            continue;
        *out_domain = (*at)++;
        *out_waiting = (size_t) w[0].n + w[1].n;
        return true;
    }
    return false;
}

/* ---- life ---- */

int tg_queue_new(struct tg_run *run, struct tg_error *e)
{
    const struct tg_plan *plan = run->plan;

    if (plan->n_hosts >= TG_RUN_NOBODY)
        return tg_fail(e, TG_E_DATA, "the plan has more than %u hosts", TG_RUN_NOBODY - 1);
    run->domains = calloc(plan->n_domains + plan->n_windows + 1, sizeof *run->domains);
    run->links = calloc(plan->n_hosts + 1, sizeof *run->links);
    if (!run->domains || !run->links)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < plan->n_domains + plan->n_windows; i++)
        run->domains[i].lines[0].first = run->domains[i].lines[1].first = TG_RUN_NOBODY;
    for (size_t i = 0; i < plan->n_hosts; i++)
        run->links[i].sponsor = run->links[i].parked = TG_NO_DOMAIN;
    for (size_t i = 0; i < plan->n_stages; i++)
        run->stages[i].ready = TG_RUN_NOBODY;
    return 0;
}

void tg_queue_free(struct tg_run *run)
{
    for (size_t i = 0; run->domains && i < run->plan->n_domains + run->plan->n_windows; i++) {
        free(run->domains[i].why);
        free(run->domains[i].whose);
        free(run->domains[i].who_gone);
    }
    free(run->domains);
    free(run->links);
}
