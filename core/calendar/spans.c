/* Stretches of time: see spans.h. */
#include "calendar/spans.h"

#include <stdlib.h>
#include <string.h>

void tg_spans_release(struct tg_spans *s)
{
    free(s->list);
    *s = (struct tg_spans) TG_SPANS_INIT;
}

void tg_spans_reset(struct tg_spans *s)
{
    s->n = 0;
}

int tg_spans_add(struct tg_spans *s, int64_t from_ms, int64_t until_ms, struct tg_error *e)
{
    if (until_ms <= from_ms)
        return 0;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        struct tg_span *list = realloc(s->list, cap * sizeof *list);
        if (!list)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        s->list = list;
        s->cap = cap;
    }
    s->list[s->n++] = (struct tg_span) {from_ms, until_ms};
    return 0;
}

static int compare_spans(const void *a, const void *b)
{
    const struct tg_span *x = a, *y = b;

    return (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

void tg_spans_settle(struct tg_spans *s)
{
    size_t n = 0;
    bool sorted = true;

    for (size_t i = 1; sorted && i < s->n; i++)
        sorted = s->list[i - 1].from_ms <= s->list[i].from_ms;
    if (!sorted)
        qsort(s->list, s->n, sizeof *s->list, compare_spans);
    for (size_t i = 0; i < s->n; i++) {
        struct tg_span *last = n ? &s->list[n - 1] : NULL;
        if (!last || s->list[i].from_ms > last->until_ms)
            s->list[n++] = s->list[i];
        else if (s->list[i].until_ms > last->until_ms)
            last->until_ms = s->list[i].until_ms;
    }
    s->n = n;
}

int tg_spans_join(const struct tg_spans *a, const struct tg_spans *b, struct tg_spans *out, struct tg_error *e)
{
    int rc = 0;

    tg_spans_reset(out);
    for (size_t i = 0, k = 0; !rc && (i < a->n || k < b->n);) {
        bool first = k == b->n || (i < a->n && a->list[i].from_ms <= b->list[k].from_ms);
        const struct tg_span *next = first ? &a->list[i++] : &b->list[k++];
        rc = tg_spans_add(out, next->from_ms, next->until_ms, e);
    }
    if (!rc)
        tg_spans_settle(out);
    return rc;
}

int tg_spans_without(const struct tg_spans *a, const struct tg_spans *b, struct tg_spans *out, struct tg_error *e)
{
    size_t k = 0;
    int rc = 0;

    tg_spans_reset(out);
    for (size_t i = 0; !rc && i < a->n; i++) {
        int64_t from = a->list[i].from_ms, until = a->list[i].until_ms;
        while (k < b->n && b->list[k].until_ms <= from)
            k++;
        for (size_t cut = k; !rc && cut < b->n && b->list[cut].from_ms < until; cut++) {
            rc = tg_spans_add(out, from, b->list[cut].from_ms, e);
            if (b->list[cut].until_ms > from)
                from = b->list[cut].until_ms;
        }
        if (!rc)
            rc = tg_spans_add(out, from, until, e);
    }
    return rc;
}

int tg_spans_within(const struct tg_spans *a, int64_t from_ms, int64_t until_ms, struct tg_spans *out, struct tg_error *e)
{
    const struct tg_span *s = tg_spans_from(a, from_ms);
    int rc = 0;

    tg_spans_reset(out);
    for (; !rc && s && s < a->list + a->n && s->from_ms < until_ms; s++)
        rc = tg_spans_add(out, s->from_ms > from_ms ? s->from_ms : from_ms, s->until_ms < until_ms ? s->until_ms : until_ms, e);
    return rc;
}

const struct tg_span *tg_spans_from(const struct tg_spans *s, int64_t t_ms)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->list[middle].until_ms <= t_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->n ? &s->list[low] : NULL;
}

bool tg_spans_hold(const struct tg_spans *s, int64_t t_ms)
{
    const struct tg_span *span = tg_spans_from(s, t_ms);

    return span && span->from_ms <= t_ms;
}

int64_t tg_spans_total_ms(const struct tg_spans *s)
{
    int64_t total = 0;

    for (size_t i = 0; i < s->n; i++)
        total += s->list[i].until_ms - s->list[i].from_ms;
    return total;
}
