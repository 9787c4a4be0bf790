/* The table of a plan's stages: see plan_text_internal.h. */
#include "engine/plan_text_internal.h"

#include "base/columns.h"
#include "engine/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The columns of a stage, in this order, then which hosts. What has no room beside the first ones stands in a line of its own below them, from the back: first the
 * hosts, then how many are down, then when, and so on.
 */
enum { NAME, HOSTS, PACE, BAKE, WHEN, DOWN, CELLS };
#define CELL_SIZE 200
#define DOMAIN_COLUMNS 40
#define NAMES_MIN 24 /* narrower than that names get a line of their own */
#define GAP 2

struct cells {
    char v[CELLS][CELL_SIZE];
};
struct table {
    const struct tg_plan_sheet *sheet;
    struct cells head;
    int width[CELLS];
    int shown;       /* so many of them stand beside each other */
    int room;        /* for the hosts beside these; 0: none */
};

static void pace_of(const struct tg_plan *plan, const struct tg_plan_stage *s, char *out, size_t size)
{
    char each[32], most[32] = "", rate[100];

    tg_rate_format(&s->rate, each, sizeof each);
    if (s->spread_ms < TG_SPREAD_MAX_MS)
        tg_duration_format(s->spread_ms, most, sizeof most);
    snprintf(rate, sizeof rate, "%s%s%s%s%s", each, each[0] && s->spread_ms ? ", " : "", s->spread_ms ? "spread" : "", s->spread_ms && most[0] ? " ≤ " : "",
             s->spread_ms ? most : "");
    if (s->over_window)
        snprintf(rate, sizeof rate, "%s%sspread", each, each[0] ? ", " : "");
    if (s->count == 0)
        snprintf(out, size, "nothing left");
    else if (s->dry_run)
        snprintf(out, size, "dry-run%s%s", rate[0] ? ", " : "", rate);
    else if (s->count == 1)
        snprintf(out, size, "–");
    else
        snprintf(out, size, "%s%s%lld at once", rate, rate[0] ? ", " : "",
                 (long long) (plan->running < (int64_t) s->count ? plan->running : (int64_t) s->count));
}

/* "100, 20/200 az a" */
static void down_of(const struct tg_plan *plan, const struct tg_stage_worst *w, char *out, size_t size)
{
    struct tg_buf domain = TG_BUF_INIT;
    char name[160];

    snprintf(out, size, w->hosts ? "%zu" : "–", w->hosts);
    if (w->domain == TG_NO_DOMAIN)
        return;
    tg_plan_domain_name(plan, w->domain, name, sizeof name);
    tg_put_cut(&domain, name, DOMAIN_COLUMNS);
    if (w->in_domain == w->hosts)
        snprintf(out, size, "%zu/%u %s", w->in_domain, plan->domains[w->domain].n_hosts, tg_buf_text(&domain));
    else
        snprintf(out, size, "%zu, %zu/%u %s", w->hosts, w->in_domain, plan->domains[w->domain].n_hosts, tg_buf_text(&domain));
    tg_buf_release(&domain);
}

static void fill(const struct tg_plan_sheet *sheet, size_t i, struct cells *c)
{
    const struct tg_plan_stage *s = &sheet->plan->stages[i];

    memset(c, 0, sizeof *c);
    snprintf(c->v[NAME], CELL_SIZE, "%s", s->name);
    snprintf(c->v[HOSTS], CELL_SIZE, "%zu", s->count);
    pace_of(sheet->plan, s, c->v[PACE], CELL_SIZE);
    snprintf(c->v[BAKE], CELL_SIZE, "–");
    if (s->bake_ms)
        tg_duration_format(s->bake_ms, c->v[BAKE], CELL_SIZE);
    if (!s->count)
        return;
    tg_plan_times_format(sheet->plan, &sheet->times[i], sheet->now_ms, c->v[WHEN], CELL_SIZE);
    down_of(sheet->plan, &sheet->worst[i], c->v[DOWN], CELL_SIZE);
}

static void widen(struct table *t, const struct cells *c)
{
    for (int i = 0; i < CELLS; i++)
        if (tg_columns(c->v[i]) > t->width[i])
            t->width[i] = tg_columns(c->v[i]);
}

