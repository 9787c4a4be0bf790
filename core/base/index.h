/* Where in somebody's array a text is: an open hash, so that looking for one among very many costs what it costs among few. */
#ifndef TG_BASE_INDEX_H
#define TG_BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_index {
    struct tg_index_slot { uint32_t hash, at; } *slots; /* at: place + 1; 0 is free */
    size_t size, used;                                  /* size: a power of two, at most half full */
};
#define TG_INDEX_INIT {NULL, 0, 0}

/* Is the array's element at this place the one that is looked for? */
typedef bool (*tg_index_same_fn)(const void *array, size_t at, const void *key);

uint32_t tg_index_hash(const char *text);
/* *out_at is written when it is there. */
bool tg_index_find(const struct tg_index *index, uint32_t hash, tg_index_same_fn same, const void *array, const void *key, size_t *out_at);
/* Of one that is not there yet. TG_E_MEMORY, and then nothing has changed. */
int tg_index_add(struct tg_index *index, uint32_t hash, size_t at);
void tg_index_release(struct tg_index *index);

#endif
