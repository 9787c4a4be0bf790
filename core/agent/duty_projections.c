/* The duty of showing locks where people look: project.h, fed with the agent's picture and the local hold. */
#include "agent/duty_host.h"
#include "agent/internal.h"
#include "agent/project.h"

#include "config/site.h"
#include "guard/hold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shown {
    struct tg_agent *agent;
    struct tg_project *project; /* NULL: not the host's own agent */
};

static int begin(struct tg_agent *agent, void **out_self, struct tg_error *e)
{
    struct shown *s = calloc(1, sizeof *s);
    const char *root = tg_agent_host_root(agent);
    char run_dir[256] = "/run/tagout";
    int rc = 0;

    if (!s)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    s->agent = agent;
    if (root && !root[0]) { /* beside the socket, wherever the site has that */
        snprintf(run_dir, sizeof run_dir, "%s", agent->config->agent_socket);
        char *slash = strrchr(run_dir, '/');
        if (slash && slash != run_dir)
            *slash = '\0';
    }
    if (root)
        rc = tg_project_new(root, run_dir, agent->config->project_off, &s->project, e);
    if (rc)
        free(s);
    else
        *out_self = s;
    return rc;
}

/* The local holds first; their reports in the store, which the agent itself made, would say them twice. */
static size_t collect(const struct tg_agent_picture *p, const struct tg_locks *holds, int64_t wall_ms,
                      const struct tg_lock **out)
{
    size_t n = 0;

    for (size_t i = 0; i < holds->n; i++)
        out[n++] = &holds->v[i];
    for (size_t i = 0; i < p->n_locks; i++)
        if (tg_lock_is_live(&p->locks[i], wall_ms) &&
            !(holds->n && strncmp(p->locks[i].request, TG_LOCAL_HOLD_REQUEST, sizeof TG_LOCAL_HOLD_REQUEST - 1) == 0))
            out[n++] = &p->locks[i];
    return n;
}

static void show(struct shown *s, const struct tg_agent_picture *p)
{
    struct tg_locks holds = {.n = 0};
    int64_t wall_ms = tg_wall_ms(tg_loop_clock(s->agent->loop));

    if (!s->project)
        return;
    bool bad =
        tg_local_hold_load(s->agent->config->state_dir, s->agent->inventory, s->agent->called, &holds, NULL) != 0;
    const struct tg_lock **locks = calloc(holds.n + p->n_locks + 1, sizeof *locks);
    if (locks) {
        struct tg_project_what what = {.host = p->host ? p->host->name : s->agent->called,
                                       .proven = p->proven && !bad,
                                       .cause = bad ? TG_LOCAL_HOLD_BAD : p->cause,
                                       .locks = locks,
                                       .wall_ms = wall_ms};
        what.n_locks = collect(p, &holds, wall_ms, locks);
        /* Before it has ever seen the store an agent knows of no locks, and what its predecessor showed is the best
         * word there is. */
        if (p->proven || p->n_locks || holds.n || p->as_of_ms != INT64_MIN)
            tg_project_reconcile(s->project, &what);
    }
    free(locks);
    tg_locks_release(&holds);
}

static void on_locks(void *self, const struct tg_agent_picture *picture)
{
    show(self, picture);
}

static void on_tick(void *self, const struct tg_agent_picture *picture, int64_t now_ms)
{
    (void) now_ms;
    show(self, picture);
}

/* It sees nothing by itself; but before anybody looks what still runs, what holds runs off must be there. */
static int before_looking(void *self, struct tg_agent_runs *out, struct tg_error *e)
{
    struct shown *s = self;

    (void) out;
    (void) e;
    show(s, tg_agent_picture(s->agent));
    return 0;
}

static json_t *status(void *self)
{
    const struct shown *s = self;

    return s->project ? tg_project_status(s->project) : json_string("off: not the host's own agent");
}

static void end(void *self)
{
    struct shown *s = self;

    if (s->project)
        tg_project_end(s->project);
    tg_project_free(s->project);
    free(s);
}

const struct tg_duty tg_duty_projections = {.name = "projections",
                                            .begin = begin,
                                            .on_locks = on_locks,
                                            .on_tick = on_tick,
                                            .in_flight = before_looking,
                                            .status = status,
                                            .end = end};
