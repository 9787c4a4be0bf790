/* Asking an agenda: when may whom be disturbed. Occurrences are expanded as far as an answer needs, and kept. See agenda.h. */
#include "calendar/agenda_internal.h"

#include <stdlib.h>
#include <string.h>

/* How far is looked for an answer, in days: most lie within the first. What lies beyond KEEP is not kept. */
static const int reaches[] = {8, 40, 401, 1500, 3660};
#define N_REACHES (sizeof reaches / sizeof reaches[0])
#define KEEP_DAYS 401
#define EVER_MS (INT64_C(366) * TG_DAY_MS)
/* The longest cut-off: nearer to where an expansion ends, what may start is not known. */
#define CUT_OFF_MAX_MS TG_DAY_MS

static int check_time(int64_t t_ms, struct tg_error *e)
{
    if (t_ms >= 0 && t_ms < TG_CALENDAR_LAST_MS)
        return 0;
    tg_fail(e, TG_E_DATA, "the time asked about is not within 1970 and 2199");
    return tg_error_hint(e, "look at this machine's clock: date"), TG_E_DATA;
}

/* A rule's occurrences that touch [from, until), added to out. */
static int add_rule(struct tg_agenda_rule *r, int64_t from_ms, int64_t until_ms, struct tg_spans *out, struct tg_error *e)
{
    struct tg_agenda_cache *c = &r->cache;
    bool keep = until_ms - from_ms <= KEEP_DAYS * TG_DAY_MS;
    int rc = 0;

    if (!keep) {
        for (size_t i = 0; !rc && i < r->rule->n_when; i++)
            rc = tg_when_spans(&r->rule->when[i], r->rule->kind, from_ms, until_ms, out, e);
        return rc;
    }
    if (from_ms < c->from_ms || until_ms > c->until_ms) {
        c->from_ms = c->until_ms = 0;
        tg_spans_reset(&c->open);
        for (size_t i = 0; !rc && i < r->rule->n_when; i++)
            rc = tg_when_spans(&r->rule->when[i], r->rule->kind, from_ms, until_ms, &c->open, e);
        if (rc)
            return rc;
        tg_spans_settle(&c->open);
        c->from_ms = from_ms;
        c->until_ms = until_ms;
    }
    const struct tg_span *s = tg_spans_from(&c->open, from_ms), *end = s ? c->open.list + c->open.n : NULL;
    for (; !rc && s && s < end && s->from_ms < until_ms; s++)
        rc = tg_spans_add(out, s->from_ms, s->until_ms, e);
    return rc;
}

/* Windows of a class, all of them or those of one cut-off (-1: all), settled. */
static int add_windows(struct tg_agenda *a, const struct tg_agenda_class *c, int64_t cut_off_ms, int64_t from_ms, int64_t until_ms, struct tg_spans *out,
                       struct tg_error *e)
{
    int rc = 0;

    tg_spans_reset(out);
    if (c->n_windows == c->n_booked && a->default_open && (cut_off_ms < 0 || cut_off_ms == a->cut_off_ms))
        return tg_spans_add(out, from_ms, until_ms, e);
    for (size_t i = 0; !rc && i < c->n_windows; i++)
        if (cut_off_ms < 0 || c->pointers[i]->cut_off_ms == cut_off_ms)
            rc = add_rule(&a->rules[c->rules[i]], from_ms, until_ms, out, e);
    tg_spans_settle(out);
    return rc;
}

/* Of what windows of one cut-off leave (in rest), what lies before the cut-off of the stretch that it belongs to. */
static int add_starts(struct tg_agenda_class *c, const struct tg_spans *rest, int64_t cut_off_ms, int64_t until_ms, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < rest->n; i++) {
        const struct tg_span *open = tg_spans_from(&c->cache.open, rest->list[i].from_ms);
        int64_t last = open->until_ms < until_ms ? open->until_ms - cut_off_ms : until_ms; /* where it ends is not known: no cut */
        rc = tg_spans_add(&c->cache.start, rest->list[i].from_ms, rest->list[i].until_ms < last ? rest->list[i].until_ms : last, e);
    }
    return rc;
}

/* The cut-offs that its windows have, each once: the next greater than one. -1 when there is none. */
static int64_t next_cut_off(const struct tg_agenda *a, const struct tg_agenda_class *c, int64_t after_ms)
{
    int64_t next = -1;

    if (!c->n_windows)
        return a->cut_off_ms > after_ms ? a->cut_off_ms : -1;
    for (size_t i = 0; i < c->n_windows; i++) {
        int64_t ms = c->pointers[i]->cut_off_ms;
        if (ms > after_ms && (next < 0 || ms < next))
            next = ms;
    }
    return next;
}

