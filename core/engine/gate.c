/* Asking config management on many hosts at once: the ring around drivers and transports. See gate.h. */
#define _GNU_SOURCE
#include "engine/gate.h"

#include "engine/bare.h"
#include "base/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define PARALLEL 50
#define CONNECT_MS 15000
#define TIMEOUT_MS (10 * 60000)
#define SILENCE_MS 45000 /* the script says something every 5 s: this long without a byte is a dead connection */
#define OUTPUT_MAX ((size_t) 4 << 20)
#define TURN_MS 1000
#define END_MS 500 /* for what is ended on this machine to end its own */
#define BATCH 30         /* hosts of a central request */
#define BATCH_BYTES 3500 /* and of their names */
#define CENTRAL_PARALLEL 2 /* each is a whole tool with workers of its own */
#define CENTRAL_MAX ((size_t) 32 << 20)

struct job;
struct gate {
    const struct tg_gate_options *o;
    struct tg_gate_asks *asks;
    const struct tg_transport_backend *transport;
    struct tg_transport_impl *impl;
    const struct tg_transport_backend *local; /* for central requests; NULL before the first one */
    struct tg_transport_impl *local_impl;
    struct tg_transport_options how;
    TAILQ_HEAD(, job) jobs;
    size_t next, running, central, done; /* central: of running */
    bool closing; /* what comes now is of no interest */
};

/* A dry-run under way. */
struct job {
    TAILQ_ENTRY(job) link;
    struct gate *g;
    struct tg_gate_ask *ask;
    struct tg_job *job;
    char nonce[TG_BARE_NONCE_SIZE];
    struct tg_gate_ask *all[BATCH]; /* of a central one, ask is the first; n 0: it is none */
    const char *names[BATCH];
    size_t n, heard; /* bytes */
    bool too_much;
};

static void end(struct gate *g, struct tg_gate_ask *ask)
{
    ask->verdict = tg_gate_judge(&ask->outcome);
    ask->done = true;
    g->done++;
}

static void unknown(struct gate *g, struct tg_gate_ask *ask, const char *text)
{
    ask->outcome = (struct tg_outcome) {.changed = -1, .failed = -1, .corrective = -1};
    tg_outcome_say(&ask->outcome, TG_OUTCOME_UNKNOWN, "%s", text);
    end(g, ask);
}

static void read_report(struct job *j, const struct tg_job_result *r)
{
    struct tg_answer answer = {0};
    struct tg_error e = TG_ERROR_INIT;
    char text[512] = "", *out = malloc(r->out_len + 1);

    if (!out) {
        unknown(j->g, j->ask, "out of memory");
        return;
    }
    if (r->out_len)
        memcpy(out, r->out, r->out_len);
    out[r->out_len] = '\0';
    const struct tg_gate_rule *rule = j->ask->rule;
    if (tg_bare_answer(out, r->out_len, r->err, j->nonce, &answer, text, sizeof text) != TG_BARE_EXITED) {
        unknown(j->g, j->ask, text);
    } else {
        answer.host = j->ask->name;
        if (rule->driver->answer(rule->params, TG_VERB_DRY_RUN, &answer, &j->ask->outcome, &e))
            unknown(j->g, j->ask, e.message);
        else
            end(j->g, j->ask);
    }
    free(out);
}

static const char *why_not(const struct tg_job_result *r)
{
    return r->error && r->error->message[0] ? r->error->message : "the connection ended";
}

/* Each time from the bytes as they came: a driver may write nothing into them, but trust is no bound. */
static void read_central(struct job *j, const struct tg_job_result *r)
{
    struct tg_answer answer = {.status = r->status, .out = r->out, .err = r->err, .out_len = r->out_len, .err_len = r->err_len};

    for (size_t i = 0; i < j->n; i++) {
        struct tg_gate_ask *ask = j->all[i];
        struct tg_error e = TG_ERROR_INIT;
        answer.host = ask->name;
        if (j->too_much)
            unknown(j->g, ask, "the dry-run on this machine said too much to be read");
        else if (r->end != TG_JOB_EXITED)
            unknown(j->g, ask, why_not(r));
        else if (ask->rule->driver->answer(ask->rule->params, TG_VERB_DRY_RUN, &answer, &ask->outcome, &e))
            unknown(j->g, ask, e.message);
        else
            end(j->g, ask);
    }
}

static void on_done(void *data, const struct tg_job_result *r)
{
    struct job *j = data;

    j->g->running--;
    j->g->central -= j->n > 0;
    TAILQ_REMOVE(&j->g->jobs, j, link);
    if (!j->g->closing && j->n)
        read_central(j, r);
    else if (!j->g->closing && r->end == TG_JOB_EXITED)
        read_report(j, r);
    else if (!j->g->closing)
        unknown(j->g, j->ask, why_not(r));
    free(j);
}

