/* Transports that are built in. */
#include "base/module.h"
#include "engine/transport_local.h"

const struct tg_transport_backend *const tg_builtin_transports[] = {
    &tg_transport_local,
    NULL,
};
