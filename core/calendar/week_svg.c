/* A maintenance week as SVG: see week_picture.h. Above the bars of a day, then the slots on the week's clock, then groups by slots. */
#include "base/columns.h"
#include "base/svg.h"
#include "calendar/week_picture.h"
#include "calendar/week_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1120
#define MARGIN 24
#define LEFT 190          /* where days begin: names of groups before it */
#define RIGHT 1036        /* where they end: sums behind it */
#define HEAD_Y 92         /* names of days */
#define BARS_TOP 120
#define BARS_BOTTOM 204
#define LANE 22           /* a line of slots */
#define LANES_MAX 30
#define LABELLED_MAX 80   /* slots with a name; beyond, how many hosts at once */
#define LOAD_HEIGHT 90
#define ROW 24
#define LETTER 66         /* of one letter, roughly, in tenths of a pixel */
#define PARTS_MAX 4       /* slots of a day with a column of their own */
#define NAME_LETTERS 21

struct picture {
    const struct tg_week *w;
    struct tg_week_days days;
    struct tg_zone zone;
    struct tg_buf *out;
    int64_t now_s;         /* what clocks show, in the days' zone; INT64_MIN: not within the week */
    int64_t day;           /* width of one, in tenths */
    uint32_t part[8][PARTS_MAX]; /* the slots of each day, by time */
    size_t parts[8];       /* columns of each day: its slots, or 1 for their sum */
    uint32_t most_cell;
    int64_t y;             /* how far it has come, in pixels */
};

/* Below svg: the page around it has rules of its own. */
static const char style[] =
    "<style>"
    "svg .bg{fill:#fff}svg .t{fill:#1f2933;font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}svg .h{font-size:19px;font-weight:600}"
    "svg .b{font-weight:600}svg .s{fill:#616e7c;font-size:12px}svg .z{fill:#aab4bf;font-size:11px}svg .r{font-variant-numeric:tabular-nums}"
    "svg .g{stroke:#e4e7eb}svg .ax{stroke:#9aa5b1}svg .f{fill:#1c7ed6}svg .band{fill:#1f2933;fill-opacity:.035}"
    "svg .n{stroke:#e03131;stroke-width:1.6}svg .nt{fill:#e03131;font-weight:600}"
    "@media screen and (prefers-color-scheme:dark){svg .bg{fill:#14181d}svg .t{fill:#e4e7eb}svg .s{fill:#9aa5b1}svg .z{fill:#4b5561}svg .g{stroke:#2b323b}"
    "svg .ax{stroke:#616e7c}svg .f{fill:#4dabf7}svg .band{fill:#fff}svg .n{stroke:#ff8787}svg .nt{fill:#ff8787}}"
    "@media print{svg .t{fill:#000}svg .s{fill:#444}svg .band{fill:#000}svg rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}}"
    "</style>\n";

/* ---- elements ---- */

static void put_text(struct picture *p, const char *class, const char *anchor, int64_t x, int64_t y, const char *text)
{
    tg_buf_printf(p->out, "<text class=\"t%s%s\" text-anchor=\"%s\" x=\"", class[0] ? " " : "", class, anchor);
    tg_svg_number(p->out, x);
    tg_buf_puts(p->out, "\" y=\"");
    tg_svg_number(p->out, y);
    tg_buf_puts(p->out, "\">");
    tg_svg_text(p->out, text);
    tg_buf_puts(p->out, "</text>\n");
}

static void put_count(struct picture *p, const char *class, const char *anchor, int64_t x, int64_t y, uint32_t n)
{
    char text[16];

    snprintf(text, sizeof text, "%u", n);
    put_text(p, class, anchor, x, y, text);
}

/* more: further attributes. */
static void put_rect(struct picture *p, const char *more, int64_t x, int64_t y, int64_t width, int64_t height, const char *title)
{
    tg_buf_printf(p->out, "<rect %s x=\"", more);
    tg_svg_number(p->out, x);
    tg_buf_puts(p->out, "\" y=\"");
    tg_svg_number(p->out, y);
    tg_buf_puts(p->out, "\" width=\"");
    tg_svg_number(p->out, width);
    tg_buf_puts(p->out, "\" height=\"");
    tg_svg_number(p->out, height);
    if (!title) {
        tg_buf_puts(p->out, "\"/>\n");
        return;
    }
    tg_buf_puts(p->out, "\"><title>");
    tg_svg_text(p->out, title);
    tg_buf_puts(p->out, "</title></rect>\n");
}

