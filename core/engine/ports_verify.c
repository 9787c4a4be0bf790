/* Verification of a host: each check of the plan in turn, tried again until it passes or its time is over. See ports.h. */
#include "engine/ports_internal.h"

#include "base/buf.h"
#include "base/shown.h"
#include "engine/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 1000
#define TRY_MS 5000

static const struct tg_verify *check_of(const struct tg_task *t)
{
    return &t->ports->o.plan->verify[t->verify];
}

static void passed(struct tg_task *t)
{
    t->verify++;
    t->tries = 0;
    t->text[0] = '\0';
    t->due_ms = 0;
}

/* Not this time: another try, or the verdict. */
static void not_yet(struct tg_task *t, enum tg_verdict verdict, const char *text)
{
    char within[32], shown[560], all[sizeof shown + 64];
    int64_t now = tg_ports_now(t->ports);

    t->said = verdict;
    if (now + PAUSE_MS <= t->give_up_ms) {
        snprintf(t->text, sizeof t->text, "%.500s", text);
        t->due_ms = now + PAUSE_MS;
        return;
    }
    tg_duration_format(check_of(t)->within_ms, within, sizeof within);
    tg_shown_text(text, shown, sizeof shown); /* a host's words, or a server's */
    snprintf(all, sizeof all, "%s, not well within %s", shown, within);
    tg_task_answer(t, verdict == TG_VERDICT_FAIL ? TG_EV_NOT_VERIFIED : TG_EV_INCONCLUSIVE, all);
}

/* ---- what is asked from here: http, tcp, metric ---- */

static void put_address(struct tg_buf *b, const struct tg_plan_host *h, const char *before)
{
    const char *address = h->address ? h->address : h->name;
    bool bare = strchr(address, ':') && before && before[-1] != '['; /* IPv6 in a URL */

    tg_buf_printf(b, bare ? "[%s]" : "%s", address);
}

/* url: text is one, or the end of one. run: of a query, else NULL. */
static void put_expanded(struct tg_buf *b, const struct tg_plan_host *h, const char *text, bool url, const struct tg_run *run)
{
    for (const char *c = text; *c;) {
        if (strncmp(c, "{host}", 6) == 0) {
            tg_buf_puts(b, h->name);
            c += 6;
        } else if (strncmp(c, "{address}", 9) == 0) {
            put_address(b, h, url && c > text ? c : NULL);
            c += 9;
        } else if (run && strncmp(c, TG_VERIFY_UNCHANGED, strlen(TG_VERIFY_UNCHANGED)) == 0) {
            tg_compare_names(run, b);
            c += strlen(TG_VERIFY_UNCHANGED);
        } else {
            tg_buf_putc(b, *c++);
        }
    }
}

static char *url_of(const struct tg_task *t, struct tg_error *e)
{
    struct tg_buf b = TG_BUF_INIT;

    if (check_of(t)->kind == TG_VERIFY_TCP)
        tg_buf_puts(&b, "tcp://");
    put_expanded(&b, tg_task_host(t), check_of(t)->url, true, NULL);
    return tg_buf_take(&b, e);
}

/* What it was before: at the host's start, which the journal has, unless the plan says when (a rollback asks for what was before the run that it undoes). */
static json_t *options_of(const struct tg_task *t, struct tg_error *e)
{
    const struct tg_verify *v = check_of(t);
    const struct tg_run_host *h = &t->ports->o.run->hosts[t->action.host];
    struct tg_buf b = TG_BUF_INIT;
    json_t *options = v->options ? json_copy(v->options) : json_object();
    int rc = options ? 0 : -1;

    if (v->query) {
        put_expanded(&b, tg_task_host(t), v->query, false, t->ports->o.run);
        char *query = tg_buf_take(&b, NULL);
        rc |= query ? json_object_set_new(options, "query", json_string(query)) : -1;
        if (!json_object_get(options, "before_ms"))
            rc |= json_object_set_new(options, "before_ms", json_integer(h->started_ms));
        free(query);
    }
    if (!rc)
        return options;
    json_decref(options);
    tg_fail(e, TG_E_MEMORY, "out of memory");
    return NULL;
}

