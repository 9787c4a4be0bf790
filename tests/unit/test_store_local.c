/* The embedded store: the conformance suite, and what is its own: files, locks, damage, permissions. */
#define _GNU_SOURCE
#include "store/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CONFORMANCE_SUITE store_local
#define CONFORMANCE_PROCESSES 1

static char folder[64], database[128], url[160];

static const char *conf_begin(void)
{
    snprintf(folder, sizeof folder, "/tmp/tagout-test-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    snprintf(database, sizeof database, "%s/store.db", folder);
    snprintf(url, sizeof url, "local:%s", database);
    return url;
}

static void conf_end(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        abort();
}

#include "store_conformance.h"
