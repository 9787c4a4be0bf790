/* This host's clock against the store's: see announce_send.h. */
#include "calendar/announce_send.h"

#include <stdio.h>

#define OFF_MS (INT64_C(24) * 3600000) /* no zone and no daylight saving that somebody forgot is more */

int tg_announce_take_clock(struct tg_announce_run *run, struct tg_error *e)
{
    struct tg_node node;
    int rc = tg_store_read(run->store, TG_ANNOUNCE_SENDER, tg_store_deadline(run->store, run->place.wait_ms), &node, e);

    if (rc)
        return rc;
    run->sat_store_ms = node.stat.modified_ms;
    run->sat_mono_ms = tg_mono_ms(tg_loop_clock(run->loop));
    tg_node_release(&node);
    return 0;
}

int tg_announce_check_clock(const struct tg_announce_run *run, struct tg_error *e)
{
    const struct tg_clock *clock = tg_loop_clock(run->loop);
    int64_t off = tg_wall_ms(clock) - (run->sat_store_ms + tg_mono_ms(clock) - run->sat_mono_ms), days = (off < 0 ? -off : off) / OFF_MS;

    if (!run->sat_store_ms || !days)
        return 0;
    tg_fail(e, TG_E_UNKNOWN, "this host's clock is %lld day%s %s the store's: nothing is told, as what is over and what is ahead can't be known", (long long) days, days == 1 ? "" : "s",
            off < 0 ? "behind" : "ahead of");
    return tg_error_hint(e, "set the clock that is wrong right; what was to be told waits"), TG_E_UNKNOWN;
}