static int make_request(struct gate *g, const struct job *j, struct tg_request *request, struct tg_error *e)
{
    const struct tg_gate_ask *ask = j->ask;
    const struct tg_request_context context = {.host = ask->name, .lock_id = g->o->lock_id, .reason = "before unlock", .who = g->o->who, .run_id = g->o->lock_id,
                                               .hosts = j->n ? j->names : NULL, .n_hosts = j->n};
    int64_t most = g->o->timeout_ms ? g->o->timeout_ms : TIMEOUT_MS;
    int rc = ask->rule->driver->request(ask->rule->params, TG_VERB_DRY_RUN, &context, request, e);

    if (!rc && g->o->tokens && g->o->tokens[0])
        rc = tg_request_env(request, "TAGOUT_TOKEN=%s", g->o->tokens);
    if (!rc && (!request->timeout_ms || request->timeout_ms > most))
        request->timeout_ms = most;
    return rc;
}

/* "unlock.L7K2QX.web1.example.com", within what the bare script takes as a name. */
static void step_name(const struct gate *g, const struct tg_gate_ask *ask, char *out, size_t size)
{
    char hex[TG_SHA256_HEX];

    tg_sha256_hex(ask->name, strlen(ask->name), hex);
    snprintf(out, size, "unlock.%s.%.*s", g->o->lock_id, strlen(ask->name) > 150 ? 32 : 150, strlen(ask->name) > 150 ? hex : ask->name);
}

static int send(struct gate *g, struct job *j, struct tg_error *e)
{
    const struct tg_host *h = j->ask->host;
    const struct tg_target target = {.name = h->name, .address = h->address, .user = h->user, .port = h->port};
    struct tg_request request = {0};
    struct tg_bare_call call = {0};
    char step[256];
    int rc = make_request(g, j, &request, e);

    step_name(g, j->ask, step, sizeof step);
    if (!rc)
        rc = tg_bare_call(TG_BARE_START, step, "unlock", 0, &request, 0, g->o->steps_dir, &call, e);
    if (!rc) {
        int64_t connect_ms = g->o->connect_ms ? g->o->connect_ms : CONNECT_MS;
        const struct tg_command command = {.argv = (const char *const *) call.argv, .input = call.input, .input_len = call.input_len, .connect_ms = connect_ms,
                                           .silence_ms = SILENCE_MS, .total_ms = request.timeout_ms + connect_ms + 60000, .output_max = OUTPUT_MAX};
        memcpy(j->nonce, call.nonce, sizeof j->nonce);
        rc = g->transport->run(g->impl, &target, &command, NULL, on_done, j, &j->job, e);
    }
    tg_bare_call_release(&call);
    tg_request_release(&request);
    return rc;
}

static void start(struct gate *g, struct tg_gate_ask *ask)
{
    struct job *j = calloc(1, sizeof *j);
    struct tg_error e = TG_ERROR_INIT;

    ask->begun = true;
    if (!j) {
        unknown(g, ask, "out of memory");
        return;
    }
    *j = (struct job) {.g = g, .ask = ask};
    g->running++;
    TAILQ_INSERT_TAIL(&g->jobs, j, link);
    if (send(g, j, &e)) { /* it could not even be asked */
        g->running--;
        TAILQ_REMOVE(&g->jobs, j, link);
        free(j);
        unknown(g, ask, e.message);
    }
}

/* ---- central ---- */

