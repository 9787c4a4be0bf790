/* An open hash of places: see index.h. */
#include "base/index.h"

#include <tagout/error.h>

#include <stdlib.h>

uint32_t tg_index_hash(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *text; text++)
        hash = (hash ^ (unsigned char) *text) * 16777619u;
    return hash;
}

bool tg_index_find(const struct tg_index *index, uint32_t hash, tg_index_same_fn same, const void *array, const void *key, size_t *out_at)
{
    const size_t mask = index->size - 1;

    if (!index->size)
        return false;
    for (size_t i = hash & mask; index->slots[i].at; i = (i + 1) & mask)
        if (index->slots[i].hash == hash && same(array, index->slots[i].at - 1, key)) {
            *out_at = index->slots[i].at - 1;
            return true;
        }
    return false;
}

static void put(struct tg_index *index, struct tg_index_slot slot)
{
    size_t i = slot.hash & (index->size - 1);

    while (index->slots[i].at)
        i = (i + 1) & (index->size - 1);
    index->slots[i] = slot;
    index->used++;
}

static int grow(struct tg_index *index)
{
    struct tg_index larger = {.size = index->size ? 2 * index->size : 64};

    if (!(larger.slots = calloc(larger.size, sizeof *larger.slots)))
        return TG_E_MEMORY;
    for (size_t i = 0; i < index->size; i++)
        if (index->slots[i].at)
            put(&larger, index->slots[i]);
    free(index->slots);
    *index = larger;
    return 0;
}

int tg_index_add(struct tg_index *index, uint32_t hash, size_t at)
{
    if (at >= UINT32_MAX || (2 * (index->used + 1) > index->size && grow(index) != 0))
        return TG_E_MEMORY;
    put(index, (struct tg_index_slot) {.hash = hash, .at = (uint32_t) at + 1});
    return 0;
}

void tg_index_release(struct tg_index *index)
{
    free(index->slots);
    *index = (struct tg_index) TG_INDEX_INIT;
}
