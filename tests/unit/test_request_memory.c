/* Requests on the store in memory: what only it can do to them. */
#include "store/memory.h"

#include <tagout/loop.h>

#define GUARD_SUITE_HELPERS_ONLY
#define REQUEST_SUITE request_memory

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_virtual(1795368000000, out, NULL);
}

static const char *guard_url(void)
{
    return "memory:request";
}

static void guard_end(void)
{
    tg_memory_forget("request");
}

#include "request_suite.h"
