/* What is done around the change of a host, by the modules of the plan: look, act, keep, undo. See ports.h. */
#include "engine/ports_internal.h"

#include "base/shown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A module bounds its own waiting (connections that drain); these are for one that hangs. */
static const int64_t most_ms[TG_AROUND_VERBS] = {
    [TG_AROUND_LOOK] = 120000, [TG_AROUND_ACT] = 2 * INT64_C(3600000), [TG_AROUND_KEEP] = 120000, [TG_AROUND_UNDO] = 2700000,
};
#define KEEP_EVERY_MS 10000 /* so long a host may be in service that a load balancer has forgotten */
#define KEEP_EACH_MS 50     /* and this for each: a big stage that bakes is not all that a load balancer has to do */
#define KEEP_MAX 20 /* begun in one turn */
#define AFTER_KEEP_MS 100

static const struct tg_run_host *host_of(const struct tg_task *t)
{
    return &t->ports->o.run->hosts[t->action.host];
}

static const struct tg_around *step_of(const struct tg_task *t)
{
    return &t->ports->o.plan->around[t->action.step];
}

static bool keeps(const struct tg_task *t)
{
    return t->action.kind == TG_DO_NOTHING;
}

/* ---- answers ---- */

static enum tg_run_event_kind event_of(const struct tg_task *t, enum tg_around_end end)
{
    static const enum tg_run_event_kind of_look[] = {TG_EV_FOUND, TG_EV_FOUND, TG_EV_FOUND, TG_EV_AROUND_LOST},
                                        of_act[] = {TG_EV_AROUND_LOST, TG_EV_MADE, TG_EV_LEFT, TG_EV_AROUND_LOST},
                                        of_undo[] = {TG_EV_UNDONE, TG_EV_AROUND_LOST, TG_EV_AROUND_LOST, TG_EV_UNDO_KEPT};

    if (end == TG_AROUND_REFUSED)
        return TG_EV_AROUND_REFUSED;
    if (end > TG_AROUND_KEPT)
        return end == TG_AROUND_NOT_SENT ? TG_EV_AROUND_AWAY : TG_EV_AROUND_LOST;
    return t->action.kind == TG_DO_AROUND_LOOK ? of_look[end] : t->action.kind == TG_DO_AROUND ? of_act[end] : of_undo[end];
}

bool tg_around_is_record(const char *record)
{
    size_t n = 0;

    while (record[n] >= ' ' && record[n] <= '~')
        n++;
    return !record[n] && n < TG_AROUND_RECORD_SIZE;
}

void tg_task_say_around(const struct tg_task *t, const char *text, char *out, size_t size)
{
    char shown[400];

    tg_shown_text(text, shown, sizeof shown);
    snprintf(out, size, "%s: %s", tg_around_what_name(step_of(t)->what), shown);
}

/* Not twice the same. */
static bool is_news(const struct tg_task *t, bool well)
{
    uint16_t *warned = &t->ports->warned[t->action.host], bit = (uint16_t) (1U << t->action.step);
    bool told = *warned & bit;

    *warned = (uint16_t) (well ? *warned & ~bit : *warned | bit);
    return !told;
}

/* What is in force still is no news, unless its record is another; or somebody asked. */
static void tell_keep(struct tg_task *t, enum tg_around_end end, const char *text, const char *record)
{
    struct tg_run_event event = {.kind = TG_EV_KEEP, .host = t->action.host, .stage = TG_RUN_NONE, .step = t->action.step, .changed = -1};
    char known[TG_AROUND_RECORD_SIZE], all[500];
    bool well = end == TG_AROUND_OURS, as_told;

    tg_run_record(host_of(t), t->action.step, known, sizeof known);
    t->over = true;
    as_told = well == is_news(t, well) && (!well || strcmp(known, record) == 0);
    if (t->ports->closing || (as_told && !t->ports->o.n_out))
        return;
    tg_task_say_around(t, text[0] ? text : tg_around_end_name(end), all, sizeof all);
    event.text = well && !text[0] ? NULL : all;
    event.record = well ? record : NULL;
    if (well && strcmp(known, record) != 0)
        t->ports->redone[t->action.host] |= (uint16_t) (1U << t->action.step);
    event.ours = end > TG_AROUND_KEPT; /* it may be so still */
    tg_drive_answer(t->drive, &event);
}

