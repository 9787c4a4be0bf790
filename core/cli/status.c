/* tagout status: the runs there are, or one of them in full. */
#include "cli/commands.h"
#include "cli/run_view.h"
#include "engine/journal.h"

#include <stdlib.h>

#define WAIT_MS 10000

static int status_one(struct tg_frame *f, const char *id, struct tg_error *e)
{
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    struct tg_buf out = TG_BUF_INIT;
    char seat[400] = "";
    int rc = tg_journal_load(f->store, id, WAIT_MS, &j, &plan, &run, e);

    if (rc)
        return rc;
    bool driven = tg_run_seat(f->store, id, WAIT_MS, seat, sizeof seat, NULL) == 0;
    const struct tg_run_view v = {.run = run, .id = id, .width = f->width, .colour = f->colour, .driven = driven};
    if (f->json) {
        rc = tg_print_json(tg_run_view_json(&v), e);
    } else {
        rc = tg_run_view_block(&v, tg_wall_ms(tg_loop_clock(f->loop)), &out, e);
        if (!rc && driven)
            tg_buf_printf(&out, "driven by %s\n", seat);
        if (!rc && !driven)
            rc = tg_run_view_summary(&v, &out, e);
        if (!rc && j->control.abort && !run->aborted)
            tg_buf_printf(&out, "An abort by %s is waiting to be heard%s.\n", j->control.by, driven ? "" : ": tagout run --resume cleans up, and starts nothing");
        fputs(tg_buf_text(&out), stdout);
    }
    tg_buf_release(&out);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return rc;
}

/* One row of the list; a run that can't be read is a row as well. */
static void list_one(struct tg_frame *f, const char *id, json_t *rows)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    char since[40], seat[400];

    if (tg_journal_load(f->store, id, WAIT_MS, &j, &plan, &run, &e)) {
        if (f->json)
            json_array_append_new(rows, json_pack("{s:s,s:s}", "run", id, "error", e.message));
        else
            printf("%-32s can't be read: %s\n", id, e.message);
        return;
    }
    bool driven = tg_run_seat(f->store, id, WAIT_MS, seat, sizeof seat, NULL) == 0;
    bool ended = run->state == TG_RUN_ENDED;
    const char *state = ended ? tg_run_end_name(tg_run_end(run)) : driven || run->state == TG_RUN_PAUSED ? tg_run_state_name(run->state) : "left";
    tg_time_format(j->made_ms / 1000 * 1000, since, sizeof since);
    if (f->json)
        json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:b}", "run", id, "state", state, "made", since, "by", j->by, "done",
                                              (json_int_t) tg_run_done(run), "hosts", (json_int_t) plan->n_hosts, "driven", driven));
    else
        printf("%-32s %-8s %5zu/%-5zu %s  %s\n", id, state, tg_run_done(run), plan->n_hosts, since, j->by);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
}

static int status_all(struct tg_frame *f, struct tg_error *e)
{
    struct tg_names names = {0};
    json_t *rows = json_array();
    int rc = tg_run_list(f->store, WAIT_MS, &names, e);

    if (rc == TG_E_NOENT) {
        tg_error_clear(e);
        rc = 0;
    }
    if (!rc && !f->json && names.count)
        printf("%-32s %-8s %11s %-20s  %s\n", "RUN", "STATE", "DONE/HOSTS", "MADE", "BY");
    if (!rc && !f->json && !names.count)
        puts("There are no runs.");
    for (size_t i = 0; !rc && i < names.count; i++)
        list_one(f, names.names[i], rows);
    tg_names_release(&names);
    if (!rc && f->json)
        return tg_print_json(rows, e);
    json_decref(rows);
    return rc;
}

static int status_exec(struct tg_frame *f, struct tg_error *e)
{
    return f->argc ? status_one(f, f->argv[0], e) : status_all(f, e);
}

const struct tg_cmd tg_cmd_status = {
    .name = "status",
    .args = "[RUN]",
    .brief = "show the runs, or how far one of them is",
    .details = "Without RUN lists all runs. \"left\" is one that nobody drives: its process died, or was left; tagout run --resume goes on with it. With RUN "
               "shows its stages and what went wrong where. It only reads, and can be asked on any machine while the run goes on.",
    .examples = "  $ tagout status\n  $ tagout status openssl-20261122-1\n  $ tagout status openssl-20261122-1 -o json | jq .state\n",
    .min_args = 0,
    .max_args = 1,
    .needs = TG_NEED_STORE,
    .complete = "run",
    .exec = status_exec,
};
