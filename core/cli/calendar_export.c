/* tagout calendar export: when hosts may be disturbed, as an .ics file. */
#include "cli/calendar.h"

#include "calendar/export.h"
#include "calendar/local.h"

#include <string.h>

#define DAYS_MAX 400

static int add_part(struct tg_calendar_view *v, const struct tg_ics_out *head, const struct tg_calendar_part *part, int64_t from_ms, int64_t until_ms,
                    struct tg_buf *out, struct tg_error *e)
{
    struct tg_spans spans = TG_SPANS_INIT;
    struct tg_buf text = TG_BUF_INIT, key = TG_BUF_INIT;
    int rc = tg_agenda_spans(v->agenda, part->class_, from_ms, until_ms, &spans, NULL, e);

    tg_buf_printf(&text, "%zu host%s: %s", part->n, part->n == 1 ? "" : "s", part->folded);
    tg_buf_printf(&key, "%s %s", v->selector, part->folded);
    if (!rc)
        rc = tg_buf_ok(&text, e);
    if (!rc)
        rc = tg_buf_ok(&key, e);
    if (!rc)
        tg_ics_add(out, head, tg_buf_text(&key), "Maintenance may take place", tg_buf_text(&text), &spans);
    tg_buf_release(&text);
    tg_buf_release(&key);
    tg_spans_release(&spans);
    return rc;
}

static int make(struct tg_frame *f, struct tg_calendar_view *v, struct tg_buf *out, struct tg_error *e)
{
    const char *from_text = tg_opt_text(f, "from");
    int64_t days = tg_opt_int(f, "days"), date = tg_zone_date(&v->zone, v->at_ms / 1000);
    struct tg_buf name = TG_BUF_INIT;
    struct tg_error why = TG_ERROR_INIT;
    int rc = 0;

    if (days < 1 || days > DAYS_MAX)
        return tg_fail(e, TG_E_USAGE, "--days must be 1 to %d", DAYS_MAX);
    if (from_text && tg_date_parse(from_text, &date, &why)) {
        tg_fail(e, TG_E_USAGE, "--from: %s", why.message);
        return tg_error_hint(e, "%s", why.hint), TG_E_USAGE;
    }
    int64_t from = tg_local_wall_s(&v->zone, date * TG_DAY_S, TG_ZONE_FIRST) * 1000, until = tg_local_wall_s(&v->zone, (date + days) * TG_DAY_S, TG_ZONE_FIRST) * 1000;
    tg_buf_printf(&name, "tagout: %s", v->selector[0] ? v->selector : "fleet");
    struct tg_ics_out head = {tg_buf_text(&name), v->at_ms};
    tg_ics_begin(out, &head);
    for (size_t i = 0; !rc && i < v->n_parts; i++)
        rc = add_part(v, &head, &v->parts[i], from, until, out, e);
    tg_ics_end(out);
    tg_buf_release(&name);
    return rc ? rc : tg_buf_ok(out, e);
}

static int run_export(struct tg_frame *f, struct tg_error *e)
{
    struct tg_calendar_view v;
    struct tg_buf text = TG_BUF_INIT;
    int rc = tg_calendar_open(f, 0, &v, e);

    if (!rc)
        rc = make(f, &v, &text, e);
    if (!rc && f->json)
        rc = tg_print_json(json_pack("{s:s,s:s}", "selector", v.selector, "ics", tg_buf_text(&text)), e);
    else if (!rc)
        fwrite(tg_buf_text(&text), 1, text.len, stdout);
    tg_buf_release(&text);
    tg_calendar_close(&v);
    return rc;
}

static const struct tg_opt opts[] = {
    TG_CALENDAR_CLI_OPTS,
    {.name = "ics", .type = TG_OPT_FLAG, .text = "As an .ics file on standard output: the only form, and the default"},
    {.name = "from", .type = TG_OPT_STRING, .arg = "DATE", .text = "The first day, such as 2026-11-30. Otherwise today"},
    {.name = "days", .letter = 'd', .type = TG_OPT_INT, .arg = "N", .value = "92", .text = "How many days, at most 400"},
    {.name = NULL},
};

const struct tg_cmd tg_cmd_calendar_export = {
    .name = "calendar export",
    .args = "[SELECTOR…]",
    .brief = "write when hosts may be disturbed as an .ics file",
    .details = "Windows with blackouts taken away, an event for each stretch, in UTC. Events keep their UID from export to export, so that a calendar which "
               "reads the file again shows each once. The file can be named as ics: in a calendar of tagout.",
    .examples = "  $ tagout calendar export customer:acme > acme.ics\n  $ tagout calendar export @web --from 2026-12-01 --days 31 > web.ics\n",
    .opts = opts,
    .max_args = -1,
    .needs = TG_NEED_INVENTORY,
    .complete = "selector",
    .exec = run_export,
};