static void done(void *data, enum tg_around_end end, const char *text, const char *record)
{
    struct tg_task *t = data;
    enum tg_run_event_kind kind = event_of(t, end);
    char all[500];

    t->asked = false;
    if (t->over || t->ports->closing)
        return; /* too late: it was taken for lost */
    if (!record || !tg_around_is_record(record)) {
        kind = TG_EV_AROUND_REFUSED;
        text = record ? "the module gave a record that can't be kept" : "the module gave no record";
        record = "";
    }
    if (keeps(t)) {
        tell_keep(t, kind == TG_EV_AROUND_REFUSED ? TG_AROUND_REFUSED : end, text ? text : "", record);
        return;
    }
    tg_task_say_around(t, text ? text : "", all, sizeof all);
    bool proves = kind == TG_EV_FOUND || kind == TG_EV_MADE || kind == TG_EV_UNDO_KEPT || (kind == TG_EV_AROUND_REFUSED && record[0]);
    tg_task_answer_event(t, (struct tg_run_event) {.kind = kind, .step = t->action.step, .changed = -1, .ours = end == TG_AROUND_OURS,
                                                   .text = text && text[0] ? all : NULL, .record = proves ? record : NULL});
}

static void no_answer(struct tg_task *t, enum tg_around_end end, const char *text)
{
    bool asked = t->asked;

    done(t, end, text, "");
    t->asked = asked; /* the module may say something yet: the task must outlive that */
}

/* ---- asking ---- */

static int64_t until_ms(const struct tg_task *t)
{
    struct tg_ports *p = t->ports;
    int64_t now = tg_wall_ms(tg_loop_clock(p->o.loop)), least = now + tg_hold_terms_first_ms(&p->terms, t->action.host) / 4;
    int64_t lock = tg_hold_terms_until_ms(&p->terms, t->action.host);

    return lock > least && lock < INT64_MAX ? lock : least;
}

static enum tg_around_verb verb_of(const struct tg_task *t)
{
    enum tg_run_action_kind kind = t->action.kind;

    if (t->anew)
        return TG_AROUND_ACT;
    return kind == TG_DO_AROUND_LOOK ? TG_AROUND_LOOK : kind == TG_DO_AROUND ? TG_AROUND_ACT : kind == TG_DO_UNDO ? TG_AROUND_UNDO : TG_AROUND_KEEP;
}

int tg_task_ask_around(struct tg_task *t, enum tg_around_verb verb, tg_around_fn done_fn, struct tg_error *e)
{
    struct tg_ports *p = t->ports;
    const struct tg_plan_host *h = tg_task_host(t);
    const struct tg_run_host *of = host_of(t);
    const struct tg_around_backend *b = p->around[t->action.step].module.backend;
    struct tg_around_impl *impl = p->around[t->action.step].impl;
    char tag[TG_AROUND_TAG_SIZE], record[TG_AROUND_RECORD_SIZE];

    tg_around_tag(p->name, h->name, t->action.step, tag);
    tg_run_record(of, t->action.step, record, sizeof record);
    const struct tg_around_context context = {.host = h->name, .address = h->address ? h->address : h->name, .run_id = p->o.journal->id,
                                              .lock_id = of->lock, .who = p->o.owner, .reason = p->o.plan->name, .tag = tag,
                                              .record = record[0] ? record : NULL, .now_ms = tg_wall_ms(tg_loop_clock(p->o.loop)),
                                              .until_ms = until_ms(t), .failed = tg_run_host_failed(of)};

    if (verb == TG_AROUND_ACT) {
        p->warned[t->action.host] = (uint16_t) (p->warned[t->action.host] & ~(1U << t->action.step));
        p->redone[t->action.host] = (uint16_t) (p->redone[t->action.host] & ~(1U << t->action.step));
    }
    t->give_up_ms = tg_ports_now(p) + most_ms[verb];
    return b->ask(impl, verb, &context, done_fn, t, e);
}

/* A keep under way could bring back what is undone: it goes first. And one at a time is enough. */
bool tg_task_is_kept_now(const struct tg_task *t)
{
    for (const struct tg_task *k = t->ports->tasks; k; k = k->next)
        if (k != t && keeps(k) && !k->over && k->action.host == t->action.host && k->action.step == t->action.step)
            return true;
    return false;
}

int tg_task_run_around(struct tg_task *t, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;

    (void) e;
    if (t->asked) { /* and due: too long */
        no_answer(t, TG_AROUND_LOST, "no answer");
        return 0;
    }
    if (!keeps(t) && tg_task_is_kept_now(t)) {
        t->due_ms = tg_ports_now(t->ports) + AFTER_KEEP_MS;
        return 0;
    }
    t->asked = true;
    if (tg_task_ask_around(t, verb_of(t), done, &own)) {
        t->asked = false;
        no_answer(t, TG_AROUND_NOT_SENT, own.message);
        return 0;
    }
    if (!t->over)
        t->due_ms = t->give_up_ms;
    return 0;
}

/* ---- keeping ---- */