static int expand(struct tg_agenda *a, struct tg_agenda_class *c, int64_t from_ms, int64_t until_ms, struct tg_error *e)
{
    int rc = 0;

    tg_spans_reset(&a->blackouts);
    for (size_t i = 0; !rc && i < c->n_blackouts; i++)
        rc = add_rule(&a->rules[c->rules[c->n_windows + i]], from_ms, until_ms, &a->blackouts, e);
    tg_spans_settle(&a->blackouts);
    if (rc || (rc = add_windows(a, c, -1, from_ms, until_ms, &a->windows, e)) || (rc = tg_spans_without(&a->windows, &a->blackouts, &a->part, e)) ||
        (rc = tg_spans_within(&a->part, from_ms, until_ms, &c->cache.open, e)))
        return rc;
    tg_spans_reset(&c->cache.start);
    for (int64_t cut = next_cut_off(a, c, -1); !rc && cut >= 0; cut = next_cut_off(a, c, cut)) {
        if ((rc = add_windows(a, c, cut, from_ms, until_ms, &a->windows, e)) || (rc = tg_spans_without(&a->windows, &a->blackouts, &a->part, e)) ||
            (rc = tg_spans_within(&a->part, from_ms, until_ms, &a->rest, e)))
            return rc;
        rc = add_starts(c, &a->rest, cut, until_ms, e);
    }
    tg_spans_settle(&c->cache.start);
    return rc;
}

int tg_agenda_cover(struct tg_agenda *a, struct tg_agenda_class *c, int64_t from_ms, int64_t until_ms, struct tg_error *e)
{
    if (c->cache.from_ms <= from_ms && until_ms <= c->cache.until_ms)
        return 0;
    c->cache.from_ms = c->cache.until_ms = 0;
    int rc = expand(a, c, from_ms, until_ms, e);
    if (rc)
        return rc;
    c->cache.from_ms = from_ms;
    c->cache.until_ms = until_ms;
    return 0;
}

/* Covers so many days from the day of t on: the same stretch all day long. */
static int reach(struct tg_agenda *a, struct tg_agenda_class *c, int64_t t_ms, int days, struct tg_error *e)
{
    int64_t day = t_ms - t_ms % TG_DAY_MS;

    return tg_agenda_cover(a, c, day, day + (days + 1) * TG_DAY_MS, e);
}

/* The stretch that holds t, or the next; with an end that is one. A stretch that reaches the end of what is known has none. */
static bool known_end(const struct tg_agenda_class *c, const struct tg_span *open)
{
    return open->until_ms < c->cache.until_ms;
}

/* What is known is enough to answer about t; fills in out. */
static bool answer(const struct tg_agenda_class *c, int64_t t_ms, bool last, enum tg_agenda_want want, struct tg_allowed *out)
{
    const struct tg_span *open = tg_spans_from(&c->cache.open, t_ms), *start = tg_spans_from(&c->cache.start, t_ms);
    struct tg_allowed r = {.next_start_ms = TG_CALENDAR_NEVER};

    r.open = open && open->from_ms <= t_ms;
    if (r.open) {
        bool far = !known_end(c, open);
        if (far && !last && c->cache.until_ms - t_ms < EVER_MS)
            return false;
        r.open_until_ms = far || open->until_ms - t_ms >= EVER_MS ? TG_CALENDAR_EVER : open->until_ms;
    }
    r.may_start = start && start->from_ms <= t_ms;
    if (r.may_start) {
        r.start_until_ms = start->until_ms >= c->cache.until_ms || start->until_ms - t_ms >= EVER_MS ? TG_CALENDAR_EVER : start->until_ms;
        r.next_start_ms = t_ms;
    } else if (want == TG_AGENDA_AND_NEXT && start && start->from_ms < c->cache.until_ms - CUT_OFF_MAX_MS) {
        r.next_start_ms = start->from_ms;
    } else if (want == TG_AGENDA_AND_NEXT && !last) {
        return false;
    }
    *out = r;
    return true;
}

static int ask(struct tg_agenda *a, struct tg_agenda_class *c, int64_t t_ms, enum tg_agenda_want want, struct tg_allowed *out, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; i < N_REACHES; i++) {
        if ((rc = reach(a, c, t_ms, reaches[i], e)))
            return rc;
        if (answer(c, t_ms, i + 1 == N_REACHES, want, out))
            return 0;
    }
    return rc;
}

