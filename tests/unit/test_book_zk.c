/* Booked maintenance weeks on a real ZooKeeper. */
#include "zk_server.h"

#include <tagout/loop.h>

#define BOOK_SUITE book_zk

static int book_loop(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *book_url(void)
{
    static char place[128];
    static int n;

    snprintf(place, sizeof place, "zk://127.0.0.1:%s/book/%d-%d", zk_server_shared(), (int) getpid(), n++);
    return place;
}

static void book_end(void)
{
}

#include "book_suite.h"

#include <criterion/hooks.h>

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void) stats;
    zk_server_shared_end();
}
