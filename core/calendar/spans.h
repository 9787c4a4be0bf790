/* Stretches of time: sorted, apart from each other (they neither overlap nor touch), half-open: from ≤ t < until. Unix milliseconds. Pure. */
#ifndef TG_CALENDAR_SPANS_H
#define TG_CALENDAR_SPANS_H

#include <tagout/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_span {
    int64_t from_ms, until_ms;
};

/* Embedded in its owner. add() may be called in any order; every other function wants what tg_spans_settle() leaves. */
struct tg_spans {
    struct tg_span *list;
    size_t n, cap;
};
#define TG_SPANS_INIT {0}

void tg_spans_release(struct tg_spans *s);
/* Empties it and keeps the memory. */
void tg_spans_reset(struct tg_spans *s);
/* Nothing is added when until ≤ from. TG_E_MEMORY. */
int tg_spans_add(struct tg_spans *s, int64_t from_ms, int64_t until_ms, struct tg_error *e);
/* Sorts, and joins what overlaps or touches. */
void tg_spans_settle(struct tg_spans *s);
/* out = a ∪ b, a − b, what of a lies within [from, until). out is none of them; it is replaced. TG_E_MEMORY. */
int tg_spans_join(const struct tg_spans *a, const struct tg_spans *b, struct tg_spans *out, struct tg_error *e);
int tg_spans_without(const struct tg_spans *a, const struct tg_spans *b, struct tg_spans *out, struct tg_error *e);
int tg_spans_within(const struct tg_spans *a, int64_t from_ms, int64_t until_ms, struct tg_spans *out, struct tg_error *e);
/* The first that ends after t: the one that holds t, or the next; NULL behind the last. O(log n). */
const struct tg_span *tg_spans_from(const struct tg_spans *s, int64_t t_ms);
bool tg_spans_hold(const struct tg_spans *s, int64_t t_ms);
int64_t tg_spans_total_ms(const struct tg_spans *s);

#endif
