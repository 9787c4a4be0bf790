/* The agent as a whole: its parts, and the turn that drives them. See agent.h. */
#define _GNU_SOURCE
#include "agent/internal.h"

#include "config/problems.h"
#include "config/site.h"
#include "fleet/inventory.h"

#include <tagout/log.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_MS 2000 /* between two tries to open a store that ended or refused us */

int64_t tg_agent_now(const struct tg_agent *a)
{
    return tg_mono_ms(tg_loop_clock(a->loop));
}

const struct tg_config *tg_agent_config(const struct tg_agent *a)
{
    return a->config;
}

struct tg_loop *tg_agent_loop(struct tg_agent *a)
{
    return a->loop;
}

const struct tg_agent_picture *tg_agent_picture(struct tg_agent *a)
{
    return &a->picture;
}

int tg_agent_runs_add(struct tg_agent_runs *runs, const struct tg_agent_run *run, struct tg_error *e)
{
    struct tg_agent_run *v = realloc(runs->v, (runs->n + 1) * sizeof *v);

    if (!v)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    runs->v = v;
    v[runs->n++] = *run;
    return 0;
}

/* --- who we are --- */

static int load_inventory(struct tg_agent *a)
{
    struct tg_problems problems = {0};
    struct tg_scope own;
    int rc = 0;

    tg_error_clear(&a->inventory_error);
    if (a->config->inventory)
        rc = tg_inventory_load(a->config->inventory, &problems, &a->inventory, &a->inventory_error);
    tg_problems_release(&problems);
    if (rc)
        return rc;
    rc = tg_scope_own_host(a->inventory, a->called, &own, &a->inventory_error);
    return rc ? rc : tg_scopes_add(&a->own, &own, &a->inventory_error);
}

/* --- the session --- */

static int open_store(struct tg_agent *a, struct tg_error *e)
{
    char *auth = NULL;
    struct tg_store_options o = {.loop = a->loop, .url = a->config->store, .session_ms = a->config->session_ms};
    int rc = tg_config_read_auth(a->config, &auth, e);

    if (rc)
        return rc;
    o.auth = auth;
    rc = tg_store_open(&o, &a->store, e);
    tg_config_forget_auth(auth);
    return rc;
}

static void keep_session(struct tg_agent *a)
{
    struct tg_error e = TG_ERROR_INIT;
    enum tg_session_state state = a->store ? tg_store_state(a->store) : TG_SESSION_EXPIRED;

    if (state == TG_SESSION_CONNECTED || state == TG_SESSION_CONNECTING || tg_agent_now(a) < a->retry_ms)
        return;
    tg_store_close(a->store);
    a->store = NULL;
    a->retry_ms = tg_agent_now(a) + RETRY_MS;
    if (open_store(a, &e) != 0)
        tg_log(TG_LOG_WARN, "agent", "the store can't be opened: %s", e.message);
}

/* --- the whole --- */

int tg_agent_turn(struct tg_agent *a, int64_t max_wait_ms)
{
    int rc = tg_loop_turn(a->loop, a->first ? 0 : max_wait_ms);

    if (rc < 0)
        return rc;
    keep_session(a);
    tg_agent_serve_waiting(a);
    return 0;
}

void tg_agent_look_soon(struct tg_agent *a)
{
    (void) a;
}

static int begin_duties(struct tg_agent *a, struct tg_error *e)
{
    size_t n = 0;
    int rc = 0;

    while (a->duties[n])
        n++;
    if (!(a->selves = calloc(n + 1, sizeof *a->selves)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (; !rc && a->n_begun < n; a->n_begun++) {
        const struct tg_duty *d = a->duties[a->n_begun];
        rc = d->begin ? d->begin(a, &a->selves[a->n_begun], e) : 0;
        if (rc) {
            tg_error_prefix(e, "%s", d->name);
            break;
        }
    }
    return rc;
}

static int serve_socket(struct tg_agent *a, int fd, struct tg_error *e)
{
    struct tg_server_handlers h = tg_agent_handlers;

    h.data = a;
    return fd < 0 ? 0 : tg_server_new(a->loop, fd, &h, &a->server, e);
}

int tg_agent_new(const struct tg_agent_options *o, struct tg_agent **out, struct tg_error *e)
{
    struct tg_agent *a = calloc(1, sizeof *a);

    if (!a) {
        if (o->listen_fd >= 0)
            close(o->listen_fd);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *a = (struct tg_agent) {.loop = o->loop, .config = o->config, .duties = o->duties ? o->duties : tg_agent_duties};
    a->last = &a->first;
    a->started_ms = tg_agent_now(a);
    a->picture = (struct tg_agent_picture) {.cause = "agent-starting", .as_of_ms = INT64_MIN};
    if (o->host)
        snprintf(a->called, sizeof a->called, "%s", o->host);
    else if (gethostname(a->called, sizeof a->called - 1) != 0)
        a->called[0] = '\0';
    int rc = serve_socket(a, o->listen_fd, e);
    if (!rc && !a->called[0])
        rc = tg_fail(e, TG_E_CONFIG, "this host has no name");
    if (!rc && load_inventory(a) != 0)
        tg_log(TG_LOG_WARN, "agent", "%s", a->inventory_error.message);
    if (!rc)
        rc = open_store(a, e);
    if (!rc)
        rc = begin_duties(a, e);
    if (rc)
        tg_agent_free(a);
    else
        *out = a;
    return rc;
}

void tg_agent_free(struct tg_agent *a)
{
    if (!a)
        return;
    while (a->n_begun-- > 0)
        if (a->duties[a->n_begun]->end)
            a->duties[a->n_begun]->end(a->selves[a->n_begun]);
    free(a->selves);
    tg_server_free(a->server);
    tg_agent_drop_waiting(a);
    tg_store_close(a->store);
    tg_scopes_release(&a->own);
    tg_inventory_free(a->inventory);
    free(a);
}
