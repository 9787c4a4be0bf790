/* Store backends that are built in. */
#include "base/module.h"

const struct tg_store_backend *const tg_builtin_stores[] = {
    NULL,
};