static void put_line(struct picture *p, const char *class, int64_t x1, int64_t y1, int64_t x2, int64_t y2)
{
    tg_buf_printf(p->out, "<line class=\"%s\" x1=\"", class);
    tg_svg_number(p->out, x1);
    tg_buf_puts(p->out, "\" y1=\"");
    tg_svg_number(p->out, y1);
    tg_buf_puts(p->out, "\" x2=\"");
    tg_svg_number(p->out, x2);
    tg_buf_puts(p->out, "\" y2=\"");
    tg_svg_number(p->out, y2);
    tg_buf_puts(p->out, "\"/>\n");
}

static int64_t floor_s(int64_t ms)
{
    return ms / 1000 - (ms % 1000 < 0);
}

static int64_t local_s(const struct picture *p, int64_t ms)
{
    return floor_s(ms) + tg_zone_offset_s(&p->zone, floor_s(ms)) - p->days.first * TG_DAY_S;
}

/* Of a time since the first day's midnight, within the days. */
static int64_t x_of(const struct picture *p, int64_t second)
{
    int64_t last = (int64_t) p->days.n * TG_DAY_S;

    second = second < 0 ? 0 : second > last ? last : second;
    return LEFT * 10 + second * p->day / TG_DAY_S;
}

/* ---- what comes first ---- */

static void put_head(struct picture *p, int64_t height)
{
    const struct tg_week *w = p->w;
    char first[16], last[16], date[16], text[400];

    tg_day_format(p->days.first, first, sizeof first);
    tg_day_format(p->days.first + (int64_t) p->days.n - 1, last, sizeof last);
    tg_date_format(w->date, date, sizeof date);
    date[4] = '\0';
    tg_buf_printf(p->out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %lld\" width=\"%d\" height=\"%lld\" role=\"img\">\n<title>", WIDTH, (long long) height,
                  WIDTH, (long long) height);
    tg_svg_text(p->out, w->id);
    tg_buf_printf(p->out, "</title>\n%s<rect class=\"bg\" width=\"%d\" height=\"%lld\" rx=\"8\"/>\n", style, WIDTH, (long long) height);
    snprintf(text, sizeof text, "Maintenance week %s", w->name);
    put_text(p, "h", "start", MARGIN * 10, 360, text);
    snprintf(text, sizeof text, "%s to %s %s   ·   %zu host%s, each in one of %zu slot%s   ·   times in %s   ·   %.12s", first, last, date, w->names.n, w->names.n == 1 ? "" : "s",
             w->n_slots, w->n_slots == 1 ? "" : "s", p->days.zone, w->digest);
    put_text(p, "s", "start", MARGIN * 10, 580, text);
}

/* A name over each day, and a shade below every second one. */
static void put_days(struct picture *p, int64_t bottom)
{
    char day[16];

    for (size_t d = 0; d < p->days.n; d++) {
        int64_t x = LEFT * 10 + (int64_t) d * p->day;
        bool today = p->now_s >= (int64_t) d * TG_DAY_S && p->now_s < (int64_t) (d + 1) * TG_DAY_S;
        if (d % 2 == 0)
            put_rect(p, "class=\"band\"", x, (HEAD_Y - 20) * 10, p->day, bottom * 10 - (HEAD_Y - 20) * 10, NULL);
        tg_day_format(p->days.first + (int64_t) d, day, sizeof day);
        put_text(p, today ? "nt" : "b", "middle", x + p->day / 2, HEAD_Y * 10 - 30, day);
    }
}

