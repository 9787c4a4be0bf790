/* Requests on the embedded store. */
#include <tagout/loop.h>

#include <stdio.h>
#include <stdlib.h>

#define GUARD_SUITE_HELPERS_ONLY
#define REQUEST_SUITE request_local

static char place[64];

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *guard_url(void)
{
    static char url[128];

    snprintf(place, sizeof place, "/tmp/tagout-test-XXXXXX");
    if (!mkdtemp(place))
        abort();
    snprintf(url, sizeof url, "local:%s/store.db", place);
    return url;
}

static void guard_end(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", place);
    if (system(command))
        abort();
}

#include "request_suite.h"
