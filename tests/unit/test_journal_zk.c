/* The journal of a run on a real ZooKeeper. */
#define JOURNAL_SUITE journal_zk
#define SUITE_OF(what) journal_##what
#define SUITE_PATH "journal"
#include "suite_zk.h"

#include "journal_suite.h"
