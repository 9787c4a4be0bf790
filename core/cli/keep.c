/* The hidden command "_keep": the keeper's process. Its arguments are keeper.c's, no person's. */
#include "cli/commands.h"
#include "guard/keeper.h"

static int run_keep(struct tg_frame *f, struct tg_error *e)
{
    (void) e;
    f->status = tg_keeper_main(f->argc, f->argv, f->command);
    return 0;
}

const struct tg_cmd tg_cmd_keep = {
    .name = "_keep",
    .args = "SOCKET GRACE SEARCH TTY -- COMMAND…",
    .brief = "keeps a guarded command (internal)",
    .min_args = 4,
    .max_args = 4,
    .needs = TG_TAKES_COMMAND | TG_HIDDEN,
    .exec = run_keep,
};
