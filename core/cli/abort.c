/* tagout abort: says stop to a run, wherever it is driven. */
#include "cli/commands.h"
#include "cli/steering.h"

static const struct tg_opt opts[] = {
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why: it stands in the journal and in the run's summary"},
    {.name = NULL},
};

/* What was wished for is the case, or is too late. */
static int abort_ended(struct tg_frame *f, const struct tg_steered *s, struct tg_error *e)
{
    if (s->end != TG_END_ABORTED) {
        tg_fail(e, TG_E_FAILED, "run %s has ended already, %s", f->argv[0], tg_run_end_name(s->end));
        tg_error_hint(e, "look at it: tagout status %s", f->argv[0]);
        return TG_E_FAILED;
    }
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:b,s:b}", "run", f->argv[0], "aborted", 1, "driven", 0), e);
    printf("%s was aborted by %s, and has ended.\n", f->argv[0], s->by[0] ? s->by : "somebody");
    return 0;
}

static int abort_exec(struct tg_frame *f, struct tg_error *e)
{
    const char *id = f->argv[0];
    struct tg_steered s;
    struct tg_steering words;
    int rc = tg_steering_words(f, &words, e);

    if (!rc)
        rc = tg_steering_look(f, id, &s, e);
    if (rc)
        return rc;
    if (s.state == TG_RUN_ENDED)
        return abort_ended(f, &s, e);
    if ((rc = tg_run_abort(f->store, id, &words.said, e)) != 0 || (rc = tg_steering_seat(f, id, &s, e)) != 0)
        return rc;
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:b,s:b}", "run", id, "aborted", 1, "driven", s.driven), e);
    printf("Aborted %s: no host is begun from here on, for ever.\n", id);
    if (s.driven)
        printf("What is in flight ends, and is unlocked, by %s. Watch: tagout status %s\n", s.seat, id);
    else
        printf("Nobody drives it%s. To end it and unlock what it may hold: tagout run --resume %s\n", s.in_flight ? "; some of its hosts were in flight" : "", id);
    return 0;
}

const struct tg_cmd tg_cmd_abort = {
    .name = "abort",
    .args = "RUN",
    .brief = "stop a run for good",
    .details = "From its return on no host of the run is begun, wherever it is driven, and none ever will be. Hosts in flight end their step, are verified "
               "and unlocked. To stop for now only: tagout pause.",
    .examples = "  $ tagout abort openssl-20261122-1 --reason \"wrong version\"\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE,
    .complete = "run",
    .exec = abort_exec,
};
