/* Warnings of a plan: see plan_warn.h. */
#include "engine/plan_warn.h"

#include "engine/plan_when.h"
#include "engine/windows.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG_MS INT64_C(86400000) /* a stage that takes a day is rarely what somebody meant by a rate */

struct warner {
    const struct tg_plan *plan;
    const struct tg_stage_times *times;
    int64_t now_ms;
    json_t *list;
};

static void warn(struct warner *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct warner *w, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(w->list, json_string(text));
}

static void warn_of_empty(struct warner *w, const struct tg_plan_stage *s)
{
    if (s->optional && s->only)
        warn(w, "stage %s is empty: no target is in %.200s.", s->name, s->only);
    else if (!s->optional && s->until_of > 0)
        warn(w, "stage %s adds nothing: until: means %lld hosts, and that many have been changed by then.", s->name, (long long) s->until_of);
    else if (!s->optional)
        warn(w, "stage %s is empty: the stages before it take all of its hosts.", s->name);
}

/* "rate: 1/min" of 2,640 hosts. */
static void warn_of_rate(struct warner *w, const struct tg_plan_stage *s)
{
    int64_t takes = tg_rate_takes_ms(&s->rate, (int64_t) s->count), interval = tg_rate_interval_us(&s->rate), within = 0;
    int64_t each = tg_plan_estimate_ms(w->plan) * 1000;
    char rate[32], text[32];

    if (!s->rate.count)
        return;
    tg_rate_format(&s->rate, rate, sizeof rate);
    if (takes > LONG_MS) {
        tg_duration_format(takes, text, sizeof text);
        warn(w, "stage %s takes %s to start its %zu hosts, by its rate of %s alone.", s->name, text, s->count, rate);
    }
    for (size_t i = 0; i < w->plan->n_verify; i++)
        if (w->plan->verify[i].after_ms + w->plan->verify[i].within_ms > within)
            within = w->plan->verify[i].after_ms + w->plan->verify[i].within_ms;
    int64_t running = each / interval, unverified = running + within * 1000 / interval;
    if (s->count > 1 && running > w->plan->running && (int64_t) s->count > w->plan->running) {
        tg_duration_format(each / 1000, text, sizeof text);
        warn(w, "stage %s does not reach its rate of %s: at %s a host %lld are in work at once, limits.running is %lld.", s->name, rate, text, (long long) running,
             (long long) w->plan->running);
    } else if (within && !s->dry_run && unverified > w->plan->unverified && (int64_t) s->count > w->plan->unverified) {
        tg_duration_format(within, text, sizeof text);
        warn(w, "stage %s may fall behind its rate of %s: while checks take up to %s, %lld hosts are without a verdict, limits.unverified is %lld.", s->name, rate, text,
             (long long) unverified, (long long) w->plan->unverified);
    }
}

static void warn_of_hours(struct warner *w, size_t i)
{
    const struct tg_plan_stage *s = &w->plan->stages[i];
    char bake[32], length[32];
    int64_t day = tg_hours_length_ms(&w->plan->hours);
    bool last = true;

    for (size_t k = i + 1; k < w->plan->n_stages; k++)
        last &= w->plan->stages[k].count == 0;
    tg_duration_format(s->bake_ms, bake, sizeof bake);
    tg_duration_format(day, length, sizeof length);
    if (s->bake_ms >= day && !last)
        warn(w, "stage %s bakes for %s, and a day's hours are %s: what follows starts on another day.", s->name, bake, length);
    if (tg_plan_estimate_ms(w->plan) > day)
        warn(w, "a host of stage %s takes longer than a day's hours: it ends outside them.", s->name);
}

static void warn_of_stage(struct warner *w, size_t i)
{
    const struct tg_plan_stage *s = &w->plan->stages[i];
    char text[32];

    if (s->count == 0) {
        warn_of_empty(w, s);
        return;
    }
    warn_of_rate(w, s);
    if (w->plan->hours.days) {
        warn_of_hours(w, i);
        return;
    }
    int64_t takes = w->times[i].end_ms - w->times[i].start_ms - s->bake_ms;
    if (takes > LONG_MS && tg_rate_takes_ms(&s->rate, (int64_t) s->count) <= LONG_MS) {
        tg_duration_format(takes, text, sizeof text);
        warn(w, "stage %s takes about %s, with %lld hosts at once.", s->name, text, (long long) w->plan->running);
    }
}

/* Hosts that a limit lets go only one after another take their time. */
static void warn_of_limits(struct warner *w)
{
    const struct tg_plan *plan = w->plan;
    char name[160];

    for (size_t i = 0; i < plan->n_limits; i++)
        if (plan->limits[i].n_without)
            warn(w, "%zu host%s no %s: that limit does not hold %s back.", plan->limits[i].n_without, plan->limits[i].n_without == 1 ? " has" : "s have",
                 plan->limits[i].name, plan->limits[i].n_without == 1 ? "it" : "them");
    for (size_t i = 0; i < plan->n_limits; i++) {
        size_t n = 0;
        for (size_t d = 0; d < plan->n_domains; d++)
            n += plan->domains[d].limit == i;
        if (n == 0 && !plan->limits[i].n_without)
            warn(w, "%.200s has none of the hosts to be changed: that limit holds nobody back.", plan->limits[i].name);
    }
    for (size_t i = 0; i < plan->n_stages; i++) {
        size_t domain, rounds = tg_plan_rounds(plan, i, &domain);
        if (domain == TG_NO_DOMAIN || rounds < 10 || rounds * (size_t) plan->running < 2 * plan->stages[i].count)
            continue;
        tg_plan_domain_name(plan, domain, name, sizeof name);
        warn(w, "stage %s waits longest for %s: its hosts take %zu turns, %u at once.", plan->stages[i].name, name, rounds, plan->domains[domain].max);
    }
}

