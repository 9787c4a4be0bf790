/*
 * The shard of a host: a stable hash of its name, the same on every machine, for ever. docs/shards.md has the definition and
 * test vectors for those who compute it elsewhere (a fact, a Hiera function).
 */
#ifndef TG_FLEET_SHARD_H
#define TG_FLEET_SHARD_H

#include <stdint.h>

#define TG_SHARDS 100         /* unless a site says otherwise */
#define TG_SHARDS_MAX 1000000

/* The 64-bit hash of a name, letters taken as lower case: FNV-1a, then the finaliser of MurmurHash3 (FNV alone spreads names that
 * differ only in their last digit badly over a small number of shards). */
uint64_t tg_shard_hash(const char *name);
/* 0 … shards-1: the hash scaled by multiplication, ⌊hash × shards / 2⁶⁴⌋. Host h of shard s of 100 is in shard ⌊s / 10⌋ of 10: a
 * phase of 10 % holds the same hosts whichever way it is counted. */
uint32_t tg_shard_of(const char *name, uint32_t shards);

#endif
