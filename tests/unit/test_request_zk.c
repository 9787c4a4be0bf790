/* Requests on a real ZooKeeper. */
#include "zk_server.h"

#include <tagout/loop.h>

#define GUARD_SUITE_HELPERS_ONLY
#define REQUEST_SUITE request_zk

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *guard_url(void)
{
    static char place[128];
    static int n;

    snprintf(place, sizeof place, "zk://127.0.0.1:%s/request/%d-%d", zk_server_shared(), (int) getpid(), n++);
    return place;
}

static void guard_end(void)
{
}

#include "request_suite.h"

#include <criterion/hooks.h>

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void) stats;
    zk_server_shared_end();
}
