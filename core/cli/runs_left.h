/* What runs that nobody drives hold on hosts: for doctor. */
#ifndef TG_CLI_RUNS_LEFT_H
#define TG_CLI_RUNS_LEFT_H

#include "base/buf.h"

#include <tagout/store.h>

#define TG_RUNS_LEFT_MAX 20 /* runs whose journal is read: those that ended with leftovers, or have not ended, the newest first */

struct tg_runs_left {
    size_t n;      /* runs that hold something */
    size_t looked; /* journals that were read */
    size_t back;   /* hosts that were withdrawn, and are in service in spite of that, */
    size_t half;   /* and those that a run is at work on */
};
/* Appends what each holds, with the commands that mend it; load balancers are asked whether what was withdrawn, or is half changed, is out of service still. Top level. */
int tg_runs_left(struct tg_store *store, int64_t wait_ms, struct tg_buf *out, struct tg_runs_left *left, struct tg_error *e);

#endif