static void on_verdict(void *data, enum tg_verdict verdict, const char *text)
{
    struct tg_task *t = data;

    t->asked = false;
    if (t->ports->closing)
        return;
    if (verdict == TG_VERDICT_PASS)
        passed(t);
    else
        not_yet(t, verdict, text);
}

static int ask_probe(struct tg_task *t, struct tg_error *e)
{
    struct tg_ports *p = t->ports;
    int64_t left = t->give_up_ms - tg_ports_now(p);
    char *url = url_of(t, e);
    json_t *options = url ? options_of(t, e) : NULL;
    int rc = TG_E_MEMORY;

    if (options)
        rc = p->probe->ask(p->probe_impl, url, options, left > TRY_MS ? TRY_MS : left < PAUSE_MS ? PAUSE_MS : left, on_verdict, t, e);
    json_decref(options);
    free(url);
    t->asked = rc == 0;
    t->due_ms = INT64_MAX;
    return rc;
}

/* ---- the tool's own report: a dry-run ---- */

static enum tg_verdict judge_report(const struct tg_outcome *outcome)
{
    switch (outcome->kind) {
    case TG_OUTCOME_UNCHANGED:
        return TG_VERDICT_PASS;
    case TG_OUTCOME_CHANGED:
    case TG_OUTCOME_WOULD_CHANGE:
    case TG_OUTCOME_FAILED:
        return TG_VERDICT_FAIL;
    case TG_OUTCOME_BUSY:
    case TG_OUTCOME_DISABLED:
    case TG_OUTCOME_HELD:
    case TG_OUTCOME_UNKNOWN:
    default:
        return TG_VERDICT_INCONCLUSIVE;
    }
}

static void hear_report(struct tg_task *t, struct tg_answer *answer)
{
    struct tg_ports *p = t->ports;
    struct tg_outcome outcome = {.changed = -1};
    struct tg_error e = TG_ERROR_INIT;
    char text[600];

    answer->host = tg_task_host(t)->name;
    if (p->driver->answer(p->params, TG_VERB_DRY_RUN, answer, &outcome, &e)) {
        not_yet(t, TG_VERDICT_INCONCLUSIVE, e.message);
        return;
    }
    enum tg_verdict verdict = judge_report(&outcome);
    snprintf(text, sizeof text, "after the change %s", outcome.text);
    if (verdict == TG_VERDICT_PASS)
        passed(t);
    else
        not_yet(t, verdict, text);
    tg_outcome_release(&outcome);
}

/* ---- a command on the host ---- */

static void hear_command(struct tg_task *t, const struct tg_answer *answer)
{
    const char *argv0 = check_of(t)->argv[0], *said = answer->err_len ? answer->err : answer->out;
    char text[600];

    if (answer->status == 0) {
        passed(t);
        return;
    }
    snprintf(text, sizeof text, "%.60s: status %d%s%.*s", argv0, answer->status, said[0] ? ": " : "", (int) strcspn(said, "\n"), said);
    not_yet(t, TG_VERDICT_FAIL, text);
}

static void read_answer(struct tg_task *t, const struct tg_job_result *r)
{
    const bool command = check_of(t)->kind == TG_VERIFY_COMMAND;
    struct tg_answer answer = {0};
    char text[512] = "", all[600];
    char *out = malloc(r->out_len + 1);

    if (!out) {
        not_yet(t, TG_VERDICT_INCONCLUSIVE, "out of memory");
        return;
    }
    if (r->out_len)
        memcpy(out, r->out, r->out_len);
    out[r->out_len] = '\0';
    enum tg_bare_state state = tg_bare_answer(out, r->out_len, r->err, t->nonce, &answer, text, sizeof text);
    if (state != TG_BARE_EXITED) {
        snprintf(all, sizeof all, "%.60s: %s", command ? check_of(t)->argv[0] : "the tool's report", text);
        not_yet(t, TG_VERDICT_INCONCLUSIVE, all);
    } else if (command) {
        hear_command(t, &answer);
    } else {
        hear_report(t, &answer);
    }
    free(out);
}

