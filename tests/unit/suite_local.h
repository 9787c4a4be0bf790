/*
 * Where a suite over all stores runs: on the embedded one, in a folder of its own. SUITE_OF(what) gives the names that the suite knows its functions by,
 * such as book_loop, book_url, book_end: #define SUITE_OF(what) book_##what
 */
#include <tagout/loop.h>

#include <stdio.h>
#include <stdlib.h>

static char suite_folder[64];

static int SUITE_OF(loop)(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *SUITE_OF(url)(void)
{
    static char url[128];

    snprintf(suite_folder, sizeof suite_folder, "/tmp/tagout-test-XXXXXX");
    if (!mkdtemp(suite_folder))
        abort();
    snprintf(url, sizeof url, "local:%s/store.db", suite_folder);
    return url;
}

static void SUITE_OF(end)(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", suite_folder);
    if (system(command))
        abort();
}