/* ---- replicas that share a fate ---- */

/* A host of a replica group: the group and another domain, then the host. */
struct shared {
    uint32_t group, domain, host;
};

static int by_group(const void *a, const void *b)
{
    const struct shared *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->domain != y->domain)
        return x->domain < y->domain ? -1 : 1;
    return (x->host > y->host) - (x->host < y->host);
}

static size_t pairs_of(const struct tg_plan *plan, size_t groups, size_t domains, struct shared *out)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_hosts; i++) {
        const uint32_t *of = plan->domain_of + i * plan->n_limits;
        if (of[groups] != TG_NO_DOMAIN && of[domains] != TG_NO_DOMAIN)
            out[n++] = (struct shared) {of[groups], of[domains], (uint32_t) i};
    }
    qsort(out, n, sizeof *out, by_group);
    return n;
}

static void say_shared(struct warner *w, const struct shared *first, size_t members, size_t n_groups)
{
    const struct tg_plan *plan = w->plan;
    char group[160], domain[160], more[48] = "";

    tg_plan_domain_name(plan, first->group, group, sizeof group);
    tg_plan_domain_name(plan, first->domain, domain, sizeof domain);
    if (n_groups > 1)
        snprintf(more, sizeof more, "; %zu more are like that", n_groups - 1);
    warn(w, "%.100s has %zu hosts in %.100s (%.60s, %.60s%s): its floor lets %u of them go at once%s.", group, members, domain, plan->hosts[first[0].host].name,
         plan->hosts[first[1].host].name, members > 2 ? " …" : "", plan->domains[first->group].max, more);
}

/* Replica groups (a floor that is a number, k of n) with several hosts in one domain of another limit: these would go together, but for the floor. */
static void warn_of_shared(struct warner *w, size_t groups, size_t domains)
{
    const struct tg_plan *plan = w->plan;
    struct shared *all = malloc((plan->n_hosts + 1) * sizeof *all);
    size_t n = all ? pairs_of(plan, groups, domains, all) : 0, n_groups = 0, example = 0, members = 0;
    uint32_t last = TG_NO_DOMAIN;

    for (size_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && all[i + run].group == all[i].group && all[i + run].domain == all[i].domain; run++)
            ;
        if (run < 2 || plan->domains[all[i].domain].max < 2)
            continue; /* alone there, or the other limit keeps them apart already */
        if (members == 0) {
            example = i;
            members = run;
        }
        n_groups += all[i].group != last;
        last = all[i].group;
    }
    if (members)
        say_shared(w, &all[example], members, n_groups);
    free(all);
}

static void warn_of_replicas(struct warner *w)
{
    const struct tg_plan *plan = w->plan;

    for (size_t i = 0; i < plan->n_limits; i++)
        for (size_t k = 0; k < plan->n_limits && plan->limits[i].kind == TG_LIMIT_FLOOR && plan->limits[i].share.kind == TG_SHARE_COUNT; k++)
            if (k != i && plan->limits[k].kind == TG_LIMIT_DOMAIN)
                warn_of_shared(w, i, k);
}

/* Hosts that would wait for ever, and what would mend it. */
static void warn_of_windows(struct warner *w)
{
    const struct tg_plan *plan = w->plan;
    struct tg_window_says says;
    size_t never = 0, hosts = 0, first = 0;
    char need[32], short_need[32];

    for (size_t i = 0; plan->calendar && i < plan->n_windows; i++) {
        tg_windows_ask(plan->calendar, i, w->now_ms, &says);
        if (says.open || says.until_ms < TG_WINDOW_UNTOLD)
            continue;
        first = never++ ? first : i;
        hosts += plan->windows[i].n_hosts;
    }
    if (!never)
        return;
    const struct tg_plan_window *one = &plan->windows[first];
    size_t host = 0;
    while (plan->window_of[host] != first)
        host++;
    tg_duration_format(one->need_ms, need, sizeof need);
    tg_duration_format(tg_plan_estimate_ms(plan), short_need, sizeof short_need);
    warn(w, "%zu host%s (%.100s%s) ha%s no window that is ever %s long, and would wait for ever: %.160s. A window for them, a longer one, or a shorter estimate than %s%s.", hosts, hosts == 1 ? "" : "s",
         plan->hosts[host].name, hosts > 1 ? " …" : "", hosts == 1 ? "s" : "ve", need, one->name, short_need, plan->rollback ? " (the way back counts as well)" : "");
}

json_t *tg_plan_warnings(const struct tg_plan *plan, const struct tg_stage_times *times)
{
    struct warner w = {.plan = plan, .times = times, .now_ms = plan->n_stages ? times[0].start_ms : 0, .list = json_array()};

    if (plan->n_left)
        warn(&w, "%zu of the targets %s in no stage and will not be changed.", plan->n_left, plan->n_left == 1 ? "is" : "are");
    for (size_t i = 0; i < plan->n_stages; i++)
        warn_of_stage(&w, i);
    warn_of_limits(&w);
    warn_of_replicas(&w);
    warn_of_windows(&w);
    return w.list;
}
