/* The shard of a host: see shard.h. Do not change a constant: every host of every site would move. */
#include "fleet/shard.h"

uint64_t tg_shard_hash(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a's offset basis and prime */

    for (; *name; name++) {
        unsigned char c = (unsigned char) *name;
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char) (c - 'A' + 'a');
        h = (h ^ c) * 0x100000001b3u;
    }
    h ^= h >> 33; /* MurmurHash3's fmix64 */
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53u;
    h ^= h >> 33;
    return h;
}

uint32_t tg_shard_of(const char *name, uint32_t shards)
{
    uint64_t h = tg_shard_hash(name);
    uint64_t low = (h & 0xffffffffu) * shards, high = (h >> 32) * shards; /* the upper word of a 64 × 32 bit product */

    return (uint32_t) ((high + (low >> 32)) >> 32);
}
