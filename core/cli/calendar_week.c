/* tagout calendar week: slots over the whole fleet, by a pattern. */
#include "cli/calendar_week.h"

#include "cli/calendar.h"
#include "calendar/week_picture.h"
#include "calendar/week_text.h"
#include "cli/commands.h"
#include "config/site.h"
#include "fleet/inventory.h"

#include <stdio.h>
#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "start", .type = TG_OPT_STRING, .arg = "DATE", .text = "plan: the week's first day, such as 2026-11-30. Required"},
    {.name = "apply", .type = TG_OPT_FLAG, .text = "plan: books it in the store"},
    {.name = "svg", .type = TG_OPT_FILE, .arg = "FILE", .text = "plan, show: writes the week as a picture"},
    {.name = "html", .type = TG_OPT_FILE, .arg = "FILE", .text = "plan, show: writes the picture and all slots as one page that needs nothing beside it"},
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "cancel: why; whoever counted on the week wants to know. Required"},
    {.name = NULL},
};

/* ---- what is shown ---- */

static int draw_svg(const void *week, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    return tg_week_svg(week, now_ms, out, e);
}

static int draw_html(const void *week, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    return tg_week_html(week, now_ms, out, e);
}

int tg_week_pictures(struct tg_frame *f, const struct tg_week *week, struct tg_error *e)
{
    int64_t now_ms = tg_wall_ms(tg_loop_clock(f->loop));
    int rc = tg_calendar_picture(f, "svg", draw_svg, week, now_ms, e);

    return rc ? rc : tg_calendar_picture(f, "html", draw_html, week, now_ms, e);
}

static int print_json(struct tg_frame *f, const struct tg_week *week, const struct tg_booked *booked, const struct tg_marks *marks, struct tg_error *e)
{
    json_t *o = tg_week_json(week);
    int64_t now_ms = tg_wall_ms(tg_loop_clock(f->loop));

    if (o && ((booked && json_object_set_new(o, "booked", tg_week_booked_json(booked, now_ms))) ||
              (marks && json_object_set_new(o, "progress", tg_week_progress_json(booked, week, marks, now_ms))))) {
        json_decref(o);
        o = NULL;
    }
    return tg_print_json(o, e);
}

int tg_week_show(struct tg_frame *f, const struct tg_week *week, const struct tg_booked *booked, const struct tg_marks *marks, struct tg_error *e)
{
    const struct tg_week_paint paint = {.width = f->width, .cut = f->out_tty, .colour = f->colour, .now_ms = tg_wall_ms(tg_loop_clock(f->loop))};
    struct tg_buf text = TG_BUF_INIT;

    if (f->json)
        return print_json(f, week, booked, marks, e);
    int rc = tg_week_text(week, &paint, &text, e);
    if (!rc)
        fputs(tg_buf_text(&text), stdout);
    tg_buf_release(&text);
    if (!rc && marks)
        tg_week_progress(f, booked, week, marks);
    return rc;
}

/* ---- plan ---- */

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

static int lay(struct tg_frame *f, int64_t date, struct tg_week **out, struct tg_error *e)
{
    struct tg_pattern *pattern = NULL;
    int rc = tg_pattern_read(f->argv[1], &f->problems, &pattern, e);

    if (!rc)
        rc = tg_frame_load_inventory(f, e);
    if (!rc)
        rc = tg_week_plan(pattern, f->inventory, date, &f->problems, out, e);
    tg_pattern_free(pattern);
    return rc;
}

static int verb_plan(struct tg_frame *f, struct tg_error *e)
{
    struct tg_week *week = NULL;
    int64_t date;
    int rc = take_date(f, &date, e);

    if (!rc)
        rc = lay(f, date, &week, e);
    if (!rc)
        rc = tg_week_pictures(f, week, e);
    if (!rc && tg_opt_flag(f, "apply")) {
        rc = tg_week_apply(f, week, e);
    } else if (!rc) {
        rc = tg_week_show(f, week, NULL, NULL, e);
        if (!rc && !f->json) {
            bool begun = week->from_ms <= tg_wall_ms(tg_loop_clock(f->loop));
            putchar('\n');
            tg_calendar_say(f, 0, "Each of the %zu hosts has exactly one slot. Nothing is booked; %s", week->names.n,
                            begun ? "and it can't be any more, because its first slot has begun" : "to book it: --apply");
        }
    }
    tg_week_free(week);
    return rc;
}