static void put_bars(struct picture *p)
{
    put_text(p, "s", "start", MARGIN * 10, (BARS_TOP + BARS_BOTTOM) * 5, "hosts a day");
    for (size_t d = 0; d < p->days.n; d++) {
        int64_t x = LEFT * 10 + (int64_t) d * p->day, width = p->day * 6 / 10;
        int64_t height = p->days.most ? (int64_t) p->days.hosts[d] * (BARS_BOTTOM - BARS_TOP) * 10 / p->days.most : 0;
        put_rect(p, "class=\"f\" fill-opacity=\".8\" rx=\"3\"", x + (p->day - width) / 2, BARS_BOTTOM * 10 - height, width, height, NULL);
        put_count(p, p->days.hosts[d] ? "b r" : "z r", "middle", x + p->day / 2, BARS_BOTTOM * 10 - height - 50, p->days.hosts[d]);
    }
    put_line(p, "ax", LEFT * 10, BARS_BOTTOM * 10, RIGHT * 10, BARS_BOTTOM * 10);
    put_count(p, "b r", "end", (WIDTH - MARGIN) * 10, BARS_BOTTOM * 10 - 50, (uint32_t) p->w->names.n);
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

    snprintf(out, size, "%s %u", tg_week_short(s->name, NAME_LETTERS, name, sizeof name), s->n);
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
        int64_t from = local_s(p, p->w->slots[s].from_ms), until = local_s(p, p->w->slots[s].until_ms), letters = (int64_t) tg_columns(label) * LETTER;
        b->from = x_of(p, from);
        b->until = x_of(p, until);
        b->until = b->until < b->from + 30 ? b->from + 30 : b->until;
        b->before = b->until + 60 + letters > RIGHT * 10;
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
    put_text(p, "s", "start", MARGIN * 10, p->y * 10 + 150, "slots");
    for (size_t s = 0; s < p->w->n_slots; s++) {
        int64_t y = (p->y + (int64_t) bars[s].lane * LANE) * 10;
        tell(&p->w->slots[s], text, sizeof text);
        put_rect(p, "class=\"f\" rx=\"3\"", bars[s].from, y + 30, bars[s].until - bars[s].from, 160, text);
        label_of(&p->w->slots[s], text, sizeof text);
        put_text(p, "s", bars[s].before ? "end" : "start", bars[s].text, y + 155, text);
    }
    free(bars);
    p->y += (int64_t) n * LANE + 8;
    return 0;
}

struct edge {
    int64_t at;
    int64_t hosts;
};

static int by_time(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

/* How many hosts have their slot at each time: where there are too many slots for names. */
static int put_load(struct picture *p)
{
    size_t n = 2 * p->w->n_slots;
    struct edge *edges = calloc(n + 1, sizeof *edges);
    int64_t now = 0, most = 1, bottom = (p->y + LOAD_HEIGHT) * 10;
    char text[64];

    if (!edges)
        return TG_E_MEMORY;
    for (size_t s = 0; s < p->w->n_slots; s++) {
        edges[2 * s] = (struct edge) {local_s(p, p->w->slots[s].from_ms), p->w->slots[s].n};
        edges[2 * s + 1] = (struct edge) {local_s(p, p->w->slots[s].until_ms), -(int64_t) p->w->slots[s].n};
    }
    qsort(edges, n, sizeof *edges, by_time);
    for (size_t i = 0; i < n; i++) {
        now += edges[i].hosts;
        most = (i + 1 == n || edges[i + 1].at != edges[i].at) && now > most ? now : most;
    }
    put_text(p, "s", "start", MARGIN * 10, p->y * 10 + 350, "hosts at once");
    snprintf(text, sizeof text, "at most %lld", (long long) most);
    put_text(p, "s", "start", MARGIN * 10, p->y * 10 + 520, text);
    tg_buf_printf(p->out, "<path class=\"f\" fill-opacity=\".7\" d=\"M%d,%lld", LEFT, (long long) bottom / 10);
    now = 0;
    for (size_t i = 0; i < n; i++) {
        now += edges[i].hosts;
        if (i + 1 < n && edges[i + 1].at == edges[i].at)
            continue;
        tg_buf_puts(p->out, "H");
        tg_svg_number(p->out, x_of(p, edges[i].at));
        tg_buf_puts(p->out, "V");
        tg_svg_number(p->out, bottom - now * LOAD_HEIGHT * 10 / most);
    }
    tg_buf_printf(p->out, "V%lldZ\"/>\n", (long long) bottom / 10);
    free(edges);
    p->y += LOAD_HEIGHT + 10;
    return 0;
}

static void put_clock(struct picture *p)
{
    char hour[8];

    put_line(p, "ax", LEFT * 10, p->y * 10, RIGHT * 10, p->y * 10);
    for (size_t d = 0; d < p->days.n; d++)
        for (int h = 6; h < 24; h += 6) {
            int64_t x = x_of(p, (int64_t) d * TG_DAY_S + h * 3600);
            snprintf(hour, sizeof hour, "%02d", h);
            put_line(p, "ax", x, p->y * 10, x, p->y * 10 + 40);
            put_text(p, "z", "middle", x, p->y * 10 + 150, hour);
        }
    p->y += 34;
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
        int64_t width = p->day / (int64_t) p->parts[d];
        for (size_t c = 0; c < p->parts[d]; c++) {
            int64_t x = LEFT * 10 + (int64_t) d * p->day + (int64_t) c * width;
            uint32_t n = cell(p, counts, d, c);
            if (!n)
                continue;
            snprintf(more, sizeof more, "class=\"f\" fill-opacity=\"%.2f\" rx=\"3\"", opacity(n, p->most_cell) / 100.0);
            if (heat)
                put_rect(p, more, x + 15, p->y * 10 + 15, width - 30, ROW * 10 - 30, NULL);
            put_count(p, class, "middle", x + width / 2, p->y * 10 + 165, n);
        }
    }
}

