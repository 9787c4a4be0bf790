/* A maintenance week as SVG: see week_picture.h. Above the bars of a day, then the slots on the week's clock, then groups by slots. */
#include "base/columns.h"
#include "calendar/draw.h"
#include "calendar/week_picture.h"
#include "calendar/week_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BARS_TOP 120
#define BARS_BOTTOM 204
#define LANE 22           /* a line of slots */
#define LANES_MAX 30
#define LABELLED_MAX 80   /* slots with a name; beyond, how many hosts at once */
#define LOAD_HEIGHT 90
#define LETTER 66         /* of one letter, roughly, in tenths of a pixel */
#define PARTS_MAX 4       /* slots of a day with a column of their own */

struct picture {
    struct tg_draw d;
    const struct tg_week *w;
    struct tg_week_days days;
    uint32_t part[8][PARTS_MAX]; /* the slots of each day, by time */
    size_t parts[8];       /* columns of each day: its slots, or 1 for their sum */
    uint32_t most_cell;
    int64_t y;             /* how far it has come, in pixels */
};

/* ---- what comes first ---- */

static void put_head(struct picture *p, int64_t height)
{
    const struct tg_week *w = p->w;
    char days[64], heading[200], text[400];

    tg_days_format(p->days.first, p->days.n, days, sizeof days);
    snprintf(heading, sizeof heading, "Maintenance week %s", w->name);
    snprintf(text, sizeof text, "%s   ·   %zu host%s, each in one of %zu slot%s   ·   times in %s   ·   %.12s", days, w->names.n, w->names.n == 1 ? "" : "s",
             w->n_slots, w->n_slots == 1 ? "" : "s", p->days.zone, w->digest);
    tg_draw_head(&p->d, height, w->id, heading, text);
}

static void put_bars(struct picture *p)
{
    tg_draw_text(&p->d, "s", "start", TG_DRAW_MARGIN * 10, (BARS_TOP + BARS_BOTTOM) * 5, "hosts a day");
    for (size_t d = 0; d < p->days.n; d++) {
        int64_t x = TG_DRAW_LEFT * 10 + (int64_t) d * p->d.day, width = p->d.day * 6 / 10;
        int64_t height = p->days.most ? (int64_t) p->days.hosts[d] * (BARS_BOTTOM - BARS_TOP) * 10 / p->days.most : 0;
        tg_draw_rect(&p->d, "class=\"f\" fill-opacity=\".8\" rx=\"3\"", x + (p->d.day - width) / 2, BARS_BOTTOM * 10 - height, width, height, NULL);
        tg_draw_count(&p->d, p->days.hosts[d] ? "b r" : "z r", "middle", x + p->d.day / 2, BARS_BOTTOM * 10 - height - 50, p->days.hosts[d]);
    }
    tg_draw_line(&p->d, "ax", TG_DRAW_LEFT * 10, BARS_BOTTOM * 10, TG_DRAW_RIGHT * 10, BARS_BOTTOM * 10);
    tg_draw_count(&p->d, "b r", "end", (TG_DRAW_WIDTH - TG_DRAW_MARGIN) * 10, BARS_BOTTOM * 10 - 50, (uint32_t) p->w->names.n);
}

/* ---- slots on the clock ---- */

struct bar {
    int64_t from, until;  /* of the bar */
    int64_t text;         /* where its name is */
    bool before;          /* it ends there */
    size_t lane;
};

static void label_of(const struct tg_week_slot *s, char *out, size_t size)
{
    char name[64];

    snprintf(out, size, "%s %u", tg_week_short(s->name, TG_DRAW_LETTERS, name, sizeof name), s->n);
}

/* Each in the first lane in which neither it nor its name meets another; how many lanes. */
static size_t lay_lanes(const struct picture *p, struct bar *bars)
{
    int64_t free_from[LANES_MAX] = {0};
    size_t n = 0;
    char label[64];

    for (size_t s = 0; s < p->w->n_slots; s++) {
        struct bar *b = &bars[s];
        label_of(&p->w->slots[s], label, sizeof label);
        int64_t from = tg_draw_local_s(&p->d, p->w->slots[s].from_ms), until = tg_draw_local_s(&p->d, p->w->slots[s].until_ms), letters = (int64_t) tg_columns(label) * LETTER;
        b->from = tg_draw_x(&p->d, from);
        b->until = tg_draw_x(&p->d, until);
        b->until = b->until < b->from + 30 ? b->from + 30 : b->until;
        b->before = b->until + 60 + letters > TG_DRAW_RIGHT * 10;
        b->text = b->before ? b->from - 60 : b->until + 60;
        int64_t begin = b->before ? b->text - letters : b->from, end = b->before ? b->until : b->text + letters;
        while (b->lane < LANES_MAX - 1 && free_from[b->lane] > begin)
            b->lane++;
        free_from[b->lane] = end + 80;
        n = b->lane + 1 > n ? b->lane + 1 : n;
    }
    return n;
}

