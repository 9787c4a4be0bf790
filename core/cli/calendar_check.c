/* tagout calendar check: reads the calendar, and says what is in it and what looks wrong. */
#include "calendar/check.h"
#include "cli/calendar.h"

static json_t *warning_json(const struct tg_calendar_warning *w)
{
    return json_pack("{s:s,s:s,s:i,s:i}", "text", w->text, "file", w->file, "line", w->line, "column", w->column);
}

static int print_json(const struct tg_frame *f, const struct tg_calendar_view *v, const struct tg_calendar_warnings *w, struct tg_error *e)
{
    json_t *warnings = json_array();
    size_t n_rules, n_hosts;

    (void) f;
    tg_calendar_rules(v->calendar, &n_rules);
    tg_inventory_hosts(f->inventory, &n_hosts);
    for (size_t i = 0; i < w->n; i++)
        json_array_append_new(warnings, warning_json(&w->list[i]));
    return tg_print_json(json_pack("{s:s,s:i,s:i,s:i,s:o}", "calendar", tg_calendar_path(v->calendar), "rules", (int) n_rules, "hosts", (int) n_hosts, "classes",
                                   (int) tg_agenda_classes(v->agenda), "warnings", warnings), e);
}

static void print_text(const struct tg_frame *f, const struct tg_calendar_view *v, const struct tg_calendar_warnings *w)
{
    size_t n_rules, n_hosts, n_customers, n_windows = 0;
    const struct tg_rule *rules = tg_calendar_rules(v->calendar, &n_rules);

    for (size_t i = 0; i < n_rules; i++)
        n_windows += rules[i].kind == TG_RULE_WINDOW;
    tg_inventory_hosts(f->inventory, &n_hosts);
    tg_inventory_customers(f->inventory, &n_customers);
    tg_calendar_say(f, 2, "%s: %zu window%s, %zu blackout%s, over %zu host%s of %zu customer%s, in %zu kind%s", tg_calendar_path(v->calendar), n_windows, n_windows == 1 ? "" : "s",
           n_rules - n_windows, n_rules - n_windows == 1 ? "" : "s", n_hosts, n_hosts == 1 ? "" : "s", n_customers, n_customers == 1 ? "" : "s",
           tg_agenda_classes(v->agenda), tg_agenda_classes(v->agenda) == 1 ? "" : "s");
    for (size_t i = 0; i < w->n; i++) {
        const struct tg_calendar_warning *x = &w->list[i];
        if (x->line)
            tg_calendar_say(f, 2, "Warning: %s:%d:%d: %s", x->file, x->line, x->column, x->text);
        else
            tg_calendar_say(f, 2, "Warning: %s: %s", x->file, x->text);
    }
}

static int run_check(struct tg_frame *f, struct tg_error *e)
{
    struct tg_calendar_warnings w = TG_CALENDAR_WARNINGS_INIT;
    struct tg_calendar_view v;
    int rc = tg_calendar_open(f, 0, &v, e);

    if (!rc)
        rc = tg_calendar_warn(v.agenda, f->inventory, v.at_ms, &w, e);
    if (!rc && f->json)
        rc = print_json(f, &v, &w, e);
    else if (!rc)
        print_text(f, &v, &w);
    if (!rc && tg_opt_flag(f, "strict") && w.n)
        f->status = 1;
    tg_calendar_warnings_release(&w);
    tg_calendar_close(&v);
    return rc;
}

static const struct tg_opt opts[] = {
    TG_CALENDAR_CLI_OPTS,
    {.name = "strict", .type = TG_OPT_FLAG, .text = "Warnings end with exit status 1: for a check before a change is merged"},
    {.name = NULL},
};

const struct tg_cmd tg_cmd_calendar_check = {
    .name = "calendar check",
    .args = "",
    .brief = "read the calendar, and say what looks wrong",
    .details = "Reads the calendar, the .ics files that it names and the customers of the inventory with all their mistakes at once, each with file, line and "
               "column; then warns about what is allowed and hardly meant: windows that never come again, that are about no host, or lie wholly in blackouts; "
               "hosts without a window; customers without contacts.",
    .examples = "  $ tagout calendar check\n  $ tagout calendar check --strict --calendar calendar.yaml -i inventory.yaml\n",
    .opts = opts,
    .needs = TG_NEED_INVENTORY,
    .exec = run_check,
};
