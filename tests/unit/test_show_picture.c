/* The pictures of "calendar show": what is drawn is what holds, at its place, whatever names hold. */
#include "calendar/show_picture.h"

#include "calendar/local.h"
#include "calendar_world.h"

#include <math.h>

static struct tg_show_row row(const char *name, size_t hosts, const char *from, const char *until)
{
    struct tg_show_row r = {.name = name, .folded = name, .hosts = hosts};

    cr_assert_eq(tg_spans_add(&r.open, ms_of(from), ms_of(until), NULL), 0);
    return r;
}

static int64_t day_of(const char *text)
{
    int64_t date = 0;

    cr_assert_eq(tg_date_parse(text, &date, NULL), 0);
    return date;
}

static char *drawn(int (*draw)(const struct tg_show *, int64_t, struct tg_buf *, struct tg_error *), const struct tg_show *show, int64_t now_ms)
{
    struct tg_buf out = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(draw(show, now_ms, &out, &e), 0, "%s", e.message);
    return tg_buf_take(&out, &e);
}

static void has(const char *text, const char *part)
{
    cr_expect(strstr(text, part), "no %s in\n%s", part, text);
}

static void has_not(const char *text, const char *part)
{
    cr_expect_null(strstr(text, part), "%s in\n%s", part, text);
}

Test(show_picture, a_stretch_is_at_its_place)
{
    /* seven days across 846 pixels from 190: a day has 120.8; Tuesday's noon is at 190 + 1.5 of them */
    struct tg_show_row rows[] = {row("web", 3, "2026-11-24T12:00:00Z", "2026-11-25T00:00:00Z"), row("db", 2, "2026-11-24T18:00:00Z", "2026-11-25T06:00:00Z")};
    const struct tg_show show = {.who = "", .zone = "UTC", .first = day_of("2026-11-23"), .days = 7, .rows = rows, .n = 2};
    char *svg = drawn(tg_show_svg, &show, 0);

    has(svg, "x=\"371.2\"");
    has(svg, "width=\"60.4\"");
    has(svg, "Tue 24 Nov 12:00 to 24:00");
    has(svg, "Tue 24 Nov 18:00 to Wed 25 Nov 06:00");
    has(svg, "at most 5");
    has(svg, "5 hosts");
    has_not(svg, ">now</text>");
    free(svg);
    svg = drawn(tg_show_svg, &show, ms_of("2026-11-24T12:00:00Z"));
    has(svg, ">now</text>");
    free(svg);
    svg = drawn(tg_show_svg, &show, ms_of("2026-11-30T00:00:00Z"));
    has_not(svg, ">now</text>");
    free(svg);
    tg_spans_release(&rows[0].open);
    tg_spans_release(&rows[1].open);
}

Test(show_picture, one_that_follows_another_is_not_at_once)
{
    struct tg_show_row rows[] = {row("web", 3, "2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z"), row("db", 4, "2026-11-24T13:00:00Z", "2026-11-24T14:00:00Z")};
    const struct tg_show show = {.who = "", .zone = "UTC", .first = day_of("2026-11-24"), .days = 1, .rows = rows, .n = 2};
    char *svg = drawn(tg_show_svg, &show, 0);

    has(svg, "at most 4");
    has(svg, ">Tue 24 Nov 2026   ·");
    free(svg);
    tg_spans_release(&rows[0].open);
    tg_spans_release(&rows[1].open);
}

Test(show_picture, names_of_others_are_text)
{
    struct tg_show_row r = row("R&D <b> \"x\"", 1, "2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z");
    const struct tg_show show = {.who = "<script>", .zone = "Europe/Berlin", .first = day_of("2026-11-24"), .days = 62, .rows = &r, .n = 1};
    char *page = drawn(tg_show_html, &show, 0);

    has(page, "R&amp;D &lt;b&gt;");
    has(page, ">Tue 24 Nov 2026 to Sun 24 Jan 2027   ·");
    has(page, ">30 Nov</text>"); /* too narrow for each: Mondays, with their month */
    has(page, ">4 Jan</text>");
    has_not(page, ">1 Dec</text>");
    has(page, "&lt;script&gt;");
    has(page, "Tue 24 Nov 13:00 to 14:00");
    has(page, "</body></html>");
    has_not(page, "<script");
    free(page);
    tg_spans_release(&r.open);
}

