/* Announcements on a real ZooKeeper. */
#include "zk_server.h"

#include <tagout/loop.h>

#define ANNOUNCE_SUITE announce_zk

static int announce_loop(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *announce_url(void)
{
    static char place[128];
    static int n;

    snprintf(place, sizeof place, "zk://127.0.0.1:%s/announce/%d-%d", zk_server_shared(), (int) getpid(), n++);
    return place;
}

static void announce_end(void)
{
}

#include "announce_suite.h"

#include <criterion/hooks.h>

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void) stats;
    zk_server_shared_end();
}
