/* Pictures of days: see draw.h. */
#include "calendar/draw.h"

#include "base/svg.h"
#include "calendar/local.h"
#include "calendar/week_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LANDSCAPE_MAX 1080 /* what is higher is larger on a page that stands, as wide as that is, than on one that lies, as high as that is */
#define NAMES_MAX 4000 /* bytes of folded names in a row: what is longer is nothing that a person reads */

/* Below svg: the page around it has rules of its own. */
static const char style[] =
    "<style>"
    "svg .bg{fill:#fff}svg .t{fill:#1f2933;font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}svg .h{font-size:19px;font-weight:600}"
    "svg .b{font-weight:600}svg .s{fill:#616e7c;font-size:12px}svg .z{fill:#667280;font-size:11px}svg .r{font-variant-numeric:tabular-nums}"
    "svg .g{stroke:#e4e7eb}svg .ax{stroke:#9aa5b1}svg .f{fill:#1c7ed6}svg .band{fill:#1f2933;fill-opacity:.035}"
    "svg .no{fill:#e03131;fill-opacity:.22;stroke:#e03131;stroke-opacity:.75}svg .n{stroke:#e03131;stroke-width:1.6}"
    "svg .nt{fill:#d02020;font-weight:600;stroke:#fff;stroke-width:3px;paint-order:stroke}"
    "@media screen and (prefers-color-scheme:dark){svg .bg{fill:#14181d}svg .t{fill:#e4e7eb}svg .s{fill:#9aa5b1}svg .z{fill:#8d98a4}svg .g{stroke:#2b323b}"
    "svg .ax{stroke:#616e7c}svg .f{fill:#4dabf7}svg .band{fill:#fff}svg .no{fill:#ff8787;stroke:#ff8787}svg .n{stroke:#ff8787}svg .nt{fill:#ff8787;stroke:#14181d}}"
    "@media print{svg .t{fill:#000}svg .s{fill:#444}svg .band{fill:#000}svg rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}}"
    "</style>\n";

int tg_draw_init(struct tg_draw *d, const char *zone, int64_t first, size_t n, int64_t now_ms, struct tg_error *e)
{
    *d = (struct tg_draw) {.first = first, .n = n, .day = (TG_DRAW_RIGHT - TG_DRAW_LEFT) * 10 / (int64_t) n, .now_s = INT64_MIN};
    int rc = tg_zone_find(zone, &d->zone, e);

    if (rc || !now_ms)
        return rc;
    int64_t now_s = tg_draw_local_s(d, now_ms);
    if (now_s >= 0 && now_s < (int64_t) n * TG_DAY_S)
        d->now_s = now_s;
    return 0;
}

void tg_draw_head(struct tg_draw *d, int64_t height, const char *title, const char *heading, const char *line)
{
    tg_buf_printf(d->out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %lld\" width=\"%d\" height=\"%lld\" role=\"img\">\n<title>", TG_DRAW_WIDTH, (long long) height,
                  TG_DRAW_WIDTH, (long long) height);
    tg_svg_text(d->out, title);
    tg_buf_printf(d->out, "</title>\n%s<rect class=\"bg\" width=\"%d\" height=\"%lld\" rx=\"8\"/>\n", style, TG_DRAW_WIDTH, (long long) height);
    if (height > LANDSCAPE_MAX) /* squeezed onto a page on its side, nobody could read it */
        tg_buf_puts(d->out, "<style>@media print{@page{size:A4 portrait}svg{max-height:262mm}}</style>\n");
    tg_draw_text(d, "h", "start", TG_DRAW_MARGIN * 10, 360, heading);
    tg_draw_text(d, "s", "start", TG_DRAW_MARGIN * 10, 580, line);
}

/* ---- elements ---- */

void tg_draw_text(struct tg_draw *d, const char *class, const char *anchor, int64_t x, int64_t y, const char *text)
{
    tg_buf_printf(d->out, "<text class=\"t%s%s\" text-anchor=\"%s\" x=\"", class[0] ? " " : "", class, anchor);
    tg_svg_number(d->out, x);
    tg_buf_puts(d->out, "\" y=\"");
    tg_svg_number(d->out, y);
    tg_buf_puts(d->out, "\">");
    tg_svg_text(d->out, text);
    tg_buf_puts(d->out, "</text>\n");
}

void tg_draw_count(struct tg_draw *d, const char *class, const char *anchor, int64_t x, int64_t y, size_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%zu", n);
    tg_draw_text(d, class, anchor, x, y, text);
}

void tg_draw_rect(struct tg_draw *d, const char *more, int64_t x, int64_t y, int64_t width, int64_t height, const char *title)
{
    tg_buf_printf(d->out, "<rect %s x=\"", more);
    tg_svg_number(d->out, x);
    tg_buf_puts(d->out, "\" y=\"");
    tg_svg_number(d->out, y);
    tg_buf_puts(d->out, "\" width=\"");
    tg_svg_number(d->out, width);
    tg_buf_puts(d->out, "\" height=\"");
    tg_svg_number(d->out, height);
    if (!title) {
        tg_buf_puts(d->out, "\"/>\n");
        return;
    }
    tg_buf_puts(d->out, "\"><title>");
    tg_svg_text(d->out, title);
    tg_buf_puts(d->out, "</title></rect>\n");
}