Test(show_picture, nothing_is_drawn_too_and_many_lines_are_counted)
{
    static struct tg_show_row rows[2000];
    struct tg_show show = {.who = "", .zone = "UTC", .first = day_of("2026-11-24"), .days = 7, .rows = rows};
    char *svg = drawn(tg_show_svg, &show, 0);

    has(svg, "at most 0");
    has(svg, "0 hosts");
    has_not(svg, "portrait");
    free(svg);
    for (size_t i = 0; i < 2000; i++)
        rows[i] = (struct tg_show_row) {.name = "web", .folded = "web", .hosts = 1};
    show.n = 2000;
    char *page = drawn(tg_show_html, &show, 0);
    has(page, "@page{size:A4 portrait}"); /* squeezed onto a page that lies, its text had 4 points */
    has(page, "and 1940 lines more");
    has(page, "and 1000 lines more");
    has(page, "never in these days");
    free(page);
}

/* ---- to be read ---- */

/* How bright what stands behind key is, as WCAG has it: of "#rrggbb" or "#rgb". */
static double brightness(const char *style, const char *key)
{
    const char *at = strstr(style, key);
    double part[3];

    cr_assert(at, "no %s", key);
    at += strlen(key);
    cr_assert_eq(*at, '#', "%s", key);
    int digits = strspn(at + 1, "0123456789abcdef") == 6 ? 2 : 1;
    for (int i = 0; i < 3; i++) {
        char hex[3] = {at[1 + i * digits], at[i * digits + digits], '\0'};
        double c = (double) strtol(hex, NULL, 16) / 255;
        part[i] = c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
    }
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
}

static double contrast(const char *style, const char *a, const char *b)
{
    double x = brightness(style, a) + 0.05, y = brightness(style, b) + 0.05;

    return x > y ? x / y : y / x;
}

Test(show_picture, whatever_is_written_can_be_read_by_day_and_at_night)
{
    static const char *const words[] = {"svg .t{fill:", "svg .s{fill:", "svg .z{fill:", "svg .nt{fill:"};
    static const char *const shapes[] = {"svg .f{fill:", "svg .n{stroke:"};
    struct tg_show_row r = row("web", 1, "2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z");
    const struct tg_show show = {
        .who = "", .zone = "UTC", .first = day_of("2026-11-23"), .days = 14, .rows = &r, .n = 1};
    char *svg = drawn(tg_show_svg, &show, 0);
    const char *styles[] = {svg, strstr(svg, "prefers-color-scheme:dark")};

    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            cr_expect_geq(contrast(styles[s], words[i], "svg .bg{fill:"), 4.5, "%s", words[i]);
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            cr_expect_geq(contrast(styles[s], shapes[i], "svg .bg{fill:"), 3, "%s", shapes[i]);
    }
    has(svg, "stroke:#e03131;stroke-opacity:.75"); /* blackouts: their edge is seen, whatever the paper makes of a pale
                                                      red */
    has(svg, ">Mon 23</text>");
    free(svg);
    tg_spans_release(&r.open);
}

Test(show_picture, a_page_is_read_on_a_telephone)
{
    struct tg_show_row r = row("web", 1, "2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z");
    const struct tg_show show = {
        .who = "", .zone = "UTC", .first = day_of("2026-11-23"), .days = 30, .rows = &r, .n = 1};
    char *page = drawn(tg_show_html, &show, 0);

    has(page, "<div class=\"pic\" tabindex=\"0\">\n<svg");
    has(page, "</svg>\n</div>\n<table>");
    has(page, "@media screen{svg{min-width:");
    has(page, "<td class=\"w\" data-l=\"Blackouts\"></td>"); /* empty: hidden where columns are lines */
    has(page, ">23</text>");
    free(page);
    tg_spans_release(&r.open);
}

Test(show_picture, a_zone_that_there_is_not_is_refused)
{
    const struct tg_show show = {.who = "", .zone = "Europe/Berlim", .first = 0, .days = 7};
    struct tg_buf out = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;

    cr_expect_neq(tg_show_svg(&show, 0, &out, &e), 0);
    cr_expect_neq(tg_show_html(&show, 0, &out, &e), 0);
    tg_buf_release(&out);
}