/* How many columns have room beside each other: at least those that say how many hosts. */
static void lay(struct table *t)
{
    int used = 0;

    for (t->shown = 0; t->shown < CELLS && (t->shown <= HOSTS || used + t->width[t->shown] <= t->sheet->width); t->shown++)
        used += t->width[t->shown] + GAP;
    t->room = t->shown == CELLS && t->sheet->width - used >= NAMES_MIN ? t->sheet->width - used : 0;
}

static void put_cells(const struct table *t, const struct cells *c, struct tg_buf *out)
{
    int last = t->shown - 1;

    while (last > 0 && !c->v[last][0])
        last--;
    for (int i = 0; i <= last; i++) {
        int blanks = t->width[i] - tg_columns(c->v[i]);
        if (i == HOSTS)
            tg_put_blanks(out, blanks);
        tg_buf_puts(out, c->v[i]);
        if (i < last || (t->room && last == CELLS - 1))
            tg_put_blanks(out, i == HOSTS ? GAP : blanks + GAP);
    }
}

/* "  Mon 14:12–14:16, at most 4/12 role edge down" */
static void put_rest(const struct table *t, const struct cells *c, struct tg_buf *out)
{
    struct tg_buf line = TG_BUF_INIT;

    if (t->shown <= PACE && strcmp(c->v[PACE], "–") != 0)
        tg_buf_printf(&line, "%s", c->v[PACE]);
    if (t->shown <= BAKE && strcmp(c->v[BAKE], "–") != 0)
        tg_buf_printf(&line, "%sbakes %s", line.len ? ", " : "", c->v[BAKE]);
    if (t->shown <= WHEN)
        tg_buf_printf(&line, "%s%s", line.len ? ", " : "", c->v[WHEN]);
    if (t->shown <= DOWN && strcmp(c->v[DOWN], "–") != 0 && strcmp(c->v[DOWN], "1") != 0)
        tg_buf_printf(&line, "%sat most %s down", line.len ? ", " : "", c->v[DOWN]);
    if (line.len) {
        tg_buf_puts(out, "\n  ");
        tg_put_wrapped(out, tg_buf_text(&line), t->sheet->width - 2, 2);
    }
    tg_buf_release(&line);
}

static int put_stage(const struct table *t, size_t i, struct tg_buf *out, struct tg_error *e)
{
    const struct tg_plan_stage *s = &t->sheet->plan->stages[i];
    struct cells c;
    struct tg_buf names = TG_BUF_INIT;
    int rc = tg_plan_fold(t->sheet->plan, s->first, s->count, &names, e);

    fill(t->sheet, i, &c);
    put_cells(t, &c, out);
    if (!rc && s->count) {
        put_rest(t, &c, out);
        tg_buf_puts(out, t->room ? "" : "\n  ");
        tg_put_cut(out, tg_buf_text(&names), t->room ? t->room : t->sheet->width - 2);
    }
    tg_buf_putc(out, '\n');
    tg_buf_release(&names);
    return rc;
}

int tg_plan_text_stages(const struct tg_plan_sheet *sheet, struct tg_buf *out, struct tg_error *e)
{
    static const char *const heads[CELLS] = {"STAGE", "HOSTS", "PACE", "BAKE", "WHEN", "AT MOST DOWN"};
    struct table t = {.sheet = sheet};
    struct cells c;
    int rc = 0;

    for (int i = 0; i < CELLS; i++)
        snprintf(t.head.v[i], CELL_SIZE, i == WHEN ? "%s (%s)" : "%s", heads[i], tg_plan_zone(sheet->plan));
    widen(&t, &t.head);
    for (size_t i = 0; i < sheet->plan->n_stages; i++) {
        fill(sheet, i, &c);
        widen(&t, &c);
    }
    lay(&t);
    put_cells(&t, &t.head, out);
    tg_buf_puts(out, t.room ? "WHICH\n" : "\n");
    for (size_t i = 0; !rc && i < sheet->plan->n_stages; i++)
        rc = put_stage(&t, i, out, e);
    return rc;
}
