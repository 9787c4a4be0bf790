/* Requests on a real ZooKeeper. */
#define GUARD_SUITE_HELPERS_ONLY
#define REQUEST_SUITE request_zk
#define SUITE_OF(what) guard_##what
#define SUITE_PATH "request"
#include "suite_zk.h"

#include "request_suite.h"