/* In force by our doing, and no answer about it is waited for. */
static bool is_to_be_kept(const struct tg_run_host *h, int step)
{
    bool does = h->state >= TG_HOST_AROUND_LOOKING && h->state <= TG_HOST_AROUND_WAITING && h->step == step;
    bool leaves = h->state >= TG_HOST_UNDOING && h->state <= TG_HOST_UNLOCKING;

    return (h->made >> step & 1U) && !does && !leaves && (!tg_host_state_is_end(h->state) || h->state == TG_HOST_LOST || h->state == TG_HOST_WITHDRAWN);
}

static int keep_host(struct tg_ports *p, struct tg_drive *drive, size_t host, int *begun, struct tg_error *e)
{
    for (int step = 1; (size_t) step < p->o.plan->n_around; step++) {
        if (!is_to_be_kept(&p->o.run->hosts[host], step))
            continue;
        struct tg_task *t = tg_ports_add(p, drive, &(struct tg_run_action) {.kind = TG_DO_NOTHING, .host = host, .stage = TG_RUN_NONE, .step = step}, e);
        if (!t)
            return TG_E_MEMORY;
        t->anew = p->o.n_out && p->o.out_anew;
        if (tg_task_is_kept_now(t))
            t->over = true;
        else
            tg_task_run_around(t, e);
        ++*begun;
    }
    return 0;
}

static size_t under_way(const struct tg_ports *p)
{
    size_t n = 0;

    for (const struct tg_task *t = p->tasks; t; t = t->next)
        n += keeps(t) && !t->over;
    return n;
}

bool tg_ports_is_keeping_out(const struct tg_ports *p)
{
    return p->o.n_out && (p->out_next < p->o.n_out || under_way(p));
}

/* Those that somebody asked for, once. */
static int keep_out(struct tg_ports *p, struct tg_drive *drive, struct tg_error *e)
{
    int begun = 0, rc = 0;

    while (!rc && p->out_next < p->o.n_out && under_way(p) < KEEP_MAX) {
        size_t host = p->o.out[p->out_next++];
        if (host < p->o.plan->n_hosts && p->o.run->hosts[host].state == TG_HOST_WITHDRAWN)
            rc = keep_host(p, drive, host, &begun, e);
    }
    return rc;
}

int tg_ports_keep(struct tg_ports *p, struct tg_drive *drive, struct tg_error *e)
{
    int begun = 0, rc = 0;

    if (p->o.plan->n_around >= 2 && p->o.n_out)
        return keep_out(p, drive, e);
    if (p->o.plan->n_around < 2 || (p->keep_next == 0 && tg_ports_now(p) < p->keep_ms))
        return 0;
    for (; !rc && p->keep_next < p->o.plan->n_hosts && begun < KEEP_MAX; p->keep_next++)
        if (p->o.run->hosts[p->keep_next].made)
            rc = keep_host(p, drive, p->keep_next, &begun, e);
    p->kept += (size_t) begun;
    if (p->keep_next == p->o.plan->n_hosts) {
        p->keep_next = 0;
        p->keep_ms = tg_ports_now(p) + KEEP_EVERY_MS + (int64_t) p->kept * KEEP_EACH_MS;
        p->kept = 0;
    }
    return rc;
}

/* ---- life ---- */

int tg_ports_open_around(struct tg_ports *p, struct tg_error *e)
{
    const struct tg_plan *plan = p->o.plan;
    int rc = 0;

    if (plan->n_around < 2)
        return 0;
    p->keep_ms = tg_ports_now(p); /* of a run that is taken up again nobody has kept anything for a while */
    p->around = calloc(plan->n_around, sizeof *p->around);
    p->warned = calloc(plan->n_hosts + 1, sizeof *p->warned);
    p->redone = calloc(plan->n_hosts + 1, sizeof *p->redone);
    if (!p->around || !p->warned || !p->redone)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < plan->n_hosts; i++)
        p->warned[i] = p->o.run->hosts[i].unkept;
    for (size_t i = 1; !rc && i < plan->n_around; i++) {
        rc = tg_around_module_load(&plan->around[i], &p->around[i].module, e);
        if (!rc)
            rc = p->around[i].module.backend->open(p->o.loop, p->around[i].module.params, &p->around[i].impl, e);
    }
    return rc;
}

void tg_ports_close_around(struct tg_ports *p)
{
    for (size_t i = 1; p->around && i < p->o.plan->n_around; i++) {
        if (p->around[i].impl)
            p->around[i].module.backend->close(p->around[i].impl);
        p->around[i].impl = NULL;
    }
}

void tg_ports_free_around(struct tg_ports *p)
{
    for (size_t i = 1; p->around && i < p->o.plan->n_around; i++)
        tg_around_module_release(&p->around[i].module);
    free(p->around);
    free(p->warned);
    free(p->redone);
    free(p->mended);
    p->mended = NULL;
    p->around = NULL;
    p->warned = p->redone = NULL;
}
