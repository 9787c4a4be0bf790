/* The guard's promises on the embedded store. */
#include <tagout/loop.h>

#include <stdio.h>
#include <stdlib.h>

#define GUARD_SUITE guard_local
#define GUARD_CLUSTER "{\"format\":1,\"id\":\"0123456789abcdef0123456789abcdef\",\"generation\":1,\"state\":\"live\"}"

static char folder[64], own_url[160];

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *guard_url(void)
{
    snprintf(folder, sizeof folder, "/tmp/tagout-test-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    snprintf(own_url, sizeof own_url, "local:%s/store.db", folder);
    return own_url;
}

static void guard_end(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        abort();
}

#include "guard_suite.h"
