/*
 * Hosts that a run mends are out of service by drains that others made, the withdrawals (out_keep.h), and these are kept while it is driven: now and then all of them, and each
 * right before what is around it is looked at, and before it is changed. See ports.h.
 */
#include "engine/ports_internal.h"

#include <tagout/log.h>

#include <stdio.h>
#include <stdlib.h>

#define EVERY_MS 10000
#define EACH_MS 50
#define AT_ONCE 20
#define ANSWER_MS 120000
#define BUSY_MS 100
#define TOLD 1 /* of warned: the bit of the lock, of which nothing is told */

/* The step that it is told as: the run's own drain. 0: it has none. */
static int step_of(const struct tg_ports *p)
{
    int step = 1;

    while ((size_t) step < p->o.plan->n_around && !(p->o.run->drains >> step & 1U))
        step++;
    return (size_t) step < p->o.plan->n_around ? step : 0;
}

static void tell(struct tg_ports *p, struct tg_drive *drive, size_t host, enum tg_around_end end, const char *text)
{
    bool well = end <= TG_AROUND_OTHERS && end != TG_AROUND_ABSENT;
    char record[TG_AROUND_RECORD_SIZE] = "", all[500];
    int step = step_of(p);

    if (!step) {
        tg_log(well ? TG_LOG_INFO : TG_LOG_WARN, "run", "%s: %.300s", p->o.plan->hosts[host].name, text[0] ? text : tg_around_end_name(end));
        return;
    }
    snprintf(all, sizeof all, "drain: %.400s", text[0] ? text : tg_around_end_name(end));
    tg_run_record(&p->o.run->hosts[host], step, record, sizeof record);
    tg_drive_answer(drive, &(struct tg_run_event) {.kind = TG_EV_KEEP, .host = host, .stage = TG_RUN_NONE, .step = step, .changed = -1, .text = all,
                                                   .ours = end > TG_AROUND_KEPT, .record = !well ? NULL : record[0] ? record : "theirs"});
}

static void news(struct tg_ports *p, struct tg_drive *drive, size_t host, enum tg_around_end end, bool redone, const char *text)
{
    bool well = end == TG_AROUND_OURS || end == TG_AROUND_OTHERS, told = p->warned[host] & TOLD;

    p->warned[host] = (uint16_t) (well ? p->warned[host] & ~TOLD : p->warned[host] | TOLD);
    if (redone) /* who came in between is there yet */
        p->redone[host] |= p->o.run->drains;
    if (well ? redone || told : !told)
        tell(p, drive, host, end, text);
}

/* ---- now and then ---- */

static void swept(void *data, enum tg_around_end end, bool redone, const char *text)
{
    const struct tg_mended *m = data;

    if (!m->ports->closing)
        news(m->ports, m->ports->mended_drive, m->host, end, redone, text);
}

void tg_ports_keep_mended(struct tg_ports *p, struct tg_drive *drive)
{
    size_t begun = 0;

    p->mended_drive = drive;
    if (!p->mended || (p->mended_next == 0 && tg_ports_now(p) < p->mended_ms))
        return;
    for (; p->mended_next < p->o.plan->n_hosts && begun < AT_ONCE; p->mended_next++)
        begun += tg_out_keeper_ask(p->o.keeper, p->o.plan->hosts[p->mended_next].name, swept, &p->mended[p->mended_next], NULL) == 0;
    p->mended_n += begun;
    if (p->mended_next < p->o.plan->n_hosts)
        return;
    p->mended_next = 0;
    p->mended_ms = tg_ports_now(p) + EVERY_MS + (int64_t) p->mended_n * EACH_MS;
    p->mended_n = 0;
}

/* ---- before it is worked at ---- */

/* Whether it is out of service can't be told, or it is not to be. */
static void not_out(struct tg_task *t, enum tg_around_end end, const char *text)
{
    static const enum tg_run_event_kind kinds[] = {[TG_AROUND_REFUSED] = TG_EV_AROUND_REFUSED, [TG_AROUND_NOT_SENT] = TG_EV_AROUND_AWAY, [TG_AROUND_LOST] = TG_EV_AROUND_LOST};
    bool apply = t->action.kind == TG_DO_APPLY;
    int step = apply ? step_of(t->ports) : t->action.step;
    char all[500];

    snprintf(all, sizeof all, "drain: %.400s", text[0] ? text : tg_around_end_name(end));
    if (end == TG_AROUND_ABSENT)
        tg_task_answer(t, TG_EV_HELD, all);
    else if (!step) /* no drain of its own to go back to: tried again, for as long as a busy tool is */
        tg_task_answer(t, TG_EV_BUSY, all);
    else
        tg_task_answer_event(t, (struct tg_run_event) {.kind = end >= TG_AROUND_REFUSED ? kinds[end] : TG_EV_AROUND_LOST, .step = step, .changed = -1, .text = all});
}

static void proved(void *data, enum tg_around_end end, bool redone, const char *text)
{
    struct tg_task *t = data;
    struct tg_ports *p = t->ports;
    bool well = end == TG_AROUND_OURS || end == TG_AROUND_OTHERS;

    t->asked = false;
    if (t->over || p->closing)
        return;
    news(p, t->drive, t->action.host, end, redone, text);
    if (!well && (end != TG_AROUND_ABSENT || (t->action.kind == TG_DO_APPLY && !p->o.run->drains))) {
        not_out(t, end, text);
        return;
    }
    t->out = true; /* or somebody has set it ready: the run's own drain sees to it */
    t->due_ms = 0;
}

bool tg_task_wants_out(const struct tg_task *t)
{
    bool looks = t->action.kind == TG_DO_AROUND_LOOK && t->ports->o.run->drains >> t->action.step & 1U;

    return t->ports->o.keeper && !t->out && (t->action.kind == TG_DO_APPLY || looks);
}

/* 1: what is to be done may be gone on with; 0: an answer is waited for, or given. */
int tg_task_prove_out(struct tg_task *t)
{
    struct tg_error own = TG_ERROR_INIT;

    if (t->asked) { /* and due: too long */
        not_out(t, TG_AROUND_LOST, "no answer");
        return 0;
    }
    int rc = tg_out_keeper_ask(t->ports->o.keeper, tg_task_host(t)->name, proved, t, &own);
    t->asked = rc == 0;
    if (rc == TG_E_NOENT)
        return (t->out = true);
    if (rc == TG_E_HELD || rc == 0)
        t->due_ms = tg_ports_now(t->ports) + (rc ? BUSY_MS : ANSWER_MS);
    else
        not_out(t, TG_AROUND_NOT_SENT, own.message);
    return 0;
}

/* ---- life ---- */

int tg_ports_open_mended(struct tg_ports *p, struct tg_error *e)
{
    size_t n = p->o.plan->n_hosts;

    if (!p->o.keeper)
        return 0;
    p->mended = calloc(n + 1, sizeof *p->mended);
    if (!p->warned && !(p->warned = calloc(n + 1, sizeof *p->warned)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!p->redone && !(p->redone = calloc(n + 1, sizeof *p->redone)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; p->mended && i < n; i++)
        p->mended[i] = (struct tg_mended) {.ports = p, .host = i};
    p->mended_ms = tg_ports_now(p);
    return p->mended ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}
