/*
 * What the store keeps of a plan, as whoever may write there might leave it: read or refused, and what has changed since is told, whatever is in it. Its seal and the
 * plan's digest are set right, or nothing behind them would be reached.
 */
#include "base/seal.h"
#include "base/sha256.h"
#include "engine/plan_keep.h"
#include "lib/plan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_digest(json_t *o)
{
    char digest[TG_SHA256_HEX];

    if (json_object_get(o, "plan") && !tg_sha256_json(json_object_get(o, "plan"), digest))
        json_object_set_new(o, "digest", json_string(digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tg_plan *plan;
    struct tg_kept_plan kept;
    json_t *o = json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, NULL);

    if (!plan)
        plan = test_plan((struct test_stage[]) {{1, false, 5000, {0, 0}}, {5, false, 0, {1, 1000}}}, 2, 1, 0);
    set_digest(o);
    char *text = tg_seal(o);
    if (text && tg_kept_plan_decode(text, strlen(text), &kept, NULL) == 0) {
        char *again = tg_kept_plan_encode(&kept);
        json_t *changes = tg_plan_changes(&kept, plan);
        if (!again || !changes)
            abort();
        json_decref(changes);
        free(again);
        tg_kept_plan_release(&kept);
    }
    free(text);
    return 0;
}
