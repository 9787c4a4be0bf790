/* tagout calendar week: slots over the whole fleet, by a pattern. */
#include "base/whole.h"
#include "calendar/week_picture.h"
#include "calendar/week_text.h"
#include "cli/commands.h"
#include "config/site.h"
#include "fleet/inventory.h"

#include <stdio.h>
#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "start", .type = TG_OPT_STRING, .arg = "DATE", .text = "plan: the week's first day, such as 2026-11-30. Required"},
    {.name = "svg", .type = TG_OPT_FILE, .arg = "FILE", .text = "plan: writes the week as a picture"},
    {.name = "html", .type = TG_OPT_FILE, .arg = "FILE", .text = "plan: writes the picture and all slots as one page that needs nothing beside it"},
    {.name = NULL},
};

/* ---- what is shown ---- */

typedef int draw_fn(const struct tg_week *week, int64_t now_ms, struct tg_buf *out, struct tg_error *e);

static int write_picture(const struct tg_frame *f, const char *option, draw_fn *draw, const struct tg_week *week, struct tg_error *e)
{
    const char *file = tg_opt_text(f, option);
    struct tg_buf text = TG_BUF_INIT;
    int rc = file ? draw(week, tg_wall_ms(tg_loop_clock(f->loop)), &text, e) : 0;

    if (!rc && file)
        rc = tg_whole_write(file, text.data, text.len, 0644, TG_WHOLE_ANYWHERE, e);
    tg_buf_release(&text);
    return rc;
}

static int show(struct tg_frame *f, const struct tg_week *week, struct tg_error *e)
{
    const struct tg_week_paint paint = {.width = f->width, .cut = f->out_tty, .colour = f->colour, .now_ms = tg_wall_ms(tg_loop_clock(f->loop))};
    struct tg_buf text = TG_BUF_INIT;
    int rc = write_picture(f, "svg", tg_week_svg, week, e);

    if (!rc)
        rc = write_picture(f, "html", tg_week_html, week, e);
    if (rc)
        return rc;
    if (f->json)
        return tg_print_json(tg_week_json(week), e);
    rc = tg_week_text(week, &paint, &text, e);
    if (!rc)
        fputs(tg_buf_text(&text), stdout);
    tg_buf_release(&text);
    return rc;
}

/* ---- verbs ---- */

static int take_date(const struct tg_frame *f, int64_t *out, struct tg_error *e)
{
    const char *text = tg_opt_text(f, "start");

    if (!text) {
        tg_fail(e, TG_E_USAGE, "from which day on? --start DATE");
        tg_error_hint(e, "such as --start 2026-11-30");
        return TG_E_USAGE;
    }
    int rc = tg_date_parse(text, out, e);
    if (rc && e) {
        tg_error_prefix(e, "--start");
        rc = e->code = TG_E_USAGE;
    }
    return rc;
}

static int verb_plan(struct tg_frame *f, struct tg_error *e)
{
    struct tg_pattern *pattern = NULL;
    struct tg_week *week = NULL;
    int64_t date;
    int rc = take_date(f, &date, e);

    if (!rc)
        rc = tg_pattern_read(f->argv[1], &f->problems, &pattern, e);
    if (!rc)
        rc = tg_frame_load_inventory(f, e);
    if (!rc)
        rc = tg_week_plan(pattern, f->inventory, date, &f->problems, &week, e);
    if (!rc)
        rc = show(f, week, e);
    if (!rc && !f->json)
        printf("\nEach of the %zu hosts has exactly one slot.\n", week->names.n);
    tg_week_free(week);
    tg_pattern_free(pattern);
    return rc;
}

static const struct verb {
    const char *name, *takes; /* what its argument is */
    int (*run)(struct tg_frame *f, struct tg_error *e);
} verbs[] = {
    {"plan", "PATTERN", verb_plan},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

static int run_week(struct tg_frame *f, struct tg_error *e)
{
    size_t i = 0;

    while (i < VERBS && strcmp(f->argv[0], verbs[i].name) != 0)
        i++;
    if (i == VERBS) {
        tg_fail(e, TG_E_USAGE, "calendar week has no \"%.40s\"", f->argv[0]);
        return tg_error_hint(e, "plan PATTERN"), TG_E_USAGE;
    }
    if (f->argc != (verbs[i].takes ? 2 : 1))
        return tg_fail(e, TG_E_USAGE, "tagout calendar week %s%s%s", verbs[i].name, verbs[i].takes ? " " : " takes nothing more", verbs[i].takes ? verbs[i].takes : "");
    return verbs[i].run(f, e);
}

const struct tg_cmd tg_cmd_calendar_week = {
    .name = "calendar week",
    .args = "plan PATTERN --start DATE",
    .brief = "lay a maintenance week over the fleet",
    .details = "plan lays the pattern of a maintenance week (tagout-week(5)) over the inventory and shows which hosts have which slot, how many a day, and the slots "
               "across the week. Each host of the pattern's location has exactly one slot: hosts that have none or two, and quotas that can't be filled, "
               "are mistakes with their place in the pattern. Nothing is changed.",
    .examples = "  $ tagout calendar week plan week.yaml --start 2026-11-30\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 2,
    .needs = TG_NEED_CONFIG,
    .complete = "file",
    .exec = run_week,
};
