/* Store backends that are built in. */
#include "base/module.h"
#include "store/local.h"
#include "store/memory.h"

const struct tg_store_backend *const tg_builtin_stores[] = {
    &tg_store_local,
    &tg_store_memory,
    NULL,
};
