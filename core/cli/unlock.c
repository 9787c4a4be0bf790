/* tagout unlock: release locks, when nothing that was done under them would be lost unseen. */
#include "cli/commands.h"

#include "base/shown.h"
#include "cli/guarding.h"
#include "cli/unlock_gate.h"
#include "guard/approval.h"
#include "guard/tokens.h"
#include "config/site.h"

#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "force", .letter = 'f', .type = TG_OPT_FLAG, .text = "Break another's lock. Needs --reason, and is recorded"},
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why"},
    {.name = "accept-revert", .type = TG_OPT_FLAG, .text = "Unlock although config management would revert what was changed by hand. Recorded, with what and where"},
    {.name = "accept-unknown", .type = TG_OPT_FLAG, .text = "Unlock although of some hosts it can't be told what would be reverted. Recorded, with which"},
    {.name = "no-gate", .type = TG_OPT_FLAG, .text = "Do not ask config management at all, for when there is no time. Recorded"},
    {.name = "diff", .type = TG_OPT_FLAG, .text = "Show the tools' diffs, too. They may have secrets in them"},
    {.name = "dry-run-timeout", .type = TG_OPT_DURATION, .arg = "TIME", .value = "10m", .text = "How long a dry-run may take on one host"},
    {.name = "connect-timeout", .type = TG_OPT_DURATION, .arg = "TIME", .value = "15s", .text = "How long reaching a host may take"},
    {.name = "parallel", .type = TG_OPT_INT, .arg = "N", .value = "50", .text = "Hosts that are asked at once"},
    {.name = "transport", .type = TG_OPT_STRING, .arg = "NAME", .value = "ssh", .text = "How hosts are reached: ssh, or local for this machine"},
    {.name = "approve", .type = TG_OPT_FLAG, .text = "Break a lock as the second person: somebody else has asked for it with --force, and the site wants two"},
    {.name = NULL},
};

struct unlocking {
    struct tg_frame *f;
    struct tg_unlock_gate gate;
    char owner[TG_OWNER_SIZE];
    json_t *list;
};

/* Where the site wants a second person: files the wish. TG_E_HELD, with what the other one must type; 0 when it is one's own lock. */
static int ask_for_second(struct tg_frame *f, struct tg_guard *g, const struct tg_release_request *r, struct tg_error *e)
{
    struct tg_lock l;
    struct tg_approval a;
    char until[40], left[32];
    int64_t now = tg_wall_ms(tg_loop_clock(f->loop));
    int rc = tg_lock_find(g, r->id, &l, e);

    if (rc)
        return rc;
    bool own = strcmp(l.owner, r->owner) == 0;
    tg_lock_clear(&l);
    if (own)
        return 0;
    if ((rc = tg_approval_ask(g, r->id, r->owner, r->reason, f->config->break_expires_ms, &a, &l, e)) != 0)
        return rc;
    tg_duration_format(a.until_ms - a.at_ms, left, sizeof left);
    tg_fail(e, TG_E_HELD, "%s is %s's lock, and still holds: a second person must approve that it is broken, until %s (in %s)", l.id, l.owner,
            tg_cli_when(a.until_ms, now, until, sizeof until), left);
    tg_error_hint(e, "somebody else types: tagout unlock %s --approve", l.id);
    tg_lock_clear(&l);
    return TG_E_HELD;
}


/* What the second person approves, before anything else is asked. */
static int see_wish(struct unlocking *u, struct tg_guard *g, const char *id, struct tg_error *e)
{
    struct tg_approval a;
    char asker[TG_OWNER_SIZE], reason[TG_REASON_SIZE];
    int rc = tg_approval_see(g, id, u->owner, &a, e);

    if (!rc && !u->list)
        printf("%s asks to break %s: %s\n", tg_shown_text(a.by, asker, sizeof asker), a.lock, tg_shown_text(a.reason, reason, sizeof reason));
    return rc;
}

/* What the audit says: the reason that was given, and what was accepted. */
static void join_reasons(const char *given, const char *accepted, char *out, size_t size)
{
    char text[2 * TG_REASON_SIZE];

    snprintf(text, sizeof text, "%.*s%s%s", (int) (accepted[0] ? 250 : TG_REASON_SIZE), given ? given : "", given && given[0] && accepted[0] ? "; " : "", accepted);
    tg_shown_text(text, out, size); /* whole characters */
}

static int done(struct unlocking *u, const struct tg_lock *l, bool released, json_t *gate)
{
    char scopes[TG_SCOPE_TEXT_SIZE + 16];
    bool broken = strcmp(l->owner, u->owner) != 0;

    if (u->list) {
        json_t *o = tg_cli_lock_json(l, tg_wall_ms(tg_loop_clock(u->f->loop)));
        json_object_set_new(o, "released", json_boolean(released));
        if (gate)
            json_object_set(o, "gate", gate);
        return json_array_append_new(u->list, o);
    }
    if (released)
        printf("%s  %s  %s%s\n", broken ? "Broken" : "Released", l->id, tg_scopes_format(&l->scopes, scopes, sizeof scopes), broken ? "; this is recorded" : "");
    return 0;
}

