/* Whatever is written: it is refused with a column inside the text, or what folds expands again to the very same text. */
#include "fleet/nodeset.h"

#include <stdlib.h>
#include <string.h>

static char *fold(const struct tg_hostlist *names)
{
    struct tg_buf b = TG_BUF_INIT;

    if (tg_fold_list(names, &b, NULL))
        abort();
    return tg_buf_take(&b, NULL);
}

static void round_trip(struct tg_hostlist *names)
{
    struct tg_hostlist again = TG_HOSTLIST_INIT;
    char *first = fold(names);

    if (tg_nodeset_expand(first, strlen(first), &again, NULL))
        abort();
    char *second = fold(&again);
    if (strcmp(first, second) != 0 || tg_hostlist_sort(names, NULL) || names->n != again.n)
        abort();
    free(first);
    free(second);
    tg_hostlist_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_hostlist names = TG_HOSTLIST_INIT;
    struct tg_error e = TG_ERROR_INIT;

    int rc = tg_nodeset_expand((const char *) data, size, &names, &e);
    if (rc && (e.code != rc || !e.message[0] || (rc == TG_E_DATA && (e.column < 1 || (size_t) e.column > size + 1))))
        abort();
    if (!rc && names.n <= 20000)
        round_trip(&names);
    tg_hostlist_release(&names);
    return 0;
}
