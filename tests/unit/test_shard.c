/* Shards: the published vectors hold for ever, and the spread is good. */
#include "fleet/shard.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* docs/shards.md, between its ``` lines: "name hash shard-of-100 shard-of-10 shard-of-1000". The page is the contract. */
Test(shard, published_vectors_hold)
{
    char path[4096], line[512], name[300];
    unsigned long long hash;
    unsigned of100, of10, of1000, n = 0;
    bool inside = false;

    snprintf(path, sizeof path, "%s/docs/shards.md", getenv("TAGOUT_SOURCE"));
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "```", 3) == 0)
            inside = strncmp(line, "```vectors", 10) == 0;
        if (!inside || sscanf(line, "%299s %llx %u %u %u", name, &hash, &of100, &of10, &of1000) != 5)
            continue;
        cr_assert_eq(tg_shard_hash(name), hash, "%s", name);
        cr_assert_eq(tg_shard_of(name, TG_SHARDS), of100, "%s", name);
        cr_assert_eq(tg_shard_of(name, 10), of10, "%s", name);
        cr_assert_eq(tg_shard_of(name, 1000), of1000, "%s", name);
        n++;
    }
    fclose(f);
    cr_assert_geq(n, 20);
}

Test(shard, ignores_case)
{
    cr_assert_eq(tg_shard_hash("WEB001.Example.com"), tg_shard_hash("web001.example.com"));
}

Test(shard, a_tenth_of_a_hundred_is_a_tenth)
{
    char name[64];

    for (unsigned i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "web%u.example.com", i);
        cr_assert_eq(tg_shard_of(name, 100) / 10, tg_shard_of(name, 10));
        cr_assert_eq(tg_shard_of(name, TG_SHARDS_MAX) / 10000, tg_shard_of(name, 100));
        cr_assert_eq(tg_shard_of(name, 1), 0);
    }
}

/* Chi-square over 100 shards, 99 degrees of freedom: 99.99 % of fair hashes stay below 161. */
static double chi_square(const char *format, unsigned hosts)
{
    unsigned count[100] = {0};
    double expected = hosts / 100.0, sum = 0;
    char name[64];

    for (unsigned i = 0; i < hosts; i++) {
        snprintf(name, sizeof name, "%s%04u.example.com", format, i);
        count[tg_shard_of(name, 100)]++;
    }
    for (int s = 0; s < 100; s++)
        sum += (count[s] - expected) * (count[s] - expected) / expected;
    return sum;
}

Test(shard, neighbours_spread_evenly)
{
    static const char *const prefixes[] = {"web", "db", "r1n", "a", "ip-10-0-0-"};

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        cr_assert_lt(chi_square(prefixes[i], 10000), 161, "%s: %f", prefixes[i], chi_square(prefixes[i], 10000));
}
