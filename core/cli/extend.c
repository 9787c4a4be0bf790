/* tagout extend: move a lock's end. */
#include "cli/commands.h"

#include "cli/guarding.h"

static const struct tg_opt opts[] = {
    {.name = "for", .letter = 'f', .type = TG_OPT_DURATION, .arg = "TIME", .text = "How long it is needed from now on, such as 2h. Required"},
    {.name = NULL},
};

static int run_extend(struct tg_frame *f, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_lock l;
    char owner[TG_OWNER_SIZE], until[40], left[32];
    int64_t for_ms = tg_opt_ms(f, "for"), now = tg_wall_ms(tg_loop_clock(f->loop));

    if (for_ms == 0) {
        tg_fail(e, TG_E_USAGE, "--for 0s: a lock's end is moved to a time that is still to come");
        return tg_error_hint(e, "to end it now: tagout unlock %s", f->argv[0]), TG_E_USAGE;
    }
    if (for_ms < 0)
        return tg_fail(e, TG_E_USAGE, "for how long, from now on? --for 2h");
    tg_cli_owner(f, owner, sizeof owner);
    int rc = tg_lock_extend(&g, f->argv[0], owner, for_ms, &l, e);
    if (rc)
        return rc;
    if (f->json) {
        rc = tg_print_json(tg_cli_lock_json(&l, now), e);
    } else {
        tg_duration_format(for_ms, left, sizeof left);
        printf("Locked  %s  until %s (in %s)\n", l.id, tg_cli_when(l.until_ms, now, until, sizeof until), left);
    }
    tg_lock_clear(&l);
    return rc;
}

const struct tg_cmd tg_cmd_extend = {
    .name = "extend",
    .args = "LOCK --for TIME",
    .brief = "move a lock's end",
    .details = "Sets the end of your lock to TIME from now on: later or sooner. A lock past its end holds all the same, but is shown as overdue.",
    .examples = "  $ tagout extend L7K2QX --for 2h\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE,
    .complete = "lock",
    .exec = run_extend,
};
