/* The journal of a run on a real ZooKeeper. */
#include "zk_server.h"

#include <tagout/loop.h>

#define JOURNAL_SUITE journal_zk

static int journal_loop(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *journal_url(void)
{
    static char place[128];
    static int n;

    snprintf(place, sizeof place, "zk://127.0.0.1:%s/journal/%d-%d", zk_server_shared(), (int) getpid(), n++);
    return place;
}

static void journal_end(void)
{
}

#include "journal_suite.h"

#include <criterion/hooks.h>

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void) stats;
    zk_server_shared_end();
}
