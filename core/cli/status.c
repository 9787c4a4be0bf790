/* tagout status: the runs there are, or one of them in full. */
#include "cli/commands.h"
#include "cli/run_view_internal.h"
#include "cli/guarding.h"
#include "cli/mending.h"
#include "cli/status.h"
#include "cli/steering.h"
#include "cli/windows.h"
#include "config/site.h"
#include "engine/around_module.h"
#include "engine/rollback.h"
#include "engine/withdraw.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MS TG_STATUS_WAIT_MS

static const struct tg_opt opts[] = {
    {.name = "watch", .letter = 'w', .type = TG_OPT_FLAG, .text = "Follows RUN until it has ended, whoever drives it, and exits as it did"},
    {.name = NULL},
};

/* Whether somebody drives it. Not to know is an error, never "nobody" (P12). */
static int ask_seat(struct tg_frame *f, const char *id, bool *out_driven, char *out, size_t size, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_run_seat(f->store, id, WAIT_MS, out, size, &why);

    *out_driven = rc == 0;
    if (rc && rc != TG_E_NOENT && e)
        *e = why;
    return rc == TG_E_NOENT ? 0 : rc;
}

/* "group:web is paused by alice@ops1 since …: reason" */
static void put_pause(const struct tg_pause *p, struct tg_buf *out)
{
    char scope[TG_SCOPE_TEXT_SIZE], since[40];

    tg_scope_format(&p->scope, scope, sizeof scope);
    tg_time_format(p->said.at_ms / 1000 * 1000, since, sizeof since);
    tg_buf_printf(out, "PAUSED  %s, by %s since %s: %s.  To go on: tagout resume %s\n", scope, p->said.by, since, p->said.reason, scope);
}

/* What is wanted of a run, and not in its journal yet: or who is to be asked when a scope is paused. */
static void put_wishes(struct tg_frame *f, const struct tg_journal *j, const struct tg_run *run, struct tg_buf *out)
{
    struct tg_pauses pauses = {.n = 0};

    if (run->state == TG_RUN_ENDED)
        return;
    if (j->control.pause.wanted && !(run->causes & TG_CAUSE_COMMAND))
        tg_buf_printf(out, "A pause by %s is waiting to be heard.\n", j->control.pause.by);
    if (tg_pauses_read(f->store, NULL, NULL, WAIT_MS, &pauses, NULL))
        tg_buf_puts(out, "Whether its scope is paused can't be read, so it starts nothing: tagout doctor\n");
    const struct tg_pause *p = tg_pauses_hold(&pauses, run);
    if (p)
        put_pause(p, out);
    tg_pauses_release(&pauses);
}

static int put_rollbacks(struct tg_frame *f, const char *id, const struct tg_run *run, struct tg_buf *out, struct tg_error *e)
{
    struct tg_rollback r = {.n = 0};
    int rc = run->state == TG_RUN_ENDED && run->plan->rollback ? tg_rollback_look(f->store, id, run, WAIT_MS, &r, e) : 0;

    if (!rc && r.n)
        tg_buf_printf(out, "Rolled back%s: %zu of %zu hosts.  See: tagout status %s\n", r.open ? ", so far" : "", r.done, r.hosts, r.id);
    tg_rollback_release(&r);
    return rc;
}

static int put_withdrawn(struct tg_frame *f, const char *id, const struct tg_run *run, struct tg_buf *out, struct tg_error *e)
{
    struct tg_withdrawn w = {.n = 0};
    bool possible = run->state == TG_RUN_ENDED && !run->plan->undoes && tg_withdraw_is_possible(run->plan);
    int rc = possible ? tg_withdrawn_look(f->store, id, run, WAIT_MS, &w, e) : 0;

    if (!rc && w.n)
        tg_buf_printf(out, "Out of service: %zu of the %zu hosts that it has changed; %zu were, and are back.  See: tagout status %s\n", w.is, w.hosts, w.was, w.id);
    if (!rc && w.is)
        tg_buf_printf(out, "Bring them back as they are: tagout return %s.  With something better: tagout run --mends %s FILE\n"
                           "A load balancer that has restarted may have forgotten them: tagout doctor asks.\n", id, id);
    tg_withdrawn_release(&w);
    return rc;
}

