/* tagout pause: one run, or every run that has hosts in a scope, starts nothing until somebody says resume. */
#include "cli/commands.h"
#include "cli/guarding.h"
#include "cli/steering.h"

#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why; needed for a scope: whoever meets it in a month wants to know"},
    {.name = NULL},
};

static int say_json(const char *key, const char *name, bool was, int driven, struct tg_error *e)
{
    json_t *o = json_pack("{s:s,s:b,s:b}", key, name, "paused", 1, "was", was);

    if (o && driven >= 0)
        json_object_set_new(o, "driven", json_boolean(driven));
    return tg_print_json(o, e);
}

static int pause_run(struct tg_frame *f, const char *id, const struct tg_steering *words, struct tg_error *e)
{
    struct tg_steered s;
    int rc = tg_steering_look(f, id, &s, e);

    if (rc)
        return rc;
    if (s.state == TG_RUN_ENDED || s.abort.wanted) {
        tg_fail(e, TG_E_FAILED, "run %s %s", id, s.state == TG_RUN_ENDED ? "has ended: there is nothing to pause" : "is aborted: it starts nothing any more");
        tg_error_hint(e, "look at it: tagout status %s", id);
        return TG_E_FAILED;
    }
    if ((rc = tg_run_pause(f->store, id, &words->said, e)) != 0 || (rc = tg_steering_seat(f, id, &s, e)) != 0)
        return rc;
    if (f->json)
        return say_json("run", id, s.pause.wanted, s.driven, e);
    if (s.pause.wanted)
        tg_cli_say(stdout, "%s is paused already, by %s%s%s%s.\n", id, s.pause.by, s.pause.reason[0] ? " (\"" : "", s.pause.reason,
               s.pause.reason[0] ? "\")" : "");
    else
        printf("Paused %s: no host is begun until somebody says: tagout resume %s\n", id, id);
    if (s.driven)
        tg_cli_say(stdout, "What is in flight ends, by %s, who then waits. Watch: tagout status %s\n", s.seat, id);
    else
        printf("Nobody drives it now. Whoever does, with tagout run --resume %s, waits as well.\n", id);
    return 0;
}

static int pause_scope(struct tg_frame *f, const char *name, struct tg_scope *scope, const struct tg_steering *words, struct tg_error *e)
{
    bool was = false, scope_is_fleet = scope->kind == TG_SCOPE_FLEET;
    int rc;

    if (scope->kind == TG_SCOPE_SERVICE)
        return tg_fail(e, TG_E_USAGE, "\"%s\": a run changes hosts, no service: pause the fleet, a group or a host", name);
    if (!words->reason[0]) {
        tg_fail(e, TG_E_USAGE, "--reason is missing: it is shown to everybody whose run waits for it");
        tg_error_hint(e, "tagout pause %s --reason \"database on fire\"", name);
        return TG_E_USAGE;
    }
    if (scope->kind == TG_SCOPE_GROUP && !f->inventory) {
        tg_fail(e, TG_E_CONFIG, "no inventory is configured, so nobody knows which hosts are in %s", name);
        tg_error_hint(e, "--inventory FILE, or pause the fleet: tagout pause fleet");
        return TG_E_CONFIG;
    }
    if ((rc = tg_scope_resolve(scope, f->inventory, e)) != 0 || (rc = tg_frame_prove_store(f, e)) != 0 || (rc = tg_pauses_add(f->store, scope, &words->said, &was, e)) != 0)
        return rc;
    if (f->json)
        return say_json("scope", name, was, -1, e);
    const char *of = scope_is_fleet ? "" : " that has hosts in ", *which = scope_is_fleet ? "" : name;
    if (was)
        printf("Every run%s%s is paused already: tagout status says by whom.\n", of, which);
    else
        printf("Paused every run%s%s: none begins a host until somebody says: tagout resume %s\n", of, which, name);
    return 0;
}

static int pause_exec(struct tg_frame *f, struct tg_error *e)
{
    const char *what = f->argv[0];
    struct tg_scope scope = {.kind = TG_SCOPE_FLEET};
    struct tg_steering words;
    int rc = tg_steering_words(f, &words, e);

    if (rc)
        return rc;
    if (!tg_steering_is_scope(what))
        return pause_run(f, what, &words, e);
    if ((rc = tg_scope_parse(what, &scope, e)) == 0)
        rc = pause_scope(f, what, &scope, &words, e);
    tg_scope_release(&scope);
    return rc;
}

const struct tg_cmd tg_cmd_pause = {
    .name = "pause",
    .args = "RUN | fleet | group:NAME | host:NAME",
    .brief = "hold a run, or all runs in a scope, until somebody says resume",
    .details = "From its return on no host of the run is begun, wherever it is driven. What is in flight ends, and whoever drives it waits. With a scope it is "
               "the stop for everything: every run that has hosts there, now or begun later, by whichever controller. It stays until tagout resume. "
               "It holds runs; to hold all automation, tagout lock.",
    .examples = "  $ tagout pause openssl-20261122-1 --reason \"looking at web3\"\n  $ tagout pause fleet --reason \"incident 4711\"\n  $ tagout pause group:web --reason \"Black Friday\"\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "run",
    .exec = pause_exec,
};