/* When the slots of a day begin, over their columns. */
static void put_times(struct picture *p)
{
    char text[24];

    put_text(p, "s", "start", MARGIN * 10, p->y * 10 + 120, "hosts of group");
    for (size_t d = 0; d < p->days.n; d++) {
        int64_t width = p->day / (int64_t) p->parts[d];
        for (size_t c = 0; c < p->parts[d] && p->days.slots[d]; c++) {
            int64_t second = ((local_s(p, p->w->slots[p->part[d][c]].from_ms) % TG_DAY_S) + TG_DAY_S) % TG_DAY_S;
            if (p->days.slots[d] > PARTS_MAX)
                snprintf(text, sizeof text, "%u slots", p->days.slots[d]);
            else
                snprintf(text, sizeof text, "%02d:%02d", (int) (second / 3600), (int) (second / 60 % 60));
            put_text(p, "s", "middle", LEFT * 10 + (int64_t) d * p->day + (int64_t) c * width + width / 2, p->y * 10 + 120, text);
        }
    }
    put_text(p, "s", "end", (WIDTH - MARGIN) * 10, p->y * 10 + 120, "all");
    p->y += 20;
}

static void put_groups(struct picture *p)
{
    uint32_t *all = calloc(p->w->n_slots + 1, sizeof *all);
    char name[64];

    put_times(p);
    for (size_t r = 0; r < p->w->n_rows; r++) {
        const struct tg_week_row *row = &p->w->rows[r];
        put_line(p, "g", MARGIN * 10, p->y * 10, (WIDTH - MARGIN) * 10, p->y * 10);
        put_text(p, "", "start", MARGIN * 10, p->y * 10 + 165, tg_week_short(row->name, NAME_LETTERS, name, sizeof name));
        put_cells(p, row->counts, true);
        put_count(p, "s r", "end", (WIDTH - MARGIN) * 10, p->y * 10 + 165, row->total);
        p->y += ROW;
    }
    for (size_t s = 0; all && s < p->w->n_slots; s++)
        all[s] = p->w->slots[s].n;
    put_line(p, "ax", MARGIN * 10, p->y * 10, (WIDTH - MARGIN) * 10, p->y * 10);
    put_text(p, "b", "start", MARGIN * 10, p->y * 10 + 165, "all hosts");
    if (all)
        put_cells(p, all, false);
    put_count(p, "b r", "end", (WIDTH - MARGIN) * 10, p->y * 10 + 165, (uint32_t) p->w->names.n);
    p->y += ROW;
    free(all);
}

/* ---- the whole ---- */

static void put_now(struct picture *p, int64_t from, int64_t until)
{
    if (p->now_s == INT64_MIN)
        return;
    int64_t x = x_of(p, p->now_s);
    bool right = x > (LEFT + RIGHT) * 5;
    put_line(p, "n", x, from * 10, x, until * 10);
    put_text(p, "nt", right ? "end" : "start", x + (right ? -50 : 50), from * 10 + 110, "now");
}

static int draw(struct picture *p)
{
    put_bars(p);
    p->y = BARS_BOTTOM + 14;
    int64_t from = p->y;
    int rc = p->w->n_slots <= LABELLED_MAX ? put_lanes(p) : put_load(p);
    put_clock(p);
    put_now(p, from - 8, p->y - 32);
    if (!rc)
        put_groups(p);
    return rc;
}

int tg_week_svg(const struct tg_week *week, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    struct tg_buf body = TG_BUF_INIT;
    struct picture p = {.w = week, .out = &body, .now_s = INT64_MIN};

    tg_week_days(week, &p.days);
    int rc = tg_zone_find(p.days.zone, &p.zone, e);
    if (rc)
        return rc;
    p.day = (RIGHT - LEFT) * 10 / (int64_t) p.days.n;
    if (now_ms && local_s(&p, now_ms) >= 0 && local_s(&p, now_ms) < (int64_t) p.days.n * TG_DAY_S)
        p.now_s = local_s(&p, now_ms);
    divide_days(&p);
    rc = draw(&p);
    p.out = out;
    put_head(&p, p.y + MARGIN);
    put_days(&p, p.y);
    tg_buf_add(out, tg_buf_text(&body), body.len);
    tg_buf_puts(out, "</svg>\n");
    if (rc || body.failed)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_buf_release(&body);
    return rc ? rc : tg_buf_ok(out, e);
}
