/* The guard's promises on a real ZooKeeper. */
#define GUARD_SUITE guard_zk
#define SUITE_OF(what) guard_##what
#define SUITE_PATH "guard"
#include "suite_zk.h"

#include "guard_suite.h"