static void on_answer(void *data, const struct tg_job_result *r)
{
    struct tg_task *t = data;

    t->job = NULL;
    t->asked = false;
    if (t->ports->closing)
        return;
    if (r->end == TG_JOB_EXITED)
        read_answer(t, r);
    else
        not_yet(t, TG_VERDICT_INCONCLUSIVE, r->error && r->error->code ? r->error->message : "the connection ended");
}

static int run_command(struct tg_task *t, struct tg_error *e)
{
    struct tg_request request = {.timeout_ms = t->give_up_ms - tg_ports_now(t->ports)};
    char step[256];
    int rc = 0;

    if (request.timeout_ms < PAUSE_MS)
        request.timeout_ms = PAUSE_MS;
    for (size_t i = 0; !rc && check_of(t)->argv[i]; i++)
        rc = tg_request_arg(&request, "%s", check_of(t)->argv[i]);
    tg_task_step(t, "verify", t->tries, step, sizeof step);
    if (!rc)
        rc = tg_task_send(t, step, TG_BARE_START, &request, on_answer, e);
    tg_request_release(&request);
    return rc;
}

static int ask_tool(struct tg_task *t, struct tg_error *e)
{
    struct tg_request request = {0};
    char step[256];
    int rc = tg_task_request(t, TG_VERB_DRY_RUN, &request, e);

    tg_task_step(t, "report", t->tries, step, sizeof step);
    if (!rc)
        rc = tg_task_send(t, step, TG_BARE_START, &request, on_answer, e);
    tg_request_release(&request);
    return rc;
}

/* Nobody is left to compare with: the last hosts of a run are judged by its other checks alone. */
static bool is_alone(const struct tg_task *t)
{
    size_t one;

    return tg_compare_is_wanted(check_of(t)) && tg_compare_hosts(t->ports->o.run, &one, 1) == 0;
}

/* Unless the comparison has spoken against it while there was somebody: that stands. */
static void stand_alone(struct tg_task *t)
{
    char said[sizeof t->text];

    if (t->tries == 1) {
        passed(t);
        return;
    }
    snprintf(said, sizeof said, "%s", t->text);
    t->give_up_ms = 0;
    not_yet(t, t->said, said);
}

static int ask(struct tg_task *t, struct tg_error *e)
{
    switch (check_of(t)->kind) {
    case TG_VERIFY_COMMAND:
        return run_command(t, e);
    case TG_VERIFY_REPORT:
        return ask_tool(t, e);
    case TG_VERIFY_HTTP:
    case TG_VERIFY_TCP:
    case TG_VERIFY_METRIC:
    default:
        return ask_probe(t, e);
    }
}

/* Is it too early for what the check measures? A host that is proved after its bake was changed long ago. */
static bool too_early(struct tg_task *t)
{
    int64_t now = tg_ports_now(t->ports);

    if (!t->since_ms)
        t->since_ms = now;
    if (t->ports->o.run->hosts[t->action.host].state == TG_HOST_PROVING || now >= t->since_ms + check_of(t)->after_ms)
        return false;
    t->due_ms = t->since_ms + check_of(t)->after_ms;
    return true;
}

int tg_task_run_verify(struct tg_task *t, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;

    (void) e;
    if (t->verify == t->ports->o.plan->n_verify) {
        tg_task_answer(t, TG_EV_VERIFIED, NULL);
        return 0;
    }
    if (t->tries == 0 && too_early(t))
        return 0;
    if (!t->tries++)
        t->give_up_ms = tg_ports_now(t->ports) + check_of(t)->within_ms;
    if (is_alone(t))
        stand_alone(t);
    else if (ask(t, &own))
        not_yet(t, TG_VERDICT_INCONCLUSIVE, own.message);
    return 0;
}
