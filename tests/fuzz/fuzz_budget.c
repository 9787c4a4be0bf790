/* A budget's record from a hostile store: refused, or read; what was read is written and read again as the same, and can be asked. */
#include "base/seal.h"
#include "guard/budget.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check(const char *text, size_t size)
{
    struct tg_budget b, c;
    struct tg_budget_ask ask = {.n = 3, .members = 97, .now_ms = INT64_C(1795368000000)};
    struct tg_budget_answer a;

    if (tg_budget_decode(text, size, &b, NULL) != 0)
        return;
    tg_budget_decide(&b, &ask, &a);
    if (tg_budget_apply(&b, &ask, "ID", "autoscaler", "alice@ops1", NULL) != 0)
        abort();
    char *again = tg_budget_encode(&b);
    if (!again || tg_budget_decode(again, strlen(again), &c, NULL) != 0)
        abort();
    tg_budget_clear(&c);
    free(again);
    tg_budget_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check((const char *) data, size);
    json_t *o = json_loadb((const char *) data, size, 0, NULL); /* nobody guesses a checksum: the same with a right one */
    json_object_del(o, "sum");
    char *sealed = tg_seal(o);
    if (sealed)
        check(sealed, strlen(sealed));
    free(sealed);
    return 0;
}
