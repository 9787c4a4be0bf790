/* Laying a maintenance week: see week.h. Here: the slots' times, and who claims whom. */
#include "calendar/week_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- when ---- */

static int take_times(const struct tg_pattern *p, const struct tg_pattern_slot *s, int64_t date, struct tg_week_slot *out, struct tg_error *e)
{
    struct tg_zone zone;
    int64_t on = date + (s->weekday - p->begins + 7) % 7, second = s->from_min * INT64_C(60);
    int rc = tg_zone_find(s->zone, &zone, e);

    if (rc)
        return rc;
    int64_t from = tg_zone_wall_s(&zone, on, second, TG_ZONE_FIRST);
    *out = (struct tg_week_slot) {.from_ms = from * 1000, .until_ms = from * 1000 + s->length_ms, .date = on, .from_min = s->from_min};
    if (from + tg_zone_offset_s(&zone, from) != on * TG_DAY_S + second)
        out->odd = TG_WEEK_SKIPPED;
    else if (tg_zone_wall_s(&zone, on, second, TG_ZONE_LAST) != from)
        out->odd = TG_WEEK_TWICE;
    snprintf(out->name, sizeof out->name, "%s", s->name);
    snprintf(out->zone, sizeof out->zone, "%s", s->zone);
    return 0;
}

struct timed {
    struct tg_week_slot slot;
    const struct tg_pattern_slot *from;
};

static int by_time(const void *a, const void *b)
{
    const struct timed *x = a, *y = b;

    if (x->slot.from_ms != y->slot.from_ms)
        return x->slot.from_ms < y->slot.from_ms ? -1 : 1;
    return strcmp(x->slot.name, y->slot.name);
}

static int make_slots(struct tg_week_planner *w, int64_t date)
{
    const struct tg_pattern *p = w->pattern;
    struct tg_week *week = w->week;
    struct timed *list = calloc(p->n_slots, sizeof *list);
    int rc = 0;

    week->slots = calloc(p->n_slots, sizeof *week->slots);
    w->by_time = calloc(p->n_slots, sizeof *w->by_time);
    if (!list || !week->slots || !w->by_time)
        rc = tg_fail(w->e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < p->n_slots; i++) {
        list[i].from = &p->slots[i];
        rc = take_times(p, &p->slots[i], date, &list[i].slot, w->e);
    }
    if (!rc)
        qsort(list, p->n_slots, sizeof *list, by_time);
    for (size_t i = 0; !rc && i < p->n_slots; i++) {
        struct tg_buf who = TG_BUF_INIT;
        for (size_t t = 0; t < list[i].from->n_takes; t++) {
            tg_buf_puts(&who, t ? ", " : "");
            tg_take_describe(&list[i].from->takes[t], &who);
        }
        week->slots[i] = list[i].slot;
        week->slots[i].who = tg_buf_take(&who, w->e);
        w->by_time[i] = list[i].from;
        week->n_slots++;
        rc = week->slots[i].who ? 0 : TG_E_MEMORY;
    }
    free(list);
    return rc;
}

struct turn {
    int64_t order;
    uint32_t slot;
};

static int by_turn(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;

    return x->order != y->order ? (x->order < y->order ? -1 : 1) : (x->slot > y->slot) - (x->slot < y->slot);
}

/* Those that have an order: by it; behind them the others, by time. */
static int make_turns(struct tg_week_planner *w)
{
    struct turn *turns = calloc(w->week->n_slots + 1, sizeof *turns);

    w->choosing = calloc(w->week->n_slots + 1, sizeof *w->choosing);
    if (!turns || !w->choosing) {
        free(turns);
        return tg_fail(w->e, TG_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < w->week->n_slots; i++)
        turns[i] = (struct turn) {.order = w->by_time[i]->order, .slot = (uint32_t) i};
    qsort(turns, w->week->n_slots, sizeof *turns, by_turn);
    for (size_t i = 0; i < w->week->n_slots; i++)
        w->choosing[i] = turns[i].slot;
    free(turns);
    return 0;
}

/* ---- who ---- */

static bool make_inside(struct tg_week_planner *w)
{
    uint32_t *list;
    size_t n;

    w->inside = calloc(w->n_hosts + 1, sizeof *w->inside);
    w->slot_of = malloc((w->n_hosts + 1) * sizeof *w->slot_of);
    w->counts = calloc(w->week->n_slots + 1, sizeof *w->counts);
    if (!w->inside || !w->slot_of || !w->counts)
        return w->rc = tg_fail(w->e, TG_E_MEMORY, "out of memory"), false;
    memset(w->slot_of, 0xff, w->n_hosts * sizeof *w->slot_of);
    if (!tg_week_select(w, w->pattern->location_at, "location", w->pattern->location, &list, &n))
        return false;
    for (size_t i = 0; i < n; i++)
        w->inside[list[i]] = true;
    w->n_inside = n;
    free(list);
    if (!n)
        tg_yaml_problem(w->problems, w->pattern->location_at, "location: the inventory %s has no host of \"%.100s\"", tg_inventory_path(w->inventory),
                        w->pattern->location);
    return n > 0;
}

static void claim(struct tg_week_planner *w, uint32_t slot, uint32_t host)
{
    w->slot_of[host] = slot;
    w->counts[slot]++;
}

static void take_all(struct tg_week_planner *w, uint32_t slot, const struct tg_take *take, const struct tg_week_class *c)
{
    struct tg_week_clash *clashes = NULL;
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        if (w->slot_of[c->list[i]] == TG_WEEK_NONE)
            claim(w, slot, c->list[i]);
        else
            n += w->slot_of[c->list[i]] != slot;
    if (!n)
        return;
    if (!(clashes = calloc(n, sizeof *clashes))) {
        w->rc = tg_fail(w->e, TG_E_MEMORY, "out of memory");
        return;
    }
    n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (w->slot_of[c->list[i]] != slot)
            clashes[n++] = (struct tg_week_clash) {.host = c->list[i], .slot = w->slot_of[c->list[i]]};
    tg_week_say_clashes(w, slot, take, clashes, n);
    free(clashes);
}

static void take_rest(struct tg_week_planner *w, uint32_t slot, const struct tg_week_class *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (w->slot_of[c->list[i]] == TG_WEEK_NONE)
            claim(w, slot, c->list[i]);
}

static void take_quota(struct tg_week_planner *w, uint32_t slot, const struct tg_take *take, struct tg_week_class *c)
{
    int64_t wanted = tg_take_of(&take->share, (int64_t) c->n), got = 0;

    for (; c->at < c->n && got < wanted; c->at++)
        if (w->slot_of[c->list[c->at]] == TG_WEEK_NONE) {
            claim(w, slot, c->list[c->at]);
            got++;
        }
    if (got < wanted && take->kind == TG_TAKE_EXACTLY)
        tg_week_say_short(w, slot, take, c, wanted, got);
}

static void take_one(struct tg_week_planner *w, uint32_t slot, size_t t)
{
    const struct tg_take *take = &w->by_time[slot]->takes[t];
    struct tg_week_class *c = &w->classes[w->class_of[slot][t]];

    if (tg_week_class_load(w, take, c) && tg_week_class_order(w, take, c)) {
        if (take->kind == TG_TAKE_ALL)
            take_all(w, slot, take, c);
        else if (take->kind == TG_TAKE_REST)
            take_rest(w, slot, c);
        else
            take_quota(w, slot, take, c);
    }
    tg_week_class_leave(c);
}

/* Named outright, then quotas, then what is left. */
static int round_of(const struct tg_take *take)
{
    return take->kind == TG_TAKE_ALL ? 0 : take->kind == TG_TAKE_REST ? 2 : 1;
}

static void take_in_turns(struct tg_week_planner *w)
{
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < w->week->n_slots && !w->rc; i++) {
            const struct tg_pattern_slot *slot = w->by_time[w->choosing[i]];
            for (size_t t = 0; t < slot->n_takes && !w->rc; t++)
                if (round_of(&slot->takes[t]) == round)
                    take_one(w, w->choosing[i], t);
        }
}

