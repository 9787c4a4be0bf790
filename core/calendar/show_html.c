/* When hosts may be disturbed, as one page: see show_picture.h. */
#include "base/svg.h"
#include "calendar/draw.h"
#include "calendar/show_internal.h"

#include <string.h>

#define STRETCHES_MAX 14 /* in a line of the table */
#define ROWS_MAX 1000

static void put_stretches(struct tg_buf *out, const struct tg_zone *zone, const struct tg_spans *spans, const char *what)
{
    char text[64];

    for (size_t i = 0; i < spans->n && i < STRETCHES_MAX; i++)
        tg_buf_printf(out, "%s%s%s", i ? "<br>" : "", what, tg_show_stretch(zone, &spans->list[i], text, sizeof text));
    if (spans->n > STRETCHES_MAX)
        tg_buf_printf(out, "<br><span class=\"who\">and %zu more</span>", spans->n - STRETCHES_MAX);
}

static void put_row(struct tg_buf *out, const struct tg_zone *zone, const struct tg_show_row *row)
{
    tg_buf_puts(out, "<tr><td class=\"s\">");
    if (strcmp(row->name, row->folded) != 0) {
        tg_buf_puts(out, "<b>");
        tg_svg_text(out, row->name);
        tg_buf_puts(out, "</b><br>");
    }
    tg_buf_puts(out, "<span class=\"who\">");
    tg_draw_names(out, row->folded);
    tg_buf_printf(out, "</span></td><td class=\"n\" data-l=\"Number\">%zu</td><td class=\"w\" data-l=\"May be disturbed\">", row->hosts);
    put_stretches(out, zone, &row->open, "");
    if (!row->open.n)
        tg_buf_puts(out, "<span class=\"who\">never in these days</span>");
    tg_buf_puts(out, "</td><td class=\"w\" data-l=\"Blackouts\">");
    put_stretches(out, zone, &row->blackouts, "");
    tg_buf_puts(out, "</td></tr>\n");
}

int tg_show_html(const struct tg_show *show, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    struct tg_zone zone;
    int rc = tg_zone_find(show->zone, &zone, e);

    if (rc)
        return rc;
    tg_draw_page(out, "Who may be disturbed when");
    tg_draw_picture(out);
    rc = tg_show_svg(show, now_ms, out, e);
    tg_draw_picture_end(out);
    tg_buf_puts(out, "<table><thead><tr><th>Hosts</th><th class=\"n\">Number</th><th>May be disturbed</th><th>Blackouts</th></tr></thead><tbody>\n");
    for (size_t r = 0; r < show->n && r < ROWS_MAX; r++)
        put_row(out, &zone, &show->rows[r]);
    tg_buf_puts(out, "</tbody></table>\n");
    if (show->n > ROWS_MAX)
        tg_buf_printf(out, "<p>and %zu lines more</p>\n", show->n - ROWS_MAX);
    tg_draw_page_end(out, "A host on which nothing may begin any more, because a window is about to end, is still shown as one that may be disturbed.");
    return rc ? rc : tg_buf_ok(out, e);
}
