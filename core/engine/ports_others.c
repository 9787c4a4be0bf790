/*
 * Who else is down, told to the run before it starts anybody: hosts that others hold (others.h), and hosts whose agents are gone (guard/gone.h). Looked at now and
 * then, and behind each lock.
 */
#include "engine/ports_internal.h"

#include "base/buf.h"
#include "fleet/inventory.h"

#include <stdlib.h>
#include <string.h>

#define OTHERS_POLL_MS 5000
#define GONE_POLL_MS 2000
#define GONE_PATIENCE_MS 10000 /* an agent that is restarted, or updated, is back by then; a host that reboots is not */
#define GONE_OLD_MS 5000     /* nobody starts by what was seen longer ago */
#define GONE_AT_ONCE 2000    /* events of one turn: the drive hears of other things in between */
#define GONE_NAMED_MAX 16    /* domains whose hosts are named: when more change at once, numbers do */

/* ---- locks of others ---- */

/* How many, and by whom. That it is by others now, as many as before, is told where somebody waits for them. */
static void tell_outside(struct tg_ports *p, struct tg_drive *drive, uint32_t domain)
{
    struct tg_buf whose = TG_BUF_INIT;

    if (domain == TG_NO_DOMAIN)
        return;
    uint32_t n = tg_others_counts(p->others)[domain];
    const struct tg_run_domain *d = &p->o.run->domains[domain];
    bool same = n == p->told[domain];
    if (same && (n == 0 || !(d->lines[0].n || d->lines[1].n)))
        return;
    tg_others_whose(p->others, domain, &whose);
    if (!same || !d->whose || strcmp(d->whose, tg_buf_text(&whose)) != 0)
        tg_drive_answer(drive, &(struct tg_run_event) {.kind = TG_EV_OUTSIDE, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = domain, .count = n,
                                                       .text = n ? tg_buf_text(&whose) : NULL});
    p->told[domain] = n;
    tg_buf_release(&whose);
}

static bool matters(const struct tg_ports *p)
{
    for (size_t i = 0; i < p->o.plan->n_domains; i++)
        if (p->told[i] || p->o.run->domains[i].lines[0].n || p->o.run->domains[i].lines[1].n)
            return true;
    return p->others_ms == 0;
}

/* What ends the drive; a store that does not answer is asked again. */
static int ending(int rc, const struct tg_error *own, struct tg_error *e)
{
    if (!rc || rc == TG_E_LOST || rc == TG_E_TIMEOUT)
        return 0;
    if (e && !e->code)
        *e = *own;
    return rc;
}

/* Now and then while it matters: somebody waits for a domain, or others are known to hold some. What can't be counted now is asked for again, and at the latest behind
 * the next lock. */
static int look_at_locks(struct tg_ports *p, struct tg_drive *drive, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    bool wanted = matters(p);

    p->others_ms = tg_ports_now(p) + OTHERS_POLL_MS;
    int rc = wanted ? tg_hold_count_others(p->o.holds, p->others, p->o.run, 0, &own) : 0;
    for (uint32_t i = 0; !rc && wanted && i < p->o.plan->n_domains; i++)
        tell_outside(p, drive, i);
    return tg_ports_ends_drive(rc) ? ending(rc, &own, e) : 0;
}

/* ---- who is gone ---- */

static void tell_host(struct tg_ports *p, struct tg_drive *drive, size_t host, bool gone)
{
    p->told_gone[host] = gone;
    tg_drive_answer(drive, &(struct tg_run_event) {.kind = gone ? TG_EV_GONE : TG_EV_BACK, .host = host, .stage = TG_RUN_NONE, .changed = -1,
                                                   .text = gone ? "its agent is gone" : NULL});
}

static int tell_outside_gone(struct tg_ports *p, struct tg_drive *drive, uint32_t domain, bool named, struct tg_error *e)
{
    uint32_t n = tg_others_gone(p->others)[domain];
    struct tg_buf who = TG_BUF_INIT;
    int rc = n && named ? tg_others_who(p->others, domain, &who, e) : 0;

    if (!rc)
        tg_drive_answer(drive, &(struct tg_run_event) {.kind = TG_EV_OUTSIDE_GONE, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = domain, .count = n,
                                                       .text = who.len ? tg_buf_text(&who) : NULL});
    tg_buf_release(&who);
    return rc;
}

static void touch(struct tg_ports *p, size_t host)
{
    tg_others_moved(p->others, host);
    for (size_t l = 0; l < p->o.plan->n_limits; l++) {
        uint32_t domain = tg_others_domain(p->others, host, l);
        if (domain != TG_NO_DOMAIN)
            p->touched[domain] = true;
    }
}

static int tell_touched(struct tg_ports *p, struct tg_drive *drive, struct tg_error *e)
{
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < p->o.plan->n_domains; i++)
        n += p->touched[i];
    for (uint32_t i = 0; n && !rc && i < p->o.plan->n_domains; i++)
        if (p->touched[i])
            rc = tell_outside_gone(p, drive, i, n <= GONE_NAMED_MAX, e);
    memset(p->touched, 0, p->o.plan->n_domains);
    return rc;
}

