/*
 * How the slots of booked maintenance weeks go, said to the book (calendar/book_marks.h), so that customers can be told: whom this run is to work on, who has begun,
 * how it ended. All of it follows from the run as its journal has it: a driver that dies before it has said something leaves it to the next one, and what is said
 * twice changes nothing. Some seconds' worth of hosts go in one transaction. A store that does not take it keeps nobody from working: it is said later.
 */
#include "engine/ports_internal.h"

#include "calendar/book_marks.h"

#include <tagout/clock.h>
#include <tagout/log.h>

#include <stdlib.h>
#include <string.h>

#define LOOK_MS 5000
#define AGAIN_MS 30000
#define WAIT_MS 10000

/* A word for a week, by where it stands in the site's list. */
struct said {
    struct tg_mark_word word;
    size_t host, week;
};

int tg_ports_open_slots(struct tg_ports *p, struct tg_error *e)
{
    if (!p->o.plan->n_windows)
        return 0;
    p->slots.told = calloc(p->o.plan->n_hosts + 1, sizeof *p->slots.told);
    return p->slots.told ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* Its index in the week; TG_WEEK_NONE: it has no slot there. */
static uint32_t index_of(const struct tg_week *w, const char *host)
{
    size_t from = 0, until = w->names.n;

    while (from < until) {
        size_t middle = from + (until - from) / 2;
        int order = tg_name_compare(tg_hostlist_get(&w->names, middle), host);
        if (order == 0)
            return (uint32_t) middle;
        from = order < 0 ? middle + 1 : from;
        until = order < 0 ? until : middle;
    }
    return TG_WEEK_NONE;
}

/* Whose begin this run has said already: a driver before this one has, and what became of it is not known by the state alone. */
static int recall(struct tg_ports *p, const struct tg_week *week, const struct tg_booked *booked, struct tg_error *e)
{
    struct tg_marks marks;
    int rc = tg_marks_read(p->o.journal->store, booked, week, p->o.journal->id, WAIT_MS, &marks, e);

    for (size_t i = 0; !rc && marks.version >= 0 && i < p->o.plan->n_hosts; i++) {
        uint32_t at = index_of(week, p->o.plan->hosts[i].name);
        if (at != TG_WEEK_NONE && marks.v[at].state == TG_MARK_BEGUN)
            p->slots.told[i] = TG_MARK_BEGUN;
    }
    if (!rc)
        tg_marks_release(&marks);
    return rc;
}

void tg_ports_slots_anew(struct tg_ports *p)
{
    const struct tg_week *const *weeks;
    const struct tg_booked *booked;

    if (!p->slots.told)
        return;
    p->slots.any = p->slots.recall = tg_site_agenda_weeks(p->o.calendar, &weeks, &booked) > 0;
    memset(p->slots.told, TG_MARK_NONE, p->o.plan->n_hosts);
    p->slots.look_ms = 0;
}

/* Before anything is said: who was begun by the driver before, and is not reached by this one, would else count as never begun. */
static int recall_all(struct tg_ports *p, struct tg_error *e)
{
    const struct tg_week *const *weeks;
    const struct tg_booked *booked;
    size_t n = tg_site_agenda_weeks(p->o.calendar, &weeks, &booked);
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++)
        rc = recall(p, weeks[i], &booked[i], e);
    p->slots.recall = rc != 0;
    return rc;
}

/* ---- what is true of a host ---- */

/* What a host's state says. NONE: it is not begun, as of all that are not listed. */
static const enum tg_mark_state says[TG_HOST_STATES] = {
    [TG_HOST_APPLYING] = TG_MARK_BEGUN,   [TG_HOST_LOOKING] = TG_MARK_BEGUN,    [TG_HOST_VERIFYING] = TG_MARK_BEGUN, [TG_HOST_DECIDING] = TG_MARK_BEGUN,
    [TG_HOST_BAKING] = TG_MARK_BEGUN,     [TG_HOST_PROVING] = TG_MARK_BEGUN,    [TG_HOST_UNKNOWN] = TG_MARK_BEGUN,   [TG_HOST_UNDECIDED] = TG_MARK_BEGUN,
    [TG_HOST_LOST] = TG_MARK_BEGUN, /* nobody knows how these ended */
    [TG_HOST_DONE] = TG_MARK_DONE,        [TG_HOST_FAILED] = TG_MARK_FAILED,    [TG_HOST_WITHDRAWN] = TG_MARK_FAILED, [TG_HOST_RETURNED] = TG_MARK_FAILED,
    [TG_HOST_TO_RETURN] = TG_MARK_FAILED, [TG_HOST_RETURNING] = TG_MARK_FAILED,
};

