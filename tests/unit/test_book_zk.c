/* Booked maintenance weeks on a real ZooKeeper. */
#define BOOK_SUITE book_zk
#define SUITE_OF(what) book_##what
#define SUITE_PATH "book"
#include "suite_zk.h"

#include "book_suite.h"