/* What the run was told before, by an earlier driver or by this one, is not told again; at most so many. */
static int tell_moved(struct tg_ports *p, struct tg_drive *drive, size_t max, struct tg_error *e)
{
    bool any = false;

    for (size_t host, n = 0; n < max && tg_gone_moved(p->gone, &host);) {
        uint32_t i = tg_others_in_plan(p->others, host);
        if (i == TG_RUN_NOBODY) {
            touch(p, host);
            any = true;
        } else if (p->told_gone[i] != tg_gone_is(p->gone, host)) {
            tell_host(p, drive, i, tg_gone_is(p->gone, host));
            n++;
        }
    }
    return any ? tell_touched(p, drive, e) : 0;
}

/* An earlier driver has told of hosts that are back by now: of these nothing moves. */
static void tell_back(struct tg_ports *p, struct tg_drive *drive)
{
    const struct tg_plan *plan = p->o.plan;

    for (size_t i = 0; i < plan->n_hosts; i++) {
        const struct tg_host *host = p->told_gone[i] ? tg_inventory_host(p->o.inventory, plan->hosts[i].name) : NULL;
        if (p->told_gone[i] && (!host || !tg_gone_is(p->gone, host->index)))
            tell_host(p, drive, i, false);
    }
    for (size_t i = 0; i < plan->n_domains; i++)
        p->touched[i] = p->o.run->domains[i].outside_gone > 0;
}

static int look_at_gone(struct tg_ports *p, struct tg_drive *drive, size_t max, struct tg_error *e)
{
    bool first = p->gone_seen_ms == INT64_MIN;
    int rc = tg_hold_look_gone(p->o.holds, p->gone, e);

    p->gone_ms = tg_ports_now(p) + GONE_POLL_MS;
    if (rc)
        return rc;
    p->gone_seen_ms = tg_ports_now(p);
    if (first)
        tell_back(p, drive);
    rc = tell_moved(p, drive, max, e);
    return !rc && first ? tell_touched(p, drive, e) : rc;
}

/* ---- both ---- */

int tg_ports_look_at_others(struct tg_ports *p, struct tg_drive *drive, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    int64_t now = tg_ports_now(p);
    int rc = 0;

    if (p->gone && now >= p->gone_ms)
        rc = ending(look_at_gone(p, drive, GONE_AT_ONCE, &own), &own, e);
    else if (p->gone)
        rc = tell_moved(p, drive, GONE_AT_ONCE, e);
    return !rc && p->others && now >= p->others_ms ? look_at_locks(p, drive, e) : rc;
}

int tg_ports_count_before(struct tg_task *t, struct tg_error *e)
{
    struct tg_ports *p = t->ports;
    size_t n = p->o.plan->n_limits;
    bool old = p->gone && (p->gone_seen_ms == INT64_MIN || tg_ports_now(p) - p->gone_seen_ms > GONE_OLD_MS);
    int rc = old ? look_at_gone(p, t->drive, SIZE_MAX, e) : p->gone ? tell_moved(p, t->drive, SIZE_MAX, e) : 0;

    if (!rc && p->others)
        rc = tg_hold_count_others(p->o.holds, p->others, p->o.run, t->lock_txid, e);
    for (size_t l = 0; !rc && p->others && l < n; l++)
        tell_outside(p, t->drive, p->o.plan->domain_of[t->action.host * n + l]);
    return rc;
}

int tg_ports_open_others(struct tg_ports *p, struct tg_error *e)
{
    size_t n = p->o.plan->n_domains;

    if (!p->o.inventory)
        return tg_fail(e, TG_E_CONFIG, "no inventory: limits by domain count the hosts of the whole fleet");
    p->gone_seen_ms = INT64_MIN;
    p->told = calloc(n + 1, sizeof *p->told);
    p->touched = calloc(n + 1, sizeof *p->touched);
    p->told_gone = calloc(p->o.plan->n_hosts + 1, sizeof *p->told_gone);
    if (!p->told || !p->touched || !p->told_gone)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++)
        p->told[i] = p->o.run->domains[i].outside;
    for (size_t i = 0; i < p->o.plan->n_hosts; i++)
        p->told_gone[i] = p->o.run->hosts[i].gone;
    int rc = p->o.plan->ignore_gone ? 0 : tg_gone_new(p->o.inventory, &p->gone, e);
    if (!rc && p->gone)
        rc = tg_gone_patience(p->gone, GONE_PATIENCE_MS, e);
    return rc ? rc : tg_others_new(p->o.plan, p->o.inventory, p->gone, &p->others, e);
}

void tg_ports_free_others(struct tg_ports *p)
{
    tg_others_free(p->others);
    tg_gone_free(p->gone);
    free(p->told);
    free(p->touched);
    free(p->told_gone);
}
