/* The journal of a run on the embedded store. */
#define JOURNAL_SUITE journal_local
#define SUITE_OF(what) journal_##what
#include "suite_local.h"

#include "journal_suite.h"