/* Whom a run that mends has verified, and whose way back was cut short. */
static int put_mended(struct tg_frame *f, const char *id, struct tg_journal *j, const struct tg_run *run, struct tg_buf *out, struct tg_error *e)
{
    size_t n = 0;
    int rc = tg_mend_returns(run) && !j->control.abort.wanted ? tg_cli_mended_out(f, j, run, &n, e) : 0;

    if (!rc && n)
        tg_buf_printf(out, "%zu of the hosts that it has verified %s out of service still. Bring back: tagout run --resume %s\n", n, n == 1 ? "is" : "are", id);
    return rc;
}

#define HISTORY_SHOWN 8

static json_t *with_history(json_t *o, const struct tg_journal *j)
{
    json_t *list = json_array();

    for (const char *at = tg_buf_text(&j->history), *nl; (nl = strchr(at, '\n')) != NULL; at = nl + 1)
        json_array_append_new(list, json_loadb(at, (size_t) (nl - at), 0, NULL));
    if (o)
        json_object_set_new(o, "history", list);
    else
        json_decref(list);
    return o;
}

/* What befell it as a whole: the newest of it, when there is more than its beginning. */
static void put_history(const struct tg_journal *j, const struct tg_run *run, struct tg_buf *out)
{
    const char *at = tg_buf_text(&j->history), *nl;
    size_t n = 0, k = 0;

    for (const char *c = at; *c; c++)
        n += *c == '\n';
    for (; n > 1 && (nl = strchr(at, '\n')) != NULL; at = nl + 1) {
        json_t *line = k++ + HISTORY_SHOWN >= n ? json_loadb(at, (size_t) (nl - at), 0, NULL) : NULL;
        struct tg_buf words = TG_BUF_INIT;
        char when[40];
        if (line)
            tg_run_view_line(run, line, &words);
        tg_time_format(json_integer_value(json_object_get(line, "at")) / 1000 * 1000, when, sizeof when);
        if (words.len)
            tg_buf_printf(out, "  %s  %s", when, tg_buf_text(&words));
        tg_buf_release(&words);
        json_decref(line);
    }
}

/* What it calls itself elsewhere, for the commands that mend what it has left. */
static const char *name_of(struct tg_journal *j, const struct tg_run *run, char out[TG_RUN_NAME_SIZE])
{
    struct tg_run_tokens tokens = {0};

    if (run->plan->n_around < 2 || tg_journal_tokens(j, &tokens, NULL))
        return NULL;
    tg_run_name(j->id, tokens.all, out);
    explicit_bzero(&tokens, sizeof tokens);
    return out;
}

