/* The windows that hosts of a run wait for: as JSON, and whose never come. */
#ifndef TG_CLI_RUN_WINDOWS_H
#define TG_CLI_RUN_WINDOWS_H

#include "base/buf.h"
#include "engine/run.h"

#include <jansson.h>

#define TG_WINDOWS_LISTED 20

/*
 * {"waiting": 40, "windows": 3, "never": 2, "untold": 0, "next": "2026-11-30T22:00:00Z", "list": […]}: how many hosts wait for how many windows, of how many hosts none is
 * known to come, of how many nobody can tell, and the next that opens. list: the first so many of the windows, by their number; 0: no list. New reference.
 */
json_t *tg_run_windows_json(const struct tg_run *run, size_t listed);
/* Into the object of a host that waits for a window that is closed. */
void tg_run_window_host_json(const struct tg_run *run, size_t host, json_t *o);
/* "; web3.example.com … (2 hosts) have none that is known to come: …", with the command that goes on without them; nothing when all have. */
void tg_run_windows_never(const struct tg_run *run, const char *id, struct tg_buf *out);
/* The windows that are not known to open, for whose sake hosts wait, at most max of them. *out_hosts: how many of theirs do. */
size_t tg_run_windows_list_never(const struct tg_run *run, uint32_t *out, size_t max, size_t *out_hosts);

#endif
