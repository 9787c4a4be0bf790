/* Whether withdrawn hosts are out of service: see out_look.h. */
#include "engine/out_look.h"

#include "base/shown.h"
#include "engine/around_module.h"
#include "engine/run_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 20
#define TURN_MS 100

struct looking;

struct question {
    struct looking *looking;
    size_t host;
    char record[TG_AROUND_RECORD_SIZE]; /* as it was left */
    bool asked;
};

struct looking {
    const struct tg_out_options *o;
    int step;
    struct tg_around_module module;
    struct tg_around_impl *impl;
    struct question slots[AT_ONCE];
    size_t next; /* host */
    size_t n;
};

static bool is_asked_about(const struct tg_run *run, size_t i, int step)
{
    const struct tg_run_host *h = &run->hosts[i];
    bool is_out = run->plan->withdraws ? h->state == TG_HOST_WITHDRAWN : !tg_host_state_is_end(h->state) || h->state == TG_HOST_LOST;

    return is_out && ((unsigned) h->made & run->drains) >> step & 1U;
}

static void tell(const struct looking *l, size_t host, enum tg_out_how how, const char *text)
{
    char shown[400], all[500];

    if (how == TG_OUT_STILL)
        return;
    tg_shown_text(text, shown, sizeof shown);
    snprintf(all, sizeof all, "%s: %s", tg_around_what_name(l->o->run->plan->around[l->step].what), shown);
    l->o->each(l->o->data, &(struct tg_out_seen) {.host = host, .step = l->step, .how = how, .text = all});
}

static void done(void *data, enum tg_around_end end, const char *text, const char *record)
{
    struct question *q = data;
    bool same = record && strcmp(record, q->record) == 0;
    enum tg_out_how how = end == TG_AROUND_ABSENT ? TG_OUT_NOT : end > TG_AROUND_OTHERS ? TG_OUT_UNTOLD : end == TG_AROUND_OURS && !same ? TG_OUT_CHANGED : TG_OUT_STILL;

    q->asked = false;
    tell(q->looking, q->host, how, text && text[0] ? text : tg_around_end_name(end));
}

static void ask(struct looking *l, struct question *q)
{
    const struct tg_out_options *o = l->o;
    const struct tg_plan_host *h = &o->run->plan->hosts[q->host];
    struct tg_error own = TG_ERROR_INIT;
    char tag[TG_AROUND_TAG_SIZE];

    tg_around_tag(o->name ? o->name : o->id, h->name, l->step, tag);
    tg_run_record(&o->run->hosts[q->host], l->step, q->record, sizeof q->record);
    const struct tg_around_context context = {.host = h->name, .address = h->address ? h->address : h->name, .run_id = o->id, .lock_id = o->run->hosts[q->host].lock,
                                              .who = o->owner, .reason = o->run->plan->name, .tag = tag, .record = q->record[0] ? q->record : NULL,
                                              .now_ms = tg_wall_ms(tg_loop_clock(o->loop)), .until_ms = tg_wall_ms(tg_loop_clock(o->loop))};
    q->asked = true;
    if (l->module.backend->ask(l->impl, TG_AROUND_LOOK, &context, done, q, &own)) {
        q->asked = false;
        tell(l, q->host, TG_OUT_UNTOLD, own.message);
    }
}

/* True: some are waited for yet. */
static bool ask_more(struct looking *l)
{
    const struct tg_run *run = l->o->run;
    bool any = false;

    for (size_t i = 0; i < AT_ONCE; i++) {
        struct question *q = &l->slots[i];
        for (; !q->asked && l->next < run->plan->n_hosts; l->next++)
            if (is_asked_about(run, l->next, l->step)) {
                *q = (struct question) {.looking = l, .host = l->next};
                l->n++;
                ask(l, q);
            }
        any = any || q->asked;
    }
    return any;
}

static void give_up(struct looking *l)
{
    for (size_t i = 0; i < AT_ONCE; i++)
        if (l->slots[i].asked)
            tell(l, l->slots[i].host, TG_OUT_UNTOLD, "no answer in time");
    for (; l->next < l->o->run->plan->n_hosts; l->next++)
        if (is_asked_about(l->o->run, l->next, l->step)) {
            l->n++;
            tell(l, l->next, TG_OUT_UNTOLD, "not asked: others took too long");
        }
}

static int look_at_step(struct looking *l, int64_t deadline_ms, struct tg_error *e)
{
    struct tg_loop *loop = l->o->loop;
    struct tg_error own = TG_ERROR_INIT;
    int rc = tg_around_module_load(&l->o->run->plan->around[l->step], &l->module, &own);

    if (!rc)
        rc = l->module.backend->open(loop, l->module.params, &l->impl, &own);
    if (rc) {
        for (; l->next < l->o->run->plan->n_hosts; l->next++)
            if (is_asked_about(l->o->run, l->next, l->step)) {
                l->n++;
                tell(l, l->next, TG_OUT_UNTOLD, own.message);
            }
        return rc == TG_E_MEMORY ? tg_fail(e, rc, "out of memory") : 0;
    }
    while (!rc && ask_more(l)) {
        if (tg_mono_ms(tg_loop_clock(loop)) >= deadline_ms)
            break;
        if (tg_loop_turn(loop, TURN_MS) == TG_E_CANCELLED)
            rc = tg_fail(e, TG_E_CANCELLED, "interrupted");
    }
    if (!rc)
        give_up(l);
    return rc;
}

int tg_out_look(const struct tg_out_options *o, size_t *out_n, struct tg_error *e)
{
    const struct tg_plan *plan = o->run->plan;
    int64_t deadline_ms = tg_mono_ms(tg_loop_clock(o->loop)) + o->wait_ms;
    int rc = 0;

    *out_n = 0;
    for (int step = 1; !rc && (size_t) step < plan->n_around; step++) {
        struct looking l = {.o = o, .step = step};
        bool any = false;
        for (size_t i = 0; !any && i < plan->n_hosts; i++)
            any = is_asked_about(o->run, i, step);
        if (!any)
            continue;
        rc = look_at_step(&l, deadline_ms, e);
        if (l.impl)
            l.module.backend->close(l.impl);
        tg_around_module_release(&l.module);
        *out_n = *out_n > l.n ? *out_n : l.n;
    }
    return rc;
}
