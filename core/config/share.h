/* A part of a fleet, as people write it: "12" hosts or "30%" of them. */
#ifndef TG_CONFIG_SHARE_H
#define TG_CONFIG_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number of hosts, or a share of them in thousandths of a percent (30 % = 30000), so that nothing is rounded twice. */
enum tg_share_kind { TG_SHARE_UNSET, TG_SHARE_COUNT, TG_SHARE_PERCENT };
struct tg_share {
    enum tg_share_kind kind;
    int64_t value;
};

/* How many of total: a percentage is rounded up (1 % of 10 hosts is 1 host), at most total; UNSET gives -1. */
int64_t tg_share_of(const struct tg_share *share, int64_t total);
/* The most that still is within the share: a percentage is rounded down (2 % of 412 are 8), a count stays as it is; UNSET gives -1. */
int64_t tg_share_within(const struct tg_share *share, int64_t total);
/* "30%", "0.5%" (at most three decimals, at most 100%), "12" (at most nine digits); false and *out untouched for anything else. */
bool tg_share_parse(const char *text, struct tg_share *out);
/* Back to text, "" for UNSET. size ≥ 32. */
void tg_share_format(const struct tg_share *share, char *out, size_t size);

#endif
