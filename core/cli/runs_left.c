/* What runs that nobody drives hold on hosts: see runs_left.h. */
#include "cli/runs_left.h"

#include "cli/kept_out.h"
#include "cli/run_view_internal.h"
#include "engine/around_module.h"
#include "engine/leftovers.h"

#include <stdlib.h>
#include <string.h>

static bool may_hold(const struct tg_run_row *row)
{
    bool open = row->summary.state != TG_RUN_ENDED && row->summary.state != TG_RUN_NEW;

    return !row->driven && !row->error.code && (!row->summary.known || open || row->summary.leftovers);
}

static void tell(struct tg_journal *j, const struct tg_run *run, struct tg_buf *out)
{
    struct tg_run_tokens tokens = {0};
    char name[TG_RUN_NAME_SIZE];
    bool named = tg_journal_tokens(j, &tokens, NULL) == 0;

    if (named)
        tg_run_name(j->id, tokens.all, name);
    explicit_bzero(&tokens, sizeof tokens);
    const struct tg_run_view v = {.run = run, .id = j->id, .name = named ? name : NULL};
    tg_buf_printf(out, "%s (%s)\n", j->id, tg_run_state_name(run->state));
    tg_view_leftovers(&v, TG_VIEW_WITH_LOCKS, out);
}

/* One that can't be read is told of by tagout status; here it may hold anything. */
static int look_at(struct tg_store *store, const char *id, int64_t wait_ms, struct tg_buf *out, struct tg_runs_left *left, struct tg_error *e)
{
    struct tg_cli_out seen = {.n = 0};
    struct tg_error own = TG_ERROR_INIT;
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    int rc = tg_journal_load(store, id, wait_ms, &j, &plan, &run, &own);

    if (rc == TG_E_DATA || rc == TG_E_NOENT) {
        tg_buf_printf(out, "%s can't be read: %s\n", id, own.message);
        left->n++;
        return 0;
    }
    if (rc) {
        if (e && !e->code)
            *e = own;
        return rc;
    }
    if (tg_leftovers_count(run, TG_LEFTOVERS_ALL)) {
        left->n++;
        tell(j, run, out);
        rc = tg_cli_out_look(tg_store_loop(store), j, run, wait_ms, &seen, e);
        tg_buf_puts(out, tg_buf_text(&seen.says));
        *(run->plan->withdraws ? &left->back : &left->half) += seen.n_in;
        tg_cli_out_release(&seen);
    }
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return rc;
}

int tg_runs_left(struct tg_store *store, int64_t wait_ms, struct tg_buf *out, struct tg_runs_left *left, struct tg_error *e)
{
    struct tg_run_row *rows = NULL;
    size_t n = 0;
    int rc = tg_run_rows(store, wait_ms, &rows, &n, e);

    *left = (struct tg_runs_left) {.n = 0};
    for (size_t i = 0; !rc && i < n && left->looked < TG_RUNS_LEFT_MAX; i++)
        if (may_hold(&rows[i])) {
            left->looked++;
            rc = look_at(store, rows[i].id, wait_ms, out, left, e);
        }
    free(rows);
    return rc;
}
