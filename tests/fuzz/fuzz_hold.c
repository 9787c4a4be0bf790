/* hold.json as whoever may write there might leave it: read or refused, never more. */
#include "guard/hold.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_locks holds;

    if (tg_local_hold_parse((const char *) data, size, &holds, NULL) == 0) {
        if (!holds.n || !holds.v[0].scopes.n)
            abort(); /* a hold that holds nothing */
        tg_locks_release(&holds);
    }
    return 0;
}
