/* The store on ZooKeeper: the conformance suite on a real server. What goes wrong with servers is in test_zk.c. */
#include "zk_server.h"

#define CONFORMANCE_SUITE store_zk
#define CONFORMANCE_PROCESSES 1

static const char *conf_begin(void)
{
    static char url[128];

    /* A place of its own for each test, on one server for all. */
    snprintf(url, sizeof url, "zk://127.0.0.1:%s/conformance/%d", zk_server_shared(), (int) getpid());
    return url;
}

static void conf_end(void)
{
}

#include "store_conformance.h"

#include <criterion/hooks.h>

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void) stats;
    zk_server_shared_end();
}
