/* "requests:" of a host's configuration: read, or refused with a place; what is read can be acted on. */
#include "config/activities.h"
#include "config/problems.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_command(char **argv)
{
    size_t n = 0;

    if (!argv || !argv[0] || argv[0][0] != '/')
        abort(); /* P9: never a command line, nor what a PATH finds */
    while (argv[n])
        n++;
    if (n > TG_ACTIVITY_ARGS_MAX)
        abort();
}

static void expect_usable(const struct tg_activities *all)
{
    if (all->n > TG_ACTIVITIES_MAX || all->n_limits > TG_REQUEST_LIMITS_MAX)
        abort();
    if (all->enter)
        expect_command(all->enter);
    if (all->leave)
        expect_command(all->leave);
    for (size_t i = 0; i < all->n; i++) {
        const struct tg_activity *a = &all->v[i];
        expect_command(a->run);
        if (!a->name[0] || !a->actor[0] || a->timeout_ms <= 0 || a->estimate_ms < 0 || tg_activities_find(all, a->name) != a)
            abort();
    }
    for (size_t i = 0; i < all->n_limits; i++)
        if (!all->limits[i].name || !all->limits[i].name[0])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_activities all = {.n = 0};
    struct tg_yaml_doc *doc = NULL;

    if (tg_yaml_parse("tagout.yaml", (const char *) data, size, &p, &doc, NULL) == 0) {
        size_t before = tg_problems_count(&p);
        int rc = tg_activities_read(tg_yaml_root(doc), &p, &all, NULL);
        if (!rc && tg_problems_count(&p) == before)
            expect_usable(&all);
        tg_activities_release(&all);
        tg_yaml_free(doc);
    }
    tg_problems_release(&p);
    return 0;
}
