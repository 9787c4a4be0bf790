/* Whether booked weeks can be read, with how their slots go: for doctor. */
#ifndef TG_CLI_WEEKS_LOOK_H
#define TG_CLI_WEEKS_LOOK_H

#include "base/buf.h"

#include <tagout/store.h>
#include <stdint.h>

struct tg_weeks_look {
    size_t weeks; /* in force, or so lately that their customers may still hear of them; each host of them was read */
    size_t bad;   /* of these, what can't be understood */
};
/* Appends a line for each that can't be understood. Whatever else keeps it from being read fails. Top level. */
int tg_weeks_look(struct tg_store *store, int64_t now_ms, int64_t wait_ms, struct tg_buf *out, struct tg_weeks_look *look, struct tg_error *e);

#endif
