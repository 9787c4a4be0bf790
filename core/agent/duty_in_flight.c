/* The duty of seeing what acts on this host: inflight.h, told to the agent, which covers it with permits. */
#define _GNU_SOURCE
#include "agent/duty_host.h"
#include "agent/inflight.h"
#include "agent/internal.h"

#include <tagout/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct seen {
    struct tg_agent *agent;
    const char *root;
    char blind[TG_RUN_WHAT_SIZE]; /* as it was said last */
};

const char *tg_agent_host_root(struct tg_agent *agent)
{
    const char *root = secure_getenv("TAGOUT_ROOT");
    char name[TG_SCOPE_NAME_MAX + 1] = "";

    if (root && root[0])
        return strcmp(root, "/") == 0 ? "" : root;
    if (secure_getenv("TAGOUT_AGENT_SOCKET") || gethostname(name, sizeof name - 1) != 0 ||
        strcmp(name, agent->called) != 0)
        return NULL;
    return "";
}

static int begin(struct tg_agent *agent, void **out_self, struct tg_error *e)
{
    struct seen *s = calloc(1, sizeof *s);

    if (!s)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    s->agent = agent;
    s->root = tg_agent_host_root(agent);
    if (!s->root)
        tg_log(TG_LOG_INFO, "agent",
               "this is not the host's own agent: what runs there is not looked for, and nothing is projected");
    *out_self = s;
    return 0;
}

static void end(void *self)
{
    free(self);
}

static int add(struct tg_agent_runs *out, const struct tg_run_in_flight *r, struct tg_error *e)
{
    struct tg_agent_run run = {.pid = r->pid, .since_ms = r->since_ms, .n_passes = r->n_passes};

    snprintf(run.key, sizeof run.key, "%.40s:%ld:%lld", r->actor, (long) r->pid,
             (long long) (r->pid ? r->start_ticks : r->since_ms));
    snprintf(run.actor, sizeof run.actor, "%s", r->actor);
    if (r->pid)
        snprintf(run.what, sizeof run.what, "%s (pid %ld)", r->what, (long) r->pid);
    else
        snprintf(run.what, sizeof run.what, "%s", r->what);
    memcpy(run.passes, r->passes, sizeof run.passes);
    return tg_agent_runs_add(out, &run, e);
}

static int look(void *self, struct tg_agent_runs *out, struct tg_error *e)
{
    struct seen *s = self;
    struct tg_runs_in_flight runs;

    if (!s->root)
        return 0;
    int rc = tg_inflight_look(s->root, tg_wall_ms(tg_loop_clock(s->agent->loop)), TG_INFLIGHT_UNPERMITTED, &runs, e);
    if (rc)
        return rc;
    if (strcmp(s->blind, runs.blind) != 0 && runs.blind[0])
        tg_log(TG_LOG_WARN, "agent", "not all that runs here can be seen: %s", runs.blind);
    snprintf(s->blind, sizeof s->blind, "%s", runs.blind);
    for (size_t i = 0; !rc && i < runs.n; i++)
        rc = add(out, &runs.v[i], e);
    tg_runs_in_flight_release(&runs);
    return rc;
}

static json_t *status(void *self)
{
    const struct seen *s = self;

    if (!s->root)
        return json_string("off: not the host's own agent");
    return s->blind[0] ? json_pack("{s:s}", "blind", s->blind) : json_pack("{}");
}

const struct tg_duty tg_duty_in_flight = {
    .name = "in-flight", .begin = begin, .in_flight = look, .status = status, .end = end};