static int release(struct unlocking *u, struct tg_guard *g, struct tg_release_request *r, const char *accepted, json_t *gate, struct tg_error *e)
{
    char reason[TG_REASON_SIZE];
    struct tg_lock l;
    const char *given = r->reason;

    if (accepted[0]) {
        join_reasons(given, accepted, reason, sizeof reason);
        r->reason = reason;
    }
    int rc = tg_opt_flag(u->f, "approve") ? tg_approval_give(g, r->id, u->owner, accepted, &l, e) : tg_lock_release(g, r, &l, e);
    r->reason = given;
    if (rc)
        return rc;
    tg_token_forget(u->f->config->state_dir, l.id);
    done(u, &l, true, gate);
    tg_lock_clear(&l);
    return 0;
}

/* It stays: for programs, as it is. */
static int stays(struct unlocking *u, struct tg_guard *g, const char *id, json_t *gate, struct tg_error *e)
{
    struct tg_lock l;
    int rc = u->list ? tg_lock_find(g, id, &l, e) : 0;

    if (rc || !u->list)
        return rc;
    done(u, &l, false, gate);
    tg_lock_clear(&l);
    return 0;
}

static int unlock_one(struct unlocking *u, const char *id, struct tg_error *e)
{
    struct tg_frame *f = u->f;
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_release_request r = {.id = id, .owner = u->owner, .force = tg_opt_flag(f, "force"), .reason = tg_opt_text(f, "reason")};
    enum tg_unlock_answer answer = TG_UNLOCK_GO;
    char accepted[TG_REASON_SIZE / 2] = "", what[TG_REASON_SIZE / 2 - 16] = "";
    json_t *gate = NULL;
    int rc = r.force && f->config->break_approval ? ask_for_second(f, &g, &r, e) : 0;

    if (!rc && tg_opt_flag(f, "approve")) {
        rc = see_wish(u, &g, id, e);
        r.force = true; /* what is asked below it, too, is done in spite of its owner */
    }
    if (!rc && f->config->before_unlock && f->config->before_unlock->n) {
        if (tg_opt_flag(f, "no-gate"))
            snprintf(accepted, sizeof accepted, "config management was not asked (--no-gate)");
        else
            rc = tg_unlock_ask(f, &u->gate, &g, &r, &answer, what, sizeof what, &gate, e);
        if (what[0])
            snprintf(accepted, sizeof accepted, "accepted: %s", what);
    }
    if (!rc)
        rc = answer == TG_UNLOCK_GO ? release(u, &g, &r, accepted, gate, e) : stays(u, &g, id, gate, e);
    json_decref(gate);
    return rc;
}

static int run_unlock(struct tg_frame *f, struct tg_error *e)
{
    struct unlocking u = {.f = f, .list = f->json ? json_array() : NULL};
    const char *reason = tg_opt_text(f, "reason");
    int rc = 0;

    if (tg_opt_flag(f, "force") && (!reason || tg_text_is_blank(reason)))
        rc = tg_fail(e, TG_E_USAGE, "--force needs --reason: breaking a lock is recorded");
    else if (tg_opt_flag(f, "force") && tg_opt_flag(f, "approve"))
        rc = tg_fail(e, TG_E_USAGE, "--force asks, --approve answers: one of them");
    else if (tg_opt_int(f, "parallel") < 1 || tg_opt_int(f, "parallel") > 5000)
        rc = tg_fail(e, TG_E_USAGE, "--parallel %lld: 1 to 5000", (long long) tg_opt_int(f, "parallel"));
    tg_cli_owner(f, u.owner, sizeof u.owner);
    tg_cli_catch_signals(f->loop);
    for (int i = 0; !rc && !f->status && i < f->argc; i++)
        rc = unlock_one(&u, f->argv[i], e);
    tg_unlock_gate_release(&u.gate);
    if (!rc && f->json)
        return tg_print_json(u.list, e);
    json_decref(u.list);
    return rc;
}

const struct tg_cmd tg_cmd_unlock = {
    .name = "unlock",
    .args = "LOCK…",
    .brief = "release locks",
    .details = "Releases each lock from all its scopes at once. The scope is free when the last lock on it is gone. Another's lock is refused; to "
               "break it takes --force and --reason, and both are recorded. Where the configuration says before-unlock:, config management is first "
               "asked by dry-runs what it would revert; with anything, unlocking takes --accept-revert. Where it wants a second person (break-lock:), --force only asks, ends "
               "with 75, and the lock holds until somebody else says --approve.",
    .examples = "  $ tagout unlock L7K2QX\n  $ tagout unlock L7K2QX --accept-revert\n"
                "  $ tagout unlock M53ABD --force --reason \"bob is on holiday, the disk is replaced\"\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 100,
    .needs = TG_NEED_STORE,
    .complete = "lock",
    .exec = run_unlock,
};