static enum tg_mark_state state_of(const struct tg_ports *p, size_t host)
{
    const struct tg_run_host *h = &p->o.run->hosts[host];
    bool leaves = h->state == TG_HOST_UNDOING || h->state == TG_HOST_UNDO_WAITING || h->state == TG_HOST_UNLOCKING;
    bool has_ended = tg_run_end(p->o.run) != TG_END_NONE;
    enum tg_mark_state is = says[leaves || h->state == TG_HOST_STUCK ? h->end : h->state];

    if (p->o.plan->stages[h->stage].dry_run)
        return TG_MARK_NONE;
    if (leaves && is != TG_MARK_NONE)
        return TG_MARK_BEGUN; /* it is not back yet */
    if (is == TG_MARK_NONE && p->slots.told[host] == TG_MARK_BEGUN) /* begun, and then not reached or held, or the run has ended before its turn came again */
        return has_ended || tg_host_state_is_end(h->state) ? TG_MARK_FAILED : TG_MARK_BEGUN;
    return is != TG_MARK_NONE ? is : has_ended ? (enum tg_mark_state) p->slots.told[host] : TG_MARK_EXPECTED;
}

/* ---- whose slot that is ---- */

/* Was it begun in this slot, or is it to be? late_ms: so long behind the cancelling it still may. */
static bool is_slot(const struct tg_booked *b, const struct tg_week_slot *s, enum tg_mark_state state, int64_t at_ms, int64_t wall_ms, int64_t late_ms)
{
    if (state == TG_MARK_EXPECTED)
        return !b->cancelled && s->until_ms > wall_ms;
    return s->from_ms - TG_MARK_EARLY_MS <= at_ms && at_ms < s->until_ms && (!b->cancelled || at_ms < b->cancelled_ms + late_ms);
}

static bool find_slot(const struct tg_ports *p, size_t host, enum tg_mark_state state, int64_t wall_ms, int64_t late_ms, size_t *out)
{
    const struct tg_week *const *weeks;
    const struct tg_booked *booked;
    size_t n = tg_site_agenda_weeks(p->o.calendar, &weeks, &booked);
    int64_t at = p->o.run->hosts[host].started_ms, best = INT64_MAX;

    for (size_t i = 0; i < n; i++) {
        uint32_t k = index_of(weeks[i], p->o.plan->hosts[host].name);
        const struct tg_week_slot *s = k == TG_WEEK_NONE ? NULL : &weeks[i]->slots[weeks[i]->slot_of[k]];
        if (s && is_slot(&booked[i], s, state, at, wall_ms, late_ms) && s->from_ms < best) {
            best = s->from_ms;
            *out = i;
        }
    }
    return best != INT64_MAX;
}

/* The slot in which it was begun; of one that is to be, the next one. What began just when the week was cancelled, by another clock, did so in that week. */
static bool find_week(const struct tg_ports *p, size_t host, enum tg_mark_state state, int64_t wall_ms, size_t *out)
{
    return find_slot(p, host, state, wall_ms, 0, out) || find_slot(p, host, state, wall_ms, TG_MARK_EARLY_MS, out);
}

/* ---- saying it ---- */

static struct tg_mark mark_of(const struct tg_ports *p, size_t host, enum tg_mark_state state)
{
    const struct tg_run_host *h = &p->o.run->hosts[host];
    struct tg_mark m = {.state = state};