/* ---- what comes of it ---- */

static int hand_over(struct tg_week_planner *w)
{
    struct tg_week *week = w->week;
    uint32_t *host_of = malloc((w->n_inside + 1) * sizeof *host_of);
    size_t n = 0;
    int rc = 0;

    week->slot_of = malloc((w->n_inside + 1) * sizeof *week->slot_of);
    if (!host_of || !week->slot_of)
        rc = tg_fail(w->e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < w->n_hosts; i++) {
        if (!w->inside[i])
            continue;
        host_of[n] = (uint32_t) i;
        week->slot_of[n++] = w->slot_of[i];
        rc = tg_hostlist_add(&week->names, w->hosts[i].name, strlen(w->hosts[i].name), w->e);
    }
    if (!rc)
        rc = tg_week_finish(week, w->e);
    if (!rc)
        rc = tg_week_fill_customers(week, w->inventory, host_of, w->e);
    if (!rc)
        rc = tg_week_fill_rows(week, w->inventory, host_of, w->e);
    if (!rc)
        rc = tg_week_look(w->pattern, week, w->e);
    free(host_of);
    return rc;
}

static int plan(struct tg_week_planner *w, int64_t date)
{
    int rc = make_slots(w, date);

    if (!rc)
        rc = make_turns(w);
    if (!rc)
        rc = tg_week_classes_collect(w);
    if (rc)
        return rc;
    tg_week_check_spread(w);
    if (make_inside(w) && !w->rc) {
        take_in_turns(w);
        if (!w->rc)
            tg_week_check_all(w);
    }
    if (!w->rc)
        w->rc = tg_problems_error(w->problems, w->e);
    return w->rc ? w->rc : hand_over(w);
}

static int check_date(const struct tg_pattern *p, int64_t date, struct tg_error *e)
{
    static const char *const names[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
    char is[16], before[16], behind[16];
    int off = (tg_weekday(date) - p->begins + 7) % 7;

    if (!off)
        return 0;
    tg_fail(e, TG_E_USAGE, "%s is a %s, and the week %s begins on a %s", tg_date_format(date, is, sizeof is), names[tg_weekday(date)], p->name, names[p->begins]);
    tg_error_hint(e, "--start %s, or --start %s", tg_date_format(date - off, before, sizeof before), tg_date_format(date - off + 7, behind, sizeof behind));
    return TG_E_USAGE;
}

int tg_week_plan(const struct tg_pattern *pattern, const struct tg_inventory *inventory, int64_t date, struct tg_problems *problems, struct tg_week **out,
                 struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    struct tg_week_planner w = {.pattern = pattern, .inventory = inventory, .problems = problems, .e = e ? e : &own};
    int rc = check_date(pattern, date, e);

    if (rc)
        return rc;
    w.hosts = tg_inventory_hosts(inventory, &w.n_hosts);
    w.week = calloc(1, sizeof *w.week);
    if (w.week && (!(w.week->name = strdup(pattern->name)) || !(w.week->location = strdup(pattern->location)))) {
        tg_week_free(w.week);
        w.week = NULL;
    }
    if (!w.week)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    w.week->date = date;
    rc = plan(&w, date);
    tg_week_classes_release(&w);
    free(w.inside);
    free(w.slot_of);
    free(w.counts);
    free(w.by_time);
    free(w.choosing);
    if (rc)
        tg_week_free(w.week);
    else
        *out = w.week;
    return rc;
}
