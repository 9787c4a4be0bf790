/* tagout abort: says stop to a run, wherever it is driven. */
#include "cli/commands.h"
#include "cli/guarding.h"
#include "engine/journal.h"

#define WAIT_MS 10000

static const struct tg_opt opts[] = {
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why: it stands in the journal and in the run's summary"},
    {.name = NULL},
};

static int abort_exec(struct tg_frame *f, struct tg_error *e)
{
    const char *id = f->argv[0];
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    char who[256], seat[400] = "";
    int rc = tg_journal_load(f->store, id, WAIT_MS, &j, &plan, &run, e);
    if (rc)
        return rc;
    tg_cli_owner(f, who, sizeof who);
    bool ended = run->state == TG_RUN_ENDED;
    size_t in_flight = run->in_flight;
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    if (ended)
        return tg_fail(e, TG_E_FAILED, "run %s has ended already", id);
    rc = tg_run_abort(f->store, id, who, tg_opt_given(f, "reason") ? tg_opt_text(f, "reason") : "", tg_wall_ms(tg_loop_clock(f->loop)), WAIT_MS, e);
    if (rc)
        return rc;
    bool driven = tg_run_seat(f->store, id, WAIT_MS, seat, sizeof seat, NULL) == 0;
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:b,s:b}", "run", id, "aborted", 1, "driven", driven), e);
    printf("Aborted %s: no host is begun from here on, for ever.\n", id);
    if (driven)
        printf("What is in flight ends, and is unlocked, by %s. Watch: tagout status %s\n", seat, id);
    else
        printf("Nobody drives it%s. To end it and unlock what it may hold: tagout run --resume %s\n", in_flight ? "; some of its hosts were in flight" : "", id);
    return 0;
}

const struct tg_cmd tg_cmd_abort = {
    .name = "abort",
    .args = "RUN",
    .brief = "stop a run for good",
    .details = "From its return on no host of the run is begun, wherever it is driven, and none ever will be. Hosts in flight end their step, are verified "
               "and unlocked. To stop for now only, press Ctrl-C where it runs.",
    .examples = "  $ tagout abort openssl-20261122-1 --reason \"wrong version\"\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE,
    .complete = "run",
    .exec = abort_exec,
};