    if (state != TG_MARK_EXPECTED)
        m.began_ms = h->started_ms;
    if (state == TG_MARK_DONE || state == TG_MARK_FAILED)
        m.ended_ms = h->ended_ms > h->started_ms ? h->ended_ms : h->started_ms + 1;
    return m;
}

/* What is to be said now; *out_n. NULL: memory. */
static struct said *collect(const struct tg_ports *p, int64_t wall_ms, size_t *out_n)
{
    struct said *v = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; i < p->o.plan->n_hosts; i++) {
        enum tg_mark_state state = state_of(p, i);
        size_t week;
        if (state == (enum tg_mark_state) p->slots.told[i])
            continue;
        if (state == TG_MARK_NONE || !find_week(p, i, state, wall_ms, &week)) {
            p->slots.told[i] = (uint8_t) state;
            continue;
        }
        if (n == cap) {
            struct said *more = realloc(v, (cap = 2 * cap + 64) * sizeof *v);
            if (!more) {
                free(v);
                return NULL;
            }
            v = more;
        }
        v[n++] = (struct said) {{p->o.plan->hosts[i].name, mark_of(p, i, state)}, i, week};
    }
    *out_n = n;
    return v;
}

static int say_week(struct tg_ports *p, const struct tg_booked *booked, const struct said *v, size_t n, size_t week, struct tg_mark_word *words, struct tg_error *e)
{
    size_t some = 0;

    for (size_t i = 0; i < n; i++)
        if (v[i].week == week)
            words[some++] = v[i].word;
    size_t changed = 0;
    int rc = some ? tg_marks_write(p->o.journal->store, booked, words, some, p->o.journal->id, WAIT_MS, &changed, e) : 0;
    p->slots.n_said += changed;
    if (rc == TG_E_NOENT) { /* it was cancelled meanwhile, and nothing of it had begun: nobody wants to know */
        tg_error_clear(e);
        rc = 0;
    }
    for (size_t i = 0; !rc && i < n; i++)
        if (v[i].week == week)
            p->slots.told[v[i].host] = (uint8_t) v[i].word.mark.state;
    return rc;
}

static int say(struct tg_ports *p, struct tg_error *e)
{
    const struct tg_week *const *weeks;
    const struct tg_booked *booked;
    size_t n_weeks = tg_site_agenda_weeks(p->o.calendar, &weeks, &booked), n = 0;
    int rc = p->slots.recall ? recall_all(p, e) : 0;

    if (rc)
        return rc;
    struct said *v = collect(p, tg_wall_ms(tg_loop_clock(p->o.loop)), &n);
    struct tg_mark_word *words = n ? malloc(n * sizeof *words) : NULL;
    rc = n && (!v || !words) ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;

    for (size_t i = 0; !rc && n && i < n_weeks; i++)
        rc = say_week(p, &booked[i], v, n, i, words, e);
    free(words);
    free(v);
    return rc;
}

void tg_ports_look_at_slots(struct tg_ports *p)
{
    struct tg_error why = TG_ERROR_INIT;

    if (!p->slots.any || tg_ports_now(p) < p->slots.look_ms)
        return;
    int rc = say(p, &why);
    p->slots.look_ms = tg_ports_now(p) + (rc ? AGAIN_MS : LOOK_MS);
    if (rc)
        tg_log(TG_LOG_WARN, "run", "how the slots of booked weeks go can't be noted, and is tried again: %s", why.message);
}

void tg_ports_tell_slots(struct tg_ports *p)
{
    p->slots.look_ms = 0;
    tg_ports_look_at_slots(p);
}

int tg_ports_tell_ended(const struct tg_ports_options *o, size_t *out_said, struct tg_error *e)
{
    struct tg_ports p = {.o = *o};
    bool changed;
    int rc = tg_ports_open_slots(&p, e);

    *out_said = 0;
    if (!rc && p.slots.told)
        rc = tg_site_agenda_look(o->calendar, NULL, &changed, e);
    if (!rc && p.slots.told) {
        tg_ports_slots_anew(&p);
        rc = say(&p, e);
    }
    *out_said = p.slots.n_said;
    free(p.slots.told);
    return rc;
}
