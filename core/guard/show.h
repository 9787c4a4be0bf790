/* What is known of locks, as the JSON that commands print and the agent's socket answers. Each value is new: json_decref(). */
#ifndef TG_GUARD_SHOW_H
#define TG_GUARD_SHOW_H

#include "guard/check.h"

#include <jansson.h>

json_t *tg_scopes_json(const struct tg_scopes *scopes);
/* "2026-11-22T17:20:00Z" as a JSON string. */
json_t *tg_time_json(int64_t wall_ms);
json_t *tg_lock_json(const struct tg_lock *lock, int64_t now_ms);
/* The answer of `tagout check -o json`. scopes: those that were asked for. */
json_t *tg_verdict_json(const struct tg_guard_verdict *verdict, const struct tg_scopes *scopes, const char *actor, int64_t now_ms);

#endif
