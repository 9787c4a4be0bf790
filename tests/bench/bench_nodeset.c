/* One process: expands a list, and folds it back. Prints names, CPU seconds of each, and peak KB. tests/bench/nodeset compares. */
#include "fleet/nodeset.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static struct rusage usage;

static double cpu_seconds(void)
{
    getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    struct tg_hostlist names = TG_HOSTLIST_INIT;
    struct tg_buf text = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;
    double start = cpu_seconds(), expanded = 0, folded = 0;
    int rc = argc == 2 ? tg_nodeset_expand(argv[1], strlen(argv[1]), &names, &e) : tg_fail(&e, TG_E_USAGE, "one list, please");

    expanded = cpu_seconds();
    if (!rc)
        rc = tg_fold_list(&names, &text, &e);
    folded = cpu_seconds();
    if (!rc && strcmp(tg_buf_text(&text), argv[1]) != 0)
        rc = tg_fail(&e, TG_E_BUG, "folded to %.100s", tg_buf_text(&text));
    if (rc)
        fprintf(stderr, "%s\n", e.message);
    else
        printf("%zu %.3f %.3f %ld\n", names.n, expanded - start, folded - expanded, usage.ru_maxrss);
    tg_hostlist_release(&names);
    tg_buf_release(&text);
    return rc ? 1 : 0;
}
