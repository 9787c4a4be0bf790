/* What is not told, and why: for doctor. */
#ifndef TG_CLI_ANNOUNCE_LEFT_H
#define TG_CLI_ANNOUNCE_LEFT_H

#include "base/buf.h"

#include <tagout/store.h>
#include <stdint.h>

struct tg_announce_left {
    size_t notes;          /* that no sender has taken */
    int64_t notes_ms;      /* since when the oldest waits; 0 none */
    size_t open, refused;  /* threads; of these, refused for good */
    int64_t tried_ms;      /* since when the longest is tried in vain; 0 none */
    size_t bad;            /* that can't be understood */
};
/* Appends a line for each that was refused, with the commands, up to a dozen. Top level. */
int tg_announce_left(struct tg_store *store, int64_t wait_ms, struct tg_buf *out, struct tg_announce_left *left, struct tg_error *e);

#endif