void tg_draw_line(struct tg_draw *d, const char *class, int64_t x1, int64_t y1, int64_t x2, int64_t y2)
{
    tg_buf_printf(d->out, "<line class=\"%s\" x1=\"", class);
    tg_svg_number(d->out, x1);
    tg_buf_puts(d->out, "\" y1=\"");
    tg_svg_number(d->out, y1);
    tg_buf_puts(d->out, "\" x2=\"");
    tg_svg_number(d->out, x2);
    tg_buf_puts(d->out, "\" y2=\"");
    tg_svg_number(d->out, y2);
    tg_buf_puts(d->out, "\"/>\n");
}

int64_t tg_draw_local_s(const struct tg_draw *d, int64_t ms)
{
    return tg_floor_s(ms) + tg_zone_offset_s(&d->zone, tg_floor_s(ms)) - d->first * TG_DAY_S;
}

int64_t tg_draw_x(const struct tg_draw *d, int64_t second)
{
    int64_t last = (int64_t) d->n * TG_DAY_S;

    second = second < 0 ? 0 : second > last ? last : second;
    return TG_DRAW_LEFT * 10 + second * d->day / TG_DAY_S;
}

/* Widths of a day: with its month, with the day of the week; and too narrow for its number, so that Mondays have theirs. */
#define WIDE 700
#define MIDDLE 500
#define NARROW 160

/* What is written over a day: as much as its width has room for. */
static void name_day(const struct tg_draw *d, size_t i, char *out, size_t size)
{
    int64_t date = d->first + (int64_t) i;
    char text[16];

    out[0] = '\0';
    if (d->day >= WIDE) {
        tg_day_format(date, out, size);
    } else if (d->day >= MIDDLE) {
        tg_day_format(date, text, sizeof text);
        snprintf(out, size, "%.*s", (int) (strrchr(text, ' ') - text), text);
    } else if (d->day >= NARROW) {
        tg_date_format(date, text, sizeof text);
        snprintf(out, size, "%s", text + 8);
    } else if (tg_weekday(date) == 0) {
        tg_day_format(date, text, sizeof text);
        snprintf(out, size, "%s", strchr(text, ' ') + 1);
    }
}

void tg_draw_days(struct tg_draw *d, int64_t bottom)
{
    char day[16];

    for (size_t i = 0; i < d->n; i++) {
        int64_t x = TG_DRAW_LEFT * 10 + (int64_t) i * d->day;
        bool today = d->now_s >= (int64_t) i * TG_DAY_S && d->now_s < (int64_t) (i + 1) * TG_DAY_S;
        if (d->day >= NARROW ? i % 2 == 0 : tg_weekday(d->first + (int64_t) i) >= 5) /* weekends tell narrow days apart */
            tg_draw_rect(d, "class=\"band\"", x, (TG_DRAW_HEAD_Y - 20) * 10, d->day, bottom * 10 - (TG_DRAW_HEAD_Y - 20) * 10, NULL);
        name_day(d, i, day, sizeof day);
        if (day[0])
            tg_draw_text(d, today ? "nt" : "b", "middle", x + d->day / 2, TG_DRAW_HEAD_Y * 10 - 30, day);
    }
}

void tg_draw_clock(struct tg_draw *d, int64_t y)
{
    int step = d->day >= WIDE ? 6 : d->day >= 400 ? 12 : 24;
    char hour[16];

    tg_draw_line(d, "ax", TG_DRAW_LEFT * 10, y * 10, TG_DRAW_RIGHT * 10, y * 10);
    for (size_t i = 0; i < d->n; i++)
        for (int h = step; h < 24; h += step) {
            int64_t x = tg_draw_x(d, (int64_t) i * TG_DAY_S + (int64_t) h * 3600);
            snprintf(hour, sizeof hour, "%02d", h);
            tg_draw_line(d, "ax", x, y * 10, x, y * 10 + 40);
            tg_draw_text(d, "z", "middle", x, y * 10 + 150, hour);
        }
}

void tg_draw_now(struct tg_draw *d, int64_t from, int64_t until)
{
    if (d->now_s == INT64_MIN)
        return;
    int64_t x = tg_draw_x(d, d->now_s);
    bool right = x > (TG_DRAW_LEFT + TG_DRAW_RIGHT) * 5;
    tg_draw_line(d, "n", x, from * 10, x, until * 10);
    tg_draw_text(d, "nt", right ? "end" : "start", x + (right ? -50 : 50), from * 10 + 110, "now");
}

