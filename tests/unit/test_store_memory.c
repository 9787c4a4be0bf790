/* The store in memory: the conformance suite, and the faults that tests of everything above it script. */
#include "store/memory.h"

#define CONFORMANCE_SUITE store_memory
#define CONFORMANCE_PROCESSES 0

static const char *conf_begin(void)
{
    return "memory:conformance";
}

static void conf_end(void)
{
    tg_memory_forget("conformance");
}

#include "store_conformance.h"
