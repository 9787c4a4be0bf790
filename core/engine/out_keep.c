/* Keeps out of service what was withdrawn: see out_keep.h. */
#include "engine/out_keep.h"

#include "engine/around_module.h"
#include "engine/linked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct port {
    struct tg_around_module module;
    struct tg_around_impl *impl;
};

struct host {
    const char *name;
    size_t i;                              /* in the plan */
    char *records[TG_RUN_AROUND_STEPS];    /* that are newer than the run's; NULL */
};

struct withdrawal {
    const struct tg_run *run;
    const char *id;
    char name[200], owner[256];
    struct port ports[TG_RUN_AROUND_STEPS];
    struct host *hosts;                    /* by name */
    size_t n;
};

struct asking {
    struct asking *next;
    struct tg_out_keeper *keeper;
    struct withdrawal *w;
    struct host *host;
    int step;
    tg_out_kept_fn done;
    void *data;
    bool redone;
    char text[400];
};

struct tg_out_keeper {
    struct tg_loop *loop;
    struct withdrawal w[TG_LINKED_MAX];
    size_t n;
    struct asking *askings;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct host *) a)->name, ((const struct host *) b)->name);
}

int tg_out_keeper_new(struct tg_loop *loop, struct tg_out_keeper **out, struct tg_error *e)
{
    struct tg_out_keeper *k = calloc(1, sizeof *k);

    if (!k)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    k->loop = loop;
    *out = k;
    return 0;
}

static int open_ports(const struct tg_out_keeper *k, struct withdrawal *w, struct tg_error *e)
{
    const struct tg_plan *plan = w->run->plan;
    int rc = 0;

    for (size_t i = 1; !rc && i < plan->n_around; i++) {
        if (!(w->run->drains >> i & 1U))
            continue;
        rc = tg_around_module_load(&plan->around[i], &w->ports[i].module, e);
        if (!rc)
            rc = w->ports[i].module.backend->open(k->loop, w->ports[i].module.params, &w->ports[i].impl, e);
    }
    return rc;
}

int tg_out_keeper_add(struct tg_out_keeper *k, const struct tg_run *run, const char *id, const char *name, const char *owner, struct tg_error *e)
{
    struct withdrawal *w = &k->w[k->n];

    if (k->n == TG_LINKED_MAX)
        return tg_fail(e, TG_E_BUG, "more than %d withdrawals", TG_LINKED_MAX);
    *w = (struct withdrawal) {.run = run, .id = id, .hosts = calloc(run->plan->n_hosts + 1, sizeof *w->hosts)};
    if (!w->hosts)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    k->n++;
    snprintf(w->name, sizeof w->name, "%s", name);
    snprintf(w->owner, sizeof w->owner, "%s", owner);
    for (size_t i = 0; i < run->plan->n_hosts; i++)
        if (run->hosts[i].state == TG_HOST_WITHDRAWN && run->hosts[i].made & run->drains)
            w->hosts[w->n++] = (struct host) {.name = run->plan->hosts[i].name, .i = i};
    qsort(w->hosts, w->n, sizeof *w->hosts, by_name);
    return w->n ? open_ports(k, w, e) : 0;
}

/* ---- asking ---- */

static void finish(struct asking *a, enum tg_around_end end)
{
    struct asking **at = &a->keeper->askings;

    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    a->done(a->data, end, a->redone, a->text);
    free(a);
}

static void record_of(const struct asking *a, char *out, size_t size)
{
    const char *newer = a->host->records[a->step];

    if (newer)
        snprintf(out, size, "%s", newer);
    else
        tg_run_record(&a->w->run->hosts[a->host->i], a->step, out, size);
}

static int ask_next(struct asking *a, struct tg_error *e);

