/* What a command runs in: see cmd.h. */
#include "cli/cmd.h"

int tg_frame_prepare(struct tg_frame *f, struct tg_error *e)
{
    return tg_loop_new(&f->loop, e);
}

void tg_frame_release(struct tg_frame *f)
{
    tg_loop_free(f->loop);
    f->loop = NULL;
}
