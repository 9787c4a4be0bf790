/* The guard's promises on the embedded store. */
#define GUARD_SUITE guard_local
#define GUARD_CLUSTER "{\"format\":1,\"id\":\"0123456789abcdef0123456789abcdef\",\"generation\":1,\"state\":\"live\"}"
#define SUITE_OF(what) guard_##what
#include "suite_local.h"

#include "guard_suite.h"