static int status_one(struct tg_frame *f, const char *id, struct tg_error *e)
{
    struct tg_cli_windows windows = {.site = NULL};
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    struct tg_buf out = TG_BUF_INIT;
    char seat[400] = "", name[TG_RUN_NAME_SIZE];
    bool driven = false;
    int rc = ask_seat(f, id, &driven, seat, sizeof seat, e);

    if (!rc)
        rc = tg_journal_load(f->store, id, WAIT_MS, &j, &plan, &run, e);
    if (rc)
        return rc;
    struct tg_run_view v = {.run = run, .id = id, .width = f->width, .wrap = f->out_tty ? f->width : 0, .colour = f->colour, .driven = driven, .with_summary = !driven,
                            .name = name_of(j, run, name)};
    if (run->state == TG_RUN_ACTIVE)
        tg_cli_learn(f->store, plan, WAIT_MS);
    tg_cli_windows_follow(f, plan, run, &windows);
    if (f->json) {
        (void) tg_run_view_left_ms(&v, tg_wall_ms(tg_loop_clock(f->loop)));
        rc = tg_print_json(with_history(tg_run_view_json(&v), j), e);
    } else {
        rc = tg_run_view_block(&v, tg_wall_ms(tg_loop_clock(f->loop)), &out, e);
        if (!rc && driven)
            tg_buf_printf(&out, "driven by %s\n", seat);
        if (!rc)
            put_history(j, run, &out);
        if (!rc && !driven)
            rc = tg_run_view_summary(&v, &out, e);
        if (!rc && j->control.abort.wanted && !run->aborted)
            tg_buf_printf(&out, "An abort by %s is waiting to be heard%s.\n", j->control.abort.by, driven ? "" : ": tagout run --resume cleans up, and starts nothing");
        if (!rc)
            put_wishes(f, j, run, &out);
        if (!rc)
            rc = put_rollbacks(f, id, run, &out, e);
        if (!rc)
            rc = put_withdrawn(f, id, run, &out, e);
        if (!rc)
            rc = put_mended(f, id, j, run, &out, e);
        tg_cli_say(stdout, "%s", tg_buf_text(&out));
    }
    tg_run_view_release(&v);
    tg_buf_release(&out);
    tg_cli_windows_release(&windows);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return rc;
}

/* A run of an earlier tagout, whose head says nothing of it: its journal does. */
static void look_closer(struct tg_frame *f, struct tg_run_row *row)
{
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;

    if (tg_journal_load(f->store, row->id, WAIT_MS, &j, &plan, &run, &row->error))
        return;
    row->summary = (struct tg_run_summary) {.known = true, .state = run->state, .end = tg_run_end(run), .done = tg_run_done(run), .hosts = plan->n_hosts,
                                            .failures = tg_run_failures(run), .leftovers = tg_run_leftovers(run) + run->totals[TG_HOST_WITHDRAWN]};
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
}

static const char *row_state(const struct tg_run_row *row)
{
    const struct tg_run_summary *s = &row->summary;
    bool rests = s->state == TG_RUN_PAUSED || s->state == TG_RUN_HELD;

    if (s->state == TG_RUN_ENDED)
        return tg_run_end_name(s->end);
    return row->driven || rests ? tg_run_state_name(s->state) : "left";
}

static json_t *row_json(const struct tg_run_row *row)
{
    if (row->error.code)
        return json_pack("{s:s,s:s}", "run", row->id, "error", row->error.message);
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:s,s:I,s:I,s:I,s:I,s:b}", "run", row->id, "rollout", row->rollout, "state", row_state(row), "made",
                     tg_cli_time_json(row->made_ms / 1000 * 1000), "last", tg_cli_time_json(row->modified_ms), "by", row->by, "done",
                     (json_int_t) row->summary.done, "hosts", (json_int_t) row->summary.hosts, "failures", (json_int_t) row->summary.failures, "leftovers",
                     (json_int_t) row->summary.leftovers, "driven", row->driven);
}

/* Below that a row would be cut in its middle: it has lines of its own there. */
static bool is_narrow(const struct tg_frame *f)
{
    return f->out_tty && f->width < 80;
}

static void print_row(const struct tg_frame *f, const struct tg_run_row *row)
{
    struct tg_buf line = TG_BUF_INIT;
    char since[40];

    tg_time_format(row->made_ms / 1000 * 1000, since, sizeof since);
    if (is_narrow(f) && !row->error.code) {
        printf("%s\n  %s %zu/%zu, %zu failed\n  %s\n", row->id, row_state(row), row->summary.done, row->summary.hosts, row->summary.failures, since);
        return;
    }
    if (row->error.code)
        tg_buf_printf(&line, "%-32s can't be read: %s", row->id, row->error.message);
    else
        tg_buf_printf(&line, "%-32s %-8s %7zu/%-7zu %6zu  %s  %s", row->id, row_state(row), row->summary.done, row->summary.hosts, row->summary.failures, since,
                      row->by);
    struct tg_buf out = TG_BUF_INIT;
    if (f->out_tty && !row->error.code)
        tg_view_line(&out, &line, f->width);
    else
        tg_buf_printf(&out, "%s\n", tg_buf_text(&line));
    tg_cli_say(stdout, "%s", tg_buf_text(&out));
    tg_buf_release(&out);
    tg_buf_release(&line);
}

