/* What a run has left behind, for people and as JSON: each thing with its hosts folded, and the commands that mend it. See run_view.h. */
#include "cli/run_view_internal.h"

#include "engine/around_module.h"
#include "engine/leftovers.h"
#include "fleet/nodeset.h"

#include <stdio.h>

#define HOSTS_NAMED_MAX 1000 /* more are counted */
#define MENDS_MAX 5 /* of each thing that are told; -o json has all */

struct listing {
    const struct tg_run_view *v;
    struct tg_buf *out;
    bool locks;               /* told of as well */
    struct tg_leftover first; /* of the thing that is listed */
    struct tg_folder *folder; /* its hosts */
    struct tg_buf mends;
    size_t n, lost;           /* lost: names that memory was short for */
};

/* What is out of service until somebody wants it back: one command does it for all. */
static void put_withdrawn(struct listing *l, const char *names)
{
    const struct tg_plan *plan = l->v->run->plan;

    tg_buf_puts(l->out, "  ");
    tg_put_cut(l->out, names, 300);
    tg_buf_printf(l->out, ": out of service, locked, on purpose. Bring %s back: tagout return %s\n", l->n == 1 ? "it" : "them", plan->undoes ? plan->undoes : l->v->id);
}

static void put_thing(struct listing *l, const char *names)
{
    tg_buf_puts(l->out, "  ");
    tg_put_cut(l->out, names, 300);
    tg_buf_printf(l->out, ": %s%s. %s\n%s", l->first.step ? l->first.what : "locked", l->first.on_purpose ? ", kept on purpose" : l->v->run->state == TG_RUN_ENDED ? ", not undone" : ", in force",
                  l->n == 1 ? "Mend it:" : l->n > MENDS_MAX ? "Mend each, such as:" : "Mend each:", tg_buf_text(&l->mends));
    if (l->n > MENDS_MAX)
        tg_buf_printf(l->out, "    and %zu more: tagout status %s -o json\n", l->n - MENDS_MAX, l->v->id);
}

/* The thing is whole: its hosts, then how each is mended. */
static void end_thing(struct listing *l)
{
    struct tg_buf names = TG_BUF_INIT;

    if (l->n == 0)
        return;
    if (l->folder)
        tg_folder_print(l->folder, &names, NULL);
    if (l->first.withdrawn)
        put_withdrawn(l, tg_buf_text(&names));
    else
        put_thing(l, tg_buf_text(&names));
    tg_buf_release(&names);
    tg_buf_release(&l->mends);
    tg_folder_free(l->folder);
    l->folder = NULL;
    l->n = 0;
}

static bool list(void *data, const struct tg_leftover *left)
{
    struct listing *l = data;

    if (left->withdrawn ? left->step != 0 : left->step == 0 && !l->locks) /* who is withdrawn is told of once: by its lock */
        return true;
    if (l->n && (l->first.step != left->step || l->first.on_purpose != left->on_purpose || l->first.withdrawn != left->withdrawn))
        end_thing(l);
    if (l->n == 0) {
        l->first = *left;
        if (tg_folder_new(&l->folder, NULL))
            l->folder = NULL;
    }
    if (l->folder)
        tg_folder_add(l->folder, l->v->run->plan->hosts[left->host].name, NULL);
    if (l->n++ < MENDS_MAX)
        tg_buf_printf(&l->mends, "    %s\n", left->mend);
    return true;
}

static enum tg_leftovers_of of(const struct tg_run_view *v)
{
    return v->driven ? TG_LEFTOVERS_ENDED : TG_LEFTOVERS_ALL;
}

void tg_view_leftovers(const struct tg_run_view *v, enum tg_view_locks locks, struct tg_buf *out)
{
    struct listing l = {.v = v, .out = out, .locks = locks == TG_VIEW_WITH_LOCKS, .mends = TG_BUF_INIT};

    tg_leftovers(v->run, v->id, v->name, of(v), list, &l);
    end_thing(&l);
}

/* ---- what others had done already ---- */

static bool stays(const struct tg_run_host *h, int step)
{
    return h->left >> step & 1U && tg_host_state_is_end(h->state) && h->state != TG_HOST_WITHDRAWN;
}

/* A run that mends leaves what its hosts were withdrawn by to those who bring them back. */
static bool tells_of_others(const struct tg_run *run)
{
    return run->state == TG_RUN_ENDED && !run->plan->mends;
}

/* P12: that a host is done, or back, and serves nobody all the same. */
void tg_view_by_others(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_run *run = v->run;

    for (int step = 1; tells_of_others(run) && (size_t) step < run->plan->n_around; step++) {
        struct tg_folder *folder = NULL;
        struct tg_buf names = TG_BUF_INIT;
        char what[400];
        size_t n = 0;
        for (size_t i = 0; i < run->plan->n_hosts; i++)
            if (stays(&run->hosts[i], step) && n++ < HOSTS_NAMED_MAX && (folder || !tg_folder_new(&folder, NULL)))
                tg_folder_add(folder, run->plan->hosts[i].name, NULL);
        if (n) {
            tg_around_module_describe(&run->plan->around[step], what, sizeof what);
            tg_folder_print(folder, &names, NULL);
            tg_buf_puts(out, "  ");
            tg_put_cut(out, tg_buf_text(&names), 300);
            tg_buf_printf(out, ": %s was so already, by others, and stays so: it is theirs to undo (%zu host%s)\n", what, n, n == 1 ? "" : "s");
        }
        tg_buf_release(&names);
        tg_folder_free(folder);
    }
}

json_t *tg_view_by_others_json(const struct tg_run_view *v)
{
    const struct tg_run *run = v->run;
    json_t *list = json_array();

    for (int step = 1; tells_of_others(run) && (size_t) step < run->plan->n_around; step++)
        for (size_t i = 0; i < run->plan->n_hosts; i++)
            if (stays(&run->hosts[i], step))
                json_array_append_new(list, json_pack("{s:s,s:s}", "host", run->plan->hosts[i].name, "kind", tg_around_what_name(run->plan->around[step].what)));
    return list;
}

/* ---- */

struct making {
    const struct tg_run_view *v;
    json_t *list;
};

static bool add(void *data, const struct tg_leftover *left)
{
    struct making *m = data;
    const struct tg_plan *plan = m->v->run->plan;
    const char *kind = left->step == 0 ? "lock" : tg_around_what_name(plan->around[left->step].what);

    json_array_append_new(m->list, json_pack("{s:s,s:s,s:s,s:b,s:b,s:s}", "host", plan->hosts[left->host].name, "kind", kind, "what", left->what, "kept", left->on_purpose, "withdrawn", left->withdrawn,
                                             "mend", left->mend));
    return true;
}

json_t *tg_view_leftovers_json(const struct tg_run_view *v)
{
    struct making m = {.v = v, .list = json_array()};

    tg_leftovers(v->run, v->id, v->name, of(v), add, &m);
    return m.list;
}
