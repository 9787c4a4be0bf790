/* When hosts may be disturbed, as SVG: see show_picture.h. Above how many at once, then a line of the clock for each group. */
#include "base/svg.h"
#include "calendar/draw.h"
#include "calendar/local.h"
#include "calendar/show_internal.h"
#include "calendar/week_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_TOP 104
#define LOAD_HEIGHT 64
#define ROWS_MAX 60       /* lines of a picture: the page's table has all */
#define BAR_MIN 20        /* width: what is open for minutes is to be seen among weeks */

struct picture {
    const struct tg_show *s;
    struct tg_draw d;
    size_t rows;   /* that are drawn */
    size_t hosts;
    int64_t y;     /* how far it has come, in pixels */
};

const char *tg_show_stretch(const struct tg_zone *zone, const struct tg_span *span, char *out, size_t size)
{
    int64_t from = tg_local_of(zone, tg_floor_s(span->from_ms)), until = tg_local_of(zone, tg_floor_s(span->until_ms + 999));
    int64_t day = from / TG_DAY_S, last = until / TG_DAY_S;
    char first[16], end[16], begin[24] = "", over[24];

    tg_day_format(day, first, sizeof first);
    tg_day_format(last, end, sizeof end);
    if (last == day + 1 && until % TG_DAY_S == 0) { /* midnight is the end of its day */
        last = day;
        until = TG_DAY_S;
    }
    snprintf(begin, sizeof begin, "%02d:%02d", (int) (from % TG_DAY_S / 3600), (int) (from % 3600 / 60));
    snprintf(over, sizeof over, "%02d:%02d", (int) (until == TG_DAY_S ? 24 : until % TG_DAY_S / 3600), (int) (until % 3600 / 60));
    snprintf(out, size, "%s %s to %s%s%s", first, begin, last == day ? "" : end, last == day ? "" : " ", over);
    return out;
}

static void put_spans(struct picture *p, const struct tg_spans *spans, const char *more)
{
    char text[64];

    for (size_t i = 0; i < spans->n; i++) {
        const struct tg_span *x = &spans->list[i];
        int64_t from = tg_draw_x(&p->d, tg_draw_local_s(&p->d, x->from_ms)), until = tg_draw_x(&p->d, tg_draw_local_s(&p->d, x->until_ms));
        until = until < from + BAR_MIN ? from + BAR_MIN : until;
        tg_draw_rect(&p->d, more, from, p->y * 10 + 40, until - from, TG_DRAW_ROW * 10 - 80, tg_show_stretch(&p->d.zone, x, text, sizeof text));
    }
}

static void put_row(struct picture *p, const struct tg_show_row *row)
{
    char name[TG_DRAW_LETTERS + 8];

    tg_draw_line(&p->d, "g", TG_DRAW_MARGIN * 10, p->y * 10, (TG_DRAW_WIDTH - TG_DRAW_MARGIN) * 10, p->y * 10);
    tg_draw_text(&p->d, "", "start", TG_DRAW_MARGIN * 10, p->y * 10 + 165, tg_week_short(row->name, TG_DRAW_LETTERS, name, sizeof name));
    put_spans(p, &row->blackouts, "class=\"no\"");
    put_spans(p, &row->open, "class=\"f\" fill-opacity=\".8\" rx=\"2\"");
    tg_draw_count(&p->d, "s r", "end", (TG_DRAW_WIDTH - TG_DRAW_MARGIN) * 10, p->y * 10 + 165, row->hosts);
    p->y += TG_DRAW_ROW;
}