/* A run that can't be read is a row as well, and makes the whole end badly. */
static void show_rows(struct tg_frame *f, struct tg_run_row *rows, size_t n, json_t *list)
{
    if (!f->json && n && !is_narrow(f))
        printf("%-32s %-8s %7s/%-7s %6s  %-20s  %s\n", "RUN", "STATE", "DONE", "HOSTS", "FAILED", "MADE", "BY");
    for (size_t i = 0; i < n; i++) {
        if (!rows[i].error.code && !rows[i].summary.known)
            look_closer(f, &rows[i]);
        if (rows[i].error.code)
            f->status = tg_exit_status(rows[i].error.code);
        if (list)
            json_array_append_new(list, row_json(&rows[i]));
        else
            print_row(f, &rows[i]);
    }
}

/* Above all rows: it concerns every one of them. */
static void list_pauses(struct tg_frame *f)
{
    struct tg_pauses pauses = {.n = 0};
    struct tg_buf out = TG_BUF_INIT;
    struct tg_error why = TG_ERROR_INIT;

    if (f->json)
        return;
    if (tg_pauses_read(f->store, NULL, NULL, WAIT_MS, &pauses, &why))
        tg_buf_printf(&out, "%s\n", why.message);
    f->status = why.code ? tg_exit_status(why.code) : f->status; /* P12: not to know is not "nothing is paused" */
    for (size_t i = 0; i < pauses.n; i++)
        put_pause(&pauses.items[i], &out);
    tg_cli_say(stdout, "%s", tg_buf_text(&out));
    tg_buf_release(&out);
    tg_pauses_release(&pauses);
}

static int status_all(struct tg_frame *f, struct tg_error *e)
{
    struct tg_run_row *rows = NULL;
    size_t n = 0;
    int rc = tg_run_rows(f->store, WAIT_MS, &rows, &n, e);

    if (rc)
        return rc;
    list_pauses(f);
    if (!f->json && !n)
        puts("There are no runs.");
    json_t *list = f->json ? json_array() : NULL;
    show_rows(f, rows, n, list);
    tg_status_calendar(f, rows, n, list);
    free(rows);
    return list ? tg_print_json(list, e) : 0;
}

static int status_exec(struct tg_frame *f, struct tg_error *e)
{
    int rc = f->argc ? tg_cli_run_id(f->argv[0], e) : 0;

    if (rc)
        return rc;
    if (tg_opt_flag(f, "watch") && !f->argc)
        return tg_fail(e, TG_E_USAGE, "--watch follows one run: name it (tagout status lists them)");
    if ((rc = tg_frame_prove_store(f, e)) != 0) /* P12: an old copy tells of nothing that has come since */
        return rc;
    if (tg_opt_flag(f, "watch"))
        return tg_status_watch(f, f->argv[0], e);
    return f->argc ? status_one(f, f->argv[0], e) : status_all(f, e);
}

const struct tg_cmd tg_cmd_status = {
    .name = "status",
    .args = "[RUN]",
    .brief = "show the runs, or how far one of them is",
    .details = "Without RUN lists all runs. \"left\" is one that nobody drives: its process died, or was left; tagout run --resume goes on with it. With RUN "
               "shows its stages and what went wrong where. It only reads, and can be asked on any machine while the run goes on.",
    .examples = "  $ tagout status\n  $ tagout status openssl-20261122-1\n  $ tagout status openssl-20261122-1 -o json | jq .state\n  $ tagout status openssl-20261122-1 --watch\n",
    .opts = opts,
    .min_args = 0,
    .max_args = 1,
    .needs = TG_NEED_STORE,
    .complete = "run",
    .exec = status_exec,
};
