/* Announcements on the store in memory. */
#include "store/memory.h"

#include <tagout/loop.h>

#define ANNOUNCE_SUITE announce_memory

static int announce_loop(struct tg_loop **out)
{
    return tg_loop_virtual(1795368000000, out, NULL);
}

static const char *announce_url(void)
{
    return "memory:announce";
}

static void announce_end(void)
{
    tg_memory_forget("announce");
}

#include "announce_suite.h"
