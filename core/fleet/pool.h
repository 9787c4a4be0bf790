/* Memory for the many short strings of an inventory: they are never freed one by one. */
#ifndef TG_FLEET_POOL_H
#define TG_FLEET_POOL_H

#include <stddef.h>
#include <stdint.h>

struct tg_pool_block;
struct tg_pool {
    struct tg_pool_block *blocks;
    const char **table; /* interned strings, by hash */
    size_t n, cap;
};
#define TG_POOL_INIT {0}

void tg_pool_release(struct tg_pool *pool);
/* A NUL-terminated copy that lives as long as the pool; NULL when memory is short. */
const char *tg_pool_copy(struct tg_pool *pool, const char *text, size_t len);
/* The same, and equal texts get the same pointer. */
const char *tg_pool_intern(struct tg_pool *pool, const char *text, size_t len);
/* FNV-1a, for our own tables. */
size_t tg_pool_hash(const char *text, size_t len);

#endif
