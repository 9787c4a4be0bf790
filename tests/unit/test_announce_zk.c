/* Announcements on a real ZooKeeper. */
#define ANNOUNCE_SUITE announce_zk
#define SUITE_OF(what) announce_##what
#define SUITE_PATH "announce"
#include "suite_zk.h"

#include "announce_suite.h"
