/* The guard's promises on a real ZooKeeper. */
#include "zk_server.h"

#include <tagout/loop.h>

#define GUARD_SUITE guard_zk

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *guard_url(void)
{
    static char place[128];

    snprintf(place, sizeof place, "zk://127.0.0.1:%s/guard/%d", zk_server_shared(), (int) getpid());
    return place;
}

static void guard_end(void)
{
}

#include "guard_suite.h"

#include <criterion/hooks.h>

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void) stats;
    zk_server_shared_end();
}