/* How many hosts are open at once: of all lines, drawn or not. */
static int put_load(struct picture *p, struct tg_error *e)
{
    size_t n = 0, at = 0;
    char text[64];

    for (size_t r = 0; r < p->s->n; r++)
        n += 2 * p->s->rows[r].open.n;
    struct tg_draw_edge *edges = calloc(n + 1, sizeof *edges);
    if (!edges)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t r = 0; r < p->s->n; r++)
        for (size_t i = 0; i < p->s->rows[r].open.n; i++) {
            const struct tg_span *x = &p->s->rows[r].open.list[i];
            edges[at++] = (struct tg_draw_edge) {tg_draw_local_s(&p->d, x->from_ms), (int64_t) p->s->rows[r].hosts};
            edges[at++] = (struct tg_draw_edge) {tg_draw_local_s(&p->d, x->until_ms), -(int64_t) p->s->rows[r].hosts};
        }
    int64_t most = tg_draw_load(&p->d, edges, n, LOAD_TOP, LOAD_HEIGHT);
    free(edges);
    tg_draw_text(&p->d, "s", "start", TG_DRAW_MARGIN * 10, LOAD_TOP * 10 + 250, "hosts open at once");
    snprintf(text, sizeof text, "at most %lld", (long long) most);
    tg_draw_text(&p->d, "s", "start", TG_DRAW_MARGIN * 10, LOAD_TOP * 10 + 420, text);
    return 0;
}

static void put_sum(struct picture *p)
{
    char text[64];

    tg_draw_line(&p->d, "ax", TG_DRAW_MARGIN * 10, p->y * 10, (TG_DRAW_WIDTH - TG_DRAW_MARGIN) * 10, p->y * 10);
    if (p->rows < p->s->n)
        snprintf(text, sizeof text, "and %zu lines more", p->s->n - p->rows);
    else
        snprintf(text, sizeof text, "all hosts");
    tg_draw_text(&p->d, p->rows < p->s->n ? "s" : "b", "start", TG_DRAW_MARGIN * 10, p->y * 10 + 165, text);
    tg_draw_count(&p->d, "b r", "end", (TG_DRAW_WIDTH - TG_DRAW_MARGIN) * 10, p->y * 10 + 165, p->hosts);
    p->y += TG_DRAW_ROW;
    tg_draw_rect(&p->d, "class=\"f\" fill-opacity=\".8\" rx=\"2\"", TG_DRAW_LEFT * 10, p->y * 10 + 50, 240, 110, NULL);
    tg_draw_text(&p->d, "s", "start", TG_DRAW_LEFT * 10 + 320, p->y * 10 + 150, "may be disturbed");
    tg_draw_rect(&p->d, "class=\"no\"", TG_DRAW_LEFT * 10 + 1640, p->y * 10 + 50, 240, 110, NULL);
    tg_draw_text(&p->d, "s", "start", TG_DRAW_LEFT * 10 + 1960, p->y * 10 + 150, "blackout");
    p->y += 20;
}

static int draw(struct picture *p, struct tg_error *e)
{
    int rc = put_load(p, e);

    p->y = LOAD_TOP + LOAD_HEIGHT;
    tg_draw_clock(&p->d, p->y);
    p->y += 26;
    for (size_t r = 0; r < p->rows; r++)
        put_row(p, &p->s->rows[r]);
    tg_draw_now(&p->d, LOAD_TOP - 8, p->y);
    put_sum(p);
    return rc;
}

static void put_head(struct picture *p)
{
    char days[64], heading[160], line[400];

    tg_days_format(p->s->first, p->s->days, days, sizeof days);
    snprintf(heading, sizeof heading, "Who may be disturbed when%s%.100s", p->s->who[0] ? ": " : "", p->s->who);
    snprintf(line, sizeof line, "%s   ·   %zu host%s   ·   times in %s", days, p->hosts, p->hosts == 1 ? "" : "s", p->s->zone);
    tg_draw_head(&p->d, p->y + TG_DRAW_MARGIN, heading, heading, line);
}

int tg_show_svg(const struct tg_show *show, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    struct tg_buf body = TG_BUF_INIT;
    struct picture p = {.s = show, .rows = show->n < ROWS_MAX ? show->n : ROWS_MAX};
    int rc = tg_draw_init(&p.d, show->zone, show->first, show->days, now_ms, e);

    if (rc)
        return rc;
    for (size_t r = 0; r < show->n; r++)
        p.hosts += show->rows[r].hosts;
    p.d.out = &body;
    rc = draw(&p, e);
    p.d.out = out;
    put_head(&p);
    tg_draw_days(&p.d, p.y - 20);
    tg_buf_add(out, tg_buf_text(&body), body.len);
    tg_buf_puts(out, "</svg>\n");
    if (!rc)
        rc = tg_buf_ok(&body, e);
    tg_buf_release(&body);
    return rc ? rc : tg_buf_ok(out, e);
}