static int by_time(const void *a, const void *b)
{
    const struct tg_draw_edge *x = a, *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

int64_t tg_draw_load(struct tg_draw *d, struct tg_draw_edge *edges, size_t n, int64_t y, int64_t height)
{
    int64_t now = 0, most = 0, bottom = (y + height) * 10;

    qsort(edges, n, sizeof *edges, by_time);
    for (size_t i = 0; i < n; i++) {
        now += edges[i].hosts;
        most = (i + 1 == n || edges[i + 1].at != edges[i].at) && now > most ? now : most;
    }
    tg_buf_printf(d->out, "<path class=\"f\" fill-opacity=\".7\" d=\"M%d,%lld", TG_DRAW_LEFT, (long long) bottom / 10);
    now = 0;
    for (size_t i = 0; i < n; i++) {
        now += edges[i].hosts;
        if (i + 1 < n && edges[i + 1].at == edges[i].at)
            continue;
        tg_buf_puts(d->out, "H");
        tg_svg_number(d->out, tg_draw_x(d, edges[i].at));
        tg_buf_puts(d->out, "V");
        tg_svg_number(d->out, bottom - (most ? now * height * 10 / most : 0));
    }
    tg_buf_printf(d->out, "V%lldZ\"/>\n", (long long) bottom / 10);
    return most;
}

/* ---- a page ---- */

static const char page_style[] =
    "<style>"
    ":root{color-scheme:light dark}"
    "body{margin:24px auto;max-width:1120px;padding:0 16px;background:#f5f7fa;color:#1f2933;font:14px/1.45 system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}"
    ".pic{overflow-x:auto;margin-bottom:24px;border-radius:8px}svg{display:block;width:100%;height:auto}"
    "h2{font-size:16px;margin:28px 0 8px}"
    "table{border-collapse:collapse;width:100%;background:#fff;border-radius:8px}"
    "th,td{text-align:left;vertical-align:top;padding:6px 12px;border-bottom:1px solid #e4e7eb}"
    "th{color:#616e7c;font-weight:600;font-size:12px}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.w{white-space:nowrap}"
    "td.h{overflow-wrap:anywhere;font-size:12px}td.s{overflow-wrap:anywhere;min-width:9em}"
    ".who{color:#616e7c}.warn{border-left:4px solid #e8590c;background:#fff4e6;padding:8px 12px;margin:0 0 8px}"
    "footer{color:#616e7c;font-size:12px;margin-top:24px;overflow-wrap:anywhere}"
    "@media screen and (prefers-color-scheme:dark){body{background:#0b0e11;color:#e4e7eb}table{background:#14181d}th,td{border-color:#2b323b}th,.who,footer{color:#9aa5b1}"
    ".warn{background:#2b1d10}}"
    "@media screen{svg{min-width:860px}}" /* narrower, its letters can't be read: it is moved sideways */
    "@media screen and (max-width:640px){body{margin:12px auto;padding:0 10px}table,tbody,tr,td{display:block}thead{display:none}td{border:0;padding:2px 12px}"
    "tr{padding:8px 0;border-bottom:1px solid #9aa5b1}td.n{text-align:left}td.w{white-space:normal}td:empty{display:none}"
    "td[data-l]::before{content:attr(data-l) ' ';opacity:.8;font-size:12px}td.w[data-l]::before{display:block}}"
    "@media print{@page{size:A4 landscape;margin:12mm}body{margin:0;max-width:none;padding:0;background:#fff;color:#000;font-size:11px}"
    "table{background:#fff}th,td{padding:3px 8px;border-color:#ccc}th,.who,footer{color:#444}.warn{background:#fff}tr{break-inside:avoid}thead{display:table-header-group}"
    "h2{break-after:avoid}.pic{overflow:visible}svg{break-inside:avoid;max-height:180mm}}"
    "</style>\n";

void tg_draw_names(struct tg_buf *out, const char *names)
{
    size_t len = strlen(names), keep = len;
    char *copy = NULL;

    if (len > NAMES_MAX) {
        for (keep = NAMES_MAX; keep > 0 && names[keep] != ',';)
            keep--;
        copy = strndup(names, keep);
    }
    if (len <= NAMES_MAX || copy)
        tg_svg_text(out, copy ? copy : names);
    if (copy)
        tg_buf_puts(out, ",…");
    free(copy);
}


void tg_draw_page(struct tg_buf *out, const char *title)
{
    tg_buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>");
    tg_svg_text(out, title);
    tg_buf_printf(out, "</title>\n%s</head><body>\n", page_style);
}

void tg_draw_picture(struct tg_buf *out)
{
    tg_buf_puts(out, "<div class=\"pic\" tabindex=\"0\">\n");
}

void tg_draw_picture_end(struct tg_buf *out)
{
    tg_buf_puts(out, "</div>\n");
}

void tg_draw_page_end(struct tg_buf *out, const char *foot)
{
    tg_buf_printf(out, "<footer>%s</footer>\n</body></html>\n", foot);
}
