/* Transports that are built in. */
#include "base/module.h"

const struct tg_transport_backend *const tg_builtin_transports[] = {
    NULL,
};