static void tell(const struct tg_week_slot *s, char *out, size_t size)
{
    char when[32], hours[40];

    tg_week_when(s, when, sizeof when);
    *strrchr(when, ' ') = '\0';
    snprintf(out, size, "%s: %s %s %s, %u hosts: %.200s", s->name, when, tg_week_hours(s, hours, sizeof hours), s->zone, s->n, s->who);
}

static int put_lanes(struct picture *p)
{
    struct bar *bars = calloc(p->w->n_slots + 1, sizeof *bars);
    char text[400];

    if (!bars)
        return TG_E_MEMORY;
    size_t n = lay_lanes(p, bars);
    tg_draw_text(&p->d, "s", "start", TG_DRAW_MARGIN * 10, p->y * 10 + 150, "slots");
    for (size_t s = 0; s < p->w->n_slots; s++) {
        int64_t y = (p->y + (int64_t) bars[s].lane * LANE) * 10;
        tell(&p->w->slots[s], text, sizeof text);
        tg_draw_rect(&p->d, "class=\"f\" rx=\"3\"", bars[s].from, y + 30, bars[s].until - bars[s].from, 160, text);
        label_of(&p->w->slots[s], text, sizeof text);
        tg_draw_text(&p->d, "s", bars[s].before ? "end" : "start", bars[s].text, y + 155, text);
    }
    free(bars);
    p->y += (int64_t) n * LANE + 8;
    return 0;
}

/* How many hosts have their slot at each time: where there are too many slots for names. */
static int put_load(struct picture *p)
{
    size_t n = 2 * p->w->n_slots;
    struct tg_draw_edge *edges = calloc(n + 1, sizeof *edges);
    char text[64];

    if (!edges)
        return TG_E_MEMORY;
    for (size_t s = 0; s < p->w->n_slots; s++) {
        edges[2 * s] = (struct tg_draw_edge) {tg_draw_local_s(&p->d, p->w->slots[s].from_ms), p->w->slots[s].n};
        edges[2 * s + 1] = (struct tg_draw_edge) {tg_draw_local_s(&p->d, p->w->slots[s].until_ms), -(int64_t) p->w->slots[s].n};
    }
    tg_draw_text(&p->d, "s", "start", TG_DRAW_MARGIN * 10, p->y * 10 + 350, "hosts at once");
    snprintf(text, sizeof text, "at most %lld", (long long) tg_draw_load(&p->d, edges, n, p->y, LOAD_HEIGHT));
    tg_draw_text(&p->d, "s", "start", TG_DRAW_MARGIN * 10, p->y * 10 + 520, text);
    free(edges);
    p->y += LOAD_HEIGHT + 10;
    return 0;
}

/* ---- groups ---- */

/* Which columns a day has, and the greatest number in them. */
static uint32_t cell(const struct picture *p, const uint32_t *counts, size_t day, size_t part)
{
    uint32_t n = 0;

    if (p->days.slots[day] <= PARTS_MAX)
        return p->days.slots[day] ? counts[p->part[day][part]] : 0;
    for (size_t s = 0; s < p->w->n_slots; s++)
        n += p->w->slots[s].date == p->days.first + (int64_t) day ? counts[s] : 0;
    return n;
}

static void divide_days(struct picture *p)
{
    size_t at[8] = {0};

    for (size_t s = 0; s < p->w->n_slots; s++) {
        size_t d = (size_t) (p->w->slots[s].date - p->days.first);
        if (d < p->days.n && p->days.slots[d] <= PARTS_MAX)
            p->part[d][at[d]++] = (uint32_t) s;
    }
    for (size_t d = 0; d < p->days.n; d++) {
        p->parts[d] = p->days.slots[d] && p->days.slots[d] <= PARTS_MAX ? p->days.slots[d] : 1;
        for (size_t r = 0; r < p->w->n_rows; r++)
            for (size_t c = 0; c < p->parts[d]; c++) {
                uint32_t n = cell(p, p->w->rows[r].counts, d, c);
                p->most_cell = n > p->most_cell ? n : p->most_cell;
            }
    }
}

/* From pale to strong: the square root, or one large group would leave all others white. */
static int opacity(uint32_t n, uint32_t most)
{
    uint32_t root = 0;
    uint64_t part = most ? (uint64_t) n * 10000 / most : 0;

    while ((uint64_t) (root + 1) * (root + 1) <= part)
        root++;
    return n ? 6 + (int) (root * 44 / 100) : 0;
}

