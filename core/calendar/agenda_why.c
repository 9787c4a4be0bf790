/* Which windows and blackouts decide: see agenda.h. */
#include "calendar/agenda_internal.h"

#include <stdlib.h>

static const int reaches[] = {8, 40, 401, 3660};
#define N_REACHES (sizeof reaches / sizeof reaches[0])

/* The occurrence of a rule that holds at t (the one that ends last), or the next. */
static int look(const struct tg_rule *rule, int64_t t_ms, int64_t until_ms, struct tg_spans *scratch, struct tg_reason *out, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < rule->n_when; i++) {
        tg_spans_reset(scratch);
        rc = tg_when_spans(&rule->when[i], rule->kind, t_ms, until_ms, scratch, e);
        for (size_t k = 0; !rc && k < scratch->n; k++) {
            const struct tg_span *s = &scratch->list[k];
            bool holds = s->from_ms <= t_ms;
            bool better = !out->when || (holds && !out->holds) || (holds == out->holds && (holds ? s->until_ms > out->span.until_ms : s->from_ms < out->span.from_ms));
            if (better && (holds || !out->holds))
                *out = (struct tg_reason) {rule, &rule->when[i], holds, *s};
        }
    }
    return rc;
}

int tg_agenda_why(struct tg_agenda *a, uint32_t class_, int64_t t_ms, struct tg_reason **out, size_t *out_n, struct tg_error *e)
{
    const struct tg_agenda_class *c = &a->classes[class_];
    size_t n = c->n_windows + c->n_blackouts;
    int rc = 0;

    if (t_ms < 0 || t_ms >= TG_CALENDAR_LAST_MS)
        return tg_fail(e, TG_E_DATA, "the time asked about is not within 1970 and 2199");
    struct tg_reason *list = calloc(n + 1, sizeof *list);
    if (!list)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < n; i++) {
        list[i].rule = c->pointers[i];
        for (size_t k = 0; !rc && k < N_REACHES && !list[i].when; k++)
            rc = look(c->pointers[i], t_ms, t_ms + reaches[k] * TG_DAY_MS, &a->part, &list[i], e);
    }
    if (rc) {
        free(list);
        return rc;
    }
    *out = list;
    *out_n = n;
    return 0;
}
