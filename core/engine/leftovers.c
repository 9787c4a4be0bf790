/* What a run has left behind: see leftovers.h. */
#include "engine/leftovers.h"

#include "engine/around_module.h"

#include <stdio.h>
#include <string.h>

/* Bits of steps of a host that are to be told of. */
static unsigned left_on(const struct tg_run_host *h, enum tg_leftovers_of of)
{
    bool open = h->state == TG_HOST_LOST || (of == TG_LEFTOVERS_ALL && !tg_host_state_is_end(h->state));
    unsigned steps = tg_run_in_force(h);

    if (of == TG_LEFTOVERS_ALL && (h->state == TG_HOST_LOCKING || h->state == TG_HOST_LOST))
        steps |= 1; /* it may have been placed, and nobody lived to write its id down */
    if (h->state == TG_HOST_WITHDRAWN)
        return steps;
    return open ? steps : h->state == TG_HOST_STUCK ? (unsigned) h->stuck | h->kept : h->kept;
}

struct telling {
    const struct tg_run *run;
    const char *id, *name;
    enum tg_leftovers_of of;
    const struct tg_around_module *module; /* NULL: it is not here */
    struct tg_leftover left;
};

static void say_lock(struct telling *t, const struct tg_run_host *h)
{
    const char *host = t->run->plan->hosts[t->left.host].name;

    snprintf(t->left.what, sizeof t->left.what, h->lock ? "locked, by %s" : "may be locked", h->lock ? h->lock : "");
    if (h->lock)
        snprintf(t->left.mend, sizeof t->left.mend, "tagout unlock %s", h->lock);
    else
        snprintf(t->left.mend, sizeof t->left.mend, "tagout locks host:%s", host);
}

static void say_step(struct telling *t, const struct tg_run_host *h)
{
    const struct tg_around *a = &t->run->plan->around[t->left.step];
    const struct tg_plan_host *p = &t->run->plan->hosts[t->left.host];
    char tag[TG_AROUND_TAG_SIZE], record[TG_AROUND_RECORD_SIZE];

    tg_around_tag(t->name, p->name, t->left.step, tag);
    tg_run_record(h, t->left.step, record, sizeof record);
    const struct tg_around_context context = {.host = p->name, .address = p->address ? p->address : p->name, .run_id = t->id, .lock_id = h->lock, .who = "",
                                              .reason = t->run->plan->name, .tag = tag, .record = record[0] ? record : NULL, .failed = tg_run_host_failed(h)};
    if (t->module)
        t->module->backend->mend(t->module->params, &context, t->left.mend, sizeof t->left.mend);
    else
        snprintf(t->left.mend, sizeof t->left.mend, "tagout run --resume %s # where tagout's module \"%s\" is installed", t->id, a->module);
}

static bool tell_step(struct telling *t, int step, bool (*each)(void *data, const struct tg_leftover *left), void *data)
{
    bool more = true;

    for (size_t i = 0; more && i < t->run->plan->n_hosts; i++) {
        const struct tg_run_host *h = &t->run->hosts[i];
        if (!(left_on(h, t->of) >> step & 1U))
            continue;
        t->left.host = i;
        t->left.step = step;
        t->left.on_purpose = h->kept >> step & 1U;
        t->left.mend[0] = '\0';
        t->left.withdrawn = h->state == TG_HOST_WITHDRAWN;
        if (step == 0)
            say_lock(t, h);
        else if (!t->left.withdrawn)
            say_step(t, h);
        if (t->left.withdrawn)
            snprintf(t->left.mend, sizeof t->left.mend, "tagout return %s %s", t->id, t->run->plan->hosts[i].name);
        more = each(data, &t->left);
    }
    return more;
}

/* Steps that are left on any host. */
static unsigned left_anywhere(const struct tg_run *run, enum tg_leftovers_of of)
{
    unsigned steps = 0;

    for (size_t i = 0; i < run->plan->n_hosts; i++)
        steps |= left_on(&run->hosts[i], of);
    return steps;
}

void tg_leftovers(const struct tg_run *run, const char *id, const char *name, enum tg_leftovers_of of, bool (*each)(void *data, const struct tg_leftover *left),
                  void *data)
{
    struct telling t = {.run = run, .id = id, .name = name ? name : id, .of = of};
    unsigned steps = left_anywhere(run, of);
    bool more = true;

    for (int step = 1; more && (size_t) step < run->plan->n_around; step++) {
        struct tg_around_module m = {.backend = NULL};
        if (!(steps >> step & 1U))
            continue;
        tg_around_module_describe(&run->plan->around[step], t.left.what, sizeof t.left.what);
        t.module = tg_around_module_load(&run->plan->around[step], &m, NULL) ? NULL : &m;
        more = tell_step(&t, step, each, data);
        tg_around_module_release(&m);
    }
    if (more && (steps & 1U))
        tell_step(&t, 0, each, data);
}

size_t tg_leftovers_count(const struct tg_run *run, enum tg_leftovers_of of)
{
    size_t n = 0;

    for (size_t i = 0; i < run->plan->n_hosts; i++)
        for (unsigned steps = left_on(&run->hosts[i], of); steps; steps >>= 1)
            n += steps & 1U;
    return n;
}
