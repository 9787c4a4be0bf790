/* Requests that are held for a person, for those who look at night: status and doctor. */
#ifndef TG_CLI_REQUESTS_HELD_H
#define TG_CLI_REQUESTS_HELD_H

#include "base/buf.h"
#include "guard/check.h"

#include <jansson.h>

/*
 * Appends two lines for each, up to a dozen: who, why, since when, and the command; and what is wrong with the lists of them. *out_n: how many hosts there are. *out_lists: 0,
 * or a list is damaged (TG_E_DATA) or a newer tagout's (TG_E_UNKNOWN). TG_E_UNKNOWN: of some hosts it is not known. Top level.
 */
int tg_requests_held_lines(struct tg_guard *guard, int64_t now_ms, struct tg_buf *out, size_t *out_n, int *out_lists, struct tg_error *e);
/* The same, all of them, into a list: each as tagout request list has it, with "lock" and "began". */
int tg_requests_held_json(struct tg_guard *guard, int64_t now_ms, json_t *list, struct tg_error *e);

#endif
