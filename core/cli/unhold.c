/* tagout unhold: takes the emergency hold of this host away. */
#include "cli/commands.h"

#include "base/shown.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "guard/hold.h"
#include "guard/tokens.h"

#include <string.h>
#include <syslog.h>

static const struct tg_opt opts[] = {
    {.name = "force",
     .letter = 'f',
     .type = TG_OPT_FLAG,
     .text = "Take others' holds away as well, and a file that can't be read. Needs --reason, and is logged"},
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why"},
    {.name = NULL},
};

static int say(const struct tg_frame *f, const struct tg_locks *gone, const struct tg_locks *left, struct tg_error *e)
{
    if (f->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < gone->n; i++)
            json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "id", TG_LOCAL_HOLD_ID, "owner", gone->v[i].owner,
                                                  "reason", gone->v[i].reason));
        return tg_print_json(json_pack("{s:o,s:I}", "released", list, "left", (json_int_t) left->n), e);
    }
    for (size_t i = 0; i < gone->n; i++)
        printf("Released  " TG_LOCAL_HOLD_ID "  of %s: %s\n", gone->v[i].owner, gone->v[i].reason);
    if (!gone->n)
        puts("Removed a record of holds that could not be read.");
    for (size_t i = 0; i < left->n; i++)
        printf("Still held by %s: %s\n", left->v[i].owner, left->v[i].reason);
    return 0;
}

/* In one's own state folder, or where else one is found that holds this host: then *dir is that. */
static int lift(const char **dir, const char *owner, struct tg_locks *out, struct tg_error *e)
{
    const char *other;
    int rc = tg_local_hold_lift(*dir, owner, out, e);

    for (size_t i = 0; rc == TG_E_NOENT && (other = tg_local_hold_elsewhere(i)) != NULL; i++) {
        struct tg_error why = TG_ERROR_INIT;
        if ((rc = tg_local_hold_lift(other, owner, out, &why)) == TG_E_NOENT)
            continue;
        *dir = other;
        if (rc && e)
            *e = why;
    }
    if (!rc)
        tg_error_clear(e);
    return rc;
}

static int run_unhold(struct tg_frame *f, struct tg_error *e)
{
    struct tg_config_args args = {
        .file = tg_opt_text(f, "config"), .store = tg_opt_text(f, "store"), .inventory = tg_opt_text(f, "inventory")};
    const char *reason = tg_opt_text(f, "reason");
    struct tg_locks gone = {.n = 0}, left = {.n = 0};
    char owner[TG_OWNER_SIZE];
    bool force = tg_opt_flag(f, "force");

    if (force && (!reason || tg_text_is_blank(reason)))
        return tg_fail(e, TG_E_USAGE, "--force needs --reason: it is logged");
    if (tg_config_load(&args, &f->problems, &f->config, NULL) != 0)
        fprintf(stderr, "tagout: the configuration is wrong (tagout doctor tells more); going on with %s\n",
                tg_config_usual_state_dir());
    else
        tg_cli_holds_of_host(f->config);
    const char *dir = f->config ? f->config->state_dir : tg_config_usual_state_dir();
    tg_cli_owner(f, owner, sizeof owner);
    int rc = lift(&dir, force ? NULL : owner, &gone, e);
    if (rc == TG_E_PERM && e && strstr(e->message, "can't be"))
        tg_error_hint(e, "as root: sudo tagout unhold");
    if (rc)
        return rc;
    tg_token_forget(dir, TG_LOCAL_HOLD_ID);
    openlog("tagout", LOG_PID, LOG_AUTHPRIV);
    syslog(LOG_NOTICE, "hold taken away by %s%s%s%s", owner, force ? ", by force" : "", reason ? ": " : "",
           reason ? reason : "");
    (void) tg_local_hold_load(dir, NULL, NULL, &left, NULL);
    rc = say(f, &gone, &left, e);
    tg_locks_release(&gone);
    tg_locks_release(&left);
    return rc;
}

const struct tg_cmd tg_cmd_unhold = {
    .name = "unhold",
    .args = "",
    .brief = "take this host's emergency hold away",
    .details = "Takes away the hold that you have on this host. The host is free when the last hold on it is gone, as "
               "far as the store has no lock on it. "
               "Others' holds are refused: --force and --reason take them away as well, and that is logged.",
    .examples = "  $ sudo tagout unhold\n  $ sudo tagout unhold --force --reason \"bob is on holiday\"\n",
    .opts = opts,
    .min_args = 0,
    .max_args = 0,
    .needs = TG_OWN_CONFIG,
    .complete = NULL,
    .exec = run_unhold,
};
