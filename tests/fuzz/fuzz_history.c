/* What the store keeps of the last runs, as whoever may write there might leave it: read or refused. Its seal is set right, or nothing behind it would be reached. */
#include "base/seal.h"
#include "engine/history.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *o = json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, NULL);
    char *text = tg_seal(o), *again;
    struct tg_history history;
    struct tg_history_says says;

    if (text && tg_history_decode(text, strlen(text), "openssl", &history, NULL) == 0) {
        tg_history_say(&history, false, &says);
        if (says.mean_ms < 0 || says.p95_ms < 0 || says.runs > TG_HISTORY_RUNS * 2)
            abort();
        if (history.n_runs > 0)
            tg_history_put(&history, &history.runs[history.n_runs - 1]);
        if (!(again = tg_history_encode(&history, "openssl")))
            abort();
        free(again);
    }
    free(text);
    return 0;
}
