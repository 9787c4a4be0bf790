/* An announcement with made-up hosts, to try templates and servers. */
#ifndef TG_CLI_ANNOUNCE_SAMPLE_H
#define TG_CLI_ANNOUNCE_SAMPLE_H

#include "calendar/announce_thread.h"

/* Of that kind, to that address. *out is the caller's. */
int tg_announce_sample(enum tg_announce_kind kind, const char *to, int64_t now_ms, struct tg_thread **out, struct tg_error *e);

#endif
