/* What holds back the next host of a run, in words. */
#ifndef TG_CLI_RUN_BRAKES_H
#define TG_CLI_RUN_BRAKES_H

#include "base/buf.h"
#include "engine/run.h"

#include <jansson.h>

/* "limits.running (50 at work) · rate (the next in 3s)"; nothing when nothing does. */
void tg_run_brakes_text(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out);
/* The domains that keep somebody waiting, the first twenty: [{"domain": "rack r1", "at_most": 1, "down": 1, "of_others": 0, "gone": 1, "who": "db1", "waiting": 2}]. New reference. */
json_t *tg_run_full_json(const struct tg_run *run);
/* ["running", "rate"]: new reference. */
json_t *tg_run_brakes_json(const struct tg_run *run, int64_t now_ms);

#endif