static void put_cells(struct picture *p, const uint32_t *counts, bool heat)
{
    char more[64], class[16];

    snprintf(class, sizeof class, "%sr", heat ? "" : "b ");
    for (size_t d = 0; d < p->days.n; d++) {
        int64_t width = p->d.day / (int64_t) p->parts[d];
        for (size_t c = 0; c < p->parts[d]; c++) {
            int64_t x = TG_DRAW_LEFT * 10 + (int64_t) d * p->d.day + (int64_t) c * width;
            uint32_t n = cell(p, counts, d, c);
            if (!n)
                continue;
            snprintf(more, sizeof more, "class=\"f\" fill-opacity=\"%.2f\" rx=\"3\"", opacity(n, p->most_cell) / 100.0);
            if (heat)
                tg_draw_rect(&p->d, more, x + 15, p->y * 10 + 15, width - 30, TG_DRAW_ROW * 10 - 30, NULL);
            tg_draw_count(&p->d, class, "middle", x + width / 2, p->y * 10 + 165, n);
        }
    }
}

/* When the slots of a day begin, over their columns. */
static void put_times(struct picture *p)
{
    char text[24];

    tg_draw_text(&p->d, "s", "start", TG_DRAW_MARGIN * 10, p->y * 10 + 120, "hosts of group");
    for (size_t d = 0; d < p->days.n; d++) {
        int64_t width = p->d.day / (int64_t) p->parts[d];
        for (size_t c = 0; c < p->parts[d] && p->days.slots[d]; c++) {
            int64_t second = ((tg_draw_local_s(&p->d, p->w->slots[p->part[d][c]].from_ms) % TG_DAY_S) + TG_DAY_S) % TG_DAY_S;
            if (p->days.slots[d] > PARTS_MAX)
                snprintf(text, sizeof text, "%u slots", p->days.slots[d]);
            else
                snprintf(text, sizeof text, "%02d:%02d", (int) (second / 3600), (int) (second / 60 % 60));
            tg_draw_text(&p->d, "s", "middle", TG_DRAW_LEFT * 10 + (int64_t) d * p->d.day + (int64_t) c * width + width / 2, p->y * 10 + 120, text);
        }
    }
    tg_draw_text(&p->d, "s", "end", (TG_DRAW_WIDTH - TG_DRAW_MARGIN) * 10, p->y * 10 + 120, "all");
    p->y += 20;
}

static void put_groups(struct picture *p)
{
    uint32_t *all = calloc(p->w->n_slots + 1, sizeof *all);
    char name[64];

    put_times(p);
    for (size_t r = 0; r < p->w->n_rows; r++) {
        const struct tg_week_row *row = &p->w->rows[r];
        tg_draw_line(&p->d, "g", TG_DRAW_MARGIN * 10, p->y * 10, (TG_DRAW_WIDTH - TG_DRAW_MARGIN) * 10, p->y * 10);
        tg_draw_text(&p->d, "", "start", TG_DRAW_MARGIN * 10, p->y * 10 + 165, tg_week_short(row->name, TG_DRAW_LETTERS, name, sizeof name));
        put_cells(p, row->counts, true);
        tg_draw_count(&p->d, "s r", "end", (TG_DRAW_WIDTH - TG_DRAW_MARGIN) * 10, p->y * 10 + 165, row->total);
        p->y += TG_DRAW_ROW;
    }
    for (size_t s = 0; all && s < p->w->n_slots; s++)
        all[s] = p->w->slots[s].n;
    tg_draw_line(&p->d, "ax", TG_DRAW_MARGIN * 10, p->y * 10, (TG_DRAW_WIDTH - TG_DRAW_MARGIN) * 10, p->y * 10);
    tg_draw_text(&p->d, "b", "start", TG_DRAW_MARGIN * 10, p->y * 10 + 165, "all hosts");
    if (all)
        put_cells(p, all, false);
    tg_draw_count(&p->d, "b r", "end", (TG_DRAW_WIDTH - TG_DRAW_MARGIN) * 10, p->y * 10 + 165, (uint32_t) p->w->names.n);
    p->y += TG_DRAW_ROW;
    free(all);
}

/* ---- the whole ---- */

static int draw(struct picture *p)
{
    put_bars(p);
    p->y = BARS_BOTTOM + 14;
    int64_t from = p->y;
    int rc = p->w->n_slots <= LABELLED_MAX ? put_lanes(p) : put_load(p);
    tg_draw_clock(&p->d, p->y);
    p->y += 34;
    tg_draw_now(&p->d, from - 8, p->y - 32);
    if (!rc)
        put_groups(p);
    return rc;
}

int tg_week_svg(const struct tg_week *week, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    struct tg_buf body = TG_BUF_INIT;
    struct picture p = {.w = week};

    tg_week_days(week, &p.days);
    int rc = tg_draw_init(&p.d, p.days.zone, p.days.first, p.days.n, now_ms, e);
    if (rc)
        return rc;
    p.d.out = &body;
    divide_days(&p);
    rc = draw(&p);
    p.d.out = out;
    put_head(&p, p.y + TG_DRAW_MARGIN);
    tg_draw_days(&p.d, p.y);
    tg_buf_add(out, tg_buf_text(&body), body.len);
    tg_buf_puts(out, "</svg>\n");
    if (rc || body.failed)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_buf_release(&body);
    return rc ? rc : tg_buf_ok(out, e);
}
