/* The log: see tagout/log.h, where modules see it too. */
#ifndef TG_BASE_LOG_H
#define TG_BASE_LOG_H

#include <tagout/log.h>

#endif
