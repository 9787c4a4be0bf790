/* The terms of a run's locks: see hold_terms.h. */
#include "engine/hold_terms.h"

#include <stdlib.h>

#define SWEEP_MS 30000

int tg_hold_terms_init(struct tg_hold_terms *t, const struct tg_run *run, int64_t step_ms, struct tg_error *e)
{
    *t = (struct tg_hold_terms) {.run = run, .step_ms = step_ms, .until_ms = calloc(run->plan->n_hosts + 1, sizeof *t->until_ms)};
    return t->until_ms ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

void tg_hold_terms_release(struct tg_hold_terms *t)
{
    free(t->until_ms);
    t->until_ms = NULL;
}

int64_t tg_hold_terms_first_ms(const struct tg_hold_terms *t, size_t host)
{
    if (t->run->plan->withdraws)
        return TG_HOLD_OUT_MS;
    return TG_HOLD_FOR_MS + t->step_ms + t->run->plan->stages[t->run->hosts[host].stage].bake_ms;
}

void tg_hold_terms_taken(struct tg_hold_terms *t, size_t host, int64_t now_ms, int64_t for_ms)
{
    t->until_ms[host] = now_ms + for_ms;
}

void tg_hold_terms_gone(struct tg_hold_terms *t, size_t host)
{
    t->until_ms[host] = INT64_MAX;
}

/* An earlier driver took it when the host was started, and may have extended it: to extend it once more does no harm. */
int64_t tg_hold_terms_until_ms(const struct tg_hold_terms *t, size_t host)
{
    return t->until_ms[host] ? t->until_ms[host] : t->run->hosts[host].started_ms + tg_hold_terms_first_ms(t, host);
}

bool tg_hold_terms_next(struct tg_hold_terms *t, int64_t now_ms, size_t *out_host, int64_t *out_for_ms)
{
    if (t->next == 0 && now_ms < t->sweep_ms)
        return false;
    for (; t->next < t->run->plan->n_hosts; t->next++) {
        const struct tg_run_host *h = &t->run->hosts[t->next];
        if (!h->lock) {
            t->until_ms[t->next] = 0; /* it may be started again, with another one */
            continue;
        }
        int64_t first = tg_hold_terms_first_ms(t, t->next), lasted = now_ms - h->started_ms;
        if (tg_hold_terms_until_ms(t, t->next) - now_ms > first / 4)
            continue;
        *out_host = t->next++;
        *out_for_ms = lasted > first ? lasted : first;
        return true;
    }
    t->next = 0;
    t->sweep_ms = now_ms + SWEEP_MS;
    return false;
}
