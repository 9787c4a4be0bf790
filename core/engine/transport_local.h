/* The transport "local": runs commands on this machine, without a shell. */
#ifndef TG_ENGINE_TRANSPORT_LOCAL_H
#define TG_ENGINE_TRANSPORT_LOCAL_H

#include <tagout/transport.h>

extern const struct tg_transport_backend tg_transport_local;

#endif
