/* Announcements on the embedded store. */
#define ANNOUNCE_SUITE announce_local
#define SUITE_OF(what) announce_##what
#include "suite_local.h"

#include "announce_suite.h"
