/* Requests on the embedded store. */
#define GUARD_SUITE_HELPERS_ONLY
#define REQUEST_SUITE request_local
#define SUITE_OF(what) guard_##what
#include "suite_local.h"

#include "request_suite.h"
