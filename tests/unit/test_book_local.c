/* Booked maintenance weeks on the embedded store. */
#define BOOK_SUITE book_local
#define SUITE_OF(what) book_##what
#include "suite_local.h"

#include "book_suite.h"