/* ---- verbs ---- */

static const struct verb {
    const char *name, *takes; /* what its argument is */
    const char *options;      /* those that are its own, with a blank behind each */
    int (*run)(struct tg_frame *f, struct tg_error *e);
    bool hosts;               /* and may be of some of its hosts */
} verbs[] = {
    {"plan", "PATTERN", "start apply svg html ", verb_plan, false},
    {"list", NULL, "", tg_week_verb_list, false},
    {"show", "WEEK", "svg html ", tg_week_verb_show, false},
    {"begin", "WEEK", "", tg_week_verb_begin, true},
    {"done", "WEEK", "", tg_week_verb_done, true},
    {"failed", "WEEK", "", tg_week_verb_failed, true},
    {"cancel", "WEEK", "reason ", tg_week_verb_cancel, false},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

static int check_options(const struct tg_frame *f, const struct verb *v, struct tg_error *e)
{
    char name[32];

    for (const struct tg_opt *o = opts; o->name; o++) {
        snprintf(name, sizeof name, "%s ", o->name);
        if (tg_opt_given(f, o->name) && !strstr(v->options, name))
            return tg_fail(e, TG_E_USAGE, "calendar week %s takes no --%s", v->name, o->name);
    }
    return 0;
}

static int run_week(struct tg_frame *f, struct tg_error *e)
{
    size_t i = 0;

    while (i < VERBS && strcmp(f->argv[0], verbs[i].name) != 0)
        i++;
    if (i == VERBS) {
        tg_fail(e, TG_E_USAGE, "calendar week has no \"%.40s\"", f->argv[0]);
        return tg_error_hint(e, "plan PATTERN, list, show WEEK, begin|done|failed WEEK [HOSTS], cancel WEEK"), TG_E_USAGE;
    }
    if (f->argc != (verbs[i].takes ? 2 : 1) && !(verbs[i].hosts && f->argc == 3)) {
        tg_fail(e, TG_E_USAGE, f->argc > 1 ? "\"%.60s\" is one argument too many" : "calendar week %s: which one?", f->argc > 1 ? f->argv[f->argc - 1] : verbs[i].name);
        return tg_error_hint(e, "tagout calendar week %s%s%s", verbs[i].name, verbs[i].takes ? " " : "", verbs[i].takes ? verbs[i].takes : ""), TG_E_USAGE;
    }
    int rc = check_options(f, &verbs[i], e);
    return rc ? rc : verbs[i].run(f, e);
}

const struct tg_cmd tg_cmd_calendar_week = {
    .name = "calendar week",
    .args = "plan PATTERN --start DATE | list | show WEEK | begin|done|failed WEEK [HOSTS|SLOT] | cancel WEEK",
    .brief = "lay a maintenance week over the fleet, and book it",
    .details = "plan lays the pattern of a maintenance week (tagout-week(5)) over the inventory and shows which hosts have which slot, how many a day, and the slots "
               "across the week. Each host of the pattern's location has exactly one slot: hosts that have none or two, and quotas that can't be filled, "
               "are mistakes with their place in the pattern. With --apply it is booked in the store; list, show and cancel are about what is booked; begin, "
               "done and failed say how its slots go where no run works on them.",
    .examples = "  $ tagout calendar week plan week.yaml --start 2026-11-30\n  $ tagout calendar week plan week.yaml --start 2026-11-30 --apply\n"
                "  $ tagout calendar week show flying-circus-2026-11-30 --html week.html\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 3,
    .needs = TG_NEED_CONFIG,
    .complete = "file",
    .exec = run_week,
};
