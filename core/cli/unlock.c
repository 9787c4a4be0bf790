/* tagout unlock: release locks. */
#include "cli/commands.h"

#include "base/shown.h"
#include "cli/guarding.h"
#include "guard/tokens.h"
#include "config/site.h"

static const struct tg_opt opts[] = {
    {.name = "force", .letter = 'f', .type = TG_OPT_FLAG, .text = "Break another's lock. Needs --reason, and is recorded"},
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why"},
    {.name = NULL},
};

static int unlock_one(struct tg_frame *f, const char *id, const char *owner, json_t *list, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_release_request r = {.id = id, .owner = owner, .force = tg_opt_flag(f, "force"), .reason = tg_opt_text(f, "reason")};
    struct tg_lock l;
    char scopes[TG_SCOPE_TEXT_SIZE + 16];
    int rc = tg_lock_release(&g, &r, &l, e);

    if (rc)
        return rc;
    tg_token_forget(f->config->state_dir, l.id);
    if (list)
        json_array_append_new(list, tg_cli_lock_json(&l, tg_wall_ms(tg_loop_clock(f->loop))));
    else
        printf("%s  %s  %s%s\n", r.force ? "Broken" : "Released", l.id, tg_scopes_format(&l.scopes, scopes, sizeof scopes), r.force ? "; this is recorded" : "");
    tg_lock_clear(&l);
    return 0;
}

static int run_unlock(struct tg_frame *f, struct tg_error *e)
{
    char owner[TG_OWNER_SIZE];
    json_t *list = f->json ? json_array() : NULL;
    int rc = 0;

    const char *reason = tg_opt_text(f, "reason");
    if (tg_opt_flag(f, "force") && (!reason || tg_text_is_blank(reason)))
        rc = tg_fail(e, TG_E_USAGE, "--force needs --reason: breaking a lock is recorded");
    tg_cli_owner(f, owner, sizeof owner);
    for (int i = 0; !rc && i < f->argc; i++)
        rc = unlock_one(f, f->argv[i], owner, list, e);
    if (!rc && f->json)
        return tg_print_json(list, e);
    json_decref(list);
    return rc;
}

const struct tg_cmd tg_cmd_unlock = {
    .name = "unlock",
    .args = "LOCK…",
    .brief = "release locks",
    .details = "Releases each lock from all its scopes at once. The scope is free when the last lock on it is gone. Another's lock is refused; to "
               "break it takes --force and --reason, and both are recorded.",
    .examples = "  $ tagout unlock L7K2QX\n  $ tagout unlock M53ABD --force --reason \"bob is on holiday, the disk is replaced\"\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 100,
    .needs = TG_NEED_STORE,
    .complete = "lock",
    .exec = run_unlock,
};