int tg_agenda_at(struct tg_agenda *a, uint32_t class_, int64_t t_ms, struct tg_allowed *out, struct tg_error *e)
{
    int rc = check_time(t_ms, e);

    return rc ? rc : ask(a, &a->classes[class_], t_ms, TG_AGENDA_AND_NEXT, out, e);
}

int tg_agenda_all_at(struct tg_agenda *a, int64_t t_ms, enum tg_agenda_want want, struct tg_allowed *out, struct tg_error *e)
{
    int rc = check_time(t_ms, e);

    for (size_t i = 0; !rc && i < a->n_classes; i++)
        rc = ask(a, &a->classes[i], t_ms, want, &out[i], e);
    return rc;
}

/* The first start ≥ t in what is known from which it fits. false: not known yet. */
static bool fit(const struct tg_agenda_class *c, int64_t t_ms, int64_t need_ms, bool last, struct tg_fit *out)
{
    const struct tg_span *s = tg_spans_from(&c->cache.start, t_ms), *end = s ? c->cache.start.list + c->cache.start.n : NULL;

    *out = (struct tg_fit) {.start_ms = TG_CALENDAR_NEVER};
    for (; s && s < end; s++) {
        int64_t at = s->from_ms > t_ms ? s->from_ms : t_ms;
        const struct tg_span *open = tg_spans_from(&c->cache.open, at);
        bool far = !known_end(c, open);
        if (far && !last && c->cache.until_ms - at < need_ms + CUT_OFF_MAX_MS + EVER_MS)
            return false;
        if (open->until_ms - at < need_ms) {
            if (open->until_ms - at > out->longest_ms) {
                out->longest_ms = open->until_ms - at;
                out->longest_from_ms = at;
            }
            continue;
        }
        bool ever = far || open->until_ms - at >= EVER_MS;
        int64_t latest = open->until_ms - need_ms < s->until_ms - 1 ? open->until_ms - need_ms : s->until_ms - 1;
        *out = (struct tg_fit) {.now = at == t_ms, .start_ms = at, .latest_ms = ever ? TG_CALENDAR_EVER : latest,
                                .until_ms = ever ? TG_CALENDAR_EVER : open->until_ms};
        return true;
    }
    return last;
}

int tg_agenda_fits(struct tg_agenda *a, uint32_t class_, int64_t t_ms, int64_t need_ms, struct tg_fit *out, struct tg_error *e)
{
    struct tg_agenda_class *c = &a->classes[class_];
    int rc = check_time(t_ms, e);

    if (!rc && (need_ms < 0 || need_ms > TG_CALENDAR_AHEAD_MS))
        return tg_fail(e, TG_E_DATA, "what is needed is more than ten years");
    for (size_t i = 0; !rc && i < N_REACHES; i++) {
        if (!(rc = reach(a, c, t_ms, reaches[i], e)) && fit(c, t_ms, need_ms, i + 1 == N_REACHES, out))
            return 0;
    }
    return rc;
}

int tg_agenda_spans(struct tg_agenda *a, uint32_t class_, int64_t from_ms, int64_t until_ms, struct tg_spans *out_open, struct tg_spans *out_start,
                    struct tg_error *e)
{
    struct tg_agenda_class *c = &a->classes[class_];
    int rc = check_time(from_ms, e);

    if (!rc)
        rc = check_time(until_ms, e);
    /* Some more, so that cut-offs know where stretches end. */
    if (!rc)
        rc = tg_agenda_cover(a, c, from_ms - from_ms % TG_DAY_MS, until_ms + reaches[0] * TG_DAY_MS, e);
    if (!rc && out_open)
        rc = tg_spans_within(&c->cache.open, from_ms, until_ms, out_open, e);
    if (!rc && out_start)
        rc = tg_spans_within(&c->cache.start, from_ms, until_ms, out_start, e);
    return rc;
}

int tg_agenda_blackouts(struct tg_agenda *a, uint32_t class_, int64_t from_ms, int64_t until_ms, struct tg_spans *out, struct tg_error *e)
{
    const struct tg_agenda_class *c = &a->classes[class_];
    int rc = check_time(from_ms, e);

    tg_spans_reset(&a->part);
    for (size_t i = 0; !rc && i < c->n_blackouts; i++)
        rc = add_rule(&a->rules[c->rules[c->n_windows + i]], from_ms, until_ms, &a->part, e);
    tg_spans_settle(&a->part);
    return rc ? rc : tg_spans_within(&a->part, from_ms, until_ms, out, e);
}
