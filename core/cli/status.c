/* tagout status: the runs there are, or one of them in full. */
#include "cli/commands.h"
#include "cli/run_view.h"
#include "cli/status.h"
#include "engine/rollback.h"

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

static int status_one(struct tg_frame *f, const char *id, struct tg_error *e)
{
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    struct tg_buf out = TG_BUF_INIT;
    char seat[400] = "";
    bool driven = false;
    int rc = ask_seat(f, id, &driven, seat, sizeof seat, e);

    if (!rc)
        rc = tg_journal_load(f->store, id, WAIT_MS, &j, &plan, &run, e);
    if (rc)
        return rc;
    const struct tg_run_view v = {.run = run, .id = id, .width = f->width, .colour = f->colour, .driven = driven, .with_summary = !driven};
    if (f->json) {
        rc = tg_print_json(tg_run_view_json(&v), e);
    } else {
        rc = tg_run_view_block(&v, tg_wall_ms(tg_loop_clock(f->loop)), &out, e);
        if (!rc && driven)
            tg_buf_printf(&out, "driven by %s\n", seat);
        if (!rc && !driven)
            rc = tg_run_view_summary(&v, &out, e);
        if (!rc && j->control.abort.wanted && !run->aborted)
            tg_buf_printf(&out, "An abort by %s is waiting to be heard%s.\n", j->control.abort.by, driven ? "" : ": tagout run --resume cleans up, and starts nothing");
        if (!rc)
            put_wishes(f, j, run, &out);
        if (!rc)
            rc = put_rollbacks(f, id, run, &out, e);
        fputs(tg_buf_text(&out), stdout);
    }
    tg_buf_release(&out);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return rc;
}

struct row {
    int64_t made_ms;
    const char *id; /* borrowed */
    char *text;
    json_t *json;
};

/* The newest last, where a terminal leaves the eye; what can't be read after that. */
static int by_age(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    return x->made_ms != y->made_ms ? (x->made_ms < y->made_ms ? -1 : 1) : strcmp(x->id, y->id);
}

static void describe(const struct tg_journal *j, const struct tg_plan *plan, const struct tg_run *run, bool driven, struct row *row)
{
    bool ended = run->state == TG_RUN_ENDED;
    const char *state = ended ? tg_run_end_name(tg_run_end(run)) : driven || run->state == TG_RUN_PAUSED || run->state == TG_RUN_HELD ? tg_run_state_name(run->state) : "left";
    struct tg_buf text = TG_BUF_INIT;
    char since[40];

    tg_time_format(j->made_ms / 1000 * 1000, since, sizeof since);
    tg_buf_printf(&text, "%-32s %-8s %5zu/%-5zu %s  %s\n", row->id, state, tg_run_done(run), plan->n_hosts, since, j->by);
    row->text = tg_buf_take(&text, NULL);
    row->json = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:b}", "run", row->id, "state", state, "made", since, "by", j->by, "done",
                          (json_int_t) tg_run_done(run), "hosts", (json_int_t) plan->n_hosts, "driven", driven);
    row->made_ms = j->made_ms;
    tg_buf_release(&text);
}

/* One row of the list; a run that can't be read is a row as well, and makes the whole end badly. */
static void list_one(struct tg_frame *f, const char *id, struct row *row)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    struct tg_buf text = TG_BUF_INIT;
    char seat[400];
    bool driven = false;

    *row = (struct row) {.id = id, .made_ms = INT64_MAX};
    if (ask_seat(f, id, &driven, seat, sizeof seat, &e) || tg_journal_load(f->store, id, WAIT_MS, &j, &plan, &run, &e)) {
        tg_buf_printf(&text, "%-32s can't be read: %s\n", id, e.message);
        row->text = tg_buf_take(&text, NULL);
        row->json = json_pack("{s:s,s:s}", "run", id, "error", e.message);
        f->status = tg_exit_status(e.code);
    } else {
        describe(j, plan, run, driven, row);
    }
    tg_buf_release(&text);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
}

static int show_rows(struct tg_frame *f, struct row *rows, size_t n, struct tg_error *e)
{
    json_t *list = json_array();

    qsort(rows, n, sizeof *rows, by_age);
    if (!f->json && n)
        printf("%-32s %-8s %11s %-20s  %s\n", "RUN", "STATE", "DONE/HOSTS", "MADE", "BY");
    for (size_t i = 0; i < n; i++) {
        if (!f->json && rows[i].text)
            fputs(rows[i].text, stdout);
        json_array_append_new(list, rows[i].json);
        free(rows[i].text);
    }
    if (f->json)
        return tg_print_json(list, e);
    json_decref(list);
    return 0;
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
    for (size_t i = 0; i < pauses.n; i++)
        put_pause(&pauses.items[i], &out);
    fputs(tg_buf_text(&out), stdout);
    tg_buf_release(&out);
    tg_pauses_release(&pauses);
}

static int status_all(struct tg_frame *f, struct tg_error *e)
{
    struct tg_names names = {0};
    int rc = tg_run_list(f->store, WAIT_MS, &names, e);

    if (rc == TG_E_NOENT) {
        tg_error_clear(e);
        rc = 0;
    }
    if (rc)
        return rc;
    list_pauses(f);
    struct row *rows = calloc(names.count + 1, sizeof *rows);
    if (!rows) {
        tg_names_release(&names);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    if (!f->json && !names.count)
        puts("There are no runs.");
    for (size_t i = 0; i < names.count; i++)
        list_one(f, names.names[i], &rows[i]);
    rc = show_rows(f, rows, names.count, e);
    free(rows);
    tg_names_release(&names);
    return rc;
}

static int status_exec(struct tg_frame *f, struct tg_error *e)
{
    if (tg_opt_flag(f, "watch"))
        return f->argc ? tg_status_watch(f, f->argv[0], e) : tg_fail(e, TG_E_USAGE, "--watch follows one run: name it (tagout status lists them)");
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
