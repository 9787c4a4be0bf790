/* Where a suite over all stores runs: on a real ZooKeeper, each time below a path of its own, SUITE_PATH. SUITE_OF(what): see suite_local.h. */
#include "zk_server.h"

#include <criterion/hooks.h>
#include <tagout/loop.h>

static int SUITE_OF(loop)(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *SUITE_OF(url)(void)
{
    static char place[128];
    static int n;

    snprintf(place, sizeof place, "zk://127.0.0.1:%s/" SUITE_PATH "/%d-%d", zk_server_shared(), (int) getpid(), n++);
    return place;
}

static void SUITE_OF(end)(void)
{
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void) stats;
    zk_server_shared_end();
}
