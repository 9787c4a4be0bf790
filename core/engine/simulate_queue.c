/* What happens next in a simulation: heaps by time, of equal times in the order of adding. See simulate.h. */
#include "engine/simulate_internal.h"

#include <stdlib.h>

static bool before(const struct tg_sim_item *a, const struct tg_sim_item *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

void tg_sim_push(struct tg_simulation *s, struct tg_sim_item item)
{
    struct tg_sim_heap *h = &s->heaps[item.what == TG_SIM_MOVES || item.what == TG_SIM_FLIPS];

    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 256;
        struct tg_sim_item *items = realloc(h->items, cap * sizeof *items);
        if (!items) {
            s->out_of_memory = true;
            return;
        }
        h->items = items;
        h->cap = cap;
    }
    item.number = s->numbers++;
    item.life = s->life;
    size_t at = h->n++;
    for (; at > 0 && before(&item, &h->items[(at - 1) / 2]); at = (at - 1) / 2)
        h->items[at] = h->items[(at - 1) / 2];
    h->items[at] = item;
}

/* NULL: nothing happens any more. */
static const struct tg_sim_heap *next_heap(const struct tg_simulation *s)
{
    const struct tg_sim_heap *a = &s->heaps[0], *b = &s->heaps[1];

    if (!a->n || !b->n)
        return a->n ? a : b->n ? b : NULL;
    return before(&a->items[0], &b->items[0]) ? a : b;
}

int64_t tg_sim_next_ms(const struct tg_simulation *s)
{
    const struct tg_sim_heap *h = next_heap(s);

    return h ? h->items[0].at_ms : INT64_MAX;
}

struct tg_sim_item tg_sim_pop(struct tg_simulation *s)
{
    struct tg_sim_heap *h = &s->heaps[next_heap(s) == &s->heaps[1]];
    struct tg_sim_item first = h->items[0], last = h->items[--h->n];
    size_t at = 0;

    for (size_t child; (child = at * 2 + 1) < h->n; at = child) {
        if (child + 1 < h->n && before(&h->items[child + 1], &h->items[child]))
            child++;
        if (!before(&h->items[child], &last))
            break;
        h->items[at] = h->items[child];
    }
    h->items[at] = last;
    return first;
}
