/* What runs that nobody drives hold on hosts: for doctor. */
#ifndef TG_CLI_RUNS_LEFT_H
#define TG_CLI_RUNS_LEFT_H

#include "base/buf.h"

#include <tagout/store.h>

#define TG_RUNS_LEFT_MAX 20 /* runs whose journal is read: those that ended with leftovers, or have not ended, the newest first */

/* Appends what each holds, with the commands that mend it. out_n: runs that hold something; out_looked: journals that were read. Top level. */
int tg_runs_left(struct tg_store *store, int64_t wait_ms, struct tg_buf *out, size_t *out_n, size_t *out_looked, struct tg_error *e);

#endif