/* What sh can export. */
static bool is_name(const char *entry)
{
    size_t n = strspn(entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    return n && entry[n] == '=' && !(entry[0] >= '0' && entry[0] <= '9');
}

/* Bytes as they come: what is past the bound is thrown away by the transport, and with it what would have changed the answer. */
static void on_central_bytes(void *data, int stream, const char *bytes, size_t len)
{
    struct job *j = data;
    size_t most = j->g->o->central_max ? j->g->o->central_max : CENTRAL_MAX;

    (void) stream;
    (void) bytes;
    j->heard += len;
    j->too_much = j->heard > most;
}

/* Our own environment, so that the tool finds its configuration and its keys as when its user types it, and the request's. Secret: free with tg_buf_release(). */
static int environment_of(const struct tg_request *request, struct tg_buf *out, struct tg_error *e)
{
    for (char **v = environ; *v; v++)
        if (strncmp(*v, "TAGOUT_TOKEN=", 13) != 0 && !strchr(*v, '\n') && is_name(*v))
            tg_buf_printf(out, "%s\n", *v);
    for (size_t i = 0; request->env[i]; i++)
        tg_buf_printf(out, "%s\n", request->env[i]);
    return tg_buf_ok(out, e);
}

static int open_local(struct gate *g, struct tg_error *e)
{
    int rc = g->local ? 0 : tg_transport_find("local", &g->local, e);

    return rc || g->local_impl ? rc : g->local->open(&g->how, &g->local_impl, e);
}

static int send_central(struct gate *g, struct job *j, struct tg_error *e)
{
    const struct tg_target target = {.name = j->ask->rule->driver->name};
    struct tg_buf env = TG_BUF_INIT;
    struct tg_request request = {0};
    int rc = open_local(g, e);

    if (!rc)
        rc = make_request(g, j, &request, e);
    if (!rc)
        rc = environment_of(&request, &env, e);
    if (!rc) {
        size_t most = g->o->central_max ? g->o->central_max : CENTRAL_MAX;
        const struct tg_command command = {.argv = (const char *const *) request.argv, .input = tg_buf_text(&env), .input_len = env.len, .total_ms = request.timeout_ms,
                                           .output_max = most + 1};
        rc = g->local->run(g->local_impl, &target, &command, on_central_bytes, on_done, j, &j->job, e);
    }
    if (env.data)
        explicit_bzero(env.data, env.cap);
    tg_buf_release(&env);
    tg_request_release(&request);
    return rc;
}

/* Those of the same rule that have not begun, as many as fit. */
static void gather(struct gate *g, struct job *j, struct tg_gate_ask *first)
{
    size_t bytes = 0;

    for (struct tg_gate_ask *a = first; a < g->asks->v + g->asks->n && j->n < BATCH; a++) {
        size_t len = strlen(a->name) + 1;
        if (a->rule != first->rule || a->begun || a->done || bytes + len > BATCH_BYTES)
            continue;
        a->begun = true;
        bytes += len;
        j->names[j->n] = a->name;
        j->all[j->n++] = a;
    }
}

static void start_central(struct gate *g, struct tg_gate_ask *first)
{
    struct job *j = calloc(1, sizeof *j);
    struct tg_error e = TG_ERROR_INIT;

    if (!j) {
        unknown(g, first, "out of memory");
        return;
    }
    *j = (struct job) {.g = g, .ask = first};
    gather(g, j, first);
    g->running++;
    g->central++;
    TAILQ_INSERT_TAIL(&g->jobs, j, link);
    if (send_central(g, j, &e)) {
        g->running--;
        g->central--;
        TAILQ_REMOVE(&g->jobs, j, link);
        for (size_t i = 0; i < j->n; i++)
            unknown(g, j->all[i], e.message);
        free(j);
    }
}

/* A flood is ended when it is seen; what it has said is not read. */
static void end_floods(struct gate *g)
{
    struct job *j;

    TAILQ_FOREACH(j, &g->jobs, link)
        if (j->too_much && j->n)
            g->local->cancel(g->local_impl, j->job);
}

/* ---- the whole ---- */

static bool is_central(const struct tg_gate_ask *ask)
{
    return ask->rule && ask->rule->driver->is_central && ask->rule->driver->is_central(ask->rule->params);
}

static int turn(struct gate *g, struct tg_error *e)
{
    size_t most = g->o->parallel ? g->o->parallel : PARALLEL;

    while (g->next < g->asks->n && g->running < most) {
        struct tg_gate_ask *ask = &g->asks->v[g->next];
        if (is_central(ask) && !ask->begun && !ask->done && g->central >= CENTRAL_PARALLEL)
            break;
        g->next++;
        if (ask->done && !ask->begun)
            g->done++;
        else if (is_central(ask) && !ask->begun)
            start_central(g, ask);
        else if (!ask->begun)
            start(g, ask);
    }
    end_floods(g);
    if (g->o->tell)
        g->o->tell(g->o->data, g->done, g->running, g->asks->n);
    if (!g->running)
        return 0;
    int rc = tg_loop_turn(g->o->loop, TURN_MS);
    return rc < 0 ? tg_fail(e, rc, "%s", rc == TG_E_CANCELLED ? "interrupted" : "the loop failed") : 0;
}

/* Ends what is under way. A script whose connection ends takes its dry-run with it; one on this machine needs a moment to do so. */
static void give_up(struct gate *g)
{
    struct job *j;
    int64_t until = tg_mono_ms(tg_loop_clock(g->o->loop)) + END_MS;

    g->closing = true;
    if (!g->running)
        return;
    TAILQ_FOREACH(j, &g->jobs, link)
        if (j->n)
            g->local->cancel(g->local_impl, j->job);
        else
            g->transport->cancel(g->impl, j->job);
    tg_loop_interrupt_clear(g->o->loop);
    while (tg_mono_ms(tg_loop_clock(g->o->loop)) < until && tg_loop_turn(g->o->loop, 50) >= 0)
        ;
}

int tg_gate_run(const struct tg_gate_options *o, struct tg_gate_asks *asks, struct tg_error *e)
{
    struct gate g = {.o = o, .asks = asks, .how = o->how};
    int rc = tg_transport_find(o->transport, &g.transport, e);

    TAILQ_INIT(&g.jobs);
    g.how.loop = o->loop;
    if (!rc)
        rc = g.transport->open(&g.how, &g.impl, e);
    while (!rc && g.done < asks->n)
        rc = turn(&g, e);
    give_up(&g);
    if (g.local_impl)
        g.local->close(g.local_impl);
    if (g.impl)
        g.transport->close(g.impl);
    return rc;
}
