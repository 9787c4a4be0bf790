/* tagout resume: takes a pause back. */
#include "cli/commands.h"
#include "cli/guarding.h"
#include "cli/steering.h"

static int resume_run(struct tg_frame *f, const char *id, const struct tg_steering *words, struct tg_error *e)
{
    struct tg_steered s;
    int rc = tg_steering_look(f, id, &s, e);

    if (rc)
        return rc;
    if (s.state == TG_RUN_ENDED || s.abort.wanted) {
        tg_fail(e, TG_E_FAILED, "run %s %s", id, s.state == TG_RUN_ENDED ? "has ended" : "is aborted: it never moves again");
        tg_error_hint(e, s.state == TG_RUN_ENDED || s.driven ? "look at it: tagout status %s" : "to end it, and to undo and unlock what it may have left: tagout run --resume %s", id);
        return TG_E_FAILED;
    }
    bool held = s.pause.wanted || s.causes || s.state == TG_RUN_PAUSED || s.state == TG_RUN_PAUSING;
    if (held && (rc = tg_run_resume(f->store, id, s.holds, &words->said, e)) != 0)
        return rc;
    if ((rc = tg_steering_seat(f, id, &s, e)) != 0)
        return rc;
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:b,s:b}", "run", id, "was", held, "driven", s.driven), e);
    if (!held)
        printf("%s is not paused.%s%s\n", id, s.driven ? "" : " Nobody drives it; to go on with it: tagout run --resume ", s.driven ? "" : id);
    else if (s.driven)
        tg_cli_say(stdout, "%s goes on, driven by %s. Watch: tagout status %s\n", id, s.seat, id);
    else
        printf("%s may go on, and nobody drives it. To do so: tagout run --resume %s\n", id, id);
    if (s.causes & TG_CAUSE_SCOPE)
        tg_cli_say(stdout, "It was held by the pause of a scope as well (%s): as long as that stays it waits.\n", s.why);
    return 0;
}

static int resume_scope(struct tg_frame *f, const char *name, struct tg_error *e)
{
    struct tg_scope scope = {.kind = TG_SCOPE_FLEET};
    struct tg_wish wish = {.wanted = false};
    bool was = false;
    int rc = tg_scope_parse(name, &scope, e);

    if (!rc && scope.kind == TG_SCOPE_SERVICE)
        rc = tg_fail(e, TG_E_USAGE, "\"%s\": a run changes hosts, no service: there are pauses of the fleet, a group or a host", name);
    if (!rc)
        rc = tg_frame_prove_store(f, e);
    if (!rc)
        rc = tg_pauses_remove(f->store, &scope, TG_STEERING_WAIT_MS, &was, &wish, e);
    if (!rc && !was && f->inventory) /* a pause of what has left the inventory can go */
        rc = tg_scope_resolve(&scope, f->inventory, e);
    tg_scope_release(&scope);
    if (rc)
        return rc;
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:b}", "scope", name, "was", was), e);
    if (was)
        tg_cli_say(stdout, "Runs in %s may go on; those that are driven do. It was paused by %s (\"%s\").\n", name, wish.by, wish.reason);
    else
        printf("%s was not paused.\n", name);
    return 0;
}

static int resume_exec(struct tg_frame *f, struct tg_error *e)
{
    struct tg_steering words;
    int rc = tg_steering_words(f, &words, e);

    if (rc)
        return rc;
    return tg_steering_is_scope(f->argv[0]) ? resume_scope(f, f->argv[0], e) : resume_run(f, f->argv[0], &words, e);
}

const struct tg_cmd tg_cmd_resume = {
    .name = "resume",
    .args = "RUN | fleet | group:NAME | host:NAME",
    .brief = "take a pause back",
    .details = "A run whose driver is still there goes on at once. Of one that nobody drives it says so: tagout run --resume drives it. A run is also held when "
               "a verification came to no verdict; resume says that somebody has looked, and those hosts are verified once more.",
    .examples = "  $ tagout resume openssl-20261122-1\n  $ tagout resume fleet\n",
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "run",
    .exec = resume_exec,
};
