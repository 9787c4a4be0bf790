/* Who a changed host is compared with: hosts of the same run that are not changed yet. Pure. */
#ifndef TG_ENGINE_COMPARE_H
#define TG_ENGINE_COMPARE_H

#include "base/buf.h"
#include "engine/run.h"

#define TG_COMPARE_MAX 20         /* hosts: enough for a mean that one of them can't turn */
#define TG_COMPARE_BYTES_MAX 1500 /* of their names: a query must fit in a URL */

/*
 * Hosts that wait to be changed, the last in the plan's order first (they wait longest), at most max; how many. Costs no more than to pass those of
 * their stage that begin after them and have begun already.
 */
size_t tg_compare_hosts(const struct tg_run *run, size_t *out, size_t max);
/* Puts "a[.]example[.]com|b[.]example[.]com": a regular expression for a query, in any quotes. How many hosts it names. */
size_t tg_compare_names(const struct tg_run *run, struct tg_buf *out);
/* Does this check need them? */
bool tg_compare_is_wanted(const struct tg_verify *verify);

#endif