static void heard(void *data, enum tg_around_end end, const char *text, const char *record)
{
    char known[TG_AROUND_RECORD_SIZE];
    struct tg_error own = TG_ERROR_INIT;
    struct asking *a = data;

    if (text && text[0])
        snprintf(a->text, sizeof a->text, "%s", text);
    record_of(a, known, sizeof known);
    if (end == TG_AROUND_OURS && record && strcmp(record, known) != 0) {
        char *copy = strdup(record);
        a->redone |= text && text[0];
        if (copy) {
            free(a->host->records[a->step]);
            a->host->records[a->step] = copy;
        }
    }
    if (end != TG_AROUND_OURS && end != TG_AROUND_OTHERS) {
        finish(a, end);
        return;
    }
    int rc = ask_next(a, &own);
    if (!rc)
        return;
    if (rc != TG_E_NOENT)
        snprintf(a->text, sizeof a->text, "%.390s", own.message);
    finish(a, rc == TG_E_NOENT ? end : TG_AROUND_NOT_SENT);
}

/* TG_E_NOENT: that was the last. */
static int ask_next(struct asking *a, struct tg_error *e)
{
    const struct withdrawal *w = a->w;
    const struct tg_run_host *h = &w->run->hosts[a->host->i];
    const struct tg_plan_host *p = &w->run->plan->hosts[a->host->i];
    char tag[TG_AROUND_TAG_SIZE], record[TG_AROUND_RECORD_SIZE];

    do
        a->step++;
    while (a->step < TG_RUN_AROUND_STEPS && !(((unsigned) h->made & w->run->drains) >> a->step & 1U));
    if (a->step == TG_RUN_AROUND_STEPS)
        return TG_E_NOENT;
    tg_around_tag(w->name, p->name, a->step, tag);
    record_of(a, record, sizeof record);
    int64_t now = tg_wall_ms(tg_loop_clock(a->keeper->loop));
    const struct tg_around_context context = {.host = p->name, .address = p->address ? p->address : p->name, .run_id = w->id, .lock_id = h->lock, .who = w->owner,
                                              .reason = w->run->plan->name, .tag = tag, .record = record[0] ? record : NULL, .now_ms = now, .until_ms = now};
    return w->ports[a->step].module.backend->ask(w->ports[a->step].impl, TG_AROUND_KEEP, &context, heard, a, e);
}

static bool find(struct tg_out_keeper *k, const char *name, struct withdrawal **out_w, struct host **out)
{
    const struct host key = {.name = name};

    for (size_t i = k->n; i-- > 0;)
        if ((*out = bsearch(&key, k->w[i].hosts, k->w[i].n, sizeof key, by_name)) != NULL) {
            *out_w = &k->w[i];
            return true;
        }
    return false;
}

int tg_out_keeper_ask(struct tg_out_keeper *k, const char *name, tg_out_kept_fn done, void *data, struct tg_error *e)
{
    struct withdrawal *w;
    struct host *host;

    if (!find(k, name, &w, &host))
        return TG_E_NOENT;
    for (const struct asking *a = k->askings; a; a = a->next)
        if (a->host == host)
            return TG_E_HELD;
    struct asking *a = calloc(1, sizeof *a);
    if (!a)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *a = (struct asking) {.next = k->askings, .keeper = k, .w = w, .host = host, .done = done, .data = data};
    k->askings = a;
    int rc = ask_next(a, e);
    if (rc) {
        k->askings = a->next;
        free(a);
    }
    return rc;
}

/* ---- life ---- */

void tg_out_keeper_close(struct tg_out_keeper *k)
{
    for (size_t i = 0; k && i < k->n; i++)
        for (size_t s = 0; s < TG_RUN_AROUND_STEPS; s++) {
            struct port *p = &k->w[i].ports[s];
            if (p->impl)
                p->module.backend->close(p->impl);
            p->impl = NULL;
        }
    for (struct asking *a = k ? k->askings : NULL, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    if (k)
        k->askings = NULL;
}

void tg_out_keeper_free(struct tg_out_keeper *k)
{
    if (!k)
        return;
    tg_out_keeper_close(k);
    for (size_t i = 0; i < k->n; i++) {
        for (size_t s = 0; s < TG_RUN_AROUND_STEPS; s++)
            tg_around_module_release(&k->w[i].ports[s].module);
        for (size_t h = 0; h < k->w[i].n; h++)
            for (size_t s = 0; s < TG_RUN_AROUND_STEPS; s++)
                free(k->w[i].hosts[h].records[s]);
        free(k->w[i].hosts);
    }
    free(k);
}
