/* A maintenance week as one page: see week_picture.h. */
#include "base/svg.h"
#include "calendar/draw.h"
#include "calendar/week_picture.h"
#include "calendar/week_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUSTOMERS_MAX 1000

static int put_slot(const struct tg_week *w, size_t s, struct tg_buf *out, struct tg_error *e)
{
    const struct tg_week_slot *slot = &w->slots[s];
    struct tg_buf names = TG_BUF_INIT;
    char when[32], hours[40];
    int rc = tg_week_fold(w, s, &names, e);

    tg_week_when(slot, when, sizeof when);
    *strrchr(when, ' ') = '\0';
    tg_buf_printf(out, "<tr><td class=\"s\"><b>%s</b><br><span class=\"who\">", slot->name);
    tg_svg_text(out, slot->who);
    tg_buf_printf(out, "</span></td><td class=\"w\">%s<br>%s</td><td class=\"w\">%s</td><td class=\"n\" data-l=\"Hosts\">%u</td><td class=\"h\">", when, tg_week_hours(slot, hours, sizeof hours),
                  slot->zone, slot->n);
    tg_draw_names(out, tg_buf_text(&names));
    tg_buf_puts(out, "</td></tr>\n");
    tg_buf_release(&names);
    return rc;
}

static int put_slots(const struct tg_week *w, struct tg_buf *out, struct tg_error *e)
{
    int rc = 0;

    tg_buf_puts(out, "<h2>Slots</h2>\n<table><thead><tr><th>Slot</th><th>When</th><th>Zone</th><th class=\"n\">Hosts</th><th>Which</th></tr></thead><tbody>\n");
    for (size_t s = 0; !rc && s < w->n_slots; s++)
        rc = put_slot(w, s, out, e);
    tg_buf_puts(out, "</tbody></table>\n");
    return rc;
}

/* ---- customers ---- */

/* Hosts of a customer by slot: counts has n_slots for each. */
static void put_customer(const struct tg_week *w, size_t c, const uint32_t *counts, struct tg_buf *out)
{
    uint32_t all = 0;
    bool first = true;
    char when[32];

    for (size_t s = 0; s < w->n_slots; s++)
        all += counts[s];
    tg_buf_puts(out, "<tr><td class=\"s\"><b>");
    tg_svg_text(out, w->customers[c]);
    tg_buf_printf(out, "</b></td><td class=\"n\" data-l=\"Hosts\">%u</td><td>", all);
    for (size_t s = 0; s < w->n_slots; s++) {
        if (!counts[s])
            continue;
        tg_buf_printf(out, "%s%s <span class=\"who\">%s, %u host%s</span>", first ? "" : "<br>", tg_week_when(&w->slots[s], when, sizeof when), w->slots[s].name, counts[s],
                      counts[s] == 1 ? "" : "s");
        first = false;
    }
    tg_buf_puts(out, "</td></tr>\n");
}

static int put_customers(const struct tg_week *w, struct tg_buf *out, struct tg_error *e)
{
    size_t n = w->n_customers < CUSTOMERS_MAX ? w->n_customers : CUSTOMERS_MAX;
    uint32_t *counts = n ? calloc(n * w->n_slots, sizeof *counts) : NULL;

    if (!n)
        return 0;
    if (!counts)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < w->names.n; i++)
        if (w->customer_of[i] < n)
            counts[w->customer_of[i] * w->n_slots + w->slot_of[i]]++;
    tg_buf_puts(out, "<h2>Customers</h2>\n<table><thead><tr><th>Customer</th><th class=\"n\">Hosts</th><th>When</th></tr></thead><tbody>\n");
    for (size_t c = 0; c < n; c++)
        put_customer(w, c, &counts[c * w->n_slots], out);
    tg_buf_puts(out, "</tbody></table>\n");
    if (n < w->n_customers)
        tg_buf_printf(out, "<p>and %zu more customers</p>\n", w->n_customers - n);
    free(counts);
    return 0;
}

int tg_week_html(const struct tg_week *w, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    struct tg_buf foot = TG_BUF_INIT;

    tg_draw_page(out, w->id);
    tg_draw_picture(out);
    int rc = tg_week_svg(w, now_ms, out, e);
    tg_draw_picture_end(out);
    for (size_t i = 0; i < w->n_warnings; i++) {
        tg_buf_puts(out, "<p class=\"warn\">");
        tg_svg_text(out, w->warnings[i]);
        tg_buf_puts(out, "</p>\n");
    }
    if (!rc)
        rc = put_slots(w, out, e);
    if (!rc)
        rc = put_customers(w, out, e);
    tg_svg_text(&foot, w->id);
    tg_buf_puts(&foot, " · location: ");
    tg_svg_text(&foot, w->location);
    tg_buf_printf(&foot, " · digest %s", w->digest);
    tg_draw_page_end(out, tg_buf_text(&foot));
    tg_buf_release(&foot);
    return rc ? rc : tg_buf_ok(out, e);
}
