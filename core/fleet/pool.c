/* Strings that live together: see pool.h. */
#include "fleet/pool.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 65536

struct tg_pool_block {
    struct tg_pool_block *next;
    size_t used, size;
    char text[];
};

void tg_pool_release(struct tg_pool *pool)
{
    while (pool->blocks) {
        struct tg_pool_block *b = pool->blocks;
        pool->blocks = b->next;
        free(b);
    }
    free(pool->table);
    *pool = (struct tg_pool) TG_POOL_INIT;
}

const char *tg_pool_copy(struct tg_pool *pool, const char *text, size_t len)
{
    struct tg_pool_block *b = pool->blocks;

    if (!b || b->size - b->used < len + 1) {
        size_t size = len + 1 > BLOCK_SIZE ? len + 1 : BLOCK_SIZE;
        b = malloc(sizeof *b + size);
        if (!b)
            return NULL;
        b->next = pool->blocks;
        b->used = 0;
        b->size = size;
        pool->blocks = b;
    }
    char *copy = b->text + b->used;
    memcpy(copy, text, len);
    copy[len] = '\0';
    b->used += len + 1;
    return copy;
}

size_t tg_pool_hash(const char *text, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char) text[i]) * 0x100000001b3u;
    return (size_t) (h ^ h >> 32);
}

static int grow(struct tg_pool *pool)
{
    size_t cap = pool->cap ? pool->cap * 2 : 64;
    const char **table = calloc(cap, sizeof *table);

    if (!table)
        return -1;
    for (size_t i = 0; i < pool->cap; i++) {
        if (!pool->table[i])
            continue;
        size_t at = tg_pool_hash(pool->table[i], strlen(pool->table[i])) & (cap - 1);
        while (table[at])
            at = (at + 1) & (cap - 1);
        table[at] = pool->table[i];
    }
    free(pool->table);
    pool->table = table;
    pool->cap = cap;
    return 0;
}

const char *tg_pool_intern(struct tg_pool *pool, const char *text, size_t len)
{
    if (pool->n * 2 >= pool->cap && grow(pool))
        return NULL;
    size_t at = tg_pool_hash(text, len) & (pool->cap - 1);
    for (; pool->table[at]; at = (at + 1) & (pool->cap - 1))
        if (strncmp(pool->table[at], text, len) == 0 && !pool->table[at][len])
            return pool->table[at];
    pool->table[at] = tg_pool_copy(pool, text, len);
    pool->n += pool->table[at] != NULL;
    return pool->table[at];
}
